package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Sessions keeps browser sessions. Its methods have the form that the session
// manager wants. Tokens are hashes already when they get here.
type Sessions struct{ db *DB }

// Sessions returns the store of browser sessions.
func (db *DB) Sessions() Sessions { return Sessions{db} }

const sqlFindSession = `
SELECT data FROM web_session WHERE token = $1 AND expires_at > clock_timestamp()`

const sqlCommitSession = `
INSERT INTO web_session (token, data, expires_at) VALUES ($1, $2, $3)
ON CONFLICT (token) DO UPDATE SET data = EXCLUDED.data, expires_at = EXCLUDED.expires_at`

const sqlDeleteSession = `
DELETE FROM web_session WHERE token = $1`

var errNoSession = errors.New("postgres: no session")

// FindCtx returns the data of a session; false when it is unknown or past its
// expiry. One round trip.
func (s Sessions) FindCtx(ctx context.Context, token string) (b []byte, found bool, err error) {
	type sessionRow struct {
		Data []byte `db:"data"`
	}
	var r sessionRow
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[sessionRow](ctx, c, errNoSession, sqlFindSession, token)
		return err
	})
	if errors.Is(err, errNoSession) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find session: %w", err)
	}
	return r.Data, true, nil
}

// CommitCtx stores the data until expiry, in place of what was there. One
// round trip.
func (s Sessions) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlCommitSession, token, notNil(b), expiry)
		return err
	})
	if err != nil {
		return fmt.Errorf("commit session: %w", err)
	}
	return nil
}

// DeleteCtx removes a session; an unknown one is no error. One round trip.
func (s Sessions) DeleteCtx(ctx context.Context, token string) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlDeleteSession, token)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}
