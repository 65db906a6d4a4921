package authz_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

func TestRevocationOfAnAccessToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := c.tokens(nil)
	if b := c.revoke(a.text("access_token")); b.status != http.StatusOK || b.raw != "" {
		t.Fatal(b)
	}
	if w.usable(a.text("access_token")) {
		t.Error("it still works")
	}
	if g := w.grant(); g.Status != consent.StatusActive || g.Epoch != 2 || !slices.Equal(w.cache.told, []consent.GrantID{g.ID}) {
		t.Errorf("grant %+v, told %v", g, w.cache.told)
	}
	if b := c.refresh(a.text("refresh_token"), nil); b.status != http.StatusOK {
		t.Errorf("the refresh token: %s", b)
	}
	if b := c.revoke(a.text("access_token")); b.status != http.StatusOK || w.grant().Epoch != 2 {
		t.Errorf("again: %s, epoch %d", b, w.grant().Epoch)
	}
}

func TestRevocationOfARefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := c.tokens(nil)
	b := c.refresh(a.text("refresh_token"), nil)
	// A wrong hint changes nothing: the prefix says what it is.
	form := url.Values{"token": {a.text("refresh_token")}, "token_type_hint": {"access_token"}}
	if r := w.post("/revoke", c.signed(form), nil); r.status != http.StatusOK {
		t.Fatal(r)
	}
	for _, secret := range []string{a.text("access_token"), b.text("access_token")} {
		if w.usable(secret) {
			t.Error("an access token still works")
		}
	}
	if r := c.refresh(a.text("refresh_token"), nil); !r.is(http.StatusBadRequest, "invalid_grant") {
		t.Error(r)
	}
	if w.grant().Epoch != 2 || len(w.cache.told) != 1 {
		t.Errorf("epoch %d, told %v", w.grant().Epoch, w.cache.told)
	}
	// What was given back are tokens: the consent is the person's, and stays.
	if g := w.grant(); g.Status != consent.StatusActive {
		t.Errorf("the grant is %s", g.Status)
	}
}

// RFC 7009 section 2.2: what is not there is as good as revoked, and what is
// somebody else's is not there.
func TestRevocationThatChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, other := w.client("app"), w.client("other")
	code := c.code(nil)
	a := c.redeem(code, nil)
	unknown := func(k token.Kind) string { s, _ := w.hasher.New(k); return s.Reveal() }
	for name, secret := range map[string]string{
		"text":                 "x",
		"an unknown access":    unknown(token.KindAccess),
		"an unknown refresh":   unknown(token.KindRefresh),
		"a token cut short":    a.text("access_token")[:30],
		"a token without kind": a.text("access_token")[5:],
		"a JWT":                "eyJhbGciOiJub25lIn0.e30.",
		"60 KiB":               strings.Repeat("x", 60<<10),
		"two tokens":           a.text("access_token") + " " + a.text("refresh_token"),
		"a code cut short":     code[:30],
		"an unknown client's":  unknown(token.KindClient),
		"in another kind":      "hgrt_" + a.text("access_token")[5:],
	} {
		if b := c.revoke(secret); b.status != http.StatusOK || b.raw != "" {
			t.Errorf("%s: %s", name, b)
		}
	}
	for _, name := range []string{"access_token", "refresh_token"} {
		if b := other.revoke(a.text(name)); b.status != http.StatusOK {
			t.Errorf("by another client: %s", b)
		}
	}
	if !w.usable(a.text("access_token")) || w.grant().Epoch != 1 || len(w.cache.told) != 0 {
		t.Errorf("something changed: %+v, told %v", w.grant(), w.cache.told)
	}
	for name, secret := range map[string]string{
		"a code": code, "an unknown code": unknown(token.KindCode), "a request_uri": unknown(token.KindPushed),
	} {
		if b := c.revoke(secret); !b.is(http.StatusBadRequest, "unsupported_token_type") {
			t.Errorf("%s: %s", name, b)
		}
	}
	for name, form := range map[string]url.Values{"no token": {}, "an empty token": {"token": {""}}} {
		if b := w.post("/revoke", c.signed(form), nil); !b.is(http.StatusBadRequest, "invalid_request") {
			t.Errorf("%s: %s", name, b)
		}
	}
}

// RFC 7009 section 2.2.1: a store that cannot say is no yes.
func TestRevocationWithoutTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := c.tokens(nil)
	own, _ := w.hasher.New(token.KindClient)
	for call, secret := range map[string]string{
		"RevokeAccess": a.text("access_token"), "RevokeRefresh": a.text("refresh_token"), "RevokeClient": own.Reveal(), "Spend": a.text("access_token"),
	} {
		w.stores.before = failing(call, consent.ErrUnavailable)
		if b := c.revoke(secret); !b.is(http.StatusServiceUnavailable, "temporarily_unavailable") {
			t.Errorf("%s: %s", call, b)
		}
	}
	if w.grant().Epoch != 1 || len(w.cache.told) != 0 {
		t.Error("something changed")
	}
}

func TestRevocationOfAClientsOwnToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret, h := w.hasher.New(token.KindClient)
	must(t, w.mem.IssueClient(t.Context(), token.ClientAccess{
		Hash: h, Recipient: "app", KeyThumbprint: "k", ExpiresAt: w.clock.now().Add(time.Minute),
	}))
	for _, step := range []struct {
		by   string
		gone bool
	}{{"other", false}, {"app", true}, {"app", true}} {
		if b := w.client(step.by).revoke(secret.Reveal()); b.status != http.StatusOK || b.raw != "" {
			t.Errorf("%s: %s", step.by, b)
		}
		if _, err := w.mem.ClientAccess(t.Context(), h); errors.Is(err, token.ErrNotFound) != step.gone {
			t.Errorf("%s: %v", step.by, err)
		}
	}
}

// A cache that cannot be told is waited for until what it holds is too old to
// be served, also by whoever asks a second time.
func TestARevocationWaitsForACacheThatCannotBeTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cache.err = errors.New("cache is down")
	c := w.client("app")
	a := c.tokens(nil)
	for i, name := range []string{"access_token", "access_token", "refresh_token", "refresh_token"} {
		if b := c.revoke(a.text(name)); b.status != http.StatusOK {
			t.Error(b)
		}
		if len(w.cache.waited) != i+1 || w.cache.waited[i] <= consent.Freshness {
			t.Errorf("%d: waited %v", i, w.cache.waited)
		}
		if len(w.cache.told) != i+1 || w.cache.patience <= 0 || w.cache.patience > 250*time.Millisecond {
			t.Errorf("%d: told %v, would have waited %s", i, w.cache.told, w.cache.patience)
		}
	}
	// What is unknown or another's needs no waiting, and tells nothing.
	unknown, _ := w.hasher.New(token.KindAccess)
	for _, b := range []answer{c.revoke(unknown.Reveal()), w.client("other").revoke(a.text("access_token"))} {
		if b.status != http.StatusOK || len(w.cache.told) != 4 {
			t.Errorf("%s, told %v", b, w.cache.told)
		}
	}
}

// Who hangs up has revoked, but is not told so.
func TestARevocationOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		cache  error
		status int
	}{"told": {nil, http.StatusOK}, "not told": {errors.New("cache is down"), http.StatusServiceUnavailable}} {
		w := newWorldWith(t, func(c *authz.Config) {
			// A wait that only the caller's leaving ends.
			var err error
			c.Stop, err = consent.NewService(consent.ServiceConfig{
				Store: c.Requests.(consent.Store), Cache: c.Cache.(consent.Cache), After: func(time.Duration) <-chan time.Time { return nil },
			})
			must(t, err)
		})
		w.cache.err = row.cache
		c := w.client("app")
		a := c.tokens(nil)
		ctx, hangUp := context.WithCancel(t.Context())
		w.stores.before = func(call string) error {
			if call == "RevokeAccess" {
				hangUp()
			}
			return nil
		}
		form := c.signed(url.Values{"token": {a.text("access_token")}})
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/revoke", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if b := w.do(w.protocol, r); b.status != row.status || w.usable(a.text("access_token")) || len(w.cache.told) != 1 {
			t.Errorf("%s: %s, told %v", name, b, w.cache.told)
		}
	}
}
