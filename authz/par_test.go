package authz_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

func with(name, value string) func(url.Values) {
	return func(f url.Values) { f.Set(name, value) }
}

func without(names ...string) func(url.Values) {
	return func(f url.Values) {
		for _, n := range names {
			f.Del(n)
		}
	}
}

func TestPushedRequestsThatAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for name, bend := range map[string]func(url.Values){
		"plain":                 func(url.Values) {},
		"no state":              without("state"),
		"an empty state":        with("state", ""),
		"a state of one letter": with("state", "s"),
		"a state of 128":        with("state", strings.Repeat("s", 128)),
		"a state of 1,000":      with("state", strings.Repeat("s", 1000)),
		"a state of 2,000":      with("state", strings.Repeat("s", 2000)),
		"a nonce of one letter": with("nonce", "n"),
		"a nonce of 64":         with("nonce", strings.Repeat("n", 64)),
		"a nonce of 500":        with("nonce", strings.Repeat("n", 500)),
		"unknown parameters": func(f url.Values) {
			f.Set("x", "y")
			f.Set("audience", "z")
			f.Set("display", "page")
			f.Set("id_token_hint", "x")
		},
		"a registration in the request":    with("registration", "{}"),
		"scopes in any order":              with("scope", "fdx:transactions:read offline_access fdx:accountbasic:read"),
		"a scope by its former name":       with("scope", "fdx:accountpayments:read"),
		"response mode query":              with("response_mode", "query"),
		"the bound key by thumbprint":      with("dpop_jkt", thumbprint(t, keys().ec.Public())),
		"a redirect with a query":          with("redirect_uri", callback+"?dummy1=lorem&dummy2=ipsum"),
		"a loopback redirect":              with("redirect_uri", "http://127.0.0.1:9/cb"),
		"a loopback redirect in version 6": with("redirect_uri", "http://[::1]:9/cb"),
		"languages and a login hint":       func(f url.Values) { f.Set("ui_locales", "sv en"); f.Set("login_hint", "somebody") },
		"a login hint of 256":              with("login_hint", strings.Repeat("l", 256)),
		"prompt consent for offline_access": func(f url.Values) {
			f.Set("prompt", "consent")
			f.Set("scope", basicScope+" offline_access")
		},
		"prompt none":                   with("prompt", "none"),
		"prompts":                       with("prompt", "login consent select_account"),
		"no prompt":                     with("prompt", ""),
		"max_age 0":                     with("max_age", "0"),
		"max_age of 10 digits":          with("max_age", "9999999999"),
		"acr_values":                    with("acr_values", "x urn:headgate:acr:password"),
		"claims":                        with("claims", `{"id_token":{"acr":null,"auth_time":{"essential":true}},"userinfo":{"name":null}}`),
		"an acr that can be met":        with("claims", `{"id_token":{"acr":{"essential":true,"values":["x","urn:headgate:acr:password"]}}}`),
		"an acr that may be missed":     with("claims", `{"id_token":{"acr":{"value":"x"}}}`),
		"an essential acr without name": with("claims", `{"id_token":{"acr":{"essential":true}}}`),
	} {
		a := c.push(bend)
		life, _ := a.body["expires_in"].(float64)
		if a.status != http.StatusCreated || !only(a.body, "request_uri", "expires_in") || life != 120 || life != math.Trunc(life) {
			t.Errorf("%s: %s", name, a)
		}
		uri, isOurs := strings.CutPrefix(a.text("request_uri"), "urn:ietf:params:oauth:request_uri:")
		if !isOurs || len(uri) < 43 {
			t.Errorf("%s: request_uri %s", name, a.text("request_uri"))
		}
	}
}

func TestPushedRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	n := w.client("narrow")
	for name, tt := range map[string]struct {
		client client
		bend   func(url.Values)
		want   string
	}{
		"request_uri":                          {c, with("request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request"},
		"an empty request_uri":                 {c, with("request_uri", ""), "invalid_request"},
		"a request object that is none":        {c, with("request", "eyJ.e.e"), "invalid_request_object"},
		"an empty request object":              {c, with("request", ""), "invalid_request_object"},
		"request_uri beside an object":         {c, func(f url.Values) { f.Set("request", c.object(nil)); f.Set("request_uri", "x") }, "invalid_request"},
		"no PKCE":                              {c, without("code_challenge", "code_challenge_method"), "invalid_request"},
		"no challenge":                         {c, without("code_challenge"), "invalid_request"},
		"no challenge method":                  {c, without("code_challenge_method"), "invalid_request"},
		"plain PKCE":                           {c, with("code_challenge_method", "plain"), "invalid_request"},
		"s256":                                 {c, with("code_challenge_method", "s256"), "invalid_request"},
		"a short challenge":                    {c, with("code_challenge", strings.Repeat("a", 42)), "invalid_request"},
		"a long challenge":                     {c, with("code_challenge", strings.Repeat("a", 44)), "invalid_request"},
		"a challenge with a line break":        {c, with("code_challenge", strings.Repeat("a", 43)+"\n"), "invalid_request"},
		"a challenge in plain base64":          {c, with("code_challenge", strings.Repeat("+", 43)), "invalid_request"},
		"no redirect_uri":                      {c, without("redirect_uri"), "invalid_request"},
		"an empty redirect_uri":                {c, with("redirect_uri", ""), "invalid_request"},
		"an unregistered redirect_uri":         {c, with("redirect_uri", "https://evil.example/cb"), "invalid_request"},
		"a redirect_uri below a registered":    {c, with("redirect_uri", callback+"/x"), "invalid_request"},
		"a redirect_uri with more query":       {c, with("redirect_uri", callback+"?x=1"), "invalid_request"},
		"a redirect_uri with a fragment":       {c, with("redirect_uri", callback+"#x"), "invalid_request"},
		"a redirect_uri in capitals":           {c, with("redirect_uri", "https://APP.example/cb"), "invalid_request"},
		"a loopback redirect to another port":  {c, with("redirect_uri", "http://127.0.0.1:10/cb"), "invalid_request"},
		"no response type":                     {c, without("response_type"), "invalid_request"},
		"an empty response type":               {c, with("response_type", ""), "invalid_request"},
		"response type code id_token":          {c, with("response_type", "code id_token"), "unsupported_response_type"},
		"response type token":                  {c, with("response_type", "token"), "unsupported_response_type"},
		"response type code with a space":      {c, with("response_type", "code "), "unsupported_response_type"},
		"response mode fragment":               {c, with("response_mode", "fragment"), "invalid_request"},
		"response mode form_post":              {c, with("response_mode", "form_post"), "invalid_request"},
		"response mode jwt":                    {c, with("response_mode", "jwt"), "invalid_request"},
		"an empty response mode":               {c, with("response_mode", ""), "invalid_request"},
		"a state of 2,001":                     {c, with("state", strings.Repeat("s", 2001)), "invalid_request"},
		"a nonce of 501":                       {c, with("nonce", strings.Repeat("n", 501)), "invalid_request"},
		"a login hint of 257":                  {c, with("login_hint", strings.Repeat("l", 257)), "invalid_request"},
		"acr_values of 2,001":                  {c, with("acr_values", strings.Repeat("e", 2001)), "invalid_request"},
		"prompt none and login":                {c, with("prompt", "none login"), "invalid_request"},
		"prompt unknown":                       {c, with("prompt", "create"), "invalid_request"},
		"prompt known and unknown":             {c, with("prompt", "login x"), "invalid_request"},
		"prompt in capitals":                   {c, with("prompt", "LOGIN"), "invalid_request"},
		"max_age negative":                     {c, with("max_age", "-1"), "invalid_request"},
		"max_age of 11 digits":                 {c, with("max_age", strings.Repeat("1", 11)), "invalid_request"},
		"max_age with a fraction":              {c, with("max_age", "1.5"), "invalid_request"},
		"max_age with a line break":            {c, with("max_age", "1\n"), "invalid_request"},
		"max_age text":                         {c, with("max_age", "x"), "invalid_request"},
		"claims no JSON":                       {c, with("claims", "{"), "invalid_request"},
		"claims an array":                      {c, with("claims", "[]"), "invalid_request"},
		"claims of over 8 KiB":                 {c, with("claims", `{"x":"`+strings.Repeat("x", 8<<10)+`"}`), "invalid_request"},
		"an acr that nobody can meet":          {c, with("claims", `{"id_token":{"acr":{"essential":true,"value":"x"}}}`), "unmet_authentication_requirements"},
		"languages of 2,001":                   {c, with("ui_locales", strings.Repeat("e", 2001)), "invalid_request"},
		"a short dpop_jkt":                     {c, with("dpop_jkt", strings.Repeat("a", 42)), "invalid_request"},
		"an empty dpop_jkt":                    {c, with("dpop_jkt", ""), "invalid_request"},
		"no scope at all":                      {c, without("scope"), "invalid_scope"},
		"an empty scope":                       {c, with("scope", ""), "invalid_scope"},
		"offline_access alone":                 {c, with("scope", "offline_access"), "invalid_scope"},
		"an unknown scope":                     {c, with("scope", "fdx:everything:read"), "invalid_scope"},
		"a scope in capitals":                  {c, with("scope", strings.ToUpper(basicScope)), "invalid_scope"},
		"a scope twice":                        {c, with("scope", basicScope+" "+basicScope), "invalid_scope"},
		"a scope under two names":              {c, with("scope", "fdx:paymentsupport:read fdx:accountpayments:read"), "invalid_scope"},
		"a scope that no route serves":         {c, with("scope", "fdx:tax:read"), "invalid_scope"},
		"openid":                               {c, with("scope", "openid "+basicScope), "invalid_scope"},
		"a scope beyond the registration":      {n, with("scope", "fdx:balances:read"), "invalid_scope"},
		"no purpose where there are several":   {n, func(url.Values) {}, "invalid_authorization_details"},
		"a scope of 60 KiB":                    {c, with("scope", strings.Repeat(basicScope+" ", 2600)), "invalid_request"},
		"a scope of many unknown words":        {c, with("scope", strings.Repeat("a ", 900)), "invalid_scope"},
		"a redirect_uri of another client too": {c, with("redirect_uri", "https://other.example/cb"), "invalid_request"},
	} {
		if a := tt.client.push(tt.bend); !a.is(http.StatusBadRequest, tt.want) || !only(a.body, "error", "error_description") {
			t.Errorf("%s: %s, want 400 %s", name, a, tt.want)
		}
	}
}

// form sends a good request of "app" in a bent envelope.
func envelope(w *world, path string, bend func(*http.Request, []byte)) answer {
	c := w.client("app")
	body := []byte(c.signed(c.request()).Encode())
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	bend(r, body)
	return w.do(w.protocol, r)
}

func setBody(r *http.Request, body []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}

func TestTheEnvelopeOfARequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, bend := range map[string]func(*http.Request, []byte){
		"everything in the query": func(r *http.Request, b []byte) { r.URL.RawQuery = string(b); setBody(r, nil) },
		"a stray query":           func(r *http.Request, _ []byte) { r.URL.RawQuery = "x=y" },
		"an empty query":          func(r *http.Request, _ []byte) { r.URL.ForceQuery = true },
		"no body":                 func(r *http.Request, _ []byte) { r.Header.Del("Content-Type"); setBody(r, nil) },
		"no content type":         func(r *http.Request, _ []byte) { r.Header.Del("Content-Type") },
		"JSON":                    func(r *http.Request, _ []byte) { r.Header.Set("Content-Type", "application/json") },
		"multipart":               func(r *http.Request, _ []byte) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") },
		"text":                    func(r *http.Request, _ []byte) { r.Header.Set("Content-Type", "text/plain") },
		"two content types":       func(r *http.Request, _ []byte) { r.Header.Add("Content-Type", "application/x-www-form-urlencoded") },
		"another character set": func(r *http.Request, _ []byte) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-16")
		},
		"marked as gzip":            func(r *http.Request, _ []byte) { r.Header.Set("Content-Encoding", "gzip") },
		"a parameter twice":         func(r *http.Request, b []byte) { setBody(r, append(b, "&scope=fdx%3Abalances%3Aread"...)) },
		"the same parameter twice":  func(r *http.Request, b []byte) { setBody(r, append(b, "&response_type=code"...)) },
		"the assertion twice":       func(r *http.Request, b []byte) { setBody(r, append(b, "&client_assertion=x"...)) },
		"a request object twice":    func(r *http.Request, b []byte) { setBody(r, append(b, "&request=x&request=x"...)) },
		"an unknown one twice":      func(r *http.Request, b []byte) { setBody(r, append(b, "&x=1&x=1"...)) },
		"a broken escape":           func(r *http.Request, b []byte) { setBody(r, append(b, "&x=%zz"...)) },
		"semicolons":                func(r *http.Request, b []byte) { setBody(r, append(b, ";x=1"...)) },
		"a NUL":                     func(r *http.Request, b []byte) { setBody(r, append(b, "&x=%00"...)) },
		"no UTF-8":                  func(r *http.Request, b []byte) { setBody(r, append(b, "&x=%ff"...)) },
		"64 KiB and a byte":         func(r *http.Request, b []byte) { setBody(r, pad(b, 64<<10+1)) },
		"1 MiB of unknown length":   func(r *http.Request, b []byte) { setBody(r, pad(b, 1<<20)); r.ContentLength = -1 },
		"a body that breaks off":    func(r *http.Request, b []byte) { r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(b), broken{})) },
		"gzip that is really there": func(r *http.Request, b []byte) { r.Header.Set("Content-Encoding", "gzip"); setBody(r, zipped(b)) },
	} {
		for _, path := range []string{"/par", "/token", "/revoke"} {
			if a := envelope(w, path, bend); !a.is(http.StatusBadRequest, "invalid_request") {
				t.Errorf("%s at %s: %s", name, path, a)
			}
		}
	}
	for name, bend := range map[string]func(*http.Request, []byte){
		"plain":  func(*http.Request, []byte) {},
		"64 KiB": func(r *http.Request, b []byte) { setBody(r, pad(b, 64<<10)) },
		"UTF-8 by name": func(r *http.Request, _ []byte) {
			r.Header.Set("Content-Type", "Application/X-WWW-Form-Urlencoded; Charset=UTF-8")
		},
		"any host":         func(r *http.Request, _ []byte) { r.Host = "evil.example" },
		"of any browser":   func(r *http.Request, _ []byte) { r.Header.Set("Origin", "https://app.example") },
		"with a cookie":    func(r *http.Request, _ []byte) { r.Header.Set("Cookie", "__Host-headgate=x") },
		"with a bearer":    func(r *http.Request, _ []byte) { r.Header.Set("X-Forwarded-For", "x") },
		"of no known size": func(r *http.Request, _ []byte) { r.ContentLength = -1 },
	} {
		if a := envelope(w, "/par", bend); a.status != http.StatusCreated || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %s", name, a)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func pad(form []byte, size int) []byte {
	return append(form, "&pad="+strings.Repeat("a", size-len(form)-len("&pad="))...)
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func TestWhatIsKeptOfAPushedRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	uri := c.pushed(func(f url.Values) {
		f.Set("client_id", "app")
		f.Set("scope", "offline_access fdx:accountpayments:read")
		f.Set("nonce", strings.Repeat("n", 384))
		f.Set("prompt", "consent")
	})
	h, err := w.hasher.Hash(token.KindPushed, uri)
	must(t, err)
	p, err := w.mem.Pushed(t.Context(), h)
	must(t, err)
	if !only(p.Params, "response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "response_mode", "prompt") {
		t.Errorf("kept: %v", p.Params)
	}
	if p.Params["nonce"] != strings.Repeat("n", 384) || p.Params["scope"] != "fdx:paymentsupport:read" {
		t.Errorf("changed: %v", p.Params)
	}
	if want := w.clock.now().UTC().Truncate(time.Second).Add(120 * time.Second); p.Recipient != "app" || !p.ExpiresAt.Equal(want) || p.KeyThumbprint != "" {
		t.Errorf("record: %+v", p)
	}
	// The secret itself is not.
	if strings.Contains(p.Hash.String()+strings.Join(mapped(p.Params), ""), uri[len(uri)-20:]) {
		t.Error("the request_uri is kept in clear")
	}
}

func mapped(m map[string]string) (values []string) {
	for _, v := range m {
		values = append(values, v)
	}
	return values
}

// objectOf is a request object with the parameters of a bent form, as text.
func (c client) objectOf(bend func(url.Values)) string {
	f := c.request()
	bend(f)
	return c.object(func(j *jwt) {
		for name := range c.request() {
			delete(j.claims, name)
		}
		for name, values := range f {
			j.claims[name] = values[0]
		}
	})
}

// The conditions of a push that have an error of their own, each as plain
// parameters and inside a request object.
func TestEachRefusalAtPushHasItsCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	proof := func(key any) http.Header { return c.with(key).proof("/par", nil) }
	for name, tt := range map[string]struct {
		bend   func(url.Values)
		header http.Header
		want   string
	}{
		"no PKCE":                     {without("code_challenge", "code_challenge_method"), nil, "invalid_request"},
		"plain PKCE":                  {with("code_challenge_method", "plain"), nil, "invalid_request"},
		"no redirect_uri":             {without("redirect_uri"), nil, "invalid_request"},
		"an unregistered redirect":    {with("redirect_uri", "https://evil.example/cb"), nil, "invalid_request"},
		"response_type code id_token": {with("response_type", "code id_token"), nil, "unsupported_response_type"},
		"response_type token":         {with("response_type", "token"), nil, "unsupported_response_type"},
		"dpop_jkt of another key":     {with("dpop_jkt", thumbprint(t, keys().ec.Public())), proof(keys().otherEC), "invalid_dpop_proof"},
		"a state of 2,001":            {with("state", strings.Repeat("s", 2001)), nil, "invalid_request"},
		"a nonce of 501":              {with("nonce", strings.Repeat("n", 501)), nil, "invalid_request"},
		"a mode of another client":    {with("response_mode", "jwt"), nil, "invalid_request"},
		"an unknown mode":             {with("response_mode", "web_message"), nil, "invalid_request"},
		"an unknown scope":            {with("scope", "fdx:everything:read"), nil, "invalid_scope"},
		"openid of another client":    {with("scope", "openid "+basicScope), nil, "invalid_scope"},
	} {
		form := c.request()
		tt.bend(form)
		if a := w.post("/par", c.signed(form), tt.header); !a.is(http.StatusBadRequest, tt.want) {
			t.Errorf("%s: %s, want 400 %s", name, a, tt.want)
		}
		if tt.header != nil {
			tt.header = proof(keys().otherEC) // a proof is good once
		}
		form = url.Values{"request": {c.objectOf(tt.bend)}}
		if a := w.post("/par", c.signed(form), tt.header); !a.is(http.StatusBadRequest, tt.want) {
			t.Errorf("%s, in a request object: %s, want 400 %s", name, a, tt.want)
		}
	}
}

// What is long but allowed comes back as it was sent.
func TestStateAndNonceAreKeptIntact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for _, n := range []int{1, 64, 128, 384, 500, 1000, 2000} {
		state, nonce := strings.Repeat("s", n), strings.Repeat("n", min(n, 500))
		bend := func(f url.Values) { f.Set("state", state); f.Set("nonce", nonce) }
		for _, a := range []answer{c.push(bend), c.pushObject(c.objectOf(bend))} {
			if p := w.record(a); p.Params["state"] != state || p.Params["nonce"] != nonce {
				t.Errorf("%d characters: %v", n, p.Params)
			}
			if back := w.person("alice").approve(c.front(a.text("request_uri"))); back.Get("state") != state {
				t.Errorf("%d characters came back as %s", n, back.Get("state"))
			}
		}
	}
}

func TestResponseModesAreThoseRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		registered []string
		asked      string // "-" for no parameter
		want       string // "" for a refusal
	}{
		{nil, "-", "query"},
		{nil, "query", "query"},
		{nil, "jwt", ""},
		{nil, "query.jwt", ""},
		{[]string{"query"}, "jwt", ""},
		{[]string{"jwt"}, "-", "jwt"},
		{[]string{"jwt"}, "jwt", "jwt"},
		{[]string{"jwt"}, "query.jwt", "jwt"},
		{[]string{"jwt"}, "query", ""},
		{[]string{"jwt"}, "", ""},
		{[]string{"jwt"}, "fragment.jwt", ""},
		{[]string{"jwt"}, "form_post.jwt", ""},
		{[]string{"jwt"}, "JWT", ""},
		{[]string{"query", "jwt"}, "-", "query"},
		{[]string{"query", "jwt"}, "jwt", "jwt"},
		{[]string{"jwt", "query"}, "-", "jwt"},
		{[]string{"jwt", "query"}, "query", "query"},
	} {
		c := w.profiled("modes", func(r *consent.Recipient) { r.Profile.ResponseModes = tt.registered })
		bend := func(f url.Values) {
			if tt.asked != "-" {
				f.Set("response_mode", tt.asked)
			}
		}
		for _, a := range []answer{c.push(bend), c.pushObject(c.objectOf(bend))} {
			if tt.want == "" {
				if !a.is(http.StatusBadRequest, "invalid_request") {
					t.Errorf("%v, asked for %s: %s", tt.registered, tt.asked, a)
				}
				continue
			}
			if got := w.record(a).Params["response_mode"]; got != tt.want {
				t.Errorf("%v, asked for %s: %s", tt.registered, tt.asked, got)
			}
		}
	}
}

// openid asks for an ID token and for no data.
func TestOpenIDIsAScopeWithoutData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.profiled("oidc", func(r *consent.Recipient) { r.Scopes = append(r.Scopes, "openid") })
	want := w.record(c.push(nil)).Request.Clusters()
	for _, scope := range []string{"openid " + basicScope, basicScope + " offline_access openid"} {
		p := w.record(c.push(with("scope", scope)))
		if !slices.Contains(strings.Fields(p.Params["scope"]), "openid") || len(strings.Fields(p.Params["scope"])) != 2 || p.Request.Clusters() != want {
			t.Errorf("%s: kept %s, %+v", scope, p.Params["scope"], p.Request)
		}
	}
	p := w.record(c.push(func(f url.Values) {
		f.Set("scope", "openid")
		f.Set("authorization_details", details(`"purpose":"budgeting",`, ``))
	}))
	if p.Params["scope"] != "openid" {
		t.Errorf("beside details: kept %v", p.Params)
	}
	for name, scope := range map[string]string{
		"alone": "openid", "with offline_access": "openid offline_access", "twice": "openid openid " + basicScope, "in capitals": "OpenID " + basicScope,
	} {
		if a := c.push(with("scope", scope)); !a.is(http.StatusBadRequest, "invalid_scope") {
			t.Errorf("%s: %s", name, a)
		}
	}
}

// A client that registered types of details uses those only.
func TestDetailsTypesAreThoseRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct {
		types []string
		want  int
	}{
		"none registered": {nil, http.StatusCreated},
		"ours":            {[]string{"other", "fdx_v1.0"}, http.StatusCreated},
		"others":          {[]string{"other", "FDX_V1.0"}, http.StatusBadRequest},
	} {
		c := w.profiled("typed", func(r *consent.Recipient) { r.Profile.DetailsTypes = tt.types })
		a := c.push(detailed(details(`"purpose":"budgeting",`, ``)))
		if a.status != tt.want || a.status != http.StatusCreated && a.code() != "invalid_authorization_details" {
			t.Errorf("%s: %s", name, a)
		}
		if a := c.push(nil); a.status != http.StatusCreated {
			t.Errorf("%s, by scope: %s", name, a)
		}
	}
}

// Who may not obtain consent learns it here; the person would only be sent
// back.
func TestWhoMayNotAskMayNotPush(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*consent.Recipient){
		"a restricted client": func(r *consent.Recipient) { r.Status = consent.RecipientRestricted },
		"a resource server":   func(r *consent.Recipient) { r.Role = consent.RoleResourceServer },
	} {
		w := newWorld(t)
		w.change("app", bend)
		c := w.client("app")
		header := c.proof("/par", nil)
		if a := w.post("/par", c.signed(c.request()), header); !a.is(http.StatusBadRequest, "unauthorized_client") {
			t.Errorf("%s: %s", name, a)
		}
		w.change("app", func(r *consent.Recipient) { r.Status, r.Role = consent.RecipientActive, "" })
		if a := w.post("/par", c.signed(c.request()), header); !a.is(http.StatusBadRequest, "invalid_dpop_proof") {
			t.Errorf("%s: the proof of a refused push was not spent: %s", name, a)
		}
	}
}
