package e2e

import (
	"bytes"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// What a person takes out is gone at once: for the same token, on both
// gateways, from a cache that was warm. What is left goes on.
func TestWhatIsTakenOutIsNotRead(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	app := d.client(t, "alpha")
	ctx := t.Context()
	s, err := consent.NewService(consent.ServiceConfig{Store: d.db.Grants(), Cache: openCache(t, d.redis.URL())})
	must(t, err)
	tok := d.granted(t, app, "saver")
	id := consent.GrantID(tok.GrantID)
	g, err := d.db.Grants().Grant(ctx, id)
	must(t, err)
	all := g.Accounts()
	if len(all) < 2 {
		t.Fatalf("the grant has %d accounts", len(all))
	}
	// holds checks which of all accounts both gateways list.
	holds := func(want ...fdx.AccountID) {
		t.Helper()
		for i, gateway := range d.both(t, d.data) {
			r, err := app.AccountsRequest(tok, nil)
			must(t, err)
			resp, err := send(ctx, gateway, r)
			must(t, err)
			if got := judged(resp); got != (outcome{200, ""}) {
				t.Fatalf("gateway %d answered %v: %s", i, got, resp.Body)
			}
			for _, one := range all {
				listed, wanted := bytes.Contains(resp.Body, []byte(`"`+string(one)+`"`)), false
				for _, w := range want {
					wanted = wanted || w == one
				}
				if listed != wanted {
					t.Errorf("gateway %d lists %s: %v, want %v", i, one, listed, wanted)
				}
			}
		}
	}
	for range 2 { // filled, and found
		holds(all...)
	}
	less, err := s.ShrinkByConsumer(ctx, g.Consumer, id, g.Epoch, all[:1], 0, consent.Disclosure{Version: "v", Locale: "en", Text: "Less."})
	must(t, err)
	holds(all[1:]...)
	must(t, dialRedis(t, d.redis.URL()).empty())
	holds(all[1:]...)

	// A refresh leads to what is left, and to nothing more.
	r, err := app.RefreshRequest(tok.RefreshToken, tok.Key)
	must(t, err)
	resp, err := app.Do(ctx, r)
	must(t, err)
	if got := judged(resp); got != (outcome{200, ""}) {
		t.Errorf("a refresh was answered with %v", got)
	}
	holds(all[1:]...)
	if less.Epoch != g.Epoch+1 || less.ExpiresAt != g.ExpiresAt || less.CreatedAt != g.CreatedAt {
		t.Errorf("%+v", less)
	}
}
