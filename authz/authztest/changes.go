package authztest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// newChange is an approval, ready to be stored, that changes g: another
// account, other data, another term.
func newChange(t *testing.T, s Stores, g consent.Grant) token.Approval {
	t.Helper()
	a := newDecision(t, s).approval()
	a.Authorization.Consumer = g.Consumer
	next := g
	next.Epoch++
	next.Purpose, next.Duration, next.DurationDays, next.LookbackDays = "planning", consent.Persistent, 0, 21
	next.Resources = []consent.Resource{{Type: consent.ResourceAccount, ID: "account-2", Clusters: fdx.NewClusters(fdx.Transactions)}}
	next.Parties = []consent.Party{{Name: "Renamed App", Type: consent.PartyRecipient}}
	next.Disclosure = consent.Disclosure{Version: "2027-01", Locale: "sv", Text: "Du delar nu …"}
	next.Holder = consent.Holder{ID: "h-9", Kind: consent.HolderOwn}
	next.ExpiresAt = second(time.Now()).AddDate(0, 0, 200)
	a.Grant, a.Code = next, newCode(next)
	return a
}

func changed(t *testing.T, s Stores, g consent.Grant) token.Approval {
	t.Helper()
	a := newChange(t, s, g)
	if err := s.Requests.Approve(context.Background(), a); err != nil {
		t.Fatalf("change: %v", err)
	}
	return a
}

func changeWrites(t *testing.T, s Stores) {
	ctx := context.Background()
	first, _ := redeemed(t, s)
	a := changed(t, s, first.Grant)
	got, err := s.Grants.Grant(ctx, first.Grant.ID)
	if err != nil || got.UpdatedAt.Before(time.Now().Add(-time.Minute)) || got.UpdatedAt.After(time.Now().Add(time.Minute)) {
		t.Fatalf("updated at %v (%v)", got.UpdatedAt, err)
	}
	want := a.Grant
	want.UpdatedAt = got.UpdatedAt
	if !reflect.DeepEqual(got, want) || got.ID != first.Grant.ID || got.Epoch != 2 {
		t.Errorf("grant: got  %+v\nwant %+v", got, want)
	}
	events, err := s.Grants.Events(ctx, got.ID)
	if err != nil || len(events) != 2 || events[1].Kind != consent.EventChanged || events[1].Epoch != 2 ||
		events[1].Actor != consent.ActorConsumer || events[1].Reason != "" {
		t.Errorf("events: got %+v (%v)", events, err)
	}
	if _, err := s.Requests.Opened(ctx, a.Pushed); !errors.Is(err, token.ErrUsed) {
		t.Errorf("the request: got %v, want ErrUsed", err)
	}
	// What is issued next opens the new share and nothing of the old one.
	r := newRedemption(a.Code)
	if g, err := s.Tokens.Redeem(ctx, r); err != nil || !reflect.DeepEqual(g, got) {
		t.Errorf("redeem: got  %+v (%v)\nwant %+v", g, err, got)
	}
	live, err := s.Tokens.Live(ctx, r.Access.Hash)
	if err != nil || !live.Active(time.Now()) || !reflect.DeepEqual(live.Share, got.Share()) {
		t.Errorf("live: got %+v (%v)", live, err)
	}
}

func changeWithdraws(t *testing.T, s Stores) {
	ctx := context.Background()
	first, tokens := redeemed(t, s)
	bystander, others := redeemed(t, s)
	// A second version, with a code that nobody has redeemed yet.
	second := changed(t, s, first.Grant)
	unused := newRedemption(second.Code)
	third := changed(t, s, second.Grant)

	dead(t, s, tokens)
	if _, err := s.Tokens.Code(ctx, second.Code.Hash); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("a code of the version before: got %v, want ErrNotFound", err)
	}
	if _, err := s.Tokens.Redeem(ctx, unused); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("redeem a code of the version before: got %v, want ErrNotFound", err)
	}
	// The first code was used: its coming back is still known for that.
	if _, err := s.Tokens.Code(ctx, first.Code.Hash); !errors.Is(err, token.ErrUsed) {
		t.Errorf("a used code: got %v, want ErrUsed", err)
	}
	if _, err := s.Tokens.Redeem(ctx, newRedemption(third.Code)); err != nil {
		t.Errorf("redeem the code of the change: %v", err)
	}
	if live, err := s.Tokens.Live(ctx, others.Access.Hash); err != nil || !live.Active(time.Now()) {
		t.Errorf("a token of another grant died (%v)", err)
	}
	if got, err := s.Grants.Grant(ctx, bystander.Grant.ID); err != nil || !reflect.DeepEqual(got, bystander.Grant) {
		t.Errorf("another grant changed: %+v (%v)", got, err)
	}
}

// dead fails unless what was issued is worth nothing.
func dead(t *testing.T, s Stores, r token.Redemption) {
	t.Helper()
	ctx := context.Background()
	if live, err := s.Tokens.Live(ctx, r.Access.Hash); err == nil && live.Active(time.Now()) {
		t.Error("an old access token is active")
	} else if err != nil && !errors.Is(err, token.ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.Tokens.Refresh(ctx, r.Refresh.Hash); !errors.Is(err, token.ErrRevoked) && !errors.Is(err, token.ErrNotFound) {
		t.Errorf("an old refresh token: got %v, want ErrRevoked", err)
	}
	again := r.Access
	again.Hash = newHash()
	if _, err := s.Tokens.Renew(ctx, r.Refresh.Hash, again); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("renew with an old refresh token: got %v, want ErrRevoked", err)
	}
}

func changeRefused(t *testing.T, s Stores) {
	ctx := context.Background()
	first, tokens := redeemed(t, s)
	gone := approved(t, s, nil)
	end(t, s, gone.Grant.ID)
	over := approved(t, s, func(a *token.Approval) {
		a.Grant.CreatedAt, a.Grant.ExpiresAt = a.Grant.CreatedAt.AddDate(0, 0, -31), a.Grant.CreatedAt.Add(-time.Hour)
	})
	for name, spoil := range map[string]func(*consent.Grant){
		"later epoch":             func(g *consent.Grant) { g.Epoch++ },
		"unknown grant":           func(g *consent.Grant) { g.ID = consent.NewGrantID() },
		"another consumer":        func(g *consent.Grant) { g.Consumer = newConsumer() },
		"another recipient":       func(g *consent.Grant) { g.Recipient = consenttest.OtherRecipient },
		"grant that was stopped":  func(g *consent.Grant) { *g = gone.Grant; g.Epoch = 2 },
		"stopped in its epoch":    func(g *consent.Grant) { *g = gone.Grant; g.Epoch = 3 },
		"grant whose time was up": func(g *consent.Grant) { *g = over.Grant; g.Epoch = 2 },
	} {
		a := newChange(t, s, first.Grant)
		spoil(&a.Grant)
		a.Code = newCode(a.Grant)
		if err := s.Requests.Approve(ctx, a); !errors.Is(err, consent.ErrEnded) {
			t.Errorf("%s: got %v, want ErrEnded", name, err)
		}
		notApproved(t, s, name, a)
	}
	a := newChange(t, s, first.Grant)
	a.Grant.Status = consent.StatusRevoked
	if err := s.Requests.Approve(ctx, a); err == nil {
		t.Error("changed to an ended grant")
	}
	notApproved(t, s, "status", a)
	// Nor does a change of the version before, once another came first.
	changed(t, s, first.Grant)
	again := newChange(t, s, first.Grant)
	if err := s.Requests.Approve(ctx, again); !errors.Is(err, consent.ErrEnded) {
		t.Errorf("earlier epoch: got %v, want ErrEnded", err)
	}
	notApproved(t, s, "earlier epoch", again)
	dead(t, s, tokens)
	if got, err := s.Grants.Grant(ctx, gone.Grant.ID); err != nil || got.Status != consent.StatusRevoked || got.Epoch != 2 {
		t.Errorf("the stopped grant is %s in epoch %d (%v)", got.Status, got.Epoch, err)
	}
}

// notApproved fails when a change that was refused left something but the
// grant as it was.
func notApproved(t *testing.T, s Stores, name string, a token.Approval) {
	t.Helper()
	ctx := context.Background()
	if _, err := s.Tokens.Code(ctx, a.Code.Hash); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("%s: code: got %v, want ErrNotFound", name, err)
	}
	if _, err := s.Requests.Opened(ctx, a.Pushed); err != nil {
		t.Errorf("%s: the request was consumed: %v", name, err)
	}
	got, err := s.Authorizations.Authorization(ctx, a.Authorization.ID, a.Authorization.Browser)
	if err != nil || got.Version != a.Authorization.Version {
		t.Errorf("%s: authorization: got version %d (%v), want %d", name, got.Version, err, a.Authorization.Version)
	}
}

func changeRace(t *testing.T, s Stores) {
	ctx := context.Background()
	first := approved(t, s, nil)
	approvals := make([]token.Approval, 32)
	for i := range approvals {
		approvals[i] = newChange(t, s, first.Grant)
	}
	errs := consenttest.Race(func(i int) error { return s.Requests.Approve(ctx, approvals[i]) })
	consenttest.OneWinner(t, errs, consent.ErrEnded)
	if got, err := s.Grants.Grant(ctx, first.Grant.ID); err != nil || got.Epoch != 2 {
		t.Errorf("epoch %d (%v), want 2", got.Epoch, err)
	}
	if events, err := s.Grants.Events(ctx, first.Grant.ID); err != nil || len(events) != 2 {
		t.Errorf("%d events (%v), want 2", len(events), err)
	}
	for i, err := range errs {
		if _, codeErr := s.Tokens.Code(ctx, approvals[i].Code.Hash); (err == nil) != (codeErr == nil) {
			t.Errorf("change %v, its code %v", err, codeErr)
		}
	}
}

func changeAgainstEnd(t *testing.T, s Stores) {
	ctx := context.Background()
	for range rounds {
		first, tokens := redeemed(t, s)
		a := newChange(t, s, first.Grant)
		r := newRedemption(a.Code)
		var changeErr, stopErr error
		pair(
			func() {
				if changeErr = s.Requests.Approve(ctx, a); changeErr == nil {
					_, _ = s.Tokens.Redeem(ctx, r) // refused if the end was first
				}
			},
			func() { stopErr = endErr(s, first.Grant.ID) },
		)
		if stopErr != nil {
			t.Errorf("the end: %v", stopErr)
		}
		if changeErr != nil && !errors.Is(changeErr, consent.ErrEnded) {
			t.Errorf("the change: got %v, want ErrEnded", changeErr)
		}
		got, err := s.Grants.Grant(ctx, first.Grant.ID)
		if err != nil || got.Status != consent.StatusRevoked {
			t.Fatalf("after an end the grant is %s (%v)", got.Status, err)
		}
		dead(t, s, tokens)
		dead(t, s, r)
	}
}

func changeAgainstRedeem(t *testing.T, s Stores) {
	ctx := context.Background()
	for range rounds {
		first := approved(t, s, nil)
		a, r := newChange(t, s, first.Grant), newRedemption(first.Code)
		var changeErr, redeemErr error
		pair(
			func() { changeErr = s.Requests.Approve(ctx, a) },
			func() { _, redeemErr = s.Tokens.Redeem(ctx, r) },
		)
		if changeErr != nil {
			t.Errorf("the change: %v", changeErr)
		}
		if redeemErr != nil && !errors.Is(redeemErr, token.ErrNotFound) {
			t.Errorf("the redemption: got %v, want ErrNotFound", redeemErr)
		}
		dead(t, s, r)
	}
}

func changeAgainstRenew(t *testing.T, s Stores) {
	ctx := context.Background()
	for range rounds {
		first, tokens := redeemed(t, s)
		a, renewed := newChange(t, s, first.Grant), tokens
		renewed.Access.Hash = newHash()
		var changeErr, renewErr error
		pair(
			func() { changeErr = s.Requests.Approve(ctx, a) },
			func() { _, renewErr = s.Tokens.Renew(ctx, tokens.Refresh.Hash, renewed.Access) },
		)
		if changeErr != nil {
			t.Errorf("the change: %v", changeErr)
		}
		if renewErr != nil && !errors.Is(renewErr, token.ErrRevoked) {
			t.Errorf("the renewal: got %v, want ErrRevoked", renewErr)
		}
		dead(t, s, tokens)
		dead(t, s, renewed)
	}
}

// pair runs both at once.
func pair(one, other func()) {
	start, done := make(chan struct{}), make(chan struct{})
	for _, f := range []func(){one, other} {
		go func() {
			<-start
			f()
			done <- struct{}{}
		}()
	}
	close(start)
	<-done
	<-done
}
