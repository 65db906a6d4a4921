package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
)

// Exports counts the copies that people have made of their record. It is the
// inbox.Exports.
type Exports struct{ db *DB }

var _ inbox.Exports = Exports{}

// Exports returns the count of copies.
func (db *DB) Exports() Exports { return Exports{db} }

// A copy that nobody ended is over after a while: its process has died.
const sqlBeginExport = `
WITH ` + ensurePerson1 + `
INSERT INTO record_export AS r (consumer_id, day, made, busy_until)
SELECT pseudonym, (clock_timestamp() AT TIME ZONE 'UTC')::date, 1, clock_timestamp() + make_interval(secs => $3) FROM who
ON CONFLICT (consumer_id) DO UPDATE SET
    day = EXCLUDED.day, made = CASE WHEN r.day = EXCLUDED.day THEN r.made + 1 ELSE 1 END, busy_until = EXCLUDED.busy_until
WHERE r.busy_until <= clock_timestamp() AND (r.day <> EXCLUDED.day OR r.made < $2)`

const sqlExportBusy = `
SELECT consumer_id FROM record_export WHERE consumer_id = ` + pseudonymOf1 + ` AND busy_until > clock_timestamp()`

const sqlEndExport = `
UPDATE record_export SET busy_until = clock_timestamp() WHERE consumer_id = ` + pseudonymOf1

// Begin implements inbox.Exports. One round trip, two when there is to be none.
func (s Exports) Begin(ctx context.Context, who consent.ConsumerID) error {
	type row struct {
		ConsumerID string `db:"consumer_id"`
	}
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		tag, err := c.Exec(ctx, sqlBeginExport, string(who), inbox.ExportsADay, inbox.ExportTime.Seconds())
		if err != nil || tag.RowsAffected() == 1 {
			return err
		}
		busy, err := many[row](ctx, c, sqlExportBusy, string(who))
		switch {
		case err != nil:
			return err
		case len(busy) > 0:
			return inbox.ErrExportBusy
		default:
			return inbox.ErrExportsOver
		}
	})
	if err != nil {
		return fmt.Errorf("begin export: %w", err)
	}
	return nil
}

// End implements inbox.Exports. One round trip.
func (s Exports) End(ctx context.Context, who consent.ConsumerID) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlEndExport, string(who))
		return err
	})
	if err != nil {
		return fmt.Errorf("end export: %w", err)
	}
	return nil
}
