package authz_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func setClaim(name string, value any) func(*jwt) { return func(j *jwt) { j.claims[name] = value } }

func dropClaim(name string) func(*jwt) { return func(j *jwt) { delete(j.claims, name) } }

func setHeader(name string, value any) func(*jwt) {
	return func(j *jwt) { j.header[jose.HeaderKey(name)] = value }
}

// in makes a claim out of the time.
func in(c client, name string, d time.Duration) func(*jwt) {
	return setClaim(name, c.w.clock.now().Add(d).Unix())
}

func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// renamed spells a claim in another letter case.
func renamed(from, to string) func(*jwt) {
	return func(j *jwt) { j.claims[to] = j.claims[from]; delete(j.claims, from) }
}

// refusedAssertions are the assertions of "app" that no endpoint takes.
func refusedAssertions(t *testing.T, c client) map[string]string {
	k := keys()
	public, err := json.Marshal(jose.JSONWebKey{Key: k.otherEC.Public()})
	must(t, err)
	good := c.assertion(nil)
	head, body, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(body, ".")
	raw := func(payload string) string { return c.assertion(func(j *jwt) { j.payload = payload }) }
	now := c.w.clock.now().Unix()
	whole := fmt.Sprintf(`"iss":"app","sub":"app","aud":%q,"jti":"j","exp":%d`, issuer, now+60)
	rows := map[string]string{
		"missing":              "",
		"not a JWS":            "x",
		"two parts":            head + "." + body,
		"four parts":           good + ".x",
		"doubled":              good + "." + good,
		"truncated":            good[:len(good)-1],
		"without a signature":  head + "." + body + ".",
		"payload swapped":      head + "." + encoded(`{`+whole+`}`) + "." + signature,
		"padded":               good + "=",
		"in JSON form":         `{"payload":"` + body + `","protected":"` + head + `","signature":"` + signature + `"}`,
		"alg none":             encoded(`{"alg":"none"}`) + "." + body + ".",
		"alg None":             encoded(`{"alg":"None"}`) + "." + body + "." + signature,
		"alg missing":          encoded(`{"kid":"1"}`) + "." + body + "." + signature,
		"alg twice":            encoded(`{"alg":"ES256","alg":"none"}`) + "." + body + "." + signature,
		"header an array":      encoded(`["ES256"]`) + "." + body + "." + signature,
		"header no JSON":       encoded(`alg`) + "." + body + "." + signature,
		"over 16 KiB":          c.assertion(setClaim("pad", strings.Repeat("a", 17<<10))),
		"claims an array":      raw(`["iss"]`),
		"claims null":          raw(`null`),
		"claims no JSON":       raw(`iss`),
		"claims not UTF-8":     raw("{" + whole + ",\"x\":\"\xff\"}"),
		"claims with a tail":   raw("{" + whole + "}{}"),
		"a claim twice":        raw(`{"iss":"other",` + whole + `}`),
		"a claim twice, bent":  raw(`{"is\u0073":"other",` + whole + `}`),
		"nested 1,000 deep":    raw("{" + whole + `,"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}"),
		"exp beyond all time":  raw(strings.Replace("{"+whole+"}", fmt.Sprint(now+60), "1e300", 1)),
		"exp no number of Go":  raw(strings.Replace("{"+whole+"}", fmt.Sprint(now+60), "1e999", 1)),
		"exp that wraps round": raw(strings.Replace("{"+whole+"}", fmt.Sprint(now+60), fmt.Sprintf("%f", 18446744073.709551616+float64(now+60)), 1)),
		"signed with a key that others registered": c.assertion(func(j *jwt) { j.alg, j.key = jose.EdDSA, k.ed }),
	}
	for name, bend := range map[string]func(*jwt){
		"aud an array with another":    setClaim("aud", []string{issuer, "https://elsewhere.example"}),
		"aud an array of one":          setClaim("aud", []string{issuer}),
		"aud the PAR endpoint":         setClaim("aud", issuer+"/par"),
		"aud the token endpoint":       setClaim("aud", issuer+"/token"),
		"aud with a slash":             setClaim("aud", issuer+"/"),
		"aud in capitals":              setClaim("aud", strings.ToUpper(issuer)),
		"aud foreign":                  setClaim("aud", "https://elsewhere.example"),
		"aud empty":                    setClaim("aud", ""),
		"aud null":                     setClaim("aud", nil),
		"aud a number":                 setClaim("aud", 1),
		"aud missing":                  dropClaim("aud"),
		"iss missing":                  dropClaim("iss"),
		"sub missing":                  dropClaim("sub"),
		"iss and sub empty":            func(j *jwt) { j.claims["iss"], j.claims["sub"] = "", "" },
		"iss another client":           setClaim("iss", "other"),
		"sub another client":           setClaim("sub", "other"),
		"sub a number":                 setClaim("sub", 1),
		"another client by app's key":  func(j *jwt) { j.claims["iss"], j.claims["sub"] = "other", "other" },
		"unknown client":               func(j *jwt) { j.claims["iss"], j.claims["sub"] = "nobody", "nobody" },
		"client id with a NUL":         func(j *jwt) { j.claims["iss"], j.claims["sub"] = "app\x00", "app\x00" },
		"client id of 1,000 letters":   func(j *jwt) { s := strings.Repeat("a", 1000); j.claims["iss"], j.claims["sub"] = s, s },
		"suspended client":             func(j *jwt) { j.claims["iss"], j.claims["sub"] = "suspended", "suspended" },
		"client of another method":     func(j *jwt) { j.claims["iss"], j.claims["sub"] = "tls", "tls" },
		"exp missing":                  dropClaim("exp"),
		"exp null":                     setClaim("exp", nil),
		"exp zero":                     setClaim("exp", 0),
		"exp negative":                 setClaim("exp", -1),
		"exp text":                     setClaim("exp", fmt.Sprint(now+60)),
		"exp now":                      in(c, "exp", 0),
		"exp 62 s ago":                 in(c, "exp", -62*time.Second),
		"exp 5 min ago":                in(c, "exp", -5*time.Minute),
		"exp over 10 min ahead":        in(c, "exp", 10*time.Minute+2*time.Second),
		"exp in ten years":             in(c, "exp", 10*365*24*time.Hour),
		"exp in capitals":              renamed("exp", "EXP"),
		"iss in capitals":              renamed("iss", "ISS"),
		"jti in capitals":              renamed("jti", "Jti"),
		"iat 62 s ahead":               in(c, "iat", 62*time.Second),
		"iat text":                     setClaim("iat", "now"),
		"nbf 31 s ahead":               in(c, "nbf", 32*time.Second),
		"nbf 62 s ahead":               in(c, "nbf", 62*time.Second),
		"nbf an hour ahead":            in(c, "nbf", time.Hour),
		"jti missing":                  dropClaim("jti"),
		"jti empty":                    setClaim("jti", ""),
		"jti a number":                 setClaim("jti", 1),
		"jti of 257 bytes":             setClaim("jti", strings.Repeat("j", 257)),
		"wrong key":                    func(j *jwt) { j.key = k.otherEC },
		"kid of another key":           setHeader("kid", "2"),
		"kid unknown":                  setHeader("kid", "9"),
		"RS256":                        func(j *jwt) { j.alg, j.key = jose.RS256, k.rsa },
		"PS384":                        func(j *jwt) { j.alg, j.key = jose.PS384, k.rsa },
		"PS256 where ES256 is agreed":  func(j *jwt) { j.alg, j.key = jose.PS256, k.rsa },
		"HS256 over the public key":    func(j *jwt) { j.alg, j.key = jose.HS256, public },
		"crit":                         func(j *jwt) { j.header["crit"], j.header["x"] = []string{"x"}, 1 },
		"crit empty":                   setHeader("crit", []string{}),
		"b64":                          setHeader("b64", true),
		"a stranger's key in the jwk":  func(j *jwt) { j.key = k.otherEC; j.header["jwk"] = json.RawMessage(public) },
		"a stranger's key by jku":      func(j *jwt) { j.key = k.otherEC; j.header["jku"] = "https://evil.example/jwks" },
		"a stranger's key by x5u":      func(j *jwt) { j.key = k.otherEC; j.header["x5u"] = "https://evil.example/x5u" },
		"a stranger's key in an x5c":   func(j *jwt) { j.key = k.otherEC; j.header["x5c"] = []string{"AAAA"} },
		"a header 1,000 deep":          setHeader("x", json.RawMessage(strings.Repeat("[", 1000)+strings.Repeat("]", 1000))),
		"an RS256 client, were it one": func(j *jwt) { j.alg, j.key, j.claims["iss"], j.claims["sub"] = jose.RS256, k.rsa, "old", "old" },
	} {
		rows[name] = c.assertion(bend)
	}
	return rows
}

func TestClientAssertionsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	var first string
	for name, assertion := range refusedAssertions(t, c) {
		for path, form := range map[string]url.Values{"/par": c.request(), "/token": c.redemption("x"), "/revoke": {"token": {"x"}}} {
			form = c.signed(form)
			form.Set("client_assertion", assertion)
			a := w.post(path, form, nil)
			if !a.is(http.StatusUnauthorized, "invalid_client") {
				t.Errorf("%s at %s: %s", name, path, a)
			}
			if first == "" {
				first = a.raw
			}
			if a.raw != first {
				t.Errorf("%s at %s can be told from others: %s", name, path, a)
			}
		}
	}
}

func TestClientParametersThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for name, bend := range map[string]func(url.Values){
		"no type of assertion": func(f url.Values) { f.Del("client_assertion_type") },
		"another type of assertion": func(f url.Values) {
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
		},
		"an assertion without its tag": func(f url.Values) { f.Set("client_assertion_type", "") },
		"another client's id":          func(f url.Values) { f.Set("client_id", "other") },
		"an empty client id":           func(f url.Values) { f.Set("client_id", "") },
		"a secret beside it":           func(f url.Values) { f.Set("client_secret", "x") },
		"an empty secret beside it":    func(f url.Values) { f.Set("client_secret", "") },
		"a client id alone": func(f url.Values) {
			f.Set("client_id", "app")
			f.Del("client_assertion")
			f.Del("client_assertion_type")
		},
		"a secret alone": func(f url.Values) {
			f.Set("client_id", "app")
			f.Set("client_secret", "x")
			f.Del("client_assertion")
			f.Del("client_assertion_type")
		},
	} {
		for path, form := range map[string]url.Values{"/par": c.request(), "/token": c.redemption("x"), "/revoke": {"token": {"x"}}} {
			form = c.signed(form)
			bend(form)
			if a := w.post(path, form, nil); !a.is(http.StatusUnauthorized, "invalid_client") {
				t.Errorf("%s at %s: %s", name, path, a)
			}
		}
	}
	if a := w.post("/par", c.request(), http.Header{"Authorization": {"Basic YXBwOng="}}); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("a password: %s", a)
	}
	// Who asks comes first: the rest of the request is not judged before.
	if a := w.post("/par", url.Values{"request_uri": {"x"}}, http.Header{"Dpop": {"x"}}); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("nobody with a bad request: %s", a)
	}
}

func TestClientAssertionsThatAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for name, bend := range map[string]func(*jwt){
		"plain":                        nil,
		"iat 8 s ahead":                in(c, "iat", 8*time.Second),
		"nbf 8 s ahead":                in(c, "nbf", 8*time.Second),
		"iat and nbf 30 s ahead":       func(j *jwt) { in(c, "iat", 30*time.Second)(j); in(c, "nbf", 30*time.Second)(j) },
		"no iat":                       dropClaim("iat"),
		"iat a year ago":               in(c, "iat", -365*24*time.Hour),
		"exp 10 min ahead":             in(c, "exp", 10*time.Minute),
		"exp in 1 s":                   in(c, "exp", time.Second),
		"times with fractions":         setClaim("exp", float64(c.w.clock.now().Unix())+60.5),
		"jti of 256 bytes":             setClaim("jti", strings.Repeat("j", 256)),
		"jti of anything":              setClaim("jti", "\x00\n\"\u202e"),
		"kid":                          setHeader("kid", "1"),
		"typ":                          setHeader("typ", "JWT"),
		"unknown header and claims":    func(j *jwt) { j.header["x"] = 1; j.claims["y"] = claims{"z": []int{1}} },
		"a jku that is not looked at":  setHeader("jku", "https://evil.example/jwks"),
		"a jwk that is not looked at":  setHeader("jwk", jose.JSONWebKey{Key: keys().otherEC.Public()}),
		"claims in capitals beside it": setClaim("ISS", "other"),
	} {
		f := c.signed(c.request())
		f.Set("client_assertion", c.assertion(bend))
		if a := w.post("/par", f, nil); a.status != http.StatusCreated {
			t.Errorf("%s: %s", name, a)
		}
	}
	for _, id := range []string{"other", "ed"} { // PS256, EdDSA
		if a := w.client(id).push(nil); a.status != http.StatusCreated {
			t.Errorf("client %s: %s", id, a)
		}
	}
	if a := c.push(func(f url.Values) { f.Set("client_id", "app") }); a.status != http.StatusCreated {
		t.Errorf("its own client id beside it: %s", a)
	}
}

func TestAnAssertionIsGoodOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	f := c.signed(c.request())
	if a := w.post("/par", f, nil); a.status != http.StatusCreated {
		t.Fatal(a)
	}
	for _, path := range []string{"/par", "/token", "/revoke"} {
		if a := w.post(path, f, nil); !a.is(http.StatusUnauthorized, "invalid_client") {
			t.Errorf("again at %s: %s", path, a)
		}
	}
	// Another assertion with the same jti is the same assertion.
	same := func(j *jwt) { j.claims["jti"] = "same" }
	for i, want := range []int{http.StatusCreated, http.StatusUnauthorized} {
		f.Set("client_assertion", c.assertion(func(j *jwt) { same(j); j.claims["n"] = i }))
		if a := w.post("/par", f, nil); a.status != want {
			t.Errorf("use %d of a jti: %s", i+1, a)
		}
	}
	// The names of two clients do not meet.
	o := w.client("other")
	f = o.signed(o.request())
	f.Set("client_assertion", o.assertion(same))
	if a := w.post("/par", f, nil); a.status != http.StatusCreated {
		t.Errorf("another client's jti: %s", a)
	}
	// And when the guard may forget it, it is too old by itself.
	f = c.signed(c.request())
	if a := w.post("/par", f, nil); a.status != http.StatusCreated {
		t.Fatal(a)
	}
	for range 4 {
		w.clock.advance(30 * time.Second)
		if a := w.post("/par", f, nil); !a.is(http.StatusUnauthorized, "invalid_client") {
			t.Errorf("later: %s", a)
		}
	}
}

func TestOfManyUsesOfAnAssertionOneSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	f := c.signed(c.request())
	created := 0
	for _, a := range atOnce(32, func(int) answer { return w.post("/par", f, nil) }) {
		switch {
		case a.status == http.StatusCreated:
			created++
		case !a.is(http.StatusUnauthorized, "invalid_client"):
			t.Errorf("a loser: %s", a)
		}
	}
	if created != 1 {
		t.Errorf("%d succeeded", created)
	}
}

// A request that is refused for its assertion must not use up the jti: a
// stranger could burn the names of a client otherwise.
func TestARefusedAssertionUsesNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	named := func(key any) func(*jwt) {
		return func(j *jwt) { j.claims["jti"], j.key = "burnt", key }
	}
	f := c.signed(c.request())
	f.Set("client_assertion", c.assertion(named(keys().otherEC)))
	if a := w.post("/par", f, nil); a.status != http.StatusUnauthorized {
		t.Fatal(a)
	}
	f.Set("client_assertion", c.assertion(named(keys().ec)))
	if a := w.post("/par", f, nil); a.status != http.StatusCreated {
		t.Errorf("the owner: %s", a)
	}
}

// atOnce calls f from n goroutines that start together.
func atOnce(n int, f func(i int) answer) []answer {
	answers := make([]answer, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			answers[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return answers
}
