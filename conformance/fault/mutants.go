package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// mutant is a product that is broken on purpose, and what has to happen for a
// check to notice. The faults that are switched on are those of package
// broken.
type mutant struct {
	on     string // faults of package broken, with commas
	pause  string // of HEADGATE_PAUSE
	happen string // regular expression: which faults of the plan
	hold   time.Duration
	then   string   // drain, restore or nothing: what comes after
	caught []string // checks, each of which must notice
}

// theMutants are what the checks are tried on.
var theMutants = []mutant{
	{on: "gate-not-asked", happen: "^redis black hole for who stops$", hold: 9 * time.Second, caught: []string{"R1"}},
	{on: "gate-not-asked,cache-not-told", caught: []string{"R1"}}, // cache-aside
	{on: "cache-not-told", caught: []string{"R1"}},
	{on: "cache-no-generation", pause: "cache-no-generation=150ms", happen: "^redis emptied", hold: 8 * time.Second, caught: []string{"R1"}},
	{on: "answer-before-commit", pause: "answer-before-commit=40ms", caught: []string{"R1"}},
	{on: "stop-does-not-wait", happen: "^redis black hole for gateway-", hold: 5 * time.Second, caught: []string{"R1"}},
	{on: "record-later", pause: "record-later=100ms", happen: "^gateway-a killed$|^postgres black hole for all$", caught: []string{"A1", "V2"}},
	{on: "commit-not-awaited", happen: "^postgres killed$", caught: []string{"A1"}},
	{on: "retry-under-new-id", happen: "^postgres connections ended$|^postgres refuses", caught: []string{"A1"}},
	{on: "serves-unrecorded", happen: "^postgres black hole for gateway-a$", caught: []string{"A1", "V2"}},
	{on: "ready-asks-redis", happen: "^redis killed$", caught: []string{"H1"}},
	{on: "redis-default-options", happen: "^redis frozen$", caught: []string{"V1"}},
	{on: "redis-required", happen: "^redis killed$", caught: []string{"V1"}},
	{on: "told-once", happen: "^callbacks refused$", hold: 5 * time.Second, caught: []string{"R3"}},
	{on: "proof-in-redis-only", hold: 6 * time.Second, caught: []string{"I1"}},
	{on: "code-not-compared", hold: 6 * time.Second, caught: []string{"I1"}},
	{on: "no-lame-duck", then: "drain", caught: []string{"D1"}},
	{on: "restored-unseen", then: "restore", caught: []string{"B1"}}, // the last: the data is another afterwards
}

// mutants exercises one broken product after the other on the same data. A
// finding is one mutant: it is bad when a check that must notice has not. The
// first one is not broken and must not be noticed.
func (d *driver) mutants(ctx context.Context, c config, say func(string, ...any)) ([]finding, error) {
	var list []finding
	for _, m := range append([]mutant{{happen: "^redis killed$|^gateway-a killed$"}}, theMutants...) {
		if !c.only.MatchString(m.on) {
			continue
		}
		f := finding{ID: m.on, What: "noticed by " + strings.Join(m.caught, " and "), Trials: 1}
		if m.on == "" {
			f.ID, f.What = "-", "nothing is broken, nothing is noticed"
		}
		say("%s", f.ID)
		found, err := d.broken(ctx, c, m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.ID, err)
		}
		var noticed []string
		for _, one := range found {
			if len(one.Bad) > 0 {
				noticed = append(noticed, one.ID)
				f.note("%s (%d of %d): %s", one.ID, len(one.Bad), one.Trials, one.Bad[0])
			}
		}
		for _, id := range m.caught {
			if !slices.Contains(noticed, id) {
				f.bad("%s has not noticed", id)
			}
		}
		if m.on == "" && len(noticed) > 0 {
			f.bad("%s: the product is not broken", strings.Join(noticed, ", "))
		}
		list = append(list, f)
	}
	return list, nil
}

// broken runs one of them and returns what was found.
func (d *driver) broken(ctx context.Context, c config, m mutant) ([]finding, error) {
	s := d.stack
	if err := s.again("HEADGATE_BROKEN="+m.on, "HEADGATE_PAUSE="+m.pause); err != nil {
		return nil, err
	}
	d.forget()
	var plan []fault
	if m.happen != "" {
		these := c
		these.only, these.rounds = regexp.MustCompile(m.happen), 1
		plan = order(s.faults(), these)
	}
	// Consents to be stopped are few.
	c.calm = m.on != "" && !slices.Contains(m.caught, "R1") && !slices.Contains(m.caught, "R3")
	c.hold, c.gap = max(c.hold, m.hold), 2*time.Second
	quiet := 2500 * time.Millisecond
	if plan == nil {
		quiet = max(quiet, m.hold)
	}
	if err := d.exercise(ctx, c, plan, quiet, func(string, ...any) {}); err != nil {
		return nil, err
	}
	list, err := d.check(ctx, plan, 15*time.Second)
	if err != nil || m.then == "" {
		return list, err
	}
	var more finding
	if m.then == "drain" {
		more, err = d.drain(ctx, "D1", c.restarts, c.requests)
	} else {
		more, err = d.restore(ctx, c.stops)
	}
	return append(list, more), err
}

// again starts the product's processes anew with another environment.
func (s *stack) again(env ...string) error {
	for _, name := range []string{gatewayA, gatewayB, authzd} {
		s.procs[name].signal(syscall.SIGCONT)
		s.procs[name].kill()
		s.procs[name].env = env
	}
	for _, name := range []string{authzd, gatewayA, gatewayB} {
		if err := s.bring(name); err != nil {
			return err
		}
	}
	return nil
}
