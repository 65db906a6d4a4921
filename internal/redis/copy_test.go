package redis_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/services"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
)

// rawly returns a client that does as it is told.
func rawly(t *testing.T, url string) *goredis.Client {
	t.Helper()
	opts, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	raw := goredis.NewClient(opts)
	t.Cleanup(func() { raw.Close() })
	return raw
}

// copied starts a copy of a Redis, which has all of it on return.
func copied(t *testing.T, of *services.Redis) (*services.Redis, *goredis.Client) {
	t.Helper()
	s := testenv.Redis(t)
	raw, main := rawly(t, s.URL()), rawly(t, of.URL())
	at := main.Options()
	host, port, err := net.SplitHostPort(at.Addr)
	if err != nil {
		t.Fatal(err)
	}
	// Without it, five seconds pass before the first copy.
	if err := main.ConfigSet(t.Context(), "repl-diskless-sync-delay", "0").Err(); err != nil {
		t.Fatal(err)
	}
	// A copy would leave a file in its folder.
	if err := raw.ConfigSet(t.Context(), "repl-diskless-load", "on-empty-db").Err(); err != nil {
		t.Fatal(err)
	}
	if err := raw.ConfigSet(t.Context(), "masterauth", at.Password).Err(); err != nil {
		t.Fatal(err)
	}
	if err := raw.Do(t.Context(), "REPLICAOF", host, port).Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "a copy", func() bool {
		text, err := raw.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(text, "master_link_status:up")
	})
	return s, raw
}

// until waits until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !so() {
		select {
		case <-ctx.Done():
			t.Fatalf("not %s", what)
		case <-time.After(20 * time.Millisecond): // polling, not waiting
		}
	}
}

// A copy that has not heard of a stop takes the place of the Redis that has.
// Only an introspection that is told of it asks the truth.
func TestACopyThatLagsTakesOver(t *testing.T) {
	t.Parallel()
	for parameter, stale := range map[string]bool{"": true, "?failover=true": false} {
		t.Run(parameter, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := testenv.Redis(t)
			second, raw := copied(t, first)
			id, accessToken := w.grant()
			h := w.hash(t, accessToken)
			began := time.Now()
			cache := patient(t, first.URL()+parameter)
			if active, err := (&asker{w: w, cache: cache}).active(t.Context(), h); !active || err != nil {
				t.Fatal(active, err)
			}
			// As a data read does, in both.
			if _, err := patient(t, first.URL()).Recent(t.Context(), h, func(ctx context.Context) (token.Live, error) { return w.truth.Live(ctx, h) }); err != nil {
				t.Fatal(err)
			}
			until(t, "a token in the copy", func() bool {
				n, err := raw.DBSize(t.Context()).Result()
				return err == nil && n == 2 // and the generation
			})
			if err := raw.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil { // it hears no more
				t.Fatal(err)
			}
			w.truth.End(id)
			if err := cache.Ended(t.Context(), id, 2); err != nil {
				t.Fatal(err)
			}
			first.Kill()
			after := patient(t, second.URL()+parameter)
			active, err := (&asker{w: w, cache: after}).active(t.Context(), h)
			if stale && !active && time.Since(began) >= consent.Freshness {
				return // the machine took so long that nothing is fresh any more
			}
			if err != nil || active != stale {
				t.Errorf("active %v, %v; want %v", active, err, stale)
			}
		})
	}
}

// Where nothing rests on Redis, a stop does not wait for one that is away.
func TestEndsDoNotFailWhereAnotherMayTakeOver(t *testing.T) {
	t.Parallel()
	s := testenv.Redis(t)
	sure, may := open(t, s.URL()), open(t, s.URL()+"?failover=true")
	s.Kill()
	if sure.Ended(t.Context(), "g", 1) == nil || sure.Stopped(t.Context(), "r") == nil {
		t.Error("told a Redis that is dead")
	}
	if err := may.Ended(t.Context(), "g", 1); err != nil {
		t.Error(err)
	}
	if err := may.Stopped(t.Context(), "r"); err != nil {
		t.Error(err)
	}
}

func TestARedisThatGoesBackIsNoticed(t *testing.T) {
	t.Parallel()
	s := testenv.Redis(t)
	c, told := patient(t, s.URL()), patient(t, s.URL()+"?failover=true")
	says := func(when string, c *redis.Cache, want bool) {
		t.Helper()
		if is, err := c.GoesBack(t.Context()); is != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", when, is, err, want)
		}
	}
	says("alone", c, false)
	second, raw := copied(t, s)
	says("with a copy", c, true)
	says("where it is known", told, false)
	if err := raw.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	says("a copy of nothing, once", patient(t, second.URL()), false)
	if err := rawly(t, s.URL()).Set(t.Context(), "a", "key", 0).Err(); err != nil {
		t.Fatal(err)
	}
	third, raw := copied(t, s)
	if err := raw.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	says("a copy once", patient(t, third.URL()), true)
	s.Kill()
	if is, err := c.GoesBack(t.Context()); is || err == nil {
		t.Errorf("dead: %v, %v", is, err)
	}
}
