package browser_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
)

// site serves what a test says and remembers what it was asked.
type site struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

func newSite(t *testing.T, handle http.HandlerFunc) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		s.mu.Lock()
		s.seen = append(s.seen, r)
		s.mu.Unlock()
		handle(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) tls() *tls.Config { return s.Client().Transport.(*http.Transport).TLSClientConfig }

func (s *site) last() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[len(s.seen)-1]
}

func (s *site) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func (s *site) browser(t *testing.T, home ...string) *browser.Browser {
	t.Helper()
	b, err := browser.New(browser.Config{Home: append(home, s.URL), TLS: s.tls()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeHTML(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!doctype html><title> The  title </title>"+body)
}

func TestNewRefusesAHomeThatIsNotHTTPS(t *testing.T) {
	t.Parallel()
	for _, home := range [][]string{nil, {"http://bank.example"}, {"bank.example"}, {"https://"}, {"https://bank.example", "::"}} {
		if _, err := browser.New(browser.Config{Home: home}); err == nil {
			t.Errorf("Home %v was accepted", home)
		}
	}
}

// The headers are those that Chromium sends; servers decide on Origin,
// Sec-Fetch-Site and SameSite cookies.
func TestHeadersOfANavigation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		policy string // Referrer-Policy of the first page
		walk   func(ctx context.Context, b *browser.Browser, base string) error
		want   map[string]string // of the last request; BASE stands for the origin
	}{
		{"a typed address", "", open, map[string]string{
			"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-User": "?1",
			"Referer": "", "Origin": "", "Upgrade-Insecure-Requests": "1", "Cookie": "strict=1; lax=1; none=1; bare=1",
		}},
		{"a link from the app", "", arrive, map[string]string{
			"Sec-Fetch-Site": "cross-site", "Referer": "", "Origin": "", "Cookie": "lax=1; none=1; bare=1",
		}},
		{"a redirect after a link from the app is still cross-site", "", func(ctx context.Context, b *browser.Browser, base string) error {
			if err := open(ctx, b, base); err != nil {
				return err
			}
			_, err := b.Arrive(ctx, base+"/redirect/303")
			return err
		}, map[string]string{
			"Sec-Fetch-Site": "cross-site", "Cookie": "lax=1; none=1; bare=1",
		}},
		{"a link on the page", "", press("link"), map[string]string{
			"Sec-Fetch-Site": "same-origin", "Referer": "BASE/page?a=b", "Origin": "", "Cookie": "strict=1; lax=1; none=1; bare=1",
		}},
		{"a posted form", "", press("post"), map[string]string{
			"Sec-Fetch-Site": "same-origin", "Referer": "BASE/page?a=b", "Origin": "BASE",
			"Content-Type": "application/x-www-form-urlencoded",
		}},
		{"a form sent with GET", "", press("get"), map[string]string{
			"Sec-Fetch-Site": "same-origin", "Referer": "BASE/page?a=b", "Origin": "", "Content-Type": "",
		}},
		{"a page that sends no referrer posts with a null Origin", "no-referrer", press("post"), map[string]string{
			"Referer": "", "Origin": "null",
		}},
		{"a page with same-origin referrers keeps its Origin at home", "same-origin", press("post"), map[string]string{
			"Referer": "BASE/page?a=b", "Origin": "BASE",
		}},
		{"the last known policy counts", "no-referrer, strict-origin, from-the-future", press("post"), map[string]string{
			"Referer": "BASE/", "Origin": "BASE",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/redirect/303":
					http.Redirect(w, r, "/end", http.StatusSeeOther)
				case r.URL.Path == "/page":
					w.Header().Set("Referrer-Policy", tt.policy)
					w.Header().Add("Set-Cookie", "strict=1; SameSite=Strict")
					w.Header().Add("Set-Cookie", "lax=1; SameSite=Lax")
					w.Header().Add("Set-Cookie", "none=1; SameSite=None; Secure")
					w.Header().Add("Set-Cookie", "bare=1")
					writeHTML(w, `<a id=link href=/end>On</a>
						<form action=/end><input name=q value=1><button id=get>Go</button><button id=post formmethod=post>Go</button></form>`)
				default:
					writeHTML(w, "")
				}
			})
			if err := tt.walk(t.Context(), s.browser(t), s.URL); err != nil {
				t.Fatal(err)
			}
			for name, want := range tt.want {
				want = strings.ReplaceAll(want, "BASE", s.URL)
				if got := s.last().Header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

// open visits the page that sets cookies, and another one.
func open(ctx context.Context, b *browser.Browser, base string) error {
	for _, path := range []string{"/page", "/end"} {
		if _, err := b.Open(ctx, base+path); err != nil {
			return err
		}
	}
	return nil
}

func arrive(ctx context.Context, b *browser.Browser, base string) error {
	if err := open(ctx, b, base); err != nil {
		return err
	}
	_, err := b.Arrive(ctx, base+"/end")
	return err
}

func press(id string) func(context.Context, *browser.Browser, string) error {
	return func(ctx context.Context, b *browser.Browser, base string) error {
		p, err := b.Open(ctx, base+"/page?a=b")
		if err != nil {
			return err
		}
		_, err = b.Press(ctx, p, id)
		return err
	}
}

func TestTwoHomesOnOneHostAreOneSiteButTwoOrigins(t *testing.T) {
	t.Parallel()
	portal := newSite(t, func(w http.ResponseWriter, r *http.Request) { writeHTML(w, "") })
	issuer := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "__Host-s", Value: "1", Path: "/", Secure: true, SameSite: http.SameSiteStrictMode})
		writeHTML(w, `<a id=link href="`+portal.URL+`/">Portal</a>`)
	})
	b := issuer.browser(t, portal.URL)
	p, err := b.Open(t.Context(), issuer.URL+"/path")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Press(t.Context(), p, "link"); err != nil {
		t.Fatal(err)
	}
	h := portal.last().Header
	// Cookies know hosts, not ports; Referer and Sec-Fetch-Site know origins.
	if h.Get("Sec-Fetch-Site") != "same-site" || h.Get("Referer") != issuer.URL+"/" || h.Get("Cookie") != "__Host-s=1" {
		t.Errorf("got Sec-Fetch-Site %s, Referer %s, Cookie %s", h.Get("Sec-Fetch-Site"), h.Get("Referer"), h.Get("Cookie"))
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			writeHTML(w, `<form method=post><input name=secret value=s>
				<button id=b303 formaction=/303>a</button><button id=b302 formaction=/302>b</button><button id=b307 formaction=/307>c</button></form>`)
		case "/302", "/303", "/307":
			status := map[string]int{"/302": 302, "/303": 303, "/307": 307}[r.URL.Path]
			http.Redirect(w, r, "/end", status)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/away":
			http.Redirect(w, r, "https://app.example/cb?code=x&state=y#frag", http.StatusSeeOther)
		case "/native":
			http.Redirect(w, r, "com.example.app:/cb?code=x", http.StatusSeeOther)
		case "/plain":
			http.Redirect(w, r, "http://"+r.Host+"/end", http.StatusSeeOther)
		case "/nowhere":
			w.WriteHeader(http.StatusSeeOther)
		default:
			writeHTML(w, "")
		}
	})
	b := s.browser(t)

	for id, wantMethod := range map[string]string{"b302": "GET", "b303": "GET", "b307": "POST"} {
		p, err := b.Open(t.Context(), s.URL+"/page")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Press(t.Context(), p, id); err != nil {
			t.Fatal(err)
		}
		last := s.last()
		if last.Method != wantMethod || (last.PostForm.Get("secret") == "s") != (wantMethod == "POST") || (last.Header.Get("Origin") != "") != (wantMethod == "POST") {
			t.Errorf("%s ended in %s, body %v, Origin %q", id, last.Method, last.PostForm, last.Header.Get("Origin"))
		}
	}

	for path, want := range map[string]string{
		"/away":   "https://app.example/cb?code=x&state=y#frag",
		"/native": "com.example.app:/cb?code=x",
		"/plain":  "http://" + strings.TrimPrefix(s.URL, "https://") + "/end",
	} {
		before := s.count()
		p, err := b.Open(t.Context(), s.URL+path)
		if err != nil {
			t.Fatal(err)
		}
		if p.Left == nil || p.Left.String() != want || p.Status != http.StatusSeeOther || s.count() != before+1 {
			t.Errorf("%s: left for %v with status %d after %d requests", path, p.Left, p.Status, s.count()-before)
		}
		if strings.Contains(p.String(), "code") {
			t.Errorf("the page's name tells the code: %s", p)
		}
	}

	if p, err := b.Open(t.Context(), s.URL+"/nowhere"); err != nil || p.Left != nil || p.Status != http.StatusSeeOther {
		t.Errorf("a redirect to nowhere: %v, %v", p, err)
	}
	if _, err := b.Open(t.Context(), s.URL+"/loop"); err == nil || !strings.Contains(err.Error(), "20 redirects") {
		t.Errorf("a loop: %v", err)
	}
	if _, err := b.Open(t.Context(), "https://elsewhere.example/"); !errors.Is(err, browser.ErrOutside) {
		t.Errorf("opening another site: %v", err)
	}
}

func TestCookiesThatChromiumRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cookie string
		kept   bool
	}{
		{"__Host-a=1; Secure; Path=/", true},
		{"__Host-a=1; Path=/", false},
		{"__Host-a=1; Secure; Path=/x", false},
		{"__Host-a=1; Secure", false},
		{"__Host-a=1; Secure; Path=/; Domain=127.0.0.1", false},
		{"__HOST-a=1; Path=/", false},
		{"__Secure-a=1; Secure", true},
		{"__Secure-a=1", false},
		{"a=1; SameSite=None; Secure", true},
		{"a=1; SameSite=None", false},
		{"a=1; Domain=127.0.0.1", true},
		{"a=1; Domain=0.0.1", false},
		{"a=1; Domain=other.example", false},
		{"a=1; Max-Age=0", false},
		{"a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", false},
	}
	for _, tt := range tests {
		t.Run(tt.cookie, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/set" {
					w.Header().Set("Set-Cookie", tt.cookie)
				}
				writeHTML(w, "")
			})
			b := s.browser(t)
			p, err := b.Open(t.Context(), s.URL+"/set")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Open(t.Context(), s.URL+"/"); err != nil {
				t.Fatal(err)
			}
			if sent := s.last().Header.Get("Cookie") != ""; sent != tt.kept || len(b.Cookies()) == 1 != tt.kept {
				t.Errorf("sent %v, kept %v, want %v", sent, b.Cookies(), tt.kept)
			}
			expired := strings.Contains(tt.cookie, "Max-Age") || strings.Contains(tt.cookie, "Expires")
			if (len(p.Blocked) == 0) != (tt.kept || expired) {
				t.Errorf("console: %v", p.Blocked)
			}
		})
	}
}

func TestCookiesByPathAndTime(t *testing.T) {
	t.Parallel()
	var cookies []string
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		for _, c := range cookies {
			w.Header().Add("Set-Cookie", c)
		}
		cookies = nil
		writeHTML(w, "")
	})
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b, err := browser.New(browser.Config{Home: []string{s.URL}, TLS: s.tls(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	sent := func(path string) string {
		t.Helper()
		if _, err := b.Open(t.Context(), s.URL+path); err != nil {
			t.Fatal(err)
		}
		return s.last().Header.Get("Cookie")
	}
	cookies = []string{"root=1; Path=/; Max-Age=60", "deep=1; Path=/portal", "folder=1"}
	sent("/login/step")
	if got := sent("/portal/home"); got != "deep=1; root=1" {
		t.Errorf("/portal/home got %s", got)
	}
	if got := sent("/portals"); got != "root=1" {
		t.Errorf("/portals got %s", got)
	}
	if got := sent("/login/other"); got != "folder=1; root=1" {
		t.Errorf("/login/other got %s", got)
	}
	cookies = []string{"root=2; Path=/"}
	sent("/")
	if got := sent("/"); got != "root=2" {
		t.Errorf("after replacing, / got %s", got)
	}
	cookies = []string{"root=3; Path=/; Max-Age=60"}
	sent("/")
	now = now.Add(time.Minute)
	if got := sent("/"); got != "" {
		t.Errorf("after a minute, / got %s", got)
	}
	cookies = []string{"deep=; Path=/portal; Max-Age=-1"}
	sent("/")
	if got := sent("/portal"); got != "" {
		t.Errorf("after deleting, /portal got %s", got)
	}
}

func TestAPageLargerThanTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) { writeHTML(w, strings.Repeat("x", 5<<20)) })
	if _, err := s.browser(t).Open(t.Context(), s.URL); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
}

// A form on one home that posts to another, by way of redirects: what a
// chain of requests carries along.
func TestWhatAChainOfRedirectsCarriesAlong(t *testing.T) {
	t.Parallel()
	var s *site
	other := newSite(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL+"/end", http.StatusSeeOther) })
	s = newSite(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			writeHTML(w, `<form method=post action="`+other.URL+`/"><button id=go>x</button></form>
				<form method=post action=/hop><button id=hop>x</button></form>`)
		case "/hop":
			w.Header().Set("Referrer-Policy", "no-referrer")
			w.Header().Set("Set-Cookie", "__Host-bad=1")
			http.Redirect(w, r, "/end", http.StatusSeeOther)
		default:
			writeHTML(w, "")
		}
	})
	b := s.browser(t, other.URL)
	submit := func(id string) *browser.Page {
		t.Helper()
		p, err := b.Open(t.Context(), s.URL+"/page")
		if err != nil {
			t.Fatal(err)
		}
		form, err := p.Submission(id)
		if err != nil {
			t.Fatal(err)
		}
		form.Header = http.Header{"X-Bent": {"1"}}
		if p, err = b.Submit(t.Context(), form); err != nil {
			t.Fatal(err)
		}
		return p
	}

	submit("go")
	if got := other.last().Header.Get("X-Bent"); got != "1" {
		t.Errorf("the first request lost its bent header: %q", got)
	}
	// Home again, but by way of another origin.
	if h := s.last().Header; h.Get("Sec-Fetch-Site") != "same-site" || h.Get("X-Bent") != "" {
		t.Errorf("after the detour: Sec-Fetch-Site %s, bent header %q", h.Get("Sec-Fetch-Site"), h.Get("X-Bent"))
	}

	p := submit("hop")
	if got := s.last().Header.Get("Referer"); got != "" {
		t.Errorf("the redirect asked for no referrer and %s was sent", got)
	}
	if len(p.Blocked) != 1 || !strings.Contains(p.Blocked[0], "__Host-bad") {
		t.Errorf("the console forgot what the redirect's cookie did wrong: %v", p.Blocked)
	}
}

// The address of a page may hold a request_uri or a code.
func TestAnErrorOfTheNetworkDoesNotTellTheQuery(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := s.browser(t).Open(t.Context(), s.URL+"/authorize?request_uri=urn:x"); err == nil || strings.Contains(err.Error(), "urn:x") || !strings.Contains(err.Error(), "/authorize") {
		t.Errorf("got %v", err)
	}
}
