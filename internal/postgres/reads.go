package postgres

import (
	"errors"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

// Reads is the audit.Reads. Records are written by the Gate alone.
type Reads struct{ db *DB }

var _ audit.Reads = Reads{}

// Reads returns the history of reads.
func (db *DB) Reads() Reads { return Reads{db} }

const recordColumns = `
    request_id, at, recipient_id, grant_id, epoch, consumer_id, operation,
    accounts, clusters, window_start, window_end, record_count, body_bytes,
    body_hash, outcome, reason, attended, interaction_id, instance_id`

type recordRow struct {
	RequestID     [16]byte   `db:"request_id"`
	At            time.Time  `db:"at"`
	RecipientID   string     `db:"recipient_id"`
	GrantID       string     `db:"grant_id"`
	Epoch         int64      `db:"epoch"`
	ConsumerID    string     `db:"consumer_id"`
	Operation     string     `db:"operation"`
	Accounts      []string   `db:"accounts"`
	Clusters      []string   `db:"clusters"`
	WindowStart   *time.Time `db:"window_start"`
	WindowEnd     *time.Time `db:"window_end"`
	RecordCount   int        `db:"record_count"`
	BodyBytes     int        `db:"body_bytes"`
	BodyHash      []byte     `db:"body_hash"`
	Outcome       string     `db:"outcome"`
	Reason        string     `db:"reason"`
	Attended      bool       `db:"attended"`
	InteractionID string     `db:"interaction_id"`
	InstanceID    string     `db:"instance_id"`
}

func (r recordRow) record() (audit.Record, error) {
	set, err := clusters(r.Clusters)
	if err != nil {
		return audit.Record{}, err
	}
	rec := audit.Record{
		RequestID: r.RequestID, At: r.At.UTC(), Recipient: consent.RecipientID(r.RecipientID),
		Grant: consent.GrantID(r.GrantID), Epoch: r.Epoch, Consumer: consent.ConsumerID(r.ConsumerID),
		Operation: r.Operation, Accounts: typed[fdx.AccountID](r.Accounts), Clusters: set,
		Window: fdx.Window{Start: fdx.DateOf(instant(r.WindowStart)), End: fdx.DateOf(instant(r.WindowEnd))},
		Count:  r.RecordCount, Bytes: r.BodyBytes, Outcome: audit.Outcome(r.Outcome), Reason: r.Reason,
		Attended: r.Attended, Interaction: r.InteractionID, Instance: r.InstanceID,
	}
	if copy(rec.BodyHash[:], r.BodyHash) != len(rec.BodyHash) {
		return audit.Record{}, errors.New("postgres: stored body hash is too short")
	}
	return rec, nil
}

var errNoRead = errors.New("postgres: no read")
