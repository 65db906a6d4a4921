package portal

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/erasure"
	"github.com/headgate/headgate/consent/inbox"
)

// wishes is the world's erasure.Store.
type wishes world

func (w *wishes) Ask(ctx context.Context, who consent.ConsumerID) (erasure.Erasure, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := (*world)(w).isDown("erasures"); err != nil {
		return erasure.Erasure{}, err
	}
	if !w.wish[who].Asked() {
		w.wish[who] = erasure.Erasure{AskedAt: w.now, At: w.now.Add(erasure.Wait)}
		(*world)(w).tell(who, inbox.Erase, func(n *inbox.Notice) { n.Grant, n.App = "", "" })
	}
	return w.wish[who], nil
}

func (w *wishes) Keep(_ context.Context, who consent.ConsumerID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.wish, who)
	return (*world)(w).isDown("erasures")
}

func (w *wishes) Erasure(_ context.Context, who consent.ConsumerID) (erasure.Erasure, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wish[who], (*world)(w).isDown("erasures")
}

func (w *wishes) AskApp(_ context.Context, who consent.ConsumerID, id consent.GrantID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.asked {
		if r.Grant == id {
			return nil
		}
	}
	for _, g := range w.grants {
		if g.ID == id && g.Consumer == who {
			w.asked = append([]erasure.Request{{Grant: id, Recipient: g.Recipient, AskedAt: w.now}}, w.asked...)
			return (*world)(w).isDown("erasures")
		}
	}
	return consent.ErrNotFound
}

func (w *wishes) Requests(_ context.Context, who consent.ConsumerID) ([]erasure.Request, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var mine []erasure.Request
	for _, r := range w.asked {
		for _, g := range w.grants {
			if g.ID == r.Grant && g.Consumer == who {
				mine = append(mine, r)
			}
		}
	}
	return mine, (*world)(w).isDown("erasures")
}

func (w *world) wishOf(who consent.ConsumerID) erasure.Erasure {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wish[who]
}

// sharing is ada with two apps, one of them ended, and bob with another.
func sharing(t *testing.T) *world {
	w := newWorld(t)
	w.grant("g-on", "BudgetBee")
	w.grant("g-over", "TaxPal", func(g *consent.Grant) {
		g.Recipient, g.Status, g.EndedAt, g.EndedBy = "taxpal", consent.StatusRevoked, w.now.AddDate(0, 0, -10), consent.ActorRecipient
	})
	w.grant("g-bob", "BobApp", func(g *consent.Grant) { g.Consumer, g.Recipient = "c-bob", "bobs" })
	return w
}

func TestEraseSaysWhatGoesAndWhatIsKept(t *testing.T) {
	t.Parallel()
	keys := readCatalogue(t, "en")
	for _, lang := range languages {
		w := sharing(t)
		p := w.person(lang)
		p.home("ada")
		pages := []*browser.Page{p.open(erasePath)}
		pages = append(pages, p.press(pages[0], "erase_confirm"))
		p.tick(pages[0], "erase_sure")
		pages = append(pages, p.press(pages[0], "erase_confirm"), p.press(p.open(erasePath), "erase_ask_1"))
		w.do(func() {
			w.asked[0].Answer, w.asked[0].Reason, w.asked[0].AnsweredAt = erasure.Refused, "<b>Law\u202e</b>", w.now
		})
		pages = append(pages, p.press(p.open(erasePath), "erase_ask_2"), p.press(p.open(erasePath), "erase_undo"))
		for _, page := range pages {
			sound(t, page)
			for key := range keys {
				if strings.Contains(key, ".") && strings.Contains(page.Text(), key) {
					t.Errorf("%s shows the key %s", page, key)
				}
			}
			if strings.Contains(page.Text(), "<no value>") || strings.Contains(page.Text(), "{{") || strings.Contains(page.Text(), "Bob") {
				t.Errorf("%s:\n%s", page, page.Text())
			}
		}
		says(t, pages[4], "<b>Law</b>")
	}
	w := sharing(t)
	w.do(func() {
		w.now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
		w.grants[1].EndedAt = w.now.AddDate(0, 0, -10)
	})
	page := w.person2("ada").open(erasePath)
	// 1,000 days after its end by the rules here, and what goes on ends today.
	says(t, page, "You still share with 1 app. We stop that first.", "We wait until 25 November 2026, 10:00", "until 18 August 2029", "until 8 August 2029", "It has 30 days to answer")
}

func TestEraseStopsEverythingFirst(t *testing.T) {
	t.Parallel()
	w := sharing(t)
	p := w.person2("ada")
	page := p.open(erasePath)

	again := p.press(page, "erase_confirm")
	p.on(again, http.StatusUnprocessableEntity, erasePath)
	says(t, again, "Tick the box to erase your record")
	p.on(p.press(page, "erase_keep"), http.StatusOK, homePath)
	if w.wishOf("c-ada").Asked() || w.stops != 0 {
		t.Fatal("something was done without a tick")
	}

	// What cannot be stopped is not erased.
	p.tick(page, "erase_sure")
	w.do(func() { w.down["stop"] = true })
	p.problem(p.press(page, "erase_confirm"), http.StatusServiceUnavailable, "temporarily_unavailable")
	w.do(func() { w.down["stop"] = false; w.down["erasures"] = true })
	if w.wishOf("c-ada").Asked() {
		t.Fatal("erased beside what goes on")
	}
	p.problem(p.press(page, "erase_confirm"), http.StatusServiceUnavailable, "temporarily_unavailable")
	w.do(func() { w.down["erasures"] = false })

	// The first attempt has stopped it all: the page is another one now.
	page = p.open(erasePath)
	p.tick(page, "erase_sure")
	done := p.press(page, "erase_confirm")
	p.on(done, http.StatusOK, erasePath)
	if at, err := done.TextOf("erase_at"); err != nil || !strings.HasPrefix(at, "We erase your record on ") {
		t.Errorf("%s, %v", at, err)
	}
	first := w.wishOf("c-ada")
	if !first.Asked() || w.stops != 1 || w.wishOf("c-bob").Asked() {
		t.Errorf("wish %v, %d stops", first, w.stops)
	}
	// Sent twice it is one wish, one stop, one notice.
	p.press(page, "erase_confirm")
	if w.wishOf("c-ada") != first || w.stops != 1 || len(w.notices) != 1 || w.notices[0].Kind != inbox.Erase {
		t.Errorf("%v, %d stops, %d notices", w.wishOf("c-ada"), w.stops, len(w.notices))
	}
	says(t, p.open(noticesPath), "You asked us to erase your record")
	p.on(p.press(p.open(erasePath), "erase_undo"), http.StatusOK, erasePath)
	if w.wishOf("c-ada").Asked() || !p.open(erasePath).Has("erase_confirm") {
		t.Error("the wish could not be taken back")
	}
}

func TestEraseFormsAreOurs(t *testing.T) {
	t.Parallel()
	w := sharing(t)
	p := w.person()
	p.on(p.open(erasePath), http.StatusOK, "/portal/login")
	p.home("ada")
	page := p.open(erasePath)
	p.tick(page, "erase_sure")
	bobs := w.person2("bob").open(erasePath)
	foreign, err := bobs.Submission("erase_ask_1")
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		button string
		status int
		bend   func(*browser.Submission)
	}{
		"without a mark":               {"erase_confirm", http.StatusConflict, func(s *browser.Submission) { s.Form.Del("mark") }},
		"with another's mark":          {"erase_confirm", http.StatusConflict, func(s *browser.Submission) { s.Form["mark"] = foreign.Form["mark"] }},
		"with an unknown action":       {"erase_confirm", http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("action", "now") }},
		"with two actions":             {"erase_confirm", http.StatusBadRequest, func(s *browser.Submission) { s.Form.Add("action", "keep") }},
		"for somebody else":            {"erase_confirm", http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("consumer", "c-bob") }},
		"with an odd tick":             {"erase_confirm", http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("sure", "on") }},
		"from another site":            {"erase_confirm", http.StatusForbidden, func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") }},
		"asking without a mark":        {"erase_ask_1", http.StatusConflict, func(s *browser.Submission) { s.Form.Del("mark") }},
		"asking about another's":       {"erase_ask_1", http.StatusConflict, func(s *browser.Submission) { s.Form.Set("grant", "g-bob") }},
		"asking with another's":        {"erase_ask_1", http.StatusConflict, func(s *browser.Submission) { s.Form = foreign.Form }},
		"asking about what is unknown": {"erase_ask_1", http.StatusConflict, func(s *browser.Submission) { s.Form.Set("grant", "none") }},
		"asking with more":             {"erase_ask_1", http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("reason", "x") }},
	} {
		got := p.bent(page, c.button, c.bend)
		if got.Status != c.status {
			t.Errorf("%s: %s, want %d", what, got, c.status)
		}
		if w.wishOf("c-ada").Asked() || w.wishOf("c-bob").Asked() || w.stops != 0 || len(w.asked) != 0 {
			t.Fatalf("%s: something was done", what)
		}
	}
	// An app that came since was not on the page.
	w.do(func() { w.grant("g-new", "NewApp", func(g *consent.Grant) { g.Recipient = "new" }) })
	p.on(p.press(page, "erase_confirm"), http.StatusConflict, erasePath)
	if w.wishOf("c-ada").Asked() || w.stops != 0 {
		t.Error("a page of before erased what came since")
	}
	w.do(func() { w.sloppy = true })
	if page := p.open(erasePath); strings.Contains(page.Text(), "BobApp") {
		t.Error("a store that mixes people up shows bob's")
	}
}

func TestAppsAnswers(t *testing.T) {
	t.Parallel()
	w := sharing(t)
	w.grant("g-tax2", "TaxPal", func(g *consent.Grant) { g.Recipient = "taxpal" })
	p := w.person2("ada")
	p.press(p.open(erasePath), "erase_ask_2") // TaxPal, both grants
	if len(w.asked) != 2 || w.asked[0].Recipient != "taxpal" || w.asked[1].Recipient != "taxpal" {
		t.Fatalf("%+v", w.asked)
	}
	state := func(n string) string {
		t.Helper()
		text, err := p.open(erasePath).TextOf("erase_state_" + n)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if page := p.open(erasePath); page.Has("erase_ask_2") || !page.Has("erase_ask_1") {
		t.Error("asked again, or never")
	}
	if got := state("1"); got != "Not asked yet" {
		t.Error(got)
	}
	if got := state("2"); !strings.HasSuffix(got, "No answer yet.") {
		t.Error(got)
	}
	// One of two is not all of it.
	w.do(func() { w.asked[0].Answer, w.asked[0].AnsweredAt = erasure.Done, w.now })
	if got := state("2"); !strings.HasSuffix(got, "No answer yet.") {
		t.Error(got)
	}
	w.do(func() { w.asked[1].Answer, w.asked[1].AnsweredAt = erasure.Done, w.now })
	if got := state("2"); !strings.Contains(got, "TaxPal told us on") {
		t.Error(got)
	}
	w.do(func() {
		w.asked[1].Answer, w.asked[1].AnsweredAt = "", time.Time{}
		w.asked[1].AskedAt = w.now.Add(-erasure.AnswerTime)
	})
	if got := state("2"); !strings.HasSuffix(got, "It did not answer in time.") {
		t.Error(got)
	}
	w.do(func() { w.asked[0].Answer, w.asked[0].Reason = erasure.Refused, "We have to keep invoices." })
	if got := state("2"); !strings.HasSuffix(got, "and gave this reason: We have to keep invoices.") {
		t.Error(got)
	}
}
