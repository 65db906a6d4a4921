package resourcetest

import (
	"context"

	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// The two windows in which a stop can overtake a read are short, so a race
// test that leaves them to chance proves nothing. These wrappers hold them
// open: between the look at the truth and the fill of the cache, and between
// the bank's answer and the gate.

// HeldCache is a Cache whose Fill calls Before first.
type HeldCache struct {
	resource.Cache
	Before func()
}

// Fill implements resource.Cache.
func (h HeldCache) Fill(ctx context.Context, lease resource.Lease, l token.Live) error {
	h.Before()
	return h.Cache.Fill(ctx, lease, l)
}

// HeldGate is a Gate whose Release calls Before first.
type HeldGate struct {
	resource.Gate
	Before func()
}

// Release implements resource.Gate.
func (h HeldGate) Release(ctx context.Context, r resource.Release) (resource.Verdict, error) {
	h.Before()
	return h.Gate.Release(ctx, r)
}
