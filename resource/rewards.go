package resource

import (
	"context"
	"time"

	"github.com/headgate/headgate/fdx"
)

// rewardClusters are the clusters whose fields a reward program can carry:
// the id of a member needs one that shows customers besides.
var rewardClusters = fdx.NewClusters(fdx.Rewards).Union(customerClusters)

// searchRewardPrograms lists the programs in which accounts of the grant take
// part.
var searchRewardPrograms = operation[fdx.RewardProgram]{
	id: fdx.SearchRewardPrograms, path: "/reward-programs",
	any: fdx.NewClusters(fdx.Rewards), through: rewardClusters,
	entities: []string{"RewardProgram"},
	parse:    parsePage,
	query:    pageParameters,
	more:     offered(fdx.ErrDataNotFound),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[fdx.RewardProgram], error) {
		return p.RewardPrograms(ctx, a, q.page)
	},
	filter:   filterRewardProgram,
	accounts: accountsOfProgram,
	answer: func(items []fdx.RewardProgram, page fdx.PageMetadata, links fdx.Links) any {
		return fdx.RewardProgramsAnswer{Page: page, Links: links, RewardPrograms: items}
	},
}

// getRewardProgram gives one program. One without a part of the grant is as
// unknown as one that does not exist.
var getRewardProgram = operation[fdx.RewardProgram]{
	id: fdx.GetRewardProgram, path: "/reward-programs/:rewardProgramId",
	any: fdx.NewClusters(fdx.Rewards), through: rewardClusters,
	entities: []string{"RewardProgram"},
	parse:    parseNothing,
	more:     offered(fdx.ErrDataNotFound),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[fdx.RewardProgram], error) {
		program, err := program(ctx, p, a, q.id)
		return one(program, err)
	},
	filter:   filterRewardProgram,
	accounts: accountsOfProgram,
	answer:   first[fdx.RewardProgram],
	none:     fdx.ErrRewardProgramNotFound, missing: fdx.ErrRewardProgramNotFound,
}

// getRewardProgramCategories lists what a program pays for.
var getRewardProgramCategories = operation[fdx.RewardCategory]{
	id: fdx.GetRewardProgramCategories, path: "/reward-programs/:rewardProgramId/categories",
	any: fdx.NewClusters(fdx.Rewards), through: fdx.NewClusters(fdx.Rewards),
	entities: []string{"RewardCategory"},
	parse:    parsePage,
	query:    pageParameters,
	more:     offered(fdx.ErrDataNotFound),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[fdx.RewardCategory], error) {
		// Categories name no account, so the program has to say that it is
		// one of the grant.
		program, err := program(ctx, p, a, q.id)
		if err != nil {
			return Page[fdx.RewardCategory]{}, err
		}
		switch filterRewardProgram(&program, a, links{}) {
		case kept:
		case dropped:
			return Page[fdx.RewardCategory]{}, ErrNotFound
		default:
			return Page[fdx.RewardCategory]{}, errBank
		}
		page, err := p.RewardCategories(ctx, a, program.RewardProgramID, q.page)
		for _, c := range page.Items {
			if c.RewardProgramID != program.RewardProgramID {
				return Page[fdx.RewardCategory]{}, errBank
			}
		}
		return page, err
	},
	filter: func(item *fdx.RewardCategory, _ Access, _ links) verdict {
		fdx.FilterRewardCategory(item, fdx.NewClusters(fdx.Rewards))
		return kept
	},
	answer: func(items []fdx.RewardCategory, page fdx.PageMetadata, links fdx.Links) any {
		return fdx.RewardCategoriesAnswer{Page: page, Links: links, RewardCategories: items}
	},
	none: fdx.ErrRewardCategoriesNotFound, missing: fdx.ErrRewardProgramNotFound,
}

// program asks the bank for a program by its unchecked id.
func program(ctx context.Context, p Provider, a Access, text string) (fdx.RewardProgram, error) {
	id, err := fdx.ParseRewardProgramID(text)
	if err != nil {
		return fdx.RewardProgram{}, ErrNotFound
	}
	program, err := p.RewardProgram(ctx, a, id)
	if err == nil && program.RewardProgramID != id {
		return fdx.RewardProgram{}, errBank
	}
	return program, err
}

// filterRewardProgram lets through a program with the memberships of accounts
// in the access, each by the clusters of its own accounts, and drops one that
// has none.
func filterRewardProgram(item *fdx.RewardProgram, a Access, _ links) verdict {
	if item.RewardProgramID == "" {
		return outside
	}
	granted := func(id fdx.AccountID) bool { return !a.clusters(id).Empty() }
	memberships := item.Memberships
	item.Memberships = nil
	fdx.FilterRewardProgram(item, fdx.NewClusters(fdx.Rewards), granted)
	for _, m := range memberships {
		var clusters fdx.Clusters
		for _, id := range m.AccountIDs {
			clusters = clusters.Union(a.clusters(id))
		}
		alone := fdx.RewardProgram{Memberships: []fdx.RewardMembership{m}}
		fdx.FilterRewardProgram(&alone, clusters, granted)
		item.Memberships = append(item.Memberships, alone.Memberships...)
	}
	if len(item.Memberships) == 0 {
		return dropped
	}
	return kept
}

func accountsOfProgram(item *fdx.RewardProgram) []fdx.AccountID {
	var ids []fdx.AccountID
	for _, m := range item.Memberships {
		ids = append(ids, m.AccountIDs...)
	}
	return ids
}

// parseNothing reads a request for one thing that belongs to no account.
func parseNothing(target, fdx.Query, time.Time) (question, *fdx.Error) {
	return question{limit: 1}, nil
}
