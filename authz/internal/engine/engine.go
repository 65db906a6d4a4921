// Package engine composes ory/fosite and adapts it to Headgate. It is the
// only package that imports fosite, so that what fosite gets right is used
// and what it gets wrong for FAPI 2.0 is corrected in one place.
//
// fosite carries: parsing and checking of authorization requests, redirect
// and scope checks, code issue, PKCE, code redemption, the token endpoint's
// handler chain. Headgate carries: client authentication (the engine is told
// who the client is), single use by compare-and-set, expiry by the store's
// clock, token formats, sender constraint, refresh without rotation, error
// texts and all HTTP.
//
// The package must not know HTTP responses, pages, SQL or Redis. What it
// overrides of fosite is listed in docs/divergences.md, with a test for each.
//
// Specs: RFC 6749, RFC 7636, RFC 9126, RFC 9449 section 10.
package engine

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// Store is what the engine needs of token storage; token.Store states the
// contract.
type Store interface {
	// Redeem: see token.Store.
	Redeem(ctx context.Context, r token.Redemption) (consent.Grant, error)
	// Renew: see token.Store.
	Renew(ctx context.Context, refresh token.Hash, a token.Access, spend ...token.Proof) (consent.Grant, error)
}

// Config configures an Engine. All fields are required.
type Config struct {
	Store      Store
	Hasher     *token.Hasher
	PushedLife time.Duration // of a request_uri
	CodeLife   time.Duration // of an authorization code, at most 60 s (FAPI 2.0)
	AccessLife time.Duration // of an access token, at most 900 s
	// IDToken makes the ID token of a code that was granted openid. It is
	// called before the code is redeemed: when it fails nothing is stored, and
	// the code can be presented again.
	IDToken func(ctx context.Context, r consent.Recipient, id Identity) (string, error)
	Now     func() time.Time
}

// Identity is what an ID token says about a sign-in (OpenID Connect Core
// section 2). It is kept with the code.
type Identity struct {
	Consumer consent.ConsumerID `json:"consumer"`
	// AuthTime is when the person signed in, in Unix seconds; 0 when nobody
	// asked.
	AuthTime int64  `json:"auth_time,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
	ACR      string `json:"acr,omitempty"` // empty when nobody asked
	// AMR are the methods of the sign-in with spaces between them; empty when
	// nobody asked.
	AMR string `json:"amr,omitempty"`
}

// Engine issues codes and tokens. It is safe for concurrent use.
type Engine struct {
	cfg      Config
	provider fosite.OAuth2Provider
	config   *fosite.Config
}

// New returns an Engine.
func New(c Config) (*Engine, error) {
	switch {
	case c.Store == nil || c.Hasher == nil || c.IDToken == nil || c.Now == nil:
		return nil, errors.New("engine: Store, Hasher, IDToken and Now are required")
	case c.PushedLife <= 0 || c.PushedLife >= 600*time.Second:
		return nil, errors.New("engine: PushedLife must be above 0 and under 600 s")
	case c.CodeLife <= 0 || c.CodeLife > 60*time.Second:
		return nil, errors.New("engine: CodeLife must be above 0 and at most 60 s")
	case c.AccessLife <= 0 || c.AccessLife > 900*time.Second:
		return nil, errors.New("engine: AccessLife must be above 0 and at most 900 s")
	}
	e := &Engine{cfg: c}
	e.config = &fosite.Config{
		AccessTokenLifespan:            c.AccessLife,
		AuthorizeCodeLifespan:          c.CodeLife,
		PushedAuthorizeContextLifespan: c.PushedLife,
		// The end of a refresh token is the end of its grant; the store
		// decides, not fosite.
		RefreshTokenLifespan:            -1,
		RefreshTokenScopes:              []string{}, // not nil: nil means "offline_access only"
		ScopeStrategy:                   fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:        fosite.ExactAudienceMatchingStrategy,
		EnforcePKCE:                     true,
		EnablePKCEPlainChallengeMethod:  false,
		MinParameterEntropy:             1, // FAPI demands no state at all
		OmitRedirectScopeParam:          true,
		IsPushedAuthorizeEnforced:       true,
		PushedAuthorizeRequestURIPrefix: string(token.KindPushed),
		RedirectSecureChecker: func(_ context.Context, u *url.URL) bool {
			return u.Scheme == "https" || loopback(u)
		},
		ClientAuthenticationStrategy: authenticated,
		ClientSecretsHasher:          noSecrets{},
	}
	store := &storage{cfg: c}
	strategy := strategy{c.Hasher}
	// The order of the token handlers is security relevant: the sender
	// constraint must be checked before PKCE and both before anything is
	// stored. TestHandlerOrder fails on any change.
	e.provider = compose.Compose(e.config, store, strategy,
		compose.OAuth2AuthorizeExplicitFactory,
		func(fosite.Configurator, interface{}, interface{}) interface{} {
			return &refreshGrant{store: store, strategy: strategy}
		},
		func(fosite.Configurator, interface{}, interface{}) interface{} { return senderConstraint{} },
		compose.OAuth2PKCEFactory,
		compose.PushedAuthorizeHandlerFactory,
	)
	return e, nil
}

// loopback accepts the one kind of http redirect that FAPI 2.0 allows: to a
// native app on the same machine.
func loopback(u *url.URL) bool {
	return u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
}

// Push checks the parameters of an authorization request, as fosite does at
// PAR, for a recipient that has been authenticated. params holds each
// parameter once and no client authentication. It returns the secret
// request_uri and its hash; storing the request is the caller's.
func (e *Engine) Push(ctx context.Context, r consent.Recipient, params map[string]string) (token.Token, token.Hash, error) {
	u := &unit{client: newClient(r)}
	form := url.Values{}
	for k, v := range params {
		form.Set(k, v)
	}
	form.Set("client_id", string(r.ID))
	form.Del("response_mode") // how the answer is written is not fosite's to know
	if form.Get("state") == "" {
		// fosite insists on a state. The marker lives in this copy only.
		form.Set("state", "-")
	}
	ctx = withUnit(ctx, u)
	ar, err := e.provider.NewPushedAuthorizeRequest(ctx, posted(form))
	if err != nil {
		return token.Token{}, token.Hash{}, u.outcome(err)
	}
	if _, err := e.provider.NewPushedAuthorizeResponse(ctx, ar, &session{}); err != nil {
		return token.Token{}, token.Hash{}, u.outcome(err)
	}
	if u.pushedHash.IsZero() {
		return token.Token{}, token.Hash{}, &Error{Code: ServerError, Text: "the request could not be stored"}
	}
	return u.pushed, u.pushedHash, nil
}

// Issue makes the authorization code for an approved request. Nothing is
// stored: the caller stores the code together with the grant. id is nil unless
// openid was asked for; with it the code carries that scope too.
func (e *Engine) Issue(ctx context.Context, r consent.Recipient, p token.Pushed, g consent.Grant, id *Identity) (token.Token, token.Code, error) {
	u := &unit{client: newClient(r), request: &p, grant: &g, session: grantState{
		ExpiresAt: g.ExpiresAt, OneTime: g.Duration == consent.OneTime, Identity: id,
	}}
	ctx = withUnit(ctx, u)
	query := url.Values{"client_id": {string(r.ID)}, "request_uri": {string(token.KindPushed)}}
	ar, err := e.provider.NewAuthorizeRequest(ctx, &http.Request{Method: http.MethodGet, URL: &url.URL{RawQuery: query.Encode()}, Header: http.Header{}})
	if err != nil {
		return token.Token{}, token.Code{}, u.outcome(err)
	}
	for _, s := range grantedScopes(g, id) {
		ar.GrantScope(string(s))
	}
	if _, err := e.provider.NewAuthorizeResponse(ctx, ar, &session{}); err != nil {
		return token.Token{}, token.Code{}, u.outcome(err)
	}
	if u.code == nil || u.code.Hash.IsZero() || u.code.Challenge == "" {
		return token.Token{}, token.Code{}, &Error{Code: ServerError, Text: "no code was made"}
	}
	return u.issued[token.KindCode], *u.code, nil
}

// grantedScopes are the scopes of a grant's clusters, after openid when an ID
// token goes with them.
func grantedScopes(g consent.Grant, id *Identity) []fdx.Scope {
	var scopes []fdx.Scope
	if id != nil {
		scopes = append(scopes, fdx.ScopeOpenID)
	}
	return append(scopes, fdx.ScopesOf(g.Clusters())...)
}

// Binding is the key or certificate that a token request proved to hold.
type Binding struct {
	KeyThumbprint  string // DPoP key, RFC 7638
	CertThumbprint string // certificate, x5t#S256
}

// TokenType is the type of a token with this binding (RFC 9449 section 5, RFC
// 8705 section 3).
func (b Binding) TokenType() string {
	if b.KeyThumbprint != "" {
		return "DPoP"
	}
	return "Bearer"
}

// Request is a token request of an authenticated recipient.
type Request struct {
	Client consent.Recipient
	Form   url.Values // each parameter once, without client authentication
	// Binding is what the tokens will be bound to: exactly one of its two.
	Binding Binding
	// Presented is what the store says of the code or refresh token in Form.
	Presented token.Presented
	// Resources are what the access token is narrowed to, already found to be
	// within the grant; empty for all of it.
	Resources []consent.Resource
	// Take returns the one-time proofs of the request. It is called at most
	// once, right before they are spent in the step that issues; a
	// *token.ReplayedError then comes back. When it was not called the caller
	// spends them.
	Take func() []token.Proof
}

// Answer is what the token endpoint hands out.
type Answer struct {
	Access  token.Token
	Refresh token.Token // empty for a refresh request and a one-time grant
	IDToken string      // empty for a refresh request and without openid
	Record  token.Access
	Grant   consent.Grant // as found active when the tokens were stored
}

// HasRefresh reports whether a refresh token was issued.
func (a Answer) HasRefresh() bool { return a.Refresh.Reveal() != "" }

// Token answers a token request of an authenticated recipient: grant types
// authorization_code and refresh_token. Everything it issues is stored when
// it returns. A *UsedError says that a code of this recipient came back.
func (e *Engine) Token(ctx context.Context, r Request) (Answer, error) {
	u := &unit{client: newClient(r.Client), binding: r.Binding, presented: r.Presented, resources: r.Resources, take: r.Take}
	form := r.Form
	switch kind := form.Get("grant_type"); {
	case kind == "":
		return Answer{}, &Error{Code: InvalidRequest, Text: "grant_type is missing"}
	case kind == "authorization_code" && form.Get("code") == "":
		return Answer{}, &Error{Code: InvalidRequest, Text: "code is missing"}
	case kind == "refresh_token" && form.Get("refresh_token") == "":
		return Answer{}, &Error{Code: InvalidRequest, Text: "refresh_token is missing"}
	case kind == "authorization_code", kind == "refresh_token":
	default:
		return Answer{}, &Error{Code: UnsupportedGrantType, Text: badGrantType}
	}
	ctx = withUnit(ctx, u)
	req, err := e.provider.NewAccessRequest(ctx, posted(form), &session{})
	if err != nil {
		return Answer{}, u.outcome(err)
	}
	if _, err := e.provider.NewAccessResponse(ctx, req); err != nil {
		return Answer{}, u.outcome(err)
	}
	if !u.stored { // nothing leaves that was not stored
		return Answer{}, &Error{Code: ServerError, Text: "the token was not stored"}
	}
	return Answer{
		Access: u.issued[token.KindAccess], Refresh: u.issued[token.KindRefresh],
		IDToken: u.idToken, Record: u.access, Grant: u.active,
	}, nil
}

// posted wraps a cleaned form as the request that fosite wants to see. The
// outside request never reaches fosite, so neither does its query.
func posted(form url.Values) *http.Request {
	return &http.Request{Method: http.MethodPost, URL: &url.URL{}, Header: http.Header{}, Form: form, PostForm: form}
}
