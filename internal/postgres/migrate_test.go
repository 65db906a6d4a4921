package postgres

import (
	"context"
	"errors"
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
