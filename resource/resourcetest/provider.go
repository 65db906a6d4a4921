package resourcetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
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

// Provider checks the contract of resource.Provider. The provider is only
// read from, and its data must stay the same meanwhile.
func Provider(t *testing.T, f ProviderFixture) {
	t.Helper()
	if len(f.Accounts) < 3 || !slices.Contains(f.Accounts, f.Busy) || f.Foreign == "" {
		t.Fatal("the fixture lacks accounts")
	}
	year := fdx.Window{Start: fdx.DateOf(f.Now).AddDays(-364), End: fdx.DateOf(f.Now)}

	t.Run("Accounts", func(t *testing.T) {
		t.Parallel()
		all := f.accounts(t, f.Accounts, 100)

		t.Run("lists the accounts of the access, once each", func(t *testing.T) {
			if got := sorted(ids(all)); !slices.Equal(got, sorted(f.Accounts)) {
				t.Errorf("got %d accounts, want %d", len(got), len(f.Accounts))
			}
		})
		t.Run("lists no other account of the consumer", func(t *testing.T) {
			for _, one := range f.Accounts {
				if got := ids(f.accounts(t, []fdx.AccountID{one}, 100)); !slices.Equal(got, []fdx.AccountID{one}) {
					t.Errorf("asked for one account, got %d", len(got))
				}
			}
		})
		t.Run("leaves out an account that is unknown or of somebody else", func(t *testing.T) {
			got := f.accounts(t, []fdx.AccountID{f.Foreign, f.Accounts[0], "no such account"}, 100)
			if !slices.Equal(ids(got), f.Accounts[:1]) {
				t.Errorf("got %d accounts, want 1", len(got))
			}
			if got := f.accounts(t, []fdx.AccountID{f.Foreign}, 100); len(got) != 0 {
				t.Error("gave an account of somebody else")
			}
		})
		t.Run("keeps its order from page to page", func(t *testing.T) {
			for _, limit := range []int{1, 2, len(all)} {
				if got := f.accounts(t, f.Accounts, limit); !reflect.DeepEqual(got, all) {
					t.Errorf("pages of %d: %v, want %v", limit, len(got), len(all))
				}
			}
		})
		t.Run("the order of the access does not matter", func(t *testing.T) {
			backwards := slices.Clone(f.Accounts)
			slices.Reverse(backwards)
			if got := f.accounts(t, backwards, 2); !slices.Equal(sorted(ids(got)), sorted(ids(all))) {
				t.Error("another order of the access gives other accounts")
			}
		})
		t.Run("gives what the caller may change", func(t *testing.T) {
			for _, a := range f.accounts(t, f.Accounts, 100) {
				fdx.FilterAccount(&a, fdx.NewClusters(fdx.Balances))
			}
			if got := f.accounts(t, f.Accounts, 100); !reflect.DeepEqual(got, all) {
				t.Error("a caller's change reached another caller")
			}
		})
		t.Run("lists no more of a locked account than its descriptor", func(t *testing.T) {
			if f.Locked == "" {
				return
			}
			for _, a := range f.accounts(t, []fdx.AccountID{f.Locked}, 100) {
				descriptor := clone(a)
				fdx.FilterAccount(&descriptor, fdx.NewClusters(fdx.AccountBasic))
				if !reflect.DeepEqual(a, descriptor) || a.ID() != f.Locked {
					t.Error("a locked account shows more")
				}
			}
		})
		t.Run("ends with its context", func(t *testing.T) {
			if _, err := f.Provider.Accounts(cancelled(t), f.access(t, f.Accounts), resource.PageRequest{Limit: 10}); err == nil {
				t.Error("answered without a context")
			}
		})
	})

	t.Run("Account", func(t *testing.T) {
		t.Parallel()
		t.Run("gives the account as the list has it", func(t *testing.T) {
			for _, listed := range f.accounts(t, f.Accounts, 100) {
				got, err := f.Provider.Account(t.Context(), f.one(t, listed.ID(), fdx.Window{}))
				if err != nil || !reflect.DeepEqual(got, listed) {
					t.Errorf("%s: %v", listed.Category(), err)
				}
				fdx.FilterAccount(&got, 0)
				if again, err := f.Provider.Account(t.Context(), f.one(t, listed.ID(), fdx.Window{})); err != nil || !reflect.DeepEqual(again, listed) {
					t.Errorf("%s: a caller's change reached another caller: %v", listed.Category(), err)
				}
			}
		})
		t.Run("an account that is unknown or of somebody else is none", func(t *testing.T) {
			for _, id := range []fdx.AccountID{"no such account", f.Foreign} {
				if got, err := f.Provider.Account(t.Context(), f.one(t, id, fdx.Window{})); !errors.Is(err, resource.ErrNoAccount) || got != (fdx.Account{}) {
					t.Errorf("error %v", err)
				}
			}
		})
		t.Run("a locked account is locked", func(t *testing.T) {
			if f.Locked == "" {
				return
			}
			_, err := f.Provider.Account(t.Context(), f.one(t, f.Locked, fdx.Window{}))
			_, err2 := f.Provider.Transactions(t.Context(), f.one(t, f.Locked, year), resource.PageRequest{Limit: 10})
			if !errors.Is(err, resource.ErrAccountLocked) || !errors.Is(err2, resource.ErrAccountLocked) {
				t.Errorf("account %v, transactions %v", err, err2)
			}
		})
		t.Run("ends with its context", func(t *testing.T) {
			if _, err := f.Provider.Account(cancelled(t), f.one(t, f.Busy, fdx.Window{})); err == nil {
				t.Error("answered without a context")
			}
		})
	})

	t.Run("Transactions", func(t *testing.T) {
		t.Parallel()
		all := f.transactions(t, f.Busy, year, 500)
		if len(all) < 12 {
			t.Fatalf("the busy account has %d transactions", len(all))
		}
		t.Run("lists each transaction once, in order", func(t *testing.T) {
			seen := map[fdx.TransactionID]bool{}
			for i, x := range all {
				if id := x.Base().TransactionID; id == "" || seen[id] {
					t.Errorf("transaction %d has no id of its own", i)
				} else {
					seen[id] = true
				}
				if i == 0 {
					continue
				}
				before, here := all[i-1].Base(), x.Base()
				switch bp, hp := before.PostedTimestamp.IsZero(), here.PostedTimestamp.IsZero(); {
				case hp && !bp:
					t.Errorf("transaction %d is pending and comes after a posted one", i)
				case hp == bp && listedAt(*before).Compare(listedAt(*here)) < 0:
					t.Errorf("transaction %d is newer than the one before it", i)
				}
			}
		})
		t.Run("loses and repeats none between pages", func(t *testing.T) {
			for _, limit := range []int{1, 5, len(all) - 1, len(all), len(all) + 1} {
				if got := f.transactions(t, f.Busy, year, limit); !reflect.DeepEqual(got, all) {
					t.Errorf("pages of %d: %d transactions, want %d", limit, len(got), len(all))
				}
			}
		})
		t.Run("keeps to the window, ends included", func(t *testing.T) {
			days := map[fdx.Date]int{}
			for _, x := range all {
				day := x.Base().EffectiveDate()
				if !year.Contains(day) {
					t.Fatalf("a transaction of %s", day)
				}
				days[day]++
			}
			if len(days) < 3 {
				t.Fatalf("transactions on %d days", len(days))
			}
			for day, n := range days {
				got := f.transactions(t, f.Busy, fdx.Window{Start: day, End: day}, 7)
				if len(got) != n {
					t.Errorf("%s: %d transactions, want %d", day, len(got), n)
				}
				rest := len(f.transactions(t, f.Busy, fdx.Window{Start: year.Start, End: day.AddDays(-1)}, 500)) +
					len(f.transactions(t, f.Busy, fdx.Window{Start: day.AddDays(1), End: year.End}, 500))
				if rest != len(all)-n {
					t.Errorf("around %s: %d transactions, want %d", day, rest, len(all)-n)
				}
			}
		})
		t.Run("a window before everything is empty", func(t *testing.T) {
			long := year.Start.AddDays(-36500)
			page, err := f.Provider.Transactions(t.Context(), f.one(t, f.Busy, fdx.Window{Start: long, End: long.AddDays(7)}), resource.PageRequest{Limit: 10})
			if err != nil || len(page.Items) != 0 || page.Next != "" {
				t.Errorf("%d transactions, next %v, %v", len(page.Items), page.Next != "", err)
			}
		})
		t.Run("no window gives nothing", func(t *testing.T) {
			page, err := f.Provider.Transactions(t.Context(), f.one(t, f.Busy, fdx.Window{}), resource.PageRequest{Limit: 10})
			if err == nil && len(page.Items) != 0 {
				t.Errorf("%d transactions", len(page.Items))
			}
		})
		t.Run("a later page keeps to a narrower window", func(t *testing.T) {
			// A window that was narrowed between two pages, as the look-back
			// does at midnight: the second page keeps to the narrower one.
			first, err := f.Provider.Transactions(t.Context(), f.one(t, f.Busy, year), resource.PageRequest{Limit: 1})
			if err != nil || first.Next == "" {
				t.Fatalf("next %v, %v", first.Next != "", err)
			}
			narrow := fdx.Window{Start: all[len(all)/2].Base().EffectiveDate(), End: year.End}
			second, err := f.Provider.Transactions(t.Context(), f.one(t, f.Busy, narrow), resource.PageRequest{After: first.Next, Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range second.Items {
				if !narrow.Contains(x.Base().EffectiveDate()) {
					t.Error("a transaction outside the narrower window")
				}
			}
		})
		t.Run("a place that is none is an error or empty", func(t *testing.T) {
			page, err := f.Provider.Transactions(t.Context(), f.one(t, f.Busy, year), resource.PageRequest{After: "\x00no such place", Limit: 10})
			if err == nil && len(page.Items) != 0 {
				t.Error("a made-up place was taken for a real one")
			}
		})
		t.Run("gives what the caller may change", func(t *testing.T) {
			for _, x := range f.transactions(t, f.Busy, year, 500) {
				*x.Base() = fdx.TransactionBase{}
			}
			if got := f.transactions(t, f.Busy, year, 500); !reflect.DeepEqual(got, all) {
				t.Error("a caller's change reached another caller")
			}
		})
		t.Run("an account that is unknown or of somebody else is none", func(t *testing.T) {
			for _, id := range []fdx.AccountID{"no such account", f.Foreign} {
				page, err := f.Provider.Transactions(t.Context(), f.one(t, id, year), resource.PageRequest{Limit: 10})
				if !errors.Is(err, resource.ErrNoAccount) || len(page.Items) != 0 {
					t.Errorf("error %v", err)
				}
			}
		})
		t.Run("ends with its context", func(t *testing.T) {
			if _, err := f.Provider.Transactions(cancelled(t), f.one(t, f.Busy, year), resource.PageRequest{Limit: 10}); err == nil {
				t.Error("answered without a context")
			}
		})
	})

	f.families(t, year)
}

// Everything is a share of these accounts of a consumer with every cluster
// and a look-back without end, in force at now.
func Everything(who consent.ConsumerID, now time.Time, accounts ...fdx.AccountID) consent.Share {
	s := consent.Share{
		Grant: consent.NewGrantID(), Epoch: 1, Recipient: "app", Consumer: who,
		Status: consent.StatusActive, ExpiresAt: now.Add(time.Hour).UTC().Truncate(time.Second), LookbackDays: 1_000_000,
	}
	for _, id := range accounts {
		s.Accounts = append(s.Accounts, consent.AccountShare{ID: id, Clusters: fdx.NewClusters(fdx.AllClusters()...)})
	}
	return s
}

// allow makes an access the only way there is.
func (f ProviderFixture) allow(t *testing.T, n resource.Need, accounts ...fdx.AccountID) resource.Access {
	t.Helper()
	every := fdx.NewClusters(fdx.AllClusters()...)
	n.Any, n.Through = every, every
	a, denial := resource.Allow(Everything(f.Consumer, f.Now, accounts...), fdx.ScopesOf(every), n, f.Now)
	if denial != nil {
		t.Fatalf("no access: %v", denial.Error)
	}
	return a
}

func (f ProviderFixture) access(t *testing.T, accounts []fdx.AccountID) resource.Access {
	return f.allow(t, resource.Need{}, accounts...)
}

func (f ProviderFixture) one(t *testing.T, id fdx.AccountID, w fdx.Window) resource.Access {
	return f.allow(t, resource.Need{Account: id, Window: w}, id)
}

// accounts reads all pages.
func (f ProviderFixture) accounts(t *testing.T, accounts []fdx.AccountID, limit int) []fdx.Account {
	t.Helper()
	a := f.access(t, accounts)
	return pages(t, limit, func(p resource.PageRequest) (resource.Page[fdx.Account], error) {
		return f.Provider.Accounts(t.Context(), a, p)
	})
}

// transactions reads all pages.
func (f ProviderFixture) transactions(t *testing.T, id fdx.AccountID, w fdx.Window, limit int) []fdx.Transaction {
	t.Helper()
	if w.Empty() {
		return nil
	}
	a := f.one(t, id, w)
	return pages(t, limit, func(p resource.PageRequest) (resource.Page[fdx.Transaction], error) {
		return f.Provider.Transactions(t.Context(), a, p)
	})
}

func pages[T any](t *testing.T, limit int, read func(resource.PageRequest) (resource.Page[T], error)) []T {
	t.Helper()
	var all []T
	for p := (resource.PageRequest{Limit: limit}); ; {
		page, err := read(p)
		if err != nil {
			t.Fatalf("page of %d: %v", limit, err)
		}
		if len(page.Items) > limit {
			t.Fatalf("%d records on a page of %d", len(page.Items), limit)
		}
		if len(page.Next) > 200 {
			t.Fatalf("a place of %d bytes", len(page.Next))
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		if page.Next == p.After {
			t.Fatal("the next page is this one")
		}
		p.After = page.Next
	}
}

func ids(accounts []fdx.Account) []fdx.AccountID {
	var out []fdx.AccountID
	for _, a := range accounts {
		out = append(out, a.ID())
	}
	return out
}

func sorted(ids []fdx.AccountID) []fdx.AccountID {
	out := slices.Clone(ids)
	slices.Sort(out)
	return out
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
