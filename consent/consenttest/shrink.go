package consenttest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// shrinks are the cases of Store.Shrink.
func shrinks() map[string]func(*testing.T, consent.Store) {
	return map[string]func(*testing.T, consent.Store){
		"a shrinking is written down":              shrinkIsKept,
		"a shrinking of another version is none":   shrinkOfBefore,
		"an unknown grant does not shrink":         shrinkUnknown,
		"a grant that is over does not shrink":     shrinkEnded,
		"of many shrinkings of a version one does": shrinkRace,
	}
}

// shrinking takes balances out of a new grant.
func shrinking(t *testing.T, g consent.Grant) consent.Shrinking {
	t.Helper()
	left, err := g.Without(nil, fdx.NewClusters(fdx.CustomerContact))
	if err != nil {
		t.Fatal(err)
	}
	return consent.Shrinking{Grant: g.ID, Epoch: g.Epoch, Resources: left, Disclosure: consent.Disclosure{Version: "s", Locale: "sv", Text: "Mindre."}}
}

func shrinkIsKept(t *testing.T, s consent.Store) {
	ctx := context.Background()
	g := NewGrant("shrinker", time.Now())
	if err := s.Create(ctx, g); err != nil {
		t.Fatal(err)
	}
	c := shrinking(t, g)
	got, err := s.Shrink(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := s.Grant(ctx, g.ID)
	if err != nil || !reflect.DeepEqual(stored, got) {
		t.Errorf("stored %+v, %v\nreturned %+v", stored, err, got)
	}
	want := g
	want.Epoch, want.Resources, want.Disclosure, want.UpdatedAt = 2, c.Resources, c.Disclosure, got.UpdatedAt
	if !reflect.DeepEqual(got, want) || got.UpdatedAt.IsZero() {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	all := events(t, s, g.ID, consent.EventGranted, consent.EventChanged)
	if all[1].Actor != consent.ActorConsumer {
		t.Errorf("by %s", all[1].Actor)
	}
}

func shrinkOfBefore(t *testing.T, s consent.Store) {
	ctx := context.Background()
	g := NewGrant("shrinker", time.Now())
	if err := s.Create(ctx, g); err != nil {
		t.Fatal(err)
	}
	c := shrinking(t, g)
	for _, epoch := range []int64{0, 2} {
		c.Epoch = epoch
		if _, err := s.Shrink(ctx, c); !errors.Is(err, consent.ErrConflict) {
			t.Errorf("epoch %d: %v, want ErrConflict", epoch, err)
		}
	}
	if got, err := s.Grant(ctx, g.ID); err != nil || !reflect.DeepEqual(got, g) {
		t.Errorf("changed to %+v, %v", got, err)
	}
	events(t, s, g.ID, consent.EventGranted)
}

func shrinkUnknown(t *testing.T, s consent.Store) {
	c := shrinking(t, NewGrant("shrinker", time.Now()))
	if _, err := s.Shrink(context.Background(), c); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

func shrinkEnded(t *testing.T, s consent.Store) {
	ctx := context.Background()
	for name, g := range map[string]consent.Grant{
		"by its time":   NewGrant("shrinker", time.Now().AddDate(-2, 0, 0)),
		"by its person": NewGrant("shrinker", time.Now()),
	} {
		if err := s.Create(ctx, g); err != nil {
			t.Fatal(err)
		}
		if name == "by its person" {
			if _, err := s.End(ctx, consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction}); err != nil {
				t.Fatal(err)
			}
			g.Epoch++
		}
		if _, err := s.Shrink(ctx, shrinking(t, g)); !errors.Is(err, consent.ErrEnded) {
			t.Errorf("%s: %v, want ErrEnded", name, err)
		}
	}
}

func shrinkRace(t *testing.T, s consent.Store) {
	ctx := context.Background()
	g := NewGrant("shrinker", time.Now())
	if err := s.Create(ctx, g); err != nil {
		t.Fatal(err)
	}
	c := shrinking(t, g)
	won := 0
	for _, err := range Race(func(int) error { _, err := s.Shrink(ctx, c); return err }) {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, consent.ErrConflict):
			t.Errorf("%v, want ErrConflict", err)
		}
	}
	if won != 1 {
		t.Errorf("%d went through, want 1", won)
	}
	events(t, s, g.ID, consent.EventGranted, consent.EventChanged)
}
