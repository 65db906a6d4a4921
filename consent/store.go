package consent

import (
	"context"
	"time"
)

// Store keeps grants. Implementations are safe for concurrent use; each
// method is one transaction. The executable form of this contract is
// consenttest.Store.
type Store interface {
	// Create stores an ACTIVE grant with epoch 1, its granted event and the
	// outbox rows that tell others, all or nothing. A second grant with the
	// same id is ErrConflict.
	Create(ctx context.Context, g Grant) error

	// Grant returns the present version or ErrNotFound.
	Grant(ctx context.Context, id GrantID) (Grant, error)

	// GrantsOf returns a consumer's grants in every state, newest first;
	// nil when there are none.
	GrantsOf(ctx context.Context, consumer ConsumerID) ([]Grant, error)

	// End moves an ACTIVE grant to its final state and raises the epoch;
	// token rows, event and outbox rows go with it. The grant's Status must
	// still be ACTIVE when it is written, otherwise ErrEnded and nothing
	// changes; ErrNotFound for an unknown id. It returns the grant as it is
	// after the change. The time is the store's own clock.
	End(ctx context.Context, end End) (Grant, error)

	// Events returns a grant's history, oldest first; nil when unknown.
	Events(ctx context.Context, id GrantID) ([]Event, error)
}

// End is the order to end a grant.
type End struct {
	Grant  GrantID
	Status Status // StatusRevoked or StatusExpired
	Actor  Actor
	Reason Reason
}

// Cache is told when a grant's present version moves on. Telling is best
// effort: correctness never depends on it.
type Cache interface {
	// Ended makes every instance forget what it holds of the grant at an
	// epoch below the given one.
	Ended(ctx context.Context, id GrantID, epoch int64) error
}

// tellTimeout bounds how long a stop waits for the cache.
const tellTimeout = 50 * time.Millisecond
