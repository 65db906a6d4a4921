package upstream

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// asked is what a call is about.
type asked struct {
	consumer consent.ConsumerID
	account  fdx.AccountID
	id       string // of a statement, an image, a customer or a program
	window   fdx.Window
	category fdx.AccountCategory // of the account, where rules need it
	more     url.Values
}

// of returns a call about the one account of an access.
func of(a resource.Access) asked { return asked{consumer: a.Consumer(), account: a.Account()} }

// ids returns the ids by their names in templates.
func (q asked) ids(op fdx.OperationID) map[string]string {
	ids := map[string]string{"consumerId": string(q.consumer)}
	if q.account != "" {
		ids["accountId"] = string(q.account)
	}
	switch op {
	case fdx.GetAccountStatement:
		ids["statementId"] = q.id
	case fdx.GetAccountTransactionImages:
		ids["imageId"] = q.id
	case fdx.GetCustomer:
		ids["customerId"] = q.id
	case fdx.GetRewardProgram, fdx.GetRewardProgramCategories:
		ids["rewardProgramId"] = q.id
	}
	return ids
}

// listing says what a list of the bank holds.
type listing[T any] struct {
	op   fdx.OperationID
	read func(p *Provider, r record, c fdx.AccountCategory) (T, error)
	// key tells records of the list apart.
	key func(*T) string
	// day is that by which a window selects; nil for a list without one.
	day func(*T) fdx.Date
	// order is how the list is sorted, ties aside; nil for any order.
	order func(a, b *T) int
}

// maxPlace bounds a place, in bytes (resource.Page).
const maxPlace = 200

var errPlace = errors.New("upstream: not a place in this list")

// list reads one page. What the bank gives has to be what it was asked for:
// of the account, inside the window, in order, no record twice, no more than
// the limit. See docs/providers.md for what is done about each.
func list[T any](ctx context.Context, p *Provider, l *listing[T], q asked, r resource.PageRequest) (resource.Page[T], error) {
	none := resource.Page[T]{}
	if _, ok := p.routes[l.op]; !ok {
		return none, resource.ErrNotOffered
	}
	if l.day != nil && q.window.Empty() {
		return none, ctx.Err()
	}
	more := url.Values{}
	for name, values := range q.more {
		more[name] = values
	}
	if l.day != nil && p.window.Start != "" {
		start, end := q.window.Start.Time(), q.window.End.Time().Add(24*time.Hour-time.Second)
		more.Set(p.window.Start, start.Format(p.window.Layout))
		more.Set(p.window.End, end.Format(p.window.Layout))
	}
	from, err := p.place(r, more)
	if err != nil {
		return none, err
	}
	var items []T
	var next string
	err = p.ask(ctx, question{op: l.op, ids: q.ids(l.op), more: more}, func(reply reply) error {
		a, err := p.records(l.op, reply.body)
		if err != nil {
			return err
		}
		items, next = make([]T, len(a.records)), a.next
		for i, r := range a.records {
			if q.account != "" && r.owner != "" && r.owner != string(q.account) {
				return &wrongAnswer{Foreign, "a record of another account"}
			}
			if items[i], err = l.read(p, r, q.category); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errNothing) {
		return none, nil
	}
	if err != nil {
		return none, p.tell(ctx, l.op, err)
	}
	page, err := l.page(p, items, next, from, q.window, r)
	return page, p.tell(ctx, l.op, err)
}

// place puts the place and the size of a page into the parameters. It returns
// the place as a number for PageOffsets.
func (p *Provider) place(r resource.PageRequest, more url.Values) (int, error) {
	from := 0
	switch p.paging.Style {
	case Whole:
		return 0, nil
	case PageOffsets:
		if r.After != "" {
			n, err := strconv.Atoi(r.After)
			if err != nil || n <= 0 || strconv.Itoa(n) != r.After {
				return 0, errPlace
			}
			from = n
		}
		more.Set(p.paging.Position, strconv.Itoa(from))
	default:
		if r.After != "" {
			more.Set(p.paging.Position, r.After)
		}
	}
	more.Set(p.paging.Limit, strconv.Itoa(r.Limit))
	return from, nil
}

// page checks a list that the bank gave and returns what the gateway asked
// for of it.
func (l *listing[T]) page(p *Provider, items []T, next string, from int, w fdx.Window, r resource.PageRequest) (resource.Page[T], error) {
	none := resource.Page[T]{}
	seen := make(map[string]bool, len(items))
	for i := range items {
		key := l.key(&items[i])
		if seen[key] {
			return none, &wrongAnswer{Disorder, "a repeated record"}
		}
		seen[key] = true
	}
	if l.day != nil {
		// A bank that was asked for days may differ by its time zone. What
		// lies further out is the answer to another question.
		near := fdx.Window{Start: w.Start.AddDays(-1), End: w.End.AddDays(1)}
		if p.window.Start != "" && slices.ContainsFunc(items, func(item T) bool { return !near.Contains(l.day(&item)) }) {
			return none, &wrongAnswer{Outside, "days that were not asked for"}
		}
	}
	whole := p.paging.Style == Whole || r.After == "" && next == "" && p.paging.Style == PageKeys ||
		p.paging.Style == PageOffsets && from == 0 && len(items) < r.Limit
	if p.paging.Style != Whole {
		switch {
		case len(items) > r.Limit:
			return none, &wrongAnswer{Unpaged, "more records than the limit"}
		case p.paging.Style == PageOffsets && len(items) == r.Limit:
			next = strconv.Itoa(from + len(items))
		case p.paging.Style == PageOffsets:
			next = ""
		case next != "" && next == r.After || len(next) > maxPlace:
			return none, &wrongAnswer{Unpaged, "a next page that is this one, or with too long a key"}
		}
	}
	if l.order != nil {
		compare := func(a, b T) int { return l.order(&a, &b) }
		switch {
		case whole: // nothing before or after it
			slices.SortFunc(items, func(a, b T) int {
				return cmp.Or(compare(a, b), strings.Compare(l.key(&a), l.key(&b)))
			})
		case !slices.IsSortedFunc(items, compare):
			return none, &wrongAnswer{Disorder, "records out of order"}
		}
	}
	if l.day != nil {
		items = slices.DeleteFunc(items, func(item T) bool { return !w.Contains(l.day(&item)) })
	}
	if p.paging.Style == Whole {
		return l.cut(items, r)
	}
	return resource.Page[T]{Items: items, Next: next}, nil
}

// cut returns a page of a list that is whole. A place is the digest of the
// record before it, so that what is new at the top repeats nothing.
func (l *listing[T]) cut(items []T, r resource.PageRequest) (resource.Page[T], error) {
	digest := func(item *T) string {
		sum := sha256.Sum256([]byte(l.key(item)))
		return base64.RawURLEncoding.EncodeToString(sum[:16])
	}
	if r.After != "" {
		at := slices.IndexFunc(items, func(item T) bool { return digest(&item) == r.After })
		if at < 0 {
			return resource.Page[T]{}, errPlace
		}
		items = items[at+1:]
	}
	if len(items) <= r.Limit {
		return resource.Page[T]{Items: items}, nil
	}
	return resource.Page[T]{Items: items[:r.Limit], Next: digest(&items[r.Limit-1])}, nil
}

// one reads an answer that is a single record.
func (p *Provider) one(ctx context.Context, op fdx.OperationID, q asked, read func(record) error) error {
	err := p.ask(ctx, question{op: op, ids: q.ids(op), more: q.more}, func(reply reply) error {
		r, err := p.single(op, reply.body)
		if err != nil {
			return err
		}
		return read(r)
	})
	return p.tell(ctx, op, nothing(err))
}

// nothing turns the absence of records into the absence of the one thing that
// was asked for.
func nothing(err error) error {
	if errors.Is(err, errNothing) {
		return resource.ErrNotFound
	}
	return err
}

// maxPages bounds a search in a list.
const maxPages = 20

// find looks for a record in a list, page by page. ErrNotFound when it is not
// in the first pages.
func find[T any](read func(resource.PageRequest) (resource.Page[T], error), is func(*T) bool) (T, error) {
	var none T
	r := resource.PageRequest{Limit: fdx.MaxLimit}
	for range maxPages {
		page, err := read(r)
		if err != nil {
			return none, err
		}
		for i := range page.Items {
			if is(&page.Items[i]) {
				return page.Items[i], nil
			}
		}
		if page.Next == "" {
			break
		}
		r.After = page.Next
	}
	return none, resource.ErrNotFound
}

// categories remembers of which kind accounts are, which never changes. The
// zero value is empty. Safe for concurrent use.
type categories struct {
	mu sync.Mutex
	of map[fdx.AccountID]fdx.AccountCategory // guarded by mu
}

// maxCategories bounds what is remembered; then it starts anew.
const maxCategories = 100_000

func (c *categories) get(id fdx.AccountID) (fdx.AccountCategory, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	category, ok := c.of[id]
	return category, ok
}

func (c *categories) put(id fdx.AccountID, category fdx.AccountCategory) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil || len(c.of) >= maxCategories {
		c.of = map[fdx.AccountID]fdx.AccountCategory{}
	}
	c.of[id] = category
}
