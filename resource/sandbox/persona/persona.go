package persona

import (
	"time"

	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// Institution is the bank that the personas are with.
const Institution = "Headgate Sandbox Bank"

// Persona is someone who can sign in.
type Persona struct {
	Username string
	Name     string
	About    string // one line on what is special, for a list to choose from
}

// All returns the personas. The joint household has two of them.
func All() []Persona {
	return []Persona{
		{"everyday", "Emma Everett", "one checking account with pay, rent and everyday shopping"},
		{"saver", "Sam Sandberg", "checking, savings and a credit card paid in full, and a savings account that is closed"},
		{"borrower", "Bea Borromeo", "checking with a mortgage and a car loan to pay off"},
		{"investor", "Ines Ivarsson", "a brokerage account with holdings, trades and dividends beside checking"},
		{"joint", "Jo Jordan", "shares a household account with partner, and has a checking account alone"},
		{"partner", "Pat Jordan", "shares the household account with joint, and has a savings account alone"},
		{"heavy", "Hana Heavy", "a shop's account with more than 30,000 transactions"},
	}
}

// Batch returns everything the personas have at the start of the day of now in
// UTC: the history of the 25 months before it, with the card payments of the
// last day still pending.
func Batch(seed uint64, now time.Time) ledger.Batch {
	w := newWorld(seed, now)
	for _, p := range All() {
		w.batch.Customers = append(w.batch.Customers, ledger.Customer{Username: p.Username, Name: p.Name})
	}
	lives := []life{everyday(w), saver(w), borrower(w), investor(w), household(w), heavy(w)}
	for day := w.start; day.Before(w.asOf); day = day.AddDate(0, 0, 1) {
		for _, l := range lives {
			l.day(day)
		}
	}
	for _, l := range lives {
		l.finish()
	}
	w.batch.Transactions = func(yield func(ledger.Transaction, error) bool) {
		for _, t := range w.transactions {
			if !yield(t, nil) {
				return
			}
		}
	}
	return w.batch
}

// life is what one household does.
type life interface {
	day(day time.Time) // called for every day in order
	finish()           // writes the balances into the accounts
}
