package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
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
	use    string   // which things are used several times; "" is none
	probe  string   // the check that is made by itself, without a plan
	at     string   // which changes of the records, for A2; which trouble, for V3; which overload, for V4
	mend   string   // SQL that takes back what a migration did, for M1
	then   string   // drain, restore or nothing: what comes after
	caught []string // checks, each of which must notice
}

// sound are products that are not broken, for every check that a mutant is tried
// on: nobody may notice anything.
var sound = []mutant{
	{happen: "^redis killed$|^gateway-a killed$", use: "proof"},
	{probe: "L1"}, {probe: "T1"}, {probe: "X1"}, {probe: "V3", at: bankFrozen}, {probe: "A2", at: "^attended|^leaves|^record"},
	{probe: "C1", on: "clock-skewed"}, {probe: "V4"}, {probe: "R2"}, {probe: "M1"},
	{on: "dies-before-commit"}, {on: "dies-after-commit"}, {on: "dies-in-answer"}, {on: "dies-after-stop"}, {on: "dies-after-tokens", use: "code"},
	{probe: "K1"}, {probe: "K2"}, {probe: "R1", at: redisTwice}, {probe: "R1", at: standbyOwn},
}

// theMutants are what the checks are tried on.
var theMutants = []mutant{
	{on: "gate-not-asked", happen: "^redis black hole for who stops$", hold: 8 * time.Second, caught: []string{"R1"}},
	{on: "gate-not-asked,cache-not-told", caught: []string{"R1"}}, // cache-aside
	{on: "cache-not-told", caught: []string{"R1"}},
	{on: "cache-no-generation", pause: "cache-no-generation=150ms", happen: "^redis emptied", hold: 8 * time.Second, caught: []string{"R1"}},
	{on: "answer-before-commit", pause: "answer-before-commit=40ms", caught: []string{"R1"}},
	{on: "stop-does-not-wait", happen: "^redis black hole for gateway-", hold: 3 * time.Second, caught: []string{"R1"}},
	{on: "copy-believed", probe: "R1", at: redisLags, caught: []string{"R1"}},
	{on: "copy-believed", probe: "R1", at: redisTwice, caught: []string{"R1"}},
	{on: "commit-not-awaited", probe: "R1", at: standbyOwn, caught: []string{"R1"}},
	{on: "look-not-awaited", probe: "R1", at: standbyOwn, caught: []string{"R1"}},
	{on: "record-later", pause: "record-later=100ms", happen: "^gateway-a killed$|^postgres black hole for all$", caught: []string{"A1", "V2"}},
	{on: "commit-not-awaited", happen: "^postgres killed$", caught: []string{"A1"}},
	{on: "retry-under-new-id", happen: "^postgres connections ended$|^postgres refuses", caught: []string{"A1"}},
	{on: "serves-unrecorded", happen: "^postgres black hole for gateway-a$", caught: []string{"A1", "V2"}},
	{on: "ready-asks-redis", happen: "^redis killed$", caught: []string{"H1"}},
	{on: "redis-default-options", happen: "^redis frozen$", caught: []string{"V1"}},
	{on: "redis-required", happen: "^redis killed$", caught: []string{"V1"}},
	{on: "told-once", happen: "^callbacks refused$", caught: []string{"R3"}},
	{on: "proof-in-redis-only", use: "proof", caught: []string{"I1"}},
	{on: "code-not-compared", use: "code", caught: []string{"I1"}},
	{on: "request-uri-not-compared", use: "request_uri", caught: []string{"I1"}},
	{on: "assertion-replay", use: "assertion", caught: []string{"I1"}},
	{on: "account-filter", probe: "L1", caught: []string{"L1"}},
	{on: "account-fields", probe: "L1", caught: []string{"L1"}},
	{on: "lookback-not-clipped", probe: "L1", caught: []string{"L1"}},
	{on: "consent-of-stranger", probe: "T1", caught: []string{"T1"}},
	{on: "stranger-told", probe: "T1", caught: []string{"T1"}},
	{on: "stop-of-stranger", probe: "T1", caught: []string{"T1"}},
	{on: "ends-late", probe: "X1", caught: []string{"X1"}},
	{on: "bank-unbounded", probe: "V3", at: bankFrozen, caught: []string{"V3"}},
	{on: "bank-foreign-passed", probe: "V3", at: bankForeign, caught: []string{"V3"}},
	{on: "queue-unbounded", probe: "V4", at: placesHeld, caught: []string{"V4"}},
	{on: "stop-in-same-lane", probe: "V4", at: placesHeld, caught: []string{"V4"}},
	{on: "quota-not-kept", probe: "V4", at: greedy, caught: []string{"V4"}},
	{on: "recipient-not-joined", probe: "R2", caught: []string{"R2"}},
	{on: "suspension-not-told", probe: "R2", caught: []string{"R2"}},
	{on: "migration-takes-away", probe: "M1", mend: "ALTER TABLE access_record DROP COLUMN region", caught: []string{"M1"}},
	{on: "leaf-without-attended", probe: "A2", at: "^attended", caught: []string{"A2"}},
	{on: "added-rows-pass", probe: "A2", at: "^record added", caught: []string{"A2"}},
	{on: "roots-not-compared", probe: "A2", at: "^leaves swapped", caught: []string{"A2"}},
	{on: "sequencer-not-compared", pause: "sequencer-not-compared=900ms", probe: "A2", at: "^two keepers", caught: []string{"A2"}},
	// Before the gate, whoever answered judges by its own clock.
	{on: "clock-skewed,gate-not-asked,ends-by-own-clock", probe: "C1", caught: []string{"C1"}},
	{on: "clock-skewed,ends-by-own-clock", probe: "C1", caught: []string{"C1"}},
	{on: "clock-skewed,dpop-replay", probe: "C1", caught: []string{"C1"}},
	{on: "hash-keys-newest-only", probe: "K1", caught: []string{"K1"}},
	{on: "seal-keys-newest-only", probe: "K1", caught: []string{"K1"}},
	{on: "page-keys-newest-only", probe: "K1", caught: []string{"K1"}},
	{on: "client-authority-first-only", probe: "K1", caught: []string{"K1"}},
	{on: "certificate-read-once", probe: "K1", caught: []string{"K1"}},
	{on: "key-signs-unpublished", probe: "K1", caught: []string{"K1"}},
	{on: "key-retired-at-once", probe: "K1", caught: []string{"K1"}},
	{on: "key-never-retired", probe: "K1", caught: []string{"K1"}},
	{on: "headers-in-log", probe: "K2", caught: []string{"K2"}},
	{on: "proof-in-log", probe: "K2", caught: []string{"K2"}},
	{on: "password-in-log", probe: "K2", caught: []string{"K2"}},
	{on: "token-unhashed", probe: "K2", caught: []string{"K2"}},
	{on: "clock-skewed,clock-not-compared", probe: "C1", caught: []string{"C1"}},
	{on: "no-lame-duck", then: "drain", caught: []string{"D1"}},
	// The last: the data is another afterwards.
	{on: "suspension-not-noted", then: "restore", caught: []string{"B1"}},
	{on: "restored-unseen", then: "restore", caught: []string{"B1"}},
}

// dies: nothing is broken but for a process that is killed at one point of its
// work.
func (m mutant) dies() bool { return strings.HasPrefix(m.on, "dies-") }

// mostTries is how often a mutant is exercised until it is noticed: a race that
// a busy machine does not run into is none that a check has missed.
const mostTries = 6

// mutants exercises one broken product after the other on the same data, each
// only with what the check that must notice it looks at. A finding is one
// mutant: it is bad when a check that must notice has not. The first one is not
// broken and must not be noticed.
func (d *driver) mutants(ctx context.Context, c config, say func(string, ...any)) ([]finding, error) {
	var list []finding
	var err error
	if d.signing, err = os.ReadFile(d.stack.signingKeys()); err != nil {
		return nil, err
	}
	for _, m := range append(slices.Clone(sound), theMutants...) {
		f := finding{ID: m.on, What: strings.Join(m.caught, " and "), Trials: 1}
		if m.caught == nil {
			f.ID, f.What = "(sound "+cmp.Or(m.probe, m.on)+")", "nobody"
		}
		if !c.only.MatchString(f.ID) && !slices.ContainsFunc(m.caught, c.only.MatchString) {
			continue
		}
		tries := 0
		begin := time.Now()
		missed := m.caught
		for len(missed) > 0 && tries < mostTries || tries == 0 {
			tries++
			found, err := d.broken(ctx, c, m)
			if err != nil && (tries == mostTries || ctx.Err() != nil) {
				return list, fmt.Errorf("%s: %w", f.ID, err)
			}
			f.Notes = nil
			if err != nil { // of the bench: a process that did not come in time
				f.note("try %d: %v", tries, err)
				missed = []string{"nobody, yet,"}
				continue
			}
			missed = slices.Clone(m.caught)
			for _, one := range found {
				// With a broken product what is late is broken as well: whether
				// the machine had the time is asked of the sound one.
				one = one.settle(m.caught == nil && d.judge(finding{Late: []string{"?"}}).Void != nil)
				if m.caught == nil && (m.probe != "" || m.dies() && one.Trials > 0) {
					f.Notes = append(append(f.Notes, one.Notes...), one.Void...) // its figures, and what the machine was too slow for
				}
				if len(one.Bad) == 0 {
					continue
				}
				missed = slices.DeleteFunc(missed, func(id string) bool { return id == one.ID })
				f.note("%s (%d of %d): %s", one.ID, len(one.Bad), one.Trials, one.Bad[0])
				if m.caught == nil {
					f.bad("%s: the product is not broken", one.ID)
				}
			}
			for _, id := range missed {
				f.note("%s has not noticed at try %d", id, tries)
			}
		}
		for _, id := range missed {
			f.bad("%s has not noticed", id)
		}
		f.Took, f.Tries = time.Since(begin).Round(100*time.Millisecond).String(), tries
		say("%s", f.row())
		list = append(list, f)
	}
	return list, nil
}

// row says what became of a mutant.
func (f finding) row() string {
	became := "caught"
	switch sound := strings.HasPrefix(f.ID, "(sound"); {
	case sound && len(f.Bad) == 0:
		became = "unnoticed"
	case sound:
		became = "NOTICED"
	case len(f.Bad) > 0:
		became = "MISSED"
	}
	return fmt.Sprintf("%-30s %-10s %-10s %8s  tries: %d", f.ID, f.What, became, f.Took, f.Tries)
}

// table is what a run with mutants ends with: a row each, and what they were
// noticed by.
func table(findings []finding) {
	caught, mutants := 0, 0
	for _, f := range findings {
		fmt.Println(f.row())
		for _, n := range f.Notes {
			fmt.Println("       " + n[:min(len(n), 200)])
		}
		if !strings.HasPrefix(f.ID, "(sound") {
			mutants++
			if len(f.Bad) == 0 {
				caught++
			}
		}
	}
	fmt.Printf("%d of %d mutants caught\n", caught, mutants)
}

// broken runs one of them and returns what was found.
func (d *driver) broken(ctx context.Context, c config, m mutant) ([]finding, error) {
	s := d.stack
	if m.probe == "A2" {
		for _, name := range []string{gatewayA, gatewayB, authzd} {
			s.procs[name].kill()
		}
		if err := d.plant(ctx); err != nil {
			return nil, err
		}
	}
	if m.then == "restore" {
		// What a mutant has lost is in the journal, and would be found missing.
		if err := errors.Join(os.RemoveAll(s.journal()), os.MkdirAll(s.journal(), 0o700)); err != nil {
			return nil, err
		}
	}
	if m.probe == "K2" {
		if err := s.blank(); err != nil {
			return nil, err
		}
	}
	if m.probe == "K1" {
		// Each leaves keys behind, and a file holds no more than twenty.
		if err := putFile(s.signingKeys(), d.signing); err != nil {
			return nil, err
		}
	}
	on := m.on
	if m.dies() {
		on = "@" + s.doom()
		if err := s.die(""); err != nil {
			return nil, err
		}
	}
	if err := s.again("HEADGATE_BROKEN="+on, "HEADGATE_PAUSE="+m.pause); err != nil {
		return nil, err
	}
	d.forget()
	if len(d.spare) < 200 {
		more, err := d.stock(ctx, d.many(400), nil)
		if err != nil {
			return nil, err
		}
		d.spare = append(d.spare, more...)
	}
	if m.probe != "" {
		return d.probed(ctx, m)
	}
	var plan []fault
	if m.happen != "" {
		these := c
		these.only, these.rounds = regexp.MustCompile(m.happen), 1
		plan = order(s.faults(), these)
	}
	patience, deaths := 12*time.Second, 0
	if m.dies() {
		plan, patience = []fault{s.dying(m.on, &deaths)}, time.Minute
	}
	// Consents to be stopped are those of the checks that look at stops.
	c.calm = m.caught != nil && !slices.Contains(m.caught, "R1") && !slices.Contains(m.caught, "R3")
	c.hold, c.gap, c.use = max(2500*time.Millisecond, m.hold), time.Second, m.use
	quiet := 1200 * time.Millisecond
	if m.then == "" {
		if err := d.exercise(ctx, c, plan, quiet, func(string, ...any) {}); err != nil {
			return nil, err
		}
		list, err := d.check(ctx, plan, patience)
		if m.dies() {
			f := finding{ID: m.on, Trials: deaths}
			f.note("%d times", deaths)
			if deaths < leastDeaths {
				f.bad("it died %d times", deaths)
			}
			list = append(list, f)
		}
		return list, err
	}
	var one finding
	var err error
	if m.then == "drain" {
		one, err = d.drain(ctx, "D1", c.restarts, c.requests)
	} else {
		one, err = d.restore(ctx, c.stops)
	}
	return []finding{one}, err
}

// probed makes one of the checks that need no plan.
func (d *driver) probed(ctx context.Context, m mutant) ([]finding, error) {
	var f finding
	var err error
	switch m.probe {
	case "L1":
		f, err = d.leak(ctx)
	case "T1":
		f, err = d.tenant(ctx, 20)
	case "X1":
		f, err = d.expire(ctx, 12)
	case "C1":
		f, err = d.clocks(ctx, m.on, 12)
	case "K1":
		f, err = d.replace(ctx, 0)
	case "K2":
		f, err = d.hush(ctx)
	case "V4":
		ways := overloads
		if m.at != "" {
			ways = []string{m.at}
		}
		f, err = d.overloaded(ctx, ways, 1500*time.Millisecond)
	case "R2":
		f, err = d.suspendForNow(ctx)
	case "M1":
		f, err = d.upgrade(ctx, m.mend)
	case "V3":
		f, err = d.banks(ctx, []string{m.at}, 2*time.Second)
	case "R1":
		list, err := d.takeover(ctx, []string{m.at})
		return list, err
	case "A2":
		loaded, end := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { d.load(loaded, 80) })
		if strings.Contains(m.at, "two keepers") {
			err = d.twoKeepers(ctx, 13*time.Second) // until a checkpoint has been signed over it
		} else {
			err = rest(ctx, 1500*time.Millisecond)
		}
		end()
		wg.Wait()
		if err == nil {
			f, err = d.tamper(ctx, regexp.MustCompile(m.at))
		}
	default:
		err = fmt.Errorf("there is no probe %q", m.probe)
	}
	return []finding{f}, err
}

// blank empties the logs and Redis: what one mutant has left there is none of
// the next one's.
func (s *stack) blank() error {
	faults := []error{s.redis.do("FLUSHALL")}
	for name := range s.procs {
		s.procs[name].kill()
		if err := os.Remove(filepath.Join(s.dir, name+".log")); !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// again starts the product's processes anew with another environment, and with
// nothing in their way: a plan that was broken off may have left something. The
// second authorization server is ended.
func (s *stack) again(env ...string) error {
	for _, edges := range []map[string]*proxy{s.toPostgres, s.toRedis} {
		for _, p := range edges {
			if err := p.set(trouble{}); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{gatewayA, gatewayB, authzd} {
		s.procs[name].signal(syscall.SIGCONT)
		s.procs[name].kill()
		s.procs[name].env = env
	}
	s.procs[authzdB].kill()
	s.procs[authzdB].env, s.env = env, env // and the tools
	for _, name := range []string{authzd, gatewayA, gatewayB} {
		if err := s.bring(name); err != nil {
			return err
		}
	}
	return nil
}
