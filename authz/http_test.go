package authz_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
)

func (w *world) get(path string) answer {
	return w.do(w.protocol, httptest.NewRequest(http.MethodGet, path, nil))
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.get("/.well-known/openid-configuration")
	if b := w.get("/.well-known/oauth-authorization-server"); a.raw != b.raw || a.status != http.StatusOK || b.status != http.StatusOK {
		t.Errorf("the documents differ:\n%s\n%s", a, b)
	}
	for name, want := range map[string]any{
		"issuer":                                           issuer,
		"authorization_endpoint":                           browserBase + "/authorize",
		"token_endpoint":                                   issuer + "/token",
		"pushed_authorization_request_endpoint":            issuer + "/par",
		"revocation_endpoint":                              issuer + "/revoke",
		"jwks_uri":                                         issuer + "/jwks",
		"require_pushed_authorization_requests":            true,
		"authorization_response_iss_parameter_supported":   true,
		"response_types_supported":                         []any{"code"},
		"response_modes_supported":                         []any{"query", "jwt"},
		"grant_types_supported":                            []any{"authorization_code", "refresh_token", "client_credentials"},
		"code_challenge_methods_supported":                 []any{"S256"},
		"token_endpoint_auth_methods_supported":            []any{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []any{"PS256", "ES256", "EdDSA"},
		"dpop_signing_alg_values_supported":                []any{"PS256", "ES256", "EdDSA"},
		"authorization_details_types_supported":            []any{"fdx_v1.0"},
		"request_parameter_supported":                      true,
		"request_uri_parameter_supported":                  false,
		"require_signed_request_object":                    false,
		"request_object_signing_alg_values_supported":      []any{"PS256", "ES256", "EdDSA"},
		"claims_parameter_supported":                       true,
		"claims_supported":                                 []any{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr"},
		"prompt_values_supported":                          []any{"none", "login", "consent", "select_account"},
		"acr_values_supported":                             []any{"urn:headgate:acr:password", "urn:headgate:acr:two-factors"},
		"subject_types_supported":                          []any{"pairwise"},
		"id_token_signing_alg_values_supported":            []any{"ES256", "PS256", "EdDSA"},
		"authorization_signing_alg_values_supported":       []any{"ES256", "PS256", "EdDSA"},
	} {
		got, _ := json.Marshal(a.body[name])
		if want, _ := json.Marshal(want); !bytes.Equal(got, want) {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	for name := range a.body {
		if strings.HasPrefix(name, "fdx") {
			t.Errorf("unregistered member %s", name)
		}
	}
	if all, _ := a.body["scopes_supported"].([]any); !slices.Contains(all, any(basicScope)) || !slices.Contains(all, any("openid")) {
		t.Errorf("scopes %v", all)
	}
}

func TestPublishedKeysArePublic(t *testing.T) {
	t.Parallel()
	a := newWorld(t).get("/jwks")
	set, err := certs.ParseJWKS([]byte(a.raw))
	if a.status != http.StatusOK || err != nil || len(set.Keys) != 3 || set.Keys[0].KeyID == "" {
		t.Errorf("%s, %v", a, err)
	}
}

func TestNewChecksItsConfiguration(t *testing.T) {
	t.Parallel()
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: keys().ec, KeyID: "1"}}})
	must(t, err)
	if s, err := authz.New(authz.Config{}); err == nil || s != nil {
		t.Error("an empty configuration is accepted")
	}
	for name, bend := range map[string]func(*authz.Config){
		"an http issuer":                func(c *authz.Config) { c.Issuer = "http://as.example" },
		"an issuer with a slash":        func(c *authz.Config) { c.Issuer = issuer + "/" },
		"an issuer with a query":        func(c *authz.Config) { c.Issuer = issuer + "?x" },
		"an issuer with a fragment":     func(c *authz.Config) { c.Issuer = issuer + "#x" },
		"an issuer with a user":         func(c *authz.Config) { c.Issuer = "https://u@as.example" },
		"no issuer":                     func(c *authz.Config) { c.Issuer = "" },
		"a browser base that is no URL": func(c *authz.Config) { c.BrowserBase = "bank.example" },
		"a private key to publish":      func(c *authz.Config) { c.Keys = published(private) },
		"no keys to publish":            func(c *authz.Config) { c.Keys = nil },
		"keys that are no JSON":         func(c *authz.Config) { c.Keys = published("x") },
		"no stores":                     func(c *authz.Config) { c.Tokens, c.Guard, c.Requests = nil, nil, nil },
		"no secret for subjects":        func(c *authz.Config) { c.Subjects = nil },
		"a short secret for subjects":   func(c *authz.Config) { c.Subjects = make([]byte, 31) },
		"no clock":                      func(c *authz.Config) { c.Now = nil },
		"nobody to stop":                func(c *authz.Config) { c.Stop = nil },
	} {
		newWorldWith(t, func(c *authz.Config) {
			bent := *c
			bend(&bent)
			if s, err := authz.New(bent); err == nil || s != nil {
				t.Errorf("%s: accepted", name)
			}
		})
	}
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/", "/nowhere", "/par/", "/PAR", "/token/x", "/authorize", "//par", "/introspect/", "/.well-known/x", "/%00"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if a := w.do(w.protocol, httptest.NewRequest(method, path, nil)); !a.is(http.StatusNotFound, "invalid_request") || a.header.Get("Location") != "" {
				t.Errorf("%s %s: %s", method, path, a)
			}
		}
	}
	for path, allowed := range map[string]string{"/par": "POST", "/token": "POST", "/revoke": "POST", "/introspect": "POST", "/jwks": "GET", "/.well-known/openid-configuration": "GET"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch, "TEST"} {
			if method == allowed {
				continue
			}
			if a := w.do(w.protocol, httptest.NewRequest(method, path, nil)); !a.is(http.StatusMethodNotAllowed, "invalid_request") || a.header.Get("Allow") != allowed {
				t.Errorf("%s %s: %s, Allow %s", method, path, a, a.header.Get("Allow"))
			}
		}
	}
}

// steps are all the requests of a flow, each ready to be sent as often as
// wanted, with the store calls that it depends on.
func steps(t *testing.T, w *world) map[string]struct {
	send  func() answer
	calls []string
} {
	c := w.client("app")
	alice := w.person("alice")
	spent := c.code(nil)
	if a := c.redeem(spent, nil); a.status != http.StatusOK {
		t.Fatal(a)
	}
	query := c.front(c.pushed(nil))
	approved := alice.journey(c.front(c.pushed(nil)))
	alice.decide(approved, consent.Approved)
	denied := alice.journey(c.front(c.pushed(nil)))
	alice.decide(denied, consent.Denied)
	code := c.code(nil)
	tokens, doomed := c.tokens(nil), c.tokens(nil)
	return map[string]struct {
		send  func() answer
		calls []string
	}{
		"PAR":             {func() answer { return c.push(nil) }, []string{"Recipient", "Push"}},
		"opening":         {func() answer { return alice.open(query) }, []string{"Recipient", "Pushed", "Open"}},
		"approving":       {func() answer { return alice.resume(approved) }, []string{"Authorization", "Recipient", "Opened", "Approve"}},
		"denying":         {func() answer { return alice.resume(denied) }, []string{"Authorization", "Recipient", "Opened", "Refuse"}},
		"a code":          {func() answer { return c.redeem(code, nil) }, []string{"PresentedCode", "Redeem"}},
		"a code reused":   {func() answer { return c.redeem(spent, nil) }, []string{"PresentedCode", "Spend", "End"}},
		"a refresh":       {func() answer { return c.refresh(tokens.text("refresh_token"), nil) }, []string{"PresentedRefresh", "Renew"}},
		"a revocation":    {func() answer { return c.revoke(doomed.text("access_token")) }, []string{"Recipient", "Spend", "RevokeAccess"}},
		"revoking it all": {func() answer { return c.revoke(doomed.text("refresh_token")) }, []string{"Recipient", "Spend", "RevokeRefresh"}},
	}
}

// A store that cannot answer is never a yes and never a no, and afterwards
// the same request goes through: nothing was used up.
func TestAStoreThatCannotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, step := range steps(t, w) {
		for _, call := range step.calls {
			w.stores.before = failing(call, consent.ErrUnavailable)
			if a := step.send(); !page(a, http.StatusServiceUnavailable, "temporarily_unavailable") {
				t.Errorf("%s without %s: %s", name, call, a)
			}
			w.stores.before = nil
		}
		if a := step.send(); a.status >= 500 || a.status >= 400 && name != "a code reused" {
			t.Errorf("%s afterwards: %s", name, a)
		}
	}
}

// A refusal spends the proofs too, and is not given while nobody can say
// whether they are new.
func TestAGuardThatCannotAnswerForARefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	w.stores.before = failing("Spend", consent.ErrUnavailable)
	for name, a := range map[string]answer{
		"PAR":   w.post("/par", c.signed(url.Values{}), c.proof("/par", nil)),
		"token": w.post("/token", c.signed(url.Values{"grant_type": {"password"}}), c.proof("/token", nil)),
	} {
		if !a.is(http.StatusServiceUnavailable, "temporarily_unavailable") {
			t.Errorf("%s: %s", name, a)
		}
	}
	w.stores.before = nil
	form := c.signed(url.Values{})
	if a := w.post("/par", form, nil); a.status != http.StatusBadRequest {
		t.Error(a)
	}
	for k, v := range c.request() {
		form[k] = v
	}
	if a := w.post("/par", form, nil); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("the assertion of a refused request is good for another: %s", a)
	}
}

// Anything else that goes wrong behind the server is its own error, and not
// the client's: 500 for a recipient, a page for a person.
func TestAStoreThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, step := range steps(t, w) {
		for _, call := range step.calls {
			w.stores.before = failing(call, errors.New("canary of the store"))
			a := step.send()
			protocol := a.is(http.StatusInternalServerError, "server_error")
			browser := page(a, http.StatusServiceUnavailable, "server_error")
			if !protocol && !browser || strings.Contains(a.raw, "canary") {
				t.Errorf("%s without %s: %s", name, call, a)
			}
			w.stores.before = nil
		}
	}
}

func TestAPanicStaysInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, step := range steps(t, w) {
		for _, call := range step.calls {
			w.stores.before = func(c string) error {
				if c == call {
					panic(w.secret("canary of a panic"))
				}
				return nil
			}
			a := step.send()
			if !page(a, http.StatusInternalServerError, "server_error") || strings.Contains(a.raw+a.header.Get("Location"), "canary") {
				t.Errorf("%s without %s: %s", name, call, a)
			}
			if back, shown := a.body["retry"]; shown && !strings.HasPrefix(back.(string), "/authorize") {
				t.Errorf("%s without %s leads nowhere: %s", name, call, a)
			}
			w.stores.before = nil
		}
	}
}

// A log line says who and what, and no secret: newWorld's clean-up looks for
// every one.
func TestTheLogSaysWhatHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := c.tokens(nil)
	c.redeem("x", nil)
	c.revoke(a.text("refresh_token"))
	f := c.signed(c.request())
	f.Set("client_id", "other")
	w.post("/par", f, nil)
	log := w.log.String()
	for _, want := range []string{
		`"client":"app"`, `"grant":"` + a.text("grant_id") + `"`, `"result":"approved"`, `"reason":"invalid_grant"`,
		`"reason":"invalid_client"`, `client assertion: client_id is another client`, `"route":"/token"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	if strings.Contains(log, url.QueryEscape(callback)) || strings.Contains(log, callback) || strings.Contains(log, "consumer-alice") {
		t.Error("the log says too much")
	}
}

// published is a signer that publishes exactly this.
type published string

func (p published) Public() []byte     { return []byte(p) }
func (published) Algorithms() []string { return nil }
func (published) Sign(context.Context, string, string, any) (string, error) {
	return "", errors.New("no keys")
}
