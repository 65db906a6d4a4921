package portal

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/erasure"
)

// The addresses of erasing a record.
const (
	erasePath    = "/portal/erase"
	eraseKeep    = "/portal/erase/keep"
	eraseAskPath = "/portal/erase/ask"
)

// eraseRoutes adds the pages of erasing.
func (p *Portal) eraseRoutes(e *gin.Engine) {
	if p.c.Erasures == nil {
		return
	}
	e.GET(erasePath, p.signedIn(p.getErase))
	e.POST(erasePath, p.signedIn(p.postErase))
	e.POST(eraseKeep, p.signedIn(p.postEraseKeep))
	e.POST(eraseAskPath, p.signedIn(p.postEraseAsk))
}

// erasePage is what erase.html gets.
type erasePage struct {
	page
	Title, Mark string
	At          string // when the record is erased; empty when nobody asked
	When        string // when it would be
	Active      int    // grants that go on
	Kept        []keptRow
	Apps        []askedApp
	AnswerDays  string
}

// keptRow is what has to be kept of one app, and until when.
type keptRow struct{ App, Until string }

// askedApp is an app that holds or held something, and what it was asked.
type askedApp struct {
	App           string
	Newest        consent.GrantID
	Button, State string // element ids
	Mark          string // empty when there is nothing to ask any more
	Words, Reason string
	requests      []erasure.Request
	grants        []consent.GrantID
	keptUntil     time.Time
}

// apps lists the apps of a person, the one that was shared with last first.
// Grants are newest first.
func apps(t *text, rules Rules, grants []consent.Grant, requests []erasure.Request, now time.Time) []askedApp {
	var all []askedApp
	at := map[consent.RecipientID]int{}
	byGrant := map[consent.GrantID]erasure.Request{}
	for _, r := range requests {
		byGrant[r.Grant] = r
	}
	for _, g := range grants {
		i, ok := at[g.Recipient]
		if !ok {
			i = len(all)
			at[g.Recipient] = i
			n := strconv.Itoa(i + 1)
			all = append(all, askedApp{App: recipientOf(t, g.Parties).Name, Newest: g.ID, Button: "erase_ask_" + n, State: "erase_state_" + n})
		}
		a := &all[i]
		if r, asked := byGrant[g.ID]; asked {
			a.requests = append(a.requests, r)
		} else {
			a.grants = append(a.grants, g.ID)
		}
		end := now // what goes on would be stopped now
		if g.StatusAt(now) != consent.StatusActive {
			end = endOf(g)
		}
		if until := end.AddDate(0, 0, rules.RecordDays(g)); until.After(a.keptUntil) {
			a.keptUntil = until
		}
	}
	for i := range all {
		all[i].say(t, now)
	}
	return all
}

// say puts into words how far the app was asked: by the request that has come
// least far, so that no app seems to have done what it has not.
func (a *askedApp) say(t *text, now time.Time) {
	if len(a.requests) == 0 {
		a.Words = t.T("erase.unasked")
		return
	}
	order := []erasure.State{erasure.StateRefused, erasure.StateSilent, erasure.StateAsked, erasure.StatePartly, erasure.StateDone}
	r := slices.MinFunc(a.requests, func(x, y erasure.Request) int {
		return slices.Index(order, x.State(now)) - slices.Index(order, y.State(now))
	})
	switch r.State(now) {
	case erasure.StateDone:
		a.Words = t.T("erase.done", "App", a.App, "Date", t.Date(r.AnsweredAt))
	case erasure.StatePartly:
		a.Words = t.T("erase.partly", "App", a.App, "Date", t.Date(r.AnsweredAt))
		a.Reason = plain(r.Reason, maxPurpose)
	case erasure.StateRefused:
		a.Words = t.T("erase.refused", "App", a.App, "Date", t.Date(r.AnsweredAt))
		a.Reason = plain(r.Reason, maxPurpose)
	case erasure.StateSilent:
		a.Words = t.T("erase.silent", "Date", t.Date(r.AskedAt))
	default:
		a.Words = t.T("erase.asked", "Date", t.Date(r.AskedAt))
	}
}

// own returns the person's grants, newest first, and those that go on.
func (p *Portal) own(v *visit) (all, active []consent.Grant, err error) {
	grants, err := p.c.Grants.GrantsOf(v.Request.Context(), v.who)
	for _, g := range grants {
		if g.Consumer != v.who {
			continue // never another person's, whatever the store says
		}
		all = append(all, g)
		if g.StatusAt(p.c.Now()) == consent.StatusActive {
			active = append(active, g)
		}
	}
	return all, active, err
}

// eraseMark names the form that stops these grants and no others, and erases.
func eraseMark(active []consent.Grant) string {
	return "erase\n" + strings.TrimPrefix(stopAllMark(active), "stop all")
}

func askMark(id consent.GrantID) string { return "ask to erase\n" + string(id) }

const keepMark = "keep record"

func (p *Portal) getErase(v *visit) { p.showErase(v, http.StatusOK, page{}) }

func (p *Portal) showErase(v *visit, status int, pg page) {
	ctx, now := v.Request.Context(), p.c.Now()
	grants, active, err := p.own(v)
	if err != nil {
		p.eraseAway(v, fmt.Errorf("list grants: %w", err))
		return
	}
	wish, err := p.c.Erasures.Erasure(ctx, v.who)
	if err == nil {
		var requests []erasure.Request
		requests, err = p.c.Erasures.Requests(ctx, v.who)
		if err == nil {
			p.renderErase(v, status, pg, grants, active, wish, apps(v.t, p.c.Rules, grants, requests, now))
			return
		}
	}
	p.eraseAway(v, err)
}

func (p *Portal) renderErase(v *visit, status int, pg page, grants, active []consent.Grant, wish erasure.Erasure, all []askedApp) {
	ctx, now := v.Request.Context(), p.c.Now()
	d := erasePage{page: pg, Active: len(active), Apps: all, When: v.t.Moment(now.Add(erasure.Wait))}
	d.text, d.Title = v.t, v.t.T("erase.title")
	d.AnswerDays = v.t.T("erase.lead_apps", "Count", int(erasure.AnswerTime/(24*time.Hour)))
	d.Mark = p.c.Sessions.Mark(ctx, eraseMark(active))
	if wish.Asked() {
		d.At, d.Mark = v.t.Moment(wish.At), p.c.Sessions.Mark(ctx, keepMark)
	}
	for i, a := range all {
		if len(a.grants) > 0 {
			d.Apps[i].Mark = p.c.Sessions.Mark(ctx, askMark(a.Newest))
		}
		d.Kept = append(d.Kept, keptRow{a.App, v.t.Date(a.keptUntil)})
	}
	p.render(v, status, "erase", faulty(v.t, d.Title, d.Fault), "", d)
}

// eraseAway is away for all that is about erasing: it leads back to the page.
func (p *Portal) eraseAway(v *visit, cause error) {
	pr := unavailable
	pr.RetryURI = erasePath
	p.failed(v.Writer, v.Request, pr, cause)
}

// only reports whether a form has no fields but these.
func only(form map[string][]string, names ...string) bool {
	for name := range form {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

func (p *Portal) postErase(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	_, active, err := p.own(v)
	if err != nil {
		p.eraseAway(v, fmt.Errorf("list grants: %w", err))
		return
	}
	// What goes on must be what the page showed: an app that came since was not
	// there to be thought about.
	if !p.c.Sessions.Marked(ctx, eraseMark(active), form.Get("mark")) {
		p.showErase(v, http.StatusConflict, page{Notice: v.t.T("stale")})
		return
	}
	action := form.Get("action")
	if action != "erase" && action != "keep" || !only(form, "mark", "action", "sure") || form.Has("sure") && form.Get("sure") != "yes" {
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown action or field"))
		return
	}
	if action == "keep" {
		see(v.Context, homePath)
		return
	}
	if form.Get("sure") != "yes" {
		p.showErase(v, http.StatusUnprocessableEntity, page{Fault: v.t.T("erase.tick"), Field: "erase_sure"})
		return
	}
	if err := p.stopAll(v, active); err != nil {
		p.failed(v.Writer, v.Request, Problem{
			Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable",
			RetryURI: erasePath, title: "problem.stop_all",
		}, fmt.Errorf("stop all before erasing: %w", err))
		return
	}
	// The notice goes with it.
	if _, err := p.c.Erasures.Ask(ctx, v.who); err != nil {
		p.eraseAway(v, err)
		return
	}
	see(v.Context, erasePath)
}

// postEraseKeep takes a wish back.
func (p *Portal) postEraseKeep(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	if !p.c.Sessions.Marked(ctx, keepMark, form.Get("mark")) {
		p.showErase(v, http.StatusConflict, page{Notice: v.t.T("stale")})
		return
	}
	if !only(form, "mark") {
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown field"))
		return
	}
	if err := p.c.Erasures.Keep(ctx, v.who); err != nil {
		p.eraseAway(v, err)
		return
	}
	see(v.Context, erasePath)
}

// postEraseAsk asks an app to erase what it got under any grant of the person.
func (p *Portal) postEraseAsk(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	ctx, id := v.Request.Context(), consent.GrantID(form.Get("grant"))
	// A mark for it is on a page of this session only if it is the person's.
	if !p.c.Sessions.Marked(ctx, askMark(id), form.Get("mark")) {
		p.showErase(v, http.StatusConflict, page{Notice: v.t.T("stale")})
		return
	}
	if !only(form, "mark", "grant") {
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown field"))
		return
	}
	grants, _, err := p.own(v)
	if err != nil {
		p.eraseAway(v, fmt.Errorf("list grants: %w", err))
		return
	}
	i := slices.IndexFunc(grants, func(g consent.Grant) bool { return g.ID == id })
	if i < 0 {
		p.failed(v.Writer, v.Request, notFound, nil)
		return
	}
	for _, g := range grants {
		if g.Recipient != grants[i].Recipient {
			continue
		}
		if err := p.c.Erasures.AskApp(ctx, v.who, g.ID); err != nil {
			p.eraseAway(v, err)
			return
		}
	}
	see(v.Context, erasePath)
}
