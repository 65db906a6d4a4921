package portal

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/web"
)

const (
	// unusedAfter is how long an app reads nothing before the page says so.
	unusedAfter = 60 * 24 * time.Hour
	// many is how many apps are listed without a search.
	many = 8
	// endedOnHome is how many ended grants the first page lists.
	endedOnHome = 5
)

// homePage is what home.html gets.
type homePage struct {
	page
	Title         string
	Count         int        // of all apps whose sharing goes on
	Seeing        int        // of those that can see data now: the others rest
	Active, Ended []grantRow // those that are listed
	More          bool       // there are more ended ones
	Search        bool       // there are so many that one can search
	Query         string
	States        []stateOption
	Filtered      bool   // a search is on
	CanErase      bool   // the record can be erased
	Switch        string // address of the switch; empty when there is none
	Off           bool   // new sharing is switched off
}

// stateOption is one choice of what is listed.
type stateOption struct {
	Value, Text string
	Chosen      bool
}

// The values of the state filter; "" lists all.
const (
	stateAll    = ""
	stateOn     = "sharing"
	stateSoon   = "soon"
	stateUnused = "unused"
	statePaused = "paused"
	stateHeld   = "held"
)

func stateOptions(t *text, chosen string) []stateOption {
	all := []stateOption{
		{Value: stateAll, Text: t.T("home.all")},
		{Value: stateOn, Text: t.T("state.active")},
		{Value: stateSoon, Text: t.T("state.soon")},
		{Value: stateUnused, Text: t.T("state.unused")},
		{Value: statePaused, Text: t.T("state.paused")},
		{Value: stateHeld, Text: t.T("state.held")},
	}
	for i := range all {
		all[i].Chosen = all[i].Value == chosen
	}
	return all
}

// stateOf is the filter value of a grant that goes on.
func (p *Portal) stateOf(r grantRow, g consent.Grant, last lastReads) string {
	switch {
	case r.Rest == consent.RestHeld:
		return stateHeld
	case r.Rest == consent.RestPaused:
		return statePaused
	case endsSoon(g, p.c.Now()):
		return stateSoon
	case last.unused(g, p.c.Now()):
		return stateUnused
	default:
		return stateOn
	}
}

// list fills the page with a person's grants, those that query and state let
// through.
func (p *Portal) list(v *visit, h *homePage, grants []consent.Grant, query, state string) {
	now := p.c.Now()
	var active, ended []consent.Grant
	for _, g := range grants {
		switch {
		case g.Consumer != v.who: // never another person's, whatever the store says
		case g.StatusAt(now) == consent.StatusActive:
			active = append(active, g)
		default:
			ended = append(ended, g)
		}
	}
	h.Count, h.Search, h.More = len(active), len(active) > many, len(ended) > endedOnHome
	if !h.Search {
		query, state = "", stateAll
	}
	h.Query, h.States = query, stateOptions(v.t, state)
	h.Filtered = query != "" || state != stateAll
	last := p.lastReads(v, ids(active))
	apps := map[consent.RecipientID]consent.Recipient{}
	for _, g := range active {
		row := p.row(v.t, g, p.purpose(v, g, apps))
		if row.Rest == "" {
			h.Seeing++
		}
		row.Last, row.What = last.of(v.t, g.ID)
		of := p.stateOf(row, g, last)
		if of == stateUnused {
			row.State, row.Tone = v.t.T("state.unused"), "warn"
		}
		if state != stateAll && of != state || !strings.Contains(strings.ToLower(row.App), strings.ToLower(query)) {
			continue
		}
		if n := len(h.Active) + 1; n > 1 {
			row.StopID += "_" + strconv.Itoa(n)
		}
		h.Active = append(h.Active, row)
	}
	for _, g := range latest(ended)[:min(len(ended), endedOnHome)] {
		h.Ended = append(h.Ended, p.row(v.t, g, ""))
	}
}

// latest sorts grants that are over by when they ended, the latest first.
func latest(grants []consent.Grant) []consent.Grant {
	slices.SortStableFunc(grants, func(a, b consent.Grant) int {
		return cmp.Or(endOf(b).Compare(endOf(a)), cmp.Compare(a.ID, b.ID))
	})
	return grants
}

func ids(grants []consent.Grant) []consent.GrantID {
	all := make([]consent.GrantID, len(grants))
	for i, g := range grants {
		all[i] = g.ID
	}
	return all
}

// lastReads are the last reads of some grants.
type lastReads struct {
	known bool
	reads map[consent.GrantID]audit.Record
}

// lastReads looks when grants were last read. A record that cannot be read
// must not keep anybody from the stop button, so it is only noted.
func (p *Portal) lastReads(v *visit, grants []consent.GrantID) lastReads {
	if len(grants) == 0 {
		return lastReads{}
	}
	ctx := v.Request.Context()
	reads, err := p.c.Uses.LastReads(ctx, grants)
	if err != nil {
		web.Fields(ctx).Cause = fmt.Errorf("find last reads: %w", err)
	}
	return lastReads{err == nil, reads}
}

// of says when a grant was last read, and what.
func (l lastReads) of(t *text, id consent.GrantID) (when, what string) {
	r, found := l.reads[id]
	switch {
	case !l.known:
		return t.T("fact.unknown"), ""
	case !found:
		return t.T("fact.never"), ""
	}
	var labels []string
	for _, c := range clusterRows(t, r.Clusters) {
		labels = append(labels, c.Label)
	}
	return t.Moment(r.At), t.list(labels)
}

// unused reports whether nothing was read under a grant for long.
func (l lastReads) unused(g consent.Grant, now time.Time) bool {
	since := g.CreatedAt
	if r, found := l.reads[g.ID]; found {
		since = r.At
	}
	return l.known && now.Sub(since) >= unusedAfter
}
