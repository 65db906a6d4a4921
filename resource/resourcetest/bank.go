package resourcetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/contract"
)

// Bank is a bank in memory that has every operation. It keeps the contract of
// resource.Provider and is safe for concurrent use.
type Bank struct {
	mu        sync.RWMutex
	accounts  []*bankAccount // in the order they were opened
	customers []fdx.Customer
	programs  []bankProgram
}

type bankAccount struct {
	holders []consent.ConsumerID
	fdx     fdx.Account
	locked  bool
	// transactions are sorted as they are listed.
	transactions []fdx.Transaction
	extras       Extras
}

// Extras is what an account has besides its transactions. The zero value is
// nothing of anything.
type Extras struct {
	Contact               fdx.AccountContact
	PaymentNetworks       []fdx.PaymentNetwork
	AssetTransferNetworks []fdx.AssetTransferNetwork
	// Statements are newest first. One without a document is in processing.
	Statements []fdx.Statement
	Documents  map[fdx.StatementID]resource.Document
	Images     map[fdx.ImageID]resource.Document
	// Terms is the zero Document for an account without terms.
	Terms resource.Document
}

type bankProgram struct {
	fdx        fdx.RewardProgram
	categories []fdx.RewardCategory
}

var _ resource.Provider = (*Bank)(nil)

// Open opens an account. The Bank owns it from here on.
func (b *Bank) Open(holder consent.ConsumerID, a fdx.Account, transactions ...fdx.Transaction) {
	slices.SortFunc(transactions, listed)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accounts = append(b.accounts, &bankAccount{holders: []consent.ConsumerID{holder}, fdx: a, transactions: transactions})
}

// Join makes somebody a holder of an account beside those it has.
func (b *Bank) Join(id fdx.AccountID, holder consent.ConsumerID) {
	b.change(id, func(a *bankAccount) { a.holders = append(a.holders, holder) })
}

// Extend gives an account more than transactions. The Bank owns it from here
// on.
func (b *Bank) Extend(id fdx.AccountID, e Extras) {
	b.change(id, func(a *bankAccount) { a.extras = e })
}

// Register tells who a customer is, with all its parts in accounts. The Bank
// owns it from here on.
func (b *Bank) Register(c fdx.Customer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.customers = append(b.customers, c)
}

// Reward adds a program with its memberships and what it pays for. The Bank
// owns them from here on.
func (b *Bank) Reward(p fdx.RewardProgram, categories ...fdx.RewardCategory) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.programs = append(b.programs, bankProgram{p, categories})
}

func (b *Bank) change(id fdx.AccountID, change func(*bankAccount)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.accounts {
		if a.fdx.ID() == id {
			change(a)
		}
	}
}

// Forget makes the bank no longer know an account.
func (b *Bank) Forget(id fdx.AccountID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accounts = slices.DeleteFunc(b.accounts, func(a *bankAccount) bool { return a.fdx.ID() == id })
}

// Lock makes an account unreadable.
func (b *Bank) Lock(id fdx.AccountID) {
	b.change(id, func(a *bankAccount) { a.locked = true })
}

var errPlace = errors.New("resourcetest: not a place in this list")

// Accounts implements resource.Provider.
func (b *Bank) Accounts(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Account], error) {
	if err := ctx.Err(); err != nil {
		return resource.Page[fdx.Account]{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	from := 0
	if p.After != "" {
		at, err := strconv.Atoi(p.After)
		if err != nil {
			return resource.Page[fdx.Account]{}, errPlace
		}
		from = at + 1
	}
	var page resource.Page[fdx.Account]
	last := 0
	for i := from; i < len(b.accounts); i++ {
		account := b.accounts[i]
		if !slices.Contains(account.holders, a.Consumer()) || !holds(a, account.fdx.ID()) {
			continue
		}
		if len(page.Items) == p.Limit {
			page.Next = strconv.Itoa(last)
			break
		}
		listed := contract.Clone(account.fdx)
		if account.locked {
			fdx.FilterAccount(&listed, fdx.NewClusters(fdx.AccountBasic))
		}
		page.Items = append(page.Items, listed)
		last = i
	}
	return page, nil
}

// Account implements resource.Provider.
func (b *Bank) Account(ctx context.Context, a resource.Access) (fdx.Account, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	account, err := b.find(ctx, a)
	if err != nil {
		return fdx.Account{}, err
	}
	return contract.Clone(account.fdx), nil
}

// Transactions implements resource.Provider.
func (b *Bank) Transactions(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Transaction], error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	account, err := b.find(ctx, a)
	if err != nil {
		return resource.Page[fdx.Transaction]{}, err
	}
	from := 0
	if p.After != "" {
		if from = slices.IndexFunc(account.transactions, func(t fdx.Transaction) bool { return place(t) == p.After }) + 1; from == 0 {
			return resource.Page[fdx.Transaction]{}, errPlace
		}
	}
	var page resource.Page[fdx.Transaction]
	for _, t := range account.transactions[from:] {
		if !a.Window().Contains(t.Base().EffectiveDate()) {
			continue
		}
		if len(page.Items) == p.Limit {
			page.Next = place(page.Items[p.Limit-1])
			break
		}
		page.Items = append(page.Items, contract.Clone(t))
	}
	return page, nil
}

func (b *Bank) find(ctx context.Context, a resource.Access) (*bankAccount, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, account := range b.accounts {
		if account.fdx.ID() == a.Account() && slices.Contains(account.holders, a.Consumer()) {
			if account.locked {
				return nil, resource.ErrAccountLocked
			}
			return account, nil
		}
	}
	return nil, resource.ErrNoAccount
}

func holds(a resource.Access, id fdx.AccountID) bool {
	return slices.ContainsFunc(a.Accounts(), func(s consent.AccountShare) bool { return s.ID == id })
}

// listed orders transactions as they are listed: pending before posted, then
// newest first, then by id.
func listed(a, b fdx.Transaction) int {
	x, y := a.Base(), b.Base()
	if xp, yp := x.PostedTimestamp.IsZero(), y.PostedTimestamp.IsZero(); xp != yp {
		if xp {
			return -1
		}
		return 1
	}
	return cmp.Or(listedAt(*y).Compare(listedAt(*x)), strings.Compare(string(x.TransactionID), string(y.TransactionID)))
}

func listedAt(b fdx.TransactionBase) fdx.Timestamp {
	if !b.PostedTimestamp.IsZero() {
		return b.PostedTimestamp
	}
	return b.TransactionTimestamp
}

func place(t fdx.Transaction) string { return string(t.Base().TransactionID) }
