package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Steady is a line that was asked at a constant rate, whether or not it had
// answered before: what a reader meets who does not wait for others. Times
// count from when a read was due, so that a stall is charged for all the reads
// that were due in it.
type Steady struct {
	Name string  `json:"name"`
	Rate int     `json:"reads_per_second"`
	Of   float64 `json:"of_maximum"` // the part of the line's throughput that Rate is
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	// Late is the number of reads that found no free connection.
	Count int `json:"reads"`
	Late  int `json:"late"`
}

// The constant load: of these lines, at that part of what they do at most, and
// over enough connections that reads wait for the server and not for one.
const (
	steadyPart    = 0.7
	steadyCallers = 128
)

var steadyLines = []string{"sandbox-certificate-gate", "memory-certificate"}

// steadily makes the constant loads. What a line does at most is measured right
// before: minutes ago the machine may have been a faster one.
func (c Config) steadily(ctx context.Context, lines []line, m meter, each time.Duration) ([]Steady, error) {
	var all []Steady
	for _, l := range lines {
		for _, name := range steadyLines {
			if l.name != name {
				continue
			}
			most, err := l.once(ctx, c, m, 3*each)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			rate := max(int(steadyPart*most.RequestsPerSecond), 1)
			c.say(fmt.Sprintf("%s at %d reads/s", name, rate))
			a, err := l.at(ctx, rate, 10*each)
			if err == nil && len(a.Faults) > 0 {
				err = fmt.Errorf("answered without data: %v", a.Faults)
			}
			if err == nil && a.Count == 0 {
				err = errors.New("nothing was asked")
			}
			if err != nil {
				return nil, fmt.Errorf("%s at a constant rate: %w", name, err)
			}
			all = append(all, Steady{
				Name: name, Rate: rate, Of: steadyPart, P50: milliseconds(a.P50), P99: milliseconds(a.P99), Count: a.Count, Late: a.Late,
			})
		}
	}
	return all, nil
}

// steadyTable is the constant loads in Markdown; empty when there are none.
func (r Report) steadyTable() string {
	if len(r.Steady) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("| at a constant rate | reads/s | of the maximum | p50 ms | p99 ms | p99 : p50 | reads | late |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, s := range r.Steady {
		fmt.Fprintf(&b, "| %s | %d | %.0f %% | %.2f | %.2f | %.1f | %d | %d |\n", s.Name, s.Rate, 100*s.Of, s.P50, s.P99, s.P99/s.P50, s.Count, s.Late)
	}
	return b.String()
}
