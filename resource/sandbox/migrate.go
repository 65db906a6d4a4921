package sandbox

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver for database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Two processes may start at the same time; the locks are this schema's own.
const (
	schemaLock  = 0x68675f73616e6401 // "hg_sand" and a number
	migrateLock = 0x68675f73616e6402
	loadLock    = 0x68675f73616e6403
)

// Migrate creates the schema "sandbox" in the database behind dsn, or brings
// it up to date. It keeps its own record of versions in that schema and may
// run in several processes at once.
func Migrate(ctx context.Context, dsn string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return fmt.Errorf("migrate sandbox: %w", err)
	}
	defer db.Close()
	if err := migrate(ctx, db); err != nil {
		return fmt.Errorf("migrate sandbox: %w", err)
	}
	return nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	// goose keeps its record inside the schema, so the schema comes first.
	// CREATE SCHEMA IF NOT EXISTS alone fails when two run it at once.
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(schemaLock)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS sandbox`); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}

	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrateLock))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName("sandbox.goose_version"),
		goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}
