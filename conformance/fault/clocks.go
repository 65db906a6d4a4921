package main

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"
)

// whateverTheClock is C1 in words.
const whateverTheClock = "whatever the clock of a gateway says, tokens and consents are good until their end and not from then on, and a proof once"

// skew is by how much the clocks of the gateways are off for C1, one ahead and
// one behind.
const skew = 5 * time.Minute

// clockOf is the file that says by how much the clock of a gateway is off.
func (s *stack) clockOf(gateway string) string { return filepath.Join(s.dir, gateway+".clock") }

// turn has the clock of a gateway be off by so much from now on.
func (s *stack) turn(gateway string, by time.Duration) error {
	return putFile(s.clockOf(gateway), []byte(by.String()))
}

// clocks has both gateways live in another time, uses what ends, and stops
// consents, then has their clocks step back and forth and does it again: C1.
// Each of them has to say so, once while its clock does not step. Only programs
// with the faults of package broken can be told.
func (d *driver) clocks(ctx context.Context, on string, n int) (finding, error) {
	s := d.stack
	told := map[string]int{} // lines before
	for name, by := range map[string]time.Duration{gatewayA: skew, gatewayB: -skew} {
		p := s.procs[name]
		p.kill()
		var err error
		if told[name], err = s.logged(name, clockLine); err != nil {
			return finding{}, err
		}
		if err := s.turn(name, by); err != nil {
			return finding{}, err
		}
		p.env = []string{"HEADGATE_BROKEN=" + on, "HEADGATE_PAUSE=clock-skewed=@" + s.clockOf(name)}
		if err := s.bring(name); err != nil {
			return finding{}, err
		}
	}
	d.forget()
	list, err := d.useUntilTheEnd(ctx, n)
	if err != nil {
		return finding{}, err
	}
	stop := func() {
		for i := range n {
			if g := d.take(); g != nil {
				d.race(ctx, g, i, pace{after: 2, pause: 20 * time.Millisecond, ways: fastWays})
			}
		}
	}
	stop()
	f := finding{ID: "C1", What: whateverTheClock}
	for name, before := range told {
		f.Trials++
		if n, err := s.logged(name, clockLine); err != nil {
			return f, err
		} else if n-before != 1 {
			f.bad("%s has said %d times that its clock is not that of the database, not once", name, n-before)
		}
	}
	proofs, err := d.proofsAcross(ctx, n)
	if err != nil {
		return f, err
	}
	steps, err := d.stepping(ctx, func() (err error) {
		var more []probe
		more, err = d.useUntilTheEnd(ctx, n)
		list = append(list, more...)
		stop()
		return err
	})
	if err != nil {
		return f, err
	}
	ops, _ := d.history.all()
	stops := checkRevoke(ops, nil)
	stops.ID = f.ID
	f = together([]finding{f, checkClocks(list), stops, proofs})[0]
	f.note("%d steps of their clocks by up to %v, in both directions, meanwhile", steps, 2*skew)
	return f, nil
}

// stepping has the clocks of both gateways step back and forth while something is
// done, and counts the steps.
func (d *driver) stepping(ctx context.Context, during func() error) (steps int, err error) {
	stepped, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		for failed == nil && rest(stepped, 70*time.Millisecond) == nil {
			by := []time.Duration{-time.Minute, 0, time.Minute, -skew, skew}[rand.IntN(5)]
			failed = d.stack.turn(gateways[steps%2], by)
			steps++
		}
	})
	err = during()
	end()
	wg.Wait()
	if err == nil {
		err = failed
	}
	return steps, err
}

// proofWindow is by how much the clock of a gateway is off, and whether it may
// take a proof that has just been made (FAPI 2.0 Security Profile section
// 5.3.2.1: from 10 seconds behind whoever made it, not from over 60).
var proofWindow = map[time.Duration]bool{
	0: true, -8 * time.Second: true, -61 * time.Second: false, 60 * time.Second: true, 125 * time.Second: false,
}

// proofsAcross uses DPoP proofs around steps of the clocks: each is taken where
// it may be, and no proof is taken a second time wherever the clocks have
// stepped, with what Redis knows and without it: C1.
func (d *driver) proofsAcross(ctx context.Context, n int) (finding, error) {
	f := finding{ID: "C1"}
	both := func(by time.Duration) error {
		for _, name := range gateways {
			if err := d.stack.turn(name, by); err != nil {
				return err
			}
		}
		return nil
	}
	replays := 0
	for i := range n {
		for first, yes := range proofWindow {
			if err := both(first); err != nil {
				return f, err
			}
			use, err := d.oneProof()
			if err != nil {
				return f, err
			}
			o := use(ctx, gateways[i%2])
			f.Trials++
			if o.Yes != yes || o.Status == 0 || o.Status >= 500 {
				f.bad("a proof that has just been made is answered %d %s where the clock is off by %v", o.Status, o.Err, first)
			}
			if !yes {
				continue
			}
			for then := range proofWindow {
				if err := both(then); err != nil {
					return f, err
				}
				if rand.IntN(4) == 0 {
					_ = d.stack.redis.do("FLUSHALL")
				}
				for _, name := range gateways {
					o := use(ctx, name)
					f.Trials++
					replays++
					if o.Yes || o.Status == 0 || o.Status >= 500 {
						f.bad("a proof that was taken before is answered %d %s after a step of the clock from %v to %v", o.Status, o.Err, first, then)
					}
				}
			}
		}
	}
	f.note("%d proofs used again after a step of a clock", replays)
	return f, nil
}

// clockLine is how a process says that its clock is not that of the database.
const clockLine = `"msg":"clock"`

// checkClocks is C1: by whatever clock a gateway lives, tokens and consents are
// good until their end and not from then on. Its own clock decides about the age
// of proofs alone, so that what is refused with one before an end says nothing.
func checkClocks(list []probe) finding {
	f := finding{ID: "C1", What: whateverTheClock}
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
