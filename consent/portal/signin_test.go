package portal

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/internal/login"
)

// signedInAt signs ada in at the portal.
func (p *person) signedInAt(username string) *browser.Page {
	p.t.Helper()
	page := p.signIn(p.open("/portal"), username)
	p.on(page, http.StatusOK, "/portal")
	return page
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here, there, third, bob := w.person(), w.person(), w.person(), w.person()
	here.signedInAt("ada")
	there.signedInAt("ada")
	third.signedInAt("ada")
	bob.signedInAt("bob")
	page := here.open("/portal/signin")
	if got := len(page.IDs("session_end_")); got != 2 || !page.Has("session_current") || !page.Has("session_end_1") {
		t.Fatalf("%d others, %s", got, page.Text())
	}
	page = here.press(page, "session_end_1")
	if got := len(page.IDs("session_end_")); got != 1 {
		t.Errorf("%d others after one was ended", got)
	}
	in := func(p *person) bool { return strings.HasSuffix(p.open("/portal").URL.Path, "/portal") }
	if in(there) == in(third) {
		t.Error("not one of the two was ended")
	}
	there.signedInAt2("ada")
	third.signedInAt2("ada")
	page = here.press(here.open("/portal/signin"), "sessions_end_others")
	if page.Has("sessions_end_others") || in(there) || in(third) || !in(here) || !in(bob) {
		t.Errorf("others %v %v, here %v, somebody else %v", in(there), in(third), in(here), in(bob))
	}
}

// signedInAt2 signs in again, if that is needed.
func (p *person) signedInAt2(username string) {
	p.t.Helper()
	if page := p.open("/portal"); page.Has("login_submit") {
		p.signIn(page, username)
	}
}

func TestSessionsOfOthersAreUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, bob := w.person(), w.person()
	ada.signedInAt("ada")
	w.person().signedInAt("ada")
	bob.signedInAt("bob")
	var bobs, own string
	for _, r := range w.rows {
		if r.info.Consumer == "c-bob" {
			bobs = r.info.ID
		}
	}
	page := ada.open("/portal/signin")
	if strings.Contains(string(page.Body), bobs) {
		t.Error("somebody else's session is listed")
	}
	s, err := page.Submission("session_end_1")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range w.rows {
		if r.info.Consumer == "c-ada" && r.info.ID != s.Form.Get("end") {
			own = r.info.ID
		}
	}
	before := len(w.rows)
	var bodies []string
	for _, id := range []string{bobs, "unknown"} {
		page := ada.bent(ada.open("/portal/signin"), "session_end_1", func(s *browser.Submission) { s.Form.Set("end", id) })
		ada.on(page, http.StatusOK, "/portal/signin")
		bodies = append(bodies, string(page.Body))
	}
	if bodies[0] != bodies[1] || len(w.rows) != before {
		t.Errorf("the answers differ, or something was ended: %d of %d left", len(w.rows), before)
	}
	for name, bend := range map[string]func(*browser.Submission){
		"one's own session": func(s *browser.Submission) { s.Form.Set("end", own) },
		"an empty id":       func(s *browser.Submission) { s.Form.Set("end", "") },
		"both at once":      func(s *browser.Submission) { s.Form.Set("action", "others") },
		"neither":           func(s *browser.Submission) { s.Form.Del("end") },
		"two ids":           func(s *browser.Submission) { s.Form.Add("end", "x") },
		"an unknown action": func(s *browser.Submission) { s.Form.Del("end"); s.Form.Set("action", "all") },
	} {
		page := ada.bent(ada.open("/portal/signin"), "session_end_1", bend)
		if page.Status != http.StatusBadRequest || len(w.rows) != before {
			t.Errorf("%s: status %d, %d of %d left", name, page.Status, len(w.rows), before)
		}
	}
	page = ada.bent(ada.open("/portal/signin"), "session_end_1", func(s *browser.Submission) { s.Form.Del("mark") })
	if page.Status != http.StatusConflict || len(w.rows) != before {
		t.Errorf("without the mark: status %d, %d of %d left", page.Status, len(w.rows), before)
	}
	if page := w.person().open("/portal/signin"); !page.Has("login_submit") {
		t.Errorf("a stranger sees %s", page)
	}
}

func TestRecentSignIns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range []login.SignIn{
		{Consumer: "c-ada", At: w.now.Add(-time.Hour), Method: login.Password, Refused: true, Network: netip.MustParsePrefix("198.51.100.0/24")},
		{Consumer: "c-ada", At: w.now, Method: login.Passkey},
		{Consumer: "c-bob", At: w.now, Method: login.Password, Network: netip.MustParsePrefix("203.0.113.0/24")},
	} {
		if err := w.codes.Note(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	p := w.person()
	p.signedInAt("ada")
	page := p.open("/portal/signin")
	says(t, page, "Refused", "198.51.100.0/24", "Passkey", "Signed in", "Not known")
	if strings.Contains(page.Text(), "203.0.113") {
		t.Error("somebody else's sign-in is shown")
	}
	w.do(func() { w.down["devices"] = true })
	p.problem(p.open("/portal/signin"), http.StatusServiceUnavailable, "temporarily_unavailable")
}
