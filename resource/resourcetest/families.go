package resourcetest

import (
	"context"
	"slices"
	"strconv"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/contract"
)

// Operations implements resource.Provider: all of them.
func (b *Bank) Operations() []fdx.OperationID {
	return []fdx.OperationID{
		fdx.SearchForAccounts, fdx.GetAccount, fdx.SearchForAccountTransactions, fdx.GetAccountContact,
		fdx.GetAccountPaymentNetworks, fdx.GetAccountAssetTransferNetworks, fdx.SearchForAccountStatements, fdx.GetAccountStatement,
		fdx.GetAccountTransactionImages, fdx.GetTermsAndConditions, fdx.SearchRewardPrograms, fdx.GetRewardProgram,
		fdx.GetRewardProgramCategories, fdx.GetCustomers, fdx.GetCustomerInfo, fdx.GetCustomer,
	}
}

// Availability implements resource.Provider.
func (b *Bank) Availability(ctx context.Context) (fdx.Availability, error) {
	return fdx.Availability{Status: fdx.Alive}, ctx.Err()
}

// Contact implements resource.Provider.
func (b *Bank) Contact(ctx context.Context, a resource.Access) (fdx.AccountContact, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	account, err := b.find(ctx, a)
	if err != nil {
		return fdx.AccountContact{}, err
	}
	return contract.Clone(account.extras.Contact), nil
}

// PaymentNetworks implements resource.Provider.
func (b *Bank) PaymentNetworks(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.PaymentNetwork], error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	account, err := b.open(ctx, a)
	if err != nil {
		return resource.Page[fdx.PaymentNetwork]{}, err
	}
	return cut(account.extras.PaymentNetworks, p)
}

// AssetTransferNetworks implements resource.Provider.
func (b *Bank) AssetTransferNetworks(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.AssetTransferNetwork], error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	account, err := b.open(ctx, a)
	if err != nil {
		return resource.Page[fdx.AssetTransferNetwork]{}, err
	}
	return cut(account.extras.AssetTransferNetworks, p)
}

// Statements implements resource.Provider.
func (b *Bank) Statements(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Statement], error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	account, err := b.find(ctx, a)
	if err != nil {
		return resource.Page[fdx.Statement]{}, err
	}
	var inside []fdx.Statement
	for _, s := range account.extras.Statements {
		if a.Window().Contains(s.StatementDate) {
			inside = append(inside, s)
		}
	}
	return cut(inside, p)
}

// Statement implements resource.Provider.
func (b *Bank) Statement(ctx context.Context, a resource.Access, id fdx.StatementID, forms []fdx.ContentType) (resource.Document, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	account, err := b.find(ctx, a)
	if err != nil {
		return resource.Document{}, err
	}
	for _, s := range account.extras.Statements {
		if s.StatementID != id || !a.Window().Contains(s.StatementDate) {
			continue
		}
		d, ok := account.extras.Documents[id]
		if !ok {
			return resource.Document{}, resource.ErrProcessing
		}
		d.Date = s.StatementDate
		return form(d, forms)
	}
	return resource.Document{}, resource.ErrNotFound
}

// Image implements resource.Provider.
func (b *Bank) Image(ctx context.Context, a resource.Access, id fdx.ImageID, forms []fdx.ContentType) (resource.Document, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	account, err := b.find(ctx, a)
	if err != nil {
		return resource.Document{}, err
	}
	d, ok := account.extras.Images[id]
	if !ok || !a.Window().Contains(d.Date) {
		return resource.Document{}, resource.ErrNotFound
	}
	return form(d, forms)
}

// Terms implements resource.Provider.
func (b *Bank) Terms(ctx context.Context, a resource.Access, forms []fdx.ContentType) (resource.Document, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	account, err := b.find(ctx, a)
	if err != nil {
		return resource.Document{}, err
	}
	if account.extras.Terms.Type == "" {
		return resource.Document{}, resource.ErrNotFound
	}
	return form(account.extras.Terms, forms)
}

// RewardPrograms implements resource.Provider.
func (b *Bank) RewardPrograms(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.RewardProgram], error) {
	if err := ctx.Err(); err != nil {
		return resource.Page[fdx.RewardProgram]{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []fdx.RewardProgram
	for _, program := range b.programs {
		if b.takesPart(a, program.fdx) {
			list = append(list, program.fdx)
		}
	}
	return cut(list, p)
}

// RewardProgram implements resource.Provider.
func (b *Bank) RewardProgram(ctx context.Context, a resource.Access, id fdx.RewardProgramID) (fdx.RewardProgram, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	program, err := b.program(ctx, a, id)
	return contract.Clone(program.fdx), err
}

// RewardCategories implements resource.Provider.
func (b *Bank) RewardCategories(ctx context.Context, a resource.Access, id fdx.RewardProgramID, p resource.PageRequest) (resource.Page[fdx.RewardCategory], error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	program, err := b.program(ctx, a, id)
	if err != nil {
		return resource.Page[fdx.RewardCategory]{}, err
	}
	return cut(program.categories, p)
}

// Holders implements resource.Provider.
func (b *Bank) Holders(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Customer], error) {
	if err := ctx.Err(); err != nil {
		return resource.Page[fdx.Customer]{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []fdx.Customer
	for _, c := range b.customers {
		if b.holdsAny(a, c) {
			list = append(list, c)
		}
	}
	return cut(list, p)
}

// Holder implements resource.Provider.
func (b *Bank) Holder(ctx context.Context, a resource.Access, id fdx.CustomerID) (fdx.Customer, error) {
	if err := ctx.Err(); err != nil {
		return fdx.Customer{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, c := range b.customers {
		if c.CustomerID == id && b.holdsAny(a, c) {
			return contract.Clone(c), nil
		}
	}
	return fdx.Customer{}, resource.ErrNotFound
}

// open returns the one account of the access if it is not closed.
func (b *Bank) open(ctx context.Context, a resource.Access) (*bankAccount, error) {
	account, err := b.find(ctx, a)
	if err == nil && account.fdx.Descriptor().Status == fdx.StatusClosed {
		return nil, resource.ErrAccountClosed
	}
	return account, err
}

// reaches reports whether an account is in the access and of its consumer.
func (b *Bank) reaches(a resource.Access, id fdx.AccountID) bool {
	return holds(a, id) && slices.ContainsFunc(b.accounts, func(account *bankAccount) bool {
		return account.fdx.ID() == id && slices.Contains(account.holders, a.Consumer())
	})
}

func (b *Bank) holdsAny(a resource.Access, c fdx.Customer) bool {
	return slices.ContainsFunc(c.Accounts, func(part fdx.CustomerAccount) bool { return b.reaches(a, part.AccountID) })
}

func (b *Bank) takesPart(a resource.Access, p fdx.RewardProgram) bool {
	return slices.ContainsFunc(p.Memberships, func(m fdx.RewardMembership) bool {
		return slices.ContainsFunc(m.AccountIDs, func(id fdx.AccountID) bool { return b.reaches(a, id) })
	})
}

func (b *Bank) program(ctx context.Context, a resource.Access, id fdx.RewardProgramID) (bankProgram, error) {
	if err := ctx.Err(); err != nil {
		return bankProgram{}, err
	}
	for _, program := range b.programs {
		if program.fdx.RewardProgramID == id && b.takesPart(a, program.fdx) {
			return program, nil
		}
	}
	return bankProgram{}, resource.ErrNotFound
}

// cut returns a page of a list. Its places are positions.
func cut[T any](list []T, p resource.PageRequest) (resource.Page[T], error) {
	from := 0
	if p.After != "" {
		var err error
		if from, err = strconv.Atoi(p.After); err != nil || from < 0 || from > len(list) {
			return resource.Page[T]{}, errPlace
		}
	}
	page := resource.Page[T]{Items: contract.Clone(list[from:min(from+p.Limit, len(list))])}
	if to := from + p.Limit; to < len(list) {
		page.Next = strconv.Itoa(to)
	}
	return page, nil
}

// form returns the document if it is of one of the forms.
func form(d resource.Document, forms []fdx.ContentType) (resource.Document, error) {
	if !slices.Contains(forms, d.Type) {
		return resource.Document{}, resource.ErrNotAcceptable
	}
	return contract.Clone(d), nil
}
