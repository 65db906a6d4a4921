package resource_test

import (
	"bytes"
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
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// noon is when the tests take place, unless they move the clock.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	interactionID = "0f3a7c52-6a1e-4b7d-9c3e-1f2a3b4c5d6e"
	consumer      = consent.ConsumerID("alice")
	stranger      = consent.ConsumerID("bob")
)

// clock is a clock that tests move. Safe for concurrent use.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// front is a gateway behind TLS with an in-memory bank and truth.
type front struct {
	clock   *clock
	bank    *resourcetest.Bank
	truth   *resourcetest.Truth
	hasher  *token.Hasher
	config  resource.Config
	gateway *resource.Gateway
	server  *httptest.Server
	log     *bytes.Buffer // read it after the requests only
	base    string
}

// open starts a gateway; change may replace parts of its config first.
func open(t testing.TB, change func(*resource.Config)) *front {
	t.Helper()
	f := &front{clock: &clock{at: noon}, bank: &resourcetest.Bank{}, log: &bytes.Buffer{}}
	f.truth = resourcetest.NewTruth(f.clock.now)
	var err error
	if f.hasher, err = token.NewHasher([]token.Key{{ID: "k1", Secret: bytes.Repeat([]byte{1}, 32)}}); err != nil {
		t.Fatal(err)
	}
	proofs, err := dpop.New(dpop.Config{Now: f.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	f.server = httptest.NewUnstartedServer(nil)
	f.base = "https://" + f.server.Listener.Addr().String()
	f.config = resource.Config{
		Public: f.base, Issuer: "https://auth.example", Instance: "one",
		Log: slog.New(slog.NewJSONHandler(f.log, nil)), Now: f.clock.now,
		Hasher: f.hasher, Proofs: proofs, Tokens: f.truth,
		Provider: f.bank, Gate: f.truth, PageKeys: [][]byte{bytes.Repeat([]byte{7}, 32)},
	}
	if change != nil {
		change(&f.config)
	}
	g, err := resource.New(f.config)
	if err != nil {
		t.Fatal(err)
	}
	f.gateway = g
	f.server.Config.Handler = g.Handler()
	f.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	f.server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	f.server.EnableHTTP2 = true
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	f.fill()
	return f
}

// fill gives Alice three accounts and Bob one.
func (f *front) fill() {
	describe := func(id, name string) fdx.AccountDescriptor {
		return fdx.AccountDescriptor{
			AccountID: fdx.AccountID(id), AccountNumberDisplay: "****" + id[len(id)-1:], ProductName: name,
			Status: fdx.StatusOpen, Currency: fdx.Currency{CurrencyCode: "USD"},
		}
	}
	var movements []fdx.Transaction
	for i, days := range []int{0, 0, 1, 3, 10, 40} {
		at := fdx.TimestampOf(noon.AddDate(0, 0, -days))
		b := fdx.TransactionBase{
			TransactionID: fdx.TransactionID("t" + string(rune('a'+i))), TransactionTimestamp: at, PostedTimestamp: at,
			Description: "Corner shop & sons", DebitCreditMemo: fdx.Debit, Status: fdx.Posted, Amount: fdx.NewDecimal(1995, 2),
		}
		if i == 0 {
			b.PostedTimestamp, b.Status = fdx.Timestamp{}, fdx.Pending
		}
		if i == 1 {
			b.ImageIDs, b.Links = []fdx.ImageID{"img/1"}, elsewhere()
			b.LineItems = []fdx.LineItem{{Memo: "cheque", ImageIDs: []fdx.ImageID{"img-2"}, Links: elsewhere()}}
			b.Reward = fdx.TransactionReward{CategoryID: "food", Accrued: fdx.NewDecimal(19, 0)}
		}
		movements = append(movements, fdx.Transaction{Deposit: &fdx.DepositTransaction{TransactionBase: b}})
	}
	f.bank.Open(consumer, fdx.Account{Deposit: &fdx.DepositAccount{
		AccountDescriptor: describe("acc-1", "Everyday"), AccountType: fdx.Checking,
		CurrentBalance: fdx.NewDecimal(123456, 2), AvailableBalance: fdx.NewDecimal(120000, 2),
	}}, movements...)
	f.bank.Open(consumer, fdx.Account{LineOfCredit: &fdx.LineOfCreditAccount{
		AccountDescriptor: describe("acc-2", "Card"),
		CurrentBalance:    fdx.NewDecimal(5000, 2),
		Bills:             []fdx.Bill{{TotalPaymentDue: fdx.NewDecimal(5000, 2)}},
	}})
	f.bank.Open(consumer, fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: describe("acc-3", "Not shared")}})
	f.bank.Open(stranger, fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: describe("acc-9", "Of somebody else")}})
	closed := describe("acc-5", "Closed")
	closed.Status = fdx.StatusClosed
	f.bank.Open(consumer, fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: closed}})
	f.furnish()
}

var (
	full  = fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Bills, fdx.Transactions)
	basic = fdx.NewClusters(fdx.AccountBasic)
)

// share is a grant on the first two accounts, unless change says otherwise.
func share(change func(*consent.Share)) consent.Share {
	s := consent.Share{
		Grant: consent.NewGrantID(), Epoch: 1, Recipient: "app", Consumer: consumer, Status: consent.StatusActive,
		ExpiresAt: noon.AddDate(1, 0, 0), LookbackDays: 90,
		Accounts: []consent.AccountShare{{ID: "acc-1", Clusters: full}, {ID: "acc-2", Clusters: full}},
	}
	if change != nil {
		change(&s)
	}
	return s
}

// app is a recipient with its key, its certificate and one token.
type app struct {
	f      *front
	key    ed25519.PrivateKey
	cert   tls.Certificate
	client *http.Client // sends the certificate
	token  string
	live   token.Live
	scheme string
}

// app returns a recipient with a DPoP-bound token for s.
func (f *front) app(t testing.TB, s consent.Share, change func(*token.Access)) *app {
	t.Helper()
	a := &app{f: f, scheme: "DPoP", client: f.server.Client()}
	_, a.key, _ = ed25519.GenerateKey(rand.Reader)
	return a.issue(s, func(access *token.Access) {
		access.KeyThumbprint = a.thumbprint()
		if change != nil {
			change(access)
		}
	})
}

// certApp returns a recipient with a certificate-bound token for s.
func (f *front) certApp(t testing.TB, s consent.Share) *app {
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
	a := &app{f: f, scheme: "Bearer", cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	_, a.key, _ = ed25519.GenerateKey(rand.Reader)
	transport := f.server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = []tls.Certificate{a.cert}
	t.Cleanup(transport.CloseIdleConnections)
	a.client = &http.Client{Transport: transport}
	return a.issue(s, func(access *token.Access) { access.CertThumbprint = certs.CertificateThumbprint(cert) })
}

func (a *app) issue(s consent.Share, bind func(*token.Access)) *app {
	secret, hash := a.f.hasher.New(token.KindAccess)
	a.token = secret.Reveal()
	var clusters fdx.Clusters
	for _, account := range s.Accounts {
		clusters = clusters.Union(account.Clusters)
	}
	a.live = token.Live{Share: s, Access: token.Access{
		Hash: hash, Grant: s.Grant, Recipient: s.Recipient, Scopes: fdx.ScopesOf(clusters),
		IssuedAt: noon, ExpiresAt: noon.Add(15 * time.Minute),
	}}
	bind(&a.live.Access)
	a.f.truth.Issue(a.live)
	return a
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *app) jwk() string {
	return `{"crv":"Ed25519","kty":"OKP","x":"` + b64(a.key.Public().(ed25519.PublicKey)) + `"}`
}

func (a *app) thumbprint() string {
	sum := sha256.Sum256([]byte(a.jwk()))
	return b64(sum[:])
}

// proof makes a DPoP proof; change may spoil its claims.
func (a *app) proof(method, url string, change func(map[string]any)) string {
	ath := sha256.Sum256([]byte(a.token))
	claims := map[string]any{
		"jti": rand.Text(), "htm": method, "htu": url, "iat": a.f.clock.now().Unix(), "ath": b64(ath[:]),
	}
	if change != nil {
		change(claims)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	input := b64([]byte(`{"typ":"dpop+jwt","alg":"EdDSA","jwk":`+a.jwk()+`}`)) + "." + b64(payload)
	return input + "." + b64(ed25519.Sign(a.key, []byte(input)))
}

// request is a good request for target; rows of tests spoil it.
func (a *app) request(target string) *http.Request {
	r, err := http.NewRequest("GET", a.f.base+target, nil)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", a.scheme+" "+a.token)
	r.Header.Set("x-fapi-interaction-id", interactionID)
	if a.scheme == "DPoP" {
		path, _, _ := strings.Cut(a.f.base+target, "?")
		r.Header.Set("DPoP", a.proof("GET", path, nil))
	}
	return r
}

// answer is what a recipient got.
type answer struct {
	status int
	header http.Header
	body   string
}

// code returns the FDX error code, "" for an answer with data.
func (a answer) code() string {
	var e struct{ Code string }
	_ = json.Unmarshal([]byte(a.body), &e) // data is no error
	return e.Code
}

func (a *app) do(t *testing.T, r *http.Request) answer {
	t.Helper()
	res, err := a.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func (a *app) get(t *testing.T, target string) answer {
	t.Helper()
	return a.do(t, a.request(target))
}

// given fails the test unless the answer is data.
func given(t *testing.T, a answer) answer {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return a
}
