package fdx

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
)

// Transaction is a transaction of exactly one account category: exactly one
// pointer is set. On the wire it is one flat object whose accountCategory
// tells which. The zero value is no transaction and does not marshal.
type Transaction struct {
	Deposit        *DepositTransaction
	LineOfCredit   *LineOfCreditTransaction
	Loan           *LoanTransaction
	Investment     *InvestmentTransaction
	Annuity        *AnnuityTransaction
	Insurance      *InsuranceTransaction
	Commercial     *CommercialTransaction
	DigitalWallet  *DigitalWalletTransaction
	BuyNowPayLater *BuyNowPayLaterTransaction
}

// ErrInvalidTransaction is returned for a transaction that holds no category
// or several, has no id, or is of an unknown category.
var ErrInvalidTransaction = errors.New("not a transaction of exactly one known category with an id")

// TransactionBase holds what every transaction has, whatever its category
// (FDX Transaction).
type TransactionBase struct {
	// TransactionID is always given, for pending transactions too.
	TransactionID TransactionID `json:"transactionId,omitzero"`
	// ReferenceTransactionID is the id of an earlier transaction this one
	// replaces or corrects, such as the pending one behind a posted one.
	ReferenceTransactionID TransactionID `json:"referenceTransactionId,omitzero"`
	// TransactionTimestamp is when it happened; always given.
	TransactionTimestamp Timestamp `json:"transactionTimestamp,omitzero"`
	// PostedTimestamp is when it was booked; none while pending.
	PostedTimestamp Timestamp `json:"postedTimestamp,omitzero"`
	// Description is the text of the statement line; always given.
	Description string `json:"description,omitzero"`
	// DebitCreditMemo is the direction of Amount; always given.
	DebitCreditMemo DebitCreditMemo `json:"debitCreditMemo,omitzero"`
	// Status is always given.
	Status TransactionStatus `json:"status,omitzero"`
	// Amount is absolute and in major units of the account's currency;
	// always given.
	Amount Decimal `json:"amount,omitzero"`
	// ForeignAmount is in major units of ForeignCurrency.
	ForeignAmount Decimal `json:"foreignAmount,omitzero"`
	// ForeignCurrency is an ISO 4217 code.
	ForeignCurrency string `json:"foreignCurrency,omitzero"`
	Category        string `json:"category,omitzero"`
	SubCategory     string `json:"subCategory,omitzero"`
	// CardNumberDisplay is masked.
	CardNumberDisplay string `json:"cardNumberDisplay,omitzero"`
	// Memo is further text, of at most 255 characters.
	Memo string `json:"memo,omitzero"`
	// Reference is the institution's own tracking text.
	Reference string `json:"reference,omitzero"`
	// TransactionPayee is nil when the payee is not known. It is a pointer
	// because it is larger than the rest and most transactions lack it.
	TransactionPayee *TransactionPayee `json:"transactionPayee,omitzero"`
	// LineItems are the parts of a split transaction.
	LineItems []LineItem        `json:"lineItem,omitempty"`
	Reward    TransactionReward `json:"reward,omitzero"`
	// ImageIDs name cheque and receipt images, and Links lead to them.
	ImageIDs []ImageID     `json:"imageIds,omitempty"`
	Links    []HateoasLink `json:"links,omitempty"`
}

// TransactionPayee is who was paid: a merchant or an individual.
type TransactionPayee struct {
	MerchantName   string          `json:"merchantName,omitzero"`
	MerchantID     string          `json:"merchantId,omitzero"`
	IndividualName IndividualName  `json:"individualName,omitzero"`
	Address        Address         `json:"address,omitzero"`
	Phone          TelephoneNumber `json:"phone,omitzero"`
}

// LineItem is a part of a transaction. Amount is in major units of the
// account's currency.
type LineItem struct {
	Description string        `json:"description,omitzero"`
	Amount      Decimal       `json:"amount,omitzero"`
	CheckNumber int64         `json:"checkNumber,omitzero"`
	Memo        string        `json:"memo,omitzero"`
	Reference   string        `json:"reference,omitzero"`
	ImageIDs    []ImageID     `json:"imageIds,omitempty"`
	Links       []HateoasLink `json:"links,omitempty"`
}

// TransactionReward is what a transaction earned in a reward program, in the
// unit of the program.
type TransactionReward struct {
	CategoryID RewardCategoryID `json:"categoryId,omitzero"`
	Accrued    Decimal          `json:"accrued,omitzero"`
	// Adjusted is negative for what was taken back.
	Adjusted Decimal `json:"adjusted,omitzero"`
}

// DebitCreditMemo is the direction of an amount.
type DebitCreditMemo string

// The directions.
const (
	Credit DebitCreditMemo = "CREDIT"
	Debit  DebitCreditMemo = "DEBIT"
	Memo   DebitCreditMemo = "MEMO"
)

// TransactionStatus is how far a transaction has come.
type TransactionStatus string

// The states of a transaction.
const (
	Authorization TransactionStatus = "AUTHORIZATION"
	MemoPosted    TransactionStatus = "MEMO"
	Pending       TransactionStatus = "PENDING"
	Posted        TransactionStatus = "POSTED"
)

// EffectiveDate returns the UTC date by which windows select the
// transaction: that of the booking, or of the event while not booked.
func (b TransactionBase) EffectiveDate() Date {
	if !b.PostedTimestamp.IsZero() {
		return b.PostedTimestamp.Date()
	}
	return b.TransactionTimestamp.Date()
}

// DepositTransaction is a transaction on a deposit account.
type DepositTransaction struct {
	TransactionBase
	// Payee is the deprecated form of TransactionPayee, which older clients
	// read.
	Payee       string `json:"payee,omitzero"`
	CheckNumber int64  `json:"checkNumber,omitzero"`
}

// LineOfCreditTransaction is a transaction on a line of credit.
type LineOfCreditTransaction struct {
	TransactionBase
	TransactionType LineOfCreditTransactionType `json:"transactionType,omitzero"`
	CheckNumber     int64                       `json:"checkNumber,omitzero"`
}

// LineOfCreditTransactionType is the kind of a line of credit transaction.
type LineOfCreditTransactionType string

// The kinds of line of credit transactions.
const (
	LocAdjustment LineOfCreditTransactionType = "ADJUSTMENT"
	LocCheck      LineOfCreditTransactionType = "CHECK"
	LocFee        LineOfCreditTransactionType = "FEE"
	LocInterest   LineOfCreditTransactionType = "INTEREST"
	LocPayment    LineOfCreditTransactionType = "PAYMENT"
	LocWithdrawal LineOfCreditTransactionType = "WITHDRAWAL"
	LocPurchase   LineOfCreditTransactionType = "PURCHASE"
)

// LoanTransaction is a transaction on a loan.
type LoanTransaction struct {
	TransactionBase
	TransactionType LoanTransactionType `json:"transactionType,omitzero"`
}

// LoanTransactionType is the kind of a loan transaction.
type LoanTransactionType string

// The kinds of loan transactions.
const (
	LoanAdjustment      LoanTransactionType = "ADJUSTMENT"
	LoanFee             LoanTransactionType = "FEE"
	LoanInterest        LoanTransactionType = "INTEREST"
	LoanPayment         LoanTransactionType = "PAYMENT"
	LoanLumpSumPayment  LoanTransactionType = "LUMP_SUM_PAYMENT"
	LoanSkipPayment     LoanTransactionType = "SKIP_PAYMENT"
	LoanDoubleUpPayment LoanTransactionType = "DOUBLE_UP_PAYMENT"
	LoanPayoff          LoanTransactionType = "PAYOFF"
)

// InvestmentTransaction is a transaction on an investment account.
type InvestmentTransaction struct {
	TransactionBase
	// TransactionType and Fees are required by the core exchange profile.
	TransactionType InvestmentTransactionType `json:"transactionType,omitzero"`
	// Fees and Commission are in major units of the account's currency.
	Fees           Decimal        `json:"fees,omitzero"`
	Commission     Decimal        `json:"commission,omitzero"`
	SecurityID     string         `json:"securityId,omitzero"`
	SecurityIDType SecurityIDType `json:"securityIdType,omitzero"`
	SecurityType   SecurityType   `json:"securityType,omitzero"`
	Symbol         string         `json:"symbol,omitzero"`
	UnitPrice      Decimal        `json:"unitPrice,omitzero"`
	Units          Decimal        `json:"units,omitzero"`
	UnitType       UnitType       `json:"unitType,omitzero"`
}

// InvestmentTransactionType is the kind of an investment transaction: one of
// the FDX values, of which the frequent ones have names here.
type InvestmentTransactionType string

// Frequent kinds of investment transactions.
const (
	InvestmentAdjustment       InvestmentTransactionType = "ADJUSTMENT"
	InvestmentContribution     InvestmentTransactionType = "CONTRIBUTION"
	InvestmentDeposit          InvestmentTransactionType = "DEPOSIT"
	InvestmentDividend         InvestmentTransactionType = "DIVIDEND"
	InvestmentDividendReinvest InvestmentTransactionType = "DIVIDENDREINVEST"
	InvestmentFee              InvestmentTransactionType = "FEE"
	InvestmentInterest         InvestmentTransactionType = "INTEREST"
	InvestmentOther            InvestmentTransactionType = "OTHER"
	InvestmentPurchased        InvestmentTransactionType = "PURCHASED"
	InvestmentSold             InvestmentTransactionType = "SOLD"
	InvestmentSplit            InvestmentTransactionType = "SPLIT"
	InvestmentTransfer         InvestmentTransactionType = "TRANSFER"
)

// AnnuityTransaction is a transaction on an annuity.
type AnnuityTransaction struct {
	TransactionBase
}

// InsuranceTransaction is a transaction on an insurance policy.
type InsuranceTransaction struct {
	TransactionBase
	TransactionType InsuranceTransactionType `json:"transactionType,omitzero"`
}

// InsuranceTransactionType is the kind of an insurance transaction.
type InsuranceTransactionType string

// The kinds of insurance transactions.
const (
	InsuranceAdjustment InsuranceTransactionType = "ADJUSTMENT"
	InsuranceFee        InsuranceTransactionType = "FEE"
	InsuranceInterest   InsuranceTransactionType = "INTEREST"
	InsurancePayment    InsuranceTransactionType = "PAYMENT"
)

// CommercialTransaction is a transaction on a company's account. The amounts
// are in major units of the account's currency.
type CommercialTransaction struct {
	TransactionBase
	// The amount as it becomes available: at once, on the next day, later.
	ImmediateAvailableBalance   Decimal `json:"immediateAvailableBalance,omitzero"`
	NextDayAvailableBalance     Decimal `json:"nextDayAvailableBalance,omitzero"`
	TwoDaysPlusAvailableBalance Decimal `json:"twoDaysPlusAvailableBalance,omitzero"`
	// References to where the bank recorded the transaction.
	ReferenceBankID     string `json:"referenceBankId,omitzero"`
	ReferenceBranchID   string `json:"referenceBranchId,omitzero"`
	ReferenceCustomerID string `json:"referenceCustomerId,omitzero"`
}

// DigitalWalletTransaction is a transaction on a digital wallet.
type DigitalWalletTransaction struct {
	TransactionBase
	// Payee is the deprecated form of TransactionPayee.
	Payee string `json:"payee,omitzero"`
}

// BuyNowPayLaterTransaction is a transaction on a buy-now-pay-later account.
type BuyNowPayLaterTransaction struct {
	TransactionBase
}

// SecurityType is the kind of a security in a transaction.
type SecurityType string

// The kinds of securities.
const (
	SecurityBond         SecurityType = "BOND"
	SecurityDebt         SecurityType = "DEBT"
	SecurityMutualFund   SecurityType = "MUTUALFUND"
	SecurityDigitalAsset SecurityType = "DIGITALASSET"
	SecurityOption       SecurityType = "OPTION"
	SecurityOther        SecurityType = "OTHER"
	SecurityStock        SecurityType = "STOCK"
	SecuritySweep        SecurityType = "SWEEP"
)

// UnitType is what the units of a transaction count.
type UnitType string

// The kinds of units.
const (
	CurrencyUnits UnitType = "CURRENCY"
	ShareUnits    UnitType = "SHARES"
)

// Category returns the account category, "" unless exactly one is set.
func (t Transaction) Category() AccountCategory {
	_, category := t.only()
	return category
}

// Base returns the base inside the transaction, not a copy, and nil unless
// exactly one category is set.
func (t Transaction) Base() *TransactionBase {
	b, _ := t.only()
	return b
}

// only returns the base and the category, or nothing unless exactly one
// category is set.
func (t Transaction) only() (b *TransactionBase, category AccountCategory) {
	n := 0
	if t.Deposit != nil {
		n, b, category = n+1, &t.Deposit.TransactionBase, DepositCategory
	}
	if t.LineOfCredit != nil {
		n, b, category = n+1, &t.LineOfCredit.TransactionBase, LineOfCreditCategory
	}
	if t.Loan != nil {
		n, b, category = n+1, &t.Loan.TransactionBase, LoanCategory
	}
	if t.Investment != nil {
		n, b, category = n+1, &t.Investment.TransactionBase, InvestmentCategory
	}
	if t.Annuity != nil {
		n, b, category = n+1, &t.Annuity.TransactionBase, AnnuityCategory
	}
	if t.Insurance != nil {
		n, b, category = n+1, &t.Insurance.TransactionBase, InsuranceCategory
	}
	if t.Commercial != nil {
		n, b, category = n+1, &t.Commercial.TransactionBase, CommercialCategory
	}
	if t.DigitalWallet != nil {
		n, b, category = n+1, &t.DigitalWallet.TransactionBase, DigitalWalletCategory
	}
	if t.BuyNowPayLater != nil {
		n, b, category = n+1, &t.BuyNowPayLater.TransactionBase, BuyNowPayLaterCategory
	}
	if n != 1 {
		return nil, ""
	}
	return b, category
}

// MarshalJSON returns the flat object with accountCategory first. It returns
// ErrInvalidTransaction for a transaction without exactly one category or without
// an id, which is what a filter that lets nothing through leaves.
func (t Transaction) MarshalJSON() ([]byte, error) { return t.append(nil) }

// append appends what MarshalJSON writes.
func (t *Transaction) append(b []byte) ([]byte, error) {
	head, category := t.only()
	if head == nil || head.TransactionID == "" {
		return nil, ErrInvalidTransaction
	}
	return appendFlat(b, reflect.ValueOf(t).Elem(), transactionEncoders, category)
}

// transactionEncoders are made once and never change.
var transactionEncoders = encodersOf(reflect.TypeFor[Transaction]())

// UnmarshalJSON reads the flat object by its accountCategory. Properties this
// release lacks are skipped. The error wraps ErrInvalidTransaction, or what
// the type of a property returns; on any error t is left as it was.
func (t *Transaction) UnmarshalJSON(data []byte) error {
	var head discriminator
	if err := json.Unmarshal(data, &head); err != nil {
		return wrongType(ErrInvalidTransaction, err)
	}
	var parsed Transaction
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
		return ErrInvalidTransaction
	}
	if err != nil {
		return wrongType(ErrInvalidTransaction, err)
	}
	if _, err := ParseTransactionID(string(parsed.Base().TransactionID)); err != nil {
		return ErrInvalidTransaction
	}
	*t = parsed
	return nil
}

// TransactionsAnswer is the answer to searchForAccountTransactions.
type TransactionsAnswer struct {
	Page  PageMetadata `json:"page,omitzero"`
	Links Links        `json:"links,omitzero"`
	// Transactions may be empty, which is [] in the JSON and never null.
	Transactions []Transaction `json:"transactions"`
}

// MarshalJSON returns what WriteJSON writes.
func (a TransactionsAnswer) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := a.WriteJSON(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteJSON appends the JSON to b, no list as []. It holds no second copy of
// a page, however long. It returns what Transaction.MarshalJSON returns; b is
// then of no use.
func (a TransactionsAnswer) WriteJSON(b *bytes.Buffer) error {
	return writePage(b, a.Page, a.Links, "transactions", len(a.Transactions), func(i int, b []byte) ([]byte, error) {
		return a.Transactions[i].append(b)
	})
}
