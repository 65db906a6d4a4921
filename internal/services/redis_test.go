package services

import (
	"context"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// everyRedis runs a test against the real server and against the stand-in.
func everyRedis(t *testing.T, test func(t *testing.T, r *Redis)) {
	if _, err := FindRedis(); err != nil {
		t.Fatal(err)
	}
	for _, embedded := range []bool{false, true} {
		t.Run("embedded="+strconv.FormatBool(embedded), func(t *testing.T) {
			t.Parallel()
			r, err := StartRedis(t.Context(), RedisConfig{ForceEmbedded: embedded})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Stop(context.Background()) })
			if r.Embedded() != embedded {
				t.Fatalf("got %s", r.Kind())
			}
			test(t, r)
		})
	}
}

func TestRedisAsksForThePassword(t *testing.T) {
	t.Parallel()
	everyRedis(t, func(t *testing.T, r *Redis) {
		u, err := url.Parse(r.URL())
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		if u.Scheme != "redis" || u.Host != loopback(r.Port()) || len(password) < 20 {
			t.Fatalf("URL has scheme %s, host %s, password of %d characters", u.Scheme, u.Host, len(password))
		}
		if err := ping(t.Context(), r.Port(), password); err != nil {
			t.Errorf("right password: %v", err)
		}
		if err := ping(t.Context(), r.Port(), "wrong"); err == nil {
			t.Error("a wrong password was let in")
		}
		if r.PID() != 0 {
			line, err := os.ReadFile("/proc/" + strconv.Itoa(r.PID()) + "/cmdline")
			if err == nil && strings.Contains(string(line), password) {
				t.Error("the password is on the command line")
			}
		}
	})
}

func TestRedisStops(t *testing.T) {
	t.Parallel()
	everyRedis(t, func(t *testing.T, r *Redis) {
		select {
		case <-r.Done():
			t.Fatal("Done is closed while the server runs")
		default:
		}
		r.Stop(t.Context())
		r.Stop(t.Context())
		<-r.Done()
		if err := r.Err(); err != nil {
			t.Errorf("Err after Stop: %v", err)
		}
		if err := checkPort(r.Port()); err != nil {
			t.Errorf("after Stop: %v", err)
		}
	})
}

func TestRedisIsKilled(t *testing.T) {
	t.Parallel()
	everyRedis(t, func(t *testing.T, r *Redis) {
		r.Kill()
		<-r.Done()
		if err := ping(t.Context(), r.Port(), r.password); err == nil {
			t.Error("it answers after Kill")
		}
		if err := r.Err(); err != nil {
			t.Errorf("Err after Kill: %v", err)
		}
	})
}

func TestRedisThatDiesIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := StartRedis(t.Context(), RedisConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if r.Embedded() {
		t.Fatal(ErrNoRedis)
	}
	syscall.Kill(r.PID(), syscall.SIGKILL)
	<-r.Done()
	if r.Err() == nil {
		t.Error("no error after the server was killed")
	}
	r.Stop(t.Context())
	if log := lastLogLines(dir + "/redis.log"); !strings.Contains(log, "Ready to accept connections") {
		t.Errorf("redis.log: %s", log)
	}
}

func TestEmbeddedRedisExpiresKeys(t *testing.T) {
	t.Parallel()
	r, err := StartRedis(t.Context(), RedisConfig{ForceEmbedded: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop(context.Background())
	r.embedded.Set("short", "lived")
	r.embedded.SetTTL("short", time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := poll(ctx, 50*time.Millisecond, func() (bool, error) { return !r.embedded.Exists("short"), nil }); err != nil {
		t.Errorf("a key of one second is still there: %v", err)
	}
}
