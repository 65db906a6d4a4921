package contract

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// vocabulary is the values of one type of package fdx.
type vocabulary struct {
	of     reflect.Type
	values []string
}

func of[T ~string](values ...T) vocabulary {
	v := vocabulary{of: reflect.TypeFor[T]()}
	for _, value := range values {
		v.values = append(v.values, string(value))
	}
	return v
}

// vocabularies returns the types whose values package fdx names all of.
func vocabularies() []vocabulary {
	return []vocabulary{
		of(fdx.StatusClosed, fdx.StatusDelinquent, fdx.StatusNegativeCurrentBalance, fdx.StatusOpen, fdx.StatusPaid, fdx.StatusPendingClose, fdx.StatusPendingOpen, fdx.StatusRestricted),
		of(fdx.Annuity, fdx.FixedAnnuity, fdx.VariableAnnuity),
		of(fdx.FixedProduct, fdx.VariableProduct),
		of(fdx.DeferredPayout, fdx.ImmediatePayout),
		of(fdx.PayoutAnnually, fdx.PayoutBiweekly, fdx.PayoutDaily, fdx.PayoutMonthly, fdx.PayoutSemiAnnually, fdx.PayoutSemiMonthly, fdx.PayoutWeekly),
		of(fdx.NoPeriodCertain, fdx.FiveYearsCertain, fdx.TenYearsCertain, fdx.TwentyYearsCertain, fdx.ThirtyYearsCertain),
		of(fdx.BuyNowPayLater),
		of(fdx.CommercialDeposit, fdx.CommercialInvestment, fdx.CommercialLineOfCredit, fdx.CommercialLoan),
		of(fdx.Checking, fdx.Savings, fdx.CertificateOfDeposit, fdx.Escrow, fdx.MoneyMarket, fdx.HighInterestSavingsAccount, fdx.FirstHomeSavingsAccount, fdx.OtherDeposit),
		of(fdx.Annually, fdx.Biweekly, fdx.Daily, fdx.Monthly, fdx.SemiAnnually, fdx.SemiMonthly, fdx.Weekly),
		of(fdx.FixedRate, fdx.IndexedRate, fdx.VariableRate),
		of(fdx.LongTermDisability, fdx.ShortTermDisability, fdx.UniversalLife, fdx.WholeLife),
		of(fdx.ActivePolicy),
		of(fdx.AnnualPremium, fdx.MonthlyPremium),
		of(fdx.HoldingAnnuity, fdx.HoldingBond, fdx.HoldingCertificateOfDeposit, fdx.HoldingDigitalAsset, fdx.HoldingMutualFund, fdx.HoldingOption, fdx.HoldingOther, fdx.HoldingStock),
		of(fdx.HoldingCash, fdx.HoldingMoneyMarket),
		of(fdx.Long, fdx.Short),
		of(fdx.AutoLoan, fdx.HomeEquityLoan, fdx.Installment, fdx.Loan, fdx.MilitaryLoan, fdx.Mortgage, fdx.PersonalLoan, fdx.SMBLoan, fdx.StudentLoan),
		of(fdx.LineOfCredit, fdx.ChargeCard, fdx.CreditCard, fdx.HomeLineOfCredit),
		of(fdx.AutoPay, fdx.OneTime, fdx.Repeating),
		of(fdx.DigitalWallet),
		of(fdx.ATON, fdx.ACATS, fdx.DTC),
		of(fdx.Alive, fdx.Down, fdx.Maintenance, fdx.Partial),
		of(fdx.Business, fdx.Consumer),
		of(fdx.BCLASS, fdx.BICS, fdx.GICS, fdx.MOODYS, fdx.NAICS, fdx.OtherIndustry, fdx.SIC),
		of(fdx.BusinessAddress, fdx.ParcelAddress, fdx.HomeAddress, fdx.MailingAddress),
		of(fdx.TelephoneBoth, fdx.TelephoneBusiness, fdx.TelephoneCell, fdx.TelephoneFax, fdx.TelephoneHome, fdx.TelephonePersonal),
		of(fdx.Cellular, fdx.Landline, fdx.Pager, fdx.Satellite, fdx.VoIP),
		of(fdx.AuthorizedSigner, fdx.AuthorizedUser, fdx.BusinessHolder, fdx.ForBenefitOf, fdx.ForBenefitOfPrimary, fdx.ForBenefitOfPrimaryJointRestricted, fdx.ForBenefitOfSecondary, fdx.ForBenefitOfSecondaryJointRestricted, fdx.ForBenefitOfSoleOwnerRestricted, fdx.PowerOfAttorney, fdx.Primary, fdx.PrimaryBorrower, fdx.PrimaryJoint, fdx.PrimaryJointTenants, fdx.Secondary, fdx.SecondaryBorrower, fdx.SecondaryJoint, fdx.SecondaryJointTenants, fdx.SoleOwner, fdx.Trustee, fdx.UniformTransferToMinor),
		of(fdx.AccountNumber, fdx.TokenizedAccountNumber),
		of(fdx.CanadaACSS, fdx.CanadaLVTS, fdx.ACH, fdx.CHIPS, fdx.FedNow, fdx.Fedwire, fdx.RTP),
		of(fdx.Cashback, fdx.Miles, fdx.Points),
		of(fdx.DocumentAvailable, fdx.DocumentFailed, fdx.DocumentProcessing),
		of(fdx.Credit, fdx.Debit, fdx.Memo),
		of(fdx.Authorization, fdx.MemoPosted, fdx.Pending, fdx.Posted),
		of(fdx.LocAdjustment, fdx.LocCheck, fdx.LocFee, fdx.LocInterest, fdx.LocPayment, fdx.LocWithdrawal, fdx.LocPurchase),
		of(fdx.LoanAdjustment, fdx.LoanFee, fdx.LoanInterest, fdx.LoanPayment, fdx.LoanLumpSumPayment, fdx.LoanSkipPayment, fdx.LoanDoubleUpPayment, fdx.LoanPayoff),
		of(fdx.InsuranceAdjustment, fdx.InsuranceFee, fdx.InsuranceInterest, fdx.InsurancePayment),
		of(fdx.SecurityBond, fdx.SecurityDebt, fdx.SecurityMutualFund, fdx.SecurityDigitalAsset, fdx.SecurityOption, fdx.SecurityOther, fdx.SecurityStock, fdx.SecuritySweep),
		of(fdx.CurrencyUnits, fdx.ShareUnits),
	}
}

// known reports texts that are none of the values of their type, and codes
// that cannot be. at is where v is, without any of its contents.
func (p *probe) known(v any, at string) { p.walk(reflect.ValueOf(v).Elem(), at, "") }

func (p *probe) walk(v reflect.Value, at, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			p.walk(v.Elem(), at, path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if v.Type().Elem().Kind() == reflect.Uint8 {
				return // a document
			}
			p.walk(v.Index(i), at, fmt.Sprintf("%s %d", path, i+1))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			here := path
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
				here = strings.TrimPrefix(path+"."+name, ".")
			}
			if f.Name == "CurrencyCode" || f.Name == "ForeignCurrency" {
				if code := v.Field(i).String(); code != "" && !currency(code) {
					p.breach(ruleCurrency, "%s: %s is not a code of three capital letters", at, here)
				}
			}
			p.walk(v.Field(i), at, here)
		}
	case reflect.String:
		if values, closed := p.words[v.Type()]; closed && v.Len() > 0 && !slices.Contains(values, v.String()) {
			p.breach(ruleEnum, "%s: %s is none of the %d values that FDX has", at, path, len(values))
		}
	}
}

func currency(code string) bool {
	return len(code) == 3 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// checkValues looks at the records themselves.
func checkValues(p *probe, o operation) {
	categories := map[fdx.AccountID]fdx.AccountCategory{}
	for _, a := range listOf[fdx.Account](p, fdx.SearchForAccounts, "") {
		categories[a.ID()] = a.Category()
	}
	found := 0
	look := func(items []any, asked fdx.AccountID, where string) {
		found += len(items)
		for i, item := range items {
			p.value(item, fmt.Sprintf("%srecord %d of %d", where, i+1, len(items)), asked, categories[asked])
		}
	}
	if !o.single {
		page, err := p.page(o, p.usual(o), resource.PageRequest{Limit: pageOf})
		if err != nil && !lacks(err) {
			p.failed(err, "page 1")
			return
		}
		look(page.Items, "", "")
	} else {
		for i, id := range p.Accounts {
			page, err := p.page(o, p.on(o, id), resource.PageRequest{Limit: pageOf})
			if err != nil && !lacks(err) {
				p.failed(err, "account %d of %d", i+1, len(p.Accounts))
				continue
			}
			look(page.Items, id, fmt.Sprintf("account %d of %d, ", i+1, len(p.Accounts)))
		}
	}
	if o.dated && o.paged {
		all, _ := p.whole(o, p.usual(o))
		look(all, p.Busy, "busiest account, ")
	}
	if found == 0 && len(p.findings) == 0 {
		p.skip("there is nothing to read")
	}
}

// value judges one record. asked is the account it was asked for by, and
// category what that account is; empty when it is not of one account.
func (p *probe) value(item any, at string, asked fdx.AccountID, category fdx.AccountCategory) {
	p.known(item, at)
	switch v := item.(type) {
	case *fdx.Account:
		d := v.Descriptor()
		if d == nil {
			p.breach(ruleCategory, "%s: not of exactly one category", at)
			return
		}
		identified(p, fdx.ParseAccountID, d.AccountID, at)
		if d.Currency.CurrencyCode == "" {
			p.breach(ruleCurrency, "%s: no currency", at)
		}
	case *fdx.Transaction:
		b := v.Base()
		if b == nil || category != "" && v.Category() != category {
			p.breach(ruleCategory, "%s: not of exactly one category, that of its account", at)
			return
		}
		p.transaction(b, at)
	case *fdx.Statement:
		identified(p, fdx.ParseStatementID, v.StatementID, at)
		if v.StatementDate.IsZero() {
			p.breach(ruleRequired, "%s: no statementDate", at)
		}
		if asked != "" && v.AccountID != asked {
			p.breach(ruleWrongParent, "%s: its account id is not that of the account asked for", at)
		}
	case *fdx.RewardProgram:
		identified(p, fdx.ParseRewardProgramID, v.RewardProgramID, at)
		if len(v.Memberships) == 0 {
			p.breach(ruleRequired, "%s: no memberships", at)
		}
		for _, m := range v.Memberships {
			for _, b := range m.Balances {
				if b.AccruedYTD.Sign() < 0 || b.RedeemedYTD.Sign() < 0 {
					p.breach(ruleSign, "%s: a count since the year began is negative", at)
				}
			}
		}
	case *fdx.RewardCategory:
		identified(p, fdx.ParseRewardProgramID, fdx.RewardProgramID(v.CategoryID), at)
	case *fdx.Customer:
		identified(p, fdx.ParseCustomerID, v.CustomerID, at)
	}
}

func (p *probe) transaction(b *fdx.TransactionBase, at string) {
	identified(p, fdx.ParseTransactionID, b.TransactionID, at)
	var missing []string
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"transactionTimestamp", !b.TransactionTimestamp.IsZero()}, {"description", b.Description != ""},
		{"debitCreditMemo", b.DebitCreditMemo != ""}, {"status", b.Status != ""}, {"amount", b.Amount.Present()},
	} {
		if !f.given {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		p.breach(ruleRequired, "%s: no %s", at, strings.Join(missing, ", "))
	}
	if b.Amount.Sign() < 0 {
		p.breach(ruleSign, "%s: the amount is negative", at)
	}
	if b.ForeignAmount.Present() && b.ForeignCurrency == "" {
		p.breach(ruleCurrency, "%s: a foreign amount without its currency", at)
	}
	posted := !b.PostedTimestamp.IsZero()
	if b.Status == fdx.Posted && !posted || b.Status == fdx.Pending && posted {
		p.breach(ruleStatus, "%s: posted time given: %t, which contradicts its status", at, posted)
	}
}

// identified reports an id that requests could not carry.
func identified[ID ~string](p *probe, parse func(string) (ID, error), id ID, at string) {
	if _, err := parse(string(id)); err != nil {
		p.breach(ruleBadID, "%s: its id is empty, too long or not printable", at)
	}
}
