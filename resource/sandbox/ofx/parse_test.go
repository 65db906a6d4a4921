package ofx

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

func parseFile(t *testing.T, name string) File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(name, bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return f
}

// line renders a transaction for comparison.
func line(t ledger.Transaction) string {
	b := t.Transaction.Base()
	s := fmt.Sprintf("%d %s %s %s %s %s %s", t.Account, b.Status, b.TransactionTimestamp, b.PostedTimestamp, b.DebitCreditMemo, b.Amount, b.Description)
	switch {
	case t.Transaction.Deposit != nil:
		d := t.Transaction.Deposit
		return fmt.Sprintf("%s | %s %d", s, d.Payee, d.CheckNumber)
	case t.Transaction.LineOfCredit != nil:
		return s + " | " + string(t.Transaction.LineOfCredit.TransactionType)
	}
	i := t.Transaction.Investment
	return fmt.Sprintf("%s | %s %s/%s/%s fees %s commission %s units %s at %s %s", s, i.TransactionType, i.SecurityID, i.SecurityIDType, i.Symbol, i.Fees, i.Commission, i.Units, i.UnitPrice, i.SecurityType)
}

func lines(f File) string {
	var out []string
	for _, t := range f.Transactions {
		out = append(out, strings.TrimRight(line(t), " "))
	}
	return strings.Join(out, "\n")
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got, want = strings.TrimSpace(got), strings.TrimSpace(want); got != want {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

func TestChecking(t *testing.T) {
	t.Parallel()
	f := parseFile(t, "checking.ofx")
	// Midnight is a date without a time and keeps its day; a time of day is an
	// instant. An unknown TRNTYPE and the bank's own elements do not matter.
	same(t, "transactions", lines(f), `
0 POSTED 2026-02-01T17:20:17Z 2026-02-01T17:20:17Z DEBIT 6.60 POS;BREAD & BUTTER #112 | BREAD & BUTTER #112 0
0 POSTED 2026-02-02T00:00:00Z 2026-02-02T00:00:00Z DEBIT 316.67 Joe's Hairstyles | Joe's Hairstyles 319
0 POSTED 2026-02-03T00:00:00Z 2026-02-03T00:00:00Z CREDIT 1250.50 ACME; SALARY | ACME 0
0 POSTED 2026-02-03T00:00:00Z 2026-02-03T00:00:00Z DEBIT 0.50 FEE | FEE 0
0 POSTED 2026-02-03T00:00:00Z 2026-02-03T00:00:00Z DEBIT 0.50 FEE | FEE 0`)
	a := f.Accounts[0]
	d := a.Account.Deposit
	same(t, "account", fmt.Sprintf("%s %s %s %s %s %s %s %s %s", a.Institution, a.Key, d.AccountNumberDisplay, d.AccountType, d.Currency.CurrencyCode,
		d.CurrentBalance, d.AvailableBalance, d.BalanceAsOf, d.AccountID),
		"160000100 bank/00/CHECKING/12300%20000012345678 ****5678 CHECKING CAD 382.34 682.34 2026-02-28T12:20:17Z ")
	if a, b := f.Transactions[3].Key, f.Transactions[4].Key; a == b || !strings.HasSuffix(b, ":2") {
		t.Errorf("two equal transactions without FITID have the keys %s and %s", a, b)
	}
	if f.Transactions[0].Key != "fitid:A1" {
		t.Errorf("key %s", f.Transactions[0].Key)
	}
}

func TestTwoAccounts(t *testing.T) {
	t.Parallel()
	f := parseFile(t, "two_accounts.ofx")
	same(t, "transactions", lines(f), `
0 POSTED 2026-02-28T00:00:00Z 2026-02-28T00:00:00Z CREDIT 0.01 Zinsgutschrift für Februar | Zinsgutschrift für Februar 0
0 PENDING 2026-03-01T10:15:00Z  DEBIT 12.00 Kiosk | Kiosk 0`)
	if len(f.Accounts) != 2 {
		t.Fatalf("%d accounts", len(f.Accounts))
	}
	s, c := f.Accounts[0].Account.Deposit, f.Accounts[1].Account.LineOfCredit
	same(t, "balances", fmt.Sprintln(s.AccountType, s.CurrentBalance, s.AvailableBalance, c.AccountType, c.CurrentBalance, c.AvailableCredit),
		"SAVINGS 111.00 111.00 LINEOFCREDIT 250.75 749.25")
}

func TestCard(t *testing.T) {
	t.Parallel()
	f := parseFile(t, "card.ofx")
	same(t, "transactions", lines(f), `
0 POSTED 2026-02-07T00:00:00Z 2026-02-08T00:00:00Z DEBIT 5.50 SOME MEMO | PURCHASE
0 POSTED 2026-02-10T00:00:00Z 2026-02-10T00:00:00Z CREDIT 100.00 PAYMENT THANK YOU | PAYMENT
0 POSTED 2026-02-11T00:00:00Z 2026-02-11T00:00:00Z CREDIT 19.90 REFUND | ADJUSTMENT
0 POSTED 2026-02-12T00:00:00Z 2026-02-12T00:00:00Z DEBIT 1.25 INTEREST | INTEREST`)
	c := f.Accounts[0].Account.LineOfCredit
	same(t, "balances", fmt.Sprintln(c.AccountType, c.CurrentBalance, c.AvailableCredit), "CREDITCARD 123.45 876.55")
}

// A card that was paid too much is owed to the customer.
func TestCardInCredit(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/card.ofx")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse("card.ofx", strings.NewReader(strings.Replace(string(data), "-123.45", "123.45", 1)))
	if err != nil || f.Accounts[0].Account.LineOfCredit.CurrentBalance.String() != "-123.45" {
		t.Errorf("got %+v, %v", f.Accounts, err)
	}
}

func TestInvestment(t *testing.T) {
	t.Parallel()
	f := parseFile(t, "investment.ofx")
	same(t, "transactions", lines(f), `
0 POSTED 2026-02-20T00:00:00Z 2026-02-22T00:00:00Z DEBIT 2571.45 YOU BOUGHT: HELIO ENERGY | PURCHASED 900000002/CUSIP/HELO fees 0.75 commission 7.95 units 100 at 25.635 STOCK
0 POSTED 2026-02-21T00:00:00Z 2026-02-21T00:00:00Z CREDIT 4.80 IN LIEU OF FRX SHARE: HELIO ENERGY | SOLD 900000002/CUSIP/HELO fees 0.00 commission  units -0.035 at 137.142857143 STOCK
0 POSTED 2026-02-22T00:00:00Z 2026-02-22T00:00:00Z CREDIT 5.53 Dividend | DIVIDEND OWNFUND// fees 0.00 commission  units  at
0 POSTED 2026-02-23T00:00:00Z 2026-02-23T00:00:00Z MEMO 0.00 Transfer of securities | TRANSFER OWNFUND// fees 0.00 commission  units -9.060702 at 21.928764
0 POSTED 2026-02-24T00:00:00Z 2026-02-24T00:00:00Z CREDIT 0.24 INTEREST EARNED | DEPOSIT // fees 0.00 commission  units  at`)
	inv := f.Accounts[0].Account.Investment
	h := inv.Holdings[0]
	same(t, "account", fmt.Sprintln(inv.AccountType, inv.AvailableCashBalance, inv.CurrentValue, h.HoldingName, h.Symbol, h.Units, h.CurrentUnitPrice, h.MarketValue),
		"BROKERAGEPRODUCT 18073.98 23305.34 HELIO ENERGY HELO 128 40.87 5231.36")
}

func TestEmptyTags(t *testing.T) {
	t.Parallel()
	f := parseFile(t, "empty_tags.ofx")
	d := f.Accounts[0].Account.Deposit
	if d.CurrentBalance.Present() || !d.BalanceAsOf.IsZero() || d.Currency.CurrencyCode != "AUD" || d.AccountType != fdx.Checking {
		t.Errorf("account %+v", d)
	}
	same(t, "notes", strings.Join(f.Notes, "\n"), `
empty_tags.ofx:13: CURDEF is empty: read as AUD, the currency of its transactions
empty_tags.ofx:13: ACCTTYPE is empty: read as CHECKING
empty_tags.ofx:13: LEDGERBAL is missing or empty: loaded without a balance`)
}

// statement returns a small valid file with one transaction, in which tests
// replace things. Its lines are numbered for the tests below.
const statement = `<OFX>
<BANKMSGSRSV1><STMTTRNRS>
<STATUS><CODE>0<SEVERITY>INFO</STATUS>
<STMTRS><CURDEF>USD
<BANKACCTFROM><BANKID>1<ACCTID>22334455<ACCTTYPE>CHECKING</BANKACCTFROM>
<BANKTRANLIST>
<STMTTRN>
<TRNTYPE>DEBIT
<DTPOSTED>20260301
<TRNAMT>-1.00
<FITID>F1
<NAME>Ann Other
</STMTTRN>
</BANKTRANLIST>
<LEDGERBAL><BALAMT>5<DTASOF>20260301</LEDGERBAL>
</STMTRS></STMTTRNRS></BANKMSGSRSV1>
</OFX>`

func TestFaults(t *testing.T) {
	t.Parallel()
	const second = "</STMTTRN>\n<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260301<TRNAMT>-2.00<FITID>F1</STMTTRN>"
	tests := []struct {
		name     string
		old, new string // replaced in statement
		want     string
	}{
		{"a missing date", "<DTPOSTED>20260301\n", "\n", "f.ofx:7: STMTTRN DTPOSTED: is missing or empty"},
		{"an empty date", "<DTPOSTED>20260301", "<DTPOSTED></DTPOSTED>", "f.ofx:7: STMTTRN DTPOSTED: is missing or empty"},
		{"a day the calendar lacks", "<DTPOSTED>20260301", "<DTPOSTED>20260231", "f.ofx:9: STMTTRN DTPOSTED: is not a date that the calendar has"},
		{"a month the calendar lacks", "<DTPOSTED>20260301", "<DTPOSTED>202620000000", "f.ofx:9: STMTTRN DTPOSTED: is not a date that the calendar has"},
		{"a date with dashes", "<DTPOSTED>20260301", "<DTPOSTED>2026-03-01", "f.ofx:9: STMTTRN DTPOSTED: is not a date of the form YYYYMMDD or YYYYMMDDHHMMSS"},
		{"a date before banks had computers", "<DTPOSTED>20260301", "<DTPOSTED>00010101", "f.ofx:9: STMTTRN DTPOSTED: is not a date that the calendar has"},
		{"an offset no zone has", "<DTPOSTED>20260301", "<DTPOSTED>20260301120000[+23:XXX]", "f.ofx:9: STMTTRN DTPOSTED: has an offset from GMT that no time zone has"},
		{"an amount with a currency sign", "-1.00", "$120", "f.ofx:10: STMTTRN TRNAMT: is not a decimal number: there is a '$' in it"},
		{"an amount with group separators", "-1.00", "-1,000.00", "f.ofx:10: STMTTRN TRNAMT: is not a decimal number"},
		{"an amount with an exponent", "-1.00", "1e9", "f.ofx:10: STMTTRN TRNAMT: is not a decimal number: there is a 'e' in it"},
		{"an amount that is a fraction", "-1.00", "1/3", "f.ofx:10: STMTTRN TRNAMT: is not a decimal number: there is a '/' in it"},
		{"an amount that is a sign", "-1.00", "-", "f.ofx:10: STMTTRN TRNAMT: is not a decimal number"},
		{"an amount of too many characters", "-1.00", strings.Repeat("1", 33), "f.ofx:10: STMTTRN TRNAMT: has more than 32 characters"},
		{"an amount that does not fit", "-1.00", strings.Repeat("9", 30), "f.ofx:7: STMTTRN TRNAMT: has more digits than can be kept exactly"},
		{"a half-filled balance", "<BALAMT>5", "<BALAMT> </BALAMT>", "f.ofx:15: LEDGERBAL BALAMT: is missing or empty"},
		{"a balance without a date", "5<DTASOF>20260301", "5", "f.ofx:15: LEDGERBAL DTASOF: is missing or empty"},
		{"no account", "<ACCTID>22334455", "", "f.ofx:5: BANKACCTFROM ACCTID: is missing or empty"},
		{"an account type OFX lacks", "<ACCTTYPE>CHECKING", "<ACCTTYPE>SHOEBOX", "f.ofx:5: BANKACCTFROM ACCTTYPE: is none of CHECKING, SAVINGS, MONEYMRKT, CREDITLINE, CD"},
		{"a currency that is none", "<CURDEF>USD", "<CURDEF>US$", "f.ofx:4: STMTRS CURDEF: is not an ISO 4217 currency code"},
		{"no currency at all", "<CURDEF>USD", "", "f.ofx:2: CURDEF: is missing or empty"},
		{"an amount in another currency", "<FITID>F1", "<FITID>F1<CURRENCY><CURRATE>1.1<CURSYM>EUR</CURRENCY>", "f.ofx:7: CURRENCY CURSYM: is not the currency of the account; amounts in foreign currency are not supported"},
		{"a correction", "<FITID>F1", "<FITID>F1<CORRECTFITID>F0", "f.ofx:7: STMTTRN CORRECTFITID: corrections of earlier transactions are not supported"},
		{"one FITID for two transactions", "</STMTTRN>", second, "f.ofx:14: FITID: is the one of another transaction, on line 7"},
		{"a huge FITID", "F1", strings.Repeat("F", 256), "f.ofx:7: FITID: has more than 255 characters"},
		{"a file cut off inside a transaction", statement[strings.Index(statement, "<FITID>"):], "", "f.ofx:11: STMTTRN: the file ends inside it; it is incomplete"},
		{"a file cut off at the end", "</OFX>", "", "f.ofx:17: OFX: the file ends inside it; it is incomplete"},
		{"an aggregate that is not closed", "</STMTTRN>", "", "f.ofx:7: STMTTRN: is not closed before the end of BANKTRANLIST"},
		{"an end without a beginning", "</STMTTRN>", "</STMTTRN></NOTHING>", "f.ofx:13: NOTHING: is closed but was not open"},
		{"text between elements", "<BANKTRANLIST>", "<BANKTRANLIST>oops", "f.ofx:6: BANKTRANLIST: there is text between its elements"},
		{"a transaction where none belongs", "</BANKTRANLIST>", "</BANKTRANLIST><STMTTRN><TRNAMT>1</STMTTRN>", "f.ofx:14: STMTTRN: does not belong in STMTRS"},
		{"a doubled element", "<TRNAMT>-1.00", "<TRNAMT>-1.00\n<TRNAMT>-1.00", "f.ofx:11: STMTTRN TRNAMT: appears twice"},
		{"a doubled statement", "</STMTRS>", "</STMTRS><STMTRS><CURDEF>USD<BANKACCTFROM><BANKID>1<ACCTID>2</BANKACCTFROM></STMTRS>", "f.ofx:16: STMTTRNRS STMTRS: appears twice"},
		{"an answer that is an error", "<CODE>0<SEVERITY>INFO", "<CODE>2000<SEVERITY>ERROR<MESSAGE>Sorry", "f.ofx:2: STMTTRNRS STATUS: the bank answered with code 2000 (General error) instead of data; download the file again"},
		{"a document type", "<OFX>", `<OFX><!DOCTYPE x [<!ENTITY e "e">]>`, "f.ofx:1: document types are not supported"},
		{"a tag that is not closed", "</OFX>", "</OFX", "f.ofx:17: a tag is not closed"},
		{"a comment that is not closed", "</OFX>", "<!-- </OFX>", "f.ofx:17: a comment is not closed"},
		{"something after the end", "</OFX>", "</OFX><STMTTRN>", "f.ofx:17: STMTTRN: stands outside <OFX>"},
		{"a text that never ends", "Ann Other", strings.Repeat("< ", 3000), "f.ofx:12: NAME: has more than 4096 bytes of text"},
		{"deep nesting", "<BANKTRANLIST>", strings.Repeat("<A>", 40), "f.ofx:6: A: elements are nested too deeply"},
		{"no statement", statement, "<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0</STATUS></SONRS></SIGNONMSGSRSV1></OFX>", "f.ofx: holds no statement of a bank, credit card or investment account"},
		{"nothing that is read", statement, "<OFX><LOANMSGSRSV1>1</LOANMSGSRSV1></OFX>", "f.ofx:1: OFX: holds nothing that this import reads"},
		{"another format", statement, "Date,Amount\n", "f.ofx:1: is not an OFX file: there is no <OFX> in it"},
		{"an empty file", statement, " \n", "f.ofx: is empty"},
		{"UTF-16", statement, "\xff\xfe<\x00O\x00", "f.ofx:1: is UTF-16; save it as UTF-8"},
		{"a binary file", statement, "PK\x03\x04\x00", "f.ofx:1: is not a text file"},
		{"a compressed body", "<OFX>", "COMPRESSION:TYPE1\n<OFX>", "f.ofx:1: COMPRESSION: compressed bodies are not supported"},
		{"a file that is too large", "<BANKTRANLIST>", "<BANKTRANLIST>" + strings.Repeat(" ", MaxSize), "f.ofx: is larger than 20 MiB; export a shorter period"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(statement, tt.old) {
				t.Fatal("nothing to replace")
			}
			f, err := Parse("f.ofx", strings.NewReader(strings.Replace(statement, tt.old, tt.new, 1)))
			var faults ledger.Faults
			if !errors.As(err, &faults) || faults[0].Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if len(f.Accounts)+len(f.Transactions) > 0 {
				t.Error("a refused file gave data")
			}
			if err != nil && (strings.Contains(err.Error(), "Ann") || strings.Contains(err.Error(), "22334455")) {
				t.Error("the fault repeats a name or an account number")
			}
		})
	}
}

func TestEveryFaultIsNamed(t *testing.T) {
	t.Parallel()
	bad := strings.NewReplacer("-1.00", "x", "20260301", "soon", "<ACCTID>22334455", "").Replace(statement)
	_, err := Parse("f.ofx", strings.NewReader(bad))
	same(t, "faults", err.Error(), `
f.ofx:5: BANKACCTFROM ACCTID: is missing or empty
f.ofx:9: STMTTRN DTPOSTED: is not a date of the form YYYYMMDD or YYYYMMDDHHMMSS: there is a 's' in it
f.ofx:10: STMTTRN TRNAMT: is not a decimal number: there is a 'x' in it
f.ofx:15: LEDGERBAL DTASOF: is not a date of the form YYYYMMDD or YYYYMMDDHHMMSS: there is a 's' in it`)

	many := strings.Replace(statement, "</STMTTRN>", "</STMTTRN>"+strings.Repeat("<STMTTRN><NAME>x</STMTTRN>", 100), 1)
	_, err = Parse("f.ofx", strings.NewReader(many))
	var faults ledger.Faults
	if !errors.As(err, &faults) || len(faults) != ledger.MaxFaults {
		t.Errorf("%d faults, want the first %d", len(faults), ledger.MaxFaults)
	}
}

func TestTolerance(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, old, new string }{
		{"lower case tags", "<TRNAMT>", "<trnamt>"},
		{"a mark at the start", "<OFX>", "\xEF\xBB\xBF<OFX>"},
		{"Windows line ends", "\n", "\r\n"},
		{"no header, blank lines", "<OFX>", "\r\n\r\n<OFX>"},
		{"an unclosed empty leaf", "<FITID>F1", "<FITID>F1<CHECKNUM>"},
		{"an unclosed extension without text", "<FITID>F1", "<X.EXT><FITID>F1"},
		{"an extension with a transaction in it", "<STMTTRN>", "<X.EXT><STMTTRN><TRNAMT>?</STMTTRN></X.EXT><STMTTRN>"},
		{"an element OFX knows and nobody reads", "<FITID>F1", "<FITID>F1<SRVRTID>nonsense<DTAVAIL>soon"},
		{"the same transaction twice", "</STMTTRN>", "</STMTTRN><STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260301<TRNAMT>-1<FITID>F1<NAME>Ann Other</STMTTRN>"},
		{"a zone with a name of its own", "<DTPOSTED>20260301", "<DTPOSTED>20260301000000.000[-5:EST5EDT]"},
		{"a zone of a half hour", "<DTPOSTED>20260301", "<DTPOSTED>20260301000000[+5.30:IST]"},
		{"a sign in front of a point", "-1.00", "-01,0"},
		{"a comment and an instruction", "<STMTTRN>", "<!-- <x> --><?x y?><STMTTRN>"},
		{"CDATA", "<NAME>Ann Other", "<NAME><![CDATA[Ann Other]]></NAME>"},
		{"a status that is a warning", "<CODE>0<SEVERITY>INFO", "<CODE>2028<SEVERITY>WARN"},
	}
	want, err := Parse("f.ofx", strings.NewReader(statement))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := 1
			if tt.old == "\n" {
				n = -1
			}
			f, err := Parse("f.ofx", strings.NewReader(strings.Replace(statement, tt.old, tt.new, n)))
			if err != nil {
				t.Fatal(err)
			}
			if got := lines(f); got != lines(want) || len(f.Accounts) != 1 {
				t.Errorf("got %s\nwant %s", got, lines(want))
			}
		})
	}
}

func TestTextIsDecoded(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"UTF-8":        "Zoë’s café",
		"Windows-1252": "Zo\xeb\x92s caf\xe9",
		"references":   "Zo&#235;&#x2019;s caf&#233;",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := Parse("f.ofx", strings.NewReader(strings.Replace(statement, "Ann Other", text, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Transactions[0].Transaction.Deposit.Payee; got != "Zoë’s café" {
				t.Errorf("got %q", got)
			}
		})
	}
	for in, want := range map[string]string{"R&D &amp; more": "R&D & more", "a < b": "a < b", "Food&notes": "Food&notes", "tab\tnul&#0;": "tab nul"} {
		f, err := Parse("f.ofx", strings.NewReader(strings.Replace(statement, "Ann Other", in, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Transactions[0].Transaction.Deposit.Payee; strings.Trim(got, "\ufffd") != want {
			t.Errorf("%q gave %q, want %q", in, got, want)
		}
	}
}

// A later statement of an account that a file holds twice gives the balance.
func TestOneAccountTwice(t *testing.T) {
	t.Parallel()
	again := strings.NewReplacer("<OFX>", "", "</OFX>", "", "<BALAMT>5<DTASOF>20260301", "<BALAMT>9<DTASOF>20260302", "F1", "F2").Replace(statement)
	for _, both := range []string{strings.Replace(statement, "</OFX>", again+"</OFX>", 1), strings.Replace(statement, "<OFX>", "<OFX>"+again, 1)} {
		f, err := Parse("f.ofx", strings.NewReader(both))
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Accounts) != 1 || len(f.Transactions) != 2 || f.Accounts[0].Account.Deposit.CurrentBalance.String() != "9.00" {
			t.Errorf("%d accounts, %d transactions, balance %s", len(f.Accounts), len(f.Transactions), f.Accounts[0].Account.Deposit.CurrentBalance)
		}
	}
}

func TestTooManyAccounts(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("<OFX>")
	for i := range MaxAccounts + 1 {
		b.WriteString(strings.NewReplacer("<OFX>", "", "</OFX>", "", "22334455", fmt.Sprint(i)).Replace(statement))
	}
	b.WriteString("</OFX>")
	_, err := Parse("f.ofx", strings.NewReader(b.String()))
	if err == nil || !strings.Contains(err.Error(), "holds more than 1000 accounts") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.ofx")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(statement))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := Parse("f.ofx", bytes.NewReader(data))
		if err != nil {
			var faults ledger.Faults
			if !errors.As(err, &faults) || len(faults) == 0 || len(faults) > ledger.MaxFaults {
				t.Fatalf("not a list of faults: %v", err)
			}
			return
		}
		again, err := Parse("f.ofx", bytes.NewReader(data))
		if err != nil || lines(again) != lines(out) {
			t.Fatal("the same file read twice is not the same")
		}
		seen := map[string]bool{}
		for _, tr := range out.Transactions {
			b := tr.Transaction.Base()
			if b == nil || tr.Transaction.Category() != out.Accounts[tr.Account].Account.Category() {
				t.Fatal("a transaction that does not fit its account")
			}
			if !b.Amount.Present() || b.Amount.Sign() < 0 || b.Description == "" || b.TransactionTimestamp.IsZero() {
				t.Fatalf("an incomplete transaction: %+v", b)
			}
			if id := fmt.Sprint(tr.Account, tr.Key); seen[id] || len(tr.Key) > 300 {
				t.Fatal("a key that is not of its own")
			} else {
				seen[id] = true
			}
		}
		for _, a := range out.Accounts {
			if a.Number == "" || a.Account.Descriptor().AccountNumberDisplay == a.Number {
				t.Fatal("the number is shown in full")
			}
		}
	})
}
