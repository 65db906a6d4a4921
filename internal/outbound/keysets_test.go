package outbound_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/internal/outbound"
)

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// owner publishes a key set, badly if told to.
type owner struct {
	*httptest.Server
	calls atomic.Int32

	mu           sync.Mutex
	status       int
	cacheControl string
	body         string
}

// publish changes what the owner answers with: 200 and a body, or another
// status.
func (o *owner) publish(status int, cacheControl, body string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.status, o.cacheControl, o.body = status, cacheControl, body
}

func newOwner(t testing.TB) *owner {
	o := &owner{status: 200}
	o.Server = serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		o.calls.Add(1)
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.cacheControl != "" {
			w.Header().Set("Cache-Control", o.cacheControl)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(o.status)
		io.WriteString(w, o.body)
	})
	return o
}

// jwk makes a key with the given kid.
func jwk(t testing.TB, kid string, private bool) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if private {
		return jose.JSONWebKey{Key: key, KeyID: kid}
	}
	return jose.JSONWebKey{Key: key.Public(), KeyID: kid}
}

// document is a key set as JSON.
func document(t testing.TB, keys ...jose.JSONWebKey) string {
	t.Helper()
	out, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func keySets(t testing.TB, s *httptest.Server, most int) (*outbound.KeySets, *clock) {
	t.Helper()
	c := &clock{at: time.Unix(1e9, 0)}
	k, err := outbound.NewKeySets(outbound.KeySetsConfig{Client: newClient(t, config(t, s)), MaxSets: most, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return k, c
}

// wantKid fails unless a set was returned that holds the key kid alone.
func wantKid(t *testing.T, kid string) func(certs.JWKS, error) {
	return func(set certs.JWKS, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(set.Keys) != 1 || set.Keys[0].KeyID != kid {
			t.Fatalf("got %d keys, want %s", len(set.Keys), kid)
		}
	}
}

// wantErr fails unless there was no set, and why.
func wantErr(t *testing.T, reason error) func(certs.JWKS, error) {
	return func(set certs.JWKS, err error) {
		t.Helper()
		if !errors.Is(err, outbound.ErrUnreachable) || !errors.Is(err, reason) {
			t.Fatalf("got %v, want %v", err, reason)
		}
		if len(set.Keys) != 0 {
			t.Fatal("an error came with keys")
		}
	}
}

func (o *owner) wantCalls(t *testing.T, n int32) {
	t.Helper()
	if got := o.calls.Load(); got != n {
		t.Fatalf("%d calls, want %d", got, n)
	}
}

func TestLifeOfAKeySet(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		cacheControl string
		life         time.Duration
	}{
		{"", 5 * time.Minute},
		{"public", 5 * time.Minute},
		{"max-age=120", 2 * time.Minute},
		{"public, Max-Age=\"120\", must-revalidate", 2 * time.Minute},
		{"max-age=600, max-age=120", 2 * time.Minute},
		{"max-age=1", time.Minute},
		{"max-age=0", time.Minute},
		{"no-store", time.Minute},
		{"max-age=600, no-cache", time.Minute},
		{"max-age=nonsense", time.Minute},
		{"max-age=-600", time.Minute},
		{"max-age", time.Minute},
		{"max-age=99999999999999999999", time.Minute},
		{"max-age=7200", time.Hour},
		{"max-age=2147483647", time.Hour},
		{"s-maxage=120", 5 * time.Minute},
	} {
		t.Run(tc.cacheControl, func(t *testing.T) {
			t.Parallel()
			o := newOwner(t)
			k, c := keySets(t, o.Server, 0)
			o.publish(200, tc.cacheControl, document(t, jwk(t, "1", false)))
			wantKid(t, "1")(k.Keys(t.Context(), o.URL))
			o.publish(200, "", document(t, jwk(t, "2", false)))
			c.forward(tc.life - 1)
			wantKid(t, "1")(k.Keys(t.Context(), o.URL))
			o.wantCalls(t, 1)
			c.forward(1)
			wantKid(t, "2")(k.Keys(t.Context(), o.URL))
			o.wantCalls(t, 2)
		})
	}
}

func TestAnEndedSetIsNeverUsed(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	k, c := keySets(t, o.Server, 0)
	o.publish(200, "", document(t, jwk(t, "1", false)))
	wantKid(t, "1")(k.Keys(t.Context(), o.URL))
	o.publish(500, "", "")
	c.forward(5 * time.Minute)
	wantErr(t, outbound.ErrStatus)(k.Keys(t.Context(), o.URL))
	wantErr(t, outbound.ErrStatus)(k.Refresh(t.Context(), o.URL))
	o.wantCalls(t, 2)

	// The failure is remembered for 30 seconds, and not longer.
	o.publish(200, "", document(t, jwk(t, "2", false)))
	c.forward(30*time.Second - 1)
	wantErr(t, outbound.ErrStatus)(k.Keys(t.Context(), o.URL))
	o.wantCalls(t, 2)
	c.forward(1)
	wantKid(t, "2")(k.Keys(t.Context(), o.URL))
	o.wantCalls(t, 3)
}

func TestClockSetBack(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	k, c := keySets(t, o.Server, 0)
	o.publish(200, "", document(t, jwk(t, "1", false)))
	wantKid(t, "1")(k.Keys(t.Context(), o.URL))
	c.forward(-24 * time.Hour)
	o.publish(500, "", "")
	for range 2 {
		wantErr(t, outbound.ErrStatus)(k.Keys(t.Context(), o.URL))
	}
	o.wantCalls(t, 2)
	o.publish(200, "", document(t, jwk(t, "2", false)))
	c.forward(30 * time.Second)
	wantKid(t, "2")(k.Keys(t.Context(), o.URL))
}

func TestAnEmptySetIsAnAnswer(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	k, _ := keySets(t, o.Server, 0)
	o.publish(200, "", `{"keys":[]}`)
	for range 2 {
		if set, err := k.Keys(t.Context(), o.URL); err != nil || len(set.Keys) != 0 {
			t.Errorf("got %d keys, %v", len(set.Keys), err)
		}
	}
	o.wantCalls(t, 1)
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	k, c := keySets(t, o.Server, 0)
	o.publish(200, "", document(t, jwk(t, "1", false)))
	wantKid(t, "1")(k.Refresh(t.Context(), o.URL))
	o.publish(200, "", document(t, jwk(t, "2", false)))
	c.forward(30*time.Second - 1)
	for range 5 {
		wantKid(t, "1")(k.Refresh(t.Context(), o.URL))
	}
	o.wantCalls(t, 1)
	c.forward(1)
	wantKid(t, "2")(k.Refresh(t.Context(), o.URL))
	wantKid(t, "2")(k.Refresh(t.Context(), o.URL))
	wantKid(t, "2")(k.Keys(t.Context(), o.URL))
	o.wantCalls(t, 2)
}

func TestAFailedRefreshTakesNothingAway(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	k, c := keySets(t, o.Server, 0)
	o.publish(200, "max-age=120", document(t, jwk(t, "1", false)))
	wantKid(t, "1")(k.Keys(t.Context(), o.URL))
	o.publish(500, "", "")
	c.forward(time.Minute)
	wantErr(t, outbound.ErrStatus)(k.Refresh(t.Context(), o.URL))
	wantKid(t, "1")(k.Keys(t.Context(), o.URL))
	wantKid(t, "1")(k.Refresh(t.Context(), o.URL)) // too soon to ask again
	o.wantCalls(t, 2)
	c.forward(time.Minute)
	wantErr(t, outbound.ErrStatus)(k.Keys(t.Context(), o.URL)) // nor does it add anything
	o.wantCalls(t, 3)
}

func TestKeySetsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := document(t, jwk(t, "1", false))
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   error
	}{
		{"a page", 200, "<html>", certs.ErrMalformedJWK},
		{"nothing", 200, "", certs.ErrMalformedJWK},
		{"cut short", 200, good[:len(good)-1], certs.ErrMalformedJWK},
		{"two documents", 200, good + good, certs.ErrMalformedJWK},
		{"no set", 200, `[]`, certs.ErrMalformedJWK},
		{"a private key", 200, document(t, jwk(t, "1", false), jwk(t, "2", true)), certs.ErrPrivateJWK},
		{"a symmetric key", 200, `{"keys":[{"kty":"oct","k":"AAAA"}]}`, certs.ErrPrivateJWK},
		{"larger than a key set may be", 200, good + strings.Repeat(" ", certs.MaxJWKSBytes), certs.ErrJWKSLimit},
		{"a megabyte", 200, good + strings.Repeat(" ", 1<<20), outbound.ErrTooLarge},
		{"a good set with another status", 404, good, outbound.ErrStatus},
		{"a good set that points elsewhere", 302, good, outbound.ErrRedirect},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := newOwner(t)
			k, _ := keySets(t, o.Server, 0)
			o.publish(tc.status, "max-age=600", tc.body)
			for range 3 {
				wantErr(t, tc.want)(k.Keys(t.Context(), o.URL))
			}
			o.wantCalls(t, 1)
		})
	}
	t.Run("at an address that is refused", func(t *testing.T) {
		t.Parallel()
		o := newOwner(t)
		k, _ := keySets(t, o.Server, 0)
		wantErr(t, outbound.ErrNotHTTPS)(k.Keys(t.Context(), "http://127.0.0.1/"))
		wantErr(t, outbound.ErrRefusedAddress)(k.Keys(t.Context(), strings.Replace(o.URL, "127.0.0.1", "127.0.0.2", 1)))
	})
}

func TestEachURIHasItsOwnSet(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	k, _ := keySets(t, o.Server, 0)
	o.publish(200, "", document(t, jwk(t, "1", false)))
	wantKid(t, "1")(k.Keys(t.Context(), o.URL+"/a"))
	o.publish(200, "", document(t, jwk(t, "2", false)))
	wantKid(t, "2")(k.Keys(t.Context(), o.URL+"/b"))
	wantKid(t, "1")(k.Keys(t.Context(), o.URL+"/a"))
	o.wantCalls(t, 2)
}

func TestMaxSets(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	k, _ := keySets(t, o.Server, 2)
	o.publish(200, "", document(t, jwk(t, "1", false)))
	for _, path := range []string{"/a", "/b", "/c", "/d"} {
		wantKid(t, "1")(k.Keys(t.Context(), o.URL+path))
	}
	o.wantCalls(t, 4)
	wantKid(t, "1")(k.Keys(t.Context(), o.URL+"/d")) // the newest is there
	o.wantCalls(t, 4)
	// Of the two that fit, one is /d: of the others at most one is.
	for _, path := range []string{"/a", "/b", "/c"} {
		wantKid(t, "1")(k.Keys(t.Context(), o.URL+path))
	}
	if n := o.calls.Load(); n < 6 {
		t.Errorf("%d calls: more than two sets were remembered", n)
	}
}

// gate is a server that answers when it is told to.
func gate(t *testing.T) (s *httptest.Server, calls *atomic.Int32, asked <-chan struct{}, open func()) {
	body := document(t, jwk(t, "1", false))
	calls = new(atomic.Int32)
	first, release := make(chan struct{}), make(chan struct{})
	s = serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			close(first)
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		io.WriteString(w, body)
	})
	open = sync.OnceFunc(func() { close(release) })
	t.Cleanup(open) // before the server is closed, which waits for its handlers
	return s, calls, first, open
}

func TestManyCallersShareAFetch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		get  func(*outbound.KeySets, context.Context, string) (certs.JWKS, error)
	}{
		{"of Keys", (*outbound.KeySets).Keys},
		{"of Refresh", (*outbound.KeySets).Refresh},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, calls, asked, open := gate(t)
			k, _ := keySets(t, s, 0)
			var ready, done sync.WaitGroup
			ready.Add(32)
			for range 32 {
				done.Go(func() {
					ready.Done()
					set, err := tc.get(k, t.Context(), s.URL)
					if err != nil || len(set.Keys) != 1 {
						t.Errorf("got %d keys, %v", len(set.Keys), err)
					}
				})
			}
			ready.Wait()
			<-asked
			open()
			done.Wait()
			if n := calls.Load(); n != 1 {
				t.Errorf("%d fetches", n)
			}
		})
	}
}

func TestRefreshJoinsTheRefreshUnderWay(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	k, c := keySets(t, o.Server, 0)
	o.publish(200, "", document(t, jwk(t, "1", false)))
	wantKid(t, "1")(k.Keys(t.Context(), o.URL))
	c.forward(time.Minute)

	o.mu.Lock() // the owner's answer waits, and becomes another one
	o.body = document(t, jwk(t, "2", false))
	results := make(chan certs.JWKS, 2)
	refresh := func() {
		set, err := k.Refresh(t.Context(), o.URL)
		if err != nil {
			t.Error(err)
		}
		results <- set
	}
	go refresh()
	for o.calls.Load() < 2 { // under way
		if set, err := k.Keys(t.Context(), o.URL); err != nil || set.Keys[0].KeyID != "1" {
			t.Fatal("Keys does not answer with what it has", err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Refresh(cancelled, o.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("a second Refresh does not wait for the first: %v", err)
	}
	go refresh()
	o.mu.Unlock()
	for range 2 {
		wantKid(t, "2")(<-results, nil)
	}
	o.wantCalls(t, 2)
}

func TestACallerThatLeavesStopsNobody(t *testing.T) {
	t.Parallel()
	s, calls, asked, open := gate(t)
	k, _ := keySets(t, s, 0)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := k.Keys(ctx, s.URL)
		left <- err
	}()
	<-asked
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) || errors.Is(err, outbound.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	open()
	wantKid(t, "1")(k.Keys(t.Context(), s.URL))
	if n := calls.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestNewKeySetsChecksItsConfig(t *testing.T) {
	t.Parallel()
	if _, err := outbound.NewKeySets(outbound.KeySetsConfig{}); err == nil {
		t.Error("no client was accepted")
	}
	if _, err := outbound.NewKeySets(outbound.KeySetsConfig{Client: &outbound.Client{}, MaxSets: -1}); err == nil {
		t.Error("a negative number was accepted")
	}
}
