package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// listener is one of the three that a deployment has.
type listener int

const (
	gateway listener = iota
	protocol
	pages
)

// attack is a request as bytes and the status that answers it, once.
type attack struct {
	name string
	to   listener
	text string
	want int
}

// foe attacks a deployment with everything that a registered recipient has.
type foe struct {
	d     *deployment
	token recipient.Token
	other recipient.Token // of another recipient
	mine  fdx.AccountID
	next  string // a second account of the same grant
}

// get returns a request for a path of the gateway with a token and a proof
// that fit, and with more header lines behind them.
func (f *foe) get(target string, more ...string) string {
	return f.ask("GET", target, f.credentials("GET", target, f.token), more...)
}

func (f *foe) ask(method, target, credentials string, more ...string) string {
	host := strings.TrimPrefix(f.d.public, "https://")
	return method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + credentials + strings.Join(more, "") + "\r\n"
}

func (f *foe) credentials(method, target string, tok recipient.Token) string {
	proof := f.proof(method, target, tok)
	return "Authorization: DPoP " + string(tok.AccessToken) + "\r\nDPoP: " + proof + "\r\n"
}

func (f *foe) proof(method, target string, tok recipient.Token) string {
	target, _, _ = strings.Cut(target, "?")
	claims := tok.Key.Claims(method, f.d.public+"/", tok.AccessToken, "", time.Now())
	claims["htu"] = f.d.public + target // as it is, whatever it is
	proof, err := tok.Key.Sign(claims)
	if err != nil {
		panic(err)
	}
	return proof
}

// post returns a form for the authorization server.
func (f *foe) post(path, form string, more ...string) string {
	host := strings.TrimPrefix(f.d.issuer, "https://")
	return "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
		fmt.Sprintf("Content-Length: %d\r\n", len(form)) + strings.Join(more, "") + "\r\n" + form
}

// signed is a form with a good client assertion, for endpoints that ask who
// one is before anything else.
func (f *foe) signed(t *testing.T, app *recipient.Client, more string) string {
	t.Helper()
	assertion, err := app.SignAssertion(app.AssertionClaims())
	must(t, err)
	return "client_assertion_type=" + url.QueryEscape("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") + "&client_assertion=" + assertion + more
}

// page returns a request for the listener of the pages.
func (f *foe) page(method, target string, more ...string) string {
	host := strings.TrimPrefix(f.d.pages, "https://")
	return method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + strings.Join(more, "") + "\r\n"
}

func chunked(body string) string { return "Transfer-Encoding: chunked\r\n\r\n" + body }

const mebibyte = 1 << 20

func (f *foe) attacks(t *testing.T, app *recipient.Client) []attack {
	long := strings.Repeat("a", mebibyte)
	const list = "/fdx/v6/accounts"
	account := list + "/" + string(f.mine)
	moves := account + "/transactions"
	host := strings.TrimPrefix(f.d.public, "https://")
	smuggled := "GET " + list + " HTTP/1.1\r\nHost: " + host + "\r\n" + f.credentials("GET", list, f.token) + "\r\n"
	proofOf := func(text string) string { return "DPoP: " + text + "\r\n" }
	auth := "Authorization: DPoP " + string(f.token.AccessToken) + "\r\n"
	dates := "?startDate=" + days(50) + "&endDate=" + days(0) + "&limit=1"

	return []attack{
		// That the foe's requests are good but for what is wrong with them.
		{"no attack", gateway, f.get(list), 200},
		{"no attack on an account", gateway, f.get(account), 200},

		// One request in the eyes of a proxy, two in ours, or the reverse.
		{"two Authorization headers", gateway, f.get(list, auth), 400},
		{"two Authorization headers, the second in other letters", gateway, f.get(list, "AUTHORIZATION: Bearer x\r\n"), 400},
		{"two tokens in one header", gateway, f.ask("GET", list, "Authorization: DPoP "+string(f.other.AccessToken)+", DPoP "+string(f.token.AccessToken)+"\r\n"+proofOf(f.proof("GET", list, f.token))), 401},
		{"two proofs", gateway, f.get(list, proofOf(f.proof("GET", list, f.token))), 401},
		{"two proofs in one header", gateway, f.ask("GET", list, auth+proofOf(f.proof("GET", list, f.token)+", "+f.proof("GET", list, f.token))), 401},
		{"space before the colon", gateway, f.get(list, "Authorization : DPoP x\r\n"), 400},
		{"folded header", gateway, f.get(list, "X-Folded: a\r\n Authorization: DPoP x\r\n"), 200},
		{"bare line feeds", gateway, strings.ReplaceAll(f.get(list), "\r\n", "\n"), 200},
		{"NUL in a header", gateway, f.get(list, "X-Nul: a\x00b\r\n"), 400},
		{"NUL in the token", gateway, f.ask("GET", list, "Authorization: DPoP "+string(f.token.AccessToken)+"\x00\r\n"+proofOf(f.proof("GET", list, f.token))), 400},
		{"length and chunks", gateway, "GET " + list + " HTTP/1.1\r\nHost: " + host + "\r\n" + f.credentials("GET", list, f.token) + "Content-Length: 4\r\n" + chunked("0\r\n\r\n"), 400},
		{"two lengths", gateway, f.get(list, "Content-Length: 0\r\nContent-Length: 5\r\n"), 400},
		{"negative length", gateway, f.get(list, "Content-Length: -1\r\n"), 400},
		{"length with a sign", gateway, f.get(list, "Content-Length: +0\r\n"), 400},
		{"a request as the body of another", gateway, f.get(list, fmt.Sprintf("Content-Length: %d\r\n", len(smuggled))) + smuggled, 400},
		{"a request in chunks as the body of another", gateway, f.get(list, chunked(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled))), 400},
		{"a chunk of a size that is none", gateway, f.get(list, chunked("zz\r\nabc\r\n0\r\n\r\n")), 400},
		{"a chunk that is larger than all", gateway, f.get(list, chunked("ffffffffffffffff\r\nabc\r\n")), 400},
		{"an unknown transfer coding", gateway, f.get(list, "Transfer-Encoding: xchunked\r\n"), 501},
		{"chunks twice", gateway, f.get(list, "Transfer-Encoding: chunked\r\n"+chunked("0\r\n\r\n")), 501},
		{"chunks in HTTP/1.0", gateway, "GET " + list + " HTTP/1.0\r\n" + f.credentials("GET", list, f.token) + chunked("0\r\n\r\n"), 200},
		{"an expectation that nobody knows", gateway, f.get(list, "Expect: miracles\r\n"), 417},
		{"an upgrade to HTTP/2 in the clear", gateway, f.get(list, "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), 200},
		{"another method by header", gateway, f.get(list, "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: PUT\r\n"), 200},

		// Where the request says that it goes.
		{"absolute target of another host", gateway, strings.Replace(f.get(list), "GET "+list, "GET https://evil.example"+list, 1), 200},
		{"absolute target with a user", gateway, strings.Replace(f.get(list), "GET "+list, "GET https://a:b@"+host+list, 1), 200},
		{"target of another scheme", gateway, strings.Replace(f.get(list), "GET "+list, "GET file:///etc/passwd", 1), 404},
		{"authority target", gateway, f.ask("CONNECT", host, ""), 404},
		{"asterisk target", gateway, f.ask("OPTIONS", "*", ""), 200},
		{"wrong host", gateway, strings.Replace(f.get(moves+dates), "Host: "+host, "Host: evil.example", 1), 200},
		{"forwarded host", gateway, f.get(moves+dates, "X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n"), 200},
		{"no host", gateway, strings.Replace(f.get(list), "Host: "+host+"\r\n", "", 1), 400},
		{"two hosts", gateway, f.get(list, "Host: evil.example\r\n"), 400},
		{"host that is none", gateway, strings.Replace(f.get(list), "Host: "+host, "Host: a b\x01", 1), 400},
		{"HTTP/1.0 without a host", gateway, "GET " + list + " HTTP/1.0\r\n" + f.credentials("GET", list, f.token) + "\r\n", 200},
		{"HTTP/1.0 without credentials", gateway, "GET " + list + " HTTP/1.0\r\n\r\n", 401},
		{"HTTP/0.9", gateway, "GET " + list + "\r\n\r\n", 400},
		{"HTTP/3.0 in words", gateway, "GET " + list + " HTTP/3.0\r\nHost: " + host + "\r\n\r\n", 505},
		{"not HTTP", gateway, "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\r\n\r\n", 400},
		{"method that is none", gateway, f.ask("GE T", list, ""), 400},
		{"method of the foe's own", gateway, f.ask("SELECT", list, f.credentials("SELECT", list, f.token)), 405},
		{"TRACE", gateway, f.ask("TRACE", list, f.credentials("TRACE", list, f.token)), 405},
		{"HEAD", gateway, f.ask("HEAD", list, f.credentials("HEAD", list, f.token)), 405},
		{"DELETE", gateway, f.ask("DELETE", account, f.credentials("DELETE", account, f.token)), 405},

		// Paths.
		{"encoded slash in an account id", gateway, f.get(account + "%2Ftransactions"), 404},
		{"encoded slash to another account", gateway, f.get(list + "/x%2F..%2F" + string(f.mine)), 404},
		{"encoded account id", gateway, f.get(list + "/" + encoded(string(f.mine))), 200},
		{"dots", gateway, f.get(account + "/../../accounts"), 404},
		{"encoded dots", gateway, f.get(account + "/%2e%2e/%2e%2e/accounts"), 404},
		{"two slashes", gateway, f.get("//fdx/v6/accounts"), 404},
		{"slash at the end", gateway, f.get(list + "/"), 404},
		{"broken escape", gateway, f.get(list + "/%zz"), 400},
		{"half an escape", gateway, f.get(list + "/%2"), 400},
		{"NUL in an account id", gateway, f.get(account + "%00"), 404},
		{"overlong UTF-8", gateway, f.get(list + "/%c0%af"), 404},
		{"not UTF-8", gateway, f.get(list + "/%ff%fe"), 404},
		{"direction characters", gateway, f.get(list + "/%e2%80%ae" + string(f.mine)), 404},
		{"SQL for an account id", gateway, f.get(list + "/" + url.PathEscape("' OR 1=1; --")), 404},
		{"an account id of 1 MiB", gateway, f.get(list + "/" + long), 431},
		{"an account id of 1,000 bytes", gateway, f.get(list + "/" + long[:1000]), 404},
		{"path parameters", gateway, f.get(account + ";v=1"), 404},

		// Queries and headers.
		{"a header of 1 MiB", gateway, f.get(list, "X-Long: "+long+"\r\n"), 431},
		{"10,000 headers", gateway, f.get(list, strings.Repeat("X-Many: 1\r\n", 10_000)), 431},
		{"a query of 1 MiB", gateway, f.get(list + "?x=" + long), 431},
		{"a page key of 10,000 bytes", gateway, f.get(moves + "?pageKey=" + long[:10_000]), 400},
		{"a token of 10,000 bytes", gateway, f.ask("GET", list, "Authorization: DPoP "+long[:10_000]+"\r\n"), 401},
		{"a proof of 10,000 bytes", gateway, f.ask("GET", list, auth+proofOf(long[:10_000])), 401},
		{"NUL in a page key", gateway, f.get(moves + "?pageKey=%00"), 400},
		{"NUL in account ids", gateway, f.get(list + "?accountIds=" + string(f.mine) + "%00"), 400},
		{"NUL in a date", gateway, f.get(moves + "?startDate=2026-01-01%00&endDate=2026-01-02"), 400},
		{"a date of no calendar", gateway, f.get(moves + "?startDate=2026-02-30&endDate=9999999999-01-01"), 400},
		{"a broken query", gateway, f.get(list + "?a=%zz"), 400},
		{"a query with semicolons", gateway, f.get(list + "?limit=1;limit=500"), 400},
		{"the token in the query", gateway, f.get(list + "?access_token=" + string(f.token.AccessToken)), 400},
		{"a limit of all", gateway, f.get(moves + "?limit=99999999999999999999"), 400},
		{"a negative limit", gateway, f.get(moves + "?limit=-1"), 400},
		{"two limits", gateway, f.get(moves + "?limit=1&limit=2"), 400},
		{"two interaction ids", gateway, f.get(list, "x-fapi-interaction-id: 0f3a7c52-6a1e-4b7d-9c3e-1f2a3b4c5d6e\r\nX-FAPI-Interaction-ID: 0f3a7c52-6a1e-4b7d-9c3e-1f2a3b4c5d6f\r\n"), 400},
		{"an interaction id that is a script", gateway, f.get(list, "x-fapi-interaction-id: <script>alert(1)</script>\r\n"), 400},
		{"an Accept that nobody can meet", gateway, f.get(list, "Accept: text/html;q=1, application/json;q=0\r\n"), 406},

		// What belongs to somebody else.
		{"the token of another recipient with one's own proof", gateway, f.ask("GET", list, f.credentials("GET", list, recipient.Token{AccessToken: f.other.AccessToken, Key: f.token.Key})), 401},
		{"one's own token as Bearer", gateway, f.ask("GET", list, "Authorization: Bearer "+string(f.token.AccessToken)+"\r\n"), 401},
		{"a refresh token as an access token", gateway, f.ask("GET", list, f.credentials("GET", list, recipient.Token{AccessToken: f.token.RefreshToken, Key: f.token.Key})), 401},
		{"the proof of another path", gateway, f.ask("GET", list, f.credentials("GET", account, f.token)), 401},
		{"the page key of another account", gateway, f.get(list + "/" + f.next + "/transactions" + dates + "&pageKey=" + f.pageKey(t, moves+dates)), 400},
		{"the page key of another window", gateway, f.get(moves + "?startDate=" + days(40) + "&endDate=" + days(0) + "&pageKey=" + f.pageKey(t, moves+dates)), 400},
		{"the page key of another operation", gateway, f.get(list + "?limit=1&pageKey=" + f.pageKey(t, moves+dates)), 400},
		{"an altered page key", gateway, f.get(moves + dates + "&pageKey=" + altered(f.pageKey(t, moves+dates))), 400},

		// The authorization server.
		{"no form", protocol, f.post("/token", ""), 401},
		{"a parameter twice", protocol, f.post("/token", f.signed(t, app, "&grant_type=refresh_token&grant_type=authorization_code")), 400},
		{"parameters in the query", protocol, f.post("/token?grant_type=refresh_token", f.signed(t, app, "")), 400},
		{"an empty query", protocol, f.post("/token?", f.signed(t, app, "&grant_type=refresh_token")), 400},
		{"JSON", protocol, strings.Replace(f.post("/par", `{"a":1}`), "application/x-www-form-urlencoded", "application/json", 1), 400},
		{"two content types", protocol, f.post("/par", "a=b", "Content-Type: text/plain\r\n"), 400},
		{"compressed", protocol, f.post("/par", "a=b", "Content-Encoding: gzip\r\n"), 400},
		{"a form of 1 MiB", protocol, f.post("/par", "state="+long), 400},
		{"a form of 1 MiB in chunks", protocol, strings.Replace(f.post("/par", ""), "Content-Length: 0\r\n\r\n", chunked(fmt.Sprintf("%x\r\nstate=%s\r\n0\r\n\r\n", mebibyte+6, long)), 1), 400},
		{"NUL in a form", protocol, f.post("/par", f.signed(t, app, "&response_type=code&state=%00")), 400},
		{"not UTF-8 in a form", protocol, f.post("/par", f.signed(t, app, "&state=%ff")), 400},
		{"NUL in a token to revoke", protocol, f.post("/revoke", f.signed(t, app, "&token=hgrt_%00")), 400},
		{"somebody else's token to revoke", protocol, f.post("/revoke", f.signed(t, app, "&token="+string(f.other.AccessToken))), 200},
		{"somebody else's refresh token", protocol, f.post("/token", f.signed(t, app, "&grant_type=refresh_token&refresh_token="+string(f.other.RefreshToken))), 400},
		{"an access token as a refresh token", protocol, f.post("/token", f.signed(t, app, "&grant_type=refresh_token&refresh_token="+string(f.token.AccessToken))), 400},
		{"a grant type of no specification", protocol, f.post("/token", f.signed(t, app, "&grant_type=urn:evil")), 400},
		{"a client secret", protocol, f.post("/token", "grant_type=refresh_token&client_id=alpha&client_secret=x"), 401},
		{"Basic credentials", protocol, f.post("/token", "grant_type=refresh_token", "Authorization: Basic YWxwaGE6eA==\r\n"), 401},
		{"an encoded endpoint", protocol, f.post("/%74oken", "a=b"), 404},
		{"GET of the token endpoint", protocol, strings.Replace(f.page("GET", "/token"), strings.TrimPrefix(f.d.pages, "https://"), strings.TrimPrefix(f.d.issuer, "https://"), 1), 405},

		// The pages.
		{"no pushed request", pages, f.page("GET", "/authorize"), 400},
		{"a client id that is a script", pages, f.page("GET", "/authorize?client_id=%3Cscript%3E&request_uri=x"), 400},
		{"NUL in a client id", pages, f.page("GET", "/authorize?client_id=%00&request_uri=%00"), 400},
		{"two client ids", pages, f.page("GET", "/authorize?client_id=alpha&client_id=beta&request_uri=x"), 400},
		{"a request that was not pushed", pages, f.page("GET", "/authorize?client_id=alpha&response_type=code&redirect_uri=https://evil.example"), 400},
		{"an authorization of no browser", pages, f.page("GET", "/authorize/0f3a7c52-6a1e-4b7d-9c3e-1f2a3b4c5d6e"), 400},
		{"an authorization with NUL", pages, f.page("GET", "/authorize/%00"), 400},
		{"a journey of no browser", pages, f.page("GET", "/consent/0f3a7c52-6a1e-4b7d-9c3e-1f2a3b4c5d6e/review"), 404},
		{"a journey with NUL", pages, f.page("GET", "/consent/%00/review", "Cookie: __Host-headgate=%00\r\n"), 404},
		{"a cookie of 10,000 bytes", pages, f.page("GET", "/portal", "Cookie: __Host-headgate="+long[:10_000]+"\r\n"), 303},
		{"a cookie twice", pages, f.page("GET", "/portal", "Cookie: __Host-headgate=a; __Host-headgate=b\r\n"), 303},
		{"a form of another site", pages, f.page("POST", "/portal/login", "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n") + "a=b", 403},
		{"a stop by nobody", pages, f.page("POST", "/portal/grants/"+f.token.GrantID+"/stop", "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n") + "a=b", 303},
		{"a sign-in of 1 MiB", pages, f.page("POST", "/portal/login", "Content-Type: application/x-www-form-urlencoded\r\n", fmt.Sprintf("Content-Length: %d\r\n", mebibyte+2)) + "a=" + long, 413},
		{"a sign-in with NUL", pages, f.page("POST", "/portal/login", "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 27\r\n") + "username=%00&password=aaaaa", 400},
		{"a host of the foe's", pages, strings.Replace(f.page("GET", "/portal"), "Host: ", "Host: evil.example\r\nX-Host: ", 1), 303},
		// A redirect with 307 would send the password again (FAPI 2.0 section
		// 5.3.2.2).
		{"a sign-in at an untidy address", pages, f.page("POST", "/portal//login", "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 21\r\n") + "username=a&password=b", 404},
		{"static files above their folder, encoded", pages, f.page("GET", "/static/%2e%2e%2fgo.mod"), 404},
	}
}

// encoded writes every byte of s as an escape.
func encoded(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// pageKey reads a first page and returns the key of the next.
func (f *foe) pageKey(t *testing.T, target string) string {
	t.Helper()
	answers := f.send(t, gateway, f.get(target))
	var body struct{ Page struct{ NextPageKey string } }
	must(t, json.Unmarshal(answers[0].Body, &body))
	if body.Page.NextPageKey == "" {
		t.Fatalf("there is no second page: %d %s", answers[0].Status, answers[0].Body)
	}
	return url.QueryEscape(body.Page.NextPageKey)
}

// send writes bytes to a listener and returns the answers until it hangs up.
func (f *foe) send(t *testing.T, to listener, text string) []*recipient.Response {
	t.Helper()
	config := f.d.roots.Clone()
	config.NextProtos = []string{"http/1.1"}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	d := tls.Dialer{Config: config}
	conn, err := d.DialContext(ctx, "tcp", []string{f.d.data[0], f.d.protocol[0], f.d.browsers[0]}[to])
	must(t, err)
	defer conn.Close() //nolint:errcheck // read to its end
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, text) // a server that has seen enough hangs up
	}()
	var all []*recipient.Response
	in := bufio.NewReader(conn)
	method, _, _ := strings.Cut(text, " ")
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			break
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		answer, err := receive(resp, nil)
		if answer == nil || err != nil && len(answer.Body) == 0 {
			break
		}
		all = append(all, answer)
		// A connection that is kept must not bring a second answer.
		must(t, conn.SetDeadline(time.Now().Add(time.Second)))
	}
	<-written
	return all
}

// telling is what no answer may hold.
var telling = regexp.MustCompile(`(?i)goroutine|\.go:\d|pgx|postgres|sqlstate|select |insert |redis|panic|/tmp/|/root/|hg(at|rt|ac)_`)

// plainStatuses are the answers that net/http gives by itself, before any
// handler, to what is not a request: a bare text.
var plainStatuses = []int{400, 414, 417, 431, 501, 505}

// documented says what is wrong with an answer, "" when it has the form that
// docs/errors.md gives it.
func documented(to listener, r *recipient.Response) string {
	if r.Status >= 500 && r.Status != http.StatusServiceUnavailable && r.Status != 501 && r.Status != 505 {
		return "a server error"
	}
	if r.Status >= 400 && telling.Match(r.Body) {
		return "it tells of what is inside: " + string(r.Body)
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if r.Status < 400 || to == pages && kind == "text/html" {
		return ""
	}
	if r.Header.Get("X-Headgate-Request-Id") == "" && (kind == "text/plain" || len(r.Body) == 0) && slices.Contains(plainStatuses, r.Status) {
		return ""
	}
	if to == pages && kind == "text/plain" && r.Status == http.StatusNotFound {
		return "" // a file of /static/, which nobody looks at
	}
	if r.Status >= 500 {
		return "a server error of ours"
	}
	var body struct {
		Code, Message string
		Error         string `json:"error"`
		Description   string `json:"error_description"`
	}
	if kind != "application/json" || len(r.Body) > 0 && json.Unmarshal(r.Body, &body) != nil {
		return "neither JSON nor a page: " + kind
	}
	switch {
	case len(r.Body) == 0: // HEAD
		return ""
	case to == gateway && !slices.ContainsFunc(fdx.Errors(), func(e *fdx.Error) bool {
		return e.Code == body.Code && e.Status == r.Status && e.Message == body.Message
	}):
		return "not a row of the FDX table"
	case to == protocol && (body.Error == "" || body.Description == ""):
		return "not an OAuth error"
	}
	return ""
}

// state is everything that is stored, a line of a digest for each table. What
// an attack may leave behind is not part of it: refused reads, spent proofs
// and assertions, and sessions of strangers.
func (d *deployment) state(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range tables(t, d.sql) {
		where := ""
		switch table {
		case "public.access_record":
			where = "WHERE outcome <> 'refused'"
		case "public.proof_seen", "public.web_session", "public.operation_call": // what was used up, used and counted
			continue
		}
		var digest string
		must(t, d.sql.QueryRowContext(t.Context(),
			"SELECT count(*) || ' rows, ' || md5(coalesce(string_agg(r::text, '' ORDER BY r::text), '')) FROM "+table+" r "+where).Scan(&digest))
		all[table] = digest
	}
	return all
}

func TestHostileInputIsAnsweredAndChangesNothing(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	alpha, beta := d.client(t, "alpha"), d.client(t, "beta")
	f := &foe{d: d, token: d.granted(t, alpha, "saver"), other: d.granted(t, beta, "everyday")}
	accounts := d.grant(t, f.token.GrantID).Accounts()
	f.mine, f.next = accounts[0], string(accounts[1])
	attacks := f.attacks(t, alpha)

	before := d.state(t)
	delete(before, "public.access_record")
	given := d.count(t, "SELECT count(*) FROM access_record WHERE outcome <> 'refused'")
	reads := 0
	for _, a := range attacks {
		answers := f.send(t, a.to, a.text)
		if len(answers) != 1 {
			t.Errorf("%s: %d answers", a.name, len(answers))
			continue
		}
		r := answers[0]
		if r.Status != a.want {
			t.Errorf("%s: status %d, want %d; %.200s", a.name, r.Status, a.want, r.Body)
		}
		if wrong := documented(a.to, r); wrong != "" {
			t.Errorf("%s: status %d is %s", a.name, r.Status, wrong)
		}
		if strings.Contains(fmt.Sprint(r.Header)+string(r.Body), "evil.example") {
			t.Errorf("%s: the answer repeats what the request said", a.name)
		}
		if a.to == gateway && r.Status == http.StatusOK && r.Header.Get("X-Headgate-Request-Id") != "" {
			reads++
		}
	}
	after := d.state(t)
	delete(after, "public.access_record")
	for table, digest := range before {
		if after[table] != digest {
			t.Errorf("%s has changed: %s, then %s", table, digest, after[table])
		}
	}
	if n := d.count(t, "SELECT count(*) FROM access_record WHERE outcome <> 'refused'") - given; n != reads {
		t.Errorf("%d reads are recorded as given, %d were", n, reads)
	}
	for _, tok := range []recipient.Token{f.token, f.other} {
		if g := d.grant(t, tok.GrantID); g.Status != consent.StatusActive || g.Epoch != 1 {
			t.Errorf("a grant has changed: %s in epoch %d", g.Status, g.Epoch)
		}
	}
	if strings.Contains(d.log.String(), `"panic"`) {
		t.Error("a handler has panicked")
	}
}

// altered returns a key with another first character.
func altered(key string) string {
	if key[0] == 'A' {
		return "B" + key[1:]
	}
	return "A" + key[1:]
}
