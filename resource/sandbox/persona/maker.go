package persona

import (
	"time"

	"github.com/headgate/headgate/fdx"
)

// potter has accounts in two names: her own, and that of her business.
type potter struct {
	tenant            // her own
	business, reserve *account
}

func maker(w *world) life {
	p := potter{
		tenant: tenant{
			w: w, name: "maker", account: w.open("maker", "checking", 128_450, checking("Everyday Checking", "")),
			employer: "MORENO POTTERY", perMonth: 310_000, low: 150_000, high: 240_000,
			bills: []bill{{3, "KILN LANE APARTMENTS", "Rent", 99_000, 99_000}},
		},
		business: w.open("maker", "business", 640_000, checking("Business Checking", "")),
		reserve:  w.open("maker", "reserve", 410_000, savings("Business Savings", fdx.NewDecimal(180, 2))),
	}
	for _, a := range []*account{p.business, p.reserve} {
		w.batch.Accounts[a.index].Services.Business = "Moreno Pottery"
	}
	return p
}

func (p potter) day(day time.Time) {
	p.tenant.day(day)
	p.business.monthly(day, 4, entry{cents: -38_000, text: "CLAY AND GLAZES", category: "Supplies", payee: "RIVERTON CLAY"})
	p.business.monthly(day, 12, entry{cents: 455_000, text: "MARKET AND SHOP SALES", category: "Sales"})
	p.business.monthly(day, 25, entry{cents: -310_000, text: "PAY MAYA MORENO", category: "Wages"})
	p.business.monthly(day, 27, entry{cents: -90_000, text: "WORKSHOP RENT", category: "Rent"})
	p.reserve.monthly(day, 28, entry{cents: 600, text: "INTEREST", category: "Interest"})
	level(p.business, day, 500_000, 900_000, "TRANSFER TO RESERVE", "TRANSFER FROM RESERVE")
}

func (p potter) finish() {
	p.tenant.finish()
	p.business.finishDeposit()
	p.reserve.finishDeposit()
}
