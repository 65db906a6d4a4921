package sqlviews

import "testing"

// A place that is taken is written again as it was, and holds nothing that
// PostgreSQL cannot take.
func FuzzSpot(f *testing.F) {
	for _, s := range []string{"", "d.0.1", "p.1767225600000000.a.b", "d.-1.", "d.1", "x.1.1", "d.1e3.1", "d.99999999999999999999.1", "d.1.\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSpot(text)
		if err != nil || text == "" {
			return
		}
		again, err := parseSpot(s.String())
		if err != nil || again != s {
			t.Errorf("%q became %q", text, s)
		}
	})
}
