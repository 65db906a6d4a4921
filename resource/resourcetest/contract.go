package resourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// families checks the operations that not every bank has.
func (f ProviderFixture) families(t *testing.T, year fdx.Window) {
	ctx, p := t.Context(), f.Provider
	pdf := []fdx.ContentType{fdx.PDF, fdx.PNG, fdx.JPEG, fdx.GIF, fdx.TIFF, fdx.ZIP}
	offers := func(id fdx.OperationID) bool { return slices.Contains(p.Operations(), id) }

	t.Run("Operations", func(t *testing.T) {
		t.Parallel()
		a, dated := f.one(t, f.Busy, fdx.Window{}), f.one(t, f.Busy, year)
		page := resource.PageRequest{Limit: 10}
		for id, ask := range map[fdx.OperationID]func() error{
			fdx.SearchForAccounts:            func() error { _, err := p.Accounts(ctx, a, page); return err },
			fdx.GetAccount:                   func() error { _, err := p.Account(ctx, a); return err },
			fdx.SearchForAccountTransactions: func() error { _, err := p.Transactions(ctx, dated, page); return err },
			fdx.GetAccountContact:            func() error { _, err := p.Contact(ctx, a); return err },
			fdx.GetAccountPaymentNetworks:    func() error { _, err := p.PaymentNetworks(ctx, a, page); return err },
			fdx.GetAccountAssetTransferNetworks: func() error {
				_, err := p.AssetTransferNetworks(ctx, a, page)
				return err
			},
			fdx.SearchForAccountStatements:  func() error { _, err := p.Statements(ctx, dated, page); return err },
			fdx.GetAccountStatement:         func() error { _, err := p.Statement(ctx, dated, "x", pdf); return err },
			fdx.GetAccountTransactionImages: func() error { _, err := p.Image(ctx, dated, "x", pdf); return err },
			fdx.GetTermsAndConditions:       func() error { _, err := p.Terms(ctx, a, pdf); return err },
			fdx.SearchRewardPrograms:        func() error { _, err := p.RewardPrograms(ctx, a, page); return err },
			fdx.GetRewardProgram:            func() error { _, err := p.RewardProgram(ctx, a, "x"); return err },
			fdx.GetRewardProgramCategories:  func() error { _, err := p.RewardCategories(ctx, a, "x", page); return err },
			fdx.GetCustomers:                func() error { _, err := p.Holders(ctx, a, page); return err },
			fdx.GetCustomerInfo:             func() error { _, err := p.Holder(ctx, a, fdx.CustomerID(f.Consumer)); return err },
			fdx.GetCustomer:                 func() error { _, err := p.Holder(ctx, a, "x"); return err },
		} {
			if err := ask(); offers(id) == errors.Is(err, resource.ErrNotOffered) {
				t.Errorf("%s: offered %v, and says %v", id, offers(id), err)
			}
		}
		if got, err := p.Availability(ctx); err != nil || got.Status == "" || got.OperationID != "" {
			t.Errorf("availability %+v, %v", got, err)
		}
	})

	// One thing of one account.
	alone := map[string]func(context.Context, resource.Access) (any, error){}
	if offers(fdx.GetAccountContact) {
		alone["Contact"] = func(ctx context.Context, a resource.Access) (any, error) { return p.Contact(ctx, a) }
	}
	if offers(fdx.GetAccountPaymentNetworks) {
		alone["PaymentNetworks"] = func(ctx context.Context, a resource.Access) (any, error) {
			return p.PaymentNetworks(ctx, a, resource.PageRequest{Limit: 100})
		}
		checkPages(t, "PaymentNetworks", func(r resource.PageRequest) (resource.Page[fdx.PaymentNetwork], error) {
			return p.PaymentNetworks(ctx, f.one(t, f.Busy, year), r)
		})
	}
	if offers(fdx.GetAccountAssetTransferNetworks) {
		alone["AssetTransferNetworks"] = func(ctx context.Context, a resource.Access) (any, error) {
			return p.AssetTransferNetworks(ctx, a, resource.PageRequest{Limit: 100})
		}
		checkPages(t, "AssetTransferNetworks", func(r resource.PageRequest) (resource.Page[fdx.AssetTransferNetwork], error) {
			return p.AssetTransferNetworks(ctx, f.one(t, f.Busy, year), r)
		})
	}
	if offers(fdx.SearchForAccountStatements) {
		alone["Statements"] = func(ctx context.Context, a resource.Access) (any, error) {
			return p.Statements(ctx, a, resource.PageRequest{Limit: 100})
		}
		f.statements(t, year, pdf)
	}
	if offers(fdx.GetAccountStatement) {
		alone["Statement"] = func(ctx context.Context, a resource.Access) (any, error) { return p.Statement(ctx, a, "x", pdf) }
	}
	if offers(fdx.GetAccountTransactionImages) {
		alone["Image"] = func(ctx context.Context, a resource.Access) (any, error) { return p.Image(ctx, a, "x", pdf) }
	}
	if offers(fdx.GetTermsAndConditions) {
		alone["Terms"] = func(ctx context.Context, a resource.Access) (any, error) { return p.Terms(ctx, a, pdf) }
	}
	for name, ask := range alone {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, id := range []fdx.AccountID{"no such account", f.Foreign} {
				if _, err := ask(ctx, f.one(t, id, year)); !errors.Is(err, resource.ErrNoAccount) {
					t.Errorf("an account that is unknown or of somebody else: %v", err)
				}
			}
			if f.Locked != "" {
				if _, err := ask(ctx, f.one(t, f.Locked, year)); !errors.Is(err, resource.ErrAccountLocked) {
					t.Errorf("a locked account: %v", err)
				}
			}
			a := f.one(t, f.Busy, year)
			if _, err := ask(cancelled(t), a); err == nil || errors.Is(err, resource.ErrNotFound) {
				t.Errorf("answered without a context: %v", err)
			}
			first, err := ask(ctx, a)
			before := encoded(t, first)
			spoil(reflect.ValueOf(first))
			second, again := ask(ctx, a)
			if encoded(t, second) != before || (err == nil) != (again == nil) {
				t.Errorf("a caller's change reached another caller, or answers differ: %v, %v", err, again)
			}
		})
	}
	if offers(fdx.GetCustomers) {
		f.holders(t)
	}
	if offers(fdx.SearchRewardPrograms) {
		f.rewards(t)
	}
}

func (f ProviderFixture) statements(t *testing.T, year fdx.Window, forms []fdx.ContentType) {
	t.Run("Statements in the window", func(t *testing.T) {
		t.Parallel()
		read := func(w fdx.Window, limit int) []fdx.Statement {
			a := f.one(t, f.Busy, w)
			return pages(t, limit, func(r resource.PageRequest) (resource.Page[fdx.Statement], error) {
				return f.Provider.Statements(t.Context(), a, r)
			})
		}
		all := read(year, 100)
		if len(all) < 3 {
			t.Fatalf("the busy account has %d statements", len(all))
		}
		for _, limit := range []int{1, 2, len(all)} {
			if got := read(year, limit); !reflect.DeepEqual(got, all) {
				t.Errorf("pages of %d: %d statements, want %d", limit, len(got), len(all))
			}
		}
		for i, s := range all {
			if s.AccountID != f.Busy || s.StatementID == "" || !year.Contains(s.StatementDate) || i > 0 && s.StatementDate.After(all[i-1].StatementDate) {
				t.Errorf("statement %d: %+v", i, s)
			}
			if got := read(fdx.Window{Start: s.StatementDate, End: s.StatementDate}, 10); len(got) == 0 || !slices.ContainsFunc(got, func(g fdx.Statement) bool { return g.StatementID == s.StatementID }) {
				t.Errorf("the day of statement %d has %d", i, len(got))
			}
			d, err := f.Provider.Statement(t.Context(), f.one(t, f.Busy, year), s.StatementID, forms)
			switch {
			case errors.Is(err, resource.ErrProcessing) && s.Status != fdx.DocumentAvailable:
			case err != nil || d.Date != s.StatementDate || !slices.Contains(forms, d.Type) || len(d.Body) == 0:
				t.Errorf("document %d: %+v, %v", i, d.Date, err)
			}
			before := fdx.Window{Start: s.StatementDate.AddDays(1), End: year.End}
			if before.Empty() {
				continue
			}
			if _, err := f.Provider.Statement(t.Context(), f.one(t, f.Busy, before), s.StatementID, forms); !errors.Is(err, resource.ErrNotFound) {
				t.Errorf("document %d before the window: %v", i, err)
			}
		}
		if _, err := f.Provider.Statement(t.Context(), f.one(t, f.Busy, year), "no such statement", forms); !errors.Is(err, resource.ErrNotFound) {
			t.Errorf("an unknown statement: %v", err)
		}
	})
}

func (f ProviderFixture) holders(t *testing.T) {
	t.Run("Holders", func(t *testing.T) {
		t.Parallel()
		ctx, p := t.Context(), f.Provider
		read := func(limit int, accounts ...fdx.AccountID) []fdx.Customer {
			a := f.access(t, accounts)
			return pages(t, limit, func(r resource.PageRequest) (resource.Page[fdx.Customer], error) { return p.Holders(ctx, a, r) })
		}
		all := read(100, f.Accounts...)
		if got := read(1, f.Accounts...); !reflect.DeepEqual(got, all) {
			t.Errorf("pages of 1: %d customers, want %d", len(got), len(all))
		}
		known := map[fdx.CustomerID]bool{}
		for _, c := range all {
			if c.CustomerID == "" || known[c.CustomerID] {
				t.Error("a customer without an id, or twice")
			}
			known[c.CustomerID] = true
		}
		if !known[fdx.CustomerID(f.Consumer)] {
			t.Error("the consumer is not among the holders")
		}
		for _, one := range f.Accounts {
			here := map[fdx.CustomerID]bool{}
			for _, c := range read(100, one) {
				here[c.CustomerID] = true
				if !slices.ContainsFunc(c.Accounts, func(part fdx.CustomerAccount) bool { return part.AccountID == one }) {
					t.Error("a holder without a part in the account")
				}
				got, err := p.Holder(ctx, f.access(t, []fdx.AccountID{one}), c.CustomerID)
				if err != nil || !reflect.DeepEqual(got, c) {
					t.Errorf("a customer differs from the list: %v", err)
				}
			}
			for id := range known {
				if _, err := p.Holder(ctx, f.access(t, []fdx.AccountID{one}), id); !here[id] && !errors.Is(err, resource.ErrNotFound) {
					t.Errorf("who does not hold the account: %v", err)
				}
			}
		}
		if got := read(100, f.Foreign); len(got) != 0 {
			t.Error("gave holders of an account of somebody else")
		}
		if _, err := p.Holder(ctx, f.access(t, f.Accounts), "no such customer"); !errors.Is(err, resource.ErrNotFound) {
			t.Errorf("an unknown customer: %v", err)
		}
		if _, err := p.Holder(ctx, f.access(t, []fdx.AccountID{f.Foreign}), fdx.CustomerID(f.Consumer)); !errors.Is(err, resource.ErrNotFound) {
			t.Errorf("by an account of somebody else: %v", err)
		}
		spoil(reflect.ValueOf(read(100, f.Accounts...)))
		if got := read(100, f.Accounts...); !reflect.DeepEqual(got, all) {
			t.Error("a caller's change reached another caller")
		}
		if _, err := p.Holders(cancelled(t), f.access(t, f.Accounts), resource.PageRequest{Limit: 10}); err == nil {
			t.Error("answered without a context")
		}
	})
}

func (f ProviderFixture) rewards(t *testing.T) {
	t.Run("Rewards", func(t *testing.T) {
		t.Parallel()
		ctx, p := t.Context(), f.Provider
		read := func(limit int, accounts ...fdx.AccountID) []fdx.RewardProgram {
			a := f.access(t, accounts)
			return pages(t, limit, func(r resource.PageRequest) (resource.Page[fdx.RewardProgram], error) {
				return p.RewardPrograms(ctx, a, r)
			})
		}
		all := read(100, f.Accounts...)
		if got := read(1, f.Accounts...); !reflect.DeepEqual(got, all) {
			t.Errorf("pages of 1: %d programs, want %d", len(got), len(all))
		}
		for _, one := range append([]fdx.AccountID{f.Foreign}, f.Accounts...) {
			a := f.access(t, []fdx.AccountID{one})
			here := map[fdx.RewardProgramID]bool{}
			for _, program := range read(100, one) {
				here[program.RewardProgramID] = true
				if one == f.Foreign || !slices.ContainsFunc(program.Memberships, func(m fdx.RewardMembership) bool { return slices.Contains(m.AccountIDs, one) }) {
					t.Error("a program in which the account takes no part")
				}
			}
			for _, program := range all {
				id := program.RewardProgramID
				got, err := p.RewardProgram(ctx, a, id)
				_, err2 := p.RewardCategories(ctx, a, id, resource.PageRequest{Limit: 10})
				if !here[id] && (!errors.Is(err, resource.ErrNotFound) || !errors.Is(err2, resource.ErrNotFound)) {
					t.Errorf("a program in which the account takes no part: %v, %v", err, err2)
				}
				if here[id] && (err != nil || got.RewardProgramID != id || err2 != nil) {
					t.Errorf("a program of the list: %v, %v", err, err2)
				}
				if here[id] {
					categories := pages(t, 1, func(r resource.PageRequest) (resource.Page[fdx.RewardCategory], error) {
						return p.RewardCategories(ctx, a, id, r)
					})
					for _, c := range categories {
						if c.RewardProgramID != id {
							t.Error("a category of another program")
						}
					}
				}
			}
			if _, err := p.RewardProgram(ctx, a, "no such program"); !errors.Is(err, resource.ErrNotFound) {
				t.Errorf("an unknown program: %v", err)
			}
		}
		spoil(reflect.ValueOf(read(100, f.Accounts...)))
		if got := read(100, f.Accounts...); !reflect.DeepEqual(got, all) {
			t.Error("a caller's change reached another caller")
		}
		if _, err := p.RewardPrograms(cancelled(t), f.access(t, f.Accounts), resource.PageRequest{Limit: 10}); err == nil {
			t.Error("answered without a context")
		}
	})
}

// checkPages asserts that pages of any size give the same list.
func checkPages[T any](t *testing.T, name string, read func(resource.PageRequest) (resource.Page[T], error)) {
	t.Run(name+" in pages", func(t *testing.T) {
		all := pages(t, 100, read)
		if got := pages(t, 1, read); !reflect.DeepEqual(got, all) {
			t.Errorf("pages of 1: %d records, want %d", len(got), len(all))
		}
		if page, err := read(resource.PageRequest{After: "\x00no such place", Limit: 10}); err == nil && len(page.Items) != 0 {
			t.Error("a made-up place was taken for a real one")
		}
	})
}

// spoil overwrites every text that a value reaches through slices and
// pointers.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spoil(v.Field(i))
			}
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString("spoilt")
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
