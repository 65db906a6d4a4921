package postgres

import (
	"context"
	"io/fs"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// migrateTo brings an empty database to an older schema.
func migrateTo(t testing.TB, dsn string, version int64) {
	t.Helper()
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	pool := stdlib.OpenDB(*cc)
	defer pool.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, pool, files, goose.WithDisableGlobalRegistry(true))
	if err == nil {
		_, err = p.UpTo(context.Background(), version)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Records that were there before the tree.
func TestMonthsKeepWhatWasThere(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), emptyDatabase(t)
	migrateTo(t, dsn, 18)
	db, err := Open(ctx, Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	const insert = `
INSERT INTO access_record (request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters,
    record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
SELECT $1, clock_timestamp(), 'r', 'g', 1, 'c', 'getAccount', '{a}', '{}', 1, 1, sha256(''), 'given', '', false, '', ''`
	v7 := uuid.Must(uuid.NewV7())
	odd := uuid.MustParse("ffffffff-0000-4000-8000-000000000000")
	exec(t, db, insert, v7)
	exec(t, db, insert, odd)
	// Interrupted before the last step, it is run again.
	migrateTo(t, dsn, 19)
	exec(t, db, "CREATE INDEX access_record_sequence ON access_record (transaction_id, request_id)")
	before := count(t, db, "SELECT pg_relation_filenode('access_record')::integer")
	if err := Migrate(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "SELECT pg_relation_filenode('access_record_first')::integer"); n != before {
		t.Error("the table was written anew")
	}
	partition := func(id uuid.UUID) (name string) {
		t.Helper()
		if err := db.pool.QueryRow(ctx, "SELECT tableoid::regclass::text FROM access_record WHERE request_id = $1", id).Scan(&name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	if partition(v7) != "access_record_first" || partition(odd) != "access_record_other" {
		t.Errorf("they are in %s and %s", partition(v7), partition(odd))
	}
	// An id is unique in all of them.
	for _, id := range []uuid.UUID{v7, odd} {
		if _, err := db.pool.Exec(ctx, insert, id); !hasCode(err, "23505") {
			t.Errorf("a second record of one id: %v", err)
		}
	}
	for _, sql := range []string{"DELETE FROM access_record_first", "UPDATE access_record SET reason = 'x'", "TRUNCATE access_record_other"} {
		if _, err := db.pool.Exec(ctx, sql); err == nil {
			t.Errorf("%s went through", sql)
		}
	}
	s, v := key(t)
	sequence(t, db, s)
	clean(t, verify(t, dsn, v), 2)
}

func TestMonthsAreMadeAhead(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	const covered = `SELECT count(*) FROM generate_series(0, $1) i, LATERAL (SELECT request_id_at(clock_timestamp() + make_interval(months => i)) AS id) m
		WHERE EXISTS (SELECT FROM access_partition p WHERE p.from_id <= m.id AND m.id < p.until_id)`
	if n := count(t, db, covered, 3); n != 4 {
		t.Errorf("%d of 4 months", n)
	}
	for range 2 {
		exec(t, db, "SELECT access_months(8)")
	}
	if n := count(t, db, covered, 8); n != 9 {
		t.Errorf("%d of 9 months", n)
	}
	if n := count(t, db, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'access_record'::regclass"); n != count(t, db, "SELECT 1 + count(*) FROM access_partition") {
		t.Errorf("%d partitions", n)
	}
	if n := count(t, db, "SELECT count(*) FROM pg_inherits i WHERE inhparent = 'access_record'::regclass AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = i.inhrelid AND tgname LIKE '%append_only')"); n != 0 {
		t.Errorf("%d partitions can be rewritten", n)
	}
	// Nobody swept, and records of a month went to the others.
	exec(t, db, `INSERT INTO access_record (request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters,
		record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
		VALUES (request_id_at(clock_timestamp() + interval '10 months'), clock_timestamp(), 'r', 'g', 1, 'c', 'getAccount', '{a}', '{}', 1, 1, sha256(''), 'given', '', false, '', '')`)
	if n := count(t, db, "SELECT access_months(11)"); n != 1 {
		t.Errorf("%d months failed, want 1", n)
	}
	if n := count(t, db, covered, 11); n != 11 {
		t.Errorf("%d of 11 months", n)
	}
	if _, err := db.Sweep(ctx, 10); err != nil {
		t.Errorf("a sweep that has nothing to make: %v", err)
	}
}
