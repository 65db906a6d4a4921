package cases

import (
	"net/http"
	"strings"

	"github.com/headgate/headgate/conformance/suite"
)

// revocation: RFC 7009.
func revocation() []suite.Case {
	needs := []suite.Claim{suite.Revocation, suite.Resource}
	done := suite.Answer{Status: http.StatusOK}
	harmless := func(id, title, spec, mend string, want suite.Answer, bend func(t *suite.T, g *suite.Grant, r *suite.Request)) suite.Case {
		return suite.Case{
			ID: "revocation." + id, Title: title, Spec: spec, Mend: mend, Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.RevokeRequest(g.App, g.Access+"A")
				bend(t, g, r)
				t.Expect(t.Send(r), want)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		}
	}
	return []suite.Case{
		{
			ID: "revocation.access.ends-it", Title: "a revoked access token opens nothing from the answer on", Spec: "RFC 7009, 2.1", Needs: needs,
			Mend: "Look at the token's state on every read, not only when it is first seen.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				t.Expect(t.Send(t.RevokeRequest(g.App, g.Access)), done)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.Unauthorized)
			},
		},
		{
			ID: "revocation.access.certificate", Title: "the same for a token that is bound to a certificate", Spec: "RFC 7009, 2.1", Needs: append([]suite.Claim{suite.MTLS}, needs...),
			Mend: "Look at the token's state on every read, not only when it is first seen.",
			Run: func(t *suite.T) {
				g := t.Grant(t.ByCertificate(), suite.Ask{})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				t.Expect(t.Send(t.RevokeRequest(g.App, g.Access)), done)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.Unauthorized)
			},
		},
		{
			ID: "revocation.access.again", Title: "a second revocation of the same token is answered like the first", Spec: "RFC 7009, 2.2", Needs: needs,
			Mend: "What the client wants is so: answer 200.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				t.Expect(t.Send(t.RevokeRequest(g.App, g.Access)), done)
				t.Expect(t.Send(t.RevokeRequest(g.App, g.Access)), done)
			},
		},
		{
			ID: "revocation.refresh.ends-access", Title: "with the refresh token its access tokens end", Spec: "RFC 7009, 2.1", Needs: append([]suite.Claim{suite.Refresh}, needs...),
			Mend: "End all tokens of the grant.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				resp := t.Send(t.RefreshRequest(g, g.Key))
				t.Expect(resp, suite.OK)
				second := *g
				second.Access = resp.Text("access_token")
				t.Expect(t.Send(t.RevokeRequest(g.App, g.Refresh)), done)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.Unauthorized)
				t.Expect(t.Send(t.Read(&second, g.App.Resource)), suite.Unauthorized)
				t.Expect(t.Send(t.RefreshRequest(g, g.Key)), suite.Refused("invalid_grant"))
			},
		},
		{
			ID: "revocation.refresh.other-grant", Title: "another grant of the same app goes on", Spec: "RFC 7009, 2.1", Needs: append([]suite.Claim{suite.Refresh}, needs...),
			Mend: "End what belongs to the token's own grant.",
			Run: func(t *suite.T) {
				g, other := t.Grant(t.A(), suite.Ask{}), t.Shared(t.A(), suite.Ask{})
				t.Expect(t.Send(t.RevokeRequest(g.App, g.Refresh)), done)
				t.Expect(t.Send(t.Read(other, other.App.Resource)), suite.OK)
			},
		},
		harmless("foreign.access", "another client cannot end an access token", "RFC 7009, 2.1", "Compare the client that the token was issued to; say no more than for an unknown one.", suite.Answer{Statuses: []int{200, 400}},
			func(t *suite.T, g *suite.Grant, r *suite.Request) { *r = *t.RevokeRequest(t.B(), g.Access) }),
		harmless("foreign.refresh", "another client cannot end a refresh token", "RFC 7009, 2.1", "Compare the client that the token was issued to; say no more than for an unknown one.", suite.Answer{Statuses: []int{200, 400}},
			func(t *suite.T, g *suite.Grant, r *suite.Request) { *r = *t.RevokeRequest(t.B(), g.Refresh) }),
		harmless("unknown", "an unknown token is answered like one that was revoked", "RFC 7009, 2.2", "An invalid token is no error: answer 200.", done, func(*suite.T, *suite.Grant, *suite.Request) {}),
		harmless("no-token", "a request without a token is refused", "RFC 7009, 2.1", "token is required.", suite.Refused("invalid_request"),
			func(_ *suite.T, _ *suite.Grant, r *suite.Request) { r.Form.Del("token") }),
		{
			ID: "revocation.twice", Title: "a request with two tokens is refused and ends neither", Spec: "RFC 6749, 3.2", Needs: needs,
			Mend: "Parameters must not be included more than once.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				r := t.RevokeRequest(g.App, g.Access)
				r.Form["token"] = []string{g.Access, g.Refresh}
				t.Expect(t.Send(r), suite.Refused("invalid_request"))
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		},
		harmless("nobody", "a caller that does not authenticate is refused and ends nothing", "RFC 7009, 2.1", "Authenticate confidential clients.", suite.Answer{Statuses: []int{400, 401}, Errors: []string{"invalid_client", "invalid_request"}},
			func(_ *suite.T, g *suite.Grant, r *suite.Request) {
				r.Form.Set("token", g.Access)
				r.Form.Del("client_assertion_type")
				r.Assertion, r.Certificate = nil, nil
			}),
		harmless("code", "a code cannot be revoked, and the answer does not say that it was", "RFC 7009, 2.2.1", "Answer unsupported_token_type, or 200 for what is no token.", suite.Answer{Statuses: []int{200, 400}},
			func(_ *suite.T, g *suite.Grant, r *suite.Request) { r.Form.Set("token", g.Attempt.Code) }),
		harmless("too-long", "a token of 8,000 characters ends nothing", "RFC 7009, 2.2", "Bound the length of parameters.", suite.Answer{Statuses: []int{200, 400, 413}},
			func(_ *suite.T, _ *suite.Grant, r *suite.Request) { r.Form.Set("token", strings.Repeat("A", 8000)) }),
		{
			ID: "revocation.hint.wrong", Title: "a wrong token_type_hint does not keep a token alive", Spec: "RFC 7009, 2.1", Needs: needs,
			Mend: "Look further when the hint is wrong.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				r := t.RevokeRequest(g.App, g.Access)
				r.Form.Set("token_type_hint", "refresh_token")
				t.Expect(t.Send(r), done)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.Unauthorized)
			},
		},
	}
}
