package resource

import (
	"context"
	"sync"
	"time"
)

// until is a context that ends with its parent, at a time, or when it is told
// to. What tells a context of the standard library of its end is made only when
// somebody waits for that, which a bank that has the answer at hand never does.
// Safe for concurrent use.
type until struct {
	context.Context // the parent
	at              time.Time

	mu    sync.Mutex
	armed context.Context    // guarded by mu; nil until somebody waits
	end   context.CancelFunc // guarded by mu; of armed
	over  bool               // guarded by mu: told to end
}

// Deadline implements context.Context.
func (u *until) Deadline() (time.Time, bool) {
	if at, ok := u.Context.Deadline(); ok && at.Before(u.at) {
		return at, true
	}
	return u.at, true
}

// Done implements context.Context.
func (u *until) Done() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.arm().Done()
}

// Err implements context.Context. One that is over without anybody waiting is
// armed too, so that Err and Done agree.
func (u *until) Err() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.armed == nil && !u.over && u.Context.Err() == nil && time.Now().Before(u.at) {
		return nil
	}
	return u.arm().Err()
}

// Value implements context.Context. The standard library finds by a value what
// a context made of this one has to wait for; it asks for Done before.
func (u *until) Value(key any) any {
	u.mu.Lock()
	from := u.armed
	u.mu.Unlock()
	if from == nil {
		from = u.Context
	}
	return from.Value(key)
}

// arm is called with mu held.
func (u *until) arm() context.Context {
	if u.armed == nil {
		u.armed, u.end = context.WithDeadline(u.Context, u.at)
		if u.over {
			u.end()
		}
	}
	return u.armed
}

// cancel ends the context, with context.Canceled unless it was over before.
func (u *until) cancel() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
	if u.end != nil {
		u.end()
	}
}
