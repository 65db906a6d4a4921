package fdx

// DepositAccount is a checking, savings or similar account.
type DepositAccount struct {
	AccountDescriptor
	AccountType DepositAccountType `json:"accountType,omitzero"`
	// CurrentBalance is the booked balance in major units of Currency. The
	// core exchange profile requires it.
	CurrentBalance Decimal `json:"currentBalance,omitzero"`
	// AvailableBalance is what the customer can use, in major units of
	// Currency. The core exchange profile requires it.
	AvailableBalance          Decimal         `json:"availableBalance,omitzero"`
	OpeningDayBalance         Decimal         `json:"openingDayBalance,omitzero"`
	BalanceAsOf               Timestamp       `json:"balanceAsOf,omitzero"`
	EarnedInterest            InterestRate    `json:"earnedInterest,omitzero"`
	UnderArbitration          *bool           `json:"underArbitration,omitempty"`
	OverdraftOptIn            *bool           `json:"overdraftOptIn,omitempty"`
	Overdrafted               *bool           `json:"overdrafted,omitempty"`
	OverdraftProtectionFunded *bool           `json:"overdraftProtectionFunded,omitempty"`
	OverdraftFundingSources   []FundingSource `json:"overdraftFundingSources,omitempty"`
}

// FundingSource is where money comes from when the account is overdrawn. FDX
// also names that account's id and number, which this release does not carry:
// the account need not be in the grant.
type FundingSource struct {
	AccountType     string `json:"accountType,omitzero"`
	InstitutionName string `json:"institutionName,omitzero"`
}

// DepositAccountType is the kind of a deposit account.
type DepositAccountType string

// The kinds of deposit accounts.
const (
	Checking                   DepositAccountType = "CHECKING"
	Savings                    DepositAccountType = "SAVINGS"
	CertificateOfDeposit       DepositAccountType = "CD"
	Escrow                     DepositAccountType = "ESCROW"
	MoneyMarket                DepositAccountType = "MONEYMARKET"
	HighInterestSavingsAccount DepositAccountType = "HIGHINTERESTSAVINGSACCOUNT"
	FirstHomeSavingsAccount    DepositAccountType = "FIRSTHOMESAVINGSACCOUNT"
	OtherDeposit               DepositAccountType = "OTHERDEPOSIT"
)

// InterestRate is a rate earned or charged. Rates are in percent: 4.25 is
// 4.25 percent a year.
type InterestRate struct {
	Rate              Decimal           `json:"rate,omitzero"`
	RateAsOf          Date              `json:"rateAsOf,omitzero"`
	CompoundingPeriod CompoundingPeriod `json:"compoundingPeriod,omitzero"`
	PriorRate         Decimal           `json:"priorRate,omitzero"`
	Type              InterestRateType  `json:"type,omitzero"`
	// Index names the reference rate of an indexed rate.
	Index string `json:"index,omitzero"`
}

// CompoundingPeriod is how often interest is added.
type CompoundingPeriod string

// The compounding periods.
const (
	Annually     CompoundingPeriod = "ANNUALLY"
	Biweekly     CompoundingPeriod = "BIWEEKLY"
	Daily        CompoundingPeriod = "DAILY"
	Monthly      CompoundingPeriod = "MONTHLY"
	SemiAnnually CompoundingPeriod = "SEMIANNUALLY"
	SemiMonthly  CompoundingPeriod = "SEMIMONTHLY"
	Weekly       CompoundingPeriod = "WEEKLY"
)

// InterestRateType is how a rate moves.
type InterestRateType string

// The kinds of rates.
const (
	FixedRate    InterestRateType = "FIXED"
	IndexedRate  InterestRateType = "INDEXED"
	VariableRate InterestRateType = "VARIABLE"
)
