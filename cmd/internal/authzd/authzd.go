// Package authzd wires the authorization server process: protocol listener,
// browser listener with the consumer pages, and the housekeeping of the
// store. cmd/authzd runs it in production and cmd/headgate in development,
// through the same constructor.
package authzd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/cmd/internal/telemetry"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/consent/portal"
	"github.com/headgate/headgate/consent/receipt"
	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/journal"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/mail"
	"github.com/headgate/headgate/internal/outbound"
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
	MTLSBase        string        `json:"mtls_base" default:"" help:"https address of the host on which clients present certificates, without trailing slash; empty offers no mutual TLS"`
	ListenProtocol  string        `json:"listen_protocol" default:":8443" help:"address and port that recipients reach"`
	ListenBrowser   string        `json:"listen_browser" default:":8444" help:"address and port that people reach"`
	ListenMTLS      string        `json:"listen_mtls" default:":8446" help:"address and port that clients with certificates reach; used with mtls_base"`
	ClientCAFile    string        `json:"client_ca_file" default:"" help:"PEM file of the authorities that may issue clients' certificates; empty verifies none, so that only self-signed certificates authenticate"`
	ClientProxy     string        `json:"client_proxy" default:"" help:"the proxy whose Client-Cert header (RFC 9440) is believed, by its own client certificate: SHA-256 thumbprint in base64url, or subject name as in RFC 4514; empty believes none"`
	NonceKeysFile   string        `json:"nonce_keys_file" default:"" help:"file with a JSON array of base64 secrets of 32 bytes, newest first, the same for every instance: DPoP proofs must then carry a nonce of ours; empty demands none"`
	OutboundCAFile  string        `json:"outbound_ca_file" default:"" help:"PEM file of the authorities that clients' key servers and callbacks must chain to; empty is the system's"`
	OutboundAllow   []string      `json:"outbound_allow" default:"" help:"address ranges beside public ones that may be called, such as 10.0.0.0/8; for development and closed networks"`
	OutboundPorts   []string      `json:"outbound_ports" default:"443" help:"ports that may be called"`
	TLSCertFile     string        `json:"tls_cert_file" help:"PEM file of the server certificate chain; read again when it changes"`
	TLSKeyFile      string        `json:"tls_key_file" help:"PEM file of its private key"`
	PostgresDSNFile string        `json:"postgres_dsn_file" help:"file that holds the PostgreSQL DSN"`
	PostgresConns   int           `json:"postgres_conns" default:"16" help:"most PostgreSQL connections of this process"`
	StopConns       int           `json:"stop_conns" default:"8" help:"PostgreSQL connections beside those, for revocations and for the portal but its history; 0 shares the others"`
	RedisURLFile    string        `json:"redis_url_file" default:"" help:"file that holds the Redis URL, the same for every process; empty runs without Redis, and is for installations where no process has one: a stop here could not tell it"`
	HashKeysFile    string        `json:"hash_keys_file" help:"file with the token hash keys, the same for every process"`
	SigningKeysFile string        `json:"signing_keys_file" help:"file with the private signing keys (JWKS)"`
	Directories     []string      `json:"directories" default:"" help:"who signs software statements that are taken besides the operator: each ISSUER=JWKS_URI, or ISSUER=FILE with a JWKS; a + before the issuer approves its clients at once"`
	SealKeysFile    string        `json:"seal_keys_file" help:"file with the keys that encrypt what is stored on behalf of recipients and people, the same for every instance; 'headgate keys new' makes it"`
	RotateKeys      time.Duration `json:"rotate_keys" default:"0s" help:"how often a new signing key takes over by itself, such as 2160h; 0 leaves it to 'headgate keys rotate'"`
	SubjectKeyFile  string        `json:"subject_key_file" help:"file with the secret from which recipients' subject identifiers are made, the same for every process; never changed; 'headgate keys new' makes it"`
	BankFile        string        `json:"bank_file" default:"" help:"bank file (YAML): which bank it is and how its data is reached, the same as gatewayd's; either this or bank_dsn_file"`
	BankDSNFile     string        `json:"bank_dsn_file" default:"" help:"file that holds the PostgreSQL DSN of the sandbox bank; either this or bank_file"`
	BankName        string        `json:"bank_name" help:"how the bank calls itself on its pages"`
	BankColour      string        `json:"bank_colour" default:"" help:"main colour of the pages as #rrggbb; empty is the built-in one"`
	BankLogoFile    string        `json:"bank_logo_file" default:"" help:"square SVG or PNG image of at most 64 KiB, the logo of the pages; empty is a tile with the first letter of bank_name"`
	BankFontFile    string        `json:"bank_font_file" default:"" help:"WOFF2 font of at most 40 KiB for the text of the pages; empty is the font of each device"`
	BankHomeURI     string        `json:"bank_home_uri" default:"" help:"https address of the bank, as party of each grant"`
	BankLegalName   string        `json:"bank_legal_name" default:"" help:"name of the bank in a public register, as party of each grant; empty is bank_name"`
	BankRegistry    string        `json:"bank_registry" default:"" help:"that register: FDX, GLEIF, ICANN or PRIVATE; empty is ICANN"`
	BankRegistryID  string        `json:"bank_registry_id" default:"" help:"the bank's entry in it; empty is the host of bank_home_uri, or of the issuer"`
	HelpURI         string        `json:"help_uri" default:"" help:"https page behind the help link; empty shows none"`
	PolicyPack      string        `json:"policy_pack" default:"generic" help:"rules of the place that consents are held to: generic, us-fdx, ca, uk, eu or au; empty is generic"`
	OneTimeMinutes  int           `json:"one_time_minutes" default:"0" help:"how long one-time access lasts, from 1 to 60 minutes: a bank may allow less than policy_pack does; 0 is what policy_pack says"`
	OIDCIssuer      string        `json:"oidc_issuer" default:"" help:"issuer of the bank's own OpenID provider, at which people sign in; empty is the built-in sign-in ('headgate login')"`
	OIDCClientID    string        `json:"oidc_client_id" default:"" help:"how that provider knows us; its redirect URI is browser_base with /signin/return"`
	OIDCSecretFile  string        `json:"oidc_client_secret_file" default:"" help:"private file that holds the secret of oidc_client_id"`
	OIDCKeysFile    string        `json:"oidc_client_keys_file" default:"" help:"private file of signing keys that takes the place of that secret (private_key_jwt); 'headgate keys public --make' makes it and prints what the provider registers"`
	OIDCStepUp      string        `json:"oidc_acr_step_up" default:"" help:"acr value by which that provider says that a second proof was given; empty sends one-time codes by mail"`
	OIDCConsumer    string        `json:"oidc_consumer_claim" default:"sub" help:"claim of the ID token that holds the person's id at the bank"`
	TimeZone        string        `json:"time_zone" default:"UTC" help:"IANA time zone in which pages show times"`
	ListenMetrics   string        `json:"listen_metrics" default:"" help:"address and port of /metrics for Prometheus, plain HTTP: keep it from the public; empty has none"`
	OTLPEndpoint    string        `json:"otlp_endpoint" default:"" help:"address of an OpenTelemetry collector (OTLP over HTTP), such as https://collector:4318; /v1/traces is added when there is no path; empty traces nothing"`
	TracePercent    int           `json:"trace_percent" default:"100" help:"percent of the requests that are traced, 0 to 100; used with otlp_endpoint"`
	AuditKeyFile    string        `json:"audit_key_file" default:"" help:"file with the key that signs checkpoints of the records of reads, the same for every instance; 'headgate keys new' makes it; empty keeps no tree over them"`
	AuditDir        string        `json:"audit_checkpoints_dir" default:"" help:"folder that checkpoints are copied to, a file each; keep it where the administrators of the database cannot write"`
	AuditURL        string        `json:"audit_checkpoints_url" default:"" help:"https address below which checkpoints are PUT, each under its size and the newest under newest; outbound_ca_file, outbound_allow and outbound_ports apply"`
	Notify          bool          `json:"notify" default:"true" help:"carry notifications to recipients and notices to people; at least one instance must"`
	NotifyWorkers   int           `json:"notify_workers" default:"8" help:"notifications on their way to recipients at a time"`
	SMTPHost        string        `json:"smtp_host" default:"" help:"mail server that takes notices to people; empty sends no mail, and notices are in the inbox only"`
	SMTPPort        int           `json:"smtp_port" default:"587" help:"its port: TLS from the start at 465, STARTTLS at any other; never without TLS"`
	SMTPUser        string        `json:"smtp_user" default:"" help:"user at the mail server; empty does not sign in"`
	SMTPPassword    string        `json:"smtp_password_file" default:"" help:"file that holds the password of smtp_user"`
	SMTPCAFile      string        `json:"smtp_ca_file" default:"" help:"PEM file of the authorities that the mail server must chain to; empty is the system's"`
	MailFrom        string        `json:"mail_from" default:"" help:"sender of notices, such as Bank <notices@bank.example>; required with smtp_host"`
	MailLanguage    string        `json:"mail_language" default:"en" help:"language of mail to people who have chosen none: en, es, fr, sv or zh"`
	ClientQuota     int           `json:"client_quota" default:"6000" help:"pushed requests, token requests and queries of grants a minute of one client, the same for all; 0 has no limit"`
	IntrospectQuota int           `json:"introspection_quota" default:"600000" help:"introspections a minute of one resource server; 0 has no limit"`
	StopQuota       int           `json:"stop_quota" default:"6000" help:"revocations a minute of one client, counted apart; 0 has no limit"`
	StrangerQuota   int           `json:"stranger_quota" default:"600" help:"requests a minute from one address that nobody has authenticated, those for the portal apart: further ones there leave the connections of stop_conns; 0 has no limit"`
	MaxInFlight     int           `json:"max_in_flight" default:"512" help:"most requests of clients at a time, and as many revocations; further ones are answered 503 at once; 0 has no bound"`
	Instances       int           `json:"instances" default:"1" help:"how many authorization servers there are: each lets its part of a quota through"`
	TrustedProxies  []string      `json:"trusted_proxies" default:"" help:"address ranges of load balancers in front, such as 10.0.0.0/8, whose X-Forwarded-For is believed"`
	JournalDir      string        `json:"journal_dir" default:"" help:"folder, not on the machines of the database, in which every change of a consent, and of the state of a client or person, is noted within a second, for a restored database (docs/operations.md); the process refuses to serve a database that is older; empty notes nothing"`
	LameDuck        time.Duration `json:"lame_duck" default:"8s" help:"how long to keep serving after the order to stop; four intervals of the load balancer's health check"`
}

// Process is the wired process. Run serves it; Close releases what New
// opened.
type Process struct {
	protocol, browser *http.Server
	mtls              *http.Server // nil without mtls_base
	health            *web.Health
	lameDuck          time.Duration
	db                *postgres.DB
	keys              *certs.Rotator
	repeater          *consent.Repeater           // nil without Redis
	alone             func(context.Context) error // finds copies of Redis; nil without Redis
	journal           *journal.Writer             // nil without journal_dir
	journalDir        string
	notify            func(context.Context) error // nil when this instance carries no notifications
	rules             *policy.Book
	log               *slog.Logger
	watch             *telemetry.Telemetry
	audit             *ledger.Keeper // nil without audit_key_file
	mailbox           *mail.Mailbox  // in development, in place of a mail server
	closers           []func()
}

// New wires the process. It reads files and opens pools, but needs neither
// PostgreSQL nor Redis to be up: while they are away, answers are 503.
func New(ctx context.Context, c Config, log *slog.Logger, options ...Option) (_ *Process, err error) {
	p := &Process{health: &web.Health{}, lameDuck: c.LameDuck, log: log}
	for _, o := range options {
		o(p)
	}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	p.watch, err = telemetry.Open(ctx, telemetry.Config{
		ListenMetrics: c.ListenMetrics, OTLPEndpoint: c.OTLPEndpoint, TracePercent: c.TracePercent,
		Service: "authzd", Instance: config.Instance("authzd"), Log: log,
	})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.watch.Close)
	dsn, err := config.Secret(c.PostgresDSNFile)
	if err != nil {
		return nil, err
	}
	sealer, err := certs.LoadSealer(c.SealKeysFile)
	if err != nil {
		return nil, err
	}
	p.db, err = postgres.Open(ctx, postgres.Config{DSN: dsn, MaxConns: c.PostgresConns, Sealer: sealer, Name: "authzd", Traces: p.watch.Traces()})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.db.Close)
	p.watch.Postgres(p.db)
	if c.JournalDir != "" {
		p.journalDir = c.JournalDir
		if p.journal, err = journal.NewWriter(journal.Config{Dir: c.JournalDir, Name: config.Instance("authzd")}); err != nil {
			return nil, fmt.Errorf("journal_dir: %w", err)
		}
		p.closers = append(p.closers, func() { _ = p.journal.Close() })
	}
	var cache cache
	if c.RedisURLFile != "" {
		address, err := config.Secret(c.RedisURLFile)
		if err != nil {
			return nil, err
		}
		r, err := redis.Open(redis.Config{URL: address, Log: log, Traces: p.watch.Traces()})
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, func() { _ = r.Close() })
		p.watch.Redis(r)
		cache.told, cache.recent, p.alone = r, r, alone(r)
		if p.repeater, err = consent.NewRepeater(consent.RepeaterConfig{Moves: p.db.Grants(), Cache: r}); err != nil {
			return nil, err
		}
	}
	provider, err := bank.Open(ctx, bank.Config{File: c.BankFile, SandboxDSNFile: c.BankDSNFile, Log: log, Alarm: p.watch.Alarm})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, provider.Close)

	p.keys, err = certs.NewRotator(ctx, certs.RotatorConfig{
		Provider: certs.NewKeyFile(c.SigningKeysFile), Every: c.RotateKeys,
		OnError: func(err error) {
			p.watch.Alarm("signing_keys")
			log.Error("signing keys", slog.String("cause", err.Error()))
		},
	})
	if err != nil {
		return nil, err
	}
	rules, err := policy.Load(cmp.Or(c.PolicyPack, "generic"))
	if err != nil {
		return nil, fmt.Errorf("policy_pack: %w", err)
	}
	if c.OneTimeMinutes != 0 {
		if rules, err = rules.WithOneTime(c.OneTimeMinutes); err != nil {
			return nil, fmt.Errorf("one_time_minutes: %w", err)
		}
	}
	p.rules = rules
	addresses, err := web.NewAddresses(c.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("trusted_proxies: %w", err)
	}
	with := shared{cache: cache, bank: provider, rules: rules, addresses: addresses}
	all, err := p.newSite(c, p.db, with)
	if err != nil {
		return nil, err
	}
	if err := p.keepAudit(ctx, c); err != nil {
		return nil, err
	}
	if c.Notify {
		if err := p.carry(ctx, c, dsn, provider, all.pages, rules); err != nil {
			return nil, err
		}
	}
	tlsConfig, err := certs.ServerTLS(certs.Config{
		CertFile: c.TLSCertFile, KeyFile: c.TLSKeyFile, ClientAuth: certs.NoClientCert,
		OnReload: config.Reloaded(log, p.watch.Alarm),
	})
	if err != nil {
		return nil, err
	}
	lane, err := p.newStopLane(ctx, c, dsn, sealer, with, all)
	if err != nil {
		return nil, err
	}
	if err := p.routes(all.server, all.pages, lane, tlsConfig, log); err != nil {
		return nil, err
	}
	if c.MTLSBase == "" {
		return p, nil
	}
	// Certificates are asked for on this host alone, and verified later, so
	// that a self-signed one gets as far as its registration.
	asking, err := certs.ServerTLS(certs.Config{
		CertFile: c.TLSCertFile, KeyFile: c.TLSKeyFile, ClientAuth: certs.RequestedClientCert, OnReload: config.Reloaded(log, p.watch.Alarm),
	})
	if err != nil {
		return nil, err
	}
	handler, err := all.server.MTLS()
	if err != nil {
		return nil, err
	}
	p.mtls = web.NewServer(p.health.Around(around(handler, lane.mtls)), asking, log)
	return p, nil
}

// shared is what every site of the process has in common.
type shared struct {
	cache     cache
	bank      *bank.Bank
	rules     *policy.Book
	addresses *web.Addresses
	// known is told of requests of people who are signed in; nil tells nobody.
	known func(*http.Request)
}

// site is the authorization server with its pages, over one set of connections.
type site struct {
	server *authz.Server
	pages  *portal.Portal
}

// newSite wires a site over these connections. The files of the configuration
// are read for each: there are two at most, and both are made at the start.
func (p *Process) newSite(c Config, db *postgres.DB, with shared) (site, error) {
	stop, err := p.newStop(db, with.cache)
	if err != nil {
		return site{}, err
	}
	pages, sessions, err := p.newPortal(c, db, with, stop)
	if err != nil {
		return site{}, err
	}
	server, err := p.newServer(c, db, with, stop, pages, sessions)
	return site{server, pages}, err
}

// newStop returns what ends grants, on these connections.
func (p *Process) newStop(db *postgres.DB, cache cache) (*consent.Service, error) {
	return consent.NewService(consent.ServiceConfig{
		Store: db.Grants(), Cache: cache.told,
		CacheFailed: func(err error) {
			p.watch.Alarm("cache_not_told")
			p.log.Warn("cache not told of a stop", slog.String("cause", err.Error()))
		},
	})
}

// cache is Redis in its two roles; both nil without one.
type cache struct {
	told   consent.Cache
	recent authz.Cache
}

func (p *Process) newPortal(c Config, db *postgres.DB, with shared, stop *consent.Service) (*portal.Portal, *web.Sessions, error) {
	log := p.log
	receipts, err := receipt.New(receipt.Config{Store: db.Receipts(), Signer: p.keys, Issuer: c.Issuer})
	if err != nil {
		return nil, nil, err
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return nil, nil, fmt.Errorf("time_zone: %w", err)
	}
	brand := ui.Brand{Name: c.BankName, Colour: c.BankColour, HelpURI: c.HelpURI}
	if brand.Logo, err = optional(c.BankLogoFile); err != nil {
		return nil, nil, fmt.Errorf("bank_logo_file: %w", err)
	}
	if brand.Font, err = optional(c.BankFontFile); err != nil {
		return nil, nil, fmt.Errorf("bank_font_file: %w", err)
	}
	look, err := ui.New(brand)
	if err != nil {
		return nil, nil, err
	}
	var pages *portal.Portal // set before the first request
	sessions, err := web.NewSessions(web.SessionsConfig{
		Store: db.Sessions(), Known: with.known,
		Failed: func(w http.ResponseWriter, r *http.Request, cause error) {
			log.Warn("session store", slog.String("cause", cause.Error()))
			pr := portal.Problem{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Text: "try again in a moment"}
			if r.Method == http.MethodGet {
				pr.RetryURI = r.URL.RequestURI()
			}
			pages.Problem(w, r, pr)
		},
	})
	if err != nil {
		return nil, nil, err
	}
	signIn, codes, err := p.newSignIn(c, db, with.bank, func(m login.Message) (portal.Letter, error) { return pages.CodeLetter(m) })
	if err != nil {
		return nil, nil, err
	}
	elsewhere, err := p.newBankLogin(c, db)
	if err != nil {
		return nil, nil, err
	}
	passkeys, err := newPasskeys(c, db)
	if err != nil {
		return nil, nil, err
	}
	pages, err = portal.New(portal.Config{
		UI: look, Sessions: sessions, Login: signIn, Bank: elsewhere, Authorizations: db.Authorizations(), Recipients: db.Recipients(),
		Accounts: with.bank.Accounts, Grants: db.Grants(), Stopper: stop, Reads: db.Reads(), Receipts: receipts, Log: log, Zone: zone, Watch: p.watch.Watch(),
		Rules: pageRules{with.rules}, Told: told{db.Notices()}, Rests: stop, Answers: db.Answers(), Uses: db.Reads(), Inbox: db.Inbox(), Teller: db.Inbox(), Exports: db.Exports(), Erasures: db.Erasures(), Switch: db.Switch(), Shrinker: stop, Base: c.BrowserBase, MailLanguage: c.MailLanguage,
		Codes: codes, Passkeys: passkeys, Devices: db.Sessions(), SignIns: db.SignIns(), Addresses: with.addresses,
	})
	return pages, sessions, err
}

// optional reads a file that may be left out; nil without a name.
func optional(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	return os.ReadFile(name)
}

func (p *Process) newServer(c Config, db *postgres.DB, with shared, stop *consent.Service, pages *portal.Portal, sessions *web.Sessions) (*authz.Server, error) {
	hasher, err := config.Hasher(c.HashKeysFile)
	if err != nil {
		return nil, fmt.Errorf("hash_keys_file: %w", err)
	}
	subjects, err := certs.LoadSecret(c.SubjectKeyFile)
	if err != nil {
		return nil, fmt.Errorf("subject_key_file: %w", err)
	}
	proofs, err := dpop.New(dpop.Config{})
	if err != nil {
		return nil, err
	}
	nonces, err := config.Nonces(c.NonceKeysFile)
	if err != nil {
		return nil, fmt.Errorf("nonce_keys_file: %w", err)
	}
	certificates, err := config.Certificates(c.ClientCAFile, c.ClientProxy)
	if err != nil {
		return nil, err
	}
	keySets, err := newKeySets(c)
	if err != nil {
		return nil, err
	}
	directories, err := newDirectories(c.Directories)
	if err != nil {
		return nil, fmt.Errorf("directories: %w", err)
	}
	if !slices.Contains([]string{"", "FDX", "GLEIF", "ICANN", "PRIVATE"}, c.BankRegistry) {
		return nil, errors.New("bank_registry: must be FDX, GLEIF, ICANN or PRIVATE")
	}
	return authz.New(authz.Config{
		Limits: authz.Limits{
			Strangers: c.StrangerQuota, Clients: c.ClientQuota, Introspections: c.IntrospectQuota, Stops: c.StopQuota,
			InFlight: c.MaxInFlight, Instances: c.Instances, Address: with.addresses.Of,
		},
		Policy:        with.rules,
		Registrations: db.Registrations(), Directories: directories,
		Issuer: c.Issuer, BrowserBase: c.BrowserBase, MTLSBase: c.MTLSBase,
		Certificates: certificates, KeySets: keySets, Nonces: nonces,
		Recipients: db.Recipients(), Authorizations: db.Authorizations(), Switch: db.Switch(),
		Requests: db.Requests(), Tokens: db.Tokens(), Guard: db.Guard(),
		Hasher: hasher, Stop: stop, DPoP: proofs, Keys: p.keys, Subjects: subjects,
		Provider: c.provider(),
		Browsers: sessions, Pages: journeyPages{pages}, Cache: with.cache.recent,
		Log: p.log, Now: time.Now, Watch: p.watch.Watch(),
	})
}

// provider is the bank as party of each grant, where FDX wants an entry of a
// register: unless the configuration names one, that of its host names.
func (c Config) provider() consent.Party {
	home := cmp.Or(c.BankHomeURI, c.Issuer)
	p := consent.Party{
		Name: c.BankName, Type: consent.PartyProvider, HomeURI: home, Registry: cmp.Or(c.BankRegistry, "ICANN"),
		RegisteredEntityName: cmp.Or(c.BankLegalName, c.BankName), RegisteredEntityID: c.BankRegistryID,
	}
	if u, err := url.Parse(home); err == nil && p.RegisteredEntityID == "" {
		p.RegisteredEntityID = u.Hostname()
	}
	return p
}

// prefixes reads a setting that lists address ranges.
func prefixes(setting string, list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", setting, err)
		}
		all = append(all, prefix)
	}
	return all, nil
}

// newKeySets returns what fetches clients' keys.
func newKeySets(c Config) (*outbound.KeySets, error) {
	client, err := newOutbound(c, 0)
	if err != nil {
		return nil, err
	}
	return outbound.NewKeySets(outbound.KeySetsConfig{Client: client})
}

// newOutbound returns the guarded way out; timeout 0 is its own.
func newOutbound(c Config, timeout time.Duration) (*outbound.Client, error) {
	trust, err := certs.ClientTLS(c.OutboundCAFile)
	if err != nil {
		return nil, fmt.Errorf("outbound_ca_file: %w", err)
	}
	oc := outbound.Config{TLS: trust, Timeout: timeout}
	if oc.AllowPrivate, err = prefixes("outbound_allow", c.OutboundAllow); err != nil {
		return nil, err
	}
	for _, text := range c.OutboundPorts {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return nil, errors.New("outbound_ports: each must be 1 to 65535")
		}
		oc.Ports = append(oc.Ports, uint16(port))
	}
	return outbound.New(oc)
}

// newDirectories reads who may sign software statements.
func newDirectories(list []string) ([]authz.Directory, error) {
	var all []authz.Directory
	for _, entry := range list {
		issuer, where, ok := strings.Cut(entry, "=")
		if !ok || where == "" {
			return nil, errors.New("each must be ISSUER=JWKS_URI or ISSUER=FILE")
		}
		var d authz.Directory
		d.Issuer, d.AutoApprove = strings.CutPrefix(issuer, "+")
		if strings.HasPrefix(where, "https://") {
			d.JWKSURI = where
		} else {
			file, err := os.ReadFile(where)
			if err != nil {
				return nil, err
			}
			if d.Keys, err = certs.ParseJWKS(file); err != nil {
				return nil, fmt.Errorf("%s: %w", where, err)
			}
		}
		all = append(all, d)
	}
	return all, nil
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
	j.Portal.Problem(w, r, portalProblem(p))
}

func portalProblem(p authz.Problem) portal.Problem {
	return portal.Problem{
		Status: p.Status, Code: p.Code, Text: p.Text, AppName: p.AppName, BackURI: p.BackURI,
		RetryURI: p.RetryURI, UILocales: p.UILocales, Journey: p.Journey, RedirectURIs: p.RedirectURIs,
	}
}

// routes puts the handlers on their listeners. The two never share a
// middleware stack.
func (p *Process) routes(server *authz.Server, pages *portal.Portal, lane stopLane, t *tls.Config, log *slog.Logger) error {
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
	consumer = lane.beside(consumer)
	p.protocol = web.NewServer(p.health.Around(around(protocol, lane.protocol)), t, log)
	p.browser = web.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.mailbox != nil && (r.URL.Path == mail.MailboxPath || strings.HasPrefix(r.URL.Path, mail.MailboxPath+"/")) {
			p.mailbox.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == "/authorize" || strings.HasPrefix(r.URL.Path, "/authorize/") {
			authorize.ServeHTTP(w, r)
			return
		}
		consumer.ServeHTTP(w, r)
	}), t, log)
	p.browser.RegisterOnShutdown(pages.EndStreams)
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
	var mtls net.Listener
	if c.MTLSBase != "" {
		if mtls, err = net.Listen("tcp", c.ListenMTLS); err != nil {
			return errors.Join(err, protocol.Close(), browser.Close())
		}
	}
	log.Info("authzd listens", slog.String("issuer", c.Issuer), slog.String("pages", c.BrowserBase), slog.String("mtls", c.MTLSBase))
	return p.Run(ctx, protocol, browser, mtls)
}

// Run serves the sockets until ctx ends, then drains. It ends with
// ledger.ErrRolledBack when the records of reads turn out to be older than a
// checkpoint of them. mtls is nil exactly
// when the configuration has no mtls_base.
func (p *Process) Run(ctx context.Context, protocol, browser, mtls net.Listener) error {
	listeners := append(p.watch.Listeners(), []web.Listener{{Server: p.protocol, Socket: protocol}, {Server: p.browser, Socket: browser}}...)
	if p.mtls != nil {
		listeners = append(listeners, web.Listener{Server: p.mtls, Socket: mtls})
	}
	if err := journal.Await(ctx, p.journalDir, p.db.Journal()); err != nil {
		return err
	}
	house, stop := context.WithCancel(ctx)
	var kept sync.WaitGroup
	kept.Go(func() {
		p.every(house, sweepEvery, "sweep", "sweep", func(ctx context.Context) error {
			_, err := p.db.Sweep(ctx, sweepLimit)
			return err
		})
	})
	kept.Go(func() {
		p.every(house, retainEvery, "retention", "retention", func(ctx context.Context) error { return p.retain(ctx, p.rules) })
	})
	if p.journal != nil {
		kept.Go(func() {
			p.every(house, noteEvery, "journal", "journal", func(ctx context.Context) error { return p.journal.Add(ctx, p.db.Journal()) })
		})
	}
	kept.Go(func() { p.keys.Run(house) })
	kept.Go(func() { p.watch.Clock(house, p.db) })
	if p.repeater != nil {
		kept.Go(func() { p.every(house, repeatEvery, "repeat", "", p.repeater.Round) })
		kept.Go(func() { p.every(house, aloneEvery, "redis", "redis_copies", p.alone) })
	}
	if p.notify != nil {
		kept.Go(func() {
			// It drains along with the listeners.
			if err := p.notify(ctx); err != nil {
				p.log.Error("notifications are not carried", slog.String("cause", err.Error()))
			}
		})
	}
	serving, end := context.WithCancel(ctx)
	defer end()
	var tampered error // set before end is called, or never
	if p.audit != nil {
		kept.Go(func() {
			if tampered = p.audit.Run(house); tampered != nil {
				p.log.Error("the records of reads", slog.String("cause", tampered.Error()))
				end()
			}
		})
	}
	err := web.Serve(serving, web.Drain{Health: p.health, LameDuck: p.lameDuck}, listeners...)
	stop()
	kept.Wait()
	return errors.Join(err, tampered)
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

// The housekeeping of the store: what has expired is marked and old rows go.
// Nothing depends on it for correctness; any number of instances may do it.
const (
	sweepEvery = 30 * time.Second
	sweepLimit = 1000 // rows of each kind per round
)

// noteEvery is how often what changed is written to the journal. While it
// cannot be written, stops go on and an alarm says that a restored database
// would not know them.
const noteEvery = time.Second

// repeatEvery is how often the cache is told again of what has come to an age
// at which it is.
const repeatEvery = 5 * time.Second

// aloneEvery is how often Redis is asked whether it may go back.
const aloneEvery = 30 * time.Second

// errGoesBack: introspection could believe what Redis had forgotten since.
var errGoesBack = errors.New("it has copies, or has read or keeps a file, and failover=true is not in its URL: " +
	"when a copy or a file takes the place of what it knows, a token may be called active for up to 5 s after a stop; " +
	"add the parameter in every process, or run it without copies and files")

// alone returns what fails while Redis may go back to what it knew before, and
// nobody has told us so. That it cannot be asked is told elsewhere.
func alone(r *redis.Cache) func(context.Context) error {
	return func(ctx context.Context) error {
		if goes, err := r.GoesBack(ctx); err == nil && goes {
			return errGoesBack
		}
		return nil
	}
}

// every does something again and again until ctx ends. What goes wrong is
// logged under its name and, if it has one, raises an alarm.
func (p *Process) every(ctx context.Context, pause time.Duration, name, alarm string, do func(context.Context) error) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := do(ctx); err != nil && ctx.Err() == nil {
				if alarm != "" {
					p.watch.Alarm(alarm)
				}
				p.log.Warn(name, slog.String("cause", err.Error()))
			}
		}
	}
}
