package suite

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// App is one of the recipients that we are at the target. It is shared by
// cases: copy it (a := *t.A()) before you bend it.
type App struct {
	Recipient
	// Key signs for a client that authenticates with one; nil for others.
	Key *Key
	// Cert is its certificate; nil for none.
	Cert *tls.Certificate
}

func appCert(app *App) *tls.Certificate {
	if app == nil {
		return nil
	}
	return app.Cert
}

// certificate is what the app shows to the authorization server.
func (a *App) certificate() *tls.Certificate {
	if a.Key == nil || a.CertificateBound {
		return a.Cert
	}
	return nil
}

// bound reports whether its tokens are bound to a DPoP key.
func (a *App) bound() bool { return !a.CertificateBound }

// A is the recipient that a case means: it authenticates with a key and has
// its tokens bound to DPoP keys.
func (t *T) A() *App { return t.app("A", Recipient.plain, 0) }

// B is another one of the same kind.
func (t *T) B() *App { return t.app("B", Recipient.plain, 1) }

// ByCertificate is a recipient that authenticates with a certificate, which
// its tokens are bound to. It needs the claim MTLS.
func (t *T) ByCertificate() *App {
	t.Needs(MTLS)
	return t.app("one that authenticates with a certificate", func(r Recipient) bool { return r.AuthMethod != "private_key_jwt" }, 0)
}

// Signing is a recipient that sends request objects and gets signed answers.
// It needs the claims JAR and JARM.
func (t *T) Signing() *App {
	t.Needs(JAR, JARM)
	return t.app("one that signs its requests", func(r Recipient) bool { return r.SignedRequests && r.ResponseMode == "jwt" }, 0)
}

// Named is the recipient with this client_id: for cases about the sandbox
// that comes with headgate dev (claim Personas).
func (t *T) Named(clientID string) *App {
	t.Needs(Personas)
	return t.app(clientID, func(r Recipient) bool { return r.ClientID == clientID }, 0)
}

// ResourceServer is the client that introspects. It needs the claim
// Introspection.
func (t *T) ResourceServer() *App {
	t.Needs(Introspection)
	if len(t.world.rs) == 0 {
		t.Cannot("find a resource server", fmt.Errorf("the target file names none, and claims introspection"))
	}
	return t.world.rs[0]
}

func (t *T) app(what string, is func(Recipient) bool, n int) *App {
	for _, app := range t.world.apps {
		if is(app.Recipient) {
			if n == 0 {
				return app
			}
			n--
		}
	}
	t.Cannot("find a recipient", fmt.Errorf("the target file has no %s", what))
	return nil
}

// Metadata is what the server says about itself. Read it; do not change it.
type Metadata map[string]any

// Text is a member that is a string.
func (m Metadata) Text(name string) string {
	s, _ := m[name].(string)
	return s
}

// List is a member that is a list of strings.
func (m Metadata) List(name string) []string {
	var out []string
	list, _ := m[name].([]any)
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Alias is the address of an endpoint for those who show a certificate (RFC
// 8705 section 5): the ordinary one where there is no other.
func (m Metadata) Alias(name string) string {
	if alias, ok := Dig(map[string]any(m), "mtls_endpoint_aliases."+name).(string); ok {
		return alias
	}
	return m.Text(name)
}

// WellKnown is where the issuer's metadata is (RFC 8414 section 3.1), and
// where OpenID Connect Discovery puts it.
func (t *T) WellKnown() (oauth, openID string) {
	u, err := url.Parse(t.Target.Issuer)
	if err != nil {
		t.Cannot("read the issuer", err)
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	return "https://" + u.Host + "/.well-known/oauth-authorization-server" + path, "https://" + u.Host + path + "/.well-known/openid-configuration"
}

// Metadata reads the server's description of itself, once per run.
func (t *T) Metadata() Metadata {
	return share(t, "metadata", 0, func(t *T) Metadata {
		oauth, openID := t.WellKnown()
		var m Metadata
		for _, address := range []string{oauth, openID} {
			resp := t.Send(Get(address))
			if resp.Status == http.StatusOK && json.Unmarshal(resp.Body, &m) == nil && m.Text("issuer") == t.Target.Issuer {
				return m
			}
		}
		t.Cannot("read the server's metadata", fmt.Errorf("neither well-known document is there with the issuer of the target"))
		return nil
	})
}

// Endpoint is an address of the metadata, for this app: the one that asks
// for a certificate where it shows one.
func (t *T) Endpoint(app *App, name string) string {
	m := t.Metadata()
	address := m.Text(name)
	if app != nil && app.certificate() != nil {
		address = m.Alias(name)
	}
	if address == "" {
		t.Cannot("find an endpoint", fmt.Errorf("the metadata has no %s", name))
	}
	return address
}

// Get is a GET without anything.
func Get(address string) *Request {
	return &Request{Method: http.MethodGet, URL: address, Header: http.Header{"Accept": {"application/json"}}}
}

// assertionType is RFC 7523 section 2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Assertion is a fresh client assertion of the app (RFC 7523 section 3, FAPI
// 2.0 section 5.3.2.1: the audience is the issuer).
func (t *T) Assertion(app *App) *JWT {
	now := time.Now().Unix()
	return newJWT(app.Key, "JWT", map[string]any{
		"iss": app.ClientID, "sub": app.ClientID, "aud": t.Target.Issuer, "iat": now, "exp": now + 60,
	})
}

// Post is a form to an endpoint of the metadata, authenticated by the app,
// with a DPoP proof by key unless that is nil.
func (t *T) Post(app *App, endpoint string, form url.Values, key *Key) *Request {
	r := &Request{
		Method: http.MethodPost, URL: t.Endpoint(app, endpoint),
		Header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}},
		Form:   form, Certificate: app.certificate(),
	}
	if app.AuthMethod == "private_key_jwt" {
		r.Form.Set("client_assertion_type", assertionType)
		r.Assertion = t.Assertion(app)
	} else {
		r.Form.Set("client_id", app.ClientID)
	}
	if key != nil && app.bound() {
		r.Proof = NewProof(key, r.Method, r.URL, "")
	}
	return r
}

// NewProof is a fresh DPoP proof for one request (RFC 9449 section 4.2), for
// an access token unless that is "".
func NewProof(key *Key, method, address, token string) *JWT {
	bare := address
	if u, err := url.Parse(address); err == nil {
		bare = withoutQuery(u)
	}
	proof := newJWT(key, "dpop+jwt", map[string]any{"htm": method, "htu": bare, "iat": time.Now().Unix()})
	delete(proof.Header, "kid")
	proof.Header["jwk"] = key.JWK()
	if token != "" {
		proof.Claims["ath"] = tokenHash(token)
	}
	return proof
}

// Ask is what a consumer is asked for. The zero value asks for the first
// two clusters that the app may ask for, or for its registered scope.
type Ask struct {
	// Clusters are FDX data clusters, for authorization_details.
	Clusters []string
	// Duration is TIME_BOUND, ONE_TIME or PERSISTENT; "" for TIME_BOUND.
	Duration string
	// Days is the term of TIME_BOUND, and Lookback how far back data may go,
	// both in days; 0 for 90 and 365.
	Days, Lookback int
	// Scope is asked for in the place of clusters, or beside them for
	// openid.
	Scope string
	// Details stands in the place of clusters as authorization_details.
	Details any
	// Persona is who is asked, by name; "" for the first of the target.
	Persona string
	// Accounts are which accounts are shared, counted from 0 in the order of
	// the page; nil for all.
	Accounts []int
	// Extra are further parameters, and replacements; a name with an empty
	// list removes it.
	Extra url.Values
}

// key names what is asked for, to share it.
func (k Ask) key() string {
	text, _ := json.Marshal(k)
	return string(text)
}

// Attempt is one try at a consent: what was sent, and the secrets that tie
// the answer to it.
type Attempt struct {
	App      *App
	Ask      Ask
	State    string
	Verifier string
	Nonce    string // of an ID token; "" when none is asked for
	Key      *Key   // what tokens get bound to
	// RequestURI is set by Push, Code by Consent.
	RequestURI string
	Code       string
	// Parameters are what was asked for, in plain.
	Parameters url.Values
}

// NewAttempt makes the parameters of an authorization request.
func (t *T) NewAttempt(app *App, ask Ask) *Attempt {
	verifier := make([]byte, 32)
	rand.Read(verifier) // never fails
	a := &Attempt{App: app, Ask: ask, State: rand.Text(), Verifier: base64.RawURLEncoding.EncodeToString(verifier), Key: NewKey("ES256")}
	form := url.Values{
		"response_type": {"code"}, "client_id": {app.ClientID}, "redirect_uri": {app.RedirectURI}, "state": {a.State},
		"code_challenge": {tokenHash(a.Verifier)}, "code_challenge_method": {"S256"},
	}
	scope := ask.Scope
	switch {
	case ask.Details != nil:
		form.Set("authorization_details", mustJSON(ask.Details))
	case t.Target.Claim(FDXConsent) && t.Target.Claim(RAR) && (ask.Clusters != nil || scope == "" || scope == "openid"):
		form.Set("authorization_details", mustJSON(Details(app, ask)))
	case scope == "":
		scope = app.Scope
	}
	if scope != "" {
		form.Set("scope", scope)
	}
	if slices.Contains(strings.Fields(scope), "openid") {
		a.Nonce = rand.Text()
		form.Set("nonce", a.Nonce)
	}
	if app.ResponseMode != "" {
		form.Set("response_mode", app.ResponseMode)
	}
	for name, values := range ask.Extra {
		form.Del(name)
		if len(values) > 0 {
			form[name] = values
		}
	}
	a.Parameters = form
	return a
}

// Details are authorization_details of type fdx_v1.0 for an Ask. A case may
// bend them and put them into Ask.Details.
func Details(app *App, ask Ask) []any {
	clusters := ask.Clusters
	if clusters == nil {
		clusters = []string{"ACCOUNT_BASIC", "TRANSACTIONS"}
	}
	request := map[string]any{
		"durationType": "TIME_BOUND", "lookbackPeriod": 365,
		"resources": []any{map[string]any{"resourceType": "ACCOUNT", "dataClusters": clusters}},
	}
	if ask.Duration != "" {
		request["durationType"] = ask.Duration
	}
	if request["durationType"] == "TIME_BOUND" {
		request["durationPeriod"] = 90
		if ask.Days != 0 {
			request["durationPeriod"] = ask.Days
		}
	}
	if ask.Lookback != 0 {
		request["lookbackPeriod"] = ask.Lookback
	}
	return []any{map[string]any{"type": "fdx_v1.0", "consentRequest": request}}
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("suite: %v", err)) // a mistake of the case
	}
	return string(text)
}

// PushRequest is a pushed authorization request that has not been sent: as
// a request object for an app that signs its requests.
func (t *T) PushRequest(app *App, ask Ask) (*Request, *Attempt) {
	a := t.NewAttempt(app, ask)
	form := url.Values(maps.Clone(a.Parameters))
	var object *JWT
	if app.SignedRequests {
		object, form = t.RequestObject(a), url.Values{}
	}
	r := t.Post(app, "pushed_authorization_request_endpoint", form, a.Key)
	r.Object = object
	return r, a
}

// RequestObject is the attempt as a request object (RFC 9101, FAPI 2.0
// Message Signing section 5.3).
func (t *T) RequestObject(a *Attempt) *JWT {
	now := time.Now().Unix()
	claims := map[string]any{"iss": a.App.ClientID, "aud": t.Target.Issuer, "iat": now, "nbf": now, "exp": now + 300}
	for name := range a.Parameters {
		value := a.Parameters.Get(name)
		claims[name] = value
		if name == "authorization_details" || name == "claims" {
			claims[name] = json.RawMessage(value)
		}
	}
	return newJWT(a.App.Key, "oauth-authz-req+jwt", claims)
}

// Push pushes and reads the request_uri.
func (t *T) Push(app *App, ask Ask) *Attempt {
	r, a := t.PushRequest(app, ask)
	t.pushed(a, t.Send(r))
	return a
}

// Pushed reads the request_uri of an answer that has to be a 201.
func (t *T) pushed(a *Attempt, resp *Response) {
	a.RequestURI = resp.Text("request_uri")
	if resp.Status != http.StatusCreated || a.RequestURI == "" {
		t.Cannot("push an authorization request", fmt.Errorf("status %d%s", resp.Status, resp.said()))
	}
}

// AuthorizeURL is where the consumer's browser is sent.
func (t *T) AuthorizeURL(a *Attempt) string {
	u, err := url.Parse(t.Endpoint(nil, "authorization_endpoint"))
	if err != nil {
		t.Cannot("read the authorization endpoint", err)
	}
	q := u.Query()
	q.Set("client_id", a.App.ClientID)
	q.Set("request_uri", a.RequestURI)
	u.RawQuery = q.Encode()
	return u.String()
}

// NewUUID is a random UUID (RFC 9562 section 5.4), for interaction ids.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
