package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// busiest is the recipient that holds most of the consents under load.
func (d *driver) busiest() *app {
	held := map[*app]int{}
	var most *app
	for _, g := range d.steady {
		held[g.app]++
		if most == nil || held[g.app] > held[most] {
			most = g.app
		}
	}
	return most
}

// suspend suspends a recipient and sees that all of its consents under load end
// with the call: R2. They are taken from those that others read.
func (d *driver) suspend(ctx context.Context, who *app) (finding, error) {
	f := finding{ID: "R2", What: "suspending a recipient is one change, and nothing of it is read afterwards"}
	var held, left []*grant
	for _, g := range d.steady {
		if g.app == who {
			held = append(held, g)
		} else {
			left = append(left, g)
		}
	}
	for _, g := range held {
		d.history.add(d.read(ctx, gatewayB, g, true)) // the caches know it
		d.history.add(d.introspect(ctx, g))
	}
	begin := time.Now()
	if _, err := d.stack.headgate("recipient", "suspend", who.id); err != nil {
		return f, err
	}
	took := time.Since(begin)
	d.suspended = who
	for _, g := range held {
		// What a cache may know lives shortest there.
		for _, o := range []op{d.introspect(ctx, g), d.read(ctx, gatewayA, g, true), d.read(ctx, gatewayB, g, false), d.refresh(ctx, g)} {
			d.history.add(o)
			f.Trials++
			if o.Yes {
				f.bad("%s of consent %s on %s was given after the suspension", o.Kind, g.id, o.Instance)
			}
		}
	}
	f.note("%d consents; the command took %v, start of the program included", len(held), took.Round(time.Millisecond))
	if took > time.Second {
		f.late("the command took %v", took.Round(time.Millisecond))
	}
	d.steady = left
	d.spare = slices.DeleteFunc(d.spare, func(g *grant) bool { return g.app == who })
	return f, nil
}

// suspendForNow suspends the busiest recipient, as suspend does, and brings it
// back.
func (d *driver) suspendForNow(ctx context.Context) (finding, error) {
	who, steady, spare := d.busiest(), slices.Clone(d.steady), slices.Clone(d.spare)
	f, err := d.suspend(ctx, who)
	if err != nil {
		return f, err
	}
	d.steady, d.spare, d.suspended = steady, spare, nil
	_, err = d.stack.headgate("recipient", "approve", who.id, "--yes")
	return f, err
}

// verify has the operator's tool compute the tree of access records anew,
// after all that was done to those who store them: A2.
func (d *driver) verify() finding {
	f := finding{ID: "A2", What: "the records lead to every signed checkpoint, and none is missing in a lane", Trials: 1}
	out, err := d.stack.headgate("audit", "verify", "--key", filepath.Join(d.stack.home, "keys", "audit-key.pub"))
	if err != nil {
		f.bad("headgate audit verify: %v: %s", err, out)
		return f
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	f.note("%s", lines[len(lines)-1])
	return f
}
