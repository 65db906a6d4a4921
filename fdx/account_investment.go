package fdx

// InvestmentAccount is a brokerage, retirement or similar account. Amounts
// are in major units of Currency.
type InvestmentAccount struct {
	AccountDescriptor
	AccountType InvestmentAccountType `json:"accountType,omitzero"`
	// AvailableCashBalance and CurrentValue are required by the core
	// exchange profile.
	AvailableCashBalance Decimal      `json:"availableCashBalance,omitzero"`
	CurrentValue         Decimal      `json:"currentValue,omitzero"`
	BalanceAsOf          Timestamp    `json:"balanceAsOf,omitzero"`
	EarnedInterest       InterestRate `json:"earnedInterest,omitzero"`
	Holdings             []Holding    `json:"holdings,omitempty"`
}

// Holding is a position in an investment account. Prices and values are in
// major units of Currency, or of the account's currency when there is none.
type Holding struct {
	SecurityIDs          []SecurityID   `json:"securityIds,omitempty"`
	HoldingName          string         `json:"holdingName,omitzero"`
	HoldingType          HoldingType    `json:"holdingType,omitzero"`
	HoldingSubType       HoldingSubType `json:"holdingSubType,omitzero"`
	Symbol               string         `json:"symbol,omitzero"`
	PurchasedPrice       Decimal        `json:"purchasedPrice,omitzero"`
	CurrentUnitPrice     Decimal        `json:"currentUnitPrice,omitzero"`
	CurrentUnitPriceDate Date           `json:"currentUnitPriceDate,omitzero"`
	Units                Decimal        `json:"units,omitzero"`
	// MarketValue and CashAccount are required by the core exchange profile.
	MarketValue Decimal  `json:"marketValue,omitzero"`
	FaceValue   Decimal  `json:"faceValue,omitzero"`
	CashAccount *bool    `json:"cashAccount,omitempty"`
	Currency    Currency `json:"currency,omitzero"`
	TaxLots     []TaxLot `json:"taxLots,omitempty"`
}

// SecurityID identifies a security in one numbering scheme.
type SecurityID struct {
	ID     string         `json:"id,omitzero"`
	IDType SecurityIDType `json:"idType,omitzero"`
}

// TaxLot is the part of a holding bought at one time.
type TaxLot struct {
	OriginalPurchaseDate Date         `json:"originalPurchaseDate,omitzero"`
	Quantity             Decimal      `json:"quantity,omitzero"`
	PurchasedPrice       Decimal      `json:"purchasedPrice,omitzero"`
	CostBasis            Decimal      `json:"costBasis,omitzero"`
	CurrentValue         Decimal      `json:"currentValue,omitzero"`
	PositionType         PositionType `json:"positionType,omitzero"`
}

// InvestmentAccountType is the kind of an investment account: one of the FDX
// values, of which the frequent ones have names here.
type InvestmentAccountType string

// Frequent kinds of investment accounts.
const (
	Plan401K         InvestmentAccountType = "401K"
	Plan403B         InvestmentAccountType = "403B"
	Plan529          InvestmentAccountType = "529"
	BrokerageProduct InvestmentAccountType = "BROKERAGEPRODUCT"
	DigitalAsset     InvestmentAccountType = "DIGITALASSET"
	IRA              InvestmentAccountType = "IRA"
	OtherInvestment  InvestmentAccountType = "OTHERINVESTMENT"
	Rollover         InvestmentAccountType = "ROLLOVER"
	Roth             InvestmentAccountType = "ROTH"
	Taxable          InvestmentAccountType = "TAXABLE"
)

// HoldingType is the kind of a holding.
type HoldingType string

// The kinds of holdings.
const (
	HoldingAnnuity              HoldingType = "ANNUITY"
	HoldingBond                 HoldingType = "BOND"
	HoldingCertificateOfDeposit HoldingType = "CD"
	HoldingDigitalAsset         HoldingType = "DIGITALASSET"
	HoldingMutualFund           HoldingType = "MUTUALFUND"
	HoldingOption               HoldingType = "OPTION"
	HoldingOther                HoldingType = "OTHER"
	HoldingStock                HoldingType = "STOCK"
)

// HoldingSubType tells cash from money market.
type HoldingSubType string

// The kinds of cash holdings.
const (
	HoldingCash        HoldingSubType = "CASH"
	HoldingMoneyMarket HoldingSubType = "MONEYMARKET"
)

// SecurityIDType is a numbering scheme of securities: one of the FDX values,
// of which the frequent ones have names here.
type SecurityIDType string

// Frequent numbering schemes.
const (
	CUSIP SecurityIDType = "CUSIP"
	ISIN  SecurityIDType = "ISIN"
	SEDOL SecurityIDType = "SEDOL"
)

// PositionType tells a long position from a short one.
type PositionType string

// The kinds of positions.
const (
	Long  PositionType = "LONG"
	Short PositionType = "SHORT"
)
