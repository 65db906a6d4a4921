package upstream

import (
	"context"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// Statement implements resource.Provider. The document does not say of which
// day it is, so the statement is looked up in the list of the window first.
func (p *Provider) Statement(ctx context.Context, a resource.Access, id fdx.StatementID, forms []fdx.ContentType) (resource.Document, error) {
	if _, ok := p.routes[fdx.GetAccountStatement]; !ok {
		return resource.Document{}, resource.ErrNotOffered
	}
	s, err := find(func(r resource.PageRequest) (resource.Page[fdx.Statement], error) { return p.Statements(ctx, a, r) },
		func(s *fdx.Statement) bool { return s.StatementID == id })
	if err != nil {
		return resource.Document{}, err
	}
	return p.document(ctx, fdx.GetAccountStatement, a, string(id), s.StatementDate, forms)
}

// Image implements resource.Provider. An image is of the day of its
// transaction, which is looked up in the list of the window first: that is
// many calls for an account with many transactions.
func (p *Provider) Image(ctx context.Context, a resource.Access, id fdx.ImageID, forms []fdx.ContentType) (resource.Document, error) {
	if _, ok := p.routes[fdx.GetAccountTransactionImages]; !ok {
		return resource.Document{}, resource.ErrNotOffered
	}
	t, err := find(func(r resource.PageRequest) (resource.Page[fdx.Transaction], error) { return p.Transactions(ctx, a, r) },
		func(t *fdx.Transaction) bool { return shows(t, id) })
	if err != nil {
		return resource.Document{}, err
	}
	return p.document(ctx, fdx.GetAccountTransactionImages, a, string(id), t.Base().EffectiveDate(), forms)
}

// shows reports whether an image is of a transaction or of a part of it.
func shows(t *fdx.Transaction, id fdx.ImageID) bool {
	for _, own := range t.Base().ImageIDs {
		if own == id {
			return true
		}
	}
	for _, part := range t.Base().LineItems {
		for _, own := range part.ImageIDs {
			if own == id {
				return true
			}
		}
	}
	return false
}

// Terms implements resource.Provider.
func (p *Provider) Terms(ctx context.Context, a resource.Access, forms []fdx.ContentType) (resource.Document, error) {
	return p.document(ctx, fdx.GetTermsAndConditions, a, "", fdx.Date{}, forms)
}

// document fetches a file.
func (p *Provider) document(ctx context.Context, op fdx.OperationID, a resource.Access, id string, day fdx.Date, forms []fdx.ContentType) (resource.Document, error) {
	if len(forms) == 0 {
		return resource.Document{}, resource.ErrNotAcceptable
	}
	q := of(a)
	q.id = id
	var d resource.Document
	err := p.ask(ctx, question{op: op, ids: q.ids(op), forms: forms}, func(r reply) error {
		if len(r.body) == 0 {
			return wrong("an empty document")
		}
		d = resource.Document{Type: r.form, Date: day, Body: r.body}
		return nil
	})
	return d, p.tell(ctx, op, nothing(err))
}
