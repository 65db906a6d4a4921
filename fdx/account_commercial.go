package fdx

// CommercialAccount is an account of a company. FDX gives its balances as
// codes of a bank reporting standard in a form that is not public, so this
// release carries the descriptor alone.
type CommercialAccount struct {
	AccountDescriptor
	AccountType CommercialAccountType `json:"accountType,omitzero"`
}

// CommercialAccountType is the kind of a commercial account.
type CommercialAccountType string

// The kinds of commercial accounts.
const (
	CommercialDeposit      CommercialAccountType = "COMMERCIALDEPOSIT"
	CommercialInvestment   CommercialAccountType = "COMMERCIALINVESTMENT"
	CommercialLineOfCredit CommercialAccountType = "COMMERCIALLINEOFCREDIT"
	CommercialLoan         CommercialAccountType = "COMMERCIALLOAN"
)
