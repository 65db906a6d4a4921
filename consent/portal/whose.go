package portal

import (
	"cmp"
	"strconv"

	"github.com/headgate/headgate/consent"
)

// holderRow is one of those whose accounts a person may share.
type holderRow struct {
	ID, Field  string // Field is the element id
	Name, Kind string
	Count      string // of the accounts that can be shared
	Chosen     bool
}

// holderRows lays out whose accounts there are to choose from. chosen is whom
// the person picked before, the zero Holder when nobody.
func holderRows(t *text, choices []consent.AccountChoice, chosen consent.Holder) []holderRow {
	var rows []holderRow
	for _, h := range consent.Holders(choices) {
		rows = append(rows, holderRow{
			ID: h.ID, Field: "holder_" + strconv.Itoa(len(rows)+1), Name: cmp.Or(plain(h.Name, maxName), holderKind(t, h)), Kind: holderKind(t, h),
			Count: t.T("fact.count", "Count", len(eligible(h.Of(choices)))), Chosen: chosen.ID == h.ID,
		})
	}
	return rows
}

// holderName is what a page calls a holder on which a person decides: their
// own accounts are called that, and not by their name, because these words are
// kept (consent.Holder.Kept).
func holderName(t *text, h consent.Holder) string {
	if name := plain(h.Name, maxName); name != "" && h.Kind != consent.HolderOwn {
		return name
	}
	return holderKind(t, h)
}

func holderKind(t *text, h consent.Holder) string {
	switch h.Kind {
	case consent.HolderOwn:
		return t.T("whose.own")
	case consent.HolderBusiness:
		return t.T("whose.business")
	}
	return t.T("whose.other")
}
