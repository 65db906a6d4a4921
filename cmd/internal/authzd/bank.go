package authzd

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/resource/sandbox"
)

// bank is the sandbox bank as the pages need it: who its customers are and
// which accounts they could share.
type bank struct{ store *sandbox.Store }

// Choices implements consent.AccountChooser.
func (b *bank) Choices(ctx context.Context, who consent.ConsumerID) ([]consent.AccountChoice, error) {
	held, err := b.store.AccountsOf(ctx, fdx.CustomerID(who))
	if err != nil {
		return nil, err
	}
	var choices []consent.AccountChoice
	for _, h := range held {
		d := h.Account.Descriptor()
		c := consent.AccountChoice{
			ID: d.AccountID, Name: d.ProductName, Display: d.AccountNumberDisplay,
			Category: string(h.Account.Category()), Joint: h.Joint,
		}
		if d.Nickname != "" {
			c.Name = d.Nickname
		}
		switch d.Status {
		case fdx.StatusClosed:
			c.Ineligible = consent.IneligibleClosed
		case fdx.StatusPendingOpen, fdx.StatusPendingClose:
			c.Ineligible = consent.IneligiblePending
		case fdx.StatusRestricted:
			c.Ineligible = consent.IneligibleLocked
		}
		choices = append(choices, c)
	}
	return choices, nil
}

// people are who can sign in: those of the sandbox bank, each with a
// development password, and those whom the operator added ('headgate login').
// Where both know a username, the operator's word counts.
type people struct {
	bank  *bank
	added login.Store
}

// Credential implements login.Store. Whoever has the username, it is the same
// work.
func (p people) Credential(ctx context.Context, username string) (login.Credential, error) {
	of, fault := p.bank.credential(ctx, username)
	c, err := p.added.Credential(ctx, username)
	if errors.Is(err, consent.ErrNotFound) {
		return of, fault
	}
	return c, err
}

// credential is as login.Store has it. The sandbox keeps no passwords: each
// customer's is sandbox.DevPassword, hashed here as a bank would have it
// stored. An absent customer costs the same work.
func (b *bank) credential(ctx context.Context, username string) (login.Credential, error) {
	hash, err := login.Hash(sandbox.DevPassword(username))
	if err != nil {
		return login.Credential{}, fmt.Errorf("hash development password: %w", err)
	}
	c, err := b.store.Customer(ctx, username)
	if errors.Is(err, sandbox.ErrNoCustomer) {
		return login.Credential{}, consent.ErrNotFound
	}
	if err != nil {
		return login.Credential{}, err
	}
	return login.Credential{Consumer: consent.ConsumerID(c.ID), Hash: hash}, nil
}

func openBank(ctx context.Context, dsnFile string) (*bank, func(), error) {
	dsn, err := config.Secret(dsnFile)
	if err != nil {
		return nil, nil, err
	}
	store, err := sandbox.Open(ctx, dsn)
	if err != nil {
		return nil, nil, err
	}
	return &bank{store}, store.Close, nil
}
