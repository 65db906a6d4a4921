package portal

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// crowded gives ada ten accounts.
func (w *world) crowded() {
	w.choices["c-ada"] = nil
	for i := range 10 {
		w.choices["c-ada"] = append(w.choices["c-ada"], consent.AccountChoice{
			ID: fdx.AccountID(fmt.Sprint("a-", i)), Name: fmt.Sprint("Pot ", i), Display: fmt.Sprint("•••• 100", i), Category: "DEPOSIT_ACCOUNT",
		})
	}
}

func TestSearchKeepsWhatIsTicked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.crowded()
	p := w.person()
	page := p.toAccounts()
	p.tick(page, "account_2")
	if err := page.Fill("accounts_search", "pot 1007"); err != nil {
		t.Fatal(err)
	}
	page = p.press(page, "accounts_find")
	says(t, page, "1 account fits.")
	text := page.Text()
	if strings.Index(text, "Pot 7") > strings.Index(text, "Pot 0") {
		t.Error("what was looked for is not first")
	}
	if !page.Ticked("account_2") || page.Ticked("account_8") {
		t.Error("the search changed what is ticked")
	}
	if a := w.auth(); a.Accounts != nil || a.Version != 2 {
		t.Errorf("the search decided something: %+v", a)
	}
	p.tick(page, "account_8")
	p.press(page, "accounts_continue")
	if got := w.auth().Accounts; len(got) != 2 || got[0] != "a-1" || got[1] != "a-7" {
		t.Errorf("chose %v", got)
	}
}

func TestSearchIsForManyAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.person().toAccounts().Has("accounts_search") {
		t.Error("three accounts are searched")
	}
}

func TestSearchForNonsense(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{
		"nothing": "", "no account": "zzz", "markup": "<script>alert(1)</script>", "too long": strings.Repeat("a", 5000), "directions": "\u202eabc",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.crowded()
			p := w.person()
			page := p.bent(p.toAccounts(), "accounts_find", func(s *browser.Submission) { s.Form.Set("search", query) })
			p.on(page, http.StatusOK, "/consent/"+string(w.auth().ID)+"/accounts")
			sound(t, page)
			if !page.Has("account_10") {
				t.Error("accounts are gone")
			}
		})
	}
}

func TestSearchWithAForeignAccountIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.crowded()
	p := w.person()
	page := p.bent(p.toAccounts(), "accounts_find", func(s *browser.Submission) { s.Form.Set("account_1", "b-1") })
	p.on(page, http.StatusUnprocessableEntity, "/consent/"+string(w.auth().ID)+"/accounts")
	if strings.Contains(string(page.Body), " checked") {
		t.Error("something is ticked")
	}
}
