package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5"
)

// Care is what the bank's staff see of a person.
type Care struct{ db *DB }

// Care returns the view for the bank's staff.
func (db *DB) Care() Care { return Care{db} }

// ErrNoReason: somebody wanted to look without saying who they are or why.
var ErrNoReason = errors.New("postgres: a look-up needs who looks and why")

const sqlInsertLookUp = `
WITH ` + ensurePerson1 + `
INSERT INTO staff_lookup (consumer_id, staff, reason) SELECT pseudonym, $2, $3 FROM who`

// Show returns a person's grants in every state, newest first, and writes
// down that staff looked, why and when. Both are one transaction: nothing is
// shown that the person does not learn of. reason is shown to them as it is.
// Without staff or reason it is ErrNoReason.
func (s Care) Show(ctx context.Context, who consent.ConsumerID, staff, reason string) ([]consent.Grant, error) {
	if staff == "" || reason == "" {
		return nil, ErrNoReason
	}
	var rows []grantRow
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if _, err = tx.Exec(ctx, sqlInsertLookUp, string(who), staff, reason); err != nil {
			return err
		}
		rows, err = many[grantRow](ctx, tx, sqlGrantsOf, string(who))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("show grants to staff: %w", err)
	}
	var all []consent.Grant
	for _, r := range rows {
		g, err := r.grant()
		if err != nil {
			return nil, fmt.Errorf("show grants to staff: %w", err)
		}
		all = append(all, g)
	}
	return all, nil
}
