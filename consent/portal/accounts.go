package portal

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// accountRow is one account on a page.
type accountRow struct {
	ID      fdx.AccountID
	Field   string // element id and field name; empty when it cannot be chosen
	Checked bool
	Name    string
	Number  string // masked
	Kind    string
	Notes   []string // what to know, or why it cannot be shared
}

// accountRows lays out the accounts a person may choose from, with those in
// chosen ticked. Rows that cannot be chosen come last.
func accountRows(t *text, choices []consent.AccountChoice, chosen []fdx.AccountID) []accountRow {
	var rows, off []accountRow
	for _, c := range choices {
		row := accountRow{ID: c.ID, Name: plain(c.Name, maxName), Number: plain(c.Display, maxName)}
		if key := "kind." + c.Category; t.has(key) {
			row.Kind = t.T(key)
		}
		if c.Ineligible != "" {
			row.Notes = append(row.Notes, t.T(ineligibleKey(c.Ineligible)))
			off = append(off, row)
			continue
		}
		if c.Joint {
			row.Notes = append(row.Notes, t.T("accounts.joint"))
		}
		row.Field = fieldPrefix + strconv.Itoa(len(rows)+1)
		row.Checked = slices.Contains(chosen, c.ID)
		rows = append(rows, row)
	}
	return append(rows, off...)
}

func ineligibleKey(reason string) string {
	switch reason {
	case consent.IneligibleClosed, consent.IneligibleLocked, consent.IneligiblePending:
		return "accounts." + reason
	}
	return "accounts.other"
}

const fieldPrefix = "account_"

// eligible returns the ids of the accounts that can be shared, in display
// order.
func eligible(choices []consent.AccountChoice) []fdx.AccountID {
	var ids []fdx.AccountID
	for _, c := range choices {
		if c.Ineligible == "" {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// chosen reads the account fields of a form and returns the accounts in
// display order, each once. It returns false when any of them is not among
// those that can be shared, or is named twice: then the form is not one of
// ours and none of it counts.
func chosen(form url.Values, choices []consent.AccountChoice) ([]fdx.AccountID, bool) {
	can := eligible(choices)
	named := map[fdx.AccountID]bool{}
	for name, values := range form {
		if !strings.HasPrefix(name, fieldPrefix) {
			continue
		}
		for _, v := range values {
			id := fdx.AccountID(v)
			if named[id] || !slices.Contains(can, id) {
				return nil, false
			}
			named[id] = true
		}
	}
	var ids []fdx.AccountID
	for _, id := range can {
		if named[id] {
			ids = append(ids, id)
		}
	}
	return ids, true
}

// stillEligible returns those of ids that can be shared now, in display
// order, and whether these are all.
func stillEligible(ids []fdx.AccountID, choices []consent.AccountChoice) ([]fdx.AccountID, bool) {
	var left []fdx.AccountID
	for _, id := range eligible(choices) {
		if slices.Contains(ids, id) {
			left = append(left, id)
		}
	}
	return left, len(left) == len(ids)
}
