package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// open opens a cache with the limits of production.
func open(t *testing.T, url string) *redis.Cache {
	t.Helper()
	return opened(t, url, redis.Open)
}

// patient opens a cache for a test that is not about time.
func patient(t *testing.T, url string) *redis.Cache {
	t.Helper()
	return opened(t, url, redis.OpenPatient)
}

func opened(t *testing.T, url string, how func(redis.Config) (*redis.Cache, error)) *redis.Cache {
	t.Helper()
	c, err := how(redis.Config{URL: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestCacheOnMiniredis(t *testing.T) {
	t.Parallel()
	resourcetest.Cache(t, func(t *testing.T) resourcetest.CacheFixture {
		m := miniredis.RunT(t)
		now := time.Now()
		m.SetTime(now)
		a, b := patient(t, "redis://"+m.Addr()), patient(t, "redis://"+m.Addr())
		return resourcetest.CacheFixture{
			A: a, B: b, Ended: b, Restart: m.FlushAll,
			Advance: func(d time.Duration) {
				now = now.Add(d)
				m.SetTime(now)
				m.FastForward(d)
			},
		}
	})
}

func TestCacheOnRedis(t *testing.T) {
	t.Parallel()
	resourcetest.Cache(t, func(t *testing.T) resourcetest.CacheFixture {
		s := testenv.Redis(t)
		opts, err := goredis.ParseURL(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		raw := goredis.NewClient(opts)
		t.Cleanup(func() { raw.Close() })
		a, b := patient(t, s.URL()), patient(t, s.URL())
		return resourcetest.CacheFixture{A: a, B: b, Ended: b, Restart: func() {
			// Scripts go too, as in a restart.
			if err := errors.Join(raw.FlushAll(t.Context()).Err(), raw.ScriptFlush(t.Context()).Err()); err != nil {
				t.Fatal(err)
			}
		}}
	})
}

func TestEveryKeyHasAnEndAndTheHashTag(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	c := patient(t, "redis://"+m.Addr())
	l := token.Live{}
	l.Access.ExpiresAt = time.Now().Add(time.Hour)
	l.Share.ExpiresAt = l.Access.ExpiresAt
	l.Access.KeyThumbprint, l.Share.Grant, l.Share.Recipient, l.Share.Epoch = "key", "g", "r", 1
	miss, err := c.Look(t.Context(), resource.Lookup{Hash: l.Access.Hash})
	if err != nil {
		t.Fatal(err)
	}
	_, err2 := c.Look(t.Context(), resource.Lookup{Hash: l.Access.Hash})
	err = errors.Join(c.Fill(t.Context(), miss.Lease, l), err2, c.Ended(t.Context(), "g", 1), c.Stopped(t.Context(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Look(t.Context(), resource.Lookup{
		Hash: l.Access.Hash, Proof: &token.Proof{ExpiresAt: time.Now().Add(time.Minute)}, Bound: "key",
		Quotas: resource.Quotas{Recipient: limit.MaxQuota, Consent: 1, Bank: 60},
	}); err != nil {
		t.Fatal(err)
	}
	keys := m.Keys()
	if len(keys) != 8 {
		t.Errorf("keys: %v", keys)
	}
	for _, key := range keys {
		if ttl := m.TTL(key); strings.Contains(key, ":rate:") && ttl > time.Minute {
			t.Errorf("%s lives for %s", key, ttl)
		}
		if m.TTL(key) <= 0 {
			t.Errorf("%s lives for ever", key)
		}
		if !strings.HasPrefix(key, "{headgate}:") {
			t.Errorf("%s is on another shard", key)
		}
	}
}

// Many tombstones take a call for every 500, and none is lowered.
func TestManyAreToldAtOnce(t *testing.T) {
	t.Parallel()
	s := testenv.Redis(t)
	through := tap(t, s.URL())
	c := patient(t, through.url)
	one, _ := c.Look(t.Context(), resource.Lookup{}) // connection and scripts
	if err := errors.Join(c.EndedAll(t.Context(), []consent.Move{{Grant: "g7", Epoch: 9}}), c.Ended(t.Context(), "other", 1)); err != nil || one.Found {
		t.Fatal(err)
	}
	var moved []consent.Move
	for i := range 1001 {
		moved = append(moved, consent.Move{Grant: consent.GrantID("g" + strconv.Itoa(i)), Epoch: 2})
	}
	before := through.trips.Load()
	if err := c.EndedAll(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	if got := through.trips.Load() - before; got != 3 {
		t.Errorf("%d round trips", got)
	}
	opts, err := goredis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	raw := goredis.NewClient(opts)
	defer raw.Close() //nolint:errcheck // read only
	for grant, want := range map[string]string{"g0": "2", "g7": "9", "g499": "2", "g500": "2", "g1000": "2", "other": "1"} {
		if got, err := raw.Get(t.Context(), "{headgate}:ended:"+grant).Result(); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %s", grant, got, err, want)
		}
	}
	if err := c.EndedAll(t.Context(), nil); err != nil {
		t.Errorf("nothing to tell: %v", err)
	}
}

// A fill that came too late leaves nothing behind, so that a tombstone that
// Redis evicts under pressure is not missed.
func TestLateFillLeavesNothing(t *testing.T) {
	t.Parallel()
	for tombstone, place := range map[string]func(c *redis.Cache) error{
		"{headgate}:ended:g":   func(c *redis.Cache) error { return c.Ended(t.Context(), "g", 2) },
		"{headgate}:stopped:r": func(c *redis.Cache) error { return c.Stopped(t.Context(), "r") },
	} {
		m := miniredis.RunT(t)
		c := patient(t, "redis://"+m.Addr())
		l := token.Live{}
		l.Access.ExpiresAt = time.Now().Add(time.Hour)
		l.Share.ExpiresAt, l.Share.Grant, l.Share.Recipient, l.Share.Epoch = l.Access.ExpiresAt, "g", "r", 1
		miss, err := c.Look(t.Context(), resource.Lookup{Hash: l.Access.Hash})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(place(c), c.Fill(t.Context(), miss.Lease, l)); err != nil {
			t.Fatal(err)
		}
		if !m.Del(tombstone) {
			t.Fatalf("no %s", tombstone)
		}
		if got, err := c.Look(t.Context(), resource.Lookup{Hash: l.Access.Hash}); err != nil || got.Found {
			t.Errorf("%s: found %v, %v", tombstone, got.Found, err)
		}
	}
}

func TestForeignBytesAreNoToken(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	c := patient(t, "redis://"+m.Addr())
	key := "{headgate}:token:" + token.Hash{}.String()
	other := token.Live{}
	other.Access.Hash[0] = 1
	for name, value := range map[string]string{
		"garbage":          "garbage",
		"of another token": string(token.AppendLive(nil, other)),
	} {
		m.HSet(key, "g", "g", "e", "1", "v", value, "r", "r", "q", "0", "l", strconv.FormatInt(time.Now().UnixMilli(), 10))
		if got, err := c.Look(t.Context(), resource.Lookup{Hash: token.Hash{}}); err == nil || got.Found {
			t.Errorf("%s: found %v, %v", name, got.Found, err)
		}
	}
	m.Del(key)
	if err := m.Set(key, "not a hash"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Look(t.Context(), resource.Lookup{Hash: token.Hash{}}); err == nil || got.Found {
		t.Errorf("wrong type: found %v, %v", got.Found, err)
	}
}

// slow is more than a caller may ever wait for one call, which is a fifth of
// a second, with room for a busy machine. The client library's own limits
// are above it.
const slow = 3 * time.Second

func TestFrozenRedisCostsMillisecondsAndIsThenLeftAlone(t *testing.T) {
	t.Parallel()
	s := testenv.Redis(t)
	c := open(t, s.URL())
	recovered(t, c)
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(s.PID(), syscall.SIGCONT) }) // it may have gone
	var down int
	for range 10 {
		start := time.Now()
		_, err := c.Look(t.Context(), resource.Lookup{Hash: token.Hash{}})
		if err == nil {
			t.Fatal("a frozen server answered")
		}
		if took := time.Since(start); took > slow {
			t.Errorf("one call took %s", took)
		}
		if errors.Is(err, redis.ErrDown) {
			down++
		}
	}
	if down == 0 {
		t.Error("still asked after ten failures")
	}
	if err := syscall.Kill(s.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// What is given up for reads is told of ends all the same.
	for name, tell := range map[string]func() error{
		"grant":     func() error { return c.Ended(t.Context(), "grant", 2) },
		"grants":    func() error { return c.EndedAll(t.Context(), []consent.Move{{Grant: "grant", Epoch: 2}}) },
		"recipient": func() error { return c.Stopped(t.Context(), "recipient") },
	} {
		if err := tell(); errors.Is(err, redis.ErrDown) {
			t.Errorf("end of a %s: %v", name, err)
		}
	}
	recovered(t, c)
}

func TestKilledRedisIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	s := testenv.Redis(t)
	c := open(t, s.URL())
	recovered(t, c)
	s.Kill()
	for range 10 {
		if _, err := c.Look(t.Context(), resource.Lookup{Hash: token.Hash{}}); err == nil {
			t.Fatal("a dead server answered")
		}
	}
	// A server with the same password, restarted empty, is what a crash
	// leaves; StartRedis makes a new password, so the stand-in has to serve.
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	m := miniredis.NewMiniRedis()
	m.RequireAuth(password)
	if err := m.StartAddr(u.Host); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	recovered(t, c)
}

// recovered waits until the cache answers again.
func recovered(t *testing.T, c *redis.Cache) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if _, err := c.Look(ctx, resource.Lookup{Hash: token.Hash{}}); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("not taken up again")
		case <-time.After(20 * time.Millisecond): // polling, not waiting
		}
	}
}

func TestSilentServerDoesNotHoldACall(t *testing.T) {
	t.Parallel()
	// Accepts connections and never says a word, like a machine that hangs.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := open(t, "redis://"+l.Addr().String())
	start := time.Now()
	if err := c.Ended(t.Context(), "g", 1); err == nil {
		t.Error("told a silent server")
	}
	if took := time.Since(start); took > slow {
		t.Errorf("took %s", took)
	}
}

func TestOpenRefusesABadURLWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	for _, bad := range []string{
		"", "secret", "http://secret@host", "redis://host/secret", "redis://host?secret=1",
		"redis://host/1?addr=other:1", "redis://host?failover=secret", "redis://host?failover=true&failover=true", "redis://host?failover", "unix:///path?addr=other:1", "redis://secret:pass word@host:1", "redis://h%zzsecret",
	} {
		c, err := redis.Open(redis.Config{URL: bad, Log: log})
		if err == nil {
			c.Close()
			t.Errorf("%q was taken", bad)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error repeats the URL: %v", err)
		}
	}
	for _, good := range []string{
		"redis://host", "redis://user:secret@host:1/2", "rediss://host:1", "unix:///run/redis.sock", "redis://host:1?addr=host:2&addr=host:3", "redis://host:1?failover=true", "redis://host:1?addr=host:2&failover=true",
	} {
		c, err := redis.Open(redis.Config{URL: good, Log: log})
		if err != nil {
			t.Errorf("%q was refused: %v", good, err)
			continue
		}
		c.Close()
	}
	if _, err := redis.Open(redis.Config{URL: "redis://host"}); err == nil {
		t.Error("opened without a log")
	}
}
