package fdx

// BuyNowPayLaterAccount is credit for single purchases, paid back in
// instalments. Amounts are in major units of Currency. The core exchange
// profile has no such category.
type BuyNowPayLaterAccount struct {
	AccountDescriptor
	AccountType     BuyNowPayLaterType `json:"accountType,omitzero"`
	CreditLine      Decimal            `json:"creditLine,omitzero"`
	AvailableCredit Decimal            `json:"availableCredit,omitzero"`
	// CurrentBalance is what is owed.
	CurrentBalance   Decimal   `json:"currentBalance,omitzero"`
	PrincipalBalance Decimal   `json:"principalBalance,omitzero"`
	BalanceAsOf      Timestamp `json:"balanceAsOf,omitzero"`
	FinanceCharges   Decimal   `json:"financeCharges,omitzero"`
}

// BuyNowPayLaterType is the kind of a buy-now-pay-later account.
type BuyNowPayLaterType string

// BuyNowPayLater is the one kind that FDX has.
const BuyNowPayLater BuyNowPayLaterType = "BNPL"
