package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/api"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
)

var update = flag.Bool("update", false, "write the golden files anew")

// varying matches what differs from run to run, and what it becomes.
var varying = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`https://127\.0\.0\.1:\d+`), "https://gateway"},
	{regexp.MustCompile(`(pageKey=|"next(?:PageKey|Offset)": ")[\w-]{20,}`), "${1}KEY"},
}

// wire is the answer as golden files have it: the headers that are a promise,
// and the body.
func wire(a reply) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP %d\n", a.status)
	for _, name := range []string{
		"Content-Type", "Cache-Control", "X-Content-Type-Options", "X-Fapi-Interaction-Id",
		"Www-Authenticate", "Retry-After", "Allow",
	} {
		for _, value := range a.header[name] {
			fmt.Fprintf(&b, "%s: %s\n", strings.ToLower(name), value)
		}
	}
	var indented bytes.Buffer
	if json.Indent(&indented, []byte(a.body), "", "  ") == nil {
		a.body = indented.String()
	}
	text := b.String() + "\n" + a.body + "\n"
	for _, v := range varying {
		text = v.what.ReplaceAllString(text, v.as)
	}
	return text
}

func golden(t *testing.T, name string, a reply) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(wire(a)), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := wire(a); got != string(want) {
		t.Errorf("%s differs; run with -update if it should:\n%s", path, got)
	}
}

const (
	idActive   = "aaaaaaaa-0000-4000-8000-000000000001"
	idOver     = "aaaaaaaa-0000-4000-8000-000000000002"
	idSwept    = "aaaaaaaa-0000-4000-8000-000000000003"
	idByApp    = "aaaaaaaa-0000-4000-8000-000000000004"
	idForAlice = "aaaaaaaa-0000-4000-8000-000000000005"
	idReplayed = "aaaaaaaa-0000-4000-8000-000000000006"
	idOnce     = "aaaaaaaa-0000-4000-8000-000000000007"
	idForeign  = "bbbbbbbb-0000-4000-8000-000000000001"
	idUnknown  = "cccccccc-0000-4000-8000-000000000001"
)

// furnish stores a grant in each state, and one of another recipient.
func (f *front) furnish(t *testing.T) {
	t.Helper()
	long := func(days int) func(*consent.Grant) {
		return func(g *consent.Grant) {
			g.CreatedAt = noon.AddDate(0, 0, -days)
			g.ExpiresAt = g.CreatedAt.AddDate(0, 0, 30)
		}
	}
	f.grant(t, idActive, nil)
	f.grant(t, idOver, long(40))
	f.grant(t, idSwept, long(50))
	f.grant(t, idByApp, long(3))
	f.grant(t, idForAlice, long(4))
	f.grant(t, idReplayed, long(5))
	f.grant(t, idOnce, func(g *consent.Grant) {
		g.Duration, g.DurationDays, g.Consumer = consent.OneTime, 0, "bob"
		g.ExpiresAt = g.CreatedAt.Add(2 * time.Hour)
	})
	f.grant(t, idForeign, func(g *consent.Grant) { g.Recipient = other })
	for _, e := range []consent.End{
		{Grant: idSwept, Status: consent.StatusExpired, Actor: consent.ActorTime},
		{Grant: idByApp, Status: consent.StatusRevoked, Actor: consent.ActorRecipient, Reason: consent.ReasonBusinessRule},
		{Grant: idForAlice, Status: consent.StatusRevoked, Actor: consent.ActorRecipient, Initiator: consent.ActorConsumer, Reason: consent.ReasonUserAction},
		{Grant: idReplayed, Status: consent.StatusRevoked, Actor: consent.ActorProvider, Reason: consent.ReasonCodeReplay},
	} {
		if _, err := f.grants.End(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.grants.TokensRevoked(idActive); err != nil {
		t.Fatal(err)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	f.furnish(t)
	c := f.client(app, nil)
	for _, row := range []struct{ name, method, path, body string }{
		{"consent-active", "GET", at(idActive), ""},
		{"consent-expired", "GET", at(idOver), ""},
		{"consent-revoked", "GET", at(idByApp), ""},
		{"consent-one-time", "GET", at(idOnce), ""},
		{"refused-consent-unknown", "GET", at(idUnknown), ""},
		{"refused-consent-unknown", "GET", at(idForeign), ""}, // to the byte
		{"refused-consent-unknown", "GET", at("..%2F" + idActive), ""},
		{"refused-consent-unknown", "GET", at("%00"), ""},
		{"refused-consent-unknown", "GET", at("%7B" + idActive + "%7D"), ""},

		{"revocations-none", "GET", revocationOf(idActive), ""},
		{"revocations-by-the-app", "GET", revocationOf(idByApp), ""},
		{"revocations-for-the-person", "GET", revocationOf(idForAlice), ""},
		{"revocations-by-the-bank", "GET", revocationOf(idReplayed), ""},
		{"revocations-expired", "GET", revocationOf(idOver), ""},
		{"revocations-expired-and-swept", "GET", revocationOf(idSwept), ""},
		{"refused-consent-unknown", "GET", revocationOf(idUnknown), ""},
		{"refused-consent-unknown", "GET", revocationOf(idForeign), ""},

		{"consents", "GET", consents, ""},
		{"consents-page", "GET", consents + "?limit=1&status=REVOKED&customerId=alice&unknown=x", ""},
		{"consents-one-person", "GET", consents + "?customerId=bob", ""},
		{"consents-none", "GET", consents + "?customerId=nobody", ""},
		{"refused-consents-status", "GET", consents + "?status=active", ""},
		{"refused-consents-twice", "GET", consents + "?status=ACTIVE&status=ACTIVE", ""},
		{"refused-consents-limit", "GET", consents + "?limit=0", ""},
		{"refused-consents-page-key", "GET", consents + "?pageKey=abc", ""},
		{"refused-query", "GET", consents + "?a=%zz", ""},

		{"refused-revocation-ended", "PUT", revocationOf(idByApp), forApp},
		{"refused-revocation-ended", "PUT", revocationOf(idOver), forApp},
		{"refused-consent-unknown", "PUT", revocationOf(idUnknown), forApp},
		{"refused-consent-unknown", "PUT", revocationOf(idForeign), forApp},

		{"refused-method-list", "POST", consents, "{}"},
		{"refused-method-consent", "DELETE", at(idActive), ""},
		{"refused-method-revocation", "POST", revocationOf(idActive), forApp},
		{"refused-no-resource", "GET", consents + "/", ""},
		{"refused-no-resource", "GET", at(idActive) + "/revocations", ""},
	} {
		golden(t, row.name, c.do(t, c.request(row.method, row.path, row.body)))
	}
	if f.status(t, idActive) != consent.StatusActive || f.status(t, idForeign) != consent.StatusActive {
		t.Error("something ended")
	}
}

// Requests of nobody: nothing is told and nothing ends. A grant's token is
// nobody here.
func TestWhoIsNotAuthenticated(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	f.furnish(t)
	c, cert, otherCert := f.client(app, nil), f.certified(t, app), f.certified(t, app)
	query := f.client(app, func(a *token.ClientAccess) { a.Scopes = []string{token.ScopeGrantQuery} })
	revoke := f.client(app, func(a *token.ClientAccess) { a.Scopes = []string{token.ScopeGrantRevoke} })
	expired := f.client(app, func(a *token.ClientAccess) { a.ExpiresAt = noon })
	unbound := f.client(app, func(a *token.ClientAccess) { a.KeyThumbprint = "" })
	thief := f.client(other, nil)
	kind := func(k token.Kind) func(*http.Request) {
		return func(r *http.Request) {
			stranger := *c
			secret, _ := f.hasher.New(k)
			stranger.token = secret.Reveal()
			r.Header.Set("Authorization", "DPoP "+stranger.token)
			r.Header.Set("DPoP", stranger.proof(r.Method, r.URL.Path, nil))
		}
	}
	claim := func(name string, value any) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("DPoP", c.proof(r.Method, r.URL.Path, func(m map[string]any) { m[name] = value }))
		}
	}
	none := func(*http.Request) {}

	const get, put = "GET", "PUT"
	for _, row := range []struct {
		name, method string
		c            *client
		spoil        func(*http.Request)
		status       int
		code, word   string // word stands in the first challenge
	}{
		{"no token", get, c, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "603", "DPoP algs"},
		{"another scheme", get, c, func(r *http.Request) { r.Header.Set("Authorization", "Basic YTpi") }, 401, "603", "DPoP algs"},
		{"two tokens", get, c, func(r *http.Request) { r.Header.Add("Authorization", "DPoP "+c.token) }, 400, "401", ""},
		{"token in the address", get, c, func(r *http.Request) { r.URL.RawQuery = "access_token=" + c.token }, 400, "401", ""},
		{"a grant's token", get, c, kind(token.KindAccess), 401, "603", `DPoP error="invalid_token"`},
		{"a grant's token to stop", put, c, kind(token.KindAccess), 401, "603", `DPoP error="invalid_token"`},
		{"a refresh token", get, c, kind(token.KindRefresh), 401, "603", `DPoP error="invalid_token"`},
		{"an unknown token", get, c, kind(token.KindClient), 401, "603", `DPoP error="invalid_token"`},
		{"an expired token", get, expired, none, 401, "603", `DPoP error="invalid_token"`},
		{"a token bound to nothing", get, unbound, none, 401, "603", `DPoP error="invalid_token"`},
		{"a token without its scope", get, revoke, none, 403, "403", `DPoP error="insufficient_scope", scope="grant_management_query"`},
		{"a token that may only look", put, query, none, 403, "403", `DPoP error="insufficient_scope", scope="grant_management_revoke"`},
		{"no proof", get, c, func(r *http.Request) { r.Header.Del("DPoP") }, 401, "603", `DPoP error="invalid_dpop_proof"`},
		{"two proofs", get, c, func(r *http.Request) { r.Header.Add("DPoP", c.proof(get, r.URL.Path, nil)) }, 401, "603", `DPoP error="invalid_dpop_proof"`},
		{"a proof of another key", get, c, func(r *http.Request) {
			copied := *thief
			copied.token = c.token
			r.Header.Set("DPoP", copied.proof(get, r.URL.Path, nil))
		}, 401, "603", `DPoP error="invalid_token"`},
		{"a proof for another token", get, c, claim("ath", b64([]byte("another"))), 401, "603", `DPoP error="invalid_dpop_proof"`},
		{"a proof for another method", put, c, claim("htm", get), 401, "603", `DPoP error="invalid_dpop_proof"`},
		{"a proof for another consent", get, c, claim("htu", f.base+at(idByApp)), 401, "603", `DPoP error="invalid_dpop_proof"`},
		{"a stale proof", get, c, claim("iat", noon.Add(-time.Hour).Unix()), 401, "603", `DPoP error="invalid_dpop_proof"`},
		{"a key's token as Bearer", get, c, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+c.token) }, 401, "603", `Bearer error="invalid_token"`},
		{"a certificate's token with another certificate", get, otherCert, func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+cert.token)
		}, 401, "603", `Bearer error="invalid_token"`},
		{"a certificate's token as DPoP", get, cert, func(r *http.Request) {
			r.Header.Set("Authorization", "DPoP "+cert.token)
			r.Header.Set("DPoP", cert.proof(get, r.URL.Path, nil))
		}, 401, "603", `DPoP error="invalid_token"`},
		{"a GET with a body", get, c, func(r *http.Request) {
			r.Body, r.ContentLength = http.NoBody, -1
			r.Body = readCloser{strings.NewReader("access_token=" + c.token)}
		}, 400, "401", ""},
	} {
		path, body := at(idActive), ""
		if row.method == put {
			path, body = revocationOf(idActive), forApp
		}
		r := row.c.request(row.method, path, body)
		row.spoil(r)
		got := row.c.do(t, r)
		challenge := got.header.Get("WWW-Authenticate")
		if got.status != row.status || got.code() != row.code || !strings.HasPrefix(challenge, row.word) || (row.word == "") != (challenge == "") {
			t.Errorf("%s: %d %s %q", row.name, got.status, got.body, challenge)
		}
		if got.header.Get("x-fapi-interaction-id") != interactionID || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", row.name, got.header)
		}
	}
	if f.status(t, idActive) != consent.StatusActive {
		t.Error("it ended all the same")
	}
	if got := cert.get(t, at(idActive)); got.status != 200 {
		t.Errorf("with a certificate: %d %s", got.status, got.body)
	}
	for _, secret := range []string{c.token, cert.token, expired.token} {
		if strings.Contains(f.log.String(), secret) {
			t.Error("a token is in the log")
		}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestAProofCountsOnce(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	f.furnish(t)
	c := f.client(app, nil)
	for _, method := range []string{"GET", "PUT"} {
		path, body := at(idActive), ""
		if method == "PUT" {
			path, body = revocationOf(idActive), forApp
		}
		proof := c.proof(method, path, nil)
		var got []int
		for range 2 {
			r := c.request(method, path, body)
			r.Header.Set("DPoP", proof)
			got = append(got, c.do(t, r).status)
		}
		if want := map[string][]int{"GET": {200, 401}, "PUT": {204, 401}}[method]; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", method, got, want)
		}
	}
}

func TestANonceIsDemanded(t *testing.T) {
	t.Parallel()
	f := open(t, func(c *api.Config, _ *consent.ServiceConfig) {
		var err error
		if c.Nonces, err = dpop.NewNonces(dpop.NonceConfig{Keys: [][]byte{bytes.Repeat([]byte{3}, 32)}, Now: c.Now}); err != nil {
			t.Fatal(err)
		}
	})
	f.furnish(t)
	c := f.client(app, nil)
	got := c.get(t, at(idActive))
	nonce := got.header.Get("DPoP-Nonce")
	if got.status != 401 || nonce == "" || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), `DPoP error="use_dpop_nonce"`) {
		t.Fatalf("%d %v", got.status, got.header)
	}
	r := c.request("GET", at(idActive), "")
	r.Header.Set("DPoP", c.proof("GET", at(idActive), func(m map[string]any) { m["nonce"] = nonce }))
	if got := c.do(t, r); got.status != 200 {
		t.Errorf("with the nonce: %d %s", got.status, got.body)
	}
}

func TestHeadersAreChecked(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	f.furnish(t)
	c := f.client(app, nil)
	for _, row := range []struct {
		name, method, header string
		values               []string
		status               int
		code                 string
	}{
		{"an id that is none", "GET", "X-Fapi-Interaction-Id", []string{"me"}, 400, "401"},
		{"two ids", "GET", "X-Fapi-Interaction-Id", []string{interactionID, interactionID}, 400, "401"},
		{"no JSON", "GET", "Accept", []string{"text/html"}, 406, "1203"},
		{"no JSON for a stop", "PUT", "Accept", []string{"application/json;q=0"}, 406, "1203"},
		{"a form", "PUT", "Content-Type", []string{"application/x-www-form-urlencoded"}, 400, "401"},
		{"no type", "PUT", "Content-Type", nil, 400, "401"},
		{"two types", "PUT", "Content-Type", []string{"application/json", "application/json"}, 400, "401"},
		{"another charset", "PUT", "Content-Type", []string{"application/json; charset=latin1"}, 400, "401"},
		{"compressed", "PUT", "Content-Encoding", []string{"gzip"}, 400, "401"},
	} {
		path, body := at(idActive), ""
		if row.method == "PUT" {
			path, body = revocationOf(idActive), forApp
		}
		r := c.request(row.method, path, body)
		r.Header[row.header] = row.values
		got := c.do(t, r)
		if got.status != row.status || got.code() != row.code || len(got.header.Get("x-fapi-interaction-id")) != 36 {
			t.Errorf("%s: %d %s", row.name, got.status, got.body)
		}
	}
	if f.status(t, idActive) != consent.StatusActive {
		t.Error("it ended all the same")
	}
	r := c.request("PUT", revocationOf(idActive), forApp)
	r.Header.Set("Content-Type", "Application/JSON; charset=UTF-8")
	r.Header.Set("idempotency-key", "once")
	if got := c.do(t, r); got.status != 204 || got.body != "" {
		t.Errorf("a good one: %d %s", got.status, got.body)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	_, err := api.New(api.Config{})
	for _, name := range []string{"Public", "Log", "Grants", "Stop", "Clients.Tokens", "Clients.Guard", "page key", "Hasher"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not missed: %v", name, err)
		}
	}
}

func TestServesItsOwnPathsOnly(t *testing.T) {
	t.Parallel()
	a := serving(t)
	for path, want := range map[string]bool{
		"/fdx/v6/consents": true, "/fdx/v6/consents/": true, "/fdx/v6/consents/x/y/z": true,
		"/fdx/v6/consentsx": false, "/fdx/v6": false, "/fdx/v6/": false, "/fdx/v6/accounts": false, "/consents": false, "": false,
	} {
		if a.Serves(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
	var got []fdx.OperationID
	for _, op := range a.Serving() {
		got = append(got, op.ID)
	}
	if !slices.Equal(got, []fdx.OperationID{fdx.ListConsentGrants, fdx.GetConsentGrant, fdx.RevokeConsentGrant, fdx.GetConsentRevocation}) {
		t.Errorf("operations %v", got)
	}
}

func serving(t *testing.T) *api.API {
	t.Helper()
	var c api.Config
	open(t, func(config *api.Config, sc *consent.ServiceConfig) {
		stop, err := consent.NewService(*sc)
		if err != nil {
			t.Fatal(err)
		}
		config.Stop = stop
		c = *config
	})
	a, err := api.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// broken is a store that cannot answer.
type broken struct{ err error }

func (b broken) GrantOfRecipient(context.Context, consent.RecipientID, consent.GrantID) (consent.Grant, error) {
	return consent.Grant{}, b.err
}
func (b broken) StopByRecipient(context.Context, consent.RecipientID, consent.GrantID, consent.Reason) (consent.Grant, error) {
	return consent.Grant{}, b.err
}
func (b broken) StopForConsumer(context.Context, consent.RecipientID, consent.GrantID, consent.Reason) (consent.Grant, error) {
	return consent.Grant{}, b.err
}
func (b broken) Events(context.Context, consent.GrantID) ([]consent.Event, error) { return nil, b.err }
func (b broken) GrantsOfRecipient(context.Context, consent.RecipientID, consent.Filter, consent.Place, int) ([]consent.Grant, error) {
	return nil, b.err
}

// What is not known is neither a yes nor a no.
func TestAStoreThatCannotAnswer(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"unavailable": {fmt.Errorf("%w: secret cause", consent.ErrUnavailable), 503, "503"},
		"broken":      {fmt.Errorf("secret cause"), 500, "500"},
	} {
		f := open(t, func(c *api.Config, _ *consent.ServiceConfig) { c.Grants, c.Stop = broken{row.err}, broken{row.err} })
		c := f.client(app, nil)
		for _, r := range []*http.Request{
			c.request("GET", consents, ""), c.request("GET", at(idActive), ""),
			c.request("GET", revocationOf(idActive), ""), c.request("PUT", revocationOf(idActive), forApp),
		} {
			got := c.do(t, r)
			if got.status != row.status || got.code() != row.code || strings.Contains(got.body, "secret") ||
				(got.header.Get("Retry-After") != "") != (row.status == 503) {
				t.Errorf("%s: %s %s: %d %s", name, r.Method, r.URL.Path, got.status, got.body)
			}
		}
		f.truth.down = row.err
		if got := c.get(t, consents); got.status != 503 {
			t.Errorf("%s, of tokens: %d %s", name, got.status, got.body)
		}
	}
}
