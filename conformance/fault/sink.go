package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// sink is where recipients are called back. It keeps what it was told and
// judges it later, when the issuer's keys are at hand.
type sink struct {
	port   string
	server *http.Server

	mu    sync.Mutex
	down  bool      // answers 503; guarded by mu, like got
	began time.Time // of the history
	got   []delivery
}

// delivery is one call of a callback.
type delivery struct {
	At        time.Duration
	Recipient string // from the path
	Header    http.Header
	Body      []byte
	Taken     bool // answered 2xx
}

func newSink(certFile, keyFile string) (*sink, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(socket.Addr().String())
	k := &sink{port: port, began: time.Now()}
	k.server = &http.Server{Handler: k, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_ = k.server.Serve(tls.NewListener(socket, &tls.Config{Certificates: []tls.Certificate{pair}}))
	}()
	return k, nil
}

func (k *sink) close() { _ = k.server.Close() }

// set makes the sink refuse everything, or no longer.
func (k *sink) set(down bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = down
}

// begin forgets what came and makes times count from there.
func (k *sink) begin(at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.began, k.got = at, nil
}

func (k *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.got = append(k.got, delivery{time.Since(k.began), strings.TrimPrefix(r.URL.Path, "/"), r.Header, body, !k.down})
	if k.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// deliveries returns what came until now.
func (k *sink) deliveries() []delivery {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]delivery(nil), k.got...)
}
