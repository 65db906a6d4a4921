package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// Config configures a run.
type Config struct {
	// Home is the state folder that bench.json is written to; it is created.
	// While the run lasts it also holds the database, so its disk is the one
	// that is measured. Required.
	Home string
	// Seconds is how long each line is measured in each round, 1 to 30; 1
	// when zero. Proofs are made beforehand: they take memory and grow old.
	Seconds int
	// Callers is how many connections ask at the same time, 1 to 1,000; 64
	// when zero.
	Callers int
	// Out gets progress lines and the table; nil is silent.
	Out io.Writer
	// Only restricts the run to lines whose names begin with one of these, and
	// to what they are compared with; nil runs them all.
	Only []string
	// Scale is the part of a full-size bank that the lines about growth have:
	// 1 is a million tokens and grants, ten million access records and an
	// account with a hundred thousand transactions, which take many minutes to
	// make. 0 leaves these lines out.
	Scale float64
	// Lanes is the number of lanes of the gate behind reads; 0 is what the
	// gateway has.
	Lanes int
	// Profile is a folder that gets a CPU profile of the gateway for each
	// line, as NAME.pprof; empty takes none.
	Profile string
}

// rounds is how often each line is measured. The lines take turns, and each
// round begins at another reference, so that a busy spell of the machine does
// not hit the same line every time. A line and its reference are compared
// within a round, some seconds apart: short rounds and many of them, because
// machines grow faster and slower by a third within a minute.
const rounds = 9

// Run measures every line, prints the table and writes bench.json. It starts
// a private PostgreSQL and a Redis and leaves nothing of them. Figures never
// make it fail; an answer other than the expected one does. Without an
// installed PostgreSQL the error is services.ErrNoPostgres.
func Run(ctx context.Context, c Config) error {
	c.Seconds, c.Callers = cmp.Or(c.Seconds, 1), cmp.Or(c.Callers, 64)
	if c.Out == nil {
		c.Out = io.Discard
	}
	switch {
	case c.Home == "":
		return errors.New("bench: Home is required")
	case c.Seconds < 1 || c.Seconds > 30:
		return errors.New("bench: a line is measured for 1 to 30 seconds")
	case c.Callers < 1 || c.Callers > 1000:
		return errors.New("bench: there are 1 to 1,000 callers")
	case c.Scale < 0 || c.Scale > 1:
		return errors.New("bench: the scale is 0 to 1")
	}
	if err := run(ctx, c, time.Duration(c.Seconds)*time.Second, rounds); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// say writes a progress line.
func (c Config) say(text string) { fmt.Fprintln(c.Out, "bench: "+text) }

func run(ctx context.Context, c Config, each time.Duration, rounds int) (err error) {
	if c.Home, err = filepath.Abs(c.Home); err != nil {
		return err
	}
	for _, dir := range []string{c.Home, c.Profile} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	report := Report{Machine: Machine{
		Started: time.Now().UTC().Format(time.RFC3339), System: runtime.GOOS + "/" + runtime.GOARCH,
		Cores: runtime.NumCPU(), Go: runtime.Version(),
		Callers: c.Callers, Seconds: each.Seconds(), Rounds: rounds, Scale: c.Scale,
	}}
	report.Machine.Load[0] = loadAverage()
	s, err := start(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	report.Machine.PostgreSQL, report.Machine.Redis = s.version, s.redis.Kind()

	g, err := startGenerator(ctx)
	if err != nil {
		return err
	}
	lines, err := s.lines(ctx, c, g)
	if err == nil {
		report.Lines, report.Machine.Again, err = measure(ctx, c, lines, s.meter(), each, rounds)
	}
	if err == nil {
		report.Steady, err = c.steadily(ctx, lines, s.meter(), each)
	}
	if err == nil {
		c.say("counting round trips, with one caller")
		var counts map[string]RoundTrips
		counts, err = s.count(ctx, c, g, min(each, counting))
		for i, l := range report.Lines {
			if trips, counted := counts[l.Name]; counted {
				report.Lines[i].RoundTrips = &trips
			}
		}
	}
	if err := errors.Join(err, g.close()); err != nil {
		return err
	}
	report.Machine.Load[1] = loadAverage()
	if err := report.print(c.Out); err != nil {
		return err
	}
	return report.write(c.Home)
}

// mostAgain is how many rounds of a run may be made again because something was
// put off: a disk that stands still for a second has reads answered 503, and
// says nothing about the line. More of them do.
const mostAgain = 5

// calmDown is how long the machine has before such a round.
const calmDown = 3 * time.Second

// measure runs all rounds and returns each line's median one, compared with its
// reference in all of them.
func measure(ctx context.Context, c Config, lines []line, m meter, each time.Duration, rounds int) (_ []Result, again int, err error) {
	all := make([][]Result, rounds)
	for round := range all {
		all[round] = make([]Result, len(lines))
		begin := first(lines, round*len(lines)/rounds)
		for turn := range lines {
			i := (begin + turn) % len(lines)
			r, err := lines[i].once(ctx, c, m, each)
			for putOff(err) && again < mostAgain && ctx.Err() == nil {
				again++
				c.say(fmt.Sprintf("%s again: %v", lines[i].name, err))
				time.Sleep(calmDown)
				r, err = lines[i].once(ctx, c, m, each)
			}
			if err != nil {
				return nil, again, fmt.Errorf("%s: %w", lines[i].name, err)
			}
			all[round][i] = r
			c.say(fmt.Sprintf("round %d of %d, %-36s %7.0f/s  p50 %6.2f ms  p99 %6.2f ms",
				round+1, rounds, r.Name, r.RequestsPerSecond, r.P50, r.P99))
		}
	}
	results := make([]Result, len(lines))
	for i := range lines {
		of := make([]Result, rounds)
		for round := range all {
			of[round] = all[round][i]
		}
		slices.SortFunc(of, func(a, b Result) int { return cmp.Compare(a.RequestsPerSecond, b.RequestsPerSecond) })
		results[i] = of[(rounds-1)/2]
	}
	relate(results, all)
	return results, again, nil
}

// putOff reports whether a round failed for a 503. The generator is a process of
// its own, so its errors are texts.
func putOff(err error) bool { return err != nil && strings.Contains(err.Error(), "answered 503") }

// first returns the next line from i on that is a reference: a round that began
// behind one would measure it last.
func first(lines []line, i int) int {
	for i < len(lines) && lines[i].reference != lines[i].name {
		i++
	}
	return i % len(lines)
}

// once measures one round of a line.
func (l line) once(ctx context.Context, c Config, m meter, each time.Duration) (_ Result, err error) {
	var profile *os.File
	var before usage
	a, err := l.measure(ctx, each, func() (err error) {
		runtime.GC() // what the line before left is not collected on this one's clock
		if c.Profile != "" {
			if profile, err = os.Create(filepath.Join(c.Profile, l.name+".pprof")); err == nil {
				err = pprof.StartCPUProfile(profile)
			}
		}
		if err == nil {
			before, err = m.read()
		}
		return err
	})
	after, err2 := m.read()
	if profile != nil {
		pprof.StopCPUProfile()
		err2 = errors.Join(err2, profile.Close())
	}
	if err := errors.Join(err, err2); err != nil {
		return Result{}, err
	}
	if a.Count == 0 {
		return Result{}, errors.New("nothing was answered")
	}
	n := float64(a.Count)
	return Result{
		Name: l.name, Reference: l.reference, Body: l.body,
		RequestsPerSecond: n / a.Elapsed.Seconds(), P50: milliseconds(a.P50), P99: milliseconds(a.P99),
		CPU: CPU{
			Gateway:    microseconds(after.gateway-before.gateway) / n,
			PostgreSQL: perOperation(after.postgres, before.postgres, n),
			Redis:      perOperation(after.redis, before.redis, n),
		},
		Bytes: float64(after.bytes-before.bytes) / n, Allocs: float64(after.mallocs-before.mallocs) / n,
	}, nil
}

// loadAverage returns that of the last minute, "" when the system does not
// tell.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// perOperation returns microseconds per operation, nil when unknown.
func perOperation(after, before *time.Duration, n float64) *float64 {
	if after == nil || before == nil {
		return nil
	}
	v := microseconds(*after-*before) / n
	return &v
}
