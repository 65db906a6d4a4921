package fdx_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
)

// transactions returns one transaction of each category with every field
// given, in the order of the golden file.
func transactions(t testing.TB) []fdx.Transaction {
	base := fdx.TransactionBase{
		TransactionID:          "tx-2",
		ReferenceTransactionID: "tx-1",
		TransactionTimestamp:   stamp(t, "2024-05-12T18:30:00Z"),
		PostedTimestamp:        stamp(t, "2024-05-14T04:00:00Z"),
		Description:            "Example Market",
		DebitCreditMemo:        fdx.Debit,
		Status:                 fdx.Posted,
		Amount:                 usd(4210),
		ForeignAmount:          fdx.NewDecimal(3900, 2),
		ForeignCurrency:        "EUR",
		Category:               "Groceries",
		SubCategory:            "Supermarket",
		CardNumberDisplay:      "****9876",
		Memo:                   "Weekly shop",
		Reference:              "ref-77",
		TransactionPayee: &fdx.TransactionPayee{
			MerchantName:   "Example Market",
			MerchantID:     "m-1",
			IndividualName: fdx.IndividualName{First: "Ada", Middle: "B", Last: "Example", Suffix: "Jr"},
			Address:        address().Address,
			Phone:          telephone(),
		},
		LineItems: []fdx.LineItem{{
			Description: "Bread", Amount: usd(410), CheckNumber: 7, Memo: "Rye", Reference: "ref-78",
			ImageIDs: []fdx.ImageID{"img-2"}, Links: links("/image/2"),
		}},
		Reward:   fdx.TransactionReward{CategoryID: "rc-1", Accrued: fdx.NewDecimal(42, 0), Adjusted: fdx.NewDecimal(-2, 0)},
		ImageIDs: []fdx.ImageID{"img-1"},
		Links:    links("/image/1"),
	}
	return []fdx.Transaction{
		{Deposit: &fdx.DepositTransaction{TransactionBase: base, Payee: "Example Market", CheckNumber: 1042}},
		{LineOfCredit: &fdx.LineOfCreditTransaction{TransactionBase: base, TransactionType: fdx.LocPurchase, CheckNumber: 1043}},
		{Loan: &fdx.LoanTransaction{TransactionBase: base, TransactionType: fdx.LoanLumpSumPayment}},
		{Investment: &fdx.InvestmentTransaction{
			TransactionBase: base,
			TransactionType: fdx.InvestmentPurchased,
			Fees:            usd(0),
			Commission:      usd(495),
			SecurityID:      "US0000000001",
			SecurityIDType:  fdx.ISIN,
			SecurityType:    fdx.SecurityStock,
			Symbol:          "EXM",
			UnitPrice:       fdx.NewDecimal(1512, 2),
			Units:           fdx.NewDecimal(25, 1),
			UnitType:        fdx.ShareUnits,
		}},
		{Annuity: &fdx.AnnuityTransaction{TransactionBase: base}},
		{Insurance: &fdx.InsuranceTransaction{TransactionBase: base, TransactionType: fdx.InsurancePayment}},
		{Commercial: &fdx.CommercialTransaction{
			TransactionBase:             base,
			ImmediateAvailableBalance:   usd(1000),
			NextDayAvailableBalance:     usd(2000),
			TwoDaysPlusAvailableBalance: usd(1210),
			ReferenceBankID:             "bank-1",
			ReferenceBranchID:           "branch-1",
			ReferenceCustomerID:         "customer-1",
		}},
		{DigitalWallet: &fdx.DigitalWalletTransaction{TransactionBase: base, Payee: "Example Market"}},
		{BuyNowPayLater: &fdx.BuyNowPayLaterTransaction{TransactionBase: base}},
	}
}

func TestTransactionWireFormat(t *testing.T) {
	t.Parallel()
	t.Run("one of each category", func(t *testing.T) {
		t.Parallel()
		goldenJSON(t, "transactions.json", fdx.TransactionsAnswer{
			Page:         fdx.PageMetadata{NextPageKey: "k3", PreviousPageKey: "k1"},
			Links:        fdx.Links{Next: fdx.Link{Href: "/next"}, Prev: fdx.Link{Href: "/prev"}},
			Transactions: transactions(t),
		})
	})
	t.Run("none in the window is an empty array", func(t *testing.T) {
		t.Parallel()
		for _, list := range [][]fdx.Transaction{{}, nil} {
			out, err := json.Marshal(fdx.TransactionsAnswer{Transactions: list})
			if err != nil || string(out) != `{"transactions":[]}` {
				t.Errorf("got %s, %v", out, err)
			}
		}
	})
}

func TestTransactionsSatisfyTheCoreExchangeProfile(t *testing.T) {
	t.Parallel()
	for _, tx := range transactions(t) {
		fdx.FilterTransaction(&tx, fdx.NewClusters(fdx.Transactions))
		required := []string{"accountCategory", "amount", "debitCreditMemo", "description", "status", "transactionId", "transactionTimestamp"}
		if tx.Investment != nil {
			required = append(required, "fees", "transactionType")
		}
		requireProperties(t, string(tx.Category()), tx, required)
	}
}

func TestTransactionHoldsExactlyOneCategory(t *testing.T) {
	t.Parallel()
	base := fdx.TransactionBase{TransactionID: "tx"}
	deposit := &fdx.DepositTransaction{TransactionBase: base}
	for claim, tx := range map[string]fdx.Transaction{
		"none":              {},
		"two":               {Deposit: deposit, Loan: &fdx.LoanTransaction{TransactionBase: base}},
		"one without an id": {Deposit: &fdx.DepositTransaction{Payee: "p"}},
		"two new":           {Annuity: &fdx.AnnuityTransaction{TransactionBase: base}, DigitalWallet: &fdx.DigitalWalletTransaction{TransactionBase: base}},
	} {
		if _, err := json.Marshal(tx); !errors.Is(err, fdx.ErrInvalidTransaction) {
			t.Errorf("%s: marshals: %v", claim, err)
		}
	}
	for category, tx := range map[fdx.AccountCategory]fdx.Transaction{
		"DEPOSIT_ACCOUNT":    {Deposit: deposit},
		"LOAN_ACCOUNT":       {Loan: &fdx.LoanTransaction{TransactionBase: base}},
		"LOC_ACCOUNT":        {LineOfCredit: &fdx.LineOfCreditTransaction{TransactionBase: base}},
		"INVESTMENT_ACCOUNT": {Investment: &fdx.InvestmentTransaction{TransactionBase: base}},
		"ANNUITY_ACCOUNT":    {Annuity: &fdx.AnnuityTransaction{TransactionBase: base}},
		"INSURANCE_ACCOUNT":  {Insurance: &fdx.InsuranceTransaction{TransactionBase: base}},
		"COMMERCIAL_ACCOUNT": {Commercial: &fdx.CommercialTransaction{TransactionBase: base}},
		"DIGITAL_WALLET":     {DigitalWallet: &fdx.DigitalWalletTransaction{TransactionBase: base}},
		"BNPL_ACCOUNT":       {BuyNowPayLater: &fdx.BuyNowPayLaterTransaction{TransactionBase: base}},
		"":                   {},
	} {
		if tx.Category() != category || (tx.Base() == nil) != (category == "") {
			t.Errorf("%q: category %q", category, tx.Category())
		}
	}
}

func TestTransactionRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for claim, row := range map[string]struct {
		json string
		want error
	}{
		"no category":               {`{"transactionId":"a"}`, fdx.ErrInvalidTransaction},
		"an unknown category":       {`{"accountCategory":"PENSION","transactionId":"a"}`, fdx.ErrInvalidTransaction},
		"the wrapped form of FDX 5": {`{"depositTransaction":{"transactionId":"a"}}`, fdx.ErrInvalidTransaction},
		"no id":                     {`{"accountCategory":"LOAN_ACCOUNT"}`, fdx.ErrInvalidTransaction},
		"a malformed id":            {`{"accountCategory":"LOAN_ACCOUNT","transactionId":"\n"}`, fdx.ErrInvalidTransaction},
		"a number as id":            {`{"accountCategory":"LOAN_ACCOUNT","transactionId":4111}`, fdx.ErrInvalidTransaction},
		"a fraction as number":      {`{"accountCategory":"DEPOSIT_ACCOUNT","transactionId":"a","checkNumber":4111.5}`, fdx.ErrInvalidTransaction},
		"text as amount":            {`{"accountCategory":"LOAN_ACCOUNT","transactionId":"a","amount":"4111"}`, fdx.ErrDecimalSyntax},
		"a malformed time":          {`{"accountCategory":"LOAN_ACCOUNT","transactionId":"a","postedTimestamp":"4111"}`, fdx.ErrInvalidTimestamp},
		"text":                      {`"a"`, fdx.ErrInvalidTransaction},
	} {
		tx := fdx.Transaction{Loan: &fdx.LoanTransaction{TransactionBase: fdx.TransactionBase{TransactionID: "before"}}}
		err := json.Unmarshal([]byte(row.json), &tx)
		if !errors.Is(err, row.want) || tx.Base().TransactionID != "before" {
			t.Errorf("%s: got %v", claim, err)
		}
		if err != nil && strings.Contains(err.Error(), "4111") {
			t.Errorf("%s: the error repeats the input: %v", claim, err)
		}
	}
}

func TestWindowsSelectByTheBookingOrElseTheEvent(t *testing.T) {
	t.Parallel()
	pending := fdx.TransactionBase{TransactionTimestamp: stamp(t, "2024-05-12T23:30:00Z")}
	if got := pending.EffectiveDate(); got != date(t, "2024-05-12") {
		t.Errorf("pending: %v", got)
	}
	posted := pending
	posted.PostedTimestamp = stamp(t, "2024-05-14T00:00:00Z")
	if got := posted.EffectiveDate(); got != date(t, "2024-05-14") {
		t.Errorf("posted: %v", got)
	}
	if got := (fdx.TransactionBase{}).EffectiveDate(); !got.IsZero() {
		t.Errorf("no time: %v", got)
	}
}

func FuzzTransactionJSON(f *testing.F) {
	for _, tx := range transactions(f) {
		seed, err := json.Marshal(tx)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte(`{"accountCategory":"DEPOSIT_ACCOUNT","transactionId":"a","checkNumber":-1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var tx fdx.Transaction
		if err := json.Unmarshal(data, &tx); err != nil {
			if tx != (fdx.Transaction{}) {
				t.Fatal("error and a transaction")
			}
			return
		}
		readsBack(t, tx)
		fdx.FilterTransaction(&tx, fdx.NewClusters(fdx.Transactions))
		readsBack(t, tx)
	})
}
