package consenttest

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/headgate/headgate/consent"
)

// Store is the contract of consent.Store. open returns a store, which may be
// the same one each time: every case uses ids of its own. The store's clock
// must be within a minute of time.Now.
func Store(t *testing.T, open func(*testing.T) consent.Store) {
	cases := map[string]func(*testing.T, consent.Store){
		"a grant comes back as it was given":          grantComesBack,
		"an unknown grant is not found":               unknownGrant,
		"another's grant is not found":                ofItsOwner,
		"an id is given once":                         idOnce,
		"a grant begins active in epoch 1":            beginsActive,
		"a consumer's grants are listed newest first": grantsOf,
		"a recipient's grants are listed by place":    grantsOfRecipient,
		"an end tells who wanted it":                  endForSomebody,
		"an end by its owner":                         endByItsOwner,
		"an end is final":                             endIsFinal,
		"an unknown grant does not end":               endUnknown,
		"a grant ends as revoked or expired only":     endStatus,
		"a grant whose time is over is not revoked":   endAfterTime,
		"history is told in order":                    history,
		"of many ends one is the end":                 endRace,
		"of many creations one creates":               createRace,
	}
	maps.Copy(cases, rests())
	maps.Copy(cases, shrinks())
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t))
		})
	}
}

func newConsumer() consent.ConsumerID { return consent.ConsumerID("consumer-" + uuid.NewString()) }

func create(t *testing.T, s consent.Store, g consent.Grant) consent.Grant {
	t.Helper()
	if err := s.Create(context.Background(), g); err != nil {
		t.Fatalf("create: %v", err)
	}
	return g
}

func grantComesBack(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	if got := mustGrant(t, s, g.ID); !reflect.DeepEqual(got, g) {
		t.Errorf("got  %+v\nwant %+v", got, g)
	}
	// A returned value is a snapshot: to change it changes nothing.
	got := mustGrant(t, s, g.ID)
	got.Resources[0].ID = "somebody else's"
	if got := mustGrant(t, s, g.ID); !reflect.DeepEqual(got, g) {
		t.Errorf("the stored grant changed with a returned value")
	}
}

func unknownGrant(t *testing.T, s consent.Store) {
	if _, err := s.Grant(context.Background(), consent.NewGrantID()); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

// Another's grant is as unknown as one that there is not.
func ofItsOwner(t *testing.T, s consent.Store) {
	ctx := context.Background()
	g, other := create(t, s, NewGrant(newConsumer(), time.Now())), create(t, s, NewGrant(newConsumer(), time.Now()))
	if got, err := s.GrantOfConsumer(ctx, g.Consumer, g.ID); err != nil || !reflect.DeepEqual(got, g) {
		t.Errorf("the consumer's: %+v, %v", got, err)
	}
	if got, err := s.GrantOfRecipient(ctx, g.Recipient, g.ID); err != nil || !reflect.DeepEqual(got, g) {
		t.Errorf("the recipient's: %+v, %v", got, err)
	}
	for _, who := range []consent.ConsumerID{other.Consumer, newConsumer(), ""} {
		if got, err := s.GrantOfConsumer(ctx, who, g.ID); !errors.Is(err, consent.ErrNotFound) || got.ID != "" {
			t.Errorf("consumer %q: got %+v, %v, want ErrNotFound", who, got, err)
		}
	}
	for _, who := range []consent.RecipientID{OtherRecipient, "nobody", ""} {
		if got, err := s.GrantOfRecipient(ctx, who, g.ID); !errors.Is(err, consent.ErrNotFound) || got.ID != "" {
			t.Errorf("recipient %q: got %+v, %v, want ErrNotFound", who, got, err)
		}
	}
	_, err := s.GrantOfConsumer(ctx, g.Consumer, consent.NewGrantID())
	_, err2 := s.GrantOfRecipient(ctx, g.Recipient, consent.NewGrantID())
	if !errors.Is(err, consent.ErrNotFound) || !errors.Is(err2, consent.ErrNotFound) {
		t.Errorf("of no grant: %v, %v, want ErrNotFound", err, err2)
	}
}

func idOnce(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	second := NewGrant(newConsumer(), time.Now())
	second.ID = g.ID
	if err := s.Create(context.Background(), second); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if got := mustGrant(t, s, g.ID); got.Consumer != g.Consumer {
		t.Errorf("the first grant was replaced")
	}
	if events, err := s.Events(context.Background(), g.ID); err != nil || len(events) != 1 {
		t.Errorf("got %d events (%v), want 1", len(events), err)
	}
}

func beginsActive(t *testing.T, s consent.Store) {
	for name, spoil := range map[string]func(*consent.Grant){
		"revoked": func(g *consent.Grant) { g.Status = consent.StatusRevoked },
		"unknown": func(g *consent.Grant) { g.Status = "PENDING" },
		"epoch 0": func(g *consent.Grant) { g.Epoch = 0 },
		"epoch 2": func(g *consent.Grant) { g.Epoch = 2 },
	} {
		g := NewGrant(newConsumer(), time.Now())
		spoil(&g)
		if err := s.Create(context.Background(), g); err == nil {
			t.Errorf("%s was created", name)
		}
		if _, err := s.Grant(context.Background(), g.ID); !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", name, err)
		}
	}
}

func grantsOf(t *testing.T, s consent.Store) {
	ctx, who, now := context.Background(), newConsumer(), time.Now()
	if got, err := s.GrantsOf(ctx, who); err != nil || got != nil {
		t.Errorf("got %v, %v, want nil and no error", got, err)
	}
	oldest := create(t, s, NewGrant(who, now.Add(-2*time.Hour)))
	newest := create(t, s, NewGrant(who, now))
	middle := create(t, s, NewGrant(who, now.Add(-time.Hour)))
	create(t, s, NewGrant(newConsumer(), now)) // somebody else's
	if _, err := s.End(ctx, consent.End{Grant: middle.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction}); err != nil {
		t.Fatal(err)
	}
	got, err := s.GrantsOf(ctx, who)
	if err != nil || len(got) != 3 {
		t.Fatalf("got %d grants (%v), want 3", len(got), err)
	}
	for i, want := range []consent.GrantID{newest.ID, middle.ID, oldest.ID} {
		if got[i].ID != want {
			t.Errorf("place %d is the wrong grant", i)
		}
	}
	if !reflect.DeepEqual(got[0], newest) {
		t.Errorf("got  %+v\nwant %+v", got[0], newest)
	}
}

func grantsOfRecipient(t *testing.T, s consent.Store) {
	ctx, now := context.Background(), time.Now().UTC().Truncate(time.Second)
	who, somebody := newConsumer(), newConsumer()
	end := func(g consent.Grant, status consent.Status) {
		if _, err := s.End(ctx, consent.End{Grant: g.ID, Status: status, Actor: consent.ActorProvider}); err != nil {
			t.Fatal(err)
		}
	}
	made := func(who consent.ConsumerID, at time.Time) consent.Grant { return create(t, s, NewGrant(who, at)) }
	over, swept, revoked := made(who, now.AddDate(0, 0, -40)), made(who, now.AddDate(0, 0, -35)), made(who, now.Add(-2*time.Hour))
	end(swept, consent.StatusExpired)
	end(revoked, consent.StatusRevoked)
	active := []consent.Grant{made(who, now), made(who, now), made(who, now)} // of one moment
	slices.SortFunc(active, func(a, b consent.Grant) int { return strings.Compare(string(b.ID), string(a.ID)) })
	made(somebody, now)
	foreign := NewGrant(who, now)
	foreign.Recipient = OtherRecipient
	create(t, s, foreign)

	for name, row := range map[string]struct {
		f    consent.Filter
		want []consent.Grant
	}{
		"everything":   {consent.Filter{}, append(slices.Clone(active), revoked, swept, over)},
		"active":       {consent.Filter{Status: consent.StatusActive}, active},
		"expired":      {consent.Filter{Status: consent.StatusExpired}, []consent.Grant{swept, over}},
		"revoked":      {consent.Filter{Status: consent.StatusRevoked}, []consent.Grant{revoked}},
		"another time": {consent.Filter{Status: consent.StatusActive, At: now.AddDate(0, 0, -20)}, append(slices.Clone(active), over)},
	} {
		row.f.Consumer = who
		if row.f.At.IsZero() {
			row.f.At = now
		}
		for _, limit := range []int{1, 2, 100} {
			var got []consent.GrantID
			for after := (consent.Place{}); ; {
				page, err := s.GrantsOfRecipient(ctx, Recipient, row.f, after, limit)
				if err != nil || len(page) > limit {
					t.Fatalf("%s: %d grants, %v", name, len(page), err)
				}
				if page == nil {
					break
				}
				for _, g := range page {
					got = append(got, g.ID)
				}
				last := page[len(page)-1]
				after = consent.Place{CreatedAt: last.CreatedAt, Grant: last.ID}
			}
			var want []consent.GrantID
			for _, g := range row.want {
				want = append(want, g.ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s by %d: got %v, want %v", name, limit, got, want)
			}
		}
	}
	if got, err := s.GrantsOfRecipient(ctx, "nobody", consent.Filter{At: now}, consent.Place{}, 10); err != nil || got != nil {
		t.Errorf("of nobody: %d grants, %v", len(got), err)
	}
	// Without a person it is everybody's, and still nobody else's.
	var all []consent.Grant
	for after := (consent.Place{}); ; {
		page, err := s.GrantsOfRecipient(ctx, Recipient, consent.Filter{At: now}, after, 500)
		if err != nil {
			t.Fatal(err)
		}
		if page == nil {
			break
		}
		all = append(all, page...)
		after = consent.Place{CreatedAt: page[len(page)-1].CreatedAt, Grant: page[len(page)-1].ID}
	}
	people := map[consent.ConsumerID]bool{}
	for _, g := range all {
		people[g.Consumer] = true
		if g.Recipient != Recipient {
			t.Error("a grant of another recipient is listed")
		}
	}
	if !people[who] || !people[somebody] {
		t.Error("a person is missing from the list of all")
	}
	if got, err := s.GrantsOfRecipient(ctx, Recipient, consent.Filter{Consumer: who, At: now}, consent.Place{}, 1); err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], active[0]) {
		t.Errorf("got  %+v (%v)\nwant %+v", got, err, active[0])
	}
}

// Another's grant is as unknown as one that there is not, and stays as it is.
func endByItsOwner(t *testing.T, s consent.Store) {
	ctx := context.Background()
	first, second, other := NewGrant(newConsumer(), time.Now()), NewGrant(newConsumer(), time.Now()), NewGrant(newConsumer(), time.Now())
	for _, g := range []consent.Grant{first, second, other} {
		create(t, s, g)
	}
	e := consent.End{Grant: first.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction}
	of := func(id consent.GrantID) consent.End { e.Grant = id; return e }
	for _, who := range []consent.ConsumerID{other.Consumer, newConsumer(), ""} {
		if got, err := s.EndOfConsumer(ctx, who, of(first.ID)); !errors.Is(err, consent.ErrNotFound) || got.ID != "" {
			t.Errorf("consumer %q: got %+v, %v, want ErrNotFound", who, got, err)
		}
	}
	for _, who := range []consent.RecipientID{OtherRecipient, "nobody", ""} {
		if got, err := s.EndOfRecipient(ctx, who, of(second.ID)); !errors.Is(err, consent.ErrNotFound) || got.ID != "" {
			t.Errorf("recipient %q: got %+v, %v, want ErrNotFound", who, got, err)
		}
	}
	for _, g := range []consent.Grant{first, second} {
		if got := mustGrant(t, s, g.ID); !reflect.DeepEqual(got, g) {
			t.Errorf("a refused end changed the grant: %+v", got)
		}
		if events, err := s.Events(ctx, g.ID); err != nil || len(events) != 1 {
			t.Errorf("got %d events (%v), want 1", len(events), err)
		}
	}
	for range 2 {
		byConsumer, err := s.EndOfConsumer(ctx, first.Consumer, of(first.ID))
		byRecipient, err2 := s.EndOfRecipient(ctx, second.Recipient, of(second.ID))
		if byConsumer.Epoch == 2 && byRecipient.Epoch == 2 && err == nil && err2 == nil {
			continue
		}
		if !errors.Is(err, consent.ErrEnded) || !errors.Is(err2, consent.ErrEnded) {
			t.Errorf("their own: %+v, %v; %+v, %v", byConsumer, err, byRecipient, err2)
		}
	}
	for _, id := range []consent.GrantID{first.ID, second.ID} {
		if got := mustGrant(t, s, id); got.Status != consent.StatusRevoked || got.Epoch != 2 {
			t.Errorf("%s in epoch %d, want REVOKED in 2", got.Status, got.Epoch)
		}
	}
	_, err := s.EndOfConsumer(ctx, other.Consumer, of(consent.NewGrantID()))
	_, err2 := s.EndOfRecipient(ctx, other.Recipient, of(consent.NewGrantID()))
	if !errors.Is(err, consent.ErrNotFound) || !errors.Is(err2, consent.ErrNotFound) {
		t.Errorf("no grant: %v, %v, want ErrNotFound", err, err2)
	}
	if got := mustGrant(t, s, other.ID); !reflect.DeepEqual(got, other) {
		t.Errorf("an end of others' changed the grant: %+v", got)
	}
}

func endForSomebody(t *testing.T, s consent.Store) {
	ctx := context.Background()
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	if _, err := s.End(ctx, consent.End{
		Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorRecipient,
		Initiator: consent.ActorConsumer, Reason: consent.ReasonUserAction,
	}); err != nil {
		t.Fatal(err)
	}
	events, err := s.Events(ctx, g.ID)
	if err != nil || len(events) != 2 || events[0].Initiator != "" || events[1].Actor != consent.ActorRecipient || events[1].Initiator != consent.ActorConsumer {
		t.Errorf("events %+v, %v", events, err)
	}
}

func endIsFinal(t *testing.T, s consent.Store) {
	ctx := context.Background()
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	e := consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorRecipient, Reason: consent.ReasonBusinessRule}
	before := time.Now().Add(-time.Minute)
	ended, err := s.End(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	if ended.EndedAt.Before(before) || ended.EndedAt.After(time.Now().Add(time.Minute)) || ended.UpdatedAt.IsZero() {
		t.Errorf("ended at %v, updated at %v", ended.EndedAt, ended.UpdatedAt)
	}
	want := g
	want.Status, want.Epoch, want.EndedBy, want.EndReason = e.Status, 2, e.Actor, e.Reason
	want.EndedAt, want.UpdatedAt = ended.EndedAt, ended.UpdatedAt
	if !reflect.DeepEqual(ended, want) {
		t.Errorf("got  %+v\nwant %+v", ended, want)
	}
	for _, again := range []consent.Status{consent.StatusRevoked, consent.StatusExpired} {
		e.Status, e.Actor = again, consent.ActorProvider
		if _, err := s.End(ctx, e); !errors.Is(err, consent.ErrEnded) {
			t.Errorf("%s after the end: got %v, want ErrEnded", again, err)
		}
	}
	if got := mustGrant(t, s, g.ID); !reflect.DeepEqual(got, want) {
		t.Errorf("a refused end changed the grant: %+v", got)
	}
	if events, err := s.Events(ctx, g.ID); err != nil || len(events) != 2 {
		t.Errorf("got %d events (%v), want 2", len(events), err)
	}
}

func endUnknown(t *testing.T, s consent.Store) {
	e := consent.End{Grant: consent.NewGrantID(), Status: consent.StatusRevoked, Actor: consent.ActorConsumer}
	if _, err := s.End(context.Background(), e); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func endStatus(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	for _, status := range []consent.Status{"", consent.StatusActive, "PENDING"} {
		if _, err := s.End(context.Background(), consent.End{Grant: g.ID, Status: status, Actor: consent.ActorConsumer}); err == nil {
			t.Errorf("ended as %q", string(status))
		}
	}
	if got := mustGrant(t, s, g.ID); !reflect.DeepEqual(got, g) {
		t.Errorf("a refused end changed the grant: %+v", got)
	}
}

func endAfterTime(t *testing.T, s consent.Store) {
	ctx := context.Background()
	g := create(t, s, NewGrant(newConsumer(), time.Now().AddDate(0, 0, -31)))
	if got := mustGrant(t, s, g.ID); got.StatusAt(time.Now()) != consent.StatusExpired {
		t.Errorf("a grant whose time is over is %s", got.StatusAt(time.Now()))
	}
	e := consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction}
	if _, err := s.End(ctx, e); !errors.Is(err, consent.ErrEnded) {
		t.Errorf("revoke: got %v, want ErrEnded", err)
	}
	got, err := s.End(ctx, consent.End{Grant: g.ID, Status: consent.StatusExpired, Actor: consent.ActorTime})
	if err != nil || got.Status != consent.StatusExpired || got.Epoch != 2 {
		t.Errorf("expire: got %s in epoch %d (%v)", got.Status, got.Epoch, err)
	}
}

func history(t *testing.T, s consent.Store) {
	ctx := context.Background()
	if got, err := s.Events(ctx, consent.NewGrantID()); err != nil || got != nil {
		t.Errorf("unknown: got %v, %v, want nil and no error", got, err)
	}
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	if _, err := s.End(ctx, consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorProvider, Reason: consent.ReasonCodeReplay}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Events(ctx, g.ID)
	if err != nil || len(got) != 2 {
		t.Fatalf("got %d events (%v), want 2", len(got), err)
	}
	want := []consent.Event{
		{Grant: g.ID, Epoch: 1, Kind: consent.EventGranted, Actor: consent.ActorConsumer, At: got[0].At},
		{Grant: g.ID, Epoch: 2, Kind: consent.EventRevoked, Actor: consent.ActorProvider, Reason: consent.ReasonCodeReplay, At: got[1].At},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got[0].At.IsZero() || got[1].At.Before(got[0].At) {
		t.Errorf("times out of order: %v, %v", got[0].At, got[1].At)
	}
}

func endRace(t *testing.T, s consent.Store) {
	g := create(t, s, NewGrant(newConsumer(), time.Now()))
	errs := Race(func(int) error {
		_, err := s.End(context.Background(), consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction})
		return err
	})
	OneWinner(t, errs, consent.ErrEnded)
	if got := mustGrant(t, s, g.ID); got.Epoch != 2 {
		t.Errorf("epoch %d, want 2", got.Epoch)
	}
	if events, err := s.Events(context.Background(), g.ID); err != nil || len(events) != 2 {
		t.Errorf("got %d events (%v), want 2", len(events), err)
	}
}

func createRace(t *testing.T, s consent.Store) {
	g := NewGrant(newConsumer(), time.Now())
	errs := Race(func(int) error { return s.Create(context.Background(), g) })
	OneWinner(t, errs, consent.ErrConflict)
}

// OneWinner fails unless exactly one of the errors of a race is nil and all
// others are the given one.
func OneWinner(t *testing.T, errs []error, losers error) {
	t.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, losers):
			t.Errorf("a loser got %v, want %v", err, losers)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d won, want 1", won, len(errs))
	}
}
