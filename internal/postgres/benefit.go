package postgres

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5"
)

// Benefit is what a client says that people get from it.
type Benefit struct {
	Words    string // as registered; empty when it says nothing
	Approved bool   // exactly these words were approved
}

const sqlBenefit = `
SELECT coalesce(g.benefit, '') AS benefit, coalesce(g.benefit = g.benefit_approved, false) AS approved
FROM recipient r LEFT JOIN registration g ON g.recipient_id = r.recipient_id
WHERE r.recipient_id = $1`

const sqlApproveBenefit = `
UPDATE registration SET benefit_approved = benefit WHERE recipient_id = $1 AND benefit = $2 AND benefit <> ''`

const sqlWithdrawBenefit = `
UPDATE registration SET benefit_approved = '' WHERE recipient_id = $1`

// Benefit returns what a client says that people get; consent.ErrNotFound for
// an unknown one. One round trip.
func (s Registrations) Benefit(ctx context.Context, id consent.RecipientID) (Benefit, error) {
	type benefitRow struct {
		Benefit  string `db:"benefit"`
		Approved bool   `db:"approved"`
	}
	var r benefitRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[benefitRow](ctx, c, consent.ErrNotFound, sqlBenefit, string(id))
		return err
	})
	if err != nil {
		return Benefit{}, fmt.Errorf("load benefit: %w", err)
	}
	return Benefit{Words: r.Benefit, Approved: r.Approved && r.Benefit != ""}, nil
}

// ApproveBenefit lets people see these words while they are what the client
// registered. consent.ErrConflict when it registers others, or none, by now;
// then nothing is approved. One round trip, one more to explain a refusal.
func (s Registrations) ApproveBenefit(ctx context.Context, id consent.RecipientID, words string) error {
	return s.benefit(ctx, "approve benefit", id, sqlApproveBenefit, string(id), words)
}

// WithdrawBenefit takes an approval back, from the next page on. Otherwise as
// ApproveBenefit.
func (s Registrations) WithdrawBenefit(ctx context.Context, id consent.RecipientID) error {
	return s.benefit(ctx, "withdraw benefit", id, sqlWithdrawBenefit, string(id))
}

func (s Registrations) benefit(ctx context.Context, what string, id consent.RecipientID, sql string, args ...any) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		tag, err := c.Exec(ctx, sql, args...)
		if err == nil && tag.RowsAffected() == 0 {
			err = missingOr(ctx, c, consent.ErrConflict, consent.ErrNotFound, sqlRecipientExists, string(id))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
