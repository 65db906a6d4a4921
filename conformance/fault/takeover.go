package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
)

// The ways in which another server takes the place of one that knows more, or
// that goes on beside it.
const (
	redisLags  = "a copy of Redis that lags takes over"
	redisTwice = "a copy of Redis takes over, and gateway-a and authzd-b keep the old one"
	standbyOwn = "a standby of PostgreSQL takes over, and gateway-a and authzd-b keep the old primary"
)

var takeovers = []string{redisLags, redisTwice, standbyOwn}

// taken is how many consents are stopped around each takeover.
const taken = 6

// takeover stops consents around takeovers and asks for them afterwards, on
// every instance, those as well that are still with the old server: R1, with A1
// beside it. Redis is given as one that may be taken over. It comes late: the
// stack's servers are others afterwards.
func (d *driver) takeover(ctx context.Context, ways []string) ([]finding, error) {
	s := d.stack
	begin := func(failover bool) error {
		s.failover = failover
		return errors.Join(s.addresses(), s.again(s.env...))
	}
	if err := errors.Join(begin(true), s.bring(authzdB)); err != nil {
		return nil, err
	}
	defer s.procs[authzdB].kill() // the last that happens to it
	all := &gathered{driver: d}
	var list []finding
	if _, err := os.Stat(s.postgres.tool("pg_basebackup")); err != nil && slices.Contains(ways, standbyOwn) {
		ways = slices.DeleteFunc(slices.Clone(ways), func(way string) bool { return way == standbyOwn })
		list = append(list, finding{ID: "R1", What: standbyOwn, NotRun: "pg_basebackup is not installed"})
	}
	for _, way := range ways {
		var err error
		switch way {
		case redisLags:
			err = d.redisGoes(ctx, all, false)
		case redisTwice:
			err = d.redisGoes(ctx, all, true)
		case standbyOwn:
			err = d.primaryGoes(ctx, all)
		default:
			err = fmt.Errorf("there is no takeover %q", way)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", way, err)
		}
	}
	stored, err := readRows(ctx, s.postgres, d.history)
	if err != nil {
		return nil, err
	}
	about := map[string]bool{}
	for _, o := range all.ops {
		about[o.Consent] = true
	}
	r1 := checkRevoke(all.ops, nil)
	a1 := checkAudit(all.ops, slices.DeleteFunc(stored.Records, func(r record) bool { return !about[r.Grant] }))
	if want := len(ways) * taken; r1.Trials < want {
		r1.short("%d stops, not %d", r1.Trials, want)
	}
	for _, f := range []*finding{&r1, &a1} {
		f.What += ", around takeovers"
	}
	return append(list, r1, a1), begin(false)
}

// each does something with every one of the consents, all at once.
func each(grants []*grant, do func(i int, g *grant)) {
	var wg sync.WaitGroup
	for i, g := range grants {
		wg.Go(func() { do(i, g) })
	}
	wg.Wait()
}

// use asks for everything that a consent gives, on every instance. It is what
// fills caches before a stop, and what finds a stop that is not final after it.
func (d *driver) use(ctx context.Context, all *gathered, grants []*grant) {
	each(grants, func(_ int, g *grant) {
		all.add(d.introspectAt(ctx, g, authzd))
		all.add(d.introspectAt(ctx, g, authzdB))
		for _, instance := range gateways {
			all.add(d.read(ctx, instance, g, true))
		}
	})
}

// stopEach stops them, by way of the authorization server or of gateway-b, and
// asks again until each is answered: an instance that has lost its connections
// makes new ones.
func (d *driver) stopEach(ctx context.Context, all *gathered, grants []*grant) error {
	faults := make([]error, len(grants))
	each(grants, func(i int, g *grant) {
		faults[i] = await("a stop", patience, func() bool {
			return all.add(d.revoke(ctx, g, fastWays[i%len(fastWays)], gatewayB)).good()
		})
	})
	return errors.Join(faults...)
}

// after asks for what was stopped, and for new tokens.
func (d *driver) after(ctx context.Context, all *gathered, grants []*grant) {
	d.use(ctx, all, grants)
	each(grants, func(_ int, g *grant) { all.add(d.refresh(ctx, g)) })
}

// redisGoes has a copy take the place of Redis that has not heard of the stops
// before. With both, gateway-a and a second authorization server keep the old
// one, and consents are stopped then as well, of which the old one never hears.
func (d *driver) redisGoes(ctx context.Context, all *gathered, both bool) error {
	s := d.stack
	before, err := d.stock(ctx, d.many(taken), nil)
	if err != nil {
		return err
	}
	during, err := d.stock(ctx, d.many(taken), nil)
	if err != nil {
		return err
	}
	old := s.redis
	next, err := old.copied()
	if err != nil {
		if next != nil {
			next.kill()
		}
		return err
	}
	s.redis = next
	defer old.kill()
	d.use(ctx, all, before)
	if err := errors.Join(next.caughtUp(old), next.do("REPLICAOF NO ONE")); err != nil {
		return err
	}
	if err := d.stopEach(ctx, all, before); err != nil {
		return err
	}
	if !both {
		old.kill()
	}
	for name, edge := range s.toRedis {
		if !both || name != gatewayA && name != authzdB {
			edge.lead(next.address())
		}
	}
	d.after(ctx, all, before)
	if both {
		d.use(ctx, all, during)
		if err := d.stopEach(ctx, all, during); err != nil {
			return err
		}
		d.after(ctx, all, during)
	}
	old.kill()
	for _, edge := range s.toRedis {
		edge.lead(next.address())
	}
	return nil
}

// primaryGoes has a synchronous standby take the place of PostgreSQL, which
// goes on beside it: gateway-a still stores its records there, which nobody else
// hears of, and a second authorization server still asks it about tokens.
func (d *driver) primaryGoes(ctx context.Context, all *gathered) error {
	s := d.stack
	grants, err := d.stock(ctx, d.many(taken), nil)
	if err != nil {
		return err
	}
	old := s.postgres
	next, err := old.standby(ctx)
	if err != nil {
		if next != nil {
			next.killAll()
		}
		return err
	}
	s.postgres = next
	defer old.killAll()
	d.use(ctx, all, grants)
	if err := next.promote(ctx); err != nil {
		return err
	}
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(next.port))
	for name, edge := range s.toPostgres {
		if name != gatewayA && name != authzdB {
			edge.lead(at)
		}
	}
	if err := d.stopEach(ctx, all, grants); err != nil {
		return err
	}
	d.after(ctx, all, grants)
	old.killAll()
	for _, name := range []string{gatewayA, authzdB} {
		s.toPostgres[name].lead(at)
	}
	if err := s.addresses(); err != nil { // the bank's data is there as well
		return err
	}
	if err := s.again(s.env...); err != nil {
		return err
	}
	return s.bring(authzdB)
}
