package portal

import (
	"net/url"
	"time"

	"github.com/headgate/headgate/consent"
)

// soon is how long before its end a grant counts as ending soon.
const soon = 30 * 24 * time.Hour

// grantRow is what pages show of one grant.
type grantRow struct {
	ID       consent.GrantID
	App      string
	Legal    string
	Home     string // the app's home page; empty when it has none to link to
	Page     string // address of the grant's page
	StopID   string // element id of its stop control
	State    string
	Tone     string // class of the state
	Active   bool
	Accounts string
	Purpose  string
	Since    string
	Ends     string
	Ended    string
	By       string // who ended it
	Last     string // last read
	What     string // what was read then
	Lookback string
	Rest     consent.Rest
	Until    string // when a pause ends
	Case     string // number of a hold
}

// endsSoon reports whether the end of a grant that goes on is near enough to
// be told of.
func endsSoon(g consent.Grant, now time.Time) bool {
	return g.Duration != consent.OneTime && g.ExpiresAt.Sub(now) <= soon
}

// row puts a grant into words. purpose is the app's own sentence.
func (p *Portal) row(t *text, g consent.Grant, purpose string) grantRow {
	now := p.c.Now()
	r := grantRow{
		ID: g.ID, App: t.T("problem.app"), Page: grantPath(g.ID), StopID: "stop_sharing",
		State: t.T("state.ended"), Accounts: t.T("fact.count", "Count", len(g.Accounts())),
		Purpose: plain(purpose, maxPurpose), Since: t.Date(g.CreatedAt), Ends: t.Date(g.ExpiresAt),
		Lookback: t.T("fact.days", "Count", g.LookbackDays),
	}
	for _, party := range g.Parties {
		if party.Type != consent.PartyRecipient {
			continue
		}
		if name := plain(party.Name, maxName); name != "" {
			r.App = name
		}
		r.Legal, r.Home = plain(party.RegisteredEntityName, maxName), webAddress(party.HomeURI)
		break
	}
	if g.StatusAt(now) != consent.StatusActive {
		r.Ended, r.By = t.Moment(endOf(g)), t.T(endedBy(g), "Bank", p.c.UI.Bank())
		return r
	}
	r.Active, r.State, r.Tone = true, t.T("state.active"), "good"
	if endsSoon(g, now) {
		r.State, r.Tone = t.T("state.soon"), "warn"
	}
	if g.Duration == consent.OneTime {
		r.Ends = t.Moment(g.ExpiresAt)
	}
	switch r.Rest = g.RestAt(now); r.Rest {
	case consent.RestHeld:
		r.State, r.Tone, r.Case = t.T("state.held"), "bad", g.Case
	case consent.RestPaused:
		r.State, r.Tone, r.Until = t.T("state.paused"), "warn", t.Date(g.PausedUntil)
	}
	return r
}

// restText says what an event of a rest was; otherwise for any other.
func restText(t *text, e consent.Event, bank, otherwise string) string {
	switch e.Kind {
	case consent.EventPaused:
		return t.T("grant.paused", "Date", t.Date(e.Until))
	case consent.EventHeld:
		return t.T("grant.held", "Case", e.Case)
	case consent.EventReleased:
		if e.Actor == consent.ActorProvider {
			return t.T("grant.released_bank", "Bank", bank)
		}
	}
	return otherwise
}

// endOf returns when a grant that is over ended. Its time may have run out
// without anybody having written that down yet.
func endOf(g consent.Grant) time.Time {
	if g.EndedAt.IsZero() {
		return g.ExpiresAt
	}
	return g.EndedAt
}

// endedBy returns the catalogue key for who ended a grant that is over.
func endedBy(g consent.Grant) string {
	switch {
	case g.Status == consent.StatusActive, g.EndedBy == consent.ActorTime:
		return "by.time"
	case g.EndedBy == consent.ActorConsumer:
		return "by.consumer"
	case g.EndedBy == consent.ActorRecipient:
		return "by.recipient"
	default:
		return "by.provider"
	}
}

func grantPath(id consent.GrantID) string { return "/portal/grants/" + url.PathEscape(string(id)) }

// eventRow is one entry of a grant's history.
type eventRow struct{ Time, Text string }

func eventRows(t *text, events []consent.Event, bank string) []eventRow {
	rows := make([]eventRow, 0, len(events))
	for _, e := range events {
		key := "grant." + string(e.Kind)
		if !t.has(key) {
			key = "grant.other"
		}
		row := eventRow{t.Moment(e.At), t.T(key)}
		if e.Kind == consent.EventRevoked {
			row.Text = t.T(endedBy(consent.Grant{Status: consent.StatusRevoked, EndedBy: e.Actor}), "Bank", bank)
		}
		row.Text = restText(t, e, bank, row.Text)
		rows = append(rows, row)
	}
	return rows
}
