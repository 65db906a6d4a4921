package resourcetest

import (
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/contract"
)

// ProviderFixture is one provider with the data that its contract is checked
// on.
type ProviderFixture struct {
	Provider resource.Provider
	// Now is the time at which the checks ask.
	Now time.Time
	// Consumer holds Accounts, at least three. Busy is one of them and has
	// at least 12 transactions in the year before Now, on at least 3 days,
	// and, if the provider lists statements, at least 3 of these.
	Consumer consent.ConsumerID
	Accounts []fdx.AccountID
	Busy     fdx.AccountID
	// Foreign is an account of somebody else.
	Foreign fdx.AccountID
	// Locked is an account of Consumer that may not be read now; empty when
	// the provider has no such thing.
	Locked fdx.AccountID
}

// Provider checks the contract of resource.Provider, one subtest per check of
// package contract. The provider is only read from, and its data must stay
// the same meanwhile. Under the race detector it also finds what concurrent
// calls share.
func Provider(t *testing.T, f ProviderFixture) {
	t.Helper()
	if len(f.Accounts) < 3 || !slices.Contains(f.Accounts, f.Busy) || f.Foreign == "" {
		t.Fatal("the fixture lacks accounts")
	}
	checks, err := contract.Checks(f.fixture())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		t.Run(c.Name, func(t *testing.T) {
			r := c.Run(t.Context())
			for _, f := range r.Findings {
				t.Errorf("%s %s: %s (%v)", f.Rule, f.Operation, f.What, f.Cause)
			}
			switch {
			case r.Unchecked == "":
			case c.Core && !r.NotOffered:
				t.Errorf("not checked: %s", r.Unchecked)
			default:
				t.Logf("not checked: %s", r.Unchecked)
			}
		})
	}
}

func (f ProviderFixture) fixture() contract.Fixture {
	return contract.Fixture{
		Provider: f.Provider, Now: f.Now, Consumer: f.Consumer, Accounts: f.Accounts, Busy: f.Busy,
		Foreign: f.Foreign, Locked: f.Locked,
	}
}

// Everything is a share of these accounts of a consumer with every cluster
// and a look-back without end, in force at now.
func Everything(who consent.ConsumerID, now time.Time, accounts ...fdx.AccountID) consent.Share {
	return contract.Everything(who, now, accounts...)
}
