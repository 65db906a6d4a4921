package portal

import (
	"errors"
	"net/http"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
)

// forms are all forms of a page that change something, by the button that
// sends them.
var forms = map[string]struct {
	reach  func(*person) *browser.Page
	button string
}{
	"sign-in": {func(p *person) *browser.Page {
		page := p.arrive()
		if err := errors.Join(page.Fill("username", "ada"), page.Fill("password", "ada-pass")); err != nil {
			p.t.Fatal(err)
		}
		return page
	}, "login_submit"},
	"cancel":       {func(p *person) *browser.Page { return p.arrive() }, "cancel"},
	"accounts":     {func(p *person) *browser.Page { page := p.toAccounts(); p.tick(page, "account_1"); return page }, "accounts_continue"},
	"all accounts": {func(p *person) *browser.Page { return p.toAccounts() }, "accounts_select_all"},
	"yes":          {func(p *person) *browser.Page { return p.toReview() }, "consent_approve"},
	"no":           {func(p *person) *browser.Page { return p.toReview() }, "consent_deny"},
	"stop":         {func(p *person) *browser.Page { return p.open("/portal/grants/" + string(p.toShared().ID) + "/stop") }, "stop_confirm"},
	"keep":         {func(p *person) *browser.Page { return p.open("/portal/grants/" + string(p.toShared().ID) + "/stop") }, "stop_keep"},
	"whose": {func(p *person) *browser.Page {
		page := p.signIn(p.arrive(), "cleo")
		p.tick(page, "holder_2")
		return page
	}, "whose_continue"},
	"switch off":    {func(p *person) *browser.Page { p.home("ada"); p.arrive(); return p.open("/portal/sharing") }, "sharing_off"},
	"switch on":     {func(p *person) *browser.Page { p.switchedOff("c-ada"); return p.toAccounts() }, "sharing_go"},
	"keep off":      {func(p *person) *browser.Page { p.switchedOff("c-ada"); return p.toAccounts() }, "sharing_keep"},
	"renew instead": {func(p *person) *browser.Page { p.connected(); return p.toAccounts() }, "renew_instead"},
}

// standing is everything that a form could have changed.
func (w *world) standing() (consent.Decision, int64, int, consent.Status) {
	a := w.auth()
	w.mu.Lock()
	defer w.mu.Unlock()
	var status consent.Status
	for _, g := range w.grants {
		status += g.Status
	}
	return a.Decision, a.Version, len(w.grants) + len(w.switched["c-ada"]), status
}

// TestEveryFieldThatIsBentChangesNothing takes each field of each form in turn:
// sent twice, taken away or changed where it is hidden, and with a word in
// front of it.
func TestEveryFieldThatIsBentChangesNothing(t *testing.T) {
	t.Parallel()
	for name, f := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			page := f.reach(p)
			s, err := page.Submission(f.button)
			if err != nil {
				t.Fatal(err)
			}
			type fault struct {
				bend   func(*browser.Submission)
				status int
			}
			bent := map[string]fault{}
			for field, values := range s.Form {
				value := values[0]
				bent[field+" twice"] = fault{func(s *browser.Submission) { s.Form.Add(field, value) }, http.StatusBadRequest}
				if field != "mark" && field != "as_of" {
					continue
				}
				bent[field+" missing"] = fault{func(s *browser.Submission) { s.Form.Del(field) }, http.StatusConflict}
				bent[field+" changed"] = fault{func(s *browser.Submission) { s.Form.Set(field, "1"+value) }, http.StatusConflict}
				bent[field+" cut"] = fault{func(s *browser.Submission) { s.Form.Set(field, value[:len(value)-1]) }, http.StatusConflict}
				bent[field+" missing, and no origin"] = fault{func(s *browser.Submission) {
					s.Form.Del(field)
					s.Header["Origin"], s.Header["Sec-Fetch-Site"] = nil, nil
				}, http.StatusConflict}
			}
			bent["from another site"] = fault{func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden}
			decision, version, grants, status := w.standing()
			for what, b := range bent {
				answer := p.bent(page, f.button, b.bend)
				if answer.Left != nil || answer.Status != b.status {
					t.Errorf("%s: %s, want status %d", what, answer, b.status)
				}
				if d, v, g, st := w.standing(); d != decision || v != version || g != grants || st != status {
					t.Fatalf("%s: something was changed: %s %d %d %s", what, d, v, g, st)
				}
			}
		})
	}
}

// TestFieldsThatNoFormHasDecideNothing adds what a form never holds.
func TestFieldsThatNoFormHasDecideNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toReview()
	before := w.auth()
	p.press(p.bent(page, "consent_approve", func(s *browser.Submission) {
		for field, value := range map[string]string{
			"action": "look", "decision": "approved", "consumer": "c-bob", "accounts": "b-1", "account_1": "b-1",
			"clusters": "TAX", "lookback": "9999", "recipient": "other", "version": "99", "grant_id": "g-1",
		} {
			s.Form.Set(field, value)
		}
	}), "data_sharing")
	if a := w.auth(); a.Decision != consent.Undecided || a.Version != before.Version {
		t.Errorf("%+v", a)
	}
	page = p.open("/consent/" + string(before.ID) + "/review")
	p.bent(page, "consent_approve", func(s *browser.Submission) {
		s.Form.Set("account_1", "b-1")
		s.Form.Set("accounts", "a-4")
		s.Form.Set("consumer", "c-bob")
		s.Form.Set("lookback", "9999")
	})
	a := w.auth()
	if a.Decision != consent.Approved || a.Consumer != before.Consumer || len(a.Accounts) != len(before.Accounts) || a.Request.LookbackDays != before.Request.LookbackDays {
		t.Errorf("%+v", a)
	}
}
