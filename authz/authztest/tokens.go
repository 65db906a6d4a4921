package authztest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
)

// TokenStore is the contract of token.Store; open as for Requests.
func TokenStore(t *testing.T, open func(*testing.T) Stores) {
	cases := map[string]func(*testing.T, Stores){
		"an unknown or expired code is not found":                 codeGone,
		"a redeemed code is known as used":                        codeUsed,
		"a redemption stores what it issues":                      redeemStores,
		"a one-time grant gets no refresh token":                  redeemOneTime,
		"a code is redeemed once":                                 redeemOnce,
		"an expired code is not redeemed":                         redeemExpired,
		"a code is redeemed for its own grant and recipient":      redeemForeign,
		"a code of an ended grant is not redeemed":                redeemEnded,
		"an unbound token is not stored":                          redeemUnbound,
		"of many redemptions one redeems":                         redeemRace,
		"a redemption and an end leave nothing usable":            redeemAgainstEnd,
		"an unknown or expired refresh token is not found":        refreshGone,
		"a refresh token dies with its grant":                     refreshEnded,
		"a refresh token renews":                                  renewStores,
		"a dead refresh token does not renew":                     renewDead,
		"a refresh token renews for its own grant and recipient":  renewForeign,
		"a renewal and an end leave nothing usable":               renewAgainstEnd,
		"an unknown access token is not found":                    liveUnknown,
		"an access token of an ended grant is not active":         liveEnded,
		"an access token is withdrawn alone and raises the epoch": revokeAccess,
		"a refresh token is withdrawn with its access tokens":     revokeRefresh,
		"a dead or foreign token is not withdrawn":                revokeNothing,
		"a withdrawal and an end do not obstruct each other":      revokeAgainstEnd,
		"of many withdrawals one withdraws":                       revokeRace,
		"a client is loaded with what it presents":                presentedUsable,
		"what cannot be used is presented as nothing":             presentedRefused,
		"a used code is presented to its client":                  presentedUsed,
		"nobody presents nothing":                                 presentedByNobody,
		"tokens follow the state of the registration":             redeemStatus,
		"a narrowed token opens less than its grant":              narrowedLive,
		"a token tells the form of its recipient's error codes":   liveErrorCodes,
		"a client's own token is stored and is no grant's":        clientIssued,
		"a dead or foreign client token does not work":            clientDead,
		"client tokens follow the state of the registration":      clientStatus,
		"an unbound client token is not stored":                   clientUnbound,
	}
	maps.Copy(cases, restCases())
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t))
		})
	}
}

// rounds is how often a race between two different calls is run.
const rounds = 20

func codeGone(t *testing.T, s Stores) {
	ctx := context.Background()
	if _, err := s.Tokens.Code(ctx, newHash()); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("unknown: got %v, want ErrNotFound", err)
	}
	a := approved(t, s, func(a *token.Approval) { a.Code.ExpiresAt = time.Now().Add(-10 * time.Minute) })
	if got, err := s.Tokens.Code(ctx, a.Code.Hash); !errors.Is(err, token.ErrNotFound) || got.Grant != "" {
		t.Errorf("expired: got %+v, %v, want ErrNotFound", got, err)
	}
}

func codeUsed(t *testing.T, s Stores) {
	a, _ := redeemed(t, s)
	got, err := s.Tokens.Code(context.Background(), a.Code.Hash)
	if !errors.Is(err, token.ErrUsed) || got.UsedAt.IsZero() {
		t.Errorf("got %+v, %v, want the record with ErrUsed", got, err)
	}
	want := a.Code
	want.UsedAt = got.UsedAt
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func redeemStores(t *testing.T, s Stores) {
	ctx := context.Background()
	a := approved(t, s, nil)
	r := newRedemption(a.Code)
	g, err := s.Tokens.Redeem(ctx, r)
	if err != nil || !reflect.DeepEqual(g, a.Grant) {
		t.Fatalf("got  %+v (%v)\nwant %+v", g, err, a.Grant)
	}
	live, err := s.Tokens.Live(ctx, r.Access.Hash)
	want := token.Live{Access: r.Access, Share: a.Grant.Share(), At: live.At} // of each look-up its own
	if err != nil || !reflect.DeepEqual(live, want) {
		t.Errorf("access: got  %+v (%v)\nwant %+v", live, err, want)
	}
	if !live.Active(time.Now()) {
		t.Error("the access token is not active")
	}
	if age := time.Since(live.At); age < -time.Minute || age > time.Minute {
		t.Errorf("looked up at %s", live.At)
	}
	refresh, err := s.Tokens.Refresh(ctx, r.Refresh.Hash)
	if err != nil || !reflect.DeepEqual(refresh, *r.Refresh) {
		t.Errorf("refresh: got  %+v (%v)\nwant %+v", refresh, err, *r.Refresh)
	}
}

func redeemOneTime(t *testing.T, s Stores) {
	a := approved(t, s, nil)
	r := newRedemption(a.Code)
	r.Refresh = nil
	r.Access.KeyThumbprint, r.Access.CertThumbprint = "", "certificate"
	if _, err := s.Tokens.Redeem(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	live, err := s.Tokens.Live(context.Background(), r.Access.Hash)
	if err != nil || !live.Active(time.Now()) || live.Access.CertThumbprint != "certificate" {
		t.Errorf("got %+v (%v)", live, err)
	}
}

// notIssued fails when a redemption that was refused left something.
func notIssued(t *testing.T, s Stores, r token.Redemption) {
	t.Helper()
	if _, err := s.Tokens.Live(context.Background(), r.Access.Hash); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("access token: got %v, want ErrNotFound", err)
	}
	if _, err := s.Tokens.Refresh(context.Background(), r.Refresh.Hash); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("refresh token: got %v, want ErrNotFound", err)
	}
}

func redeemOnce(t *testing.T, s Stores) {
	a, first := redeemed(t, s)
	again := newRedemption(a.Code)
	if _, err := s.Tokens.Redeem(context.Background(), again); !errors.Is(err, token.ErrUsed) {
		t.Errorf("got %v, want ErrUsed", err)
	}
	notIssued(t, s, again)
	// To withdraw what the first use issued is for the caller to decide.
	if live, err := s.Tokens.Live(context.Background(), first.Access.Hash); err != nil || !live.Active(time.Now()) {
		t.Errorf("the first token died (%v)", err)
	}
	// Used goes before ended: only the caller knows what a replay means.
	end(t, s, a.Grant.ID)
	if _, err := s.Tokens.Redeem(context.Background(), again); !errors.Is(err, token.ErrUsed) {
		t.Errorf("after the end: got %v, want ErrUsed", err)
	}
}

func redeemExpired(t *testing.T, s Stores) {
	a := approved(t, s, func(a *token.Approval) { a.Code.ExpiresAt = time.Now().Add(-10 * time.Minute) })
	for name, code := range map[string]token.Hash{"expired": a.Code.Hash, "unknown": newHash()} {
		r := newRedemption(a.Code)
		r.Code = code
		if _, err := s.Tokens.Redeem(context.Background(), r); !errors.Is(err, token.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", name, err)
		}
		notIssued(t, s, r)
	}
}

func redeemForeign(t *testing.T, s Stores) {
	a, other := approved(t, s, nil), approved(t, s, nil)
	for name, spoil := range map[string]func(*token.Redemption){
		"another recipient": func(r *token.Redemption) {
			r.Access.Recipient, r.Refresh.Recipient = consenttest.OtherRecipient, consenttest.OtherRecipient
		},
		"another grant": func(r *token.Redemption) {
			r.Access.Grant, r.Refresh.Grant = other.Grant.ID, other.Grant.ID
		},
		"a refresh token of another grant":     func(r *token.Redemption) { r.Refresh.Grant = other.Grant.ID },
		"a refresh token of another recipient": func(r *token.Redemption) { r.Refresh.Recipient = consenttest.OtherRecipient },
	} {
		r := newRedemption(a.Code)
		spoil(&r)
		if _, err := s.Tokens.Redeem(context.Background(), r); err == nil {
			t.Errorf("%s was accepted", name)
		}
		notIssued(t, s, r)
	}
	if _, err := s.Tokens.Redeem(context.Background(), newRedemption(a.Code)); err != nil {
		t.Errorf("the owner's code is gone: %v", err)
	}
}

func redeemEnded(t *testing.T, s Stores) {
	ended := approved(t, s, nil)
	end(t, s, ended.Grant.ID)
	over := approved(t, s, func(a *token.Approval) {
		a.Grant.CreatedAt, a.Grant.ExpiresAt = a.Grant.CreatedAt.Add(-time.Hour), a.Grant.CreatedAt.Add(-10*time.Minute)
	})
	for name, a := range map[string]token.Approval{"revoked": ended, "time is over": over} {
		r := newRedemption(a.Code)
		if _, err := s.Tokens.Redeem(context.Background(), r); !errors.Is(err, token.ErrRevoked) {
			t.Errorf("%s: got %v, want ErrRevoked", name, err)
		}
		notIssued(t, s, r)
	}
}

func redeemUnbound(t *testing.T, s Stores) {
	a := approved(t, s, nil)
	for name, spoil := range map[string]func(*token.Access){
		"neither": func(a *token.Access) { a.KeyThumbprint = "" },
		"both":    func(a *token.Access) { a.CertThumbprint = "certificate" },
	} {
		r := newRedemption(a.Code)
		spoil(&r.Access)
		if _, err := s.Tokens.Redeem(context.Background(), r); err == nil {
			t.Errorf("bound to %s: stored", name)
		}
		notIssued(t, s, r)
	}
	if _, err := s.Tokens.Redeem(context.Background(), newRedemption(a.Code)); err != nil {
		t.Errorf("the code is gone: %v", err)
	}
}

func redeemRace(t *testing.T, s Stores) {
	a := approved(t, s, nil)
	var all [32]token.Redemption
	for i := range all {
		all[i] = newRedemption(a.Code)
	}
	errs := consenttest.Race(func(i int) error {
		_, err := s.Tokens.Redeem(context.Background(), all[i])
		return err
	})
	consenttest.OneWinner(t, errs, token.ErrUsed)
	for i, err := range errs {
		if err != nil {
			notIssued(t, s, all[i])
		} else if live, err := s.Tokens.Live(context.Background(), all[i].Access.Hash); err != nil || !live.Active(time.Now()) {
			t.Errorf("the winner's token is not active (%v)", err)
		}
	}
}

// against runs f against the end of the grant, started together, and returns
// the error of f. The end must succeed.
func against(t *testing.T, s Stores, id consent.GrantID, f func() error) error {
	t.Helper()
	ended := make(chan error)
	go func() { ended <- endErr(s, id) }()
	err := f()
	if endErr := <-ended; endErr != nil {
		t.Errorf("end: %v", endErr)
	}
	return err
}

// deadAccess fails unless the access token is unknown, or known and dead.
func deadAccess(t *testing.T, s Stores, h token.Hash) {
	t.Helper()
	live, err := s.Tokens.Live(context.Background(), h)
	if err == nil && live.Active(time.Now()) {
		t.Error("an access token outlived its grant")
	} else if err != nil && !errors.Is(err, token.ErrNotFound) {
		t.Error(err)
	}
}

func redeemAgainstEnd(t *testing.T, s Stores) {
	for range rounds {
		a := approved(t, s, nil)
		r := newRedemption(a.Code)
		err := against(t, s, a.Grant.ID, func() error {
			g, err := s.Tokens.Redeem(context.Background(), r)
			if err == nil && g.Status != consent.StatusActive {
				err = fmt.Errorf("redeemed under a grant that is %s", g.Status)
			}
			return err
		})
		if err != nil && !errors.Is(err, token.ErrRevoked) {
			t.Errorf("redeem: got %v, want nil or ErrRevoked", err)
		}
		deadAccess(t, s, r.Access.Hash)
		if _, err := s.Tokens.Refresh(context.Background(), r.Refresh.Hash); !errors.Is(err, token.ErrRevoked) && !errors.Is(err, token.ErrNotFound) {
			t.Errorf("refresh token: got %v, want ErrRevoked or ErrNotFound", err)
		}
	}
}

func refreshGone(t *testing.T, s Stores) {
	ctx := context.Background()
	a := approved(t, s, nil)
	r := newRedemption(a.Code)
	r.Refresh.ExpiresAt = time.Now().Add(-10 * time.Minute)
	if _, err := s.Tokens.Redeem(ctx, r); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]token.Hash{"unknown": newHash(), "expired": r.Refresh.Hash, "an access token": r.Access.Hash} {
		if got, err := s.Tokens.Refresh(ctx, h); !errors.Is(err, token.ErrNotFound) || got.Grant != "" {
			t.Errorf("%s: got %+v, %v, want ErrNotFound", name, got, err)
		}
	}
}

func refreshEnded(t *testing.T, s Stores) {
	a, r := redeemed(t, s)
	end(t, s, a.Grant.ID)
	if got, err := s.Tokens.Refresh(context.Background(), r.Refresh.Hash); !errors.Is(err, token.ErrRevoked) || got.Grant != "" {
		t.Errorf("got %+v, %v, want ErrRevoked", got, err)
	}
}

func renewStores(t *testing.T, s Stores) {
	ctx := context.Background()
	a, r := redeemed(t, s)
	for range 2 { // a refresh token is not rotated
		access := newAccess(a.Code)
		g, err := s.Tokens.Renew(ctx, r.Refresh.Hash, access)
		if err != nil || !reflect.DeepEqual(g, a.Grant) {
			t.Fatalf("got  %+v (%v)\nwant %+v", g, err, a.Grant)
		}
		live, err := s.Tokens.Live(ctx, access.Hash)
		want := token.Live{Access: access, Share: a.Grant.Share(), At: live.At} // of each look-up its own
		if err != nil || !reflect.DeepEqual(live, want) {
			t.Errorf("got  %+v (%v)\nwant %+v", live, err, want)
		}
	}
}

func renewDead(t *testing.T, s Stores) {
	ctx := context.Background()
	ended, endedTokens := redeemed(t, s)
	end(t, s, ended.Grant.ID)
	withdrawn, withdrawnTokens := redeemed(t, s)
	if _, _, err := s.Tokens.RevokeRefresh(ctx, withdrawn.Grant.Recipient, withdrawnTokens.Refresh.Hash); err != nil {
		t.Fatal(err)
	}
	expired := approved(t, s, nil)
	expiredTokens := newRedemption(expired.Code)
	expiredTokens.Refresh.ExpiresAt = time.Now().Add(-10 * time.Minute)
	if _, err := s.Tokens.Redeem(ctx, expiredTokens); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		code    token.Code
		refresh token.Hash
	}{
		"grant ended": {ended.Code, endedTokens.Refresh.Hash},
		"withdrawn":   {withdrawn.Code, withdrawnTokens.Refresh.Hash},
		"expired":     {expired.Code, expiredTokens.Refresh.Hash},
		"unknown":     {expired.Code, newHash()},
	} {
		access := newAccess(c.code)
		if _, err := s.Tokens.Renew(ctx, c.refresh, access); !errors.Is(err, token.ErrRevoked) {
			t.Errorf("%s: got %v, want ErrRevoked", name, err)
		}
		if _, err := s.Tokens.Live(ctx, access.Hash); !errors.Is(err, token.ErrNotFound) {
			t.Errorf("%s: access token: got %v, want ErrNotFound", name, err)
		}
	}
}

func renewForeign(t *testing.T, s Stores) {
	a, r := redeemed(t, s)
	other, _ := redeemed(t, s)
	for name, spoil := range map[string]func(*token.Access){
		"grant":     func(x *token.Access) { x.Grant = other.Grant.ID },
		"recipient": func(x *token.Access) { x.Recipient = consenttest.OtherRecipient },
	} {
		access := newAccess(a.Code)
		spoil(&access)
		if _, err := s.Tokens.Renew(context.Background(), r.Refresh.Hash, access); !errors.Is(err, token.ErrRevoked) {
			t.Errorf("another %s: got %v, want ErrRevoked", name, err)
		}
		if _, err := s.Tokens.Live(context.Background(), access.Hash); !errors.Is(err, token.ErrNotFound) {
			t.Errorf("another %s: access token: got %v, want ErrNotFound", name, err)
		}
	}
}

func renewAgainstEnd(t *testing.T, s Stores) {
	for range rounds {
		a, r := redeemed(t, s)
		access := newAccess(a.Code)
		err := against(t, s, a.Grant.ID, func() error {
			_, err := s.Tokens.Renew(context.Background(), r.Refresh.Hash, access)
			return err
		})
		if err != nil && !errors.Is(err, token.ErrRevoked) {
			t.Errorf("renew: got %v, want nil or ErrRevoked", err)
		}
		deadAccess(t, s, access.Hash)
		deadAccess(t, s, r.Access.Hash)
	}
}

func liveUnknown(t *testing.T, s Stores) {
	_, r := redeemed(t, s)
	for name, h := range map[string]token.Hash{"unknown": newHash(), "a refresh token": r.Refresh.Hash, "a code": r.Code, "zero": {}} {
		if _, err := s.Tokens.Live(context.Background(), h); !errors.Is(err, token.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", name, err)
		}
	}
}

func liveEnded(t *testing.T, s Stores) {
	a, r := redeemed(t, s)
	end(t, s, a.Grant.ID)
	live, err := s.Tokens.Live(context.Background(), r.Access.Hash)
	if err != nil || live.Active(time.Now()) || live.Share.Status != consent.StatusRevoked || live.Share.Epoch != 2 {
		t.Errorf("got %+v (%v), want the ended grant in epoch 2", live, err)
	}
}

func revokeAccess(t *testing.T, s Stores) {
	ctx := context.Background()
	a, r := redeemed(t, s)
	other := newAccess(a.Code)
	if _, err := s.Tokens.Renew(ctx, r.Refresh.Hash, other); err != nil {
		t.Fatal(err)
	}
	id, epoch, err := s.Tokens.RevokeAccess(ctx, a.Grant.Recipient, r.Access.Hash)
	if err != nil || id != a.Grant.ID || epoch != 2 {
		t.Fatalf("got %s, %d, %v, want the grant in epoch 2", id, epoch, err)
	}
	live, err := s.Tokens.Live(ctx, r.Access.Hash)
	if err != nil || live.Active(time.Now()) || live.Access.RevokedAt.IsZero() {
		t.Errorf("withdrawn: got %+v (%v)", live, err)
	}
	live, err = s.Tokens.Live(ctx, other.Hash)
	if err != nil || !live.Active(time.Now()) || live.Share.Epoch != 2 {
		t.Errorf("the other token: got %+v (%v), want it active in epoch 2", live, err)
	}
	if _, err := s.Tokens.Refresh(ctx, r.Refresh.Hash); err != nil {
		t.Errorf("refresh token: %v", err)
	}
	tokensRevokedTold(t, s, a.Grant.ID)
}

// tokensRevokedTold fails unless the grant is active in epoch 2 and its
// history says why.
func tokensRevokedTold(t *testing.T, s Stores, id consent.GrantID) {
	t.Helper()
	g, err := s.Grants.Grant(context.Background(), id)
	if err != nil || g.Status != consent.StatusActive || g.Epoch != 2 || g.UpdatedAt.IsZero() {
		t.Errorf("grant: got %+v (%v), want it active in epoch 2", g, err)
	}
	events, err := s.Grants.Events(context.Background(), id)
	if err != nil || len(events) != 2 || events[1].Kind != consent.EventTokensRevoked ||
		events[1].Actor != consent.ActorRecipient || events[1].Epoch != 2 {
		t.Errorf("events: got %+v (%v)", events, err)
	}
}

func revokeRefresh(t *testing.T, s Stores) {
	ctx := context.Background()
	a, r := redeemed(t, s)
	other := newAccess(a.Code)
	if _, err := s.Tokens.Renew(ctx, r.Refresh.Hash, other); err != nil {
		t.Fatal(err)
	}
	unrelated, unrelatedTokens := redeemed(t, s)
	id, epoch, err := s.Tokens.RevokeRefresh(ctx, a.Grant.Recipient, r.Refresh.Hash)
	if err != nil || id != a.Grant.ID || epoch != 2 {
		t.Fatalf("got %s, %d, %v, want the grant in epoch 2", id, epoch, err)
	}
	if _, err := s.Tokens.Refresh(ctx, r.Refresh.Hash); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("refresh token: got %v, want ErrRevoked", err)
	}
	for _, h := range []token.Hash{r.Access.Hash, other.Hash} {
		if live, err := s.Tokens.Live(ctx, h); err != nil || live.Active(time.Now()) || live.Access.RevokedAt.IsZero() {
			t.Errorf("access token: got %+v (%v), want it withdrawn", live, err)
		}
	}
	tokensRevokedTold(t, s, a.Grant.ID)
	if live, err := s.Tokens.Live(ctx, unrelatedTokens.Access.Hash); err != nil || !live.Active(time.Now()) || live.Share.Grant != unrelated.Grant.ID {
		t.Errorf("a token of another grant: got %+v (%v)", live, err)
	}
}

func revokeNothing(t *testing.T, s Stores) {
	ctx := context.Background()
	alive, aliveTokens := redeemed(t, s)
	ended, endedTokens := redeemed(t, s)
	end(t, s, ended.Grant.ID)
	expired := approved(t, s, nil)
	expiredTokens := newRedemption(expired.Code)
	expiredTokens.Access.ExpiresAt = time.Now().Add(-10 * time.Minute)
	expiredTokens.Refresh.ExpiresAt = expiredTokens.Access.ExpiresAt
	if _, err := s.Tokens.Redeem(ctx, expiredTokens); err != nil {
		t.Fatal(err)
	}
	withdrawn, withdrawnTokens := redeemed(t, s)
	if _, _, err := s.Tokens.RevokeRefresh(ctx, consenttest.Recipient, withdrawnTokens.Refresh.Hash); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		who             consent.RecipientID
		access, refresh token.Hash
		want            error
		grant           consent.GrantID // with ErrRevoked
		epoch           int64
	}{
		"unknown":           {consenttest.Recipient, newHash(), newHash(), token.ErrNotFound, "", 0},
		"another recipient": {consenttest.OtherRecipient, aliveTokens.Access.Hash, aliveTokens.Refresh.Hash, token.ErrNotFound, "", 0},
		"another's ended":   {consenttest.OtherRecipient, endedTokens.Access.Hash, endedTokens.Refresh.Hash, token.ErrNotFound, "", 0},
		"nobody":            {"", aliveTokens.Access.Hash, aliveTokens.Refresh.Hash, token.ErrNotFound, "", 0},
		"kinds swapped":     {consenttest.Recipient, aliveTokens.Refresh.Hash, aliveTokens.Access.Hash, token.ErrNotFound, "", 0},
		"grant ended":       {consenttest.Recipient, endedTokens.Access.Hash, endedTokens.Refresh.Hash, token.ErrRevoked, ended.Grant.ID, 2},
		"expired":           {consenttest.Recipient, expiredTokens.Access.Hash, expiredTokens.Refresh.Hash, token.ErrRevoked, expired.Grant.ID, 1},
		"withdrawn":         {consenttest.Recipient, withdrawnTokens.Access.Hash, withdrawnTokens.Refresh.Hash, token.ErrRevoked, withdrawn.Grant.ID, 2},
	} {
		if id, epoch, err := s.Tokens.RevokeAccess(ctx, c.who, c.access); !errors.Is(err, c.want) || id != c.grant || epoch != c.epoch {
			t.Errorf("%s: access: got %s, %d, %v, want %v", name, id, epoch, err, c.want)
		}
		if id, epoch, err := s.Tokens.RevokeRefresh(ctx, c.who, c.refresh); !errors.Is(err, c.want) || id != c.grant || epoch != c.epoch {
			t.Errorf("%s: refresh: got %s, %d, %v, want %v", name, id, epoch, err, c.want)
		}
	}
	for id, epoch := range map[consent.GrantID]int64{alive.Grant.ID: 1, ended.Grant.ID: 2, expired.Grant.ID: 1, withdrawn.Grant.ID: 2} {
		if g, err := s.Grants.Grant(ctx, id); err != nil || g.Epoch != epoch {
			t.Errorf("epoch %d (%v), want %d", g.Epoch, err, epoch)
		}
	}
	if live, err := s.Tokens.Live(ctx, aliveTokens.Access.Hash); err != nil || !live.Active(time.Now()) {
		t.Errorf("the owner's token died (%v)", err)
	}
}

func revokeAgainstEnd(t *testing.T, s Stores) {
	for i := range rounds {
		a, r := redeemed(t, s)
		err := against(t, s, a.Grant.ID, func() error {
			if i%2 == 0 {
				_, _, err := s.Tokens.RevokeAccess(context.Background(), a.Grant.Recipient, r.Access.Hash)
				return err
			}
			_, _, err := s.Tokens.RevokeRefresh(context.Background(), a.Grant.Recipient, r.Refresh.Hash)
			return err
		})
		if err != nil && !errors.Is(err, token.ErrRevoked) {
			t.Errorf("withdraw: got %v, want nil or ErrRevoked", err)
		}
		deadAccess(t, s, r.Access.Hash)
	}
}

func revokeRace(t *testing.T, s Stores) {
	a, r := redeemed(t, s)
	errs := consenttest.Race(func(int) error {
		_, epoch, err := s.Tokens.RevokeAccess(context.Background(), a.Grant.Recipient, r.Access.Hash)
		if epoch != 2 { // the losers' too
			t.Errorf("epoch %d, want 2", epoch)
		}
		return err
	})
	consenttest.OneWinner(t, errs, token.ErrRevoked)
	errs = consenttest.Race(func(int) error {
		_, epoch, err := s.Tokens.RevokeRefresh(context.Background(), a.Grant.Recipient, r.Refresh.Hash)
		if epoch != 3 { // the losers' too
			t.Errorf("epoch %d, want 3", epoch)
		}
		return err
	})
	consenttest.OneWinner(t, errs, token.ErrRevoked)
	if g, err := s.Grants.Grant(context.Background(), a.Grant.ID); err != nil || g.Epoch != 3 {
		t.Errorf("epoch %d (%v), want 3", g.Epoch, err)
	}
}
