package portal

import (
	"context"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

// rest changes a grant of a person as consent.Service does; the caller is
// unlocked.
func (w *world) rest(who consent.ConsumerID, id consent.GrantID, kind consent.EventKind, change func(*consent.Grant) bool) (consent.Grant, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.isDown("rest"); err != nil {
		return consent.Grant{}, err
	}
	w.asks++
	for i, g := range w.grants {
		if g.ID != id || g.Consumer != who {
			continue
		}
		if g.StatusAt(w.now) != consent.StatusActive {
			return g, consent.ErrEnded
		}
		if !change(&g) {
			return w.grants[i], consent.ErrConflict
		}
		g.Epoch++
		w.grants[i] = g
		e := consent.Event{Grant: id, Epoch: g.Epoch, Kind: kind, Actor: consent.ActorConsumer, At: w.now}
		if kind == consent.EventPaused {
			e.Until = g.PausedUntil
		}
		if kind == consent.EventHeld {
			e.Case = g.Case
		}
		w.events[id] = append(w.events[id], e)
		return g, nil
	}
	return consent.Grant{}, consent.ErrNotFound
}

func (w *world) PauseByConsumer(_ context.Context, who consent.ConsumerID, id consent.GrantID, until time.Time) (consent.Grant, error) {
	return w.rest(who, id, consent.EventPaused, func(g *consent.Grant) bool {
		if !until.After(w.now) || until.After(w.now.Add(consent.MaxPause)) || !until.Before(g.ExpiresAt) {
			w.t.Errorf("a pause until %s", until)
		}
		ok := g.RestAt(w.now) == ""
		g.PausedUntil = until
		return ok
	})
}

func (w *world) ResumeByConsumer(_ context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error) {
	return w.rest(who, id, consent.EventResumed, func(g *consent.Grant) bool {
		ok := g.PausedUntil.After(w.now)
		g.PausedUntil = time.Time{}
		return ok
	})
}

func (w *world) HoldByConsumer(_ context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error) {
	return w.rest(who, id, consent.EventHeld, func(g *consent.Grant) bool {
		ok := g.HeldAt.IsZero()
		g.HeldAt, g.Case = w.now, "H-ABCD-2345"
		return ok
	})
}

func (w *world) ReleaseByConsumer(_ context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error) {
	return w.rest(who, id, consent.EventReleased, func(g *consent.Grant) bool {
		ok := !g.HeldAt.IsZero()
		g.HeldAt, g.Case = time.Time{}, ""
		return ok
	})
}

func (w *world) Answer(_ context.Context, id consent.GrantID, a consent.StopAnswer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.isDown("answers"); err != nil {
		return err
	}
	if _, given := w.answers[id]; !given {
		w.answers[id] = a
	}
	return nil
}

func (w *world) PauseDays() int { w.mu.Lock(); defer w.mu.Unlock(); return w.pauseDays }

func (w *world) TakeOut() (accounts, data bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.edit != policy.EditNone, w.edit == policy.EditShrinkAccountsAndClusters
}

func (w *world) ShrinkByConsumer(_ context.Context, who consent.ConsumerID, id consent.GrantID, epoch int64, accounts []fdx.AccountID, clusters fdx.Clusters, shown consent.Disclosure) (consent.Grant, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.isDown("shrink"); err != nil {
		return consent.Grant{}, err
	}
	for i, g := range w.grants {
		if g.ID != id || g.Consumer != who {
			continue
		}
		if g.Epoch != epoch {
			return g, consent.ErrConflict
		}
		left, err := g.Without(accounts, clusters)
		if err != nil {
			return consent.Grant{}, err
		}
		w.grants[i].Resources, w.grants[i].Disclosure, w.grants[i].Epoch = left, shown, epoch+1
		w.events[id] = append(w.events[id], consent.Event{Grant: id, Epoch: epoch + 1, Kind: consent.EventChanged, Actor: consent.ActorConsumer, At: w.now})
		return w.grants[i], nil
	}
	return consent.Grant{}, consent.ErrNotFound
}

func (w *world) RecordDays(consent.Grant) int { return 1000 }

func (w *world) UnusedDays(consent.Grant) int { return w.unusedDays }

func (w *world) Languages() (all []string, also string) {
	if w.disclosed == nil {
		return languages, ""
	}
	return w.disclosed, w.also
}

func (w *world) Told(_ context.Context, id consent.GrantID, _ int64) (ToldState, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told[id], w.isDown("told")
}

func (w *world) Uses(_ context.Context, grants []consent.GrantID) (map[consent.GrantID]audit.Use, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	uses := map[consent.GrantID]audit.Use{}
	for _, id := range grants {
		for _, r := range w.reads {
			if r.Grant != id || r.Outcome == audit.Refused {
				continue
			}
			u := uses[id]
			if u.Clusters == nil {
				u.Clusters = map[fdx.Cluster]int{}
			}
			u.Reads++
			for _, c := range r.Clusters.List() {
				u.Clusters[c]++
			}
			uses[id] = u
		}
	}
	return uses, w.isDown("reads")
}

func (w *world) LastReads(_ context.Context, grants []consent.GrantID) (map[consent.GrantID]audit.Record, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := map[consent.GrantID]audit.Record{}
	for _, id := range grants {
		for _, r := range w.reads { // newest first
			if r.Grant == id && r.Outcome != audit.Refused {
				last[id] = r
				break
			}
		}
	}
	return last, w.isDown("reads")
}
