package login

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
)

// people is a Store in memory.
type people map[string]Credential

func (p people) Credential(_ context.Context, username string) (Credential, error) {
	c, ok := p[username]
	if !ok {
		return Credential{}, fmt.Errorf("people: %w", consent.ErrNotFound)
	}
	return c, nil
}

// clock is a hand-set clock.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func hashed(t *testing.T, password string) string {
	t.Helper()
	h, err := Hash(password)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newLogin(t *testing.T, c Config) *Login {
	t.Helper()
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	store := people{
		"ada":    {"c-ada", hashed(t, "correct horse")},
		"nobody": {"", hashed(t, "correct horse")},
	}
	l := newLogin(t, Config{Store: store})
	for name, c := range map[string]struct {
		username, password string
		want               consent.ConsumerID
		err                error
	}{
		"right":                       {"ada", "correct horse", "c-ada", nil},
		"wrong password":              {"ada", "correct hors", "", ErrCredentials},
		"case counts":                 {"ada", "Correct horse", "", ErrCredentials},
		"absent person":               {"bob", "correct horse", "", ErrCredentials},
		"username in other case":      {"Ada", "correct horse", "", ErrCredentials},
		"person without an id":        {"nobody", "correct horse", "", ErrCredentials},
		"empty username":              {"", "correct horse", "", ErrCredentials},
		"empty password":              {"ada", "", "", ErrCredentials},
		"oversized username":          {strings.Repeat("a", maxUsername+1), "x", "", ErrCredentials},
		"oversized password":          {"ada", strings.Repeat("a", maxPassword+1), "", ErrCredentials},
		"username that is not UTF-8":  {"\xff", "x", "", ErrCredentials},
		"password that is not UTF-8":  {"ada", "\xff", "", ErrCredentials},
		"password with its tail gone": {"ada", "correct", "", ErrCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who, err := l.Authenticate(context.Background(), c.username, c.password)
			if who != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v", who, err)
			}
		})
	}
}

func TestAbsentPersonCostsTheSameWork(t *testing.T) {
	t.Parallel()
	l := newLogin(t, Config{Store: people{}})
	h, err := parseHash(hashed(t, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if l.nobody.params != h.params || len(l.nobody.salt) != len(h.salt) || len(l.nobody.key) != len(h.key) {
		t.Errorf("an absent person is judged with %+v, a present one with %+v", l.nobody.params, h.params)
	}
}

func TestDamagedHashIsNoPassword(t *testing.T) {
	t.Parallel()
	l := newLogin(t, Config{Store: people{"ada": {"c-ada", "plain"}}})
	if who, err := l.Authenticate(context.Background(), "ada", "plain"); who != "" || !errors.Is(err, ErrHash) {
		t.Errorf("got %q, %v", who, err)
	}
}

func TestStoreFailureIsNotAWrongPassword(t *testing.T) {
	t.Parallel()
	broken := errors.New("down")
	l := newLogin(t, Config{Store: storeFunc(func() (Credential, error) { return Credential{}, broken })})
	for range freeFailures + 1 { // nor does it count as a guess
		_, err := l.Authenticate(context.Background(), "ada", "x")
		if !errors.Is(err, broken) || errors.Is(err, ErrCredentials) {
			t.Fatalf("got %v", err)
		}
	}
}

type storeFunc func() (Credential, error)

func (f storeFunc) Credential(context.Context, string) (Credential, error) { return f() }

func TestHashIsSaltedAndStrong(t *testing.T) {
	t.Parallel()
	a, b := hashed(t, "x"), hashed(t, "x")
	if a == b {
		t.Error("two hashes of one password are equal")
	}
	if !strings.HasPrefix(a, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash form: %s", a)
	}
	for _, bad := range []string{"", "\xff", strings.Repeat("a", maxPassword+1)} {
		if _, err := Hash(bad); !errors.Is(err, ErrPassword) {
			t.Errorf("hashed %d bytes: %v", len(bad), err)
		}
	}
}

func TestHashOfAnotherProgramIsRead(t *testing.T) {
	t.Parallel()
	// Password "password", salt "somesalt", t=1, m=64, p=1, 24 bytes: the
	// answer of the reference implementation.
	key, err := hex.DecodeString("655ad15eac652dc59f7170a7332bf49b8469be1fdb9c28bb")
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHash("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$" + base64.RawStdEncoding.EncodeToString(key))
	if err != nil || !h.matches("password") || h.matches("passwore") {
		t.Errorf("not the same answer: %v", err)
	}
}

func TestFailuresHaveToWait(t *testing.T) {
	t.Parallel()
	c := &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	a := newAttempts(c.now)
	for range freeFailures {
		if w := a.begin("ada"); w != 0 {
			t.Fatalf("waits %v too early", w)
		}
	}
	want := firstWait
	for range 8 {
		if w := a.begin("ada"); w != want {
			t.Fatalf("waits %v, want %v", w, want)
		}
		if w := a.begin("bob"); w != 0 {
			t.Fatalf("another username waits %v", w)
		}
		a.succeeded("bob")
		c.advance(want - time.Second)
		if w := a.begin("ada"); w != time.Second {
			t.Fatalf("waits %v, want 1s: an attempt too soon must not count", w)
		}
		c.advance(time.Second)
		if w := a.begin("ada"); w != 0 {
			t.Fatalf("still waits %v", w)
		}
		want = min(2*want, longestWait)
	}
	c.advance(longestWait)
	if w := a.begin("ada"); w != 0 {
		t.Fatalf("waits %v", w)
	}
	a.succeeded("ada")
	if w := a.begin("ada"); w != 0 {
		t.Errorf("waits %v after a success", w)
	}
}

func TestFailuresAreForgotten(t *testing.T) {
	t.Parallel()
	c := &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	a := newAttempts(c.now)
	for range freeFailures {
		a.begin("ada")
	}
	c.advance(forgetAfter)
	for range freeFailures {
		if w := a.begin("ada"); w != 0 {
			t.Fatalf("waits %v after an hour", w)
		}
	}
	if a.begin("ada") == 0 {
		t.Error("does not wait any more")
	}
}

func TestCountIsBounded(t *testing.T) {
	t.Parallel()
	c := &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	a := newAttempts(c.now)
	for i := range maxTracked + 100 {
		a.begin(fmt.Sprint("user ", i))
	}
	if len(a.by) != maxTracked || a.order.Len() != maxTracked {
		t.Errorf("%d and %d usernames are kept, want %d", len(a.by), a.order.Len(), maxTracked)
	}
	if _, kept := a.by["user 0"]; kept {
		t.Error("the oldest is kept")
	}
}

func TestGuessesInParallelAreCounted(t *testing.T) {
	t.Parallel()
	store := people{"ada": {"c-ada", hashed(t, "right")}}
	c := &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	l := newLogin(t, Config{Store: store, Now: c.now, Patience: time.Minute})
	var wg sync.WaitGroup
	var mu sync.Mutex
	judged := 0
	for range 20 {
		wg.Go(func() {
			_, err := l.Authenticate(context.Background(), "ada", "wrong")
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, ErrCredentials) {
				judged++
			}
		})
	}
	wg.Wait()
	if judged != freeFailures {
		t.Errorf("%d of 20 parallel guesses were judged, want %d", judged, freeFailures)
	}
	var w *Wait
	if _, err := l.Authenticate(context.Background(), "ada", "right"); !errors.As(err, &w) || w.For != firstWait {
		t.Errorf("the right password inside the wait: %v", err)
	}
	c.advance(firstWait)
	if who, err := l.Authenticate(context.Background(), "ada", "right"); who != "c-ada" || err != nil {
		t.Errorf("after the wait: %q, %v", who, err)
	}
}

func TestTooManyAtOnceIsBusy(t *testing.T) {
	t.Parallel()
	started, finish := make(chan struct{}), make(chan struct{})
	l := newLogin(t, Config{Concurrent: 1, Store: storeFunc(func() (Credential, error) {
		started <- struct{}{}
		<-finish
		return Credential{}, consent.ErrNotFound
	})})
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = l.Authenticate(context.Background(), "ada", "x") })
	<-started
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the caller gave up waiting
	if _, err := l.Authenticate(ctx, "bob", "x"); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	close(finish)
	wg.Wait()
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no store":          {},
		"negative turns":    {Store: people{}, Concurrent: -1},
		"negative patience": {Store: people{}, Patience: -1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	good, err := Hash("x")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		good, "", "$", good[:len(good)-1], good + "$", good + "\n", strings.Replace(good, "m=19456", "m=4294967295", 1),
		strings.Replace(good, "t=2", "t=0", 1), strings.Replace(good, "p=1", "p=01", 1),
		strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHash(s)
		if err != nil {
			if !errors.Is(err, ErrHash) {
				t.Errorf("error %v", err)
			}
			return
		}
		if h.String() != s {
			t.Errorf("%q is read as %q", s, h)
		}
		if h.memory > 256<<10 || h.time > 10 || len(h.key) < 16 {
			t.Errorf("%q asks for %+v", s, h.params)
		}
	})
}
