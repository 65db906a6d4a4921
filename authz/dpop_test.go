package authz_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// badProofs are the DPoP headers of "app" that no endpoint takes; the rules
// of a proof by itself are tested where it is verified.
func badProofs(t *testing.T, c client, path string) map[string]http.Header {
	k := keys()
	private, err := json.Marshal(jose.JSONWebKey{Key: k.ec})
	must(t, err)
	good := c.proof(path, nil)
	rows := map[string]http.Header{
		"empty":        {"Dpop": {""}},
		"no JWS":       {"Dpop": {"x"}},
		"two":          {"Dpop": {good["Dpop"][0], c.proof(path, nil)["Dpop"][0]}},
		"two in one":   {"Dpop": {good["Dpop"][0] + ", " + c.proof(path, nil)["Dpop"][0]}},
		"truncated":    {"Dpop": {good["Dpop"][0][:len(good["Dpop"][0])-2]}},
		"over 8 KiB":   {"Dpop": {good["Dpop"][0] + strings.Repeat("a", 8<<10)}},
		"an assertion": {"Dpop": {c.assertion(nil)}},
	}
	_, rest, _ := strings.Cut(good["Dpop"][0], ".")
	payload, signature, _ := strings.Cut(rest, ".")
	public, err := json.Marshal(jose.JSONWebKey{Key: k.ec.Public()})
	must(t, err)
	for name, alg := range map[string]string{"alg none": `"alg":"none",`, "alg missing": ``, "alg HS256": `"alg":"HS256",`} {
		rows[name] = http.Header{"Dpop": {encoded(`{"typ":"dpop+jwt",`+alg+`"jwk":`+string(public)+`}`) + "." + payload + "." + signature}}
	}
	rows["no signature"] = http.Header{"Dpop": {strings.TrimSuffix(good["Dpop"][0], signature)}}
	other := c.proof(path, nil)["Dpop"][0]
	rows["another proof's signature"] = http.Header{"Dpop": {other[:strings.LastIndex(other, ".")+1] + signature}}
	for name, bend := range map[string]func(*jwt){
		"type missing":          func(j *jwt) { delete(j.header, "typ") },
		"htm missing":           dropClaim("htm"),
		"another method":        setClaim("htm", "GET"),
		"another endpoint":      setClaim("htu", issuer+"/other"),
		"another server":        setClaim("htu", "https://evil.example"+path),
		"htu without host":      setClaim("htu", path),
		"htu missing":           dropClaim("htu"),
		"jti missing":           dropClaim("jti"),
		"iat missing":           dropClaim("iat"),
		"an hour old":           in(c, "iat", -time.Hour),
		"an hour ahead":         in(c, "iat", time.Hour),
		"another type":          setHeader("typ", "JWT"),
		"RS256":                 func(j *jwt) { j.alg, j.key, j.header["jwk"] = jose.RS256, k.rsa, jose.JSONWebKey{Key: k.rsa.Public()} },
		"another key's":         func(j *jwt) { j.key = k.otherEC },
		"a private key with it": setHeader("jwk", json.RawMessage(private)),
		"no key":                func(j *jwt) { delete(j.header, "jwk") },
	} {
		rows[name] = c.proof(path, bend)
	}
	return rows
}

func TestProofsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	code := c.code(nil)
	refresh := w.client("app").tokens(nil).text("refresh_token")
	for path, form := range map[string]func() url.Values{
		"/par":   c.request,
		"/token": func() url.Values { return c.redemption(code) },
	} {
		for name, header := range badProofs(t, c, path) {
			if a := w.post(path, c.signed(form()), header); !a.is(http.StatusBadRequest, "invalid_dpop_proof") {
				t.Errorf("%s at %s: %s", name, path, a)
			}
		}
	}
	for name, header := range badProofs(t, c, "/token") {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
		if a := w.post("/token", c.signed(form), header); !a.is(http.StatusBadRequest, "invalid_dpop_proof") {
			t.Errorf("%s at refresh: %s", name, a)
		}
	}
	// Nothing was used up on the way.
	if a := c.redeem(code, nil); a.status != http.StatusOK {
		t.Errorf("the code afterwards: %s", a)
	}
}

func TestProofsThatAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, key := range map[string]any{"ES256": keys().otherEC, "PS256": keys().rsa, "EdDSA": keys().ed} {
		c := w.client("app").with(key)
		for what, bend := range map[string]func(*jwt){
			"plain":             nil,
			"10 s old":          in(c, "iat", -10*time.Second),
			"8 s ahead":         in(c, "iat", 8*time.Second),
			"htu with a query":  setClaim("htu", issuer+"/par?x=1#y"),
			"unknown members":   func(j *jwt) { j.claims["x"] = 1; j.header["y"] = 2 },
			"with nbf and exp":  func(j *jwt) { in(c, "nbf", 0)(j); in(c, "exp", time.Minute)(j) },
			"default port said": setClaim("htu", "HTTPS://AS.example:443/par"),
		} {
			if a := w.post("/par", c.signed(c.request()), c.proof("/par", bend)); a.status != http.StatusCreated {
				t.Errorf("%s, %s: %s", name, what, a)
			}
		}
		if a := c.tokens(nil); a.text("token_type") != "DPoP" {
			t.Errorf("%s: %s", name, a)
		} else if l := w.live(a.text("access_token")); l.Access.KeyThumbprint != thumbprint(t, key) || l.Access.CertThumbprint != "" {
			t.Errorf("%s: bound to %+v", name, l.Access)
		}
	}
}

func TestAProofIsGoodOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	proof := c.proof("/par", nil)
	for i, want := range []int{http.StatusCreated, http.StatusBadRequest} {
		if a := w.post("/par", c.signed(c.request()), proof); a.status != want || a.code() == "invalid_client" {
			t.Errorf("use %d: %s", i+1, a)
		}
	}
	// The same jti under the same key is the same proof, under another it is not.
	same := setClaim("jti", "same")
	for i, tt := range []struct {
		c    client
		want int
	}{{c, 201}, {c, 400}, {c.with(keys().otherEC), 201}} {
		if a := w.post("/par", c.signed(c.request()), tt.c.proof("/par", same)); a.status != tt.want {
			t.Errorf("jti %d: %s", i+1, a)
		}
	}
	proof = c.proof("/par", nil)
	created := 0
	forms := make([]url.Values, 32)
	for i := range forms {
		forms[i] = c.signed(c.request())
	}
	for _, a := range atOnce(32, func(i int) answer { return w.post("/par", forms[i], maps.Clone(proof)) }) {
		switch {
		case a.status == http.StatusCreated:
			created++
		case !a.is(http.StatusBadRequest, "invalid_dpop_proof"):
			t.Errorf("a loser: %s", a)
		}
	}
	if created != 1 {
		t.Errorf("%d succeeded", created)
	}
}

// RFC 9449 section 10: the key that is proved or named at PAR is the one that
// the code is for.
func TestTheCodeIsBoundToTheKeyAskedFor(t *testing.T) {
	t.Parallel()
	jkt := thumbprint(t, keys().ec.Public())
	for name, push := range map[string]func(c client) answer{
		"by a proof":  func(c client) answer { return c.w.post("/par", c.signed(c.request()), c.proof("/par", nil)) },
		"by dpop_jkt": func(c client) answer { return c.push(with("dpop_jkt", jkt)) },
		"by a proof and dpop_jkt": func(c client) answer {
			f := c.request()
			f.Set("dpop_jkt", jkt)
			return c.w.post("/par", c.signed(f), c.proof("/par", nil))
		},
	} {
		w := newWorld(t)
		c := w.client("app")
		a := push(c)
		if a.status != http.StatusCreated {
			t.Fatalf("%s: %s", name, a)
		}
		code := w.person("alice").approve(c.front(a.text("request_uri"))).Get("code")
		if a := c.with(keys().otherEC).redeem(code, nil); !a.is(http.StatusBadRequest, "invalid_grant") {
			t.Errorf("%s: another key: %s", name, a)
		}
		if a := w.post("/token", c.signed(c.redemption(code)), nil); !a.is(http.StatusBadRequest, "invalid_request") {
			t.Errorf("%s: no proof: %s", name, a)
		}
		a = c.redeem(code, nil)
		if a.status != http.StatusOK || w.live(a.text("access_token")).Access.KeyThumbprint != jkt {
			t.Errorf("%s: the right key on the same code: %s", name, a)
		}
	}
}

func TestACodeWithoutAKeyGoesWithAny(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app").with(keys().otherEC)
	if a := c.tokens(nil); w.live(a.text("access_token")).Access.KeyThumbprint != thumbprint(t, keys().otherEC.Public()) {
		t.Error(a)
	}
}

func TestDPoPJKTMustBeTheProvedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	f := c.request()
	f.Set("dpop_jkt", thumbprint(t, keys().otherEC.Public()))
	if a := w.post("/par", c.signed(f), c.proof("/par", nil)); !a.is(http.StatusBadRequest, "invalid_dpop_proof") {
		t.Error(a)
	}
}

func TestTokensNeedAProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	code := c.code(nil)
	if a := w.post("/token", c.signed(c.redemption(code)), nil); !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("a code without a proof: %s", a)
	}
	a := c.redeem(code, nil)
	if a.status != http.StatusOK {
		t.Fatalf("the same code with one: %s", a)
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.text("refresh_token")}}
	if a := w.post("/token", c.signed(form), nil); !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("a refresh without a proof: %s", a)
	}
}
