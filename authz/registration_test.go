package authz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
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
		"jwks and jwks_uri":    `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"jwks_uri":"https://a.example/jwks"}`,
		"jwks_uri over http":   `{"redirect_uris":["https://a.example"],"jwks_uri":"http://a.example/jwks","token_endpoint_auth_signing_alg":"ES256"}`,
		"jwks_uri without alg": `{"redirect_uris":["https://a.example"],"jwks_uri":"https://a.example/jwks"}`,
		"empty key set":        `{"redirect_uris":["https://a.example"],"jwks":{"keys":[]}}`,
		"two subjects":         `{"redirect_uris":["https://a.example"],"tls_client_auth_subject_dn":"CN=a","tls_client_auth_san_dns":"a.example"}`,
		"subject is no name":   `{"redirect_uris":["https://a.example"],"tls_client_auth_san_dns":"*.example"}`,
		"subject beside keys":  `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"tls_client_auth_san_dns":"a.example"}`,
		"mTLS without subject": `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"token_endpoint_auth_method":"tls_client_auth"}`,
		"self-signed no keys":  `{"redirect_uris":["https://a.example"],"token_endpoint_auth_method":"self_signed_tls_client_auth"}`,
		"alg with mTLS":        `{"redirect_uris":["https://a.example"],"tls_client_auth_san_dns":"a.example","token_endpoint_auth_signing_alg":"ES256"}`,
		"bound to both":        `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"dpop_bound_access_tokens":true,"tls_client_certificate_bound_access_tokens":true}`,
		"bound to nothing":     `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"dpop_bound_access_tokens":false,"tls_client_certificate_bound_access_tokens":false}`,
		"RS256 requests":       `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"request_object_signing_alg":"RS256"}`,
		"HS256 ID tokens":      `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"id_token_signed_response_alg":"HS256"}`,
		"unsigned responses":   `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"authorization_signed_response_alg":"none"}`,
		"RS256 introspection":  `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"introspection_signed_response_alg":"RS256"}`,
		"password grant":       `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"grant_types":["password"]}`,
		"implicit":             `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"response_types":["code","token"]}`,
		"form_post":            `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"response_modes":["form_post"]}`,
		"mode twice":           `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"response_modes":["jwt","jwt"]}`,
		"unknown details":      `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"authorization_details_types":["x"]}`,
		"no push":              `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"require_pushed_authorization_requests":false}`,
		"unknown registry":     `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"registry_references":[{"registry":"MINE"}]}`,
		"hidden registry id":   `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"registry_references":[{"registry":"FDX","registered_entity_id":"a\u200b"}]}`,
		"nameless middleman":   `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"intermediaries":[{"uri":"https://a.example"}]}`,
		"http policy":          `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"policy_uri":"http://a.example"}`,
		"hidden contact":       `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"contacts":["a\u202e"]}`,
		"a statement":          `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"software_statement":"a.b.c"}`,
		"SCOPE in capitals":    `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"SCOPE":"fdx:balances:read"}`,
		"unknown inside":       `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"purposes":[{"code":"x","label":"y","clusters":["BALANCES"],"z":1}]}`,
		"error codes":          `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"error_codes":"number"}`,
		"unknown role":         `{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"role":"operator"}`,
		"server with redirect": `{"role":"resource_server","scope":"fdx:balances:read","redirect_uris":["https://a.example"],"jwks":` + keys + `}`,
		"server without scope": `{"role":"resource_server","jwks":` + keys + `}`,
		"no quota":             `{"requests_per_minute":0,"redirect_uris":["https://a.example"],"jwks":` + keys + `}`,
		"too much of a quota":  `{"requests_per_minute":60000001,"redirect_uris":["https://a.example"],"jwks":` + keys + `}`,
		"server without keys":  `{"role":"resource_server","scope":"fdx:balances:read"}`,
		"deep":                 `{"redirect_uris":["https://a.example"],"intermediaries":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
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
	f.Add([]byte(`{"role":"resource_server","scope":"openid fdx:balances:read","tls_client_auth_san_dns":"a.example","introspection_signed_response_alg":"PS256"}`))
	f.Add([]byte(`{"redirect_uris":["https://a.example"],"jwks_uri":"https://a.example/j","token_endpoint_auth_signing_alg":"EdDSA","response_modes":["jwt"],"grant_types":["client_credentials"],"intermediaries":[{"name":"m"}]}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		r, err := authz.Registration(record)
		if err != nil {
			return
		}
		server := r.Role == consent.RoleResourceServer
		if server != (len(r.RedirectURIs) == 0) || server != (len(r.Purposes) == 0) || len(r.Scopes) == 0 || r.Status != consent.RecipientActive {
			t.Errorf("accepted %s", record)
		}
		// What came of it can be registered again and is the same.
		again, err := authz.Registered(r, record)
		if err != nil {
			t.Fatal(err)
		}
		same, err := authz.Registration(again)
		if err != nil {
			t.Fatalf("%s became %s: %v", record, again, err)
		}
		third, err := authz.Registered(same, again)
		if err != nil || string(third) != string(again) {
			t.Errorf("%s became %s (%v)", again, third, err)
		}
	})
}

func TestRegistrationIsRead(t *testing.T) {
	t.Parallel()
	keys := publicKeys(t)
	for name, c := range map[string]struct {
		record string
		check  func(consent.Recipient) bool
	}{
		"keys by reference": {`{"redirect_uris":["https://a.example"],"jwks_uri":"https://a.example/jwks","token_endpoint_auth_signing_alg":"PS256"}`, func(r consent.Recipient) bool {
			return r.JWKSURI == "https://a.example/jwks" && r.JWKS == nil && r.AssertionAlg == "PS256"
		}},
		"a self-signed certificate": {`{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"token_endpoint_auth_method":"self_signed_tls_client_auth"}`, func(r consent.Recipient) bool {
			return r.AuthMethod == consent.SelfSignedTLS && !r.DPoPBound && r.AssertionAlg == ""
		}},
		"a certificate by host name": {`{"redirect_uris":["https://a.example"],"tls_client_auth_san_dns":"a.example","dpop_bound_access_tokens":true}`, func(r consent.Recipient) bool {
			return r.CertSubject == consent.CertSubject{Member: "tls_client_auth_san_dns", Value: "a.example"} && r.DPoPBound
		}},
		"a certificate with keys for requests": {`{"redirect_uris":["https://a.example"],"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_ip":"192.0.2.1","jwks":` + keys + `,"require_signed_request_object":true}`, func(r consent.Recipient) bool {
			return r.AuthMethod == consent.TLSClientAuth && len(r.JWKS) > 0 && r.Profile.SignedRequests
		}},
		"an assertion with a bound certificate": {`{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"tls_client_certificate_bound_access_tokens":true,"use_mtls_endpoint_aliases":true}`, func(r consent.Recipient) bool {
			return r.AuthMethod == consent.PrivateKeyJWT && !r.DPoPBound
		}},
		"a profile": {`{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"response_modes":["jwt"],"authorization_signed_response_alg":"PS256","id_token_signed_response_alg":"EdDSA",
			"request_object_signing_alg":"ES256","introspection_signed_response_alg":"PS256","authorization_details_types":["fdx_v1.0"],"grant_types":["authorization_code","client_credentials"],
			"response_types":["code"],"require_pushed_authorization_requests":true,"error_codes":"integer"}`, func(r consent.Recipient) bool {
			p := r.Profile
			return p.ResponseModes[0] == "jwt" && p.ResponseAlg == "PS256" && p.IDTokenAlg == "EdDSA" && p.RequestAlg == "ES256" && p.IntrospectionAlg == "PS256" &&
				len(p.DetailsTypes) == 1 && len(p.GrantTypes) == 1 && p.GrantTypes[0] == "client_credentials" && !p.SignedRequests && p.ErrorCodes == consent.IntegerCodes
		}},
		"scopes without data": {`{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"scope":"openid offline_access grant_management_query grant_management_revoke fdx:accountpayments:read"}`, func(r consent.Recipient) bool {
			return len(r.Scopes) == 4 && r.Scopes[0] == fdx.ScopeOpenID && r.Scopes[3] == fdx.PaymentSupport.Scope()
		}},
		"null is absent": {`{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"jwks_uri":null,"scope":null}`, func(r consent.Recipient) bool { return r.JWKSURI == "" }},
		"what people may read": {`{"redirect_uris":["https://a.example"],"jwks":` + keys + `,"client_description":"d","contacts":["a@b.example"],"tos_uri":"https://a.example/t","policy_uri":"https://a.example/p",
			"software_id":"s","software_version":"1","registry_references":[{"registered_entity_name":"A Ltd","registered_entity_id":"1","registry":"GLEIF"}],
			"intermediaries":[{"name":"Middle","uri":"https://m.example","logo_uri":"https://m.example/l.png","contacts":["x"],"registry_references":[{"registry":"FDX","registered_entity_name":"M Ltd","registered_entity_id":"7"}]},{"name":"Second"}]}`, func(r consent.Recipient) bool {
			return r.LegalName == "A Ltd" && r.Registry == "GLEIF" && r.RegistryID == "1" && slices.Equal(r.Intermediaries, []consent.Party{
				{Name: "Middle", Type: consent.PartyPlatform, HomeURI: "https://m.example", LogoURI: "https://m.example/l.png", Registry: "FDX", RegisteredEntityName: "M Ltd", RegisteredEntityID: "7"},
				{Name: "Second", Type: consent.PartyPlatform},
			})
		}},
		"a resource server": {`{"client_id":"rs","role":"resource_server","scope":"fdx:balances:read","tls_client_auth_san_dns":"rs.example","introspection_signed_response_alg":"PS256"}`, func(r consent.Recipient) bool {
			return r.Role == consent.RoleResourceServer && !r.MayAsk() && r.Profile.IntrospectionAlg == "PS256" && r.RedirectURIs == nil
		}},
	} {
		r, err := authz.Registration([]byte(c.record))
		if err != nil || !c.check(r) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestRekey(t *testing.T) {
	t.Parallel()
	record := []byte(`{"client_id":"a","redirect_uris":["https://a.example"],"jwks_uri":"https://a.example/jwks","token_endpoint_auth_signing_alg":"ES256"}`)
	r, err := authz.Registration(record)
	must(t, err)
	reg := token.Registration{Recipient: r, Record: record}
	fresh := publicKeys(t)
	got, err := authz.Rekey(reg, []byte(fresh))
	if err != nil || string(got.Recipient.JWKS) != fresh || got.Recipient.JWKSURI != "" || strings.Contains(string(got.Record), "jwks_uri") {
		t.Fatalf("%+v, %v", got, err)
	}
	if same, err := authz.Registration(got.Record); err != nil || string(same.JWKS) != fresh {
		t.Errorf("the record says %s (%v)", got.Record, err)
	}
	for name, bad := range map[string]string{
		"private": `{"keys":[{"kty":"EC","crv":"P-256","d":"AA","x":"AA","y":"AA"}]}`, "empty": `{"keys":[]}`, "no JSON": `x`,
		"of another kind": string(set(t, keys().rsa.Public())),
	} {
		if _, err := authz.Rekey(reg, []byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
