package cases

import (
	"bytes"
	"crypto/rsa"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/suite"
)

// fapiAlgs are the signature algorithms of FAPI 2.0 section 5.4.1.
var fapiAlgs = []string{"PS256", "ES256", "EdDSA"}

// metadata: what the server says about itself, RFC 8414 and FAPI 2.0.
func metadata() []suite.Case {
	return slices.Concat(metadataDocuments(), metadataEndpoints(), metadataLists(), metadataKeys(), metadataResource())
}

func metadataDocuments() []suite.Case {
	return []suite.Case{
		{
			ID: "metadata.documents.same", Title: "both well-known documents are there and say the same", Spec: "RFC 8414, 3.1; OpenID Connect Discovery, 4",
			Severity: suite.Should, Needs: []suite.Claim{suite.OpenID},
			Mend: "Serve the same bytes at /.well-known/oauth-authorization-server and /.well-known/openid-configuration: clients read one or the other.",
			Run: func(t *suite.T) {
				oauth, openID := t.WellKnown()
				one, other := t.Send(suite.Get(oauth)), t.Send(suite.Get(openID))
				t.Expect(one, suite.OK)
				t.Expect(other, suite.OK)
				t.Check(bytes.Equal(one.Body, other.Body), "the two documents differ")
			},
		},
		{
			ID: "metadata.issuer.exact", Title: "issuer is the issuer, character by character", Spec: "RFC 8414, 3.3",
			Mend: "Publish the issuer exactly as clients know it, without a slash at the end that they do not have: they refuse any other.",
			Run: func(t *suite.T) {
				t.Expect(document(t), suite.Answer{Status: 200, JSON: map[string]any{"issuer": t.Target.Issuer}})
			},
		},
		{
			ID: "metadata.issuer.form", Title: "the issuer is an https URL without query and fragment", Spec: "RFC 8414, 2",
			Mend: "Choose an issuer that is https, a host and at most a path.",
			Run: func(t *suite.T) {
				u, err := url.Parse(t.Metadata().Text("issuer"))
				t.Check(err == nil && u.Scheme == "https" && u.Host != "" && u.RawQuery == "" && u.Fragment == "", "the issuer is not a plain https URL")
			},
		},
		{
			ID: "metadata.content-type", Title: "the document is application/json", Spec: "RFC 8414, 3.2",
			Mend: "Answer with Content-Type application/json.",
			Run: func(t *suite.T) {
				resp := document(t)
				mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
				t.Check(mediaType == "application/json", "Content-Type is %q", resp.Header.Get("Content-Type"))
			},
		},
		{
			ID: "metadata.method", Title: "the document cannot be posted to", Spec: "RFC 9110, 15.5.6; RFC 8414, 3.1", Severity: suite.Should,
			Mend: "Answer 405 with Allow to any method but GET and HEAD.",
			Run: func(t *suite.T) {
				oauth, openID := t.WellKnown()
				for _, address := range []string{oauth, openID} {
					r := suite.Get(address)
					r.Method, r.Form = http.MethodPost, url.Values{"issuer": {"https://elsewhere.example"}}
					if status := t.Send(r).Status; status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
						t.Errorf("a POST to %s has status %d; expected 405 or 404", address, status)
					}
				}
				t.Checked()
			},
		},
	}
}

// document is the server's description of itself, unread.
func document(t *suite.T) *suite.Response {
	oauth, openID := t.WellKnown()
	resp := t.Send(suite.Get(oauth))
	if resp.Status == http.StatusNotFound {
		resp = t.Send(suite.Get(openID))
	}
	return resp
}

func metadataEndpoints() []suite.Case {
	var out []suite.Case
	for _, e := range []struct {
		id, name, spec string
		needs          []suite.Claim
	}{
		{"authorization", "authorization_endpoint", "RFC 8414, 2", nil},
		{"token", "token_endpoint", "RFC 8414, 2", nil},
		{"jwks", "jwks_uri", "FAPI 2.0 Security Profile, 5.3.2.1", nil},
		{"par", "pushed_authorization_request_endpoint", "RFC 9126, 5", []suite.Claim{suite.PAR}},
		{"revocation", "revocation_endpoint", "RFC 8414, 2; RFC 7009", []suite.Claim{suite.Revocation}},
		{"introspection", "introspection_endpoint", "RFC 8414, 2; RFC 7662", []suite.Claim{suite.Introspection}},
		{"registration", "registration_endpoint", "RFC 8414, 2; RFC 7591", []suite.Claim{suite.Registration}},
		{"grants", "grant_management_endpoint", "Grant Management, 7", []suite.Claim{suite.GrantManagement}},
	} {
		out = append(out, suite.Case{
			ID: "metadata.endpoint." + e.id, Title: e.name + " is an https address, for certificates too", Spec: e.spec, Needs: e.needs,
			Mend: "Publish " + e.name + " with https, and its alias in mtls_endpoint_aliases where certificates are asked for elsewhere.",
			Run: func(t *suite.T) {
				m := t.Metadata()
				for _, address := range []string{m.Text(e.name), m.Alias(e.name)} {
					u, err := url.Parse(address)
					t.Check(err == nil && u.Scheme == "https" && u.Host != "" && u.Fragment == "", "%s is not an https address", e.name)
				}
			},
		})
	}
	return append(out, suite.Case{
		ID: "metadata.mtls.aliases", Title: "certificate-bound tokens are announced, and the consumer is never sent where certificates are asked for", Spec: "RFC 8705, 3.3 and 5", Needs: []suite.Claim{suite.MTLS},
		Mend: "Set tls_client_certificate_bound_access_tokens, and keep authorization_endpoint out of mtls_endpoint_aliases.",
		Run: func(t *suite.T) {
			m := t.Metadata()
			t.Check(m["tls_client_certificate_bound_access_tokens"] == true, "tls_client_certificate_bound_access_tokens is not true")
			t.Check(suite.Dig(map[string]any(m), "mtls_endpoint_aliases.authorization_endpoint") == nil, "mtls_endpoint_aliases has authorization_endpoint")
		},
	})
}

// list is a case about a list of the metadata: what must be in it, and what
// must not be in it beside.
func metadataLists() []suite.Case {
	auth := []string{"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"}
	out := []suite.Case{
		{
			ID: "metadata.par.required", Title: "pushed requests are required", Spec: "RFC 9126, 5; FAPI 2.0 Security Profile, 5.3.2.2", Severity: suite.Should, Needs: []suite.Claim{suite.PAR},
			Mend: "Set require_pushed_authorization_requests.",
			Run: func(t *suite.T) {
				t.Check(t.Metadata()["require_pushed_authorization_requests"] == true, "require_pushed_authorization_requests is not true")
			},
		},
		{
			ID: "metadata.iss-parameter", Title: "the server promises to name itself in its answers", Spec: "RFC 9207, 3; FAPI 2.0 Security Profile, 5.3.2.2",
			Mend: "Set authorization_response_iss_parameter_supported, and send iss.",
			Run: func(t *suite.T) {
				t.Check(t.Metadata()["authorization_response_iss_parameter_supported"] == true, "authorization_response_iss_parameter_supported is not true")
			},
		},
	}
	for _, l := range []struct {
		id, name, spec, mend string
		needs                []suite.Claim
		must, only           []string
	}{
		{"pkce.s256-only", "code_challenge_methods_supported", "FAPI 2.0 Security Profile, 5.3.2.2", "plain protects nothing", nil, []string{"S256"}, []string{"S256"}},
		{"response-types", "response_types_supported", "FAPI 2.0 Security Profile, 5.3.2.2", "tokens never travel through a browser", nil, []string{"code"}, []string{"code", "none"}},
		{"grant-types", "grant_types_supported", "FAPI 2.0 Security Profile, 5.3.2.1", "neither passwords nor implicit tokens", nil, []string{"authorization_code"},
			[]string{"authorization_code", "refresh_token", "client_credentials", "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer"}},
		{"auth-methods.token", "token_endpoint_auth_methods_supported", "FAPI 2.0 Security Profile, 5.3.2.1", "no shared secrets", nil, nil, auth},
		{"auth-methods.revocation", "revocation_endpoint_auth_methods_supported", "FAPI 2.0 Security Profile, 5.3.2.1", "no shared secrets", []suite.Claim{suite.Revocation}, nil, auth},
		{"auth-methods.introspection", "introspection_endpoint_auth_methods_supported", "RFC 7662, 2.1", "no shared secrets", []suite.Claim{suite.Introspection}, nil, auth},
		{"algs.assertion", "token_endpoint_auth_signing_alg_values_supported", "FAPI 2.0 Security Profile, 5.4.1", "no RS256, no none, no HMAC", []suite.Claim{suite.PrivateKeyJWT}, nil, fapiAlgs},
		{"algs.dpop", "dpop_signing_alg_values_supported", "RFC 9449, 5.1; FAPI 2.0 Security Profile, 5.4.1", "no RS256, no none, no HMAC", []suite.Claim{suite.DPoP}, nil, fapiAlgs},
		{"algs.request-object", "request_object_signing_alg_values_supported", "FAPI 2.0 Message Signing, 5.3", "no RS256, no none", []suite.Claim{suite.JAR}, nil, fapiAlgs},
		{"algs.response", "authorization_signing_alg_values_supported", "JARM, 4; FAPI 2.0 Message Signing, 5.4", "no RS256, no none", []suite.Claim{suite.JARM}, nil, fapiAlgs},
		{"algs.id-token", "id_token_signing_alg_values_supported", "FAPI 2.0 Security Profile, 5.4.1", "no RS256, no none", []suite.Claim{suite.OpenID}, nil, fapiAlgs},
		{"algs.introspection", "introspection_signing_alg_values_supported", "RFC 9701, 7; FAPI 2.0 Message Signing, 5.5", "no RS256, no none", []suite.Claim{suite.SignedIntro}, nil, fapiAlgs},
		{"response-modes.jarm", "response_modes_supported", "JARM, 4", "the mode that clients ask for", []suite.Claim{suite.JARM}, []string{"jwt"}, nil},
		{"scopes.openid", "scopes_supported", "OpenID Connect Discovery, 3", "clients look for it", []suite.Claim{suite.OpenID}, []string{"openid"}, nil},
		{"subject-types", "subject_types_supported", "OpenID Connect Discovery, 3", "required there", []suite.Claim{suite.OpenID}, nil, []string{"pairwise", "public"}},
		{"details-types", "authorization_details_types_supported", "RFC 9396, 10", "clients look for it", []suite.Claim{suite.RAR, suite.FDXConsent}, []string{"fdx_v1.0"}, nil},
		{"grant-actions", "grant_management_actions_supported", "Grant Management, 7.1", "clients look for it", []suite.Claim{suite.GrantManagement}, []string{"query", "revoke"}, []string{"query", "revoke", "create", "merge", "replace"}},
	} {
		title := l.name + " holds"
		if l.must != nil {
			title += " " + strings.Join(l.must, ", ")
		}
		if l.only != nil {
			title += " nothing else than FAPI allows"
		}
		out = append(out, suite.Case{
			ID: "metadata." + l.id, Title: title, Spec: l.spec, Needs: l.needs,
			Severity: map[bool]suite.Severity{true: suite.Should}[strings.HasPrefix(l.id, "auth-methods.") && l.id != "auth-methods.token"],
			Mend:     "Put right " + l.name + ", and what it tells of: " + l.mend + ".",
			Run: func(t *suite.T) {
				got := t.Metadata().List(l.name)
				t.Check(len(got) > 0, "%s is missing or empty", l.name)
				for _, must := range l.must {
					t.Check(slices.Contains(got, must), "%s does not hold %s", l.name, must)
				}
				for _, one := range got {
					t.Check(l.only == nil || slices.Contains(l.only, one), "%s holds %s", l.name, one)
				}
			},
		})
	}
	return out
}

func metadataKeys() []suite.Case {
	keys := func(t *suite.T) jose.JSONWebKeySet {
		var set jose.JSONWebKeySet
		resp := t.JWKS()
		t.Expect(resp, suite.OK)
		if err := resp.Into(&set); err != nil {
			t.Fatalf("jwks_uri has no JSON Web Key Set")
		}
		t.Check(len(set.Keys) > 0, "there is no key")
		return set
	}
	return []suite.Case{
		{
			ID: "metadata.jwks.public", Title: "the published keys are public", Spec: "RFC 7517, 9.2",
			Mend: "Publish public members only, and replace every key that was ever published with a private one.",
			Run: func(t *suite.T) {
				for _, key := range t.JWKS().List("keys") {
					for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
						t.Check(suite.Dig(key, member) == nil, "a published key has the private member %s", member)
					}
				}
			},
		},
		{
			ID: "metadata.jwks.kid", Title: "each published key has a kid of its own", Spec: "FAPI 2.0 Security Profile, 5.4.1; RFC 7517, 4.5",
			Mend: "Give each key a kid, such as its thumbprint.",
			Run: func(t *suite.T) {
				seen := map[string]bool{}
				for _, key := range keys(t).Keys {
					t.Check(key.KeyID != "" && !seen[key.KeyID], "a key has no kid, or that of another one")
					seen[key.KeyID] = true
				}
			},
		},
		{
			ID: "metadata.jwks.strength", Title: "RSA keys have 2048 bits at least, elliptic ones are P-256 or Ed25519", Spec: "FAPI 2.0 Security Profile, 5.4.1",
			Mend: "Replace weaker keys.",
			Run: func(t *suite.T) {
				for _, key := range keys(t).Keys {
					if public, ok := key.Key.(*rsa.PublicKey); ok {
						t.Check(public.N.BitLen() >= 2048, "an RSA key has %d bits", public.N.BitLen())
					}
					if key.Use == "" || key.Use == "sig" {
						t.Check(key.Algorithm == "" || slices.Contains(fapiAlgs, key.Algorithm), "a signature key is for %s", key.Algorithm)
					}
				}
			},
		},
	}
}

func metadataResource() []suite.Case {
	return []suite.Case{{
		ID: "metadata.resource", Title: "the resource describes itself and names this server", Spec: "RFC 9728, 2 and 3", Needs: []suite.Claim{suite.Resource, suite.ResourceMeta},
		Mend: "Serve /.well-known/oauth-protected-resource with resource and authorization_servers, and point to it in WWW-Authenticate.",
		Run: func(t *suite.T) {
			denied := t.Send(suite.Get(t.Target.ResourceBase + t.A().Resource))
			t.Expect(denied, suite.Answer{Status: http.StatusUnauthorized})
			address := denied.Challenge("resource_metadata")
			if address == "" {
				t.Fatalf("WWW-Authenticate of a 401 has no resource_metadata")
			}
			resp := t.Send(suite.Get(address))
			t.Expect(resp, suite.Answer{Status: 200, Present: []string{"resource"}})
			t.Check(slices.Contains(resp.List("authorization_servers"), any(t.Target.Issuer)), "authorization_servers does not hold the issuer")
		},
	}}
}
