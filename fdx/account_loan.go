package fdx

// LoanAccount is a loan with a fixed plan, such as a mortgage. Amounts are in
// major units of Currency, rates in percent.
type LoanAccount struct {
	AccountDescriptor
	AccountType LoanAccountType `json:"accountType,omitzero"`
	// PrincipalBalance is what is owed. The core exchange profile requires
	// it, InterestRate and InterestRateType.
	PrincipalBalance  Decimal   `json:"principalBalance,omitzero"`
	EscrowBalance     Decimal   `json:"escrowBalance,omitzero"`
	BalanceAsOf       Timestamp `json:"balanceAsOf,omitzero"`
	OriginalPrincipal Decimal   `json:"originalPrincipal,omitzero"`
	OriginatingDate   Date      `json:"originatingDate,omitzero"`
	MaturityDate      Date      `json:"maturityDate,omitzero"`
	// LoanTerm is in months.
	LoanTerm               int              `json:"loanTerm,omitzero"`
	InterestRate           Decimal          `json:"interestRate,omitzero"`
	InterestRateType       InterestRateType `json:"interestRateType,omitzero"`
	AnnualPercentageRate   Decimal          `json:"annualPercentageRate,omitzero"`
	ChargedInterest        InterestRate     `json:"chargedInterest,omitzero"`
	InterestPaidYearToDate Decimal          `json:"interestPaidYearToDate,omitzero"`
	NextPaymentAmount      Decimal          `json:"nextPaymentAmount,omitzero"`
	NextPaymentDate        Date             `json:"nextPaymentDate,omitzero"`
	LastPaymentAmount      Decimal          `json:"lastPaymentAmount,omitzero"`
	LastPaymentDate        Date             `json:"lastPaymentDate,omitzero"`
	LoanProviderName       string           `json:"loanProviderName,omitzero"`
	CurrentSchool          string           `json:"currentSchool,omitzero"`
}

// LoanAccountType is the kind of a loan.
type LoanAccountType string

// The kinds of loans.
const (
	AutoLoan       LoanAccountType = "AUTOLOAN"
	HomeEquityLoan LoanAccountType = "HOMEEQUITYLOAN"
	Installment    LoanAccountType = "INSTALLMENT"
	Loan           LoanAccountType = "LOAN"
	MilitaryLoan   LoanAccountType = "MILITARYLOAN"
	Mortgage       LoanAccountType = "MORTGAGE"
	PersonalLoan   LoanAccountType = "PERSONALLOAN"
	SMBLoan        LoanAccountType = "SMBLOAN"
	StudentLoan    LoanAccountType = "STUDENTLOAN"
)
