package consent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrClosed: the registration is closed, for good.
var ErrClosed = errors.New("consent: registration is closed")

// Standing changes what recipients may do. Implementations are safe for
// concurrent use; each method is one transaction. The executable contract is
// authztest.Registrations.
type Standing interface {
	// Move takes a registration from one state to another. ErrConflict, and
	// nothing changes, when it is not in the state from, was changed after
	// seen (unless that is zero), or the step is none that CanBecome allows;
	// ErrNotFound for an unknown id. Once it has returned nil, the gate, the
	// token endpoint and introspection go by the new state. Closing kills the
	// registration access token.
	Move(ctx context.Context, id RecipientID, from, to RecipientStatus, seen time.Time) error

	// ActiveGrants returns the ids of a recipient's ACTIVE grants that come
	// after one, in order, at most limit of them; nil when there are none.
	ActiveGrants(ctx context.Context, id RecipientID, after GrantID, limit int) ([]GrantID, error)
}

// MoveRecipient takes a registration to another state with Standing.Move,
// whose errors it returns, wrapped. Once it has returned nil for a state that
// may not read (RecipientStatus.MayRead), no read that starts later is given
// data and no introspection that starts later calls a token of the recipient
// active: one row changes and the cache is told once, however many grants the
// recipient holds. As a stop does, it waits up to six seconds for that while
// the cache cannot be told; ErrUnavailable when ctx ends first, though the
// recipient has moved already.
func (s *Service) MoveRecipient(ctx context.Context, st Standing, id RecipientID, from, to RecipientStatus, seen time.Time) error {
	if err := st.Move(ctx, id, from, to, seen); err != nil {
		return fmt.Errorf("move recipient: %w", err)
	}
	if to.MayRead() {
		return nil
	}
	return s.SettleRecipient(ctx, id)
}

// Closing is the order to close a registration.
type Closing struct {
	Recipients Recipients
	Standing   Standing
	ID         RecipientID
	// By is ActorRecipient or ActorProvider.
	By Actor
	// Progress is told how many grants have ended so far, now and then; nil
	// is not told.
	Progress func(ended int)
}

// closingBatch is how many grants are looked up at once.
const closingBatch = 100

// Close ends every grant of a recipient and closes its registration. First of
// all the recipient is suspended as by MoveRecipient, so that it reads nothing
// from then on.
// Whatever interrupts Close, repeating it goes on where it stopped. It
// returns how many grants it ended: ErrClosed when the registration was
// closed before, ErrNotFound for an unknown one, ErrConflict when somebody
// else moved it meanwhile.
func (s *Service) Close(ctx context.Context, c Closing) (int, error) {
	r, err := c.Recipients.Recipient(ctx, c.ID)
	if err != nil {
		return 0, fmt.Errorf("close registration: %w", err)
	}
	switch r.Status {
	case RecipientClosed:
		return 0, ErrClosed
	case RecipientActive, RecipientRestricted:
		if err := c.Standing.Move(ctx, c.ID, r.Status, RecipientSuspended, time.Time{}); err != nil {
			return 0, fmt.Errorf("close registration: %w", err)
		}
		r.Status = RecipientSuspended
	}
	// Whoever suspended it before may have broken off right after.
	if err := s.SettleRecipient(ctx, c.ID); err != nil {
		return 0, fmt.Errorf("close registration: %w", err)
	}
	ended, err := s.endAll(ctx, c)
	if err != nil {
		return ended, fmt.Errorf("close registration: %w", err)
	}
	err = c.Standing.Move(ctx, c.ID, r.Status, RecipientClosed, time.Time{})
	if errors.Is(err, ErrConflict) {
		// Whoever took it out of its suspension meanwhile may have let caches
		// read of grants that have ended since.
		err = errors.Join(err, s.SettleRecipient(ctx, c.ID))
	}
	if err != nil {
		return ended, fmt.Errorf("close registration: %w", err)
	}
	return ended, nil
}

// endAll ends the grants one by one, each with its event and its message to
// others. One that ended meanwhile needs nothing, and no end is settled: no
// cache is believed about the recipient any more.
func (s *Service) endAll(ctx context.Context, c Closing) (ended int, err error) {
	var last GrantID
	for {
		ids, err := c.Standing.ActiveGrants(ctx, c.ID, last, closingBatch)
		if err != nil || len(ids) == 0 {
			return ended, err
		}
		for _, id := range ids {
			last = id
			_, err := s.store.End(ctx, End{Grant: id, Status: StatusRevoked, Actor: c.By, Reason: ReasonBusinessRule})
			switch {
			case err == nil:
				ended++
			case !errors.Is(err, ErrEnded) && !errors.Is(err, ErrNotFound):
				return ended, fmt.Errorf("end grant %s: %w", id, err)
			}
		}
		if c.Progress != nil {
			c.Progress(ended)
		}
	}
}
