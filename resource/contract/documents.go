package contract

import (
	"context"
	"errors"
	"slices"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// maxDocument is the largest document, in bytes.
const maxDocument = 8 << 20

// fetch gets a document in one of the forms.
type fetch func(a resource.Access, forms []fdx.ContentType) (resource.Document, error)

// document judges one that was given. A zero date is not judged.
func (p *probe) document(d resource.Document, asked []fdx.ContentType, date fdx.Date, w fdx.Window, what string) {
	if !slices.Contains(asked, d.Type) {
		p.breach(ruleForm, "%s: of another form than the %d that were asked for", what, len(asked))
	}
	if n := len(d.Body); n == 0 || n > maxDocument {
		p.breach(ruleSize, "%s: %d bytes", what, n)
	}
	switch {
	case date.IsZero():
	case !w.Contains(d.Date):
		p.breach(ruleWindow, "%s: its date is outside the window", what)
	case d.Date != date:
		p.breach(ruleDate, "%s: its date is not that of its record", what)
	}
}

// otherForms asks for a document in no form that it has: another one, or none.
func (p *probe) otherForms(d resource.Document, a resource.Access, get fetch, what string) {
	others := slices.DeleteFunc(forms(), func(f fdx.ContentType) bool { return f == d.Type })
	if len(others) == len(forms()) {
		return // a finding already
	}
	got, err := get(a, others)
	switch {
	case err == nil && !slices.Contains(others, got.Type):
		p.breach(ruleForm, "%s: given in a form that was not asked for", what)
	case errors.Is(err, resource.ErrWrongAnswer): // a bank that gives what it has, and nothing of it leaves
	case err != nil && !errors.Is(err, resource.ErrNotAcceptable):
		p.because(err, ruleForm, "%s in forms that it does not have: answered with %s", what, nameOf(err))
	}
}

// hidden expects that a document is not reached.
func (p *probe) hidden(a resource.Access, get fetch, rule, what string) {
	if _, err := get(a, forms()); err == nil {
		p.breach(rule, "%s: given", what)
	} else if !errors.Is(err, resource.ErrNotFound) {
		p.because(err, ruleNotFound, "%s: answered with %s", what, nameOf(err))
	}
}

// maxDocuments is how many documents are fetched.
const maxDocuments = 12

func checkStatementDocuments(p *probe, _ operation) {
	get := func(id fdx.StatementID) fetch {
		return func(a resource.Access, forms []fdx.ContentType) (resource.Document, error) {
			return call(p.ctx, p.Patience, func(ctx context.Context) (resource.Document, error) {
				return p.Provider.Statement(ctx, a, id, forms)
			})
		}
	}
	list, given := listOf[fdx.Statement](p, fdx.SearchForAccountStatements, p.Busy), 0
	for i := 0; i < len(list); i += max(1, len(list)/maxDocuments) {
		s := list[i]
		a := p.one(p.Busy, p.year)
		d, err := get(s.StatementID)(a, forms())
		switch {
		case errors.Is(err, resource.ErrProcessing) && s.Status != fdx.DocumentAvailable:
		case err != nil:
			p.failed(err, "the document of statement %d of %d", i+1, len(list))
		default:
			p.document(d, forms(), s.StatementDate, p.year, "a statement")
			if given == 0 {
				p.otherForms(d, a, get(s.StatementID), "a statement")
			}
			given++
			if w := (fdx.Window{Start: s.StatementDate, End: s.StatementDate}); !w.Empty() {
				if _, err := get(s.StatementID)(p.one(p.Busy, w), forms()); err != nil {
					p.because(err, ruleEdge, "a statement by a window of its own day: answered with %s", nameOf(err))
				}
			}
		}
		if after := (fdx.Window{Start: s.StatementDate.AddDays(1), End: p.year.End}); !after.Empty() && !s.StatementDate.IsZero() {
			p.hidden(p.one(p.Busy, after), get(s.StatementID), ruleWindow, "a statement by a window after it")
		}
	}
	p.hidden(p.one(p.Busy, p.year), get(unknown), ruleNotFound, "an unknown statement")
	if given == 0 {
		p.skip("the busiest account has no statement whose document is available")
	}
}

// image is an image of the busy account and the day of its transaction, or
// one that is none.
func (p *probe) image() (fdx.ImageID, fdx.Date) {
	for _, x := range listOf[fdx.Transaction](p, fdx.SearchForAccountTransactions, p.Busy) {
		if b := x.Base(); b != nil && len(b.ImageIDs) > 0 {
			return b.ImageIDs[0], b.EffectiveDate()
		}
	}
	return unknown, fdx.Date{}
}

func checkImages(p *probe, _ operation) {
	get := func(id fdx.ImageID) fetch {
		return func(a resource.Access, forms []fdx.ContentType) (resource.Document, error) {
			return call(p.ctx, p.Patience, func(ctx context.Context) (resource.Document, error) {
				return p.Provider.Image(ctx, a, id, forms)
			})
		}
	}
	p.hidden(p.one(p.Busy, p.year), get(unknown), ruleNotFound, "an unknown image")
	id, date := p.image()
	if id == unknown {
		p.skip("no transaction of the busiest account in the last year has an image")
		return
	}
	a := p.one(p.Busy, p.year)
	d, err := get(id)(a, forms())
	if err != nil {
		p.failed(err, "an image that a transaction names")
		return
	}
	p.document(d, forms(), date, p.year, "an image")
	p.otherForms(d, a, get(id), "an image")
	if after := (fdx.Window{Start: date.AddDays(1), End: p.year.End}); !after.Empty() {
		p.hidden(p.one(p.Busy, after), get(id), ruleWindow, "an image by a window after its transaction")
	}
}

func checkTerms(p *probe, _ operation) {
	get := func(a resource.Access, forms []fdx.ContentType) (resource.Document, error) {
		return call(p.ctx, p.Patience, func(ctx context.Context) (resource.Document, error) {
			return p.Provider.Terms(ctx, a, forms)
		})
	}
	for i, id := range p.Accounts {
		a := p.one(id, fdx.Window{})
		d, err := get(a, forms())
		if lacks(err) {
			continue
		}
		if err != nil {
			p.failed(err, "the terms of account %d of %d", i+1, len(p.Accounts))
			return
		}
		p.document(d, forms(), fdx.Date{}, fdx.Window{}, "terms")
		p.otherForms(d, a, get, "terms")
		return
	}
	p.skip("no account has terms")
}
