package consent_test

import (
	"errors"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

func scopes(cs ...fdx.Cluster) []fdx.Scope { return fdx.ScopesOf(fdx.NewClusters(cs...)) }

func recipient() consent.Recipient {
	all := scopes(fdx.AccountBasic, fdx.AccountDetailed, fdx.Transactions, fdx.CustomerContact)
	return consent.Recipient{
		ID: "app", Status: consent.RecipientActive, Name: "BudgetBee", Scopes: all,
		Purposes: []consent.Purpose{{Code: "budgeting", Label: "Show your spending",
			Clusters: fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Transactions, fdx.CustomerContact)}},
		Durations: []consent.DurationType{consent.TimeBound, consent.OneTime},
		MaxDays:   90, LookbackDays: 365,
	}
}

func days(n int) *int { return &n }

func asked() consent.Asked {
	return consent.Asked{
		Detailed: true, Duration: consent.TimeBound, DurationDays: days(30), LookbackDays: days(60),
		Resources: []consent.AskedResource{{Type: consent.ResourceAccount, Clusters: fdx.NewClusters(fdx.AccountBasic, fdx.Transactions)}},
	}
}

func TestShape(t *testing.T) {
	t.Parallel()
	second := consent.Purpose{Code: "lending", Label: "Offer a loan", Clusters: fdx.NewClusters(fdx.AccountBasic)}
	for _, tt := range []struct {
		name string
		bend func(*consent.Recipient, *consent.Asked)
		want error // nil: accepted
	}{
		{"details as registered are accepted", func(*consent.Recipient, *consent.Asked) {}, nil},
		{"scopes that say the same are accepted", func(_ *consent.Recipient, a *consent.Asked) {
			a.Scopes = scopes(fdx.AccountBasic, fdx.Transactions)
		}, nil},
		{"scopes alone are accepted", func(_ *consent.Recipient, a *consent.Asked) {
			*a = consent.Asked{Scopes: scopes(fdx.AccountBasic)}
		}, nil},
		{"the longest registered term is accepted", func(_ *consent.Recipient, a *consent.Asked) { a.DurationDays = days(90) }, nil},
		{"the longest registered look-back is accepted", func(_ *consent.Recipient, a *consent.Asked) { a.LookbackDays = days(365) }, nil},
		{"no look-back is accepted", func(_ *consent.Recipient, a *consent.Asked) { a.LookbackDays = days(0) }, nil},
		{"one-time is accepted without a period", func(_ *consent.Recipient, a *consent.Asked) {
			a.Duration, a.DurationDays = consent.OneTime, nil
		}, nil},
		{"a customer resource beside an account is accepted", func(_ *consent.Recipient, a *consent.Asked) {
			a.Resources = append(a.Resources, consent.AskedResource{Type: consent.ResourceCustomer, Clusters: fdx.NewClusters(fdx.CustomerContact)})
		}, nil},
		{"the purpose by name is accepted", func(r *consent.Recipient, a *consent.Asked) {
			r.Purposes = append(r.Purposes, second)
			a.Purpose = "budgeting"
		}, nil},

		{"nothing asked is refused", func(_ *consent.Recipient, a *consent.Asked) { *a = consent.Asked{} }, consent.ErrScope},
		{"an unregistered scope is refused", func(_ *consent.Recipient, a *consent.Asked) {
			*a = consent.Asked{Scopes: scopes(fdx.Tax)}
		}, consent.ErrScope},
		{"scopes that say less are refused", func(_ *consent.Recipient, a *consent.Asked) { a.Scopes = scopes(fdx.AccountBasic) }, consent.ErrScope},
		{"scopes that say more are refused", func(_ *consent.Recipient, a *consent.Asked) {
			a.Scopes = scopes(fdx.AccountBasic, fdx.Transactions, fdx.AccountDetailed)
		}, consent.ErrScope},
		{"no resource is refused", func(_ *consent.Recipient, a *consent.Asked) { a.Resources = nil }, consent.ErrDetails},
		{"a resource without clusters is refused", func(_ *consent.Recipient, a *consent.Asked) { a.Resources[0].Clusters = 0 }, consent.ErrDetails},
		{"an unknown resource type is refused", func(_ *consent.Recipient, a *consent.Asked) { a.Resources[0].Type = "PAYMENT" }, consent.ErrDetails},
		{"a customer resource alone is refused", func(_ *consent.Recipient, a *consent.Asked) { a.Resources[0].Type = consent.ResourceCustomer }, consent.ErrDetails},
		{"an unregistered cluster is refused", func(_ *consent.Recipient, a *consent.Asked) {
			a.Resources[0].Clusters = fdx.NewClusters(fdx.Tax)
		}, consent.ErrDetails},
		{"a cluster outside the purpose is refused", func(r *consent.Recipient, a *consent.Asked) {
			r.Purposes = append(r.Purposes, second)
			a.Purpose = "lending"
		}, consent.ErrDetails},
		{"several purposes and none named is refused", func(r *consent.Recipient, _ *consent.Asked) {
			r.Purposes = append(r.Purposes, second)
		}, consent.ErrDetails},
		{"an unknown purpose is refused", func(_ *consent.Recipient, a *consent.Asked) { a.Purpose = "ads" }, consent.ErrDetails},
		{"a recipient without purposes gets nothing", func(r *consent.Recipient, _ *consent.Asked) { r.Purposes = nil }, consent.ErrDetails},
		{"a misspelt duration type is refused", func(_ *consent.Recipient, a *consent.Asked) { a.Duration = "ONETIME" }, consent.ErrDetails},
		{"an unregistered duration type is refused", func(_ *consent.Recipient, a *consent.Asked) {
			a.Duration, a.DurationDays = consent.Persistent, nil
		}, consent.ErrDetails},
		{"details without a duration type are refused", func(_ *consent.Recipient, a *consent.Asked) { a.Duration = "" }, consent.ErrDetails},
		{"time-bound without a period is refused", func(_ *consent.Recipient, a *consent.Asked) { a.DurationDays = nil }, consent.ErrDetails},
		{"one-time with a period is refused", func(_ *consent.Recipient, a *consent.Asked) { a.Duration = consent.OneTime }, consent.ErrDetails},
		{"no day at all is refused", func(_ *consent.Recipient, a *consent.Asked) { a.DurationDays = days(0) }, consent.ErrDetails},
		{"a negative period is refused", func(_ *consent.Recipient, a *consent.Asked) { a.DurationDays = days(-1) }, consent.ErrDetails},
		{"a period over the ceiling is refused", func(_ *consent.Recipient, a *consent.Asked) { a.DurationDays = days(91) }, consent.ErrDetails},
		{"a negative look-back is refused", func(_ *consent.Recipient, a *consent.Asked) { a.LookbackDays = days(-1) }, consent.ErrDetails},
		{"a look-back over the ceiling is refused", func(_ *consent.Recipient, a *consent.Asked) { a.LookbackDays = days(366) }, consent.ErrDetails},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, a := recipient(), asked()
			tt.bend(&r, &a)
			q, err := consent.Shape(r, a)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && (q.Account != 0 || q.Customer != 0) {
				t.Fatal("a refused request carries clusters")
			}
		})
	}
}

func TestScopesAloneTakeTheRegistrationsDefaults(t *testing.T) {
	t.Parallel()
	q, err := consent.Shape(recipient(), consent.Asked{Scopes: scopes(fdx.AccountBasic, fdx.Transactions)})
	if err != nil {
		t.Fatal(err)
	}
	if q.Duration != consent.TimeBound || q.DurationDays != 90 || q.LookbackDays != 365 || q.Purpose.Code != "budgeting" ||
		q.Account != fdx.NewClusters(fdx.AccountBasic, fdx.Transactions) || q.Customer != 0 {
		t.Fatalf("shaped %+v", q)
	}
}

func TestRequestEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 10, 0, 0, 999, time.UTC)
	whole := now.Truncate(time.Second)
	for _, tt := range []struct {
		name string
		q    consent.Request
		want time.Time
	}{
		{"one-time after an hour", consent.Request{Duration: consent.OneTime}, whole.Add(time.Hour)},
		{"one-time after fewer minutes, where the bank allows fewer", consent.Request{Duration: consent.OneTime, OneTimeMinutes: 5}, whole.Add(5 * time.Minute)},
		{"one-time never after more than an hour", consent.Request{Duration: consent.OneTime, OneTimeMinutes: 61}, whole.Add(time.Hour)},
		{"others whatever one-time lasts", consent.Request{Duration: consent.TimeBound, DurationDays: 1, OneTimeMinutes: 5}, whole.AddDate(0, 0, 1)},
		{"time-bound after its days", consent.Request{Duration: consent.TimeBound, DurationDays: 30}, whole.AddDate(0, 0, 30)},
		{"time-bound never after more than the maximum", consent.Request{Duration: consent.TimeBound, DurationDays: 4000}, whole.Add(consent.MaxTerm)},
		{"persistent at the maximum", consent.Request{Duration: consent.Persistent}, whole.Add(consent.MaxTerm)},
	} {
		if got := tt.q.ExpiresAt(now); !got.Equal(tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
