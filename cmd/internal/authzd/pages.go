package authzd

import (
	"context"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/consent/portal"
	"github.com/headgate/headgate/internal/postgres"
)

// pageRules are the rules of a policy pack for the pages.
type pageRules struct{ book *policy.Book }

// PauseDays implements portal.Rules.
func (p pageRules) PauseDays() int {
	const most = 30 // what the pages can offer
	return min(p.book.At(time.Now()).Pause.MaxDays, most)
}

// RecordDays implements portal.Rules.
func (p pageRules) RecordDays(g consent.Grant) int { return p.book.Keep(g, time.Now()) }

// UnusedDays implements portal.Rules.
func (p pageRules) UnusedDays(g consent.Grant) int { return p.book.For(g).Reminders.UnusedDays }

// Languages implements portal.Rules.
func (p pageRules) Languages() (all []string, also string) {
	d := p.book.At(time.Now()).Disclosure
	return d.Languages, d.AlsoIn
}

// TakeOut implements portal.Rules.
func (p pageRules) TakeOut() (accounts, data bool) {
	edit := p.book.At(time.Now()).BankEdit
	data = edit == policy.EditShrinkAccountsAndClusters
	return data || edit == policy.EditShrinkAccounts, data
}

// told knows how far apps have been told.
type told struct{ notices postgres.Notices }

// Told implements portal.Told. The epoch does not matter: nothing is told of a
// grant after its end.
func (t told) Told(ctx context.Context, id consent.GrantID, _ int64) (portal.ToldState, error) {
	reach, err := t.notices.Reached(ctx, id)
	return portal.ToldState(reach), err
}
