package portal

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/fdx"
)

// sharesMuch gives ada a grant over three accounts with several data.
func sharesMuch(t *testing.T) *world {
	w := newWorld(t)
	w.grant("g-1", "BudgetBee", func(g *consent.Grant) {
		g.Resources = nil
		for _, id := range []string{"a-1", "a-3", "a-4"} {
			g.Resources = append(g.Resources, consent.Resource{Type: consent.ResourceAccount, ID: id,
				Clusters: fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Transactions)})
		}
	})
	w.grant("g-bob", "BobApp", func(g *consent.Grant) { g.Consumer = "c-bob" })
	return w
}

const changeOfOne = "/portal/grants/g-1/change"

func TestShareLess(t *testing.T) {
	t.Parallel()
	keys := readCatalogue(t, "en")
	for _, lang := range languages {
		w := sharesMuch(t)
		p := w.person(lang)
		p.home("ada")
		page := p.press(p.open("/portal/grants/g-1"), "change_sharing")
		none := p.press(page, "change_confirm")
		p.on(none, http.StatusUnprocessableEntity, changeOfOne)
		p.tick(page, "account_2", "data_TRANSACTIONS")
		done := p.press(page, "change_confirm")
		p.on(done, http.StatusOK, "/portal/grants/g-1")
		if !done.Has("changed") {
			t.Errorf("%s does not say that it was done", done)
		}
		receipt := p.open(receiptPath("g-1", 2))
		for _, one := range []*browser.Page{page, none, done, receipt} {
			sound(t, one)
			for key := range keys {
				if strings.Contains(key, ".") && strings.Contains(one.Text(), key) {
					t.Errorf("%s shows the key %s", one, key)
				}
			}
			if strings.Contains(one.Text(), "<no value>") || strings.Contains(one.Text(), "{{") {
				t.Errorf("%s:\n%s", one, one.Text())
			}
		}
		g := w.grants[0]
		if got := g.Accounts(); !slices.Equal(got, []fdx.AccountID{"a-1", "a-4"}) || g.Clusters() != fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances) {
			t.Errorf("left %v %v", got, g.Clusters().Names())
		}
		if g.Disclosure.Locale != lang || g.Disclosure.Version != takenOutVersion || !strings.Contains(g.Disclosure.Text, "– Household •••• 8765\n") ||
			!strings.Contains(g.Disclosure.Text, "– Everyday account •••• 4321\n") {
			t.Errorf("kept %+v", g.Disclosure)
		}
		if lang == "en" {
			says(t, receipt, "You took out:", "Transaction data", "You still share with BudgetBee:", "2 accounts", "Account balances")
			says(t, done, "BudgetBee can no longer get what you took out", "You changed what you share.")
		}
	}
}

func TestShareLessGoesOnlyAsFarAsTheRulesLet(t *testing.T) {
	t.Parallel()
	for edit, want := range map[policy.Edit][]string{
		policy.EditNone:                      nil,
		policy.EditShrinkAccounts:            {"account_1", "account_2", "account_3"},
		policy.EditShrinkAccountsAndClusters: {"account_1", "account_2", "account_3", "data_ACCOUNT_DETAILED", "data_BALANCES", "data_TRANSACTIONS"},
	} {
		w := sharesMuch(t)
		w.do(func() { w.edit = edit })
		p := w.person2("ada")
		if got := p.open("/portal/grants/g-1").Has("change_sharing"); got != (want != nil) {
			t.Errorf("%s: offered %v", edit, got)
		}
		page := p.open(changeOfOne)
		if got := slices.Concat(page.IDs("account_"), page.IDs("data_")); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", edit, got, want)
		}
		if edit == policy.EditShrinkAccounts {
			got := p.bent(page, "change_confirm", func(s *browser.Submission) { s.Form.Set("data_BALANCES", "out") })
			if got.Status != http.StatusBadRequest || w.grants[0].Epoch != 1 {
				t.Errorf("data was taken out: %s", got)
			}
		}
	}
	// What is the only one of its kind, what is over, and what another page
	// has changed.
	w := newWorld(t)
	w.grant("g-1", "One", func(g *consent.Grant) { g.Resources = g.Resources[:1] })
	w.grant("g-2", "Over", func(g *consent.Grant) { g.ExpiresAt = w.now.Add(-1) })
	p := w.person2("ada")
	for id, to := range map[string]string{"g-1": "/portal/grants/g-1", "g-2": "/portal/grants/g-2/stopped"} {
		p.on(p.open("/portal/grants/"+id+"/change"), http.StatusOK, to)
		if p.open("/portal/grants/" + id).Has("change_sharing") {
			t.Errorf("%s can be changed", id)
		}
	}
}

func TestShareLessNeedsSomethingLeft(t *testing.T) {
	t.Parallel()
	w := sharesMuch(t)
	p := w.person2("ada")
	page := p.open(changeOfOne)
	p.tick(page, "account_1", "account_2", "account_3")
	again := p.press(page, "change_confirm")
	p.on(again, http.StatusUnprocessableEntity, changeOfOne)
	says(t, again, "That would leave nothing to share.")
	if !again.Ticked("account_2") || again.Ticked("data_BALANCES") || w.grants[0].Epoch != 1 {
		t.Error("the ticks are lost, or something was changed")
	}
	p.on(p.press(again, "change_keep"), http.StatusOK, "/portal/grants/g-1")
	if w.grants[0].Epoch != 1 {
		t.Error("to keep it all changed it")
	}
}

func TestShareLessFormIsOurs(t *testing.T) {
	t.Parallel()
	w := sharesMuch(t)
	p := w.person()
	p.on(p.open(changeOfOne), http.StatusOK, "/portal/login")
	p.home("ada")
	for _, id := range []string{"g-bob", "none", "%00"} {
		p.problem(p.open("/portal/grants/"+id+"/change"), http.StatusNotFound, "not_found")
	}
	page := p.open(changeOfOne)
	p.tick(page, "account_1")
	bobs, err := w.person2("bob").open("/portal/grants/g-bob/change").Submission("change_confirm")
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		status int
		bend   func(*browser.Submission)
	}{
		"without a mark":            {http.StatusConflict, func(s *browser.Submission) { s.Form.Del("mark") }},
		"with another's mark":       {http.StatusConflict, func(s *browser.Submission) { s.Form["mark"] = bobs.Form["mark"] }},
		"with a field twice":        {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Add("account_1", "out") }},
		"with an odd tick":          {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("account_1", "in") }},
		"with an account too many":  {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("account_4", "out") }},
		"with data that is not in":  {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("data_TAX", "out") }},
		"with more to share":        {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("add_account", "a-2") }},
		"with an unknown action":    {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("action", "add") }},
		"from another site":         {http.StatusForbidden, func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") }},
		"with a version of its own": {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("epoch", "1") }},
	} {
		got := p.bent(page, "change_confirm", c.bend)
		if got.Status != c.status || w.grants[0].Epoch != 1 {
			t.Errorf("%s: %s, want %d; version %d", what, got, c.status, w.grants[0].Epoch)
		}
	}
	// The second of two pages is about what is not there any more.
	second := p.open(changeOfOne)
	p.tick(second, "data_BALANCES")
	p.on(p.press(page, "change_confirm"), http.StatusOK, "/portal/grants/g-1")
	p.on(p.press(second, "change_confirm"), http.StatusConflict, changeOfOne)
	p.on(p.press(page, "change_confirm"), http.StatusConflict, changeOfOne)
	if w.grants[0].Epoch != 2 {
		t.Errorf("version %d", w.grants[0].Epoch)
	}
	third := p.open(changeOfOne)
	p.tick(third, "data_BALANCES")
	w.do(func() { w.down["shrink"] = true })
	p.problem(p.press(third, "change_confirm"), http.StatusServiceUnavailable, "temporarily_unavailable")
	w.do(func() { w.down["bank"] = true })
	p.problem(p.open(changeOfOne), http.StatusServiceUnavailable, "temporarily_unavailable")
}
