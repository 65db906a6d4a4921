package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// errNoClock cannot be: the statement has exactly one row.
var errNoClock = errors.New("the database told no time")

const sqlClock = `SELECT clock_timestamp() AS at`

// Clock returns the time of the database by its own clock, which decides about
// every end and every beginning here. One round trip.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	type row struct {
		At time.Time `db:"at"`
	}
	var found row
	err := db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		found, err = one[row](ctx, c, errNoClock, sqlClock)
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	return found.At.UTC(), nil
}
