package recipient_test

import (
	"crypto/rsa"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
)

// Each JWT of the server, and what must not be believed of it.
func TestJWTsOfTheServer(t *testing.T) {
	t.Parallel()
	stranger := newKey(t, jose.ES256)
	rsaKey := newKey(t, jose.RS256).(*rsa.PrivateKey)
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	claim := func(name string, value any) func(*jwt) {
		return func(j *jwt) {
			if value == nil {
				delete(j.claims, name)
			} else {
				j.claims[name] = value
			}
		}
	}
	type row struct {
		name  string
		good  bool
		kinds string // of JARM, ID token, introspection; "" for all
		bend  func(*jwt)
	}
	rows := []row{
		{"untouched", true, "", func(*jwt) {}},
		{"aud among others", true, "JARM introspection", claim("aud", []string{"x", "budgetbee"})},
		{"iat a little ahead", true, "", claim("iat", at(8*time.Second))},
		{"wrong iss", false, "", claim("iss", "https://evil.example")},
		{"no iss", false, "", claim("iss", nil)},
		{"ISS in other letters", false, "", func(j *jwt) { j.claims["ISS"] = j.claims["iss"]; delete(j.claims, "iss") }},
		{"wrong aud", false, "", claim("aud", "loanlink")},
		{"aud of others", false, "", claim("aud", []string{"x", "y"})},
		{"no aud", false, "", claim("aud", nil)},
		{"aud a number", false, "", claim("aud", 1)},
		{"signed by a stranger", false, "", func(j *jwt) { j.key = stranger }},
		{"not signed", false, "", func(j *jwt) { j.alg = "none" }},
		{"signed by RS256", false, "", func(j *jwt) { j.alg, j.key = jose.RS256, rsaKey }},
		{"signed by HS256", false, "", func(j *jwt) { j.alg, j.key = jose.HS256, []byte("0123456789012345678901234567890123") }},
		{"signed by the key for something else", false, "", func(j *jwt) { j.kid = "other" }},
		{"no kid", false, "", func(j *jwt) { j.kid = "" }},
		{"signed by a key for encryption", false, "", func(j *jwt) { j.kid = "enc" }},
		{"signed by a key for another algorithm", false, "", func(j *jwt) { j.kid = "ps" }},
		{"iat in the future", false, "", claim("iat", at(62*time.Second))},
		{"iat a text", false, "", claim("iat", "now")},
		{"nbf in the future", false, "", claim("nbf", at(62*time.Second))},
		{"expired", false, "JARM ID token", claim("exp", at(-time.Second))},
		{"no exp", false, "JARM ID token", claim("exp", nil)},
		{"exp a text", false, "JARM ID token", claim("exp", "9999999999")},
		{"of another attempt", false, "JARM", claim("state", "other")},
		{"without a state", false, "JARM", claim("state", nil)},
		{"without a code", false, "JARM", claim("code", nil)},
		{"wrong nonce", false, "ID token", claim("nonce", "other")},
		{"no nonce", false, "ID token", claim("nonce", nil)},
		{"no sub", false, "ID token", claim("sub", nil)},
		{"no iat", false, "ID token introspection", claim("iat", nil)},
		{"wrong at_hash", false, "ID token", claim("at_hash", "other")},
		{"no at_hash", true, "ID token", claim("at_hash", nil)},
		{"two audiences without azp", false, "ID token", claim("aud", []string{"x", "budgetbee"})},
		{"two audiences with azp", true, "ID token", func(j *jwt) { j.claims["aud"], j.claims["azp"] = []string{"x", "budgetbee"}, "budgetbee" }},
		{"wrong azp", false, "ID token", claim("azp", "loanlink")},
		{"signed in too long ago", false, "ID token", claim("auth_time", at(-200*time.Second))},
		{"no auth_time", false, "ID token", claim("auth_time", nil)},
		{"wrong typ", false, "introspection", func(j *jwt) { j.typ = "JWT" }},
		{"no typ", false, "introspection", func(j *jwt) { j.typ = "" }},
		{"the long typ", true, "introspection", func(j *jwt) { j.typ = "application/token-introspection+jwt" }},
		{"sub at the top", false, "introspection", claim("sub", "x")},
		{"exp at the top", false, "introspection", claim("exp", at(time.Minute))},
		{"about nothing", false, "introspection", claim("token_introspection", nil)},
		{"active a text", false, "introspection", claim("token_introspection", map[string]any{"active": "true"})},
	}
	read := map[string]func(t *testing.T, s *server) error{
		"JARM": func(t *testing.T, s *server) error {
			s.jarm = true
			c, a := s.connect(t), ask(t)
			code, err := c.ReadAnswer(t.Context(), arrive(t, s, c, a), a)
			if (code == "") != (err != nil) {
				t.Errorf("a code of %d characters beside %v", len(code), err)
			}
			return err
		},
		"ID token": func(t *testing.T, s *server) error {
			c, a := s.connect(t), ask(t)
			a.AskIdentity()
			a.MaxAge = 100
			token, err := c.Redeem(t.Context(), a, obtainCode(t, s, c, a))
			if err == nil && (token.Identity == nil || token.Identity.Subject != "consumer-1" || token.Identity.AuthTime.IsZero()) {
				t.Errorf("identity %+v", token.Identity)
			}
			return err
		},
		"introspection": func(t *testing.T, s *server) error {
			c := s.connect(t)
			token := obtain(t, s, c, ask(t))
			got, err := c.IntrospectSigned(t.Context(), token.AccessToken)
			if err == nil && (!got.Active || got.Confirmation.KeyThumbprint != token.Key.Thumbprint()) {
				t.Errorf("got %+v", got)
			}
			return err
		},
	}
	for kind, walk := range read {
		for _, tt := range rows {
			if tt.kinds != "" && !strings.Contains(tt.kinds, kind) {
				continue
			}
			t.Run(kind+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				s := newServer(t, jose.ES256)
				s.bend = func(k string, j *jwt) {
					if k == kind {
						tt.bend(j)
					}
				}
				if err := walk(t, s); (err == nil) != tt.good {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

func TestThePlainAnswerIsNotBelievedWhereASignedOneIsDue(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	s.jarm = true
	c, a := s.connect(t), ask(t)
	back := arrive(t, s, c, a)
	if _, err := c.ReadRedirect(back, a); !errors.Is(err, recipient.ErrRedirect) {
		t.Errorf("read as plain: %v", err)
	}
	for name, query := range map[string]string{
		"a plain answer": "registered=1&code=c&state=" + a.State + "&iss=" + url.QueryEscape(s.as.URL),
		"a code beside":  back.RawQuery + "&code=c",
		"twice":          back.RawQuery + "&" + strings.TrimPrefix(back.RawQuery, "registered=1&"),
	} {
		bent := *back
		bent.RawQuery = query
		if _, err := c.ReadAnswer(t.Context(), &bent, a); !errors.Is(err, recipient.ErrRedirect) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.bend = func(_ string, j *jwt) {
		delete(j.claims, "code")
		j.claims["error"] = "access_denied"
	}
	if _, err := c.ReadAnswer(t.Context(), arrive(t, s, c, a), a); refusalCode(err) != "access_denied" {
		t.Errorf("a no: %v", err)
	}
	s.bend = func(_ string, j *jwt) { j.claims["iss"] = "https://evil.example" }
	if _, err := c.ReadAnswer(t.Context(), arrive(t, s, c, a), a); !errors.Is(err, recipient.ErrJWT) {
		t.Errorf("another server: %v", err)
	}
}

func TestAnIDTokenIsThereWhenItWasAskedForAndOnlyThen(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		s := newServer(t, jose.ES256)
		s.tokenAnswer = func(m map[string]any) {
			delete(m, "id_token")
			if !asked {
				m["id_token"] = "x"
			}
		}
		c, a := s.connect(t), ask(t)
		if asked {
			a.AskIdentity()
		}
		if _, err := c.Redeem(t.Context(), a, obtainCode(t, s, c, a)); !errors.Is(err, recipient.ErrJWT) {
			t.Errorf("asked %v: %v", asked, err)
		}
	}
	s := newServer(t, jose.ES256)
	s.openID = true
	c, a := s.connect(t), ask(t)
	token := obtain(t, s, c, a)
	fresh, err := c.Refresh(t.Context(), token.RefreshToken, a.Key)
	if err != nil || fresh.Identity == nil || fresh.Identity.Subject != "consumer-1" {
		t.Errorf("refresh: %v", err)
	}
	s.bend = func(_ string, j *jwt) { j.claims["aud"] = "loanlink" }
	if _, err := c.Refresh(t.Context(), token.RefreshToken, a.Key); !errors.Is(err, recipient.ErrJWT) {
		t.Errorf("refresh with a foreign ID token: %v", err)
	}
}

func TestTheServersKeysAreReadAgainForANewOne(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c := s.connect(t)
	token := obtain(t, s, c, ask(t))
	for range 3 {
		if _, err := c.IntrospectSigned(t.Context(), token.AccessToken); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.count("/jwks"); n != 1 {
		t.Errorf("keys were read %d times for 3 answers", n)
	}
	s.bend = func(_ string, j *jwt) { j.kid = "s2" }
	if _, err := c.IntrospectSigned(t.Context(), token.AccessToken); !errors.Is(err, recipient.ErrJWT) {
		t.Errorf("an unknown key: %v", err)
	}
	if n := s.count("/jwks"); n != 2 {
		t.Errorf("keys were read %d times, want 2", n)
	}
}
