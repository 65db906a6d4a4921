package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// What ends, as X1 tells it.
const (
	endsToken   = "access token"
	endsConsent = "consent"
)

// around is how long before and after its end a thing is used.
const around = 350 * time.Millisecond

// probe is one use of something near its end.
type probe struct {
	op   op
	what string
	ends time.Duration // by the clock of the history
	dpop bool          // with a proof, whose age the clock of the gateway judges
}

// expire uses access tokens and consents on both gateways and at the
// introspection until shortly after they end, n of each: X1. Half of them have
// been read before, so that a cache knows them. What is left of a second's
// fraction is nothing: ends are whole seconds.
func (d *driver) expire(ctx context.Context, n int) (finding, error) {
	list, err := d.useUntilTheEnd(ctx, n)
	return checkExpire(list), err
}

func (d *driver) useUntilTheEnd(ctx context.Context, n int) ([]probe, error) {
	// The clock of PostgreSQL decides. It is that of this machine, as is ours:
	// a history adds a monotonic time to a beginning.
	at := time.Now().Add(3 * time.Second)
	ends := make([]time.Time, 2*n)
	all, err := d.stock(ctx, d.many(2*n), func(i int, o *bulk) {
		ends[i] = at.Add(time.Duration(i%5) * time.Second).Truncate(time.Second)
		if i%2 == 0 {
			o.TokenEnds = ends[i]
		} else {
			o.Ends = &ends[i]
		}
	})
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var list []probe
	var wg sync.WaitGroup
	for i, g := range all {
		end := ends[i].Sub(d.history.began)
		what := endsToken
		if i%2 == 1 {
			what = endsConsent
		}
		wg.Go(func() {
			if i%4 < 2 {
				d.history.add(d.read(ctx, gateways[i/4%2], g, true))
			}
			if rest(ctx, time.Until(ends[i].Add(-around))) != nil {
				return
			}
			for k := i; d.history.now() < end+around; k++ {
				var o op
				if k%4 == 3 {
					o = d.introspect(ctx, g)
				} else {
					o = d.read(ctx, gateways[k%2], g, true)
				}
				d.history.add(o)
				mu.Lock()
				list = append(list, probe{o, what, end, g.token.TokenType == "DPoP"})
				mu.Unlock()
				time.Sleep(time.Duration(rand.IntN(15)) * time.Millisecond)
			}
		})
	}
	wg.Wait()
	return list, nil
}

// whateverTheClock is C1 in words.
const whateverTheClock = "whatever the clock of a gateway says, tokens and consents are good until their end and not from then on"

// skew is by how much the clocks of the gateways are off for C1, one ahead and
// one behind.
const skew = 5 * time.Minute

// clocks has both gateways live in another time, uses what ends, and stops
// consents: C1. Each of them has to say so, once. Only programs with the faults of package broken can be told.
func (d *driver) clocks(ctx context.Context, on string, n int) (finding, error) {
	told := map[string]int{} // lines before
	for name, by := range map[string]time.Duration{gatewayA: skew, gatewayB: -skew} {
		p := d.stack.procs[name]
		p.kill()
		var err error
		if told[name], err = d.stack.logged(name, clockLine); err != nil {
			return finding{}, err
		}
		p.env = []string{"HEADGATE_BROKEN=" + on, "HEADGATE_PAUSE=clock-skewed=" + by.String()}
		if err := d.stack.bring(name); err != nil {
			return finding{}, err
		}
	}
	d.forget()
	list, err := d.useUntilTheEnd(ctx, n)
	if err != nil {
		return finding{}, err
	}
	for i := range n {
		if g := d.take(); g != nil {
			d.race(ctx, g, i, pace{after: 2, pause: 20 * time.Millisecond, ways: fastWays})
		}
	}
	ops, _ := d.history.all()
	f := checkClocks(list, checkRevoke(ops, nil))
	for name, before := range told {
		f.Trials++
		if n, err := d.stack.logged(name, clockLine); err != nil {
			return f, err
		} else if n-before != 1 {
			f.bad("%s has said %d times that its clock is not that of the database, not once", name, n-before)
		}
	}
	return f, nil
}

// clockLine is how a process says that its clock is not that of the database.
const clockLine = `"msg":"clock"`

// checkClocks is C1: by whatever clock a gateway lives, tokens and consents are
// good until their end and not from then on, and nothing is given of a consent
// that was stopped. Its own clock decides about the age of proofs alone, so that
// what is refused with one before an end says nothing.
func checkClocks(list []probe, stops finding) finding {
	f := stops
	f.ID, f.What = "C1", whateverTheClock
	proofs, given := 0, 0
	for _, p := range list {
		if p.op.Kind != opRead || p.op.Status == 0 || p.op.Status >= 500 {
			continue
		}
		after := p.op.Start >= p.ends
		switch {
		case !after && p.op.End < p.ends && p.op.Yes:
			f.Trials++
			given++
		case !after && p.op.End < p.ends && p.dpop:
			proofs++
		case !after && p.op.End < p.ends:
			f.bad("%s: a read on %s was over %v before its end and was answered %d", p.what, p.op.Instance, p.ends-p.op.End, p.op.Status)
		case after:
			f.Trials++
			if p.op.Yes {
				f.bad("%s: a read on %s began %v after its end and was given", p.what, p.op.Instance, p.op.Start-p.ends)
			}
		}
	}
	f.note("off by %v: before the end %d reads given, and %d with a proof refused", skew, given, proofs)
	if given == 0 {
		f.short("nothing was given before an end: its refusal afterwards says nothing")
	}
	return f
}

// checkExpire is X1: what begins at the end or later is refused, what is over
// before the end is not.
func checkExpire(list []probe) finding {
	f := finding{ID: "X1", What: "accepted until the end and not from then on"}
	per := map[string]int{}
	var last, first []time.Duration // before the end and given, after it and refused
	for _, p := range list {
		asks := p.op.Kind == opRead || p.op.Kind == opIntrospect
		switch {
		case !asks, p.op.Status == 0, p.op.Status >= 500: // somebody else's promise
			continue
		case p.op.Start >= p.ends:
			f.Trials++
			per[p.what]++
			first = append(first, p.op.Start-p.ends)
			if p.op.Yes {
				f.bad("%s: %s on %s began %v after the end and was given", p.what, p.op.Kind, p.op.Instance, p.op.Start-p.ends)
			}
		case p.op.End < p.ends:
			f.Trials++
			per[p.what]++
			last = append(last, p.ends-p.op.End)
			if !p.op.Yes {
				f.bad("%s: %s on %s was over %v before the end and was answered %d", p.what, p.op.Kind, p.op.Instance, p.ends-p.op.End, p.op.Status)
			}
		}
	}
	if len(first) == 0 || len(last) == 0 {
		f.short("nothing was asked on one side of an end")
		return f
	}
	f.note("%d uses of access tokens, %d of consents; the closest: %v before an end, %v after one", per[endsToken], per[endsConsent],
		slices.Min(last).Round(10*time.Microsecond), slices.Min(first).Round(10*time.Microsecond))
	return f
}
