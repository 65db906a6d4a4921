package resource

import (
	"cmp"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Choice returns an account as its holder chooses it. A provider that is a
// consent.AccountChooser, too, makes its choices with it, so that every bank
// names accounts alike and offers none that cannot be shared.
func Choice(account fdx.Account, joint bool) consent.AccountChoice {
	d := account.Descriptor()
	c := consent.AccountChoice{
		ID: d.AccountID, Name: cmp.Or(d.Nickname, d.ProductName, d.Description), Display: d.AccountNumberDisplay,
		Category: string(account.Category()), Joint: joint,
	}
	switch d.Status {
	case fdx.StatusClosed:
		c.Ineligible = consent.IneligibleClosed
	case fdx.StatusPendingOpen, fdx.StatusPendingClose:
		c.Ineligible = consent.IneligiblePending
	case fdx.StatusRestricted:
		c.Ineligible = consent.IneligibleLocked
	}
	return c
}
