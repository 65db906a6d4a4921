package fdx

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// project removes from decoded JSON what the rows do not let through. It
// knows the rule in the doc of Entity and nothing of the filter.
func project(v any, path string, rows map[string]Field, allowed Clusters) {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			row, ok := rows[path+name]
			if !ok || !row.Always && row.Clusters.Intersect(allowed).Empty() {
				delete(v, name)
				continue
			}
			if list, ok := below.([]any); ok {
				for _, element := range list {
					project(element, path+name+"[].", rows, allowed)
				}
				continue
			}
			project(below, path+name+".", rows, allowed)
		}
	}
}

// TestFilterAgreesWithAnIndependentProjector holds every filter against the
// rows that Entities tells, for each cluster alone, each pair, and some
// hundred sets of any size: nothing extra and nothing missing.
func TestFilterAgreesWithAnIndependentProjector(t *testing.T) {
	t.Parallel()
	sets := []Clusters{0, allClusters}
	for _, a := range AllClusters() {
		for _, b := range AllClusters() {
			sets = append(sets, NewClusters(a, b))
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		sets = append(sets, Clusters(r.Uint32())&allClusters)
	}
	all := map[string]Entity{}
	for _, e := range Entities() {
		all[e.Name] = e
	}
	for name, filtered := range families {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, ok := all[name]
			if !ok {
				t.Fatal("not among the entities")
			}
			rows := map[string]Field{}
			for _, f := range e.Fields {
				rows[f.Path] = f
			}
			whole, err := json.Marshal(filtered(allClusters))
			if err != nil {
				t.Fatal(err)
			}
			for _, set := range sets {
				var want []string
				if !e.Needs.Intersect(set.Implied()).Empty() {
					var v any
					if err := json.Unmarshal(whole, &v); err != nil {
						t.Fatal(err)
					}
					project(v, "", rows, set.Implied())
					want = paths(t, v)
				}
				if got := paths(t, filtered(set)); !slices.Equal(got, want) {
					t.Errorf("%v: got %v, want %v", set.Names(), got, want)
				}
			}
		})
	}
}

func TestFilterIsIdempotentAndMonotone(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	// again filters what families returned once more.
	again := func(v any, allowed Clusters) {
		switch v := v.(type) {
		case *AccountContact:
			FilterAccountContact(v, allowed)
		case *Customer:
			FilterCustomer(v, allowed, everyAccount)
		case *PaymentNetwork:
			FilterPaymentNetwork(v, allowed)
		case *AssetTransferNetwork:
			FilterAssetTransferNetwork(v, allowed)
		case *Statement:
			FilterStatement(v, allowed)
		case *RewardProgram:
			FilterRewardProgram(v, allowed, everyAccount)
		case *RewardCategory:
			FilterRewardCategory(v, allowed)
		case Account:
			FilterAccount(&v, allowed) // what it points to is shared with v
		case Transaction:
			FilterTransaction(&v, allowed)
		default:
			t.Fatalf("no filter for %T", v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		for range 100 {
			some := Clusters(r.Uint32()) & allClusters
			more := some.Union(Clusters(r.Uint32()) & allClusters)
			v := families[name](some)
			once := paths(t, v)
			again(v, more)
			if got := paths(t, v); !slices.Equal(got, once) {
				t.Errorf("%s: %v then %v: got %v, want %v", name, some.Names(), more.Names(), got, once)
			}
			larger := paths(t, families[name](more))
			for _, path := range once {
				if !slices.Contains(larger, path) {
					t.Errorf("%s: %v shows %s and %v does not", name, some.Names(), path, more.Names())
				}
			}
		}
	}
}

func TestEntitiesAreSortedAndComplete(t *testing.T) {
	t.Parallel()
	list := Entities()
	byName := func(a, b Entity) int { return strings.Compare(a.Name, b.Name) }
	byPath := func(a, b Field) int { return strings.Compare(a.Path, b.Path) }
	if !slices.IsSortedFunc(list, byName) {
		t.Error("entities are not sorted")
	}
	names := map[string]bool{}
	for _, e := range list {
		if names[e.Name] {
			t.Errorf("%s twice", e.Name)
		}
		names[e.Name] = true
		if !slices.IsSortedFunc(e.Fields, byPath) || len(e.Fields) == 0 {
			t.Errorf("fields of %s are not sorted or none", e.Name)
		}
		if clustered := families[e.Name] != nil; clustered == e.Needs.Empty() {
			t.Errorf("%s needs %v", e.Name, e.Needs.Names())
		}
		for i, f := range e.Fields {
			if i > 0 && f.Path == e.Fields[i-1].Path {
				t.Errorf("%s.%s twice", e.Name, f.Path)
			}
			if f.Always != f.Clusters.Empty() {
				t.Errorf("%s.%s: always %v and clusters %v", e.Name, f.Path, f.Always, f.Clusters.Names())
			}
			if f.Always && families[e.Name] != nil && f.Path != "accountCategory" {
				t.Errorf("%s.%s leaves without a cluster", e.Name, f.Path)
			}
		}
	}
	for name := range families {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
	list[0].Fields[0].Path = "changed"
	if Entities()[0].Fields[0].Path == "changed" {
		t.Error("the caller does not own the map")
	}
}

// beside are the exported types with JSON members that are in no entity: the
// lists around entities, whose members are the page, the links and the
// entities themselves, and the body of a request, which never leaves.
var beside = []string{
	"AccountsAnswer", "TransactionsAnswer", "PaymentNetworksAnswer", "AssetTransferNetworksAnswer", "StatementsAnswer",
	"RewardProgramsAnswer", "RewardCategoriesAnswer", "CustomersAnswer", "ConsentsAnswer", "ConsentRevocationsAnswer",
	"AvailabilityAnswer", "CertificationMetricsAnswer", "NotificationsAnswer", "ConsentRevocationRequest",
	"ErasureRequest", "ErasureRequestsAnswer", "ErasureReply", // a consent and times, nothing of its data
}

// TestEveryExportedMemberIsInTheMapOrMarked reads the source of the package,
// so that a type that nobody thought of shows too.
func TestEveryExportedMemberIsInTheMapOrMarked(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	var visit func(typ reflect.Type)
	visit = func(typ reflect.Type) {
		if typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || known[typ.Name()] {
			return
		}
		known[typ.Name()] = true
		for i := range typ.NumField() {
			visit(typ.Field(i).Type)
		}
	}
	for _, e := range entities {
		visit(e)
	}
	for _, u := range unclustered {
		visit(u.entity)
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	types := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			body, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range body.Fields.List {
				if field.Tag == nil || !strings.Contains(field.Tag.Value, "json:") {
					continue
				}
				types++
				if !known[spec.Name.Name] && !slices.Contains(beside, spec.Name.Name) {
					t.Errorf("%s: %s is in no entity", f.Name(), spec.Name.Name)
				}
				break
			}
			return true
		})
	}
	if types < 70 {
		t.Errorf("only %d types found", types)
	}
}

func TestCustomersShowNoForeignAccountAndNoFullTaxID(t *testing.T) {
	t.Parallel()
	granted := func(id AccountID) bool { return id == "mine" }
	all := NewClusters(AllClusters()...)
	c := Customer{
		CustomerID: "c", TaxID: "123-45-6789",
		Accounts: []CustomerAccount{{AccountID: "mine"}, {AccountID: "other"}, {}},
	}
	FilterCustomer(&c, all, granted)
	if len(c.Accounts) != 1 || c.Accounts[0].AccountID != "mine" {
		t.Errorf("accounts are %v", c.Accounts)
	}
	if c.TaxID != "*******6789" {
		t.Errorf("tax id is %s", c.TaxID)
	}
	FilterCustomer(&c, all, func(AccountID) bool { return false })
	if len(c.Accounts) != 0 || c.TaxID != "*******6789" {
		t.Errorf("accounts are %v, tax id is %s", c.Accounts, c.TaxID)
	}
	for in, want := range map[string]string{"": "", "1": "*", "6789": "****", "56789": "*6789", "äöü-äöü": "***-äöü"} {
		c := Customer{TaxID: in}
		FilterCustomer(&c, all, granted)
		if c.TaxID != want {
			t.Errorf("%s: got %s, want %s", in, c.TaxID, want)
		}
	}
	c = Customer{CustomerID: "c", TaxID: "123-45-6789", Emails: []string{"e"}}
	FilterCustomer(&c, NewClusters(Transactions, AccountDetailed, Rewards), granted)
	if !reflect.DeepEqual(c, Customer{}) {
		t.Errorf("left: %+v", c)
	}
}

func TestRewardProgramsShowNoForeignAccount(t *testing.T) {
	t.Parallel()
	p := RewardProgram{RewardProgramID: "p", Memberships: []RewardMembership{
		{MemberID: "mixed", AccountIDs: []AccountID{"other", "mine"}},
		{MemberID: "foreign", AccountIDs: []AccountID{"other"}},
		{MemberID: "none"},
	}}
	FilterRewardProgram(&p, NewClusters(Rewards), func(id AccountID) bool { return id == "mine" })
	want := RewardProgram{RewardProgramID: "p", Memberships: []RewardMembership{
		{MemberID: "mixed", AccountIDs: []AccountID{"mine"}},
	}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v", p)
	}
}

// The most important claims on the families besides accounts and plain
// transactions, a second time and independent of the table.
func TestFamilyClaims(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		claim   string
		family  string
		allowed Clusters
		present []string
		absent  []string
	}{
		{
			"TRANSACTIONS shows the payee and no reward, image or link", "DepositTransaction", NewClusters(Transactions),
			[]string{"amount", "memo", "transactionPayee.merchantName", "transactionPayee.phone.number", "lineItem[].amount"},
			[]string{"reward.accrued", "imageIds[]", "links[].href", "lineItem[].imageIds[]", "lineItem[].links[].href"},
		},
		{
			"IMAGES adds images and their links", "DepositTransaction", NewClusters(Transactions, Images),
			[]string{"amount", "imageIds[]", "links[].href", "lineItem[].imageIds[]"},
			[]string{"reward.accrued"},
		},
		{
			"REWARDS adds the reward", "BuyNowPayLaterTransaction", NewClusters(Transactions, Rewards),
			[]string{"amount", "reward.accrued"},
			[]string{"imageIds[]", "links[].href"},
		},
		{
			"IMAGES and REWARDS alone show no transaction", "DepositTransaction", NewClusters(Images, Rewards, Investments, AccountDetailed),
			nil, []string{"accountCategory", "transactionId", "imageIds[]", "reward.accrued"},
		},
		{
			"ACCOUNT_BASIC shows no premium", "InsuranceAccount", NewClusters(AccountBasic),
			[]string{"accountId", "accountType", "description"},
			[]string{"policyPremium", "policyCoverageAmount", "bills[].dueDate"},
		},
		{
			"BILLS shows the bills of a policy and no coverage", "InsuranceAccount", NewClusters(Bills),
			[]string{"accountId", "bills[].dueDate"},
			[]string{"policyPremium", "policyCoverageAmount", "nickname"},
		},
		{
			"BALANCES shows no surrender value", "AnnuityAccount", NewClusters(Balances),
			[]string{"accountId"}, []string{"surrenderValue", "payoutAmount", "accountType"},
		},
		{
			"BALANCES shows the balance of a wallet and no yield", "DigitalWalletAccount", NewClusters(Balances),
			[]string{"currentBalance", "availableBalance"}, []string{"annualPercentageYield", "earnedInterest.rate"},
		},
		{
			"BALANCES shows what is owed and no credit line", "BuyNowPayLaterAccount", NewClusters(Balances),
			[]string{"currentBalance", "availableCredit"}, []string{"creditLine", "financeCharges"},
		},
		{
			"CUSTOMER_CONTACT shows no birthday, no id and no tax id", "Customer", NewClusters(CustomerContact),
			[]string{"customerId", "name.last", "emails[]", "addresses[].line1", "telephones[].number", "accounts[].relationship"},
			[]string{"dateOfBirth", "governmentId", "taxId", "taxIdCountry", "businessCustomer.registeredId"},
		},
		{
			"CUSTOMER_PERSONAL shows the contact too", "Customer", NewClusters(CustomerPersonal),
			[]string{"dateOfBirth", "governmentId", "taxId", "emails[]"}, nil,
		},
		{
			"SOCIAL_SECURITY_NUMBER shows the tax id alone", "Customer", NewClusters(SocialSecurityNumber),
			[]string{"customerId", "taxId", "taxIdCountry"},
			[]string{"dateOfBirth", "governmentId", "name.last", "emails[]", "accounts[].accountId"},
		},
		{
			"account clusters show no contact", "AccountContact", NewClusters(AccountDetailed, Transactions, PaymentSupport, SocialSecurityNumber, Statements, Images),
			nil, []string{"holders[].name.last", "emails[]", "addresses[].line1", "telephones[].number"},
		},
		{
			"ACCOUNT_DETAILED and CUSTOMER_PERSONAL show no account number", "PaymentNetwork", NewClusters(AccountDetailed, CustomerPersonal, Transactions, Transfers),
			nil, []string{"identifier", "bankId", "type"},
		},
		{
			"PAYMENT_SUPPORT shows the number and the limits", "PaymentNetwork", NewClusters(PaymentSupport),
			[]string{"identifier", "bankId", "transferLimits.in.day.remainingOccurrence", "transferLimits.out.transaction.transferMaxAmount"}, nil,
		},
		{
			"PAYMENT_SUPPORT shows asset transfers", "AssetTransferNetwork", NewClusters(PaymentSupport),
			[]string{"identifier", "institutionId"}, nil,
		},
		{
			"INVESTMENTS shows no asset transfers", "AssetTransferNetwork", NewClusters(Investments, AccountDetailed),
			nil, []string{"identifier", "institutionId"},
		},
		{
			"STATEMENTS shows statements with their links", "Statement", NewClusters(Statements),
			[]string{"statementId", "links[].href"}, nil,
		},
		{
			"IMAGES and TRANSACTIONS show no statement", "Statement", NewClusters(Images, Transactions, AccountDetailed, CustomerContact),
			nil, []string{"statementId", "links[].href"},
		},
		{
			"REWARDS shows balances and no customer", "RewardProgram", NewClusters(Rewards),
			[]string{"rewardProgramId", "memberships[].balances[].balance", "memberships[].accountIds[]"},
			[]string{"memberships[].customerId"},
		},
		{
			"ACCOUNT_DETAILED shows no rewards", "RewardProgram", NewClusters(AccountDetailed, CustomerPersonal, Balances),
			nil, []string{"rewardProgramId", "memberships[].customerId"},
		},
	} {
		left := paths(t, families[row.family](row.allowed))
		for _, path := range row.present {
			if !slices.Contains(left, path) {
				t.Errorf("%s: %s is missing", row.claim, path)
			}
		}
		for _, path := range row.absent {
			if slices.Contains(left, path) {
				t.Errorf("%s: %s leaks", row.claim, path)
			}
		}
	}
}
