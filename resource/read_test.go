package resource_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
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
func wire(a answer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP %d\n", a.status)
	for _, name := range []string{
		"Content-Type", "Cache-Control", "X-Content-Type-Options", "X-Fapi-Interaction-Id", "X-Fdx-Effective-Start",
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

func golden(t *testing.T, name string, a answer) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(wire(a)), 0o644); err != nil {
			t.Fatal(err)
		}
		return // others may be writing the same file
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := wire(a); got != string(want) {
		t.Errorf("%s differs; run with -update if it should:\n%s", path, got)
	}
}

func TestData(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	for _, row := range []struct{ name, target string }{
		{"accounts", "/fdx/v6/accounts"},
		{"accounts-details", "/fdx/v6/accounts?resultType=details"},
		{"accounts-page", "/fdx/v6/accounts?limit=1&resultType=lightweight&unknown=x"},
		{"accounts-ids", "/fdx/v6/accounts?accountIds=acc-9,acc-2,acc-3,nothing,acc-2"},
		{"account", "/fdx/v6/accounts/acc-1"},
		{"transactions", "/fdx/v6/accounts/acc-1/transactions"},
		{"transactions-page", "/fdx/v6/accounts/acc-1/transactions?startDate=2026-11-01&endDate=2026-11-21&limit=2"},
		{"transactions-clipped", "/fdx/v6/accounts/acc-1/transactions?startTime=2026-01-01&endTime=2026-11-18"},
		{"transactions-none", "/fdx/v6/accounts/acc-2/transactions"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			golden(t, row.name, f.app(t, share(nil), nil).get(t, row.target))
		})
	}
	t.Run("with a certificate the same", func(t *testing.T) {
		t.Parallel()
		s := share(nil)
		with, without := f.certApp(t, s), f.app(t, s, nil)
		if a, b := with.get(t, "/fdx/v6/accounts"), without.get(t, "/fdx/v6/accounts"); a.status != 200 || a.body != b.body {
			t.Errorf("with a certificate %d %s", a.status, a.body)
		}
	})
}

// Only what the grant covers leaves, field by field.
func TestFieldsFollowTheClusters(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	for _, row := range []struct {
		name     string
		clusters fdx.Clusters
		scopes   fdx.Clusters // zero: as the clusters
		target   string
		has, not string
	}{
		{"balances without the name", fdx.NewClusters(fdx.Balances), 0, "/fdx/v6/accounts/acc-1", "currentBalance", "productName"},
		{"bills without the balance", fdx.NewClusters(fdx.Bills), 0, "/fdx/v6/accounts/acc-2", "bills", "currentBalance"},
		{"details without the bills", fdx.NewClusters(fdx.AccountDetailed), 0, "/fdx/v6/accounts/acc-2", "currentBalance", "bills"},
		{"the list without balances", full, 0, "/fdx/v6/accounts", "productName", "currentBalance"},
		{"the token narrows the grant", full, fdx.NewClusters(fdx.Bills), "/fdx/v6/accounts/acc-2", "bills", "currentBalance"},
		{"the token does not widen the grant", fdx.NewClusters(fdx.Bills), full, "/fdx/v6/accounts/acc-2", "bills", "currentBalance"},
		{"details in the list by cluster", fdx.NewClusters(fdx.AccountBasic, fdx.Bills), 0, "/fdx/v6/accounts?resultType=details", "bills", "currentBalance"},
	} {
		a := f.app(t, share(func(s *consent.Share) {
			for i := range s.Accounts {
				s.Accounts[i].Clusters = row.clusters
			}
		}), func(access *token.Access) {
			access.Scopes = fdx.ScopesOf(row.scopes)
			if row.scopes == 0 {
				access.Scopes = fdx.ScopesOf(row.clusters)
			}
		})
		got := a.get(t, row.target)
		if got.status != 200 || !strings.Contains(got.body, row.has) || strings.Contains(got.body, row.not) {
			t.Errorf("%s: %d %s", row.name, got.status, got.body)
		}
	}
}

// A token that was narrowed to balances reads no transactions, whatever its
// grant holds (RFC 6749 section 6).
func TestANarrowedTokenReadsLessThanItsGrant(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(nil), func(access *token.Access) { access.Scopes = []fdx.Scope{fdx.Balances.Scope()} })
	if got := a.get(t, "/fdx/v6/accounts/acc-1"); got.status != 200 || !strings.Contains(got.body, "currentBalance") || strings.Contains(got.body, "productName") {
		t.Errorf("balances: %d %s", got.status, got.body)
	}
	for _, target := range []string{"/fdx/v6/accounts/acc-1/transactions", "/fdx/v6/accounts"} {
		got := a.get(t, target)
		if got.status != 403 || !strings.Contains(strings.Join(got.header.Values("WWW-Authenticate"), ";"), `error="insufficient_scope"`) {
			t.Errorf("%s: %d %s %v", target, got.status, got.body, got.header)
		}
	}
	if whole := f.app(t, a.live.Share, nil).get(t, "/fdx/v6/accounts/acc-1/transactions"); whole.status != 200 {
		t.Errorf("the whole grant: %d", whole.status)
	}
}

func TestEveryDataAnswerHasItsRecord(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	for _, row := range []struct {
		target string
		want   audit.Record
	}{
		{"/fdx/v6/accounts", audit.Record{Operation: "searchForAccounts", Accounts: []fdx.AccountID{"acc-1", "acc-2"}, Clusters: basic, Count: 2, Outcome: audit.Given}},
		{"/fdx/v6/accounts/acc-2", audit.Record{
			Operation: "getAccount", Accounts: []fdx.AccountID{"acc-2"}, Count: 1, Outcome: audit.Given,
			Clusters: fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Bills),
		}},
		{"/fdx/v6/accounts/acc-1/transactions?startDate=2026-11-20&endDate=2027-01-01", audit.Record{
			Operation: "searchForAccountTransactions", Accounts: []fdx.AccountID{"acc-1"}, Count: 3, Outcome: audit.Given,
			Clusters: fdx.NewClusters(fdx.Transactions), Window: window("2026-11-20", "2026-11-21"),
		}},
		{"/fdx/v6/accounts/acc-1/transactions?startDate=2026-01-01&endDate=2026-08-31", audit.Record{
			Operation: "searchForAccountTransactions", Accounts: []fdx.AccountID{"acc-1"}, Count: 0, Outcome: audit.Clipped,
			Clusters: fdx.NewClusters(fdx.Transactions), Window: window("2026-08-23", "2026-08-31"),
		}},
	} {
		s := share(nil)
		a := f.app(t, s, nil)
		r := a.request(row.target)
		r.Header.Set("FDX-API-Actor-Type", "USER")
		got := given(t, a.do(t, r))
		want := row.want
		want.RequestID = uuid.MustParse(got.header.Get("x-headgate-request-id"))
		want.At, want.Recipient, want.Grant, want.Epoch, want.Consumer = noon, s.Recipient, s.Grant, s.Epoch, s.Consumer
		want.Bytes, want.BodyHash = len(got.body), sha256.Sum256([]byte(got.body))
		want.Attended, want.Interaction, want.Instance = true, interactionID, "one"
		if records := recordsOf(f, s.Grant); len(records) != 1 || !reflect.DeepEqual(records[0], want) {
			t.Errorf("%s: records %+v, want %+v", row.target, records, want)
		}
	}
}

func recordsOf(f *front, id consent.GrantID) []audit.Record {
	return slices.DeleteFunc(f.truth.Records(), func(r audit.Record) bool { return r.Grant != id })
}

func window(start, end string) fdx.Window {
	s, err1 := fdx.ParseDate(start)
	e, err2 := fdx.ParseDate(end)
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	return fdx.Window{Start: s, End: e}
}

const (
	accounts     = "/fdx/v6/accounts"
	account      = "/fdx/v6/accounts/acc-1"
	transactions = "/fdx/v6/accounts/acc-1/transactions"
)

// Requests of nobody: no data, no record, one answer for all bad tokens.
func TestWhoIsNotAuthenticated(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	s := share(nil)
	a, other := f.app(t, s, nil), f.app(t, share(nil), nil)
	certificate, otherCertificate := f.certApp(t, s), f.certApp(t, share(nil))
	set := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
	}
	proof := func(change func(map[string]any)) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("DPoP", a.proof("GET", f.base+accounts, change)) }
	}
	claim := func(name string, value any) func(*http.Request) {
		return proof(func(c map[string]any) { c[name] = value })
	}
	without := func(name string) func(*http.Request) {
		return proof(func(c map[string]any) { delete(c, name) })
	}
	query := func(q string) func(*http.Request) { return func(r *http.Request) { r.URL.RawQuery = q } }
	body := func(known bool) func(*http.Request) {
		return func(r *http.Request) {
			text := "access_token=" + a.token
			r.Body, r.ContentLength = readCloser{strings.NewReader(text)}, -1
			if known {
				r.ContentLength = int64(len(text))
			}
		}
	}
	refresh, _ := f.hasher.New(token.KindRefresh)
	unknown, _ := f.hasher.New(token.KindAccess)
	own, _ := f.hasher.New(token.KindClient)

	const noToken, badToken, badProof, badInput = "no-token", "bad-token", "bad-proof", "bad-input"
	for _, row := range []struct {
		name  string
		app   *app
		spoil func(*http.Request)
		want  string
	}{
		{"no Authorization", a, set("Authorization"), noToken},
		{"another scheme", a, set("Authorization", "Basic Zm9vOmJhcg=="), noToken},
		{"an empty header", a, set("Authorization", ""), noToken},
		{"two headers", a, set("Authorization", "DPoP "+a.token, "DPoP "+a.token), badInput},
		{"one of each scheme", a, set("Authorization", "DPoP "+a.token, "Bearer "+a.token), badInput},
		{"a token in the query as well", a, query("access_token=" + a.token), badInput},
		{"a body", a, body(true), badInput},
		{"a body of unknown length", a, body(false), badInput},
		{"no token", a, set("Authorization", "DPoP"), badToken},
		{"an empty token", a, set("Authorization", "DPoP "), badToken},
		{"a truncated token", a, set("Authorization", "DPoP "+a.token[:len(a.token)-1]), badToken},
		{"a token and more", a, set("Authorization", "DPoP "+a.token+"A"), badToken},
		{"two tokens", a, set("Authorization", "DPoP "+a.token+" "+a.token), badToken},
		{"two spaces", a, set("Authorization", "DPoP  "+a.token), badToken},
		{"a token in capitals", a, set("Authorization", "DPoP "+strings.ToUpper(a.token)), badToken},
		{"a huge token", a, set("Authorization", "DPoP "+strings.Repeat("a", 10_000)), badToken},
		{"a client's own token", a, set("Authorization", "DPoP "+own.Reveal()), badToken},
		{"a refresh token", a, set("Authorization", "DPoP "+refresh.Reveal()), badToken},
		{"an unknown token", a, func(r *http.Request) {
			b := *a
			b.token = unknown.Reveal()
			set("Authorization", "DPoP "+b.token)(r)
			set("DPoP", b.proof("GET", f.base+accounts, nil))(r)
		}, badToken},
		{"another recipient's token with its own key", a, func(r *http.Request) {
			b := *a
			b.token = other.token
			set("Authorization", "DPoP "+b.token)(r)
			set("DPoP", b.proof("GET", f.base+accounts, nil))(r)
		}, badToken},
		{"another recipient's token and proof, swapped", a, set("Authorization", "DPoP "+other.token), badProof},
		{"a key's token as Bearer", a, set("Authorization", "Bearer "+a.token), badToken},
		{"a key's token as Bearer with a certificate", certificate, set("Authorization", "Bearer "+a.token), badToken},
		{"a certificate's token as DPoP", certificate, func(r *http.Request) {
			set("Authorization", "DPoP "+certificate.token)(r)
			set("DPoP", certificate.proof("GET", f.base+accounts, nil))(r)
		}, badToken},
		{"a certificate's token without it", a, func(r *http.Request) {
			set("Authorization", "Bearer "+certificate.token)(r)
			r.Header.Del("DPoP")
		}, badToken},
		{"a certificate's token with another", otherCertificate, set("Authorization", "Bearer "+certificate.token), badToken},

		{"no proof", a, set("DPoP"), badProof},
		{"an empty proof", a, set("DPoP", ""), badProof},
		{"two proofs", a, func(r *http.Request) {
			r.Header.Add("DPoP", a.proof("GET", f.base+accounts, nil))
		}, badProof},
		{"half a proof", a, func(r *http.Request) {
			p := r.Header.Get("DPoP")
			r.Header.Set("DPoP", p[:len(p)/2])
		}, badProof},
		{"a proof for another method", a, claim("htm", "POST"), badProof},
		{"a proof for another path", a, claim("htu", "https://gateway/fdx/v6/accounts/acc-1"), badProof},
		{"a proof for another host", a, claim("htu", "https://evil.example/fdx/v6/accounts"), badProof},
		{"an old proof", a, claim("iat", noon.Add(-time.Hour).Unix()), badProof},
		{"a proof from the future", a, claim("iat", noon.Add(time.Hour).Unix()), badProof},
		{"a proof without ath", a, without("ath"), badProof},
		{"a proof without jti", a, without("jti"), badProof},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := row.app.request(accounts)
			if row.app.scheme == "Bearer" {
				r.Header.Del("DPoP")
			}
			row.spoil(r)
			golden401(t, row.want, row.app.do(t, r))
		})
	}
	t.Cleanup(func() {
		// Parallel rows end before this. Nobody was given anything, and
		// nobody's name stands on it.
		if n := len(f.truth.Records()); n != 0 {
			t.Errorf("%d records", n)
		}
	})
}

// golden401 compares with one of the four answers to the unauthenticated. A
// Bearer caller's challenge names its scheme first, and that is all that may
// differ.
func golden401(t *testing.T, name string, a answer) {
	t.Helper()
	if c := a.header["Www-Authenticate"]; len(c) == 2 && strings.HasPrefix(c[0], "Bearer error") {
		name += "-bearer"
	}
	if name == "bad-input" {
		// The text says what is wrong.
		if a.status != 400 || a.code() != "401" {
			t.Errorf("%d %s", a.status, a.body)
		}
		return
	}
	golden(t, name, a)
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestSchemeIsNotCaseSensitive(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(nil), nil)
	for _, scheme := range []string{"dpop", "DPOP"} {
		a.scheme = "DPoP"
		r := a.request(accounts)
		r.Header.Set("Authorization", scheme+" "+a.token)
		given(t, a.do(t, r))
	}
	c := f.certApp(t, share(nil))
	r := c.request(accounts)
	r.Header.Set("Authorization", "bEARER "+c.token)
	given(t, c.do(t, r))
}

// What was alive a moment ago is dead when it should be.
func TestTokensAndGrantsEnd(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(f *front, a *app)
	}{
		{"the token has expired", func(f *front, _ *app) { f.clock.move(15 * time.Minute) }},
		{"the token was revoked", func(f *front, a *app) { f.truth.RevokeToken(a.live.Access.Hash) }},
		{"the grant was revoked", func(f *front, a *app) { f.truth.End(a.live.Share.Grant) }},
		{"the grant has expired", func(f *front, a *app) {
			f.truth.Change(a.live.Share.Grant, func(s *consent.Share) { s.ExpiresAt = noon })
		}},
		{"the recipient was suspended", func(f *front, a *app) { f.truth.Suspend(a.live.Share.Recipient) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := open(t, nil)
			dpopApp := f.app(t, share(nil), nil)
			certApp := f.certApp(t, share(func(s *consent.Share) { s.Recipient = "app with certificate" }))
			for _, a := range []*app{dpopApp, certApp} {
				given(t, a.get(t, accounts))
				row.end(f, a)
				golden401(t, "bad-token", a.get(t, accounts))
				// Not even what would be refused anyway.
				golden401(t, "bad-token", a.get(t, "/fdx/v6/accounts/nothing"))
				f.clock.move(noon.Sub(f.clock.now()))
			}
		})
	}
	t.Run("the last instant of a token is before its end", func(t *testing.T) {
		t.Parallel()
		f := open(t, nil)
		a := f.app(t, share(nil), nil)
		f.clock.move(15*time.Minute - time.Millisecond)
		given(t, a.get(t, accounts))
	})
}

// Tokens and grants end by the clock of the truth, whatever that of the gateway
// says.
func TestTheClockOfTheGatewayEndsNothing(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		skewed := func(c *resource.Config) {
			right := c.Now
			c.Now = func() time.Time { return right().Add(off) }
		}
		until := func(end time.Time) consent.Share {
			return share(func(s *consent.Share) { s.ExpiresAt = end })
		}
		for what, s := range map[string]consent.Share{
			"a token": share(nil), "a grant": until(noon.Add(15 * time.Minute)),
		} {
			t.Run(fmt.Sprintf("%s, %s off", what, off), func(t *testing.T) {
				t.Parallel()
				f := open(t, skewed)
				a := f.certApp(t, s)
				f.clock.move(15*time.Minute - time.Millisecond)
				given(t, a.get(t, accounts))
				f.clock.move(time.Millisecond)
				golden401(t, "bad-token", a.get(t, accounts))
			})
		}
	}
	t.Run("the gate alone knows the time", func(t *testing.T) {
		t.Parallel()
		f := open(t, func(c *resource.Config) {
			right := c.Now
			c.Now = func() time.Time { return right().Add(-5 * time.Minute) }
			c.Tokens = timeless{c.Tokens}
		})
		a := f.certApp(t, share(nil))
		f.clock.move(15*time.Minute - time.Millisecond)
		given(t, a.get(t, accounts))
		f.clock.move(time.Millisecond)
		golden401(t, "bad-token", a.get(t, accounts))
		if got := recordsOf(f, a.live.Share.Grant); len(got) != 2 || got[1].Outcome != audit.Refused {
			t.Errorf("records: %+v", got)
		}
	})
}

// timeless is a store that does not say what time it is.
type timeless struct{ resource.Tokens }

func (s timeless) Live(ctx context.Context, h token.Hash) (token.Live, error) {
	live, err := s.Tokens.Live(ctx, h)
	live.At = time.Time{}
	return live, err
}

func TestReplayedProof(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(nil), nil)
	r := a.request(accounts)
	given(t, a.do(t, r))
	golden401(t, "bad-proof", a.do(t, r))
	if got := recordsOf(f, a.live.Share.Grant); len(got) != 2 || got[1].Outcome != audit.Refused || got[1].Reason != "603" {
		t.Errorf("records %+v", got)
	}
}

// Refusals of an authenticated caller: the exact answer, and a record that
// gives nothing away.
func TestRefusals(t *testing.T) {
	t.Parallel()
	only := func(c fdx.Clusters) func(*consent.Share) {
		return func(s *consent.Share) {
			for i := range s.Accounts {
				s.Accounts[i].Clusters = c
			}
		}
	}
	for _, row := range []struct {
		name   string
		share  func(*consent.Share)
		access func(*token.Access)
		target string
		spoil  func(*http.Request)
		status int
		code   string
	}{
		{name: "foreign-account", target: "/fdx/v6/accounts/acc-9", status: 404, code: "701"},
		{name: "unknown-account", target: "/fdx/v6/accounts/nothing", status: 404, code: "701"},
		{name: "own-account-not-shared", target: "/fdx/v6/accounts/acc-3", status: 404, code: "701"},
		{name: "account-with-control-character", target: "/fdx/v6/accounts/%00", status: 404, code: "701"},
		{name: "account-empty", target: "/fdx/v6/accounts//transactions", status: 404, code: "701"},
		{name: "account-too-long", target: "/fdx/v6/accounts/" + strings.Repeat("a", 257), status: 404, code: "701"},
		{name: "foreign-transactions", target: "/fdx/v6/accounts/acc-9/transactions", status: 404, code: "701"},
		{name: "unknown-transactions", target: "/fdx/v6/accounts/nothing/transactions", status: 404, code: "701"},
		{name: "cluster-not-granted", share: only(fdx.NewClusters(fdx.AccountBasic, fdx.Transactions)), target: account,
			access: func(a *token.Access) { a.Scopes = fdx.ScopesOf(full) }, status: 403, code: "602"},
		{name: "transactions-not-granted", share: only(full.Without(fdx.NewClusters(fdx.Transactions))), target: transactions,
			access: func(a *token.Access) { a.Scopes = fdx.ScopesOf(full) }, status: 403, code: "602"},
		{name: "list-not-granted", share: only(fdx.NewClusters(fdx.Transactions)), target: accounts,
			access: func(a *token.Access) { a.Scopes = fdx.ScopesOf(full) }, status: 403, code: "602"},
		{name: "scope-missing", access: func(a *token.Access) { a.Scopes = fdx.ScopesOf(basic) }, target: transactions, status: 403, code: "403"},
		{name: "no-scope", access: func(a *token.Access) { a.Scopes = nil }, target: accounts, status: 403, code: "403"},
		{name: "scope-missing-foreign-account", access: func(a *token.Access) { a.Scopes = fdx.ScopesOf(basic) }, target: "/fdx/v6/accounts/acc-9/transactions", status: 403, code: "403"},
		{name: "none-of-the-accounts", target: accounts + "?accountIds=acc-9,acc-3", status: 404, code: "1107"},
		{name: "window-before-the-look-back", target: transactions + "?startDate=2026-01-01&endDate=2026-08-22", status: 400, code: "703"},
		{name: "start-after-end", target: transactions + "?startDate=2026-11-02&endDate=2026-11-01", status: 400, code: "703"},
		{name: "start-in-the-future", target: transactions + "?startDate=2026-11-22&endDate=2026-11-23", status: 400, code: "703"},
		{name: "start-alone", target: transactions + "?startDate=2026-11-02", status: 400, code: "703"},
		{name: "no-date", target: transactions + "?startDate=2026-02-30&endDate=2026-11-01", status: 400, code: "702"},
		{name: "mixed-dates", target: transactions + "?startDate=2026-11-01&endTime=2026-11-02", status: 400, code: "401"},
		{name: "limit-zero", target: accounts + "?limit=0", status: 400, code: "401"},
		{name: "limit-not-a-number", target: accounts + "?limit=ten", status: 400, code: "401"},
		{name: "limit-twice", target: accounts + "?limit=1&limit=2", status: 400, code: "401"},
		{name: "result-type", target: accounts + "?resultType=all", status: 400, code: "401"},
		{name: "broken-query", target: accounts + "?limit=%zz", status: 400, code: "401"},
		{name: "semicolon-in-query", target: accounts + "?limit=1;limit=2", status: 400, code: "401"},
		{name: "page-key", target: accounts + "?pageKey=made-up", status: 400, code: "401"},
		{name: "not-acceptable", target: accounts, spoil: func(r *http.Request) { r.Header.Set("Accept", "text/html") }, status: 406, code: "1203"},
		{name: "interaction-malformed", target: accounts, spoil: func(r *http.Request) { r.Header.Set("x-fapi-interaction-id", "CANARY") }, status: 400, code: "401"},
		{name: "interaction-twice", target: accounts, spoil: func(r *http.Request) { r.Header.Add("x-fapi-interaction-id", interactionID) }, status: 400, code: "401"},
		{name: "actor", target: accounts, spoil: func(r *http.Request) { r.Header.Set("FDX-API-Actor-Type", "ROBOT") }, status: 400, code: "401"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := open(t, nil)
			a := f.app(t, share(row.share), row.access)
			r := a.request(row.target)
			if row.spoil != nil {
				row.spoil(r)
			}
			got := a.do(t, r)
			if got.status != row.status || got.code() != row.code {
				t.Errorf("%d %s", got.status, got.body)
			}
			if id := got.header.Get("x-fapi-interaction-id"); strings.HasPrefix(row.name, "interaction-") {
				if id == interactionID || uuid.Validate(id) != nil {
					t.Errorf("interaction %q", id)
				}
			} else {
				golden(t, "refused-"+row.name, got)
			}
			records := recordsOf(f, a.live.Share.Grant)
			if len(records) != 1 || records[0].Outcome != audit.Refused || records[0].Reason != row.code ||
				records[0].Accounts != nil || records[0].Count != 0 {
				t.Errorf("records %+v", records)
			}
			if strings.Contains(f.log.String(), "CANARY") || !strings.Contains(f.log.String(), `"result":"refused"`) {
				t.Errorf("log %s", f.log)
			}
		})
	}
}

// To somebody without access an account that exists and one that does not are
// the same, to the byte.
func TestForeignIsUnknown(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(nil), nil)
	for _, path := range []string{"", "/transactions", "/transactions?startDate=2026-01-01&endDate=2026-01-02", "/transactions?limit=x", "/transactions?pageKey=abc"} {
		var answers []string
		for _, id := range []string{"acc-9", "acc-3", "nothing", "%20"} {
			got := a.get(t, "/fdx/v6/accounts/"+id+path)
			got.header.Del("Date")
			got.header.Del("X-Headgate-Request-Id")
			answers = append(answers, fmt.Sprint(got))
		}
		for _, other := range answers[1:] {
			if other != answers[0] {
				t.Errorf("%q: %s\nand %s", path, answers[0], other)
			}
		}
	}
}

// Paths and methods that do not exist answer in the API's own form.
func TestWrongPathAndMethod(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(nil), nil)
	for _, row := range []struct{ name, method, target string }{
		{"wrong-path", "GET", "/fdx/v6/nothing"},
		{"wrong-path", "GET", "/fdx/v6/accounts/"},
		{"wrong-path", "GET", "/fdx/v5/accounts"},
		{"wrong-path", "POST", "/"},
		{"wrong-method", "POST", accounts},
		{"wrong-method", "PUT", account},
		{"wrong-method", "DELETE", transactions},
		{"wrong-method", "OPTIONS", accounts},
		{"wrong-method", "INVENTED", accounts},
	} {
		r := a.request(row.target)
		r.Method = row.method
		golden(t, row.name, a.do(t, r))
	}
	r := a.request(accounts)
	r.Method = "HEAD"
	if got := a.do(t, r); got.status != 405 || got.body != "" || got.header.Get("Allow") != "GET" {
		t.Errorf("HEAD: %+v", got)
	}
	if n := len(f.truth.Records()); n != 0 {
		t.Errorf("%d records", n)
	}
}

func TestInteractionID(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(nil), nil)
	for name, sent := range map[string]string{
		"as sent": interactionID, "in capitals": strings.ToUpper(interactionID), "nil": "00000000-0000-0000-0000-000000000000",
	} {
		r := a.request(accounts)
		r.Header.Set("x-fapi-interaction-id", sent)
		if got := given(t, a.do(t, r)).header.Get("x-fapi-interaction-id"); got != sent {
			t.Errorf("%s: %q", name, got)
		}
	}
	r := a.request(accounts)
	r.Header.Del("x-fapi-interaction-id")
	if got := given(t, a.do(t, r)).header.Get("x-fapi-interaction-id"); uuid.Validate(got) != nil || got == interactionID {
		t.Errorf("none sent, %q came back", got)
	}
	for _, bad := range []string{"", "x", "{" + interactionID + "}", "urn:uuid:" + interactionID, strings.ReplaceAll(interactionID, "-", ""), interactionID + " x"} {
		r := a.request(accounts)
		r.Header.Set("x-fapi-interaction-id", bad)
		got := a.do(t, r)
		if id := got.header.Get("x-fapi-interaction-id"); got.status != 400 || uuid.Validate(id) != nil || id == bad {
			t.Errorf("%q: %d, %q", bad, got.status, id)
		}
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(nil), nil)
	for accept, want := range map[string]int{
		"application/json":                       200,
		"application/json; charset=utf-8":        200,
		"application/json;charset=UTF-8;q=0.1":   200,
		"text/html, application/xhtml+xml, */*":  200,
		"text/html, */*;q=0.8":                   200,
		"application/*":                          200,
		"APPLICATION/JSON":                       200,
		"text/html":                              406,
		"application/pdf, image/png":             406,
		"application/json;q=0":                   406,
		"*/*;q=0":                                406,
		"application/json;q=0, */*":              406,
		"application/json;q=0.000, text/*;q=1.0": 406,
		"":                                       406,
	} {
		r := a.request(accounts)
		r.Header["Accept"] = []string{accept}
		if got := a.do(t, r).status; got != want {
			t.Errorf("%q: %d, want %d", accept, got, want)
		}
	}
	r := a.request(accounts)
	r.Header["Accept"] = []string{"text/html", "application/json"}
	given(t, a.do(t, r))
}

func TestPages(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(nil), nil)
	type page struct {
		Page  fdx.PageMetadata
		Links fdx.Links
	}
	read := func(t *testing.T, target string) (page, string) {
		t.Helper()
		got := given(t, a.get(t, target))
		var raw struct {
			Page  struct{ NextPageKey, NextOffset string } `json:"page"`
			Links fdx.Links                                `json:"links"`
		}
		if err := json.Unmarshal([]byte(got.body), &raw); err != nil {
			t.Fatal(err)
		}
		if raw.Page.NextPageKey != raw.Page.NextOffset {
			t.Error("nextPageKey and nextOffset differ")
		}
		return page{fdx.PageMetadata{NextPageKey: raw.Page.NextPageKey}, raw.Links}, got.body
	}

	t.Run("following the link gives each record once", func(t *testing.T) {
		for target, ids := range map[string]string{
			accounts + "?limit=1": "acc-1 acc-2",
			transactions + "?startDate=2026-09-01&endDate=2026-11-21&limit=4": "ta tb tc td te tf",
			transactions + "?limit=1": "ta tb tc td",
		} {
			var got []string
			for target != "" {
				next, body := read(t, target)
				for _, m := range regexp.MustCompile(`"(?:accountId|transactionId)":"([^"]+)"`).FindAllStringSubmatch(body, -1) {
					got = append(got, m[1])
				}
				target = strings.TrimPrefix(next.Links.Next.Href, f.base)
				if (target == "") != (next.Page.NextPageKey == "") {
					t.Error("key without link or link without key")
				}
			}
			if strings.Join(got, " ") != ids {
				t.Errorf("%v, want %s", got, ids)
			}
		}
	})

	first, _ := read(t, transactions+"?startDate=2026-11-01&endDate=2026-11-21&limit=1")
	key := first.Page.NextPageKey
	const same = transactions + "?startDate=2026-11-01&endDate=2026-11-21"

	t.Run("a key serves with another limit, as offset, with the other names, and again", func(t *testing.T) {
		for _, target := range []string{
			same + "&limit=3&pageKey=" + key, same + "&offset=" + key, same + "&offset=" + key + "&pageKey=" + key,
			transactions + "?startTime=2026-11-01&endTime=2026-11-21&pageKey=" + key,
		} {
			if _, body := read(t, target); strings.Contains(body, `"ta"`) || !strings.Contains(body, `"tb"`) {
				t.Errorf("%s: %s", target, body)
			}
		}
	})
	t.Run("a key of something else is refused", func(t *testing.T) {
		other := f.app(t, share(nil), nil)
		accountsPage, _ := read(t, accounts+"?limit=1")
		damaged := []byte(key)
		damaged[len(damaged)/2] ^= 1
		for name, row := range map[string]struct {
			app    *app
			target string
		}{
			"another grant":      {other, same + "&pageKey=" + key},
			"another account":    {a, strings.Replace(same, "acc-1", "acc-2", 1) + "&pageKey=" + key},
			"another window":     {a, strings.Replace(same, "2026-11-01", "2026-11-02", 1) + "&pageKey=" + key},
			"no window":          {a, transactions + "?pageKey=" + key},
			"another operation":  {a, accounts + "?pageKey=" + key},
			"of another":         {a, same + "&pageKey=" + accountsPage.Page.NextPageKey},
			"another resultType": {a, accounts + "?resultType=details&pageKey=" + accountsPage.Page.NextPageKey},
			"other accountIds":   {a, accounts + "?accountIds=acc-2&pageKey=" + accountsPage.Page.NextPageKey},
			"damaged":            {a, same + "&pageKey=" + string(damaged)},
			"truncated":          {a, same + "&pageKey=" + key[:len(key)-4]},
			"padded":             {a, same + "&pageKey=" + key + "=="},
			"doubled":            {a, same + "&pageKey=" + key + "&pageKey=" + key},
			"contradicted":       {a, same + "&pageKey=" + key + "&offset=other"},
			"empty":              {a, same + "&pageKey="},
			"oversized":          {a, same + "&pageKey=" + strings.Repeat("A", 2049)},
		} {
			if got := row.app.get(t, row.target); got.status != 400 || got.code() != "401" {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
	})
	t.Run("a key carries no rights", func(t *testing.T) {
		narrowed := f.app(t, share(nil), nil)
		got := given(t, narrowed.get(t, same+"&limit=1"))
		key := regexp.MustCompile(`"nextPageKey":"([^"]+)"`).FindStringSubmatch(got.body)[1]
		f.truth.Change(narrowed.live.Share.Grant, func(s *consent.Share) { s.Accounts = s.Accounts[1:] })
		if got := narrowed.get(t, same+"&pageKey="+key); got.status != 404 {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}

func TestPageKeysOverTime(t *testing.T) {
	t.Parallel()
	next := func(t *testing.T, f *front, a *app, target string) string {
		t.Helper()
		m := regexp.MustCompile(`"nextPageKey":"([^"]+)"`).FindStringSubmatch(given(t, a.get(t, target)).body)
		if m == nil {
			t.Fatal("no next page")
		}
		return m[1]
	}
	long := func(a *token.Access) { a.ExpiresAt = noon.AddDate(0, 0, 7) }

	t.Run("the default window does not shift at midnight", func(t *testing.T) {
		t.Parallel()
		f := open(t, nil)
		a := f.app(t, share(nil), long)
		key := next(t, f, a, transactions+"?limit=1")
		f.clock.move(13 * time.Hour)
		given(t, a.get(t, transactions+"?pageKey="+key))
		records := recordsOf(f, a.live.Share.Grant)
		if got, want := records[1].Window, records[0].Window; got != want {
			t.Errorf("second page of %v, first of %v", got, want)
		}
	})
	t.Run("the look-back does, and the key cannot stop it", func(t *testing.T) {
		t.Parallel()
		f := open(t, nil)
		a := f.app(t, share(func(s *consent.Share) { s.LookbackDays = 6 }), long)
		key := next(t, f, a, transactions+"?limit=1")
		f.clock.move(13 * time.Hour)
		got := given(t, a.get(t, transactions+"?pageKey="+key))
		if start := got.header.Get("x-fdx-effective-start"); start != "2026-11-16" {
			t.Errorf("effective start %q", start)
		}
	})
	t.Run("a key ends after a day", func(t *testing.T) {
		t.Parallel()
		f := open(t, nil)
		a := f.app(t, share(nil), long)
		key := next(t, f, a, accounts+"?limit=1")
		f.clock.move(24*time.Hour - time.Second)
		given(t, a.get(t, accounts+"?pageKey="+key))
		f.clock.move(time.Second)
		if got := a.get(t, accounts+"?pageKey="+key); got.status != 400 {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("keys survive a rotation and end with it", func(t *testing.T) {
		t.Parallel()
		f := open(t, nil)
		a := f.app(t, share(nil), long)
		key := next(t, f, a, accounts+"?limit=1")
		for status, secrets := range map[int][][]byte{
			200: {bytes.Repeat([]byte{8}, 32), bytes.Repeat([]byte{7}, 32)},
			400: {bytes.Repeat([]byte{8}, 32)},
		} {
			c := f.config
			c.PageKeys = secrets
			g, err := resource.New(c)
			if err != nil {
				t.Fatal(err)
			}
			f.server.Config.Handler = g.Handler()
			if got := a.get(t, accounts+"?pageKey="+key); got.status != status {
				t.Errorf("%d, want %d", got.status, status)
			}
		}
	})
}

func TestBrokenBank(t *testing.T) {
	t.Parallel()
	foreign := fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: fdx.AccountDescriptor{AccountID: "acc-9"}}}
	shared := fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: fdx.AccountDescriptor{AccountID: "acc-1"}}}
	at := func(day int) fdx.Transaction {
		return fdx.Transaction{Deposit: &fdx.DepositTransaction{TransactionBase: fdx.TransactionBase{
			TransactionID: "CANARY", TransactionTimestamp: fdx.TimestampOf(noon.AddDate(0, 0, -day)),
		}}}
	}
	for _, row := range []struct {
		name   string
		bank   fakeBank
		target string
		status int
		code   string
	}{
		{"unavailable", fakeBank{err: resource.ErrUnavailable}, accounts, 503, "503"},
		{"wrong-answer", fakeBank{err: fmt.Errorf("CANARY: %w", resource.ErrWrongAnswer)}, accounts, 502, "501"},
		{"unknown-error", fakeBank{err: errors.New("SELECT CANARY")}, accounts, 503, "503"},
		{"no-longer-known", fakeBank{err: resource.ErrNoAccount}, account, 404, "701"},
		{"locked", fakeBank{err: fmt.Errorf("wrapped: %w", resource.ErrAccountLocked)}, account, 403, "706"},
		{"too-slow", fakeBank{err: context.DeadlineExceeded}, account, 504, "501"},
		{"no-accounts", fakeBank{}, accounts, 404, "1107"},
		{"foreign-in-list", fakeBank{accounts: []fdx.Account{shared, foreign}}, accounts, 502, "501"},
		{"foreign-account", fakeBank{accounts: []fdx.Account{foreign}}, account, 502, "501"},
		{"empty-account", fakeBank{accounts: []fdx.Account{{}}}, account, 502, "501"},
		{"other-shared-account", fakeBank{accounts: []fdx.Account{shared}}, "/fdx/v6/accounts/acc-2", 502, "501"},
		{"more-than-asked", fakeBank{accounts: []fdx.Account{shared, shared}}, accounts + "?limit=1", 502, "501"},
		{"long-place", fakeBank{accounts: []fdx.Account{shared}, next: strings.Repeat("x", 201)}, accounts, 502, "501"},
		{"before-the-window", fakeBank{transactions: []fdx.Transaction{at(0), at(7)}}, transactions, 502, "501"},
		{"after-the-window", fakeBank{transactions: []fdx.Transaction{at(-1)}}, transactions, 502, "501"},
		{"empty-transaction", fakeBank{transactions: []fdx.Transaction{{}}}, transactions, 502, "501"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := open(t, func(c *resource.Config) { c.Provider = row.bank })
			a := f.app(t, share(nil), nil)
			got := a.get(t, row.target)
			if got.status != row.status || got.code() != row.code || strings.Contains(got.body, "CANARY") {
				t.Errorf("%d %s", got.status, got.body)
			}
			golden(t, "bank-"+row.name, got)
			if records := recordsOf(f, a.live.Share.Grant); len(records) != 1 || records[0].Outcome != audit.Refused {
				t.Errorf("records %+v", records)
			}
		})
	}
	t.Run("it is given less time than the read has", func(t *testing.T) {
		t.Parallel()
		var left time.Duration
		f := open(t, func(c *resource.Config) { c.Provider = fakeBank{err: resource.ErrUnavailable, left: &left} })
		f.app(t, share(nil), nil).get(t, account)
		if left <= 0 || left > 2800*time.Millisecond {
			t.Errorf("%s", left)
		}
	})
	t.Run("a panic is a bare error", func(t *testing.T) {
		t.Parallel()
		f := open(t, func(c *resource.Config) { c.Provider = fakeBank{panics: true} })
		a := f.app(t, share(nil), nil)
		got := a.get(t, account)
		golden(t, "bank-panic", got)
		if strings.Contains(f.log.String(), "CANARY") {
			t.Error("the log repeats the panic")
		}
	})
}

// fakeBank answers the same to everything.
type fakeBank struct {
	resource.NotOffered
	accounts     []fdx.Account
	transactions []fdx.Transaction
	next         string
	err          error
	panics       bool
	left         *time.Duration // set to the time that Account is given
}

func (b fakeBank) Operations() []fdx.OperationID {
	return []fdx.OperationID{fdx.SearchForAccounts, fdx.GetAccount, fdx.SearchForAccountTransactions}
}

func (b fakeBank) Accounts(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.Account], error) {
	return resource.Page[fdx.Account]{Items: slices.Clone(b.accounts), Next: b.next}, b.err
}

func (b fakeBank) Account(ctx context.Context, _ resource.Access) (fdx.Account, error) {
	if end, ok := ctx.Deadline(); ok && b.left != nil {
		*b.left = time.Until(end)
	}
	if b.panics {
		panic("CANARY")
	}
	if b.err != nil {
		return fdx.Account{}, b.err
	}
	return b.accounts[0], nil
}

func (b fakeBank) Transactions(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.Transaction], error) {
	return resource.Page[fdx.Transaction]{Items: slices.Clone(b.transactions), Next: b.next}, b.err
}

// A page that is too large is cut, a record that is too large is refused.
func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	var many []fdx.Transaction
	for i := range 24 {
		many = append(many, fdx.Transaction{Deposit: &fdx.DepositTransaction{TransactionBase: fdx.TransactionBase{
			TransactionID:        fdx.TransactionID(fmt.Sprintf("t%02d", i)),
			TransactionTimestamp: fdx.TimestampOf(noon), PostedTimestamp: fdx.TimestampOf(noon),
			Description: strings.Repeat("x", 50_000),
		}}})
	}
	large := func(id, name string) fdx.Account {
		return fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: fdx.AccountDescriptor{AccountID: fdx.AccountID(id), ProductName: name}, CurrentBalance: fdx.NewDecimal(1, 0)}}
	}
	f.bank.Open(consumer, large("large", strings.Repeat("x", 1<<20)))
	f.bank.Open(consumer, large("busy", "Busy"), many...)
	a := f.app(t, share(func(s *consent.Share) {
		s.Accounts = []consent.AccountShare{{ID: "large", Clusters: full}, {ID: "busy", Clusters: full}}
	}), nil)

	seen := 0
	for target := "/fdx/v6/accounts/busy/transactions"; target != ""; {
		got := given(t, a.get(t, target))
		if len(got.body) > 1<<20 {
			t.Errorf("%d bytes", len(got.body))
		}
		seen += strings.Count(got.body, `"transactionId"`)
		target = ""
		if m := regexp.MustCompile(`"href":"https://[^/]+([^"]+)"`).FindStringSubmatch(got.body); m != nil {
			target = m[1]
		}
	}
	if seen != 24 {
		t.Errorf("%d of 24 transactions", seen)
	}
	if got := a.get(t, "/fdx/v6/accounts/large"); got.status != 502 || got.code() != "501" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// The truth is away: nothing is given, whatever is remembered, and the answer
// says when to come back.
func TestTruthAway(t *testing.T) {
	t.Parallel()
	down := errors.New("dial tcp 10.0.0.1: CANARY")
	t.Run("at the token", func(t *testing.T) {
		t.Parallel()
		f := open(t, nil)
		a := f.app(t, share(nil), nil)
		f.truth.Fail(down)
		golden(t, "truth-away", a.get(t, accounts))
		f.truth.Fail(nil)
		given(t, a.get(t, accounts))
	})
	t.Run("at the gate", func(t *testing.T) {
		t.Parallel()
		gate := gateFunc(func(context.Context, resource.Release) (resource.Verdict, error) {
			return resource.Released, down // an error outranks the verdict
		})
		f := open(t, func(c *resource.Config) { c.Gate = gate })
		golden(t, "truth-away", f.app(t, share(nil), nil).get(t, accounts))
	})
	t.Run("silent at the gate", func(t *testing.T) {
		t.Parallel()
		var stuck int
		gate := gateFunc(func(ctx context.Context, r resource.Release) (resource.Verdict, error) {
			stuck++
			<-ctx.Done()
			return resource.Withheld, ctx.Err()
		})
		f := open(t, func(c *resource.Config) { c.Gate = gate })
		a := f.app(t, share(nil), nil)
		start := time.Now()
		golden(t, "truth-away", a.get(t, accounts))
		// Far above the deadline: a busy machine is slow, but not for ever.
		if took := time.Since(start); took > 10*time.Second || stuck != 1 {
			t.Errorf("took %s, asked %d times", took, stuck)
		}
	})
}

type gateFunc func(context.Context, resource.Release) (resource.Verdict, error)

func (g gateFunc) Release(ctx context.Context, r resource.Release) (resource.Verdict, error) {
	return g(ctx, r)
}

// A snapshot that is out of date costs a second look, never data that is no
// longer shared.
func TestWithheld(t *testing.T) {
	t.Parallel()
	// stale changes the grant between the decision and the gate, once.
	stale := func(t *testing.T, change func(*front, *app)) (*front, *app) {
		var f *front
		var a *app
		done := false
		f = open(t, func(c *resource.Config) {
			inner := c.Gate
			c.Gate = gateFunc(func(ctx context.Context, r resource.Release) (resource.Verdict, error) {
				if !done {
					done = true
					change(f, a)
				}
				return inner.Release(ctx, r)
			})
		})
		a = f.app(t, share(nil), nil)
		return f, a
	}
	t.Run("a narrower grant gives less", func(t *testing.T) {
		t.Parallel()
		f, a := stale(t, func(f *front, a *app) {
			f.truth.Change(a.live.Share.Grant, func(s *consent.Share) { s.Accounts = s.Accounts[:1] })
		})
		got := given(t, a.get(t, accounts))
		if strings.Contains(got.body, "acc-2") || !strings.Contains(got.body, "acc-1") {
			t.Errorf("gave %s", got.body)
		}
		r := recordsOf(f, a.live.Share.Grant)
		if len(r) != 1 || r[0].Epoch != 2 || !slices.Equal(r[0].Accounts, []fdx.AccountID{"acc-1"}) || r[0].BodyHash != sha256.Sum256([]byte(got.body)) {
			t.Errorf("records %+v", r)
		}
	})
	t.Run("an account that is gone is unknown", func(t *testing.T) {
		t.Parallel()
		_, a := stale(t, func(f *front, a *app) {
			f.truth.Change(a.live.Share.Grant, func(s *consent.Share) { s.Accounts = s.Accounts[1:] })
		})
		golden(t, "refused-unknown-account", a.get(t, account))
	})
	for name, end := range map[string]func(*front, *app){
		"a revoked grant":       func(f *front, a *app) { f.truth.End(a.live.Share.Grant) },
		"a revoked token":       func(f *front, a *app) { f.truth.RevokeToken(a.live.Access.Hash) },
		"a suspended recipient": func(f *front, a *app) { f.truth.Suspend("app") },
	} {
		t.Run(name+" gives nothing", func(t *testing.T) {
			t.Parallel()
			f, a := stale(t, end)
			golden401(t, "bad-token", a.get(t, accounts))
			if r := recordsOf(f, a.live.Share.Grant); len(r) != 1 || r[0].Outcome != audit.Refused {
				t.Errorf("records %+v", r)
			}
		})
	}
	for rest, change := range map[consent.Rest]func(*consent.Share){
		consent.RestPaused: func(s *consent.Share) { s.PausedUntil = noon.Add(time.Hour) },
		consent.RestHeld:   func(s *consent.Share) { s.Held = true },
	} {
		t.Run("a grant that is "+string(rest)+" says so", func(t *testing.T) {
			t.Parallel()
			f, a := stale(t, func(f *front, a *app) { f.truth.Change(a.live.Share.Grant, change) })
			golden(t, "refused-"+string(rest), a.get(t, accounts))
			golden(t, "refused-"+string(rest), a.get(t, accounts)) // by the truth
			r := recordsOf(f, a.live.Share.Grant)
			if len(r) != 2 || r[0].Outcome != audit.Refused || r[0].Reason != string(rest) || r[1].Reason != string(rest) {
				t.Errorf("records %+v", r)
			}
			f.truth.Change(a.live.Share.Grant, func(s *consent.Share) { s.PausedUntil, s.Held = time.Time{}, false })
			given(t, a.get(t, accounts))
		})
	}
	t.Run("a pause is over by itself", func(t *testing.T) {
		t.Parallel()
		f := open(t, nil)
		a := f.app(t, share(func(s *consent.Share) { s.PausedUntil = noon.Add(time.Minute) }), nil)
		golden(t, "refused-paused-a-minute", a.get(t, accounts))
		f.clock.move(time.Minute)
		given(t, a.get(t, accounts))
		given(t, a.get(t, accounts)) // from the cache
	})
	t.Run("nobody else learns of a rest", func(t *testing.T) {
		t.Parallel()
		f := open(t, nil)
		a := f.app(t, share(func(s *consent.Share) { s.Held = true }), nil)
		f.truth.RevokeToken(a.live.Access.Hash)
		golden401(t, "bad-token", a.get(t, accounts))
	})
	// What the bank refuses tells something too, and passes no gate.
	t.Run("what the bank refuses is told on the word of the truth alone", func(t *testing.T) {
		t.Parallel()
		for name, tt := range map[string]struct {
			change func(*front, *app)
			status int
			code   string
		}{
			"nothing changed": {func(*front, *app) {}, 403, "706"},
			"the grant ended": {func(f *front, a *app) { f.truth.End(a.live.Share.Grant) }, 401, ""},
			"the token ended": {func(f *front, a *app) { f.truth.RevokeToken(a.live.Access.Hash) }, 401, ""},
			"the account is gone": {func(f *front, a *app) {
				f.truth.Change(a.live.Share.Grant, func(s *consent.Share) { s.Accounts = s.Accounts[1:] })
			}, 404, "701"},
			"the truth is away": {nil, 503, "503"},
		} {
			locked, tokens := &fakeBank{accounts: []fdx.Account{{Deposit: &fdx.DepositAccount{AccountDescriptor: fdx.AccountDescriptor{AccountID: "acc-1"}}}}}, &tokensAway{}
			f := open(t, func(c *resource.Config) {
				tokens.Tokens = c.Tokens
				c.Cache, c.Provider, c.Tokens = &oneEntry{}, locked, tokens
			})
			a := f.app(t, share(nil), nil)
			given(t, a.get(t, account)) // which fills the cache
			locked.err = resource.ErrAccountLocked
			if tt.change == nil {
				tokens.away.Store(true)
			} else {
				tt.change(f, a)
			}
			if got := a.get(t, account); got.status != tt.status || tt.code != "" && got.code() != tt.code {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
	})
	t.Run("a refusal without a record is counted", func(t *testing.T) {
		t.Parallel()
		var unrecorded atomic.Int64
		f := open(t, func(c *resource.Config) {
			c.Unrecorded = func() { unrecorded.Add(1) }
			c.Gate = gateFunc(func(context.Context, resource.Release) (resource.Verdict, error) {
				return resource.Withheld, resource.ErrUnavailable
			})
		})
		a := f.app(t, share(nil), nil)
		for i, row := range []struct{ status, unrecorded int }{{http.StatusNotFound, 1}, {http.StatusServiceUnavailable, 1}} {
			path := []string{accounts + "/there-is-none", accounts}[i]
			if got := a.get(t, path); got.status != row.status || unrecorded.Load() != int64(row.unrecorded) {
				t.Errorf("%s: %d, counted %d times", path, got.status, unrecorded.Load())
			}
		}
	})
	t.Run("a grant that never holds still is given up", func(t *testing.T) {
		t.Parallel()
		asked := 0
		f := open(t, func(c *resource.Config) {
			c.Gate = gateFunc(func(_ context.Context, r resource.Release) (resource.Verdict, error) {
				if r.Record.Outcome != audit.Refused {
					asked++
				}
				return resource.Withheld, nil
			})
		})
		golden401(t, "bad-token", f.app(t, share(nil), nil).get(t, accounts))
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// tokensAway is a truth that may be away.
type tokensAway struct {
	resource.Tokens
	away atomic.Bool
}

func (t *tokensAway) Live(ctx context.Context, h token.Hash) (token.Live, error) {
	if t.away.Load() {
		return token.Live{}, consent.ErrUnavailable
	}
	return t.Tokens.Live(ctx, h)
}

func TestNonces(t *testing.T) {
	t.Parallel()
	var clocked *clock
	f := open(t, func(c *resource.Config) {
		nonces, err := dpop.NewNonces(dpop.NonceConfig{Keys: [][]byte{bytes.Repeat([]byte{9}, 32)}, Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		c.Nonces = nonces
	})
	clocked = f.clock
	a := f.app(t, share(nil), nil)
	with := func(nonce string) answer {
		r := a.request(accounts)
		r.Header.Set("DPoP", a.proof("GET", f.base+accounts, func(c map[string]any) { c["nonce"] = nonce }))
		return a.do(t, r)
	}
	first := a.get(t, accounts)
	golden401(t, "use-nonce", first)
	nonce := first.header.Get("DPoP-Nonce")
	if len(first.header["Dpop-Nonce"]) != 1 || nonce == "" {
		t.Fatalf("nonces %q", first.header["Dpop-Nonce"])
	}
	if got := given(t, with(nonce)); got.header.Get("DPoP-Nonce") != "" {
		t.Error("a new nonce with a fresh one")
	}
	golden401(t, "use-nonce", with("made-up"))
	clocked.move(3 * time.Minute)
	if got := given(t, with(nonce)); got.header.Get("DPoP-Nonce") == "" || got.header.Get("DPoP-Nonce") == nonce {
		t.Error("no new nonce with an ageing one")
	}
	clocked.move(3 * time.Minute)
	golden401(t, "use-nonce", with(nonce))
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(nil), nil)
	r := a.request("/.well-known/oauth-protected-resource")
	r.Header.Del("Authorization")
	golden(t, "metadata", a.do(t, r))

	// Scopes of clients' own tokens go with what they open.
	f = open(t, func(c *resource.Config) {
		c.Beside = []openapi.Operation{
			{ID: fdx.ListConsentGrants, ClientScope: token.ScopeGrantQuery}, {ID: fdx.GetConsentGrant, ClientScope: token.ScopeGrantQuery},
			{ID: fdx.GetNotifications, ClientScope: token.ScopeNotifications}, {ID: "other"},
		}
	})
	a = f.app(t, share(nil), nil)
	golden(t, "metadata-beside", a.do(t, a.request("/.well-known/oauth-protected-resource")))
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := resource.New(resource.Config{})
	if err == nil {
		t.Fatal("a gateway of nothing")
	}
	for _, name := range []string{"Public", "Issuer", "Instance", "Log", "Hasher", "Proofs", "Tokens", "Provider", "Gate", "page key"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
	f := open(t, nil)
	for name, change := range map[string]func(*resource.Config){
		"plain http":     func(c *resource.Config) { c.Public = "http://gateway" },
		"a path":         func(c *resource.Config) { c.Public += "/" },
		"a quote":        func(c *resource.Config) { c.Public = `https://gate"way` },
		"issuer's query": func(c *resource.Config) { c.Issuer += "?a=b" },
		"short secret":   func(c *resource.Config) { c.PageKeys = [][]byte{make([]byte, 31)} },
	} {
		c := f.config
		change(&c)
		if _, err := resource.New(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// The link to the next page repeats what was asked as it was meant, also what
// has to be escaped, and leads there.
func TestTheNextLinkRepeatsTheQuestion(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	a := f.app(t, share(nil), nil)
	const asked = "accountIds=acc-1%2Cacc-2%2Cx%26limit%3D7&limit=1"
	first := given(t, a.get(t, "/fdx/v6/accounts?unknown=x&"+asked))
	var page struct {
		Links struct{ Next struct{ Href string } }
	}
	if err := json.Unmarshal([]byte(first.body), &page); err != nil {
		t.Fatal(err)
	}
	target, ours := strings.CutPrefix(page.Links.Next.Href, f.base)
	if !ours || !strings.HasPrefix(target, "/fdx/v6/accounts?"+asked+"&pageKey=") {
		t.Fatalf("next is %s", page.Links.Next.Href)
	}
	if second := given(t, a.get(t, target)); !strings.Contains(second.body, `"acc-2"`) || strings.Contains(second.body, `"acc-1"`) {
		t.Errorf("the next page is %s", second.body)
	}
}
