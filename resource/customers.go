package resource

import (
	"context"

	"github.com/headgate/headgate/fdx"
)

// customerClusters are the clusters whose fields a customer can carry.
var customerClusters = fdx.NewClusters(fdx.CustomerContact, fdx.CustomerPersonal, fdx.SocialSecurityNumber)

// getCustomers lists the holders of the accounts of a grant.
var getCustomers = operation[fdx.Customer]{
	id: fdx.GetCustomers, path: "/customers",
	any: customerClusters, through: customerClusters, holders: true,
	entities: []string{"Customer"},
	parse:    parsePage,
	query:    pageParameters,
	more:     offered(fdx.ErrDataNotFound),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[fdx.Customer], error) {
		return p.Holders(ctx, a, q.page)
	},
	filter: filterCustomer, accounts: accountsOfCustomer,
	answer: func(items []fdx.Customer, page fdx.PageMetadata, links fdx.Links) any {
		return fdx.CustomersAnswer{Page: page, Links: links, Customers: items}
	},
}

// getCustomerInfo gives the customer who consented.
var getCustomerInfo = operation[fdx.Customer]{
	id: fdx.GetCustomerInfo, path: "/customers/current",
	any: customerClusters, through: customerClusters, holders: true,
	entities: []string{"Customer"},
	parse:    parseNothing,
	more:     offered(fdx.ErrDataNotFound),
	fetch: func(ctx context.Context, p Provider, a Access, _ ask) (Page[fdx.Customer], error) {
		return one(customer(ctx, p, a, string(a.Consumer())))
	},
	filter: filterCustomer, accounts: accountsOfCustomer, answer: first[fdx.Customer],
	none: fdx.ErrCustomerNotFound, missing: fdx.ErrCustomerNotFound,
}

// getCustomer gives one holder. One of whom nothing may leave is as unknown
// as one that does not exist.
var getCustomer = operation[fdx.Customer]{
	id: fdx.GetCustomer, path: "/customers/:customerId",
	any: customerClusters, through: customerClusters, holders: true,
	entities: []string{"Customer"},
	parse:    parseNothing,
	more:     offered(fdx.ErrDataNotFound),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[fdx.Customer], error) {
		return one(customer(ctx, p, a, q.id))
	},
	filter: filterCustomer, accounts: accountsOfCustomer, answer: first[fdx.Customer],
	none: fdx.ErrCustomerNotFound, missing: fdx.ErrCustomerNotFound,
}

// customer asks the bank for a customer by its unchecked id.
func customer(ctx context.Context, p Provider, a Access, text string) (fdx.Customer, error) {
	id, err := fdx.ParseCustomerID(text)
	if err != nil {
		return fdx.Customer{}, ErrNotFound
	}
	c, err := p.Holder(ctx, a, id)
	if err == nil && c.CustomerID != id {
		return fdx.Customer{}, errBank
	}
	return c, err
}

// filterCustomer lets through what the accounts in the access hold of one of
// their holders. Who consents can share how to reach a fellow holder, which is
// part of the account, but not that person's birth date or numbers: nobody
// but the consumer is shown beyond CUSTOMER_CONTACT.
func filterCustomer(item *fdx.Customer, a Access, l links) verdict {
	holds := false
	var clusters fdx.Clusters
	for _, part := range item.Accounts {
		shared := a.clusters(part.AccountID)
		holds = holds || !shared.Empty()
		clusters = clusters.Union(shared)
	}
	if !holds || item.CustomerID == "" {
		return outside
	}
	contact := fdx.NewClusters(fdx.CustomerContact)
	if item.CustomerID != fdx.CustomerID(a.consumer) {
		clusters = clusters.Intersect(contact)
	}
	if clusters.Empty() {
		return dropped
	}
	fdx.FilterCustomer(item, clusters, func(id fdx.AccountID) bool { return a.clusters(id).Has(fdx.CustomerContact) })
	for i := range item.Accounts {
		part := &item.Accounts[i]
		part.Links = []fdx.HateoasLink{l.account(part.AccountID)}
	}
	return kept
}

func accountsOfCustomer(item *fdx.Customer) []fdx.AccountID {
	var ids []fdx.AccountID
	for _, part := range item.Accounts {
		ids = append(ids, part.AccountID)
	}
	return ids
}
