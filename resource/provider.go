package resource

import (
	"context"
	"errors"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Access is permission to fetch: it names the consumer, the accounts and the
// days that a provider may be asked for. Only Allow makes one that holds
// anything, so that data cannot be fetched without the checks. The zero
// Access permits nothing.
type Access struct {
	consumer consent.ConsumerID
	accounts []consent.AccountShare
	window   fdx.Window
	clipped  bool
}

// Consumer returns the person whose data is read.
func (a Access) Consumer() consent.ConsumerID { return a.consumer }

// Accounts returns the accounts that may be read, at least one, in the order
// of the grant or, when the request names accounts, in that of the request,
// each with the clusters that may leave. The slice is shared: read it, do not
// change it.
func (a Access) Accounts() []consent.AccountShare { return a.accounts }

// Account returns the one account of an operation on a single account.
func (a Access) Account() fdx.AccountID {
	if len(a.accounts) != 1 {
		return ""
	}
	return a.accounts[0].ID
}

// Window returns the days that may be read, both included; the zero Window
// when the operation has none.
func (a Access) Window() fdx.Window { return a.window }

// Clipped reports whether the window is shorter than what was asked for.
func (a Access) Clipped() bool { return a.clipped }

// clusters returns what may leave of an account; nothing for one that is not
// in the access.
func (a Access) clusters(id fdx.AccountID) fdx.Clusters {
	for i := range a.accounts {
		if a.accounts[i].ID == id {
			return a.accounts[i].Clusters
		}
	}
	return 0
}

// The errors that a Provider returns. Anything else is taken as the bank
// being out of order (503).
var (
	// ErrNoAccount: the bank does not know the account, or no longer.
	ErrNoAccount = errors.New("resource: no such account")
	// ErrAccountLocked: the account exists but may not be read now.
	ErrAccountLocked = errors.New("resource: account locked")
	// ErrUnavailable: the bank cannot answer now; trying later may help.
	ErrUnavailable = errors.New("resource: provider unavailable")
)

// Provider is a bank's data. Implementations are safe for concurrent use and
// keep the contract that resourcetest runs:
//
//   - they return data of the accounts in the Access only, and of days inside
//     its window only;
//   - values they return belong to the caller, who changes them;
//   - they obey the context's deadline;
//   - they return whole entities: filtering by cluster is the gateway's work.
type Provider interface {
	// Accounts returns one page of the accounts in the Access, whole, in an
	// order that stays the same from page to page. Accounts that the bank no
	// longer knows are left out.
	Accounts(ctx context.Context, a Access, p PageRequest) (Page[fdx.Account], error)

	// Account returns the one account of the Access, or ErrNoAccount.
	Account(ctx context.Context, a Access) (fdx.Account, error)

	// Transactions returns one page of the one account's transactions inside
	// the window: newest first, pending before posted, ties broken by id so
	// that no transaction is repeated or lost between pages. The cost of a
	// page does not depend on its place. ErrNoAccount for an unknown account.
	Transactions(ctx context.Context, a Access, p PageRequest) (Page[fdx.Transaction], error)
}

// PageRequest asks for one page.
type PageRequest struct {
	// After is a place that the provider returned as Page.Next, opaque to
	// the gateway; empty for the first page.
	After string
	// Limit is the most records to return, at least 1.
	Limit int
}

// Page is one page of records.
type Page[T any] struct {
	Items []T
	// Next is the place after the last item, at most 200 bytes; empty on the
	// last page.
	Next string
}
