package policy

import "github.com/headgate/headgate/fdx"

// Edit is what a person may change of a grant at the bank, without the
// recipient asking. No pack lets a grant grow.
type Edit string

// The edit rights. To stop is always allowed.
const (
	EditNone                      Edit = "none"
	EditShrinkAccounts            Edit = "shrinkAccounts"
	EditShrinkAccountsAndClusters Edit = "shrinkAccountsAndClusters"
)

// Pack is one version of the rules of one place.
type Pack struct {
	Name    string `json:"pack"`
	Version int    `json:"version"`
	// Effective is the day from whose beginning in UTC the version holds.
	Effective fdx.Date `json:"effective"`
	About     string   `json:"about"`

	MaxTermDays int `json:"maxTermDays"` // days from the decision
	// OneTimeMinutes is how long one-time access lasts.
	OneTimeMinutes int        `json:"oneTimeMinutes"`
	BankEdit       Edit       `json:"bankEdit"`
	Reminders      Reminders  `json:"reminders"`
	StepUp         StepUp     `json:"stepUp"`
	RecordDays     int        `json:"recordDays"` // how long records of a consent are kept after its end
	Disclosure     Disclosure `json:"disclosure"`
	Laws           []Law      `json:"laws"`
	Pause          Pause      `json:"pause"`
	Purposes       []Purpose  `json:"purposes"`
}

// Reminders says when a person is told something of a grant.
type Reminders struct {
	BeforeEndDays []int `json:"beforeEndDays"` // falling
	UnusedDays    int   `json:"unusedDays"`    // since the last read
	ReviewDays    int   `json:"reviewDays"`    // between two reviews
}

// StepUp says which data asks for a fresh sign-in.
type StepUp struct {
	Clusters      fdx.Clusters `json:"clusters"`
	MaxAgeMinutes int          `json:"maxAgeMinutes"` // of the sign-in
}

// Disclosure says in which languages the review page may be.
type Disclosure struct {
	Languages []string `json:"languages"` // BCP 47
	// AlsoIn is a language to which every disclosure in another one links;
	// empty links to none.
	AlsoIn string `json:"alsoIn"`
}

// Law names the source of a rule, as pages and receipts may cite it.
type Law struct {
	Rule string `json:"rule"`
	Name string `json:"name"`
}

// Pause says whether a person may pause a grant.
type Pause struct {
	Allowed bool `json:"allowed"`
	MaxDays int  `json:"maxDays"` // 0 unless Allowed
}

// Purpose is one reason to ask for data.
type Purpose struct {
	Code        string       `json:"code"`
	Clusters    fdx.Clusters `json:"clusters"`    // the most that it reaches
	MaxTermDays int          `json:"maxTermDays"` // at most the pack's
	// OwnGrant: it never takes the place of another purpose in a grant that
	// exists.
	OwnGrant bool `json:"ownGrant"`
	// Denied: nobody may ask for it.
	Denied     bool     `json:"denied"`
	PartyRoles []string `json:"partyRoles"` // who may take part besides the recipient
}

// Other is the code that every registered purpose counts as whose own code is
// not in the taxonomy.
const Other = "other"

// Purpose returns the purpose that a registered code counts as.
func (p Pack) Purpose(code string) Purpose {
	var other Purpose
	for _, one := range p.Purposes {
		if one.Code == code {
			return one
		}
		if one.Code == Other {
			other = one
		}
	}
	return other
}
