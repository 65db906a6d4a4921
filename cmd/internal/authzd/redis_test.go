package authzd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/testenv"
)

// A Redis with a copy is told of, unless its URL says that there may be one.
func TestCopiesOfRedisAreTold(t *testing.T) {
	t.Parallel()
	first, second := testenv.Redis(t), testenv.Redis(t)
	look := func(parameter string) error {
		r, err := redis.Open(redis.Config{URL: first.URL() + parameter, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		return alone(r)(t.Context())
	}
	if err := look(""); err != nil {
		t.Errorf("alone: %v", err)
	}
	say := func(commands ...string) {
		u, err := url.Parse(second.URL())
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		answers := bufio.NewReader(c)
		for _, command := range append([]string{"AUTH " + password}, commands...) {
			if _, err := io.WriteString(c, command+"\r\n"); err != nil {
				t.Fatal(err)
			}
			if line, err := answers.ReadString('\n'); err != nil || line != "+OK\r\n" {
				t.Fatal(line, err)
			}
		}
	}
	of, err := url.Parse(first.URL())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := of.User.Password()
	say("CONFIG SET repl-diskless-load on-empty-db", "CONFIG SET masterauth "+password, "REPLICAOF "+of.Hostname()+" "+of.Port())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !errors.Is(look(""), errGoesBack) {
		select {
		case <-ctx.Done():
			t.Fatal("the copy is not told of")
		case <-time.After(20 * time.Millisecond): // polling, not waiting
		}
	}
	if err := look("?failover=true"); err != nil {
		t.Errorf("where it is known: %v", err)
	}
	first.Kill()
	if err := look(""); err != nil {
		t.Errorf("a Redis that is away: %v", err)
	}
}
