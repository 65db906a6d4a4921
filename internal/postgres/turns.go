package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5"
)

// Journal is what the journal of stops is written from, and what it is
// replayed to: the grants, and the turns of recipients and persons.
type Journal struct{ Grants }

// Journal returns the store behind the journal of stops.
func (db *DB) Journal() Journal { return Journal{db.Grants()} }

const sqlTurned = `
SELECT 'recipient' AS about, recipient_id AS id, status AS state, status_at AS since
FROM recipient WHERE status_at >= statement_timestamp() - $1::interval
UNION ALL
SELECT 'person', pseudonym, 'erased', erased_at
FROM person WHERE erased_at >= statement_timestamp() - $1::interval
UNION ALL
SELECT 'sharing', s.consumer_id, CASE WHEN s.sharing_off THEN 'off' ELSE 'on' END, s.at
FROM (SELECT DISTINCT ON (consumer_id) consumer_id, sharing_off, at
      FROM sharing_switch WHERE at >= statement_timestamp() - $1::interval
      ORDER BY consumer_id, at DESC) AS s`

// What is not there is not behind: it went with the backup.
const sqlBehind = `
SELECT t.n FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS t (about, id, since, n)
WHERE t.about = 'recipient' AND EXISTS (
        SELECT r.recipient_id FROM recipient r WHERE r.recipient_id = t.id AND r.status_at < t.since)
   OR t.about = 'person' AND EXISTS (
        SELECT p.pseudonym FROM person p WHERE p.pseudonym = t.id AND p.erased_at IS NULL
           AND (p.erase_at IS NULL OR p.erase_at > t.since))
   OR t.about = 'sharing' AND EXISTS (
        SELECT p.pseudonym FROM person p WHERE p.pseudonym = t.id AND p.erased_at IS NULL
           AND NOT EXISTS (SELECT s.switch_id FROM sharing_switch s WHERE s.consumer_id = t.id AND s.at >= t.since))
ORDER BY t.n`

// Nothing leaves the closed, and what the operator approved may not be what the
// backup has: whoever is pending there is approved anew.
const sqlTurnRecipient = `
WITH turned AS (
    UPDATE recipient SET status_at = $3, updated_at = clock_timestamp(),
        status = CASE WHEN status = 'closed' OR status = 'pending' AND $2 <> 'closed' THEN status ELSE $2 END
    WHERE recipient_id = $1 AND status_at < $3
    RETURNING recipient_id, status)
UPDATE registration SET access_hash = NULL
WHERE recipient_id = (SELECT t.recipient_id FROM turned t WHERE t.status = 'closed')`

// The wish to be erased, long due: the person is erased by whoever comes next.
const sqlTurnPerson = `
UPDATE person SET asked_at = coalesce(asked_at, $2), erase_at = least(erase_at, $2)
WHERE pseudonym = $1 AND erased_at IS NULL`

const sqlTurnSharing = `
WITH who AS (
    UPDATE person p SET sharing_off_at = CASE WHEN $2::boolean THEN $3::timestamptz END
    WHERE p.pseudonym = $1 AND p.erased_at IS NULL
      AND NOT EXISTS (SELECT s.switch_id FROM sharing_switch s WHERE s.consumer_id = p.pseudonym AND s.at >= $3)
    RETURNING p.pseudonym)
INSERT INTO sharing_switch (consumer_id, sharing_off, at) SELECT pseudonym, $2, $3 FROM who`

// Turned returns the turns that came about at most so long ago, by the clock of
// the database, the last of each recipient and person; nil when there are
// none. One round trip.
func (s Journal) Turned(ctx context.Context, within time.Duration) ([]consent.Turn, error) {
	type turnRow struct {
		About string    `db:"about"`
		ID    string    `db:"id"`
		State string    `db:"state"`
		Since time.Time `db:"since"`
	}
	var rows []turnRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[turnRow](ctx, c, sqlTurned, within)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load turns: %w", err)
	}
	var all []consent.Turn
	for _, r := range rows {
		all = append(all, consent.Turn{Of: consent.TurnOf(r.About), ID: r.ID, State: consent.TurnState(r.State), Since: r.Since.UTC()})
	}
	return all, nil
}

// Behind returns those of some turns that came after what is stored, in their
// order; nil when there are none. What the database does not know is not among
// them: it was lost with what came after the backup. One round trip.
func (s Journal) Behind(ctx context.Context, turns []consent.Turn) ([]consent.Turn, error) {
	about, ids, since := make([]string, len(turns)), make([]string, len(turns)), make([]time.Time, len(turns))
	for i, t := range turns {
		about[i], ids[i], since[i] = string(t.Of), t.ID, t.Since
	}
	var numbers []int
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, _ := c.Query(ctx, sqlBehind, about, ids, since) // CollectRows returns the error
		numbers, err = pgx.CollectRows(rows, pgx.RowTo[int])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("compare turns: %w", err)
	}
	var all []consent.Turn
	for _, n := range numbers {
		all = append(all, turns[n-1])
	}
	return all, nil
}

// Turn stores a turn, unless what is stored came later or is the same. Nothing
// opens a registration that is closed, and one that is pending stays so unless
// it is closed. A person is not erased yet when it returns, but due to be (see
// EraseDue). One round trip.
func (s Journal) Turn(ctx context.Context, t consent.Turn) error {
	if !t.Known() {
		return errors.New("postgres: there is no such turn")
	}
	var sql string
	args := []any{t.ID}
	switch t.Of {
	case consent.TurnOfRecipient:
		sql, args = sqlTurnRecipient, append(args, string(t.State), t.Since)
	case consent.TurnOfSharing:
		sql, args = sqlTurnSharing, append(args, t.State == consent.TurnOff, t.Since)
	case consent.TurnOfPerson:
		sql, args = sqlTurnPerson, append(args, t.Since)
	}
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sql, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("store turn: %w", err)
	}
	return nil
}

// EraseDue is that of Erasures.
func (s Journal) EraseDue(ctx context.Context, limit int) (int, error) {
	return s.db.Erasures().EraseDue(ctx, limit)
}
