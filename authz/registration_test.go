package authz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

func publicKeys(t testing.TB) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.Public(), KeyID: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRegistrationDefaults(t *testing.T) {
	t.Parallel()
	r, err := authz.Registration([]byte(`{"redirect_uris":["https://app.example/cb?x=1"],"jwks":` + publicKeys(t) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.ID != "" || r.Status != consent.RecipientActive || r.AuthMethod != consent.PrivateKeyJWT || r.AssertionAlg != "ES256" || !r.DPoPBound ||
		r.MaxDays != 365 || r.LookbackDays != 730 || len(r.Purposes) != 1 || len(r.Durations) != 2 || r.Name == "" || r.LegalName == "" {
		t.Fatalf("%+v", r)
	}
	if _, err := consent.Shape(r, consent.Asked{Scopes: []fdx.Scope{fdx.Transactions.Scope()}}); err != nil {
		t.Errorf("a request under the defaults: %v", err)
	}
	r, err = authz.Registration([]byte(`{"redirect_uris":["https://app.example/cb"],"scope":"openid fdx:balances:read","jwks":` + publicKeys(t) + `}`))
	if err != nil || len(r.Scopes) != 2 || r.Scopes[0] != fdx.ScopeOpenID || r.Purposes[0].Clusters != fdx.NewClusters(fdx.Balances) {
		t.Fatalf("with openid: %+v, %v", r, err)
	}
	r, err = authz.Registration([]byte(`{"redirect_uris":["http://127.0.0.1:9/cb"],"tls_client_auth_subject_dn":"CN=app"}`))
	if err != nil || r.AuthMethod != consent.TLSClientAuth || r.DPoPBound {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestRegistrationIsRefused(t *testing.T) {
	t.Parallel()
	keys := publicKeys(t)
	for name, record := range map[string]string{
		"not JSON":             `{`,
		"an array":             `[]`,
		"empty":                `{}`,
		"unknown member":       `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"role":"admin"}`,
		"member twice":         `{"redirect_uris":["https://a.example"],"redirect_uris":["https://b.example"],"jwks":` + keys + `}`,
		"no keys":              `{"redirect_uris":["https://a.example"]}`,
		"private key":          `{"redirect_uris":["https://a.example"],"jwks":{"keys":[{"kty":"oct","k":"AAAA"}]}}`,
		"secret":               `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"token_endpoint_auth_method":"client_secret_basic"}`,
		"RS256":                `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"token_endpoint_auth_signing_alg":"RS256"}`,
		"alg without its key":  `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"token_endpoint_auth_signing_alg":"PS256"}`,
		"http redirect":        `{"redirect_uris":["http://a.example"],"jwks":` + keys + `}`,
		"http localhost":       `{"redirect_uris":["http://localhost/cb"],"jwks":` + keys + `}`,
		"custom scheme":        `{"redirect_uris":["app:/cb"],"jwks":` + keys + `}`,
		"javascript":           `{"redirect_uris":["javascript:alert(1)"],"jwks":` + keys + `}`,
		"fragment":             `{"redirect_uris":["https://a.example/#x"],"jwks":` + keys + `}`,
		"userinfo":             `{"redirect_uris":["https://u@a.example/"],"jwks":` + keys + `}`,
		"unknown scope":        `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"scope":"fdx:everything:read"}`,
		"openid":               `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"scope":"openid"}`,
		"scope twice":          `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"scope":"fdx:balances:read fdx:balances:read"}`,
		"term too long":        `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"duration_period":366}`,
		"no term":              `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"duration_period":0}`,
		"look-back too long":   `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"lookback_period":731}`,
		"misspelt duration":    `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"duration_type":["ONETIME"]}`,
		"name turned around":   `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"client_name":"Bank\u202eeeB"}`,
		"name with a newline":  `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"client_name":"a\nb"}`,
		"name too long":        `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"client_name":"` + strings.Repeat("a", 81) + `"}`,
		"purpose without data": `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"purposes":[{"code":"x","label":"y","clusters":[]}]}`,
		"purpose twice":        `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"purposes":[{"code":"x","label":"y","clusters":["BALANCES"]},{"code":"x","label":"y","clusters":["BALANCES"]}]}`,
		"1 MiB":                `{"redirect_uris":["https://a.example"],"client_name":"` + strings.Repeat("a", 1<<20) + `"}`,
	} {
		if r, err := authz.Registration([]byte(record)); err == nil || r.Status != "" {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRegistrationReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := authz.Registration([]byte(`{"redirect_uris":["http://a.example"],"duration_period":0,"scope":"x"}`))
	for _, member := range []string{"redirect_uris", "duration_period", "scope", "jwks"} {
		if err == nil || !strings.Contains(err.Error(), member) {
			t.Errorf("%s is not reported: %v", member, err)
		}
	}
}

func FuzzRegistration(f *testing.F) {
	f.Add([]byte(`{"redirect_uris":["https://a.example"],"jwks":` + publicKeys(f) + `}`))
	f.Add([]byte(`{"redirect_uris":["http://127.0.0.1/"],"tls_client_auth_subject_dn":"CN=a","purposes":[{"code":"x","label":"y","clusters":["BALANCES"]}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		r, err := authz.Registration(record)
		if err == nil && (len(r.RedirectURIs) == 0 || len(r.Purposes) == 0 || len(r.Scopes) == 0 || r.Status != consent.RecipientActive) {
			t.Errorf("accepted %s", record)
		}
	})
}
