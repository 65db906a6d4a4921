package portal

import (
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

var (
	scripted  = regexp.MustCompile(`(?i)<script|<style|<iframe|<object|<[^>]*\s(on[a-z]+|style)\s*=|="javascript:`)
	live      = regexp.MustCompile(`<script src="/static/[0-9a-f]{20}\.js" defer></script>`)
	elementID = regexp.MustCompile(`\sid="([^"]*)"`)
	heading   = regexp.MustCompile(`<h1[\s>]`)
	input     = regexp.MustCompile(`<input [^>]*>`)
	external  = regexp.MustCompile(`(src|href)="(https?:)?//`)
)

// sound checks what holds for every page whatever it says.
func sound(t *testing.T, page *browser.Page) {
	t.Helper()
	body := string(page.Body)
	// Where time can run out there is one script that says so, and the newest
	// page of the history and one that offers a passkey have one more; all from
	// files of ours.
	scripts, want := len(live.FindAllString(body, -1)), 0
	for _, id := range []string{"idle", "history_live", "passkey_use", "passkey_make"} {
		if page.Has(id) {
			want++
		}
	}
	if scripts != want {
		t.Errorf("%s: %d scripts, want %d", page, scripts, want)
	}
	if m := scripted.FindString(live.ReplaceAllString(body, "")); m != "" {
		t.Errorf("%s holds %s", page, m)
	}
	if n := len(heading.FindAllString(body, -1)); n != 1 {
		t.Errorf("%s has %d first headings", page, n)
	}
	seen := map[string]bool{}
	for _, m := range elementID.FindAllStringSubmatch(body, -1) {
		if seen[m[1]] {
			t.Errorf("%s has the id %s twice", page, m[1])
		}
		seen[m[1]] = true
	}
	for _, field := range input.FindAllString(body, -1) {
		id := elementID.FindStringSubmatch(field)
		hidden, box := strings.Contains(field, `type="hidden"`), strings.Contains(field, `type="checkbox"`)
		if !hidden && !box && (id == nil || !strings.Contains(body, `<label for="`+id[1]+`"`)) {
			t.Errorf("%s: no label for %s", page, field)
		}
		if box && !strings.Contains(body, `<label class="check">`+field) {
			t.Errorf("%s: no label around %s", page, field)
		}
	}
	if page.Title() == "" || !strings.HasPrefix(body, "<!doctype html>\n<html lang=\"") {
		t.Errorf("%s has no title or no language", page)
	}
	if m := external.FindString(strings.ReplaceAll(body, `href="https://app.example/"`, "")); m != "" {
		t.Errorf("%s loads or links something from elsewhere: %s", page, m)
	}
	h := page.Header
	for name, want := range map[string]string{
		"Content-Type":              "text/html; charset=utf-8",
		"Cache-Control":             "no-store",
		"Referrer-Policy":           "no-referrer",
		"X-Content-Type-Options":    "nosniff",
		"X-Frame-Options":           "DENY",
		"Strict-Transport-Security": "max-age=31536000",
	} {
		if got := h.Values(name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %s is %q, want %q", page, name, got, want)
		}
	}
	csp := h.Get("Content-Security-Policy")
	const before, after = "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'", "; frame-ancestors 'none'; base-uri 'none'"
	if scripts > 0 {
		bare, ok := strings.CutSuffix(csp, "; script-src 'self'; connect-src 'self'")
		if csp = bare; !ok {
			t.Errorf("%s: policy %s", page, csp)
		}
	}
	target, ok := strings.CutPrefix(csp, before)
	target, ok2 := strings.CutSuffix(target, after)
	if !ok || !ok2 || target != "" && target != " https://app.example" {
		t.Errorf("%s: policy %s", page, csp)
	}
	// Only a journey's forms can end at the app.
	journey := strings.Contains(page.URL.Path, "/consent/") && !strings.HasSuffix(page.URL.Path, "/done") && !page.Has("oauth_error")
	if leaves := strings.Contains(body, `/leave"><input`); leaves {
		journey = true
	}
	if journey != (target != "") {
		t.Errorf("%s: form-action 'self'%s", page, target)
	}
	if len(page.Blocked) > 0 {
		t.Errorf("%s: %v", page, page.Blocked)
	}
}

func TestEveryPageInEveryLanguage(t *testing.T) {
	t.Parallel()
	keys := readCatalogue(t, "en")
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, c := range fdx.AllClusters() {
				w.pending.Request.Account = w.pending.Request.Account.With(c)
			}
			p := w.person(lang)
			var pages []*browser.Page
			add := func(page *browser.Page) *browser.Page { pages = append(pages, page); return page }

			page := add(p.arrive())
			page = add(p.signIn(page, "nobody"))
			page = add(p.signIn(page, "ada"))
			add(p.press(page, "accounts_continue"))
			add(p.press(page, "accounts_select_all"))
			p.tick(page, "account_1", "account_2")
			page = add(p.press(page, "accounts_continue"))
			page = add(p.press(page, "consent_approve"))
			add(p.press(page, "step_up_resend"))
			add(p.enter(page, "000"))
			w.do(func() { w.now = w.now.Add(time.Minute) })
			page = add(p.press(page, "step_up_resend"))
			p.left(p.enter(page, p.code()), "code=c")
			add(p.open("/authorize/" + string(w.auth().ID)))
			g := w.grants[0]
			w.do(func() {
				w.read(g.ID, "c-ada", w.now, 3)
				w.read(g.ID, "c-ada", w.now.Add(-time.Hour), 4)
				w.reads[1].Outcome = audit.Refused
			})
			add(p.open("/portal"))
			add(p.open("/portal/history"))
			add(p.open("/portal/history?answer=refused"))
			add(p.open("/portal/history?answer=clipped"))
			add(p.open("/portal/history?from=2026-11-22&to=2026-11-21"))
			add(p.open(accessPath(w.reads[0].RequestID)))
			add(p.open(accessPath(w.reads[1].RequestID)))
			add(p.open("/portal/signin"))
			add(p.press(p.open("/portal/signin"), "passkey_add"))
			if !add(p.codeFor(p.open("/portal/passkeys/add"))).Has("passkey_make") {
				t.Error("no passkey is offered")
			}
			add(p.open(grantPath(g.ID)))
			page = add(p.open(grantPath(g.ID) + "/stop"))
			add(p.press(page, "stop_confirm"))
			add(p.open(grantPath(g.ID)))
			add(p.open("/portal"))
			add(p.open("/portal/grants/none"))
			add(p.open("/portal/sharing"))
			w.switchedOff("c-ada")
			add(p.open("/portal/sharing"))
			add(p.open("/portal"))
			add(p.press(page, "sign_out"))

			w.do(func() { w.pending.Pushed = "p-2" })
			add(p.signIn(p.arrive(), "ada"))
			w.do(func() { w.pending.Pushed = "p-3" })
			page = add(p.signIn(p.arrive(), "cleo"))
			add(p.press(page, "whose_continue"))
			p.tick(page, "holder_2")
			page = add(p.press(page, "whose_continue"))
			p.tick(page, "account_1")
			add(p.press(page, "accounts_continue"))
			w.do(func() { w.down["bank"] = true })
			page = add(p.open("/consent/" + string(w.authOf("p-3").ID) + "/accounts"))
			p.left(p.press(page, "back_to_app"), "error=temporarily_unavailable")
			add(p.open("/authorize/" + string(w.authOf("p-3").ID)))

			for _, page := range pages {
				sound(t, page)
				if !strings.Contains(string(page.Body), `<html lang="`+lang+`">`) {
					t.Errorf("%s is not in %s", page, lang)
				}
				for key := range keys {
					if strings.Contains(key, ".") && strings.Contains(page.Text(), key) {
						t.Errorf("%s shows the key %s", page, key)
					}
				}
				if strings.Contains(page.Text(), "<no value>") || strings.Contains(page.Text(), "{{") {
					t.Errorf("%s shows a hole:\n%s", page, page.Text())
				}
				if n := len(page.Body); n > 40<<10 {
					t.Errorf("%s is %d bytes", page, n)
				}
			}
		})
	}
}

func TestProblemForAnApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	show := func(pr Problem) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		w.portal.Problem(rec, httptest.NewRequest(http.MethodGet, "/authorize", nil), pr)
		return rec
	}
	rec := show(Problem{Code: "invalid_request", Text: "request_uri is <unknown> or expired", AppName: "BudgetBee", BackURI: "https://app.example/", Reference: "R-1", UILocales: []string{"sv"}})
	body := rec.Body.String()
	if rec.Code != http.StatusBadRequest {
		t.Errorf("status %d", rec.Code)
	}
	for _, s := range []string{
		`id="oauth_error"><code>invalid_request</code>: request_uri is &lt;unknown&gt; or expired</div>`,
		`<html lang="sv">`, "R-1", `href="https://app.example/"`, "BudgetBee",
	} {
		if !strings.Contains(body, s) {
			t.Errorf("%q is not in:\n%s", s, body)
		}
	}
	rec = show(Problem{Code: "x", BackURI: "http://app.example/", Text: strings.Repeat("long ", 1000)})
	if body = rec.Body.String(); strings.Contains(body, "app.example") || !strings.Contains(body, `href="/portal"`) || len(body) > 4000 {
		t.Errorf("unsafe way back, none at all, or too long:\n%s", body)
	}
	one, two := show(Problem{}), show(Problem{})
	if one.Body.String() == two.Body.String() {
		t.Error("two problems have the same reference")
	}
	if rec = show(Problem{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryURI: "/authorize/1"}); rec.Code != 503 ||
		!strings.Contains(rec.Body.String(), `href="/authorize/1"`) || rec.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, %v:\n%s", rec.Code, rec.Header(), rec.Body)
	}
	if one.Header().Get("Retry-After") != "" {
		t.Error("a problem that stays is to be tried again")
	}
	rec = show(Problem{RetryURI: "/authorize?client_id=a%26b&request_uri=urn%3Aietf%3A1"})
	if _, link, ok := strings.Cut(rec.Body.String(), `id="retry" href="`); !ok ||
		!strings.HasPrefix(html.UnescapeString(link), `/authorize?client_id=a%26b&request_uri=urn%3Aietf%3A1"`) {
		t.Errorf("leads elsewhere:\n%s", rec.Body)
	}
	for _, foreign := range []string{"//evil.example/authorize", "https://evil.example/", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", "authorize"} {
		if rec = show(Problem{RetryURI: foreign}); strings.Contains(rec.Body.String(), `id="retry"`) {
			t.Errorf("%q is linked", foreign)
		}
	}
}

func TestWebAddress(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"https://app.example/home?x=1": true, "http://localhost:3000/": true, "http://127.0.0.1:1/": true,
		"http://app.example/": false, "javascript:alert(1)": false, "//app.example": false, "https:app.example": false,
		"https://user:pw@app.example/": false, "": false, "ftp://app.example/": false, "http://localhost.evil.example/": false,
	} {
		if got := webAddress(in); (got == in && in != "") != ok {
			t.Errorf("webAddress(%q) = %q", in, got)
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"BudgetBee":                         "BudgetBee",
		"  Budget \t\r\n Bee\u2028 ":        "Budget Bee",
		"Bud\x00get\x1b[31mBee\x7f":         "Budget[31mBee",
		"\u202eeeBtegduB\u202c":             "eeBtegduB",
		"\u2066Bee\u2069\u200f\u200e\ufeff": "Bee",
		"Bu\u200bdg\u00adet\u2060":          "Budget",
		"Bee\xff\xfe":                       "Bee",
		"a\u0300\u0301\u0302\u0303\u0304b":  "a\u0300\u0301b",
		"\ue000\U000f0000x":                 "x",
		"\u3164\u2800":                      "",
		"":                                  "",
		"שלום":                              "\u2068שלום\u2069",
		"預算 Bee é ñ":                        "預算 Bee é ñ",
		strings.Repeat("a", 20):             strings.Repeat("a", 20),
		strings.Repeat("a", 21):             strings.Repeat("a", 19) + "…",
	} {
		if got := plain(in, 20); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"BudgetBee", "\u202eabc", "a\u0300\u0301\u0302", "שלום", "\x00\xff", "a\u00a0 b", "🏴\U000e0067\U000e007f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := plain(s, 20)
		inner := strings.TrimSuffix(strings.TrimPrefix(got, "\u2068"), "\u2069")
		if !utf8.ValidString(got) || utf8.RuneCountInString(inner) > 20 || inner != strings.TrimSpace(inner) {
			t.Errorf("plain(%q) = %q", s, got)
		}
		for _, r := range inner {
			if !shows(r) {
				t.Errorf("plain(%q) holds %U", s, r)
			}
		}
		if plain(inner, 20) != got {
			t.Errorf("plain is not stable on %q", s)
		}
	})
}

func FuzzCursor(f *testing.F) {
	c := audit.Cursor{At: time.UnixMicro(1795255200000001).UTC(), RequestID: [16]byte{1, 2, 3}}
	f.Add(cursorText(c))
	f.Add("")
	f.Add(strings.Repeat("A", 32))
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := parseCursor(s)
		if ok && cursorText(c) != s {
			t.Errorf("%q is read as %v", s, c)
		}
	})
}

func TestCursorComesBack(t *testing.T) {
	t.Parallel()
	c := audit.Cursor{At: time.Date(2026, 11, 21, 10, 0, 0, 123456000, time.UTC), RequestID: [16]byte{1, 2, 255}}
	got, ok := parseCursor(cursorText(c))
	if !ok || !got.At.Equal(c.At) || got.RequestID != c.RequestID {
		t.Errorf("%v, %v", got, ok)
	}
}

func FuzzFormTarget(f *testing.F) {
	for _, s := range []string{"https://app.example/cb", "com.example.app:/cb", "https://a;b/", "http://[::1]:80/", "https://*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := formTarget(s); strings.ContainsAny(got, " ;,'\"*\r\n\t") || got == ":" {
			t.Errorf("formTarget(%q) = %q", s, got)
		}
	})
}
