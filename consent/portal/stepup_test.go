package portal

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/login"
)

// code returns the code that was sent last.
func (w *world) code() string {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.codePost) == 0 {
		w.t.Fatal("no code was sent")
	}
	return w.codePost[len(w.codePost)-1].Code
}

// codeOf is how somebody reads the message that shows a reference.
func (w *world) codeOf(_ context.Context, reference string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.codePost {
		if m.Reference == reference {
			return m.Code, nil
		}
	}
	return "", errDown
}

// enter types a code and goes on.
func (p *person) enter(page *browser.Page, code string) *browser.Page {
	p.t.Helper()
	if err := page.Fill("code", code); err != nil {
		p.t.Fatal(err)
	}
	return p.press(page, "step_up_continue")
}

// guardedWorld has an app that asks for account numbers.
func guardedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.pending.Request.Account = w.pending.Request.Account.With(fdx.PaymentSupport)
	return w
}

func (p *person) toStepUp() *browser.Page {
	p.t.Helper()
	page := p.press(p.toReview(), "consent_approve")
	p.on(page, http.StatusOK, "/step-up")
	return page
}

func (w *world) isUndecided(t *testing.T) {
	t.Helper()
	if len(w.grants) != 0 || w.auth().SecondFactor != "" {
		t.Errorf("%d grants, second factor %q", len(w.grants), w.auth().SecondFactor)
	}
}

func TestGuardedDataTakesACode(t *testing.T) {
	t.Parallel()
	w := guardedWorld(t)
	p := w.person()
	page := p.toStepUp()
	says(t, page, "One more check", "BudgetBee asks for data that needs extra care", "Account numbers")
	w.isUndecided(t)
	if m := w.codePost; len(m) != 1 || m[0].Consumer != "c-ada" || !slices.Equal(m[0].Locales, []string{"en"}) {
		t.Fatalf("sent %+v", m)
	}
	if ref, err := page.TextOf("step_up_reference"); err != nil || ref != w.codePost[0].Reference {
		t.Errorf("the page shows %q, the message %q; %v", ref, w.codePost[0].Reference, err)
	}
	if strings.Contains(string(page.Body), w.code()) {
		t.Error("the page shows the code")
	}
	page = p.open(page.URL.Path) // again
	if len(w.codePost) != 1 {
		t.Errorf("%d codes for one page", len(w.codePost))
	}
	p.left(p.enter(page, w.code()[:3]+" "+w.code()[3:]), "code=c")
	a := w.auth()
	if a.SecondFactor != consent.FactorCode || !a.SecondFactorAt.Equal(w.now) {
		t.Errorf("second factor %q at %v", a.SecondFactor, a.SecondFactorAt)
	}
	if log := w.logged.String(); strings.Contains(log, w.code()) {
		t.Error("the log holds the code")
	}
}

func TestOtherDataTakesNoCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.toShared()
	if len(w.codePost) != 0 {
		t.Error("a code was sent")
	}
	page := p.open("/consent/" + string(w.auth().ID) + "/step-up")
	p.on(page, http.StatusOK, "/done")
}

func TestWithoutTheCodeNothingIsShared(t *testing.T) {
	t.Parallel()
	wrong := func(code string) string {
		if code[0] == '0' {
			return "1" + code[1:]
		}
		return "0" + code[1:]
	}
	for name, tt := range map[string]struct {
		try    func(p *person, page *browser.Page) *browser.Page
		status int
		says   string
	}{
		"wrong code": {func(p *person, page *browser.Page) *browser.Page { return p.enter(page, wrong(p.code())) }, 422, "does not match"},
		"no digits":  {func(p *person, page *browser.Page) *browser.Page { return p.enter(page, "letters") }, 422, "does not match"},
		"an old code": {func(p *person, page *browser.Page) *browser.Page {
			code := p.code()
			p.do(func() { p.now = p.now.Add(login.CodeLife) })
			return p.enter(page, code)
		}, 422, "does not work any more"},
		"too many tries": {func(p *person, page *browser.Page) *browser.Page {
			for range login.CodeTries {
				page = p.enter(page, wrong(p.code()))
			}
			return p.enter(page, p.code())
		}, 422, "does not work any more"},
		"a code that was replaced": {func(p *person, page *browser.Page) *browser.Page {
			code := p.code()
			p.do(func() { p.now = p.now.Add(time.Minute) })
			page = p.press(page, "step_up_resend")
			if code == p.code() {
				code = wrong(code)
			}
			return p.enter(page, code)
		}, 422, "does not match"},
		"the code of another decision": {func(p *person, page *browser.Page) *browser.Page {
			other := p.world.person()
			other.toStepUp()
			if p.codePost[0].Code == p.code() {
				return p.enter(page, wrong(p.code()))
			}
			return p.enter(page, p.code())
		}, 422, "does not match"},
		"a new code at once": {func(p *person, page *browser.Page) *browser.Page { return p.press(page, "step_up_resend") }, 429, "Please wait 30 seconds"},
		"without the mark": {func(p *person, page *browser.Page) *browser.Page {
			return p.bent(page, "step_up_resend", func(s *browser.Submission) {
				s.Form.Set("action", "code")
				s.Form.Set("code", p.code())
				s.Form.Del("mark")
			})
		}, 409, ""},
		"an unknown action": {func(p *person, page *browser.Page) *browser.Page {
			return p.bent(page, "step_up_resend", func(s *browser.Submission) { s.Form.Set("action", "share"); s.Form.Set("code", p.code()) })
		}, 400, ""},
		"two codes": {func(p *person, page *browser.Page) *browser.Page {
			return p.bent(page, "step_up_resend", func(s *browser.Submission) {
				s.Form.Set("action", "code")
				s.Form["code"] = []string{p.code(), p.code()}
			})
		}, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := guardedWorld(t)
			p := w.person()
			page := tt.try(p, p.toStepUp())
			if page.Left != nil || page.Status != tt.status {
				t.Fatalf("want status %d, got %s", tt.status, page)
			}
			if tt.says != "" {
				says(t, page, tt.says)
			}
			if len(w.grants) != 0 {
				t.Error("something was shared")
			}
		})
	}
}

func TestStepUpCanBeCancelled(t *testing.T) {
	t.Parallel()
	w := guardedWorld(t)
	p := w.person()
	p.left(p.press(p.toStepUp(), "cancel"), "error=access_denied")
	w.isUndecided(t)
}

func TestStepUpIsThePersonsWhoDecides(t *testing.T) {
	t.Parallel()
	w := guardedWorld(t)
	p := w.person()
	page := p.toStepUp()
	path := page.URL.Path
	// Somebody else signs in at the same browser.
	p.press(p.open("/portal"), "sign_out")
	stranger := w.person()
	stranger.problem(stranger.open(path), http.StatusNotFound, "not_found")
	sent := len(w.codePost)
	stranger.arrive()
	if len(w.codePost) != sent {
		t.Error("a code was sent to somebody who did not decide")
	}
}

func TestSignInAgainDropsTheProof(t *testing.T) {
	t.Parallel()
	w := guardedWorld(t)
	p := w.person()
	p.toReview()
	id := w.auth().ID
	w.do(func() {
		a := w.auths[id]
		a.SecondFactor, a.SecondFactorAt = consent.FactorCode, w.now
		w.auths[id] = a
		w.now = w.now.Add(20 * time.Minute) // the session idles
		a.ExpiresAt = w.now.Add(time.Minute)
		w.auths[id] = a
	})
	p.on(p.open("/consent/"+string(id)+"/review"), http.StatusOK, "/login")
	p.signIn(p.open("/consent/"+string(id)+"/login"), "ada")
	if a := w.auth(); a.SecondFactor != "" || !a.SecondFactorAt.IsZero() {
		t.Errorf("second factor %q of the sign-in before", a.SecondFactor)
	}
}

func TestCodesThatCannotBeSent(t *testing.T) {
	t.Parallel()
	w := guardedWorld(t)
	p := w.person()
	review := p.toReview()
	w.do(func() { w.down["post"] = true })
	page := p.press(review, "consent_approve")
	p.problem(page, http.StatusServiceUnavailable, "temporarily_unavailable")
	if !page.Has("back_to_app") {
		t.Error("no way back to the app")
	}
	w.do(func() { w.down["post"] = false })
	page = p.open("/authorize/" + string(w.auth().ID))
	p.left(p.enter(page, w.code()), "code=c")
}

func TestTheJourneyDriverKnowsTheStep(t *testing.T) {
	t.Parallel()
	w := guardedWorld(t)
	left, err := browser.ApproveAll(t.Context(), w.browser(), w.server.URL+"/authorize", "ada", "correct horse")
	if err != nil || left.String() != redirectURI+"?code=c" {
		t.Fatalf("sent to %v, %v", left, err)
	}
}
