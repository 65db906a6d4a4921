package contract

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// session is what the checks of one fixture share.
type session struct {
	Fixture
	operations []operation
	offered    []fdx.OperationID
	year       fdx.Window                // the year before Now
	words      map[reflect.Type][]string // the values of each type of which FDX names all

	mu     sync.Mutex
	wholes map[string][]any // guarded by mu: lists that were read whole, which nobody changes
}

// probe is one check at work.
type probe struct {
	*session
	ctx       context.Context // of this run; a probe lives no longer
	id        fdx.OperationID
	findings  []Finding
	unchecked string
	notes     []string
}

// breach reports a breach of a rule, each rule once: the first is enough to
// start with, and mending it often mends the others.
func (p *probe) breach(rule, what string, args ...any) { p.because(nil, rule, what, args...) }

func (p *probe) because(cause error, rule, what string, args ...any) {
	// Two causes are findings of their own, whatever they were met by.
	switch {
	case errors.As(cause, new(panicked)):
		rule = rulePanic
	case errors.Is(cause, resource.ErrNotOffered) && slices.Contains(p.offered, p.id):
		rule, what, args = ruleMissing, "is among Operations and answers ErrNotOffered", nil
	}
	if slices.ContainsFunc(p.findings, func(f Finding) bool { return f.Rule == rule }) {
		return
	}
	p.findings = append(p.findings, Finding{
		Rule: rule, Operation: string(p.id), What: fmt.Sprintf(what, args...), Mend: mend(rule), Cause: cause,
	})
}

// skip says why the check or a part of it is not made.
func (p *probe) skip(why string, args ...any) {
	if p.unchecked == "" {
		p.unchecked = fmt.Sprintf(why, args...)
	}
}

// failed reports an answer that should have been data.
func (p *probe) failed(err error, doing string, args ...any) {
	what := fmt.Sprintf(doing, args...)
	if errors.Is(err, errStuck) {
		p.breach(ruleDeadline, "%s: no answer %s after its context had ended", what, p.Patience)
		return
	}
	p.because(err, ruleError, "%s: answered with %s", what, nameOf(err))
}

// nameOf says what an error is without its text, which may hold anything.
func nameOf(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{nil, "no error"}, {resource.ErrNoAccount, "ErrNoAccount"}, {resource.ErrAccountLocked, "ErrAccountLocked"},
		{resource.ErrAccountClosed, "ErrAccountClosed"}, {resource.ErrAccountType, "ErrAccountType"},
		{resource.ErrNotFound, "ErrNotFound"}, {resource.ErrNoStatements, "ErrNoStatements"},
		{resource.ErrProcessing, "ErrProcessing"}, {resource.ErrNotAcceptable, "ErrNotAcceptable"},
		{resource.ErrNotOffered, "ErrNotOffered"}, {resource.ErrWrongAnswer, "ErrWrongAnswer"}, {resource.ErrUnavailable, "ErrUnavailable"},
		{context.DeadlineExceeded, "the end of its time"}, {context.Canceled, "the end of its context"},
		{errStuck, "nothing, also after its context had ended"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	if errors.As(err, new(panicked)) {
		return "a panic"
	}
	root := err
	for inner := errors.Unwrap(root); inner != nil; inner = errors.Unwrap(root) {
		root = inner
	}
	return fmt.Sprintf("an error of its own (%T)", root)
}

// lacks reports whether an error says that there is no such thing here, which
// is an answer.
func lacks(err error) bool {
	for _, known := range []error{
		resource.ErrNotFound, resource.ErrNoStatements, resource.ErrProcessing, resource.ErrAccountClosed, resource.ErrAccountType,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// panicked is a panic of the provider as an error.
type panicked struct {
	value any
	stack []byte
}

func (e panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// errStuck: a call went on although its context had ended.
var errStuck = errors.New("contract: the call does not end with its context")

// call asks the provider. It gives the call a deadline, and gives up on one
// that overstays it for as long again: that goroutine is the provider's then,
// nobody can end it.
func call[T any](ctx context.Context, patience time.Duration, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if v := recover(); v != nil {
				a.err = panicked{v, debug.Stack()}
			}
			done <- a
		}()
		a.value, a.err = ask(ctx)
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case a := <-done:
		return a.value, a.err
	case <-late.C:
		var none T
		return none, errStuck
	}
}

// access makes an access the only way there is. A window is not empty, or the
// zero Window.
func (s *session) access(n resource.Need, accounts ...fdx.AccountID) resource.Access {
	every := fdx.NewClusters(fdx.AllClusters()...)
	n.Any, n.Through = every, every
	a, denial := resource.Allow(Everything(s.Consumer, s.Now, accounts...), fdx.ScopesOf(every), n, s.Now)
	if denial != nil {
		panic(fmt.Sprintf("contract: no access: %v", denial.Error))
	}
	return a
}

// one is an access to one account.
func (s *session) one(id fdx.AccountID, w fdx.Window) resource.Access {
	return s.access(resource.Need{Account: id, Window: w}, id)
}

// several is an access to a list of accounts.
func (s *session) several(accounts ...fdx.AccountID) resource.Access {
	return s.access(resource.Need{}, accounts...)
}

// on is the access by which an operation is asked about these accounts, of
// which an operation on a single one takes the first.
func (s *session) on(o operation, accounts ...fdx.AccountID) resource.Access {
	switch {
	case o.single && o.dated:
		return s.one(accounts[0], s.year)
	case o.single:
		return s.one(accounts[0], fdx.Window{})
	}
	return s.several(accounts...)
}

// usual is the access by which an operation is asked about most.
func (s *session) usual(o operation) resource.Access {
	if o.single {
		return s.on(o, s.Busy)
	}
	return s.on(o, s.Accounts...)
}

// page asks for one page, or for the one thing of an operation without pages.
func (p *probe) page(o operation, a resource.Access, r resource.PageRequest) (part, error) {
	return call(p.ctx, p.Patience, func(ctx context.Context) (part, error) { return o.fetch(ctx, p, a, r) })
}

// The bounds on how much is read.
const (
	pageOf     = 100
	maxRecords = 100_000
)

// pages reads a whole list in pages of limit. It reports what is wrong with
// the pages; false means that there is no list.
func (p *probe) pages(o operation, a resource.Access, limit int) ([]any, bool) {
	var all []any
	seen := map[string]bool{}
	for r := (resource.PageRequest{Limit: limit}); ; {
		page, err := p.page(o, a, r)
		if lacks(err) && r.After == "" {
			return nil, true
		}
		if err != nil {
			p.failed(err, "page %d of up to %d", len(seen)+1, limit)
			return nil, false
		}
		if n := len(page.Items); n > limit {
			p.breach(rulePageLong, "%d records on a page of at most %d", n, limit)
		}
		if n := len(page.Next); n > 200 {
			p.breach(ruleNextLong, "a place of %d bytes", n)
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, true
		}
		if seen[page.Next] || len(all) > maxRecords || len(seen) > maxRecords {
			p.breach(rulePageLoop, "page %d leads back to an earlier one, or the list has no end", len(seen)+1)
			return nil, false
		}
		seen[page.Next] = true
		r.After = page.Next
	}
}

// whole reads a list once for all checks. Nobody changes what it returns.
func (p *probe) whole(o operation, a resource.Access) ([]any, bool) {
	key := string(o.id) + " " + string(a.Account())
	p.mu.Lock()
	all, ok := p.wholes[key]
	p.mu.Unlock()
	if ok {
		return all, true
	}
	if all, ok = p.pages(o, a, pageOf); ok {
		p.mu.Lock()
		p.wholes[key] = all
		p.mu.Unlock()
	}
	return all, ok
}

// listOf reads the list of another operation for what it names: nothing when
// the bank has no such operation or it fails, which is that one's finding.
func listOf[T any](p *probe, id fdx.OperationID, account fdx.AccountID) []*T {
	if !slices.Contains(p.offered, id) {
		return nil
	}
	o := p.operation(id)
	a := p.on(o, p.Accounts...)
	if o.single {
		a = p.on(o, account)
	}
	aside := &probe{session: p.session, ctx: p.ctx, id: id}
	all, _ := aside.whole(o, a)
	return as[T](all)
}

func as[T any](items []any) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = items[i].(*T)
	}
	return out
}

func (s *session) operation(id fdx.OperationID) operation {
	for _, o := range s.operations {
		if o.id == id {
			return o
		}
	}
	panic("contract: no operation " + string(id))
}

// unknown is an id that no bank has.
const unknown = "headgate-no-such-id"

// Clone copies a value down to the elements of its slices, so that a caller
// may change the copy. What is in unexported fields is shared: the entities
// have none that change.
func Clone[T any](v T) T {
	deepen(reflect.ValueOf(&v).Elem())
	return v
}

// deepen replaces everything that v shares with its original.
func deepen(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c := reflect.New(v.Type().Elem())
			c.Elem().Set(v.Elem())
			deepen(c.Elem())
			v.Set(c)
		}
	case reflect.Interface:
		if !v.IsNil() {
			c := reflect.New(v.Elem().Type()).Elem()
			c.Set(v.Elem())
			deepen(c)
			v.Set(c)
		}
	case reflect.Slice:
		if !v.IsNil() {
			c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(c, v)
			v.Set(c)
			if v.Type().Elem().Kind() == reflect.Uint8 {
				return // a document, copied already
			}
			for i := range c.Len() {
				deepen(c.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				deepen(v.Field(i))
			}
		}
	}
}

// spoil overwrites everything that a value reaches through slices and
// pointers, as a caller may.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			clear(v.Bytes()) // a document
			return
		}
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Struct:
		open := false
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				open = true
				spoil(v.Field(i))
			}
		}
		if !open && v.CanSet() {
			v.SetZero() // a number, date or time
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString("spoilt")
		}
	case reflect.Bool:
		if v.CanSet() {
			v.SetBool(!v.Bool())
		}
	}
}

// consumerID is the consumer as a customer.
func (s *session) consumerID() fdx.CustomerID { return fdx.CustomerID(s.Consumer) }
