package resource_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// anyForm is what a client of documents and JSON sends.
func anyForm(r *http.Request) { r.Header.Set("Accept", "*/*") }

// One answer of every operation, to the byte, with its record. Nothing that
// belongs to an account outside the grant is in any of them.
func TestFamilies(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	one, two := []fdx.AccountID{"acc-1"}, []fdx.AccountID{"acc-1", "acc-2"}
	for _, row := range []struct {
		name, target string
		operation    fdx.OperationID // "" for what gives no data
		accounts     []fdx.AccountID
		clusters     fdx.Clusters
		count        int
	}{
		{"transactions-linked", transactions + "?limit=2", fdx.SearchForAccountTransactions, one,
			fdx.NewClusters(fdx.Transactions, fdx.Investments, fdx.Rewards, fdx.Images), 2},
		{"contact", account + "/contact", fdx.GetAccountContact, one, fdx.NewClusters(fdx.CustomerContact, fdx.CustomerPersonal), 1},
		{"payment-networks", account + "/payment-networks", fdx.GetAccountPaymentNetworks, one, fdx.NewClusters(fdx.PaymentSupport), 2},
		{"payment-networks-page", account + "/payment-networks?limit=1", fdx.GetAccountPaymentNetworks, one, fdx.NewClusters(fdx.PaymentSupport), 1},
		{"asset-transfer-networks", account + "/asset-transfer-networks", fdx.GetAccountAssetTransferNetworks, one, fdx.NewClusters(fdx.PaymentSupport), 1},
		{"asset-transfer-networks-none", "/fdx/v6/accounts/acc-2/asset-transfer-networks", fdx.GetAccountAssetTransferNetworks, two[1:], fdx.NewClusters(fdx.PaymentSupport), 0},
		{"image", account + "/transaction-images/img%2F1", fdx.GetAccountTransactionImages, one, fdx.NewClusters(fdx.Images), 1},
		{"statements", account + "/statements", fdx.SearchForAccountStatements, one, fdx.NewClusters(fdx.Statements), 2},
		{"statements-clipped", account + "/statements?startDate=2026-01-01&endDate=2026-11-10", fdx.SearchForAccountStatements, one, fdx.NewClusters(fdx.Statements), 1},
		{"statements-none", "/fdx/v6/accounts/acc-2/statements", fdx.SearchForAccountStatements, two[1:], fdx.NewClusters(fdx.Statements), 0},
		{"statement", account + "/statements/st%2F1", fdx.GetAccountStatement, one, fdx.NewClusters(fdx.Statements), 1},
		{"terms", account + "/terms-and-conditions", fdx.GetTermsAndConditions, one, fdx.NewClusters(fdx.TermsAndConditions), 1},
		{"reward-programs", "/fdx/v6/reward-programs", fdx.SearchRewardPrograms, []fdx.AccountID{"acc-2", "acc-1"},
			fdx.NewClusters(fdx.Rewards, fdx.CustomerContact, fdx.CustomerPersonal, fdx.SocialSecurityNumber), 2},
		{"reward-program", "/fdx/v6/reward-programs/miles", fdx.GetRewardProgram, two[1:],
			fdx.NewClusters(fdx.Rewards, fdx.CustomerContact, fdx.CustomerPersonal, fdx.SocialSecurityNumber), 1},
		{"reward-categories", "/fdx/v6/reward-programs/miles/categories", fdx.GetRewardProgramCategories, two, fdx.NewClusters(fdx.Rewards), 2},
		{"customers", "/fdx/v6/customers", fdx.GetCustomers, two, fdx.NewClusters(fdx.CustomerContact, fdx.CustomerPersonal, fdx.SocialSecurityNumber), 2},
		{"customer-current", "/fdx/v6/customers/current", fdx.GetCustomerInfo, two, fdx.NewClusters(fdx.CustomerContact, fdx.CustomerPersonal, fdx.SocialSecurityNumber), 1},
		{"customer-fellow", "/fdx/v6/customers/bob", fdx.GetCustomer, two[1:], fdx.NewClusters(fdx.CustomerContact, fdx.CustomerPersonal, fdx.SocialSecurityNumber), 1},
		{"availability", "/fdx/v6/availability", "", nil, 0, 0},
		{"availability-of-one", "/fdx/v6/availability?operationId=getAccount", "", nil, 0, 0},
		{"availability-of-none", "/fdx/v6/availability?operationId=getTaxForms", "", nil, 0, 0},
		{"capability", "/fdx/v6/capability", "", nil, 0, 0},
		{"capability-details", "/fdx/v6/capability?resultType=details&operationId=getCustomer&fdxVersion=6.4.0", "", nil, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := f.app(t, wide(nil), nil)
			r := a.request(row.target)
			anyForm(r)
			got := a.do(t, r)
			golden(t, row.name, got)
			if strings.Contains(got.body, "CANARY") || strings.Contains(got.body, "acc-3") || strings.Contains(got.body, "acc-9") {
				t.Errorf("gave what is not shared: %s", got.body)
			}
			records := recordsOf(f, a.live.Share.Grant)
			if row.operation == "" {
				if len(records) != 0 {
					t.Errorf("records %+v", records)
				}
				return
			}
			if len(records) != 1 || records[0].Operation != string(row.operation) || !slices.Equal(records[0].Accounts, row.accounts) ||
				records[0].Clusters != row.clusters || records[0].Count != row.count || records[0].Bytes != len(got.body) {
				t.Errorf("records %+v", records)
			}
		})
	}
}

// Following the pages of every list gives each record once.
func TestPagesOfFamilies(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, wide(nil), nil)
	for target, want := range map[string][]string{
		account + "/payment-networks?limit=1":                                   {"TOKEN-1", "TOKEN-2"},
		account + "/statements?limit=1&startDate=2026-09-01&endDate=2026-11-21": {"st-new", "st/1", "st-2"},
		"/fdx/v6/reward-programs?limit=1":                                       {`"miles"`, `"points"`},
		"/fdx/v6/reward-programs/miles/categories?limit=1":                      {"food", "travel"},
		"/fdx/v6/customers?limit=1":                                             {"Alice", "Bob"},
	} {
		first := target
		for i := 0; target != ""; i++ {
			got := given(t, a.get(t, target))
			for j, text := range want {
				if strings.Contains(got.body, text) != (i == j) {
					t.Errorf("%s, page %d: %s", first, i, got.body)
				}
			}
			target = nextOf(got.body, f.base)
			if (target == "") != (i == len(want)-1) {
				t.Fatalf("%s ends after page %d", first, i)
			}
		}
	}
	// The key of one program's categories is nothing in another's.
	key := nextOf(given(t, a.get(t, "/fdx/v6/reward-programs/miles/categories?limit=1")).body, "")
	_, key, _ = strings.Cut(key, "pageKey=")
	if got := a.get(t, "/fdx/v6/reward-programs/points/categories?limit=1&pageKey="+key); got.status != 400 || got.code() != "401" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// nextOf returns the link to the next page without its origin, "" if there is
// none.
func nextOf(body, origin string) string {
	_, rest, found := strings.Cut(body, `"next":{"href":"`)
	if !found {
		return ""
	}
	href, _, _ := strings.Cut(rest, `"`)
	return strings.ReplaceAll(strings.TrimPrefix(href, origin), `\u0026`, "&")
}

// What each error row of the new operations takes.
func TestRefusalsOfFamilies(t *testing.T) {
	t.Parallel()
	closed := wide(func(s *consent.Share) { s.Accounts[1].ID = "acc-5" })
	without := func(c fdx.Cluster) consent.Share {
		return wide(func(s *consent.Share) {
			for i := range s.Accounts {
				s.Accounts[i].Clusters = every.Without(fdx.NewClusters(c))
			}
		})
	}
	const (
		second = "/fdx/v6/accounts/acc-2"
		shut   = "/fdx/v6/accounts/acc-5"
	)
	json := func(r *http.Request) { r.Header.Set("Accept", "application/json") }
	for _, row := range []struct {
		name   string
		share  consent.Share
		target string
		spoil  func(*http.Request)
		status int
		code   string
	}{
		{"payment-networks-none", wide(nil), second + "/payment-networks", anyForm, 404, "1107"},
		{"payment-networks-closed", closed, shut + "/payment-networks", anyForm, 409, "705"},
		{"asset-transfer-networks-closed", closed, shut + "/asset-transfer-networks", anyForm, 409, "705"},
		{"payment-networks-limit", wide(nil), account + "/payment-networks?limit=0", anyForm, 400, "401"},
		{"image-unknown", wide(nil), account + "/transaction-images/nothing", anyForm, 404, "1103"},
		{"image-of-another-account", wide(nil), account + "/transaction-images/img-3", anyForm, 404, "1103"},
		{"image-before-the-look-back", wide(nil), account + "/transaction-images/img-old", anyForm, 404, "1103"},
		{"image-malformed", wide(nil), account + "/transaction-images/%00", anyForm, 404, "1103"},
		{"image-as-json", wide(nil), account + "/transaction-images/img%2F1", json, 406, "1203"},
		{"image-in-another-form", wide(nil), account + "/transaction-images/img%2F1", accepts("application/pdf"), 406, "1203"},
		{"statements-no-date", wide(nil), account + "/statements?startDate=x&endDate=2026-11-01", anyForm, 400, "702"},
		{"statements-start-alone", wide(nil), account + "/statements?startDate=2026-11-01", anyForm, 400, "703"},
		{"statements-mixed-dates", wide(nil), account + "/statements?startDate=2026-11-01&endTime=2026-11-02", anyForm, 400, "401"},
		{"statements-before-the-look-back", wide(nil), account + "/statements?startDate=2026-01-01&endDate=2026-02-01", anyForm, 400, "703"},
		{"statement-unknown", wide(nil), account + "/statements/nothing", anyForm, 404, "1104"},
		{"statement-of-another-account", wide(nil), account + "/statements/st-3", anyForm, 404, "1104"},
		{"statement-before-the-look-back", wide(nil), account + "/statements/st-old", anyForm, 404, "1104"},
		{"statement-malformed", wide(nil), account + "/statements/%00", anyForm, 404, "1104"},
		{"statement-in-processing", wide(nil), account + "/statements/st-new", anyForm, 400, "1300"},
		{"statement-as-json", wide(nil), account + "/statements/st-2", json, 406, "1203"},
		{"statement-in-another-form", wide(nil), account + "/statements/st-2", accepts("image/png"), 406, "1203"},
		{"terms-none", wide(nil), second + "/terms-and-conditions", anyForm, 404, "1107"},
		{"terms-in-another-form", wide(nil), account + "/terms-and-conditions", accepts("application/zip"), 406, "1203"},
		{"reward-program-unknown", wide(nil), "/fdx/v6/reward-programs/nothing", anyForm, 404, "1101"},
		{"reward-program-foreign", wide(nil), "/fdx/v6/reward-programs/foreign", anyForm, 404, "1101"},
		{"reward-program-not-shared", wide(nil), "/fdx/v6/reward-programs/unshared", anyForm, 404, "1101"},
		{"reward-program-malformed", wide(nil), "/fdx/v6/reward-programs/%00", anyForm, 404, "1101"},
		{"reward-categories-unknown", wide(nil), "/fdx/v6/reward-programs/nothing/categories", anyForm, 404, "1101"},
		{"reward-categories-foreign", wide(nil), "/fdx/v6/reward-programs/foreign/categories", anyForm, 404, "1101"},
		{"reward-categories-none", wide(nil), "/fdx/v6/reward-programs/points/categories", anyForm, 404, "1102"},
		{"reward-programs-page-key", wide(nil), "/fdx/v6/reward-programs?pageKey=made-up", anyForm, 400, "401"},
		{"customer-unknown", wide(nil), "/fdx/v6/customers/nobody", anyForm, 404, "601"},
		{"customer-foreign", wide(nil), "/fdx/v6/customers/carol", anyForm, 404, "601"},
		{"customer-malformed", wide(nil), "/fdx/v6/customers/%00", anyForm, 404, "601"},
		{"customer-fellow-by-number-alone", holding(fdx.SocialSecurityNumber), "/fdx/v6/customers/bob", anyForm, 404, "601"},
		{"customers-limit", wide(nil), "/fdx/v6/customers?limit=501", anyForm, 400, "401"},
		{"availability-malformed", wide(nil), "/fdx/v6/availability?operationId=1", anyForm, 400, "401"},
		{"availability-not-acceptable", wide(nil), "/fdx/v6/availability", accepts("text/html"), 406, "1203"},
		{"capability-other-version", wide(nil), "/fdx/v6/capability?fdxVersion=5.2.0", anyForm, 501, "1106"},
		{"capability-result-type", wide(nil), "/fdx/v6/capability?resultType=all", anyForm, 400, "401"},

		{"contact-not-granted", without(fdx.CustomerContact), account + "/contact", anyForm, 200, ""}, // PERSONAL implies it
		{"images-not-granted", without(fdx.Images), account + "/transaction-images/img%2F1", anyForm, 403, "602"},
		{"payment-networks-not-granted", without(fdx.PaymentSupport), account + "/payment-networks", anyForm, 403, "602"},
		{"asset-transfer-networks-not-granted", without(fdx.PaymentSupport), account + "/asset-transfer-networks", anyForm, 403, "602"},
		{"statements-not-granted", without(fdx.Statements), account + "/statements", anyForm, 403, "602"},
		{"statement-not-granted", without(fdx.Statements), account + "/statements/st%2F1", anyForm, 403, "602"},
		{"terms-not-granted", without(fdx.TermsAndConditions), account + "/terms-and-conditions", anyForm, 403, "602"},
		{"reward-programs-not-granted", without(fdx.Rewards), "/fdx/v6/reward-programs", anyForm, 403, "602"},
		{"reward-program-not-granted", without(fdx.Rewards), "/fdx/v6/reward-programs/miles", anyForm, 403, "602"},
		{"reward-categories-not-granted", without(fdx.Rewards), "/fdx/v6/reward-programs/miles/categories", anyForm, 403, "602"},
		{"customers-not-granted", holding(fdx.AccountBasic), "/fdx/v6/customers", anyForm, 403, "602"},
		{"customer-current-not-granted", holding(fdx.AccountBasic), "/fdx/v6/customers/current", anyForm, 403, "602"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := open(t, nil)
			a := f.app(t, row.share, func(access *token.Access) { access.Scopes = fdx.ScopesOf(every) })
			r := a.request(row.target)
			row.spoil(r)
			got := a.do(t, r)
			if got.status != row.status || got.code() != row.code || strings.Contains(got.body, "CANARY") {
				t.Errorf("%d %s", got.status, got.body)
			}
			if row.status == 200 {
				return
			}
			records := recordsOf(f, a.live.Share.Grant)
			if strings.Contains(row.target, "ability") {
				if len(records) != 0 {
					t.Errorf("records %+v", records)
				}
			} else if len(records) != 1 || records[0].Outcome != audit.Refused || records[0].Reason != row.code || records[0].Accounts != nil {
				t.Errorf("records %+v", records)
			}
			golden(t, "refused-"+row.name, got)
		})
	}
}

func accepts(form string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Accept", form) }
}

// families are the data operations, with ids in the grant and a cluster that
// opens each.
var families = []struct {
	target  string
	cluster fdx.Cluster
}{
	{accounts, fdx.AccountBasic},
	{account, fdx.Balances},
	{transactions, fdx.Transactions},
	{account + "/contact", fdx.CustomerContact},
	{account + "/payment-networks", fdx.PaymentSupport},
	{account + "/asset-transfer-networks", fdx.PaymentSupport},
	{account + "/transaction-images/img%2F1", fdx.Images},
	{account + "/statements", fdx.Statements},
	{account + "/statements/st-2", fdx.Statements},
	{account + "/terms-and-conditions", fdx.TermsAndConditions},
	{"/fdx/v6/reward-programs", fdx.Rewards},
	{"/fdx/v6/reward-programs/points", fdx.Rewards},
	{"/fdx/v6/reward-programs/miles/categories", fdx.Rewards},
	{"/fdx/v6/customers", fdx.CustomerContact},
	{"/fdx/v6/customers/current", fdx.CustomerContact},
	{"/fdx/v6/customers/alice", fdx.CustomerContact},
}

// One cluster opens its operation and no other one; the scope of the token
// decides before the grant does.
func TestOneClusterOpensItsOperations(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	for _, c := range fdx.AllClusters() {
		granted, scoped := f.app(t, holding(c), func(a *token.Access) { a.Scopes = fdx.ScopesOf(every) }), f.app(t, wide(nil), func(a *token.Access) { a.Scopes = fdx.ScopesOf(fdx.NewClusters(c)) })
		for _, op := range families {
			opens := fdx.NewClusters(c).Implied().Has(op.cluster) ||
				op.target == account && slices.Contains([]fdx.Cluster{fdx.AccountDetailed, fdx.Bills, fdx.Investments, fdx.ScheduledPayments}, c) ||
				strings.Contains(op.target, "/customers") && c == fdx.SocialSecurityNumber
			for name, row := range map[string]struct {
				app  *app
				code string
			}{"granted": {granted, "602"}, "scoped": {scoped, "403"}} {
				r := row.app.request(op.target)
				anyForm(r)
				got := row.app.do(t, r)
				if opens && got.status != 200 || !opens && (got.status != 403 || got.code() != row.code) {
					t.Errorf("%s %s: %s: %d %s", name, c, op.target, got.status, got.body)
				}
				if !opens && row.code == "403" && !strings.Contains(strings.Join(got.header["Www-Authenticate"], " "), "insufficient_scope") {
					t.Errorf("%s: no challenge", op.target)
				}
			}
		}
	}
}

// An account outside the grant and one that does not exist are the same, to
// the byte, in every operation on an account.
func TestForeignIsUnknownInEveryFamily(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, wide(nil), nil)
	for _, op := range families {
		rest, found := strings.CutPrefix(op.target, account)
		if !found {
			continue
		}
		var answers []string
		for _, id := range []string{"acc-9", "acc-3", "nothing", "%00"} {
			r := a.request("/fdx/v6/accounts/" + id + rest)
			anyForm(r)
			got := a.do(t, r)
			got.header.Del("Date")
			got.header.Del("X-Headgate-Request-Id")
			answers = append(answers, fmt.Sprint(got))
			if got.status != 404 || got.code() != "701" {
				t.Errorf("%s of %s: %d %s", rest, id, got.status, got.body)
			}
		}
		if len(slices.Compact(answers)) != 1 {
			t.Errorf("%q: %s", rest, answers)
		}
	}
}

// The CUSTOMER entry of a grant opens what is about people and nothing else,
// and the account has to be in the grant all the same.
func TestCustomerEntry(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(func(s *consent.Share) {
		s.Customer = fdx.NewClusters(fdx.CustomerContact, fdx.Transactions)
		for i := range s.Accounts {
			s.Accounts[i].Clusters = fdx.NewClusters(fdx.AccountBasic)
		}
	}), func(access *token.Access) { access.Scopes = fdx.ScopesOf(every) })
	for target, status := range map[string]int{
		account + "/contact":                      200,
		"/fdx/v6/customers":                       200,
		"/fdx/v6/customers/current":               200,
		"/fdx/v6/customers/bob":                   200,
		"/fdx/v6/accounts/acc-3/contact":          404,
		"/fdx/v6/accounts/acc-9/contact":          404,
		"/fdx/v6/customers/carol":                 404,
		transactions:                              403,
		"/fdx/v6/accounts/acc-1/payment-networks": 403,
	} {
		got := a.get(t, target)
		if got.status != status || strings.Contains(got.body, "CANARY") || strings.Contains(got.body, "dateOfBirth") {
			t.Errorf("%s: %d %s", target, got.status, got.body)
		}
	}
}

// Of a fellow holder nothing but contact leaves, whatever the grant says.
func TestFellowHolder(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	for name, row := range map[string]struct {
		clusters fdx.Clusters
		list     []string
		not      []string
	}{
		"personal of both": {fdx.NewClusters(fdx.CustomerPersonal), []string{"Alice", "Bob", "*******6789", `"dateOfBirth"`}, []string{"4321", "P7654321", "acc-9", "acc-3", "123-45"}},
		"contact":          {fdx.NewClusters(fdx.CustomerContact), []string{"Alice", "Bob"}, []string{"dateOfBirth", "taxId", "governmentId"}},
		"the tax id alone": {fdx.NewClusters(fdx.SocialSecurityNumber), []string{`"alice"`, "6789"}, []string{"bob", "Bob", "Alice", "accounts", "dateOfBirth"}},
	} {
		got := given(t, f.app(t, holding(row.clusters.List()...), nil).get(t, "/fdx/v6/customers"))
		for _, text := range row.list {
			if !strings.Contains(got.body, text) {
				t.Errorf("%s lacks %s: %s", name, text, got.body)
			}
		}
		for _, text := range row.not {
			if strings.Contains(got.body, text) {
				t.Errorf("%s has %s: %s", name, text, got.body)
			}
		}
	}
}

// The id of a member needs a cluster that shows customers on an account of
// that very membership.
func TestMemberNeedsItsOwnAccount(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	got := given(t, f.app(t, share(func(s *consent.Share) {
		s.Accounts[0].Clusters = fdx.NewClusters(fdx.Rewards)
		s.Accounts[1].Clusters = fdx.NewClusters(fdx.Rewards, fdx.CustomerContact)
	}), nil).get(t, "/fdx/v6/reward-programs"))
	miles, points, _ := strings.Cut(got.body, `"points"`)
	if !strings.Contains(miles, "customerId") || strings.Contains(points, "customerId") {
		t.Error(got.body)
	}
	if got := given(t, f.app(t, share(func(s *consent.Share) {
		s.Accounts[0].Clusters = fdx.NewClusters(fdx.Rewards)
		s.Accounts[1].Clusters = fdx.NewClusters(fdx.CustomerContact)
	}), nil).get(t, "/fdx/v6/reward-programs")); strings.Contains(got.body, "miles") {
		t.Errorf("a program of an account without REWARDS: %s", got.body)
	}
}

// The form that the client likes best is asked for first.
func TestFormsAreNegotiated(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string][]fdx.ContentType{
		"*/*":                                fdx.DocumentTypes(),
		"image/*":                            {fdx.PNG, fdx.JPEG, fdx.GIF, fdx.TIFF},
		"image/gif, image/png":               {fdx.PNG, fdx.GIF},
		"image/gif, image/png;q=0.5":         {fdx.GIF, fdx.PNG},
		"application/pdf;q=0, */*;q=0.1":     {fdx.PNG, fdx.JPEG, fdx.GIF, fdx.TIFF},
		"application/pdf;q=0.2, image/*;q=1": {fdx.PNG, fdx.JPEG, fdx.GIF, fdx.TIFF, fdx.PDF},
		"IMAGE/TIFF":                         {fdx.TIFF},
		"image/png;q=nan":                    {fdx.PNG},
	} {
		var asked []fdx.ContentType
		f := open(t, func(c *resource.Config) { c.Provider = documentBank{asked: &asked} })
		a := f.app(t, wide(nil), nil)
		r := a.request(account + "/statements/st-2")
		r.Header.Set("Accept", accept)
		if got := a.do(t, r); got.status != 404 || !slices.Equal(asked, want) {
			t.Errorf("%s: %d, asked for %s", accept, got.status, asked)
		}
	}
}

// documentBank answers with one document, or with err.
type documentBank struct {
	fakeBank
	asked *[]fdx.ContentType
	give  resource.Document
}

func (b documentBank) Statement(_ context.Context, _ resource.Access, _ fdx.StatementID, forms []fdx.ContentType) (resource.Document, error) {
	if b.asked != nil {
		*b.asked = forms
		return resource.Document{}, resource.ErrNotFound
	}
	return b.give, b.err
}

// A bank that answers outside the access is broken, whatever it was asked.
func TestBrokenFamilies(t *testing.T) {
	t.Parallel()
	today := fdx.DateOf(noon)
	document := func(d resource.Document) resource.Provider { return documentBank{give: d} }
	statement := func(s fdx.Statement) resource.Provider { return familyBank{statement: s} }
	member := func(id fdx.AccountID) []fdx.RewardMembership {
		return []fdx.RewardMembership{{AccountIDs: []fdx.AccountID{id}}}
	}
	for name, row := range map[string]struct {
		bank   resource.Provider
		target string
		status int
		code   string
	}{
		"a statement of another account":       {statement(fdx.Statement{AccountID: "acc-2", StatementID: "CANARY", StatementDate: today}), account + "/statements", 502, "501"},
		"a statement of no account":            {statement(fdx.Statement{StatementID: "CANARY", StatementDate: today}), account + "/statements", 502, "501"},
		"a statement outside the window":       {statement(fdx.Statement{AccountID: "acc-1", StatementID: "CANARY", StatementDate: today.AddDays(-8)}), account + "/statements", 502, "501"},
		"a statement without a date":           {statement(fdx.Statement{AccountID: "acc-1", StatementID: "CANARY"}), account + "/statements", 502, "501"},
		"a document before the look-back":      {document(resource.Document{Type: fdx.PDF, Date: today.AddDays(-91), Body: []byte("CANARY")}), account + "/statements/x", 502, "501"},
		"a document without a date":            {document(resource.Document{Type: fdx.PDF, Body: []byte("CANARY")}), account + "/statements/x", 502, "501"},
		"a document in another form":           {document(resource.Document{Type: "text/html", Date: today, Body: []byte("CANARY")}), account + "/statements/x", 502, "501"},
		"a document that is too large":         {document(resource.Document{Type: fdx.PDF, Date: today, Body: make([]byte, 8<<20+1)}), account + "/statements/x", 502, "501"},
		"a large document":                     {document(resource.Document{Type: fdx.PDF, Date: today, Body: make([]byte, 8<<20)}), account + "/statements/x", 200, ""},
		"a customer of other accounts":         {familyBank{customer: fdx.Customer{CustomerID: "alice", Accounts: []fdx.CustomerAccount{{AccountID: "acc-9"}}}}, "/fdx/v6/customers", 502, "501"},
		"a customer of no account":             {familyBank{customer: fdx.Customer{CustomerID: "alice"}}, "/fdx/v6/customers/current", 502, "501"},
		"a customer without an id":             {familyBank{customer: fdx.Customer{Accounts: []fdx.CustomerAccount{{AccountID: "acc-1"}}}}, "/fdx/v6/customers", 502, "501"},
		"another customer":                     {familyBank{customer: fdx.Customer{CustomerID: "bob", Accounts: []fdx.CustomerAccount{{AccountID: "acc-1"}}}}, "/fdx/v6/customers/alice", 502, "501"},
		"somebody else as the consumer":        {familyBank{customer: fdx.Customer{CustomerID: "bob", Accounts: []fdx.CustomerAccount{{AccountID: "acc-1"}}}}, "/fdx/v6/customers/current", 502, "501"},
		"another program":                      {familyBank{program: fdx.RewardProgram{RewardProgramID: "y", Memberships: member("acc-1")}}, "/fdx/v6/reward-programs/x", 502, "501"},
		"a program without an id":              {familyBank{program: fdx.RewardProgram{Memberships: member("acc-1")}}, "/fdx/v6/reward-programs", 502, "501"},
		"a program of other accounts":          {familyBank{program: fdx.RewardProgram{RewardProgramID: "x", Memberships: member("acc-9")}}, "/fdx/v6/reward-programs/x", 404, "1101"},
		"a program of nobody":                  {familyBank{program: fdx.RewardProgram{RewardProgramID: "x"}}, "/fdx/v6/reward-programs/x", 404, "1101"},
		"a list of programs of other accounts": {familyBank{program: fdx.RewardProgram{RewardProgramID: "x", Memberships: member("acc-9")}}, "/fdx/v6/reward-programs", 200, ""},
		"categories of other accounts":         {familyBank{program: fdx.RewardProgram{RewardProgramID: "x", Memberships: member("acc-9")}, category: "x"}, "/fdx/v6/reward-programs/x/categories", 404, "1101"},
		"categories of another program":        {familyBank{program: fdx.RewardProgram{RewardProgramID: "x", Memberships: member("acc-1")}, category: "y"}, "/fdx/v6/reward-programs/x/categories", 502, "501"},

		"not offered":          {fakeBank{}, account + "/contact", 501, "1106"},
		"not offered program":  {fakeBank{}, "/fdx/v6/reward-programs/x", 501, "1106"},
		"never has statements": {familyBank{fakeBank: fakeBank{err: resource.ErrNoStatements}}, account + "/statements", 404, "1108"},
		"another kind":         {familyBank{fakeBank: fakeBank{err: resource.ErrAccountType}}, account + "/statements", 422, "704"},
		"locked":               {familyBank{fakeBank: fakeBank{err: resource.ErrAccountLocked}}, account + "/statements", 403, "706"},
		"gone":                 {familyBank{fakeBank: fakeBank{err: resource.ErrNoAccount}}, account + "/statements", 404, "701"},
		"unavailable":          {familyBank{fakeBank: fakeBank{err: resource.ErrUnavailable}}, "/fdx/v6/customers", 503, "503"},
		"too slow":             {familyBank{fakeBank: fakeBank{err: context.DeadlineExceeded}}, "/fdx/v6/customers/alice", 504, "501"},
		"not found in a list":  {familyBank{fakeBank: fakeBank{err: resource.ErrNotFound}}, account + "/statements", 503, "503"},
		"unknown error":        {documentBank{fakeBank: fakeBank{err: errors.New("CANARY")}}, account + "/statements/x", 503, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, func(c *resource.Config) { c.Provider = row.bank })
			a := f.app(t, wide(nil), nil)
			r := a.request(row.target)
			anyForm(r)
			got := a.do(t, r)
			if got.status != row.status || got.code() != row.code || strings.Contains(got.body, "CANARY") || strings.Contains(got.body, "acc-9") {
				t.Errorf("%d %.200s", got.status, got.body)
			}
		})
	}
}

// familyBank answers with one thing of each kind, or with err.
type familyBank struct {
	fakeBank
	statement fdx.Statement
	customer  fdx.Customer
	program   fdx.RewardProgram
	category  fdx.RewardProgramID
}

func (b familyBank) Statements(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.Statement], error) {
	return resource.Page[fdx.Statement]{Items: []fdx.Statement{b.statement}}, b.err
}

func (b familyBank) Holders(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.Customer], error) {
	return resource.Page[fdx.Customer]{Items: []fdx.Customer{b.customer}}, b.err
}

func (b familyBank) Holder(context.Context, resource.Access, fdx.CustomerID) (fdx.Customer, error) {
	return b.customer, b.err
}

func (b familyBank) RewardPrograms(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.RewardProgram], error) {
	return resource.Page[fdx.RewardProgram]{Items: []fdx.RewardProgram{b.program}}, b.err
}

func (b familyBank) RewardProgram(context.Context, resource.Access, fdx.RewardProgramID) (fdx.RewardProgram, error) {
	return b.program, b.err
}

func (b familyBank) RewardCategories(context.Context, resource.Access, fdx.RewardProgramID, resource.PageRequest) (resource.Page[fdx.RewardCategory], error) {
	return resource.Page[fdx.RewardCategory]{Items: []fdx.RewardCategory{{RewardProgramID: b.category, CategoryID: "CANARY"}}}, b.err
}

// An account that says it is incomplete makes the answer partial.
func TestPartialAnswer(t *testing.T) {
	t.Parallel()
	broken := fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: fdx.AccountDescriptor{AccountID: "acc-1", Error: fdx.AccountError{Code: "501", Message: "Subsystem unavailable"}}}}
	f := open(t, func(c *resource.Config) { c.Provider = fakeBank{accounts: []fdx.Account{broken}} })
	a := f.app(t, wide(nil), nil)
	golden(t, "accounts-partial", a.get(t, accounts))
	if r := recordsOf(f, a.live.Share.Grant); len(r) != 1 || r[0].Outcome != audit.Given || r[0].Count != 1 {
		t.Errorf("records %+v", r)
	}
}

// Descriptions need a living token, and tell of what the bank offers.
func TestDescriptions(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"/fdx/v6/availability", "/fdx/v6/capability"} {
		f := open(t, nil)
		a := f.app(t, share(nil), func(access *token.Access) { access.Scopes = nil })
		given(t, a.get(t, target)) // no scope is asked for
		r := a.request(target)
		r.Header.Del("Authorization")
		golden401(t, "no-token", a.do(t, r))
		for _, bad := range []string{"", "x"} {
			r := a.request(target)
			r.Header.Set("x-fapi-interaction-id", bad)
			if got := a.do(t, r); got.status != 400 || got.code() != "401" {
				t.Errorf("%s: %d %s", target, got.status, got.body)
			}
		}
		f.truth.End(a.live.Share.Grant)
		golden401(t, "bad-token", a.get(t, target))
		if n := len(f.truth.Records()); n != 0 {
			t.Errorf("%d records", n)
		}
	}
	f := open(t, func(c *resource.Config) { c.Provider = downBank{} })
	a := f.app(t, share(nil), nil)
	golden(t, "availability-down", a.get(t, "/fdx/v6/availability"))
	golden(t, "capability-small", a.get(t, "/fdx/v6/capability"))
}

// downBank has little, and cannot say how it is.
type downBank struct{ fakeBank }

func (downBank) Availability(context.Context) (fdx.Availability, error) {
	return fdx.Availability{Status: fdx.Alive}, errors.New("CANARY")
}
