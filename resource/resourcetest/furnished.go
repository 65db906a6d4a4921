package resourcetest

import (
	"strconv"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// Furnished returns a bank in which there is something to check for every
// rule of the contract, as of now: "me" and "you" hold the account "busy"
// together, "you" and nobody else holds "foreign".
func Furnished(now time.Time) (*Bank, ProviderFixture) {
	b := &Bank{}
	usd := fdx.Currency{CurrencyCode: "USD"}
	described := func(id fdx.AccountID) fdx.AccountDescriptor {
		return fdx.AccountDescriptor{AccountID: id, Currency: usd, Status: fdx.StatusOpen}
	}
	deposit := func(id fdx.AccountID) fdx.Account {
		return fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: described(id), CurrentBalance: fdx.NewDecimal(1250, 2)}}
	}
	var busy []fdx.Transaction
	for i := range 20 {
		x := fdx.TransactionBase{
			TransactionID: fdx.TransactionID(strconv.Itoa(i)), TransactionTimestamp: fdx.TimestampOf(now.AddDate(0, 0, -i/3)),
			Description: "x", DebitCreditMemo: fdx.Debit, Status: fdx.Pending, Amount: fdx.NewDecimal(100, 2),
			LineItems: []fdx.LineItem{{Description: "x"}},
		}
		if i > 2 {
			x.PostedTimestamp, x.Status = x.TransactionTimestamp, fdx.Posted
		}
		if i == 7 {
			x.ImageIDs = []fdx.ImageID{"i"}
		}
		busy = append(busy, fdx.Transaction{Deposit: &fdx.DepositTransaction{TransactionBase: x}})
	}
	imaged := busy[7].Base().EffectiveDate()
	b.Open("me", deposit("busy"), busy...)
	b.Open("you", deposit("foreign"))
	b.Open("me", fdx.Account{Investment: &fdx.InvestmentAccount{
		AccountDescriptor: described("investment"),
		Holdings:          []fdx.Holding{{SecurityIDs: []fdx.SecurityID{{ID: "x"}}, TaxLots: []fdx.TaxLot{{}}}},
	}})
	b.Open("me", fdx.Account{LineOfCredit: &fdx.LineOfCreditAccount{
		AccountDescriptor: described("card"), Bills: []fdx.Bill{{MinimumPaymentDue: fdx.NewDecimal(1, 0)}},
	}})
	b.Open("me", fdx.Account{Loan: &fdx.LoanAccount{AccountDescriptor: described("loan")}})
	b.Open("me", deposit("locked"))
	b.Lock("locked")
	b.Join("busy", "you")
	b.Extend("busy", extras(now, imaged))
	part := func(ids ...fdx.AccountID) (parts []fdx.CustomerAccount) {
		for _, id := range ids {
			parts = append(parts, fdx.CustomerAccount{AccountID: id})
		}
		return parts
	}
	b.Register(fdx.Customer{CustomerID: "me", Emails: []string{"a@example.com"}, Accounts: part("busy", "investment", "card", "loan", "locked")})
	b.Register(fdx.Customer{CustomerID: "you", Accounts: part("busy", "foreign")})
	b.Register(fdx.Customer{CustomerID: "nobody", Accounts: part("foreign")})
	member := func(ids ...fdx.AccountID) []fdx.RewardMembership { return []fdx.RewardMembership{{AccountIDs: ids}} }
	b.Reward(fdx.RewardProgram{RewardProgramID: "both", Memberships: member("busy", "card")},
		fdx.RewardCategory{RewardProgramID: "both", CategoryID: "1"}, fdx.RewardCategory{RewardProgramID: "both", CategoryID: "2"})
	b.Reward(fdx.RewardProgram{RewardProgramID: "one", Memberships: member("loan")})
	b.Reward(fdx.RewardProgram{RewardProgramID: "foreign", Memberships: member("foreign")})
	return b, ProviderFixture{
		Provider: b, Now: now, Consumer: "me", Accounts: []fdx.AccountID{"busy", "investment", "card", "loan"},
		Busy: "busy", Foreign: "foreign", Locked: "locked",
	}
}

// extras is all that an account can have besides transactions.
func extras(now time.Time, imaged fdx.Date) Extras {
	e := Extras{
		Contact:               fdx.AccountContact{Emails: []string{"a@example.com", "b@example.com"}},
		PaymentNetworks:       []fdx.PaymentNetwork{{Identifier: "1"}, {Identifier: "2"}},
		AssetTransferNetworks: []fdx.AssetTransferNetwork{{Identifier: "1"}, {Identifier: "2"}, {Identifier: "3"}},
		Documents:             map[fdx.StatementID]resource.Document{},
		Images:                map[fdx.ImageID]resource.Document{"i": {Type: fdx.PNG, Date: imaged, Body: []byte("x")}},
		Terms:                 resource.Document{Type: fdx.PDF, Body: []byte("x")},
	}
	for i := range 4 {
		s := fdx.Statement{
			AccountID: "busy", StatementID: fdx.StatementID(strconv.Itoa(i)),
			StatementDate: fdx.DateOf(now).AddDays(-30 * i), Status: fdx.DocumentProcessing,
		}
		if i > 0 {
			s.Status = fdx.DocumentAvailable
			e.Documents[s.StatementID] = resource.Document{Type: fdx.PDF, Body: []byte("x")}
		}
		e.Statements = append(e.Statements, s)
	}
	return e
}
