package portal

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/ui"
	"github.com/headgate/headgate/internal/web"
)

// Passkeys: signing in with one, proving once more with one who one is, and the
// pages on which people add, rename and remove theirs. A script asks the
// browser for one; its answer comes with the form of the page.

//go:embed static/passkey.js
var passkeyJS []byte

// Passkeys asks for passkeys, judges the answers and keeps them.
// *passkey.Passkeys is one. session and purpose are what an answer counts for.
type Passkeys interface {
	// SignInOptions returns JSON for a browser, which depends on nobody.
	SignInOptions(ctx context.Context, session, purpose string) ([]byte, error)
	// SignIn returns whose passkey gave the answer; login.ErrPasskey,
	// login.ErrBusy or a *login.Wait. Any other error means that nothing could
	// be found out.
	SignIn(ctx context.Context, session, purpose, answer string, from netip.Addr) (consent.ConsumerID, error)
	// ProofOptions is SignInOptions for the passkeys of one person;
	// login.ErrPasskey when there are none.
	ProofOptions(ctx context.Context, session, purpose string, who consent.ConsumerID) ([]byte, error)
	// Prove judges the answer to ProofOptions as SignIn does.
	Prove(ctx context.Context, session, purpose string, who consent.ConsumerID, answer string, from netip.Addr) error
	// AddOptions returns JSON with which a browser makes a passkey. It is for
	// somebody who has just proved who they are. login.ErrPasskeys: there are
	// as many as one can have.
	AddOptions(ctx context.Context, session string, who consent.ConsumerID) ([]byte, error)
	// Add keeps a passkey; login.ErrPasskey or login.ErrPasskeys.
	Add(ctx context.Context, session string, who consent.ConsumerID, name, answer string, from netip.Addr) error
	// Of returns a person's passkeys, the oldest first; nil for none.
	Of(ctx context.Context, who consent.ConsumerID) ([]login.PasskeyRecord, error)
	// Rename renames one of a person; consent.ErrNotFound for any other.
	Rename(ctx context.Context, who consent.ConsumerID, id login.PasskeyID, name string) error
	// Remove removes one of a person; consent.ErrNotFound for any other.
	Remove(ctx context.Context, who consent.ConsumerID, id login.PasskeyID, from netip.Addr) error
}

const (
	portalPasskeyPath = "/portal/passkey"
	passkeysPath      = "/portal/passkeys"
	addPasskeyPath    = "/portal/passkeys/add"
	provePasskeyPath  = "/portal/passkeys/prove"
)

// What an answer counts for, besides a journey.
const (
	passkeyToPortal = "portal"
	passkeyToAdd    = "add a passkey"
)

func (p *Portal) passkeyRoutes(e *gin.Engine) {
	e.POST("/consent/:id/passkey", p.journeyForm(p.postPasskeyOptions))
	e.POST(portalPasskeyPath, p.postPortalPasskeyOptions)
	e.POST(passkeysPath, p.signedIn(p.postPasskeys))
	e.GET(addPasskeyPath, p.signedIn(p.getAddPasskey))
	e.POST(addPasskeyPath, p.signedIn(p.postAddPasskey))
	e.POST(provePasskeyPath, p.signedIn(p.postProofOptions))
}

func (j *journey) passkeyPath() string {
	return "/consent/" + url.PathEscape(string(j.a.ID)) + "/passkey"
}

// signInPurpose names the sign-in of this journey.
func (j *journey) signInPurpose() string { return "login " + string(j.a.ID) }

// options answers a script.
func (p *Portal) options(g *gin.Context, json []byte, err error) {
	g.Header("Cache-Control", "no-store")
	switch {
	case errors.Is(err, login.ErrPasskey):
		g.Status(http.StatusConflict)
	case err != nil:
		web.Fields(g.Request.Context()).Cause = fmt.Errorf("ask for passkey: %w", err)
		g.Status(http.StatusServiceUnavailable)
	default:
		g.Data(http.StatusOK, "application/json", json)
	}
}

// postPasskeyOptions is for the step that the journey is at. What it returns
// for a sign-in says nothing about anybody.
func (p *Portal) postPasskeyOptions(j *journey, _ url.Values) {
	ctx := j.Request.Context()
	step := j.a.Next(p.c.Now())
	inside := step == consent.StepAccounts || step == consent.StepReview || step == consent.StepStepUp
	switch {
	case step == consent.StepLogin, inside && !p.mine(j):
		json, err := p.c.Passkeys.SignInOptions(ctx, j.a.Browser, j.signInPurpose())
		p.options(j.Context, json, err)
	case step == consent.StepStepUp:
		json, err := p.c.Passkeys.ProofOptions(ctx, j.a.Browser, j.purpose(), j.a.Consumer)
		p.options(j.Context, json, err)
	default:
		j.Status(http.StatusConflict)
	}
}

func (p *Portal) postPortalPasskeyOptions(g *gin.Context) {
	ctx := g.Request.Context()
	json, err := p.c.Passkeys.SignInOptions(ctx, p.c.Sessions.Browser(ctx), passkeyToPortal)
	p.options(g, json, err)
}

func (p *Portal) postProofOptions(v *visit) {
	ctx := v.Request.Context()
	json, err := p.c.Passkeys.ProofOptions(ctx, p.c.Sessions.Browser(ctx), passkeyToAdd, v.who)
	p.options(v.Context, json, err)
}

// loginByPasskey signs somebody in on the way to a decision. A passkey proves
// twice who they are, so there is no second proof as long as it is fresh.
func (p *Portal) loginByPasskey(j *journey, answer string) {
	ctx := j.Request.Context()
	who, err := p.c.Passkeys.SignIn(ctx, j.a.Browser, j.signInPurpose(), answer, p.c.Addresses.Of(j.Request))
	if err == nil {
		err = p.c.Sessions.SignIn(ctx, string(who), p.c.Now())
	}
	if err != nil {
		if status, words, ok := passkeyFault(j.t, err, j.Writer.Header()); ok {
			p.showLogin(j, status, "", "", words)
		} else {
			p.down(j, fmt.Errorf("sign in: %w", err))
		}
		return
	}
	p.decides(j, who)
	j.a.FirstFactor, j.a.SecondFactor, j.a.SecondFactorAt = consent.FactorKey, consent.FactorKey, j.a.AuthenticatedAt
	p.replace(j)
}

// proveByPasskey is the second proof of who decides.
func (p *Portal) proveByPasskey(j *journey, answer string) {
	ctx := j.Request.Context()
	err := p.c.Passkeys.Prove(ctx, j.a.Browser, j.purpose(), j.a.Consumer, answer, p.c.Addresses.Of(j.Request))
	if err == nil {
		j.a.SecondFactor, j.a.SecondFactorAt = consent.FactorKey, p.c.Now()
		p.replace(j)
		return
	}
	status, words, ok := passkeyFault(j.t, err, j.Writer.Header())
	if !ok {
		p.down(j, fmt.Errorf("prove by passkey: %w", err))
		return
	}
	reference, err := p.c.Codes.Sent(ctx, j.a.Consumer, j.purpose())
	if err != nil {
		p.down(j, fmt.Errorf("find code: %w", err))
		return
	}
	p.showStepUp(j, status, reference, "", words)
}

// passkeyFault puts a refused passkey into words; false for an error that says
// nothing about it.
func passkeyFault(t *text, err error, h http.Header) (status int, words string, ok bool) {
	if errors.Is(err, login.ErrPasskey) {
		return http.StatusUnprocessableEntity, t.T("passkey.failed"), true
	}
	return loginFault(t, err, h)
}

// hasPasskey reports whether a page offers one. The page works without, so a
// store that does not answer is only noted.
func (p *Portal) hasPasskey(ctx context.Context, who consent.ConsumerID) bool {
	if p.c.Passkeys == nil {
		return false
	}
	all, err := p.c.Passkeys.Of(ctx, who)
	if err != nil {
		web.Fields(ctx).Cause = fmt.Errorf("list passkeys: %w", err)
	}
	return len(all) > 0
}

// A person's own.

// passkeyRow is one passkey of a person.
type passkeyRow struct {
	ID, Name, Made, Used string
	N                    int // from 1
}

const passkeysMark = "passkeys"

func passkeyRows(t *text, all []login.PasskeyRecord, who consent.ConsumerID) (rows []passkeyRow) {
	for _, r := range all {
		if r.Consumer != who {
			continue // never another person's, whatever the store says
		}
		row := passkeyRow{ID: string(r.ID), Name: plain(r.Name, login.MaxPasskeyName), N: len(rows) + 1}
		row.Made, row.Used = t.T("passkey.made", "Date", t.Moment(r.CreatedAt)), t.T("passkey.unused")
		if !r.UsedAt.IsZero() {
			row.Used = t.T("passkey.used", "Date", t.Moment(r.UsedAt))
		}
		rows = append(rows, row)
	}
	return rows
}

// passkeyName is what a person calls a passkey.
func passkeyName(t *text, name string) string {
	if name = plain(name, login.MaxPasskeyName); name == "" {
		return t.T("method.hwk")
	}
	return name
}

// postPasskeys renames or removes one.
func (p *Portal) postPasskeys(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	if !p.c.Sessions.Marked(ctx, passkeysMark, form.Get("mark")) {
		p.showSignIns(v, http.StatusConflict, v.t.T("stale"))
		return
	}
	id, said := login.PasskeyID(form.Get("passkey")), ""
	var err error
	switch form.Get("action") {
	case "save":
		err = p.c.Passkeys.Rename(ctx, v.who, id, passkeyName(v.t, form.Get("name")))
	case "remove":
		err, said = p.c.Passkeys.Remove(ctx, v.who, id, p.c.Addresses.Of(v.Request)), "?removed"
	default:
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown action"))
		return
	}
	switch {
	case errors.Is(err, consent.ErrNotFound):
		p.failed(v.Writer, v.Request, notFound, nil)
	case err != nil:
		p.away(v, fmt.Errorf("change passkey: %w", err))
	default:
		see(v.Context, signInPath+said)
	}
}

// Adding one takes a second proof first: whoever has a passkey has both
// factors, and a password alone must not lead there.

// passkeyPage is what passkey.html gets.
type passkeyPage struct {
	page
	Title, Mark, Action string
	// Full: there are as many as one can have.
	Full bool
	// Options are for the browser, once the person has proved who they are.
	Options, Name string
	Reference     string // of the code on its way; empty for none
	Prove         string // address of what a passkey is asked by; empty without one
}

// addPurpose names what a code is for: a passkey, in this session.
func (p *Portal) addPurpose(v *visit) string {
	return "passkey " + p.c.Sessions.ID(v.Request.Context())
}

func (p *Portal) showAddPasskey(v *visit, status int, d passkeyPage, fault, notice string) {
	ctx := v.Request.Context()
	d.page, d.Title, d.Action = page{text: v.t, Fault: fault, Field: "code", Notice: notice}, v.t.T("passkey.add"), addPasskeyPath
	d.Mark = p.c.Sessions.Mark(ctx, addPasskeyPath)
	if d.Options == "" && !d.Full && p.hasPasskey(ctx, v.who) {
		d.Prove = provePasskeyPath
	}
	if d.Options != "" || d.Prove != "" {
		v.script = p.passkeyScript
	}
	p.render(v, status, "passkey", faulty(v.t, d.Title, fault), "", d)
}

func (p *Portal) getAddPasskey(v *visit) {
	ctx := v.Request.Context()
	all, err := p.c.Passkeys.Of(ctx, v.who)
	var reference string
	if err == nil {
		reference, err = p.c.Codes.Sent(ctx, v.who, p.addPurpose(v))
	}
	switch {
	case err != nil:
		p.away(v, fmt.Errorf("begin to add passkey: %w", err))
	case len(all) >= login.MaxPasskeys:
		p.showAddPasskey(v, http.StatusOK, passkeyPage{Full: true}, "", "")
	case reference == "" && len(all) == 0:
		p.sendAddCode(v, "")
	default: // a code is on its way, or a passkey will do
		p.showAddPasskey(v, http.StatusOK, passkeyPage{Reference: reference}, "", "")
	}
}

func (p *Portal) sendAddCode(v *visit, saying string) {
	ctx := v.Request.Context()
	reference, err := p.c.Codes.Send(ctx, v.who, p.addPurpose(v), []string{v.t.Lang})
	var wait *login.Wait
	switch {
	case err == nil:
		p.showAddPasskey(v, http.StatusOK, passkeyPage{Reference: reference}, "", saying)
	case errors.As(err, &wait):
		if reference, err = p.c.Codes.Sent(ctx, v.who, p.addPurpose(v)); err != nil {
			p.away(v, fmt.Errorf("find code: %w", err))
			return
		}
		p.showAddPasskey(v, http.StatusTooManyRequests, passkeyPage{Reference: reference}, codeWait(v.t, wait, v.Writer.Header()), "")
	default:
		p.away(v, fmt.Errorf("send code: %w", err))
	}
}

// codeWait says that the next code has to wait.
func codeWait(t *text, wait *login.Wait, h http.Header) string {
	seconds := int(math.Ceil(wait.For.Seconds()))
	h.Set("Retry-After", strconv.Itoa(seconds))
	if seconds > 90 {
		return t.T("stepup.wait", "Count", int(math.Ceil(wait.For.Minutes())))
	}
	return t.T("stepup.soon", "Count", seconds)
}

func (p *Portal) postAddPasskey(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	reference, err := p.c.Codes.Sent(ctx, v.who, p.addPurpose(v))
	if err != nil {
		p.away(v, fmt.Errorf("find code: %w", err))
		return
	}
	if !p.c.Sessions.Marked(ctx, addPasskeyPath, form.Get("mark")) {
		p.showAddPasskey(v, http.StatusConflict, passkeyPage{Reference: reference}, "", v.t.T("stale"))
		return
	}
	session, from := p.c.Sessions.Browser(ctx), p.c.Addresses.Of(v.Request)
	switch form.Get("action") {
	case "resend":
		p.sendAddCode(v, v.t.T("stepup.again"))
		return
	case "code":
		err = p.c.Codes.Check(ctx, v.who, p.addPurpose(v), form.Get("code"))
	case "prove":
		err = p.c.Passkeys.Prove(ctx, session, passkeyToAdd, v.who, form.Get("passkey"), from)
	case "add":
		if err = p.c.Passkeys.Add(ctx, session, v.who, passkeyName(v.t, form.Get("name")), form.Get("passkey"), from); err == nil {
			see(v.Context, signInPath+"?added")
			return
		}
	default:
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown action"))
		return
	}
	if err == nil {
		p.offerPasskey(v, session)
		return
	}
	d := passkeyPage{Reference: reference}
	if status, words, ok := passkeyFault(v.t, err, v.Writer.Header()); ok {
		p.showAddPasskey(v, status, d, "", words)
		return
	}
	switch {
	case errors.Is(err, login.ErrCode):
		p.showAddPasskey(v, http.StatusUnprocessableEntity, d, v.t.T("stepup.wrong"), "")
	case errors.Is(err, login.ErrCodeOver):
		p.showAddPasskey(v, http.StatusUnprocessableEntity, d, v.t.T("stepup.over"), "")
	case errors.Is(err, login.ErrPasskeys):
		p.showAddPasskey(v, http.StatusUnprocessableEntity, passkeyPage{Full: true}, "", "")
	default:
		p.away(v, fmt.Errorf("add passkey: %w", err))
	}
}

// offerPasskey is for somebody who has just proved who they are: the challenge
// that the page holds is what remembers it, for five minutes and one passkey.
func (p *Portal) offerPasskey(v *visit, session string) {
	options, err := p.c.Passkeys.AddOptions(v.Request.Context(), session, v.who)
	switch {
	case errors.Is(err, login.ErrPasskeys):
		p.showAddPasskey(v, http.StatusOK, passkeyPage{Full: true}, "", "")
	case err != nil || !json.Valid(options):
		p.away(v, fmt.Errorf("offer passkey: %w", err))
	default:
		name := web.BrowserFamily(v.Request.UserAgent())
		p.showAddPasskey(v, http.StatusOK, passkeyPage{Options: string(options), Name: name}, "", "")
	}
}

// passkeyOn adds the script to a page that offers a passkey.
func (p *Portal) passkeyOn(f *ui.Frame, offered string) {
	if offered != "" {
		f.Scripts = append(f.Scripts, p.passkeyScript)
	}
}
