package resourcetest_test

import (
	"crypto/rand"
	"strconv"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

func TestBankKeepsTheContract(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var b resourcetest.Bank
	deposit := func(id string) fdx.Account {
		return fdx.Account{Deposit: &fdx.DepositAccount{
			AccountDescriptor: fdx.AccountDescriptor{AccountID: fdx.AccountID(id)},
			CurrentBalance:    fdx.NewDecimal(1250, 2),
		}}
	}
	var transactions []fdx.Transaction
	for i := range 20 {
		x := fdx.TransactionBase{
			TransactionID:        fdx.TransactionID(strconv.Itoa(i)),
			TransactionTimestamp: fdx.TimestampOf(now.AddDate(0, 0, -i/3)),
		}
		if i > 2 {
			x.PostedTimestamp = x.TransactionTimestamp
		}
		transactions = append(transactions, fdx.Transaction{Deposit: &fdx.DepositTransaction{TransactionBase: x}})
	}
	b.Open("me", deposit("busy"), transactions...)
	b.Open("you", deposit("foreign"))
	b.Open("me", fdx.Account{Investment: &fdx.InvestmentAccount{
		AccountDescriptor: fdx.AccountDescriptor{AccountID: "investment"},
		Holdings:          []fdx.Holding{{SecurityIDs: []fdx.SecurityID{{ID: "x"}}, TaxLots: []fdx.TaxLot{{}}}},
	}})
	b.Open("me", fdx.Account{LineOfCredit: &fdx.LineOfCreditAccount{
		AccountDescriptor: fdx.AccountDescriptor{AccountID: "card"},
		Bills:             []fdx.Bill{{MinimumPaymentDue: fdx.NewDecimal(1, 0)}},
	}})
	b.Open("me", fdx.Account{Loan: &fdx.LoanAccount{AccountDescriptor: fdx.AccountDescriptor{AccountID: "loan"}}})
	b.Open("me", deposit("locked"))
	b.Lock("locked")
	furnish(&b, now)
	resourcetest.Provider(t, resourcetest.ProviderFixture{
		Provider: &b, Now: now, Consumer: "me",
		Accounts: []fdx.AccountID{"busy", "investment", "card", "loan"},
		Busy:     "busy", Foreign: "foreign", Locked: "locked",
	})
}

// furnish gives the busy account all that an account can have, and its holder
// company.
func furnish(b *resourcetest.Bank, now time.Time) {
	b.Join("busy", "you")
	e := resourcetest.Extras{
		Contact:               fdx.AccountContact{Emails: []string{"a@example.com", "b@example.com"}},
		PaymentNetworks:       []fdx.PaymentNetwork{{Identifier: "1"}, {Identifier: "2"}},
		AssetTransferNetworks: []fdx.AssetTransferNetwork{{Identifier: "1"}, {Identifier: "2"}, {Identifier: "3"}},
		Documents:             map[fdx.StatementID]resource.Document{},
		Images:                map[fdx.ImageID]resource.Document{"i": {Type: fdx.PNG, Date: fdx.DateOf(now), Body: []byte("x")}},
		Terms:                 resource.Document{Type: fdx.PDF, Body: []byte("x")},
	}
	for i := range 4 {
		s := fdx.Statement{AccountID: "busy", StatementID: fdx.StatementID(strconv.Itoa(i)), StatementDate: fdx.DateOf(now).AddDays(-30 * i)}
		if i > 0 {
			s.Status = fdx.DocumentAvailable
			e.Documents[s.StatementID] = resource.Document{Type: fdx.PDF, Body: []byte("x")}
		}
		e.Statements = append(e.Statements, s)
	}
	b.Extend("busy", e)
	part := func(ids ...fdx.AccountID) []fdx.CustomerAccount {
		var parts []fdx.CustomerAccount
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
}

func TestTruthKeepsTheContract(t *testing.T) {
	t.Parallel()
	d := resourcetest.NewTruth(nil)
	resourcetest.Gate(t, resourcetest.GateFixture{
		Gate: d,
		Grant: func(_ *testing.T, expires time.Time) consent.Share {
			s := resourcetest.Everything("me", time.Now(), "one")
			s.Recipient, s.ExpiresAt = consent.RecipientID("app-"+rand.Text()), expires
			l := token.Live{Share: s}
			_, _ = rand.Read(l.Access.Hash[:])
			l.Access.Grant = s.Grant
			d.Issue(l)
			return s
		},
		End: func(_ *testing.T, id consent.GrantID) { d.End(id) },
		Pause: func(_ *testing.T, id consent.GrantID, until time.Time) {
			d.Change(id, func(s *consent.Share) { s.PausedUntil, s.Epoch = until, s.Epoch-1 })
		},
		Hold: func(_ *testing.T, id consent.GrantID) {
			d.Change(id, func(s *consent.Share) { s.Held, s.Epoch = true, s.Epoch-1 })
		},
		Bump:    func(_ *testing.T, id consent.GrantID) { d.Change(id, func(*consent.Share) {}) },
		Suspend: func(_ *testing.T, id consent.RecipientID) { d.Suspend(id) },
		Records: func(_ *testing.T, id consent.GrantID) []audit.Record {
			var out []audit.Record
			for _, r := range d.Records() {
				if r.Grant == id {
					out = append(out, r)
				}
			}
			return out
		},
	})
}
