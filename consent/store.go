package consent

import (
	"context"
	"time"
)

// Store keeps grants. Implementations are safe for concurrent use; each
// method is one transaction. The executable form of this contract is
// consenttest.Store.
type Store interface {
	// Create stores an ACTIVE grant with epoch 1 and its granted event, all
	// or nothing. A second grant with the same id is ErrConflict.
	Create(ctx context.Context, g Grant) error

	// Grant returns the present version or ErrNotFound.
	Grant(ctx context.Context, id GrantID) (Grant, error)

	// GrantOfRecipient is Grant for the recipient that holds it. Another's
	// is ErrNotFound as one that there is not: the store looks for grant and
	// recipient at once, so that the two neither differ nor take longer.
	GrantOfRecipient(ctx context.Context, who RecipientID, id GrantID) (Grant, error)

	// GrantOfConsumer is Grant for the person who gave it; otherwise as
	// GrantOfRecipient.
	GrantOfConsumer(ctx context.Context, who ConsumerID, id GrantID) (Grant, error)

	// GrantsOf returns a consumer's grants in every state, newest first;
	// nil when there are none.
	GrantsOf(ctx context.Context, consumer ConsumerID) ([]Grant, error)

	// GrantsOfRecipient returns a recipient's grants that the filter lets
	// through and that come after a place, newest first and those of one
	// moment by falling id, at most limit of them; nil when there are none.
	GrantsOfRecipient(ctx context.Context, who RecipientID, f Filter, after Place, limit int) ([]Grant, error)

	// End moves an ACTIVE grant to its final state and raises the epoch;
	// token rows, event and notification go with it. The grant's Status must
	// still be ACTIVE when it is written, otherwise ErrEnded and nothing
	// changes; ErrNotFound for an unknown id. It returns the grant as it is
	// after the change. The time is the store's own clock.
	End(ctx context.Context, end End) (Grant, error)

	// EndOfRecipient is End for the recipient that holds the grant; another's
	// is as in GrantOfRecipient.
	EndOfRecipient(ctx context.Context, who RecipientID, end End) (Grant, error)

	// EndOfConsumer is End for the person who gave the grant; otherwise as
	// EndOfRecipient.
	EndOfConsumer(ctx context.Context, who ConsumerID, end End) (Grant, error)

	// Rest lets an ACTIVE grant rest or ends its rest, and raises the epoch;
	// event and outbox rows go with it. ErrNotFound for an unknown grant,
	// ErrEnded for one that is over, and ErrConflict when the change does not
	// fit: a pause of a grant that rests, a hold of one that is held, the end
	// of a rest that there is not; then nothing changes. ErrConflict also for a
	// case number that was given before. It returns the grant as it is after
	// the change. The time is the store's own clock; Until is taken as given.
	Rest(ctx context.Context, c RestChange) (Grant, error)

	// Shrink puts the resources and the disclosure into an ACTIVE grant and
	// raises the epoch; a changed event and outbox rows go with it, tokens stay.
	// ErrNotFound for an unknown grant, ErrEnded for one that is over, and
	// ErrConflict when its epoch is another one; then nothing changes. It
	// returns the grant as it is after the change. The caller sees to it that
	// nothing is added (Grant.Without).
	Shrink(ctx context.Context, s Shrinking) (Grant, error)

	// Events returns a grant's history, oldest first; nil when unknown.
	Events(ctx context.Context, id GrantID) ([]Event, error)
}

// End is the order to end a grant.
type End struct {
	Grant  GrantID
	Status Status // StatusRevoked or StatusExpired
	Actor  Actor
	// Initiator is as in Event.
	Initiator Actor
	Reason    Reason
}

// Filter chooses among the grants of a recipient. The zero Filter lets all
// through.
type Filter struct {
	Consumer ConsumerID // "" for everybody's
	// Status is the state at At (Grant.StatusAt), "" for any.
	Status Status
	At     time.Time
}

// Passes reports whether the filter lets a grant through.
func (f Filter) Passes(g Grant) bool {
	return (f.Consumer == "" || f.Consumer == g.Consumer) && (f.Status == "" || f.Status == g.StatusAt(f.At))
}

// Place is where a list of grants goes on: after the grant with that id, which
// was made then. The zero Place is the beginning.
type Place struct {
	CreatedAt time.Time
	Grant     GrantID
}

// Cache is told when a grant's present version moves on. A cache that cannot
// be told is waited for (Service.Settle), which rests on its promise about
// Freshness.
type Cache interface {
	// Ended makes every instance forget what it holds of the grant at an
	// epoch below the given one: once it has returned nil, nothing of that is
	// believed any more without asking the truth.
	Ended(ctx context.Context, id GrantID, epoch int64) error

	// Stopped makes every instance forget what it holds of all grants of a
	// recipient, in one step however many they are: once it has returned nil,
	// nothing that was read from the truth before the call is believed any more
	// without asking it again.
	Stopped(ctx context.Context, id RecipientID) error
}

// Freshness is how old a cached record may be where nothing else stands
// between it and an answer, as in token introspection. Its age counts from
// before the record was read from the truth, not from when it was stored: a
// slow instance may store a record long after the grant has ended.
const Freshness = 5 * time.Second

const (
	// margin is what a stop waits beyond Freshness, for clocks.
	margin = time.Second
	// tellTimeout bounds one attempt to tell the cache, tellAgain is the
	// pause before the next.
	tellTimeout = 250 * time.Millisecond
	tellAgain   = 100 * time.Millisecond
)
