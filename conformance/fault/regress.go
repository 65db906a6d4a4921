package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// seeds are orders of faults that once broke a promise; each runs first, for
// good. A line is a name, a colon, and faults with semicolons between them.
//
//go:embed seeds.txt
var seeds string

// regressions reads them.
func regressions(text string, known []fault) ([]fault, error) {
	var plan []fault
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, list, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("seeds.txt: %q has no colon", line)
		}
		for one := range strings.SplitSeq(list, ";") {
			i := slices.IndexFunc(known, func(f fault) bool { return f.name == strings.TrimSpace(one) })
			if i < 0 {
				return nil, fmt.Errorf("seeds.txt: %s: there is no fault %q", name, one)
			}
			plan = append(plan, known[i])
		}
	}
	return plan, nil
}
