package cases

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/headgate/headgate/conformance/suite"
)

func TestCasesAreWellFormed(t *testing.T) {
	t.Parallel()
	if err := suite.Check(All()); err != nil {
		t.Error(err)
	}
}

// What the table says is what a shape lets pass, and nothing beside it.
func TestShape(t *testing.T) {
	t.Parallel()
	const good = `"accountCategory":"DEPOSIT_ACCOUNT","accountId":"a","currency":{"currencyCode":"USD"}`
	for name, one := range map[string]struct {
		held  []string
		body  string
		fault string // its path, "" for none
	}{
		"what balances let through":              {[]string{"BALANCES"}, `{` + good + `,"currentBalance":1.5,"availableBalance":1}`, ""},
		"a field of another cluster":             {[]string{"BALANCES"}, `{` + good + `,"currentBalance":1,"availableBalance":1,"nickname":"x"}`, "DepositAccount.nickname"},
		"a field that FDX does not have":         {[]string{"BALANCES"}, `{` + good + `,"currentBalance":1,"availableBalance":1,"colour":"x"}`, "DepositAccount.colour"},
		"a field that is missing":                {[]string{"BALANCES"}, `{` + good + `,"currentBalance":1}`, "DepositAccount.availableBalance"},
		"null":                                   {[]string{"BALANCES"}, `{` + good + `,"currentBalance":null,"availableBalance":1}`, "DepositAccount.currentBalance"},
		"a number as text":                       {[]string{"BALANCES"}, `{` + good + `,"currentBalance":"1","availableBalance":1}`, "DepositAccount.currentBalance"},
		"a field below a field":                  {[]string{"BALANCES"}, `{"accountCategory":"DEPOSIT_ACCOUNT","accountId":"a","currency":{"currencyCode":"USD","symbol":"x"},"currentBalance":1,"availableBalance":1}`, "DepositAccount.currency.symbol"},
		"a value that is not in the list":        {[]string{"ACCOUNT_BASIC"}, `{` + good + `,"accountType":"PIGGYBANK","productName":"x","status":"OPEN"}`, "DepositAccount.accountType"},
		"a kind of account that there is not":    {[]string{"ACCOUNT_BASIC"}, `{"accountCategory":"SHOEBOX"}`, "Account.accountCategory"},
		"the smaller cluster comes with the big": {[]string{"ACCOUNT_DETAILED"}, `{` + good + `,"currentBalance":1,"availableBalance":1,"accountType":"CHECKING","productName":"x","status":"OPEN"}`, ""},
		"something that is no object":            {[]string{"BALANCES"}, `[]`, "Account."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var v any
			if err := json.Unmarshal([]byte(one.body), &v); err != nil {
				t.Fatal(err)
			}
			s := newShape(one.held...)
			s.fit("Account", v)
			if _, found := s.faults[one.fault]; one.fault != "" && !found || len(s.faults) != map[bool]int{true: 1}[one.fault != ""] {
				t.Errorf("faults are %v; want one at %q", s.faults, one.fault)
			}
		})
	}
}

// A table that lost a line would let anything pass that was there.
func TestEveryEntityIsInTheTable(t *testing.T) {
	t.Parallel()
	for _, o := range operations {
		names := []string{o.entity}
		if o.entity == "Account" || o.entity == "Transaction" {
			names = nil
			for _, prefix := range byCategory {
				names = append(names, prefix+o.entity)
			}
		}
		for _, name := range names {
			if o.media == nil && len(entities()[name]) < 5 {
				t.Errorf("%s has %d fields", name, len(entities()[name]))
			}
		}
		if !slices.Contains(every, o.opens[0]) {
			t.Errorf("nothing opens %s", o.id)
		}
	}
}
