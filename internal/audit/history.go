package audit

import (
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Presence says whether the consumer was there when an app asked.
type Presence string

// The two kinds of presence.
const (
	WhilePresent Presence = "attended"
	Background   Presence = "background"
)

// Filter chooses among the records of a consumer. Each field that is not its
// zero value narrows the choice; the zero Filter lets all through.
type Filter struct {
	Recipient consent.RecipientID
	Account   fdx.AccountID
	Cluster   fdx.Cluster
	Outcome   Outcome
	Presence  Presence
	From      time.Time // at that time or later
	Until     time.Time // earlier than that
}

// ReadsOnly reports whether the filter asks for something that only a record
// of a read has.
func (f Filter) ReadsOnly() bool {
	return f.Account != "" || f.Cluster != 0 || f.Outcome != "" || f.Presence != ""
}

// Within reports whether the filter's dates let that time through.
func (f Filter) Within(at time.Time) bool {
	return (f.From.IsZero() || !at.Before(f.From)) && (f.Until.IsZero() || at.Before(f.Until))
}

// LookUp is one look of the bank's staff at what a consumer shares. It is
// written in the transaction that showed it.
type LookUp struct {
	ID       [16]byte
	Consumer consent.ConsumerID
	At       time.Time // by the store's clock
	Staff    string    // the account of who looked; not for the consumer
	Reason   string    // why, in words that the consumer is shown
}

// DayUse counts the reads of one consumer on one day that were given data.
type DayUse struct {
	Day fdx.Date `json:"-"`
	// Grants, and Clusters by name, hold a count for each that occurs. A read
	// that gave several clusters counts for each.
	Grants   map[consent.GrantID]int `json:"grants,omitempty"`
	Clusters map[string]int          `json:"clusters,omitempty"`
	Hours    [24]int                 `json:"hours"` // by hour of the local day
}

// Span is a time in which a zone's clocks are ahead of UTC by the same.
type Span struct {
	Since, Until time.Time // Until is outside
	Ahead        int       // seconds
}

// Spans cuts the time from since to until, which is outside, where the clocks
// of the zone change. nil when the time is empty.
func Spans(zone *time.Location, since, until time.Time) []Span {
	var list []Span
	for since.Before(until) {
		local := since.In(zone)
		_, ahead := local.Zone()
		_, end := local.ZoneBounds()
		if end.IsZero() || end.After(until) {
			end = until
		}
		list = append(list, Span{Since: since, Until: end, Ahead: ahead})
		since = end
	}
	return list
}

// StartOf returns the first instant of a day in a zone.
func StartOf(d fdx.Date, zone *time.Location) time.Time {
	year, month, day := d.Time().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, zone)
}

// Today returns the day that it is at that time in a zone.
func Today(at time.Time, zone *time.Location) fdx.Date {
	year, month, day := at.In(zone).Date()
	return fdx.DateOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
}
