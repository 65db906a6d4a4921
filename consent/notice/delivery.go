package notice

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// State is how far a delivery has come.
type State string

// The states of a delivery.
const (
	Pending   State = "pending"
	Delivered State = "delivered"
	// Dead: given up, until somebody replays it.
	Dead State = "dead"
)

// Key names a delivery: one notification for one subscription.
type Key struct {
	Subscription fdx.SubscriptionID
	Sequence     int64
}

// Delivery is one notification on its way to one subscription.
type Delivery struct {
	Subscription Subscription
	Notification Notification
	Attempts     int       // made before this one
	Status       int       // of the last answer, 0 when there was none
	Since        time.Time // when it was first to be delivered, or replayed
}

// Key returns the delivery's name.
func (d Delivery) Key() Key { return Key{d.Subscription.ID, d.Notification.Sequence} }

// Outcome is what became of an attempt, or of a decision to make none.
type Outcome struct {
	State    State
	Attempts int // all that were made
	// Status is the HTTP status of the last answer, 0 when there was none.
	Status int
	// NextAt is when to try again, for Pending.
	NextAt time.Time
}

// ErrNone: there is nothing to deliver now.
var ErrNone = errors.New("notice: nothing to deliver")

// Letter is a dead delivery, for the operator.
type Letter struct {
	Key
	Notification fdx.NotificationID
	Recipient    consent.RecipientID
	Topic        Topic
	Attempts     int
	Status       int       // of the last answer, 0 when there was none
	Since        time.Time // UTC
}

// Deliveries is the state of all deliveries. Within a subscription, what
// concerns one grant is delivered in order: a delivery is not claimed before
// the ones before it are Delivered or Dead. Implementations are safe for
// concurrent use, also from several processes; each method is one
// transaction.
type Deliveries interface {
	// Claim returns a delivery of the subscription that is due at now, and
	// hides it from others for lease. ErrNone when none is due or the
	// subscription is deleted. Whoever does not settle what it claimed (a
	// crash) has it delivered again: at least once.
	Claim(ctx context.Context, s fdx.SubscriptionID, now time.Time, lease time.Duration) (Delivery, error)

	// Settle writes down what became of a claimed delivery. One that is
	// settled as Delivered or Dead already stays so.
	Settle(ctx context.Context, k Key, o Outcome) error

	// DueAt returns when a delivery, or the one that it waits for, is to be
	// tried next. ErrNone when it is not pending any more.
	DueAt(ctx context.Context, k Key) (time.Time, error)

	// Unsubscribe as in Subscriptions: the other side said that it is gone.
	Unsubscribe(ctx context.Context, who consent.RecipientID, id fdx.SubscriptionID) error
}
