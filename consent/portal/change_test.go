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

// changing makes the world's request one that changes what ada shares: two
// accounts and their balances, agreed on a day in March.
func (w *world) changing(a consent.Action) consent.Grant {
	made := time.Date(w.now.Year()-1, 3, 5, 12, 0, 0, 0, time.UTC)
	g := consent.Grant{
		ID: consent.NewGrantID(), Recipient: budgetBee, Consumer: "c-ada", Status: consent.StatusActive, Epoch: 3,
		Purpose: "budgeting", Duration: consent.Persistent,
		Resources: []consent.Resource{
			{Type: consent.ResourceAccount, ID: "a-3", Clusters: fdx.NewClusters(fdx.Balances)},
			{Type: consent.ResourceAccount, ID: "a-2", Clusters: fdx.NewClusters(fdx.Balances)}, // closed since
			{Type: consent.ResourceAccount, ID: "a-9", Clusters: fdx.NewClusters(fdx.Balances)}, // gone since
		},
		CreatedAt: made.AddDate(0, -1, 0), ExpiresAt: w.now.Add(48 * time.Hour).UTC(),
	}
	w.grants = []consent.Grant{g}
	w.events[g.ID] = []consent.Event{
		{Grant: g.ID, Epoch: 1, Kind: consent.EventGranted, At: g.CreatedAt},
		{Grant: g.ID, Epoch: 2, Kind: consent.EventChanged, Actor: consent.ActorConsumer, At: made},
		{Grant: g.ID, Epoch: 3, Kind: consent.EventTokensRevoked, At: made.AddDate(0, 1, 0)},
	}
	w.pending.Request.Change = consent.Change{Action: a, Grant: g.ID, Epoch: g.Epoch}
	return g
}

func TestReplacingKeepsTheChoiceOfBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.changing(consent.ActionReplace)
	p := w.person()
	page := p.toAccounts()
	if page.Ticked("account_1") || !page.Ticked("account_2") || page.Ticked("account_3") {
		t.Error("not exactly what was chosen before is ticked")
	}
	says(t, page, "The ones you share now are ticked.", "One of your chosen accounts cannot be shared any more.")
	// What is ticked counts only once the person has sent it.
	if a := w.auth(); a.Accounts != nil {
		t.Errorf("accounts %v", a.Accounts)
	}
	page = p.press(page, "accounts_continue")
	text := reviewText(t, page)
	made := w.events[g.ID][1].At
	inOrder(t, text, "Do you want to share", "What changes",
		"If you share, this replaces what you agreed with BudgetBee on "+w.portal.catalogue.texts[0].Date(made)+".",
		"Household", "An account that is no longer with us", "Account balances",
		w.portal.catalogue.texts[0].Date(g.ExpiresAt), "Who is asking", "Accounts you share", "Transaction data",
		"If you do not, nothing changes.")
	if strings.Contains(text, "it gets nothing") {
		t.Error("the page says that a no ends what is shared now")
	}
	p.press(page, "consent_approve")
	a := w.auth()
	if a.Decision != consent.Approved || !slices.Equal(a.Accounts, []fdx.AccountID{"a-3"}) {
		t.Errorf("decided %+v", a)
	}
	for _, line := range []string{"this replaces what you agreed", "Household", "nothing changes"} {
		if !strings.Contains(a.Disclosure.Text, line) {
			t.Errorf("the disclosure lacks %q", line)
		}
	}
}

func TestAddingTicksNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.changing(consent.ActionMerge)
	p := w.person()
	page := p.toAccounts()
	if strings.Contains(string(page.Body), "checked") {
		t.Error("something is ticked")
	}
	says(t, page, "What you share now stays shared.")
	p.tick(page, "account_1")
	page = p.press(page, "accounts_continue")
	says(t, page, "What changes", "this adds to what you agreed with BudgetBee on 5 March", "Household")
	p.left(p.press(page, "consent_deny"), "error=access_denied")
	// Nothing was shared and nothing was taken back.
	page = p.open("/consent/" + string(w.auth().ID) + "/done")
	says(t, page, "Nothing was changed", "start again in BudgetBee")
	for _, wrong := range []string{"Nothing was shared", "got no data"} {
		if strings.Contains(page.Text(), wrong) {
			t.Errorf("the page says %q", wrong)
		}
	}
}

// What a person sees of an earlier sharing is their own and the present one.
// Everything else is for the dispatcher to tell the app.
func TestChangeOfSomethingElseShowsNothing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*world){
		"somebody else's":   func(w *world) { w.grants[0].Consumer = "c-bob" },
		"another app's":     func(w *world) { w.grants[0].Recipient = "other" },
		"changed meanwhile": func(w *world) { w.grants[0].Epoch++ },
		"stopped":           func(w *world) { w.grants[0].Status = consent.StatusRevoked },
		"its time is over":  func(w *world) { w.grants[0].ExpiresAt = w.now },
		"unknown":           func(w *world) { w.grants = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.changing(consent.ActionReplace)
			p := w.person()
			review := p.press(p.toAccounts(), "accounts_continue")
			w.do(func() { spoil(w) })
			before := w.replaced
			for _, path := range []string{"/review", "/accounts"} {
				w.do(func() {
					a := w.auths[w.only()]
					if path == "/accounts" {
						a.Accounts = nil
					}
					w.auths[a.ID] = a
				})
				page, err := p.b.Open(t.Context(), p.server.URL+"/consent/"+string(w.auth().ID)+path)
				// The world's dispatcher does not know about changes and sends
				// the browser round in circles; the real one ends the journey.
				if err == nil {
					t.Errorf("%s was shown: %s", path, page)
				}
			}
			s, err := review.Submission("consent_approve")
			if err != nil {
				t.Fatal(err)
			}
			if page, err := p.b.Submit(t.Context(), s); err == nil && page.Left != nil {
				t.Errorf("a yes went through: %s", page)
			}
			if w.auth().Decision != consent.Undecided || w.replaced != before {
				t.Error("something was decided")
			}
		})
	}
}

// only is the id of the only authorization; w.mu is held.
func (w *world) only() consent.AuthorizationID {
	for id := range w.auths {
		return id
	}
	return ""
}

func TestChangeWhileTheStoreDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.changing(consent.ActionReplace)
	p := w.person()
	page := p.toAccounts()
	w.do(func() { w.down["grants"] = true })
	p.problem(p.press(page, "accounts_continue"), http.StatusServiceUnavailable, "temporarily_unavailable")
}

func TestChangedSharingIsInItsHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.changing(consent.ActionReplace)
	w.pending.Request.Change = consent.Change{}
	p := w.person()
	p.toAccounts() // signs in
	says(t, p.open("/portal/grants/"+string(g.ID)), "You changed what you share.")
}

func reviewText(t *testing.T, page *browser.Page) string {
	t.Helper()
	if !strings.HasSuffix(page.URL.Path, "/review") {
		t.Fatalf("not the review page: %s", page)
	}
	return page.Text()
}

// inOrder checks that text holds these, one after the other.
func inOrder(t *testing.T, text string, want ...string) {
	t.Helper()
	rest := text
	for _, s := range want {
		i := strings.Index(rest, s)
		if i < 0 {
			t.Fatalf("%q is missing or out of order in:\n%s", s, text)
		}
		rest = rest[i+len(s):]
	}
}

func TestChangePagesInEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, lang := range languages {
		for _, action := range []consent.Action{consent.ActionReplace, consent.ActionMerge} {
			t.Run(lang+" "+string(action), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.changing(action)
				p := w.person(lang)
				accounts := p.toAccounts()
				p.tick(accounts, "account_1")
				review := p.press(accounts, "accounts_continue")
				reviewText(t, review)
				p.press(review, "consent_deny")
				for _, page := range []*browser.Page{accounts, review, p.open("/consent/" + string(w.auth().ID) + "/done")} {
					sound(t, page)
					for _, hole := range []string{"accounts.", "review.", "done.", "<no value>", "{{"} {
						if strings.Contains(page.Text(), hole) {
							t.Errorf("%s shows %q:\n%s", page, hole, page.Text())
						}
					}
				}
			})
		}
	}
}
