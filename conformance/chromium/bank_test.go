package chromium_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/chromium"
)

const callback = "https://app.example/callback?registered=1"

// scripted is a bank whose pages are empty until their script has run: one
// document for the whole journey, built late, spoken by fetch.
type scripted struct {
	*httptest.Server

	mu       sync.Mutex
	requests []*http.Request
	shared   []string
}

const app = `
const show = (html, wait) => setTimeout(() => { document.getElementById('root').innerHTML = html }, wait || 0);
const call = async (path, body) => (await fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)})).json();
const login = (say, wait) => { typed = {}; show('<form id=f><p id=said>' + say + '</p><label>Name <input class=n></label><label>Password <input class=p type=password></label><button class=go>Sign in</button></form>' +
	'<div style="display:none"><button id=consent_approve>Approve</button></div>', wait) };
let typed;
document.addEventListener('input', e => { typed[e.target.className] = (typed[e.target.className] || 0) + (e.isTrusted ? 1 : 100) });
document.addEventListener('submit', async e => {
	e.preventDefault();
	const got = await call('/login', {name: document.querySelector('.n').value, password: document.querySelector('.p').value, typed});
	if (!got.accounts) return login('That is not right.');
	show('<div id=box></div>');
	setTimeout(() => {
		// What is asked for next is in a shadow tree, as design systems have it.
		const shadow = document.getElementById('box').attachShadow({mode: 'open'});
		shadow.innerHTML = got.accounts.map(a => '<label><input type=checkbox id=account_' + a + ' value=' + a + '>Account ' + a + '</label>').join('') +
			'<label>Note <textarea id=note></textarea></label><select id=kind><option value=a>A</option><option value=b>B</option></select><button id=accounts_continue disabled>Continue</button>';
		shadow.addEventListener('change', () => { shadow.getElementById('accounts_continue').disabled = !shadow.querySelector(':checked') });
		shadow.getElementById('accounts_continue').onclick = () => {
			const chosen = [...shadow.querySelectorAll('input:checked')].map(i => i.value).concat(shadow.getElementById('note').value, shadow.getElementById('kind').value);
			show('<h1>Share?</h1><button id=consent_approve>Approve</button><button id=consent_deny>No</button><button id=covered>Covered</button><div id=over style="position:fixed;inset:auto 0 0 0;height:40px;background:white"></div>');
			setTimeout(() => {
				document.getElementById('covered').style.cssText = 'position:fixed;bottom:5px;left:5px';
				document.getElementById('consent_approve').onclick = async () => { location.assign((await call('/decide', {chosen})).to) };
				document.getElementById('consent_deny').onclick = () => alert('Are you sure?');
			}, 20);
		};
	}, 50);
});
login('Welcome', 300);
`

func newScripted(t *testing.T) *scripted {
	t.Helper()
	b := &scripted{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "__Host-csrf", Value: "c1", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
		w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'unsafe-inline'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><title>Bank</title><noscript>Please switch scripts on.</noscript><div id=root></div><script src=/app.js></script>`)
	})
	mux.HandleFunc("GET /app.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, app)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		var sent struct {
			Name, Password string
			Typed          map[string]int
		}
		_, err := r.Cookie("__Host-csrf")
		if json.NewDecoder(r.Body).Decode(&sent) != nil || err != nil || sent.Name != "ada" || sent.Password != "correct" || sent.Typed["n"] != 1 {
			fmt.Fprint(w, `{}`)
			return
		}
		fmt.Fprint(w, `{"accounts":["1","2","3"]}`)
	})
	mux.HandleFunc("POST /decide", func(w http.ResponseWriter, r *http.Request) {
		var sent struct{ Chosen []string }
		_ = json.NewDecoder(r.Body).Decode(&sent)
		b.mu.Lock()
		b.shared = sent.Chosen
		b.mu.Unlock()
		fmt.Fprint(w, `{"to":"/leave"}`)
	})
	mux.HandleFunc("GET /leave", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, callback+"&code=abc", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /plain", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "__Host-once", Value: "1", Path: "/", Secure: true, SameSite: http.SameSiteLaxMode})
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
		_, err := r.Cookie("__Host-once")
		fmt.Fprintf(w, `<p id=been>%v</p><a id=away href=%q>Away</a><a id=plain href=http://app.example/back?x=1>Plain</a><img src=https://elsewhere.example/spy.png><form action=https://evil.example/ method=post><button id=evil>Go</button></form>`, err == nil, callback)
	})
	// It asks for nothing more, not even for an icon, however late.
	mux.HandleFunc("GET /dead", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<link rel=icon href=data:,><a id=dead href=#>Nowhere</a>`)
	})
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id":"<b id=trap>"}`)
	})
	mux.HandleFunc("GET /slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	b.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.requests = append(b.requests, r.Clone(r.Context()))
		b.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

// first is the first request for a path.
func (b *scripted) first(t *testing.T, path string) *http.Request {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		if r.URL.Path == path {
			return r
		}
	}
	t.Fatalf("nobody asked for %s", path)
	return nil
}

func (b *scripted) person(t *testing.T, c *chromium.Chromium, bend ...func(*chromium.Config)) *chromium.Person {
	t.Helper()
	cfg := chromium.Config{Home: []string{b.URL}, Transport: b.Client().Transport}
	for _, f := range bend {
		f(&cfg)
	}
	p, err := c.Person(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// start starts the browser. Where there is none, a machine that proves things
// fails, and any other passes the test over.
func start(t *testing.T) *chromium.Chromium {
	t.Helper()
	c, err := chromium.Start(t.Context(), os.Getenv("CHROMIUM"))
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// formDriving is the other browser, without script.
func (b *scripted) formDriving(t *testing.T) *browser.Browser {
	t.Helper()
	other, err := browser.New(browser.Config{Home: []string{b.URL}, Transport: b.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	return other
}
