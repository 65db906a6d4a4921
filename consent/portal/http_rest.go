package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/web"
)

// marked reads a form about a grant: the grant that the path names, and the
// form when it bears the mark. When anything is wrong it has answered, with
// again for a form of another time.
func (p *Portal) marked(v *visit, mark func(consent.GrantID) string, again func(g consent.Grant, notice string)) (consent.Grant, url.Values, bool) {
	form, ok := p.form(v.Context)
	if !ok {
		return consent.Grant{}, nil, false
	}
	g, ok := p.grant(v)
	if !ok {
		return consent.Grant{}, nil, false
	}
	if !p.c.Sessions.Marked(v.Request.Context(), mark(g.ID), form.Get("mark")) {
		again(g, v.t.T("stale"))
		return consent.Grant{}, nil, false
	}
	return g, form, true
}

// decided is marked for a form that asks whether to do an action to a grant or
// to keep things as they are. Who keeps them has been sent back to the grant.
func (p *Portal) decided(v *visit, action string, mark func(consent.GrantID) string, again func(g consent.Grant, notice string)) (consent.Grant, url.Values, bool) {
	g, form, ok := p.marked(v, mark, again)
	if !ok {
		return consent.Grant{}, nil, false
	}
	switch form.Get("action") {
	case action:
		return g, form, true
	case "keep":
		see(v.Context, grantPath(g.ID))
	default:
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown action"))
	}
	return consent.Grant{}, nil, false
}

// restFailed answers when a rest could not be begun or ended.
func (p *Portal) restFailed(v *visit, title string, cause error) {
	p.failed(v.Writer, v.Request, Problem{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable",
		RetryURI: v.Request.URL.Path, title: title,
	}, cause)
}

// resting leads to the page that says why nothing is read, or to the grant's
// own page when it goes on, or to what says that it is over.
func (p *Portal) resting(v *visit, g consent.Grant) {
	now := p.c.Now()
	switch {
	case g.StatusAt(now) != consent.StatusActive:
		see(v.Context, grantPath(g.ID)+"/stopped")
	case g.RestAt(now) != "":
		see(v.Context, grantPath(g.ID)+"/resting")
	default:
		see(v.Context, grantPath(g.ID))
	}
}

// Pause.

// pausePage is what pause.html gets.
type pausePage struct {
	page
	grantRow
	Title, Mark string
	Days        []pauseDay
	First, Most string // the days that a date may be, as a date field writes them
	Date        string
	Other       bool // a date was chosen
}

// A mark stays good when the grant changes, as that of a stop does: what takes
// something away is right in whatever version it is.
func pauseMark(id consent.GrantID) string { return "pause\n" + string(id) }

func (p *Portal) getPause(v *visit) {
	if g, ok := p.grant(v); ok {
		p.showPause(v, g, http.StatusOK, pausePage{})
	}
}

func (p *Portal) showPause(v *visit, g consent.Grant, status int, d pausePage) {
	now := p.c.Now()
	most := p.lastPauseDay(g, now)
	if most == 0 || g.RestAt(now) != "" {
		p.resting(v, g)
		return
	}
	d.text, d.grantRow = v.t, p.row(v.t, g, "")
	d.Mark, d.Title = p.c.Sessions.Mark(v.Request.Context(), pauseMark(g.ID)), v.t.T("pause.title", "App", d.App)
	chosen := d.Date
	d.Days = p.pauseDays(v.t, g, now)
	at := now.In(p.c.Zone)
	day := func(n int) string {
		return time.Date(at.Year(), at.Month(), at.Day()+n, 12, 0, 0, 0, p.c.Zone).Format(dayForm)
	}
	d.First, d.Most, d.Date = day(1), day(most), chosen
	p.render(v, status, "pause", faulty(v.t, d.Title, d.Fault), "", d)
}

func (p *Portal) postPause(v *visit) {
	g, form, ok := p.decided(v, "pause", pauseMark, func(g consent.Grant, notice string) {
		p.showPause(v, g, http.StatusConflict, pausePage{page: page{Notice: notice}})
	})
	if !ok {
		return
	}
	now := p.c.Now()
	if g.StatusAt(now) != consent.StatusActive {
		p.resting(v, g)
		return
	}
	// Also when it rests already: that press may still be waiting.
	until, offered := p.pauseUntil(form.Get("until"), form.Get("date"), g, p.pauseDays(v.t, g, now), now)
	switch {
	case !offered:
		p.failed(v.Writer, v.Request, badForm, errors.New("a pause that was not offered"))
		return
	case until.IsZero():
		d := pausePage{Date: plain(form.Get("date"), len(dayForm)), Other: form.Get("until") == "date"}
		d.Fault, d.Field = v.t.T("pause.none"), "pause_7"
		if d.Other {
			d.Fault, d.Field = v.t.T("pause.day"), "pause_day"
		} else if p.lastPauseDay(g, now) < 7 {
			d.Field = "pause_date"
		}
		p.showPause(v, g, http.StatusUnprocessableEntity, d)
		return
	}
	_, err := p.c.Rests.PauseByConsumer(v.Request.Context(), v.who, g.ID, until)
	if err != nil && !errors.Is(err, consent.ErrEnded) && !errors.Is(err, consent.ErrConflict) {
		p.restFailed(v, "problem.pause", fmt.Errorf("pause grant: %w", err))
		return
	}
	see(v.Context, grantPath(g.ID)+"/resting")
}

// Hold.

// holdPage is what hold.html gets.
type holdPage struct {
	page
	grantRow
	Title, Mark string
}

func holdMark(id consent.GrantID) string { return "hold\n" + string(id) }

func (p *Portal) getHold(v *visit) {
	if g, ok := p.grant(v); ok {
		p.showHold(v, g, http.StatusOK, "")
	}
}

func (p *Portal) showHold(v *visit, g consent.Grant, status int, notice string) {
	now := p.c.Now()
	if g.StatusAt(now) != consent.StatusActive || g.RestAt(now) == consent.RestHeld {
		p.resting(v, g)
		return
	}
	d := holdPage{page: page{text: v.t, Notice: notice}, grantRow: p.row(v.t, g, p.purpose(v, g, map[consent.RecipientID]consent.Recipient{}))}
	d.Mark, d.Title = p.c.Sessions.Mark(v.Request.Context(), holdMark(g.ID)), v.t.T("hold.title", "App", d.App)
	p.render(v, status, "hold", d.Title, "", d)
}

func (p *Portal) postHold(v *visit) {
	g, _, ok := p.decided(v, "hold", holdMark, func(g consent.Grant, notice string) { p.showHold(v, g, http.StatusConflict, notice) })
	if !ok {
		return
	}
	// Also when it is held already: that hold may still be waiting.
	_, err := p.c.Rests.HoldByConsumer(v.Request.Context(), v.who, g.ID)
	if err != nil && !errors.Is(err, consent.ErrEnded) && !errors.Is(err, consent.ErrConflict) {
		p.restFailed(v, "problem.hold", fmt.Errorf("hold grant: %w", err))
		return
	}
	see(v.Context, grantPath(g.ID)+"/resting")
}

// What rests.

// restingPage is what resting.html gets.
type restingPage struct {
	page
	grantRow
	Title, Mark string
	// Since is when it took effect, Exactly the same to the second.
	Since, Exactly string
	Receipt        string // address; empty when there is none
}

// restMark names the form that ends the rest of a grant, in one version: it
// gives something away, so what the person saw must be what it is about.
func restMark(g consent.Grant) string { return fmt.Sprintf("rest\n%s\n%d", g.ID, g.Epoch) }

func (p *Portal) getResting(v *visit) {
	if g, ok := p.grant(v); ok {
		p.showResting(v, g, http.StatusOK, "")
	}
}

func (p *Portal) showResting(v *visit, g consent.Grant, status int, notice string) {
	d := restingPage{page: page{text: v.t, Notice: notice}, grantRow: p.row(v.t, g, "")}
	if d.Rest == "" {
		p.resting(v, g)
		return
	}
	ctx := v.Request.Context()
	d.Title = v.t.T("resting.paused", "App", d.App)
	kind := consent.EventPaused
	if d.Rest == consent.RestHeld {
		d.Title, kind = v.t.T("resting.held", "App", d.App), consent.EventHeld
	}
	events, err := p.c.Grants.Events(ctx, g.ID)
	if err != nil {
		web.Fields(ctx).Cause = fmt.Errorf("load history of grant: %w", err)
	}
	for _, e := range events {
		if e.Kind == kind {
			d.Since, d.Exactly = v.t.Moment(e.At), v.t.Instant(e.At)
		}
	}
	d.lastRead(p, v, g.ID)
	d.Receipt = p.receipt(g)
	d.Mark = p.c.Sessions.Mark(ctx, restMark(g))
	p.render(v, status, "resting", d.Title, "", d)
}

// lastRead fills in when a grant was last read, and what.
func (r *grantRow) lastRead(p *Portal, v *visit, id consent.GrantID) {
	r.Last, r.What = p.lastReads(v, []consent.GrantID{id}).of(v.t, id)
}

func (p *Portal) postResting(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	g, ok := p.grant(v)
	if !ok {
		return
	}
	rest := g.RestAt(p.c.Now())
	if rest == "" {
		p.resting(v, g)
		return
	}
	ctx := v.Request.Context()
	if !p.c.Sessions.Marked(ctx, restMark(g), form.Get("mark")) {
		p.showResting(v, g, http.StatusConflict, v.t.T("stale"))
		return
	}
	var err error
	switch action := form.Get("action"); {
	case action == "resume" && rest == consent.RestPaused:
		_, err = p.c.Rests.ResumeByConsumer(ctx, v.who, g.ID)
	case action == "release" && rest == consent.RestHeld:
		_, err = p.c.Rests.ReleaseByConsumer(ctx, v.who, g.ID)
	default:
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown action"))
		return
	}
	switch {
	case err == nil:
		see(v.Context, grantPath(g.ID))
	case errors.Is(err, consent.ErrEnded), errors.Is(err, consent.ErrConflict):
		see(v.Context, grantPath(g.ID)+"/resting") // it has changed meanwhile
	default:
		p.restFailed(v, "problem.unavailable", fmt.Errorf("end rest of grant: %w", err))
	}
}
