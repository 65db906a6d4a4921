package login

import (
	"errors"
	"time"

	"github.com/headgate/headgate/consent"
)

// What pages and a sign-in at another place, such as the bank's own, say to each
// other.

// ErrNotProved: whoever came back is not signed in, for whatever reason.
var ErrNotProved = errors.New("login: not signed in elsewhere")

// Ask says what a sign-in elsewhere is to prove.
type Ask struct {
	// StepUp asks for a second proof, and a fresh one.
	StepUp bool
	// MaxAge is how old that may be at most; 0 leaves it to the other place.
	MaxAge time.Duration
	// Locales are the languages of the page, preferred first.
	Locales []string
	// Hint is whom the app expects; empty for nobody.
	Hint string
}

// Departure is how a sign-in elsewhere begins.
type Departure struct {
	// Address is where the browser goes.
	Address string
	// State comes back with the browser, and names Keep.
	State string
	// Keep is a secret that the session holds until the browser is back.
	Keep string
}

// Proof is how it ended.
type Proof struct {
	Consumer consent.ConsumerID
	// Strong: a second proof was given.
	Strong bool
	At     time.Time // when it was given, as the provider says; UTC or local
}
