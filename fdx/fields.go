package fdx

import (
	"reflect"
	"strings"
)

// This file enforces: a field leaves only if a granted cluster covers it.

// fieldClusters is the one map from a field to the clusters any of which lets
// it through. The key is the Go type and the JSON name. A field without a row
// never leaves. A field inside another entity needs a row of its own besides
// that of the field that holds it.
//
// FDX publishes no such table outside its membership, so the split is this
// product's reading of what each cluster is for; docs list it from here.
var fieldClusters = func() map[string]Clusters {
	var (
		basic     = NewClusters(AccountBasic)
		detailed  = NewClusters(AccountDetailed)
		balance   = NewClusters(AccountDetailed, Balances)
		payment   = NewClusters(AccountDetailed, Bills)
		bill      = NewClusters(Bills)
		scheduled = NewClusters(ScheduledPayments)
		holding   = NewClusters(Investments)
		booking   = NewClusters(Transactions)
		// Without its id and its currency no part of an account can be
		// read, so they go with every cluster that shows one.
		anyPart = NewClusters(AccountBasic, AccountDetailed, Balances, Bills, Investments, ScheduledPayments)
	)
	return map[string]Clusters{
		"AccountDescriptor.accountId":            anyPart,
		"AccountDescriptor.currency":             anyPart,
		"AccountDescriptor.accountNumberDisplay": basic,
		"AccountDescriptor.productName":          basic,
		"AccountDescriptor.productId":            basic,
		"AccountDescriptor.nickname":             basic,
		"AccountDescriptor.status":               basic,
		"Currency.currencyCode":                  anyPart,

		"DepositAccount.accountType":               basic,
		"DepositAccount.currentBalance":            balance,
		"DepositAccount.availableBalance":          balance,
		"DepositAccount.balanceAsOf":               balance,
		"DepositAccount.earnedInterest":            detailed,
		"DepositAccount.underArbitration":          detailed,
		"DepositAccount.overdraftOptIn":            detailed,
		"DepositAccount.overdrafted":               detailed,
		"DepositAccount.overdraftProtectionFunded": detailed,

		"InterestRate.rate":              detailed,
		"InterestRate.rateAsOf":          detailed,
		"InterestRate.compoundingPeriod": detailed,
		"InterestRate.priorRate":         detailed,
		"InterestRate.type":              detailed,
		"InterestRate.index":             detailed,

		"LineOfCreditAccount.accountType":          basic,
		"LineOfCreditAccount.creditLine":           detailed,
		"LineOfCreditAccount.availableCredit":      balance,
		"LineOfCreditAccount.currentBalance":       balance,
		"LineOfCreditAccount.principalBalance":     balance,
		"LineOfCreditAccount.cashAdvanceBalance":   balance,
		"LineOfCreditAccount.transferBalance":      balance,
		"LineOfCreditAccount.balanceAsOf":          balance,
		"LineOfCreditAccount.nextPaymentAmount":    payment,
		"LineOfCreditAccount.nextPaymentDate":      payment,
		"LineOfCreditAccount.lastPaymentAmount":    payment,
		"LineOfCreditAccount.lastPaymentDate":      payment,
		"LineOfCreditAccount.minimumPaymentAmount": bill,
		"LineOfCreditAccount.pastDueAmount":        bill,
		"LineOfCreditAccount.lastStmtBalance":      bill,
		"LineOfCreditAccount.lastStmtDate":         bill,
		"LineOfCreditAccount.purchasesApr":         detailed,
		"LineOfCreditAccount.advancesApr":          detailed,
		"LineOfCreditAccount.transfersApr":         detailed,
		"LineOfCreditAccount.chargedInterest":      detailed,
		"LineOfCreditAccount.underArbitration":     detailed,
		"LineOfCreditAccount.bills":                bill,
		"LineOfCreditAccount.scheduledPayments":    scheduled,

		"Bill.totalPaymentDue":   bill,
		"Bill.minimumPaymentDue": bill,
		"Bill.dueDate":           bill,
		"Bill.autoPayEnabled":    bill,
		"Bill.autoPayAmount":     bill,
		"Bill.autoPayDate":       bill,
		"Bill.pastDueAmount":     bill,
		"Bill.lastPaymentAmount": bill,
		"Bill.lastPaymentDate":   bill,
		"Bill.statementBalance":  bill,
		"Bill.statementDate":     bill,

		"ScheduledPayment.amount":         scheduled,
		"ScheduledPayment.date":           scheduled,
		"ScheduledPayment.type":           scheduled,
		"ScheduledPayment.payToPrincipal": scheduled,

		"LoanAccount.accountType":            basic,
		"LoanAccount.principalBalance":       balance,
		"LoanAccount.escrowBalance":          balance,
		"LoanAccount.balanceAsOf":            balance,
		"LoanAccount.originalPrincipal":      detailed,
		"LoanAccount.originatingDate":        detailed,
		"LoanAccount.maturityDate":           detailed,
		"LoanAccount.loanTerm":               detailed,
		"LoanAccount.interestRate":           detailed,
		"LoanAccount.interestRateType":       detailed,
		"LoanAccount.annualPercentageRate":   detailed,
		"LoanAccount.chargedInterest":        detailed,
		"LoanAccount.interestPaidYearToDate": detailed,
		"LoanAccount.nextPaymentAmount":      payment,
		"LoanAccount.nextPaymentDate":        payment,
		"LoanAccount.lastPaymentAmount":      payment,
		"LoanAccount.lastPaymentDate":        payment,
		"LoanAccount.loanProviderName":       detailed,

		"InvestmentAccount.accountType":          basic,
		"InvestmentAccount.availableCashBalance": balance,
		"InvestmentAccount.currentValue":         balance,
		"InvestmentAccount.balanceAsOf":          balance,
		"InvestmentAccount.earnedInterest":       detailed,
		"InvestmentAccount.holdings":             holding,

		"Holding.securityIds":          holding,
		"Holding.holdingName":          holding,
		"Holding.holdingType":          holding,
		"Holding.holdingSubType":       holding,
		"Holding.symbol":               holding,
		"Holding.purchasedPrice":       holding,
		"Holding.currentUnitPrice":     holding,
		"Holding.currentUnitPriceDate": holding,
		"Holding.units":                holding,
		"Holding.marketValue":          holding,
		"Holding.faceValue":            holding,
		"Holding.cashAccount":          holding,
		"Holding.currency":             holding,
		"Holding.taxLots":              holding,

		"SecurityID.id":     holding,
		"SecurityID.idType": holding,

		"TaxLot.originalPurchaseDate": holding,
		"TaxLot.quantity":             holding,
		"TaxLot.purchasedPrice":       holding,
		"TaxLot.costBasis":            holding,
		"TaxLot.currentValue":         holding,
		"TaxLot.positionType":         holding,

		"TransactionBase.transactionId":          booking,
		"TransactionBase.referenceTransactionId": booking,
		"TransactionBase.transactionTimestamp":   booking,
		"TransactionBase.postedTimestamp":        booking,
		"TransactionBase.description":            booking,
		"TransactionBase.debitCreditMemo":        booking,
		"TransactionBase.status":                 booking,
		"TransactionBase.amount":                 booking,
		"TransactionBase.foreignAmount":          booking,
		"TransactionBase.foreignCurrency":        booking,
		"TransactionBase.category":               booking,
		"TransactionBase.subCategory":            booking,
		"TransactionBase.cardNumberDisplay":      booking,

		"DepositTransaction.payee":       booking,
		"DepositTransaction.checkNumber": booking,

		"LineOfCreditTransaction.transactionType": booking,
		"LineOfCreditTransaction.checkNumber":     booking,

		"LoanTransaction.transactionType": booking,

		"InvestmentTransaction.transactionType": booking,
		"InvestmentTransaction.fees":            booking,
		"InvestmentTransaction.commission":      booking,
		"InvestmentTransaction.securityId":      holding,
		"InvestmentTransaction.securityIdType":  holding,
		"InvestmentTransaction.securityType":    holding,
		"InvestmentTransaction.symbol":          holding,
		"InvestmentTransaction.unitPrice":       holding,
		"InvestmentTransaction.units":           holding,
		"InvestmentTransaction.unitType":        holding,
	}
}()

// The plans are made once from constant data and never change.
var (
	depositAccountPlan          = compile(reflect.TypeFor[DepositAccount](), fieldClusters)
	lineOfCreditAccountPlan     = compile(reflect.TypeFor[LineOfCreditAccount](), fieldClusters)
	loanAccountPlan             = compile(reflect.TypeFor[LoanAccount](), fieldClusters)
	investmentAccountPlan       = compile(reflect.TypeFor[InvestmentAccount](), fieldClusters)
	depositTransactionPlan      = compile(reflect.TypeFor[DepositTransaction](), fieldClusters)
	lineOfCreditTransactionPlan = compile(reflect.TypeFor[LineOfCreditTransaction](), fieldClusters)
	loanTransactionPlan         = compile(reflect.TypeFor[LoanTransaction](), fieldClusters)
	investmentTransactionPlan   = compile(reflect.TypeFor[InvestmentTransaction](), fieldClusters)
)

// FilterAccount clears every field of a, at any depth, that none of the
// allowed clusters lets through; what they imply is allowed too. With
// NewClusters(AccountBasic) the descriptor is left. An account of which
// nothing is left does not marshal.
//
// FilterAccount changes what a points to, down to the elements of its
// slices. The caller must own all of it: filtering an account that another
// request also holds would cut that request's answer, or race with it.
func FilterAccount(a *Account, allowed Clusters) {
	allowed = allowed.Implied()
	if a.Deposit != nil {
		depositAccountPlan.apply(reflect.ValueOf(a.Deposit).Elem(), allowed)
	}
	if a.LineOfCredit != nil {
		lineOfCreditAccountPlan.apply(reflect.ValueOf(a.LineOfCredit).Elem(), allowed)
	}
	if a.Loan != nil {
		loanAccountPlan.apply(reflect.ValueOf(a.Loan).Elem(), allowed)
	}
	if a.Investment != nil {
		investmentAccountPlan.apply(reflect.ValueOf(a.Investment).Elem(), allowed)
	}
}

// FilterTransaction clears every field of t that none of the allowed clusters
// lets through. Without TRANSACTIONS nothing is left and t does not marshal;
// other clusters only add to a transaction. As with FilterAccount, the caller
// must own all that t points to.
func FilterTransaction(t *Transaction, allowed Clusters) {
	if !allowed.Has(Transactions) {
		*t = Transaction{}
		return
	}
	allowed = allowed.Implied()
	if t.Deposit != nil {
		depositTransactionPlan.apply(reflect.ValueOf(t.Deposit).Elem(), allowed)
	}
	if t.LineOfCredit != nil {
		lineOfCreditTransactionPlan.apply(reflect.ValueOf(t.LineOfCredit).Elem(), allowed)
	}
	if t.Loan != nil {
		loanTransactionPlan.apply(reflect.ValueOf(t.Loan).Elem(), allowed)
	}
	if t.Investment != nil {
		investmentTransactionPlan.apply(reflect.ValueOf(t.Investment).Elem(), allowed)
	}
}

// plan says what to do with each field of one struct type. Rows test against
// any set of clusters, so one plan per type serves all sets.
type plan []step

type step struct {
	// index is the field's place in its struct.
	index int
	// clusters let the field through, any of them; none means never.
	clusters Clusters
	// embedded marks a struct whose fields belong to the outer JSON object:
	// it has no row itself and is only walked.
	embedded bool
	// list marks a slice, so that below goes for each element.
	list bool
	// below is the plan of a struct inside the field, nil when there is
	// nothing to walk.
	below plan
}

// compile makes the plan of a struct type. What it cannot look into, such as
// a map, an interface or a pointer to a struct, gets no clusters and so never
// leaves.
func compile(t reflect.Type, rows map[string]Clusters) plan {
	var p plan
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct && f.Tag.Get("json") == "" {
			p = append(p, step{index: i, embedded: true, below: compile(f.Type, rows)})
			continue
		}
		name := jsonName(f)
		if name == "" {
			continue
		}
		s := step{index: i, clusters: rows[t.Name()+"."+name]}
		held := f.Type
		if held.Kind() == reflect.Slice {
			s.list, held = true, held.Elem()
		}
		switch {
		case scalar(held), !s.list && held.Kind() == reflect.Pointer && scalar(held.Elem()):
		case held.Kind() == reflect.Struct:
			s.below = compile(held, rows)
		default:
			s.clusters = 0
		}
		p = append(p, s)
	}
	return p
}

// jsonName returns the name encoding/json gives the field, "" for a field
// that it leaves out.
func jsonName(f reflect.StructField) string {
	tag := f.Tag.Get("json")
	if !f.IsExported() || tag == "-" {
		return ""
	}
	if name, _, _ := strings.Cut(tag, ","); name != "" {
		return name
	}
	return f.Name
}

// scalar reports whether values of the type are one JSON string, number or
// boolean, with nothing inside to filter.
func scalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
		return true
	case reflect.Struct:
		return t == reflect.TypeFor[Date]() || t == reflect.TypeFor[Timestamp]() || t == reflect.TypeFor[Decimal]()
	}
	return false
}

func (p plan) apply(v reflect.Value, allowed Clusters) {
	for i := range p {
		s := &p[i]
		if s.embedded {
			s.below.apply(v.Field(s.index), allowed)
			continue
		}
		if s.clusters.Intersect(allowed).Empty() {
			v.Field(s.index).SetZero()
			continue
		}
		if s.below.passes(allowed) {
			continue
		}
		held := v.Field(s.index)
		if !s.list {
			s.below.apply(held, allowed)
			continue
		}
		for j := range held.Len() {
			s.below.apply(held.Index(j), allowed)
		}
	}
}

// passes reports whether the plan keeps every field, so that there is no need
// to walk a list element by element.
func (p plan) passes(allowed Clusters) bool {
	for i := range p {
		s := &p[i]
		if !s.embedded && s.clusters.Intersect(allowed).Empty() || !s.below.passes(allowed) {
			return false
		}
	}
	return true
}
