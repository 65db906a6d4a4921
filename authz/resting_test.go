package authz_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
)

// While sharing rests no token is given, but nothing is thrown away either:
// the answer is one that a client repeats, and what it holds goes on
// afterwards.
func TestAGrantThatRestsGivesNoTokensForNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	until := w.clock.now().Add(72 * time.Hour).UTC().Truncate(time.Second)
	for _, tt := range []struct {
		name       string
		begin, end consent.RestChange
		says       string
	}{
		{"paused", consent.RestChange{Kind: consent.EventPaused, Until: until}, consent.RestChange{Kind: consent.EventResumed},
			"paused sharing until " + until.Format(time.RFC3339) + ": keep the refresh token"},
		{"held", consent.RestChange{Kind: consent.EventHeld, Case: "H-1"}, consent.RestChange{Kind: consent.EventReleased}, "on hold: keep the refresh token"},
	} {
		w := newWorld(t)
		c, rs := w.client("app"), w.resourceServer("rs", nil)
		a := c.tokens(nil)
		rest := func(r consent.RestChange) {
			r.Grant, r.Actor = w.grant().ID, consent.ActorConsumer
			g, err := w.mem.Rest(t.Context(), r)
			must(t, err)
			must(t, w.cache.Ended(t.Context(), g.ID, g.Epoch))
		}
		check := func(name string, b answer) {
			t.Helper()
			if !b.is(http.StatusServiceUnavailable, "temporarily_unavailable") || b.header.Get("Retry-After") != "3600" || !strings.Contains(b.raw, tt.says) {
				t.Errorf("%s: %s: %s, Retry-After %s", tt.name, name, b, b.header.Get("Retry-After"))
			}
		}
		if b := rs.introspect(a.text("access_token"), ""); b.body["active"] != true {
			t.Fatal(b)
		}
		rest(tt.begin)
		check("refresh", c.refresh(a.text("refresh_token"), nil))
		if b := rs.introspect(a.text("access_token"), ""); b.raw != inactive {
			t.Errorf("%s: introspection: %s", tt.name, b)
		}
		if b := w.client("other").refresh(a.text("refresh_token"), nil); !b.is(http.StatusBadRequest, "invalid_grant") {
			t.Errorf("%s: another client learns of the rest: %s", tt.name, b)
		}
		rest(tt.end)
		if b := c.refresh(a.text("refresh_token"), nil); b.status != http.StatusOK {
			t.Errorf("%s: afterwards: %s", tt.name, b)
		}
		if b := rs.introspect(a.text("access_token"), ""); b.body["active"] != true {
			t.Errorf("%s: afterwards: %s", tt.name, b)
		}
		// It begins between the two looks that the server takes at the grant.
		w.stores.before = func(call string) error {
			if call == "Renew" {
				tt.begin.Case += "2"
				if tt.begin.Kind == consent.EventPaused {
					tt.begin.Case = ""
				}
				rest(tt.begin)
			}
			return nil
		}
		check("refresh at the last moment", c.refresh(a.text("refresh_token"), nil))
		w.stores.before = nil
		end := consent.End{Grant: w.grant().ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer}
		_, err := w.mem.End(t.Context(), end)
		must(t, err)
		if b := c.refresh(a.text("refresh_token"), nil); !b.is(http.StatusBadRequest, "invalid_grant") {
			t.Errorf("%s: after the end: %s", tt.name, b)
		}
	}
}
