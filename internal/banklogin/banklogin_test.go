package banklogin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/outbound"
)

const (
	clientID = "headgate"
	secret   = "s3cret of the client"
	back     = "https://bank.example/signin/return"
	strong   = "urn:bank:two"
)

// bank is a small OpenID provider. It checks what a provider has to check.
type bank struct {
	t      *testing.T
	server *httptest.Server
	key    *ecdsa.PrivateKey
	now    time.Time

	mu     sync.Mutex
	codes  map[string]asked // guarded by mu, as all that follows
	down   bool
	claims func(map[string]any)  // changes an ID token before it is signed
	sign   *ecdsa.PrivateKey     // in place of the key that is published
	meta   func(map[string]any)  // changes the metadata
	notes  []login.SignIn        // the journal
	tokens func() map[string]any // in place of the token endpoint's answer
	client []byte                // the keys of the client; nil for one with a secret
	seen   map[string]bool       // jti of assertions
}

type asked struct{ url.Values }

func newBank(t *testing.T) *bank {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &bank{t: t, key: key, sign: key, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), codes: map[string]asked{}}
	b.server = httptest.NewTLSServer(b)
	t.Cleanup(b.server.Close)
	return b
}

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	if b.down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{
			"issuer": b.server.URL, "authorization_endpoint": b.server.URL + "/authorize", "token_endpoint": b.server.URL + "/token", "jwks_uri": b.server.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"}, "authorization_response_iss_parameter_supported": true,
		}
		if b.meta != nil {
			b.meta(m)
		}
		answer(http.StatusOK, m)
	case "/keys":
		answer(http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: b.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	case "/token":
		id, password, ok := r.BasicAuth()
		if b.client != nil {
			if !b.asserted(r) {
				answer(http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
				return
			}
		} else if id, _ = url.QueryUnescape(id); !ok || id != clientID || password != url.QueryEscape(secret) {
			answer(http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
			return
		}
		asked, known := b.codes[r.PostFormValue("code")]
		delete(b.codes, r.PostFormValue("code"))
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if !known || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") ||
			base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
			answer(http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		if b.tokens != nil {
			answer(http.StatusOK, b.tokens())
			return
		}
		answer(http.StatusOK, map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": b.idToken(asked)})
	default:
		http.NotFound(w, r)
	}
}

func (b *bank) idToken(a asked) string {
	claims := map[string]any{
		"iss": b.server.URL, "sub": "person-1", "aud": clientID, "exp": b.now.Add(time.Minute).Unix(), "iat": b.now.Unix(),
		"auth_time": b.now.Unix(), "nonce": a.Get("nonce"), "acr": a.Get("acr_values"), "customer": "c-ada",
	}
	if b.claims != nil {
		b.claims(claims)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: b.sign, KeyID: "1"}}, nil)
	if err != nil {
		b.t.Error(err)
		return ""
	}
	text, _ := json.Marshal(claims)
	jws, err := signer.Sign(text)
	if err != nil {
		b.t.Error(err)
		return ""
	}
	compact, _ := jws.CompactSerialize()
	return compact
}

// Note implements login.Journal.
func (b *bank) Note(_ context.Context, s login.SignIn) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(b.notes, s)
	return nil
}

func (b *bank) do(f func()) { b.mu.Lock(); defer b.mu.Unlock(); f() }

func (b *bank) provider(change func(*Config)) *Provider {
	b.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(b.server.Certificate())
	at := netip.MustParseAddrPort(strings.TrimPrefix(b.server.URL, "https://"))
	out, err := outbound.New(outbound.Config{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{at.Port()}})
	if err != nil {
		b.t.Fatal(err)
	}
	c := Config{
		Issuer: b.server.URL, ClientID: clientID, ClientSecret: secret, Return: back, StepUp: strong, Consumer: "customer",
		HTTP: out.HTTP(), Journal: b, Now: func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now },
	}
	if change != nil {
		change(&c)
	}
	p, err := New(c)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// visit is what a person's browser does at the provider: it brings back a code.
func (b *bank) visit(address string) url.Values {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, b.server.URL+"/authorize?") {
		b.t.Fatalf("sent to %s, %v", address, err)
	}
	q := u.Query()
	code := rand.Text()
	b.do(func() { b.codes[code] = asked{q} })
	return url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {b.server.URL}}
}

func TestSignInAtTheBank(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	p := b.provider(nil)
	for _, stepUp := range []bool{false, true} {
		d, err := p.Begin(t.Context(), login.Ask{StepUp: stepUp, Locales: []string{"sv", "en"}, Hint: "ada"})
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(d.Address)
		got := u.Query()
		want := url.Values{
			"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {back}, "scope": {"openid"}, "code_challenge_method": {"S256"},
			"ui_locales": {"sv en"}, "login_hint": {"ada"}, "max_age": {"900"},
		}
		if stepUp {
			want.Set("acr_values", strong)
			want.Set("max_age", "300")
		}
		for _, secret := range []string{"state", "nonce", "code_challenge"} {
			if len(got.Get(secret)) < 26 {
				t.Errorf("%s is %q", secret, got.Get(secret))
			}
			want.Set(secret, got.Get(secret))
		}
		if !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		if strings.Contains(d.Address, secret) || d.State != got.Get("state") {
			t.Errorf("departure %+v", d)
		}
		proof, err := p.Finish(t.Context(), d.Keep, b.visit(d.Address), netip.MustParseAddr("192.0.2.7"))
		if err != nil || proof.At.IsZero() || proof != (login.Proof{Consumer: "c-ada", Strong: stepUp, At: proof.At}) {
			t.Errorf("%+v, %v", proof, err)
		}
	}
	b.do(func() {
		if len(b.notes) != 2 || b.notes[0].Consumer != "c-ada" || b.notes[0].Method != login.BankLogin || b.notes[0].Refused || b.notes[0].Network.String() != "192.0.2.0/24" {
			t.Errorf("noted %+v", b.notes)
		}
	})
}

// Each row bends one thing of an answer that would otherwise count.
func TestAnswersThatProveNothing(t *testing.T) {
	t.Parallel()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	type bent struct {
		b      *bank
		keep   string
		answer url.Values
		p      *Provider
	}
	claim := func(name string, v any) func(*bent) {
		return func(x *bent) {
			x.b.do(func() {
				x.b.claims = func(c map[string]any) {
					c[name] = v
					if v == nil {
						delete(c, name)
					}
				}
			})
		}
	}
	set := func(name string, v ...string) func(*bent) { return func(x *bent) { x.answer[name] = v } }
	// again is the keep of another departure.
	again := func(x *bent) string {
		d, err := x.p.Begin(context.Background(), login.Ask{StepUp: true})
		if err != nil {
			x.b.t.Fatal(err)
		}
		return d.Keep
	}
	now := newBank(t).now
	for name, tt := range map[string]struct {
		bend func(*bent)
		want error
	}{
		"nothing was asked":               {func(x *bent) { x.keep = "" }, ErrAnswer},
		"what was kept is damaged":        {func(x *bent) { x.keep = x.keep[:20] }, ErrAnswer},
		"another state":                   {set("state", "x"), ErrAnswer},
		"no state":                        {func(x *bent) { x.answer.Del("state") }, ErrAnswer},
		"two states":                      {func(x *bent) { x.answer.Add("state", "x") }, ErrAnswer},
		"the state of another departure":  {func(x *bent) { x.keep = again(x) }, ErrAnswer},
		"the verifier of another":         {func(x *bent) { x.keep = swap(x.keep, again(x), "verifier") }, ErrAnswer},
		"the nonce of another":            {func(x *bent) { x.keep = swap(x.keep, again(x), "nonce") }, ErrAnswer},
		"another provider answers":        {set("iss", "https://evil.example"), ErrAnswer},
		"a provider without a name":       {func(x *bent) { x.answer.Del("iss") }, ErrAnswer},
		"two names":                       {func(x *bent) { x.answer.Add("iss", "https://evil.example") }, ErrAnswer},
		"another provider was asked":      {func(x *bent) { x.keep = strings.Replace(x.keep, "https://127.", "https://128.", 1) }, ErrAnswer},
		"no code":                         {set("code", ""), ErrAnswer},
		"two codes":                       {func(x *bent) { x.answer.Add("code", "x") }, ErrAnswer},
		"an unknown code":                 {set("code", "x"), ErrAnswer},
		"a code that was used":            {func(x *bent) { _, _ = x.p.Finish(context.Background(), x.keep, x.answer, netip.Addr{}) }, ErrAnswer},
		"the person gave up":              {func(x *bent) { x.answer.Del("code"); x.answer.Set("error", "access_denied") }, ErrGaveUp},
		"an error beside a code":          {set("error", "access_denied"), ErrGaveUp},
		"another issuer":                  {claim("iss", "https://evil.example"), ErrAnswer},
		"another audience":                {claim("aud", "other"), ErrAnswer},
		"an audience more":                {claim("aud", []string{clientID, "other"}), ErrAnswer},
		"an audience more, for the other": {func(x *bent) { claim("azp", "other")(x) }, ErrAnswer},
		"no nonce":                        {claim("nonce", nil), ErrAnswer},
		"another nonce":                   {claim("nonce", "x"), ErrAnswer},
		"expired":                         {claim("exp", now.Add(-time.Second).Unix()), ErrAnswer},
		"without end":                     {claim("exp", nil), ErrAnswer},
		"of tomorrow":                     {claim("iat", now.Add(time.Hour).Unix()), ErrAnswer},
		"signed in long ago":              {claim("auth_time", now.Add(-6*time.Minute).Unix()), ErrAnswer},
		"signed in tomorrow":              {claim("auth_time", now.Add(time.Hour).Unix()), ErrAnswer},
		"signed in some time":             {claim("auth_time", nil), ErrAnswer},
		"a password alone":                {claim("acr", "urn:bank:one"), ErrAnswer},
		"no word of how":                  {claim("acr", nil), ErrAnswer},
		"a list of ways":                  {claim("acr", []string{strong}), ErrAnswer},
		"nobody":                          {claim("customer", nil), ErrAnswer},
		"an empty name":                   {claim("customer", ""), ErrAnswer},
		"a number for a name":             {claim("customer", 7), ErrAnswer},
		"an endless name":                 {claim("customer", strings.Repeat("x", 257)), ErrAnswer},
		"another key":                     {func(x *bent) { x.b.do(func() { x.b.sign = other }) }, ErrAnswer},
		"no ID token": {func(x *bent) {
			x.b.do(func() { x.b.tokens = func() map[string]any { return map[string]any{"access_token": "x"} } })
		}, ErrAnswer},
		"an ID token without a signature":  {func(x *bent) { x.b.unsigned("none") }, ErrAnswer},
		"an ID token with a shared secret": {func(x *bent) { x.b.unsigned("HS256") }, ErrAnswer},
		"it took too long":                 {func(x *bent) { x.b.do(func() { x.b.now = x.b.now.Add(away + time.Second) }) }, ErrAnswer},
		"the provider cannot":              {func(x *bent) { x.answer.Del("code"); x.answer.Set("error", "server_error") }, nil},
		"the provider is down":             {func(x *bent) { x.b.do(func() { x.b.down = true }) }, nil},
		"the secret is wrong":              {func(x *bent) { x.p.found.ClientSecret = "x" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t)
			x := &bent{b: b, p: b.provider(nil)}
			d, err := x.p.Begin(t.Context(), login.Ask{StepUp: true})
			if err != nil {
				t.Fatal(err)
			}
			x.keep, x.answer = d.Keep, b.visit(d.Address)
			tt.bend(x)
			before := len(b.notes)
			proof, err := x.p.Finish(t.Context(), x.keep, x.answer, netip.Addr{})
			if err == nil || proof != (login.Proof{}) || tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && (errors.Is(err, ErrAnswer) || errors.Is(err, ErrGaveUp)) {
				t.Errorf("%+v, %v", proof, err)
			}
			if len(b.notes) != before {
				t.Error("noted as a sign-in")
			}
			if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), x.answer.Get("code")) && len(x.answer.Get("code")) > 5) {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

// swap returns one string of JSON with a member of another.
func swap(into, from, member string) string {
	var a, b map[string]any
	_, _ = json.Unmarshal([]byte(into), &a), json.Unmarshal([]byte(from), &b)
	a[member] = b[member]
	text, _ := json.Marshal(a)
	return string(text)
}

// unsigned makes the bank send ID tokens that anybody could make.
func (b *bank) unsigned(alg string) {
	var nonce string
	b.do(func() {
		for _, a := range b.codes {
			nonce = a.Get("nonce")
		}
		b.tokens = func() map[string]any {
			good := strings.Split(b.idToken(asked{url.Values{"nonce": {nonce}, "acr_values": {strong}}}), ".")
			head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `"}`))
			sig := ""
			if alg == "HS256" {
				signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat(secret, 3))}, nil)
				if err != nil {
					b.t.Error(err)
				}
				text, _ := base64.RawURLEncoding.DecodeString(good[1])
				jws, _ := signer.Sign(text)
				compact, _ := jws.CompactSerialize()
				return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": compact}
			}
			return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": head + "." + good[1] + "." + sig}
		}
	})
}

func TestAProviderThatIsAway(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	p := b.provider(nil)
	b.do(func() { b.down = true })
	if d, err := p.Begin(t.Context(), login.Ask{}); err == nil || d != (login.Departure{}) {
		t.Errorf("%+v, %v", d, err)
	}
	b.do(func() { b.down = false })
	if _, err := p.Begin(t.Context(), login.Ask{}); err != nil {
		t.Errorf("it came back, and %v", err)
	}
	b.do(func() { b.down, b.now = true, b.now.Add(2*known) })
	if _, err := p.Begin(t.Context(), login.Ask{}); err != nil {
		t.Errorf("what it said before is forgotten: %v", err)
	}
}

func TestMetadataThatIsRefused(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(map[string]any){
		"of another issuer":          func(m map[string]any) { m["issuer"] = "https://evil.example" },
		"with a token endpoint open": func(m map[string]any) { m["token_endpoint"] = "http://127.0.0.1/token" },
		"with a page that is script": func(m map[string]any) { m["authorization_endpoint"] = "javascript:alert(1)" },
		"without endpoints":          func(m map[string]any) { delete(m, "authorization_endpoint") },
	} {
		b := newBank(t)
		b.meta = bend
		if d, err := b.provider(nil).Begin(t.Context(), login.Ask{}); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := Config{Issuer: "https://bank.example", ClientID: "x", ClientSecret: "y", Return: back, HTTP: http.DefaultClient, Journal: &bank{}}
	if p, err := New(good); err != nil || p.StepsUp() {
		t.Error(err)
	}
	for name, bend := range map[string]func(*Config){
		"no issuer": func(c *Config) { c.Issuer = "" }, "an open one": func(c *Config) { c.Issuer = "http://bank.example" }, "a query": func(c *Config) { c.Issuer += "?x" },
		"no id": func(c *Config) { c.ClientID = "" }, "no secret": func(c *Config) { c.ClientSecret = "" }, "no way back": func(c *Config) { c.Return = "" },
		"no client": func(c *Config) { c.HTTP = nil }, "no journal": func(c *Config) { c.Journal = nil },
	} {
		c := good
		bend(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	p, _ := New(good)
	if _, err := p.Begin(t.Context(), login.Ask{StepUp: true}); err == nil {
		t.Error("a second proof of a provider that gives none")
	}
}

func FuzzFinish(f *testing.F) {
	f.Add(`{"iss":"https://bank.example","nonce":"n","verifier":"v","state":"s","until":9999999999}`, "state=s&code=c&iss=https://bank.example")
	f.Add("", "state=")
	f.Fuzz(func(t *testing.T, keep, query string) {
		p, err := New(Config{
			Issuer: "https://bank.example", ClientID: "x", ClientSecret: "y", Return: back, Journal: &bank{},
			HTTP: &http.Client{Transport: refusing{}},
		})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if proof, err := p.Finish(t.Context(), keep, answer, netip.Addr{}); err == nil || proof != (login.Proof{}) {
			t.Errorf("%+v, %v", proof, err)
		}
	})
}

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("away") }
