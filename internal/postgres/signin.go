package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/login"
	"github.com/jackc/pgx/v5"
)

// SignIns keeps who can sign in, failed attempts, past sign-ins and one-time
// codes.
type SignIns struct{ db *DB }

var (
	_ login.Store     = SignIns{}
	_ login.Throttle  = SignIns{}
	_ login.Journal   = SignIns{}
	_ login.CodeStore = SignIns{}
	_ inbox.Addresses = SignIns{}
)

// SignIns returns the store behind the built-in sign-in.
func (db *DB) SignIns() SignIns { return SignIns{db} }

// Accounts.

const sqlCredential = `
SELECT consumer_id, password_hash FROM login_account WHERE username = $1`

// Credential implements login.Store. One round trip.
func (s SignIns) Credential(ctx context.Context, username string) (login.Credential, error) {
	type credentialRow struct {
		ConsumerID   string `db:"consumer_id"`
		PasswordHash string `db:"password_hash"`
	}
	var r credentialRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[credentialRow](ctx, c, consent.ErrNotFound, sqlCredential, username)
		return err
	})
	if err != nil {
		return login.Credential{}, fmt.Errorf("load credential: %w", err)
	}
	return login.Credential{Consumer: consent.ConsumerID(r.ConsumerID), Hash: r.PasswordHash}, nil
}

const sqlAddLogin = `
INSERT INTO login_account (username, consumer_id, password_hash, mail) VALUES ($1, $2, $3, $4)
ON CONFLICT (username) DO NOTHING`

// AddLogin lets a person sign in. mail is where one-time codes and notices go,
// empty for nowhere. It returns consent.ErrConflict for a username that is
// taken. One round trip.
func (s SignIns) AddLogin(ctx context.Context, username, mail string, c login.Credential) error {
	return s.change(ctx, "add login", consent.ErrConflict, sqlAddLogin, username, string(c.Consumer), c.Hash, mail)
}

const sqlLoginMail = `
SELECT mail FROM login_account WHERE consumer_id = $1 AND mail <> '' ORDER BY changed_at DESC, username LIMIT 1`

// Address implements inbox.Addresses for those who were added with an address.
// One round trip.
func (s SignIns) Address(ctx context.Context, who consent.ConsumerID) (string, error) {
	type mailRow struct {
		Mail string `db:"mail"`
	}
	var r mailRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[mailRow](ctx, c, consent.ErrNotFound, sqlLoginMail, string(who))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("load mail address: %w", err)
	}
	return r.Mail, nil
}

const sqlSetPassword = `
UPDATE login_account SET password_hash = $2, changed_at = clock_timestamp() WHERE username = $1`

// SetPassword replaces a password, or returns consent.ErrNotFound. One round
// trip.
func (s SignIns) SetPassword(ctx context.Context, username, hash string) error {
	return s.change(ctx, "set password", consent.ErrNotFound, sqlSetPassword, username, hash)
}

// Whoever loses their last username loses their passkeys with it, or they would
// sign in still.
const sqlRemoveLogin = `
WITH gone AS (DELETE FROM login_account WHERE username = $1 RETURNING consumer_id),
keys AS (
    DELETE FROM passkey_holder h USING gone
    WHERE h.consumer_id = gone.consumer_id
      AND NOT EXISTS (SELECT a.username FROM login_account a WHERE a.consumer_id = gone.consumer_id AND a.username <> $1))
SELECT consumer_id FROM gone`

// RemoveLogin takes a username away, and with a person's last one their
// passkeys; or it returns consent.ErrNotFound. Sessions go on until they end.
// One round trip.
func (s SignIns) RemoveLogin(ctx context.Context, username string) error {
	return s.change(ctx, "remove login", consent.ErrNotFound, sqlRemoveLogin, username)
}

// change runs a statement that must touch a row, else it returns none.
func (s SignIns) change(ctx context.Context, what string, none error, sql string, args ...any) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		tag, err := c.Exec(ctx, sql, args...)
		if err == nil && tag.RowsAffected() == 0 {
			err = none
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Account is who has a username, without the password.
type Account struct {
	Username  string             `db:"username" json:"username"`
	Consumer  consent.ConsumerID `db:"consumer_id" json:"consumer"`
	CreatedAt time.Time          `db:"created_at" json:"created_at"`
	ChangedAt time.Time          `db:"changed_at" json:"changed_at"`
	// Passkeys is how many the person has.
	Passkeys int `db:"passkeys" json:"passkeys"`
}

const sqlLogins = `
SELECT a.username, a.consumer_id, a.created_at, a.changed_at,
       (SELECT count(k.passkey_id) FROM passkey k WHERE k.consumer_id = a.consumer_id) AS passkeys
FROM login_account a ORDER BY a.username`

// Logins returns all accounts by username; nil when there are none. One round
// trip.
func (s SignIns) Logins(ctx context.Context) ([]Account, error) {
	var all []Account
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		all, err = many[Account](ctx, c, sqlLogins)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list logins: %w", err)
	}
	return all, nil
}

// Failures in a row.

// A row that has to wait, or has no room, is left alone.
const sqlBeginAttempt = `
INSERT INTO login_throttle AS t (subject, failures, wait_until, forget_at, under_way, over_at)
VALUES ($1, 0, '-infinity', $4, 1, $5)
ON CONFLICT (subject) DO UPDATE SET
    failures = CASE WHEN t.forget_at <= $2 THEN 0 ELSE t.failures END,
    forget_at = $4,
    under_way = CASE WHEN t.over_at <= $2 THEN 1 ELSE t.under_way + 1 END,
    over_at = $5
WHERE t.wait_until <= $2 AND ($3::integer = 0
    OR CASE WHEN t.over_at <= $2 THEN 0 ELSE t.under_way END
        < greatest(1, $3::integer - CASE WHEN t.forget_at <= $2 THEN 0 ELSE t.failures END))`

// The pause after the nth failure is the nth of the list, and the last one
// after that.
const sqlFailAttempt = `
INSERT INTO login_throttle AS t (subject, failures, wait_until, forget_at)
VALUES ($1, 1, $2::timestamptz + make_interval(secs => ($3::float8[])[1]), $4)
ON CONFLICT (subject) DO UPDATE SET
    failures = CASE WHEN t.forget_at <= $2 THEN 1 ELSE t.failures + 1 END,
    wait_until = greatest(t.wait_until, $2::timestamptz + make_interval(secs => ($3::float8[])[
        least(CASE WHEN t.forget_at <= $2 THEN 1 ELSE t.failures + 1 END, cardinality($3::float8[]))])),
    forget_at = $4,
    under_way = greatest(t.under_way - 1, 0)`

const sqlWaitUntil = `
SELECT wait_until FROM login_throttle WHERE subject = ANY ($1) AND wait_until > $2 ORDER BY wait_until DESC LIMIT 1`

// errWait rolls back what was noted for the other subjects.
var errWait = errors.New("postgres: has to wait")

// inOrder sorts subjects, so that two attempts never wait for each other.
func inOrder(subjects []login.Subject) []login.Subject {
	return slices.SortedFunc(slices.Values(subjects), func(a, b login.Subject) int { return bytes.Compare(a.Key[:], b.Key[:]) })
}

// Begin implements login.Throttle. Two round trips and one per subject, one
// more to explain a refusal.
func (s SignIns) Begin(ctx context.Context, now time.Time, subjects ...login.Subject) (time.Duration, error) {
	now = now.UTC().Truncate(time.Microsecond) // as the server keeps it
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		for _, sub := range inOrder(subjects) {
			tag, err := tx.Exec(ctx, sqlBeginAttempt, sub.Key[:], now, sub.Free(), now.Add(login.Memory), now.Add(login.AttemptLife))
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				return errWait
			}
		}
		return nil
	})
	if !errors.Is(err, errWait) {
		if err != nil {
			return 0, fmt.Errorf("begin attempt: %w", err)
		}
		return 0, nil
	}
	type waitRow struct {
		WaitUntil time.Time `db:"wait_until"`
	}
	keys := make([][]byte, len(subjects))
	for i, sub := range subjects {
		keys[i] = sub.Key[:]
	}
	var r waitRow
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[waitRow](ctx, c, login.ErrBusy, sqlWaitUntil, keys, now)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find wait: %w", err)
	}
	return r.WaitUntil.Sub(now), nil
}

// Fail implements login.Throttle. One round trip.
func (s SignIns) Fail(ctx context.Context, now time.Time, subjects ...login.Subject) error {
	now = now.UTC().Truncate(time.Microsecond)
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		for _, sub := range inOrder(subjects) {
			pauses := make([]float64, len(sub.Waits))
			for i, w := range sub.Waits {
				pauses[i] = w.Seconds()
			}
			b.Queue(sqlFailAttempt, sub.Key[:], now, pauses, now.Add(login.Memory))
		}
		return c.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return fmt.Errorf("count failure: %w", err)
	}
	return nil
}

const sqlUndoAttempt = `
UPDATE login_throttle SET under_way = greatest(under_way - 1, 0) WHERE subject = $1`

const sqlForgetAttempts = `
UPDATE login_throttle SET failures = 0, wait_until = '-infinity' WHERE subject = $1`

// Undo implements login.Throttle. One round trip, none without keys.
func (s SignIns) Undo(ctx context.Context, keys ...login.Key) error {
	if len(keys) == 0 {
		return nil
	}
	keys = slices.SortedFunc(slices.Values(keys), func(a, b login.Key) int { return bytes.Compare(a[:], b[:]) })
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		for _, k := range keys {
			b.Queue(sqlUndoAttempt, k[:])
		}
		return c.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return fmt.Errorf("undo attempt: %w", err)
	}
	return nil
}

// Forget implements login.Throttle. One round trip.
func (s SignIns) Forget(ctx context.Context, key login.Key) error {
	return s.exec(ctx, "forget attempts", sqlForgetAttempts, key[:])
}

func (s SignIns) exec(ctx context.Context, what, sql string, args ...any) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sql, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Past sign-ins.

const sqlNoteSignIn = `
INSERT INTO sign_in_attempt (consumer_id, at, method, refused, network, event) VALUES ($1, $2, $3, $4, $5, $6)`

// noted are the arguments of sqlNoteSignIn.
func noted(a login.SignIn) []any {
	network := ""
	if a.Network.IsValid() {
		network = a.Network.String()
	}
	return []any{string(a.Consumer), a.At, string(a.Method), a.Refused, network, string(a.Event)}
}

// Note implements login.Journal. One round trip.
func (s SignIns) Note(ctx context.Context, a login.SignIn) error {
	return s.exec(ctx, "note sign-in", sqlNoteSignIn, noted(a)...)
}

const sqlSignIns = `
SELECT at, method, refused, network, event FROM sign_in_attempt
WHERE consumer_id = $1 AND consumer_id <> '' ORDER BY at DESC, attempt_id DESC LIMIT $2`

// SignIns returns the attempts to sign in as a person, newest first, at most
// limit; nil when there are none. One round trip.
func (s SignIns) SignIns(ctx context.Context, who consent.ConsumerID, limit int) ([]login.SignIn, error) {
	type attemptRow struct {
		At      time.Time `db:"at"`
		Method  string    `db:"method"`
		Refused bool      `db:"refused"`
		Network string    `db:"network"`
		Event   string    `db:"event"`
	}
	var rows []attemptRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[attemptRow](ctx, c, sqlSignIns, string(who), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sign-ins: %w", err)
	}
	var list []login.SignIn
	for _, r := range rows {
		network, _ := netip.ParsePrefix(r.Network) // the zero Prefix when empty
		list = append(list, login.SignIn{Event: login.Event(r.Event), Consumer: who, At: r.At.UTC(), Method: login.Method(r.Method), Refused: r.Refused, Network: network})
	}
	return list, nil
}

// One-time codes.

const sqlPutCode = `
INSERT INTO one_time_code AS c (consumer_id, purpose, code_hash, reference, tries, issued_at, expires_at)
VALUES ($1, $2, $3, $4, 0, $5, $6)
ON CONFLICT (consumer_id, purpose) DO UPDATE SET
    code_hash = EXCLUDED.code_hash, reference = EXCLUDED.reference, tries = 0,
    issued_at = EXCLUDED.issued_at, expires_at = EXCLUDED.expires_at, used_at = NULL
WHERE c.used_at IS NOT NULL OR c.issued_at < $7`

// errNoCode: nothing was stored.
var errNoCode = errors.New("postgres: no code stored")

// PutCode implements login.CodeStore. One round trip.
func (s SignIns) PutCode(ctx context.Context, c login.Code, notBefore time.Time) (bool, error) {
	err := s.change(ctx, "store code", errNoCode, sqlPutCode,
		string(c.Consumer), c.Purpose, c.Hash[:], c.Reference, c.IssuedAt, c.ExpiresAt, notBefore)
	if errors.Is(err, errNoCode) {
		return false, nil
	}
	return err == nil, err
}

const sqlOneTimeCode = `
SELECT code_hash, reference, issued_at, expires_at FROM one_time_code
WHERE consumer_id = $1 AND purpose = $2 AND used_at IS NULL AND tries < $3 AND expires_at > $4`

// Code implements login.CodeStore. One round trip.
func (s SignIns) Code(ctx context.Context, who consent.ConsumerID, purpose string, now time.Time) (login.Code, error) {
	type codeRow struct {
		CodeHash  []byte    `db:"code_hash"`
		Reference string    `db:"reference"`
		IssuedAt  time.Time `db:"issued_at"`
		ExpiresAt time.Time `db:"expires_at"`
	}
	var r codeRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[codeRow](ctx, c, consent.ErrNotFound, sqlOneTimeCode, string(who), purpose, login.CodeTries, now)
		return err
	})
	if err != nil {
		return login.Code{}, fmt.Errorf("load code: %w", err)
	}
	return login.Code{
		Consumer: who, Purpose: purpose, Hash: login.Key(r.CodeHash), Reference: r.Reference,
		IssuedAt: r.IssuedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}, nil
}

// The row is locked by the first of any number of tries; the others then see
// what it made of it.
const sqlTryCode = `
UPDATE one_time_code SET tries = tries + 1, used_at = CASE WHEN code_hash = $3 THEN $4::timestamptz END
WHERE consumer_id = $1 AND purpose = $2 AND used_at IS NULL AND tries < $5 AND expires_at > $4
RETURNING used_at IS NOT NULL AS used`

// TryCode implements login.CodeStore. One round trip.
func (s SignIns) TryCode(ctx context.Context, who consent.ConsumerID, purpose string, hash login.Key, now time.Time) error {
	type triedRow struct {
		Used bool `db:"used"`
	}
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		r, err := one[triedRow](ctx, c, login.ErrCodeOver, sqlTryCode, string(who), purpose, hash[:], now, login.CodeTries)
		if err == nil && !r.Used {
			err = login.ErrCode
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("try code: %w", err)
	}
	return nil
}

const sqlDropCode = `
DELETE FROM one_time_code WHERE consumer_id = $1 AND purpose = $2`

// DropCode implements login.CodeStore. One round trip.
func (s SignIns) DropCode(ctx context.Context, who consent.ConsumerID, purpose string) error {
	return s.exec(ctx, "drop code", sqlDropCode, string(who), purpose)
}
