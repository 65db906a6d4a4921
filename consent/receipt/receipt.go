package receipt

import (
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
)

// ID names a receipt: one version of one grant. Its text is the grant's id, a
// dot and the epoch.
type ID struct {
	Grant consent.GrantID
	Epoch int64
}

// String returns the text of the id, which ParseID reads.
func (id ID) String() string { return string(id.Grant) + "." + strconv.FormatInt(id.Epoch, 10) }

// maxID bounds the text of an id, in bytes.
const maxID = 100

// ParseID reads what String wrote; false for anything else.
func ParseID(s string) (ID, bool) {
	at := strings.LastIndexByte(s, '.')
	if at < 1 || len(s) > maxID {
		return ID{}, false
	}
	epoch, err := strconv.ParseInt(s[at+1:], 10, 64)
	id := ID{Grant: consent.GrantID(s[:at]), Epoch: epoch}
	return id, err == nil && epoch > 0 && id.String() == s
}

// Version is a grant as one change left it.
type Version struct {
	Event consent.Event // what changed it; Grant and Epoch name the version
	Grant consent.Grant
}

// ID returns the id of the version's receipt.
func (v Version) ID() ID { return ID{v.Event.Grant, v.Event.Epoch} }

// Told reports whether there is a receipt for an event of this kind: for what
// changes what is shared, or whether. That an app signed out of its tokens
// changes neither.
func Told(kind consent.EventKind) bool { return kind != consent.EventTokensRevoked }

// Format is the version of the form of Receipt.
const Format = 1

// Receipt is what a receipt says: the claims of the JWS.
type Receipt struct {
	Issuer string `json:"iss"`
	ID     string `json:"jti"`
	// At is when the change took place, in Unix seconds. The signature may be
	// younger.
	At         int64              `json:"iat"`
	Format     int                `json:"receipt_format"`
	Event      consent.EventKind  `json:"event"`
	By         consent.Actor      `json:"by"`
	For        consent.Actor      `json:"for,omitempty"` // who wanted it, by the word of By
	Reason     consent.Reason     `json:"reason,omitempty"`
	Consent    Terms              `json:"consent"`
	Parties    []consent.Party    `json:"parties"`
	Disclosure consent.Disclosure `json:"disclosure"`
}

// Terms are what was agreed, as the change left it.
type Terms struct {
	ID      consent.GrantID `json:"id"`
	Version int64           `json:"version"` // the epoch
	Status  consent.Status  `json:"status"`
	Purpose string          `json:"purpose"` // code
	// Accounts is how many accounts are shared; the disclosure names them as
	// the person saw them.
	Accounts     int                  `json:"accounts"`
	Clusters     []string             `json:"dataClusters"` // in a fixed order
	Duration     consent.DurationType `json:"durationType"`
	DurationDays int                  `json:"durationPeriod,omitempty"` // days
	LookbackDays int                  `json:"lookbackPeriod"`           // days
	CreatedAt    time.Time            `json:"createdTime"`
	ExpiresAt    time.Time            `json:"expirationTime"`
	EndedAt      time.Time            `json:"endedTime,omitzero"`
	// Holder is whose accounts are shared; the zero value where the person has
	// accounts in one name only. A person's own name is not in it.
	Holder consent.Holder `json:"holder,omitzero"`
}

// Of returns what the receipt of a version says. It is a pure function: the
// same version gives the same receipt.
func Of(issuer string, v Version) Receipt {
	g := v.Grant
	return Receipt{
		Issuer: issuer, ID: v.ID().String(), At: v.Event.At.Unix(), Format: Format,
		Event: v.Event.Kind, By: v.Event.Actor, For: v.Event.Initiator, Reason: v.Event.Reason,
		Consent: Terms{
			ID: g.ID, Version: v.Event.Epoch, Status: g.Status, Purpose: g.Purpose,
			Accounts: len(g.Accounts()), Clusters: g.Clusters().Names(),
			Duration: g.Duration, DurationDays: g.DurationDays, LookbackDays: g.LookbackDays,
			CreatedAt: g.CreatedAt.UTC(), ExpiresAt: g.ExpiresAt.UTC(), EndedAt: g.EndedAt.UTC().Truncate(time.Second),
			Holder: g.Holder,
		},
		Parties: append([]consent.Party{}, g.Parties...), Disclosure: g.Disclosure,
	}
}
