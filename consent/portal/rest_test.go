package portal

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

// newDay is a world on a morning of which the tests know the date.
func newDay(t *testing.T) *world {
	w := newWorld(t)
	w.do(func() { w.now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) })
	return w
}

func (w *world) state(id consent.GrantID) consent.Grant {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.grants {
		if g.ID == id {
			return g
		}
	}
	w.t.Fatalf("there is no grant %s", id)
	return consent.Grant{}
}

func TestRestingPagesInEveryLanguage(t *testing.T) {
	t.Parallel()
	keys := readCatalogue(t, "en")
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			w := newDay(t)
			for i := range 10 {
				w.grant(consent.GrantID(fmt.Sprintf("g-%d", i)), fmt.Sprintf("App %d", i))
			}
			w.do(func() { w.read("g-0", "c-ada", w.now, 3) })
			p := w.person(lang)
			p.home("ada")
			var pages []*browser.Page
			add := func(page *browser.Page) *browser.Page { pages = append(pages, page); return page }
			add(p.open("/portal?q=App&state=unused"))
			page := add(p.open("/portal/grants/g-0/pause"))
			page = add(p.press(page, "pause_confirm")) // nothing chosen
			p.tick(page, "pause_date")
			add(p.press(page, "pause_confirm"))
			p.tick(page, "pause_7")
			page = add(p.press(page, "pause_confirm"))
			p.on(page, http.StatusOK, "/g-0/resting")
			add(p.press(add(p.open("/portal/grants/g-1/hold")), "hold_confirm"))
			add(p.open("/portal"))
			add(p.open("/portal/grants/g-0"))
			add(p.open("/portal/grants/g-1"))
			add(p.press(add(p.press(add(p.open("/portal/grants/g-1")), "see_rest")), "release_sharing"))
			page = add(p.press(p.open("/portal/grants/g-1/stop"), "stop_confirm"))
			add(p.press(page, "answer_other"))
			w.do(func() {
				w.read("g-0", "c-ada", w.now, 9)
				w.reads[1].Outcome, w.reads[1].Reason = audit.Refused, "paused"
			})
			add(p.open("/portal/history"))
			page = add(p.open("/portal/stop"))
			add(p.press(page, "stop_confirm"))
			p.tick(page, "stop_all_sure")
			add(p.press(page, "stop_confirm"))
			for _, page := range pages {
				sound(t, page)
				if !strings.Contains(string(page.Body), `<html lang="`+lang+`">`) {
					t.Errorf("%s is not in %s", page, lang)
				}
				for key := range keys {
					if strings.Contains(key, ".") && strings.Contains(page.Text(), key) {
						t.Errorf("%s shows the key %s", page, key)
					}
				}
				if strings.Contains(page.Text(), "<no value>") || strings.Contains(page.Text(), "{{") {
					t.Errorf("%s shows a hole:\n%s", page, page.Text())
				}
			}
		})
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee")
	w.read("g-1", "c-ada", time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), 7)
	p := w.person()
	p.home("ada")
	page := p.press(p.open("/portal/grants/g-1"), "pause_sharing")
	says(t, page, "Pause sharing with BudgetBee?", "7 days", "Until 28 November 2026", "14 days", "Until 5 December 2026",
		"30 days", "Until 21 December 2026", "BudgetBee is told that you paused and until when.")
	for _, id := range []string{"pause_7", "pause_14", "pause_30", "pause_date"} {
		if _, ticked := page.Attr(id, "checked"); ticked {
			t.Errorf("%s is chosen for the person", id)
		}
	}
	p.on(p.press(page, "pause_keep"), http.StatusOK, "/portal/grants/g-1")
	if w.state("g-1").Epoch != 1 {
		t.Error("keeping pauses")
	}
	p.tick(page, "pause_14")
	p.on(p.press(page, "pause_confirm"), http.StatusOK, "/portal/grants/g-1/resting")
	page = p.press(page, "pause_confirm") // again: the first may still be waiting
	if w.asks != 2 || w.state("g-1").Epoch != 2 {
		t.Errorf("%d pauses asked for, epoch %d", w.asks, w.state("g-1").Epoch)
	}
	p.on(page, http.StatusOK, "/portal/grants/g-1/resting")
	says(t, page, "Sharing with BudgetBee is paused", "BudgetBee gets no data until 5 December 2026.", "Then sharing goes on by itself.",
		"21 November 2026, 10:00", "2026-11-21 10:00:00 UTC", "21 November 2026, 09:00", "Transaction data")
	if got := w.state("g-1").PausedUntil; !got.Equal(time.Date(2026, 12, 5, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("paused until %s", got)
	}
	says(t, p.open("/portal"), "Paused", "BudgetBee gets no data until 5 December 2026.", "No app can see your data.")
	says(t, p.open("/portal/grants/g-1"), "Paused", "You paused sharing until 5 December 2026.")
	p.on(p.open("/portal/grants/g-1/pause"), http.StatusOK, "/resting") // nothing is asked twice
	page = p.press(page, "resume_sharing")
	p.on(page, http.StatusOK, "/portal/grants/g-1")
	says(t, page, "Sharing", "You ended the pause.")
	if g := w.state("g-1"); g.RestAt(w.now) != "" || g.Epoch != 3 {
		t.Errorf("%+v", g)
	}
	p.on(p.open("/portal/grants/g-1/resting"), http.StatusOK, "/portal/grants/g-1")
}

func TestPauseEndsByItself(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee", func(g *consent.Grant) { g.PausedUntil = w.now.Add(10 * time.Minute) })
	p := w.person()
	says(t, p.home("ada"), "Paused")
	w.do(func() { w.now = w.now.Add(10 * time.Minute) })
	page := p.open("/portal")
	says(t, page, "1 app can see data from your accounts.", "Sharing")
	if strings.Contains(page.Text(), "Paused") {
		t.Error("still paused")
	}
}

func TestPauseForAnotherDay(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee")
	p := w.person()
	p.home("ada")
	page := p.open("/portal/grants/g-1/pause")
	for _, day := range []string{"", "2026-11-21", "2026-11-20", "2026-12-22", "2027-11-22", "2026-11-31", "28/11/2026", "2026-11-28T00:00", "x", strings.Repeat("9", 300), "<b>"} {
		got := p.bent(page, "pause_confirm", func(s *browser.Submission) { s.Form.Set("until", "date"); s.Form.Set("date", day) })
		p.on(got, http.StatusUnprocessableEntity, "/pause")
		says(t, got, "Choose a day from the ones the pause can end on.")
		sound(t, got)
	}
	got := p.bent(page, "pause_confirm", func(s *browser.Submission) { s.Form.Del("until") })
	p.on(got, http.StatusUnprocessableEntity, "/pause")
	says(t, got, "Choose for how long to pause.")
	if w.state("g-1").Epoch != 1 {
		t.Error("paused by a day that is none")
	}
	for _, day := range []string{"2026-11-22", "2026-12-21"} {
		page = p.open("/portal/grants/g-1/pause")
		page = p.bent(page, "pause_confirm", func(s *browser.Submission) { s.Form.Set("until", "date"); s.Form.Set("date", day) })
		p.on(page, http.StatusOK, "/resting")
		if got := w.state("g-1").PausedUntil.Format(dayForm); got != day {
			t.Errorf("paused until %s, want %s", got, day)
		}
		p.press(page, "resume_sharing")
	}
}

func TestWhatCannotBePaused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		days int
		bend func(*consent.Grant)
		ids  []string
	}{
		"the rules allow none":   {0, func(*consent.Grant) {}, nil},
		"rules below nothing":    {-1, func(*consent.Grant) {}, nil},
		"a week by the rules":    {7, func(*consent.Grant) {}, []string{"pause_7", "pause_date"}},
		"more than there may be": {365, func(*consent.Grant) {}, []string{"pause_7", "pause_14", "pause_30", "pause_date"}},
		"it ends today":          {30, func(g *consent.Grant) { g.ExpiresAt = g.CreatedAt.Add(2 * time.Hour) }, nil},
		"it ends in ten days":    {30, func(g *consent.Grant) { g.ExpiresAt = g.CreatedAt.AddDate(0, 0, 10) }, []string{"pause_7", "pause_date"}},
		"it ends in three days":  {30, func(g *consent.Grant) { g.ExpiresAt = g.CreatedAt.AddDate(0, 0, 3) }, []string{"pause_date"}},
		"it is held":             {30, func(g *consent.Grant) { g.HeldAt, g.Case = g.CreatedAt, "H-1" }, nil},
		"it has ended":           {30, func(g *consent.Grant) { g.Status = consent.StatusRevoked }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newDay(t)
			w.pauseDays = c.days
			w.grant("g-1", "BudgetBee", c.bend)
			p := w.person()
			p.home("ada")
			if got := p.open("/portal/grants/g-1").Has("pause_sharing"); got != (c.ids != nil) {
				t.Errorf("a pause is offered: %v", got)
			}
			page := p.open("/portal/grants/g-1/pause")
			var ids []string
			for _, id := range []string{"pause_7", "pause_14", "pause_30", "pause_date"} {
				if page.Has(id) {
					ids = append(ids, id)
				}
			}
			if !slices.Equal(ids, c.ids) {
				t.Errorf("offered %v, want %v", ids, c.ids)
			}
		})
	}
}

// However the clocks go, a pause ends at the beginning of the day that the
// page names and is never longer than what is allowed.
func TestDaysOfAPause(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Stockholm", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		p := &Portal{c: Config{Zone: zone, Rules: anyRules{}}}
		rapid.Check(t, func(t *rapid.T) {
			now := time.Unix(rapid.Int64Range(1_790_000_000, 1_850_000_000).Draw(t, "now"), 0)
			days := rapid.IntRange(1, 30).Draw(t, "days")
			at := p.startOf(now, days)
			if !at.After(now) || at.After(now.Add(consent.MaxPause)) {
				t.Errorf("%s: %d days from %s is %s", name, days, now, at)
			}
			want := now.In(zone).AddDate(0, 0, days).Format(dayForm)
			if got := at.In(zone).Format(dayForm); got != want {
				// The last hour of a day with 25 is cut from the longest pause.
				if cut := now.Add(time.Duration(days) * 24 * time.Hour); !at.Equal(cut) {
					t.Errorf("%s: %d days from %s is on %s, want %s", name, days, now, got, want)
				}
			}
		})
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee")
	p := w.person()
	p.home("ada")
	page := p.press(p.open("/portal/grants/g-1"), "hold_sharing")
	says(t, page, "You do not know BudgetBee?", "BudgetBee then gets no data from us, starting right away.", "BudgetBee Ltd", "You get a case number")
	p.on(p.press(page, "hold_keep"), http.StatusOK, "/portal/grants/g-1")
	for range 2 { // the second press finds it held
		got := p.press(page, "hold_confirm")
		p.on(got, http.StatusOK, "/portal/grants/g-1/resting")
		says(t, got, "Sharing with BudgetBee is on hold", "H-ABCD-2345", "What happens next", "2026-11-21 10:00:00 UTC", "Stop sharing")
	}
	if g := w.state("g-1"); g.RestAt(w.now) != consent.RestHeld || g.Epoch != 2 {
		t.Errorf("%+v", g)
	}
	says(t, p.open("/portal"), "On hold", "H-ABCD-2345")
	page = p.open("/portal/grants/g-1")
	says(t, page, "You put sharing on hold. Case number H-ABCD-2345.")
	if page.Has("hold_sharing") || page.Has("pause_sharing") {
		t.Error("a held grant can be held or paused")
	}
	p.on(p.open("/portal/grants/g-1/hold"), http.StatusOK, "/resting")
	page = p.press(p.press(page, "see_rest"), "release_sharing")
	p.on(page, http.StatusOK, "/portal/grants/g-1")
	says(t, page, "You lifted the hold.")
	w.do(func() {
		w.events["g-1"] = append(w.events["g-1"], consent.Event{Kind: consent.EventReleased, Actor: consent.ActorProvider, At: w.now})
	})
	says(t, p.open("/portal/grants/g-1"), "Northbank lifted the hold.")
}

// The forms about rests take nothing from elsewhere, from another time, from
// another form, or beside what they offer.
func TestRestsNeedTheFormOfThisSession(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee")
	w.grant("g-2", "LedgerLark")
	p := w.person()
	p.home("ada")
	stop, err := p.open("/portal/grants/g-1/stop").Submission("stop_confirm")
	if err != nil {
		t.Fatal(err)
	}
	check := func(path, press string, ticks ...string) {
		t.Helper()
		page, other := p.open("/portal/grants/g-1"+path), p.open("/portal/grants/g-2"+path)
		p.tick(page, ticks...)
		p.tick(other, ticks...)
		o, err := other.Submission(press)
		if err != nil {
			t.Fatal(err)
		}
		before, beforeOther := w.state("g-1").Epoch, w.state("g-2").Epoch
		for name, bend := range map[string]func(*browser.Submission){
			"no mark":               func(s *browser.Submission) { s.Form.Del("mark") },
			"truncated mark":        func(s *browser.Submission) { s.Form.Set("mark", s.Form.Get("mark")[1:]) },
			"mark of another grant": func(s *browser.Submission) { s.Form.Set("mark", o.Form.Get("mark")) },
			"mark of another form":  func(s *browser.Submission) { s.Form.Set("mark", stop.Form.Get("mark")) },
		} {
			got := p.bent(page, press, bend)
			if got.Status != http.StatusConflict || !strings.Contains(got.Text(), "This page was out of date") {
				t.Errorf("%s: %s: %s", path, name, got)
			}
		}
		for name, bend := range map[string]func(*browser.Submission){
			"another site":      func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") },
			"no action":         func(s *browser.Submission) { s.Form.Del("action") },
			"another action":    func(s *browser.Submission) { s.Form.Set("action", "grow") },
			"an action twice":   func(s *browser.Submission) { s.Form.Add("action", s.Form.Get("action")) },
			"a choice too many": func(s *browser.Submission) { s.Form.Add("until", "7"); s.Form.Add("until", "14") },
			"oversized":         func(s *browser.Submission) { s.Form.Set("x", strings.Repeat("a", maxForm)) },
		} {
			if got := p.bent(page, press, bend); got.Status < 400 || !got.Has("oauth_error") {
				t.Errorf("%s: %s: %s", path, name, got)
			}
		}
		if w.state("g-1").Epoch != before || w.state("g-2").Epoch != beforeOther {
			t.Errorf("%s: something changed", path)
		}
	}
	check("/pause", "pause_confirm", "pause_7")
	check("/hold", "hold_confirm")
	for _, days := range []string{"8", "0", "-7", "365", "07", "7 ", "2026-11-28"} {
		page := p.open("/portal/grants/g-1/pause")
		got := p.bent(page, "pause_confirm", func(s *browser.Submission) { s.Form.Set("until", days) })
		p.problem(got, http.StatusBadRequest, "invalid_form")
	}
	w.do(func() {
		for i := range w.grants {
			w.grants[i].PausedUntil = w.now.Add(time.Hour)
		}
	})
	check("/resting", "resume_sharing")
	// A pause is not ended by what ends a hold, nor in another version.
	page := p.open("/portal/grants/g-1/resting")
	p.problem(p.bent(page, "resume_sharing", func(s *browser.Submission) { s.Form.Set("action", "release") }), http.StatusBadRequest, "invalid_form")
	w.do(func() { w.grants[0].Epoch++ })
	p.on(p.press(page, "resume_sharing"), http.StatusConflict, "/resting")
	if w.state("g-1").RestAt(w.now) != consent.RestPaused {
		t.Error("resumed by an old page")
	}
}

func TestRestOfAnotherPersonIsUnknown(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee")
	w.grant("g-p", "BudgetBee", func(g *consent.Grant) { g.PausedUntil = w.now.Add(time.Hour) })
	w.grant("g-h", "BudgetBee", func(g *consent.Grant) { g.HeldAt, g.Case = w.now, "H-1" })
	w.grant("g-e", "BudgetBee", func(g *consent.Grant) { g.Status, g.EndedBy = consent.StatusRevoked, consent.ActorConsumer })
	bob := w.person()
	bob.home("bob")
	for _, id := range []string{"g-1", "g-p", "g-h", "g-e"} {
		for _, path := range []string{"/pause", "/hold", "/resting"} {
			foreign, unknown := bob.open("/portal/grants/"+id+path), bob.open("/portal/grants/g-9"+path)
			bob.problem(foreign, http.StatusNotFound, "not_found")
			sameButReference(t, foreign, unknown)
		}
	}
	ada := w.person()
	ada.home("ada")
	for path, press := range map[string]string{"/portal/grants/g-1/pause": "pause_confirm", "/portal/grants/g-1/hold": "hold_confirm", "/portal/grants/g-p/resting": "resume_sharing", "/portal/grants/g-h/resting": "release_sharing", "/portal/grants/g-e/stopped": "answer_other"} {
		s, err := ada.open(path).Submission(press)
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := bob.b.Submit(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		s.URL.Path = "/portal/grants/g-9/" + s.URL.Path[strings.LastIndex(s.URL.Path, "/")+1:]
		unknown, err := bob.b.Submit(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		bob.problem(foreign, http.StatusNotFound, "not_found")
		sameButReference(t, foreign, unknown)
	}
	for _, g := range w.grants {
		if g.Epoch != 1 {
			t.Errorf("bob changed %s", g.ID)
		}
	}
	if len(w.answers) != 0 {
		t.Error("bob answered for ada")
	}
	// Strangers are asked who they are.
	stranger := w.person()
	for _, path := range []string{"/portal/grants/g-1/pause", "/portal/grants/g-1/hold", "/portal/grants/g-p/resting", "/portal/stop", "/portal/ended"} {
		stranger.on(stranger.open(path), http.StatusOK, "/portal/login")
	}
}

func TestRestThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee")
	p := w.person()
	p.home("ada")
	pause, hold := p.open("/portal/grants/g-1/pause"), p.open("/portal/grants/g-1/hold")
	p.tick(pause, "pause_7")
	w.do(func() { w.down["rest"] = true })
	page := p.press(pause, "pause_confirm")
	p.problem(page, http.StatusServiceUnavailable, "temporarily_unavailable")
	says(t, page, "We could not pause it yet", "Sharing may still be on.")
	p.on(p.press(page, "retry"), http.StatusOK, "/pause")
	page = p.press(hold, "hold_confirm")
	p.problem(page, http.StatusServiceUnavailable, "temporarily_unavailable")
	says(t, page, "We could not put it on hold yet")
	w.do(func() {
		w.down["rest"], w.down["bank"], w.down["reads"], w.down["recipients"] = false, true, true, true
	})
	p.on(p.press(p.press(page, "retry"), "hold_confirm"), http.StatusOK, "/resting") // whatever else is down
}

func TestStopProvesItself(t *testing.T) {
	t.Parallel()
	for state, want := range map[ToldState]string{
		ToldDelivered: "Yes. BudgetBee knows.", ToldRetrying: "BudgetBee did not answer, so we try again.",
		ToldNobody: "BudgetBee did not ask us to tell it.", "": "We tell BudgetBee that sharing ended.", "new": "We tell BudgetBee that sharing ended.",
		"down": "We tell BudgetBee that sharing ended.",
	} {
		w := newDay(t)
		w.grant("g-1", "BudgetBee")
		w.read("g-1", "c-ada", time.Date(2026, 11, 21, 9, 59, 30, 0, time.UTC), 7)
		w.told["g-1"], w.down["told"] = state, state == "down"
		p := w.person()
		page := p.press(p.press(p.home("ada"), "stop_sharing"), "stop_confirm")
		says(t, page, "2026-11-21 10:00:00 UTC", "21 November 2026, 10:00", "21 November 2026, 09:59", "Transaction data", want)
		if !page.Has("receipt") {
			t.Errorf("%s: no receipt", state)
		}
	}
}

func TestWhyItWasStopped(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee")
	w.grant("g-2", "LedgerLark", func(g *consent.Grant) { g.Status, g.EndedBy = consent.StatusRevoked, consent.ActorRecipient })
	p := w.person()
	page := p.press(p.press(p.home("ada"), "stop_sharing"), "stop_confirm")
	says(t, page, "May we ask why?", "You do not have to answer.")
	for _, bad := range []string{"", "because", "too_much ", "TOO_MUCH"} {
		p.problem(p.bent(page, "answer_unused", func(s *browser.Submission) { s.Form.Set("answer", bad) }), http.StatusBadRequest, "invalid_form")
	}
	if got := p.bent(page, "answer_unused", func(s *browser.Submission) { s.Form.Set("mark", "x") }); len(w.answers) != 0 {
		t.Errorf("an answer with another mark counts: %s", got)
	}
	w.do(func() { w.down["answers"] = true })
	p.on(p.press(page, "answer_unused"), http.StatusOK, "/stopped") // it never blocks
	w.do(func() { w.down["answers"] = false })
	got := p.press(page, "answer_unused")
	says(t, got, "Thank you.")
	if got.Has("answer_unused") {
		t.Error("asked again")
	}
	p.press(page, "answer_other")
	if len(w.answers) != 1 || w.answers["g-1"] != consent.AnswerUnused {
		t.Errorf("answers %v", w.answers)
	}
	if p.open("/portal/grants/g-2/stopped").Has("answer_unused") {
		t.Error("asks why somebody else ended it")
	}
}

func TestStopAll(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee")
	w.grant("g-2", "LedgerLark", func(g *consent.Grant) { g.PausedUntil = w.now.Add(time.Hour) })
	w.grant("g-3", "TaxToad", func(g *consent.Grant) { g.HeldAt, g.Case = w.now, "H-1" })
	w.grant("g-4", "BobsApp", func(g *consent.Grant) { g.Consumer = "c-bob" })
	p := w.person()
	page := p.press(p.home("ada"), "stop_all")
	says(t, page, "Stop sharing with all apps?", "These 3 apps", "BudgetBee", "LedgerLark", "TaxToad")
	if _, ticked := page.Attr("stop_all_sure", "checked"); ticked {
		t.Error("ticked for the person")
	}
	got := p.press(page, "stop_confirm")
	p.on(got, http.StatusUnprocessableEntity, "/portal/stop")
	says(t, got, "Tick the box to stop all")
	for name, bend := range map[string]func(*browser.Submission){
		"no mark":        func(s *browser.Submission) { s.Form.Del("mark") },
		"a mark of none": func(s *browser.Submission) { s.Form.Set("mark", "x") },
	} {
		got := p.bent(page, "stop_confirm", func(s *browser.Submission) { s.Form.Set("sure", "yes"); bend(s) })
		if got.Status != http.StatusConflict {
			t.Errorf("%s: %s", name, got)
		}
	}
	p.problem(p.bent(page, "stop_confirm", func(s *browser.Submission) { s.Form.Set("sure", "yes"); s.Form.Del("action") }), http.StatusBadRequest, "invalid_form")
	got = p.bent(page, "stop_confirm", func(s *browser.Submission) { s.Form.Set("sure", "no") })
	p.on(got, http.StatusUnprocessableEntity, "/portal/stop")
	p.on(p.press(page, "stop_keep"), http.StatusOK, "/portal")
	// An app that came since was not on the page.
	w.grant("g-5", "NewNewt")
	p.tick(page, "stop_all_sure")
	got = p.press(page, "stop_confirm")
	p.on(got, http.StatusConflict, "/portal/stop")
	says(t, got, "NewNewt", "These 4 apps")
	if w.stops != 0 {
		t.Fatalf("%d stops", w.stops)
	}
	w.do(func() { w.down["stop"] = true })
	p.tick(got, "stop_all_sure")
	failed := p.press(got, "stop_confirm")
	p.problem(failed, http.StatusServiceUnavailable, "temporarily_unavailable")
	says(t, failed, "Some sharing may still be on.")
	w.do(func() { w.down["stop"] = false })
	page = p.press(failed, "retry")
	p.tick(page, "stop_all_sure")
	w.do(func() { w.asks = 0 })
	sure := page
	page = p.press(sure, "stop_confirm")
	// Pressed again, it asks for what it ended a moment ago, and not for long.
	for _, asks := range []int{8, 8} {
		p.on(p.press(sure, "stop_confirm"), http.StatusOK, "/portal/ended")
		if w.asks != asks {
			t.Errorf("%d stops asked for, want %d", w.asks, asks)
		}
		w.do(func() { w.now = w.now.Add(time.Minute) })
	}
	w.do(func() { w.now = w.now.Add(-2 * time.Minute) })
	p.on(page, http.StatusOK, "/portal/ended")
	says(t, page, "No app can see your data.", "BudgetBee", "LedgerLark", "TaxToad", "NewNewt", "2026-11-21 10:00:00 UTC", "You stopped it.", "Never read")
	if w.stops != 4 || w.state("g-4").Status != consent.StatusActive {
		t.Errorf("%d stops, bob's is %s", w.stops, w.state("g-4").Status)
	}
	p.on(p.open("/portal/stop"), http.StatusOK, "/portal/ended")
	w.do(func() { w.down["grants"] = true })
	for _, path := range []string{"/portal/stop", "/portal/ended"} {
		p.problem(p.open(path), http.StatusServiceUnavailable, "temporarily_unavailable")
	}
}

func TestEndedSharing(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	for i := range 7 {
		w.grant(consent.GrantID(fmt.Sprintf("g-%d", i)), fmt.Sprintf("Ended %d", i), func(g *consent.Grant) {
			g.Status, g.EndedAt, g.EndedBy = consent.StatusRevoked, w.now.Add(-time.Duration(7-i)*time.Hour), consent.ActorRecipient
		})
	}
	w.grant("g-b", "BobsApp", func(g *consent.Grant) { g.Consumer, g.Status = "c-bob", consent.StatusRevoked })
	w.grant("g-on", "Still On")
	for i := range 12 {
		w.read("g-6", "c-ada", w.now.Add(-20*time.Hour), i)
	}
	w.read("g-6", "c-ada", w.now.Add(-20*time.Hour), 99)
	w.reads[12].Outcome = audit.Refused
	p := w.person()
	page := p.home("ada")
	for i, want := range []bool{false, false, true, true, true, true, true} {
		if strings.Contains(page.Text(), fmt.Sprintf("Ended %d", i)) != want {
			t.Errorf("Ended %d is on the first page: %v", i, !want)
		}
	}
	page = p.press(page, "ended_all")
	text := page.Text()
	says(t, page, "The app ended it.", "12 times", "2026-11-21 09:00:00 UTC")
	if strings.Contains(text, "BobsApp") || strings.Contains(text, "Still On") || strings.Contains(text, "No app can see") ||
		strings.Index(text, "Ended 6") > strings.Index(text, "Ended 0") {
		t.Errorf("ended sharing:\n%s", text)
	}
	says(t, w.person2("bob").open("/portal/ended"), "BobsApp")
	w.do(func() { w.down["reads"] = true })
	says(t, p.open("/portal/ended"), "Not known right now")
}

func TestHomeStates(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	old := func(g *consent.Grant) { g.CreatedAt = w.now.AddDate(0, 0, -60) }
	w.grant("g-1", "FreshFox")
	w.grant("g-2", "NeverNewt", old)
	w.grant("g-3", "ReadRat", old)
	w.grant("g-4", "LongLark", old)
	w.grant("g-5", "PausedPig", old, func(g *consent.Grant) { g.PausedUntil = w.now.Add(time.Hour) })
	w.grant("g-6", "HeldHen", old, func(g *consent.Grant) { g.HeldAt, g.Case, g.PausedUntil = w.now, "H-1", w.now.Add(time.Hour) })
	w.grant("g-7", "SoonSeal", old, func(g *consent.Grant) { g.ExpiresAt = w.now.AddDate(0, 0, 3) })
	w.grant("g-8", "Eight")
	w.grant("g-9", "Straße & Söhne <b>")
	w.read("g-3", "c-ada", w.now.AddDate(0, 0, -59), 1)
	w.read("g-4", "c-ada", w.now.AddDate(0, 0, -60), 1)
	p := w.person()
	page := p.home("ada")
	says(t, page, "7 apps can see data from your accounts.") // two rest
	if got := len(page.IDs("stop_sharing")); got != 9 || !page.Has("home_search") {
		t.Errorf("%d apps are listed", got)
	}
	w.do(func() { w.unusedDays = 59 })
	if page := p.open("/portal?state=unused"); !strings.Contains(page.Text(), "ReadRat") {
		t.Error("the days of the rules do not count")
	}
	w.do(func() { w.unusedDays = 60 })
	for query, want := range map[string][]string{
		"state=unused": {"NeverNewt", "LongLark"}, "state=sharing": {"FreshFox", "ReadRat", "Eight", "Straße"},
		"state=paused": {"PausedPig"}, "state=held": {"HeldHen"}, "state=soon": {"SoonSeal"},
		"q=l": {"LongLark", "SoonSeal", "HeldHen"}, "q=STRASSE": nil, "q=" + url.QueryEscape("söhne <B"): {"Straße"}, "q=lark&state=unused": {"LongLark"},
		"q=lark&state=held": nil, "state=nothing": nil, "q=%00%ff": {"FreshFox", "Eight", "HeldHen"},
		"q=" + strings.Repeat("x", 5000): nil, "q=": {"FreshFox", "HeldHen"},
	} {
		page := p.open("/portal?" + query)
		sound(t, page)
		for _, app := range []string{"FreshFox", "NeverNewt", "ReadRat", "LongLark", "PausedPig", "HeldHen", "SoonSeal", "Eight", "Straße"} {
			all := query == "q=" || strings.HasPrefix(query, "q=%00")
			listed := strings.Contains(string(page.Body), ">"+app)
			if listed != (slices.Contains(want, app) || all) {
				t.Errorf("%s: %s is listed: %v", query, app, listed)
			}
		}
		if len(want) > 0 && !page.Has("stop_sharing") {
			t.Errorf("%s: the first app listed has no stop_sharing", query)
		}
	}
	w.do(func() { w.grants = w.grants[:8] })
	if page := p.open("/portal?state=held"); page.Has("home_search") || len(page.IDs("stop_sharing")) != 8 {
		t.Error("a few apps are searched")
	}
}

func TestHowMuchWasUsed(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee", func(g *consent.Grant) {
		g.Resources[0].Clusters = fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Transactions)
		g.Parties = append(g.Parties, consent.Party{Name: "LinkHub", Type: "DATA_ACCESS_PLATFORM"}, consent.Party{Name: bankName, Type: consent.PartyProvider})
	})
	for i := range 4 {
		w.read("g-1", "c-ada", w.now.Add(-time.Hour), i) // TRANSACTIONS
	}
	w.reads[0].Clusters = fdx.NewClusters(fdx.AccountBasic)
	p := w.person()
	p.home("ada")
	page := p.open("/portal/grants/g-1")
	says(t, page, "Data and how often it was read", "1 time", "Never read", "3 times", "LinkHub", "Passes the data on", "Gets the data", "Shares the data")
	body := string(page.Body)
	for _, s := range []string{`class="fill" width="25"`, `class="fill" width="75"`, `href="/portal/history?app=`, `href="/portal/receipts/g-1.`} {
		if !strings.Contains(body, s) {
			t.Errorf("no %s", s)
		}
	}
	if strings.Count(body, `class="fill"`) != 2 || strings.Count(body, `class="track"`) != 3 {
		t.Error("bars of data that was never read, or of data that is part of other data")
	}
	w.do(func() { w.down["reads"] = true })
	page = p.open("/portal/grants/g-1")
	p.on(page, http.StatusOK, "/g-1")
	if strings.Contains(page.Text(), "Never read") {
		t.Error("what is not known is said to be never")
	}
}

func TestHistoryTellsOfRests(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	w.grant("g-1", "BudgetBee")
	for i, reason := range []string{"paused", "held", "403"} {
		w.read("g-1", "c-ada", w.now.Add(-time.Duration(i)*time.Hour), i)
		w.reads[i].Outcome, w.reads[i].Reason = audit.Refused, reason
	}
	p := w.person()
	p.home("ada")
	says(t, p.open("/portal/history"), "You had paused sharing.", "Sharing was on hold.", "Refused: nothing given")
}

// S5: it takes no more to stop than to share, the sign-in aside. What counts
// is each thing that a person does: a link, a tick, a button.
func TestStoppingIsNoHarderThanSharing(t *testing.T) {
	t.Parallel()
	w := newDay(t)
	p := w.person()
	steps := 0
	press := func(page *browser.Page, id string) *browser.Page { steps++; return p.press(page, id) }
	page := p.signIn(p.arrive(), "ada")
	p.tick(page, "account_1")
	steps++
	p.left(press(press(page, "accounts_continue"), "consent_approve"), "code=c")
	share := steps
	for name, stop := range map[string]func() *browser.Page{
		"from Data sharing": func() *browser.Page { return press(press(p.open("/portal"), "stop_sharing"), "stop_confirm") },
		"from the page of the app": func() *browser.Page {
			return press(press(p.open("/portal/grants/g-1"), "stop_sharing"), "stop_confirm")
		},
		"while it rests": func() *browser.Page {
			w.do(func() { w.grants[0].PausedUntil = w.now.Add(time.Hour) })
			return press(press(p.open("/portal/grants/g-1/resting"), "stop_sharing"), "stop_confirm")
		},
	} {
		w.do(func() { w.grants = nil })
		w.grant("g-1", "BudgetBee")
		steps = 0
		p.on(stop(), http.StatusOK, "/stopped")
		if steps > share || steps > 2 {
			t.Errorf("%s: %d steps to stop, %d to share", name, steps, share)
		}
	}
	w.do(func() { w.grants = nil })
	w.grant("g-1", "BudgetBee")
	w.grant("g-2", "LedgerLark")
	steps = 0
	page = press(p.open("/portal"), "stop_all")
	p.tick(page, "stop_all_sure")
	steps++
	p.on(press(page, "stop_confirm"), http.StatusOK, "/portal/ended")
	if steps > share {
		t.Errorf("%d steps to stop all, %d to share", steps, share)
	}
}
