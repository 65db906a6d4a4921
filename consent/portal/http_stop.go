package portal

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/web"
)

// The addresses of what is about all apps.
const (
	stopAllPath = "/portal/stop"
	endedPath   = "/portal/ended"
)

// stopsAtOnce is how many grants are stopped at the same time: each may wait
// for seconds while a cache cannot be told.
const stopsAtOnce = 8

// stopAllPage is what stopall.html gets.
type stopAllPage struct {
	page
	Title, Mark string
	Active      []grantRow
}

// stopAllMark names the form that stops these grants and no others.
func stopAllMark(grants []consent.Grant) string {
	var b strings.Builder
	b.WriteString("stop all")
	for _, g := range grants {
		b.WriteString("\n" + string(g.ID))
	}
	return b.String()
}

// active returns a person's grants that go on, and those about which that may
// not be certain yet: that are over by our clock alone, or were stopped a moment
// ago, by a stop that may still be waiting.
func (p *Portal) active(v *visit) (active, waiting []consent.Grant, err error) {
	grants, err := p.c.Grants.GrantsOf(v.Request.Context(), v.who)
	now := p.c.Now()
	for _, g := range grants {
		switch {
		case g.Consumer != v.who:
		case g.StatusAt(now) == consent.StatusActive:
			active = append(active, g)
		case g.Status == consent.StatusActive, g.EndedBy == consent.ActorConsumer && now.Sub(g.EndedAt) < time.Minute:
			waiting = append(waiting, g)
		}
	}
	return active, waiting, err
}

func (p *Portal) getStopAll(v *visit) {
	active, _, err := p.active(v)
	if err != nil {
		p.away(v, fmt.Errorf("list grants: %w", err))
		return
	}
	p.showStopAll(v, active, http.StatusOK, page{})
}

func (p *Portal) showStopAll(v *visit, active []consent.Grant, status int, pg page) {
	if len(active) == 0 {
		see(v.Context, endedPath)
		return
	}
	d := stopAllPage{page: pg, Mark: p.c.Sessions.Mark(v.Request.Context(), stopAllMark(active))}
	d.text, d.Title = v.t, v.t.T("stopall.title")
	for _, g := range active {
		d.Active = append(d.Active, p.row(v.t, g, ""))
	}
	p.render(v, status, "stopall", faulty(v.t, d.Title, d.Fault), "", d)
}

func (p *Portal) postStopAll(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	active, waiting, err := p.active(v)
	if err != nil {
		p.away(v, fmt.Errorf("list grants: %w", err))
		return
	}
	// A list that has changed is shown anew: an app that came since was not on
	// the page. When all have ended there is nothing left to decide.
	if len(active) > 0 && !p.c.Sessions.Marked(v.Request.Context(), stopAllMark(active), form.Get("mark")) {
		p.showStopAll(v, active, http.StatusConflict, page{Notice: v.t.T("stale")})
		return
	}
	switch form.Get("action") {
	case "keep":
		see(v.Context, homePath)
		return
	case "stop":
	default:
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown action"))
		return
	}
	if form.Get("sure") != "yes" {
		p.showStopAll(v, active, http.StatusUnprocessableEntity, page{Fault: v.t.T("stopall.tick"), Field: "stop_all_sure"})
		return
	}
	if err := p.stopAll(v, append(active, waiting...)); err != nil {
		p.failed(v.Writer, v.Request, Problem{
			Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable",
			RetryURI: stopAllPath, title: "problem.stop_all",
		}, fmt.Errorf("stop all: %w", err))
		return
	}
	see(v.Context, endedPath)
}

// stopAll stops each of the grants, also when another cannot be stopped.
func (p *Portal) stopAll(v *visit, grants []consent.Grant) error {
	ctx := v.Request.Context()
	errs := make([]error, len(grants))
	slots := make(chan struct{}, stopsAtOnce)
	var all sync.WaitGroup
	for i, g := range grants {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if _, err := p.c.Stopper.StopByConsumer(ctx, v.who, g.ID); !errors.Is(err, consent.ErrEnded) {
				errs[i] = err
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// endedRow is one line of what has ended.
type endedRow struct {
	grantRow
	Reads   string
	Exactly string
}

// endedPage is what ended.html gets.
type endedPage struct {
	page
	Title  string
	Active bool // something is still shared
	Rows   []endedRow
}

func (p *Portal) getEnded(v *visit) {
	grants, err := p.c.Grants.GrantsOf(v.Request.Context(), v.who)
	if err != nil {
		p.away(v, fmt.Errorf("list grants: %w", err))
		return
	}
	d := endedPage{page: page{text: v.t}, Title: v.t.T("ended.title")}
	var ended []consent.Grant
	for _, g := range grants {
		switch {
		case g.Consumer != v.who:
		case g.StatusAt(p.c.Now()) == consent.StatusActive:
			d.Active = true
		default:
			ended = append(ended, g)
		}
	}
	uses, known := p.uses(v, ids(ended))
	for _, g := range latest(ended) {
		row := endedRow{grantRow: p.row(v.t, g, ""), Reads: v.t.T("fact.unknown"), Exactly: v.t.Instant(endOf(g))}
		if n := uses[g.ID].Reads; known && n == 0 {
			row.Reads = v.t.T("use.never")
		} else if known {
			row.Reads = v.t.T("use.times", "Count", n)
		}
		d.Rows = append(d.Rows, row)
	}
	p.render(v, http.StatusOK, "ended", d.Title, "", d)
}

// After a stop.

func answerMark(id consent.GrantID) string { return "answer\n" + string(id) }

// mayAnswer reports whether it makes sense to ask why this grant was stopped.
func mayAnswer(g consent.Grant) bool {
	return g.Status == consent.StatusRevoked && g.EndedBy == consent.ActorConsumer
}

// postAnswer keeps why somebody stopped. Whatever goes wrong with that, the
// person goes on: the stop is done and needs no answer.
func (p *Portal) postAnswer(v *visit) {
	g, form, ok := p.marked(v, answerMark, func(g consent.Grant, _ string) { p.resting(v, g) })
	if !ok {
		return
	}
	answer := consent.StopAnswer(form.Get("answer"))
	if !answer.Known() {
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown answer"))
		return
	}
	if !mayAnswer(g) {
		p.resting(v, g)
		return
	}
	path := grantPath(g.ID) + "/stopped"
	if err := p.c.Answers.Answer(v.Request.Context(), g.ID, answer); err != nil {
		web.Fields(v.Request.Context()).Cause = fmt.Errorf("keep answer: %w", err)
	} else {
		path += "?thanks"
	}
	see(v.Context, path)
}
