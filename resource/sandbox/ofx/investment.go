package ofx

import (
	"cmp"

	"github.com/aclindsa/ofxgo"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// security is what the security list of a file tells about one security.
type security struct {
	name, ticker string
}

// securities returns the security list by identifier.
func securities(messages []ofxgo.Message) map[ofxgo.SecurityID]security {
	out := map[ofxgo.SecurityID]security{}
	add := func(i ofxgo.SecInfo) {
		out[plain(i.SecID)] = security{name: string(i.SecName), ticker: string(i.Ticker)}
	}
	for _, m := range messages {
		list, ok := m.(*ofxgo.SecurityList)
		if !ok {
			continue
		}
		for _, s := range list.Securities {
			switch s := s.(type) {
			case ofxgo.DebtInfo:
				add(s.SecInfo)
			case ofxgo.MFInfo:
				add(s.SecInfo)
			case ofxgo.OptInfo:
				add(s.SecInfo)
			case ofxgo.OtherInfo:
				add(s.SecInfo)
			case ofxgo.StockInfo:
				add(s.SecInfo)
			}
		}
	}
	return out
}

// plain returns an identifier without the name of the element it came from.
func plain(id ofxgo.SecurityID) ofxgo.SecurityID {
	return ofxgo.SecurityID{UniqueID: id.UniqueID, UniqueIDType: id.UniqueIDType}
}

func (c *converter) investmentStatement(sr *ofxgo.InvStatementResponse, names map[ofxgo.SecurityID]security) {
	line := lineOf(sr.CltCookie)
	if !c.status(sr.Status, line, "INVSTMTTRNRS") {
		return
	}
	number := string(sr.InvAcctFrom.AcctID)
	if number == "" {
		c.fault(line, "INVSTMTTRNRS INVSTMTRS", "is missing or empty")
		return
	}
	cur := moneyOf(sr.CurDef.Unit)
	inv := &fdx.InvestmentAccount{
		AccountDescriptor: fdx.AccountDescriptor{
			AccountNumberDisplay: ledger.Mask(number), ProductName: "Investment account", Status: fdx.StatusOpen,
			Currency: fdx.Currency{CurrencyCode: cur.code},
		},
		AccountType: fdx.BrokerageProduct, BalanceAsOf: timestamp(sr.DtAsOf),
	}
	c.holdings(line, cur, inv, sr, names)
	i := c.account(line, string(sr.InvAcctFrom.BrokerID), accountKey("investment", number), number,
		fdx.Account{Investment: inv}, func(a fdx.Account) fdx.Timestamp { return a.Investment.BalanceAsOf })
	if sr.InvTranList == nil {
		return
	}
	for _, t := range sr.InvTranList.InvTransactions {
		c.trade(i, cur, t, names)
	}
	for _, b := range sr.InvTranList.BankTransactions {
		for _, t := range b.Transactions {
			c.transaction(i, cur, t)
		}
	}
}

// holdings sets positions and balances. The value of the account is what the
// 401(k) balance says, or else cash and positions together.
func (c *converter) holdings(line int, cur money, inv *fdx.InvestmentAccount, sr *ofxgo.InvStatementResponse, names map[ofxgo.SecurityID]security) {
	var value fdx.Decimal
	total := func(d fdx.Decimal) {
		sum, err := value.Add(d)
		if err != nil {
			c.fault(line, "INVPOSLIST", "adds up to more than can be kept exactly")
		}
		value = sum
	}
	for _, p := range sr.InvPosList {
		pos, kind := position(p)
		h := fdx.Holding{
			HoldingType:          kind,
			HoldingName:          names[plain(pos.SecID)].name,
			Symbol:               names[plain(pos.SecID)].ticker,
			SecurityIDs:          []fdx.SecurityID{{ID: string(pos.SecID.UniqueID), IDType: idType(pos.SecID)}},
			Units:                c.decimal(line, "INVPOS UNITS", pos.Units, 0),
			CurrentUnitPrice:     c.decimal(line, "INVPOS UNITPRICE", pos.UnitPrice, cur.digits),
			CurrentUnitPriceDate: timestamp(pos.DtPriceAsOf).Date(),
			MarketValue:          c.decimal(line, "INVPOS MKTVAL", pos.MktVal, cur.digits),
			CashAccount:          new(bool),
		}
		total(h.MarketValue)
		inv.Holdings = append(inv.Holdings, h)
	}
	if sr.InvBal != nil {
		inv.AvailableCashBalance = c.decimal(line, "INVBAL AVAILCASH", sr.InvBal.AvailCash, cur.digits)
		total(inv.AvailableCashBalance)
	}
	if sr.Inv401KBal != nil {
		inv.AccountType = fdx.Plan401K
		value = c.decimal(line, "INV401KBAL TOTAL", sr.Inv401KBal.Total, cur.digits)
	}
	inv.CurrentValue = value
}

func position(p ofxgo.Position) (ofxgo.InvPosition, fdx.HoldingType) {
	switch p := p.(type) {
	case ofxgo.DebtPosition:
		return p.InvPos, fdx.HoldingBond
	case ofxgo.MFPosition:
		return p.InvPos, fdx.HoldingMutualFund
	case ofxgo.OptPosition:
		return p.InvPos, fdx.HoldingOption
	case ofxgo.StockPosition:
		return p.InvPos, fdx.HoldingStock
	case ofxgo.OtherPosition:
		return p.InvPos, fdx.HoldingOther
	}
	return ofxgo.InvPosition{}, fdx.HoldingOther
}

// idType returns the numbering scheme of a security, nothing for one that FDX
// does not name, such as a broker's own.
func idType(id ofxgo.SecurityID) fdx.SecurityIDType {
	switch t := fdx.SecurityIDType(id.UniqueIDType); t {
	case fdx.CUSIP, fdx.ISIN, fdx.SEDOL:
		return t
	}
	return ""
}

// trade is what the many kinds of OFX investment transactions have in common.
type trade struct {
	tran         ofxgo.InvTran
	security     ofxgo.SecurityID
	securityType fdx.SecurityType
	kind         fdx.InvestmentTransactionType
	words        string          // describes it where the bank gives no memo
	total        *ofxgo.Amount   // nil when no money moves
	units, price *ofxgo.Amount   // nil when not given
	costs        []ofxgo.Amount  // taxes, fees and load
	commission   ofxgo.Amount    // zero when not given
	currency     *ofxgo.Currency // nil when not given
}

func bought(t ofxgo.InvBuy, s fdx.SecurityType) trade {
	return trade{tran: t.InvTran, security: t.SecID, securityType: s, kind: fdx.InvestmentPurchased, words: "Buy",
		total: &t.Total, units: &t.Units, price: &t.UnitPrice, commission: t.Commission,
		costs: []ofxgo.Amount{t.Fees, t.Taxes, t.Load}, currency: &t.Currency}
}

func sold(t ofxgo.InvSell, s fdx.SecurityType) trade {
	return trade{tran: t.InvTran, security: t.SecID, securityType: s, kind: fdx.InvestmentSold, words: "Sell",
		total: &t.Total, units: &t.Units, price: &t.UnitPrice, commission: t.Commission,
		costs: []ofxgo.Amount{t.Fees, t.Taxes, t.Load}, currency: &t.Currency}
}

// tradeOf reads any OFX investment transaction; false for one it does not know.
func tradeOf(t ofxgo.InvTransaction) (trade, bool) {
	switch t := t.(type) {
	case ofxgo.BuyDebt:
		return bought(t.InvBuy, fdx.SecurityDebt), true
	case ofxgo.BuyMF:
		return bought(t.InvBuy, fdx.SecurityMutualFund), true
	case ofxgo.BuyOpt:
		return bought(t.InvBuy, fdx.SecurityOption), true
	case ofxgo.BuyOther:
		return bought(t.InvBuy, fdx.SecurityOther), true
	case ofxgo.BuyStock:
		return bought(t.InvBuy, fdx.SecurityStock), true
	case ofxgo.SellDebt:
		return sold(t.InvSell, fdx.SecurityDebt), true
	case ofxgo.SellMF:
		return sold(t.InvSell, fdx.SecurityMutualFund), true
	case ofxgo.SellOpt:
		return sold(t.InvSell, fdx.SecurityOption), true
	case ofxgo.SellOther:
		return sold(t.InvSell, fdx.SecurityOther), true
	case ofxgo.SellStock:
		return sold(t.InvSell, fdx.SecurityStock), true
	case ofxgo.Reinvest:
		return trade{tran: t.InvTran, security: t.SecID, kind: fdx.InvestmentDividendReinvest, words: "Reinvestment",
			total: &t.Total, units: &t.Units, price: &t.UnitPrice, commission: t.Commission,
			costs: []ofxgo.Amount{t.Fees, t.Taxes, t.Load}, currency: &t.Currency}, true
	case ofxgo.Income:
		kind, words := fdx.InvestmentDividend, "Dividend"
		switch t.IncomeType {
		case ofxgo.IncomeTypeInterest:
			kind, words = fdx.InvestmentInterest, "Interest"
		case ofxgo.IncomeTypeMisc, ofxgo.IncomeTypeCGLong, ofxgo.IncomeTypeCGShort:
			kind, words = fdx.InvestmentOther, "Distribution"
		}
		return trade{tran: t.InvTran, security: t.SecID, kind: kind, words: words, total: &t.Total, currency: &t.Currency}, true
	case ofxgo.InvExpense:
		return trade{tran: t.InvTran, security: t.SecID, kind: fdx.InvestmentFee, words: "Expense", total: &t.Total, currency: &t.Currency}, true
	case ofxgo.MarginInterest:
		return trade{tran: t.InvTran, kind: fdx.InvestmentInterest, words: "Margin interest", total: &t.Total, currency: &t.Currency}, true
	case ofxgo.RetOfCap:
		return trade{tran: t.InvTran, security: t.SecID, kind: fdx.InvestmentOther, words: "Return of capital", total: &t.Total, currency: &t.Currency}, true
	case ofxgo.Transfer:
		return trade{tran: t.InvTran, security: t.SecID, kind: fdx.InvestmentTransfer, words: "Transfer of securities", units: &t.Units, price: &t.UnitPrice}, true
	case ofxgo.JrnlFund:
		return trade{tran: t.InvTran, kind: fdx.InvestmentTransfer, words: "Transfer between sub-accounts"}, true
	case ofxgo.JrnlSec:
		return trade{tran: t.InvTran, security: t.SecID, kind: fdx.InvestmentTransfer, words: "Transfer between sub-accounts", units: &t.Units}, true
	case ofxgo.ClosureOpt:
		return trade{tran: t.InvTran, security: t.SecID, securityType: fdx.SecurityOption, kind: fdx.InvestmentOther, words: "Option closed", units: &t.Units}, true
	case ofxgo.Split:
		return trade{tran: t.InvTran, security: t.SecID, kind: fdx.InvestmentSplit, words: "Split", total: &t.FracCash}, true
	}
	return trade{}, false
}

// trade adds an investment transaction. Where no money moves, as in a transfer
// of securities, the amount is zero and its direction a memo.
func (c *converter) trade(account int, cur money, it ofxgo.InvTransaction, names map[ofxgo.SecurityID]security) {
	t, ok := tradeOf(it)
	line := lineOf(t.tran.SrvrTID)
	at := it.TransactionType()
	if !ok {
		c.fault(line, at, "is not supported")
		return
	}
	if t.currency != nil {
		c.sameCurrency(line, cur, *t.currency)
	}
	base := fdx.TransactionBase{Amount: fdx.NewDecimal(0, uint8(cur.digits)), DebitCreditMemo: fdx.Memo}
	if t.total != nil && t.total.Sign() != 0 {
		base = c.base(line, at+" TOTAL", cur, *t.total)
	}
	base.TransactionTimestamp = timestamp(t.tran.DtTrade)
	base.PostedTimestamp = base.TransactionTimestamp
	if t.tran.DtSettle != nil {
		base.PostedTimestamp = timestamp(*t.tran.DtSettle)
	}
	base.Status = fdx.Posted
	sec := names[plain(t.security)]
	base.Description = cmp.Or(string(t.tran.Memo), t.words)
	if sec.name != "" {
		base.Description += ": " + sec.name
	}

	out := &fdx.InvestmentTransaction{
		TransactionBase: base, TransactionType: t.kind,
		SecurityID: string(t.security.UniqueID), SecurityIDType: idType(t.security),
		SecurityType: t.securityType, Symbol: sec.ticker,
	}
	var costs ofxgo.Amount
	for _, a := range t.costs {
		costs.Add(&costs.Rat, &a.Rat)
	}
	out.Fees = c.decimal(line, at+" FEES", costs, cur.digits)
	if t.commission.Sign() != 0 {
		out.Commission = c.decimal(line, at+" COMMISSION", t.commission, cur.digits)
	}
	content := []string{at, base.TransactionTimestamp.String(), base.PostedTimestamp.String(), base.Amount.String(),
		string(base.DebitCreditMemo), base.Description, string(t.security.UniqueID), string(t.security.UniqueIDType)}
	if t.units != nil {
		out.Units = c.decimal(line, at+" UNITS", *t.units, 0) // negative when they leave
		out.UnitType = fdx.ShareUnits
		content = append(content, t.units.RatString())
	}
	if t.price != nil && t.price.Sign() != 0 {
		out.UnitPrice = c.decimal(line, at+" UNITPRICE", *t.price, cur.digits)
		content = append(content, t.price.RatString())
	}
	c.add(account, line, string(t.tran.FiTID), contentHash(content...), fdx.Transaction{Investment: out})
}
