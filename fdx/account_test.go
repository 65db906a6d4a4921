package fdx_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func usd(coef int64) fdx.Decimal { return fdx.NewDecimal(coef, 2) }

func stamp(t testing.TB, s string) fdx.Timestamp {
	t.Helper()
	ts, err := fdx.ParseTimestamp(s)
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

func descriptor(id fdx.AccountID) fdx.AccountDescriptor {
	return fdx.AccountDescriptor{
		AccountID:            id,
		AccountNumberDisplay: "****4321",
		ProductName:          "Everyday",
		ProductID:            "prod-1",
		Nickname:             "Household",
		Description:          "An example account",
		Status:               fdx.StatusOpen,
		Currency:             fdx.Currency{CurrencyCode: "USD"},
		Error:                fdx.AccountError{Code: "501", Message: "Subsystem unavailable"},
	}
}

// accounts returns one account of each category with every field given, by
// the name of its golden file.
func accounts(t testing.TB) map[string]fdx.Account {
	charged := fdx.InterestRate{
		Rate:              fdx.NewDecimal(425, 2),
		RateAsOf:          date(t, "2024-05-01"),
		CompoundingPeriod: fdx.Monthly,
		PriorRate:         fdx.NewDecimal(400, 2),
		Type:              fdx.IndexedRate,
		Index:             "SOFR",
	}
	asOf := stamp(t, "2024-05-14T06:00:00Z")
	return map[string]fdx.Account{
		"account_deposit.json": {Deposit: &fdx.DepositAccount{
			AccountDescriptor:         descriptor("acc-deposit"),
			AccountType:               fdx.Checking,
			CurrentBalance:            usd(123450),
			AvailableBalance:          usd(0),
			OpeningDayBalance:         usd(123000),
			BalanceAsOf:               asOf,
			EarnedInterest:            charged,
			UnderArbitration:          new(false),
			OverdraftOptIn:            new(true),
			Overdrafted:               new(false),
			OverdraftProtectionFunded: new(true),
			OverdraftFundingSources:   []fdx.FundingSource{{AccountType: "SAVINGS", InstitutionName: "Example Bank"}},
		}},
		"account_loc.json": {LineOfCredit: &fdx.LineOfCreditAccount{
			AccountDescriptor:    descriptor("acc-loc"),
			AccountType:          fdx.CreditCard,
			CreditLine:           usd(500000),
			AvailableCredit:      usd(412345),
			CurrentBalance:       usd(87655),
			PrincipalBalance:     usd(80000),
			CashAdvanceBalance:   usd(1000),
			TransferBalance:      usd(2000),
			PPILBalance:          usd(3000),
			BalanceAsOf:          asOf,
			NextPaymentAmount:    usd(2500),
			NextPaymentDate:      date(t, "2024-06-01"),
			MinimumPaymentAmount: usd(2500),
			LastPaymentAmount:    usd(10000),
			LastPaymentDate:      date(t, "2024-05-01"),
			PastDueAmount:        usd(0),
			LastStmtBalance:      usd(90000),
			LastStmtDate:         date(t, "2024-04-30"),
			PurchasesAPR:         fdx.NewDecimal(1999, 2),
			AdvancesAPR:          fdx.NewDecimal(2499, 2),
			TransfersAPR:         fdx.NewDecimal(999, 2),
			BalanceTransfersAPR:  fdx.NewDecimal(999, 2),
			PPILAPR:              fdx.NewDecimal(1299, 2),
			TargetRateSaleAPR:    fdx.NewDecimal(799, 2),
			FeeSchedule:          "https://bank.example/fees",
			ChargedInterest:      charged,
			UnderArbitration:     new(false),
			Bills: []fdx.Bill{{
				TotalPaymentDue:   usd(90000),
				MinimumPaymentDue: usd(2500),
				DueDate:           date(t, "2024-06-01"),
				AutoPayEnabled:    new(true),
				AutoPayAmount:     usd(2500),
				AutoPayDate:       date(t, "2024-05-30"),
				PastDueAmount:     usd(0),
				LastPaymentAmount: usd(10000),
				LastPaymentDate:   date(t, "2024-05-01"),
				StatementBalance:  usd(90000),
				StatementDate:     date(t, "2024-04-30"),
			}},
			ScheduledPayments: []fdx.ScheduledPayment{{
				Amount:         usd(2500),
				Date:           date(t, "2024-05-30"),
				Type:           fdx.AutoPay,
				PayToPrincipal: new(false),
			}},
		}},
		"account_loan.json": {Loan: &fdx.LoanAccount{
			AccountDescriptor:      descriptor("acc-loan"),
			AccountType:            fdx.Mortgage,
			PrincipalBalance:       usd(21000000),
			EscrowBalance:          usd(150000),
			BalanceAsOf:            asOf,
			OriginalPrincipal:      usd(30000000),
			OriginatingDate:        date(t, "2014-05-14"),
			MaturityDate:           date(t, "2044-05-14"),
			LoanTerm:               360,
			InterestRate:           fdx.NewDecimal(3875, 3),
			InterestRateType:       fdx.FixedRate,
			AnnualPercentageRate:   fdx.NewDecimal(3921, 3),
			ChargedInterest:        charged,
			InterestPaidYearToDate: usd(340000),
			NextPaymentAmount:      usd(141071),
			NextPaymentDate:        date(t, "2024-06-01"),
			LastPaymentAmount:      usd(141071),
			LastPaymentDate:        date(t, "2024-05-01"),
			LoanProviderName:       "Example Mortgage",
			CurrentSchool:          "Example College",
		}},
		"account_investment.json": {Investment: &fdx.InvestmentAccount{
			AccountDescriptor:    descriptor("acc-investment"),
			AccountType:          fdx.BrokerageProduct,
			AvailableCashBalance: usd(250000),
			CurrentValue:         usd(1234567),
			BalanceAsOf:          asOf,
			EarnedInterest:       charged,
			Holdings: []fdx.Holding{{
				SecurityIDs:          []fdx.SecurityID{{ID: "US0000000001", IDType: fdx.ISIN}},
				HoldingName:          "Example Corp",
				HoldingType:          fdx.HoldingStock,
				HoldingSubType:       fdx.HoldingCash,
				Symbol:               "EXM",
				PurchasedPrice:       fdx.NewDecimal(101234, 4),
				CurrentUnitPrice:     fdx.NewDecimal(1512, 2),
				CurrentUnitPriceDate: date(t, "2024-05-13"),
				Units:                fdx.NewDecimal(1005, 1),
				MarketValue:          usd(151956),
				FaceValue:            usd(100000),
				CashAccount:          new(false),
				Currency:             fdx.Currency{CurrencyCode: "USD"},
				TaxLots: []fdx.TaxLot{{
					OriginalPurchaseDate: date(t, "2020-02-29"),
					Quantity:             fdx.NewDecimal(1005, 1),
					PurchasedPrice:       fdx.NewDecimal(101234, 4),
					CostBasis:            usd(101740),
					CurrentValue:         usd(151956),
					PositionType:         fdx.Long,
				}},
			}},
		}},
		"account_annuity.json": {Annuity: &fdx.AnnuityAccount{
			AccountDescriptor:      descriptor("acc-annuity"),
			AccountType:            fdx.FixedAnnuity,
			PolicyProductType:      fdx.FixedProduct,
			PayoutType:             fdx.DeferredPayout,
			PeriodCertainType:      fdx.TenYearsCertain,
			PayoutMode:             fdx.PayoutMonthly,
			PayoutAmount:           usd(120000),
			PayoutStartDate:        date(t, "2034-01-01"),
			PayoutEndDate:          date(t, "2054-01-01"),
			NumberModalPayouts:     240,
			PayoutChangeAmount:     usd(1000),
			PayoutChangePercentage: fdx.NewDecimal(200, 2),
			SurrenderValue:         usd(9000000),
		}},
		"account_insurance.json": {Insurance: &fdx.InsuranceAccount{
			AccountDescriptor:    descriptor("acc-insurance"),
			AccountType:          fdx.WholeLife,
			PolicyStatus:         fdx.ActivePolicy,
			PolicyPremium:        usd(8000),
			PolicyPremiumTerm:    fdx.MonthlyPremium,
			PolicyStartDate:      date(t, "2019-01-01"),
			PolicyEndDate:        date(t, "2049-01-01"),
			PolicyCoverageAmount: usd(25000000),
			Bills:                []fdx.Bill{{TotalPaymentDue: usd(8000), DueDate: date(t, "2024-06-01")}},
		}},
		"account_commercial.json": {Commercial: &fdx.CommercialAccount{
			AccountDescriptor: descriptor("acc-commercial"),
			AccountType:       fdx.CommercialDeposit,
		}},
		"account_wallet.json": {DigitalWallet: &fdx.DigitalWalletAccount{
			AccountDescriptor:     descriptor("acc-wallet"),
			AccountType:           fdx.DigitalWallet,
			CurrentBalance:        usd(4200),
			AvailableBalance:      usd(4000),
			BalanceAsOf:           asOf,
			AnnualPercentageYield: fdx.NewDecimal(150, 2),
			EarnedInterest:        charged,
		}},
		"account_bnpl.json": {BuyNowPayLater: &fdx.BuyNowPayLaterAccount{
			AccountDescriptor: descriptor("acc-bnpl"),
			AccountType:       fdx.BuyNowPayLater,
			CreditLine:        usd(100000),
			AvailableCredit:   usd(76000),
			CurrentBalance:    usd(24000),
			PrincipalBalance:  usd(23500),
			BalanceAsOf:       asOf,
			FinanceCharges:    usd(500),
		}},
	}
}

func TestAccountWireFormat(t *testing.T) {
	t.Parallel()
	for name, a := range accounts(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goldenJSON(t, name, a)
		})
	}
	t.Run("a list of descriptors", func(t *testing.T) {
		t.Parallel()
		answer := fdx.AccountsAnswer{
			Page:  fdx.PageMetadata{NextPageKey: "k2", TotalElements: 9},
			Links: fdx.Links{Next: fdx.Link{Href: "/fdx/v6/accounts?limit=4&pageKey=k2"}},
		}
		for _, name := range []string{
			"account_deposit.json", "account_loc.json", "account_loan.json", "account_investment.json", "account_annuity.json",
			"account_insurance.json", "account_commercial.json", "account_wallet.json", "account_bnpl.json",
		} {
			a := accounts(t)[name]
			fdx.FilterAccount(&a, fdx.NewClusters(fdx.AccountBasic))
			answer.Accounts = append(answer.Accounts, a)
		}
		goldenJSON(t, "accounts.json", answer)
	})
}

// requiredDescriptor is what the core exchange profile of FDX 6.4 demands of
// every account, which is more than FDX does.
var requiredDescriptor = []string{"accountCategory", "accountId", "accountType", "currency", "productName", "status"}

func TestAccountsSatisfyTheCoreExchangeProfile(t *testing.T) {
	t.Parallel()
	for name, required := range map[string][]string{
		"account_deposit.json":    {"currentBalance", "availableBalance"},
		"account_loc.json":        {"currentBalance"},
		"account_loan.json":       {"principalBalance", "interestRate", "interestRateType"},
		"account_investment.json": {"availableCashBalance", "currentValue"},
		"account_annuity.json":    nil,
		"account_insurance.json":  nil,
		"account_commercial.json": nil,
		"account_wallet.json":     nil,
	} {
		a := accounts(t)[name]
		fdx.FilterAccount(&a, fdx.NewClusters(fdx.AccountDetailed))
		requireProperties(t, name+" in detail", a, append(required, requiredDescriptor...))
		fdx.FilterAccount(&a, fdx.NewClusters(fdx.AccountBasic))
		requireProperties(t, name+" as descriptor", a, requiredDescriptor)
	}
}

func requireProperties(t *testing.T, what string, v any, required []string) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var have map[string]json.RawMessage
	if err := json.Unmarshal(data, &have); err != nil {
		t.Fatal(err)
	}
	for _, name := range required {
		if have[name] == nil {
			t.Errorf("%s lacks %s", what, name)
		}
	}
}

func TestAccountHoldsExactlyOneCategory(t *testing.T) {
	t.Parallel()
	one := descriptor("acc")
	deposit := &fdx.DepositAccount{AccountDescriptor: one}
	loan := &fdx.LoanAccount{AccountDescriptor: one}
	for claim, a := range map[string]fdx.Account{
		"none":              {},
		"two":               {Deposit: deposit, Loan: loan},
		"all":               {Deposit: deposit, Loan: loan, LineOfCredit: &fdx.LineOfCreditAccount{}, Investment: &fdx.InvestmentAccount{}},
		"one without an id": {Deposit: &fdx.DepositAccount{CurrentBalance: usd(1)}},
		"a new and an old":  {Deposit: deposit, BuyNowPayLater: &fdx.BuyNowPayLaterAccount{AccountDescriptor: one}},
		"two new":           {Annuity: &fdx.AnnuityAccount{AccountDescriptor: one}, DigitalWallet: &fdx.DigitalWalletAccount{AccountDescriptor: one}},
	} {
		if _, err := json.Marshal(a); !errors.Is(err, fdx.ErrInvalidAccount) {
			t.Errorf("%s: marshals: %v", claim, err)
		}
		if a.ID() != "" {
			t.Errorf("%s: has an id", claim)
		}
	}
	for category, a := range map[fdx.AccountCategory]fdx.Account{
		"DEPOSIT_ACCOUNT":    {Deposit: deposit},
		"LOAN_ACCOUNT":       {Loan: loan},
		"LOC_ACCOUNT":        {LineOfCredit: &fdx.LineOfCreditAccount{AccountDescriptor: one}},
		"INVESTMENT_ACCOUNT": {Investment: &fdx.InvestmentAccount{AccountDescriptor: one}},
		"ANNUITY_ACCOUNT":    {Annuity: &fdx.AnnuityAccount{AccountDescriptor: one}},
		"INSURANCE_ACCOUNT":  {Insurance: &fdx.InsuranceAccount{AccountDescriptor: one}},
		"COMMERCIAL_ACCOUNT": {Commercial: &fdx.CommercialAccount{AccountDescriptor: one}},
		"DIGITAL_WALLET":     {DigitalWallet: &fdx.DigitalWalletAccount{AccountDescriptor: one}},
		"BNPL_ACCOUNT":       {BuyNowPayLater: &fdx.BuyNowPayLaterAccount{AccountDescriptor: one}},
		"":                   {},
	} {
		if a.Category() != category || (a.Descriptor() == nil) != (category == "") || (a.ID() == "acc") != (category != "") {
			t.Errorf("%q: category %q, id %q", category, a.Category(), a.ID())
		}
	}
}

func TestAccountRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for claim, row := range map[string]struct {
		json string
		want error
	}{
		"no category":               {`{"accountId":"a"}`, fdx.ErrInvalidAccount},
		"an unknown category":       {`{"accountCategory":"PENSION","accountId":"a"}`, fdx.ErrInvalidAccount},
		"a category in lower case":  {`{"accountCategory":"digital_wallet","accountId":"a"}`, fdx.ErrInvalidAccount},
		"the wrapped form of FDX 5": {`{"depositAccount":{"accountId":"a"}}`, fdx.ErrInvalidAccount},
		"no id":                     {`{"accountCategory":"LOAN_ACCOUNT"}`, fdx.ErrInvalidAccount},
		"a malformed id":            {`{"accountCategory":"LOAN_ACCOUNT","accountId":"a\u0000"}`, fdx.ErrInvalidAccount},
		"a number as id":            {`{"accountCategory":"LOAN_ACCOUNT","accountId":4111111111111111}`, fdx.ErrInvalidAccount},
		"a fraction as term":        {`{"accountCategory":"LOAN_ACCOUNT","accountId":"a","loanTerm":4111111111111111.5}`, fdx.ErrInvalidAccount},
		"text as amount":            {`{"accountCategory":"LOAN_ACCOUNT","accountId":"a","principalBalance":"1.00"}`, fdx.ErrDecimalSyntax},
		"an amount out of range":    {`{"accountCategory":"LOAN_ACCOUNT","accountId":"a","principalBalance":41111111111111111111}`, fdx.ErrDecimalRange},
		"a malformed date":          {`{"accountCategory":"LOAN_ACCOUNT","accountId":"a","maturityDate":"soon"}`, fdx.ErrInvalidDateText},
		"a number as category":      {`{"accountCategory":7,"accountId":"a"}`, fdx.ErrInvalidAccount},
		"an array":                  {`[]`, fdx.ErrInvalidAccount},
		"null":                      {`null`, fdx.ErrInvalidAccount},
	} {
		a := fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: descriptor("before")}}
		err := json.Unmarshal([]byte(row.json), &a)
		if !errors.Is(err, row.want) || a.ID() != "before" {
			t.Errorf("%s: got %v, %v", claim, a.ID(), err)
		}
		if err != nil && strings.Contains(err.Error(), "4111") {
			t.Errorf("%s: the error repeats the input: %v", claim, err)
		}
	}
}

func TestListWithAnInvalidAccountDoesNotMarshal(t *testing.T) {
	t.Parallel()
	answer := fdx.AccountsAnswer{Accounts: []fdx.Account{accounts(t)["account_loan.json"], {}}}
	if out, err := json.Marshal(answer); !errors.Is(err, fdx.ErrInvalidAccount) {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestAccountSkipsPropertiesOfLaterReleases(t *testing.T) {
	t.Parallel()
	var a fdx.Account
	err := json.Unmarshal([]byte(`{"accountCategory":"DEPOSIT_ACCOUNT","accountId":"a","accountNumber":"123","currentBalance":1.50}`), &a)
	if err != nil || a.Deposit == nil || a.Deposit.CurrentBalance != usd(150) {
		t.Fatalf("got %+v, %v", a, err)
	}
	out, err := json.Marshal(a)
	if err != nil || string(out) != `{"accountCategory":"DEPOSIT_ACCOUNT","accountId":"a","currentBalance":1.50}` {
		t.Errorf("got %s, %v", out, err)
	}
}

func FuzzAccountJSON(f *testing.F) {
	for _, a := range accounts(f) {
		seed, err := json.Marshal(a)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte(`{"accountCategory":"LOAN_ACCOUNT","accountId":"a","principalBalance":-0.0}`))
	f.Add([]byte(`{"depositAccount":{"accountId":"a"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a fdx.Account
		if err := json.Unmarshal(data, &a); err != nil {
			if a != (fdx.Account{}) {
				t.Fatal("error and an account")
			}
			return
		}
		readsBack(t, a)
		fdx.FilterAccount(&a, fdx.NewClusters(fdx.AccountBasic))
		readsBack(t, a)
		fdx.FilterAccount(&a, 0)
		if _, err := json.Marshal(a); !errors.Is(err, fdx.ErrInvalidAccount) {
			t.Fatalf("nothing allowed and it marshals: %v", err)
		}
	})
}

// readsBack checks that the JSON of v reads back as something with the same
// JSON.
func readsBack[T any](t *testing.T, v T) {
	t.Helper()
	first, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(first, &back); err != nil {
		t.Fatalf("%s does not read back: %v", first, err)
	}
	second, err := json.Marshal(back)
	if err != nil || string(first) != string(second) {
		t.Fatalf("%s reads back as %s, %v", first, second, err)
	}
}
