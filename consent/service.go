package consent

import (
	"context"
	"errors"
	"fmt"
)

// Service changes grants on behalf of people and recipients. It is the only
// place that decides who may. It is safe for concurrent use.
type Service struct {
	store Store
	cache Cache
	told  func(error)
}

// ServiceConfig configures a Service.
type ServiceConfig struct {
	Store Store // required
	// Cache is told of every end; nil when there is none.
	Cache Cache
	// CacheFailed is called with the cause when the cache could not be told.
	// The stop has taken effect all the same. nil ignores it.
	CacheFailed func(error)
}

// NewService returns a Service.
func NewService(c ServiceConfig) (*Service, error) {
	if c.Store == nil {
		return nil, errors.New("consent: service needs a store")
	}
	if c.CacheFailed == nil {
		c.CacheFailed = func(error) {}
	}
	return &Service{store: c.Store, cache: c.Cache, told: c.CacheFailed}, nil
}

// StopByConsumer ends a grant on the wish of the person who gave it. It
// returns ErrNotFound for a grant of somebody else, exactly as for one that
// does not exist, and ErrEnded with the grant when it was over before.
// Once it has returned nil no read that starts later is given data.
func (s *Service) StopByConsumer(ctx context.Context, who ConsumerID, id GrantID) (Grant, error) {
	g, err := s.store.Grant(ctx, id)
	if err != nil {
		return Grant{}, fmt.Errorf("stop by consumer: %w", err)
	}
	if g.Consumer != who {
		return Grant{}, fmt.Errorf("stop by consumer: %w", ErrNotFound)
	}
	return s.end(ctx, g, End{Grant: id, Status: StatusRevoked, Actor: ActorConsumer, Reason: ReasonUserAction})
}

// StopByRecipient ends a grant on the wish of the recipient that holds it;
// otherwise as StopByConsumer.
func (s *Service) StopByRecipient(ctx context.Context, who RecipientID, id GrantID, reason Reason) (Grant, error) {
	g, err := s.store.Grant(ctx, id)
	if err != nil {
		return Grant{}, fmt.Errorf("stop by recipient: %w", err)
	}
	if g.Recipient != who {
		return Grant{}, fmt.Errorf("stop by recipient: %w", ErrNotFound)
	}
	return s.end(ctx, g, End{Grant: id, Status: StatusRevoked, Actor: ActorRecipient, Reason: reason})
}

// StopByProvider ends a grant on the bank's own decision; otherwise as
// StopByConsumer.
func (s *Service) StopByProvider(ctx context.Context, id GrantID, reason Reason) (Grant, error) {
	g, err := s.store.Grant(ctx, id)
	if err != nil {
		return Grant{}, fmt.Errorf("stop by provider: %w", err)
	}
	return s.end(ctx, g, End{Grant: id, Status: StatusRevoked, Actor: ActorProvider, Reason: reason})
}

// end writes the end and then tells the cache. The order matters: the truth
// first, so that a cache that cannot be told delays nothing but a miss.
func (s *Service) end(ctx context.Context, before Grant, e End) (Grant, error) {
	g, err := s.store.End(ctx, e)
	if errors.Is(err, ErrEnded) {
		return before, err
	}
	if err != nil {
		return Grant{}, fmt.Errorf("end grant %s: %w", e.Grant, err)
	}
	if s.cache != nil {
		// Detached from the caller's cancellation: a consumer who closes the
		// page right after the stop must not leave a stale cache behind.
		tell, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout)
		defer cancel()
		if err := s.cache.Ended(tell, g.ID, g.Epoch); err != nil {
			s.told(err)
		}
	}
	return g, nil
}
