package upstream_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/upstream"
)

func chmod(t *testing.T, file string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

// last returns the latest request, and how many there were.
func (s *simulator) last() (*http.Request, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		return nil, 0
	}
	return s.requests[len(s.requests)-1], len(s.requests)
}

func TestIDsStayInTheirPlace(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	s.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	c := s.mutual(t, s.config())
	c.Consumer = upstream.Consumer{Header: "X-Consumer-Id", Query: "who"}
	c.Operations[fdx.GetAccountContact] = "/contact?of={accountId}&as={consumerId}"
	p := provider(t, c)
	for id, want := range map[string]string{
		"plain":          "plain",
		"../admin":       "..%2Fadmin",
		"..%2fadmin":     "..%252fadmin",
		"a/b":            "a%2Fb",
		"a?b=c":          "a%3Fb=c",
		"a#b":            "a%23b",
		"a;b":            "a%3Bb",
		"a b":            "a%20b",
		"a\\b":           "a%5Cb",
		"ä":              "%C3%A4",
		"{consumerId}":   "%7BconsumerId%7D",
		"...":            "...",
		"x&who=somebody": "x&who=somebody",
	} {
		a := s.access(id, fdx.AccountID(id), nil, fdx.Window{})
		if _, err := p.Account(t.Context(), a); !errors.Is(err, resource.ErrNoAccount) {
			t.Errorf("%s: %v", id, err)
		}
		r, _ := s.last()
		path, query, _ := strings.Cut(r.RequestURI, "?")
		if path != "/fdx/v6/accounts/"+want || r.URL.Query()["who"][0] != id || len(r.URL.Query()) != 1 {
			t.Errorf("%s: asked for %s with %s", id, path, query)
		}
		if got := r.Header.Values("X-Consumer-Id"); len(got) != 1 || got[0] != want {
			t.Errorf("%s: header %v", id, got)
		}
		_, _ = p.Contact(t.Context(), a)
		r, _ = s.last()
		v := r.URL.Query()
		if r.URL.Path != "/fdx/v6/contact" || len(v) != 3 || len(v["who"]) != 1 || v.Get("of") != id || v.Get("as") != id {
			t.Errorf("%s: asked for %s", id, r.RequestURI)
		}
	}
	_, before := s.last()
	for _, id := range []string{".", "..", "a\nb", "a\x00b", "\x7f", "\u0085", "a\xffb", strings.Repeat("x", 257)} {
		a := s.access("me", fdx.AccountID(id), nil, fdx.Window{})
		if _, err := p.Account(t.Context(), a); !errors.Is(err, resource.ErrNoAccount) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := p.Account(t.Context(), resource.Access{}); !errors.Is(err, resource.ErrNoAccount) {
		t.Errorf("no access: %v", err)
	}
	if _, err := p.RewardProgram(t.Context(), s.access("me", "busy", nil, fdx.Window{}), ".."); !errors.Is(err, resource.ErrNotFound) {
		t.Errorf("a program: %v", err)
	}
	if _, after := s.last(); after != before {
		t.Errorf("the bank was asked %d times for what cannot be asked", after-before)
	}
}

// A bank is asked for the accounts of the access and for no other.
func TestAsksForNoMore(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	p := provider(t, s.mutual(t, s.config()))
	if _, err := p.Accounts(t.Context(), s.access("me", "", []fdx.AccountID{"busy", "a,foreign", "card"}, fdx.Window{}), resource.PageRequest{Limit: 7}); err != nil {
		t.Fatal(err)
	}
	r, n := s.last()
	if v := r.URL.Query(); v.Get("accountIds") != "busy,card" || v.Get("limit") != "7" || v.Has("pageKey") || v.Get("resultType") != "details" {
		t.Errorf("asked %s", r.URL.RawQuery)
	}
	if page, err := p.Accounts(t.Context(), s.access("me", "", []fdx.AccountID{"a,foreign"}, fdx.Window{}), resource.PageRequest{Limit: 7}); err != nil || len(page.Items) != 0 {
		t.Errorf("%d accounts, %v", len(page.Items), err)
	}
	if _, after := s.last(); after != n {
		t.Error("the bank was asked for all accounts, as there is none to ask for")
	}
	start := fdx.DateOf(s.now).AddDays(-3)
	if _, err := p.Transactions(t.Context(), s.access("me", "busy", nil, fdx.Window{Start: start, End: start}), resource.PageRequest{After: "t4&x", Limit: 7}); err == nil {
		t.Error("a place that is none was taken")
	}
	r, _ = s.last()
	if v := r.URL.Query(); v.Get("startDate") != start.String() || v.Get("endDate") != start.String() || v.Get("pageKey") != "t4&x" {
		t.Errorf("asked %s", r.URL.RawQuery)
	}
}

func TestWindowsWithTimes(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	c := s.mutual(t, s.config())
	c.Window = upstream.Window{Start: "from", End: "to", Layout: time.RFC3339}
	s.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	day, _ := fdx.ParseDate("2026-01-05")
	_, _ = provider(t, c).Transactions(t.Context(), s.access("me", "busy", nil, fdx.Window{Start: day, End: day}), resource.PageRequest{Limit: 7})
	r, _ := s.last()
	if v := r.URL.Query(); v.Get("from") != "2026-01-05T00:00:00Z" || v.Get("to") != "2026-01-05T23:59:59Z" {
		t.Errorf("asked %s", r.URL.RawQuery)
	}
}

// A list that always comes whole is cut here, and what is new at its top
// repeats nothing.
func TestWholeLists(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	c := s.mutual(t, s.config())
	c.Paging = upstream.Paging{Style: upstream.Whole}
	ids := []string{"d", "b", "a", "c"}
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("limit") || r.URL.Query().Has("pageKey") {
			t.Error("asked for a page")
		}
		w.Header().Set("Content-Type", "application/json")
		var list []string
		for _, id := range ids {
			list = append(list, transaction(s, int(id[0]-'a'), id))
		}
		_, _ = io.WriteString(w, `{"transactions":[`+strings.Join(list, ",")+`]}`)
	})
	p := provider(t, c)
	week := s.access("me", "busy", nil, fdx.Window{Start: fdx.DateOf(s.now).AddDays(-6), End: fdx.DateOf(s.now)})
	first, err := p.Transactions(t.Context(), week, resource.PageRequest{Limit: 2})
	if err != nil || len(first.Items) != 2 || first.Items[0].Base().TransactionID != "a" || first.Items[1].Base().TransactionID != "b" || first.Next == "" {
		t.Fatalf("%d transactions, %v", len(first.Items), err)
	}
	ids = []string{"a", "b", "c", "d"}
	second, err := p.Transactions(t.Context(), week, resource.PageRequest{Limit: 2, After: first.Next})
	if err != nil || len(second.Items) != 2 || second.Items[0].Base().TransactionID != "c" || second.Next != "" {
		t.Fatalf("%d transactions, %v", len(second.Items), err)
	}
	if _, err := p.Transactions(t.Context(), week, resource.PageRequest{Limit: 2, After: "none"}); err == nil {
		t.Error("a place that is none was taken")
	}
}

func TestChoices(t *testing.T) {
	t.Parallel()
	for _, mapped := range []bool{false, true} {
		s := newSimulator(t, false, mapped)
		c := s.config()
		if mapped {
			var err error
			if c, err = s.ownConfig(); err != nil {
				t.Fatal(err)
			}
		}
		p := provider(t, s.mutual(t, c))
		choices, err := p.Choices(t.Context(), "me")
		if err != nil {
			t.Fatal(err)
		}
		want := []consent.AccountChoice{
			{ID: "busy", Name: "Current account", Category: "DEPOSIT_ACCOUNT", Joint: true},
			// Somebody may use the card, which makes no owner.
			{ID: "card", Name: "Card", Category: "LOC_ACCOUNT"},
			{ID: "loan/1?#%2f", Name: "Loan", Category: "LOAN_ACCOUNT", Ineligible: consent.IneligibleClosed},
			{ID: "locked", Name: "Current account", Category: "DEPOSIT_ACCOUNT", Ineligible: consent.IneligibleLocked},
		}
		if len(choices) != len(want) {
			t.Fatalf("%d choices", len(choices))
		}
		for i := range want {
			if choices[i] != want[i] {
				t.Errorf("mapped %v: %+v, want %+v", mapped, choices[i], want[i])
			}
		}
		if choices, err := p.Choices(t.Context(), "nobody"); err != nil || choices != nil {
			t.Errorf("nobody has %d accounts, %v", len(choices), err)
		}
	}
}

func TestAvailability(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	p := provider(t, s.mutual(t, s.config()))
	if a, err := p.Availability(t.Context()); err != nil || a.Status != fdx.Partial {
		t.Errorf("%v, %v", a, err)
	}
	if r, _ := s.last(); r.Header.Get("X-Consumer-Id") != "" {
		t.Error("it was asked for somebody")
	}
	s.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"availability":[{"status":"SUNNY"}]}`)
	})
	if a, err := p.Availability(t.Context()); !errors.Is(err, resource.ErrWrongAnswer) {
		t.Errorf("%v, %v", a, err)
	}
}

func TestAccountWithoutItsOwnOperation(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	c := s.mutual(t, s.config())
	delete(c.Operations, fdx.GetAccount)
	p := provider(t, c)
	if a, err := p.Account(t.Context(), s.access("me", "card", nil, fdx.Window{})); err != nil || a.ID() != "card" {
		t.Errorf("%v", err)
	}
	for _, id := range []fdx.AccountID{"foreign", "none"} {
		if _, err := p.Account(t.Context(), s.access("me", id, nil, fdx.Window{})); !errors.Is(err, resource.ErrNoAccount) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	p := provider(t, s.mutual(t, s.config()))
	today := fdx.DateOf(s.now)
	forms := []fdx.ContentType{fdx.PDF, fdx.PNG}
	d, err := p.Image(t.Context(), s.access("me", "busy", nil, fdx.Window{Start: today.AddDays(-6), End: today}), "i", forms)
	if err != nil || d.Type != fdx.PNG || d.Date != today.AddDays(-1) || string(d.Body) != "image" {
		t.Errorf("%v %v, %v", d.Type, d.Date, err)
	}
	if _, err := p.Image(t.Context(), s.access("me", "busy", nil, fdx.Window{Start: today, End: today}), "i", forms); !errors.Is(err, resource.ErrNotFound) {
		t.Errorf("before the window: %v", err)
	}
	if _, err := p.Image(t.Context(), s.access("me", "busy", nil, fdx.Window{Start: today.AddDays(-6), End: today}), "i", []fdx.ContentType{fdx.PDF}); !errors.Is(err, resource.ErrNotAcceptable) {
		t.Errorf("in another form: %v", err)
	}
}

// private_key_jwt: the token endpoint sees a fresh assertion that the public
// key verifies, and no secret.
func TestPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, true, false)
	file := t.TempDir() + "/keys"
	if err := certs.GenerateSigningKeys(file, "ES256"); err != nil {
		t.Fatal(err)
	}
	keys, err := certs.LoadSigningKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	public, err := certs.ParseJWKS(keys.Public())
	if err != nil {
		t.Fatal(err)
	}
	c := s.config()
	c.OAuth = &upstream.ClientCredentials{TokenEndpoint: s.URL + "/token", ClientID: "us", KeyFile: file}
	p := provider(t, c)
	s.token = func(w http.ResponseWriter, r *http.Request) bool {
		if _, _, basic := r.BasicAuth(); basic || r.FormValue("client_id") != "us" || r.FormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			t.Errorf("form %v", r.Form)
		}
		token, err := jwt.ParseSigned(r.FormValue("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Error(err)
			return false
		}
		var claims jwt.Claims
		if err := token.Claims(public.Select(token.Headers[0].KeyID, "ES256")[0].Key, &claims); err != nil {
			t.Error(err)
		}
		if err := claims.Validate(jwt.Expected{Issuer: "us", Subject: "us", AnyAudience: jwt.Audience{s.URL + "/token"}, Time: time.Now()}); err != nil || claims.ID == "" {
			t.Errorf("%v: %+v", err, claims)
		}
		if life := claims.Expiry.Time().Sub(claims.IssuedAt.Time()); life <= 0 || life > time.Minute {
			t.Errorf("an assertion for %s", life)
		}
		s.issue(w, 60)
		return true
	}
	if err := reads(s, p)["accounts"](t.Context()); err != nil {
		t.Error(err)
	}
}

// A certificate that is renewed on disk is used without a new start.
func TestCertificateIsReloaded(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	c := s.mutual(t, s.config())
	now := s.now
	c.Now = func() time.Time { return now }
	var seen []string
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.TLS.PeerCertificates[0].Subject.CommonName)
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"accounts":[]}`)
	})
	dir := t.TempDir()
	place := func(name string) {
		pair, err := s.ca.Client(name)
		if err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{pair.CertFile: dir + "/cert", pair.KeyFile: dir + "/key"} {
			data, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(to, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	c.CertFile, c.KeyFile = dir+"/cert", dir+"/key"
	place("old")
	p := provider(t, c)
	for range 2 {
		if err := reads(s, p)["accounts"](t.Context()); err != nil {
			t.Fatal(err)
		}
		place("new")
		now = now.Add(2 * time.Second)
	}
	if len(seen) != 2 || seen[0] != "old" || seen[1] != "new" {
		t.Errorf("the bank saw %v", seen)
	}
}
