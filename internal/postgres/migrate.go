package postgres

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrSchema: the database has not been brought to the schema that this
// program needs; run the migration first.
var ErrSchema = errors.New("postgres: schema is behind this program")

// Migrate brings the database to the newest schema. It goes forward only, and
// any number of processes may call it at once: one works, the others wait for
// up to a minute.
func Migrate(ctx context.Context, dsn string) error {
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("postgres: read DSN: %w", err)
	}
	configure(cc, "headgate migrate")
	// A migration that has to queue behind a running statement makes all
	// others queue behind itself: it gives up instead and is run again.
	cc.RuntimeParams["lock_timeout"] = milliseconds(2 * time.Second)

	pool := stdlib.OpenDB(*cc)
	defer pool.Close()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return fmt.Errorf("postgres: migrate: %w", err)
	}
	c, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("postgres: migrate: %w", err)
	}
	defer c.Close() //nolint:errcheck // it goes back to a pool that is closed
	if err := locker.SessionLock(ctx, c); err != nil {
		return fmt.Errorf("postgres: migrate: %w", err)
	}
	err = migrateAll(ctx, dsn, cc, pool)
	if unlock := locker.SessionUnlock(context.WithoutCancel(ctx), c); err == nil {
		err = unlock
	}
	if err != nil {
		return fmt.Errorf("postgres: migrate: %w", err)
	}
	return nil
}

// migrateAll is to be called under the lock. The tables of the job queue come
// first, so that whoever finds our newest version finds them too: a version of
// the queue's library with new migrations needs a migration of ours beside it,
// if only an empty one.
func migrateAll(ctx context.Context, dsn string, cc *pgx.ConnConfig, pool *sql.DB) error {
	pc, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return err // cannot be: it was read before
	}
	pc.ConnConfig, pc.MaxConns = cc, 2
	jobs, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return err
	}
	defer jobs.Close()
	if err := migrateJobs(ctx, jobs); err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, pool, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

const sqlSchemaVersion = `
SELECT coalesce(max(version_id), 0) AS version FROM goose_db_version WHERE is_applied`

// Check asks the primary whether it is there and has the schema that this
// program needs. It returns an error that wraps consent.ErrUnavailable, or
// ErrSchema. A newer schema is fine: an upgrade runs beside this program.
// One round trip.
func (db *DB) Check(ctx context.Context) error {
	needed, err := schemaNeeded()
	if err != nil {
		return err
	}
	type row struct {
		Version int64 `db:"version"`
	}
	var found row
	err = db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		found, err = one[row](ctx, c, ErrSchema, sqlSchemaVersion)
		return err
	})
	if hasCode(err, "42P01") { // undefined_table: never migrated
		return ErrSchema
	}
	if err != nil {
		return fmt.Errorf("check schema: %w", err)
	}
	if found.Version < needed {
		return ErrSchema
	}
	return nil
}

// Schema identifies the schema that Migrate makes: it changes with every
// change of a migration. Test databases are shared by it.
func Schema() (string, error) {
	sum := sha256.New()
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("postgres: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	m, err := rivermigrate.New(riverpgxv5.New(nil), nil)
	if err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	fmt.Fprintf(sum, "river %d", len(m.AllVersions()))
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// schemaNeeded returns the version of the newest embedded migration.
func schemaNeeded() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		return 0, errors.New("postgres: no migrations are embedded")
	}
	// Glob sorts, and the numbers are padded: the last name is the newest.
	number, _, _ := strings.Cut(path.Base(names[len(names)-1]), "_")
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("postgres: name of a migration: %w", err)
	}
	return v, nil
}
