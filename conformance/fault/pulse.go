package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// How late a timer and how slow a small write to disk may be before the machine
// counts as stalled: whatever is slow then, is slow for reasons of its own.
const (
	lateTimer = 100 * time.Millisecond
	slowDisk  = 250 * time.Millisecond
)

// pulse notes when the machine itself stands still, until ctx ends.
func (d *driver) pulse(ctx context.Context) error {
	f, err := os.Create(filepath.Join(d.stack.dir, "pulse"))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // its content is of no use
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for ctx.Err() == nil {
			begin := d.history.now()
			time.Sleep(10 * time.Millisecond)
			if end := d.history.now(); end-begin > 10*time.Millisecond+lateTimer {
				d.history.stall(span{"", begin, end})
			}
		}
	})
	for ctx.Err() == nil {
		begin := d.history.now()
		if _, err := fmt.Fprintln(f, begin); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if end := d.history.now(); end-begin > slowDisk {
			d.history.stall(span{"", begin, end})
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// stall notes a time in which the machine stood still.
func (h *history) stall(s span) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stalls = append(h.stalls, s)
}

// fair leaves out what was under way while the machine stood still, but for
// what was given: slowness and refusals of such a time prove nothing, data
// that should not have been given does.
func fair(ops []op, stalls []span) []op {
	return slices.DeleteFunc(slices.Clone(ops), func(o op) bool {
		return !(o.Yes && o.took() < time.Second) && within(o, stalls, time.Second)
	})
}

// mostStood is which part of the time the machine may have stood still for its
// bounds of time to be judged at all.
const mostStood = 0.02

// judge decides about what was late: on a machine that stood still too much of
// the time nothing is proven by it.
func (d *driver) judge(f finding) finding {
	d.history.mu.Lock()
	defer d.history.mu.Unlock()
	stood := time.Duration(0)
	for _, s := range d.history.stalls {
		stood += s.end - s.begin
	}
	share := float64(stood) / float64(max(d.history.now(), 1))
	if len(f.Late) > 0 {
		f.note("the machine stood still %.1f %% of the time", 100*share)
	}
	return f.settle(share > mostStood)
}
