// The program matrix proves the prover: it starts a development stack for
// each fault that conformance cases have to notice, runs the groups of those
// cases and a sample of all others against it, and fails when a fault is not
// noticed by the cases that it names, or by any that it does not name.
//
//	matrix -headgate .cache/broken/headgate [-fault PATTERN] [-parallel 2]
//
// A fault names its cases by id: each has to fail. A pattern with * names
// cases that may fail, too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
}

func run(ctx context.Context) error {
	var o options
	flag.StringVar(&o.headgate, "headgate", ".cache/broken/headgate", "the program with all faults in it")
	only := flag.String("fault", "*", "only faults of this name; * stands for any characters")
	parallel := flag.Int("parallel", 2, "stacks at once")
	flag.BoolVar(&o.whole, "whole", false, "run all cases, not a sample of the unrelated ones")
	flag.Parse()
	faults, err := broken.Faults()
	if err != nil {
		return err
	}
	faults = slices.DeleteFunc(faults, func(f broken.Fault) bool {
		ok, err := path.Match(*only, f.Name)
		return err != nil || !ok || !ours(f)
	})
	if err := named(faults); err != nil {
		return err
	}
	// Nothing is proved by a deployment that fails without a fault.
	if wrong := try(ctx, broken.Fault{}, o); wrong != nil {
		return fmt.Errorf("without any fault: %w", wrong)
	}
	var (
		mu      sync.Mutex // guards the two
		wrong   []error
		done    int
		working sync.WaitGroup
	)
	next := make(chan broken.Fault)
	for range *parallel {
		working.Go(func() {
			for f := range next {
				begin := time.Now()
				err := try(ctx, f, o)
				mu.Lock()
				done++
				verdict := "caught"
				if err != nil {
					verdict = err.Error()
					wrong = append(wrong, fmt.Errorf("%s: %w", f.Name, err))
				}
				fmt.Printf("%3d of %d  %-28s %4.0f s  %s\n", done, len(faults), f.Name, time.Since(begin).Seconds(), verdict)
				mu.Unlock()
			}
		})
	}
	for _, f := range faults {
		if ctx.Err() == nil {
			next <- f
		}
	}
	close(next)
	working.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	fmt.Printf("%d faults, %d of them caught by their cases and by no others\n", len(faults), len(faults)-len(wrong))
	return errors.Join(wrong...)
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

// try runs the cases against a stack with the fault, and says what is wrong
// with the outcome.
func try(ctx context.Context, f broken.Fault, o options) error {
	home, err := os.MkdirTemp("", "headgate-broken-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	stack := exec.CommandContext(ctx, o.headgate, "dev", "--home", home, "--ephemeral", "--port-base", "0")
	stack.Env = append(os.Environ(), "HEADGATE_BROKEN="+f.Name)
	stack.Cancel = func() error { return stack.Process.Signal(syscall.SIGTERM) }
	stack.WaitDelay = time.Minute
	var log strings.Builder
	stack.Stdout, stack.Stderr = &log, &log
	if err := stack.Start(); err != nil {
		return fmt.Errorf("start stack: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stack.Wait() }()
	defer func() {
		// It may have ended by itself.
		if stack.Process.Signal(syscall.SIGTERM) == nil {
			<-ended
		}
	}()
	file := filepath.Join(home, "dev.json")
	if err := wait(ctx, file, ended); err != nil {
		return err
	}
	target, err := suite.ReadTarget(file)
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
			wrong = append(wrong, fmt.Errorf("unrelated: %s %s (%s)", r.ID, r.Status, strings.Join(r.Messages, "; ")))
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
