package resource_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

func TestAllow(t *testing.T) {
	t.Parallel()
	clusters := fdx.NewClusters
	granted := consent.Share{
		Grant: "g", Epoch: 1, Recipient: "app", Consumer: "me", Status: consent.StatusActive,
		ExpiresAt: noon.Add(time.Hour), LookbackDays: 10,
		Accounts: []consent.AccountShare{
			{ID: "both", Clusters: clusters(fdx.AccountDetailed, fdx.Transactions)},
			{ID: "list", Clusters: clusters(fdx.AccountBasic)},
		},
	}
	every := fdx.ScopesOf(clusters(fdx.AllClusters()...))
	list := resource.Need{Any: clusters(fdx.AccountBasic), Through: clusters(fdx.AccountBasic, fdx.AccountDetailed)}
	one := func(id fdx.AccountID) resource.Need {
		return resource.Need{Account: id, Any: clusters(fdx.Transactions), Through: clusters(fdx.Transactions), Window: window("2026-11-15", "2026-11-21")}
	}
	within := func(n resource.Need, start, end string) resource.Need {
		n.Window = window(start, end)
		return n
	}
	some := func(ids ...fdx.AccountID) resource.Need {
		n := list
		n.Accounts = ids
		return n
	}
	with := func(change func(*consent.Share)) consent.Share {
		s := granted
		change(&s)
		return s
	}
	people := with(func(s *consent.Share) { s.Customer = clusters(fdx.CustomerPersonal) })
	about := func(holders bool) resource.Need {
		return resource.Need{Any: clusters(fdx.CustomerContact), Through: clusters(fdx.CustomerContact, fdx.CustomerPersonal), Holders: holders}
	}
	for _, row := range []struct {
		name     string
		share    consent.Share
		scopes   []fdx.Scope
		need     resource.Need
		denied   *fdx.Error // nil: allowed
		ended    bool
		rest     consent.Rest
		scope    fdx.Scope
		accounts []fdx.AccountID
		window   fdx.Window
		clipped  bool
	}{
		{name: "an account", share: granted, scopes: every, need: one("both"), accounts: []fdx.AccountID{"both"}, window: window("2026-11-15", "2026-11-21")},
		{name: "all accounts", share: granted, scopes: every, need: list, accounts: []fdx.AccountID{"both", "list"}},
		{name: "accounts in the order asked, once each", share: granted, scopes: every, need: some("list", "both", "list", "foreign"), accounts: []fdx.AccountID{"list", "both"}},
		{name: "detailed implies basic in the grant", share: granted, scopes: every, need: some("both"), accounts: []fdx.AccountID{"both"}},
		{name: "detailed implies basic in the token", share: granted, scopes: []fdx.Scope{fdx.AccountDetailed.Scope()}, need: list, accounts: []fdx.AccountID{"both", "list"}},

		{name: "all that the look-back reaches", share: granted, scopes: every, need: resource.Need{
			Account: "both", Any: clusters(fdx.Transactions), Through: clusters(fdx.Transactions), Lookback: true,
		}, accounts: []fdx.AccountID{"both"}, window: window("2026-11-11", "2026-11-21")},
		{name: "the customer entry for what is about people", share: people, scopes: every, need: about(true), accounts: []fdx.AccountID{"both", "list"}},
		{name: "personal on it implies contact", share: people, scopes: []fdx.Scope{fdx.CustomerContact.Scope()}, need: about(true), accounts: []fdx.AccountID{"both", "list"}},
		{name: "the customer entry for anything else", share: people, scopes: every, need: about(false), denied: fdx.ErrCustomerNotAuthorized},
		{name: "the customer entry without the scope", share: people, scopes: []fdx.Scope{fdx.AccountBasic.Scope()}, need: about(true), denied: fdx.ErrForbidden, scope: fdx.CustomerContact.Scope()},
		{name: "the customer entry and a foreign account", share: people, scopes: every, need: func() resource.Need {
			n := about(true)
			n.Account = "foreign"
			return n
		}(), denied: fdx.ErrAccountNotFound},

		{name: "nothing asked", share: granted, scopes: every, need: resource.Need{}, denied: fdx.ErrForbidden},
		{name: "of nobody", share: consent.Share{}, scopes: every, need: list, denied: fdx.ErrAuthentication, ended: true},
		{name: "a revoked grant", share: with(func(s *consent.Share) { s.Status = consent.StatusRevoked }), scopes: every, need: list, denied: fdx.ErrAuthentication, ended: true},
		{name: "an unknown status", share: with(func(s *consent.Share) { s.Status = "NEW" }), scopes: every, need: list, denied: fdx.ErrAuthentication, ended: true},
		{name: "at the end of the grant", share: with(func(s *consent.Share) { s.ExpiresAt = noon }), scopes: every, need: list, denied: fdx.ErrAuthentication, ended: true},
		{name: "a paused grant", share: with(func(s *consent.Share) { s.PausedUntil = noon.Add(time.Second) }), scopes: every, need: list, denied: fdx.ErrForbidden, rest: consent.RestPaused},
		{name: "a held grant", share: with(func(s *consent.Share) { s.Held = true }), scopes: every, need: list, denied: fdx.ErrForbidden, rest: consent.RestHeld},
		{name: "a held grant, paused besides", share: with(func(s *consent.Share) { s.Held, s.PausedUntil = true, noon.Add(time.Second) }), scopes: every, need: list, denied: fdx.ErrForbidden, rest: consent.RestHeld},
		{name: "a held grant, whatever is asked", share: with(func(s *consent.Share) { s.Held = true }), need: resource.Need{}, denied: fdx.ErrForbidden, rest: consent.RestHeld},
		{name: "at the end of a pause", share: with(func(s *consent.Share) { s.PausedUntil = noon }), scopes: every, need: list, accounts: []fdx.AccountID{"both", "list"}},
		{name: "a revoked grant that was held", share: with(func(s *consent.Share) { s.Held, s.Status = true, consent.StatusRevoked }), scopes: every, need: list, denied: fdx.ErrAuthentication, ended: true},
		{name: "a paused grant that is over", share: with(func(s *consent.Share) { s.PausedUntil, s.ExpiresAt = noon.Add(time.Hour), noon }), scopes: every, need: list, denied: fdx.ErrAuthentication, ended: true},
		{name: "without a scope", share: granted, need: list, denied: fdx.ErrForbidden, scope: fdx.AccountBasic.Scope()},
		{name: "with another scope", share: granted, scopes: []fdx.Scope{fdx.Transactions.Scope(), fdx.ScopeOpenID}, need: list, denied: fdx.ErrForbidden, scope: fdx.AccountBasic.Scope()},
		{name: "with a made-up scope", share: granted, scopes: []fdx.Scope{"fdx:everything:read"}, need: list, denied: fdx.ErrForbidden, scope: fdx.AccountBasic.Scope()},
		{name: "a foreign account", share: granted, scopes: every, need: one("foreign"), denied: fdx.ErrAccountNotFound},
		{name: "a cluster that the account lacks", share: granted, scopes: every, need: one("list"), denied: fdx.ErrCustomerNotAuthorized},
		{name: "a cluster that no account has", share: with(func(s *consent.Share) {
			s.Accounts = []consent.AccountShare{{ID: "both", Clusters: clusters(fdx.Transactions)}}
		}), scopes: every, need: list, denied: fdx.ErrCustomerNotAuthorized},
		{name: "a grant without accounts", share: with(func(s *consent.Share) { s.Accounts = nil }), scopes: every, need: list, denied: fdx.ErrDataNotFound},
		{name: "foreign accounts in a list", share: granted, scopes: every, need: some("foreign", "unknown"), denied: fdx.ErrDataNotFound},
		{name: "an empty list of accounts", share: granted, scopes: every, need: some([]fdx.AccountID{}...), denied: fdx.ErrDataNotFound},

		{name: "the first day of the look-back", share: granted, scopes: every, need: within(one("both"), "2026-11-11", "2026-11-11"),
			accounts: []fdx.AccountID{"both"}, window: window("2026-11-11", "2026-11-11")},
		{name: "the day before it", share: granted, scopes: every, need: within(one("both"), "2026-11-10", "2026-11-10"), denied: fdx.ErrInvalidDateRange},
		{name: "across it", share: granted, scopes: every, need: within(one("both"), "2026-01-01", "2026-11-12"),
			accounts: []fdx.AccountID{"both"}, window: window("2026-11-11", "2026-11-12"), clipped: true},
		{name: "the future", share: granted, scopes: every, need: within(one("both"), "2026-11-22", "2026-11-23"), denied: fdx.ErrInvalidDateRange},
		{name: "half a window", share: granted, scopes: every, need: func() resource.Need {
			n := one("both")
			n.Window.Start = fdx.Date{}
			return n
		}(), denied: fdx.ErrInvalidDateRange},
		{name: "no look-back but today", share: with(func(s *consent.Share) { s.LookbackDays = 0 }), scopes: every, need: one("both"),
			accounts: []fdx.AccountID{"both"}, window: window("2026-11-21", "2026-11-21"), clipped: true},
	} {
		a, denial := resource.Allow(row.share, row.scopes, row.need, noon)
		if row.denied != nil {
			if denial == nil || !denial.Error.Is(row.denied) || denial.Ended != row.ended || denial.Rest != row.rest || denial.Scope != row.scope {
				t.Errorf("%s: denial %+v", row.name, denial)
			}
			if len(a.Accounts()) != 0 || a.Consumer() != "" || !a.Window().Empty() {
				t.Errorf("%s: an access beside a denial", row.name)
			}
			continue
		}
		if denial != nil {
			t.Errorf("%s: %v", row.name, denial.Error)
			continue
		}
		var got []fdx.AccountID
		for _, s := range a.Accounts() {
			got = append(got, s.ID)
		}
		if !slices.Equal(got, row.accounts) || a.Window() != row.window || a.Clipped() != row.clipped || a.Consumer() != "me" {
			t.Errorf("%s: accounts %v, window %v, clipped %v", row.name, got, a.Window(), a.Clipped())
		}
	}
}

// Whatever is granted and whatever is asked, an access holds nothing that is
// not granted, in scope, asked for and in time; and lacks nothing that is.
func TestAllowIsTheIntersection(t *testing.T) {
	t.Parallel()
	ids := []fdx.AccountID{"a", "b", "c", "d"}
	rapid.Check(t, func(t *rapid.T) {
		clusters := rapid.Custom(func(t *rapid.T) fdx.Clusters {
			return fdx.NewClusters(rapid.SliceOfN(rapid.SampledFrom(fdx.AllClusters()), 0, 8).Draw(t, "clusters")...)
		})
		s := consent.Share{
			Grant: "g", Consumer: "me", Status: consent.StatusActive,
			ExpiresAt:    noon.Add(time.Duration(rapid.IntRange(-1, 3).Draw(t, "hours left")) * time.Hour),
			LookbackDays: rapid.IntRange(0, 40).Draw(t, "look-back"),
		}
		for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, 4, rapid.ID[fdx.AccountID]).Draw(t, "granted") {
			s.Accounts = append(s.Accounts, consent.AccountShare{ID: id, Clusters: clusters.Draw(t, "of an account")})
		}
		scopes := clusters.Draw(t, "scopes")
		n := resource.Need{Any: clusters.Draw(t, "any"), Through: clusters.Draw(t, "through")}
		if rapid.Bool().Draw(t, "one account") {
			n.Account = rapid.SampledFrom(ids).Draw(t, "account")
		} else if rapid.Bool().Draw(t, "some accounts") {
			n.Accounts = rapid.SliceOfN(rapid.SampledFrom(ids), 1, 5).Draw(t, "accounts")
		}
		today := fdx.DateOf(noon)
		if rapid.Bool().Draw(t, "windowed") {
			start := rapid.IntRange(-60, 5).Draw(t, "start")
			n.Window = fdx.Window{Start: today.AddDays(start), End: today.AddDays(start + rapid.IntRange(0, 30).Draw(t, "days"))}
		}

		a, denial := resource.Allow(s, fdx.ScopesOf(scopes), n, noon)
		if (denial == nil) != (len(a.Accounts()) > 0) {
			t.Fatal("neither denied nor allowed, or both")
		}
		held := scopes.Implied()
		for _, id := range ids {
			of, shared := s.Account(id)
			asked := n.Account == id || n.Account == "" && (n.Accounts == nil || slices.Contains(n.Accounts, id))
			may := of.Implied().Intersect(held)
			want := shared && asked && s.Active(noon) && !may.Intersect(n.Any).Empty()
			i := slices.IndexFunc(a.Accounts(), func(x consent.AccountShare) bool { return x.ID == id })
			if i >= 0 && !want {
				t.Fatalf("%s is in the access", id)
			}
			if i >= 0 && a.Accounts()[i].Clusters != may.Intersect(n.Through) {
				t.Fatalf("%s with %v", id, a.Accounts()[i].Clusters.Names())
			}
			if want && i < 0 && (n.Window.Empty() || denial == nil) {
				t.Fatalf("%s is missing", id)
			}
		}
		for day := today.AddDays(-70); day.Before(today.AddDays(50)); day = day.AddDays(1) {
			want := denial == nil && n.Window.Contains(day) && !day.Before(s.Earliest(noon)) && !day.After(today)
			if a.Window().Contains(day) != want {
				t.Fatalf("%s: in the window %v", day, !want)
			}
		}
	})
}
