package fdx

import (
	"encoding/json"
	"slices"
)

// ConsentGrant is the wire form of a consent: the answer to getConsentGrant.
type ConsentGrant struct {
	ID          ConsentID     `json:"id"`
	Status      ConsentStatus `json:"status"`
	Parties     []Party       `json:"parties"`
	CreatedTime Timestamp     `json:"createdTime"`
	// ExpirationTime is missing from a consent without an end.
	ExpirationTime Timestamp           `json:"expirationTime,omitzero"`
	UpdatedTime    Timestamp           `json:"updatedTime,omitzero"`
	DurationType   ConsentDurationType `json:"durationType"`
	// DurationPeriod is in days from CreatedTime, and 0, which is left out,
	// unless DurationType is TIME_BOUND.
	DurationPeriod int `json:"durationPeriod,omitzero"`
	// LookbackPeriod is in days before each request.
	LookbackPeriod int               `json:"lookbackPeriod"`
	Resources      []ConsentResource `json:"resources"`
	// Links lead to the consent that replaced this one, or that it replaced.
	Links []HateoasLink `json:"links"`
}

// MarshalJSON writes lists that hold nothing as [].
func (g ConsentGrant) MarshalJSON() ([]byte, error) {
	type plain ConsentGrant
	g.Parties, g.Resources, g.Links = listed(g.Parties), listed(g.Resources), listed(g.Links)
	return json.Marshal(plain(g))
}

// ConsentStatus is the state of a consent. Both REVOKED and EXPIRED are
// final.
type ConsentStatus string

// The states of a consent.
const (
	ConsentActive  ConsentStatus = "ACTIVE"
	ConsentExpired ConsentStatus = "EXPIRED"
	ConsentRevoked ConsentStatus = "REVOKED"
)

// ConsentDurationType is how long a consent is meant to last.
type ConsentDurationType string

// The kinds of durations. Some published examples write ONETIME and
// TIME_BASED; they are wrong.
const (
	OneTimeConsent    ConsentDurationType = "ONE_TIME"
	PersistentConsent ConsentDurationType = "PERSISTENT"
	TimeBoundConsent  ConsentDurationType = "TIME_BOUND"
)

// ConsentResource is what a consent covers of one resource.
type ConsentResource struct {
	ResourceType ConsentResourceType `json:"resourceType"`
	// ResourceID is an account id, a customer id or a document id.
	ResourceID string `json:"resourceId"`
	// DataClusters is never empty.
	DataClusters Clusters `json:"dataClusters"`
}

// ConsentResourceType is the kind of a resource.
type ConsentResourceType string

// The kinds of resources.
const (
	AccountResource  ConsentResourceType = "ACCOUNT"
	CustomerResource ConsentResourceType = "CUSTOMER"
	DocumentResource ConsentResourceType = "DOCUMENT"
)

// Party is somebody with a part in a consent or a notification. In a consent
// every member is given except LogoURI, as it was registered on the day of
// the grant.
type Party struct {
	Name                 string    `json:"name"`
	Type                 PartyType `json:"type"`
	HomeURI              string    `json:"homeUri,omitzero"`
	LogoURI              string    `json:"logoUri,omitzero"`
	Registry             Registry  `json:"registry,omitzero"`
	RegisteredEntityName string    `json:"registeredEntityName,omitzero"`
	RegisteredEntityID   string    `json:"registeredEntityId,omitzero"`
}

// PartyType is the part of a party.
type PartyType string

// The parts of parties.
const (
	DataAccessPlatform PartyType = "DATA_ACCESS_PLATFORM"
	DataProvider       PartyType = "DATA_PROVIDER"
	DataRecipient      PartyType = "DATA_RECIPIENT"
	Individual         PartyType = "INDIVIDUAL"
	Merchant           PartyType = "MERCHANT"
	Vendor             PartyType = "VENDOR"
)

func (t PartyType) known() bool {
	return slices.Contains([]PartyType{DataAccessPlatform, DataProvider, DataRecipient, Individual, Merchant, Vendor}, t)
}

// Registry is where a party is registered.
type Registry string

// The registries.
const (
	FDXRegistry     Registry = "FDX"
	GLEIFRegistry   Registry = "GLEIF"
	ICANNRegistry   Registry = "ICANN"
	PrivateRegistry Registry = "PRIVATE"
)

func (r Registry) known() bool {
	return slices.Contains([]Registry{FDXRegistry, GLEIFRegistry, ICANNRegistry, PrivateRegistry}, r)
}

// ConsentUpdateReason is why a consent changed.
type ConsentUpdateReason string

// The reasons.
const (
	BusinessRule ConsentUpdateReason = "BUSINESS_RULE"
	UserAction   ConsentUpdateReason = "USER_ACTION"
)

// ConsentRevocation is an entry of the history of a consent.
type ConsentRevocation struct {
	Status      ConsentStatus       `json:"status"`
	Reason      ConsentUpdateReason `json:"reason"`
	Initiator   PartyType           `json:"initiator"`
	UpdatedTime Timestamp           `json:"updatedTime"`
}

// ConsentRevocationsAnswer is the answer to getConsentRevocation.
type ConsentRevocationsAnswer struct {
	// Revocations are oldest first; none is [] in the JSON and never null.
	Revocations []ConsentRevocation `json:"revocations"`
}

// MarshalJSON writes no list as [].
func (a ConsentRevocationsAnswer) MarshalJSON() ([]byte, error) {
	type plain ConsentRevocationsAnswer
	a.Revocations = listed(a.Revocations)
	return json.Marshal(plain(a))
}

// ConsentRevocationRequest is the body of revokeConsentGrant.
type ConsentRevocationRequest struct {
	Reason    ConsentUpdateReason `json:"reason"`
	Initiator PartyType           `json:"initiator"`
}

// ParseConsentRevocationRequest reads the body of revokeConsentGrant. FDX
// leaves both members optional; this product requires both, so that the
// history can say who stopped the sharing and why. Anything but one JSON
// object of at most MaxBodyLength bytes with a known value for each is
// ErrInvalidInput. Members that FDX does not know are ignored.
func ParseConsentRevocationRequest(body []byte) (ConsentRevocationRequest, *Error) {
	var r ConsentRevocationRequest
	if err := parseBody(body, &r); err != nil {
		return ConsentRevocationRequest{}, err
	}
	switch {
	case r.Reason != BusinessRule && r.Reason != UserAction:
		return ConsentRevocationRequest{}, ErrInvalidInput.WithDebug("reason is neither BUSINESS_RULE nor USER_ACTION")
	case !r.Initiator.known():
		return ConsentRevocationRequest{}, ErrInvalidInput.WithDebug("initiator is missing or unknown")
	}
	return r, nil
}

// ConsentsAnswer is the answer to listConsentGrants, which is an extension:
// FDX has no list of consents.
type ConsentsAnswer struct {
	Page  PageMetadata `json:"page,omitzero"`
	Links Links        `json:"links,omitzero"`
	// Consents may be empty, which is [] in the JSON and never null.
	Consents []ConsentGrant `json:"consents"`
}

// MarshalJSON writes no list as [].
func (a ConsentsAnswer) MarshalJSON() ([]byte, error) {
	type plain ConsentsAnswer
	a.Consents = listed(a.Consents)
	return json.Marshal(plain(a))
}

// ConsentsQuery holds the parameters of listConsentGrants.
type ConsentsQuery struct {
	// CustomerID restricts the list, "" to all customers.
	CustomerID CustomerID
	// Status restricts the list, "" to all states.
	Status ConsentStatus
	PageQuery
}

// ParseConsentsQuery reads the parameters of listConsentGrants. Unknown
// parameters are ignored; a known one that is repeated, empty or malformed is
// ErrInvalidInput. The limits are those of ParsePageQuery.
func ParseConsentsQuery(v Query) (ConsentsQuery, *Error) {
	var q ConsentsQuery
	customer, given, err := single(v, "customerId")
	if err != nil {
		return ConsentsQuery{}, err
	}
	if given {
		id, err := ParseCustomerID(customer)
		if err != nil {
			return ConsentsQuery{}, ErrInvalidInput.WithDebug("customerId is malformed")
		}
		q.CustomerID = id
	}
	status, given, err := single(v, "status")
	if err != nil {
		return ConsentsQuery{}, err
	}
	if given {
		q.Status = ConsentStatus(status)
		if q.Status != ConsentActive && q.Status != ConsentExpired && q.Status != ConsentRevoked {
			return ConsentsQuery{}, ErrInvalidInput.WithDebug("status is none of ACTIVE, EXPIRED, REVOKED")
		}
	}
	if q.PageQuery, err = ParsePageQuery(v); err != nil {
		return ConsentsQuery{}, err
	}
	return q, nil
}
