package redis_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// saying starts a server that says the same to everything, and says no more if
// it hangs up.
func saying(t *testing.T, text string, hangUp bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var b [4096]byte
				for {
					if _, err := conn.Read(b[:]); err != nil {
						return
					}
					if _, err := io.WriteString(conn, text); err != nil || hangUp {
						return
					}
				}
			}()
		}
	}()
	return "redis://" + l.Addr().String()
}

// Whatever Redis answers in trouble, a read is answered as if there were no
// Redis, and a stop stops.
func TestReadsDoWithoutARedisInTrouble(t *testing.T) {
	t.Parallel()
	server := func(trouble func(ctx context.Context, raw *goredis.Client) error) func(t *testing.T) string {
		return func(t *testing.T) string {
			s := testenv.Redis(t)
			opts, err := goredis.ParseURL(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			raw := goredis.NewClient(opts)
			t.Cleanup(func() { raw.Close() })
			// Its scripts are there, and so is a token that it found before.
			recovered(t, open(t, s.URL()))
			if err := trouble(t.Context(), raw); err != nil {
				t.Fatal(err)
			}
			return s.URL()
		}
	}
	const half = "*7\r\n:1\r\n$100\r\nhalf"
	for name, start := range map[string]func(t *testing.T) string{
		"loading": func(t *testing.T) string {
			return saying(t, "-LOADING Redis is loading the dataset in memory\r\n", false)
		},
		"half an answer, and silence": func(t *testing.T) string { return saying(t, half, false) },
		"half an answer, and the end": func(t *testing.T) string { return saying(t, half, true) },
		"no answer, and the end":      func(t *testing.T) string { return saying(t, "", true) },
		"not Redis at all":            func(t *testing.T) string { return saying(t, "HTTP/1.1 400 Bad Request\r\n\r\n", true) },
		"another answer":              func(t *testing.T) string { return saying(t, "*2\r\n:9\r\n:9\r\n", false) },
		"out of memory": server(func(ctx context.Context, raw *goredis.Client) error {
			return errors.Join(raw.FlushAll(ctx).Err(), raw.ConfigSet(ctx, "maxmemory-policy", "noeviction").Err(), raw.ConfigSet(ctx, "maxmemory", "1").Err())
		}),
		"a replica": server(func(ctx context.Context, raw *goredis.Client) error {
			return errors.Join(raw.FlushAll(ctx).Err(), raw.Do(ctx, "REPLICAOF", "127.0.0.1", "1").Err())
		}),
		"keys of another type": server(func(ctx context.Context, raw *goredis.Client) error {
			return errors.Join(raw.FlushAll(ctx).Err(), raw.LPush(ctx, "{headgate}:generation", "x").Err())
		}),
		"a password that is wrong": server(func(ctx context.Context, raw *goredis.Client) error {
			return raw.ConfigSet(ctx, "requirepass", "another").Err()
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			g := w.gateway(t, open(t, start(t)), nil)
			id, accessToken := w.grant()
			for range 10 {
				start := time.Now()
				if got := w.read(g, accessToken); got.Code != 200 {
					t.Fatalf("%d %s", got.Code, got.Body)
				}
				if took := time.Since(start); took > slow {
					t.Errorf("a read took %s", took)
				}
			}
			w.truth.End(id)
			if got := w.read(g, accessToken); got.Code != 401 {
				t.Errorf("after the stop: %d", got.Code)
			}
		})
	}
}

// Emptied all the time, and quotas with it: reads go on.
func TestReadsDoWithARedisThatForgets(t *testing.T) {
	t.Parallel()
	s := testenv.Redis(t)
	opts, err := goredis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	raw := goredis.NewClient(opts)
	t.Cleanup(func() { raw.Close() })
	w := newWorld(t)
	g := w.gateway(t, patient(t, s.URL()), nil)
	id, accessToken := w.grant()
	for i := range 200 {
		if got := w.read(g, accessToken); got.Code != 200 {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		if i%3 == 2 {
			if err := errors.Join(raw.FlushAll(t.Context()).Err(), raw.ScriptFlush(t.Context()).Err()); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.truth.End(id)
	if got := w.read(g, accessToken); got.Code != 401 {
		t.Errorf("after the stop: %d", got.Code)
	}
}

// The shortest of a few calls to a Redis in trouble is what a call costs; the
// others wait for this machine. Ten seconds are what the library's own limits
// would make of a frozen one.
func TestWhatACallToARedisInTroubleCosts(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		signal syscall.Signal
		most   time.Duration
	}{
		"frozen": {syscall.SIGSTOP, 300 * time.Millisecond}, // 50 ms for the answer
		"killed": {syscall.SIGKILL, 50 * time.Millisecond},  // refused at once
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testenv.Redis(t)
			c := open(t, s.URL())
			recovered(t, c)
			signal(t, s.PID(), row.signal)
			t.Cleanup(func() { _ = syscall.Kill(s.PID(), syscall.SIGCONT) }) // it may have gone
			var took []time.Duration
			for range 4 { // one less than it is given up after
				start := time.Now()
				_, err := c.Look(t.Context(), resource.Lookup{Hash: token.Hash{}})
				if err == nil || errors.Is(err, redis.ErrDown) {
					t.Fatalf("%v", err)
				}
				took = append(took, time.Since(start))
			}
			if fastest := slices.Min(took); fastest > row.most {
				t.Errorf("a call takes %s, want at most %s", fastest, row.most)
			}
		})
	}
}
