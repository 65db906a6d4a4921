package portal

import (
	"slices"
	"strings"
)

// searchFrom is the number of accounts from which a page offers to search.
const searchFrom = 9

// search puts the accounts that the person looks for first. The others stay on
// the page, so that what is ticked is always seen, and nothing is shared by
// way of a search.
func (v *accountsPage) search(j *journey) {
	if v.Search = v.Eligible >= searchFrom; !v.Search || j.query == "" {
		return
	}
	v.Query = j.query
	var found, rest []accountRow
	for _, row := range v.Rows {
		if row.Field != "" && matches(row, j.query) {
			found = append(found, row)
		} else {
			rest = append(rest, row)
		}
	}
	v.Rows, v.Found = slices.Concat(found, rest), j.t.T("search.found", "Count", len(found))
}

// matches reports whether every word of a query is in what a row shows.
func matches(row accountRow, query string) bool {
	shown := strings.ToLower(row.Name + " " + row.Number + " " + row.Kind)
	for _, word := range strings.Fields(strings.ToLower(query)) {
		if !strings.Contains(shown, word) {
			return false
		}
	}
	return true
}
