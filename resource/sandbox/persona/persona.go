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

// contact is how to reach a persona, and what only the bank knows.
type contact struct {
	username         string
	first, last      string
	line1, city      string
	region, postcode string
	born             string // YYYY-MM-DD
}

// contacts tells them in the order of All. The numbers that belong to them are
// made from the place in this list.
func contacts() []contact {
	return []contact{
		{"everyday", "Emma", "Everett", "12 Maple Court", "Riverton", "OH", "43001", "1991-04-23"},
		{"saver", "Sam", "Sandberg", "8 Linden Street", "Riverton", "OH", "43002", "1984-11-02"},
		{"borrower", "Bea", "Borromeo", "140 Hillside Avenue", "Lakeview", "OH", "43003", "1979-07-15"},
		{"investor", "Ines", "Ivarsson", "5 Hilltop Lofts", "Lakeview", "OH", "43004", "1988-01-30"},
		{"joint", "Jo", "Jordan", "77 Riverside", "Riverton", "OH", "43005", "1990-09-09"},
		{"partner", "Pat", "Jordan", "77 Riverside", "Riverton", "OH", "43005", "1992-12-24"},
		{"heavy", "Hana", "Heavy", "1 Corner Square", "Riverton", "OH", "43006", "1975-03-03"},
		{"variety", "Vera", "Varga", "29 Orchard Row", "Lakeview", "OH", "43007", "1968-06-18"},
		{"quirks", "Quinn", "Quill", "3 Odd Lane", "Riverton", "OH", "43008", "1999-02-28"},
		{"newcomer", "Nora", "Newman", "64 Station Road", "Riverton", "OH", "43009", "2003-08-11"},
		{"layla", "\u0644\u064a\u0644\u0649", "\u0639\u0628\u062f \u0627\u0644\u0631\u062d\u0645\u0646 \u0627\u0644\u0647\u0627\u0634\u0645\u064a", "900 Harbour Promenade, Apartment 1408", "Lakeview", "OH", "43010", "1986-10-05"},
		{"maker", "Maya", "Moreno", "31 Kiln Lane", "Riverton", "OH", "43011", "1982-05-17"},
	}
}

// All returns the personas. The joint household has two of them, and one has
// no account at all.
func All() []Persona {
	return []Persona{
		{"everyday", "Emma Everett", "one checking account with pay, rent and everyday shopping"},
		{"saver", "Sam Sandberg", "checking, savings and a credit card paid in full, and a savings account that is closed"},
		{"borrower", "Bea Borromeo", "checking with a mortgage and a car loan to pay off, and a check a month with its image"},
		{"investor", "Ines Ivarsson", "a brokerage account with holdings, trades and dividends beside checking"},
		{"joint", "Jo Jordan", "shares a household account with partner, and has a checking account alone"},
		{"partner", "Pat Jordan", "shares the household account with joint, and has a savings account alone"},
		{"heavy", "Hana Heavy", "a shop's account with more than 30,000 transactions"},
		{"variety", "Vera Varga", "one account of every kind there is, from an annuity to a wallet"},
		{"quirks", "Quinn Quill", "accounts that are locked, about to open, in euros, overdrawn, gone after they were chosen, and on a system that is down; statements that are late or failed"},
		{"newcomer", "Nora Newman", "no account yet"},
		{"layla", "\u0644\u064a\u0644\u0649 \u0639\u0628\u062f \u0627\u0644\u0631\u062d\u0645\u0646 \u0627\u0644\u0647\u0627\u0634\u0645\u064a", "a name from right to left, and account names that are very long"},
		{"maker", "Maya Moreno", "accounts of her own and of her business, Moreno Pottery: one shares those of one at a time"},
	}
}

// Batch returns everything the personas have at the start of the day of now in
// UTC: the history of the 25 months before it, with the card payments of the
// last day still pending.
func Batch(seed uint64, now time.Time) ledger.Batch {
	w := newWorld(seed, now)
	for i, p := range All() {
		w.batch.Customers = append(w.batch.Customers, ledger.Customer{Username: p.Username, Name: p.Name, Person: contacts()[i].person(i)})
	}
	lives := []life{everyday(w), saver(w), borrower(w), investor(w), household(w), heavy(w), variety(w), quirks(w), longNames(w), maker(w)}
	for day := w.start; day.Before(w.asOf); day = day.AddDate(0, 0, 1) {
		for _, l := range lives {
			l.day(day)
		}
	}
	for _, l := range lives {
		l.finish()
	}
	w.serve()
	w.reward()
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
