package bench

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/cmd/internal/dev"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox"
	"github.com/headgate/headgate/resource/sqlviews/pkdd99"
)

// LoadConfig configures Load.
type LoadConfig struct {
	// Home is the state folder: the gateway's log goes there, as
	// load-gatewayd.log, and while the load lasts the database. It is created.
	// Required.
	Home string
	// Rate is how many reads are made a second, 1 to 10,000; 150 when zero.
	Rate int
	// Seconds is for how long, 1 to 3,600; 60 when zero.
	Seconds int
	// Callers is how many connections there are, 1 to 1,000; 64 when zero. As
	// many reads can be under way at a time.
	Callers int
	// Bank is the bank file of the bank to read, Consumers the ids of people
	// with accounts there. Both empty is the sandbox bank with its personas.
	Bank      string
	Consumers []string
	// PKDD99 is a folder with the files of the PKDD'99 bank, to read that one
	// instead: owners and authorised users of ten of its households.
	PKDD99 string
	// Out gets progress lines and the result; nil is silent.
	Out io.Writer
}

// ErrLoad: at least one read was not answered with data, or not recorded. The
// result was printed and says what came instead.
var ErrLoad = errors.New("not every read was answered with data and recorded")

// Load reads a bank at a constant rate through a gateway that is a process of
// its own, over TLS, with DPoP-bound tokens of a grant for each person, and
// prints how long the reads took and what went wrong. It returns ErrLoad when
// anything did; no figure makes it fail. It starts a private PostgreSQL and a
// Redis and leaves nothing of them. Without an installed PostgreSQL the error
// is services.ErrNoPostgres.
func Load(ctx context.Context, c LoadConfig) error {
	c.Rate, c.Seconds, c.Callers = cmp.Or(c.Rate, 150), cmp.Or(c.Seconds, 60), cmp.Or(c.Callers, 64)
	if c.Out == nil {
		c.Out = io.Discard
	}
	switch {
	case c.Home == "":
		return errors.New("load: Home is required")
	case c.Rate < 1 || c.Rate > 10_000:
		return errors.New("load: the rate is 1 to 10,000 reads a second")
	case c.Seconds < 1 || c.Seconds > 3600:
		return errors.New("load: a load lasts 1 to 3,600 seconds")
	case c.Callers < 1 || c.Callers > 1000:
		return errors.New("load: there are 1 to 1,000 callers")
	case c.Bank != "" && c.PKDD99 != "":
		return errors.New("load: one bank is read at a time")
	case (c.Bank != "") != (len(c.Consumers) > 0):
		return errors.New("load: a bank file needs consumers of that bank, and consumers a bank file")
	}
	if err := c.run(ctx, time.Duration(c.Seconds)*time.Second); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

func (c LoadConfig) run(ctx context.Context, each time.Duration) (err error) {
	if c.Home, err = filepath.Abs(c.Home); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Home, 0o700); err != nil {
		return err
	}
	s := &stack{database: database}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, step := range []func(context.Context, Config) error{s.startServices, s.openStores, s.makeCertificates} {
		if err := step(ctx, Config{Home: c.Home, Out: c.Out}); err != nil {
			return err
		}
	}
	private, err := os.MkdirTemp("", "headgate-load-")
	if err != nil {
		return err
	}
	s.later(func() error { return os.RemoveAll(private) })
	who, bankFile, err := s.openBank(ctx, c, private)
	if err != nil {
		return err
	}
	keys, err := dev.Keys(filepath.Join(private, "keys"))
	if err != nil {
		return err
	}
	if s.hasher, err = config.Hasher(keys.HashKeys); err != nil {
		return err
	}
	reads, grants, err := s.households(ctx, who, bankFile)
	switch {
	case err != nil:
		return err
	case grants == 0, c.Bank != "" && grants < len(who): // of the sandbox's personas some have none
		return fmt.Errorf("%d of %d people have accounts that can be shared", grants, len(who))
	}
	dsnFile, redisFile := filepath.Join(private, "dsn"), filepath.Join(private, "redis")
	err = errors.Join(certs.WritePrivate(dsnFile, []byte(s.postgres.DSN(s.database))), certs.WritePrivate(redisFile, []byte(s.redis.URL())))
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(c.Home, "load-gatewayd.log"))
	if err != nil {
		return err
	}
	s.later(log.Close)
	g, err := startGateway(ctx, gatewayd.Config{
		Public: public, Issuer: issuerBase, Instance: "load", TLSCertFile: s.server.CertFile, TLSKeyFile: s.server.KeyFile,
		PostgresDSNFile: dsnFile, PostgresConns: conns, GateLanes: 4, RedisURLFile: redisFile, BankFile: bankFile,
		HashKeysFile: keys.HashKeys, PageKeysFile: keys.PageKeys,
		RecipientQuota: plenty, ConsentQuota: plenty, MaxInFlight: 1 << 16,
	}, log)
	if err != nil {
		return err
	}
	s.later(g.close)
	fmt.Fprintf(c.Out, "load: %d reads/s for %v, %d different reads under %d grants, %d connections\n", c.Rate, each, len(reads), grants, c.Callers)
	a, err := generate(ctx, rateJob{
		Address: g.address, CAFile: s.caFile, Callers: c.Callers, Rate: c.Rate, Measure: each, Reads: reads,
	})
	if err != nil {
		return err
	}
	records, err := s.records(ctx)
	if err != nil {
		return err
	}
	return a.report(c.Out, s.machine(), records)
}

// openBank makes the bank ready and returns the people whose accounts are
// read, and its bank file.
func (s *stack) openBank(ctx context.Context, c LoadConfig, private string) ([]consent.ConsumerID, string, error) {
	var who []consent.ConsumerID
	file, dsnFile, mappingFile := filepath.Join(private, "bank.yaml"), filepath.Join(private, "bank-dsn"), filepath.Join(private, "mapping.yaml")
	switch {
	case c.Bank != "":
		for _, id := range c.Consumers {
			who = append(who, consent.ConsumerID(id))
		}
		return who, c.Bank, nil
	case c.PKDD99 != "":
		const name = "pkdd99"
		fmt.Fprintln(c.Out, "load: loading the PKDD'99 bank")
		dsn := s.postgres.DSN(name)
		err := statement(ctx, s.postgres.DSN("postgres"), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		if err == nil {
			err = statement(ctx, s.postgres.DSN("postgres"), "CREATE DATABASE "+name)
		}
		if err == nil {
			err = pkdd99.Load(ctx, dsn, c.PKDD99, fdx.DateOf(time.Now()).AddDays(-1))
		}
		if err == nil {
			// Otherwise the housekeeping after a load would run in the middle.
			err = statement(ctx, dsn, "VACUUM (ANALYZE)")
		}
		if err != nil {
			return nil, "", err
		}
		households, err := pkdd99.Households(ctx, dsn, 10)
		if err != nil {
			return nil, "", err
		}
		for _, h := range households {
			who = append(who, h.Owner, h.User)
		}
		return who, file, errors.Join(
			certs.WritePrivate(dsnFile, []byte(dsn)), certs.WritePrivate(mappingFile, pkdd99.Mapping()),
			certs.WritePrivate(file, fmt.Appendf(nil, "kind: sqlviews\nsqlviews: {dsn_file: %q, mapping_file: %q, pool_size: %d}\n", dsnFile, mappingFile, conns)),
		)
	}
	if err := s.fillBank(ctx, Config{Out: c.Out}); err != nil {
		return nil, "", err
	}
	for _, p := range sandbox.Personas() {
		if p.Username == "quirks" {
			continue // accounts of this one refuse on purpose
		}
		person, err := s.bank.Customer(ctx, p.Username)
		if err != nil {
			return nil, "", err
		}
		who = append(who, consent.ConsumerID(person.ID))
	}
	return who, file, errors.Join(
		certs.WritePrivate(dsnFile, []byte(s.postgres.DSN(s.database)+"&pool_max_conns="+strconv.Itoa(conns))),
		certs.WritePrivate(file, fmt.Appendf(nil, "kind: sandbox\nsandbox: {dsn_file: %q}\n", dsnFile)),
	)
}

// households makes a grant over all accounts of each of these people who has
// any, and returns what is read under them: the list of accounts, and of every
// account itself and its newest transactions; and how many grants there are.
func (s *stack) households(ctx context.Context, who []consent.ConsumerID, bankFile string) (reads []rateRead, grants int, err error) {
	b, err := bank.Open(ctx, bank.Config{File: bankFile, Log: s.log})
	if err != nil {
		return nil, 0, err
	}
	defer b.Close()
	i := &issuer{db: s.db, hasher: s.hasher}
	if err := i.register(ctx); err != nil {
		return nil, 0, err
	}
	for _, id := range who {
		choices, err := b.Accounts.Choices(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		i.consumer, i.accounts = id, nil
		for _, choice := range choices {
			if choice.Ineligible == "" {
				i.accounts = append(i.accounts, choice.ID)
			}
		}
		if len(i.accounts) == 0 {
			continue
		}
		grants++
		granted, err := i.keyBound(ctx, 1)
		if err != nil {
			return nil, 0, err
		}
		add := func(path, query string) {
			reads = append(reads, rateRead{Path: path + query, URL: public + path, Token: granted.tokens[0], Key: granted.keys[0]})
		}
		add("/fdx/v6/accounts", "")
		for _, account := range i.accounts {
			path := "/fdx/v6/accounts/" + url.PathEscape(string(account))
			add(path, "")
			add(path+"/transactions", "?limit="+strconv.Itoa(limit))
		}
	}
	return reads, grants, nil
}

// generate has a process of its own make the load.
func generate(ctx context.Context, j rateJob) (rateAnswer, error) {
	cmd, err := child(ctx, partRate)
	if err != nil {
		return rateAnswer{}, fmt.Errorf("start load generator: %w", err)
	}
	text, err := json.Marshal(j)
	if err != nil {
		return rateAnswer{}, err
	}
	cmd.Stdin = strings.NewReader(string(text))
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return rateAnswer{}, ctx.Err()
	}
	var a rateAnswer
	if err == nil {
		err = json.Unmarshal(out, &a)
	}
	switch {
	case err != nil:
		return rateAnswer{}, fmt.Errorf("the load generator is gone (does main call bench.Child first?): %w", err)
	case a.Error != "":
		return rateAnswer{}, errors.New(a.Error)
	}
	return a, nil
}

// records counts the access records of reads that were given data.
func (s *stack) records(ctx context.Context) (n int, err error) {
	db, err := sql.Open("pgx", s.postgres.DSN(s.database))
	if err != nil {
		return 0, err
	}
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM access_record WHERE outcome <> 'refused'`).Scan(&n)
	return n, errors.Join(err, db.Close())
}

// machine says in a line where the load was made.
func (s *stack) machine() string {
	return fmt.Sprintf("%s; %s/%s, %d cores, %s; PostgreSQL %s, Redis: %s", time.Now().UTC().Format(time.RFC3339),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), s.version, s.redis.Kind())
}

// report prints what a load came to. records is how many reads left an access
// record, those before the clock started too.
func (a rateAnswer) report(w io.Writer, machine string, records int) error {
	faults := 0
	for _, n := range a.Faults {
		faults += n
	}
	answered := a.Count - faults
	fmt.Fprintf(w, "\n%s\n\n", machine)
	row := func(name, form string, args ...any) {
		fmt.Fprintf(w, "  %-10s "+form+"\n", append([]any{name}, args...)...)
	}
	row("reads", "%d in %.2f s, %.1f/s", a.Count, a.Elapsed.Seconds(), float64(a.Count)/a.Elapsed.Seconds())
	row("answered", "%d with data, %d of them in part", answered, a.Partial)
	row("errors", "%d", faults)
	for _, what := range slices.Sorted(maps.Keys(a.Faults)) {
		row("", "%d %s", a.Faults[what], what)
	}
	row("records", "%d for %d answers, %d of them before the clock started", records, answered+a.Warm, a.Warm)
	row("latency", "p50 %.2f ms, p95 %.2f ms, p99 %.2f ms, longest %.2f ms, from when each read was due",
		milliseconds(a.P50), milliseconds(a.P95), milliseconds(a.P99), milliseconds(a.Longest))
	row("late", "%d had to wait for a connection", a.Late)
	if faults > 0 || records != answered+a.Warm {
		return ErrLoad
	}
	return nil
}
