package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/jackc/pgx/v5"
)

// Requests is the token.Requests.
type Requests struct{ db *DB }

var _ token.Requests = Requests{}

// Requests returns the store of pushed requests.
func (db *DB) Requests() Requests { return Requests{db} }

// labelParams is where sealed parameters belong.
const labelParams = "pushed_request.params"

const sqlPush = `
INSERT INTO pushed_request (request_hash, recipient_id, params, request, key_thumbprint, expires_at)
SELECT $4::bytea, $5::text, $6::bytea, $7::jsonb, $8::text, $9::timestamptz WHERE ` + spentAll

const sqlPushed = `
SELECT recipient_id, params, request, key_thumbprint, expires_at, consumed_at,
       expires_at > clock_timestamp() AS open
FROM pushed_request WHERE request_hash = $1`

const sqlConsumePushed = `
UPDATE pushed_request SET consumed_at = clock_timestamp()
WHERE request_hash = $1 AND consumed_at IS NULL`

const sqlPushedExists = `
SELECT request_hash FROM pushed_request WHERE request_hash = $1`

// Both rows are held until the commit: who stops the recipient, or switches
// new sharing off, meanwhile waits, and whoever did so before is seen. The
// update changes nothing; without it a row that is there would not be returned.
const sqlMayAsk = `
WITH who AS (
    INSERT INTO person (bank_id) VALUES ($2)
    ON CONFLICT (bank_id) DO UPDATE SET bank_id = EXCLUDED.bank_id
    RETURNING sharing_off_at)
SELECT w.sharing_off_at IS NOT NULL AS sharing_off
FROM recipient r CROSS JOIN who w WHERE r.recipient_id = $1 AND r.status = 'active' FOR SHARE OF r`

const sqlInsertCode = `
INSERT INTO oauth_code (
    code_hash, grant_id, recipient_id, request_id, redirect_uri, challenge,
    key_thumbprint, scopes, session, issued_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// Whoever gave the grant, and to whom, is compared although it never changes:
// a change must not be able to hand a grant over.
const sqlChangeGrant = `
UPDATE consent_grant
SET epoch = $4 + 1, purpose = $5, duration_type = $6, duration_days = $7, lookback_days = $8,
    resources = $9, parties = $10, disclosure_version = $11, disclosure_locale = $12, disclosure_text = $13,
    expires_at = $14, holder = $15, updated_at = clock_timestamp()
WHERE grant_id = $1 AND recipient_id = $2 AND consumer_id = (SELECT p.pseudonym FROM person p WHERE p.bank_id = $3) AND epoch = $4
  AND status = 'ACTIVE' AND expires_at > clock_timestamp()`

// A withdrawn code is like one whose time is over: it was not used, so that
// its coming back is no sign of theft.
const sqlWithdrawCodes = `
UPDATE oauth_code SET expires_at = clock_timestamp()
WHERE grant_id = $1 AND used_at IS NULL AND expires_at > clock_timestamp()`

// Push implements token.Requests. One round trip.
func (s Requests) Push(ctx context.Context, p token.Pushed, spend ...token.Proof) error {
	params, err := encode(p.Params)
	if err != nil {
		return fmt.Errorf("push request: %w", err)
	}
	sealed, err := s.db.seal(ctx, labelParams, p.Hash.String(), params)
	if err != nil {
		return fmt.Errorf("push request: %w", err)
	}
	request, err := encode(p.Request)
	if err != nil {
		return fmt.Errorf("push request: %w", err)
	}
	spent := newSpending(spend)
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		spent.queue(&b)
		b.Queue(sqlPush, spent.args(p.Hash[:], string(p.Recipient), sealed, request, p.KeyThumbprint, p.ExpiresAt)...)
		if err := c.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		return spent.outcome()
	})
	if err != nil {
		return fmt.Errorf("push request: %w", err)
	}
	return nil
}

// Pushed implements token.Requests. A request that was decided is ErrUsed
// also when its time is over. One round trip.
func (s Requests) Pushed(ctx context.Context, h token.Hash) (token.Pushed, error) {
	p, open, err := s.load(ctx, h)
	if err == nil && !open {
		p, err = token.Pushed{}, token.ErrNotFound
	}
	if err != nil {
		return p, fmt.Errorf("load pushed request: %w", err)
	}
	return p, nil
}

// Opened implements token.Requests. One round trip.
func (s Requests) Opened(ctx context.Context, h token.Hash) (token.Pushed, error) {
	p, _, err := s.load(ctx, h)
	if err != nil {
		return p, fmt.Errorf("load opened request: %w", err)
	}
	return p, nil
}

// load returns the record, with ErrUsed if it was decided, and whether it can
// still be opened.
func (s Requests) load(ctx context.Context, h token.Hash) (p token.Pushed, open bool, err error) {
	type pushedRow struct {
		RecipientID   string     `db:"recipient_id"`
		Params        []byte     `db:"params"`
		Request       []byte     `db:"request"`
		KeyThumbprint string     `db:"key_thumbprint"`
		ExpiresAt     time.Time  `db:"expires_at"`
		ConsumedAt    *time.Time `db:"consumed_at"`
		Open          bool       `db:"open"`
	}
	var r pushedRow
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[pushedRow](ctx, c, token.ErrNotFound, sqlPushed, h[:])
		return err
	})
	if err != nil {
		return token.Pushed{}, false, err
	}
	p = token.Pushed{
		Hash: h, Recipient: consent.RecipientID(r.RecipientID), KeyThumbprint: r.KeyThumbprint,
		ExpiresAt: r.ExpiresAt.UTC(), ConsumedAt: instant(r.ConsumedAt),
	}
	params, err := s.db.unseal(ctx, labelParams, h.String(), r.Params)
	if err != nil {
		return token.Pushed{}, false, err
	}
	if err := errors.Join(decode(params, &p.Params), decode(r.Request, &p.Request)); err != nil {
		return token.Pushed{}, false, err
	}
	if r.ConsumedAt != nil {
		return p, false, token.ErrUsed
	}
	return p, r.Open, nil
}

// Approve implements token.Requests; token.ErrNotFound for an unknown
// request, consent.ErrConflict also for a grant id that exists. Six round
// trips, seven for a change, eight when the recipient is to be called about it,
// at the pace of a person.
func (s Requests) Approve(ctx context.Context, a token.Approval) error {
	var b pgx.Batch
	write, t := func(context.Context, pgx.Tx) error { return nil }, &told{}
	var err error
	if a.Grant.Epoch > 1 {
		write, t, err = queueChange(&b, a.Grant)
	} else {
		err = queueGrant(&b, a.Grant)
	}
	if err != nil {
		return fmt.Errorf("approve: %w", err)
	}
	c := a.Code
	if c.Grant != a.Grant.ID || c.Recipient != a.Grant.Recipient {
		return errors.New("approve: the code is not of the grant")
	}
	b.Queue(sqlInsertCode, c.Hash[:], string(c.Grant), string(c.Recipient), c.RequestID, c.RedirectURI,
		c.Challenge, c.KeyThumbprint, words(c.Scopes), notNil(c.Session), c.IssuedAt, c.ExpiresAt)

	err = s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := s.db.decide(ctx, tx, a.Pushed, a.Authorization); err != nil {
			return err
		}
		type mayRow struct {
			SharingOff bool `db:"sharing_off"`
		}
		may, err := one[mayRow](ctx, tx, consent.ErrMayNotAsk, sqlMayAsk, string(a.Grant.Recipient), string(a.Grant.Consumer))
		switch {
		case err != nil:
			return err
		case may.SharingOff:
			return consent.ErrSharingOff
		}
		if err := write(ctx, tx); err != nil {
			return err
		}
		return s.db.sendTelling(ctx, tx, &b, t)
	})
	if violates(err, "consent_grant_pkey") {
		err = consent.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("approve: %w", err)
	}
	return nil
}

// queueChange returns what puts the next version of a grant in the place of
// the one before, and adds to b what goes with it. The write waits for tokens
// that are being issued under the grant and keeps new ones out, so that the
// statements of b see every token there will ever be of the version before;
// an end of the grant waits as well, or has been first (see Grants.End).
func queueChange(b *pgx.Batch, g consent.Grant) (write func(context.Context, pgx.Tx) error, t *told, err error) {
	if g.Status != consent.StatusActive {
		return nil, nil, errors.New("postgres: a changed grant is ACTIVE")
	}
	resources, err := encode(nameless(g.Resources, g.Consumer))
	if err != nil {
		return nil, nil, err
	}
	parties, err := encode(g.Parties)
	if err != nil {
		return nil, nil, err
	}
	holder, err := encode(g.Holder)
	if err != nil {
		return nil, nil, err
	}
	b.Queue(sqlWithdrawCodes, string(g.ID))
	b.Queue(sqlRevokeAccessOfGrant, string(g.ID))
	b.Queue(sqlRevokeRefreshOfGrant, string(g.ID))
	t = queueEvent(b, consent.Event{Grant: g.ID, Epoch: g.Epoch, Kind: consent.EventChanged, Actor: consent.ActorConsumer})
	return func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlChangeGrant, string(g.ID), string(g.Recipient), string(g.Consumer), g.Epoch-1,
			g.Purpose, string(g.Duration), g.DurationDays, g.LookbackDays, resources, parties,
			g.Disclosure.Version, g.Disclosure.Locale, g.Disclosure.Text, g.ExpiresAt, holder)
		if err == nil && tag.RowsAffected() == 0 {
			err = consent.ErrEnded
		}
		return err
	}, t, nil
}

// Refuse implements token.Requests; otherwise as Approve. Four round trips.
func (s Requests) Refuse(ctx context.Context, pushed token.Hash, a consent.Authorization) error {
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return s.db.decide(ctx, tx, pushed, a)
	})
	if err != nil {
		return fmt.Errorf("refuse: %w", err)
	}
	return nil
}

// decide consumes the pushed request and replaces the authorization. Both
// Approve and Refuse begin with it, so that a request has one decision.
func (db *DB) decide(ctx context.Context, tx pgx.Tx, pushed token.Hash, a consent.Authorization) error {
	tag, err := tx.Exec(ctx, sqlConsumePushed, pushed[:])
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return missingOr(ctx, tx, consent.ErrConsumed, token.ErrNotFound, sqlPushedExists, pushed[:])
	}
	_, err = db.replaceAuthorization(ctx, tx, a)
	return err
}

// notNil makes an empty value of a nil one, which would be NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
