package portal

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/passkey/passkeytest"
)

// passkeyBase is the origin that passkeys know. The test server has another one,
// which the software authenticator does not look at.
const passkeyBase = "https://bank.example"

// asks is what the script of a page does: it fetches options.
func (p *person) asks(page *browser.Page, path string) (int, []byte) {
	p.t.Helper()
	answer := p.bent(page, "passkey_use", func(s *browser.Submission) {
		s.URL, s.Form = s.URL.ResolveReference(&url.URL{Path: path}), url.Values{"by": {"script"}}
	})
	return answer.Status, answer.Body
}

// uses presses the button of a passkey and has the device answer.
func (p *person) uses(page *browser.Page, d *passkeytest.Device) *browser.Page {
	p.t.Helper()
	path, _ := page.Attr("passkey_use", "data-options")
	status, options := p.asks(page, path)
	if status != http.StatusOK {
		p.t.Fatalf("%s: %d", path, status)
	}
	answer, err := d.Get(options)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.bent(page, "passkey_use", func(s *browser.Submission) { s.Form.Set("passkey", answer) })
}

// makes is for the page on which a passkey is made.
func (p *person) makes(page *browser.Page, d *passkeytest.Device) *browser.Page {
	p.t.Helper()
	options, _ := page.Attr("passkey_make", "data-options")
	answer, err := d.Create([]byte(options))
	if err != nil {
		p.t.Fatalf("%v; %s", err, page.Text())
	}
	return p.bent(page, "passkey_make", func(s *browser.Submission) { s.Form.Set("passkey", answer) })
}

// codeFor enters the code of the page for adding a passkey.
func (p *person) codeFor(page *browser.Page) *browser.Page {
	p.t.Helper()
	if err := page.Fill("code", p.code()); err != nil {
		p.t.Fatal(err)
	}
	return p.press(page, "passkey_continue")
}

// adds gives somebody who is signed in a passkey.
func (p *person) adds() *passkeytest.Device {
	p.t.Helper()
	d := passkeytest.New(passkeyBase)
	page := p.makes(p.codeFor(p.open("/portal/passkeys/add")), d)
	p.on(page, http.StatusOK, "/portal/signin")
	return d
}

func TestAPasskeyIsAddedAfterASecondProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.signedInAt("ada")
	page := p.open("/portal/passkeys/add")
	says(t, page, "First we check once more that it is you")
	if page.Has("passkey_make") || len(w.codePost) != 1 {
		t.Fatalf("%d codes; %s", len(w.codePost), page.Text())
	}
	if err := page.Fill("code", "000"); err != nil {
		t.Fatal(err)
	}
	wrong := p.press(page, "passkey_continue")
	p.on(wrong, http.StatusUnprocessableEntity, "/portal/passkeys/add")
	if wrong.Has("passkey_make") {
		t.Error("a wrong code is enough")
	}
	// What the page asks without a code adds nothing.
	d := passkeytest.New(passkeyBase)
	stranger := w.person()
	_, options := stranger.asks(stranger.open("/portal/login"), "/portal/passkey")
	answer, err := d.Create(options)
	if err != nil {
		t.Fatal(err)
	}
	none := p.bent(page, "passkey_continue", func(s *browser.Submission) {
		s.Form.Set("action", "add")
		s.Form.Set("passkey", answer)
	})
	p.on(none, http.StatusUnprocessableEntity, "/portal/passkeys/add")
	page = p.codeFor(page)
	page = p.makes(page, d)
	says(t, page, "Your new passkey works now", "Not used yet", "Passkey added")
	if told := w.keys.Told(); len(told) != 1 || told[0] != inbox.PasskeyAdded {
		t.Errorf("told of %v", told)
	}
}

func TestSignInWithAPasskey(t *testing.T) {
	t.Parallel()
	w := guardedWorld(t)
	p := w.person()
	p.signedInAt("ada")
	d := p.adds()
	other := w.person()
	page := other.uses(other.open("/portal/login"), d)
	other.on(page, http.StatusOK, "/portal")

	third := w.person()
	page = third.uses(third.arrive(), d)
	third.on(page, http.StatusOK, "/accounts")
	a := w.auth()
	if a.Consumer != "c-ada" || a.FirstFactor != consent.FactorKey || a.SecondFactor != consent.FactorKey || !a.SecondFactorAt.Equal(a.AuthenticatedAt) {
		t.Errorf("signed in as %+v", a)
	}
	// It proves both: guarded data takes no code.
	third.tick(page, "account_1")
	third.left(third.press(third.press(page, "accounts_continue"), "consent_approve"), "code=c")
}

func TestRefusedPasskeysSignNobodyIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.signedInAt("ada")
	d := p.adds()
	bad := d.Copy()
	bad.Flags = passkeytest.Present
	unknown := d.Copy()
	unknown.ID = append([]byte{1}, d.ID[1:]...)
	other := w.person()
	var bodies []string
	for _, device := range []*passkeytest.Device{bad, unknown} {
		page := other.uses(other.open("/portal/login"), device)
		other.on(page, http.StatusUnprocessableEntity, "/portal/login")
		says(t, page, "That did not work")
		bodies = append(bodies, page.Text())
	}
	if bodies[0] != bodies[1] {
		t.Errorf("the page tells an unknown passkey from a wrong one:\n%s\n%s", bodies[0], bodies[1])
	}
	page := other.open("/portal/login")
	page = other.press(page, "passkey_use") // a browser that could not
	other.on(page, http.StatusUnprocessableEntity, "/portal/login")
	// What one browser asked for is worth nothing in another.
	third := w.person()
	status, options := third.asks(third.open("/portal/login"), "/portal/passkey")
	answer, err := d.Get(options)
	if err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	page = other.open("/portal/login")
	page = other.bent(page, "passkey_use", func(s *browser.Submission) { s.Form.Set("passkey", answer) })
	other.on(page, http.StatusUnprocessableEntity, "/portal/login")
	page = third.bent(third.open("/portal/login"), "passkey_use", func(s *browser.Submission) {
		s.Form.Set("passkey", answer+strings.Repeat(" ", maxForm))
	})
	third.problem(page, http.StatusRequestEntityTooLarge, "form_too_large")
	page = third.bent(third.open("/portal/login"), "passkey_use", func(s *browser.Submission) { s.Form.Set("passkey", answer) })
	third.on(page, http.StatusOK, "/portal")
	page = other.bent(other.open("/portal/login"), "passkey_use", func(s *browser.Submission) { s.Form.Set("passkey", answer) })
	other.on(page, http.StatusUnprocessableEntity, "/portal/login") // replayed
}

func TestAPasskeyIsASecondProof(t *testing.T) {
	t.Parallel()
	w := guardedWorld(t)
	p := w.person()
	p.signedInAt("ada")
	d := p.adds()
	sent := len(w.codePost)
	page := p.toStepUp()
	if len(w.codePost) != sent {
		t.Error("a code was sent to somebody who has a passkey")
	}
	// Another person's passkey proves nothing, and says so.
	bob := w.person()
	bob.signedInAt("bob")
	theirs := bob.adds()
	wrong := p.uses(page, theirs)
	p.on(wrong, http.StatusUnprocessableEntity, "/step-up")
	w.isUndecided(t)
	// A code will do, too.
	page = p.press(p.open(page.URL.Path), "step_up_resend")
	if !page.Has("step_up_reference") {
		t.Error(page.Text())
	}
	p.left(p.uses(page, d), "code=c")
	if a := w.auth(); a.SecondFactor != consent.FactorKey || a.FirstFactor != "" {
		t.Errorf("factors %q and %q", a.FirstFactor, a.SecondFactor)
	}
}

func TestPasskeysAreRenamedAndRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, bob := w.person(), w.person()
	p.signedInAt("ada")
	bob.signedInAt("bob")
	d := p.adds()
	bob.adds()
	page := p.open("/portal/signin")
	if err := page.Fill("passkey_name_1", " Red\u202e phone "); err != nil {
		t.Fatal(err)
	}
	page = p.press(page, "passkey_save_1")
	if name, err := page.TextOf("passkey_1"); err != nil || name != "Red phone" {
		t.Errorf("called %q, %v", name, err)
	}
	own, _ := w.keys.PasskeysOf(context.Background(), "c-ada")
	foreign := bob.bent(bob.open("/portal/signin"), "passkey_remove_1", func(s *browser.Submission) { s.Form.Set("passkey", string(own[0].ID)) })
	unknown := bob.bent(bob.open("/portal/signin"), "passkey_remove_1", func(s *browser.Submission) { s.Form.Set("passkey", "nothing") })
	bob.problem(foreign, http.StatusNotFound, "not_found")
	bob.problem(unknown, http.StatusNotFound, "not_found")
	stale := p.bent(page, "passkey_remove_1", func(s *browser.Submission) { s.Form.Set("mark", "x") })
	p.on(stale, http.StatusConflict, "/portal/passkeys")
	page = p.press(p.open("/portal/signin"), "passkey_remove_1")
	says(t, page, "That passkey does not work here any more", "Passkey removed", "You have no passkey here yet")
	other := w.person()
	other.on(other.uses(other.open("/portal/login"), d), http.StatusUnprocessableEntity, "/portal/login")
}

func TestPasskeysAreInTheRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.signedInAt("ada")
	p.adds()
	page := p.press(p.open("/portal/record"), "record_json")
	var record struct{ Passkeys []recordPasskey }
	if err := json.Unmarshal(page.Body, &record); err != nil || len(record.Passkeys) != 1 || record.Passkeys[0].Name == "" || record.Passkeys[0].Used != nil {
		t.Errorf("%+v, %v", record, err)
	}
	own, _ := w.keys.PasskeysOf(context.Background(), "c-ada")
	for _, hidden := range []string{string(own[0].ID), string(own[0].Credential)} {
		if strings.Contains(string(page.Body), hidden) {
			t.Error("the record opens more than it has to")
		}
	}
}

func TestWhoSignsInElsewhereHasNoPasskeys(t *testing.T) {
	t.Parallel()
	w := newWorldAt(t, &elsewhere{})
	p := w.person()
	if page := p.open("/portal/login"); page.Has("passkey_use") {
		t.Error("a passkey is offered")
	}
	p.problem(p.open("/portal/passkeys/add"), http.StatusNotFound, "not_found")
}
