package engine

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// unit is one request's passage through fosite: who asks, what fosite was
// given and what it decided to store. fosite's many small store calls end
// here; the real store is called once. A unit belongs to one goroutine.
type unit struct {
	client  *client
	binding Binding
	take    func() []token.Proof // the one-time proofs of the request

	presented token.Presented    // by a token request
	resources []consent.Resource // what the access token is narrowed to

	request *token.Pushed  // being answered, for Issue
	grant   *consent.Grant // being made, for Issue

	pushed     token.Token
	pushedHash token.Hash
	issued     map[token.Kind]token.Token
	code       *token.Code    // made by Issue or loaded for redemption
	refresh    *token.Refresh // loaded for a refresh
	session    grantState
	idToken    string // made by a redemption

	access token.Access
	renew  *token.Refresh // made by a redemption
	active consent.Grant  // found active when the tokens were stored
	stored bool

	// failure is what really went wrong in the store. fosite turns store
	// errors into server errors; the real cause decides the answer.
	failure error
}

func (u *unit) fail(err error) error {
	if u.failure == nil {
		u.failure = err
	}
	return err
}

type unitKey struct{}

func withUnit(ctx context.Context, u *unit) context.Context {
	u.issued = map[token.Kind]token.Token{}
	return context.WithValue(ctx, unitKey{}, u)
}

var errNoUnit = errors.New("engine: storage used outside a request")

func unitOf(ctx context.Context) (*unit, error) {
	if u, ok := ctx.Value(unitKey{}).(*unit); ok {
		return u, nil
	}
	return nil, errNoUnit
}

// authenticated is fosite's hook for client authentication. The caller has
// authenticated the client before it called the engine; nothing in the form
// can change who it is.
func authenticated(ctx context.Context, _ *http.Request, _ url.Values) (fosite.Client, error) {
	u, err := unitOf(ctx)
	if err != nil || u.client == nil {
		return nil, fosite.ErrInvalidClient
	}
	return u.client, nil
}

// client is the part of a registration that fosite looks at. It implements
// fosite.Client and nothing more, so that none of fosite's own client
// authentication or request object code can run.
type client struct {
	r      consent.Recipient
	scopes fosite.Arguments
}

func newClient(r consent.Recipient) *client {
	c := &client{r: r, scopes: fosite.Arguments{offlineAccess}}
	for _, s := range r.Scopes {
		c.scopes = append(c.scopes, string(s))
	}
	return c
}

// offlineAccess is accepted and means nothing: refresh tokens come with
// every grant that lasts.
const offlineAccess = "offline_access"

func (c *client) GetID() string                      { return string(c.r.ID) }
func (c *client) GetHashedSecret() []byte            { return nil }
func (c *client) GetRedirectURIs() []string          { return c.r.RedirectURIs }
func (c *client) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }
func (c *client) GetScopes() fosite.Arguments        { return c.scopes }
func (c *client) IsPublic() bool                     { return false }
func (c *client) GetAudience() fosite.Arguments      { return nil }
func (c *client) GetGrantTypes() fosite.Arguments {
	return fosite.Arguments{"authorization_code", "refresh_token"}
}

// GetResponseModes lets a request name response_mode=query, which is the
// only mode there is.
func (c *client) GetResponseModes() []fosite.ResponseModeType {
	return []fosite.ResponseModeType{fosite.ResponseModeDefault, fosite.ResponseModeQuery}
}

// session satisfies fosite. Expiry is decided by the store and ignored here.
type session struct {
	expires map[fosite.TokenType]time.Time
}

func (s *session) SetExpiresAt(key fosite.TokenType, at time.Time) {
	if s.expires == nil {
		s.expires = map[fosite.TokenType]time.Time{}
	}
	s.expires[key] = at
}
func (s *session) GetExpiresAt(key fosite.TokenType) time.Time { return s.expires[key] }
func (s *session) GetUsername() string                         { return "" }
func (s *session) GetSubject() string                          { return "" }
func (s *session) Clone() fosite.Session {
	c := &session{}
	for k, v := range s.expires {
		c.SetExpiresAt(k, v)
	}
	return c
}

// noSecrets refuses client secrets: there are none.
type noSecrets struct{}

func (noSecrets) Compare(context.Context, []byte, []byte) error { return fosite.ErrInvalidClient }
func (noSecrets) Hash(context.Context, []byte) ([]byte, error)  { return nil, fosite.ErrInvalidClient }
