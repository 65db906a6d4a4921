package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/web"
	"github.com/jackc/pgx/v5"
)

// Sessions keeps browser sessions. Its methods have the form that the session
// manager wants. Tokens are hashes already when they get here.
type Sessions struct{ db *DB }

// Sessions returns the store of browser sessions.
func (db *DB) Sessions() Sessions { return Sessions{db} }

const sqlFindSession = `
SELECT data FROM web_session WHERE token = $1 AND expires_at > clock_timestamp()`

const sqlCreateSession = `
INSERT INTO web_session (token, data, expires_at, session_id, consumer_id, signed_in_at, seen_at, browser)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (token) DO UPDATE SET data = EXCLUDED.data, expires_at = EXCLUDED.expires_at,
    session_id = EXCLUDED.session_id, consumer_id = EXCLUDED.consumer_id, signed_in_at = EXCLUDED.signed_in_at,
    seen_at = EXCLUDED.seen_at, browser = EXCLUDED.browser`

// A session that was ended while a request was under way is not brought back.
const sqlCommitSession = `
UPDATE web_session SET data = $2, expires_at = $3, session_id = $4, consumer_id = $5,
    signed_in_at = $6, seen_at = $7, browser = $8
WHERE token = $1`

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

// CommitCtx implements web.SessionStore. One round trip.
func (s Sessions) CommitCtx(ctx context.Context, token string, r web.SessionRecord) error {
	sql := sqlCommitSession
	if r.New {
		sql = sqlCreateSession
	}
	return s.exec(ctx, "commit session", sql, token, notNil(r.Data), r.Expiry,
		r.ID, r.Consumer, nullable(r.SignedInAt), nullable(r.SeenAt), r.Browser)
}

func (s Sessions) exec(ctx context.Context, what, sql string, args ...any) error {
	return SignIns(s).exec(ctx, what, sql, args...)
}

const sqlSessionsOf = `
SELECT session_id, signed_in_at, seen_at, browser FROM web_session
WHERE consumer_id = $1 AND consumer_id <> '' AND expires_at > clock_timestamp() AND seen_at > clock_timestamp() - $2::interval
ORDER BY seen_at DESC, session_id LIMIT $3`

// maxSessions bounds a list of sessions.
const maxSessions = 50

// SessionsOf returns the sessions in which a person is signed in, the one used
// last first, at most 50; nil when there are none. One round trip.
func (s Sessions) SessionsOf(ctx context.Context, who consent.ConsumerID) ([]web.SessionInfo, error) {
	type sessionInfoRow struct {
		SessionID  string     `db:"session_id"`
		SignedInAt *time.Time `db:"signed_in_at"`
		SeenAt     *time.Time `db:"seen_at"`
		Browser    string     `db:"browser"`
	}
	var rows []sessionInfoRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[sessionInfoRow](ctx, c, sqlSessionsOf, string(who), web.SessionIdle, maxSessions)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	var list []web.SessionInfo
	for _, r := range rows {
		list = append(list, web.SessionInfo{
			ID: r.SessionID, Consumer: string(who), SignedInAt: instant(r.SignedInAt), SeenAt: instant(r.SeenAt), Browser: r.Browser,
		})
	}
	return list, nil
}

const sqlEndSession = `
DELETE FROM web_session WHERE consumer_id = $1 AND consumer_id <> '' AND session_id = $2`

// EndSession ends one session of a person. One that is unknown or another
// person's is left alone, and no error. One round trip.
func (s Sessions) EndSession(ctx context.Context, who consent.ConsumerID, id string) error {
	return s.exec(ctx, "end session", sqlEndSession, string(who), id)
}

const sqlEndOtherSessions = `
DELETE FROM web_session WHERE consumer_id = $1 AND consumer_id <> '' AND session_id <> $2`

// EndOtherSessions ends all sessions of a person but one. One round trip.
func (s Sessions) EndOtherSessions(ctx context.Context, who consent.ConsumerID, id string) error {
	return s.exec(ctx, "end other sessions", sqlEndOtherSessions, string(who), id)
}

// DeleteCtx removes a session; an unknown one is no error. One round trip.
func (s Sessions) DeleteCtx(ctx context.Context, token string) error {
	return s.exec(ctx, "delete session", sqlDeleteSession, token)
}
