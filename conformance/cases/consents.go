package cases

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// consents: given, narrowed, denied, stopped, expired, for one look.
func consents() []suite.Case {
	return slices.Concat(consentRequests(), consentGiven(), consentAPI(), consentRevocation(), consentExpired())
}

// consentRequests: what may be asked for, RFC 9396 and FDX consent.
func consentRequests() []suite.Case {
	needs := []suite.Claim{suite.FDXConsent, suite.RAR, suite.PAR}
	// one bends the consentRequest of a request that is right.
	one := func(id, title, spec, mend, code string, bend func(details []any, request map[string]any)) suite.Case {
		return suite.Case{ID: "consent.request." + id, Title: title, Spec: spec, Needs: needs, Mend: mend, Run: func(t *suite.T) {
			app := t.A()
			details := suite.Details(app, suite.Ask{})
			bend(details, details[0].(map[string]any)["consentRequest"].(map[string]any))
			r, _ := t.PushRequest(app, suite.Ask{Details: details})
			t.Expect(t.Send(r), suite.Refused(code))
			r, _ = t.PushRequest(app, suite.Ask{Details: suite.Details(app, suite.Ask{})})
			t.Expect(t.Send(r), suite.Answer{Status: http.StatusCreated})
		}}
	}
	const rar, fdx, wrong = "RFC 9396, 5", "FDX API 6, ConsentRequest", "invalid_authorization_details"
	resources := func(list ...any) []any { return list }
	account := func(clusters ...any) map[string]any {
		return map[string]any{"resourceType": "ACCOUNT", "dataClusters": clusters}
	}
	const ceiling = "Take the registration for a ceiling: refuse what goes beyond it when the request is pushed."
	return []suite.Case{
		one("duration-above", "a term above the registered one is refused", fdx, ceiling, wrong, func(_ []any, q map[string]any) { q["durationPeriod"] = 366 }),
		one("duration-zero", "a term of no days is refused", fdx, "Demand a durationPeriod of at least 1.", wrong, func(_ []any, q map[string]any) { q["durationPeriod"] = 0 }),
		one("duration-text", "a term that is no number is refused", fdx, "Read numbers as numbers.", wrong, func(_ []any, q map[string]any) { q["durationPeriod"] = "90" }),
		one("duration-missing", "TIME_BOUND without a term is refused", fdx, "Demand durationPeriod with TIME_BOUND.", wrong, func(_ []any, q map[string]any) { delete(q, "durationPeriod") }),
		one("duration-not-its", "a term beside ONE_TIME is refused", fdx, "Take durationPeriod with TIME_BOUND alone.", wrong, func(_ []any, q map[string]any) { q["durationType"] = "ONE_TIME" }),
		one("duration-unknown", "a kind of term that FDX does not have is refused", fdx, "Take the three durationTypes as they are spelt.", wrong, func(_ []any, q map[string]any) { q["durationType"] = "ONETIME"; delete(q, "durationPeriod") }),
		one("lookback-above", "a look-back above the registered one is refused", fdx, ceiling, wrong, func(_ []any, q map[string]any) { q["lookbackPeriod"] = 731 }),
		one("lookback-negative", "a look-back below zero is refused", fdx, "Demand a lookbackPeriod of at least 0.", wrong, func(_ []any, q map[string]any) { q["lookbackPeriod"] = -1 }),
		one("resources-none", "a request for nothing is refused", fdx, "Demand an entry of resources.", wrong, func(_ []any, q map[string]any) { q["resources"] = resources() }),
		one("clusters-none", "a resource without a data cluster is refused", fdx, "Demand a data cluster in each entry.", wrong, func(_ []any, q map[string]any) { q["resources"] = resources(account()) }),
		one("cluster-unknown", "a data cluster that FDX does not have is refused", fdx, "Take the data clusters of FDX alone.", wrong, func(_ []any, q map[string]any) { q["resources"] = resources(account("ACCOUNT_BASIC", "EVERYTHING")) }),
		one("cluster-not-registered", "a data cluster that the recipient is not registered for is refused", fdx, ceiling, wrong, func(_ []any, q map[string]any) { q["resources"] = resources(account("ACCOUNT_BASIC", "INVESTMENTS")) }),
		one("resource-unknown", "a kind of resource that is not served is refused", fdx, "Take ACCOUNT and CUSTOMER alone.", wrong, func(_ []any, q map[string]any) {
			q["resources"] = resources(map[string]any{"resourceType": "PAYMENT", "dataClusters": []string{"ACCOUNT_BASIC"}})
		}),
		one("member-unknown", "a member that FDX does not have is refused", rar, "Refuse unknown members of a detail: the server must not proceed on what it does not understand.", wrong, func(_ []any, q map[string]any) { q["autoConnect"] = true }),
		one("accounts-named", "a recipient cannot choose the accounts: a resourceId is refused", fdx, "Let the person choose accounts; refuse a resourceId in a request.", wrong, func(_ []any, q map[string]any) {
			a := account("ACCOUNT_BASIC")
			a["resourceId"] = unknownAccount
			q["resources"] = resources(a)
		}),
		one("type-unknown", "a type of details that is not served is refused", rar, "Refuse types that the metadata does not list.", wrong, func(d []any, _ map[string]any) { d[0].(map[string]any)["type"] = "payment_initiation" }),
		one("type-missing", "details without a type are refused", "RFC 9396, 2", "Demand type.", wrong, func(d []any, _ map[string]any) { delete(d[0].(map[string]any), "type") }),
		{
			ID: "consent.request.not-an-array", Title: "details that are no array of objects are refused", Spec: "RFC 9396, 2", Needs: needs, Mend: "Read authorization_details as an array of objects, and nothing behind it.",
			Run: func(t *suite.T) {
				for _, details := range []any{map[string]any{"type": "fdx_v1.0"}, "fdx_v1.0", []any{}, []any{"fdx_v1.0"}, []any{nil}} {
					r, _ := t.PushRequest(t.A(), suite.Ask{Details: details})
					t.Expect(t.Send(r), suite.Refused(wrong))
				}
				r, _ := t.PushRequest(t.A(), suite.Ask{})
				good := r.Form.Get("authorization_details")
				for _, text := range []string{good + "]", good + good, good[:len(good)-1], strings.Replace(good, `"lookbackPeriod"`, `"lookbackPeriod":1,"lookbackPeriod"`, 1), strings.Repeat("[", 2000)} {
					r, _ := t.PushRequest(t.A(), suite.Ask{})
					r.Form.Set("authorization_details", text)
					t.Expect(t.Send(r), suite.Refused(wrong))
				}
			},
		},
		{
			ID: "consent.request.scope-contradicts", Title: "a scope that says something else than the details is refused", Spec: "FDX API 6, consent, scopes and clusters", Needs: needs, Mend: "Compare the clusters of scope and details; invalid_scope when they differ.",
			Run: func(t *suite.T) {
				app := t.A()
				for scope, want := range map[string]suite.Answer{
					"fdx:accountbasic:read": suite.Refused("invalid_scope"), "fdx:accountbasic:read fdx:transactions:read fdx:balances:read": suite.Refused("invalid_scope"),
					"fdx:accountbasic:read fdx:transactions:read": {Status: http.StatusCreated},
				} {
					r, _ := t.PushRequest(app, suite.Ask{Details: suite.Details(app, suite.Ask{Clusters: []string{"ACCOUNT_BASIC", "TRANSACTIONS"}}), Scope: scope})
					if !t.Expect(t.Send(r), want) {
						t.Errorf("that was scope %s", scope)
					}
				}
			},
		},
	}
}

// consentGiven: what comes out of a decision.
func consentGiven() []suite.Case {
	needs := []suite.Claim{suite.FDXConsent, suite.RAR, suite.Resource}
	api := append(slices.Clone(needs), suite.FDXConsentAPI, suite.ClientCreds)
	return []suite.Case{
		{
			ID: "consent.given.token", Title: "the token comes with the id of the consent and with what was granted", Spec: "FDX API 6, consent; RFC 9396, 7", Needs: needs, Mend: "Answer with grant_id, fdxConsentId and authorization_details as granted.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{Clusters: []string{"ACCOUNT_BASIC", "BALANCES"}})
				t.Check(uuidForm.MatchString(g.ID) || g.ID != "", "there is no grant_id")
				t.Check(g.Token["grant_id"] == g.Token["fdxConsentId"], "grant_id and fdxConsentId differ")
				text, _ := json.Marshal(g.Token["authorization_details"])
				t.Check(strings.Contains(string(text), "fdx_v1.0") && strings.Contains(string(text), "BALANCES") && !strings.Contains(string(text), "TRANSACTIONS"), "authorization_details do not say what was granted")
			},
		},
		{
			ID: "consent.given.accounts", Title: "the consent is about the accounts that the person chose, and names them", Spec: "FDX API 6, ConsentGrant, resources", Needs: append(slices.Clone(api), suite.Personas), Mend: "Keep the chosen accounts in the grant, each with its clusters.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{Clusters: []string{"ACCOUNT_BASIC", "BALANCES"}, Persona: "saver", Accounts: []int{1}})
				ids := accountIDs(t, g)
				t.Check(len(ids) == 1, "%d accounts are served; one was chosen", len(ids))
				resp := t.Send(t.Read(t.Own(t.A(), "grant_management_query"), "/consents/"+g.ID))
				t.Expect(resp, suite.Answer{Status: 200, JSON: map[string]any{"status": "ACTIVE", "resources.0.resourceId": ids[0], "resources.0.resourceType": "ACCOUNT"}, Absent: []string{"resources.1"}})
				clusters := fmt.Sprint(resp.List("resources")[0].(map[string]any)["dataClusters"])
				t.Check(strings.Contains(clusters, "ACCOUNT_BASIC") && strings.Contains(clusters, "BALANCES") && !strings.Contains(clusters, "TRANSACTIONS"), "dataClusters is %s", clusters)
			},
		},
		{
			ID: "consent.given.denied", Title: "after a no the app is told access_denied, holds no consent more, and keeps what it had", Spec: "RFC 6749, 4.1.2.1; FDX API 6, consent", Needs: append(slices.Clone(api), suite.Personas, suite.FDX), Mend: "Lead back with access_denied, and store no grant.",
			Run: func(t *suite.T) {
				// Nobody else shares this person's accounts with this app
				// while the case runs, so that the list tells.
				app := t.Named("homewards")
				g := full(t, "partner")
				customer := read(t, g, "/customers/current").Text("customerId")
				list := func() []string {
					resp := t.Send(t.Read(t.Own(app, "grant_management_query"), "/consents?limit=500&customerId="+customer))
					t.Expect(resp, suite.OK)
					return idsOf(resp.List("consents"), "id")
				}
				before := list()
				t.Check(slices.Contains(before, g.ID), "the person's consent is not in the list")
				a := t.Push(app, suite.Ask{Clusters: everything, Persona: "partner"})
				page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Deny)
				t.ExpectReturn(page.Left, a, "access_denied")
				t.Check(slices.Equal(before, list()), "the list of consents is another one after a no")
				t.Expect(t.Send(t.Read(g, "/accounts")), suite.OK)
			},
		},
		{
			ID: "consent.given.time-bound", Title: "a consent for thirty days ends after thirty days", Spec: "FDX API 6, ConsentGrant, expirationTime", Needs: api, Mend: "Let expirationTime be createdTime and durationPeriod days.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{Days: 30, Lookback: 90})
				term(t, g, 30*24*time.Hour, map[string]any{"durationType": "TIME_BOUND", "durationPeriod": 30, "lookbackPeriod": 90})
			},
		},
		{
			ID: "consent.given.persistent", Title: "a persistent consent says when it ends, and ends within a year", Spec: "FDX API 6, durationType (documented contract: 365 days); 12 CFR 1033.421 (b)", Needs: api, Mend: "Give every consent an end.",
			Run: func(t *suite.T) {
				term(t, t.Shared(t.A(), suite.Ask{Duration: "PERSISTENT"}), 365*24*time.Hour, map[string]any{"durationType": "PERSISTENT"})
			},
		},
		{
			ID: "consent.given.one-time", Title: "a consent for one look gives no refresh token and ends within the hour", Spec: "FDX API 6, durationType ONE_TIME", Needs: api, Mend: "Issue no refresh token for ONE_TIME, and end it after an hour.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{Duration: "ONE_TIME"})
				t.Check(g.Refresh == "", "there is a refresh token")
				t.Expect(t.Send(t.Read(g, "/accounts")), suite.OK)
				lasts := time.Hour
				if t.HasClaim(suite.OneTimeExpiry) {
					lasts = time.Duration(t.Target.OneTimeSeconds) * time.Second
				}
				term(t, g, lasts, map[string]any{"durationType": "ONE_TIME"})
				life, _ := g.Token["expires_in"].(float64)
				t.Check(life <= lasts.Seconds(), "the token is good for %v s, and its consent for %v", life, lasts)
			},
		},
		{
			ID: "consent.given.by-scope", Title: "a consent that was asked for by scopes covers their clusters and no other", Spec: "FDX API 6, scopes and clusters", Needs: append(slices.Clone(needs), suite.Personas), Mend: "Turn each scope into its cluster, and take the rest from the registration.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{Scope: "fdx:accountbasic:read fdx:balances:read", Persona: "borrower"})
				id := accountIDs(t, g)[0]
				t.Expect(t.Send(t.Read(g, "/accounts/"+id)), suite.Answer{Status: 200, Present: []string{"currentBalance"}})
				t.Expect(t.Send(t.Read(g, "/accounts/"+id+"/transactions")), insufficientScope)
			},
		},
		{
			ID: "consent.given.own-each", Title: "two requests give two consents, and both are good", Spec: "FDX API 6, consent; Grant Management, 5.2 create", Needs: needs, Mend: "A new request makes a new grant unless it names one to change.",
			Run: func(t *suite.T) {
				first, second := t.Grant(t.A(), suite.Ask{}), t.Grant(t.A(), suite.Ask{})
				t.Check(first.ID != second.ID, "the second request has the consent of the first")
				t.Expect(t.Send(t.Read(first, first.App.Resource)), suite.OK)
				t.Expect(t.Send(t.Read(second, second.App.Resource)), suite.OK)
			},
		},
		{
			ID: "consent.given.introspection", Title: "who introspects a token learns the consent, its clusters and its end, and no name", Spec: "RFC 7662, 2.2; FDX API 6, fdxConsentId", Needs: append(slices.Clone(needs), suite.Introspection), Mend: "Answer with client_id, scope, exp, cnf and the id of the consent.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				resp := t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access))
				t.Expect(resp, suite.Answer{Status: 200, JSON: map[string]any{"active": true, "client_id": g.App.ClientID, "fdxConsentId": g.ID}, Present: []string{"exp", "scope", "cnf"}, Absent: []string{"username", "name", "email"}})
			},
		},
	}
}

// term compares how long a consent lasts, by its own times.
func term(t *suite.T, g *suite.Grant, want time.Duration, members map[string]any) {
	resp := t.Send(t.Read(t.Own(g.App, "grant_management_query"), "/consents/"+g.ID))
	t.Expect(resp, suite.Answer{Status: 200, JSON: members})
	created, err1 := time.Parse(time.RFC3339, resp.Text("createdTime"))
	ends, err2 := time.Parse(time.RFC3339, resp.Text("expirationTime"))
	if !t.Check(err1 == nil && err2 == nil, "createdTime or expirationTime is missing") {
		return
	}
	t.Check(ends.Sub(created) == want, "the consent lasts %v; expected %v", ends.Sub(created), want)
	t.Check(resp.Done.Sub(created).Abs() < 10*time.Minute, "createdTime is not when the consent was given")
}

// consentAPI: the consent endpoints for recipients.
func consentAPI() []suite.Case {
	needs := []suite.Claim{suite.FDXConsent, suite.RAR, suite.FDXConsentAPI, suite.ClientCreds}
	const query = "grant_management_query"
	return []suite.Case{
		{
			ID: "consent.api.shape", Title: "a consent, the list of them and how one ended are in the form of FDX", Spec: "FDX API 6, ConsentGrant, ConsentRevocation", Needs: needs, Mend: "Write the members of FDX and no other, and never null.",
			Run: func(t *suite.T) {
				g, own := t.Shared(t.A(), suite.Ask{}), t.Own(t.A(), query)
				s := newShape()
				one := t.Send(t.Read(own, "/consents/"+g.ID))
				t.Expect(one, suite.Answer{Status: 200, JSON: map[string]any{"id": g.ID, "status": "ACTIVE"}, Present: []string{"createdTime", "expirationTime", "durationType", "lookbackPeriod", "parties.0.name", "resources.0.resourceId"}})
				s.fit("ConsentGrant", one.Member(""))
				list := t.Send(t.Read(own, "/consents?limit=50"))
				t.Expect(list, suite.OK)
				o := operation{id: "listConsentGrants", member: "consents", entity: "ConsentGrant"}
				o.fits(t, list).report(t)
				t.Check(slices.Contains(idsOf(list.List("consents"), "id"), g.ID) || len(list.List("consents")) == 50, "the consent is not in the list")
				ended := t.Send(t.Read(own, "/consents/"+g.ID+"/revocation"))
				t.Expect(ended, suite.OK)
				t.Check(ended.List("revocations") != nil && len(ended.List("revocations")) == 0, "revocations of an active consent is no empty list")
				s.report(t)
			},
		},
		{
			ID: "consent.api.foreign", Title: "a consent of another recipient is as unknown as one that does not exist", Spec: "FDX API 6, getConsentGrant; RFC 9110, 15.5.5", Needs: needs, Mend: "Look consents up by id and recipient, and answer 404 with code 1107 in the same bytes.",
			Run: func(t *suite.T) {
				mine, foreign, own := t.Shared(t.A(), suite.Ask{}), t.Shared(t.B(), suite.Ask{}), t.Own(t.A(), query)
				t.Expect(t.Send(t.Read(own, "/consents/"+mine.ID)), suite.OK)
				for _, rest := range []string{"", "/revocation"} {
					unknown := t.Send(t.Read(own, "/consents/"+unknownAccount+rest))
					t.Expect(unknown, suite.FDXRefused(404, "1107"))
					for _, id := range []string{foreign.ID, "1", "'", strings.ToUpper(mine.ID) + "0"} {
						resp := t.Send(t.Read(own, "/consents/"+id+rest))
						t.Expect(resp, suite.FDXRefused(404, "1107"))
						t.Check(string(resp.Body) == string(unknown.Body), "the two answers differ")
					}
				}
			},
		},
		{
			ID: "consent.api.list-own", Title: "the list holds the consents of who asks, newest first, and nobody else's", Spec: "FDX API 6, consent (documented extension: list)", Needs: needs, Mend: "Select by the recipient of the token.",
			Run: func(t *suite.T) {
				foreign := t.Shared(t.B(), suite.Ask{})
				mine, own := t.Shared(t.A(), suite.Ask{}), t.Own(t.A(), query)
				resp := t.Send(t.Read(own, "/consents?limit=500"))
				t.Expect(resp, suite.OK)
				ids := idsOf(resp.List("consents"), "id")
				t.Check(slices.Contains(ids, mine.ID) || len(ids) == 500, "a consent of ours is missing")
				t.Check(!slices.Contains(ids, foreign.ID), "a consent of another recipient is in the list")
				times := idsOf(resp.List("consents"), "createdTime")
				t.Check(slices.IsSortedFunc(times, func(a, b string) int { return strings.Compare(b, a) }), "the list is not newest first")
			},
		},
		{
			ID: "consent.api.list-status", Title: "status picks the consents of one state, and an unknown one is refused", Spec: "FDX API 6, ConsentGrant, status", Needs: needs, Mend: "Compare with the state as of now.",
			Run: func(t *suite.T) {
				t.Shared(t.A(), suite.Ask{})
				own := t.Own(t.A(), query)
				for _, status := range []string{"ACTIVE", "REVOKED", "EXPIRED"} {
					resp := t.Send(t.Read(own, "/consents?limit=100&status="+status))
					t.Expect(resp, suite.OK)
					for _, g := range resp.List("consents") {
						t.Check(suite.Dig(g, "status") == status, "status=%s gives one that is %v", status, suite.Dig(g, "status"))
					}
					t.Check(status != "ACTIVE" || len(resp.List("consents")) > 0, "there is no active consent")
				}
				for _, bad := range []string{"status=active", "status=", "status=ACTIVE&status=REVOKED", "status=ANY"} {
					t.Expect(t.Send(t.Read(own, "/consents?"+bad)), suite.FDXRefused(400, "401"))
				}
			},
		},
		{
			ID: "consent.api.list-pages", Title: "the pages of the list go on where they stopped, and a page key is good for its list alone", Spec: "FDX API 6, pageKey", Needs: needs, Mend: "Seal page keys with the recipient and the parameters of the list.",
			Run: func(t *suite.T) {
				t.Shared(t.A(), suite.Ask{})
				t.Shared(t.A(), suite.Ask{Days: 30, Lookback: 90})
				own := t.Own(t.A(), query)
				first := t.Send(t.Read(own, "/consents?limit=1&status=ACTIVE"))
				t.Expect(first, suite.Answer{Status: 200, Present: []string{"page.nextPageKey", "links.next.href"}})
				key := first.Text("page.nextPageKey")
				second := t.Send(t.Read(own, "/consents?limit=1&status=ACTIVE&pageKey="+key))
				t.Expect(second, suite.OK)
				t.Check(len(second.List("consents")) == 1 && second.Text("consents.0.id") != first.Text("consents.0.id"), "the second page is not another consent")
				t.Expect(t.Send(t.Read(own, "/consents?limit=1&pageKey="+key)), suite.FDXRefused(400, "401"))
				t.Expect(t.Send(t.Read(own, "/consents?limit=1&status=ACTIVE&pageKey="+bendToken(key))), suite.FDXRefused(400, "401"))
			},
		},
		{
			ID: "consent.api.token-of-grant", Title: "the token of a consent does not open the consents", Spec: "FDX API 6, consent, security", Needs: needs, Mend: "Take a client's own tokens alone: 401 with code 603.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				for _, path := range []string{"/consents", "/consents/" + g.ID, "/consents/" + g.ID + "/revocation"} {
					t.Expect(t.Send(t.Read(g, path)), dead)
					t.Expect(t.Send(t.Read(t.Own(t.A(), query), path)), suite.OK)
				}
			},
		},
		{
			ID: "consent.api.scope", Title: "each consent endpoint asks for its scope", Spec: "FDX API 6, consent (documented contract: grant management scopes); RFC 6750, 3.1", Needs: needs, Mend: "grant_management_query to look, grant_management_revoke to end; 403 and insufficient_scope otherwise.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				looks, ends := t.Own(t.A(), query), t.Own(t.A(), "grant_management_revoke")
				for _, path := range []string{"/consents", "/consents/" + g.ID, "/consents/" + g.ID + "/revocation"} {
					t.Expect(t.Send(t.Read(ends, path)), insufficientScope)
				}
				t.Expect(t.Send(endConsent(t, looks, g.ID, `{"reason":"USER_ACTION","initiator":"INDIVIDUAL"}`)), insufficientScope)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				t.Expect(t.Send(t.Read(looks, "/consents/"+g.ID)), suite.Answer{Status: 200, JSON: map[string]any{"status": "ACTIVE"}})
			},
		},
		{
			ID: "consent.api.method", Title: "the consent endpoints have the methods of FDX and no other", Spec: "RFC 9110, 15.5.6; FDX API 6, error 1206", Needs: needs, Mend: "405 with Allow.",
			Run: func(t *suite.T) {
				g, own := t.Shared(t.A(), suite.Ask{}), t.Own(t.A(), query)
				base := t.Target.ResourceBase + "/consents"
				for _, one := range [][2]string{{"POST", ""}, {"DELETE", "/" + g.ID}, {"PUT", "/" + g.ID}, {"DELETE", "/" + g.ID + "/revocation"}, {"POST", "/" + g.ID + "/revocation"}} {
					resp := t.Send(t.Call(own, one[0], base+one[1]))
					t.Expect(resp, suite.FDXRefused(405, "1206"))
					t.Check(resp.Header.Get("Allow") != "", "there is no Allow")
				}
			},
		},
	}
}

// endConsent ends a consent by FDX.
func endConsent(t *suite.T, own *suite.Grant, id, body string) *suite.Request {
	r := t.Call(own, http.MethodPut, t.Target.ResourceBase+"/consents/"+id+"/revocation")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("x-fapi-interaction-id", suite.NewUUID())
	r.Body = []byte(body)
	return r
}

// consentRevocation: how a consent ends.
func consentRevocation() []suite.Case {
	needs := []suite.Claim{suite.FDXConsent, suite.RAR, suite.Resource, suite.FDXConsentAPI, suite.ClientCreds}
	const good = `{"reason":"USER_ACTION","initiator":"INDIVIDUAL"}`
	ends := func(t *suite.T) *suite.Grant { return t.Own(t.A(), "grant_management_revoke") }
	looks := func(t *suite.T) *suite.Grant { return t.Own(t.A(), "grant_management_query") }
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
		{
			ID: "consent.stop.at-once", Title: "of reads that run while a consent ends none that starts after the answer is given data", Spec: "FDX API 6, revokeConsentGrant; FAPI 2.0 Security Profile, 5.3.4", Needs: needs,
			Mend: "Answer the revocation when no instance can release data any more, and decide in the statement that records the read.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				resp := t.Send(endConsent(t, ends(t), g.ID, good))
				t.Expect(resp, suite.Answer{Status: http.StatusNoContent})
				for _, after := range t.Race(16, func(int) *suite.Request { return t.Read(g, g.App.Resource) }) {
					t.Expect(after, dead)
				}
			},
		},
		{
			ID: "consent.revoke.ends", Title: "a revoked consent is REVOKED, gives no data and no token, and keeps what it was about", Spec: "FDX API 6, revokeConsentGrant", Needs: needs, Mend: "End the grant and its tokens in one step, and keep the record.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				resp := t.Send(endConsent(t, ends(t), g.ID, good))
				t.Expect(resp, suite.Answer{Status: http.StatusNoContent})
				t.Check(len(resp.Body) == 0, "a 204 has a body")
				t.Expect(t.Send(t.Read(looks(t), "/consents/"+g.ID)), suite.Answer{Status: 200, JSON: map[string]any{"status": "REVOKED"}, Present: []string{"updatedTime", "resources.0.resourceId"}})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), dead)
				t.Expect(t.Send(t.RefreshRequest(g, g.Key)), suite.Refused("invalid_grant"))
			},
		},
		{
			ID: "consent.revoke.twice", Title: "the second revocation is 409 with code 409, also when two come at once", Spec: "FDX API 6, revokeConsentGrant, 409", Needs: needs, Mend: "Change the state by a compare-and-set: one 204, the others 409.",
			Run: func(t *suite.T) {
				g, own := t.Grant(t.A(), suite.Ask{}), ends(t)
				answers := t.Race(6, func(int) *suite.Request { return endConsent(t, own, g.ID, good) })
				t.Check(suite.CountStatus(answers, 204) == 1, "%d revocations succeeded; expected 1", suite.CountStatus(answers, 204))
				for _, a := range answers {
					if a != nil && a.Status != 204 {
						t.Expect(a, suite.FDXRefused(409, "409"))
					}
				}
				t.Expect(t.Send(endConsent(t, own, g.ID, good)), suite.FDXRefused(409, "409"))
			},
		},
		{
			ID: "consent.revoke.foreign", Title: "a recipient cannot end the consent of another one", Spec: "FDX API 6, revokeConsentGrant, 404", Needs: needs, Mend: "Look consents up by id and recipient: 404 with code 1107, and nothing changes.",
			Run: func(t *suite.T) {
				g := t.Grant(t.B(), suite.Ask{})
				foreign := t.Send(endConsent(t, ends(t), g.ID, good))
				t.Expect(foreign, suite.FDXRefused(404, "1107"))
				unknown := t.Send(endConsent(t, ends(t), unknownAccount, good))
				t.Check(string(foreign.Body) == string(unknown.Body), "it is told from one that does not exist")
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		},
		{
			ID: "consent.revoke.initiator", Title: "a recipient speaks for itself and for the person, and for nobody else", Spec: "FDX API 6, ConsentRevocationRequest, initiator", Needs: needs, Mend: "Take DATA_RECIPIENT and INDIVIDUAL; 400 with code 401 for all else.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				for _, who := range []string{"DATA_PROVIDER", "DATA_ACCESS_PLATFORM", "MERCHANT", "VENDOR", "individual", ""} {
					if !t.Expect(t.Send(endConsent(t, ends(t), g.ID, `{"reason":"USER_ACTION","initiator":"`+who+`"}`)), suite.FDXRefused(400, "401")) {
						t.Errorf("that was initiator %q", who)
					}
				}
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				t.Expect(t.Send(endConsent(t, ends(t), g.ID, `{"reason":"BUSINESS_RULE","initiator":"DATA_RECIPIENT"}`)), suite.Answer{Status: 204})
			},
		},
		{
			ID: "consent.revoke.body", Title: "a revocation that does not say what it has to, or more, is refused and ends nothing", Spec: "FDX API 6, ConsentRevocationRequest", Needs: needs, Mend: "Read one JSON object of reason and initiator, sent as application/json, and nothing else.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				for _, body := range []string{"", "{}", `{"reason":"USER_ACTION"}`, `{"initiator":"INDIVIDUAL"}`, `{"reason":"BORED","initiator":"INDIVIDUAL"}`, `[` + good + `]`, good + good, good[:20], "null", `{"reason":"USER_ACTION","reason":"BUSINESS_RULE","initiator":"INDIVIDUAL"}`} {
					if !t.Expect(t.Send(endConsent(t, ends(t), g.ID, body)), suite.FDXRefused(400, "401")) {
						t.Errorf("that was the body %q", body)
					}
				}
				for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", ""} {
					r := endConsent(t, ends(t), g.ID, good)
					if r.Header.Set("Content-Type", kind); kind == "" {
						r.Header.Del("Content-Type")
					}
					t.Expect(t.Send(r), suite.FDXRefused(400, "401"))
				}
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		},
		{
			ID: "consent.revoke.history", Title: "how a consent ended is told: by whom, why and when", Spec: "FDX API 6, getConsentRevocation", Needs: needs, Mend: "Tell status, reason, initiator and time of the end.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				t.Expect(t.Send(endConsent(t, ends(t), g.ID, good)), suite.Answer{Status: 204})
				resp := t.Send(t.Read(looks(t), "/consents/"+g.ID+"/revocation"))
				t.Expect(resp, suite.Answer{Status: 200, JSON: map[string]any{"revocations.0.status": "REVOKED", "revocations.0.reason": "USER_ACTION", "revocations.0.initiator": "INDIVIDUAL"}, Present: []string{"revocations.0.updatedTime"}, Absent: []string{"revocations.1"}})
				s := newShape()
				for _, one := range resp.List("revocations") {
					s.fit("ConsentRevocation", one)
				}
				s.report(t)
			},
		},
		{
			ID: "consent.revoke.by-person", Title: "a consent that the person stopped at the bank is told as REVOKED by the person", Spec: "FDX API 6, getConsentRevocation, initiator", Needs: append(slices.Clone(needs), suite.Portal, suite.Personas), Mend: "Keep who ended a consent, and tell it.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{Persona: "borrower"})
				b := t.Person()
				press(t, b, portal(t, b, g, "/stop"), "stop_confirm")
				t.Expect(t.Send(t.Read(looks(t), "/consents/"+g.ID+"/revocation")), suite.Answer{Status: 200, JSON: map[string]any{"revocations.0.status": "REVOKED", "revocations.0.reason": "USER_ACTION", "revocations.0.initiator": "INDIVIDUAL"}})
				t.Expect(t.Send(endConsent(t, ends(t), g.ID, good)), suite.FDXRefused(409, "409"))
			},
		},
	}
}
