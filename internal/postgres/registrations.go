package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/jackc/pgx/v5"
)

// Registrations is the token.Registrations, with what the operator needs
// besides.
type Registrations struct{ db *DB }

var _ token.Registrations = Registrations{}

// Registrations returns the store of registrations as clients made them.
func (db *DB) Registrations() Registrations { return Registrations{db} }

const registrationColumns = `
    r.recipient_id, status, name, legal_name, home_uri, logo_uri, registry,
    registry_id, auth_method, assertion_alg, jwks, jwks_uri, cert_subject,
    redirect_uris, scopes, purposes, durations, max_days, lookback_days,
    dpop_bound, role, profile, intermediaries, r.quota, r.updated_at,
    CASE WHEN g.benefit = g.benefit_approved THEN g.benefit ELSE '' END AS benefit,
    g.record, g.access_hash, coalesce(g.statement_iss, '') AS statement_iss,
    coalesce(g.statement_jti, '') AS statement_jti, g.issued_at`

const sqlRegistrationByAccess = `
SELECT ` + registrationColumns + `
FROM registration g JOIN recipient r ON r.recipient_id = g.recipient_id
WHERE g.access_hash = $1 AND r.status <> 'closed'`

const sqlRegistrationByID = `
SELECT ` + registrationColumns + `
FROM recipient r LEFT JOIN registration g ON g.recipient_id = r.recipient_id
WHERE r.recipient_id = $1`

const sqlAddRegistration = `
INSERT INTO registration (recipient_id, record, access_hash, statement_iss, statement_jti, issued_at, rules_hash, benefit)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

// A registration access token outlives every change but the closing.
const sqlPutRegistration = `
INSERT INTO registration (recipient_id, record, statement_iss, statement_jti, issued_at, rules_hash, benefit)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (recipient_id) DO UPDATE SET
    record = EXCLUDED.record, statement_iss = EXCLUDED.statement_iss, statement_jti = EXCLUDED.statement_jti,
    rules_hash = EXCLUDED.rules_hash, benefit = EXCLUDED.benefit`

const sqlUpdateRecipient = `
UPDATE recipient SET (` + recipientColumns + `, updated_at) =
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, clock_timestamp())
WHERE recipient_id = $1 AND updated_at = $24 AND status <> 'closed'`

// The operator's record approves what was pending and lifts no suspension.
const sqlEnrolRecipient = sqlAddRecipient + `
ON CONFLICT (recipient_id) DO UPDATE SET
    status = CASE WHEN recipient.status = 'pending' THEN EXCLUDED.status ELSE recipient.status END, ` + replaceRecipient + `
WHERE recipient.status <> 'closed'
RETURNING status`

const sqlMoveRecipient = `
UPDATE recipient SET status = $3, updated_at = clock_timestamp()
WHERE recipient_id = $1 AND status = $2 AND ($4::timestamptz IS NULL OR updated_at = $4)`

const sqlSetQuota = `
UPDATE recipient SET quota = $2 WHERE recipient_id = $1 AND status <> 'closed'`

const sqlForgetAccess = `
UPDATE registration SET access_hash = NULL WHERE recipient_id = $1`

const sqlRecipientExists = `
SELECT recipient_id FROM recipient WHERE recipient_id = $1`

const sqlActiveGrants = `
SELECT grant_id FROM consent_grant
WHERE recipient_id = $1 AND status = 'ACTIVE' AND grant_id > $2
ORDER BY grant_id LIMIT $3`

const sqlCountActiveGrants = `
SELECT count(grant_id) FROM consent_grant WHERE recipient_id = $1 AND status = 'ACTIVE'`

// rulesHash returns a digest of what people are told of when it changes: the
// app's policy, its terms and what it says of itself.
func rulesHash(record json.RawMessage) []byte {
	var rules struct {
		Policy      json.RawMessage `json:"policy_uri"`
		Terms       json.RawMessage `json:"tos_uri"`
		Description json.RawMessage `json:"client_description"`
	}
	if json.Unmarshal(record, &rules) != nil {
		return nil // a record that is no object says nothing
	}
	sum := sha256.Sum256(bytes.Join([][]byte{rules.Policy, rules.Terms, rules.Description}, []byte{0}))
	return sum[:]
}

// benefitOf returns what a record says that people get; "" when it says
// nothing, or nothing that the database can hold.
func benefitOf(record json.RawMessage) string {
	var m struct {
		Benefit string `json:"benefit"`
	}
	if json.Unmarshal(record, &m) != nil || strings.ContainsRune(m.Benefit, 0) {
		return ""
	}
	return m.Benefit
}

type registrationRow struct {
	recipientRow
	UpdatedAt    time.Time  `db:"updated_at"`
	Record       []byte     `db:"record"`
	AccessHash   []byte     `db:"access_hash"`
	StatementIss string     `db:"statement_iss"`
	StatementJTI string     `db:"statement_jti"`
	IssuedAt     *time.Time `db:"issued_at"`
}

func (r registrationRow) registration() (token.Registration, error) {
	out := token.Registration{
		Record: json.RawMessage(r.Record), StatementIssuer: r.StatementIss, StatementID: r.StatementJTI,
		IssuedAt: instant(r.IssuedAt), UpdatedAt: r.UpdatedAt.UTC(),
	}
	copy(out.Access[:], r.AccessHash)
	var err error
	out.Recipient, err = r.recipient()
	return out, err
}

// Register implements token.Registrations. Three round trips.
func (s Registrations) Register(ctx context.Context, r token.Registration, spend ...token.Proof) error {
	args, err := recipientArgs(r.Recipient)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	proofs := newSpending(spend)
	err = s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var b pgx.Batch
		proofs.queue(&b)
		b.Queue(sqlAddRecipient, args...)
		b.Queue(sqlAddRegistration, string(r.Recipient.ID), []byte(r.Record), bytes.Clone(r.Access[:]), r.StatementIssuer, r.StatementID, r.IssuedAt, rulesHash(r.Record), benefitOf(r.Record))
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		return proofs.outcome()
	})
	if violates(err, "recipient_pkey") {
		err = consent.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

// Registration implements token.Registrations. One round trip.
func (s Registrations) Registration(ctx context.Context, access token.Hash) (token.Registration, error) {
	return s.load(ctx, token.ErrNotFound, sqlRegistrationByAccess, bytes.Clone(access[:]))
}

// ByID returns a registration by its client id, in whatever state it is;
// consent.ErrNotFound for an unknown one. Record is nil and IssuedAt zero for
// a client that was stored without. One round trip.
func (s Registrations) ByID(ctx context.Context, id consent.RecipientID) (token.Registration, error) {
	return s.load(ctx, consent.ErrNotFound, sqlRegistrationByID, string(id))
}

func (s Registrations) load(ctx context.Context, missing error, sql string, arg any) (token.Registration, error) {
	var r registrationRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[registrationRow](ctx, c, missing, sql, arg)
		return err
	})
	if err != nil {
		return token.Registration{}, fmt.Errorf("load registration: %w", err)
	}
	return r.registration()
}

// Update implements token.Registrations. Four round trips.
func (s Registrations) Update(ctx context.Context, r token.Registration, spend ...token.Proof) error {
	args, err := recipientArgs(r.Recipient)
	if err != nil {
		return fmt.Errorf("update registration: %w", err)
	}
	proofs := newSpending(spend)
	err = s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlUpdateRecipient, append(args, r.UpdatedAt)...)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return consent.ErrConflict
		}
		var b pgx.Batch
		proofs.queue(&b)
		if r.Record != nil {
			b.Queue(sqlPutRegistration, string(r.Recipient.ID), []byte(r.Record), r.StatementIssuer, r.StatementID, r.IssuedAt, rulesHash(r.Record), benefitOf(r.Record))
		}
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		return proofs.outcome()
	})
	if err != nil {
		return fmt.Errorf("update registration: %w", err)
	}
	return nil
}

// Enrol stores what the operator registered, in place of the registration
// with the same id if there is one. It approves one that was pending and
// leaves a client that is restricted or suspended so; the state that it is in
// then is returned. One that is closed is consent.ErrClosed. Four round trips.
func (s Registrations) Enrol(ctx context.Context, r token.Registration) (consent.RecipientStatus, error) {
	args, err := recipientArgs(r.Recipient)
	if err != nil {
		return "", fmt.Errorf("enrol: %w", err)
	}
	type stateRow struct {
		Status string `db:"status"`
	}
	var state stateRow
	err = s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		state, err = one[stateRow](ctx, tx, consent.ErrClosed, sqlEnrolRecipient, args...)
		if err != nil {
			return err
		}
		var b pgx.Batch
		b.Queue(sqlPutRegistration, string(r.Recipient.ID), []byte(r.Record), r.StatementIssuer, r.StatementID, r.IssuedAt, rulesHash(r.Record), benefitOf(r.Record))
		if r.Recipient.Quota > 0 {
			b.Queue(sqlSetQuota, string(r.Recipient.ID), r.Recipient.Quota)
		}
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return "", fmt.Errorf("enrol: %w", err)
	}
	return consent.RecipientStatus(state.Status), nil
}

// SetQuota gives a recipient a quota of its own, or with 0 that of the
// configuration. Gateways go by it within a minute. consent.ErrNotFound for a
// recipient that is unknown or closed. One round trip.
func (s Registrations) SetQuota(ctx context.Context, id consent.RecipientID, quota int) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		tag, err := c.Exec(ctx, sqlSetQuota, string(id), quota)
		if err == nil && tag.RowsAffected() == 0 {
			return consent.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set quota of recipient: %w", err)
	}
	return nil
}

// Move implements consent.Standing. Three or four round trips.
func (s Registrations) Move(ctx context.Context, id consent.RecipientID, from, to consent.RecipientStatus, seen time.Time) error {
	if !from.CanBecome(to) {
		return fmt.Errorf("move recipient from %s to %s: %w", from, to, consent.ErrConflict)
	}
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlMoveRecipient, string(id), string(from), string(to), nullable(seen))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return missingOr(ctx, tx, consent.ErrConflict, consent.ErrNotFound, sqlRecipientExists, string(id))
		}
		if to == consent.RecipientClosed {
			_, err = tx.Exec(ctx, sqlForgetAccess, string(id))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("move recipient: %w", err)
	}
	return nil
}

// ActiveGrants implements consent.Standing. One round trip.
func (s Registrations) ActiveGrants(ctx context.Context, id consent.RecipientID, after consent.GrantID, limit int) ([]consent.GrantID, error) {
	var ids []string
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, _ := c.Query(ctx, sqlActiveGrants, string(id), string(after), limit) // CollectRows returns the error
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list grants of recipient: %w", err)
	}
	return typed[consent.GrantID](ids), nil
}

// CountActiveGrants returns how many ACTIVE grants a recipient holds. One
// round trip.
func (s Registrations) CountActiveGrants(ctx context.Context, id consent.RecipientID) (int, error) {
	var n int
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, sqlCountActiveGrants, string(id)).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count grants of recipient: %w", err)
	}
	return n, nil
}
