package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/resource/sandbox"
)

// crowd is how many uses of one artefact come at the same time.
const crowd = 32

// together calls f n times at once and returns when all have ended.
func together(n int, f func(i int)) {
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

// outcome is an answer as far as a race is judged by it.
type outcome struct {
	status int
	code   string
}

func (o outcome) String() string { return fmt.Sprintf("%d %s", o.status, o.code) }

// use sends every request, each to the other instance than the one before it,
// all at the same time, and counts the outcomes.
func use(t *testing.T, instances [2]*http.Client, requests []*recipient.Request) map[outcome]int {
	t.Helper()
	var mu sync.Mutex
	counted := map[outcome]int{}
	together(len(requests), func(i int) {
		resp, err := send(t.Context(), instances[i%2], requests[i])
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		counted[judged(resp)]++
	})
	return counted
}

// judged reads the error code of OAuth or FDX.
func judged(r *recipient.Response) outcome {
	o := outcome{status: r.Status}
	if refusal, ok := r.Refusal("").(*recipient.Refusal); ok {
		o.code = refusal.Code
	}
	return o
}

// repeated returns n requests that are the same but for what sign renews.
func repeated(t *testing.T, n int, makeOne func() (*recipient.Request, error)) []*recipient.Request {
	t.Helper()
	all := make([]*recipient.Request, n)
	for i := range all {
		r, err := makeOne()
		must(t, err)
		all[i] = r
	}
	return all
}

// same returns n copies of one request, assertion and proof included.
func same(r *recipient.Request, n int) []*recipient.Request {
	all := make([]*recipient.Request, n)
	for i := range all {
		all[i] = r
	}
	return all
}

func exactly(t *testing.T, got map[outcome]int, want map[outcome]int) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// These tests are not parallel: the uses of an artefact are to meet, and not
// to wait for another test's turn on the processor.

func TestCodeIsRedeemedOnce(t *testing.T) {
	d := deploy(t)
	app := d.client(t, "alpha")
	servers := d.both(t, d.protocol)
	for range rounds(4) {
		attempt, code := d.approved(t, app, "everyday")
		got := use(t, servers, repeated(t, crowd, func() (*recipient.Request, error) { return app.CodeRequest(attempt, code) }))
		exactly(t, got, map[outcome]int{{200, ""}: 1, {400, "invalid_grant"}: crowd - 1})
	}
	if n := d.count(t, "SELECT count(*) FROM oauth_access"); n != rounds(4) {
		t.Errorf("%d access tokens for %d codes", n, rounds(4))
	}
	// RFC 6749 section 4.1.2: a code that comes back ends what it led to.
	if n := d.count(t, "SELECT count(*) FROM consent_grant WHERE status = 'ACTIVE'"); n != 0 {
		t.Errorf("%d grants are active after their code came back", n)
	}
}

func TestForeignClientCannotUseUpACode(t *testing.T) {
	d := deploy(t)
	owner, thief := d.client(t, "alpha"), d.client(t, "beta")
	attempt, code := d.approved(t, owner, "everyday")
	stolen := repeated(t, crowd, func() (*recipient.Request, error) {
		r, err := thief.CodeRequest(attempt, code)
		if err == nil {
			r.Form.Set("redirect_uri", callback("alpha"))
		}
		return r, err
	})
	exactly(t, use(t, d.both(t, d.protocol), stolen), map[outcome]int{{400, "invalid_grant"}: crowd})
	tok, err := owner.Redeem(t.Context(), attempt, code)
	must(t, err)
	exactly(t, use(t, d.both(t, d.protocol), stolen[:2]), map[outcome]int{{401, "invalid_client"}: 2}) // assertions are spent
	again, err := thief.CodeRequest(attempt, code)
	must(t, err)
	exactly(t, use(t, d.both(t, d.protocol), same(again, 1)), map[outcome]int{{400, "invalid_grant"}: 1})
	if g := d.grant(t, tok.GrantID); g.Epoch != 1 {
		t.Error("a foreign client that holds a used code has changed the grant")
	}
}

func TestClientAssertionIsAcceptedOnce(t *testing.T) {
	d := deploy(t)
	app := d.client(t, "alpha")
	for range rounds(5) {
		attempt, err := recipient.Ask(wanted())
		must(t, err)
		attempt.Key = nil // without a proof, so that the assertion decides alone
		// A nil key in the attempt also makes PushRequest send no proof.
		r, err := app.PushRequest(attempt)
		must(t, err)
		exactly(t, use(t, d.both(t, d.protocol), same(r, crowd)), map[outcome]int{{201, ""}: 1, {401, "invalid_client"}: crowd - 1})
	}
	if n := d.count(t, "SELECT count(*) FROM pushed_request"); n != rounds(5) {
		t.Errorf("%d requests are stored for %d assertions", n, rounds(5))
	}
}

func TestProofIsAcceptedOnceByTheAuthorizationServer(t *testing.T) {
	d := deploy(t)
	app := d.client(t, "alpha")
	attempt, err := recipient.Ask(wanted())
	must(t, err)
	all := repeated(t, crowd, func() (*recipient.Request, error) { return app.PushRequest(attempt) })
	for _, r := range all {
		r.Header.Set("DPoP", all[0].Header.Get("DPoP"))
	}
	exactly(t, use(t, d.both(t, d.protocol), all), map[outcome]int{{201, ""}: 1, {400, "invalid_dpop_proof"}: crowd - 1})
}

func TestProofReadsOnce(t *testing.T) {
	d := deploy(t)
	app := d.client(t, "alpha")
	tok := d.granted(t, app, "everyday")
	gateways := d.both(t, d.data)
	spent := map[outcome]int{{401, "603"}: 1}
	once := map[outcome]int{{200, ""}: 1}
	fresh := func() *recipient.Request {
		r, err := app.AccountsRequest(tok, nil)
		must(t, err)
		return r
	}
	for range rounds(5) {
		got := use(t, gateways, same(fresh(), crowd))
		exactly(t, got, map[outcome]int{{200, ""}: 1, {401, "603"}: crowd - 1})
	}
	// One after the other, on the other instance, with Redis in every state.
	first, second := gateways, [2]*http.Client{gateways[1], gateways[0]}
	raw := dialRedis(t, d.redis.URL())
	for name, between := range map[string]func(){
		"nothing happens":     func() {},
		"Redis is emptied":    func() { must(t, raw.empty()) },
		"and the cache again": func() { exactly(t, use(t, second, same(fresh(), 1)), once); must(t, raw.empty()) },
	} {
		r := fresh()
		exactly(t, use(t, first, same(r, 1)), once)
		between()
		if got := use(t, second, same(r, 1)); fmt.Sprint(got) != fmt.Sprint(spent) {
			t.Errorf("%s between two uses: got %v", name, got)
		}
	}
	r := fresh()
	exactly(t, use(t, first, same(r, 1)), once)
	d.redis.Kill()
	exactly(t, use(t, second, same(r, 1)), spent)
	// And from here on without Redis.
	for range rounds(3) {
		exactly(t, use(t, gateways, same(fresh(), crowd)), map[outcome]int{{200, ""}: 1, {401, "603"}: crowd - 1})
	}
}

// tab is one tab of a browser on its way to the answer for the app.
type tab struct {
	left   *url.URL // where the app was answered; nil when it was shown a page
	page   string   // path of the page that it ended on
	status int      // of that page
}

// walk submits a form and follows redirects to the end, each hop on the other
// instance than the one before. It is what conformance/browser does, but for
// the load balancer, which a browser knows nothing of.
func (d *deployment) walk(ctx context.Context, instances [2]*http.Client, hop int, cookies string, s *browser.Submission) (tab, error) {
	method, target, body := s.Method, s.URL, s.Form.Encode()
	for range 10 {
		req, err := http.NewRequestWithContext(ctx, method, target.String(), strings.NewReader(body))
		if err != nil {
			return tab{}, err
		}
		req.Header.Set("Cookie", cookies)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Origin", d.pages)
		}
		resp, err := receive(instances[hop%2].Do(req))
		if err != nil {
			return tab{}, err
		}
		if resp.Status != http.StatusSeeOther {
			return tab{page: target.Path, status: resp.Status}, nil
		}
		next, err := target.Parse(resp.Header.Get("Location"))
		if err != nil {
			return tab{}, err
		}
		if !strings.HasPrefix(next.String(), d.pages+"/") {
			return tab{left: next}, nil
		}
		method, target, body, hop = http.MethodGet, next, "", hop+1
	}
	return tab{}, fmt.Errorf("a tab is redirected in a circle and stranded, the last time to %s", target.Path)
}

// onReview walks a browser to the page on which the decision is made.
func (d *deployment) onReview(t *testing.T, b *browser.Browser, authURL, username string) *browser.Page {
	t.Helper()
	ctx := t.Context()
	page, err := b.Arrive(ctx, authURL)
	must(t, err)
	must(t, page.Fill("username", username))
	must(t, page.Fill("password", sandbox.DevPassword(username)))
	page, err = b.Press(ctx, page, "login_submit")
	must(t, err)
	page, err = b.Press(ctx, page, "accounts_select_all")
	must(t, err)
	page, err = b.Press(ctx, page, "accounts_continue")
	must(t, err)
	return page
}

func cookies(b *browser.Browser) string {
	var pairs []string
	for _, c := range b.Cookies() {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// tabs is how many tabs submit the same page.
const tabs = 8

func TestDecisionIsMadeOnce(t *testing.T) {
	d := deploy(t)
	app := d.client(t, "alpha")
	instances := d.both(t, d.browsers)
	for name, c := range map[string]struct {
		buttons []string // pressed in turn
		people  int      // browsers that decide about one request_uri
		losers  []int    // statuses of the pages that the other tabs are shown
	}{
		"approved from every tab":                    {[]string{"consent_approve"}, 1, []int{200, 409}},
		"approved from some tabs and denied by some": {[]string{"consent_approve", "consent_deny"}, 1, []int{200, 409}},
		// Whoever loses to another browser is told so, with a way back to the app.
		"approved in two browsers": {[]string{"consent_approve"}, 2, []int{200, 400, 409}},
	} {
		t.Run(name, func(t *testing.T) {
			for range rounds(3) {
				grants, codes := d.count(t, "SELECT count(*) FROM consent_grant"), d.count(t, "SELECT count(*) FROM oauth_code")
				attempt, p := pushed(t, app)
				var forms []*browser.Submission
				var jars []string
				for person := range c.people {
					b := d.person(t)
					page := d.onReview(t, b, app.AuthorizationURL(p.RequestURI), []string{"everyday", "saver"}[person])
					for _, id := range c.buttons {
						s, err := page.Submission(id)
						must(t, err)
						forms, jars = append(forms, s), append(jars, cookies(b))
					}
				}
				ends := make([]tab, tabs)
				together(tabs, func(i int) {
					end, err := d.walk(t.Context(), instances, i, jars[i%len(jars)], forms[i%len(forms)])
					if err != nil {
						t.Error(err)
					}
					ends[i] = end
				})
				answers := 0
				var answer *url.URL
				for _, end := range ends {
					if end.left != nil {
						answers++
						answer = end.left
					} else if end.page != "" && !slices.Contains(c.losers, end.status) {
						t.Errorf("a tab ended on %s with status %d", end.page, end.status)
					}
				}
				if answers != 1 {
					t.Fatalf("the app was answered %d times: %v", answers, ends)
				}
				code, err := app.ReadRedirect(answer, attempt)
				made := 0
				if err == nil {
					made = 1
					if _, err := app.Redeem(t.Context(), attempt, code); err != nil {
						t.Errorf("the one code cannot be redeemed: %v", err)
					}
				} else if len(c.buttons) == 1 {
					t.Errorf("the app was not given a code: %v", err)
				}
				if n := d.count(t, "SELECT count(*) FROM consent_grant") - grants; n != made {
					t.Errorf("%d grants, want %d", n, made)
				}
				if n := d.count(t, "SELECT count(*) FROM oauth_code") - codes; n != made {
					t.Errorf("%d codes, want %d", n, made)
				}
			}
		})
	}
}
