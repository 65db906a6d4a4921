package login

import (
	"container/list"
	"sync"
	"time"
)

const (
	freeFailures = 5
	firstWait    = 30 * time.Second
	longestWait  = 15 * time.Minute
	// forgetAfter is how long a username is remembered after its last
	// attempt. It is longer than longestWait, so that waiting does not wipe
	// the count.
	forgetAfter = time.Hour
	maxTracked  = 10_000
)

// attempts counts failures in a row per username. It is bounded: the username
// tried longest ago gives way to a new one.
type attempts struct {
	now func() time.Time

	mu    sync.Mutex
	by    map[string]*list.Element // guarded by mu; values are *tries
	order *list.List               // guarded by mu; tried last in front
}

// tries is one username's count.
type tries struct {
	username string
	failures int // attempts begun and not known to have succeeded
	last     time.Time
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, by: map[string]*list.Element{}, order: list.New()}
}

// begin counts an attempt as failed until succeeded or undo says otherwise,
// and returns 0. When the username has to wait it returns for how long and
// counts nothing.
func (a *attempts) begin(username string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	e, ok := a.by[username]
	if !ok {
		if len(a.by) >= maxTracked {
			oldest := a.order.Back()
			delete(a.by, a.order.Remove(oldest).(*tries).username)
		}
		e = a.order.PushFront(&tries{username: username})
		a.by[username] = e
	}
	t := e.Value.(*tries)
	if now.Sub(t.last) >= forgetAfter {
		t.failures = 0
	}
	if wait := t.last.Add(pause(t.failures)).Sub(now); wait > 0 {
		return wait
	}
	t.failures++
	t.last = now
	a.order.MoveToFront(e)
	return 0
}

// pause is the time between the last of n failures and the next attempt.
func pause(n int) time.Duration {
	if n < freeFailures {
		return 0
	}
	wait := firstWait
	for range n - freeFailures {
		if wait *= 2; wait >= longestWait {
			return longestWait
		}
	}
	return wait
}

// succeeded forgets the username's failures.
func (a *attempts) succeeded(username string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e, ok := a.by[username]; ok {
		a.order.Remove(e)
		delete(a.by, username)
	}
}

// undo takes back one attempt that was not judged.
func (a *attempts) undo(username string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e, ok := a.by[username]; ok {
		t := e.Value.(*tries)
		t.failures = max(t.failures-1, 0)
	}
}
