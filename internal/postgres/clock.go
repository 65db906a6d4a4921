package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const sqlClock = `SELECT clock_timestamp()`

// Clock returns the time of the database by its own clock, which decides about
// every end and every beginning here. One round trip.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, sqlClock).Scan(&at)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	return at.UTC(), nil
}
