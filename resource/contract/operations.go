package contract

import (
	"context"
	"errors"
	"slices"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// part is a page of records, each a pointer into what the provider returned;
// or the one thing of an operation without pages.
type part struct {
	Items []any
	Next  string
}

// operation is one operation of a bank as the checks ask for it.
type operation struct {
	id fdx.OperationID
	// single: about the one account of the access. dated: the window counts.
	single, dated, paged bool
	// core: see Check.Core.
	core  bool
	fetch func(context.Context, *probe, resource.Access, resource.PageRequest) (part, error)
	// specific is what only this operation has to keep, about its name.
	about    string
	specific func(*probe, operation)
}

// forms are all that a document can be.
func forms() []fdx.ContentType {
	return []fdx.ContentType{fdx.PDF, fdx.PNG, fdx.JPEG, fdx.GIF, fdx.TIFF, fdx.ZIP}
}

func operations(f Fixture) []operation {
	b := f.Provider
	return []operation{
		{
			id: fdx.SearchForAccounts, paged: true, core: true, about: "accounts of the access", specific: checkAccounts,
			fetch: listed(b.Accounts),
		},
		{
			id: fdx.GetAccount, single: true, core: true, about: "as the list has it", specific: checkAccount,
			fetch: alone(b.Account),
		},
		{
			id: fdx.SearchForAccountTransactions, single: true, paged: true, dated: true, core: true, about: "order and window", specific: checkTransactions,
			fetch: listed(b.Transactions),
		},
		{id: fdx.GetAccountContact, single: true, fetch: alone(b.Contact)},
		{id: fdx.GetAccountPaymentNetworks, single: true, paged: true, fetch: listed(b.PaymentNetworks)},
		{id: fdx.GetAccountAssetTransferNetworks, single: true, paged: true, fetch: listed(b.AssetTransferNetworks)},
		{
			id: fdx.SearchForAccountStatements, single: true, paged: true, dated: true, core: true, about: "order and window", specific: checkStatements,
			fetch: listed(b.Statements),
		},
		{
			id: fdx.GetAccountStatement, single: true, dated: true, about: "documents", specific: checkStatementDocuments,
			fetch: func(ctx context.Context, p *probe, a resource.Access, _ resource.PageRequest) (part, error) {
				id := fdx.StatementID(unknown)
				if all := listOf[fdx.Statement](p, fdx.SearchForAccountStatements, p.Busy); len(all) > 0 {
					id = all[len(all)-1].StatementID
				}
				return only(b.Statement(ctx, a, id, forms()))
			},
		},
		{
			id: fdx.GetAccountTransactionImages, single: true, dated: true, about: "images", specific: checkImages,
			fetch: func(ctx context.Context, p *probe, a resource.Access, _ resource.PageRequest) (part, error) {
				id, _ := p.image()
				return only(b.Image(ctx, a, id, forms()))
			},
		},
		{
			id: fdx.GetTermsAndConditions, single: true, about: "terms", specific: checkTerms,
			fetch: func(ctx context.Context, _ *probe, a resource.Access, _ resource.PageRequest) (part, error) {
				return only(b.Terms(ctx, a, forms()))
			},
		},
		{
			id: fdx.SearchRewardPrograms, paged: true, about: "programs of the access", specific: checkPrograms,
			fetch: listed(b.RewardPrograms),
		},
		{
			id: fdx.GetRewardProgram, about: "as the list has it", specific: checkProgram,
			fetch: func(ctx context.Context, p *probe, a resource.Access, _ resource.PageRequest) (part, error) {
				return only(b.RewardProgram(ctx, a, p.program()))
			},
		},
		{
			id: fdx.GetRewardProgramCategories, paged: true, about: "categories of the program", specific: checkCategories,
			fetch: func(ctx context.Context, p *probe, a resource.Access, r resource.PageRequest) (part, error) {
				page, err := b.RewardCategories(ctx, a, p.program(), r)
				return partOf(page), err
			},
		},
		{
			id: fdx.GetCustomers, paged: true, about: "customers of the access", specific: checkHolders,
			fetch: listed(b.Holders),
		},
		{
			id: fdx.GetCustomerInfo, about: "as the list has it", specific: checkHolder,
			fetch: func(ctx context.Context, p *probe, a resource.Access, _ resource.PageRequest) (part, error) {
				return only(b.Holder(ctx, a, p.consumerID()))
			},
		},
		{
			id: fdx.GetCustomer, about: "as the list has it", specific: checkHolder,
			fetch: func(ctx context.Context, p *probe, a resource.Access, _ resource.PageRequest) (part, error) {
				return only(b.Holder(ctx, a, p.consumerID()))
			},
		},
	}
}

// program is a program of the consumer, or one that is none.
func (p *probe) program() fdx.RewardProgramID {
	if all := listOf[fdx.RewardProgram](p, fdx.SearchRewardPrograms, ""); len(all) > 0 {
		return all[0].RewardProgramID
	}
	return unknown
}

func listed[T any](read func(context.Context, resource.Access, resource.PageRequest) (resource.Page[T], error)) func(context.Context, *probe, resource.Access, resource.PageRequest) (part, error) {
	return func(ctx context.Context, _ *probe, a resource.Access, r resource.PageRequest) (part, error) {
		page, err := read(ctx, a, r)
		return partOf(page), err
	}
}

func partOf[T any](page resource.Page[T]) part {
	out := part{Next: page.Next}
	for i := range page.Items {
		out.Items = append(out.Items, &page.Items[i])
	}
	return out
}

func alone[T any](read func(context.Context, resource.Access) (T, error)) func(context.Context, *probe, resource.Access, resource.PageRequest) (part, error) {
	return func(ctx context.Context, _ *probe, a resource.Access, _ resource.PageRequest) (part, error) {
		return only(read(ctx, a))
	}
}

// only is the one thing of an answer, nothing beside an error.
func only[T any](v T, err error) (part, error) {
	if err != nil {
		return part{}, err
	}
	return part{Items: []any{&v}}, nil
}

// checkOperations asks everything once, so that what is offered and what
// answers are the same.
func checkOperations(p *probe) {
	for i, id := range p.offered {
		if slices.Contains(p.offered[:i], id) || !slices.ContainsFunc(p.operations, func(o operation) bool { return o.id == id }) {
			p.breach(ruleUnknownOp, "entry %d of %d is there twice, or is no operation of a bank", i+1, len(p.offered))
		}
	}
	for _, o := range p.operations {
		if p.ctx.Err() != nil {
			return
		}
		_, err := p.page(o, p.usual(o), resource.PageRequest{Limit: 10})
		about := probe{session: p.session, id: o.id}
		switch offered := slices.Contains(p.offered, o.id); {
		case offered && errors.Is(err, resource.ErrNotOffered):
			about.because(err, ruleMissing, "is among Operations and answers ErrNotOffered")
		case !offered && !errors.Is(err, resource.ErrNotOffered):
			about.because(err, ruleUndeclared, "is not among Operations and answers with %s", nameOf(err))
		}
		p.findings = append(p.findings, about.findings...)
	}
}

func checkAvailability(p *probe) {
	got, err := call(p.ctx, p.Patience, p.Provider.Availability)
	if err != nil {
		p.failed(err, "availability")
		return
	}
	if got.Status == "" || got.OperationID != "" {
		p.breach(ruleAvailable, "status given: %t, operation id given: %t", got.Status != "", got.OperationID != "")
	}
	p.known(&got, "availability")
}
