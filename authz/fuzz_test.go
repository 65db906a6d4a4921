package authz_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"
)

// es256 signs header and payload as they are, whatever they are.
func es256(t testing.TB, header, payload string) string {
	t.Helper()
	input := encoded(header) + "." + encoded(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, keys().ec, sum[:])
	must(t, err)
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + encoded(string(signature[:]))
}

// The signature is good, so that the parser is all that stands between the
// text and a yes. Whatever is accepted must hold to the rules when somebody
// else reads it.
func FuzzClientAssertion(f *testing.F) {
	w := newWorld(f)
	c := w.client("app")
	now := w.clock.now()
	good := fmt.Sprintf(`{"iss":"app","sub":"app","aud":"%s","jti":"j","exp":%d}`, issuer, now.Unix()+60)
	f.Add(`{"alg":"ES256"}`, good)
	f.Add(`{"alg":"ES256","kid":"1","typ":"JWT"}`, good[:len(good)-1]+`,"iat":1,"nbf":1.5,"x":[{}]}`)
	f.Add(`{"alg":"ES256","crit":["x"],"x":1}`, good)
	f.Add(`{"alg":"ES256","b64":false}`, good)
	f.Add(`{"alg":"ES256","alg":"none"}`, good)
	f.Add(`{"alg":"none"}`, good)
	f.Add(`{"alg":"ES256"}`, good[:len(good)-1]+`,"ISS":"other","aud":["x"]}`)
	f.Add(`{"alg":"ES256"}`, good[:len(good)-1]+`,"exp":1e300}`)
	f.Add(`{"alg":"ES256"}`, `[]`)
	f.Add(`[]`, ``)
	f.Fuzz(func(t *testing.T, header, payload string) {
		w.t = t
		form := c.signed(c.request())
		form.Set("client_assertion", w.secret(es256(t, header, payload)))
		a := w.post("/par", form, nil)
		w.checkLog()
		if a.status != http.StatusCreated {
			if !a.is(http.StatusUnauthorized, "invalid_client") && !a.is(http.StatusBadRequest, "invalid_request") { // too large
				t.Fatal(a)
			}
			return
		}
		var h, p claims
		if json.Unmarshal([]byte(header), &h) != nil || json.Unmarshal([]byte(payload), &p) != nil {
			t.Fatalf("accepted: %s %s", header, payload)
		}
		exp, _ := p["exp"].(float64)
		jti, _ := p["jti"].(string)
		if h["alg"] != "ES256" || h["crit"] != nil || h["b64"] != nil || p["iss"] != "app" || p["sub"] != "app" || p["aud"] != issuer ||
			jti == "" || exp <= float64(now.Unix()) || exp > float64(now.Add(10*time.Minute).Unix()+1) {
			t.Errorf("accepted: %s %s", header, payload)
		}
	})
}

// No token request but the right one is answered with a token, and none with
// a server error.
func FuzzTokenForm(f *testing.F) {
	w := newWorld(f)
	c := w.client("app")
	code := c.code(nil)
	refresh := c.tokens(nil).text("refresh_token")
	f.Add("authorization_code", code, callback, "x", "", "")
	f.Add("authorization_code", code[:40], callback, verifier, "", "")
	f.Add("authorization_code", "", "", "", "", basicScope)
	f.Add("refresh_token", "", "", "", refresh+"x", basicScope)
	f.Add("refresh_token", "", "", "", refresh, "fdx:tax:read")
	f.Add("refresh_token", "", "", "", refresh, basicScope)
	f.Add("password", "x", "x", "x", "x", "x")
	f.Add("", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, kind, code, redirect, verifier, secret, scope string) {
		w.t = t
		form := url.Values{}
		for name, value := range map[string]string{
			"grant_type": kind, "code": code, "redirect_uri": redirect, "code_verifier": verifier, "refresh_token": secret, "scope": scope,
		} {
			if value != "" {
				form.Set(name, value)
			}
		}
		a := w.post("/token", c.signed(form), c.proof("/token", nil))
		w.checkLog()
		known := []string{"invalid_request", "invalid_grant", "invalid_scope", "unsupported_grant_type"}
		switch {
		case a.status == http.StatusOK:
			if kind != "refresh_token" || secret != refresh || a.text("scope") != basicScope {
				t.Errorf("given: %s", a)
			}
		case a.status != http.StatusBadRequest || !slices.Contains(known, a.code()):
			t.Error(a)
		}
	})
}
