package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// size is how long the parts of the nightly run are.
type size struct {
	stops    int           // per fault: R1
	stopRate float64       // of them a second, at most
	kills    int           // A1
	uses     int           // rounds per artefact, without faults and again with them: I1
	requests int           // over restarts: D1
	late     time.Duration // between two halves of the instances: K1
	ends     int           // consents and tokens each, with clocks that are off and again with clocks that step: C1
	held     int           // consents of a recipient that is suspended: R2
	rounds   int           // of the whole plan
}

// part is one piece of the nightly run, on a stack of its own.
type part struct {
	name   string
	apps   int
	broken bool // takes programs whose clock can be set
	run    func(ctx context.Context, d *driver, c config, say func(string, ...any)) ([]finding, error)
}

// stopFaults are the faults under which consents are stopped by the thousand.
// "" is none: then stops must be fast as well.
var stopFaults = []string{
	"", "redis killed", "redis killed and restarted empty again and again", "redis emptied ten times a second",
	"redis black hole for gateway-a", "redis black hole for gateway-b", "redis black hole for all", "redis black hole for who stops",
	"gateway-a frozen", "authzd killed", "postgres killed",
}

// parts are those of the nightly run.
func parts(z size) []part {
	var list []part
	for _, name := range stopFaults {
		title := name
		if name == "" {
			title = "no fault"
		}
		list = append(list, part{name: "R1 " + title, apps: 10, run: func(ctx context.Context, d *driver, c config, say func(string, ...any)) ([]finding, error) {
			return d.stopsUnder(ctx, name, z.stops, z.stopRate, say)
		}})
	}
	return append(list,
		part{name: "A1 kills", apps: 10, run: func(ctx context.Context, d *driver, c config, say func(string, ...any)) ([]finding, error) {
			return d.kills(ctx, c, z.kills, say)
		}},
		part{name: "I1 uses", apps: 10, run: func(ctx context.Context, d *driver, c config, say func(string, ...any)) ([]finding, error) {
			return d.onceOnly(ctx, z.uses, say)
		}},
		part{name: "D1 restarts", apps: 10, run: func(ctx context.Context, d *driver, c config, say func(string, ...any)) ([]finding, error) {
			return d.restarts(ctx, z.requests, say)
		}},
		part{name: "K1 late keys", apps: 10, run: func(ctx context.Context, d *driver, c config, say func(string, ...any)) ([]finding, error) {
			return d.lateKeys(ctx, z.late, say)
		}},
		part{name: "C1 clocks", apps: 4, broken: true, run: func(ctx context.Context, d *driver, c config, say func(string, ...any)) ([]finding, error) {
			return d.otherClocks(ctx, z.ends, say)
		}},
		part{name: "M1 versions", apps: 6, run: func(ctx context.Context, d *driver, c config, say func(string, ...any)) ([]finding, error) {
			if err := d.stockUp(ctx, 60, 0, 200); err != nil {
				return nil, err
			}
			f, err := d.sideBySide(ctx, c.old)
			return []finding{d.judge(f)}, err
		}},
		part{name: "R2 suspension", apps: 4, run: func(ctx context.Context, d *driver, c config, say func(string, ...any)) ([]finding, error) {
			return d.suspendMany(ctx, z.held, say)
		}},
		part{name: "all faults", apps: 20, run: func(ctx context.Context, d *driver, c config, say func(string, ...any)) ([]finding, error) {
			c.rounds = z.rounds
			return d.whole(ctx, c, say)
		}},
	)
}

// report is what one run or part came to, as it is kept.
type report struct {
	Part     string    `json:"part,omitempty"`
	Seed     uint64    `json:"seed"`
	Build    string    `json:"build"` // what was tried, see digestOf
	At       time.Time `json:"at"`
	Took     string    `json:"took"`
	Findings []finding `json:"findings"`
}

// nightly runs part after part. A part that this build has passed before is not
// run again: a run that was broken off goes on where it was.
func nightly(ctx context.Context, c config, z size) ([]finding, error) {
	build, err := digestOf(c.bin, "authzd", "gatewayd", "headgate")
	if err != nil {
		return nil, err
	}
	if c.broken == "" {
		return nil, errors.New("-nightly takes -broken: C1 needs programs whose clock can be set")
	}
	dir := filepath.Join(filepath.Dir(c.report), "nightly")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var all []finding
	for _, p := range parts(z) {
		if !c.only.MatchString(p.name) {
			continue
		}
		file := filepath.Join(dir, strings.ReplaceAll(p.name, " ", "-")+".json")
		if r, err := readReport(file); err == nil && r.Build == build && passed(r.Findings) {
			fmt.Printf("=== %s: passed before, at %s\n", p.name, r.At.Format(time.DateTime))
			all = append(all, r.Findings...)
			continue
		}
		fmt.Printf("=== %s\n", p.name)
		begin, mine := time.Now(), c
		if p.broken {
			mine.bin = c.broken
		}
		mine.work, mine.apps, mine.part = filepath.Join(c.work, strings.ReplaceAll(p.name, " ", "-")), p.apps, &p
		if err := os.Mkdir(mine.work, 0o755); err != nil {
			return all, err
		}
		found, err := test(ctx, mine)
		if err != nil {
			return all, fmt.Errorf("%s: %w", p.name, err)
		}
		found = settled(found)
		show(found)
		r := report{p.name, c.seed, build, begin.UTC(), time.Since(begin).Round(time.Second).String(), found}
		if err := writeReport(file, r); err != nil {
			return all, err
		}
		all = append(all, found...)
		if passed(found) {
			if err := os.RemoveAll(mine.work); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

func readReport(file string) (r report, err error) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

func writeReport(file string, r report) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// background has what a soak needs beside its own: load, a pulse, somebody who
// looks at health. It returns what ends it and waits.
func (d *driver) background(ctx context.Context, rate float64) func() {
	loaded, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { d.load(loaded, rate) })
	wg.Go(func() { _ = d.pulse(loaded) })
	return func() { end(); wg.Wait() }
}

// fastWays are those of thousands: a portal knows no more than one consent of
// a pair, and a program to start is slow.
var fastWays = []string{byGrantManagement, byConsentAPI, byRefreshToken}

// mostRaces is how many consents are being stopped at a time, at most,
// mostWaiting how many when a stop has to wait for seconds because the cache
// cannot be told, or whoever reads because an instance stands still, and mostRecovering when the database is away, which has all
// of them at once when it is back. More would measure the machine: a race reads
// until its stop has answered.
const (
	mostRaces      = 16
	mostWaiting    = 120
	mostRecovering = 40
)

// afterFault is for how long after a fault a stop still counts as one under it.
const afterFault = 2 * time.Second

// stopsUnder stops n consents while a fault comes and goes, each read on both
// gateways meanwhile: R1, with A1 beside it. What is stopped with no fault near
// it is not counted.
func (d *driver) stopsUnder(ctx context.Context, name string, n int, rate float64, say func(string, ...any)) ([]finding, error) {
	var happens []fault
	if name != "" {
		if happens = slices.DeleteFunc(d.stack.faults(), func(f fault) bool { return f.name != name }); len(happens) != 1 {
			return nil, fmt.Errorf("there is no fault %q", name)
		}
	}
	if err := d.stockUp(ctx, 40, 0, n/4); err != nil {
		return nil, err
	}
	end := d.background(ctx, 15)
	defer end()
	played, stopPlay := context.WithCancel(ctx)
	var play sync.WaitGroup
	var broke error
	var calm sync.Mutex // held while the fault is there, and while consents are made
	between := time.Second
	if name == "postgres killed" {
		between = 4 * time.Second // recovery takes a part of it, and who waited comes first
	}
	if name != "" {
		play.Go(func() {
			for played.Err() == nil && broke == nil {
				calm.Lock()
				broke = d.stack.play(ctx, d.history, happens[0], 3*time.Second)
				calm.Unlock()
				if broke == nil {
					_ = rest(played, between)
				}
			}
		})
	}
	defer func() { stopPlay(); play.Wait() }()
	slots := make(chan struct{}, mostRaces)
	switch {
	case strings.HasPrefix(name, "redis black hole"), name == "redis killed", strings.HasSuffix(name, " frozen"):
		slots = make(chan struct{}, mostWaiting)
	case name == "postgres killed":
		slots = make(chan struct{}, mostRecovering)
	}
	var races sync.WaitGroup
	begin, told, done := time.Now(), time.Now(), 0
	p := pace{after: 2, pause: 60 * time.Millisecond, ways: fastWays, insist: true}
	// A tenth more, and again as many as are missing: some fall between two
	// times of the fault.
	goal := n + n/10
	for ; done < goal && ctx.Err() == nil; done++ {
		due := begin.Add(time.Duration(float64(done) / rate * float64(time.Second)))
		if err := rest(ctx, time.Until(due)); err != nil {
			break
		}
		g := d.take()
		if g == nil {
			calm.Lock()
			more, err := d.stock(ctx, d.many(min(n/4+1, goal-done)), nil)
			calm.Unlock()
			if err != nil {
				return nil, err // what is under way ends with the stack
			}
			d.mu.Lock()
			d.spare = more
			d.mu.Unlock()
			g = d.take()
		}
		slots <- struct{}{}
		races.Go(func() {
			defer func() { <-slots }()
			d.race(context.WithoutCancel(ctx), g, done, p)
		})
		if time.Since(told) > 20*time.Second {
			told = time.Now()
			say("%d of %d stops, %.1f/s", done, goal, float64(done)/time.Since(begin).Seconds())
		}
		if done+1 == goal && name != "" && goal < 3*n {
			ops, marks := d.history.all()
			goal += max(0, n-stoppedNear(ops, spans(marks, starting, healed), afterFault))
		}
	}
	races.Wait()
	stopPlay()
	play.Wait()
	end()
	if broke != nil {
		return nil, broke
	}
	took := time.Since(begin)
	stored, err := readRows(ctx, d.stack.postgres, d.history)
	if err != nil {
		return nil, err
	}
	ops, marks := d.history.all()
	near := spans(marks, starting, healed)
	r1, a1 := checkRevoke(ops, near), checkAudit(ops, stored.Records)
	if name != "" {
		under := stoppedNear(ops, near, afterFault)
		r1.note("%s: %d times; %d of the stops fell into it", name, len(near), under)
		r1.Trials = under
	}
	if r1.Trials < n {
		r1.short("%d stops, not %d", r1.Trials, n)
	}
	r1.What += ", under: " + name
	r1.note("%.1f stops/s over %v", float64(done)/took.Seconds(), took.Round(time.Second))
	return []finding{d.judge(r1), d.judge(a1)}, nil
}

// stoppedNear counts the consents that were stopped while a fault was there, or
// so long after it.
func stoppedNear(ops []op, faults []span, after time.Duration) int {
	near := map[string]bool{}
	for _, o := range ops {
		if o.Kind == opRevoke && within(o, faults, after) {
			near[o.Consent] = true
		}
	}
	n := 0
	for consent := range ended2xx(ops) {
		if near[consent] {
			n++
		}
	}
	return n
}

// stockUp makes consents of its own, some to be read, some for uses and some to
// be stopped, after a walk to each of the first.
func (d *driver) stockUp(ctx context.Context, steady, free, spare int) error {
	if err := d.prepare(ctx, steady, 0); err != nil {
		return err
	}
	if free < len(d.free) {
		d.free = d.free[:free]
	}
	var err error
	d.spare, err = d.stock(ctx, d.many(spare), nil)
	return err
}

// kills kills something n times under load, at a time of chance: A1.
func (d *driver) kills(ctx context.Context, c config, n int, say func(string, ...any)) ([]finding, error) {
	if err := d.stockUp(ctx, 60, 0, 6*n); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(c.seed, 2))
	end := d.background(ctx, 80)
	defer end()
	raced, endRaces := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer endRaces()
	wg.Go(func() { d.races(raced, time.Second, 0, false) })
	all := d.stack.faults()
	victims := []string{gatewayA, gatewayB, "postgres", "one process of postgres", gatewayA, gatewayB, authzd, "redis"}
	per := map[string]int{}
	for i := range n {
		name := victims[i%len(victims)]
		per[name]++
		at := slices.IndexFunc(all, func(f fault) bool { return f.name == name+" killed" })
		f := d.stack.backendKilled()
		if at >= 0 {
			f = all[at]
		}
		if err := rest(ctx, time.Duration(800+r.IntN(1200))*time.Millisecond); err != nil {
			return nil, err
		}
		say("kill %d of %d: %s", i+1, n, name)
		f.hold = 0
		if err := d.stack.play(ctx, d.history, f, time.Duration(r.IntN(700))*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if err := rest(ctx, 2*time.Second); err != nil {
		return nil, err
	}
	endRaces()
	wg.Wait()
	end()
	stored, err := readRows(ctx, d.stack.postgres, d.history)
	if err != nil {
		return nil, err
	}
	ops, marks := d.history.all()
	a1 := checkAudit(ops, stored.Records)
	a1.note("%d kills: %v", n, per)
	a1.note("%d answers were lost or put off", lost(ops))
	return []finding{d.judge(a1), d.judge(checkRevoke(ops, spans(marks, starting, healed))), d.verify()}, nil
}

// lost counts the reads without an answer and those that were put off.
func lost(ops []op) (n int) {
	for _, o := range ops {
		if o.Kind == opRead && (o.Status == 0 || o.Status == 503) {
			n++
		}
	}
	return n
}

// useFaults happen while things are used several times.
var useFaults = []string{
	"redis emptied ten times a second", "redis killed", "postgres connections ended", gatewayA + " killed", authzd + " killed",
}

// onceOnly uses each thing that may be used once several times, so many rounds
// without a fault and as many while faults come and go: I1.
func (d *driver) onceOnly(ctx context.Context, rounds int, say func(string, ...any)) ([]finding, error) {
	if err := d.stockUp(ctx, 40, len(d.apps)*len(d.people), 0); err != nil {
		return nil, err
	}
	end := d.background(ctx, 15)
	defer end()
	if err := d.useAll(ctx, "calm", rounds, say); err != nil {
		return nil, err
	}
	played, stopPlay := context.WithCancel(ctx)
	var play sync.WaitGroup
	var broke error
	play.Go(func() {
		list := slices.DeleteFunc(d.stack.faults(), func(f fault) bool { return !slices.Contains(useFaults, f.name) })
		for i := 0; played.Err() == nil && broke == nil; i++ {
			if broke = d.stack.play(ctx, d.history, list[i%len(list)], 1500*time.Millisecond); broke == nil {
				_ = rest(played, 2*time.Second) // a walk through the pages takes a while
			}
		}
	})
	err := d.useAll(ctx, "faults", rounds, say)
	stopPlay()
	play.Wait()
	if err == nil {
		err = broke
	}
	end()
	if err != nil {
		return nil, err
	}
	ops, marks := d.history.all()
	i1 := checkOnce(ops, slices.Concat(spans(marks, starting, healed), d.history.stood()))
	for kind, n := range usesOf(ops) {
		if n < 2*rounds {
			i1.short("%d rounds of %s, not %d", n, kind, 2*rounds)
		}
	}
	return []finding{d.judge(i1)}, nil
}

// usesOf counts the rounds per artefact.
func usesOf(ops []op) map[string]int {
	seen, per := map[string]bool{}, map[string]int{}
	for _, o := range ops {
		if o.Kind == opOnce && !seen[o.Token] {
			seen[o.Token] = true
			per[o.Operation]++
		}
	}
	return per
}

// useAll runs the rounds of all kinds, the kinds beside each other.
func (d *driver) useAll(ctx context.Context, name string, rounds int, say func(string, ...any)) error {
	var wg sync.WaitGroup
	kinds := map[string]func(context.Context, string) error{
		"proof": d.proofTwice, "code": d.codeTwice, "assertion": d.assertionTwice, "request": d.requestTwice,
	}
	for kind, use := range kinds {
		wg.Go(func() {
			// What goes wrong on the way to a round ends that round only.
			for done, tries := 0, 0; done < rounds && tries < 10*rounds && ctx.Err() == nil; tries++ {
				if use(context.WithoutCancel(ctx), fmt.Sprintf("%s %s %d", name, kind, tries)) != nil {
					_ = rest(ctx, 200*time.Millisecond) // who refuses now is there again later
					continue
				}
				if done++; done%50 == 0 {
					say("%s: %d of %d rounds of %s", name, done, rounds, kind)
				}
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// restarts is D1 at its length.
func (d *driver) restarts(ctx context.Context, requests int, say func(string, ...any)) ([]finding, error) {
	if err := d.stockUp(ctx, 60, 0, 200); err != nil {
		return nil, err
	}
	defer d.felt(ctx)()
	say("restarting in turn")
	d1, err := d.drain(ctx, "D1", 8, requests)
	if err != nil {
		return nil, err
	}
	return []finding{d.judge(d1)}, nil
}

// felt has the machine's pulse felt until what it returns is called.
func (d *driver) felt(ctx context.Context) (end func()) {
	pulsed, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.pulse(pulsed) })
	return func() { stop(); wg.Wait() }
}

// lateKeys replaces every key while half of the instances are late with it: K1.
func (d *driver) lateKeys(ctx context.Context, late time.Duration, say func(string, ...any)) ([]finding, error) {
	if err := d.stockUp(ctx, 60, 0, 200); err != nil {
		return nil, err
	}
	defer d.felt(ctx)()
	say("replacing every key, half of the instances %v late", late)
	k1, err := d.replace(ctx, late)
	if err != nil {
		return nil, err
	}
	return []finding{d.judge(k1)}, nil
}

// otherClocks has the gateways go by other clocks than everybody: C1.
func (d *driver) otherClocks(ctx context.Context, n int, say func(string, ...any)) ([]finding, error) {
	if err := d.stockUp(ctx, 30, 0, 2*n); err != nil {
		return nil, err
	}
	defer d.felt(ctx)()
	say("setting the clocks of the gateways")
	c1, err := d.clocks(ctx, "clock-skewed", n)
	if err != nil {
		return nil, err
	}
	return []finding{d.judge(c1)}, nil
}

// suspendMany suspends a recipient with thousands of consents: R2.
func (d *driver) suspendMany(ctx context.Context, n int, say func(string, ...any)) ([]finding, error) {
	if err := d.stockUp(ctx, 20, 0, 0); err != nil {
		return nil, err
	}
	say("making %d consents of one recipient", n)
	list := make([]pair, n)
	for i := range list {
		list[i] = pair{d.apps[0], d.people[i%len(d.people)]}
	}
	held, err := d.stock(ctx, list, nil)
	if err != nil {
		return nil, err
	}
	// Some of them are asked for; the others are to be ended just as well.
	d.steady = append(d.steady, held[:min(100, n)]...)
	// What their making has written has to be on disk before anything is timed.
	if err := d.stack.postgres.exec(ctx, "headgate", "CHECKPOINT"); err != nil {
		return nil, err
	}
	defer d.felt(ctx)()
	say("suspending it")
	f, err := d.suspend(ctx, d.busiest())
	if err != nil {
		return nil, err
	}
	f.note("%d consents in all", n)
	return []finding{d.judge(f)}, nil
}
