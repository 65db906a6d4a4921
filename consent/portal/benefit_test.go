package portal

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
)

// What the app says that people get is shown as its words, kept with what was
// agreed to, and gone from the pages when it is withdrawn.
func TestTheBenefitIsTheAppsClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const words = "A plan for each month"
	set := func(to string) {
		w.do(func() { r := w.recipients[budgetBee]; r.Benefit = to; w.recipients[budgetBee] = r })
	}
	p := w.person()
	page := p.toReview()
	if page.Has("benefit") || strings.Contains(page.Text(), "says you get") {
		t.Error("a benefit without words")
	}
	set(words)
	// A yes counts for the words that were on the screen.
	page = p.press(page, "consent_approve")
	p.on(page, http.StatusConflict, "/review")
	says(t, page, "What BudgetBee says you get", words, "These are the words of BudgetBee, not ours.")
	if !strings.Contains(string(page.Body), "<q>"+words+"</q>") {
		t.Error("not in quotes")
	}
	p.left(p.press(page, "consent_approve"), "code=c")
	g := w.grants[0]
	if !strings.Contains(g.Disclosure.Text, "What BudgetBee says you get\n"+words+"\nThese are the words of BudgetBee, not ours.\n") {
		t.Errorf("kept:\n%s", g.Disclosure.Text)
	}
	for reads, want := range map[int]string{0: "It has looked 0 times so far.", 1: "It has looked 1 time so far."} {
		w.do(func() {
			for range reads {
				w.read(g.ID, g.Consumer, w.now, 1)
			}
		})
		if text, err := p.open(grantPath(g.ID)).TextOf("benefit"); err != nil || !strings.Contains(text, words) || !strings.Contains(text, want) {
			t.Errorf("the page of the app says %q (%v)", text, err)
		}
		w.do(func() { w.reads = nil })
	}
	set("")
	if p.open(grantPath(g.ID)).Has("benefit") {
		t.Error("shown after it was withdrawn")
	}
}

// Whatever a store lets through, a page shows it harmless.
func TestAHostileBenefitIsHarmless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(func() {
		r := w.recipients[budgetBee]
		r.Benefit = "<script>alert(1)</script>\u202e" + strings.Repeat("x", 5000)
		w.recipients[budgetBee] = r
	})
	var page *browser.Page = w.person().toReview()
	sound(t, page)
	if strings.Contains(string(page.Body), "<script>alert") || strings.Contains(string(page.Body), "\u202e") || len(page.Body) > 40<<10 {
		t.Error("shown as it is")
	}
}
