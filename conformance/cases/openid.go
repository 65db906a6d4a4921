package cases

import (
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// openID: ID tokens, OpenID Connect Core section 2 and 3.1.3.
func openID() []suite.Case {
	needs := []suite.Claim{suite.PAR, suite.OpenID}
	id := func(t *suite.T) (*suite.Grant, map[string]any) {
		g := t.Shared(t.A(), suite.Ask{Scope: "openid"})
		compact, _ := g.Token["id_token"].(string)
		claims := suite.Claimset(compact)
		if claims == nil {
			t.Fatalf("there is no ID token, or it is not a JWT")
		}
		return g, claims
	}
	return []suite.Case{
		{
			ID: "openid.id-token.signed", Title: "the ID token is signed by a published key", Spec: "OpenID Connect Core, 3.1.3.7; FAPI 2.0 Security Profile, 5.4.1", Needs: needs,
			Mend: "Sign with a key of jwks_uri by PS256, ES256 or EdDSA.",
			Run: func(t *suite.T) {
				g, _ := id(t)
				_, err := t.Verify(g.Token["id_token"].(string))
				t.Check(err == nil, "the ID token is %v", err)
			},
		},
		{
			ID: "openid.id-token.claims", Title: "the ID token names issuer, client, person, nonce and its time", Spec: "OpenID Connect Core, 2 and 3.1.3.7", Needs: needs,
			Mend: "Put iss, sub, aud, exp, iat and the nonce of the request into it.",
			Run: func(t *suite.T) {
				g, claims := id(t)
				t.Check(claims["iss"] == t.Target.Issuer, "iss is not the issuer")
				audience, list := claims["aud"].(string)
				if !list {
					many, _ := claims["aud"].([]any)
					t.Check(len(many) == 1 && many[0] == any(g.App.ClientID), "aud is not this client alone")
				} else {
					t.Check(audience == g.App.ClientID, "aud is not the client")
				}
				t.Check(claims["nonce"] == g.Attempt.Nonce, "nonce is not that of the request")
				sub, _ := claims["sub"].(string)
				t.Check(sub != "" && len(sub) <= 255, "sub is missing or too long")
				iat, _ := claims["iat"].(float64)
				exp, _ := claims["exp"].(float64)
				t.Check(math.Abs(iat-float64(g.At.Unix())) < 60, "iat is not the time of issue")
				t.Check(exp > iat && exp > float64(time.Now().Unix())-300, "exp is not after iat")
			},
		},
		{
			ID: "openid.id-token.person-hidden", Title: "the ID token says nothing about the person that was not asked for", Spec: "OpenID Connect Core, 5.4; RFC 9700, 2", Severity: suite.Should, Needs: needs,
			Mend: "Keep username, name, e-mail and account numbers out of ID tokens.",
			Run: func(t *suite.T) {
				g, claims := id(t)
				for _, name := range []string{"name", "email", "preferred_username", "phone_number", "birthdate", "address", "given_name", "family_name"} {
					t.Check(claims[name] == nil, "the ID token has %s", name)
				}
				t.Check(claims["sub"] != t.Persona(g.Attempt.Ask.Persona).Username, "sub is the username")
			},
		},
		{
			ID: "openid.id-token.absent", Title: "there is no ID token without openid", Spec: "OpenID Connect Core, 3.1.2.1", Needs: append([]suite.Claim{suite.FDXConsent}, needs...),
			Mend: "Issue ID tokens for scope openid alone.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				t.Check(g.Token["id_token"] == nil, "there is an ID token that nobody asked for")
			},
		},
		{
			ID: "openid.sub.stable", Title: "a person keeps the same sub at one client, and two persons have two", Spec: "OpenID Connect Core, 2 and 8", Needs: append([]suite.Claim{suite.Personas}, needs...),
			Mend: "Derive sub from person and client.",
			Run: func(t *suite.T) {
				_, first := id(t)
				sub := func(ask suite.Ask) any {
					compact, _ := t.Grant(t.A(), ask).Token["id_token"].(string)
					return suite.Claimset(compact)["sub"]
				}
				again := sub(suite.Ask{Scope: "openid"})
				other := sub(suite.Ask{Scope: "openid", Persona: "saver"})
				t.Check(again != nil && again == first["sub"], "the same person has another sub")
				t.Check(other != nil && other != first["sub"], "two persons have one sub")
			},
		},
		{
			ID: "openid.refresh.none", Title: "an ID token of a refresh is about the same person, if there is one", Spec: "OpenID Connect Core, 12.2", Needs: append([]suite.Claim{suite.Refresh}, needs...),
			Mend: "Issue none on refresh, or one with the same iss, sub and aud.",
			Run: func(t *suite.T) {
				g, first := id(t)
				resp := t.Send(t.RefreshRequest(g, g.Key))
				t.Expect(resp, suite.Answer{Status: http.StatusOK, Present: []string{"access_token"}})
				if compact := resp.Text("id_token"); compact != "" {
					claims := suite.Claimset(compact)
					t.Check(claims["sub"] == first["sub"] && claims["iss"] == first["iss"], "the ID token of the refresh is about somebody else")
				}
			},
		},
		{
			ID: "openid.nonce.optional", Title: "openid without nonce is accepted, and the ID token has none", Spec: "OpenID Connect Core, 3.1.2.1", Needs: needs, Severity: suite.Should,
			Mend: "nonce is optional in the code flow.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{Scope: "openid", Extra: map[string][]string{"nonce": {}}})
				compact, _ := g.Token["id_token"].(string)
				claims := suite.Claimset(compact)
				t.Check(claims != nil && claims["nonce"] == nil, "there is no ID token, or it has a nonce")
			},
		},
		{
			ID: "openid.auth-time", Title: "auth_time is there when max_age was asked for", Spec: "OpenID Connect Core, 2 and 3.1.2.1", Needs: needs,
			Mend: "Put auth_time into the ID token when max_age was there.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{Scope: "openid", Extra: map[string][]string{"max_age": {"300"}}})
				compact, _ := g.Token["id_token"].(string)
				at, _ := suite.Claimset(compact)["auth_time"].(float64)
				t.Check(math.Abs(float64(g.At.Unix())-at) < 300, "auth_time is missing or older than max_age")
			},
		},
		{
			ID: "openid.discovery.complete", Title: "the document has what OpenID Connect requires", Spec: "OpenID Connect Discovery, 3", Needs: needs,
			Mend: "Publish the required members.",
			Run: func(t *suite.T) {
				for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"} {
					t.Check(t.Metadata()[name] != nil, "%s is missing", name)
				}
				t.Check(!slices.Contains(t.Metadata().List("id_token_signing_alg_values_supported"), "none"), "ID tokens may be unsigned")
			},
		},
	}
}
