package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/headgate/headgate/fdx"
)

// ErrNothingLeft: taking that out of a grant would leave no account with data
// to read. Who wants that ends the grant.
var ErrNothingLeft = errors.New("consent: nothing would be left")

// ErrNothingTaken: the grant does not hold what is to be taken out of it.
var ErrNothingTaken = errors.New("consent: nothing is taken out")

// Without returns the resources of the grant without some accounts and without
// some clusters of all that is left, together with what these imply: to take
// out the details of accounts takes out their names as well. It is
// ErrNothingTaken when that changes nothing, and ErrNothingLeft when it leaves
// no account. It is a pure function.
func (g Grant) Without(accounts []fdx.AccountID, clusters fdx.Clusters) ([]Resource, error) {
	clusters = clusters.Implied()
	var left []Resource
	taken, held := false, false
	for _, r := range g.Resources {
		if r.Type == ResourceAccount && slices.Contains(accounts, fdx.AccountID(r.ID)) {
			taken = true
			continue
		}
		taken = taken || !r.Clusters.Intersect(clusters).Empty()
		if r.Clusters = r.Clusters.Without(clusters); r.Clusters.Empty() {
			continue
		}
		held = held || r.Type == ResourceAccount
		left = append(left, r)
	}
	switch {
	case !taken:
		return nil, ErrNothingTaken
	case !held:
		return nil, ErrNothingLeft
	}
	return left, nil
}

// Shrinking is the order to put fewer resources in the place of those that a
// grant has.
type Shrinking struct {
	Grant GrantID
	Epoch int64 // the version that was looked at
	// Resources are those that stay, as of Without.
	Resources  []Resource
	Disclosure Disclosure // what the person was shown
}

// ShrinkByConsumer takes accounts and clusters out of a grant, on the wish of
// the person who gave it and who was shown the version with that epoch. It
// returns ErrNotFound for a grant of somebody else, exactly as for one that
// does not exist, ErrConflict when the grant has another version by now,
// ErrEnded when it is over, and what Without returns. The app keeps its
// tokens.
//
// Once it has returned nil, no read that starts later is given what was taken
// out; what StopByConsumer says about introspection and waiting holds here,
// too.
func (s *Service) ShrinkByConsumer(ctx context.Context, who ConsumerID, id GrantID, epoch int64, accounts []fdx.AccountID, clusters fdx.Clusters, shown Disclosure) (Grant, error) {
	g, err := s.store.GrantOfConsumer(ctx, who, id)
	if err != nil {
		return Grant{}, fmt.Errorf("shrink by consumer: %w", err)
	}
	if g.Epoch != epoch {
		return s.second(ctx, id, fmt.Errorf("shrink by consumer: %w", ErrConflict))
	}
	left, err := g.Without(accounts, clusters)
	if err != nil {
		return Grant{}, fmt.Errorf("shrink by consumer: %w", err)
	}
	g, err = s.store.Shrink(ctx, Shrinking{Grant: id, Epoch: epoch, Resources: left, Disclosure: shown})
	if errors.Is(err, ErrEnded) || errors.Is(err, ErrConflict) {
		return s.second(ctx, id, err)
	}
	if err != nil {
		return Grant{}, fmt.Errorf("shrink grant %s: %w", id, err)
	}
	return g, s.Settle(ctx, g.ID, g.Epoch)
}
