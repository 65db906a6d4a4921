package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// mayRead is the condition that recipient r may read under its grants
// (consent.RecipientStatus.MayRead).
const mayRead = `r.status IN ('active', 'restricted')`

// Tokens is the token.Store.
type Tokens struct{ db *DB }

var _ token.Store = Tokens{}

// Tokens returns the store of codes and tokens.
func (db *DB) Tokens() Tokens { return Tokens{db} }

const codeColumns = `
    grant_id, recipient_id, request_id, redirect_uri, challenge,
    key_thumbprint, scopes, session, issued_at, expires_at, used_at,
    expires_at > clock_timestamp() AS open`

const sqlCode = `
SELECT ` + codeColumns + ` FROM oauth_code WHERE code_hash = $1`

const sqlCodeOf = `
SELECT ` + codeColumns + ` FROM oauth_code WHERE code_hash = $1 AND recipient_id = $2`

const sqlGrantOfCode = `
SELECT ` + grantColumns + ` FROM consent_grant WHERE grant_id =
    (SELECT c.grant_id FROM oauth_code c WHERE c.code_hash = $1 AND c.recipient_id = $2)`

// To issue is to hold the grant's row in share mode until the commit: an end
// of the grant waits, and whoever waited for an end finds it written.
const sqlShareGrant = `
SELECT ` + grantColumns + ` FROM consent_grant WHERE grant_id = $1 FOR SHARE`

// Runs after sqlShareGrant in the same transaction, with a later snapshot.
const sqlRedeem = `
WITH used AS (
    UPDATE oauth_code c SET used_at = clock_timestamp()
    FROM consent_grant g JOIN recipient r ON r.recipient_id = g.recipient_id
    WHERE c.code_hash = $4 AND c.grant_id = $5 AND c.recipient_id = $6
      AND c.used_at IS NULL AND c.expires_at > clock_timestamp()
      AND g.grant_id = c.grant_id AND g.recipient_id = c.recipient_id
      AND g.status = 'ACTIVE' AND g.expires_at > clock_timestamp() AND ` + mayRead + ` AND ` + notResting + `
      AND ` + spentAll + `
    RETURNING c.grant_id, c.recipient_id),
refresh AS (
    INSERT INTO oauth_refresh (refresh_hash, grant_id, recipient_id, request_id, scopes, session, issued_at, expires_at)
    SELECT $15::bytea, grant_id, recipient_id, $16::text, $17::text[], $18::bytea, $19::timestamptz, $20::timestamptz
    FROM used WHERE $15::bytea IS NOT NULL)
INSERT INTO oauth_access (access_hash, grant_id, recipient_id, request_id, scopes, resources, key_thumbprint, cert_thumbprint, issued_at, expires_at)
SELECT $7::bytea, grant_id, recipient_id, $8::text, $9::text[], $10::jsonb, $11::text, $12::text, $13::timestamptz, $14::timestamptz
FROM used`

// Why a redemption took nothing. Used stays used and ended stays ended, so
// that asking afterwards gives the same answer.
const sqlWhyNotRedeemed = `
SELECT c.used_at IS NOT NULL AS used, c.expires_at > clock_timestamp() AS open, ` + restColumns + `
FROM oauth_code c
JOIN consent_grant g ON g.grant_id = c.grant_id
JOIN recipient r ON r.recipient_id = g.recipient_id
WHERE c.code_hash = $1 AND c.grant_id = $2 AND c.recipient_id = $3`

// restColumns say whether grant g, which is active and may be read, rests.
const restColumns = `
       g.status = 'ACTIVE' AND g.expires_at > clock_timestamp() AND ` + mayRead + ` AND NOT (` + notResting + `) AS resting,
       g.held_at IS NOT NULL AS held, g.paused_until`

// Why a renewal stored nothing, for a refresh token that was usable before.
const sqlWhyNotRenewed = `
SELECT ` + restColumns + `
FROM oauth_refresh t
JOIN consent_grant g ON g.grant_id = t.grant_id
JOIN recipient r ON r.recipient_id = g.recipient_id
WHERE t.refresh_hash = $1 AND t.grant_id = $2 AND t.recipient_id = $3
  AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp()`

const sqlRefresh = `
SELECT t.grant_id, t.recipient_id, t.request_id, t.scopes, t.session,
       t.issued_at, t.expires_at, t.revoked_at,
       t.expires_at > clock_timestamp() AS open,
       g.status = 'ACTIVE' AND g.expires_at > clock_timestamp() AND ` + mayRead + ` AS active,` + restColumns + `
FROM oauth_refresh t
JOIN consent_grant g ON g.grant_id = t.grant_id
JOIN recipient r ON r.recipient_id = g.recipient_id
WHERE t.refresh_hash = $1`

const sqlRefreshOf = sqlRefresh + ` AND t.recipient_id = $2`

const sqlGrantOfRefresh = `
SELECT ` + grantColumns + ` FROM consent_grant WHERE grant_id =
    (SELECT t.grant_id FROM oauth_refresh t WHERE t.refresh_hash = $1 AND t.recipient_id = $2)`

// Runs after sqlShareGrant in the same transaction, with a later snapshot.
const sqlRenew = `
INSERT INTO oauth_access (access_hash, grant_id, recipient_id, request_id, scopes, resources, key_thumbprint, cert_thumbprint, issued_at, expires_at)
SELECT $7::bytea, t.grant_id, t.recipient_id, $8::text, $9::text[], $10::jsonb, $11::text, $12::text, $13::timestamptz, $14::timestamptz
FROM oauth_refresh t
JOIN consent_grant g ON g.grant_id = t.grant_id
JOIN recipient r ON r.recipient_id = g.recipient_id
WHERE t.refresh_hash = $4 AND t.grant_id = $5 AND t.recipient_id = $6
  AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp()
  AND g.recipient_id = t.recipient_id
  AND g.status = 'ACTIVE' AND g.expires_at > clock_timestamp() AND ` + mayRead + ` AND ` + notResting + `
  AND ` + spentAll

// To withdraw is to lock the grant's row first, as to end it: no token is
// issued meanwhile, and the two never wait for each other crosswise.
const sqlLockGrantOfAccess = `
SELECT g.grant_id, g.epoch FROM consent_grant g JOIN oauth_access t ON t.grant_id = g.grant_id
WHERE t.access_hash = $1 AND t.recipient_id = $2 FOR NO KEY UPDATE OF g`

const sqlLockGrantOfRefresh = `
SELECT g.grant_id, g.epoch FROM consent_grant g JOIN oauth_refresh t ON t.grant_id = g.grant_id
WHERE t.refresh_hash = $1 AND t.recipient_id = $2 FOR NO KEY UPDATE OF g`

// A token of a grant that has ended is dead already.
const sqlRevokeAccess = `
WITH withdrawn AS (
    UPDATE oauth_access t SET revoked_at = clock_timestamp() FROM consent_grant g
    WHERE t.access_hash = $10 AND t.recipient_id = $11 AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp()
      AND g.grant_id = t.grant_id AND g.status = 'ACTIVE' AND g.expires_at > clock_timestamp()
    RETURNING t.grant_id),` + raiseEpoch + thenEvent

const sqlRevokeRefresh = `
WITH withdrawn AS (
    UPDATE oauth_refresh t SET revoked_at = clock_timestamp() FROM consent_grant g
    WHERE t.refresh_hash = $10 AND t.recipient_id = $11 AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp()
      AND g.grant_id = t.grant_id AND g.status = 'ACTIVE' AND g.expires_at > clock_timestamp()
    RETURNING t.grant_id),
accesses AS (
    UPDATE oauth_access t SET revoked_at = clock_timestamp()
    FROM withdrawn w WHERE t.grant_id = w.grant_id AND t.revoked_at IS NULL),` + raiseEpoch + thenEvent

const raiseEpoch = `
changed AS (
    UPDATE consent_grant SET epoch = epoch + 1, updated_at = clock_timestamp()
    WHERE grant_id = (SELECT w.grant_id FROM withdrawn w)
    RETURNING ` + storedGrant + `),`

type codeRow struct {
	GrantID       string     `db:"grant_id"`
	RecipientID   string     `db:"recipient_id"`
	RequestID     string     `db:"request_id"`
	RedirectURI   string     `db:"redirect_uri"`
	Challenge     string     `db:"challenge"`
	KeyThumbprint string     `db:"key_thumbprint"`
	Scopes        []string   `db:"scopes"`
	Session       []byte     `db:"session"`
	IssuedAt      time.Time  `db:"issued_at"`
	ExpiresAt     time.Time  `db:"expires_at"`
	UsedAt        *time.Time `db:"used_at"`
	Open          bool       `db:"open"`
}

// code returns the record, or why it cannot be used, as token.Store's Code.
func (r codeRow) code(h token.Hash) (token.Code, error) {
	c := token.Code{
		Hash: h, Grant: consent.GrantID(r.GrantID), Recipient: consent.RecipientID(r.RecipientID),
		RequestID: r.RequestID, RedirectURI: r.RedirectURI, Challenge: r.Challenge,
		KeyThumbprint: r.KeyThumbprint, Scopes: typed[fdx.Scope](r.Scopes), Session: r.Session,
		IssuedAt: r.IssuedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), UsedAt: instant(r.UsedAt),
	}
	switch {
	case r.UsedAt != nil:
		return c, token.ErrUsed
	case !r.Open:
		return token.Code{}, token.ErrNotFound
	}
	return c, nil
}

// Code implements token.Store. A code that was redeemed is ErrUsed also when
// its time is over. One round trip.
func (s Tokens) Code(ctx context.Context, h token.Hash) (token.Code, error) {
	var r codeRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[codeRow](ctx, c, token.ErrNotFound, sqlCode, h[:])
		return err
	})
	if err != nil {
		return token.Code{}, fmt.Errorf("load code: %w", err)
	}
	code, err := r.code(h)
	if err != nil {
		err = fmt.Errorf("load code: %w", err)
	}
	return code, err
}

// Redeem implements token.Store. A suspended recipient's code is ErrRevoked,
// one that belongs to another grant or recipient than the tokens is
// ErrNotFound. One round trip, one more to explain a refusal.
func (s Tokens) Redeem(ctx context.Context, r token.Redemption) (consent.Grant, error) {
	a := r.Access
	resources, err := limit(a)
	if err != nil {
		return consent.Grant{}, fmt.Errorf("redeem code: %w", err)
	}
	which := []any{r.Code[:], string(a.Grant), string(a.Recipient)}
	args := append(slices.Clone(which),
		a.Hash[:], a.RequestID, words(a.Scopes), resources, a.KeyThumbprint, a.CertThumbprint, a.IssuedAt, a.ExpiresAt)
	if f := r.Refresh; f != nil {
		if f.Grant != a.Grant || f.Recipient != a.Recipient {
			return consent.Grant{}, errors.New("redeem code: the tokens are not of one grant")
		}
		args = append(args, f.Hash[:], f.RequestID, words(f.Scopes), notNil(f.Session), f.IssuedAt, f.ExpiresAt)
	} else {
		args = append(args, nil, nil, nil, nil, nil, nil)
	}
	var g grantRow
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		var redeemed bool
		g, redeemed, err = issue(ctx, c, a.Grant, r.Spend, sqlRedeem, args...)
		if err != nil || redeemed {
			return err
		}
		type whyRow struct {
			Used bool `db:"used"`
			Open bool `db:"open"`
			restRow
		}
		why, err := one[whyRow](ctx, c, token.ErrNotFound, sqlWhyNotRedeemed, which...)
		switch {
		case err != nil:
			return err
		case why.Used:
			return token.ErrUsed
		case !why.Open:
			return token.ErrNotFound
		}
		return cmp.Or(why.rest(), token.ErrRevoked)
	})
	if err != nil {
		return consent.Grant{}, fmt.Errorf("redeem code: %w", err)
	}
	return g.grant()
}

// limit is the resources column of an access token.
func limit(a token.Access) ([]byte, error) {
	if len(a.Resources) == 0 {
		return nil, nil // reaches all of its grant
	}
	return encode(a.Resources)
}

// issue spends proofs, holds the grant in share mode and runs sql, as one
// transaction and in one round trip. It returns the grant and reports whether
// sql stored a row. The client cannot decide between the statements, so the
// last one repeats every condition.
func issue(ctx context.Context, c *pgx.Conn, id consent.GrantID, proofs []token.Proof, sql string, args ...any) (g grantRow, stored bool, err error) {
	var b pgx.Batch
	spend := newSpending(proofs)
	spend.queue(&b)
	b.Queue(sqlShareGrant, string(id)).Query(func(rows pgx.Rows) (err error) {
		g, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[grantRow])
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // then sql stores nothing either
		}
		return err
	})
	b.Queue(sql, spend.args(args...)...).Exec(func(tag pgconn.CommandTag) error {
		stored = tag.RowsAffected() == 1
		return nil
	})
	// Close confirms the commit; before it, stored is only a promise.
	if err = c.SendBatch(ctx, &b).Close(); err == nil {
		err = spend.outcome()
	}
	return g, stored && err == nil, err
}

type refreshRow struct {
	GrantID     string     `db:"grant_id"`
	RecipientID string     `db:"recipient_id"`
	RequestID   string     `db:"request_id"`
	Scopes      []string   `db:"scopes"`
	Session     []byte     `db:"session"`
	IssuedAt    time.Time  `db:"issued_at"`
	ExpiresAt   time.Time  `db:"expires_at"`
	RevokedAt   *time.Time `db:"revoked_at"`
	Open        bool       `db:"open"`
	Active      bool       `db:"active"`
	restRow
}

// refresh returns the record, or why it cannot be used, as token.Store's
// Refresh.
func (r refreshRow) refresh(h token.Hash) (token.Refresh, error) {
	switch {
	case r.RevokedAt != nil || !r.Active:
		return token.Refresh{}, token.ErrRevoked
	case !r.Open:
		return token.Refresh{}, token.ErrNotFound
	}
	if err := r.rest(); err != nil {
		return token.Refresh{}, err
	}
	return token.Refresh{
		Hash: h, Grant: consent.GrantID(r.GrantID), Recipient: consent.RecipientID(r.RecipientID),
		RequestID: r.RequestID, Scopes: typed[fdx.Scope](r.Scopes), Session: r.Session,
		IssuedAt: r.IssuedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}, nil
}

// Refresh implements token.Store. A suspended recipient's token is
// ErrRevoked. One round trip.
func (s Tokens) Refresh(ctx context.Context, h token.Hash) (token.Refresh, error) {
	var r refreshRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[refreshRow](ctx, c, token.ErrNotFound, sqlRefresh, h[:])
		return err
	})
	if err != nil {
		return token.Refresh{}, fmt.Errorf("load refresh token: %w", err)
	}
	f, err := r.refresh(h)
	if err != nil {
		err = fmt.Errorf("load refresh token: %w", err)
	}
	return f, err
}

// Renew implements token.Store. A refresh token that is unknown, expired or
// of another grant or recipient than a is ErrRevoked too. One round trip, one
// more to explain a refusal.
func (s Tokens) Renew(ctx context.Context, refresh token.Hash, a token.Access, spend ...token.Proof) (consent.Grant, error) {
	resources, err := limit(a)
	if err != nil {
		return consent.Grant{}, fmt.Errorf("renew: %w", err)
	}
	var g grantRow
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		var stored bool
		g, stored, err = issue(ctx, c, a.Grant, spend, sqlRenew, refresh[:], string(a.Grant), string(a.Recipient),
			a.Hash[:], a.RequestID, words(a.Scopes), resources, a.KeyThumbprint, a.CertThumbprint, a.IssuedAt, a.ExpiresAt)
		if err != nil || stored {
			return err
		}
		why, err := one[restRow](ctx, c, token.ErrRevoked, sqlWhyNotRenewed, refresh[:], string(a.Grant), string(a.Recipient))
		if err != nil {
			return err
		}
		return cmp.Or(why.rest(), token.ErrRevoked)
	})
	if err != nil {
		return consent.Grant{}, fmt.Errorf("renew: %w", err)
	}
	return g.grant()
}

// RevokeAccess implements token.Store. One round trip.
func (s Tokens) RevokeAccess(ctx context.Context, who consent.RecipientID, h token.Hash) (consent.GrantID, int64, error) {
	id, epoch, err := s.revoke(ctx, who, h, sqlLockGrantOfAccess, sqlRevokeAccess)
	if err != nil {
		err = fmt.Errorf("revoke access token: %w", err)
	}
	return id, epoch, err
}

// RevokeRefresh implements token.Store. One round trip.
func (s Tokens) RevokeRefresh(ctx context.Context, who consent.RecipientID, h token.Hash) (consent.GrantID, int64, error) {
	id, epoch, err := s.revoke(ctx, who, h, sqlLockGrantOfRefresh, sqlRevokeRefresh)
	if err != nil {
		err = fmt.Errorf("revoke refresh token: %w", err)
	}
	return id, epoch, err
}

// revoke withdraws one token, and with a refresh token those issued under it.
func (s Tokens) revoke(ctx context.Context, who consent.RecipientID, h token.Hash, lock, withdraw string) (id consent.GrantID, epoch int64, err error) {
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		event := consent.Event{Kind: consent.EventTokensRevoked, Actor: consent.ActorRecipient}
		was, is, err := s.db.changeGrant(ctx, c, holding{lock, []any{h[:], string(who)}}, withdraw, event, h[:], string(who))
		switch {
		case err != nil:
			return err
		case is != nil:
			id, epoch = consent.GrantID(is.GrantID), is.Epoch
			return nil
		case was == nil:
			return token.ErrNotFound
		}
		id, epoch = consent.GrantID(was.GrantID), was.Epoch
		return token.ErrRevoked
	})
	if err != nil && !errors.Is(err, token.ErrRevoked) {
		return "", 0, err
	}
	return id, epoch, err
}
