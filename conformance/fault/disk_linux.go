package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// full moves the records to a small volume of their own that has no room left.
// ok is false where we may not mount one.
func (s *stack) full() (f fault, ok bool) {
	v := volume{stack: s, dir: filepath.Join(s.dir, "volume")}
	if os.MkdirAll(v.dir, 0o777) != nil || v.mount(1<<20) != nil {
		return f, false
	}
	_ = syscall.Unmount(v.dir, 0) // nobody uses it yet
	return fault{name: "postgres volume of the records full", dark: bothGateways, hold: 4 * time.Second, begin: v.fill, end: v.empty}, true
}

// volume is a file system in memory.
type volume struct {
	stack *stack
	dir   string
}

func (v volume) mount(size int64) error {
	return syscall.Mount("tmpfs", v.dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0777", size))
}

// space is the folder of the tablespace.
func (v volume) space() (string, error) {
	dir := filepath.Join(v.dir, "space")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	if as := v.stack.postgres.as; as != nil {
		return dir, os.Chown(dir, int(as.Uid), int(as.Gid))
	}
	return dir, nil
}

func (v volume) ballast() string { return filepath.Join(v.dir, "ballast") }

// ofRecords are the tables that the records are in: one, or its partitions,
// each with the index of its key.
const ofRecords = `
SELECT c.oid::regclass::text AS name, i.indexrelid::regclass::text AS key
FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind = 'r' AND (c.oid = 'access_record'::regclass
    OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'access_record'::regclass))`

func (v volume) fill(ctx context.Context) error {
	conn, err := v.stack.postgres.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is under way
	var size int64
	if err := conn.QueryRow(ctx, "SELECT sum(pg_table_size(name::regclass)) FROM ("+ofRecords+") AS t").Scan(&size); err != nil {
		return err
	}
	if err := v.mount(size + 16<<20); err != nil {
		return err
	}
	space, err := v.space()
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "CREATE TABLESPACE small LOCATION '"+space+"'"); err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return v.move(ctx, tx) })
	if err != nil {
		return err
	}
	return rest(ctx, 1500*time.Millisecond) // the last page fills up
}

// move moves the records and takes all room that they leave. Nobody writes
// meanwhile: PostgreSQL makes many pages at once for many writers, and those
// that are empty would take records after the volume is full. For the same
// reason the tables are written anew before.
func (v volume) move(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "LOCK TABLE access_record IN ACCESS EXCLUSIVE MODE"); err != nil {
		return err
	}
	list, err := tx.Query(ctx, ofRecords)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(list, pgx.RowToStructByPos[struct{ Name, Key string }])
	if err != nil {
		return err
	}
	for _, t := range tables {
		if _, err := tx.Exec(ctx, "CLUSTER "+t.Name+" USING "+t.Key); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "ALTER TABLE "+t.Name+" SET TABLESPACE small"); err != nil {
			return err
		}
	}
	ballast, err := os.Create(v.ballast())
	if err != nil {
		return err
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = ballast.Write(block)
	}
	_ = ballast.Close() // its content is of no use
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return nil
}

func (v volume) empty(ctx context.Context) error {
	if err := os.Remove(v.ballast()); err != nil {
		return err
	}
	for _, sql := range []string{"ALTER TABLE ALL IN TABLESPACE small SET TABLESPACE pg_default", "DROP TABLESPACE small"} {
		if err := v.stack.postgres.exec(ctx, "headgate", sql); err != nil {
			return err
		}
	}
	return syscall.Unmount(v.dir, syscall.MNT_DETACH)
}

// unmount is for a run that ends in between.
func (s *stack) unmount() { _ = syscall.Unmount(filepath.Join(s.dir, "volume"), syscall.MNT_DETACH) }
