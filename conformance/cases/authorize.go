package cases

import "github.com/headgate/headgate/conformance/suite"

// authorize: the authorization endpoint and the consumer's journey, RFC 6749
// section 4.1, RFC 9207.
func authorize() []suite.Case {
	return []suite.Case{
		{
			ID: "authorize.deny.returns", Title: "a consumer who says no is led back to the app", Spec: "RFC 6749, 4.1.2.1; RFC 9207, 2", Needs: []suite.Claim{suite.PAR},
			Mend: "Redirect with error access_denied, state as it was sent, and iss.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				page := t.Walk(t.Browser(), a, t.AuthorizeURL(a), suite.Deny)
				t.ExpectReturn(page.Left, a, "access_denied")
			},
		},
	}
}
