package consenttest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/headgate/headgate/consent"
)

// rests are the cases of Store.Rest.
func rests() map[string]func(*testing.T, consent.Store) {
	return map[string]func(*testing.T, consent.Store){
		"a pause and its end are written down":     pauseAndResume,
		"a hold and its end are written down":      holdAndRelease,
		"a pause that is over is no pause":         pauseIsOver,
		"a hold goes before a pause and leaves it": holdOverPause,
		"what does not fit changes nothing":        restDoesNotFit,
		"an unknown grant does not rest":           restUnknown,
		"a grant that is over does not rest":       restEnded,
		"a grant that rests can end":               restEnds,
		"a case number is given once":              caseOnce,
		"of many pauses one pauses":                pauseRace,
		"of many holds one holds":                  holdRace,
		"a pause and an end never lose each other": pauseAgainstEnd,
		"a rest begins and ends by its own events": restKinds,
	}
}

func newRestCase() string { return "H-" + uuid.NewString() }

func rest(t *testing.T, s consent.Store, c consent.RestChange) consent.Grant {
	t.Helper()
	g, err := s.Rest(context.Background(), c)
	if err != nil {
		t.Fatalf("%s: %v", c.Kind, err)
	}
	return g
}

func pause(id consent.GrantID, until time.Time) consent.RestChange {
	return consent.RestChange{Grant: id, Kind: consent.EventPaused, Actor: consent.ActorConsumer, Until: until.UTC().Truncate(time.Second)}
}

func hold(id consent.GrantID) consent.RestChange {
	return consent.RestChange{Grant: id, Kind: consent.EventHeld, Actor: consent.ActorConsumer, Case: newRestCase()}
}

func restOver(id consent.GrantID, kind consent.EventKind, by consent.Actor) consent.RestChange {
	return consent.RestChange{Grant: id, Kind: kind, Actor: by}
}

// events checks the kinds of a grant's events and that they have its epochs.
func events(t *testing.T, s consent.Store, id consent.GrantID, kinds ...consent.EventKind) []consent.Event {
	t.Helper()
	all, err := s.Events(context.Background(), id)
	if err != nil || len(all) != len(kinds) {
		t.Fatalf("events %+v (%v), want %v", all, err, kinds)
	}
	for i, e := range all {
		if e.Kind != kinds[i] || e.Epoch != int64(i+1) || e.At.IsZero() {
			t.Errorf("event %d is %+v, want %s", i, e, kinds[i])
		}
	}
	return all
}

func pauseAndResume(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	c := pause(g.ID, time.Now().Add(7*24*time.Hour))
	got := rest(t, s, c)
	want := g
	want.Epoch, want.PausedUntil, want.UpdatedAt = 2, c.Until, got.UpdatedAt
	if !reflect.DeepEqual(got, want) || got.UpdatedAt.IsZero() || !reflect.DeepEqual(mustGrant(t, s, g.ID), got) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.RestAt(time.Now()) != consent.RestPaused || got.StatusAt(time.Now()) != consent.StatusActive || got.Share().Active(time.Now()) {
		t.Errorf("rest %s of %+v", got.RestAt(time.Now()), got)
	}
	got = rest(t, s, restOver(g.ID, consent.EventResumed, consent.ActorConsumer))
	if got.RestAt(time.Now()) != "" || !got.PausedUntil.IsZero() || got.Epoch != 3 || !got.Share().Active(time.Now()) {
		t.Errorf("resumed: %+v", got)
	}
	all := events(t, s, g.ID, consent.EventGranted, consent.EventPaused, consent.EventResumed)
	if !all[1].Until.Equal(c.Until) || all[1].Actor != consent.ActorConsumer || !all[2].Until.IsZero() {
		t.Errorf("events %+v", all)
	}
}

func holdAndRelease(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	c := hold(g.ID)
	got := rest(t, s, c)
	want := g
	want.Epoch, want.Case, want.HeldAt, want.UpdatedAt = 2, c.Case, got.HeldAt, got.UpdatedAt
	if age := time.Since(got.HeldAt); age < -time.Minute || age > time.Minute || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(mustGrant(t, s, g.ID), got) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.RestAt(time.Now()) != consent.RestHeld || got.Share().Active(time.Now()) {
		t.Errorf("rest %s", got.RestAt(time.Now()))
	}
	got = rest(t, s, restOver(g.ID, consent.EventReleased, consent.ActorProvider))
	if got.RestAt(time.Now()) != "" || got.Case != "" || got.Epoch != 3 {
		t.Errorf("released: %+v", got)
	}
	all := events(t, s, g.ID, consent.EventGranted, consent.EventHeld, consent.EventReleased)
	if all[1].Case != c.Case || all[2].Actor != consent.ActorProvider || all[2].Case != "" {
		t.Errorf("events %+v", all)
	}
}

// The store takes the end of a pause as given, so that a test can write down
// one that is over.
func pauseIsOver(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	got := rest(t, s, pause(g.ID, time.Now().Add(-time.Hour)))
	if got.RestAt(time.Now()) != "" || !got.Share().Active(time.Now()) {
		t.Errorf("rest %s", got.RestAt(time.Now()))
	}
	if _, err := s.Rest(context.Background(), restOver(g.ID, consent.EventResumed, consent.ActorConsumer)); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("resume: got %v, want ErrConflict", err)
	}
	rest(t, s, pause(g.ID, time.Now().Add(time.Hour)))
}

func holdOverPause(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	rest(t, s, pause(g.ID, time.Now().Add(time.Hour)))
	if got := rest(t, s, hold(g.ID)); got.RestAt(time.Now()) != consent.RestHeld {
		t.Errorf("rest %s", got.RestAt(time.Now()))
	}
	if got := rest(t, s, restOver(g.ID, consent.EventReleased, consent.ActorConsumer)); got.RestAt(time.Now()) != consent.RestPaused {
		t.Errorf("rest %s", got.RestAt(time.Now()))
	}
}

func restDoesNotFit(t *testing.T, s consent.Store) {
	until := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		before []func(consent.GrantID) consent.RestChange
		change func(consent.GrantID) consent.RestChange
	}{
		"resume of what is not paused": {nil, func(id consent.GrantID) consent.RestChange {
			return restOver(id, consent.EventResumed, consent.ActorConsumer)
		}},
		"release of what is not held": {nil, func(id consent.GrantID) consent.RestChange {
			return restOver(id, consent.EventReleased, consent.ActorConsumer)
		}},
		"pause of what is paused": {[]func(consent.GrantID) consent.RestChange{func(id consent.GrantID) consent.RestChange { return pause(id, until) }}, func(id consent.GrantID) consent.RestChange { return pause(id, until.Add(time.Hour)) }},
		"pause of what is held":   {[]func(consent.GrantID) consent.RestChange{hold}, func(id consent.GrantID) consent.RestChange { return pause(id, until) }},
		"hold of what is held":    {[]func(consent.GrantID) consent.RestChange{hold}, hold},
	} {
		g := create(t, s, NewGrant(newConsumer(), time.Now()))
		for _, b := range c.before {
			g = rest(t, s, b(g.ID))
		}
		if got, err := s.Rest(context.Background(), c.change(g.ID)); !errors.Is(err, consent.ErrConflict) || got.ID != "" {
			t.Errorf("%s: got %+v, %v, want ErrConflict", name, got, err)
		}
		if got := mustGrant(t, s, g.ID); !reflect.DeepEqual(got, g) {
			t.Errorf("%s changed something: %+v", name, got)
		}
		if all, err := s.Events(context.Background(), g.ID); err != nil || len(all) != 1+len(c.before) {
			t.Errorf("%s: events %+v, %v", name, all, err)
		}
	}
}

func restUnknown(t *testing.T, s consent.Store) {
	id := consent.NewGrantID()
	for _, c := range []consent.RestChange{pause(id, time.Now().Add(time.Hour)), hold(id), restOver(id, consent.EventResumed, consent.ActorConsumer), restOver(id, consent.EventReleased, consent.ActorProvider)} {
		if _, err := s.Rest(context.Background(), c); !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", c.Kind, err)
		}
	}
}

func restEnded(t *testing.T, s consent.Store) {
	revoked := create(t, s, NewGrant(newConsumer(), time.Now()))
	if _, err := s.End(context.Background(), consent.End{Grant: revoked.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer}); err != nil {
		t.Fatal(err)
	}
	over := create(t, s, NewGrant(newConsumer(), time.Now().AddDate(0, 0, -31)))
	for _, id := range []consent.GrantID{revoked.ID, over.ID} {
		for _, c := range []consent.RestChange{pause(id, time.Now().Add(time.Hour)), hold(id), restOver(id, consent.EventResumed, consent.ActorConsumer), restOver(id, consent.EventReleased, consent.ActorProvider)} {
			if _, err := s.Rest(context.Background(), c); !errors.Is(err, consent.ErrEnded) {
				t.Errorf("%s: got %v, want ErrEnded", c.Kind, err)
			}
		}
	}
}

func restEnds(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	rest(t, s, pause(g.ID, time.Now().Add(time.Hour)))
	rest(t, s, hold(g.ID))
	got, err := s.End(context.Background(), consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction})
	if err != nil || got.Epoch != 4 || got.RestAt(time.Now()) != "" || got.StatusAt(time.Now()) != consent.StatusRevoked {
		t.Errorf("got %+v, %v", got, err)
	}
	events(t, s, g.ID, consent.EventGranted, consent.EventPaused, consent.EventHeld, consent.EventRevoked)
}

func caseOnce(t *testing.T, s consent.Store) {
	one, other := create(t, s, NewGrant(newConsumer(), time.Now())), create(t, s, NewGrant(newConsumer(), time.Now()))
	c := hold(one.ID)
	rest(t, s, c)
	rest(t, s, restOver(one.ID, consent.EventReleased, consent.ActorConsumer))
	c.Grant = other.ID
	if _, err := s.Rest(context.Background(), c); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if got := mustGrant(t, s, other.ID); !reflect.DeepEqual(got, other) {
		t.Errorf("held under another's case: %+v", got)
	}
}

func restKinds(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	for _, kind := range []consent.EventKind{"", consent.EventGranted, consent.EventRevoked, "slowed"} {
		if _, err := s.Rest(context.Background(), restOver(g.ID, kind, consent.ActorConsumer)); err == nil {
			t.Errorf("rested by %q", string(kind))
		}
	}
	events(t, s, g.ID, consent.EventGranted)
}

func pauseRace(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	until := time.Now().Add(time.Hour)
	OneWinner(t, Race(func(i int) error {
		_, err := s.Rest(context.Background(), pause(g.ID, until.Add(time.Duration(i)*time.Minute)))
		return err
	}), consent.ErrConflict)
	all := events(t, s, g.ID, consent.EventGranted, consent.EventPaused)
	if got := mustGrant(t, s, g.ID); got.Epoch != 2 || !got.PausedUntil.Equal(all[1].Until) {
		t.Errorf("got %+v, event %+v", got, all[1])
	}
}

func holdRace(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	OneWinner(t, Race(func(int) error {
		_, err := s.Rest(context.Background(), hold(g.ID))
		return err
	}), consent.ErrConflict)
	all := events(t, s, g.ID, consent.EventGranted, consent.EventHeld)
	if got := mustGrant(t, s, g.ID); got.Case != all[1].Case || got.Case == "" {
		t.Errorf("got %+v, event %+v", got, all[1])
	}
}

// Whatever the order, the end is the end, and a pause that came too late says
// so.
func pauseAgainstEnd(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	paused := false
	for i, err := range Race(func(i int) error {
		if i == 0 {
			_, err := s.End(context.Background(), consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer})
			return err
		}
		_, err := s.Rest(context.Background(), pause(g.ID, time.Now().Add(time.Hour)))
		return err
	}) {
		switch {
		case i == 0 && err != nil:
			t.Errorf("the end: %v", err)
		case i > 0 && err == nil:
			paused = true
		case i > 0 && !errors.Is(err, consent.ErrEnded) && !errors.Is(err, consent.ErrConflict):
			t.Errorf("a pause: %v", err)
		}
	}
	kinds := []consent.EventKind{consent.EventGranted, consent.EventRevoked}
	if paused {
		kinds = []consent.EventKind{consent.EventGranted, consent.EventPaused, consent.EventRevoked}
	}
	events(t, s, g.ID, kinds...)
	if got := mustGrant(t, s, g.ID); got.Status != consent.StatusRevoked || got.Share().Active(time.Now()) || got.Epoch != int64(len(kinds)) {
		t.Errorf("got %+v", got)
	}
}
