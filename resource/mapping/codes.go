package mapping

import (
	"reflect"
	"slices"

	"github.com/headgate/headgate/fdx"
)

// codes returns the values of an FDX enumeration, nil for a type that is not
// closed. A record that says something else is refused: recipients decide by
// these words.
func codes(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[fdx.AccountCategory]():
		return list(fdx.DepositCategory, fdx.LineOfCreditCategory, fdx.LoanCategory, fdx.InvestmentCategory, fdx.AnnuityCategory,
			fdx.InsuranceCategory, fdx.CommercialCategory, fdx.DigitalWalletCategory, fdx.BuyNowPayLaterCategory)
	case reflect.TypeFor[fdx.AccountStatus]():
		return list(fdx.StatusClosed, fdx.StatusDelinquent, fdx.StatusNegativeCurrentBalance, fdx.StatusOpen, fdx.StatusPaid,
			fdx.StatusPendingClose, fdx.StatusPendingOpen, fdx.StatusRestricted)
	case reflect.TypeFor[fdx.DebitCreditMemo]():
		return list(fdx.Credit, fdx.Debit, fdx.Memo)
	case reflect.TypeFor[fdx.TransactionStatus]():
		return list(fdx.Authorization, fdx.MemoPosted, fdx.Pending, fdx.Posted)
	case reflect.TypeFor[fdx.DepositAccountType]():
		return list(fdx.Checking, fdx.Savings, fdx.CertificateOfDeposit, fdx.Escrow, fdx.MoneyMarket,
			fdx.HighInterestSavingsAccount, fdx.FirstHomeSavingsAccount, fdx.OtherDeposit)
	case reflect.TypeFor[fdx.LineOfCreditAccountType]():
		return list(fdx.LineOfCredit, fdx.ChargeCard, fdx.CreditCard, fdx.HomeLineOfCredit)
	case reflect.TypeFor[fdx.LoanAccountType]():
		return list(fdx.AutoLoan, fdx.HomeEquityLoan, fdx.Installment, fdx.Loan, fdx.MilitaryLoan, fdx.Mortgage,
			fdx.PersonalLoan, fdx.SMBLoan, fdx.StudentLoan)
	case reflect.TypeFor[fdx.InterestRateType]():
		return list(fdx.FixedRate, fdx.IndexedRate, fdx.VariableRate)
	case reflect.TypeFor[fdx.CompoundingPeriod]():
		return list(fdx.Annually, fdx.Biweekly, fdx.Daily, fdx.Monthly, fdx.SemiAnnually, fdx.SemiMonthly, fdx.Weekly)
	case reflect.TypeFor[fdx.LineOfCreditTransactionType]():
		return list(fdx.LocAdjustment, fdx.LocCheck, fdx.LocFee, fdx.LocInterest, fdx.LocPayment, fdx.LocWithdrawal, fdx.LocPurchase)
	case reflect.TypeFor[fdx.LoanTransactionType]():
		return list(fdx.LoanAdjustment, fdx.LoanFee, fdx.LoanInterest, fdx.LoanPayment, fdx.LoanLumpSumPayment,
			fdx.LoanSkipPayment, fdx.LoanDoubleUpPayment, fdx.LoanPayoff)
	case reflect.TypeFor[fdx.DocumentStatus]():
		return list(fdx.DocumentAvailable, fdx.DocumentFailed, fdx.DocumentProcessing)
	case reflect.TypeFor[fdx.PaymentNetworkType]():
		return list(fdx.CanadaACSS, fdx.CanadaLVTS, fdx.ACH, fdx.CHIPS, fdx.FedNow, fdx.Fedwire, fdx.RTP)
	case reflect.TypeFor[fdx.PaymentNetworkIdentifierType]():
		return list(fdx.AccountNumber, fdx.TokenizedAccountNumber)
	case reflect.TypeFor[fdx.AssetTransferType]():
		return list(fdx.ATON, fdx.ACATS, fdx.DTC)
	case reflect.TypeFor[fdx.BusinessOrConsumer]():
		return list(fdx.Business, fdx.Consumer)
	case reflect.TypeFor[fdx.DeliveryAddressType]():
		return list(fdx.BusinessAddress, fdx.ParcelAddress, fdx.HomeAddress, fdx.MailingAddress)
	case reflect.TypeFor[fdx.TelephoneNumberPurpose]():
		return list(fdx.TelephoneBoth, fdx.TelephoneBusiness, fdx.TelephoneCell, fdx.TelephoneFax, fdx.TelephoneHome, fdx.TelephonePersonal)
	case reflect.TypeFor[fdx.AccountHolderRelationship]():
		return list(fdx.AuthorizedSigner, fdx.AuthorizedUser, fdx.BusinessHolder, fdx.ForBenefitOf, fdx.ForBenefitOfPrimary,
			fdx.ForBenefitOfPrimaryJointRestricted, fdx.ForBenefitOfSecondary, fdx.ForBenefitOfSecondaryJointRestricted,
			fdx.ForBenefitOfSoleOwnerRestricted, fdx.PowerOfAttorney, fdx.Primary, fdx.PrimaryBorrower, fdx.PrimaryJoint,
			fdx.PrimaryJointTenants, fdx.Secondary, fdx.SecondaryBorrower, fdx.SecondaryJoint, fdx.SecondaryJointTenants,
			fdx.SoleOwner, fdx.Trustee, fdx.UniformTransferToMinor)
	}
	return nil
}

func list[T ~string](values ...T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	slices.Sort(out)
	return out
}
