package suite

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteJSON writes the report for programs, and for a later comparison.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// ReadReport reads what WriteJSON wrote.
func ReadReport(from io.Reader) (Report, error) {
	var r Report
	if err := json.NewDecoder(from).Decode(&r); err != nil {
		return Report{}, fmt.Errorf("read report: %w", err)
	}
	return r, nil
}

// WriteText writes the report for people at a terminal: what did not pass,
// then a line per group and one for all. Of cases that could not run for the
// same reason the first gives it.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	because := map[string]string{} // why a case could not run -> the first one
	for _, one := range r.Results {
		if one.Status != Failed && one.Status != NotRun {
			continue
		}
		if why := strings.Join(one.Messages, "\n"); one.Status == NotRun {
			if first, said := because[why]; said {
				fmt.Fprintf(&b, "\nNOT-RUN  %s (%s), as %s\n", one.ID, one.Severity, first)
				continue
			}
			because[why] = one.ID
		}
		fmt.Fprintf(&b, "\n%s  %s (%s)\n  %s [%s%s]\n", strings.ToUpper(string(one.Status)), one.ID, one.Severity, one.Title, one.Spec, one.Source.aside())
		for _, m := range one.Messages {
			fmt.Fprintf(&b, "  - %s\n", m)
		}
		fmt.Fprintf(&b, "  mend: %s\n", one.Mend)
	}
	fmt.Fprintf(&b, "\n%-16s %7s %7s %7s %15s\n", "group", "passed", "failed", "not run", "not applicable")
	line := func(name string, results []Result) {
		part := Report{Results: results}
		fmt.Fprintf(&b, "%-16s %7d %7d %7d %15d\n", name, part.Count(Passed), part.Count(Failed), part.Count(NotRun), part.Count(NotApplicable))
	}
	groups, order := r.byGroup()
	for _, name := range order {
		line(name, groups[name])
	}
	line("all", r.Results)
	fmt.Fprintf(&b, "\n%d requests in %.1f s against %s\n", r.Requests, r.Seconds, r.Issuer)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) byGroup() (groups map[string][]Result, order []string) {
	groups = map[string][]Result{}
	for _, one := range r.Results {
		if groups[one.Group] == nil {
			order = append(order, one.Group)
		}
		groups[one.Group] = append(groups[one.Group], one)
	}
	return groups, order
}
