package contract

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

func holder(p *probe, a resource.Access, id fdx.CustomerID) func(context.Context) (fdx.Customer, error) {
	return func(ctx context.Context) (fdx.Customer, error) { return p.Provider.Holder(ctx, a, id) }
}

func program(p *probe, a resource.Access, id fdx.RewardProgramID) func(context.Context) (fdx.RewardProgram, error) {
	return func(ctx context.Context) (fdx.RewardProgram, error) { return p.Provider.RewardProgram(ctx, a, id) }
}

func earns(r *fdx.RewardProgram, id fdx.AccountID) bool {
	return slices.ContainsFunc(r.Memberships, func(m fdx.RewardMembership) bool { return slices.Contains(m.AccountIDs, id) })
}

// checkPrograms: a list for one account holds programs in which it takes
// part.
func checkPrograms(p *probe, o operation) {
	all := listOf[fdx.RewardProgram](p, o.id, "")
	for i, one := range p.Accounts {
		got, ok := p.pages(o, p.several(one), pageOf)
		if !ok {
			return
		}
		here := as[fdx.RewardProgram](got)
		for _, r := range here {
			if !earns(r, one) {
				p.breach(ruleBeyond, "a program in which account %d of %d takes no part", i+1, len(p.Accounts))
			}
		}
		for _, r := range all {
			if earns(r, one) && !slices.ContainsFunc(here, func(h *fdx.RewardProgram) bool { return h.RewardProgramID == r.RewardProgramID }) {
				p.breach(ruleAbsent, "a program in which account %d of %d takes part is not in its list", i+1, len(p.Accounts))
			}
		}
	}
	if len(all) == 0 {
		p.skip("the accounts take part in no program")
	}
	if p.Foreign == "" {
		p.skip("no account of another consumer is known")
		return
	}
	if got, ok := p.pages(o, p.several(p.Foreign), pageOf); ok && len(got) > 0 {
		p.breach(ruleForeign, "%d programs for an account of somebody else", len(got))
	}
}

// checkProgram: a program is as the list has it, and none for an account
// without a part in it.
func checkProgram(p *probe, _ operation) {
	all := listOf[fdx.RewardProgram](p, fdx.SearchRewardPrograms, "")
	p.eachProgram(all, func(a resource.Access, r *fdx.RewardProgram, earns bool) {
		got, err := call(p.ctx, p.Patience, program(p, a, r.RewardProgramID))
		p.reached(err, earns, "a program")
		if err == nil && got.RewardProgramID != r.RewardProgramID {
			p.breach(ruleWrongParent, "another program than was asked for")
		}
	})
	for i, r := range all {
		got, err := call(p.ctx, p.Patience, program(p, p.several(p.Accounts...), r.RewardProgramID))
		if err == nil && got.RewardProgramID == r.RewardProgramID && !reflect.DeepEqual(got, *r) {
			p.breach(ruleDiffers, "program %d of %d differs from the list", i+1, len(all))
		}
	}
	_, err := call(p.ctx, p.Patience, program(p, p.several(p.Accounts...), unknown))
	if !errors.Is(err, resource.ErrNotFound) {
		p.because(err, ruleNotFound, "an unknown program: answered with %s", nameOf(err))
	}
	if len(all) == 0 {
		p.skip("the accounts take part in no program")
	}
}

// checkCategories: as for the program itself, and each of that program.
func checkCategories(p *probe, o operation) {
	all := listOf[fdx.RewardProgram](p, fdx.SearchRewardPrograms, "")
	p.eachProgram(all, func(a resource.Access, r *fdx.RewardProgram, earns bool) {
		page, err := call(p.ctx, p.Patience, func(ctx context.Context) (resource.Page[fdx.RewardCategory], error) {
			return p.Provider.RewardCategories(ctx, a, r.RewardProgramID, resource.PageRequest{Limit: pageOf})
		})
		p.reached(err, earns, "the categories of a program")
		for i, c := range page.Items {
			if c.RewardProgramID != r.RewardProgramID {
				p.breach(ruleWrongParent, "category %d is of another program than was asked for", i+1)
			}
		}
	})
	if len(all) == 0 {
		p.skip("the accounts take part in no program")
	}
}

// eachProgram asks about every program by every account, and by one of
// somebody else.
func (p *probe) eachProgram(all []*fdx.RewardProgram, ask func(a resource.Access, r *fdx.RewardProgram, earns bool)) {
	ids := slices.Clone(p.Accounts)
	if p.Foreign == "" {
		p.skip("no account of another consumer is known")
	} else {
		ids = append(ids, p.Foreign)
	}
	for _, id := range ids {
		for _, r := range all {
			ask(p.several(id), r, id != p.Foreign && earns(r, id))
		}
	}
}

// reached judges an answer about something that an access reaches, or not.
func (p *probe) reached(err error, reaches bool, what string) {
	switch {
	case reaches && err != nil:
		p.failed(err, "%s of the list", what)
	case !reaches && err == nil:
		p.breach(ruleBeyond, "%s in which the account takes no part: answered with data", what)
	case !reaches && !errors.Is(err, resource.ErrNotFound):
		p.because(err, ruleNotFound, "%s in which the account takes no part: answered with %s", what, nameOf(err))
	}
}
