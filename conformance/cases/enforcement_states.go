package cases

import (
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/suite"
)

// dead is a resource's no to the token of a consent that is over, in the form
// of FDX.
var dead = suite.Answer{Status: http.StatusUnauthorized, Challenge: "invalid_token", FDX: "603"}

// resting is its no while sharing rests: the tokens are good again later.
var resting = suite.Answer{Status: http.StatusForbidden, FDX: "403", Header: map[string]string{"WWW-Authenticate": ""}}

// portal opens a page of the consumer's own pages about a grant, signed in.
func portal(t *suite.T, b suite.Person, g *suite.Grant, page string) *browser.Page {
	who := t.Persona(g.Attempt.Ask.Persona)
	got, err := b.Open(t.Context(), t.Target.Portal+"/grants/"+g.ID+page)
	if err == nil && got.Find(t.Target.Pages.SignIn) != "" {
		if err = got.Fill(got.Find(t.Target.Pages.Username), who.Username); err == nil {
			err = got.Fill(got.Find(t.Target.Pages.Password), who.Password)
		}
		if err == nil {
			_, err = b.Press(t.Context(), got, got.Find(t.Target.Pages.SignIn))
		}
		if err == nil {
			got, err = b.Open(t.Context(), t.Target.Portal+"/grants/"+g.ID+page)
		}
	}
	if err != nil {
		t.Cannot("open the consumer's page about a consent", err)
	}
	return got
}

// press presses a control of the consumer's pages.
func press(t *suite.T, b suite.Person, page *browser.Page, id string) *browser.Page {
	next, err := b.Press(t.Context(), page, id)
	if err != nil {
		t.Cannot("press "+id+" on the consumer's pages", err)
	}
	return next
}

// everywhere asks every operation with a grant, and expects one answer.
func everywhere(t *suite.T, g *suite.Grant, want suite.Answer) {
	account, customer := accountIDs(t, full(t, "borrower"))[0], "current"
	for _, o := range operations {
		path := strings.NewReplacer("{account}", account, "{customer}", customer, "{statement}", "2026-01", "{image}", "1", "{program}", "1").Replace(o.path)
		if !t.Expect(t.Send(o.ask(t, g, path)), want) {
			t.Errorf("that was %s", o.id)
		}
	}
}

// enforcedStates: what the state of a grant, a token and an account mean.
func enforcedStates() []suite.Case {
	one := func(id, title, spec, mend string, more []suite.Claim, run func(t *suite.T)) suite.Case {
		return suite.Case{ID: "enforcement.state." + id, Title: title, Spec: spec, Needs: slices.Concat(enforced, more), Mend: mend, Run: run}
	}
	ask := fullAsk("borrower")
	order := func(id, title string, run func(t *suite.T)) suite.Case {
		return suite.Case{ID: "enforcement.order." + id, Title: title, Spec: "FDX API 6, errors; RFC 6750, 3.1", Needs: enforced, Mend: "Check in this order: token, form of the request, state of the grant, scope, account, cluster, window; the first no is the answer.", Run: run}
	}
	return []suite.Case{
		one("revoked", "after the recipient has ended a consent no operation answers with data", "RFC 7009, 2.1; FDX API 6, consent", "Look at the grant on every read of every operation, after whatever a cache says.", []suite.Claim{suite.Revocation}, func(t *suite.T) {
			g := t.Grant(t.Named("homewards"), ask)
			t.Expect(t.Send(t.Read(g, "/accounts")), suite.OK)
			t.Expect(t.Send(t.RevokeRequest(g.App, g.Refresh)), suite.OK)
			everywhere(t, g, dead)
		}),
		one("stopped", "after the person has stopped sharing no operation answers with data, and the tokens are dead", "FDX API 6, consent; FAPI 2.0 Security Profile, 5.3.4", "End the grant in the transaction that answers the person; let no cache outlive it.", []suite.Claim{suite.Portal}, func(t *suite.T) {
			g := t.Grant(t.Named("homewards"), ask)
			t.Expect(t.Send(t.Read(g, "/accounts")), suite.OK)
			b := t.Person()
			press(t, b, portal(t, b, g, "/stop"), "stop_confirm")
			everywhere(t, g, dead)
			t.Expect(t.Send(t.RefreshRequest(g, g.Key)), suite.Refused("invalid_grant"))
		}),
		one("stopped-alone", "stopping one consent leaves another of the same person with the same recipient alone", "FDX API 6, consent", "End what was named and nothing beside it.", []suite.Claim{suite.Revocation}, func(t *suite.T) {
			g, other := t.Grant(t.Named("homewards"), ask), t.Grant(t.Named("homewards"), ask)
			t.Expect(t.Send(t.RevokeRequest(g.App, g.Refresh)), suite.OK)
			t.Expect(t.Send(t.Read(g, "/accounts")), dead)
			t.Expect(t.Send(t.Read(other, "/accounts")), suite.OK)
		}),
		one("paused", "while sharing is paused no operation answers with data, and after it the same token reads on", "FDX API 6, errors (documented contract: pause)", "Refuse with 403 and code 403, without a challenge, so that the recipient keeps its tokens.", []suite.Claim{suite.Portal}, func(t *suite.T) {
			g := t.Grant(t.Named("homewards"), ask)
			b := t.Person()
			page := portal(t, b, g, "/pause")
			if err := page.Tick("pause_date"); err != nil {
				t.Cannot("choose a day", err)
			}
			if err := page.Fill("pause_day", day(3)); err != nil {
				t.Cannot("choose a day", err)
			}
			press(t, b, page, "pause_confirm")
			everywhere(t, g, resting)
			t.Expect(t.Send(t.RefreshRequest(g, g.Key)), suite.Answer{Status: http.StatusServiceUnavailable, Error: "temporarily_unavailable", Header: map[string]string{"Retry-After": "3600"}})
			press(t, b, portal(t, b, g, "/resting"), "resume_sharing")
			t.Expect(t.Send(t.Read(g, "/accounts")), suite.OK)
		}),
		one("held", "while sharing is on hold no operation answers with data, and after it the same token reads on", "FDX API 6, errors (documented contract: hold)", "Refuse with 403 and code 403, without a challenge, until the person or the bank lifts the hold.", []suite.Claim{suite.Portal}, func(t *suite.T) {
			g := t.Grant(t.Named("homewards"), ask)
			b := t.Person()
			press(t, b, portal(t, b, g, "/hold"), "hold_confirm")
			everywhere(t, g, resting)
			press(t, b, portal(t, b, g, "/resting"), "release_sharing")
			t.Expect(t.Send(t.Read(g, "/accounts")), suite.OK)
		}),
		one("held-introspection", "the token of a consent that rests is not active", "RFC 7662, 2.2", "active is about the consent as well as about the token.", []suite.Claim{suite.Portal, suite.Introspection}, func(t *suite.T) {
			g := t.Grant(t.Named("homewards"), ask)
			t.Expect(t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access)), suite.Answer{Status: 200, JSON: map[string]any{"active": true}})
			b := t.Person()
			press(t, b, portal(t, b, g, "/hold"), "hold_confirm")
			resp := t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access))
			t.Expect(resp, suite.Answer{Status: 200, JSON: map[string]any{"active": false}})
			t.Check(len(resp.Object()) == 1, "more is said about it than that it is not active")
		}),
		one("narrowed-token", "a token for fewer clusters than its consent opens fewer operations, and the consent stays as it is", "RFC 9396, 6", "Keep what a token was narrowed to beside it, and cut the grant down to it on every read.", []suite.Claim{suite.Refresh}, func(t *suite.T) {
			g := t.Grant(t.Named("homewards"), ask)
			r := t.RefreshRequest(g, g.Key)
			r.Form.Set("scope", "fdx:accountbasic:read")
			resp := t.Send(r)
			t.Expect(resp, suite.OK)
			narrow := *g
			narrow.Access = resp.Text("access_token")
			t.Expect(t.Send(t.Read(&narrow, "/accounts")), suite.OK)
			account := accountIDs(t, g)[0]
			t.Expect(t.Send(t.Read(&narrow, "/accounts/"+account+"/transactions")), insufficientScope)
			t.Expect(t.Send(t.Read(g, "/accounts/"+account+"/transactions")), suite.OK)
		}),
		one("two-grants", "the token of one consent opens nothing that only another consent of the same person holds", "FDX API 6, consent", "Decide by the grant of the token, never by the person or by the recipient.", nil, func(t *suite.T) {
			first := t.Shared(t.Named("homewards"), suite.Ask{Clusters: everything, Lookback: 730, Persona: "borrower", Accounts: []int{0}})
			second := t.Shared(t.Named("homewards"), suite.Ask{Clusters: everything, Lookback: 730, Persona: "borrower", Accounts: []int{1}})
			mine, other := accountIDs(t, first)[0], accountIDs(t, second)[0]
			t.Expect(t.Send(t.Read(first, "/accounts/"+mine)), suite.OK)
			t.Expect(t.Send(t.Read(first, "/accounts/"+other)), suite.FDXRefused(404, "701"))
			t.Expect(t.Send(t.Read(second, "/accounts/"+other)), suite.OK)
			t.Expect(t.Send(t.Read(second, "/accounts/"+mine)), suite.FDXRefused(404, "701"))
		}),
		one("two-recipients", "what one recipient was given another one does not get", "FDX API 6, consent", "Decide by the grant of the token, never by the person.", nil, func(t *suite.T) {
			b := t.Shared(t.B(), suite.Ask{Clusters: []string{"ACCOUNT_BASIC"}, Persona: "borrower", Accounts: []int{0}})
			all := accountIDs(t, full(t, "borrower"))
			mine := accountIDs(t, b)[0]
			other := all[slices.IndexFunc(all, func(id string) bool { return id != mine })]
			t.Expect(t.Send(t.Read(b, "/accounts?accountIds="+other)), suite.FDXRefused(404, "1107"))
			t.Expect(t.Send(t.Read(b, "/accounts/"+mine+"/transactions")), insufficientScope)
		}),
		one("account-gone", "an account that the bank does not have any more is not found, and the rest of the consent stays", "FDX API 6, error 701", "Pass on that the account is gone as 404 with code 701.", nil, func(t *suite.T) {
			// The third account of quirks that can be chosen is gone; the list
			// still answers with what is there.
			g := full(t, "quirks")
			resp := t.Send(t.Read(g, "/accounts?resultType=details"))
			t.Expect(resp, suite.Answer{Status: http.StatusPartialContent})
			s := op("searchForAccounts").fits(t, resp, everything...)
			for _, path := range []string{"DepositAccount.currentBalance", "DepositAccount.availableBalance"} {
				delete(s.faults, path) // of the account whose system is down
			}
			s.report(t)
			t.Check(s.saw("DepositAccount.error.code"), "no account says that parts of it are missing, and the answer is 206")
		}),
		order("dead-before-malformed", "a dead token is told of before a malformed request", func(t *suite.T) {
			r := t.Read(full(t, "borrower"), "/accounts?limit=0")
			t.Expect(t.Send(r), suite.FDXRefused(400, "401"))
			g := *full(t, "borrower")
			g.Access = bendToken(g.Access)
			t.Expect(t.Send(t.Read(&g, "/accounts?limit=0")), dead)
		}),
		order("malformed-before-scope", "a malformed request is told of before a missing scope", func(t *suite.T) {
			g := alone(t, "borrower", "BALANCES")
			t.Expect(t.Send(t.Read(g, "/accounts?limit=0")), suite.FDXRefused(400, "401"))
			t.Expect(t.Send(t.Read(g, "/accounts")), insufficientScope)
		}),
		order("scope-before-account", "a missing scope is told of before an unknown account, so that nobody learns what exists", func(t *suite.T) {
			g := alone(t, "borrower", "BALANCES")
			a := t.Send(t.Read(g, "/accounts/"+unknownAccount+"/transactions"))
			b := t.Send(t.Read(g, "/accounts/"+accountIDs(t, full(t, "borrower"))[0]+"/transactions"))
			t.Expect(a, insufficientScope)
			t.Expect(b, insufficientScope)
			t.Check(string(a.Body) == string(b.Body), "the two answers differ")
		}),
		order("account-before-window", "an account outside the grant is told of before a window outside the look-back", func(t *suite.T) {
			short, _, account := lookback(t)
			t.Expect(t.Send(t.Read(short, "/accounts/"+unknownAccount+"/transactions?"+window(-90, -60))), suite.FDXRefused(404, "701"))
			t.Expect(t.Send(t.Read(short, "/accounts/"+account+"/transactions?"+window(-90, -60))), suite.FDXRefused(400, "703"))
		}),
	}
}

// bendToken is the token with another last character: of the same form, and
// of nobody.
func bendToken(token string) string {
	last := byte('A')
	if strings.HasSuffix(token, "A") {
		last = 'B'
	}
	return token[:len(token)-1] + string(last)
}
