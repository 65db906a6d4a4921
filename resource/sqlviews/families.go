package sqlviews

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/mapping"
)

// Statements implements resource.Provider.
func (p *Provider) Statements(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.Statement], error) {
	none := resource.Page[fdx.Statement]{}
	if !p.views.statement.exists() {
		return p.NotOffered.Statements(ctx, a, r)
	}
	from, err := parseSpot(r.After)
	if err != nil {
		return none, err
	}
	var account fdx.Account
	var page resource.Page[fdx.Statement]
	var spots []spot
	err = p.one(ctx, a, &account, func(b *pgx.Batch) {
		dated(b, p.sql.statement, p.sql.statementAfter, a, from, r.Limit+1, func(s spot, src mapping.Source) error {
			st, err := p.statement(a, s, src)
			if err != nil {
				return err
			}
			s.phase = 'd'
			page.Items, spots = append(page.Items, st), append(spots, s)
			return nil
		})
	})
	if err != nil {
		return none, clean("statements", err)
	}
	if len(page.Items) > r.Limit {
		page.Items = page.Items[:r.Limit]
		if page.Next, err = place(spots[r.Limit-1].String()); err != nil {
			return none, err
		}
	}
	return page, nil
}

// statement maps a statement and holds it against the column by which it was
// selected.
func (p *Provider) statement(a resource.Access, s spot, src mapping.Source) (fdx.Statement, error) {
	st, err := p.mapping.Statement(src)
	if err != nil {
		return fdx.Statement{}, err
	}
	if st.StatementDate != fdx.DateOf(s.at) {
		return fdx.Statement{}, errors.New("sqlviews: statementDate is not what column " + p.views.statement.date + " says: map it from that column")
	}
	st.AccountID = a.Account()
	return st, nil
}

// Statement implements resource.Provider. Documents are PDF; a statement
// without one is in processing.
func (p *Provider) Statement(ctx context.Context, a resource.Access, id fdx.StatementID, forms []fdx.ContentType) (resource.Document, error) {
	if p.views.statement.document == "" {
		return p.NotOffered.Statement(ctx, a, id, forms)
	}
	var account fdx.Account
	var found *fdx.Statement
	var body []byte
	var size int64
	err := p.one(ctx, a, &account, func(b *pgx.Batch) {
		w := a.Window()
		if w.Empty() {
			return
		}
		args := []any{string(a.Consumer()), ids(a), w.Start.Time(), w.End.Time().AddDate(0, 0, 1), string(id)}
		queue(b, p.sql.document, args, []any{&body, &size}, func(src mapping.Source) error {
			st, err := p.mapping.Statement(src)
			found = &st
			return err
		}, nil)
	})
	switch {
	case err != nil:
		return resource.Document{}, clean("statement", err)
	case found == nil || found.StatementID != id || !a.Window().Contains(found.StatementDate):
		return resource.Document{}, resource.ErrNotFound
	case size == 0:
		return resource.Document{}, resource.ErrProcessing
	case body == nil:
		return resource.Document{}, errors.New("sqlviews: a document is longer than 8 MiB")
	case !bytes.HasPrefix(body, []byte("%PDF-")):
		return resource.Document{}, errors.New("sqlviews: a document is no PDF")
	case !slices.Contains(forms, fdx.PDF):
		return resource.Document{}, resource.ErrNotAcceptable
	}
	return resource.Document{Type: fdx.PDF, Date: found.StatementDate, Body: bytes.Clone(body)}, nil
}

// PaymentNetworks implements resource.Provider.
func (p *Provider) PaymentNetworks(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.PaymentNetwork], error) {
	if !p.views.paymentNetwork.exists() {
		return p.NotOffered.PaymentNetworks(ctx, a, r)
	}
	return networks(ctx, p, a, r, p.sql.paymentNetworks, p.mapping.PaymentNetwork)
}

// AssetTransferNetworks implements resource.Provider.
func (p *Provider) AssetTransferNetworks(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.AssetTransferNetwork], error) {
	if !p.views.assetTransferNetwork.exists() {
		return p.NotOffered.AssetTransferNetworks(ctx, a, r)
	}
	return networks(ctx, p, a, r, p.sql.assetTransferNetworks, p.mapping.AssetTransferNetwork)
}

// networks returns a page of a short list. Its places are positions.
func networks[T any](ctx context.Context, p *Provider, a resource.Access, r resource.PageRequest, text sqlText, toFDX func(mapping.Source) (T, error)) (resource.Page[T], error) {
	from := 0
	if r.After != "" {
		var err error
		if from, err = strconv.Atoi(r.After); err != nil || from < 0 {
			return resource.Page[T]{}, errPlace
		}
	}
	var account fdx.Account
	var list []T
	err := p.one(ctx, a, &account, func(b *pgx.Batch) {
		queue(b, text, []any{string(a.Consumer()), ids(a)}, nil, func(src mapping.Source) error {
			n, err := toFDX(src)
			list = append(list, n)
			return err
		}, func() error {
			if account.Descriptor().Status == fdx.StatusClosed {
				return resource.ErrAccountClosed
			}
			if len(list) > maxNetworks {
				return errors.New("sqlviews: an account has more than 100 networks")
			}
			return nil
		})
	})
	if err != nil {
		return resource.Page[T]{}, clean("networks", err)
	}
	if from > len(list) {
		return resource.Page[T]{}, errPlace
	}
	page := resource.Page[T]{Items: list[from:min(from+r.Limit, len(list))]}
	if to := from + r.Limit; to < len(list) {
		page.Next = strconv.Itoa(to)
	}
	return page, nil
}

// Contact implements resource.Provider. Holders are in the order of their ids.
func (p *Provider) Contact(ctx context.Context, a resource.Access) (fdx.AccountContact, error) {
	if !p.views.customer.exists() {
		return p.NotOffered.Contact(ctx, a)
	}
	var account fdx.Account
	if err := p.one(ctx, a, &account, nil); err != nil {
		return fdx.AccountContact{}, clean("contact", err)
	}
	const most = 100
	list, err := p.customers(ctx, a, p.sql.customers, most+1)
	if err == nil && len(list) > most {
		err = errors.New("sqlviews: an account has more than 100 holders")
	}
	if err != nil {
		return fdx.AccountContact{}, clean("contact", err)
	}
	var out fdx.AccountContact
	for _, c := range list {
		h := fdx.AccountHolder{Type: c.Type, Name: c.Name, BusinessCustomer: c.BusinessCustomer}
		for _, part := range c.Accounts {
			if part.AccountID == a.Account() {
				h.Relationship = part.Relationship
			}
		}
		out.Holders = append(out.Holders, h)
		out.Emails = append(out.Emails, c.Emails...)
		out.Addresses = append(out.Addresses, c.Addresses...)
		out.Telephones = append(out.Telephones, c.Telephones...)
	}
	return out, nil
}

// Holders implements resource.Provider. Customers are in the order of their
// ids, with their parts in accounts of the Access.
func (p *Provider) Holders(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.Customer], error) {
	if !p.views.customer.exists() {
		return p.NotOffered.Holders(ctx, a, r)
	}
	text, more := p.sql.customers, []any(nil)
	if r.After != "" {
		text, more = p.sql.customersAfter, []any{r.After}
	}
	list, err := p.customers(ctx, a, text, r.Limit+1, more...)
	if err != nil {
		return resource.Page[fdx.Customer]{}, clean("customers", err)
	}
	page := resource.Page[fdx.Customer]{Items: list}
	if len(list) > r.Limit {
		page.Items = list[:r.Limit]
		if page.Next, err = place(string(list[r.Limit-1].CustomerID)); err != nil {
			return resource.Page[fdx.Customer]{}, err
		}
	}
	return page, nil
}

// Holder implements resource.Provider.
func (p *Provider) Holder(ctx context.Context, a resource.Access, id fdx.CustomerID) (fdx.Customer, error) {
	if !p.views.customer.exists() {
		return p.NotOffered.Holder(ctx, a, id)
	}
	if strings.ContainsRune(string(id), 0) { // text that PostgreSQL cannot hold
		return fdx.Customer{}, resource.ErrNotFound
	}
	list, err := p.customers(ctx, a, p.sql.customerOne, 1, string(id))
	if err != nil {
		return fdx.Customer{}, clean("customer", err)
	}
	if len(list) == 0 {
		return fdx.Customer{}, resource.ErrNotFound
	}
	return list[0], nil
}

// customers returns up to limit customers with their parts in accounts of the
// access that its consumer holds.
func (p *Provider) customers(ctx context.Context, a resource.Access, text sqlText, limit int, more ...any) ([]fdx.Customer, error) {
	who, accounts := string(a.Consumer()), ids(a)
	var list []fdx.Customer
	var keys []string
	index := map[string]int{}
	var key string
	args := append([]any{who, accounts, limit}, more...)
	err := p.read(ctx, text, args, []any{&key}, func(src mapping.Source) error {
		c, err := p.mapping.Customer(src)
		if err != nil {
			return err
		}
		if _, twice := index[key]; twice {
			return errors.New("sqlviews: the view of customers has a customer twice")
		}
		index[key] = len(list)
		list, keys = append(list, c), append(keys, key)
		return nil
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var account string
	err = p.read(ctx, p.sql.parts, []any{who, accounts, keys}, []any{&key, &account}, func(src mapping.Source) error {
		part, err := p.mapping.Holder(src)
		if err != nil {
			return err
		}
		part.AccountID = fdx.AccountID(account)
		if i, ok := index[key]; ok {
			list[i].Accounts = append(list[i].Accounts, part)
		}
		return nil
	})
	return list, err
}

// maxChoices bounds what a consumer can choose from.
const maxChoices = 1000

// Choices implements consent.AccountChooser. Accounts are in the order of
// their ids; one that more than one person holds is joint.
func (p *Provider) Choices(ctx context.Context, who consent.ConsumerID) ([]consent.AccountChoice, error) {
	var choices []consent.AccountChoice
	var joint bool
	err := p.read(ctx, p.sql.choices, []any{string(who), maxChoices + 1}, []any{&joint}, func(src mapping.Source) error {
		a, err := p.mapping.Account(src)
		if err != nil {
			return err
		}
		choices = append(choices, resource.Choice(a, joint))
		return nil
	})
	if err == nil && len(choices) > maxChoices {
		err = errors.New("sqlviews: a consumer has more than 1000 accounts")
	}
	if err != nil {
		return nil, clean("choices", err)
	}
	return choices, nil
}
