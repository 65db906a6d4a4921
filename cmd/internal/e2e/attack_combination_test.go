package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/resource/sandbox"
)

// problem compares a page with the problem that it should tell of.
func problem(t *testing.T, name string, p *browser.Page, status int, code string) {
	t.Helper()
	text, _ := p.TextOf("oauth_error")
	if p.Status != status || !strings.Contains(text, code) {
		t.Errorf("%s: %d %q, want %d %s", name, p.Status, text, status, code)
	}
	if telling.MatchString(text) {
		t.Errorf("%s: the page tells of what is inside: %s", name, text)
	}
}

// frontChannel attacks a request_uri and what may stand beside it.
func (s *siege) frontChannel(t *testing.T) {
	ctx, d := t.Context(), s.d
	_, foreign := s.pushed(t, s.beta)
	attempt, p := s.pushed(t, s.alpha)
	b := d.person(t)
	open := func(q url.Values, more string) *browser.Page {
		t.Helper()
		page, err := b.Open(ctx, d.pages+"/authorize?"+q.Encode()+more)
		must(t, err)
		return page
	}
	good := func() url.Values { return url.Values{"client_id": {"alpha"}, "request_uri": {p.RequestURI}} }
	with := func(name, value string) url.Values { q := good(); q.Set(name, value); return q }
	before := d.count(t, "SELECT count(*) FROM authorization_progress")
	for name, uri := range mangled(p.RequestURI, foreign.RequestURI) {
		if name == "40 KiB" { // net/http refuses the address
			continue
		}
		problem(t, "request_uri "+name, open(with("request_uri", uri), ""), 400, "invalid_request_uri")
	}
	problem(t, "with NUL", open(with("request_uri", p.RequestURI+"\x00"), ""), 400, "invalid_request_uri")
	problem(t, "somebody else's", open(with("request_uri", foreign.RequestURI), ""), 400, "invalid_request_uri")
	problem(t, "for somebody else", open(with("client_id", "beta"), ""), 400, "invalid_request_uri")
	for _, id := range []string{"", "alpha ", "ALPHA", "аlpha", "alpha\x00", "al\u200bpha", "nobody", strings.Repeat("a", 1000)} {
		problem(t, fmt.Sprintf("client_id %.20q", id), open(with("client_id", id), ""), 400, "invalid_request")
	}
	problem(t, "client_id twice", open(good(), "&client_id=beta"), 400, "invalid_request")
	problem(t, "request_uri twice", open(good(), "&request_uri="+url.QueryEscape(foreign.RequestURI)), 400, "invalid_request")
	problem(t, "a request by value", open(url.Values{"client_id": {"alpha"}, "request": {s.object(t).mint(nil, nil)}}, ""), 400, "invalid_request")
	if n := d.count(t, "SELECT count(*) FROM authorization_progress") - before; n != 0 {
		t.Errorf("%d journeys were opened", n)
	}

	// 32 tabs of as many browsers may load the page; that decides nothing.
	instances := d.both(t, d.browsers)
	statuses := make([]int, crowd)
	together(crowd, func(i int) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.pages+"/authorize?"+good().Encode(), nil)
		if err == nil {
			a, err := receive(instances[i%2].Do(req))
			if err == nil {
				statuses[i] = a.Status
				return
			}
		}
		t.Error(err)
	})
	if slices.ContainsFunc(statuses, func(status int) bool { return status != http.StatusSeeOther }) {
		t.Errorf("opened %d times at once: %v", crowd, statuses)
	}

	// What stands beside the request_uri counts for nothing: state, nonce and
	// redirect_uri are those that were pushed (FAPI 2.0 section 5.3.2.2).
	address := d.pages + "/authorize?state=fixed&nonce=fixed&redirect_uri=" + url.QueryEscape("https://evil.example/") +
		"&scope=openid&response_mode=fragment&" + good().Encode() + "&state=fixed2"
	back, err := browser.ApproveAll(ctx, b, address, "saver", sandbox.DevPassword("saver"))
	must(t, err)
	s.cookies(b)
	code, err := s.alpha.ReadRedirect(back, attempt) // state, iss, redirect_uri
	must(t, err)
	s.found.add(transient, string(code))
	must(t, dialRedis(t, d.redis.URL()).empty())
	problem(t, "decided", open(good(), ""), 400, "invalid_request_uri")
	other := d.person(t)
	page, err := other.Open(ctx, s.alpha.AuthorizationURL(p.RequestURI))
	must(t, err)
	problem(t, "decided, in another browser", page, 400, "invalid_request_uri")
	if _, err := s.alpha.Redeem(ctx, attempt, code); err != nil {
		t.Errorf("the good code: %v", err)
	}
	_, p = s.pushed(t, s.alpha)
	_, err = d.sql.ExecContext(ctx, "UPDATE pushed_request SET expires_at = clock_timestamp() WHERE consumed_at IS NULL")
	must(t, err)
	problem(t, "late", open(good(), ""), 400, "invalid_request_uri")
}

func (s *siege) cookies(b *browser.Browser) {
	for _, c := range b.Cookies() {
		s.found.add(transient, c.Value)
	}
}

// decisions attacks the forms in which a person decides. That one decision of
// many at once counts is in once_test.go.
func (s *siege) decisions(t *testing.T) {
	ctx, d := t.Context(), s.d
	grants := func() int { return d.count(t, "SELECT count(*) FROM consent_grant") }
	_, p := s.pushed(t, s.alpha)
	b := d.person(t)
	review := d.onReview(t, b, s.alpha.AuthorizationURL(p.RequestURI), "everyday")
	defer s.cookies(b)
	submission := func(page *browser.Page, id string) *browser.Submission {
		t.Helper()
		f, err := page.Submission(id)
		must(t, err)
		s.found.add(transient, f.Form.Get("mark"))
		return f
	}
	_, elsewhere := s.pushed(t, s.alpha)
	stranger := d.person(t)
	foreign := d.onReview(t, stranger, s.alpha.AuthorizationURL(elsewhere.RequestURI), "everyday")
	defer s.cookies(stranger)

	before := grants()
	for name, c := range map[string]struct {
		by   *browser.Browser
		bend func(*browser.Submission)
		want []int
	}{
		"from another browser":       {stranger, func(*browser.Submission) {}, []int{404}},
		"from a browser without any": {d.person(t), func(*browser.Submission) {}, []int{404}},
		"with the mark of another": {b, func(f *browser.Submission) {
			f.Form.Set("mark", submission(foreign, "consent_approve").Form.Get("mark"))
		}, []int{409}},
		"without a mark":       {b, func(f *browser.Submission) { f.Form.Del("mark") }, []int{409}},
		"with an altered mark": {b, func(f *browser.Submission) { f.Form.Set("mark", "A"+f.Form.Get("mark")[1:]) }, []int{409}},
		"two marks":            {b, func(f *browser.Submission) { f.Form.Add("mark", "x") }, []int{400}},
		"as of another time":   {b, func(f *browser.Submission) { f.Form.Set("as_of", "1") }, []int{409}},
		"as of tomorrow":       {b, func(f *browser.Submission) { f.Form.Set("as_of", fmt.Sprint(time.Now().Add(24*time.Hour).Unix())) }, []int{409}},
		"as of no time":        {b, func(f *browser.Submission) { f.Form.Set("as_of", "1e9") }, []int{409}},
		"yes and no":           {b, func(f *browser.Submission) { f.Form.Add("action", "decline") }, []int{400}},
		"neither":              {b, func(f *browser.Submission) { f.Form.Del("action") }, []int{400}},
		"with NUL":             {b, func(f *browser.Submission) { f.Form.Set("action", "share\x00") }, []int{400}},
		"of another site": {b, func(f *browser.Submission) {
			f.Header = http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}
		}, []int{403}},
		"of a page without an origin": {b, func(f *browser.Submission) {
			f.Header = http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"cross-site"}}
		}, []int{403}},
		"as another journey": {b, func(f *browser.Submission) { f.URL = submission(foreign, "consent_approve").URL }, []int{404}},
		"as a link":          {b, func(f *browser.Submission) { f.Method = http.MethodGet }, []int{200}}, // the page again
	} {
		f := submission(review, "consent_approve")
		c.bend(f)
		page, err := c.by.Submit(ctx, f)
		must(t, err)
		if !slices.Contains(c.want, page.Status) {
			t.Errorf("%s: %d %s", name, page.Status, page)
		}
	}
	if n := grants() - before; n != 0 {
		t.Fatalf("%d grants came of that", n)
	}
	// The decision is not spoilt; a no is a no, also after the back button.
	no, yes := submission(review, "consent_deny"), submission(review, "consent_approve")
	page, err := b.Submit(ctx, no)
	must(t, err)
	if page.Left == nil || page.Left.Query().Get("error") != "access_denied" {
		t.Errorf("a no leads to %s", page)
	}
	for range 2 {
		page, err = b.Submit(ctx, yes)
		must(t, err)
		if page.Left != nil || page.Status >= 500 {
			t.Errorf("back and yes after a no: %s", page)
		}
		must(t, dialRedis(t, d.redis.URL()).empty())
	}
	if n := grants() - before; n != 0 {
		t.Errorf("%d grants after a no", n)
	}
}

// tabsDiffer: two tabs choose different accounts; what is granted is what was
// on the page of the tab that said yes.
func (s *siege) tabsDiffer(t *testing.T) {
	ctx, d := t.Context(), s.d
	attempt, p := s.pushed(t, s.alpha)
	b := d.person(t)
	defer s.cookies(b)
	first := d.onReview(t, b, s.alpha.AuthorizationURL(p.RequestURI), "saver") // all accounts
	second, err := b.Press(ctx, first, "change_accounts")
	if err != nil {
		accounts := strings.Replace(first.URL.String(), "/review", "/accounts", 1)
		second, err = b.Open(ctx, accounts)
	}
	must(t, err)
	boxes := second.IDs("account_")
	if len(boxes) < 2 {
		t.Fatalf("only %v to choose from on %s", boxes, second)
	}
	for _, id := range boxes[1:] {
		must(t, second.Untick(id))
	}
	second, err = b.Press(ctx, second, "accounts_continue")
	must(t, err)
	stale, err := b.Press(ctx, first, "consent_approve")
	must(t, err)
	if stale.Status != http.StatusConflict {
		t.Errorf("a yes to what the person has changed meanwhile: %s", stale)
	}
	page, err := b.Press(ctx, second, "consent_approve")
	must(t, err)
	if page.Left == nil {
		t.Fatalf("a yes leads to %s", page)
	}
	code, err := s.alpha.ReadRedirect(page.Left, attempt)
	must(t, err)
	tok, err := s.alpha.Redeem(ctx, attempt, code)
	must(t, err)
	s.found.add(transient, string(code), string(tok.AccessToken), string(tok.RefreshToken))
	if n := len(d.grant(t, tok.GrantID).Accounts()); n != 1 {
		t.Errorf("%d accounts were granted", n)
	}
}

// suspensions: a client that the bank stops in the middle.
func (s *siege) suspensions(t *testing.T) {
	ctx, d := t.Context(), s.d
	status := func(to consent.RecipientStatus) {
		t.Helper()
		d.adapt(t, "beta", func(r *consent.Recipient) { r.Status = to })
	}
	defer status(consent.RecipientActive)
	for _, c := range []struct {
		status              consent.RecipientStatus
		redeem, again       outcome
		push, introspection outcome
	}{
		{consent.RecipientSuspended, outcome{401, "invalid_client"}, outcome{401, "invalid_client"}, outcome{401, "invalid_client"}, outcome{401, "invalid_client"}},
		{consent.RecipientRestricted, outcome{200, ""}, outcome{400, "invalid_grant"}, outcome{400, "unauthorized_client"}, outcome{200, ""}},
	} {
		attempt, code := s.approved(t, s.beta, "everyday")
		waiting, p := s.pushed(t, s.beta)
		b := d.person(t)
		review := d.onReview(t, b, s.beta.AuthorizationURL(p.RequestURI), "everyday")
		later, unopened := s.pushed(t, s.beta)
		grants := d.count(t, "SELECT count(*) FROM consent_grant")
		status(c.status)

		r, err := s.beta.CodeRequest(attempt, code)
		s.judge(t, string(c.status)+": a code", protocol, s.ask(t, r, err), c.redeem)
		r, err = s.beta.CodeRequest(attempt, code)
		s.judge(t, string(c.status)+": the code again", protocol, s.ask(t, r, err), c.again)
		a, err := recipient.Ask(wanted())
		must(t, err)
		r, err = s.beta.PushRequest(a)
		s.judge(t, string(c.status)+": a push", protocol, s.ask(t, r, err), c.push)
		r, err = s.beta.IntrospectRequest(s.token.AccessToken, false)
		s.judge(t, string(c.status)+": an introspection", protocol, s.ask(t, r, err), c.introspection)
		page, err := b.Press(ctx, review, "consent_approve")
		must(t, err)
		told := func(what string, page *browser.Page, a *recipient.Attempt) {
			t.Helper()
			if page.Left == nil || page.Left.Host != "beta.example" || page.Left.Query().Get("error") != "unauthorized_client" ||
				page.Left.Query().Get("state") != a.State || page.Left.Query().Has("code") {
				t.Errorf("%s: %s leads to %s", c.status, what, page)
			}
		}
		told("a yes", page, waiting)
		page, err = d.person(t).Open(ctx, s.beta.AuthorizationURL(unopened.RequestURI))
		must(t, err)
		told("a request_uri", page, later)
		if n := d.count(t, "SELECT count(*) FROM consent_grant") - grants; n != 0 {
			t.Errorf("%s: %d grants were made", c.status, n)
		}
		s.cookies(b)
		status(consent.RecipientActive)
	}
}

// crowding: a hundred pushes of one client at once do not lock out another.
func (s *siege) crowding(t *testing.T) {
	servers := s.d.both(t, s.d.protocol)
	a, err := recipient.Ask(wanted())
	must(t, err)
	made := func(app *recipient.Client, n int) []*recipient.Request {
		return repeated(t, n, func() (*recipient.Request, error) {
			r, err := app.PushRequest(a)
			s.note(r)
			return r, err
		})
	}
	all := append(made(s.alpha, 100), made(s.beta, 4)...)
	exactly(t, use(t, servers, all), map[outcome]int{{201, ""}: len(all)})
}

// shapes sends what one reader takes for one request and another for two, and
// addresses that nearly are endpoints, to the listeners of the authorization
// server. The gateway's are in hostile_test.go.
func (s *siege) shapes(t *testing.T) {
	f := &foe{d: s.d}
	const form = "Content-Type: application/x-www-form-urlencoded\r\n"
	raw := func(to listener, target, headers, body string) string {
		host := strings.TrimPrefix(map[listener]string{protocol: s.d.issuer, pages: s.d.pages}[to], "https://")
		return "POST " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + form + headers + "\r\n" + body
	}
	inner := raw(protocol, "/revoke", "Content-Length: 7\r\n", "token=x")
	var attacks []attack
	for to, target := range map[listener]string{protocol: "/par", pages: "/portal/login"} {
		for _, a := range []attack{
			{"two lengths", to, raw(to, target, "Content-Length: 3\r\nContent-Length: 4\r\n", "a=bc"), 400},
			{"two lengths in one", to, raw(to, target, "Content-Length: 3, 4\r\n", "a=bc"), 400},
			{"length and chunks", to, raw(to, target, "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+inner), 400},
			{"chunks and length", to, raw(to, target, "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"+inner), 400},
			{"chunks in disguise", to, raw(to, target, "Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n", "a=b"), 501},
			{"chunks after a tab", to, raw(to, target, "Transfer-Encoding:\tchunked, identity\r\n", "0\r\n\r\n"), 501},
			{"chunks with a space", to, raw(to, target, "Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400},
			{"a negative length", to, raw(to, target, "Content-Length: -3\r\n", "a=b"), 400},
			{"a length of no digits", to, raw(to, target, "Content-Length: 0x3\r\n", "a=b"), 400},
			{"a header without a name", to, raw(to, target, ": x\r\nContent-Length: 3\r\n", "a=b"), 400},
			{"a line feed in a header", to, raw(to, target, "X: a\rTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", "a=b"), 400},
		} {
			if strings.HasPrefix(a.name, "length and") || strings.HasPrefix(a.name, "chunks and") {
				// RFC 9112 section 6.3: the length does not count, the
				// connection ends, and what is behind is never read.
				a.want = map[listener]int{protocol: 401, pages: 422}[to]
				a.text = strings.Replace(a.text, "Connection: close\r\n", "", 1)
			}
			a.name = fmt.Sprintf("%s to %s", a.name, target)
			attacks = append(attacks, a)
		}
	}
	for _, target := range []string{
		"//par", "/par/", "/PAR", "/Par", "/%70ar", "/par%2e", "/par.", "/./par", "/x/../par", "/%2e/par", "/par;x=1", "/par%00",
		"/par%20", "/par//", "/par/%2e%2e/token", "/token/", "//token", "/introspect/", "/INTROSPECT", "/revoke/..", "/par%2Ftoken", "/.well-known/../par",
	} {
		attacks = append(attacks, attack{"POST " + target, protocol, raw(protocol, target, "Content-Length: 3\r\n", "a=b"), 404})
	}
	attacks = append(attacks,
		attack{"a query with nothing in it", protocol, raw(protocol, "/par?", "Content-Length: 3\r\n", "a=b"), 400},
		attack{"a path that is no path", protocol, raw(protocol, "/par%zz", "Content-Length: 3\r\n", "a=b"), 400},
		attack{"the pages of another host", protocol, strings.Replace(f.page("GET", "/portal"), strings.TrimPrefix(s.d.pages, "https://"), strings.TrimPrefix(s.d.issuer, "https://"), 1), 404},
		attack{"the endpoint of another host", pages, raw(pages, "/par", "Content-Length: 3\r\n", "a=b"), 404},
	)
	s.unchanged(t, func() {
		for _, a := range attacks {
			answers := f.send(t, a.to, a.text)
			if len(answers) != 1 {
				t.Errorf("%s: %d answers", a.name, len(answers))
				continue
			}
			if answers[0].Status != a.want {
				t.Errorf("%s: %d, want %d: %.200s", a.name, answers[0].Status, a.want, answers[0].Body)
			}
			if wrong := documented(a.to, answers[0]); wrong != "" {
				t.Errorf("%s: the answer is %s", a.name, wrong)
			}
		}
	})
}

// bodyTime is how long a server waits for a body that does not come.
const bodyTime = 14 * time.Second

// slowly sends bodies that never end, many at once, while the other attacks
// go on. It reports how long the servers put up with it.
func (s *siege) slowly(t *testing.T) (finish func(*testing.T)) {
	t.Helper()
	const many = 24
	ended := make(chan time.Duration, many)
	ctx, cancel := context.WithTimeout(t.Context(), 2*bodyTime)
	for i := range many {
		address := []string{s.d.protocol[0], s.d.browsers[0], s.d.certified[0]}[i%3]
		config := s.d.roots.Clone()
		config.NextProtos = []string{"http/1.1"}
		go func() {
			begun := time.Now()
			defer func() { ended <- time.Since(begun) }()
			d := tls.Dialer{Config: config}
			conn, err := d.DialContext(ctx, "tcp", address)
			if err != nil {
				return
			}
			defer conn.Close() //nolint:errcheck // the server hangs up
			begun = time.Now()
			_ = conn.SetDeadline(begun.Add(2 * bodyTime))
			_, _ = io.WriteString(conn, "POST /par HTTP/1.1\r\nHost: "+address+"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\na")
			_, _ = io.Copy(io.Discard, conn)
		}()
	}
	return func(t *testing.T) {
		defer cancel()
		for range many {
			if took := <-ended; took > bodyTime {
				t.Errorf("a body that did not come was waited for %v", took)
			}
		}
	}
}

// clocks: a client whose clock is half a minute off is served to the end, one
// that is a minute and a half ahead is told at the first step (FAPI 2.0
// section 5.3.2.1-13). The client signs requests, so that every kind of time
// is looked at.
func (s *siege) clocks(t *testing.T) {
	for _, off := range []time.Duration{29 * time.Second, -25 * time.Second, 90 * time.Second} {
		config := s.configs["signing"]
		config.Now = func() time.Time { return time.Now().Add(off) }
		app, err := recipient.Connect(t.Context(), config)
		must(t, err)
		attempt, err := recipient.AskScopes("fdx:accountdetailed:read")
		must(t, err)
		attempt.AskIdentity()
		r, err := app.PushRequest(attempt)
		a := s.ask(t, r, err)
		if off > time.Minute {
			s.judge(t, "90 s ahead: a push", protocol, a, outcome{401, "invalid_client"})
			r, err := app.AccountsRequest(s.granted(t, s.beta, "everyday"), nil)
			s.judge(t, "90 s ahead: a read", gateway, s.ask(t, r, err), outcome{401, "603"})
			continue
		}
		var p struct {
			RequestURI string `json:"request_uri"`
		}
		must(t, a.JSON(&p))
		if a.Status != http.StatusCreated {
			t.Errorf("%v: a push: %s: %s", off, judged(a), a.Body)
			continue
		}
		back, err := browser.ApproveAll(t.Context(), s.d.person(t), app.AuthorizationURL(p.RequestURI), "saver", sandbox.DevPassword("saver"))
		must(t, err)
		s.found.add(transient, back.Query().Get("response"))
		code, err := app.ReadAnswer(t.Context(), back, attempt)
		must(t, err)
		tok, err := app.Redeem(t.Context(), attempt, code)
		if err != nil {
			t.Errorf("%v: %v", off, err)
			continue
		}
		s.found.add(transient, string(code), string(tok.AccessToken), string(tok.RefreshToken), string(tok.IDToken))
		if a, err := app.Accounts(t.Context(), tok, nil); err != nil || a.Status != 200 {
			t.Errorf("%v: a read: %v", off, err)
		}
		if _, err := app.Refresh(t.Context(), tok.RefreshToken, tok.Key); err != nil {
			t.Errorf("%v: a refresh: %v", off, err)
		}
		must(t, app.Revoke(t.Context(), tok.RefreshToken))
	}
	// Proofs are good for two minutes.
	for age, want := range map[time.Duration]outcome{
		115 * time.Second: {200, ""}, 122 * time.Second: {400, "invalid_dpop_proof"}, -29 * time.Second: {200, ""}, -61 * time.Second: {400, "invalid_dpop_proof"},
	} {
		a := s.refresh(t, func(r *recipient.Request) {
			r.Header.Set("DPoP", s.proof(http.MethodPost, r.URL, "").mint(nil, map[string]any{"iat": time.Now().Add(-age).Unix()}))
		})
		s.judge(t, fmt.Sprintf("a proof %v old", age), protocol, a, want)
	}
	for ahead, want := range map[time.Duration]outcome{29 * time.Second: {201, ""}, 61 * time.Second: {400, "invalid_request_object"}} {
		at := time.Now().Add(ahead).Unix()
		a := s.push(t, func(r *recipient.Request) {
			r.Form.Set("request", s.object(t).mint(nil, map[string]any{"nbf": at, "iat": at}))
		})
		s.judge(t, fmt.Sprintf("a request object %v ahead", ahead), protocol, a, want)
	}
}

// silence: nothing that was secret in any of this was logged.
func (s *siege) silence(t *testing.T) {
	if n := len(s.found); n < 800 {
		t.Errorf("only %d secrets: the attacks were not made", n)
	}
	logged := s.d.log.String()
	if len(logged) < 100_000 {
		t.Errorf("only %d bytes were logged", len(logged))
	}
	for _, found := range s.found.searcher().find("the log", logged) {
		t.Error(found)
	}
	secretForms(t, "the log", logged)
	for _, word := range []string{`"panic"`, "goroutine "} {
		if strings.Contains(logged, word) {
			t.Errorf("the log holds %s: a handler has panicked", word)
		}
	}
	for line := range strings.Lines(logged) {
		var entry struct {
			Level  string
			Status int
		}
		if json.Unmarshal([]byte(line), &entry) != nil {
			t.Errorf("a line of the log is not JSON: %.100s", line)
		} else if entry.Status >= 500 {
			t.Errorf("an attack was answered with %d: %.400s", entry.Status, line)
		}
	}
}
