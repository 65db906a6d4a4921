package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/resource/sandbox/csv"
	"github.com/headgate/headgate/resource/sandbox/ledger"
	"github.com/headgate/headgate/resource/sandbox/ofx"
)

// ErrUsername is returned for a customer name that cannot be a username.
var ErrUsername = errors.New("sandbox: a customer name has 1 to 64 of a-z, 0-9, dot, hyphen and underscore, and begins with a letter or digit")

var usernameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// ImportOFX loads one OFX statement file, all of it or nothing, for the
// customer with that username, who is made if there is none. The name of the
// file is used in faults. Importing a file again changes nothing.
//
// It returns ErrUsername, or a ledger.Faults that says what is wrong with the
// file and where. An account that another customer imported before becomes a
// joint account of both.
func ImportOFX(ctx context.Context, s *Store, customer, name string, r io.Reader) (Report, error) {
	if !usernameForm.MatchString(customer) {
		return Report{}, ErrUsername
	}
	file, err := ofx.Parse(name, r)
	if err != nil {
		return Report{}, err
	}
	b := ledger.Batch{
		Customers: []ledger.Customer{{Username: customer, Name: customer}},
		Accounts:  file.Accounts,
		Transactions: func(yield func(ledger.Transaction, error) bool) {
			for _, t := range file.Transactions {
				if !yield(t, nil) {
					return
				}
			}
		},
	}
	for i := range file.Accounts {
		b.Holders = append(b.Holders, ledger.Holder{Username: customer, Account: i, Relationship: ledger.Owner})
	}
	report, err := s.load(ctx, b, nil)
	if err != nil {
		return Report{}, err
	}
	report.Notes = file.Notes
	return report, nil
}

// ImportCSV loads a bank from delimited files, all of it or nothing, as the
// mapping says (testdata/pkdd99.json is one of a real bank); files is the
// folder that its paths are relative to. Importing the same files again
// changes nothing, also on another day: dates that were rebased by a first
// import keep that distance in later ones of the same institution. Progress
// may be nil; it is called from another goroutine.
//
// It returns a ledger.Faults that says what is wrong with which row.
func ImportCSV(ctx context.Context, s *Store, mapping *csv.Mapping, files fs.FS, progress func(csv.Progress)) (Report, error) {
	if progress == nil {
		progress = func(csv.Progress) {}
	}
	src := csv.Source{Mapping: mapping, Files: files, Now: s.now(), Progress: progress}
	if mapping.Rebased() {
		var err error
		if src.Shift, err = s.rebaseOf(ctx, mapping.Institution()); err != nil {
			return Report{}, err
		}
	}
	result, err := csv.Read(ctx, src)
	if err != nil {
		return Report{}, err
	}
	b := result.Batch
	if mapping.Rebased() {
		b.Rebase = &ledger.Rebase{Institution: mapping.Institution(), Days: result.Shift}
	}
	return s.load(ctx, b, func(done int) {
		progress(csv.Progress{Stage: "load", Done: int64(done), Total: int64(result.Transactions)})
	})
}

// rebaseOf returns the days that an earlier import moved the dates of an
// institution by, or nil.
func (s *Store) rebaseOf(ctx context.Context, institution string) (*int, error) {
	var days int
	err := s.pool.QueryRow(ctx, `SELECT days FROM sandbox.rebase WHERE institution = $1`, institution).Scan(&days)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox rebase: %w", err)
	}
	return &days, nil
}
