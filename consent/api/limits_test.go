package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/api"
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
