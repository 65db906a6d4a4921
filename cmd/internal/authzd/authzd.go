// Package authzd wires the authorization server process: protocol listener,
// browser listener with the consumer pages, and the housekeeping of the
// store. cmd/authzd runs it in production and cmd/headgate in development,
// through the same constructor.
package authzd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/portal"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/ui"
	"github.com/headgate/headgate/internal/web"
)

// EnvPrefix starts the environment variables of the settings.
const EnvPrefix = "HEADGATE_AUTHZD"

// Config is the configuration file of the process.
type Config struct {
	Issuer          string        `json:"issuer" help:"issuer identifier: https address without trailing slash"`
	BrowserBase     string        `json:"browser_base" help:"https address under which people reach the pages, without trailing slash"`
	ListenProtocol  string        `json:"listen_protocol" default:":8443" help:"address and port that recipients reach"`
	ListenBrowser   string        `json:"listen_browser" default:":8444" help:"address and port that people reach"`
	TLSCertFile     string        `json:"tls_cert_file" help:"PEM file of the server certificate chain; read again when it changes"`
	TLSKeyFile      string        `json:"tls_key_file" help:"PEM file of its private key"`
	PostgresDSNFile string        `json:"postgres_dsn_file" help:"file that holds the PostgreSQL DSN"`
	PostgresConns   int           `json:"postgres_conns" default:"16" help:"most PostgreSQL connections of this process"`
	RedisURLFile    string        `json:"redis_url_file" default:"" help:"file that holds the Redis URL; empty runs without Redis"`
	HashKeysFile    string        `json:"hash_keys_file" help:"file with the token hash keys, the same for every process"`
	SigningKeysFile string        `json:"signing_keys_file" help:"file with the private signing keys (JWKS)"`
	BankDSNFile     string        `json:"bank_dsn_file" help:"file that holds the PostgreSQL DSN of the sandbox bank"`
	BankName        string        `json:"bank_name" help:"how the bank calls itself on its pages"`
	BankColour      string        `json:"bank_colour" default:"" help:"main colour of the pages as #rrggbb; empty is the built-in one"`
	BankHomeURI     string        `json:"bank_home_uri" default:"" help:"https address of the bank, as party of each grant"`
	HelpURI         string        `json:"help_uri" default:"" help:"https page behind the help link; empty shows none"`
	TimeZone        string        `json:"time_zone" default:"UTC" help:"IANA time zone in which pages show times"`
	LameDuck        time.Duration `json:"lame_duck" default:"8s" help:"how long to keep serving after the order to stop; four intervals of the load balancer's health check"`
}

// Process is the wired process. Run serves it; Close releases what New
// opened.
type Process struct {
	protocol, browser *http.Server
	health            *web.Health
	lameDuck          time.Duration
	db                *postgres.DB
	log               *slog.Logger
	closers           []func()
}

// New wires the process. It reads files and opens pools, but needs neither
// PostgreSQL nor Redis to be up: while they are away, answers are 503.
func New(ctx context.Context, c Config, log *slog.Logger) (_ *Process, err error) {
	p := &Process{health: &web.Health{}, lameDuck: c.LameDuck, log: log}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	dsn, err := config.Secret(c.PostgresDSNFile)
	if err != nil {
		return nil, err
	}
	p.db, err = postgres.Open(ctx, postgres.Config{DSN: dsn, MaxConns: c.PostgresConns, Name: "authzd"})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.db.Close)
	var cache cache
	if c.RedisURLFile != "" {
		address, err := config.Secret(c.RedisURLFile)
		if err != nil {
			return nil, err
		}
		r, err := redis.Open(redis.Config{URL: address, Log: log})
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, func() { _ = r.Close() })
		cache.told, cache.recent = r, r
	}
	bank, closeBank, err := openBank(ctx, c.BankDSNFile)
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, closeBank)

	stop, err := consent.NewService(consent.ServiceConfig{
		Store: p.db.Grants(), Cache: cache.told,
		CacheFailed: func(err error) { log.Warn("cache not told of a stop", slog.String("cause", err.Error())) },
	})
	if err != nil {
		return nil, err
	}
	pages, sessions, err := newPortal(c, p.db, bank, stop, log)
	if err != nil {
		return nil, err
	}
	server, err := newServer(c, p.db, cache.recent, stop, pages, sessions, log)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := certs.ServerTLS(certs.Config{
		CertFile: c.TLSCertFile, KeyFile: c.TLSKeyFile, ClientAuth: certs.NoClientCert,
		OnReload: config.Reloaded(log),
	})
	if err != nil {
		return nil, err
	}
	if err := p.routes(server, pages, tlsConfig, log); err != nil {
		return nil, err
	}
	return p, nil
}

// cache is Redis in its two roles; both nil without one.
type cache struct {
	told   consent.Cache
	recent authz.Cache
}

func newPortal(c Config, db *postgres.DB, bank *bank, stop *consent.Service, log *slog.Logger) (*portal.Portal, *web.Sessions, error) {
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return nil, nil, fmt.Errorf("time_zone: %w", err)
	}
	look, err := ui.New(ui.Brand{Name: c.BankName, Colour: c.BankColour, HelpURI: c.HelpURI})
	if err != nil {
		return nil, nil, err
	}
	var pages *portal.Portal // set before the first request
	sessions, err := web.NewSessions(web.SessionsConfig{
		Store: db.Sessions(),
		Failed: func(w http.ResponseWriter, r *http.Request, cause error) {
			log.Warn("session store", slog.String("cause", cause.Error()))
			pages.Problem(w, r, portal.Problem{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Text: "try again in a moment"})
		},
	})
	if err != nil {
		return nil, nil, err
	}
	signIn, err := login.New(login.Config{Store: bank})
	if err != nil {
		return nil, nil, err
	}
	pages, err = portal.New(portal.Config{
		UI: look, Sessions: sessions, Login: signIn, Authorizations: db.Authorizations(), Recipients: db.Recipients(),
		Accounts: bank, Grants: db.Grants(), Stopper: stop, Reads: db.Reads(), Log: log, Zone: zone,
	})
	return pages, sessions, err
}

func newServer(c Config, db *postgres.DB, cache authz.Cache, stop *consent.Service, pages *portal.Portal, sessions *web.Sessions, log *slog.Logger) (*authz.Server, error) {
	hasher, err := config.Hasher(c.HashKeysFile)
	if err != nil {
		return nil, fmt.Errorf("hash_keys_file: %w", err)
	}
	keys, err := certs.LoadSigningKeys(c.SigningKeysFile)
	if err != nil {
		return nil, err
	}
	proofs, err := dpop.New(dpop.Config{})
	if err != nil {
		return nil, err
	}
	return authz.New(authz.Config{
		Issuer: c.Issuer, BrowserBase: c.BrowserBase,
		Recipients: db.Recipients(), Authorizations: db.Authorizations(),
		Requests: db.Requests(), Tokens: db.Tokens(), Guard: db.Guard(),
		Hasher: hasher, Stop: stop, DPoP: proofs, Keys: es256{keys},
		Provider: consent.Party{Name: c.BankName, Type: consent.PartyProvider, HomeURI: c.BankHomeURI},
		Browsers: sessions, Pages: journeyPages{pages}, Cache: cache,
		Log: log, Now: time.Now,
	})
}

// es256 signs with the one kind of key that there is.
type es256 struct{ *certs.SigningKeys }

// Algorithms returns ES256.
func (es256) Algorithms() []string { return []string{"ES256"} }

// Sign signs with ES256, or not at all.
func (k es256) Sign(ctx context.Context, alg, typ string, claims any) (string, error) {
	if alg != "ES256" {
		return "", fmt.Errorf("no key for %s", alg)
	}
	return k.SigningKeys.Sign(ctx, typ, claims)
}

// journeyPages gives the authorization server the pages without either
// knowing the other.
type journeyPages struct{ *portal.Portal }

// Path returns the address of a step's page.
func (journeyPages) Path(id consent.AuthorizationID, s consent.Step) string {
	return "/consent/" + url.PathEscape(string(id)) + "/" + string(s)
}

// Problem shows the portal's problem page.
func (j journeyPages) Problem(w http.ResponseWriter, r *http.Request, p authz.Problem) {
	j.Portal.Problem(w, r, portal.Problem{Status: p.Status, Code: p.Code, Text: p.Text, AppName: p.AppName, BackURI: p.BackURI})
}

// routes puts the handlers on their listeners. The two never share a
// middleware stack.
func (p *Process) routes(server *authz.Server, pages *portal.Portal, t *tls.Config, log *slog.Logger) error {
	protocol, err := server.Protocol()
	if err != nil {
		return err
	}
	authorize, err := server.Browser()
	if err != nil {
		return err
	}
	consumer, err := pages.Handler()
	if err != nil {
		return err
	}
	p.protocol = web.NewServer(p.health.Around(protocol), t, log)
	p.browser = web.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/authorize" || strings.HasPrefix(r.URL.Path, "/authorize/") {
			authorize.ServeHTTP(w, r)
			return
		}
		consumer.ServeHTTP(w, r)
	}), t, log)
	return nil
}

// Serve wires the process, listens where the configuration says and serves
// until ctx ends.
func Serve(ctx context.Context, c Config, log *slog.Logger) error {
	p, err := New(ctx, c, log)
	if err != nil {
		return err
	}
	defer p.Close()
	protocol, err := net.Listen("tcp", c.ListenProtocol)
	if err != nil {
		return err
	}
	browser, err := net.Listen("tcp", c.ListenBrowser)
	if err != nil {
		_ = protocol.Close()
		return err
	}
	log.Info("authzd listens", slog.String("issuer", c.Issuer), slog.String("pages", c.BrowserBase))
	return p.Run(ctx, protocol, browser)
}

// Run serves both sockets until ctx ends, then drains.
func (p *Process) Run(ctx context.Context, protocol, browser net.Listener) error {
	sweep, stop := context.WithCancel(ctx)
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		p.sweep(sweep)
	}()
	err := web.Serve(ctx, web.Drain{Health: p.health, LameDuck: p.lameDuck},
		web.Listener{Server: p.protocol, Socket: protocol}, web.Listener{Server: p.browser, Socket: browser})
	stop()
	<-swept
	return err
}

// Close releases what New opened, last first. Call it after Run.
func (p *Process) Close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
	}
	p.closers = nil
}

// The housekeeping of the store: what has expired is marked and old rows go.
// Nothing depends on it for correctness; any number of instances may do it.
const (
	sweepEvery = 30 * time.Second
	sweepLimit = 1000 // rows of each kind per round
)

func (p *Process) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := p.db.Sweep(ctx, sweepLimit); err != nil && !errors.Is(err, context.Canceled) {
				p.log.Warn("sweep", slog.String("cause", err.Error()))
			}
		}
	}
}
