package portal

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/login"
)

func TestSharingEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	left, err := browser.ApproveAll(context.Background(), w.browser(), w.server.URL+"/authorize", "ada", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if left.String() != redirectURI+"?code=c" {
		t.Errorf("sent to %s", left)
	}
	if got, want := w.grants[0].Accounts(), []fdx.AccountID{"a-1", "a-3", "a-4"}; !slices.Equal(got, want) {
		t.Errorf("accounts %v, want %v: the closed one must stay out", got, want)
	}
}

func TestSharingChosenAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.person().toShared()
	if got, want := g.Accounts(), []fdx.AccountID{"a-1", "a-4"}; !slices.Equal(got, want) {
		t.Errorf("accounts %v, want %v", got, want)
	}
	if a := w.auth(); a.Consumer != "c-ada" || !a.AuthenticatedAt.Equal(w.now) || !a.ExpiresAt.Equal(w.now.Add(consent.JourneyTime)) {
		t.Errorf("authorization %+v", a)
	}
}

func TestRefusingSharesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	left, err := browser.Deny(context.Background(), w.browser(), w.server.URL+"/authorize", "ada", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if left.String() != redirectURI+"?error=access_denied" || len(w.grants) != 0 {
		t.Errorf("sent to %s, %d grants", left, len(w.grants))
	}
}

func TestCancellingFromEachPage(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]func(*person) *browser.Page{
		"sign in":         (*person).arrive,
		"choose accounts": (*person).toAccounts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			p.left(p.press(to(p), "cancel"), "error=access_denied")
			if a := w.auth(); a.Decision != consent.Denied || len(w.grants) != 0 {
				t.Errorf("decision %s, %d grants", a.Decision, len(w.grants))
			}
		})
	}
}

func TestNothingIsChosenForAnybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toAccounts()
	if strings.Contains(string(page.Body), "checked") {
		t.Error("something is ticked")
	}
	if got := page.IDs("account_"); !slices.Equal(got, []string{"account_1", "account_2", "account_3"}) {
		t.Errorf("account ids: %v", got)
	}
	says(t, page, "Old savings", "Cannot be shared: this account is closed.", "Joint account. The other holders may be told.", "•••• 4321")
}

func TestChooseAllWorksWithoutScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toAccounts()
	before := w.replaced
	page = p.press(page, "accounts_select_all")
	p.on(page, http.StatusOK, "/accounts")
	for _, id := range []string{"account_1", "account_2", "account_3"} {
		if !page.Ticked(id) {
			t.Errorf("%s is not ticked", id)
		}
	}
	page = p.press(page, "accounts_select_none")
	for _, id := range page.IDs("account_") {
		if page.Ticked(id) {
			t.Errorf("%s is still ticked", id)
		}
	}
	if w.replaced != before {
		t.Error("ticking boxes stored something")
	}
	// The button that Enter presses must be the one that goes on.
	s, err := page.Submission("accounts_continue")
	if err != nil || s.Form.Get("action") != "continue" {
		t.Errorf("continue sends %v, %v", s, err)
	}
}

func TestOwnChoiceIsKeptWhenChangingIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.toReview()
	page := p.open("/consent/" + string(w.auth().ID) + "/accounts")
	if !page.Ticked("account_1") || page.Ticked("account_2") || !page.Ticked("account_3") {
		t.Error("the page does not show what was chosen")
	}
}

func TestChoosingNoAccountSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.press(p.toAccounts(), "accounts_continue")
	p.on(page, http.StatusUnprocessableEntity, "/accounts")
	says(t, page, "Choose at least one account to go on.")
	if !strings.Contains(string(page.Body), `<a href="#account_1">`) || !strings.HasPrefix(page.Title(), "Error: ") {
		t.Error("the error is not linked to the field, or not in the title")
	}
	if len(w.auth().Accounts) != 0 {
		t.Error("something was stored")
	}
}

func TestForgedAccountsAreRefused(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(url.Values){
		"of another person":      func(f url.Values) { f.Set("account_1", "b-1") },
		"closed":                 func(f url.Values) { f.Set("account_2", "a-2") },
		"made up":                func(f url.Values) { f.Set("account_99", "zzz") },
		"empty":                  func(f url.Values) { f.Set("account_2", "") },
		"the same twice":         func(f url.Values) { f.Set("account_2", "a-1") },
		"one good and one bad":   func(f url.Values) { f.Set("account_x", "b-1") },
		"in other case":          func(f url.Values) { f.Set("account_1", "A-1") },
		"with a space behind it": func(f url.Values) { f.Set("account_1", "a-1 ") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			page := p.toAccounts()
			p.tick(page, "account_1")
			before := w.auth()
			page = p.bent(page, "accounts_continue", func(s *browser.Submission) { bend(s.Form) })
			p.on(page, http.StatusUnprocessableEntity, "/accounts")
			says(t, page, "One of those accounts cannot be shared.")
			if a := w.auth(); a.Version != before.Version || len(a.Accounts) != 0 {
				t.Errorf("stored %v", a.Accounts)
			}
		})
	}
}

func TestBrokenFormsChangeNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bend   func(*browser.Submission)
		status int
		code   string
	}{
		"field twice":    {func(s *browser.Submission) { s.Form.Add("action", "continue") }, 400, "invalid_form"},
		"account twice":  {func(s *browser.Submission) { s.Form.Add("account_1", "a-1") }, 400, "invalid_form"},
		"unknown action": {func(s *browser.Submission) { s.Form.Set("action", "own") }, 400, "invalid_form"},
		"no action":      {func(s *browser.Submission) { s.Form.Del("action") }, 400, "invalid_form"},
		"oversized":      {func(s *browser.Submission) { s.Form.Set("x", strings.Repeat("a", maxForm)) }, 413, "form_too_large"},
		"not a form":     {func(s *browser.Submission) { s.Header.Set("Content-Type", "application/json") }, 400, "invalid_form"},
		"another site":   {func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "cross_site_request"},
		"sibling site":   {func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "same-site") }, 403, "cross_site_request"},
		"foreign origin": {func(s *browser.Submission) {
			s.Header["Sec-Fetch-Site"] = nil
			s.Header.Set("Origin", "https://evil.example")
		}, 403, "cross_site_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			page := p.toAccounts()
			p.tick(page, "account_1")
			before := w.auth()
			p.problem(p.bent(page, "accounts_continue", c.bend), c.status, c.code)
			if a := w.auth(); a.Version != before.Version {
				t.Error("something was stored")
			}
		})
	}
}

func TestFormWithoutItsMarkDecidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	review := p.toReview()
	s, err := review.Submission("consent_approve")
	if err != nil {
		t.Fatal(err)
	}
	other := newWorld(t).person().toReview()
	o, err := other.Submission("consent_approve")
	if err != nil {
		t.Fatal(err)
	}
	accounts := p.open("/consent/" + string(w.auth().ID) + "/accounts")
	a, err := accounts.Submission("accounts_continue")
	if err != nil {
		t.Fatal(err)
	}
	for name, bend := range map[string]func(*browser.Submission){
		"none":               func(s *browser.Submission) { s.Form.Del("mark") },
		"empty":              func(s *browser.Submission) { s.Form.Set("mark", "") },
		"truncated":          func(s *browser.Submission) { s.Form.Set("mark", s.Form.Get("mark")[1:]) },
		"of another session": func(s *browser.Submission) { s.Form.Set("mark", o.Form.Get("mark")) },
		"of another page":    func(s *browser.Submission) { s.Form.Set("mark", a.Form.Get("mark")) },
		"another time":       func(s *browser.Submission) { s.Form.Set("as_of", "1") },
		"no time":            func(s *browser.Submission) { s.Form.Del("as_of") },
		"time in the future": func(s *browser.Submission) { s.Form.Set("as_of", "9999999999") },
		"time that overflows": func(s *browser.Submission) {
			s.Form.Set("as_of", "99999999999999999999")
		},
		"time one second off": func(b *browser.Submission) {
			b.Form.Set("as_of", s.Form.Get("as_of")[:9]+"0")
			if b.Form.Get("as_of") == s.Form.Get("as_of") {
				b.Form.Set("as_of", s.Form.Get("as_of")[:8]+"00")
			}
		},
	} {
		page := p.bent(review, "consent_approve", bend)
		if page.Left != nil || page.Status != http.StatusConflict {
			t.Errorf("%s: %s", name, page)
			continue
		}
		says(t, page, "This page was out of date, so nothing was changed.")
	}
	if a := w.auth(); a.Decision != consent.Undecided || len(w.grants) != 0 {
		t.Errorf("decision %q", a.Decision)
	}
	p.left(p.press(review, "consent_approve"), "code=c") // the page itself still works
}

func TestStaleReviewIsShownAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	old := p.toReview()
	second := p.open("/consent/" + string(w.auth().ID) + "/accounts")
	p.tick(second, "account_2")
	fresh := p.press(second, "accounts_continue")

	again := p.press(old, "consent_approve")
	p.on(again, http.StatusConflict, "/review")
	says(t, again, "This page was out of date", "Household")
	if len(w.grants) != 0 {
		t.Fatal("a stale page decided")
	}
	p.left(p.press(fresh, "consent_approve"), "code=c")
	if len(w.grants[0].Accounts()) != 3 {
		t.Errorf("accounts %v", w.grants[0].Accounts())
	}
}

func TestStaleAccountPageDoesNotOverwrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	old := p.toAccounts()
	fresh := p.open("/consent/" + string(w.auth().ID) + "/accounts")
	p.tick(fresh, "account_2")
	p.press(fresh, "accounts_continue")

	p.tick(old, "account_1", "account_3")
	again := p.press(old, "accounts_continue")
	p.on(again, http.StatusConflict, "/accounts")
	if again.Ticked("account_1") || !again.Ticked("account_2") {
		t.Error("the page does not show what was chosen last")
	}
	if got := w.auth().Accounts; !slices.Equal(got, []fdx.AccountID{"a-3"}) {
		t.Errorf("a stale page stored %v", got)
	}
	p.on(p.press(old, "cancel"), http.StatusConflict, "/accounts")
	if w.auth().Decision != consent.Undecided {
		t.Error("a stale page decided")
	}
}

func TestOneDecisionAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	first := p.toReview()
	second := p.open("/consent/" + string(w.auth().ID) + "/review")
	p.left(p.press(first, "consent_approve"), "code=c")
	for _, button := range []string{"consent_approve", "consent_deny"} {
		page := p.press(second, button)
		p.on(page, http.StatusOK, "/done")
		says(t, page, "You chose to share with BudgetBee")
	}
	if len(w.grants) != 1 || w.auth().Decision != consent.Approved {
		t.Errorf("%d grants, decision %s", len(w.grants), w.auth().Decision)
	}
}

func TestLosingARaceDecidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	review := p.toReview()
	w.do(func() {
		for id, a := range w.auths { // the other tab is faster by a hair
			a.Version++
			a.Decision = consent.Denied
			w.auths[id] = a
		}
	})
	p.left(p.press(review, "consent_approve"), "error=access_denied")
	if len(w.grants) != 0 {
		t.Error("shared all the same")
	}
}

func TestBackButtonLeadsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.toShared()
	id := string(w.auth().ID)
	for _, page := range []string{"login", "accounts", "review", "done"} {
		got := p.open("/consent/" + id + "/" + page)
		p.on(got, http.StatusOK, "/done")
	}
}

func TestPagesOutOfOrderLeadToTheirTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.arrive()
	id := string(w.auth().ID)
	for _, page := range []string{"accounts", "review", "done"} {
		p.on(p.open("/consent/"+id+"/"+page), http.StatusOK, "/login")
	}
	p.signIn(p.open("/consent/"+id+"/login"), "ada")
	for _, page := range []string{"login", "review", "done"} {
		p.on(p.open("/consent/"+id+"/"+page), http.StatusOK, "/accounts")
	}
}

func TestTwoButtonsOfEqualWeight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toReview()
	equalButtons(t, page, "consent_deny", "consent_approve")
	p.left(p.press(page, "consent_approve"), "code=c")
	equalButtons(t, p.open(grantPath(w.grants[0].ID)+"/stop"), "stop_keep", "stop_confirm")
}

// equalButtons checks that two buttons differ in id, value and text only, and
// that the one that gives nothing away comes first.
func equalButtons(t *testing.T, page *browser.Page, first, second string) {
	t.Helper()
	for _, id := range []string{first, second} {
		if class, _ := page.Attr(id, "class"); class != "choice" {
			t.Errorf("%s has class %s", id, class)
		}
		for _, a := range []string{"style", "autofocus", "tabindex", "disabled"} {
			if _, has := page.Attr(id, a); has {
				t.Errorf("%s has %s", id, a)
			}
		}
	}
	body := string(page.Body)
	if strings.Count(body, `class="choice"`) != 2 || strings.Index(body, first) > strings.Index(body, second) {
		t.Errorf("not two equal buttons with %s first", first)
	}
}

func TestDisclosureIsWhatWasShown(t *testing.T) {
	t.Parallel()
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pending.Request.Account = w.pending.Request.Account.With(fdx.Statements)
			w.pending.Request.Customer = fdx.NewClusters(fdx.CustomerContact)
			p := w.person(lang)
			page := p.toReview()
			p.left(p.press(page, "consent_approve"), "code=c")
			d := w.grants[0].Disclosure
			if d.Version != disclosureVersion || d.Locale != lang {
				t.Errorf("version %s, locale %s", d.Version, d.Locale)
			}
			shown := strings.Join(strings.Fields(page.Text()), " ")
			at := 0
			for line := range strings.Lines(d.Text) {
				line = strings.TrimSpace(line)
				if strings.HasPrefix(line, "[") {
					continue // the two buttons
				}
				i := strings.Index(shown[at:], line)
				if i < 0 {
					t.Fatalf("the disclosure says %q, the page does not at that place:\n%s", line, page.Text())
				}
				at += i
			}
			for _, s := range []string{"BudgetBee Ltd", "•••• 4321", "See where your money goes", "Everyday account", "Gold card"} {
				if !strings.Contains(d.Text, s) {
					t.Errorf("the disclosure does not say %q", s)
				}
			}
			if strings.Contains(d.Text, "Household") {
				t.Error("the disclosure names an account that was not chosen")
			}
		})
	}
}

func TestReviewIsInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(func() { w.now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) })
	page := w.person().toReview()
	at := -1
	for _, s := range []string{
		"Do you want to share your account data with BudgetBee?",
		"BudgetBee is run by BudgetBee Ltd.", "Listed at FDX as BB-1.",
		"Accounts you share", "Change accounts", "Everyday account", "•••• 4321", "Gold card",
		"Account summary information", "Account balances", "Transaction data",
		"See where your money goes and plan each month.", "These are the words of BudgetBee, not ours.",
		"Sharing ends on 21 November 2027.", "BudgetBee can look back 730 days. From today, that means data since 21 November 2024.",
		"You can stop at any time in Data sharing at Northbank.",
		"Do not share", "We take you back to BudgetBee.",
	} {
		i := strings.Index(page.Text(), s)
		if i < at {
			t.Errorf("%q is missing or too early (at %d, want after %d)", s, i, at)
		}
		at = max(at, i)
	}
	if strings.Contains(page.Text(), "Account identifying information") {
		t.Error("a cluster is listed beside the wider one")
	}
}

func TestTermsInWords(t *testing.T) {
	t.Parallel()
	if consent.OneTimeTerm != time.Hour {
		t.Error("the text review.once says one hour in five languages")
	}
	catalogue, err := newCatalogue(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)
	app := consent.Recipient{Name: "BudgetBee"}
	for name, c := range map[string]struct {
		q    consent.Request
		want string
	}{
		"once":          {consent.Request{Duration: consent.OneTime}, "One time only."},
		"once, briefly": {consent.Request{Duration: consent.OneTime, OneTimeMinutes: 1}, "BudgetBee has 1 minute to get the data"},
		"once, shortly": {consent.Request{Duration: consent.OneTime, OneTimeMinutes: 5}, "BudgetBee has 5 minutes to get the data"},
		"30 days":       {consent.Request{Duration: consent.TimeBound, DurationDays: 30}, "Sharing ends on 31 March 2026."},
		"open end":      {consent.Request{Duration: consent.Persistent}, "Sharing ends on 1 March 2027."},
		"no look-back":  {consent.Request{Duration: consent.OneTime}, "can see data of the day it asks, nothing older."},
		"one day back":  {consent.Request{Duration: consent.OneTime, LookbackDays: 1}, "look back 1 day. From today, that means data since 28 February 2026."},
		"90 days back":  {consent.Request{Duration: consent.OneTime, LookbackDays: 90}, "look back 90 days. From today, that means data since 1 December 2025."},
		"a purpose":     {consent.Request{Duration: consent.OneTime, Purpose: consent.Purpose{Label: "To budget."}}, "To budget."},
		"statements":    {consent.Request{Duration: consent.OneTime, Account: fdx.NewClusters(fdx.Statements, fdx.Balances)}, "Statements show more than"},
		"personal data": {consent.Request{Duration: consent.OneTime, Customer: fdx.NewClusters(fdx.CustomerPersonal, fdx.CustomerContact)}, "Sensitive personal information"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newReview(catalogue.texts[0], bankName, app, consent.Authorization{Request: c.q}, nil, earlier{}, at).Disclosure()
			if !strings.Contains(d.Text, c.want) {
				t.Errorf("%q is not in:\n%s", c.want, d.Text)
			}
			if name == "personal data" && strings.Contains(d.Text, "Account contact details") {
				t.Error("the narrower cluster is listed, too")
			}
		})
	}
}

func TestChangedRegistrationIsShownBeforeAYesCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toReview()
	w.do(func() {
		r := w.recipients[budgetBee]
		r.LegalName = "Somebody Else Inc"
		w.recipients[budgetBee] = r
	})
	page = p.press(page, "consent_approve")
	p.on(page, http.StatusConflict, "/review")
	says(t, page, "Somebody Else Inc", "This page was out of date")
	p.left(p.press(page, "consent_approve"), "code=c")
}

func TestWhoStandsBetweenIsNamedBeforeAnybodyDecides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.recipients[budgetBee]
	r.Intermediaries = []consent.Party{{Name: "LinkHub", Type: consent.PartyPlatform}, {Name: "<b>Second\u202e", Type: consent.PartyPlatform}, {Name: "\u200b"}}
	w.recipients[budgetBee] = r
	p := w.person()
	says(t, p.arrive(), "BudgetBee uses LinkHub to connect to us", "BudgetBee uses <b>Second to connect to us")
	page := p.toReview()
	says(t, page, "The data passes through LinkHub.", "The data passes through <b>Second.")
	// Somebody who comes in between is shown before a yes counts.
	w.do(func() {
		r.Intermediaries = []consent.Party{{Name: "Third Party Ltd"}}
		w.recipients[budgetBee] = r
	})
	page = p.press(page, "consent_approve")
	p.on(page, http.StatusConflict, "/review")
	says(t, page, "Third Party Ltd")
	p.left(p.press(page, "consent_approve"), "code=c")
	if text := w.grants[0].Disclosure.Text; !strings.Contains(text, "Third Party Ltd") || strings.Contains(text, "LinkHub") {
		t.Errorf("the disclosure is not what was shown last:\n%s", text)
	}
}

func TestMidnightDoesNotChangeWhatWasAgreed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(func() { w.now = time.Date(2026, 11, 21, 23, 59, 0, 0, time.UTC) })
	p := w.person()
	page := p.toReview()
	w.do(func() { w.now = w.now.Add(5 * time.Minute) })
	p.left(p.press(page, "consent_approve"), "code=c")
	if text := w.grants[0].Disclosure.Text; !strings.Contains(text, "21 November 2027") {
		t.Errorf("the disclosure is not the one shown before midnight:\n%s", text)
	}
}

func TestAccountThatClosesMeanwhileIsTakenOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toReview()
	w.do(func() { w.choices["c-ada"][0].Ineligible = consent.IneligibleLocked })
	page = p.press(page, "consent_approve")
	p.on(page, http.StatusOK, "/accounts")
	says(t, page, "One of your chosen accounts cannot be shared any more.")
	if len(w.grants) != 0 {
		t.Error("shared all the same")
	}
	page = p.press(page, "accounts_continue") // the one that is left is still ticked
	p.left(p.press(page, "consent_approve"), "code=c")
	if got := w.grants[0].Accounts(); !slices.Equal(got, []fdx.AccountID{"a-4"}) {
		t.Errorf("accounts %v", got)
	}
}

func TestNobodyIsStrandedWithoutAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.choices["c-ada"] = []consent.AccountChoice{{ID: "a-2", Name: "Old savings", Ineligible: "frozen by magic"}}
	p := w.person()
	page := p.toAccounts()
	says(t, page, "You have no account that can be shared right now.", "Cannot be shared right now.")
	if page.Has("accounts_continue") || page.Has("accounts_select_all") {
		t.Error("there is a way on that leads nowhere")
	}
	p.left(p.press(page, "cancel"), "error=access_denied")
}

func TestBankThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toAccounts()
	w.do(func() { w.down["bank"] = true })
	down := p.open("/consent/" + string(w.auth().ID) + "/accounts")
	p.problem(down, http.StatusServiceUnavailable, "temporarily_unavailable")
	says(t, down, "Nothing was lost", "Try again", "Back to BudgetBee")
	if !strings.Contains(w.logged.String(), "10.0.0.7") {
		t.Error("the cause is not in the log")
	}
	p.left(p.press(page, "cancel"), "error=access_denied") // saying no always works
}

func TestStoreThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"authorizations", "recipients", "replace"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			page := p.toReview()
			w.do(func() { w.down[part] = true })
			p.problem(p.press(page, "consent_approve"), http.StatusServiceUnavailable, "temporarily_unavailable")
			if len(w.grants) != 0 || w.auth().Decision != consent.Undecided {
				t.Error("decided all the same")
			}
		})
	}
}

func TestAnotherBrowserSeesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.person()
	review := ada.toReview()
	id := string(w.auth().ID)
	thief := w.person()
	// The thief has a session of his own, and is signed in even as ada.
	thief.signIn(thief.open("/portal/login"), "ada")
	stranger := w.person()
	for _, page := range []string{"login", "accounts", "review", "done"} {
		for _, p := range []*person{thief, stranger} {
			foreign := p.open("/consent/" + id + "/" + page)
			p.problem(foreign, http.StatusNotFound, "not_found")
			unknown := p.open("/consent/" + string(consent.NewAuthorizationID()) + "/" + page)
			sameButReference(t, foreign, unknown)
		}
	}
	s, err := review.Submission("consent_approve")
	if err != nil {
		t.Fatal(err)
	}
	page, err := thief.b.Submit(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	thief.problem(page, http.StatusNotFound, "not_found")
	if len(w.grants) != 0 {
		t.Error("the thief decided")
	}
	w.do(func() {
		w.auths["unbound"] = consent.Authorization{ID: "unbound", Recipient: budgetBee, ExpiresAt: w.now.Add(time.Hour)}
	})
	stranger.problem(stranger.open("/consent/unbound/login"), http.StatusNotFound, "not_found")
	if len(w.rows) != 2 {
		t.Errorf("%d sessions are stored: a stranger's visit must leave none", len(w.rows))
	}
}

// sameButReference checks that two pages are byte-identical but for the
// reference and the request id.
func sameButReference(t *testing.T, a, b *browser.Page) {
	t.Helper()
	strip := func(p *browser.Page) string {
		ref, err := p.TextOf("reference")
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(p.Body), ref, "REF")
	}
	if strip(a) != strip(b) || a.Status != b.Status {
		t.Errorf("%s and %s differ", a, b)
	}
	for name := range a.Header {
		switch name {
		case "Date", "X-Headgate-Request-Id":
			continue
		}
		if !slices.Equal(a.Header[name], b.Header[name]) {
			t.Errorf("header %s differs: %v and %v", name, a.Header[name], b.Header[name])
		}
	}
}

func TestAnotherPersonInTheSameBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	review := p.toReview()
	p.press(p.open("/portal"), "sign_out")
	p.problem(p.press(review, "consent_approve"), http.StatusNotFound, "not_found") // the session is over

	w = newWorld(t)
	p = w.person()
	review = p.toReview()
	w.pending.Pushed = "p-2" // bob starts something of his own in another tab
	p.signIn(p.arrive(), "bob")
	w.mu.Lock()
	var adas consent.AuthorizationID
	for id, a := range w.auths {
		if a.Consumer == "c-ada" {
			adas = id
		}
	}
	w.mu.Unlock()

	page := p.press(review, "consent_approve")
	p.on(page, http.StatusOK, "/login")
	for _, at := range []string{"accounts", "review"} {
		p.on(p.open("/consent/"+string(adas)+"/"+at), http.StatusOK, "/login")
	}
	page = p.signIn(page, "bob")
	p.on(page, http.StatusOK, "/accounts")
	if a := w.auths[adas]; a.Consumer != "c-bob" || len(a.Accounts) != 0 {
		t.Errorf("bob took over ada's choice: %+v", a)
	}
	if strings.Contains(page.Text(), "Household") || !strings.Contains(page.Text(), "Bob's account") {
		t.Error("bob sees ada's accounts")
	}
	if len(w.grants) != 0 {
		t.Error("shared all the same")
	}
}

func TestSignInThatRunsOutIsAskedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	review := p.toReview()
	w.do(func() {
		w.now = w.now.Add(15 * time.Minute)
		for id, a := range w.auths {
			a.ExpiresAt = w.now.Add(time.Minute)
			w.auths[id] = a
		}
	})
	page := p.press(review, "consent_approve")
	p.on(page, http.StatusOK, "/login")
	page = p.signIn(page, "ada")
	p.on(page, http.StatusOK, "/review")
	says(t, page, "Everyday account", "Gold card") // nothing is asked twice
	p.left(p.press(page, "consent_approve"), "code=c")
}

func TestJourneyThatRunsOutGoesBackToTheApp(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]struct {
		page   func(*person) *browser.Page
		button string
	}{
		"sign in":  {(*person).arrive, "cancel"},
		"accounts": {(*person).toAccounts, "accounts_continue"},
		"review":   {(*person).toReview, "consent_approve"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			page := to.page(p)
			w.do(func() { w.now = w.now.Add(consent.JourneyTime) })
			p.left(p.press(page, to.button), "error=access_denied&error_description=time")
			if len(w.grants) != 0 {
				t.Error("shared after the time was up")
			}
		})
	}
}

func TestSignInRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"wrong password": {login.ErrCredentials, http.StatusUnprocessableEntity, "That username and password do not match."},
		"too many tries": {&login.Wait{For: 61 * time.Second}, http.StatusTooManyRequests, "Please wait 2 minutes, then try again."},
		"busy":           {login.ErrBusy, http.StatusServiceUnavailable, "Many people are signing in right now."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.loginErr = c.err
			p := w.person()
			for _, start := range []*browser.Page{p.arrive(), p.open("/portal/login")} {
				page := p.signIn(start, "ada")
				p.on(page, c.status, "/login")
				says(t, page, c.says)
				if v, _ := page.Attr("username", "value"); v != "ada" {
					t.Errorf("username %q is asked for twice", v)
				}
				if v, _ := page.Attr("password", "value"); v != "" {
					t.Error("the password is in the page")
				}
				if c.status == http.StatusTooManyRequests && page.Header.Get("Retry-After") != "61" {
					t.Errorf("Retry-After: %s", page.Header.Get("Retry-After"))
				}
			}
			if w.auth().Consumer != "" {
				t.Error("signed in all the same")
			}
		})
	}
}

func TestSignInThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.loginErr = errDown
	p := w.person()
	p.problem(p.signIn(p.arrive(), "ada"), http.StatusServiceUnavailable, "temporarily_unavailable")
	p.problem(p.signIn(p.open("/portal/login"), "ada"), http.StatusServiceUnavailable, "temporarily_unavailable")
}

func TestLoginHintIsFilledIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pending.LoginHint = "ada\u202e\"><script>alert(1)</script>"
	page := w.person().arrive()
	if v, _ := page.Attr("username", "value"); v != `ada"><script>alert(1)</script>` {
		t.Errorf("username %q", v)
	}
	if strings.Contains(live.ReplaceAllString(string(page.Body), ""), "<script") {
		t.Error("the hint is not escaped")
	}
}

func TestDonePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	g := p.toShared()
	done := "/authorize/" + string(w.auth().ID)
	for range 2 { // reload, second tab
		page := p.open(done)
		p.on(page, http.StatusOK, "/done")
		says(t, page, "You chose to share with BudgetBee", "2 accounts", w.portal.catalogue.texts[0].Date(g.ExpiresAt))
		if href, _ := page.Attr("back_to_app", "href"); href != "https://app.example/" {
			t.Errorf("way back to %s", href)
		}
		if href, _ := page.Attr("data_sharing", "href"); href != grantPath(g.ID) {
			t.Errorf("Data sharing at %s", href)
		}
	}
	if _, err := w.StopByConsumer(context.Background(), "c-ada", g.ID); err != nil {
		t.Fatal(err)
	}
	says(t, p.open(done), "This sharing ended on")
	w.do(func() { w.down["grants"] = true })
	p.on(p.open(done), http.StatusOK, "/done") // the page does without
	w.do(func() { w.down["grants"] = false; w.now = w.now.Add(time.Hour) })
	page := p.open(done) // signed out by now
	says(t, page, "You chose to share with BudgetBee")
	if href, _ := page.Attr("data_sharing", "href"); href != "/portal" {
		t.Errorf("shows the grant to somebody who is not signed in: %s", href)
	}
}

func TestNotSharedPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.left(p.press(p.toReview(), "consent_deny"), "error=access_denied")
	page := p.open("/authorize/" + string(w.auth().ID))
	says(t, page, "Nothing was shared", "BudgetBee got no data.", "Back to BudgetBee")
	if strings.Contains(page.Text(), "You chose to share") {
		t.Error("says both")
	}
}

func TestHostileAppIsHarmless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.recipients[budgetBee]
	r.Name = "\u202eeeB<b onclick=x>\x00\u200b" + strings.Repeat("x", 1000)
	r.LegalName = "<img src=x onerror=alert(1)>\r\nSet-Cookie: a=b"
	r.Purposes = []consent.Purpose{{Code: "budgeting", Label: "</blockquote><script>alert(1)</script>" + strings.Repeat("z", 1000)}}
	r.HomeURI = "javascript:alert(1)"
	r.LogoURI = "https://evil.example/pixel.gif"
	r.RedirectURIs = []string{redirectURI, "https://a.example;script-src *", "https://b.example, x", "javascript:alert(1)", "data:text/html,x"}
	w.recipients[budgetBee] = r
	w.pending.Request.Purpose = r.Purposes[0]
	p := w.person()
	review := p.toReview()
	p.left(p.press(review, "consent_approve"), "code=c")
	g := w.grants[0]
	for _, page := range []*browser.Page{
		review, p.open("/authorize/" + string(w.auth().ID)), p.open("/portal"), p.open(grantPath(g.ID)),
		p.open(grantPath(g.ID) + "/stop"), p.open("/portal/history"),
	} {
		sound(t, page)
		body := live.ReplaceAllString(string(page.Body), "")
		for _, bad := range []string{"<script", "<img src=x", "<b onclick", "javascript:", "evil.example", "\u202e", "\u200b", "\x00", strings.Repeat("x", 61), strings.Repeat("z", 241), "#ZgotmplZ"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", page, bad)
			}
		}
		if csp := strings.TrimSuffix(page.Header.Get("Content-Security-Policy"), "; script-src 'self'; connect-src 'self'"); strings.Contains(csp, "script-src") || strings.Contains(csp, "a.example") ||
			strings.Contains(csp, "b.example") || strings.Contains(csp, "data:text") {
			t.Errorf("policy: %s", csp)
		}
	}
}

func TestFormsMayEndAtTheApp(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://app.example/cb?x=1":     "https://app.example",
		"https://app.example:8443/cb":    "https://app.example:8443",
		"http://127.0.0.1:7777/cb":       "http://127.0.0.1:7777",
		"com.example.app:/cb":            "com.example.app:",
		"https:///cb":                    "",
		"javascript:alert(1)":            "",
		"data:text/html,x":               "",
		"app:/cb":                        "",
		"//app.example/cb":               "",
		"https://a.example;script-src *": "",
		"https://*/cb":                   "",
		"https://user:pw@app.example/":   "https://app.example",
		"":                               "",
		"%":                              "",
	} {
		if got := formTarget(in); got != want {
			t.Errorf("formTarget(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLanguageOfThePages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ui      []string
		browser string
		want    string
	}{
		"the app's wish first":    {[]string{"fr"}, "sv", "fr"},
		"first known wish":        {[]string{"de", "es-MX"}, "sv", "es"},
		"else the browser's":      {nil, "sv-SE,en;q=0.5", "sv"},
		"browser's order":         {nil, "en;q=0.2,zh-CN;q=0.9", "zh"},
		"wish nobody knows":       {[]string{"de"}, "fr", "fr"},
		"broken wish":             {[]string{"<script>"}, "fr", "fr"},
		"nothing known":           {nil, "de", "en"},
		"nothing said":            {nil, "*", "en"},
		"oversized header":        {nil, "fr," + strings.Repeat("sv,", 1000), "en"},
		"broken header":           {nil, ";;;q=", "en"},
		"traditional Chinese too": {nil, "zh-TW", "zh"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pending.UILocales = c.ui
			page := w.person(c.browser).arrive()
			if !strings.Contains(string(page.Body), `<html lang="`+c.want+`">`) || page.Header.Get("Content-Language") != c.want {
				t.Errorf("language %s, want %s", page.Header.Get("Content-Language"), c.want)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := newWorld(t).portal.c
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, drop := range map[string]func(*Config){
		"UI": func(c *Config) { c.UI = nil }, "Sessions": func(c *Config) { c.Sessions = nil },
		"Login": func(c *Config) { c.Login = nil }, "Authorizations": func(c *Config) { c.Authorizations = nil },
		"Recipients": func(c *Config) { c.Recipients = nil }, "Accounts": func(c *Config) { c.Accounts = nil },
		"Grants": func(c *Config) { c.Grants = nil }, "Stopper": func(c *Config) { c.Stopper = nil },
		"Reads": func(c *Config) { c.Reads = nil }, "Log": func(c *Config) { c.Log = nil },
	} {
		c := good
		drop(&c)
		if _, err := New(c); err == nil {
			t.Errorf("accepted without %s", name)
		}
	}
}
