package consent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Remembered is how far back the first round of a Repeater goes. It is longer
// than any cache keeps a record of a grant.
const Remembered = 2 * time.Minute

// Span is a span of ages: over Over and at most Most.
type Span struct{ Over, Most time.Duration }

// Within are the ages up to d, and as far ahead of the store's clock.
func Within(d time.Duration) []Span { return []Span{{Over: -d, Most: d}} }

// Moves knows what changed lately. Implementations are safe for concurrent
// use.
type Moves interface {
	// Moved returns the grants that changed as long ago as one of the spans
	// says, by the store's clock, each once with the latest epoch of those
	// changes; nil when there are none. What was given anew is no change.
	Moved(ctx context.Context, ages []Span) ([]Move, error)

	// Stopped returns the recipients that may not read now and were changed
	// as long ago as one of the spans says; nil when there are none.
	Stopped(ctx context.Context, ages []Span) ([]RecipientID, error)
}

// Move is a grant that changed, and the epoch that it has since.
type Move struct {
	Grant GrantID
	Epoch int64
}

// Reminded is a cache that is told of many changes at a time.
type Reminded interface {
	// EndedAll is Cache.Ended of each. After an error any part of them may
	// have been told.
	EndedAll(ctx context.Context, moved []Move) error
	// Stopped is that of Cache.
	Stopped(ctx context.Context, id RecipientID) error
}

// Repeater tells a cache again of every grant and recipient that moved on
// lately, whoever changed it and whether or not it was told then: of a change
// that one process made while it was cut off from the cache, another tells. It
// is a hint. No promise rests on it, because data waits for the truth and
// Service.Settle for Freshness; it spares readers a record that can only be
// refused.
//
// A change is told when it is 5 seconds old, by when the transaction that
// wrote its time has ended, and again at 15 and 60 seconds, for a cache that
// came back with what it held before. No record outlives the last. One
// goroutine calls Round.
type Repeater struct {
	moves Moves
	cache Reminded
	now   func() time.Time
	last  time.Time // of the last round that succeeded; zero before it
}

// RepeaterConfig configures a Repeater.
type RepeaterConfig struct {
	Moves Moves    // required
	Cache Reminded // required
	// Now is time.Now when nil. Only differences count.
	Now func() time.Time
}

// NewRepeater returns a Repeater.
func NewRepeater(c RepeaterConfig) (*Repeater, error) {
	if c.Moves == nil || c.Cache == nil {
		return nil, errors.New("consent: repeater needs moves and a cache")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Repeater{moves: c.Moves, cache: c.Cache, now: c.Now}, nil
}

// roundOverlap is what a round goes back beyond the last one, for the time
// between our look at the clock and the store's. Twice told does no harm.
const roundOverlap = time.Second

// Round tells of the changes whose age has passed a mark since the last round
// that succeeded. Errors are those of the store, wrapped, or the first of the
// cache; the next round then does this one's work as well.
func (r *Repeater) Round(ctx context.Context) error {
	now, back := r.now(), Remembered
	if !r.last.IsZero() {
		back = min(back, now.Sub(r.last)+roundOverlap)
	}
	var ages []Span
	for _, mark := range []time.Duration{5 * time.Second, 15 * time.Second, time.Minute} {
		ages = append(ages, Span{Over: mark, Most: mark + back})
	}
	moved, err := r.moves.Moved(ctx, ages)
	if err == nil && len(moved) > 0 {
		err = r.cache.EndedAll(ctx, moved)
	}
	if err != nil {
		return fmt.Errorf("tell caches again: %w", err)
	}
	stopped, err := r.moves.Stopped(ctx, ages)
	for _, id := range stopped {
		if err = r.cache.Stopped(ctx, id); err != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("tell caches again: %w", err)
	}
	r.last = now
	return nil
}
