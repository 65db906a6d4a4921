package api_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/api"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/token"
)

// noon is when the tests take place.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	interactionID = "0f3a7c52-6a1e-4b7d-9c3e-1f2a3b4c5d6e"
	app           = consent.RecipientID("app")
	other         = consent.RecipientID("other")
)

// truth is the clients' tokens and the memory of proofs.
type truth struct {
	mu     sync.Mutex
	tokens map[token.Hash]token.ClientAccess
	spent  map[[32]byte]bool
	down   error
}

func (d *truth) ClientAccess(_ context.Context, h token.Hash) (token.ClientAccess, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.tokens[h]
	if !ok || !noon.Before(a.ExpiresAt) {
		return token.ClientAccess{}, token.ErrNotFound
	}
	return a, d.down
}

func (d *truth) Spend(_ context.Context, proofs ...token.Proof) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range proofs {
		if d.spent[p.Key] {
			return &token.ReplayedError{Key: p.Key}
		}
		d.spent[p.Key] = true
	}
	return nil
}

// front is the API behind TLS with everything in memory.
type front struct {
	truth  *truth
	grants *consenttest.Memory
	hasher *token.Hasher
	server *httptest.Server
	log    *bytes.Buffer // read it after the requests only
	base   string
	// serving are the operations that the API has.
	serving []openapi.Operation
}

// open starts an API; change may replace parts of its config and of its
// service first.
func open(t *testing.T, change func(*api.Config, *consent.ServiceConfig)) *front {
	t.Helper()
	now := func() time.Time { return noon }
	f := &front{
		truth:  &truth{tokens: map[token.Hash]token.ClientAccess{}, spent: map[[32]byte]bool{}},
		grants: consenttest.NewMemory(now), log: &bytes.Buffer{}, server: httptest.NewUnstartedServer(nil),
	}
	var err error
	if f.hasher, err = token.NewHasher([]token.Key{{ID: "k1", Secret: bytes.Repeat([]byte{1}, 32)}}); err != nil {
		t.Fatal(err)
	}
	proofs, err := dpop.New(dpop.Config{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	f.base = "https://" + f.server.Listener.Addr().String()
	c := api.Config{
		Public: f.base, Log: slog.New(slog.NewJSONHandler(f.log, nil)), Now: now,
		Hasher: f.hasher, Proofs: proofs, Clients: bearer.Clients{Tokens: f.truth, Guard: f.truth},
		Grants: f.grants, PageKeys: [][]byte{bytes.Repeat([]byte{7}, 32)},
	}
	sc := consent.ServiceConfig{Store: f.grants}
	if change != nil {
		change(&c, &sc)
	}
	if c.Stop == nil {
		if c.Stop, err = consent.NewService(sc); err != nil {
			t.Fatal(err)
		}
	}
	a, err := api.New(c)
	if err != nil {
		t.Fatal(err)
	}
	f.serving = a.Serving()
	f.server.Config.Handler = a.Handler()
	f.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	f.server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	f.server.EnableHTTP2 = true
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	return f
}

// grant stores a grant of alice to app.
func (f *front) grant(t *testing.T, id string, change func(*consent.Grant)) consent.GrantID {
	t.Helper()
	g := consenttest.NewGrant("alice", noon.Add(-time.Hour))
	g.Recipient, g.Parties = app, []consent.Party{
		{
			Name: "App", Type: consent.PartyRecipient, HomeURI: "https://app.example", LogoURI: "https://app.example/logo.png",
			Registry: "GLEIF", RegisteredEntityName: "App Ltd", RegisteredEntityID: "5493001KJTIIGC8Y1R12",
		},
		{
			Name: "Bank", Type: consent.PartyProvider, HomeURI: "https://bank.example",
			Registry: "PRIVATE", RegisteredEntityName: "Bank plc", RegisteredEntityID: "bank",
		},
	}
	if id != "" {
		g.ID = consent.GrantID(id)
	}
	if change != nil {
		change(&g)
	}
	if err := f.grants.Create(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	return g.ID
}

// client is a recipient with its key or certificate and a token of its own.
type client struct {
	f      *front
	key    ed25519.PrivateKey
	http   *http.Client
	token  string
	scheme string
}

var scopes = []string{token.ScopeGrantQuery, token.ScopeGrantRevoke}

// client returns a client with a token bound to its key; change may spoil the
// token.
func (f *front) client(who consent.RecipientID, change func(*token.ClientAccess)) *client {
	c := &client{f: f, scheme: "DPoP", http: f.server.Client()}
	_, c.key, _ = ed25519.GenerateKey(rand.Reader)
	return c.issue(who, func(a *token.ClientAccess) {
		a.KeyThumbprint = c.thumbprint()
		if change != nil {
			change(a)
		}
	})
}

// certified returns a client with a token bound to its certificate.
func (f *front) certified(t *testing.T, who consent.RecipientID) *client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	transport := f.server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	t.Cleanup(transport.CloseIdleConnections)
	c := &client{f: f, scheme: "Bearer", http: &http.Client{Transport: transport}}
	_, c.key, _ = ed25519.GenerateKey(rand.Reader)
	return c.issue(who, func(a *token.ClientAccess) { a.CertThumbprint = certs.CertificateThumbprint(cert) })
}

func (c *client) issue(who consent.RecipientID, change func(*token.ClientAccess)) *client {
	secret, hash := c.f.hasher.New(token.KindClient)
	c.token = secret.Reveal()
	a := token.ClientAccess{Hash: hash, Recipient: who, Scopes: scopes, IssuedAt: noon, ExpiresAt: noon.Add(time.Minute)}
	change(&a)
	c.f.truth.mu.Lock()
	defer c.f.truth.mu.Unlock()
	c.f.truth.tokens[hash] = a
	return c
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (c *client) jwk() string {
	return `{"crv":"Ed25519","kty":"OKP","x":"` + b64(c.key.Public().(ed25519.PublicKey)) + `"}`
}

func (c *client) thumbprint() string {
	sum := sha256.Sum256([]byte(c.jwk()))
	return b64(sum[:])
}

func (c *client) proof(method, path string, change func(map[string]any)) string {
	ath := sha256.Sum256([]byte(c.token))
	path, _, _ = strings.Cut(path, "?")
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": c.f.base + path, "iat": noon.Unix(), "ath": b64(ath[:])}
	if change != nil {
		change(claims)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	input := b64([]byte(`{"typ":"dpop+jwt","alg":"EdDSA","jwk":`+c.jwk()+`}`)) + "." + b64(payload)
	return input + "." + b64(ed25519.Sign(c.key, []byte(input)))
}

// request is a good request; rows of tests spoil it.
func (c *client) request(method, path, body string) *http.Request {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, c.f.base+path, reader)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", c.scheme+" "+c.token)
	r.Header.Set("x-fapi-interaction-id", interactionID)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.scheme == "DPoP" {
		r.Header.Set("DPoP", c.proof(method, path, nil))
	}
	return r
}

// reply is what a client got.
type reply struct {
	status int
	header http.Header
	body   string
}

func (a reply) code() string {
	var e struct{ Code string }
	_ = json.Unmarshal([]byte(a.body), &e) // an answer is no error
	return e.Code
}

// do sends a request and holds the answer against the API document.
func (c *client) do(t *testing.T, r *http.Request) reply {
	t.Helper()
	res, err := c.http.Do(r)
	if err != nil {
		t.Error(err)
		return reply{}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	got := reply{res.StatusCode, res.Header, string(body)}
	c.f.hold(t, r, got)
	return got
}

func (c *client) get(t *testing.T, path string) reply {
	t.Helper()
	return c.do(t, c.request("GET", path, ""))
}

const (
	consents = "/fdx/v6/consents"
	forApp   = `{"reason":"BUSINESS_RULE","initiator":"DATA_RECIPIENT"}`
	forAlice = `{"reason":"USER_ACTION","initiator":"INDIVIDUAL"}`
)

func at(id consent.GrantID) string           { return consents + "/" + string(id) }
func revocationOf(id consent.GrantID) string { return at(id) + "/revocation" }

func (c *client) put(t *testing.T, id consent.GrantID, body string) reply {
	t.Helper()
	return c.do(t, c.request("PUT", revocationOf(id), body))
}

// status returns the state of a grant in the store.
func (f *front) status(t *testing.T, id consent.GrantID) consent.Status {
	t.Helper()
	g, err := f.grants.Grant(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return g.Status
}
