package e2e

import (
	"context"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/resource/sandbox"
)

// A stop is a stop, whoever orders it: once it has answered, both gateways
// refuse the token that they had in their cache a moment before.
func TestNothingIsReadAfterAnyKindOfStop(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	app := d.client(t, "alpha")
	ctx := t.Context()
	suspend := func(status consent.RecipientStatus) {
		r, err := d.db.Recipients().Recipient(ctx, "alpha")
		must(t, err)
		r.Status = status
		must(t, d.db.Recipients().PutRecipient(ctx, r))
	}
	type given struct {
		attempt *recipient.Attempt
		code    recipient.Secret
		token   recipient.Token
	}
	for _, c := range []struct {
		name string
		stop func(t *testing.T, g given)
		// refresh is how a renewal ends afterwards.
		refresh outcome
	}{
		{"the person stops at the portal", func(t *testing.T, _ given) {
			_, err := browser.Stop(ctx, d.person(t), d.pages+"/portal", "everyday", sandbox.DevPassword("everyday"), appName("alpha"))
			must(t, err)
		}, outcome{400, "invalid_grant"}},
		{"the app gives its refresh token back", func(t *testing.T, g given) { must(t, app.Revoke(ctx, g.token.RefreshToken)) }, outcome{400, "invalid_grant"}},
		{"the app gives its access token back", func(t *testing.T, g given) { must(t, app.Revoke(ctx, g.token.AccessToken)) }, outcome{200, ""}},
		{"the code comes back", func(t *testing.T, g given) {
			_, err := app.Redeem(ctx, g.attempt, g.code)
			if _, refused := err.(*recipient.Refusal); !refused {
				t.Errorf("a second redemption ended with %v", err)
			}
		}, outcome{400, "invalid_grant"}},
		{"the bank stops it", func(t *testing.T, g given) {
			// As the operator's command does on a machine without Redis.
			s, err := consent.NewService(consent.ServiceConfig{Store: d.db.Grants()})
			must(t, err)
			_, err = s.StopByProvider(context.WithoutCancel(ctx), consent.GrantID(g.token.GrantID), consent.ReasonBusinessRule)
			must(t, err)
		}, outcome{400, "invalid_grant"}},
		{"the bank suspends the app", func(*testing.T, given) { suspend(consent.RecipientSuspended) }, outcome{401, "invalid_client"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer suspend(consent.RecipientActive)
			var g given
			g.attempt, g.code = d.approved(t, app, "everyday")
			var err error
			g.token, err = app.Redeem(ctx, g.attempt, g.code)
			must(t, err)
			ask := func(want outcome) {
				t.Helper()
				for i, gateway := range d.both(t, d.data) {
					r, err := app.AccountsRequest(g.token, nil)
					must(t, err)
					resp, err := send(ctx, gateway, r)
					must(t, err)
					if got := judged(resp); got != want {
						t.Errorf("gateway %d answered %v, want %v", i, got, want)
					}
				}
			}
			for range 2 { // filled, and found
				ask(outcome{200, ""})
			}
			c.stop(t, g)
			ask(outcome{401, "603"})
			r, err := app.RefreshRequest(g.token.RefreshToken, g.token.Key)
			must(t, err)
			resp, err := app.Do(ctx, r)
			must(t, err)
			if got := judged(resp); got != c.refresh {
				t.Errorf("a refresh was answered with %v, want %v", got, c.refresh)
			}
			must(t, dialRedis(t, d.redis.URL()).empty())
			ask(outcome{401, "603"})
		})
	}
}
