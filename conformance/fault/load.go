package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
)

// mostUnderWay bounds what the driver has open at a time. What it cannot send
// for that is counted and makes the run void, not good.
const mostUnderWay = 3000

// gateways are the instances in turn.
var gateways = []string{gatewayA, gatewayB}

// load gives constant load until ctx ends and returns when all answers are
// in. Arrivals are Poisson and do not wait for answers: a stall lengthens the
// answers and not the pauses between questions.
func (d *driver) load(ctx context.Context, rate float64) {
	var under atomic.Int64
	var wg sync.WaitGroup
	next := time.Now()
	for {
		next = next.Add(time.Duration(-math.Log(1-rand.Float64()) / rate * float64(time.Second)))
		select {
		case <-ctx.Done():
			wg.Wait()
			return
		case <-time.After(time.Until(next)):
		}
		if under.Load() >= mostUnderWay {
			d.mu.Lock()
			d.lost++
			d.mu.Unlock()
			continue
		}
		under.Add(1)
		wg.Go(func() {
			defer under.Add(-1)
			d.history.add(d.any(context.WithoutCancel(ctx)))
		})
	}
}

// any is one operation of the mix: of 100, 94 reads, 4 introspections and 2
// refreshes.
func (d *driver) any(ctx context.Context) op {
	d.mu.Lock()
	g := d.steady[rand.IntN(len(d.steady))]
	d.mu.Unlock()
	switch n := rand.IntN(100); {
	case n < 2, g.old():
		return d.refresh(ctx, g)
	case n < 6:
		return d.introspect(ctx, g)
	default:
		return d.read(ctx, gateways[rand.IntN(2)], g, n < 40)
	}
}

// take returns a grant that nobody has read yet, nil when none is left.
func (d *driver) take() *grant {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.spare) == 0 {
		return nil
	}
	g := d.spare[len(d.spare)-1]
	d.spare = d.spare[:len(d.spare)-1]
	return g
}

// fetchers is how many read a grant while it is stopped, half of them on each
// gateway.
const fetchers = 6

// pace is how closely a consent is read while it is stopped.
type pace struct {
	after int           // reads of each fetcher that begin after the stop has answered
	pause time.Duration // at most so long between two reads
	ways  []string      // how it is stopped, in turn
	// insist: a stop without a good answer is asked for until one comes.
	insist bool
}

// closely is the pace of a few consents, each read as fast as it is answered
// by two of its fetchers.
var closely = pace{after: 3, pause: 20 * time.Millisecond, ways: ways}

// races runs race after race until ctx ends or only so many grants are left.
// slowly are ways that not every race can take: a portal knows one consent of a
// pair, and a program takes its time to start.
func (d *driver) races(ctx context.Context, every time.Duration, keep int, slowly bool) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		d.mu.Lock()
		left := len(d.spare)
		d.mu.Unlock()
		if left <= keep {
			return
		}
		g := d.take()
		if g == nil {
			return
		}
		p := closely
		switch {
		case !slowly:
		case n%17 == 3:
			p.ways = []string{byPortal}
		case n%29 == 4:
			p.ways = []string{byBank}
		}
		d.race(context.WithoutCancel(ctx), g, n, p)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// race has a consent stopped while it is read on both gateways. Every second
// time no gateway has seen its token before, so that looks at the truth and
// fills of the cache are under way when the stop comes.
func (d *driver) race(ctx context.Context, g *grant, n int, p pace) {
	if g.old() {
		d.history.add(d.refresh(ctx, g))
	}
	if n%2 == 0 {
		d.history.add(d.read(ctx, gateways[n/2%2], g, true))
	}
	var stopped atomic.Bool
	var wg sync.WaitGroup
	begin := time.Now()
	idle := func(most time.Duration) {
		if time.Since(begin) > time.Second && !stopped.Load() {
			most *= 8 // a stop that has to wait: nothing is decided in between
		}
		time.Sleep(time.Duration(rand.Int64N(int64(most))))
	}
	for i := range fetchers {
		wg.Go(func() {
			// A few more that begin after the stop has answered.
			for after := 0; after < p.after; {
				if stopped.Load() {
					after++
				}
				d.history.add(d.read(ctx, gateways[i%2], g, true))
				if i >= 2 || p.insist && time.Since(begin) > 150*time.Millisecond {
					idle(p.pause)
				}
			}
		})
	}
	wg.Go(func() {
		// Longer than the readers: what is filled in late is found later.
		for after := 0; after < 2+2*p.after; {
			if stopped.Load() {
				after++
			}
			d.history.add(d.introspect(ctx, g))
			idle(2 * p.pause)
		}
	})
	time.Sleep(time.Duration(rand.IntN(15)) * time.Millisecond)
	how := p.ways[n%len(p.ways)]
	o := d.revoke(ctx, g, how, gateways[n%2])
	d.history.add(o)
	for try := 0; p.insist && !o.good() && o.Status != http.StatusConflict && try < 60; try++ {
		time.Sleep(200 * time.Millisecond)
		// It says whether the consent had ended already.
		o = d.revoke(ctx, g, byConsentAPI, gateways[(n+try)%2])
		d.history.add(o)
	}
	stopped.Store(true)
	d.history.add(d.introspect(ctx, g))
	if n%3 == 0 {
		d.history.add(d.refresh(ctx, g))
	}
	wg.Wait()
}

// stop ends a grant at the portal, as the person.
func (d *driver) stop(ctx context.Context, o *op, g *grant) {
	g.who.mu.Lock()
	defer g.who.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	o.Start = d.history.now()
	page, err := browser.Stop(ctx, g.who.browser, d.stack.pages+"/portal", g.who.username, g.who.password, "App "+g.app.id)
	o.End = d.history.now()
	if err != nil {
		o.Err = err.Error()
		return
	}
	o.Status = page.Status
}

// watch asks for what needs neither PostgreSQL nor Redis, until ctx ends.
func (d *driver) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	paths := map[string][]string{
		gatewayA: {"/livez", "/readyz"}, gatewayB: {"/livez", "/readyz"},
		authzd: {"/livez", "/readyz", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks"},
	}
	if u := d.apps[0].client.Server.JWKSURI; len(u) > len(d.stack.issuer) {
		paths[authzd][4] = u[len(d.stack.issuer):]
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for instance, list := range paths {
			base := d.stack.public
			if instance == authzd {
				base = d.stack.issuer
			}
			for _, path := range list {
				o := op{Kind: opPublic, Instance: instance, Operation: path}
				if path == "/livez" || path == "/readyz" {
					o.Kind = opHealth
				}
				d.send(context.WithoutCancel(ctx), &o, nil, &recipient.Request{Method: http.MethodGet, URL: base + path})
				d.history.add(o)
			}
		}
	}
}

// pair is a customer and a recipient that have no consent yet.
type pair struct {
	a *app
	c *customer
}

// walks is how many consents a person is walked to at the start. The others
// are made in bulk; journeys go on under every fault (codeTwice, requestTwice).
const walks = 4

// prepare makes the consents that the run needs: steady ones to be read, and
// spare ones to be stopped. Nobody has two with the same recipient.
func (d *driver) prepare(ctx context.Context, steady, spare int) error {
	pairs := d.crossed()
	rand.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	if steady > len(pairs) {
		return fmt.Errorf("%d consents to be read want more recipients and customers than %d and %d", steady, len(d.apps), len(d.people))
	}
	spare = min(spare, len(pairs)-steady)
	pairs, d.free = pairs[:steady+spare], pairs[steady+spare:]
	var made []*grant
	for _, p := range pairs[:min(walks, len(pairs))] {
		g, err := d.stack.grant(ctx, p.a, p.c)
		if err != nil {
			return err
		}
		// Which accounts it has.
		o := d.read(ctx, gatewayA, g, true)
		d.history.add(o)
		g.accounts = o.Accounts
		made = append(made, g)
	}
	others, err := d.stock(ctx, pairs[min(walks, len(pairs)):], nil)
	if err != nil {
		return err
	}
	made = append(made, others...)
	d.steady, d.spare = made[:steady], made[steady:]
	return nil
}
