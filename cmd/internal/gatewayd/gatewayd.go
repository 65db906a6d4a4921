// Package gatewayd wires the resource gateway process. cmd/gatewayd runs it
// in production and cmd/headgate in development, through the same
// constructor. It links neither the authorization server nor the pages: the
// process that hands out data holds no code that could mint a token.
package gatewayd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/cmd/internal/telemetry"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/api"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/apidocs"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/journal"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource"
)

// EnvPrefix starts the environment variables of the settings.
const EnvPrefix = "HEADGATE_GATEWAYD"

// Config is the configuration file of the process.
type Config struct {
	Public          string        `json:"public" help:"https origin under which recipients reach the gateway, without a path; DPoP proofs are checked against it"`
	Issuer          string        `json:"issuer" help:"issuer identifier of the authorization server"`
	Listen          string        `json:"listen" default:":8445" help:"address and port to listen on"`
	Instance        string        `json:"instance" default:"" help:"name of this instance in access records; empty is host name and process id"`
	TLSCertFile     string        `json:"tls_cert_file" help:"PEM file of the server certificate chain; read again when it changes"`
	TLSKeyFile      string        `json:"tls_key_file" help:"PEM file of its private key"`
	ClientCAFile    string        `json:"client_ca_file" default:"" help:"PEM file of the authorities that may issue recipients' certificates; empty accepts any, because a token names its certificate"`
	ClientProxy     string        `json:"client_proxy" default:"" help:"the proxy whose Client-Cert header (RFC 9440) is believed, by its own client certificate: SHA-256 thumbprint in base64url, or subject name as in RFC 4514; empty believes none"`
	NonceKeysFile   string        `json:"nonce_keys_file" default:"" help:"file with a JSON array of base64 secrets of 32 bytes, newest first, the same for every instance: DPoP proofs must then carry a nonce of ours; empty demands none"`
	PostgresDSNFile string        `json:"postgres_dsn_file" help:"file that holds the PostgreSQL DSN"`
	PostgresConns   int           `json:"postgres_conns" default:"16" help:"most PostgreSQL connections of this process, gate lanes included"`
	StopConns       int           `json:"stop_conns" default:"4" help:"PostgreSQL connections beside those, for the end of consents; 0 shares the others"`
	GateLanes       int           `json:"gate_lanes" default:"4" help:"statements of the gate that run at the same time"`
	RedisURLFile    string        `json:"redis_url_file" default:"" help:"file that holds the Redis URL, the same as that of authzd; empty asks PostgreSQL on every read, and is for installations where no process has a Redis: a stop here could not tell it"`
	HashKeysFile    string        `json:"hash_keys_file" help:"file with the token hash keys, the same for every process"`
	PageKeysFile    string        `json:"page_keys_file" help:"file with a JSON array of base64 secrets of 32 bytes that seal page keys, newest first"`
	BankFile        string        `json:"bank_file" default:"" help:"bank file (YAML): which bank it is and how its data is reached; either this or bank_dsn_file"`
	BankDSNFile     string        `json:"bank_dsn_file" default:"" help:"file that holds the PostgreSQL DSN of the sandbox bank; either this or bank_file"`
	ListenMetrics   string        `json:"listen_metrics" default:"" help:"address and port of /metrics for Prometheus, plain HTTP: keep it from the public; empty has none"`
	OTLPEndpoint    string        `json:"otlp_endpoint" default:"" help:"address of an OpenTelemetry collector (OTLP over HTTP), such as https://collector:4318; /v1/traces is added when there is no path; empty traces nothing"`
	TracePercent    int           `json:"trace_percent" default:"100" help:"percent of the requests that are traced, 0 to 100; used with otlp_endpoint"`
	BankName        string        `json:"bank_name" default:"" help:"how the bank calls itself in notifications, as at authzd; empty serves no notification endpoints"`
	BankHomeURI     string        `json:"bank_home_uri" default:"" help:"https address of the bank, in notifications"`
	RecipientQuota  int           `json:"recipient_quota" default:"6000" help:"requests a minute of one recipient that has no quota of its own; 0 has no limit"`
	StopQuota       int           `json:"stop_quota" default:"6000" help:"ends of consents a minute of one recipient, counted apart; 0 has no limit"`
	ConsentQuota    int           `json:"consent_quota" default:"600" help:"requests a minute under one consent; 0 has no limit"`
	BankQuota       int           `json:"bank_quota" default:"0" help:"requests a minute to the bank, of all recipients together; 0 has no limit"`
	StrangerQuota   int           `json:"stranger_quota" default:"600" help:"unknown access tokens a minute from one address, and as many again to end consents; 0 has no limit"`
	MaxInFlight     int           `json:"max_in_flight" default:"512" help:"most reads at a time, and as many requests about consents, and as many ends of consents; further ones are answered 503 at once; 0 has no bound"`
	Instances       int           `json:"instances" default:"1" help:"how many gateways there are: of what each counts for itself, unknown tokens and, without Redis, all quotas, it lets its part through"`
	TrustedProxies  []string      `json:"trusted_proxies" default:"" help:"address ranges of load balancers in front, such as 10.0.0.0/8, whose X-Forwarded-For is believed"`
	JournalDir      string        `json:"journal_dir" default:"" help:"folder in which authzd notes every change of a consent, and of the state of a client or person; the process refuses to serve a database that is older, and waits for it at the start; empty compares nothing"`
	AuditPublicKey  string        `json:"audit_public_key_file" default:"" help:"file with the public half of authzd's audit_key_file; with audit_checkpoints_dir, the process refuses to serve a database whose records of reads are not those of the newest checkpoint there, and waits for the database at the start"`
	AuditDir        string        `json:"audit_checkpoints_dir" default:"" help:"the folder that authzd copies checkpoints to; reading it is enough"`
	LameDuck        time.Duration `json:"lame_duck" default:"8s" help:"how long to keep serving after the order to stop; four intervals of the load balancer's health check"`
}

// Process is the wired process. Run serves it; Close releases what New
// opened.
type Process struct {
	server   *http.Server
	gateway  *resource.Gateway
	watch    *telemetry.Telemetry
	db       *postgres.DB
	health   *web.Health
	lameDuck time.Duration
	// older returns an error when the database is older than the journal or
	// than the newest checkpoint outside.
	older   func(context.Context) error
	closers []func()
}

// New wires the process. It reads files and opens pools, but needs neither
// PostgreSQL nor Redis to be up.
func New(ctx context.Context, c Config, log *slog.Logger) (_ *Process, err error) {
	p := &Process{health: &web.Health{}, lameDuck: c.LameDuck}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	p.watch, err = telemetry.Open(ctx, telemetry.Config{
		ListenMetrics: c.ListenMetrics, OTLPEndpoint: c.OTLPEndpoint, TracePercent: c.TracePercent,
		Service: "gatewayd", Instance: instance(c.Instance), Log: log,
	})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.watch.Close)
	dsn, err := config.Secret(c.PostgresDSNFile)
	if err != nil {
		return nil, err
	}
	db, err := postgres.Open(ctx, postgres.Config{DSN: dsn, MaxConns: c.PostgresConns, Name: "gatewayd", Traces: p.watch.Traces()})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, db.Close)
	p.db = db
	tree, err := checkpoints(c, db.Ledger())
	if err != nil {
		return nil, err
	}
	p.older = func(ctx context.Context) error {
		if err := journal.Await(ctx, c.JournalDir, db.Journal()); err != nil {
			return err
		}
		return tree(ctx)
	}
	p.watch.Postgres(db)
	gate := postgres.NewGate(db, postgres.GateConfig{Lanes: c.GateLanes, Observe: p.watch.Gate()})
	p.closers = append(p.closers, gate.Close)
	provider, err := bank.Open(ctx, bank.Config{File: c.BankFile, SandboxDSNFile: c.BankDSNFile, Log: log, Alarm: p.watch.Alarm})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, provider.Close)
	rc := resource.Config{
		Public: c.Public, Issuer: c.Issuer, Instance: instance(c.Instance), Log: log,
		Tokens: db.Tokens(), Provider: provider.Provider, Gate: gate, Performance: db.Performance(), Watch: p.watch.Watch(),
		Unrecorded: func() { p.watch.Alarm("refusal_not_recorded") },
	}
	addresses, err := web.NewAddresses(c.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("trusted_proxies: %w", err)
	}
	unknown := c.StrangerQuota
	if unknown > 0 { // less is an error
		unknown = limit.PerInstance(unknown, c.Instances)
	}
	strangers, err := fdxhttp.NewStrangers(unknown, addresses.Of)
	if err != nil {
		return nil, fmt.Errorf("stranger_quota: %w", err)
	}
	rc.Limits = resource.Limits{
		Quotas:    resource.Quotas{Recipient: c.RecipientQuota, Consent: c.ConsentQuota, Bank: c.BankQuota},
		Strangers: strangers, InFlight: c.MaxInFlight, Instances: c.Instances,
	}
	var told consent.Cache
	if c.RedisURLFile != "" {
		url, err := config.Secret(c.RedisURLFile)
		if err != nil {
			return nil, err
		}
		cache, err := redis.Open(redis.Config{URL: url, Log: log, Traces: p.watch.Traces()})
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, func() { _ = cache.Close() })
		p.watch.Redis(cache)
		rc.Cache, told = cache, cache
	}
	if rc.Hasher, rc.PageKeys, err = keys(c); err != nil {
		return nil, err
	}
	if rc.Proofs, err = dpop.New(dpop.Config{}); err != nil {
		return nil, err
	}
	if rc.Nonces, err = config.Nonces(c.NonceKeysFile); err != nil {
		return nil, fmt.Errorf("nonce_keys_file: %w", err)
	}
	if rc.Certificates, err = config.Certificates(c.ClientCAFile, c.ClientProxy); err != nil {
		return nil, err
	}
	rc.Clients = &bearer.Clients{Tokens: db.Tokens(), Guard: db.Guard()}
	consents, err := newConsents(rc, c.StopQuota, db, told, newNotices(c, db), p.watch)
	if err != nil {
		return nil, err
	}
	stops := consents
	if c.StopConns > 0 {
		own, err := postgres.Open(ctx, postgres.Config{DSN: dsn, MaxConns: c.StopConns, Name: "gatewayd stops", Traces: p.watch.Traces()})
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, own.Close)
		p.watch.Stops(own)
		if stops, err = newConsents(rc, c.StopQuota, own, told, newNotices(c, own), p.watch); err != nil {
			return nil, err
		}
	}
	rc.Beside = consents.Serving()
	if p.gateway, err = resource.New(rc); err != nil {
		return nil, err
	}
	tlsConfig, err := certs.ServerTLS(certs.Config{
		CertFile: c.TLSCertFile, KeyFile: c.TLSKeyFile, ClientAuth: certs.RequestedClientCert, ClientCAFile: c.ClientCAFile,
		OnReload: config.Reloaded(log, p.watch.Alarm),
	})
	if err != nil {
		return nil, err
	}
	docs, err := apidocs.New(apidocs.Config{Public: c.Public, Issuer: c.Issuer, Log: log})
	if err != nil {
		return nil, err
	}
	p.server = web.NewServer(p.health.Around(docs.Before(beside(consents, stops, p.gateway.Handler()))), tlsConfig, log)
	return p, nil
}

// newConsents wires the consent endpoints. They answer under the same address
// as the data and authenticate in the same way.
func newConsents(rc resource.Config, stopQuota int, db *postgres.DB, told consent.Cache, notices *api.Notices, watch *telemetry.Telemetry) (*api.API, error) {
	stop, err := consent.NewService(consent.ServiceConfig{
		Store: db.Grants(), Cache: told,
		CacheFailed: func(err error) {
			watch.Alarm("cache_not_told")
			rc.Log.Warn("cache not told of a stop", slog.String("cause", err.Error()))
		},
	})
	if err != nil {
		return nil, err
	}
	return api.New(api.Config{
		Public: rc.Public, Log: rc.Log, Hasher: rc.Hasher, Proofs: rc.Proofs, Nonces: rc.Nonces,
		Certificates: rc.Certificates, Clients: bearer.Clients{Tokens: db.Tokens(), Guard: db.Guard()}, Grants: db.Grants(), Stop: stop, PageKeys: rc.PageKeys, InFlight: rc.Limits.InFlight,
		Quota: rc.Limits.Quotas.Recipient, Stops: stopQuota, Instances: rc.Limits.Instances, Strangers: rc.Limits.Strangers,
		Notices: notices, Erasures: db.Erasures(), Watch: watch.Watch(),
	})
}

func newNotices(c Config, db *postgres.DB) *api.Notices {
	if c.BankName == "" {
		return nil
	}
	return &api.Notices{
		Subscriptions: db.Notices(), Recipients: db.Recipients(),
		Publisher: fdx.Party{Name: c.BankName, Type: fdx.DataProvider, HomeURI: c.BankHomeURI},
	}
}

// beside gives the consent endpoints their paths and the gateway all others.
// What ends a consent has connections of its own: however busy everything
// else is, it finds one.
func beside(consents, stops *api.API, data http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if consents.Serves(r.URL.Path) {
			if r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, fdxhttp.Base+"/consents/") {
				stops.Handler().ServeHTTP(w, r)
				return
			}
			consents.Handler().ServeHTTP(w, r)
			return
		}
		data.ServeHTTP(w, r)
	})
}

// Serve wires the process, listens where the configuration says and serves
// until ctx ends.
func Serve(ctx context.Context, c Config, log *slog.Logger) error {
	p, err := New(ctx, c, log)
	if err != nil {
		return err
	}
	defer p.Close()
	socket, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	log.Info("gatewayd listens", slog.String("public", c.Public))
	return p.Run(ctx, socket)
}

// Run serves the socket until ctx ends, then drains.
func (p *Process) Run(ctx context.Context, socket net.Listener) error {
	if err := p.older(ctx); err != nil {
		return err
	}
	house, stop := context.WithCancel(context.WithoutCancel(ctx))
	var kept sync.WaitGroup
	kept.Go(func() { p.gateway.Run(house) })
	kept.Go(func() { p.watch.Clock(house, p.db) })
	listeners := append(p.watch.Listeners(), web.Listener{Server: p.server, Socket: socket})
	err := web.Serve(ctx, web.Drain{Health: p.health, LameDuck: p.lameDuck}, listeners...)
	stop() // after the last request, so that it is counted
	kept.Wait()
	return err
}

// MetricsAddress is where the metrics are; empty when they are off.
func (p *Process) MetricsAddress() string { return p.watch.Address() }

// Close releases what New opened, last first. Call it after Run.
func (p *Process) Close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
	}
	p.closers = nil
}

func keys(c Config) (*token.Hasher, [][]byte, error) {
	hasher, err := config.Hasher(c.HashKeysFile)
	if err != nil {
		return nil, nil, fmt.Errorf("hash_keys_file: %w", err)
	}
	pages, err := config.Secrets(c.PageKeysFile)
	if err != nil {
		return nil, nil, fmt.Errorf("page_keys_file: %w", err)
	}
	return hasher, pages, nil
}

// instance names this instance so that its access records can be told apart.
func instance(name string) string {
	if name != "" {
		return name
	}
	return config.Instance("gatewayd")
}
