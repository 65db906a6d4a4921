package login

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
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

// book is a Throttle and a Journal in memory. logintest has the one that is
// held to the contract; this package cannot import it from inside.
type book struct {
	mu       sync.Mutex
	n        map[Key]int
	underWay map[Key]int
	until    map[Key]time.Time
	notes    []SignIn
	broken   error // of Fail
}

func (b *book) Begin(_ context.Context, now time.Time, subjects ...Subject) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n == nil {
		b.n, b.underWay, b.until = map[Key]int{}, map[Key]int{}, map[Key]time.Time{}
	}
	for _, s := range subjects {
		if w := b.until[s.Key].Sub(now); w > 0 {
			return w, nil
		}
		if b.underWay[s.Key] >= max(1, s.Free()-b.n[s.Key]) {
			return 0, ErrBusy
		}
	}
	for _, s := range subjects {
		b.underWay[s.Key]++
	}
	return 0, nil
}

func (b *book) Fail(_ context.Context, now time.Time, subjects ...Subject) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken != nil {
		return b.broken
	}
	for _, s := range subjects {
		b.underWay[s.Key]--
		b.n[s.Key]++
		b.until[s.Key] = now.Add(s.Waits[min(b.n[s.Key], len(s.Waits))-1])
	}
	return nil
}

func (b *book) Undo(_ context.Context, keys ...Key) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range keys {
		b.underWay[k]--
	}
	return nil
}

func (b *book) Forget(_ context.Context, k Key) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.n, k)
	delete(b.until, k)
	return nil
}

func (b *book) Note(_ context.Context, s SignIn) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(b.notes, s)
	return nil
}

func testSecret() []byte { return []byte(strings.Repeat("s", minSecret)) }

// try presents a username and a password from nowhere in particular.
func try(l *Login, username, password string) (consent.ConsumerID, error) {
	return l.Authenticate(context.Background(), Attempt{Username: username, Password: password})
}

func newLogin(t *testing.T, c Config) *Login {
	t.Helper()
	if c.Throttle == nil {
		b := &book{}
		c.Throttle, c.Journal = b, b
	}
	c.Secret = testSecret()
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
			who, err := try(l, c.username, c.password)
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
	if who, err := try(l, "ada", "plain"); who != "" || !errors.Is(err, ErrHash) {
		t.Errorf("got %q, %v", who, err)
	}
}

func TestStoreFailureIsNotAWrongPassword(t *testing.T) {
	t.Parallel()
	broken := errors.New("down")
	l := newLogin(t, Config{Store: storeFunc(func() (Credential, error) { return Credential{}, broken })})
	for range freeFailures + 1 { // nor does it count as a guess
		_, err := try(l, "ada", "x")
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

func TestFailuresHaveToWaitLongerEachTime(t *testing.T) {
	t.Parallel()
	got := waits(freeFailures)
	want := []time.Duration{0, 0, 0, 0, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute}
	if !slices.Equal(got, want) {
		t.Errorf("waits %v, want %v", got, want)
	}
	if w := waits(freeNetwork); w[freeNetwork-2] != 0 || w[freeNetwork-1] != firstWait {
		t.Errorf("waits of a network: %v", w)
	}
}

func TestOneNetworkGuessesAtManyPeople(t *testing.T) {
	t.Parallel()
	c := &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	b := &book{}
	l := newLogin(t, Config{Store: people{"ada": {"c-ada", hashed(t, "right")}}, Throttle: b, Journal: b, Now: c.now})
	from := func(username, password, addr string) error {
		_, err := l.Authenticate(context.Background(), Attempt{Username: username, Password: password, From: netip.MustParseAddr(addr)})
		return err
	}
	// One's own account must not wipe out the guesses at others.
	if err := from("ada", "right", "192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	key := l.attempts.Key("network", "192.0.2.0/24")
	if b.n[key] != 0 {
		t.Fatalf("a success counts %d", b.n[key])
	}
	b.n[key] = freeNetwork - 1
	if err := from("ada", "right", "192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	if b.n[key] != freeNetwork-1 {
		t.Fatalf("a success leaves %d", b.n[key])
	}
	if err := from("somebody", "wrong", "192.0.2.8"); !errors.Is(err, ErrCredentials) {
		t.Fatal(err)
	}
	var w *Wait
	if err := from("ada", "right", "192.0.2.200"); !errors.As(err, &w) || w.For != firstWait {
		t.Errorf("the same network: %v", err)
	}
	for _, elsewhere := range []string{"192.0.3.1", "2001:db8::1", "127.0.0.1"} {
		if err := from("ada", "right", elsewhere); err != nil {
			t.Errorf("from %s: %v", elsewhere, err)
		}
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.0/24", "::ffff:192.0.2.7": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48",
		"fe80::1%eth0": "fe80::/48", "127.0.0.1": "invalid Prefix", "::1": "invalid Prefix", "::ffff:127.0.0.1": "invalid Prefix",
	} {
		if got := Network(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if Network(netip.Addr{}).IsValid() {
		t.Error("no address has a network")
	}
}

func TestAttemptsAreWrittenDown(t *testing.T) {
	t.Parallel()
	b := &book{}
	l := newLogin(t, Config{Store: people{"ada": {"c-ada", hashed(t, "right")}}, Throttle: b, Journal: b})
	for _, c := range [][2]string{{"ada", "wrong"}, {"nobody", "x"}, {"ada", "right"}, {"", "x"}} {
		_, _ = try(l, c[0], c[1])
	}
	var got []string
	for _, n := range b.notes {
		got = append(got, fmt.Sprint(n.Consumer, " ", n.Method, " ", n.Refused))
	}
	if want := []string{"c-ada pwd true", " pwd true", "c-ada pwd false"}; !slices.Equal(got, want) {
		t.Errorf("noted %q, want %q", got, want)
	}
}

func TestGuessesInParallelAreCounted(t *testing.T) {
	t.Parallel()
	store := people{"ada": {"c-ada", hashed(t, "right")}}
	c := &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	l := newLogin(t, Config{Store: store, Now: c.now, Patience: AttemptLife/2 - 1})
	var wg sync.WaitGroup
	var mu sync.Mutex
	judged := 0
	for range 20 {
		wg.Go(func() {
			_, err := try(l, "ada", "wrong")
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
	if _, err := try(l, "ada", "right"); !errors.As(err, &w) || w.For != firstWait {
		t.Errorf("the right password inside the wait: %v", err)
	}
	c.advance(firstWait)
	if who, err := try(l, "ada", "right"); who != "c-ada" || err != nil {
		t.Errorf("after the wait: %q, %v", who, err)
	}
}

func TestRightPasswordsAtOncePunishNobody(t *testing.T) {
	t.Parallel()
	b := &book{}
	l := newLogin(t, Config{Store: people{"ada": {"c-ada", hashed(t, "right")}}, Throttle: b, Journal: b, Patience: AttemptLife/2 - 1})
	var wg sync.WaitGroup
	for range 2 * freeFailures {
		wg.Go(func() {
			who, err := try(l, "ada", "right")
			for errors.Is(err, ErrBusy) { // a slow machine, and no wait
				who, err = try(l, "ada", "right")
			}
			if who != "c-ada" || err != nil {
				t.Errorf("got %q, %v", who, err)
			}
		})
	}
	wg.Wait()
	// Nor does a slip afterwards.
	if _, err := try(l, "ada", "wrong"); !errors.Is(err, ErrCredentials) {
		t.Error(err)
	}
	if _, err := try(l, "ada", "right"); err != nil {
		t.Error(err)
	}
}

func TestAFailureThatCannotBeCountedTellsNothing(t *testing.T) {
	t.Parallel()
	b := &book{broken: errors.New("down")}
	l := newLogin(t, Config{Store: people{"ada": {"c-ada", hashed(t, "right")}}, Throttle: b, Journal: b})
	if _, err := try(l, "ada", "wrong"); !errors.Is(err, b.broken) || errors.Is(err, ErrCredentials) {
		t.Errorf("got %v", err)
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
	wg.Go(func() { _, _ = try(l, "ada", "x") })
	<-started
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the caller gave up waiting
	if _, err := l.Authenticate(ctx, Attempt{Username: "bob", Password: "x"}); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	close(finish)
	wg.Wait()
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no store":          {Throttle: &book{}, Journal: &book{}, Secret: testSecret()},
		"no throttle":       {Store: people{}, Journal: &book{}, Secret: testSecret()},
		"no journal":        {Store: people{}, Throttle: &book{}, Secret: testSecret()},
		"a short secret":    {Store: people{}, Throttle: &book{}, Journal: &book{}, Secret: testSecret()[1:]},
		"negative turns":    {Store: people{}, Throttle: &book{}, Journal: &book{}, Secret: testSecret(), Concurrent: -1},
		"too much patience": {Store: people{}, Throttle: &book{}, Journal: &book{}, Secret: testSecret(), Patience: AttemptLife / 2},
		"negative patience": {Store: people{}, Throttle: &book{}, Journal: &book{}, Secret: testSecret(), Patience: -1},
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
