package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const sqlIssueClient = `
INSERT INTO client_access (access_hash, recipient_id, scopes, key_thumbprint, cert_thumbprint, issued_at, expires_at)
SELECT $4::bytea, r.recipient_id, $6::text[], $7::text, $8::text, $9::timestamptz, $10::timestamptz
FROM recipient r WHERE r.recipient_id = $5 AND ` + mayRead + ` AND ` + spentAll

const sqlClientAccess = `
SELECT t.recipient_id, t.scopes, t.key_thumbprint, t.cert_thumbprint, t.issued_at, t.expires_at,
       coalesce(r.profile ->> 'error_codes', '') AS error_codes, r.quota
FROM client_access t JOIN recipient r ON r.recipient_id = t.recipient_id
WHERE t.access_hash = $1 AND t.expires_at > clock_timestamp() AND ` + mayRead

// sqlHoldClient writes, though it changes nothing, so that its transaction
// waits for the standby like one that deletes: a token that is gone may have
// gone by a commit that the standby does not have (errUnreplicated).
const sqlHoldClient = `
SELECT FROM recipient WHERE recipient_id = $1 FOR KEY SHARE`

const sqlRevokeClient = `
DELETE FROM client_access WHERE access_hash = $1 AND recipient_id = $2 AND expires_at > clock_timestamp()`

// IssueClient implements token.Store. One round trip.
func (s Tokens) IssueClient(ctx context.Context, a token.ClientAccess, spend ...token.Proof) error {
	spent := newSpending(spend)
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		stored := false
		spent.queue(&b)
		b.Queue(sqlIssueClient, spent.args(a.Hash[:], string(a.Recipient), words(a.Scopes), a.KeyThumbprint,
			a.CertThumbprint, a.IssuedAt, a.ExpiresAt)...).Exec(func(tag pgconn.CommandTag) error {
			stored = tag.RowsAffected() == 1
			return nil
		})
		if err := c.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		if err := spent.outcome(); err != nil {
			return err
		}
		if !stored {
			return token.ErrRevoked
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("issue client token: %w", err)
	}
	return nil
}

// ClientAccess implements token.Store. One round trip.
func (s Tokens) ClientAccess(ctx context.Context, h token.Hash) (token.ClientAccess, error) {
	type clientRow struct {
		RecipientID    string    `db:"recipient_id"`
		Scopes         []string  `db:"scopes"`
		KeyThumbprint  string    `db:"key_thumbprint"`
		CertThumbprint string    `db:"cert_thumbprint"`
		IssuedAt       time.Time `db:"issued_at"`
		ExpiresAt      time.Time `db:"expires_at"`
		ErrorCodes     string    `db:"error_codes"`
		Quota          int       `db:"quota"`
	}
	var r clientRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[clientRow](ctx, c, token.ErrNotFound, sqlClientAccess, h[:])
		return err
	})
	if err != nil {
		return token.ClientAccess{}, fmt.Errorf("load client token: %w", err)
	}
	return token.ClientAccess{
		Hash: h, Recipient: consent.RecipientID(r.RecipientID), Scopes: typed[string](r.Scopes),
		KeyThumbprint: r.KeyThumbprint, CertThumbprint: r.CertThumbprint,
		IssuedAt: r.IssuedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
		IntegerCodes: r.ErrorCodes == consent.IntegerCodes,
		Quota:        r.Quota,
	}, nil
}

// RevokeClient implements token.Store. One round trip.
func (s Tokens) RevokeClient(ctx context.Context, who consent.RecipientID, h token.Hash) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		revoked := false
		b.Queue(sqlHoldClient, string(who))
		b.Queue(sqlRevokeClient, h[:], string(who)).Exec(func(tag pgconn.CommandTag) error {
			revoked = tag.RowsAffected() == 1
			return nil
		})
		err := c.SendBatch(ctx, &b).Close()
		if err == nil && !revoked {
			err = token.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke client token: %w", err)
	}
	return nil
}
