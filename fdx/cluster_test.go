package fdx_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
)

// wireClusters states the names and scopes a second time, so that a slip in
// the tables shows.
var wireClusters = []struct {
	cluster fdx.Cluster
	name    string
	scope   fdx.Scope
}{
	{fdx.AccountBasic, "ACCOUNT_BASIC", "fdx:accountbasic:read"},
	{fdx.AccountDetailed, "ACCOUNT_DETAILED", "fdx:accountdetailed:read"},
	{fdx.Balances, "BALANCES", "fdx:balances:read"},
	{fdx.Bills, "BILLS", "fdx:bills:read"},
	{fdx.CustomerContact, "CUSTOMER_CONTACT", "fdx:customercontact:read"},
	{fdx.CustomerPersonal, "CUSTOMER_PERSONAL", "fdx:customerpersonal:read"},
	{fdx.Images, "IMAGES", "fdx:images:read"},
	{fdx.Investments, "INVESTMENTS", "fdx:investments:read"},
	{fdx.PaymentSupport, "PAYMENT_SUPPORT", "fdx:paymentsupport:read"},
	{fdx.Rewards, "REWARDS", "fdx:rewards:read"},
	{fdx.ScheduledPayments, "SCHEDULED_PAYMENTS", "fdx:scheduledpayments:read"},
	{fdx.SocialSecurityNumber, "SOCIAL_SECURITY_NUMBER", "fdx:socialsecurity:read"},
	{fdx.Statements, "STATEMENTS", "fdx:statements:read"},
	{fdx.Tax, "TAX", "fdx:tax:read"},
	{fdx.TermsAndConditions, "TERMS_AND_CONDITIONS", "fdx:termsconditions:read"},
	{fdx.Transactions, "TRANSACTIONS", "fdx:transactions:read"},
	{fdx.Transfers, "TRANSFERS", "fdx:transfers:read"},
}

func TestEveryClusterHasItsWireName(t *testing.T) {
	t.Parallel()
	var all []fdx.Cluster
	for _, row := range wireClusters {
		all = append(all, row.cluster)
		if got := row.cluster.String(); got != row.name {
			t.Errorf("name is %q, want %q", got, row.name)
		}
		if got, err := fdx.ParseCluster(row.name); err != nil || got != row.cluster {
			t.Errorf("ParseCluster(%q) = %v, %v", row.name, got, err)
		}
	}
	if got := fdx.AllClusters(); !slices.Equal(got, all) {
		t.Errorf("AllClusters() = %v", got)
	}
}

func TestParseClusterRefuses(t *testing.T) {
	t.Parallel()
	for claim, name := range map[string]string{
		"nothing":           "",
		"another case":      "balances",
		"a space":           "BALANCES ",
		"a scope":           "fdx:balances:read",
		"a truncated name":  "BALANCE",
		"an unknown name":   "NOTIFICATIONS",
		"two names at once": "BALANCES,BILLS",
	} {
		if c, err := fdx.ParseCluster(name); !errors.Is(err, fdx.ErrUnknownCluster) || c != 0 {
			t.Errorf("%s: got %v, %v", claim, c, err)
		}
	}
}

func TestDeprecatedNameIsPaymentSupport(t *testing.T) {
	t.Parallel()
	c, err := fdx.ParseCluster("ACCOUNT_PAYMENTS")
	if err != nil || c != fdx.PaymentSupport || c.String() != "PAYMENT_SUPPORT" {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestWhatIsNoClusterPermitsNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []fdx.Cluster{0, 18, 32, 33, 255} {
		if s := fdx.NewClusters(c); s != 0 || s.With(c) != 0 || fdx.NewClusters(fdx.AllClusters()...).Has(c) {
			t.Errorf("Cluster(%d) counts as a cluster", uint8(c))
		}
		if c.String() != "" || c.Scope() != "" {
			t.Errorf("Cluster(%d) has a name", uint8(c))
		}
		if _, err := c.MarshalText(); !errors.Is(err, fdx.ErrUnknownCluster) {
			t.Errorf("Cluster(%d) marshals: %v", uint8(c), err)
		}
	}
	// Bits that stand for no cluster, such as from a corrupt store.
	stray := fdx.Clusters(1 << 31)
	if !stray.Empty() || stray.List() != nil || stray.Names() != nil {
		t.Errorf("a stray bit counts: %v", stray.Names())
	}
}

func TestClustersAreASet(t *testing.T) {
	t.Parallel()
	a := fdx.NewClusters(fdx.Transactions, fdx.Balances, fdx.Balances)
	b := fdx.NewClusters(fdx.Balances, fdx.Bills)
	for claim, row := range map[string]struct{ got, want []fdx.Cluster }{
		"list is in declared order": {a.List(), []fdx.Cluster{fdx.Balances, fdx.Transactions}},
		"union holds both":          {a.Union(b).List(), []fdx.Cluster{fdx.Balances, fdx.Bills, fdx.Transactions}},
		"intersection holds shared": {a.Intersect(b).List(), []fdx.Cluster{fdx.Balances}},
		"without removes":           {a.Without(b).List(), []fdx.Cluster{fdx.Transactions}},
		"with adds":                 {a.With(fdx.Tax).List(), []fdx.Cluster{fdx.Balances, fdx.Tax, fdx.Transactions}},
		"with leaves the original":  {a.List(), []fdx.Cluster{fdx.Balances, fdx.Transactions}},
		"the zero value is empty":   {fdx.Clusters(0).List(), nil},
	} {
		if !slices.Equal(row.got, row.want) {
			t.Errorf("%s: got %v, want %v", claim, row.got, row.want)
		}
	}
	if a.Empty() || !fdx.Clusters(0).Empty() {
		t.Error("Empty is wrong")
	}
	if !a.Has(fdx.Balances) || a.Has(fdx.Bills) {
		t.Error("Has is wrong")
	}
}

func TestOnlyTwoClustersImplyAnything(t *testing.T) {
	t.Parallel()
	implied := map[fdx.Cluster]fdx.Cluster{
		fdx.AccountDetailed:  fdx.AccountBasic,
		fdx.CustomerPersonal: fdx.CustomerContact,
	}
	for _, c := range fdx.AllClusters() {
		want := fdx.NewClusters(c, implied[c])
		if got := fdx.NewClusters(c).Implied(); got != want {
			t.Errorf("%v implies %v, want %v", c, got.Names(), want.Names())
		}
		if again := want.Implied(); again != want {
			t.Errorf("%v: implying twice gives %v", c, again.Names())
		}
	}
}

func TestClustersJSON(t *testing.T) {
	t.Parallel()
	t.Run("a set is an array of names in declared order", func(t *testing.T) {
		t.Parallel()
		got, err := json.Marshal(fdx.NewClusters(fdx.Transactions, fdx.Balances))
		if err != nil || string(got) != `["BALANCES","TRANSACTIONS"]` {
			t.Errorf("got %s, %v", got, err)
		}
	})
	t.Run("the empty set is an empty array", func(t *testing.T) {
		t.Parallel()
		got, err := json.Marshal(fdx.Clusters(0))
		if err != nil || string(got) != `[]` {
			t.Errorf("got %s, %v", got, err)
		}
	})
	t.Run("a slice of clusters is an array of names too", func(t *testing.T) {
		t.Parallel()
		got, err := json.Marshal([]fdx.Cluster{fdx.Bills, fdx.Tax})
		if err != nil || string(got) != `["BILLS","TAX"]` {
			t.Errorf("got %s, %v", got, err)
		}
	})
	t.Run("order does not matter", func(t *testing.T) {
		t.Parallel()
		s := fdx.NewClusters(fdx.Tax) // replaced, not added to
		err := json.Unmarshal([]byte(`["TRANSACTIONS", "ACCOUNT_BASIC"]`), &s)
		if err != nil || s != fdx.NewClusters(fdx.AccountBasic, fdx.Transactions) {
			t.Errorf("got %v, %v", s.Names(), err)
		}
	})
	for claim, row := range map[string]struct {
		json string
		want error
	}{
		"an unknown name is refused":                      {`["BALANCES","SECRETS"]`, fdx.ErrUnknownCluster},
		"a repeated name is refused":                      {`["BALANCES","BALANCES"]`, fdx.ErrRepeatedCluster},
		"a name beside its deprecated twin is refused":    {`["PAYMENT_SUPPORT","ACCOUNT_PAYMENTS"]`, fdx.ErrRepeatedCluster},
		"a null name is refused":                          {`["BALANCES",null]`, fdx.ErrUnknownCluster},
		"an empty name is refused":                        {`[""]`, fdx.ErrUnknownCluster},
		"a number is refused":                             {`["BALANCES",3]`, nil},
		"a bare name is refused":                          {`"BALANCES"`, nil},
		"null is refused":                                 {`null`, nil},
		"an object is refused":                            {`{"BALANCES":true}`, nil},
		"a nested array is refused":                       {`[["BALANCES"]]`, nil},
		"a bit mask is refused":                           {`7`, nil},
		"an unknown name does not come back in the error": {`["SECRETS"]`, fdx.ErrUnknownCluster},
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			before := fdx.NewClusters(fdx.Tax)
			s := before
			err := json.Unmarshal([]byte(row.json), &s)
			if err == nil || row.want != nil && !errors.Is(err, row.want) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			if s != before {
				t.Errorf("the set changed to %v", s.Names())
			}
			if strings.Contains(err.Error(), "SECRETS") {
				t.Errorf("the error repeats the input: %v", err)
			}
		})
	}
}

func FuzzClustersJSON(f *testing.F) {
	for _, seed := range []string{`[]`, `["BALANCES"]`, `["BALANCES","BALANCES"]`, `null`, `[null]`, `["ACCOUNT_PAYMENTS","TAX"]`, `{`, `[1]`, `["\u0042ILLS"]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s fdx.Clusters
		if err := json.Unmarshal(data, &s); err != nil {
			if s != 0 {
				t.Fatalf("error and a set: %v", s.Names())
			}
			return
		}
		var list []string
		if err := json.Unmarshal(data, &list); err != nil || len(list) != len(s.List()) {
			t.Fatalf("%d names gave %d clusters", len(list), len(s.List()))
		}
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var again fdx.Clusters
		if err := json.Unmarshal(out, &again); err != nil || again != s {
			t.Fatalf("%s does not read back: %v", out, err)
		}
	})
}
