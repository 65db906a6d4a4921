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

// client is a registration of the contract.
func client(t *testing.T, s Stores, id consent.RecipientID) consent.Recipient {
	t.Helper()
	r, err := s.Recipients.Recipient(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func presentedUsable(t *testing.T, s Stores) {
	ctx := context.Background()
	who := client(t, s, consenttest.Recipient)
	a := approved(t, s, nil)
	want := token.Presented{Client: who, Code: a.Code, Grant: a.Grant}
	if got, err := s.Tokens.PresentedCode(ctx, who.ID, a.Code.Hash); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("code: got  %+v (%v)\nwant %+v", got, err, want)
	}
	b, r := redeemed(t, s)
	want = token.Presented{Client: who, Refresh: *r.Refresh, Grant: b.Grant}
	if got, err := s.Tokens.PresentedRefresh(ctx, who.ID, r.Refresh.Hash); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("refresh: got  %+v (%v)\nwant %+v", got, err, want)
	}
}

// Of what cannot be used nothing comes back but why, and the client.
func presentedRefused(t *testing.T, s Stores) {
	ctx := context.Background()
	usable, usableTokens := redeemed(t, s)
	fresh := approved(t, s, nil)
	expired := approved(t, s, func(a *token.Approval) { a.Code.ExpiresAt = time.Now().Add(-10 * time.Minute) })
	late := approved(t, s, nil)
	lateTokens := newRedemption(late.Code)
	lateTokens.Refresh.ExpiresAt = time.Now().Add(-10 * time.Minute)
	if _, err := s.Tokens.Redeem(ctx, lateTokens); err != nil {
		t.Fatal(err)
	}
	ended, endedTokens := redeemed(t, s)
	end(t, s, ended.Grant.ID)
	withdrawn, withdrawnTokens := redeemed(t, s)
	if _, _, err := s.Tokens.RevokeRefresh(ctx, withdrawn.Grant.Recipient, withdrawnTokens.Refresh.Hash); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		load func(context.Context, consent.RecipientID, token.Hash) (token.Presented, error)
		who  consent.RecipientID
		h    token.Hash
		want error
	}{
		"unknown code":                    {s.Tokens.PresentedCode, consenttest.Recipient, newHash(), token.ErrNotFound},
		"expired code":                    {s.Tokens.PresentedCode, consenttest.Recipient, expired.Code.Hash, token.ErrNotFound},
		"another client's code":           {s.Tokens.PresentedCode, consenttest.OtherRecipient, fresh.Code.Hash, token.ErrNotFound},
		"another client's used code":      {s.Tokens.PresentedCode, consenttest.OtherRecipient, usable.Code.Hash, token.ErrNotFound},
		"refresh token as a code":         {s.Tokens.PresentedCode, consenttest.Recipient, usableTokens.Refresh.Hash, token.ErrNotFound},
		"unknown refresh token":           {s.Tokens.PresentedRefresh, consenttest.Recipient, newHash(), token.ErrNotFound},
		"expired refresh token":           {s.Tokens.PresentedRefresh, consenttest.Recipient, lateTokens.Refresh.Hash, token.ErrNotFound},
		"another client's refresh token":  {s.Tokens.PresentedRefresh, consenttest.OtherRecipient, usableTokens.Refresh.Hash, token.ErrNotFound},
		"refresh token of an ended grant": {s.Tokens.PresentedRefresh, consenttest.Recipient, endedTokens.Refresh.Hash, token.ErrRevoked},
		"withdrawn refresh token":         {s.Tokens.PresentedRefresh, consenttest.Recipient, withdrawnTokens.Refresh.Hash, token.ErrRevoked},
		"code as a refresh token":         {s.Tokens.PresentedRefresh, consenttest.Recipient, fresh.Code.Hash, token.ErrNotFound},
	} {
		got, err := c.load(ctx, c.who, c.h)
		want := token.Presented{Client: client(t, s, c.who), Refused: got.Refused}
		if err != nil || !errors.Is(got.Refused, c.want) || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v (%v), want nothing and %v", name, got, err, c.want)
		}
	}
}

// A used code comes back to its client, so that what it led to can be ended.
func presentedUsed(t *testing.T, s Stores) {
	a, _ := redeemed(t, s)
	got, err := s.Tokens.PresentedCode(context.Background(), a.Grant.Recipient, a.Code.Hash)
	if err != nil || !errors.Is(got.Refused, token.ErrUsed) || got.Code.Grant != a.Grant.ID || got.Code.UsedAt.IsZero() {
		t.Errorf("got %+v (%v)", got, err)
	}
}

func presentedByNobody(t *testing.T, s Stores) {
	a, r := redeemed(t, s)
	for _, who := range []consent.RecipientID{"", "nobody"} {
		if got, err := s.Tokens.PresentedCode(context.Background(), who, a.Code.Hash); !errors.Is(err, consent.ErrNotFound) || !reflect.DeepEqual(got, token.Presented{}) {
			t.Errorf("code: got %+v (%v), want ErrNotFound", got, err)
		}
		if got, err := s.Tokens.PresentedRefresh(context.Background(), who, r.Refresh.Hash); !errors.Is(err, consent.ErrNotFound) || !reflect.DeepEqual(got, token.Presented{}) {
			t.Errorf("refresh: got %+v (%v), want ErrNotFound", got, err)
		}
	}
}

// approvedFor stores an approval of the recipient's.
func approvedFor(t *testing.T, s Stores, who consent.RecipientID) token.Approval {
	t.Helper()
	return approved(t, s, func(a *token.Approval) { a.Grant.Recipient, a.Code.Recipient = who, who })
}

// A restricted recipient goes on under the grants it has; one in any other
// state but active gets nothing, and nothing that it has works.
func redeemStatus(t *testing.T, s Stores) {
	ctx := context.Background()
	for status, may := range mayRead {
		who := register(t, s, consent.RecipientActive)
		had, next := approvedFor(t, s, who), approvedFor(t, s, who)
		first, second := newRedemption(had.Code), newRedemption(next.Code)
		if _, err := s.Tokens.Redeem(ctx, first); err != nil {
			t.Fatal(err)
		}
		setStatus(t, s, who, status)
		refused := func(what string, err error) {
			t.Helper()
			if (err == nil) != may || !may && !errors.Is(err, token.ErrRevoked) {
				t.Errorf("%s: %s: %v", status, what, err)
			}
		}
		_, err := s.Tokens.Refresh(ctx, first.Refresh.Hash)
		refused("refresh token", err)
		p, err := s.Tokens.PresentedRefresh(ctx, who, first.Refresh.Hash)
		if err != nil || p.Client.Status != status {
			t.Errorf("%s: presented: %+v, %v", status, p.Client, err)
		}
		refused("presented refresh token", p.Refused)
		access := newAccess(had.Code)
		_, err = s.Tokens.Renew(ctx, first.Refresh.Hash, access)
		refused("renewal", err)
		_, err = s.Tokens.Redeem(ctx, second)
		refused("redemption", err)
		for _, h := range []token.Hash{first.Access.Hash, access.Hash, second.Access.Hash} {
			if alive(s, h) != may {
				t.Errorf("%s: an access token is alive: %t", status, !may)
			}
		}
	}
}

// The form of error codes follows the registration at once.
func liveErrorCodes(t *testing.T, s Stores) {
	ctx := context.Background()
	who := register(t, s, consent.RecipientActive)
	first := newRedemption(approvedFor(t, s, who).Code)
	if _, err := s.Tokens.Redeem(ctx, first); err != nil {
		t.Fatal(err)
	}
	for form, want := range map[string]bool{"": false, consent.IntegerCodes: true, "string": false} {
		r, err := s.Recipients.Recipient(ctx, who)
		if err != nil {
			t.Fatal(err)
		}
		r.Profile.ErrorCodes = form
		if err := s.Recipients.PutRecipient(ctx, r); err != nil {
			t.Fatal(err)
		}
		if l, err := s.Tokens.Live(ctx, first.Access.Hash); err != nil || l.IntegerCodes != want || !l.Active(time.Now()) {
			t.Errorf("%s: %v, %v", form, l.IntegerCodes, err)
		}
	}
}

// A token that was narrowed opens what it names and the grant still holds.
func narrowedLive(t *testing.T, s Stores) {
	ctx := context.Background()
	a, r := redeemed(t, s)
	limit := []consent.Resource{{Type: consent.ResourceAccount, ID: "account-1", Clusters: fdx.NewClusters(fdx.AccountBasic, fdx.Transactions)}}
	access := newAccess(a.Code)
	access.Resources = limit
	if _, err := s.Tokens.Renew(ctx, r.Refresh.Hash, access); err != nil {
		t.Fatal(err)
	}
	other := approved(t, s, nil)
	redemption := newRedemption(other.Code)
	redemption.Access.Resources = limit
	if _, err := s.Tokens.Redeem(ctx, redemption); err != nil {
		t.Fatal(err)
	}
	for grant, h := range map[consent.GrantID]token.Hash{a.Grant.ID: access.Hash, other.Grant.ID: redemption.Access.Hash} {
		l, err := s.Tokens.Live(ctx, h)
		want := []consent.AccountShare{{ID: "account-1", Clusters: fdx.NewClusters(fdx.AccountBasic)}}
		if err != nil || l.Share.Grant != grant || !reflect.DeepEqual(l.Share.Accounts, want) || !l.Share.Customer.Empty() || !reflect.DeepEqual(l.Access.Resources, limit) {
			t.Errorf("got %+v (%v), want %+v", l, err, want)
		}
	}
	if l, err := s.Tokens.Live(ctx, r.Access.Hash); err != nil || !reflect.DeepEqual(l.Share, a.Grant.Share()) {
		t.Errorf("the whole token: got %+v (%v)", l.Share, err)
	}
}
