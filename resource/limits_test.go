package resource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

func limited(l resource.Limits) func(*resource.Config) {
	return func(c *resource.Config) { c.Limits = l }
}

// refusedFor reads the refusal of a request that was one too many.
func refusedFor(t *testing.T, what string, a answer, status int, code, retry string) {
	t.Helper()
	if a.status != status || codeOf([]byte(a.body)) != code || a.header.Get("Retry-After") != retry {
		t.Errorf("%s: %d %s, Retry-After %q", what, a.status, a.body, a.header.Get("Retry-After"))
	}
}

func TestOneRequestTooMany(t *testing.T) {
	t.Parallel()
	const many = 3
	for _, row := range []struct {
		name   string
		quotas resource.Quotas
		status int
		code   string
		reason string
		// whether a second consent of the recipient, and another recipient,
		// are refused with it
		sibling, other bool
	}{
		{"of a recipient", resource.Quotas{Recipient: many}, 429, "1207", "limit_recipient", true, false},
		{"under a consent", resource.Quotas{Consent: many}, 429, "1207", "limit_consent", false, false},
		{"to the bank", resource.Quotas{Bank: many}, 503, "503", "limit_bank", true, true},
	} {
		f := open(t, limited(resource.Limits{Quotas: row.quotas}))
		a, sibling := f.app(t, share(nil), nil), f.app(t, share(nil), nil)
		other := f.app(t, share(func(s *consent.Share) { s.Recipient = "other" }), nil)
		for range many {
			given(t, a.get(t, accounts))
		}
		for _, target := range []string{accounts, transactions, "/fdx/v6/availability", "/fdx/v6/accounts/nothing"} {
			refusedFor(t, row.name+": "+target, a.get(t, target), row.status, row.code, "20")
		}
		for _, who := range []struct {
			app     *app
			refused bool
		}{{sibling, row.sibling}, {other, row.other}} {
			if got := who.app.get(t, accounts).status; (got == row.status) != who.refused || !who.refused && got != 200 {
				t.Errorf("%s: somebody else: %d", row.name, got)
			}
		}
		if n := len(recordsOf(f, a.live.Share.Grant)); n != many {
			t.Errorf("%s: %d records", row.name, n)
		}
		f.clock.move(20 * time.Second)
		given(t, a.get(t, accounts))
		f.server.Close()
		var line struct{ Client, Grant, Reason, Result string }
		for text := range strings.Lines(f.log.String()) {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
			if line.Reason != "" {
				break
			}
		}
		if line.Client != string(a.live.Share.Recipient) || line.Grant != string(a.live.Share.Grant) || line.Reason != row.reason || line.Result != "refused" {
			t.Errorf("%s: logged %+v", row.name, line)
		}
	}
}

func TestQuotasAreTold(t *testing.T) {
	t.Parallel()
	f := open(t, limited(resource.Limits{Quotas: resource.Quotas{Recipient: 60, Consent: 6, Bank: 1000}}))
	a := f.app(t, share(nil), nil)
	for i, target := range []string{accounts, "/fdx/v6/accounts/nothing", "/fdx/v6/capability"} {
		got := a.get(t, target)
		want := fmt.Sprintf(`"recipient";r=%d;t=%d, "consent";r=%d;t=%d`, 59-i, i+1, 5-i, 10*(i+1))
		if got.header.Get("RateLimit") != want || got.header.Get("RateLimit-Policy") != `"recipient";q=60;w=60, "consent";q=6;w=60` {
			t.Errorf("%s: %q, %q, want %q", target, got.header.Get("RateLimit-Policy"), got.header.Get("RateLimit"), want)
		}
	}
	r := a.request(accounts)
	r.Header.Del("Authorization")
	if got := a.do(t, r); got.header.Get("RateLimit") != "" || got.header.Get("RateLimit-Policy") != "" {
		t.Errorf("told to nobody in particular: %v", got.header)
	}
	free := open(t, nil)
	if got := free.app(t, share(nil), nil).get(t, accounts); got.header.Get("RateLimit") != "" || got.header.Get("RateLimit-Policy") != "" {
		t.Errorf("without quotas: %v", got.header)
	}
}

// Who has the token and not its key cannot use up the quota of who has both.
func TestAStolenTokenUsesUpNothing(t *testing.T) {
	t.Parallel()
	f := open(t, limited(resource.Limits{Quotas: resource.Quotas{Recipient: 1}}))
	a, b := f.app(t, share(nil), nil), f.app(t, share(nil), nil)
	thief := *a
	thief.key = b.key
	for range 5 {
		if got := thief.get(t, accounts); got.status != 401 || got.header.Get("RateLimit") != "" {
			t.Fatalf("%d %v", got.status, got.header)
		}
	}
	given(t, a.get(t, accounts))
}

func TestTooManyInIntegers(t *testing.T) {
	t.Parallel()
	f := open(t, limited(resource.Limits{Quotas: resource.Quotas{Consent: 1}}))
	a := f.app(t, share(nil), nil)
	a.live.IntegerCodes = true
	f.truth.Issue(a.live)
	given(t, a.get(t, accounts))
	for _, target := range []string{accounts, "/fdx/v6/capability"} {
		if got := a.get(t, target); got.status != 429 || !strings.HasPrefix(got.body, `{"code":1207,`) {
			t.Errorf("%s: %d %s", target, got.status, got.body)
		}
	}
}

// A quota of its own stands in place of that of all, without a cache too.
func TestOwnQuota(t *testing.T) {
	t.Parallel()
	for _, all := range []resource.Quotas{{Recipient: 60}, {}} {
		f := open(t, limited(resource.Limits{Quotas: all}))
		a, usual := f.app(t, share(nil), nil), f.app(t, share(nil), nil)
		a.live.Quota = 2
		a.live.Share.Recipient, a.live.Access.Recipient = "own", "own"
		f.truth.Issue(a.live)
		for i, want := range []int{200, 200, 429} {
			got := a.get(t, accounts)
			if got.status != want || got.header.Get("RateLimit-Policy") != `"recipient";q=2;w=60` || !strings.HasPrefix(got.header.Get("RateLimit"), fmt.Sprintf(`"recipient";r=%d;`, max(0, 1-i))) {
				t.Errorf("request %d: %d %v", i, got.status, got.header)
			}
		}
		if got := a.get(t, "/fdx/v6/capability"); got.status != 429 {
			t.Errorf("a description: %d", got.status)
		}
		given(t, usual.get(t, accounts))
	}
}

// Each of several instances lets its part through when the cache counts for
// none of them.
func TestQuotaIsDividedAmongInstances(t *testing.T) {
	t.Parallel()
	f := open(t, limited(resource.Limits{Quotas: resource.Quotas{Recipient: 9}, Instances: 3}))
	a := f.app(t, share(nil), nil)
	for range 3 {
		if got := given(t, a.get(t, accounts)); !strings.HasPrefix(got.header.Get("RateLimit-Policy"), `"recipient";q=9;`) {
			t.Error(got.header)
		}
	}
	refusedFor(t, "the fourth", a.get(t, accounts), 429, "1207", "20")
}

// counting is a cache that knows one token and says what it is told to say of
// the quotas.
type counting struct {
	oneEntry
	levels resource.Levels
	asked  []resource.Lookup
}

func (c *counting) Look(ctx context.Context, q resource.Lookup) (resource.Cached, error) {
	c.asked = append(c.asked, q)
	got, err := c.oneEntry.Look(ctx, q)
	got.Counted, got.Levels = got.Found, c.levels
	return got, err
}

// What the cache has counted is not counted again, and its word is final.
func TestTheCacheCounts(t *testing.T) {
	t.Parallel()
	quotas := resource.Quotas{Recipient: 1, Consent: 1, Bank: 1}
	cache := &counting{levels: resource.Levels{Recipient: limit.LevelOf(1, time.Second, false)}}
	f := open(t, func(c *resource.Config) { c.Limits.Quotas, c.Cache = quotas, cache })
	a := f.app(t, share(nil), nil)
	for range 5 { // the first is not found, and counted here
		given(t, a.get(t, accounts))
	}
	for _, q := range cache.asked {
		if q.Quotas != quotas || q.Bound != a.live.Access.KeyThumbprint || q.Hash != a.live.Access.Hash || q.Proof == nil {
			t.Errorf("asked %+v", q)
		}
	}
	cache.levels = resource.Levels{Consent: limit.LevelOf(1, time.Minute, true)}
	refusedFor(t, "the cache says no", a.get(t, accounts), 429, "1207", "60")
}

func TestUnknownTokensFromOneAddress(t *testing.T) {
	t.Parallel()
	where := netip.MustParseAddr("192.0.2.1")
	strangers, err := fdxhttp.NewStrangers(3, func(*http.Request) netip.Addr { return where })
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, limited(resource.Limits{Strangers: strangers}))
	a := f.app(t, share(nil), nil)
	stranger := *a
	unknown, _ := f.hasher.New(token.KindAccess)
	stranger.token = unknown.Reveal()
	for range 10 { // known tokens do not count
		given(t, a.get(t, accounts))
	}
	for range 3 {
		if got := stranger.get(t, accounts); got.status != 401 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	for _, target := range []string{accounts, "/fdx/v6/capability"} {
		refusedFor(t, target, stranger.get(t, target), 429, "1207", "20")
	}
	where = netip.MustParseAddr("192.0.2.2")
	if got := stranger.get(t, accounts); got.status != 401 {
		t.Errorf("another address: %d", got.status)
	}
}

// standing is a bank that answers when it is let.
type standing struct {
	*resourcetest.Bank
	arrived chan struct{}
	proceed chan struct{}
}

func (s standing) Accounts(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Account], error) {
	s.arrived <- struct{}{}
	<-s.proceed
	return s.Bank.Accounts(ctx, a, p)
}

// What is too much at a time is refused at once, and what is not about data is
// answered all the same.
func TestNobodyWaitsForAPlace(t *testing.T) {
	t.Parallel()
	bank := standing{arrived: make(chan struct{}), proceed: make(chan struct{})}
	f := open(t, func(c *resource.Config) {
		bank.Bank = c.Provider.(*resourcetest.Bank)
		c.Provider, c.Limits.InFlight = bank, 2
	})
	a := f.app(t, share(nil), nil)
	served := make(chan *httptest.ResponseRecorder, 2)
	for range 2 {
		r := a.request(accounts)
		go func() { served <- ask(f.gateway.Handler(), r) }()
		<-bank.arrived
	}
	for _, target := range []string{accounts, account, "/fdx/v6/availability"} {
		got := a.get(t, target)
		refusedFor(t, target, got, 503, "503", "2")
		if got.header.Get("x-fapi-interaction-id") != interactionID {
			t.Errorf("%s: %v", target, got.header)
		}
	}
	if got := a.get(t, "/.well-known/oauth-protected-resource"); got.status != 200 {
		t.Errorf("metadata: %d", got.status)
	}
	close(bank.proceed)
	for range 2 {
		if got := <-served; got.Code != 200 {
			t.Errorf("in flight: %d", got.Code)
		}
	}
	go func() { <-bank.arrived }()
	given(t, a.get(t, accounts)) // the places are free again
	if n := len(recordsOf(f, a.live.Share.Grant)); n != 3 {
		t.Errorf("%d records", n)
	}
}

func TestQuotasOutOfRange(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	for _, l := range []resource.Limits{
		{Quotas: resource.Quotas{Recipient: -1}}, {Quotas: resource.Quotas{Consent: limit.MaxQuota + 1}}, {Quotas: resource.Quotas{Bank: -1}},
	} {
		c := f.config
		c.Limits = l
		if _, err := resource.New(c); err == nil {
			t.Errorf("%+v is taken", l)
		}
	}
}
