package postgres

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// LedgerReader is the ledger.Source and a ledger.Prover. It shows the moment at which it was
// opened, may read a standby, and never writes. It is not safe for concurrent
// use. Close it after use.
type LedgerReader struct {
	c     *pgx.Conn // in a transaction
	loose *pgx.Conn
}

var (
	_ ledger.Source = (*LedgerReader)(nil)
	_ ledger.Prover = (*LedgerReader)(nil)
)

// OpenLedgerReader connects to the database with that DSN. Its statements may
// take as long as ctx lets them.
func OpenLedgerReader(ctx context.Context, dsn string) (*LedgerReader, error) {
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: read DSN: %w", err)
	}
	cc.RuntimeParams["application_name"] = "headgate audit"
	cc.RuntimeParams["default_transaction_read_only"] = "on"
	cc.RuntimeParams["statement_timeout"] = "0"
	cc.ConnectTimeout = connectTimeout
	r := &LedgerReader{}
	if r.c, err = pgx.ConnectConfig(ctx, cc); err == nil {
		r.loose, err = pgx.ConnectConfig(ctx, cc)
	}
	if err == nil {
		_, err = r.c.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	}
	if err != nil {
		r.Close(ctx)
		return nil, unavailable(err)
	}
	return r, nil
}

// Close ends the connections.
func (r *LedgerReader) Close(ctx context.Context) {
	for _, c := range []*pgx.Conn{r.c, r.loose} {
		if c != nil {
			_ = c.Close(ctx) // nothing was written
		}
	}
}

// Head implements ledger.Source.
func (r *LedgerReader) Head(ctx context.Context) (ledger.Head, error) {
	row, err := one[ledgerHeadRow](ctx, r.c, ledger.ErrTree, sqlLedgerHead)
	if err != nil {
		return ledger.Head{}, fmt.Errorf("load the tree: %w", err)
	}
	root, err := treeHash(row.Root)
	return ledger.Head{Size: row.Size, Root: root}, err
}

// LATERAL with OFFSET makes it a look-up for each leaf, whatever the planner
// believes about the size of the tables.
const sqlEntries = `
SELECT r.request_id, r.at, r.recipient_id, r.grant_id, r.epoch, r.consumer_id, r.operation,
    r.accounts, r.clusters, r.window_start, r.window_end, r.record_count, r.body_bytes,
    r.body_hash, r.outcome, r.reason, r.attended, r.interaction_id, r.instance_id, r.lane, r.counter, r.transaction_id,
    l.leaf_index, l.hash, l.request_id AS leaf_request_id
FROM access_leaf l LEFT JOIN LATERAL (
    SELECT ` + ledgerColumns + ` FROM access_record r WHERE r.request_id = l.request_id OFFSET 0) r ON true
WHERE l.leaf_index >= $1 AND l.leaf_index < $1 + $2
ORDER BY l.leaf_index`

// Entries implements ledger.Source.
func (r *LedgerReader) Entries(ctx context.Context, from int64, limit int, f func(ledger.Entry) error) error {
	rows, err := r.c.Query(ctx, sqlEntries, pgx.QueryResultFormats{pgx.BinaryFormatCode}, from, limit)
	if err != nil {
		return fmt.Errorf("load records: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := ledgerEntry(rows.RawValues())
		if err != nil {
			return fmt.Errorf("load records: %w", err)
		}
		if err := f(e); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("load records: %w", err)
	}
	return nil
}

// ledgerEntry reads a row of sqlEntries in the binary format.
func ledgerEntry(v [][]byte) (ledger.Entry, error) {
	var e ledger.Entry
	if len(v) != ledgerWidth+3 || len(v[ledgerWidth]) != 8 || len(v[ledgerWidth+2]) != len(e.RequestID) {
		return e, errLedgerRow
	}
	if v[0] != nil {
		rec, err := ledgerRecord(v)
		if err != nil {
			return e, err
		}
		e.Record = &rec
	}
	var err error
	e.Leaf, err = treeHash(v[ledgerWidth+1])
	e.Index = int64(binary.BigEndian.Uint64(v[ledgerWidth]))
	copy(e.RequestID[:], v[ledgerWidth+2])
	return e, err
}

const sqlRecordsOf = `
SELECT r.request_id FROM access_record r WHERE r.consumer_id = $1 ORDER BY r.at, r.request_id`

// Of calls f with the request ids of one consumer's records, oldest first.
func (r *LedgerReader) Of(ctx context.Context, consumer string, f func(ledger.ID) error) error {
	var id ledger.ID
	rows, _ := r.c.Query(ctx, sqlRecordsOf, consumer) // ForEachRow returns the error
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { return f(id) }); err != nil {
		return fmt.Errorf("load records: %w", err)
	}
	return nil
}

// Find implements ledger.Prover.
func (r *LedgerReader) Find(ctx context.Context, id ledger.ID) (ledger.Record, int64, error) {
	return findRecord(ctx, r.c, id)
}

// Newest implements ledger.Prover.
func (r *LedgerReader) Newest(ctx context.Context) ([]byte, error) {
	return newestCheckpoint(ctx, r.c)
}

// Leaves implements ledger.Nodes.
func (r *LedgerReader) Leaves(ctx context.Context, from int64, limit int) ([]ledger.Hash, error) {
	return loadLeaves(ctx, r.c, from, limit)
}

// Node implements ledger.Nodes.
func (r *LedgerReader) Node(ctx context.Context, level int, n int64) (ledger.Hash, error) {
	return loadNode(ctx, r.c, level, n)
}

const sqlNodes = `SELECT level, n, hash FROM access_node`

// Nodes implements ledger.Source.
func (r *LedgerReader) Nodes(ctx context.Context, f func(level int, n int64, h ledger.Hash) error) error {
	var (
		level int
		n     int64
		hash  []byte
	)
	rows, _ := r.c.Query(ctx, sqlNodes) // ForEachRow returns the error
	_, err := pgx.ForEachRow(rows, []any{&level, &n, &hash}, func() error {
		h, err := treeHash(hash)
		if err != nil {
			return err
		}
		return f(level, n, h)
	})
	if err != nil {
		return fmt.Errorf("load nodes: %w", err)
	}
	return nil
}

const sqlCheckpoints = `
SELECT size, note FROM access_checkpoint WHERE size > $1 ORDER BY size LIMIT $2`

// Checkpoints implements ledger.Source.
func (r *LedgerReader) Checkpoints(ctx context.Context, after int64, limit int) ([]ledger.Note, error) {
	type row struct {
		Size int64  `db:"size"`
		Note string `db:"note"`
	}
	rows, err := many[row](ctx, r.c, sqlCheckpoints, after, limit)
	if err != nil {
		return nil, fmt.Errorf("load checkpoints: %w", err)
	}
	var all []ledger.Note
	for _, n := range rows {
		all = append(all, ledger.Note{Where: fmt.Sprintf("checkpoint %d of the database", n.Size), Size: n.Size, Text: []byte(n.Note)})
	}
	return all, nil
}

const sqlRetired = `SELECT name, from_id, until_id, records FROM access_retired ORDER BY from_id`

// Retired implements ledger.Source.
func (r *LedgerReader) Retired(ctx context.Context) ([]ledger.Retired, error) {
	type row struct {
		Name    string   `db:"name"`
		FromID  [16]byte `db:"from_id"`
		UntilID [16]byte `db:"until_id"`
		Records int64    `db:"records"`
	}
	rows, err := many[row](ctx, r.c, sqlRetired)
	if err != nil {
		return nil, fmt.Errorf("load what was retired: %w", err)
	}
	var all []ledger.Retired
	for _, x := range rows {
		all = append(all, ledger.Retired{Name: x.Name, From: x.FromID, Until: x.UntilID, Records: x.Records})
	}
	return all, nil
}

const sqlLane = `
SELECT count(counter) AS count, coalesce(min(counter), 0) AS first, coalesce(max(counter), 0) AS last
FROM access_record WHERE lane = $1`

// Lane implements ledger.Source.
func (r *LedgerReader) Lane(ctx context.Context, lane string) (count, first, last int64, err error) {
	type row struct {
		Count int64 `db:"count"`
		First int64 `db:"first"`
		Last  int64 `db:"last"`
	}
	x, err := one[row](ctx, r.c, ledger.ErrTree, sqlLane, lane)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("look at a lane: %w", err)
	}
	return x.Count, x.First, x.Last, nil
}

const sqlLoose = `
SELECT r.request_id FROM access_record r
WHERE NOT EXISTS (SELECT FROM access_leaf l WHERE l.request_id = r.request_id)
LIMIT $1`

const sqlLooseAmong = `
SELECT r.request_id FROM access_record r
WHERE r.request_id = ANY ($1::uuid[]) AND NOT EXISTS (SELECT FROM access_leaf l WHERE l.request_id = r.request_id)
LIMIT $2`

// Loose implements ledger.Source.
func (r *LedgerReader) Loose(ctx context.Context, among []ledger.ID, limit int) ([]ledger.ID, error) {
	var rows pgx.Rows
	if among == nil {
		rows, _ = r.loose.Query(ctx, sqlLoose, limit) // CollectRows returns the error
	} else {
		ids := make([]pgtype.UUID, len(among))
		for i, id := range among {
			ids[i] = pgtype.UUID{Bytes: id, Valid: true}
		}
		rows, _ = r.loose.Query(ctx, sqlLooseAmong, ids, limit)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("look for records without a leaf: %w", err)
	}
	ids := make([]ledger.ID, len(all))
	for i, id := range all {
		ids[i] = ledger.ID(id)
	}
	return ids, nil
}
