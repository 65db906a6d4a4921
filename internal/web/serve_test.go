package web_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/web"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestServerHasEveryLimit(t *testing.T) {
	t.Parallel()
	s := web.NewServer(http.NotFoundHandler(), nil, slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 10*time.Second || s.WriteTimeout != 15*time.Second ||
		s.IdleTimeout != 75*time.Second || s.MaxHeaderBytes != 16<<10 || s.ErrorLog == nil {
		t.Errorf("limits: %+v", s)
	}
}

// What costs a request its answer is seen by an operator, and says nothing of
// what was panicked with; what anybody can cause is not.
func TestAPanicOutsideTheEngineIsAnError(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(nil) // lends its certificate, and a client that knows it
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for proto, config := range map[string]*tls.Config{"HTTP/1.1": nil, "HTTP/2.0": {Certificates: secure.TLS.Certificates}} {
		log := make(lines, 4)
		s := web.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Proto != proto {
				t.Error(r.Proto)
			}
			panic("secret\ngoroutine 1: secret")
		}), config, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		l, scheme, serve := listen(t), "http", s.Serve
		if config != nil {
			scheme, serve = "https", func(l net.Listener) error { return s.ServeTLS(l, "", "") }
		}
		go func() { _ = serve(l) }()
		if resp, err := secure.Client().Get(scheme + "://" + l.Addr().String()); err == nil {
			resp.Body.Close()
			t.Errorf("%s: %s", proto, resp.Status)
		}
		line := <-log
		if !strings.Contains(line, `"level":"ERROR"`) || !strings.Contains(line, "TestAPanicOutsideTheEngineIsAnError") || strings.Contains(line, "secret") {
			t.Errorf("%s: %s", proto, line)
		}
		s.ErrorLog.Print("http: TLS handshake error from 192.0.2.1:1: EOF")
		if line := <-log; !strings.Contains(line, `"level":"DEBUG"`) {
			t.Errorf("%s: %s", proto, line)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// lines gets what is logged, a line at a time.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// RFC 9112 section 6.3: what stands behind a request with both a length and
// chunks may be part of it in the eyes of a proxy.
func TestNothingIsReadBehindChunks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers, body string
		want          int64
	}{
		"a length":            {"Content-Length: 3\r\n", "a=b", 2}, // a connection is kept
		"chunks":              {"Transfer-Encoding: chunked\r\n", "0\r\n\r\n", 1},
		"a length and chunks": {"Content-Length: 50\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 1},
	} {
		var served atomic.Int64
		s := web.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			served.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
		}), nil, slog.New(slog.DiscardHandler))
		l := listen(t)
		go func() { _ = s.Serve(l) }()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\n"+c.headers+"\r\n"+c.body+"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn) // until the server hangs up
		if n := served.Load(); n != c.want {
			t.Errorf("%s: %d requests were served, want %d", name, n, c.want)
		}
		_ = conn.Close()
		_ = s.Close()
	}
}

func TestReadyFollowsTheInstance(t *testing.T) {
	t.Parallel()
	var h web.Health
	get := func(f http.HandlerFunc) int {
		w := httptest.NewRecorder()
		f(w, httptest.NewRequest("GET", "/", nil))
		return w.Code
	}
	for _, ready := range []bool{false, true, false} {
		h.SetReady(ready)
		want := map[bool]int{true: 200, false: 503}[ready]
		if got := get(h.Readyz); got != want {
			t.Errorf("ready=%v: %d", ready, got)
		}
		if got := get(h.Livez); got != 200 {
			t.Errorf("alive, ready=%v: %d", ready, got)
		}
	}
}

func TestHealthStandsAroundTheRest(t *testing.T) {
	t.Parallel()
	var h web.Health
	all := h.Around(answer(418, "rest"))
	for target, want := range map[string]int{"/livez": 200, "/readyz": 503, "/": 418, "/livez/": 418, "/x/livez": 418} {
		if got := do(all, "GET", target).Code; got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
}

func TestRequestInFlightIsFinished(t *testing.T) {
	t.Parallel()
	arrived, proceed := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-proceed
		_, _ = io.WriteString(w, "whole")
	})
	socket := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var health web.Health
	served := make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	go func() {
		served <- web.Serve(ctx, web.Drain{Health: &health, LameDuck: 4 * time.Millisecond},
			web.Listener{Server: web.NewServer(handler, nil, log), Socket: socket})
	}()

	type got struct {
		body []byte
		err  error
	}
	answered := make(chan got, 1)
	go func() {
		res, err := http.Get("http://" + socket.Addr().String())
		if err != nil {
			answered <- got{err: err}
			return
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		answered <- got{b, err}
	}()
	<-arrived
	stop()
	// The socket closes only after the lame duck; by then the request is
	// still in flight.
	for {
		c, err := net.Dial("tcp", socket.Addr().String())
		if err != nil {
			break
		}
		c.Close()
	}
	select {
	case err := <-served:
		t.Fatalf("left with a request in flight: %v", err)
	default:
	}
	close(proceed)
	if a := <-answered; a.err != nil || string(a.body) != "whole" {
		t.Errorf("the request in flight got %q, %v", a.body, a.err)
	}
	if err := <-served; err != nil {
		t.Errorf("orderly end: %v", err)
	}
}

func TestOneFailingListenerEndsAll(t *testing.T) {
	t.Parallel()
	good, bad := listen(t), listen(t)
	bad.Close()
	var health web.Health
	log := slog.New(slog.DiscardHandler)
	err := web.Serve(t.Context(), web.Drain{Health: &health},
		web.Listener{Server: web.NewServer(http.NotFoundHandler(), nil, log), Socket: good},
		web.Listener{Server: web.NewServer(http.NotFoundHandler(), nil, log), Socket: bad})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
	if _, err := net.Dial("tcp", good.Addr().String()); err == nil {
		t.Error("the other listener is still open")
	}
	w := httptest.NewRecorder()
	health.Readyz(w, nil)
	if w.Code != 503 {
		t.Error("still ready")
	}
}

func TestServersDoNotShareAConfig(t *testing.T) {
	t.Parallel()
	shared := &tls.Config{MinVersion: tls.VersionTLS13}
	log := slog.New(slog.DiscardHandler)
	a, b := web.NewServer(nil, shared, log), web.NewServer(nil, shared, log)
	if a.TLSConfig == shared || a.TLSConfig == b.TLSConfig || a.TLSConfig.MinVersion != tls.VersionTLS13 {
		t.Error("net/http writes into the config of a server that starts: two must not share one")
	}
	if web.NewServer(nil, nil, log).TLSConfig != nil {
		t.Error("a server without TLS got a config")
	}
}
