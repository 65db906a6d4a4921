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
SELECT grant_id, max(epoch) AS epoch FROM consent_event
WHERE at > statement_timestamp() - $1::interval AND epoch > 1 GROUP BY grant_id ORDER BY max(at) DESC`

// Moved implements consent.Moves. One round trip.
func (s Grants) Moved(ctx context.Context, within time.Duration) ([]consent.Move, error) {
	type moveRow struct {
		GrantID string `db:"grant_id"`
		Epoch   int64  `db:"epoch"`
	}
	var rows []moveRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[moveRow](ctx, c, sqlMoved, within)
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
