package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The ways in which more is asked than there is room for.
const (
	thrice     = "three times as many callers"
	placesHeld = "every place taken"
	greedy     = "one recipient at twenty times its quota"
	handshakes = "a flood of handshakes"
)

var overloads = []string{thrice, placesHeld, greedy, handshakes}

const (
	// places is how many reads at a time each gateway takes on meanwhile: few,
	// so that a bench has more callers than that.
	places = 32
	// fitting is how many callers of a gateway fit into them. A place comes free
	// a moment after the answer has left.
	fitting = places * 3 / 4
	// mostMemory is what a gateway may have had at its largest, in bytes.
	mostMemory = 256 << 20
	// leastGoodput is what is left under overload of what can be served.
	leastGoodput = 0.8
	// smallQuota is what the greedy recipient may ask a minute.
	smallQuota = 30
	// inTime is the promise about an answer, and graced what is judged: the
	// time on the way is the bench's own.
	inTime, graced = 3500 * time.Millisecond, 4 * time.Second
)

// noPlace is how a gateway says that it has no place for one more.
const noPlace = "too busy; see Retry-After"

// rush is one step of V4 as it was.
type rush struct {
	name   string
	took   time.Duration
	reads  []op // by those who ask too much
	beside []op // by all others
	alone  []op // greedy: by all others, when it did not ask
	stops  []op
	fits   []op // thrice: what was read when callers fitted, before and after
	// thrice: reads served a second when callers fitted, and when there were
	// three times as many.
	capacity, goodput float64
	cheap, dear       time.Duration // thrice: what each of them took of the processors
	dialled           int64         // handshakes
	unshaken          int64         // handshakes that failed
	why               string        // of one of them
}

// overloaded asks for more than there is room for in all the ways that are
// named, each for so long: V4. Meanwhile the gateways have few places.
func (d *driver) overloaded(ctx context.Context, ways []string, hold time.Duration) (finding, error) {
	back, err := d.stack.withPlaces(places)
	if err != nil {
		return finding{}, err
	}
	pulsed, endPulse := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.pulse(pulsed) })
	var list []rush
	for _, way := range ways {
		step := map[string]func(context.Context, time.Duration) (rush, error){
			thrice: d.thrice, placesHeld: d.everyPlace, greedy: d.greedy, handshakes: d.handshakes,
		}[way]
		d.history.mark(way, starting)
		var r rush
		if r, err = step(ctx, hold); err != nil {
			err = fmt.Errorf("%s: %w", way, err)
			break
		}
		d.history.mark(way, healed)
		r.name = way
		list = append(list, r)
	}
	endPulse()
	wg.Wait()
	memory := map[string]int64{}
	for _, name := range gateways {
		if n, ok := largest(d.stack.procs[name].pid()); ok {
			memory[name] = n
		}
	}
	if failed := back(); err == nil {
		err = failed
	}
	if err != nil {
		return finding{}, err
	}
	return checkRushes(list, d.history.stood(), memory), nil
}

// withPlaces starts both gateways anew with so many places for reads, and as
// many for ends of consents. What it returns takes that back.
func (s *stack) withPlaces(n int) (back func() error, err error) {
	begin := func(args map[string][]string) error {
		for _, name := range gateways {
			p := s.procs[name]
			p.kill()
			p.args = args[name]
			if err := s.bring(name); err != nil {
				return err
			}
		}
		return nil
	}
	was, now := map[string][]string{}, map[string][]string{}
	for _, name := range gateways {
		was[name] = s.procs[name].args
		file := filepath.Join(s.dir, name+"-places.json")
		if err := copySettings(was[name][0], file, func(settings map[string]any) {
			settings["max_in_flight"], settings["instances"] = n, len(gateways)
		}); err != nil {
			return nil, err
		}
		now[name] = []string{file}
	}
	return func() error { return begin(was) }, begin(now)
}

// gathered are operations of several goroutines. Safe for concurrent use.
type gathered struct {
	driver *driver
	mu     sync.Mutex
	ops    []op
}

func (g *gathered) add(o op) op {
	g.driver.history.add(o)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ops = append(g.ops, o)
	return o
}

// callers has n callers read on each gateway until ctx ends, each as soon as it
// is answered and a pause is over. Who is refused comes again after a second, as
// Retry-After says.
func (d *driver) callers(ctx context.Context, n int, pause time.Duration, grants []*grant) []op {
	all := gathered{driver: d}
	var wg sync.WaitGroup
	for i := range n * len(gateways) {
		wg.Go(func() {
			for k := i; ctx.Err() == nil; k++ {
				o := all.add(d.read(context.WithoutCancel(ctx), gateways[i%2], grants[k%len(grants)], k%2 == 0))
				switch {
				case !o.good():
					_ = rest(ctx, time.Second)
				case pause > 0:
					_ = rest(ctx, pause)
				}
			}
		})
	}
	wg.Wait()
	return all.ops
}

// stopAll ends consents one after the other, in all quick ways and on both
// gateways, until ctx ends or none is left.
func (d *driver) stopAll(ctx context.Context, every time.Duration, grants []*grant) []op {
	all := gathered{driver: d}
	for i, g := range grants {
		all.add(d.revoke(context.WithoutCancel(ctx), g, fastWays[i%len(fastWays)], gateways[i%2]))
		if rest(ctx, every) != nil {
			break
		}
	}
	return all.ops
}

// thrice measures what is served when callers fit, then with three times as many,
// while consents are stopped, and then when they fit again: a machine that does
// other things as well does them at other times.
func (d *driver) thrice(ctx context.Context, hold time.Duration) (r rush, err error) {
	grants, err := d.stock(ctx, d.many(40), nil)
	if err != nil {
		return r, err
	}
	stops, err := d.stock(ctx, d.many(24), nil)
	if err != nil {
		return r, err
	}
	// Measured are the last two thirds: all callers are under way then.
	during := func(n int) (ops []op, rate float64, each time.Duration) {
		limited, end := context.WithCancel(ctx)
		defer end()
		done := make(chan []op)
		go func() { done <- d.callers(limited, n, 0, grants) }()
		_ = rest(ctx, hold/3)
		from := d.history.now()
		_, took, _ := processorTime()
		_ = rest(ctx, hold-hold/3)
		to := d.history.now()
		_, took2, _ := processorTime()
		end()
		ops = <-done
		served := 0
		for _, o := range ops {
			if o.good() && o.End > from && o.End <= to {
				served++
			}
		}
		return ops, float64(served) / (to - from).Seconds(), (took2 - took) / time.Duration(max(served, 1))
	}
	during(3 * fitting) // caches fill and connections open
	before, first, cheap := during(fitting)
	limited, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { r.stops = d.stopAll(limited, 100*time.Millisecond, stops) })
	r.reads, r.goodput, r.dear = during(3 * fitting)
	end()
	wg.Wait()
	after, second, again := during(fitting)
	r.fits, r.capacity, r.cheap = append(before, after...), (first+second)/2, (cheap+again)/2
	return r, ctx.Err()
}

// everyPlace has three times as many ask at once as there are places, while no
// record can be stored and so nobody is answered soon. When the first is
// refused, consents are stopped: what they need is free.
func (d *driver) everyPlace(ctx context.Context, _ time.Duration) (r rush, err error) {
	grants, err := d.stock(ctx, d.many(40), nil)
	if err != nil {
		return r, err
	}
	stops, err := d.stock(ctx, d.many(8), nil)
	if err != nil {
		return r, err
	}
	burst := func(full func()) []op {
		all := gathered{driver: d}
		var wg sync.WaitGroup
		for i := range 3 * places * len(gateways) {
			wg.Go(func() {
				if o := all.add(d.read(context.WithoutCancel(ctx), gateways[i%2], grants[i%len(grants)], true)); o.Why == noPlace {
					full()
				}
			})
		}
		wg.Wait()
		return all.ops
	}
	burst(func() {}) // caches fill and connections open
	conn, err := d.stack.postgres.connect(ctx)
	if err != nil {
		return r, err
	}
	defer conn.Close(ctx) //nolint:errcheck // that ends the transaction as well
	if _, err := conn.Exec(ctx, "BEGIN; LOCK TABLE access_record IN SHARE MODE"); err != nil {
		return r, err
	}
	begin := time.Now()
	full, once := make(chan struct{}), sync.Once{}
	all := gathered{driver: d}
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-full:
		case <-time.After(400 * time.Millisecond):
		}
		var each sync.WaitGroup
		for i, g := range stops {
			each.Go(func() { all.add(d.revoke(context.WithoutCancel(ctx), g, byConsentAPI, gateways[i%2])) })
		}
		each.Wait()
	})
	r.reads = burst(func() { once.Do(func() { close(full) }) })
	wg.Wait()
	r.stops, r.took = all.ops, time.Since(begin)
	_, err = conn.Exec(ctx, "COMMIT")
	return r, err
}

// greedy has one recipient ask twenty times what it may in a minute, as fast as
// it can, while others read in peace.
func (d *driver) greedy(ctx context.Context, hold time.Duration) (r rush, err error) {
	own := d.apps[len(d.apps)-1]
	if _, err := d.stack.headgate("recipient", "limit", own.id, strconv.Itoa(smallQuota)); err != nil {
		return r, err
	}
	// Fresh tokens: of others a cache may know the quota of before.
	mine, others := make([]pair, 4), slices.DeleteFunc(d.many(40), func(p pair) bool { return p.a == own })
	for i := range mine {
		mine[i] = pair{own, d.people[i%len(d.people)]}
	}
	grants, err := d.stock(ctx, mine, nil)
	if err != nil {
		return r, err
	}
	beside, err := d.stock(ctx, others, nil)
	if err != nil {
		return r, err
	}
	alone, end := context.WithTimeout(ctx, hold)
	r.alone = d.callers(alone, 4, 30*time.Millisecond, beside)
	end()
	limited, end := context.WithTimeout(ctx, 4*time.Minute)
	defer end()
	var wg sync.WaitGroup
	wg.Go(func() { r.beside = d.callers(limited, 4, 30*time.Millisecond, beside) })
	begin := time.Now()
	all := gathered{driver: d}
	var left atomic.Int64
	left.Store(20 * smallQuota)
	var each sync.WaitGroup
	for i := range 8 {
		each.Go(func() {
			for k := i; left.Add(-1) >= 0; k++ {
				all.add(d.read(context.WithoutCancel(ctx), gateways[i%2], grants[k%len(grants)], k%2 == 0))
			}
		})
	}
	each.Wait()
	r.reads, r.took = all.ops, time.Since(begin)
	_ = rest(ctx, hold-r.took)
	end()
	wg.Wait()
	_, err = d.stack.headgate("recipient", "limit", own.id, "0")
	return r, err
}

// dialers is how many open connections at a time, and nothing more.
const dialers = 16

// handshakes opens connections to both gateways as fast as they come about, and
// asks nothing over them, while others read over those that they have and
// consents are stopped.
func (d *driver) handshakes(ctx context.Context, hold time.Duration) (r rush, err error) {
	grants, err := d.stock(ctx, d.many(20), nil)
	if err != nil {
		return r, err
	}
	stops, err := d.stock(ctx, d.many(16), nil)
	if err != nil {
		return r, err
	}
	calm, end := context.WithTimeout(ctx, 300*time.Millisecond)
	d.callers(calm, 4, 0, grants) // connections open
	end()
	roots, err := d.stack.dev.TLS()
	if err != nil {
		return r, err
	}
	begin := time.Now()
	limited, end := context.WithTimeout(ctx, hold)
	defer end()
	var done, failed atomic.Int64
	var why atomic.Value
	var wg sync.WaitGroup
	for i := range dialers {
		wg.Go(func() {
			c := roots.Clone()
			c.ServerName = "localhost"
			dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: c}
			for limited.Err() == nil {
				conn, err := dialer.DialContext(limited, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.stack.ports[gateways[i%2]])))
				switch {
				case err == nil:
					_ = conn.Close()
					done.Add(1)
				case limited.Err() == nil:
					failed.Add(1)
					why.Store(err.Error())
					_ = rest(limited, 50*time.Millisecond)
				}
			}
		})
	}
	wg.Go(func() { r.stops = d.stopAll(limited, 150*time.Millisecond, stops) })
	r.beside = d.callers(limited, 4, 20*time.Millisecond, grants)
	wg.Wait()
	r.dialled, r.unshaken, r.took = done.Load(), failed.Load(), time.Since(begin)
	r.why, _ = why.Load().(string)
	return r, ctx.Err()
}

// inOrder reports whether a read was served; one that was not has to be refused
// in order.
func (f *finding) inOrder(where string, o op) bool {
	switch {
	case o.good():
	case (o.Status == http.StatusTooManyRequests || o.Status == http.StatusServiceUnavailable) && o.Retry && o.Shaped:
	default:
		f.bad("%s: a read was answered %d %s after %v", where, o.Status, o.Err, o.took())
	}
	if o.took() > graced {
		f.late("%s: an answer took %v", where, o.took())
	}
	return o.good()
}

// stopped checks that a consent came to its end.
func (f *finding) stopped(where string, o op) {
	if !o.good() && o.Status != http.StatusConflict {
		f.unserved(o, "%s: a stop on %s was answered %d %s", where, o.Instance, o.Status, o.Err)
	}
	if o.took() > inTime {
		f.late("%s: a stop took %v", where, o.took())
	}
}

// checkRushes is V4: as much is served as can be, what is beyond that is refused
// in order and without taking a place, who asks too often is refused alone, and
// consents end as ever. What was under way while the machine stood still is
// counted and not judged by itself. memory is what each gateway had at its
// largest.
func checkRushes(list []rush, stalls []span, memory map[string]int64) finding {
	f := finding{ID: "V4", What: underOverload}
	for _, r := range list {
		f.Trials += len(r.reads) + len(r.beside) + len(r.stops)
		served, full := 0, map[string]int{}
		for _, o := range r.reads {
			if o.good() {
				served++
			}
			if o.Why == noPlace {
				full[o.Instance]++
			}
		}
		for _, o := range fair(append(slices.Clone(r.reads), r.fits...), stalls) {
			f.inOrder(r.name, o)
		}
		for _, o := range fair(r.beside, stalls) {
			if !o.good() {
				f.unserved(o, "%s: a read of %s, who asks no more than it may, was answered %d %s", r.name, o.Recipient, o.Status, o.Err)
			}
			if o.took() > graced {
				f.late("%s: a read of %s took %v", r.name, o.Recipient, o.took())
			}
		}
		for _, o := range r.stops {
			f.stopped(r.name, o)
		}
		if len(r.stops) == 0 && r.name != greedy {
			f.short("%s: nothing was stopped meanwhile", r.name)
		}
		switch r.name {
		case thrice:
			f.compare(r, served, full[gatewayA]+full[gatewayB])
		case placesHeld:
			for _, instance := range gateways {
				asked := countOn(r.reads, instance)
				if taken := asked - full[instance]; taken > 2*places {
					f.late("%s: %s took on %d of %d reads at a time and has %d places", r.name, instance, taken, asked, places)
				}
			}
			f.note("%s: %d of %d reads were refused for it; %d stops meanwhile", r.name, full[gatewayA]+full[gatewayB], len(r.reads), len(r.stops))
		case greedy:
			f.quota(r, served, stalls)
		case handshakes:
			f.Trials += int(r.dialled)
			f.note("%s: %d in %v, %d failed (%s); meanwhile %d reads and %d stops", r.name, r.dialled, r.took.Round(100*time.Millisecond), r.unshaken, r.why, len(r.beside), len(r.stops))
			if r.dialled == 0 || len(r.beside) == 0 {
				f.short("%s: there was none, or nobody read", r.name)
			}
		}
	}
	for _, name := range gateways {
		n, ok := memory[name]
		if !ok {
			continue
		}
		f.note("%s: %d MiB at its largest", name, n>>20)
		if n > mostMemory {
			f.bad("%s had %d MiB at its largest", name, n>>20)
		}
	}
	return f
}

// underOverload is V4 in words.
const underOverload = "under overload what can be served is served, the rest is refused in order, and stops go on"

func countOn(ops []op, instance string) (n int) {
	for _, o := range ops {
		if o.Instance == instance {
			n++
		}
	}
	return n
}

// compare sets what is served under overload against what can be.
func (f *finding) compare(r rush, served, full int) {
	if r.capacity == 0 {
		f.short("%s: nothing was served when they fitted", r.name)
		return
	}
	f.note("%s: %.0f reads/s with %d callers, %.0f/s with %d (%.0f %%), each for %v of a processor, and %v; %d refused, %d of them for want of a place; %d stops meanwhile",
		r.name, r.capacity, 2*fitting, r.goodput, 6*fitting, 100*r.goodput/r.capacity, r.cheap.Round(10*time.Microsecond), r.dear.Round(10*time.Microsecond),
		len(r.reads)-served, full, len(r.stops))
	if r.goodput < leastGoodput*r.capacity {
		f.late("%s: %.0f reads/s were served, of %.0f that can be", r.name, r.goodput, r.capacity)
	}
}

// quota checks that a recipient gets what its quota has, and is told of it.
func (f *finding) quota(r rush, served int, stalls []span) {
	for _, o := range fair(r.reads, stalls) {
		if o.Status != http.StatusTooManyRequests && !o.good() {
			f.unserved(o, "%s: it was answered %d %s", r.name, o.Status, o.Err)
		} else if !o.Told {
			f.bad("%s: an answer %d did not say where it stands (RateLimit)", r.name, o.Status)
		}
	}
	// The whole quota at once and its drops since; and once more, because each
	// gateway counts for itself, up to its part, what Redis does not count.
	most := 2*(smallQuota+int(smallQuota*r.took.Minutes())) + 2
	before, beside := tookEach(fair(r.alone, stalls)), tookEach(fair(meanwhile(r.beside, r.reads), stalls))
	base, now := quantile(before, 0.5), quantile(beside, 0.5)
	f.note("%s: %d of %d reads were served and %d were not; the others had %d, meanwhile with a median of %v and p99 of %v, before %v and %v",
		r.name, served, len(r.reads), len(r.reads)-served, len(r.beside), now, quantile(beside, 0.99), base, quantile(before, 0.99))
	if len(before) >= 20 && len(beside) >= 20 && now > base*6/5+30*time.Millisecond {
		f.late("%s: the others' median was %v, %v before", r.name, now, base)
	}
	if served > most {
		f.bad("%s: %d reads were served in %v, with a quota of %d a minute", r.name, served, r.took.Round(time.Millisecond), smallQuota)
	}
	if served == 0 || len(r.beside) == 0 {
		f.short("%s: it was given nothing at all, or nobody else asked", r.name)
	}
}

// meanwhile are the operations that began while others were under way.
func meanwhile(ops, others []op) (list []op) {
	if len(others) == 0 {
		return nil
	}
	begin, end := others[0].Start, others[0].End
	for _, o := range others {
		begin, end = min(begin, o.Start), max(end, o.End)
	}
	for _, o := range ops {
		if o.Start >= begin && o.Start <= end {
			list = append(list, o)
		}
	}
	return list
}

func tookEach(ops []op) []time.Duration {
	took := make([]time.Duration, len(ops))
	for i, o := range ops {
		took[i] = o.took()
	}
	return took
}
