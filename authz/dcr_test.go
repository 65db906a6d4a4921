package authz_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
)

// The directories of a registry: one whose clients wait for the operator, one
// whose clients are active at once, one whose keys are fetched.
const (
	slowDirectory = "https://slow.directory.example"
	fastDirectory = "https://fast.directory.example"
	farDirectory  = "https://far.directory.example"
)

// registry is a world in which clients register themselves, with a second
// server over the same stores.
type registry struct {
	*world
	keys  *keyServer
	other http.Handler
	n     int
}

// failingRegistrations are the registrations of the stores, with their
// faults.
type failingRegistrations struct{ *stores }

func (f failingRegistrations) Register(ctx context.Context, r token.Registration, spend ...token.Proof) error {
	if err := f.pass("Register"); err != nil {
		return err
	}
	return f.Memory.Register(ctx, r, spend...)
}
func (f failingRegistrations) Registration(ctx context.Context, h token.Hash) (token.Registration, error) {
	return guarded(f.stores, "Registration", func() (token.Registration, error) { return f.Memory.Registration(ctx, h) })
}
func (f failingRegistrations) Update(ctx context.Context, r token.Registration, spend ...token.Proof) error {
	if err := f.pass("Update"); err != nil {
		return err
	}
	return f.Memory.Update(ctx, r, spend...)
}
func (f failingRegistrations) Move(ctx context.Context, id consent.RecipientID, from, to consent.RecipientStatus, seen time.Time) error {
	if err := f.pass("Move"); err != nil {
		return err
	}
	return f.Memory.Move(ctx, id, from, to, seen)
}

func newRegistry(t testing.TB) *registry {
	t.Helper()
	r := &registry{keys: &keyServer{}}
	var config authz.Config
	r.world = newWorldWith(t, func(c *authz.Config) {
		c.Registrations, c.KeySets = failingRegistrations{c.Recipients.(*stores)}, r.keys
		c.Directories = []authz.Directory{
			{Issuer: slowDirectory, Keys: certs.JWKS{Keys: []jose.JSONWebKey{{Key: keys().ec.Public()}}}},
			{Issuer: fastDirectory, Keys: certs.JWKS{Keys: []jose.JSONWebKey{{Key: keys().ec.Public()}}}, AutoApprove: true},
			{Issuer: farDirectory, JWKSURI: "https://keys.example/jwks", MaxAge: time.Hour},
		}
		config = *c
	})
	second, err := authz.New(config)
	must(t, err)
	r.other, err = second.Protocol()
	must(t, err)
	r.keys.old, r.keys.new = set(t, keys().ed.Public()), set(t, keys().ec.Public())
	return r
}

// statement returns a software statement of a directory, bent.
func (r *registry) statement(issuer string, bend func(*jwt)) string {
	r.n++
	now := r.clock.now()
	j := jwt{alg: jose.ES256, key: keys().ec, header: map[jose.HeaderKey]any{"typ": "JWT"}, claims: claims{
		"iss": issuer, "jti": fmt.Sprintf("s-%d", r.n), "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		"software_id": "software-1", "client_name": "Newcomer", "redirect_uris": []string{callback},
		"jwks": json.RawMessage(set(r.t, keys().ec.Public())), "token_endpoint_auth_method": "private_key_jwt",
	}}
	if bend != nil {
		bend(&j)
	}
	return j.sign(r.t)
}

// own is a statement of the operator, bent.
func (r *registry) own(bend func(*jwt)) string {
	return r.statement(issuer, func(j *jwt) {
		k := serverKey(r.t, "ES256")
		j.key, j.header["typ"], j.header["kid"] = k.Key, authz.StatementType, k.KeyID
		if bend != nil {
			bend(j)
		}
	})
}

// send sends a registration request.
func (r *registry) send(h http.Handler, method, path, access string, body []byte) answer {
	q := httptest.NewRequest(method, issuer+path, strings.NewReader(string(body)))
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	if access != "" {
		q.Header.Set("Authorization", "Bearer "+access)
	}
	a := r.do(h, q)
	r.secret(a.text("registration_access_token"))
	if a.status == http.StatusUnauthorized != (a.header.Get("WWW-Authenticate") == `Bearer error="invalid_token"`) {
		r.t.Errorf("%s with WWW-Authenticate %s", a, a.header.Get("WWW-Authenticate"))
	}
	return a
}

func (r *registry) post(body claims) answer {
	text, err := json.Marshal(body)
	must(r.t, err)
	return r.send(r.protocol, http.MethodPost, "/register", "", text)
}

// member is a client that registered itself.
type member struct {
	r      *registry
	id     string
	access string
	as     answer
}

// enrol registers a client by a statement and whatever else.
func (r *registry) enrol(statement string, more claims) member {
	r.t.Helper()
	body := claims{"software_statement": statement}
	maps.Copy(body, more)
	a := r.post(body)
	if a.status != http.StatusCreated {
		r.t.Fatalf("a good registration was answered %s", a)
	}
	return member{r, a.text("client_id"), a.text("registration_access_token"), a}
}

func (m member) path() string { return "/register/" + m.id }
func (m member) read() answer { return m.r.send(m.r.protocol, http.MethodGet, m.path(), m.access, nil) }
func (m member) delete() answer {
	return m.r.send(m.r.protocol, http.MethodDelete, m.path(), m.access, nil)
}

// put sends back what was registered, bent.
func (m member) put(bend func(claims)) answer {
	body := m.read().body
	for _, name := range []string{"client_id_issued_at", "registration_access_token", "registration_client_uri", "status"} {
		delete(body, name)
	}
	if bend != nil {
		bend(body)
	}
	text, err := json.Marshal(body)
	must(m.r.t, err)
	return m.r.send(m.r.protocol, http.MethodPut, m.path(), m.access, text)
}

func (m member) status() consent.RecipientStatus {
	r, err := m.r.mem.Recipient(m.r.t.Context(), consent.RecipientID(m.id))
	must(m.r.t, err)
	return r.Status
}

// push pushes a good request as the client.
func (m member) push() answer { return m.r.client(m.id).push(nil) }

func TestRegistrationByStatement(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statement func(*registry) string
		sent      claims
		want      consent.RecipientStatus
	}{
		"waits for the operator":           {func(r *registry) string { return r.statement(slowDirectory, nil) }, nil, consent.RecipientPending},
		"is active at once":                {func(r *registry) string { return r.statement(fastDirectory, nil) }, nil, consent.RecipientActive},
		"is active by the operator's own":  {func(r *registry) string { return r.own(nil) }, nil, consent.RecipientActive},
		"is active with its own algorithm": {func(r *registry) string { return r.statement(fastDirectory, nil) }, claims{"id_token_signed_response_alg": "PS256", "contacts": []string{"a@b"}}, consent.RecipientActive},
		"is active with fewer scopes":      {func(r *registry) string { return r.statement(fastDirectory, nil) }, nil, consent.RecipientActive},
		"waits with a redirect of its own": {func(r *registry) string {
			return r.statement(fastDirectory, func(j *jwt) { delete(j.claims, "redirect_uris") })
		}, claims{"redirect_uris": []string{"https://evil.example/cb"}}, consent.RecipientPending},
		"waits with keys of its own": {func(r *registry) string {
			return r.statement(fastDirectory, func(j *jwt) { delete(j.claims, "jwks") })
		}, claims{"jwks": json.RawMessage(set(t, keys().otherEC.Public()))}, consent.RecipientPending},
		"waits with a name of its own": {func(r *registry) string {
			return r.statement(fastDirectory, func(j *jwt) { delete(j.claims, "client_name") })
		}, claims{"client_name": "The Bank"}, consent.RecipientPending},
		"waits with a purpose of its own": {func(r *registry) string { return r.statement(fastDirectory, nil) },
			claims{"purposes": []claims{{"code": "x", "label": "y", "clusters": []string{"BALANCES"}}}}, consent.RecipientPending},
		"waits with an intermediary of its own": {
			func(r *registry) string { return r.statement(fastDirectory, nil) },
			claims{"intermediaries": []claims{{"name": "Middle"}}}, consent.RecipientPending,
		},
		"waits with its own certificate": {func(r *registry) string {
			return r.statement(fastDirectory, func(j *jwt) { delete(j.claims, "jwks"); delete(j.claims, "token_endpoint_auth_method") })
		}, claims{"tls_client_auth_subject_dn": "CN=evil"}, consent.RecipientPending},
		"by keys that are fetched and fetched again": {func(r *registry) string { return r.statement(farDirectory, nil) }, nil, consent.RecipientPending},
		"for us among others": {func(r *registry) string {
			return r.statement(slowDirectory, func(j *jwt) { j.claims["aud"] = []string{"https://other.example", issuer} })
		}, nil, consent.RecipientPending},
		"without exp and typ, within its age": {func(r *registry) string {
			return r.statement(slowDirectory, func(j *jwt) { delete(j.claims, "exp"); delete(j.header, "typ") })
		}, nil, consent.RecipientPending},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(t)
			st := c.statement(r)
			m := r.enrol(st, c.sent)
			if m.status() != c.want || m.as.text("status") != string(c.want) {
				t.Errorf("%s, says %s, want %s", m.status(), m.as.text("status"), c.want)
			}
			if m.as.text("registration_client_uri") != issuer+m.path() || m.as.text("software_statement") != st ||
				m.as.body["client_id_issued_at"] != float64(r.clock.now().Unix()) || !strings.HasPrefix(m.access, "hgrg_") {
				t.Errorf("answered %s", m.as)
			}
			for _, name := range []string{"redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types", "scope", "client_name", "dpop_bound_access_tokens"} {
				if m.as.body[name] == nil {
					t.Errorf("%s is not told", name)
				}
			}
			if again := m.read(); again.status != http.StatusOK || again.raw != m.as.raw {
				t.Errorf("read back %s\nwant %s", again, m.as)
			}
			want := http.StatusUnauthorized
			if c.want == consent.RecipientActive {
				want = http.StatusCreated
			}
			if a := m.push(); a.status != want {
				t.Errorf("PAR: %s, want %d", a, want)
			}
		})
	}
}

// What the operator's tool signs is what the server takes.
func TestOperatorsStatement(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	part := []byte(`{"client_name":"App","redirect_uris":["` + callback + `"],"scope":"` + basicScope + `","jwks":` + string(set(t, keys().ec.Public())) + `}`)
	claimed, err := authz.NewStatement(issuer, part, r.clock.now(), time.Hour)
	must(t, err)
	st, err := signer{t}.Sign(t.Context(), "ES256", authz.StatementType, claimed)
	must(t, err)
	m := r.enrol(st, nil)
	if m.status() != consent.RecipientActive || m.as.text("scope") != basicScope {
		t.Errorf("%s", m.as)
	}
	r.clock.advance(time.Hour)
	claimed["jti"] = "later"
	late, err := signer{t}.Sign(t.Context(), "ES256", authz.StatementType, claimed)
	must(t, err)
	if a := r.post(claims{"software_statement": late}); !a.is(http.StatusBadRequest, "invalid_software_statement") {
		t.Errorf("after its time: %s", a)
	}
}

// The operator's record replaces what a client registered, which then has no
// statement any more.
func TestClientAfterTheOperatorsRecord(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m := r.enrol(r.statement(fastDirectory, nil), nil)
	h, err := r.hasher.Hash(token.KindRegistration, m.access)
	must(t, err)
	reg, err := r.mem.Registration(t.Context(), h)
	must(t, err)
	record := []byte(`{"client_id":"` + m.id + `","client_name":"Newcomer","redirect_uris":["` + callback + `"],"jwks":` + string(set(t, keys().ec.Public())) + `}`)
	reg.Recipient, err = authz.Registration(record)
	must(t, err)
	reg.Record, err = authz.Registered(reg.Recipient, record)
	must(t, err)
	reg.StatementIssuer, reg.StatementID = "", ""
	must(t, r.mem.Update(t.Context(), reg))
	if a := m.put(nil); !a.is(http.StatusBadRequest, "invalid_software_statement") {
		t.Errorf("without a statement: %s", a)
	}
	st := r.statement(fastDirectory, nil)
	if a := m.put(func(b claims) { b["software_statement"] = st }); a.status != http.StatusOK || m.status() != consent.RecipientActive {
		t.Errorf("with a new one: %s", a)
	}
}

func TestRegistrationOnTheCertificateHost(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m := newMTLSWorld(t, func(c *authz.Config) {
		c.Registrations = c.Recipients.(*stores).Memory
		c.Directories = []authz.Directory{{Issuer: slowDirectory, Keys: certs.JWKS{Keys: []jose.JSONWebKey{{Key: keys().ec.Public()}}}}}
	})
	body, err := json.Marshal(claims{"software_statement": r.statement(slowDirectory, nil)})
	must(t, err)
	q := httptest.NewRequest(http.MethodPost, mtlsBase+"/register", strings.NewReader(string(body)))
	q.Header.Set("Content-Type", "application/json")
	if a := m.do(m.host, q); a.status != http.StatusCreated || !strings.HasPrefix(a.text("registration_client_uri"), issuer+"/register/") {
		t.Errorf("%s", a)
	}
}

func TestStatementTakesPrecedence(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m := r.enrol(r.statement(fastDirectory, nil), claims{
		"client_name": "The Bank", "redirect_uris": []string{"https://evil.example/cb"}, "jwks_uri": "https://evil.example/jwks",
		"role": "resource_server", "client_id": "app", "Client_Name": "The Bank", "unknown": claims{"a": 1}, "tos_uri": nil,
	})
	got, err := r.mem.Recipient(t.Context(), consent.RecipientID(m.id))
	must(t, err)
	if got.Name != "Newcomer" || !slices.Equal(got.RedirectURIs, []string{callback}) || got.JWKSURI != "" || got.Role != consent.RoleRecipient || m.id == "app" {
		t.Errorf("registered %+v", got)
	}
	for _, name := range []string{"jwks_uri", "role", "Client_Name", "unknown", "tos_uri"} {
		if _, ok := m.as.body[name]; ok {
			t.Errorf("%s came back", name)
		}
	}
}

func TestStatementsThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	slow := func(bend func(*jwt)) string { return r.statement(slowDirectory, bend) }
	claim := func(name string, value any) string { return slow(func(j *jwt) { j.claims[name] = value }) }
	head := func(name jose.HeaderKey, value any) string {
		return slow(func(j *jwt) { j.header[name] = value })
	}
	without := func(name string) string { return slow(func(j *jwt) { delete(j.claims, name) }) }
	now := r.clock.now()
	good := slow(nil)
	parts := strings.Split(good, ".")
	secret := func() string { // HS256 over the public key
		pub, _ := json.Marshal(jose.JSONWebKey{Key: keys().ec.Public()})
		return slow(func(j *jwt) { j.alg, j.key = jose.HS256, pub })
	}
	payload := func(text string) string { return slow(func(j *jwt) { j.payload = text }) }
	text, err := json.Marshal(claims{"iss": slowDirectory, "jti": "x", "iat": now.Unix(), "redirect_uris": []string{callback}})
	must(t, err)
	twice := strings.Replace(string(text), "{", `{"iss":"`+fastDirectory+`",`, 1)
	deep := strings.Replace(string(text), "{", `{"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`,`, 1)
	idToken, err := signer{t}.Sign(t.Context(), "ES256", "", claims{"iss": issuer, "jti": "1", "iat": now.Unix(), "client_name": "The Bank", "redirect_uris": []string{callback}})
	must(t, err)
	jwkOf := jose.JSONWebKey{Key: keys().otherEC.Public()}
	// Keys that a header brings or points to are never looked at.
	linked := func(name jose.HeaderKey, to string) string {
		return slow(func(j *jwt) { j.key, j.header[name] = keys().otherEC, to })
	}
	embedded := slow(func(j *jwt) { j.key, j.header["jwk"] = keys().otherEC, jwkOf })
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."

	for name, c := range map[string]struct {
		statement any
		code      string
	}{
		"expired":     {claim("exp", now.Add(-time.Second).Unix()), "invalid_software_statement"},
		"expired now": {claim("exp", now.Unix()), "invalid_software_statement"},
		"too old":     {slow(func(j *jwt) { j.claims["iat"] = now.Add(-authz.StatementLife).Unix(); delete(j.claims, "exp") }), "invalid_software_statement"},
		"too old, whatever exp says": {slow(func(j *jwt) {
			j.claims["iat"], j.claims["exp"] = now.Add(-authz.StatementLife).Unix(), now.Add(time.Hour).Unix()
		}), "invalid_software_statement"},
		"older than its directory says":  {r.statement(farDirectory, func(j *jwt) { j.claims["iat"] = now.Add(-time.Hour).Unix() }), "invalid_software_statement"},
		"from the future":                {claim("iat", now.Add(time.Minute).Unix()), "invalid_software_statement"},
		"not yet good":                   {claim("nbf", now.Add(time.Minute).Unix()), "invalid_software_statement"},
		"iat is a text":                  {claim("iat", "now"), "invalid_software_statement"},
		"exp is zero":                    {claim("exp", 0), "invalid_software_statement"},
		"without iat":                    {without("iat"), "invalid_software_statement"},
		"without jti":                    {without("jti"), "invalid_software_statement"},
		"without iss":                    {without("iss"), "invalid_software_statement"},
		"jti is a number":                {claim("jti", 7), "invalid_software_statement"},
		"jti is huge":                    {claim("jti", strings.Repeat("j", 300)), "invalid_software_statement"},
		"IAT in capitals":                {slow(func(j *jwt) { j.claims["IAT"] = j.claims["iat"]; delete(j.claims, "iat") }), "invalid_software_statement"},
		"for somebody else":              {claim("aud", "https://other.example"), "invalid_software_statement"},
		"for others":                     {claim("aud", []string{"https://other.example"}), "invalid_software_statement"},
		"aud is null":                    {claim("aud", nil), "invalid_software_statement"},
		"foreign issuer":                 {r.statement("https://unknown.example", nil), "unapproved_software_statement"},
		"signed by another":              {slow(func(j *jwt) { j.key = keys().otherEC }), "invalid_software_statement"},
		"signed by another directory":    {r.statement(farDirectory, func(j *jwt) { j.key = keys().otherEC }), "invalid_software_statement"},
		"in our name by a directory":     {r.statement(issuer, func(j *jwt) { j.header["typ"] = authz.StatementType }), "invalid_software_statement"},
		"another JWT of ours":            {idToken, "invalid_software_statement"},
		"of another type":                {head("typ", "at+jwt"), "invalid_software_statement"},
		"typ is a number":                {head("typ", 1), "invalid_software_statement"},
		"altered":                        {parts[0] + "." + base64.RawURLEncoding.EncodeToString(text) + "." + parts[2], "invalid_software_statement"},
		"truncated":                      {good[:len(good)-4], "invalid_software_statement"},
		"without signature":              {parts[0] + "." + parts[1] + ".", "invalid_software_statement"},
		"alg none":                       {none, "invalid_software_statement"},
		"HS256 over the public key":      {secret(), "invalid_software_statement"},
		"RS256":                          {slow(func(j *jwt) { j.alg, j.key = jose.RS256, keys().rsa }), "invalid_software_statement"},
		"with a key of its own":          {embedded, "invalid_software_statement"},
		"with a link to keys":            {linked("jku", "https://evil.example/jwks"), "invalid_software_statement"},
		"with a link to certificates":    {linked("x5u", "https://evil.example/x"), "invalid_software_statement"},
		"unknown crit":                   {slow(func(j *jwt) { j.header["crit"], j.header["hold"] = []string{"hold"}, 1 }), "invalid_software_statement"},
		"claims with a member twice":     {payload(twice), "invalid_software_statement"},
		"claims nested 1,000 deep":       {payload(deep), "invalid_software_statement"},
		"claims are an array":            {payload("[1]"), "invalid_software_statement"},
		"100 KiB":                        {strings.Repeat("a", 100<<10), "invalid_software_statement"},
		"five parts":                     {"a.b.c.d.e", "invalid_software_statement"},
		"not a string":                   {7, "invalid_software_statement"},
		"empty":                          {"", "invalid_software_statement"},
		"null":                           {nil, "invalid_software_statement"},
		"software_id is a list":          {claim("software_id", []string{"x"}), "invalid_software_statement"},
		"with a redirect that is no URI": {claim("redirect_uris", []string{"javascript:alert(1)"}), "invalid_redirect_uri"},
		"with metadata of another type":  {claim("scope", 7), "invalid_client_metadata"},
	} {
		if a := r.post(claims{"software_statement": c.statement}); !a.is(http.StatusBadRequest, c.code) {
			t.Errorf("%s: %s, want %s", name, a, c.code)
		}
	}
	if a := r.post(claims{"redirect_uris": []string{callback}}); !a.is(http.StatusBadRequest, "invalid_software_statement") {
		t.Errorf("none at all: %s", a)
	}
	// None of the refusals used up the one that they were made from.
	r.enrol(good, nil)
}

func TestStatementIsUsedOnce(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	st := r.statement(fastDirectory, nil)
	body, err := json.Marshal(claims{"software_statement": st})
	must(t, err)
	answers := make([]answer, 32)
	done := make(chan struct{})
	for i := range answers {
		h := r.protocol
		if i%2 == 1 {
			h = r.other
		}
		go func() {
			answers[i] = r.send(h, http.MethodPost, "/register", "", body)
			done <- struct{}{}
		}()
	}
	for range answers {
		<-done
	}
	won := 0
	for _, a := range answers {
		switch {
		case a.status == http.StatusCreated:
			won++
		case !a.is(http.StatusBadRequest, "invalid_software_statement"):
			t.Errorf("a loser: %s", a)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d registered, want 1", won, len(answers))
	}
	r.clock.advance(5 * time.Minute)
	if a := r.send(r.protocol, http.MethodPost, "/register", "", body); !a.is(http.StatusBadRequest, "invalid_software_statement") {
		t.Errorf("later: %s", a)
	}
	// The same jti of another directory is another statement.
	r.n--
	r.enrol(r.statement(slowDirectory, nil), nil)
}

func TestRegistrationBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	send := func(body string, bend func(*http.Request)) answer {
		q := httptest.NewRequest(http.MethodPost, issuer+"/register", strings.NewReader(body))
		q.Header.Set("Content-Type", "application/json")
		if bend != nil {
			bend(q)
		}
		return r.do(r.protocol, q)
	}
	good := func() string { return `{"software_statement":"` + r.statement(slowDirectory, nil) + `"}` }
	for name, c := range map[string]struct {
		body   string
		bend   func(*http.Request)
		status int
	}{
		"not JSON":        {"{", nil, 400},
		"an array":        {"[]", nil, 400},
		"empty":           {"", nil, 400},
		"a member twice":  {`{"a":1,"a":2}`, nil, 400},
		"1,000 deep":      {`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, nil, 400},
		"1 MiB":           {`{"a":"` + strings.Repeat("a", 1<<20) + `"}`, nil, 413},
		"just too large":  {`{"a":"` + strings.Repeat("a", 128<<10-7) + `"}`, nil, 413},
		"not UTF-8":       {"{\"a\":\"\xff\"}", nil, 400},
		"a form":          {good(), func(q *http.Request) { q.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 400},
		"no content type": {good(), func(q *http.Request) { q.Header.Del("Content-Type") }, 400},
		"compressed":      {good(), func(q *http.Request) { q.Header.Set("Content-Encoding", "gzip") }, 400},
		"a query":         {good(), func(q *http.Request) { q.URL.RawQuery = "a=b" }, 400},
	} {
		if a := send(c.body, c.bend); !a.is(c.status, "invalid_client_metadata") {
			t.Errorf("%s: %s, want %d", name, a, c.status)
		}
	}
	if a := send(good(), nil); a.status != http.StatusCreated {
		t.Errorf("a good one: %s", a)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		if a := r.send(r.protocol, method, "/register", "", nil); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, a)
		}
	}
}

func TestRegistrationTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m, other := r.enrol(r.statement(fastDirectory, nil), nil), r.enrol(r.statement(fastDirectory, nil), nil)
	tokens := r.client("app").tokens(nil)
	for name, h := range map[string]http.Header{
		"missing":               {},
		"another client's":      {"Authorization": {"Bearer " + other.access}},
		"altered":               {"Authorization": {"Bearer " + m.access[:len(m.access)-1] + "x"}},
		"truncated":             {"Authorization": {"Bearer " + m.access[:20]}},
		"unknown":               {"Authorization": {"Bearer " + newToken(r, token.KindRegistration)}},
		"an access token":       {"Authorization": {"Bearer " + tokens.text("access_token")}},
		"a refresh token":       {"Authorization": {"Bearer " + tokens.text("refresh_token")}},
		"twice":                 {"Authorization": {"Bearer " + m.access, "Bearer " + m.access}},
		"doubled":               {"Authorization": {"Bearer " + m.access + " " + m.access}},
		"of another scheme":     {"Authorization": {"DPoP " + m.access}},
		"without scheme":        {"Authorization": {m.access}},
		"empty":                 {"Authorization": {"Bearer "}},
		"in the wrong header":   {"X-Authorization": {"Bearer " + m.access}},
		"with a space too many": {"Authorization": {"Bearer  " + m.access}},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			q := httptest.NewRequest(method, issuer+m.path(), strings.NewReader(`{"client_id":"`+m.id+`"}`))
			q.Header = h.Clone()
			q.Header.Set("Content-Type", "application/json")
			a := r.do(r.protocol, q)
			if !a.is(http.StatusUnauthorized, "invalid_token") || a.header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
				t.Errorf("%s: %s: %s", name, method, a)
			}
		}
	}
	for _, id := range []string{"app", "nobody", other.id, m.id + "%00", strings.ToUpper(m.id)} {
		if a := r.send(r.protocol, http.MethodGet, "/register/"+id, m.access, nil); !a.is(http.StatusUnauthorized, "invalid_token") {
			t.Errorf("at %s: %s", id, a)
		}
	}
	if m.status() != consent.RecipientActive || m.read().status != http.StatusOK {
		t.Error("a refusal changed something")
	}
}

func newToken(r *registry, kind token.Kind) string {
	secret, _ := r.hasher.New(kind)
	return secret.Reveal()
}

func TestReplacingARegistration(t *testing.T) {
	t.Parallel()
	loose := func(j *jwt) {
		for _, name := range []string{"redirect_uris", "jwks", "client_name", "token_endpoint_auth_method"} {
			delete(j.claims, name)
		}
	}
	sent := claims{
		"client_name": "Newcomer", "redirect_uris": []string{callback, callback + "?b"}, "jwks": json.RawMessage(set(t, keys().ec.Public(), keys().rsa.Public())),
		"scope": basicScope + " fdx:balances:read", "duration_period": 90, "token_endpoint_auth_signing_alg": "ES256",
	}
	for name, c := range map[string]struct {
		bend func(claims)
		want consent.RecipientStatus
	}{
		"as it is":          {func(claims) {}, consent.RecipientActive},
		"fewer redirects":   {func(b claims) { b["redirect_uris"] = []string{callback} }, consent.RecipientActive},
		"fewer keys":        {func(b claims) { b["jwks"] = json.RawMessage(set(t, keys().ec.Public())) }, consent.RecipientActive},
		"fewer scopes":      {func(b claims) { b["scope"] = basicScope; delete(b, "purposes") }, consent.RecipientActive},
		"a shorter term":    {func(b claims) { b["duration_period"] = 30 }, consent.RecipientActive},
		"other contacts":    {func(b claims) { b["contacts"] = []string{"x@y.example"} }, consent.RecipientActive},
		"another algorithm": {func(b claims) { b["id_token_signed_response_alg"] = "PS256" }, consent.RecipientActive},
		"signed requests":   {func(b claims) { b["require_signed_request_object"] = true }, consent.RecipientActive},
		"a new redirect":    {func(b claims) { b["redirect_uris"] = []string{callback, "https://new.example/cb"} }, consent.RecipientPending},
		"a new key":         {func(b claims) { b["jwks"] = json.RawMessage(set(t, keys().otherEC.Public())) }, consent.RecipientPending},
		"keys by reference": {func(b claims) { delete(b, "jwks"); b["jwks_uri"] = "https://new.example/jwks" }, consent.RecipientPending},
		"a certificate": {func(b claims) {
			b["token_endpoint_auth_method"], b["tls_client_auth_san_dns"] = "tls_client_auth", "new.example"
			delete(b, "token_endpoint_auth_signing_alg")
		}, consent.RecipientPending},
		"another scope":         {func(b claims) { b["scope"] = basicScope + " fdx:transactions:read" }, consent.RecipientPending},
		"a longer term":         {func(b claims) { b["duration_period"] = 91 }, consent.RecipientPending},
		"another term":          {func(b claims) { b["duration_type"] = []string{"PERSISTENT"} }, consent.RecipientPending},
		"all scopes by leaving": {func(b claims) { delete(b, "scope"); delete(b, "purposes") }, consent.RecipientPending},
		"another name":          {func(b claims) { b["client_name"] = "The Bank" }, consent.RecipientPending},
		"another logo":          {func(b claims) { b["logo_uri"] = "https://bank.example/logo" }, consent.RecipientPending},
		"another home":          {func(b claims) { b["client_uri"] = "https://bank.example/" }, consent.RecipientPending},
		"another label": {func(b claims) {
			b["purposes"] = []claims{{"code": "general", "label": "Because", "clusters": []string{"BALANCES"}}}
		}, consent.RecipientPending},
		"another purpose": {func(b claims) {
			b["purposes"] = []claims{{"code": "x", "label": "y", "clusters": []string{"BALANCES"}}}
		}, consent.RecipientPending},
		"an intermediary":    {func(b claims) { b["intermediaries"] = []claims{{"name": "Middle"}} }, consent.RecipientPending},
		"client credentials": {func(b claims) { b["grant_types"] = []string{"authorization_code", "client_credentials"} }, consent.RecipientPending},
		"what the server gives": {func(b claims) {
			b["registration_access_token"], b["client_id_issued_at"], b["status"] = "x", 1, "active"
		}, consent.RecipientActive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(t)
			m := r.enrol(r.statement(slowDirectory, loose), sent)
			must(t, r.mem.Move(t.Context(), consent.RecipientID(m.id), consent.RecipientPending, consent.RecipientActive, time.Time{}))
			a := m.put(c.bend)
			if a.status != http.StatusOK || m.status() != c.want || a.text("status") != string(c.want) || a.text("registration_access_token") != m.access {
				t.Errorf("%s: %s, want %s", a, m.status(), c.want)
			}
			if told := len(r.cache.stopped) > 0; told != (c.want == consent.RecipientPending) {
				t.Errorf("the cache was told of %v", r.cache.stopped)
			}
			if again := m.read(); again.raw != a.raw {
				t.Errorf("read back %s\nwant %s", again, a)
			}
		})
	}
}

func TestReplacementsThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m := r.enrol(r.statement(slowDirectory, nil), nil)
	before := m.read().raw
	for name, c := range map[string]struct {
		bend func(claims)
		code string
	}{
		"without client_id":     {func(b claims) { delete(b, "client_id") }, "invalid_client_metadata"},
		"another client_id":     {func(b claims) { b["client_id"] = "app" }, "invalid_client_metadata"},
		"client_id is a number": {func(b claims) { b["client_id"] = 7 }, "invalid_client_metadata"},
		"a client secret":       {func(b claims) { b["client_secret"] = "s" }, "invalid_client_metadata"},
		"a bad scope":           {func(b claims) { b["scope"] = "x" }, "invalid_client_metadata"},
		"a secret method": {func(b claims) {
			b["token_endpoint_auth_method"] = "client_secret_basic"
			delete(b, "software_statement")
		}, ""},
		"a statement of another": {func(b claims) { b["software_statement"] = r.statement(fastDirectory, nil) }, "invalid_software_statement"},
		"a statement about other software": {func(b claims) {
			b["software_statement"] = r.statement(slowDirectory, func(j *jwt) { j.claims["software_id"] = "software-2" })
		}, "invalid_software_statement"},
		"a statement that was used": {func(b claims) {
			st := r.statement(slowDirectory, nil)
			r.enrol(st, nil)
			b["software_statement"] = st
		}, "invalid_software_statement"},
		"a forged statement": {func(b claims) {
			b["software_statement"] = r.statement(slowDirectory, func(j *jwt) { j.key = keys().otherEC })
		}, "invalid_software_statement"},
	} {
		a := m.put(c.bend)
		if c.code == "" { // the statement has the last word
			if a.status != http.StatusOK || a.text("token_endpoint_auth_method") != "private_key_jwt" {
				t.Errorf("%s: %s", name, a)
			}
			continue
		}
		if !a.is(http.StatusBadRequest, c.code) {
			t.Errorf("%s: %s, want %s", name, a, c.code)
		}
	}
	if after := m.read().raw; after != before {
		t.Errorf("a refusal changed %s\nto %s", before, after)
	}
}

// A client that its directory vouches for brings the change in a statement.
func TestNewStatementApprovesAChange(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m := r.enrol(r.statement(fastDirectory, nil), nil)
	moved := r.statement(fastDirectory, func(j *jwt) { j.claims["redirect_uris"] = []string{"https://new.example/cb"} })
	if a := m.put(func(b claims) { b["software_statement"] = moved }); a.status != http.StatusOK || m.status() != consent.RecipientActive || a.text("software_statement") != moved {
		t.Errorf("%s, is %s", a, m.status())
	}
	if a := m.put(func(b claims) {
		b["purposes"] = []claims{{"code": "x", "label": "y", "clusters": []string{"BALANCES"}}}
	}); m.status() != consent.RecipientPending {
		t.Errorf("an addition of its own: %s, is %s", a, m.status())
	}
	if a := m.put(func(b claims) { delete(b, "purposes") }); m.status() != consent.RecipientActive {
		t.Errorf("taken back: %s, is %s", a, m.status())
	}
	if a := m.put(func(b claims) { b["duration_period"] = 30 }); m.status() != consent.RecipientActive {
		t.Errorf("narrowed: %s, is %s", a, m.status())
	}
	// A statement vouches as long as it is good.
	r.clock.advance(time.Hour)
	if a := m.put(func(b claims) { b["duration_period"] = 60 }); a.status != http.StatusOK || m.status() != consent.RecipientPending {
		t.Errorf("widened after the statement expired: %s, is %s", a, m.status())
	}
}

func TestSuspendedClientChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m := r.enrol(r.statement(fastDirectory, nil), nil)
	must(t, r.mem.Move(t.Context(), consent.RecipientID(m.id), consent.RecipientActive, consent.RecipientSuspended, time.Time{}))
	if a := m.put(nil); !a.is(http.StatusForbidden, "access_denied") {
		t.Errorf("PUT: %s", a)
	}
	if a := m.read(); a.status != http.StatusOK || a.text("status") != "suspended" {
		t.Errorf("GET: %s", a)
	}
	if a := m.delete(); a.status != http.StatusNoContent || m.status() != consent.RecipientClosed {
		t.Errorf("DELETE: %s", a)
	}
}

func TestDeletingARegistration(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m := r.enrol(r.statement(fastDirectory, nil), nil)
	c := r.client(m.id)
	tokens := c.tokens(nil)
	for range 250 {
		g := consenttest.NewGrant("consumer-bob", r.clock.now())
		g.Recipient = consent.RecipientID(m.id)
		must(t, r.mem.Create(t.Context(), g))
	}
	left := 120
	r.stores.before = func(call string) error {
		if call != "End" {
			return nil
		}
		if left--; left < 0 {
			return fmt.Errorf("store: %w", consent.ErrUnavailable)
		}
		return nil
	}
	if a := m.delete(); !a.is(http.StatusServiceUnavailable, "temporarily_unavailable") || m.status() != consent.RecipientSuspended {
		t.Fatalf("broken off: %s, is %s", a, m.status())
	}
	if told := r.cache.stopped; !slices.Equal(told, []consent.RecipientID{consent.RecipientID(m.id)}) {
		t.Errorf("the cache was told of %v", told)
	}
	if a := c.refresh(tokens.text("refresh_token"), nil); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("refresh while it closes: %s", a)
	}
	r.stores.before = nil
	a := m.delete()
	if a.status != http.StatusNoContent || a.raw != "" || m.status() != consent.RecipientClosed {
		t.Fatalf("repeated: %s, is %s", a, m.status())
	}
	if g := r.grant(); g.Status != consent.StatusRevoked || g.EndedBy != consent.ActorRecipient {
		t.Errorf("grant: %s by %s", g.Status, g.EndedBy)
	}
	if ids, err := r.mem.ActiveGrants(t.Context(), consent.RecipientID(m.id), "", 1); err != nil || len(ids) > 0 {
		t.Errorf("left: %v (%v)", ids, err)
	}
	if r.usable(tokens.text("access_token")) {
		t.Error("an access token works")
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		if a := r.send(r.protocol, method, m.path(), m.access, []byte(`{}`)); !a.is(http.StatusUnauthorized, "invalid_token") {
			t.Errorf("%s of a closed one: %s", method, a)
		}
	}
	if a := m.push(); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("PAR: %s", a)
	}
}

func TestUpdateLosesAgainstTheOperator(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m := r.enrol(r.statement(fastDirectory, nil), nil)
	body := m.read().body
	text, err := json.Marshal(body)
	must(t, err)
	r.stores.before = func(call string) error {
		if call == "Update" {
			r.stores.before = nil
			return r.mem.Move(t.Context(), consent.RecipientID(m.id), consent.RecipientActive, consent.RecipientSuspended, time.Time{})
		}
		return nil
	}
	if a := r.send(r.protocol, http.MethodPut, m.path(), m.access, text); !a.is(http.StatusConflict, "invalid_client_metadata") || m.status() != consent.RecipientSuspended {
		t.Errorf("%s, is %s", a, m.status())
	}
}

func TestRegistrationWhileStoresAreDown(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m := r.enrol(r.statement(fastDirectory, nil), nil)
	st := r.statement(slowDirectory, nil)
	for call, act := range map[string]func() answer{
		"Register":     func() answer { return r.post(claims{"software_statement": st}) },
		"Registration": m.read,
		"Update":       func() answer { return m.put(nil) },
		"Move":         m.delete,
	} {
		r.stores.before = failing(call, consent.ErrUnavailable)
		if a := act(); !a.is(http.StatusServiceUnavailable, "temporarily_unavailable") {
			t.Errorf("%s: %s", call, a)
		}
		r.stores.before = failing(call, errors.New("broken"))
		if a := act(); !a.is(http.StatusInternalServerError, "server_error") {
			t.Errorf("%s broken: %s", call, a)
		}
		r.stores.before = nil
	}
	if m.status() != consent.RecipientActive {
		t.Error("a failure changed something")
	}
	r.enrol(st, nil) // the failures did not use it up
	r.keys.refuse = true
	if a := r.post(claims{"software_statement": r.statement(farDirectory, nil)}); !a.is(http.StatusServiceUnavailable, "temporarily_unavailable") {
		t.Errorf("no keys of the directory: %s", a)
	}
}

// Only the keys of directories are fetched to register; what the client
// names is not looked at (SSRF).
func TestRegistrationFetchesNothingOfTheClient(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	st := r.statement(slowDirectory, func(j *jwt) { delete(j.claims, "jwks") })
	r.keys.refuse = true
	r.enrol(st, claims{
		"jwks_uri": "https://169.254.169.254/latest", "token_endpoint_auth_signing_alg": "ES256",
		"logo_uri": "https://127.0.0.1/logo", "client_uri": "https://10.0.0.1/", "tos_uri": "https://localhost/tos",
	})
	if r.keys.fetched != 0 {
		t.Errorf("%d fetches", r.keys.fetched)
	}
	for _, address := range []string{"http://keys.example/jwks", "file:///etc/passwd", "https://u:p@keys.example/", "//keys.example", "gopher://x/"} {
		st := r.statement(slowDirectory, func(j *jwt) { delete(j.claims, "jwks") })
		if a := r.post(claims{"software_statement": st, "jwks_uri": address, "token_endpoint_auth_signing_alg": "ES256"}); !a.is(http.StatusBadRequest, "invalid_client_metadata") {
			t.Errorf("%s: %s", address, a)
		}
	}
}

func TestRegistrationIsOfferedWhenConfigured(t *testing.T) {
	t.Parallel()
	without, with := newWorld(t), newRegistry(t)
	document := func(w *world) answer {
		return w.do(w.protocol, httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil))
	}
	if got := document(without).body["registration_endpoint"]; got != nil {
		t.Errorf("without: %v", got)
	}
	if a := without.do(without.protocol, httptest.NewRequest(http.MethodPost, "/register", nil)); a.status != http.StatusNotFound {
		t.Errorf("without: %s", a)
	}
	if got := document(with.world).text("registration_endpoint"); got != issuer+"/register" {
		t.Errorf("with: %s", got)
	}
}

func TestRestrictedClient(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	m := r.enrol(r.statement(fastDirectory, nil), nil)
	c := r.client(m.id)
	tokens := c.tokens(nil)
	must(t, r.mem.Move(t.Context(), consent.RecipientID(m.id), consent.RecipientActive, consent.RecipientRestricted, time.Time{}))
	if a := m.push(); !a.is(http.StatusBadRequest, "unauthorized_client") {
		t.Errorf("PAR: %s", a)
	}
	if a := c.refresh(tokens.text("refresh_token"), nil); a.status != http.StatusOK {
		t.Errorf("refresh: %s", a)
	}
	if !r.usable(tokens.text("access_token")) {
		t.Error("its reads stopped")
	}
}

func TestResourceServerObtainsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, err := authz.Registration([]byte(`{"client_id":"rs","role":"resource_server","scope":"` + basicScope + `","jwks":` + string(set(t, keys().ec.Public())) + `}`))
	must(t, err)
	if r.Role != consent.RoleResourceServer || len(r.Scopes) != 1 || len(r.Purposes) != 0 {
		t.Errorf("registered %+v", r)
	}
	must(t, w.mem.PutRecipient(t.Context(), r))
	c := w.client("rs")
	if a := c.push(nil); !a.is(http.StatusBadRequest, "unauthorized_client") {
		t.Errorf("PAR: %s", a)
	}
	for _, grant := range []string{"authorization_code", "refresh_token", "client_credentials"} {
		f := c.redemption("x")
		f.Set("grant_type", grant)
		if a := w.post("/token", c.signed(f), c.proof("/token", nil)); !a.is(http.StatusBadRequest, "unauthorized_client") {
			t.Errorf("%s: %s", grant, a)
		}
	}
}

func TestDirectoriesAreChecked(t *testing.T) {
	t.Parallel()
	good := certs.JWKS{Keys: []jose.JSONWebKey{{Key: keys().ec.Public()}}}
	for name, list := range map[string][]authz.Directory{
		"no issuer":      {{Keys: good}},
		"our own issuer": {{Issuer: issuer, Keys: good}},
		"one twice":      {{Issuer: "a", Keys: good}, {Issuer: "a", Keys: good}},
		"no keys":        {{Issuer: "a"}},
		"keys twice":     {{Issuer: "a", Keys: good, JWKSURI: "https://a.example"}},
		"http":           {{Issuer: "a", JWKSURI: "http://a.example"}},
		"backwards":      {{Issuer: "a", Keys: good, MaxAge: -1}},
	} {
		newWorldWith(t, func(c *authz.Config) {
			bad := *c
			bad.Directories, bad.KeySets = list, &keyServer{}
			if _, err := authz.New(bad); err == nil {
				t.Errorf("%s: accepted", name)
			}
		})
	}
}

func FuzzSoftwareStatement(f *testing.F) {
	r := newRegistry(f)
	f.Add([]byte(`{"alg":"ES256","typ":"JWT"}`), []byte(`{"iss":"`+slowDirectory+`","jti":"1","iat":1795262400,"redirect_uris":["`+callback+`"]}`))
	f.Add([]byte(`{"alg":"ES256","typ":"application/software-statement+jwt","crit":["b64"],"b64":false}`), []byte(`{"iss":"`+issuer+`"}`))
	f.Add([]byte(`{"alg":"none"}`), []byte(`{}`))
	f.Add([]byte(`{"alg":"PS256","jwk":{"kty":"RSA"}}`), []byte(`[[[[[[[[[[]]]]]]]]]]`))
	f.Add([]byte(`{"alg":"EdDSA","alg":"HS256"}`), []byte(`{"exp":-1e300,"iat":null}`))
	f.Fuzz(func(t *testing.T, head, payload []byte) {
		enc := base64.RawURLEncoding.EncodeToString
		body, err := json.Marshal(claims{"software_statement": enc(head) + "." + enc(payload) + "." + enc(make([]byte, 64))})
		must(t, err)
		a := r.send(r.protocol, http.MethodPost, "/register", "", body)
		if a.status != http.StatusBadRequest {
			t.Errorf("unsigned: %s", a)
		}
	})
}
