package authz_test

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/dpop"
)

// adapted registers a client like "app", bent, under an id of its own.
func (w *world) adapted(id string, bend func(*consent.Recipient)) client {
	w.t.Helper()
	r, err := w.mem.Recipient(w.t.Context(), "app")
	must(w.t, err)
	r.ID = consent.RecipientID(id)
	bend(&r)
	must(w.t, w.mem.PutRecipient(w.t.Context(), r))
	return w.client(id)
}

// certified registers a client whose tokens are bound to its certificate.
func (w *world) certified() client {
	return w.adapted("certified", func(r *consent.Recipient) { r.DPoPBound = false })
}

func certificate(name string) *x509.Certificate { return &x509.Certificate{Raw: []byte(name)} }

// over sends a form over a connection with a client certificate, "" for none.
func (w *world) over(cert, path string, form url.Values, header http.Header) answer {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	maps.Copy(r.Header, header)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.TLS = &tls.ConnectionState{}
	if cert != "" {
		r.TLS.PeerCertificates = []*x509.Certificate{certificate(cert)}
	}
	return w.do(w.protocol, r)
}

func refreshForm(secret string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {secret}}
}

// RFC 9449 section 5, RFC 8705 section 3: the registration decides.
func TestTokensAreBoundToWhatTheRegistrationSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, certified := w.client("app"), w.certified()

	a := w.over("one", "/token", app.signed(app.redemption(app.code(nil))), app.proof("/token", nil))
	l := w.live(a.text("access_token"))
	if a.text("token_type") != "DPoP" || l.Access.KeyThumbprint != thumbprint(t, keys().ec) || l.Access.CertThumbprint != "" {
		t.Errorf("DPoP, over a connection with a certificate: %s", a)
	}
	code := certified.code(nil)
	for name, tt := range map[string]struct {
		c    client
		cert string
		form func() url.Values
		head http.Header
	}{
		"DPoP-bound with a certificate only, code":    {app, "one", func() url.Values { return app.redemption(app.code(nil)) }, nil},
		"DPoP-bound with a certificate only, refresh": {app, "one", func() url.Values { return refreshForm(a.text("refresh_token")) }, nil},
		"DPoP-bound with nothing":                     {app, "", func() url.Values { return refreshForm(a.text("refresh_token")) }, nil},
		"certificate-bound with nothing":              {certified, "", func() url.Values { return certified.redemption(code) }, nil},
		"certificate-bound with a proof":              {certified, "", func() url.Values { return certified.redemption(code) }, certified.proof("/token", nil)},
		"certificate-bound with both":                 {certified, "one", func() url.Values { return certified.redemption(code) }, certified.proof("/token", nil)},
		"certificate-bound with a bad proof":          {certified, "one", func() url.Values { return certified.redemption(code) }, http.Header{"Dpop": {"x"}}},
	} {
		if a := w.over(tt.cert, "/token", tt.c.signed(tt.form()), tt.head); !a.is(http.StatusBadRequest, "invalid_request") {
			t.Errorf("%s: %s", name, a)
		}
	}
	// All of that left the code as it was.
	a = w.over("one", "/token", certified.signed(certified.redemption(code)), nil)
	l = w.live(a.text("access_token"))
	life, _ := a.body["expires_in"].(float64)
	if a.text("token_type") != "Bearer" || life < 1 || life > 900 || l.Access.CertThumbprint != certs.CertificateThumbprint(certificate("one")) || l.Access.KeyThumbprint != "" {
		t.Errorf("certificate-bound: %s, %+v", a, l.Access)
	}
	// The refresh token is the client's, whatever the certificate.
	b := w.over("two", "/token", certified.signed(refreshForm(a.text("refresh_token"))), nil)
	if l := w.live(b.text("access_token")); b.text("token_type") != "Bearer" || l.Access.CertThumbprint != certs.CertificateThumbprint(certificate("two")) {
		t.Errorf("refreshed over another certificate: %s", b)
	}
	if b := w.over("", "/token", certified.signed(refreshForm(a.text("refresh_token"))), nil); !b.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("refreshed over none: %s", b)
	}
	if b := w.over("one", "/token", app.signed(refreshForm(a.text("refresh_token"))), app.proof("/token", nil)); !b.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("refreshed by another client: %s", b)
	}
}

func TestAnAuthorizationHeaderIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for _, value := range []string{"Basic YXBwOng=", "Bearer x", "DPoP x", ""} {
		for path, form := range map[string]url.Values{"/par": c.request(), "/token": c.redemption("x"), "/revoke": {"token": {"x"}}} {
			header := http.Header{"Authorization": {value}}
			if a := w.post(path, form, header); !a.is(http.StatusUnauthorized, "invalid_client") {
				t.Errorf("%q alone at %s: %s", value, path, a)
			}
			signed := c.signed(maps.Clone(form))
			if a := w.post(path, signed, header); !a.is(http.StatusBadRequest, "invalid_request") {
				t.Errorf("%q beside an assertion at %s: %s", value, path, a)
			}
			if a := w.post(path, signed, nil); !a.is(http.StatusUnauthorized, "invalid_client") {
				t.Errorf("the assertion again at %s: %s", path, a)
			}
		}
	}
}

// The calls that a request makes to the stores, each of which is one round
// trip (internal/postgres, TestRoundTrips).
func TestRoundTripsOfAnExchange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.adapted("own", func(r *consent.Recipient) { r.Profile.GrantTypes = []string{"client_credentials"} })
	bound := func(f url.Values) answer { return w.post("/par", c.signed(f), c.proof("/par", nil)) }
	code, second := c.code(nil), c.code(nil)
	refresh := c.tokens(nil).text("refresh_token")
	for _, tt := range []struct {
		name string
		send func() answer
		want []string
	}{
		{"PAR", func() answer { return bound(c.request()) }, []string{"Recipient", "Push"}},
		{"a code", func() answer { return c.redeem(code, nil) }, []string{"PresentedCode", "Redeem"}},
		{"a wrong verifier", func() answer { return c.redeem(second, with("code_verifier", strings.Repeat("x", 43))) }, []string{"PresentedCode", "Spend"}},
		{"an unknown code", func() answer { return c.redeem("x", nil) }, []string{"Recipient", "Spend"}},
		{"a refresh", func() answer { return c.refresh(refresh, nil) }, []string{"PresentedRefresh", "Renew"}},
		{"a narrowed refresh", func() answer {
			return c.refresh(refresh, with("authorization_details", `[{"type":"fdx_v1.0","consentRequest":{"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC"]}]}}]`))
		}, []string{"PresentedRefresh", "Renew"}},
		{"a token of its own", func() answer { return c.own("grant_management_query") }, []string{"Recipient", "IssueClient"}},
	} {
		var calls []string
		w.stores.before = func(call string) error { calls = append(calls, call); return nil }
		a := tt.send()
		w.stores.before = nil
		if !slices.Equal(calls, tt.want) {
			t.Errorf("%s: %v, want %v: %s", tt.name, calls, tt.want, a)
		}
	}
}

// What a code is worth is told to nobody but a client that has authenticated.
func TestACodeIsNotJudgedBeforeItsClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	used, fresh := c.code(nil), c.code(nil)
	if a := c.redeem(used, nil); a.status != http.StatusOK {
		t.Fatal(a)
	}
	var first string
	for name, code := range map[string]string{"used": used, "fresh": fresh, "unknown": "x"} {
		f := c.redemption(code)
		c.signed(f)
		f.Set("client_assertion", c.assertion(func(j *jwt) { j.key = keys().otherEC }))
		a := w.post("/token", f, c.proof("/token", nil))
		if first == "" {
			first = a.raw
		}
		if !a.is(http.StatusUnauthorized, "invalid_client") || a.raw != first {
			t.Errorf("%s: %s", name, a)
		}
	}
	for _, g := range w.grants() {
		if g.Status != consent.StatusActive {
			t.Error("a used code of nobody ended a grant")
		}
	}
	if a := c.redeem(fresh, nil); a.status != http.StatusOK {
		t.Errorf("afterwards: %s", a)
	}
}

func TestCodesAndTokensFollowTheStateOfTheClient(t *testing.T) {
	t.Parallel()
	for status, may := range map[consent.RecipientStatus]bool{
		consent.RecipientRestricted: true, consent.RecipientPending: false, consent.RecipientSuspended: false, consent.RecipientClosed: false, "unknown": false,
	} {
		w := newWorld(t)
		c := w.client("app")
		code, refresh := c.code(nil), c.tokens(nil).text("refresh_token")
		c = w.adapted("app", func(r *consent.Recipient) { r.Status = status })
		for name, a := range map[string]answer{"code": c.redeem(code, nil), "refresh": c.refresh(refresh, nil)} {
			if may && a.status != http.StatusOK || !may && !a.is(http.StatusUnauthorized, "invalid_client") {
				t.Errorf("%s: %s: %s", status, name, a)
			}
		}
	}
}

func nonces(w *authz.Config) {
	n, err := dpop.NewNonces(dpop.NonceConfig{Keys: [][]byte{[]byte(strings.Repeat("n", 32))}, Now: w.Now})
	if err != nil {
		panic(err)
	}
	w.Nonces = n
}

// RFC 9449 section 8.
func TestNonces(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, nonces)
	c := w.client("app")
	code := c.code(nil) // a push without a proof needs no nonce
	challenged := func(name string, a answer) string {
		t.Helper()
		all := a.header.Values("DPoP-Nonce")
		if !a.is(http.StatusBadRequest, "use_dpop_nonce") || len(all) != 1 || len(all[0]) < 16 ||
			strings.ContainsFunc(all[0], func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Fatalf("%s: %s, %q", name, a, all)
		}
		return all[0]
	}
	send := func(path string, form url.Values, nonce string) answer {
		var bend func(*jwt)
		if nonce != "" {
			bend = setClaim("nonce", nonce)
		}
		return w.post(path, c.signed(form), c.proof(path, bend))
	}
	challenged("a push", send("/par", c.request(), ""))
	nonce := challenged("a code", send("/token", c.redemption(code), ""))
	foreign, err := dpop.NewNonces(dpop.NonceConfig{Keys: [][]byte{[]byte(strings.Repeat("f", 32))}, Now: w.clock.now})
	must(t, err)
	challenged("a nonce of another server", send("/token", c.redemption(code), foreign.Issue()))
	challenged("a nonce cut short", send("/token", c.redemption(code), nonce[1:]))
	if a := w.post("/token", c.signed(c.redemption(code)), http.Header{"Dpop": {"x"}}); !a.is(http.StatusBadRequest, "invalid_dpop_proof") {
		t.Errorf("a bad proof is no reason for a nonce: %s", a)
	}

	a := send("/token", c.redemption(code), nonce) // the same code: nothing was used up
	if a.status != http.StatusOK || a.header.Values("DPoP-Nonce") != nil {
		t.Fatalf("with the nonce: %s, %v", a, a.header)
	}
	refresh := a.text("refresh_token")
	w.clock.advance(dpop.NonceLife/2 - time.Second)
	if a := send("/token", refreshForm(refresh), nonce); a.status != http.StatusOK || a.header.Values("DPoP-Nonce") != nil {
		t.Errorf("in the middle of its life: %s, %v", a, a.header)
	}
	w.clock.advance(2 * time.Second)
	a = send("/token", refreshForm(refresh), nonce)
	next := a.header.Values("DPoP-Nonce")
	if a.status != http.StatusOK || len(next) != 1 || next[0] == nonce {
		t.Fatalf("past the middle of its life: %s, %v", a, a.header)
	}
	w.clock.advance(dpop.NonceLife / 2)
	challenged("an old nonce", send("/token", refreshForm(refresh), nonce))
	if a := send("/token", refreshForm(refresh), next[0]); a.status != http.StatusOK {
		t.Errorf("the one that came with an answer: %s", a)
	}
	for name, key := range map[string]any{"ES256": keys().otherEC, "PS256": keys().rsa, "EdDSA": keys().ed} {
		holder := c.with(key)
		if a := w.post("/par", c.signed(c.request()), holder.proof("/par", setClaim("nonce", next[0]))); a.status != http.StatusCreated {
			t.Errorf("%s: %s", name, a)
		}
	}
}

func TestWithoutNoncesNoneIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := w.post("/par", c.signed(c.request()), c.proof("/par", setClaim("nonce", "anything")))
	if a.status != http.StatusCreated || a.header.Values("DPoP-Nonce") != nil {
		t.Errorf("%s, %v", a, a.header)
	}
}

// The rows of TestProofsThatAreAccepted, at the token endpoint.
func TestProofsThatAreAcceptedForTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	refresh := c.tokens(nil).text("refresh_token")
	for name, key := range map[string]any{"ES256": keys().otherEC, "PS256": keys().rsa, "EdDSA": keys().ed} {
		holder := c.with(key)
		for what, bend := range map[string]func(*jwt){
			"plain":             nil,
			"10 s old":          in(c, "iat", -10*time.Second),
			"8 s ahead":         in(c, "iat", 8*time.Second),
			"htu with a query":  setClaim("htu", issuer+"/token?x=1#y"),
			"unknown members":   func(j *jwt) { j.claims["x"] = 1; j.header["y"] = 2 },
			"with nbf and exp":  func(j *jwt) { in(c, "nbf", 0)(j); in(c, "exp", time.Minute)(j) },
			"default port said": setClaim("htu", "HTTPS://AS.example:443/token"),
		} {
			a := w.post("/token", c.signed(refreshForm(refresh)), holder.proof("/token", bend))
			if a.status != http.StatusOK || w.live(a.text("access_token")).Access.KeyThumbprint != thumbprint(t, key) {
				t.Errorf("%s, %s: %s", name, what, a)
			}
		}
	}
}

// htu is held against the configured address, whatever the Host header says.
func TestTheHostHeaderDoesNotMatter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for htu, want := range map[string]int{issuer + "/par": http.StatusCreated, "https://evil.example/par": http.StatusBadRequest} {
		r := httptest.NewRequest(http.MethodPost, "/par", strings.NewReader(c.signed(c.request()).Encode()))
		r.Header = c.proof("/par", setClaim("htu", htu))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Host = "evil.example"
		if a := w.do(w.protocol, r); a.status != want || want == http.StatusBadRequest && a.code() != "invalid_dpop_proof" {
			t.Errorf("%s: %s", htu, a)
		}
	}
}

// Which of two replayed proofs is named: the assertion's error goes first.
func TestReplaysAreToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	refresh := c.tokens(nil).text("refresh_token")
	for path, form := range map[string]func() url.Values{
		"/par":   c.request,
		"/token": func() url.Values { return refreshForm(refresh) },
		// Refused anyway: the proofs are judged all the same.
		"/token ": func() url.Values { return refreshForm("x") },
	} {
		path = strings.TrimSpace(path)
		old, oldProof := c.signed(form()), c.proof(path, nil)
		first := w.post(path, old, oldProof)
		if first.status >= 500 || first.code() == "invalid_client" || first.code() == "invalid_dpop_proof" {
			t.Fatal(first)
		}
		again := form()
		for _, name := range []string{"client_assertion", "client_assertion_type"} {
			again.Set(name, old.Get(name))
		}
		if a := w.post(path, again, c.proof(path, nil)); !a.is(http.StatusUnauthorized, "invalid_client") {
			t.Errorf("the assertion at %s: %s", path, a)
		}
		if a := w.post(path, c.signed(form()), oldProof); !a.is(http.StatusBadRequest, "invalid_dpop_proof") {
			t.Errorf("the proof at %s: %s", path, a)
		}
		if a := w.post(path, again, oldProof); !a.is(http.StatusUnauthorized, "invalid_client") {
			t.Errorf("both at %s: %s", path, a)
		}
	}
}

// Two instances over one store are one server to a proof. They keep no memory
// of proofs of their own and none in a cache, so that there is nothing that
// emptying could make them forget.
func TestOfManyUsesOfAProofAtTwoServersOneSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	twin, err := authz.New(w.cfg)
	must(t, err)
	other, err := twin.Protocol()
	must(t, err)
	servers := []http.Handler{w.protocol, other}
	c := w.client("app")
	refresh := c.tokens(nil).text("refresh_token")
	for path, form := range map[string]func() url.Values{
		"/par":   c.request,
		"/token": func() url.Values { return refreshForm(refresh) },
	} {
		proof := c.proof(path, nil)
		send := func(i int, form url.Values) answer {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
			r.Header = maps.Clone(proof)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return w.do(servers[i%2], r)
		}
		var forms [32]url.Values
		for i := range forms {
			forms[i] = c.signed(form())
		}
		won := 0
		for _, a := range atOnce(32, func(i int) answer { return send(i, forms[i]) }) {
			switch {
			case a.status < 300:
				won++
			case !a.is(http.StatusBadRequest, "invalid_dpop_proof"):
				t.Errorf("a loser at %s: %s", path, a)
			}
		}
		if won != 1 {
			t.Errorf("%d succeeded at %s", won, path)
		}
		// Later too, as long as the proof would be taken for its age.
		for range 4 {
			w.clock.advance(29 * time.Second)
			for i := range servers {
				if a := send(i, c.signed(form())); !a.is(http.StatusBadRequest, "invalid_dpop_proof") {
					t.Errorf("later at %s: %s", path, a)
				}
			}
		}
	}
}

// A code that goes to another key, and what else is wrong with it, in the
// words that clients look for; the right request then succeeds.
func TestABoundCodeOutlivesMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := w.post("/par", c.signed(c.request()), c.proof("/par", nil))
	code := w.person("alice").approve(c.front(a.text("request_uri"))).Get("code")
	for name, tt := range map[string]struct {
		c    client
		bend func(url.Values)
	}{
		"another key":                      {c.with(keys().otherEC), nil},
		"a key of another kind":            {c.with(keys().ed), nil},
		"another client with the same key": {w.client("other").with(keys().ec), nil},
		"another key and no verifier":      {c.with(keys().otherEC), without("code_verifier")},
		"no verifier":                      {c, without("code_verifier")},
		"a wrong verifier":                 {c, with("code_verifier", strings.Repeat("y", 43))},
		"a wrong redirect_uri":             {c, with("redirect_uri", callback+"/")},
	} {
		if a := tt.c.redeem(code, tt.bend); !a.is(http.StatusBadRequest, "invalid_grant") {
			t.Errorf("%s: %s", name, a)
		}
	}
	if a := w.post("/token", c.signed(c.redemption(code)), nil); !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("no proof: %s", a)
	}
	if a := c.redeem(code, nil); a.status != http.StatusOK {
		t.Errorf("the right request: %s", a)
	}
}
