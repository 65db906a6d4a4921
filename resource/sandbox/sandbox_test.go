package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// importFile imports one of the hand-made statements of the ofx package.
func importFile(t *testing.T, s *Store, customer, name string) (Report, error) {
	t.Helper()
	f, err := os.Open(filepath.Join("ofx", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return ImportOFX(t.Context(), s, customer, name, f)
}

func importText(t *testing.T, s *Store, customer, text string) (Report, error) {
	t.Helper()
	return ImportOFX(t.Context(), s, customer, "f.ofx", strings.NewReader(text))
}

func customer(t *testing.T, s *Store, username string) Customer {
	t.Helper()
	c, err := s.Customer(t.Context(), username)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func accountsOf(t *testing.T, s *Store, username string) []HeldAccount {
	t.Helper()
	held, err := s.AccountsOf(t.Context(), customer(t, s, username).ID)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// everything is a window that holds all dates.
var everything = fdx.Window{Start: fdx.DateOf(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)), End: fdx.DateOf(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))}

func transactionsOf(t *testing.T, s *Store, username string, id fdx.AccountID) []fdx.Transaction {
	t.Helper()
	page, err := s.transactions(t.Context(), consent.ConsumerID(customer(t, s, username).ID), id, everything, place{}, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

func TestMigrateByTwoAtOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := s.pool.Exec(t.Context(), `DROP SCHEMA sandbox CASCADE`); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := Migrate(context.Background(), s.pool.Config().ConnString()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := importFile(t, s, "alice", "checking.ofx"); err != nil {
		t.Error(err)
	}
}

func TestNewNeedsAPool(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{}); err == nil {
		t.Error("a store without a pool")
	}
}

func TestImportOFXTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	want := map[string]Report{
		"checking.ofx":     {NewCustomers: 1, NewAccounts: 1, NewHolders: 1, NewTransactions: 5},
		"two_accounts.ofx": {NewAccounts: 2, NewHolders: 2, NewTransactions: 2},
		"card.ofx":         {NewAccounts: 1, NewHolders: 1, NewTransactions: 4},
		"investment.ofx":   {NewAccounts: 1, NewHolders: 1, NewTransactions: 5},
		"empty_tags.ofx":   {NewAccounts: 1, NewHolders: 1, NewTransactions: 1},
	}
	names := []string{"checking.ofx", "two_accounts.ofx", "card.ofx", "investment.ofx", "empty_tags.ofx"}
	for _, name := range names {
		r, err := importFile(t, s, "alice", name)
		r.Notes = nil
		if err != nil || fmt.Sprint(r) != fmt.Sprint(want[name]) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	before := dump(t, s)
	for _, name := range names {
		r, err := importFile(t, s, "alice", name)
		if err != nil || r.Changed() || r.SeenTransactions != want[name].NewTransactions {
			t.Errorf("%s again: %+v, %v", name, r, err)
		}
	}
	if dump(t, s) != before {
		t.Error("importing again changed the bank")
	}
	if len(accountsOf(t, s, "alice")) != 6 {
		t.Error("accounts are missing")
	}
}

// What was imported comes out as it went in: every digit, and the shapes of
// FDX.
func TestImportedDataComesOut(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := importFile(t, s, "alice", "investment.ofx"); err != nil {
		t.Fatal(err)
	}
	id := accountsOf(t, s, "alice")[0].Account.ID()
	rows, err := s.accounts(t.Context(), consent.ConsumerID(customer(t, s, "alice").ID), []string{string(id)}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := rows[0].fdx.MarshalJSON()
	want := `{"accountCategory":"INVESTMENT_ACCOUNT","accountId":"` + string(id) + `","accountNumberDisplay":"****7890","productName":"Investment account",` +
		`"status":"OPEN","currency":{"currencyCode":"USD"},"accountType":"BROKERAGEPRODUCT","availableCashBalance":18073.98,"currentValue":23305.34,` +
		`"balanceAsOf":"2026-03-01T08:30:34Z","holdings":[{"securityIds":[{"id":"900000002","idType":"CUSIP"}],"holdingName":"HELIO ENERGY","holdingType":"STOCK",` +
		`"symbol":"HELO","currentUnitPrice":40.87,"currentUnitPriceDate":"2026-03-01","units":128,"marketValue":5231.36,"cashAccount":false}]}`
	if err != nil || string(got) != want {
		t.Errorf("account %v\n%s\nwant\n%s", err, got, want)
	}
	list := transactionsOf(t, s, "alice", id)
	last := list[len(list)-1] // the newest is first
	got, err = last.MarshalJSON()
	want = `{"accountCategory":"INVESTMENT_ACCOUNT","transactionId":"` + string(last.Base().TransactionID) + `","transactionTimestamp":"2026-02-21T00:00:00Z",` +
		`"postedTimestamp":"2026-02-21T00:00:00Z","description":"IN LIEU OF FRX SHARE: HELIO ENERGY","debitCreditMemo":"CREDIT","status":"POSTED","amount":4.80,` +
		`"transactionType":"SOLD","fees":0.00,"securityId":"900000002","securityIdType":"CUSIP","securityType":"STOCK","symbol":"HELO","unitPrice":137.142857143,` +
		`"units":-0.035,"unitType":"SHARES"}`
	if err != nil || string(got) != want {
		t.Errorf("transaction %v\n%s\nwant\n%s", err, got, want)
	}
}

func TestBrokenFileLoadsNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := importFile(t, s, "alice", "checking.ofx"); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile("ofx/testdata/two_accounts.ofx")
	if err != nil {
		t.Fatal(err)
	}
	before := dump(t, s)
	// The fault is in the second account; the first one is fine.
	_, err = importText(t, s, "alice", strings.Replace(string(good), "-250.75", "-250.75.", 1))
	var faults ledger.Faults
	if !errors.As(err, &faults) || faults[0].Line != 38 || faults[0].At != "LEDGERBAL BALAMT" {
		t.Errorf("got %v", err)
	}
	// A fault that only the database sees: a name that text cannot hold.
	_, err = s.load(t.Context(), ledger.Batch{
		Customers: []ledger.Customer{{Username: "bob", Name: "Bob"}},
		Transactions: func(yield func(ledger.Transaction, error) bool) {
			yield(ledger.Transaction{}, errors.New("the source failed"))
		},
	}, nil)
	if err == nil || !strings.Contains(err.Error(), "the source failed") {
		t.Errorf("got %v", err)
	}
	if dump(t, s) != before {
		t.Error("a failed import left something behind")
	}
}

func TestImportNeedsAUsername(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, name := range []string{"", "Alice", "a b", "-a", strings.Repeat("a", 65), "a\x00", "é"} {
		if _, err := importFile(t, s, name, "checking.ofx"); !errors.Is(err, ErrUsername) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// The identity of an account is the institution's, not the customer's.
func TestAccountOfTwoCustomersIsJoint(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := importFile(t, s, "alice", "checking.ofx"); err != nil {
		t.Fatal(err)
	}
	r, err := importFile(t, s, "bob", "checking.ofx")
	if err != nil || r.NewCustomers != 1 || r.NewHolders != 1 || r.NewAccounts+r.NewTransactions+r.UpdatedAccounts != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	a, b := accountsOf(t, s, "alice")[0], accountsOf(t, s, "bob")[0]
	if a.Account.ID() != b.Account.ID() || a.Relationship != ledger.Owner || b.Relationship != ledger.Joint || !a.Joint || !b.Joint {
		t.Errorf("%s %s, %s %s", a.Account.ID(), a.Relationship, b.Account.ID(), b.Relationship)
	}
	if id := string(a.Account.ID()); len(id) != 26 || strings.Contains(id, "12345678") {
		t.Errorf("the id %s is not opaque", id)
	}
}

// Imports that run at once end as if one came after the other: the data is
// there once, and of many customers one is the owner.
func TestManyImportsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var wg sync.WaitGroup
	reports := make(chan Report, 12)
	for i := range cap(reports) {
		wg.Go(func() {
			r, err := importFile(t, s, fmt.Sprint("c", i/2), "two_accounts.ofx")
			if err != nil {
				t.Error(err)
			}
			reports <- r
		})
	}
	wg.Wait()
	close(reports)
	var sum Report
	for r := range reports {
		sum.NewCustomers += r.NewCustomers
		sum.NewAccounts += r.NewAccounts
		sum.UpdatedAccounts += r.UpdatedAccounts
		sum.NewHolders += r.NewHolders
		sum.NewTransactions += r.NewTransactions
	}
	if fmt.Sprint(sum) != fmt.Sprint(Report{NewCustomers: 6, NewAccounts: 2, NewHolders: 12, NewTransactions: 2}) {
		t.Errorf("together they changed %+v", sum)
	}
	var owners int
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM sandbox.holder WHERE relationship = 'OWNER'`).Scan(&owners); err != nil || owners != 2 {
		t.Errorf("two accounts have %d owners, %v", owners, err)
	}
}

// Two imports that hold the same accounts in opposite order do not wait for
// each other for ever.
func TestLoadsInOppositeOrder(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var forth ledger.Batch
	for i := range 2000 {
		forth.Accounts = append(forth.Accounts, ledger.Account{
			Institution: "x", Key: fmt.Sprint(i), Account: fdx.Account{Deposit: &fdx.DepositAccount{}},
		})
	}
	back := ledger.Batch{Accounts: slices.Clone(forth.Accounts)}
	slices.Reverse(back.Accounts)
	var wg sync.WaitGroup
	for _, b := range []ledger.Batch{forth, back, forth, back} {
		wg.Go(func() {
			if _, err := s.load(context.Background(), b, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestLaterStatement(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := importFile(t, s, "alice", "two_accounts.ofx"); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile("ofx/testdata/two_accounts.ofx")
	if err != nil {
		t.Fatal(err)
	}
	id := accountsOf(t, s, "alice")[0].Account.ID()
	was := transactionsOf(t, s, "alice", id)
	if was[0].Base().Status != fdx.Pending || was[1].Base().Status != fdx.Posted {
		t.Fatal("the pending transaction is not first")
	}

	// Days later the pending payment is booked, and the balance is another.
	later := strings.NewReplacer(
		"<BALAMT>111</BALAMT><DTASOF>20260301120000</DTASOF>", "<BALAMT>99</BALAMT><DTASOF>20260305120000</DTASOF>",
		"<STMTTRNP><TRNTYPE>DEBIT</TRNTYPE><DTTRAN>20260301101500</DTTRAN><TRNAMT>-12.00</TRNAMT><NAME>Kiosk</NAME></STMTTRNP>", "",
		"</BANKTRANLIST>", "<STMTTRN><TRNTYPE>DEBIT</TRNTYPE><DTPOSTED>20260302</DTPOSTED><TRNAMT>-12.00</TRNAMT><FITID>S2</FITID><NAME>Kiosk</NAME></STMTTRN></BANKTRANLIST>",
	).Replace(string(old))
	r, err := importText(t, s, "alice", later)
	if err != nil || r.UpdatedAccounts != 1 || r.NewTransactions != 1 || r.NewAccounts+r.NewHolders+r.NewCustomers != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	is := transactionsOf(t, s, "alice", id)
	if len(is) != 2 || is[0].Base().Status != fdx.Posted || is[1].Base().TransactionID != was[1].Base().TransactionID {
		t.Errorf("%d transactions; the pending one stayed or a posted one has another id", len(is))
	}
	if d := accountsOf(t, s, "alice")[0].Account; d.ID() != id || d.Deposit.CurrentBalance.String() != "99.00" {
		t.Errorf("account %s has %s", d.ID(), d.Deposit.CurrentBalance)
	}

	// The older statement, imported late, takes nothing back.
	before := dump(t, s)
	if _, err := importText(t, s, "alice", strings.Replace(string(old), "<BANKTRANLISTP>", "<X>", 1)); err == nil {
		t.Error("a broken file was taken")
	}
	old2 := old[:strings.Index(string(old), "<BANKTRANLISTP>")]
	rest := string(old)[strings.Index(string(old), "</BANKTRANLISTP>")+len("</BANKTRANLISTP>"):]
	r, err = importText(t, s, "alice", string(old2)+rest)
	if err != nil || r.Changed() || dump(t, s) != before {
		t.Errorf("an older statement changed the bank: %+v, %v", r, err)
	}
}

func TestAccountOfAnotherKindIsRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	load := func(a fdx.Account) error {
		_, err := s.load(t.Context(), ledger.Batch{Accounts: []ledger.Account{{Institution: "x", Key: "1", Number: "1", Account: a}}}, nil)
		return err
	}
	if err := load(fdx.Account{Deposit: &fdx.DepositAccount{}}); err != nil {
		t.Fatal(err)
	}
	before := dump(t, s)
	if err := load(fdx.Account{Loan: &fdx.LoanAccount{}}); !errors.Is(err, ErrOtherAccount) {
		t.Errorf("got %v", err)
	}
	if err := load(fdx.Account{}); !errors.Is(err, fdx.ErrInvalidAccount) {
		t.Errorf("got %v", err)
	}
	if dump(t, s) != before {
		t.Error("a refused account changed the bank")
	}
}

func TestCustomer(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := importFile(t, s, "alice", "checking.ofx"); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Customer(t.Context(), "alice"); err != nil || c.Username != "alice" || c.ID == "" || c.Name == "" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, wrong := range []string{"", "nobody", "Alice", "alice ", "a' OR '1'='1", "a\x00b", strings.Repeat("a", 1<<20)} {
		if c, err := s.Customer(t.Context(), wrong); !errors.Is(err, ErrNoCustomer) || c != (Customer{}) {
			t.Errorf("%.20q: %+v, %v", wrong, c, err)
		}
	}
	if held, err := s.AccountsOf(t.Context(), "nobody"); err != nil || len(held) != 0 {
		t.Errorf("accounts of nobody: %v, %v", held, err)
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	r, err := Seed(t.Context(), s, today)
	if err != nil || r.NewCustomers != 12 || r.NewAccounts != 34 || r.NewHolders != 35 || r.NewTransactions < 30_000 {
		t.Fatalf("%+v, %v", r, err)
	}
	before := dump(t, s)
	r, err = Seed(t.Context(), s, today.Add(3*time.Hour))
	if err != nil || r.Changed() || dump(t, s) != before {
		t.Errorf("seeding again on the same day: %+v, %v", r, err)
	}

	for _, p := range Personas() {
		if c := customer(t, s, p.Username); c.Username != p.Username || p.Password != DevPassword(p.Username) || p.About == "" {
			t.Errorf("%s: %+v", p.Username, c)
		}
	}
	joint, partner := accountsOf(t, s, "joint"), accountsOf(t, s, "partner")
	if joint[0].Account.ID() != partner[0].Account.ID() || partner[0].Relationship != ledger.Joint ||
		!joint[0].Joint || !partner[0].Joint || joint[1].Joint || partner[1].Joint {
		t.Error("the household shares no account")
	}

	// Ten days later the days in between are there, and what was pending is
	// booked under the same account ids.
	id := accountsOf(t, s, "saver")[2].Account.ID()
	pendingIDs := map[fdx.TransactionID]bool{}
	for _, x := range transactionsOf(t, s, "saver", id) {
		if x.Base().Status == fdx.Pending {
			pendingIDs[x.Base().TransactionID] = true
		}
	}
	r, err = Seed(t.Context(), s, today.AddDate(0, 0, 10))
	// Annuity, insurance and company have no balance that could be newer.
	if err != nil || r.NewCustomers+r.NewAccounts+r.NewHolders != 0 || r.UpdatedAccounts != 31 || r.NewTransactions < 300 || r.NewTransactions > 1000 {
		t.Errorf("%+v, %v", r, err)
	}
	if again := accountsOf(t, s, "saver")[2].Account; again.ID() != id || again.LineOfCredit.BalanceAsOf.Date() != fdx.DateOf(today).AddDays(10) {
		t.Errorf("account %+v", again.LineOfCredit)
	}
	named := 0
	for _, x := range transactionsOf(t, s, "saver", id) {
		if pendingIDs[x.Base().TransactionID] {
			t.Error("what was pending is still there")
		}
		if pendingIDs[x.Base().ReferenceTransactionID] {
			named++
		}
	}
	if len(pendingIDs) == 0 || named != len(pendingIDs) {
		t.Errorf("%d of %d pending transactions are named by their booking", named, len(pendingIDs))
	}
	var stale int
	err = s.pool.QueryRow(t.Context(), `SELECT count(*) FROM sandbox.txn WHERE pending AND at < $1`, today.AddDate(0, 0, 8)).Scan(&stale)
	if err != nil || stale != 0 {
		t.Errorf("%d transactions are still pending, %v", stale, err)
	}
}
