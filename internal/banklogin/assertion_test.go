package banklogin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/internal/login"
)

// asserted judges a client assertion as a provider has to (RFC 7523 section 3).
// The caller holds mu.
func (b *bank) asserted(r *http.Request) bool {
	if _, _, basic := r.BasicAuth(); basic || r.PostForm.Has("client_secret") || r.PostFormValue("client_id") != clientID ||
		r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return false
	}
	jws, err := jose.ParseSignedCompact(r.PostFormValue("client_assertion"), []jose.SignatureAlgorithm{jose.ES256, jose.PS256})
	if err != nil {
		return false
	}
	var set jose.JSONWebKeySet
	if json.Unmarshal(b.client, &set) != nil {
		return false
	}
	keys := set.Key(jws.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		return false
	}
	payload, err := jws.Verify(keys[0])
	if err != nil {
		return false
	}
	var c struct {
		Iss, Sub, Aud, Jti string
		Iat, Exp           int64
	}
	now := b.now.Unix()
	if json.Unmarshal(payload, &c) != nil || c.Iss != clientID || c.Sub != clientID || c.Aud != b.server.URL ||
		c.Jti == "" || b.seen[c.Jti] || c.Iat > now || c.Exp <= now || c.Exp > now+60 {
		return false
	}
	if b.seen == nil {
		b.seen = map[string]bool{}
	}
	b.seen[c.Jti] = true
	return true
}

func newKeys(t *testing.T, algorithms ...string) *certs.Rotator {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := certs.GenerateSigningKeys(path, algorithms...); err != nil {
		t.Fatal(err)
	}
	keys, err := certs.LoadSigningKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// round is one sign-in, from leaving to coming back.
func (b *bank) round(p *Provider) (login.Proof, error) {
	b.t.Helper()
	d, err := p.Begin(context.Background(), login.Ask{})
	if err != nil {
		return login.Proof{}, err
	}
	return p.Finish(context.Background(), d.Keep, b.visit(d.Address), netip.Addr{})
}

func TestAKeyTakesThePlaceOfTheSecret(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "PS256"} {
		b, keys := newBank(t), newKeys(t, alg)
		b.client = keys.Public()
		b.meta = func(m map[string]any) {
			m["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"}
			m["token_endpoint_auth_signing_alg_values_supported"] = []string{alg}
		}
		p := b.provider(func(c *Config) { c.ClientSecret, c.Keys = "", keys })
		for range 2 { // each assertion is a new one
			if proof, err := b.round(p); err != nil || proof.Consumer != "c-ada" {
				t.Errorf("%s: %+v, %v", alg, proof, err)
			}
		}
	}
}

func TestAssertionsThatAreRefusedProveNothing(t *testing.T) {
	t.Parallel()
	keys, others := newKeys(t), newKeys(t)
	for name, spoil := range map[string]func(b *bank, c *Config){
		"another key":    func(b *bank, _ *Config) { b.client = others.Public() },
		"another client": func(_ *bank, c *Config) { c.ClientID = "other" },
		"no such method": func(b *bank, _ *Config) {
			b.meta = func(m map[string]any) { m["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"} }
		},
		"no such algorithm": func(b *bank, _ *Config) {
			b.meta = func(m map[string]any) { m["token_endpoint_auth_signing_alg_values_supported"] = []string{"RS256"} }
		},
		"a clock that is late": func(_ *bank, c *Config) {
			now := c.Now
			c.Now = func() time.Time { return now().Add(-2 * time.Minute) }
		},
	} {
		b := newBank(t)
		b.client = keys.Public()
		p := b.provider(func(c *Config) {
			c.ClientSecret, c.Keys = "", keys
			spoil(b, c)
		})
		if proof, err := b.round(p); err == nil || proof.Consumer != "" || errors.Is(err, login.ErrNotProved) || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: %+v, %v", name, proof, err)
		}
	}
}

func TestOneWayToProveWhoWeAre(t *testing.T) {
	t.Parallel()
	c := Config{Issuer: "https://bank.example", ClientID: clientID, Return: back, HTTP: http.DefaultClient, Journal: &bank{}}
	if _, err := New(c); err == nil {
		t.Error("neither a secret nor keys")
	}
	c.ClientSecret, c.Keys = secret, newKeys(t)
	if _, err := New(c); err == nil {
		t.Error("both a secret and keys")
	}
}
