package resource

import (
	"cmp"
	"context"
	"net/url"
	"time"

	"github.com/headgate/headgate/fdx"
)

// searchForAccountTransactions lists the transactions of one account. An
// account without any in the window answers with an empty list.
var searchForAccountTransactions = operation[fdx.Transaction]{
	id:    "searchForAccountTransactions",
	any:   fdx.NewClusters(fdx.Transactions),
	parse: parseTransactions,
	fetch: func(ctx context.Context, p Provider, a Access, page PageRequest) (Page[fdx.Transaction], error) {
		return p.Transactions(ctx, a, page)
	},
	filter:  filterTransaction,
	account: func(_ *fdx.Transaction, a Access) fdx.AccountID { return a.Account() },
	answer: func(items []fdx.Transaction, page fdx.PageMetadata, links fdx.Links) any {
		if items == nil {
			items = []fdx.Transaction{} // [] and not null
		}
		return fdx.TransactionsAnswer{Page: page, Links: links, Transactions: items}
	},
}

// transactionClusters are the clusters whose fields a transaction can carry.
var transactionClusters = fdx.NewClusters(fdx.Transactions, fdx.Investments)

func parseTransactions(account string, v url.Values, now time.Time) (question, *fdx.Error) {
	asked, invalid := fdx.ParseTransactionsQuery(v, now)
	if invalid != nil {
		return question{}, invalid
	}
	id, err := fdx.ParseAccountID(account)
	if err != nil {
		return question{}, fdx.ErrAccountNotFound // as for any id that is not there
	}
	return question{
		need:  Need{Account: id, Through: transactionClusters, Window: asked.Window},
		limit: asked.Limit, pageKey: asked.PageKey,
		// As written and not as understood: "until today" means another day
		// tomorrow, and the key holds the days that the first page meant.
		filter: cmp.Or(v.Get("startDate"), v.Get("startTime")) + "/" + cmp.Or(v.Get("endDate"), v.Get("endTime")),
		kept:   keep(v, "startDate", "endDate", "startTime", "endTime", "limit"),
	}, nil
}

// filterTransaction lets through what the access holds of a transaction that
// lies in its window.
func filterTransaction(item *fdx.Transaction, a Access) bool {
	base := item.Base()
	if base == nil || !a.window.Contains(base.EffectiveDate()) {
		return false
	}
	fdx.FilterTransaction(item, a.clusters(a.Account()))
	return true
}
