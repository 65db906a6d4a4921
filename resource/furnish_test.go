package resource_test

import (
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// elsewhere is a link that a bank wrote: it must never leave.
func elsewhere() []fdx.HateoasLink {
	return []fdx.HateoasLink{{Href: "https://bank.internal/CANARY", Action: fdx.ActionGet, Rel: "CANARY"}}
}

// furnish gives the accounts all that is more than transactions. Bob holds
// acc-2 beside Alice.
func (f *front) furnish() {
	yes := true
	day := func(days int) fdx.Date { return fdx.DateOf(noon).AddDays(-days) }
	name := func(first, last string) fdx.CustomerName {
		return fdx.CustomerName{IndividualName: fdx.IndividualName{First: first, Last: last}}
	}
	home := []fdx.DeliveryAddress{{Address: fdx.Address{Line1: "1 Mill Lane", City: "Riverton", Country: "US"}, Type: fdx.HomeAddress}}
	f.bank.Join("acc-2", stranger)
	for _, c := range []fdx.Customer{{
		CustomerID: fdx.CustomerID(consumer), Type: fdx.Consumer, Name: name("Alice", "Archer"), Emails: []string{"alice@example.com"}, Addresses: home,
		DateOfBirth: day(12_000), TaxID: "123-45-6789", TaxIDCountry: "US", GovernmentID: "P1234567",
		Accounts: []fdx.CustomerAccount{
			{AccountID: "acc-1", Relationship: fdx.SoleOwner, Links: elsewhere()}, {AccountID: "acc-2", Relationship: fdx.PrimaryJoint},
			{AccountID: "acc-3", Relationship: fdx.SoleOwner}, {AccountID: "acc-5", Relationship: fdx.SoleOwner},
		},
	}, {
		CustomerID: fdx.CustomerID(stranger), Type: fdx.Consumer, Name: name("Bob", "Baker"), Emails: []string{"bob@example.com"},
		DateOfBirth: day(13_000), TaxID: "987-65-4321", TaxIDCountry: "US", GovernmentID: "P7654321",
		Accounts: []fdx.CustomerAccount{{AccountID: "acc-2", Relationship: fdx.SecondaryJoint}, {AccountID: "acc-9", Relationship: fdx.SoleOwner}},
	}, {
		CustomerID: "carol", Type: fdx.Consumer, Name: name("Carol", "Cook"), Accounts: []fdx.CustomerAccount{{AccountID: "acc-9", Relationship: fdx.SecondaryJoint}},
	}} {
		f.bank.Register(c)
	}
	statement := func(id string, days int, status fdx.DocumentStatus) fdx.Statement {
		return fdx.Statement{AccountID: "acc-1", StatementID: fdx.StatementID(id), StatementDate: day(days), Description: "Statement", Status: status, Links: elsewhere()}
	}
	pdf := func(text string, days int) resource.Document {
		return resource.Document{Type: fdx.PDF, Date: day(days), Body: []byte("%PDF " + text)}
	}
	f.bank.Extend("acc-1", resourcetest.Extras{
		Contact: fdx.AccountContact{
			Holders: []fdx.AccountHolder{{Type: fdx.Consumer, Name: name("Alice", "Archer"), Relationship: fdx.SoleOwner}},
			Emails:  []string{"alice@example.com"}, Addresses: home,
			Telephones: []fdx.TelephoneNumber{{Type: fdx.TelephoneCell, Number: "5550100"}},
		},
		PaymentNetworks: []fdx.PaymentNetwork{
			{BankID: "011000015", Identifier: "TOKEN-1", IdentifierType: fdx.TokenizedAccountNumber, Type: fdx.ACH, TransferIn: &yes, TransferOut: &yes},
			{BankID: "011000015", Identifier: "TOKEN-2", IdentifierType: fdx.TokenizedAccountNumber, Type: fdx.RTP, TransferIn: &yes, TransferOut: &yes},
		},
		AssetTransferNetworks: []fdx.AssetTransferNetwork{{Identifier: "TOKEN-3", InstitutionID: "0123", Type: fdx.ACATS}},
		Statements: []fdx.Statement{
			statement("st-new", 2, fdx.DocumentProcessing), statement("st/1", 5, fdx.DocumentAvailable),
			statement("st-2", 35, fdx.DocumentAvailable), statement("st-old", 200, fdx.DocumentAvailable),
		},
		Documents: map[fdx.StatementID]resource.Document{"st/1": pdf("statement", 0), "st-2": pdf("earlier", 0), "st-old": pdf("CANARY", 0)},
		Images: map[fdx.ImageID]resource.Document{
			"img/1":   {Type: fdx.PNG, Date: day(0), Body: []byte("\x89PNG image")},
			"img-old": {Type: fdx.PNG, Date: day(200), Body: []byte("CANARY")},
		},
		Terms: resource.Document{Type: fdx.PDF, Body: []byte("%PDF terms")},
	})
	f.bank.Extend("acc-3", resourcetest.Extras{
		Contact:         fdx.AccountContact{Emails: []string{"CANARY"}},
		PaymentNetworks: []fdx.PaymentNetwork{{Identifier: "CANARY"}},
		Statements:      []fdx.Statement{{AccountID: "acc-3", StatementID: "st-3", StatementDate: day(1)}},
		Documents:       map[fdx.StatementID]resource.Document{"st-3": pdf("CANARY", 0)},
		Images:          map[fdx.ImageID]resource.Document{"img-3": {Type: fdx.PNG, Date: day(0), Body: []byte("CANARY")}},
		Terms:           pdf("CANARY", 0),
	})
	member := func(who string, accounts ...fdx.AccountID) fdx.RewardMembership {
		return fdx.RewardMembership{
			AccountIDs: accounts, CustomerID: fdx.CustomerID(who), MemberID: fdx.RewardMemberID("member-" + who), MemberTier: "Gold",
			Balances: []fdx.RewardBalance{{Name: "Miles", Type: fdx.Miles, Balance: fdx.NewDecimal(12_000, 0), Qualifying: &yes}},
		}
	}
	f.bank.Reward(fdx.RewardProgram{
		RewardProgramID: "miles", ProgramName: "Miles & More", ProgramURL: "https://miles.example",
		Memberships: []fdx.RewardMembership{member("alice", "acc-2", "acc-3"), member("bob", "acc-9")},
	}, fdx.RewardCategory{RewardProgramID: "miles", CategoryID: "food", CategoryName: "Food", Multiplier: fdx.NewDecimal(2, 0)},
		fdx.RewardCategory{RewardProgramID: "miles", CategoryID: "travel", CategoryName: "Travel", Multiplier: fdx.NewDecimal(3, 0)})
	f.bank.Reward(fdx.RewardProgram{RewardProgramID: "points", ProgramName: "Points", Memberships: []fdx.RewardMembership{member("alice", "acc-1")}})
	f.bank.Reward(fdx.RewardProgram{RewardProgramID: "unshared", ProgramName: "CANARY", Memberships: []fdx.RewardMembership{member("alice", "acc-3")}})
	f.bank.Reward(fdx.RewardProgram{RewardProgramID: "foreign", ProgramName: "CANARY", Memberships: []fdx.RewardMembership{member("bob", "acc-9")}},
		fdx.RewardCategory{RewardProgramID: "foreign", CategoryID: "CANARY"})
}

// every cluster there is.
var every = fdx.NewClusters(fdx.AllClusters()...)

// wide is a grant of every cluster on the first two accounts.
func wide(change func(*consent.Share)) consent.Share {
	return share(func(s *consent.Share) {
		for i := range s.Accounts {
			s.Accounts[i].Clusters = every
		}
		if change != nil {
			change(s)
		}
	})
}

// holding is a grant of these clusters on the first two accounts.
func holding(clusters ...fdx.Cluster) consent.Share {
	return share(func(s *consent.Share) {
		for i := range s.Accounts {
			s.Accounts[i].Clusters = fdx.NewClusters(clusters...).Implied()
		}
	})
}
