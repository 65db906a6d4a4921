package recipient

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// How long a consent lasts (FDX).
const (
	TimeBound  = "TIME_BOUND" // for DurationPeriod days
	OneTime    = "ONE_TIME"   // for one collection
	Persistent = "PERSISTENT" // until someone stops it
)

// ConsentRequest is what we ask the consumer for, in the words of FDX. It
// names no account: the consumer picks those at the bank.
type ConsentRequest struct {
	// DurationType is TimeBound, OneTime or Persistent.
	DurationType string `json:"durationType"`
	// DurationPeriod in days, for TimeBound only.
	DurationPeriod int `json:"durationPeriod,omitempty"`
	// LookbackPeriod is how far back the data may go, in days.
	LookbackPeriod int `json:"lookbackPeriod,omitempty"`
	// Resources lists what of each account we want to see.
	Resources []Resource `json:"resources"`
}

// Resource is a kind of thing and the data clusters wanted of it.
type Resource struct {
	ResourceType string   `json:"resourceType"` // ACCOUNT
	DataClusters []string `json:"dataClusters"` // ACCOUNT_BASIC, TRANSACTIONS, ...
}

// Attempt is one try at obtaining a consent: what we ask for, and the three
// secrets that tie the answer to this try. Keep it with the consumer's
// session until the redirect comes back; never use it twice.
type Attempt struct {
	// Consent is what we ask for as authorization_details; nil when Scope
	// says it.
	Consent *ConsentRequest
	// Details is what we ask for as authorization_details of any kind: a
	// JSON array (RFC 9396), sent as it is; nil when Consent or Scope says
	// it.
	Details json.RawMessage
	// Scope is what we ask for as space-separated scopes; "" when Consent
	// or Details says it.
	Scope string
	// GrantAction is create, merge or replace, and GrantID the grant that
	// the latter two change (Grant Management for OAuth 2.0); "" for none.
	GrantAction, GrantID string
	// Nonce ties the ID token to this attempt; "" when we ask for none. Set
	// by AskIdentity.
	Nonce string
	// MaxAge is how many seconds ago the consumer may have signed in, at
	// most; 0 for any time.
	MaxAge int
	// State comes back with the redirect: it ties the answer to the
	// browser that we sent away.
	State string
	// Verifier proves at the token endpoint that the code is ours (PKCE).
	Verifier Secret
	// Key is what the tokens get bound to.
	Key *DPoPKey
}

// Ask begins an attempt for a consent, with fresh secrets and a fresh ES256
// key.
func Ask(consent ConsentRequest) (*Attempt, error) {
	a, err := newAttempt()
	if err != nil {
		return nil, err
	}
	a.Consent = &consent
	return a, nil
}

// AskScopes begins an attempt for FDX scopes alone, such as
// fdx:transactions:read. Duration and look-back are then what the bank has
// registered for us.
func AskScopes(scopes ...string) (*Attempt, error) {
	a, err := newAttempt()
	if err != nil {
		return nil, err
	}
	a.Scope = strings.Join(scopes, " ")
	return a, nil
}

// AskIdentity makes the attempt ask who the consumer is, too (OpenID Connect
// Core section 3.1.2.1): for scope openid, with a fresh nonce.
func (a *Attempt) AskIdentity() {
	a.Scope = strings.TrimPrefix(a.Scope+" openid", " ")
	a.Nonce = rand.Text()
}

func newAttempt() (*Attempt, error) {
	key, err := NewDPoPKey(jose.ES256)
	if err != nil {
		return nil, err
	}
	return &Attempt{State: rand.Text(), Verifier: newVerifier(), Key: key}, nil
}

// newVerifier is 43 characters from 32 random bytes (RFC 7636 section 4.1).
func newVerifier() Secret {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand
	return Secret(base64.RawURLEncoding.EncodeToString(b))
}

// Challenge is the S256 code challenge of the verifier (RFC 7636 section
// 4.2).
func (a *Attempt) Challenge() string {
	sum := sha256.Sum256([]byte(a.Verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// form is the authorization request.
func (a *Attempt) form(clientID, redirectURI string) (url.Values, error) {
	form := url.Values{
		"response_type":         {"code"},
		"client_id":             {clientID},
		"redirect_uri":          {redirectURI},
		"state":                 {a.State},
		"code_challenge":        {a.Challenge()},
		"code_challenge_method": {"S256"},
	}
	for name, value := range map[string]string{
		"scope": a.Scope, "nonce": a.Nonce, "authorization_details": string(a.Details),
		"grant_management_action": a.GrantAction, "grant_id": a.GrantID,
	} {
		if value != "" {
			form.Set(name, value)
		}
	}
	if a.MaxAge > 0 {
		form.Set("max_age", strconv.Itoa(a.MaxAge))
	}
	if a.Consent != nil {
		details, err := json.Marshal([]any{map[string]any{"type": "fdx_v1.0", "consentRequest": a.Consent}})
		if err != nil {
			return nil, fmt.Errorf("encode authorization_details: %w", err)
		}
		form.Set("authorization_details", string(details))
	}
	return form, nil
}
