package inbox

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
)

// NoticeID names a notice. It is an identifier, not a secret.
type NoticeID = uuid.UUID

// Notice is one thing that one person is told.
type Notice struct {
	ID       NoticeID
	Consumer consent.ConsumerID
	Kind     Kind
	Grant    consent.GrantID // "" when it is about none
	App      string          // the app's name as in the grant; "" without one
	Actor    consent.Actor   // who did it, "" where nobody did
	EndsAt   time.Time       // when sharing ends, as it was known then; zero without a grant
	// Days is for how many days nothing was read (Unused), or after how many
	// it is time to look again (Review); 0 for every other kind.
	Days int
	At   time.Time // UTC
	Read bool
}

// Place returns where the list goes on after this notice.
func (n Notice) Place() Place { return Place{n.At, n.ID} }

// Place is a place in an inbox: right after the notice with that id, which was
// given then. The zero Place is the beginning.
type Place struct {
	At time.Time
	ID NoticeID
}

// Inbox keeps notices and preferences. Implementations are safe for concurrent
// use; each method is one transaction.
type Inbox interface {
	// Notices returns a person's notices after a place, newest first, at most
	// limit; nil when there are none.
	Notices(ctx context.Context, who consent.ConsumerID, after Place, limit int) ([]Notice, error)

	// Unread returns how many notices the person has not read, at most
	// UnreadLimit.
	Unread(ctx context.Context, who consent.ConsumerID) (int, error)

	// MarkRead marks one of the person's notices as read; one that is read
	// already stays so. One that is unknown or another person's is
	// consent.ErrNotFound.
	MarkRead(ctx context.Context, who consent.ConsumerID, id NoticeID) error

	// MarkAllRead marks the notice at a place and all older ones as read; those
	// that came meanwhile stay unread.
	MarkAllRead(ctx context.Context, who consent.ConsumerID, newest Place) error

	// Preferences returns how the person wants to be told, the zero value
	// when nothing was said.
	Preferences(ctx context.Context, who consent.ConsumerID) (Preferences, error)

	// SetPreferences stores how the person wants to be told. What cannot be
	// switched off is left out (Preferences.Allowed).
	SetPreferences(ctx context.Context, who consent.ConsumerID, p Preferences) error
}

// UnreadLimit is as far as unread notices are counted.
const UnreadLimit = 100

// Teller tells people of what is about no grant.
type Teller interface {
	// Tell gives a person a notice of a kind, once a day.
	Tell(ctx context.Context, who consent.ConsumerID, k Kind) error
}
