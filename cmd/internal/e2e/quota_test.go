package e2e

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/internal/token"
)

// One recipient asks far beyond its quota, at two gateways at once: together
// they let through what the quota says, and another recipient notices nothing.
// So it is while Redis counts, and when it is gone.
func TestOneRecipientInAHurryIsNobodyElsesTrouble(t *testing.T) {
	t.Parallel()
	const quota = 60 // one a second, once it is used up
	d := deployWith(t, func(_ *authzd.Config, gc *gatewayd.Config) {
		gc.RecipientQuota, gc.Instances = quota, 2
	})
	ctx := t.Context()
	hasty, calm := d.client(t, "alpha"), d.client(t, "beta")
	flood, rest := d.granted(t, hasty, "everyday"), d.granted(t, calm, "everyday")
	gateways := d.both(t, d.data)
	ask := func(i int, c *recipient.Client, tok recipient.Token) *recipient.Response {
		r, err := c.AccountsRequest(tok, nil)
		if err != nil {
			t.Error(err)
			return &recipient.Response{}
		}
		resp, err := send(ctx, gateways[i%2], r)
		if err != nil {
			t.Error(err)
			return &recipient.Response{}
		}
		return resp
	}
	for _, redis := range []string{"with Redis", "without Redis"} {
		if redis == "without Redis" {
			d.redis.Kill()
		}
		var given, refused, other atomic.Int64
		var all sync.WaitGroup
		const callers, each = 8, 40
		start := time.Now()
		for i := range callers {
			all.Go(func() {
				for range each {
					resp := ask(i, hasty, flood)
					switch resp.Status {
					case http.StatusOK:
						given.Add(1)
					case http.StatusTooManyRequests:
						refused.Add(1)
						if resp.Header.Get("Retry-After") == "" || !strings.HasPrefix(resp.Header.Get("RateLimit"), `"recipient";r=0;`) {
							t.Errorf("%s: refused with %v", redis, resp.Header)
						}
					default:
						other.Add(1)
						t.Errorf("%s: %d %s", redis, resp.Status, resp.Body)
					}
				}
			})
		}
		for i := range 20 {
			if resp := ask(i, calm, rest); resp.Status != http.StatusOK {
				t.Errorf("%s: another recipient: %d %s", redis, resp.Status, resp.Body)
			}
		}
		all.Wait()
		// A second brings one more, and what Redis did not know yet each gateway
		// has let through on its own account.
		most := quota + int64(time.Since(start).Seconds()) + 1 + 2*callers
		if n := given.Load(); n < quota/2 || n > most || refused.Load() == 0 {
			t.Errorf("%s: %d given, %d refused of %d", redis, n, refused.Load(), callers*each)
		}
	}
	if n := d.count(t, "SELECT count(*) FROM access_record WHERE outcome = 'refused'"); n != 0 {
		t.Errorf("%d refusals in the access history", n)
	}
}

// Reads and requests about consents count unknown tokens together; nothing of
// it stands in the way of the end of a consent.
func TestUnknownTokensAreCountedTogether(t *testing.T) {
	t.Parallel()
	const quota = 4 // of this gateway, one of two; one each 15 seconds, once it is used up
	d := deployWith(t, func(_ *authzd.Config, gc *gatewayd.Config) {
		gc.StrangerQuota, gc.Instances, gc.StopConns = 2*quota, 2, 2
	})
	ctx := t.Context()
	r, err := d.db.Recipients().Recipient(ctx, "alpha")
	must(t, err)
	r.Profile.GrantTypes = append(r.Profile.GrantTypes, "client_credentials")
	must(t, d.db.Recipients().PutRecipient(ctx, r))
	app := d.client(t, "alpha")
	key, err := recipient.NewDPoPKey(jose.ES256)
	must(t, err)
	own, err := app.ClientCredentials(ctx, "grant_management_revoke", key)
	must(t, err)
	shared := d.granted(t, app, "everyday")
	madeUp := func(kind token.Kind) recipient.Token {
		secret, _ := d.hasher.New(kind)
		return recipient.Token{AccessToken: recipient.Secret(secret.Reveal()), Key: key}
	}
	ask := func(r *recipient.Request, err error) int {
		t.Helper()
		must(t, err)
		resp, err := app.Do(ctx, r)
		must(t, err)
		if refused := resp.Status == http.StatusTooManyRequests; refused != (resp.Header.Get("Retry-After") != "") {
			t.Errorf("%d with %v", resp.Status, resp.Header)
		}
		return resp.Status
	}
	reads := func() int { return ask(app.AccountsRequest(madeUp(token.KindAccess), nil)) }
	lists := func() int { return ask(app.DataRequest(madeUp(token.KindClient), "/consents", nil)) }
	stops := func() int {
		return ask(app.RevokeConsentRequest(madeUp(token.KindClient), shared.GrantID, "USER_ACTION", "INDIVIDUAL"))
	}
	for range quota / 2 {
		if a, b := reads(), lists(); a != http.StatusUnauthorized || b != http.StatusUnauthorized {
			t.Errorf("within the quota: %d, %d", a, b)
		}
	}
	if a, b := reads(), lists(); a != http.StatusTooManyRequests || b != http.StatusTooManyRequests {
		t.Errorf("beyond the quota: %d, %d", a, b)
	}
	if status := stops(); status != http.StatusUnauthorized {
		t.Errorf("a stranger's stop: %d", status)
	}
	if err := app.RevokeConsent(ctx, own, shared.GrantID, "USER_ACTION", "INDIVIDUAL"); err != nil {
		t.Errorf("a stop: %v", err)
	}
	for range quota {
		stops()
	}
	if status := stops(); status != http.StatusTooManyRequests {
		t.Errorf("too many stops of a stranger: %d", status)
	}
}
