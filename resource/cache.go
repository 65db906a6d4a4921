package resource

import (
	"context"

	"github.com/headgate/headgate/internal/token"
)

// Cache remembers access tokens with the share that they open, in front of
// the truth. It may forget anything at any time, fail, or be emptied: a read
// then costs a look at the truth and is otherwise the same. What it
// remembers may be out of date; the Gate is what makes that harmless.
// Implementations are safe for concurrent use and shared by all instances.
// The executable contract is resourcetest.Cache.
type Cache interface {
	// Look finds a token and, only if it is found and proof is not nil,
	// spends the proof, in one round trip. A token whose grant has moved on
	// since it was filled (consent.Cache) is not found.
	Look(ctx context.Context, h token.Hash, proof *token.Proof) (Cached, error)

	// Fill remembers l for at most 60 seconds and never past its end. The
	// lease is the one that the Look gave which did not find the token, and
	// that Look must have come before l was read from the truth. Nothing is
	// remembered, and that is no error, if since then the cache was emptied,
	// the grant moved past l's epoch, or more than five seconds went by: l
	// may be out of date.
	Fill(ctx context.Context, lease Lease, l token.Live) error
}

// Cached is what a Cache knows of a token.
type Cached struct {
	Found bool
	Live  token.Live // when found
	// Replayed: the proof was spent before; only when found.
	Replayed bool
	// Lease is for the Fill that follows; only when not found.
	Lease Lease
}

// Lease is a Cache's own note of when a look-up missed.
type Lease string
