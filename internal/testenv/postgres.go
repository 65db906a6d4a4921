package testenv

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/internal/services"
)

// DatabaseURL is the environment variable that names an existing server to
// create test databases on: a URL, as a role that may create databases. It
// saves each test binary the start of a cluster of its own; `make test` sets
// it.
const DatabaseURL = "HEADGATE_TEST_DATABASE_URL"

// Config says what a test database looks like.
type Config struct {
	// Version stands for everything that Migrate does, for example the text of
	// all migrations. Test binaries that share a server share the template of
	// a version. Required.
	Version string
	// Migrate brings the empty database at dsn to the schema, and closes its
	// connections before it returns. Required.
	Migrate func(ctx context.Context, dsn string) error
}

// Env makes databases of one schema. Its methods are safe for concurrent use,
// except Main.
type Env struct {
	cfg     Config
	inMain  bool // set before any test runs
	cluster *services.Postgres

	server   func() (string, error) // once: the superuser's DSN
	template func() (string, error) // once: the name of the template database
}

// New does nothing yet: the server starts with the first test that needs it.
func New(cfg Config) *Env {
	if cfg.Version == "" || cfg.Migrate == nil {
		panic("testenv: Version and Migrate are required")
	}
	e := &Env{cfg: cfg}
	e.server = sync.OnceValues(e.startServer)
	e.template = sync.OnceValues(e.makeTemplate)
	return e
}

// Main runs the tests of a package, stops the server if they started one, and
// returns the exit code. Call it from TestMain.
func (e *Env) Main(m interface{ Run() int }) int {
	e.inMain = true
	code := m.Run()
	if e.cluster != nil {
		if err := e.cluster.Stop(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "testenv:", err)
			return max(code, 1)
		}
	}
	return code
}

// Postgres returns the URL of a fresh database with the schema and no rows.
// The database is dropped when the test ends, whoever is still connected.
func (e *Env) Postgres(t testing.TB) string {
	t.Helper()
	if !e.inMain {
		t.Fatal("testenv: call Env.Main from TestMain, or nobody stops the server")
	}
	server, err := e.server()
	if err != nil {
		t.Fatal(err)
	}
	template, err := e.template()
	if err != nil {
		t.Fatal(err)
	}
	name := "headgate_test_" + strings.ToLower(rand.Text())
	if err := execute(server, "CREATE DATABASE "+quoted(name)+" TEMPLATE "+quoted(template)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(server, "DROP DATABASE "+quoted(name)+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	dsn, err := withDatabase(server, name)
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

func (e *Env) startServer() (string, error) {
	if dsn := os.Getenv(DatabaseURL); dsn != "" {
		return dsn, nil
	}
	cluster, err := StartCluster(context.Background(), nil)
	if err != nil {
		return "", fmt.Errorf("testenv: %w", err)
	}
	e.cluster = cluster
	return cluster.DSN("postgres"), nil
}

// StartCluster starts a throw-away cluster for tests, apart from all others
// that run on this machine. The caller stops it. progress may be nil.
func StartCluster(ctx context.Context, progress func(string)) (*services.Postgres, error) {
	binaries, err := services.FindPostgres()
	if err != nil {
		return nil, err
	}
	// Numbered folders instead of random ones: what a killed run has left is
	// found and cleaned up by the next.
	for n := range 1000 {
		p, err := services.StartPostgres(ctx, services.PostgresConfig{
			Binaries: binaries,
			Dir:      filepath.Join(os.TempDir(), fmt.Sprintf("headgate-test-%d-%d", os.Geteuid(), n)),
			Progress: progress,
		})
		if !errors.Is(err, services.ErrFolderInUse) {
			return p, err
		}
	}
	return nil, errors.New("1000 test clusters run on this machine already")
}

// templateLock serialises the making of templates on one server, across test
// binaries (PostgreSQL advisory lock key; the number has no meaning).
const templateLock = 7317349021

// makeTemplate returns the name of the migrated template database, and makes it
// if no other test binary has. It gets its name last, so that one that exists
// is complete.
func (e *Env) makeTemplate() (string, error) {
	server, err := e.server()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	name := templateName(e.cfg)
	if err := e.makeTemplateNamed(ctx, server, name); err != nil {
		return "", fmt.Errorf("testenv: make the template database: %w", err)
	}
	return name, nil
}

// templateName fits PostgreSQL's 63 bytes with "_draft" appended.
func templateName(cfg Config) string {
	sum := sha256.Sum256([]byte(cfg.Version))
	return fmt.Sprintf("headgate_template_%x", sum[:16])
}

func (e *Env) makeTemplateNamed(ctx context.Context, server, name string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // drops the lock as well
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(templateLock)); err != nil {
		return err
	}
	var made bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&made); err != nil || made {
		return err
	}
	draft := name + "_draft"
	if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quoted(draft)+" WITH (FORCE)"); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+quoted(draft)); err != nil {
		return err
	}
	dsn, err := withDatabase(server, draft)
	if err != nil {
		return err
	}
	if err := e.cfg.Migrate(ctx, dsn); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	// A database with a session cannot be cloned: let nobody open one.
	if _, err := conn.Exec(ctx, "ALTER DATABASE "+quoted(draft)+" WITH ALLOW_CONNECTIONS false"); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+quoted(draft)+" RENAME TO "+quoted(name))
	return err
}

// patience bounds a step on a machine under heavy load.
const patience = 2 * time.Minute

// execute runs one statement on a connection of its own: CREATE and DROP
// DATABASE run outside a transaction, and rarely.
func execute(dsn, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("testenv: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("testenv: %s: %w", statement, err)
	}
	return nil
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// withDatabase returns the URL of another database on the same server.
func withDatabase(server, database string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		// The value holds a password: it is not repeated, and neither is what
		// the parser says about it.
		return "", fmt.Errorf("testenv: %s is not a postgres:// URL", DatabaseURL)
	}
	u.Path, u.RawPath = "/"+database, ""
	return u.String(), nil
}
