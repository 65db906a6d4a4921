package consent

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/headgate/headgate/fdx"
)

// RecipientStatus is the state of a registration.
type RecipientStatus string

// The states of a registration.
const (
	// RecipientPending waits for the operator: it can manage its registration
	// and nothing else.
	RecipientPending RecipientStatus = "pending"
	// RecipientActive can obtain consent and data.
	RecipientActive RecipientStatus = "active"
	// RecipientRestricted reads under the grants it has and obtains no new
	// consent.
	RecipientRestricted RecipientStatus = "restricted"
	// RecipientSuspended can do nothing for now; its grants stay.
	RecipientSuspended RecipientStatus = "suspended"
	// RecipientClosed is final: its grants have ended.
	RecipientClosed RecipientStatus = "closed"
)

// CanBecome reports whether a registration may go from this state to the
// next one. To become what it is already is no change, and nothing leaves
// RecipientClosed. What holds consents is suspended before it is closed, so
// that everything has stopped before the first grant ends.
func (s RecipientStatus) CanBecome(next RecipientStatus) bool {
	switch s {
	case RecipientPending:
		return next == RecipientActive || next == RecipientClosed
	case RecipientActive:
		return next == RecipientPending || next == RecipientRestricted || next == RecipientSuspended
	case RecipientRestricted:
		return next == RecipientPending || next == RecipientActive || next == RecipientSuspended
	case RecipientSuspended:
		return next == RecipientActive || next == RecipientRestricted || next == RecipientClosed
	default:
		return false
	}
}

// MayAsk reports whether new consents may be obtained in this state.
func (s RecipientStatus) MayAsk() bool { return s == RecipientActive }

// MayRead reports whether data may be read under grants that exist. An
// unknown state may nothing.
func (s RecipientStatus) MayRead() bool { return s == RecipientActive || s == RecipientRestricted }

// ErrMayNotAsk: the recipient may not obtain new consents now.
var ErrMayNotAsk = errors.New("consent: recipient may not ask for consent")

// Role is what a registered client is.
type Role string

// The roles.
const (
	// RoleRecipient obtains consent and reads data.
	RoleRecipient Role = "recipient"
	// RoleResourceServer is a bank's own server, which asks what a token is
	// worth (RFC 7662) and obtains nothing for itself. Its Scopes are those
	// that it serves.
	RoleResourceServer Role = "resource_server"
)

// Purpose is one registered reason to ask for data.
type Purpose struct {
	Code     string       `json:"code"`     // such as "budgeting"
	Label    string       `json:"label"`    // the recipient's own sentence, shown as a quotation
	Clusters fdx.Clusters `json:"clusters"` // the most it may ask for under this purpose
}

// AuthMethod is an OAuth client authentication method name (RFC 7591).
type AuthMethod string

// The client authentication methods of FAPI 2.0.
const (
	PrivateKeyJWT AuthMethod = "private_key_jwt"
	TLSClientAuth AuthMethod = "tls_client_auth"
	// SelfSignedTLS: the certificate's key is one of the registered keys (RFC
	// 8705 section 2.2).
	SelfSignedTLS AuthMethod = "self_signed_tls_client_auth"
)

// CertSubject is how the certificate of a TLSClientAuth client is recognised
// (RFC 8705 section 2.1.2): a metadata member such as
// tls_client_auth_subject_dn, and its value. The zero value recognises none.
type CertSubject struct {
	Member string `json:"member"`
	Value  string `json:"value"`
}

// Profile is how a client speaks: what of the protocols it uses beyond what
// every client must. The zero value is a client of the FAPI 2.0 Security
// Profile with plain requests and plain responses.
type Profile struct {
	// GrantTypes may name "client_credentials"; authorization_code and
	// refresh_token are always there.
	GrantTypes []string `json:"grant_types,omitempty"`
	// SignedRequests: every pushed request must be a signed request object
	// (RFC 9101); a client without it may sign all the same.
	SignedRequests bool `json:"require_signed_request_object,omitempty"`
	// RequestAlg is the only algorithm of its request objects; empty allows
	// PS256, ES256 and EdDSA.
	RequestAlg string `json:"request_object_signing_alg,omitempty"`
	// ResponseModes are the modes it may use, "query" or "jwt" (JARM), the
	// first of them when a request names none; empty is "query".
	ResponseModes []string `json:"response_modes,omitempty"`
	// The algorithms of what we sign for it; empty is ES256.
	ResponseAlg      string `json:"authorization_signed_response_alg,omitempty"`
	IDTokenAlg       string `json:"id_token_signed_response_alg,omitempty"`
	IntrospectionAlg string `json:"introspection_signed_response_alg,omitempty"`
	// DetailsTypes are the authorization details types it may use (RFC 9396
	// section 10); empty allows all.
	DetailsTypes []string `json:"authorization_details_types,omitempty"`
	// ErrorCodes is the JSON type of the code in FDX error bodies: IntegerCodes,
	// or empty for a string. FDX says string; early releases of recipients'
	// software were built against integers.
	ErrorCodes string `json:"error_codes,omitempty"`
}

// IntegerCodes is the value of Profile.ErrorCodes under which the code of an
// FDX error is a JSON integer.
const IntegerCodes = "integer"

// Recipient is one registered client: a data recipient, or a resource server
// of the bank's own. A recipient's limits are ceilings for every later
// request.
type Recipient struct {
	ID        RecipientID
	Role      Role // the zero value is RoleRecipient
	Status    RecipientStatus
	Name      string // shown to consumers
	LegalName string // owner, shown to consumers
	HomeURI   string // where "back to the app" leads when nothing else is known
	LogoURI   string
	// Benefit is what the recipient says that people get: its own words, and
	// only while they are those that the operator approved. Stores fill it in;
	// what was registered and not approved is not in a Recipient. Writing a
	// Recipient does not change it.
	Benefit      string
	Registry     string
	RegistryID   string
	AuthMethod   AuthMethod
	AssertionAlg string          // PS256, ES256 or EdDSA; for PrivateKeyJWT
	JWKS         json.RawMessage // public keys by value (RFC 7517); nil with JWKSURI
	JWKSURI      string          // where the public keys are; empty with JWKS
	CertSubject  CertSubject     // for TLSClientAuth
	// Intermediaries pass the data on between the bank and the recipient;
	// shown to consumers. nil when there are none.
	Intermediaries []Party
	RedirectURIs   []string       // compared exactly
	Scopes         []fdx.Scope    // the most it may ask for
	Purposes       []Purpose      // at least one, for a recipient
	Durations      []DurationType // the first is the default of a scope-only request
	MaxDays        int            // ceiling and default of durationPeriod
	LookbackDays   int            // ceiling and default of lookbackPeriod
	// DPoPBound says what access tokens are bound to: true a DPoP key, false
	// the client certificate.
	DPoPBound bool
	Profile   Profile
	// Quota is how many requests a minute the gateways let through; 0 is what
	// their configuration says. Only the operator sets it: stores keep it when
	// a client changes its registration, and when it is 0 in what replaces one.
	Quota int
}

// MayAsk reports whether the client may ask consumers for new consents.
func (r Recipient) MayAsk() bool { return r.Role != RoleResourceServer && r.Status.MayAsk() }

// Party returns the recipient as it is copied into a grant.
func (r Recipient) Party() Party {
	return Party{
		Name: r.Name, Type: PartyRecipient, HomeURI: r.HomeURI, LogoURI: r.LogoURI,
		Registry: r.Registry, RegisteredEntityName: r.LegalName, RegisteredEntityID: r.RegistryID,
	}
}

// Parties returns everybody who takes part in a grant to the recipient, as
// they are copied into it: the recipient, who stands between, the provider.
func (r Recipient) Parties(provider Party) []Party {
	return append(append([]Party{r.Party()}, r.Intermediaries...), provider)
}

// Purpose returns the registered purpose with that code.
func (r Recipient) Purpose(code string) (Purpose, bool) {
	for _, p := range r.Purposes {
		if p.Code == code {
			return p, true
		}
	}
	return Purpose{}, false
}

// Recipients finds registrations.
type Recipients interface {
	// Recipient returns the registration, in whatever status it is, or
	// ErrNotFound. Safe for concurrent use.
	Recipient(ctx context.Context, id RecipientID) (Recipient, error)
}
