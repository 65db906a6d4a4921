package bench

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/services"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/sandbox"
)

// What every read asks for: a page of the newest transactions of a shop's
// account with 30,000 of them.
const (
	limit   = 50
	days    = 90
	persona = "heavy"
)

// public is the origin that the gateways believe to be reached under. Proofs
// name it; the connections go to loopback.
const public = "https://api.bank.example"

// conns is the size of each pool of connections to PostgreSQL: one for the
// gateway, one for the bank.
const conns = 16

// stack is everything that runs on the server's side.
type stack struct {
	postgres *services.Postgres
	database string // of this stack
	version  string // of PostgreSQL
	redis    *services.Redis

	log    *slog.Logger
	db     *postgres.DB
	gate   *postgres.Gate
	cache  *redis.Cache
	absent *redis.Cache // of a Redis that is not there
	bank   *sandbox.Store
	memory memoryBank

	tls    *tls.Config
	server devca.Pair
	caFile string
	hasher *token.Hasher
	byCert credentials
	byKey  credentials
	sealer *certs.Sealer
	apps   clients // of the authorization server

	sides   []*stack        // a small and a large one
	side    string          // which of them this is
	lanes   int             // of the gate; 0 is the default
	path    string          // of the page, with query
	access  resource.Access // what the page is of
	closers []func() error  // run last to first
}

// start brings everything up. On an error nothing is left.
func start(ctx context.Context, c Config) (_ *stack, err error) {
	s := &stack{database: database, lanes: c.Lanes}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	steps := []func(context.Context, Config) error{
		s.startServices, s.openStores, s.fillBank, s.makeCertificates, s.issueTokens, s.registerClients, s.takePage, s.makeSides, s.checkpoint,
	}
	for _, step := range steps {
		if err := step(ctx, c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// later has close call f; what was opened last is closed first.
func (s *stack) later(f func() error) { s.closers = append(s.closers, f) }

func (s *stack) close() error {
	var all error
	for i := len(s.closers) - 1; i >= 0; i-- {
		all = errors.Join(all, s.closers[i]())
	}
	return all
}

// database is made anew in each run: a run that was killed may have left one.
const database = "headgate_bench"

// startServices starts a PostgreSQL that keeps every promise about acknowledged
// writes (fsync and synchronous_commit on), because the gate waits for them,
// and a Redis.
func (s *stack) startServices(ctx context.Context, c Config) error {
	binaries, err := services.FindPostgres()
	if err != nil {
		return err
	}
	s.version = binaries.Version
	s.postgres, err = services.StartPostgres(ctx, services.PostgresConfig{
		Binaries: binaries, Dir: filepath.Join(c.Home, "bench-postgres"), Durable: true, Progress: c.say,
	})
	if err != nil {
		return err
	}
	s.later(func() error {
		// A durable cluster stays when it is stopped; this one is done with.
		return errors.Join(s.postgres.Stop(context.Background()), os.RemoveAll(filepath.Dir(s.postgres.LogFile())))
	})
	if s.redis, err = services.StartRedis(ctx, services.RedisConfig{}); err != nil {
		return err
	}
	s.later(func() error { s.redis.Stop(context.Background()); return nil })
	if err := s.checkDurable(ctx); err != nil {
		return err
	}
	c.say("PostgreSQL " + s.version + ", fsync and synchronous_commit on; Redis: " + s.redis.Kind())
	if err := statement(ctx, s.postgres.DSN("postgres"), "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)"); err != nil {
		return err
	}
	return statement(ctx, s.postgres.DSN("postgres"), "CREATE DATABASE "+database)
}

// checkpoint has what was filled in on the disk before anything is measured, and
// lets no further checkpoint fall into a round: after one, whatever line comes
// next writes each page whole that it changes.
func (s *stack) checkpoint(ctx context.Context, _ Config) error {
	for _, text := range []string{
		"ALTER SYSTEM SET checkpoint_timeout = '1h'", "ALTER SYSTEM SET max_wal_size = '16GB'", "SELECT pg_reload_conf()", "CHECKPOINT",
	} {
		if err := statement(ctx, s.postgres.DSN("postgres"), text); err != nil {
			return err
		}
	}
	return nil
}

// checkDurable makes sure that the figures are of a server that keeps what it
// has acknowledged: without that the gate would cost next to nothing.
func (s *stack) checkDurable(ctx context.Context) error {
	db, err := sql.Open("pgx", s.postgres.DSN("postgres"))
	if err != nil {
		return err
	}
	var durable bool
	err = db.QueryRowContext(ctx, `
		SELECT current_setting('fsync') = 'on' AND current_setting('synchronous_commit') = 'on'
		   AND current_setting('full_page_writes') = 'on'`).Scan(&durable)
	if err == nil && !durable {
		err = errors.New("PostgreSQL does not write durably")
	}
	return errors.Join(err, db.Close())
}

// statement runs one statement on a connection of its own, by the driver that
// the sandbox registers.
func statement(ctx context.Context, dsn, text string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, text)
	return errors.Join(err, db.Close())
}

func (s *stack) openStores(ctx context.Context, c Config) error {
	// Lines are written as in production, and nowhere.
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	s.later(null.Close)
	s.log = slog.New(slog.NewJSONHandler(null, nil))

	dsn := s.postgres.DSN(s.database)
	if err := errors.Join(postgres.Migrate(ctx, dsn), sandbox.Migrate(ctx, dsn)); err != nil {
		return err
	}
	if s.sealer, err = newSealer(); err != nil {
		return err
	}
	gone, err := services.StartRedis(ctx, services.RedisConfig{})
	if err != nil {
		return err
	}
	gone.Kill()
	if s.absent, err = redis.Open(redis.Config{URL: gone.URL(), Log: s.log}); err != nil {
		return err
	}
	s.later(s.absent.Close)
	return s.connect(ctx, dsn, s.redis.URL(), conns)
}

// connect opens the stores, with that many connections in each pool.
func (s *stack) connect(ctx context.Context, dsn, redisURL string, conns int) (err error) {
	if s.db, err = postgres.Open(ctx, postgres.Config{DSN: dsn, MaxConns: conns, Sealer: s.sealer, Name: "bench gateway"}); err != nil {
		return err
	}
	s.later(func() error { s.db.Close(); return nil })
	s.gate = postgres.NewGate(s.db, postgres.GateConfig{Lanes: s.lanes})
	s.later(func() error { s.gate.Close(); return nil })
	if s.cache, err = redis.Open(redis.Config{URL: redisURL, Log: s.log}); err != nil {
		return err
	}
	s.later(s.cache.Close)
	if s.bank, err = sandbox.Open(ctx, dsn+"&pool_max_conns="+strconv.Itoa(conns)); err != nil {
		return err
	}
	s.later(func() error { s.bank.Close(); return nil })
	return nil
}

func (s *stack) fillBank(ctx context.Context, c Config) error {
	c.say("loading the sandbox bank")
	if _, err := sandbox.Seed(ctx, s.bank, time.Now()); err != nil {
		return err
	}
	// Otherwise the housekeeping after a load would run in the middle.
	return statement(ctx, s.postgres.DSN(s.database), "VACUUM (ANALYZE)")
}

func (s *stack) makeCertificates(_ context.Context, _ Config) error {
	dir, err := os.MkdirTemp("", "headgate-bench-")
	if err != nil {
		return err
	}
	s.later(func() error { return os.RemoveAll(dir) })
	ca, err := devca.Open(devca.Config{Dir: dir})
	if err != nil {
		return err
	}
	s.caFile = ca.File()
	if s.server, err = ca.Server(); err != nil {
		return err
	}
	if s.byCert.pair, err = ca.Client("bench"); err != nil {
		return err
	}
	s.tls, err = certs.ServerTLS(certs.Config{
		CertFile: s.server.CertFile, KeyFile: s.server.KeyFile,
		ClientAuth: certs.RequestedClientCert, ClientCAFile: ca.File(),
	})
	return err
}

// issueTokens makes a grant and a token of each binding for every caller.
func (s *stack) issueTokens(ctx context.Context, c Config) error {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	var err error
	if s.hasher, err = token.NewHasher([]token.Key{{ID: "b1", Secret: secret}}); err != nil {
		return err
	}
	who, err := s.bank.Customer(ctx, persona)
	if err != nil {
		return err
	}
	accounts, err := s.bank.AccountsOf(ctx, who.ID)
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		return errors.New("the persona has no account")
	}
	i := &issuer{db: s.db, hasher: s.hasher, consumer: consent.ConsumerID(who.ID), accounts: []fdx.AccountID{accounts[0].Account.ID()}}
	if err := i.register(ctx); err != nil {
		return err
	}
	if s.byCert, err = i.certificateBound(ctx, c.Callers, s.byCert.pair); err != nil {
		return err
	}
	if s.byKey, err = i.keyBound(ctx, c.Callers); err != nil {
		return err
	}

	// The dates are fixed, so that a run over midnight asks for one page.
	now := time.Now()
	window := fdx.Window{Start: fdx.DateOf(now).AddDays(-days), End: fdx.DateOf(now)}
	s.path = "/fdx/v6/accounts/" + string(i.accounts[0]) + "/transactions?startDate=" + window.Start.String() +
		"&endDate=" + window.End.String() + "&limit=" + strconv.Itoa(limit)
	live, err := s.db.Tokens().Live(ctx, s.byCert.hashes[0])
	if err != nil {
		return err
	}
	var denial *resource.Denial
	s.access, denial = resource.Allow(live.Share, live.Access.Scopes, resource.Need{
		Account: i.accounts[0], Any: fdx.NewClusters(fdx.Transactions),
		Through: fdx.NewClusters(fdx.Transactions, fdx.Investments), Window: window,
	}, now)
	if denial != nil {
		return denial.Error
	}
	return nil
}

// takePage copies the page for the bank in memory.
func (s *stack) takePage(ctx context.Context, _ Config) error {
	page, err := s.bank.Transactions(ctx, s.access, resource.PageRequest{Limit: limit})
	if err != nil {
		return err
	}
	if len(page.Items) != limit || page.Next == "" {
		return fmt.Errorf("the account has a page of %d transactions, not %d and more after it", len(page.Items), limit)
	}
	s.memory = memoryBank{page: page}
	return nil
}

// gateway returns a gateway as production has it, but for these three.
func (s *stack) gateway(p resource.Provider, g resource.Gate, cache resource.Cache) (http.Handler, error) {
	proofs, err := dpop.New(dpop.Config{})
	if err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	gateway, err := resource.New(resource.Config{
		Public: public, Issuer: "https://bank.example", Instance: "bench", Log: s.log,
		Hasher: s.hasher, Proofs: proofs, Tokens: s.db.Tokens(), Cache: cache,
		Provider: p, Gate: g, PageKeys: [][]byte{key},
		// As in production, and never used up.
		Limits: resource.Limits{Quotas: resource.Quotas{Recipient: plenty, Consent: plenty}, InFlight: 1 << 16},
	})
	if err != nil {
		return nil, err
	}
	return gateway.Handler(), nil
}

// listen serves a handler on a port of its own until close, and returns its
// address.
func (s *stack) listen(h http.Handler) (string, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- web.Serve(ctx, web.Drain{}, web.Listener{Server: web.NewServer(new(web.Health).Around(h), s.tls.Clone(), s.log), Socket: socket})
	}()
	s.later(func() error { stop(); return <-ended })
	return socket.Addr().String(), nil
}

// bareOf returns the handler without checks that answers what a gateway
// answered.
func (s *stack) bareOf(p resource.Provider, answered []byte) (http.Handler, error) {
	var a fdx.TransactionsAnswer
	if err := json.Unmarshal(answered, &a); err != nil {
		return nil, err
	}
	return bare{provider: p, access: s.access, page: a.Page, links: a.Links, buffers: new(sync.Pool)}.handler(s.log)
}

// pageKeys finds the parts of a body that are fresh in each answer.
var pageKeys = regexp.MustCompile(`("nextPageKey":"|"nextOffset":"|pageKey=)[A-Za-z0-9_-]+`)

// withoutKeys returns a body without its page keys, for comparing it with
// another.
func withoutKeys(body []byte) string { return pageKeys.ReplaceAllString(string(body), "$1") }

// meter reads what the processes of this stack use.
func (s *stack) meter() meter { return meter{postgres: s.postgres.PID(), redis: s.redis.PID()} }

// newSealer returns a sealer under a fresh key.
func newSealer() (*certs.Sealer, error) {
	dir, err := os.MkdirTemp("", "headgate-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // read once
	file := filepath.Join(dir, "seal-keys.json")
	if err := certs.GenerateSealKeys(file); err != nil {
		return nil, err
	}
	return certs.LoadSealer(file)
}
