package contract_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/contract"
	"github.com/headgate/headgate/resource/resourcetest"
)

// wrong is a bank that breaks rules on purpose: what is set comes in place of
// the method of the good one.
type wrong struct {
	resource.Provider
	operations   func() []fdx.OperationID
	availability func(context.Context) (fdx.Availability, error)
	accounts     list[fdx.Account]
	account      thing[fdx.Account]
	transactions list[fdx.Transaction]
	contact      thing[fdx.AccountContact]
	networks     list[fdx.PaymentNetwork]
	statements   list[fdx.Statement]
	statement    document[fdx.StatementID]
	image        document[fdx.ImageID]
	terms        thing2[[]fdx.ContentType, resource.Document]
	programs     list[fdx.RewardProgram]
	program      thing2[fdx.RewardProgramID, fdx.RewardProgram]
	holders      list[fdx.Customer]
	holder       thing2[fdx.CustomerID, fdx.Customer]
}

type (
	list[T any]      func(context.Context, resource.Access, resource.PageRequest) (resource.Page[T], error)
	thing[T any]     func(context.Context, resource.Access) (T, error)
	thing2[I, T any] func(context.Context, resource.Access, I) (T, error)
	document[I any]  func(context.Context, resource.Access, I, []fdx.ContentType) (resource.Document, error)
)

func (w *wrong) Operations() []fdx.OperationID {
	if w.operations != nil {
		return w.operations()
	}
	return w.Provider.Operations()
}

func (w *wrong) Availability(ctx context.Context) (fdx.Availability, error) {
	if w.availability != nil {
		return w.availability(ctx)
	}
	return w.Provider.Availability(ctx)
}

func (w *wrong) Accounts(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Account], error) {
	return either(w.accounts, w.Provider.Accounts)(ctx, a, p)
}

func (w *wrong) Account(ctx context.Context, a resource.Access) (fdx.Account, error) {
	if w.account != nil {
		return w.account(ctx, a)
	}
	return w.Provider.Account(ctx, a)
}

func (w *wrong) Transactions(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Transaction], error) {
	return either(w.transactions, w.Provider.Transactions)(ctx, a, p)
}

func (w *wrong) Contact(ctx context.Context, a resource.Access) (fdx.AccountContact, error) {
	if w.contact != nil {
		return w.contact(ctx, a)
	}
	return w.Provider.Contact(ctx, a)
}

func (w *wrong) PaymentNetworks(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.PaymentNetwork], error) {
	return either(w.networks, w.Provider.PaymentNetworks)(ctx, a, p)
}

func (w *wrong) Statements(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Statement], error) {
	return either(w.statements, w.Provider.Statements)(ctx, a, p)
}

func (w *wrong) Statement(ctx context.Context, a resource.Access, id fdx.StatementID, forms []fdx.ContentType) (resource.Document, error) {
	if w.statement != nil {
		return w.statement(ctx, a, id, forms)
	}
	return w.Provider.Statement(ctx, a, id, forms)
}

func (w *wrong) Image(ctx context.Context, a resource.Access, id fdx.ImageID, forms []fdx.ContentType) (resource.Document, error) {
	if w.image != nil {
		return w.image(ctx, a, id, forms)
	}
	return w.Provider.Image(ctx, a, id, forms)
}

func (w *wrong) Terms(ctx context.Context, a resource.Access, forms []fdx.ContentType) (resource.Document, error) {
	if w.terms != nil {
		return w.terms(ctx, a, forms)
	}
	return w.Provider.Terms(ctx, a, forms)
}

func (w *wrong) RewardPrograms(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.RewardProgram], error) {
	return either(w.programs, w.Provider.RewardPrograms)(ctx, a, p)
}

func (w *wrong) RewardProgram(ctx context.Context, a resource.Access, id fdx.RewardProgramID) (fdx.RewardProgram, error) {
	if w.program != nil {
		return w.program(ctx, a, id)
	}
	return w.Provider.RewardProgram(ctx, a, id)
}

func (w *wrong) Holders(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Customer], error) {
	return either(w.holders, w.Provider.Holders)(ctx, a, p)
}

func (w *wrong) Holder(ctx context.Context, a resource.Access, id fdx.CustomerID) (fdx.Customer, error) {
	if w.holder != nil {
		return w.holder(ctx, a, id)
	}
	return w.Provider.Holder(ctx, a, id)
}

func either[T any](a, b list[T]) list[T] {
	if a != nil {
		return a
	}
	return b
}

// changed is a list with its records changed before it is cut into pages, so
// that only the change is wrong.
func changed[T any](good list[T], change func(resource.Access, []T) []T) list[T] {
	return paged(good, change, func(limit int) int { return limit }, 0, "")
}

// paged cuts pages of another size, each beginning so many records further
// on, with places that have a prefix.
func paged[T any](good list[T], change func(resource.Access, []T) []T, size func(int) int, step int, prefix string) list[T] {
	return func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[T], error) {
		all, err := good(ctx, a, resource.PageRequest{Limit: 500})
		if err != nil {
			return all, err
		}
		items := change(a, all.Items)
		from := 0
		if p.After != "" {
			if from, err = strconv.Atoi(strings.TrimPrefix(p.After, prefix)); err != nil {
				return resource.Page[T]{}, errors.New("not a place")
			}
		}
		to := from + size(p.Limit)
		if from > len(items) {
			return resource.Page[T]{}, nil
		}
		if to >= len(items) {
			return resource.Page[T]{Items: items[from:]}, nil
		}
		return resource.Page[T]{Items: items[from:to], Next: prefix + strconv.Itoa(to+step)}, nil
	}
}

func same[T any](_ resource.Access, all []T) []T { return all }

// at changes the record at a place of the list.
func at[T any](place int, change func(*T)) func(resource.Access, []T) []T {
	return func(_ resource.Access, all []T) []T {
		if place < len(all) {
			change(&all[place])
		}
		return all
	}
}

// fault is one way to be wrong, and the rules that must catch it, no others.
type fault struct {
	name  string
	spoil func(w *wrong, good *resourcetest.Bank)
	rules []string
}

var noon = time.Date(2026, 3, 18, 12, 0, 0, 0, time.UTC)

func day(x fdx.Transaction) fdx.Date { return x.Base().EffectiveDate() }

func wider(a resource.Access, days int) resource.Access {
	return access(a, a.Window().Start.AddDays(-days), a.Window().End)
}

// access is an access to the same with other days.
func access(a resource.Access, start, end fdx.Date) resource.Access {
	every := fdx.NewClusters(fdx.AllClusters()...)
	other, denial := resource.Allow(contract.Everything(a.Consumer(), noon, a.Account()), fdx.ScopesOf(every),
		resource.Need{Account: a.Account(), Any: every, Through: every, Window: fdx.Window{Start: start, End: end}}, noon)
	if denial != nil {
		return a
	}
	return other
}

// as is an access to the same account of another consumer.
func as(a resource.Access, who consent.ConsumerID) resource.Access {
	every := fdx.NewClusters(fdx.AllClusters()...)
	other, _ := resource.Allow(contract.Everything(who, noon, a.Account()), fdx.ScopesOf(every),
		resource.Need{Account: a.Account(), Any: every, Through: every}, noon)
	return other
}

// allOfMe is an access to everything that the consumer holds and may read.
func allOfMe() resource.Access {
	every := fdx.NewClusters(fdx.AllClusters()...)
	a, _ := resource.Allow(contract.Everything("me", noon, "busy", "investment", "card", "loan"), fdx.ScopesOf(every),
		resource.Need{Any: every, Through: every}, noon)
	return a
}

var faults = []fault{
	{"no fault", func(w *wrong, good *resourcetest.Bank) { w.transactions = changed(good.Transactions, same) }, nil},

	{"a record more than asked for", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = paged(good.Transactions, same, func(n int) int { return n + 1 }, 0, "")
	}, []string{"page-too-long"}},
	{"places that do not fit", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = paged(good.Transactions, same, func(n int) int { return n }, 0, strings.Repeat("-", 200))
	}, []string{"next-too-long"}},
	{"a page that repeats the last record", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Transaction], error) {
			step := -1
			if p.Limit == 1 {
				step = 0
			}
			return paged(good.Transactions, same, func(n int) int { return n }, step, "")(ctx, a, p)
		}
	}, []string{"page-loses"}},
	{"a page that skips a record", func(w *wrong, good *resourcetest.Bank) {
		w.networks = paged(good.PaymentNetworks, same, func(n int) int { return n }, 1, "")
	}, []string{"page-loses"}},
	{"a list that goes in circles", func(w *wrong, good *resourcetest.Bank) {
		w.statements = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Statement], error) {
			page, err := good.Statements(ctx, a, p)
			if p.After != "" {
				page.Next = p.After
			}
			return page, err
		}
	}, []string{"page-loop"}},
	{"a made-up place begins anew", func(w *wrong, good *resourcetest.Bank) {
		w.holders = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Customer], error) {
			if _, err := strconv.Atoi(p.After); err != nil {
				p.After = ""
			}
			return good.Holders(ctx, a, p)
		}
	}, []string{"made-up-place"}},
	{"an id twice", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, func(_ resource.Access, all []fdx.Transaction) []fdx.Transaction {
			if len(all) > 5 {
				all[5].Base().TransactionID = all[4].Base().TransactionID
			}
			return all
		})
	}, []string{"duplicate-id"}},
	{"ties in any order", func(w *wrong, good *resourcetest.Bank) {
		var calls atomic.Int64
		w.transactions = changed(good.Transactions, func(_ resource.Access, all []fdx.Transaction) []fdx.Transaction {
			if calls.Add(1)%2 == 0 && len(all) > 1 {
				all[0], all[1] = all[1], all[0]
			}
			return all
		})
	}, []string{"unstable"}},

	{"accounts of others", func(w *wrong, good *resourcetest.Bank) {
		w.account = func(ctx context.Context, a resource.Access) (fdx.Account, error) {
			got, err := good.Account(ctx, a)
			if a.Account() == "foreign" && err != nil {
				return good.Account(ctx, as(a, "you"))
			}
			return got, err
		}
	}, []string{"foreign-account"}},
	{"customers of others", func(w *wrong, good *resourcetest.Bank) {
		w.holders = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Customer], error) {
			if ids := a.Accounts(); len(ids) == 1 && ids[0].ID == "foreign" {
				return good.Holders(ctx, as(a, "you"), p)
			}
			return good.Holders(ctx, a, p)
		}
	}, []string{"foreign-account"}},
	{"an unknown account as not found", func(w *wrong, good *resourcetest.Bank) {
		w.contact = func(ctx context.Context, a resource.Access) (fdx.AccountContact, error) {
			got, err := good.Contact(ctx, a)
			if errors.Is(err, resource.ErrNoAccount) {
				err = resource.ErrNotFound
			}
			return got, err
		}
	}, []string{"no-account"}},
	{"all accounts of the consumer", func(w *wrong, good *resourcetest.Bank) {
		w.accounts = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Account], error) {
			return good.Accounts(ctx, allOfMe(), p)
		}
	}, []string{"beyond-access"}},
	{"an account left out", func(w *wrong, good *resourcetest.Bank) {
		w.accounts = changed(good.Accounts, func(_ resource.Access, all []fdx.Account) []fdx.Account {
			return slices.DeleteFunc(all, func(a fdx.Account) bool { return a.ID() == "loan" })
		})
	}, []string{"missing-account"}},
	{"a locked account is open", func(w *wrong, good *resourcetest.Bank) {
		w.networks = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.PaymentNetwork], error) {
			got, err := good.PaymentNetworks(ctx, a, p)
			if errors.Is(err, resource.ErrAccountLocked) {
				return resource.Page[fdx.PaymentNetwork]{}, nil
			}
			return got, err
		}
	}, []string{"locked-account"}},
	{"more of a locked account in the list", func(w *wrong, good *resourcetest.Bank) {
		w.accounts = changed(good.Accounts, func(_ resource.Access, all []fdx.Account) []fdx.Account {
			for i := range all {
				if all[i].ID() == "locked" {
					all[i].Deposit.CurrentBalance = fdx.NewDecimal(1, 2)
				}
			}
			return all
		})
	}, []string{"locked-account"}},
	{"the order of the access counts", func(w *wrong, good *resourcetest.Bank) {
		w.accounts = changed(good.Accounts, func(a resource.Access, all []fdx.Account) []fdx.Account {
			if ids := a.Accounts(); len(ids) == 4 && ids[0].ID != "busy" {
				return all[:1]
			}
			return all
		})
	}, []string{"missing-account"}},
	{"programs of the whole consumer", func(w *wrong, good *resourcetest.Bank) {
		w.programs = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.RewardProgram], error) {
			if ids := a.Accounts(); ids[0].ID != "foreign" {
				a = allOfMe()
			}
			return good.RewardPrograms(ctx, a, p)
		}
	}, []string{"beyond-access"}},
	{"a program by any account", func(w *wrong, good *resourcetest.Bank) {
		w.program = func(ctx context.Context, a resource.Access, id fdx.RewardProgramID) (fdx.RewardProgram, error) {
			return good.RewardProgram(ctx, allOfMe(), id)
		}
	}, []string{"beyond-access"}},
	{"a customer by any account", func(w *wrong, good *resourcetest.Bank) {
		w.holder = func(ctx context.Context, a resource.Access, id fdx.CustomerID) (fdx.Customer, error) {
			if ids := a.Accounts(); ids[0].ID != "foreign" {
				a = allOfMe()
			}
			return good.Holder(ctx, a, id)
		}
	}, []string{"beyond-access"}},
	{"the consumer by an account of others", func(w *wrong, good *resourcetest.Bank) {
		w.holder = func(ctx context.Context, a resource.Access, id fdx.CustomerID) (fdx.Customer, error) {
			if ids := a.Accounts(); ids[0].ID == "foreign" {
				a = allOfMe()
			}
			return good.Holder(ctx, a, id)
		}
	}, []string{"foreign-account"}},
	{"a customer unlike the list", func(w *wrong, good *resourcetest.Bank) {
		w.holders = changed(good.Holders, at(0, func(c *fdx.Customer) { c.Emails = nil }))
	}, []string{"differs-from-list"}},
	{"statements of another account", func(w *wrong, good *resourcetest.Bank) {
		w.statements = changed(good.Statements, at(1, func(s *fdx.Statement) { s.AccountID = "card" }))
	}, []string{"wrong-account"}},
	{"another account than asked for", func(w *wrong, good *resourcetest.Bank) {
		w.account = func(ctx context.Context, a resource.Access) (fdx.Account, error) {
			got, err := good.Account(ctx, a)
			if err == nil && a.Account() == "loan" {
				got.Loan.AccountID = "busy"
			}
			return got, err
		}
	}, []string{"wrong-account"}},
	{"an account unlike the list", func(w *wrong, good *resourcetest.Bank) {
		w.account = func(ctx context.Context, a resource.Access) (fdx.Account, error) {
			got, err := good.Account(ctx, a)
			if err == nil && a.Account() == "loan" {
				got.Loan.Nickname = "x"
			}
			return got, err
		}
	}, []string{"differs-from-list"}},

	{"every day there is", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Transaction], error) {
			if a.Window() == (fdx.Window{}) {
				return good.Transactions(ctx, a, p)
			}
			return good.Transactions(ctx, access(a, fdx.DateOf(noon).AddDays(-364), fdx.DateOf(noon)), p)
		}
	}, []string{"outside-window"}},
	{"a day too early", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Transaction], error) {
			return good.Transactions(ctx, wider(a, 1), p)
		}
	}, []string{"outside-window"}},
	{"a later page of every day", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Transaction], error) {
			if p.After != "" && p.Limit == fdx.MaxLimit {
				a = wider(a, 300)
			}
			return good.Transactions(ctx, a, p)
		}
	}, []string{"outside-window"}},
	{"no window is every window", func(w *wrong, good *resourcetest.Bank) {
		w.statements = func(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Statement], error) {
			if a.Window() == (fdx.Window{}) {
				a = access(a, fdx.DateOf(noon).AddDays(-364), fdx.DateOf(noon))
			}
			return good.Statements(ctx, a, p)
		}
	}, []string{"outside-window"}},
	{"the last day left out", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, func(a resource.Access, all []fdx.Transaction) []fdx.Transaction {
			return slices.DeleteFunc(all, func(x fdx.Transaction) bool { return day(x) == a.Window().End })
		})
	}, []string{"window-edge"}},
	{"the first day left out", func(w *wrong, good *resourcetest.Bank) {
		w.statements = changed(good.Statements, func(a resource.Access, all []fdx.Statement) []fdx.Statement {
			return slices.DeleteFunc(all, func(s fdx.Statement) bool { return s.StatementDate == a.Window().Start })
		})
	}, []string{"window-edge"}},
	{"oldest first", func(w *wrong, good *resourcetest.Bank) {
		w.statements = changed(good.Statements, func(_ resource.Access, all []fdx.Statement) []fdx.Statement {
			slices.Reverse(all)
			return all
		})
	}, []string{"newest-first"}},
	{"pending last", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, func(_ resource.Access, all []fdx.Transaction) []fdx.Transaction {
			slices.SortStableFunc(all, func(a, b fdx.Transaction) int {
				return strings.Compare(string(b.Base().Status), string(a.Base().Status))
			})
			return all
		})
	}, []string{"pending-first"}},
	{"posted without a time", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, at(0, func(x *fdx.Transaction) { x.Base().Status = fdx.Posted }))
	}, []string{"pending-status"}},

	{"one answer for all", func(w *wrong, good *resourcetest.Bank) {
		kept := map[fdx.AccountID]fdx.AccountContact{"busy": {Emails: []string{"a@example.com"}}}
		w.contact = func(ctx context.Context, a resource.Access) (fdx.AccountContact, error) {
			if c, ok := kept[a.Account()]; ok && ctx.Err() == nil {
				return c, nil
			}
			return good.Contact(ctx, a)
		}
	}, []string{"shared-memory"}},
	{"one caller at a time", func(w *wrong, good *resourcetest.Bank) {
		var inside atomic.Int64
		w.contact = func(ctx context.Context, a resource.Access) (fdx.AccountContact, error) {
			defer inside.Add(-1)
			if inside.Add(1) > 1 {
				return fdx.AccountContact{}, resource.ErrUnavailable
			}
			for range 1000 {
				runtime.Gosched()
			}
			return good.Contact(ctx, a)
		}
	}, []string{"concurrent-use"}},
	{"work without a context", func(w *wrong, good *resourcetest.Bank) {
		w.program = func(ctx context.Context, a resource.Access, id fdx.RewardProgramID) (fdx.RewardProgram, error) {
			return good.RewardProgram(context.WithoutCancel(ctx), a, id)
		}
	}, []string{"deadline"}},
	{"work that does not end", func(w *wrong, good *resourcetest.Bank) {
		w.contact = func(ctx context.Context, a resource.Access) (fdx.AccountContact, error) {
			if ctx.Err() != nil {
				time.Sleep(time.Hour) // in the bubble's time
			}
			return good.Contact(ctx, a)
		}
	}, []string{"deadline"}},

	{"a record without an id", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, at(4, func(x *fdx.Transaction) { x.Base().TransactionID = "" }))
	}, []string{"bad-id"}},
	{"a transaction of no category", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, func(_ resource.Access, all []fdx.Transaction) []fdx.Transaction {
			for i := range all {
				if all[i].Base().TransactionID == "19" {
					all[i] = fdx.Transaction{}
				}
			}
			return all
		})
	}, []string{"category"}},
	{"a transaction of another category", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, at(2, func(x *fdx.Transaction) {
			*x = fdx.Transaction{Annuity: &fdx.AnnuityTransaction{TransactionBase: *x.Base()}}
		}))
	}, []string{"category"}},
	{"no description", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, at(2, func(x *fdx.Transaction) { x.Base().Description = "" }))
	}, []string{"missing-field"}},
	{"a negative amount", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, at(2, func(x *fdx.Transaction) { x.Base().Amount = fdx.NewDecimal(-100, 2) }))
	}, []string{"negative-amount"}},
	{"points below nothing", func(w *wrong, good *resourcetest.Bank) {
		less := func(r *fdx.RewardProgram) {
			r.Memberships[0].Balances = []fdx.RewardBalance{{AccruedYTD: fdx.NewDecimal(-1, 0)}}
		}
		w.programs = changed(good.RewardPrograms, at(0, less))
		w.program = func(ctx context.Context, a resource.Access, id fdx.RewardProgramID) (fdx.RewardProgram, error) {
			r, err := good.RewardProgram(ctx, a, id)
			if err == nil && id == "both" {
				less(&r)
			}
			return r, err
		}
	}, []string{"negative-amount"}},
	{"a foreign amount in no currency", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, at(2, func(x *fdx.Transaction) { x.Base().ForeignAmount = fdx.NewDecimal(1, 0) }))
	}, []string{"currency"}},
	{"a currency in words", func(w *wrong, good *resourcetest.Bank) {
		w.transactions = changed(good.Transactions, at(2, func(x *fdx.Transaction) { x.Base().ForeignCurrency = "euro" }))
	}, []string{"currency"}},
	{"no currency", func(w *wrong, good *resourcetest.Bank) {
		w.accounts = changed(good.Accounts, at(0, func(a *fdx.Account) { a.Descriptor().Currency = fdx.Currency{} }))
		w.account = func(ctx context.Context, a resource.Access) (fdx.Account, error) {
			got, err := good.Account(ctx, a)
			if err == nil {
				got.Descriptor().Currency = fdx.Currency{}
			}
			return got, err
		}
	}, []string{"currency", "differs-from-list"}},
	{"the bank's own code", func(w *wrong, good *resourcetest.Bank) {
		w.networks = changed(good.PaymentNetworks, at(0, func(n *fdx.PaymentNetwork) { n.Type = "SEPA" }))
	}, []string{"unknown-value"}},

	{"a document of another form", func(w *wrong, good *resourcetest.Bank) {
		w.statement = func(ctx context.Context, a resource.Access, id fdx.StatementID, _ []fdx.ContentType) (resource.Document, error) {
			return good.Statement(ctx, a, id, []fdx.ContentType{fdx.PDF})
		}
	}, []string{"document-form"}},
	{"terms of no form", func(w *wrong, good *resourcetest.Bank) {
		w.terms = func(ctx context.Context, a resource.Access, forms []fdx.ContentType) (resource.Document, error) {
			d, err := good.Terms(ctx, a, forms)
			d.Type = "text/plain"
			return d, err
		}
	}, []string{"document-form"}},
	{"an image of nine megabytes", func(w *wrong, good *resourcetest.Bank) {
		w.image = func(ctx context.Context, a resource.Access, id fdx.ImageID, forms []fdx.ContentType) (resource.Document, error) {
			d, err := good.Image(ctx, a, id, forms)
			d.Body = make([]byte, 8<<20+1)
			return d, err
		}
	}, []string{"document-size"}},
	{"an empty statement", func(w *wrong, good *resourcetest.Bank) {
		w.statement = func(ctx context.Context, a resource.Access, id fdx.StatementID, forms []fdx.ContentType) (resource.Document, error) {
			d, err := good.Statement(ctx, a, id, forms)
			d.Body = nil
			return d, err
		}
	}, []string{"document-size"}},
	{"a statement dated outside the window", func(w *wrong, good *resourcetest.Bank) {
		w.statement = func(ctx context.Context, a resource.Access, id fdx.StatementID, forms []fdx.ContentType) (resource.Document, error) {
			d, err := good.Statement(ctx, a, id, forms)
			d.Date = d.Date.AddDays(-3650)
			return d, err
		}
	}, []string{"outside-window"}},
	{"a statement before the window", func(w *wrong, good *resourcetest.Bank) {
		w.statement = func(ctx context.Context, a resource.Access, id fdx.StatementID, forms []fdx.ContentType) (resource.Document, error) {
			return good.Statement(ctx, wider(a, 3650), id, forms)
		}
	}, []string{"outside-window"}},
	{"the date of the request", func(w *wrong, good *resourcetest.Bank) {
		w.image = func(ctx context.Context, a resource.Access, id fdx.ImageID, forms []fdx.ContentType) (resource.Document, error) {
			d, err := good.Image(ctx, a, id, forms)
			d.Date = fdx.DateOf(noon)
			return d, err
		}
	}, []string{"document-date"}},
	{"an unknown statement in processing", func(w *wrong, good *resourcetest.Bank) {
		w.statement = func(ctx context.Context, a resource.Access, id fdx.StatementID, forms []fdx.ContentType) (resource.Document, error) {
			d, err := good.Statement(ctx, a, id, forms)
			if errors.Is(err, resource.ErrNotFound) {
				err = resource.ErrProcessing
			}
			return d, err
		}
	}, []string{"not-found"}},

	{"offered and not there", func(w *wrong, _ *resourcetest.Bank) {
		w.terms = resource.NotOffered{}.Terms
	}, []string{"operation-missing"}},
	{"there and not offered", func(w *wrong, good *resourcetest.Bank) {
		w.operations = func() []fdx.OperationID {
			return slices.DeleteFunc(good.Operations(), func(id fdx.OperationID) bool { return id == fdx.GetTermsAndConditions })
		}
	}, []string{"operation-undeclared"}},
	{"an operation of the gateway", func(w *wrong, good *resourcetest.Bank) {
		w.operations = func() []fdx.OperationID { return append(good.Operations(), fdx.GetCapability) }
	}, []string{"operation-unknown"}},
	{"a state of its own", func(w *wrong, _ *resourcetest.Bank) {
		w.availability = func(context.Context) (fdx.Availability, error) { return fdx.Availability{}, nil }
	}, []string{"availability"}},
	{"a panic", func(w *wrong, _ *resourcetest.Bank) {
		w.program = func(context.Context, resource.Access, fdx.RewardProgramID) (fdx.RewardProgram, error) {
			panic("nil map")
		}
	}, []string{"panic"}},
	{"an error in place of data", func(w *wrong, good *resourcetest.Bank) {
		w.contact = func(ctx context.Context, a resource.Access) (fdx.AccountContact, error) {
			got, err := good.Contact(ctx, a)
			if err == nil {
				err = errors.New("table of Jane Doe is gone")
			}
			return got, err
		}
	}, []string{"error"}},
}

// run returns the findings of a bank that is wrong in these ways.
func run(t *testing.T, wrongs ...fault) []contract.Finding {
	t.Helper()
	var found []contract.Finding
	synctest.Test(t, func(t *testing.T) {
		good, f := resourcetest.Furnished(noon)
		w := &wrong{Provider: good}
		for _, x := range wrongs {
			x.spoil(w, good)
		}
		report, err := contract.Run(t.Context(), contract.Fixture{
			Provider: w, Now: noon, Consumer: f.Consumer, Accounts: f.Accounts, Busy: f.Busy, Foreign: f.Foreign, Locked: f.Locked,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		found = report.Findings()
		time.Sleep(2 * time.Hour) // those that do not end, end
	})
	return found
}

func TestEachFaultIsCaughtByItsRule(t *testing.T) {
	t.Parallel()
	for _, x := range faults {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range run(t, x) {
				if !slices.Contains(got, f.Rule) {
					got = append(got, f.Rule)
				}
				if f.What == "" || f.Mend == "" || strings.Contains(f.What, "Jane") {
					t.Errorf("finding %+v", f)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, x.rules) {
				t.Errorf("caught by %v, want %v", got, x.rules)
				for _, f := range run(t, x) {
					t.Logf("%s %s: %s", f.Rule, f.Operation, f.What)
				}
			}
		})
	}
}

func TestEachRuleHasAFault(t *testing.T) {
	t.Parallel()
	var caught []string
	for _, x := range faults {
		caught = append(caught, x.rules...)
	}
	for _, r := range contract.Rules() {
		if !slices.Contains(caught, r.Name) && r.Name != "chooser-differs" { // TestExplore
			t.Errorf("no fault is caught by %s", r.Name)
		}
	}
}

func TestManyFaultsAtOnceAreAllShown(t *testing.T) {
	t.Parallel()
	names := []string{
		"accounts of others", "an account left out", "pending last", "an image of nine megabytes",
		"statements of another account", "a page that skips a record", "one answer for all", "terms of no form",
		"work without a context", "customers of others", "an operation of the gateway", "a state of its own",
		"an unknown statement in processing",
	}
	var wrongs []fault
	var want []string
	for _, x := range faults {
		if slices.Contains(names, x.name) {
			wrongs = append(wrongs, x)
			want = append(want, x.rules...)
		}
	}
	if len(wrongs) != len(names) {
		t.Fatalf("%d of %d faults", len(wrongs), len(names))
	}
	found := run(t, wrongs...)
	for _, rule := range want {
		if !slices.ContainsFunc(found, func(f contract.Finding) bool { return f.Rule == rule }) {
			t.Errorf("%s is not shown", rule)
		}
	}
	for i, f := range found {
		if slices.ContainsFunc(found[:i], func(g contract.Finding) bool { return g.Rule == f.Rule && g.Operation == f.Operation }) {
			t.Errorf("%s %s is shown twice", f.Rule, f.Operation)
		}
	}
}
