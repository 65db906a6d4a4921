package sandbox

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/headgate/headgate/internal/testenv"
)

var env = testenv.New(testenv.Config{Version: migrationsText(), Migrate: Migrate})

func TestMain(m *testing.M) { os.Exit(env.Main(m)) }

// migrationsText names the schema for testenv.
func migrationsText() string {
	text := "sandbox"
	err := fs.WalkDir(migrations, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(migrations, path)
		text += string(b)
		return err
	})
	if err != nil {
		panic(err)
	}
	return text
}

// today is when the tests take place, unless they say otherwise.
var today = time.Date(2026, 3, 18, 14, 30, 0, 0, time.UTC)

// newStore returns a store over an empty bank of its own.
func newStore(t testing.TB) *Store {
	t.Helper()
	return storeOn(t, env.Postgres(t), today)
}

func storeOn(t testing.TB, dsn string, now time.Time) *Store {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s, err := New(Config{Pool: pool, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dump returns every row of the bank as text, so that "nothing changed" can be
// asserted of the whole.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	var out string
	for _, table := range []string{"customer", "account", "holder", "holding", "txn", "rebase", "reward_program", "reward_membership"} {
		var text string
		err := s.pool.QueryRow(context.Background(),
			fmt.Sprintf(`SELECT coalesce(string_agg(r::text, E'\n' ORDER BY r::text), '') FROM sandbox.%s r`, table)).Scan(&text)
		if err != nil {
			t.Fatal(err)
		}
		out += table + "\n" + text + "\n"
	}
	return out
}
