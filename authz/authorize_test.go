package authz_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/authz"
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
		"another client, suspended":     {q("client_id", "suspended", "request_uri", uri), "invalid_request_uri", "suspended Inc"},
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
		if call == "Approve" {
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
		alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
		hers, his, undecided := alice.journey(query), bob.journey(query), carol.journey(query)
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
		if a := carol.resume(undecided); !page(a, http.StatusBadRequest, "invalid_request_uri") {
			t.Errorf("%s: who has not decided goes on: %s", second, a.header.Get("Location"))
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

// change changes a registration.
func (w *world) change(id consent.RecipientID, bend func(*consent.Recipient)) {
	w.t.Helper()
	r, err := w.mem.Recipient(w.t.Context(), id)
	must(w.t, err)
	bend(&r)
	must(w.t, w.mem.PutRecipient(w.t.Context(), r))
}

// The app is told at once, wherever the person stands.
func TestAClientThatMayNotAskAnyMoreIsTold(t *testing.T) {
	t.Parallel()
	for _, status := range []consent.RecipientStatus{consent.RecipientRestricted, consent.RecipientSuspended, consent.RecipientPending, "new"} {
		for where, come := range map[string]func(person, url.Values, *world) answer{
			"before the page": func(p person, q url.Values, w *world) answer {
				w.change("app", func(r *consent.Recipient) { r.Status = status })
				return p.open(q)
			},
			"before the sign-in": func(p person, q url.Values, w *world) answer {
				id := p.journey(q)
				w.change("app", func(r *consent.Recipient) { r.Status = status })
				return p.resume(id)
			},
			"after the decision": func(p person, q url.Values, w *world) answer {
				id := p.journey(q)
				p.decide(id, consent.Approved)
				w.change("app", func(r *consent.Recipient) { r.Status = status })
				return p.resume(id)
			},
		} {
			w := newWorld(t)
			c := w.client("app")
			alice, query := w.person("alice"), c.front(c.pushed(nil))
			back := w.back(come(alice, query, w))
			if !only(back, "error", "error_description", "iss", "state") || back.Get("error") != "unauthorized_client" || back.Get("state") != "st" {
				t.Errorf("%s, %s: %v", status, where, back)
			}
			if len(w.grants()) != 0 {
				t.Errorf("%s, %s: a grant was made", status, where)
			}
			w.change("app", func(r *consent.Recipient) { r.Status = consent.RecipientActive })
			if a := alice.open(query); !page(a, http.StatusBadRequest, "invalid_request_uri") {
				t.Errorf("%s, %s: the same request again: %s", status, where, a)
			}
		}
	}
}

// RFC 9700 section 4.11.2: a redirect URI that nothing vouches for is not
// followed, whatever there is to say.
func TestNobodyIsSentWhereNothingIsRegistered(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*consent.Recipient){
		"a client that is closed":       func(r *consent.Recipient) { r.Status = consent.RecipientClosed },
		"a redirect URI that is gone":   func(r *consent.Recipient) { r.RedirectURIs = []string{callback + "2"} },
		"a suspended one, and URI gone": func(r *consent.Recipient) { r.Status, r.RedirectURIs = consent.RecipientSuspended, nil },
	} {
		for _, d := range []consent.Decision{consent.Undecided, consent.Approved, consent.Denied} {
			w := newWorld(t)
			c := w.client("app")
			alice, query := w.person("alice"), c.front(c.pushed(nil))
			id := alice.journey(query)
			alice.decide(id, d)
			w.change("app", bend)
			for address, a := range map[string]answer{"journey": alice.resume(id), "request": alice.open(query)} {
				if !page(a, http.StatusBadRequest, "unauthorized_client") || a.text("app") != "app Inc" || a.text("back") == "" {
					t.Errorf("%s, %q, %s: %s to %s", name, d, address, a, a.header.Get("Location"))
				}
			}
			if len(w.grants()) != 0 {
				t.Errorf("%s, %q: a grant was made", name, d)
			}
		}
	}
}

// A page that could not be made says where to try again, and trying again
// works.
func TestAStoreThatIsDownIsTriedAgain(t *testing.T) {
	t.Parallel()
	down := consent.ErrUnavailable
	for _, call := range []string{"Recipient", "Pushed", "Open"} {
		w := newWorld(t)
		c := w.client("app")
		alice, query := w.person("alice"), c.front(c.pushed(with("ui_locales", "sv en")))
		w.stores.before = failing(call, down)
		a := alice.open(query)
		w.stores.before = nil
		if !page(a, http.StatusServiceUnavailable, "temporarily_unavailable") || a.text("retry") != "/authorize?"+query.Encode() ||
			a.text("locales") != map[string]string{"Open": "sv en"}[call] {
			t.Errorf("%s: %s", call, a)
		}
		if again := alice.get(a.text("retry")); again.status != http.StatusSeeOther {
			t.Errorf("%s: again: %s", call, again)
		}
	}
	for call, d := range map[string]consent.Decision{
		"Authorization": consent.Approved, "Recipient": consent.Denied, "Opened": consent.Approved, "Approve": consent.Approved, "Refuse": consent.Denied,
	} {
		w := newWorld(t)
		c := w.client("app")
		alice := w.person("alice")
		id := alice.journey(c.front(c.pushed(with("ui_locales", "sv en"))))
		alice.decide(id, d)
		w.stores.before = failing(call, down)
		a := alice.resume(id)
		w.stores.before = nil
		if !page(a, http.StatusServiceUnavailable, "temporarily_unavailable") || a.text("retry") != "/authorize/"+string(id) ||
			a.text("locales") != map[bool]string{false: "sv en"}[call == "Authorization"] {
			t.Errorf("%s: %s", call, a)
		}
		if back := w.back(alice.get(a.text("retry"))); back.Has("code") != (d == consent.Approved) || back.Has("error") != (d == consent.Denied) {
			t.Errorf("%s: again: %v", call, back)
		}
	}
}

func TestALoopbackAppIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	for _, registered := range []string{"http://127.0.0.1:9/cb", "http://[::1]:9/cb"} {
		id := alice.journey(c.front(c.pushed(with("redirect_uri", registered))))
		alice.decide(id, consent.Approved)
		if to := alice.resume(id).header.Get("Location"); !strings.HasPrefix(to, registered+"?code=") {
			t.Errorf("%s: %s", registered, w.secret(to))
		}
	}
}

// Thirty-two callers, spread over two instances: one grant and one code, and
// everybody else is told that it is done.
func TestTwoInstancesOneCode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"query", "jwt"} {
		var config authz.Config
		w := newWorldWith(t, func(c *authz.Config) { config = *c })
		second, err := authz.New(config)
		must(t, err)
		instances := [2]http.Handler{w.browser}
		instances[1], err = second.Browser()
		must(t, err)
		c := w.client("app")
		alice := w.person("alice")
		id := alice.journey(c.front(c.asks(url.Values{"response_mode": {mode}})))
		alice.decide(id, consent.Approved)
		answered := 0
		for _, a := range atOnce(32, func(i int) answer {
			r := httptest.NewRequest(http.MethodGet, "/authorize/"+string(id), nil)
			r.Header.Set("X-Browser", "alice")
			return w.do(instances[i%2], r)
		}) {
			to := a.header.Get("Location")
			if to == "/authorize/"+string(id) {
				to = alice.resume(id).header.Get("Location")
			}
			switch {
			case strings.HasPrefix(to, callback):
				answered++
			case to != "/page/"+string(id)+"/done":
				t.Errorf("%s: sent to %s", mode, to)
			}
		}
		if answered != 1 || len(w.grants()) != 1 {
			t.Errorf("%s: %d answers, %d grants", mode, answered, len(w.grants()))
		}
	}
}

// Back, reload and a bookmark: somewhere to go each time, and never a second
// code.
func TestAfterTheAnswer(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"query", "jwt"} {
		for _, d := range []consent.Decision{consent.Approved, consent.Denied} {
			w := newWorld(t)
			c := w.client("app")
			alice, query := w.person("alice"), c.front(c.asks(url.Values{"response_mode": {mode}}))
			id := alice.journey(query)
			alice.decide(id, d)
			if to := alice.resume(id).header.Get("Location"); !strings.HasPrefix(to, callback) {
				t.Fatalf("%s: %s", mode, to)
			}
			for range 2 {
				if to := alice.resume(id).header.Get("Location"); to != "/page/"+string(id)+"/done" {
					t.Errorf("%s, %s: the journey again: %s", mode, d, to)
				}
				if a := alice.open(query); !page(a, http.StatusBadRequest, "invalid_request_uri") || a.text("back") == "" {
					t.Errorf("%s, %s: the request again: %s", mode, d, a)
				}
			}
			if len(w.grants()) > 1 {
				t.Errorf("%s, %s: %d grants", mode, d, len(w.grants()))
			}
		}
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
