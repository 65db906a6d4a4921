package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
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

// regression is the line of seeds.txt for a run that broke promises: each fault
// that a violation names, after the one that came before it in the plan. It is
// "" when no violation names one.
func regression(seed uint64, plan []fault, findings []finding) string {
	var list []string
	for i, f := range plan {
		named := slices.ContainsFunc(findings, func(x finding) bool {
			return slices.ContainsFunc(x.Bad, func(b string) bool { return strings.Contains(b, f.name) })
		})
		if !named {
			continue
		}
		if i > 0 && !slices.Contains(list, plan[i-1].name) {
			list = append(list, plan[i-1].name)
		}
		if !slices.Contains(list, f.name) {
			list = append(list, f.name)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf("seed-%d: %s", seed, strings.Join(list, "; "))
}

// keepRegression adds the line to a file, if it is not there. It makes the file
// when it has something to keep.
func keepRegression(file, line string) error {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if line == "" || strings.Contains(string(text), line+"\n") {
		return nil
	}
	return os.WriteFile(file, append(text, line+"\n"...), 0o644)
}
