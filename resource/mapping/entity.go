package mapping

import (
	"reflect"

	"github.com/headgate/headgate/fdx"
)

// Entity names a kind of record, as the mapping file does.
type Entity string

// The entities of the language.
const (
	Account              Entity = "account"
	Transaction          Entity = "transaction"
	Statement            Entity = "statement"
	Customer             Entity = "customer"
	Holder               Entity = "holder"
	Contact              Entity = "contact"
	PaymentNetwork       Entity = "paymentNetwork"
	AssetTransferNetwork Entity = "assetTransferNetwork"
)

// entityType says what an entity has to have.
type entityType struct {
	entity Entity
	form   func(*fileForm) *entityForm
	// typ holds the members; for an account or a transaction those of every
	// category, and union is the type that holds one pointer per category.
	typ, union reflect.Type
	// required targets have a rule that always gives a value; mapped ones
	// have a rule.
	required, mapped []string
	// offered: a bank may lack the entity.
	offered bool
}

var entityTypes = []entityType{
	{
		entity: Account, form: func(f *fileForm) *entityForm { return f.Account },
		typ: reflect.TypeFor[fdx.AccountDescriptor](), union: reflect.TypeFor[fdx.Account](),
		required: []string{"accountId", categoryTarget, "status"},
	},
	{
		entity: Transaction, form: func(f *fileForm) *entityForm { return f.Transaction },
		typ: reflect.TypeFor[fdx.TransactionBase](), union: reflect.TypeFor[fdx.Transaction](),
		required: []string{"transactionId", "transactionTimestamp", "description", "debitCreditMemo", "status", "amount"},
		mapped:   []string{"postedTimestamp"},
	},
	{
		entity: Statement, form: func(f *fileForm) *entityForm { return f.Statement }, offered: true,
		typ: reflect.TypeFor[fdx.Statement](), required: []string{"statementId", "statementDate"},
	},
	{
		entity: Customer, form: func(f *fileForm) *entityForm { return f.Customer }, offered: true,
		typ: reflect.TypeFor[fdx.Customer](), required: []string{"customerId"},
	},
	{
		entity: Holder, form: func(f *fileForm) *entityForm { return f.Holder }, offered: true,
		typ: reflect.TypeFor[fdx.CustomerAccount](), required: []string{"relationship"},
	},
	{
		entity: Contact, form: func(f *fileForm) *entityForm { return f.Contact }, offered: true,
		typ: reflect.TypeFor[fdx.AccountContact](),
	},
	{
		entity: PaymentNetwork, form: func(f *fileForm) *entityForm { return f.PaymentNetwork }, offered: true,
		typ: reflect.TypeFor[fdx.PaymentNetwork](), required: []string{"bankId", "identifier", "type", "transferIn", "transferOut"},
	},
	{
		entity: AssetTransferNetwork, form: func(f *fileForm) *entityForm { return f.AssetTransferNetwork }, offered: true,
		typ: reflect.TypeFor[fdx.AssetTransferNetwork](), required: []string{"identifier", "institutionId", "type"},
	},
}

// categoryTarget is the discriminator, which is no member of a Go struct.
const categoryTarget = "accountCategory"

// discriminator holds what the rule of accountCategory gives.
type discriminator struct {
	Category fdx.AccountCategory `json:"accountCategory"`
}

// categoryFields are the pointers of fdx.Account and fdx.Transaction, which
// have the same names.
var categoryFields = map[fdx.AccountCategory]string{
	fdx.DepositCategory:        "Deposit",
	fdx.LineOfCreditCategory:   "LineOfCredit",
	fdx.LoanCategory:           "Loan",
	fdx.InvestmentCategory:     "Investment",
	fdx.AnnuityCategory:        "Annuity",
	fdx.InsuranceCategory:      "Insurance",
	fdx.CommercialCategory:     "Commercial",
	fdx.DigitalWalletCategory:  "DigitalWallet",
	fdx.BuyNowPayLaterCategory: "BuyNowPayLater",
}

// categoryType returns the struct of a category inside a union, nil for a
// category that FDX lacks.
func categoryType(union reflect.Type, c fdx.AccountCategory) reflect.Type {
	f, ok := union.FieldByName(categoryFields[c])
	if !ok {
		return nil
	}
	return f.Type.Elem()
}
