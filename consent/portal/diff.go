package portal

import (
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// diffGroup is one part of what a change is about: accounts, data or time.
type diffGroup struct {
	Title string
	Rows  []diffRow
}

// diffRow sets beside each other what holds now and what a yes makes of it.
type diffRow struct{ Name, Now, Then, Tone string }

// The tones of a row's last column. Its words say the same.
const (
	toneMore = "warn" // the app gets to see more
	toneLess = "good" // it sees less
)

// diff sets what a person shares with an app beside what a yes would have them
// share. rows are the accounts chosen now, at is when the page was made.
func diff(t *text, app consent.Recipient, q consent.Request, rows []accountRow, was earlier, at time.Time) []diffGroup {
	return []diffGroup{
		{t.T("fact.accounts"), was.accounts(t, q, rows)},
		{t.T("fact.data"), was.data(t, q)},
		{t.T("diff.terms"), was.terms(t, app, q, at)},
	}
}

// accounts lists those shared now, then those that are new.
func (was earlier) accounts(t *text, q consent.Request, chosen []accountRow) []diffRow {
	name := func(r accountRow) string { return strings.TrimSpace(r.Name + " " + r.Number) }
	in := func(list []accountRow, id fdx.AccountID) bool {
		return slices.ContainsFunc(list, func(r accountRow) bool { return r.ID == id })
	}
	var out []diffRow
	for _, r := range was.Held {
		row := diffRow{Name: name(r), Now: t.T("diff.shared"), Then: t.T("diff.kept")}
		switch again := in(chosen, r.ID); {
		case was.Action == consent.ActionReplace && !again:
			row.Then, row.Tone = t.T("diff.removed"), toneLess
		case was.Action == consent.ActionMerge && again && !covers(was.of(r.ID), q.Account):
			row.Then, row.Tone = t.T("diff.more"), toneMore
		}
		out = append(out, row)
	}
	for _, r := range chosen {
		if !in(was.Held, r.ID) {
			out = append(out, diffRow{name(r), t.T("diff.not"), t.T("diff.added"), toneMore})
		}
	}
	return out
}

// of returns the clusters that the grant holds of an account.
func (was earlier) of(id fdx.AccountID) fdx.Clusters {
	var set fdx.Clusters
	for _, r := range was.Grant.Resources {
		if r.Type == consent.ResourceAccount && r.ID == string(id) {
			set = set.Union(r.Clusters)
		}
	}
	return set
}

// covers reports whether everything in want can be read with have.
func covers(have, want fdx.Clusters) bool {
	have, want = have.Implied(), want.Implied()
	return have.Intersect(want) == want
}

// data lists what either side holds. What a wider cluster contains is shown
// with it, and on its own only where the other side names it on its own.
func (was earlier) data(t *text, q consent.Request) []diffRow {
	now, then := was.Grant.Clusters(), q.Clusters()
	if was.Action == consent.ActionMerge {
		then = then.Union(now)
	}
	var out []diffRow
	for _, c := range widest(now).Union(widest(then)).List() {
		row := diffRow{Name: t.T("data." + c.String() + ".label"), Now: t.T("diff.shared"), Then: t.T("diff.kept")}
		before, after := now.Implied().Has(c), then.Implied().Has(c)
		switch {
		case before && !after:
			row.Then, row.Tone = t.T("diff.removed"), toneLess
		case after && !before:
			row.Now, row.Then, row.Tone = t.T("diff.not"), t.T("diff.added"), toneMore
		}
		out = append(out, row)
	}
	return out
}

// terms are how long, how far back, and why if that becomes something else.
func (was earlier) terms(t *text, app consent.Recipient, q consent.Request, at time.Time) []diffRow {
	end := func(d consent.DurationType, at time.Time) string {
		if d == consent.OneTime {
			return t.Moment(at)
		}
		return t.Date(at)
	}
	g := was.Grant
	ends := diffRow{Name: t.T("fact.ends"), Now: end(g.Duration, g.ExpiresAt), Then: end(q.Duration, q.ExpiresAt(at))}
	if ends.Now != ends.Then {
		ends.Tone = toneLess
		if q.ExpiresAt(at).After(g.ExpiresAt) {
			ends.Tone = toneMore
		}
	}
	back := diffRow{Name: t.T("fact.back"), Now: t.T("fact.days", "Count", g.LookbackDays), Then: t.T("fact.days", "Count", q.LookbackDays)}
	switch {
	case q.LookbackDays > g.LookbackDays:
		back.Tone = toneMore
	case q.LookbackDays < g.LookbackDays:
		back.Tone = toneLess
	}
	rows := []diffRow{ends, back}
	if g.Purpose != q.Purpose.Code {
		before, known := app.Purpose(g.Purpose)
		row := diffRow{Name: t.T("fact.purpose"), Now: plain(before.Label, maxPurpose), Then: plain(q.Purpose.Label, maxPurpose), Tone: toneMore}
		if !known {
			row.Now = t.T("fact.unknown")
		}
		rows = append(rows, row)
	}
	return rows
}
