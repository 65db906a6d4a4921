package cases

import (
	"net/url"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// jarm: signed answers, JARM and FAPI 2.0 Message Signing section 5.4.
func jarm() []suite.Case {
	needs := []suite.Claim{suite.PAR, suite.JAR, suite.JARM}
	// returned walks to a decision and returns what came back, unread.
	returned := func(t *suite.T, decision suite.Decision) (*url.URL, *suite.Attempt) {
		a := t.Push(t.Signing(), suite.Ask{})
		page := t.Walk(t.Person(), a, t.AuthorizeURL(a), decision)
		if page.Left == nil {
			t.Fatalf("the consumer was not sent back to the app")
		}
		return page.Left, a
	}
	var out []suite.Case
	for _, c := range []struct {
		id, title string
		decision  suite.Decision
		code      string
	}{{"code", "a yes", suite.Approve, ""}, {"error", "a no", suite.Deny, "access_denied"}} {
		out = append(out,
			suite.Case{
				ID: "jarm." + c.id + ".signed", Title: c.title + " comes back signed by a published key", Spec: "JARM, 2.2 and 4; FAPI 2.0 Message Signing, 5.4.1", Needs: needs,
				Mend: "Sign the answer with a key of jwks_uri by PS256, ES256 or EdDSA, errors too.",
				Run: func(t *suite.T) {
					left, _ := returned(t, c.decision)
					_, err := t.Verify(left.Query().Get("response"))
					t.Check(err == nil, "response is %v", err)
				},
			},
			suite.Case{
				ID: "jarm." + c.id + ".alone", Title: c.title + " comes back as one signed parameter and nothing beside", Spec: "JARM, 2.3.1", Needs: needs,
				Mend: "Put code, state, iss and error into the JWT alone.",
				Run: func(t *suite.T) {
					left, a := returned(t, c.decision)
					for _, name := range []string{"code", "state", "iss", "error", "error_description"} {
						t.Check(!left.Query().Has(name), "%s stands outside of the signed answer", name)
					}
					t.ExpectReturn(left, a, c.code)
				},
			},
			suite.Case{
				ID: "jarm." + c.id + ".claims", Title: c.title + " names issuer, client and a short life", Spec: "JARM, 2.1", Needs: needs,
				Mend: "Put iss, aud and an exp of ten minutes at most into the JWT.",
				Run: func(t *suite.T) {
					left, a := returned(t, c.decision)
					claims := suite.Claimset(left.Query().Get("response"))
					t.Check(claims["iss"] == t.Target.Issuer, "iss is not the issuer")
					audience, _ := claims["aud"].(string)
					if list, ok := claims["aud"].([]any); ok && len(list) == 1 {
						audience, _ = list[0].(string)
					}
					t.Check(audience == a.App.ClientID, "aud is not the client")
					exp, _ := claims["exp"].(float64)
					left2 := exp - float64(time.Now().Unix())
					t.Check(left2 > 0 && left2 <= 600, "exp is %.0f s from now; expected ten minutes at most", left2)
				},
			})
	}
	return append(out,
		suite.Case{
			ID: "jarm.mode.registered", Title: "a client of signed answers gets no plain ones", Spec: "JARM, 3; FAPI 2.0 Message Signing, 5.4.1", Needs: needs,
			Mend: "Allow the response modes that the client is registered for.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.Signing(), suite.Ask{Extra: url.Values{"response_mode": {"query"}}})
				t.Expect(t.Send(r), suite.Refused("invalid_request"))
			},
		},
		suite.Case{
			ID: "jarm.mode.fragment", Title: "fragment.jwt is refused", Spec: "FAPI 2.0 Security Profile, 5.3.2.2; JARM, 2.3.2", Needs: needs, Severity: suite.Should,
			Mend: "Code flow needs query alone.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.Signing(), suite.Ask{Extra: url.Values{"response_mode": {"fragment.jwt"}}})
				t.Expect(t.Send(r), suite.Refused("invalid_request"))
			},
		},
		suite.Case{
			ID: "jarm.mode.unknown", Title: "a response_mode that does not exist is refused", Spec: "OAuth 2.0 Multiple Response Types, 2.1", Needs: needs,
			Mend: "Refuse what response_modes_supported does not hold.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.Signing(), suite.Ask{Extra: url.Values{"response_mode": {"carrier-pigeon"}}})
				t.Expect(t.Send(r), suite.Refused("invalid_request"))
			},
		},
	)
}
