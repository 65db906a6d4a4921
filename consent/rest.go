package consent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Rest says why nothing is read under a grant that goes on. FDX has no such
// state: on the wire the grant stays ACTIVE.
type Rest string

// The rests. The zero value is none. A hold hides a pause under it.
const (
	// RestPaused: the person paused sharing until a date, and it goes on by
	// itself from then on.
	RestPaused Rest = "paused"
	// RestHeld: somebody said that they do not know this sharing. It rests
	// until that person or the bank lifts the hold.
	RestHeld Rest = "held"
)

// MaxPause is the longest pause, whatever a policy allows.
const MaxPause = 30 * 24 * time.Hour

// ErrUntil: a pause must end after now, at most MaxPause later, and before
// the grant does.
var ErrUntil = errors.New("consent: no such end of a pause")

// RestingError says that a grant goes on and rests now. What was refused can
// be asked for again later; no new consent is needed.
type RestingError struct {
	Rest  Rest
	Until time.Time // when a pause ends; zero for a hold
}

// Error names the rest.
func (e *RestingError) Error() string { return "consent: sharing is " + string(e.Rest) }

// RestAt returns why nothing is read under the grant at now; nothing for one
// that is over, which does not rest.
func (g Grant) RestAt(now time.Time) Rest {
	return g.Share().RestAt(now)
}

// Resting returns RestAt as an error, nil when the grant does not rest.
func (g Grant) Resting(now time.Time) error {
	switch r := g.RestAt(now); r {
	case "":
		return nil
	case RestPaused:
		return &RestingError{r, g.PausedUntil}
	default:
		return &RestingError{Rest: r}
	}
}

// alive reports whether the share has not ended at now.
func (s Share) alive(now time.Time) bool {
	return s.Status == StatusActive && now.Before(s.ExpiresAt)
}

// RestAt is as for a Grant.
func (s Share) RestAt(now time.Time) Rest {
	switch {
	case !s.alive(now):
		return ""
	case s.Held:
		return RestHeld
	case now.Before(s.PausedUntil):
		return RestPaused
	default:
		return ""
	}
}

// RestChange is the order to let a grant rest or to end its rest.
type RestChange struct {
	Grant GrantID
	// Kind is EventPaused, EventResumed, EventHeld or EventReleased.
	Kind  EventKind
	Actor Actor
	// Until is when a pause ends (whole seconds, UTC), for EventPaused.
	Until time.Time
	// Case is the number under which the bank looks into a hold, for
	// EventHeld.
	Case string
}

// PauseByConsumer pauses sharing until a time, on the wish of the person who
// gave the grant. It returns ErrNotFound for a grant of somebody else, exactly
// as for one that does not exist, ErrUntil for a time that is no end of a
// pause, and with the grant ErrEnded when it is over and ErrConflict when it
// rests already.
//
// Once it has returned nil, ErrEnded or ErrConflict, no read that starts later
// is given data; what StopByConsumer says about introspection and waiting
// holds here, too. The pause ends by the passing of time.
func (s *Service) PauseByConsumer(ctx context.Context, who ConsumerID, id GrantID, until time.Time) (Grant, error) {
	g, err := s.store.GrantOfConsumer(ctx, who, id)
	if err != nil {
		return Grant{}, fmt.Errorf("pause by consumer: %w", err)
	}
	now := s.now()
	until = until.UTC().Truncate(time.Second)
	if !until.After(now) || until.After(now.Add(MaxPause)) || !until.Before(g.ExpiresAt) && g.StatusAt(now) == StatusActive {
		return Grant{}, fmt.Errorf("pause by consumer: %w", ErrUntil)
	}
	return s.rest(ctx, RestChange{Grant: id, Kind: EventPaused, Actor: ActorConsumer, Until: until})
}

// ResumeByConsumer ends a pause; ErrConflict when there is none. Otherwise as
// PauseByConsumer.
func (s *Service) ResumeByConsumer(ctx context.Context, who ConsumerID, id GrantID) (Grant, error) {
	if _, err := s.store.GrantOfConsumer(ctx, who, id); err != nil {
		return Grant{}, fmt.Errorf("resume by consumer: %w", err)
	}
	return s.rest(ctx, RestChange{Grant: id, Kind: EventResumed, Actor: ActorConsumer})
}

// HoldByConsumer holds sharing at once, for a person who does not know it, and
// opens a case: the grant's Case. ErrConflict, with the grant and the case of
// the first hold, when it is held already. Otherwise as PauseByConsumer.
func (s *Service) HoldByConsumer(ctx context.Context, who ConsumerID, id GrantID) (Grant, error) {
	if _, err := s.store.GrantOfConsumer(ctx, who, id); err != nil {
		return Grant{}, fmt.Errorf("hold by consumer: %w", err)
	}
	return s.rest(ctx, RestChange{Grant: id, Kind: EventHeld, Actor: ActorConsumer, Case: newCase()})
}

// ReleaseByConsumer lifts a hold; ErrConflict when there is none. A pause
// under it goes on. Otherwise as PauseByConsumer.
func (s *Service) ReleaseByConsumer(ctx context.Context, who ConsumerID, id GrantID) (Grant, error) {
	if _, err := s.store.GrantOfConsumer(ctx, who, id); err != nil {
		return Grant{}, fmt.Errorf("release by consumer: %w", err)
	}
	return s.rest(ctx, RestChange{Grant: id, Kind: EventReleased, Actor: ActorConsumer})
}

// ReleaseByProvider lifts a hold on the bank's own decision; otherwise as
// ReleaseByConsumer.
func (s *Service) ReleaseByProvider(ctx context.Context, id GrantID) (Grant, error) {
	return s.rest(ctx, RestChange{Grant: id, Kind: EventReleased, Actor: ActorProvider})
}

// rest writes the change and settles it, in the order of ended.
func (s *Service) rest(ctx context.Context, c RestChange) (Grant, error) {
	g, err := s.store.Rest(ctx, c)
	if errors.Is(err, ErrEnded) || errors.Is(err, ErrConflict) {
		return s.second(ctx, c.Grant, err)
	}
	if err != nil {
		return Grant{}, fmt.Errorf("%s: grant %s: %w", c.Kind, c.Grant, err)
	}
	if c.Kind == EventResumed || c.Kind == EventReleased {
		return g, nil // nothing was taken away
	}
	return g, s.Settle(ctx, g.ID, g.Epoch)
}

// newCase returns the number of a case, to be read out on the phone: 40
// random bits in letters and digits that do not look alike (RFC 4648 base32
// has neither 0 nor 1). A store refuses one that was given before.
func newCase() string {
	t := rand.Text()
	return "H-" + t[:4] + "-" + t[4:8]
}
