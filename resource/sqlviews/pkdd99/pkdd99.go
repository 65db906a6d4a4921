// Package pkdd99 makes a bank of views of the PKDD'99 challenge: the accounts,
// loans, cards and transactions of a Czech bank, which anybody may use and
// which are not part of this project. Tests and the load run put it behind a
// whole deployment, because nobody here made it up.
//
// It owns the bank's tables and views and the mapping file that goes with
// them. It must not know the provider that reads them, nor grants or tokens.
package pkdd99

import (
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

//go:embed bank.sql
var bankSQL string

//go:embed mapping.yaml
var mapping string

// Mapping returns the mapping file of the bank's views.
func Mapping() []byte { return []byte(mapping) }

// Load makes the bank in an empty database, as its owner, of the files in dir
// (account.asc.gz and so on). All of it is moved by the same number of days, so
// that its last transaction is booked on last. A load that fails leaves nothing.
func Load(ctx context.Context, dsn, dir string, last fdx.Date) error {
	if err := load(ctx, dsn, dir, last); err != nil {
		return fmt.Errorf("load the PKDD'99 bank: %w", err)
	}
	return nil
}

func load(ctx context.Context, dsn, dir string, last fdx.Date) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what counts is the commit
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `CREATE SCHEMA raw`); err != nil {
			return err
		}
		for _, name := range []string{"account", "card", "client", "disp", "district", "loan", "trans"} {
			if err := loadFile(ctx, tx, dir, name); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if _, err := tx.Exec(ctx, `CREATE TABLE raw.shift (days int)`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO raw.shift SELECT $1::text::date - to_date('19' || max(date), 'YYYYMMDD') FROM raw.trans`, last.String())
		if err == nil {
			_, err = tx.Exec(ctx, bankSQL)
		}
		return err
	})
}

// loadFile loads a file as it is into a table of text.
func loadFile(ctx context.Context, tx pgx.Tx, dir, name string) error {
	f, err := os.Open(filepath.Join(dir, name+".asc.gz"))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	header, rows, err := readTable(f)
	if err != nil {
		return err
	}
	var columns []string
	for _, h := range header {
		columns = append(columns, pgx.Identifier{h}.Sanitize()+` text`)
	}
	if _, err := tx.Exec(ctx, `CREATE TABLE raw.`+name+` (`+strings.Join(columns, `, `)+`)`); err != nil {
		return err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"raw", name}, header, pgx.CopyFromRows(rows))
	return err
}

// readTable returns the rows of a file, all as long as its header. A last
// line that is cut off, as excerpts have it, is none.
func readTable(file io.Reader) (header []string, rows [][]any, err error) {
	z, err := gzip.NewReader(file)
	if err != nil {
		return nil, nil, err
	}
	r := csv.NewReader(z)
	r.Comma, r.FieldsPerRecord = ';', -1
	if header, err = r.Read(); err != nil {
		return nil, nil, err
	}
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) || errors.Is(err, csv.ErrQuote) {
			return header, rows, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if len(line) != len(header) {
			return nil, nil, fmt.Errorf("row %d has %d columns, and the header %d", len(rows)+1, len(line), len(header))
		}
		cells := make([]any, len(line))
		for i := range line {
			cells[i] = line[i]
		}
		rows = append(rows, cells)
	}
}

// Household is an account with an owner and an authorised user.
type Household struct {
	Account     fdx.AccountID
	Owner, User consent.ConsumerID
}

// Households returns up to n households of a loaded bank, those with the most
// transactions first.
func Households(ctx context.Context, dsn string, n int) ([]Household, error) {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("households: %w", err)
	}
	defer c.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read only
	rows, err := c.Query(ctx, `
		SELECT o.account_key, o.client_id, u.client_id
		FROM bank.disp o JOIN bank.disp u ON u.account_key = o.account_key AND u.type = 'DISPONENT'
		WHERE o.type = 'OWNER'
		ORDER BY (SELECT count(*) FROM bank.txn t WHERE t.account_key = o.account_key) DESC, o.account_key
		LIMIT $1`, n)
	if err != nil {
		return nil, fmt.Errorf("households: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Household])
	if err != nil {
		return nil, fmt.Errorf("households: %w", err)
	}
	return found, nil
}
