package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// asker counts reads of the truth on behalf of introspections.
type asker struct {
	w     *world
	cache *redis.Cache
	reads atomic.Int64
	// held, when set, is called between the read and the fill.
	held func()
}

var errOver = errors.New("over")

// active is an introspection without its protocol: the truth gives what is
// active and an error for the rest.
func (a *asker) active(ctx context.Context, h token.Hash) (bool, error) {
	l, err := a.cache.Recent(ctx, h, func(ctx context.Context) (token.Live, error) {
		a.reads.Add(1)
		l, err := a.w.truth.Live(ctx, h)
		if err == nil && !l.Active(time.Now()) {
			err = errOver
		}
		if a.held != nil {
			a.held()
		}
		return l, err
	})
	if errors.Is(err, errOver) {
		return false, nil
	}
	return err == nil && l.Active(time.Now()), err
}

func (w *world) hash(t *testing.T, accessToken string) token.Hash {
	t.Helper()
	h, err := w.hasher.Hash(token.KindAccess, accessToken)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Ages by the clock of Redis, from the look that led to the read.
func TestRecentIsRecent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := miniredis.RunT(t)
	now := time.Now()
	m.SetTime(now)
	advance := func(d time.Duration) {
		now = now.Add(d)
		m.SetTime(now)
		if d > 0 {
			m.FastForward(d)
		}
	}
	cache, other := patient(t, "redis://"+m.Addr()), patient(t, "redis://"+m.Addr())
	a, b := &asker{w: w, cache: cache}, &asker{w: w, cache: other}
	_, accessToken := w.grant()
	h := w.hash(t, accessToken)
	ask := func(by *asker, what string, reads int64) {
		t.Helper()
		if active, err := by.active(t.Context(), h); !active || err != nil {
			t.Errorf("%s: %v, %v", what, active, err)
		}
		if got := a.reads.Swap(0) + b.reads.Swap(0); got != reads {
			t.Errorf("%s: %d reads of the truth, want %d", what, got, reads)
		}
	}
	ask(a, "empty", 1)
	ask(a, "filled", 0)
	ask(b, "filled by another instance", 0)
	advance(consent.Freshness)
	ask(a, "as old as may be", 0)
	advance(time.Millisecond)
	ask(a, "too old", 1)
	ask(b, "filled again", 0)
	advance(-time.Second)
	ask(a, "from the future", 1)

	a.held = func() { advance(4 * time.Second) }
	advance(consent.Freshness + 2*time.Second)
	ask(a, "filled late", 1)
	advance(time.Second)
	ask(b, "five seconds after the look", 0)
	advance(time.Millisecond)
	ask(b, "a little later", 1)

	// What a data read filled serves as well, and lasts longer for reads.
	advance(time.Minute)
	g := w.gateway(t, cache, nil)
	w.read(g, accessToken)
	ask(b, "filled by a read", 0)
	advance(consent.Freshness + time.Millisecond)
	if got, err := cache.Look(t.Context(), resource.Lookup{Hash: h}); err != nil || !got.Found {
		t.Errorf("a read does not find it any more: %v", err)
	}
	ask(b, "read again", 1)
}

// Who finds something is told the time of Redis, by which it ends.
func TestWhatIsFoundSaysTheTimeOfRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := miniredis.RunT(t)
	cache := patient(t, "redis://"+m.Addr())
	_, accessToken := w.grant()
	h := w.hash(t, accessToken)
	for _, off := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		now := time.Now().Add(off).UTC().Truncate(time.Millisecond)
		m.SetTime(now)
		m.FlushAll()
		if _, err := cache.Recent(t.Context(), h, func(ctx context.Context) (token.Live, error) { return w.truth.Live(ctx, h) }); err != nil {
			t.Fatal(err)
		}
		for _, q := range []resource.Lookup{
			{Hash: h}, {Hash: h, Bound: "another"}, {Hash: h, Bound: "another", Quotas: resource.Quotas{Bank: 10}},
			{Hash: h, Bound: certs.CertificateThumbprint(w.cert)},
			{Hash: h, Bound: certs.CertificateThumbprint(w.cert), Quotas: resource.Quotas{Bank: 10}},
		} {
			if got, err := cache.Look(t.Context(), q); err != nil || !got.Found || !got.Live.At.Equal(now) {
				t.Errorf("%s off, %+v: found %v at %s, %v; want %s", off, q.Quotas, got.Found, got.Live.At, err, now)
			}
		}
	}
}

func TestRecentRemembersNoNo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := miniredis.RunT(t)
	a := &asker{w: w, cache: patient(t, "redis://"+m.Addr())}
	id, accessToken := w.grant()
	w.truth.End(id)
	for range 2 {
		if active, err := a.active(t.Context(), w.hash(t, accessToken)); active || err != nil {
			t.Errorf("%v, %v", active, err)
		}
	}
	down := errors.New("store is down")
	if _, err := a.cache.Recent(t.Context(), token.Hash{9}, func(context.Context) (token.Live, error) { return token.Live{}, down }); !errors.Is(err, down) {
		t.Errorf("%v", err)
	}
	if keys := m.Keys(); a.reads.Load() != 2 || len(keys) != 1 { // the generation
		t.Errorf("%d reads, keys %v", a.reads.Load(), keys)
	}
}

func TestRecentWithoutRedisAsksTheTruth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := miniredis.RunT(t)
	a := &asker{w: w, cache: open(t, "redis://"+m.Addr())}
	id, accessToken := w.grant()
	m.Close()
	for range 10 {
		if active, err := a.active(t.Context(), w.hash(t, accessToken)); !active || err != nil {
			t.Errorf("%v, %v", active, err)
		}
	}
	w.truth.End(id)
	if active, err := a.active(t.Context(), w.hash(t, accessToken)); active || err != nil || a.reads.Load() != 11 {
		t.Errorf("%v, %v, %d reads", active, err, a.reads.Load())
	}
}

// Once it is warm, an introspection is one round trip to Redis and no look at
// the truth.
func TestRecentIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	s := testenv.Redis(t)
	through := tap(t, s.URL())
	w := newWorld(t)
	a := &asker{w: w, cache: patient(t, through.url)}
	_, accessToken := w.grant()
	h := w.hash(t, accessToken)
	for range 2 { // connection, scripts, fill
		if active, err := a.active(t.Context(), h); !active || err != nil {
			t.Fatalf("%v, %v", active, err)
		}
	}
	before := through.trips.Load()
	const n = 10
	for range n {
		if active, err := a.active(t.Context(), h); !active || err != nil {
			t.Fatalf("%v, %v", active, err)
		}
	}
	if got := through.trips.Load() - before; got != n || a.reads.Load() != 1 {
		t.Errorf("%d round trips for %d introspections, %d reads of the truth", got, n, a.reads.Load())
	}
}

// endings is a consent.Store on a truth.
type endings struct {
	consent.Store
	w *world
}

func (e endings) EndOfConsumer(_ context.Context, _ consent.ConsumerID, end consent.End) (consent.Grant, error) {
	return consent.Grant{ID: end.Grant, Epoch: e.w.truth.End(end.Grant)}, nil
}

// stubborn tells until it is heard: a busy machine is not what is tested.
type stubborn struct{ *redis.Cache }

func (s stubborn) Stopped(ctx context.Context, id consent.RecipientID) error {
	for s.Cache.Stopped(context.WithoutCancel(ctx), id) != nil {
	}
	return nil
}

func (s stubborn) Ended(ctx context.Context, id consent.GrantID, epoch int64) error {
	for s.Cache.Ended(context.WithoutCancel(ctx), id, epoch) != nil {
	}
	return nil
}

// endRace stops a grant, rounds times, while what an instance holds of it is
// as young as it can be: filled right before the stop, or, when held, read
// before the stop and filled as late as the cache allows. It returns how many
// introspections that started after the stop had answered said active. service
// makes what stops; wait is its clock.
func endRace(t *testing.T, told bool, service func(w *world, told consent.Cache, wait func(time.Duration) <-chan time.Time) consent.ServiceConfig) int {
	w := newWorld(t)
	m := miniredis.RunT(t)
	var now time.Time
	advance := func(d time.Duration) {
		now = now.Add(d)
		m.SetTime(now)
		m.FastForward(d)
	}
	nowhere, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere.Close()
	reached := patient(t, "redis://"+m.Addr())
	cutOff := open(t, "redis://"+nowhere.Addr().String())
	first, second := &asker{w: w, cache: reached}, &asker{w: w, cache: patient(t, "redis://"+m.Addr())}
	read, proceed := make(chan struct{}), make(chan struct{})

	wrong := 0
	for round := range rounds {
		held := round%2 == 1
		now = time.Now() // the grants know no other clock
		m.SetTime(now)
		id, accessToken := w.grant()
		h := w.hash(t, accessToken)
		filled := make(chan struct{})
		first.held = nil
		if held {
			first.held = func() { read <- struct{}{}; <-proceed }
		}
		go func() {
			defer close(filled)
			_, _ = first.active(t.Context(), h)
		}()
		if held {
			<-read
		} else {
			<-filled
		}
		release := func() {
			if held {
				proceed <- struct{}{}
				<-filled
				held = false
			}
		}

		waiting := make(chan time.Duration)
		over := make(chan time.Time)
		wait := func(d time.Duration) <-chan time.Time {
			if d < consent.Freshness {
				return nil // no second attempt
			}
			go func() { waiting <- d }()
			return over
		}
		var by consent.Cache = cutOff
		if told {
			by = stubborn{reached}
		}
		s, err := consent.NewService(service(w, by, wait))
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			_, err := s.StopByConsumer(t.Context(), "alice", id)
			answered <- err
		}()
		// The stop waits for ages, or answers at once.
		if told {
			err = <-answered
			<-waiting // a wait that was not needed
		} else {
			select {
			case err = <-answered:
			case d := <-waiting:
				late := consent.Freshness - 10*time.Millisecond
				advance(late)
				release()
				advance(d - late)
				close(over)
				err = <-answered
			}
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		release()
		active, err := second.active(t.Context(), h)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if active {
			wrong++
		}
	}
	return wrong
}

func TestNoIntrospectionAfterAStopSaysActive(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprintf("told=%v", told), func(t *testing.T) {
			t.Parallel()
			wrong := endRace(t, told, func(w *world, by consent.Cache, wait func(time.Duration) <-chan time.Time) consent.ServiceConfig {
				return consent.ServiceConfig{Store: endings{w: w}, Cache: by, After: wait}
			})
			if wrong != 0 {
				t.Errorf("%d of %d rounds said active after the stop", wrong, rounds)
			}
		})
	}
	// The test must be able to fail: a stop that answers without telling and
	// without waiting is contradicted.
	t.Run("a stop that does not wait is caught", func(t *testing.T) {
		t.Parallel()
		wrong := endRace(t, false, func(w *world, _ consent.Cache, _ func(time.Duration) <-chan time.Time) consent.ServiceConfig {
			return consent.ServiceConfig{Store: endings{w: w}}
		})
		if wrong != rounds {
			t.Errorf("caught in %d of %d rounds", wrong, rounds)
		}
	})
}
