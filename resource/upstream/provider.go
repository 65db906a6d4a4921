package upstream

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/mapping"
)

// Provider is a bank behind its own API. Make one with New. Safe for
// concurrent use.
type Provider struct {
	routes     map[fdx.OperationID]route
	operations []fdx.OperationID
	consumer   Consumer
	narrow     string // the parameter of Config.AccountIDs, "" for none
	window     Window
	paging     Paging
	codes      map[string]string
	mapped     *Mapped
	categories categories
	timeout    time.Duration
	alarm      func(Alarm)
	now        func() time.Time

	transport http.RoundTripper
	tokens    *tokens // nil without OAuth
	slots     chan struct{}
	breaker   *gobreaker.CircuitBreaker[struct{}]
	budget    *budget
}

// Operations implements resource.Provider.
func (p *Provider) Operations() []fdx.OperationID { return p.operations }

// Availability implements resource.Provider. A bank that cannot be asked is
// what the circuit breaker knows of it.
func (p *Provider) Availability(ctx context.Context) (fdx.Availability, error) {
	if p.breaker.State() == gobreaker.StateOpen {
		return fdx.Availability{Status: fdx.Down}, nil
	}
	if _, ok := p.routes[fdx.GetAvailability]; !ok {
		return fdx.Availability{Status: fdx.Alive}, ctx.Err()
	}
	var out fdx.Availability
	err := p.ask(ctx, question{op: fdx.GetAvailability}, func(r reply) error {
		a, err := p.records(fdx.GetAvailability, r.body)
		if err != nil {
			return err
		}
		for _, r := range a.records {
			state, err := entity[fdx.Availability](r, nil)
			if err != nil {
				return err
			}
			if !slices.Contains([]fdx.AvailabilityStatus{fdx.Alive, fdx.Partial, fdx.Maintenance, fdx.Down}, state.Status) {
				return wrong("an availability that is none")
			}
			if state.OperationID == "" {
				out = state
			}
		}
		return nil
	})
	if err == nil && out.Status == "" {
		// It tells of operations alone, and answers.
		out.Status = fdx.Alive
	}
	return out, p.tell(ctx, fdx.GetAvailability, err)
}

// accounts, transactions and so on say what the lists of the bank hold.
var (
	accounts = listing[fdx.Account]{
		op:   fdx.SearchForAccounts,
		read: func(p *Provider, r record, _ fdx.AccountCategory) (fdx.Account, error) { return p.account(r) },
		key:  func(a *fdx.Account) string { return string(a.ID()) },
	}
	transactions = listing[fdx.Transaction]{
		op: fdx.SearchForAccountTransactions, read: (*Provider).transaction,
		key:   func(t *fdx.Transaction) string { return string(t.Base().TransactionID) },
		day:   func(t *fdx.Transaction) fdx.Date { return t.Base().EffectiveDate() },
		order: compareTransactions,
	}
	statements = listing[fdx.Statement]{
		op: fdx.SearchForAccountStatements, read: (*Provider).statement,
		key:   func(s *fdx.Statement) string { return string(s.StatementID) },
		day:   func(s *fdx.Statement) fdx.Date { return s.StatementDate },
		order: func(a, b *fdx.Statement) int { return b.StatementDate.Compare(a.StatementDate) },
	}
	paymentNetworks = listing[fdx.PaymentNetwork]{
		op: fdx.GetAccountPaymentNetworks,
		read: func(p *Provider, r record, _ fdx.AccountCategory) (fdx.PaymentNetwork, error) {
			return entity(r, p.rules().PaymentNetwork)
		},
		key: func(n *fdx.PaymentNetwork) string { return string(n.Type) + "\n" + n.BankID + "\n" + n.Identifier },
	}
	assetTransferNetworks = listing[fdx.AssetTransferNetwork]{
		op: fdx.GetAccountAssetTransferNetworks,
		read: func(p *Provider, r record, _ fdx.AccountCategory) (fdx.AssetTransferNetwork, error) {
			return entity(r, p.rules().AssetTransferNetwork)
		},
		key: func(n *fdx.AssetTransferNetwork) string {
			return string(n.Type) + "\n" + n.InstitutionID + "\n" + n.Identifier
		},
	}
	customers = listing[fdx.Customer]{
		op:   fdx.GetCustomers,
		read: func(p *Provider, r record, _ fdx.AccountCategory) (fdx.Customer, error) { return p.customer(r) },
		key:  func(c *fdx.Customer) string { return string(c.CustomerID) },
	}
	programs = listing[fdx.RewardProgram]{
		op:   fdx.SearchRewardPrograms,
		read: func(_ *Provider, r record, _ fdx.AccountCategory) (fdx.RewardProgram, error) { return program(r) },
		key:  func(r *fdx.RewardProgram) string { return string(r.RewardProgramID) },
	}
	categoriesOf = listing[fdx.RewardCategory]{
		op: fdx.GetRewardProgramCategories,
		read: func(_ *Provider, r record, _ fdx.AccountCategory) (fdx.RewardCategory, error) {
			return entity[fdx.RewardCategory](r, nil)
		},
		key: func(c *fdx.RewardCategory) string { return string(c.CategoryID) },
	}
)

// rules returns the mapping; its methods are not called for a bank that speaks
// FDX.
func (p *Provider) rules() *mapping.Mapping {
	if p.mapped == nil {
		return nil
	}
	return p.mapped.Mapping
}

// Accounts implements resource.Provider. An id with a comma cannot be asked
// for in a list of ids, and is left out.
func (p *Provider) Accounts(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.Account], error) {
	return p.accountsOf(ctx, a.Consumer(), a.Accounts(), r)
}

func (p *Provider) accountsOf(ctx context.Context, who consent.ConsumerID, shares []consent.AccountShare, r resource.PageRequest) (resource.Page[fdx.Account], error) {
	more := url.Values{}
	if p.narrow != "" {
		var ids []string
		for _, s := range shares {
			if !strings.Contains(string(s.ID), ",") {
				ids = append(ids, string(s.ID))
			}
		}
		if len(ids) == 0 {
			return resource.Page[fdx.Account]{}, ctx.Err()
		}
		more.Set(p.narrow, strings.Join(ids, ","))
	}
	p.details(more)
	page, err := list(ctx, p, &accounts, asked{consumer: who, more: more}, r)
	if err != nil {
		return resource.Page[fdx.Account]{}, err
	}
	kept := page.Items[:0]
	for _, account := range page.Items {
		switch {
		case slices.ContainsFunc(shares, func(s consent.AccountShare) bool { return s.ID == account.ID() }):
			kept = append(kept, account)
		case p.narrow != "":
			return resource.Page[fdx.Account]{}, p.tell(ctx, accounts.op, &wrongAnswer{Foreign, "an account that was not asked for"})
		}
	}
	page.Items = kept
	return page, nil
}

// details asks a bank that speaks FDX for all of each account, not only the
// descriptors.
func (p *Provider) details(more url.Values) {
	if p.mapped == nil {
		more.Set("resultType", string(fdx.Details))
	}
}

// Account implements resource.Provider.
func (p *Provider) Account(ctx context.Context, a resource.Access) (fdx.Account, error) {
	if _, ok := p.routes[fdx.GetAccount]; !ok {
		account, err := find(func(r resource.PageRequest) (resource.Page[fdx.Account], error) { return p.Accounts(ctx, a, r) },
			func(account *fdx.Account) bool { return account.ID() == a.Account() })
		if errors.Is(err, resource.ErrNotFound) {
			err = resource.ErrNoAccount
		}
		return account, err
	}
	var account fdx.Account
	err := p.one(ctx, fdx.GetAccount, of(a), func(r record) error {
		var err error
		account, err = p.account(r)
		return err
	})
	if err == nil && account.ID() != a.Account() {
		err = p.tell(ctx, fdx.GetAccount, &wrongAnswer{Foreign, "another account"})
	}
	if err != nil {
		return fdx.Account{}, err
	}
	return account, nil
}

// Transactions implements resource.Provider. Without a window there are none.
func (p *Provider) Transactions(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.Transaction], error) {
	q := asked{consumer: a.Consumer(), account: a.Account(), window: a.Window()}
	if p.mapped != nil {
		// Rules differ by the kind of account, which the bank's transactions
		// need not tell.
		category, ok := p.categories.get(a.Account())
		if !ok {
			account, err := p.Account(ctx, a)
			if err != nil {
				return resource.Page[fdx.Transaction]{}, err
			}
			category = account.Category()
			p.categories.put(a.Account(), category)
		}
		q.category = category
	}
	return list(ctx, p, &transactions, q, r)
}

// compareTransactions orders transactions as they are listed, up to ties.
func compareTransactions(a, b *fdx.Transaction) int {
	x, y := a.Base(), b.Base()
	xp, yp := x.PostedTimestamp.IsZero(), y.PostedTimestamp.IsZero()
	switch {
	case xp && !yp:
		return -1
	case yp && !xp:
		return 1
	case xp:
		return y.TransactionTimestamp.Compare(x.TransactionTimestamp)
	}
	return y.PostedTimestamp.Compare(x.PostedTimestamp)
}

// Contact implements resource.Provider.
func (p *Provider) Contact(ctx context.Context, a resource.Access) (fdx.AccountContact, error) {
	var contact fdx.AccountContact
	err := p.one(ctx, fdx.GetAccountContact, of(a), func(r record) error {
		if r.owner != "" && r.owner != string(a.Account()) {
			return &wrongAnswer{Foreign, "another account"}
		}
		var err error
		contact, err = entity(r, p.rules().Contact)
		return err
	})
	return contact, err
}

// PaymentNetworks implements resource.Provider.
func (p *Provider) PaymentNetworks(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.PaymentNetwork], error) {
	return list(ctx, p, &paymentNetworks, of(a), r)
}

// AssetTransferNetworks implements resource.Provider.
func (p *Provider) AssetTransferNetworks(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.AssetTransferNetwork], error) {
	return list(ctx, p, &assetTransferNetworks, of(a), r)
}

// Statements implements resource.Provider. Without a window there are none.
func (p *Provider) Statements(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.Statement], error) {
	page, err := list(ctx, p, &statements, asked{consumer: a.Consumer(), account: a.Account(), window: a.Window()}, r)
	for i := range page.Items {
		page.Items[i].AccountID = a.Account() // checked, where the bank gives one
	}
	return page, err
}

// Holders implements resource.Provider. The bank's list is of all customers
// behind the consumer's accounts; it is cut to the holders of those accounts
// of the access that the consumer still holds.
func (p *Provider) Holders(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.Customer], error) {
	_, held, err := p.held(ctx, a)
	if err != nil || len(held) == 0 {
		return resource.Page[fdx.Customer]{}, err
	}
	page, err := list(ctx, p, &customers, asked{consumer: a.Consumer()}, r)
	page.Items = slices.DeleteFunc(page.Items, func(c fdx.Customer) bool { return !holdsAny(c, held) })
	return page, err
}

// Holder implements resource.Provider.
func (p *Provider) Holder(ctx context.Context, a resource.Access, id fdx.CustomerID) (fdx.Customer, error) {
	self, held, err := p.held(ctx, a)
	if err != nil {
		return fdx.Customer{}, err
	}
	c := self
	if len(held) > 0 && id != self.CustomerID {
		if c, err = p.customerBy(ctx, a.Consumer(), id); err != nil {
			return fdx.Customer{}, err
		}
	}
	if !holdsAny(c, held) {
		return fdx.Customer{}, resource.ErrNotFound
	}
	return c, nil
}

// held returns the consumer and the accounts of the access in which the
// consumer has a part: none for somebody whom the bank does not know.
func (p *Provider) held(ctx context.Context, a resource.Access) (self fdx.Customer, held []fdx.AccountID, err error) {
	self, err = p.customerBy(ctx, a.Consumer(), fdx.CustomerID(a.Consumer()))
	if errors.Is(err, resource.ErrNotFound) {
		return fdx.Customer{}, nil, nil
	}
	if err != nil {
		return fdx.Customer{}, nil, err
	}
	for _, s := range a.Accounts() {
		if holdsAny(self, []fdx.AccountID{s.ID}) {
			held = append(held, s.ID)
		}
	}
	return self, held, nil
}

func holdsAny(c fdx.Customer, accounts []fdx.AccountID) bool {
	return slices.ContainsFunc(c.Accounts, func(part fdx.CustomerAccount) bool { return slices.Contains(accounts, part.AccountID) })
}

func (p *Provider) customerBy(ctx context.Context, who consent.ConsumerID, id fdx.CustomerID) (fdx.Customer, error) {
	var c fdx.Customer
	q := asked{consumer: who, id: string(id)}
	err := p.one(ctx, fdx.GetCustomer, q, func(r record) error {
		var err error
		c, err = p.customer(r)
		return err
	})
	if err == nil && c.CustomerID != id {
		err = p.tell(ctx, fdx.GetCustomer, &wrongAnswer{Foreign, "another customer"})
	}
	return c, err
}

// RewardPrograms implements resource.Provider. The bank's list is of all
// programs of the consumer; it is cut to those of accounts of the access.
func (p *Provider) RewardPrograms(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.RewardProgram], error) {
	page, err := list(ctx, p, &programs, asked{consumer: a.Consumer()}, r)
	page.Items = slices.DeleteFunc(page.Items, func(r fdx.RewardProgram) bool { return !takesPart(r, a) })
	return page, err
}

// RewardProgram implements resource.Provider.
func (p *Provider) RewardProgram(ctx context.Context, a resource.Access, id fdx.RewardProgramID) (fdx.RewardProgram, error) {
	var v fdx.RewardProgram
	err := p.one(ctx, fdx.GetRewardProgram, asked{consumer: a.Consumer(), id: string(id)}, func(r record) error {
		var err error
		v, err = program(r)
		return err
	})
	switch {
	case err != nil:
	case v.RewardProgramID != id:
		err = p.tell(ctx, fdx.GetRewardProgram, &wrongAnswer{Foreign, "another program"})
	case !takesPart(v, a):
		err = resource.ErrNotFound
	}
	if err != nil {
		return fdx.RewardProgram{}, err
	}
	return v, nil
}

// RewardCategories implements resource.Provider.
func (p *Provider) RewardCategories(ctx context.Context, a resource.Access, id fdx.RewardProgramID, r resource.PageRequest) (resource.Page[fdx.RewardCategory], error) {
	if _, ok := p.routes[fdx.GetRewardProgramCategories]; !ok {
		return resource.Page[fdx.RewardCategory]{}, resource.ErrNotOffered
	}
	if _, err := p.RewardProgram(ctx, a, id); err != nil {
		return resource.Page[fdx.RewardCategory]{}, err
	}
	page, err := list(ctx, p, &categoriesOf, asked{consumer: a.Consumer(), id: string(id)}, r)
	for i := range page.Items {
		c := &page.Items[i]
		if c.RewardProgramID = cmp.Or(c.RewardProgramID, id); c.RewardProgramID != id {
			return resource.Page[fdx.RewardCategory]{}, p.tell(ctx, categoriesOf.op, &wrongAnswer{Foreign, "a category of another program"})
		}
	}
	return page, err
}

func takesPart(r fdx.RewardProgram, a resource.Access) bool {
	return slices.ContainsFunc(r.Memberships, func(m fdx.RewardMembership) bool {
		return slices.ContainsFunc(m.AccountIDs, func(id fdx.AccountID) bool {
			return slices.ContainsFunc(a.Accounts(), func(s consent.AccountShare) bool { return s.ID == id })
		})
	})
}
