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
