package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/broken"
)

func TestARunGoesOnFromItsReport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, file := filepath.Join(dir, "program"), filepath.Join(dir, "report.json")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func() *report {
		t.Helper()
		r, err := openReport(file, program)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	write(program, "one")
	a, b, c := broken.Fault{Name: "a", Caught: []string{"x.a"}}, broken.Fault{Name: "b", Caught: []string{"x.b"}}, broken.Fault{Name: "c"}
	r := open()
	for _, e := range []entry{
		{Fault: "b", Names: b.Caught, Caught: true, Seconds: 2}, {Fault: "a", Names: a.Caught, Verdict: "not noticed at all"},
		{Fault: "a", Names: a.Caught, Caught: true, Own: true, Seconds: 1}, {Fault: "c", Verdict: "not noticed by x.c"},
	} {
		if err := r.add(e); err != nil {
			t.Fatal(err)
		}
	}
	r = open()
	if !r.caught(a) || !r.caught(b) || r.caught(c) || r.caught(broken.Fault{Name: "d"}) || len(r.Faults) != 3 {
		t.Errorf("the report holds %+v", r.Faults)
	}
	if r.caught(broken.Fault{Name: "b", Caught: []string{"x.other"}}) {
		t.Error("a fault that names other cases now was caught before")
	}
	var out bytes.Buffer
	if err := r.summary(&out, []broken.Fault{a, b, c}); !errors.Is(err, errMatrix) || !strings.Contains(out.String(), "NOT RIGHT  c") || !strings.Contains(out.String(), "     3       2                      1          1        3") {
		t.Errorf("%v\n%s", err, &out)
	}
	if err := r.summary(&out, []broken.Fault{a, b}); err != nil {
		t.Error(err)
	}
	if err := r.summary(&out, []broken.Fault{{Name: "d"}}); err == nil || errors.Is(err, errMatrix) {
		t.Errorf("a fault that nobody tried: %v", err)
	}
	write(program, "two")
	if open().caught(a) {
		t.Error("what another program did counts")
	}
	write(file, "{")
	if _, err := openReport(file, program); err == nil {
		t.Error("half a report is read")
	}
}

func TestDraw(t *testing.T) {
	t.Parallel()
	var all []broken.Fault
	for _, name := range strings.Fields("a b c d e f g h i j") {
		all = append(all, broken.Fault{Name: name})
	}
	names := func(o options, day int) string {
		var s []string
		for _, f := range draw(all, o, time.Unix(int64(day)*86400, 0)) {
			s = append(s, f.Name)
		}
		return strings.Join(s, "")
	}
	if got := names(options{}, 1); got != "abcdefghij" {
		t.Errorf("without a sample: %s", got)
	}
	one := names(options{sample: 4, seed: 7}, 1)
	if len(one) != 4 || one != names(options{sample: 4, seed: 7}, 2) || one == names(options{sample: 4, seed: 8}, 1) {
		t.Errorf("a seed does not settle the draw: %s", one)
	}
	if names(options{sample: 5}, 1) == names(options{sample: 5}, 2) && names(options{sample: 5}, 3) == names(options{sample: 5}, 4) {
		t.Error("every day draws the same")
	}
}
