package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
)

// balancer chooses among instances that say that they want traffic, as a load
// balancer with health checks does.
type balancer struct {
	instances []string
	ready     []atomic.Bool
	turn      atomic.Int64
}

// healthEvery is the interval of the health checks, a tenth of the lame duck.
const healthEvery = 200 * time.Millisecond

func newBalancer(instances ...string) *balancer {
	b := &balancer{instances: instances, ready: make([]atomic.Bool, len(instances))}
	for i := range b.ready {
		b.ready[i].Store(true)
	}
	return b
}

// choose returns an instance that was ready at the last look; any of them when
// none was.
func (b *balancer) choose() string {
	n := int(b.turn.Add(1))
	for i := range b.instances {
		if k := (n + i) % len(b.instances); b.ready[k].Load() {
			return b.instances[k]
		}
	}
	return b.instances[n%len(b.instances)]
}

// watch looks at /readyz until ctx ends.
func (b *balancer) watch(ctx context.Context, d *driver) {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		for i, instance := range b.instances {
			base := d.stack.public
			if instance == authzd || instance == authzdB {
				base = d.stack.issuer
			}
			o := op{Instance: instance}
			d.send(ctx, &o, nil, &recipient.Request{Method: http.MethodGet, URL: base + "/readyz"})
			b.ready[i].Store(o.Status == http.StatusOK)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// drain restarts all instances in turn, each by SIGTERM, while callers go
// through a balancer: D1. It goes on until at least so many restarts and
// requests have been.
func (d *driver) drain(ctx context.Context, id string, restarts, requests int) (finding, error) {
	f := finding{ID: id, What: "no request fails while instances are restarted in turn"}
	done, slowest := 0, time.Duration(0)
	err := d.rolling(ctx, &f, "drain", func(restart func(string) (time.Duration, error), sent func() int) error {
		for ; (done < restarts || sent() < requests) && ctx.Err() == nil; done++ {
			took, err := restart(inTurn[done%len(inTurn)])
			if err != nil {
				return err
			}
			slowest = max(slowest, took)
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	f.note("%d requests over %d restarts of two gateways and two authorization servers; slowest exit %v with a lame duck of %v", f.Trials, done, slowest.Round(time.Millisecond), d.stack.lameDuck)
	if id == "D1" && f.Trials < 10_000 {
		f.note("fewer than the 10,000 of the promise: FAULT=nightly has them")
	}
	return f, nil
}

// inTurn is the order in which instances are restarted.
var inTurn = []string{gatewayA, authzd, gatewayB, authzdB}

// rolling has a second authorization server beside the first one and callers go
// through balancers, as long as during takes. Each request that is not served is
// put down in f, and so is each restart that is not in order. restart returns how
// long an instance took to end; sent is how many requests there were until now.
func (d *driver) rolling(ctx context.Context, f *finding, phase string, during func(restart func(string) (time.Duration, error), sent func() int) error) error {
	s := d.stack
	if err := s.bring(authzdB); err != nil {
		return err
	}
	data, protocol := newBalancer(gatewayA, gatewayB), newBalancer(authzd, authzdB)
	var wg sync.WaitGroup
	watched, endWatch := context.WithCancel(ctx)
	loaded, endLoad := context.WithCancel(ctx)
	defer func() { endLoad(); endWatch(); wg.Wait() }()
	wg.Go(func() { data.watch(watched, d) })
	wg.Go(func() { protocol.watch(watched, d) })
	var sent atomic.Int64
	var mu sync.Mutex // guards f
	var users sync.WaitGroup
	for i := range 8 {
		users.Go(func() {
			for n := 0; loaded.Err() == nil; n++ {
				d.mu.Lock()
				g := d.steady[(i+8*n)%len(d.steady)]
				d.mu.Unlock()
				var o op
				switch {
				case n%25 == 7:
					o = d.refreshAt(context.WithoutCancel(ctx), g, protocol.choose())
				case i == 0 && n%60 == 30:
					d.mu.Lock()
					left := len(d.spare)
					d.mu.Unlock()
					if left <= 3*d.keep { // as many may be the suspended recipient's
						continue
					}
					g = d.take()
					o = d.revoke(context.WithoutCancel(ctx), g, byConsentAPI, data.choose())
				default:
					o = d.read(context.WithoutCancel(ctx), data.choose(), g, n%2 == 0)
				}
				o.Phase = phase
				d.history.add(o)
				sent.Add(1)
				if !o.good() {
					mu.Lock()
					f.unserved(o, "%s on %s was answered %d %s after %v", o.Kind, o.Instance, o.Status, o.Err, o.took())
					mu.Unlock()
				}
			}
		})
	}
	restart := func(name string) (time.Duration, error) {
		begin := time.Now()
		err := s.procs[name].end(syscall.SIGTERM, s.lameDuck+10*time.Second)
		took := time.Since(begin)
		mu.Lock()
		if err != nil {
			f.bad("%v", err)
		}
		if code := s.procs[name].exit(); code != 0 {
			f.bad("%s ended with exit code %d", name, code)
		}
		mu.Unlock()
		if err := s.bring(name); err != nil {
			return took, err
		}
		return took, rest(ctx, 4*healthEvery)
	}
	err := during(restart, func() int { return int(sent.Load()) })
	endLoad()
	users.Wait()
	// Without warning, so it is a fault: what it was about to tell is told when
	// somebody finds the work that it has left.
	d.history.mark(authzdB+" ended", starting)
	s.procs[authzdB].kill()
	d.history.mark(authzdB+" ended", healed)
	f.Trials += int(sent.Load())
	return err
}

// sideBySide restarts everything in turn once more, with an older version of
// the second gateway and the second authorization server beside the new ones: M1.
// old is the folder with the older programs. Afterwards all are new again.
func (d *driver) sideBySide(ctx context.Context, old string) (f finding, err error) {
	const what = "an older version runs beside this one on the migrated schema"
	f = finding{ID: "M1", What: what}
	if old == "" {
		f.NotRun = "no older programs were named: OLD=REF"
		return f, nil
	}
	s := d.stack
	type program struct {
		path string
		args []string
		env  []string
	}
	was := map[string]program{}
	defer func() {
		for name, w := range was {
			p := s.procs[name]
			p.kill()
			p.path, p.args, p.env = w.path, w.args, w.env
		}
		if back := s.bring(gatewayB); err == nil {
			err = back
		}
	}()
	for name, file := range map[string]string{gatewayB: "gatewayd", authzdB: "authzd"} {
		p := s.procs[name]
		p.kill()
		was[name] = program{p.path, p.args, p.env}
		path := filepath.Join(s.dir, name+"-old.json")
		if err := withoutNews(p.args[0], path, filepath.Join(old, file), s.dir); err != nil {
			return f, err
		}
		// Without a fault, which is the new version's.
		p.path, p.args, p.env = filepath.Join(old, file), []string{path}, nil
	}
	if err := s.bring(gatewayB); err != nil {
		return f, err
	}
	f, err = d.drain(ctx, "M1", 4, 0)
	f.What = what
	return f, err
}

// upgrade has the product migrate the schema and then run beside itself as it is
// without a fault, as the version before would.
func (d *driver) upgrade(ctx context.Context, mend string) (f finding, err error) {
	s := d.stack
	defer func() {
		if mend != "" {
			err = errors.Join(err, s.postgres.exec(context.WithoutCancel(ctx), "headgate", mend))
		}
	}()
	tool := server{
		name: "migrate", path: filepath.Join(s.bin, "headgate"), dir: s.dir, env: s.env,
		args: []string{"migrate", "--postgres-dsn-file", filepath.Join(s.dir, "bank.dsn")},
	}
	if _, err := tool.run(); err != nil {
		return f, err
	}
	return d.sideBySide(ctx, s.bin)
}

// withoutNews copies a configuration without the settings that a program does
// not know.
func withoutNews(from, to, program, dir string) error {
	help := server{name: "help", path: program, dir: dir, args: []string{"--help"}}
	known, err := help.run()
	if err != nil {
		return err
	}
	return copySettings(from, to, func(settings map[string]any) {
		maps.DeleteFunc(settings, func(name string, _ any) bool { return !strings.Contains(known, "  "+name+" (") })
	})
}

// copySettings copies a configuration and changes the copy.
func copySettings(from, to string, change func(settings map[string]any)) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var settings map[string]any
	if err := json.Unmarshal(text, &settings); err != nil {
		return err
	}
	change(settings)
	if text, err = json.Marshal(settings); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// instanceAddress translates an address for an instance, as a balancer would.
func (s *stack) instanceAddress(instance, address string) string {
	local := func(name string) string { return fmt.Sprintf("127.0.0.1:%d", s.ports[name]) }
	switch instance {
	case authzd:
		return address
	case authzdB:
		if address == fmt.Sprintf("localhost:%d", s.ports["mtls"]) {
			return local("mtls-b")
		}
		return local(authzdB)
	default:
		return local(instance)
	}
}
