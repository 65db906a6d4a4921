package resource

import (
	"context"
	"slices"
	"time"

	"github.com/headgate/headgate/fdx"
)

// searchForAccountTransactions lists the transactions of one account. An
// account without any in the window answers with an empty list.
var searchForAccountTransactions = operation[fdx.Transaction]{
	id: fdx.SearchForAccountTransactions, path: "/accounts/:accountId/transactions",
	any:     fdx.NewClusters(fdx.Transactions),
	through: fdx.NewClusters(fdx.Transactions, fdx.Investments, fdx.Rewards, fdx.Images),
	entities: []string{
		"DepositTransaction", "LineOfCreditTransaction", "LoanTransaction", "InvestmentTransaction", "AnnuityTransaction",
		"InsuranceTransaction", "CommercialTransaction", "DigitalWalletTransaction", "BuyNowPayLaterTransaction",
	},
	parse: parseWindow,
	query: windowParameters,
	more:  append(slices.Clip(windowErrors), partErrors...),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[fdx.Transaction], error) {
		return p.Transactions(ctx, a, q.page)
	},
	filter: filterTransaction,
	answer: func(items []fdx.Transaction, page fdx.PageMetadata, links fdx.Links) any {
		if items == nil {
			items = []fdx.Transaction{} // [] and not null
		}
		return fdx.TransactionsAnswer{Page: page, Links: links, Transactions: items}
	},
}

// windowKept are the parameters of a window, and the limit.
var windowKept = []string{"endDate", "endTime", "limit", "startDate", "startTime"}

// parseWindow reads a request for what an account has in a window of days.
// Transactions and statements have the same parameters.
func parseWindow(t target, v fdx.Query, now time.Time) (question, *fdx.Error) {
	asked, invalid := fdx.ParseTransactionsQuery(v, now)
	if invalid != nil {
		return question{}, invalid
	}
	id, err := fdx.ParseAccountID(t.account)
	if err != nil {
		return question{}, fdx.ErrAccountNotFound // as for any id that is not there
	}
	return question{
		need:  Need{Account: id, Window: asked.Window},
		limit: asked.Limit, pageKey: asked.PageKey,
		// As written and not as understood: "until today" means another day
		// tomorrow, and the key holds the days that the first page meant.
		filter: filter{either(v, "startDate", "startTime"), "/", either(v, "endDate", "endTime")},
		query:  v, kept: windowKept,
	}, nil
}

// either returns the value of a parameter under the one or the other name.
func either(v fdx.Query, one, other string) string {
	value, _ := v.Get(one)
	if value == "" {
		value, _ = v.Get(other)
	}
	return value
}

// filterTransaction lets through what the access holds of a transaction that
// lies in its window. The images of which ids are left are linked here.
func filterTransaction(item *fdx.Transaction, a Access, l links) verdict {
	base := item.Base()
	if base == nil || !a.window.Contains(base.EffectiveDate()) {
		return outside
	}
	id := a.Account()
	fdx.FilterTransaction(item, a.clusters(id))
	if base = item.Base(); base == nil {
		return outside // an answer without TRANSACTIONS is none of ours
	}
	base.Links = l.images(id, base.ImageIDs)
	for i := range base.LineItems {
		part := &base.LineItems[i]
		part.Links = l.images(id, part.ImageIDs)
	}
	return kept
}
