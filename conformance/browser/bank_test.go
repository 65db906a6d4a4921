package browser_test

import (
	"crypto/tls"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
)

const redirectURI = "https://app.example/callback?registered=1"

// bank is a small server with the consent journey and a portal, strict in
// the ways that a real one is: __Host- cookies, Origin and Sec-Fetch-Site
// checks, a CSRF token per session, form-action in its policy.
type bank struct {
	*httptest.Server

	mu      sync.Mutex
	decided string   // "approve" or "deny"
	shared  []string // accounts of an approved consent
	stopped []string // app names
	faults  map[string]bool
}

// newBank starts a bank with some of its good habits switched off:
//
//	no-session     signing in leaves no session behind
//	tick-nothing   select-all comes back with nothing ticked
//	no-form-action the policy forgets the app's address
//	stuck          deciding leads nowhere
func newBank(t *testing.T, faults ...string) *bank {
	t.Helper()
	b := &bank{faults: map[string]bool{}}
	for _, f := range faults {
		b.faults[f] = true
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", b.authorize)
	mux.HandleFunc("POST /login", b.guard(b.login))
	mux.HandleFunc("GET /accounts", b.accounts)
	mux.HandleFunc("POST /accounts", b.guard(b.chooseAccounts))
	mux.HandleFunc("GET /review", b.review)
	mux.HandleFunc("POST /decide", b.guard(b.decide))
	mux.HandleFunc("GET /portal", b.portal)
	mux.HandleFunc("GET /portal/apps/{id}", b.app)
	mux.HandleFunc("GET /portal/apps/{id}/stop", b.confirm)
	mux.HandleFunc("POST /portal/apps/{id}/stop", b.guard(b.stop))
	b.Server = httptest.NewTLSServer(mux)
	t.Cleanup(b.Close)
	return b
}

func (b *bank) tls() *tls.Config {
	return b.Client().Transport.(*http.Transport).TLSClientConfig
}

func (b *bank) browser(t *testing.T) *browser.Browser {
	t.Helper()
	br, err := browser.New(browser.Config{Home: []string{b.URL + "/authorize"}, TLS: b.tls()})
	if err != nil {
		t.Fatal(err)
	}
	return br
}

// guard refuses what a form on one of the bank's own pages cannot send.
func (b *bank) guard(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("__Host-csrf")
		switch {
		case r.Header.Get("Origin") != b.URL, r.Header.Get("Sec-Fetch-Site") != "same-origin":
			b.problem(w, "This form came from another site.")
		case err != nil || r.PostFormValue("csrf") != cookie.Value:
			b.problem(w, "This form is too old.")
		default:
			next(w, r)
		}
	}
}

func (b *bank) session(r *http.Request) bool {
	_, err := r.Cookie("__Host-session")
	return err == nil
}

func (b *bank) authorize(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("request_uri") != "urn:good" {
		b.problem(w, "The app's request has expired. Nothing was sent.")
		return
	}
	if b.session(r) {
		http.Redirect(w, r, "/accounts", http.StatusSeeOther)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "__Host-csrf", Value: "c1", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	b.page(w, `<form action=/login method=post><input type=hidden name=csrf value=c1><input type=hidden name=to value=/accounts>
		<label>Name <input id=username name=username required></label>
		<label>Password <input id=password name=password type=password required></label>
		<button id=login_submit>Sign in</button></form>`)
}

func (b *bank) login(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("username") == "ada" && r.PostFormValue("password") == "correct" && !b.faults["no-session"] {
		http.SetCookie(w, &http.Cookie{Name: "__Host-session", Value: "s1", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, r.PostFormValue("to"), http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, "/authorize?request_uri=urn:good", http.StatusSeeOther)
}

func (b *bank) accounts(w http.ResponseWriter, r *http.Request) {
	if !b.session(r) {
		b.problem(w, "Please sign in.")
		return
	}
	checked := ""
	if r.URL.Query().Has("all") && !b.faults["tick-nothing"] {
		checked = "checked"
	}
	b.page(w, `<form action=/accounts method=post><input type=hidden name=csrf value=c1>
		<input type=checkbox id=account_1 name=account value=cheque {{.}}>
		<input type=checkbox id=account_2 name=account value=savings {{.}}>
		<input type=checkbox id=account_3 name=account value=closed disabled>
		<button id=accounts_select_all name=do value=all>Select all</button>
		<button id=accounts_continue name=do value=continue>Continue</button></form>`, template.HTMLAttr(checked))
}

func (b *bank) chooseAccounts(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("do") == "all" {
		http.Redirect(w, r, "/accounts?all", http.StatusSeeOther)
		return
	}
	b.mu.Lock()
	b.shared = slices.Clone(r.PostForm["account"])
	b.mu.Unlock()
	http.Redirect(w, r, "/review", http.StatusSeeOther)
}

func (b *bank) review(w http.ResponseWriter, _ *http.Request) {
	b.page(w, `<form action=/decide method=post><input type=hidden name=csrf value=c1>
		<button id=consent_approve name=decision value=approve>Share</button>
		<button id=consent_deny name=decision value=deny>Do not share</button></form>`)
}

func (b *bank) decide(w http.ResponseWriter, r *http.Request) {
	if b.faults["stuck"] {
		b.page(w, `<p>Thank you.</p>`)
		return
	}
	b.mu.Lock()
	b.decided = r.PostFormValue("decision")
	b.mu.Unlock()
	http.Redirect(w, r, redirectURI+"&"+b.decided, http.StatusSeeOther)
}

// portal lists two apps; the second is stopped on a page of its own.
func (b *bank) portal(w http.ResponseWriter, r *http.Request) {
	if !b.session(r) {
		http.SetCookie(w, &http.Cookie{Name: "__Host-csrf", Value: "c1", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		b.page(w, `<form action=/login method=post><input type=hidden name=csrf value=c1><input type=hidden name=to value=/portal>
			<input id=username name=username><input id=password name=password type=password><button id=login_submit>Sign in</button></form>`)
		return
	}
	b.page(w, `<nav><a href=/portal>Home</a> <a href=/help>Help</a></nav>
		<ul><li><h2>BudgetBee</h2><form action=/portal/apps/BudgetBee/stop><button id=stop_sharing_1>Stop sharing</button></form></li>
		<li><h2>LedgerLark</h2><form action=/portal/apps/LedgerLark/stop><button id=stop_sharing_2>Stop sharing</button></form></li>
		<li><h2>TaxToad</h2><a href=/portal/apps/TaxToad>See details</a></li></ul>`)
}

func (b *bank) app(w http.ResponseWriter, r *http.Request) {
	b.page(w, `<h1>{{.}}</h1><a id=stop_sharing href="/portal/apps/{{.}}/stop">Stop sharing</a>`, r.PathValue("id"))
}

func (b *bank) confirm(w http.ResponseWriter, r *http.Request) {
	b.page(w, `<h1>Stop sharing with {{.}}?</h1><form method=post><input type=hidden name=csrf value=c1><button id=stop_confirm>Stop</button></form>`, r.PathValue("id"))
}

func (b *bank) stop(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.stopped = append(b.stopped, r.PathValue("id"))
	b.mu.Unlock()
	b.page(w, `<h1>{{.}} gets no more data</h1>`, r.PathValue("id"))
}

func (b *bank) page(w http.ResponseWriter, body string, data ...any) {
	formAction := "'self' https://app.example"
	if b.faults["no-form-action"] {
		formAction = "'self'"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action "+formAction)
	w.Header().Set("Referrer-Policy", "same-origin")
	var value any
	if len(data) > 0 {
		value = data[0]
	}
	if err := template.Must(template.New("").Parse("<!doctype html><title>Bank</title>"+body)).Execute(w, value); err != nil {
		panic(err)
	}
}

func (b *bank) problem(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `<!doctype html><title>Problem</title><p id=oauth_error>%s</p>`, template.HTMLEscapeString(text))
}

func (b *bank) state() (decided string, shared, stopped string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.decided, strings.Join(b.shared, " "), strings.Join(b.stopped, " ")
}
