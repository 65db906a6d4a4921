package bank

import (
	"context"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/sandbox"
)

// choices is the sandbox bank as people choose from it.
type choices struct{ store *sandbox.Store }

// Choices implements consent.AccountChooser.
func (c choices) Choices(ctx context.Context, who consent.ConsumerID) ([]consent.AccountChoice, error) {
	held, err := c.store.AccountsOf(ctx, fdx.CustomerID(who))
	if err != nil {
		return nil, err
	}
	var list []consent.AccountChoice
	for _, h := range held {
		list = append(list, resource.Choice(h.Account, h.Joint))
	}
	return list, nil
}
