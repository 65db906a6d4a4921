package cases

import (
	"net/http"
	"strings"

	"github.com/headgate/headgate/conformance/suite"
)

// inactive is all that may be said about a token that the caller has no
// business with (RFC 7662 section 2.2).
var inactive = suite.Answer{
	Status: http.StatusOK, JSON: map[string]any{"active": false},
	Absent: []string{"scope", "client_id", "sub", "exp", "iat", "cnf", "username", "aud", "iss", "authorization_details", "grant_id"},
}

// introspection: RFC 7662, RFC 9701.
func introspection() []suite.Case {
	needs := []suite.Claim{suite.Introspection}
	dead := func(id, title, mend string, secret func(t *suite.T, g *suite.Grant) string) suite.Case {
		return suite.Case{
			ID: "introspection.inactive." + id, Title: title + " is not active, and nothing else is said about it", Spec: "RFC 7662, 2.2", Mend: mend, Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				t.Expect(t.Send(t.IntrospectRequest(t.ResourceServer(), secret(t, g))), inactive)
				t.Expect(t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access)), suite.Answer{Status: http.StatusOK, JSON: map[string]any{"active": true}})
			},
		}
	}
	const kinds = "Answer for access tokens alone: a resource server has no business with other secrets."
	const whole = "Look a token up by a keyed hash of the whole value."
	return []suite.Case{
		{
			ID: "introspection.active.shape", Title: "an access token is active, with client, scope, end and the key that it is bound to", Spec: "RFC 7662, 2.2; RFC 9449, 6.2", Needs: append([]suite.Claim{suite.DPoP}, needs...),
			Mend: "Say active, client_id, exp and cnf, so that a resource server can enforce the binding.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				resp := t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access))
				t.Expect(resp, suite.Answer{
					Status: http.StatusOK, Present: []string{"exp"}, Absent: []string{"error", "access_token", "refresh_token"},
					JSON: map[string]any{"active": true, "client_id": g.App.ClientID, "cnf.jkt": g.Key.Thumbprint()},
				})
				t.Check(strings.Contains(resp.Header.Get("Cache-Control"), "no-store"), "Cache-Control does not say no-store")
			},
		},
		{
			ID: "introspection.active.certificate", Title: "the certificate that a token is bound to is told", Spec: "RFC 8705, 3.2", Needs: append([]suite.Claim{suite.MTLS}, needs...),
			Mend: "Put x5t#S256 into cnf.",
			Run: func(t *suite.T) {
				g := t.Shared(t.ByCertificate(), suite.Ask{})
				resp := t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access))
				t.Expect(resp, suite.Answer{Status: http.StatusOK, JSON: map[string]any{"active": true}})
				cnf, _ := resp.Member("cnf").(map[string]any)
				thumbprint, _ := cnf["x5t#S256"].(string)
				t.Check(len(thumbprint) == 43, "cnf has no x5t#S256")
				t.Check(cnf["jkt"] == nil, "cnf has a jkt, too")
			},
		},
		{
			ID: "introspection.active.details", Title: "what was granted is told to the resource server", Spec: "RFC 9396, 9.2", Needs: append([]suite.Claim{suite.RAR}, needs...),
			Mend: "Put authorization_details into the answer.",
			Run: func(t *suite.T) {
				resp := t.Send(t.IntrospectRequest(t.ResourceServer(), t.Shared(t.A(), suite.Ask{}).Access))
				t.Expect(resp, suite.Answer{Status: http.StatusOK, JSON: map[string]any{"active": true}})
				t.Check(len(resp.List("authorization_details")) > 0, "the answer has no authorization_details")
			},
		},
		dead("unknown", "a token that was never issued", whole, func(*suite.T, *suite.Grant) string { return strings.Repeat("abcd", 12) }),
		dead("truncated", "a token without its last character", whole, func(_ *suite.T, g *suite.Grant) string { return g.Access[:len(g.Access)-1] }),
		dead("longer", "a token with something behind it", whole, func(_ *suite.T, g *suite.Grant) string { return g.Access + "A" }),
		dead("too-long", "a token of 8,000 characters", "Bound the length of parameters.", func(*suite.T, *suite.Grant) string { return strings.Repeat("A", 8000) }),
		dead("refresh", "a refresh token", kinds, func(t *suite.T, g *suite.Grant) string { t.Needs(suite.Refresh); return g.Refresh }),
		dead("code", "a code that was redeemed", kinds, func(_ *suite.T, g *suite.Grant) string { return g.Attempt.Code }),
		{
			ID: "introspection.caller.recipient", Title: "a data recipient learns nothing about tokens, not even its own", Spec: "RFC 7662, 4", Severity: suite.Should, Needs: needs,
			Mend: "Answer resource servers alone.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				resp := t.Send(t.IntrospectRequest(t.B(), g.Access))
				if resp.Status != http.StatusOK {
					t.Expect(resp, suite.Answer{Statuses: []int{400, 401, 403}})
					return
				}
				t.Expect(resp, inactive)
			},
		},
		{
			ID: "introspection.caller.nobody", Title: "a caller that does not authenticate is refused", Spec: "RFC 7662, 2.1", Needs: needs,
			Mend: "Authenticate the caller: else the endpoint tells anybody whether a token is good.",
			Run: func(t *suite.T) {
				r := t.IntrospectRequest(t.ResourceServer(), t.Shared(t.A(), suite.Ask{}).Access)
				r.Assertion, r.Certificate = nil, nil
				r.Form.Del("client_assertion_type")
				t.Expect(t.Send(r), suite.InvalidClient)
			},
		},
		{
			ID: "introspection.form.no-token", Title: "a request without a token is refused", Spec: "RFC 7662, 2.1", Needs: needs,
			Mend: "token is required.",
			Run: func(t *suite.T) {
				r := t.IntrospectRequest(t.ResourceServer(), "")
				r.Form.Del("token")
				t.Expect(t.Send(r), suite.Refused("invalid_request"))
			},
		},
		{
			ID: "introspection.form.get", Title: "the endpoint does not answer GET", Spec: "RFC 7662, 2.1", Needs: needs,
			Mend: "A GET leaves tokens in logs.",
			Run: func(t *suite.T) {
				t.Expect(t.Send(suite.Get(t.Endpoint(t.ResourceServer(), "introspection_endpoint")+"?token=x")), suite.Answer{Statuses: []int{400, 401, 404, 405}, Absent: []string{"active"}})
			},
		},
		{
			ID: "introspection.form.wrong-hint", Title: "a wrong token_type_hint changes nothing", Spec: "RFC 7662, 2.1", Needs: needs,
			Mend: "The hint is an optimisation: look further when it is wrong.",
			Run: func(t *suite.T) {
				r := t.IntrospectRequest(t.ResourceServer(), t.Shared(t.A(), suite.Ask{}).Access)
				r.Form.Set("token_type_hint", "refresh_token")
				t.Expect(t.Send(r), suite.Answer{Status: http.StatusOK, JSON: map[string]any{"active": true}})
			},
		},
		{
			ID: "introspection.ended.by-revocation", Title: "a token is not active from the moment on that its revocation was answered", Spec: "RFC 7009, 2.1; RFC 7662, 2.2", Needs: append([]suite.Claim{suite.Revocation}, needs...),
			Mend: "Answer a revocation only when no cache can say otherwise any more.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				t.Expect(t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access)), suite.Answer{Status: http.StatusOK, JSON: map[string]any{"active": true}})
				t.Expect(t.Send(t.RevokeRequest(g.App, g.Access)), suite.Answer{Status: http.StatusOK})
				t.Expect(t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access)), inactive)
			},
		},
		{
			ID: "introspection.ended.with-its-grant", Title: "an access token ends with its grant", Spec: "RFC 7009, 2.1", Needs: append([]suite.Claim{suite.Revocation, suite.Refresh}, needs...),
			Mend: "End the access tokens of a grant with its refresh token.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				t.Expect(t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access)), suite.Answer{Status: http.StatusOK, JSON: map[string]any{"active": true}})
				t.Expect(t.Send(t.RevokeRequest(g.App, g.Refresh)), suite.Answer{Status: http.StatusOK})
				t.Expect(t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access)), inactive)
			},
		},
		{
			ID: "introspection.signed.shape", Title: "a signed answer is for the caller, and cannot be taken for a token", Spec: "RFC 9701, 5", Needs: append([]suite.Claim{suite.SignedIntro}, needs...),
			Mend: "Sign with typ token-introspection+jwt, aud of the caller, iat, and the answer as token_introspection; no sub and no exp.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.IntrospectRequest(t.ResourceServer(), g.Access)
				r.Header.Set("Accept", "application/token-introspection+jwt")
				resp := t.Send(r)
				t.Expect(resp, suite.Answer{Status: http.StatusOK})
				t.Check(strings.HasPrefix(resp.Header.Get("Content-Type"), "application/token-introspection+jwt"), "Content-Type is %q", resp.Header.Get("Content-Type"))
				header, claims := suite.Headerset(string(resp.Body)), suite.Claimset(string(resp.Body))
				t.Check(header["typ"] == "token-introspection+jwt", "typ is %v", header["typ"])
				t.Check(header["alg"] != "none" && header["alg"] != "HS256" && header["alg"] != "RS256", "alg is %v", header["alg"])
				t.Check(claims["aud"] == t.ResourceServer().ClientID, "aud is not the caller")
				t.Check(claims["iss"] == t.Target.Issuer, "iss is not the issuer")
				t.Check(claims["iat"] != nil && claims["exp"] == nil && claims["sub"] == nil, "iat is required, exp and sub have no place")
				t.Check(suite.Dig(claims, "token_introspection.active") == true, "token_introspection does not say active")
			},
		},
	}
}
