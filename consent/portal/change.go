package portal

import (
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// earlier is what a person shares with the app before the change that a
// journey is about. The zero value is that of a journey about something new.
type earlier struct {
	consent.Change
	Grant  consent.Grant
	Agreed string       // the day on which it was agreed
	Held   []accountRow // the accounts in it
}

// changed returns the grant that a journey changes; the zero Grant when it
// changes none. It is false when it sent the browser on: to the dispatcher,
// which tells the app, when there is no such grant of this person any more in
// the version that the journey is about.
func (p *Portal) changed(j *journey) (consent.Grant, bool) {
	c := j.a.Request.Change
	if !c.Asked() {
		return consent.Grant{}, true
	}
	g, err := p.c.Grants.GrantOfConsumer(j.Request.Context(), j.a.Consumer, c.Grant)
	switch {
	case errors.Is(err, consent.ErrNotFound), err == nil && (!c.Of(g, p.c.Now()) || g.Recipient != j.a.Recipient):
		see(j.Context, j.dispatcher())
		return consent.Grant{}, false
	case err != nil:
		p.down(j, fmt.Errorf("load grant: %w", err))
		return consent.Grant{}, false
	}
	return g, true
}

// earlier puts into words what the journey changes; false as for changed.
func (p *Portal) earlier(j *journey, choices []consent.AccountChoice) (earlier, bool) {
	g, ok := p.changed(j)
	if !ok || g.ID == "" {
		return earlier{}, ok
	}
	events, err := p.c.Grants.Events(j.Request.Context(), g.ID)
	if err != nil {
		p.down(j, fmt.Errorf("load events: %w", err))
		return earlier{}, false
	}
	agreed := g.CreatedAt
	for _, e := range events {
		if e.Kind == consent.EventChanged {
			agreed = e.At
		}
	}
	return earlier{
		Change: j.a.Request.Change, Grant: g, Agreed: j.t.Date(agreed), Held: heldAccounts(j.t, g, choices),
	}, true
}

// heldAccounts lists the accounts of a grant as the person knows them.
func heldAccounts(t *text, g consent.Grant, choices []consent.AccountChoice) []accountRow {
	byID := map[fdx.AccountID]accountRow{}
	for _, row := range accountRows(t, choices, nil) {
		row.Notes = nil // they are about choosing
		byID[row.ID] = row
	}
	var rows []accountRow
	for _, id := range g.Accounts() {
		row, known := byID[id]
		if !known {
			row = accountRow{ID: id, Name: t.T("fact.gone")}
		}
		rows = append(rows, row)
	}
	return rows
}

// kept are the accounts that are ticked when the account page of a journey is
// shown first. Where what is shared is replaced, those are the ones that the
// person chose the last time. Nothing is ticked for
// somebody who adds to it: what stays shared needs no tick, and to share more
// of an account is a choice that nobody has made yet.
func kept(c consent.Change, g consent.Grant) []fdx.AccountID {
	if c.Action != consent.ActionReplace {
		return nil
	}
	return g.Accounts()
}

// choosing says above the accounts what a tick means.
func choosing(t *text, app string, c consent.Change) string {
	switch c.Action {
	case consent.ActionReplace:
		return t.T("accounts.replace", "App", app)
	case consent.ActionMerge:
		return t.T("accounts.merge", "App", app)
	default:
		return t.T("accounts.lead", "App", app)
	}
}

// changes adds to a review what a yes makes of what is shared now.
func (v *review) changes(t *text, app consent.Recipient, q consent.Request, rows []accountRow, was earlier, at time.Time) {
	if !was.Asked() {
		return
	}
	name := plain(app.Name, maxName)
	sentence := t.T("review.replaces", "App", name, "Date", was.Agreed)
	if was.Action == consent.ActionMerge {
		sentence = t.T("review.adds", "App", name, "Date", was.Agreed)
	}
	v.Now = titled{t.T("diff.title"), []string{sentence}}
	v.Diff = diff(t, app, q, rows, was, at)
	v.Next.Lines = []string{t.T("review.then_change", "App", name)}
}
