package authz_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/limit"
)

func limitedWorld(t *testing.T, l authz.Limits) *world {
	t.Helper()
	return newWorldWith(t, func(c *authz.Config) { c.Limits = l })
}

// tooMany fails the test unless the answer is the refusal of one too many.
func tooMany(t *testing.T, what string, a answer, retry string) {
	t.Helper()
	if !a.is(http.StatusTooManyRequests, "temporarily_unavailable") || a.header.Get("Retry-After") != retry {
		t.Errorf("%s: %s, Retry-After %q", what, a, a.header.Get("Retry-After"))
	}
}

func TestRequestsOfOneClient(t *testing.T) {
	t.Parallel()
	w := limitedWorld(t, authz.Limits{Clients: 3})
	app, other := w.client("app"), w.client("other")
	a := app.tokens(nil) // two of them: a push and a redemption
	if got := a.header.Get("RateLimit-Policy") + " " + a.header.Get("RateLimit"); got != `"client";q=3;w=60 "client";r=1;t=40` {
		t.Error(got)
	}
	form := app.signed(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.text("refresh_token")}})
	proof := app.proof("/token", nil)
	if b := w.post("/token", form, proof); b.status != http.StatusOK {
		t.Fatal(b)
	}
	tooMany(t, "a push", app.push(nil), "20")
	form = app.signed(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.text("refresh_token")}})
	proof = app.proof("/token", nil)
	tooMany(t, "a token request", w.post("/token", form, proof), "20")
	if b := other.push(nil); b.status != http.StatusCreated {
		t.Errorf("another client: %s", b)
	}
	w.clock.advance(20 * time.Second)
	// Nothing was spent by the refusal.
	if b := w.post("/token", form, proof); b.status != http.StatusOK {
		t.Errorf("the same again: %s", b)
	}
}

// Revocation is counted apart: nothing else uses it up.
func TestRevocationHasALaneOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]authz.Limits{
		"clients":   {Clients: 2, Stops: 2},
		"strangers": {Strangers: 10, Stops: 2},
	} {
		w := limitedWorld(t, l)
		app := w.client("app")
		a, own := app.tokens(nil), app.ownToken("grant_management_query", "grant_management_revoke")
		for range 20 { // neither of the two is left after that
			if l.Strangers > 0 {
				w.post("/token", url.Values{}, nil)
				continue
			}
			app.push(nil)
		}
		if b := app.manage(http.MethodGet, own, string(w.grant().ID)); b.status != http.StatusTooManyRequests {
			t.Errorf("%s: a query: %s", name, b)
		}
		if b := app.revoke(a.text("access_token")); b.status != http.StatusOK {
			t.Errorf("%s: revocation: %s", name, b)
		}
		if b := app.manage(http.MethodDelete, own, string(w.grant().ID)); b.status != http.StatusNoContent {
			t.Errorf("%s: end of the grant: %s", name, b)
		}
		tooMany(t, name+": its own bound", app.revoke(a.text("access_token")), "30")
	}
}

// Nobody uses up the quota of a client without its key.
func TestAStrangerUsesUpNothingOfAClient(t *testing.T) {
	t.Parallel()
	w := limitedWorld(t, authz.Limits{Clients: 1, Stops: 1, Introspections: 1})
	app := w.client("app")
	thief := app
	thief.key = keys().otherEC
	for _, path := range []string{"/par", "/token", "/revoke", "/introspect"} {
		if a := w.post(path, thief.signed(url.Values{"token": {"x"}}), nil); !a.is(http.StatusUnauthorized, "invalid_client") || a.header.Get("RateLimit") != "" {
			t.Fatalf("%s: %s", path, a)
		}
	}
	if a := app.push(nil); a.status != http.StatusCreated {
		t.Errorf("the client itself: %s", a)
	}
	if a := app.revoke("x"); a.status != http.StatusOK {
		t.Errorf("the client itself: %s", a)
	}
}

func TestRequestsOfOneResourceServer(t *testing.T) {
	t.Parallel()
	w := limitedWorld(t, authz.Limits{Introspections: 2, Clients: 10})
	rs, another := w.resourceServer("rs", nil), w.resourceServer("rs2", nil)
	secret := w.client("app").tokens(nil).text("access_token")
	for range 2 {
		if a := rs.introspect(secret, ""); a.status != http.StatusOK || a.header.Get("RateLimit-Policy") != `"introspection";q=2;w=60` {
			t.Fatalf("%s %v", a, a.header)
		}
	}
	tooMany(t, "introspection", rs.introspect(secret, ""), "30")
	if a := another.introspect(secret, ""); a.status != http.StatusOK {
		t.Errorf("another one: %s", a)
	}
}

// What nobody authenticates counts by its address, wherever it is sent.
func TestRequestsOfStrangers(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	where := netip.MustParseAddr("192.0.2.1")
	c := r.cfg
	c.Limits = authz.Limits{Strangers: 4, Instances: 2, Address: func(*http.Request) netip.Addr { return where }}
	s, err := authz.New(c)
	must(t, err)
	w := r.world
	w.protocol, err = s.Protocol()
	must(t, err)
	w.browser, err = s.Browser()
	must(t, err)
	app := w.client("app")
	every := map[string]func() answer{
		"a push":              func() answer { return w.post("/par", url.Values{"client_id": {"app"}}, nil) },
		"a token request":     func() answer { return w.post("/token", url.Values{"client_id": {"app"}}, nil) },
		"an introspection":    func() answer { return w.post("/introspect", url.Values{}, nil) },
		"a registration":      func() answer { return r.send(w.protocol, http.MethodPost, "/register", "", []byte("{}")) },
		"a registered client": func() answer { return r.send(w.protocol, http.MethodGet, "/register/x", "x", nil) },
		"an authorization":    func() answer { return w.person("p").open(url.Values{}) },
		"a page of one":       func() answer { return w.person("p").resume("x") },
		"a query of a grant": func() answer {
			return w.do(w.protocol, httptest.NewRequest(http.MethodGet, "/grants/x", nil))
		},
	}
	last := byte(1)
	move := func() {
		last++
		where = netip.AddrFrom4([4]byte{192, 0, 2, last})
	}
	for name, ask := range every {
		move()
		for range 2 { // half of four, because there are two instances
			if a := ask(); a.status < 400 || a.status == http.StatusTooManyRequests {
				t.Errorf("%s: %s", name, a)
			}
		}
		for other, ask := range every {
			tooMany(t, other+" after "+name, ask(), "30")
		}
		tooMany(t, "a good request after "+name, app.push(nil), "30")
	}
	move()
	for range 5 { // whoever authenticates is no stranger
		app.pushed(nil)
	}
	for range 2 {
		w.post("/revoke", url.Values{}, nil)
	}
	tooMany(t, "revocation", w.post("/revoke", url.Values{}, nil), "30")
	if a := app.push(nil); a.status != http.StatusCreated {
		t.Errorf("a push after bad revocations: %s", a)
	}
	// A page that can be tried again.
	move()
	uri := app.pushed(nil)
	for range 3 {
		w.person("q").open(url.Values{})
	}
	if a := w.person("q").open(app.front(uri)); a.status != http.StatusTooManyRequests || a.text("retry") == "" {
		t.Error(a)
	}
	w.clock.advance(30 * time.Second)
	w.person("q").journey(app.front(uri))
}

func TestQuotasAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, l := range []authz.Limits{{Strangers: -1}, {Clients: limit.MaxQuota + 1}, {Introspections: -1}, {Stops: -1}} {
		c := w.cfg
		c.Limits = l
		if _, err := authz.New(c); err == nil {
			t.Errorf("%+v is taken", l)
		}
	}
	if a := w.client("app").push(nil); a.header.Get("RateLimit-Policy") != "" {
		t.Error("told of no limits")
	}
}

// holding is a registry of clients that answers when it is let.
type holding struct {
	consent.Recipients
	arrived, proceed chan struct{}
}

func (h holding) Recipient(ctx context.Context, id consent.RecipientID) (consent.Recipient, error) {
	if id == "app" {
		h.arrived <- struct{}{}
		<-h.proceed
	}
	return h.Recipients.Recipient(ctx, id)
}

func TestNobodyWaitsForAPlace(t *testing.T) {
	t.Parallel()
	h := holding{arrived: make(chan struct{}), proceed: make(chan struct{})}
	w := newWorldWith(t, func(c *authz.Config) {
		h.Recipients = c.Recipients
		c.Recipients, c.Limits.InFlight = h, 1
	})
	served := make(chan answer, 1)
	form := w.client("app").signed(url.Values{})
	go func() { served <- w.post("/par", form, nil) }()
	<-h.arrived
	other := w.client("other")
	for what, a := range map[string]answer{
		"a push":        other.push(nil),
		"a query":       other.manage(http.MethodGet, "x", "x"),
		"introspection": other.introspect("x", ""),
	} {
		if !a.is(http.StatusServiceUnavailable, "temporarily_unavailable") || a.header.Get("Retry-After") != "2" {
			t.Errorf("%s: %s", what, a)
		}
	}
	if a := other.revoke("x"); a.status != http.StatusOK {
		t.Errorf("revocation: %s", a)
	}
	for _, path := range []string{"/jwks", "/.well-known/openid-configuration"} {
		if a := w.do(w.protocol, httptest.NewRequest(http.MethodGet, path, nil)); a.status != http.StatusOK {
			t.Errorf("%s: %s", path, a)
		}
	}
	close(h.proceed)
	if a := <-served; !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("in flight: %s", a)
	}
	if a := other.push(nil); a.status != http.StatusCreated {
		t.Errorf("the place is not free again: %s", a)
	}
}
