package persona

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

var now = time.Date(2026, 3, 18, 14, 30, 0, 0, time.UTC)

func transactions(t testing.TB, b ledger.Batch) []ledger.Transaction {
	t.Helper()
	var out []ledger.Transaction
	for tr, err := range b.Transactions {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tr)
	}
	return out
}

// bank is a batch that can be compared.
type bank struct {
	batch        ledger.Batch
	transactions []ledger.Transaction
}

func bankOf(t testing.TB, b ledger.Batch) bank {
	out := bank{b, transactions(t, b)}
	out.batch.Transactions = nil
	return out
}

func TestOneSeedAndOneDateGiveOneBank(t *testing.T) {
	t.Parallel()
	morning := bankOf(t, Batch(1, now))
	if evening := bankOf(t, Batch(1, now.Add(9*time.Hour))); !reflect.DeepEqual(evening, morning) {
		t.Error("two times of one day give different banks")
	}
	if abroad := bankOf(t, Batch(1, now.In(time.FixedZone("", -5*3600)))); !reflect.DeepEqual(abroad, morning) {
		t.Error("the zone of the clock matters")
	}
	if other := bankOf(t, Batch(2, now)); reflect.DeepEqual(other, morning) {
		t.Error("the seed does not matter")
	}
}

// Later days add to what there was; they do not rewrite it. Only what is
// pending goes away.
func TestDaysStayAsTheyWere(t *testing.T) {
	t.Parallel()
	id := func(tr ledger.Transaction) string { return fmt.Sprint(tr.Account, " ", tr.Key) }
	then := map[string]fdx.Transaction{}
	for _, tr := range transactions(t, Batch(1, now)) {
		if tr.Transaction.Base().Status == fdx.Posted {
			then[id(tr)] = tr.Transaction
		}
	}
	from, to := now.AddDate(0, -historyMonths, 30), now.Truncate(24*time.Hour).AddDate(0, 0, -1)
	kept := 0
	for _, tr := range transactions(t, Batch(1, now.AddDate(0, 0, 20))) {
		if at := tr.Transaction.Base().TransactionTimestamp.Time(); at.Before(from) || !at.Before(to) {
			continue
		}
		if was := then[id(tr)]; !reflect.DeepEqual(was, tr.Transaction) {
			t.Fatalf("%s is rewritten:\n%+v\n%+v", id(tr), was.Base(), tr.Transaction.Base())
		}
		kept++
	}
	if kept < 30_000 {
		t.Errorf("only %d transactions are in both", kept)
	}
}

func TestEveryoneIsThere(t *testing.T) {
	t.Parallel()
	b := Batch(1, now)
	held := map[string][]string{}
	for _, h := range b.Holders {
		held[h.Username] = append(held[h.Username], b.Accounts[h.Account].Key+" "+string(h.Relationship))
	}
	want := map[string][]string{
		"everyday": {"everyday/checking OWNER"},
		"saver":    {"saver/checking OWNER", "saver/savings OWNER", "saver/card OWNER", "saver/youth OWNER"},
		"borrower": {"borrower/checking OWNER", "borrower/mortgage OWNER", "borrower/auto OWNER"},
		"investor": {"investor/checking OWNER", "investor/brokerage OWNER"},
		"joint":    {"joint/household OWNER", "joint/checking OWNER"},
		"partner":  {"joint/household JOINT", "partner/savings OWNER"},
		"heavy":    {"heavy/business OWNER"},
		"variety": {
			"variety/checking OWNER", "variety/homeline OWNER", "variety/student OWNER", "variety/401k OWNER", "variety/annuity OWNER",
			"variety/life OWNER", "variety/company OWNER", "variety/wallet OWNER", "variety/installments OWNER",
		},
		"quirks":   {"quirks/overdrawn OWNER", "quirks/euros OWNER", "quirks/locked OWNER", "quirks/unborn OWNER", "quirks/gone OWNER", "quirks/down OWNER"},
		"newcomer": nil,
		"layla":    {"layla/checking OWNER", "layla/savings OWNER"},
		"maker":    {"maker/checking OWNER", "maker/business OWNER", "maker/reserve OWNER"},
	}
	for _, p := range All() {
		if !slices.Equal(held[p.Username], want[p.Username]) || p.About == "" {
			t.Errorf("%s holds %v", p.Username, held[p.Username])
		}
	}
	if len(b.Customers) != len(want) || len(All()) != len(want) || len(contacts()) != len(want) {
		t.Errorf("%d customers", len(b.Customers))
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	// Over a whole turn of the simulation, and on odd days of the calendar.
	for _, now := range []time.Time{
		now, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 1, 1, 8, 0, 0, 0, time.UTC), time.Date(2024, 2, 29, 8, 0, 0, 0, time.UTC),
		time.Date(2027, 12, 31, 23, 0, 0, 0, time.UTC), time.Date(2028, 1, 1, 1, 0, 0, 0, time.UTC),
	} {
		t.Run(now.Format(time.DateOnly), func(t *testing.T) {
			t.Parallel()
			b := Batch(1, now)
			today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
			count, pending, posted := map[int]int{}, map[int]int{}, map[string]bool{}
			inTwoYears := 0
			for _, tr := range transactions(t, b) {
				base := tr.Transaction.Base()
				id := fmt.Sprint(tr.Account, tr.Key)
				if posted[id] {
					t.Fatalf("key %s twice", id)
				}
				posted[id] = true
				count[tr.Account]++
				at := base.TransactionTimestamp.Time()
				if at.Before(today.AddDate(0, -historyMonths, 0)) || !at.Before(today) || !base.PostedTimestamp.Time().Before(today) {
					t.Fatalf("%s happened %s and was booked %s", id, at, base.PostedTimestamp)
				}
				if base.Status == fdx.Pending {
					pending[tr.Account]++
				}
				if base.Amount.Sign() < 0 || !base.Amount.Present() || tr.Transaction.Category() != b.Accounts[tr.Account].Account.Category() {
					t.Fatalf("%s: amount %s", id, base.Amount)
				}
				if b.Accounts[tr.Account].Key == "heavy/business" && !at.Before(today.AddDate(-2, 0, 0)) {
					inTwoYears++
				}
			}
			for i, a := range b.Accounts {
				if (count[i] == 0) != (a.Account.Descriptor().Status == fdx.StatusPendingOpen) {
					t.Errorf("%s has %d transactions", a.Key, count[i])
				}
				if a.Key == "everyday/checking" && pending[i] == 0 {
					t.Error("nothing is pending on the everyday account")
				}
				checkBalances(t, a)
			}
			if inTwoYears < 30_000 {
				t.Errorf("the heavy user has %d transactions in two years", inTwoYears)
			}
		})
	}
}

// checkBalances asserts what the core exchange profile requires of an account,
// and that nobody lives beyond their means.
func checkBalances(t *testing.T, a ledger.Account) {
	t.Helper()
	positive := func(name string, d fdx.Decimal) {
		status := a.Account.Descriptor().Status
		if a.Key == "quirks/overdrawn" {
			return // which is what it is for
		}
		if !d.Present() || d.Sign() < 0 || d.Sign() == 0 && status != fdx.StatusClosed && status != fdx.StatusPendingOpen {
			t.Errorf("%s: %s is %s", a.Key, name, d)
		}
	}
	switch acc := a.Account; {
	case acc.Deposit != nil:
		positive("current balance", acc.Deposit.CurrentBalance)
		positive("available balance", acc.Deposit.AvailableBalance)
	case acc.LineOfCredit != nil:
		positive("current balance", acc.LineOfCredit.CurrentBalance)
		positive("available credit", acc.LineOfCredit.AvailableCredit)
	case acc.Loan != nil:
		positive("principal", acc.Loan.PrincipalBalance)
		positive("rate", acc.Loan.InterestRate)
		if acc.Loan.PrincipalBalance.Cmp(acc.Loan.OriginalPrincipal) >= 0 || acc.Loan.InterestRateType == "" {
			t.Errorf("%s: %s of %s is left", a.Key, acc.Loan.PrincipalBalance, acc.Loan.OriginalPrincipal)
		}
	case acc.DigitalWallet != nil:
		positive("wallet balance", acc.DigitalWallet.CurrentBalance)
	case acc.BuyNowPayLater != nil:
		positive("available credit", acc.BuyNowPayLater.AvailableCredit)
		if acc.BuyNowPayLater.CurrentBalance.Sign() < 0 {
			t.Errorf("%s owes %s", a.Key, acc.BuyNowPayLater.CurrentBalance)
		}
	case acc.Investment != nil:
		if a.Key != "variety/401k" { // all invested
			positive("cash", acc.Investment.AvailableCashBalance)
		}
		sum := acc.Investment.AvailableCashBalance
		for _, h := range acc.Investment.Holdings {
			positive(h.Symbol, h.MarketValue)
			var err error
			if sum, err = sum.Add(h.MarketValue); err != nil || h.CashAccount == nil {
				t.Errorf("%s: %v", h.Symbol, err)
			}
		}
		if sum.Cmp(acc.Investment.CurrentValue) != 0 || len(acc.Investment.Holdings) == 0 {
			t.Errorf("%s: worth %s, holds %s", a.Key, acc.Investment.CurrentValue, sum)
		}
	}
	if strings.Contains(a.Account.Descriptor().AccountNumberDisplay, a.Number) {
		t.Errorf("%s shows its number", a.Key)
	}
}

// Every category of FDX is there, and every state that a page or a recipient
// has to know how to show.
func TestEverythingRareIsThere(t *testing.T) {
	t.Parallel()
	b := Batch(1, now)
	categories, states := map[fdx.AccountCategory]bool{}, map[fdx.AccountStatus]bool{}
	for i, a := range b.Accounts {
		d := a.Account.Descriptor()
		categories[a.Account.Category()], states[d.Status] = true, true
		if a.Services.Locked != (d.Status == fdx.StatusRestricted) || len(a.Services.PaymentNetworks) > 0 && d.Status != fdx.StatusOpen {
			t.Errorf("account %d, %s, has services %+v", i, a.Key, a.Services)
		}
		for _, n := range a.Services.PaymentNetworks {
			if n.Identifier == a.Number || n.IdentifierType != fdx.TokenizedAccountNumber {
				t.Errorf("%s shows its number", a.Key)
			}
		}
	}
	if len(categories) != 9 {
		t.Errorf("categories %v", categories)
	}
	for _, s := range []fdx.AccountStatus{fdx.StatusOpen, fdx.StatusClosed, fdx.StatusRestricted, fdx.StatusPendingOpen} {
		if !states[s] {
			t.Errorf("no account is %s", s)
		}
	}
	foreign := 0
	for _, tr := range transactions(t, b) {
		if tr.Transaction.Base().ForeignAmount.Present() {
			foreign++
		}
	}
	if foreign < 24 {
		t.Errorf("%d transactions in foreign currency", foreign)
	}
	checks := map[fdx.ImageID]bool{}
	for _, tr := range transactions(t, b) {
		d := tr.Transaction.Deposit
		if d == nil || len(d.ImageIDs) == 0 {
			continue
		}
		if d.CheckNumber == 0 || d.Payee == "" || d.Memo == "" || checks[d.ImageIDs[0]] {
			t.Errorf("check %+v", d)
		}
		checks[d.ImageIDs[0]] = true
	}
	if len(checks) != 25 {
		t.Errorf("%d checks", len(checks))
	}
	if len(b.Programs) != 2 || len(b.Programs[0].Members) != 2 || len(b.Programs[0].Categories) != 3 || len(b.Programs[1].Categories) != 0 {
		t.Errorf("programs %+v", b.Programs)
	}
	seen := map[string]bool{}
	for _, c := range b.Customers {
		p := c.Person
		if p == nil || p.CustomerID != "" || p.DateOfBirth.IsZero() || len(p.Emails)*len(p.Addresses)*len(p.Telephones) == 0 || seen[p.TaxID] {
			t.Errorf("%s: %+v", c.Username, p)
			continue
		}
		seen[p.TaxID] = true
		if name := p.Name.First + " " + p.Name.Last; name != c.Name {
			t.Errorf("%s is %q and %q", c.Username, c.Name, name)
		}
	}
}

// What was pending is booked the next day under the same key but for a word,
// and says so.
func TestPendingIsReplaced(t *testing.T) {
	t.Parallel()
	pending := map[string]bool{}
	for _, tr := range transactions(t, Batch(1, now)) {
		if tr.Transaction.Base().Status == fdx.Pending {
			pending[fmt.Sprint(tr.Account, " ", tr.Key)] = true
		}
	}
	replaced := 0
	for _, tr := range transactions(t, Batch(1, now.AddDate(0, 0, 1))) {
		if tr.Replaces != "" && pending[fmt.Sprint(tr.Account, " ", tr.Replaces)] {
			replaced++
		}
	}
	// One is a hold that is never booked.
	if replaced == 0 || replaced >= len(pending) {
		t.Errorf("%d of %d are replaced", replaced, len(pending))
	}
}

// Loading on one day and again on the next books nothing twice.
func TestKeysOfTheLastDayStay(t *testing.T) {
	t.Parallel()
	// The 3rd of September 2026 is a Thursday, on which the investor moves
	// money and may draw cash after the hold of the day.
	last := time.Date(2026, 9, 3, 0, 0, 0, 0, time.UTC)
	keys := func(now time.Time) map[string]fdx.TransactionBase {
		out := map[string]fdx.TransactionBase{}
		for _, tr := range transactions(t, Batch(1, now)) {
			if b := tr.Transaction.Base(); b.Status == fdx.Posted && !b.TransactionTimestamp.Time().Before(last) {
				out[fmt.Sprint(tr.Account, " ", tr.Key)] = *b
			}
		}
		return out
	}
	later := keys(last.AddDate(0, 0, 2))
	for key, b := range keys(last.AddDate(0, 0, 1)) {
		if !reflect.DeepEqual(later[key], b) {
			t.Errorf("%s was %q and is %q", key, b.Description, later[key].Description)
		}
	}
}

// The balance of a loan is what its entries say: principal of the last entry
// follows from interest and payments.
func TestLoanAddsUp(t *testing.T) {
	t.Parallel()
	principal := func(at time.Time) (fdx.Decimal, ledger.Batch) {
		b := Batch(1, at)
		for _, a := range b.Accounts {
			if a.Key == "borrower/mortgage" {
				return a.Account.Loan.PrincipalBalance, b
			}
		}
		t.Fatal("no mortgage")
		return fdx.Decimal{}, b
	}
	then, _ := principal(now)
	later, b := principal(now.AddDate(0, 6, 0))
	sum := then
	for _, tr := range transactions(t, b) {
		base := tr.Transaction.Base()
		if b.Accounts[tr.Account].Key != "borrower/mortgage" || base.PostedTimestamp.Time().Before(time.Date(2026, 3, 18, 0, 0, 0, 0, time.UTC)) {
			continue
		}
		amount := base.Amount
		if base.DebitCreditMemo == fdx.Credit {
			var err error
			if amount, err = amount.Neg(); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if sum, err = sum.Add(amount); err != nil {
			t.Fatal(err)
		}
	}
	if sum.Cmp(later) != 0 {
		t.Errorf("%s and half a year of entries make %s, not %s", then, sum, later)
	}
}
