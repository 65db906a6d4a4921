package portal

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// connected gives ada an active grant that the world's request would stand
// beside.
func (w *world) connected() consent.Grant {
	g := w.changing(consent.ActionReplace)
	w.pending.Request.Change = consent.Change{}
	return g
}

func TestSharingAgainOffersToRenew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.connected()
	p := w.person()
	page := p.toAccounts()
	says(t, page, "You already share data with BudgetBee, since "+w.portal.catalogue.texts[0].Date(g.CreatedAt))
	if strings.Contains(string(page.Body), " checked") {
		t.Error("something is ticked before anybody chose to renew")
	}
	page = p.press(page, "renew_instead")
	// Nothing is decided, the accounts of before are ticked, and the change is
	// about the version that there is.
	a := w.auth()
	if want := (consent.Change{Action: consent.ActionReplace, Grant: g.ID, Epoch: g.Epoch}); a.Request.Change != want || a.Decision != consent.Undecided || a.Accounts != nil {
		t.Fatalf("%+v", a)
	}
	if !page.Ticked("account_2") || page.Ticked("account_1") || page.Has("renew_instead") {
		t.Error("not the account page of a renewal")
	}
	page = p.press(page, "accounts_continue")
	says(t, page, "What changes", "this replaces what you agreed with BudgetBee")
	p.press(page, "consent_approve")
	if a = w.auth(); a.Decision != consent.Approved || !slices.Equal(a.Accounts, []fdx.AccountID{"a-3"}) {
		t.Errorf("%+v", a)
	}
}

func TestOfferToRenewCanBePassedBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connected()
	p := w.person()
	page := p.toAccounts()
	p.tick(page, "account_1")
	page = p.press(page, "accounts_continue")
	if a := w.auth(); a.Request.Change.Asked() || !slices.Equal(a.Accounts, []fdx.AccountID{"a-1"}) {
		t.Errorf("%+v", a)
	}
	if page.Has("review_now") {
		t.Error("the review of something new sets it beside something")
	}
}

func TestNothingToRenewIsNotOffered(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*world){
		"somebody else's":        func(w *world) { w.grants[0].Consumer = "c-bob" },
		"another app's":          func(w *world) { w.grants[0].Recipient = "other" },
		"for another purpose":    func(w *world) { w.grants[0].Purpose = "credit" },
		"for once":               func(w *world) { w.grants[0].Duration = consent.OneTime },
		"stopped":                func(w *world) { w.grants[0].Status = consent.StatusRevoked },
		"its time is over":       func(w *world) { w.grants[0].ExpiresAt = w.now },
		"none":                   func(w *world) { w.grants = nil },
		"the store is down":      func(w *world) { w.down["grants"] = true },
		"asked for a grant more": func(w *world) { w.pending.Request.Fresh = true },
		"asked to look once":     func(w *world) { w.pending.Request.Duration = consent.OneTime },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.connected()
			w.do(func() { spoil(w) })
			p := w.person()
			page := p.toAccounts()
			p.on(page, http.StatusOK, "/consent/"+string(w.auth().ID)+"/accounts")
			if page.Has("renew_instead") {
				t.Fatal("it is offered")
			}
			// Nor does it help to press the button that is not there.
			p.on(p.renewing(page), http.StatusConflict, "/consent/"+string(w.auth().ID)+"/accounts")
			if a := w.auth(); a.Request.Change.Asked() || a.Decision != consent.Undecided {
				t.Errorf("%+v", a)
			}
		})
	}
}

// renewing presses a button that the page may not have.
func (p *person) renewing(page *browser.Page) *browser.Page {
	return p.bent(page, "accounts_continue", func(s *browser.Submission) { s.Form.Set("action", "renew") })
}

func TestRenewalThatEndsMeanwhileIsNotMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connected()
	p := w.person()
	page := p.toAccounts()
	w.do(func() { w.grants[0].Status, w.grants[0].EndedAt = consent.StatusRevoked, w.now.Add(-time.Minute) })
	page = p.press(page, "renew_instead")
	p.on(page, http.StatusConflict, "/consent/"+string(w.auth().ID)+"/accounts")
	if w.auth().Request.Change.Asked() || page.Has("renew_instead") {
		t.Error("what has ended is renewed")
	}
}

func TestRenewalTakesTheMarkOfThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connected()
	p := w.person()
	page := p.toAccounts()
	for _, mark := range []string{"", "x"} {
		p.on(p.bent(page, "renew_instead", func(s *browser.Submission) { s.Form.Set("mark", mark) }), http.StatusConflict, "/consent/"+string(w.auth().ID)+"/accounts")
	}
	if w.auth().Request.Change.Asked() {
		t.Error("a forged form chose")
	}
}
