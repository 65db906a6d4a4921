package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/web"
)

// serveHandler returns a job that asks h.
func serveHandler(t *testing.T, h http.HandlerFunc) job {
	t.Helper()
	return serve(t, h, func(*http.Server) {})
}

// serve is serveHandler by a server that was changed.
func serve(t *testing.T, h http.HandlerFunc, change func(*http.Server)) job {
	t.Helper()
	ca, err := devca.Open(devca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	config, err := certs.ServerTLS(certs.Config{CertFile: pair.CertFile, KeyFile: pair.KeyFile})
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := web.NewServer(h, config, slog.New(slog.DiscardHandler))
	change(server)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.ServeTLS(socket, "", "") }) // it says that it was closed
	t.Cleanup(func() { server.Close(); serving.Wait() })
	return job{
		Address: socket.Addr().String(), CAFile: ca.File(), Path: "/page", Bytes: 4, Callers: 2,
		Warm: time.Millisecond, Measure: 5 * time.Millisecond,
	}
}

func newKey(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pkcs8
}

func TestProofsAreGoodAndUsedOnce(t *testing.T) {
	t.Parallel()
	v, err := dpop.New(dpop.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	var faults []string
	j := serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "DPoP ")
		proof, err := v.Verify(r.Header.Values("DPoP"), r.Method, "https://bank.example/page", token)
		mu.Lock()
		defer mu.Unlock()
		if err != nil || seen[proof.JTI] || r.ProtoMajor != 1 {
			faults = append(faults, r.Proto, proof.JTI)
		}
		seen[proof.JTI] = true
		_, _ = io.WriteString(w, "page")
	})
	j.Scheme, j.Tokens, j.URL = "DPoP", []string{"one", "two"}, "https://bank.example/page"
	j.Keys = [][]byte{newKey(t), newKey(t)}
	if body, err := once(t.Context(), j); err != nil || string(body) != "page" {
		t.Fatalf("%s, %v", body, err)
	}
	l, err := prepare(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	before := len(seen)
	if err := l.sign(10); err != nil {
		t.Fatal(err)
	}
	// Far more time than ten proofs take: the phase ends with the last one.
	m, err := l.phase(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if m.times.total != 10 || len(seen) != before+10 {
		t.Errorf("%d asked, %d proofs seen", m.times.total, len(seen)-before)
	}
	if len(faults) > 0 {
		t.Errorf("refused: %v", faults)
	}
}

func TestAnUnexpectedAnswerFailsTheLine(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"a refusal":              func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) },
		"a longer body":          func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "pages") },
		"a connection that ends": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		j := serveHandler(t, h)
		if l, err := prepare(t.Context(), j); err == nil {
			l.close()
			t.Errorf("%s: taken", name)
		}
	}
}

func TestOtherAuthoritiesAreNotTrusted(t *testing.T) {
	t.Parallel()
	j := serveHandler(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })
	ca, err := devca.Open(devca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	j.CAFile = ca.File()
	if _, err := once(t.Context(), j); err == nil {
		t.Error("asked a server of another authority")
	}
}

func TestGeneratorIsAProcessOfItsOwn(t *testing.T) {
	t.Parallel()
	j := serveHandler(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })
	g, err := startGenerator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it takes one job after the other
		if err := g.prepare(j); err != nil {
			t.Fatal(err)
		}
		a, err := g.measure()
		if err != nil || a.Count == 0 || a.Elapsed < j.Measure || a.P50 <= 0 || a.P99 < a.P50 {
			t.Errorf("%+v, %v", a, err)
		}
	}
	bad := j
	bad.Bytes++
	if err := g.prepare(bad); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("the fault is lost: %v", err)
	}
	if err := g.prepare(j); err != nil { // and a fault is not its end
		t.Error(err)
	}
	if _, err := g.measure(); err != nil {
		t.Error(err)
	}
	if err := g.close(); err != nil {
		t.Error(err)
	}
	if err := g.prepare(j); err == nil {
		t.Error("a generator that has gone took a job")
	}
}

func TestGeneratorEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	g, err := startGenerator(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := g.measure(); err != context.Canceled {
		t.Errorf("said %v", err)
	}
	if err := g.close(); err != nil {
		t.Error(err)
	}
}

func TestTalkThatIsNoneEndsTheGenerator(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := serveJobs(strings.NewReader("{"), &out); err == nil {
		t.Error("half a job was taken")
	}
	if err := serveJobs(strings.NewReader(""), &out); err != nil {
		t.Errorf("an end without a job: %v", err)
	}
	out.Reset()
	if err := serveJobs(strings.NewReader(`{"Address":"127.0.0.1:1","CAFile":"/nowhere","Callers":1}`), &out); err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil || a.Error == "" {
		t.Errorf("%s, %v", out.String(), err)
	}
}

// Opening all connections may take longer than a server waits for the first
// request of one, as it does on a busy machine.
func TestConnectionsAreUsedAtOnce(t *testing.T) {
	t.Parallel()
	const patience, handshake, callers = 500 * time.Millisecond, 100 * time.Millisecond, 8
	j := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") }, func(s *http.Server) {
		s.ReadHeaderTimeout, s.ReadTimeout = patience, 0
		s.TLSConfig.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			time.Sleep(handshake)
			return nil, nil
		}
	})
	j.Callers = callers
	l, err := prepare(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	l.close()
	reads := rateJob{Address: j.Address, CAFile: j.CAFile, Scheme: "Bearer", Callers: callers, Rate: 10, Measure: time.Second, Reads: []rateRead{{Path: j.Path}}}
	if a, err := reads.run(t.Context()); err != nil || len(a.Faults) > 0 || a.Warm != callers {
		t.Errorf("%+v, %v", a, err)
	}
}
