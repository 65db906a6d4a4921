package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/login"
)

// Passkeys keeps passkeys and their challenges.
type Passkeys struct{ db *DB }

var _ login.PasskeyStore = Passkeys{}

// Passkeys returns the store of passkeys.
func (db *DB) Passkeys() Passkeys { return Passkeys{db} }

const sqlPutChallenge = `
INSERT INTO passkey_challenge (challenge, is_for, expires_at) VALUES ($1, $2, $3)`

// PutChallenge implements login.PasskeyStore. One round trip.
func (s Passkeys) PutChallenge(ctx context.Context, c login.Challenge) error {
	return SignIns(s).exec(ctx, "store challenge", sqlPutChallenge, c.Value, c.For[:], c.ExpiresAt)
}

const sqlTakeChallenge = `
DELETE FROM passkey_challenge WHERE challenge = $1 AND is_for = $2 AND expires_at > $3`

// TakeChallenge implements login.PasskeyStore. One round trip.
func (s Passkeys) TakeChallenge(ctx context.Context, value []byte, is login.Key, now time.Time) error {
	return SignIns(s).change(ctx, "take challenge", consent.ErrNotFound, sqlTakeChallenge, value, is[:], now)
}

// The update changes nothing; without it, nothing would be returned for
// somebody who has one.
const sqlPasskeyHandle = `
INSERT INTO passkey_holder (consumer_id, handle) VALUES ($1, $2)
ON CONFLICT (consumer_id) DO UPDATE SET handle = passkey_holder.handle
RETURNING handle`

// Handle implements login.PasskeyStore. One round trip.
func (s Passkeys) Handle(ctx context.Context, who consent.ConsumerID) ([]byte, error) {
	type handleRow struct {
		Handle []byte `db:"handle"`
	}
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails (crypto/rand, Go 1.24)
	var r handleRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[handleRow](ctx, c, consent.ErrNotFound, sqlPasskeyHandle, string(who), fresh)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load passkey handle: %w", err)
	}
	return r.Handle, nil
}

const sqlPasskeys = `
SELECT k.passkey_id, k.consumer_id, k.credential_id, k.public_key, k.sign_count, k.aaguid, k.transports,
       k.backup_eligible, k.backed_up, k.name, k.created_at, k.used_at, h.handle
FROM passkey k JOIN passkey_holder h ON h.consumer_id = k.consumer_id`

const sqlPasskeysOf = sqlPasskeys + `
WHERE k.consumer_id = $1 ORDER BY k.created_at, k.passkey_id`

const sqlPasskey = sqlPasskeys + `
WHERE k.credential_id = $1`

type passkeyRow struct {
	PasskeyID      string     `db:"passkey_id"`
	ConsumerID     string     `db:"consumer_id"`
	CredentialID   []byte     `db:"credential_id"`
	PublicKey      []byte     `db:"public_key"`
	SignCount      int64      `db:"sign_count"`
	AAGUID         [16]byte   `db:"aaguid"`
	Transports     []string   `db:"transports"`
	BackupEligible bool       `db:"backup_eligible"`
	BackedUp       bool       `db:"backed_up"`
	Name           string     `db:"name"`
	CreatedAt      time.Time  `db:"created_at"`
	UsedAt         *time.Time `db:"used_at"`
	Handle         []byte     `db:"handle"`
}

func (r passkeyRow) record() login.PasskeyRecord {
	return login.PasskeyRecord{
		ID: login.PasskeyID(r.PasskeyID), Consumer: consent.ConsumerID(r.ConsumerID), Name: r.Name,
		CreatedAt: r.CreatedAt.UTC(), UsedAt: instant(r.UsedAt), Credential: r.CredentialID, Key: r.PublicKey,
		SignCount: uint32(r.SignCount), AAGUID: r.AAGUID, Transports: r.Transports,
		BackupEligible: r.BackupEligible, BackedUp: r.BackedUp, Handle: r.Handle,
	}
}

// PasskeysOf implements login.PasskeyStore. One round trip.
func (s Passkeys) PasskeysOf(ctx context.Context, who consent.ConsumerID) ([]login.PasskeyRecord, error) {
	var rows []passkeyRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[passkeyRow](ctx, c, sqlPasskeysOf, string(who))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	var list []login.PasskeyRecord
	for _, r := range rows {
		list = append(list, r.record())
	}
	return list, nil
}

// Passkey implements login.PasskeyStore. One round trip.
func (s Passkeys) Passkey(ctx context.Context, credential []byte) (login.PasskeyRecord, error) {
	var r passkeyRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[passkeyRow](ctx, c, consent.ErrNotFound, sqlPasskey, credential)
		return err
	})
	if err != nil {
		return login.PasskeyRecord{}, fmt.Errorf("load passkey: %w", err)
	}
	return r.record(), nil
}

// Those who add at the same moment wait for each other at the holder's row, so
// that they cannot have more passkeys than one can have together.
const sqlHoldPasskeys = `
SELECT handle FROM passkey_holder WHERE consumer_id = $1 FOR UPDATE`

const sqlAddPasskey = `
INSERT INTO passkey (passkey_id, consumer_id, credential_id, public_key, sign_count, aaguid, transports,
                     backup_eligible, backed_up, name, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
WHERE (SELECT count(p.passkey_id) FROM passkey p WHERE p.consumer_id = $2) < $12
ON CONFLICT (credential_id) DO NOTHING`

// A person is told of each: a notice of the same kind and day becomes new
// again, and a mail goes out once more.
const sqlTellOfPasskey = `
WITH ` + ensurePerson1 + `
INSERT INTO person_notice (consumer_id, kind, day, at)
SELECT pseudonym, $2, (clock_timestamp() AT TIME ZONE 'UTC')::date, clock_timestamp() FROM who
ON CONFLICT (consumer_id, kind, grant_id, day) DO UPDATE SET
    at = EXCLUDED.at, read_at = NULL, mail = 'new', mail_id = NULL`

// AddPasskey implements login.PasskeyStore. Five round trips.
func (s Passkeys) AddPasskey(ctx context.Context, p login.PasskeyRecord, n login.SignIn) error {
	type handleRow struct {
		Handle []byte `db:"handle"`
	}
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := one[handleRow](ctx, tx, consent.ErrNotFound, sqlHoldPasskeys, string(p.Consumer)); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sqlAddPasskey, string(p.ID), string(p.Consumer), p.Credential, p.Key, int64(p.SignCount), p.AAGUID,
			words(p.Transports), p.BackupEligible, p.BackedUp, p.Name, p.CreatedAt, login.MaxPasskeys)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return login.ErrPasskeys
		}
		return tell(ctx, tx, inbox.PasskeyAdded, n)
	})
	if err != nil {
		return fmt.Errorf("add passkey: %w", err)
	}
	return nil
}

// tell tells a person of what became of a passkey, and notes it.
func tell(ctx context.Context, tx pgx.Tx, k inbox.Kind, n login.SignIn) error {
	var b pgx.Batch
	b.Queue(sqlTellOfPasskey, string(n.Consumer), string(k))
	b.Queue(sqlNoteSignIn, noted(n)...)
	return tx.SendBatch(ctx, &b).Close()
}

const sqlUsePasskey = `
WITH used AS (
    UPDATE passkey SET sign_count = $2, backed_up = $3, used_at = $4
    WHERE passkey_id = $1 AND (sign_count < $2 OR sign_count = 0 AND $2 = 0)
    RETURNING passkey_id)
SELECT EXISTS (SELECT FROM used) AS used, EXISTS (SELECT FROM passkey WHERE passkey_id = $1) AS known`

// UsePasskey implements login.PasskeyStore. One round trip.
func (s Passkeys) UsePasskey(ctx context.Context, id login.PasskeyID, count uint32, backedUp bool, at time.Time) error {
	type usedRow struct {
		Used  bool `db:"used"`
		Known bool `db:"known"`
	}
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		r, err := one[usedRow](ctx, c, login.ErrPasskey, sqlUsePasskey, string(id), int64(count), backedUp, at)
		switch {
		case err != nil:
			return err
		case r.Used:
			return nil
		case r.Known:
			return login.ErrCopied
		}
		return login.ErrPasskey
	})
	if err != nil {
		return fmt.Errorf("use passkey: %w", err)
	}
	return nil
}

const sqlRenamePasskey = `
UPDATE passkey SET name = $3 WHERE consumer_id = $1 AND passkey_id = $2`

// RenamePasskey implements login.PasskeyStore. One round trip.
func (s Passkeys) RenamePasskey(ctx context.Context, who consent.ConsumerID, id login.PasskeyID, name string) error {
	return SignIns(s).change(ctx, "rename passkey", consent.ErrNotFound, sqlRenamePasskey, string(who), string(id), name)
}

const sqlRemovePasskey = `
DELETE FROM passkey WHERE consumer_id = $1 AND passkey_id = $2`

// RemovePasskey implements login.PasskeyStore. Four round trips.
func (s Passkeys) RemovePasskey(ctx context.Context, who consent.ConsumerID, id login.PasskeyID, n login.SignIn) error {
	if n.Consumer != who {
		return errors.New("postgres: another person would be told")
	}
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlRemovePasskey, string(who), string(id))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return consent.ErrNotFound
		}
		return tell(ctx, tx, inbox.PasskeyRemoved, n)
	})
	if err != nil {
		return fmt.Errorf("remove passkey: %w", err)
	}
	return nil
}
