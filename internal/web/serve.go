package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Health says whether this instance wants traffic. The zero value is an
// instance that is starting: alive, not ready. It speaks about the instance
// alone and never asks PostgreSQL or Redis: if it did, one outage would make
// every instance leave the load balancer at once, and callers would get the
// balancer's bare error in place of ours. Safe for concurrent use.
type Health struct{ ready atomic.Bool }

// SetReady says whether traffic is wanted.
func (h *Health) SetReady(ready bool) { h.ready.Store(ready) }

// Livez answers 200 as long as the process can answer at all.
func (h *Health) Livez(w http.ResponseWriter, _ *http.Request) { health(w, http.StatusOK, "ok\n") }

// Readyz answers 200 while traffic is wanted and 503 otherwise.
func (h *Health) Readyz(w http.ResponseWriter, _ *http.Request) {
	if h.ready.Load() {
		health(w, http.StatusOK, "ready\n")
		return
	}
	health(w, http.StatusServiceUnavailable, "not ready\n")
}

// Around returns h with /livez and /readyz in front of it. They are outside
// h's own stack: not logged, and answered whatever h does.
func (h *Health) Around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez":
			h.Livez(w, r)
		case "/readyz":
			h.Readyz(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func health(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a prober that hung up needs no answer
}

// Listener is one server with the socket it accepts on. The server's TLS
// config decides between HTTPS and plain HTTP.
type Listener struct {
	Server *http.Server
	Socket net.Listener
}

// Drain says how an instance leaves.
type Drain struct {
	// Health is told; nil when the instance has none.
	Health *Health
	// LameDuck is how long the instance keeps serving after it has said that
	// it is not ready, so that balancers notice: four times their interval.
	// Zero leaves at once. A shutdown without it fails requests.
	LameDuck time.Duration
	// Grace is how long requests in flight may take after that; zero is 10
	// seconds.
	Grace time.Duration
}

// Serve serves every listener until ctx ends or one of them fails, and then
// leaves in order: not ready, lame duck, no new connections, requests in
// flight finished. It returns nil after an orderly end, and when it returns
// every listener is closed.
func Serve(ctx context.Context, d Drain, listeners ...Listener) error {
	if d.Grace == 0 {
		d.Grace = 10 * time.Second
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- serve(l) }()
	}
	ready := func(on bool) {
		if d.Health != nil {
			d.Health.SetReady(on)
		}
	}
	ready(true)

	running := len(listeners)
	var cause error
	select {
	case <-ctx.Done():
		ready(false)
		if early, err := lameDuck(d.LameDuck, listeners, ended); early {
			running, cause = running-1, err
		}
	case cause = <-ended:
		ready(false)
		running--
	}

	// Detached: ctx has ended, and that is why we are here.
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.Grace)
	defer cancel()
	for _, l := range listeners {
		if err := l.Server.Shutdown(stop); err != nil {
			cause = errors.Join(cause, fmt.Errorf("shut down: %w", err), l.Server.Close())
		}
	}
	for ; running > 0; running-- {
		cause = errors.Join(cause, <-ended)
	}
	return cause
}

// serve serves one listener and returns nil when it was closed by its owner.
func serve(l Listener) error {
	var err error
	if l.Server.TLSConfig != nil {
		err = l.Server.ServeTLS(l.Socket, "", "")
	} else {
		err = l.Server.Serve(l.Socket)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// lameDuck keeps serving for d, the last quarter of it without keeping
// connections alive, so that clients open their next one elsewhere. It
// returns early when a listener ends meanwhile, with that listener's error.
func lameDuck(d time.Duration, listeners []Listener, ended <-chan error) (early bool, err error) {
	wait := func(d time.Duration) bool {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return false
		case err = <-ended:
			return true
		}
	}
	if d <= 0 {
		return false, nil
	}
	if wait(d * 3 / 4) {
		return true, err
	}
	for _, l := range listeners {
		l.Server.SetKeepAlivesEnabled(false)
	}
	return wait(d / 4), err
}
