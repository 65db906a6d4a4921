package portal

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/login"
)

const provider = "https://provider.example/authorize"

// elsewhere is a sign-in at the bank's own place. A code says who came.
type elsewhere struct {
	weak bool // gives no second proof

	mu   sync.Mutex
	down bool          // guarded by mu, as all that follows
	asks []login.Ask   // oldest first
	ago  time.Duration // since the second proof
	now  func() time.Time
}

func (e *elsewhere) StepsUp() bool { return !e.weak }

func (e *elsewhere) Begin(_ context.Context, a login.Ask) (login.Departure, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return login.Departure{}, errDown
	}
	e.asks = append(e.asks, a)
	state := rand.Text()
	return login.Departure{Address: provider + "?state=" + state, State: state, Keep: "kept\nfor " + state}, nil
}

func (e *elsewhere) Finish(_ context.Context, keep string, answer url.Values, _ netip.Addr) (login.Proof, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return login.Proof{}, errDown
	}
	who, strong := strings.CutSuffix(answer.Get("code"), "+")
	if keep != "kept\nfor "+answer.Get("state") || who == "" {
		return login.Proof{}, login.ErrNotProved
	}
	return login.Proof{Consumer: consent.ConsumerID(who), Strong: strong, At: e.now().Add(-e.ago)}, nil
}

func (e *elsewhere) do(f func()) { e.mu.Lock(); defer e.mu.Unlock(); f() }

// away presses the button that leads to the bank and returns the state.
func (p *person) away(page *browser.Page, id string) string {
	p.t.Helper()
	page = p.press(page, id)
	if page.Left == nil || !strings.HasPrefix(page.Left.String(), provider+"?") {
		p.t.Fatalf("not sent to the bank: %s", page)
	}
	return page.Left.Query().Get("state")
}

// returns is how the browser comes back.
func (p *person) returns(state, code string) *browser.Page {
	p.t.Helper()
	page, err := p.b.Arrive(context.Background(), p.server.URL+ReturnPath+"?"+url.Values{"state": {state}, "code": {code}}.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	return page
}

func bankWorld(t *testing.T, guarded bool) *world {
	t.Helper()
	w := newWorldAt(t, &elsewhere{})
	if guarded {
		w.pending.Request.Account = w.pending.Request.Account.With(fdx.PaymentSupport)
	}
	return w
}

// atReview signs in elsewhere and chooses.
func (p *person) atReview(code string) *browser.Page {
	p.t.Helper()
	page := p.returns(p.away(p.arrive(), "login_submit"), code)
	p.on(page, http.StatusOK, "/accounts")
	p.tick(page, "account_1", "account_3")
	return p.press(page, "accounts_continue")
}

func TestSignInElsewhere(t *testing.T) {
	t.Parallel()
	w := bankWorld(t, false)
	w.pending.LoginHint = "ada"
	p := w.person("sv")
	page := p.arrive()
	sound(t, page)
	if page.Has("username") || page.Has("password") {
		t.Error("asks for a password")
	}
	before := p.b.Cookies()[0].Value
	page = p.atReview("c-ada")
	if p.b.Cookies()[0].Value == before {
		t.Error("the session's id is the one from before")
	}
	p.left(p.press(page, "consent_approve"), "code=c")
	if a := w.auth(); a.Consumer != "c-ada" || a.SecondFactor != "" || len(w.grants) != 1 {
		t.Errorf("%s, %q", a.Consumer, a.SecondFactor)
	}
	w.elsewhere.do(func() {
		if a := w.elsewhere.asks[0]; a.StepUp || a.Hint != "ada" || len(a.Locales) != 1 || a.Locales[0] != "sv" {
			t.Errorf("asked %+v", a)
		}
	})
	p.on(p.open("/portal"), http.StatusOK, "/portal")
}

func TestSecondProofElsewhere(t *testing.T) {
	t.Parallel()
	w := bankWorld(t, true)
	p := w.person()
	page := p.press(p.atReview("c-ada"), "consent_approve")
	p.on(page, http.StatusOK, "/step-up")
	sound(t, page)
	says(t, page, "One more check", "Account numbers", "own sign-in page")
	if page.Has("code") || len(w.codePost) != 0 {
		t.Error("asks for a code, too")
	}
	p.left(p.returns(p.away(page, "step_up_continue"), "c-ada+"), "code=c")
	if a := w.auth(); a.SecondFactor != consent.FactorBank || a.SecondFactorAt.Before(a.AuthenticatedAt) {
		t.Errorf("%q at %s", a.SecondFactor, a.SecondFactorAt)
	}
	w.elsewhere.do(func() {
		if n := len(w.elsewhere.asks); n != 2 || !w.elsewhere.asks[1].StepUp {
			t.Errorf("asked %+v", w.elsewhere.asks)
		}
	})
}

// Who was asked for two proofs at the sign-in is not asked again.
func TestAStrongSignInElsewhereIsEnough(t *testing.T) {
	t.Parallel()
	w := bankWorld(t, true)
	p := w.person()
	p.left(p.press(p.atReview("c-ada+"), "consent_approve"), "code=c")
	// But not for ever.
	w = bankWorld(t, true)
	p = w.person()
	page := p.atReview("c-ada+")
	w.wait(consent.StepUpTime)
	p.on(p.press(page, "consent_approve"), http.StatusOK, "/step-up")
}

func TestSecondProofElsewhereIsAsFreshAsTheRulesAsk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ago   time.Duration
		rule  consent.StepUp
		fresh bool
	}{
		"fresh":                         {time.Minute, consent.StepUp{}, true},
		"too old where nothing is said": {consent.StepUpTime, consent.StepUp{}, false},
		"fresh enough for the rules":    {14 * time.Minute, consent.StepUp{Clusters: fdx.NewClusters(fdx.PaymentSupport), MaxAgeMinutes: 15}, true},
		"too old for the rules":         {15 * time.Minute, consent.StepUp{Clusters: fdx.NewClusters(fdx.PaymentSupport), MaxAgeMinutes: 15}, false},
		"stricter rules":                {2 * time.Minute, consent.StepUp{Clusters: fdx.NewClusters(fdx.PaymentSupport), MaxAgeMinutes: 2}, false},
		"data that takes none":          {time.Hour, consent.StepUp{Clusters: fdx.NewClusters(fdx.Tax), MaxAgeMinutes: 2}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := bankWorld(t, true)
			w.pending.Request.StepUp = c.rule
			w.elsewhere.ago = c.ago
			p := w.person()
			page := p.press(p.atReview("c-ada+"), "consent_approve")
			if c.fresh {
				p.left(page, "code=c")
				return
			}
			p.on(page, http.StatusOK, "/step-up")
			w.isUndecided(t)
			page = p.returns(p.away(page, "step_up_continue"), "c-ada+") // as old as before
			p.on(page, http.StatusOK, "/step-up")
			w.isUndecided(t)
			w.elsewhere.do(func() {
				if got := w.elsewhere.asks[len(w.elsewhere.asks)-1].MaxAge; got != w.auth().Request.ProofAge() {
					t.Errorf("asked for one of %v", got)
				}
				w.elsewhere.ago = 0
			})
			p.left(p.returns(p.away(page, "step_up_continue"), "c-ada+"), "code=c")
		})
	}
}

func TestSecondProofElsewhereRefused(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{"of another person": "c-bob+", "a password alone": "c-ada", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := bankWorld(t, true)
			p := w.person()
			page := p.press(p.atReview("c-ada"), "consent_approve")
			page = p.returns(p.away(page, "step_up_continue"), code)
			p.on(page, http.StatusOK, "/step-up")
			sound(t, page)
			says(t, page, "That did not work")
			w.isUndecided(t)
			if a := w.auth(); a.Consumer != "c-ada" {
				t.Errorf("decided by %s now", a.Consumer)
			}
			p.left(p.press(page, "cancel"), "error=access_denied")
		})
	}
}

func TestReturnsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		come func(*world, *person, string) *browser.Page
		at   string
		code int
	}{
		"nothing proved":     {func(_ *world, p *person, state string) *browser.Page { return p.returns(state, "") }, "/login", 200},
		"an unknown state":   {func(_ *world, p *person, _ string) *browser.Page { return p.returns("x", "c-ada") }, ReturnPath, 400},
		"no state":           {func(_ *world, p *person, _ string) *browser.Page { return p.returns("", "c-ada") }, ReturnPath, 400},
		"in another browser": {func(w *world, _ *person, state string) *browser.Page { return w.person().returns(state, "c-ada") }, ReturnPath, 400},
		"twice": {func(_ *world, p *person, state string) *browser.Page {
			p.returns(state, "")
			return p.returns(state, "c-ada")
		}, ReturnPath, 400},
		"in another's session": {func(w *world, _ *person, state string) *browser.Page {
			eve := w.person()
			eve.away(eve.open("/portal/login"), "login_submit")
			return eve.returns(state, "c-ada")
		}, ReturnPath, 400},
		"of the fifth last tab": {func(_ *world, p *person, state string) *browser.Page {
			for range 4 {
				p.away(p.open("/portal/login"), "login_submit")
			}
			return p.returns(state, "c-ada")
		}, ReturnPath, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := bankWorld(t, false)
			p := w.person()
			page := c.come(w, p, p.away(p.arrive(), "login_submit"))
			p.on(page, c.code, c.at)
			if a := w.auth(); a.Consumer != "" || strings.Contains(string(page.Body), "c-ada") {
				t.Errorf("signed in as %s: %s", a.Consumer, page)
			}
			for _, s := range w.rows {
				if s.info.Consumer != "" {
					t.Error("somebody is signed in")
				}
			}
		})
	}
}

// Tabs do not get into each other's way.
func TestTwoTabsAtTheBank(t *testing.T) {
	t.Parallel()
	w := bankWorld(t, false)
	p := w.person()
	first := p.away(p.arrive(), "login_submit")
	second := p.away(p.open("/portal/login"), "login_submit")
	p.on(p.returns(second, "c-ada"), http.StatusOK, "/portal")
	p.on(p.returns(first, "c-ada"), http.StatusOK, "/accounts")
}

func TestTheBanksSignInIsDown(t *testing.T) {
	t.Parallel()
	w := bankWorld(t, false)
	p := w.person()
	page := p.arrive()
	state := p.away(page, "login_submit")
	portal := p.away(p.open("/portal/login"), "login_submit")
	w.elsewhere.do(func() { w.elsewhere.down = true })
	for name, down := range map[string]*browser.Page{"leaving": p.press(page, "login_submit"), "coming back": p.returns(state, "c-ada")} {
		if down.Status != http.StatusServiceUnavailable || !down.Has("oauth_error") || !down.Has("back_to_app") {
			t.Errorf("%s: %s", name, down)
		}
		sound(t, down)
	}
	if back := p.returns(portal, "c-ada"); back.Status != http.StatusServiceUnavailable || !strings.Contains(string(back.Body), "/portal/login") {
		t.Errorf("the portal: %s", back)
	}
	p.left(p.press(page, "cancel"), "error=access_denied") // nobody is stranded
}

func TestWhenTheBankTakesTooLong(t *testing.T) {
	t.Parallel()
	w := bankWorld(t, false)
	p := w.person()
	state := p.away(p.arrive(), "login_submit")
	w.wait(consent.JourneyTime + time.Minute)
	p.left(p.returns(state, "c-ada"), "error=access_denied&error_description=time")
	if len(w.grants) != 0 {
		t.Error("shared after the time was up")
	}
}

// No password is taken where the bank has a place for it.
func TestNoPasswordBesideTheBanksSignIn(t *testing.T) {
	t.Parallel()
	w := bankWorld(t, false)
	p := w.person()
	page := p.bent(p.arrive(), "cancel", func(s *browser.Submission) {
		s.Form.Set("action", "login")
		s.Form.Set("username", "ada")
		s.Form.Set("password", "correct horse")
	})
	if page.Status != http.StatusBadRequest || w.auth().Consumer != "" {
		t.Errorf("%s", page)
	}
	page = p.open("/portal/login")
	sound(t, page)
	if page.Has("username") {
		t.Error("the portal asks for a password")
	}
	refused := p.returns(p.away(page, "login_submit"), "")
	p.on(refused, http.StatusOK, "/portal/login")
	says(t, refused, "That did not work")
	page = p.returns(p.away(refused, "login_submit"), "c-bob")
	p.on(page, http.StatusOK, "/portal")
}

// Where the bank's sign-in gives no second proof, a code is sent.
func TestCodesBesideAWeakSignInElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorldAt(t, &elsewhere{weak: true})
	w.pending.Request.Account = w.pending.Request.Account.With(fdx.PaymentSupport)
	p := w.person()
	page := p.press(p.atReview("c-ada"), "consent_approve")
	p.on(page, http.StatusOK, "/step-up")
	p.left(p.enter(page, p.code()), "code=c")
	if w.auth().SecondFactor != consent.FactorCode {
		t.Errorf("%q", w.auth().SecondFactor)
	}
}
