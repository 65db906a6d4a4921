package persona

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

const (
	currency      = "USD"
	historyMonths = 25 // one more than the longest look-back that FDX speaks of
)

// world is the clock and the book-keeping of one run.
type world struct {
	seed uint64
	asOf time.Time // midnight UTC of the day of now: everything is before it
	from time.Time // where history begins
	// start is where the simulation begins, with fixed balances. It moves only
	// every four years, so that a day has the same past whenever it is looked
	// at in between.
	start        time.Time
	batch        ledger.Batch
	transactions []ledger.Transaction
}

func newWorld(seed uint64, now time.Time) *world {
	year, month, day := now.UTC().Date()
	asOf := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return &world{
		seed: seed, asOf: asOf,
		from:  asOf.AddDate(0, -historyMonths, 0),
		start: time.Date(year/4*4-4, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// random returns the source of chance for one thing on one day.
func (w *world) random(what string, day time.Time) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(what))
	return rand.New(rand.NewPCG(w.seed^h.Sum64(), uint64(day.Unix()/86400)))
}

// last reports whether day is the last one before now.
func (w *world) last(day time.Time) bool { return day.AddDate(0, 0, 1).Equal(w.asOf) }

// number returns a made-up account number.
func (w *world) number(key string) string {
	return strconv.FormatInt(4_000_000_000+w.random("number "+key, time.Unix(0, 0)).Int64N(1_000_000_000), 10)
}

// account is an account whose life is simulated. Its balance is in cents and
// counts what is owed as negative.
type account struct {
	w       *world
	index   int // in batch.Accounts
	balance int64
	held    int64 // pending
	today   time.Time
	ordinal int // of the last entry of today
	// undated is set for an account whose one entry moves with the clock: its
	// key has no date, so that it stays where it was loaded first.
	undated bool
}

// open adds an account to the batch. Its number display is filled in here.
func (w *world) open(username, purpose string, opening int64, a fdx.Account) *account {
	key := username + "/" + purpose
	number := w.number(key)
	d := a.Descriptor()
	d.AccountNumberDisplay = ledger.Mask(number)
	if d.Currency.CurrencyCode == "" {
		d.Currency.CurrencyCode = currency
	}
	if d.Status == "" {
		d.Status = fdx.StatusOpen
	}
	out := &account{w: w, index: len(w.batch.Accounts), balance: opening}
	w.batch.Accounts = append(w.batch.Accounts, ledger.Account{Institution: Institution, Key: key, Number: number, Account: a})
	w.hold(username, out, ledger.Owner)
	return out
}

func (w *world) hold(username string, a *account, r ledger.Relationship) {
	w.batch.Holders = append(w.batch.Holders, ledger.Holder{Username: username, Account: a.index, Relationship: r})
}

// fdx returns the account in the batch, to be filled in.
func (a *account) fdx() fdx.Account { return a.w.batch.Accounts[a.index].Account }

// entry is one line of an account.
type entry struct {
	cents    int64 // positive comes in, negative goes out
	text     string
	category string
	payee    string
	card     bool // a card payment: booked the next morning
	// A hold is never booked. It has no place in the order of the day, so that
	// the keys of the others stay what they are when it is gone.
	hold  bool
	loc   fdx.LineOfCreditTransactionType
	loan  fdx.LoanTransactionType
	trade *fdx.InvestmentTransaction // all but its base
	// What it was in another currency, as a number of foreignCurrency.
	foreign         fdx.Decimal
	foreignCurrency string
	check           int64  // number of the cheque that it was paid with, 0 for none
	memo            string // on that cheque
}

// post books an entry that happens at a time of day. Times before the history
// only change the balance; what is not booked by the end is pending.
func (a *account) post(day time.Time, at time.Duration, e entry) {
	if !day.Equal(a.today) {
		a.today, a.ordinal = day, 0
	}
	if !e.hold {
		a.ordinal++
	}
	happened := day.Add(at)
	booked := happened
	if e.card {
		booked = day.Add(28 * time.Hour)
	}
	key, replaces := day.Format(time.DateOnly)+"."+strconv.Itoa(a.ordinal), ""
	if a.undated {
		key = strconv.Itoa(a.ordinal)
	}
	if e.hold {
		key = "hold " + day.Format(time.DateOnly)
	} else if booked.After(happened) {
		replaces = "pending " + key
	}
	pending := !booked.Before(a.w.asOf)
	if pending {
		a.held += e.cents
		key, replaces = "pending "+key, ""
	} else {
		a.balance += e.cents
	}
	if happened.Before(a.w.from) {
		return
	}
	base := fdx.TransactionBase{
		TransactionTimestamp: fdx.TimestampOf(happened), PostedTimestamp: fdx.TimestampOf(booked), Status: fdx.Posted,
		Description: e.text, Category: e.category, DebitCreditMemo: fdx.Credit, Amount: cents(e.cents),
		ForeignAmount: e.foreign, ForeignCurrency: e.foreignCurrency,
	}
	if e.cents < 0 {
		base.DebitCreditMemo, base.Amount = fdx.Debit, cents(-e.cents)
	}
	if pending {
		base.PostedTimestamp, base.Status = fdx.Timestamp{}, fdx.Pending
	}
	var t fdx.Transaction
	switch {
	case a.fdx().Deposit != nil:
		if e.check != 0 {
			base.Memo, base.ImageIDs = e.memo, []fdx.ImageID{fdx.ImageID("check-" + strconv.FormatInt(e.check, 10) + "-front")}
		}
		t.Deposit = &fdx.DepositTransaction{TransactionBase: base, Payee: e.payee, CheckNumber: e.check}
	case a.fdx().LineOfCredit != nil:
		t.LineOfCredit = &fdx.LineOfCreditTransaction{TransactionBase: base, TransactionType: e.loc}
	case a.fdx().Loan != nil:
		t.Loan = &fdx.LoanTransaction{TransactionBase: base, TransactionType: e.loan}
	case a.fdx().Investment != nil:
		trade := *e.trade
		trade.TransactionBase = base
		t.Investment = &trade
	case a.fdx().Annuity != nil:
		t.Annuity = &fdx.AnnuityTransaction{TransactionBase: base}
	case a.fdx().Insurance != nil:
		t.Insurance = &fdx.InsuranceTransaction{TransactionBase: base, TransactionType: fdx.InsurancePayment}
	case a.fdx().Commercial != nil:
		t.Commercial = &fdx.CommercialTransaction{TransactionBase: base}
	case a.fdx().DigitalWallet != nil:
		t.DigitalWallet = &fdx.DigitalWalletTransaction{TransactionBase: base, Payee: e.payee}
	case a.fdx().BuyNowPayLater != nil:
		t.BuyNowPayLater = &fdx.BuyNowPayLaterTransaction{TransactionBase: base}
	}
	a.w.transactions = append(a.w.transactions, ledger.Transaction{Account: a.index, Key: key, Replaces: replaces, Transaction: t})
}

// finishDeposit writes the balances of a deposit account.
func (a *account) finishDeposit() {
	d := a.fdx().Deposit
	d.CurrentBalance = cents(a.balance)
	d.AvailableBalance = cents(a.balance + min(a.held, 0))
	d.BalanceAsOf = fdx.TimestampOf(a.w.asOf)
}

// cents returns an amount of minor units as a decimal with two digits.
func cents(n int64) fdx.Decimal { return fdx.NewDecimal(n, 2) }

// between returns a number from low to high, both included.
func between(r *rand.Rand, low, high int64) int64 { return low + r.Int64N(high-low+1) }

// clock returns a time of day.
func clock(hour, minute int) time.Duration {
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}

// sometime returns a time of day between two full hours.
func sometime(r *rand.Rand, from, to int) time.Duration {
	return time.Duration(between(r, int64(from)*3600, int64(to)*3600-1)) * time.Second
}

func lastOfMonth(day time.Time) bool { return day.AddDate(0, 0, 1).Day() == 1 }

func weekend(day time.Time) bool {
	return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
}
