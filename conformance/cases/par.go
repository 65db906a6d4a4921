package cases

import "github.com/headgate/headgate/conformance/suite"

// par: pushed authorization requests, RFC 9126.
func par() []suite.Case {
	return []suite.Case{
		{
			ID: "par.pkce.missing", Title: "a request without code_challenge is refused when it is pushed", Spec: "FAPI 2.0 Security Profile, 5.3.2.2", Needs: []suite.Claim{suite.PAR},
			Mend: "Check PKCE at the pushed authorization request endpoint, before a consumer is asked anything.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.A(), suite.Ask{})
				r.Form.Del("code_challenge")
				t.Expect(t.Send(r), suite.Refused("invalid_request"))
			},
		},
	}
}
