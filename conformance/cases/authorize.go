package cases

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/suite"
)

// authorize: the authorization endpoint and the consumer's journey, RFC 6749
// section 4.1, RFC 9126 section 4, RFC 9207.
func authorize() []suite.Case {
	return slices.Concat(authorizeReturns(), authorizeRefused(), authorizeOnce(), authorizePages())
}

func authorizeReturns() []suite.Case {
	needs := []suite.Claim{suite.PAR}
	return []suite.Case{
		{
			ID: "authorize.approve.returns", Title: "a consumer who says yes is led back with code, state and iss, and nothing else", Spec: "RFC 6749, 4.1.2; RFC 9207, 2", Needs: needs,
			Mend: "Redirect with code, state as it was sent, and iss.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Approve)
				answer := t.ExpectReturn(page.Left, a, "")
				registered, _ := url.Parse(a.App.RedirectURI)
				for name := range answer {
					t.Check(slices.Contains([]string{"code", "state", "iss"}, name) || registered.Query().Has(name), "the answer has a parameter %s", name)
				}
				t.Check(len(answer.Get("code")) >= 22, "the code has %d characters: fewer than 128 bits", len(answer.Get("code")))
			},
		},
		{
			ID: "authorize.deny.returns", Title: "a consumer who says no is led back to the app", Spec: "RFC 6749, 4.1.2.1; RFC 9207, 2", Needs: needs,
			Mend: "Redirect with error access_denied, state as it was sent, and iss.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Deny)
				t.ExpectReturn(page.Left, a, "access_denied")
			},
		},
		{
			ID: "authorize.state.exact", Title: "state comes back character by character", Spec: "RFC 6749, 4.1.2", Needs: needs,
			Mend: "Keep state as it came, and encode it when it goes back.",
			Run: func(t *suite.T) {
				const odd = "a b+c%20d&e=f#g/?é\"'<>"
				a := t.Push(t.A(), suite.Ask{Extra: url.Values{"state": {odd}}})
				a.State = odd
				page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Deny)
				t.ExpectReturn(page.Left, a, "access_denied")
			},
		},
		{
			ID: "authorize.state.absent", Title: "no state comes back when none was sent", Spec: "RFC 6749, 4.1.2", Needs: needs, Severity: suite.Should,
			Mend: "Send state only when it was there.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{Extra: url.Values{"state": {}}})
				page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Deny)
				if page.Left == nil {
					t.Fatalf("the consumer was not sent back")
				}
				t.Check(!page.Left.Query().Has("state"), "a state came back that was never sent")
			},
		},
		{
			ID: "authorize.redirect.query-kept", Title: "the query of a registered redirect URI is kept", Spec: "RFC 6749, 3.1.2", Needs: needs,
			Mend: "Append to the query that is registered.",
			Run: func(t *suite.T) {
				for _, app := range []*suite.App{t.A(), t.B()} {
					a := t.Push(app, suite.Ask{})
					page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Deny)
					t.ExpectReturn(page.Left, a, "access_denied")
					registered, _ := url.Parse(app.RedirectURI)
					for name, values := range registered.Query() {
						t.Check(page.Left != nil && slices.Equal(page.Left.Query()[name], values), "the registered parameter %s is gone", name)
					}
				}
			},
		},
		{
			ID: "authorize.redirect.status", Title: "the way back to the app is a redirect that repeats no form", Spec: "FAPI 2.0 Security Profile, 5.3.2.2; RFC 9700, 4.12", Needs: needs,
			Mend: "Redirect with 303: with 307 or 308 the browser would send the consumer's form, password and all, to the app.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Approve)
				if t.Target.Browser == suite.Chromium && page.Status == http.StatusOK {
					t.Logf("a script sent the person back, and no redirect")
					t.Checked()
					return
				}
				t.Check(page.Status == http.StatusSeeOther || page.Status == http.StatusFound, "the redirect has status %d; expected 303, or 302", page.Status)
			},
		},
		{
			ID: "authorize.prompt-none", Title: "prompt none is answered without a page", Spec: "OpenID Connect Core, 3.1.2.1 and 3.1.2.6", Needs: []suite.Claim{suite.PAR, suite.OpenID},
			Mend: "Answer login_required, or another error of section 3.1.2.6, when a page would be needed.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{Scope: "openid", Extra: url.Values{"prompt": {"none"}}})
				page, err := t.Person().Arrive(t.Context(), t.AuthorizeURL(a))
				if err != nil {
					t.Cannot("open the authorization endpoint", err)
				}
				if page.Left == nil {
					t.Fatalf("a page is shown")
				}
				answer := t.Answer(page.Left, a)
				t.Check(slices.Contains([]string{"login_required", "interaction_required", "consent_required", "account_selection_required"}, answer.Get("error")), "error is %q", answer.Get("error"))
				t.Check(answer.Get("iss") == t.Target.Issuer, "iss is not the issuer")
			},
		},
	}
}

// noRedirect opens an address as an app would send the consumer there, and
// checks that no app is told anything and no sign-in is begun.
func noRedirect(t *suite.T, address string) {
	page, err := t.Person().Arrive(t.Context(), address)
	if err != nil && !errors.Is(err, browser.ErrBlocked) {
		t.Cannot("open the authorization endpoint", err)
	}
	t.Check(page.Left == nil, "the browser is sent away")
	t.Check(page.Status >= 400 && page.Status < 500, "status %d; expected a page with a status of 400", page.Status)
	t.Check(page.Find(t.Target.Pages.SignIn) == "", "the sign-in page is shown")
}

// noConsent is noRedirect for a request that may also end with an error at
// the app.
func noConsent(t *suite.T, a *suite.Attempt, address string) {
	page, err := t.Person().Arrive(t.Context(), address)
	if err != nil {
		t.Cannot("open the authorization endpoint", err)
	}
	if page.Left == nil {
		t.Check(page.Status >= 400 && page.Status < 500, "status %d; expected a page with a status of 400", page.Status)
		t.Check(page.Find(t.Target.Pages.SignIn) == "", "the sign-in page is shown")
		return
	}
	ours, _ := url.Parse(a.App.RedirectURI)
	t.Check(page.Left.Host == ours.Host && page.Left.Path == ours.Path, "the browser is sent to somewhere else than the app")
	t.Check(t.Answer(page.Left, a).Get("error") != "", "the app is told no error")
}

func authorizeRefused() []suite.Case {
	needs := []suite.Claim{suite.PAR}
	var out []suite.Case
	for _, c := range []struct {
		id, title, spec, mend string
		address               func(t *suite.T, a *suite.Attempt) string
	}{
		{"nothing", "without a pushed request", "FAPI 2.0 Security Profile, 5.3.2.2", "Serve pushed requests alone.",
			func(t *suite.T, a *suite.Attempt) string { return with(t, a, "request_uri", "") }},
		{"plain", "with its parameters in the address", "FAPI 2.0 Security Profile, 5.3.2.2; RFC 9126, 4", "Serve pushed requests alone.",
			func(t *suite.T, a *suite.Attempt) string {
				return t.Endpoint(nil, "authorization_endpoint") + "?" + a.Parameters.Encode()
			}},
		{"unknown", "with a request_uri that was never given out", "RFC 9126, 4", "An unknown request_uri ends on a page, not at a redirect URI that nobody vouches for.",
			func(t *suite.T, a *suite.Attempt) string {
				return with(t, a, "request_uri", a.RequestURI[:len(a.RequestURI)-6]+"AAAAAA")
			}},
		{"elsewhere", "with a request_uri on another server", "RFC 9101, 10.4.1", "Never fetch a request_uri.",
			func(t *suite.T, a *suite.Attempt) string {
				return with(t, a, "request_uri", "https://attacker.example/request.jwt")
			}},
		{"of-another", "with the request_uri of another client", "RFC 9126, 4", "Bind each request_uri to the client that pushed it.",
			func(t *suite.T, a *suite.Attempt) string { return with(t, a, "client_id", t.B().ClientID) }},
		{"no-client", "without client_id", "RFC 9126, 4; RFC 9101, 5", "Demand client_id beside request_uri.",
			func(t *suite.T, a *suite.Attempt) string { return with(t, a, "client_id", "") }},
		{"object", "with a request object in the address", "FAPI 2.0 Security Profile, 5.3.2.2", "Take request objects at PAR alone.",
			func(t *suite.T, a *suite.Attempt) string {
				compact, err := t.RequestObject(a).Compact()
				if err != nil {
					t.Cannot("sign a request object", err)
				}
				return t.Endpoint(nil, "authorization_endpoint") + "?" + url.Values{"client_id": {a.App.ClientID}, "request": {compact}}.Encode()
			}},
	} {
		out = append(out, suite.Case{
			ID: "authorize.refused." + c.id, Title: "a request " + c.title + " is refused", Spec: c.spec, Mend: c.mend, Needs: needs,
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				address := c.address(t, a)
				if c.id == "plain" {
					// Its redirect URI is registered, so that the app may be told.
					noConsent(t, a, address)
					return
				}
				noRedirect(t, address)
			},
		})
	}
	return append(out,
		suite.Case{
			ID: "authorize.address.ignored", Title: "what stands beside request_uri in the address counts for nothing", Spec: "RFC 9101, 6.3; FAPI 2.0 Security Profile, 5.3.2.2", Needs: needs,
			Mend: "Read client_id and request_uri, and nothing else.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				address := t.AuthorizeURL(a) + "&" + url.Values{
					"redirect_uri": {"https://attacker.example/callback"}, "state": {"from-the-address"}, "response_mode": {"fragment"}, "scope": {"openid"},
				}.Encode()
				page := t.Walk(t.Person(), a, address, suite.Deny)
				t.ExpectReturn(page.Left, a, "access_denied")
			},
		},
		suite.Case{
			ID: "authorize.client-id-swapped.spoils-nothing", Title: "whoever tries another client's request_uri does not use it up", Spec: "RFC 9126, 4", Needs: needs, Severity: suite.Should,
			Mend: "Compare the client before the request_uri is touched.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				noRedirect(t, with(t, a, "client_id", t.B().ClientID))
				page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Deny)
				t.ExpectReturn(page.Left, a, "access_denied")
			},
		},
		suite.Case{
			ID: "authorize.password.wrong", Title: "a wrong password leads nowhere", Spec: "RFC 6749, 4.1.1", Needs: needs,
			Mend: "Show the sign-in page again, with the same words for an unknown person.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				b, ids := t.Person(), t.Target.Pages
				page, err := b.Arrive(t.Context(), t.AuthorizeURL(a))
				if err != nil {
					t.Cannot("open the authorization endpoint", err)
				}
				who := t.Persona("")
				// A name that nobody has: a real one would be throttled.
				if err := errors.Join(page.Fill(page.Find(ids.Username), "nobody-"+suite.NewUUID()), page.Fill(page.Find(ids.Password), who.Password)); err != nil {
					t.Cannot("sign in", err)
				}
				page, err = b.Press(t.Context(), page, page.Find(ids.SignIn))
				if err != nil {
					t.Cannot("sign in", err)
				}
				t.Check(page.Left == nil && page.Find(ids.Password) != "", "the sign-in page is not shown again")
				t.Check(page.Find(ids.Approve) == "" && page.Find(ids.Continue) == "", "the next page is shown")
			},
		},
	)
}

// with is the authorization URL with another value; "" removes it.
func with(t *suite.T, a *suite.Attempt, name, value string) string {
	u, err := url.Parse(t.AuthorizeURL(a))
	if err != nil {
		t.Cannot("read the authorization endpoint", err)
	}
	q := u.Query()
	q.Set(name, value)
	if value == "" {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func authorizeOnce() []suite.Case {
	needs := []suite.Claim{suite.PAR}
	return []suite.Case{
		{
			ID: "authorize.request-uri.once", Title: "a request_uri that was decided cannot be used again", Spec: "RFC 9126, 4; FAPI 2.0 Security Profile, 5.3.2.2", Severity: suite.Should, Needs: needs,
			Mend: "Use the request_uri up in the transaction that issues the code.",
			Run: func(t *suite.T) {
				a := t.Code(t.A(), suite.Ask{})
				noRedirect(t, t.AuthorizeURL(a))
			},
		},
		{
			ID: "authorize.request-uri.once-after-no", Title: "a request_uri that was refused cannot be used again", Spec: "RFC 9126, 4", Severity: suite.Should, Needs: needs,
			Mend: "A no uses the request_uri up like a yes.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Deny)
				t.ExpectReturn(page.Left, a, "access_denied")
				noRedirect(t, t.AuthorizeURL(a))
			},
		},
		{
			ID: "authorize.request-uri.reload", Title: "loading the page again does not use the request_uri up", Spec: "FAPI 2.0 Security Profile, 5.3.2.2, note 3", Severity: suite.Should, Needs: needs,
			Mend: "Use the request_uri up with the decision, not with the first page: browsers reload, and mail scanners open links.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				b := t.Person()
				if _, err := b.Arrive(t.Context(), t.AuthorizeURL(a)); err != nil {
					t.Cannot("open the authorization endpoint", err)
				}
				page := t.Walk(b, a, t.AuthorizeURL(a), suite.Approve)
				t.ExpectReturn(page.Left, a, "")
			},
		},
		{
			ID: "authorize.two-browsers", Title: "of two browsers with one request_uri one gets a code at most", Spec: "RFC 9126, 4; RFC 6749, 4.1.2", Needs: needs,
			Mend: "Use the request_uri up by a compare-and-set.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				codes, ends := make([]string, 4), make([]error, 4)
				walk := func(i int) func(t *suite.T) {
					return func(t *suite.T) {
						page, err := t.TryWalk(t.Person(), a, t.AuthorizeURL(a), suite.Approve)
						if ends[i] = err; err == nil && page.Left != nil {
							codes[i] = t.Answer(page.Left, a).Get("code")
						}
					}
				}
				t.Do(walk(0), walk(1), walk(2), walk(3))
				got := 0
				for _, code := range codes {
					if code != "" {
						got++
					}
				}
				if err := errors.Join(ends...); got == 0 && err != nil {
					t.Cannot("walk through the consent pages in any of the browsers", err)
				}
				t.Check(got == 1, "%d codes were issued for one request; expected 1", got)
			},
		},
		{
			ID: "authorize.request-uri.expires", Title: "a request_uri is dead after its expires_in", Spec: "RFC 9126, 2.2 and 4", Needs: needs, Waits: true,
			Mend: "Look at the age of a request_uri when it is opened.",
			Run: func(t *suite.T) {
				r, a := t.PushRequest(t.A(), suite.Ask{})
				resp := t.Send(r)
				t.Expect(resp, suite.Answer{Status: http.StatusCreated})
				a.RequestURI = resp.Text("request_uri")
				life, _ := resp.Member("expires_in").(float64)
				if life > 150 {
					t.Logf("expires_in is %v: too long to wait for, so that only its bound was checked", life)
					t.Check(life < 600, "expires_in is %v; expected less than 600", life)
					return
				}
				t.Wait(time.Duration(life+2) * time.Second)
				noRedirect(t, t.AuthorizeURL(a))
			},
		},
		{
			ID: "authorize.code.expires", Title: "a code is dead after a minute", Spec: "FAPI 2.0 Security Profile, 5.3.2.1; RFC 6749, 4.1.2", Needs: needs, Waits: true,
			Mend: "Let codes live for 60 seconds at most.",
			Run: func(t *suite.T) {
				a := t.Code(t.A(), suite.Ask{})
				t.Wait(61 * time.Second)
				t.Expect(t.Send(t.TokenRequest(a)), suite.Refused("invalid_grant"))
			},
		},
	}
}

func authorizePages() []suite.Case {
	needs := []suite.Claim{suite.PAR}
	arrive := func(t *suite.T, b suite.Person) (*browser.Page, *suite.Attempt) {
		a := t.Push(t.A(), suite.Ask{})
		page, err := b.Arrive(t.Context(), t.AuthorizeURL(a))
		if err != nil {
			t.Cannot("open the authorization endpoint", err)
		}
		if page.Left != nil || page.Status != http.StatusOK {
			t.Cannot("open the authorization endpoint", errors.New("there is no page"))
		}
		return page, a
	}
	header := func(id, title, spec, mend string, severity suite.Severity, ok func(h http.Header) bool) suite.Case {
		return suite.Case{
			ID: "authorize.page." + id, Title: title, Spec: spec, Mend: mend, Severity: severity, Needs: needs,
			Run: func(t *suite.T) {
				page, _ := arrive(t, t.Person())
				t.Check(ok(page.Header), "the page has no such header")
			},
		}
	}
	return []suite.Case{
		header("frames", "no other site can put the page into a frame", "RFC 9700, 4.16", "Send Content-Security-Policy frame-ancestors 'none', or X-Frame-Options DENY.", suite.Must, func(h http.Header) bool {
			return strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || strings.EqualFold(h.Get("X-Frame-Options"), "DENY")
		}),
		header("script", "a Content-Security-Policy forbids scripts of others", "Content Security Policy 3", "Send a default-src without unsafe-inline.", suite.Should, func(h http.Header) bool {
			csp := h.Get("Content-Security-Policy")
			return strings.Contains(csp, "default-src") && !strings.Contains(csp, "script-src 'unsafe-inline'") && !strings.Contains(csp, "*")
		}),
		header("no-store", "the page is kept in no cache", "RFC 9111, 5.2.2.5", "Send Cache-Control no-store.", suite.Must, func(h http.Header) bool {
			return strings.Contains(h.Get("Cache-Control"), "no-store")
		}),
		header("referrer", "the address of the page is told to nobody", "RFC 9700, 4.2.4", "Send Referrer-Policy no-referrer or same-origin.", suite.Must, func(h http.Header) bool {
			return slices.Contains([]string{"no-referrer", "same-origin", "strict-origin", "origin"}, h.Get("Referrer-Policy"))
		}),
		header("nosniff", "browsers do not guess what the page is", "Fetch, X-Content-Type-Options", "Send X-Content-Type-Options nosniff.", suite.Should, func(h http.Header) bool {
			return strings.EqualFold(h.Get("X-Content-Type-Options"), "nosniff")
		}),
		header("hsts", "browsers stay with https", "RFC 6797, 6.1; FAPI 2.0 Security Profile, 5.2.3", "Send Strict-Transport-Security with a max-age of a year.", suite.Should, func(h http.Header) bool {
			return strings.Contains(h.Get("Strict-Transport-Security"), "max-age=")
		}),
		header("cors", "no script of another origin can read the page", "FAPI 2.0 Security Profile, 5.2.3", "Send no Access-Control-Allow-Origin from the authorization endpoint.", suite.Must, func(h http.Header) bool {
			return h.Get("Access-Control-Allow-Origin") == ""
		}),
		{
			ID: "authorize.page.cookies", Title: "cookies are Secure, HttpOnly and SameSite", Spec: "RFC 6265bis, 4.1.2; RFC 9700, 4.7", Needs: needs,
			Mend: "Set cookies with Secure, HttpOnly, SameSite Lax or Strict, and the prefix __Host-.",
			Run: func(t *suite.T) {
				b := t.Browser()
				arrive(t, b)
				for _, cookie := range b.Cookies() {
					t.Check(cookie.Secure && cookie.HttpOnly, "the cookie %s is not Secure and HttpOnly", cookie.Name)
					t.Check(cookie.SameSite == http.SameSiteLaxMode || cookie.SameSite == http.SameSiteStrictMode, "the cookie %s is not SameSite", cookie.Name)
				}
				t.Checked()
			},
		},
		{
			ID: "authorize.forgery.origin", Title: "a form that another site sends is refused", Spec: "RFC 9700, 4.7; RFC 6749, 10.12", Needs: needs,
			Mend: "Compare Origin, and demand a secret of the page, on every POST.",
			Run: func(t *suite.T) {
				b := t.Browser()
				page, _ := arrive(t, b)
				form := signIn(t, page)
				form.Header = http.Header{"Origin": {"https://attacker.example"}, "Sec-Fetch-Site": {"cross-site"}, "Referer": {"https://attacker.example/"}}
				after, err := b.Submit(t.Context(), form)
				if err != nil {
					t.Cannot("send the form", err)
				}
				t.Check(after.Status >= 400 || after.Find(t.Target.Pages.SignIn) != "", "the form is accepted with status %d", after.Status)
				t.Check(after.Find(t.Target.Pages.Approve) == "" && after.Find(t.Target.Pages.Continue) == "", "the next page is shown")
			},
		},
		{
			ID: "authorize.forgery.secret", Title: "a form without the secret of its page is refused", Spec: "RFC 9700, 4.7", Needs: needs, Severity: suite.Should,
			Mend: "Put a secret into each form and compare it, or demand an Origin of yours.",
			Run: func(t *suite.T) {
				page, _ := arrive(t, t.Browser())
				form := signIn(t, page)
				// The same form from another browser, which has no cookies.
				other, err := t.Browser().Submit(t.Context(), form)
				if err != nil {
					t.Cannot("send the form", err)
				}
				t.Check(other.Left == nil && other.Find(t.Target.Pages.Approve) == "" && other.Find(t.Target.Pages.Continue) == "", "another browser goes on with the form")
			},
		},
		{
			ID: "authorize.journey.other-browser", Title: "nobody else can open a journey that has begun, or decide it", Spec: "RFC 9700, 4.7.1", Needs: needs,
			Mend: "Bind each journey to the browser that began it.",
			Run: func(t *suite.T) {
				b := t.Browser()
				page, a := arrive(t, b)
				page, err := b.Submit(t.Context(), signIn(t, page))
				if err != nil {
					t.Cannot("sign in", err)
				}
				if page.Left != nil {
					t.Cannot("sign in", errors.New("the journey is over"))
				}
				stranger, err := t.Person().Arrive(t.Context(), page.URL.String())
				if err != nil {
					t.Cannot("open the page", err)
				}
				ids := t.Target.Pages
				t.Check(stranger.Find(ids.Continue) == "" && stranger.Find(ids.Approve) == "", "another browser sees the page of somebody who has signed in")
				// Neither is the owner disturbed by that.
				after := t.Walk(b, a, t.AuthorizeURL(a), suite.Deny)
				t.ExpectReturn(after.Left, a, "access_denied")
			},
		},
	}
}

// signIn fills in the sign-in form and does not send it.
func signIn(t *suite.T, page *browser.Page) *browser.Submission {
	ids, who := t.Target.Pages, t.Persona("")
	err := errors.Join(page.Fill(page.Find(ids.Username), who.Username), page.Fill(page.Find(ids.Password), who.Password))
	if err != nil {
		t.Cannot("fill in the sign-in form", err)
	}
	form, err := page.Submission(page.Find(ids.SignIn))
	if err != nil {
		t.Cannot("fill in the sign-in form", err)
	}
	return form
}
