package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5"
)

// notResting is the condition that grant g does not rest now: by the clock of
// the database, so that a pause ends at one instant for all instances and
// nobody has to write down that it is over.
const notResting = `g.held_at IS NULL AND (g.paused_until IS NULL OR g.paused_until <= clock_timestamp())`

// What the kinds of a rest change, and what has to be true for it. $2 is the
// end of a pause and $3 the number of a hold, NULL for the other kinds.
const restPrefix = `
UPDATE consent_grant g
SET epoch = g.epoch + 1, updated_at = clock_timestamp(), `

const restSuffix = `
WHERE g.grant_id = $1 AND g.status = 'ACTIVE' AND g.expires_at > clock_timestamp() AND `

const sqlPause = restPrefix + `paused_until = $2` + restSuffix + notResting + `
RETURNING ` + grantColumns

const sqlResume = restPrefix + `paused_until = NULL` + restSuffix + `g.paused_until > clock_timestamp()
RETURNING ` + grantColumns

const sqlHold = restPrefix + `held_at = clock_timestamp(), hold_case = $2` + restSuffix + `g.held_at IS NULL
RETURNING ` + grantColumns

const sqlUnhold = restPrefix + `held_at = NULL, hold_case = ''` + restSuffix + `g.held_at IS NOT NULL
RETURNING ` + grantColumns

const sqlGrantActive = `
SELECT grant_id FROM consent_grant WHERE grant_id = $1 AND status = 'ACTIVE' AND expires_at > clock_timestamp()`

// Rest implements consent.Store. The update of the grant waits for tokens
// that are being issued under it, as End does, and whoever issues later finds
// the rest. Four round trips.
func (s Grants) Rest(ctx context.Context, c consent.RestChange) (consent.Grant, error) {
	args := []any{string(c.Grant)}
	var sql string
	switch c.Kind {
	case consent.EventPaused:
		sql, args = sqlPause, append(args, c.Until)
	case consent.EventResumed:
		sql = sqlResume
	case consent.EventHeld:
		sql, args = sqlHold, append(args, c.Case)
	case consent.EventReleased:
		sql = sqlUnhold
	default:
		return consent.Grant{}, errors.New("postgres: a rest begins and ends by its own events")
	}
	var r grantRow
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		r, err = one[grantRow](ctx, tx, consent.ErrConflict, sql, args...)
		if errors.Is(err, consent.ErrConflict) {
			return whyNoRest(ctx, tx, c.Grant)
		}
		if err != nil {
			return err
		}
		var b pgx.Batch
		queueEvent(&b, consent.Event{Grant: c.Grant, Epoch: r.Epoch, Kind: c.Kind, Actor: c.Actor, Until: c.Until, Case: c.Case})
		return tx.SendBatch(ctx, &b).Close()
	})
	if violates(err, "consent_event_case") {
		err = consent.ErrConflict
	}
	if err != nil {
		return consent.Grant{}, fmt.Errorf("rest grant: %w", err)
	}
	return r.grant()
}

// whyNoRest says why a change of a rest changed nothing.
func whyNoRest(ctx context.Context, tx pgx.Tx, id consent.GrantID) error {
	err := missingOr(ctx, tx, consent.ErrConflict, consent.ErrEnded, sqlGrantActive, string(id))
	if errors.Is(err, consent.ErrEnded) {
		return missingOr(ctx, tx, consent.ErrEnded, consent.ErrNotFound, sqlGrantExists, string(id))
	}
	return err
}

// restRow holds restColumns.
type restRow struct {
	Resting     bool       `db:"resting"`
	Held        bool       `db:"held"`
	PausedUntil *time.Time `db:"paused_until"`
}

// rest returns the rest of a grant as the query found it, nil when it did not
// rest.
func (r restRow) rest() error {
	switch {
	case !r.Resting:
		return nil
	case r.Held:
		return &consent.RestingError{Rest: consent.RestHeld}
	default:
		return &consent.RestingError{Rest: consent.RestPaused, Until: instant(r.PausedUntil)}
	}
}
