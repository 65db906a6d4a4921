package upstream

import (
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

func TestHolder(t *testing.T) {
	t.Parallel()
	part := func(id fdx.AccountID, r fdx.AccountHolderRelationship) []fdx.CustomerAccount {
		return []fdx.CustomerAccount{{AccountID: id, Relationship: r}}
	}
	shop := fdx.Customer{CustomerID: "b-1", Type: fdx.Business, BusinessCustomer: fdx.BusinessCustomer{Name: "Corner Shop"}, Accounts: part("till", fdx.Primary)}
	person := fdx.Customer{CustomerID: "c-1", Type: fdx.Consumer, Accounts: append(part("till", fdx.AuthorizedSigner), part("own", fdx.SoleOwner)...)}
	nameless := fdx.Customer{Type: fdx.Business, Accounts: part("own", fdx.SoleOwner)}
	signs := fdx.Customer{CustomerID: "b-2", Type: fdx.Business, Accounts: part("own", fdx.AuthorizedSigner)}
	for name, c := range map[string]struct {
		all  []fdx.Customer
		id   fdx.AccountID
		want consent.Holder
	}{
		"a business that owns it":        {[]fdx.Customer{person, shop}, "till", consent.Holder{ID: "b-1", Kind: consent.HolderBusiness, Name: "Corner Shop"}},
		"the person's own":               {[]fdx.Customer{person, shop}, "own", consent.Holder{}},
		"a business without an id":       {[]fdx.Customer{nameless}, "own", consent.Holder{}},
		"a business that signs for it":   {[]fdx.Customer{signs}, "own", consent.Holder{}},
		"a bank that tells no customers": {nil, "till", consent.Holder{}},
	} {
		if got := holder(c.all, c.id); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
