package chromium_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/chromium"
)

// find looks at the page until it has a control.
func find(t *testing.T, p *chromium.Person, page *browser.Page, what string) (*browser.Page, string) {
	t.Helper()
	for range 10 {
		if id := page.Find(what); id != "" {
			return page, id
		}
		var err error
		if page, err = p.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("the page has no %s: %s", what, page)
	return nil, ""
}

func must[V any](t *testing.T) func(V, error) V {
	return func(v V, err error) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestPerson(t *testing.T) {
	t.Parallel()
	c := start(t)
	for name, test := range map[string]func(*testing.T, *chromium.Chromium){
		"pages that are built by script": testPagesThatAreBuiltByScript,
		"persons are apart":              testPersonsAreApart,
		"where the person comes from":    testWhereThePersonComesFrom,
		"what leads away from the bank":  testWhatLeadsAwayFromTheBank,
		"steps that lead nowhere":        testStepsThatLeadNowhere,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// A journey that is made by script alone: the form-driving browser sees
// nothing of it.
func testPagesThatAreBuiltByScript(t *testing.T, c *chromium.Chromium) {
	bank := newScripted(t)
	page := must[*browser.Page](t)

	blind := page(bank.formDriving(t).Arrive(t.Context(), bank.URL+"/authorize"))
	if blind.Find("label:Sign in") != "" || !strings.Contains(blind.Text(), "switch scripts on") {
		t.Errorf("without script there is %q: the bank proves nothing", blind.Text())
	}

	her := bank.person(t, c)
	at, _ := find(t, her, page(her.Arrive(t.Context(), bank.URL+"/authorize")), "label:Name")
	if at.Has("consent_approve") || at.Title() != "Bank" || strings.Contains(at.Text(), "switch scripts on") {
		t.Errorf("the page holds what nobody sees: %s", at)
	}
	// Wrong first: the same document says no.
	for _, password := range []string{"wrong", "correct"} {
		var id string
		at, id = find(t, her, at, "label:Name")
		if err := errors.Join(at.Fill(id, "ada"), at.Fill(at.Find("label:Password"), password)); err != nil {
			t.Fatal(err)
		}
		at = page(her.Press(t.Context(), at, at.Find("label:Sign in")))
	}
	at, _ = find(t, her, at, "accounts_continue")
	if _, off := at.Attr("accounts_continue", "disabled"); !off {
		t.Error("a button that is off does not say so")
	}
	if _, err := her.Press(t.Context(), at, "accounts_continue"); !errors.Is(err, browser.ErrElement) {
		t.Errorf("a button that is off is pressed: %v", err)
	}
	if ids := at.IDs("account_"); !slices.Equal(ids, []string{"account_1", "account_2", "account_3"}) {
		t.Fatalf("there are the accounts %v", ids)
	}
	if err := errors.Join(at.Tick("account_1"), at.Tick("account_3"), at.Fill("note", "two\nlines"), at.Fill("kind", "b")); err != nil {
		t.Fatal(err)
	}
	// Ticking is what switches the button on; a person sees that, and so does
	// the next look.
	if _, err := her.Press(t.Context(), at, "account_2"); err != nil {
		t.Fatal(err)
	}
	at = page(her.Look(t.Context()))
	if !at.Ticked("account_1") || !at.Ticked("account_2") || !at.Ticked("account_3") {
		t.Error("what was ticked is not")
	}
	if err := at.Untick("account_2"); err != nil {
		t.Fatal(err)
	}
	at = page(her.Press(t.Context(), at, "accounts_continue"))
	at, _ = find(t, her, at, "consent_approve")
	if _, err := her.Press(t.Context(), at, "covered"); !errors.Is(err, browser.ErrElement) {
		t.Errorf("a covered button is pressed: %v", err)
	}
	at = page(her.Press(t.Context(), at, "consent_approve"))
	if at.Left == nil || at.Left.String() != callback+"&code=abc" || at.Status != http.StatusSeeOther {
		t.Fatalf("she ends at %s", at)
	}
	bank.mu.Lock()
	defer bank.mu.Unlock()
	if want := []string{"1", "3", "two\nlines", "b"}; !slices.Equal(bank.shared, want) {
		t.Errorf("she shared %v; expected %v", bank.shared, want)
	}
}

func testPersonsAreApart(t *testing.T, c *chromium.Chromium) {
	bank := newScripted(t)
	page := must[*browser.Page](t)
	been := func(p *browser.Page) string {
		t.Helper()
		text, err := p.TextOf("been")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	her, him := bank.person(t, c), bank.person(t, c)
	first := page(her.Open(t.Context(), bank.URL+"/plain"))
	if first.Status != http.StatusForbidden || been(first) != "false" {
		t.Errorf("status %d, been there %s", first.Status, been(first))
	}
	if got := been(page(her.Open(t.Context(), bank.URL+"/plain"))); got != "true" {
		t.Errorf("her cookie is lost: %s", got)
	}
	if got := been(page(him.Open(t.Context(), bank.URL+"/plain"))); got != "false" {
		t.Errorf("her cookie is his: %s", got)
	}
}

func testWhereThePersonComesFrom(t *testing.T, c *chromium.Chromium) {
	bank := newScripted(t)
	for site, visit := range map[string]func(*chromium.Person, context.Context, string) (*browser.Page, error){
		"none": (*chromium.Person).Open, "cross-site": (*chromium.Person).Arrive,
	} {
		path := "/plain"
		if site == "none" {
			path = "/json"
		}
		if _, err := visit(bank.person(t, c), t.Context(), bank.URL+path); err != nil {
			t.Fatal(err)
		}
		h := bank.first(t, path).Header
		if h.Get("Sec-Fetch-Site") != site || h.Get("Referer") != "" {
			t.Errorf("the request is %s with referrer %q; expected %s without", h.Get("Sec-Fetch-Site"), h.Get("Referer"), site)
		}
	}
}

func testWhatLeadsAwayFromTheBank(t *testing.T, c *chromium.Chromium) {
	bank := newScripted(t)
	page := must[*browser.Page](t)
	her := bank.person(t, c)
	at := page(her.Open(t.Context(), bank.URL+"/plain"))
	at = page(her.Press(t.Context(), at, "away"))
	if at.Left == nil || at.Left.String() != callback {
		t.Errorf("she ends at %s", at)
	}
	at = page(her.Open(t.Context(), bank.URL+"/plain"))
	at = page(her.Press(t.Context(), at, "plain"))
	if at.Left == nil || at.Left.String() != "http://app.example/back?x=1" {
		t.Errorf("she ends at %s", at)
	}
	at = page(her.Open(t.Context(), bank.URL+"/plain"))
	at = page(her.Press(t.Context(), at, "evil"))
	if at.Left == nil || at.Left.Host != "evil.example" {
		t.Errorf("she ends at %s", at)
	}
	if _, err := her.Open(t.Context(), "https://app.example/"); !errors.Is(err, browser.ErrOutside) {
		t.Errorf("she may go anywhere: %v", err)
	}
	json := page(her.Open(t.Context(), bank.URL+"/json"))
	if json.Has("trap") || !strings.Contains(string(json.Body), "trap") {
		t.Errorf("an answer that is no page is read as one: %s", json)
	}
}

func testStepsThatLeadNowhere(t *testing.T, c *chromium.Chromium) {
	bank := newScripted(t)
	her := bank.person(t, c, func(cfg *chromium.Config) { cfg.Patience = 6 * time.Second })
	at, err := her.Open(t.Context(), bank.URL+"/dead")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := her.Press(t.Context(), at, "dead"); !errors.Is(err, chromium.ErrStuck) {
		t.Errorf("a link to nowhere: %v", err)
	}
	if _, err := her.Press(t.Context(), at, "no-such"); !errors.Is(err, browser.ErrElement) {
		t.Errorf("a button that is not there: %v", err)
	}
	if _, err := her.Open(t.Context(), bank.URL+"/slow?secret=1"); !errors.Is(err, chromium.ErrStuck) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a page that does not come: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := her.Open(ended, bank.URL+"/plain"); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that is over: %v", err)
	}
	her.Close() // and with her what she still waits for
	down := bank.person(t, c)
	bank.Close()
	if _, err := down.Open(t.Context(), bank.URL+"/plain"); err == nil || errors.Is(err, chromium.ErrStuck) {
		t.Errorf("a bank that is down: %v", err)
	}
}

func TestWithoutABrowser(t *testing.T) {
	t.Parallel()
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), "/bin/false"} {
		if _, err := chromium.Start(t.Context(), path); !errors.Is(err, chromium.ErrNoBrowser) {
			t.Errorf("%s is a browser: %v", path, err)
		}
	}
}
