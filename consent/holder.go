package consent

// HolderKind says what a Holder is to the person who acts.
type HolderKind string

// The kinds of a holder.
const (
	HolderOwn      HolderKind = "own"      // the person
	HolderBusiness HolderKind = "business" // a business that the person acts for
	HolderOther    HolderKind = "other"    // somebody else whom the person acts for
)

// Holder is one of those in whose name a person has accounts: themselves, a
// business, somebody whom they act for (a profile, at most banks). One grant
// covers the accounts of one holder. The zero Holder is that of a bank that
// makes no such difference: all accounts are the person's.
type Holder struct {
	// ID is the bank's, opaque, the same every time, and unique among the
	// holders of one person's accounts.
	ID   string     `json:"id,omitempty"`
	Kind HolderKind `json:"kind,omitempty"`
	// Name is who that is, as the bank calls them.
	Name string `json:"name,omitempty"`
}

// Known returns the holder with nothing left open: what the bank does not say
// is the person's own, and whoever it names without a kind is somebody else.
func (h Holder) Known() Holder {
	switch {
	case h.ID == "":
		return Holder{ID: "own", Kind: HolderOwn, Name: h.Name}
	case h.Kind == "":
		h.Kind = HolderOther
	}
	return h
}

// Kept returns the holder as it is written down with a grant. The person's own
// name is left out: what is kept outlives the tie to who gave the grant.
func (h Holder) Kept() Holder {
	if h.Kind == HolderOwn {
		h.Name = ""
	}
	return h
}

// Has reports whether an account is the holder's; the zero Holder has all.
func (h Holder) Has(c AccountChoice) bool { return h == Holder{} || c.Holder.Known().ID == h.ID }

// Of returns those of the choices that are the holder's, in the same order.
func (h Holder) Of(choices []AccountChoice) []AccountChoice {
	var list []AccountChoice
	for _, c := range choices {
		if h.Has(c) {
			list = append(list, c)
		}
	}
	return list
}

// Holders returns, each once and in display order, who has an account among
// the choices that can be shared; nil when nobody has.
func Holders(choices []AccountChoice) []Holder {
	var list []Holder
	seen := map[string]bool{}
	for _, c := range choices {
		h := c.Holder.Known()
		if c.Ineligible == "" && !seen[h.ID] {
			seen[h.ID] = true
			list = append(list, h)
		}
	}
	return list
}
