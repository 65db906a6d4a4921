package erasure

import (
	"context"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
)

// Wait is the time between the wish and its fulfilment: as long as a letter
// about it is tried (inbox.GiveUp), so that whoever it was not has learned of
// it and can still keep the record.
const Wait = inbox.GiveUp

// AnswerTime is how long an app has to answer.
const AnswerTime = 30 * 24 * time.Hour

// Erasure is a person's wish that their record be erased. The zero value is
// that there is none.
type Erasure struct {
	AskedAt time.Time // UTC
	At      time.Time // from when on it is erased; UTC
}

// Asked reports whether there is a wish.
func (e Erasure) Asked() bool { return !e.At.IsZero() }

// Answer is what an app says that it did.
type Answer string

// The answers. An app that has not answered has the empty one.
const (
	Done    Answer = "done"
	Partly  Answer = "partly" // some of it, for a reason
	Refused Answer = "refused"
)

// MaxReason is the longest reason of an app, in characters.
const MaxReason = 240

// Request is what one app was asked about one grant.
type Request struct {
	Grant     consent.GrantID
	Recipient consent.RecipientID
	AskedAt   time.Time // UTC
	Answer    Answer    // "" when there is none yet
	// Reason is why the app did not erase all, in its own words; empty when it
	// did.
	Reason     string
	AnsweredAt time.Time // zero without an answer
}

// State is how far a request has come.
type State string

// The states.
const (
	StateAsked   State = "asked"
	StateDone    State = "done"
	StatePartly  State = "partly"
	StateRefused State = "refused"
	// StateSilent: AnswerTime is over without an answer.
	StateSilent State = "silent"
)

// State returns how far the request has come. An answer that comes late still
// counts; one that is not known counts for none.
func (r Request) State(now time.Time) State {
	switch {
	case r.Answer == Done:
		return StateDone
	case r.Answer == Partly:
		return StatePartly
	case r.Answer == Refused:
		return StateRefused
	case now.Before(r.AskedAt.Add(AnswerTime)):
		return StateAsked
	default:
		return StateSilent
	}
}

// Store keeps wishes and requests. Implementations are safe for concurrent
// use; each method is one transaction. Times are the store's own clock.
type Store interface {
	// Ask writes down that the person's record is to be erased after Wait, and
	// gives them the notice inbox.Erase with it. A wish that there is stays as
	// it is. Whoever shares with an app again takes the wish back by that.
	Ask(ctx context.Context, who consent.ConsumerID) (Erasure, error)

	// Keep takes the wish back; without one it does nothing.
	Keep(ctx context.Context, who consent.ConsumerID) error

	// Erasure returns the person's wish, the zero value when there is none.
	Erasure(ctx context.Context, who consent.ConsumerID) (Erasure, error)

	// AskApp asks the app that holds or held a grant of the person to erase
	// what it got, and tells it. A request that there is stays as it is. A
	// grant that is unknown or another person's is consent.ErrNotFound.
	AskApp(ctx context.Context, who consent.ConsumerID, id consent.GrantID) error

	// Requests returns what apps were asked for the person, newest first; nil
	// when nothing.
	Requests(ctx context.Context, who consent.ConsumerID) ([]Request, error)
}
