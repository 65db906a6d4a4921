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
	// ErrAccountClosed: a closed account has no such thing. Its transactions
	// and statements stay readable.
	ErrAccountClosed = errors.New("resource: account closed")
	// ErrAccountType: accounts of this kind have no such thing.
	ErrAccountType = errors.New("resource: not for this kind of account")
	// ErrNotFound: there is no statement, image, terms, program or customer
	// as asked for, or none that the Access reaches: the two are the same.
	ErrNotFound = errors.New("resource: not found")
	// ErrNoStatements: this account never has statements.
	ErrNoStatements = errors.New("resource: no statements")
	// ErrProcessing: the document is still being made.
	ErrProcessing = errors.New("resource: document in processing")
	// ErrNotAcceptable: the document exists, in none of the forms asked for.
	ErrNotAcceptable = errors.New("resource: no such form")
	// ErrNotOffered: this bank does not have the operation at all. It is
	// then not among its Operations.
	ErrNotOffered = errors.New("resource: operation not offered")
	// ErrWrongAnswer: the bank answered something that must not be passed
	// on: about something else than was asked for, or not in its form.
	ErrWrongAnswer = errors.New("resource: wrong answer of the bank")
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
//   - they return whole entities: filtering by cluster is the gateway's work,
//     and so are the addresses in links, which need not be set;
//   - a method about the one account of the Access returns ErrNoAccount for
//     an unknown account and ErrAccountLocked for one that may not be read;
//   - lists are in an order that stays the same from page to page.
//
// A bank that lacks a method embeds NotOffered.
type Provider interface {
	// Operations returns the data operations that the bank has, for
	// getCapability: those whose methods never return ErrNotOffered. It does
	// no I/O; the slice is shared.
	Operations() []fdx.OperationID

	// Availability returns the state of the bank as a whole and what it has
	// announced, without an operation id. An error means that it is down.
	Availability(ctx context.Context) (fdx.Availability, error)

	// Accounts returns one page of the accounts in the Access, whole.
	// Accounts that the bank no longer knows are left out; one that may not
	// be read now has its descriptor alone.
	Accounts(ctx context.Context, a Access, p PageRequest) (Page[fdx.Account], error)

	// Account returns the one account of the Access, or ErrNoAccount.
	Account(ctx context.Context, a Access) (fdx.Account, error)

	// Transactions returns one page of the one account's transactions inside
	// the window: newest first, pending before posted, ties broken by id so
	// that no transaction is repeated or lost between pages. The cost of a
	// page does not depend on its place. ErrNoAccount for an unknown account.
	Transactions(ctx context.Context, a Access, p PageRequest) (Page[fdx.Transaction], error)

	// Contact returns who holds the one account, all holders, and how to
	// reach them.
	Contact(ctx context.Context, a Access) (fdx.AccountContact, error)

	// PaymentNetworks returns one page of the ways to pay into or out of the
	// one account; none when there are none. ErrAccountClosed.
	PaymentNetworks(ctx context.Context, a Access, p PageRequest) (Page[fdx.PaymentNetwork], error)

	// AssetTransferNetworks returns one page of the ways to move securities
	// into or out of the one account; none when there are none.
	// ErrAccountClosed.
	AssetTransferNetworks(ctx context.Context, a Access, p PageRequest) (Page[fdx.AssetTransferNetwork], error)

	// Statements returns one page of the one account's statements whose date
	// is inside the window, newest first, each with that account's id.
	// ErrNoStatements when such an account never has any.
	Statements(ctx context.Context, a Access, p PageRequest) (Page[fdx.Statement], error)

	// Statement returns the document of a statement of the one account whose
	// date is inside the window, in the first of the forms that the bank
	// has. ErrNotFound, ErrProcessing, ErrNotAcceptable.
	Statement(ctx context.Context, a Access, id fdx.StatementID, forms []fdx.ContentType) (Document, error)

	// Image returns an image of a transaction of the one account whose day
	// is inside the window, in the first of the forms that the bank has.
	// ErrNotFound, ErrNotAcceptable.
	Image(ctx context.Context, a Access, id fdx.ImageID, forms []fdx.ContentType) (Document, error)

	// Terms returns the terms and conditions of the one account in the first
	// of the forms that the bank has. ErrNotFound, ErrNotAcceptable.
	Terms(ctx context.Context, a Access, forms []fdx.ContentType) (Document, error)

	// RewardPrograms returns one page of the programs in which an account of
	// the Access takes part, with the consumer's memberships.
	RewardPrograms(ctx context.Context, a Access, p PageRequest) (Page[fdx.RewardProgram], error)

	// RewardProgram returns one program as the list has it. ErrNotFound for
	// a program in which no account of the Access takes part.
	RewardProgram(ctx context.Context, a Access, id fdx.RewardProgramID) (fdx.RewardProgram, error)

	// RewardCategories returns one page of what a program pays for; none
	// when it tells none. ErrNotFound as for RewardProgram.
	RewardCategories(ctx context.Context, a Access, id fdx.RewardProgramID, p PageRequest) (Page[fdx.RewardCategory], error)

	// Holders returns one page of the customers behind the accounts in the
	// Access, each once, each with all its parts in accounts. The consumer
	// of the Access is the customer with the same id.
	Holders(ctx context.Context, a Access, p PageRequest) (Page[fdx.Customer], error)

	// Holder returns one of them as the list has it. ErrNotFound for one
	// that holds no account of the Access.
	Holder(ctx context.Context, a Access, id fdx.CustomerID) (fdx.Customer, error)
}

// Document is a file as it is: a statement, an image, terms and conditions.
type Document struct {
	// Type is one of the forms that were asked for.
	Type fdx.ContentType
	// Date is the day by which the look-back decides: that of the statement,
	// or of the transaction of an image. Terms and conditions have none.
	Date fdx.Date
	// Body is at most 8 MiB.
	Body []byte
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
