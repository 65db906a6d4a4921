package suite

import "slices"

// Change is a case whose status is another than in an earlier run.
type Change struct {
	ID string
	// Was and Is are "" for a case that was not there.
	Was, Is Status
}

// Worse reports whether the case passed before and does not now.
func (c Change) Worse() bool { return c.Was == Passed && c.Is != Passed && c.Is != "" }

// Better reports whether the case passes now and did not before.
func (c Change) Better() bool { return c.Is == Passed && c.Was != Passed }

// Compare returns what is another than in an earlier report: worse first,
// then in the order of this report, then what is gone.
func (r Report) Compare(earlier Report) []Change {
	was := map[string]Status{}
	for _, one := range earlier.Results {
		was[one.ID] = one.Status
	}
	var out []Change
	for _, one := range r.Results {
		if was[one.ID] != one.Status {
			out = append(out, Change{ID: one.ID, Was: was[one.ID], Is: one.Status})
		}
		delete(was, one.ID)
	}
	slices.SortStableFunc(out, func(a, b Change) int {
		switch {
		case a.Worse() == b.Worse():
			return 0
		case a.Worse():
			return -1
		}
		return 1
	})
	for _, one := range earlier.Results {
		if status, gone := was[one.ID]; gone {
			out = append(out, Change{ID: one.ID, Was: status})
		}
	}
	return out
}
