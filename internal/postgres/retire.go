package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/jackc/pgx/v5"
)

// ErrNotCovered: records of a month have no leaf, or no checkpoint covers it,
// so that the month cannot be retired.
var ErrNotCovered = errors.New("postgres: no checkpoint covers all records of the month")

const sqlUnbounded = `SELECT set_config('statement_timeout', '0', false)`

const sqlRetirable = `
SELECT name, from_id, until_id FROM access_partition WHERE until_id <= request_id_at($1) ORDER BY until_id`

const sqlHoldPartition = `
SELECT name, from_id, until_id FROM access_partition WHERE name = $1 FOR UPDATE SKIP LOCKED`

const sqlUncovered = `
SELECT count(r.request_id) AS records,
       count(r.request_id) FILTER (WHERE l.leaf_index IS NULL OR l.leaf_index >= $3) AS uncovered
FROM access_record r LEFT JOIN access_leaf l ON l.request_id = r.request_id
WHERE r.request_id >= $1 AND r.request_id < $2`

const sqlRetire = `
INSERT INTO access_retired (name, from_id, until_id, records, size) VALUES ($1, $2, $3, $4, $5)`

const sqlForgetPartition = `DELETE FROM access_partition WHERE name = $1`

// Retire removes the records of the partitions that end before a time, oldest
// first, and returns what it removed. Their leaves stay, so that the tree can
// still be verified; that they were retired is written down. covered is the
// size of the tree in a checkpoint that whoever calls has seen outside: a
// partition with a record that it does not cover is ErrNotCovered, and stays.
// Each partition is a transaction of its own, which waits at most a second for
// reads to let it. It needs the owner of the tables.
func (db *DB) Retire(ctx context.Context, before time.Time, covered int64) (done []ledger.Retired, err error) {
	err = db.retireMonths(ctx, before, func(ctx context.Context, tx pgx.Tx, r *ledger.Retired) error {
		err := retire(ctx, tx, r, covered)
		if err == nil {
			done = append(done, *r)
		}
		return err
	})
	if err != nil {
		return done, fmt.Errorf("retire: %w", err)
	}
	return done, nil
}

// retireMonths calls do, in a transaction of its own, for each partition that
// ends before a time, oldest first, until one fails. One that somebody else is
// at is passed over.
func (db *DB) retireMonths(ctx context.Context, before time.Time, do func(context.Context, pgx.Tx, *ledger.Retired) error) error {
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		return unavailable(err)
	}
	// Counting a month takes longer than a call of a request may.
	lone := c.Hijack()
	defer lone.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what was committed is committed
	if _, err := lone.Exec(ctx, sqlUnbounded); err != nil {
		return classify(err)
	}
	type row struct {
		Name    string   `db:"name"`
		FromID  [16]byte `db:"from_id"`
		UntilID [16]byte `db:"until_id"`
	}
	parts, err := many[row](ctx, lone, sqlRetirable, before)
	if err != nil {
		return classify(err)
	}
	for _, p := range parts {
		r := ledger.Retired{Name: p.Name, From: p.FromID, Until: p.UntilID}
		err := pgx.BeginFunc(ctx, lone, func(tx pgx.Tx) error {
			switch mine, err := many[row](ctx, tx, sqlHoldPartition, p.Name); {
			case err != nil || len(mine) == 0:
				return err
			default:
				return do(ctx, tx, &r)
			}
		})
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, classify(owner(err)))
		}
	}
	return nil
}

func retire(ctx context.Context, tx pgx.Tx, r *ledger.Retired, covered int64) error {
	type row struct {
		Records   int64 `db:"records"`
		Uncovered int64 `db:"uncovered"`
	}
	table := pgx.Identifier{r.Name}.Sanitize()
	// Nothing is added between the count and the end.
	if _, err := tx.Exec(ctx, "LOCK "+table+" IN SHARE MODE"); err != nil {
		return err
	}
	n, err := one[row](ctx, tx, ErrNotCovered, sqlUncovered, r.From, r.Until, covered)
	if err != nil {
		return err
	}
	if n.Uncovered > 0 {
		return fmt.Errorf("%w: %d of %d", ErrNotCovered, n.Uncovered, n.Records)
	}
	r.Records = n.Records
	if _, err := tx.Exec(ctx, sqlRetire, r.Name, r.From, r.Until, r.Records, covered); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, sqlForgetPartition, r.Name); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "ALTER TABLE access_record DETACH PARTITION "+table); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "DROP TABLE "+table)
	return err
}
