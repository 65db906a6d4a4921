package token

import (
	"context"

	"github.com/headgate/headgate/consent"
)

// Requests keeps pushed requests and turns a decision into a code.
// Implementations are safe for concurrent use; each method is one
// transaction. The executable contract is authztest.Requests.
type Requests interface {
	// Push stores a pushed request. The one-time proofs of the request are
	// spent in the same step; a *ReplayedError stores nothing.
	Push(ctx context.Context, p Pushed, spend ...Proof) error

	// Pushed returns a pushed request that may be opened: ErrNotFound when
	// unknown or past its ExpiresAt, the record with ErrUsed when it was
	// decided before.
	Pushed(ctx context.Context, h Hash) (Pushed, error)

	// Opened returns a pushed request that a person is deciding about,
	// whatever its ExpiresAt: that bounds when it can be opened, not how long
	// the person may think. ErrNotFound when unknown, the record with ErrUsed
	// when decided. Records are kept for at least consent.JourneyTime after
	// ExpiresAt.
	Opened(ctx context.Context, h Hash) (Pushed, error)

	// Approve consumes the pushed request, replaces the authorization,
	// creates the grant with its event, and stores the code:
	// all or nothing. consent.ErrConsumed when the request was decided
	// before, consent.ErrMayNotAsk when the recipient is not active any more,
	// consent.ErrSharingOff when the person has new sharing switched off,
	// consent.ErrConflict when the authorization was replaced
	// meanwhile.
	//
	// A grant of a later epoch than the first is the next version of one that
	// is stored, and takes its place: the same recipient's and consumer's, in
	// the epoch before, active at the store's clock, else consent.ErrEnded.
	// All earlier codes, refresh and access tokens of the grant are withdrawn
	// in the same step, and the event is EventChanged. When it was made stays
	// and UpdatedAt is the store's own time. Between a change and an end the
	// end wins, and of two changes of one version one.
	//
	// The pushed request's ExpiresAt is not looked at again: it
	// bounds how long the request may be opened, and the authorization's own
	// time bounds the person.
	Approve(ctx context.Context, a Approval) error

	// Refuse consumes the pushed request and replaces the authorization,
	// creating nothing; errors as Approve.
	Refuse(ctx context.Context, pushed Hash, a consent.Authorization) error
}

// Approval is everything that one approval writes.
type Approval struct {
	Pushed        Hash
	Authorization consent.Authorization // as it is after the approval
	Grant         consent.Grant         // new in epoch 1, else the next version of one
	Code          Code
}
