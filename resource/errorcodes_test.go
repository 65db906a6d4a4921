package resource_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// A recipient that is registered for integers gets them in every refusal after
// it has proved who it is, and strings before.
func TestIntegerErrorCodes(t *testing.T) {
	t.Parallel()
	cached := func(c *resource.Config) { c.Cache = &oneEntry{} }
	for name, change := range map[string]func(*resource.Config){"from the truth": nil, "from the cache": cached} {
		f := open(t, change)
		a := f.app(t, share(nil), nil)
		a.live.IntegerCodes = true
		f.truth.Issue(a.live)
		plain := f.app(t, share(func(s *consent.Share) { s.Recipient = "other" }), nil)
		for range 2 { // the second from the cache
			golden(t, "integer-unknown-account", a.get(t, "/fdx/v6/accounts/acc-9"))
			golden(t, "integer-bad-operation", a.get(t, "/fdx/v6/availability?operationId="))
		}
		if got := plain.get(t, "/fdx/v6/accounts/acc-9"); !strings.HasPrefix(got.body, `{"code":"701",`) {
			t.Errorf("%s: another recipient: %s", name, got.body)
		}
		r := a.request("/fdx/v6/accounts")
		r.Header.Del("Authorization")
		for what, r := range map[string]*http.Request{
			"no token":                         r,
			"a token of another key":           func() *http.Request { b := *a; b.key = plain.key; return b.request("/fdx/v6/accounts") }(),
			"another's key, and a description": func() *http.Request { b := *a; b.key = plain.key; return b.request("/fdx/v6/availability") }(),
			"no such path":                     a.request("/fdx/v6/nothing"),
		} {
			if got := a.do(t, r); got.status < 400 || !strings.HasPrefix(got.body, `{"code":"`) {
				t.Errorf("%s: %s: %d %s", name, what, got.status, got.body)
			}
		}
		// The grant ends between the decision and the gate: the caller was
		// known all the same.
		f.truth.End(a.live.Share.Grant)
		if got := a.get(t, "/fdx/v6/accounts"); got.status != 401 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

// oneEntry is a cache that never forgets.
type oneEntry struct{ live atomic.Pointer[token.Live] }

func (o *oneEntry) Look(_ context.Context, q resource.Lookup) (resource.Cached, error) {
	if l := o.live.Load(); l != nil && l.Access.Hash == q.Hash {
		return resource.Cached{Found: true, Live: *l}, nil
	}
	return resource.Cached{Lease: "lease"}, nil
}

func (o *oneEntry) Fill(_ context.Context, _ resource.Lease, l token.Live) error {
	o.live.Store(&l)
	return nil
}

// countedTokens counts questions to the truth.
type countedTokens struct {
	resource.Tokens
	n atomic.Int64
}

func (c *countedTokens) Live(ctx context.Context, h token.Hash) (token.Live, error) {
	c.n.Add(1)
	return c.Tokens.Live(ctx, h)
}

// Without a cache a read asks the truth once.
func TestTheTruthIsAskedOnce(t *testing.T) {
	t.Parallel()
	var truth countedTokens
	f := open(t, func(c *resource.Config) { truth.Tokens = c.Tokens; c.Tokens = &truth })
	given(t, f.app(t, share(nil), nil).get(t, "/fdx/v6/accounts"))
	if n := truth.n.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
