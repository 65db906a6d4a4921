package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// dataDir is the folder of real bank files named by HEADGATE_DATA_DIR. They
// are not part of the project, so without it these tests say so and end.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HEADGATE_DATA_DIR")
	if dir == "" {
		t.Skip("set HEADGATE_DATA_DIR to a folder with ofx/ and pkdd99/ to run this on real files")
	}
	return dir
}

// What each real statement does. Where a file is taken although ofxgo alone
// refuses it, the reason is beside it.
var realStatements = map[string]struct {
	accounts, transactions int
	faults                 string // of a refused file
}{
	"anzcc.ofx":              {accounts: 1, transactions: 1}, // SGML tags below an XML header
	"bank_medium.ofx":        {accounts: 1, transactions: 3},
	"checking.ofx":           {accounts: 1, transactions: 3},
	"fidelity.ofx":           {accounts: 1, transactions: 17}, // words padded with spaces
	"investment_401k.ofx":    {accounts: 1, transactions: 3},  // transfers without an amount
	"multiple_accounts2.ofx": {accounts: 2},
	// Empty CURDEF, ACCTTYPE, FITID and balance, a broken DTSERVER, extensions.
	"ofx-v102-empty-tags.ofx": {accounts: 1, transactions: 1},

	"date_missing.ofx": {faults: `date_missing.ofx:33: STMTTRN DTPOSTED: is missing or empty
date_missing.ofx:40: STMTTRN DTPOSTED: is missing or empty
date_missing.ofx:50: STMTTRN DTPOSTED: is not a date that the calendar has`},
	"decimal_error.ofx": {faults: `decimal_error.ofx:36: STMTTRN DTPOSTED: is not a date that the calendar has
decimal_error.ofx:37: STMTTRN TRNAMT: is not a decimal number: there is a '$' in it`},
	"empty_balance.ofx": {faults: `empty_balance.ofx:37: LEDGERBAL BALAMT: is missing or empty
empty_balance.ofx:41: AVAILBAL BALAMT: is missing or empty`},
	"error_message.ofx": {faults: `error_message.ofx:20: STMTTRNRS STATUS: the bank answered with code 2000 (General error) instead of data; download the file again`},
}

func TestRealStatements(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(dataDir(t), "ofx", "*.ofx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no statements: %v", err)
	}
	s := newStore(t)
	load := func(path string) (Report, error) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return ImportOFX(t.Context(), s, "alice", filepath.Base(path), f)
	}
	for _, path := range files {
		name := filepath.Base(path)
		want, known := realStatements[name]
		if !known {
			t.Errorf("%s: nobody has said what becomes of it", name)
			continue
		}
		before := dump(t, s)
		r, err := load(path)
		if want.faults != "" {
			if err == nil || err.Error() != want.faults || dump(t, s) != before {
				t.Errorf("%s: %+v\n%v\nwant\n%s", name, r, err, want.faults)
			}
			continue
		}
		if err != nil || r.NewAccounts != want.accounts || r.NewTransactions != want.transactions {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	before := dump(t, s)
	for _, path := range files {
		if r, err := load(path); err == nil && r.Changed() {
			t.Errorf("%s again: %+v", filepath.Base(path), r)
		}
	}
	if dump(t, s) != before {
		t.Error("importing again changed the bank")
	}
}

func TestRealBank(t *testing.T) {
	t.Parallel()
	folder := os.DirFS(filepath.Join(dataDir(t), "pkdd99"))
	s := newStore(t)
	start := time.Now()
	r, err := ImportCSV(t.Context(), s, pkddMapping(t), folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v in %s", r, time.Since(start))
	// Every account and client, every owner and disponent, and the loans that
	// were granted before the last transaction, each with its owner.
	loans := r.NewAccounts - 4500
	if r.NewCustomers != 5369 || loans < 30 || r.NewHolders != 5369+loans || r.NewTransactions != 49102 {
		t.Errorf("%+v", r)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %s", took)
	}
	before := dump(t, s)
	r, err = ImportCSV(t.Context(), s, pkddMapping(t), folder, nil)
	if err != nil || r.Changed() || dump(t, s) != before {
		t.Errorf("importing again: %+v, %v", r, err)
	}
	var newest time.Time
	if err := s.pool.QueryRow(t.Context(), `SELECT max(at) FROM sandbox.txn`).Scan(&newest); err != nil {
		t.Fatal(err)
	}
	if age := today.Sub(newest).Hours() / 24; newest.Weekday() != time.Thursday || age < 1 || age > 8 {
		t.Errorf("the newest transaction is of %s", newest)
	}

	strict := strings.Replace(readMapping(t), `, "lastLineCut": true`, "", 1)
	_, err = importWith(t, newStore(t), strict, folder)
	var faults ledger.Faults
	if !errors.As(err, &faults) || faults[0].File != "trans.asc.gz" || faults[0].Line != 49104 {
		t.Errorf("the line that is cut off: %v", err)
	}
}
