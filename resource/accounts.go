package resource

import (
	"context"
	"strings"
	"time"

	"github.com/headgate/headgate/fdx"
)

// accountClusters are the clusters whose fields an account can carry.
var accountClusters = fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Bills, fdx.Investments, fdx.ScheduledPayments)

var accountEntities = []string{
	"DepositAccount", "LineOfCreditAccount", "LoanAccount", "InvestmentAccount", "AnnuityAccount",
	"InsuranceAccount", "CommercialAccount", "DigitalWalletAccount", "BuyNowPayLaterAccount",
}

// searchForAccounts lists the accounts of a grant. Unless resultType is
// details, it holds what ACCOUNT_BASIC lets through and no more.
var searchForAccounts = operation[fdx.Account]{
	id: fdx.SearchForAccounts, path: "/accounts",
	any: fdx.NewClusters(fdx.AccountBasic), through: accountClusters,
	entities: accountEntities,
	parse:    parseAccounts,
	query:    accountsParameters,
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[fdx.Account], error) {
		return p.Accounts(ctx, a, q.page)
	},
	filter:   filterAccount,
	accounts: accountsOfAccount,
	// An account that the bank could not tell all about says so itself.
	partial: func(item *fdx.Account) bool { return item.Descriptor().Error != fdx.AccountError{} },
	answer: func(items []fdx.Account, page fdx.PageMetadata, links fdx.Links) any {
		return fdx.AccountsAnswer{Page: page, Links: links, Accounts: items}
	},
	none: fdx.ErrDataNotFound,
}

func parseAccounts(_ target, v fdx.Query, _ time.Time) (question, *fdx.Error) {
	asked, err := fdx.ParseAccountsQuery(v)
	if err != nil {
		return question{}, err
	}
	q := question{
		need:  Need{Accounts: asked.AccountIDs},
		limit: asked.Limit, pageKey: asked.PageKey,
		query: v, kept: []string{"accountIds", "limit", "resultType"},
	}
	if asked.ResultType == fdx.Lightweight {
		q.need.Through = fdx.NewClusters(fdx.AccountBasic)
	}
	// No account id holds a comma here, since the list was split at commas.
	ids := make([]string, len(asked.AccountIDs))
	for i, id := range asked.AccountIDs {
		ids[i] = string(id)
	}
	q.filter = filter{string(asked.ResultType), "\n", strings.Join(ids, ",")}
	return q, nil
}

// getAccount returns one account. ACCOUNT_BASIC alone does not open it: what
// it lets through is in the list, and recipients rely on a balance here.
var getAccount = operation[fdx.Account]{
	id: fdx.GetAccount, path: "/accounts/:accountId",
	any:      fdx.NewClusters(fdx.AccountDetailed, fdx.Balances, fdx.Bills, fdx.Investments, fdx.ScheduledPayments),
	through:  accountClusters,
	entities: accountEntities,
	parse:    parseAccount,
	more:     accountErrors,
	fetch: func(ctx context.Context, p Provider, a Access, _ ask) (Page[fdx.Account], error) {
		return one(p.Account(ctx, a))
	},
	filter:   filterAccount,
	accounts: accountsOfAccount,
	answer:   first[fdx.Account],
}

// parseAccount reads a request for one thing that belongs to an account.
func parseAccount(t target, _ fdx.Query, _ time.Time) (question, *fdx.Error) {
	id, err := fdx.ParseAccountID(t.account)
	if err != nil {
		return question{}, fdx.ErrAccountNotFound // as for any id that is not there
	}
	return question{need: Need{Account: id}, limit: 1}, nil
}

// one is a page of a single record.
func one[T any](item T, err error) (Page[T], error) {
	return Page[T]{Items: []T{item}}, err
}

// first answers with a single record as it is.
func first[T any](items []T, _ fdx.PageMetadata, _ fdx.Links) any { return items[0] }

// filterAccount lets through what the access holds of an account.
func filterAccount(item *fdx.Account, a Access, _ links) verdict {
	clusters := a.clusters(item.ID())
	if clusters.Empty() {
		return outside
	}
	fdx.FilterAccount(item, clusters)
	return kept
}

func accountsOfAccount(item *fdx.Account) []fdx.AccountID { return []fdx.AccountID{item.ID()} }
