package cases

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/conformance/suite"
)

var enforced = []suite.Claim{suite.FDX, suite.FDXConsent, suite.RAR, suite.Personas}

// enforcement: what a grant lets through: account, cluster, field, date, state.
func enforcement() []suite.Case {
	return slices.Concat(enforcedClusters(), enforcedFields(), enforcedAccounts(), enforcedDates(), enforcedStates())
}

// InsufficientScope is the no to a token that lacks the scope of an operation
// (RFC 6750 section 3.1), in the form of FDX.
var insufficientScope = suite.Answer{Status: http.StatusForbidden, FDX: "403", Challenge: "insufficient_scope"}

// enforcedClusters: every operation under each cluster alone.
func enforcedClusters() []suite.Case {
	var cases []suite.Case
	for _, o := range operations {
		cases = append(cases, suite.Case{
			ID: "enforcement.cluster." + o.slug(), Title: "of consents about one cluster each, those about " + strings.Join(o.opens, " or ") + " open " + o.id + " and no other does", Spec: "FDX API 6, data clusters and scopes; RFC 6750, 3.1",
			Needs: enforced,
			Mend:  "Ask for the cluster of the operation in the scope of the token and in the entry of the account before anything is fetched; 403, code 403 and insufficient_scope otherwise.",
			Run: func(t *suite.T) {
				path := o.place(t)
				for _, cluster := range every {
					// A token that does not open the operation is refused before
					// anybody looks for what the path names.
					persona, want := "borrower", insufficientScope
					if slices.Contains(o.opens, cluster) {
						persona, want = o.persona, suite.OK
					}
					g := alone(t, persona, cluster)
					if resp := t.Send(o.ask(t, g, path)); !t.Expect(resp, want) {
						t.Errorf("that was with %s alone", cluster)
					} else if want.Status != http.StatusOK && resp.Challenge("scope") == "" {
						t.Errorf("the challenge names no scope that would do (RFC 6750, 3)")
					}
				}
			},
		})
	}
	return cases
}

// enforcedFields: the fields of each cluster alone, on one account of every
// kind.
func enforcedFields() []suite.Case {
	var cases []suite.Case
	add := func(id string, o operation, cluster, persona string, shows, hides []string) {
		cases = append(cases, suite.Case{
			ID: "enforcement.fields." + id, Title: "with " + cluster + " alone " + o.id + " shows the fields of " + cluster + " and none beside them", Spec: "FDX API 6, data clusters", Needs: enforced,
			Mend: "Clear every field that no granted cluster of the account lets through, on every kind of account; a field that is new is hidden until a cluster is said for it.",
			Run: func(t *suite.T) {
				held := strings.Split(cluster, " and ")
				g := alone(t, persona, held...)
				whole := full(t, persona)
				s := newShape(slices.DeleteFunc(newShape(held...).held, func(c string) bool { return !slices.Contains(o.carries, c) })...)
				all := newShape(o.carries...)
				paths := []string{o.path}
				if o.onAccount() {
					paths = nil
					for _, id := range accountIDs(t, whole) {
						paths = append(paths, strings.ReplaceAll(o.path, "{account}", id))
					}
				}
				for _, path := range paths {
					if o.query != "" {
						path += "?" + strings.ReplaceAll(o.query, "{quarter}", window(-90, 0))
					}
					for _, item := range o.items(read(t, g, path)) {
						s.fit(o.entity, item)
					}
					for _, item := range o.items(read(t, whole, path)) {
						all.fit(o.entity, item)
					}
				}
				s.report(t)
				for _, field := range shows {
					t.Check(s.saw(field), "%s is nowhere in the answers, and the grant lets it through", field)
				}
				for _, field := range hides {
					t.Check(!s.saw(field), "%s is in an answer", field)
					t.Check(all.saw(field), "%s is nowhere even under a consent about everything: hiding it proves nothing", field)
				}
			},
		})
	}
	for _, row := range []struct {
		cluster      string
		shows, hides []string
	}{
		{"ACCOUNT_DETAILED", []string{"*.accountNumberDisplay", "*.interestRate", "DepositAccount.currentBalance"}, []string{"InvestmentAccount.holdings", "*.bills"}},
		{"BALANCES", []string{"DepositAccount.currentBalance", "DepositAccount.availableBalance", "LoanAccount.principalBalance"}, []string{"DepositAccount.accountNumberDisplay", "*.interestRate", "InvestmentAccount.holdings"}},
		{"BILLS", []string{"*.bills"}, []string{"LoanAccount.accountNumberDisplay", "LoanAccount.principalBalance"}},
		{"INVESTMENTS", []string{"InvestmentAccount.holdings"}, []string{"InvestmentAccount.currentValue", "InvestmentAccount.productName"}},
		{"SCHEDULED_PAYMENTS", []string{"*.scheduledPayments"}, []string{"DepositAccount.currentBalance", "*.bills"}},
		{"BALANCES and BILLS", []string{"LoanAccount.principalBalance", "*.bills"}, []string{"LoanAccount.interestRate", "LoanAccount.productName"}},
	} {
		slug := strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(row.cluster, " and ", "-with-"), "_", "-"))
		add("account."+slug, op("getAccount"), row.cluster, "variety", row.shows, row.hides)
	}
	for _, row := range []struct {
		id, cluster  string
		shows, hides []string
	}{
		{"accounts.basic", "ACCOUNT_BASIC", []string{"DepositAccount.accountNumberDisplay", "LoanAccount.productName"}, []string{"DepositAccount.currentBalance", "*.interestRate"}},
		{"accounts.basic-with-balances", "ACCOUNT_BASIC and BALANCES", []string{"DepositAccount.currentBalance"}, []string{"*.interestRate", "InvestmentAccount.holdings"}},
		{"accounts.basic-with-investments", "ACCOUNT_BASIC and INVESTMENTS", []string{"InvestmentAccount.holdings"}, []string{"InvestmentAccount.currentValue", "DepositAccount.currentBalance"}},
	} {
		add(row.id, op("searchForAccounts"), row.cluster, "variety", row.shows, row.hides)
	}
	tx := op("searchForAccountTransactions")
	add("transactions.alone", tx, "TRANSACTIONS", "borrower", []string{"DepositTransaction.amount"}, []string{"DepositTransaction.imageIds", "DepositTransaction.links"})
	add("transactions.with-images", tx, "TRANSACTIONS and IMAGES", "borrower", []string{"DepositTransaction.imageIds"}, nil)
	add("transactions.without-securities", tx, "TRANSACTIONS", "investor", []string{"InvestmentTransaction.amount"}, []string{"InvestmentTransaction.securityId"})
	add("transactions.with-securities", tx, "TRANSACTIONS and INVESTMENTS", "investor", []string{"InvestmentTransaction.securityId"}, nil)
	add("reward-program.without-customer", op("searchRewardPrograms"), "REWARDS", "saver", []string{"RewardProgram.memberships[].accountIds"}, []string{"RewardProgram.memberships[].customerId"})
	add("customers.contact", op("getCustomers"), "CUSTOMER_CONTACT", "borrower", []string{"Customer.name", "Customer.accounts"}, nil)
	add("customers.personal", op("getCustomers"), "CUSTOMER_PERSONAL", "borrower", []string{"Customer.dateOfBirth", "Customer.taxId", "Customer.name"}, nil)
	add("contact.contact", op("getAccountContact"), "CUSTOMER_CONTACT", "borrower", []string{"AccountContact.holders", "AccountContact.emails"}, nil)
	cases = append(cases, suite.Case{
		ID: "enforcement.fields.accounts.lightweight", Title: "without resultType=details the list holds descriptors alone, whatever the grant holds", Spec: "FDX API 6, searchForAccounts, resultType", Needs: enforced,
		Mend: "Take lightweight as the default of resultType, and let through what ACCOUNT_BASIC lets through.",
		Run: func(t *suite.T) {
			g := full(t, "variety")
			for _, path := range []string{"/accounts", "/accounts?resultType=lightweight"} {
				s := newShape("ACCOUNT_BASIC")
				for _, a := range read(t, g, path).List("accounts") {
					s.fit("Account", a)
				}
				s.report(t)
			}
			t.Expect(t.Send(t.Read(g, "/accounts?resultType=all")), suite.FDXRefused(400, "401"))
		},
	}, suite.Case{
		ID: "enforcement.fields.contact.joint-holder", Title: "of a joint holder who has not consented nothing but contact data leaves", Spec: "FDX API 6, customers; GDPR, 5 (1) c", Needs: enforced,
		Mend: "Let go of another holder what CUSTOMER_CONTACT lets through, and no account that is not in the grant.",
		Run: func(t *suite.T) {
			g := full(t, "joint")
			ids := accountIDs(t, g)
			resp := read(t, g, "/customers")
			s := op("getCustomers").fits(t, resp, everything...)
			s.report(t)
			t.Check(len(resp.List("customers")) == 2, "%d customers; expected the one who consented and the other holder of the shared account", len(resp.List("customers")))
			for i := range resp.List("customers") {
				for _, a := range resp.List(strings.ReplaceAll("customers.N.accounts", "N", string(rune('0'+i)))) {
					id, _ := suite.Dig(a, "accountId").(string)
					t.Check(slices.Contains(ids, id), "an account that is not in the grant is named as part of a customer")
				}
			}
		},
	})
	return cases
}

// enforcedAccounts: an account outside the grant is nowhere.
func enforcedAccounts() []suite.Case {
	var cases []suite.Case
	for _, o := range operations {
		if !o.onAccount() {
			continue
		}
		cases = append(cases, suite.Case{
			ID: "enforcement.account." + o.slug(), Title: o.id + " of the same person's account that was not chosen, of somebody else's and of none is one and the same 404", Spec: "FDX API 6, error 701", Needs: enforced,
			Mend: "Look the account up in the grant, never in the bank, and answer 404 with code 701 for whatever is not there, in the same bytes.",
			Run: func(t *suite.T) {
				path := o.place(t)
				own := accountIDs(t, full(t, o.persona))[o.account]
				other := "saver"
				if o.persona == other {
					other = "borrower"
				}
				foreign := accountIDs(t, full(t, other))[0]
				// Everything is granted, but another account of the same
				// person: only the account can be what is refused.
				chosen := []int{0, 1}
				chosen = slices.DeleteFunc(chosen, func(i int) bool { return i == o.account })[:1]
				some, whole := o.whole(t, chosen...), o.whole(t)
				t.Expect(t.Send(o.ask(t, whole, path)), suite.OK)
				var first *suite.Response
				for what, id := range map[string]string{"not chosen": own, "somebody else's": foreign, "unknown": unknownAccount} {
					g := some
					if id == foreign {
						g = whole
					}
					resp := t.Send(o.ask(t, g, strings.Replace(path, own, id, 1)))
					if !t.Expect(resp, suite.FDXRefused(404, "701")) {
						t.Errorf("that was an account that is %s", what)
					}
					if first == nil {
						first = resp
					}
					t.Check(bytes.Equal(first.Body, resp.Body), "the answers differ: one can tell what exists")
				}
			},
		})
	}
	return append(cases, suite.Case{
		ID: "enforcement.account.list", Title: "the list names the accounts that were chosen and no other", Spec: "FDX API 6, searchForAccounts", Needs: enforced,
		Mend: "Ask the bank for the accounts of the grant, and let go no other that it answers with.",
		Run: func(t *suite.T) {
			all := accountIDs(t, full(t, "borrower"))
			g := t.Shared(t.Named("homewards"), suite.Ask{Clusters: everything, Lookback: 730, Persona: "borrower", Accounts: []int{1}})
			got := accountIDs(t, g)
			t.Check(len(got) == 1 && len(all) > 1 && slices.Contains(all, got[0]), "%d accounts; expected the one that was chosen", len(got))
		},
	}, suite.Case{
		ID: "enforcement.account.account-ids", Title: "accountIds narrows the list and never widens it", Spec: "FDX API 6, searchForAccounts, accountIds", Needs: enforced,
		Mend: "Intersect accountIds with the grant; when nothing is left, 404 with code 1107.",
		Run: func(t *suite.T) {
			all := accountIDs(t, full(t, "borrower"))
			foreign := accountIDs(t, full(t, "saver"))[0]
			g := t.Shared(t.Named("homewards"), suite.Ask{Clusters: everything, Lookback: 730, Persona: "borrower", Accounts: []int{1}})
			mine := accountIDs(t, g)[0]
			resp := t.Send(t.Read(g, "/accounts?accountIds="+strings.Join(append(all, foreign), ",")))
			t.Expect(resp, suite.Answer{Status: 200, JSON: map[string]any{"accounts.0.accountId": mine}, Absent: []string{"accounts.1"}})
			other := all[slices.IndexFunc(all, func(id string) bool { return id != mine })]
			t.Expect(t.Send(t.Read(g, "/accounts?accountIds="+other)), suite.FDXRefused(404, "1107"))
			t.Expect(t.Send(t.Read(g, "/accounts?accountIds="+foreign)), suite.FDXRefused(404, "1107"))
		},
	}, suite.Case{
		ID: "enforcement.account.contact-of-customer", Title: "a cluster of the CUSTOMER entry opens the contact of a granted account and nothing of another", Spec: "FDX API 6, getAccountContact; consent, resources", Needs: enforced,
		Mend: "Count the CUSTOMER entry for accounts that are in the grant, and for operations about people alone.",
		Run: func(t *suite.T) {
			details := suite.Details(t.Named("homewards"), suite.Ask{})
			request := details[0].(map[string]any)["consentRequest"].(map[string]any)
			request["resources"] = []any{
				map[string]any{"resourceType": "ACCOUNT", "dataClusters": []string{"ACCOUNT_BASIC"}},
				map[string]any{"resourceType": "CUSTOMER", "dataClusters": []string{"CUSTOMER_CONTACT", "TRANSACTIONS"}},
			}
			g := t.Shared(t.Named("homewards"), suite.Ask{Details: details, Persona: "borrower", Accounts: []int{0}})
			all := accountIDs(t, full(t, "borrower"))
			mine := accountIDs(t, g)[0]
			other := all[slices.IndexFunc(all, func(id string) bool { return id != mine })]
			t.Expect(t.Send(t.Read(g, "/accounts/"+mine+"/contact")), suite.OK)
			t.Expect(t.Send(t.Read(g, "/accounts/"+other+"/contact")), suite.FDXRefused(404, "701"))
			// The token has the scope, but no account's entry has the cluster.
			t.Expect(t.Send(t.Read(g, "/accounts/"+mine+"/transactions")), suite.FDXRefused(403, "602"))
		},
	})
}
