package suite

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
)

//go:embed report.html
var reportPage string

// WriteHTML writes the report as one page without scripts and without
// anything from elsewhere, with the request and the answer of every failure,
// and what is another than in an earlier report, if there is one.
func (r Report) WriteHTML(w io.Writer, earlier *Report) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"aside": Source.aside, "headers": headerLines, "pretty": pretty, "ms": func(f float64) string { return fmt.Sprintf("%.0f ms", f) },
		"words": func(s Status) string { return strings.ReplaceAll(string(s), "-", " ") },
	}).Parse(reportPage)
	if err != nil {
		return fmt.Errorf("write HTML report: %w", err)
	}
	type group struct {
		Name                                       string
		Results                                    []Result
		Passed, Failed, NotRun, NotApplicable      int
		PassedPart, FailedPart, NotRunPart, NAPart float64
	}
	data := struct {
		Report
		Verdict       string
		Good          bool
		When          string
		Took          string
		Counts        map[string]int
		Groups        []group
		Problems      []Result
		Earlier       string
		Changes       []Change
		NotApplicable []Result
	}{Report: r, Good: !r.Bad(), When: r.Started.UTC().Format("2 January 2006, 15:04 UTC"), Took: fmt.Sprintf("%.0f s", math.Ceil(r.Seconds)), Counts: map[string]int{}}
	for _, s := range []Status{Passed, Failed, NotRun, NotApplicable} {
		data.Counts[string(s)] = r.Count(s)
	}
	bad := 0
	for _, one := range r.Results {
		if one.Bad() {
			bad++
		}
		switch one.Status {
		case Failed, NotRun:
			data.Problems = append(data.Problems, one)
		case NotApplicable:
			data.NotApplicable = append(data.NotApplicable, one)
		}
	}
	data.Verdict = "Everything that this deployment claims holds"
	if bad == 1 {
		data.Verdict = "One demand is not met"
	} else if bad > 1 {
		data.Verdict = fmt.Sprintf("%d demands are not met", bad)
	}
	rank := func(one Result) int { return slices.Index([]Severity{Must, Should, May}, one.Severity) }
	slices.SortStableFunc(data.Problems, func(a, b Result) int { return cmp.Compare(rank(a), rank(b)) })
	groups, order := r.byGroup()
	for _, name := range order {
		part := Report{Results: groups[name]}
		g := group{Name: name, Results: groups[name], Passed: part.Count(Passed), Failed: part.Count(Failed), NotRun: part.Count(NotRun), NotApplicable: part.Count(NotApplicable)}
		n := float64(len(g.Results)) / 100
		g.PassedPart, g.FailedPart, g.NotRunPart, g.NAPart = float64(g.Passed)/n, float64(g.Failed)/n, float64(g.NotRun)/n, float64(g.NotApplicable)/n
		data.Groups = append(data.Groups, g)
	}
	if earlier != nil {
		data.Earlier, data.Changes = earlier.Started.UTC().Format("2 January 2006, 15:04 UTC"), r.Compare(*earlier)
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("write HTML report: %w", err)
	}
	return nil
}

// headerLines are headers in alphabetical order, a line each.
func headerLines(h http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	return b.String()
}

// pretty breaks the recorded JSON into lines, so that a person can read it.
func pretty(body string) string {
	if !strings.HasPrefix(body, "{") && !strings.HasPrefix(body, "[{") {
		return body
	}
	var b strings.Builder
	depth, quoted, escaped := 0, false, false
	line := func() { b.WriteString("\n" + strings.Repeat("  ", max(depth, 0))) }
	for i, c := range body {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			b.WriteRune(c)
			if i+1 < len(body) && body[i+1] != '}' && body[i+1] != ']' {
				line()
			}
			continue
		case c == '}' || c == ']':
			depth--
			if i > 0 && body[i-1] != '{' && body[i-1] != '[' {
				line()
			}
		case c == ',':
			b.WriteRune(c)
			line()
			continue
		case c == ' ' && i > 0 && body[i-1] == ',':
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Clock is when the exchange began, for the page.
func (e Exchange) Clock() string { return e.At.UTC().Format("15:04:05.000") }
