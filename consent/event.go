package consent

import "time"

// Actor says who changed a grant.
type Actor string

// The actors of a change. They are the FDX initiators plus the passing of
// time.
const (
	ActorConsumer  Actor = "INDIVIDUAL"
	ActorRecipient Actor = "DATA_RECIPIENT"
	ActorProvider  Actor = "DATA_PROVIDER"
	ActorTime      Actor = "TIME"
)

// Reason says why a grant ended (FDX ConsentRevocationRequest reason).
type Reason string

// The reasons of an end.
const (
	ReasonUserAction   Reason = "USER_ACTION"
	ReasonBusinessRule Reason = "BUSINESS_RULE"
	// ReasonCodeReplay: an authorization code came back a second time, so
	// everything that the first use issued was withdrawn (RFC 6749 4.1.2).
	ReasonCodeReplay Reason = "CODE_REPLAY"
)

// EventKind names what happened to a grant.
type EventKind string

// The events of a grant's life.
const (
	EventGranted       EventKind = "granted"
	EventChanged       EventKind = "changed" // the person agreed to another share
	EventRevoked       EventKind = "revoked"
	EventExpired       EventKind = "expired"
	EventTokensRevoked EventKind = "tokens_revoked"
	// A pause that ends by the passing of time has no event.
	EventPaused   EventKind = "paused"
	EventResumed  EventKind = "resumed"
	EventHeld     EventKind = "held"
	EventReleased EventKind = "released"
)

// Event is one entry in a grant's history. It is written in the same
// transaction as the change that it describes.
type Event struct {
	Grant GrantID
	Epoch int64 // the grant's epoch after the change
	Kind  EventKind
	Actor Actor
	// Initiator is who wanted it, where the actor says that it acted for
	// somebody else; empty when that is the actor. It is the actor's word:
	// nobody has proved it.
	Initiator Actor
	Reason    Reason    // empty unless the grant ended
	Until     time.Time // when the pause ends; zero unless EventPaused
	Case      string    // the number of the hold; empty unless EventHeld
	At        time.Time
}
