package sqlviews

import (
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/resource/mapping"
)

// Section is the key of the mapping file that this provider reads; pass it to
// mapping.Parse.
const Section = "views"

// viewsForm is the section: the view of each entity, and the columns that the
// provider itself needs. The columns that identify a row are those from which
// accountId, transactionId, statementId and customerId are mapped.
type viewsForm struct {
	Line                 int
	Holder               *viewForm `yaml:"holder"`
	Account              *viewForm `yaml:"account"`
	Transaction          *viewForm `yaml:"transaction"`
	Statement            *viewForm `yaml:"statement"`
	Customer             *viewForm `yaml:"customer"`
	PaymentNetwork       *viewForm `yaml:"paymentNetwork"`
	AssetTransferNetwork *viewForm `yaml:"assetTransferNetwork"`
}

type viewForm struct {
	Line     int
	View     string `yaml:"view"`
	Consumer string `yaml:"consumer"`
	Account  string `yaml:"account"`
	Posted   string `yaml:"posted"`
	Occurred string `yaml:"occurred"`
	Date     string `yaml:"date"`
	Document string `yaml:"document"`
}

// views is the checked section.
type views struct {
	holder, account, transaction view
	// These have no name when the bank does not have them.
	statement, customer, paymentNetwork, assetTransferNetwork view
}

// view is a view with its columns. All names are in the form that identifier
// allows.
type view struct {
	name string
	key  string // the column that identifies a row, where one does
	// The columns of viewForm.
	consumer, account, posted, occurred, date, document string
	columns                                             []string // that the mapping reads, sorted
}

func (v view) exists() bool { return v.name != "" }

// identifier is the form of names: what PostgreSQL makes of a name without
// quotes. A view can give any column such a name.
var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// quoted returns a name, or one with its schema, as it stands in SQL.
func quoted(name string) string { return pgx.Identifier(strings.Split(name, ".")).Sanitize() }

// readViews checks the section against the mapping. An error is of type
// mapping.Faults.
func readViews(m *mapping.Mapping) (views, error) {
	var form viewsForm
	given, err := m.Section(Section, &form)
	if err != nil {
		return views{}, err
	}
	if !given {
		return views{}, mapping.Faults{{Where: Section, Text: "is missing: it names the view of each entity"}}
	}
	r := viewReader{m: m, line: form.Line}
	out := views{
		holder:               r.read(mapping.Holder, form.Holder, "", "consumer", "account"),
		account:              r.read(mapping.Account, form.Account, "accountId"),
		transaction:          r.read(mapping.Transaction, form.Transaction, "transactionId", "account", "posted"),
		statement:            r.read(mapping.Statement, form.Statement, "statementId", "account", "date"),
		customer:             r.read(mapping.Customer, form.Customer, "customerId"),
		paymentNetwork:       r.read(mapping.PaymentNetwork, form.PaymentNetwork, "", "account"),
		assetTransferNetwork: r.read(mapping.AssetTransferNetwork, form.AssetTransferNetwork, "", "account"),
	}
	if m.Has(mapping.Contact) {
		r.fault(0, "contact", "is made from customer and holder here: remove it")
	}
	if m.Has(mapping.Customer) && !m.Has(mapping.Holder) {
		r.fault(0, "holder", "is missing: the parts of customers in accounts need a relationship")
	}
	if len(r.faults) > 0 {
		return views{}, r.faults
	}
	return out, nil
}

type viewReader struct {
	m      *mapping.Mapping
	line   int
	faults mapping.Faults
}

func (r *viewReader) fault(line int, where, text string) {
	r.faults = append(r.faults, mapping.Fault{Line: line, Where: where, Text: text})
}

// read checks one view. id is the target that identifies a row, and needed
// are the columns that have to be named; others may be given where they have
// a meaning.
func (r *viewReader) read(e mapping.Entity, f *viewForm, id string, needed ...string) view {
	where := Section + "." + string(e)
	required := e == mapping.Holder || e == mapping.Account || e == mapping.Transaction
	switch {
	case f == nil && (required || r.m.Has(e)):
		r.fault(r.line, where, "is missing: say which view holds these records")
		return view{}
	case f == nil:
		return view{}
	case e != mapping.Holder && !r.m.Has(e):
		r.fault(f.Line, where, "the file has no rules for "+string(e)+": add them or remove the view")
	}
	v := view{
		name: f.View, consumer: f.Consumer, account: f.Account, posted: f.Posted, occurred: f.Occurred, date: f.Date, document: f.Document,
		columns: r.m.Paths(e),
	}
	if schema, name, qualified := strings.Cut(f.View, "."); !identifier.MatchString(schema) || qualified && !identifier.MatchString(name) {
		r.fault(f.Line, where+".view", "has to be the name of a view in small letters, digits and _, perhaps with its schema: bank.accounts")
	}
	allowed := slices.Clone(needed)
	switch e {
	case mapping.Transaction:
		allowed = append(allowed, "occurred")
	case mapping.Statement:
		allowed = append(allowed, "document")
	}
	for _, role := range []struct{ name, column string }{
		{"consumer", v.consumer}, {"account", v.account}, {"posted", v.posted}, {"occurred", v.occurred}, {"date", v.date}, {"document", v.document},
	} {
		switch here := where + "." + role.name; {
		case role.column == "" && slices.Contains(needed, role.name):
			r.fault(f.Line, here, "is missing: name the column")
		case role.column == "":
		case !slices.Contains(allowed, role.name):
			r.fault(f.Line, here, "has no meaning for this view: remove it")
		case !identifier.MatchString(role.column):
			r.fault(f.Line, here, notColumn)
		}
	}
	for _, column := range v.columns {
		if !identifier.MatchString(column) {
			r.fault(f.Line, string(e), "a rule reads "+printable(column)+", which is no column: "+notColumn)
		}
	}
	if id != "" {
		v.key = r.m.Path(e, id)
	}
	return v
}

const notColumn = "a column is named in small letters, digits and _, at most 63; let the view give it such a name"

// printable returns a name of the file in plain letters, for a message.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
}
