package e2e

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/dev"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/mail"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/services"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource/sandbox"
)

// deployment is two instances of each server, wired by the constructors that
// production uses, on one database and one Redis. The public addresses are
// those of the first instances; a client of via reaches either.
type deployment struct {
	dsn   string
	redis *services.Redis
	db    *postgres.DB // the test's own view
	sql   *sql.DB      // and one below the stores
	bank  *sandbox.Store

	issuer, pages, public    string
	mtls                     string    // public address for clients with certificates
	protocol, browsers, data [2]string // addresses of the sockets
	certified                [2]string // and of those for certificates
	ca                       *devca.CA
	roots                    *tls.Config
	hasher                   *token.Hasher
	log                      *logBuffer // of all four
	apps                     map[string]jose.JSONWebKeySet
	metrics                  []string // where they are, when the deployment is watched
	mail                     mail.Mailbox
}

// logBuffer is what processes have logged. Safe for concurrent use.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// instances names the gateways in access records.
var instances = [2]string{"gateway-a", "gateway-b"}

func deploy(t *testing.T) *deployment {
	t.Helper()
	return deployWith(t, func(*authzd.Config, *gatewayd.Config) {})
}

// deployWatched is deploy with metrics at that address and traces sent to that
// collector.
func deployWatched(t *testing.T, metrics, collector string) *deployment {
	t.Helper()
	return deployWith(t, func(ac *authzd.Config, gc *gatewayd.Config) {
		ac.ListenMetrics, ac.OTLPEndpoint, ac.TracePercent = metrics, collector, 100
		gc.ListenMetrics, gc.OTLPEndpoint, gc.TracePercent = metrics, collector, 100
	})
}

// deployWith deploys after change has had its way with the settings.
func deployWith(t *testing.T, change func(*authzd.Config, *gatewayd.Config)) *deployment {
	t.Helper()
	d := &deployment{dsn: env.Postgres(t), redis: testenv.Redis(t), log: &logBuffer{}}
	dir := t.TempDir()
	pair, ca := certificates(t, dir)
	d.roots, d.ca = trust(t, ca), ca
	keys, err := dev.Keys(filepath.Join(dir, "keys"))
	must(t, err)
	d.db, d.sql, d.bank = openStores(t, d.dsn, keys.SealKeys)
	d.hasher = hasherOf(t, keys.HashKeys)
	dsnFile, redisFile := filepath.Join(dir, "dsn"), filepath.Join(dir, "redis")
	must(t, certs.WritePrivate(dsnFile, []byte(d.dsn)))
	must(t, certs.WritePrivate(redisFile, []byte(d.redis.URL())))
	d.apps = register(t, d.db, "alpha", "beta")

	var sockets [8]net.Listener
	for i := range sockets {
		sockets[i] = listen(t)
	}
	for i := range 2 {
		d.protocol[i], d.browsers[i], d.data[i] = address(sockets[i]), address(sockets[2+i]), address(sockets[4+i])
		d.certified[i] = address(sockets[6+i])
	}
	d.issuer, d.pages, d.public = "https://"+d.protocol[0], "https://"+d.browsers[0], "https://"+d.data[0]
	d.mtls = "https://" + d.certified[0]
	log := slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for i := range 2 {
		ac := authzd.Config{
			Issuer: d.issuer, BrowserBase: d.pages, MTLSBase: d.mtls, ClientCAFile: ca.File(), TLSCertFile: pair.CertFile, TLSKeyFile: pair.KeyFile,
			PostgresDSNFile: dsnFile, PostgresConns: 8, RedisURLFile: redisFile, BankDSNFile: dsnFile,
			HashKeysFile: keys.HashKeys, SigningKeysFile: keys.SigningKeys, SealKeysFile: keys.SealKeys, SubjectKeyFile: keys.SubjectKey, BankName: "Meadow Bank", TimeZone: "UTC",
		}
		gc := gatewayd.Config{
			Public: d.public, Issuer: d.issuer, Instance: instances[i], TLSCertFile: pair.CertFile, TLSKeyFile: pair.KeyFile,
			ClientCAFile: ca.File(), PostgresDSNFile: dsnFile, PostgresConns: 8, RedisURLFile: redisFile, BankDSNFile: dsnFile,
			HashKeysFile: keys.HashKeys, PageKeysFile: keys.PageKeys,
		}
		change(&ac, &gc)
		a, err := authzd.New(t.Context(), ac, log, authzd.WithMailbox(&d.mail))
		must(t, err)
		t.Cleanup(a.Close)
		run(t, func(ctx context.Context) error { return a.Run(ctx, sockets[i], sockets[2+i], sockets[6+i]) })
		g, err := gatewayd.New(t.Context(), gc, log)
		must(t, err)
		t.Cleanup(g.Close)
		if gc.ListenMetrics != "" {
			d.metrics = append(d.metrics, "http://"+a.MetricsAddress()+"/metrics", "http://"+g.MetricsAddress()+"/metrics")
		}
		run(t, func(ctx context.Context) error { return g.Run(ctx, sockets[4+i]) })
	}
	return d
}

func openStores(t *testing.T, dsn, sealKeys string) (*postgres.DB, *sql.DB, *sandbox.Store) {
	t.Helper()
	sealer, err := certs.LoadSealer(sealKeys)
	must(t, err)
	db, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn, MaxConns: 8, Sealer: sealer, Name: "e2e"})
	must(t, err)
	t.Cleanup(db.Close)
	raw, err := sql.Open("pgx", dsn) // the driver comes with the sandbox
	must(t, err)
	raw.SetMaxOpenConns(8)
	t.Cleanup(func() { _ = raw.Close() })
	bank, err := sandbox.Open(t.Context(), dsn)
	must(t, err)
	t.Cleanup(bank.Close)
	return db, raw, bank
}

func certificates(t *testing.T, dir string) (devca.Pair, *devca.CA) {
	t.Helper()
	ca, err := devca.Open(devca.Config{Dir: filepath.Join(dir, "ca")})
	must(t, err)
	pair, err := ca.Server()
	must(t, err)
	return pair, ca
}

func trust(t *testing.T, ca *devca.CA) *tls.Config {
	t.Helper()
	roots, err := recipient.Stack{CAFile: ca.File()}.TLS()
	must(t, err)
	return roots
}

func hasherOf(t *testing.T, file string) *token.Hasher {
	t.Helper()
	text, err := certs.ReadPrivate(file)
	must(t, err)
	keys, err := token.ParseKeys(text)
	must(t, err)
	h, err := token.NewHasher(keys)
	must(t, err)
	return h
}

// register makes recipients the way an operator does: the first one signs
// with ES256, the others with EdDSA.
func register(t *testing.T, db *postgres.DB, ids ...string) map[string]jose.JSONWebKeySet {
	t.Helper()
	sets := map[string]jose.JSONWebKeySet{}
	for i, id := range ids {
		var key crypto.Signer
		var err error
		if i == 0 {
			key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		} else {
			_, key, err = ed25519.GenerateKey(rand.Reader)
		}
		must(t, err)
		public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1"}}})
		must(t, err)
		record, err := json.Marshal(map[string]any{
			"client_id": id, "client_name": appName(id), "client_uri": "https://" + id + ".example/",
			"redirect_uris": []string{callback(id)}, "jwks": json.RawMessage(public),
			"duration_type": []string{"TIME_BOUND", "ONE_TIME"},
		})
		must(t, err)
		r, err := authz.Registration(record)
		must(t, err)
		must(t, db.Recipients().PutRecipient(t.Context(), r))
		sets[id] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "1"}}}
	}
	return sets
}

func appName(id string) string  { return "App " + strings.ToUpper(id) }
func callback(id string) string { return "https://" + id + ".example/callback" }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// address is how certificates name this machine.
func address(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "localhost:" + port
}

// run runs a server until the test ends.
func run(t *testing.T, serve func(context.Context) error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error("a server ended with", err)
		}
	})
}

// via returns a client whose every connection goes to one socket, whatever
// the address says: a load balancer that always chooses the same instance.
func via(t *testing.T, address string, roots *tls.Config) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: roots.Clone(), ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Timeout: 30 * time.Second, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// both returns a client for each of two instances.
func (d *deployment) both(t *testing.T, sockets [2]string) [2]*http.Client {
	return [2]*http.Client{via(t, sockets[0], d.roots), via(t, sockets[1], d.roots)}
}

// send sends a signed request as it is, once.
func send(ctx context.Context, c *http.Client, r *recipient.Request) (*recipient.Response, error) {
	var body io.Reader
	if r.Form != nil {
		body = strings.NewReader(r.Form.Encode())
	} else if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, r.Header)
	return receive(c.Do(req))
}

func receive(resp *http.Response, err error) (*recipient.Response, error) {
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(resp.Body)
	return &recipient.Response{Status: resp.StatusCode, Header: resp.Header, Body: text}, err
}

// client returns a registered recipient that talks to the first instances.
func (d *deployment) client(t *testing.T, id string) *recipient.Client {
	t.Helper()
	c, err := recipient.Connect(t.Context(), recipient.Config{
		Issuer: d.issuer, GatewayBase: d.public + "/fdx/v6", ClientID: id,
		PrivateJWKS: d.apps[id], RedirectURI: callback(id), TLS: d.roots,
	})
	must(t, err)
	return c
}

// person returns a browser without cookies.
func (d *deployment) person(t *testing.T) *browser.Browser {
	t.Helper()
	b, err := browser.New(browser.Config{Home: []string{d.issuer, d.pages}, TLS: d.roots, Codes: browser.Mailbox(d.pages+mail.MailboxPath, d.roots)})
	must(t, err)
	return b
}

// wanted is what the recipients of these tests ask for.
func wanted() recipient.ConsentRequest {
	return recipient.ConsentRequest{
		DurationType: recipient.TimeBound, DurationPeriod: 30, LookbackPeriod: 60,
		Resources: []recipient.Resource{{ResourceType: "ACCOUNT", DataClusters: []string{"ACCOUNT_DETAILED", "TRANSACTIONS"}}},
	}
}

// pushed begins an attempt and pushes it.
func pushed(t *testing.T, app *recipient.Client) (*recipient.Attempt, recipient.Pushed) {
	t.Helper()
	attempt, err := recipient.Ask(wanted())
	must(t, err)
	p, err := app.Push(t.Context(), attempt)
	must(t, err)
	return attempt, p
}

// approved walks a customer of the bank to the end of the consent journey.
func (d *deployment) approved(t *testing.T, app *recipient.Client, username string) (*recipient.Attempt, recipient.Secret) {
	t.Helper()
	attempt, p := pushed(t, app)
	back, err := browser.ApproveAll(t.Context(), d.person(t), app.AuthorizationURL(p.RequestURI), username, sandbox.DevPassword(username))
	must(t, err)
	code, err := app.ReadRedirect(back, attempt)
	must(t, err)
	return attempt, code
}

// granted does the same and redeems the code.
func (d *deployment) granted(t *testing.T, app *recipient.Client, username string) recipient.Token {
	t.Helper()
	attempt, code := d.approved(t, app, username)
	tok, err := app.Redeem(t.Context(), attempt, code)
	must(t, err)
	return tok
}

// count returns the one number of a query.
func (d *deployment) count(t *testing.T, query string, args ...any) int {
	t.Helper()
	var n int
	must(t, d.sql.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

// grant returns the stored grant.
func (d *deployment) grant(t *testing.T, id string) consent.Grant {
	t.Helper()
	g, err := d.db.Grants().Grant(t.Context(), consent.GrantID(id))
	must(t, err)
	return g
}

// tables lists every table that is ours, with its schema; a table that has
// partitions stands for them.
func tables(t testing.TB, db *sql.DB) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `
		SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
		WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
		  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relispartition AND c.oid = format('%I.%I', schemaname, tablename)::regclass)
		ORDER BY 1`)
	must(t, err)
	defer rows.Close() //nolint:errcheck // read to its end
	var all []string
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		all = append(all, name)
	}
	must(t, rows.Err())
	return all
}
