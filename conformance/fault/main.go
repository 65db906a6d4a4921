package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
)

// config is what a run is told.
type config struct {
	bin    string // folder with authzd, gatewayd and headgate
	broken string // folder with the programs that have the faults of package broken; "" for none
	old    string // folder with an older version; "" for none
	work   string // folder for everything that the run makes; it must be empty
	report string // file of the report; "" for none
	seed   uint64
	rate   float64 // operations a second
	hold   time.Duration
	gap    time.Duration // after each fault
	rounds int           // how often each fault happens
	only   *regexp.Regexp
	apps   int
	people int
	steady int
	// restarts and requests are what D1 takes at least.
	restarts, requests int
	stops              int // stopped after the backup of B1
	// mutants runs the faults of package broken in place of a plan.
	mutants bool
	calm    bool   // nothing is stopped
	use     string // with mutants: which things are used several times
	// short takes a few faults that reach every check: for each change.
	short bool
	// lenient lets a run pass that the machine was too slow for.
	lenient bool
	// packets: the network is the run's own, and packets may be lost in it.
	packets bool
	// nightly runs the parts of soak.go; only names some of them.
	nightly bool
	part    *part  // the one under way
	keep    string // file that gets the faults of a broken promise, as a line of seeds.txt; "" for none
}

// errVoid: nothing is broken and something is not proven.
var errVoid = errors.New("the machine was too slow to tell")

func main() {
	err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
	}
	switch {
	case errors.Is(err, errVoid):
		os.Exit(3)
	case err != nil:
		os.Exit(1)
	}
}

func run() error {
	var c config
	var only string
	flag.StringVar(&c.bin, "bin", "", "folder with the programs of the product")
	flag.StringVar(&c.broken, "broken", "", "with -nightly, folder with the programs that were built with the faults of package broken")
	flag.StringVar(&c.old, "old", "", "folder with an older version of the programs, to run beside these; empty for none")
	flag.StringVar(&c.work, "work", "", "folder for what the run makes; empty takes a temporary one, deleted at a good end")
	flag.StringVar(&c.report, "report", "", "file for the report, as JSON")
	flag.Uint64Var(&c.seed, "seed", 0, "order of the faults; 0 takes a fresh one")
	flag.Float64Var(&c.rate, "rate", 50, "operations a second")
	flag.DurationVar(&c.hold, "hold", 2*time.Second, "how long each fault lasts")
	flag.DurationVar(&c.gap, "gap", 1200*time.Millisecond, "how long to wait after each")
	flag.IntVar(&c.rounds, "rounds", 1, "how often each fault happens")
	flag.StringVar(&only, "only", "", "regular expression: only faults whose name it matches; with -mutants also the checks that must notice")
	flag.IntVar(&c.apps, "apps", 10, "recipients")
	flag.IntVar(&c.people, "people", 24, "customers")
	flag.IntVar(&c.steady, "steady", 60, "consents under load; the others are stopped in races")
	flag.IntVar(&c.restarts, "restarts", 4, "instances restarted in turn, at least")
	flag.IntVar(&c.requests, "requests", 0, "requests meanwhile, at least")
	flag.IntVar(&c.stops, "stops", 20, "consents stopped between a backup and its restoration")
	flag.BoolVar(&c.mutants, "mutants", false, "bin was built with the faults of package broken: show that each is noticed")
	flag.BoolVar(&c.short, "short", false, "a few faults that reach every check, in a minute and a half")
	flag.BoolVar(&c.lenient, "lenient", false, "say what the machine was too slow for, and do not fail for it")
	flag.BoolVar(&c.nightly, "nightly", false, "the long parts one after the other; those that this build has passed are not run again; -only chooses by name")
	flag.BoolVar(&c.packets, "packets", false, "the network is this run's own, and packets may be lost in it (packets.sh)")
	var z size
	flag.IntVar(&z.stops, "nightly-stops", 3000, "stops per fault (R1)")
	flag.Float64Var(&z.stopRate, "nightly-stop-rate", 14, "of them a second, at most")
	flag.IntVar(&z.kills, "nightly-kills", 40, "kills (A1)")
	flag.IntVar(&z.uses, "nightly-uses", 300, "rounds per artefact, without faults and again with them (I1)")
	flag.IntVar(&z.requests, "nightly-requests", 10_000, "requests over restarts (D1)")
	flag.IntVar(&z.ends, "nightly-ends", 60, "consents and tokens each that end while clocks are off, and again while they step (C1)")
	flag.DurationVar(&z.late, "nightly-late", 30*time.Second, "by how much half of the instances are late with new keys (K1)")
	flag.IntVar(&z.held, "nightly-held", 50_000, "consents of a recipient that is suspended (R2)")
	flag.IntVar(&z.rounds, "nightly-rounds", 2, "rounds of all faults")
	flag.StringVar(&c.keep, "keep", "", "file to which the faults of a broken promise are added, in the form of seeds.txt")
	flag.Parse()
	if c.short {
		c.apps, c.people, c.steady, c.restarts, c.stops = 4, 10, 24, 2, 5
		c.hold, c.gap = 1500*time.Millisecond, 1200*time.Millisecond
	}
	var err error
	if c.only, err = regexp.Compile(only); err != nil {
		return err
	}
	if c.bin, err = filepath.Abs(c.bin); err != nil {
		return err
	}
	for _, dir := range []*string{&c.old, &c.broken} {
		if *dir == "" {
			continue
		}
		if *dir, err = filepath.Abs(*dir); err != nil {
			return err
		}
	}
	if c.seed == 0 {
		c.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	temporary := c.work == ""
	if temporary {
		if c.work, err = os.MkdirTemp("", "headgate-fault-"); err != nil {
			return err
		}
	}
	if c.work, err = filepath.Abs(c.work); err != nil {
		return err
	}
	// PostgreSQL has to get through it as a user of its own.
	if err := errors.Join(os.MkdirAll(c.work, 0o755), os.Chmod(c.work, 0o755)); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Printf("SEED=%d\n", c.seed)
	if c.packets {
		fmt.Println("black holes: packets are lost")
	} else {
		fmt.Println("black holes: a proxy holds what passes; packets are lost only as root with ip and nft")
	}
	begin := time.Now()
	var findings []finding
	if c.nightly {
		findings, err = nightly(ctx, c, z)
	} else {
		findings, err = test(ctx, c)
	}
	if err == nil && len(findings) == 0 {
		err = fmt.Errorf("-only %q is the name of nothing", only)
	}
	findings = settled(findings)
	// What ended the run early must not be lost behind what it had found.
	if told := tell(c, findings, begin); err == nil {
		err = told
	} else if errors.Is(told, errBroken) {
		err = errors.Join(err, told)
	}
	if err != nil {
		return fmt.Errorf("%w (SEED=%d; logs and history are in %s)", err, c.seed, c.work)
	}
	if temporary {
		return os.RemoveAll(c.work)
	}
	return nil
}

// test runs everything and checks it.
func test(ctx context.Context, c config) ([]finding, error) {
	begin := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf("%6.1f s  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}
	say("starting")
	s, err := deploy(ctx, c)
	if err != nil {
		return nil, err
	}
	defer s.close()
	d, err := newDriver(ctx, s, c)
	if err != nil {
		return nil, err
	}
	say("%d recipients, %d customers; making consents", len(d.apps), len(d.people))
	if c.part != nil {
		return c.part.run(ctx, d, c, say)
	}
	if c.mutants {
		if err := d.stockUp(ctx, c.steady, c.apps*c.people, 600); err != nil {
			return nil, fmt.Errorf("make consents: %w", err)
		}
		return d.mutants(ctx, c, say)
	}
	return d.whole(ctx, c, say)
}

// whole is the plan and what comes after it.
func (d *driver) whole(ctx context.Context, c config, say func(string, ...any)) ([]finding, error) {
	prepare := func() error { return d.prepare(ctx, c.steady, c.apps*c.people*4/5-c.steady) }
	if c.short {
		prepare = func() error { return d.stockUp(ctx, c.steady, c.apps*c.people, 80) }
	}
	if err := prepare(); err != nil {
		return nil, fmt.Errorf("make consents: %w", err)
	}
	say("%d consents under load, %d to be stopped", len(d.steady), len(d.spare))
	plan, err := d.plan(c)
	if err != nil {
		return nil, err
	}
	quiet := 6 * time.Second
	if c.short {
		quiet = 2500 * time.Millisecond
	}
	if err := d.exercise(ctx, c, plan, quiet, say); err != nil {
		return nil, err
	}
	say("restarting in turn")
	drained, err := d.drain(ctx, "D1", c.restarts, c.requests)
	if err != nil {
		return nil, err
	}
	replaced := finding{ID: "K1", What: everyKey, NotRun: "it takes a minute: not in the short form"}
	if !c.short {
		say("replacing every key")
		if replaced, err = d.replace(ctx, 0); err != nil {
			return nil, fmt.Errorf("replacing every key: %w", err)
		}
	}
	beside, err := d.sideBySide(ctx, c.old)
	if err != nil {
		return nil, err
	}
	probes, err := d.probes(ctx, c, say)
	if err != nil {
		return nil, err
	}
	say("suspending a recipient")
	suspended, err := d.suspend(ctx, d.busiest())
	if err != nil {
		return nil, err
	}
	say("checking")
	list, err := d.check(ctx, plan, time.Minute)
	if err != nil {
		return nil, err
	}
	list = together(append(append(list, drained, replaced, beside, suspended), probes...))
	say("changing records behind the product's back")
	tree, err := d.tamper(ctx, c.tampers())
	if err != nil {
		return list, err
	}
	list = append(list, tree)
	say("looking for secrets")
	hushed, err := d.hush(ctx)
	if err != nil {
		return list, err
	}
	list = append(list, hushed)
	for i, f := range list {
		list[i] = d.judge(f) // by this history: the restored database has another
	}
	say("letting others take over")
	over, err := d.takeover(ctx, takeovers)
	for _, f := range over {
		list = append(list, d.judge(f))
	}
	if err != nil {
		return list, err
	}
	say("restoring a backup")
	restored, err := d.restore(ctx, c.stops)
	list = append(list, restored)
	if c.keep != "" && err == nil {
		err = keepRegression(c.keep, regression(c.seed, plan, list))
	}
	return list, err
}

// probes makes the checks that need no plan of faults: L1, T1, X1, V3, V4. C1 needs
// programs whose clock can be set.
func (d *driver) probes(ctx context.Context, c config, say func(string, ...any)) ([]finding, error) {
	asks, troubles, hold := 250, bankTroubles, 3*time.Second
	if c.short {
		asks, troubles, hold = 40, []string{bankGarbage, bankForeign}, 1500*time.Millisecond
	}
	if c.part != nil {
		asks = 2000
	}
	list := []finding{{ID: "C1", What: whateverTheClock, NotRun: "these programs have the clock of the machine: FAULT=nightly and MUTANTS=1 set it"}}
	for _, p := range []struct {
		say  string
		make func() (finding, error)
	}{
		{"reading narrow consents", func() (finding, error) { return d.leak(ctx) }},
		{"asking for what is another's", func() (finding, error) { return d.tenant(ctx, asks) }},
		{"using what ends", func() (finding, error) { return d.expire(ctx, 10) }},
		{"troubling a bank", func() (finding, error) { return d.banks(ctx, troubles, 1500*time.Millisecond) }},
		{"asking for more than there is room for", func() (finding, error) { return d.overloaded(ctx, overloads, hold) }},
	} {
		say("%s", p.say)
		f, err := p.make()
		if err != nil {
			return list, fmt.Errorf("%s: %w", p.say, err)
		}
		list = append(list, f)
	}
	return list, nil
}

// tampers are the changes of records: a record that is added is found only
// after the ten seconds in which it might still get its leaf.
func (c config) tampers() *regexp.Regexp {
	if c.short {
		return regexp.MustCompile("^attended|^leaves")
	}
	return nil
}

// plan is what happens: the orders that once broke a promise, and then all
// faults in an order of the seed.
func (d *driver) plan(c config) ([]fault, error) {
	all := append(d.stack.faults(), d.overload())
	if c.short {
		return order(slices.DeleteFunc(all, func(f fault) bool { return !slices.Contains(shortPlan, f.name) }), c), nil
	}
	plan := order(all, c)
	if c.only.String() != "" || c.part != nil {
		return plan, nil
	}
	known, err := regressions(seeds, plan)
	return append(known, plan...), err
}

// shortPlan reaches every check once.
var shortPlan = []string{
	"redis killed and restarted empty again and again", "redis black hole for who stops", "postgres killed",
	"postgres black hole for gateway-a", "gateway-a killed", "callbacks refused", "server certificate replaced", "overload",
}

// exercise gives load while the plan happens, after a quiet time.
func (d *driver) exercise(ctx context.Context, c config, plan []fault, quiet time.Duration, say func(string, ...any)) error {
	loaded, endLoad := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer endLoad()
	total := 2 * quiet
	for _, f := range plan {
		total += max(f.hold, c.hold) + c.gap + 500*time.Millisecond
	}
	every := total / time.Duration(max(len(d.spare)-3*c.stops, 0)+1)
	if c.mutants {
		every = 400 * time.Millisecond
	}
	wg.Go(func() { d.load(loaded, c.rate) })
	wg.Go(func() { _ = d.pulse(loaded) }) // without it, nothing counts as a stall
	wg.Go(func() { d.watch(loaded, 250*time.Millisecond) })
	switch {
	case c.mutants && !c.calm:
		for range 4 {
			wg.Go(func() { d.races(loaded, every, 3*c.stops, false) })
		}
	case !c.calm:
		wg.Go(func() { d.races(loaded, max(every, 300*time.Millisecond), 3*c.stops, !c.short) })
	}
	switch {
	case !c.mutants:
		wg.Go(func() {
			d.repeat(loaded, 700*time.Millisecond, d.proofTwice, d.codeTwice, d.assertionTwice, d.proofTwice, d.requestTwice)
		})
	case c.use == "proof":
		wg.Go(func() { d.repeat(loaded, 200*time.Millisecond, d.proofTwice) })
	case c.use == "code":
		wg.Go(func() { d.repeat(loaded, 200*time.Millisecond, d.codeTwice) })
	case c.use == "request_uri":
		wg.Go(func() { d.repeat(loaded, 200*time.Millisecond, d.requestTwice) })
	case c.use == "assertion":
		wg.Go(func() { d.repeat(loaded, 200*time.Millisecond, d.assertionTwice) })
	}
	for _, name := range []string{"warm-up", calm} {
		d.history.mark(name, began)
		if err := rest(ctx, quiet); err != nil {
			return err
		}
		d.history.mark(name, ending)
	}
	for _, f := range plan {
		say("%s", f.name)
		if err := d.stack.play(ctx, d.history, f, c.hold); err != nil {
			return err
		}
		if err := rest(ctx, c.gap); err != nil {
			return err
		}
	}
	return nil
}

// calm is the time by which others are measured.
const calm = "calm"

func rest(ctx context.Context, t time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(t):
		return nil
	}
}

// order is the plan: every fault so often, in an order of the seed.
func order(all []fault, c config) []fault {
	all = slices.DeleteFunc(all, func(f fault) bool { return !c.only.MatchString(f.name) })
	r := rand.New(rand.NewPCG(c.seed, 1))
	var plan []fault
	for range c.rounds {
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		plan = append(plan, all...)
	}
	return plan
}

func newDriver(ctx context.Context, s *stack, c config) (*driver, error) {
	d := &driver{stack: s, history: newHistory(), keep: c.stops, sent: map[string][]string{}}
	s.sink.begin(d.history.began)
	var err error
	if d.apps, err = s.register(ctx, c.apps); err != nil {
		return nil, fmt.Errorf("register recipients: %w", err)
	}
	if d.people, err = s.enlist(c.people); err != nil {
		return nil, fmt.Errorf("enlist customers: %w", err)
	}
	dev := s.dev
	dev.Issuer, dev.GatewayBase = s.issuer, s.public
	core, err := dev.ResourceServer(0)
	if err != nil {
		return nil, err
	}
	if d.core, err = recipient.Connect(ctx, core); err != nil {
		return nil, err
	}
	d.teller, err = s.teller(ctx)
	return d, err
}

// check gathers what happened and checks it.
func (d *driver) check(ctx context.Context, plan []fault, patience time.Duration) ([]finding, error) {
	// What has to be told yet is told within a minute.
	var stored *rows
	var err error
	for end := time.Now().Add(patience); ; time.Sleep(500 * time.Millisecond) {
		if stored, err = readRows(ctx, d.stack.postgres, d.history); err != nil {
			return nil, err
		}
		got := map[string]bool{}
		for _, n := range d.stack.sink.deliveries() {
			if n.Taken {
				got[consentOf(n.Body)] = true
			}
		}
		missing := slices.ContainsFunc(stored.Stops, func(s stopped) bool { return !got[s.Consent] })
		if !missing || time.Now().After(end) {
			break
		}
	}
	if err := d.history.write(filepath.Join(d.stack.dir, "history.jsonl")); err != nil {
		return nil, err
	}
	ops, marks := d.history.all()
	by := map[string]fault{}
	for _, f := range plan {
		by[f.name] = f
	}
	troubled := slices.DeleteFunc(spans(marks, starting, healed), func(s span) bool { return s.fault == calm })
	var darks []dark
	effective, whole := spans(marks, began, ending), spans(marks, starting, healed)
	var caches, calms []span
	down := map[string][]span{}
	for _, s := range effective {
		f := by[s.fault]
		if s.fault == calm {
			calms = append(calms, s)
		}
		if f.cache {
			caches = append(caches, s)
		}
		if f.dark != nil {
			i := slices.IndexFunc(whole, func(w span) bool { return w.fault == s.fault && w.begin <= s.begin && w.end >= s.end })
			darks = append(darks, dark{s, whole[i].end, f.bank, f.dark})
		}
	}
	for _, s := range whole {
		for _, name := range by[s.fault].down {
			down[name] = append(down[name], s)
		}
	}
	stalls := d.history.stood()
	calmly := fair(ops, stalls)
	list := []finding{
		checkRevoke(ops, troubled),
		checkAudit(ops, stored.Records),
		checkOnce(ops, slices.Concat(troubled, stalls)),
		checkNotify(d.stops(stored, troubled), d.told(ctx)),
		checkCacheDown(calmly, caches, calms),
		checkDark(calmly, darks),
		checkHealth(calmly, down),
		checkKeys(calmly, named(effective, by, func(f fault) bool { return f.keys })),
		checkOverload(calmly, named(effective, by, func(f fault) bool { return f.overload })),
	}
	if len(stalls) > 0 {
		stood := time.Duration(0)
		for _, s := range stalls {
			stood += s.end - s.begin
		}
		list[0].note("the machine itself stood still %d times, %v in all: %d operations are not judged by their time",
			len(stalls), stood.Round(time.Millisecond), len(ops)-len(calmly))
	}
	if d.lost > 0 {
		return nil, fmt.Errorf("%d operations were not sent at this rate: %w", d.lost, errVoid)
	}
	return list, nil
}

// named are the spans of faults of a kind.
func named(all []span, by map[string]fault, is func(fault) bool) []span {
	return slices.DeleteFunc(slices.Clone(all), func(s span) bool { return !is(by[s.fault]) })
}

func consentOf(body []byte) string {
	var n recipient.Notification
	if json.Unmarshal(body, &n) != nil {
		return ""
	}
	return n.Payload.ID
}

// told reads what came to the callbacks.
func (d *driver) told(ctx context.Context) []told {
	by := map[string]*app{}
	for _, a := range d.apps {
		by[a.id] = a
	}
	var list []told
	for _, x := range d.stack.sink.deliveries() {
		t := told{At: x.At, Recipient: x.Recipient, Taken: x.Taken, Consent: consentOf(x.Body)}
		if a := by[x.Recipient]; a == nil {
			t.Genuine = errors.New("there is no such recipient")
		} else if n, err := a.client.ReadNotification(ctx, x.Header, x.Body); err == nil {
			t.ID = n.ID
		} else if !strings.Contains(err.Error(), "iat is not now") { // it was: we are late
			t.Genuine = err
		} else {
			var n recipient.Notification
			_ = json.Unmarshal(x.Body, &n) // its signature is good
			t.ID = n.ID
		}
		list = append(list, t)
	}
	return list
}

// stops are the stored stops by the clock of the history.
func (d *driver) stops(stored *rows, faults []span) []toldStop {
	var list []toldStop
	for _, s := range stored.Stops {
		at := s.At.Sub(stored.Began)
		near := slices.ContainsFunc(faults, func(f span) bool { return at >= f.begin-6*time.Second && at <= f.end+3*time.Second })
		list = append(list, toldStop{s.Consent, at, !near})
	}
	return list
}

// errBroken: a promise was not kept, or nothing was tried.
var errBroken = errors.New("promises were broken")

// verdict is what a finding comes to, in words.
func (f finding) verdict() string {
	switch {
	case f.NotRun != "":
		return "NOT RUN: " + f.NotRun
	case len(f.Bad) > 0:
		return "BROKEN"
	case f.Trials == 0:
		return "NOT TRIED"
	case len(f.Void) > 0:
		return "NOT PROVEN, the machine was too slow"
	}
	return "kept"
}

// show prints findings.
func show(findings []finding) {
	for _, f := range findings {
		fmt.Printf("%-4s %s: %s (%d tried, %d bad)\n", f.ID, f.What, f.verdict(), f.Trials, len(f.Bad))
		for _, n := range f.Notes {
			fmt.Println("       " + n)
		}
		for i, b := range f.Bad {
			if i == 12 {
				fmt.Printf("     ! and %d more\n", len(f.Bad)-i)
				break
			}
			fmt.Println("     ! " + b)
		}
		for _, v := range f.Void {
			fmt.Println("     ? " + v)
		}
	}
}

// tell prints the findings, writes the report and fails if there is a bad one.
func tell(c config, findings []finding, begin time.Time) error {
	fmt.Println()
	if c.mutants {
		table(findings)
	} else {
		show(findings)
	}
	if c.report != "" {
		build, err := digestOf(c.bin, "authzd", "gatewayd", "headgate")
		if err != nil {
			return err
		}
		took := time.Since(begin).Round(time.Second).String()
		if err := writeReport(c.report, report{"", c.seed, build, begin.UTC(), took, findings}); err != nil {
			return err
		}
	}
	broken, void := 0, 0
	for _, f := range findings {
		switch {
		case f.NotRun != "", f.ok(), f.Trials == 0 && c.only.String() != "" && len(f.Bad) == 0:
		case len(f.Bad) > 0 || f.Trials == 0:
			broken++
		default:
			void++
		}
	}
	switch {
	case broken > 0:
		return fmt.Errorf("%d %w", broken, errBroken)
	case void > 0 && c.lenient:
		fmt.Printf("%d promises are not proven: %v\n", void, errVoid)
	case void > 0:
		return fmt.Errorf("%d promises are not proven: %w", void, errVoid)
	}
	return nil
}

// digestOf names a build by what its programs are.
func digestOf(dir string, programs ...string) (string, error) {
	sum := sha256.New()
	for _, name := range programs {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		_, err = io.Copy(sum, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}
