package portal

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

// The rest of audit.Reads, in memory.

func (w *world) Find(_ context.Context, who consent.ConsumerID, f audit.Filter, before audit.Cursor, limit int) ([]audit.Record, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var page []audit.Record
	for _, r := range w.reads {
		older := before.At.IsZero() || cmp.Or(r.At.Compare(before.At), slices.Compare(r.RequestID[:], before.RequestID[:])) < 0
		fits := r.Consumer == who && older && (f.Recipient == "" || r.Recipient == f.Recipient) && (f.Account == "" || slices.Contains(r.Accounts, f.Account)) &&
			(f.Cluster == 0 || r.Clusters.Has(f.Cluster)) && (f.Outcome == "" || r.Outcome == f.Outcome) &&
			(f.Presence == "" || r.Attended == (f.Presence == audit.WhilePresent)) && f.Within(r.At)
		if fits && len(page) < limit {
			page = append(page, r)
		}
	}
	return page, w.isDown("reads")
}

func (w *world) Read(_ context.Context, who consent.ConsumerID, id [16]byte) (audit.Record, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.reads {
		if r.RequestID == id && (r.Consumer == who || w.sloppy) {
			return r, true, w.isDown("reads")
		}
	}
	return audit.Record{}, false, w.isDown("reads")
}

func (w *world) Changes(_ context.Context, who consent.ConsumerID, until time.Time, limit int) ([]consent.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []consent.Event
	for _, g := range w.grants {
		if g.Consumer != who && !w.sloppy {
			continue
		}
		for _, e := range w.events[g.ID] {
			if until.IsZero() || !e.At.After(until) {
				all = append(all, e)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b consent.Event) int { return b.At.Compare(a.At) })
	return all[:min(len(all), limit)], w.isDown("grants")
}

func (w *world) LookUps(_ context.Context, who consent.ConsumerID, until time.Time, limit int) ([]audit.LookUp, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []audit.LookUp
	for _, l := range w.lookUps {
		if (l.Consumer == who || w.sloppy) && (until.IsZero() || !l.At.After(until)) {
			all = append(all, l)
		}
	}
	return all[:min(len(all), limit)], w.isDown("reads")
}

func (w *world) Usage(_ context.Context, who consent.ConsumerID, zone *time.Location, now time.Time, days int) ([]audit.DayUse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := audit.Today(now, zone).AddDays(1 - days)
	by := map[fdx.Date]*audit.DayUse{}
	var order []fdx.Date
	for _, r := range w.reads {
		day := audit.Today(r.At, zone)
		if r.Consumer != who || r.Outcome == audit.Refused || day.Before(first) {
			continue
		}
		if by[day] == nil {
			by[day] = &audit.DayUse{Day: day, Grants: map[consent.GrantID]int{}, Clusters: map[string]int{}}
			order = append(order, day)
		}
		by[day].Grants[r.Grant]++
		by[day].Hours[r.At.In(zone).Hour()]++
		for _, name := range r.Clusters.Names() {
			by[day].Clusters[name]++
		}
	}
	slices.SortFunc(order, fdx.Date.Compare)
	var all []audit.DayUse
	for _, d := range order {
		all = append(all, *by[d])
	}
	return all, w.isDown("usage")
}

func (w *world) Pulse(_ context.Context, who consent.ConsumerID) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, r := range w.reads {
		if r.Consumer == who {
			n++
		}
	}
	for _, g := range w.grants {
		if g.Consumer == who {
			n += int(g.Epoch)
		}
	}
	for _, l := range w.lookUps {
		if l.Consumer == who {
			n++
		}
	}
	return fmt.Sprint("pulse-", n), w.isDown("pulse")
}
