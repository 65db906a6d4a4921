package consent_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/fdx"
)

var changeTime = time.Date(2026, 11, 22, 9, 0, 0, 500_000_000, time.UTC)

func account(id string, c ...fdx.Cluster) consent.Resource {
	return consent.Resource{Type: consent.ResourceAccount, ID: id, Clusters: fdx.NewClusters(c...)}
}

// changing returns a grant and an approved authorization that changes it.
func changing(action consent.Action) (consent.Grant, consent.Authorization) {
	g := consenttest.NewGrant("somebody", changeTime.AddDate(0, 0, -10))
	g.Epoch = 4
	g.Resources = []consent.Resource{
		account("one", fdx.Balances), account("two", fdx.AccountDetailed),
		{Type: consent.ResourceCustomer, ID: "somebody", Clusters: fdx.NewClusters(fdx.CustomerContact)},
	}
	a := consenttest.NewAuthorization("pushed", "browser", changeTime)
	a.Request.Account, a.Request.Customer = fdx.NewClusters(fdx.Transactions), fdx.NewClusters(fdx.CustomerPersonal)
	a.Request.Duration, a.Request.DurationDays, a.Request.LookbackDays = consent.TimeBound, 5, 3
	a.Request.Change = consent.Change{Action: action, Grant: g.ID, Epoch: 4}
	a.SecondFactor, a.SecondFactorAt = consent.FactorCode, changeTime
	a.Consumer, a.Accounts, a.Decision = "somebody", []fdx.AccountID{"two", "three"}, consent.Approved
	a.Disclosure = consent.Disclosure{Version: "v", Locale: "sv", Text: "Du delar."}
	return g, a
}

func TestChangedGrant(t *testing.T) {
	t.Parallel()
	person := func(c ...fdx.Cluster) consent.Resource {
		return consent.Resource{Type: consent.ResourceCustomer, ID: "somebody", Clusters: fdx.NewClusters(c...)}
	}
	for action, resources := range map[consent.Action][]consent.Resource{
		consent.ActionReplace: {account("two", fdx.Transactions), account("three", fdx.Transactions), person(fdx.CustomerPersonal)},
		consent.ActionMerge: {
			account("one", fdx.Balances), account("two", fdx.AccountDetailed, fdx.Transactions),
			person(fdx.CustomerContact, fdx.CustomerPersonal), account("three", fdx.Transactions),
		},
	} {
		g, a := changing(action)
		before, parties := g, []consent.Party{{Name: "App", Type: consent.PartyRecipient}}
		before.Resources = append([]consent.Resource(nil), g.Resources...)
		now := changeTime.Truncate(time.Second)
		want := g
		want.Epoch, want.UpdatedAt, want.ExpiresAt = 5, now, now.AddDate(0, 0, 5)
		want.Duration, want.DurationDays, want.LookbackDays = consent.TimeBound, 5, 3
		want.Resources, want.Parties, want.Disclosure = resources, parties, a.Disclosure
		if got := a.Changed(g, parties, changeTime); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got  %+v\nwant %+v", action, got, want)
		}
		if !reflect.DeepEqual(g, before) {
			t.Errorf("%s: the version before was changed", action)
		}
	}
}

func TestChangeIsOfOneVersion(t *testing.T) {
	t.Parallel()
	g, a := changing(consent.ActionMerge)
	if !a.Request.Change.Of(g, changeTime) || !a.Request.Change.Asked() {
		t.Error("not of the version that it names")
	}
	if (consent.Change{}).Asked() || (consent.Change{}).Of(consent.Grant{Status: consent.StatusActive, ExpiresAt: changeTime.Add(time.Hour)}, changeTime) {
		t.Error("the zero change changes something")
	}
	for name, spoil := range map[string]func(*consent.Grant, *consent.Authorization){
		"later epoch":       func(g *consent.Grant, _ *consent.Authorization) { g.Epoch++ },
		"earlier epoch":     func(g *consent.Grant, _ *consent.Authorization) { g.Epoch-- },
		"another grant":     func(g *consent.Grant, _ *consent.Authorization) { g.ID = consent.NewGrantID() },
		"revoked":           func(g *consent.Grant, _ *consent.Authorization) { g.Status = consent.StatusRevoked },
		"its time is over":  func(g *consent.Grant, _ *consent.Authorization) { g.ExpiresAt = changeTime },
		"another consumer":  func(g *consent.Grant, _ *consent.Authorization) { g.Consumer = "somebody else" },
		"another recipient": func(g *consent.Grant, _ *consent.Authorization) { g.Recipient = consenttest.OtherRecipient },
		"not approved":      func(_ *consent.Grant, a *consent.Authorization) { a.Decision = consent.Undecided },
		"not a change":      func(_ *consent.Grant, a *consent.Authorization) { a.Request.Change = consent.Change{} },
	} {
		g, a := changing(consent.ActionMerge)
		spoil(&g, &a)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: changed", name)
				}
			}()
			a.Changed(g, nil, changeTime)
		}()
	}
}

func TestHeld(t *testing.T) {
	t.Parallel()
	m := consenttest.NewMemory(func() time.Time { return changeTime })
	s, err := consent.NewService(consent.ServiceConfig{Store: m})
	if err != nil {
		t.Fatal(err)
	}
	put := func(spoil func(*consent.Grant)) consent.GrantID {
		g := consenttest.NewGrant("somebody", changeTime)
		spoil(&g)
		if err := m.Create(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		return g.ID
	}
	mine := put(func(*consent.Grant) {})
	if g, err := s.Held(t.Context(), consenttest.Recipient, mine, changeTime); err != nil || g.ID != mine {
		t.Errorf("got %+v, %v", g, err)
	}
	ended := put(func(*consent.Grant) {})
	if _, err := s.StopByConsumer(t.Context(), "somebody", ended); err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]consent.GrantID{
		"unknown":          consent.NewGrantID(),
		"another's":        put(func(g *consent.Grant) { g.Recipient = consenttest.OtherRecipient }),
		"ended":            ended,
		"its time is over": put(func(g *consent.Grant) { g.CreatedAt, g.ExpiresAt = changeTime.Add(-time.Hour), changeTime }),
	} {
		if g, err := s.Held(t.Context(), consenttest.Recipient, id, changeTime); !errors.Is(err, consent.ErrNotFound) || g.ID != "" {
			t.Errorf("%s: got %+v, %v, want ErrNotFound", name, g, err)
		}
	}
}
