package authz_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

const inactive = `{"active":false}`

// resourceServer registers a resource server with the key of "app" and returns it.
func (w *world) resourceServer(id string, bend func(*consent.Recipient)) client {
	w.t.Helper()
	r := consent.Recipient{
		ID: consent.RecipientID(id), Role: consent.RoleResourceServer, Status: consent.RecipientActive, Name: id,
		AuthMethod: consent.PrivateKeyJWT, AssertionAlg: "ES256", JWKS: set(w.t, keys().ec.Public()),
		Scopes: []fdx.Scope{fdx.AccountBasic.Scope(), fdx.Balances.Scope()},
	}
	if bend != nil {
		bend(&r)
	}
	must(w.t, w.mem.PutRecipient(w.t.Context(), r))
	return w.client(id)
}

func (c client) introspect(secret, accept string) answer {
	header := http.Header{}
	if accept != "" {
		header.Set("Accept", accept)
	}
	return c.w.post("/introspect", c.signed(url.Values{"token": {secret}}), header)
}

func wide(f url.Values) { f.Set("scope", basicScope+" fdx:transactions:read") }

func TestIntrospection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := c.tokens(wide)
	g := w.grant()
	at := w.clock.now().Unix()
	resource := func(id string, clusters ...any) any {
		return claims{"resourceType": "ACCOUNT", "resourceId": id, "dataClusters": clusters}
	}
	want := func(scope string, clusters ...any) claims {
		return claims{
			"active": true, "iss": issuer, "client_id": "app", "token_type": "DPoP", "scope": scope,
			"iat": float64(at), "exp": float64(at + 900), "cnf": claims{"jkt": thumbprint(t, keys().ec.Public())},
			"grant_id": string(g.ID), "fdxConsentId": string(g.ID),
			"authorization_details": []any{claims{
				"type": "fdx_v1.0", "fdxConsentId": string(g.ID), "lookbackPeriod": float64(g.LookbackDays),
				"resources": []any{resource("acc-1", clusters...), resource("acc-2", clusters...)},
			}},
		}
	}
	all := w.resourceServer("all", func(r *consent.Recipient) { r.Scopes = fdx.ScopesOf(fdx.NewClusters(fdx.AllClusters()...)) })
	for name, tt := range map[string]struct {
		by   client
		want claims
	}{
		"what it serves, and nothing of the rest": {w.resourceServer("rs", nil), want(basicScope, "ACCOUNT_BASIC")},
		"everything when it serves everything":    {all, want(basicScope+" fdx:transactions:read", "ACCOUNT_BASIC", "TRANSACTIONS")},
	} {
		if b := tt.by.introspect(a.text("access_token"), ""); b.status != http.StatusOK || !reflect.DeepEqual(b.body, tt.want) {
			t.Errorf("%s: %s", name, b)
		}
	}
	// A wrong hint changes nothing.
	f := url.Values{"token": {a.text("access_token")}, "token_type_hint": {"refresh_token"}}
	if b := w.post("/introspect", all.signed(f), nil); b.body["active"] != true {
		t.Error(b)
	}
}

// RFC 7662 section 2.2: whatever is not for the caller is one answer, without
// a word about why.
func TestIntrospectionTellsNothingOfWhatIsNotActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, rs := w.client("app"), w.resourceServer("rs", nil)
	code := c.code(wide)
	a := c.redeem(code, nil)
	access := a.text("access_token")
	if b := rs.introspect(access, ""); b.body["active"] != true {
		t.Fatal(b)
	}
	unknown := func(k token.Kind) string { s, _ := w.hasher.New(k); return s.Reveal() }
	own, h := w.hasher.New(token.KindClient)
	must(t, w.mem.IssueClient(t.Context(), token.ClientAccess{
		Hash: h, Recipient: "rs", Scopes: []string{basicScope}, KeyThumbprint: "k", ExpiresAt: w.clock.now().Add(time.Hour),
	}))
	for name, secret := range map[string]string{
		"text": "x", "a JWT": "eyJhbGciOiJub25lIn0.e30.", "60 KiB": strings.Repeat("x", 60<<10),
		"an unknown token": unknown(token.KindAccess), "a token cut short": access[:30], "a token without kind": access[5:],
		"two tokens": access + " " + access, "a refresh token": a.text("refresh_token"), "its bytes as an access token": "hgat_" + a.text("refresh_token")[5:],
		"a code": code, "a request_uri": unknown(token.KindPushed), "a client's own token": own.Reveal(),
	} {
		if b := rs.introspect(secret, ""); b.status != http.StatusOK || b.raw != inactive {
			t.Errorf("%s: %s", name, b)
		}
	}
	for name, by := range map[string]client{
		"the token's own recipient": c,
		"another recipient":         w.client("other"),
		"one that serves something else": w.resourceServer("other-scope", func(r *consent.Recipient) {
			r.Scopes = []fdx.Scope{fdx.Balances.Scope()}
		}),
		"one that serves only sign-in": w.resourceServer("sign-in", func(r *consent.Recipient) {
			r.Scopes = []fdx.Scope{fdx.ScopeOpenID, fdx.ScopeOfflineAccess}
		}),
		"one that serves nothing":     w.resourceServer("nothing", func(r *consent.Recipient) { r.Scopes = nil }),
		"one of an unknown role":      w.resourceServer("odd", func(r *consent.Recipient) { r.Role = "resource server" }),
		"a recipient with its scopes": w.resourceServer("no-role", func(r *consent.Recipient) { r.Role = "" }),
	} {
		if b := by.introspect(access, ""); b.status != http.StatusOK || b.raw != inactive {
			t.Errorf("%s: %s", name, b)
		}
	}
}

func TestIntrospectionOfATokenThatEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, c client, code string, a answer){
		"it expires":                   func(w *world, _ client, _ string, _ answer) { w.clock.advance(900 * time.Second) },
		"it is revoked":                func(_ *world, c client, _ string, a answer) { c.revoke(a.text("access_token")) },
		"its refresh token is revoked": func(_ *world, c client, _ string, a answer) { c.revoke(a.text("refresh_token")) },
		"its code is used again":       func(_ *world, c client, code string, _ answer) { c.redeem(code, nil) },
		"the consumer stops": func(w *world, _ client, _ string, _ answer) {
			s, err := consent.NewService(consent.ServiceConfig{Store: w.stores, Cache: w.cache, After: w.cache.after})
			must(w.t, err)
			_, err = s.StopByConsumer(w.t.Context(), "consumer-alice", w.grant().ID)
			must(w.t, err)
		},
		"its recipient is suspended, and a cache has had its time": func(w *world, _ client, _ string, _ answer) {
			r, err := w.mem.Recipient(w.t.Context(), "app")
			must(w.t, err)
			r.Status = consent.RecipientSuspended
			must(w.t, w.mem.PutRecipient(w.t.Context(), r))
			w.clock.advance(consent.Freshness + time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c, rs := w.client("app"), w.resourceServer("rs", nil)
			code := c.code(nil)
			a := c.redeem(code, nil)
			if b := rs.introspect(a.text("access_token"), ""); b.body["active"] != true {
				t.Fatal(b)
			}
			end(w, c, code, a)
			if b := rs.introspect(a.text("access_token"), ""); b.raw != inactive {
				t.Error(b)
			}
		})
	}
}

// A token ends by the clock of the store, whatever that of the server says.
func TestIntrospectionGoesByTheClockOfTheStore(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name          string
		ahead, passed time.Duration // of the store's clock; by the server's
		active        bool
	}{
		{"the server is behind, and the token is over", 5 * time.Minute, 10 * time.Minute, false},
		{"the server is behind, and it is not", 5 * time.Minute, 10*time.Minute - 2*time.Second, true},
		{"the server is ahead, and the token is over", -5 * time.Minute, 20 * time.Minute, false},
		{"the server is ahead, and it is not", -5 * time.Minute, 20*time.Minute - 2*time.Second, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			access := w.client("app").tokens(nil).text("access_token")
			w.stores.ahead = row.ahead
			w.clock.advance(row.passed)
			if b := w.resourceServer("rs", nil).introspect(access, ""); (b.body["active"] == true) != row.active {
				t.Error(b)
			}
		})
	}
}

func TestIntrospectionRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rs := w.resourceServer("rs", nil)
	access := w.client("app").tokens(nil).text("access_token")
	off := w.resourceServer("off", func(r *consent.Recipient) { r.Status = consent.RecipientSuspended })
	used := rs.signed(url.Values{"token": {access}})
	w.post("/introspect", used, nil)
	for name, tt := range map[string]struct {
		form   url.Values
		status int
		code   string
	}{
		"no token":            {rs.signed(url.Values{}), 400, "invalid_request"},
		"an empty token":      {rs.signed(url.Values{"token": {""}}), 400, "invalid_request"},
		"a token twice":       {rs.signed(url.Values{"token": {access, access}}), 400, "invalid_request"},
		"nobody":              {url.Values{"token": {access}}, 401, "invalid_client"},
		"a suspended server":  {off.signed(url.Values{"token": {access}}), 401, "invalid_client"},
		"an assertion reused": {used, 401, "invalid_client"},
	} {
		if b := w.post("/introspect", tt.form, nil); !b.is(tt.status, tt.code) {
			t.Errorf("%s: %s", name, b)
		}
	}
	if b := w.post("/introspect?token="+access, rs.signed(url.Values{}), nil); !b.is(400, "invalid_request") {
		t.Errorf("in the query: %s", b)
	}
}

// An outage must not look like a revocation.
func TestIntrospectionWithoutTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rs := w.resourceServer("rs", nil)
	access := w.client("app").tokens(nil).text("access_token")
	w.stores.before = failing("Live", errors.New("bug"))
	if b := rs.introspect(access, ""); !b.is(http.StatusInternalServerError, "server_error") {
		t.Error(b)
	}
	for _, call := range []string{"Live", "Spend"} {
		w.stores.before = failing(call, consent.ErrUnavailable)
		for _, accept := range []string{"", "application/token-introspection+jwt"} {
			if b := rs.introspect(access, accept); !b.is(http.StatusServiceUnavailable, "temporarily_unavailable") {
				t.Errorf("%s: %s", call, b)
			}
		}
	}
	w.stores.before = nil
	if b := rs.introspect(access, ""); b.body["active"] != true {
		t.Fatal(b)
	}
	// The cache knows for as long as it may.
	w.stores.before = failing("Live", consent.ErrUnavailable)
	w.clock.advance(consent.Freshness)
	if b := rs.introspect(access, ""); b.body["active"] != true {
		t.Error(b)
	}
	w.clock.advance(time.Millisecond)
	if b := rs.introspect(access, ""); b.status != http.StatusServiceUnavailable {
		t.Error(b)
	}
}

// With a warm cache the store is asked for nothing but to spend the assertion.
func TestIntrospectionSparesTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rs := w.resourceServer("rs", nil)
	access := w.client("app").tokens(nil).text("access_token")
	rs.introspect(access, "")
	var calls [3]atomic.Int64
	w.stores.before = func(call string) error {
		for i, name := range []string{"Live", "Recipient", "Spend"} {
			if call == name {
				calls[i].Add(1)
			}
		}
		return nil
	}
	counted := func() string {
		if b := rs.introspect(access, ""); b.body["active"] != true {
			t.Fatal(b)
		}
		return fmt.Sprint(calls[0].Swap(0), calls[1].Swap(0), calls[2].Swap(0))
	}
	for i, step := range []struct {
		advance time.Duration
		want    string // Live, Recipient, Spend
	}{
		{0, "0 0 1"},
		{2*time.Second - time.Millisecond, "0 0 1"},
		{time.Millisecond, "0 1 1"},  // the server's registration
		{consent.Freshness, "1 1 1"}, // and the token, which tells of its recipient
		{-time.Second, "0 1 1"},      // a clock that was set back makes nothing younger
	} {
		w.clock.advance(step.advance)
		if got := counted(); got != step.want {
			t.Errorf("%d: asked %s times, want %s", i, got, step.want)
		}
	}
	// A suspension takes effect within two seconds.
	r, err := w.mem.Recipient(t.Context(), "rs")
	must(t, err)
	r.Status = consent.RecipientSuspended
	must(t, w.mem.PutRecipient(t.Context(), r))
	w.clock.advance(2 * time.Second)
	if b := rs.introspect(access, ""); b.status != http.StatusUnauthorized {
		t.Error(b)
	}
}

// RFC 9701; FAPI 2.0 Message Signing section 5.5.
func TestSignedIntrospection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	access := w.client("app").tokens(nil).text("access_token")
	for _, alg := range []string{"", "ES256", "PS256", "EdDSA"} {
		rs := w.resourceServer("rs"+alg, func(r *consent.Recipient) { r.Profile.IntrospectionAlg = alg })
		if alg == "" {
			alg = "ES256"
		}
		plain := rs.introspect(access, "application/json")
		for name, secret := range map[string]string{"active": access, "not active": "x"} {
			b := rs.introspect(secret, "application/token-introspection+jwt")
			if b.status != 200 || b.header.Get("Content-Type") != "application/token-introspection+jwt" {
				t.Fatalf("%s: %s %v", name, b, b.header)
			}
			jws, err := jose.ParseSignedCompact(b.raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			must(t, err)
			key := serverKey(t, alg)
			payload, err := jws.Verify(key.Public())
			must(t, err)
			head, err := base64.RawURLEncoding.DecodeString(strings.Split(b.raw, ".")[0])
			must(t, err)
			var header, got claims
			must(t, errors.Join(json.Unmarshal(head, &header), json.Unmarshal(payload, &got)))
			if header["typ"] != "token-introspection+jwt" {
				t.Errorf("%s: header %v", name, header)
			}
			about, _ := got["token_introspection"].(claims)
			if !only(got, "iss", "aud", "iat", "token_introspection") || got["iss"] != issuer || got["aud"] != rs.id || got["iat"] != float64(w.clock.now().Unix()) {
				t.Errorf("%s: claims %v", name, got)
			}
			want := claims{"active": false}
			if name == "active" {
				want = plain.body
			}
			if !reflect.DeepEqual(about, want) {
				t.Errorf("%s: %v, want %v", name, about, want)
			}
		}
	}
	// An algorithm without a key gives nothing, least of all an unsigned answer.
	odd := w.resourceServer("odd", func(r *consent.Recipient) { r.Profile.IntrospectionAlg = "RS256" })
	if b := odd.introspect(access, "application/token-introspection+jwt"); !b.is(http.StatusInternalServerError, "server_error") {
		t.Error(b)
	}
}

func TestIntrospectionMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, _ := http.NewRequest(http.MethodGet, "/.well-known/oauth-authorization-server", nil)
	m := w.do(w.protocol, r).body
	algs := []any{"PS256", "ES256", "EdDSA"}
	for name, want := range map[string]any{
		"introspection_endpoint":                                   issuer + "/introspect",
		"introspection_endpoint_auth_methods_supported":            []any{"private_key_jwt"},
		"introspection_endpoint_auth_signing_alg_values_supported": algs,
		"introspection_signing_alg_values_supported":               []any{"ES256", "PS256", "EdDSA"},
	} {
		if !reflect.DeepEqual(m[name], want) {
			t.Errorf("%s: %v, want %v", name, m[name], want)
		}
	}
}
