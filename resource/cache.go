package resource

import (
	"context"

	"github.com/headgate/headgate/internal/token"
)

// Cache remembers access tokens with the share that they open, in front of
// the truth. It may forget anything at any time, fail, or be emptied: a read
// then costs a look at the truth and is otherwise the same. What it
// remembers may be out of date; the Gate is what makes that harmless. Calls
// end by themselves within a fraction of a second: their ctx ends when the
// client hangs up, and has no deadline.
// Implementations are safe for concurrent use and shared by all instances.
// The executable contract is resourcetest.Cache.
type Cache interface {
	// Look finds a token and, only if it is found, spends the proof and takes
	// the request from the quotas, in one round trip. A token whose grant has
	// moved on since it was filled (consent.Cache) is not found. Nothing is
	// taken for a proof that was spent before, nor for who does not hold what
	// the token is bound to: no stranger uses up a recipient's quota. Either
	// all quotas have room and are taken from, or none is.
	Look(ctx context.Context, q Lookup) (Cached, error)

	// Fill remembers l for at most 60 seconds and never past its end. The
	// lease is the one that the Look gave which did not find the token, and
	// that Look must have come before l was read from the truth. Nothing is
	// remembered, and that is no error, if since then the cache was emptied,
	// the grant moved past l's epoch, or more than five seconds went by: l
	// may be out of date.
	Fill(ctx context.Context, lease Lease, l token.Live) error
}

// Lookup is the question to a Cache.
type Lookup struct {
	Hash token.Hash
	// Proof is to be spent; nil for a certificate.
	Proof *token.Proof
	// Bound is the thumbprint of the key or certificate that the request
	// proved to hold.
	Bound string
	// Quotas are taken from; a recipient with a quota of its own
	// (token.Live.Quota) has that one in place of theirs. Where there is none
	// nothing is taken.
	Quotas Quotas
}

// Cached is what a Cache knows of a token.
type Cached struct {
	Found bool
	// Live, when found; its At is the present of the cache's clock.
	Live token.Live
	// Replayed: the proof was spent before; only when found.
	Replayed bool
	// Counted: the request was held against the quotas, and Levels say what
	// became of it; only when found.
	Counted bool
	Levels  Levels
	// Lease is for the Fill that follows; only when not found.
	Lease Lease
}

// Lease is a Cache's own note of when a look-up missed.
type Lease string
