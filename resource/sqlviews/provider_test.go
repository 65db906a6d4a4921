package sqlviews

import (
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	resourcetest.Provider(t, resourcetest.ProviderFixture{
		Provider: provider(t, env.Postgres(t), coreYAML), Now: today, Consumer: "4711",
		Accounts: []fdx.AccountID{"100", "101", "102", "104"}, Busy: "100", Foreign: "200", Locked: "103",
	})
}

// access is to accounts of a consumer, all of it, from the beginning.
func access(t testing.TB, who consent.ConsumerID, accounts ...fdx.AccountID) resource.Access {
	t.Helper()
	every := fdx.NewClusters(fdx.AllClusters()...)
	need := resource.Need{Any: every, Through: every, Lookback: true}
	if len(accounts) == 1 {
		need.Account = accounts[0]
	}
	a, denial := resource.Allow(resourcetest.Everything(who, today, accounts...), fdx.ScopesOf(every), need, today)
	if denial != nil {
		t.Fatal(denial.Error)
	}
	return a
}
