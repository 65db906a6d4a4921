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
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
)

// The tests of overrides_test.go run each scenario twice: against a stock
// composition of fosite, where it must go wrong, and against ours, where it
// must go right. A test that the stock composition passes proves nothing.

const (
	issuer      = "https://as.example"
	redirectURI = "https://app.example/cb"
	verifier    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
	challenge   = "vE5yuKT1pqZ4cwJDWaDhfSU7OCkAIXnUy5qUNmLPb30"
)

// side is one authorization server under test, spoken to in HTTP.
type side interface {
	// post sends a form to /par, /token or /revoke.
	post(path string, form url.Values, header http.Header) answer
	// authorize lets a person open and approve; it returns the parameters of
	// the redirect, or none when a page was shown.
	authorize(query url.Values) url.Values
	// open only loads the authorization page.
	open(query url.Values) (shown bool)
	// after moves the server's clock, and its store's.
	after(d time.Duration)
	// breakStore makes every store call fail from now on.
	breakStore()
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(name string) string { s, _ := a.body[name].(string); return s }

func serve(h http.Handler, r *http.Request) answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header()}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body) // not every answer is JSON
	return a
}

// clientKey signs assertions of the clients "app" and "other".
type clientKey struct {
	key *ecdsa.PrivateKey
}

func newKey(t testing.TB) clientKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return clientKey{k}
}

func (k clientKey) jwks(t testing.TB, use string) []byte {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.key.Public(), KeyID: "1", Algorithm: "ES256", Use: use}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sign(t testing.TB, key any, alg jose.SignatureAlgorithm, header map[jose.HeaderKey]any, claims any) string {
	t.Helper()
	opt := &jose.SignerOptions{ExtraHeaders: header}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opt)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := j.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// stock is fosite as its own documentation composes it.
type stock struct {
	provider fosite.OAuth2Provider
	store    *breakable
}

type breakable struct {
	*storage.MemoryStore
	broken bool
	delay  chan struct{}
}

var errStore = errors.New("store is down")

func (b *breakable) RevokeAccessToken(ctx context.Context, id string) error {
	if b.broken {
		return errStore
	}
	return b.MemoryStore.RevokeAccessToken(ctx, id)
}

func (b *breakable) GetAuthorizeCodeSession(ctx context.Context, code string, s fosite.Session) (fosite.Requester, error) {
	r, err := b.MemoryStore.GetAuthorizeCodeSession(ctx, code, s)
	if b.delay != nil { // hold every reader until all have read
		<-b.delay
	}
	return r, err
}

func newStock(t testing.TB, key clientKey) *stock {
	t.Helper()
	s := &stock{store: &breakable{MemoryStore: storage.NewMemoryStore()}}
	for _, id := range []string{"app", "other"} {
		c := &fosite.DefaultOpenIDConnectClient{DefaultClient: &fosite.DefaultClient{}}
		err := json.Unmarshal([]byte(`{"id":"`+id+`","redirect_uris":["`+redirectURI+`"],
			"grant_types":["authorization_code","refresh_token"],"response_types":["code"],
			"scopes":["fdx:accountbasic:read","fdx:transactions:read","offline_access"],
			"jwks":`+string(key.jwks(t, "sig"))+`,
			"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"ES256"}`), c)
		if err != nil {
			t.Fatal(err)
		}
		s.store.Clients[id] = c
	}
	config := &fosite.Config{
		GlobalSecret: []byte("0123456789abcdef0123456789abcdef"), TokenURL: issuer + "/token",
		IsPushedAuthorizeEnforced: true,
	}
	s.provider = compose.Compose(config, s.store, compose.NewOAuth2HMACStrategy(config),
		compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2RefreshTokenGrantFactory,
		compose.OAuth2TokenRevocationFactory, compose.OAuth2PKCEFactory, compose.PushedAuthorizeHandlerFactory)
	return s
}

func (s *stock) post(path string, form url.Values, header http.Header) answer {
	target, body := path, form.Encode()
	if header.Get("X-In-Query") != "" {
		target, body = path+"?"+body, ""
	}
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return serve(http.HandlerFunc(s.serve), r)
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
		resp, err := s.provider.NewPushedAuthorizeResponse(ctx, ar, &fosite.DefaultSession{})
		if err != nil {
			s.provider.WritePushedAuthorizeError(ctx, w, ar, err)
			return
		}
		s.provider.WritePushedAuthorizeResponse(ctx, w, ar, resp)
	case "/token":
		ar, err := s.provider.NewAccessRequest(ctx, r, &fosite.DefaultSession{})
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
	case "/revoke":
		s.provider.WriteRevocationResponse(ctx, w, s.provider.NewRevocationRequest(ctx, r))
	}
}

func (s *stock) authorize(query url.Values) url.Values {
	ctx := context.Background()
	ar, err := s.provider.NewAuthorizeRequest(ctx, httptest.NewRequest(http.MethodGet, "/authorize?"+query.Encode(), nil))
	if err != nil {
		return nil
	}
	for _, sc := range ar.GetRequestedScopes() {
		ar.GrantScope(sc)
	}
	resp, err := s.provider.NewAuthorizeResponse(ctx, ar, &fosite.DefaultSession{Subject: "p"})
	w := httptest.NewRecorder()
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, ar, err)
	} else {
		s.provider.WriteAuthorizeResponse(ctx, w, ar, resp)
	}
	u, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		return nil
	}
	return u.Query()
}

func (s *stock) open(query url.Values) bool {
	_, err := s.provider.NewAuthorizeRequest(context.Background(), httptest.NewRequest(http.MethodGet, "/authorize?"+query.Encode(), nil))
	return err == nil
}

// after cannot move fosite's clock, which is the machine's; it ages what the
// store holds instead.
func (s *stock) after(d time.Duration) {
	for _, p := range s.store.PARSessions {
		if sess := p.GetSession(); sess != nil {
			sess.SetExpiresAt(fosite.PushedAuthorizeRequestContext, time.Now().Add(-d))
		}
	}
	for _, c := range s.store.AuthorizeCodes {
		if c.Requester != nil && c.GetSession() != nil {
			c.GetSession().SetExpiresAt(fosite.AuthorizeCode, time.Now().Add(-d))
		}
	}
}

func (s *stock) breakStore() { s.store.broken = true }
