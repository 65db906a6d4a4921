package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/resource/sandbox"
)

// The two sides that the lines about growth compare: databases of their own
// that differ in how much is in them.
const (
	small = "small"
	large = "large"
)

// size is how much there is on a side. Transactions are those of the account
// that is read.
type size struct{ tokens, grants, records, transactions int }

// sizes of the two sides at full scale.
var sizes = map[string]size{
	small: {tokens: 10_000, grants: 1_000, records: 100_000, transactions: 100},
	large: {tokens: 1_000_000, grants: 1_000_000, records: 10_000_000, transactions: 100_000},
}

// times returns a part of the size. An account keeps more transactions than
// one page has.
func (z size) times(scale float64) size {
	part := func(n, least int) int { return max(int(float64(n)*scale), least) }
	return size{part(z.tokens, 1), part(z.grants, 1), part(z.records, 1), part(z.transactions, 2*limit)}
}

// makeSides fills both.
func (s *stack) makeSides(ctx context.Context, c Config) error {
	if c.Scale == 0 {
		return nil
	}
	for _, name := range []string{small, large} {
		side, err := s.makeSide(ctx, c, name)
		if err != nil {
			return fmt.Errorf("the %s side: %w", name, err)
		}
		s.sides = append(s.sides, side)
	}
	return nil
}

func (s *stack) makeSide(ctx context.Context, c Config, name string) (_ *stack, err error) {
	z := sizes[name].times(c.Scale)
	c.say(fmt.Sprintf("making the %s side: %d tokens, %d grants, %d access records, an account with %d transactions",
		name, z.tokens, z.grants, z.records, z.transactions))
	t := *s
	t.closers, t.sides, t.side, t.database = nil, nil, name, database+"_"+name
	s.later(t.close)
	admin := s.postgres.DSN("postgres")
	dsn := s.postgres.DSN(t.database)
	for _, step := range []func() error{
		func() error { return statement(ctx, admin, "DROP DATABASE IF EXISTS "+t.database+" WITH (FORCE)") },
		func() error { return statement(ctx, admin, "CREATE DATABASE "+t.database) },
		func() error { return errors.Join(postgres.Migrate(ctx, dsn), sandbox.Migrate(ctx, dsn)) },
		func() error { return t.connect(ctx, dsn, s.redis.URL(), conns) },
		func() error { return t.fillBank(ctx, Config{Out: io.Discard}) },
		func() error { return t.issueTokens(ctx, c) },
		func() error { return t.grow(ctx, c, dsn, z) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &t, nil
}

// grow copies rows until the side has its size. What is copied is what the
// stores themselves have written, so that columns of later releases are there
// too; keys are made anew.
func (s *stack) grow(ctx context.Context, c Config, dsn string, z size) (err error) {
	// One read, to have an access record to copy.
	one, err := s.db.Tokens().Live(ctx, s.byCert.hashes[0])
	if err != nil {
		return err
	}
	if _, err := s.gate.Release(ctx, s.release(one)); err != nil {
		return err
	}
	pool, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	db, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// Copies need no check of their keys, and are made anew after a crash.
	if _, err := db.ExecContext(ctx, "SET session_replication_role = replica; SET synchronous_commit = off"); err != nil {
		return err
	}
	account := string(s.access.Account())
	for _, rows := range []struct {
		table string
		n     int
		fresh map[string]string // by column
	}{
		{"public.person", min(z.grants, 100000), map[string]string{
			"pseudonym": "'consumer-' || i % 100000",
			"bank_id":   "'consumer-' || i % 100000",
		}},
		{"public.consent_grant", z.grants, map[string]string{
			"grant_id":    "md5('grant' || i)::uuid::text",
			"consumer_id": fmt.Sprintf("'consumer-' || (1 + i %% %d) %% 100000", min(z.grants, 100000)),
		}},
		{"public.oauth_access", z.tokens, map[string]string{
			"access_hash": "sha256(('token' || i)::bytea)",
			"grant_id":    fmt.Sprintf("md5('grant' || 1 + i %% %d)::uuid::text", z.grants),
		}},
		{"public.access_record", z.records, map[string]string{
			// By time, as the gate's own: they go where new ones go.
			"request_id":     fmt.Sprintf("(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint - %d + i), 12, '0') || left(md5('record' || i), 20))::uuid", z.records),
			"at":             fmt.Sprintf("clock_timestamp() - (%d - i) * interval '1 millisecond'", z.records),
			"consumer_id":    fmt.Sprintf("'consumer-' || (1 + i %% %d) %% 100000", min(z.grants, 100000)),
			"grant_id":       fmt.Sprintf("md5('grant' || 1 + i %% %d)::uuid::text", z.grants),
			"transaction_id": "pg_current_xact_id()",
			"lane":           "''",
			"counter":        "0",
		}},
		{"sandbox.txn", z.transactions, map[string]string{
			"account_id": "'" + account + "'",
			"key":        "'copy-' || i",
			"pending":    "false",
			"at":         "(SELECT min(at) FROM sandbox.txn WHERE account_id = '" + account + "') - i * interval '1 minute'",
		}},
	} {
		if err == nil {
			err = copyRows(ctx, c, db, rows.table, rows.n, rows.fresh)
		}
	}
	if err == nil {
		_, err = db.ExecContext(ctx, `
			DELETE FROM sandbox.txn WHERE account_id = $1 AND id NOT IN (
				SELECT id FROM sandbox.txn WHERE account_id = $1 ORDER BY pending DESC, at DESC, id DESC LIMIT $2)`, account, z.transactions)
	}
	for _, housekeeping := range []string{"VACUUM (ANALYZE)", "CHECKPOINT"} {
		if err == nil {
			_, err = db.ExecContext(ctx, housekeeping) // or it would run in the middle
		}
	}
	return err
}

// copies is how many rows one statement makes: few enough to see that it goes
// on.
const copies = 250_000

// copyRows inserts n copies of a row of a table with some columns made anew,
// in terms of i, which counts from 1. Names that the table lacks are passed
// over.
func copyRows(ctx context.Context, c Config, db *sql.Conn, table string, n int, fresh map[string]string) error {
	schema, name, _ := strings.Cut(table, ".")
	rows, err := db.QueryContext(ctx, `
		SELECT column_name FROM information_schema.columns
		WHERE table_schema = $1 AND table_name = $2 AND is_identity = 'NO' AND is_generated = 'NEVER'`, schema, name)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var columns, values []string
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return err
		}
		value := "r." + column
		if v, ok := fresh[column]; ok {
			value = v
		}
		columns, values = append(columns, column), append(values, value)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := rows.Close(); err != nil {
		return err // the connection is not free yet
	}
	start := time.Now()
	for from := 1; from <= n; from += copies {
		to := min(from+copies-1, n)
		_, err := db.ExecContext(ctx, "INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") SELECT "+strings.Join(values, ", ")+
			fmt.Sprintf(" FROM (SELECT * FROM %s LIMIT 1) r, generate_series(%d, %d) i", table, from, to))
		took := time.Since(start).Round(time.Second)
		if err != nil {
			return fmt.Errorf("copy rows of %s for %v: %w", table, took, err)
		}
		if n > copies {
			c.say(fmt.Sprintf("%d of %d rows of %s after %v", to, n, table, took))
		}
	}
	return nil
}
