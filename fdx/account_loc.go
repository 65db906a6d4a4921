package fdx

// LineOfCreditAccount is a credit card or another line of credit. Amounts
// are in major units of Currency, APRs in percent.
type LineOfCreditAccount struct {
	AccountDescriptor
	AccountType     LineOfCreditAccountType `json:"accountType,omitzero"`
	CreditLine      Decimal                 `json:"creditLine,omitzero"`
	AvailableCredit Decimal                 `json:"availableCredit,omitzero"`
	// CurrentBalance is what is owed. The core exchange profile requires it.
	CurrentBalance       Decimal   `json:"currentBalance,omitzero"`
	PrincipalBalance     Decimal   `json:"principalBalance,omitzero"`
	CashAdvanceBalance   Decimal   `json:"cashAdvanceBalance,omitzero"`
	TransferBalance      Decimal   `json:"transferBalance,omitzero"`
	PPILBalance          Decimal   `json:"ppilBalance,omitzero"`
	BalanceAsOf          Timestamp `json:"balanceAsOf,omitzero"`
	NextPaymentAmount    Decimal   `json:"nextPaymentAmount,omitzero"`
	NextPaymentDate      Date      `json:"nextPaymentDate,omitzero"`
	MinimumPaymentAmount Decimal   `json:"minimumPaymentAmount,omitzero"`
	LastPaymentAmount    Decimal   `json:"lastPaymentAmount,omitzero"`
	LastPaymentDate      Date      `json:"lastPaymentDate,omitzero"`
	PastDueAmount        Decimal   `json:"pastDueAmount,omitzero"`
	LastStmtBalance      Decimal   `json:"lastStmtBalance,omitzero"`
	LastStmtDate         Date      `json:"lastStmtDate,omitzero"`
	PurchasesAPR         Decimal   `json:"purchasesApr,omitzero"`
	AdvancesAPR          Decimal   `json:"advancesApr,omitzero"`
	// TransfersAPR is the deprecated name of BalanceTransfersAPR.
	TransfersAPR        Decimal            `json:"transfersApr,omitzero"`
	BalanceTransfersAPR Decimal            `json:"balanceTransfersApr,omitzero"`
	PPILAPR             Decimal            `json:"ppilApr,omitzero"`
	TargetRateSaleAPR   Decimal            `json:"targetRateSaleApr,omitzero"`
	FeeSchedule         string             `json:"feeSchedule,omitzero"`
	ChargedInterest     InterestRate       `json:"chargedInterest,omitzero"`
	UnderArbitration    *bool              `json:"underArbitration,omitempty"`
	Bills               []Bill             `json:"bills,omitempty"`
	ScheduledPayments   []ScheduledPayment `json:"scheduledPayments,omitempty"`
}

// LineOfCreditAccountType is the kind of a line of credit.
type LineOfCreditAccountType string

// The kinds of lines of credit.
const (
	LineOfCredit     LineOfCreditAccountType = "LINEOFCREDIT"
	ChargeCard       LineOfCreditAccountType = "CHARGE"
	CreditCard       LineOfCreditAccountType = "CREDITCARD"
	HomeLineOfCredit LineOfCreditAccountType = "HOMELINEOFCREDIT"
)

// Bill is an amount due (FDX Bills). Amounts are in major units of the
// account's Currency.
type Bill struct {
	TotalPaymentDue   Decimal `json:"totalPaymentDue,omitzero"`
	MinimumPaymentDue Decimal `json:"minimumPaymentDue,omitzero"`
	DueDate           Date    `json:"dueDate,omitzero"`
	AutoPayEnabled    *bool   `json:"autoPayEnabled,omitempty"`
	AutoPayAmount     Decimal `json:"autoPayAmount,omitzero"`
	AutoPayDate       Date    `json:"autoPayDate,omitzero"`
	PastDueAmount     Decimal `json:"pastDueAmount,omitzero"`
	LastPaymentAmount Decimal `json:"lastPaymentAmount,omitzero"`
	LastPaymentDate   Date    `json:"lastPaymentDate,omitzero"`
	StatementBalance  Decimal `json:"statementBalance,omitzero"`
	StatementDate     Date    `json:"statementDate,omitzero"`
}

// ScheduledPayment is a payment to come (FDX ScheduledPayments).
type ScheduledPayment struct {
	// Amount is in major units of the account's Currency.
	Amount         Decimal              `json:"amount,omitzero"`
	Date           Date                 `json:"date,omitzero"`
	Type           ScheduledPaymentType `json:"type,omitzero"`
	PayToPrincipal *bool                `json:"payToPrincipal,omitempty"`
}

// ScheduledPaymentType is how a scheduled payment recurs.
type ScheduledPaymentType string

// The kinds of scheduled payments.
const (
	AutoPay   ScheduledPaymentType = "AUTOPAY"
	OneTime   ScheduledPaymentType = "ONE_TIME"
	Repeating ScheduledPaymentType = "REPEATING"
)
