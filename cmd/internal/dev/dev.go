package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/mail"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/services"
	"github.com/headgate/headgate/resource/sandbox"
)

// Options says how to start a stack.
type Options struct {
	// Home is the state folder; it is created.
	Home string
	// Ephemeral forgets everything at the end.
	Ephemeral bool
	// PortBase is the first of six ports in a row: issuer, pages, gateway,
	// PostgreSQL, Redis, the issuer's host for mutual TLS. FreePorts takes free ones instead.
	PortBase  int
	FreePorts bool
	// PostgresDSN and RedisURL use servers that are running already; empty
	// starts private ones.
	PostgresDSN, RedisURL string
	// EmbeddedRedis uses the built-in Redis even where a real one is found.
	EmbeddedRedis bool
	// Nonces demands DPoP nonces at both servers.
	Nonces bool
	// OneTimeMinutes is how long one-time access lasts; 0 for the hour that the
	// rules give.
	OneTimeMinutes int
	// Metrics offers metrics on free ports of this machine.
	Metrics bool
	// Say is told about each step in one line; nil is silent.
	Say func(string)
}

// Stack is a running stack. Stop ends it.
type Stack struct {
	File File
	// Metrics are the addresses of the metrics, by process; nil without them.
	Metrics map[string]string

	home      string
	ephemeral bool
	db        *services.Postgres // nil when it is somebody else's
	redis     *services.Redis    // nil when it is somebody else's
	bank      *sandbox.Store
	lock      *os.File
	closers   []func()
	cancel    context.CancelFunc
	ended     chan error // one value per process
	running   int
}

// CheckpointsDir is the folder, in the state folder, of the checkpoints of the
// records of reads; PublicKeyFile is what verifies them.
const (
	CheckpointsDir = "checkpoints"
	PublicKeyFile  = "keys/audit-key.pub"
)

// The offsets of the ports from the base.
const (
	portIssuer = iota
	portPages
	portGateway
	portPostgres
	portRedis
	portMTLS
)

// Start brings a stack up and returns when it is ready, which is when
// dev.json has been written. On an error nothing is left running.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Home, err = filepath.Abs(o.Home); err != nil {
		return nil, err
	}
	s := &Stack{home: o.Home, ephemeral: o.Ephemeral, ended: make(chan error, 2)}
	if err := os.MkdirAll(o.Home, 0o700); err != nil {
		return nil, err
	}
	// Before anything that a failed start would have to undo: until the lock
	// is ours, the folder is somebody else's.
	if s.lock, err = lockHome(o.Home); err != nil {
		return nil, err
	}
	if _, kept := os.Stat(filepath.Join(o.Home, "keys")); o.Ephemeral && kept == nil {
		return nil, errors.Join(fmt.Errorf("%s holds a stack that is to be kept: name another folder with --home, or delete it", o.Home), s.lock.Close())
	}
	defer func() {
		if err != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			err = errors.Join(err, s.Stop(stop))
		}
	}()
	for _, dir := range []string{o.Home, filepath.Join(o.Home, "log"), filepath.Join(o.Home, "recipients")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if err := forget(o.Home); err != nil {
		return nil, err
	}
	sockets, err := s.sockets(o)
	if err != nil {
		return nil, err
	}
	dsn, redisURL, err := s.services(ctx, o)
	if err != nil {
		return nil, err
	}
	o.Say("migrating and loading the sandbox bank")
	if err := errors.Join(postgres.Migrate(ctx, dsn), sandbox.Migrate(ctx, dsn)); err != nil {
		return nil, err
	}
	if s.bank, err = sandbox.Open(ctx, dsn); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.bank.Close)
	if _, err := sandbox.Seed(ctx, s.bank, time.Now()); err != nil {
		return nil, err
	}
	s.File = File{
		Issuer: origin(sockets[portIssuer]), GatewayBase: origin(sockets[portGateway]), MTLSBase: origin(sockets[portMTLS]),
		PortalURL: origin(sockets[portPages]) + "/portal", MailboxURL: origin(sockets[portPages]) + mail.MailboxPath, PostgresDSN: dsn, RedisURL: redisURL,
	}
	for _, p := range sandbox.Personas() {
		s.File.Personas = append(s.File.Personas, Persona{p.Username, p.Password, p.About})
	}
	if err := s.processes(ctx, o, sockets); err != nil {
		return nil, err
	}
	return s, s.File.write(o.Home)
}

// sockets opens the listeners of the two processes, by their offset. They are opened before anything else,
// so that a port in use is found out at once.
func (s *Stack) sockets(o Options) (map[int]net.Listener, error) {
	all := map[int]net.Listener{}
	for _, i := range []int{portIssuer, portPages, portGateway, portMTLS} {
		port := 0
		if !o.FreePorts {
			port = o.PortBase + i
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return nil, fmt.Errorf("port %d is in use: choose others with --port-base, or 0 for free ones: %w", port, err)
		}
		s.closers = append(s.closers, func() { _ = l.Close() })
		all[i] = l
	}
	return all, nil
}

func origin(l net.Listener) string {
	return "https://localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// services starts PostgreSQL and Redis, or uses those that were named.
func (s *Stack) services(ctx context.Context, o Options) (dsn, redisURL string, err error) {
	port := func(offset int) int {
		if o.FreePorts {
			return 0
		}
		return o.PortBase + offset
	}
	dsn, redisURL = o.PostgresDSN, o.RedisURL
	if dsn == "" {
		bin, err := services.FindPostgres()
		if err != nil {
			return "", "", err
		}
		o.Say("PostgreSQL " + bin.Version + " from " + bin.Dir)
		s.db, err = services.StartPostgres(ctx, services.PostgresConfig{
			Binaries: bin, Dir: filepath.Join(o.Home, "postgres"), Durable: !o.Ephemeral,
			TCP: true, Port: port(portPostgres), Progress: o.Say,
		})
		if err != nil {
			return "", "", err
		}
		dsn = s.db.DSN("headgate")
		if err := postgres.CreateDatabase(ctx, s.db.DSN("postgres"), "headgate"); err != nil {
			return "", "", err
		}
	} else {
		o.Say("PostgreSQL as given")
	}
	if redisURL == "" {
		s.redis, err = services.StartRedis(ctx, services.RedisConfig{
			Dir: filepath.Join(o.Home, "log"), Port: port(portRedis), ForceEmbedded: o.EmbeddedRedis,
		})
		if err != nil {
			return "", "", err
		}
		o.Say("Redis: " + s.redis.Kind())
		redisURL = s.redis.URL()
	} else {
		o.Say("Redis as given")
	}
	return dsn, redisURL, nil
}

// processes makes certificates and keys, registers the demo recipients and
// starts both servers through the constructors of production.
func (s *Stack) processes(ctx context.Context, o Options, sockets map[int]net.Listener) error {
	ca, err := devca.Open(devca.Config{Dir: filepath.Join(s.home, "ca")})
	if err != nil {
		return err
	}
	server, err := ca.Server()
	if err != nil {
		return err
	}
	s.File.CAFile = ca.File()
	keys, err := Keys(filepath.Join(s.home, "keys"))
	if err != nil {
		return err
	}
	dsnFile := filepath.Join(s.home, "keys", "postgres-dsn")
	redisFile := filepath.Join(s.home, "keys", "redis-url")
	err = errors.Join(certs.WritePrivate(dsnFile, []byte(s.File.PostgresDSN+"\n")), certs.WritePrivate(redisFile, []byte(s.File.RedisURL+"\n")))
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, postgres.Config{DSN: s.File.PostgresDSN, MaxConns: 2})
	if err != nil {
		return err
	}
	defer db.Close()
	if s.File.Recipients, err = register(ctx, s.home, ca, registrations{db}); err != nil {
		return err
	}
	serves, err := registerCore(ctx, s.home, ca, registrations{db})
	if err != nil {
		return err
	}
	s.File.ResourceServers = []Recipient{serves}
	s.File.DPoPNonces = o.Nonces
	s.File.OneTimeSeconds = 60 * cmp.Or(o.OneTimeMinutes, int(consent.OneTimeTerm.Minutes()))
	s.File.SoftwareStatement, s.File.SoftwareStatementKeys = filepath.Join(s.home, "software-statement.jwt"), keys.SigningKeys
	if err := newStatement(ctx, s.File.Issuer, keys.SigningKeys, s.File.SoftwareStatement); err != nil {
		return err
	}

	nonces := ""
	if o.Nonces {
		nonces = keys.NonceKeys
	}
	metrics := ""
	if o.Metrics {
		metrics = "127.0.0.1:0"
	}
	const bankName = "Meadow Bank"
	pages := origin(sockets[portPages])
	a, err := authzd.New(ctx, authzd.Config{
		Issuer: s.File.Issuer, BrowserBase: pages, MTLSBase: s.File.MTLSBase, ClientCAFile: s.File.CAFile,
		TLSCertFile: server.CertFile, TLSKeyFile: server.KeyFile,
		PostgresDSNFile: dsnFile, PostgresConns: 8, RedisURLFile: redisFile, BankDSNFile: dsnFile,
		HashKeysFile: keys.HashKeys, SigningKeysFile: keys.SigningKeys, SealKeysFile: keys.SealKeys, SubjectKeyFile: keys.SubjectKey,
		NonceKeysFile: nonces, OneTimeMinutes: o.OneTimeMinutes,
		AuditKeyFile: keys.AuditKey, AuditDir: filepath.Join(s.home, CheckpointsDir),
		BankName: bankName, BankHomeURI: pages + "/portal", TimeZone: "UTC",
		ListenMetrics: metrics,
		Notify:        true, NotifyWorkers: 4,
		OutboundCAFile: s.File.CAFile, OutboundAllow: []string{"127.0.0.0/8", "::1/128"}, OutboundPorts: []string{"443", callbackPort},
		StrangerQuota: 600_000, ClientQuota: 600_000, IntrospectQuota: 600_000, StopQuota: 600_000, StopConns: 2,
	}, s.log("authzd"), authzd.WithMailbox(&mail.Mailbox{}))
	if err != nil {
		return fmt.Errorf("authzd: %w", err)
	}
	s.closers = append(s.closers, a.Close)
	g, err := gatewayd.New(ctx, gatewayd.Config{
		Public: s.File.GatewayBase, Issuer: s.File.Issuer,
		TLSCertFile: server.CertFile, TLSKeyFile: server.KeyFile,
		PostgresDSNFile: dsnFile, RedisURLFile: redisFile, BankDSNFile: dsnFile,
		HashKeysFile: keys.HashKeys, PageKeysFile: keys.PageKeys, NonceKeysFile: nonces,
		ListenMetrics: metrics, BankName: bankName, BankHomeURI: pages + "/portal",
		// Wide, so that no tool that plays with it runs into them.
		RecipientQuota: 600_000, ConsentQuota: 600_000, StrangerQuota: 600_000, MaxInFlight: 512, StopConns: 2,
	}, s.log("gatewayd"))
	if err != nil {
		return fmt.Errorf("gatewayd: %w", err)
	}
	s.closers = append(s.closers, g.Close)
	if o.Metrics {
		s.Metrics = map[string]string{
			"authzd": "http://" + a.MetricsAddress() + "/metrics", "gatewayd": "http://" + g.MetricsAddress() + "/metrics",
		}
	}

	// The processes outlive the start; Stop ends them.
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel, s.running = cancel, 2
	go func() { s.ended <- a.Run(run, sockets[portIssuer], sockets[portPages], sockets[portMTLS]) }()
	go func() { s.ended <- g.Run(run, sockets[portGateway]) }()
	return nil
}

// statement is what the software statement of the stack says of whoever
// registers with it.
const statement = `{
	"client_name": "Newcomer", "software_id": "newcomer",
	"redirect_uris": ["https://interop.example/callback"],
	"scope": "fdx:accountbasic:read fdx:accountdetailed:read fdx:balances:read fdx:transactions:read",
	"purposes": [{"code": "trying", "label": "To try how registration works", "clusters": ["ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "TRANSACTIONS"]}]
}`

// newStatement writes a software statement that the operator signs.
func newStatement(ctx context.Context, issuer, signingKeys, file string) error {
	keys, err := certs.LoadSigningKeys(signingKeys)
	if err != nil {
		return err
	}
	claims, err := authz.NewStatement(issuer, []byte(statement), time.Now(), 24*time.Hour)
	if err != nil {
		return err
	}
	text, err := keys.Sign(ctx, "ES256", authz.StatementType, claims)
	if err != nil {
		return err
	}
	return certs.WritePrivate(file, []byte(text+"\n"))
}

// log opens a process's log file; one line per request goes there.
func (s *Stack) log(name string) *slog.Logger {
	f, err := os.OpenFile(filepath.Join(s.home, "log", name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	s.closers = append(s.closers, func() { _ = f.Close() })
	return slog.New(slog.NewJSONHandler(f, nil))
}

// ErrServiceEnded: a part of the stack ended by itself.
var ErrServiceEnded = errors.New("a part of the stack ended by itself")

// Wait returns nil when ctx ends, and ErrServiceEnded with the cause when a
// part of the stack ends before. Redis may end: it is a cache.
func (s *Stack) Wait(ctx context.Context) error {
	var gone <-chan struct{}
	if s.db != nil {
		gone = s.db.Done()
	}
	select {
	case <-ctx.Done():
		return nil
	case <-gone:
		return fmt.Errorf("%w: PostgreSQL: %w", ErrServiceEnded, s.db.Err())
	case err := <-s.ended:
		s.running--
		return errors.Join(ErrServiceEnded, err)
	}
}

// KillRedis kills the private Redis without warning.
func (s *Stack) KillRedis() {
	if s.redis != nil {
		s.redis.Kill()
	}
}

// ImportOFX loads a bank statement for a customer and returns how to sign in
// as that customer.
func (s *Stack) ImportOFX(ctx context.Context, customer, name string, r io.Reader) (Persona, error) {
	if _, err := sandbox.ImportOFX(ctx, s.bank, customer, name, r); err != nil {
		return Persona{}, err
	}
	return Persona{Username: customer, Password: sandbox.DevPassword(customer), About: "imported from " + name}, nil
}

// Stop ends the processes, then Redis, then PostgreSQL, and with Ephemeral
// removes the state. It leaves no process behind. ctx bounds the orderly
// part.
func (s *Stack) Stop(ctx context.Context) error {
	var faults []error
	faults = append(faults, forget(s.home))
	if s.cancel != nil {
		s.cancel()
	}
	for ; s.running > 0; s.running-- {
		faults = append(faults, <-s.ended)
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
	if s.redis != nil {
		s.redis.Stop(ctx)
	}
	if s.db != nil {
		faults = append(faults, s.db.Stop(ctx))
	}
	if s.lock != nil {
		faults = append(faults, s.lock.Close())
	}
	if s.ephemeral {
		faults = append(faults, removeState(s.home))
	}
	return errors.Join(faults...)
}
