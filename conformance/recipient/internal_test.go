package recipient

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const issuer = "https://bank.example"

func testClient() *Client {
	return &Client{
		cfg:    Config{Issuer: issuer, ClientID: "app", RedirectURI: "https://app.example/cb?dummy1=lorem", GatewayBase: "https://bank.example/fdx/v6"},
		Server: Metadata{AuthorizationEndpoint: "https://bank.example/authorize?tenant=1"},
	}
}

func TestReadRedirect(t *testing.T) {
	t.Parallel()
	const base = "https://app.example/cb?dummy1=lorem"
	const good = base + "&code=c&state=s&iss=https%3A%2F%2Fbank.example"
	tests := []struct {
		name, redirect string
		want           error
	}{
		{"a genuine answer", good, nil},
		{"with a parameter of the future", good + "&x=1", nil},
		{"another host", strings.Replace(good, "app.example", "evil.example", 1), ErrRedirect},
		{"another path", strings.Replace(good, "/cb", "/cb2", 1), ErrRedirect},
		{"a longer path", strings.Replace(good, "/cb", "/cb/", 1), ErrRedirect},
		{"another scheme", strings.Replace(good, "https", "http", 1), ErrRedirect},
		{"another port", strings.Replace(good, "app.example", "app.example:444", 1), ErrRedirect},
		{"a user name in the address", strings.Replace(good, "https://", "https://u@", 1), ErrRedirect},
		{"in the fragment", strings.Replace(good, "&code", "#code", 1), ErrRedirect},
		{"without the registered query", strings.Replace(good, "dummy1=lorem&", "", 1), ErrRedirect},
		{"with another registered query", strings.Replace(good, "lorem", "ipsum", 1), ErrRedirect},
		{"the code twice", good + "&code=d", ErrRedirect},
		{"the state twice", good + "&state=s", ErrRedirect},
		{"a query that cannot be read", good + "&a;b=%zz", ErrRedirect},
		{"no iss", strings.Replace(good, "iss=", "xiss=", 1), ErrIssuer},
		{"an empty iss", base + "&code=c&state=s&iss=", ErrIssuer},
		{"a wrong iss", strings.Replace(good, "bank.example", "evil.example", 1), ErrIssuer},
		{"iss with a slash", good + "%2F", ErrIssuer},
		{"a wrong iss with an error", base + "&error=access_denied&state=s&iss=https://evil.example", ErrIssuer},
		{"no state", strings.Replace(good, "&state=s", "", 1), ErrState},
		{"a wrong state", strings.Replace(good, "state=s", "state=t", 1), ErrState},
		{"a longer state", strings.Replace(good, "state=s", "state=ss", 1), ErrState},
		{"a wrong state with an error", base + "&error=access_denied&state=t&iss=" + issuer, ErrState},
		{"no code", strings.Replace(good, "&code=c", "", 1), ErrNoCode},
		{"an empty code", strings.Replace(good, "&code=c", "&code=", 1), ErrNoCode},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(tt.redirect)
			if err != nil {
				t.Fatal(err)
			}
			code, err := testClient().ReadRedirect(u, &Attempt{State: "s"})
			if !errors.Is(err, tt.want) || (code == "c") != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}

	denied, _ := url.Parse(base + "&error=access_denied&error_description=no+thanks&code=c&state=s&iss=" + issuer)
	var refusal *Refusal
	code, err := testClient().ReadRedirect(denied, &Attempt{State: "s"})
	if !errors.As(err, &refusal) || refusal.Code != "access_denied" || code != "" {
		t.Errorf("a denial: %v", err)
	}
	if got := refusal.Error(); got != "authorization was refused: access_denied: no thanks" {
		t.Errorf("a denial reads %s", got)
	}
	stateless, _ := url.Parse(base + "&code=c&state=&iss=" + issuer)
	if _, err := testClient().ReadRedirect(stateless, &Attempt{}); !errors.Is(err, ErrState) {
		t.Errorf("an attempt without a state: %v", err)
	}
}

func TestAuthorizationURLHoldsTheReceiptAndNothingElse(t *testing.T) {
	t.Parallel()
	const want = "https://bank.example/authorize?client_id=app&request_uri=urn%3Aa%26b&tenant=1"
	if got := testClient().AuthorizationURL("urn:a&b"); got != want {
		t.Errorf("got %s", got)
	}
}

// The example of RFC 7636 appendix B.
func TestPKCEChallenge(t *testing.T) {
	t.Parallel()
	a := Attempt{Verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
	if got := a.Challenge(); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("got %s", got)
	}
	if v := newVerifier(); len(v) != 43 {
		t.Errorf("a verifier of %d characters", len(v))
	}
}

// The access token and its hash are the example of RFC 9449 section 4.2 and
// 7.1.
func TestProofClaims(t *testing.T) {
	t.Parallel()
	key := &DPoPKey{}
	claims := key.Claims("GET", "https://resource.example.org/protectedresource?a=b#c",
		"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU", "n", time.Unix(1562262618, 0))
	for name, want := range map[string]any{
		"htm": "GET", "htu": "https://resource.example.org/protectedresource", "iat": int64(1562262618),
		"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo", "nonce": "n",
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if len(claims) != 6 {
		t.Errorf("claims %v", claims)
	}
	if bare := key.Claims("POST", "https://a.example/token", "", "", time.Now()); len(bare) != 4 {
		t.Errorf("a proof without token and nonce has claims %v", bare)
	}
}

// FuzzReadRedirect: no answer yields a code unless it names our server and
// this attempt's state.
func FuzzReadRedirect(f *testing.F) {
	f.Add("https://app.example/cb?dummy1=lorem&code=c&state=s&iss=https://bank.example")
	f.Add("https://app.example/cb?dummy1=lorem&error=access_denied&state=s&iss=https://bank.example")
	f.Add("https://app.example/cb?dummy1=lorem;code=c&state=%zz#iss")
	f.Add("com.app:/cb?code=c&code=c")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		code, err := testClient().ReadRedirect(u, &Attempt{State: "s"})
		if err != nil {
			return
		}
		q := u.Query()
		if u.Host != "app.example" || q.Get("iss") != issuer || q.Get("state") != "s" || code == "" || q.Has("error") {
			t.Fatalf("accepted %q", raw)
		}
	})
}

// FuzzNextPage: the next page is always inside the data API.
func FuzzNextPage(f *testing.F) {
	f.Add(`{"page":{"nextPageKey":"k&?#"}}`)
	f.Add(`{"links":{"next":{"href":"https://bank.example/fdx/v6/accounts?x=1"}}}`)
	f.Add(`{"links":{"next":{"href":"//evil.example/fdx/v6/"}}}`)
	f.Add(`{"links":{"next":{"href":"../../v5/accounts"}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		next, err := testClient().nextPage("https://bank.example/fdx/v6/accounts/a/transactions", &Response{Body: []byte(body)})
		if err != nil || next == "" {
			return
		}
		u, err := url.Parse(next)
		if err != nil || u.Scheme != "https" || u.Host != "bank.example" || !strings.HasPrefix(u.Path, "/fdx/v6/") {
			t.Fatalf("next page is %q", next)
		}
	})
}

// FuzzRefusal reads any error body.
func FuzzRefusal(f *testing.F) {
	f.Add(401, `{"code":"603","message":"Authentication failed"}`)
	f.Add(400, `{"error":"invalid_request","error_description":"x"}`)
	f.Add(500, `{"code":500}`)
	f.Add(200, `[`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		resp := &Response{Status: status, Body: []byte(body)}
		err := resp.Refusal("step")
		if (err == nil) != (status >= 200 && status < 300) {
			t.Fatalf("status %d gives %v", status, err)
		}
		nonceAskedFor(resp)
	})
}

// FuzzVerify: nothing that the server's key has not signed is believed, and
// nothing that is for others.
func FuzzVerify(f *testing.F) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	c := testClient()
	c.cfg.Now = func() time.Time { return time.Unix(1_700_000_000, 0) }
	c.keys.set.Keys = []jose.JSONWebKey{{Key: private.Public(), KeyID: "s1"}}
	good := func(claims map[string]any) string {
		signed, err := sign(jose.ES256, jose.JSONWebKey{Key: private, KeyID: "s1"}, "JWT", false, claims)
		if err != nil {
			f.Fatal(err)
		}
		return signed
	}
	f.Add(good(map[string]any{"iss": issuer, "aud": "app"}))
	f.Add(good(map[string]any{"iss": issuer, "aud": []string{"app", "b"}, "iat": 1_700_000_000, "nbf": 1.5}))
	f.Add(good(map[string]any{"iss": issuer, "aud": "other"}))
	f.Add("eyJhbGciOiJub25lIiwia2lkIjoiczEifQ.eyJpc3MiOiJodHRwczovL2JhbmsuZXhhbXBsZSIsImF1ZCI6ImFwcCJ9.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, compact string) {
		got, err := c.verify(t.Context(), compact, "")
		if err != nil {
			if got != nil || !errors.Is(err, ErrJWT) && !errors.Is(err, ErrMetadata) {
				t.Fatalf("got %v and claims", err)
			}
			return
		}
		jws, err := jose.ParseSignedCompact(compact, allowedAlgs)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jws.Verify(private.Public()); err != nil || got.text("iss") != issuer || !got.isFor("app") {
			t.Fatalf("believed %q", compact)
		}
	})
}

// FuzzIntrospection: no answer is an answer unless it says active, as a
// boolean.
func FuzzIntrospection(f *testing.F) {
	f.Add([]byte(`{"active":true,"cnf":{"jkt":"x"},"authorization_details":[{}]}`))
	f.Add([]byte(`{"active":false}`))
	f.Add([]byte(`{"active":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := readIntrospection(body)
		if got.Active && (err != nil || !bytes.Contains(body, []byte("true"))) {
			t.Fatalf("%q is active", body)
		}
	})
}
