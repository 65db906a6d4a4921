package cases

import "github.com/headgate/headgate/conformance/suite"

// token: the token endpoint, RFC 6749 and FAPI 2.0 section 5.3.2.1.
func token() []suite.Case {
	return []suite.Case{
		{
			ID: "token.pkce.wrong-verifier", Title: "a wrong code_verifier is refused, and the code stays good for its owner", Spec: "RFC 7636, 4.6", Needs: []suite.Claim{suite.PAR},
			Mend: "Compare the S256 hash of code_verifier with code_challenge before the code is used up.",
			Run: func(t *suite.T) {
				a := t.Code(t.A(), suite.Ask{})
				r := t.TokenRequest(a)
				r.Form.Set("code_verifier", t.NewAttempt(a.App, suite.Ask{}).Verifier)
				t.Expect(t.Send(r), suite.Refused("invalid_grant"))
			},
		},
	}
}
