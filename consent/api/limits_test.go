package api_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/api"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/token"
)

// Who asks too often is told so, and takes nothing from others. Ends of
// consents are counted apart, and a recipient's own quota stands in place of
// that of all.
func TestQuotas(t *testing.T) {
	t.Parallel()
	f := open(t, func(c *api.Config, _ *consent.ServiceConfig) { c.Quota, c.Stops, c.Instances = 4, 3, 2 })
	f.furnish(t)
	ask := func(c *client, want int, policy, level string) {
		t.Helper()
		got := c.get(t, "/fdx/v6/consents")
		if got.status != want || got.header.Get("RateLimit-Policy") != policy || got.header.Get("RateLimit") != level {
			t.Errorf("%d %q %q, want %d %q %q", got.status, got.header.Get("RateLimit-Policy"), got.header.Get("RateLimit"), want, policy, level)
		}
		if retry := got.header.Get("Retry-After"); (retry == "30") != (want == http.StatusTooManyRequests) {
			t.Errorf("Retry-After %q", retry)
		}
		if want == http.StatusTooManyRequests && !strings.Contains(got.body, `"code":"1207"`) {
			t.Errorf("refused with %s", got.body)
		}
	}
	const four = `"recipient";q=4;w=60`
	c, second := f.client(app, nil), f.certified(t, app)
	ask(c, 200, four, `"recipient";r=1;t=30`) // of the two that are this instance's
	ask(second, 200, four, `"recipient";r=0;t=60`)
	ask(c, 429, four, `"recipient";r=0;t=60`)
	ask(f.client(other, nil), 200, four, `"recipient";r=1;t=30`)
	const ten = `"recipient";q=10;w=60`
	own := f.client("third", func(a *token.ClientAccess) { a.Quota = 10 })
	ask(own, 200, ten, `"recipient";r=4;t=12`)

	// A stop finds its own quota whole.
	for i, want := range []int{204, 409, 429} {
		got := c.put(t, idActive, forApp)
		if got.status != want || got.header.Get("RateLimit-Policy") != `"revocation";q=3;w=60` {
			t.Errorf("stop %d: %d %v", i, got.status, got.header)
		}
	}
	// A stranger uses up nobody's, and is told nothing.
	c.key = own.key
	if got := c.get(t, "/fdx/v6/consents"); got.status != 401 || got.header.Get("RateLimit") != "" || got.header.Get("RateLimit-Policy") != "" {
		t.Errorf("a stranger: %d %v", got.status, got.header)
	}
}

// Who presents tokens that there are not is not looked up for ever, at any
// endpoint, and takes from nobody the way to end a consent.
func TestUnknownTokensFromOneAddress(t *testing.T) {
	t.Parallel()
	where := netip.MustParseAddr("192.0.2.1")
	f := open(t, func(c *api.Config, _ *consent.ServiceConfig) {
		var err error
		if c.Strangers, err = fdxhttp.NewStrangers(3, func(*http.Request) netip.Addr { return where }); err != nil {
			t.Fatal(err)
		}
	})
	f.furnish(t)
	c := f.client(app, nil)
	stranger := *c
	unknown, _ := f.hasher.New(token.KindClient)
	stranger.token = unknown.Reveal()
	refused := func(what string, got reply) {
		t.Helper()
		if got.status != http.StatusTooManyRequests || got.code() != "1207" || got.header.Get("Retry-After") != "20" {
			t.Errorf("%s: %d %s, Retry-After %q", what, got.status, got.body, got.header.Get("Retry-After"))
		}
	}
	for range 10 { // known tokens do not count
		if got := c.get(t, consents); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	for _, path := range []string{consents, at(idActive), revocationOf(idActive)} {
		if got := stranger.get(t, path); got.status != 401 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	refused("one more", stranger.get(t, consents))
	refused("a good one from there", c.get(t, consents))
	if got := c.put(t, idActive, forApp); got.status != 204 {
		t.Errorf("a stop from there: %d %s", got.status, got.body)
	}

	where = netip.MustParseAddr("192.0.2.2")
	for range 3 {
		if got := stranger.put(t, idActive, forApp); got.status != 401 {
			t.Errorf("a stranger's stop: %d %s", got.status, got.body)
		}
	}
	refused("one more stop", stranger.put(t, idActive, forApp))
	if got := c.get(t, consents); got.status != 200 {
		t.Errorf("other requests from there: %d %s", got.status, got.body)
	}
	f.server.Close()
	if !strings.Contains(f.log.String(), `"reason":"limit_address"`) {
		t.Error("the log does not say why")
	}
}
