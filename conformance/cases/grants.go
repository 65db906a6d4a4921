package cases

import (
	"net/http"
	"strings"

	"github.com/headgate/headgate/conformance/suite"
)

const (
	queryScope  = "grant_management_query"
	revokeScope = "grant_management_revoke"
)

// grants: Grant Management for OAuth 2.0.
func grants() []suite.Case {
	const spec = "Grant Management for OAuth 2.0, 6"
	needs := []suite.Claim{suite.GrantManagement, suite.ClientCreds}
	at := func(t *suite.T, id string) string { return t.Endpoint(nil, "grant_management_endpoint") + "/" + id }
	noGrant := suite.Answer{Status: http.StatusNotFound}
	query := func(id, title, mend string, want suite.Answer, bend func(t *suite.T, g *suite.Grant, r *suite.Request)) suite.Case {
		return suite.Case{
			ID: "grant.query." + id, Title: title, Spec: spec + ".3", Mend: mend, Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				own := t.Own(g.App, queryScope)
				r := t.Call(own, http.MethodGet, at(t, g.ID))
				bend(t, g, r)
				t.Expect(t.Send(r), want)
				t.Expect(t.Send(t.Call(own, http.MethodGet, at(t, g.ID))), suite.OK)
			},
		}
	}
	return []suite.Case{
		{
			ID: "grant.query.shape", Title: "a client is told what it was granted, and no token", Spec: spec + ".3", Needs: needs,
			Mend: "Answer with scopes and authorization_details of the grant.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				resp := t.Send(t.Call(t.Own(g.App, queryScope), http.MethodGet, at(t, g.ID)))
				t.Expect(resp, suite.Answer{Status: http.StatusOK, Absent: []string{"access_token", "refresh_token"}})
				t.Check(len(resp.List("scopes"))+len(resp.List("authorization_details")) > 0, "neither scopes nor authorization_details")
				t.Check(!strings.Contains(string(resp.Body), g.Refresh), "the answer holds a refresh token")
			},
		},
		query("unknown", "an unknown grant is not found", "Answer 404.", noGrant, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			*r = *t.Call(t.Own(g.App, queryScope), http.MethodGet, at(t, suite.NewUUID()))
		}),
		query("foreign", "another client's grant answers like an unknown one", "Compare the client; a 403 would tell that the grant exists.", noGrant, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			other := t.Shared(t.B(), suite.Ask{})
			*r = *t.Call(t.Own(g.App, queryScope), http.MethodGet, at(t, other.ID))
		}),
		query("path", "an id with a way up in it leads nowhere", "Take the id as one segment of the path.", suite.Answer{Statuses: []int{400, 404}}, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			*r = *t.Call(t.Own(g.App, queryScope), http.MethodGet, at(t, "%2e%2e%2f"+g.ID))
		}),
		query("no-token", "a query without a token is refused", "The endpoint is protected.", suite.Answer{Status: http.StatusUnauthorized}, func(_ *suite.T, _ *suite.Grant, r *suite.Request) {
			r.Header.Del("Authorization")
			r.Proof = nil
		}),
		query("data-token", "the token of a consent does not stand in for the client's own", "Ask for a token of the client's own.", suite.Answer{Statuses: []int{401, 403}}, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			*r = *t.Call(g, http.MethodGet, at(t, g.ID))
		}),
		query("no-proof", "a bound token without a proof is refused", "The endpoint is a protected resource like any other.", suite.Answer{Status: http.StatusUnauthorized}, func(_ *suite.T, _ *suite.Grant, r *suite.Request) { r.Proof = nil }),
		query("wrong-scope", "the scope to end grants does not let one read them", "Compare the scope with the method.", suite.Answer{Status: http.StatusForbidden, Challenge: "insufficient_scope"}, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			*r = *t.Call(t.Own(g.App, revokeScope), http.MethodGet, at(t, g.ID))
		}),
		query("put", "a grant cannot be written", "Only GET and DELETE exist.", suite.Answer{Statuses: []int{404, 405}}, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			*r = *t.Call(t.Own(g.App, queryScope), http.MethodPut, at(t, g.ID))
		}),
		{
			ID: "grant.revoke.query-scope", Title: "the scope to read grants does not let one end them", Spec: spec + ".4", Needs: append([]suite.Claim{suite.Resource}, needs...),
			Mend: "Compare the scope with the method.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				t.Expect(t.Send(t.Call(t.Own(g.App, queryScope), http.MethodDelete, at(t, g.ID))), suite.Answer{Status: http.StatusForbidden, Challenge: "insufficient_scope"})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		},
		{
			ID: "grant.revoke.foreign", Title: "another client cannot end a grant", Spec: spec + ".4", Needs: append([]suite.Claim{suite.Resource}, needs...),
			Mend: "Compare the client; answer as for an unknown grant.",
			Run: func(t *suite.T) {
				g := t.Grant(t.B(), suite.Ask{})
				t.Expect(t.Send(t.Call(t.Own(t.A(), revokeScope), http.MethodDelete, at(t, g.ID))), noGrant)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		},
		{
			ID: "grant.revoke.ends-everything", Title: "with a grant all its tokens end, from the answer on", Spec: spec + ".4", Needs: append([]suite.Claim{suite.Resource, suite.Refresh}, needs...),
			Mend: "End the grant; look at the grant on every read.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				t.Expect(t.Send(t.Call(t.Own(g.App, revokeScope), http.MethodDelete, at(t, g.ID))), suite.Answer{Status: http.StatusNoContent})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.Unauthorized)
				t.Expect(t.Send(t.RefreshRequest(g, g.Key)), suite.Refused("invalid_grant"))
				t.Expect(t.Send(t.Call(t.Own(g.App, queryScope), http.MethodGet, at(t, g.ID))), noGrant)
				t.Expect(t.Send(t.Call(t.Own(g.App, revokeScope), http.MethodDelete, at(t, g.ID))), noGrant)
			},
		},
	}
}
