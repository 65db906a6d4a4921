package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// JWKSMaxAge is how long whoever fetches our JWKS may keep it. It is published
// with this max-age (RFC 9111 section 5.2.2.1).
const JWKSMaxAge = 5 * time.Minute

// The zero values of RotatorConfig.
const (
	DefaultPublishAhead = 2 * JWKSMaxAge
	DefaultRetain       = 24 * time.Hour
	DefaultRefresh      = 30 * time.Second
)

// RotatorConfig is what NewRotator needs. Every process that uses the same
// keys should have the same.
type RotatorConfig struct {
	// Provider keeps the keys. Required.
	Provider KeyProvider

	// Algorithms are those that must have a key. Empty: those that have one.
	Algorithms []string

	// PublishAhead is how long a key is published before it signs: at least
	// JWKSMaxAge plus Refresh. Zero: DefaultPublishAhead.
	PublishAhead time.Duration

	// Retain is how long a key is published after it was retired: the longest
	// life of anything it signed, plus Refresh, in which another process may
	// still sign with it. Zero: DefaultRetain.
	Retain time.Duration

	// Every is the age at which a current key gives way to the next one, at
	// least PublishAhead. Zero: only by command, and the provider's keys are
	// never changed but by Rotate and Retire.
	Every time.Duration

	// Refresh is how often Run looks for what other processes changed. Zero:
	// DefaultRefresh.
	Refresh time.Duration

	// OnError, when set, is told why the keys could not be read or changed; the
	// ones in use stay in use. The same fault is told once until it is mended.
	OnError func(error)

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Rotator signs with our current keys, publishes all that a verifier may need,
// and rotates them so that no verifier that obeys JWKSMaxAge ever meets a
// signature of a key it cannot know. Several processes may rotate the same
// keys. Safe for concurrent use.
type Rotator struct {
	cfg     RotatorConfig
	rules   rules
	refresh sync.Mutex // held while the provider is looked at, so that an older look never replaces a newer one
	now     atomic.Pointer[keySet]
}

// keySet is what the servers use until the provider says otherwise.
type keySet struct {
	keys    []KeyInfo
	public  []json.RawMessage    // each key as published
	current map[string]opaqueKey // by algorithm
}

// TooEarlyError is returned by Rotate when a next key has not been published
// long enough.
type TooEarlyError struct {
	At time.Time // when it will have been
}

// Error says so.
func (e *TooEarlyError) Error() string {
	return "certs: rotate: the next key is not known to every verifier before " + e.At.UTC().Format(time.RFC3339)
}

// NewRotator checks the configuration and reads the keys once, so that no
// server starts without keys to sign with. With Every set it also makes keys
// that are missing. An algorithm that is new to a provider with keys cannot
// sign before its key has been published for PublishAhead.
func NewRotator(ctx context.Context, c RotatorConfig) (*Rotator, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.PublishAhead == 0 {
		c.PublishAhead = DefaultPublishAhead
	}
	if c.Retain == 0 {
		c.Retain = DefaultRetain
	}
	if c.Refresh == 0 {
		c.Refresh = DefaultRefresh
	}
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("certs: signing keys: "+format, args...))
		}
	}
	fault(c.Provider == nil, "no Provider")
	fault(c.Refresh < 0, "Refresh is negative")
	fault(c.PublishAhead < JWKSMaxAge+c.Refresh, "PublishAhead is under JWKSMaxAge plus Refresh, %s", JWKSMaxAge+c.Refresh)
	fault(c.Retain < c.Refresh, "Retain is under Refresh")
	fault(c.Every < 0 || c.Every > 0 && c.Every < c.PublishAhead, "Every is under PublishAhead")
	fault(c.Every > 0 && int(c.Retain/c.Every+3)*max(1, len(c.Algorithms)) > MaxJWKSKeys,
		"Every is so short for Retain that over %d keys would be published", MaxJWKSKeys)
	for i, alg := range c.Algorithms {
		fault(!slices.Contains(algorithms(), alg) || slices.Contains(c.Algorithms[:i], alg),
			"Algorithms holds another than ES256, PS256, EdDSA, or one twice")
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	r := &Rotator{cfg: c, rules: rules{algorithms: c.Algorithms, publishAhead: c.PublishAhead, retain: c.Retain, every: c.Every}}
	if err := r.look(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Public returns the JWKS document to publish now (RFC 7517 section 5), with
// kid, use and alg of each key and no private part, to be sent with
// JWKSMaxAge. The caller may keep and change it.
func (r *Rotator) Public() []byte {
	set, now := r.now.Load(), r.cfg.Now()
	var published [][]byte
	for i, k := range set.keys {
		if r.rules.published(k, now) {
			published = append(published, set.public[i])
		}
	}
	return slices.Concat([]byte(`{"keys":[`), bytes.Join(published, []byte(",")), []byte(`]}`))
}

// Algorithms returns those that Sign takes now: "ES256", "PS256", "EdDSA",
// sorted. An algorithm that was added joins when its key may sign.
func (r *Rotator) Algorithms() []string {
	return slices.Sorted(maps.Keys(r.now.Load().current))
}

// Run follows what other processes change and rotates keys that are due, until
// ctx ends.
func (r *Rotator) Run(ctx context.Context) {
	ticker := time.NewTicker(r.cfg.Refresh)
	defer ticker.Stop()
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := r.look(ctx)
		switch {
		case err == nil:
			told = ""
		case ctx.Err() == nil && err.Error() != told && r.cfg.OnError != nil:
			told = err.Error()
			r.cfg.OnError(err)
		}
	}
}

// Rotate makes the next key of an algorithm the current one; an empty alg
// stands for every algorithm that has keys. When one of the next keys has not
// been published long enough it rotates none and returns a *TooEarlyError. An
// algorithm without a next key, also a new one, is given it first.
//
// With force it rotates all the same: until they fetch our keys again,
// verifiers that have not yet seen the new key refuse what it signs.
func (r *Rotator) Rotate(ctx context.Context, alg string, force bool) error {
	var early time.Time
	err := r.cfg.Provider.Update(ctx, func(keys []KeyInfo) (out []KeyInfo, _ error) {
		algs := []string{alg}
		if alg == "" {
			algs = algorithmsOf(keys)
		}
		out, early = r.rules.rotate(keys, algs, r.cfg.Now(), force)
		return out, nil
	})
	if err != nil {
		return err
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	if !early.IsZero() {
		return &TooEarlyError{At: early}
	}
	return nil
}

// Retire removes a key at once, for when its private half may be known to
// others: it signs nothing more, it is not published any more, and what it
// signed no longer verifies once caches of our JWKS have expired. If it was
// the current key, the next one takes over, however young. Other processes
// follow within their Refresh. An unknown kid is ErrNoKey.
func (r *Rotator) Retire(ctx context.Context, kid string) error {
	err := r.cfg.Provider.Update(ctx, func(keys []KeyInfo) ([]KeyInfo, error) {
		return r.rules.retire(keys, kid, r.cfg.Now())
	})
	if err != nil {
		return err
	}
	return r.look(ctx)
}

// lookTimeout bounds one look at the provider.
const lookTimeout = 10 * time.Second

// look takes over what the provider has, after changing what is due.
func (r *Rotator) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	r.refresh.Lock()
	defer r.refresh.Unlock()
	keys, err := r.cfg.Provider.Keys(ctx)
	if err != nil {
		return err
	}
	var failed error
	if r.cfg.Every > 0 && !sameKeys(keys, r.due(keys)) {
		failed = r.cfg.Provider.Update(ctx, func(keys []KeyInfo) ([]KeyInfo, error) { return r.due(keys), nil })
		// Even when that failed, what others have changed is taken over.
		if keys, err = r.cfg.Provider.Keys(ctx); err != nil {
			return errors.Join(failed, err)
		}
	}
	set, err := r.open(ctx, keys)
	if err == nil {
		r.now.Store(set)
	}
	return errors.Join(failed, err)
}

// due returns the keys as they should be now.
func (r *Rotator) due(keys []KeyInfo) []KeyInfo {
	rules := r.rules
	if len(rules.algorithms) == 0 {
		rules.algorithms = algorithmsOf(keys)
	}
	if len(rules.algorithms) == 0 {
		rules.algorithms = []string{string(jose.ES256)}
	}
	return rules.due(keys, r.cfg.Now())
}

// algorithmsOf returns the algorithms that have a key to sign with, now or
// next.
func algorithmsOf(keys []KeyInfo) []string {
	var out []string
	for _, k := range keys {
		if k.State != KeyRetired && !slices.Contains(out, k.Algorithm) {
			out = append(out, k.Algorithm)
		}
	}
	return out
}

// open makes a set of keys ready for use, or says why it cannot be.
func (r *Rotator) open(ctx context.Context, keys []KeyInfo) (*keySet, error) {
	if err := CheckKeys(keys); err != nil {
		return nil, err
	}
	set := &keySet{keys: slices.Clone(keys), current: make(map[string]opaqueKey)}
	for _, k := range keys {
		public := jose.JSONWebKey{Key: k.Public, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"}
		data, err := json.Marshal(public)
		if err != nil {
			return nil, fmt.Errorf("%w: a public half cannot be published", ErrKeySet)
		}
		// As those who fetch it will: nothing private, nothing weak.
		if parsed, err := ParsePublicJWK(data); err != nil || k.ID == "" || Algorithm(parsed) != k.Algorithm {
			return nil, fmt.Errorf("%w: a public half is not one for its algorithm, or has no kid", ErrKeySet)
		}
		set.public = append(set.public, data)
		if k.State != KeyCurrent {
			continue
		}
		signer, err := r.cfg.Provider.Signer(ctx, k.ID)
		if err != nil {
			return nil, err
		}
		if !samePublic(signer.Public(), k.Public) {
			return nil, fmt.Errorf("%w: a private half is not that of its public half", ErrKeySet)
		}
		set.current[k.Algorithm] = opaqueKey{public: public, signer: signer}
	}
	if len(set.current) == 0 {
		return nil, fmt.Errorf("%w: no current key", ErrKeySet)
	}
	for _, alg := range r.cfg.Algorithms {
		// With Every set, it is on its way.
		if _, ok := set.current[alg]; !ok && r.cfg.Every == 0 {
			return nil, fmt.Errorf("%w: no current key for %s", ErrKeySet, alg)
		}
	}
	return set, nil
}

// LoadSigningKeys returns a Rotator of the key file at path that never changes
// it: NewRotator with nothing but its Provider.
func LoadSigningKeys(path string) (*Rotator, error) {
	return NewRotator(context.Background(), RotatorConfig{Provider: NewKeyFile(path)})
}
