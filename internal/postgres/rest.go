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

// What the kinds of a rest change, and what has to be true for it. Of the event,
// $5 is the end of a pause and $6 the number of a hold.
const restPrefix = `
    UPDATE consent_grant g
    SET epoch = g.epoch + 1, updated_at = clock_timestamp(), `

const restWhere = `
    WHERE g.grant_id = $10 AND g.status = 'ACTIVE' AND g.expires_at > clock_timestamp() AND `

const restSuffix = `
    RETURNING ` + storedGrant + `),` + thenEvent

const sqlPause = `
WITH changed AS (` + restPrefix + `paused_until = $5` + restWhere + notResting + restSuffix

const sqlResume = `
WITH changed AS (` + restPrefix + `paused_until = NULL` + restWhere + `g.paused_until > clock_timestamp()` + restSuffix

const sqlHold = `
WITH changed AS (` + restPrefix + `held_at = clock_timestamp(), hold_case = $6` + restWhere + `g.held_at IS NULL` + restSuffix

const sqlUnhold = `
WITH changed AS (` + restPrefix + `held_at = NULL, hold_case = ''` + restWhere + `g.held_at IS NOT NULL` + restSuffix

const sqlGrantActive = `
SELECT grant_id FROM consent_grant WHERE grant_id = $1 AND status = 'ACTIVE' AND expires_at > clock_timestamp()`

// Rest implements consent.Store. One round trip, two or three more to explain
// a refusal.
func (s Grants) Rest(ctx context.Context, c consent.RestChange) (consent.Grant, error) {
	var sql string
	event := consent.Event{Kind: c.Kind, Actor: c.Actor}
	switch c.Kind {
	case consent.EventPaused:
		sql, event.Until = sqlPause, c.Until
	case consent.EventResumed:
		sql = sqlResume
	case consent.EventHeld:
		sql, event.Case = sqlHold, c.Case
	case consent.EventReleased:
		sql = sqlUnhold
	default:
		return consent.Grant{}, errors.New("postgres: a rest begins and ends by its own events")
	}
	r, err := s.change(ctx, c.Grant, sql, event)
	if violates(err, "consent_event_case") {
		err = consent.ErrConflict
	}
	if err != nil {
		return consent.Grant{}, fmt.Errorf("rest grant: %w", err)
	}
	return r.grant()
}

// change changes a grant that is ACTIVE; consent.ErrConflict, ErrEnded or
// ErrNotFound when sql changes nothing.
func (s Grants) change(ctx context.Context, id consent.GrantID, sql string, e consent.Event, args ...any) (r changedRow, err error) {
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, is, err := s.db.changeGrant(ctx, c, holdGrant(id), sql, e, append([]any{string(id)}, args...)...)
		if err != nil {
			return err
		}
		if is == nil {
			return whyNoRest(ctx, c, id)
		}
		r = *is
		return nil
	})
	return r, err
}

// whyNoRest says why a change of an ACTIVE grant changed nothing.
func whyNoRest(ctx context.Context, q querier, id consent.GrantID) error {
	err := missingOr(ctx, q, consent.ErrConflict, consent.ErrEnded, sqlGrantActive, string(id))
	if errors.Is(err, consent.ErrEnded) {
		return missingOr(ctx, q, consent.ErrEnded, consent.ErrNotFound, sqlGrantExists, string(id))
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
