package consent

import "time"

// Turn is a state that something besides a grant has had since an instant: one
// that ends or keeps back sharing, or lets it go on. Of two about the same the
// later one holds.
type Turn struct {
	Of TurnOf
	// ID is that of the recipient; of a person the pseudonym, which only the
	// store can tell whose it is.
	ID    string
	State TurnState
	Since time.Time // by the store's clock, to the microsecond
}

// TurnOf is what a Turn is about.
type TurnOf string

// What there are turns of.
const (
	TurnOfRecipient TurnOf = "recipient" // its RecipientStatus
	TurnOfSharing   TurnOf = "sharing"   // whether a person lets new sharing begin: TurnOn, TurnOff
	TurnOfPerson    TurnOf = "person"    // TurnErased
)

// TurnState is a RecipientStatus, or one of the states of a person.
type TurnState string

// The states of a person.
const (
	TurnOn     TurnState = "on"
	TurnOff    TurnState = "off"
	TurnErased TurnState = "erased"
)

// Known reports whether there is such a state of such a thing.
func (t Turn) Known() bool {
	switch t.Of {
	case TurnOfRecipient:
		switch RecipientStatus(t.State) {
		case RecipientPending, RecipientActive, RecipientRestricted, RecipientSuspended, RecipientClosed:
			return true
		}
	case TurnOfSharing:
		return t.State == TurnOn || t.State == TurnOff
	case TurnOfPerson:
		return t.State == TurnErased
	}
	return false
}
