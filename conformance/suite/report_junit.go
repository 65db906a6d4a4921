package suite

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// WriteJUnit writes the report for continuous integration. A case that could
// not run is an error, one that does not apply is skipped, and a failed may
// is a success with a note.
func (r Report) WriteJUnit(w io.Writer) error {
	type detail struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",cdata"`
	}
	type testCase struct {
		Name    string  `xml:"name,attr"`
		Class   string  `xml:"classname,attr"`
		Seconds float64 `xml:"time,attr"`
		Failure *detail `xml:"failure,omitempty"`
		Error   *detail `xml:"error,omitempty"`
		Skipped *detail `xml:"skipped,omitempty"`
		Out     string  `xml:"system-out,omitempty"`
	}
	type testSuite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Cases    []testCase `xml:"testcase"`
	}
	var out struct {
		XMLName xml.Name    `xml:"testsuites"`
		Name    string      `xml:"name,attr"`
		Time    float64     `xml:"time,attr"`
		Suites  []testSuite `xml:"testsuite"`
	}
	out.Name, out.Time = "conformance of "+r.Target, r.Seconds
	groups, order := r.byGroup()
	for _, name := range order {
		s := testSuite{Name: name, Tests: len(groups[name])}
		for _, one := range groups[name] {
			c := testCase{Name: one.ID, Class: "conformance." + name, Seconds: one.Millis / 1000}
			text := fmt.Sprintf("%s [%s]\n%s\nto mend: %s", one.Title, one.Spec, strings.Join(one.Messages, "\n"), one.Mend)
			d := &detail{Message: strings.Join(one.Messages, "; "), Text: text}
			switch {
			case one.Status == NotApplicable:
				c.Skipped = d
				s.Skipped++
			case one.Bad() && one.Status == NotRun:
				c.Error = d
				s.Errors++
			case one.Bad():
				c.Failure = d
				s.Failures++
			case one.Status != Passed:
				c.Out = text
			}
			s.Cases = append(s.Cases, c)
		}
		out.Suites = append(out.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(out); err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}
