package browser

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func fixedNow() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

func mustParse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestFormAction(t *testing.T) {
	t.Parallel()
	const app = "https://app.example/cb?code=1"
	tests := []struct {
		policy, target string
		want           bool
	}{
		{"default-src 'none'", app, true}, // form-action does not fall back
		{"form-action 'none'", app, false},
		{"form-action", app, false},
		{"form-action 'self'", app, false},
		{"form-action 'self'", "https://bank.example:8443/x", true},
		{"form-action 'self'", "https://bank.example/x", false},
		{"form-action 'self' https://app.example", app, true},
		{"form-action app.example", app, true},
		{"form-action https://app.example/other", app, true}, // paths do not count
		{"form-action https://app.example:8443", app, false},
		{"form-action https://app.example:*", "https://app.example:8443/cb", true},
		{"form-action https://*.example", app, true},
		{"form-action https://*.app.example", app, false},
		{"form-action http://app.example:*", app, true}, // an upgrade is fine
		{"form-action https://app.example", "http://app.example/cb", false},
		{"form-action https:", app, true},
		{"form-action com.example.app:", "com.example.app:/cb", true},
		{"form-action *", "com.example.app:/cb", false},
		{"form-action *", app, true},
		{"form-action https://[::1]:9000", "https://[::1]:9000/cb", true},
		{"form-action *; form-action 'none'", app, true}, // the first one counts
		{"form-action *, form-action 'self'", app, false},
		{"default-src 'none', form-action 'self'", app, false},
		{"FORM-ACTION HTTPS://APP.EXAMPLE", app, true},
	}
	self := mustParse(t, "https://bank.example:8443/review")
	for _, tt := range tests {
		if got := formActionAllows([]string{tt.policy}, self, mustParse(t, tt.target)); got != tt.want {
			t.Errorf("%s to %s: %v", tt.policy, tt.target, got)
		}
	}
	if formActionAllows([]string{"form-action *", "form-action 'self'"}, self, mustParse(t, app)) {
		t.Error("the second header was not asked")
	}
}

func TestSites(t *testing.T) {
	t.Parallel()
	tests := []struct{ from, to, want string }{
		{"https://a.example", "https://A.example:443/x", "same-origin"},
		{"https://a.example", "https://a.example:444", "same-site"},
		{"https://login.a.example", "https://a.example", "same-site"},
		{"https://a.example", "http://a.example", "cross-site"},
		{"https://a.example", "https://ba.example", "cross-site"},
		{"https://a.example", "https://example", "cross-site"},
		{"https://127.0.0.1:1", "https://127.0.0.1:2", "same-site"},
		{"https://1.0.0.1", "https://0.0.1", "cross-site"},
		{"https://[::1]:1", "https://[::1]:1/x", "same-origin"},
	}
	for _, tt := range tests {
		if got := siteRelation(mustParse(t, tt.from), mustParse(t, tt.to)); got != tt.want {
			t.Errorf("%s to %s: %s, want %s", tt.from, tt.to, got, tt.want)
		}
	}
}

func TestReferrerPolicies(t *testing.T) {
	t.Parallel()
	from := mustParse(t, "https://user:pw@a.example/path?q#f")
	home, away := mustParse(t, "https://a.example/x"), mustParse(t, "https://b.example/x")
	const full, bare = "https://a.example/path?q", "https://a.example/"
	for policy, want := range map[string][2]string{
		"":                                {full, bare},
		"no-referrer":                     {"", ""},
		"no-referrer-when-downgrade":      {full, full},
		"same-origin":                     {full, ""},
		"origin":                          {bare, bare},
		"strict-origin":                   {bare, bare},
		"origin-when-cross-origin":        {full, bare},
		"strict-origin-when-cross-origin": {full, bare},
		"unsafe-url":                      {full, full},
	} {
		if got := [2]string{referrer(policy, from, home), referrer(policy, from, away)}; got != want {
			t.Errorf("%s: got %v, want %v", policy, got, want)
		}
	}
	if got := postOrigin("same-origin", from, away); got != "null" {
		t.Errorf("a same-origin page posting away sends Origin %s", got)
	}
}

// A cross-site POST carries SameSite=None cookies and no others.
func TestCookiesOfACrossSiteRequest(t *testing.T) {
	t.Parallel()
	u := mustParse(t, "https://bank.example/")
	rec := httptest.NewRecorder()
	rec.Header()["Set-Cookie"] = []string{"strict=1; SameSite=Strict", "lax=1; SameSite=Lax", "none=1; SameSite=None; Secure", "bare=1"}
	j := &jar{now: fixedNow}
	j.store(u, rec.Result())
	for method, want := range map[string]string{"POST": "none=1", "GET": "lax=1; none=1; bare=1"} {
		if got := j.header(u, method, false); got != want {
			t.Errorf("%s: %s, want %s", method, got, want)
		}
	}
}

// FuzzPage reads and fills in any document: a hostile page may stop a walk,
// never the program.
func FuzzPage(f *testing.F) {
	f.Add(`<title>x</title><form id=f><input id=a name=a><button id=b>x</button></form>`)
	f.Add(`<form><select id=s name=s><option><option value=1 selected></select><textarea id=t>x</textarea><form id=g><input form=g id=c type=checkbox>`)
	f.Add(`<table><form><tr><td><input id=x type=radio name=r><base href="::"><a id=l href="%zz">BudgetBee</a>`)
	f.Add(`<template><p id=oauth_error></template><noscript><button id=stop_sharing form=none></noscript><svg><a id=y href=x></svg>`)
	f.Fuzz(func(t *testing.T, doc string) {
		p := &Page{
			URL: mustParse(t, "https://bank.example/x"), Status: http.StatusOK, Body: []byte(doc),
			Header: http.Header{"Content-Type": {"text/html"}},
		}
		if err := p.parse(); err != nil {
			return
		}
		_, _, _ = p.Title(), p.Text(), p.String()
		for _, id := range p.IDs("") {
			if !p.Has(id) {
				t.Fatalf("id %q is listed and not there", id)
			}
			_, _ = p.Fill(id, "v"), p.Tick(id)
			if s, err := p.Submission(id); err == nil && (s.URL == nil || s.Form == nil) {
				t.Fatalf("submission of %q has no URL or no form", id)
			}
		}
		p.nearest("BudgetBee", isStop)
		p.nearest("BudgetBee", isLink)
	})
}

// FuzzCookies keeps the promise of the prefix for any Set-Cookie header.
func FuzzCookies(f *testing.F) {
	f.Add("__Host-a=1; Secure; Path=/")
	f.Add("__HOST-a=1; Domain=.bank.example; Max-Age=9999999999999")
	f.Add("a=1; Path=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT; SameSite=None")
	f.Fuzz(func(t *testing.T, header string) {
		j := &jar{now: fixedNow}
		u := mustParse(t, "https://www.bank.example/a/b")
		rec := httptest.NewRecorder()
		rec.Header()["Set-Cookie"] = []string{header}
		j.store(u, rec.Result())
		for _, c := range j.cookies {
			if len(c.Name) > 7 && (c.Name[:7] == "__Host-") && (!c.Secure || !c.hostOnly || c.Path != "/") {
				t.Fatalf("kept %+v", c.Cookie)
			}
			if !within(u.Hostname(), c.host) && c.host != u.Hostname() {
				t.Fatalf("kept a cookie for %q", c.host)
			}
		}
		if j.header(mustParse(t, "https://other.test/a/b"), "GET", true) != "" {
			t.Fatal("another host got the cookie")
		}
	})
}

// FuzzFormAction never lets a policy of 'none' through.
func FuzzFormAction(f *testing.F) {
	f.Add("form-action 'self' https://app.example:*", "https://app.example/cb")
	f.Add("form-action *.example [::1]:9 :9 *: ://", "https://[::1]/")
	f.Add("form-action", "x:")
	f.Fuzz(func(t *testing.T, policy, rawTarget string) {
		target, err := url.Parse(rawTarget)
		if err != nil {
			return
		}
		self := mustParse(t, "https://bank.example/x")
		formActionAllows([]string{policy}, self, target)
		if formActionAllows([]string{policy, "form-action 'none'"}, self, target) {
			t.Fatal("'none' let a target through")
		}
	})
}
