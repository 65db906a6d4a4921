package recipient_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
)

// arrive brings an attempt's answer back.
func arrive(t *testing.T, s *server, c *recipient.Client, a *recipient.Attempt) *url.URL {
	t.Helper()
	pushed, err := c.Push(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	person, err := browser.New(browser.Config{Home: []string{s.as.URL}, TLS: s.tls()})
	if err != nil {
		t.Fatal(err)
	}
	page, err := person.Arrive(t.Context(), c.AuthorizationURL(pushed.RequestURI))
	if err != nil {
		t.Fatal(err)
	}
	if page.Left == nil {
		t.Fatalf("still at the bank: %s: %s", page, page.Body)
	}
	return page.Left
}

// granted walks to a token, whatever the answer looks like.
func granted(t *testing.T, s *server, c *recipient.Client, a *recipient.Attempt) recipient.Token {
	t.Helper()
	code, err := c.ReadAnswer(t.Context(), arrive(t, s, c, a), a)
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.Redeem(t.Context(), a, code)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestEveryWayToAuthenticateAndToBind(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"", "tls_client_auth", "self_signed_tls_client_auth"} {
		for _, bound := range []bool{false, true} {
			for _, signed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, bound to the certificate %v, signed %v", method, bound, signed), func(t *testing.T) {
					t.Parallel()
					s := newServer(t, jose.ES256)
					s.authMethod, s.certBound, s.jar, s.jarm = method, bound, signed, signed
					s.wantNonce = true // to be asked for once more in between
					c := s.connect(t)
					token := granted(t, s, c, ask(t))
					if (token.Key == nil) != bound {
						t.Error("the token knows another binding than the server")
					}
					key, err := recipient.NewDPoPKey(jose.ES256)
					if err != nil {
						t.Fatal(err)
					}
					token, err = c.Refresh(t.Context(), token.RefreshToken, key)
					if err != nil {
						t.Fatal(err)
					}
					answer, err := c.Accounts(t.Context(), token, nil)
					if err != nil || answer.Status != http.StatusOK {
						t.Fatalf("accounts: %v, %v", answer, err)
					}
					own, err := c.ClientCredentials(t.Context(), "grant_management_query", key)
					if err != nil || own.Scope != "grant_management_query" {
						t.Fatalf("client credentials: %v", err)
					}
					grant, err := c.QueryGrant(t.Context(), own, "g 1")
					if err != nil || len(grant.Scopes) != 1 || grant.Scopes[0].Scope != "a b" || grant.Claims[0] != "name" || len(grant.Details) == 0 {
						t.Errorf("grant %+v, %v", grant, err)
					}
					if err := c.RevokeGrant(t.Context(), own, "g 1"); err != nil {
						t.Error(err)
					}
					var refusal *recipient.Refusal
					if err := c.RevokeGrant(t.Context(), own, "g2"); !errors.As(err, &refusal) || refusal.Status != http.StatusNotFound {
						t.Errorf("another grant: %v", err)
					}
					if err := c.Revoke(t.Context(), token.RefreshToken); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

func TestACertificateThatIsBentAwayIsMissed(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	s.authMethod, s.certBound = "tls_client_auth", true
	c := s.connect(t)
	token := granted(t, s, c, ask(t)) // opens connections that show it
	other := newCertificate(t)
	for name, bend := range map[string]func(r *recipient.Request){
		"none":       func(r *recipient.Request) { r.Certificate = nil },
		"another":    func(r *recipient.Request) { r.Certificate = &other },
		"not a bent": nil,
	} {
		push, err1 := c.PushRequest(ask(t))
		read, err2 := c.AccountsRequest(token, nil)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		want := []int{http.StatusCreated, http.StatusOK}
		if bend != nil {
			bend(push)
			bend(read)
			want = []int{http.StatusUnauthorized, http.StatusUnauthorized}
		}
		for i, r := range []*recipient.Request{push, read} {
			answer, err := c.Do(t.Context(), r)
			if err != nil || answer.Status != want[i] {
				t.Errorf("%s: %v, %v, want %d", name, answer, err, want[i])
			}
		}
	}
}

func TestWhatTheServerDoesNotOfferIsNotTried(t *testing.T) {
	t.Parallel()
	for member, set := range map[string]func(*server){
		"token_endpoint_auth_methods_supported":       func(s *server) { s.authMethod = "tls_client_auth" },
		"tls_client_certificate_bound_access_tokens":  func(s *server) { s.certBound = true },
		"request_object_signing_alg_values_supported": func(s *server) { s.jar = true },
		"response_modes_supported":                    func(s *server) { s.jarm = true },
	} {
		t.Run(member, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, jose.ES256)
			set(s)
			s.metadata = func(_ string, m map[string]any) { delete(m, member) }
			_, err := recipient.Connect(t.Context(), s.config())
			if !errors.Is(err, recipient.ErrMetadata) || !strings.Contains(err.Error(), member) {
				t.Errorf("got %v", err)
			}
		})
	}
	s := newServer(t, jose.ES256)
	s.metadata = func(_ string, m map[string]any) {
		for _, name := range []string{"introspection_endpoint", "registration_endpoint", "grant_management_endpoint", "jwks_uri"} {
			delete(m, name)
		}
	}
	c := s.connect(t)
	_, introspection := c.Introspect(t.Context(), "t")
	_, registration := c.Register(t.Context(), nil)
	_, grant := c.QueryGrant(t.Context(), recipient.Token{}, "g1")
	a := ask(t)
	a.AskIdentity()
	_, idToken := c.Redeem(t.Context(), a, obtainCode(t, s, c, a))
	for name, err := range map[string]error{"introspection": introspection, "registration": registration, "grants": grant, "keys": idToken} {
		if !errors.Is(err, recipient.ErrMetadata) {
			t.Errorf("%s: %v", name, err)
		}
	}

	s = newServer(t, jose.ES256)
	s.metadata = func(_ string, m map[string]any) {
		m["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": "http://bank.example/token"}
	}
	if _, err := recipient.Connect(t.Context(), s.config()); !errors.Is(err, recipient.ErrMetadata) {
		t.Errorf("an alias without TLS: %v", err)
	}
}

func TestLoadOfOtherKinds(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	s.authMethod, s.certBound, s.jar, s.jarm = "tls_client_auth", true, true, true
	s.metadata = func(_ string, m map[string]any) { m["authorization_response_iss_parameter_supported"] = true }
	key, err := x509.MarshalPKCS8PrivateKey(s.cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := devHome(t, s, func(stack *recipient.Stack) {
		dir := t.TempDir()
		certFile := writeFile(t, dir, "c.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Certificate[0]}))
		keyFile := writeFile(t, dir, "k.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
		stack.Recipients[0] = recipient.RegisteredClient{
			ClientID: "budgetbee", TokenEndpointAuthMethod: "tls_client_auth", RedirectURIs: []string{redirectURI},
			CertFile: certFile, KeyFile: keyFile, PrivateJWKSFile: stack.Recipients[1].PrivateJWKSFile,
			SignedRequests: true, ResponseModes: []string{"jwt"},
		}
		stack.ResourceServers = []recipient.RegisteredClient{{
			ClientID: "api", TokenEndpointAuthMethod: "private_key_jwt", PrivateJWKSFile: stack.Recipients[1].PrivateJWKSFile,
		}}
	})
	cfg, err := recipient.Load(file, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := recipient.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	granted(t, s, c, ask(t))

	stack, err := recipient.ReadStack(file)
	if err != nil {
		t.Fatal(err)
	}
	api, err := stack.ResourceServer(0)
	if err != nil || api.ClientID != "api" || api.RedirectURI != "" {
		t.Fatalf("resource server: %v", err)
	}
	if c, err = recipient.Connect(t.Context(), api); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Push(t.Context(), ask(t)); err == nil {
		t.Error("a client without a redirect URI has asked a consumer")
	}
	if _, err := stack.ResourceServer(1); err == nil {
		t.Error("a resource server that is not there was found")
	}
}
