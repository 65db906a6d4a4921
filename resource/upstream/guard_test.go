package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// These tests replace the connection, so that time can be made up: a network
// does not stand still with the clock of synctest.

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func response(status int, body string, header ...string) *http.Response {
	res := &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	for i := 0; i < len(header); i += 2 {
		res.Header.Set(header[i], header[i+1])
	}
	return res
}

const noAccounts = `{"accounts":[]}`

func secretFile(t *testing.T) string {
	t.Helper()
	file := t.TempDir() + "/secret"
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// fake returns a provider over f, which is not asked for tokens.
func fake(t *testing.T, f roundTrip) *Provider {
	t.Helper()
	p, err := New(Config{
		Base: "https://bank.example", Consumer: Consumer{Query: "who"},
		Operations: map[fdx.OperationID]string{fdx.SearchForAccounts: "", fdx.SearchForAccountTransactions: ""},
		OAuth:      &ClientCredentials{TokenEndpoint: "https://bank.example/token", ClientID: "us", SecretFile: secretFile(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.tokens, p.transport = nil, f
	return p
}

func read(ctx context.Context, p *Provider) error {
	every := fdx.NewClusters(fdx.AllClusters()...)
	a, denial := resource.Allow(resourcetest.Everything("me", time.Now(), "a"), fdx.ScopesOf(every), resource.Need{Any: every, Through: every}, time.Now())
	if denial != nil {
		return denial.Error
	}
	_, err := p.Accounts(ctx, a, resource.PageRequest{Limit: 10})
	return err
}

func frozen(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestFrozenBank(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		var up atomic.Bool
		p := fake(t, func(r *http.Request) (*http.Response, error) {
			calls.Add(1)
			if up.Load() {
				return response(200, noAccounts), nil
			}
			return frozen(r)
		})
		onset := time.Now()
		results := make(chan error, 40)
		for range 40 {
			go func() { results <- read(t.Context(), p) }()
		}
		synctest.Wait()
		if calls.Load() != 32 {
			t.Errorf("%d calls on their way", calls.Load())
		}
		for range 8 { // more than the bulkhead holds: at once
			if err := <-results; !errors.Is(err, resource.ErrUnavailable) || time.Since(onset) != 0 {
				t.Errorf("after %s: %v", time.Since(onset), err)
			}
		}
		for range 32 {
			if err := <-results; !errors.Is(err, context.DeadlineExceeded) || time.Since(onset) != defaultTimeout {
				t.Errorf("after %s: %v", time.Since(onset), err)
			}
		}
		if p.breaker.State() != gobreaker.StateOpen || time.Since(onset) > 5*time.Second {
			t.Fatalf("after %s the circuit is %s", time.Since(onset), p.breaker.State())
		}
		if state, err := p.Availability(t.Context()); err != nil || state.Status != fdx.Down {
			t.Errorf("availability %v, %v", state, err)
		}
		// One probe a second at most, and nobody waits for it but who makes it.
		calls.Store(0)
		began := time.Now()
		for range 100 {
			go func() { _ = read(t.Context(), p) }()
			time.Sleep(100 * time.Millisecond)
		}
		if n := calls.Load(); n == 0 || n > int32(time.Since(began)/time.Second) {
			t.Errorf("%d probes in %s", n, time.Since(began))
		}
		up.Store(true)
		time.Sleep(4 * time.Second)
		if err := read(t.Context(), p); err != nil {
			t.Errorf("the probe: %v", err)
		}
		if p.breaker.State() != gobreaker.StateClosed {
			t.Errorf("circuit %s", p.breaker.State())
		}
		if len(p.slots) != 0 {
			t.Errorf("%d slots taken by nobody", len(p.slots))
		}
	})
}

func TestStorm(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer roundTrip
		opens  bool
	}{
		"500":                     {func(*http.Request) (*http.Response, error) { return response(500, ""), nil }, true},
		"503":                     {func(*http.Request) (*http.Response, error) { return response(503, ""), nil }, true},
		"no connection":           {func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }, true},
		"garbage":                 {func(*http.Request) (*http.Response, error) { return response(200, "x"), nil }, true},
		"401 is ours":             {func(*http.Request) (*http.Response, error) { return response(401, ""), nil }, false},
		"404 is an answer":        {func(*http.Request) (*http.Response, error) { return response(404, ""), nil }, false},
		"429 is an answer":        {func(*http.Request) (*http.Response, error) { return response(429, ""), nil }, false},
		"501 is an answer":        {func(*http.Request) (*http.Response, error) { return response(501, ""), nil }, false},
		"every fifth 500 is luck": {everyFifth(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := fake(t, tc.answer)
				onset := time.Now()
				for range 100 {
					_ = read(t.Context(), p)
					time.Sleep(20 * time.Millisecond)
					if p.breaker.State() == gobreaker.StateOpen {
						break
					}
				}
				if open := p.breaker.State() == gobreaker.StateOpen; open != tc.opens || time.Since(onset) > 5*time.Second {
					t.Errorf("after %s the circuit is %s", time.Since(onset), p.breaker.State())
				}
			})
		})
	}
}

func everyFifth() roundTrip {
	var n atomic.Int32
	return func(*http.Request) (*http.Response, error) {
		if n.Add(1)%5 == 0 {
			return response(500, ""), nil
		}
		return response(200, noAccounts), nil
	}
}

// While the circuit is open there is one request a second, not one with its
// retries, and callers who are turned away pay for none.
func TestProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		p := fake(t, func(*http.Request) (*http.Response, error) { calls.Add(1); return response(503, ""), nil })
		for range failuresInARow {
			_ = read(t.Context(), p)
		}
		calls.Store(0)
		for range 200 {
			_ = read(t.Context(), p)
			time.Sleep(50 * time.Millisecond)
		}
		if n := calls.Load(); n < 5 || n > 10 {
			t.Errorf("%d requests in 10 seconds", n)
		}
		if p.budget.tenths > 20 {
			t.Errorf("calls that were turned away earned %d tenths of a retry", p.budget.tenths)
		}
	})
}

// Half of the calls fail, never five in a row.
func TestHalfDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		p := fake(t, func(*http.Request) (*http.Response, error) {
			if n.Add(1)%2 == 0 {
				return response(500, ""), nil
			}
			return response(200, noAccounts), nil
		})
		for range fewestCalls {
			_ = read(t.Context(), p)
		}
		if p.breaker.State() != gobreaker.StateOpen {
			t.Errorf("circuit %s", p.breaker.State())
		}
	})
}

// Callers who hang up say nothing about the bank.
func TestHangingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := fake(t, frozen)
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			if err := read(ctx, p); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if p.breaker.State() != gobreaker.StateClosed {
			t.Errorf("circuit %s", p.breaker.State())
		}
	})
}

// A prober who hangs up leaves the circuit as it was, and the next call probes.
func TestProberHangsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		p := fake(t, func(r *http.Request) (*http.Response, error) {
			if up.Load() {
				return response(200, noAccounts), nil
			}
			return frozen(r)
		})
		for range failuresInARow {
			_ = read(t.Context(), p)
		}
		time.Sleep(2 * probeEvery)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if err := read(ctx, p); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		up.Store(true)
		if err := read(t.Context(), p); err != nil || p.breaker.State() != gobreaker.StateClosed {
			t.Errorf("circuit %s, %v", p.breaker.State(), err)
		}
	})
}

func TestRetries(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	for _, tc := range []struct {
		name    string
		answers []any // *http.Response or error, the last one for ever
		calls   int
		least   time.Duration
		most    time.Duration
		ok      bool
	}{
		{"a lost connection", []any{down, response(200, noAccounts)}, 2, 0, 50 * time.Millisecond, true},
		{"502, then 504", []any{response(502, ""), response(504, ""), response(200, noAccounts)}, 3, 0, 150 * time.Millisecond, true},
		{"503 three times", []any{response(503, "")}, 3, 0, 150 * time.Millisecond, false},
		{"503 with Retry-After", []any{response(503, "", "Retry-After", "2"), response(200, noAccounts)}, 2, 2 * time.Second, 2 * time.Second, true},
		{"503 with Retry-After beyond the deadline", []any{response(503, "", "Retry-After", "3")}, 1, 0, 0, false},
		{"503 with a Retry-After that is none", []any{response(503, "", "Retry-After", "soon"), response(200, noAccounts)}, 2, 0, 50 * time.Millisecond, true},
		{"500 is not tried again", []any{response(500, "")}, 1, 0, 0, false},
		{"404 is not tried again", []any{response(404, "")}, 1, 0, 0, true},
		{"429 is not tried again", []any{response(429, "", "Retry-After", "1")}, 1, 0, 0, false},
		{"garbage is not asked for again", []any{response(200, "x")}, 1, 0, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				p := fake(t, func(*http.Request) (*http.Response, error) {
					a := tc.answers[min(calls, len(tc.answers)-1)]
					calls++
					if err, ok := a.(error); ok {
						return nil, err
					}
					return a.(*http.Response), nil
				})
				began := time.Now()
				err := read(t.Context(), p)
				took := time.Since(began)
				if calls != tc.calls || (err == nil) != tc.ok || took < tc.least || took > tc.most {
					t.Errorf("%d calls in %s: %v", calls, took, err)
				}
			})
		})
	}
}

// Tries beyond the first are at most a tenth of the calls, besides the few in
// advance.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	b := newBudget()
	retries := 0
	for range 1000 {
		b.earn()
		for b.spend() {
			retries++
		}
	}
	if retries < 100 || retries > 103 {
		t.Errorf("%d retries for 1000 calls", retries)
	}
	for range 10_000 {
		b.earn()
	}
	for retries = 0; b.spend(); retries++ {
	}
	if retries > 10 {
		t.Errorf("a quiet time saved up %d retries", retries)
	}
}

// Tokens.

// bankWithTokens answers with noAccounts to whoever has one of its tokens.
type bankWithTokens struct {
	fetches, calls atomic.Int32
	life           string
	down           atomic.Bool
	refuse         atomic.Int32 // so many data calls are answered with 401
}

func (b *bankWithTokens) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/token" {
		n := b.fetches.Add(1)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		if b.down.Load() {
			return response(503, ""), nil
		}
		return response(200, `{"access_token":"t`+string(rune('0'+n%10))+`","token_type":"Bearer"`+b.life+`}`), nil
	}
	b.calls.Add(1)
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer t") || b.refuse.Add(-1) >= 0 {
		return response(401, ""), nil
	}
	return response(200, noAccounts), nil
}

func withTokens(t *testing.T, b *bankWithTokens) *Provider {
	p := fake(t, nil)
	var err error
	if p.tokens, err = newTokens(ClientCredentials{TokenEndpoint: "https://bank.example/token", ClientID: "us", SecretFile: secretFile(t)}, false, time.Now, p.timeout); err != nil {
		t.Fatal(err)
	}
	p.transport = b
	return p
}

func TestOneTokenForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bankWithTokens{life: `,"expires_in":100`}
		p := withTokens(t, b)
		errs := make(chan error, 20)
		impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		first := make(chan error, 1)
		go func() { first <- read(impatient, p) }()
		synctest.Wait()
		for range 20 {
			go func() { errs <- read(t.Context(), p) }()
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who asked for the token and left: %v", err)
		}
		for range 20 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := b.fetches.Load(); n != 1 {
			t.Errorf("%d tokens for callers at the same time", n)
		}
		time.Sleep(79 * time.Second)
		if err := read(t.Context(), p); err != nil || b.fetches.Load() != 1 {
			t.Errorf("a token that is good for a while: %d fetches, %v", b.fetches.Load(), err)
		}
		time.Sleep(2 * time.Second)
		if err := read(t.Context(), p); err != nil || b.fetches.Load() != 2 {
			t.Errorf("a token about to end: %d fetches, %v", b.fetches.Load(), err)
		}
	})
}

func TestForgottenToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bankWithTokens{life: `,"expires_in":3600`}
		p := withTokens(t, b)
		b.refuse.Store(1)
		if err := read(t.Context(), p); err != nil || b.fetches.Load() != 2 || b.calls.Load() != 2 {
			t.Errorf("401 once: %d tokens, %d calls, %v", b.fetches.Load(), b.calls.Load(), err)
		}
		// A bank that takes no token at all does not make us ask for ever more.
		b.refuse.Store(1000)
		b.fetches.Store(0)
		for range 100 {
			if err := read(t.Context(), p); !errors.Is(err, resource.ErrUnavailable) {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if n := b.fetches.Load(); n == 0 || n > 6 {
			t.Errorf("%d tokens in 5 seconds", n)
		}
		if p.breaker.State() != gobreaker.StateClosed {
			t.Errorf("circuit %s", p.breaker.State())
		}
	})
}

func TestTokenEndpointDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bankWithTokens{}
		p := withTokens(t, b)
		b.down.Store(true)
		for range failuresInARow {
			if err := read(t.Context(), p); !errors.Is(err, resource.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if p.breaker.State() != gobreaker.StateOpen || b.calls.Load() != 0 {
			t.Errorf("circuit %s, %d calls without a token", p.breaker.State(), b.calls.Load())
		}
		b.down.Store(false)
		time.Sleep(2 * time.Second)
		if err := read(t.Context(), p); err != nil {
			t.Error(err)
		}
	})
}

func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no token":           `{"token_type":"Bearer"}`,
		"another type":       `{"access_token":"a","token_type":"DPoP"}`,
		"no type":            `{"access_token":"a"}`,
		"a line break in it": `{"access_token":"a\r\nX-Other: b","token_type":"Bearer"}`,
		"repeated":           `{"access_token":"a","access_token":"b","token_type":"Bearer"}`,
		"no JSON":            `access_token=a&token_type=bearer`,
		"too long":           `{"access_token":"a","token_type":"Bearer","x":"` + strings.Repeat("x", maxTokenBody) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := withTokens(t, &bankWithTokens{})
			p.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path != "/token" {
					t.Error("asked without a token")
				}
				return response(200, body), nil
			})
			if err := read(t.Context(), p); !errors.Is(err, resource.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
}
