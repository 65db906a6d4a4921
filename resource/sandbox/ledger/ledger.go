// Package ledger is the form in which bank data reaches the sandbox's store,
// whatever it came from: a statement file, a folder of tables, a persona.
//
// It owns that form and the way faults in files are reported. It must not know
// where the data comes from nor how it is stored. Values follow the FDX 6.4
// shapes of package fdx.
package ledger

import (
	"iter"

	"github.com/headgate/headgate/fdx"
)

// Batch is what one import loads: all of it or nothing. Loading a batch that
// was loaded before changes nothing, because every part carries an identity of
// its own.
type Batch struct {
	Customers []Customer
	Accounts  []Account
	Holders   []Holder
	Programs  []Program
	// Transactions yields the transactions in any order, at most once. An
	// error ends the import; nothing of it stays. Nil means none.
	Transactions iter.Seq2[Transaction, error]
	// Rebase, when not nil, is kept with the batch unless there is one of that
	// institution already.
	Rebase *Rebase
}

// Rebase says how far the dates of an institution were moved.
type Rebase struct {
	Institution string
	Days        int
}

// Customer is a person who has accounts. The Username identifies it.
type Customer struct {
	Username string // lower case, without spaces
	Name     string // as shown to the person
	// Person is who it is besides, with an empty CustomerID and without
	// accounts, which the store knows; nil when only the name is known.
	Person *fdx.Customer
}

// Account is an account as its institution tells it. Institution and Key
// together identify it.
type Account struct {
	Institution string
	// Key tells the account from all others of the institution. It may hold
	// the account number and is never shown to anyone.
	Key string
	// Number is the account number.
	Number string
	// Account holds everything else, with an empty AccountID: the store gives
	// ids. Its BalanceAsOf decides which of two versions of it is newer.
	Account fdx.Account
	// Services is what the account has besides.
	Services Services
}

// Services is what an account has besides its transactions. The zero value is
// an account without any of it.
type Services struct {
	// Locked: the account is there and may not be read now.
	Locked bool `json:"locked,omitempty"`
	// Down: the system that keeps the account does not answer. The account
	// is listed and says so.
	Down bool `json:"down,omitempty"`
	// Gone: the bank does not know the account any more. It can still be
	// chosen to be shared, as one that ends between consent and read.
	Gone bool `json:"gone,omitempty"`
	// Business is in whose name the account is, when that is not the customer.
	// People with such accounts beside their own choose whose they share.
	Business string `json:"business,omitempty"`
	// Statements: a statement is made at the end of each month.
	Statements bool `json:"statements,omitempty"`
	// Documents is how far the documents of the newest statements have come,
	// newest first; those of all others are available.
	Documents             []fdx.DocumentStatus       `json:"documents,omitempty"`
	PaymentNetworks       []fdx.PaymentNetwork       `json:"paymentNetworks,omitempty"`
	AssetTransferNetworks []fdx.AssetTransferNetwork `json:"assetTransferNetworks,omitempty"`
}

// Program is a reward program. Institution and Key together identify it.
type Program struct {
	Institution string
	Key         string
	// Program has an empty RewardProgramID and no memberships, and the
	// categories have none of their program: the store gives ids.
	Program    fdx.RewardProgram
	Categories []fdx.RewardCategory
	Members    []Member
}

// Member is a customer in a reward program.
type Member struct {
	Username string
	Accounts []int // that earn: indexes into Batch.Accounts
	// Membership has no ids of accounts and customer.
	Membership fdx.RewardMembership
}

// Relationship is what a customer is to an account.
type Relationship string

// The relationships.
const (
	Owner          Relationship = "OWNER"
	Joint          Relationship = "JOINT"           // an owner beside another
	AuthorizedUser Relationship = "AUTHORIZED_USER" // may use it, does not own it
)

// Holder says what a customer is to an account.
type Holder struct {
	Username     string
	Account      int // index into Batch.Accounts
	Relationship Relationship
}

// Transaction is one transaction of an account.
type Transaction struct {
	Account int // index into Batch.Accounts
	// Key tells the transaction from all others of its account, at most 300
	// bytes.
	Key string
	// Replaces is the key of the pending transaction that this one books,
	// empty if there was none.
	Replaces string
	// Transaction has the category of its account and an empty
	// TransactionID: the store gives ids.
	Transaction fdx.Transaction
}

// Mask returns the form of an account number that may be shown: asterisks and
// the last four characters, or fewer of a short number, so that at least half
// of it stays hidden.
func Mask(number string) string {
	r := []rune(number)
	shown := min(4, len(r)/2)
	return "****" + string(r[len(r)-shown:])
}
