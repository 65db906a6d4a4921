package sandbox

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// Store is the bank's data in PostgreSQL. It implements resource.Provider and
// is safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool
	now  func() time.Time
}

// Config holds what a Store needs.
type Config struct {
	// Pool reaches a database that Migrate was run on. Required; the caller
	// closes it.
	Pool *pgxpool.Pool
	// Now is the clock that imports rebase dates by; nil means time.Now.
	Now func() time.Time
}

// New returns a Store.
func New(cfg Config) (*Store, error) {
	if cfg.Pool == nil {
		return nil, errors.New("sandbox: Config.Pool is required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Store{pool: cfg.Pool, now: cfg.Now}, nil
}

// Customer is a person who can sign in.
type Customer struct {
	ID       fdx.CustomerID
	Username string
	Name     string // as shown to the person
}

// ErrSignIn is returned for an unknown username and for a wrong password
// alike.
var ErrSignIn = errors.New("sandbox: unknown username or wrong password")

// DevPassword returns the password of every customer of the sandbox: the
// username followed by "-pass". It protects nothing and is for development
// only, as this bank is.
func DevPassword(username string) string { return username + "-pass" }

// SignIn returns the customer with that username if the password is the
// development password, else ErrSignIn.
func (s *Store) SignIn(ctx context.Context, username, password string) (Customer, error) {
	if subtle.ConstantTimeCompare([]byte(password), []byte(DevPassword(username))) != 1 {
		return Customer{}, ErrSignIn
	}
	var c Customer
	err := s.pool.QueryRow(ctx, `SELECT id, username, name FROM sandbox.customer WHERE username = $1`, username).
		Scan(&c.ID, &c.Username, &c.Name)
	if errors.Is(err, pgx.ErrNoRows) {
		return Customer{}, ErrSignIn
	}
	if err != nil {
		return Customer{}, fmt.Errorf("sandbox sign-in: %w", err)
	}
	return c, nil
}

// HeldAccount is an account with what a customer is to it.
type HeldAccount struct {
	Account      fdx.Account // without its holdings
	Relationship ledger.Relationship
}

// AccountsOf returns the accounts of a customer, in the order they were
// opened at this bank; nil for a customer without accounts or an unknown one.
// It is meant for the page on which the customer chooses what to share.
func (s *Store) AccountsOf(ctx context.Context, id fdx.CustomerID) ([]HeldAccount, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+accountColumns+`, h.relationship
		FROM sandbox.holder h JOIN sandbox.account a ON a.id = h.account_id
		WHERE h.customer_id = $1
		ORDER BY a.seq`, id)
	if err != nil {
		return nil, fmt.Errorf("sandbox accounts of a customer: %w", err)
	}
	held, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (HeldAccount, error) {
		var h HeldAccount
		var r accountRow
		if err := row.Scan(append(r.targets(), &h.Relationship)...); err != nil {
			return h, err
		}
		var err error
		h.Account, err = r.account()
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("sandbox accounts of a customer: %w", err)
	}
	return held, nil
}
