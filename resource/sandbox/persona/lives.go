package persona

import (
	"strconv"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

func checking(product, nickname string) fdx.Account {
	return fdx.Account{Deposit: &fdx.DepositAccount{
		AccountDescriptor: fdx.AccountDescriptor{ProductName: product, Nickname: nickname}, AccountType: fdx.Checking,
	}}
}

func savings(product string, rate fdx.Decimal) fdx.Account {
	return fdx.Account{Deposit: &fdx.DepositAccount{
		AccountDescriptor: fdx.AccountDescriptor{ProductName: product}, AccountType: fdx.Savings,
		EarnedInterest: fdx.InterestRate{Rate: rate, CompoundingPeriod: fdx.Monthly, Type: fdx.VariableRate},
	}}
}

// tenant lives from one checking account: pay, rent, bills and errands.
type tenant struct {
	w        *world
	name     string // of the stream of chance
	account  *account
	employer string
	perMonth int64
	bills    []bill
	// The balance at the end of a month is brought between these.
	low, high int64
}

func (t tenant) day(day time.Time) {
	r := t.w.random(t.name, day)
	salary(t.account, day, t.employer, t.perMonth)
	for _, b := range t.bills {
		b.pay(t.account, r, day)
	}
	errands(r, day, func(at time.Duration, e entry) { t.account.post(day, at, e) })
	if t.w.last(day) {
		// A hold that is never booked: it is gone on the next day.
		t.account.post(day, clock(21, 40), entry{cents: -7_500, text: "PREAUTHORIZATION RIVERSIDE FUEL", category: "Transport", payee: "RIVERSIDE FUEL", card: true, hold: true})
	}
	if day.Weekday() == time.Thursday && r.IntN(2) == 0 {
		t.account.post(day, sometime(r, 11, 19), entry{cents: -2000 * between(r, 1, 5), text: "ATM WITHDRAWAL", category: "Cash"})
	}
	level(t.account, day, t.low, t.high, "STANDING ORDER TO SAVINGS", "TRANSFER FROM SAVINGS")
}

func (t tenant) finish() { t.account.finishDeposit() }

func everyday(w *world) life {
	return tenant{
		w: w, name: "everyday", account: w.open("everyday", "checking", 164_310, checking("Everyday Checking", "Main account")),
		employer: "HARBOR LOGISTICS", perMonth: 428_600, low: 260_000, high: 310_000,
		bills: []bill{
			{1, "RENT MAPLE COURT", "Rent", 145_000, 145_000},
			{5, "CITY POWER AND LIGHT", "Utilities", 5_400, 13_800},
			{12, "NORTHLINE MOBILE", "Phone", 4_500, 4_500},
			{17, "STREAMBOX", "Entertainment", 1_299, 1_299},
			{22, "RENTERS INSURANCE", "Insurance", 1_950, 1_950},
		},
	}
}

// thrifty has savings beside checking and pays everything by credit card.
type thrifty struct {
	w                                *world
	checking, savings, card, former  *account
	statement, lastStatement         int64 // owed, in cents
	lastStatementDay, lastPaymentDay time.Time
	lastPayment                      int64
}

const cardLimit = 800_000

func saver(w *world) life {
	card := fdx.Account{LineOfCredit: &fdx.LineOfCreditAccount{
		AccountDescriptor: fdx.AccountDescriptor{ProductName: "Rewards Card"}, AccountType: fdx.CreditCard,
		CreditLine: cents(cardLimit), PurchasesAPR: fdx.NewDecimal(1990, 2), AdvancesAPR: fdx.NewDecimal(2490, 2),
	}}
	closed := savings("Youth Savings", fdx.NewDecimal(50, 2))
	closed.Deposit.Status = fdx.StatusClosed
	t := &thrifty{
		w:        w,
		checking: w.open("saver", "checking", 212_000, checking("Plus Checking", "")),
		savings:  w.open("saver", "savings", 1_240_000, savings("High Yield Savings", fdx.NewDecimal(375, 2))),
		card:     w.open("saver", "card", 0, card),
		former:   w.open("saver", "youth", 31_550, closed),
	}
	t.former.undated = true
	return t
}

func (t *thrifty) day(day time.Time) {
	r := t.w.random("saver", day)
	salary(t.checking, day, "LINDEN DESIGN STUDIO", 512_000)
	bill{2, "LINDEN HOUSING COOP", "Housing", 98_000, 98_000}.pay(t.checking, r, day)
	bill{6, "CITY POWER AND LIGHT", "Utilities", 4_900, 12_100}.pay(t.checking, r, day)
	errands(r, day, func(at time.Duration, e entry) { t.card.post(day, at, e) })
	switch day.Day() {
	case 10:
		t.payCard(day)
	case 16:
		t.move(day, t.checking, t.savings, 60_000, "TRANSFER TO SAVINGS", "TRANSFER FROM CHECKING")
	case 20:
		t.statement, t.lastStatement, t.lastStatementDay = -t.card.balance, -t.card.balance, day
	case 28:
		// 3.75 percent a year, a twelfth a month.
		t.savings.post(day, clock(23, 30), entry{cents: t.savings.balance * 375 / 10_000 / 12, text: "INTEREST", category: "Interest"})
	}
	if day.Month() == time.July && day.Day() == 3 {
		t.move(day, t.savings, t.checking, t.savings.balance-1_000_000, "TRANSFER FOR HOLIDAY", "TRANSFER FROM SAVINGS")
		t.checking.post(day, clock(15, 0), entry{cents: -310_000, text: "BLUE COAST TRAVEL", category: "Travel", payee: "BLUE COAST TRAVEL"})
	}
	if day.Equal(t.w.closing()) {
		t.former.post(day, clock(12, 0), entry{cents: -t.former.balance, text: "ACCOUNT CLOSED, BALANCE PAID OUT", category: "Transfer"})
	}
	level(t.checking, day, 120_000, 320_000, "TRANSFER TO INVESTMENT PLAN", "TRANSFER FROM INVESTMENT PLAN")
}

// closing is the day on which the youth savings account was closed: in March
// of the last year, so that it is in the history whenever that is looked at.
func (w *world) closing() time.Time {
	return time.Date(w.asOf.Year()-1, time.March, 14, 0, 0, 0, 0, time.UTC)
}

func (t *thrifty) move(day time.Time, from, to *account, amount int64, fromText, toText string) {
	if amount <= 0 {
		return
	}
	from.post(day, clock(12, 0), entry{cents: -amount, text: fromText, category: "Transfer"})
	to.post(day, clock(12, 0), entry{cents: amount, text: toText, category: "Transfer"})
}

// payCard pays the last statement in full.
func (t *thrifty) payCard(day time.Time) {
	if t.statement <= 0 {
		return
	}
	t.checking.post(day, clock(4, 0), entry{cents: -t.statement, text: "AUTOPAY REWARDS CARD", category: "Card payment"})
	t.card.post(day, clock(4, 0), entry{cents: t.statement, text: "PAYMENT THANK YOU", category: "Card payment", loc: fdx.LocPayment})
	t.lastPayment, t.lastPaymentDay, t.statement = t.statement, day, 0
}

func (t *thrifty) finish() {
	t.checking.finishDeposit()
	t.savings.finishDeposit()
	t.former.finishDeposit()
	c := t.card.fdx().LineOfCredit
	c.CurrentBalance = cents(-t.card.balance)
	c.AvailableCredit = cents(cardLimit + t.card.balance + t.card.held)
	c.BalanceAsOf = fdx.TimestampOf(t.w.asOf)
	c.LastStmtBalance, c.LastStmtDate = cents(t.lastStatement), fdx.DateOf(t.lastStatementDay)
	c.LastPaymentAmount, c.LastPaymentDate = cents(t.lastPayment), fdx.DateOf(t.lastPaymentDay)
	due := nextDay(t.w.asOf, 10)
	c.NextPaymentAmount, c.NextPaymentDate = cents(t.statement), fdx.DateOf(due)
	c.MinimumPaymentAmount = cents(min(t.statement, 3_500))
	yes := true
	c.Bills = []fdx.Bill{{
		TotalPaymentDue: cents(t.statement), MinimumPaymentDue: c.MinimumPaymentAmount, DueDate: fdx.DateOf(due),
		AutoPayEnabled: &yes, AutoPayAmount: cents(t.statement), AutoPayDate: fdx.DateOf(due),
		StatementBalance: cents(t.lastStatement), StatementDate: fdx.DateOf(t.lastStatementDay),
	}}
}

// nextDay returns the first such day of a month that is not before t.
func nextDay(t time.Time, dayOfMonth int) time.Time {
	d := time.Date(t.Year(), t.Month(), dayOfMonth, 0, 0, 0, 0, time.UTC)
	if d.Before(t) {
		d = d.AddDate(0, 1, 0)
	}
	return d
}

// debtor pays off a mortgage and a car loan.
type debtor struct {
	tenant
	loans []*loan
}

// loan is an annuity: the same payment every month, first interest, then
// principal.
type loan struct {
	account    *account
	text       string
	payment    int64
	basis      int64 // interest a year, in hundredths of a percent
	dayOfMonth int
	paid       int64 // interest of this calendar year
	last       time.Time
}

func (l *loan) interest() int64 { return (-l.account.balance*l.basis + 60_000) / 120_000 }

func (l *loan) day(day time.Time, from *account) {
	if day.YearDay() == 1 {
		l.paid = 0
	}
	if day.Day() != l.dayOfMonth {
		return
	}
	interest := l.interest()
	l.account.post(day, clock(3, 0), entry{cents: -interest, text: "INTEREST", category: "Interest", loan: fdx.LoanInterest})
	from.post(day, clock(4, 0), entry{cents: -l.payment, text: l.text, category: "Loan payment", payee: l.text})
	l.account.post(day, clock(4, 0), entry{cents: l.payment, text: "PAYMENT RECEIVED", category: "Loan payment", loan: fdx.LoanPayment})
	l.paid += interest
	l.last = day
}

// borrow opens a loan with the balance it has at the start of the simulation.
func (w *world) borrow(purpose, text string, basis, principal, payment int64, originated time.Time, months, dayOfMonth int, kind fdx.LoanAccountType, product string) *loan {
	rate := fdx.NewDecimal(basis, 2)
	a := w.open("borrower", purpose, -principal, fdx.Account{Loan: &fdx.LoanAccount{
		AccountDescriptor: fdx.AccountDescriptor{ProductName: product}, AccountType: kind,
		OriginalPrincipal: cents(principal), OriginatingDate: fdx.DateOf(originated),
		MaturityDate: fdx.DateOf(originated.AddDate(0, months, 0)), LoanTerm: months,
		InterestRate: rate, InterestRateType: fdx.FixedRate, AnnualPercentageRate: rate, LoanProviderName: Institution,
	}})
	l := &loan{account: a, text: text, payment: payment, basis: basis, dayOfMonth: dayOfMonth}
	for due := nextDay(originated.AddDate(0, 1, 0), dayOfMonth); due.Before(w.start); due = due.AddDate(0, 1, 0) {
		a.balance += payment - l.interest()
	}
	return l
}

func borrower(w *world) life {
	year := w.start.Year()
	return &debtor{
		tenant: tenant{
			w: w, name: "borrower", account: w.open("borrower", "checking", 150_275, checking("Everyday Checking", "")),
			employer: "ST. CLARE HOSPITAL", perMonth: 605_000, low: 290_000, high: 360_000,
			bills: []bill{
				{7, "CITY POWER AND LIGHT", "Utilities", 8_900, 21_400},
				{9, "HOME INSURANCE", "Insurance", 11_200, 11_200},
				{14, "FIBERNET", "Internet", 5_990, 5_990},
			},
		},
		loans: []*loan{
			w.borrow("mortgage", "MORTGAGE PAYMENT", 425, 30_000_000, 147_582, time.Date(year-3, 2, 15, 0, 0, 0, 0, time.UTC), 360, 1, fdx.Mortgage, "30 Year Fixed Mortgage"),
			w.borrow("auto", "CAR LOAN PAYMENT", 590, 3_200_000, 46_594, time.Date(year+1, 1, 20, 0, 0, 0, 0, time.UTC), 84, 20, fdx.AutoLoan, "Car Loan"),
		},
	}
}

func (d *debtor) day(day time.Time) {
	for _, l := range d.loans {
		if day.After(l.account.fdx().Loan.OriginatingDate.Time()) {
			l.day(day, d.account)
		}
	}
	d.tenant.day(day)
	d.writeCheck(day)
}

// writeCheck pays one bill a month with a cheque. The numbers go up from month
// to month.
func (d *debtor) writeCheck(day time.Time) {
	if day.Day() != 11 {
		return
	}
	month := int64(day.Year()*12) + int64(day.Month())
	payee := []string{"Hillside Dental", "Lakeview Roofing", "Oak Street Garage"}[month%3]
	number := month - 2010*12
	d.account.post(day, clock(14, 20), entry{
		cents: -between(d.w.random("borrower check", day), 6_000, 24_000), text: "CHECK " + strconv.FormatInt(number, 10), category: "Check", payee: payee,
		check: number, memo: "Invoice " + strconv.FormatInt(number*7, 10),
	})
}

func (d *debtor) finish() {
	d.tenant.finish()
	for _, l := range d.loans {
		a := l.account.fdx().Loan
		a.PrincipalBalance = cents(-l.account.balance)
		a.BalanceAsOf = fdx.TimestampOf(d.w.asOf)
		a.InterestPaidYearToDate = cents(l.paid)
		a.LastPaymentAmount, a.LastPaymentDate = cents(l.payment), fdx.DateOf(l.last)
		a.NextPaymentAmount, a.NextPaymentDate = cents(l.payment), fdx.DateOf(nextDay(d.w.asOf, l.dayOfMonth))
	}
}

// couple shares a household account and keeps one account each.
type couple struct {
	shared tenant
	jo     tenant
	pat    *account
}

func household(w *world) life {
	shared := w.open("joint", "household", 188_040, checking("Joint Checking", "Household"))
	w.hold("partner", shared, ledger.Joint)
	return &couple{
		shared: tenant{
			w: w, name: "household", account: shared, employer: "RIVERTON COUNCIL", perMonth: 340_000, low: 330_000, high: 380_000,
			bills: []bill{
				{1, "RENT RIVERSIDE HOMES", "Rent", 162_000, 162_000},
				{4, "SUNSHINE DAYCARE", "Childcare", 48_000, 48_000},
				{8, "CITY POWER AND LIGHT", "Utilities", 7_100, 16_900},
			},
		},
		jo: tenant{
			w: w, name: "joint", account: w.open("joint", "checking", 95_500, checking("Everyday Checking", "My own")),
			employer: "BRASS BAND MUSIC SCHOOL", perMonth: 265_000, low: 270_000, high: 300_000,
			bills: []bill{{3, "TRANSFER TO HOUSEHOLD", "Transfer", 150_000, 150_000}},
		},
		pat: w.open("partner", "savings", 402_000, savings("Goal Savings", fdx.NewDecimal(210, 2))),
	}
}

func (c *couple) day(day time.Time) {
	c.shared.day(day)
	c.jo.day(day)
	switch {
	case day.Day() == 5:
		c.pat.post(day, clock(8, 0), entry{cents: 20_000, text: "STANDING ORDER", category: "Transfer"})
	case day.Month() == time.December && day.Day() == 12:
		c.pat.post(day, clock(13, 0), entry{cents: -240_000, text: "TRANSFER OUT", category: "Transfer"})
	}
}

func (c *couple) finish() {
	c.shared.finish()
	c.jo.finish()
	c.pat.finishDeposit()
}

// shopkeeper takes card payments all day, which makes a very long list.
type shopkeeper struct {
	w       *world
	account *account
}

func heavy(w *world) life {
	return shopkeeper{w, w.open("heavy", "business", 1_482_200, checking("Business Checking", "Hana's Corner Shop"))}
}

func (s shopkeeper) day(day time.Time) {
	r := s.w.random("heavy", day)
	// 36 to 48 a day make more than 30,000 in 25 months.
	sales := between(r, 36, 48)
	open, hours := int64(7*3600), int64(14*3600)
	for i := range sales {
		at := time.Duration(open+hours*i/sales+r.Int64N(hours/sales)) * time.Second
		s.account.post(day, at, entry{
			cents: between(r, 180, 8_600), text: "CARD SALE TERMINAL " + strconv.FormatInt(between(r, 1, 4), 10), category: "Sales",
		})
	}
	switch day.Weekday() {
	case time.Monday, time.Thursday:
		s.account.post(day, clock(22, 0), entry{cents: -between(r, 280_000, 420_000), text: "WHOLESALE FOODS INVOICE", category: "Supplies", payee: "WHOLESALE FOODS"})
	case time.Friday:
		s.account.post(day, clock(22, 0), entry{cents: -between(r, 90_000, 130_000), text: "WAGES", category: "Wages"})
	}
	level(s.account, day, 900_000, 1_900_000, "TRANSFER TO RESERVE", "TRANSFER FROM RESERVE")
}

func (s shopkeeper) finish() { s.account.finishDeposit() }
