package portal

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/ui"
)

// Time that runs out (WCAG 2.2.1): 15 minutes without anything, a warning two
// minutes before, more time by one press. The times of protocols are others.

//go:embed static/idle.js
var idleJS []byte

const stayPath = "/portal/stay"

// stepForm is the id of the form of a step that is sent by the button of the
// warning.
const stepForm = "step"

// waking is how much of the time may be gone before it is written down anew.
const waking = 10 * time.Second

func (j *journey) stayPath() string { return "/consent/" + url.PathEscape(string(j.a.ID)) + "/stay" }

// staying names the mark with which a page asks for more time. It is good on
// every page of the journey.
func (j *journey) staying() string { return "stay " + string(j.a.ID) }

// extend starts the time of a journey again. One that is over stays so.
func (p *Portal) extend(j *journey) error {
	now := p.c.Now()
	until := now.Add(consent.JourneyTime)
	if until.Sub(j.a.ExpiresAt) < waking {
		return nil
	}
	err := p.c.Authorizations.Extend(j.Request.Context(), j.a.ID, j.a.Browser, now, until)
	if err != nil && !errors.Is(err, consent.ErrNotFound) {
		return fmt.Errorf("extend authorization: %w", err)
	}
	return nil
}

// idle adds the warning to a page of a journey.
func (p *Portal) idle(j *journey, f *ui.Frame) {
	f.Scripts = append(f.Scripts, p.idleScript)
	f.Idle = &ui.Idle{
		Soon: j.t.T("idle.soon"), Button: j.t.T("idle.here"), Over: j.t.T("idle.over", "App", j.name),
		Stay: j.stayPath(), Mark: p.c.Sessions.Mark(j.Request.Context(), j.staying()), Form: stepForm, End: j.dispatcher(),
	}
}

// idleAt adds the warning to a page of the portal.
func (p *Portal) idleAt(v *visit, f *ui.Frame) {
	if v.Request.Header.Get("Sec-Fetch-Dest") != "empty" { // a script that loads it anew is no use
		p.c.Sessions.Stay(v.Request.Context())
	}
	f.Scripts = append(f.Scripts, p.idleScript)
	f.Idle = &ui.Idle{
		Soon: v.t.T("idle.out"), Button: v.t.T("idle.stay"), Over: v.t.T("idle.signed_out"),
		Stay: stayPath, Mark: p.c.Sessions.Mark(v.Request.Context(), stayPath), To: v.t.here, End: homePath,
	}
}

// postJourneyStay is for the script of a page; its button sends the form of the
// page.
func (p *Portal) postJourneyStay(j *journey, form url.Values) {
	ctx := j.Request.Context()
	step := j.a.Next(p.c.Now())
	open := step == consent.StepLogin || step == consent.StepAccounts || step == consent.StepReview || step == consent.StepStepUp
	if !open || !p.c.Sessions.Marked(ctx, j.staying(), form.Get("mark")) {
		j.Status(http.StatusConflict)
		return
	}
	if err := p.extend(j); err != nil {
		p.down(j, err)
		return
	}
	p.c.Sessions.Stay(ctx)
	j.Status(http.StatusNoContent)
}

func (p *Portal) postStay(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	marked := p.c.Sessions.Marked(ctx, stayPath, form.Get("mark"))
	if marked {
		p.c.Sessions.Stay(ctx)
	}
	switch to := form.Get("to"); {
	case form.Get("by") == "script" && marked:
		v.Status(http.StatusNoContent)
	case form.Get("by") == "script":
		v.Status(http.StatusConflict)
	case len(to) <= maxReturn && ownPath(to) != "":
		see(v.Context, to)
	default:
		see(v.Context, homePath)
	}
}
