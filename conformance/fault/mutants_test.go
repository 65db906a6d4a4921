package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/conformance/broken"
)

// Every mutant is a fault of package broken, and every fault that an invariant
// has to notice is a mutant.
func TestMutantsAreTheFaultsOfInvariants(t *testing.T) {
	t.Parallel()
	faults, err := broken.Faults()
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, m := range append(slices.Clone(sound), theMutants...) {
		for _, name := range strings.FieldsFunc(m.on, func(r rune) bool { return r == ',' }) {
			tried[name] = true
			if !slices.ContainsFunc(faults, func(f broken.Fault) bool { return f.Name == name }) {
				t.Errorf("there is no fault %q", name)
			}
		}
	}
	invariant := regexp.MustCompile(`^[A-Z][0-9]$`)
	for _, f := range faults {
		if slices.ContainsFunc(f.Caught, invariant.MatchString) && !tried[f.Name] {
			t.Errorf("no mutant has %q, which %v must notice", f.Name, f.Caught)
		}
	}
}

// What a mutant has happen exists.
func TestMutantsHappen(t *testing.T) {
	t.Parallel()
	for _, m := range theMutants {
		if len(m.caught) == 0 {
			t.Errorf("nobody has to notice %s", m.on)
		}
		if _, err := regexp.Compile(m.happen); err != nil {
			t.Error(m.on, err)
		}
		if m.probe == "A2" && m.at != "^two keepers" &&
			!slices.ContainsFunc(tamperings, func(x tampering) bool { return regexp.MustCompile(m.at).MatchString(x.name) }) {
			t.Errorf("%s: no change of the records is called %s", m.on, m.at)
		}
		if m.probe == "V4" && !slices.Contains(overloads, m.at) {
			t.Errorf("%s: no overload is called %s", m.on, m.at)
		}
		if m.probe == "V3" && !slices.Contains(bankTroubles, m.at) {
			t.Errorf("%s: no trouble of a bank is called %s", m.on, m.at)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]finding{
		"caught":    {ID: "m", What: "R1"},
		"MISSED":    {ID: "m", What: "R1", Bad: []string{"R1 has not noticed"}},
		"unnoticed": {ID: "(sound )", What: "nobody"},
		"NOTICED":   {ID: "(sound )", What: "nobody", Bad: []string{"V1"}},
	} {
		if row := f.row(); !strings.Contains(row, " "+want+" ") {
			t.Errorf("%s: %s", want, row)
		}
	}
}
