package consenttest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Authorizations is the contract of consent.Authorizations; open as for
// Store.
func Authorizations(t *testing.T, open func(*testing.T) consent.Authorizations) {
	cases := map[string]func(*testing.T, consent.Authorizations){
		"a decision comes back as it was opened":          openComesBack,
		"opening twice starts nothing twice":              openTwice,
		"of many openings one starts":                     openRace,
		"another browser sees nothing":                    otherBrowser,
		"a replacement is kept whole":                     replaceWhole,
		"a replacement of an old version changes nothing": replaceStale,
		"an unknown decision is not replaced":             replaceUnknown,
		"more time is given to what is open, and only it": extend,
		"of many replacements one replaces":               replaceRace,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t))
		})
	}
}

func newAuthorization() consent.Authorization {
	a := NewAuthorization("pushed-"+uuid.NewString(), "browser-"+uuid.NewString(), time.Now())
	a.Request.Change = consent.Change{Action: consent.ActionMerge, Grant: consent.NewGrantID(), Epoch: 7}
	return a
}

func openAuthorization(t *testing.T, s consent.Authorizations) consent.Authorization {
	t.Helper()
	a, err := s.Open(context.Background(), newAuthorization())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return a
}

func loaded(t *testing.T, s consent.Authorizations, a consent.Authorization) consent.Authorization {
	t.Helper()
	got, err := s.Authorization(context.Background(), a.ID, a.Browser)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return got
}

func openComesBack(t *testing.T, s consent.Authorizations) {
	a := newAuthorization()
	got, err := s.Open(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	a.Version = 1
	if !reflect.DeepEqual(got, a) {
		t.Errorf("opened: got  %+v\nwant %+v", got, a)
	}
	if got := loaded(t, s, a); !reflect.DeepEqual(got, a) {
		t.Errorf("loaded: got  %+v\nwant %+v", got, a)
	}
}

func openTwice(t *testing.T, s consent.Authorizations) {
	ctx := context.Background()
	a := openAuthorization(t, s)
	a.Consumer = "somebody"
	a, err := s.Replace(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	again := NewAuthorization(a.Pushed, a.Browser, time.Now())
	got, err := s.Open(ctx, again)
	if err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("got  %+v (%v)\nwant %+v", got, err, a)
	}
	other := NewAuthorization(a.Pushed, "browser-"+uuid.NewString(), time.Now())
	got, err = s.Open(ctx, other)
	if err != nil || got.ID != other.ID {
		t.Errorf("another browser got id %s (%v), want its own", got.ID, err)
	}
}

func openRace(t *testing.T, s consent.Authorizations) {
	first := newAuthorization()
	var ids [parallel]consent.AuthorizationID
	for _, err := range Race(func(i int) error {
		a, err := s.Open(context.Background(), NewAuthorization(first.Pushed, first.Browser, time.Now()))
		ids[i] = a.ID
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two were started: %s and %s", ids[0], id)
		}
	}
}

func otherBrowser(t *testing.T, s consent.Authorizations) {
	ctx := context.Background()
	a, b := openAuthorization(t, s), openAuthorization(t, s)
	for name, get := range map[string]func() (consent.Authorization, error){
		"another browser": func() (consent.Authorization, error) { return s.Authorization(ctx, a.ID, b.Browser) },
		"no browser":      func() (consent.Authorization, error) { return s.Authorization(ctx, a.ID, "") },
		"unknown id": func() (consent.Authorization, error) {
			return s.Authorization(ctx, consent.NewAuthorizationID(), a.Browser)
		},
	} {
		if got, err := get(); !errors.Is(err, consent.ErrNotFound) || got.ID != "" {
			t.Errorf("%s: got %+v, %v, want ErrNotFound", name, got, err)
		}
	}
}

func replaceWhole(t *testing.T, s consent.Authorizations) {
	a := openAuthorization(t, s)
	a.Browser = "browser-" + uuid.NewString() // a session is renamed at sign-in
	a.Consumer = "consumer"
	a.AuthenticatedAt = time.Now().UTC().Truncate(time.Second)
	a.FirstFactor, a.SecondFactor, a.SecondFactorAt = consent.FactorKey, consent.FactorCode, a.AuthenticatedAt.Add(time.Second)
	a.Accounts = []fdx.AccountID{"b", `a "quoted" \ one`, "c,d"}
	a.Decision, a.Cause = consent.Denied, consent.CauseBank
	a.Holder = consent.Holder{ID: "h-2", Kind: consent.HolderOwn}
	a.Disclosure = consent.Disclosure{Version: "2026-11", Locale: "sv", Text: "Du delar …"}
	a.Answered = true
	a.ExpiresAt = a.ExpiresAt.Add(time.Minute)
	got, err := s.Replace(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	a.Version++
	if !reflect.DeepEqual(got, a) {
		t.Errorf("replaced: got  %+v\nwant %+v", got, a)
	}
	if got := loaded(t, s, a); !reflect.DeepEqual(got, a) {
		t.Errorf("loaded: got  %+v\nwant %+v", got, a)
	}
}

func replaceStale(t *testing.T, s consent.Authorizations) {
	ctx := context.Background()
	old := openAuthorization(t, s)
	present, err := s.Replace(ctx, old)
	if err != nil {
		t.Fatal(err)
	}
	for name, version := range map[string]int64{"older": old.Version, "newer": present.Version + 1, "none": 0} {
		a := present
		a.Version, a.Decision = version, consent.Approved
		if _, err := s.Replace(ctx, a); !errors.Is(err, consent.ErrConflict) {
			t.Errorf("%s: got %v, want ErrConflict", name, err)
		}
	}
	if got := loaded(t, s, present); !reflect.DeepEqual(got, present) {
		t.Errorf("a refused replacement changed something: %+v", got)
	}
}

func extend(t *testing.T, s consent.Authorizations) {
	ctx := context.Background()
	a := openAuthorization(t, s)
	now := a.ExpiresAt.Add(-time.Minute)
	later := a.ExpiresAt.Add(5 * time.Minute)
	for name, c := range map[string]struct {
		id      consent.AuthorizationID
		browser string
		now     time.Time
	}{
		"unknown":         {consent.NewAuthorizationID(), a.Browser, now},
		"another browser": {a.ID, "browser-" + uuid.NewString(), now},
		"over":            {a.ID, a.Browser, a.ExpiresAt},
		"long over":       {a.ID, a.Browser, a.ExpiresAt.Add(time.Hour)},
	} {
		if err := s.Extend(ctx, c.id, c.browser, c.now, later); !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := loaded(t, s, a); !reflect.DeepEqual(got, a) {
		t.Errorf("a refused extension changed something: %+v", got)
	}
	for _, until := range []time.Time{later, now, later.Add(-time.Second)} { // never back
		if err := s.Extend(ctx, a.ID, a.Browser, now, until); err != nil {
			t.Fatal(err)
		}
	}
	want := a
	want.ExpiresAt = later
	if got := loaded(t, s, a); !reflect.DeepEqual(got, want) { // the version too
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	want.Answered = true
	done, err := s.Replace(ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Extend(ctx, a.ID, a.Browser, now, later.Add(time.Hour)); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("answered: %v", err)
	}
	if got := loaded(t, s, done); !got.ExpiresAt.Equal(later) {
		t.Errorf("an answered one lasts until %v", got.ExpiresAt)
	}
}

func replaceUnknown(t *testing.T, s consent.Authorizations) {
	a := newAuthorization()
	a.Version = 1
	if _, err := s.Replace(context.Background(), a); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func replaceRace(t *testing.T, s consent.Authorizations) {
	a := openAuthorization(t, s)
	errs := Race(func(int) error {
		_, err := s.Replace(context.Background(), a)
		return err
	})
	OneWinner(t, errs, consent.ErrConflict)
	if got := loaded(t, s, a); got.Version != a.Version+1 {
		t.Errorf("version %d, want %d", got.Version, a.Version+1)
	}
}
