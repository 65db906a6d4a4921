package persona

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// person returns the FDX form of the persona at a place in the list. Domains,
// telephone numbers and tax ids are of kinds that are given to nobody.
func (c contact) person(place int) *fdx.Customer {
	born, err := fdx.ParseDate(c.born)
	if err != nil {
		panic(err) // a constant
	}
	yes := true
	return &fdx.Customer{
		Type: fdx.Consumer, Name: fdx.CustomerName{IndividualName: fdx.IndividualName{First: c.first, Last: c.last}},
		Emails: []string{c.username + "@customer.example"},
		Addresses: []fdx.DeliveryAddress{{
			Address: fdx.Address{Line1: c.line1, City: c.city, Region: c.region, PostalCode: c.postcode, Country: "US"},
			Type:    fdx.HomeAddress, Primary: &yes,
		}},
		Telephones:  []fdx.TelephoneNumber{{Type: fdx.TelephoneCell, Country: "1", Number: fmt.Sprintf("61455501%02d", place), Network: fdx.Cellular, Primary: &yes}},
		DateOfBirth: born, TaxID: fmt.Sprintf("900-00-%04d", 1000+place), TaxIDCountry: "US", GovernmentID: fmt.Sprintf("XX%07d", 4_000_000+place),
	}
}

// bankID is a routing number that no bank has.
const bankID = "990000000"

// serve gives each account the networks and statements of its kind.
func (w *world) serve() {
	for i := range w.batch.Accounts {
		a := &w.batch.Accounts[i]
		d := a.Account.Descriptor()
		a.Services.Locked = d.Status == fdx.StatusRestricted
		a.Services.Statements = a.Account.Deposit != nil || a.Account.LineOfCredit != nil || a.Account.Loan != nil || a.Account.Investment != nil
		if d.Status != fdx.StatusOpen {
			continue
		}
		yes, no := true, false
		switch {
		case a.Account.Deposit != nil && d.Currency.CurrencyCode == currency:
			for _, network := range []fdx.PaymentNetworkType{fdx.ACH, fdx.RTP} {
				a.Services.PaymentNetworks = append(a.Services.PaymentNetworks, fdx.PaymentNetwork{
					BankID: bankID, Identifier: w.number("token " + string(network) + a.Key), IdentifierType: fdx.TokenizedAccountNumber,
					Type: network, TransferIn: &yes, TransferOut: &yes,
				})
			}
		case a.Account.Investment != nil:
			a.Services.AssetTransferNetworks = []fdx.AssetTransferNetwork{{
				Identifier: w.number("token assets" + a.Key), IdentifierType: fdx.TokenizedAccountNumber,
				InstitutionName: Institution, InstitutionID: "9900", Type: fdx.ACATS, JointAccount: &no,
			}}
		}
	}
}

// reward makes the program of the credit cards. A point for each dollar spent
// counts, from the transactions that are booked.
func (w *world) reward() {
	spent := map[int]int64{}
	for _, t := range w.transactions {
		loc := t.Transaction.LineOfCredit
		if loc != nil && loc.TransactionType == fdx.LocPurchase && loc.Status == fdx.Posted && loc.TransactionTimestamp.Time().Year() == w.asOf.Year() {
			units, _, _ := strings.Cut(loc.Amount.String(), ".")
			n, err := strconv.ParseInt(units, 10, 64)
			if err != nil {
				panic(err) // an amount of ours
			}
			spent[t.Account] += n
		}
	}
	yes := true
	program := ledger.Program{
		Institution: Institution, Key: "points",
		Program: fdx.RewardProgram{ProgramName: "Sandbox Points", ProgramURL: "https://points.example"},
	}
	for _, c := range []struct {
		id   fdx.RewardCategoryID
		name string
		rate int64
	}{{"groceries", "Groceries", 2}, {"travel", "Travel", 3}, {"other", "Everything else", 1}} {
		program.Categories = append(program.Categories, fdx.RewardCategory{CategoryID: c.id, CategoryName: c.name, Multiplier: fdx.NewDecimal(c.rate, 0)})
	}
	for i, username := range []string{"saver", "variety"} {
		for _, h := range w.batch.Holders {
			if h.Username != username || w.batch.Accounts[h.Account].Account.LineOfCredit == nil {
				continue
			}
			program.Members = append(program.Members, ledger.Member{Username: username, Accounts: []int{h.Account}, Membership: fdx.RewardMembership{
				MemberID: fdx.RewardMemberID(fmt.Sprintf("SP-%04d", i+1)), MemberTier: "Silver", BusinessOrConsumer: fdx.Consumer,
				Balances: []fdx.RewardBalance{{Name: "Points", Type: fdx.Points, Balance: fdx.NewDecimal(12_500+spent[h.Account], 0), AccruedYTD: fdx.NewDecimal(spent[h.Account], 0), Qualifying: &yes}},
			}})
		}
	}
	w.batch.Programs = append(w.batch.Programs, program)
	w.club()
}

// club makes a program that tells no categories, for the home line of credit.
func (w *world) club() {
	for _, h := range w.batch.Holders {
		if h.Username != "variety" || w.batch.Accounts[h.Account].Account.LineOfCredit == nil {
			continue
		}
		w.batch.Programs = append(w.batch.Programs, ledger.Program{
			Institution: Institution, Key: "club", Program: fdx.RewardProgram{ProgramName: "Home Club", ProgramURL: "https://club.example"},
			Members: []ledger.Member{{Username: h.Username, Accounts: []int{h.Account}, Membership: fdx.RewardMembership{
				MemberID: "HC-0001", BusinessOrConsumer: fdx.Consumer,
				Balances: []fdx.RewardBalance{{Name: "Stamps", Type: fdx.Points, Balance: fdx.NewDecimal(7, 0)}},
			}}},
		})
	}
}

// monthly books one entry on the same day of every month.
func (a *account) monthly(day time.Time, dayOfMonth int, e entry) {
	if day.Day() == dayOfMonth {
		a.post(day, clock(9, 0), e)
	}
}
