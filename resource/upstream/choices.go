package upstream

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

var _ consent.AccountChooser = (*Provider)(nil)

// Choices implements consent.AccountChooser by the bank's account list. Whether
// an account is joint, and whether it is a business's, is told by the bank's
// customers: a bank without getCustomers has no such accounts here.
func (p *Provider) Choices(ctx context.Context, who consent.ConsumerID) ([]consent.AccountChoice, error) {
	more := url.Values{}
	p.details(more)
	held, err := every(func(r resource.PageRequest) (resource.Page[fdx.Account], error) {
		return list(ctx, p, &accounts, asked{consumer: who, more: more}, r)
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	var all []fdx.Customer
	if _, ok := p.routes[fdx.GetCustomers]; ok {
		if all, err = every(func(r resource.PageRequest) (resource.Page[fdx.Customer], error) {
			return list(ctx, p, &customers, asked{consumer: who}, r)
		}); err != nil {
			return nil, fmt.Errorf("list holders: %w", err)
		}
	}
	var choices []consent.AccountChoice
	for _, account := range held {
		id := account.Descriptor().AccountID
		choice := resource.Choice(account, joint(all, id))
		choice.Holder = holder(all, id)
		choices = append(choices, choice)
	}
	return choices, nil
}

// holder returns in whose name an account is: that of a business that owns it,
// else the consumer's.
func holder(customers []fdx.Customer, id fdx.AccountID) consent.Holder {
	for _, c := range customers {
		if c.Type == fdx.Business && c.CustomerID != "" && has(c, id) {
			return consent.Holder{ID: string(c.CustomerID), Kind: consent.HolderBusiness, Name: c.BusinessCustomer.Name}
		}
	}
	return consent.Holder{}
}

// has reports whether a customer owns an account.
func has(c fdx.Customer, id fdx.AccountID) bool {
	return slices.ContainsFunc(c.Accounts, func(part fdx.CustomerAccount) bool { return part.AccountID == id && owns(part.Relationship) })
}

// joint reports whether an account has more than one owner.
func joint(customers []fdx.Customer, id fdx.AccountID) bool {
	owners := 0
	for _, c := range customers {
		if has(c, id) {
			owners++
		}
	}
	return owners > 1
}

// owns reports whether a part in an account makes an owner: not those who act
// for somebody, or for whom somebody acts.
func owns(r fdx.AccountHolderRelationship) bool {
	switch r {
	case fdx.AuthorizedSigner, fdx.AuthorizedUser, fdx.PowerOfAttorney, fdx.Trustee, fdx.UniformTransferToMinor,
		fdx.ForBenefitOf, fdx.ForBenefitOfPrimary, fdx.ForBenefitOfPrimaryJointRestricted, fdx.ForBenefitOfSecondary,
		fdx.ForBenefitOfSecondaryJointRestricted, fdx.ForBenefitOfSoleOwnerRestricted:
		return false
	}
	return true
}

// every reads all pages of a list. One that does not end is the bank's
// mistake.
func every[T any](read func(resource.PageRequest) (resource.Page[T], error)) ([]T, error) {
	var all []T
	r := resource.PageRequest{Limit: fdx.MaxLimit}
	for range maxPages {
		page, err := read(r)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		r.After = page.Next
	}
	return nil, &wrongAnswer{Unpaged, "a list without an end"}
}
