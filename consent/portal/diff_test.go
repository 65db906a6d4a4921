package portal

import (
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

func TestDiffSaysWhatAYesChanges(t *testing.T) {
	t.Parallel()
	c, err := newCatalogue(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	g := consent.Grant{
		Purpose: "budgeting", Duration: consent.TimeBound, ExpiresAt: at.AddDate(0, 0, 30), LookbackDays: 90,
		Resources: []consent.Resource{
			{Type: consent.ResourceAccount, ID: "a", Clusters: fdx.NewClusters(fdx.AccountBasic, fdx.Transactions)},
			{Type: consent.ResourceAccount, ID: "b", Clusters: fdx.NewClusters(fdx.AccountBasic, fdx.Transactions)},
		},
	}
	a, b, n := accountRow{ID: "a", Name: "Everyday"}, accountRow{ID: "b", Name: "Card"}, accountRow{ID: "n", Name: "Savings"}
	app := consent.Recipient{Name: "BudgetBee", Purposes: []consent.Purpose{{Code: "budgeting", Label: "To plan."}}}
	budgeting, credit := consent.Purpose{Code: "budgeting", Label: "To plan."}, consent.Purpose{Code: "credit", Label: "To lend."}
	request := func(days, lookback int, p consent.Purpose, clusters ...fdx.Cluster) consent.Request {
		return consent.Request{Purpose: p, Duration: consent.TimeBound, DurationDays: days, LookbackDays: lookback, Account: fdx.NewClusters(clusters...)}
	}
	for name, tc := range map[string]struct {
		action consent.Action
		q      consent.Request
		chosen []accountRow
		want   []diffRow
	}{
		"the same again": {
			consent.ActionReplace, request(30, 90, budgeting, fdx.AccountBasic, fdx.Transactions), []accountRow{a, b},
			[]diffRow{
				{"Everyday", "Shared", "Stays", ""}, {"Card", "Shared", "Stays", ""},
				{"Account identifying information", "Shared", "Stays", ""}, {"Transaction data", "Shared", "Stays", ""},
				{"Ends on", "22 December 2026", "22 December 2026", ""}, {"Looks back", "90 days", "90 days", ""},
			},
		},
		"an account and data go, an account comes, for longer": {
			consent.ActionReplace, request(60, 10, budgeting, fdx.AccountBasic), []accountRow{a, n},
			[]diffRow{
				{"Everyday", "Shared", "Stays", ""}, {"Card", "Shared", "Ends", toneLess}, {"Savings", "Not shared", "New", toneMore},
				{"Account identifying information", "Shared", "Stays", ""}, {"Transaction data", "Shared", "Ends", toneLess},
				{"Ends on", "22 December 2026", "21 January 2027", toneMore}, {"Looks back", "90 days", "10 days", toneLess},
			},
		},
		"a wider cluster keeps what it contains": {
			consent.ActionReplace, request(10, 365, credit, fdx.AccountDetailed), []accountRow{a, b},
			[]diffRow{
				{"Everyday", "Shared", "Stays", ""}, {"Card", "Shared", "Stays", ""},
				{"Account identifying information", "Shared", "Stays", ""},
				{"Account summary information", "Not shared", "New", toneMore}, {"Transaction data", "Shared", "Ends", toneLess},
				{"Ends on", "22 December 2026", "2 December 2026", toneLess}, {"Looks back", "90 days", "365 days", toneMore},
				{"Why", "To plan.", "To lend.", toneMore},
			},
		},
		"adding takes nothing away": {
			consent.ActionMerge, request(30, 90, budgeting, fdx.Balances), []accountRow{b, n},
			[]diffRow{
				{"Everyday", "Shared", "Stays", ""}, {"Card", "Shared", "Stays, with more data", toneMore}, {"Savings", "Not shared", "New", toneMore},
				{"Account identifying information", "Shared", "Stays", ""}, {"Account balances", "Not shared", "New", toneMore}, {"Transaction data", "Shared", "Stays", ""},
				{"Ends on", "22 December 2026", "22 December 2026", ""}, {"Looks back", "90 days", "90 days", ""},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			was := earlier{Change: consent.Change{Action: tc.action}, Grant: g, Held: []accountRow{a, b}}
			var got []diffRow
			for _, group := range diff(c.texts[0], app, tc.q, tc.chosen, was, at) {
				got = append(got, group.Rows...)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n%q\nwant\n%q", got, tc.want)
			}
		})
	}
}
