package resource

import (
	"context"

	"github.com/headgate/headgate/fdx"
)

// getAccountContact tells who holds an account. The cluster may stand on the
// account or on the customer of the grant, and covers all holders.
var getAccountContact = operation[fdx.AccountContact]{
	id: fdx.GetAccountContact, path: "/accounts/:accountId/contact",
	any: fdx.NewClusters(fdx.CustomerContact), through: fdx.NewClusters(fdx.CustomerContact, fdx.CustomerPersonal),
	holders:  true,
	entities: []string{"AccountContact"},
	parse:    parseAccount,
	more:     offered(partErrors...),
	fetch: func(ctx context.Context, p Provider, a Access, _ ask) (Page[fdx.AccountContact], error) {
		return one(p.Contact(ctx, a))
	},
	filter: func(item *fdx.AccountContact, a Access, _ links) verdict {
		fdx.FilterAccountContact(item, a.clusters(a.Account()))
		return kept
	},
	answer: first[fdx.AccountContact],
}
