package persona

import (
	"time"

	"github.com/headgate/headgate/fdx"
)

// collector has one account of every category.
type collector struct {
	tenant
	card, loan, plan, annuity, policy, company, wallet, installments *account
}

func variety(w *world) life {
	named := func(product string) fdx.AccountDescriptor { return fdx.AccountDescriptor{ProductName: product} }
	year := w.start.Year()
	day := func(years int, month time.Month, dayOfMonth int) fdx.Date {
		return fdx.DateOf(time.Date(year+years, month, dayOfMonth, 0, 0, 0, 0, time.UTC))
	}
	return &collector{
		tenant: tenant{
			w: w, name: "variety", account: w.open("variety", "checking", 402_110, checking("Everyday Checking", "")),
			employer: "LAKEVIEW PLANNING OFFICE", perMonth: 780_000, low: 400_000, high: 520_000,
			bills: []bill{{2, "LAKEVIEW HOUSING", "Rent", 168_000, 168_000}},
		},
		card: w.open("variety", "homeline", -1_250_000, fdx.Account{LineOfCredit: &fdx.LineOfCreditAccount{
			AccountDescriptor: named("Home Line of Credit"), AccountType: fdx.HomeLineOfCredit,
			CreditLine: cents(6_000_000), PurchasesAPR: fdx.NewDecimal(725, 2),
		}}),
		loan: w.open("variety", "student", -2_400_000, fdx.Account{Loan: &fdx.LoanAccount{
			AccountDescriptor: named("Student Loan"), AccountType: fdx.StudentLoan,
			OriginalPrincipal: cents(3_200_000), OriginatingDate: day(-8, time.September, 1), LoanTerm: 240,
			InterestRate: fdx.NewDecimal(410, 2), InterestRateType: fdx.FixedRate, LoanProviderName: Institution,
		}}),
		plan: w.open("variety", "401k", 0, fdx.Account{Investment: &fdx.InvestmentAccount{
			AccountDescriptor: named("Workplace 401(k)"), AccountType: fdx.Plan401K,
		}}),
		annuity: w.open("variety", "annuity", 0, fdx.Account{Annuity: &fdx.AnnuityAccount{
			AccountDescriptor: named("Deferred Fixed Annuity"), AccountType: fdx.FixedAnnuity,
			PolicyProductType: fdx.FixedProduct, PayoutType: fdx.DeferredPayout, PeriodCertainType: fdx.TenYearsCertain,
			PayoutMode: fdx.PayoutMonthly, PayoutAmount: cents(92_000), PayoutStartDate: day(14, time.July, 1), SurrenderValue: cents(11_480_000),
		}}),
		policy: w.open("variety", "life", 0, fdx.Account{Insurance: &fdx.InsuranceAccount{
			AccountDescriptor: named("Whole Life Insurance"), AccountType: fdx.WholeLife, PolicyStatus: fdx.ActivePolicy,
			PolicyPremium: cents(8_850), PolicyPremiumTerm: fdx.MonthlyPremium, PolicyStartDate: day(-10, time.March, 1), PolicyCoverageAmount: cents(25_000_000),
		}}),
		company: w.open("variety", "company", 0, fdx.Account{Commercial: &fdx.CommercialAccount{
			AccountDescriptor: named("Business Treasury"), AccountType: fdx.CommercialDeposit,
		}}),
		wallet: w.open("variety", "wallet", 4_000, fdx.Account{DigitalWallet: &fdx.DigitalWalletAccount{
			AccountDescriptor: named("Pocket Wallet"), AccountType: fdx.DigitalWallet,
		}}),
		installments: w.open("variety", "installments", -18_000, fdx.Account{BuyNowPayLater: &fdx.BuyNowPayLaterAccount{
			AccountDescriptor: named("Pay in Four"), AccountType: fdx.BuyNowPayLater, CreditLine: cents(150_000),
		}}),
	}
}

const (
	planShare = 12_500 // a unit of the plan's fund, in cents
	planUnits = 20_000 // bought a month, in ten-thousandths
)

func (c *collector) day(day time.Time) {
	c.tenant.day(day)
	c.card.monthly(day, 8, entry{cents: -31_000, text: "DRAW HOME REPAIRS", category: "Home", loc: fdx.LocWithdrawal})
	c.card.monthly(day, 21, entry{cents: 31_000, text: "PAYMENT THANK YOU", category: "Payment", loc: fdx.LocPayment})
	c.loan.monthly(day, 5, entry{cents: 9_000, text: "PAYMENT RECEIVED", category: "Loan payment", loan: fdx.LoanPayment})
	c.plan.monthly(day, 16, entry{cents: planShare * planUnits / 10_000, text: "PAYROLL CONTRIBUTION", trade: &fdx.InvestmentTransaction{
		TransactionType: fdx.InvestmentContribution, Fees: cents(0), SecurityID: "900000001", SecurityIDType: fdx.CUSIP, SecurityType: fdx.SecurityMutualFund,
		Symbol: "NWTM", UnitPrice: cents(planShare), Units: fdx.NewDecimal(planUnits, 4), UnitType: fdx.ShareUnits,
	}})
	c.annuity.monthly(day, 1, entry{cents: 25_000, text: "PREMIUM"})
	c.policy.monthly(day, 1, entry{cents: 8_850, text: "MONTHLY PREMIUM"})
	c.company.monthly(day, 11, entry{cents: 190_000, text: "INVOICE 4471 PAID"})
	c.company.monthly(day, 26, entry{cents: -184_000, text: "SUPPLIERS"})
	c.wallet.monthly(day, 3, entry{cents: 2_000, text: "TOP UP"})
	c.wallet.monthly(day, 14, entry{cents: -2_000, text: "MARKET STALL", payee: "MARKET STALL"})
	if day.Month()%4 == 0 {
		c.installments.monthly(day, 6, entry{cents: -18_000, text: "PURCHASE NORTH & PINE"})
	} else {
		c.installments.monthly(day, 6, entry{cents: 6_000, text: "INSTALMENT"})
	}
}

func (c *collector) finish() {
	c.tenant.finish()
	asOf := fdx.TimestampOf(c.w.asOf)
	line := c.card.fdx().LineOfCredit
	line.CurrentBalance, line.AvailableCredit, line.BalanceAsOf = cents(-c.card.balance), cents(6_000_000+c.card.balance), asOf
	line.ScheduledPayments = []fdx.ScheduledPayment{{Amount: cents(31_000), Date: fdx.DateOf(nextDay(c.w.asOf, 21)), Type: fdx.Repeating}}
	c.loan.fdx().Loan.PrincipalBalance, c.loan.fdx().Loan.BalanceAsOf = cents(-c.loan.balance), asOf

	value := c.plan.balance
	no := false
	plan := c.plan.fdx().Investment
	plan.AvailableCashBalance, plan.CurrentValue, plan.BalanceAsOf = cents(0), cents(value), asOf
	units := fdx.NewDecimal(value*10_000/planShare, 4)
	plan.Holdings = []fdx.Holding{{
		SecurityIDs: []fdx.SecurityID{{ID: "900000001", IDType: fdx.CUSIP}}, HoldingName: "Northwind Total Market Fund", HoldingType: fdx.HoldingMutualFund,
		Symbol: "NWTM", Units: units, CurrentUnitPrice: cents(planShare), CurrentUnitPriceDate: fdx.DateOf(c.w.asOf.AddDate(0, 0, -1)),
		MarketValue: cents(value), CashAccount: &no,
		TaxLots: []fdx.TaxLot{{OriginalPurchaseDate: fdx.DateOf(c.w.from), Quantity: units, PurchasedPrice: cents(planShare), CostBasis: cents(value), PositionType: fdx.Long}},
	}}

	due := fdx.DateOf(nextDay(c.w.asOf, 1))
	c.policy.fdx().Insurance.Bills = []fdx.Bill{{TotalPaymentDue: cents(8_850), MinimumPaymentDue: cents(8_850), DueDate: due}}
	wallet := c.wallet.fdx().DigitalWallet
	wallet.CurrentBalance, wallet.AvailableBalance, wallet.BalanceAsOf = cents(c.wallet.balance), cents(c.wallet.balance), asOf
	owed := c.installments.fdx().BuyNowPayLater
	owed.CurrentBalance, owed.AvailableCredit, owed.BalanceAsOf = cents(-c.installments.balance), cents(150_000+c.installments.balance), asOf
}

// oddities are accounts in states that are rare.
type oddities struct {
	w                                            *world
	overdrawn, euros, locked, unborn, gone, down *account
}

func quirks(w *world) life {
	euros := checking("Travel Account EUR", "Euros")
	euros.Deposit.Currency.CurrencyCode = "EUR"
	locked := savings("Locked Savings", fdx.NewDecimal(150, 2))
	locked.Deposit.Status = fdx.StatusRestricted
	unborn := savings("Holiday Savings", fdx.NewDecimal(200, 2))
	unborn.Deposit.Status = fdx.StatusPendingOpen
	o := &oddities{
		w:         w,
		overdrawn: w.open("quirks", "overdrawn", -8_000, checking("Student Checking", "")),
		euros:     w.open("quirks", "euros", 90_000, euros),
		locked:    w.open("quirks", "locked", 510_000, locked),
		unborn:    w.open("quirks", "unborn", 0, unborn),
		gone:      w.open("quirks", "gone", 31_000, savings("Vanished Savings", fdx.NewDecimal(50, 2))),
	}
	o.down = w.open("quirks", "down", 44_000, savings("Old System Savings", fdx.NewDecimal(50, 2)))
	w.batch.Accounts[o.down.index].Services.Down = true
	w.batch.Accounts[o.overdrawn.index].Services.Documents = []fdx.DocumentStatus{fdx.DocumentProcessing, fdx.DocumentFailed}
	w.batch.Accounts[o.gone.index].Services.Gone = true
	return o
}

func (o *oddities) day(day time.Time) {
	o.overdrawn.monthly(day, 4, entry{cents: 60_000, text: "ALLOWANCE", category: "Income"})
	o.overdrawn.monthly(day, 9, entry{cents: -60_000, text: "DORM 12", category: "Rent"})
	// Paid in dollars, booked in euros.
	o.euros.monthly(day, 12, entry{
		cents: -4_600, text: "STREAMBOX US", category: "Entertainment", payee: "STREAMBOX", card: true, foreign: fdx.NewDecimal(4_999, 2), foreignCurrency: "USD",
	})
	o.euros.monthly(day, 2, entry{cents: 4_600, text: "EXCHANGE FROM USD", category: "Transfer", foreign: fdx.NewDecimal(4_999, 2), foreignCurrency: "USD"})
	o.locked.monthly(day, 28, entry{cents: 600, text: "INTEREST", category: "Interest"})
	o.gone.monthly(day, 28, entry{cents: 13, text: "INTEREST", category: "Interest"})
	o.down.monthly(day, 28, entry{cents: 18, text: "INTEREST", category: "Interest"})
}

func (o *oddities) finish() {
	for _, a := range []*account{o.overdrawn, o.euros, o.locked, o.unborn, o.gone, o.down} {
		a.finishDeposit()
	}
	yes := true
	o.overdrawn.fdx().Deposit.Overdrafted = &yes
}

// longNames tries what a page and a field can hold.
func longNames(w *world) life {
	rightToLeft := checking("Everyday Checking", "\u062d\u0633\u0627\u0628 \u0627\u0644\u0639\u0627\u0626\u0644\u0629 \u2013 \u0645\u0635\u0627\u0631\u064a\u0641 \u0627\u0644\u0628\u064a\u062a")
	long := savings("The Extraordinarily Long-Named Premium Platinum Relationship Rewards Growth Savings Account for Valued Customers of the Lakeview and Riverton Branches", fdx.NewDecimal(310, 2))
	long.Deposit.Description = "A savings account whose name was decided by a committee, with a description that goes on so that a screen has to decide where to break it: " +
		"\u0627\u0644\u062a\u0648\u0641\u064a\u0631 \u0644\u0644\u0645\u0633\u062a\u0642\u0628\u0644 and \u8d2e\u84c4\u8d26\u6237 and Sparkonto f\u00fcr \u00c4rzte."
	return &named{w.open("layla", "checking", 218_000, rightToLeft), w.open("layla", "savings", 700_000, long)}
}

type named struct{ checking, savings *account }

func (n *named) day(day time.Time) {
	n.checking.monthly(day, 15, entry{cents: 350_000, text: "\u0631\u0627\u062a\u0628 \u2013 SALARY", category: "Salary"})
	n.checking.monthly(day, 18, entry{cents: -350_000, text: "\u0625\u064a\u062c\u0627\u0631 \u2013 RENT AND LIVING", category: "Rent"})
	n.savings.monthly(day, 28, entry{cents: 1_800, text: "INTEREST", category: "Interest"})
}

func (n *named) finish() {
	n.checking.finishDeposit()
	n.savings.finishDeposit()
}
