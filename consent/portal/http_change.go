package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Shrinker takes accounts and data out of a grant for the person who gave it.
// *consent.Service is one.
type Shrinker interface {
	// ShrinkByConsumer is as in consent.Service: once it has returned nil, no
	// read that starts later is given what was taken out.
	ShrinkByConsumer(ctx context.Context, who consent.ConsumerID, id consent.GrantID, epoch int64, accounts []fdx.AccountID, clusters fdx.Clusters, shown consent.Disclosure) (consent.Grant, error)
}

// takenOutVersion is the version of the text that is kept with a grant when
// something was taken out of it. A new wording needs a new version.
const takenOutVersion = "take-out-2026-11-22"

func changePath(id consent.GrantID) string { return grantPath(id) + "/change" }

// changeRoutes adds the page on which people share less.
func (p *Portal) changeRoutes(e *gin.Engine) {
	if p.c.Shrinker == nil {
		return
	}
	e.GET("/portal/grants/:id/change", p.signedIn(p.getChange))
	e.POST("/portal/grants/:id/change", p.signedIn(p.postChange))
}

// takeable returns what the rules let a person take out of a grant that goes
// on: what is the only one of its kind stays, because to take that out is to
// stop.
func (p *Portal) takeable(g consent.Grant) (accounts []fdx.AccountID, data []fdx.Cluster) {
	if p.c.Shrinker == nil || g.StatusAt(p.c.Now()) != consent.StatusActive {
		return nil, nil
	}
	mayAccounts, mayData := p.c.Rules.TakeOut()
	if all := g.Accounts(); mayAccounts && len(all) > 1 {
		accounts = all
	}
	if all := widest(g.Clusters()).List(); mayData && len(all) > 1 {
		data = all
	}
	return accounts, data
}

// changePage is what change.html gets.
type changePage struct {
	page
	grantRow
	Title, Mark string
	Accounts    []takeRow
	Data        []takeRow
}

// takeRow is something that can be taken out.
type takeRow struct {
	Field      string // element id and name
	Name, Line string
	Ticked     bool
	account    fdx.AccountID
	cluster    fdx.Cluster
}

// changeMark names the form that takes something out of one version of a
// grant: what stays must be what the person saw.
func changeMark(g consent.Grant) string { return fmt.Sprintf("change\n%s\n%d", g.ID, g.Epoch) }

// changeRows lists what can be taken out; false when it has answered.
func (p *Portal) changeRows(v *visit, g consent.Grant) (accounts, data []takeRow, ok bool) {
	mayAccounts, mayData := p.takeable(g)
	if mayAccounts == nil && mayData == nil {
		p.resting(v, g) // nothing to be done here; the grant's page says why
		return nil, nil, false
	}
	if mayAccounts != nil {
		choices, err := p.c.Accounts.Choices(v.Request.Context(), v.who)
		if err != nil {
			p.away(v, fmt.Errorf("list accounts: %w", err))
			return nil, nil, false
		}
		for i, row := range heldAccounts(v.t, g, choices) {
			accounts = append(accounts, takeRow{Field: "account_" + strconv.Itoa(i+1), Name: row.Name, Line: row.Number, account: row.ID})
		}
	}
	if mayData != nil {
		for i, row := range clusterRows(v.t, g.Clusters()) {
			c := mayData[i]
			data = append(data, takeRow{Field: "data_" + c.String(), Name: row.Label, Line: row.Line, cluster: c})
		}
	}
	return accounts, data, true
}

func (p *Portal) getChange(v *visit) {
	v.t = p.agreeing(v.t, "")
	if g, ok := p.grant(v); ok {
		if accounts, data, ok := p.changeRows(v, g); ok {
			p.showChange(v, g, http.StatusOK, page{}, accounts, data)
		}
	}
}

func (p *Portal) showChange(v *visit, g consent.Grant, status int, pg page, accounts, data []takeRow) {
	d := changePage{page: pg, grantRow: p.row(v.t, g, ""), Accounts: accounts, Data: data}
	d.text, d.Mark = v.t, p.c.Sessions.Mark(v.Request.Context(), changeMark(g))
	d.Title = v.t.T("change.title", "App", d.App)
	p.render(v, status, "change", faulty(v.t, d.Title, d.Fault), "", d)
}

func (p *Portal) postChange(v *visit) {
	v.t = p.agreeing(v.t, "")
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	g, ok := p.grant(v)
	if !ok {
		return
	}
	accounts, data, ok := p.changeRows(v, g)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	if !p.c.Sessions.Marked(ctx, changeMark(g), form.Get("mark")) {
		p.showChange(v, g, http.StatusConflict, page{Notice: v.t.T("stale")}, accounts, data)
		return
	}
	var out []fdx.AccountID
	var clusters fdx.Clusters
	known := []string{"mark", "action"}
	for _, rows := range [][]takeRow{accounts, data} {
		for i := range rows {
			row := &rows[i]
			known = append(known, row.Field)
			row.Ticked = form.Get(row.Field) == "out"
			if form.Has(row.Field) && !row.Ticked {
				p.failed(v.Writer, v.Request, badForm, errors.New("unknown choice"))
				return
			}
			switch {
			case !row.Ticked:
			case row.account != "":
				out = append(out, row.account)
			default:
				clusters = clusters.With(row.cluster)
			}
		}
	}
	if action := form.Get("action"); action != "change" && action != "keep" || !only(form, known...) {
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown action or field"))
		return
	}
	if form.Get("action") == "keep" {
		see(v.Context, grantPath(g.ID))
		return
	}
	again := func(text string) {
		field := "change_confirm"
		if rows := slices.Concat(accounts, data); len(rows) > 0 {
			field = rows[0].Field
		}
		p.showChange(v, g, http.StatusUnprocessableEntity, page{Fault: text, Field: field}, accounts, data)
	}
	left, err := g.Without(out, clusters)
	switch {
	case errors.Is(err, consent.ErrNothingTaken):
		again(v.t.T("change.none"))
		return
	case errors.Is(err, consent.ErrNothingLeft):
		again(v.t.T("change.all"))
		return
	}
	shown := p.takenOut(v.t, g, left, accounts, data)
	_, err = p.c.Shrinker.ShrinkByConsumer(ctx, v.who, g.ID, g.Epoch, out, clusters, shown)
	switch {
	case err == nil:
		see(v.Context, grantPath(g.ID)+"?changed")
	case errors.Is(err, consent.ErrConflict), errors.Is(err, consent.ErrEnded):
		see(v.Context, changePath(g.ID)) // it has changed meanwhile
	default:
		p.failed(v.Writer, v.Request, Problem{
			Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryURI: changePath(g.ID), title: "problem.change",
		}, fmt.Errorf("shrink grant: %w", err))
	}
}

// takenOut is the text that is kept with the grant: what was taken out, and
// what stays. Names are as the person saw them.
func (p *Portal) takenOut(t *text, g consent.Grant, left []consent.Resource, accounts, data []takeRow) consent.Disclosure {
	app := recipientOf(t, g.Parties).Name
	lines := []string{t.T("change.title", "App", app), "", t.T("change.out")}
	for _, row := range slices.Concat(accounts, data) {
		if row.Ticked {
			lines = append(lines, "– "+strings.TrimSpace(row.Name+" "+number(row)))
		}
	}
	after := g
	after.Resources = left
	lines = append(lines, "", t.T("change.stays", "App", app), t.T("fact.count", "Count", len(after.Accounts())))
	for _, row := range accounts {
		if slices.Contains(after.Accounts(), row.account) {
			lines = append(lines, "– "+strings.TrimSpace(row.Name+" "+row.Line))
		}
	}
	for _, row := range clusterRows(t, after.Clusters()) {
		lines = append(lines, "– "+row.Label)
	}
	lines = append(lines, "", t.T("fact.ends")+": "+t.Date(g.ExpiresAt))
	return consent.Disclosure{Version: takenOutVersion, Locale: t.Lang, Text: strings.Join(lines, "\n") + "\n"}
}

// number is the number of an account; data has none.
func number(row takeRow) string {
	if row.account == "" {
		return ""
	}
	return row.Line
}
