package portal

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
)

// post is the world's inbox.
type post world

func (w *post) Notices(_ context.Context, who consent.ConsumerID, after inbox.Place, limit int) ([]inbox.Notice, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var page []inbox.Notice
	begun := after == inbox.Place{}
	for _, n := range w.notices {
		if begun && (n.Consumer == who || w.sloppy) && len(page) < limit {
			page = append(page, n)
		}
		begun = begun || n.Place() == after
	}
	return page, (*world)(w).isDown("inbox")
}

func (w *post) Unread(_ context.Context, who consent.ConsumerID) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.notices {
		if one.Consumer == who && !one.Read {
			n++
		}
	}
	return min(n, inbox.UnreadLimit), (*world)(w).isDown("inbox")
}

func (w *post) MarkRead(_ context.Context, who consent.ConsumerID, id inbox.NoticeID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, n := range w.notices {
		if n.ID == id && n.Consumer == who {
			w.notices[i].Read = true
			return (*world)(w).isDown("inbox")
		}
	}
	return consent.ErrNotFound
}

func (w *post) MarkAllRead(_ context.Context, who consent.ConsumerID, newest inbox.Place) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	begun := false
	for i, n := range w.notices {
		begun = begun || n.Place() == newest
		w.notices[i].Read = n.Read || begun && n.Consumer == who
	}
	return (*world)(w).isDown("inbox")
}

func (w *post) Preferences(_ context.Context, who consent.ConsumerID) (inbox.Preferences, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.prefer[who], (*world)(w).isDown("inbox")
}

func (w *post) SetPreferences(_ context.Context, who consent.ConsumerID, p inbox.Preferences) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prefer[who] = p
	return (*world)(w).isDown("inbox")
}

// tell gives somebody a notice, newer than all before.
func (w *world) tell(who consent.ConsumerID, k inbox.Kind, change ...func(*inbox.Notice)) inbox.Notice {
	n := inbox.Notice{
		ID: uuid.New(), Consumer: who, Kind: k, Grant: "g-1", App: "BudgetBee",
		EndsAt: time.Date(2027, 11, 21, 10, 0, 0, 0, time.UTC), At: w.now.Add(time.Duration(len(w.notices)) * time.Second).UTC(),
	}
	for _, c := range change {
		c(&n)
	}
	w.notices = append([]inbox.Notice{n}, w.notices...)
	return n
}

func TestNoticesInEveryLanguage(t *testing.T) {
	t.Parallel()
	keys := readCatalogue(t, "en")
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.grant("g-1", "BudgetBee")
			for _, k := range append(inbox.Kinds(), "made up") {
				w.tell("c-ada", k, func(n *inbox.Notice) { n.Actor = consent.ActorProvider })
			}
			p := w.person(lang)
			p.home("ada")
			pages := []*browser.Page{p.open(noticesPath), p.open(preferencesPath)}
			pages = append(pages, p.press(pages[1], "preferences_save"), p.press(pages[0], "notices_read_all"))
			for _, page := range pages {
				p.on(page, http.StatusOK, page.URL.Path)
				sound(t, page)
				for key := range keys {
					if strings.Contains(key, ".") && strings.Contains(page.Text(), key) {
						t.Errorf("%s shows the key %s", page, key)
					}
				}
				if strings.Contains(page.Text(), "<no value>") || strings.Contains(page.Text(), "{{") {
					t.Errorf("%s shows a hole:\n%s", page, page.Text())
				}
			}
			if len(pages[0].Body) > 40<<10 {
				t.Errorf("%d bytes", len(pages[0].Body))
			}
			if p.prefer["c-ada"].Locale != lang {
				t.Errorf("mail in %q", p.prefer["c-ada"].Locale)
			}
		})
	}
}

func TestNoticesInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(func() { w.now = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC) })
	by := func(a consent.Actor) func(*inbox.Notice) { return func(n *inbox.Notice) { n.Actor = a } }
	w.tell("c-ada", inbox.Stopped, by(consent.ActorConsumer))
	w.tell("c-ada", inbox.Stopped, by(consent.ActorRecipient))
	w.tell("c-ada", inbox.Stopped, by(consent.ActorProvider))
	w.tell("c-ada", inbox.Ending30)
	w.tell("c-ada", inbox.Ending1)
	w.tell("c-ada", inbox.Unused)
	w.tell("c-ada", inbox.Browser, func(n *inbox.Notice) { n.Grant, n.App = "", "" })
	w.tell("c-ada", inbox.Granted, func(n *inbox.Notice) { n.App = "<b>Evil</b>\u202eapp\n" })
	p := w.person()
	page := p.home("ada")
	says(t, page, "(8 new notices)")
	page = p.open(noticesPath)
	says(t, page, "Sharing with BudgetBee has stopped", "You stopped it. BudgetBee can get no new data", "The app ended it.", "Northbank ended it.",
		"ends in 30 days", "ends in 1 day", "It ends on 21 November 2027.", "BudgetBee has not looked for 60 days", "New sign-in to your account",
		"You now share data with <b>Evil</b>app", "22 November 2026, 09:30", "Why you see this: Sharing that was stopped")
	says(t, w.person2("bob").open(noticesPath), "You have no notices yet.")
	w.do(func() {
		for range 100 {
			w.tell("c-ada", inbox.Policy)
		}
	})
	says(t, p.open("/portal"), "(100 or more new notices)")
}

func TestNoticesPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 45 {
		w.tell("c-ada", inbox.Policy, func(n *inbox.Notice) { n.App = fmt.Sprintf("App%03d", i) })
		w.tell("c-bob", inbox.Policy, func(n *inbox.Notice) { n.App = "BobsApp" })
	}
	p := w.person()
	p.home("ada")
	page, seen := p.open(noticesPath), map[int]bool{}
	for n := range 3 {
		for i := range 45 {
			if strings.Contains(page.Text(), fmt.Sprintf("App%03d changed its rules", i)) {
				if seen[i] {
					t.Errorf("notice %d is on two pages", i)
				}
				seen[i] = true
			}
		}
		if strings.Contains(page.Text(), "BobsApp") {
			t.Error("a notice of bob's is shown")
		}
		if page.Has("notices_older") != (n < 2) || page.Has("notices_newest") != (n > 0) {
			t.Errorf("page %d: links %v", n, page.IDs("notices_"))
		}
		if n < 2 {
			page = p.press(page, "notices_older")
		}
	}
	if len(seen) != 45 {
		t.Errorf("%d notices are shown, want 45", len(seen))
	}
	for _, bad := range []string{"x", "%00", strings.Repeat("A", 32), strings.Repeat("_", 32), strings.Repeat("A", 33)} {
		p.on(p.open(noticesPath+"?before="+bad), http.StatusOK, noticesPath)
	}
	w.do(func() { w.sloppy = true })
	if page := p.open(noticesPath); strings.Contains(page.Text(), "BobsApp") {
		t.Error("a store that mixes people up shows bob's")
	}
}

func TestMarkAsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell("c-ada", inbox.Policy)
	w.tell("c-ada", inbox.Stopped)
	foreign := w.tell("c-bob", inbox.Stopped)
	p := w.person()
	p.home("ada")
	page := p.open(noticesPath)
	if got := page.IDs("notice_read_"); !slices.Equal(got, []string{"notice_read_1", "notice_read_2"}) {
		t.Errorf("buttons %v", got)
	}
	unread := func(want ...bool) {
		t.Helper()
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, n := range w.notices { // newest first: bob's, then ada's two
			if n.Read == want[i] {
				t.Errorf("notice %d: read %v", i, n.Read)
			}
		}
	}
	other, err := page.Submission("notice_read_2")
	if err != nil {
		t.Fatal(err)
	}
	var answers []*browser.Page
	for name, bend := range map[string]func(*browser.Submission){
		"no mark":        func(s *browser.Submission) { s.Form.Del("mark") },
		"truncated mark": func(s *browser.Submission) { s.Form.Set("mark", s.Form.Get("mark")[1:]) },
		"another's mark": func(s *browser.Submission) { s.Form.Set("mark", other.Form.Get("mark")) },
		"bob's notice":   func(s *browser.Submission) { s.URL.Path = noticesPath + "/" + foreign.ID.String() + "/read" },
		"unknown notice": func(s *browser.Submission) { s.URL.Path = noticesPath + "/" + uuid.NewString() + "/read" },
	} {
		got := p.bent(page, "notice_read_1", bend)
		if got.Status != http.StatusConflict {
			t.Errorf("%s: %s", name, got)
		}
		if strings.HasSuffix(name, "notice") {
			answers = append(answers, got)
		}
	}
	if len(answers) != 2 || answers[0].Text() != answers[1].Text() {
		t.Error("bob's notice and an unknown one are told apart")
	}
	for name, bend := range map[string]func(*browser.Submission){
		"another site": func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") },
		"twice":        func(s *browser.Submission) { s.Form.Add("mark", s.Form.Get("mark")) },
		"odd id":       func(s *browser.Submission) { s.URL.Path = strings.ToUpper(s.URL.Path[:len(s.URL.Path)-5]) + "/read" },
	} {
		if got := p.bent(page, "notice_read_1", bend); got.Status < 400 || !got.Has("oauth_error") {
			t.Errorf("%s: %s", name, got)
		}
	}
	unread(true, true, true)
	p.on(p.press(page, "notice_read_1"), http.StatusOK, noticesPath)
	unread(true, false, true)
	w.do(func() { w.tell("c-ada", inbox.Held) }) // after the page was made
	bent := p.bent(page, "notices_read_all", func(s *browser.Submission) {
		s.Form.Set("newest", placeText(inbox.Place{At: w.now.Add(time.Hour), ID: uuid.New()}))
	})
	p.on(bent, http.StatusConflict, noticesPath)
	p.on(p.press(page, "notices_read_all"), http.StatusOK, noticesPath)
	unread(true, true, false, false)
}

func TestPreferencesCannotHideWhatMatters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.home("ada")
	page := p.open(preferencesPath)
	if got := page.IDs("mail_"); !slices.Equal(got, []string{"mail_ending", "mail_unused", "mail_review", "mail_app"}) {
		t.Errorf("choices %v", got)
	}
	for name, bend := range map[string]func(*browser.Submission){
		"fixed topic":     func(s *browser.Submission) { s.Form.Set("mail_stopped", "") },
		"fixed topic on":  func(s *browser.Submission) { s.Form.Set("mail_new", "on") },
		"another field":   func(s *browser.Submission) { s.Form.Set("off", "stopped") },
		"odd value":       func(s *browser.Submission) { s.Form.Set("mail_app", "off") },
		"odd digest":      func(s *browser.Submission) { s.Form.Set("digest", "yearly") },
		"no digest":       func(s *browser.Submission) { s.Form.Del("digest") },
		"odd language":    func(s *browser.Submission) { s.Form.Set("language", "xx\r\nBcc: a@b") },
		"no language":     func(s *browser.Submission) { s.Form.Del("language") },
		"repeated digest": func(s *browser.Submission) { s.Form.Add("digest", "weekly") },
		"another site":    func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		if got := p.bent(page, "preferences_save", bend); got.Status < 400 || !got.Has("oauth_error") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := p.bent(page, "preferences_save", func(s *browser.Submission) { s.Form.Set("mark", "x") }); got.Status != http.StatusConflict {
		t.Errorf("foreign mark: %s", got)
	}
	if len(w.prefer) != 0 {
		t.Errorf("stored %+v", w.prefer)
	}
	got := p.bent(page, "preferences_save", func(s *browser.Submission) {
		s.Form.Del("mail_app")
		s.Form.Set("digest", "weekly")
		s.Form.Set("language", "sv")
	})
	p.on(got, http.StatusOK, preferencesPath)
	says(t, got, "Saved.")
	want := inbox.Preferences{Locale: "sv", Off: []inbox.Topic{inbox.TopicApp}, Digest: inbox.Weekly}
	if got := w.prefer["c-ada"]; got.Locale != want.Locale || got.Digest != want.Digest || !slices.Equal(got.Off, want.Off) {
		t.Errorf("stored %+v", got)
	}
	if v, _ := got.Attr("mail_app", "checked"); v != "" || !strings.Contains(string(got.Body), `value="weekly" checked`) {
		t.Error("the page does not show what was stored")
	}
}

func TestNoticesAskWhoYouAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell("c-ada", inbox.Stopped)
	p := w.person()
	for _, path := range []string{noticesPath, preferencesPath} {
		p.on(p.open(path), http.StatusOK, loginPath)
	}
	p.home("ada")
	w.do(func() { w.down["inbox"] = true })
	p.problem(p.open(noticesPath), http.StatusServiceUnavailable, "temporarily_unavailable")
	p.on(p.open("/portal"), http.StatusOK, "/portal") // a page can do without the number
}

func FuzzPlace(f *testing.F) {
	f.Add(placeText(inbox.Place{At: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), ID: uuid.UUID{1}}))
	f.Add("")
	f.Add(strings.Repeat("A", 32))
	f.Fuzz(func(t *testing.T, s string) {
		if at, ok := parsePlace(s); ok && placeText(at) != s {
			t.Errorf("%q is read as %v", s, at)
		}
	})
}
