package suite

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Status is how a case ended.
type Status string

// The statuses.
const (
	Passed Status = "passed"
	Failed Status = "failed"
	// NotRun is a case that could not do what comes before its point: a
	// failure of which nothing more is known.
	NotRun Status = "not-run"
	// NotApplicable is a case that needs a claim which the target does not
	// make.
	NotApplicable Status = "not-applicable"
)

// Result is what became of one case.
type Result struct {
	ID       string   `json:"id"`
	Group    string   `json:"group"`
	Title    string   `json:"title"`
	Spec     string   `json:"spec"`
	Source   Source   `json:"source"`
	Severity Severity `json:"severity"`
	Mend     string   `json:"mend"`
	Status   Status   `json:"status"`
	// Messages say what was wrong, or why the case could not run or does not
	// apply.
	Messages []string `json:"messages,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	// Checks is how many things were compared.
	Checks int     `json:"checks"`
	Millis float64 `json:"ms"`
	// Exchanges are in the results that did not pass.
	Exchanges []Exchange `json:"exchanges,omitempty"`
	Requests  int        `json:"requests"`
}

// Bad reports whether the result fails the run: a may fails none.
func (r Result) Bad() bool {
	return (r.Status == Failed || r.Status == NotRun) && r.Severity != May
}

// Report is the outcome of one run.
type Report struct {
	Target   string    `json:"target"`
	Issuer   string    `json:"issuer"`
	Claims   []Claim   `json:"claims"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`
	Requests int       `json:"requests"`
	Results  []Result  `json:"results"`
}

// Count tells how many results have the status.
func (r Report) Count(s Status) (n int) {
	for _, one := range r.Results {
		if one.Status == s {
			n++
		}
	}
	return n
}

// Bad reports whether the run failed.
func (r Report) Bad() bool { return slices.ContainsFunc(r.Results, Result.Bad) }

// Options say how to run.
type Options struct {
	// Target is required.
	Target *Target
	// Groups and IDs narrow the run to cases of these groups and with these
	// IDs; in both, * stands for any characters. Nil for all.
	Groups, IDs []string
	// Parallel is how many cases run at once. The zero value means 4.
	Parallel int
	// StateFile has every result as one line of JSON as soon as it is there;
	// results that it holds already are taken over and their cases do not
	// run again, unless they did not pass. "" for none.
	StateFile string
	// Patience is how long one case may take. The zero value means 3 minutes.
	Patience time.Duration
	// Done is called with each result, one at a time; nil for not.
	Done func(result Result, done, of int)
}

// ErrNoCases means that no case is left by Groups and IDs.
var ErrNoCases = errors.New("no case matches: see headgate conformance list")

// Pick returns the cases that Groups and IDs leave, in their order.
func Pick(cases []Case, groups, ids []string) []Case {
	match := func(patterns []string, s string) bool {
		return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
			ok, err := path.Match(p, s)
			return err == nil && ok
		})
	}
	return slices.DeleteFunc(slices.Clone(cases), func(c Case) bool { return !match(groups, c.Group()) || !match(ids, c.ID) })
}

// Run runs cases against a target and returns what became of each, in the
// order of the cases. It returns an error only when it could not run at all:
// ErrNoCases, ErrTarget, ErrBounds or ErrUnreachable.
func Run(ctx context.Context, cases []Case, o Options) (Report, error) {
	if err := Check(cases); err != nil {
		return Report{}, err
	}
	cases = Pick(cases, o.Groups, o.IDs)
	if len(cases) == 0 {
		return Report{}, ErrNoCases
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.Patience <= 0 {
		o.Patience = 3 * time.Minute
	}
	w := &world{target: o.Target, wire: newWire(ctx, o.Target)}
	defer w.wire.close()
	defer w.chromium.close()
	if !w.wire.local() && !o.Target.OwnerAgreed {
		return Report{}, fmt.Errorf("%w: the target is not on this machine, and owner_agreed is not true", ErrBounds)
	}
	for _, list := range []struct {
		from []Recipient
		to   *[]*App
	}{{o.Target.Recipients, &w.apps}, {o.Target.ResourceServers, &w.rs}} {
		for _, r := range list.from {
			app, err := o.Target.load(r)
			if err != nil {
				return Report{}, fmt.Errorf("%w: %w", ErrTarget, err)
			}
			*list.to = append(*list.to, app)
		}
	}
	if err := w.wire.reach(ctx); err != nil {
		return Report{}, err
	}
	state, err := openState(o.StateFile)
	if err != nil {
		return Report{}, err
	}
	defer state.close()

	report := Report{Target: o.Target.Name, Issuer: o.Target.Issuer, Claims: o.Target.Claims, Started: time.Now(), Results: make([]Result, len(cases))}
	var (
		mu       sync.Mutex // guards done and what follows a result
		done     int
		alone    sync.RWMutex
		next     = make(chan int)
		working  sync.WaitGroup
		writeErr error
	)
	do := func(i int) {
		c := cases[i]
		result, known := state.known[c.ID]
		if !known {
			if c.Alone {
				alone.Lock()
			} else if !c.Waits {
				alone.RLock()
			}
			result = again(ctx, c, w, o.Patience)
			if c.Alone {
				alone.Unlock()
			} else if !c.Waits {
				alone.RUnlock()
			}
		}
		mu.Lock()
		report.Results[i] = result
		done++
		if !known && writeErr == nil {
			writeErr = state.add(result)
		}
		if o.Done != nil {
			o.Done(result, done, len(cases))
		}
		mu.Unlock()
	}
	for i, c := range cases {
		if c.Waits {
			working.Go(func() { do(i) })
		}
	}
	for range o.Parallel {
		working.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i, c := range cases {
		if c.Waits {
			continue
		}
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	working.Wait()
	report.Seconds = time.Since(report.Started).Seconds()
	for _, r := range report.Results {
		report.Requests += r.Requests
	}
	if err := ctx.Err(); err != nil {
		report.Results = slices.DeleteFunc(report.Results, func(r Result) bool { return r.ID == "" })
		return report, fmt.Errorf("the run was ended: %w", err)
	}
	return report, writeErr
}

// tries bounds how often a case is run that the deployment was too busy for.
const tries = 3

// again runs one case, and once more when it did not pass and the deployment
// had said 503: that is no answer to what the case asks. The result tells.
func again(ctx context.Context, c Case, w *world, patience time.Duration) Result {
	result := run(ctx, c, w, patience)
	requests := result.Requests
	for n := 1; n < tries && ctx.Err() == nil && busy(result); n++ {
		pause := time.NewTimer(time.Duration(n) * time.Second)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
		result = run(ctx, c, w, patience)
		requests += result.Requests
		result.Notes = append(result.Notes, fmt.Sprintf("run %d times: the deployment had answered 503", n+1))
	}
	result.Requests = requests
	return result
}

func busy(r Result) bool {
	return (r.Status == Failed || r.Status == NotRun) &&
		slices.ContainsFunc(r.Exchanges, func(e Exchange) bool { return e.Status == http.StatusServiceUnavailable })
}

// run runs one case in a goroutine of its own, which T's methods may end.
func run(ctx context.Context, c Case, w *world, patience time.Duration) Result {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t := &T{Target: w.target, ctx: ctx, world: w, record: &record{}}
	result := Result{ID: c.ID, Group: c.Group(), Title: c.Title, Spec: c.Spec, Source: c.From(), Severity: c.Severity, Mend: c.Mend}
	if result.Severity == "" {
		result.Severity = Must
	}
	begin := time.Now()
	var panicked string
	<-apart(func() {
		defer func() {
			if cause := recover(); cause != nil {
				panicked = fmt.Sprintf("the case panicked: %v\n%s", cause, debug.Stack())
			}
		}()
		t.Needs(c.Needs...)
		c.Run(t)
	})
	result.Millis = float64(time.Since(begin).Microseconds()) / 1000
	t.mu.Lock()
	defer t.mu.Unlock()
	result.Notes, result.Checks = t.notes, int(t.checks.Load())
	exchanges := t.record.all()
	result.Requests = len(exchanges)
	switch {
	case t.unfit != "":
		result.Status, result.Messages = NotApplicable, []string{t.unfit}
		return result
	case panicked != "":
		result.Status, result.Messages = NotRun, append(t.failed, panicked)
	case t.broken != "":
		result.Status, result.Messages = NotRun, append(t.failed, t.broken)
	case len(t.failed) > 0:
		result.Status, result.Messages = Failed, t.failed
	case result.Checks == 0:
		result.Status, result.Messages = NotRun, []string{"the case checked nothing"}
	default:
		result.Status = Passed
		return result
	}
	result.Exchanges = exchanges
	return result
}

// state is the file that lets an interrupted run go on.
type state struct {
	known map[string]Result
	file  *os.File
}

func openState(name string) (*state, error) {
	s := &state{known: map[string]Result{}}
	if name == "" {
		return s, nil
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state file: %w", err)
	}
	lines := bufio.NewReader(file)
	var whole int64
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // a line without an end was being written when the run ended
		}
		if err != nil {
			return nil, fmt.Errorf("read state file: %w", err)
		}
		whole += int64(len(line))
		var r Result
		if json.Unmarshal([]byte(line), &r) == nil && (r.Status == Passed || r.Status == NotApplicable) {
			s.known[r.ID] = r
		}
	}
	if err := errors.Join(file.Truncate(whole), seek(file, whole)); err != nil {
		return nil, fmt.Errorf("read state file: %w", err)
	}
	s.file = file
	return s, nil
}

func seek(file *os.File, to int64) error {
	_, err := file.Seek(to, io.SeekStart)
	return err
}

func (s *state) add(r Result) error {
	if s.file == nil {
		return nil
	}
	line, err := json.Marshal(r)
	if err == nil {
		_, err = s.file.WriteString(string(line) + "\n")
	}
	if err != nil {
		return fmt.Errorf("write state file: %w", err)
	}
	return nil
}

func (s *state) close() {
	if s.file != nil {
		s.file.Close() // every line was written or reported
	}
}

// Groups lists the groups of cases, in order of their first case.
func Groups(cases []Case) []string {
	var out []string
	for _, c := range cases {
		if g := c.Group(); !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}
