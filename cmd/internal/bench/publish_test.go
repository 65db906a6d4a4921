package bench

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample is a report with a line of each kind.
func sample() Report {
	postgres := 100.0
	r := Report{Lines: []Result{
		{Name: sandboxBare, Reference: sandboxBare, RequestsPerSecond: 1000, CPU: CPU{Gateway: 300}, Allocs: 900},
		{Name: "sandbox-certificate-gate", Reference: sandboxBare, RequestsPerSecond: 650, CPU: CPU{Gateway: 260, PostgreSQL: &postgres}, Allocs: 950},
		{Name: "memory-certificate", Reference: "memory-certificate", RequestsPerSecond: 1, Allocs: 50.01},
		{Name: gateSingle, Reference: gateSingle, RequestsPerSecond: 100},
		{Name: gateBatched, Reference: gateSingle, RequestsPerSecond: 299},
	}, Steady: []Steady{{Name: "sandbox-certificate-gate", P50: 1, P99: 8}}}
	relate(r.Lines, [][]Result{r.Lines})
	return r
}

func TestTargets(t *testing.T) {
	t.Parallel()
	r := sample()
	want := map[string]string{
		"page of 50 from PostgreSQL, certificate-bound, gate on : without checks":                 "reached",
		"processor time added per read, certificate-bound, gate on":                               "reached", // exactly 60
		"allocations per read from memory, certificate-bound, all of HTTP, TLS and Redis counted": "not reached",
		"gate in batches : one statement per read, 128 callers":                                   "not reached",
		"p99 : p50 at 70 % of the maximum":                                                        "reached", // exactly 8
	}
	for _, target := range targets() {
		_, got := target.outcome(r)
		expected, named := want[target.what]
		if delete(want, target.what); !named {
			expected = "not measured"
			if target.what == "page of 50 from memory, certificate-bound, gate off : without checks" {
				expected = "reached"
			}
		}
		if got != expected {
			t.Errorf("%s: %s, want %s", target.what, got, expected)
		}
		if !strings.Contains(r.targetTable(), "| "+target.what+" |") {
			t.Errorf("the table lacks %s", target.what)
		}
	}
	if len(want) > 0 {
		t.Errorf("no such targets: %v", want)
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, into := filepath.Join(dir, FileName), filepath.Join(dir, "performance.md")
	data, err := json.Marshal(sample())
	write := func(document string) {
		t.Helper()
		if err := os.WriteFile(into, []byte(document), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err == nil {
		err = os.WriteFile(from, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	write("before\n" + beginMark + "\nold\n" + endMark + "\nafter\n")
	var first string
	for range 2 { // the second time changes nothing
		if err := Publish(from, into); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(into)
		if err != nil {
			t.Fatal(err)
		}
		text := string(got)
		if !strings.HasPrefix(text, "before\n"+beginMark+"\n") || !strings.HasSuffix(text, endMark+"\nafter\n") || strings.Contains(text, "old") {
			t.Errorf("around it: %s", text)
		}
		if first != "" && text != first {
			t.Error("it differs the second time")
		}
		first = text
	}
	for _, c := range sample().charts() {
		if !strings.Contains(first, "(performance/"+c.file+")") {
			t.Errorf("%s is not shown", c.file)
		}
		file, err := os.Open(filepath.Join(dir, "performance", c.file))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for d := xml.NewDecoder(file); err == nil; {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", c.file, err)
		}
	}
	for name, document := range map[string]string{
		"no marks":           "text",
		"no end":             beginMark,
		"the end first":      endMark + beginMark,
		"two reports":        beginMark + endMark + beginMark + endMark,
		"one end for two":    beginMark + beginMark + endMark,
		"two ends":           beginMark + endMark + endMark,
		"a mark that is cut": beginMark[1:] + endMark,
	} {
		write(document)
		if err := Publish(from, into); !errors.Is(err, errMarks) {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(into); string(got) != document {
			t.Errorf("%s: the document was changed", name)
		}
	}
}

func TestOnly(t *testing.T) {
	t.Parallel()
	lines := []line{{name: "bare", reference: "bare"}, {name: "gate", reference: "bare"}, {name: "gate-down", reference: "gate"}, {name: "other", reference: "bare"}}
	for asked, want := range map[string]string{"": "bare gate gate-down other", "gate-d": "bare gate gate-down", "other": "bare other", "x": ""} { // nothing: refused
		c := Config{}
		if asked != "" {
			c.Only = []string{asked}
		}
		left, err := c.only(append([]line(nil), lines...))
		var got []string
		for _, l := range left {
			got = append(got, l.name)
		}
		if strings.Join(got, " ") != want || (err == nil) != (want != "") {
			t.Errorf("%q: %v, %v, want %s", asked, got, err, want)
		}
	}
}
