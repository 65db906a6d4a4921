package csv

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

var now = time.Date(2026, 3, 18, 14, 30, 0, 0, time.UTC)

// bank returns the files of the mapping small.
func bank() map[string]string {
	return map[string]string{
		"clients.csv":  "id;name\r\n1;\"Ann; \"\"the\"\" One\"\r\n2;Bob\r\n",
		"accounts.csv": "id;owner\n11;1\n12;2\n",
		"moves.csv": "id;account;day;type;amount;kind;balance\n" +
			"1;11;930105;IN;700,00;;700,00\n" +
			"2;11;930106;OUT;0,5;1;699,50\n" +
			"3;12;930107;IN;1000;9;1000\n",
	}
}

func read(t *testing.T, mapping string, files map[string]string, change ...func(*Source)) (Result, error) {
	t.Helper()
	m, err := ParseMapping("m.json", []byte(mapping))
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	src := Source{Mapping: m, Files: folder, Now: now}
	for _, f := range change {
		f(&src)
	}
	return Read(context.Background(), src)
}

func transactions(t *testing.T, r Result) string {
	t.Helper()
	var out []string
	for tr, err := range r.Batch.Transactions {
		if err != nil {
			t.Fatal(err)
		}
		b := tr.Transaction.Base()
		out = append(out, fmt.Sprintln(tr.Account, tr.Key, b.PostedTimestamp, b.DebitCreditMemo, b.Amount, b.Description))
	}
	return strings.Join(out, "")
}

func TestRead(t *testing.T) {
	t.Parallel()
	r, err := read(t, small, bank())
	if err != nil {
		t.Fatal(err)
	}
	const want = `0 csv:1 1993-01-05T00:00:00Z CREDIT 700.00 Transfer
0 csv:2 1993-01-06T00:00:00Z DEBIT 0.50 Rent
1 csv:3 1993-01-07T00:00:00Z CREDIT 1000.00 Other
`
	for range 2 { // the stream may be read again
		if got := transactions(t, r); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
	if c := r.Batch.Customers; len(c) != 2 || c[0] != (ledger.Customer{Username: "c-1", Name: `Ann; "the" One`}) {
		t.Errorf("customers %+v", c)
	}
	a := r.Batch.Accounts[0]
	if d := a.Account.Deposit; a.Institution != "Test bank" || a.Key != "11" || d.CurrentBalance.String() != "699.50" || d.AvailableBalance.String() != "699.50" ||
		d.BalanceAsOf.String() != "1993-01-06T00:00:00Z" || d.Currency.CurrencyCode != "CZK" || d.AccountNumberDisplay != "****1" {
		t.Errorf("account %+v %+v", a, d)
	}
	if h := r.Batch.Holders; len(h) != 2 || h[1] != (ledger.Holder{Username: "c-2", Account: 1, Relationship: ledger.Owner}) {
		t.Errorf("holders %+v", h)
	}
	if r.Transactions != 3 || r.Shift != 0 {
		t.Errorf("%d transactions, shift %d", r.Transactions, r.Shift)
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	files := bank()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(files["moves.csv"])); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	plain, err := read(t, small, files)
	if err != nil {
		t.Fatal(err)
	}
	files["moves.csv"] = b.String()
	packed, err := read(t, small, files)
	if err != nil {
		t.Fatal(err)
	}
	if transactions(t, plain) != transactions(t, packed) {
		t.Error("a gzipped file reads differently")
	}
	for cut := range b.Len() - 2 {
		files["moves.csv"] = b.String()[:cut+2]
		if _, err := read(t, small, files); err == nil {
			t.Fatalf("a gzip file cut off after %d bytes was taken", cut+2)
		}
	}
}

func TestRowFaults(t *testing.T) {
	t.Parallel()
	const first = "1;11;930105;IN;700,00;;700,00\n"
	tests := []struct{ name, file, old, new, want string }{
		{"a day the calendar lacks", "moves.csv", "930106", "930231", "moves.csv:3: day: is not a date that the calendar has"},
		{"a date of another form", "moves.csv", "930106", "1993-01-06", "moves.csv:3: day: is not a date of the form YYMMDD"},
		{"an empty date", "moves.csv", "930106", "", "moves.csv:3: day: is empty, but is needed for date"},
		{"an amount with letters", "moves.csv", "0,5", "O,5", "moves.csv:3: amount: is not a decimal number: there is a 'O' in it"},
		{"an amount with a point for a comma", "moves.csv", "0,5", "0.5", "moves.csv:3: amount: is not a decimal number: there is a '.' in it"},
		{"an empty amount", "moves.csv", "0,5", " ", "moves.csv:3: amount: is empty, but is needed for amount"},
		{"an amount that does not fit", "moves.csv", "0,5", strings.Repeat("9", 30), "moves.csv:3: amount: is decimal number out of range"},
		{"an unknown code", "moves.csv", "OUT", "OUTT", "moves.csv:3: type: has a value that the code table direction does not list"},
		{"an unknown account", "moves.csv", "2;11;", "2;13;", "moves.csv:3: account: names an account that the accounts of the mapping do not make"},
		{"a key twice", "moves.csv", first, first + first, "moves.csv:3: makes a transaction key that an earlier row of the account has made"},
		{"an empty key", "moves.csv", "2;11;", ";11;", "moves.csv:3: id: is empty, but is needed for key"},
		{"a huge key", "moves.csv", "2;11;", strings.Repeat("2", 251) + ";11;", "moves.csv:3: id: makes a key of more than 250 bytes"},
		{"a column too few", "moves.csv", "699,50\n", "\n", ""},
		{"a column missing", "moves.csv", ";1;699,50\n", "\n", "moves.csv:3: has 5 columns instead of 7"},
		{"a column too many", "moves.csv", ";1;699,50\n", ";1;699,50;x\n", "moves.csv:3: has 8 columns instead of 7"},
		{"an open quote", "moves.csv", "2;11", "\"2;11", "moves.csv:3: has a quoted value that is not closed"},
		{"text after a quote", "moves.csv", "2;11", "\"2\"x;11", "moves.csv:3: has text after the closing quote of a value"},
		{"a row without end", "moves.csv", "2;11", "\"" + strings.Repeat("2\n", 40000), "moves.csv:3: has more than 64 KiB in one row; is a quote left open?"},
		{"no UTF-8", "moves.csv", "2;11", "\xff;11", "moves.csv:3: is not UTF-8 text"},
		{"a NUL", "moves.csv", "2;11", "\x00;11", "moves.csv:3: is not UTF-8 text"},
		{"a last line that was cut off", "moves.csv", "3;12;930107;IN;1000;9;1000\n", "3;12;9301", "moves.csv:4: has 3 columns instead of 7 and does not end; if the file was cut off, lastLineCut in the mapping drops its last line"},
		{"a column renamed", "moves.csv", "id;account;day", "id;account;date", "moves.csv: day: is not a column of the file, though transactions[0] of the mapping says so; there are account, amount, balance, date, id, kind, type"},
		{"a column name twice", "moves.csv", "id;account;day", "id;account;id", "moves.csv:1: id: is the name of two columns"},
		{"too many columns", "moves.csv", "id;account", strings.Repeat(";", 1000), "moves.csv:1: has more than 1000 columns"},
		{"an empty file", "moves.csv", "*", "", "moves.csv: is empty"},
		{"a missing file", "moves.csv", "*", "-", "moves.csv: is not in the folder of the import"},
		{"a customer twice", "clients.csv", "2;Bob", "1;Bob", "clients.csv:3: id: makes a username that an earlier row has made"},
		{"a username with a space", "clients.csv", "2;Bob", "2 3;Bob", "clients.csv:3: id: makes a username that is not 1 to 64 of a-z, 0-9, dot, hyphen and underscore"},
		{"a customer without a name", "clients.csv", "2;Bob", "2;", "clients.csv:3: name: is empty, but is needed for name"},
		{"an account twice", "accounts.csv", "12;2", "11;2", "accounts.csv:3: id: makes an account key that an earlier row has made"},
		{"a holder who is nobody", "accounts.csv", "12;2", "12;3", "accounts.csv:3: owner: names a customer that the customers of the mapping do not make"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := bank()
			switch {
			case tt.old == "*" && tt.new == "-":
				delete(files, tt.file)
			case tt.old == "*":
				files[tt.file] = tt.new
			case !strings.Contains(files[tt.file], tt.old):
				t.Fatal("nothing to replace")
			default:
				files[tt.file] = strings.Replace(files[tt.file], tt.old, tt.new, 1)
			}
			r, err := read(t, small, files)
			var faults ledger.Faults
			switch {
			case tt.want == "" && err == nil:
			case tt.want == "" || !errors.As(err, &faults) || faults[0].Error() != tt.want:
				t.Errorf("got  %v\nwant %s", err, tt.want)
			case r.Batch.Transactions != nil || r.Batch.Accounts != nil:
				t.Error("refused files gave data")
			case strings.Contains(err.Error(), "Bob"):
				t.Error("the fault repeats a name")
			}
		})
	}
}

func TestManyFaults(t *testing.T) {
	t.Parallel()
	files := bank()
	files["moves.csv"] += strings.Repeat("x;99;nonsense;UP;lots;;\n", 100)
	_, err := read(t, small, files)
	var faults ledger.Faults
	if !errors.As(err, &faults) || len(faults) != ledger.MaxFaults {
		t.Errorf("%d faults, want the first %d", len(faults), ledger.MaxFaults)
	}
}

func TestLastLineCut(t *testing.T) {
	t.Parallel()
	mapping := strings.Replace(small, `"path": "moves.csv"`, `"path": "moves.csv", "lastLineCut": true`, 1)
	for _, cut := range []string{"4;12;930108;\"IN", "4;12;9301", "4;12;930108;IN;1;9;100"} {
		files := bank()
		files["moves.csv"] += cut
		r, err := read(t, mapping, files)
		if err != nil || r.Transactions != 3 {
			t.Errorf("%q: %d transactions, %v", cut, r.Transactions, err)
		}
	}
	files := bank()
	files["moves.csv"] = strings.Replace(files["moves.csv"], "2;11", "\"2;11", 1)
	if _, err := read(t, mapping, files); err == nil {
		t.Error("a broken line that is not the last was dropped")
	}
}

func TestRebase(t *testing.T) {
	t.Parallel()
	mapping := strings.Replace(small, `"customers"`, `"rebase": {"file": "moves", "column": "day", "days": 3}, "customers"`, 1)
	r, err := read(t, mapping, bank())
	if err != nil {
		t.Fatal(err)
	}
	// 1993-01-07 was a Thursday; the last Thursday that is three days ago or
	// more is 2026-03-12.
	if got := transactions(t, r); !strings.Contains(got, "csv:3 2026-03-12T") || !strings.Contains(got, "csv:1 2026-03-10T") || r.Shift%7 != 0 {
		t.Errorf("shift %d\n%s", r.Shift, got)
	}
	for day := range 14 {
		later, err := read(t, mapping, bank(), func(s *Source) { s.Now = now.AddDate(0, 0, day) })
		if err != nil {
			t.Fatal(err)
		}
		newest := time.Date(1993, 1, 7+later.Shift, 0, 0, 0, 0, time.UTC)
		if age := s24(now.AddDate(0, 0, day).Sub(newest)); newest.Weekday() != time.Thursday || age < 3 || age > 9 {
			t.Errorf("on day %d the newest is %d days old, on a %s", day, age, newest.Weekday())
		}
	}
	fixed, err := read(t, mapping, bank(), func(s *Source) { shift := 70; s.Shift = &shift })
	if err != nil || fixed.Shift != 70 || !strings.Contains(transactions(t, fixed), "csv:1 1993-03-16T") {
		t.Errorf("shift %d, %v", fixed.Shift, err)
	}
}

func s24(d time.Duration) int { return int(d.Hours() / 24) }

func TestJoinsAndConditions(t *testing.T) {
	t.Parallel()
	mapping := strings.NewReplacer(
		`"from": "clients", "username": {"template": "c-{id}"}, "name": {"column": "name"}`,
		`"from": "clients", "join": {"a": {"file": "accounts", "on": "id", "key": "owner", "optional": true}},
		 "where": [{"column": "id", "in": ["1", "2", "3"]}, {"column": "a.id", "present": true}],
		 "username": {"template": "c-{id}"}, "name": {"template": "{name} of {a.id}"}`,
	).Replace(small)
	files := bank()
	files["clients.csv"] += "3;Cy\n4;Di\n"
	r, err := read(t, mapping, files)
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Batch.Customers; len(c) != 2 || c[1].Name != "Bob of 12" {
		t.Errorf("customers %+v", c)
	}

	strict := strings.Replace(mapping, `, "optional": true`, "", 1)
	if _, err := read(t, strict, files); err == nil || !strings.HasPrefix(err.Error(), "clients.csv:4: id: has a value that accounts.csv does not list in owner") {
		t.Errorf("a row without a partner: %v", err)
	}
	files["accounts.csv"] += "13;2\n"
	if _, err := read(t, mapping, files); err == nil || err.Error() != "accounts.csv:4: owner: has a value that an earlier row has; a join needs it to be unique" {
		t.Errorf("a join with two partners: %v", err)
	}
	lost := strings.Replace(mapping, `"key": "owner"`, `"key": "holder"`, 1)
	if _, err := read(t, lost, files); err == nil || err.Error() != "accounts.csv: holder: is not a column of the file, though a join in the mapping says so" {
		t.Errorf("a join by no column: %v", err)
	}
	future := strings.Replace(small, `"from": "moves"`, `"from": "moves", "where": [{"column": "day", "notFuture": true}]`, 1)
	r, err = read(t, future, bank(), func(s *Source) { s.Now = time.Date(1993, 1, 6, 12, 0, 0, 0, time.UTC) })
	if err != nil || r.Transactions != 2 {
		t.Errorf("%d transactions that are not in the future, %v", r.Transactions, err)
	}
}

func TestOtherCategories(t *testing.T) {
	t.Parallel()
	mapping := strings.NewReplacer(
		`"DEPOSIT_ACCOUNT", "type": "CHECKING"`, `"LOAN_ACCOUNT", "type": "PERSONALLOAN", "originalPrincipal": "5000", "originatingDate": "920101", "loanTerm": "24", "nextPaymentAmount": "210,5", "status": "PAID"`,
		`"direction": {"column": "type", "codes": "direction"},`, ``,
	).Replace(small)
	files := bank()
	files["moves.csv"] = strings.Replace(files["moves.csv"], "0,5", "-0,5", 1)
	r, err := read(t, mapping, files)
	if err != nil {
		t.Fatal(err)
	}
	l := r.Batch.Accounts[0].Account.Loan
	if l.PrincipalBalance.String() != "699.50" || l.OriginalPrincipal.String() != "5000.00" || l.OriginatingDate.String() != "1992-01-01" || l.LoanTerm != 24 ||
		l.NextPaymentAmount.String() != "210.50" || l.Status != fdx.StatusPaid {
		t.Errorf("loan %+v", l)
	}
	if got := transactions(t, r); !strings.Contains(got, "csv:2 1993-01-06T00:00:00Z DEBIT 0.50") {
		t.Errorf("the sign does not give the direction:\n%s", got)
	}
	for old, want := range map[string]string{
		`"status": "PAID"`: "accounts.csv:2: gives a status that FDX does not know",
		`"loanTerm": "24"`: "accounts.csv:2: is not a number of months from 0 to 1200",
	} {
		if _, err := read(t, strings.Replace(mapping, old, old[:len(old)-3]+`x"`, 1), files); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A file may change between the check and the load; then nothing may pass.
func TestFilesThatChange(t *testing.T) {
	t.Parallel()
	m, err := ParseMapping("m.json", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for name, later := range map[string]string{
		"shorter": "id;account;day;type;amount;kind;balance\n1;11;930105;IN;700,00;;700,00\n",
		"broken":  "id;account;day;type;amount;kind;balance\n1;11;930105;IN;lots;;700,00\n",
		"gone":    "",
	} {
		folder := fstest.MapFS{}
		for name, text := range bank() {
			folder[name] = &fstest.MapFile{Data: []byte(text)}
		}
		r, err := Read(context.Background(), Source{Mapping: m, Files: folder, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		folder["moves.csv"].Data = []byte(later)
		failed := false
		for _, err := range r.Batch.Transactions {
			failed = err != nil
		}
		if !failed {
			t.Errorf("%s: the stream ended well", name)
		}
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	m, err := ParseMapping("m.json", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{}
	for name, text := range bank() {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, Source{Mapping: m, Files: folder, Now: now}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	var last Progress
	_, err := read(t, small, bank(), func(s *Source) {
		s.Progress = func(p Progress) {
			if p.Done > p.Total || p.Stage == "" {
				t.Errorf("progress %+v", p)
			}
			last = p
		}
	})
	if err != nil || last.Stage != "check moves.csv" || last.Done != last.Total || last.Done == 0 {
		t.Errorf("last progress %+v, %v", last, err)
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		layout, in, want string
	}{
		{"YYMMDD", "931231", "1993-12-31T00:00:00Z"},
		{"YYYY-MM-DD", "2024-02-29", "2024-02-29T00:00:00Z"},
		{"DD.MM.YYYY hh:mm:ss", "05.04.2024 23:59:58", "2024-04-05T23:59:58Z"},
		{"YYYY-MM-DD", "2023-02-29", ""},
		{"YYYY-MM-DD", "0000-01-01", ""},
		{"YYYY-MM-DD", "2023/02/28", ""},
		{"YYYY-MM-DD", "2023-02-28 ", ""},
		{"YYYY-MM-DD", "2023-02-+8", ""},
		{"DD.MM.YYYY hh:mm:ss", "05.04.2024 24:00:00", ""},
	}
	for _, tt := range tests {
		got, problem := dateFormat{layout: tt.layout, century: 1900}.parse(tt.in)
		if (problem == "") != (tt.want != "") || problem == "" && got.Format(time.RFC3339) != tt.want {
			t.Errorf("%s %q: %v %s, want %s", tt.layout, tt.in, got, problem, tt.want)
		}
	}
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0.00", "1": "1.00", "-1.5": "-1.50", "+007.25": "7.25", "12.3456": "12.3456", "-0.00": "0.00", ".5": "0.50",
		"":   "0.00", // an empty value never gets here
		"1.": "", "1,5": "", "1e3": "", "--1": "", "1 000": "", "0x10": "", "1.-5": "", "NaN": "", "99999999999999999999": "",
	} {
		d, problem := format{decimal: '.'}.money(in, 2)
		if (problem == "") != (want != "") || problem == "" && d.String() != want {
			t.Errorf("%q: %s %s, want %s", in, d, problem, want)
		}
	}
}

func FuzzRows(f *testing.F) {
	for _, text := range bank() {
		f.Add([]byte(text), byte(';'), byte('"'))
	}
	f.Add([]byte("\xEF\xBB\xBFa,b\n\"x\ny\",\n"), byte(','), byte(0))
	f.Fuzz(func(t *testing.T, data []byte, delimiter, quote byte) {
		rr := newRowReader(bytes.NewReader(data), format{delimiter: delimiter, quote: quote})
		line := 0
		for {
			fields, _, err := rr.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				var row *rowError
				if !errors.As(err, &row) || row.line < 1 {
					t.Fatalf("an error without a line: %v", err)
				}
				return
			}
			if len(fields) == 0 || rr.line <= line {
				t.Fatalf("%d fields on line %d after line %d", len(fields), rr.line, line)
			}
			line = rr.line
		}
	})
}

// FuzzRead fuzzes the values of rows under a mapping.
func FuzzRead(f *testing.F) {
	files := bank()
	f.Add([]byte(files["moves.csv"]))
	m, err := ParseMapping("m.json", []byte(small))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, moves []byte) {
		folder := fstest.MapFS{"moves.csv": {Data: moves}}
		for _, name := range []string{"clients.csv", "accounts.csv"} {
			folder[name] = &fstest.MapFile{Data: []byte(files[name])}
		}
		r, err := Read(context.Background(), Source{Mapping: m, Files: folder, Now: now})
		if err != nil {
			var faults ledger.Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("not a list of faults: %v", err)
			}
			return
		}
		n := 0
		for tr, err := range r.Batch.Transactions {
			if err != nil {
				t.Fatal(err)
			}
			b := tr.Transaction.Base()
			if n++; b == nil || !b.Amount.Present() || b.Amount.Sign() < 0 || b.Description == "" || b.PostedTimestamp.IsZero() {
				t.Fatalf("an incomplete transaction: %+v", b)
			}
		}
		if n != r.Transactions {
			t.Fatalf("%d transactions, promised %d", n, r.Transactions)
		}
	})
}
