package postgres

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3/lock"
)

// emptyDatabase returns the URL of a database without a schema.
func emptyDatabase(t *testing.T) string {
	t.Helper()
	ctx, dsn := context.Background(), env.Postgres(t)
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
		t.Fatal(err)
	}
	return dsn
}

func TestMigrateFromEmpty(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), emptyDatabase(t)
	db, err := Open(ctx, Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if err := db.Check(ctx); !errors.Is(err, ErrSchema) {
		t.Errorf("before: got %v, want ErrSchema", err)
	}
	for _, err := range consenttest.Race(func(i int) error {
		if i > 2 {
			return nil
		}
		return Migrate(ctx, dsn)
	}) {
		if err != nil {
			t.Fatalf("at once: %v", err)
		}
	}
	if err := Migrate(ctx, dsn); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := db.Check(ctx); err != nil {
		t.Errorf("after: %v", err)
	}
	exec(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
	if err := db.Check(ctx); err != nil {
		t.Errorf("a newer schema: %v", err)
	}
	exec(t, db, "DELETE FROM goose_db_version WHERE version_id > 0")
	if err := db.Check(ctx); !errors.Is(err, ErrSchema) {
		t.Errorf("an older schema: got %v, want ErrSchema", err)
	}
}

func TestMigrateWaitsForAnother(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), emptyDatabase(t)
	db, err := Open(ctx, Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	other, err := db.pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()
	if _, err := other.Exec(ctx, "SELECT pg_advisory_lock($1)", lock.DefaultLockID); err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if err := Migrate(impatient, dsn); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beside another: got %v, want DeadlineExceeded", err)
	}
	if err := db.Check(ctx); !errors.Is(err, ErrSchema) {
		t.Errorf("got %v, want ErrSchema", err)
	}
	if _, err := other.Exec(ctx, "SELECT pg_advisory_unlock($1)", lock.DefaultLockID); err != nil {
		t.Fatal(err)
	}
	if err := Migrate(ctx, dsn); err != nil {
		t.Errorf("after the other: %v", err)
	}
}

func TestMigrateNeedsAServer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	if err := Migrate(ctx, "postgres://127.0.0.1:1/none"); err == nil {
		t.Error("migrated nothing")
	}
	if err := Migrate(ctx, "postgres://%zz"); err == nil {
		t.Error("read a broken DSN")
	}
}

func TestOpenConfig(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, c := range map[string]Config{
		"no DSN":           {},
		"broken DSN":       {DSN: "postgres://user:hunter2@%zz/db"},
		"negative maximum": {DSN: "postgres://localhost/db", MaxConns: -1},
	} {
		if _, err := Open(ctx, c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	dsn, err := url.Parse(env.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(ctx, Config{DSN: dsn.String(), Name: "gatewayd"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if got := db.pool.Config().MaxConns; got != 16 {
		t.Errorf("%d connections, want 16", got)
	}
	for setting, want := range map[string]string{
		"statement_timeout": "2s", "lock_timeout": "1s", "idle_in_transaction_session_timeout": "5s",
		"application_name": "gatewayd", "synchronous_commit": "on",
	} {
		var got string
		if err := db.pool.QueryRow(ctx, "SELECT current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", setting, got, err, want)
		}
	}
}

func TestOpenWithoutServer(t *testing.T) {
	t.Parallel()
	db, err := Open(context.Background(), Config{DSN: "postgres://127.0.0.1:1/none"})
	if err != nil {
		t.Fatalf("a process must start while the database is away: %v", err)
	}
	t.Cleanup(db.Close)
	if err := db.Check(context.Background()); !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

// migratedTo returns a database of an older schema, and a connection to it.
func migratedTo(t *testing.T, version int64) (dsn string, c *pgx.Conn) {
	t.Helper()
	ctx, dsn := context.Background(), emptyDatabase(t)
	migrateTo(t, dsn, version)
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(ctx) })
	return dsn, c
}

// What a migration waits for, all others wait for behind it: it gives up, and
// whoever runs it again gets to the same schema, half-built indexes included.
func TestMigrateGivesUpALock(t *testing.T) {
	t.Parallel()
	for before, lock := range map[int64]string{
		19: "LOCK TABLE access_record IN ROW EXCLUSIVE MODE", // a writer
		25: "LOCK TABLE consent_grant IN ROW EXCLUSIVE MODE",
		26: "SELECT recipient_id FROM recipient",
		29: "LOCK TABLE person IN ROW EXCLUSIVE MODE",
	} {
		t.Run(lock, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			dsn, c := migratedTo(t, before)
			tx, err := c.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(ctx, lock); err != nil {
				t.Fatal(err)
			}
			patient, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if err := Migrate(patient, dsn); !hasCode(err, "55P03") { // lock_not_available
				t.Errorf("beside what does not end: got %v, want that the lock was not to be had", err)
			}
			var version int64
			if err := tx.QueryRow(ctx, sqlSchemaVersion).Scan(&version); err != nil || version != before {
				t.Errorf("the schema is at %d (%v), want %d", version, err, before)
			}
			if err := tx.Rollback(ctx); err != nil {
				t.Fatal(err)
			}
			if err := Migrate(ctx, dsn); err != nil {
				t.Fatalf("after it: %v", err)
			}
			sameSchema(t, c)
		})
	}
}

// A migrator is killed after the last statement of every migration, before that
// is written down; whoever comes next gets to the same schema.
func TestMigrateKilledMidway(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dsn, c := migratedTo(t, 1)
	if _, err := c.Exec(ctx, `
		CREATE SEQUENCE second;
		CREATE FUNCTION kill_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('second') % 2 = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER kill_first BEFORE INSERT ON goose_db_version FOR EACH ROW EXECUTE FUNCTION kill_first()`); err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for ; ; killed++ {
		err := Migrate(ctx, dsn)
		if err == nil {
			break
		}
		if !hasCode(err, "57P01") { // admin_shutdown
			t.Fatalf("after %d kills: %v", killed, err)
		}
	}
	if killed < len(names)-1 {
		t.Errorf("killed %d times, want one for each of %d migrations after the first", killed, len(names)-1)
	}
	if _, err := c.Exec(ctx, "DROP TRIGGER kill_first ON goose_db_version; DROP FUNCTION kill_first; DROP SEQUENCE second"); err != nil {
		t.Fatal(err)
	}
	sameSchema(t, c)
}

// sameSchema compares with what a migration makes that nothing disturbs.
func sameSchema(t *testing.T, c *pgx.Conn) {
	t.Helper()
	ctx := context.Background()
	whole, err := pgx.Connect(ctx, env.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close(ctx)
	got, want := shape(t, c), shape(t, whole)
	for line := range want {
		if !got[line] {
			t.Errorf("missing: %s", line)
		}
	}
	for line := range got {
		if !want[line] {
			t.Errorf("too much: %s", line)
		}
	}
}

// shape is what a schema consists of, a line for each column, constraint,
// index, trigger and function.
func shape(t *testing.T, c *pgx.Conn) map[string]bool {
	t.Helper()
	rows, _ := c.Query(context.Background(), `
		SELECT format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) FROM information_schema.columns WHERE table_schema = 'public'
		UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT format('index %s %s', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index JOIN pg_class i ON i.oid = indexrelid WHERE i.relnamespace = 'public'::regnamespace
		UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class r ON r.oid = tgrelid WHERE NOT tgisinternal AND r.relnamespace = 'public'::regnamespace
		UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace`)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, l := range lines {
		all[l] = true
	}
	if len(all) < 200 {
		t.Fatalf("a schema of %d lines", len(all))
	}
	return all
}
