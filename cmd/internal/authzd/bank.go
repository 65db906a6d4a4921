package authzd

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/resource/sandbox"
)

// people returns who can sign in: whom the operator added ('headgate login'),
// and, at the sandbox bank, its people with their development passwords.
func people(b *bank.Bank, added login.Store) login.Store {
	if b.Sandbox == nil {
		return added
	}
	return both{personas{b.Sandbox}, added}
}

// both are the people of the sandbox bank and those whom the operator added.
// Where both know a username, the operator's word counts.
type both struct {
	box   personas
	added login.Store
}

// Credential implements login.Store. Whoever has the username, it is the same
// work.
func (s both) Credential(ctx context.Context, username string) (login.Credential, error) {
	of, fault := s.box.Credential(ctx, username)
	c, err := s.added.Credential(ctx, username)
	if errors.Is(err, consent.ErrNotFound) {
		return of, fault
	}
	return c, err
}

// personas is the sign-in of the sandbox bank.
type personas struct{ store *sandbox.Store }

// Credential implements login.Store. The sandbox keeps no passwords: each
// customer's is sandbox.DevPassword, hashed here as a bank would have it
// stored. An absent customer costs the same work.
func (p personas) Credential(ctx context.Context, username string) (login.Credential, error) {
	hash, err := login.Hash(sandbox.DevPassword(username))
	if err != nil {
		return login.Credential{}, fmt.Errorf("hash development password: %w", err)
	}
	c, err := p.store.Customer(ctx, username)
	if errors.Is(err, sandbox.ErrNoCustomer) {
		return login.Credential{}, consent.ErrNotFound
	}
	if err != nil {
		return login.Credential{}, err
	}
	return login.Credential{Consumer: consent.ConsumerID(c.ID), Hash: hash}, nil
}
