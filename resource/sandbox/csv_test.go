package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/csv"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// pkdd returns a bank of two households in the form of the PKDD'99 files: the
// same columns, quotes, codes and line ends, and a last line that is cut off.
func pkdd() fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range map[string]string{
		"district": "A1;A2;A3\n1;\"Hl.m. Praha\";\"Prague\"\n2;\"Benesov\";\"central Bohemia\"\n",
		"client":   "\"client_id\";\"birth_number\";\"district_id\"\n1;\"706213\";1\n2;\"450204\";2\n3;\"406009\";2\n",
		"account":  "\"account_id\";\"district_id\";\"frequency\";\"date\"\n576;1;\"POPLATEK MESICNE\";930101\n704;2;\"POPLATEK TYDNE\";930102\n",
		"disp":     "\"disp_id\";\"client_id\";\"account_id\";\"type\"\n1;1;576;\"OWNER\"\n2;2;704;\"OWNER\"\n3;3;704;\"DISPONENT\"\n",
		"loan":     "\"loan_id\";\"account_id\";\"date\";\"amount\";\"duration\";\"payments\";\"status\"\n9;704;930105;96396;12;8033.00;\"B\"\n8;576;981206;55632;24;2318.00;\"C\"\n",
		"trans": "\"trans_id\";\"account_id\";\"date\";\"type\";\"operation\";\"amount\";\"balance\";\"k_symbol\";\"bank\";\"account\"\n" +
			"1;576;930101;\"PRIJEM\";\"VKLAD\";900.00;900.00;\"\";;\n" +
			"2;704;930102;\"PRIJEM\";\"PREVOD Z UCTU\";3679.00;3679.00;\"DUCHOD\";\"AB\";41403269\n" +
			"3;704;930115;\"VYDAJ\";\"PREVOD NA UCET\";1110.00;2569.00;\"SIPO\";\"CD\";12345678\n" +
			"4;576;930131;\"PRIJEM\";\"\";5.10;905.10;\"UROK\";;\n" +
			"5;576;930131;\"VYBER\";\"VYBER\";100.00;805.10;\" \";;\n" +
			"6;704;930131;\"PRIJE",
	} {
		out[name+".asc.gz"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, "\n", "\r\n"))}
	}
	return out
}

func readMapping(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("testdata/pkdd99.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func pkddMapping(t testing.TB) *csv.Mapping {
	t.Helper()
	m, err := csv.ParseMapping("pkdd99.json", []byte(readMapping(t)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func importWith(t testing.TB, s *Store, mapping string, files fs.FS) (Report, error) {
	t.Helper()
	m, err := csv.ParseMapping("m.json", []byte(mapping))
	if err != nil {
		t.Fatal(err)
	}
	return ImportCSV(t.Context(), s, m, files, nil)
}

func TestImportCSV(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	stages := map[string]csv.Progress{}
	r, err := ImportCSV(t.Context(), s, pkddMapping(t), pkdd(), func(p csv.Progress) { stages[p.Stage] = p })
	if err != nil || fmt.Sprint(r) != fmt.Sprint(Report{NewCustomers: 3, NewAccounts: 3, NewHolders: 4, NewTransactions: 5}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if p := stages["load"]; p.Done != 5 || p.Total != 5 {
		t.Errorf("progress %+v", stages)
	}

	held := accountsOf(t, s, "client-2")
	if len(held) != 2 || held[0].Relationship != ledger.Owner || held[1].Account.Loan == nil {
		t.Fatalf("client-2 holds %+v", held)
	}
	d := held[0].Account.Deposit
	// The newest transaction, a Sunday in 1993, is now the last Sunday that is
	// a day ago or more.
	if d.CurrentBalance.String() != "2569.00" || d.ProductName != "Current account, weekly statement" || d.BalanceAsOf.String() != "2026-02-27T00:00:00Z" {
		t.Errorf("account %+v", d)
	}
	if l := held[1].Account.Loan; l.Status != fdx.StatusDelinquent || l.OriginalPrincipal.String() != "96396.00" || l.OriginatingDate.String() != "2026-02-17" || l.LoanTerm != 12 {
		t.Errorf("loan %+v", l)
	}
	if other := accountsOf(t, s, "client-3"); len(other) != 1 || other[0].Relationship != ledger.AuthorizedUser {
		t.Errorf("client-3 holds %+v", other)
	}
	if mine := accountsOf(t, s, "client-1"); len(mine) != 1 {
		t.Errorf("a loan of the future is there: %+v", mine)
	}
	var lines []string
	for _, tr := range transactionsOf(t, s, "client-1", accountsOf(t, s, "client-1")[0].Account.ID()) {
		b := tr.Base()
		lines = append(lines, fmt.Sprint(b.EffectiveDate(), " ", b.DebitCreditMemo, " ", b.Amount, " ", b.Description))
	}
	want := "2026-03-15 DEBIT 100.00 Cash withdrawal\n2026-03-15 CREDIT 5.10 Interest\n2026-02-13 CREDIT 900.00 Cash deposit"
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestImportCSVTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	dsn := env.Postgres(t)
	s := storeOn(t, dsn, today)
	if _, err := ImportCSV(t.Context(), s, pkddMapping(t), pkdd(), nil); err != nil {
		t.Fatal(err)
	}
	before := dump(t, s)
	// A month later the rebase would give other dates; they stay.
	for _, now := range []time.Time{today, today.AddDate(0, 0, 1), today.AddDate(0, 1, 0)} {
		r, err := ImportCSV(t.Context(), storeOn(t, dsn, now), pkddMapping(t), pkdd(), nil)
		if err != nil || r.Changed() || r.SeenTransactions != 5 {
			t.Errorf("%+v, %v", r, err)
		}
		if dump(t, s) != before {
			t.Errorf("importing again on %s changed the bank", now.Format(time.DateOnly))
		}
	}
}

func TestBrokenCSVLoadsNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	before := dump(t, s)
	files := pkdd()
	files["trans.asc.gz"].Data = []byte(strings.Replace(string(files["trans.asc.gz"].Data), "1110.00;2569.00", "1110.00;2S69.00", 1))
	r, err := ImportCSV(t.Context(), s, pkddMapping(t), files, nil)
	if err == nil || err.Error() != "trans.asc.gz:4: balance: is not a decimal number: there is a 'S' in it" || r.Changed() {
		t.Errorf("%+v, %v", r, err)
	}

	// A file that breaks after it was checked: the transaction takes all back.
	files = pkdd()
	passes := 0 // one for the rebase, one for the check
	_, err = ImportCSV(t.Context(), s, pkddMapping(t), files, func(p csv.Progress) {
		if p.Stage == "check trans.asc.gz" && p.Done == p.Total {
			if passes++; passes == 2 {
				files["trans.asc.gz"] = &fstest.MapFile{Data: []byte("\"trans_id\"\n")}
			}
		}
	})
	var faults ledger.Faults
	if !errors.As(err, &faults) {
		t.Errorf("got %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	_, err = ImportCSV(ctx, s, pkddMapping(t), pkdd(), func(p csv.Progress) {
		if p.Stage == "load" {
			cancel()
		}
	})
	if err == nil {
		t.Error("an import went through without its context")
	}
	if dump(t, s) != before {
		t.Error("a failed import left something behind")
	}
}
