package postgres

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// Look-ups that come together are told apart, also those of one token and of
// none.
func TestLookupsShareStatements(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := stores(db)
	var issued []token.Access
	for range 5 {
		issued = append(issued, newAccess(t, s))
	}
	// All lanes are busy, so that everything waits.
	db.lookups.running = lookLanes
	type answer struct {
		live token.Live
		err  error
	}
	unknown := randomHash()
	asked := []token.Hash{unknown, issued[3].Hash, issued[0].Hash, issued[3].Hash, {}, issued[1].Hash, issued[2].Hash, issued[4].Hash}
	answers := make([]answer, len(asked))
	var wait sync.WaitGroup
	for i, h := range asked {
		wait.Go(func() { answers[i].live, answers[i].err = s.Tokens.Live(ctx, h) })
	}
	impatient, cancel := context.WithCancel(ctx)
	left := make(chan error)
	go func() {
		_, err := s.Tokens.Live(impatient, issued[0].Hash)
		left <- err
	}()
	waits := func(n int) {
		for {
			db.lookups.mu.Lock()
			reached := len(db.lookups.waiting) == n
			db.lookups.mu.Unlock()
			if reached {
				return
			}
			runtime.Gosched() // nothing signals that a look-up waits
		}
	}
	waits(len(asked) + 1)
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) || !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("who leaves: %v", err)
	}
	db.lookLane()
	wait.Wait()
	for i, a := range answers {
		switch known := asked[i] != unknown && !asked[i].IsZero(); {
		case !known && !errors.Is(a.err, token.ErrNotFound):
			t.Errorf("%d: %v, want ErrNotFound", i, a.err)
		case known && (a.err != nil || a.live.Access.Hash != asked[i] || !a.live.Active(time.Now())):
			t.Errorf("%d: %+v, %v", i, a.live.Access, a.err)
		}
	}

	db.lookups.waiting = make([]*look, lookQueue)
	if _, err := s.Tokens.Live(ctx, issued[0].Hash); !errors.Is(err, errLooksFull) || !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("full: %v", err)
	}
	db.lookups.waiting, db.lookups.running = nil, 0
	db.lookups.close()
	if _, err := s.Tokens.Live(ctx, issued[0].Hash); !errors.Is(err, errLooksClosed) || !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("closed: %v", err)
	}
}

// The clock of the database runs; who compares it with another one needs no
// more.
func TestClock(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	first, err := db.Clock(t.Context())
	if err != nil || first.IsZero() || first.Location() != time.UTC {
		t.Fatalf("got %v (%v), want a time in UTC", first, err)
	}
	if second, err := db.Clock(t.Context()); err != nil || !second.After(first) {
		t.Errorf("got %v (%v) after %v", second, err, first)
	}
}
