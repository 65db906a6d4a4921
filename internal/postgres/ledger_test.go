package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/headgate/headgate/resource"
	"github.com/jackc/pgx/v5"
)

// key is the two halves of a key for checkpoints.
func key(t testing.TB) (ledger.Signer, ledger.Verifier) {
	t.Helper()
	secret, err := ledger.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Verifier()
}

const sqlInsertRecords = `
INSERT INTO access_record (request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters, window_start, window_end,
    record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
SELECT overlay(gen_random_uuid()::text PLACING left(request_id_at(clock_timestamp() + make_interval(months => n % 4))::text, 13) FROM 1 FOR 13)::uuid,
    clock_timestamp(), 'app-' || n % 3, 'grant-' || n % 7, 1, 'consumer-' || n % 5, 'searchForTransactions', '{"a b",c}', '{BALANCES}',
    date '2026-01-01' + n % 100, NULL, n, 100 * n, sha256(n::text::bytea), 'given', '', n % 2 = 0, 'interaction-' || n, 'instance-1'
FROM generate_series($1::integer, $2::integer) n`

// insertRecords stores records in several partitions, in transactions of at
// most 500.
func insertRecords(t testing.TB, db *DB, n int) {
	t.Helper()
	for from := 1; from <= n; from += 500 {
		exec(t, db, sqlInsertRecords, from, min(from+499, n))
	}
}

// sequence appends everything and puts a checkpoint.
func sequence(t testing.TB, db *DB, s ledger.Signer) {
	t.Helper()
	ctx, l := context.Background(), db.Ledger()
	for {
		a, err := l.Append(ctx, 700)
		if errors.Is(err, ledger.ErrBusy) {
			continue // one that was cut off lets go in a moment
		}
		if err != nil {
			t.Fatal(err)
		}
		if !a.Full {
			break
		}
	}
	head, err := l.Head(ctx)
	if err != nil || head.Size == 0 {
		t.Fatal(head, err)
	}
	note, err := s.Sign(ledger.Checkpoint{Size: head.Size, Root: head.Root, At: time.Now()})
	if err == nil {
		err = l.Put(ctx, head.Size, note)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// verify verifies all that is in the database.
func verify(t testing.TB, dsn string, v ledger.Verifier, outside ...ledger.Dir) ledger.Report {
	t.Helper()
	ctx := context.Background()
	r, err := OpenLedgerReader(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(ctx)
	report, err := ledger.Verify(ctx, ledger.VerifyConfig{
		Source: r, Verifier: v, Outside: outside, Most: 5000, Grace: 10 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func clean(t testing.TB, r ledger.Report, size int64) {
	t.Helper()
	if r.Size != size || r.Found != 0 {
		t.Fatalf("%d leaves, want %d; %d differences: %v", r.Size, size, r.Found, r.Differences[:min(5, len(r.Differences))])
	}
}

// asSuperuser runs statements without the triggers that guard the records.
func asSuperuser(t testing.TB, db *DB, statements ...string) {
	t.Helper()
	ctx := context.Background()
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	for _, sql := range slices.Concat([]string{"SET session_replication_role = replica"}, statements, []string{"SET session_replication_role = origin"}) {
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func TestLedgerHasEveryRecordOnce(t *testing.T) {
	t.Parallel()
	dsn := env.Postgres(t)
	db := openAt(t, dsn)
	s, v := key(t)
	gate, g := newGate(t, db, GateConfig{}), newGrant(t, db)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}, resource.Released)
	insertRecords(t, db, 3000)
	sequence(t, db, s)
	clean(t, verify(t, dsn, v), 3001)
	insertRecords(t, db, 1)
	sequence(t, db, s)
	r := verify(t, dsn, v)
	clean(t, r, 3002)
	if r.Checkpoints != 2 || r.Unsigned != 0 {
		t.Errorf("%d checkpoints, %d leaves without", r.Checkpoints, r.Unsigned)
	}
	if n := count(t, db, "SELECT count(*) FROM access_node"); n < 3000/256 {
		t.Errorf("%d nodes", n)
	}
}

// Transactions commit in another order than they begin.
func TestLedgerWaitsForNobody(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), env.Postgres(t)
	db := openAt(t, dsn)
	s, v := key(t)
	begin := func() pgx.Tx {
		tx, err := db.pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, sqlInsertRecords, 1, 10); err != nil {
			t.Fatal(err)
		}
		return tx
	}
	first, second, third := begin(), begin(), begin()
	insertRecords(t, db, 900)
	sequence(t, db, s) // 900: more than one round, none of which may pass the open ones
	clean(t, verify(t, dsn, v), 900)
	if err := second.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	sequence(t, db, s)
	clean(t, verify(t, dsn, v), 910)
	if err := third.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	insertRecords(t, db, 5)
	sequence(t, db, s)
	clean(t, verify(t, dsn, v), 915)
	if err := first.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	sequence(t, db, s)
	clean(t, verify(t, dsn, v), 925)
	// Once they have ended, nothing is looked at twice. Transactions of other
	// databases of the server hold the mark back, too.
	for deadline := time.Now().Add(time.Minute); ; sequence(t, db, s) {
		n := count(t, db, "SELECT count(*) FROM access_record r, access_tree t WHERE (r.transaction_id, r.request_id) > (t.sequenced_xid, t.sequenced_id)")
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d records are looked at again", n)
		}
	}
}

func TestLedgerWithManyAppendersAtOnce(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), env.Postgres(t)
	db := openAt(t, dsn)
	s, v := key(t)
	var writers, appenders sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		writers.Go(func() {
			for range 40 {
				if _, err := db.pool.Exec(ctx, sqlInsertRecords, 1, 7); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		appenders.Go(func() {
			for {
				if _, err := db.Ledger().Append(ctx, 50); err != nil && !errors.Is(err, ledger.ErrBusy) {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	appenders.Wait()
	sequence(t, db, s)
	clean(t, verify(t, dsn, v), 4*40*7)
}

// Two that append to the same tree: the second finds it changed, also when it
// got past the lock.
func TestLedgerComparesBeforeItSwaps(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	insertRecords(t, db, 10)
	tx, err := db.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx) //nolint:errcheck // it is to fail
	head, err := one[ledgerHeadRow](ctx, tx, ledger.ErrTree, sqlLedgerHead)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Ledger().Append(ctx, 100); err != nil {
		t.Fatal(err)
	}
	tree, err := head.tree()
	if err != nil {
		t.Fatal(err)
	}
	tree.Append(ledger.Hash{1}, nil)
	if err := (&growth{}).store(ctx, tx, head, tree, "1", [16]byte{}); !errors.Is(err, ledger.ErrTree) {
		t.Errorf("got %v, want ErrTree", err)
	}
}

// One bit of a column, by name: SQL that flips it. $ stands for a number.
var bitFlips = map[string]string{
	"at":             "at = at + make_interval(secs => CASE (extract(microseconds FROM at)::bigint >> ($ % 10)) & 1 WHEN 0 THEN 1 ELSE -1 END * (1 << ($ % 10)) / 1e6)",
	"recipient_id":   "recipient_id = convert_from(set_byte(recipient_id::bytea, 0, get_byte(recipient_id::bytea, 0) # (1 << $ % 4)), 'UTF8')",
	"grant_id":       "grant_id = convert_from(set_byte(grant_id::bytea, 3, get_byte(grant_id::bytea, 3) # (1 << $ % 4)), 'UTF8')",
	"epoch":          "epoch = epoch # (1::bigint << $ % 63)",
	"consumer_id":    "consumer_id = convert_from(set_byte(consumer_id::bytea, 2, get_byte(consumer_id::bytea, 2) # (1 << $ % 5)), 'UTF8')",
	"operation":      "operation = convert_from(set_byte(operation::bytea, 5, get_byte(operation::bytea, 5) # (1 << $ % 3)), 'UTF8')",
	"accounts":       "accounts[1 + $ % 2] = convert_from(set_byte(accounts[1 + $ % 2]::bytea, 0, get_byte(accounts[1 + $ % 2]::bytea, 0) # (1 << $ % 4)), 'UTF8')",
	"clusters":       "clusters[1] = convert_from(set_byte(clusters[1]::bytea, $ % 8, get_byte(clusters[1]::bytea, $ % 8) # (1 << $ % 3)), 'UTF8')",
	"window_start":   "window_start = date '2000-01-01' + ((window_start - date '2000-01-01') # (1 << $ % 14))",
	"record_count":   "record_count = record_count # (1::bigint << $ % 63)",
	"body_bytes":     "body_bytes = body_bytes # (1::bigint << $ % 63)",
	"body_hash":      "body_hash = set_bit(body_hash, $ % 256, 1 - get_bit(body_hash, $ % 256))",
	"outcome":        "outcome = convert_from(set_byte(outcome::bytea, $ % 5, get_byte(outcome::bytea, $ % 5) # (1 << $ % 3)), 'UTF8')",
	"attended":       "attended = NOT attended",
	"interaction_id": "interaction_id = convert_from(set_byte(interaction_id::bytea, $ % 10, get_byte(interaction_id::bytea, $ % 10) # (1 << $ % 4)), 'UTF8')",
	"instance_id":    "instance_id = convert_from(set_byte(instance_id::bytea, $ % 8, get_byte(instance_id::bytea, $ % 8) # (1 << $ % 4)), 'UTF8')",
	"counter":        "counter = counter # (1::bigint << $ % 63)",
	"transaction_id": "transaction_id = (transaction_id::text::bigint # (1::bigint << $ % 40))::text::xid8",
}

// A thousand records, one bit of each.
func TestLedgerFindsEveryBit(t *testing.T) {
	t.Parallel()
	const tampers = 1000
	dsn := env.Postgres(t)
	db := openAt(t, dsn)
	s, v := key(t)
	insertRecords(t, db, 3000)
	sequence(t, db, s)
	clean(t, verify(t, dsn, v), 3000)

	exec(t, db, "ALTER TABLE access_record DROP CONSTRAINT access_record_outcome_check")
	var columns []string
	for c := range bitFlips {
		columns = append(columns, c)
	}
	slices.Sort(columns)
	var statements []string
	want := map[int64]string{}
	for _, index := range rand.Perm(3000)[:tampers] {
		column := columns[rand.IntN(len(columns))]
		statements = append(statements, fmt.Sprintf("UPDATE access_record SET %s WHERE request_id = (SELECT request_id FROM access_leaf WHERE leaf_index = %d)",
			strings.ReplaceAll(bitFlips[column], "$", fmt.Sprint(rand.IntN(1<<20))), index))
		want[int64(index)] = column
	}
	asSuperuser(t, db, statements...)
	r := verify(t, dsn, v)
	for _, d := range r.Differences {
		if d.Kind != ledger.Changed || want[d.Index] == "" {
			t.Errorf("found %s", d)
		}
		delete(want, d.Index)
	}
	for index, column := range want {
		t.Errorf("a bit of %s at %d was not found", column, index)
	}
	if r.Found != tampers {
		t.Errorf("%d differences", r.Found)
	}
}

func TestLedgerNamesWhatWasDone(t *testing.T) {
	t.Parallel()
	at := func(i int) string {
		return fmt.Sprintf("(SELECT request_id FROM access_leaf WHERE leaf_index = %d)", i)
	}
	for name, c := range map[string]struct {
		do    []string
		kinds []ledger.Kind
		index int64 // of the first; -2 for any
	}{
		"a record is deleted":                  {[]string{"DELETE FROM access_record WHERE request_id = " + at(123)}, []ledger.Kind{ledger.Missing}, 123},
		"a record with its leaf is deleted":    {[]string{"DELETE FROM access_record WHERE request_id = " + at(123), "DELETE FROM access_leaf WHERE leaf_index = 123"}, []ledger.Kind{ledger.Missing}, 123},
		"the last leaf is deleted":             {[]string{"DELETE FROM access_leaf WHERE leaf_index = 599"}, []ledger.Kind{ledger.Missing, ledger.Added}, 599},
		"a record is added":                    {[]string{strings.ReplaceAll(strings.ReplaceAll(sqlInsertRecords, "$1", "1"), "$2", "1")}, []ledger.Kind{ledger.Added}, -1},
		"a record gets another id":             {[]string{"UPDATE access_record SET request_id = gen_random_uuid() WHERE request_id = " + at(5)}, []ledger.Kind{ledger.Missing, ledger.Added}, 5},
		"two records are swapped":              {[]string{"UPDATE access_record SET request_id = '00000000-0000-0000-0000-000000000001' WHERE request_id = " + at(7), "UPDATE access_record SET request_id = " + at(7) + " WHERE request_id = " + at(42), "UPDATE access_record SET request_id = " + at(42) + " WHERE request_id = '00000000-0000-0000-0000-000000000001'"}, []ledger.Kind{ledger.Swapped, ledger.Swapped}, 7},
		"two leaves are swapped":               {[]string{"UPDATE access_leaf SET leaf_index = 100000 WHERE leaf_index = 7", "UPDATE access_leaf SET leaf_index = 7 WHERE leaf_index = 42", "UPDATE access_leaf SET leaf_index = 42 WHERE leaf_index = 100000"}, []ledger.Kind{ledger.Rewritten, ledger.Broken, ledger.Broken, ledger.Broken}, 0},
		"the hashes of leaves are swapped":     {[]string{"UPDATE access_leaf l SET hash = o.hash FROM access_leaf o WHERE (l.leaf_index, o.leaf_index) IN ((7, 42), (42, 7))"}, []ledger.Kind{ledger.Rewritten, ledger.Broken, ledger.Broken, ledger.Broken, ledger.Swapped, ledger.Swapped}, -2},
		"a leaf is changed":                    {[]string{"UPDATE access_leaf SET hash = set_bit(hash, 77, 1 - get_bit(hash, 77)) WHERE leaf_index = 300"}, nil, 0},
		"a subtree is changed":                 {[]string{"UPDATE access_node SET hash = set_bit(hash, 77, 1 - get_bit(hash, 77)) WHERE level = 8 AND n = 1"}, []ledger.Kind{ledger.Broken}, -1},
		"a subtree is deleted":                 {[]string{"DELETE FROM access_node WHERE level = 8 AND n = 1"}, []ledger.Kind{ledger.Broken}, -1},
		"the root is changed":                  {[]string{"UPDATE access_tree SET root = set_bit(root, 0, 1 - get_bit(root, 0))"}, []ledger.Kind{ledger.Broken}, -1},
		"the tree is said to be shorter":       {[]string{"UPDATE access_tree SET size = 599"}, nil, -2},
		"a checkpoint is changed":              {[]string{"UPDATE access_checkpoint SET note = overlay(note PLACING 'x' FROM 30 FOR 1)"}, []ledger.Kind{ledger.BadNote}, -1},
		"a checkpoint is put somewhere else":   {[]string{"UPDATE access_checkpoint SET size = 500"}, []ledger.Kind{ledger.BadNote}, -1},
		"an array has other bounds":            {[]string{"UPDATE access_record SET accounts = ('[5:6]=' || accounts::text)::text[] WHERE request_id = " + at(9)}, []ledger.Kind{ledger.Changed}, 9},
		"a window is set":                      {[]string{"UPDATE access_record SET window_end = '2000-01-01' WHERE request_id = " + at(9)}, []ledger.Kind{ledger.Changed}, 9},
		"a window is removed":                  {[]string{"UPDATE access_record SET window_start = NULL WHERE request_id = " + at(9)}, []ledger.Kind{ledger.Changed}, 9},
		"a text moves into its neighbour":      {[]string{"UPDATE access_record SET recipient_id = '', grant_id = recipient_id || grant_id WHERE request_id = " + at(9)}, []ledger.Kind{ledger.Changed}, 9},
		"the time becomes infinite":            {[]string{"UPDATE access_record SET at = 'infinity' WHERE request_id = " + at(9)}, []ledger.Kind{ledger.Changed}, 9},
		"a partition is dropped":               {[]string{"DROP TABLE access_record_first"}, nil, -2},
		"a record goes and its number with it": {[]string{"UPDATE access_leaf SET request_id = gen_random_uuid() WHERE leaf_index = 3"}, []ledger.Kind{ledger.Missing, ledger.Added}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := env.Postgres(t)
			db := openAt(t, dsn)
			s, v := key(t)
			insertRecords(t, db, 600)
			sequence(t, db, s)
			clean(t, verify(t, dsn, v), 600)
			asSuperuser(t, db, c.do...)
			r := verify(t, dsn, v)
			if r.Found == 0 {
				t.Fatal("nothing was found")
			}
			var kinds []ledger.Kind
			for _, d := range r.Differences {
				kinds = append(kinds, d.Kind)
			}
			if c.kinds != nil && !slices.Equal(kinds, c.kinds) || c.index != -2 && r.Differences[0].Index != c.index {
				t.Errorf("found %v", r.Differences)
			}
		})
	}
}

// Whoever has the whole database and no key: another tree, made by our own
// program, and no checkpoint but those that are outside.
func TestLedgerIsHeldAgainstTheOutside(t *testing.T) {
	t.Parallel()
	ctx, dsn, dir := context.Background(), env.Postgres(t), ledger.Dir(t.TempDir())
	db := openAt(t, dsn)
	s, v := key(t)
	insertRecords(t, db, 600)
	sequence(t, db, s)
	note, err := db.Ledger().Newest(ctx)
	if err == nil {
		err = dir.Put(ctx, 600, note)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r := verify(t, dsn, v, dir); r.Found != 0 || r.Checkpoints != 2 {
		t.Errorf("%+v", r)
	}
	asSuperuser(t, db, "DELETE FROM access_record WHERE request_id = (SELECT request_id FROM access_leaf WHERE leaf_index = 17)",
		"DELETE FROM access_leaf", "DELETE FROM access_node", "DELETE FROM access_checkpoint",
		"UPDATE access_tree SET size = 0, root = sha256(''), edge = '', sequenced_xid = '0', sequenced_id = '00000000-0000-0000-0000-000000000000'")
	sequence(t, db, s)
	clean(t, verify(t, dsn, v), 599)
	if r := verify(t, dsn, v, dir); r.Found != 1 {
		t.Errorf("fewer: %v", r.Differences)
	}
	insertRecords(t, db, 10)
	sequence(t, db, s)
	if r := verify(t, dsn, v, dir); r.Found != 1 || r.Differences[0].Kind != ledger.Rewritten {
		t.Errorf("other: %v", r.Differences)
	}
}

// BenchmarkLedger is the tree over 100,000 records: made, and verified.
func BenchmarkLedger(b *testing.B) {
	const n = 100_000
	dsn := env.Postgres(b)
	db := openAt(b, dsn)
	s, v := key(b)
	insertRecords(b, db, n)
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			asSuperuser(b, db, "TRUNCATE access_leaf, access_node, access_checkpoint",
				"UPDATE access_tree SET size = 0, root = sha256(''), edge = '', sequenced_xid = '0', sequenced_id = '00000000-0000-0000-0000-000000000000'")
			for {
				a, err := db.Ledger().Append(context.Background(), 4096)
				if err != nil {
					b.Fatal(err)
				}
				if !a.Full {
					break
				}
			}
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	sequence(b, db, s)
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if r := verify(b, dsn, v); r.Found != 0 || r.Size != n {
				b.Fatalf("%+v", r)
			}
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}
