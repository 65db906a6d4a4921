package csv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// Progress says how far an import has come. Done and Total are in one unit:
// bytes while files are checked, transactions while they are loaded.
type Progress struct {
	Stage string // such as "check trans.asc.gz"
	Done  int64
	Total int64
}

// Source is a mapping with the files it is applied to.
type Source struct {
	Mapping *Mapping // required
	Files   fs.FS    // required; the folder of the import
	// Now is when the import runs; rebasing and notFuture are relative to its
	// day in UTC. Required.
	Now time.Time
	// Shift, when not nil, is the number of days to move dates by, in place of
	// the number that the rebase of the mapping gives for today.
	Shift *int
	// Progress is called now and then, from the goroutine that reads. May be
	// nil.
	Progress func(Progress)
}

// Result is what a source holds.
type Result struct {
	// Batch streams its transactions from the files; they must still be there.
	Batch ledger.Batch
	// Transactions is how many the batch will yield.
	Transactions int
	// Shift is the number of days that dates were moved by, 0 without a rebase.
	Shift int
}

// Read checks every row of every file that the mapping names and returns what
// they hold. It returns a ledger.Faults that says what is wrong with which
// row, and the context's error when that ends first.
func Read(ctx context.Context, src Source) (Result, error) {
	r := &reader{Source: src, m: src.Mapping, indexes: map[string]index{}}
	for _, step := range []func(context.Context) error{r.setShift, r.customers, r.readAccounts, r.holders, r.checkTransactions} {
		if err := step(ctx); err != nil {
			return Result{}, err
		}
		if err := r.faults.Err(); err != nil {
			return Result{}, err
		}
	}
	r.batch.Transactions = func(yield func(ledger.Transaction, error) bool) { r.stream(ctx, yield) }
	return Result{Batch: r.batch, Transactions: r.total, Shift: r.shift}, nil
}

type reader struct {
	Source
	m        *Mapping
	indexes  map[string]index // joined files, by name and key
	faults   ledger.Faults
	batch    ledger.Batch
	accounts map[string]int // index in batch.Accounts, by key
	shift    int
	total    int
}

// cell is one row under a section: its columns, those of joined files, and
// where it stands.
type cell struct {
	r       *reader
	t       *table
	row     []string
	joined  map[string][]string // by prefix; nil without a partner
	indexes map[string]index    // by prefix
	line    int
	failed  bool
}

func (c *cell) fault(at, what string) {
	c.failed = true
	c.r.fault(c.t.name, c.line, at, what)
}

func (r *reader) fault(file string, line int, at, what string) {
	if !r.faults.Full() {
		r.faults = append(r.faults, ledger.Fault{File: file, Line: line, At: at, What: what})
	}
}

// column returns the value of a column, without spaces around it.
func (c *cell) column(name string) string {
	if prefix, rest, found := strings.Cut(name, "."); found {
		if ix, ok := c.indexes[prefix]; ok {
			row := c.joined[prefix]
			if row == nil {
				return ""
			}
			return strings.TrimSpace(row[ix.columns[rest]])
		}
	}
	return strings.TrimSpace(c.row[c.t.columns[name]])
}

// value returns a value of the section as text, and the name of the column it
// came from, for faults.
func (c *cell) value(v value) (text, at string) {
	switch v := v.(type) {
	case constant:
		return string(v), ""
	case column:
		text = c.column(v.name)
		if v.codes == "" {
			return text, v.name
		}
		table := c.r.m.codes[v.codes]
		meant, ok := table[text]
		if !ok {
			if meant, ok = table["*"]; !ok {
				c.fault(v.name, "has a value that the code table "+v.codes+" does not list")
			}
		}
		return meant, v.name
	case template:
		var b strings.Builder
		for _, p := range v {
			if p.column == "" {
				b.WriteString(p.text)
				continue
			}
			b.WriteString(c.column(p.column))
			at = p.column
		}
		return b.String(), at
	case first:
		for _, option := range v {
			if text, at = c.value(option); text != "" {
				return text, at
			}
		}
	}
	return text, at
}

// text returns a value that the row cannot do without.
func (c *cell) text(s section, name string) string {
	text, at := c.value(s.values[name])
	if text == "" {
		c.fault(at, "is empty, but is needed for "+name)
	}
	return text
}

// optional returns a value or "".
func (c *cell) optional(s section, name string) string {
	v, ok := s.values[name]
	if !ok {
		return ""
	}
	text, _ := c.value(v)
	return text
}

// money returns an amount, no number when the value is absent or empty.
func (c *cell) money(s section, name string) fdx.Decimal {
	v, ok := s.values[name]
	if !ok {
		return fdx.Decimal{}
	}
	text, at := c.value(v)
	if text == "" {
		return fdx.Decimal{}
	}
	d, problem := c.r.m.format.money(text, c.r.m.digits)
	if problem != "" {
		c.fault(at, problem)
	}
	return d
}

// date returns a date moved by the shift, the zero time when absent or empty.
func (c *cell) date(s section, name string) time.Time {
	v, ok := s.values[name]
	if !ok {
		return time.Time{}
	}
	text, at := c.value(v)
	if text == "" {
		return time.Time{}
	}
	return c.parseDate(text, at)
}

func (c *cell) parseDate(text, at string) time.Time {
	t, problem := c.r.m.format.date.parse(text)
	if problem != "" {
		c.fault(at, problem)
		return time.Time{}
	}
	return t.AddDate(0, 0, c.r.shift)
}

// meets reports whether the row is to be read.
func (c *cell) meets(conditions []condition) bool {
	for _, k := range conditions {
		text := c.column(k.column)
		switch {
		case k.in != nil:
			if !slices.Contains(k.in, text) {
				return false
			}
		case k.present:
			if text == "" {
				return false
			}
		case k.notFuture:
			if c.parseDate(text, k.column).After(c.r.Now) {
				return false
			}
		}
	}
	return true
}

// each reads the rows of a section until row returns false.
func (r *reader) each(ctx context.Context, s section, row func(*cell) bool) error {
	t, err := openTable(r.Files, r.m.files[s.from], r.m.format)
	if err != nil {
		return err
	}
	defer t.close()
	indexes := map[string]index{}
	for _, j := range s.joins {
		ix, err := r.index(j)
		if err != nil {
			return err
		}
		indexes[j.prefix] = ix
	}
	if !r.columnsKnown(s, t, indexes) {
		return nil
	}
	for n := 0; !r.faults.Full(); n++ {
		fields, line, err := t.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r.also(err)
		}
		if n%1000 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.report("check "+t.name, t.read.n, t.size)
		}
		c := &cell{r: r, t: t, row: fields, indexes: indexes, line: line}
		if c.join(s.joins) && c.meets(s.where) && !c.failed && !row(c) {
			break
		}
	}
	r.report("check "+t.name, t.size, t.size)
	return nil
}

func (r *reader) report(stage string, done, total int64) {
	if r.Progress != nil {
		r.Progress(Progress{Stage: stage, Done: done, Total: total})
	}
}

// also puts the faults found so far before those of err.
func (r *reader) also(err error) error {
	var more ledger.Faults
	if errors.As(err, &more) {
		return append(r.faults, more...)
	}
	return err
}

// join looks up the partners of the row.
func (c *cell) join(joins []join) bool {
	c.joined = make(map[string][]string, len(joins))
	for _, j := range joins {
		row, ok := c.indexes[j.prefix].rows[c.column(j.on)]
		if !ok && !j.optional {
			c.fault(j.on, "has a value that "+c.r.m.files[j.file].path+" does not list in "+j.key)
			return false
		}
		c.joined[j.prefix] = row
	}
	return true
}

func (r *reader) index(j join) (index, error) {
	name := j.file + "\x1f" + j.key
	if ix, ok := r.indexes[name]; ok {
		return ix, nil
	}
	t, err := openTable(r.Files, r.m.files[j.file], r.m.format)
	if err != nil {
		return index{}, err
	}
	defer t.close()
	ix, err := readIndex(t, j.key)
	if err != nil {
		return index{}, err
	}
	r.indexes[name] = ix
	return ix, nil
}

// columnsKnown checks that every column that a section names is there.
func (r *reader) columnsKnown(s section, t *table, indexes map[string]index) bool {
	ok := true
	check := func(name string) {
		columns, rest := t.columns, name
		if prefix, after, found := strings.Cut(name, "."); found {
			if ix, joined := indexes[prefix]; joined {
				columns, rest = ix.columns, after
			}
		}
		if _, found := columns[rest]; !found {
			ok = false
			r.fault(t.name, 0, name, "is not a column of the file, though "+s.path+" of the mapping says so; there are "+listOf(columns))
		}
	}
	for _, j := range s.joins {
		check(j.on)
	}
	for _, k := range s.where {
		check(k.column)
	}
	for _, name := range sorted(s.values) {
		for _, column := range s.values[name].columns() {
			check(column)
		}
	}
	return ok
}

// setShift finds the newest date of the column that the mapping rebases by.
func (r *reader) setShift(ctx context.Context) error {
	if r.m.rebase == nil {
		return nil
	}
	if r.Shift != nil {
		r.shift = *r.Shift
		return nil
	}
	var newest time.Time
	s := section{path: "rebase", from: r.m.rebase.file, values: map[string]value{"date": column{name: r.m.rebase.column}}}
	err := r.each(ctx, s, func(c *cell) bool {
		if d := c.date(s, "date"); d.After(newest) {
			newest = d
		}
		return true
	})
	if err != nil || len(r.faults) > 0 {
		return err
	}
	if newest.IsZero() {
		r.fault(r.m.files[s.from].path, 0, r.m.rebase.column, "has no date to rebase by")
		return nil
	}
	// Whole weeks, rounded so that the newest date stays in the past.
	today := r.Now.UTC().Truncate(24 * time.Hour)
	days := today.AddDate(0, 0, -r.m.rebase.days).Sub(newest).Hours() / 24
	r.shift = 7 * int(math.Floor(days/7))
	return nil
}

var usernameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func (r *reader) customers(ctx context.Context) error {
	seen := map[string]bool{}
	for _, s := range r.m.customers {
		err := r.each(ctx, s, func(c *cell) bool {
			entry := ledger.Customer{Username: c.text(s, "username"), Name: c.text(s, "name")}
			_, at := c.value(s.values["username"])
			switch {
			case c.failed:
			case !usernameForm.MatchString(entry.Username):
				c.fault(at, "makes a username that is not 1 to 64 of a-z, 0-9, dot, hyphen and underscore")
			case seen[entry.Username]:
				c.fault(at, "makes a username that an earlier row has made")
			default:
				seen[entry.Username] = true
				r.batch.Customers = append(r.batch.Customers, entry)
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) readAccounts(ctx context.Context) error {
	r.accounts = map[string]int{}
	for _, s := range r.m.accounts {
		err := r.each(ctx, s, func(c *cell) bool {
			a := r.account(c, s)
			_, at := c.value(s.values["key"])
			if _, twice := r.accounts[a.Key]; twice {
				c.fault(at, "makes an account key that an earlier row has made")
			}
			if !c.failed {
				r.accounts[a.Key] = len(r.batch.Accounts)
				r.batch.Accounts = append(r.batch.Accounts, a)
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) account(c *cell, s section) ledger.Account {
	key := c.text(s, "key")
	number := c.optional(s, "number")
	if number == "" {
		number = key
	}
	d := fdx.AccountDescriptor{
		AccountNumberDisplay: ledger.Mask(number), ProductName: c.text(s, "productName"), Nickname: c.optional(s, "nickname"),
		Status: fdx.StatusOpen, Currency: fdx.Currency{CurrencyCode: r.m.currency},
	}
	if status := fdx.AccountStatus(c.optional(s, "status")); status != "" {
		d.Status = status
		if !slices.Contains(statuses, status) {
			_, at := c.value(s.values["status"])
			c.fault(at, "gives a status that FDX does not know")
		}
	}
	kind := c.text(s, "type")
	balance, available := c.money(s, "balance"), c.money(s, "available")
	out := ledger.Account{Institution: r.m.institution, Key: key, Number: number}
	switch category, _ := c.value(s.values["category"]); fdx.AccountCategory(category) {
	case fdx.LineOfCreditCategory:
		out.Account.LineOfCredit = &fdx.LineOfCreditAccount{
			AccountDescriptor: d, AccountType: fdx.LineOfCreditAccountType(kind),
			CurrentBalance: balance, AvailableCredit: available, CreditLine: c.money(s, "creditLine"),
		}
	case fdx.LoanCategory:
		out.Account.Loan = &fdx.LoanAccount{
			AccountDescriptor: d, AccountType: fdx.LoanAccountType(kind),
			PrincipalBalance: balance, OriginalPrincipal: c.money(s, "originalPrincipal"),
			OriginatingDate: fdx.DateOf(c.date(s, "originatingDate")), LoanTerm: c.months(s, "loanTerm"),
			NextPaymentAmount: c.money(s, "nextPaymentAmount"),
		}
	default:
		if !available.Present() {
			available = balance
		}
		out.Account.Deposit = &fdx.DepositAccount{
			AccountDescriptor: d, AccountType: fdx.DepositAccountType(kind), CurrentBalance: balance, AvailableBalance: available,
		}
	}
	return out
}

var statuses = []fdx.AccountStatus{
	fdx.StatusClosed, fdx.StatusDelinquent, fdx.StatusNegativeCurrentBalance, fdx.StatusOpen, fdx.StatusPaid,
	fdx.StatusPendingClose, fdx.StatusPendingOpen, fdx.StatusRestricted,
}

func (c *cell) months(s section, name string) int {
	v, ok := s.values[name]
	if !ok {
		return 0
	}
	text, at := c.value(v)
	n, err := strconv.Atoi(text)
	if text != "" && (err != nil || n < 0 || n > 1200) {
		c.fault(at, "is not a number of months from 0 to 1200")
	}
	return n
}

// accountOf returns the index of the account that a value names.
func (c *cell) accountOf(s section) int {
	key, at := c.value(s.values["account"])
	i, ok := c.r.accounts[key]
	if !ok {
		c.fault(at, "names an account that the accounts of the mapping do not make")
	}
	return i
}

func (r *reader) holders(ctx context.Context) error {
	known := map[string]bool{}
	for _, c := range r.batch.Customers {
		known[c.Username] = true
	}
	for _, s := range r.m.holders {
		err := r.each(ctx, s, func(c *cell) bool {
			h := ledger.Holder{Account: c.accountOf(s)}
			var at string
			if h.Username, at = c.value(s.values["username"]); !known[h.Username] {
				c.fault(at, "names a customer that the customers of the mapping do not make")
			}
			text, at := c.value(s.values["relationship"])
			h.Relationship = ledger.Relationship(text)
			switch h.Relationship {
			case ledger.Owner, ledger.Joint, ledger.AuthorizedUser:
			default:
				c.fault(at, "gives none of OWNER, JOINT, AUTHORIZED_USER")
			}
			if !c.failed {
				r.batch.Holders = append(r.batch.Holders, h)
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachTransaction reads the transactions, in the order of mapping and files,
// until yield returns false. Balance is the account's after the transaction,
// no number when not mapped.
func (r *reader) eachTransaction(ctx context.Context, yield func(c *cell, t ledger.Transaction, balance fdx.Decimal) bool) error {
	more := true
	for _, s := range r.m.transactions {
		err := r.each(ctx, s, func(c *cell) bool {
			t := r.transaction(c, s)
			balance := c.money(s, "balance")
			if !c.failed {
				more = yield(c, t, balance)
			}
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (r *reader) transaction(c *cell, s section) ledger.Transaction {
	out := ledger.Transaction{Account: c.accountOf(s), Key: c.text(s, "key")}
	at := c.date(s, "date")
	if at.IsZero() && !c.failed {
		c.text(s, "date") // empty
	}
	base := fdx.TransactionBase{
		TransactionTimestamp: fdx.TimestampOf(at), PostedTimestamp: fdx.TimestampOf(at), Status: fdx.Posted,
		Description: c.text(s, "description"), Amount: c.money(s, "amount"), DebitCreditMemo: fdx.Credit,
	}
	if !base.Amount.Present() && !c.failed {
		c.text(s, "amount")
	}
	if base.Amount.Sign() < 0 {
		absolute, err := base.Amount.Abs()
		if err != nil {
			_, at := c.value(s.values["amount"])
			c.fault(at, "is "+err.Error())
		}
		base.Amount, base.DebitCreditMemo = absolute, fdx.Debit
	}
	if v, mapped := s.values["direction"]; mapped {
		text, at := c.value(v)
		if base.DebitCreditMemo = fdx.DebitCreditMemo(text); text != string(fdx.Credit) && text != string(fdx.Debit) {
			c.fault(at, "gives neither CREDIT nor DEBIT")
		}
	}
	if len(out.Key) > 250 {
		_, at := c.value(s.values["key"])
		c.fault(at, "makes a key of more than 250 bytes")
	}
	out.Key = "csv:" + out.Key
	if c.failed {
		return out
	}
	switch r.batch.Accounts[out.Account].Account.Category() {
	case fdx.LineOfCreditCategory:
		out.Transaction.LineOfCredit = &fdx.LineOfCreditTransaction{TransactionBase: base}
	case fdx.LoanCategory:
		out.Transaction.Loan = &fdx.LoanTransaction{TransactionBase: base}
	default:
		out.Transaction.Deposit = &fdx.DepositTransaction{TransactionBase: base, Payee: c.optional(s, "payee")}
	}
	return out
}

// checkTransactions reads all transactions once before any is loaded, counts
// them and takes the balance of each account from its newest one.
func (r *reader) checkTransactions(ctx context.Context) error {
	type balance struct {
		at     fdx.Timestamp
		amount fdx.Decimal
	}
	newest := map[int]balance{}
	seen := map[string]bool{}
	err := r.eachTransaction(ctx, func(c *cell, t ledger.Transaction, amount fdx.Decimal) bool {
		r.total++
		id := strconv.Itoa(t.Account) + "\x1f" + t.Key
		if seen[id] {
			c.fault("", "makes a transaction key that an earlier row of the account has made")
			return true
		}
		seen[id] = true
		at := t.Transaction.Base().PostedTimestamp
		if b := newest[t.Account]; amount.Present() && at.Compare(b.at) >= 0 {
			newest[t.Account] = balance{at, amount}
		}
		return true
	})
	if err != nil {
		return err
	}
	for i, b := range newest {
		switch a := r.batch.Accounts[i].Account; {
		case a.Deposit != nil:
			a.Deposit.CurrentBalance, a.Deposit.AvailableBalance, a.Deposit.BalanceAsOf = b.amount, b.amount, b.at
		case a.LineOfCredit != nil:
			a.LineOfCredit.CurrentBalance, a.LineOfCredit.BalanceAsOf = b.amount, b.at
		case a.Loan != nil:
			a.Loan.PrincipalBalance, a.Loan.BalanceAsOf = b.amount, b.at
		}
	}
	return nil
}

// stream yields the transactions by reading their files again.
func (r *reader) stream(ctx context.Context, yield func(ledger.Transaction, error) bool) {
	r.Progress = nil // the loader counts from here on
	wanted, n := true, 0
	err := r.eachTransaction(ctx, func(_ *cell, t ledger.Transaction, _ fdx.Decimal) bool {
		n++
		wanted = yield(t, nil)
		return wanted
	})
	switch {
	case !wanted:
	case err != nil:
		yield(ledger.Transaction{}, err)
	case len(r.faults) > 0:
		yield(ledger.Transaction{}, r.faults)
	case n != r.total:
		yield(ledger.Transaction{}, fmt.Errorf("the files changed while they were imported: %d transactions instead of %d", n, r.total))
	}
}
