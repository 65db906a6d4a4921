package resource

import (
	"context"
	"slices"
	"time"

	"github.com/headgate/headgate/fdx"
)

// getAccountPaymentNetworks lists the ways to pay into or out of an account.
var getAccountPaymentNetworks = operation[fdx.PaymentNetwork]{
	id: fdx.GetAccountPaymentNetworks, path: "/accounts/:accountId/payment-networks",
	any: fdx.NewClusters(fdx.PaymentSupport), through: fdx.NewClusters(fdx.PaymentSupport),
	entities: []string{"PaymentNetwork"},
	parse:    parseAccountPage,
	query:    pageParameters,
	more:     offered(append(slices.Clip(partErrors), fdx.ErrAccountClosed)...),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[fdx.PaymentNetwork], error) {
		return p.PaymentNetworks(ctx, a, q.page)
	},
	filter: func(item *fdx.PaymentNetwork, a Access, _ links) verdict {
		fdx.FilterPaymentNetwork(item, a.clusters(a.Account()))
		return kept
	},
	answer: func(items []fdx.PaymentNetwork, page fdx.PageMetadata, links fdx.Links) any {
		return fdx.PaymentNetworksAnswer{Page: page, Links: links, PaymentNetworks: items}
	},
	none: fdx.ErrDataNotFound,
}

// getAccountAssetTransferNetworks lists the ways to move securities into or
// out of an account.
var getAccountAssetTransferNetworks = operation[fdx.AssetTransferNetwork]{
	id: fdx.GetAccountAssetTransferNetworks, path: "/accounts/:accountId/asset-transfer-networks",
	any: fdx.NewClusters(fdx.PaymentSupport), through: fdx.NewClusters(fdx.PaymentSupport),
	entities: []string{"AssetTransferNetwork"},
	parse:    parseAccountPage,
	query:    pageParameters,
	more:     offered(append(slices.Clip(partErrors), fdx.ErrAccountClosed)...),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[fdx.AssetTransferNetwork], error) {
		return p.AssetTransferNetworks(ctx, a, q.page)
	},
	filter: func(item *fdx.AssetTransferNetwork, a Access, _ links) verdict {
		fdx.FilterAssetTransferNetwork(item, a.clusters(a.Account()))
		return kept
	},
	answer: func(items []fdx.AssetTransferNetwork, page fdx.PageMetadata, links fdx.Links) any {
		return fdx.AssetTransferNetworksAnswer{Page: page, Links: links, AssetTransferNetworks: items}
	},
}

// parseAccountPage reads a request for a page of what an account has.
func parseAccountPage(t target, v fdx.Query, now time.Time) (question, *fdx.Error) {
	q, invalid := parsePage(t, v, now)
	if invalid != nil {
		return question{}, invalid
	}
	id, err := fdx.ParseAccountID(t.account)
	if err != nil {
		return question{}, fdx.ErrAccountNotFound // as for any id that is not there
	}
	q.need.Account = id
	return q, nil
}

// parsePage reads a request for a page that has no parameters besides.
func parsePage(t target, v fdx.Query, _ time.Time) (question, *fdx.Error) {
	asked, invalid := fdx.ParsePageQuery(v)
	if invalid != nil {
		return question{}, invalid
	}
	return question{limit: asked.Limit, pageKey: asked.PageKey, filter: filter{t.id}, query: v, kept: []string{"limit"}}, nil
}
