package cases

import (
	"crypto/tls"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// binding: tokens that are of use to their owner alone, RFC 9449 and RFC
// 8705 section 3, at the token endpoint and at the resource.
func binding() []suite.Case {
	return slices.Concat(bindingProofs(), bindingResource(), bindingNonces(), bindingCertificates())
}

// bentProof is a way to bend a proof.
type bentProof struct {
	id, title, mend string
	bend            func(proof *suite.JWT)
}

// proofs are all the ways to bend a proof that a server has to find, wherever
// the proof is sent (RFC 9449 section 4.3).
func proofs() []bentProof {
	claim := func(name string, value any) func(*suite.JWT) {
		return func(p *suite.JWT) {
			if value == nil {
				delete(p.Claims, name)
			} else {
				p.Claims[name] = value
			}
		}
	}
	header := func(name string, value any) func(*suite.JWT) {
		return func(p *suite.JWT) {
			if value == nil {
				delete(p.Header, name)
			} else {
				p.Header[name] = value
			}
		}
	}
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	return []bentProof{
		{"htm", "for another method", "Compare htm with the method of the request.", claim("htm", "PUT")},
		{"htm-case", "with the method in lower case", "HTTP methods are compared exactly (RFC 9110, 9.1).", func(p *suite.JWT) { p.Claims["htm"] = strings.ToLower(p.Claims["htm"].(string)) }},
		{"no-htm", "without htm", "htm is required.", claim("htm", nil)},
		{"htu-host", "for another host", "Compare htu with the address of the request, without query and fragment.", func(p *suite.JWT) { p.Claims["htu"] = "https://elsewhere.example/token" }},
		{"htu-path", "for another path", "Compare htu with the address of the request, without query and fragment.", func(p *suite.JWT) { p.Claims["htu"] = p.Claims["htu"].(string) + "/more" }},
		{"htu-scheme", "for http", "The scheme is part of htu.", func(p *suite.JWT) {
			p.Claims["htu"] = strings.Replace(p.Claims["htu"].(string), "https://", "http://", 1)
		}},
		{"no-htu", "without htu", "htu is required.", claim("htu", nil)},
		{"old", "of an hour ago", "Accept proofs within a short time of iat alone.", claim("iat", at(-time.Hour))},
		{"future", "of the next hour", "Accept proofs within a short time of iat alone.", claim("iat", at(time.Hour))},
		{"no-iat", "without iat", "iat is required.", claim("iat", nil)},
		{"iat-text", "whose iat is a text", "A NumericDate is a JSON number.", claim("iat", "now")},
		{"no-jti", "without jti", "jti is required.", claim("jti", nil)},
		{"typ", "of another typ", "typ must be dpop+jwt: else another JWT of the client passes for a proof.", header("typ", "JWT")},
		{"no-typ", "without typ", "typ is required.", header("typ", nil)},
		{"no-jwk", "without its key", "The header holds the public key as jwk.", header("jwk", nil)},
		{"private-key", "that shows its private key", "The jwk must not contain a private key.", func(p *suite.JWT) { p.Header["jwk"] = p.Key.PrivateJWK() }},
		{"signature", "with one bit of the signature changed", "Verify the signature by the key in the header.", func(p *suite.JWT) { p.Bend = suite.BreakSignature }},
		{"foreign-signature", "that another key has signed", "Verify the signature by the key in the header.", func(p *suite.JWT) { p.Key = suite.NewKey("ES256") }},
		{"none", "that nobody has signed", "alg none is no algorithm.", func(p *suite.JWT) { p.Header["alg"], p.Key = "none", nil }},
		{"hmac", "signed by a secret that everybody knows", "Accept asymmetric algorithms alone.", func(p *suite.JWT) {
			key := suite.NewSecret([]byte("secret"))
			p.Header["alg"], p.Key = "HS256", key
			p.Header["jwk"] = map[string]any{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte("secret"))}
		}},
		{"crit", "with a critical header that nobody knows", "Refuse critical headers that are not understood (RFC 7515, 4.1.11).", func(p *suite.JWT) {
			p.Header["crit"], p.Header["https://example.com/x"] = []string{"https://example.com/x"}, true
		}},
		{"two-parts", "of two parts", "A proof is a compact JWS of three parts.", func(p *suite.JWT) {
			p.Bend = func(compact string) string { return compact[:strings.LastIndexByte(compact, '.')] }
		}},
		{"padded", "with base64 padding", "JWS uses base64url without padding (RFC 7515, 2).", func(p *suite.JWT) { p.Bend = func(compact string) string { return compact + "==" } }},
		{"rs256", "by an algorithm that FAPI 2.0 does not allow", "Accept PS256, ES256 and EdDSA alone.", func(p *suite.JWT) { p.Resign(suite.NewKey("RS256")) }},
	}
}

// bindingProofs: proofs at the token endpoint.
func bindingProofs() []suite.Case {
	var cases []suite.Case
	needs := []suite.Claim{suite.PAR, suite.DPoP, suite.Refresh}
	for _, p := range proofs() {
		cases = append(cases, suite.Case{
			ID: "binding.token." + p.id, Title: "a token request with a proof " + p.title + " is refused", Spec: "RFC 9449, 4.3", Mend: p.mend, Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.RefreshRequest(g, g.Key)
				p.bend(r.Proof)
				t.Expect(t.Send(r), suite.Refused("invalid_dpop_proof"))
				t.Expect(t.Send(t.RefreshRequest(g, g.Key)), suite.OK)
			},
		})
	}
	return append(cases, suite.Case{
		ID: "binding.token.replay", Title: "a proof is accepted once at the token endpoint", Spec: "RFC 9449, 11.1", Mend: "Remember jti for as long as a proof is accepted.", Needs: needs,
		Run: func(t *suite.T) {
			g := t.Shared(t.A(), suite.Ask{})
			r := t.RefreshRequest(g, g.Key)
			r.Proof.Claims["jti"] = suite.NewUUID()
			t.Expect(t.Send(r), suite.OK)
			again := t.RefreshRequest(g, g.Key)
			again.Proof = r.Proof
			t.Expect(t.Send(again), suite.Refused("invalid_dpop_proof"))
		},
	}, suite.Case{
		ID: "binding.token.two-proofs", Title: "two proofs in one request are refused", Spec: "RFC 9449, 4.3", Mend: "There must not be more than one DPoP header.", Needs: needs,
		Run: func(t *suite.T) {
			g := t.Shared(t.A(), suite.Ask{})
			r := t.RefreshRequest(g, g.Key)
			one, err := r.Proof.Compact()
			t.Check(err == nil, "a proof cannot be signed")
			two, err := suite.NewProof(g.Key, r.Method, r.URL, "").Compact()
			t.Check(err == nil, "a proof cannot be signed")
			r.Proof, r.Header["Dpop"] = nil, []string{one, two}
			t.Expect(t.Send(r), suite.Refused("invalid_dpop_proof", "invalid_request"))
		},
	})
}

// usedProof is a resource's no to a proof that was used before. That is not
// among the faults of section 4.3, for which RFC 9449 section 7.1 has
// invalid_dpop_proof: the error is left open.
var usedProof = suite.Answer{Status: http.StatusUnauthorized}

// bindingResource: proofs at the resource.
func bindingResource() []suite.Case {
	var cases []suite.Case
	needs := []suite.Claim{suite.Resource, suite.DPoP}
	all := slices.Concat(proofs(), []bentProof{
		{"no-ath", "without ath", "ath is required at a resource.", func(p *suite.JWT) { delete(p.Claims, "ath") }},
		{"ath", "for another access token", "Compare ath with the hash of the access token.", func(p *suite.JWT) {
			p.Claims["ath"] = base64.RawURLEncoding.EncodeToString(make([]byte, 32))
		}},
		{"other-key", "by another key than the token's", "Compare the thumbprint of the proof's key with cnf.jkt of the token.", func(p *suite.JWT) { p.Resign(suite.NewKey("ES256")) }},
	})
	for _, p := range all {
		want := suite.BadProof
		if p.id == "other-key" {
			want = suite.Answer{Status: http.StatusUnauthorized} // the proof is right, and not the token's: either error will do
		}
		cases = append(cases, suite.Case{
			ID: "binding.dpop." + p.id, Title: "a read with a proof " + p.title + " is refused", Spec: "RFC 9449, 4.3 and 7.1", Mend: p.mend, Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.Read(g, g.App.Resource)
				p.bend(r.Proof)
				t.Expect(t.Send(r), want)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		})
	}
	read := func(id, title, spec, mend string, want suite.Answer, bend func(t *suite.T, g *suite.Grant, r *suite.Request)) suite.Case {
		return suite.Case{
			ID: "binding.dpop." + id, Title: title, Spec: spec, Mend: mend, Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.Read(g, g.App.Resource)
				bend(t, g, r)
				t.Expect(t.Send(r), want)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		}
	}
	refused := suite.Answer{Status: http.StatusUnauthorized}
	// 400 where the request itself counts as malformed (RFC 6750, 3.1).
	malformed := suite.Answer{Statuses: []int{400, 401}}
	twoTokens := read("two-tokens", "two tokens in one request are refused", "RFC 6750, 2", "There must be one Authorization header.", malformed,
		func(_ *suite.T, g *suite.Grant, r *suite.Request) {
			r.Header["Authorization"] = []string{"DPoP " + g.Access, "DPoP " + g.Access}
		})
	twoTokens.Severity = suite.Should // the must is the client's
	return append(cases, twoTokens,
		read("as-bearer", "a DPoP-bound token does not pass as a bearer token", "RFC 9449, 7.2", "A token with cnf.jkt needs the scheme DPoP and a proof.", refused,
			func(_ *suite.T, g *suite.Grant, r *suite.Request) {
				r.Proof = nil
				r.Header.Set("Authorization", "Bearer "+g.Access)
			}),
		read("as-bearer-with-proof", "the scheme Bearer is refused for a bound token, whatever proof comes with it", "RFC 9449, 7.2", "A token with cnf.jkt needs the scheme DPoP.", malformed,
			func(_ *suite.T, g *suite.Grant, r *suite.Request) { r.Header.Set("Authorization", "Bearer "+g.Access) }),
		read("no-proof", "a DPoP-bound token without a proof is refused", "RFC 9449, 7.1", "The scheme DPoP needs a proof.", malformed,
			func(_ *suite.T, _ *suite.Grant, r *suite.Request) { r.Proof = nil }),
		read("no-token", "a proof without a token opens nothing", "RFC 9449, 7.1", "Ask for the token first.", refused,
			func(_ *suite.T, _ *suite.Grant, r *suite.Request) { r.Header.Del("Authorization") }),
		read("scheme-case", "the name of the scheme does not depend on case", "RFC 9110, 11.1", "Compare authentication schemes without case.", suite.OK,
			func(_ *suite.T, g *suite.Grant, r *suite.Request) { r.Header.Set("Authorization", "dpop "+g.Access) }),
		read("two-proofs", "two proofs in one request are refused", "RFC 9449, 4.3", "There must not be more than one DPoP header.", suite.BadProof,
			func(t *suite.T, g *suite.Grant, r *suite.Request) {
				one, _ := r.Proof.Compact()
				two, _ := suite.NewProof(g.Key, r.Method, r.URL, g.Access).Compact()
				r.Proof, r.Header["Dpop"] = nil, []string{one, two}
			}),
		read("in-query", "a token in the query is not looked at", "FAPI 2.0 Security Profile, 5.3.3; RFC 6750, 5.3", "Take tokens from the Authorization header alone.", suite.Answer{Statuses: []int{400, 401}},
			func(_ *suite.T, g *suite.Grant, r *suite.Request) {
				r.Header.Del("Authorization")
				r.URL += "?access_token=" + g.Access
			}),
		suite.Case{
			ID: "binding.dpop.replay", Title: "a proof is accepted once at the resource", Spec: "RFC 9449, 11.1", Mend: "Remember jti for as long as a proof is accepted, in a store that all instances share.", Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.Read(g, g.App.Resource)
				r.Proof.Claims["jti"] = suite.NewUUID()
				t.Expect(t.Send(r), suite.OK)
				t.Expect(t.Send(r.Clone()), usedProof)
			},
		},
		suite.Case{
			ID: "binding.dpop.token-endpoint-proof", Title: "a proof for the token endpoint opens no resource", Spec: "RFC 9449, 4.3", Mend: "Compare htu, and ask for ath.", Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.Read(g, g.App.Resource)
				r.Proof = suite.NewProof(g.Key, http.MethodPost, t.Endpoint(g.App, "token_endpoint"), "")
				t.Expect(t.Send(r), suite.BadProof)
			},
		},
		suite.Case{
			ID: "binding.dpop.htu-query", Title: "query and fragment of htu do not count", Spec: "RFC 9449, 4.3", Severity: suite.Should, Mend: "Compare htu without query and fragment.", Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.Read(g, g.App.Resource)
				r.Proof.Claims["htu"] = r.Proof.Claims["htu"].(string) + "?a=b"
				t.Expect(t.Send(r), suite.OK)
			},
		},
		suite.Case{
			ID: "binding.dpop.another-grants-token", Title: "a proof goes with one token only, also of the same key", Spec: "RFC 9449, 7.1", Mend: "Compare ath with the hash of the access token.", Needs: append([]suite.Claim{suite.Refresh}, needs...),
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				resp := t.Send(t.RefreshRequest(g, g.Key))
				t.Expect(resp, suite.OK)
				r := t.Read(g, g.App.Resource) // its proof is for the token before
				r.Header.Set("Authorization", "DPoP "+resp.Text("access_token"))
				t.Expect(t.Send(r), suite.BadProof)
			},
		},
	)
}

// bindingCertificates: tokens bound to a client certificate.
func bindingCertificates() []suite.Case {
	needs := []suite.Claim{suite.Resource, suite.MTLS}
	const mend = "Compare the certificate of the connection with cnf.x5t#S256 of the token; none is a mismatch."
	refused := func(id, title string, bend func(t *suite.T, r *suite.Request)) suite.Case {
		return suite.Case{
			ID: "binding.mtls." + id, Title: title, Spec: "RFC 8705, 3", Mend: mend, Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.ByCertificate(), suite.Ask{})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				r := t.Read(g, g.App.Resource)
				bend(t, r)
				t.Expect(t.Send(r), suite.Unauthorized)
			},
		}
	}
	return []suite.Case{
		refused("no-certificate", "a certificate-bound token without its certificate is refused", func(_ *suite.T, r *suite.Request) { r.Certificate = nil }),
		refused("other-host", "a certificate-bound token is refused where no certificate is asked for", func(t *suite.T, r *suite.Request) {
			r.URL = strings.Replace(r.URL, t.Target.MTLSBase, t.Target.ResourceBase, 1)
			if t.Target.MTLSBase == t.Target.ResourceBase {
				r.Certificate = nil
			}
		}),
		refused("as-dpop", "a certificate-bound token does not pass as a DPoP token", func(_ *suite.T, r *suite.Request) {
			key := suite.NewKey("ES256")
			access := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			r.Certificate = nil
			r.Header.Set("Authorization", "DPoP "+access)
			r.Proof = suite.NewProof(key, r.Method, r.URL, access)
		}),
		refused("certificate-header", "a certificate in a header does not stand in for one", func(_ *suite.T, r *suite.Request) {
			certificate := r.Certificate
			r.Certificate = nil
			maps.Copy(r.Header, forgedCertificate(certificate))
		}),
	}
}

// forgedCertificate are the headers in which proxies hand a certificate on
// (RFC 9440, and what is usual).
func forgedCertificate(c *tls.Certificate) http.Header {
	der := base64.StdEncoding.EncodeToString(c.Certificate[0])
	h := http.Header{}
	h.Set("Client-Cert", ":"+der+":")
	h.Set("X-Client-Cert", der)
	h.Set("X-SSL-Client-Cert", der)
	h.Set("X-Forwarded-Client-Cert", `Cert="`+der+`"`)
	return h
}
