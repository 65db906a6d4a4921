package persona

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/headgate/headgate/fdx"
)

// shops are where the personas spend, with what they leave there in cents.
type shops struct {
	category  string
	names     []string
	low, high int64
}

var (
	groceries = shops{"Groceries", []string{"GREENLEAF MARKET", "FARM & LOAF", "BLUE DOOR GROCERS", "CITY PANTRY", "ORCHARD FOODS"}, 1850, 14200}
	coffee    = shops{"Coffee", []string{"MORNING MILL COFFEE", "TWO SPOONS CAFE", "HARBOR ROASTERS"}, 320, 980}
	dining    = shops{"Restaurants", []string{"NOODLE LANE", "CASA VERDE", "THE COPPER POT", "PIZZERIA ALBA", "SPICE ROUTE"}, 1490, 8950}
	transit   = shops{"Transport", []string{"METRO TRANSIT", "CITY BIKES", "RIVERSIDE FUEL", "NIGHT TAXI"}, 275, 6200}
	shopping  = shops{"Shopping", []string{"NORTH & PINE", "PAPER LANTERN BOOKS", "TOOLSHED", "LITTLE FOX CLOTHING", "LUMEN ELECTRONICS"}, 990, 18900}
	health    = shops{"Health", []string{"CORNER PHARMACY", "BRIGHT SMILE DENTAL"}, 640, 12500}
)

// visit returns a card payment in one of the shops.
func (s shops) visit(r *rand.Rand) entry {
	name := s.names[r.IntN(len(s.names))]
	return entry{
		cents: -between(r, s.low, s.high), text: name + " #" + strconv.Itoa(r.IntN(900)+100), payee: name,
		category: s.category, card: true, loc: fdx.LocPurchase,
	}
}

// errands are the card payments of a day: coffee on the way to work, food twice
// a week, a restaurant at the weekend, and now and then the rest.
func errands(r *rand.Rand, day time.Time, pay func(at time.Duration, e entry)) {
	if !weekend(day) && r.IntN(2) == 0 {
		pay(sometime(r, 7, 9), coffee.visit(r))
	}
	switch day.Weekday() {
	case time.Tuesday, time.Saturday:
		pay(sometime(r, 16, 20), groceries.visit(r))
	case time.Friday:
		pay(sometime(r, 18, 22), dining.visit(r))
	}
	if r.IntN(4) == 0 {
		pay(sometime(r, 8, 19), transit.visit(r))
	}
	if r.IntN(9) == 0 {
		pay(sometime(r, 10, 20), shopping.visit(r))
	}
	if r.IntN(30) == 0 {
		pay(sometime(r, 9, 17), health.visit(r))
	}
}

// salary pays twice a month, on the 15th and the last day, the same for a
// calendar year and a little more in the next.
func salary(a *account, day time.Time, employer string, perMonth int64) {
	if day.Day() != 15 && !lastOfMonth(day) {
		return
	}
	raises := int64(day.Year() - a.w.start.Year())
	half := perMonth / 2 * (100 + 2*raises) / 100
	a.post(day, clock(6, 0), entry{cents: half, text: "PAYROLL " + employer, category: "Salary", payee: employer})
}

// bill is a payment on the same day of every month, between two amounts.
type bill struct {
	dayOfMonth int
	text       string
	category   string
	low, high  int64
}

func (b bill) pay(a *account, r *rand.Rand, day time.Time) {
	if day.Day() == b.dayOfMonth {
		a.post(day, clock(5, 30), entry{cents: -between(r, b.low, b.high), text: b.text, category: b.category, payee: b.text})
	}
}

// level keeps a checking account between two bounds at the end of a month: what
// is above the upper goes away, what is missing to the lower comes in.
func level(a *account, day time.Time, low, high int64, away, in string) {
	switch {
	case !lastOfMonth(day):
	case a.balance > high:
		a.post(day, clock(23, 0), entry{cents: high - a.balance, text: away, category: "Transfer"})
	case a.balance < low:
		a.post(day, clock(23, 0), entry{cents: low - a.balance, text: in, category: "Transfer"})
	}
}
