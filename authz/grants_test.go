package authz_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

const transactionsScope = "fdx:transactions:read"

// about makes a request one about a grant.
func about(action, id string, scope ...string) func(url.Values) {
	return func(f url.Values) {
		f.Set("grant_management_action", action)
		if id != "" {
			f.Set("grant_id", id)
		}
		if len(scope) > 0 {
			f.Set("scope", scope[0])
		}
	}
}

func TestGrantManagementAtPAR(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.client("app")
	mine := app.tokens(nil).text("grant_id")
	foreign := w.client("other").tokens(nil).text("grant_id")
	ended := app.tokens(nil).text("grant_id")
	if _, err := w.mem.End(t.Context(), consent.End{Grant: consent.GrantID(ended), Status: consent.StatusRevoked, Actor: consent.ActorConsumer}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		action, id, want string
	}{
		"create":                   {"create", "", ""},
		"merge":                    {"merge", mine, ""},
		"replace":                  {"replace", mine, ""},
		"nothing":                  {"", "", ""},
		"create with a grant_id":   {"create", mine, "invalid_request"},
		"merge without grant_id":   {"merge", "", "invalid_request"},
		"replace without grant_id": {"replace", "", "invalid_request"},
		"grant_id alone":           {"", mine, "invalid_request"},
		"the old name of merge":    {"update", mine, "invalid_request"},
		"an action of the API":     {"query", mine, "invalid_request"},
		"another of the API":       {"revoke", mine, "invalid_request"},
		"capitals":                 {"MERGE", mine, "invalid_request"},
		"unknown":                  {"merge", uuid.NewString(), "invalid_grant_id"},
		"of another client":        {"merge", foreign, "invalid_grant_id"},
		"ended":                    {"replace", ended, "invalid_grant_id"},
		"cut":                      {"merge", mine[:len(mine)-1], "invalid_grant_id"},
		"in capitals":              {"merge", strings.ToUpper(mine), "invalid_grant_id"},
		"no text for a database":   {"merge", "\u00e5\"\\", "invalid_grant_id"},
		"with a space":             {"merge", " " + mine, "invalid_grant_id"},
		"long":                     {"merge", strings.Repeat("g", 1999), "invalid_grant_id"},
		"too long for a parameter": {"merge", strings.Repeat("g", 2001), "invalid_request"},
	} {
		a := app.push(about(tt.action, tt.id))
		if tt.want == "" && a.status != http.StatusCreated || tt.want != "" && !a.is(http.StatusBadRequest, tt.want) {
			t.Errorf("%s: %s, want %q", name, a, tt.want)
		}
	}
	// No oracle: whatever the reason, one answer.
	answers := map[string]bool{}
	for _, id := range []string{uuid.NewString(), foreign, ended, "x", "\u00e5"} {
		answers[app.push(about("merge", id)).raw] = true
	}
	if len(answers) != 1 {
		t.Errorf("%d answers about grants that are not the client's", len(answers))
	}
	// Its time is over as soon as it is, written down or not.
	w.clock.advance(consent.MaxTerm)
	if a := app.push(about("merge", mine)); !a.is(http.StatusBadRequest, "invalid_grant_id") {
		t.Errorf("expired: %s", a)
	}
}

// Only create asks for a grant of its own; otherwise the person may renew one.
func TestOnlyCreateInsistsOnAGrantOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.client("app")
	mine := app.tokens(nil).text("grant_id")
	for action, id := range map[string]string{"create": "", "": "", "replace": mine, "merge": mine} {
		if q := w.record(app.push(about(action, id))).Request; q.Fresh != (action == "create") {
			t.Errorf("%q: fresh %v", action, q.Fresh)
		}
	}
}

func TestGrantManagementInARequestObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.client("app")
	mine := app.tokens(nil).text("grant_id")
	object := func(bend func(*jwt)) answer {
		return w.post("/par", app.signed(url.Values{"request": {app.object(bend)}, "grant_management_action": {"create"}}), nil)
	}
	a := object(func(j *jwt) { j.claims["grant_management_action"], j.claims["grant_id"] = "replace", mine })
	if a.status != http.StatusCreated {
		t.Fatal(a)
	}
	back := w.person("alice").approve(app.front(a.text("request_uri")))
	if got := app.redeem(back.Get("code"), nil).text("grant_id"); got != mine {
		t.Errorf("grant %s, want %s", got, mine)
	}
	for name, tt := range map[string]struct {
		action, id any
		want       string
	}{
		"unknown grant":   {"merge", uuid.NewString(), "invalid_grant_id"},
		"create with one": {"create", mine, "invalid_request"},
		"id is no text":   {"merge", 7, "invalid_request_object"},
	} {
		if a := object(func(j *jwt) { j.claims["grant_management_action"], j.claims["grant_id"] = tt.action, tt.id }); !a.is(http.StatusBadRequest, tt.want) {
			t.Errorf("%s: %s, want %s", name, a, tt.want)
		}
	}
}

func TestMergeKeepsThePurpose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	narrow := w.client("narrow")
	detailed := func(purpose, cluster string) func(url.Values) {
		return func(f url.Values) {
			f.Del("scope")
			f.Set("authorization_details", `[{"type":"fdx_v1.0","consentRequest":{"purpose":"`+purpose+`","durationType":"TIME_BOUND",
				"durationPeriod":30,"resources":[{"resourceType":"ACCOUNT","dataClusters":["`+cluster+`"]}]}}]`)
		}
	}
	id := narrow.tokens(detailed("budgeting", "TRANSACTIONS")).text("grant_id")
	lending := func(action string) answer {
		return narrow.push(func(f url.Values) {
			detailed("lending", "ACCOUNT_BASIC")(f)
			about(action, id)(f)
		})
	}
	if a := lending("merge"); !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("merge: %s", a)
	}
	if a := lending("replace"); a.status != http.StatusCreated {
		t.Errorf("replace: %s", a)
	}
}

func resourcesOf(t *testing.T, a answer) map[string]string {
	t.Helper()
	var body struct {
		Details []struct {
			Resources []struct {
				ID       string   `json:"resourceId"`
				Clusters []string `json:"dataClusters"`
			} `json:"resources"`
		} `json:"authorization_details"`
	}
	must(t, json.Unmarshal([]byte(a.raw), &body))
	all := map[string]string{}
	for _, d := range body.Details {
		for _, r := range d.Resources {
			slices.Sort(r.Clusters)
			all[r.ID] = strings.Join(r.Clusters, " ")
		}
	}
	return all
}

func TestReplaceAndMerge(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]map[string]string{
		"replace": {"acc-2": "TRANSACTIONS", "acc-3": "TRANSACTIONS"},
		"merge":   {"acc-1": "ACCOUNT_BASIC", "acc-2": "ACCOUNT_BASIC TRANSACTIONS", "acc-3": "TRANSACTIONS"},
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			app := w.client("app")
			first := app.tokens(nil)
			before := w.grant()
			w.clock.advance(time.Hour)
			uri := app.pushed(about(action, first.text("grant_id"), transactionsScope))
			alice := w.person("alice")
			id := alice.journey(app.front(uri))
			alice.decide(id, consent.Approved)
			a, err := w.mem.Authorization(t.Context(), id, "alice")
			must(t, err)
			a.Accounts, a.Disclosure.Text = []fdx.AccountID{"acc-2", "acc-3"}, "You share something else."
			_, err = w.mem.Replace(t.Context(), a)
			must(t, err)
			told := len(w.cache.told)
			back := w.back(alice.resume(id))

			if w.usable(first.text("access_token")) {
				t.Error("the old access token works")
			}
			if a := app.refresh(first.text("refresh_token"), nil); !a.is(http.StatusBadRequest, "invalid_grant") {
				t.Errorf("the old refresh token: %s", a)
			}
			if len(w.cache.told) != told+1 || string(w.cache.told[told]) != first.text("grant_id") {
				t.Errorf("caches were told %v", w.cache.told[told:])
			}
			second := app.redeem(back.Get("code"), nil)
			if second.status != http.StatusOK || second.text("grant_id") != first.text("grant_id") {
				t.Fatalf("%s, want grant %s", second, first.text("grant_id"))
			}
			if got := resourcesOf(t, second); !reflect.DeepEqual(got, want) {
				t.Errorf("granted %v, want %v", got, want)
			}
			live := w.live(second.text("access_token"))
			if !live.Active(w.clock.now()) || live.Share.Epoch != 2 || len(live.Share.Accounts) != len(want) {
				t.Errorf("share %+v", live.Share)
			}
			if (strings.Contains(second.text("scope"), basicScope)) != (action == "merge") || !strings.Contains(second.text("scope"), transactionsScope) {
				t.Errorf("scope %s", second.text("scope"))
			}
			if a := app.refresh(second.text("refresh_token"), nil); a.status != http.StatusOK || !reflect.DeepEqual(resourcesOf(t, a), want) {
				t.Errorf("refresh: %s", a)
			}
			g := w.grant()
			if g.Epoch != 2 || !g.CreatedAt.Equal(before.CreatedAt) || g.Disclosure.Text != "You share something else." ||
				!g.ExpiresAt.Equal(before.ExpiresAt.Add(time.Hour)) {
				t.Errorf("grant %+v", g)
			}
			// The first code, used before the change, still ends the grant.
			if a := app.redeem(back.Get("code"), nil); !a.is(http.StatusBadRequest, "invalid_grant") {
				t.Errorf("the code again: %s", a)
			}
			if w.grant().Status != consent.StatusRevoked {
				t.Error("a replayed code of a changed grant did not end it")
			}
		})
	}
}

func TestOnlyWhoGaveAGrantChangesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.client("app")
	first := app.tokens(nil)
	before := w.grant()
	for name, end := range map[string]func(person, consent.AuthorizationID){
		"approved":  func(p person, id consent.AuthorizationID) { p.decide(id, consent.Approved) },
		"undecided": func(p person, id consent.AuthorizationID) { p.decide(id, consent.Undecided) },
	} {
		mallory := w.person("mallory")
		id := mallory.journey(app.front(app.pushed(about("replace", first.text("grant_id"), transactionsScope))))
		end(mallory, id)
		back := w.back(mallory.resume(id))
		if back.Get("error") != "access_denied" || back.Get("code") != "" || back.Get("state") != "st" ||
			strings.Contains(back.Encode(), "alice") || strings.Contains(back.Encode(), first.text("grant_id")) {
			t.Errorf("%s: %v", name, back)
		}
	}
	if got := w.grant(); !reflect.DeepEqual(got, before) || !w.usable(first.text("access_token")) {
		t.Errorf("the grant changed: %+v", got)
	}
	if all, err := w.mem.GrantsOf(t.Context(), "consumer-mallory"); err != nil || all != nil {
		t.Errorf("mallory gave %v, %v", all, err)
	}
}

// A journey about a version that is over ends in an answer to the app, whenever
// the version ended.
func TestAChangeOfAnotherVersionLeadsBack(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]func(*world, client, answer){
		"stopped": func(w *world, _ client, first answer) {
			_, err := w.mem.End(w.t.Context(), consent.End{Grant: consent.GrantID(first.text("grant_id")), Status: consent.StatusRevoked, Actor: consent.ActorConsumer})
			must(w.t, err)
		},
		"changed": func(w *world, c client, first answer) {
			if back := w.person("alice").approve(c.front(c.pushed(about("merge", first.text("grant_id"))))); back.Get("code") == "" {
				w.t.Fatal(back)
			}
		},
		"signed out": func(w *world, c client, first answer) {
			if a := c.revoke(first.text("refresh_token")); a.status != http.StatusOK {
				w.t.Fatal(a)
			}
		},
	} {
		for _, when := range []string{"before the first page", "before the decision", "after the decision", "at the last moment"} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				app := w.client("app")
				first := app.tokens(nil)
				front := app.front(app.pushed(about("replace", first.text("grant_id"), transactionsScope)))
				alice := w.person("alice")
				var back url.Values
				if when == "before the first page" {
					over(w, app, first)
					back = w.back(alice.open(front))
				} else {
					id := alice.journey(front)
					if when == "before the decision" {
						over(w, app, first)
						back = w.back(alice.resume(id))
					} else {
						alice.decide(id, consent.Approved)
						if when == "at the last moment" {
							done := false
							w.stores.before = func(call string) error {
								if call == "Approve" && !done {
									done = true
									over(w, app, first)
								}
								return nil
							}
						} else {
							over(w, app, first)
						}
						back = w.back(alice.resume(id))
					}
				}
				if back.Get("error") != "invalid_grant_id" || back.Get("state") != "st" || back.Get("code") != "" {
					t.Errorf("answered %v", back)
				}
				if g := w.grant(); g.Status == consent.StatusActive && g.Clusters().Has(fdx.Transactions) {
					t.Errorf("the change took effect: %+v", g)
				}
				if w.usable(first.text("access_token")) {
					t.Error("the old token works")
				}
			})
		}
	}
}

// A code that was not redeemed before the change is no way around it, and its
// coming late is no sign of theft.
func TestChangeWithdrawsCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.client("app")
	code := app.code(nil)
	back := w.person("alice").approve(app.front(app.pushed(about("replace", string(w.grant().ID), transactionsScope))))
	if a := app.redeem(code, nil); !a.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("the old code: %s", a)
	}
	if a := app.redeem(back.Get("code"), nil); a.status != http.StatusOK || !w.usable(a.text("access_token")) {
		t.Errorf("the new code: %s", a)
	}
}

func TestRefusedChangeChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.client("app")
	first := app.tokens(nil)
	before := w.grant()
	front := app.front(app.pushed(about("replace", first.text("grant_id"), transactionsScope)))
	if back := w.person("alice").finish(front, consent.Denied); back.Get("error") != "access_denied" {
		t.Errorf("answered %v", back)
	}
	if got := w.grant(); !reflect.DeepEqual(got, before) || !w.usable(first.text("access_token")) {
		t.Errorf("the grant changed: %+v", got)
	}
}

func TestChangeWithoutItsStores(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.client("app")
	first := app.tokens(nil)
	alice := w.person("alice")
	id := alice.journey(app.front(app.pushed(about("replace", first.text("grant_id")))))
	alice.decide(id, consent.Approved)
	w.stores.before = failing("Grant", consent.ErrUnavailable)
	if a := alice.resume(id); !a.is(http.StatusServiceUnavailable, "temporarily_unavailable") {
		t.Errorf("journey: %s", a)
	}
	if a := app.push(about("merge", first.text("grant_id"))); !a.is(http.StatusServiceUnavailable, "temporarily_unavailable") {
		t.Errorf("push: %s", a)
	}
	w.stores.before = nil
	w.cache.err = errors.New("cache: gone")
	if back := w.back(alice.resume(id)); back.Get("code") == "" {
		t.Errorf("without a cache: %v", back)
	}
}

// own issues a token of the client's own.
func (c client) ownToken(scopes ...string) string {
	c.w.t.Helper()
	secret, hash := c.w.hasher.New(token.KindClient)
	now := c.w.clock.now().UTC().Truncate(time.Second)
	must(c.w.t, c.w.mem.IssueClient(c.w.t.Context(), token.ClientAccess{
		Hash: hash, Recipient: consent.RecipientID(c.id), Scopes: scopes,
		KeyThumbprint: thumbprint(c.w.t, keys().ec), IssuedAt: now, ExpiresAt: now.Add(15 * time.Minute),
	}))
	return c.w.secret(secret.Reveal())
}

// manage uses the grant management API.
func (c client) manage(method, secret, id string) answer {
	path := "/grants/" + id
	r := httptest.NewRequest(method, path, nil)
	r.Header = c.with(keys().ec).proof(path, func(j *jwt) { j.claims["htm"], j.claims["ath"] = method, challengeOf(secret) })
	r.Header.Set("Authorization", "DPoP "+secret)
	return c.w.do(c.w.protocol, r)
}

func TestQueryGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.client("app")
	first := app.tokens(nil)
	query := app.ownToken(authz.ScopeGrantQuery)
	a := app.manage(http.MethodGet, query, first.text("grant_id"))
	if a.status != http.StatusOK || !only(a.body, "scopes", "authorization_details", "created_at", "last_updated_at") {
		t.Fatal(a)
	}
	g := w.grant()
	scopes, _ := json.Marshal(a.body["scopes"])
	if string(scopes) != `[{"scope":"`+basicScope+`"}]` || !reflect.DeepEqual(a.body["authorization_details"], first.body["authorization_details"]) ||
		a.body["created_at"] != float64(g.CreatedAt.Unix()) || a.body["last_updated_at"] != a.body["created_at"] {
		t.Errorf("got %s", a)
	}
	for _, secret := range []string{first.text("access_token"), first.text("refresh_token"), "consumer-alice"} {
		if strings.Contains(a.raw, secret) {
			t.Error("the answer tells too much")
		}
	}
	w.clock.advance(10 * time.Minute)
	if back := w.person("alice").approve(app.front(app.pushed(about("merge", first.text("grant_id"), transactionsScope)))); back.Get("code") == "" {
		t.Fatal(back)
	}
	a = app.manage(http.MethodGet, query, first.text("grant_id"))
	if a.body["last_updated_at"] != float64(g.CreatedAt.Unix()+600) || a.body["created_at"] != float64(g.CreatedAt.Unix()) ||
		!strings.Contains(a.raw, transactionsScope) || resourcesOf(t, a)["acc-1"] != "ACCOUNT_BASIC TRANSACTIONS" {
		t.Errorf("after a change: %s", a)
	}
}

func TestRevokeGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.client("app")
	first := app.tokens(nil)
	query, revoke := app.ownToken(authz.ScopeGrantQuery), app.ownToken(authz.ScopeGrantRevoke)
	if a := app.manage(http.MethodDelete, revoke, first.text("grant_id")); a.status != http.StatusNoContent || a.raw != "" {
		t.Fatal(a)
	}
	g := w.grant()
	if g.Status != consent.StatusRevoked || g.EndedBy != consent.ActorRecipient || w.usable(first.text("access_token")) {
		t.Errorf("grant %+v", g)
	}
	if a := app.refresh(first.text("refresh_token"), nil); !a.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("refresh: %s", a)
	}
	for name, a := range map[string]answer{
		"again":  app.manage(http.MethodDelete, revoke, first.text("grant_id")),
		"lookup": app.manage(http.MethodGet, query, first.text("grant_id")),
	} {
		if !a.is(http.StatusNotFound, "invalid_grant_id") {
			t.Errorf("%s: %s", name, a)
		}
	}
}

func TestGrantManagementRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.client("app")
	first := app.tokens(nil)
	mine := first.text("grant_id")
	foreign := w.client("other").tokens(nil).text("grant_id")
	over := app.tokens(nil).text("grant_id")
	_, err := w.mem.End(t.Context(), consent.End{Grant: consent.GrantID(over), Status: consent.StatusRevoked, Actor: consent.ActorConsumer})
	must(t, err)
	query, revoke := app.ownToken(authz.ScopeGrantQuery), app.ownToken(authz.ScopeGrantRevoke)
	for name, tt := range map[string]struct {
		method, secret, id string
		status             int
		code               string
	}{
		"query with the right to revoke": {http.MethodGet, revoke, mine, http.StatusForbidden, "insufficient_scope"},
		"revoke with the right to query": {http.MethodDelete, query, mine, http.StatusForbidden, "insufficient_scope"},
		"no right at an unknown grant":   {http.MethodDelete, query, uuid.NewString(), http.StatusForbidden, "insufficient_scope"},
		"a token for data":               {http.MethodGet, first.text("access_token"), mine, http.StatusUnauthorized, "invalid_token"},
		"a refresh token":                {http.MethodGet, first.text("refresh_token"), mine, http.StatusUnauthorized, "invalid_token"},
		"no token":                       {http.MethodGet, "", mine, http.StatusUnauthorized, "invalid_token"},
		"query of a foreign grant":       {http.MethodGet, query, foreign, http.StatusNotFound, "invalid_grant_id"},
		"revocation of a foreign grant":  {http.MethodDelete, revoke, foreign, http.StatusNotFound, "invalid_grant_id"},
		"query of an unknown grant":      {http.MethodGet, query, uuid.NewString(), http.StatusNotFound, "invalid_grant_id"},
		"revocation of an unknown grant": {http.MethodDelete, revoke, uuid.NewString(), http.StatusNotFound, "invalid_grant_id"},
		"query of an ended grant":        {http.MethodGet, query, over, http.StatusNotFound, "invalid_grant_id"},
		"an id that is no text":          {http.MethodGet, query, "%00%ff", http.StatusNotFound, "invalid_grant_id"},
		"an id that is too long":         {http.MethodGet, query, strings.Repeat("g", 65), http.StatusNotFound, "invalid_grant_id"},
		"another method":                 {http.MethodPut, query, mine, http.StatusMethodNotAllowed, "invalid_request"},
		"the list of all":                {http.MethodGet, query, "", http.StatusNotFound, "invalid_request"},
		"something below":                {http.MethodGet, query, mine + "/tokens", http.StatusNotFound, "invalid_request"},
	} {
		a := app.manage(tt.method, tt.secret, tt.id)
		if !a.is(tt.status, tt.code) {
			t.Errorf("%s: %s, want %d %s", name, a, tt.status, tt.code)
		}
		if challenged := a.header.Get("WWW-Authenticate") != ""; challenged != (tt.status == http.StatusUnauthorized || tt.status == http.StatusForbidden) {
			t.Errorf("%s: WWW-Authenticate %q", name, a.header.Values("WWW-Authenticate"))
		}
	}
	answers := map[string]bool{}
	for _, id := range []string{foreign, uuid.NewString(), over} {
		answers[app.manage(http.MethodGet, query, id).raw] = true
		answers[app.manage(http.MethodDelete, revoke, id).raw] = true
	}
	if len(answers) != 1 {
		t.Errorf("%d answers about grants that are not the client's", len(answers))
	}
	for call, wanted := range map[string]string{"Grant": http.MethodGet, "End": http.MethodDelete} {
		w.stores.before = failing(call, consent.ErrUnavailable)
		secret := query
		if wanted == http.MethodDelete {
			secret = revoke
		}
		if a := app.manage(wanted, secret, mine); !a.is(http.StatusServiceUnavailable, "temporarily_unavailable") {
			t.Errorf("%s down: %s", call, a)
		}
	}
	w.stores.before = nil
	if g, err := w.mem.Grant(t.Context(), consent.GrantID(mine)); err != nil || g.Status != consent.StatusActive {
		t.Errorf("the grant is %s (%v)", g.Status, err)
	}
	if g, err := w.mem.Grant(t.Context(), consent.GrantID(foreign)); err != nil || g.Status != consent.StatusActive {
		t.Errorf("the foreign grant is %s (%v)", g.Status, err)
	}
}

func TestGrantManagementMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(w.protocol, httptest.NewRequest(http.MethodGet, "/.well-known/oauth-authorization-server", nil))
	if a.body["grant_management_endpoint"] != issuer+"/grants" || a.body["grant_management_action_required"] != false ||
		!reflect.DeepEqual(a.body["grant_management_actions_supported"], []any{"query", "revoke", "create", "merge", "replace"}) {
		t.Errorf("metadata: %s", a)
	}
}

// Whatever is sent, a request is about no grant, or about an active one of
// this client.
func FuzzGrantManagement(f *testing.F) {
	w := newWorld(f)
	app := w.client("app")
	mine := app.tokens(nil).text("grant_id")
	foreign := w.client("other").tokens(nil).text("grant_id")
	for _, action := range []string{"", "create", "merge", "replace", "update", " merge"} {
		for _, id := range []string{"", mine, foreign, mine + " ", "\xff"} {
			f.Add(action, id)
		}
	}
	f.Fuzz(func(t *testing.T, action, id string) {
		w.t = t
		var kept *token.Pushed
		w.stores.amend = func(p *token.Pushed) { kept = p }
		a := app.push(func(f url.Values) { f.Set("grant_management_action", action); f.Set("grant_id", id) })
		switch {
		case a.status != http.StatusCreated:
			if !a.is(http.StatusBadRequest, "invalid_request") && !a.is(http.StatusBadRequest, "invalid_grant_id") {
				t.Fatal(a)
			}
		case (action == "" || action == "create") && id == "":
			if kept.Request.Change.Asked() {
				t.Fatalf("kept %+v", kept.Request.Change)
			}
		case action != "merge" && action != "replace" || id != mine ||
			kept.Request.Change != consent.Change{Action: consent.Action(action), Grant: consent.GrantID(mine), Epoch: 1}:
			t.Fatalf("%q %q: kept %+v", action, id, kept.Request.Change)
		}
	})
}

// The API is on the certificate host too, with a token that is bound to a
// certificate.
func TestGrantManagementOnTheCertificateHost(t *testing.T) {
	t.Parallel()
	m := newMTLSWorld(t, nil)
	app := m.client("app")
	mine := app.tokens(nil).text("grant_id")
	held := m.ca.client(t, tlsName, keys().ec.Public())
	secret, hash := m.hasher.New(token.KindClient)
	now := m.clock.now().UTC().Truncate(time.Second)
	must(t, m.mem.IssueClient(t.Context(), token.ClientAccess{
		Hash: hash, Recipient: "app", Scopes: []string{authz.ScopeGrantQuery, authz.ScopeGrantRevoke},
		CertThumbprint: certs.CertificateThumbprint(held), IssuedAt: now, ExpiresAt: now.Add(15 * time.Minute),
	}))
	call := func(method string, cert *x509.Certificate) answer {
		r := httptest.NewRequest(method, mtlsBase+"/grants/"+mine, nil)
		r.Header.Set("Authorization", "Bearer "+m.secret(secret.Reveal()))
		r.TLS = &tls.ConnectionState{}
		if cert != nil {
			r.TLS.PeerCertificates = []*x509.Certificate{cert}
		}
		return m.do(m.host, r)
	}
	for name, cert := range map[string]*x509.Certificate{
		"no certificate": nil,
		"another":        m.ca.client(t, tlsName, keys().ec.Public()),
		"not ours":       newAuthority(t).client(t, tlsName, keys().ec.Public()),
	} {
		if a := call(http.MethodGet, cert); !a.is(http.StatusUnauthorized, "invalid_token") {
			t.Errorf("%s: %s", name, a)
		}
	}
	if a := call(http.MethodGet, held); a.status != http.StatusOK {
		t.Errorf("query: %s", a)
	}
	if a := call(http.MethodDelete, held); a.status != http.StatusNoContent {
		t.Errorf("revoke: %s", a)
	}
	if a := call(http.MethodDelete, held); !a.is(http.StatusNotFound, "invalid_grant_id") {
		t.Errorf("again: %s", a)
	}
}
