package ofx

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aclindsa/ofxgo"
	xcurrency "golang.org/x/text/currency"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// converter turns decoded statements into ledger entries.
type converter struct {
	file   string
	out    File
	faults ledger.Faults
	bank   string         // the institution's name of the sign-on, may be empty
	index  map[string]int // of Accounts, by institution and key
	// keys holds, by account, each transaction key with the content and the
	// line it stands for.
	keys map[int]map[string]seenKey
	// equal counts transactions without FITID by account and content.
	equal map[string]int
}

type seenKey struct {
	content string
	line    int
}

func convert(file string, resp *ofxgo.Response) (File, error) {
	c := &converter{file: file, index: map[string]int{}, keys: map[int]map[string]seenKey{}, equal: map[string]int{}}
	c.status(resp.Signon.Status, 0, "SONRS")
	c.bank = cmp.Or(string(resp.Signon.Org), string(resp.Signon.Fid))

	for _, m := range resp.Bank {
		if sr, ok := m.(*ofxgo.StatementResponse); ok {
			c.bankStatement(sr)
		}
	}
	for _, m := range resp.CreditCard {
		if sr, ok := m.(*ofxgo.CCStatementResponse); ok {
			c.cardStatement(sr)
		}
	}
	names := securities(resp.SecList)
	for _, m := range resp.InvStmt {
		if sr, ok := m.(*ofxgo.InvStatementResponse); ok {
			c.investmentStatement(sr, names)
		}
	}
	if len(c.faults) == 0 && len(c.out.Accounts) == 0 {
		c.fault(0, "", "holds no statement of a bank, credit card or investment account")
	}
	if err := c.faults.Err(); err != nil {
		return File{}, err
	}
	return c.out, nil
}

func (c *converter) fault(line int, at, what string) {
	if !c.faults.Full() {
		c.faults = append(c.faults, ledger.Fault{File: c.file, Line: line, At: at, What: what})
	}
}

func (c *converter) note(line int, format string, args ...any) {
	c.out.Notes = append(c.out.Notes, ledger.Fault{File: c.file, Line: line, What: fmt.Sprintf(format, args...)}.Error())
}

// lineOf reads back what lineElement carried.
func lineOf[S ~string](s S) int {
	n, err := strconv.Atoi(string(s))
	if err != nil {
		return 0
	}
	return n
}

// status refuses a file in which the bank says that it could not answer.
func (c *converter) status(s ofxgo.Status, line int, at string) bool {
	if s.Code == 0 || s.Severity == "INFO" || s.Severity == "WARN" {
		return true
	}
	meaning := "an error"
	if m, err := s.CodeMeaning(); err == nil {
		meaning = m
	}
	c.fault(line, at+" STATUS", fmt.Sprintf("the bank answered with code %d (%s) instead of data; download the file again", s.Code, meaning))
	return false
}

// account returns the index of an account, adding it when it is new. The
// newer of two statements of one account gives its balance.
func (c *converter) account(line int, institution, key, number string, a fdx.Account, asOf func(fdx.Account) fdx.Timestamp) int {
	id := institution + "\x1f" + key
	if i, found := c.index[id]; found {
		if asOf(a).Compare(asOf(c.out.Accounts[i].Account)) > 0 {
			c.out.Accounts[i].Account = a
		}
		return i
	}
	if len(c.out.Accounts) == MaxAccounts {
		c.fault(line, "", fmt.Sprintf("holds more than %d accounts", MaxAccounts))
	}
	i := len(c.out.Accounts)
	c.index[id] = i
	c.keys[i] = map[string]seenKey{}
	c.out.Accounts = append(c.out.Accounts, ledger.Account{Institution: institution, Key: key, Number: number, Account: a})
	return i
}

// accountKey joins the parts that OFX identifies an account by.
func accountKey(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

var accountTypes = map[string]struct {
	deposit fdx.DepositAccountType
	product string
}{
	"CHECKING":  {fdx.Checking, "Checking account"},
	"SAVINGS":   {fdx.Savings, "Savings account"},
	"MONEYMRKT": {fdx.MoneyMarket, "Money market account"},
	"CD":        {fdx.CertificateOfDeposit, "Certificate of deposit"},
}

func (c *converter) bankStatement(sr *ofxgo.StatementResponse) {
	line := lineOf(sr.CltCookie)
	if !c.status(sr.Status, line, "STMTTRNRS") {
		return
	}
	from := sr.BankAcctFrom
	if from.AcctID == "" {
		c.fault(line, "STMTTRNRS STMTRS", "is missing or empty")
		return
	}
	var list []ofxgo.Transaction
	if sr.BankTranList != nil {
		list = sr.BankTranList.Transactions
	}
	cur, ok := c.currency(line, sr.CurDef, list)
	if !ok {
		return
	}
	kind := "CHECKING"
	if from.AcctType.Valid() {
		kind = from.AcctType.String()
	} else {
		c.note(line, "ACCTTYPE is empty: read as CHECKING")
	}
	number := string(from.AcctID)
	descriptor := fdx.AccountDescriptor{
		AccountNumberDisplay: ledger.Mask(number), Status: fdx.StatusOpen,
		Currency: fdx.Currency{CurrencyCode: cur.code},
	}
	balance, available, asOf := c.balances(line, cur, sr.DtAsOf, sr.BalAmt, sr.AvailBalAmt)

	var a fdx.Account
	stamp := func(a fdx.Account) fdx.Timestamp { return a.Deposit.BalanceAsOf }
	if kind == "CREDITLINE" {
		descriptor.ProductName = "Line of credit"
		a.LineOfCredit = c.lineOfCredit(line, descriptor, fdx.LineOfCredit, balance, available, asOf)
		stamp = func(a fdx.Account) fdx.Timestamp { return a.LineOfCredit.BalanceAsOf }
	} else {
		t := accountTypes[kind]
		descriptor.ProductName = t.product
		if !available.Present() {
			available = balance
		}
		a.Deposit = &fdx.DepositAccount{
			AccountDescriptor: descriptor, AccountType: t.deposit,
			CurrentBalance: balance, AvailableBalance: available, BalanceAsOf: asOf,
		}
	}
	i := c.account(line, string(from.BankID), accountKey("bank", string(from.BranchID), kind, number), number, a, stamp)
	for _, t := range list {
		c.transaction(i, cur, t)
	}
	if sr.BankTranListP != nil {
		for _, t := range sr.BankTranListP.Transactions {
			c.transaction(i, cur, posted(t))
		}
	}
}

func (c *converter) cardStatement(sr *ofxgo.CCStatementResponse) {
	line := lineOf(sr.CltCookie)
	if !c.status(sr.Status, line, "CCSTMTTRNRS") {
		return
	}
	number := string(sr.CCAcctFrom.AcctID)
	if number == "" {
		c.fault(line, "CCSTMTTRNRS CCSTMTRS", "is missing or empty")
		return
	}
	var list []ofxgo.Transaction
	if sr.BankTranList != nil {
		list = sr.BankTranList.Transactions
	}
	cur, ok := c.currency(line, sr.CurDef, list)
	if !ok {
		return
	}
	balance, available, asOf := c.balances(line, cur, sr.DtAsOf, sr.BalAmt, sr.AvailBalAmt)
	a := fdx.Account{LineOfCredit: c.lineOfCredit(line, fdx.AccountDescriptor{
		AccountNumberDisplay: ledger.Mask(number), ProductName: "Credit card", Status: fdx.StatusOpen,
		Currency: fdx.Currency{CurrencyCode: cur.code},
	}, fdx.CreditCard, balance, available, asOf)}
	// A card statement does not name its bank; the sign-on may.
	i := c.account(line, cmp.Or(c.bank, "card issuer"), accountKey("card", number), number, a,
		func(a fdx.Account) fdx.Timestamp { return a.LineOfCredit.BalanceAsOf })
	for _, t := range list {
		c.transaction(i, cur, t)
	}
}

// lineOfCredit turns the sign of the balance round: OFX counts what is owed as
// negative, FDX as positive.
func (c *converter) lineOfCredit(line int, d fdx.AccountDescriptor, kind fdx.LineOfCreditAccountType, balance, available fdx.Decimal, asOf fdx.Timestamp) *fdx.LineOfCreditAccount {
	owed, err := balance.Neg()
	if err != nil {
		c.fault(line, "LEDGERBAL BALAMT", "is too large")
	}
	return &fdx.LineOfCreditAccount{
		AccountDescriptor: d, AccountType: kind,
		CurrentBalance: owed, AvailableCredit: available, BalanceAsOf: asOf,
	}
}

// money is a currency with the digits its amounts are shown with.
type money struct {
	code   string
	digits int
}

func moneyOf(unit xcurrency.Unit) money {
	digits, _ := xcurrency.Standard.Rounding(unit)
	return money{code: unit.String(), digits: digits}
}

// currency returns the currency of a statement. Where CURDEF is left empty,
// the transactions may name it, if all say the same.
func (c *converter) currency(line int, curdef ofxgo.CurrSymbol, list []ofxgo.Transaction) (money, bool) {
	if known(curdef) {
		return moneyOf(curdef.Unit), true
	}
	var found ofxgo.CurrSymbol
	for _, t := range list {
		if t.Currency == nil || known(found) && !found.Equal(t.Currency.CurSym) {
			found = ofxgo.CurrSymbol{}
			break
		}
		found = t.Currency.CurSym
	}
	if !known(found) {
		c.fault(line, "CURDEF", "is missing or empty")
		return money{}, false
	}
	c.note(line, "CURDEF is empty: read as %s, the currency of its transactions", found)
	return moneyOf(found.Unit), true
}

func known(s ofxgo.CurrSymbol) bool { return s.String() != "XXX" }

// balances returns the ledger and the available balance. A statement without
// a ledger balance gives none of them.
func (c *converter) balances(line int, cur money, dtAsOf ofxgo.Date, ledgerBal ofxgo.Amount, availBal *ofxgo.Amount) (balance, available fdx.Decimal, asOf fdx.Timestamp) {
	if dtAsOf.IsZero() {
		c.note(line, "LEDGERBAL is missing or empty: loaded without a balance")
		return fdx.Decimal{}, fdx.Decimal{}, fdx.Timestamp{}
	}
	balance = c.decimal(line, "LEDGERBAL BALAMT", ledgerBal, cur.digits)
	if availBal != nil {
		available = c.decimal(line, "AVAILBAL BALAMT", *availBal, cur.digits)
	}
	return balance, available, timestamp(dtAsOf)
}

// decimal converts an amount without loss, with at least so many digits after
// the point.
func (c *converter) decimal(line int, at string, a ofxgo.Amount, digits int) fdx.Decimal {
	d, err := exact(&a.Rat, digits)
	if err != nil {
		c.fault(line, at, "has more digits than can be kept exactly")
	}
	return d
}

func exact(r *big.Rat, digits int) (fdx.Decimal, error) {
	n, finite := r.FloatPrec()
	if !finite {
		return fdx.Decimal{}, fdx.ErrDecimalRange
	}
	return fdx.ParseDecimal(r.FloatString(max(n, digits)))
}

// timestamp returns the time of an OFX date. Midnight stands for a date
// without a time; it becomes midnight UTC of the same day, so that the day the
// bank wrote stays the day the transaction is found under.
func timestamp(d ofxgo.Date) fdx.Timestamp {
	if d.IsZero() {
		return fdx.Timestamp{}
	}
	year, month, day := d.Date()
	if h, m, s := d.Clock(); h == 0 && m == 0 && s == 0 {
		return fdx.TimestampOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
	}
	return fdx.TimestampOf(d.Time)
}

// posted gives a pending transaction the form of a posted one, without the
// date of posting.
func posted(t ofxgo.PendingTransaction) ofxgo.Transaction {
	out := ofxgo.Transaction{
		SrvrTID: t.RefNum, TrnType: t.TrnType, DtUser: &t.DtTran, TrnAmt: t.TrnAmt, Name: t.Name, Memo: t.Memo,
	}
	if known(t.Currency.CurSym) {
		out.Currency = &t.Currency
	}
	return out
}

// transaction adds a bank or card transaction.
func (c *converter) transaction(account int, cur money, t ofxgo.Transaction) {
	line := lineOf(t.SrvrTID)
	if t.CorrectFiTID != "" {
		c.fault(line, "STMTTRN CORRECTFITID", "corrections of earlier transactions are not supported")
		return
	}
	if t.Currency != nil {
		c.sameCurrency(line, cur, *t.Currency)
	}
	base := c.base(line, "STMTTRN TRNAMT", cur, t.TrnAmt)
	base.TransactionTimestamp = timestamp(t.DtPosted)
	if t.DtUser != nil {
		base.TransactionTimestamp = timestamp(*t.DtUser)
	}
	base.PostedTimestamp = timestamp(t.DtPosted)
	base.Status = fdx.Posted
	if base.PostedTimestamp.IsZero() {
		base.Status = fdx.Pending
	}
	name := string(t.Name)
	if name == "" && t.Payee != nil {
		name = string(t.Payee.Name)
	}
	base.Description = description(name, string(t.Memo), t.TrnType.String())
	check, err := strconv.ParseInt(string(t.CheckNum), 10, 64)
	if err != nil || check < 0 {
		check = 0 // some banks put words there
	}

	var out fdx.Transaction
	switch c.out.Accounts[account].Account.Category() {
	case fdx.LineOfCreditCategory:
		out.LineOfCredit = &fdx.LineOfCreditTransaction{
			TransactionBase: base, TransactionType: creditType(t.TrnType.String(), base.DebitCreditMemo), CheckNumber: check,
		}
	case fdx.InvestmentCategory:
		out.Investment = &fdx.InvestmentTransaction{
			TransactionBase: base, TransactionType: cashType(t.TrnType.String(), base.DebitCreditMemo), Fees: fdx.NewDecimal(0, uint8(cur.digits)),
		}
	default:
		out.Deposit = &fdx.DepositTransaction{TransactionBase: base, Payee: name, CheckNumber: check}
	}
	content := contentHash(base.TransactionTimestamp.String(), base.PostedTimestamp.String(), t.TrnAmt.Rat.RatString(),
		t.TrnType.String(), name, string(t.Memo), string(t.CheckNum))
	c.add(account, line, string(t.FiTID), content, out)
}

// base returns amount, direction and nothing else.
func (c *converter) base(line int, at string, cur money, a ofxgo.Amount) fdx.TransactionBase {
	direction := fdx.Credit
	if a.Sign() < 0 {
		direction = fdx.Debit
	}
	absolute := ofxgo.Amount{}
	absolute.Abs(&a.Rat)
	return fdx.TransactionBase{Amount: c.decimal(line, at, absolute, cur.digits), DebitCreditMemo: direction}
}

// sameCurrency refuses an amount in another currency than the account's:
// converting it would need rounding that the bank has not told.
func (c *converter) sameCurrency(line int, cur money, given ofxgo.Currency) {
	if known(given.CurSym) && given.CurSym.String() != cur.code {
		c.fault(line, "CURRENCY CURSYM", "is not the currency of the account; amounts in foreign currency are not supported")
	}
}

// add keeps a transaction under a key that is the same whenever the same file
// is read again: the bank's own FITID, or the content and how many equal ones
// came before.
func (c *converter) add(account, line int, fitid, content string, t fdx.Transaction) {
	if len(c.out.Transactions) == MaxTransactions {
		c.fault(line, "", fmt.Sprintf("holds more than %d transactions", MaxTransactions))
		return
	}
	seen := c.keys[account]
	key := "fitid:" + fitid
	switch {
	case len(fitid) > 255:
		c.fault(line, "FITID", "has more than 255 characters")
		return
	case fitid == "":
		id := strconv.Itoa(account) + ":" + content
		c.equal[id]++
		key = "content:" + content + ":" + strconv.Itoa(c.equal[id])
	default:
		if earlier, taken := seen[key]; taken {
			if earlier.content != content {
				c.fault(line, "FITID", fmt.Sprintf("is the one of another transaction, on line %d", earlier.line))
			}
			return
		}
	}
	seen[key] = seenKey{content: content, line: line}
	c.out.Transactions = append(c.out.Transactions, ledger.Transaction{Account: account, Key: key, Transaction: t})
}

// contentHash returns a short name for the content of a transaction.
func contentHash(fields ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(fields, "\x1f")))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// description joins NAME, which holds 32 characters, and MEMO, which often
// repeats it in full.
func description(name, memo, trnType string) string {
	switch {
	case name == "" && memo == "":
		return trnType
	case memo == "":
		return name
	case strings.Contains(memo, name):
		return memo
	case strings.Contains(name, memo):
		return name
	}
	return name + "; " + memo
}

// creditType returns the FDX kind of a transaction on a line of credit.
func creditType(trnType string, direction fdx.DebitCreditMemo) fdx.LineOfCreditTransactionType {
	switch trnType {
	case "INT":
		return fdx.LocInterest
	case "FEE", "SRVCHG":
		return fdx.LocFee
	case "CHECK":
		return fdx.LocCheck
	case "PAYMENT", "REPEATPMT", "DIRECTDEP", "DEP", "XFER":
		if direction == fdx.Credit {
			return fdx.LocPayment
		}
	case "ATM", "CASH":
		if direction == fdx.Debit {
			return fdx.LocWithdrawal
		}
	}
	if direction == fdx.Debit {
		return fdx.LocPurchase
	}
	return fdx.LocAdjustment
}

// cashType returns the FDX kind of a cash movement on an investment account.
func cashType(trnType string, direction fdx.DebitCreditMemo) fdx.InvestmentTransactionType {
	switch trnType {
	case "INT":
		return fdx.InvestmentInterest
	case "DIV":
		return fdx.InvestmentDividend
	case "FEE", "SRVCHG":
		return fdx.InvestmentFee
	case "XFER":
		return fdx.InvestmentTransfer
	}
	if direction == fdx.Credit {
		return fdx.InvestmentDeposit
	}
	return fdx.InvestmentOther
}
