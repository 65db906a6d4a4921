package postgres

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5"
)

// Found by the key: a page costs what its rows cost, however many grants
// have ended.
const sqlEachActive = `
SELECT ` + grantColumns + ` FROM consent_grant
WHERE status = 'ACTIVE' AND grant_id > $1
ORDER BY grant_id LIMIT $2`

// activePage is how many grants EachActive reads at once.
const activePage = 500

// EachActive calls f with every grant that is stored as ACTIVE, in the order
// of their ids, until f returns an error, which it returns as it is. A grant
// that begins or ends meanwhile may be seen or not. One round trip for each
// 500 grants; none is held open while f runs.
func (s Grants) EachActive(ctx context.Context, f func(consent.Grant) error) error {
	last := ""
	for {
		var rows []grantRow
		err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
			rows, err = many[grantRow](ctx, c, sqlEachActive, last, activePage)
			return err
		})
		if err != nil {
			return fmt.Errorf("load active grants: %w", err)
		}
		for _, r := range rows {
			g, err := r.grant()
			if err != nil {
				return err
			}
			if err := f(g); err != nil {
				return err
			}
			last = r.GrantID
		}
		if len(rows) < activePage {
			return nil
		}
	}
}
