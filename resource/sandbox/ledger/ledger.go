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
