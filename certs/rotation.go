package certs

import (
	"fmt"
	"slices"
	"time"
)

// rules decide which key signs and which are published. Every decision is a
// function of the keys and a time; Rotator carries it out.
type rules struct {
	algorithms           []string
	publishAhead, retain time.Duration
	every                time.Duration // 0: due changes nothing by age
}

// due returns the keys as they should be at now without anybody's command.
func (r rules) due(keys []KeyInfo, now time.Time) []KeyInfo {
	out := r.prune(keys, now)
	for _, alg := range r.algorithms {
		current, next := find(out, alg, KeyCurrent), find(out, alg, KeyNext)
		switch {
		case len(keys) == 0:
			// Nobody has ever fetched our keys, so nobody can lack this one.
			out = rotated(out, alg, now)
		case next < 0:
			out = append(out, fresh(alg, now))
		case now.Before(r.signsFrom(out[next])):
		case current < 0, r.every > 0 && !now.Before(out[current].Activated.Add(r.every)):
			out = rotated(out, alg, now)
		}
	}
	return out
}

// rotate returns the keys after a rotation by command. When a next key has not
// been published long enough, nothing is rotated and early is when all will
// have been; a next key that was missing is made. force takes a next key
// however young it is.
func (r rules) rotate(keys []KeyInfo, algorithms []string, now time.Time, force bool) (out []KeyInfo, early time.Time) {
	out = r.prune(keys, now)
	for _, alg := range algorithms {
		next := find(out, alg, KeyNext)
		if next < 0 && !force {
			next = len(out)
			out = append(out, fresh(alg, now))
		}
		if !force && now.Before(r.signsFrom(out[next])) && early.Before(r.signsFrom(out[next])) {
			early = r.signsFrom(out[next])
		}
	}
	if !early.IsZero() {
		return out, early
	}
	for _, alg := range algorithms {
		out = rotated(out, alg, now)
	}
	return out, time.Time{}
}

// retire returns the keys without one that must not be trusted any more. Its
// place is filled at once: a young key is refused by some until they fetch our
// keys again, no key by all.
func (r rules) retire(keys []KeyInfo, id string, now time.Time) ([]KeyInfo, error) {
	i := slices.IndexFunc(keys, func(k KeyInfo) bool { return k.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("certs: retire: %w", ErrNoKey)
	}
	gone := keys[i]
	out := r.prune(slices.Delete(slices.Clone(keys), i, i+1), now)
	switch gone.State {
	case KeyCurrent:
		return rotated(out, gone.Algorithm, now), nil
	case KeyNext:
		return append(out, fresh(gone.Algorithm, now)), nil
	}
	return out, nil
}

// signsFrom is when a next key may sign: everyone who caches our keys has
// fetched them since it was published.
func (r rules) signsFrom(k KeyInfo) time.Time { return k.Created.Add(r.publishAhead) }

// published reports whether a key belongs into our JWKS.
func (r rules) published(k KeyInfo, now time.Time) bool {
	return k.State != KeyRetired || now.Before(k.Retired.Add(r.retain))
}

// prune leaves out what is not published any more.
func (r rules) prune(keys []KeyInfo, now time.Time) []KeyInfo {
	var out []KeyInfo
	for _, k := range keys {
		if r.published(k, now) {
			out = append(out, k)
		}
	}
	return out
}

// rotated makes the next key of an algorithm the current one, or a fresh one
// when there is none, and adds a fresh next one.
func rotated(keys []KeyInfo, alg string, now time.Time) []KeyInfo {
	if i := find(keys, alg, KeyCurrent); i >= 0 {
		keys[i].State, keys[i].Retired = KeyRetired, now
	}
	i := find(keys, alg, KeyNext)
	if i < 0 {
		i = len(keys)
		keys = append(keys, fresh(alg, now))
	}
	keys[i].State, keys[i].Activated = KeyCurrent, now
	return append(keys, fresh(alg, now))
}

// fresh is a key that the provider is to make.
func fresh(alg string, now time.Time) KeyInfo {
	return KeyInfo{Algorithm: alg, State: KeyNext, Created: now}
}

// find returns the place of the key of an algorithm in a state, or -1.
func find(keys []KeyInfo, alg string, state KeyState) int {
	return slices.IndexFunc(keys, func(k KeyInfo) bool { return k.Algorithm == alg && k.State == state })
}
