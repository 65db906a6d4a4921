// Package testenv gives integration tests real servers: a fresh, migrated
// PostgreSQL database and a fresh Redis for each test.
//
// It owns the shared throw-away cluster and the migrated template that test
// databases are cloned from. It must not know the schema: the caller passes in
// how to migrate, so that internal/postgres can use this package for its own
// tests. Creating databases takes SQL, which is why this package, beside
// internal/postgres, may import pgx.
//
// A server that is missing fails the test with the way to install it. It never
// skips one: a run that tested nothing must not look like one that passed.
//
//	var env = testenv.New(testenv.Config{Version: schema, Migrate: migrate})
//
//	func TestMain(m *testing.M) { os.Exit(env.Main(m)) }
//
//	func TestStore(t *testing.T) {
//		t.Parallel()
//		store := open(t, env.Postgres(t))
//		...
//	}
package testenv
