package paper

import (
	"strings"

	"github.com/headgate/headgate/fdx"
)

// Statement is what a statement of account says.
type Statement struct {
	// Holders are the names of those who hold the account, Address is that of
	// the first.
	Holders []string
	Address []string
	// Product and Nickname name the account; the nickname may be empty.
	Product  string
	Nickname string
	// Number is masked.
	Number string
	// Currency is an ISO 4217 code. All amounts are in major units of it.
	Currency string
	// Period is the days that the statement covers. Its last day is the date
	// of the statement.
	Period fdx.Window
	// Opening is the balance before the first line. When it is not present,
	// the statement has no balances.
	Opening fdx.Decimal
	// Owed: the balance is what the holder owes, so that debits raise it.
	Owed bool
	// Lines are the booked transactions, at most MaxLines, in the order of
	// booking.
	Lines []Line
}

// Line is a booked transaction.
type Line struct {
	Date        fdx.Date
	Description string
	// Note stands below the description; empty for none.
	Note string
	// Amount is absolute. A memo moves nothing.
	Amount    fdx.Decimal
	Direction fdx.DebitCreditMemo
}

// MaxLines bounds a statement: one of so many lines has less than 8 MiB.
const MaxLines = 30_000

// totals is what the lines of a statement add up to.
type totals struct {
	in, out, closing fdx.Decimal
	balances         []fdx.Decimal // after each line; nil without an opening balance
}

// add returns the sums, or fdx.ErrDecimalRange.
func (st *Statement) add() (totals, error) {
	t := totals{in: fdx.NewDecimal(0, 2), out: fdx.NewDecimal(0, 2), closing: st.Opening}
	if st.Opening.Present() {
		t.balances = make([]fdx.Decimal, 0, len(st.Lines))
	}
	for _, l := range st.Lines {
		var err error
		step := fdx.NewDecimal(0, 0)
		switch l.Direction {
		case fdx.Credit:
			step = l.Amount
			t.in, err = t.in.Add(l.Amount)
		case fdx.Debit:
			if t.out, err = t.out.Add(l.Amount); err == nil {
				step, err = l.Amount.Neg()
			}
		}
		if err == nil && st.Opening.Present() {
			if st.Owed {
				step, err = step.Neg()
			}
			if err == nil {
				t.closing, err = t.closing.Add(step)
			}
			t.balances = append(t.balances, t.closing)
		}
		if err != nil {
			return totals{}, err
		}
	}
	return t, nil
}

// Statement returns the PDF of a statement, ErrTooLong, or fdx.ErrDecimalRange
// when the amounts add up to more than a decimal holds.
func (p *Printer) Statement(st Statement) ([]byte, error) {
	if len(st.Lines) > MaxLines {
		return nil, ErrTooLong
	}
	sums, err := st.add()
	if err != nil {
		return nil, err
	}
	period := long(st.Period.Start) + " to " + long(st.Period.End)
	title := "Statement of account " + st.Number + ", " + period
	s := p.newSheet(title, st.Period.End, clean(title))

	s.paragraph("P", p.bank, 13, black, 0.5)
	for _, line := range p.address {
		s.paragraph("P", line, 9, grey, 0)
	}
	s.y += 7
	for _, name := range st.Holders {
		s.paragraph("P", name, 11, black, 0)
	}
	for _, line := range st.Address {
		s.paragraph("P", line, 10, black, 0)
	}
	s.y += 8
	s.paragraph("H1", "Statement of account", 18, black, 3)

	facts := [][2]string{{"Account", st.Product}, {"Called", st.Nickname}, {"Number", st.Number}, {"Period", period}, {"Currency", st.Currency}}
	in, out, balance := "Money in", "Money out", "balance"
	if st.Owed {
		in, out, balance = "Payments and credits", "Charges and withdrawals", "balance owed"
	}
	money := func(d fdx.Decimal) string {
		if !d.Present() {
			return ""
		}
		return st.Currency + " " + grouped(d)
	}
	facts = append(facts, [2]string{"Opening " + balance, money(st.Opening)}, [2]string{in, money(sums.in)}, [2]string{out, money(sums.out)},
		[2]string{"Closing " + balance, money(sums.closing)})
	s.facts(facts)

	s.y += 4
	s.paragraph("H2", "Transactions", 13, black, 2)
	if len(st.Lines) == 0 {
		s.paragraph("P", "Nothing was booked in this period.", 10, black, 2)
	} else {
		s.transactions(st, sums)
	}
	s.y += 5
	s.paragraph("P", "This statement holds what was booked in the period, in universal time; what was pending at its end is on the next one. "+
		"Numbers are masked. A question mark stands for a letter that this paper cannot show.", 8.5, grey, 1)
	s.paragraph("P", p.bank+" is made up for trying out software. This paper is no proof of anything.", 8.5, grey, 0)
	return s.bytes()
}

// facts draws a table of two columns, the first of which says what the second
// is. Facts that are empty are left out.
func (s *sheet) facts(facts [][2]string) {
	table := s.root.add("Table")
	for _, f := range facts {
		if f[1] == "" {
			continue
		}
		s.style(10, black)
		r := s.wrapped(cell{margin, 60, f[0], "L", "TH"}, cell{margin + 60, width - 60, f[1], "L", "TD"})
		s.room(r.height)
		s.style(10, black)
		s.draw(table, r)
		table.kids[len(table.kids)-1].kids[0].attributes += "/A<</O/Table/Scope/Row>>"
		s.rule(s.y)
	}
}

// The columns of transactions.
const (
	dateWidth  = 22.0
	moneyWidth = 29.0
	columnGap  = 3.0
)

// transactions draws the table of transactions, with its head on each page.
func (s *sheet) transactions(st Statement, sums totals) {
	texts := width - dateWidth - 2*moneyWidth
	if sums.balances != nil {
		texts -= moneyWidth
	}
	line := func(role, date, text, out, in, balance string) row {
		x := margin + dateWidth + texts
		cells := []cell{
			{margin + 1, dateWidth - 1, date, "L", role}, {margin + dateWidth, texts - columnGap, text, "L", role},
			{x, moneyWidth - 1, out, "R", role}, {x + moneyWidth, moneyWidth - 1, in, "R", role},
		}
		if sums.balances != nil {
			cells = append(cells, cell{x + 2*moneyWidth, moneyWidth - 1, balance, "R", role})
		}
		return s.wrapped(cells...)
	}
	out, in, balance := "Money out", "Money in", "Balance"
	if st.Owed {
		out, in, balance = "Charges", "Payments", "Balance owed"
	}
	s.style(9, black)
	head := line("TH", "Date", "Description", out, in, balance)
	first := "Opening balance"
	table := s.root.add("Table")
	heading := func(parent *element) {
		s.fill(s.y, head.height)
		s.style(9, black)
		s.draw(parent, head)
	}
	thead := table.add("THead")
	s.room(3 * head.height)
	heading(thead)
	for _, th := range thead.kids[0].kids {
		th.attributes += "/A<</O/Table/Scope/Column>>"
	}
	body := table.add("TBody")
	if sums.balances != nil {
		s.draw(body, line("TD", st.Period.Start.String(), first, "", "", grouped(st.Opening)))
		s.rule(s.y)
	}
	for i, l := range st.Lines {
		text, debit, credit, after := l.Description, "", "", ""
		if l.Note != "" {
			text += " (" + l.Note + ")"
		}
		switch l.Direction {
		case fdx.Debit:
			debit = grouped(l.Amount)
		case fdx.Credit:
			credit = grouped(l.Amount)
		}
		if sums.balances != nil {
			after = grouped(sums.balances[i])
		}
		r := line("TD", l.Date.String(), text, debit, credit, after)
		if s.y+r.height > bottom {
			s.page()
			heading(nil)
		}
		s.draw(body, r)
		s.rule(s.y)
	}
}

// long returns a day in words.
func long(d fdx.Date) string { return d.Time().Format("2 January 2006") }

// grouped returns a number with commas between its thousands.
func grouped(d fdx.Decimal) string {
	text, sign := d.String(), ""
	if rest, negative := strings.CutPrefix(text, "-"); negative {
		text, sign = rest, "-"
	}
	whole, fraction, point := strings.Cut(text, ".")
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	if point {
		whole += "." + fraction
	}
	return sign + whole
}
