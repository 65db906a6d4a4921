package redis_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// These tests put the cache under a gateway and check the promise that Redis
// is nothing but speed. The truth is in memory, so that only Redis can fail.

// world is a truth and a bank with one account, which gateways share.
type world struct {
	truth  *resourcetest.Truth
	bank   *resourcetest.Bank
	hasher *token.Hasher
	cert   *x509.Certificate
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{truth: resourcetest.NewTruth(nil), bank: &resourcetest.Bank{}, cert: &x509.Certificate{Raw: []byte("certificate")}}
	var err error
	if w.hasher, err = token.NewHasher([]token.Key{{ID: "k1", Secret: bytes.Repeat([]byte{1}, 32)}}); err != nil {
		t.Fatal(err)
	}
	w.bank.Open("alice", fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: fdx.AccountDescriptor{AccountID: "acc-1"}}})
	return w
}

// gateway returns an instance. A nil gate is the truth's.
func (w *world) gateway(t *testing.T, cache resource.Cache, gate resource.Gate) http.Handler {
	t.Helper()
	proofs, err := dpop.New(dpop.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if gate == nil {
		gate = w.truth
	}
	g, err := resource.New(resource.Config{
		Public: "https://gateway", Issuer: "https://auth.example", Instance: "one", Log: slog.New(slog.DiscardHandler),
		Hasher: w.hasher, Proofs: proofs, Tokens: w.truth, Cache: cache,
		Provider: w.bank, Gate: gate, PageKeys: [][]byte{bytes.Repeat([]byte{7}, 32)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g.Handler()
}

// grant makes a grant with a token that is bound to the world's certificate.
func (w *world) grant() (consent.GrantID, string) {
	s := resourcetest.Everything("alice", time.Now(), "acc-1")
	secret, hash := w.hasher.New(token.KindAccess)
	w.truth.Issue(token.Live{Share: s, Access: token.Access{
		Hash: hash, Grant: s.Grant, Recipient: s.Recipient, Scopes: fdx.ScopesOf(s.Accounts[0].Clusters),
		CertThumbprint: certs.CertificateThumbprint(w.cert), ExpiresAt: time.Now().Add(15 * time.Minute).UTC().Truncate(time.Second),
	}})
	return s.Grant, secret.Reveal()
}

func (w *world) read(gateway http.Handler, accessToken string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/fdx/v6/accounts", nil)
	r.Header.Set("Authorization", "Bearer "+accessToken)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{w.cert}}
	rec := httptest.NewRecorder()
	gateway.ServeHTTP(rec, r)
	return rec
}

// counted counts looks at the truth.
type counted struct {
	*resourcetest.Truth
	mu sync.Mutex
	n  int
}

func (c *counted) Live(ctx context.Context, h token.Hash) (token.Live, error) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	return c.Truth.Live(ctx, h)
}

func TestTheCacheSparesTheTruth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := miniredis.RunT(t)
	proofs, err := dpop.New(dpop.Config{})
	if err != nil {
		t.Fatal(err)
	}
	truth := &counted{Truth: w.truth}
	g, err := resource.New(resource.Config{
		Public: "https://gateway", Issuer: "https://auth.example", Instance: "one", Log: slog.New(slog.DiscardHandler),
		Hasher: w.hasher, Proofs: proofs, Tokens: truth, Cache: patient(t, "redis://"+m.Addr()),
		Provider: w.bank, Gate: w.truth, PageKeys: [][]byte{bytes.Repeat([]byte{7}, 32)},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, accessToken := w.grant()
	for range 10 {
		if got := w.read(g.Handler(), accessToken); got.Code != 200 {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
	}
	if truth.n != 1 {
		t.Errorf("the truth was asked %d times for 10 reads", truth.n)
	}
	m.FlushAll()
	w.read(g.Handler(), accessToken)
	if truth.n != 2 {
		t.Errorf("the truth was asked %d times after the cache was emptied", truth.n)
	}
}

// Redis is killed, frozen or emptied in the middle of a run: every answer is
// the one it would have been, and a stop stops.
func TestRedisFailsInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(t *testing.T, pid int, raw *goredis.Client){
		"killed": func(t *testing.T, pid int, _ *goredis.Client) { signal(t, pid, syscall.SIGKILL) },
		"frozen": func(t *testing.T, pid int, _ *goredis.Client) {
			signal(t, pid, syscall.SIGSTOP)
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
		},
		"emptied": func(t *testing.T, _ int, raw *goredis.Client) {
			if err := raw.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testenv.Redis(t)
			opts, err := goredis.ParseURL(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			raw := goredis.NewClient(opts)
			defer raw.Close()
			w := newWorld(t)
			a, b := open(t, s.URL()), open(t, s.URL())
			instances := []http.Handler{w.gateway(t, a, nil), w.gateway(t, b, nil)}
			kept, keptToken := w.grant()
			ended, endedToken := w.grant()
			want := w.read(instances[0], keptToken).Body.String()
			if !strings.Contains(want, "acc-1") {
				t.Fatal(want)
			}
			for i := range 60 {
				if i == 20 {
					fail(t, s.PID(), raw)
				}
				if i == 40 {
					// The cache may or may not hear of it.
					_ = b.Ended(t.Context(), ended, w.truth.End(ended))
				}
				start := time.Now()
				if got := w.read(instances[i%2], keptToken); got.Code != 200 || got.Body.String() != want {
					t.Errorf("read %d: %d %s", i, got.Code, got.Body)
				}
				got, status := w.read(instances[i%2], endedToken), 200
				if i >= 40 {
					status = 401
				}
				if got.Code != status {
					t.Errorf("read %d of the grant that ends: %d, want %d", i, got.Code, status)
				}
				if took := time.Since(start); took > slow {
					t.Errorf("read %d took %s", i, took)
				}
			}
			given := 0
			for _, r := range w.truth.Records() {
				if r.Grant == kept && r.Outcome == audit.Given {
					given++
				}
			}
			if given != 61 {
				t.Errorf("%d records of 61 reads", given)
			}
		})
	}
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// rounds of the race between a stop and a read.
const rounds = 300

// race revokes a grant while a read on another instance stands between its
// look at the truth and the fill of the cache, rounds times, and returns how
// many reads that started after the stop had answered were given data. told
// says whether the stopping instance reaches Redis, emptied whether Redis
// forgets everything at the worst moment.
func race(t *testing.T, gate func(*world) resource.Gate, told, emptied bool) int {
	w := newWorld(t)
	m := miniredis.RunT(t)
	a, b := patient(t, "redis://"+m.Addr()), patient(t, "redis://"+m.Addr())
	reached, proceed := make(chan struct{}), make(chan struct{})
	holding := resourcetest.HeldCache{Cache: a, Before: func() {
		reached <- struct{}{}
		<-proceed
	}}
	first := w.gateway(t, holding, gate(w))
	second := w.gateway(t, b, gate(w))
	leaks := 0
	for held := 0; held < rounds; {
		id, accessToken := w.grant()
		answered := make(chan int, 1)
		go func() { answered <- w.read(first, accessToken).Code }()
		select {
		case <-reached:
			held++
		case <-answered:
			t.Log("not held")
			continue // a busy machine: the look failed, so there was no fill to hold
		}

		epoch := w.truth.End(id)
		for told && b.Ended(t.Context(), id, epoch) != nil {
			t.Log("told again")
		}
		if emptied {
			m.FlushAll()
		}
		// Here the stop has answered. The held read started before.
		proceed <- struct{}{}
		<-answered
		if w.read(second, accessToken).Code == 200 {
			leaks++
		}
	}
	return leaks
}

// released is the gate that a cached check would be: it believes the decision
// that was made before it.
type released struct{}

func (released) Release(context.Context, resource.Release) (resource.Verdict, error) {
	return resource.Released, nil
}

func TestNoReadAfterAStop(t *testing.T) {
	t.Parallel()
	truth := func(w *world) resource.Gate { return w.truth }
	cached := func(*world) resource.Gate { return released{} }
	for _, row := range []struct {
		told, emptied bool
	}{{true, false}, {true, true}, {false, false}, {false, true}} {
		t.Run(fmt.Sprintf("told=%v emptied=%v", row.told, row.emptied), func(t *testing.T) {
			t.Parallel()
			if leaks := race(t, truth, row.told, row.emptied); leaks != 0 {
				t.Errorf("%d of %d rounds gave data after the stop", leaks, rounds)
			}
		})
	}
	// The test must be able to fail: without the gate, and with the stopping
	// instance cut off from Redis, data leaves.
	t.Run("a cached check in place of the gate is caught", func(t *testing.T) {
		t.Parallel()
		if leaks := race(t, cached, false, false); leaks == 0 {
			t.Error("not caught")
		}
	})
	// Without the gate the cache's own guards still hold when it is told.
	t.Run("the guards alone hold when told", func(t *testing.T) {
		t.Parallel()
		for _, emptied := range []bool{false, true} {
			if leaks := race(t, cached, true, emptied); leaks != 0 {
				t.Errorf("emptied=%v: %d of %d rounds", emptied, leaks, rounds)
			}
		}
	})
}
