package limit

import (
	"sync"
	"time"
)

// kept is how many buckets a Local keeps at most, twice: those that were used
// lately and those from before.
const kept = 1 << 16

// Local counts in the memory of one process. It keeps a bounded number of
// buckets; when there are more at a time, some start anew. The zero value is
// ready. Safe for concurrent use.
type Local[K comparable] struct {
	mu          sync.Mutex // guards the rest
	now, before map[K]time.Time
	turned      time.Time // when now became empty
	most        int       // 0 is kept
}

// Charge is a request to one bucket.
type Charge[K comparable] struct {
	Key   K
	Quota int // requests per Window; 0 is no limit
}

// Take lets one request through if all its buckets have room, and fills them
// all; otherwise none. It returns their levels in the order of the charges, of
// which no two may have the same key.
func (l *Local[K]) Take(now time.Time, charges ...Charge[K]) (levels []Level, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	levels, ok = make([]Level, len(charges)), true
	for i, c := range charges {
		levels[i] = LevelOf(c.Quota, l.fill(c.Key, now), true)
		ok = ok && levels[i].Wait == 0
	}
	if !ok {
		return levels, false
	}
	for i, c := range charges {
		if c.Quota <= 0 {
			continue
		}
		fill := l.fill(c.Key, now) + share(c.Quota)
		l.now[c.Key] = now.Add(fill)
		levels[i] = LevelOf(c.Quota, fill, false)
	}
	return levels, true
}

// Return takes out of a bucket what Take has filled it with for a request that,
// it turns out, should not count.
func (l *Local[K]) Return(now time.Time, c Charge[K]) {
	if c.Quota <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	if fill := l.fill(c.Key, now); fill > 0 {
		l.now[c.Key] = now.Add(max(0, fill-share(c.Quota)))
	}
}

// Look returns the level that a request would meet, and fills nothing.
func (l *Local[K]) Look(now time.Time, c Charge[K]) Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LevelOf(c.Quota, l.fill(c.Key, now), true)
}

// fill is how full a bucket is. Called with the lock held.
func (l *Local[K]) fill(key K, now time.Time) time.Duration {
	empty, ok := l.now[key]
	if !ok {
		empty = l.before[key]
	}
	fill := max(0, empty.Sub(now))
	if fill > Window {
		return 0 // the clock was set back: nothing is known
	}
	return fill
}

// turn forgets what was not used for a Window, and sooner when there is too
// much. Called with the lock held.
func (l *Local[K]) turn(now time.Time) {
	most := l.most
	if most == 0 {
		most = kept
	}
	if age := now.Sub(l.turned); l.now == nil || age >= Window || age < 0 || len(l.now) >= most {
		l.before, l.now, l.turned = l.now, map[K]time.Time{}, now
	}
}
