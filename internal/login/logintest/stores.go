package logintest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
)

// Store is everything that login stores but accounts.
type Store interface {
	login.Throttle
	login.CodeStore
	login.Journal
	// SignIns returns a person's attempts, newest first, at most limit.
	SignIns(ctx context.Context, who consent.ConsumerID, limit int) ([]login.SignIn, error)
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Stores tests a store. Each call of fresh returns one without the subjects
// and people that the test names.
func Stores(t *testing.T, fresh func(*testing.T) Store) {
	t.Run("failures have to wait", func(t *testing.T) { t.Parallel(); throttle(t, fresh(t)) })
	t.Run("no more attempts are under way than may fail", func(t *testing.T) { t.Parallel(); room(t, fresh(t)) })
	t.Run("attempts in parallel are counted", func(t *testing.T) { t.Parallel(); parallel(t, fresh(t)) })
	t.Run("a code is good once", func(t *testing.T) { t.Parallel(); codes(t, fresh(t)) })
	t.Run("a code is good once in a race", func(t *testing.T) { t.Parallel(); race(t, fresh(t)) })
	t.Run("attempts are remembered per person", func(t *testing.T) { t.Parallel(); journal(t, fresh(t)) })
}

func throttle(t *testing.T, s Store) {
	ctx := context.Background()
	waits := []time.Duration{0, 0, 30 * time.Second, time.Minute}
	ada, net := login.Subject{Key: login.Key{1}, Waits: waits}, login.Subject{Key: login.Key{2}, Waits: []time.Duration{0}}
	begin := func(now time.Time, want time.Duration, subjects ...login.Subject) {
		t.Helper()
		if w, err := s.Begin(ctx, now, subjects...); err != nil || w != want {
			t.Fatalf("waits %v, want %v; %v", w, want, err)
		}
	}
	fail := func(now time.Time, subjects ...login.Subject) {
		t.Helper()
		begin(now, 0, subjects...)
		if err := s.Fail(ctx, now, subjects...); err != nil {
			t.Fatal(err)
		}
	}
	fail(noon, ada, net)
	fail(noon, ada, net)
	fail(noon, ada, net)
	begin(noon, 30*time.Second, ada, net)
	begin(noon, 30*time.Second, net, ada)
	begin(noon.Add(29*time.Second), time.Second, ada)
	fail(noon.Add(30*time.Second), ada) // too soon did not count: the fourth failure
	begin(noon.Add(30*time.Second), time.Minute, ada)
	fail(noon.Add(90*time.Second), ada)
	begin(noon.Add(90*time.Second), time.Minute, ada) // the last wait is for all that follow

	// What did not fail neither counts nor leads to a wait.
	begin(noon.Add(150*time.Second), 0, ada)
	if err := s.Undo(ctx, ada.Key, login.Key{99}); err != nil {
		t.Fatal(err)
	}
	begin(noon.Add(150*time.Second), 0, ada)
	if err := errors.Join(s.Forget(ctx, ada.Key), s.Undo(ctx, ada.Key), s.Forget(ctx, login.Key{99})); err != nil {
		t.Fatal(err)
	}
	again := noon.Add(151 * time.Second)
	fail(again, ada)
	fail(again, ada)
	fail(again, ada)
	begin(again, 30*time.Second, ada)
	// Forgotten by itself.
	later := again.Add(login.Memory)
	fail(later, ada)
	fail(later, ada)
	fail(later, ada)
	begin(later, 30*time.Second, ada)
	// Who has to wait does not use up the tries of the other subject.
	other := login.Subject{Key: login.Key{3}, Waits: []time.Duration{0, time.Minute}}
	fail(later, other)
	begin(later, 30*time.Second, ada, other)
	fail(later, other)
	begin(later, time.Minute, other)
	// A failure that nothing was noted of before counts as well.
	lost := login.Subject{Key: login.Key{4}, Waits: []time.Duration{time.Minute}}
	if err := s.Fail(ctx, later, lost); err != nil {
		t.Fatal(err)
	}
	begin(later, time.Minute, lost)
}

// room: as many attempts are under way as may fail, and one after that.
func room(t *testing.T, s Store) {
	ctx := context.Background()
	ada := login.Subject{Key: login.Key{21}, Waits: []time.Duration{0, 0, time.Minute}}
	other := login.Subject{Key: login.Key{22}, Waits: []time.Duration{0, time.Minute}}
	begin := func(now time.Time, want error, subjects ...login.Subject) {
		t.Helper()
		if w, err := s.Begin(ctx, now, subjects...); !errors.Is(err, want) || w != 0 {
			t.Fatalf("waits %v, %v; want %v", w, err, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	begin(noon, nil, ada)
	begin(noon, nil, ada)
	begin(noon, nil, ada)
	begin(noon, login.ErrBusy, ada)
	begin(noon, login.ErrBusy, other, ada)
	begin(noon, nil, other) // was not noted with it
	begin(noon, nil, other)
	begin(noon, login.ErrBusy, other)
	must(s.Undo(ctx, ada.Key)) // a right one
	begin(noon, nil, ada)
	must(s.Fail(ctx, noon, ada))
	begin(noon, login.ErrBusy, ada) // one failed, two are under way
	// That nothing is heard of them ends them, but no failure.
	late := noon.Add(login.AttemptLife)
	begin(late, nil, ada)
	begin(late, nil, ada)
	begin(late, login.ErrBusy, ada)
	must(s.Fail(ctx, late, ada))
	must(s.Fail(ctx, late, ada))
	after := late.Add(time.Minute)
	begin(after, nil, ada) // one at a time from now on
	begin(after, login.ErrBusy, ada)
	must(s.Forget(ctx, ada.Key)) // and the one under way still is
	begin(after, nil, ada)
	begin(after, nil, ada)
	begin(after, login.ErrBusy, ada)
}

func parallel(t *testing.T, s Store) {
	ctx := context.Background()
	one := login.Subject{Key: login.Key{11}, Waits: []time.Duration{0, 0, time.Minute}}
	two := login.Subject{Key: login.Key{12}, Waits: []time.Duration{0}}
	var through atomic.Int64
	var wg sync.WaitGroup
	for i := range 12 {
		subjects := []login.Subject{one, two}
		if i%2 == 0 {
			slices.Reverse(subjects) // must not deadlock
		}
		wg.Go(func() {
			w, err := s.Begin(ctx, noon, subjects...)
			for errors.Is(err, login.ErrBusy) {
				w, err = s.Begin(ctx, noon, subjects...)
			}
			if err != nil {
				t.Error(err)
			}
			if w == 0 {
				through.Add(1)
				if err := s.Fail(ctx, noon, subjects...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := through.Load(); n != 3 {
		t.Errorf("%d attempts in parallel got through, want 3", n)
	}
}

func newCode(who consent.ConsumerID, purpose string, hash byte, at time.Time) login.Code {
	return login.Code{Consumer: who, Purpose: purpose, Hash: login.Key{hash}, Reference: "BCDFG", IssuedAt: at, ExpiresAt: at.Add(login.CodeLife)}
}

func codes(t *testing.T, s Store) {
	ctx := context.Background()
	put := func(c login.Code, notBefore time.Time, want bool) {
		t.Helper()
		if ok, err := s.PutCode(ctx, c, notBefore); err != nil || ok != want {
			t.Fatalf("stored %v, want %v; %v", ok, want, err)
		}
	}
	try := func(who consent.ConsumerID, purpose string, hash byte, now time.Time, want error) {
		t.Helper()
		if err := s.TryCode(ctx, who, purpose, login.Key{hash}, now); !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	try("ada", "p", 1, noon, login.ErrCodeOver)
	put(newCode("ada", "p", 1, noon), noon.Add(-login.CodePause), true)
	put(newCode("ada", "q", 2, noon), noon.Add(-login.CodePause), true)
	if c, err := s.Code(ctx, "ada", "p", noon); err != nil || c.Reference != "BCDFG" || !c.ExpiresAt.Equal(noon.Add(login.CodeLife)) {
		t.Fatalf("%+v, %v", c, err)
	}
	try("bob", "p", 1, noon, login.ErrCodeOver) // another person's
	try("ada", "p", 2, noon, login.ErrCode)     // of another purpose
	try("ada", "p", 1, noon, nil)
	try("ada", "p", 1, noon, login.ErrCodeOver) // a second time
	if _, err := s.Code(ctx, "ada", "p", noon); !errors.Is(err, consent.ErrNotFound) {
		t.Fatalf("a used code is found: %v", err)
	}
	// A used one does not stand in the way of the next, an unused one does.
	put(newCode("ada", "p", 3, noon), noon.Add(-login.CodePause), true)
	put(newCode("ada", "p", 4, noon.Add(time.Second)), noon.Add(time.Second-login.CodePause), false)
	put(newCode("ada", "p", 5, noon.Add(31*time.Second)), noon.Add(time.Second), true)
	try("ada", "p", 3, noon.Add(31*time.Second), login.ErrCode) // replaced
	for range login.CodeTries - 2 {
		try("ada", "p", 9, noon.Add(31*time.Second), login.ErrCode)
	}
	try("ada", "p", 5, noon.Add(31*time.Second), nil) // the last try
	// One try more is too many, also with the right code.
	put(newCode("ada", "p", 6, noon.Add(32*time.Second)), noon.Add(2*time.Second), true)
	for range login.CodeTries {
		try("ada", "p", 9, noon.Add(32*time.Second), login.ErrCode)
	}
	try("ada", "p", 6, noon.Add(32*time.Second), login.ErrCodeOver)
	// Over at its time, not a moment later.
	try("ada", "q", 2, noon.Add(login.CodeLife), login.ErrCodeOver)
	try("ada", "q", 2, noon.Add(login.CodeLife-time.Millisecond), nil)
	put(newCode("eve", "p", 1, noon), noon.Add(-login.CodePause), true)
	if err := errors.Join(s.DropCode(ctx, "eve", "p"), s.DropCode(ctx, "eve", "p")); err != nil {
		t.Fatal(err)
	}
	try("eve", "p", 1, noon, login.ErrCodeOver)
}

func race(t *testing.T, s Store) {
	ctx := context.Background()
	if _, err := s.PutCode(ctx, newCode("cyd", "p", 1, noon), noon); err != nil {
		t.Fatal(err)
	}
	var good atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if s.TryCode(ctx, "cyd", "p", login.Key{1}, noon) == nil {
				good.Add(1)
			}
		})
	}
	wg.Wait()
	if good.Load() != 1 {
		t.Errorf("accepted %d times", good.Load())
	}
}

func journal(t *testing.T, s Store) {
	ctx := context.Background()
	first := login.SignIn{Consumer: "dan", At: noon, Method: login.Password, Refused: true, Network: netip.MustParsePrefix("192.0.2.0/24")}
	second := login.SignIn{Consumer: "dan", At: noon.Add(time.Minute), Method: login.OneTimeCode}
	for _, a := range []login.SignIn{first, {At: noon, Method: login.Password, Refused: true}, second, {Consumer: "eve", At: noon, Method: login.Passkey}} {
		if err := s.Note(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.SignIns(ctx, "dan", 10)
	if err != nil || !slices.Equal(got, []login.SignIn{second, first}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = s.SignIns(ctx, "dan", 1); err != nil || len(got) != 1 {
		t.Errorf("%d with a limit of 1, %v", len(got), err)
	}
	if got, err = s.SignIns(ctx, "nobody", 10); err != nil || got != nil {
		t.Errorf("of nobody: %+v, %v", got, err)
	}
}
