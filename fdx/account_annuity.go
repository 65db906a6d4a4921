package fdx

// AnnuityAccount is an annuity contract. Amounts are in major units of
// Currency.
type AnnuityAccount struct {
	AccountDescriptor
	AccountType       AnnuityAccountType `json:"accountType,omitzero"`
	PolicyProductType AnnuityProductType `json:"policyProductType,omitzero"`
	PayoutType        PayoutType         `json:"payoutType,omitzero"`
	PeriodCertainType PeriodCertainType  `json:"periodCertainType,omitzero"`
	PayoutMode        PayoutMode         `json:"payoutMode,omitzero"`
	PayoutAmount      Decimal            `json:"payoutAmount,omitzero"`
	PayoutStartDate   Date               `json:"payoutStartDate,omitzero"`
	PayoutEndDate     Date               `json:"payoutEndDate,omitzero"`
	// NumberModalPayouts counts the payouts of the whole contract.
	NumberModalPayouts int `json:"numberModalPayouts,omitzero"`
	// PayoutChangeAmount and PayoutChangePercentage are how the payout moves,
	// as an amount or in percent; at most one is given.
	PayoutChangeAmount     Decimal `json:"payoutChangeAmount,omitzero"`
	PayoutChangePercentage Decimal `json:"payoutChangePercentage,omitzero"`
	// SurrenderValue is what the contract pays when it is given up today.
	SurrenderValue Decimal `json:"surrenderValue,omitzero"`
}

// AnnuityAccountType is the kind of an annuity.
type AnnuityAccountType string

// The kinds of annuities.
const (
	Annuity         AnnuityAccountType = "ANNUITY"
	FixedAnnuity    AnnuityAccountType = "FIXEDANNUITY"
	VariableAnnuity AnnuityAccountType = "VARIABLEANNUITY"
)

// AnnuityProductType is how the value of an annuity is reckoned.
type AnnuityProductType string

// The ways to reckon the value of an annuity.
const (
	FixedProduct    AnnuityProductType = "FIXED"
	VariableProduct AnnuityProductType = "VARIABLE"
)

// PayoutType is when an annuity begins to pay.
type PayoutType string

// The beginnings of payouts.
const (
	DeferredPayout  PayoutType = "DEFERRED"
	ImmediatePayout PayoutType = "IMMEDIATE"
)

// PayoutMode is how often an annuity pays.
type PayoutMode string

// The rhythms of payouts.
const (
	PayoutAnnually     PayoutMode = "ANNUALLY"
	PayoutBiweekly     PayoutMode = "BIWEEKLY"
	PayoutDaily        PayoutMode = "DAILY"
	PayoutMonthly      PayoutMode = "MONTHLY"
	PayoutSemiAnnually PayoutMode = "SEMIANNUALLY"
	PayoutSemiMonthly  PayoutMode = "SEMIMONTHLY"
	PayoutWeekly       PayoutMode = "WEEKLY"
)

// PeriodCertainType is for how long payouts are guaranteed.
type PeriodCertainType string

// The guaranteed periods.
const (
	NoPeriodCertain    PeriodCertainType = "NONE"
	FiveYearsCertain   PeriodCertainType = "5-YEAR"
	TenYearsCertain    PeriodCertainType = "10-YEAR"
	TwentyYearsCertain PeriodCertainType = "20-YEAR"
	ThirtyYearsCertain PeriodCertainType = "30-YEAR"
)
