package contract

import (
	"errors"
	"reflect"
	"slices"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// checkAccounts: the list holds the accounts of the access that the consumer
// holds, and nothing else.
func checkAccounts(p *probe, o operation) {
	read := func(limit int, accounts ...fdx.AccountID) ([]fdx.AccountID, bool) {
		all, ok := p.pages(o, p.several(accounts...), limit)
		var ids []fdx.AccountID
		for _, a := range as[fdx.Account](all) {
			ids = append(ids, a.ID())
		}
		return ids, ok
	}
	if got, ok := read(pageOf, p.Accounts...); ok {
		p.exactly(got, p.Accounts)
	}
	for _, one := range p.Accounts {
		if got, ok := read(pageOf, one); ok {
			p.exactly(got, []fdx.AccountID{one})
		}
	}
	backwards := slices.Clone(p.Accounts)
	slices.Reverse(backwards)
	if got, ok := read(2, backwards...); ok {
		p.exactly(got, p.Accounts)
	}
	if got, ok := read(pageOf, unknown, p.Busy); ok {
		p.exactly(got, []fdx.AccountID{p.Busy})
	}
	p.lockedInList(o)
	if p.Foreign == "" {
		p.skip("no account of another consumer is known")
		return
	}
	for _, accounts := range [][]fdx.AccountID{{p.Foreign}, {p.Foreign, p.Busy}} {
		if got, ok := read(pageOf, accounts...); ok && slices.Contains(got, p.Foreign) {
			p.breach(ruleForeign, "the list holds an account of somebody else")
		}
	}
}

// exactly expects these accounts in any order. That an id is there twice is
// the finding of the pages.
func (p *probe) exactly(got, want []fdx.AccountID) {
	absent, beyond := 0, 0
	for _, id := range want {
		if !slices.Contains(got, id) {
			absent++
		}
	}
	for _, id := range got {
		if !slices.Contains(want, id) && id != p.Foreign {
			beyond++
		}
	}
	if absent > 0 {
		p.breach(ruleAbsent, "of an access to %d accounts, %d are not in the list", len(want), absent)
	}
	if beyond > 0 {
		p.breach(ruleBeyond, "for an access to %d accounts, the list holds %d others", len(want), beyond)
	}
}

func (p *probe) lockedInList(o operation) {
	if p.Locked == "" {
		return
	}
	all, _ := p.pages(o, p.several(p.Locked), pageOf)
	for _, a := range as[fdx.Account](all) {
		descriptor := Clone(*a)
		fdx.FilterAccount(&descriptor, fdx.NewClusters(fdx.AccountBasic))
		if a.ID() == p.Locked && !reflect.DeepEqual(*a, descriptor) {
			p.breach(ruleLocked, "the list shows more of an account that may not be read now than its descriptor")
		}
	}
}

// checkAccount: one account is as the list has it.
func checkAccount(p *probe, o operation) {
	inList := listOf[fdx.Account](p, fdx.SearchForAccounts, "")
	for i, id := range p.Accounts {
		page, err := p.page(o, p.on(o, id), resource.PageRequest{})
		if err != nil {
			p.failed(err, "account %d of %d", i+1, len(p.Accounts))
			continue
		}
		got := as[fdx.Account](page.Items)[0]
		if got.ID() != id {
			p.breach(ruleWrongParent, "account %d of %d has another id than was asked for", i+1, len(p.Accounts))
			continue
		}
		at := slices.IndexFunc(inList, func(a *fdx.Account) bool { return a.ID() == id })
		if at >= 0 && !reflect.DeepEqual(inList[at], got) {
			p.breach(ruleDiffers, "account %d of %d differs from the list", i+1, len(p.Accounts))
		}
	}
	if len(inList) == 0 {
		p.skip("there is no list of accounts to compare with")
	}
}

// checkHolders: the customers behind the accounts of the access, each once.
func checkHolders(p *probe, o operation) {
	read := func(accounts ...fdx.AccountID) ([]*fdx.Customer, bool) {
		all, ok := p.pages(o, p.several(accounts...), pageOf)
		return as[fdx.Customer](all), ok
	}
	all, ok := read(p.Accounts...)
	if !ok {
		return
	}
	known := map[fdx.CustomerID]bool{}
	for _, c := range all {
		known[c.CustomerID] = true
	}
	if !known[p.consumerID()] {
		p.breach(ruleAbsent, "the consumer is not among the %d customers behind the accounts", len(all))
	}
	for i, one := range p.Accounts {
		a, here := p.several(one), map[fdx.CustomerID]bool{}
		customers, ok := read(one)
		if !ok {
			return
		}
		for _, c := range customers {
			here[c.CustomerID] = true
			if !slices.ContainsFunc(c.Accounts, func(part fdx.CustomerAccount) bool { return part.AccountID == one }) {
				p.breach(ruleBeyond, "a customer in the list has no part in account %d of %d", i+1, len(p.Accounts))
			}
			if got, err := call(p.ctx, p.Patience, holder(p, a, c.CustomerID)); p.single() && (err != nil || !reflect.DeepEqual(got, *c)) {
				p.because(err, ruleDiffers, "a customer of account %d of %d differs from the list: answered with %s", i+1, len(p.Accounts), nameOf(err))
			}
		}
		for id := range known {
			if here[id] || !p.single() {
				continue
			}
			if _, err := call(p.ctx, p.Patience, holder(p, a, id)); err == nil {
				p.breach(ruleBeyond, "a customer without a part in account %d of %d is given for it", i+1, len(p.Accounts))
			} else if !errors.Is(err, resource.ErrNotFound) {
				p.because(err, ruleNotFound, "a customer without a part in the account: answered with %s", nameOf(err))
			}
		}
	}
	if p.Foreign == "" {
		p.skip("no account of another consumer is known")
		return
	}
	if got, ok := read(p.Foreign); ok && len(got) > 0 {
		p.breach(ruleForeign, "%d customers for an account of somebody else", len(got))
	}
}

// single reports whether the bank gives single customers.
func (p *probe) single() bool {
	return slices.Contains(p.offered, fdx.GetCustomer) || slices.Contains(p.offered, fdx.GetCustomerInfo)
}

// checkHolder: unknown customers, and those behind other people's accounts,
// are none.
func checkHolder(p *probe, _ operation) {
	none := func(a resource.Access, id fdx.CustomerID, rule, what string) {
		if _, err := call(p.ctx, p.Patience, holder(p, a, id)); err == nil {
			p.breach(rule, "%s: answered with data", what)
		} else if !errors.Is(err, resource.ErrNotFound) {
			p.because(err, ruleNotFound, "%s: answered with %s", what, nameOf(err))
		}
	}
	none(p.several(p.Accounts...), unknown, ruleNotFound, "an unknown customer")
	if _, err := call(p.ctx, p.Patience, holder(p, p.several(p.Accounts...), p.consumerID())); err != nil {
		p.failed(err, "the consumer")
	}
	if p.Foreign == "" {
		p.skip("no account of another consumer is known")
		return
	}
	none(p.several(p.Foreign), p.consumerID(), ruleForeign, "the consumer by an account of somebody else")
}
