package persona

import (
	"time"

	"github.com/headgate/headgate/fdx"
)

// security is something made up to trade in.
type security struct {
	id, symbol, name string
	kind             fdx.SecurityType
	holding          fdx.HoldingType
	price            int64 // where it began, in cents
	growth           int64 // hundredths of a percent a year
	swing            int64 // thousandths up and down
	dividend         int64 // a quarter, in hundredths of a cent per unit
}

func market() []security {
	return []security{
		{"900000001", "NWTM", "Northwind Total Market Fund", fdx.SecurityMutualFund, fdx.HoldingMutualFund, 8_450, 620, 45, 5_200},
		{"900000002", "HELO", "Helio Energy", fdx.SecurityStock, fdx.HoldingStock, 3_120, 310, 140, 3_900},
		{"900000003", "BPKS", "Bluepeak Software", fdx.SecurityStock, fdx.HoldingStock, 14_980, 980, 110, 0},
		{"900000004", "GVBF", "Government Bond Fund", fdx.SecurityMutualFund, fdx.HoldingMutualFund, 5_010, 180, 12, 7_400},
	}
}

// priceOn returns the price of a day in cents: growth, a slow swing and a
// little noise, all in integers, and only from the day itself.
func (s security) priceOn(w *world, day time.Time) int64 {
	days := int64(day.Sub(w.start).Hours() / 24)
	price := s.price + s.price*s.growth*days/365/10_000
	const period = 410
	phase := (days + s.price) % period // 0 to 409
	if phase > period/2 {
		phase = period - phase
	}
	price += price * s.swing * (2*phase - period/2) / (period / 2) / 1000
	return price + price*between(w.random("price "+s.symbol, day), -8, 8)/1000
}

// trader buys every month, sells twice a year and collects dividends.
type trader struct {
	tenant
	broker     *account // its balance is cash
	securities []security
	units      []int64 // in ten-thousandths
	cost       []int64 // in cents, of the units held
}

func investor(w *world) life {
	t := &trader{
		tenant: tenant{
			w: w, name: "investor", account: w.open("investor", "checking", 341_900, checking("Premier Checking", "")),
			employer: "OAKFIELD CONSULTING", perMonth: 734_000, low: 420_000, high: 520_000,
			bills: []bill{
				{1, "RENT HILLTOP LOFTS", "Rent", 198_000, 198_000},
				{6, "CITY POWER AND LIGHT", "Utilities", 6_300, 12_900},
				{25, "GYM CLUB", "Fitness", 7_500, 7_500},
			},
		},
		broker: w.open("investor", "brokerage", 125_000, fdx.Account{Investment: &fdx.InvestmentAccount{
			AccountDescriptor: fdx.AccountDescriptor{ProductName: "Self-Directed Brokerage"}, AccountType: fdx.BrokerageProduct,
		}}),
		securities: market(),
		units:      []int64{600_000, 400_000, 150_000, 900_000},
	}
	for i, s := range t.securities {
		t.cost = append(t.cost, s.price*t.units[i]/10_000)
	}
	return t
}

func (t *trader) day(day time.Time) {
	t.tenant.day(day)
	switch {
	case day.Day() == 3:
		t.account.post(day, clock(9, 0), entry{cents: -75_000, text: "TRANSFER TO BROKERAGE", category: "Transfer"})
		t.move(day, clock(9, 0), 75_000, "CASH TRANSFER IN", fdx.InvestmentTransfer)
	case day.Day() == 4:
		t.buy(day, int(day.Month())%len(t.securities), 74_000)
	case day.Day() == 20 && day.Month()%3 == 0:
		for i := range t.securities {
			t.pay(day, i)
		}
	case day.Day() == 7 && (day.Month() == time.May || day.Month() == time.November):
		t.sell(day, int(day.Year()+int(day.Month()))%len(t.securities))
	case day.Day() == 5 && day.Month() == time.January:
		t.move(day, clock(8, 0), -1_200, "CUSTODY FEE", fdx.InvestmentFee)
	}
}

// move books cash.
func (t *trader) move(day time.Time, at time.Duration, amount int64, text string, kind fdx.InvestmentTransactionType) {
	t.broker.post(day, at, entry{cents: amount, text: text, trade: &fdx.InvestmentTransaction{TransactionType: kind, Fees: cents(0)}})
}

func (t *trader) trade(i int, kind fdx.InvestmentTransactionType) *fdx.InvestmentTransaction {
	s := t.securities[i]
	return &fdx.InvestmentTransaction{
		TransactionType: kind, Fees: cents(0), SecurityID: s.id, SecurityIDType: fdx.CUSIP, SecurityType: s.kind, Symbol: s.symbol,
	}
}

// buy spends up to an amount.
func (t *trader) buy(day time.Time, i int, amount int64) {
	price := t.securities[i].priceOn(t.w, day)
	units := amount * 10_000 / price
	cost := worth(units, price)
	e := t.trade(i, fdx.InvestmentPurchased)
	e.Units, e.UnitPrice, e.UnitType = fdx.NewDecimal(units, 4), cents(price), fdx.ShareUnits
	t.broker.post(day, clock(15, 30), entry{cents: -cost, text: "BOUGHT " + t.securities[i].name, trade: e})
	t.units[i] += units
	t.cost[i] += cost
}

const commission = 495

// sell parts with a tenth of what is held.
func (t *trader) sell(day time.Time, i int) {
	price := t.securities[i].priceOn(t.w, day)
	units := t.units[i] / 10
	e := t.trade(i, fdx.InvestmentSold)
	e.Units, e.UnitPrice, e.UnitType = fdx.NewDecimal(-units, 4), cents(price), fdx.ShareUnits
	e.Commission = cents(commission)
	t.broker.post(day, clock(15, 30), entry{cents: worth(units, price) - commission, text: "SOLD " + t.securities[i].name, trade: e})
	t.cost[i] -= t.cost[i] / 10
	t.units[i] -= units
}

// pay collects the dividend of a quarter.
func (t *trader) pay(day time.Time, i int) {
	s := t.securities[i]
	if amount := t.units[i] * s.dividend / 10_000 / 100; amount > 0 {
		t.broker.post(day, clock(10, 0), entry{cents: amount, text: "DIVIDEND " + s.name, trade: t.trade(i, fdx.InvestmentDividend)})
	}
}

// worth returns the value in cents of units in ten-thousandths, rounded half up.
func worth(units, price int64) int64 { return (units*price + 5_000) / 10_000 }

func (t *trader) finish() {
	t.tenant.finish()
	inv := t.broker.fdx().Investment
	value := t.broker.balance
	day := t.w.asOf.AddDate(0, 0, -1)
	no := false
	for i, s := range t.securities {
		price := s.priceOn(t.w, day)
		inv.Holdings = append(inv.Holdings, fdx.Holding{
			SecurityIDs: []fdx.SecurityID{{ID: s.id, IDType: fdx.CUSIP}}, HoldingName: s.name, HoldingType: s.holding, Symbol: s.symbol,
			Units: fdx.NewDecimal(t.units[i], 4), CurrentUnitPrice: cents(price), CurrentUnitPriceDate: fdx.DateOf(day),
			PurchasedPrice: cents(t.cost[i] * 10_000 / t.units[i]), MarketValue: cents(worth(t.units[i], price)), CashAccount: &no,
		})
		value += worth(t.units[i], price)
	}
	inv.AvailableCashBalance = cents(t.broker.balance)
	inv.CurrentValue = cents(value)
	inv.BalanceAsOf = fdx.TimestampOf(t.w.asOf)
}
