package consent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Service changes grants on behalf of people and recipients. It is the only
// place that decides who may. It is safe for concurrent use.
type Service struct {
	store  Store
	cache  Cache
	failed func(error)
	after  func(time.Duration) <-chan time.Time
	now    func() time.Time
	waits  waits
}

// ServiceConfig configures a Service.
type ServiceConfig struct {
	Store Store // required
	// Cache is told of every end; nil when there is none.
	Cache Cache
	// CacheFailed is called with the cause, once per stop, when the cache
	// could not be told at once. The stop has taken effect all the same. nil
	// ignores it.
	CacheFailed func(error)
	// After is time.After when nil.
	After func(time.Duration) <-chan time.Time
	// Now is the clock that the end of a pause is checked by, and that tells
	// how long a change has been known; time.Now when nil.
	Now func() time.Time
}

// NewService returns a Service.
func NewService(c ServiceConfig) (*Service, error) {
	if c.Store == nil {
		return nil, errors.New("consent: service needs a store")
	}
	if c.CacheFailed == nil {
		c.CacheFailed = func(error) {}
	}
	if c.After == nil {
		c.After = time.After
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{store: c.Store, cache: c.Cache, failed: c.CacheFailed, after: c.After, now: c.Now}, nil
}

// StopByConsumer ends a grant on the wish of the person who gave it. It
// returns ErrNotFound for a grant of somebody else, exactly as for one that
// does not exist, and ErrEnded with the grant when it was over before.
// Once it has returned nil or ErrEnded, no read that starts later is given
// data and no introspection that starts later calls a token of the grant
// active. It waits up to six seconds for that while the cache cannot be told;
// ErrUnavailable when ctx ends first, though the grant is over already: to
// repeat it takes what is left of the six seconds.
func (s *Service) StopByConsumer(ctx context.Context, who ConsumerID, id GrantID) (Grant, error) {
	g, err := s.store.EndOfConsumer(ctx, who, End{Grant: id, Status: StatusRevoked, Actor: ActorConsumer, Reason: ReasonUserAction})
	return s.ended(ctx, id, g, err)
}

// StopByRecipient ends a grant on the wish of the recipient that holds it;
// otherwise as StopByConsumer.
func (s *Service) StopByRecipient(ctx context.Context, who RecipientID, id GrantID, reason Reason) (Grant, error) {
	return s.stopByRecipient(ctx, who, End{Grant: id, Reason: reason})
}

func (s *Service) stopByRecipient(ctx context.Context, who RecipientID, e End) (Grant, error) {
	e.Status, e.Actor = StatusRevoked, ActorRecipient
	g, err := s.store.EndOfRecipient(ctx, who, e)
	return s.ended(ctx, e.Grant, g, err)
}

// StopForConsumer ends a grant on the word of the recipient that holds it,
// which says that the person who gave it asked for that in the app. The
// recipient is who acted; the history tells of both. Otherwise as
// StopByRecipient.
func (s *Service) StopForConsumer(ctx context.Context, who RecipientID, id GrantID, reason Reason) (Grant, error) {
	return s.stopByRecipient(ctx, who, End{Grant: id, Initiator: ActorConsumer, Reason: reason})
}

// StopByProvider ends a grant on the bank's own decision; otherwise as
// StopByConsumer.
func (s *Service) StopByProvider(ctx context.Context, id GrantID, reason Reason) (Grant, error) {
	g, err := s.store.End(ctx, End{Grant: id, Status: StatusRevoked, Actor: ActorProvider, Reason: reason})
	return s.ended(ctx, id, g, err)
}

// ended settles an end that the store has written. The order matters: the
// truth first, so that whoever reads it after the cache was told finds the end.
func (s *Service) ended(ctx context.Context, id GrantID, g Grant, err error) (Grant, error) {
	if errors.Is(err, ErrEnded) {
		return s.second(ctx, id, err)
	}
	if err != nil {
		return Grant{}, fmt.Errorf("end grant %s: %w", id, err)
	}
	return g, s.Settle(ctx, g.ID, g.Epoch)
}

// second answers a change that came second. The first may still be waiting for
// the caches, so this one must not promise more than it.
func (s *Service) second(ctx context.Context, id GrantID, cause error) (Grant, error) {
	g, err := s.store.Grant(ctx, id)
	if err == nil {
		epoch := g.Epoch
		if errors.Is(cause, ErrEnded) && g.Status == StatusActive {
			epoch++ // its time is over: in that version this will be written down
		}
		err = s.Settle(ctx, g.ID, epoch)
	}
	if err != nil {
		return Grant{}, fmt.Errorf("settle grant %s as it was: %w", id, err)
	}
	return g, cause
}

// Settle is called after a change of a grant, or of the tokens under it, that
// took something away and is durable: it returns nil once no instance, on the
// word of a cache, believes in the grant below that epoch any more. Usually
// that is when the cache has been told. While it cannot be told, it is when
// all that the cache may still hold is older than Freshness, which is seconds
// later. Only the caller's context ends the wait earlier, with ErrUnavailable:
// the change stands, but must not be reported as done.
//
// Why the wait suffices: what a cache serves without the truth was read from
// the truth after the look that counts as its age (Cache). A record from
// before the change therefore has a look from before it, is more than
// Freshness old when the wait is over, and is not served. A record whose look
// came after the change holds the change. Clocks: ages are measured by the
// cache's one clock and the wait by ours, so the two may only differ in rate,
// or be set back, by as much as margin allows for. It is counted from when this
// process first knew of the change, so that whoever repeats a stop, because a
// caller's patience was shorter, does not begin anew.
func (s *Service) Settle(ctx context.Context, id GrantID, epoch int64) error {
	now := s.now()
	m := Move{id, epoch}
	since := s.waits.since(m, now)
	err := s.settle(ctx, Freshness+margin-now.Sub(since),
		func(ctx context.Context) error { return s.cache.Ended(ctx, id, epoch) },
		func() { s.waits.remember(m, since, now) })
	if err != nil {
		return fmt.Errorf("settle grant %s: %w", id, err)
	}
	return nil
}

// SettleRecipient is Settle for a change that stopped a recipient as a whole.
// The cache is told once, of the recipient, however many grants it holds.
func (s *Service) SettleRecipient(ctx context.Context, id RecipientID) error {
	err := s.settle(ctx, Freshness+margin, func(ctx context.Context) error { return s.cache.Stopped(ctx, id) }, func() {})
	if err != nil {
		return fmt.Errorf("settle recipient: %w", err)
	}
	return nil
}

// settle tells the cache of a change that is committed, or waits for as long as
// the cache may be believed about it, from now. missed is called before such a
// wait.
func (s *Service) settle(ctx context.Context, wait time.Duration, what func(context.Context) error, missed func()) error {
	if s.cache == nil {
		return nil
	}
	over := s.after(wait)
	err := tell(ctx, what)
	if err == nil {
		return nil
	}
	s.failed(err)
	missed()
	for {
		select {
		case <-over:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		case <-s.after(tellAgain):
			if tell(ctx, what) == nil {
				return nil
			}
		}
	}
}

// tell tells the cache, apart from the caller's cancellation: a consumer who
// closes the page right after the stop must not leave a stale cache behind.
func tell(ctx context.Context, what func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout)
	defer cancel()
	return what(ctx)
}
