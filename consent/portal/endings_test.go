package portal

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
)

// switchedOff switches new sharing off for somebody.
func (w *world) switchedOff(who consent.ConsumerID) {
	w.t.Helper()
	if err := w.SwitchSharing(w.t.Context(), who, true); err != nil {
		w.t.Fatal(err)
	}
}

// TestEveryStateOfAJourney is table 4.7: what the page says, and what the app
// gets.
func TestEveryStateOfAJourney(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reach func(w *world, p *person) *browser.Page // the page of the state
		says  []string
		press string // what leads back to the app; "" when the way there is over
		gets  string
		after []string // what the page says that stands there afterwards
	}{
		"denied": {
			reach: func(_ *world, p *person) *browser.Page { return p.toReview() },
			press: "consent_deny", gets: "error=access_denied", after: []string{"Nothing was shared", "got no data"},
		},
		"cancelled before sign-in": {
			reach: func(_ *world, p *person) *browser.Page { return p.arrive() },
			press: "cancel", gets: "error=access_denied", after: []string{"Nothing was shared"},
		},
		"idle timeout": {
			reach: func(w *world, p *person) *browser.Page {
				page := p.toAccounts()
				w.do(func() { w.now = w.now.Add(consent.JourneyTime) })
				return page
			},
			press: "accounts_continue", gets: "error=access_denied&error_description=time",
			after: []string{"Nothing was shared", "Nobody did anything for 15 minutes", "start in BudgetBee"},
		},
		"no eligible account": {
			reach: func(w *world, p *person) *browser.Page {
				w.do(func() { w.choices["c-ada"] = w.choices["c-ada"][1:2] })
				return p.toAccounts()
			},
			says:  []string{"You have no account that can be shared", "this account is closed"},
			press: "cancel", gets: "error=access_denied", after: []string{"Nothing was shared"},
		},
		"sharing switched off, kept off": {
			reach: func(w *world, p *person) *browser.Page { w.switchedOff("c-ada"); return p.toAccounts() },
			says:  []string{"You switched new sharing off", "BudgetBee asks for your data"},
			press: "sharing_keep", gets: "error=access_denied&error_description=off", after: []string{"Nothing was shared", "stays switched off"},
		},
		"bank down while accounts are chosen": {
			reach: func(w *world, p *person) *browser.Page {
				w.do(func() { w.down["bank"] = true })
				return p.toAccounts()
			},
			says:  []string{"Nothing was lost", "Try again", "Back to BudgetBee"},
			press: "back_to_app", gets: "error=temporarily_unavailable", after: []string{"Nothing was shared", "start again in BudgetBee later"},
		},
		"bank down while somebody picks whose": {
			reach: func(w *world, p *person) *browser.Page {
				page := p.toWhose()
				w.do(func() { w.down["bank"] = true })
				return p.pick(page, "holder_1")
			},
			says:  []string{"Nothing was lost"},
			press: "back_to_app", gets: "error=temporarily_unavailable", after: []string{"start again in BudgetBee later"},
		},
		"bank down at the decision": {
			reach: func(w *world, p *person) *browser.Page {
				page := p.toReview()
				w.do(func() { w.down["bank"] = true })
				return p.press(page, "consent_approve")
			},
			says:  []string{"Nothing was lost"},
			press: "back_to_app", gets: "error=temporarily_unavailable", after: []string{"start again in BudgetBee later"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			page := c.reach(w, p)
			says(t, page, c.says...)
			p.left(p.press(page, c.press), c.gets)
			a := w.auth()
			if !a.Answered || a.Decision != consent.Denied || len(w.grants) != 0 {
				t.Errorf("%+v", a)
			}
			w.do(func() { w.down = map[string]bool{} })
			done := p.open("/authorize/" + string(a.ID))
			p.on(done, http.StatusOK, "/done")
			says(t, done, c.after...)
			sound(t, done)
			// The form again: the request is spent.
			p.on(p.press(page, c.press), http.StatusOK, "/done")
			if w.auth().Version != a.Version {
				t.Error("a second answer")
			}
		})
	}
}

// The way back from a problem is a form of this browser, good once.
func TestLeavingNeedsTheFormOfThisPage(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*browser.Submission){
		"no mark":   func(s *browser.Submission) { s.Form.Del("mark") },
		"bent mark": func(s *browser.Submission) { s.Form.Set("mark", "1"+s.Form.Get("mark")) },
		"the mark of another page": func(s *browser.Submission) {
			s.Form.Set("mark", "")
		},
		"twice":     func(s *browser.Submission) { s.Form.Add("mark", s.Form.Get("mark")) },
		"elsewhere": func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			p.toAccounts()
			w.do(func() { w.down["bank"] = true })
			page := p.open("/consent/" + string(w.auth().ID) + "/accounts")
			if got := p.bent(page, "back_to_app", bend); got.Left != nil {
				t.Errorf("%s", got)
			}
			if a := w.auth(); a.Answered || a.Decision != consent.Undecided {
				t.Errorf("%+v", a)
			}
			// It is a form, and no link, so that no page elsewhere can press it.
			if got := p.open("/consent/" + string(w.auth().ID) + "/leave"); got.Left != nil || w.auth().Decision != consent.Undecided {
				t.Errorf("by address: %s", got)
			}
			p.left(p.press(page, "back_to_app"), "error=temporarily_unavailable")
		})
	}
	t.Run("another browser", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		p, thief := w.person(), w.person()
		p.toAccounts()
		w.do(func() { w.down["bank"] = true })
		s, err := p.open("/consent/" + string(w.auth().ID) + "/accounts").Submission("back_to_app")
		if err != nil {
			t.Fatal(err)
		}
		thief.signIn(thief.open("/portal/login"), "ada")
		got, err := thief.b.Submit(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		thief.problem(got, http.StatusNotFound, "not_found")
		if a := w.auth(); a.Decision != consent.Undecided {
			t.Errorf("%+v", a)
		}
	})
	t.Run("after the bank is back and the person went on", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		p := w.person()
		p.toAccounts()
		w.do(func() { w.down["bank"] = true })
		page := p.open("/consent/" + string(w.auth().ID) + "/accounts")
		w.do(func() { w.down["bank"] = false })
		accounts := p.open("/consent/" + string(w.auth().ID) + "/accounts")
		p.tick(accounts, "account_1")
		p.press(accounts, "accounts_continue")
		p.on(p.press(page, "back_to_app"), http.StatusOK, "/review")
	})
}

func TestSwitchingOnGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	w.switchedOff("c-ada")
	page := p.toAccounts()
	p.on(page, http.StatusOK, "/sharing")
	equalButtons(t, page, "sharing_keep", "sharing_go")
	p.on(p.open("/consent/"+string(w.auth().ID)+"/sharing"), http.StatusOK, "/sharing")
	p.on(p.press(page, "sharing_go"), http.StatusOK, "/accounts")
	if w.off("c-ada") {
		t.Error("it is off still")
	}
	p.on(p.open("/consent/"+string(w.auth().ID)+"/sharing"), http.StatusOK, "/accounts")
}

// Somebody else who signs in here turns nothing on.
func TestNobodySwitchesForAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	w.switchedOff("c-ada")
	page := p.toAccounts()
	w.do(func() { w.pending.Pushed = "p-2" }) // bob starts something of his own in another tab
	p.signIn(p.arrive(), "bob")
	if got := p.press(page, "sharing_go"); !strings.HasSuffix(got.URL.Path, "/login") {
		t.Errorf("%s", got)
	}
	if !w.off("c-ada") {
		t.Error("bob switched it on")
	}
}

func TestTheSwitchOfThePortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	p := w.person()
	home := p.home("ada")
	page := p.press(home, "sharing_switch")
	says(t, page, "New sharing is on", "What you share now goes on either way", "Stop all")
	page = p.press(page, "sharing_off")
	says(t, page, "New sharing has been off since")
	says(t, p.open("/portal"), "New sharing is off. No app can start to get your data.")
	says(t, p.open("/portal/history"), "You switched new sharing off.", "All apps")
	page = p.press(page, "sharing_on")
	says(t, page, "New sharing is on")
	says(t, p.open("/portal/history"), "You switched new sharing on.")
	if strings.Contains(p.open("/portal/history?app=budgetbee").Text(), "You switched") {
		t.Error("the history of one app has it")
	}
	if n := len(w.switched["c-ada"]); n != 2 {
		t.Errorf("%d changes", n)
	}
	record := p.open("/portal/record")
	file := p.press(record, "record_json")
	if !strings.Contains(string(file.Body), "You switched new sharing off.") {
		t.Error("the copy of the record does not know it")
	}
	// Somebody else's switch is not seen.
	bob := w.person()
	bob.home("bob")
	if text := bob.open("/portal/history").Text(); strings.Contains(text, "You switched") {
		t.Error("bob sees it")
	}
}

func TestASwitchThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.home("ada")
	page := p.open("/portal/sharing")
	w.do(func() { w.down["switch"] = true })
	p.problem(p.press(page, "sharing_off"), http.StatusServiceUnavailable, "temporarily_unavailable")
	p.problem(p.open("/portal/sharing"), http.StatusServiceUnavailable, "temporarily_unavailable")
	p.on(p.open("/portal"), http.StatusOK, "/portal") // stopping works all the same
}

func TestTheSwitchIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	texts, err := newCatalogue(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []inbox.Kind{inbox.SharingOff, inbox.SharingOn} {
		for _, text := range texts.texts {
			if title, body := w.portal.say(text, inbox.Notice{Kind: k}); strings.Contains(title+body, "notice.") || title == "" || body == "" {
				t.Errorf("%s in %s: %q %q", k, text.Lang, title, body)
			}
		}
	}
}
