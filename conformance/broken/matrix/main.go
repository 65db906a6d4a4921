// The program matrix proves the prover: for each fault that conformance cases
// have to notice, it runs the groups of those cases and a sample of all others
// against a development stack that has the fault, and fails when a fault is not
// noticed by the cases that it names, or by any that it does not name.
//
//	matrix -headgate .cache/broken/headgate [-fault PATTERN] [-whole] [-report FILE] [-sample N -seed S]
//
// A fault names its cases by id: each has to fail. A pattern with * names
// cases that may fail, too.
//
// The report is JSON and is written after each fault. A second run with the
// same file and the same program does what was not caught yet. Programs that
// run at the same time do not meet: each has stacks, folders and ports of its
// own; give each a report of its own too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/headgate/headgate/conformance/broken"
	"github.com/headgate/headgate/conformance/cases"
	"github.com/headgate/headgate/conformance/suite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

// sample is how many of the cases outside the named groups are run: one of
// so many.
const sample = 10

// ready is how long a stack may take to come up.
const ready = 3 * time.Minute

type options struct {
	headgate string
	whole    bool
	only     string
	report   string
	sample   int
	seed     uint64
}

func run(ctx context.Context) error {
	var o options
	flag.StringVar(&o.headgate, "headgate", ".cache/broken/headgate", "the program with all faults in it")
	flag.StringVar(&o.only, "fault", "*", "only faults of this name; * stands for any characters")
	flag.BoolVar(&o.whole, "whole", false, "run all cases, not a sample of the unrelated ones")
	flag.StringVar(&o.report, "report", "", "write what became of each fault here, as JSON, and go on from what it holds")
	flag.IntVar(&o.sample, "sample", 0, "only so many of the faults, drawn by -seed; 0 for all")
	flag.Uint64Var(&o.seed, "seed", 0, "the draw of -sample; 0 for another one each day")
	flag.Parse()
	faults, err := broken.Faults()
	if err != nil {
		return err
	}
	faults = slices.DeleteFunc(faults, func(f broken.Fault) bool {
		ok, err := path.Match(o.only, f.Name)
		return err != nil || !ok || !ours(f)
	})
	if err := named(faults); err != nil {
		return err
	}
	faults = draw(faults, o, time.Now())
	kept, err := openReport(o.report, o.headgate)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(faults), func(f broken.Fault) bool { return kept.caught(f) })
	if len(left) < len(faults) {
		fmt.Printf("%d of %d faults were caught before, by this program\n", len(faults)-len(left), len(faults))
	}
	if len(left) > 0 {
		if err := each(ctx, left, o, kept); err != nil {
			return err
		}
	}
	return kept.summary(os.Stdout, faults)
}

// draw picks the sample, in the order of the names.
func draw(faults []broken.Fault, o options, now time.Time) []broken.Fault {
	if o.sample <= 0 || o.sample >= len(faults) {
		return faults
	}
	if o.seed == 0 {
		o.seed = uint64(now.Unix() / (24 * 60 * 60))
	}
	fmt.Printf("a sample of %d of %d faults, seed %d\n", o.sample, len(faults), o.seed)
	drawn := rand.New(rand.NewPCG(o.seed, 0)).Perm(len(faults))[:o.sample]
	slices.Sort(drawn)
	var out []broken.Fault
	for _, i := range drawn {
		out = append(out, faults[i])
	}
	return out
}

// each tries faults, one after the other.
func each(ctx context.Context, faults []broken.Fault, o options, kept *report) error {
	switchFile, err := os.CreateTemp("", "headgate-fault-")
	if err != nil {
		return err
	}
	switchFile.Close()
	defer os.Remove(switchFile.Name())
	shared, err := start(ctx, o.headgate, "@"+switchFile.Name())
	if err != nil {
		return err
	}
	defer shared.stop()
	// Nothing is proved by a deployment that fails without a fault.
	if wrong := try(ctx, broken.Fault{}, o, shared); wrong != nil {
		return fmt.Errorf("without any fault: %w", wrong)
	}
	for i, f := range faults {
		begin := time.Now()
		if err := os.WriteFile(switchFile.Name(), []byte(f.Name), 0o600); err != nil {
			return err
		}
		verdict, own := "caught", false
		err := try(ctx, f, o, shared)
		if err != nil {
			// Perhaps it is settled when a server starts, or something of the
			// fault before was left.
			err, own = alone(ctx, f, o), true
			verdict = "caught by a stack of its own"
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			verdict = err.Error()
		}
		took := time.Since(begin)
		if err := kept.add(entry{Fault: f.Name, Breaks: f.Breaks, Names: f.Caught, Caught: err == nil, Own: own, Seconds: took.Seconds(), Verdict: verdict}); err != nil {
			return err
		}
		fmt.Printf("%3d of %d  %-28s %4.0f s  %s\n", i+1, len(faults), f.Name, took.Seconds(), verdict)
	}
	return nil
}

// alone tries a fault on a stack that has it from the start.
func alone(ctx context.Context, f broken.Fault, o options) error {
	own, err := start(ctx, o.headgate, f.Name)
	if err != nil {
		return err
	}
	defer own.stop()
	return try(ctx, f, o, own)
}

// ours: the fault names cases, and not only invariants of other tests.
func ours(f broken.Fault) bool {
	return slices.ContainsFunc(f.Caught, func(s string) bool { return strings.Contains(s, ".") })
}

// named checks that every id is that of a case.
func named(faults []broken.Fault) error {
	var wrong []error
	for _, f := range faults {
		for _, id := range f.Caught {
			if strings.Contains(id, ".") && len(suite.Pick(cases.All(), nil, []string{id})) == 0 && !strings.Contains(id, "*") {
				wrong = append(wrong, fmt.Errorf("%s names the case %s, which does not exist", f.Name, id))
			}
		}
	}
	return errors.Join(wrong...)
}

// related are the cases to run for a fault: the groups that it names, and a
// sample of the others. Those that wait are left out, unless named.
func related(f broken.Fault, whole bool) []suite.Case {
	var groups []string
	for _, id := range f.Caught {
		group, _, _ := strings.Cut(id, ".")
		groups = append(groups, group)
	}
	n := 0
	return slices.DeleteFunc(cases.All(), func(c suite.Case) bool {
		if slices.Contains(f.Caught, c.ID) {
			return false
		}
		if c.Waits {
			return true
		}
		n++
		return !whole && !slices.Contains(groups, c.Group()) && n%sample != 0
	})
}

// stack is a running development stack.
type stack struct {
	home  string
	cmd   *exec.Cmd
	ended chan error
}

// start brings a stack up with HEADGATE_BROKEN as it is given.
func start(ctx context.Context, headgate, fault string) (*stack, error) {
	home, err := os.MkdirTemp("", "headgate-broken-")
	if err != nil {
		return nil, err
	}
	s := &stack{home: home, ended: make(chan error, 1)}
	s.cmd = exec.CommandContext(ctx, headgate, "dev", "--home", home, "--ephemeral", "--port-base", "0", "--one-time-minutes", "1")
	s.cmd.Env = append(os.Environ(), "HEADGATE_BROKEN="+fault)
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = time.Minute
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start stack: %w", err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	if err := wait(ctx, filepath.Join(home, "dev.json"), s.ended); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// stop ends the stack and forgets it.
func (s *stack) stop() {
	// It may have ended by itself.
	if s.cmd.Process.Signal(syscall.SIGTERM) == nil {
		<-s.ended
	}
	os.RemoveAll(s.home) //nolint:errcheck // a temporary folder
}

// try runs the cases of a fault against a stack, and says what is wrong with
// the outcome.
func try(ctx context.Context, f broken.Fault, o options, s *stack) error {
	target, err := suite.ReadTarget(filepath.Join(s.home, "dev.json"))
	if err != nil {
		return err
	}
	report, err := suite.Run(ctx, related(f, o.whole), suite.Options{Target: target, Parallel: 4})
	if err != nil {
		return err
	}
	return judge(f, report)
}

func wait(ctx context.Context, file string, ended chan error) error {
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
		select {
		case <-every.C:
		case err := <-ended:
			ended <- err
			return fmt.Errorf("the stack ended: %w", err)
		case <-ctx.Done():
			return errors.New("the stack did not come up")
		}
	}
}

// judge compares what failed with what the fault names.
func judge(f broken.Fault, report suite.Report) error {
	var wrong []error
	failed := map[string]bool{}
	any := false
	for _, r := range report.Results {
		if r.Status != suite.Failed && r.Status != suite.NotRun {
			continue
		}
		failed[r.ID] = true
		covered := slices.ContainsFunc(f.Caught, func(p string) bool {
			ok, err := path.Match(p, r.ID)
			return err == nil && ok
		})
		if any = any || covered; !covered {
			wrong = append(wrong, fmt.Errorf("unrelated: %s %s (%s)", r.ID, r.Status, strings.Join(append(r.Messages, r.Notes...), "; ")))
		}
	}
	for _, id := range f.Caught {
		if strings.Contains(id, ".") && !strings.Contains(id, "*") && !failed[id] {
			wrong = append(wrong, fmt.Errorf("not noticed by %s", id))
		}
	}
	if f.Name != "" && !any {
		wrong = append(wrong, errors.New("not noticed at all"))
	}
	return errors.Join(wrong...)
}
