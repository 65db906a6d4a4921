package ofx

// grammar lists the aggregates this import reads and what it reads of each:
// "!" marks what an aggregate cannot do without, "*" what it may hold many
// times. Everything else in a file, banks' own extensions included, is skipped
// together with what it holds, so that a fault in a part nobody reads never
// keeps a statement out.
//
// FITID and LEDGERBAL are not required though the specification says so:
// banks leave them out, a transaction can be told apart by its content, and a
// missing balance is better than a refused statement.
var grammar = map[string]string{
	"OFX":            "SIGNONMSGSRSV1 BANKMSGSRSV1* CREDITCARDMSGSRSV1* INVSTMTMSGSRSV1* SECLISTMSGSRSV1*",
	"SIGNONMSGSRSV1": "SONRS",
	"SONRS":          "STATUS FI",
	"STATUS":         "CODE! SEVERITY",
	"FI":             "ORG FID",

	"BANKMSGSRSV1":       "STMTTRNRS*",
	"STMTTRNRS":          "STATUS! STMTRS",
	"STMTRS":             "CURDEF BANKACCTFROM! BANKTRANLIST BANKTRANLISTP LEDGERBAL AVAILBAL",
	"BANKACCTFROM":       "BANKID! BRANCHID ACCTID! ACCTTYPE",
	"CREDITCARDMSGSRSV1": "CCSTMTTRNRS*",
	"CCSTMTTRNRS":        "STATUS! CCSTMTRS",
	"CCSTMTRS":           "CURDEF CCACCTFROM! BANKTRANLIST LEDGERBAL AVAILBAL",
	"CCACCTFROM":         "ACCTID!",
	"BANKTRANLIST":       "STMTTRN*",
	"STMTTRN":            "TRNTYPE! DTPOSTED! DTUSER TRNAMT! FITID CORRECTFITID CHECKNUM NAME PAYEE MEMO CURRENCY",
	"BANKTRANLISTP":      "STMTTRNP*",
	"STMTTRNP":           "TRNTYPE! DTTRAN! TRNAMT! NAME MEMO CURRENCY",
	"PAYEE":              "NAME",
	"CURRENCY":           "CURRATE! CURSYM!",
	"LEDGERBAL":          "BALAMT! DTASOF!",
	"AVAILBAL":           "BALAMT! DTASOF!",

	"INVSTMTMSGSRSV1": "INVSTMTTRNRS*",
	"INVSTMTTRNRS":    "STATUS! INVSTMTRS",
	"INVSTMTRS":       "DTASOF! CURDEF! INVACCTFROM! INVTRANLIST INVPOSLIST INVBAL INV401KBAL",
	"INVACCTFROM":     "BROKERID! ACCTID!",
	"INVTRANLIST": "INVBANKTRAN* BUYDEBT* BUYMF* BUYOPT* BUYOTHER* BUYSTOCK* SELLDEBT* SELLMF* SELLOPT* SELLOTHER* SELLSTOCK* " +
		"CLOSUREOPT* INCOME* INVEXPENSE* JRNLFUND* JRNLSEC* MARGININTEREST* REINVEST* RETOFCAP* SPLIT* TRANSFER*",
	"INVBANKTRAN": "STMTTRN!",
	"INVTRAN":     "FITID DTTRADE! DTSETTLE MEMO",
	"INVBUY":      "INVTRAN! SECID! UNITS! UNITPRICE! COMMISSION FEES TAXES LOAD TOTAL! CURRENCY",
	"INVSELL":     "INVTRAN! SECID! UNITS! UNITPRICE! COMMISSION FEES TAXES LOAD TOTAL! CURRENCY",
	"BUYDEBT":     "INVBUY!", "BUYMF": "INVBUY!", "BUYOPT": "INVBUY!", "BUYOTHER": "INVBUY!", "BUYSTOCK": "INVBUY!",
	"SELLDEBT": "INVSELL!", "SELLMF": "INVSELL!", "SELLOPT": "INVSELL!", "SELLOTHER": "INVSELL!", "SELLSTOCK": "INVSELL!",
	"CLOSUREOPT":     "INVTRAN! SECID! UNITS!",
	"INCOME":         "INVTRAN! SECID! INCOMETYPE! TOTAL! CURRENCY",
	"INVEXPENSE":     "INVTRAN! SECID! TOTAL! CURRENCY",
	"JRNLFUND":       "INVTRAN! TOTAL!",
	"JRNLSEC":        "INVTRAN! SECID! UNITS!",
	"MARGININTEREST": "INVTRAN! TOTAL! CURRENCY",
	"REINVEST":       "INVTRAN! SECID! INCOMETYPE! TOTAL! UNITS! UNITPRICE! COMMISSION FEES TAXES LOAD CURRENCY",
	"RETOFCAP":       "INVTRAN! SECID! TOTAL! CURRENCY",
	"SPLIT":          "INVTRAN! SECID! FRACCASH",
	"TRANSFER":       "INVTRAN! SECID! UNITS! TFERACTION! UNITPRICE",
	"SECID":          "UNIQUEID! UNIQUEIDTYPE!",
	"INVPOSLIST":     "POSDEBT* POSMF* POSOPT* POSOTHER* POSSTOCK*",
	"POSDEBT":        "INVPOS!", "POSMF": "INVPOS!", "POSOPT": "INVPOS!", "POSOTHER": "INVPOS!", "POSSTOCK": "INVPOS!",
	"INVPOS":     "SECID! UNITS! UNITPRICE! MKTVAL! DTPRICEASOF!",
	"INVBAL":     "AVAILCASH!",
	"INV401KBAL": "TOTAL!",

	"SECLISTMSGSRSV1": "SECLIST*",
	"SECLIST":         "DEBTINFO* MFINFO* OPTINFO* OTHERINFO* STOCKINFO*",
	"DEBTINFO":        "SECINFO!", "MFINFO": "SECINFO!", "OPTINFO": "SECINFO!", "OTHERINFO": "SECINFO!", "STOCKINFO": "SECINFO!",
	"SECINFO": "SECID! SECNAME! TICKER",
}

// records are the aggregates that carry what an import is for. One that stands
// where grammar does not expect it is a fault: skipping it would lose data
// without a word.
const records = " STMTTRNRS CCSTMTTRNRS INVSTMTTRNRS STMTTRN STMTTRNP INVTRAN INVPOS "

// kind says what a leaf may hold.
type kind uint8

const (
	text     kind = iota + 1 // free text
	integer                  // digits
	amount                   // a decimal number
	date                     // an OFX date or date-time
	currency                 // an ISO 4217 code
	code                     // one of a fixed set of words
)

// leaves are the elements without children that grammar names.
var leaves = map[string]kind{
	"ORG": text, "FID": text, "CODE": integer, "SEVERITY": text,
	"CURDEF": currency, "BANKID": text, "BRANCHID": text, "BROKERID": text, "ACCTID": text, "ACCTTYPE": code,
	"TRNTYPE": code, "DTPOSTED": date, "DTUSER": date, "DTTRAN": date, "TRNAMT": amount,
	"FITID": text, "CORRECTFITID": text, "CHECKNUM": text, "NAME": text, "MEMO": text,
	"CURRATE": amount, "CURSYM": currency, "BALAMT": amount, "DTASOF": date,
	"DTTRADE": date, "DTSETTLE": date, "UNIQUEID": text, "UNIQUEIDTYPE": text,
	"UNITS": amount, "UNITPRICE": amount, "COMMISSION": amount, "FEES": amount, "TAXES": amount, "LOAD": amount,
	"TOTAL": amount, "FRACCASH": amount, "INCOMETYPE": code, "TFERACTION": code,
	"MKTVAL": amount, "DTPRICEASOF": date, "AVAILCASH": amount, "SECNAME": text, "TICKER": text,
}

// words lists what a code may be. A TRNTYPE outside its list is read as OTHER:
// it only adds colour to a transaction.
var words = map[string][]string{
	"ACCTTYPE": {"CHECKING", "SAVINGS", "MONEYMRKT", "CREDITLINE", "CD"},
	"TRNTYPE": {"CREDIT", "DEBIT", "INT", "DIV", "FEE", "SRVCHG", "DEP", "ATM", "POS", "XFER", "CHECK", "PAYMENT",
		"CASH", "DIRECTDEP", "DIRECTDEBIT", "REPEATPMT", "HOLD", "OTHER"},
	"INCOMETYPE": {"CGLONG", "CGSHORT", "DIV", "INTEREST", "MISC"},
	"TFERACTION": {"IN", "OUT"},
}
