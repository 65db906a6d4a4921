package csv

import (
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// small is a valid mapping in which tests replace things.
const small = `{
  "institution": "Test bank",
  "currency": "CZK",
  "format": {"delimiter": ";", "date": "YYMMDD", "century": 1900, "decimal": ","},
  "files": {
    "clients": {"path": "clients.csv"},
    "accounts": {"path": "accounts.csv"},
    "moves": {"path": "moves.csv"}
  },
  "codes": {"direction": {"IN": "CREDIT", "OUT": "DEBIT"}, "kind": {"1": "Rent", "": "", "*": "Other"}},
  "customers": [{"from": "clients", "username": {"template": "c-{id}"}, "name": {"column": "name"}}],
  "accounts": [{
    "from": "accounts", "key": {"column": "id"}, "category": "DEPOSIT_ACCOUNT", "type": "CHECKING",
    "productName": "Current account", "balance": "0"
  }],
  "holders": [{
    "from": "accounts", "username": {"template": "c-{owner}"}, "account": {"column": "id"}, "relationship": "OWNER"
  }],
  "transactions": [{
    "from": "moves", "account": {"column": "account"}, "key": {"column": "id"}, "date": {"column": "day"},
    "amount": {"column": "amount"}, "direction": {"column": "type", "codes": "direction"},
    "description": {"first": [{"column": "kind", "codes": "kind"}, "Transfer"]}, "balance": {"column": "balance"}
  }]
}`

func TestMappingFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, old, new, want string }{
		{"an unknown key", `"currency"`, `"currencee": "x", "currency"`, "m.json:3: currencee: is not a key of the mapping; known here are accounts, codes, currency, customers, files, format, holders, institution, rebase, transactions"},
		{"an unknown key deep inside", `"type": "CHECKING"`, `"typ": "CHECKING"`, "m.json:13: accounts[0].typ: is not a key of the mapping; known here are available, balance, category, creditLine, from, join, key, loanTerm, nextPaymentAmount, nickname, number, originalPrincipal, originatingDate, productName, status, type, where"},
		{"an unknown key of a value", `{"column": "name"}`, `{"column": "name", "trim": true}`, "m.json:11: customers[0].name.trim: is not a key of the mapping; known here are codes, column, first, template"},
		{"a key in another case", `"currency"`, `"Currency"`, "m.json:3: Currency: is not a key of the mapping; known here are accounts, codes, currency, customers, files, format, holders, institution, rebase, transactions"},
		{"a key twice", `"currency": "CZK"`, `"currency": "CZK", "currency": "EUR"`, "m.json:3: currency: appears twice"},
		{"a missing part", `"key": {"column": "id"}, "category"`, `"category"`, "m.json:12: accounts[0]: needs key"},
		{"a missing top part", `"institution": "Test bank",`, ``, "m.json:1: needs institution"},
		{"a number for a string", `"Test bank"`, `7`, "m.json:2: institution: must be a string"},
		{"a string for a list", `[{"from": "clients"`, `"clients", "x": [{"from": "clients"`, "m.json:11: customers: must be a list"},
		{"null for an object", `{"delimiter": ";", "date": "YYMMDD", "century": 1900, "decimal": ","}`, `null`, "m.json:4: format: must be an object"},
		{"an empty institution", `"Test bank"`, `""`, "m.json:2: institution: must have 1 to 100 characters"},
		{"a currency that is none", `"CZK"`, `"crowns"`, "m.json:3: currency: is not an ISO 4217 code"},
		{"a delimiter of two characters", `";"`, `";;"`, "m.json:4: format.delimiter: must be one ASCII character"},
		{"a delimiter that ends lines", `";"`, `"\n"`, "m.json:4: format.delimiter: must be one ASCII character"},
		{"delimiter and quote the same", `";"`, `"\""`, "m.json:4: format: has the same character for delimiter and quote"},
		{"a decimal mark that is none", `"decimal": ","`, `"decimal": "'"`, "m.json:4: format.decimal: must be a point or a comma"},
		{"a date without a day", `"YYMMDD"`, `"YYMM"`, "m.json:4: format.date: needs YYYY or YY, MM and DD once each"},
		{"a date of two digits without a century", `, "century": 1900`, ``, "m.json:4: format.date: has YY, so the format needs a century"},
		{"a century that is no number", `1900`, `"1900"`, "m.json:4: format.century: must be a whole number from 0 to 9900"},
		{"a path that leaves the folder", `"clients.csv"`, `"../clients.csv"`, "m.json:6: files.clients.path: must be a path below the folder of the import"},
		{"an absolute path", `"clients.csv"`, `"/etc/passwd"`, "m.json:6: files.clients.path: must be a path below the folder of the import"},
		{"a file that is not there", `"from": "clients"`, `"from": "client"`, "m.json: customers[0].from: names a file that files does not have; known are accounts, clients, moves"},
		{"a code table that is not there", `"codes": "direction"`, `"codes": "directions"`, "m.json: transactions[0].direction.codes: names a table that codes does not have; known are direction, kind"},
		{"a category FDX lacks", `"DEPOSIT_ACCOUNT"`, `"PIGGY_BANK"`, "m.json: accounts[0].category: must be one of DEPOSIT_ACCOUNT, LOC_ACCOUNT, LOAN_ACCOUNT"},
		{"a category from a column", `"DEPOSIT_ACCOUNT"`, `{"column": "x"}`, "m.json: accounts[0].category: must be one of DEPOSIT_ACCOUNT, LOC_ACCOUNT, LOAN_ACCOUNT"},
		{"a template without an end", `"c-{id}"`, `"c-{id"`, "m.json:11: customers[0].username.template: has a { without a column and a }"},
		{"a value of two forms", `{"template": "c-{id}"}`, `{"template": "c-{id}", "column": "x"}`, "m.json:11: customers[0].username: must be a string or have exactly one of column, template, first"},
		{"codes without a column", `{"template": "c-{id}"}`, `{"template": "c-{id}", "codes": "kind"}`, "m.json:11: customers[0].username.codes: goes with column only"},
		{"a condition of no kind", `"from": "clients"`, `"from": "clients", "where": [{"column": "id"}]`, "m.json:11: customers[0].where[0]: needs exactly one of in, present, notFuture"},
		{"a condition that says nothing", `"from": "clients"`, `"from": "clients", "where": [{"column": "id", "in": []}]`, "m.json:11: customers[0].where[0].in: must list at least one value"},
		{"a condition that is false", `"from": "clients"`, `"from": "clients", "where": [{"column": "id", "present": false}]`, "m.json:11: customers[0].where[0].present: can only be true"},
		{"text after the end", "\n}", "\n} {}", "m.json:24: there is more after the mapping"},
		{"no JSON", `"codes": {`, `"codes": {,`, "m.json:10: codes: is not JSON: invalid character ','"},
		{"a mapping cut off", "\n  }]\n}", "", "m.json:22: transactions[0]: is not JSON: it ends too early"},
		{"nothing", small, "", "m.json:1: is not JSON: it ends too early"},
		{"deep nesting", small, strings.Repeat("[", 100), "m.json:1: [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: is nested too deeply"},
		{"a huge mapping", small, strings.Repeat(" ", MaxMappingSize+1), "m.json: is larger than 1 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(small, tt.old) {
				t.Fatal("nothing to replace")
			}
			_, err := ParseMapping("m.json", []byte(strings.Replace(small, tt.old, tt.new, 1)))
			var faults ledger.Faults
			if !errors.As(err, &faults) || faults[0].Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func FuzzParseMapping(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(`{"institution": 1, "institution": [{}], "files": {"a": {"columns": [null]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseMapping("m.json", data)
		if err != nil {
			var faults ledger.Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("not a list of faults: %v", err)
			}
			return
		}
		if m.institution == "" || m.currency == "" || m.format.delimiter == 0 {
			t.Fatal("an incomplete mapping was taken")
		}
	})
}
