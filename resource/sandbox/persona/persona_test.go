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
	}
	for _, p := range All() {
		if !slices.Equal(held[p.Username], want[p.Username]) || p.About == "" {
			t.Errorf("%s holds %v", p.Username, held[p.Username])
		}
	}
	if len(b.Customers) != len(want) || len(All()) != len(want) {
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
				if count[i] == 0 {
					t.Errorf("%s has no transactions", a.Key)
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
		if !d.Present() || d.Sign() < 0 || d.Sign() == 0 && a.Account.Descriptor().Status != fdx.StatusClosed {
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
	default:
		positive("cash", acc.Investment.AvailableCashBalance)
		sum := acc.Investment.AvailableCashBalance
		for _, h := range acc.Investment.Holdings {
			positive(h.Symbol, h.MarketValue)
			var err error
			if sum, err = sum.Add(h.MarketValue); err != nil || h.CashAccount == nil {
				t.Errorf("%s: %v", h.Symbol, err)
			}
		}
		if sum.Cmp(acc.Investment.CurrentValue) != 0 || len(acc.Investment.Holdings) < 4 {
			t.Errorf("%s: worth %s, holds %s", a.Key, acc.Investment.CurrentValue, sum)
		}
	}
	if strings.Contains(a.Account.Descriptor().AccountNumberDisplay, a.Number) {
		t.Errorf("%s shows its number", a.Key)
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
