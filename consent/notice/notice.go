package notice

import (
	"cmp"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Notification is one thing that one recipient is told.
type Notification struct {
	// Sequence rises with every notification; within one grant in the order
	// in which things happened.
	Sequence  int64
	ID        fdx.NotificationID
	Recipient consent.RecipientID
	Grant     consent.GrantID // "" when it is about no grant
	Topic     Topic
	Payload   fdx.NotificationPayload
	CreatedAt time.Time // UTC
}

// Topic is what a subscription asks for: an event type with its category.
type Topic struct {
	Type     fdx.NotificationType
	Category fdx.NotificationCategory
}

// The names of the custom fields beside fdx.InitiatorField.
const (
	// FieldExpiring has the end of the grant, in RFC 3339.
	FieldExpiring = "CONSENT_EXPIRING"
	// FieldAccountRemoved has the id of an account that the bank no longer
	// offers.
	FieldAccountRemoved = "ACCOUNT_REMOVED"
	// FieldErase has when a person asked that what the app got under the
	// consent be erased, in RFC 3339.
	FieldErase = "ERASURE_REQUESTED"
	// FieldOutage has an interval of two RFC 3339 times with a slash between
	// them, and after a space a sentence for people.
	FieldOutage = "PLANNED_OUTAGE"
)

// The topics that are told.
func revoked() Topic { return Topic{fdx.ConsentRevokedEvent, fdx.ConsentNotification} }
func updated() Topic { return Topic{fdx.ConsentUpdatedEvent, fdx.ConsentNotification} }

// Custom is the topic of expiring consents, removed accounts and wishes to be
// erased, for which FDX has no type of its own.
func Custom() Topic { return Topic{fdx.CustomEvent, fdx.ConsentNotification} }

// Outage is the topic of planned outages.
func Outage() Topic { return Topic{fdx.PlannedOutageEvent, fdx.MaintenanceNotification} }

// Told reports whether there are notifications of the topic at all.
func (t Topic) Told() bool {
	switch t {
	case revoked(), updated(), Custom(), Outage():
		return true
	default:
		return false
	}
}

// OfEvent returns what the recipient is told of an event in a grant's life:
// topic and initiator, as getConsentRevocation names it. told is false for what
// needs no telling, because the recipient did it in the same exchange: a grant
// that was made, tokens that were withdrawn. The passing of time counts as the
// provider's doing, as FDX has no initiator for it.
func OfEvent(e consent.Event) (t Topic, initiator consent.Actor, told bool) {
	initiator = cmp.Or(e.Initiator, e.Actor)
	if initiator == consent.ActorTime {
		initiator = consent.ActorProvider
	}
	switch e.Kind {
	case consent.EventRevoked:
		return revoked(), initiator, true
	case consent.EventChanged, consent.EventExpired:
		return updated(), initiator, true
	default:
		return Topic{}, "", false
	}
}

// FDX returns the notification as it goes over the wire. publisher is the
// bank, subscriber whoever subscribed, the zero Party in a feed.
func (n Notification) FDX(publisher, subscriber fdx.Party) fdx.Notification {
	return fdx.Notification{
		NotificationID: n.ID, Type: n.Topic.Type, Category: n.Topic.Category,
		SentOn: fdx.TimestampOf(n.CreatedAt), Publisher: publisher, Subscriber: subscriber, Payload: n.Payload,
	}
}
