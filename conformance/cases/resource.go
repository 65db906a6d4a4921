package cases

import "github.com/headgate/headgate/conformance/suite"

// resource: what a protected resource does with tokens, RFC 6750, RFC 9449
// section 7, FAPI 2.0 section 5.3.4.
func resource() []suite.Case {
	return []suite.Case{
		{
			ID: "resource.interaction-id.echo", Title: "x-fapi-interaction-id comes back as it was sent", Spec: "FDX API 6, headers; FAPI 2.0 Implementation Advice", Needs: []suite.Claim{suite.FDX},
			Mend: "Copy the header of the request to the answer, on errors too.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.Read(g, "/accounts")
				id := r.Header.Get("x-fapi-interaction-id")
				t.Expect(t.Send(r), suite.Answer{Status: 200, Header: map[string]string{"x-fapi-interaction-id": id}})
			},
		},
	}
}
