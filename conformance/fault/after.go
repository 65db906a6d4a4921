package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// suspend suspends the recipient that holds most of the consents under load,
// for good, and sees that all of them end with the call: R2. Its consents are
// taken from those that others read.
func (d *driver) suspend(ctx context.Context) (finding, error) {
	f := finding{ID: "R2", What: "suspending a recipient is one change, and nothing of it is read afterwards"}
	held := map[*app][]*grant{}
	var most *app
	for _, g := range d.steady {
		held[g.app] = append(held[g.app], g)
		if most == nil || len(held[g.app]) > len(held[most]) {
			most = g.app
		}
	}
	for _, g := range held[most] {
		d.history.add(d.read(ctx, gatewayB, g, true)) // the caches know it
		d.history.add(d.introspect(ctx, g))
	}
	begin := time.Now()
	if _, err := d.stack.headgate("recipient", "suspend", most.id); err != nil {
		return f, err
	}
	took := time.Since(begin)
	for _, g := range held[most] {
		for _, o := range []op{d.read(ctx, gatewayA, g, true), d.read(ctx, gatewayB, g, false), d.introspect(ctx, g), d.refresh(ctx, g)} {
			d.history.add(o)
			f.Trials++
			if o.Yes {
				f.bad("%s of consent %s on %s was given after the suspension", o.Kind, g.id, o.Instance)
			}
		}
	}
	f.note("%d consents; the command took %v, start of the program included", len(held[most]), took.Round(time.Millisecond))
	var left []*grant
	for _, g := range d.steady {
		if g.app != most {
			left = append(left, g)
		}
	}
	d.steady = left
	d.spare = slices.DeleteFunc(d.spare, func(g *grant) bool { return g.app == most })
	return f, nil
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
