package authztest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// restCases are the cases of grants that rest.
func restCases() map[string]func(*testing.T, Stores) {
	return map[string]func(*testing.T, Stores){
		"a grant that rests gives no tokens and loses none": restingTokens,
		"an access token of a grant that rests rests":       restingLive,
		"a grant that ended while it rested is over":        restingEnded,
		"a changed grant keeps its rest":                    restingChange,
		"of a renewal and a hold neither is lost":           renewAgainstHold,
	}
}

// rests are what begins and what ends each rest.
func rests() map[consent.Rest][2]func(*testing.T, Stores, consent.GrantID) {
	write := func(kind consent.EventKind) func(*testing.T, Stores, consent.GrantID) {
		return func(t *testing.T, s Stores, id consent.GrantID) {
			t.Helper()
			c := consent.RestChange{Grant: id, Kind: kind, Actor: consent.ActorConsumer}
			switch kind {
			case consent.EventPaused:
				c.Until = second(time.Now().Add(time.Hour))
			case consent.EventHeld:
				c.Case = "H-" + string(id)
			}
			if _, err := s.Grants.Rest(context.Background(), c); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
		}
	}
	return map[consent.Rest][2]func(*testing.T, Stores, consent.GrantID){
		consent.RestPaused: {write(consent.EventPaused), write(consent.EventResumed)},
		consent.RestHeld:   {write(consent.EventHeld), write(consent.EventReleased)},
	}
}

// isResting fails unless err is that rest, with an end where it has one.
func isResting(t *testing.T, name string, err error, want consent.Rest) {
	t.Helper()
	var r *consent.RestingError
	if !errors.As(err, &r) || r.Rest != want || r.Until.IsZero() != (want == consent.RestHeld) {
		t.Errorf("%s: got %v (%+v), want a grant that is %s", name, err, r, want)
	}
	if errors.Is(err, token.ErrRevoked) || errors.Is(err, token.ErrNotFound) {
		t.Errorf("%s: reads as gone: %v", name, err)
	}
}

func restingTokens(t *testing.T, s Stores) {
	ctx := context.Background()
	for want, rest := range rests() {
		a, r := redeemed(t, s)
		fresh := approved(t, s, nil)
		code := newRedemption(fresh.Code)
		for _, id := range []consent.GrantID{a.Grant.ID, fresh.Grant.ID} {
			rest[0](t, s, id)
		}
		_, err := s.Tokens.Refresh(ctx, r.Refresh.Hash)
		isResting(t, "refresh", err, want)
		got, err := s.Tokens.PresentedRefresh(ctx, a.Grant.Recipient, r.Refresh.Hash)
		if err != nil || !reflect.DeepEqual(got, token.Presented{Client: client(t, s, a.Grant.Recipient), Refused: got.Refused}) {
			t.Errorf("presented: %+v, %v", got, err)
		}
		isResting(t, "presented refresh token", got.Refused, want)
		access := newAccess(a.Code)
		_, err = s.Tokens.Renew(ctx, r.Refresh.Hash, access)
		isResting(t, "renew", err, want)
		_, err = s.Tokens.Redeem(ctx, code)
		isResting(t, "redeem", err, want)
		for _, h := range []token.Hash{access.Hash, code.Access.Hash} {
			if _, err := s.Tokens.Live(ctx, h); !errors.Is(err, token.ErrNotFound) {
				t.Errorf("stored a token under a grant that is %s: %v", want, err)
			}
		}
		// What is dead for another reason stays that.
		if _, err := s.Tokens.Renew(ctx, newHash(), newAccess(a.Code)); !errors.Is(err, token.ErrRevoked) {
			t.Errorf("an unknown refresh token: %v", err)
		}
		foreign := newAccess(a.Code)
		foreign.Grant = fresh.Grant.ID
		if _, err := s.Tokens.Renew(ctx, r.Refresh.Hash, foreign); !errors.Is(err, token.ErrRevoked) {
			t.Errorf("a refresh token of another grant: %v", err)
		}

		for _, id := range []consent.GrantID{a.Grant.ID, fresh.Grant.ID} {
			rest[1](t, s, id)
		}
		if _, err := s.Tokens.Refresh(ctx, r.Refresh.Hash); err != nil {
			t.Errorf("after it was %s: refresh: %v", want, err)
		}
		if g, err := s.Tokens.Renew(ctx, r.Refresh.Hash, newAccess(a.Code)); err != nil || g.Epoch != 3 {
			t.Errorf("after it was %s: renew: epoch %d, %v", want, g.Epoch, err)
		}
		if _, err := s.Tokens.Redeem(ctx, code); err != nil {
			t.Errorf("after it was %s: redeem: %v", want, err)
		}
	}
}

func restingLive(t *testing.T, s Stores) {
	ctx := context.Background()
	for want, rest := range rests() {
		a, r := redeemed(t, s)
		rest[0](t, s, a.Grant.ID)
		live, err := s.Tokens.Live(ctx, r.Access.Hash)
		if now := time.Now(); err != nil || live.Active(now) || !live.Resting(now) || live.Share.RestAt(now) != want || live.Share.Epoch != 2 || live.Share.Status != consent.StatusActive {
			t.Errorf("%s: %+v, %v", want, live, err)
		}
		rest[1](t, s, a.Grant.ID)
		live, err = s.Tokens.Live(ctx, r.Access.Hash)
		if now := time.Now(); err != nil || !live.Active(now) || live.Resting(now) || live.Share.Epoch != 3 {
			t.Errorf("after it was %s: %+v, %v", want, live, err)
		}
	}
}

func restingEnded(t *testing.T, s Stores) {
	ctx := context.Background()
	for want, rest := range rests() {
		a, r := redeemed(t, s)
		rest[0](t, s, a.Grant.ID)
		end(t, s, a.Grant.ID)
		if _, err := s.Tokens.Refresh(ctx, r.Refresh.Hash); !errors.Is(err, token.ErrRevoked) {
			t.Errorf("%s: refresh: %v", want, err)
		}
		if _, err := s.Tokens.Renew(ctx, r.Refresh.Hash, newAccess(a.Code)); !errors.Is(err, token.ErrRevoked) {
			t.Errorf("%s: renew: %v", want, err)
		}
		if live, err := s.Tokens.Live(ctx, r.Access.Hash); err != nil || live.Active(time.Now()) || live.Resting(time.Now()) {
			t.Errorf("%s: %+v, %v", want, live, err)
		}
	}
}

// Who agrees to another share has not said that the rest is over.
func restingChange(t *testing.T, s Stores) {
	for want, rest := range rests() {
		first, _ := redeemed(t, s)
		rest[0](t, s, first.Grant.ID)
		g, err := s.Grants.Grant(context.Background(), first.Grant.ID)
		if err != nil {
			t.Fatal(err)
		}
		changed(t, s, g)
		got, err := s.Grants.Grant(context.Background(), g.ID)
		if err != nil || got.RestAt(time.Now()) != want || got.Epoch != 3 || got.Case != g.Case {
			t.Errorf("%s: %+v, %v", want, got, err)
		}
	}
}

// A renewal that raced a hold either came first, and its token rests now, or
// was told to come back; the refresh token is never lost.
func renewAgainstHold(t *testing.T, s Stores) {
	ctx := context.Background()
	for range rounds {
		a, r := redeemed(t, s)
		access := newAccess(a.Code)
		held := make(chan error, 1)
		go func() {
			_, err := s.Grants.Rest(ctx, consent.RestChange{Grant: a.Grant.ID, Kind: consent.EventHeld, Actor: consent.ActorConsumer, Case: "H-" + string(a.Grant.ID)})
			held <- err
		}()
		_, err := s.Tokens.Renew(ctx, r.Refresh.Hash, access)
		if err := <-held; err != nil {
			t.Fatal(err)
		}
		if err != nil {
			isResting(t, "renew", err, consent.RestHeld)
		}
		if live, err := s.Tokens.Live(ctx, access.Hash); err == nil && live.Active(time.Now()) {
			t.Error("a token of a held grant is active")
		}
		if _, err := s.Grants.Rest(ctx, consent.RestChange{Grant: a.Grant.ID, Kind: consent.EventReleased, Actor: consent.ActorProvider}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Tokens.Refresh(ctx, r.Refresh.Hash); err != nil {
			t.Errorf("the refresh token is lost: %v", err)
		}
	}
}
