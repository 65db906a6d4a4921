package authz_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// page reports that a person was shown a page with that code and sent nowhere.
func page(a answer, status int, code string) bool {
	return a.is(status, code) && a.header.Get("Location") == ""
}

func TestAnAuthorizationIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	back := w.person("alice").approve(c.front(c.pushed(with("state", "a b&c=d/é\u2028"))))
	if !only(back, "code", "iss", "state") || back.Get("iss") != issuer || back.Get("state") != "a b&c=d/é\u2028" || len(back.Get("code")) < 43 {
		t.Errorf("%v", back)
	}
	g := w.grant()
	now := w.clock.now().UTC().Truncate(time.Second)
	if g.Recipient != "app" || g.Consumer != "consumer-alice" || g.Status != consent.StatusActive || g.Epoch != 1 ||
		len(g.Accounts()) != 2 || !g.CreatedAt.Equal(now) || !g.ExpiresAt.Equal(now.Add(365*24*time.Hour)) || g.Disclosure.Text != "You share." ||
		len(g.Parties) != 2 || g.Parties[0].Name != "app Inc" || g.Parties[1].Name != "Bank" {
		t.Errorf("%+v", g)
	}
}

func TestStateComesBackOnlyWhenItWasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for name, bend := range map[string]func(url.Values){"none": without("state"), "empty": with("state", "")} {
		for _, d := range []consent.Decision{consent.Approved, consent.Denied} {
			if back := w.person("alice").finish(c.front(c.pushed(bend)), d); back.Has("state") {
				t.Errorf("%s, %s: %v", name, d, back)
			}
		}
	}
}

func TestARegisteredQueryIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	registered := callback + "?dummy1=lorem&dummy2=ipsum"
	alice := w.person("alice")
	for _, d := range []consent.Decision{consent.Approved, consent.Denied} {
		id := alice.journey(c.front(c.pushed(with("redirect_uri", registered))))
		alice.decide(id, d)
		if to := alice.resume(id).header.Get("Location"); !strings.HasPrefix(to, registered+"&") || strings.Count(to, "?") != 1 {
			t.Errorf("%s: %s", d, to)
		}
	}
}

func TestDenial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	query := c.front(c.pushed(with("state", "x=y")))
	back := w.person("alice").finish(query, consent.Denied)
	if !only(back, "error", "error_description", "iss", "state") || back.Get("error") != "access_denied" || back.Get("state") != "x=y" || back.Get("iss") != issuer {
		t.Errorf("%v", back)
	}
	if a := w.person("alice").open(query); !page(a, http.StatusBadRequest, "invalid_request_uri") {
		t.Errorf("the same request again: %s", a)
	}
	if a := w.person("bob").open(query); !page(a, http.StatusBadRequest, "invalid_request_uri") {
		t.Errorf("in another browser: %s", a)
	}
	if len(w.grants()) != 0 {
		t.Error("a grant was made")
	}
}

// FAPI 2.0 section 5.3.2.2: what was not pushed was not asked.
func TestOnlyTwoParametersOfTheAddressAreRead(t *testing.T) {
	t.Parallel()
	extra := url.Values{
		"state": {"injected"}, "nonce": {"injected"}, "redirect_uri": {"https://evil.example"}, "scope": {"injected"},
		"response_type": {"token", "code"}, "response_mode": {"fragment"}, "login_hint": {"injected"}, "ui_locales": {"injected"},
		"code_challenge": {"injected"}, "code_challenge_method": {"plain"}, "request": {"injected"}, "dpop_jkt": {"injected"},
		"authorization_details": {"[]"}, "client_assertion": {"injected"}, "acr_values": {"injected"}, "claims": {"injected"},
	}
	for name, address := range map[string]func(url.Values) string{
		"client first": func(q url.Values) string {
			return "client_id=" + q.Get("client_id") + "&request_uri=" + url.QueryEscape(q.Get("request_uri")) + "&" + extra.Encode()
		},
		"client last": func(q url.Values) string {
			return extra.Encode() + "&request_uri=" + url.QueryEscape(q.Get("request_uri")) + "&client_id=" + q.Get("client_id")
		},
	} {
		w := newWorld(t)
		c := w.client("app")
		alice := w.person("alice")
		a := alice.get("/authorize?" + address(c.front(c.pushed(nil))))
		id := consent.AuthorizationID(strings.Split(a.header.Get("Location"), "/")[2])
		kept, err := w.mem.Authorization(t.Context(), id, "alice")
		must(t, err)
		if text := fmt.Sprintf("%+v", kept); strings.Contains(text, "injected") {
			t.Errorf("%s: %s", name, text)
		}
		alice.decide(id, consent.Approved)
		back := w.back(alice.resume(id))
		if !only(back, "code", "iss", "state") || back.Get("state") != "st" {
			t.Errorf("%s: %v", name, back)
		}
		if a := c.redeem(back.Get("code"), nil); a.status != http.StatusOK || a.text("scope") != basicScope {
			t.Errorf("%s: %s", name, a)
		}
	}
}

func TestRequestsThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, other := w.client("app"), w.client("other")
	uri := c.pushed(nil)
	alice := w.person("alice")
	q := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return v
	}
	for name, tt := range map[string]struct {
		query url.Values
		code  string
		app   string // shown on the page
	}{
		"nothing":                       {q(), "invalid_request", ""},
		"no request_uri":                {q("client_id", "app"), "invalid_request", ""},
		"no client_id":                  {q("request_uri", uri), "invalid_request", ""},
		"a whole request, not pushed":   {c.request(), "invalid_request", ""},
		"the same with a client id":     {func() url.Values { r := c.request(); r.Set("client_id", "app"); return r }(), "invalid_request", ""},
		"two clients":                   {q("client_id", "app", "client_id", "app", "request_uri", uri), "invalid_request", ""},
		"two requests":                  {q("client_id", "app", "request_uri", uri, "request_uri", uri), "invalid_request", ""},
		"a client that is unknown":      {q("client_id", "nobody", "request_uri", uri), "invalid_request", ""},
		"a client with a NUL":           {q("client_id", "app\x00", "request_uri", uri), "invalid_request", ""},
		"a client that is no text":      {q("client_id", "\xff", "request_uri", uri), "invalid_request", ""},
		"an empty client":               {q("client_id", "", "request_uri", uri), "invalid_request", ""},
		"a client that is suspended":    {q("client_id", "suspended", "request_uri", uri), "unauthorized_client", "suspended Inc"},
		"a request of another client":   {other.front(uri), "invalid_request_uri", "other Inc"},
		"an empty request":              {c.front(""), "invalid_request_uri", "app Inc"},
		"a request that is unknown":     {c.front(func() string { u, _ := w.hasher.New(token.KindPushed); return u.Reveal() }()), "invalid_request_uri", "app Inc"},
		"a request cut short":           {c.front(uri[:len(uri)-1]), "invalid_request_uri", "app Inc"},
		"a request doubled":             {c.front(uri + uri), "invalid_request_uri", "app Inc"},
		"a request at another server":   {c.front("https://evil.example/request.jwt"), "invalid_request_uri", "app Inc"},
		"a request of 100 KiB":          {c.front(strings.Repeat("u", 100<<10)), "invalid_request_uri", "app Inc"},
		"a prefix of ours with nothing": {c.front("urn:ietf:params:oauth:request_uri:hg_"), "invalid_request_uri", "app Inc"},
	} {
		a := alice.open(tt.query)
		if !page(a, http.StatusBadRequest, tt.code) || a.text("app") != tt.app || (a.text("back") != "") != (tt.app != "") {
			t.Errorf("%s: %s", name, a)
		}
	}
	// None of this used the request up.
	if back := alice.approve(c.front(uri)); back.Get("code") == "" {
		t.Errorf("the request afterwards: %v", back)
	}
}

func TestTheTimeToOpenARequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	query := c.front(c.pushed(nil))
	w.clock.advance(119 * time.Second)
	id := alice.journey(query) // opened in time
	w.clock.advance(2 * time.Second)
	if a := w.person("bob").open(query); !page(a, http.StatusBadRequest, "invalid_request_uri") {
		t.Errorf("too late: %s", a)
	}
	// The person's time is another one.
	w.clock.advance(consent.JourneyTime - 3*time.Second)
	alice.decide(id, consent.Approved)
	if back := w.back(alice.resume(id)); back.Get("code") == "" {
		t.Errorf("decided in time: %v", back)
	}
}

func TestWhoTakesTooLongIsLedBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	id := alice.journey(c.front(c.pushed(nil)))
	alice.decide(id, consent.Approved)
	w.clock.advance(consent.JourneyTime)
	back := w.back(alice.resume(id))
	if !only(back, "error", "error_description", "iss", "state") || back.Get("error") != "access_denied" || back.Get("state") != "st" {
		t.Errorf("%v", back)
	}
	if len(w.grants()) != 0 {
		t.Error("a grant was made")
	}
	if a := alice.resume(id); a.header.Get("Location") != "/page/"+string(id)+"/done" {
		t.Errorf("afterwards: %s", a.header.Get("Location"))
	}
}

// The last instant of a journey may pass while the answer is being made.
func TestAnApprovalInItsLastInstant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	id := alice.journey(c.front(c.pushed(nil)))
	alice.decide(id, consent.Approved)
	w.stores.before = func(call string) error {
		if call == "Opened" {
			w.clock.advance(consent.JourneyTime)
		}
		return nil
	}
	if back := w.back(alice.resume(id)); back.Get("code") == "" {
		t.Errorf("%v", back)
	}
}

func TestAPageMayBeLoadedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	query := c.front(c.pushed(nil))
	alice, bob := w.person("alice"), w.person("bob")
	id := alice.journey(query)
	if again := alice.journey(query); again != id {
		t.Errorf("a second load began another journey: %s, %s", id, again)
	}
	if his := bob.journey(query); his == id {
		t.Error("two browsers share one journey")
	}
	alice.decide(id, consent.Approved)
	if back := w.back(alice.resume(id)); back.Get("code") == "" {
		t.Errorf("%v", back)
	}
	if a := alice.open(query); !page(a, http.StatusBadRequest, "invalid_request_uri") {
		t.Errorf("after the decision: %s", a)
	}
}

func TestEachStepHasItsPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	id := alice.journey(c.front(c.pushed(nil)))
	for _, tt := range []struct {
		step string
		do   func(*consent.Authorization)
	}{
		{"login", func(a *consent.Authorization) { a.Consumer = "consumer-alice" }},
		{"accounts", func(a *consent.Authorization) { a.Accounts = append(a.Accounts, "acc-1") }},
		{"review", func(a *consent.Authorization) { a.Decision = consent.Approved }},
	} {
		if to := alice.resume(id).header.Get("Location"); to != "/page/"+string(id)+"/"+tt.step {
			t.Errorf("%s: sent to %s", tt.step, to)
		}
		a, err := w.mem.Authorization(t.Context(), id, "alice")
		must(t, err)
		tt.do(&a)
		_, err = w.mem.Replace(t.Context(), a)
		must(t, err)
	}
	if back := w.back(alice.resume(id)); back.Get("code") == "" {
		t.Errorf("%v", back)
	}
}

func TestAnotherBrowserSeesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	id := alice.journey(c.front(c.pushed(nil)))
	alice.decide(id, consent.Approved)
	for _, name := range []string{"mallory", ""} {
		if a := w.person(name).resume(id); !page(a, http.StatusBadRequest, "invalid_request") || a.text("app") != "" {
			t.Errorf("%q: %s", name, a)
		}
	}
	for _, id := range []consent.AuthorizationID{consent.NewAuthorizationID(), "x", "%00", "%ff", "..%2f"} {
		if a := alice.resume(id); !page(a, http.StatusBadRequest, "invalid_request") {
			t.Errorf("%s: %s", id, a)
		}
	}
	if len(w.grants()) != 0 {
		t.Error("a grant was made")
	}
	if back := w.back(alice.resume(id)); back.Get("code") == "" {
		t.Errorf("her own: %v", back)
	}
}

func TestTwoTabsOneCode(t *testing.T) {
	t.Parallel()
	for _, d := range []consent.Decision{consent.Approved, consent.Denied} {
		w := newWorld(t)
		c := w.client("app")
		alice := w.person("alice")
		id := alice.journey(c.front(c.pushed(nil)))
		alice.decide(id, d)
		answered := 0
		for _, a := range atOnce(16, func(int) answer { return alice.resume(id) }) {
			to := a.header.Get("Location")
			if to == "/authorize/"+string(id) { // too late: asks again where things stand
				to = alice.resume(id).header.Get("Location")
			}
			switch {
			case strings.HasPrefix(to, callback):
				answered++
			case to != "/page/"+string(id)+"/done":
				t.Errorf("%s: sent to %s", d, to)
			}
		}
		if want := map[consent.Decision]int{consent.Approved: 1}[d]; answered != 1 || len(w.grants()) != want {
			t.Errorf("%s: %d answers, %d grants", d, answered, len(w.grants()))
		}
	}
}

func TestTwoBrowsersOneCode(t *testing.T) {
	t.Parallel()
	for _, second := range []consent.Decision{consent.Approved, consent.Denied} {
		w := newWorld(t)
		c := w.client("app")
		query := c.front(c.pushed(nil))
		alice, bob := w.person("alice"), w.person("bob")
		hers, his := alice.journey(query), bob.journey(query)
		alice.decide(hers, consent.Approved)
		bob.decide(his, second)
		if back := w.back(alice.resume(hers)); back.Get("code") == "" {
			t.Fatal(back)
		}
		// Not to the page of a decision that he has not taken: that would send
		// him back here, for ever.
		if a := bob.resume(his); !page(a, http.StatusBadRequest, "invalid_request_uri") {
			t.Errorf("%s: the second got %v, sent to %s", second, a, a.header.Get("Location"))
		}
		if all, err := w.mem.GrantsOf(t.Context(), "consumer-bob"); err != nil || len(all) != 0 {
			t.Errorf("%s: %v, %v", second, all, err)
		}
	}
}

// A decision that was changed meanwhile is looked at again, not reported as
// done.
func TestAChangedDecisionIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Approve", "Refuse"} {
		w := newWorld(t)
		c := w.client("app")
		alice := w.person("alice")
		id := alice.journey(c.front(c.pushed(nil)))
		alice.decide(id, map[string]consent.Decision{"Approve": consent.Approved, "Refuse": consent.Denied}[call])
		w.stores.before = func(c string) error {
			if c == call {
				alice.decide(id, consent.Undecided)
			}
			return nil
		}
		if to := alice.resume(id).header.Get("Location"); to != "/authorize/"+string(id) {
			t.Errorf("%s: sent to %s", call, to)
		}
		if to := alice.resume(id).header.Get("Location"); to != "/page/"+string(id)+"/review" {
			t.Errorf("%s: then sent to %s", call, to)
		}
	}
}

func TestAClientSuspendedMeanwhileGetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	id := alice.journey(c.front(c.pushed(nil)))
	alice.decide(id, consent.Approved)
	r, err := w.mem.Recipient(t.Context(), "app")
	must(t, err)
	r.Status = consent.RecipientSuspended
	must(t, w.mem.PutRecipient(t.Context(), r))
	if back := w.back(alice.resume(id)); back.Get("error") != "access_denied" || back.Has("code") {
		t.Errorf("%v", back)
	}
	if len(w.grants()) != 0 {
		t.Error("a grant was made")
	}
}

func TestPagesAreOfNoOtherOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	r := httptest.NewRequest(http.MethodGet, "/authorize?"+c.front(c.pushed(nil)).Encode(), nil)
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("X-Browser", "alice")
	if a := w.do(w.browser, r); a.status != http.StatusSeeOther || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%s %v", a, a.header)
	}
	for name, r := range map[string]*http.Request{
		"unknown path":        httptest.NewRequest(http.MethodGet, "/nowhere", nil),
		"a protocol endpoint": httptest.NewRequest(http.MethodPost, "/token", nil),
		"a slash behind":      httptest.NewRequest(http.MethodGet, "/authorize/", nil),
	} {
		if a := w.do(w.browser, r); !page(a, http.StatusNotFound, "invalid_request") {
			t.Errorf("%s: %s", name, a)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodOptions, "TEST"} {
		if a := w.do(w.browser, httptest.NewRequest(method, "/authorize", nil)); !page(a, http.StatusMethodNotAllowed, "invalid_request") || a.header.Get("Allow") != "GET" {
			t.Errorf("%s: %s", method, a)
		}
	}
}
