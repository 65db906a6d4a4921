package engine_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// run is one scenario's view of a server: the flow of a recipient, each step
// a value that a scenario bends.
type run struct {
	t   testing.TB
	s   side
	key clientKey
	n   int // for fresh jtis
	sha string
}

func pkce() string {
	h := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

type claims map[string]any

func (r *run) assertion(bend func(claims)) string {
	r.n++
	now := time.Now()
	aud := issuer
	if _, isStock := r.s.(*stock); isStock {
		aud = issuer + "/token" // the stock server knows no other audience
	}
	c := claims{"iss": "app", "sub": "app", "aud": aud, "jti": fmt.Sprintf("%s-%d", r.sha, r.n), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	if bend != nil {
		bend(c)
	}
	return sign(r.t, r.key.key, jose.ES256, map[jose.HeaderKey]any{"kid": "1"}, c)
}

func (r *run) authenticated(form url.Values, bend func(claims)) url.Values {
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", r.assertion(bend))
	return form
}

func as(client string) func(claims) {
	return func(c claims) { c["iss"], c["sub"] = client, client }
}

func (r *run) request() url.Values {
	return url.Values{
		"client_id": {"app"}, "response_type": {"code"}, "redirect_uri": {redirectURI}, "scope": {"fdx:accountbasic:read"},
		"state": {"0123456789"}, "code_challenge": {pkce()}, "code_challenge_method": {"S256"},
	}
}

func (r *run) push(bend func(url.Values)) answer {
	f := r.request()
	if bend != nil {
		bend(f)
	}
	return r.s.post("/par", r.authenticated(f, nil), nil)
}

func (r *run) pushed() string {
	uri := r.push(nil).text("request_uri")
	if uri == "" {
		r.t.Fatalf("%T: a plain request was not accepted", r.s)
	}
	return uri
}

func front(uri string) url.Values { return url.Values{"client_id": {"app"}, "request_uri": {uri}} }

func (r *run) code() string {
	c := r.s.authorize(front(r.pushed())).Get("code")
	if c == "" {
		r.t.Fatalf("%T: no code", r.s)
	}
	return c
}

func (r *run) redeem(code string, client string, bend func(url.Values)) answer {
	f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
	if bend != nil {
		bend(f)
	}
	return r.s.post("/token", r.authenticated(f, as(client)), r.proof("/token"))
}

func (r *run) refresh(token string) answer {
	return r.s.post("/token", r.authenticated(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, nil), r.proof("/token"))
}

// proof is a DPoP proof by a fixed key; the stock server ignores it.
func (r *run) proof(path string) http.Header {
	r.n++
	jwk := jose.JSONWebKey{Key: r.key.key.Public()}
	p := sign(r.t, r.key.key, jose.ES256, map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": jwk}, claims{
		"jti": fmt.Sprintf("p-%s-%d", r.sha, r.n), "htm": "POST", "htu": issuer + path, "iat": time.Now().Unix(),
	})
	return http.Header{"Dpop": {p}}
}

// The overrides that this server needs, by what must hold. Each must fail on
// the stock composition.
var overrides = []struct {
	name string
	ok   func(r *run) bool
}{
	{"01 the audience of an assertion is the issuer alone", func(r *run) bool {
		return r.s.post("/par", r.authenticated(r.request(), func(c claims) { c["aud"] = []string{c["aud"].(string), "https://elsewhere.example"} }), nil).status == 401
	}},
	{"02 a clock eight seconds ahead is accepted", func(r *run) bool {
		return r.s.post("/par", r.authenticated(r.request(), func(c claims) { c["iat"] = time.Now().Unix() + 8 }), nil).status == 201
	}},
	{"03 an assertion that never expires is refused", func(r *run) bool {
		return r.s.post("/par", r.authenticated(r.request(), func(c claims) { c["exp"] = 0 }), nil).status == 401
	}},
	{"03 an assertion that lives for years is refused", func(r *run) bool {
		return r.s.post("/par", r.authenticated(r.request(), func(c claims) { c["exp"] = time.Now().AddDate(10, 0, 0).Unix() }), nil).status == 401
	}},
	{"04 a repeated assertion is invalid_client at the token endpoint", func(r *run) bool {
		f := r.authenticated(url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}, nil)
		r.s.post("/token", f, r.proof("/token"))
		a := r.s.post("/token", f, r.proof("/token"))
		return a.status == 401 && a.text("error") == "invalid_client"
	}},
	{"04 one client's jti does not use up another's", func(r *run) bool {
		same := func(client string) answer {
			f := r.request()
			f.Set("client_id", client)
			return r.s.post("/par", r.authenticated(f, func(c claims) { as(client)(c); c["jti"] = "shared-" + r.sha }), nil)
		}
		return same("other").status == 201 && same("app").status == 201
	}},
	{"06 parameters in the query are refused", func(r *run) bool {
		return r.s.post("/par", r.authenticated(r.request(), nil), http.Header{"X-In-Query": {"1"}}).status == 400
	}},
	{"06 a parameter twice is refused", func(r *run) bool {
		return r.push(func(f url.Values) { f.Add("redirect_uri", "https://evil.example") }).status == 400
	}},
	{"07 state is not demanded", func(r *run) bool {
		a := r.push(func(f url.Values) { f.Del("state") })
		if a.status != 201 {
			return false
		}
		got := r.s.authorize(front(a.text("request_uri")))
		return got.Get("code") != "" && !got.Has("state")
	}},
	{"08 a short nonce is accepted", func(r *run) bool {
		return r.push(func(f url.Values) { f.Set("state", "s"); f.Set("nonce", "n") }).status == 201
	}},
	{"09 a request without PKCE is refused when pushed", func(r *run) bool {
		return r.push(func(f url.Values) { f.Del("code_challenge"); f.Del("code_challenge_method") }).status == 400
	}},
	{"09 plain PKCE is refused when pushed", func(r *run) bool {
		return r.push(func(f url.Values) { f.Set("code_challenge_method", "plain") }).status == 400
	}},
	{"10 redirect_uri is demanded", func(r *run) bool {
		return r.push(func(f url.Values) { f.Del("redirect_uri") }).status == 400
	}},
	{"11 a request object that is not understood is not ignored", func(r *run) bool {
		return r.push(func(f url.Values) { f.Set("request", "garbage") }).status == 400
	}},
	{"13 an expired request_uri cannot be opened", func(r *run) bool {
		uri := r.pushed()
		r.s.after(3 * time.Minute)
		return !r.s.open(front(uri))
	}},
	{"14 the page can be loaded twice", func(r *run) bool {
		uri := r.pushed()
		return r.s.open(front(uri)) && r.s.open(front(uri))
	}},
	{"14 another client's id does not use up the request", func(r *run) bool {
		uri := r.pushed()
		foreign := url.Values{"client_id": {"other"}, "request_uri": {uri}}
		return !r.s.open(foreign) && r.s.open(front(uri))
	}},
	{"15 what stands beside request_uri is not used", func(r *run) bool {
		q := front(r.push(func(f url.Values) { f.Del("nonce") }).text("request_uri"))
		q.Set("redirect_uri", redirectURI)
		q.Set("state", "injected-state")
		got := r.s.authorize(q)
		// The stock server keeps the state but merges the rest: show that by a
		// parameter that it stores with the code.
		return got.Get("code") != "" && got.Get("state") == "0123456789" && !r.merged(q)
	}},
	{"16 a wrong verifier leaves the code as it is", func(r *run) bool {
		c := r.code()
		wrong := r.redeem(c, "app", func(f url.Values) { f.Set("code_verifier", strings.Repeat("x", 43)) })
		return wrong.status == 400 && r.redeem(c, "app", nil).status == 200
	}},
	{"16 after a wrong verifier none is still refused", func(r *run) bool {
		c := r.code()
		r.redeem(c, "app", func(f url.Values) { f.Set("code_verifier", strings.Repeat("x", 43)) })
		return r.redeem(c, "app", func(f url.Values) { f.Del("code_verifier") }).status == 400
	}},
	{"17 of parallel redemptions one succeeds and the others are invalid_grant", func(r *run) bool {
		c := r.code()
		const n = 8
		if st, isStock := r.s.(*stock); isStock {
			st.store.delay = make(chan struct{})
			go func() {
				for range 4 * n {
					select {
					case st.store.delay <- struct{}{}:
					case <-time.After(200 * time.Millisecond):
						return
					}
				}
			}()
		}
		forms := make([]url.Values, n)
		proofs := make([]http.Header, n)
		for i := range n {
			forms[i] = r.authenticated(url.Values{"grant_type": {"authorization_code"}, "code": {c}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}, nil)
			proofs[i] = r.proof("/token")
		}
		answers := make([]answer, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { answers[i] = r.s.post("/token", forms[i], proofs[i]) })
		}
		wg.Wait()
		won, lost := 0, 0
		for _, a := range answers {
			switch {
			case a.status == 200:
				won++
			case a.status == 400 && a.text("error") == "invalid_grant":
				lost++
			}
		}
		return won == 1 && lost == n-1
	}},
	{"19 revocation with a dead store is not 200", func(r *run) bool {
		access := r.redeem(r.code(), "app", nil).text("access_token")
		r.s.breakStore()
		return r.s.post("/revoke", r.authenticated(url.Values{"token": {access}}, nil), nil).status == 503
	}},
	{"21 a used code of somebody else withdraws nothing", func(r *run) bool {
		c := r.code()
		refresh := r.redeem(c, "app", nil).text("refresh_token")
		r.redeem(c, "other", nil)
		return refresh != "" && r.refresh(refresh).status == 200
	}},
	{"22 an unknown grant type is unsupported_grant_type", func(r *run) bool {
		return r.s.post("/token", r.authenticated(url.Values{"grant_type": {"password"}}, nil), r.proof("/token")).text("error") == "unsupported_grant_type"
	}},
	{"23 tokens are sender-constrained", func(r *run) bool {
		return r.redeem(r.code(), "app", nil).text("token_type") == "DPoP"
	}},
	{"23 a refresh token needs no offline_access", func(r *run) bool {
		return r.redeem(r.code(), "app", nil).text("refresh_token") != ""
	}},
	{"23 the redirect does not repeat the scope", func(r *run) bool {
		return !r.s.authorize(front(r.pushed())).Has("scope")
	}},
	{"23 an access token lives 900 seconds at most", func(r *run) bool {
		n, _ := r.redeem(r.code(), "app", nil).body["expires_in"].(float64)
		return n > 0 && n <= 900
	}},
	{"24 a refresh token stays good", func(r *run) bool {
		c := r.s.authorize(front(r.push(func(f url.Values) { f.Set("scope", "fdx:accountbasic:read offline_access") }).text("request_uri"))).Get("code")
		token := r.redeem(c, "app", nil).text("refresh_token")
		return r.refresh(token).status == 200 && r.refresh(token).status == 200
	}},
	{"27 texts are short and without quotes", func(r *run) bool {
		a := r.push(func(f url.Values) { f.Set("scope", "fdx:tax:read") })
		text := a.text("error_description")
		return a.status == 400 && len(text) < 120 && !strings.ContainsAny(text, `"\`+"\n")
	}},
}

// merged reports whether a parameter from the front channel ended up in what
// the server keeps of the request.
func (r *run) merged(q url.Values) bool {
	st, isStock := r.s.(*stock)
	if !isStock {
		return false // our server reads two parameters; see TestAuthorizeReadsTwoParameters
	}
	_ = q
	for _, c := range st.store.AuthorizeCodes {
		if c.Requester != nil && c.GetRequestForm().Get("request_uri") != "" {
			return true
		}
	}
	return false
}
