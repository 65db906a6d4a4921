package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// authOf returns the authorization about a pushed request.
func (w *world) authOf(pushed string) consent.Authorization {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.auths {
		if a.Pushed == pushed {
			return a
		}
	}
	w.t.Fatalf("nobody opened %s", pushed)
	return consent.Authorization{}
}

// toWhose takes cleo to the page on which she picks.
func (p *person) toWhose() *browser.Page {
	p.t.Helper()
	page := p.signIn(p.arrive(), "cleo")
	p.on(page, http.StatusOK, "/whose")
	return page
}

func (p *person) pick(page *browser.Page, id string) *browser.Page {
	p.t.Helper()
	p.tick(page, id)
	return p.press(page, "whose_continue")
}

func TestWhoActsInSeveralNamesPicksOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toWhose()
	says(t, page, "Cleo Clay", "Your own accounts", "1 account", "Clay Ceramics", "Business", "2 accounts")
	if strings.Contains(page.Text(), "Rowing Club") || len(page.IDs("holder_")) != 2 {
		t.Error("who has nothing to share is offered")
	}
	for _, id := range page.IDs("holder_") {
		if page.Ticked(id) {
			t.Errorf("%s is picked already", id)
		}
	}
	page = p.press(page, "whose_continue")
	p.on(page, http.StatusUnprocessableEntity, "/whose")
	says(t, page, "Choose whose accounts")
	page = p.pick(page, "holder_2")
	p.on(page, http.StatusOK, "/accounts")
	says(t, page, "Whose accounts: Clay Ceramics", "Business savings", "Old business")
	if strings.Contains(page.Text(), "1000") || len(page.IDs("account_")) != 2 {
		t.Errorf("accounts of another name are listed: %v", page.IDs("account_"))
	}
	p.tick(page, "account_2")
	page = p.press(page, "accounts_continue")
	p.on(page, http.StatusOK, "/review")
	says(t, page, "Whose accounts: Clay Ceramics", "Business savings")
	p.left(p.press(page, "consent_approve"), "code=c")
	g := w.grants[0]
	if g.Holder != ceramics || len(g.Accounts()) != 1 || g.Accounts()[0] != "c-3" || !strings.Contains(g.Disclosure.Text, "Whose accounts: Clay Ceramics\n") {
		t.Errorf("%+v", g)
	}
	if text, err := p.open(grantPath(g.ID)).TextOf("whose"); err != nil || text != "Clay Ceramics" {
		t.Errorf("the page of the app says %q (%v)", text, err)
	}
}

// A person's own name is read once, on the page to pick from, and kept nowhere.
func TestAPersonsOwnNameIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.pick(p.toWhose(), "holder_1")
	p.tick(page, "account_1")
	page = p.press(page, "accounts_continue")
	says(t, page, "Whose accounts: Your own accounts")
	p.left(p.press(page, "consent_approve"), "code=c")
	g := w.grants[0]
	if g.Holder != (consent.Holder{ID: "h-own", Kind: consent.HolderOwn}) || strings.Contains(g.Disclosure.Text, "Cleo") {
		t.Errorf("%+v", g)
	}
}

func TestWhoActsInOneNamePicksNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toAccounts()
	p.on(page, http.StatusOK, "/accounts")
	if page.Has("whose_change") {
		t.Error("there is a choice of names")
	}
	p.on(p.open("/consent/"+string(w.auth().ID)+"/whose"), http.StatusOK, "/accounts")
	p.tick(page, "account_1")
	page = p.press(page, "accounts_continue")
	if strings.Contains(page.Text(), "Whose accounts") {
		t.Error("the review says whose")
	}
	p.left(p.press(page, "consent_approve"), "code=c")
	if w.grants[0].Holder != (consent.Holder{}) {
		t.Errorf("%+v", w.grants[0].Holder)
	}
}

func TestPickingAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.pick(p.toWhose(), "holder_2")
	p.tick(page, "account_1")
	p.press(page, "accounts_continue")
	id := "/consent/" + string(w.auth().ID)
	page = p.open(id + "/whose")
	if !page.Ticked("holder_2") || !page.Has("whose_back") {
		t.Error("what was picked is forgotten")
	}
	if a := w.auth(); len(a.Accounts) != 1 {
		t.Fatalf("%v", a.Accounts)
	}
	p.on(p.pick(page, "holder_2"), http.StatusOK, "/review") // the same again
	page = p.pick(p.open(id+"/whose"), "holder_1")
	p.on(page, http.StatusOK, "/accounts")
	if a := w.auth(); len(a.Accounts) != 0 || a.Holder.ID != "h-own" || page.Ticked("account_1") {
		t.Errorf("what was chosen for somebody else stays: %+v", a)
	}
}

// Every bent form is refused, and nothing of it is stored.
func TestForgedNamesAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bend   func(*browser.Submission)
		status int
	}{
		"nobody":              {func(s *browser.Submission) { s.Form.Del("holder") }, 422},
		"empty":               {func(s *browser.Submission) { s.Form.Set("holder", "") }, 422},
		"somebody made up":    {func(s *browser.Submission) { s.Form.Set("holder", "h-999") }, 422},
		"who has nothing":     {func(s *browser.Submission) { s.Form.Set("holder", "h-club") }, 422},
		"by name":             {func(s *browser.Submission) { s.Form.Set("holder", "Clay Ceramics") }, 422},
		"in other case":       {func(s *browser.Submission) { s.Form.Set("holder", "H-BIZ") }, 422},
		"twice":               {func(s *browser.Submission) { s.Form.Add("holder", "h-own") }, 400},
		"action twice":        {func(s *browser.Submission) { s.Form.Add("action", "continue") }, 400},
		"no action":           {func(s *browser.Submission) { s.Form.Del("action") }, 400},
		"unknown action":      {func(s *browser.Submission) { s.Form.Set("action", "share") }, 400},
		"no mark":             {func(s *browser.Submission) { s.Form.Del("mark") }, 409},
		"no mark, and cancel": {func(s *browser.Submission) { s.Form.Del("mark"); s.Form.Set("action", "cancel") }, 409},
		"bent mark":           {func(s *browser.Submission) { s.Form.Set("mark", "x"+s.Form.Get("mark")) }, 409},
		"no origin, no mark": {func(s *browser.Submission) {
			s.Form.Del("mark")
			s.Header["Origin"], s.Header["Sec-Fetch-Site"] = nil, nil
		}, 409},
		"from another site":    {func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"from a sibling":       {func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		"oversized":            {func(s *browser.Submission) { s.Form.Set("holder", strings.Repeat("h", maxForm)) }, 413},
		"with a space behind":  {func(s *browser.Submission) { s.Form.Set("holder", "h-biz ") }, 422},
		"what is no form body": {func(s *browser.Submission) { s.Header.Set("Content-Type", "application/json") }, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			page := p.toWhose()
			p.tick(page, "holder_2")
			before := w.auth()
			answer := p.bent(page, "whose_continue", c.bend)
			if answer.Left != nil || answer.Status != c.status {
				t.Errorf("%s, want %d", answer, c.status)
			}
			if a := w.auth(); a.Version != before.Version || a.Holder != (consent.Holder{}) || a.Decision != consent.Undecided {
				t.Errorf("stored: %+v", a)
			}
		})
	}
}

func TestAnAccountInAnotherNameIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.pick(p.toWhose(), "holder_2")
	for name, bend := range map[string]func(url.Values){
		"her own":             func(f url.Values) { f.Set("account_1", "c-1") },
		"her own beside":      func(f url.Values) { f.Set("account_1", "c-2"); f.Set("account_9", "c-1") },
		"of another person":   func(f url.Values) { f.Set("account_1", "b-1") },
		"closed, same holder": func(f url.Values) { f.Set("account_1", "c-4") },
	} {
		before := w.auth()
		answer := p.bent(page, "accounts_continue", func(s *browser.Submission) { bend(s.Form) })
		p.on(answer, http.StatusUnprocessableEntity, "/accounts")
		says(t, answer, "One of those accounts cannot be shared.")
		if a := w.auth(); a.Version != before.Version || len(a.Accounts) != 0 {
			t.Errorf("%s: stored %v", name, a.Accounts)
		}
	}
}

// Nobody gets to the accounts, or past them, without a name.
func TestAccountsNeedAName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.toWhose()
	id := "/consent/" + string(w.auth().ID)
	for _, page := range []string{"/accounts", "/review", "/step-up", "/whose"} {
		p.on(p.open(id+page), http.StatusOK, "/whose")
	}
	// The account is moved to another name after it was chosen.
	page := p.pick(p.open(id+"/whose"), "holder_2")
	p.tick(page, "account_1")
	review := p.press(page, "accounts_continue")
	w.do(func() { w.choices["c-cleo"][1].Holder = consent.Holder{ID: "h-own", Kind: consent.HolderOwn} })
	p.on(p.press(review, "consent_approve"), http.StatusOK, "/accounts")
	if len(w.grants) != 0 {
		t.Error("shared all the same")
	}
}

func TestStaleAndSecondTabsOfNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	first := p.toWhose()
	second := p.open("/consent/" + string(w.auth().ID) + "/whose")
	p.pick(first, "holder_1")
	late := p.pick(second, "holder_2")
	p.on(late, http.StatusConflict, "/whose")
	says(t, late, "out of date")
	if a := w.auth(); a.Holder.ID != "h-own" {
		t.Errorf("the late tab picked %s", a.Holder.ID)
	}
	// The back button.
	p.on(p.press(first, "whose_continue"), http.StatusConflict, "/whose")
	// Decided in another tab.
	page := p.open("/consent/" + string(w.auth().ID) + "/accounts")
	p.left(p.press(page, "cancel"), "error=access_denied")
	p.on(p.press(first, "whose_continue"), http.StatusOK, "/done")
}

func TestAnotherBrowserPicksNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, thief := w.person(), w.person()
	page := p.toWhose()
	thief.signIn(thief.open("/portal/login"), "cleo")
	s, err := page.Submission("cancel")
	if err != nil {
		t.Fatal(err)
	}
	got, err := thief.b.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	thief.problem(got, http.StatusNotFound, "not_found")
	thief.problem(thief.open("/consent/"+string(w.auth().ID)+"/whose"), http.StatusNotFound, "not_found")
}

// Whoever signs in next picks for themselves, and what was decided before is
// void.
func TestAnotherPersonDecidesAnew(t *testing.T) {
	t.Parallel()
	w := guardedWorld(t)
	p := w.person()
	page := p.press(p.toReview(), "consent_approve")
	p.on(page, http.StatusOK, "/step-up")
	id := "/consent/" + string(w.auth().ID)
	w.do(func() { w.pending.Pushed = "p-2" }) // bob starts something of his own in another tab
	p.signIn(p.arrive(), "bob")
	p.signIn(p.open(id+"/step-up"), "bob")
	if a := w.authOf("p-1"); a.Decision != consent.Undecided || a.Disclosure != (consent.Disclosure{}) || len(a.Accounts) != 0 || a.Consumer != "c-bob" {
		t.Fatalf("%+v", a)
	}
	page = p.open(id + "/accounts")
	p.tick(page, "account_1")
	p.on(p.press(page, "accounts_continue"), http.StatusOK, "/review")
}

// A change stays with whom the grant is about.
func TestAChangeStaysInOneName(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]consent.Holder{"as written down": ceramics, "as its accounts are": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			w.do(func() {
				g := consent.Grant{
					ID: "g-1", Recipient: budgetBee, Consumer: "c-cleo", Status: consent.StatusActive, Epoch: 1, Purpose: "budgeting", Holder: held,
					Duration: consent.TimeBound, DurationDays: 30, CreatedAt: w.now, ExpiresAt: w.now.Add(30 * 24 * time.Hour),
					Resources: []consent.Resource{{Type: consent.ResourceAccount, ID: "c-2", Clusters: fdx.NewClusters(fdx.Balances)}},
				}
				w.grants = []consent.Grant{g}
				w.pending.Request.Change = consent.Change{Action: consent.ActionReplace, Grant: "g-1", Epoch: 1}
			})
			page := p.signIn(p.arrive(), "cleo")
			p.on(page, http.StatusOK, "/accounts")
			if len(page.IDs("account_")) != 2 || page.Has("whose_change") || !page.Ticked("account_1") {
				t.Errorf("%v", page.IDs("account_"))
			}
			p.on(p.open("/consent/"+string(w.auth().ID)+"/whose"), http.StatusOK, "/accounts")
			p.on(p.bent(page, "accounts_continue", func(s *browser.Submission) { s.Form.Set("account_1", "c-1") }), http.StatusUnprocessableEntity, "/accounts")
			p.on(p.press(page, "accounts_continue"), http.StatusOK, "/review")
			if a := w.auth(); a.Holder != ceramics {
				t.Errorf("%+v", a.Holder)
			}
		})
	}
}
