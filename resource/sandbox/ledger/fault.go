package ledger

import (
	"fmt"
	"strings"
)

// MaxFaults is how many faults one import names before it stops looking: enough
// to mend a file in one go, few enough to read.
const MaxFaults = 20

// Fault is one thing that is wrong with an imported file, and where. Its text
// goes to the operator who runs the import. It never repeats the faulty value:
// a shifted column can put a person's name or an account number anywhere.
type Fault struct {
	File string // as the caller named it
	Line int    // 1-based; 0 when the fault is not at one line
	At   string // the element or column, such as "STMTTRN DTPOSTED"; may be empty
	What string // what is wrong, as the rest of a sentence
}

// Error returns "file:line: at: what" without the parts that are empty.
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.At != "" {
		b.WriteString(": " + f.At)
	}
	b.WriteString(": " + f.What)
	return b.String()
}

// Faults is everything found wrong with the files of one import, in the order
// of the files, at most MaxFaults of them. It is never returned empty.
type Faults []Fault

// Error returns one fault per line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Full reports that no further fault needs to be looked for.
func (fs Faults) Full() bool { return len(fs) >= MaxFaults }

// Err returns the faults as an error, or nil when there are none.
func (fs Faults) Err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}
