package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
	"github.com/headgate/headgate/resource/sandbox/paper"
	"github.com/headgate/headgate/resource/sandbox/persona"
)

// Store is the bank's data in PostgreSQL. It implements resource.Provider and
// is safe for concurrent use.
type Store struct {
	pool    *pgxpool.Pool
	now     func() time.Time
	printer *paper.Printer
	terms   map[fdx.AccountCategory]paper.Terms
	// printing has room for as many documents as are made at once.
	printing chan struct{}
}

// maxPrinting bounds what documents cost: the longest statement takes seconds
// and a hundred megabytes.
const maxPrinting = 4

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
	printer, err := paper.New(paper.Config{Bank: persona.Institution, Address: []string{"1 Headgate Plaza", "Riverton, OH 43001"}})
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	terms, err := readTerms()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return &Store{pool: cfg.Pool, now: cfg.Now, printer: printer, terms: terms, printing: make(chan struct{}, maxPrinting)}, nil
}

// Customer is a person who has accounts.
type Customer struct {
	ID       fdx.CustomerID
	Username string
	Name     string // as shown to the person
}

// ErrNoCustomer: no customer has that username.
var ErrNoCustomer = errors.New("sandbox: no such customer")

// DevPassword returns the password of every customer of the sandbox: the
// username followed by "-pass". It protects nothing and is for development
// only, as this bank is.
func DevPassword(username string) string { return username + "-pass" }

// Email returns the first mail address of a customer, or ErrNoCustomer when
// there is no such customer or none with an address.
func (s *Store) Email(ctx context.Context, id fdx.CustomerID) (string, error) {
	var email string
	err := s.pool.QueryRow(ctx, `SELECT coalesce(person->'emails'->>0, '') FROM sandbox.customer WHERE id = $1`, string(id)).Scan(&email)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && email == "" {
		return "", ErrNoCustomer
	}
	if err != nil {
		return "", fmt.Errorf("load address: %w", err)
	}
	return email, nil
}

// Customer returns the customer with that username, or ErrNoCustomer.
func (s *Store) Customer(ctx context.Context, username string) (Customer, error) {
	if !usernameForm.MatchString(username) {
		return Customer{}, ErrNoCustomer
	}
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

// HeldAccount is an account with what a customer is to it.
type HeldAccount struct {
	Account      fdx.Account // without its holdings
	Relationship ledger.Relationship
	// Holder is the name of the customer or of the business in whose name the
	// account is; Business says that it is a business.
	Holder   string
	Business bool
	// Joint: somebody else owns the account as well, whoever came first.
	Joint bool
}

// AccountsOf returns the accounts of a customer, in the order they were
// opened at this bank; none for a customer without accounts or an unknown one.
// It is meant for the page on which the customer chooses what to share.
func (s *Store) AccountsOf(ctx context.Context, id fdx.CustomerID) ([]HeldAccount, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+accountColumns+`, h.relationship, EXISTS (
			SELECT FROM sandbox.holder o
			WHERE o.account_id = a.id AND o.customer_id <> h.customer_id AND o.relationship IN ('OWNER', 'JOINT')),
			coalesce(a.services->>'business', c.name), a.services ? 'business'
		FROM sandbox.holder h JOIN sandbox.account a ON a.id = h.account_id JOIN sandbox.customer c ON c.id = h.customer_id
		WHERE h.customer_id = $1
		ORDER BY a.seq`, id)
	if err != nil {
		return nil, fmt.Errorf("sandbox accounts of a customer: %w", err)
	}
	held, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (HeldAccount, error) {
		var h HeldAccount
		var r accountRow
		if err := row.Scan(append(r.targets(), &h.Relationship, &h.Joint, &h.Holder, &h.Business)...); err != nil {
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
