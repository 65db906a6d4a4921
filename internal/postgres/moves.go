package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5"
)

var _ consent.Moves = Grants{}

// Of a grant's first version there is nothing older to forget.
const sqlMoved = `
SELECT e.grant_id, max(e.epoch) AS epoch
FROM unnest($1::interval[], $2::interval[]) AS age (over, most)
JOIN consent_event e ON e.at < statement_timestamp() - age.over AND e.at >= statement_timestamp() - age.most
WHERE e.epoch > 1 GROUP BY e.grant_id ORDER BY max(e.at) DESC`

const sqlStopped = `
SELECT DISTINCT r.recipient_id
FROM unnest($1::interval[], $2::interval[]) AS age (over, most)
JOIN recipient r ON r.updated_at < statement_timestamp() - age.over AND r.updated_at >= statement_timestamp() - age.most
WHERE NOT ` + mayRead

// bounds returns the two ends of spans.
func bounds(ages []consent.Span) (over, most []time.Duration) {
	for _, a := range ages {
		over, most = append(over, a.Over), append(most, a.Most)
	}
	return over, most
}

// Moved implements consent.Moves. One round trip.
func (s Grants) Moved(ctx context.Context, ages []consent.Span) ([]consent.Move, error) {
	over, most := bounds(ages)
	type moveRow struct {
		GrantID string `db:"grant_id"`
		Epoch   int64  `db:"epoch"`
	}
	var rows []moveRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[moveRow](ctx, c, sqlMoved, over, most)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load what moved: %w", err)
	}
	var all []consent.Move
	for _, r := range rows {
		all = append(all, consent.Move{Grant: consent.GrantID(r.GrantID), Epoch: r.Epoch})
	}
	return all, nil
}

// Stopped implements consent.Moves. One round trip.
func (s Grants) Stopped(ctx context.Context, ages []consent.Span) ([]consent.RecipientID, error) {
	over, most := bounds(ages)
	var ids []string
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, _ := c.Query(ctx, sqlStopped, over, most) // CollectRows returns the error
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load who was stopped: %w", err)
	}
	return typed[consent.RecipientID](ids), nil
}
