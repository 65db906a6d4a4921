package portal

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
)

// wait lets time pass.
func (w *world) wait(d time.Duration) { w.do(func() { w.now = w.now.Add(d) }) }

func TestOnePressGivesMoreTime(t *testing.T) {
	t.Parallel()
	const almost = consent.JourneyTime - time.Minute
	w := guardedWorld(t)
	p := w.person()
	stay := func(page *browser.Page) *browser.Page {
		t.Helper()
		w.wait(almost)
		page = p.press(page, "idle_stay")
		p.on(page, http.StatusOK, page.URL.Path)
		says(t, page, "You have 15 more minutes.")
		w.wait(almost)
		return page
	}
	page := p.arrive()
	if err := page.Fill("username", "ada"); err != nil {
		t.Fatal(err)
	}
	page = stay(page)
	if v, _ := page.Attr("username", "value"); v != "ada" {
		t.Errorf("what was typed is lost: %q", v)
	}
	page = p.signIn(page, "ada")
	p.tick(page, "account_1", "account_3")
	page = stay(page)
	if !page.Ticked("account_1") || page.Ticked("account_2") || !page.Ticked("account_3") {
		t.Error("what was ticked is lost")
	}
	page = stay(p.press(page, "accounts_continue"))
	page = p.press(page, "consent_approve")
	code := p.code()
	p.on(page, http.StatusOK, "/step-up")
	w.wait(time.Minute)
	page = p.press(page, "idle_stay")
	p.left(p.enter(page, code), "code=c")
}

// A page that is only looked at again starts the time anew, too.
func TestLoadingAPageGivesMoreTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toReview()
	for range 3 {
		w.wait(consent.JourneyTime - time.Second)
		page = p.open(page.URL.Path)
		p.on(page, http.StatusOK, "/review")
	}
	w.wait(consent.JourneyTime)
	p.left(p.open(page.URL.Path), "error=access_denied&error_description=time")
}

// staying sends what the script of a page sends.
func staying(p *person, page *browser.Page, bend func(*browser.Submission)) *browser.Page {
	p.t.Helper()
	return p.bent(page, "idle_stay", func(s *browser.Submission) {
		at, _ := page.Attr("idle", "data-stay")
		mark, _ := page.Attr("idle", "data-mark")
		s.URL.Path = at
		s.Form = map[string][]string{"mark": {mark}, "by": {"script"}}
		s.Header.Set("Sec-Fetch-Dest", "empty")
		bend(s)
	})
}

func asIs(*browser.Submission) {}

func TestTheScriptGivesMoreTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	page := p.toReview()
	before := w.auth()
	for range 3 {
		w.wait(consent.JourneyTime - 2*time.Minute)
		if a := staying(p, page, asIs); a.Status != http.StatusNoContent {
			t.Fatal(a)
		}
	}
	after := w.auth()
	if after.Version != before.Version || !after.ExpiresAt.Equal(w.now.Add(consent.JourneyTime)) {
		t.Errorf("version %d, before %d; over at %s, now %s", after.Version, before.Version, after.ExpiresAt, w.now)
	}
	w.wait(time.Minute)
	if a := staying(w.person(), page, asIs); a.Status != http.StatusNotFound {
		t.Errorf("from another browser: %s", a)
	}
	for name, bend := range map[string]func(*browser.Submission){
		"without the mark": func(s *browser.Submission) { s.Form.Del("mark") },
		"with the form's": func(s *browser.Submission) {
			m, _ := page.Submission("consent_deny")
			s.Form.Set("mark", m.Form.Get("mark"))
		},
		"from another origin": func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		if a := staying(p, page, bend); a.Status < 400 {
			t.Errorf("%s: %s", name, a)
		}
	}
	if got := w.auth(); !got.ExpiresAt.Equal(after.ExpiresAt) {
		t.Error("what was refused gave time")
	}
	w.wait(consent.JourneyTime)
	if a := staying(p, page, asIs); a.Status != http.StatusConflict {
		t.Errorf("when time is up: %s", a)
	}
	end, _ := page.Attr("idle", "data-end")
	p.left(p.open(end), "error=access_denied&error_description=time")
}

func TestTimeInThePortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.toShared()
	page := p.open("/portal/history")
	for range 3 {
		w.wait(14 * time.Minute)
		if a := staying(p, page, asIs); a.Status != http.StatusNoContent {
			t.Fatal(a)
		}
	}
	w.wait(14 * time.Minute)
	if a := staying(p, page, func(s *browser.Submission) { s.Form.Del("mark") }); a.Status != http.StatusConflict {
		t.Errorf("without the mark: %s", a)
	}
	page = p.press(page, "idle_stay")
	p.on(page, http.StatusOK, "/portal/history")
	for _, to := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "", "javascript:alert(1)"} {
		a := p.bent(page, "idle_stay", func(s *browser.Submission) { s.Form.Set("to", to) })
		p.on(a, http.StatusOK, "/portal")
	}
	w.wait(15 * time.Minute)
	p.on(p.press(page, "idle_stay"), http.StatusOK, "/portal/login")
	if page = p.open("/portal/login"); page.Has("idle") || strings.Contains(string(page.Body), w.portal.idleScript) {
		t.Error("a warning where nothing can run out")
	}
}
