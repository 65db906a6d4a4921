package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/trace"
)

// Config configures a Cache.
type Config struct {
	// URL is redis://[user:password@]host:port[/db], rediss:// for TLS, or
	// unix:///path. Further nodes of a Redis Cluster are given as addr=host:port
	// parameters. failover=true says that another Redis may take the place of
	// this one and know less: see the package. Required, and a secret.
	URL string
	// TLS replaces the default config of rediss://; nil keeps it.
	TLS *tls.Config
	// Log is told when Redis is given up and taken up again; required.
	Log *slog.Logger
	// Traces gets a span for every call; nil traces nothing.
	Traces trace.TracerProvider
}

// limits are how long a call may wait for a connection, a dial and each
// direction of the exchange.
type limits struct{ pool, dial, io time.Duration }

// production makes the most that a caller may have to wait small beside what
// a bank takes.
var production = limits{pool: 50 * time.Millisecond, dial: 100 * time.Millisecond, io: 50 * time.Millisecond}

// forEnds makes what tells of an end more patient: a stop that Redis is not
// told of takes seconds, and reads wait for none of it.
func (l limits) forEnds() limits {
	return limits{pool: max(l.pool, ends), dial: max(l.dial, ends), io: max(l.io, ends)}
}

const (
	poolSize = 64
	endsPool = 8
	ends     = 250 * time.Millisecond

	breakAfter  = 5 // failures in a row
	breakPeriod = time.Second
)

// ErrDown: Redis was given up for the moment and was not asked.
var ErrDown = errors.New("redis: given up for the moment")

// Cache is the token cache. It implements resource.Cache and consent.Cache
// and is safe for concurrent use.
type Cache struct {
	client goredis.UniversalClient
	// failover: what it says may be from before what it was told.
	failover bool
	within   time.Duration // of a call, when it may have to ask for the map first; 0 in a single Redis
	breaker  *gobreaker.CircuitBreaker[struct{}]
	trips    trips // of look-ups
	// ends has connections of its own, and is never given up: what makes reads
	// give up, be it a machine that has too much to do, must not hold up stops.
	ends goredis.UniversalClient
}

// Open returns a Cache. It makes no connection: a Redis that is down now is
// the same as one that goes down later.
func Open(c Config) (*Cache, error) { return open(c, production) }

func open(c Config, l limits) (*Cache, error) {
	if c.Log == nil {
		return nil, errors.New("redis: Log is required")
	}
	client, is, err := connect(c, l, poolSize)
	if err != nil {
		return nil, err
	}
	ends, _, err := connect(c, l.forEnds(), endsPool)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	cache := &Cache{
		client: client, ends: ends, failover: is.failover,
		breaker: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
			MaxRequests: 1,
			Timeout:     breakPeriod,
			ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakAfter },
			// A client that hung up says nothing about Redis.
			IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
			OnStateChange: func(_ string, _, to gobreaker.State) {
				c.Log.Warn("redis", slog.String("breaker", to.String()))
			},
		}),
	}
	if is.clustered {
		cache.within = l.pool + l.dial + l.io
	}
	return cache, nil
}

// kind is what a URL says that Redis is.
type kind struct{ clustered, failover bool }

// connect returns a client with so many connections at most.
func connect(c Config, l limits, most int) (goredis.UniversalClient, kind, error) {
	opts, failover, err := options(c, l)
	if err != nil {
		return nil, kind{}, err
	}
	opts.PoolSize = most
	quiet()
	client := goredis.NewUniversalClient(opts)
	if c.Traces != nil {
		err := redisotel.InstrumentTracing(client, redisotel.WithTracerProvider(c.Traces),
			redisotel.WithDBStatement(false), redisotel.WithCallerEnabled(false), redisotel.WithDialFilter(true))
		if err != nil {
			return nil, kind{}, errors.Join(fmt.Errorf("redis: %w", err), client.Close())
		}
	}
	return client, kind{opts.IsClusterMode, failover}, nil
}

// Stats is what a Cache is doing, but for telling of ends.
type Stats struct {
	Max, Open, Idle int // connections
	// Waited is how often a call had to wait for a connection, and GivenUp
	// how often it got none in time.
	Waited, GivenUp int64
	// Breaker is "closed" while Redis is asked, "open" while it is given up
	// and "half-open" while it is tried again.
	Breaker string
}

// Stats returns what the cache is doing.
func (c *Cache) Stats() Stats {
	s := c.client.PoolStats()
	return Stats{
		Max: poolSize, Open: int(s.TotalConns), Idle: int(s.IdleConns), Waited: int64(s.WaitCount), GivenUp: int64(s.Timeouts),
		Breaker: c.breaker.State().String(),
	}
}

// GoesBack reports whether what Redis knows may be older one day than it was
// before, without failover=true in the URL: it has copies, of which one might
// take its place, or it keeps an append-only file, or it began with a snapshot
// or as a copy itself. Then introspection may believe what it had forgotten
// since. An error says that Redis does not tell.
func (c *Cache) GoesBack(ctx context.Context) (bool, error) {
	if c.failover {
		return false, nil
	}
	var about interface {
		Info(ctx context.Context, sections ...string) *goredis.StringCmd
	} = c.ends
	if all, ok := c.ends.(*goredis.ClusterClient); ok {
		shard, err := all.MasterForKey(ctx, generationKey)
		if err != nil {
			return false, fmt.Errorf("find the shard: %w", err)
		}
		about = shard
	}
	text, err := about.Info(ctx).Result()
	if err != nil {
		return false, fmt.Errorf("ask whether it goes back: %w", err)
	}
	return goesBack(text), nil
}

// goesBack reads what INFO says of GoesBack.
func goesBack(info string) bool {
	for line := range strings.Lines(info) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
		case "connected_slaves", "aof_enabled", "rdb_last_load_keys_loaded":
			if value != "0" {
				return true
			}
		}
	}
	return false
}

// Close closes the connections.
func (c *Cache) Close() error { return errors.Join(c.client.Close(), c.ends.Close()) }

// quiet silences the client library, which writes each failed dial to
// standard error in a form of its own. Every failure is returned as well.
var quiet = sync.OnceFunc(func() { goredis.SetLogger(silence{}) })

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// options sets what the library's defaults get wrong for a cache: with them a
// frozen Redis holds a request for ten seconds, whatever the context says.
func options(c Config, l limits) (_ *goredis.UniversalOptions, failover bool, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, false, errors.New("redis: URL is malformed") // the cause repeats the URL
	}
	o := &goredis.UniversalOptions{
		DialTimeout:           l.dial,
		DialerRetries:         1,
		ReadTimeout:           l.io,
		WriteTimeout:          l.io,
		PoolTimeout:           l.pool,
		MaxRetries:            -1,
		ContextTimeoutEnabled: true,
		// Two commands on connect that Redis 7.0 does not know.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	query := u.Query()
	if nodes := query["addr"]; len(nodes) > 0 {
		query.Del("addr")
		o.IsClusterMode = true
		// One try here too: a second one could find its own proof spent. A node
		// that says MOVED is a failure, and the map is read anew meanwhile.
		o.MaxRedirects = -1
		o.Addrs = nodes
	}
	if said := query["failover"]; len(said) > 0 {
		query.Del("failover")
		if len(said) > 1 || said[0] != "true" {
			return nil, false, errors.New("redis: failover is true or absent from the URL")
		}
		failover = true
	}
	if len(query) > 0 {
		return nil, false, errors.New("redis: URL has a parameter other than addr and failover")
	}
	u.RawQuery = ""
	one, err := goredis.ParseURL(u.String())
	if err != nil {
		return nil, false, fmt.Errorf("redis: URL is malformed: %w", withoutURL(err))
	}
	if o.IsClusterMode && (one.Network == "unix" || one.DB != 0) {
		return nil, false, errors.New("redis: a Redis Cluster has neither a socket path nor numbered databases")
	}
	o.Addrs = append([]string{one.Addr}, o.Addrs...)
	o.Username, o.Password, o.DB, o.TLSConfig = one.Username, one.Password, one.DB, one.TLSConfig
	if o.TLSConfig != nil && c.TLS != nil {
		o.TLSConfig = c.TLS
	}
	return o, failover, nil
}

// withoutURL keeps an error of the parser that names the scheme only.
func withoutURL(err error) error {
	if strings.Contains(err.Error(), "scheme") {
		return errors.New("the scheme is redis, rediss or unix")
	}
	return errors.New("it is redis://host:port")
}
