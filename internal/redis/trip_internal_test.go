package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// road is a hook that holds trips until they may go on, and says how many
// look-ups each carried.
type road struct {
	left chan int      // how many look-ups a trip carries that is held
	open chan struct{} // one for each trip that may go on
	then func() error  // instead of going on; nil goes on
}

func (r *road) DialHook(next goredis.DialHook) goredis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return next(ctx, network, address)
	}
}

func (r *road) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if cmd.Name() != "evalsha" {
			return next(ctx, cmd)
		}
		if err := r.hold(1); err != nil {
			return err
		}
		return next(ctx, cmd)
	}
}

func (r *road) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		if err := r.hold(len(cmds)); err != nil {
			return err
		}
		return next(ctx, cmds)
	}
}

func (r *road) hold(n int) error {
	r.left <- n
	<-r.open
	if r.then != nil {
		return r.then()
	}
	return nil
}

// journey is a cache over a real Redis that knows some tokens, on a road.
func journey(t *testing.T, tokens int) (*Cache, *road, []token.Live) {
	t.Helper()
	c, err := OpenPatient(Config{URL: testenv.Redis(t).URL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	now := time.Now().UTC().Truncate(time.Second)
	known := make([]token.Live, tokens)
	for i := range known {
		grant := consent.NewGrantID()
		known[i] = token.Live{
			Access: token.Access{Grant: grant, Recipient: "app", KeyThumbprint: "key", IssuedAt: now, ExpiresAt: now.Add(time.Hour)},
			Share:  consent.Share{Grant: grant, Epoch: 1, Recipient: "app", Consumer: "someone", Status: consent.StatusActive, ExpiresAt: now.Add(time.Hour)},
		}
		_, _ = rand.Read(known[i].Access.Hash[:])
		missed, err := c.Look(t.Context(), resource.Lookup{Hash: known[i].Access.Hash})
		if err == nil {
			err = c.Fill(t.Context(), missed.Lease, known[i])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r := &road{left: make(chan int), open: make(chan struct{})}
	c.client.AddHook(r)
	return c, r, known
}

// waits returns when so many look-ups wait for a trip.
func (c *Cache) waits(t *testing.T, n int) {
	t.Helper()
	for range 10_000 {
		c.trips.mu.Lock()
		now := len(c.trips.waiting)
		c.trips.mu.Unlock()
		if now == n {
			return
		}
		time.Sleep(time.Millisecond) // polling, not waiting
	}
	t.Fatalf("%d look-ups never waited", n)
}

// asked is a look-up under way.
type asked struct {
	got  resource.Cached
	err  error
	over chan struct{}
}

func (c *Cache) askFor(ctx context.Context, q resource.Lookup) *asked {
	a := &asked{over: make(chan struct{})}
	go func() {
		defer close(a.over)
		defer func() {
			if p := recover(); p != nil {
				a.err = errors.New("panic")
			}
		}()
		a.got, a.err = c.Look(ctx, q)
	}()
	return a
}

// convoy asks about each in turn: the first is under way, and the others wait
// for it in this order, so that the second leads them.
func (c *Cache) convoy(t *testing.T, r *road, about ...token.Live) []*asked {
	t.Helper()
	all := make([]*asked, len(about))
	for i, l := range about {
		all[i] = c.askFor(t.Context(), of(l))
		if i == 0 {
			<-r.left
		}
		c.waits(t, i)
	}
	return all
}

func (a *asked) is(t *testing.T, l token.Live) {
	t.Helper()
	<-a.over
	if a.err != nil || !a.got.Found || a.got.Live.Access.Hash != l.Access.Hash || a.got.Live.Share.Grant != l.Share.Grant {
		t.Errorf("%+v, %v", a.got, a.err)
	}
}

func of(l token.Live) resource.Lookup { return resource.Lookup{Hash: l.Access.Hash} }

func (r *road) goes(t *testing.T, n int) {
	t.Helper()
	if got := <-r.left; got != n {
		t.Errorf("a trip carries %d look-ups, not %d", got, n)
	}
	r.open <- struct{}{}
}

func TestLookUpsShareATrip(t *testing.T) {
	t.Parallel()
	c, r, known := journey(t, 20)
	first := c.askFor(t.Context(), of(known[0]))
	if n := <-r.left; n != 1 {
		t.Fatalf("the first trip carries %d", n)
	}
	proof := &token.Proof{ExpiresAt: time.Now().Add(time.Minute)}
	_, _ = rand.Read(proof.Key[:])
	others := make([]*asked, len(known))
	for i, l := range known {
		q := of(l)
		if i >= len(known)-2 { // one proof, used twice
			q.Hash, q.Proof, q.Bound = known[0].Access.Hash, proof, "key"
		}
		others[i] = c.askFor(t.Context(), q)
	}
	unknown := c.askFor(t.Context(), resource.Lookup{Hash: token.Hash{1}})
	c.waits(t, len(known)+1)
	r.open <- struct{}{}
	first.is(t, known[0])
	r.goes(t, len(known)+1)
	replayed := 0
	for i, l := range known {
		if i >= len(known)-2 {
			l = known[0]
		}
		others[i].is(t, l)
		if others[i].got.Replayed {
			replayed++
		}
	}
	if replayed != 1 {
		t.Errorf("of two uses of a proof in one trip %d were replays", replayed)
	}
	<-unknown.over
	if unknown.err != nil || unknown.got.Found || unknown.got.Lease == "" {
		t.Errorf("unknown: %+v, %v", unknown.got, unknown.err)
	}
	if c.trips.under {
		t.Error("a trip never came back")
	}
}

func TestATripCarriesOnlySoMany(t *testing.T) {
	t.Parallel()
	c, r, known := journey(t, 1)
	all := []*asked{c.askFor(t.Context(), of(known[0]))}
	<-r.left
	for range mostInTrip + 1 {
		all = append(all, c.askFor(t.Context(), of(known[0])))
	}
	c.waits(t, mostInTrip+1)
	r.open <- struct{}{}
	r.goes(t, mostInTrip)
	r.goes(t, 1)
	for _, a := range all {
		a.is(t, known[0])
	}
}

func TestWhoHangsUpWhileWaitingSpendsNothing(t *testing.T) {
	t.Parallel()
	c, r, known := journey(t, 2)
	first := c.askFor(t.Context(), of(known[0]))
	<-r.left
	ctx, hangUp := context.WithCancel(t.Context())
	proof := &token.Proof{ExpiresAt: time.Now().Add(time.Minute)}
	gone := c.askFor(ctx, resource.Lookup{Hash: known[1].Access.Hash, Proof: proof, Bound: "key"})
	c.waits(t, 1)
	stays := c.askFor(t.Context(), of(known[1]))
	c.waits(t, 2)
	hangUp()
	<-gone.over
	if !errors.Is(gone.err, context.Canceled) {
		t.Errorf("hung up: %v", gone.err)
	}
	r.open <- struct{}{}
	first.is(t, known[0])
	r.goes(t, 1)
	stays.is(t, known[1])
	again := c.askFor(t.Context(), resource.Lookup{Hash: known[1].Access.Hash, Proof: proof, Bound: "key"})
	r.goes(t, 1)
	again.is(t, known[1])
	if again.got.Replayed {
		t.Error("the proof of who hung up was spent")
	}
}

// Whoever makes a trip may hang up under way: who goes along has an answer, and
// who waits for it does not go without.
func TestWhoHangsUpUnderWayStopsNobody(t *testing.T) {
	t.Parallel()
	c, r, known := journey(t, 4)
	ctx, hangUp := context.WithCancel(t.Context())
	alone := c.askFor(ctx, of(known[0]))
	<-r.left
	leads := c.askFor(ctx, of(known[1]))
	c.waits(t, 1)
	along := c.askFor(t.Context(), of(known[2]))
	c.waits(t, 2)
	r.open <- struct{}{}
	alone.is(t, known[0])
	if n := <-r.left; n != 2 {
		t.Fatalf("carries %d", n)
	}
	waits := c.askFor(t.Context(), of(known[3]))
	c.waits(t, 1)
	hangUp()
	r.open <- struct{}{}
	along.is(t, known[2])
	r.goes(t, 1)
	waits.is(t, known[3])
	leads.is(t, known[1])
	late := c.askFor(ctx, of(known[1]))
	<-late.over
	if !errors.Is(late.err, context.Canceled) {
		t.Errorf("asked for one who had hung up: %v", late.err)
	}
}

func TestOneBadAnswerIsNotThatOfTheOthers(t *testing.T) {
	t.Parallel()
	c, r, known := journey(t, 3)
	if err := c.ends.Set(t.Context(), tokenKey(known[1].Access.Hash), "no hash at all", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	all := c.convoy(t, r, known...)
	first, bad, good := all[0], all[1], all[2]
	r.open <- struct{}{}
	first.is(t, known[0])
	if n := <-r.left; n != 2 {
		t.Fatalf("carries %d", n)
	}
	waits := c.askFor(t.Context(), of(known[0]))
	c.waits(t, 1)
	r.open <- struct{}{}
	r.goes(t, 1)
	good.is(t, known[2])
	waits.is(t, known[0])
	<-bad.over
	if bad.err == nil || bad.got.Found {
		t.Errorf("bad: %+v, %v", bad.got, bad.err)
	}
}

func TestATripToARedisThatForgotTheScript(t *testing.T) {
	t.Parallel()
	c, r, known := journey(t, 3)
	all := c.convoy(t, r, known...)
	if err := c.ends.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	r.open <- struct{}{}
	all[0].is(t, known[0])
	if n := <-r.left; n != 2 {
		t.Fatalf("carries %d", n)
	}
	if err := c.ends.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	r.open <- struct{}{}
	all[1].is(t, known[1])
	all[2].is(t, known[2])
	if n := c.breaker.Counts().TotalFailures; n != 0 {
		t.Errorf("%d failures of a Redis that answers", n)
	}
}

// A trip that fails is the failure of all who are in it and of all who wait for
// it, and of nobody who comes later.
func TestATripThatFails(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	for name, then := range map[string]func() error{
		"by an error": func() error { return lost },
		"by a panic":  func() error { panic("in the library") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, r, known := journey(t, 1)
			first := c.askFor(t.Context(), of(known[0]))
			<-r.left
			var all []*asked
			for range 5 {
				all = append(all, c.askFor(t.Context(), of(known[0])))
			}
			c.waits(t, 5)
			r.open <- struct{}{}
			first.is(t, known[0])
			<-r.left
			for range 3 {
				all = append(all, c.askFor(t.Context(), of(known[0])))
			}
			c.waits(t, 3)
			r.then = then
			r.open <- struct{}{}
			for _, a := range all {
				<-a.over
				if a.err == nil || a.got.Found || a.got.Lease != "" {
					t.Errorf("%+v, %v", a.got, a.err)
				}
			}
			r.then = nil
			later := c.askFor(t.Context(), of(known[0]))
			r.goes(t, 1)
			later.is(t, known[0])
		})
	}
}

// Many at once, some of whom hang up at any moment: everybody comes back.
func TestNobodyIsLeftBehind(t *testing.T) {
	t.Parallel()
	c, err := OpenPatient(Config{URL: testenv.Redis(t).URL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for n := range 100 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration((i*n)%7)*50*time.Microsecond+time.Nanosecond)
				_, _ = c.Look(ctx, resource.Lookup{})
				cancel()
				if _, err := c.Look(t.Context(), resource.Lookup{}); err != nil && !errors.Is(err, ErrDown) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if c.trips.under || len(c.trips.waiting) != 0 {
		t.Errorf("under way: %v, %d wait", c.trips.under, len(c.trips.waiting))
	}
}
