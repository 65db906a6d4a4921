// Package audit defines the record of one read: who was given what, under
// which version of which grant. The record is written before the first byte
// of the answer leaves, in the same statement that finds the grant still
// active, so that no data is given without one.
//
// The package owns the record's content and the questions that a consumer
// may ask of it. It must not know HTTP, SQL or how records are batched.
// Records hold identifiers, counts and hashes; never a balance, a name, a
// token or an account number.
package audit

import (
	"context"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Outcome says how a read ended.
type Outcome string

// The outcomes of a read.
const (
	Given   Outcome = "given"   // the data asked for, as far as the grant reaches
	Clipped Outcome = "clipped" // given, but the window was shortened by the look-back
	Refused Outcome = "refused" // nothing was given; Reason says why
)

// Record is one read.
type Record struct {
	// RequestID is made by the gateway (UUID version 7) and returned to the
	// recipient; a second record with the same id is impossible.
	RequestID [16]byte
	// At is set by the store from its own clock.
	At        time.Time
	Recipient consent.RecipientID
	Grant     consent.GrantID
	Epoch     int64 // version of the grant that the answer was filtered by
	Consumer  consent.ConsumerID
	Operation string // FDX operationId, such as searchForAccounts
	Accounts  []fdx.AccountID
	Clusters  fdx.Clusters // clusters that were let through
	Window    fdx.Window   // zero when the operation has none
	Count     int          // records in the answer
	Bytes     int          // length of the body
	BodyHash  [32]byte     // SHA-256 of the body
	Outcome   Outcome
	// Reason is the FDX error code of a refusal, or the consent.Rest that the
	// grant was in; empty otherwise.
	Reason   string
	Attended bool // the consumer was present (FDX-API-Actor-Type USER)
	// Interaction is the x-fapi-interaction-id (UUID text) of the request.
	Interaction string
	Instance    string // gateway instance
}

// Reads answers a consumer's questions about who read what. Implementations
// are safe for concurrent use.
type Reads interface {
	// Find returns up to limit records of a consumer that the filter lets
	// through, newest first, that are older than the cursor; the zero cursor
	// starts at the newest. nil when there are none.
	Find(ctx context.Context, who consent.ConsumerID, f Filter, before Cursor, limit int) ([]Record, error)
	// Read returns the record with that request id; false when there is none
	// or it is another consumer's.
	Read(ctx context.Context, who consent.ConsumerID, id [16]byte) (Record, bool, error)
	// Changes returns up to limit events of a consumer's grants, newest
	// first, none later than until; a zero until is now. nil when there are
	// none.
	Changes(ctx context.Context, who consent.ConsumerID, until time.Time, limit int) ([]consent.Event, error)
	// LookUps is Changes for the looks of the bank's staff.
	LookUps(ctx context.Context, who consent.ConsumerID, until time.Time, limit int) ([]LookUp, error)
	// Usage adds up the reads that were given data on the last days days, the
	// one of now included, oldest first; days without a read may be missing.
	Usage(ctx context.Context, who consent.ConsumerID, zone *time.Location, now time.Time, days int) ([]DayUse, error)
	// Pulse returns a value that is another one as soon as a record, a change
	// or a look-up of that consumer has been added. It tells nothing else.
	Pulse(ctx context.Context, who consent.ConsumerID) (string, error)
}

// Cursor is a place in the history of reads.
type Cursor struct {
	At        time.Time
	RequestID [16]byte
}
