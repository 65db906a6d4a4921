package outbound

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/headgate/headgate/certs"
)

// ErrUnreachable: there is no usable key set at a jwks_uri now. The reason is
// wrapped beside it: an error of Client.Get or of certs.ParseJWKS.
var ErrUnreachable = errors.New("outbound: no key set to be had")

const (
	minLife      = time.Minute     // of a key set, whatever its owner says
	defaultLife  = 5 * time.Minute // when its owner says nothing
	maxLife      = time.Hour       // how long a withdrawn key may still work
	failureLife  = 30 * time.Second
	refreshEvery = 30 * time.Second
	defaultSets  = 10_000
)

// KeySetsConfig is what NewKeySets needs.
type KeySetsConfig struct {
	// Client fetches the sets. Required.
	Client *Client

	// MaxSets bounds how many key sets are remembered; 0 means 10,000. Beyond
	// it one at random is forgotten.
	MaxSets int

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// KeySets remembers the key sets that recipients publish at their jwks_uri.
//
// A set is used for as long as its Cache-Control says, but at least a minute
// and at most an hour, and five minutes when that says nothing. When its life
// has ended and it cannot be fetched again, there are no keys: an old set is
// never used instead, since the owner may have withdrawn a key in the meantime.
// A failure is remembered for 30 seconds. For each URI one fetch is under way
// at a time. Safe for concurrent use.
type KeySets struct {
	client *Client
	max    int
	now    func() time.Time

	mu   sync.Mutex
	sets map[string]*keySet // by URI; it and what it points to are guarded by mu
}

// keySet is what is known of one URI.
type keySet struct {
	answer  answer
	until   time.Time // answer may be used before this
	fetched time.Time // when the latest fetch began; zero before the first
	flight  *flight   // the fetch under way, nil when there is none
}

// answer is the outcome of a fetch.
type answer struct {
	set certs.JWKS
	err error
}

// flight is a fetch under way. Its answer may be read when done is closed.
type flight struct {
	done chan struct{}
	answer
}

// NewKeySets returns an empty memory of key sets. It fails when Client is
// missing or MaxSets negative.
func NewKeySets(c KeySetsConfig) (*KeySets, error) {
	if c.Client == nil {
		return nil, errors.New("outbound: Client is required")
	}
	if c.MaxSets < 0 {
		return nil, errors.New("outbound: MaxSets must not be negative")
	}
	if c.MaxSets == 0 {
		c.MaxSets = defaultSets
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &KeySets{client: c.Client, max: c.MaxSets, now: c.Now, sets: make(map[string]*keySet)}, nil
}

// Keys returns the key set at a jwks_uri, which the caller must not change. It
// is fetched when none is remembered. The error is ErrUnreachable, or that of
// ctx while waiting; the fetch then goes on for others.
func (k *KeySets) Keys(ctx context.Context, uri string) (certs.JWKS, error) {
	return k.get(ctx, uri, false)
}

// Refresh is Keys for a caller whose signature none of the keys verified: the
// owner may have rotated them. The set is fetched again, but per URI at most
// once in 30 seconds, so that bad signatures cannot turn this process against
// the owner's; in between it answers as Keys does. When the fetch fails,
// Refresh says so, and Keys still answers with the set that it has until the
// life of that ends.
func (k *KeySets) Refresh(ctx context.Context, uri string) (certs.JWKS, error) {
	return k.get(ctx, uri, true)
}

func (k *KeySets) get(ctx context.Context, uri string, anew bool) (certs.JWKS, error) {
	f, known := k.look(ctx, uri, anew)
	if f == nil {
		return known.set, known.err
	}
	select {
	case <-f.done:
		return f.set, f.err
	case <-ctx.Done():
		return certs.JWKS{}, ctx.Err()
	}
}

// look returns what is known, or the fetch to wait for.
func (k *KeySets) look(ctx context.Context, uri string, anew bool) (*flight, answer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	s := k.sets[uri]
	if s == nil {
		k.makeRoom()
		s = &keySet{}
		k.sets[uri] = s
	}
	// A clock that was set back must not keep an answer alive.
	usable := now.Before(s.until) && !now.Before(s.fetched)
	due := anew && (s.flight != nil || now.Sub(s.fetched) >= refreshEvery)
	if usable && !due {
		return nil, s.answer
	}
	if s.flight == nil {
		s.flight = &flight{done: make(chan struct{})}
		s.fetched = now
		// It ends by the client's timeout, and nothing is lost if the process
		// ends before: so nobody waits for it but its callers.
		go k.fetch(context.WithoutCancel(ctx), uri, s, usable)
	}
	return s.flight, answer{}
}

// makeRoom forgets sets until one more fits. One that is being fetched may go
// too: its callers get their answer all the same.
func (k *KeySets) makeRoom() {
	for uri := range k.sets {
		if len(k.sets) < k.max {
			return
		}
		delete(k.sets, uri)
	}
}

// fetch ends the flight of s with an answer, and remembers it. usable says
// whether what is remembered is good for longer: then a failure does not
// replace it.
func (k *KeySets) fetch(ctx context.Context, uri string, s *keySet, usable bool) {
	set, life, err := k.load(ctx, uri)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s.flight.answer = answer{set, err}
	if err == nil || !usable {
		s.answer, s.until = s.flight.answer, s.fetched.Add(life)
	}
	close(s.flight.done)
	s.flight = nil
}

// load fetches and parses a set, and says how long to remember the outcome.
func (k *KeySets) load(ctx context.Context, uri string) (certs.JWKS, time.Duration, error) {
	a, err := k.client.Get(ctx, uri, "application/jwk-set+json, application/json")
	if err != nil {
		return certs.JWKS{}, failureLife, err
	}
	set, err := certs.ParseJWKS(a.Body)
	if err != nil {
		return certs.JWKS{}, failureLife, err
	}
	if a.MaxAge < 0 {
		return set, defaultLife, nil
	}
	return set, min(max(a.MaxAge, minLife), maxLife), nil
}
