package e2e

import (
	"crypto/ecdsa"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
)

// A canary is a value that has to stay where it belongs. The kinds differ in
// where that is.
type kind string

const (
	transient      kind = "a token, code, request_uri, assertion, proof, cookie, verifier or form mark"
	password       kind = "a password of a customer"
	account        kind = "an account number"
	person         kind = "a name of a person"
	movement       kind = "what somebody paid for"
	private        kind = "a private key"
	serverPassword kind = "a password of PostgreSQL or Redis"
)

// allowed is every place where a canary may be. Places are files relative to
// the state folder, tables with their column, and what a command printed.
var allowed = []struct {
	kind  kind
	place string // regular expression, matched whole
	why   string
}{
	{account, `table sandbox\.account\.(number|key)`, "the bank's own data"},
	{person, `table sandbox\.customer\.(name|username)`, "the bank's own data"},
	{movement, `table sandbox\.txn\.(description|detail)`, "the bank's own data"},
	{account + "," + person + "," + movement, `file postgres/data/.*`, "the same tables on disk"},
	{password, `file dev\.json`, "tells developers how to sign in"},
	{password + "," + person, `output of (dev|bank import)`, "tells developers how to sign in"},
	{person, `file dev\.json`, "user names of the personas"},
	{private, `file (keys/(hash-keys|page-keys|nonce-keys|signing-keys|seal-keys|subject-key)\.json|keys/audit-key|recipients/[\w-]+\.jwks\.json|ca/[\w-]+-key\.pem)`, "where they are kept"},
	{serverPassword, `file (dev\.json|keys/postgres-dsn|keys/redis-url|postgres/password)`, "where they are kept"},
}

func mayBe(k kind, place string) bool {
	for _, a := range allowed {
		if slices.Contains(strings.Split(string(a.kind), ","), string(k)) && regexp.MustCompile(`^(?:`+a.place+`)$`).MatchString(place) {
			return true
		}
	}
	return false
}

// canaries are the values of one run.
type canaries map[string]kind

func (c canaries) add(k kind, values ...string) {
	for _, v := range values {
		if len(v) >= prefixLength { // shorter ones are found by chance
			c[v] = k
		}
		if k == transient && len(v) >= 48 {
			c[v[len(v)-32:]] = k // enough of it to be a secret
		}
	}
}

// needle is one way of writing a canary.
type needle struct {
	text, as string
	kind     kind
}

// prefixLength is how much of a needle a haystack is searched for at first.
const prefixLength = 8

// searcher finds any of many needles in one pass.
type searcher map[[prefixLength]byte][]needle

func (c canaries) searcher() searcher {
	s := searcher{}
	for value, k := range c {
		for as, text := range writings(value) {
			if len(text) >= prefixLength {
				p := [prefixLength]byte([]byte(text[:prefixLength]))
				s[p] = append(s[p], needle{text, as, k})
			}
		}
	}
	return s
}

// writings returns the forms in which a value may have been written down.
func writings(v string) map[string]string {
	var percent strings.Builder
	for i := range len(v) {
		fmt.Fprintf(&percent, "%%%02X", v[i])
	}
	all := map[string]string{
		"as it is": v, "URL-encoded throughout": percent.String(),
		"in hexadecimal": hex.EncodeToString([]byte(v)), "in hexadecimal capitals": strings.ToUpper(hex.EncodeToString([]byte(v))),
	}
	if q := url.QueryEscape(v); q != v {
		all["URL-encoded"] = q
	}
	// In the middle of something that is encoded as a whole, a value takes
	// one of three forms; what its neighbours have a part in is left out.
	for before := range 3 {
		for name, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			whole := e.EncodeToString([]byte(strings.Repeat("\x00", before) + v))
			text := whole[(before*8+5)/6:]
			if (before+len(v))%3 != 0 {
				text = text[:len(text)-1]
			}
			all[fmt.Sprintf("in %s, %d", name, before)] = text
		}
	}
	return all
}

// find returns what of the needles is in the haystack where it may not be.
func (s searcher) find(place string, haystack string) []string {
	var found []string
	for i := 0; i+prefixLength <= len(haystack); i++ {
		for _, n := range s[[prefixLength]byte([]byte(haystack[i:i+prefixLength]))] {
			if strings.HasPrefix(haystack[i:], n.text) && !mayBe(n.kind, place) {
				found = append(found, fmt.Sprintf("%s holds %s, %s", place, n.kind, n.as))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestCanariesAreFoundInEveryForm(t *testing.T) {
	t.Parallel()
	const secret = "hgat_k1-canary_0123456789?&"
	s := canaries{secret: transient}.searcher()
	for name, text := range map[string]string{
		"as it is": secret, "in a sentence": "it was " + secret + ".", "hex": hex.EncodeToString([]byte(secret)),
		"HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))), "query": "?a=" + url.QueryEscape(secret) + "&b=1",
		"bytea": `\x00` + hex.EncodeToString([]byte("x"+secret+"y")),
	} {
		if len(s.find("anywhere", text)) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	for before := range 4 {
		for after := range 4 {
			whole := strings.Repeat("b", before) + secret + strings.Repeat("a", after)
			for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
				if len(s.find("anywhere", "x"+e.EncodeToString([]byte(whole)))) == 0 {
					t.Errorf("base64 with %d before and %d after: not found", before, after)
				}
			}
		}
	}
	if found := s.find("anywhere", "hgat_k1-canary_012345678"+"hgat_"); len(found) != 0 {
		t.Errorf("found in a text without it: %v", found)
	}
	if found := (canaries{"31415926535": account}).searcher().find("table sandbox.account.number", "31415926535"); len(found) != 0 {
		t.Errorf("found where it may be: %v", found)
	}
	if found := (canaries{"31415926535": account}).searcher().find("table public.consent_grant.resources", "31415926535"); len(found) != 1 {
		t.Errorf("found nothing where it may not be: %v", found)
	}
}

// hunt is the whole path, noting every secret on its way.
type hunt struct {
	t     *testing.T
	s     *stack
	app   *recipient.Client
	found canaries
}

// ask sends a request and notes what is secret in it and in the answer.
func (h *hunt) ask(r *recipient.Request, err error) *recipient.Response {
	h.t.Helper()
	must(h.t, err)
	for _, name := range []string{"client_assertion", "code", "code_verifier", "refresh_token", "token"} {
		h.found.add(transient, r.Form.Get(name))
	}
	h.found.add(transient, r.Header.Get("DPoP"), strings.TrimPrefix(r.Header.Get("Authorization"), "DPoP "))
	resp, err := h.app.Do(h.t.Context(), r)
	must(h.t, err)
	var body struct {
		RequestURI   string `json:"request_uri"`
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		Page         struct{ NextPageKey string }
	}
	if json.Unmarshal(resp.Body, &body) == nil {
		h.found.add(transient, body.RequestURI, body.AccessToken, body.RefreshToken, body.Page.NextPageKey)
	}
	return resp
}

// press presses a button and notes cookies and marks.
func (h *hunt) press(b *browser.Browser, p *browser.Page, id string) *browser.Page {
	h.t.Helper()
	s, err := p.Submission(id)
	must(h.t, err)
	h.found.add(transient, s.Form.Get("mark"))
	next, err := b.Submit(h.t.Context(), s)
	must(h.t, err)
	h.cookies(b)
	return next
}

func (h *hunt) cookies(b *browser.Browser) {
	for _, c := range b.Cookies() {
		h.found.add(transient, c.Value)
	}
}

// consent goes from a pushed request to a token.
func (h *hunt) consent(username, secret string) (*recipient.Attempt, recipient.Secret, recipient.Token) {
	h.t.Helper()
	ctx := h.t.Context()
	attempt, err := recipient.Ask(wanted())
	must(h.t, err)
	h.found.add(transient, string(attempt.Verifier))
	var p struct {
		RequestURI string `json:"request_uri"`
	}
	must(h.t, h.ask(h.app.PushRequest(attempt)).JSON(&p))
	b := h.s.person(h.t)
	page, err := b.Arrive(ctx, h.app.AuthorizationURL(p.RequestURI))
	must(h.t, err)
	h.cookies(b)
	must(h.t, page.Fill("username", username))
	must(h.t, page.Fill("password", "wrong-"+secret))
	h.found.add(password, "wrong-"+secret, secret)
	page = h.press(b, page, "login_submit")
	must(h.t, page.Fill("username", username))
	must(h.t, page.Fill("password", secret))
	page = h.press(b, page, "login_submit")
	page = h.press(b, page, "accounts_select_all")
	page = h.press(b, page, "accounts_continue")
	page = h.press(b, page, "consent_approve")
	if page.Left == nil {
		h.t.Fatalf("the app was not answered: %s", page)
	}
	code, err := h.app.ReadRedirect(page.Left, attempt)
	must(h.t, err)
	h.found.add(transient, string(code))
	tok := recipient.Token{Key: attempt.Key}
	must(h.t, h.ask(h.app.CodeRequest(attempt, code)).JSON(&tok))
	return attempt, code, tok
}

// reads reads everything that there is to read.
func (h *hunt) reads(tok recipient.Token) {
	h.t.Helper()
	var list struct{ Accounts []struct{ AccountID string } }
	must(h.t, h.ask(h.app.AccountsRequest(tok, url.Values{"resultType": {"details"}})).JSON(&list))
	for _, a := range list.Accounts {
		h.ask(h.app.AccountRequest(tok, a.AccountID))
		h.ask(h.app.TransactionsRequest(tok, a.AccountID, url.Values{"limit": {"1"}}))
	}
}

// errors takes every wrong turn with a secret in the hand.
func (h *hunt) errors(attempt *recipient.Attempt, code recipient.Secret, tok recipient.Token) {
	h.t.Helper()
	want := func(status int, r *recipient.Response) {
		h.t.Helper()
		if r.Status != status {
			h.t.Errorf("status %d, want %d: %s", r.Status, status, r.Body)
		}
	}
	bend := func(r *recipient.Request, err error, f func(*recipient.Request)) (*recipient.Request, error) {
		if err == nil {
			f(r)
		}
		return r, err
	}
	// At the gateway: a token that is cut, one that is unknown, one in the
	// query, a proof that is broken and one that is spent.
	r, err := h.app.AccountsRequest(tok, nil)
	want(http.StatusOK, h.ask(r, err))
	want(http.StatusUnauthorized, h.ask(r, err))
	r, err = h.app.AccountsRequest(tok, nil)
	want(http.StatusUnauthorized, h.ask(bend(r, err, func(r *recipient.Request) { r.Header.Set("Authorization", "DPoP "+string(tok.AccessToken[:40])) })))
	r, err = h.app.AccountsRequest(tok, nil)
	want(http.StatusUnauthorized, h.ask(bend(r, err, func(r *recipient.Request) { r.Header.Set("Authorization", "Basic "+string(tok.AccessToken)) })))
	r, err = h.app.AccountsRequest(tok, nil)
	want(http.StatusUnauthorized, h.ask(bend(r, err, func(r *recipient.Request) { r.Header.Set("DPoP", r.Header.Get("DPoP")[:60]) })))
	want(http.StatusBadRequest, h.ask(h.app.DataRequest(tok, "/accounts", url.Values{"access_token": {string(tok.AccessToken)}})))
	want(http.StatusNotFound, h.ask(h.app.DataRequest(tok, "/"+string(tok.AccessToken), nil)))
	want(http.StatusNotFound, h.ask(h.app.AccountRequest(tok, string(tok.AccessToken))))
	want(http.StatusBadRequest, h.ask(h.app.AccountsRequest(tok, url.Values{"pageKey": {string(tok.AccessToken)}})))

	// At the authorization server: assertions that are spent, cut, or in the
	// wrong place; a proof that is cut; codes and tokens where they are not
	// expected.
	r, err = h.app.PushRequest(attempt)
	want(http.StatusCreated, h.ask(r, err))
	want(http.StatusUnauthorized, h.ask(r, err))
	for _, name := range []string{"client_assertion", "client_id", "client_assertion_type"} {
		r, err = h.app.PushRequest(attempt)
		want(http.StatusUnauthorized, h.ask(bend(r, err, func(r *recipient.Request) { r.Form.Set(name, r.Form.Get("client_assertion")[:200]) })))
	}
	for name, code := range map[string]string{
		"redirect_uri": string(code), "authorization_details": string(tok.AccessToken), "scope": string(tok.RefreshToken),
		"response_type": string(code), "request": string(tok.AccessToken), "request_uri": string(tok.AccessToken),
	} {
		r, err = h.app.PushRequest(attempt)
		want(http.StatusBadRequest, h.ask(bend(r, err, func(r *recipient.Request) { r.Form.Set(name, code) })))
	}
	r, err = h.app.PushRequest(attempt)
	want(http.StatusBadRequest, h.ask(bend(r, err, func(r *recipient.Request) { r.Header.Set("DPoP", r.Header.Get("DPoP")[:60]) })))
	r, err = h.app.RefreshRequest(tok.RefreshToken, tok.Key)
	want(http.StatusBadRequest, h.ask(bend(r, err, func(r *recipient.Request) { r.URL += "?refresh_token=" + string(tok.RefreshToken) })))
	want(http.StatusBadRequest, h.ask(h.app.RefreshRequest(tok.AccessToken, tok.Key)))
	want(http.StatusBadRequest, h.ask(h.app.RefreshRequest(tok.RefreshToken[:40], tok.Key)))
	r, err = h.app.RefreshRequest(tok.RefreshToken, tok.Key)
	want(http.StatusBadRequest, h.ask(bend(r, err, func(r *recipient.Request) { r.Form.Set("grant_type", string(tok.RefreshToken)) })))
	want(http.StatusBadRequest, h.ask(h.app.RevokeRequest(code)))

	// At the pages: somebody who does not exist, and addresses with secrets.
	b := h.s.person(h.t)
	page, err := b.Open(h.t.Context(), h.s.PortalURL)
	must(h.t, err)
	h.found.add(person, "zebulon.nobody")
	must(h.t, page.Fill("username", "zebulon.nobody"))
	must(h.t, page.Fill("password", "nobodys-password-canary"))
	h.found.add(password, "nobodys-password-canary")
	h.press(b, page, "login_submit")
	for _, path := range []string{"/authorize?client_id=budgetbee&request_uri=" + string(code), "/authorize/" + string(code), "/consent/" + string(code) + "/review", "/" + string(code)} {
		_, err := b.Open(h.t.Context(), strings.TrimSuffix(h.s.PortalURL, "/portal")+path)
		must(h.t, err)
	}
}

// broken takes the path while tables refuse to be written to or are not
// there, which is what no request can cause.
func (h *hunt) broken(db *sql.DB, attempt *recipient.Attempt, tok recipient.Token, username, secret string) {
	h.t.Helper()
	ctx := h.t.Context()
	exec := func(format string, args ...any) {
		h.t.Helper()
		_, err := db.ExecContext(ctx, fmt.Sprintf(format, args...))
		must(h.t, err)
	}
	during := func(table string, f func()) {
		h.t.Helper()
		exec("ALTER TABLE %s ADD CONSTRAINT broken CHECK (false) NOT VALID", table)
		f()
		exec("ALTER TABLE %s DROP CONSTRAINT broken", table)
	}
	failing := func(r *recipient.Response) {
		h.t.Helper()
		if r.Status < 500 {
			h.t.Errorf("a broken store was answered with %d", r.Status)
		}
		if telling.Match(r.Body) {
			h.t.Errorf("the answer tells of what is inside: %s", r.Body)
		}
	}
	during("access_record", func() { failing(h.ask(h.app.AccountsRequest(tok, nil))) })
	during("proof_seen", func() {
		failing(h.ask(h.app.AccountsRequest(tok, nil)))
		failing(h.ask(h.app.RefreshRequest(tok.RefreshToken, tok.Key)))
	})
	during("pushed_request", func() { failing(h.ask(h.app.PushRequest(attempt))) })
	during("oauth_access", func() { failing(h.ask(h.app.RefreshRequest(tok.RefreshToken, tok.Key))) })

	// A consent, with each of its tables out of order in its turn.
	var p struct {
		RequestURI string `json:"request_uri"`
	}
	must(h.t, h.ask(h.app.PushRequest(attempt)).JSON(&p))
	b := h.s.person(h.t)
	arrive := func() *browser.Page {
		h.t.Helper()
		page, err := b.Arrive(ctx, h.app.AuthorizationURL(p.RequestURI))
		must(h.t, err)
		h.cookies(b)
		return page
	}
	problem := func(page *browser.Page) {
		h.t.Helper()
		if page.Status < 500 || telling.MatchString(page.Text()) {
			h.t.Errorf("a broken store was answered with %s: %s", page, page.Text())
		}
	}
	during("web_session", func() { problem(arrive()) })
	during("authorization_progress", func() { problem(arrive()) })
	page := arrive()
	must(h.t, page.Fill("username", username))
	must(h.t, page.Fill("password", secret))
	during("web_session", func() { problem(h.press(b, page, "login_submit")) })
	page = arrive()
	must(h.t, page.Fill("username", username))
	must(h.t, page.Fill("password", secret))
	page = h.press(b, page, "login_submit")
	page = h.press(b, page, "accounts_select_all")
	page = h.press(b, page, "accounts_continue")
	during("oauth_code", func() { problem(h.press(b, page, "consent_approve")) })
	during("consent_grant", func() { problem(arrive()) })

	// The bank out of order.
	exec("ALTER TABLE sandbox.account RENAME TO gone")
	failing(h.ask(h.app.AccountsRequest(tok, nil)))
	exec("ALTER TABLE sandbox.gone RENAME TO account")
}

func TestNoSecretIsWrittenDown(t *testing.T) {
	t.Parallel()
	const (
		number   = "9900177344556601"
		payee    = "QUIXOTE WINDMILLS"
		customer = "zebulon.quixote"
	)
	s := startStack(t, newHome(t), nil)
	h := &hunt{t: t, s: s, app: s.client(t, 0), found: canaries{}}
	file := filepath.Join(t.TempDir(), "statement.ofx")
	must(t, os.WriteFile(file, []byte(statement(number, payee)), 0o600))
	outputs := map[string]string{"bank import": succeed(t, "bank", "import", "ofx", file, "--customer", customer, "--home", s.home)}
	h.found.add(account, number)
	h.found.add(movement, payee)
	h.found.add(person, customer, "Emma Everett")
	h.found.keys(t, s)

	// The whole path: consent, reads, renewal, every error, stop.
	attempt, code, tok := h.consent(customer, customer+"-pass")
	h.reads(tok)
	renewed := recipient.Token{Key: tok.Key}
	must(t, h.ask(h.app.RefreshRequest(tok.RefreshToken, tok.Key)).JSON(&renewed))
	h.reads(renewed)
	h.errors(attempt, code, tok)
	db, err := sql.Open("pgx", s.PostgresDSN)
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	h.broken(db, attempt, tok, customer, customer+"-pass")
	h.consent(s.Personas[0].Username, s.Personas[0].Password)
	outputs["revoke"] = succeed(t, "revoke", tok.GrantID, "--home", s.home)
	h.ask(h.app.AccountsRequest(tok, nil))
	b := s.person(t)
	_, err = browser.Stop(t.Context(), b, s.PortalURL, s.Personas[0].Username, s.Personas[0].Password, "BudgetBee")
	must(t, err)
	h.cookies(b)
	h.ask(h.app.CodeRequest(attempt, code))

	if n := len(h.found); n < 80 {
		t.Errorf("only %d canaries: the path was not taken", n)
	}
	search := h.found.searcher()
	look := func(place, text string) {
		for _, f := range search.find(place, text) {
			t.Error(f)
		}
	}
	for column, text := range dump(t, db) {
		look("table "+column, text)
	}
	cached := dialRedis(t, s.RedisURL).dump(t)
	if len(cached) < 3 { // a token, a proof and the generation
		t.Errorf("Redis holds only %d keys", len(cached))
	}
	for key, value := range cached {
		look("redis key", key)
		look("redis value", value)
	}
	for _, p := range append(family(t, s.cmd.Process.Pid), processes(t)[s.cmd.Process.Pid]) {
		look("command line of a process", p.command)
		if environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.pid)); err == nil {
			look("environment of a process", string(environ))
		}
	}
	if code := s.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	outputs["dev"] = s.stdout.String() + s.stderr.String()
	for name, text := range outputs {
		look("output of "+name, text)
		secretForms(t, "the output of "+name, text)
	}
	logs := 0
	for prefix, folder := range map[string]string{"": s.home, "postgres/": s.postgres} {
		must(t, filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			must(t, err)
			place, err := filepath.Rel(folder, path)
			must(t, err)
			place = prefix + place
			look("file "+place, string(text))
			if strings.HasSuffix(place, ".log") {
				logs++
				secretForms(t, place, string(text))
			}
			return nil
		}))
	}
	if logs < 4 {
		t.Errorf("only %d logs were searched", logs)
	}
}

// secretForm is how our tokens and everybody's JWTs look.
var secretForm = regexp.MustCompile(`hg(?:at|rt|ac)_\w+|request_uri:hg_\w+|eyJ[\w-]{8,}\.[\w-]+|BEGIN [A-Z ]*PRIVATE KEY`)

// secretForms finds secrets by their form, where their values are not known.
func secretForms(t *testing.T, where, text string) {
	t.Helper()
	if found := secretForm.FindString(text); found != "" {
		t.Errorf("%s holds a secret that begins with %.12s", where, found)
	}
}

// keys notes the secrets that a stack is started with.
func (c canaries) keys(t *testing.T, s *stack) {
	t.Helper()
	for _, address := range []string{s.PostgresDSN, s.RedisURL} {
		u, err := url.Parse(address)
		must(t, err)
		secret, _ := u.User.Password()
		c.add(serverPassword, secret)
	}
	for _, p := range s.Personas {
		c.add(password, p.Password)
	}
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		must(t, err)
		return text
	}
	sets := []string{filepath.Join(s.home, "keys", "signing-keys.json")}
	for _, r := range s.Recipients {
		if r.PrivateJWKSFile != "" {
			sets = append(sets, r.PrivateJWKSFile)
		}
		c.pem(t, read(r.KeyFile))
	}
	for _, name := range []string{"ca", "server"} {
		c.pem(t, read(filepath.Join(s.home, "ca", name+"-key.pem")))
	}
	for _, path := range sets {
		var all struct{ Keys []map[string]any }
		must(t, json.Unmarshal(read(path), &all))
		if len(all.Keys) == 0 {
			t.Fatalf("%s holds no keys", path)
		}
		for _, key := range all.Keys {
			for _, member := range []string{"d", "p", "q", "dp", "dq", "qi"} {
				if v, ok := key[member].(string); ok {
					raw, err := base64.RawURLEncoding.DecodeString(v)
					must(t, err)
					c.add(private, v, string(raw))
				}
			}
		}
	}
	var hash struct{ Keys []struct{ Secret []byte } }
	must(t, json.Unmarshal(read(filepath.Join(s.home, "keys", "hash-keys.json")), &hash))
	c.add(private, string(hash.Keys[0].Secret))
	var pageKeys [][]byte
	must(t, json.Unmarshal(read(filepath.Join(s.home, "keys", "page-keys.json")), &pageKeys))
	c.add(private, string(pageKeys[0]))
	subject, err := certs.LoadSecret(filepath.Join(s.home, "keys", "subject-key.json"))
	must(t, err)
	c.add(private, string(subject))
}

// pem notes a private key (PKCS #8, P-256).
func (c canaries) pem(t *testing.T, text []byte) {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	secret, err := key.(*ecdsa.PrivateKey).Bytes()
	must(t, err)
	c.add(private, string(secret))
	// In PEM the number is on two lines.
	first := strings.Split(string(text), "\n")[1]
	c.add(private, first[len(first)-16:])
}

// dump returns the text of every column of every table.
func dump(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range tables(t, db) {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table+" LIMIT 0")
		must(t, err)
		columns, err := rows.Columns()
		must(t, err)
		must(t, rows.Close())
		for _, column := range columns {
			var text string
			must(t, db.QueryRowContext(t.Context(),
				fmt.Sprintf(`SELECT coalesce(string_agg("%s"::text, E'\n'), '') FROM %s`, column, table)).Scan(&text))
			all[table+"."+column] = text
		}
	}
	if len(all) < 100 {
		t.Errorf("only %d columns", len(all))
	}
	return all
}
