package authztest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
)

// register stores a new registration in a status and returns its id.
func register(t *testing.T, s Stores, status consent.RecipientStatus) consent.RecipientID {
	t.Helper()
	r := consenttest.Registrations()[0]
	r.ID = consent.RecipientID("contract-" + uuid.NewString())
	setStatus(t, s, r.ID, status)
	return r.ID
}

func setStatus(t *testing.T, s Stores, id consent.RecipientID, status consent.RecipientStatus) {
	t.Helper()
	r := consenttest.Registrations()[0]
	r.ID, r.Status = id, status
	if err := s.Recipients.PutRecipient(context.Background(), r); err != nil {
		t.Fatalf("register: %v", err)
	}
}

// mayRead are the states of a registration and whether tokens work in them.
var mayRead = map[consent.RecipientStatus]bool{
	consent.RecipientActive: true, consent.RecipientRestricted: true,
	consent.RecipientPending: false, consent.RecipientSuspended: false, consent.RecipientClosed: false,
}

func newClientAccess(who consent.RecipientID) token.ClientAccess {
	return token.ClientAccess{
		Hash: newHash(), Recipient: who, Scopes: []string{"one", "two"}, KeyThumbprint: "thumbprint",
		IssuedAt: second(time.Now()), ExpiresAt: second(time.Now()).Add(15 * time.Minute),
	}
}

func clientIssued(t *testing.T, s Stores) {
	ctx := context.Background()
	a := newClientAccess(consenttest.Recipient)
	certified := newClientAccess(consenttest.Recipient)
	certified.KeyThumbprint, certified.CertThumbprint = "", "certificate"
	for _, a := range []token.ClientAccess{a, certified} {
		if err := s.Tokens.IssueClient(ctx, a); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Tokens.ClientAccess(ctx, a.Hash); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("got  %+v (%v)\nwant %+v", got, err, a)
		}
	}
	// It is of another kind than the tokens of a grant.
	if _, err := s.Tokens.Live(ctx, a.Hash); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("as the token of a grant: %v", err)
	}
	if _, _, err := s.Tokens.RevokeAccess(ctx, a.Recipient, a.Hash); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("withdrawn as the token of a grant: %v", err)
	}
	_, r := redeemed(t, s)
	for name, h := range map[string]token.Hash{"unknown": newHash(), "zero": {}, "of a grant": r.Access.Hash} {
		if got, err := s.Tokens.ClientAccess(ctx, h); !errors.Is(err, token.ErrNotFound) || got.Recipient != "" {
			t.Errorf("%s: got %+v, %v, want ErrNotFound", name, got, err)
		}
	}
}

func clientDead(t *testing.T, s Stores) {
	ctx := context.Background()
	expired := newClientAccess(consenttest.Recipient)
	expired.IssuedAt, expired.ExpiresAt = expired.IssuedAt.Add(-time.Hour), expired.IssuedAt.Add(-10*time.Minute)
	if err := s.Tokens.IssueClient(ctx, expired); err != nil {
		t.Fatal(err)
	}
	withdrawn := newClientAccess(consenttest.Recipient)
	if err := s.Tokens.IssueClient(ctx, withdrawn); err != nil {
		t.Fatal(err)
	}
	if err := s.Tokens.RevokeClient(ctx, consenttest.OtherRecipient, withdrawn.Hash); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("withdrawn by another: got %v, want ErrNotFound", err)
	}
	if _, err := s.Tokens.ClientAccess(ctx, withdrawn.Hash); err != nil {
		t.Errorf("another has withdrawn it: %v", err)
	}
	if err := s.Tokens.RevokeClient(ctx, withdrawn.Recipient, withdrawn.Hash); err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]token.ClientAccess{"expired": expired, "withdrawn": withdrawn, "unknown": newClientAccess(consenttest.Recipient)} {
		if got, err := s.Tokens.ClientAccess(ctx, a.Hash); !errors.Is(err, token.ErrNotFound) || got.Recipient != "" {
			t.Errorf("%s: got %+v, %v, want ErrNotFound", name, got, err)
		}
		if err := s.Tokens.RevokeClient(ctx, a.Recipient, a.Hash); !errors.Is(err, token.ErrNotFound) {
			t.Errorf("%s, withdrawn: got %v, want ErrNotFound", name, err)
		}
	}
}

func clientStatus(t *testing.T, s Stores) {
	ctx := context.Background()
	for status, may := range mayRead {
		who := register(t, s, consent.RecipientActive)
		before := newClientAccess(who)
		if err := s.Tokens.IssueClient(ctx, before); err != nil {
			t.Fatal(err)
		}
		setStatus(t, s, who, status)
		if _, err := s.Tokens.ClientAccess(ctx, before.Hash); (err == nil) != may || !may && !errors.Is(err, token.ErrNotFound) {
			t.Errorf("%s: used: %v", status, err)
		}
		after := newClientAccess(who)
		if err := s.Tokens.IssueClient(ctx, after); (err == nil) != may || !may && !errors.Is(err, token.ErrRevoked) {
			t.Errorf("%s: issued: %v", status, err)
		}
		if status == consent.RecipientClosed {
			continue // it stays closed
		}
		setStatus(t, s, who, consent.RecipientActive)
		if _, err := s.Tokens.ClientAccess(ctx, after.Hash); (err == nil) != may {
			t.Errorf("%s: stored: %v", status, err)
		}
	}
	nobody := newClientAccess(consent.RecipientID(uuid.NewString()))
	if err := s.Tokens.IssueClient(ctx, nobody); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("nobody: got %v, want ErrRevoked", err)
	}
}

func clientUnbound(t *testing.T, s Stores) {
	ctx := context.Background()
	for name, spoil := range map[string]func(*token.ClientAccess){
		"neither": func(a *token.ClientAccess) { a.KeyThumbprint = "" },
		"both":    func(a *token.ClientAccess) { a.CertThumbprint = "certificate" },
	} {
		a := newClientAccess(consenttest.Recipient)
		spoil(&a)
		if err := s.Tokens.IssueClient(ctx, a); err == nil {
			t.Errorf("bound to %s: stored", name)
		}
		if _, err := s.Tokens.ClientAccess(ctx, a.Hash); !errors.Is(err, token.ErrNotFound) {
			t.Errorf("bound to %s: got %v, want ErrNotFound", name, err)
		}
	}
	a := newClientAccess(consenttest.Recipient)
	if err := s.Tokens.IssueClient(ctx, a); err != nil {
		t.Fatal(err)
	}
	if err := s.Tokens.IssueClient(ctx, a); err == nil {
		t.Error("a hash was stored twice")
	}
}
