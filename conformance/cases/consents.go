package cases

import (
	"net/http"

	"github.com/headgate/headgate/conformance/suite"
)

// consents: given, narrowed, denied, stopped, expired, for one look.
func consents() []suite.Case {
	return []suite.Case{
		{
			ID: "consent.stop.by-recipient", Title: "after a recipient has given its refresh token back, no data is read", Spec: "RFC 7009, 2.1; FDX API 6, consent", Needs: []suite.Claim{suite.Resource, suite.Revocation, suite.Refresh, suite.FDXConsent},
			Mend: "End the grant with its refresh token, and look at the grant on every read.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				t.Expect(t.Send(t.RevokeRequest(g.App, g.Refresh)), suite.Answer{Status: http.StatusOK})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.Unauthorized)
				t.Expect(t.Send(t.RefreshRequest(g, g.Key)), suite.Refused("invalid_grant"))
			},
		},
	}
}
