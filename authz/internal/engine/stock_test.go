package engine_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"
	"golang.org/x/crypto/bcrypt"
)

// stock is fosite as its own documentation composes it, over its own store.
type stock struct {
	provider fosite.OAuth2Provider
	store    *exampleStore
}

// exampleStore is fosite's store in memory with three additions: it can
// break, it can hold readers until all have read, and it gives each reader
// of a code a session of its own, as every store does that is not a map.
type exampleStore struct {
	*storage.MemoryStore
	broken bool
	meet   func() // nil: nobody waits
}

var errStore = errors.New("store is down")

func (s *exampleStore) RevokeAccessToken(ctx context.Context, id string) error {
	if s.broken {
		return errStore
	}
	return s.MemoryStore.RevokeAccessToken(ctx, id)
}

// GetAccessTokenSession breaks where only introspection asks for a session.
func (s *exampleStore) GetAccessTokenSession(ctx context.Context, signature string, sess fosite.Session) (fosite.Requester, error) {
	if s.broken && sess != nil {
		return nil, errStore
	}
	return s.MemoryStore.GetAccessTokenSession(ctx, signature, sess)
}

func (s *exampleStore) GetAuthorizeCodeSession(ctx context.Context, code string, sess fosite.Session) (fosite.Requester, error) {
	r, err := s.MemoryStore.GetAuthorizeCodeSession(ctx, code, sess)
	if err == nil {
		own := *r.(*fosite.Request)
		own.Session = own.Session.Clone()
		r = &own
	}
	s.wait()
	return r, err
}

func (s *exampleStore) GetPKCERequestSession(ctx context.Context, code string, sess fosite.Session) (fosite.Requester, error) {
	r, err := s.MemoryStore.GetPKCERequestSession(ctx, code, sess)
	s.wait()
	return r, err
}

func (s *exampleStore) wait() {
	if s.meet != nil {
		s.meet()
	}
}

// meeting returns a function that n callers leave together, again and again.
func meeting(n int) func() {
	var mu sync.Mutex
	here, open := 0, make(chan struct{})
	return func() {
		mu.Lock()
		gate := open
		if here++; here == n {
			close(open)
			here, open = 0, make(chan struct{})
		}
		mu.Unlock()
		<-gate
	}
}

func newStock(t testing.TB, apps []app) *stock {
	t.Helper()
	s := &stock{store: &exampleStore{MemoryStore: storage.NewMemoryStore()}}
	for _, a := range apps {
		c := &fosite.DefaultOpenIDConnectClient{DefaultClient: &fosite.DefaultClient{}}
		member := `"jwks":` + string(a.jwks(t))
		if a.jwksURI != "" {
			member = `"jwks_uri":"` + a.jwksURI + `"`
		}
		err := json.Unmarshal([]byte(`{"id":"`+a.id+`","redirect_uris":["`+a.redirect+`"],
			"grant_types":["authorization_code","refresh_token"],"response_types":["code"],
			"scopes":["openid","fdx:accountbasic:read","fdx:transactions:read","offline_access"],`+member+`,
			"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"`+string(a.alg)+`"}`), c)
		if err != nil {
			t.Fatal(err)
		}
		s.store.Clients[a.id] = c
	}
	// Introspection takes no assertion, only a password or a token.
	secret, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s.store.Clients["server"] = &fosite.DefaultClient{ID: "server", Secret: secret}
	config := &fosite.Config{
		GlobalSecret: []byte("0123456789abcdef0123456789abcdef"), TokenURL: issuer + "/token", IDTokenIssuer: issuer,
		IsPushedAuthorizeEnforced: true,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := func(context.Context) (any, error) { return key, nil }
	s.provider = compose.Compose(config, s.store, &compose.CommonStrategy{
		CoreStrategy:               compose.NewOAuth2HMACStrategy(config),
		OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(signer, config),
		Signer:                     &jwt.DefaultSigner{GetPrivateKey: signer},
	},
		compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2RefreshTokenGrantFactory,
		compose.OpenIDConnectExplicitFactory, compose.OpenIDConnectRefreshFactory,
		compose.OAuth2TokenRevocationFactory, compose.OAuth2TokenIntrospectionFactory, compose.OAuth2PKCEFactory, compose.PushedAuthorizeHandlerFactory)
	return s
}

func person() fosite.Session {
	return &openid.DefaultSession{Subject: "p", Claims: &jwt.IDTokenClaims{Subject: "p"}, Headers: &jwt.Headers{}}
}

func (s *stock) post(path string, form url.Values, header http.Header) answer {
	return postTo(http.HandlerFunc(s.serve), path, form, header)
}

func (s *stock) serve(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	switch r.URL.Path {
	case "/par":
		ar, err := s.provider.NewPushedAuthorizeRequest(ctx, r)
		if err != nil {
			s.provider.WritePushedAuthorizeError(ctx, w, ar, err)
			return
		}
		resp, err := s.provider.NewPushedAuthorizeResponse(ctx, ar, person())
		if err != nil {
			s.provider.WritePushedAuthorizeError(ctx, w, ar, err)
			return
		}
		s.provider.WritePushedAuthorizeResponse(ctx, w, ar, resp)
	case "/token":
		ar, err := s.provider.NewAccessRequest(ctx, r, person())
		if err != nil {
			s.provider.WriteAccessError(ctx, w, ar, err)
			return
		}
		resp, err := s.provider.NewAccessResponse(ctx, ar)
		if err != nil {
			s.provider.WriteAccessError(ctx, w, ar, err)
			return
		}
		s.provider.WriteAccessResponse(ctx, w, ar, resp)
	case "/introspect":
		resp, err := s.provider.NewIntrospectionRequest(ctx, r, person())
		if err != nil {
			s.provider.WriteIntrospectionError(ctx, w, err)
			return
		}
		s.provider.WriteIntrospectionResponse(ctx, w, resp)
	case "/revoke":
		s.provider.WriteRevocationResponse(ctx, w, s.provider.NewRevocationRequest(ctx, r))
	}
}

func (s *stock) authorize(query url.Values) url.Values {
	ctx := context.Background()
	w := httptest.NewRecorder()
	ar, err := s.provider.NewAuthorizeRequest(ctx, httptest.NewRequest(http.MethodGet, "/authorize?"+query.Encode(), nil))
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, ar, err)
		return redirected(w)
	}
	for _, sc := range ar.GetRequestedScopes() {
		ar.GrantScope(sc)
	}
	resp, err := s.provider.NewAuthorizeResponse(ctx, ar, person())
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, ar, err)
	} else {
		s.provider.WriteAuthorizeResponse(ctx, w, ar, resp)
	}
	return redirected(w)
}

func (s *stock) open(query url.Values) bool {
	_, err := s.provider.NewAuthorizeRequest(context.Background(), httptest.NewRequest(http.MethodGet, "/authorize?"+query.Encode(), nil))
	return err == nil
}

func (s *stock) now() time.Time { return time.Now() }

// after cannot move fosite's clock, which is the machine's; it ages what the
// store holds instead.
func (s *stock) after(d time.Duration) {
	for _, p := range s.store.PARSessions {
		p.GetSession().SetExpiresAt(fosite.PushedAuthorizeRequestContext, time.Now().Add(-d))
	}
	for _, c := range s.store.AuthorizeCodes {
		c.GetSession().SetExpiresAt(fosite.AuthorizeCode, time.Now().Add(-d))
	}
}

func (s *stock) breakStore() { s.store.broken = true }

func (s *stock) race(n int) { s.store.meet = meeting(n) }

func (s *stock) kept() string {
	var all strings.Builder
	dump := func(r fosite.Requester) { all.WriteString(r.GetRequestForm().Encode() + "\n") }
	for _, r := range s.store.PARSessions {
		dump(r)
	}
	for _, r := range s.store.AuthorizeCodes {
		dump(r)
	}
	for _, r := range s.store.IDSessions {
		dump(r)
	}
	return all.String()
}
