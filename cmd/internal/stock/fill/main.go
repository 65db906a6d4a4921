// Command fill makes consents for a bench that must not link the product. It
// reads a Job as JSON from standard input and writes a Made for each of its
// orders, in their order, as a JSON array to standard output. The answer holds
// tokens: it goes to the bench and nowhere else.
//
// It owns that form, which conformance/fault repeats. It must not be shipped: it
// makes consents that nobody gave (see package stock).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/cmd/internal/stock"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/resource/sandbox"
)

// Job is what is to be made.
type Job struct {
	PostgresDSN  string  `json:"postgres_dsn"` // of the product and of the sandbox bank
	HashKeysFile string  `json:"hash_keys_file"`
	SealKeysFile string  `json:"seal_keys_file"`
	Session      []byte  `json:"session"` // stock.Order
	Orders       []Order `json:"orders"`
}

// Order is one consent.
type Order struct {
	Recipient      consent.RecipientID `json:"recipient"`
	Purpose        string              `json:"purpose"`  // a registered code
	Customer       string              `json:"customer"` // the user name at the bank
	Accounts       []fdx.AccountID     `json:"accounts"` // empty is all that the customer has
	Clusters       []string            `json:"clusters"`
	Days           int                 `json:"days"`
	LookbackDays   int                 `json:"lookback_days"`
	KeyThumbprint  string              `json:"key_thumbprint"`
	CertThumbprint string              `json:"cert_thumbprint"`
	TokenEnds      time.Time           `json:"token_ends"` // whole seconds
	Ends           time.Time           `json:"ends"`       // of the consent; zero is after Days
}

// Made is one consent with its tokens.
type Made struct {
	ID           consent.GrantID `json:"id"`
	Accounts     []fdx.AccountID `json:"accounts"`
	AccessToken  string          `json:"access_token"`
	RefreshToken string          `json:"refresh_token"`
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "fill:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var j Job
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		return err
	}
	hasher, err := config.Hasher(j.HashKeysFile)
	if err != nil {
		return err
	}
	sealer, err := certs.LoadSealer(j.SealKeysFile)
	if err != nil {
		return err
	}
	const (
		workers = 16 // most of the time they wait for the disk, together
		tries   = 8
	)
	db, err := postgres.Open(ctx, postgres.Config{DSN: j.PostgresDSN, MaxConns: workers, Sealer: sealer, Name: "fill"})
	if err != nil {
		return err
	}
	defer db.Close()
	bank, err := sandbox.Open(ctx, j.PostgresDSN)
	if err != nil {
		return err
	}
	defer bank.Close()
	people, err := customers(ctx, bank, j.Orders)
	if err != nil {
		return err
	}
	made := make([]Made, len(j.Orders))
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range workers {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(j.Orders) {
					return nil
				}
				o, who := j.Orders[i], people[j.Orders[i].Customer]
				set := fdx.Clusters(0)
				for _, name := range o.Clusters {
					c, err := fdx.ParseCluster(name)
					if err != nil {
						return err
					}
					set = set.With(c)
				}
				if len(o.Accounts) == 0 {
					o.Accounts = who.accounts
				}
				now := time.Now().UTC().Truncate(time.Second)
				order := stock.Order{
					Recipient: o.Recipient, Consumer: who.id, Accounts: o.Accounts,
					Request: consent.Request{
						Purpose:  consent.Purpose{Code: o.Purpose, Label: o.Purpose, Clusters: set},
						Duration: consent.TimeBound, DurationDays: o.Days, LookbackDays: o.LookbackDays, Account: set,
					},
					KeyThumbprint: o.KeyThumbprint, CertThumbprint: o.CertThumbprint,
					Now: now, Life: o.TokenEnds.Sub(now), Ends: o.Ends, Session: j.Session,
				}
				one, err := stock.Issue(ctx, db, hasher, order)
				// A disk that stands still for a second has others wait for
				// locks; what came of it nobody uses.
				for try := 1; errors.Is(err, consent.ErrUnavailable) && try < tries && ctx.Err() == nil; try++ {
					time.Sleep(300 * time.Millisecond)
					one, err = stock.Issue(ctx, db, hasher, order)
				}
				if err != nil {
					return fmt.Errorf("order %d: %w", i, err)
				}
				made[i] = Made{one.Grant.ID, o.Accounts, one.Access.Reveal(), one.Fresh.Reveal()}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(made)
}

// customer is one of the bank.
type customer struct {
	id       consent.ConsumerID
	accounts []fdx.AccountID
}

// customers looks up those of the orders, by user name.
func customers(ctx context.Context, bank *sandbox.Store, orders []Order) (map[string]customer, error) {
	known := map[string]customer{}
	for _, o := range orders {
		if _, ok := known[o.Customer]; ok {
			continue
		}
		who, err := bank.Customer(ctx, o.Customer)
		if err != nil {
			return nil, err
		}
		held, err := bank.AccountsOf(ctx, who.ID)
		if err != nil {
			return nil, err
		}
		c := customer{id: consent.ConsumerID(who.ID)}
		for _, h := range held {
			c.accounts = append(c.accounts, h.Account.ID())
		}
		known[o.Customer] = c
	}
	return known, nil
}
