package paper

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func day(t testing.TB, s string) fdx.Date {
	t.Helper()
	d, err := fdx.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// march is a statement of n lines in a month.
func march(t testing.TB, n int) Statement {
	st := Statement{
		Holders: []string{"Őrsi Łukasz", "ليلى الهاشمي"}, Address: []string{"12 Maple Court", "Riverton, OH 43001"},
		Product: "Everyday Checking", Nickname: "حساب العائلة – Main", Number: "****1234", Currency: "USD",
		Period: fdx.Window{Start: day(t, "2026-03-01"), End: day(t, "2026-03-31")}, Opening: fdx.NewDecimal(164_310, 2),
	}
	for i := range n {
		l := Line{Date: st.Period.Start.AddDays(i * 31 / max(n, 1)), Description: fmt.Sprintf("CARD PAYMENT %d MARKET HALL", i), Amount: fdx.NewDecimal(int64(100+i*37%90_000), 2), Direction: fdx.Debit}
		switch {
		case i%17 == 3:
			l.Description, l.Direction, l.Amount = "راتب – SALARY", fdx.Credit, fdx.NewDecimal(123_456_789, 2)
		case i%23 == 5:
			l.Description, l.Note = "A description that goes on for longer than the column is wide, so that it takes several lines, with 贮蓄 in it", "49.99 EUR"
		case i%29 == 7:
			l.Direction = fdx.Memo
		}
		st.Lines = append(st.Lines, l)
	}
	return st
}

func TestStatement(t *testing.T) {
	t.Parallel()
	p := newPrinter(t)
	body, err := p.Statement(march(t, 120))
	if err != nil {
		t.Fatal(err)
	}
	d := read(t, body)
	if d.made != "D:20260331000000" {
		t.Errorf("made %s", d.made)
	}
	if len(d.pages) != 4 || d.title != "Statement of account ****1234, 1 March 2026 to 31 March 2026" {
		t.Errorf("%d pages of %q", len(d.pages), d.title)
	}
	// What the eye reads on each page besides the content.
	for i, artifacts := range d.artifacts {
		text := strings.Join(artifacts, "|")
		if !strings.Contains(text, fmt.Sprintf("Page %d of 4", i+1)) || i > 0 && !strings.Contains(text, "Date|Description|Money out|Money in|Balance") {
			t.Errorf("page %d repeats %q", i+1, text)
		}
	}
	for _, want := range []string{
		"Document", " P Bank of Tests", " P 1 Test Street", " P Őrsi Łukasz", " P ليلى الهاشمي", " H1 Statement of account",
		"   TH Called", "   TD حساب العائلة – Main", "   TD USD 1,643.10", "   TH Closing balance", "   TD USD 8,641,082.13",
		" H2 Transactions", "  THead", "    TH Money out", "  TBody", "    TD راتب – SALARY", "    TD 1,234,567.89",
		"    TD A description that goes on for longer than the column is wide, so that it takes several lines, with 贮蓄 in it (49.99 EUR)",
	} {
		if !slices.Contains(d.outline, want) {
			t.Errorf("the structure lacks %q", want)
		}
	}
	if rows := strings.Count(strings.Join(d.outline, "\n"), "\n   TR"); rows != 1+121 { // head, opening balance, lines
		t.Errorf("%d rows", rows)
	}
	if t.Failed() {
		t.Log(strings.Join(d.outline, "\n"))
	}
}

func TestStatementForms(t *testing.T) {
	t.Parallel()
	p := newPrinter(t)
	outline := func(st Statement) string {
		body, err := p.Statement(st)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(read(t, body).outline, "\n")
	}
	owed := march(t, 2)
	owed.Owed = true
	if got := outline(owed); !strings.Contains(got, "TH Closing balance owed\n   TD USD 1,645.47") || !strings.Contains(got, "TH Charges\n") {
		t.Errorf("what is owed:\n%s", got)
	}
	open := march(t, 2)
	open.Opening = fdx.Decimal{}
	if got := outline(open); strings.Contains(strings.ToLower(got), "balance") || !strings.Contains(got, "TD USD 2.37") {
		t.Errorf("without balances:\n%s", got)
	}
	if got := outline(march(t, 0)); !strings.Contains(got, "P Nothing was booked in this period.") || strings.Contains(got, "TBody") || !strings.Contains(got, "TH Closing balance\n   TD USD 1,643.10") {
		t.Errorf("an empty month:\n%s", got)
	}
	long := march(t, 1)
	long.Lines[0].Description = strings.Repeat("word ", 5000) + strings.Repeat("x", 5000)
	long.Product = strings.Repeat("product ", 200)
	long.Holders = []string{strings.Repeat("ő", 3000), "", "\x00\xff"}
	if got := outline(long); !strings.Contains(got, "   TD "+strings.TrimSpace(long.Lines[0].Description)) {
		t.Error("a long description is not whole in the structure")
	}
}

func TestTheSameStatementHasTheSameBytes(t *testing.T) {
	t.Parallel()
	p := newPrinter(t)
	want, err := p.Statement(march(t, 60))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, err := newPrinter(t).Statement(march(t, 60)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("other bytes, %v", err)
			}
			if got, err := p.Statement(march(t, 60)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("other bytes beside others, %v", err)
			}
		})
	}
	wg.Wait()
	if other, _ := p.Statement(march(t, 61)); bytes.Equal(other, want) {
		t.Error("another statement has the same bytes")
	}
}

func TestTheLongestStatement(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("seconds")
	}
	p := newPrinter(t)
	body, err := p.Statement(march(t, MaxLines))
	if err != nil || len(body) > 8<<20 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if _, err := p.Statement(march(t, MaxLines+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("one line more: %v", err)
	}
}

func TestAmountsThatDoNotFit(t *testing.T) {
	t.Parallel()
	st := march(t, 2)
	st.Lines[0].Amount, st.Lines[1].Amount = fdx.NewDecimal(math.MaxInt64, 2), fdx.NewDecimal(math.MaxInt64, 2)
	if _, err := newPrinter(t).Statement(st); !errors.Is(err, fdx.ErrDecimalRange) {
		t.Errorf("got %v", err)
	}
}

func TestGrouped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d    fdx.Decimal
		want string
	}{
		{fdx.NewDecimal(0, 2), "0.00"}, {fdx.NewDecimal(-12345678901, 2), "-123,456,789.01"}, {fdx.NewDecimal(100, 0), "100"},
		{fdx.NewDecimal(1000, 0), "1,000"}, {fdx.NewDecimal(99999, 2), "999.99"}, {fdx.NewDecimal(-100, 2), "-1.00"},
	} {
		if got := grouped(c.d); got != c.want {
			t.Errorf("%s: %s", c.d, got)
		}
	}
}

func TestNewNeedsABank(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{}); err == nil {
		t.Error("a bank without a name")
	}
}

func BenchmarkStatement(b *testing.B) {
	p, st := newPrinter(b), march(b, 500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Statement(st); err != nil {
			b.Fatal(err)
		}
	}
}
