package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5"
)

// Switch is the consent.Switch.
type Switch struct{ db *DB }

var _ consent.Switch = Switch{}

// Switch returns the store of whether people let new sharing begin.
func (db *DB) Switch() Switch { return Switch{db} }

const sqlSharingOff = `
SELECT sharing_off_at FROM person WHERE bank_id = $1 AND sharing_off_at IS NOT NULL`

// Somebody who is not known has it on. The row is the one that an approval
// holds: of the two the one that comes second sees the other.
const sqlSwitchSharing = `
WITH who AS (
    INSERT INTO person AS p (bank_id, sharing_off_at)
    SELECT $1, CASE WHEN $2::boolean THEN clock_timestamp() END
    WHERE $2 OR EXISTS (SELECT k.pseudonym FROM person k WHERE k.bank_id = $1)
    ON CONFLICT (bank_id) DO UPDATE SET sharing_off_at = EXCLUDED.sharing_off_at
    WHERE (p.sharing_off_at IS NOT NULL) <> $2
    RETURNING pseudonym)
INSERT INTO sharing_switch (consumer_id, sharing_off) SELECT pseudonym, $2 FROM who`

const sqlSwitchings = `
SELECT switch_id, at, sharing_off FROM sharing_switch
WHERE consumer_id = ` + pseudonymOf1 + ` AND at <= coalesce($2::timestamptz, 'infinity')
ORDER BY at DESC, switch_id DESC LIMIT $3`

var errSharingOn = errors.New("postgres: sharing is on")

// SharingOff implements consent.Switch. One round trip.
func (s Switch) SharingOff(ctx context.Context, who consent.ConsumerID) (time.Time, error) {
	type offRow struct {
		SharingOffAt time.Time `db:"sharing_off_at"`
	}
	var r offRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[offRow](ctx, c, errSharingOn, sqlSharingOff, string(who))
		return err
	})
	switch {
	case errors.Is(err, errSharingOn):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("load switch: %w", err)
	}
	return r.SharingOffAt.UTC(), nil
}

// SwitchSharing implements consent.Switch. One round trip.
func (s Switch) SwitchSharing(ctx context.Context, who consent.ConsumerID, off bool) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlSwitchSharing, string(who), off)
		return err
	})
	if err != nil {
		return fmt.Errorf("switch sharing: %w", err)
	}
	return nil
}

// Switchings implements consent.Switch. One round trip.
func (s Switch) Switchings(ctx context.Context, who consent.ConsumerID, until time.Time, limit int) ([]consent.Switching, error) {
	type switchRow struct {
		SwitchID   [16]byte  `db:"switch_id"`
		At         time.Time `db:"at"`
		SharingOff bool      `db:"sharing_off"`
	}
	if limit < 1 {
		return nil, nil
	}
	var rows []switchRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[switchRow](ctx, c, sqlSwitchings, string(who), nullable(until), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load switchings: %w", err)
	}
	var all []consent.Switching
	for _, r := range rows {
		all = append(all, consent.Switching{ID: r.SwitchID, Consumer: who, At: r.At.UTC(), Off: r.SharingOff})
	}
	return all, nil
}
