package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Open returns a Store on a database that Migrate was run on, with a pool of
// its own. It waits for no connection. Close it after use.
func Open(ctx context.Context, dsn string) (*Store, error) {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("sandbox: read DSN: %w", err)
	}
	c.ConnConfig.RuntimeParams["application_name"] = "sandbox bank"
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return New(Config{Pool: pool})
}

// Close closes the pool that the Store was opened with.
func (s *Store) Close() { s.pool.Close() }

// ErrNoCustomer: no customer has that username.
var ErrNoCustomer = errors.New("sandbox: no such customer")

// Customer returns the customer with that username, or ErrNoCustomer.
func (s *Store) Customer(ctx context.Context, username string) (Customer, error) {
	var c Customer
	err := s.pool.QueryRow(ctx, `SELECT id, username, name FROM sandbox.customer WHERE username = $1`, username).
		Scan(&c.ID, &c.Username, &c.Name)
	if errors.Is(err, pgx.ErrNoRows) {
		return Customer{}, ErrNoCustomer
	}
	if err != nil {
		return Customer{}, fmt.Errorf("sandbox customer: %w", err)
	}
	return c, nil
}
