package redis

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// mostInTrip bounds how many look-ups share a trip, and so for how long they
// hold up whatever else Redis is asked: about a millisecond.
const mostInTrip = 64

// trips lets look-ups that are made at the same time share round trips: most of
// what a trip costs both sides is sending, waking up and receiving, whatever is
// in it. Whoever finds none under way goes at once; the others wait for it to
// come back, and the first of them takes along who waits. So a look-up waits for
// one trip before its own, or for as many as a crowd fills. The client's limits
// bound a trip, and where one was not answered nobody makes another to find the
// same. Each look-up has its own answer or error: a trip is no transaction. A
// second trip at once was measured and gained nothing.
type trips struct {
	mu      sync.Mutex
	under   bool        // one is under way
	waiting []*question // only then
}

// lookAt has the question answered: k.cmd and k.err say what came of it.
func (c *Cache) lookAt(ctx context.Context, k *question) {
	if k.err = ctx.Err(); k.err != nil {
		return
	}
	if !c.trips.board(k) {
		select {
		case leads := <-k.turn:
			if !leads {
				return
			}
		case <-ctx.Done():
			if c.trips.leave(k) {
				k.err = ctx.Err()
				return
			}
			if !<-k.turn { // somebody has it with them, or it is to lead
				return
			}
		}
	}
	// Who is about to ask too may come along; where nobody is, this is nothing.
	runtime.Gosched()
	c.trip(ctx, k, c.trips.others())
}

// trip asks the question and those of the others, and answers them.
func (c *Cache) trip(ctx context.Context, k *question, others []*question) {
	// The others have not hung up, nor do they go without Redis because this one
	// did: the client's limits alone bound a trip.
	ctx = context.WithoutCancel(ctx)
	down := ErrDown
	defer func() { // also of a trip that panics: others wait for its end
		c.trips.back(unanswered(down))
		k.came(down)
		for _, o := range others {
			o.came(down)
			o.turn <- false
		}
	}()
	down = c.ask(ctx, func(ctx context.Context) error { return c.send(ctx, k, others) })
}

// send makes one round trip of the question and those of the others.
func (c *Cache) send(ctx context.Context, k *question, others []*question) (err error) {
	if len(others) == 0 {
		err = c.client.Process(ctx, k.cmd)
	} else {
		all := c.client.Pipeline()
		_ = all.Process(ctx, k.cmd) // it only notes it down
		for _, o := range others {
			_ = all.Process(ctx, o.cmd)
		}
		_, err = all.Exec(ctx)
	}
	if forgot(err) {
		return nil // it does answer
	}
	return err
}

// forgot reports whether Redis was restarted and does not have the script yet.
func forgot(err error) bool { return err != nil && goredis.HasErrorPrefix(err, "NOSCRIPT") }

// unanswered returns what kept Redis from answering a trip: nil when it said
// something, be it an error.
func unanswered(err error) error {
	if err == nil {
		return nil
	}
	var said goredis.Error
	if errors.As(err, &said) {
		return nil
	}
	return err
}

// came sets err after a trip. An answer of one's own counts, even if another
// got none.
func (k *question) came(trip error) {
	if k.err = k.cmd.Err(); k.err == nil && errors.Is(trip, ErrDown) {
		k.err = trip
	}
}

// board reports whether k may go at once. If not it waits, and its turn says
// later whether it is to lead (true) or was answered (false).
func (t *trips) board(k *question) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.under {
		t.under = true
		return true
	}
	k.turn = make(chan bool, 1)
	t.waiting = append(t.waiting, k)
	return false
}

// leave reports whether k waited still, and does no more.
func (t *trips) leave(k *question) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting, k)
	if i < 0 {
		return false
	}
	t.waiting = slices.Delete(t.waiting, i, i+1)
	return true
}

// others returns who waits, for one who is about to leave.
func (t *trips) others() []*question {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(t.waiting), mostInTrip-1)
	if n == 0 {
		return nil
	}
	others := slices.Clone(t.waiting[:n])
	t.waiting = slices.Delete(t.waiting, 0, n)
	return others
}

// back ends a trip: the first of who waits leads the next one, unless this one
// was not answered. Then all who wait go without, rather than wait as long again.
func (t *trips) back(unanswered error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if unanswered != nil {
		for _, k := range t.waiting {
			k.err = unanswered
			k.turn <- false
		}
		t.waiting = nil
	}
	if len(t.waiting) == 0 {
		t.under = false
		return
	}
	t.waiting[0].turn <- true
	t.waiting = slices.Delete(t.waiting, 0, 1)
}
