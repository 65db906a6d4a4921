package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// asks pushes a request with more parameters.
func (c client) asks(more url.Values) string {
	c.w.t.Helper()
	c.w.stores.amend = func(p *token.Pushed) {
		for name := range more {
			p.Params[name] = more.Get(name)
		}
	}
	defer func() { c.w.stores.amend = nil }()
	return c.pushed(nil)
}

// verified opens a JWS with the published key that its header names.
func (w *world) verified(text string) (jose.Header, claims) {
	w.t.Helper()
	var published jose.JSONWebKeySet
	must(w.t, json.Unmarshal([]byte(w.do(w.protocol, httptest.NewRequest(http.MethodGet, "/jwks", nil)).raw), &published))
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256, jose.PS256, jose.EdDSA})
	must(w.t, err)
	h := jws.Signatures[0].Protected
	found := published.Key(h.KeyID)
	if h.KeyID == "" || len(found) != 1 {
		w.t.Fatalf("kid %q names %d published keys", h.KeyID, len(found))
	}
	payload, err := jws.Verify(found[0])
	must(w.t, err)
	var c claims
	must(w.t, json.Unmarshal(payload, &c))
	return h, c
}

// signedBack reads a signed response (JARM); nothing may stand beside it.
func (w *world) signedBack(a answer) (jose.Header, claims) {
	w.t.Helper()
	back := w.back(a)
	if !only(back, "response") {
		w.t.Fatalf("beside response: %v", back)
	}
	h, c := w.verified(w.secret(back.Get("response")))
	for _, name := range []string{"code", "error", "error_description"} {
		text, _ := c[name].(string)
		if name == "code" {
			w.secret(text)
		} else if !plainText(text) {
			w.t.Errorf("%s is not plain: %s", name, text)
		}
	}
	return h, c
}

func TestASignedResponse(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"", "ES256", "PS256", "EdDSA"} {
		w := newWorld(t)
		w.change("app", func(r *consent.Recipient) { r.Profile.ResponseAlg = alg })
		c := w.client("app")
		alice := w.person("alice")
		jwt := url.Values{"response_mode": {"jwt"}, "state": {"a b&c=d/é\u2028\"\\"}}

		id := alice.journey(c.front(c.asks(jwt)))
		alice.decide(id, consent.Approved)
		h, got := w.signedBack(alice.resume(id))
		now := float64(w.clock.now().Unix())
		if want := map[string]string{"": "ES256"}[alg] + alg; h.Algorithm != want || len(h.ExtraHeaders) != 0 {
			t.Errorf("%s: header %+v", alg, h)
		}
		if !only(got, "iss", "aud", "exp", "code", "state") || got["iss"] != issuer || got["aud"] != "app" || got["exp"] != now+60 ||
			got["state"] != jwt.Get("state") {
			t.Errorf("%s: %v", alg, got)
		}
		if a := c.redeem(got["code"].(string), nil); a.status != http.StatusOK {
			t.Errorf("%s: %s", alg, a)
		}

		id = alice.journey(c.front(c.asks(jwt)))
		alice.decide(id, consent.Denied)
		_, got = w.signedBack(alice.resume(id))
		if !only(got, "iss", "aud", "exp", "error", "error_description", "state") || got["error"] != "access_denied" || got["aud"] != "app" ||
			got["state"] != jwt.Get("state") || got["exp"] != now+60 {
			t.Errorf("%s: %v", alg, got)
		}

		id = alice.journey(c.front(c.asks(url.Values{"response_mode": {"jwt"}, "state": {""}})))
		alice.decide(id, consent.Approved)
		if _, got = w.signedBack(alice.resume(id)); !only(got, "iss", "aud", "exp", "code") {
			t.Errorf("%s: no state was sent: %v", alg, got)
		}
	}
}

func TestASignedResponseKeepsTheRegisteredQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	registered := callback + "?dummy1=lorem&dummy2=ipsum"
	id := alice.journey(c.front(c.asks(url.Values{"response_mode": {"jwt"}, "redirect_uri": {registered}})))
	alice.decide(id, consent.Approved)
	to := alice.resume(id).header.Get("Location")
	rest, ok := strings.CutPrefix(to, registered+"&response=")
	if !ok || strings.ContainsAny(rest, "?&=#") {
		t.Fatalf("%s", w.secret(to))
	}
	if _, got := w.verified(w.secret(rest)); w.secret(got["code"].(string)) == "" {
		t.Error("no code")
	}
}

// Every way in which a journey ends without a code ends in a signed response
// for who asked for one.
func TestEveryRefusalIsSignedWhenAsked(t *testing.T) {
	t.Parallel()
	jwt := url.Values{"response_mode": {"jwt"}}
	for want, end := range map[string]func(*world, person, client) answer{
		"login_required": func(_ *world, p person, c client) answer {
			return p.open(c.front(c.asks(url.Values{"response_mode": {"jwt"}, "prompt": {"none"}})))
		},
		"unauthorized_client": func(w *world, p person, c client) answer {
			id := p.journey(c.front(c.asks(jwt)))
			w.change("app", func(r *consent.Recipient) { r.Status = consent.RecipientRestricted })
			return p.resume(id)
		},
		"access_denied": func(w *world, p person, c client) answer {
			id := p.journey(c.front(c.asks(jwt)))
			w.clock.advance(consent.JourneyTime)
			return p.resume(id)
		},
	} {
		w := newWorld(t)
		_, got := w.signedBack(end(w, w.person("alice"), w.client("app")))
		if !only(got, "iss", "aud", "exp", "error", "error_description", "state") || got["error"] != want || got["state"] != "st" {
			t.Errorf("%s: %v", want, got)
		}
	}
}

// What cannot be said is not decided: nothing is stored, and the person can
// go on as soon as it can be said.
func TestAResponseThatCannotBeSigned(t *testing.T) {
	t.Parallel()
	for _, d := range []consent.Decision{consent.Approved, consent.Denied} {
		mute := &muteSigner{signer: signer{t}, broken: errors.New("no key")}
		w := newWorldWith(t, func(c *authz.Config) { c.Keys = mute })
		c := w.client("app")
		alice := w.person("alice")
		id := alice.journey(c.front(c.asks(url.Values{"response_mode": {"jwt"}})))
		alice.decide(id, d)
		if a := alice.resume(id); !page(a, http.StatusServiceUnavailable, "server_error") || a.text("retry") != "/authorize/"+string(id) {
			t.Errorf("%s: %s", d, a)
		}
		if kept, err := w.mem.Authorization(t.Context(), id, "alice"); err != nil || kept.Answered || len(w.grants()) != 0 {
			t.Errorf("%s: decided: %+v, %v", d, kept, err)
		}
		mute.broken = nil
		if _, got := w.signedBack(alice.resume(id)); (got["code"] != nil) != (d == consent.Approved) {
			t.Errorf("%s: then: %v", d, got)
		}
	}
}

// A mode that nobody knows is no reason to guess.
func TestAnUnknownModeIsNotAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	id := alice.journey(c.front(c.asks(url.Values{"response_mode": {"fragment"}})))
	alice.decide(id, consent.Approved)
	if a := alice.resume(id); !page(a, http.StatusServiceUnavailable, "server_error") || len(w.grants()) != 0 {
		t.Errorf("%s, %d grants", a, len(w.grants()))
	}
}

// muteSigner signs nothing while it is broken.
type muteSigner struct {
	signer
	broken error
}

func (m *muteSigner) Sign(ctx context.Context, alg, typ string, claims any) (string, error) {
	if m.broken != nil {
		return "", m.broken
	}
	return m.signer.Sign(ctx, alg, typ, claims)
}

// Each sharing asks for a sign-in and a decision, so that there is never
// anything to answer without a page.
func TestWhoMayShowNoPageIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	c.code(nil) // alice has signed in and shared before
	query := c.front(c.asks(url.Values{"prompt": {"none"}}))
	back := w.back(alice.open(query))
	if !only(back, "error", "error_description", "iss", "state") || back.Get("error") != "login_required" || back.Get("state") != "st" {
		t.Errorf("%v", back)
	}
	if a := alice.open(query); !page(a, http.StatusBadRequest, "invalid_request_uri") {
		t.Errorf("again: %s", a)
	}
	for _, prompt := range []string{"login", "consent", "login consent", "select_account"} {
		alice.journey(c.front(c.asks(url.Values{"prompt": {prompt}}))) // a page of its own, as always
	}
}
