package portal

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

// grant adds a grant that ada gave to an app of this name.
func (w *world) grant(id consent.GrantID, app string, change ...func(*consent.Grant)) consent.Grant {
	g := consent.Grant{
		ID: id, Recipient: budgetBee, Consumer: "c-ada", Status: consent.StatusActive, Epoch: 1,
		Purpose: "budgeting", Duration: consent.TimeBound, DurationDays: 365, LookbackDays: 90,
		Resources: []consent.Resource{
			{Type: consent.ResourceAccount, ID: "a-1", Clusters: fdx.NewClusters(fdx.Balances)},
			{Type: consent.ResourceAccount, ID: "a-gone", Clusters: fdx.NewClusters(fdx.Balances)},
		},
		Parties:    []consent.Party{{Name: app, Type: consent.PartyRecipient, HomeURI: "https://app.example/", RegisteredEntityName: app + " Ltd"}},
		Disclosure: consent.Disclosure{Version: "1", Locale: "fr", Text: "Ligne <un>\nLigne deux\n"},
		CreatedAt:  w.now, ExpiresAt: w.now.AddDate(1, 0, 0),
	}
	for _, c := range change {
		c(&g)
	}
	w.grants = append(w.grants, g)
	w.events[id] = []consent.Event{{Grant: id, Epoch: 1, Kind: consent.EventGranted, At: g.CreatedAt}}
	return g
}

func (w *world) read(grant consent.GrantID, who consent.ConsumerID, at time.Time, n int) audit.Record {
	r := audit.Record{
		At: at, Grant: grant, Consumer: who, Recipient: budgetBee, Accounts: []fdx.AccountID{"a-1"},
		Clusters: fdx.NewClusters(fdx.Transactions), Count: n, Outcome: audit.Given,
	}
	r.RequestID[0], r.RequestID[1] = byte(n>>8), byte(n)
	w.reads = append(w.reads, r)
	return r
}

func (p *person) home(username string) *browser.Page {
	p.t.Helper()
	return p.signIn(p.open("/portal"), username)
}

func TestPortalAsksWhoYouAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	p := w.person()
	for _, path := range []string{"/portal", "/portal/history", "/portal/grants/g-1", "/portal/grants/g-1/stop", "/portal/grants/g-1/stopped", "/portal/grants/none"} {
		page := p.open(path)
		p.on(page, http.StatusOK, "/portal/login")
		if strings.Contains(page.Text(), "BudgetBee") {
			t.Errorf("%s tells a stranger about BudgetBee", path)
		}
	}
	if len(w.rows) != 0 {
		t.Errorf("a stranger left %d sessions", len(w.rows))
	}
	page := p.home("ada")
	p.on(page, http.StatusOK, "/portal")
	p.on(p.open("/portal/login"), http.StatusOK, "/portal") // nothing is asked twice
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.press(p.home("ada"), "sign_out")
	p.on(page, http.StatusOK, "/portal/login")
	p.on(p.open("/portal"), http.StatusOK, "/portal/login")
	if len(w.rows) != 0 || len(p.b.Cookies()) != 0 {
		t.Error("something of the session is left")
	}
}

func TestIdlePortalSignsOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.home("ada")
	w.do(func() { w.now = w.now.Add(15 * time.Minute) })
	p.on(p.open("/portal"), http.StatusOK, "/portal/login")
}

func TestHomeListsApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(func() { w.now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) })
	w.grant("g-1", "BudgetBee")
	w.grant("g-2", "LedgerLark", func(g *consent.Grant) { g.ExpiresAt = w.now.AddDate(0, 0, 30) })
	w.grant("g-3", "TaxToad", func(g *consent.Grant) {
		g.Status, g.EndedAt, g.EndedBy = consent.StatusRevoked, w.now.Add(-time.Hour), consent.ActorConsumer
	})
	w.grant("g-4", "OldOwl", func(g *consent.Grant) { g.ExpiresAt = w.now }) // over, though nobody wrote that down
	w.grant("g-5", "BobsApp", func(g *consent.Grant) { g.Consumer = "c-bob" })
	w.read("g-1", "c-ada", time.Date(2026, 11, 20, 8, 30, 0, 0, time.UTC), 7)
	p := w.person()
	page := p.home("ada")
	says(t, page, "2 apps can see data from your accounts.", "BudgetBee", "Sharing", "2 accounts", "20 November 2026, 08:30",
		"21 November 2027", "LedgerLark", "Ends soon", "Not yet", "See where your money goes and plan each month.",
		"TaxToad", "You stopped it.", "OldOwl", "Its time was up.")
	if strings.Contains(page.Text(), "BobsApp") {
		t.Error("shows what bob shares")
	}
	if got := page.IDs("stop_sharing"); !slices.Equal(got, []string{"stop_sharing", "stop_sharing_2"}) {
		t.Errorf("stop controls %v", got)
	}
	says(t, p.open("/portal/grants/g-4"), "Ended", "Its time was up.")
}

func TestHomeOfSomebodyWhoSharesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.person().home("bob")
	says(t, page, "No app can see your data.")
	if page.Has("stop_sharing") {
		t.Error("there is something to stop")
	}
}

func TestStoreThatMixesPeopleUpShowsNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sloppy = true
	w.grant("g-1", "BudgetBee")
	page := w.person().home("bob")
	says(t, page, "No app can see your data.")
	if strings.Contains(page.Text(), "BudgetBee") {
		t.Error("bob sees what ada shares")
	}
}

func TestStopInTwoClicks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(func() { w.now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) })
	w.grant("g-1", "BudgetBee")
	w.grant("g-2", "LedgerLark")
	w.read("g-2", "c-ada", time.Date(2026, 11, 21, 9, 59, 0, 0, time.UTC), 7)
	page, err := browser.Stop(context.Background(), w.browser(), w.server.URL+"/portal", "ada", "correct horse", "LedgerLark")
	if err != nil {
		t.Fatal(err)
	}
	says(t, page, "You stopped sharing with LedgerLark", "21 November 2026, 10:00", "21 November 2026, 09:59",
		"LedgerLark can get no new data from us.", "It may still hold data it already has.")
	if w.grants[1].Status != consent.StatusRevoked || w.grants[0].Status != consent.StatusActive || w.stops != 1 {
		t.Errorf("grants %v and %v, %d stops", w.grants[0].Status, w.grants[1].Status, w.stops)
	}
}

func TestStopSaysWhatItMeans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	p := w.person()
	page := p.press(p.home("ada"), "stop_sharing")
	says(t, page, "Stop sharing with BudgetBee?", "will stop getting new data from us right away",
		"Ask BudgetBee if you want that data deleted.", "may stop working", "Keep sharing", "Stop sharing")
	page = p.press(page, "stop_keep")
	p.on(page, http.StatusOK, "/portal/grants/g-1")
	if w.stops != 0 {
		t.Error("keeping stops")
	}
}

func TestStopOfWhatIsOverIsSafe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*consent.Grant)
		says   string
	}{
		"by the person": {func(g *consent.Grant) { g.Status, g.EndedBy = consent.StatusRevoked, consent.ActorConsumer }, "You stopped sharing with BudgetBee"},
		"by the app":    {func(g *consent.Grant) { g.Status, g.EndedBy = consent.StatusRevoked, consent.ActorRecipient }, "The app ended it."},
		"by the bank":   {func(g *consent.Grant) { g.Status, g.EndedBy = consent.StatusRevoked, consent.ActorProvider }, "Northbank ended it."},
		"by time":       {func(g *consent.Grant) { g.Status, g.EndedBy = consent.StatusExpired, consent.ActorTime }, "Its time was up."},
		"unswept":       {func(g *consent.Grant) { g.ExpiresAt = g.CreatedAt }, "Its time was up."},
		"unheard of":    {func(g *consent.Grant) { g.Status = "PAUSED" }, "Sharing with BudgetBee has already ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.grant("g-1", "BudgetBee")
			p := w.person()
			confirm := p.press(p.home("ada"), "stop_sharing") // opened while it was on
			w.do(func() { c.change(&w.grants[0]) })
			page := p.press(confirm, "stop_confirm")
			p.on(page, http.StatusOK, "/stopped")
			says(t, page, c.says, "can get no new data", "It never looked")
			p.on(p.open("/portal/grants/g-1/stop"), http.StatusOK, "/stopped")
			// It is asked all the same: an end may not be known everywhere yet,
			// and whether time is up is for the store to say.
			if w.stops != 0 || w.asks != 1 {
				t.Errorf("%d stops, %d asked for", w.stops, w.asks)
			}
		})
	}
}

func TestStopTwiceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	p := w.person()
	confirm := p.press(p.home("ada"), "stop_sharing")
	for range 2 {
		p.on(p.press(confirm, "stop_confirm"), http.StatusOK, "/stopped")
	}
	if w.stops != 1 || w.asks != 2 { // the first may still be waiting
		t.Errorf("%d stops, %d asked for", w.stops, w.asks)
	}
}

func TestStopThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	p := w.person()
	confirm := p.press(p.home("ada"), "stop_sharing")
	w.do(func() { w.down["stop"] = true })
	page := p.press(confirm, "stop_confirm")
	p.problem(page, http.StatusServiceUnavailable, "temporarily_unavailable")
	says(t, page, "We could not stop it yet", "Sharing may still be on.", "Try again")
	w.do(func() { w.down["stop"] = false })
	p.on(p.press(p.press(page, "retry"), "stop_confirm"), http.StatusOK, "/stopped")
}

func TestStopNeedsTheFormOfThisSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	w.grant("g-2", "LedgerLark")
	p := w.person()
	p.home("ada")
	page := p.open("/portal/grants/g-1/stop")
	other := p.open("/portal/grants/g-2/stop")
	o, err := other.Submission("stop_confirm")
	if err != nil {
		t.Fatal(err)
	}
	for name, bend := range map[string]func(*browser.Submission){
		"no mark":         func(s *browser.Submission) { s.Form.Del("mark") },
		"truncated mark":  func(s *browser.Submission) { s.Form.Set("mark", s.Form.Get("mark")[1:]) },
		"another's mark":  func(s *browser.Submission) { s.Form.Set("mark", o.Form.Get("mark")) },
		"mark of journey": func(s *browser.Submission) { s.Form.Set("mark", "review\n") },
	} {
		got := p.bent(page, "stop_confirm", bend)
		p.on(got, http.StatusConflict, "/stop")
		says(t, got, "This page was out of date")
		if w.stops != 0 {
			t.Fatalf("%s: stopped", name)
		}
	}
	for name, bend := range map[string]func(*browser.Submission){
		"another site": func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") },
		"no action":    func(s *browser.Submission) { s.Form.Del("action") },
		"twice":        func(s *browser.Submission) { s.Form.Add("action", "stop") },
		"oversized":    func(s *browser.Submission) { s.Form.Set("x", strings.Repeat("a", maxForm)) },
	} {
		if got := p.bent(page, "stop_confirm", bend); got.Status < 400 || !got.Has("oauth_error") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if w.stops != 0 {
		t.Errorf("%d stops", w.stops)
	}
}

func TestAnotherPersonsGrantIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	w.grant("g-ended", "BudgetBee", func(g *consent.Grant) { g.Status = consent.StatusRevoked })
	ada := w.person()
	ada.home("ada")
	own := ada.open("/portal/grants/g-1/stop")
	bob := w.person()
	bob.home("bob")
	for _, id := range []string{"g-1", "g-ended"} {
		for _, path := range []string{"", "/stop", "/stopped"} {
			foreign, unknown := bob.open("/portal/grants/"+id+path), bob.open("/portal/grants/g-9"+path)
			bob.problem(foreign, http.StatusNotFound, "not_found")
			sameButReference(t, foreign, unknown)
		}
	}
	s, err := own.Submission("stop_confirm")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := bob.b.Submit(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	s.URL.Path = "/portal/grants/g-9/stop"
	unknown, err := bob.b.Submit(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	bob.problem(foreign, http.StatusNotFound, "not_found")
	sameButReference(t, foreign, unknown)
	if w.stops != 0 {
		t.Error("bob stopped ada's sharing")
	}
	for _, id := range []string{"%2e%2e", "%zz", "%00", "g-1%0d%0aX:1", strings.Repeat("a", 4000)} {
		resp, err := bob.b.Open(context.Background(), w.server.URL+"/portal/grants/"+id)
		if err == nil {
			bob.problem(resp, http.StatusNotFound, "not_found")
		}
	}
}

func TestGrantPageTellsAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(func() { w.now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) })
	w.grant("g-1", "BudgetBee")
	w.events["g-1"] = append(w.events["g-1"], consent.Event{Kind: "unheard_of", At: w.now}, consent.Event{Kind: consent.EventTokensRevoked, At: w.now})
	p := w.person()
	p.home("ada")
	page := p.open("/portal/grants/g-1")
	says(t, page, "BudgetBee", "BudgetBee Ltd", "Everyday account", "•••• 4321", "An account that is no longer with us",
		"Account balances", "How much is in the account now.", "See where your money goes and plan each month.",
		"21 November 2026", "21 November 2027", "90 days", "Not yet", "You started sharing.", "Something was changed.",
		"The app signed out of its access.", "Ligne <un>", "Ligne deux")
	if lang, _ := page.Attr("disclosure", "lang"); lang != "fr" {
		t.Errorf("language of the disclosure: %s", lang)
	}
	if !page.Has("stop_sharing") {
		t.Error("no way to stop")
	}
	w.do(func() { w.down["bank"], w.down["reads"], w.down["recipients"] = true, true, true })
	page = p.open("/portal/grants/g-1")
	p.on(page, http.StatusOK, "/g-1")
	says(t, page, "2 accounts", "Not known right now")
	if !page.Has("stop_sharing") {
		t.Error("no way to stop while others are down")
	}
}

func TestStopWorksWhileOthersAreDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	w.do(func() { w.down["bank"], w.down["reads"], w.down["recipients"] = true, true, true })
	p := w.person()
	page := p.press(p.press(p.home("ada"), "stop_sharing"), "stop_confirm")
	p.on(page, http.StatusOK, "/stopped")
	says(t, page, "You stopped sharing with BudgetBee", "Not known right now")
}

func TestPortalThatCannotReadGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	p := w.person()
	p.home("ada")
	w.do(func() { w.down["grants"] = true })
	for _, path := range []string{"/portal", "/portal/history", "/portal/grants/g-1", "/portal/grants/g-1/stop"} {
		p.problem(p.open(path), http.StatusServiceUnavailable, "temporarily_unavailable")
	}
	if !strings.Contains(w.logged.String(), "10.0.0.7") {
		t.Error("the cause is not in the log")
	}
}

func TestHistoryPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	start := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	for i := range 120 {
		// Two at the same time, so that the id has to tell them apart.
		w.read("g-1", "c-ada", start.Add(-time.Duration(i/2)*time.Minute), 5000-i)
		w.read("g-1", "c-bob", start, 9000+i)
	}
	p := w.person()
	p.home("ada")
	page := p.open("/portal/history")
	seen := map[int]bool{}
	for n := range 3 {
		for i := range 120 {
			if strings.Contains(page.Text(), fmt.Sprintf("\n%s\n", p.portal.catalogue.texts[0].Number(5000-i))) {
				if seen[i] {
					t.Errorf("read %d is on two pages", i)
				}
				seen[i] = true
			}
		}
		if strings.Contains(page.Text(), "9,0") {
			t.Error("a read of bob's is shown")
		}
		if page.Has("history_older") != (n < 2) || page.Has("history_newest") != (n > 0) {
			t.Errorf("page %d: links %v", n, page.IDs("history_"))
		}
		if n < 2 {
			page = p.press(page, "history_older")
		}
	}
	if len(seen) != 120 {
		t.Errorf("%d reads are shown, want 120", len(seen))
	}
	for _, bad := range []string{"x", "%00", strings.Repeat("A", 32), strings.Repeat("_", 32), strings.Repeat("A", 33), "AAAA&before=BBBB"} {
		p.on(p.open("/portal/history?before="+bad), http.StatusOK, "/portal/history")
	}
}

func TestHistoryInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	at := time.Date(2026, 11, 21, 10, 5, 0, 0, time.UTC)
	w.read("g-1", "c-ada", at, 1234)
	w.reads[0].Attended = true
	w.read("g-1", "c-ada", at.Add(-time.Hour), 2)
	w.reads[1].Outcome = audit.Clipped
	w.read("g-unknown", "c-ada", at.Add(-2*time.Hour), 0)
	w.reads[2].Outcome, w.reads[2].Reason = audit.Refused, "CANARY_CODE"
	w.read("g-1", "c-ada", at.Add(-3*time.Hour), 1)
	w.reads[3].Outcome = "new kind"
	p := w.person()
	p.home("ada")
	page := p.open("/portal/history")
	says(t, page, "21 November 2026, 10:05", "BudgetBee", "Transaction data", "1,234", "While you were there", "Given",
		"In the background", "Given in part: too far back", "An app", "Refused: nothing given")
	// Two rows and the entry of the filter.
	if strings.Count(page.Text(), "Refused") != 3 {
		t.Error("an unknown outcome must not read as given")
	}
	if strings.Contains(page.Text(), "CANARY_CODE") {
		t.Error("shows an error code")
	}
	says(t, w.person2("bob").open("/portal/history"), "No app has asked for your data yet.")
}

// person2 is somebody who is signed in to the portal already.
func (w *world) person2(username string) *person {
	p := w.person()
	p.home(username)
	return p
}

func TestPathsThatAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	for _, path := range []string{"/", "/consent", "/consent/", "/portal/", "/portal/grants/", "/favicon.ico", "/consent/x/own", "/portal/grants/g/own"} {
		p.problem(p.open(path), http.StatusNotFound, "not_found")
	}
	req, err := http.NewRequest(http.MethodDelete, w.server.URL+"/portal", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") == "" {
		t.Errorf("DELETE: %d, Allow %s", resp.StatusCode, resp.Header.Get("Allow"))
	}
}
