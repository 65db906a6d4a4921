package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// Subject is a provider, with the people whose data its contract is checked
// on.
type Subject struct {
	Provider resource.Provider
	// Chooser lists what people could share, as the consent pages do.
	Chooser consent.AccountChooser
	// Consumer is the person whose accounts are read; Foreign is another one,
	// who holds an account that Consumer does not; empty for nobody.
	Consumer, Foreign consent.ConsumerID
	// Now is the time at which the checks ask.
	Now time.Time
	// Patience is that of the Fixture.
	Patience time.Duration
}

// ErrNothing is returned by Explore for a consumer who has no account that
// may be read.
var ErrNothing = errors.New("contract: the consumer has no account that may be read")

// maxAccounts is how many accounts of a consumer are checked.
const maxAccounts = 20

// Explore finds a fixture by asking: the accounts that may be read, the
// busiest of them, one that is locked and one of the other consumer. The
// result is what it found wrong on the way. The error says why there is no
// fixture.
func Explore(ctx context.Context, s Subject) (Fixture, Result, error) {
	f := Fixture{Provider: s.Provider, Consumer: s.Consumer, Now: s.Now, Patience: s.Patience}
	if f.Patience == 0 {
		f.Patience = defaultPatience
	}
	p := &probe{session: newSession(f), ctx: ctx}
	choices, err := p.choices(s.Chooser, s.Consumer)
	if err != nil {
		return Fixture{}, Result{}, fmt.Errorf("list the consumer's accounts: %w", err)
	}
	most := -1
	for i, c := range choices {
		if len(f.Accounts) == maxAccounts {
			p.notes = append(p.notes, fmt.Sprintf("%d of %d accounts are looked at", maxAccounts, len(choices)))
			break
		}
		o := p.operation(fdx.GetAccount)
		_, err := p.page(o, p.one(c.ID, fdx.Window{}), resource.PageRequest{})
		switch {
		case errors.Is(err, resource.ErrAccountLocked):
			f.Locked = c.ID
			if c.Ineligible == "" {
				p.breach(ruleChooser, "account %d of %d can be chosen, and is locked", i+1, len(choices))
			}
			continue
		case errors.Is(err, resource.ErrNoAccount):
			p.breach(ruleChooser, "account %d of %d can be chosen, and the provider does not know it", i+1, len(choices))
			continue
		case err != nil && ctx.Err() != nil:
			return Fixture{}, Result{}, ctx.Err()
		}
		// An account that fails is one to check, too.
		f.Accounts = append(f.Accounts, c.ID)
		if n := p.busy(c.ID); n > most {
			most, f.Busy = n, c.ID
		}
	}
	if s.Foreign != "" {
		theirs, err := p.choices(s.Chooser, s.Foreign)
		if err != nil {
			return Fixture{}, Result{}, fmt.Errorf("list the other consumer's accounts: %w", err)
		}
		for _, c := range theirs {
			held := slices.ContainsFunc(choices, func(mine consent.AccountChoice) bool { return mine.ID == c.ID })
			if !held && c.Ineligible == "" {
				f.Foreign = c.ID
				break
			}
		}
	}
	p.notes = append(p.notes, fmt.Sprintf("%d accounts may be read, one that is locked: %t, one of another consumer: %t",
		len(f.Accounts), f.Locked != "", f.Foreign != ""))
	r := Result{Check: "accounts to choose from", Findings: p.findings, Notes: p.notes}
	if len(f.Accounts) == 0 {
		return Fixture{}, r, ErrNothing
	}
	return f, r, nil
}

func (p *probe) choices(c consent.AccountChooser, who consent.ConsumerID) ([]consent.AccountChoice, error) {
	return call(p.ctx, p.Patience, func(ctx context.Context) ([]consent.AccountChoice, error) { return c.Choices(ctx, who) })
}

// busy counts what there is to check on an account: up to a page of each of
// its lists.
func (p *probe) busy(id fdx.AccountID) int {
	n := 0
	for _, o := range p.operations {
		if o.single && o.dated && o.paged && slices.Contains(p.offered, o.id) {
			page, _ := p.page(o, p.on(o, id), resource.PageRequest{Limit: pageOf}) // a failure is a finding later
			n += len(page.Items)
		}
	}
	return n
}
