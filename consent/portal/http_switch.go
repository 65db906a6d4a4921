package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/consent"
)

// A person can switch all new sharing off. What is shared already goes on.

const switchPath = "/portal/sharing"

const switchMark = "new sharing"

// switchRoutes adds the pages, if there is a switch.
func (p *Portal) switchRoutes(e *gin.Engine) {
	if p.c.Switch == nil {
		return
	}
	e.GET("/consent/:id/sharing", p.journey(p.getSharing))
	e.POST("/consent/:id/sharing", p.journeyForm(p.postSharing))
	e.GET(switchPath, p.signedIn(p.getSwitch))
	e.POST(switchPath, p.signedIn(p.postSwitch))
}

// switchPage is what switch.html gets.
type switchPage struct {
	page
	Title, Mark string
	Since       string // since when it is off; empty while it is on
}

func (p *Portal) getSwitch(v *visit) { p.showSwitch(v, http.StatusOK, "") }

func (p *Portal) showSwitch(v *visit, status int, notice string) {
	ctx := v.Request.Context()
	off, err := p.c.Switch.SharingOff(ctx, v.who)
	if err != nil {
		p.away(v, fmt.Errorf("load switch: %w", err))
		return
	}
	d := switchPage{
		page: page{text: v.t, Notice: notice}, Title: v.t.T("switch.title"), Mark: p.c.Sessions.Mark(ctx, switchMark), Since: v.t.Date(off),
	}
	p.render(v, status, "switch", d.Title, "", d)
}

func (p *Portal) postSwitch(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	if !p.c.Sessions.Marked(ctx, switchMark, form.Get("mark")) {
		p.showSwitch(v, http.StatusConflict, v.t.T("stale"))
		return
	}
	action := form.Get("action")
	if action != "on" && action != "off" {
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown action"))
		return
	}
	if err := p.c.Switch.SwitchSharing(ctx, v.who, action == "off"); err != nil {
		p.away(v, fmt.Errorf("switch sharing: %w", err))
		return
	}
	see(v.Context, switchPath)
}

// sharingPage is what sharing.html gets.
type sharingPage struct {
	journeyPage
	Title, Since string
}

// off returns since when the person who decides has new sharing switched off.
// It is false when it has answered: it is on, this is not the page to show, or
// somebody else is signed in.
func (p *Portal) off(j *journey) (time.Time, bool) {
	if !p.onPage(j, consent.StepSharing) {
		return time.Time{}, false
	}
	off, err := p.c.Switch.SharingOff(j.Request.Context(), j.a.Consumer)
	switch {
	case err != nil:
		p.down(j, fmt.Errorf("load switch: %w", err))
		return time.Time{}, false
	case off.IsZero():
		see(j.Context, j.dispatcher())
		return time.Time{}, false
	}
	return off, true
}

func (p *Portal) getSharing(j *journey) {
	if off, ok := p.off(j); ok {
		p.showSharing(j, http.StatusOK, off, "")
	}
}

func (p *Portal) showSharing(j *journey, status int, off time.Time, notice string) {
	v := sharingPage{
		journeyPage: p.journeyPage(j, consent.StepSharing, ""),
		Title:       j.t.T("switch.ask"), Since: j.t.T("switch.since", "App", j.name, "Date", j.t.Date(off)),
	}
	v.Notice = notice
	p.show(j, status, "sharing", v.Title, v)
}

func (p *Portal) postSharing(j *journey, form url.Values) {
	off, ok := p.off(j)
	if !ok {
		return
	}
	ctx := j.Request.Context()
	if !p.c.Sessions.Marked(ctx, j.what(consent.StepSharing, ""), form.Get("mark")) {
		p.showSharing(j, http.StatusConflict, off, j.t.T("stale"))
		return
	}
	switch form.Get("action") {
	case "on":
		if err := p.c.Switch.SwitchSharing(ctx, j.a.Consumer, false); err != nil {
			p.down(j, fmt.Errorf("switch sharing: %w", err))
			return
		}
		see(j.Context, j.dispatcher())
	case "keep":
		j.a.Cause = consent.CauseOff
		p.cancel(j)
	case "stay":
		p.showSharing(j, http.StatusOK, off, j.t.T("idle.more"))
	default:
		p.failed(j.Writer, j.Request, badForm, errors.New("unknown action"))
	}
}
