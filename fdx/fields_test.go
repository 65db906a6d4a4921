package fdx

import (
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// families are the entities that leave by way of a filter: one filled value
// and its filter for each. A new one belongs here, into the plans, into the
// table of Entities and into its filter.
var families = map[string]func(Clusters) any{
	"DepositAccount":        account(func(a *Account) { a.Deposit = filled[DepositAccount]() }),
	"LineOfCreditAccount":   account(func(a *Account) { a.LineOfCredit = filled[LineOfCreditAccount]() }),
	"LoanAccount":           account(func(a *Account) { a.Loan = filled[LoanAccount]() }),
	"InvestmentAccount":     account(func(a *Account) { a.Investment = filled[InvestmentAccount]() }),
	"AnnuityAccount":        account(func(a *Account) { a.Annuity = filled[AnnuityAccount]() }),
	"InsuranceAccount":      account(func(a *Account) { a.Insurance = filled[InsuranceAccount]() }),
	"CommercialAccount":     account(func(a *Account) { a.Commercial = filled[CommercialAccount]() }),
	"DigitalWalletAccount":  account(func(a *Account) { a.DigitalWallet = filled[DigitalWalletAccount]() }),
	"BuyNowPayLaterAccount": account(func(a *Account) { a.BuyNowPayLater = filled[BuyNowPayLaterAccount]() }),

	"DepositTransaction":        transaction(func(t *Transaction) { t.Deposit = filled[DepositTransaction]() }),
	"LineOfCreditTransaction":   transaction(func(t *Transaction) { t.LineOfCredit = filled[LineOfCreditTransaction]() }),
	"LoanTransaction":           transaction(func(t *Transaction) { t.Loan = filled[LoanTransaction]() }),
	"InvestmentTransaction":     transaction(func(t *Transaction) { t.Investment = filled[InvestmentTransaction]() }),
	"AnnuityTransaction":        transaction(func(t *Transaction) { t.Annuity = filled[AnnuityTransaction]() }),
	"InsuranceTransaction":      transaction(func(t *Transaction) { t.Insurance = filled[InsuranceTransaction]() }),
	"CommercialTransaction":     transaction(func(t *Transaction) { t.Commercial = filled[CommercialTransaction]() }),
	"DigitalWalletTransaction":  transaction(func(t *Transaction) { t.DigitalWallet = filled[DigitalWalletTransaction]() }),
	"BuyNowPayLaterTransaction": transaction(func(t *Transaction) { t.BuyNowPayLater = filled[BuyNowPayLaterTransaction]() }),

	"AccountContact":       entity(FilterAccountContact),
	"Customer":             entity(func(c *Customer, allowed Clusters) { FilterCustomer(c, allowed, everyAccount) }),
	"PaymentNetwork":       entity(FilterPaymentNetwork),
	"AssetTransferNetwork": entity(FilterAssetTransferNetwork),
	"Statement":            entity(FilterStatement),
	"RewardProgram":        entity(func(p *RewardProgram, allowed Clusters) { FilterRewardProgram(p, allowed, everyAccount) }),
	"RewardCategory":       entity(FilterRewardCategory),
}

func everyAccount(AccountID) bool { return true }

func account(set func(*Account)) func(Clusters) any {
	return func(allowed Clusters) any {
		var a Account
		set(&a)
		FilterAccount(&a, allowed)
		return a
	}
}

func transaction(set func(*Transaction)) func(Clusters) any {
	return func(allowed Clusters) any {
		var t Transaction
		set(&t)
		FilterTransaction(&t, allowed)
		return t
	}
}

func entity[T any](filter func(*T, Clusters)) func(Clusters) any {
	return func(allowed Clusters) any {
		v := filled[T]()
		filter(v, allowed)
		return v
	}
}

// entities are the Go types of the families.
var entities = []reflect.Type{
	reflect.TypeFor[AccountContact](), reflect.TypeFor[Customer](), reflect.TypeFor[PaymentNetwork](),
	reflect.TypeFor[AssetTransferNetwork](), reflect.TypeFor[Statement](), reflect.TypeFor[RewardProgram](),
	reflect.TypeFor[RewardCategory](),
	reflect.TypeFor[DepositAccount](), reflect.TypeFor[LineOfCreditAccount](), reflect.TypeFor[LoanAccount](),
	reflect.TypeFor[InvestmentAccount](), reflect.TypeFor[AnnuityAccount](), reflect.TypeFor[InsuranceAccount](),
	reflect.TypeFor[CommercialAccount](), reflect.TypeFor[DigitalWalletAccount](), reflect.TypeFor[BuyNowPayLaterAccount](),
	reflect.TypeFor[DepositTransaction](), reflect.TypeFor[LineOfCreditTransaction](), reflect.TypeFor[LoanTransaction](),
	reflect.TypeFor[InvestmentTransaction](), reflect.TypeFor[AnnuityTransaction](), reflect.TypeFor[InsuranceTransaction](),
	reflect.TypeFor[CommercialTransaction](), reflect.TypeFor[DigitalWalletTransaction](), reflect.TypeFor[BuyNowPayLaterTransaction](),
}

func TestEveryCategoryIsAnEntity(t *testing.T) {
	t.Parallel()
	for _, holder := range []reflect.Type{reflect.TypeFor[Account](), reflect.TypeFor[Transaction]()} {
		for i := range holder.NumField() {
			f := holder.Field(i)
			if !slices.Contains(entities, f.Type.Elem()) {
				t.Errorf("%s.%s is not tested", holder.Name(), f.Name)
			}
		}
	}
	for _, entity := range entities {
		if families[entity.Name()] == nil {
			t.Errorf("%s is not tested", entity.Name())
		}
	}
	if len(families) != len(entities) {
		t.Errorf("%d families and %d entities", len(families), len(entities))
	}
}

// walk calls visit for every JSON field reachable from the struct type t.
func walk(t reflect.Type, visit func(row string, f reflect.StructField)) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			walk(f.Type, visit)
			continue
		}
		visit(t.Name()+"."+jsonName(f), f)
		held := f.Type
		if held.Kind() == reflect.Slice || held.Kind() == reflect.Pointer {
			held = held.Elem()
		}
		if held.Kind() == reflect.Struct && !scalar(held) {
			walk(held, visit)
		}
	}
}

func TestEveryFieldHasARowAndEveryRowAField(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, entity := range entities {
		walk(entity, func(row string, f reflect.StructField) {
			seen[row] = true
			clusters, ok := fieldClusters[row]
			switch {
			case !ok:
				t.Errorf("%s has no row", row)
			case clusters.Empty():
				t.Errorf("%s has a row that names no cluster", row)
			}
			tag := f.Tag.Get("json")
			if !strings.HasSuffix(tag, ",omitzero") && !strings.HasSuffix(tag, ",omitempty") {
				t.Errorf("%s would leave as a zero value when it is cleared", row)
			}
		})
	}
	for row := range fieldClusters {
		if !seen[row] {
			t.Errorf("row %s names no field", row)
		}
	}
}

func TestNoFieldIsBeyondTheFilter(t *testing.T) {
	t.Parallel()
	var check func(entity string, p plan)
	check = func(entity string, p plan) {
		for _, s := range p {
			if !s.embedded && s.clusters.Empty() {
				t.Errorf("field %d of %s never leaves", s.index, entity)
			}
			check(entity, s.below)
		}
	}
	for _, entity := range entities {
		check(entity.Name(), compile(entity, fieldClusters))
	}
}

// fill sets every field below v to something other than its zero value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		switch v.Interface().(type) {
		case Decimal:
			v.Set(reflect.ValueOf(NewDecimal(100, 2)))
		case Date:
			v.Set(reflect.ValueOf(Date{2024, 5, 14}))
		case Timestamp:
			v.Set(reflect.ValueOf(TimestampOf(time.Unix(1715680800, 0))))
		default:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		}
	default:
		panic("fill: unexpected " + v.Kind().String())
	}
}

func filled[T any]() *T {
	v := new(T)
	fill(reflect.ValueOf(v).Elem())
	return v
}

func filledAccounts() []Account {
	return []Account{
		{Deposit: filled[DepositAccount]()},
		{LineOfCredit: filled[LineOfCreditAccount]()},
		{Loan: filled[LoanAccount]()},
		{Investment: filled[InvestmentAccount]()},
		{Annuity: filled[AnnuityAccount]()},
		{Insurance: filled[InsuranceAccount]()},
		{Commercial: filled[CommercialAccount]()},
		{DigitalWallet: filled[DigitalWalletAccount]()},
		{BuyNowPayLater: filled[BuyNowPayLaterAccount]()},
	}
}

func filledTransactions() []Transaction {
	return []Transaction{
		{Deposit: filled[DepositTransaction]()},
		{LineOfCredit: filled[LineOfCreditTransaction]()},
		{Loan: filled[LoanTransaction]()},
		{Investment: filled[InvestmentTransaction]()},
		{Annuity: filled[AnnuityTransaction]()},
		{Insurance: filled[InsuranceTransaction]()},
		{Commercial: filled[CommercialTransaction]()},
		{DigitalWallet: filled[DigitalWalletTransaction]()},
		{BuyNowPayLater: filled[BuyNowPayLaterTransaction]()},
	}
}

// paths returns the sorted paths of all values in the JSON of v.
func paths(t *testing.T, v any) []string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		if !errors.Is(err, ErrInvalidAccount) && !errors.Is(err, ErrInvalidTransaction) {
			t.Fatal(err)
		}
		return nil
	}
	var decoded any
	if err := json.Unmarshal(data, &decoded); err != nil {
		t.Fatal(err)
	}
	var list []string
	var visit func(path string, v any)
	visit = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, below := range v {
				visit(path+"."+name, below)
			}
		case []any:
			for _, below := range v {
				visit(path+"[]", below)
			}
		default:
			list = append(list, strings.TrimPrefix(path, "."))
		}
	}
	visit("", decoded)
	slices.Sort(list)
	return slices.Compact(list)
}

// TestWhatEachClusterLetsThrough compares the whole effect of the table, for
// each cluster alone and for the pairs that add up to more than their parts,
// with a file that a reviewer can read: a change of the table shows as a
// change of that file, which go test ./fdx -update rewrites.
func TestWhatEachClusterLetsThrough(t *testing.T) {
	t.Parallel()
	sets := []Clusters{0}
	for _, c := range AllClusters() {
		sets = append(sets, NewClusters(c))
	}
	var b strings.Builder
	b.WriteString("What a set of clusters lets through, by entity. Sets not listed let nothing through.\n")
	write := func(claim, entity string, paths []string) {
		if len(paths) > 0 {
			b.WriteString("\n" + claim + ": " + entity + "\n  " + strings.Join(paths, "\n  ") + "\n")
		}
	}
	names := slices.Sorted(maps.Keys(families))
	for _, set := range sets {
		for _, name := range names {
			write(strings.Join(set.Names(), " "), name, paths(t, families[name](set)))
		}
	}
	for _, pair := range [][2]Cluster{
		{Transactions, Images}, {Transactions, Investments}, {Transactions, Rewards}, {CustomerContact, Rewards},
	} {
		for _, name := range names {
			one, other := paths(t, families[name](NewClusters(pair[0]))), paths(t, families[name](NewClusters(pair[1])))
			both := paths(t, families[name](NewClusters(pair[:]...)))
			more := slices.DeleteFunc(both, func(path string) bool {
				return slices.Contains(one, path) || slices.Contains(other, path)
			})
			write(pair[0].String()+" with "+pair[1].String()+" also", name, more)
		}
	}
	const path = "testdata/filter.txt"
	if f := flag.Lookup("update"); f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s differs; got:\n%s", path, b.String())
	}
}

// The most important claims a second time, independent of the table.
func TestFilterClaims(t *testing.T) {
	t.Parallel()
	deposit := func() Account { return Account{Deposit: filled[DepositAccount]()} }
	card := func() Account { return Account{LineOfCredit: filled[LineOfCreditAccount]()} }
	loan := func() Account { return Account{Loan: filled[LoanAccount]()} }
	investment := func() Account { return Account{Investment: filled[InvestmentAccount]()} }
	for _, row := range []struct {
		claim   string
		account func() Account
		allowed Clusters
		present []string
		absent  []string
	}{
		{
			"ACCOUNT_BASIC shows the descriptor and no money", deposit, NewClusters(AccountBasic),
			[]string{"accountId", "accountType", "nickname", "accountNumberDisplay", "currency.currencyCode"},
			[]string{"currentBalance", "availableBalance", "earnedInterest.rate", "overdrafted"},
		},
		{
			"ACCOUNT_DETAILED shows the descriptor too", card, NewClusters(AccountDetailed),
			[]string{"accountId", "nickname", "currentBalance", "creditLine", "purchasesApr", "nextPaymentDate"},
			[]string{"bills[].totalPaymentDue", "scheduledPayments[].amount", "minimumPaymentAmount", "lastStmtBalance", "pastDueAmount"},
		},
		{
			"ACCOUNT_DETAILED shows no holdings", investment, NewClusters(AccountDetailed),
			[]string{"currentValue", "availableCashBalance"},
			[]string{"holdings[].symbol", "holdings[].marketValue"},
		},
		{
			"BALANCES shows balances and neither names nor rates", loan, NewClusters(Balances),
			[]string{"accountId", "currency.currencyCode", "principalBalance", "escrowBalance", "balanceAsOf"},
			[]string{"nickname", "productName", "accountNumberDisplay", "interestRate", "originalPrincipal", "nextPaymentAmount"},
		},
		{
			"BILLS shows what is due and no balance", card, NewClusters(Bills),
			[]string{"accountId", "bills[].dueDate", "minimumPaymentAmount", "nextPaymentAmount", "lastStmtBalance"},
			[]string{"currentBalance", "availableCredit", "creditLine", "scheduledPayments[].amount", "nickname"},
		},
		{
			"SCHEDULED_PAYMENTS shows these alone", card, NewClusters(ScheduledPayments),
			[]string{"accountId", "scheduledPayments[].amount"},
			[]string{"bills[].dueDate", "currentBalance", "nextPaymentAmount"},
		},
		{
			"INVESTMENTS shows holdings and no balance", investment, NewClusters(Investments),
			[]string{"accountId", "holdings[].symbol", "holdings[].taxLots[].costBasis", "holdings[].securityIds[].id"},
			[]string{"currentValue", "availableCashBalance", "nickname"},
		},
	} {
		a := row.account()
		FilterAccount(&a, row.allowed)
		left := paths(t, a)
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

func TestASetShowsWhatItsClustersShowAndNoMore(t *testing.T) {
	t.Parallel()
	clusters := []Cluster{AccountBasic, AccountDetailed, Balances, Bills, Investments, ScheduledPayments}
	for kind := range filledAccounts() {
		single := map[Cluster][]string{}
		for _, c := range clusters {
			a := filledAccounts()[kind]
			FilterAccount(&a, NewClusters(c))
			single[c] = paths(t, a)
		}
		for bits := range 1 << len(clusters) {
			var set Clusters
			var want []string
			for i, c := range clusters {
				if bits&(1<<i) != 0 {
					set = set.With(c)
					want = append(want, single[c]...)
				}
			}
			slices.Sort(want)
			want = slices.Compact(want)
			a := filledAccounts()[kind]
			FilterAccount(&a, set)
			if left := paths(t, a); !slices.Equal(left, want) {
				t.Errorf("%v: got %v, want %v", set.Names(), left, want)
			}
		}
	}
}

func TestOtherClustersShowNothingOfAnAccount(t *testing.T) {
	t.Parallel()
	others := NewClusters(AllClusters()...).Without(NewClusters(AccountBasic, AccountDetailed, Balances, Bills, Investments, ScheduledPayments))
	for _, set := range []Clusters{0, others, 1 << 31} {
		for _, a := range filledAccounts() {
			category := a.Category()
			FilterAccount(&a, set)
			if out, err := json.Marshal(a); !errors.Is(err, ErrInvalidAccount) {
				t.Errorf("%v of %s: %s, %v", set.Names(), category, out, err)
			}
			zeroed := reflect.ValueOf(a)
			for i := range zeroed.NumField() {
				if f := zeroed.Field(i); !f.IsNil() && !f.Elem().IsZero() {
					t.Errorf("%v of %s: something is left: %+v", set.Names(), category, f.Elem())
				}
			}
		}
	}
}

func TestTransactionsNeedTheirCluster(t *testing.T) {
	t.Parallel()
	for _, tx := range filledTransactions() {
		category := tx.Category()
		FilterTransaction(&tx, NewClusters(AllClusters()...).Without(NewClusters(Transactions)))
		if tx != (Transaction{}) {
			t.Errorf("%s: something is left", category)
		}
	}
	plain := Transaction{Investment: filled[InvestmentTransaction]()}
	FilterTransaction(&plain, NewClusters(Transactions))
	if in := plain.Investment; in.Symbol != "" || in.Units.Present() || in.SecurityID != "" || !in.Fees.Present() || !in.Amount.Present() {
		t.Errorf("TRANSACTIONS alone leaves %+v", in)
	}
	both := Transaction{Investment: filled[InvestmentTransaction]()}
	FilterTransaction(&both, NewClusters(Transactions, Investments, Images, Rewards))
	if !reflect.DeepEqual(both.Investment, filled[InvestmentTransaction]()) {
		t.Errorf("TRANSACTIONS, INVESTMENTS, IMAGES and REWARDS leave %+v", both.Investment)
	}
}

func TestAllClustersKeepAllFields(t *testing.T) {
	t.Parallel()
	all := NewClusters(AllClusters()...)
	fresh := filledAccounts()
	for i, a := range filledAccounts() {
		FilterAccount(&a, all)
		if !reflect.DeepEqual(a, fresh[i]) {
			t.Errorf("%s lost something", a.Category())
		}
	}
}

func TestAnAccountOfSeveralCategoriesIsFilteredInAll(t *testing.T) {
	t.Parallel()
	a := Account{Deposit: filled[DepositAccount](), Loan: filled[LoanAccount]()}
	FilterAccount(&a, NewClusters(AccountBasic))
	if a.Deposit.CurrentBalance.Present() || a.Loan.PrincipalBalance.Present() {
		t.Error("a category escaped")
	}
	tx := Transaction{Deposit: filled[DepositTransaction](), Investment: filled[InvestmentTransaction]()}
	FilterTransaction(&tx, NewClusters(Transactions))
	if tx.Investment.Symbol != "" {
		t.Error("a category escaped")
	}
}

// Types to show what compile does with shapes the entities do not have yet.
type (
	outer struct {
		inner
		Kept     string            `json:"kept,omitzero"`
		Rowless  string            `json:"rowless,omitzero"`
		Untagged string            // leaves as "Untagged"
		Hidden   string            `json:"-"`
		Map      map[string]string `json:"map,omitempty"`
		Any      any               `json:"any,omitempty"`
		Pointer  *part             `json:"pointer,omitempty"`
		Emptied  *shut             `json:"emptied,omitempty"`
		Pointers []*part           `json:"pointers,omitempty"`
		Lists    [][]part          `json:"lists,omitempty"`
		Part     part              `json:"part,omitzero"`
		Parts    []part            `json:"parts,omitempty"`
		Words    []string          `json:"words,omitempty"`
	}
	inner struct {
		Shown string `json:"shown,omitzero"`
		Shut  string `json:"shut,omitzero"`
	}
	shut struct {
		Closed string `json:"closed,omitzero"`
	}
	part struct {
		Open   string `json:"open,omitzero"`
		Closed string `json:"closed,omitzero"`
	}
)

func TestFilterGoesToTheBottom(t *testing.T) {
	t.Parallel()
	yes, no := NewClusters(Balances), NewClusters(Tax)
	rows := map[string]Clusters{
		"outer.kept": yes, "outer.part": yes, "outer.parts": yes, "outer.words": yes,
		"outer.map": yes, "outer.any": yes, "outer.pointer": yes, "outer.emptied": yes, "outer.pointers": yes, "outer.lists": yes,
		"inner.shown": yes, "inner.shut": no,
		"part.open": yes, "part.closed": no, "shut.closed": no,
	}
	p, q := part{"open", "closed"}, part{"open", "closed"}
	v := outer{
		inner: inner{"shown", "shut"}, Kept: "kept", Rowless: "rowless", Untagged: "untagged", Hidden: "hidden",
		Map: map[string]string{"a": "b"}, Any: p, Pointer: &q, Emptied: &shut{"closed"}, Pointers: []*part{&p}, Lists: [][]part{{p}},
		Part: p, Parts: []part{p, p}, Words: []string{"a"},
	}
	compile(reflect.TypeFor[outer](), rows).apply(reflect.ValueOf(&v).Elem(), yes)
	left := part{Open: "open"}
	want := outer{
		inner: inner{Shown: "shown"}, Kept: "kept", Hidden: "hidden", Pointer: &left,
		Part: left, Parts: []part{left, left}, Words: []string{"a"},
	}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got %+v", v)
	}
}

// Not parallel: other tests' allocations would count.
func TestFilterDoesNotAllocate(t *testing.T) {
	a := Account{LineOfCredit: filled[LineOfCreditAccount]()}
	tx := Transaction{Deposit: filled[DepositTransaction]()}
	allowed := NewClusters(AccountDetailed, Bills, Transactions)
	if n := testing.AllocsPerRun(100, func() {
		FilterAccount(&a, allowed)
		FilterTransaction(&tx, allowed)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
