package consent

import (
	"context"
	"encoding/json"

	"github.com/headgate/headgate/fdx"
)

// RecipientStatus is the state of a registration.
type RecipientStatus string

// The states of a recipient. Only an active one can obtain consent or data.
const (
	RecipientActive    RecipientStatus = "active"
	RecipientSuspended RecipientStatus = "suspended"
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
)

// Recipient is one registered data recipient. Its limits are ceilings for
// every later request.
type Recipient struct {
	ID            RecipientID
	Status        RecipientStatus
	Name          string // shown to consumers
	LegalName     string // owner, shown to consumers
	HomeURI       string // where "back to the app" leads when nothing else is known
	LogoURI       string
	Registry      string
	RegistryID    string
	AuthMethod    AuthMethod
	AssertionAlg  string          // PS256, ES256 or EdDSA; for PrivateKeyJWT
	JWKS          json.RawMessage // public keys by value (RFC 7517)
	CertSubjectDN string          // for TLSClientAuth (RFC 8705 2.1.2)
	RedirectURIs  []string        // compared exactly
	Scopes        []fdx.Scope     // the most it may ask for
	Purposes      []Purpose       // at least one
	Durations     []DurationType  // the first is the default of a scope-only request
	MaxDays       int             // ceiling and default of durationPeriod
	LookbackDays  int             // ceiling and default of lookbackPeriod
	DPoPBound     bool            // access tokens must be bound to a DPoP key
}

// Party returns the recipient as it is copied into a grant.
func (r Recipient) Party() Party {
	return Party{
		Name: r.Name, Type: PartyRecipient, HomeURI: r.HomeURI, LogoURI: r.LogoURI,
		Registry: r.Registry, RegisteredEntityName: r.LegalName, RegisteredEntityID: r.RegistryID,
	}
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
