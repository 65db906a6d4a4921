package authz_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

const openidScope = "openid " + basicScope

// speaksOpenID lets a client ask for openid.
func (w *world) speaksOpenID(ids ...consent.RecipientID) {
	w.t.Helper()
	for _, id := range ids {
		w.change(id, func(r *consent.Recipient) { r.Scopes = append(slices.Clone(r.Scopes), fdx.ScopeOpenID) })
	}
}

// signIn lets somebody approve a request for an ID token and redeems the code.
func (c client) signIn(name string, more url.Values) answer {
	c.w.t.Helper()
	asked := url.Values{"scope": {openidScope}}
	for k, v := range more {
		asked[k] = v
	}
	back := c.w.person(name).approve(c.front(c.asks(asked)))
	if back.Get("code") == "" {
		c.w.t.Fatalf("no code came back: %v", back)
	}
	return c.redeem(back.Get("code"), nil)
}

// subject is the sub that a client sees.
func (c client) subject(name string) string {
	c.w.t.Helper()
	a := c.signIn(name, nil)
	_, id := c.w.verified(a.text("id_token"))
	return id["sub"].(string)
}

func TestAnIDTokenSaysWhatWasAskedAndNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.speaksOpenID("app")
	c := w.client("app")
	long := strings.Repeat("n", 384)
	for name, tt := range map[string]struct {
		ask  url.Values
		more []string
	}{
		"nothing":                     {nil, nil},
		"a nonce":                     {url.Values{"nonce": {"a b\"c\\d/é\u2028"}}, []string{"nonce"}},
		"a nonce of 384 characters":   {url.Values{"nonce": {long}}, []string{"nonce"}},
		"an empty nonce":              {url.Values{"nonce": {""}}, nil},
		"max_age":                     {url.Values{"max_age": {"3600"}}, []string{"auth_time"}},
		"max_age of zero":             {url.Values{"max_age": {"0"}}, []string{"auth_time"}},
		"acr_values":                  {url.Values{"acr_values": {"urn:example:gold"}}, []string{"acr"}},
		"empty acr_values":            {url.Values{"acr_values": {""}}, nil},
		"claims: auth_time":           {url.Values{"claims": {`{"id_token":{"auth_time":{"essential":true}}}`}}, []string{"auth_time"}},
		"claims: auth_time, null":     {url.Values{"claims": {`{"id_token":{"auth_time":null}}`}}, []string{"auth_time"}},
		"claims: acr":                 {url.Values{"claims": {`{"id_token":{"acr":{"values":["x"]}}}`}}, []string{"acr"}},
		"claims: a name":              {url.Values{"claims": {`{"id_token":{"name":null,"email":{"essential":true}}}`}}, nil},
		"claims elsewhere":            {url.Values{"claims": {`{"userinfo":{"acr":null,"auth_time":null}}`}}, nil},
		"claims: nobody in special":   {url.Values{"claims": {`{"id_token":{"sub":null}}`}}, nil},
		"claims: somebody who exists": {url.Values{"claims": {`{"id_token":{"sub":{"essential":true}}}`}}, nil},
		"everything": {
			url.Values{"nonce": {"n"}, "max_age": {"60"}, "acr_values": {"x"}, "claims": {`{"id_token":{"auth_time":null,"acr":null}}`}},
			[]string{"nonce", "auth_time", "acr"},
		},
	} {
		signedIn := w.clock.now().Unix()
		a := c.signIn("alice", tt.ask)
		if a.status != http.StatusOK || a.text("scope") != openidScope {
			t.Fatalf("%s: %s", name, a)
		}
		h, id := w.verified(a.text("id_token"))
		if h.Algorithm != "ES256" || len(h.ExtraHeaders) != 0 {
			t.Errorf("%s: header %+v", name, h)
		}
		if !only(id, append([]string{"iss", "sub", "aud", "exp", "iat"}, tt.more...)...) {
			t.Errorf("%s: %v", name, id)
		}
		now := float64(w.clock.now().Unix())
		if id["iss"] != issuer || id["aud"] != "app" || id["iat"] != now || id["exp"] != now+300 || len(id["sub"].(string)) != 43 {
			t.Errorf("%s: %v", name, id)
		}
		for claim, want := range (claims{"nonce": tt.ask.Get("nonce"), "auth_time": float64(signedIn), "acr": "urn:headgate:acr:password"}) {
			if got, ok := id[claim]; ok && got != want {
				t.Errorf("%s: %s %v, want %v", name, claim, got, want)
			}
		}
		w.clock.advance(7 * time.Second)
	}
}

// auth_time is when the person signed in, not when the token was made.
func TestAuthTimeIsTheTimeOfTheSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.speaksOpenID("app")
	c := w.client("app")
	alice := w.person("alice")
	id := alice.journey(c.front(c.asks(url.Values{"scope": {openidScope}, "max_age": {"60"}})))
	alice.decide(id, consent.Approved)
	signedIn := w.clock.now().Unix()
	w.clock.advance(5 * time.Minute)
	code := w.back(alice.resume(id)).Get("code")
	w.clock.advance(40 * time.Second)
	if _, got := w.verified(c.redeem(code, nil).text("id_token")); got["auth_time"] != float64(signedIn) || got["iat"] != float64(signedIn+340) {
		t.Errorf("%v", got)
	}
}

func TestAnIDTokenComesWithOpenIDOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.speaksOpenID("app")
	c := w.client("app")
	a := c.redeem(c.code(func(f url.Values) { f.Set("nonce", "n") }), nil)
	if a.status != http.StatusOK || a.body["id_token"] != nil || a.text("scope") != basicScope {
		t.Errorf("without openid: %s", a)
	}
	a = c.signIn("alice", url.Values{"nonce": {"n"}})
	if a.text("id_token") == "" || a.text("scope") != openidScope || !slices.Contains(w.live(a.text("access_token")).Access.Scopes, fdx.ScopeOpenID) {
		t.Errorf("with openid: %s", a)
	}
	// Nobody signs in for a refresh.
	for name, bend := range map[string]func(url.Values){"": nil, "of all": with("scope", openidScope)} {
		if again := c.refresh(a.text("refresh_token"), bend); again.status != http.StatusOK || again.body["id_token"] != nil || again.text("scope") != openidScope {
			t.Errorf("on refresh %s: %s", name, again)
		}
	}
}

// As when the data is asked for by authorization_details.
func TestAnIDTokenWhenOpenIDIsTheOnlyScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.speaksOpenID("app")
	c := w.client("app")
	a := c.signIn("alice", url.Values{"scope": {"openid"}})
	if _, id := w.verified(a.text("id_token")); id["aud"] != "app" || a.text("scope") != openidScope {
		t.Errorf("%s: %v", a, id)
	}
}

func TestAnIDTokenIsSignedAsRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.speaksOpenID("app")
	for _, alg := range []string{"ES256", "PS256", "EdDSA"} {
		w.change("app", func(r *consent.Recipient) { r.Profile.IDTokenAlg = alg })
		if h, _ := w.verified(w.client("app").signIn("alice", nil).text("id_token")); h.Algorithm != alg {
			t.Errorf("%s: signed with %s", alg, h.Algorithm)
		}
	}
}

func TestEachRecipientKnowsAPersonByAnotherName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.speaksOpenID("app", "other")
	app, other := w.client("app"), w.client("other")
	seen := map[string]string{}
	for who, sub := range map[string]string{
		"alice at app": app.subject("alice"), "bob at app": app.subject("bob"),
		"alice at other": other.subject("alice"), "bob at other": other.subject("bob"),
	} {
		if before, twice := seen[sub]; twice || strings.Contains(sub, "alice") {
			t.Errorf("%s is %s, as is %s", who, sub, before)
		}
		seen[sub] = who
	}
	w.clock.advance(24 * time.Hour)
	if sub := app.subject("alice"); seen[sub] != "alice at app" {
		t.Errorf("alice has a new name a day later: %s", sub)
	}
	// The names hang on the secret and on nothing of the process.
	again := newWorld(t)
	again.speaksOpenID("app")
	if sub := again.client("app").subject("alice"); seen[sub] != "alice at app" {
		t.Errorf("another process has another name: %s", sub)
	}
	elsewhere := newWorldWith(t, func(c *authz.Config) { c.Subjects = bytes.Repeat([]byte("q"), 32) })
	elsewhere.speaksOpenID("app")
	if sub := elsewhere.client("app").subject("alice"); seen[sub] != "" {
		t.Errorf("another secret, the same name: %s", sub)
	}
}

// OpenID Connect Core section 3.1.2.2: an answer about the person who was
// named, or none.
func TestOnlyThePersonWhoWasNamedIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.speaksOpenID("app")
	c := w.client("app")
	alice := c.subject("alice")
	named := func(sub string) url.Values {
		return url.Values{"scope": {openidScope}, "claims": {`{"id_token":{"sub":{"value":"` + sub + `"}}}`}}
	}
	if a := c.signIn("alice", named(alice)); a.status != http.StatusOK {
		t.Errorf("alice, named: %s", a)
	}
	for name, sub := range map[string]string{"another's": alice, "nobody's": "x", "by the bank's own name": "consumer-bob"} {
		bob := w.person("bob")
		id := bob.journey(c.front(c.asks(named(sub))))
		a, err := w.mem.Authorization(t.Context(), id, "bob")
		must(t, err)
		a.Consumer = "consumer-bob" // signed in, nothing chosen yet
		_, err = w.mem.Replace(t.Context(), a)
		must(t, err)
		if back := w.back(bob.resume(id)); back.Get("error") != "login_required" || back.Has("code") || back.Get("state") != "st" {
			t.Errorf("%s: %v", name, back)
		}
		if all, err := w.mem.GrantsOf(t.Context(), "consumer-bob"); err != nil || len(all) != 0 {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
	// What cannot be read restricts, rather than not.
	for _, broken := range []string{`{"id_token":{"sub":"` + alice + `"}}`, `{"id_token":`, `[]`, `{"id_token":[]}`, "x"} {
		if a := w.person("bob").open(c.front(c.asks(url.Values{"scope": {openidScope}, "claims": {broken}}))); !page(a, http.StatusServiceUnavailable, "server_error") {
			t.Errorf("%s: %s", broken, a)
		}
	}
}

// What stands in the address was not pushed and is not said.
func TestNothingOfTheAddressReachesAnIDToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.speaksOpenID("app")
	c := w.client("app")
	for name, pushed := range map[string]url.Values{"no nonce": {}, "another nonce": {"nonce": {"pushed"}}} {
		pushed.Set("scope", openidScope)
		query := c.front(c.asks(pushed))
		for name, value := range map[string]string{
			"nonce": "injected", "max_age": "1", "acr_values": "x", "prompt": "none", "response_mode": "jwt",
			"claims": `{"id_token":{"acr":null,"auth_time":null,"sub":{"value":"x"}}}`,
		} {
			query.Set(name, value)
		}
		back := w.person("alice").approve(query)
		_, id := w.verified(c.redeem(back.Get("code"), nil).text("id_token"))
		want := []string{"iss", "sub", "aud", "exp", "iat"}
		if pushed.Has("nonce") {
			want = append(want, "nonce")
		}
		if !only(id, want...) || pushed.Has("nonce") && id["nonce"] != "pushed" {
			t.Errorf("%s: %v", name, id)
		}
	}
	a := c.redeem(w.person("alice").approve(func() url.Values {
		q := c.front(c.pushed(nil))
		q.Set("scope", "openid")
		return q
	}()).Get("code"), nil)
	if a.status != http.StatusOK || a.body["id_token"] != nil {
		t.Errorf("openid in the address: %s", a)
	}
}

// A code is redeemed for everything that it is worth or not at all.
func TestAnIDTokenThatCannotBeSignedLeavesTheCode(t *testing.T) {
	t.Parallel()
	mute := &muteSigner{signer: signer{t}}
	w := newWorldWith(t, func(c *authz.Config) { c.Keys = mute })
	w.speaksOpenID("app")
	c := w.client("app")
	back := w.person("alice").approve(c.front(c.asks(url.Values{"scope": {openidScope}})))
	mute.broken = errors.New("no key")
	form, proof := c.signed(c.redemption(back.Get("code"))), c.proof("/token", nil)
	if a := w.post("/token", form, proof); !a.is(http.StatusInternalServerError, "server_error") {
		t.Errorf("%s", a)
	}
	mute.broken = nil
	if a := w.post("/token", form, proof); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("the same request again: %s", a)
	}
	if a := c.redeem(back.Get("code"), nil); a.status != http.StatusOK || a.text("id_token") == "" {
		t.Errorf("the code again: %s", a)
	}
	if w.grant().Status != consent.StatusActive {
		t.Error("the grant was ended")
	}
}
