package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// This file is the form of accounts and transactions in the tables: what every
// category has is in columns, the rest in detail under its FDX names.

// kind is one category of accounts and of their transactions. Each function
// replaces what the one pointer of that category points to by a copy, or by a
// zero value when it is nil, and returns it, for JSON to read or write.
type kind struct {
	account     func(*fdx.Account) any
	transaction func(*fdx.Transaction) any
}

// kindOf returns the kind of a category, false for one that FDX lacks. It is
// the only place that has to know a new category.
func kindOf(c fdx.AccountCategory) (kind, bool) {
	switch c {
	case fdx.DepositCategory:
		return kind{func(a *fdx.Account) any { return own(&a.Deposit) }, func(t *fdx.Transaction) any { return own(&t.Deposit) }}, true
	case fdx.LineOfCreditCategory:
		return kind{func(a *fdx.Account) any { return own(&a.LineOfCredit) }, func(t *fdx.Transaction) any { return own(&t.LineOfCredit) }}, true
	case fdx.LoanCategory:
		return kind{func(a *fdx.Account) any { return own(&a.Loan) }, func(t *fdx.Transaction) any { return own(&t.Loan) }}, true
	case fdx.InvestmentCategory:
		return kind{func(a *fdx.Account) any { return own(&a.Investment) }, func(t *fdx.Transaction) any { return own(&t.Investment) }}, true
	case fdx.AnnuityCategory:
		return kind{func(a *fdx.Account) any { return own(&a.Annuity) }, func(t *fdx.Transaction) any { return own(&t.Annuity) }}, true
	case fdx.InsuranceCategory:
		return kind{func(a *fdx.Account) any { return own(&a.Insurance) }, func(t *fdx.Transaction) any { return own(&t.Insurance) }}, true
	case fdx.CommercialCategory:
		return kind{func(a *fdx.Account) any { return own(&a.Commercial) }, func(t *fdx.Transaction) any { return own(&t.Commercial) }}, true
	case fdx.DigitalWalletCategory:
		return kind{func(a *fdx.Account) any { return own(&a.DigitalWallet) }, func(t *fdx.Transaction) any { return own(&t.DigitalWallet) }}, true
	case fdx.BuyNowPayLaterCategory:
		return kind{func(a *fdx.Account) any { return own(&a.BuyNowPayLater) }, func(t *fdx.Transaction) any { return own(&t.BuyNowPayLater) }}, true
	}
	return kind{}, false
}

func own[T any](p **T) *T {
	v := new(T)
	if *p != nil {
		*v = **p
	}
	*p = v
	return v
}

// balances are where an account keeps what the columns balance, available and
// balance_as_of hold; nil where the category has no such thing.
type balances struct {
	balance, available *fdx.Decimal
	asOf               *fdx.Timestamp
}

func balancesOf(a fdx.Account) balances {
	switch {
	case a.Deposit != nil:
		return balances{&a.Deposit.CurrentBalance, &a.Deposit.AvailableBalance, &a.Deposit.BalanceAsOf}
	case a.LineOfCredit != nil:
		return balances{&a.LineOfCredit.CurrentBalance, &a.LineOfCredit.AvailableCredit, &a.LineOfCredit.BalanceAsOf}
	case a.Loan != nil:
		return balances{&a.Loan.PrincipalBalance, nil, &a.Loan.BalanceAsOf}
	case a.Investment != nil:
		return balances{&a.Investment.CurrentValue, &a.Investment.AvailableCashBalance, &a.Investment.BalanceAsOf}
	case a.DigitalWallet != nil:
		return balances{&a.DigitalWallet.CurrentBalance, &a.DigitalWallet.AvailableBalance, &a.DigitalWallet.BalanceAsOf}
	case a.BuyNowPayLater != nil:
		return balances{&a.BuyNowPayLater.CurrentBalance, &a.BuyNowPayLater.AvailableCredit, &a.BuyNowPayLater.BalanceAsOf}
	}
	return balances{}
}

// value returns what a pointer points to, the zero value for nil.
func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

func set[T any](p *T, v T) {
	if p != nil {
		*p = v
	}
}

// The columns of an account, from table alias a, in the order of
// accountRow.targets. Money is read as text, which keeps every digit.
const accountColumns = `a.id, a.seq, a.category, a.number_display, a.product_name, a.nickname, a.status, a.currency,
	a.balance::text, a.available::text, a.balance_as_of, a.detail, ` + closedTo

// closedTo says why an account, alias a, cannot be read now.
const closedTo = `CASE WHEN a.services ? 'locked' THEN 'locked' WHEN a.services ? 'down' THEN 'down' ELSE '' END`

// closed is a value of closedTo.
type closed string

// err returns the error of a read of the account, nil for one that is open.
func (c closed) err() error {
	switch c {
	case "locked":
		return resource.ErrAccountLocked
	case "down":
		return resource.ErrUnavailable
	}
	return nil
}

// accountRow is an account between its columns and its FDX form.
type accountRow struct {
	id                 fdx.AccountID
	seq                int64
	category           fdx.AccountCategory
	descriptor         fdx.AccountDescriptor
	currency           string
	balance, available fdx.Decimal
	asOf               *time.Time
	detail             []byte
	closed             closed
}

func (r *accountRow) targets() []any {
	d := &r.descriptor
	return []any{&r.id, &r.seq, &r.category, &d.AccountNumberDisplay, &d.ProductName, &d.Nickname, &d.Status, &r.currency,
		&r.balance, &r.available, &r.asOf, &r.detail, &r.closed}
}

// account returns the FDX form.
func (r *accountRow) account() (fdx.Account, error) {
	var out fdx.Account
	k, ok := kindOf(r.category)
	if !ok {
		return out, fmt.Errorf("account %s: unknown category in the database", r.id)
	}
	if err := json.Unmarshal(r.detail, k.account(&out)); err != nil {
		return fdx.Account{}, fmt.Errorf("account %s: detail: %w", r.id, err)
	}
	d := out.Descriptor()
	d.AccountID, d.Currency.CurrencyCode = r.id, r.currency
	d.AccountNumberDisplay, d.ProductName = r.descriptor.AccountNumberDisplay, r.descriptor.ProductName
	d.Nickname, d.Status = r.descriptor.Nickname, r.descriptor.Status
	b := balancesOf(out)
	set(b.balance, r.balance)
	set(b.available, r.available)
	if r.asOf != nil {
		set(b.asOf, fdx.TimestampOf(*r.asOf))
	}
	return out, nil
}

// accountDetail returns what the columns of an account do not hold, as JSON.
func accountDetail(a fdx.Account) ([]byte, error) {
	k, ok := kindOf(a.Category())
	if !ok {
		return nil, fdx.ErrInvalidAccount
	}
	from := k.account(&a) // a copy: the caller's account stays as it is
	d := a.Descriptor()
	*d = fdx.AccountDescriptor{ProductID: d.ProductID, Description: d.Description}
	b := balancesOf(a)
	set(b.balance, fdx.Decimal{})
	set(b.available, fdx.Decimal{})
	set(b.asOf, fdx.Timestamp{})
	if a.Investment != nil {
		a.Investment.Holdings = nil // a table of their own
	}
	return json.Marshal(from)
}

// The columns of a transaction in the order of txnRow.targets.
const txnColumns = `id, pending, at, happened_at, amount::text AS amount, direction, description, detail`

// txnRow is a transaction between its columns and its FDX form.
type txnRow struct {
	id          int64
	pending     bool
	at          time.Time
	happenedAt  time.Time
	amount      fdx.Decimal
	direction   fdx.DebitCreditMemo
	description string
	detail      pgtype.DriverBytes // good until the next row
}

// details reads the details of many rows with one decoder.
type details struct {
	text    bytes.Buffer
	decoder *json.Decoder
}

func newDetails() *details {
	d := new(details)
	d.decoder = json.NewDecoder(&d.text)
	return d
}

// into reads one detail. After an error it reads no more.
func (d *details) into(detail []byte, v any) error {
	d.text.Write(detail)
	return d.decoder.Decode(v)
}

func (r *txnRow) targets() []any {
	return []any{&r.id, &r.pending, &r.at, &r.happenedAt, &r.amount, &r.direction, &r.description, &r.detail}
}

// transaction returns the FDX form; category is the account's.
func (r *txnRow) transaction(category fdx.AccountCategory, d *details) (fdx.Transaction, error) {
	var out fdx.Transaction
	k, ok := kindOf(category)
	if !ok {
		return out, fmt.Errorf("transaction %d: unknown category in the database", r.id)
	}
	if err := d.into(r.detail, k.transaction(&out)); err != nil {
		return fdx.Transaction{}, fmt.Errorf("transaction %d: detail: %w", r.id, err)
	}
	b := out.Base()
	b.TransactionID = fdx.TransactionID(strconv.FormatInt(r.id, 10))
	b.TransactionTimestamp = fdx.TimestampOf(r.happenedAt)
	b.Status = fdx.Pending
	if !r.pending {
		b.Status = fdx.Posted
		b.PostedTimestamp = fdx.TimestampOf(r.at)
	}
	b.Amount, b.DebitCreditMemo, b.Description = r.amount, r.direction, r.description
	return out, nil
}

// txnDetail returns what the columns of a transaction do not hold, as JSON.
func txnDetail(t fdx.Transaction) ([]byte, error) {
	k, ok := kindOf(t.Category())
	if !ok {
		return nil, fdx.ErrInvalidTransaction
	}
	from := k.transaction(&t) // a copy: the caller's transaction stays as it is
	b := t.Base()
	b.TransactionID = ""
	b.TransactionTimestamp, b.PostedTimestamp = fdx.Timestamp{}, fdx.Timestamp{}
	b.Status, b.Amount, b.DebitCreditMemo, b.Description = "", fdx.Decimal{}, "", ""
	return json.Marshal(from)
}

// holdingDetail returns what the columns of a holding do not hold, as JSON.
func holdingDetail(h fdx.Holding) ([]byte, error) {
	h.HoldingName, h.Symbol = "", ""
	h.Units, h.CurrentUnitPrice, h.MarketValue = fdx.Decimal{}, fdx.Decimal{}, fdx.Decimal{}
	h.CurrentUnitPriceDate = fdx.Date{}
	return json.Marshal(h)
}
