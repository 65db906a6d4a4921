package resource

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/fdx"
)

// accountClusters are the clusters whose fields an account can carry.
var accountClusters = fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Bills, fdx.Investments, fdx.ScheduledPayments)

// searchForAccounts lists the accounts of a grant.
var searchForAccounts = operation[fdx.Account]{
	id:    "searchForAccounts",
	any:   fdx.NewClusters(fdx.AccountBasic),
	parse: parseAccounts,
	fetch: func(ctx context.Context, p Provider, a Access, page PageRequest) (Page[fdx.Account], error) {
		return p.Accounts(ctx, a, page)
	},
	filter:  filterAccount,
	account: func(item *fdx.Account, _ Access) fdx.AccountID { return item.ID() },
	answer: func(items []fdx.Account, page fdx.PageMetadata, links fdx.Links) any {
		return fdx.AccountsAnswer{Page: page, Links: links, Accounts: items}
	},
	none: fdx.ErrDataNotFound,
}

func parseAccounts(_ string, v url.Values, _ time.Time) (question, *fdx.Error) {
	asked, err := fdx.ParseAccountsQuery(v)
	if err != nil {
		return question{}, err
	}
	q := question{
		need:  Need{Accounts: asked.AccountIDs, Through: accountClusters},
		limit: asked.Limit, pageKey: asked.PageKey,
		kept: keep(v, "resultType", "accountIds", "limit"),
	}
	if asked.ResultType == fdx.Lightweight {
		q.need.Through = fdx.NewClusters(fdx.AccountBasic)
	}
	// No account id holds a comma here, since the list was split at commas.
	ids := make([]string, len(asked.AccountIDs))
	for i, id := range asked.AccountIDs {
		ids[i] = string(id)
	}
	q.filter = string(asked.ResultType) + "\n" + strings.Join(ids, ",")
	return q, nil
}

// getAccount returns one account. ACCOUNT_BASIC alone does not open it: what
// it lets through is in the list, and recipients rely on a balance here.
var getAccount = operation[fdx.Account]{
	id:    "getAccount",
	any:   fdx.NewClusters(fdx.AccountDetailed, fdx.Balances, fdx.Bills, fdx.Investments, fdx.ScheduledPayments),
	parse: parseAccount,
	fetch: func(ctx context.Context, p Provider, a Access, _ PageRequest) (Page[fdx.Account], error) {
		account, err := p.Account(ctx, a)
		return Page[fdx.Account]{Items: []fdx.Account{account}}, err
	},
	filter:  filterAccount,
	account: func(item *fdx.Account, _ Access) fdx.AccountID { return item.ID() },
	answer:  func(items []fdx.Account, _ fdx.PageMetadata, _ fdx.Links) any { return items[0] },
}

func parseAccount(account string, _ url.Values, _ time.Time) (question, *fdx.Error) {
	id, err := fdx.ParseAccountID(account)
	if err != nil {
		return question{}, fdx.ErrAccountNotFound // as for any id that is not there
	}
	return question{need: Need{Account: id, Through: accountClusters}, limit: 1}, nil
}

// filterAccount lets through what the access holds of an account.
func filterAccount(item *fdx.Account, a Access) bool {
	clusters := a.clusters(item.ID())
	if clusters.Empty() {
		return false
	}
	fdx.FilterAccount(item, clusters)
	return true
}

// keep returns the named parameters, for the link to the next page.
func keep(v url.Values, names ...string) url.Values {
	kept := make(url.Values, len(names)+1)
	for _, name := range names {
		if v.Has(name) {
			kept.Set(name, v.Get(name))
		}
	}
	return kept
}
