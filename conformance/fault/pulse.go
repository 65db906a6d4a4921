package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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
	wg.Go(func() { d.crowded(ctx) })
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

// stood are the times in which the machine itself stood still.
func (h *history) stood() []span {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.stalls)
}

// fair leaves out what was under way while the machine stood still, but for
// what was given: slowness and refusals of such a time prove nothing, data
// that should not have been given does. Stops stay: what comes after one is
// explained by it.
func fair(ops []op, stalls []span) []op {
	return slices.DeleteFunc(slices.Clone(ops), func(o op) bool {
		return o.Kind != opRevoke && !(o.Yes && o.took() < time.Second) && within(o, stalls, time.Second)
	})
}

// crowded notes how much of the machine others take, until ctx ends.
func (d *driver) crowded(ctx context.Context) {
	busy, ours, ok := processorTime()
	for begin := d.history.now(); ok && rest(ctx, time.Second) == nil; {
		var nowBusy, nowOurs time.Duration
		if nowBusy, nowOurs, ok = processorTime(); !ok {
			return
		}
		end := d.history.now()
		// What a process took that nobody has waited for yet comes late.
		others := max((nowBusy-busy)-max(nowOurs-ours, 0), 0)
		d.history.mu.Lock()
		d.history.watched += end - begin
		if others > time.Duration(mostOthers*float64(runtime.NumCPU())*float64(end-begin)) {
			d.history.shared += end - begin
		}
		d.history.mu.Unlock()
		busy, ours, begin = nowBusy, nowOurs, end
	}
}

// mostStood is which part of the time the machine may have stood still for its
// bounds of time to be judged at all; mostOthers is what others may take of its
// processors, and mostShared in which part of the time they may take more.
const (
	mostStood  = 0.02
	mostOthers = 0.15
	mostShared = 0.1
)

// judge decides about what was late: on a machine that stood still too much of
// the time, or that others used, nothing is proven by it.
func (d *driver) judge(f finding) finding {
	d.history.mu.Lock()
	defer d.history.mu.Unlock()
	stood := time.Duration(0)
	for _, s := range d.history.stalls {
		stood += s.end - s.begin
	}
	share := float64(stood) / float64(max(d.history.now(), 1))
	others := float64(d.history.shared) / float64(max(d.history.watched, 1))
	if len(f.Late) > 0 {
		f.note("the machine stood still %.1f %% of the time; others used it in %.0f %%", 100*share, 100*others)
	}
	if f.Trials == 0 && f.NotRun == "" && stood > 0 {
		f.short("nothing was left to look at but for what the machine stood still")
	}
	return f.settle(share > mostStood || others > mostShared)
}
