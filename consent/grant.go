package consent

import (
	"slices"
	"time"

	"github.com/headgate/headgate/fdx"
)

// Status is the state of a grant as FDX puts it on the wire.
type Status string

// The states of a grant. Nothing before ACTIVE is ever visible.
const (
	StatusActive  Status = "ACTIVE"
	StatusRevoked Status = "REVOKED"
	StatusExpired Status = "EXPIRED"
)

// DurationType says how long a grant is meant to last (FDX durationType).
type DurationType string

// The duration types of FDX. ONETIME and TIME_BASED, which circulate in
// examples, are not values of the specification and are refused.
const (
	OneTime    DurationType = "ONE_TIME"
	TimeBound  DurationType = "TIME_BOUND"
	Persistent DurationType = "PERSISTENT"
)

// ResourceType says what a resource entry of a grant is about.
type ResourceType string

// The resource types that a grant can hold.
const (
	ResourceAccount  ResourceType = "ACCOUNT"
	ResourceCustomer ResourceType = "CUSTOMER"
)

// Resource is one thing that a grant covers and the clusters it covers of it.
type Resource struct {
	Type ResourceType `json:"resourceType"`
	// ID is an account id or a customer id, according to Type.
	ID       string       `json:"resourceId"`
	Clusters fdx.Clusters `json:"dataClusters"`
}

// Party is somebody who takes part in a grant, copied from the registration
// when the grant is made: a later change of the registration does not rewrite
// what the consumer agreed to.
type Party struct {
	Name                 string `json:"name"`
	Type                 string `json:"type"`
	HomeURI              string `json:"homeUri,omitempty"`
	LogoURI              string `json:"logoUri,omitempty"`
	Registry             string `json:"registry,omitempty"`
	RegisteredEntityName string `json:"registeredEntityName,omitempty"`
	RegisteredEntityID   string `json:"registeredEntityId,omitempty"`
}

// The party types that Headgate writes (FDX PartyType).
const (
	PartyRecipient = "DATA_RECIPIENT"
	PartyProvider  = "DATA_PROVIDER"
	// PartyPlatform stands between a recipient and the bank.
	PartyPlatform = "DATA_ACCESS_PLATFORM"
)

// Disclosure is the text that the consumer decided on, word for word.
type Disclosure struct {
	Version string `json:"version"` // of the template, such as "2026-11"
	Locale  string `json:"locale"`  // BCP 47, such as "en"
	Text    string `json:"text"`    // plain text, as shown
}

// Grant is one consumer's consent in one version (epoch). Values are
// snapshots: changing one changes nothing until a store accepts it.
type Grant struct {
	ID        GrantID
	Recipient RecipientID
	Consumer  ConsumerID
	// Status as stored; a grant whose ExpiresAt has passed may still be
	// stored as ACTIVE. Decide with StatusAt.
	Status Status
	// Epoch starts at 1 and rises with every change to the grant or to the
	// tokens under it.
	Epoch    int64
	Purpose  string // a purpose code of the recipient's registration
	Duration DurationType
	// DurationDays is the term in days for TimeBound, 0 otherwise.
	DurationDays int
	// LookbackDays bounds how far back data may reach, in days before the
	// day of each request (not before the day of the grant); 0 means that
	// only data of the request's own day may be read.
	LookbackDays int
	Resources    []Resource // at least one ACCOUNT entry
	// Holder is whose accounts these are, as it is kept; the zero Holder where
	// all accounts of the person are in one name.
	Holder     Holder
	Parties    []Party
	Disclosure Disclosure
	CreatedAt  time.Time // whole seconds, UTC
	UpdatedAt  time.Time // zero when never changed
	// ExpiresAt is always set (whole seconds, UTC): a PERSISTENT grant is
	// capped by MaxTerm. The grant is over from this instant on.
	ExpiresAt time.Time
	// PausedUntil is when the last pause ends or ended (whole seconds, UTC);
	// zero when there is none. A pause whose time is over is over, though it
	// stays written down. Decide with RestAt.
	PausedUntil time.Time
	HeldAt      time.Time // since when the grant is held; zero when it is not
	Case        string    // the number of the hold; empty when it is not held
	EndedAt     time.Time // zero while active
	EndedBy     Actor
	EndReason   Reason
}

// MaxTerm is the longest that any grant lives before the consumer is asked
// again. One year is the strictest of the rules that Headgate is built for.
const MaxTerm = 365 * 24 * time.Hour

// OneTimeTerm is how long a ONE_TIME grant can be read, unless the bank allows
// less (Request.OneTimeMinutes).
const OneTimeTerm = time.Hour

// StatusAt returns the state at now: a grant past its end is EXPIRED even if
// no sweep has written that down yet. An unknown stored state is REVOKED.
func (g Grant) StatusAt(now time.Time) Status {
	switch g.Status {
	case StatusActive:
		if !now.Before(g.ExpiresAt) {
			return StatusExpired
		}
		return StatusActive
	case StatusExpired:
		return StatusExpired
	default:
		return StatusRevoked
	}
}

// Clusters returns every cluster that the grant holds on any resource.
func (g Grant) Clusters() fdx.Clusters {
	var all fdx.Clusters
	for _, r := range g.Resources {
		all = all.Union(r.Clusters)
	}
	return all
}

// Accounts returns the ids of the accounts in the grant, in stored order.
func (g Grant) Accounts() []fdx.AccountID {
	var ids []fdx.AccountID
	for _, r := range g.Resources {
		if r.Type == ResourceAccount {
			ids = append(ids, fdx.AccountID(r.ID))
		}
	}
	return ids
}

// Share returns the part of the grant that enforcement needs.
func (g Grant) Share() Share {
	s := Share{
		Grant: g.ID, Epoch: g.Epoch, Recipient: g.Recipient, Consumer: g.Consumer,
		Status: g.Status, ExpiresAt: g.ExpiresAt, LookbackDays: g.LookbackDays,
		PausedUntil: g.PausedUntil, Held: !g.HeldAt.IsZero(),
	}
	for _, r := range g.Resources {
		switch r.Type {
		case ResourceAccount:
			s.Accounts = append(s.Accounts, AccountShare{ID: fdx.AccountID(r.ID), Clusters: r.Clusters.Implied()})
		case ResourceCustomer:
			s.Customer = s.Customer.Union(r.Clusters.Implied())
		}
	}
	return s
}

// AccountShare is one account of a Share with all clusters that may be read
// of it, implied ones included.
type AccountShare struct {
	ID       fdx.AccountID
	Clusters fdx.Clusters
}

// Share is what enforcement needs of one version of a grant. It is the form
// that travels in the token cache. The zero Share allows nothing.
type Share struct {
	Grant        GrantID
	Epoch        int64
	Recipient    RecipientID
	Consumer     ConsumerID
	Status       Status
	ExpiresAt    time.Time // whole seconds, UTC
	LookbackDays int
	PausedUntil  time.Time // as in Grant
	Held         bool
	Accounts     []AccountShare
	Customer     fdx.Clusters // clusters on the CUSTOMER entry
}

// Active reports whether the share may be read at now. A share that names no
// status, an unknown one or no end is not active, nor is one that rests
// (RestAt).
func (s Share) Active(now time.Time) bool { return s.alive(now) && s.RestAt(now) == "" }

// Account returns the clusters of one account. An account outside the share
// and an account that does not exist are the same: not found.
func (s Share) Account(id fdx.AccountID) (fdx.Clusters, bool) {
	i := slices.IndexFunc(s.Accounts, func(a AccountShare) bool { return a.ID == id })
	if i < 0 {
		return 0, false
	}
	return s.Accounts[i].Clusters, true
}

// Earliest returns the first day that may be read at now (FDX lookbackPeriod
// is measured when the request is made).
func (s Share) Earliest(now time.Time) fdx.Date {
	return fdx.DateOf(now).AddDays(-s.LookbackDays)
}
