package cases

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// clientAuth: private_key_jwt and client certificates, RFC 7523, RFC 8705,
// FAPI 2.0 section 5.3.2.1.
func clientAuth() []suite.Case {
	return slices.Concat(assertionRefused(), assertionAccepted(), authMethods(), certificates())
}

// atPAR asks the pushed authorization request endpoint; the authentication
// is the same at every other, which client-auth.everywhere looks at.
func atPAR(t *suite.T, app *suite.App) *suite.Request {
	r, _ := t.PushRequest(app, suite.Ask{})
	return r
}

// assertionRefused bends one thing of a client assertion each. What is not
// bent has to be accepted first, so that a server that refuses everything
// does not pass.
func assertionRefused() []suite.Case {
	var out []suite.Case
	for _, c := range []struct {
		id, title, spec, mend string
		bend                  func(t *suite.T, j *suite.JWT)
	}{
		{"signature", "with a broken signature", "RFC 7523, 3", "Verify the signature with the client's registered keys before anything is believed.",
			func(_ *suite.T, j *suite.JWT) { j.Bend = suite.BreakSignature }},
		{"no-signature", "without a signature", "RFC 7515, 5.2", "An empty signature is a wrong one.",
			func(_ *suite.T, j *suite.JWT) { j.Key = nil }},
		{"alg-none", "with alg none", "RFC 8725, 3.2", "Allow PS256, ES256 and EdDSA by name; never what the header says.",
			func(_ *suite.T, j *suite.JWT) { j.Key, j.Header["alg"] = nil, "none" }},
		{"alg-hmac", "signed by HMAC with the client's public key", "RFC 8725, 2.1", "Take the algorithm from the registered key, not from the header.",
			func(t *suite.T, j *suite.JWT) {
				public, err := json.Marshal(t.A().Key.JWK())
				if err != nil {
					t.Cannot("encode a key", err)
				}
				j.Resign(suite.NewSecret(public))
			}},
		{"alg-rs256", "signed with RS256", "FAPI 2.0 Security Profile, 5.4.1", "Refuse RS256, also for a client with an RSA key.",
			func(t *suite.T, j *suite.JWT) { j.Resign(suite.NewKey("RS256")); j.Header["kid"] = t.A().Key.ID }},
		{"foreign-key", "signed by a key that is not registered", "RFC 7523, 3", "Look keys up in the client's registration alone.",
			func(t *suite.T, j *suite.JWT) { j.Resign(suite.NewKey("ES256")); j.Header["kid"] = t.A().Key.ID }},
		{"embedded-key", "signed by a key that its own header brings along", "RFC 7515, 4.1.3; RFC 8725, 3.10", "Never read jwk, jku, x5u or x5c of an assertion's header.",
			func(_ *suite.T, j *suite.JWT) {
				key := suite.NewKey("ES256")
				j.Resign(key)
				j.Header["jwk"] = key.JWK()
				delete(j.Header, "kid")
			}},
		{"key-of-another", "of one client signed by another", "RFC 7523, 3", "Look keys up in the registration of the client that iss names.",
			func(t *suite.T, j *suite.JWT) { j.Resign(t.B().Key); j.Header["kid"] = t.B().Key.ID }},
		{"kid-unknown", "with a kid that is not registered", "RFC 7515, 4.1.4", "A kid that no registered key has is a refusal.",
			func(_ *suite.T, j *suite.JWT) { j.Header["kid"] = "no-such-key" }},
		{"crit", "with a critical header that nobody knows", "RFC 7515, 4.1.11", "Refuse every crit that is not understood.",
			func(_ *suite.T, j *suite.JWT) {
				j.Header["crit"], j.Header["urn:example:x"] = []string{"urn:example:x"}, true
			}},
		{"typ-request-object", "with the typ of a request object", "RFC 8725, 3.11; RFC 9101, 10.8", "One kind of JWT must not pass for another: refuse typ oauth-authz-req+jwt and dpop+jwt.",
			func(_ *suite.T, j *suite.JWT) { j.Header["typ"] = "oauth-authz-req+jwt" }},
		{"iss-missing", "without iss", "RFC 7523, 3", "Demand iss.", drop("iss")},
		{"iss-other", "with another iss", "RFC 7523, 3", "iss and sub are both the client_id.", set("iss", "https://attacker.example")},
		{"sub-missing", "without sub", "RFC 7523, 3", "Demand sub.", drop("sub")},
		{"sub-other", "with another client as sub", "RFC 7523, 3", "iss and sub are both the client_id.",
			func(t *suite.T, j *suite.JWT) { j.Claims["sub"] = t.B().ClientID }},
		{"aud-missing", "without aud", "RFC 7523, 3", "Demand aud.", drop("aud")},
		{"aud-other", "for another server", "FAPI 2.0 Security Profile, 5.3.2.1", "aud is the issuer: an assertion for another server must not be good here.", set("aud", "https://elsewhere.example")},
		{"aud-token-endpoint", "for the token endpoint", "FAPI 2.0 Security Profile, 5.3.2.1", "Accept the issuer alone as aud.",
			func(t *suite.T, j *suite.JWT) { j.Claims["aud"] = t.Endpoint(nil, "token_endpoint") }},
		{"aud-list", "for several servers, this one among them", "FAPI 2.0 Security Profile, 5.3.2.1", "aud is one string.",
			func(t *suite.T, j *suite.JWT) {
				j.Claims["aud"] = []string{t.Target.Issuer, "https://elsewhere.example"}
			}},
		{"exp-missing", "without exp", "RFC 7523, 3", "Demand exp.", drop("exp")},
		{"exp-past", "that has expired", "RFC 7523, 3", "Compare exp with the clock.",
			func(_ *suite.T, j *suite.JWT) {
				j.Claims["iat"], j.Claims["exp"] = time.Now().Unix()-600, time.Now().Unix()-300
			}},
		{"exp-text", "with exp as text", "RFC 7519, 2", "exp is a number.",
			func(_ *suite.T, j *suite.JWT) { j.Claims["exp"] = "tomorrow" }},
		{"iat-future", "made five minutes from now", "FAPI 2.0 Security Profile, 5.3.2.1", "Refuse iat and nbf that are more than 60 seconds ahead.",
			func(_ *suite.T, j *suite.JWT) {
				j.Claims["iat"], j.Claims["exp"] = time.Now().Unix()+300, time.Now().Unix()+360
			}},
		{"nbf-future", "not good before ten minutes from now", "RFC 7523, 3", "Refuse iat and nbf that are more than 60 seconds ahead.",
			func(_ *suite.T, j *suite.JWT) { j.Claims["nbf"] = time.Now().Unix() + 600 }},
		{"jti-missing", "without jti", "OpenID Connect Core, 9; FAPI 2.0 Security Profile, 5.3.2.1", "Demand jti, and remember it until exp.", drop("jti")},
		{"payload-list", "whose payload is not an object", "RFC 7519, 7.2", "Parse strictly.",
			func(_ *suite.T, j *suite.JWT) { j.Payload = []byte(`["iss","sub"]`) }},
		{"truncated", "that was cut", "RFC 7515, 5.2", "Parse strictly.",
			func(_ *suite.T, j *suite.JWT) { j.Bend = func(s string) string { return s[:len(s)-20] } }},
		{"garbage", "that is not a JWT", "RFC 7523, 3", "Parse strictly.",
			func(_ *suite.T, j *suite.JWT) { j.Bend = func(string) string { return "not.a.jwt" } }},
		{"two-signatures", "in JSON serialization", "RFC 7523, 3; RFC 7515, 7.2", "Accept the compact serialization alone.",
			func(_ *suite.T, j *suite.JWT) {
				j.Bend = func(s string) string {
					p := strings.Split(s, ".")
					return `{"payload":"` + p[1] + `","signatures":[{"protected":"` + p[0] + `","signature":"` + p[2] + `"}]}`
				}
			}},
		{"payload-swapped", "whose payload was put into another's signature", "RFC 7515, 5.2", "The signature covers header and payload.",
			func(t *suite.T, j *suite.JWT) {
				j.Bend = func(s string) string {
					p := strings.Split(s, ".")
					claims := suite.Claimset(s)
					claims["sub"], claims["iss"] = t.A().ClientID, t.A().ClientID
					claims["exp"] = time.Now().Unix() + 300
					text, err := json.Marshal(claims)
					if err != nil {
						return ""
					}
					return p[0] + "." + base64.RawURLEncoding.EncodeToString(text) + "." + p[2]
				}
			}},
	} {
		out = append(out, suite.Case{
			ID: "client-auth.assertion." + c.id, Title: "a client assertion " + c.title + " is refused", Spec: c.spec, Mend: c.mend,
			Needs: []suite.Claim{suite.PAR, suite.PrivateKeyJWT},
			Run: func(t *suite.T) {
				t.Expect(t.Send(atPAR(t, t.A())), suite.Answer{Status: 201})
				r := atPAR(t, t.A())
				c.bend(t, r.Assertion)
				want := suite.InvalidClient
				if slices.Contains([]string{"garbage", "two-signatures", "sub-other"}, c.id) {
					want.Error, want.Errors = "", []string{"invalid_client", "invalid_request"} // it can be called malformed
				}
				t.Expect(t.Send(r), want)
			},
		})
		if c.id == "typ-request-object" {
			out[len(out)-1].Severity = suite.Should
		}
	}
	return out
}

func drop(claim string) func(*suite.T, *suite.JWT) {
	return func(_ *suite.T, j *suite.JWT) { delete(j.Claims, claim) }
}

func set(claim string, value any) func(*suite.T, *suite.JWT) {
	return func(_ *suite.T, j *suite.JWT) { j.Claims[claim] = value }
}

func assertionAccepted() []suite.Case {
	needs := []suite.Claim{suite.PAR, suite.PrivateKeyJWT}
	var out []suite.Case
	for _, c := range []struct {
		id, title, spec, mend string
		severity              suite.Severity
		bend                  func(t *suite.T, r *suite.Request)
	}{
		{"clock-ahead", "made by a clock ten seconds ahead", "FAPI 2.0 Security Profile, 5.3.2.1", "Accept iat and nbf up to ten seconds ahead.", suite.Must,
			func(_ *suite.T, r *suite.Request) {
				r.Assertion.Claims["iat"], r.Assertion.Claims["nbf"] = time.Now().Unix()+9, time.Now().Unix()+9
			}},
		{"typ-none", "without typ", "RFC 7523, 3", "typ is optional here.", suite.Should,
			func(_ *suite.T, r *suite.Request) { delete(r.Assertion.Header, "typ") }},
		{"client-id", "beside the same client_id", "RFC 7521, 4.2", "client_id beside an assertion is allowed when it agrees.", suite.Must,
			func(t *suite.T, r *suite.Request) { r.Form.Set("client_id", t.A().ClientID) }},
		{"extra-claims", "with claims that nobody knows", "RFC 7519, 4", "Ignore claims that are not understood.", suite.Must,
			func(_ *suite.T, r *suite.Request) { r.Assertion.Claims["urn:example:x"] = map[string]any{"a": 1} }},
	} {
		out = append(out, suite.Case{
			ID: "client-auth.accepts." + c.id, Title: "a client assertion " + c.title + " is accepted", Spec: c.spec, Severity: c.severity, Mend: c.mend, Needs: needs,
			Run: func(t *suite.T) {
				r := atPAR(t, t.A())
				c.bend(t, r)
				t.Expect(t.Send(r), suite.Answer{Status: 201})
			},
		})
	}
	return append(out,
		suite.Case{
			ID: "client-auth.replay.same-endpoint", Title: "a client assertion is accepted once", Spec: "RFC 7523, 3; FAPI 2.0 Security Profile, 5.3.2.1", Needs: needs,
			Mend: "Remember each jti per client until its exp, by an insert that fails when it is there.",
			Run: func(t *suite.T) {
				first := atPAR(t, t.A())
				second := atPAR(t, t.A())
				second.Assertion = first.Assertion
				t.Expect(t.Send(first), suite.Answer{Status: 201})
				t.Expect(t.Send(second), suite.InvalidClient)
			},
		},
		suite.Case{
			ID: "client-auth.replay.other-endpoint", Title: "a client assertion that was used at one endpoint is refused at another", Spec: "RFC 7523, 3", Needs: append([]suite.Claim{suite.Revocation}, needs...),
			Mend: "All endpoints share one memory of assertions.",
			Run: func(t *suite.T) {
				first := atPAR(t, t.A())
				t.Expect(t.Send(first), suite.Answer{Status: 201})
				second := t.RevokeRequest(t.A(), "no-such-token")
				second.Assertion = first.Assertion
				t.Expect(t.Send(second), suite.InvalidClient)
			},
		},
		suite.Case{
			ID: "client-auth.replay.jti-of-another", Title: "a jti that another client has used is accepted", Spec: "RFC 7523, 3", Needs: needs, Severity: suite.Should,
			Mend: "Remember jti per client: one client must not be able to spoil the assertions of another.",
			Run: func(t *suite.T) {
				first, second := atPAR(t, t.A()), atPAR(t, t.B())
				second.Assertion.Claims["jti"] = first.Assertion.Claims["jti"]
				t.Expect(t.Send(first), suite.Answer{Status: 201})
				t.Expect(t.Send(second), suite.Answer{Status: 201})
			},
		},
		suite.Case{
			ID: "client-auth.replay.race", Title: "of eight uses of one assertion at the same moment one succeeds at most", Spec: "RFC 7523, 3; FAPI 2.0 Security Profile, 5.3.2.1", Needs: needs,
			Mend: "Spend the jti by a compare-and-set that every instance shares.",
			Run: func(t *suite.T) {
				one := atPAR(t, t.A())
				answers := t.Race(8, func(int) *suite.Request {
					r := atPAR(t, t.A())
					r.Assertion = one.Assertion
					return r
				})
				won := suite.CountStatus(answers, 201)
				t.Check(won == 1, "%d requests with one assertion succeeded; expected 1", won)
			},
		},
	)
}

func authMethods() []suite.Case {
	needs := []suite.Claim{suite.PAR, suite.PrivateKeyJWT}
	var out []suite.Case
	for _, c := range []struct {
		id, title, spec, mend string
		want                  suite.Answer
		bend                  func(t *suite.T, r *suite.Request)
	}{
		{"none", "without client authentication", "FAPI 2.0 Security Profile, 5.3.2.1", "Only confidential clients: refuse client_id alone.", suite.InvalidClient,
			func(_ *suite.T, r *suite.Request) { r.Assertion = nil; r.Form.Del("client_assertion_type") }},
		{"secret-post", "with a client_secret in the body", "FAPI 2.0 Security Profile, 5.3.2.1", "No shared secrets, for no client.", suite.InvalidClient,
			func(_ *suite.T, r *suite.Request) {
				r.Assertion = nil
				r.Form.Del("client_assertion_type")
				r.Form.Set("client_secret", "secret")
			}},
		{"secret-basic", "with a client_secret in the Authorization header", "FAPI 2.0 Security Profile, 5.3.2.1", "No shared secrets, for no client.", suite.InvalidClient,
			func(t *suite.T, r *suite.Request) {
				r.Assertion = nil
				r.Form.Del("client_assertion_type")
				r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(t.A().ClientID+":secret")))
			}},
		{"two-methods", "with an assertion and an Authorization header", "RFC 6749, 2.3", "One method per request.", suite.Answer{Statuses: []int{400, 401}, Errors: []string{"invalid_request", "invalid_client"}},
			func(t *suite.T, r *suite.Request) {
				r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(t.A().ClientID+":secret")))
			}},
		{"type-missing", "with an assertion without its type", "RFC 7521, 4.2", "Demand client_assertion_type.", suite.Answer{Statuses: []int{400, 401}, Errors: []string{"invalid_request", "invalid_client"}},
			func(_ *suite.T, r *suite.Request) { r.Form.Del("client_assertion_type") }},
		{"type-saml", "with an assertion of the SAML type", "RFC 7521, 4.2", "Accept jwt-bearer alone.", suite.Answer{Statuses: []int{400, 401}, Errors: []string{"invalid_request", "invalid_client"}},
			func(_ *suite.T, r *suite.Request) {
				r.Form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
			}},
		{"client-id-of-another", "with the client_id of another client beside its assertion", "RFC 7521, 4.2", "client_id beside an assertion must agree.", suite.Answer{Statuses: []int{400, 401}, Errors: []string{"invalid_request", "invalid_client"}},
			func(t *suite.T, r *suite.Request) { r.Form.Set("client_id", t.B().ClientID) }},
		{"assertion-twice", "with two assertions", "RFC 6749, 3.2", "A parameter comes once.", suite.Answer{Statuses: []int{400, 401}, Errors: []string{"invalid_request", "invalid_client"}},
			func(t *suite.T, r *suite.Request) {
				var both []string
				for range 2 {
					compact, err := t.Assertion(t.A()).Compact()
					if err != nil {
						t.Cannot("sign an assertion", err)
					}
					both = append(both, compact)
				}
				r.Form["client_assertion"], r.Assertion = both, nil
			}},
		{"in-query", "with its assertion in the query", "RFC 6749, 3.2", "Read the body alone: addresses end up in logs.", suite.Answer{Statuses: []int{400, 401}, Errors: []string{"invalid_request", "invalid_client"}},
			func(t *suite.T, r *suite.Request) {
				compact, err := r.Assertion.Compact()
				if err != nil {
					t.Cannot("sign an assertion", err)
				}
				r.URL += "?" + url.Values{"client_assertion": {compact}, "client_assertion_type": r.Form["client_assertion_type"]}.Encode()
				r.Assertion = nil
				r.Form.Del("client_assertion_type")
			}},
		{"unknown-client", "of a client that is not registered", "RFC 6749, 5.2", "Answer an unknown client as one that failed: no oracle.", suite.InvalidClient,
			func(_ *suite.T, r *suite.Request) {
				r.Assertion.Claims["iss"], r.Assertion.Claims["sub"] = "no-such-client", "no-such-client"
				r.Form.Del("client_id")
			}},
	} {
		out = append(out, suite.Case{
			ID: "client-auth.method." + c.id, Title: "a request " + c.title + " is refused", Spec: c.spec, Mend: c.mend, Needs: needs,
			Run: func(t *suite.T) {
				t.Expect(t.Send(atPAR(t, t.A())), suite.Answer{Status: 201})
				r := atPAR(t, t.A())
				c.bend(t, r)
				t.Expect(t.Send(r), c.want)
			},
		})
	}
	return append(out, suite.Case{
		ID: "client-auth.everywhere", Title: "every endpoint of clients demands authentication", Spec: "RFC 6749, 3.2.1; RFC 7009, 2.1; RFC 7662, 2.1; RFC 9126, 2", Needs: needs,
		Mend: "Authenticate the client before anything else, at every endpoint.",
		Run: func(t *suite.T) {
			requests := []*suite.Request{atPAR(t, t.A()), t.TokenRequest(&suite.Attempt{App: t.A(), Code: "no-such-code", Key: suite.NewKey("ES256")})}
			if t.HasClaim(suite.Refresh) {
				requests = append(requests, t.RefreshRequest(&suite.Grant{App: t.A(), Refresh: "no-such-token"}, suite.NewKey("ES256")))
			}
			if t.HasClaim(suite.Revocation) {
				requests = append(requests, t.RevokeRequest(t.A(), "no-such-token"))
			}
			if t.HasClaim(suite.Introspection) {
				requests = append(requests, t.IntrospectRequest(t.ResourceServer(), "no-such-token"))
			}
			for _, r := range requests {
				r.Assertion = nil
				r.Form.Del("client_assertion_type")
				r.Form.Set("client_id", t.A().ClientID)
				t.Expect(t.Send(r), suite.InvalidClient)
			}
		},
	})
}

func certificates() []suite.Case {
	needs := []suite.Claim{suite.PAR, suite.MTLS}
	var out []suite.Case
	for _, c := range []struct {
		id, title, mend string
		bend            func(t *suite.T, r *suite.Request)
	}{
		{"no-certificate", "without its certificate", "A client_id alone is no authentication: demand the registered certificate.",
			func(_ *suite.T, r *suite.Request) { r.Certificate = nil }},
		{"self-signed", "with a certificate of its name that nobody has issued", "Verify the chain up to the authority that is trusted for clients.",
			func(t *suite.T, r *suite.Request) { r.Certificate = forged(t, r.Certificate) }},
		{"not-asked", "at the host where certificates are not asked for", "Where the connection has no certificate, there is no authentication: never trust a header of a proxy that clients can set.",
			func(t *suite.T, r *suite.Request) {
				r.URL, r.Certificate = t.Metadata().Text("pushed_authorization_request_endpoint"), nil
				for _, name := range []string{"X-Forwarded-Client-Cert", "X-Client-Cert", "Client-Cert", "X-SSL-Client-Cert", "SSL-Client-Cert"} {
					r.Header.Set(name, base64.StdEncoding.EncodeToString(t.ByCertificate().Cert.Certificate[0]))
				}
			}},
	} {
		out = append(out, suite.Case{
			ID: "client-auth.mtls." + c.id, Title: "a client of tls_client_auth " + c.title + " is refused", Spec: "RFC 8705, 2", Mend: c.mend, Needs: needs,
			Run: func(t *suite.T) {
				t.Expect(t.Send(atPAR(t, t.ByCertificate())), suite.Answer{Status: 201})
				r := atPAR(t, t.ByCertificate())
				c.bend(t, r)
				resp, err := t.TrySend(r)
				if err != nil {
					t.Checked() // the handshake was refused
					return
				}
				t.Expect(resp, suite.InvalidClient)
			},
		})
	}
	return append(out,
		suite.Case{
			ID: "client-auth.mtls.of-another", Title: "the certificate of another client is refused", Spec: "RFC 8705, 2.1", Needs: needs,
			Mend: "Compare the subject with that of the client's registration.",
			Run: func(t *suite.T) {
				r := atPAR(t, t.ByCertificate())
				for _, other := range []*suite.App{t.A(), t.B()} {
					if other.Cert != nil {
						r.Certificate = other.Cert
						t.Expect(t.Send(r), suite.InvalidClient)
					}
				}
				r = atPAR(t, t.ByCertificate())
				r.Form.Set("client_id", "no-such-client")
				t.Expect(t.Send(r), suite.InvalidClient)
			},
		},
		suite.Case{
			ID: "client-auth.mtls.of-private-key-jwt", Title: "a client of private_key_jwt cannot do with a certificate alone", Spec: "RFC 8705, 2; RFC 7591, 2", Needs: needs,
			Mend: "A client authenticates as it is registered, and in no other way.",
			Run: func(t *suite.T) {
				r := atPAR(t, t.A())
				r.Assertion = nil
				r.Form.Del("client_assertion_type")
				r.URL, r.Certificate = t.Metadata().Alias("pushed_authorization_request_endpoint"), t.A().Cert
				if r.Certificate == nil {
					r.Certificate = t.ByCertificate().Cert
				}
				t.Expect(t.Send(r), suite.InvalidClient)
			},
		},
	)
}

// forged is a certificate with the subject of another one, signed by itself.
func forged(t *suite.T, original *tls.Certificate) *tls.Certificate {
	subject := pkix.Name{CommonName: "forged"}
	if parsed, err := x509.ParseCertificate(original.Certificate[0]); err == nil {
		subject = parsed.Subject
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Cannot("make a key", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Cannot("make a certificate", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
