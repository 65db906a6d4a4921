package engine_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Each scenario runs twice: against a stock composition of fosite and against
// our server. A row says what is seen of each, so that it proves both that
// the fault is there and that it is mended. The numbers are those under which
// the faults were found; 20 (introspection) and 25 (ID tokens) are missing
// because the server has neither.

const (
	issuer   = "https://as.example"
	callback = "https://app.example/cb"
	verifier = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
	basic    = "fdx:accountbasic:read"
)

// side is one authorization server under test, spoken to in HTTP.
type side interface {
	// post sends a form to /par, /token or /revoke.
	post(path string, form url.Values, header http.Header) answer
	// authorize lets a person open and approve; it returns the parameters
	// that the app is sent, nil when a page was shown.
	authorize(query url.Values) url.Values
	// open only loads the authorization page and reports whether it was shown.
	open(query url.Values) bool
	now() time.Time
	// after lets time pass.
	after(d time.Duration)
	// breakStore makes revocation fail from now on.
	breakStore()
	// race makes n token requests meet at their reads, where that can be done.
	race(n int)
	// kept is everything that is stored of requests and codes, as text.
	kept() string
}

type answer struct {
	status int
	body   map[string]any
}

func (a answer) text(name string) string { s, _ := a.body[name].(string); return s }

// seen is the status with the error.
func (a answer) seen() string {
	return strings.TrimSpace(strconv.Itoa(a.status) + " " + a.text("error"))
}

func postTo(h http.Handler, path string, form url.Values, header http.Header) answer {
	target, body := path, form.Encode()
	if header.Get(inQuery) != "" {
		target, body = path+"?"+body, ""
	}
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{status: w.Code}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body) // a revocation has no body
	return a
}

// inQuery, as a header of a test, moves the form into the query.
const inQuery = "X-In-Query"

// redirected returns what the app was sent.
func redirected(w *httptest.ResponseRecorder) url.Values {
	u, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusSeeOther || !strings.HasPrefix(u.String(), callback) {
		return nil
	}
	return u.Query()
}

// app is one registered client.
type app struct {
	id       string
	alg      jose.SignatureAlgorithm
	key      any
	public   any
	use      string
	redirect string
	jwksURI  string
	second   any // another public key
}

func (a app) jwks(t testing.TB) []byte {
	t.Helper()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: a.public, KeyID: "1", Algorithm: string(a.alg), Use: a.use}}}
	if a.second != nil {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: a.second, KeyID: "2", Use: a.use})
	}
	b, err := json.Marshal(set)
	must(t, err)
	return b
}

var keys = sync.OnceValue(func() (k struct {
	ec  *ecdsa.PrivateKey
	rsa *rsa.PrivateKey
	ed  ed25519.PrivateKey
}) {
	var errs [3]error
	k.ec, errs[0] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.rsa, errs[1] = rsa.GenerateKey(rand.Reader, 2048)
	_, k.ed, errs[2] = ed25519.GenerateKey(rand.Reader)
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
	return k
})

// apps are the clients of both sides; the keys of "remote" are at an address.
func apps(remote string) []app {
	k := keys()
	es := app{alg: jose.ES256, key: k.ec, public: k.ec.Public(), use: "sig", redirect: callback}
	named := func(id string, bend func(*app)) app {
		a := es
		a.id = id
		bend(&a)
		return a
	}
	return []app{
		named("app", func(*app) {}),
		named("other", func(*app) {}),
		named("server", func(*app) {}),
		named("no-use", func(a *app) { a.use = "" }),
		named("eddsa", func(a *app) { a.alg, a.key, a.public = jose.EdDSA, k.ed, k.ed.Public() }),
		named("rs256", func(a *app) { a.alg, a.key, a.public = jose.RS256, k.rsa, k.rsa.Public() }),
		named("two-keys", func(a *app) { a.second = k.rsa.Public() }),
		named("loopback", func(a *app) { a.redirect = "http://127.0.0.1:9/cb" }),
		named("localhost", func(a *app) { a.redirect = "http://localhost/cb" }),
		named("scheme", func(a *app) { a.redirect = "com.example.app:/cb" }),
		named("remote", func(a *app) { a.jwksURI = remote }),
	}
}

// run is one scenario's view of a server: the flow of a recipient, each step
// a value that a scenario bends.
type run struct {
	t    testing.TB
	s    side
	apps []app
	// fetched counts how often the keys of "remote" were fetched.
	fetched *atomic.Int32
	n       int // for fresh names
}

func (r *run) stock() bool { _, is := r.s.(*stock); return is }

func sign(t testing.TB, key any, alg jose.SignatureAlgorithm, header map[jose.HeaderKey]any, claims any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, &jose.SignerOptions{ExtraHeaders: header})
	must(t, err)
	body, err := json.Marshal(claims)
	must(t, err)
	j, err := s.Sign(body)
	must(t, err)
	text, err := j.CompactSerialize()
	must(t, err)
	return text
}

type claims map[string]any

// signed adds the authentication of a client, its claims bent.
func (r *run) signed(client string, form url.Values, bend func(claims)) url.Values {
	r.n++
	aud := issuer
	if r.stock() {
		aud = issuer + "/token" // it knows no other
	}
	c := claims{"iss": client, "sub": client, "aud": aud, "jti": fmt.Sprint("a", r.n), "iat": r.s.now().Unix(), "exp": r.s.now().Add(time.Minute).Unix()}
	if bend != nil {
		bend(c)
	}
	a := r.apps[slices.IndexFunc(r.apps, func(a app) bool { return a.id == client })]
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", sign(r.t, a.key, a.alg, map[jose.HeaderKey]any{"kid": "1"}, c))
	return form
}

func (r *run) request(client string) url.Values {
	a := r.apps[slices.IndexFunc(r.apps, func(a app) bool { return a.id == client })]
	sum := sha256.Sum256([]byte(verifier))
	return url.Values{
		"client_id": {client}, "response_type": {"code"}, "redirect_uri": {a.redirect}, "scope": {basic}, "state": {"0123456789"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
}

// push pushes a bent request of "app".
func (r *run) push(bend func(url.Values)) answer {
	f := r.request("app")
	if bend != nil {
		bend(f)
	}
	return r.s.post("/par", r.signed("app", f, nil), nil)
}

// claim pushes a good request of "app" with a bent assertion.
func (r *run) claim(bend func(claims)) answer {
	return r.s.post("/par", r.signed("app", r.request("app"), bend), nil)
}

// by pushes a good request of a client.
func (r *run) by(client string) answer {
	return r.s.post("/par", r.signed(client, r.request(client), nil), nil)
}

func (r *run) pushed(bend func(url.Values)) string {
	a := r.push(bend)
	if a.status != http.StatusCreated {
		r.t.Fatalf("a good request was answered %s: %v", a.seen(), a.body)
	}
	return a.text("request_uri")
}

func front(client, uri string) url.Values {
	return url.Values{"client_id": {client}, "request_uri": {uri}}
}

func (r *run) code(bend func(url.Values)) string {
	c := r.s.authorize(front("app", r.pushed(bend))).Get("code")
	if c == "" {
		r.t.Fatal("no code")
	}
	return c
}

func redemption(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
}

func (r *run) token(client string, form url.Values) answer {
	return r.s.post("/token", r.signed(client, form, nil), r.proof())
}

func (r *run) redeem(code string) answer { return r.token("app", redemption(code)) }

func (r *run) refresh(secret string) answer {
	return r.token("app", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {secret}})
}

// proof is a DPoP header by a fixed key; the stock server ignores it.
func (r *run) proof() http.Header {
	r.n++
	return http.Header{"Dpop": {sign(r.t, keys().ec, jose.ES256,
		map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": jose.JSONWebKey{Key: keys().ec.Public()}},
		claims{"jti": fmt.Sprint("p", r.n), "htm": "POST", "htu": issuer + "/token", "iat": r.s.now().Unix()})}}
}

// oidc is the scope of a request that makes fosite's OpenID Connect handlers
// work; ours has none.
func (r *run) oidc(f url.Values) {
	if r.stock() {
		f.Set("scope", "openid "+basic)
	}
}

// object is a request object of "app" for its whole request, bent.
func (r *run) object(bend func(claims)) string {
	return r.objectOf("app", jose.ES256, keys().ec, map[jose.HeaderKey]any{"kid": "1", "typ": "oauth-authz-req+jwt"}, bend)
}

func (r *run) objectOf(client string, alg jose.SignatureAlgorithm, key any, header map[jose.HeaderKey]any, bend func(claims)) string {
	now := r.s.now()
	c := claims{"iss": client, "aud": issuer, "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	for name, values := range r.request(client) {
		c[name] = values[0]
	}
	if bend != nil {
		bend(c)
	}
	return sign(r.t, key, alg, header, c)
}

// pushObject pushes a request object beside the request that it holds.
// fosite looks at it only if the request asks for openid.
func (r *run) pushObject(client, object string) answer {
	f := r.request(client)
	r.oidc(f)
	f.Set("request", object)
	return r.s.post("/par", r.signed(client, f, nil), nil)
}

func yes(shown bool) string {
	if shown {
		return "shown"
	}
	return "not shown"
}

func kept(is bool) string {
	if is {
		return "kept"
	}
	return "not kept"
}

var overrides = []struct {
	name  string
	stock string
	ours  string
	see   func(r *run) string
}{
	{"01 the audience of an assertion is the issuer", "401 invalid_client", "201", func(r *run) string {
		return r.claim(func(c claims) { c["aud"] = issuer }).seen()
	}},
	{"01 the audience of an assertion is nobody else beside", "201", "401 invalid_client", func(r *run) string {
		return r.claim(func(c claims) { c["aud"] = []any{c["aud"], "https://elsewhere.example"} }).seen()
	}},
	{"02 a clock eight seconds ahead is accepted", "500 error", "201", func(r *run) string {
		return r.claim(func(c claims) { c["iat"] = r.s.now().Unix() + 8 }).seen()
	}},
	{"02 not before in eight seconds is accepted", "500 error", "201", func(r *run) string {
		return r.claim(func(c claims) { c["nbf"] = r.s.now().Unix() + 8 }).seen()
	}},
	{"03 an assertion that never expires is refused", "201", "401 invalid_client", func(r *run) string {
		return r.claim(func(c claims) { c["exp"] = 0 }).seen()
	}},
	{"03 an assertion without end is no good a second time", "201, 201", "401 invalid_client, 401 invalid_client", func(r *run) string {
		f := r.signed("app", r.request("app"), func(c claims) { c["exp"] = 0 })
		return r.s.post("/par", f, nil).seen() + ", " + r.s.post("/par", f, nil).seen()
	}},
	{"03 an assertion that lives for years is refused", "201", "401 invalid_client", func(r *run) string {
		return r.claim(func(c claims) { c["exp"] = r.s.now().AddDate(10, 0, 0).Unix() }).seen()
	}},
	{"04 a repeated assertion is invalid_client", "400 jti_known", "401 invalid_client", func(r *run) string {
		f := r.signed("app", redemption("x"), nil)
		r.s.post("/token", f, r.proof())
		return r.s.post("/token", f, r.proof()).seen()
	}},
	{"04 one client's jti does not use up another's", "401 invalid_client", "201", func(r *run) string {
		same := func(client string) answer {
			return r.s.post("/par", r.signed(client, r.request(client), func(c claims) { c["jti"] = "shared" }), nil)
		}
		same("other")
		return same("app").seen()
	}},
	{"05 RS256 is refused", "201", "401 invalid_client", func(r *run) string { return r.by("rs256").seen() }},
	{"05 EdDSA is accepted", "401 invalid_client", "201", func(r *run) string { return r.by("eddsa").seen() }},
	{"05 a key without use is accepted", "401 invalid_client", "201", func(r *run) string { return r.by("no-use").seen() }},
	{"06 parameters in the query are refused", "201", "400 invalid_request", func(r *run) string {
		return r.s.post("/par", r.signed("app", r.request("app"), nil), http.Header{inQuery: {"1"}}).seen()
	}},
	{"06 a parameter twice is refused", "201", "400 invalid_request", func(r *run) string {
		return r.push(func(f url.Values) { f.Add("redirect_uri", "https://evil.example") }).seen()
	}},
	{"07 state is not demanded", "400 invalid_state", "201", func(r *run) string {
		return r.push(func(f url.Values) { f.Del("state") }).seen()
	}},
	{"07 a short state is accepted", "400 invalid_state", "201", func(r *run) string {
		return r.push(func(f url.Values) { f.Set("state", "s") }).seen()
	}},
	{"08 a short nonce is no trap behind the consent", "400 insufficient_entropy", "200", func(r *run) string {
		return r.redeem(r.code(func(f url.Values) { r.oidc(f); f.Set("nonce", "n") })).seen()
	}},
	{"09 a request without PKCE is refused when pushed", "201", "400 invalid_request", func(r *run) string {
		return r.push(func(f url.Values) { f.Del("code_challenge"); f.Del("code_challenge_method") }).seen()
	}},
	{"09 plain PKCE is refused when pushed", "201", "400 invalid_request", func(r *run) string {
		return r.push(func(f url.Values) { f.Set("code_challenge_method", "plain") }).seen()
	}},
	{"10 redirect_uri is demanded", "201", "400 invalid_request", func(r *run) string {
		return r.push(func(f url.Values) { f.Del("redirect_uri") }).seen()
	}},
	{"10 the port of a loopback redirect is compared", "201", "400 invalid_request", func(r *run) string {
		f := r.request("loopback")
		f.Set("redirect_uri", "http://127.0.0.1:10/cb")
		return r.s.post("/par", r.signed("loopback", f, nil), nil).seen()
	}},
	{"10 http to localhost is refused", "201", "400 invalid_request", func(r *run) string { return r.by("localhost").seen() }},
	{"10 a scheme of its own is refused", "201", "400 invalid_request", func(r *run) string { return r.by("scheme").seen() }},
	{"02 a request object by a clock eight seconds ahead is accepted", "500 error", "201", func(r *run) string {
		return r.pushObject("app", r.object(func(c claims) { c["nbf"] = r.s.now().Unix() + 8 })).seen()
	}},
	{"11 a request object is not ignored", "201", "400 invalid_request_object", func(r *run) string {
		return r.push(func(f url.Values) { f.Set("request", "garbage") }).seen()
	}},
	{"11 a request object without a signature is refused", "201", "400 invalid_request_object", func(r *run) string {
		parts := strings.Split(r.object(nil), ".")
		return r.pushObject("app", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))+"."+parts[1]+".").seen()
	}},
	{"11 a request object with RS256 is refused", "201", "400 invalid_request_object", func(r *run) string {
		return r.pushObject("two-keys", r.objectOf("two-keys", jose.RS256, keys().rsa, map[jose.HeaderKey]any{"kid": "2"}, nil)).seen()
	}},
	{"11 a request object of another issuer is refused", "201", "400 invalid_request_object", func(r *run) string {
		return r.pushObject("app", r.object(func(c claims) { c["iss"] = "other" })).seen()
	}},
	{"11 a request object for another client is refused", "201", "400 invalid_request_object", func(r *run) string {
		return r.pushObject("app", r.object(func(c claims) { c["client_id"] = "other" })).seen()
	}},
	{"11 a request object for another server is refused", "201", "400 invalid_request_object", func(r *run) string {
		return r.pushObject("app", r.object(func(c claims) { c["aud"] = "https://elsewhere.example" })).seen()
	}},
	{"11 a request object that never expires is refused", "201", "400 invalid_request_object", func(r *run) string {
		return r.pushObject("app", r.object(func(c claims) { delete(c, "exp") })).seen()
	}},
	{"11 a request object that lives for years is refused", "201", "400 invalid_request_object", func(r *run) string {
		return r.pushObject("app", r.object(func(c claims) { c["exp"] = r.s.now().AddDate(10, 0, 0).Unix() })).seen()
	}},
	{"11 a request object without a beginning is refused", "201", "400 invalid_request_object", func(r *run) string {
		return r.pushObject("app", r.object(func(c claims) { delete(c, "nbf") })).seen()
	}},
	{"11 another kind of JWT is no request object", "201", "400 invalid_request_object", func(r *run) string {
		return r.pushObject("app", r.objectOf("app", jose.ES256, keys().ec, map[jose.HeaderKey]any{"kid": "1", "typ": "at+jwt"}, nil)).seen()
	}},
	{"11 state from beside a request object is not used", "kept", "not kept", func(r *run) string {
		if a := r.pushObject("app", r.object(func(c claims) { delete(c, "state") })); a.status != http.StatusCreated {
			r.t.Fatal(a.seen())
		}
		return kept(strings.Contains(r.s.kept(), "0123456789"))
	}},
	{"11 a number in a request object stays one", "not kept", "kept", func(r *run) string {
		if a := r.pushObject("app", r.object(func(c claims) { c["max_age"] = 3600 })); a.status != http.StatusCreated {
			r.t.Fatal(a.seen())
		}
		all := r.s.kept()
		return kept(strings.Contains(all, "max_age=3600") || strings.Contains(all, "max_age:3600"))
	}},
	{"11 JSON in a request object stays JSON", "not kept", "kept", func(r *run) string {
		asked := claims{"id_token": claims{"auth_time": nil}}
		if a := r.pushObject("app", r.object(func(c claims) { c["claims"] = asked })); a.status != http.StatusCreated {
			r.t.Fatal(a.seen())
		}
		all, err := url.QueryUnescape(r.s.kept())
		if err != nil {
			all = r.s.kept()
		}
		return kept(strings.Contains(all, `{"id_token":{"auth_time":null}}`))
	}},
	{"12 the assertion is not stored", "kept", "not kept", func(r *run) string {
		r.pushed(nil)
		return kept(strings.Contains(r.s.kept(), "client_assertion"))
	}},
	{"13 an expired request_uri cannot be opened", "shown", "not shown", func(r *run) string {
		uri := r.pushed(nil)
		r.s.after(3 * time.Minute)
		return yes(r.s.open(front("app", uri)))
	}},
	{"14 the page can be loaded twice", "shown, not shown", "shown, shown", func(r *run) string {
		uri := r.pushed(nil)
		return yes(r.s.open(front("app", uri))) + ", " + yes(r.s.open(front("app", uri)))
	}},
	{"14 another client's id does not use up the request", "not shown, not shown", "not shown, shown", func(r *run) string {
		uri := r.pushed(nil)
		return yes(r.s.open(front("other", uri))) + ", " + yes(r.s.open(front("app", uri)))
	}},
	{"14 another client's id sends nobody to the app", "sent to the app", "a page", func(r *run) string {
		if r.s.authorize(front("other", r.pushed(nil))) != nil {
			return "sent to the app"
		}
		return "a page"
	}},
	{"15 what stands beside request_uri is not used", "kept", "not kept", func(r *run) string {
		q := front("app", r.pushed(r.oidc))
		q.Set("nonce", "injected-nonce")
		q.Set("acr_values", "injected-acr")
		if r.s.authorize(q).Get("code") == "" {
			r.t.Fatal("no code")
		}
		return kept(strings.Contains(r.s.kept(), "injected"))
	}},
	{"16 a wrong verifier leaves the code as it is", "400 invalid_grant, 400 invalid_grant", "400 invalid_grant, 200", func(r *run) string {
		wrong, right := redemption(r.code(nil)), url.Values{}
		for name, values := range wrong {
			right[name] = values
		}
		wrong["code_verifier"] = []string{strings.Repeat("x", 43)}
		return r.token("app", wrong).seen() + ", " + r.token("app", right).seen()
	}},
	{"16 after a wrong verifier none is still refused", "400 invalid_grant, 200", "400 invalid_grant, 400 invalid_grant", func(r *run) string {
		f := redemption(r.code(nil))
		f.Set("code_verifier", strings.Repeat("x", 43))
		wrong := r.token("app", f)
		f.Del("code_verifier")
		return wrong.seen() + ", " + r.token("app", f).seen()
	}},
	{"17 of parallel redemptions one succeeds", "8 of 8", "1 of 8, the others 400 invalid_grant", func(r *run) string {
		const n = 8
		code := r.code(nil)
		forms, proofs := make([]url.Values, n), make([]http.Header, n)
		for i := range n {
			forms[i], proofs[i] = r.signed("app", redemption(code), nil), r.proof()
		}
		r.s.race(n)
		answers := make([]answer, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { answers[i] = r.s.post("/token", forms[i], proofs[i]) })
		}
		wg.Wait()
		won, others := 0, map[string]bool{}
		for _, a := range answers {
			if a.status == http.StatusOK {
				won++
			} else {
				others[", the others "+a.seen()] = true
			}
		}
		seen := fmt.Sprintf("%d of %d", won, n)
		for other := range others {
			seen += other
		}
		return seen
	}},
	{"18 an expired code is invalid_grant", "400 invalid_request", "400 invalid_grant", func(r *run) string {
		code := r.code(nil)
		r.s.after(62 * time.Second)
		return r.redeem(code).seen()
	}},
	{"19 a revocation that failed says so", "200", "503 temporarily_unavailable", func(r *run) string {
		access := r.redeem(r.code(nil)).text("access_token")
		r.s.breakStore()
		return r.s.post("/revoke", r.signed("app", url.Values{"token": {access}}, nil), nil).seen()
	}},
	{"20 an outage is no revocation", "200 inactive", "503 temporarily_unavailable", func(r *run) string {
		form := url.Values{"token": {r.redeem(r.code(nil)).text("access_token")}}
		header := http.Header{"Authorization": {"Basic c2VydmVyOnNlY3JldA=="}}
		if !r.stock() {
			form, header = r.signed("server", form, nil), nil
		}
		r.s.breakStore()
		a := r.s.post("/introspect", form, header)
		if active, said := a.body["active"]; said && active == false {
			return fmt.Sprint(a.status, " inactive")
		}
		return a.seen()
	}},
	{"21 somebody else's used code withdraws nothing", "400 invalid_grant", "200", func(r *run) string {
		code := r.code(func(f url.Values) { f.Set("scope", basic+" offline_access") })
		refresh := r.redeem(code).text("refresh_token")
		if refresh == "" {
			r.t.Fatal("no refresh token")
		}
		if a := r.token("other", redemption(code)); a.seen() != "400 invalid_grant" {
			r.t.Errorf("another client was answered %s", a.seen())
		}
		return r.refresh(refresh).seen()
	}},
	{"22 an unknown grant type is unsupported_grant_type", "400 invalid_request", "400 unsupported_grant_type", func(r *run) string {
		return r.token("app", url.Values{"grant_type": {"password"}}).seen()
	}},
	{"23 tokens are bound", "bearer", "DPoP", func(r *run) string { return r.redeem(r.code(nil)).text("token_type") }},
	{"23 a token without a proof is refused", "200", "400 invalid_request", func(r *run) string {
		return r.s.post("/token", r.signed("app", redemption(r.code(nil)), nil), nil).seen()
	}},
	{"23 a refresh token needs no offline_access", "none", "one", func(r *run) string {
		if r.redeem(r.code(nil)).text("refresh_token") == "" {
			return "none"
		}
		return "one"
	}},
	{"23 the redirect does not repeat the scope", "scope", "no scope", func(r *run) string {
		if r.s.authorize(front("app", r.pushed(nil))).Has("scope") {
			return "scope"
		}
		return "no scope"
	}},
	{"23 an access token lives 900 seconds at most", "longer", "not longer", func(r *run) string {
		if n, _ := r.redeem(r.code(nil)).body["expires_in"].(float64); n > 0 && n <= 900 {
			return "not longer"
		}
		return "longer"
	}},
	{"24 a refresh token stays good", "200, 400 invalid_grant", "200, 200", func(r *run) string {
		refresh := r.redeem(r.code(func(f url.Values) { f.Set("scope", basic+" offline_access") })).text("refresh_token")
		return r.refresh(refresh).seen() + ", " + r.refresh(refresh).seen()
	}},
	{"24 a refresh may narrow", basic + " fdx:transactions:read offline_access", basic, func(r *run) string {
		refresh := r.redeem(r.code(func(f url.Values) { f.Set("scope", basic+" fdx:transactions:read offline_access") })).text("refresh_token")
		return r.token("app", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "scope": {basic}}).text("scope")
	}},
	{"26 keys are not fetched", "201, fetched", "401 invalid_client, not fetched", func(r *run) string {
		seen := r.by("remote").seen()
		if r.fetched.Load() > 0 {
			return seen + ", fetched"
		}
		return seen + ", not fetched"
	}},
	{"27 texts are short and without quotes", "long or quoting", "plain", func(r *run) string {
		text := r.push(func(f url.Values) { f.Set("scope", "fdx:tax:read") }).text("error_description")
		if text == "" || len(text) > 120 || strings.ContainsAny(text, "\"'\\\n") {
			return "long or quoting"
		}
		return "plain"
	}},
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	for _, tt := range overrides {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.stock == tt.ours {
				t.Fatal("a scenario that the stock composition passes proves nothing")
			}
			for side, want := range map[string]string{"stock": tt.stock, "ours": tt.ours} {
				r := newRun(t, side)
				if got := tt.see(r); got != want {
					t.Errorf("%s: saw %s, want %s", side, got, want)
				}
			}
		})
	}
}

// newRun returns a fresh server of its own for a scenario.
func newRun(t testing.TB, which string) *run {
	t.Helper()
	r := &run{t: t, fetched: new(atomic.Int32)}
	// The keys of "remote" lie behind 16 MiB, on the server's own machine.
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r.fetched.Add(1)
		jwks := app{alg: jose.ES256, public: keys().ec.Public(), use: "sig"}.jwks(t)
		_, _ = fmt.Fprintf(w, `{"pad":"%s",%s`, strings.Repeat("a", 16<<20), jwks[1:])
	}))
	t.Cleanup(remote.Close)
	r.apps = apps(remote.URL)
	if which == "stock" {
		r.s = newStock(t, r.apps)
	} else {
		r.s = newOurs(t, r.apps)
	}
	return r
}
