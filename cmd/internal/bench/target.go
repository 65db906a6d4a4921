package bench

import (
	"fmt"
	"strings"
)

// target is a figure to reach.
type target struct {
	what string
	// want is the figure, and most says that it is not to be exceeded;
	// otherwise it is the least.
	want float64
	most bool
	unit string
	// got returns the figure of a report; false when it has none.
	got func(Report) (float64, bool)
}

// hydra is what a well-known server introspected a second beside a plain
// handler that answered so often, both on two cores (docs/performance.md).
const hydra, besideHydra = 2_470.0, 54_000.0

// targets are the figures to reach.
func targets() []target {
	ratio := func(name string) func(Report) (float64, bool) {
		return func(r Report) (float64, bool) { l, ok := r.line(name); return l.Ratio, ok }
	}
	added := func(name string) func(Report) (float64, bool) {
		return func(r Report) (float64, bool) {
			l, ok := r.line(name)
			return l.Added, ok && l.Reference != l.Name
		}
	}
	const cert, key = "sandbox-certificate-gate", "sandbox-dpop-gate"
	return []target{
		{"introspection by certificate : plain handler; ten times the share of Ory Hydra on PostgreSQL", 10 * hydra / besideHydra, false, "", ratio(introspection)},
		{"page of 50 from PostgreSQL, certificate-bound, gate on : without checks", 0.65, false, "", ratio(cert)},
		{"the same, DPoP-bound", 0.55, false, "", ratio(key)},
		{"page of 50 from memory, certificate-bound, gate off : without checks", 0.50, false, "", ratio("memory-certificate")},
		{"the same, DPoP-bound", 0.25, false, "", ratio("memory-dpop")},
		{"gate in batches : one statement per read, 128 callers", 3, false, "", ratio(gateBatched)},
		{"processor time added per read, certificate-bound, gate on", 60, true, " us", added(cert)},
		{"the same, DPoP-bound", 160, true, " us", added(key)},
		{"processor time added per read, certificate-bound, gate off", 60, true, " us", added("memory-certificate")},
		{"the same, DPoP-bound", 160, true, " us", added("memory-dpop")},
		{"large side : small side", 0.90, false, "", ratio(large + "-certificate-gate")},
		{"the same with Redis down", 0.90, false, "", ratio(large + "-certificate-gate-redis-down")},
		{"page 600 : page 1", 0.83, false, "", ratio("sandbox-page-600")},
		{"Redis down : Redis up", 0.5, false, "", ratio(cert + "-redis-down")},
		{"allocations per read from memory, certificate-bound, all of HTTP, TLS and Redis counted", 50, true, "", func(r Report) (float64, bool) {
			l, ok := r.line("memory-certificate")
			return l.Allocs, ok
		}},
		{"p99 : p50 at 70 % of the maximum", 8, true, "", func(r Report) (float64, bool) {
			for _, s := range r.Steady {
				if s.Name == cert {
					return s.P99 / s.P50, true
				}
			}
			return 0, false
		}},
	}
}

func (r Report) line(name string) (Result, bool) {
	for _, l := range r.Lines {
		if l.Name == name {
			return l, true
		}
	}
	return Result{}, false
}

// outcome is what became of a target.
func (t target) outcome(r Report) (got float64, outcome string) {
	got, ok := t.got(r)
	switch {
	case !ok:
		return 0, "not measured"
	case t.most && got <= t.want, !t.most && got >= t.want:
		return got, "reached"
	}
	return got, "not reached"
}

// targetTable is the targets with what became of them, in Markdown.
func (r Report) targetTable() string {
	var b strings.Builder
	b.WriteString("| figure | to reach | measured | |\n| --- | ---: | ---: | --- |\n")
	for _, t := range targets() {
		bound, measured := "at least", "-"
		if t.most {
			bound = "at most"
		}
		got, outcome := t.outcome(r)
		if outcome != "not measured" {
			measured = figure(got) + t.unit
		}
		fmt.Fprintf(&b, "| %s | %s %s%s | %s | %s |\n", t.what, bound, figure(t.want), t.unit, measured, outcome)
	}
	return b.String()
}

func figure(v float64) string {
	if v >= 20 || v <= -20 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
