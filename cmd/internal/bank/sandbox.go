package bank

import (
	"context"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
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
		list = append(list, c)
	}
	return list, nil
}
