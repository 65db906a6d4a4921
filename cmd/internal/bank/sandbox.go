package bank

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

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
		choice := resource.Choice(h.Account, h.Joint)
		choice.Holder.Name = h.Holder
		if h.Business {
			sum := sha256.Sum256([]byte(h.Holder))
			choice.Holder.ID, choice.Holder.Kind = hex.EncodeToString(sum[:8]), consent.HolderBusiness
		}
		list = append(list, choice)
	}
	return list, nil
}
