package fdx

import (
	"reflect"
	"slices"
	"strings"
)

// This file enforces: what fieldClusters does not let through is cleared, at
// any depth.

// The plans are made once from constant data and never change.
var (
	depositAccountPlan            = planOf[DepositAccount]()
	lineOfCreditAccountPlan       = planOf[LineOfCreditAccount]()
	loanAccountPlan               = planOf[LoanAccount]()
	investmentAccountPlan         = planOf[InvestmentAccount]()
	annuityAccountPlan            = planOf[AnnuityAccount]()
	insuranceAccountPlan          = planOf[InsuranceAccount]()
	commercialAccountPlan         = planOf[CommercialAccount]()
	digitalWalletAccountPlan      = planOf[DigitalWalletAccount]()
	buyNowPayLaterAccountPlan     = planOf[BuyNowPayLaterAccount]()
	depositTransactionPlan        = planOf[DepositTransaction]()
	lineOfCreditTransactionPlan   = planOf[LineOfCreditTransaction]()
	loanTransactionPlan           = planOf[LoanTransaction]()
	investmentTransactionPlan     = planOf[InvestmentTransaction]()
	annuityTransactionPlan        = planOf[AnnuityTransaction]()
	insuranceTransactionPlan      = planOf[InsuranceTransaction]()
	commercialTransactionPlan     = planOf[CommercialTransaction]()
	digitalWalletTransactionPlan  = planOf[DigitalWalletTransaction]()
	buyNowPayLaterTransactionPlan = planOf[BuyNowPayLaterTransaction]()
	accountContactPlan            = planOf[AccountContact]()
	customerPlan                  = planOf[Customer]()
	paymentNetworkPlan            = planOf[PaymentNetwork]()
	assetTransferNetworkPlan      = planOf[AssetTransferNetwork]()
	statementPlan                 = planOf[Statement]()
	rewardProgramPlan             = planOf[RewardProgram]()
	rewardCategoryPlan            = planOf[RewardCategory]()
)

func planOf[T any]() plan { return compile(reflect.TypeFor[T](), fieldClusters) }

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
	clearFields(depositAccountPlan, a.Deposit, allowed)
	clearFields(lineOfCreditAccountPlan, a.LineOfCredit, allowed)
	clearFields(loanAccountPlan, a.Loan, allowed)
	clearFields(investmentAccountPlan, a.Investment, allowed)
	clearFields(annuityAccountPlan, a.Annuity, allowed)
	clearFields(insuranceAccountPlan, a.Insurance, allowed)
	clearFields(commercialAccountPlan, a.Commercial, allowed)
	clearFields(digitalWalletAccountPlan, a.DigitalWallet, allowed)
	clearFields(buyNowPayLaterAccountPlan, a.BuyNowPayLater, allowed)
}

// FilterTransaction clears every field of t that none of the allowed clusters
// lets through. Without TRANSACTIONS nothing is left and t does not marshal;
// other clusters only add to a transaction. As with FilterAccount, the caller
// must own all that t points to.
func FilterTransaction(t *Transaction, allowed Clusters) {
	if transactionNeeds.Intersect(allowed).Empty() {
		*t = Transaction{}
		return
	}
	allowed = allowed.Implied()
	clearFields(depositTransactionPlan, t.Deposit, allowed)
	clearFields(lineOfCreditTransactionPlan, t.LineOfCredit, allowed)
	clearFields(loanTransactionPlan, t.Loan, allowed)
	clearFields(investmentTransactionPlan, t.Investment, allowed)
	clearFields(annuityTransactionPlan, t.Annuity, allowed)
	clearFields(insuranceTransactionPlan, t.Insurance, allowed)
	clearFields(commercialTransactionPlan, t.Commercial, allowed)
	clearFields(digitalWalletTransactionPlan, t.DigitalWallet, allowed)
	clearFields(buyNowPayLaterTransactionPlan, t.BuyNowPayLater, allowed)
}

// FilterAccountContact clears every field of c that none of the allowed
// clusters lets through. Without CUSTOMER_CONTACT, which CUSTOMER_PERSONAL
// implies, nothing is left. As with FilterAccount, the caller must own all
// that c points to.
func FilterAccountContact(c *AccountContact, allowed Clusters) {
	clearFields(accountContactPlan, c, allowed.Implied())
}

// FilterCustomer clears every field of c that none of the allowed clusters
// lets through, and the accounts for which granted is false: a customer may
// hold more than is shared. The tax id that is left is masked but for its
// last four characters, because the full one may travel in an encrypted
// payload only, which this release does not have; that goes for
// SOCIAL_SECURITY_NUMBER too. As with FilterAccount, the caller must own all
// that c points to.
func FilterCustomer(c *Customer, allowed Clusters, granted func(AccountID) bool) {
	clearFields(customerPlan, c, allowed.Implied())
	c.TaxID = maskTaxID(c.TaxID)
	c.Accounts = slices.DeleteFunc(c.Accounts, func(a CustomerAccount) bool { return !granted(a.AccountID) })
}

// FilterPaymentNetwork clears n unless PAYMENT_SUPPORT is allowed.
func FilterPaymentNetwork(n *PaymentNetwork, allowed Clusters) {
	clearFields(paymentNetworkPlan, n, allowed.Implied())
}

// FilterAssetTransferNetwork clears n unless PAYMENT_SUPPORT is allowed.
func FilterAssetTransferNetwork(n *AssetTransferNetwork, allowed Clusters) {
	clearFields(assetTransferNetworkPlan, n, allowed.Implied())
}

// FilterStatement clears s unless STATEMENTS is allowed. As with
// FilterAccount, the caller must own all that s points to.
func FilterStatement(s *Statement, allowed Clusters) {
	clearFields(statementPlan, s, allowed.Implied())
}

// FilterRewardProgram clears p unless REWARDS is allowed. It drops the
// accounts for which granted is false, and a membership that has no account
// left, or never had one: it cannot be told to belong to what is shared. The
// id of the customer needs a cluster that shows customers besides. As with
// FilterAccount, the caller must own all that p points to.
func FilterRewardProgram(p *RewardProgram, allowed Clusters, granted func(AccountID) bool) {
	clearFields(rewardProgramPlan, p, allowed.Implied())
	for i := range p.Memberships {
		m := &p.Memberships[i]
		m.AccountIDs = slices.DeleteFunc(m.AccountIDs, func(id AccountID) bool { return !granted(id) })
	}
	p.Memberships = slices.DeleteFunc(p.Memberships, func(m RewardMembership) bool { return len(m.AccountIDs) == 0 })
}

// FilterRewardCategory clears c unless REWARDS is allowed.
func FilterRewardCategory(c *RewardCategory, allowed Clusters) {
	clearFields(rewardCategoryPlan, c, allowed.Implied())
}

// clearFields applies the plan to what v points to, if to anything.
func clearFields[T any](p plan, v *T, allowed Clusters) {
	if v != nil {
		p.apply(reflect.ValueOf(v).Elem(), allowed)
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
	// list marks a slice, so that below goes for each element, and pointer a
	// pointer to a struct, which goes when nothing is left of the struct.
	list, pointer bool
	// below is the plan of a struct inside the field, nil when there is
	// nothing to walk.
	below plan
	// inside are the different sets of clusters of the rows below, so that
	// an entity of which all is allowed need not be walked.
	inside []Clusters
}

// compile makes the plan of a struct type. What it cannot look into, such as
// a map, an interface or a list of pointers, gets no clusters and so never
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
		case !s.list && held.Kind() == reflect.Pointer && held.Elem().Kind() == reflect.Struct:
			s.pointer, s.below = true, compile(held.Elem(), rows)
			s.inside = s.below.sets(nil)
		case held.Kind() == reflect.Struct:
			s.below = compile(held, rows)
			s.inside = s.below.sets(nil)
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
		if s.passes(allowed) {
			continue
		}
		held := v.Field(s.index)
		switch {
		case s.pointer && held.IsNil():
			continue
		case s.pointer:
			s.below.apply(held.Elem(), allowed)
			if held.Elem().IsZero() {
				held.SetZero()
			}
			continue
		case !s.list:
			s.below.apply(held, allowed)
			continue
		}
		for j := range held.Len() {
			s.below.apply(held.Index(j), allowed)
		}
	}
}

// passes reports whether the plan keeps everything inside the field, so that
// there is no need to walk it.
func (s *step) passes(allowed Clusters) bool {
	for _, clusters := range s.inside {
		if clusters.Intersect(allowed).Empty() {
			return false
		}
	}
	return true
}

// sets appends the sets of clusters of all rows of the plan, each set once.
func (p plan) sets(found []Clusters) []Clusters {
	for i := range p {
		s := &p[i]
		if !s.embedded && !slices.Contains(found, s.clusters) {
			found = append(found, s.clusters)
		}
		found = s.below.sets(found)
	}
	return found
}
