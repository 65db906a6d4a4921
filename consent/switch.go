package consent

import (
	"context"
	"errors"
	"time"
)

// ErrSharingOff: the person has all new sharing switched off.
var ErrSharingOff = errors.New("consent: new sharing is switched off")

// Switch keeps whether people let new sharing begin at all. What they share
// already goes on either way. Implementations are safe for concurrent use; each
// method is one transaction. Whoever makes a grant of a person's decision looks
// at the switch in the transaction that makes it.
type Switch interface {
	// SharingOff returns since when a person has new sharing switched off, by
	// the store's clock; the zero time when it is on, as it is for somebody of
	// whom nothing is known.
	SharingOff(ctx context.Context, who ConsumerID) (time.Time, error)

	// SwitchSharing switches new sharing off or on, and keeps the change with
	// its notice. It changes nothing, and keeps nothing, when it is so already.
	SwitchSharing(ctx context.Context, who ConsumerID, off bool) error

	// Switchings returns up to limit changes of a person's switch, newest
	// first, none later than until; a zero until is now. nil when there are
	// none.
	Switchings(ctx context.Context, who ConsumerID, until time.Time, limit int) ([]Switching, error)
}

// Switching is one change of a person's switch.
type Switching struct {
	ID       [16]byte
	Consumer ConsumerID
	At       time.Time // by the store's clock, UTC
	Off      bool      // what it became
}
