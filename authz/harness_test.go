package authz_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/authz/authztest"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
)

const (
	issuer      = "https://as.example"
	browserBase = "https://bank.example"
	callback    = "https://app.example/cb"
	verifier    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
	basicScope  = "fdx:accountbasic:read"
)

// world is one authorization server over stores in memory. Every answer it
// gives is held to what must be true of all answers, and what it hands out
// must never turn up in its log.
type world struct {
	t        testing.TB
	mem      *authztest.Memory
	stores   *stores
	hasher   *token.Hasher
	clock    *clock
	cache    *cache
	cfg      authz.Config
	server   *authz.Server
	protocol http.Handler
	browser  http.Handler

	mu      sync.Mutex // guards log and secrets
	log     bytes.Buffer
	secrets []string
}

// clock is the one clock of a world.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func newWorld(t testing.TB) *world { return newWorldWith(t, nil) }

func newWorldWith(t testing.TB, bend func(*authz.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{}}
	w.cache = &cache{now: w.clock.now, held: map[token.Hash]cacheEntry{}, ended: map[consent.GrantID]int64{}}
	w.clock.at.Store(time.Date(2026, 11, 21, 12, 0, 0, 400_000_000, time.UTC).UnixNano())
	w.mem = authztest.NewMemory(w.clock.now)
	w.stores = &stores{Memory: w.mem}
	var err error
	w.hasher, err = token.NewHasher([]token.Key{{ID: "k1", Secret: bytes.Repeat([]byte("s"), 32)}})
	must(t, err)
	stop, err := consent.NewService(consent.ServiceConfig{Store: w.stores, Cache: w.cache, After: w.cache.after})
	must(t, err)
	proofs, err := dpop.New(dpop.Config{Now: w.clock.now})
	must(t, err)
	c := authz.Config{
		Issuer: issuer, BrowserBase: browserBase,
		Recipients: w.stores, Authorizations: w.stores, Requests: w.stores, Tokens: w.stores, Guard: w.stores, Switch: w.stores,
		Hasher: w.hasher, Stop: stop, DPoP: proofs,
		Keys: signer{t}, Subjects: bytes.Repeat([]byte("p"), 32),
		Provider: consent.Party{Name: "Bank", Type: consent.PartyProvider},
		Browsers: browsers{}, Pages: pages{}, Cache: w.cache,
		Log: slog.New(slog.NewJSONHandler(w, nil)), Now: w.clock.now,
	}
	if bend != nil {
		bend(&c)
	}
	s, err := authz.New(c)
	must(t, err)
	w.cfg, w.server = c, s
	w.protocol, err = s.Protocol()
	must(t, err)
	w.browser, err = s.Browser()
	must(t, err)
	for _, r := range recipients(t) {
		must(t, w.mem.PutRecipient(t.Context(), r))
	}
	t.Cleanup(w.checkLog)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Write receives the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// secret notes what must not be logged.
func (w *world) secret(s string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets = append(w.secrets, s)
	return s
}

// checkLog looks for secrets in the log and begins a new one.
func (w *world) checkLog() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.secrets {
		if s != "" && strings.Contains(w.log.String(), s) {
			w.t.Errorf("a secret is in the log: %.20s...", s)
		}
	}
	w.secrets = nil
	w.log.Reset()
}

// stores passes every call on, after before has seen its name and let it
// pass.
type stores struct {
	*authztest.Memory
	before func(call string) error
	// amend, when set, changes a request before it is kept.
	amend func(*token.Pushed)
	// ahead is by how much the store's clock is ahead of the server's when it
	// says what time it is.
	ahead time.Duration
}

func (s *stores) pass(call string) error {
	if s.before == nil {
		return nil
	}
	return s.before(call)
}

// failing makes the named call fail.
func failing(call string, err error) func(string) error {
	return func(c string) error {
		if c == call {
			return fmt.Errorf("store: %w", err)
		}
		return nil
	}
}

func guarded[T any](s *stores, call string, f func() (T, error)) (T, error) {
	if err := s.pass(call); err != nil {
		var none T
		return none, err
	}
	return f()
}

// Recipient fails, as a database would, on text that is none.
func (s *stores) Recipient(ctx context.Context, id consent.RecipientID) (consent.Recipient, error) {
	if strings.Contains(string(id), "\x00") || !utf8.ValidString(string(id)) {
		return consent.Recipient{}, errors.New("store: invalid byte sequence")
	}
	return guarded(s, "Recipient", func() (consent.Recipient, error) { return s.Memory.Recipient(ctx, id) })
}
func (s *stores) SharingOff(ctx context.Context, who consent.ConsumerID) (time.Time, error) {
	return guarded(s, "SharingOff", func() (time.Time, error) { return s.Memory.SharingOff(ctx, who) })
}
func (s *stores) Grant(ctx context.Context, id consent.GrantID) (consent.Grant, error) {
	return guarded(s, "Grant", func() (consent.Grant, error) { return s.Memory.Grant(ctx, id) })
}
func (s *stores) GrantOfRecipient(ctx context.Context, who consent.RecipientID, id consent.GrantID) (consent.Grant, error) {
	return guarded(s, "Grant", func() (consent.Grant, error) { return s.Memory.GrantOfRecipient(ctx, who, id) })
}
func (s *stores) End(ctx context.Context, e consent.End) (consent.Grant, error) {
	return guarded(s, "End", func() (consent.Grant, error) { return s.Memory.End(ctx, e) })
}
func (s *stores) EndOfRecipient(ctx context.Context, who consent.RecipientID, e consent.End) (consent.Grant, error) {
	return guarded(s, "End", func() (consent.Grant, error) { return s.Memory.EndOfRecipient(ctx, who, e) })
}
func (s *stores) Open(ctx context.Context, a consent.Authorization) (consent.Authorization, error) {
	return guarded(s, "Open", func() (consent.Authorization, error) { return s.Memory.Open(ctx, a) })
}
func (s *stores) Authorization(ctx context.Context, id consent.AuthorizationID, browser string) (consent.Authorization, error) {
	return guarded(s, "Authorization", func() (consent.Authorization, error) { return s.Memory.Authorization(ctx, id, browser) })
}
func (s *stores) Pushed(ctx context.Context, h token.Hash) (token.Pushed, error) {
	return guarded(s, "Pushed", func() (token.Pushed, error) { return s.Memory.Pushed(ctx, h) })
}
func (s *stores) Opened(ctx context.Context, h token.Hash) (token.Pushed, error) {
	return guarded(s, "Opened", func() (token.Pushed, error) { return s.Memory.Opened(ctx, h) })
}
func (s *stores) Code(ctx context.Context, h token.Hash) (token.Code, error) {
	return guarded(s, "Code", func() (token.Code, error) { return s.Memory.Code(ctx, h) })
}
func (s *stores) Redeem(ctx context.Context, r token.Redemption) (consent.Grant, error) {
	return guarded(s, "Redeem", func() (consent.Grant, error) { return s.Memory.Redeem(ctx, r) })
}
func (s *stores) Refresh(ctx context.Context, h token.Hash) (token.Refresh, error) {
	return guarded(s, "Refresh", func() (token.Refresh, error) { return s.Memory.Refresh(ctx, h) })
}
func (s *stores) PresentedCode(ctx context.Context, who consent.RecipientID, h token.Hash) (token.Presented, error) {
	return guarded(s, "PresentedCode", func() (token.Presented, error) { return s.Memory.PresentedCode(ctx, who, h) })
}
func (s *stores) PresentedRefresh(ctx context.Context, who consent.RecipientID, h token.Hash) (token.Presented, error) {
	return guarded(s, "PresentedRefresh", func() (token.Presented, error) { return s.Memory.PresentedRefresh(ctx, who, h) })
}
func (s *stores) ClientAccess(ctx context.Context, h token.Hash) (token.ClientAccess, error) {
	return guarded(s, "ClientAccess", func() (token.ClientAccess, error) { return s.Memory.ClientAccess(ctx, h) })
}
func (s *stores) IssueClient(ctx context.Context, a token.ClientAccess, spend ...token.Proof) error {
	if err := s.pass("IssueClient"); err != nil {
		return err
	}
	return s.Memory.IssueClient(ctx, a, spend...)
}
func (s *stores) Renew(ctx context.Context, h token.Hash, a token.Access, spend ...token.Proof) (consent.Grant, error) {
	return guarded(s, "Renew", func() (consent.Grant, error) { return s.Memory.Renew(ctx, h, a, spend...) })
}
func (s *stores) Push(ctx context.Context, p token.Pushed, spend ...token.Proof) error {
	if err := s.pass("Push"); err != nil {
		return err
	}
	if s.amend != nil {
		s.amend(&p)
	}
	return s.Memory.Push(ctx, p, spend...)
}
func (s *stores) Approve(ctx context.Context, a token.Approval) error {
	if err := s.pass("Approve"); err != nil {
		return err
	}
	return s.Memory.Approve(ctx, a)
}
func (s *stores) Refuse(ctx context.Context, h token.Hash, a consent.Authorization) error {
	if err := s.pass("Refuse"); err != nil {
		return err
	}
	return s.Memory.Refuse(ctx, h, a)
}
func (s *stores) Spend(ctx context.Context, proofs ...token.Proof) error {
	if err := s.pass("Spend"); err != nil {
		return err
	}
	return s.Memory.Spend(ctx, proofs...)
}
func (s *stores) Live(ctx context.Context, h token.Hash) (token.Live, error) {
	return guarded(s, "Live", func() (token.Live, error) {
		live, err := s.Memory.Live(ctx, h)
		live.At = live.At.Add(s.ahead)
		return live, err
	})
}
func (s *stores) RevokeClient(ctx context.Context, who consent.RecipientID, h token.Hash) error {
	if err := s.pass("RevokeClient"); err != nil {
		return err
	}
	return s.Memory.RevokeClient(ctx, who, h)
}
func (s *stores) RevokeAccess(ctx context.Context, who consent.RecipientID, h token.Hash) (consent.GrantID, int64, error) {
	if err := s.pass("RevokeAccess"); err != nil {
		return "", 0, err
	}
	return s.Memory.RevokeAccess(ctx, who, h)
}
func (s *stores) RevokeRefresh(ctx context.Context, who consent.RecipientID, h token.Hash) (consent.GrantID, int64, error) {
	if err := s.pass("RevokeRefresh"); err != nil {
		return "", 0, err
	}
	return s.Memory.RevokeRefresh(ctx, who, h)
}

// cache is a Cache on the clock of a world. It remembers what it was told, how
// long its caller would have waited, and what for after it could not be told.
type cache struct {
	now func() time.Time

	mu       sync.Mutex // guards everything below
	told     []consent.GrantID
	stopped  []consent.RecipientID
	patience time.Duration
	err      error // of Ended and Stopped
	waited   []time.Duration
	cold     bool // cannot be asked
	held     map[token.Hash]cacheEntry
	ended    map[consent.GrantID]int64
}

type cacheEntry struct {
	live token.Live
	at   time.Time
}

func (c *cache) Stopped(_ context.Context, id consent.RecipientID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = append(c.stopped, id)
	if c.err != nil {
		return c.err
	}
	for h, e := range c.held {
		if e.live.Share.Recipient == id {
			delete(c.held, h)
		}
	}
	return nil
}

func (c *cache) Ended(ctx context.Context, id consent.GrantID, epoch int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if end, bounded := ctx.Deadline(); bounded {
		c.patience = time.Until(end)
	}
	c.told = append(c.told, id)
	if c.err == nil {
		c.ended[id] = max(c.ended[id], epoch)
	}
	return c.err
}

// after passes the long wait at once, and never the pause between attempts.
func (c *cache) after(d time.Duration) <-chan time.Time {
	if d < consent.Freshness {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waited = append(c.waited, d)
	over := make(chan time.Time)
	close(over)
	return over
}

func (c *cache) Recent(ctx context.Context, h token.Hash, read func(context.Context) (token.Live, error)) (token.Live, error) {
	at := c.now()
	c.mu.Lock()
	e, ok := c.held[h]
	ok = ok && !c.cold && at.Sub(e.at) <= consent.Freshness && c.ended[e.live.Share.Grant] <= e.live.Share.Epoch
	c.mu.Unlock()
	if ok {
		e.live.At = at
		return e.live, nil
	}
	live, err := read(ctx)
	if err == nil {
		c.mu.Lock()
		c.held[h] = cacheEntry{live, at}
		c.mu.Unlock()
	}
	return live, err
}

// browsers takes the browser from a header of the test.
type browsers struct{}

type browserKey struct{}

func (browsers) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), browserKey{}, r.Header.Get("X-Browser"))))
	})
}
func (browsers) Browser(ctx context.Context) string { return ctx.Value(browserKey{}).(string) }

// pages writes the least that can be told apart.
type pages struct{}

func (pages) Path(id consent.AuthorizationID, s consent.Step) string {
	return "/page/" + string(id) + "/" + string(s)
}
func (pages) Problem(w http.ResponseWriter, _ *http.Request, p authz.Problem) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": p.Code, "error_description": p.Text, "app": p.AppName, "back": p.BackURI,
		"retry": p.RetryURI, "locales": strings.Join(p.UILocales, " ")})
}

// keys are made once: RSA takes its time.
var keys = sync.OnceValue(func() (k struct {
	ec, otherEC *ecdsa.PrivateKey
	rsa         *rsa.PrivateKey
	ed          ed25519.PrivateKey
}) {
	var errs [4]error
	k.ec, errs[0] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.otherEC, errs[1] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.rsa, errs[2] = rsa.GenerateKey(rand.Reader, 2048)
	_, k.ed, errs[3] = ed25519.GenerateKey(rand.Reader)
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
	return k
})

// set is a JWKS; its keys are named 1, 2 and so on.
func set(t testing.TB, public ...any) []byte {
	t.Helper()
	var s jose.JSONWebKeySet
	for i, k := range public {
		s.Keys = append(s.Keys, jose.JSONWebKey{Key: k, KeyID: fmt.Sprint(i + 1)})
	}
	b, err := json.Marshal(s)
	must(t, err)
	return b
}

// recipients are the registrations of every world.
func recipients(t testing.TB) []consent.Recipient {
	t.Helper()
	register := func(id string, more string, public ...any) consent.Recipient {
		r, err := authz.Registration([]byte(`{"client_id":"` + id + `","client_name":"` + id + ` Inc","client_uri":"https://app.example",
			"redirect_uris":["` + callback + `","` + callback + `?dummy1=lorem&dummy2=ipsum","http://127.0.0.1:9/cb","http://[::1]:9/cb"],
			"jwks":` + string(set(t, public...)) + more + `}`))
		must(t, err)
		return r
	}
	k := keys()
	app := register("app", `,"token_endpoint_auth_signing_alg":"ES256"`, k.ec.Public(), k.rsa.Public())
	other := register("other", "", k.rsa.Public())
	ed := register("ed", "", k.ed.Public())
	narrow := register("narrow", `,"scope":"fdx:accountbasic:read fdx:transactions:read","duration_period":90,"lookback_period":365,
		"duration_type":["TIME_BOUND"],"purposes":[{"code":"budgeting","label":"b","clusters":["ACCOUNT_BASIC","TRANSACTIONS"]},
		{"code":"lending","label":"l","clusters":["ACCOUNT_BASIC"]}]`, k.ec.Public())
	suspended := register("suspended", "", k.ec.Public())
	suspended.Status = consent.RecipientSuspended
	tls := register("tls", "", k.ec.Public())
	tls.AuthMethod = consent.TLSClientAuth
	old := register("old", "", k.rsa.Public())
	old.AssertionAlg = "RS256" // as no registration would have it
	return []consent.Recipient{app, other, ed, narrow, suspended, tls, old}
}

// client is one recipient: its keys, and each step of a flow as a value that
// a test bends.
type client struct {
	w   *world
	id  string
	alg jose.SignatureAlgorithm
	key any
	// holder is the DPoP key.
	holder any
	n      *atomic.Int64
}

func (w *world) client(id string) client {
	c := client{w: w, id: id, alg: jose.ES256, key: keys().ec, holder: keys().ec, n: new(atomic.Int64)}
	switch id {
	case "other":
		c.alg, c.key = jose.PS256, keys().rsa
	case "ed":
		c.alg, c.key, c.holder = jose.EdDSA, keys().ed, keys().ed
	case "old":
		c.alg, c.key = jose.RS256, keys().rsa
	}
	return c
}

// with returns the client holding another DPoP key.
func (c client) with(holder any) client { c.holder = holder; return c }

type claims = map[string]any

// jwt is a JWS about to be made.
type jwt struct {
	alg    jose.SignatureAlgorithm
	key    any
	header map[jose.HeaderKey]any
	claims claims
	// payload, when set, is signed in place of the claims.
	payload string
}

func (j jwt) sign(t testing.TB) string {
	t.Helper()
	o := jose.SignerOptions{ExtraHeaders: j.header}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: j.alg, Key: j.key}, &o)
	must(t, err)
	payload := []byte(j.payload)
	if j.payload == "" {
		payload, err = json.Marshal(j.claims)
		must(t, err)
	}
	jws, err := s.Sign(payload)
	must(t, err)
	text, err := jws.CompactSerialize()
	must(t, err)
	return text
}

func (c client) fresh(prefix string) string {
	return fmt.Sprintf("%s-%s-%p-%d", prefix, c.id, c.n, c.n.Add(1))
}

// assertion returns a good client assertion, bent.
func (c client) assertion(bend func(*jwt)) string {
	now := c.w.clock.now()
	j := jwt{alg: c.alg, key: c.key, header: map[jose.HeaderKey]any{}, claims: claims{
		"iss": c.id, "sub": c.id, "aud": issuer, "jti": c.fresh("a"), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}}
	if bend != nil {
		bend(&j)
	}
	return c.w.secret(j.sign(c.w.t))
}

// signed adds client authentication to a form.
func (c client) signed(form url.Values) url.Values {
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", c.assertion(nil))
	return form
}

// proof returns a DPoP header for a path, bent.
func (c client) proof(path string, bend func(*jwt)) http.Header {
	held := jose.JSONWebKey{Key: c.holder}
	public := held.Public()
	j := jwt{
		alg: jose.SignatureAlgorithm(certs.Algorithm(public)), key: c.holder,
		header: map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": public},
		claims: claims{"jti": c.fresh("p"), "htm": "POST", "htu": issuer + path, "iat": c.w.clock.now().Unix()},
	}
	if bend != nil {
		bend(&j)
	}
	return http.Header{"Dpop": {c.w.secret(j.sign(c.w.t))}}
}

// thumbprint is that of the public part of a key.
func thumbprint(t testing.TB, key any) string {
	t.Helper()
	jkt, err := certs.Thumbprint(jose.JSONWebKey{Key: key})
	must(t, err)
	return jkt
}

func challengeOf(verifier string) string {
	h := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// request is a good authorization request.
func (c client) request() url.Values {
	return url.Values{
		"response_type": {"code"}, "redirect_uri": {callback}, "scope": {basicScope}, "state": {"st"},
		"code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}
}

// push pushes a request, bent.
func (c client) push(bend func(url.Values)) answer {
	f := c.request()
	if bend != nil {
		bend(f)
	}
	return c.w.post("/par", c.signed(f), nil)
}

func (c client) pushed(bend func(url.Values)) string {
	c.w.t.Helper()
	a := c.push(bend)
	if a.status != http.StatusCreated {
		c.w.t.Fatalf("a good request was answered %s", a)
	}
	return c.w.secret(a.text("request_uri"))
}

// front is what the app puts into the address.
func (c client) front(uri string) url.Values {
	return url.Values{"client_id": {c.id}, "request_uri": {uri}}
}

// code lets alice approve a request, bent, and returns the code.
func (c client) code(bend func(url.Values)) string {
	c.w.t.Helper()
	back := c.w.person("alice").approve(c.front(c.pushed(bend)))
	if back.Get("code") == "" {
		c.w.t.Fatalf("no code came back: %v", back)
	}
	return back.Get("code")
}

func (c client) redemption(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
}

// redeem redeems a code, bent.
func (c client) redeem(code string, bend func(url.Values)) answer {
	f := c.redemption(code)
	if bend != nil {
		bend(f)
	}
	return c.w.post("/token", c.signed(f), c.proof("/token", nil))
}

// tokens runs a whole flow.
func (c client) tokens(bend func(url.Values)) answer {
	c.w.t.Helper()
	a := c.redeem(c.code(bend), nil)
	if a.status != http.StatusOK {
		c.w.t.Fatalf("a good code was answered %s", a)
	}
	return a
}

// refresh uses a refresh token, bent.
func (c client) refresh(secret string, bend func(url.Values)) answer {
	f := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {secret}}
	if bend != nil {
		bend(f)
	}
	return c.w.post("/token", c.signed(f), c.proof("/token", nil))
}

func (c client) revoke(secret string) answer {
	return c.w.post("/revoke", c.signed(url.Values{"token": {secret}}), nil)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	raw    string
	body   claims
}

func (a answer) text(name string) string { s, _ := a.body[name].(string); return s }
func (a answer) code() string            { return a.text("error") }
func (a answer) String() string          { return fmt.Sprintf("%d %s", a.status, a.raw) }

// is reports the whole of a refusal.
func (a answer) is(status int, code string) bool { return a.status == status && a.code() == code }

// post sends a form to the protocol handler.
func (w *world) post(path string, form url.Values, header http.Header) answer {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	maps.Copy(r.Header, header)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.do(w.protocol, r)
}

// do sends a request and holds the answer to what is true of all.
func (w *world) do(h http.Handler, r *http.Request) answer {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), raw: rec.Body.String()}
	if rec.Body.Len() > 0 {
		kind := a.header.Get("Content-Type")
		if kind == "application/token-introspection+jwt" && a.status == http.StatusOK {
			return a
		}
		if kind != "application/json" {
			w.t.Errorf("content type %s", kind)
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &a.body); err != nil {
			w.t.Errorf("answer is not a JSON object: %s", a)
		}
	}
	if a.header.Get("Cache-Control") != "no-store" && !strings.HasPrefix(r.URL.Path, "/.well-known/") && r.URL.Path != "/jwks" {
		w.t.Errorf("an answer may be stored: %s", a)
	}
	if a.header.Get("X-Content-Type-Options") != "nosniff" {
		w.t.Errorf("an answer may be sniffed: %s", a)
	}
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			w.t.Errorf("answer carries %s", name)
		}
	}
	if a.status >= 400 {
		for _, name := range []string{"error", "error_description"} {
			text := a.text(name)
			if text == "" || !plainText(text) {
				w.t.Errorf("%s is not plain: %s", name, a)
			}
		}
	}
	if again := a.header.Get("Retry-After"); (again != "") != (a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests) {
		w.t.Errorf("Retry-After %q: %s", again, a)
	}
	for _, name := range []string{"access_token", "refresh_token", "request_uri"} {
		w.secret(a.text(name))
	}
	return a
}

// plainText reports what may stand in error_description (RFC 6749 section
// 4.1.2.1).
func plainText(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' })
}

// person is somebody with a browser.
type person struct {
	w    *world
	name string
}

func (w *world) person(name string) person { return person{w, name} }

// get loads an address of the browser host.
func (p person) get(address string) answer {
	p.w.t.Helper()
	r := httptest.NewRequest(http.MethodGet, address, nil)
	r.Header.Set("X-Browser", p.name)
	a := p.w.do(p.w.browser, r)
	if a.header.Get("Strict-Transport-Security") == "" || a.header.Get("Referrer-Policy") != "no-referrer" {
		p.w.t.Errorf("page without protection: %v", a.header)
	}
	if location := a.header.Get("Location"); (location != "") != (a.status == http.StatusSeeOther) {
		p.w.t.Errorf("status %d with location %q", a.status, location)
	}
	return a
}

func (p person) open(query url.Values) answer {
	p.w.t.Helper()
	return p.get("/authorize?" + query.Encode())
}

// journey opens a request and returns the id of the decision.
func (p person) journey(query url.Values) consent.AuthorizationID {
	p.w.t.Helper()
	a := p.open(query)
	parts := strings.Split(a.header.Get("Location"), "/")
	if a.status != http.StatusSeeOther || len(parts) != 4 || parts[1] != "page" || parts[3] != "login" {
		p.w.t.Fatalf("the request did not open: %s %v", a, parts)
	}
	return consent.AuthorizationID(parts[2])
}

// decide does what the pages do.
func (p person) decide(id consent.AuthorizationID, d consent.Decision) {
	p.w.t.Helper()
	a, err := p.w.mem.Authorization(p.w.t.Context(), id, p.name)
	must(p.w.t, err)
	a.Consumer, a.AuthenticatedAt = consent.ConsumerID("consumer-"+p.name), p.w.clock.now()
	a.Accounts, a.Decision = []fdx.AccountID{"acc-1", "acc-2"}, d
	a.Disclosure = consent.Disclosure{Version: "2026-11", Locale: "en", Text: "You share."}
	_, err = p.w.mem.Replace(p.w.t.Context(), a)
	must(p.w.t, err)
}

// resume goes back to the dispatcher.
func (p person) resume(id consent.AuthorizationID) answer {
	p.w.t.Helper()
	return p.get("/authorize/" + string(id))
}

// approve runs the whole journey and returns what the app is told.
func (p person) approve(query url.Values) url.Values {
	p.w.t.Helper()
	return p.finish(query, consent.Approved)
}

func (p person) finish(query url.Values, d consent.Decision) url.Values {
	p.w.t.Helper()
	id := p.journey(query)
	p.decide(id, d)
	return p.w.back(p.resume(id))
}

// back reads the parameters of a redirect to the app.
func (w *world) back(a answer) url.Values {
	w.t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	must(w.t, err)
	if u.Fragment != "" || a.status != http.StatusSeeOther || !strings.HasPrefix(u.String(), callback+"?") {
		w.t.Fatalf("not a redirect to the app: %s %s", a, u)
	}
	q := u.Query()
	w.secret(q.Get("code"))
	for _, name := range []string{"error", "error_description"} {
		if !plainText(q.Get(name)) {
			w.t.Errorf("%s is not plain: %s", name, q.Get(name))
		}
	}
	return q
}

// grants are the grants that alice gave.
func (w *world) grants() []consent.Grant {
	w.t.Helper()
	all, err := w.mem.GrantsOf(w.t.Context(), "consumer-alice")
	must(w.t, err)
	return all
}

// grant is the one grant that alice gave.
func (w *world) grant() consent.Grant {
	w.t.Helper()
	all := w.grants()
	if len(all) != 1 {
		w.t.Fatalf("%d grants, want 1", len(all))
	}
	return all[0]
}

// live looks an access token up as the gateway does.
func (w *world) live(secret string) token.Live {
	w.t.Helper()
	h, err := w.hasher.Hash(token.KindAccess, secret)
	must(w.t, err)
	l, err := w.mem.Live(w.t.Context(), h)
	must(w.t, err)
	return l
}

// usable reports whether the gateway would take an access token.
func (w *world) usable(secret string) bool { return w.live(secret).Active(w.clock.now()) }

// only reports whether v has exactly these members.
func only[T any](v map[string]T, names ...string) bool {
	slices.Sort(names)
	return slices.Equal(slices.Sorted(maps.Keys(v)), names)
}

// signer signs as the server, with the harness's own keys.
type signer struct{ t testing.TB }

// Public has one key per algorithm.
func (s signer) Public() []byte {
	var jwks jose.JSONWebKeySet
	for _, alg := range s.Algorithms() {
		k := serverKey(s.t, alg)
		jwks.Keys = append(jwks.Keys, k.Public())
	}
	b, err := json.Marshal(jwks)
	must(s.t, err)
	return b
}

func (signer) Algorithms() []string { return []string{"ES256", "PS256", "EdDSA"} }

func (s signer) Sign(_ context.Context, alg, typ string, claims any) (string, error) {
	if !slices.Contains(s.Algorithms(), alg) {
		return "", fmt.Errorf("no key for %s", alg)
	}
	var o jose.SignerOptions
	if typ != "" {
		o.WithType(jose.ContentType(typ))
	}
	js, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: serverKey(s.t, alg)}, &o)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := js.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func serverKey(t testing.TB, alg string) jose.JSONWebKey {
	k := jose.JSONWebKey{Key: serverKeys()[alg], Algorithm: alg, Use: "sig"}
	var err error
	k.KeyID, err = certs.Thumbprint(k)
	must(t, err)
	return k
}

// serverKeys are the server's private keys by algorithm, made once.
var serverKeys = sync.OnceValue(func() map[string]any {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	ps, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]any{"ES256": ec, "PS256": ps, "EdDSA": ed}
})
