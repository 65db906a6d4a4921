package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/notice"
)

// What was told last of a grant, and how far each delivery of it has got. A
// dead delivery is none of the states: nobody tries any more.
const sqlTold = `
SELECT count(d.sequence) AS deliveries,
       count(d.sequence) FILTER (WHERE d.state = 'delivered') AS delivered,
       count(d.sequence) FILTER (WHERE d.state = 'pending' AND d.attempts > 0) AS retrying
FROM (SELECT n.sequence FROM notification n WHERE n.grant_id = $1 ORDER BY n.sequence DESC LIMIT 1) last
LEFT JOIN notification_delivery d ON d.sequence = last.sequence
GROUP BY last.sequence`

// Reached returns how far what the recipient was told last of a grant has got,
// which after its end is that it ended. One round trip.
func (s Notices) Reached(ctx context.Context, id consent.GrantID) (notice.Reach, error) {
	type toldRow struct {
		Deliveries int `db:"deliveries"`
		Delivered  int `db:"delivered"`
		Retrying   int `db:"retrying"`
	}
	var rows []toldRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[toldRow](ctx, c, sqlTold, string(id))
		return err
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("load deliveries: %w", err)
	case len(rows) == 0:
		return "", nil
	case rows[0].Deliveries == 0:
		return notice.ReachNobody, nil
	case rows[0].Delivered > 0:
		return notice.ReachDelivered, nil
	case rows[0].Retrying > 0:
		return notice.ReachRetrying, nil
	}
	return "", nil
}
