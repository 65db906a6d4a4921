package upstream

import (
	"slices"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/mapping"
)

// account reads an account.
func (p *Provider) account(r record) (fdx.Account, error) {
	a, err := entity(r, p.rules().Account)
	if err != nil {
		return fdx.Account{}, err
	}
	if _, err := fdx.ParseAccountID(string(a.ID())); err != nil {
		return fdx.Account{}, wrong("an account without accountId")
	}
	return a, nil
}

// transaction reads a transaction. Without these members it cannot be told
// what happened and when, and whether money came or went.
func (p *Provider) transaction(r record, c fdx.AccountCategory) (fdx.Transaction, error) {
	t, err := entity(r, func(s mapping.Source) (fdx.Transaction, error) { return p.rules().Transaction(c, s) })
	if err != nil {
		return fdx.Transaction{}, err
	}
	b := t.Base()
	if _, err := fdx.ParseTransactionID(string(b.TransactionID)); err != nil {
		return fdx.Transaction{}, wrong("a transaction without transactionId")
	}
	switch {
	case b.TransactionTimestamp.IsZero():
		return fdx.Transaction{}, wrong("a transaction without transactionTimestamp")
	case !b.Amount.Present():
		return fdx.Transaction{}, wrong("a transaction without amount")
	case b.Amount.Sign() < 0:
		return fdx.Transaction{}, wrong("a transaction with a negative amount")
	case !slices.Contains([]fdx.DebitCreditMemo{fdx.Credit, fdx.Debit, fdx.Memo}, b.DebitCreditMemo):
		return fdx.Transaction{}, wrong("a transaction without debitCreditMemo")
	case !slices.Contains([]fdx.TransactionStatus{fdx.Authorization, fdx.MemoPosted, fdx.Pending, fdx.Posted}, b.Status):
		return fdx.Transaction{}, wrong("a transaction without status")
	}
	return t, nil
}

// statement reads what describes a statement.
func (p *Provider) statement(r record, _ fdx.AccountCategory) (fdx.Statement, error) {
	s, err := entity(r, p.rules().Statement)
	if err != nil {
		return fdx.Statement{}, err
	}
	if _, err := fdx.ParseStatementID(string(s.StatementID)); err != nil || s.StatementDate.IsZero() {
		return fdx.Statement{}, wrong("a statement without statementId or statementDate")
	}
	return s, nil
}

// customer reads a customer with its parts in accounts.
func (p *Provider) customer(r record) (fdx.Customer, error) {
	c, err := entity(r, p.rules().Customer)
	if err != nil {
		return fdx.Customer{}, err
	}
	if p.mapped != nil {
		parts, err := p.mapped.parts(r.mapped)
		if err != nil {
			return fdx.Customer{}, err
		}
		for _, source := range parts {
			part, err := entity(record{mapped: source}, p.rules().Holder)
			if err != nil {
				return fdx.Customer{}, err
			}
			c.Accounts = append(c.Accounts, part)
		}
	}
	if _, err := fdx.ParseCustomerID(string(c.CustomerID)); err != nil {
		return fdx.Customer{}, wrong("a customer without customerId")
	}
	for _, part := range c.Accounts {
		if _, err := fdx.ParseAccountID(string(part.AccountID)); err != nil {
			return fdx.Customer{}, wrong("a part in an account without accountId")
		}
	}
	return c, nil
}

// program reads a reward program.
func program(r record) (fdx.RewardProgram, error) {
	v, err := entity[fdx.RewardProgram](r, nil)
	if err != nil {
		return fdx.RewardProgram{}, err
	}
	if _, err := fdx.ParseRewardProgramID(string(v.RewardProgramID)); err != nil {
		return fdx.RewardProgram{}, wrong("a program without rewardProgramId")
	}
	return v, nil
}
