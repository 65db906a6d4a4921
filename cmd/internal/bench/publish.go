package bench

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What is between these lines of a document is made from a report.
const (
	beginMark = "<!-- bench: made from bench.json by `headgate bench report`; not to be edited -->"
	endMark   = "<!-- bench: end -->"
)

var errMarks = errors.New("the document must have the two lines between which a report goes, once each")

// Publish writes the tables of the report in a file into a document, between
// the marks that it has, and the charts beside it, in a folder with its name
// less the extension. Doing it again changes nothing.
func Publish(from, into string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("bench report: %w", err)
	}
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("bench report: %s: %w", from, err)
	}
	document, err := os.ReadFile(into)
	if err != nil {
		return fmt.Errorf("bench report: %w", err)
	}
	head, rest, ok := bytes.Cut(document, []byte(beginMark))
	_, tail, closed := bytes.Cut(rest, []byte(endMark))
	if !ok || !closed || bytes.Contains(tail, []byte(endMark)) || bytes.Contains(rest, []byte(beginMark)) {
		return fmt.Errorf("bench report: %s: %w", into, errMarks)
	}
	folder := strings.TrimSuffix(into, filepath.Ext(into))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("bench report: %w", err)
	}
	var b bytes.Buffer
	b.Write(head)
	b.WriteString(beginMark + "\n\n")
	m := r.Machine
	fmt.Fprintf(&b, "Run of %s on %s, %d cores, %s, PostgreSQL %s, %s; %d callers, %d rounds of %g s per line, %d made again, scale %g; load average %s when it began, %s when it ended.\n\n",
		m.Started, m.System, m.Cores, m.Go, m.PostgreSQL, m.Redis, m.Callers, m.Rounds, m.Seconds, m.Again, m.Scale, cmp.Or(m.Load[0], "unknown"), cmp.Or(m.Load[1], "unknown"))
	b.WriteString("### Figures to reach\n\n" + r.targetTable())
	if steady := r.steadyTable(); steady != "" {
		b.WriteString("\n### At a constant rate\n\n" + steady)
	}
	b.WriteString("\n### All lines\n\n" + r.lineTable())
	for _, c := range r.charts() {
		if err := os.WriteFile(filepath.Join(folder, c.file), []byte(c.svg()), 0o644); err != nil {
			return fmt.Errorf("bench report: %w", err)
		}
		fmt.Fprintf(&b, "\n![%s](%s/%s)\n", c.title, filepath.Base(folder), c.file)
	}
	b.WriteString("\n" + endMark)
	b.Write(tail)
	temporary := into + ".new"
	if err := os.WriteFile(temporary, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("bench report: %w", err)
	}
	if err := os.Rename(temporary, into); err != nil {
		return fmt.Errorf("bench report: %w", err)
	}
	return nil
}
