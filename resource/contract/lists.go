package contract

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// idOf returns the id of a record within its list, empty for a record that
// has none.
func idOf(item any) string {
	switch v := item.(type) {
	case *fdx.Account:
		return string(v.ID())
	case *fdx.Transaction:
		if b := v.Base(); b != nil {
			return string(b.TransactionID)
		}
	case *fdx.Statement:
		return string(v.StatementID)
	case *fdx.RewardProgram:
		return string(v.RewardProgramID)
	case *fdx.RewardCategory:
		return string(v.CategoryID)
	case *fdx.Customer:
		return string(v.CustomerID)
	}
	return ""
}

func idsOf(items []any) []string {
	out := make([]string, len(items))
	for i := range items {
		out[i] = idOf(items[i])
	}
	return out
}

// manyRecords is above which a list is not read record by record.
const manyRecords = 60

// checkPages reads a list in pages of every kind and expects the same list.
func checkPages(p *probe, o operation) {
	a := p.usual(o)
	all, ok := p.pages(o, a, pageOf)
	if !ok {
		return
	}
	again, ok := p.pages(o, a, pageOf)
	if !ok {
		return
	}
	if !reflect.DeepEqual(all, again) {
		p.breach(ruleUnstable, "the same list read twice: %d and %d records, in the same order: %t", len(all), len(again), slices.Equal(idsOf(all), idsOf(again)))
		return
	}
	seen := map[string]int{}
	for i, id := range idsOf(all) {
		if first, twice := seen[id]; twice && id != "" {
			p.breach(ruleDuplicate, "records %d and %d of %d have the same id", first+1, i+1, len(all))
		}
		seen[id] = i
	}
	for _, limit := range []int{1, 2, 5, len(all) - 1, len(all), len(all) + 1} {
		if limit < 1 || limit > fdx.MaxLimit || limit < 5 && len(all) > manyRecords {
			continue
		}
		p.same(o, a, all, limit)
	}
	p.shortPages(o, all)
	if page, err := p.page(o, a, resource.PageRequest{After: "\x00no such place", Limit: 10}); err == nil && len(page.Items) != 0 {
		p.breach(rulePlace, "a made-up place gives %d records", len(page.Items))
	}
	if len(all) < 2 {
		p.skip("the list has %d records; two are needed to see pages", len(all))
	}
}

// same expects a list again in pages of another size.
func (p *probe) same(o operation, a resource.Access, want []any, limit int) {
	got, ok := p.pages(o, a, limit)
	switch {
	case !ok:
	case !slices.Equal(idsOf(got), idsOf(want)):
		p.breach(rulePages, "pages of %d give %d records, pages of %d give %d; the first that differs is number %d", limit, len(got), pageOf, len(want), differ(idsOf(got), idsOf(want)))
	case !reflect.DeepEqual(got, want):
		p.breach(ruleUnstable, "the same records in pages of %d have other contents", limit)
	}
}

// shortPages reads the newest days of a long list record by record.
func (p *probe) shortPages(o operation, all []any) {
	if !o.dated || !o.single || len(all) <= manyRecords {
		return
	}
	w := fdx.Window{Start: dayOf(all[manyRecords]).AddDays(1), End: p.year.End}
	if w.Empty() {
		return
	}
	a := p.one(p.Busy, w)
	if want, ok := p.pages(o, a, pageOf); ok {
		p.same(o, a, want, 1)
		p.same(o, a, want, 2)
	}
}

// differ is the place, counted from 1, of the first difference.
func differ(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i + 1
		}
	}
	return min(len(a), len(b)) + 1
}

// checkForeign asks a single-account operation about accounts that the
// consumer does not hold.
func checkForeign(p *probe, o operation) {
	ask := func(id fdx.AccountID, whose, rule string) {
		page, err := p.page(o, p.on(o, id), resource.PageRequest{Limit: 10})
		switch {
		case len(page.Items) > 0 && !empty(page.Items):
			p.breach(rule, "data for an account %s", whose)
		case !errors.Is(err, resource.ErrNoAccount):
			p.because(err, ruleNoAccount, "an account %s: answered with %s", whose, nameOf(err))
		}
	}
	ask(unknown, "that does not exist", ruleNoAccount)
	if p.Foreign == "" {
		p.skip("no account of another consumer is known")
		return
	}
	ask(p.Foreign, "of somebody else", ruleForeign)
}

// empty reports whether an answer holds nothing.
func empty(items []any) bool {
	return !slices.ContainsFunc(items, func(item any) bool { return !reflect.ValueOf(item).Elem().IsZero() })
}

func checkLocked(p *probe, o operation) {
	if p.Locked == "" {
		p.skip("no account that may not be read now is known")
		return
	}
	if _, err := p.page(o, p.on(o, p.Locked), resource.PageRequest{Limit: 10}); !errors.Is(err, resource.ErrAccountLocked) {
		p.because(err, ruleLocked, "an account that may not be read now: answered with %s", nameOf(err))
	}
}

// The bounds of the concurrent reads.
const (
	readers      = 8
	readsEach    = 6
	maxQuestions = 4
)

// checkCallers asks the same of several accounts, changes the answers and
// asks again, then all at once: callers must not see each other.
func checkCallers(p *probe, o operation) {
	questions := []resource.Access{p.usual(o)}
	for _, id := range p.Accounts {
		if len(questions) < maxQuestions && (id != p.Busy || !o.single) {
			questions = append(questions, p.on(o, id))
		}
	}
	read := func(a resource.Access) (part, error) { return p.page(o, a, resource.PageRequest{Limit: pageOf}) }
	wants := make([]part, len(questions))
	found := false
	for i, a := range questions {
		first, err := read(a)
		if err != nil && !lacks(err) {
			p.failed(err, "account %d of %d", i+1, len(questions))
			return
		}
		wants[i] = Clone(first)
		found = found || len(first.Items) > 0
		second, err2 := read(a)
		if !reflect.DeepEqual(second, wants[i]) || (err == nil) != (err2 == nil) {
			p.breach(ruleUnstable, "the same question gives different answers: %s, then %s", nameOf(err), nameOf(err2))
			return
		}
		spoil(reflect.ValueOf(first.Items))
		if third, _ := read(a); !reflect.DeepEqual(third, wants[i]) {
			p.breach(ruleShared, "what one caller changes in its answer, the next one gets")
			return
		}
	}
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		others int
	)
	for i := range readers {
		wg.Go(func() {
			for j := range readsEach {
				n := (i + j) % len(questions)
				got, err := read(questions[n])
				if (err == nil || lacks(err)) && reflect.DeepEqual(got, wants[n]) {
					continue
				}
				mu.Lock()
				others++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if others > 0 {
		p.breach(ruleConcurrent, "%d of %d answers under concurrent use differ from those given alone", others, readers*readsEach)
	}
	if !found {
		p.skip("there is nothing to read")
	}
}

// checkDeadline asks in a context that has ended.
func checkDeadline(p *probe, o operation) {
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	_, err := call(ctx, p.Patience, func(ctx context.Context) (part, error) {
		return o.fetch(ctx, p, p.usual(o), resource.PageRequest{Limit: 10})
	})
	switch {
	case errors.Is(err, errStuck):
		p.breach(ruleDeadline, "no answer %s after its context had ended", p.Patience)
	case err == nil || lacks(err):
		p.breach(ruleDeadline, "answered with %s although its context had ended", nameOf(err))
	case errors.As(err, new(panicked)):
		p.failed(err, "in a context that has ended")
	}
}
