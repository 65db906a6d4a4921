package fdx

// InsuranceAccount is an insurance policy. Amounts are in major units of
// Currency.
type InsuranceAccount struct {
	AccountDescriptor
	AccountType          InsuranceAccountType `json:"accountType,omitzero"`
	PolicyStatus         PolicyStatus         `json:"policyStatus,omitzero"`
	PolicyPremium        Decimal              `json:"policyPremium,omitzero"`
	PolicyPremiumTerm    PolicyPremiumTerm    `json:"policyPremiumTerm,omitzero"`
	PolicyStartDate      Date                 `json:"policyStartDate,omitzero"`
	PolicyEndDate        Date                 `json:"policyEndDate,omitzero"`
	PolicyCoverageAmount Decimal              `json:"policyCoverageAmount,omitzero"`
	Bills                []Bill               `json:"bills,omitempty"`
}

// InsuranceAccountType is the kind of an insurance policy.
type InsuranceAccountType string

// The kinds of insurance policies.
const (
	LongTermDisability  InsuranceAccountType = "LONGTERMDISABILITY"
	ShortTermDisability InsuranceAccountType = "SHORTTERMDISABILITY"
	UniversalLife       InsuranceAccountType = "UNIVERSALLIFE"
	WholeLife           InsuranceAccountType = "WHOLELIFE"
)

// PolicyStatus is the state of a policy: one of the FDX values, of which the
// one in force has a name here.
type PolicyStatus string

// ActivePolicy is a policy in force.
const ActivePolicy PolicyStatus = "ACTIVE"

// PolicyPremiumTerm is how often the premium is due.
type PolicyPremiumTerm string

// The premium terms.
const (
	AnnualPremium  PolicyPremiumTerm = "ANNUAL"
	MonthlyPremium PolicyPremiumTerm = "MONTHLY"
)
