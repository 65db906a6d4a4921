package consent

import (
	"context"
	"fmt"
	"time"
)

// Remembered is for how long caches are told of a change again. It is longer
// than any cache keeps a record of a grant.
const Remembered = 2 * time.Minute

// Moves knows which grants moved on lately. Implementations are safe for
// concurrent use.
type Moves interface {
	// Moved returns the grants that changed within the time before now, by
	// the store's clock, and their epochs. nil when there are none.
	Moved(ctx context.Context, within time.Duration) ([]Move, error)
}

// Move is a grant that changed, and the epoch that it has since.
type Move struct {
	Grant GrantID
	Epoch int64
}

// Repeat tells the cache again of every grant that moved on lately, whoever
// changed it and whether or not it was told then: of a change that one process
// made while it was cut off from the cache, another tells. It is a hint. No
// promise rests on it, because data waits for the truth and Service.Settle for
// Freshness; it spares readers a record that can only be refused. Errors are
// those of the store, wrapped, or the first of the cache.
func Repeat(ctx context.Context, m Moves, c Cache) error {
	moved, err := m.Moved(ctx, Remembered)
	if err != nil {
		return fmt.Errorf("tell caches again: %w", err)
	}
	for _, one := range moved {
		if err := c.Ended(ctx, one.Grant, one.Epoch); err != nil {
			return fmt.Errorf("tell caches again: %w", err)
		}
	}
	return nil
}
