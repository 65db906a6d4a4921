package mapping

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Fault is one thing that is wrong with a mapping file.
type Fault struct {
	// Line is where, counted from 1; 0 for the file as a whole.
	Line int
	// Where is the place in the file as a path, such as
	// account.fields.status.
	Where string
	// Text says what is wrong and how to mend it.
	Text string
}

// Faults are all that is wrong with a mapping file, in the order of its lines.
type Faults []Fault

// Error returns one line per fault.
func (f Faults) Error() string {
	var b strings.Builder
	for i, one := range f {
		if i > 0 {
			b.WriteByte('\n')
		}
		if one.Line > 0 {
			b.WriteString("line " + strconv.Itoa(one.Line) + ": ")
		}
		if one.Where != "" {
			b.WriteString(one.Where + ": ")
		}
		b.WriteString(one.Text)
	}
	return b.String()
}

func (f *Faults) add(line int, where, text string) { *f = append(*f, Fault{line, where, text}) }

// err returns the faults sorted by line, nil when there are none.
func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	slices.SortStableFunc(f, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Where, b.Where)) })
	return slices.Compact(f)
}

// Error is a record that cannot be mapped. It holds no value of the record.
type Error struct {
	// Entity and Target are the member that could not be filled, such as
	// transaction and amount.
	Entity Entity
	Target string
	// From is the path of the rule, empty for a rule without one.
	From string
	// Reason says what is wrong with the value.
	Reason string
}

// Error returns all of it in one line.
func (e *Error) Error() string {
	text := "map " + string(e.Entity)
	if e.Target != "" {
		text += " " + e.Target
	}
	if e.From != "" {
		text += " (from " + e.From + ")"
	}
	return text + ": " + e.Reason
}
