package authztest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// Stores are the stores of one authorization server, which share their state:
// what one writes the others see.
type Stores struct {
	Grants         consent.Store
	Authorizations consent.Authorizations
	Requests       token.Requests
	Tokens         token.Store
	Guard          token.Guard
	Recipients     Registry
	Switch         consent.Switch
}

// Registry keeps the registrations that token.Store looks at.
type Registry interface {
	consent.Recipients
	// PutRecipient stores a registration, in place of the one with the same
	// id.
	PutRecipient(ctx context.Context, r consent.Recipient) error
}

// newHash returns the hash of a token that nobody holds.
func newHash() token.Hash {
	var h token.Hash
	_, _ = rand.Read(h[:]) // never fails
	return h
}

func newConsumer() consent.ConsumerID { return consent.ConsumerID("consumer-" + uuid.NewString()) }

func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func newPushed() token.Pushed {
	h := newHash()
	request := consenttest.NewAuthorization("", "", time.Now()).Request
	request.Change = consent.Change{Action: consent.ActionReplace, Grant: consent.NewGrantID(), Epoch: 7}
	return token.Pushed{
		Hash: h, Recipient: consenttest.Recipient,
		Params:        map[string]string{"state": "a\u0000b \"c\" å", "response_type": "code", "nonce": ""},
		Request:       request,
		KeyThumbprint: "thumbprint", ExpiresAt: second(time.Now()).Add(time.Minute),
	}
}

// decision is a pushed request that a person has opened.
type decision struct {
	pushed        token.Pushed
	authorization consent.Authorization
}

func newDecision(t *testing.T, s Stores) decision {
	t.Helper()
	ctx, p := context.Background(), newPushed()
	if err := s.Requests.Push(ctx, p); err != nil {
		t.Fatalf("push: %v", err)
	}
	a, err := s.Authorizations.Open(ctx, consenttest.NewAuthorization(p.Hash.String(), "browser-"+uuid.NewString(), time.Now()))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return decision{p, a}
}

// approval approves with a new grant.
func (d decision) approval() token.Approval {
	a := d.authorization
	a.Consumer, a.Accounts, a.Decision, a.Answered = newConsumer(), []fdx.AccountID{"account-1"}, consent.Approved, true
	g := consenttest.NewGrant(a.Consumer, time.Now())
	return token.Approval{Pushed: d.pushed.Hash, Authorization: a, Grant: g, Code: newCode(g)}
}

func newCode(g consent.Grant) token.Code {
	return token.Code{
		Hash: newHash(), Grant: g.ID, Recipient: g.Recipient, RequestID: uuid.NewString(),
		RedirectURI: "https://app.example/back", Challenge: "challenge", KeyThumbprint: "thumbprint",
		Scopes: []fdx.Scope{fdx.ScopeOfflineAccess, fdx.Balances.Scope()}, Session: []byte(`{"a":1}`),
		IssuedAt: second(time.Now()), ExpiresAt: second(time.Now()).Add(time.Minute),
	}
}

// approved stores what spoil makes of a new approval.
func approved(t *testing.T, s Stores, spoil func(*token.Approval)) token.Approval {
	t.Helper()
	a := newDecision(t, s).approval()
	if spoil != nil {
		spoil(&a)
	}
	if err := s.Requests.Approve(context.Background(), a); err != nil {
		t.Fatalf("approve: %v", err)
	}
	return a
}

// newAccess returns an access token of the grant that a code is for.
func newAccess(c token.Code) token.Access {
	return token.Access{
		Hash: newHash(), Grant: c.Grant, Recipient: c.Recipient, RequestID: c.RequestID, Scopes: c.Scopes,
		KeyThumbprint: "thumbprint", IssuedAt: second(time.Now()), ExpiresAt: second(time.Now()).Add(15 * time.Minute),
	}
}

func newRedemption(c token.Code) token.Redemption {
	return token.Redemption{Code: c.Hash, Access: newAccess(c), Refresh: &token.Refresh{
		Hash: newHash(), Grant: c.Grant, Recipient: c.Recipient, RequestID: c.RequestID, Scopes: c.Scopes,
		Session: []byte("session"), IssuedAt: second(time.Now()), ExpiresAt: second(time.Now()).AddDate(0, 0, 30),
	}}
}

// redeemed stores the tokens of a new grant.
func redeemed(t *testing.T, s Stores) (token.Approval, token.Redemption) {
	t.Helper()
	a := approved(t, s, nil)
	r := newRedemption(a.Code)
	if _, err := s.Tokens.Redeem(context.Background(), r); err != nil {
		t.Fatalf("redeem: %v", err)
	}
	return a, r
}

func end(t *testing.T, s Stores, id consent.GrantID) {
	t.Helper()
	if err := endErr(s, id); err != nil {
		t.Fatalf("end: %v", err)
	}
}

func endErr(s Stores, id consent.GrantID) error {
	_, err := s.Grants.End(context.Background(), consent.End{
		Grant: id, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction,
	})
	return err
}
