package sandbox

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/headgate/headgate/fdx"
)

// The columns of an account, from table alias a, in the order of
// accountRow.targets. Money is read as text, which keeps every digit.
const accountColumns = `a.id, a.seq, a.category, a.number_display, a.product_name, a.nickname, a.status, a.currency,
	a.balance::text, a.available::text, a.balance_as_of, a.detail`

// accountRow is an account between its columns and its FDX form: what every
// category has is in columns, the rest in detail under its FDX names.
type accountRow struct {
	id                 fdx.AccountID
	seq                int64
	category           fdx.AccountCategory
	descriptor         fdx.AccountDescriptor
	currency           string
	balance, available fdx.Decimal
	asOf               *time.Time
	detail             []byte
}

func (r *accountRow) targets() []any {
	d := &r.descriptor
	return []any{&r.id, &r.seq, &r.category, &d.AccountNumberDisplay, &d.ProductName, &d.Nickname, &d.Status, &r.currency,
		&r.balance, &r.available, &r.asOf, &r.detail}
}

// account returns the FDX form.
func (r *accountRow) account() (fdx.Account, error) {
	r.descriptor.AccountID = r.id
	r.descriptor.Currency.CurrencyCode = r.currency
	var asOf fdx.Timestamp
	if r.asOf != nil {
		asOf = fdx.TimestampOf(*r.asOf)
	}
	var out fdx.Account
	var into any
	switch r.category {
	case fdx.DepositCategory:
		out.Deposit = &fdx.DepositAccount{}
		into = out.Deposit
	case fdx.LineOfCreditCategory:
		out.LineOfCredit = &fdx.LineOfCreditAccount{}
		into = out.LineOfCredit
	case fdx.LoanCategory:
		out.Loan = &fdx.LoanAccount{}
		into = out.Loan
	case fdx.InvestmentCategory:
		out.Investment = &fdx.InvestmentAccount{}
		into = out.Investment
	default:
		return out, fmt.Errorf("account %s: unknown category in the database", r.id)
	}
	if err := json.Unmarshal(r.detail, into); err != nil {
		return fdx.Account{}, fmt.Errorf("account %s: detail: %w", r.id, err)
	}
	*out.Descriptor() = r.descriptor
	balance, available, at := balancesOf(out)
	*balance, *at = r.balance, asOf
	if available != nil {
		*available = r.available
	}
	return out, nil
}

// balancesOf returns where an account keeps what the columns balance,
// available (nil for a loan, which has none) and balance_as_of hold.
func balancesOf(a fdx.Account) (balance, available *fdx.Decimal, asOf *fdx.Timestamp) {
	switch {
	case a.Deposit != nil:
		return &a.Deposit.CurrentBalance, &a.Deposit.AvailableBalance, &a.Deposit.BalanceAsOf
	case a.LineOfCredit != nil:
		return &a.LineOfCredit.CurrentBalance, &a.LineOfCredit.AvailableCredit, &a.LineOfCredit.BalanceAsOf
	case a.Loan != nil:
		return &a.Loan.PrincipalBalance, nil, &a.Loan.BalanceAsOf
	}
	return &a.Investment.CurrentValue, &a.Investment.AvailableCashBalance, &a.Investment.BalanceAsOf
}

// accountDetail returns what the columns of an account do not hold, as JSON.
func accountDetail(a fdx.Account) ([]byte, error) {
	// A copy, so that the caller's account stays as it is.
	var rest fdx.Account
	var from any
	switch {
	case a.Deposit != nil:
		c := *a.Deposit
		rest.Deposit, from = &c, &c
	case a.LineOfCredit != nil:
		c := *a.LineOfCredit
		rest.LineOfCredit, from = &c, &c
	case a.Loan != nil:
		c := *a.Loan
		rest.Loan, from = &c, &c
	default:
		c := *a.Investment
		c.Holdings = nil // a table of their own
		rest.Investment, from = &c, &c
	}
	*rest.Descriptor() = fdx.AccountDescriptor{}
	balance, available, asOf := balancesOf(rest)
	*balance, *asOf = fdx.Decimal{}, fdx.Timestamp{}
	if available != nil {
		*available = fdx.Decimal{}
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
	detail      []byte
}

func (r *txnRow) targets() []any {
	return []any{&r.id, &r.pending, &r.at, &r.happenedAt, &r.amount, &r.direction, &r.description, &r.detail}
}

// transaction returns the FDX form; category is the account's.
func (r *txnRow) transaction(category fdx.AccountCategory) (fdx.Transaction, error) {
	var out fdx.Transaction
	var into any
	switch category {
	case fdx.DepositCategory:
		out.Deposit = &fdx.DepositTransaction{}
		into = out.Deposit
	case fdx.LineOfCreditCategory:
		out.LineOfCredit = &fdx.LineOfCreditTransaction{}
		into = out.LineOfCredit
	case fdx.LoanCategory:
		out.Loan = &fdx.LoanTransaction{}
		into = out.Loan
	case fdx.InvestmentCategory:
		out.Investment = &fdx.InvestmentTransaction{}
		into = out.Investment
	default:
		return out, fmt.Errorf("transaction %d: unknown category in the database", r.id)
	}
	if err := json.Unmarshal(r.detail, into); err != nil {
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
	var rest fdx.Transaction
	var from any
	switch {
	case t.Deposit != nil:
		c := *t.Deposit
		rest.Deposit, from = &c, &c
	case t.LineOfCredit != nil:
		c := *t.LineOfCredit
		rest.LineOfCredit, from = &c, &c
	case t.Loan != nil:
		c := *t.Loan
		rest.Loan, from = &c, &c
	default:
		c := *t.Investment
		rest.Investment, from = &c, &c
	}
	b := rest.Base()
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
