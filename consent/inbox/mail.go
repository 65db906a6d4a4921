package inbox

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
)

// MailID names a mail. It is the same however often the mail is sent, so that
// a second copy can be recognised.
type MailID = uuid.UUID

// Mail is one mail on its way to one person.
type Mail struct {
	ID       MailID
	Consumer consent.ConsumerID
	Digest   bool
	Notices  []Notice // oldest first, at least one
	Locale   string   // BCP 47; "" is the bank's
	Attempts int      // made before this one
	Since    time.Time
}

// Optional reports whether the person can switch off every notice in the mail.
func (m Mail) Optional() bool {
	for _, n := range m.Notices {
		if n.Kind.Topic().Fixed() {
			return false
		}
	}
	return len(m.Notices) > 0
}

// MailState is how far a mail has come.
type MailState string

// The states of a mail.
const (
	MailPending MailState = "pending"
	MailSent    MailState = "sent"
	// MailDropped: there is nowhere to send it.
	MailDropped MailState = "dropped"
	// MailDead: given up.
	MailDead MailState = "dead"
)

// Mails keeps mail on its way. Implementations are safe for concurrent use;
// each method is one transaction.
type Mails interface {
	// Mail returns a mail that is pending, consent.ErrNotFound for any other.
	Mail(ctx context.Context, id MailID) (Mail, error)

	// SettleMail writes down what became of an attempt, or of a decision to
	// make none. A mail that is not pending any more stays as it is.
	SettleMail(ctx context.Context, id MailID, s MailState, attempts int) error
}

// Addresses finds out where people get mail. The bank implements it; Headgate
// keeps no address. Implementations are safe for concurrent use.
type Addresses interface {
	// Address returns a person's mail address without a name, such as
	// ada@customer.example, or consent.ErrNotFound when there is none.
	Address(ctx context.Context, who consent.ConsumerID) (string, error)
}

// The schedule of attempts to send a mail.
const (
	// FirstRetry is the pause after the first failure; it doubles with each
	// further one, up to LastRetry.
	FirstRetry = 30 * time.Second
	// LastRetry is the longest pause.
	LastRetry = time.Hour
	// GiveUp is how long a mail is tried before it is dead.
	GiveUp = 72 * time.Hour
)

// RetryAfter returns the pause after so many failures; false when the mail has
// been tried for long enough.
func RetryAfter(attempts int, since, now time.Time) (time.Duration, bool) {
	if now.Sub(since) >= GiveUp {
		return 0, false
	}
	pause := LastRetry
	if doubled := max(attempts-1, 0); doubled < 7 { // 30 s times 2^7 is more than an hour
		pause = min(FirstRetry<<doubled, LastRetry)
	}
	return pause, true
}
