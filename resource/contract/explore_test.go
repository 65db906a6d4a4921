package contract_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/contract"
	"github.com/headgate/headgate/resource/resourcetest"
)

// chooser lists accounts per person.
type chooser map[consent.ConsumerID][]consent.AccountChoice

func (c chooser) Choices(_ context.Context, who consent.ConsumerID) ([]consent.AccountChoice, error) {
	if who == "broken" {
		return nil, errors.New("broken")
	}
	return c[who], nil
}

func choose(ids ...fdx.AccountID) (list []consent.AccountChoice) {
	for _, id := range ids {
		list = append(list, consent.AccountChoice{ID: id})
	}
	return list
}

func TestExplore(t *testing.T) {
	t.Parallel()
	bank, _ := resourcetest.Furnished(noon)
	locked := consent.AccountChoice{ID: "locked", Ineligible: consent.IneligibleLocked}
	subject := contract.Subject{
		Provider: bank, Consumer: "me", Foreign: "you", Now: noon,
		Chooser: chooser{"me": append(choose("loan", "busy", "card"), locked), "you": choose("busy", "foreign")},
	}
	f, r, err := contract.Explore(t.Context(), subject)
	if err != nil || len(r.Findings) > 0 || f.Busy != "busy" || f.Locked != "locked" || f.Foreign != "foreign" ||
		!slices.Equal(f.Accounts, []fdx.AccountID{"loan", "busy", "card"}) {
		t.Errorf("%+v, %+v, %v", f, r, err)
	}

	t.Run("nobody else leaves something unchecked", func(t *testing.T) {
		t.Parallel()
		s := subject
		s.Foreign, s.Chooser = "", chooser{"me": choose("busy", "card", "loan", "investment")}
		f, _, err := contract.Explore(t.Context(), s)
		if err != nil || f.Foreign != "" || f.Locked != "" {
			t.Fatalf("%+v, %v", f, err)
		}
		report, err := contract.Run(t.Context(), f, nil)
		if err != nil || len(report.Findings()) > 0 {
			t.Fatalf("%+v, %v", report.Findings(), err)
		}
		for _, r := range report.Results {
			needs := r.Check == "getAccount: accounts of others" || r.Check == "getAccount: locked accounts" || r.Check == "searchForAccounts: accounts of the access"
			if needs && r.Unchecked == "" {
				t.Errorf("%s passed without anybody else", r.Check)
			}
		}
	})
	t.Run("what can be chosen must be there", func(t *testing.T) {
		t.Parallel()
		for _, id := range []fdx.AccountID{"locked", "gone", "foreign"} {
			s := subject
			s.Chooser = chooser{"me": choose("busy", id)}
			_, r, err := contract.Explore(t.Context(), s)
			if err != nil || len(r.Findings) != 1 || r.Findings[0].Rule != "chooser-differs" {
				t.Errorf("%s: %+v, %v", id, r, err)
			}
		}
	})
	t.Run("somebody without accounts", func(t *testing.T) {
		t.Parallel()
		s := subject
		s.Consumer = "nobody"
		if _, _, err := contract.Explore(t.Context(), s); !errors.Is(err, contract.ErrNothing) {
			t.Error(err)
		}
		s.Consumer = "broken"
		if _, _, err := contract.Explore(t.Context(), s); err == nil {
			t.Error("explored what cannot be listed")
		}
	})
}

func TestChecksRefuseAFixtureWithoutData(t *testing.T) {
	t.Parallel()
	bank, f := resourcetest.Furnished(noon)
	good := contract.Fixture{Provider: bank, Now: noon, Consumer: f.Consumer, Accounts: f.Accounts, Busy: f.Busy}
	if _, err := contract.Checks(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*contract.Fixture){
		"no provider":            func(f *contract.Fixture) { f.Provider = nil },
		"no time":                func(f *contract.Fixture) { f.Now = time.Time{} },
		"no consumer":            func(f *contract.Fixture) { f.Consumer = "" },
		"a busy account of none": func(f *contract.Fixture) { f.Busy = "other" },
	} {
		f := good
		spoil(&f)
		if _, err := contract.Checks(f); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	bank, f := resourcetest.Furnished(noon)
	ctx, cancel := context.WithCancel(t.Context())
	report, err := contract.Run(ctx, contract.Fixture{Provider: bank, Now: noon, Consumer: f.Consumer, Accounts: f.Accounts, Busy: f.Busy},
		func(contract.Result) { cancel() })
	if !errors.Is(err, context.Canceled) || len(report.Results) != 1 {
		t.Errorf("%d results, %v", len(report.Results), err)
	}
}
