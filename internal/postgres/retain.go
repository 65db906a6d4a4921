package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/internal/audit/ledger"
)

// Retained is what one Retain deleted or, dry, would have deleted.
type Retained struct {
	// Grants is how many grants went with their versions, events, receipts and
	// notices.
	Grants int64
	// Months are the months of records of reads that went, oldest first.
	Months []ledger.Retired
	// Waiting names the months that are old enough and stay: there is a record
	// in them of a grant that is kept.
	Waiting []string
}

// retainPage is how many grants go in one transaction.
const retainPage = 100

// What is due. forget_grants looks again, with the rows held.
const sqlDueRecords = `
SELECT g.grant_id, rule.days
FROM consent_grant g
JOIN unnest($3::timestamptz[], $4::timestamptz[], $5::integer[]) AS rule (since, until, days)
  ON (` + agreedTime + `) >= rule.since AND (` + agreedTime + `) < rule.until
WHERE g.ended_at IS NOT NULL AND g.ended_at <= $2::timestamptz - make_interval(days => rule.days)
  AND g.grant_id > $6
  AND NOT EXISTS (SELECT h.grant_id FROM retention_hold h WHERE h.grant_id = g.grant_id)
  AND NOT EXISTS (SELECT e.grant_id FROM erase_request e WHERE e.grant_id = g.grant_id
                  AND e.answer = '' AND e.asked_at > $2::timestamptz - interval '30 days')
  AND NOT EXISTS (SELECT p.pseudonym FROM person p WHERE p.pseudonym = g.consumer_id AND p.erase_at IS NOT NULL AND p.erased_at IS NULL)
ORDER BY g.grant_id LIMIT $1`

const sqlForgetGrants = `SELECT forget_grants($1, $2) AS gone`

const sqlMonthKept = `
SELECT EXISTS (
    SELECT r.request_id FROM access_record r JOIN consent_grant g ON g.grant_id = r.grant_id
    WHERE r.request_id >= $1 AND r.request_id < $2)`

const sqlMonthSize = `
SELECT count(request_id) FROM access_record WHERE request_id >= $1 AND request_id < $2`

var errForgot = errors.New("postgres: forget_grants gave no answer")

// Retain deletes the records whose time is over at now: of each grant, so many
// days after its end as the pack says (policy.Book.Keep), all that is kept of
// it; and each whole month of records of reads that began as long ago and has
// no record of a grant that is kept. covered is as for Retire. What is held, or
// has an erasure under way, stays. dry deletes nothing and says what would go.
//
// Each page of grants and each month is a transaction of its own: what ends in
// the middle goes on with the next call, and any number of processes may call
// it at once. Grants go with the rights of authzd; months need the owner of the
// tables, without whom they are ErrOwner after the grants have gone.
func (db *DB) Retain(ctx context.Context, rules *policy.Book, now time.Time, covered int64, dry bool) (Retained, error) {
	var (
		done Retained
		in   spans
		days []int32
		most int32
	)
	for _, span := range rules.Spans() {
		in.add(span)
		kept := int32(max(span.RecordDays, rules.At(now).RecordDays))
		days, most = append(days, kept), max(most, kept)
	}
	type dueRow struct {
		GrantID string `db:"grant_id"`
		Days    int32  `db:"days"`
	}
	type goneRow struct {
		Gone int64 `db:"gone"`
	}
	for after := ""; ; {
		var (
			due  []dueRow
			gone goneRow
		)
		err := db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
			if due, err = many[dueRow](ctx, c, sqlDueRecords, retainPage, now, in.since, in.until, days, after); err != nil || len(due) == 0 {
				return err
			}
			if gone.Gone = int64(len(due)); dry {
				return nil
			}
			gone, err = one[goneRow](ctx, c, errForgot, sqlForgetGrants,
				column(due, func(r dueRow) string { return r.GrantID }), column(due, func(r dueRow) int32 { return r.Days }))
			return err
		})
		if err != nil {
			return done, fmt.Errorf("retain: %w", err)
		}
		done.Grants += gone.Gone
		if len(due) < retainPage {
			break
		}
		after = due[len(due)-1].GrantID
	}
	err := db.retireMonths(ctx, now.AddDate(0, 0, -int(most)), func(ctx context.Context, tx pgx.Tx, r *ledger.Retired) error {
		kept, err := keeps(ctx, tx, r)
		switch {
		case err != nil:
			return err
		case kept:
			done.Waiting = append(done.Waiting, r.Name)
			return nil
		case dry:
			err = countMonth(ctx, tx, r)
		default:
			err = retire(ctx, tx, r, covered)
		}
		if err == nil {
			done.Months = append(done.Months, *r)
		}
		return err
	})
	if err != nil {
		return done, fmt.Errorf("retain: %w", err)
	}
	return done, nil
}

// ErrOwner: only the owner of the tables can delete months of records.
var ErrOwner = errors.New("postgres: months of records are deleted by the owner of the tables: headgate retention run")

// keeps reports whether a month has a record of a grant that is there.
func keeps(ctx context.Context, tx pgx.Tx, r *ledger.Retired) (kept bool, err error) {
	err = tx.QueryRow(ctx, sqlMonthKept, r.From, r.Until).Scan(&kept)
	return kept, err
}

func countMonth(ctx context.Context, tx pgx.Tx, r *ledger.Retired) error {
	return tx.QueryRow(ctx, sqlMonthSize, r.From, r.Until).Scan(&r.Records)
}

// owner puts a missing right into words.
func owner(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" { // insufficient_privilege
		return ErrOwner
	}
	return err
}

// Holds.

// Hold is a grant whose records stay.
type Hold struct {
	Grant  consent.GrantID
	Reason string
	At     time.Time // UTC
}

const sqlHoldRecords = `
INSERT INTO retention_hold (grant_id, reason) SELECT grant_id, $2 FROM consent_grant WHERE grant_id = $1
ON CONFLICT (grant_id) DO UPDATE SET reason = EXCLUDED.reason`

const sqlReleaseRecords = `DELETE FROM retention_hold WHERE grant_id = $1`

const sqlHeldRecords = `SELECT grant_id, reason, at FROM retention_hold ORDER BY at, grant_id LIMIT $1`

// HoldRecords keeps the records of a grant whatever their age, until
// ReleaseRecords; again, it gives another reason. consent.ErrNotFound for a
// grant that is not there. One round trip.
func (db *DB) HoldRecords(ctx context.Context, id consent.GrantID, reason string) error {
	return db.held(ctx, "hold records", sqlHoldRecords, string(id), reason)
}

// ReleaseRecords ends what HoldRecords began; consent.ErrNotFound when nothing
// is held. One round trip.
func (db *DB) ReleaseRecords(ctx context.Context, id consent.GrantID) error {
	return db.held(ctx, "release records", sqlReleaseRecords, string(id))
}

func (db *DB) held(ctx context.Context, what, sql string, args ...any) error {
	err := db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		tag, err := c.Exec(ctx, sql, args...)
		if err == nil && tag.RowsAffected() == 0 {
			err = consent.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Holds returns what is held, the oldest first, at most limit; nil when
// nothing. One round trip.
func (db *DB) Holds(ctx context.Context, limit int) ([]Hold, error) {
	type row struct {
		GrantID string    `db:"grant_id"`
		Reason  string    `db:"reason"`
		At      time.Time `db:"at"`
	}
	var all []Hold
	err := db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := many[row](ctx, c, sqlHeldRecords, limit)
		for _, r := range rows {
			all = append(all, Hold{consent.GrantID(r.GrantID), r.Reason, r.At.UTC()})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	return all, nil
}
