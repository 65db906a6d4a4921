package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
)

// Server-side and client-side bounds of a call. The server's come first, so
// that a statement that takes too long is ended by the server, which then
// says so, and only a server that is silent runs into ours.
const (
	statementTimeout = 2 * time.Second
	lockTimeout      = time.Second
	idleInTxTimeout  = 5 * time.Second
	connectTimeout   = 2 * time.Second
	callTimeout      = 3 * time.Second
)

const defaultMaxConns = 16

// Config configures a DB.
type Config struct {
	// DSN names the database, as a URL or as key=value words (required). It
	// may name several hosts: only one that accepts writes is used.
	DSN string
	// MaxConns bounds the connections of this process; 16 when zero.
	MaxConns int
	// Sealer encrypts what recipients and people sent and must be read again:
	// request parameters and login hints. Without it the stores of pushed
	// requests and of decisions refuse to work; no other needs it.
	Sealer Sealer
	// Name is what the server shows as application_name; "headgate" when
	// empty.
	Name string
	// Traces gets a span for every call within a request that is traced; nil
	// traces nothing.
	Traces trace.TracerProvider
}

// DB is a pool of connections to the primary. The stores are views of it. It
// is safe for concurrent use.
type DB struct {
	pool   *pgxpool.Pool
	sealer Sealer
	jobs   *river.Client[pgx.Tx] // only makes jobs

	lookups lookups // of access tokens
}

// Sealer encrypts values before they are stored. label names table and
// column, id the row: moved anywhere else a value does not open.
// Implementations are safe for concurrent use; certs.Sealer is one.
type Sealer interface {
	// Seal returns plain encrypted.
	Seal(ctx context.Context, label, id string, plain []byte) ([]byte, error)
	// Open returns what was sealed under the same label and id.
	Open(ctx context.Context, label, id string, sealed []byte) ([]byte, error)
}

// errNoSealer: a store that holds personal data in transit was opened without
// a way to encrypt it.
var errNoSealer = errors.New("postgres: no Sealer is configured")

func (db *DB) seal(ctx context.Context, label, id string, plain []byte) ([]byte, error) {
	if db.sealer == nil {
		return nil, errNoSealer
	}
	sealed, err := db.sealer.Seal(ctx, label, id, plain)
	if err != nil {
		return nil, unavailable(err) // its keys are out of reach
	}
	return sealed, nil
}

func (db *DB) unseal(ctx context.Context, label, id string, sealed []byte) ([]byte, error) {
	if db.sealer == nil {
		return nil, errNoSealer
	}
	plain, err := db.sealer.Open(ctx, label, id, sealed)
	if err != nil && ctx.Err() != nil {
		return nil, unavailable(err)
	}
	return plain, err
}

// Open returns a DB. It checks the configuration but waits for no
// connection, so that a process can start and answer 503 while the database
// is away; Check tells whether it is there. Close it after use.
func Open(ctx context.Context, c Config) (*DB, error) {
	pc, err := poolConfig(c)
	if err != nil {
		return nil, err
	}
	if c.Traces != nil {
		pc.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(c.Traces), otelpgx.WithMeterProvider(noop.NewMeterProvider()),
			otelpgx.WithDisableSQLStatementInAttributes(), otelpgx.WithDisableConnectionDetailsInAttributes())
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return newDB(pool, c.Sealer)
}

func newDB(pool *pgxpool.Pool, sealer Sealer) (*DB, error) {
	jobs, err := newInserter()
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &DB{pool: pool, sealer: sealer, jobs: jobs}, nil
}

func poolConfig(c Config) (*pgxpool.Config, error) {
	if c.DSN == "" {
		return nil, errors.New("postgres: a DSN is required")
	}
	if c.MaxConns < 0 {
		return nil, errors.New("postgres: MaxConns must not be negative")
	}
	pc, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		return nil, fmt.Errorf("postgres: read DSN: %w", err) // pgx leaves the password out
	}
	pc.MaxConns = defaultMaxConns
	if c.MaxConns > 0 {
		pc.MaxConns = int32(min(c.MaxConns, 1<<15))
	}
	pc.MaxConnLifetime = 30 * time.Minute
	pc.MaxConnLifetimeJitter = 5 * time.Minute
	configure(pc.ConnConfig, c.Name)
	params := pc.ConnConfig.RuntimeParams
	params["statement_timeout"] = milliseconds(statementTimeout)
	params["lock_timeout"] = milliseconds(lockTimeout)
	params["idle_in_transaction_session_timeout"] = milliseconds(idleInTxTimeout)
	return pc, nil
}

// configure sets what every connection of this package needs, whatever it is
// used for.
func configure(cc *pgx.ConnConfig, name string) {
	if name == "" {
		name = "headgate"
	}
	cc.RuntimeParams["application_name"] = name
	// An acknowledged write survives a crash, whatever the role's default.
	cc.RuntimeParams["synchronous_commit"] = "on"
	cc.ConnectTimeout = connectTimeout
	if cc.ValidateConnect == nil {
		// After a failover the old primary may still answer reads: only a
		// server that accepts writes is the truth.
		cc.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	cc.OnNotice = func(c *pgconn.PgConn, n *pgconn.Notice) {
		if unreplicated(n) {
			c.CustomData()[unreplicatedKey] = true
		}
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// unreplicatedKey marks a connection on which a commit was acknowledged that
// the standby may not have. Its only use is by the goroutine that holds the
// connection.
const unreplicatedKey = "headgate.unreplicated"

// unreplicated recognises the warning with which the server acknowledges a
// commit whose wait for the standby was cancelled. The write is done here and
// perhaps nowhere else, so that a failover would undo it: its fate is
// unknown. The routine's name does not depend on the server's language.
func unreplicated(n *pgconn.Notice) bool {
	return n.Routine == "SyncRepWaitForLSN" ||
		strings.HasPrefix(n.Message, "canceling wait for synchronous replication") ||
		strings.HasPrefix(n.Message, "canceling the wait for synchronous replication")
}

// Pool is what a pool of connections is doing.
type Pool struct {
	Max, Open, Idle int
	// Waited is how often a call had to wait for a connection, and GivenUp
	// how often it got none in time.
	Waited, GivenUp int64
}

// Pool returns what the connections are doing.
func (db *DB) Pool() Pool {
	s := db.pool.Stat()
	return Pool{
		Max: int(s.MaxConns()), Open: int(s.TotalConns()), Idle: int(s.IdleConns()),
		Waited: s.EmptyAcquireCount(), GivenUp: s.CanceledAcquireCount(),
	}
}

// Close closes all connections and waits for those in use.
func (db *DB) Close() {
	db.lookups.close()
	db.pool.Close()
}

// do runs f on a connection and maps its error. f returns errors of the
// database as they are and outcomes of the store as named errors.
func (db *DB) do(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer c.Release()
	err = f(ctx, c.Conn())
	if _, marked := c.Conn().PgConn().CustomData()[unreplicatedKey]; marked {
		// Closed, so that the mark dies with the connection.
		_ = c.Conn().Close(ctx)
		return unavailable(errUnreplicated)
	}
	if err != nil && c.Conn().IsClosed() {
		return unavailable(err)
	}
	return classify(err)
}

// tx runs f in a transaction: committed when f returns nil, rolled back
// otherwise.
func (db *DB) tx(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return f(ctx, tx) })
	})
}

// querier is what a connection and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// one returns the only row as T, missing when there is none.
func one[T any](ctx context.Context, q querier, missing error, sql string, args ...any) (T, error) {
	rows, _ := q.Query(ctx, sql, args...) // CollectExactlyOneRow returns the error
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return v, missing
	}
	return v, err
}

// atMostOne returns the only row of a query as T, nil when there is none.
func atMostOne[T any](rows pgx.Rows) (*T, error) {
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return v, err
}

// many returns all rows as T; nil when there are none.
func many[T any](ctx context.Context, q querier, sql string, args ...any) ([]T, error) {
	rows, _ := q.Query(ctx, sql, args...) // AppendRows returns the error
	return pgx.AppendRows([]T(nil), rows, pgx.RowToStructByName[T])
}
