package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/jackc/pgx/v5"
)

// Ledger keeps the tree over the records of reads: the ledger.Store and the
// ledger.Source.
type Ledger struct{ db *DB }

var _ ledger.Store = Ledger{}

// Ledger returns the tree over the records of reads.
func (db *DB) Ledger() Ledger { return Ledger{db} }

// Every column of a record, in the order of ledger.Record.
const ledgerColumns = `
    r.request_id, r.at, r.recipient_id, r.grant_id, r.epoch, r.consumer_id, r.operation,
    r.accounts::text AS accounts, r.clusters::text AS clusters, r.window_start, r.window_end, r.record_count, r.body_bytes,
    r.body_hash, r.outcome, r.reason, r.attended, r.interaction_id, r.instance_id, r.lane, r.counter, r.transaction_id`

const ledgerWidth = 22 // columns of ledgerColumns

// ledgerLock is the advisory lock of whoever appends.
const ledgerLock = 0x6865616467617465 // "headgate"

const sqlLedgerLock = `SELECT pg_try_advisory_xact_lock($1) AS mine`

// The oldest transaction that was running is asked for before the records are:
// all that have a smaller number have ended, so that the next statement sees
// their records.
const sqlLedgerHead = `
SELECT size, root, edge, sequenced_xid::text AS xid, sequenced_id AS id,
       pg_snapshot_xmin(pg_current_snapshot())::text AS running
FROM access_tree`

// Records that have no leaf, in the order of the transactions that stored them.
// What a transaction that is still running holds up is seen again; OFFSET keeps
// the look for a leaf a look-up for each of the few that are read. The upper
// bound keeps out numbers of another server's life that a dump brought along.
const sqlUnsequenced = `
SELECT ` + ledgerColumns + `
FROM access_record r
WHERE (r.transaction_id, r.request_id) > ($1::text::xid8, $2::uuid)
  AND r.transaction_id < pg_snapshot_xmax(pg_current_snapshot())
  AND NOT EXISTS (SELECT 1 FROM access_leaf l WHERE l.request_id = r.request_id OFFSET 0)
ORDER BY r.transaction_id, r.request_id LIMIT $3`

const sqlPutLeaves = `
INSERT INTO access_leaf (leaf_index, request_id, hash)
SELECT $1 + a.ord - 1, a.request_id, a.hash
FROM unnest($2::uuid[], $3::bytea[]) WITH ORDINALITY AS a (request_id, hash, ord)`

const sqlPutNodes = `
INSERT INTO access_node (level, n, hash)
SELECT a.level, a.n, a.hash FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) AS a (level, n, hash)`

const sqlPutHead = `
UPDATE access_tree SET size = $3, root = $4, edge = $5, sequenced_xid = $6::text::xid8, sequenced_id = $7, updated_at = clock_timestamp()
WHERE size = $1 AND root = $2`

type ledgerHeadRow struct {
	Size    int64    `db:"size"`
	Root    []byte   `db:"root"`
	Edge    []byte   `db:"edge"`
	XID     string   `db:"xid"`
	ID      [16]byte `db:"id"`
	Running string   `db:"running"`
}

func (r ledgerHeadRow) tree() (*ledger.Tree, error) {
	edge := make([]ledger.Hash, len(r.Edge)/ledgerHash)
	for i := range edge {
		copy(edge[i][:], r.Edge[i*ledgerHash:])
	}
	root, err := treeHash(r.Root)
	if err != nil {
		return nil, err
	}
	return ledger.NewTree(r.Size, edge, root)
}

const ledgerHash = len(ledger.Hash{})

func treeHash(b []byte) (h ledger.Hash, err error) {
	if len(b) != ledgerHash {
		return h, ledger.ErrTree
	}
	copy(h[:], b)
	return h, nil
}

// errAppended: another process has appended though we had the lock.
var errAppended = fmt.Errorf("%w: the tree has changed meanwhile", ledger.ErrTree)

// Append implements ledger.Store. Six round trips.
func (s Ledger) Append(ctx context.Context, limit int) (done ledger.Appended, err error) {
	err = s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		type lockRow struct {
			Mine bool `db:"mine"`
		}
		lock, err := one[lockRow](ctx, tx, ledger.ErrTree, sqlLedgerLock, int64(ledgerLock))
		if err != nil {
			return err
		}
		if !lock.Mine {
			return ledger.ErrBusy
		}
		head, err := one[ledgerHeadRow](ctx, tx, ledger.ErrTree, sqlLedgerHead)
		if err != nil {
			return err
		}
		tree, err := head.tree()
		if err != nil {
			return err
		}
		var g growth
		if err := g.load(ctx, tx, tree, head, limit); err != nil {
			return err
		}
		xid, id := head.Running, [16]byte{}
		done = ledger.Appended{Leaves: len(g.ids), Full: len(g.ids) == limit}
		if done.Full && earlier(g.last, head.Running) {
			// There are more that are not above the last one.
			xid, id = g.last, g.ids[len(g.ids)-1]
		}
		if len(g.ids) == 0 && xid == head.XID {
			return nil
		}
		return g.store(ctx, tx, head, tree, xid, id)
	})
	if err != nil {
		return ledger.Appended{}, fmt.Errorf("append to the tree: %w", err)
	}
	return done, nil
}

// earlier compares numbers of transactions.
func earlier(a, b string) bool { return len(a) < len(b) || len(a) == len(b) && a < b }

// growth is what one Append adds.
type growth struct {
	ids    []uuid.UUID
	leaves [][]byte
	levels []int16
	ns     []int64
	nodes  [][]byte
	last   string // number of the transaction of the last record
}

// load reads records and appends them to the tree.
func (g *growth) load(ctx context.Context, tx pgx.Tx, tree *ledger.Tree, head ledgerHeadRow, limit int) error {
	rows, err := tx.Query(ctx, sqlUnsequenced, pgx.QueryResultFormats{pgx.BinaryFormatCode}, head.XID, head.ID, limit)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := ledgerRecord(rows.RawValues())
		if err != nil {
			return err
		}
		leaf := r.Leaf()
		g.ids, g.leaves = append(g.ids, r.RequestID), append(g.leaves, leaf[:])
		g.last = fmt.Sprint(r.Transaction)
		tree.Append(leaf, func(level int, n int64, h ledger.Hash) {
			if level >= ledger.NodeLevel {
				g.levels, g.ns, g.nodes = append(g.levels, int16(level)), append(g.ns, n), append(g.nodes, h[:])
			}
		})
	}
	return rows.Err()
}

// store writes the new leaves and the tree that has them, if it is still the
// one they were appended to.
func (g *growth) store(ctx context.Context, tx pgx.Tx, head ledgerHeadRow, tree *ledger.Tree, xid string, id [16]byte) error {
	var b pgx.Batch
	if len(g.ids) > 0 {
		b.Queue(sqlPutLeaves, head.Size, g.ids, g.leaves)
	}
	if len(g.nodes) > 0 {
		b.Queue(sqlPutNodes, g.levels, g.ns, g.nodes)
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	var edge []byte
	for _, h := range tree.Edge() {
		edge = append(edge, h[:]...)
	}
	if edge == nil {
		edge = []byte{}
	}
	root := tree.Root()
	tag, err := tx.Exec(ctx, sqlPutHead, head.Size, head.Root, tree.Size(), root[:], edge, xid, id)
	if err == nil && tag.RowsAffected() != 1 {
		return errAppended
	}
	return err
}

var errLedgerRow = errors.New("postgres: a record is not in the form that was asked for")

// ledgerRecord reads a row of ledgerColumns in the binary format.
func ledgerRecord(v [][]byte) (ledger.Record, error) {
	var r ledger.Record
	if len(v) < ledgerWidth || len(v[0]) != len(r.RequestID) || len(v[1]) != 8 || len(v[4]) != 8 || len(v[11]) != 8 || len(v[12]) != 8 ||
		len(v[16]) != 1 || len(v[20]) != 8 || len(v[21]) != 8 {
		return r, errLedgerRow
	}
	number := func(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
	copy(r.RequestID[:], v[0])
	r.At, r.Recipient, r.Grant, r.Epoch = number(v[1]), string(v[2]), string(v[3]), number(v[4])
	r.Consumer, r.Operation, r.Accounts, r.Clusters = string(v[5]), string(v[6]), string(v[7]), string(v[8])
	for i, d := range []*ledger.Date{&r.WindowStart, &r.WindowEnd} {
		switch b := v[9+i]; {
		case b == nil:
		case len(b) == 4:
			*d = ledger.Date{Set: true, Days: int32(binary.BigEndian.Uint32(b))}
		default:
			return r, errLedgerRow
		}
	}
	r.Count, r.Bytes, r.BodyHash = number(v[11]), number(v[12]), append([]byte(nil), v[13]...)
	r.Outcome, r.Reason, r.Attended = string(v[14]), string(v[15]), v[16][0] != 0
	r.Interaction, r.Instance, r.Lane, r.Counter = string(v[17]), string(v[18]), string(v[19]), number(v[20])
	r.Transaction = binary.BigEndian.Uint64(v[21])
	return r, nil
}

// Head implements ledger.Store. One round trip.
func (s Ledger) Head(ctx context.Context) (head ledger.Head, err error) {
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		r, err := one[ledgerHeadRow](ctx, c, ledger.ErrTree, sqlLedgerHead)
		if err != nil {
			return err
		}
		head.Size = r.Size
		head.Root, err = treeHash(r.Root)
		return err
	})
	if err != nil {
		return ledger.Head{}, fmt.Errorf("load the tree: %w", err)
	}
	return head, nil
}

const sqlLeaves = `
SELECT leaf_index, hash FROM access_leaf WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2`

type leafRow struct {
	Index int64  `db:"leaf_index"`
	Hash  []byte `db:"hash"`
}

// Leaves implements ledger.Nodes. One round trip.
func (s Ledger) Leaves(ctx context.Context, from int64, limit int) (all []ledger.Hash, err error) {
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		all, err = loadLeaves(ctx, c, from, limit)
		return err
	})
	return all, err
}

func loadLeaves(ctx context.Context, c querier, from int64, limit int) ([]ledger.Hash, error) {
	rows, err := many[leafRow](ctx, c, sqlLeaves, from, limit)
	if err != nil {
		return nil, fmt.Errorf("load leaves: %w", err)
	}
	all := make([]ledger.Hash, len(rows))
	for i, r := range rows {
		if r.Index != from+int64(i) {
			return nil, fmt.Errorf("load leaves: %w: leaf %d is missing", ledger.ErrTree, from+int64(i))
		}
		if all[i], err = treeHash(r.Hash); err != nil {
			return nil, fmt.Errorf("load leaves: %w", err)
		}
	}
	return all, nil
}

const sqlNode = `SELECT hash FROM access_node WHERE level = $1 AND n = $2`

// Node implements ledger.Nodes. One round trip.
func (s Ledger) Node(ctx context.Context, level int, n int64) (h ledger.Hash, err error) {
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		h, err = loadNode(ctx, c, level, n)
		return err
	})
	return h, err
}

func loadNode(ctx context.Context, c querier, level int, n int64) (h ledger.Hash, err error) {
	type nodeRow struct {
		Hash []byte `db:"hash"`
	}
	r, err := one[nodeRow](ctx, c, ledger.ErrTree, sqlNode, level, n)
	if err == nil {
		h, err = treeHash(r.Hash)
	}
	if err != nil {
		return h, fmt.Errorf("load subtree %d of level %d: %w", n, level, err)
	}
	return h, nil
}

const sqlNewestCheckpoint = `SELECT note FROM access_checkpoint ORDER BY size DESC LIMIT 1`

type noteRow struct {
	Note string `db:"note"`
}

// Newest implements ledger.Prover. One round trip.
func (s Ledger) Newest(ctx context.Context) (note []byte, err error) {
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		note, err = newestCheckpoint(ctx, c)
		return err
	})
	return note, err
}

func newestCheckpoint(ctx context.Context, c querier) ([]byte, error) {
	rows, err := many[noteRow](ctx, c, sqlNewestCheckpoint)
	if err != nil {
		return nil, fmt.Errorf("load the newest checkpoint: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return []byte(rows[0].Note), nil
}

const sqlPutCheckpoint = `
INSERT INTO access_checkpoint (size, note) VALUES ($1, $2) ON CONFLICT (size) DO NOTHING`

// Put implements ledger.Store. One round trip.
func (s Ledger) Put(ctx context.Context, size int64, note []byte) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlPutCheckpoint, size, string(note))
		return err
	})
	if err != nil {
		return fmt.Errorf("store a checkpoint: %w", err)
	}
	return nil
}

// ProbeOperation is the operation of records that Probe writes. They have
// neither a consumer nor a grant, so that no page and no sum has them.
const ProbeOperation = "probe"

const sqlProbe = `
INSERT INTO access_record (
    request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters,
    record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
VALUES ($1, clock_timestamp(), '', '', 0, '', $2, '{}', '{}', 0, 0, sha256(''), 'refused', $2, false, '', '')`

// Probe implements ledger.Store. One round trip.
func (s Ledger) Probe(ctx context.Context) (ledger.ID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return ledger.ID{}, err
	}
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlProbe, id, ProbeOperation)
		return err
	})
	if err != nil {
		return ledger.ID{}, fmt.Errorf("write a probe: %w", err)
	}
	return ledger.ID(id), nil
}

const sqlFindRecord = `
SELECT ` + ledgerColumns + `, l.leaf_index
FROM access_record r LEFT JOIN access_leaf l ON l.request_id = r.request_id
WHERE r.request_id = $1`

// Find implements ledger.Prover. One round trip.
func (s Ledger) Find(ctx context.Context, id ledger.ID) (r ledger.Record, index int64, err error) {
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		r, index, err = findRecord(ctx, c, id)
		return err
	})
	return r, index, err
}

func findRecord(ctx context.Context, c querier, id ledger.ID) (r ledger.Record, index int64, err error) {
	rows, err := c.Query(ctx, sqlFindRecord, pgx.QueryResultFormats{pgx.BinaryFormatCode}, id)
	if err != nil {
		return r, -1, fmt.Errorf("load a record: %w", err)
	}
	defer rows.Close()
	index, err = -1, ledger.ErrNoRecord
	if rows.Next() {
		v := rows.RawValues()
		if r, err = ledgerRecord(v); err == nil && v[ledgerWidth] != nil {
			index = int64(binary.BigEndian.Uint64(v[ledgerWidth]))
		}
		rows.Close()
	}
	if broken := rows.Err(); broken != nil {
		err = broken
	}
	if err != nil {
		return r, -1, fmt.Errorf("load a record: %w", err)
	}
	return r, index, nil
}
