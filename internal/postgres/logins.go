package postgres

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5"
)

// Login is a person who may sign in. Its printed and logged forms are
// redacted.
type Login struct {
	Username     string // compared byte for byte
	Consumer     consent.ConsumerID
	PasswordHash string // argon2id, in PHC string format
	DisplayName  string
}

// String returns a redacted form.
func (Login) String() string { return "[login]" }

// GoString returns a redacted form.
func (Login) GoString() string { return "[login]" }

// LogValue returns a redacted form.
func (Login) LogValue() slog.Value { return slog.StringValue("[login]") }

// Logins keeps who may sign in.
type Logins struct{ db *DB }

// Logins returns the store of logins.
func (db *DB) Logins() Logins { return Logins{db} }

const sqlLogin = `
SELECT consumer_id, password_hash, display_name FROM login WHERE username = $1`

const sqlPutLogin = `
INSERT INTO login (username, consumer_id, password_hash, display_name) VALUES ($1, $2, $3, $4)
ON CONFLICT (username) DO UPDATE SET
    consumer_id = EXCLUDED.consumer_id, password_hash = EXCLUDED.password_hash,
    display_name = EXCLUDED.display_name`

// Login returns the login with exactly that username, or
// consent.ErrNotFound. One round trip.
func (s Logins) Login(ctx context.Context, username string) (Login, error) {
	type loginRow struct {
		ConsumerID   string `db:"consumer_id"`
		PasswordHash string `db:"password_hash"`
		DisplayName  string `db:"display_name"`
	}
	var r loginRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[loginRow](ctx, c, consent.ErrNotFound, sqlLogin, username)
		return err
	})
	if err != nil {
		return Login{}, fmt.Errorf("load login: %w", err)
	}
	return Login{Username: username, Consumer: consent.ConsumerID(r.ConsumerID), PasswordHash: r.PasswordHash, DisplayName: r.DisplayName}, nil
}

// PutLogin stores a login, in place of the one with the same username if
// there is one. A hash that is not argon2id is refused. One round trip.
func (s Logins) PutLogin(ctx context.Context, l Login) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlPutLogin, l.Username, string(l.Consumer), l.PasswordHash, l.DisplayName)
		return err
	})
	if err != nil {
		return fmt.Errorf("put login: %w", err)
	}
	return nil
}
