package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// FileName is the name of the report in the state folder.
const FileName = "bench.json"

// Report is the content of bench.json.
type Report struct {
	Machine Machine  `json:"machine"`
	Lines   []Result `json:"lines"` // references before what refers to them
	Steady  []Steady `json:"steady"`
}

// Machine says where and how a report was made.
type Machine struct {
	Started    string  `json:"started"` // RFC 3339, UTC
	System     string  `json:"system"`  // GOOS/GOARCH
	Cores      int     `json:"cores"`
	Go         string  `json:"go"`
	PostgreSQL string  `json:"postgresql"` // version
	Redis      string  `json:"redis"`      // kind and version
	Callers    int     `json:"callers"`
	Seconds    float64 `json:"seconds"` // per line and round
	Rounds     int     `json:"rounds"`
	Again      int     `json:"again"` // rounds made again because of a 503
	Scale      float64 `json:"scale"` // of the lines about growth; 0: none
	// Load is the load average of a minute when the run began and when it
	// ended; empty where the system does not tell. Above Cores the figures are
	// of a machine that was busy with itself, or with something else.
	Load [2]string `json:"load"`
}

// Result is one line: the round whose throughput is the median of the line's
// rounds, with every figure from that round but those that compare.
type Result struct {
	Name              string  `json:"name"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	P50               float64 `json:"p50_ms"`
	P99               float64 `json:"p99_ms"`
	CPU               CPU     `json:"cpu_us_per_op"`
	Bytes             float64 `json:"bytes_per_op"`  // allocated on the gateway's heap
	Allocs            float64 `json:"allocs_per_op"` // on the gateway's heap
	// Body is the length of each answer in bytes; 0 where answers differ.
	Body int `json:"body_bytes"`
	// RoundTrips are counted apart, in a run with one caller; null for a line
	// that has those of another one.
	RoundTrips *RoundTrips `json:"round_trips_per_op"`
	// Reference names the line that Ratio compares throughput with; a
	// reference line names itself.
	Reference string `json:"reference"`
	// Ratio is the median of what the rounds have, each line compared with its
	// reference in the same round; Least and Most are those of single rounds.
	Ratio float64 `json:"ratio"`
	Least float64 `json:"ratio_least"`
	Most  float64 `json:"ratio_most"`
	// Added is what it takes of the processors beyond its reference, in
	// microseconds per request: the median of the rounds, too.
	Added float64 `json:"cpu_us_added"`
}

// CPU is user and system time in microseconds per request.
type CPU struct {
	Gateway float64 `json:"gateway"`
	// PostgreSQL and Redis are null where the system does not tell, and Redis
	// is when it runs inside this process and counts as the gateway.
	PostgreSQL *float64 `json:"postgres"`
	Redis      *float64 `json:"redis"`
}

// sum returns the CPU of all parts that are known.
func (c CPU) sum() float64 {
	total := c.Gateway
	for _, part := range []*float64{c.PostgreSQL, c.Redis} {
		if part != nil {
			total += *part
		}
	}
	return total
}

// relate fills in what compares each line with its reference. Every round has
// a result of each line, and of its reference.
func relate(results []Result, rounds [][]Result) {
	ratios, added := map[string][]float64{}, map[string][]float64{}
	for _, round := range rounds {
		of := map[string]Result{}
		for _, r := range round {
			of[r.Name] = r
		}
		for _, r := range round {
			ratios[r.Name] = append(ratios[r.Name], r.RequestsPerSecond/of[r.Reference].RequestsPerSecond)
			added[r.Name] = append(added[r.Name], r.CPU.sum()-of[r.Reference].CPU.sum())
		}
	}
	for i := range results {
		r := &results[i]
		r.Least, r.Ratio, r.Most = spread(ratios[r.Name])
		_, r.Added, _ = spread(added[r.Name])
	}
}

// spread returns the smallest, the median and the largest of some.
func spread(of []float64) (least, median, most float64) {
	sorted := slices.Sorted(slices.Values(of))
	n := len(sorted)
	return sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1]
}

// write puts the report in place in one step.
func (r Report) write(home string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	temporary := filepath.Join(home, FileName+".new")
	if err := os.WriteFile(temporary, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(home, FileName))
}

// print writes the report as a Markdown table, ratios first.
func (r Report) print(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "\n%s; %s, %d cores, %s; PostgreSQL %s, Redis: %s\n%d callers, %d rounds of %g s per line: each line's median round, and the median of what its rounds compare\n\n",
		m.Started, m.System, m.Cores, m.Go, m.PostgreSQL, m.Redis, m.Callers, m.Rounds, m.Seconds)
	_, err := io.WriteString(w, strings.Join([]string{r.lineTable(), r.steadyTable(), r.targetTable()}, "\n"))
	return err
}

// lineTable is all lines in Markdown.
func (r Report) lineTable() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(t, "| "+strings.Join(cells, "\t| ")+"\t|") }
	row("line", "ratio", "rounds", "of", "requests/s", "p50 ms", "p99 ms", "CPU us gateway", "PostgreSQL", "Redis", "added", "KiB", "of body", "allocs", "trips PostgreSQL", "Redis")
	row("---", "---:", "---:", "---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:")
	for _, l := range r.Lines {
		added, between := "-", "-"
		if l.Reference != l.Name {
			added, between = fmt.Sprintf("%+.0f", l.Added), fmt.Sprintf("%.2f to %.2f", l.Least, l.Most)
		}
		row(l.Name, fmt.Sprintf("%.2f", l.Ratio), between, l.Reference, fmt.Sprintf("%.0f", l.RequestsPerSecond),
			fmt.Sprintf("%.2f", l.P50), fmt.Sprintf("%.2f", l.P99),
			fmt.Sprintf("%.0f", l.CPU.Gateway), known(l.CPU.PostgreSQL), known(l.CPU.Redis), added,
			fmt.Sprintf("%.1f", l.Bytes/1024), l.perBody(), fmt.Sprintf("%.0f", l.Allocs),
			l.RoundTrips.text(func(t RoundTrips) float64 { return t.PostgreSQL }), l.RoundTrips.text(func(t RoundTrips) float64 { return t.Redis }))
	}
	_ = t.Flush() // a Builder takes everything
	return b.String()
}

// perBody returns how many times the length of its body an answer allocates.
func (r Result) perBody() string {
	if r.Body == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", r.Bytes/float64(r.Body))
}

// text returns one of the two; nothing is known of a nil.
func (t *RoundTrips) text(of func(RoundTrips) float64) string {
	if t == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", of(*t))
}

func known(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f", *v)
}
