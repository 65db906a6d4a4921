package authzd

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/resource/sandbox"
)

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

// people returns who can sign in: the personas of the sandbox bank, and those
// of a file for any other bank.
func people(b *bank.Bank, file string) (login.Store, error) {
	switch {
	case b.Sandbox != nil && file != "":
		return nil, errors.New("login_users_file: the people of the sandbox bank sign in there; leave it empty")
	case b.Sandbox != nil:
		return personas{b.Sandbox}, nil
	case file == "":
		return nil, errors.New("login_users_file: required for a bank that is not the sandbox")
	}
	text, err := certs.ReadPrivate(file)
	if err != nil {
		return nil, fmt.Errorf("login_users_file: %w", err)
	}
	users, err := login.ParseUsers(text)
	if err != nil {
		return nil, fmt.Errorf("login_users_file: %w", err)
	}
	return users, nil
}
