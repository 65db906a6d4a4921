package cases

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// operation is an operation of the FDX data API.
type operation struct {
	id, path string
	// opens are the clusters any of which opens it, carries those whose
	// fields its answer can hold.
	opens, carries []string
	// persona of the sandbox has something to show, at the account with this
	// number in the order of the list.
	persona string
	account int
	// member holds the items; "" for an answer that is the item itself.
	member, entity string
	// media are the forms of a document; nil for JSON.
	media []string
	query string
}

// What the sandbox's recipients are registered for. Three of them together
// reach every cluster, because a purpose reaches no more than it needs.
var (
	everything = []string{
		"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "BILLS", "CUSTOMER_CONTACT", "IMAGES", "INVESTMENTS",
		"REWARDS", "SCHEDULED_PAYMENTS", "STATEMENTS", "TERMS_AND_CONDITIONS", "TRANSACTIONS",
	}
	toPay = []string{
		"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "BILLS", "CUSTOMER_CONTACT", "PAYMENT_SUPPORT", "SCHEDULED_PAYMENTS", "TERMS_AND_CONDITIONS",
	}
	toKnow = []string{"ACCOUNT_BASIC", "CUSTOMER_CONTACT", "CUSTOMER_PERSONAL"}
)

// every cluster that the sandbox's recipients can hold between them.
var every = append(slices.Clone(everything), "PAYMENT_SUPPORT", "CUSTOMER_PERSONAL")

// reaches is the recipient that may ask for these clusters, and all that it
// may ask for.
func reaches(t *suite.T, clusters ...string) (*suite.App, []string) {
	switch {
	case slices.Contains(clusters, "PAYMENT_SUPPORT"):
		return t.Named("billpay"), toPay
	case slices.Contains(clusters, "CUSTOMER_PERSONAL"):
		return t.Named("idcheck"), toKnow
	}
	return t.Named("homewards"), everything
}

var (
	ofAccount = []string{"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "BILLS", "INVESTMENTS", "SCHEDULED_PAYMENTS"}
	ofPeople  = []string{"CUSTOMER_CONTACT", "CUSTOMER_PERSONAL"}
	papers    = []string{"application/pdf"}
)

// operations are those of FDX API 6.4 that answer with somebody's data, and
// what of the grant opens them.
var operations = []operation{
	{id: "searchForAccounts", path: "/accounts", opens: []string{"ACCOUNT_BASIC", "ACCOUNT_DETAILED"}, carries: ofAccount, persona: "variety", member: "accounts", entity: "Account", query: "resultType=details"},
	{id: "getAccount", path: "/accounts/{account}", opens: ofAccount[1:], carries: ofAccount, persona: "saver", account: 2, entity: "Account"},
	{id: "getAccountContact", path: "/accounts/{account}/contact", opens: ofPeople, carries: ofPeople, persona: "borrower", entity: "AccountContact"},
	{id: "getAccountPaymentNetworks", path: "/accounts/{account}/payment-networks", opens: []string{"PAYMENT_SUPPORT"}, carries: []string{"PAYMENT_SUPPORT"}, persona: "borrower", member: "paymentNetworks", entity: "PaymentNetwork"},
	{id: "getAccountAssetTransferNetworks", path: "/accounts/{account}/asset-transfer-networks", opens: []string{"PAYMENT_SUPPORT"}, carries: []string{"PAYMENT_SUPPORT"}, persona: "investor", account: 1, member: "assetTransferNetworks", entity: "AssetTransferNetwork"},
	{id: "searchForAccountTransactions", path: "/accounts/{account}/transactions", opens: []string{"TRANSACTIONS"}, carries: []string{"TRANSACTIONS", "INVESTMENTS", "REWARDS", "IMAGES"}, persona: "borrower", member: "transactions", entity: "Transaction", query: "{quarter}"},
	{id: "getAccountTransactionImages", path: "/accounts/{account}/transaction-images/{image}", opens: []string{"IMAGES"}, persona: "borrower", media: []string{"application/pdf", "image/png", "image/jpeg", "image/gif"}},
	{id: "searchForAccountStatements", path: "/accounts/{account}/statements", opens: []string{"STATEMENTS"}, carries: []string{"STATEMENTS"}, persona: "borrower", member: "statements", entity: "Statement", query: "{quarter}"},
	{id: "getAccountStatement", path: "/accounts/{account}/statements/{statement}", opens: []string{"STATEMENTS"}, persona: "borrower", media: papers},
	{id: "getTermsAndConditions", path: "/accounts/{account}/terms-and-conditions", opens: []string{"TERMS_AND_CONDITIONS"}, persona: "borrower", media: papers},
	{id: "searchRewardPrograms", path: "/reward-programs", opens: []string{"REWARDS"}, carries: []string{"REWARDS", "CUSTOMER_CONTACT", "CUSTOMER_PERSONAL"}, persona: "saver", member: "rewardPrograms", entity: "RewardProgram"},
	{id: "getRewardProgram", path: "/reward-programs/{program}", opens: []string{"REWARDS"}, carries: []string{"REWARDS", "CUSTOMER_CONTACT", "CUSTOMER_PERSONAL"}, persona: "saver", entity: "RewardProgram"},
	{id: "getRewardProgramCategories", path: "/reward-programs/{program}/categories", opens: []string{"REWARDS"}, carries: []string{"REWARDS"}, persona: "saver", member: "rewardCategories", entity: "RewardCategory"},
	{id: "getCustomers", path: "/customers", opens: ofPeople, carries: ofPeople, persona: "borrower", member: "customers", entity: "Customer"},
	{id: "getCustomerInfo", path: "/customers/current", opens: ofPeople, carries: ofPeople, persona: "borrower", entity: "Customer"},
	{id: "getCustomer", path: "/customers/{customer}", opens: ofPeople, carries: ofPeople, persona: "borrower", entity: "Customer"},
}

// op is the operation with this id.
func op(id string) operation {
	i := slices.IndexFunc(operations, func(o operation) bool { return o.id == id })
	return operations[i]
}

// slug is the operation in the id of a case: get-account.
func (o operation) slug() string {
	var out strings.Builder
	for _, r := range o.id {
		if r >= 'A' && r <= 'Z' {
			out.WriteByte('-')
			r += 'a' - 'A'
		}
		out.WriteRune(r)
	}
	return out.String()
}

// onAccount: the path names an account.
func (o operation) onAccount() bool { return strings.Contains(o.path, "{account}") }

// fullAsk asks a persona for all that the sandbox can show.
func fullAsk(persona string) suite.Ask {
	return suite.Ask{Clusters: everything, Lookback: 730, Persona: persona}
}

// full is a consent of a persona about all that the sandbox can show.
func full(t *suite.T, persona string) *suite.Grant {
	return t.Shared(t.Named("homewards"), fullAsk(persona))
}

// alone is a consent of a persona about one cluster of all accounts.
func alone(t *suite.T, persona string, clusters ...string) *suite.Grant {
	app, _ := reaches(t, clusters...)
	return t.Shared(app, suite.Ask{Clusters: clusters, Lookback: 730, Persona: persona})
}

// whole is a consent about all that the recipient may ask for which reaches
// the operation: of the given accounts, counted from 0, or of all.
func (o operation) whole(t *suite.T, accounts ...int) *suite.Grant {
	app, all := reaches(t, o.opens[0])
	return t.Shared(app, suite.Ask{Clusters: all, Lookback: 730, Persona: o.persona, Accounts: accounts})
}

// read is a GET that has to succeed, for what comes before a case's point.
func read(t *suite.T, g *suite.Grant, path string) *suite.Response {
	resp := t.Send(t.Read(g, path))
	if resp.Status != http.StatusOK && resp.Status != http.StatusPartialContent {
		t.Cannot("read "+path[:strings.IndexAny(path+"?", "?")], fmt.Errorf("status %d", resp.Status))
	}
	return resp
}

// accountIDs are the accounts of a consent, in the order of the list.
func accountIDs(t *suite.T, g *suite.Grant) []string {
	var ids []string
	for _, a := range read(t, g, "/accounts").List("accounts") {
		id, _ := suite.Dig(a, "accountId").(string)
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		t.Cannot("list accounts", fmt.Errorf("there are none"))
	}
	return ids
}

// day is a date so many days from today, by the clock of UTC.
func day(days int) string { return time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly) }

// window is the query for the days from one to the other.
func window(from, to int) string { return "startDate=" + day(from) + "&endDate=" + day(to) }

// place fills in what a path names, from a consent about everything of the
// operation's persona.
func (o operation) place(t *suite.T) string {
	g := full(t, o.persona)
	path, account := o.path, ""
	if o.onAccount() {
		ids := accountIDs(t, g)
		if o.account >= len(ids) {
			t.Cannot("find an account", fmt.Errorf("%s has no account with number %d", o.persona, o.account))
		}
		account = ids[o.account]
	}
	find := func(list, member, id string) string {
		for _, item := range read(t, g, list).List(member) {
			if found, ok := suite.Dig(item, id).(string); ok {
				if status, ok := suite.Dig(item, "status").(string); member == "statements" && ok && status != "AVAILABLE" {
					continue
				}
				return found
			}
		}
		t.Cannot("find "+id, fmt.Errorf("%s has none", o.persona))
		return ""
	}
	for name, of := range map[string]func() string{
		"{account}": func() string { return account },
		"{statement}": func() string {
			return find("/accounts/"+account+"/statements?"+window(-120, 0), "statements", "statementId")
		},
		"{image}": func() string {
			return find("/accounts/"+account+"/transactions?limit=500&"+window(-120, 0), "transactions", "imageIds.0")
		},
		"{program}":  func() string { return find("/reward-programs", "rewardPrograms", "rewardProgramId") },
		"{customer}": func() string { return read(t, g, "/customers/current").Text("customerId") },
	} {
		if strings.Contains(path, name) {
			path = strings.ReplaceAll(path, name, of())
		}
	}
	if o.query != "" {
		path += "?" + strings.ReplaceAll(o.query, "{quarter}", window(-90, 0))
	}
	return path
}

// ask is a request for the operation, at a path that place has filled in.
func (o operation) ask(t *suite.T, g *suite.Grant, path string) *suite.Request {
	r := t.Read(g, path)
	if o.media != nil {
		r.Header.Set("Accept", o.media[0])
	}
	return r
}

// items are what a JSON answer of the operation holds.
func (o operation) items(r *suite.Response) []any {
	if o.member == "" {
		if object := r.Object(); object != nil {
			return []any{object}
		}
		return nil
	}
	return r.List(o.member)
}

// fits holds an answer of the operation against its shape under the clusters
// of a grant, envelope included, and returns the shape.
func (o operation) fits(t *suite.T, r *suite.Response, held ...string) *shape {
	s := newShape(slices.DeleteFunc(newShape(held...).held, func(c string) bool { return !slices.Contains(o.carries, c) })...)
	if o.member != "" {
		for name, value := range r.Object() {
			switch name {
			case o.member:
			case "page":
				s.fit("PageMetadata", value)
			case "links":
				s.fit("Links", value)
			default:
				s.fault(o.id, name, "is no member of the answer")
			}
		}
		if r.Member(o.member) == nil {
			s.fault(o.id, o.member, "is missing")
		}
	}
	for _, item := range o.items(r) {
		s.fit(o.entity, item)
	}
	return s
}

// unknownAccount is an id that names nothing.
const unknownAccount = "b1946ac9-2492-4d23-a0f5-6c3b9a7f1e00"
