package authz_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// own asks for a token of the client's own.
func (c client) own(scope string) answer {
	return c.w.post("/token", c.signed(url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}), c.proof("/token", nil))
}

func selfServing(r *consent.Recipient) { r.Profile.GrantTypes = []string{"client_credentials"} }

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.adapted("own", selfServing)
	for _, scope := range []string{"grant_management_query", "grant_management_revoke", "grant_management_revoke grant_management_query"} {
		a := c.own(scope)
		life, _ := a.body["expires_in"].(float64)
		if a.status != http.StatusOK || !only(a.body, "access_token", "token_type", "expires_in", "scope") ||
			a.text("token_type") != "DPoP" || a.text("scope") != scope || life < 890 || life > 900 || !strings.HasPrefix(a.text("access_token"), "hgct_") {
			t.Errorf("%s: %s", scope, a)
		}
		h, err := w.hasher.Hash(token.KindClient, a.text("access_token"))
		must(t, err)
		if got, err := w.mem.ClientAccess(t.Context(), h); err != nil || got.Recipient != "own" || got.KeyThumbprint != thumbprint(t, keys().ec) || got.CertThumbprint != "" {
			t.Errorf("%s: stored %+v, %v", scope, got, err)
		}
	}
	certified := w.adapted("own-certified", func(r *consent.Recipient) { selfServing(r); r.DPoPBound = false })
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query"}}
	if a := w.over("one", "/token", certified.signed(form), nil); a.text("token_type") != "Bearer" {
		t.Errorf("certificate-bound: %s", a)
	}
	for name, tt := range map[string]struct {
		a    answer
		want string
	}{
		"not registered for it":    {w.client("app").own("grant_management_query"), "unauthorized_client"},
		"a resource server":        {w.adapted("bank", func(r *consent.Recipient) { selfServing(r); r.Role = consent.RoleResourceServer }).own("grant_management_query"), "unauthorized_client"},
		"no scope":                 {c.own(""), "invalid_scope"},
		"an unknown scope":         {c.own("x"), "invalid_scope"},
		"a data scope":             {c.own(basicScope), "invalid_scope"},
		"a data scope besides":     {c.own("grant_management_query " + basicScope), "invalid_scope"},
		"a scope twice":            {c.own("grant_management_query grant_management_query"), "invalid_scope"},
		"a scope in capitals":      {c.own("GRANT_MANAGEMENT_QUERY"), "invalid_scope"},
		"two spaces":               {c.own("grant_management_query  grant_management_revoke"), "invalid_scope"},
		"no proof":                 {w.post("/token", c.signed(form), nil), "invalid_request"},
		"a certificate for DPoP":   {w.over("one", "/token", c.signed(form), nil), "invalid_request"},
		"a proof for certificate":  {w.over("one", "/token", certified.signed(form), certified.proof("/token", nil)), "invalid_request"},
		"no certificate":           {w.over("", "/token", certified.signed(form), nil), "invalid_request"},
		"with a consent's details": {w.post("/token", c.signed(url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query"}, "authorization_details": {"[]"}}), c.proof("/token", nil)), "invalid_authorization_details"},
	} {
		if !tt.a.is(http.StatusBadRequest, tt.want) {
			t.Errorf("%s: %s, want %s", name, tt.a, tt.want)
		}
	}
}

// call uses a client's token at a resource of the server.
func (w *world) call(scope string, change func(*http.Request)) answer {
	r := httptest.NewRequest(http.MethodGet, "/grants/g", nil)
	change(r)
	rec := httptest.NewRecorder()
	w.server.Protected(scope).ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), raw: rec.Body.String()}
	if err := json.Unmarshal(rec.Body.Bytes(), &a.body); err != nil {
		w.t.Errorf("not JSON: %s", a)
	}
	return a
}

func TestAResourceOfTheServerItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.adapted("own", selfServing)
	secret := c.own(authz.ScopeGrantQuery).text("access_token")
	proof := func(c client, secret string, bend func(*jwt)) http.Header {
		h := c.proof("/grants/g", func(j *jwt) {
			j.claims["htm"], j.claims["ath"] = "GET", challengeOf(secret)
			if bend != nil {
				bend(j)
			}
		})
		h.Set("Authorization", "DPoP "+secret)
		return h
	}
	with := func(h http.Header) func(*http.Request) { return func(r *http.Request) { r.Header = h } }
	for name, scheme := range map[string]string{"": "DPoP ", " in small letters": "dpop "} {
		h := proof(c, secret, nil)
		h.Set("Authorization", scheme+secret)
		if a := w.call(authz.ScopeGrantQuery, with(h)); a.status != http.StatusOK || a.text("client") != "own" {
			t.Errorf("DPoP%s: %s", name, a)
		}
	}

	certified := w.adapted("own-certified", func(r *consent.Recipient) { selfServing(r); r.DPoPBound = false })
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {authz.ScopeGrantQuery}}
	bearer := w.over("one", "/token", certified.signed(form), nil).text("access_token")
	carried := func(scheme, secret, cert string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", scheme+" "+secret)
			if cert != "" {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate(cert)}}
			}
		}
	}
	if a := w.call(authz.ScopeGrantQuery, carried("Bearer", bearer, "one")); a.status != http.StatusOK || a.text("client") != "own-certified" {
		t.Errorf("Bearer: %s", a)
	}

	data := w.client("app").tokens(nil).text("access_token")
	unknown, _ := w.hasher.New(token.KindClient)
	gone := c.own(authz.ScopeGrantQuery).text("access_token")
	if a := c.revoke(gone); a.status != http.StatusOK {
		t.Fatal(a)
	}
	used := proof(c, secret, nil)
	if a := w.call(authz.ScopeGrantQuery, with(used)); a.status != http.StatusOK {
		t.Fatal(a)
	}
	noProof := http.Header{"Authorization": {"DPoP " + secret}}
	for name, tt := range map[string]struct {
		scope  string
		change func(*http.Request)
		status int
		code   string // in WWW-Authenticate, "" for none
	}{
		"no token":                           {authz.ScopeGrantQuery, func(*http.Request) {}, 401, ""},
		"another scheme":                     {authz.ScopeGrantQuery, carried("Basic", "eDp5", ""), 401, ""},
		"an unknown token":                   {authz.ScopeGrantQuery, with(proof(c, unknown.Reveal(), nil)), 401, "invalid_token"},
		"a token that is none":               {authz.ScopeGrantQuery, with(proof(c, "x", nil)), 401, "invalid_token"},
		"a token of a grant":                 {authz.ScopeGrantQuery, with(proof(c, data, nil)), 401, "invalid_token"},
		"a withdrawn token":                  {authz.ScopeGrantQuery, with(proof(c, gone, nil)), 401, "invalid_token"},
		"another key":                        {authz.ScopeGrantQuery, with(proof(c.with(keys().otherEC), secret, nil)), 401, "invalid_token"},
		"a bearer with a proof":              {authz.ScopeGrantQuery, with(proof(c, bearer, nil)), 401, "invalid_token"},
		"another certificate":                {authz.ScopeGrantQuery, carried("Bearer", bearer, "two"), 401, "invalid_token"},
		"no certificate":                     {authz.ScopeGrantQuery, carried("Bearer", bearer, ""), 401, "invalid_token"},
		"DPoP-bound as Bearer":               {authz.ScopeGrantQuery, carried("Bearer", secret, "one"), 401, "invalid_token"},
		"no proof":                           {authz.ScopeGrantQuery, with(noProof), 401, "invalid_dpop_proof"},
		"a proof used before":                {authz.ScopeGrantQuery, with(used), 401, "invalid_dpop_proof"},
		"a proof for another token":          {authz.ScopeGrantQuery, with(proof(c, secret, setClaim("ath", challengeOf(data)))), 401, "invalid_dpop_proof"},
		"a proof without ath":                {authz.ScopeGrantQuery, with(proof(c, secret, dropClaim("ath"))), 401, "invalid_dpop_proof"},
		"a proof for another method":         {authz.ScopeGrantQuery, with(proof(c, secret, setClaim("htm", "DELETE"))), 401, "invalid_dpop_proof"},
		"another scope":                      {authz.ScopeGrantRevoke, with(proof(c, secret, nil)), 403, "insufficient_scope"},
		"a token in the query":               {authz.ScopeGrantQuery, func(r *http.Request) { r.URL.RawQuery = "access_token=" + secret }, 400, ""},
		"a token in the query and in header": {authz.ScopeGrantQuery, func(r *http.Request) { with(proof(c, secret, nil))(r); r.URL.RawQuery = "access_token=" + secret }, 400, ""},
		"two headers": {authz.ScopeGrantQuery, func(r *http.Request) {
			r.Header = proof(c, secret, nil)
			r.Header.Add("Authorization", "DPoP "+secret)
		}, 400, ""},
	} {
		a := w.call(tt.scope, tt.change)
		fields := a.header.Values("WWW-Authenticate")
		if a.status != tt.status || (len(fields) == 2) != (a.status != 400) || strings.Contains(strings.Join(fields, ";"), "error=") != (tt.code != "") ||
			tt.code != "" && (!strings.Contains(fields[0], `error="`+tt.code+`"`) || a.code() != tt.code) {
			t.Errorf("%s: %s %v, want %d %s", name, a, fields, tt.status, tt.code)
		}
	}
	// The client may be suspended after all of that.
	w.adapted("own", func(r *consent.Recipient) { selfServing(r); r.Status = consent.RecipientSuspended })
	if a := w.call(authz.ScopeGrantQuery, with(proof(c, secret, nil))); !a.is(401, "invalid_token") {
		t.Errorf("suspended: %s", a)
	}
	w.adapted("own", selfServing)
	w.stores.before = failing("ClientAccess", consent.ErrUnavailable)
	if a := w.call(authz.ScopeGrantQuery, with(proof(c, secret, nil))); a.status != http.StatusServiceUnavailable {
		t.Errorf("store away: %s", a)
	}
	w.stores.before = nil
	w.clock.advance(15 * time.Minute)
	if a := w.call(authz.ScopeGrantQuery, with(proof(c, secret, nil))); !a.is(401, "invalid_token") {
		t.Errorf("expired: %s", a)
	}
}

func TestAResourceOfTheServerAsksForNonces(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, nonces)
	c := w.adapted("own", selfServing)
	n := w.cfg.Nonces.Issue()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {authz.ScopeGrantQuery}}
	secret := w.post("/token", c.signed(form), c.proof("/token", setClaim("nonce", n))).text("access_token")
	call := func(nonce string) answer {
		return w.call(authz.ScopeGrantQuery, func(r *http.Request) {
			r.Header = c.proof("/grants/g", func(j *jwt) {
				j.claims["htm"], j.claims["ath"], j.claims["nonce"] = "GET", challengeOf(secret), nonce
			})
			r.Header.Set("Authorization", "DPoP "+secret)
		})
	}
	a := call("other")
	fields := a.header.Values("DPoP-Nonce")
	if a.status != http.StatusUnauthorized || len(fields) != 1 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), `DPoP error="use_dpop_nonce"`) {
		t.Fatalf("%s %v", a, a.header)
	}
	if a := call(fields[0]); a.status != http.StatusOK {
		t.Errorf("with it: %s", a)
	}
}
