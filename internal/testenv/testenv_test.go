package testenv_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/internal/services"
	"github.com/headgate/headgate/internal/testenv"
)

var env = testenv.New(testenv.Config{
	Version: "testenv's own test",
	Migrate: func(ctx context.Context, dsn string) error { return exec(ctx, dsn, "CREATE TABLE things (n int)") },
})

func TestMain(m *testing.M) { os.Exit(env.Main(m)) }

func exec(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func count(t *testing.T, dsn, sql string, args ...any) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var n int
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	first, second := env.Postgres(t), env.Postgres(t)
	if err := exec(t.Context(), first, "INSERT INTO things VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if n := count(t, second, "SELECT count(*) FROM things"); n != 0 {
		t.Errorf("a row of another database is seen: %d", n)
	}
}

func TestDatabaseGoesWithItsTest(t *testing.T) {
	t.Parallel()
	other := env.Postgres(t)
	var dsn string
	t.Run("inner", func(t *testing.T) {
		dsn = env.Postgres(t)
		// Left open on purpose: the database must go all the same.
		if _, err := pgx.Connect(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	if n := count(t, other, "SELECT count(*) FROM pg_database WHERE datname = $1", name); n != 0 {
		t.Errorf("database %s is still there", name)
	}
}

// Each Env stands for a test binary: they share a server, not memory.
func TestTemplateIsMadeOnceForAllTestBinaries(t *testing.T) {
	t.Parallel()
	server := env.Postgres(t)
	var migrations atomic.Int32
	config := testenv.Config{
		Version: "shared " + server, // new in each run, also on a server that stays
		Migrate: func(ctx context.Context, dsn string) error {
			migrations.Add(1)
			return exec(ctx, dsn, "CREATE TABLE shared (n int)")
		},
	}
	top := t // the templates stay until all of them are done
	t.Run("binaries", func(t *testing.T) {
		for n := range 4 {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				dsn := testenv.NewOn(top, server, config).Postgres(t)
				if err := exec(t.Context(), dsn, "INSERT INTO shared VALUES (1)"); err != nil {
					t.Error(err)
				}
			})
		}
	})
	if n := migrations.Load(); n != 1 {
		t.Errorf("migrated %d times", n)
	}
	config.Version += " changed"
	testenv.NewOn(t, server, config).Postgres(t)
	if n := migrations.Load(); n != 2 {
		t.Errorf("migrated %d times after the schema changed", n)
	}
}

func TestHalfMadeTemplateIsNotUsed(t *testing.T) {
	t.Parallel()
	server := env.Postgres(t)
	boom := errors.New("boom")
	fail := true
	config := testenv.Config{
		Version: "half " + server,
		Migrate: func(ctx context.Context, dsn string) error {
			if err := exec(ctx, dsn, "CREATE TABLE half (n int)"); err != nil {
				return err
			}
			if fail {
				return boom
			}
			return nil
		},
	}
	if said := fatal(t, func(t testing.TB) { testenv.NewOn(t, server, config).Postgres(t) }); !strings.Contains(said, boom.Error()) {
		t.Fatalf("a failed migration: %q", said)
	}
	fail = false
	dsn := testenv.NewOn(t, server, config).Postgres(t)
	if n := count(t, dsn, "SELECT count(*) FROM half"); n != 0 {
		t.Errorf("got %d rows", n)
	}
}

func TestWithoutMainThereIsNoDatabase(t *testing.T) {
	t.Parallel()
	lonely := testenv.New(testenv.Config{Version: "x", Migrate: func(context.Context, string) error { return nil }})
	if said := fatal(t, func(t testing.TB) { lonely.Postgres(t) }); !strings.Contains(said, "Env.Main") {
		t.Errorf("got %q", said)
	}
}

func TestServerIsTakenFromTheEnvironment(t *testing.T) {
	// Not parallel: changes the environment.
	config := testenv.Config{Version: "x", Migrate: func(context.Context, string) error { return nil }}
	for name, value := range map[string]string{
		"a server that is not there": "postgres://headgate:canary@127.0.0.1:1/postgres",
		"not a URL":                  "host=127.0.0.1 port=1 password=canary",
		"a broken URL":               "postgres://headgate:canary@[/postgres",
	} {
		t.Setenv(testenv.DatabaseURL, value)
		said := fatal(t, func(t testing.TB) {
			e := testenv.New(config)
			e.Main(tests(func() { e.Postgres(t) }))
		})
		if said == "" || strings.Contains(said, "canary") {
			t.Errorf("%s: %q", name, said)
		}
	}
}

// A cluster on TCP is what the developer's stack publishes to other tools.
func TestGeneratedPasswordLetsClientsIn(t *testing.T) {
	t.Parallel()
	binaries, err := services.FindPostgres()
	if err != nil {
		t.Fatal(err)
	}
	p, err := services.StartPostgres(t.Context(), services.PostgresConfig{Binaries: binaries, Dir: t.TempDir(), TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(context.Background())
	if n := count(t, p.DSN("postgres"), "SELECT 1"); n != 1 {
		t.Errorf("got %d", n)
	}
	u, err := url.Parse(p.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	for name, user := range map[string]*url.Userinfo{
		"wrong password": url.UserPassword(u.User.Username(), "wrong"),
		"no password":    url.User(u.User.Username()),
	} {
		u.User = user
		if err := exec(t.Context(), u.String(), "SELECT 1"); err == nil {
			t.Errorf("%s: let in", name)
		}
	}
}

func TestRedisIsRealAndAlone(t *testing.T) {
	t.Parallel()
	first, second := testenv.Redis(t), testenv.Redis(t)
	if first.Embedded() || second.Embedded() || first.URL() == second.URL() {
		t.Errorf("got %s and %s", first.Kind(), second.Kind())
	}
}

func TestMissingRedisFailsTheTest(t *testing.T) {
	// Not parallel: hides every server by PATH and working directory.
	t.Setenv("PATH", t.TempDir())
	t.Chdir(t.TempDir())
	said := fatal(t, func(t testing.TB) { testenv.Redis(t) })
	if !strings.Contains(said, services.ErrNoRedis.Error()) {
		t.Errorf("got %q", said)
	}
}

// tests is a test run for Env.Main.
type tests func()

func (f tests) Run() int {
	f()
	return 0
}

// fatal returns what the test function passed to Fatal, empty if it did not.
func fatal(t *testing.T, test func(t testing.TB)) (said string) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(fataled)
			if !ok {
				panic(r)
			}
			said = string(f)
		}
	}()
	test(stopped{t})
	return ""
}

type fataled string

// stopped turns Fatal into a panic that fatal catches. A skip fails the test.
type stopped struct{ *testing.T }

func (s stopped) Fatal(args ...any) { panic(fataled(fmt.Sprint(args...))) }
func (s stopped) Skip(args ...any)  { s.T.Fatal("skipped: ", fmt.Sprint(args...)) }
