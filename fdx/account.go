package fdx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// AccountCategory is the discriminator of accounts and transactions.
type AccountCategory string

// The account categories, all that FDX has.
const (
	DepositCategory        AccountCategory = "DEPOSIT_ACCOUNT"
	LineOfCreditCategory   AccountCategory = "LOC_ACCOUNT"
	LoanCategory           AccountCategory = "LOAN_ACCOUNT"
	InvestmentCategory     AccountCategory = "INVESTMENT_ACCOUNT"
	AnnuityCategory        AccountCategory = "ANNUITY_ACCOUNT"
	InsuranceCategory      AccountCategory = "INSURANCE_ACCOUNT"
	CommercialCategory     AccountCategory = "COMMERCIAL_ACCOUNT"
	DigitalWalletCategory  AccountCategory = "DIGITAL_WALLET"
	BuyNowPayLaterCategory AccountCategory = "BNPL_ACCOUNT"
)

// Account is an account of exactly one category: exactly one pointer is set.
// On the wire it is one flat object whose accountCategory tells which
// (AccountWithDescriptor, AccountWithDetails). The zero value is no account
// and does not marshal.
type Account struct {
	Deposit        *DepositAccount
	LineOfCredit   *LineOfCreditAccount
	Loan           *LoanAccount
	Investment     *InvestmentAccount
	Annuity        *AnnuityAccount
	Insurance      *InsuranceAccount
	Commercial     *CommercialAccount
	DigitalWallet  *DigitalWalletAccount
	BuyNowPayLater *BuyNowPayLaterAccount
}

// ErrInvalidAccount is returned for an account that holds no category or
// several, has no id, or is of a category that FDX lacks.
var ErrInvalidAccount = errors.New("not an account of exactly one known category with an id")

// AccountDescriptor holds what every account has, whatever its category.
type AccountDescriptor struct {
	// AccountID is always given.
	AccountID AccountID `json:"accountId,omitzero"`
	// AccountNumberDisplay is a masked number, such as the last four digits.
	AccountNumberDisplay string        `json:"accountNumberDisplay,omitzero"`
	ProductName          string        `json:"productName,omitzero"`
	ProductID            string        `json:"productId,omitzero"`
	Nickname             string        `json:"nickname,omitzero"`
	Description          string        `json:"description,omitzero"`
	Status               AccountStatus `json:"status,omitzero"`
	Currency             Currency      `json:"currency,omitzero"`
	// Error stands in a partial answer (HTTP 206) for what the bank could
	// not say about this account now.
	Error AccountError `json:"error,omitzero"`
}

// AccountError is why an account in a partial answer lacks what it lacks. It
// has no debug text, because the bank's would be about the bank's insides.
type AccountError struct {
	// Code is an FDX error code, such as 501.
	Code    string `json:"code,omitzero"`
	Message string `json:"message,omitzero"`
}

// Currency names a currency.
type Currency struct {
	// CurrencyCode is an ISO 4217 code, such as USD.
	CurrencyCode string `json:"currencyCode,omitzero"`
}

// AccountStatus is the state of an account.
type AccountStatus string

// The account states.
const (
	StatusClosed                 AccountStatus = "CLOSED"
	StatusDelinquent             AccountStatus = "DELINQUENT"
	StatusNegativeCurrentBalance AccountStatus = "NEGATIVECURRENTBALANCE"
	StatusOpen                   AccountStatus = "OPEN"
	StatusPaid                   AccountStatus = "PAID"
	StatusPendingClose           AccountStatus = "PENDINGCLOSE"
	StatusPendingOpen            AccountStatus = "PENDINGOPEN"
	StatusRestricted             AccountStatus = "RESTRICTED"
)

// Category returns the category, "" unless exactly one is set.
func (a Account) Category() AccountCategory {
	_, category := a.only()
	return category
}

// Descriptor returns the descriptor inside the account, not a copy, and nil
// unless exactly one category is set.
func (a Account) Descriptor() *AccountDescriptor {
	d, _ := a.only()
	return d
}

// ID returns the account id, "" unless exactly one category is set.
func (a Account) ID() AccountID {
	if d := a.Descriptor(); d != nil {
		return d.AccountID
	}
	return ""
}

// only returns the descriptor and the category, or nothing unless exactly one
// category is set.
func (a Account) only() (d *AccountDescriptor, category AccountCategory) {
	n := 0
	if a.Deposit != nil {
		n, d, category = n+1, &a.Deposit.AccountDescriptor, DepositCategory
	}
	if a.LineOfCredit != nil {
		n, d, category = n+1, &a.LineOfCredit.AccountDescriptor, LineOfCreditCategory
	}
	if a.Loan != nil {
		n, d, category = n+1, &a.Loan.AccountDescriptor, LoanCategory
	}
	if a.Investment != nil {
		n, d, category = n+1, &a.Investment.AccountDescriptor, InvestmentCategory
	}
	if a.Annuity != nil {
		n, d, category = n+1, &a.Annuity.AccountDescriptor, AnnuityCategory
	}
	if a.Insurance != nil {
		n, d, category = n+1, &a.Insurance.AccountDescriptor, InsuranceCategory
	}
	if a.Commercial != nil {
		n, d, category = n+1, &a.Commercial.AccountDescriptor, CommercialCategory
	}
	if a.DigitalWallet != nil {
		n, d, category = n+1, &a.DigitalWallet.AccountDescriptor, DigitalWalletCategory
	}
	if a.BuyNowPayLater != nil {
		n, d, category = n+1, &a.BuyNowPayLater.AccountDescriptor, BuyNowPayLaterCategory
	}
	if n != 1 {
		return nil, ""
	}
	return d, category
}

// MarshalJSON returns the flat object with accountCategory first. It returns
// ErrInvalidAccount for an account without exactly one category or without
// an id, which is what a filter that lets nothing through leaves.
func (a Account) MarshalJSON() ([]byte, error) { return a.append(nil) }

// append appends what MarshalJSON writes.
func (a *Account) append(b []byte) ([]byte, error) {
	head, category := a.only()
	if head == nil || head.AccountID == "" {
		return nil, ErrInvalidAccount
	}
	return appendFlat(b, reflect.ValueOf(a).Elem(), accountEncoders, category)
}

// accountEncoders are made once and never change.
var accountEncoders = encodersOf(reflect.TypeFor[Account]())

// UnmarshalJSON reads the flat object by its accountCategory. Properties this
// release lacks are skipped. The error wraps ErrInvalidAccount, or what the
// type of a property returns; on any error a is left as it was.
func (a *Account) UnmarshalJSON(data []byte) error {
	var head discriminator
	if err := json.Unmarshal(data, &head); err != nil {
		return wrongType(ErrInvalidAccount, err)
	}
	var parsed Account
	var err error
	switch head.AccountCategory {
	case DepositCategory:
		err = json.Unmarshal(data, &parsed.Deposit)
	case LineOfCreditCategory:
		err = json.Unmarshal(data, &parsed.LineOfCredit)
	case LoanCategory:
		err = json.Unmarshal(data, &parsed.Loan)
	case InvestmentCategory:
		err = json.Unmarshal(data, &parsed.Investment)
	case AnnuityCategory:
		err = json.Unmarshal(data, &parsed.Annuity)
	case InsuranceCategory:
		err = json.Unmarshal(data, &parsed.Insurance)
	case CommercialCategory:
		err = json.Unmarshal(data, &parsed.Commercial)
	case DigitalWalletCategory:
		err = json.Unmarshal(data, &parsed.DigitalWallet)
	case BuyNowPayLaterCategory:
		err = json.Unmarshal(data, &parsed.BuyNowPayLater)
	default:
		return ErrInvalidAccount
	}
	if err != nil {
		return wrongType(ErrInvalidAccount, err)
	}
	if _, err := ParseAccountID(string(parsed.ID())); err != nil {
		return ErrInvalidAccount
	}
	*a = parsed
	return nil
}

type discriminator struct {
	AccountCategory AccountCategory `json:"accountCategory"`
}

// wrongType keeps the name of the property and drops the value, which
// encoding/json may put into its error and which may be an account number.
func wrongType(invalid, err error) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("%w: wrong type of property %s", invalid, mismatch.Field)
	}
	return err
}

// AccountsAnswer is the answer to searchForAccounts.
type AccountsAnswer struct {
	Page  PageMetadata `json:"page,omitzero"`
	Links Links        `json:"links,omitzero"`
	// Accounts must not be empty: an empty list is ErrDataNotFound.
	Accounts []Account `json:"accounts"`
}

// MarshalJSON returns what WriteJSON writes.
func (a AccountsAnswer) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := a.WriteJSON(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteJSON is to accounts what TransactionsAnswer.WriteJSON is to
// transactions.
func (a AccountsAnswer) WriteJSON(b *bytes.Buffer) error {
	return writePage(b, a.Page, a.Links, "accounts", len(a.Accounts), func(i int, b []byte) ([]byte, error) {
		return a.Accounts[i].append(b)
	})
}
