package postgres

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/headgate/headgate/authz/authztest"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
)

func schemaVersion() string {
	v, err := Schema()
	if err != nil {
		panic(err)
	}
	return v
}

var env = testenv.New(testenv.Config{Version: schemaVersion(), Migrate: Migrate})

func TestMain(m *testing.M) { os.Exit(env.Main(m)) }

// openDB returns an empty database that holds the registrations of the
// contracts.
func openDB(t testing.TB) *DB {
	t.Helper()
	return openAt(t, env.Postgres(t))
}

// sealer seals under one key for all tests: some open a database twice.
var sealer = sync.OnceValue(func() Sealer {
	dir, err := os.MkdirTemp("", "headgate-test-seal")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // read once
	file := filepath.Join(dir, "seal-keys.json")
	if err := certs.GenerateSealKeys(file); err != nil {
		panic(err)
	}
	s, err := certs.LoadSealer(file)
	if err != nil {
		panic(err)
	}
	return s
})

func openAt(t testing.TB, dsn string) *DB {
	t.Helper()
	db, err := Open(context.Background(), Config{DSN: dsn, Sealer: sealer(), Name: "headgate test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	for _, r := range consenttest.Registrations() {
		if err := db.Recipients().PutRecipient(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// exec runs SQL that only tests need.
func exec(t testing.TB, db *DB, sql string, args ...any) {
	t.Helper()
	if _, err := db.pool.Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// pseudonym returns the name of a person in the ledger; nobody has to be known.
func pseudonym(t testing.TB, db *DB, who consent.ConsumerID) (name string) {
	t.Helper()
	if err := db.pool.QueryRow(context.Background(), "WITH "+ensurePerson1+" SELECT pseudonym FROM who", string(who)).Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}

// count returns the one number of a query.
func count(t testing.TB, db *DB, sql string, args ...any) int {
	t.Helper()
	var n int
	if err := db.pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func stores(db *DB) authztest.Stores {
	return authztest.Stores{
		Grants: db.Grants(), Authorizations: db.Authorizations(), Requests: db.Requests(), Tokens: db.Tokens(),
		Guard: db.Guard(), Recipients: db.Recipients(), Switch: db.Switch(),
	}
}

func TestConsentStore(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	consenttest.Store(t, func(*testing.T) consent.Store { return db.Grants() })
}

func TestConsentAuthorizations(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	consenttest.Authorizations(t, func(*testing.T) consent.Authorizations { return db.Authorizations() })
}

func TestConsentSwitch(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	consenttest.Switch(t, func(*testing.T) consent.Switch { return db.Switch() })
}

func TestTokenRequests(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	authztest.Requests(t, func(*testing.T) authztest.Stores { return stores(db) })
}

func TestTokenStore(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	authztest.TokenStore(t, func(*testing.T) authztest.Stores { return stores(db) })
}

func TestTokenSpends(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	authztest.Spends(t, func(*testing.T) authztest.Stores { return stores(db) })
}

func TestTokenGuard(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	authztest.Guard(t, func(*testing.T) token.Guard { return db.Guard() })
}
