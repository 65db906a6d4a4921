package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
)

// uses is how often each thing is used that may be used once.
const uses = 8

// repeat uses things several times, round after round, until ctx ends.
func (d *driver) repeat(ctx context.Context, every time.Duration, kinds ...func(context.Context, string) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// What goes wrong on the way to a round ends the round only: a fault is
		// under way as often as not.
		_ = kinds[n%len(kinds)](context.WithoutCancel(ctx), fmt.Sprintf("round %d", n))
	}
}

var errNobody = errors.New("nobody is left who could be asked")

// claim returns a pair whose consents nobody reads, and puts it last.
func (d *driver) claim(byKey bool) (pair, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, p := range d.free {
		if !byKey || p.a.config.Certificate == nil {
			d.free = append(append(d.free[:i:i], d.free[i+1:]...), p)
			return p, true
		}
	}
	return pair{}, false
}

// together runs every use at the same time and keeps what came of it.
func (d *driver) together(artefact, round string, n int, use func(i int, o *op)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			o := op{Kind: opOnce, Operation: artefact, Token: round, Instance: authzd}
			use(i, &o)
			d.history.add(o)
		})
	}
	wg.Wait()
}

// proofTwice reads with one DPoP proof, on both gateways; every second round
// Redis forgets all between the first uses and the last ones.
func (d *driver) proofTwice(ctx context.Context, round string) error {
	use, err := d.oneProof()
	if err != nil {
		return err
	}
	again := func(i int, o *op) {
		r := use(ctx, gateways[i%2])
		o.Instance, o.Start, o.End, o.Status, o.Yes, o.Err = r.Instance, r.Start, r.End, r.Status, r.Yes, r.Err
	}
	d.together("DPoP proof", round, uses, again)
	if rand.IntN(2) == 0 {
		_ = d.stack.redis.do("FLUSHALL")
	}
	d.together("DPoP proof", round, 2, again)
	return nil
}

// oneProof makes a proof and returns what reads with it, however often.
func (d *driver) oneProof() (use func(ctx context.Context, gateway string) op, err error) {
	d.mu.Lock()
	g := d.steady[rand.IntN(len(d.steady))]
	for g.app.config.Certificate != nil {
		g = d.steady[rand.IntN(len(d.steady))]
	}
	d.mu.Unlock()
	token := g.now()
	first, err := g.app.client.AccountsRequest(token, nil)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, gateway string) op {
		r := op{
			Kind: opRead, Instance: gateway, Recipient: g.app.id, Consent: g.id, Token: digest(token.AccessToken),
			Operation: "searchForAccounts", How: usedAgain,
		}
		again, err := g.app.client.AccountsRequest(token, nil)
		if err != nil {
			r.Err = err.Error()
			return r
		}
		again.Header.Set("DPoP", first.Header.Get("DPoP"))
		d.sendRead(ctx, &r, g.app, again)
		d.history.add(r)
		return r
	}, nil
}

// codeTwice redeems one code.
func (d *driver) codeTwice(ctx context.Context, round string) error {
	p, ok := d.claim(false)
	if !ok {
		return errNobody
	}
	attempt, pushed, err := d.pushed(ctx, p.a)
	if err != nil {
		return err
	}
	p.c.mu.Lock()
	back, err := browser.ApproveAll(ctx, p.c.browser, p.a.client.AuthorizationURL(pushed.RequestURI), p.c.username, p.c.password)
	p.c.mu.Unlock()
	if err != nil {
		return err
	}
	code, err := p.a.client.ReadRedirect(back, attempt)
	if err != nil {
		return err
	}
	d.together("code", round, uses, func(_ int, o *op) {
		r, err := p.a.client.CodeRequest(attempt, code)
		if err != nil {
			o.Err = err.Error()
			return
		}
		d.send(ctx, o, p.a, r)
		o.Yes = o.good()
	})
	return nil
}

// assertionTwice pushes different requests with one client assertion.
func (d *driver) assertionTwice(ctx context.Context, round string) error {
	var a *app
	for a == nil || a.config.Certificate != nil {
		a = d.apps[rand.IntN(len(d.apps))]
	}
	assertion := ""
	var list []*recipient.Request
	for range uses {
		attempt, err := recipient.Ask(wanted())
		if err != nil {
			return err
		}
		r, err := a.client.PushRequest(attempt)
		if err != nil {
			return err
		}
		if assertion == "" {
			assertion = r.Form.Get("client_assertion")
		}
		r.Form.Set("client_assertion", assertion)
		list = append(list, r)
	}
	d.together("client assertion", round, uses, func(i int, o *op) {
		d.send(ctx, o, a, list[i])
		o.Yes = o.good()
	})
	return nil
}

// requestTwice has somebody decide about one pushed request in two browsers.
func (d *driver) requestTwice(ctx context.Context, round string) error {
	p, ok := d.claim(false)
	if !ok {
		return errNobody
	}
	attempt, pushed, err := d.pushed(ctx, p.a)
	if err != nil {
		return err
	}
	// No other page of theirs meanwhile.
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.second == nil {
		if p.c.second, err = browser.New(browser.Config{Home: []string{d.stack.issuer, d.stack.pages}, TLS: p.a.config.TLS}); err != nil {
			return err
		}
	}
	d.together("request_uri", round, 2, func(i int, o *op) {
		b := []*browser.Browser{p.c.browser, p.c.second}[i]
		o.Start = d.history.now()
		back, err := browser.ApproveAll(ctx, b, p.a.client.AuthorizationURL(pushed.RequestURI), p.c.username, p.c.password)
		o.End = d.history.now()
		o.Status = 400
		if err != nil {
			o.Err = err.Error()
			return
		}
		if _, err := p.a.client.ReadRedirect(back, attempt); err != nil {
			o.Err = err.Error()
			return
		}
		o.Status, o.Yes = 303, true
	})
	return nil
}

func (d *driver) pushed(ctx context.Context, a *app) (*recipient.Attempt, recipient.Pushed, error) {
	attempt, err := recipient.Ask(wanted())
	if err != nil {
		return nil, recipient.Pushed{}, err
	}
	p, err := a.client.Push(ctx, attempt)
	return attempt, p, err
}

// wanted is what every consent here is about.
func wanted() recipient.ConsentRequest {
	return recipient.ConsentRequest{
		DurationType: recipient.TimeBound, DurationPeriod: 30, LookbackPeriod: lookback,
		Resources: []recipient.Resource{{ResourceType: "ACCOUNT", DataClusters: clusters}},
	}
}
