package sqlviews

import (
	"context"
	_ "embed"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/resource/mapping"
)

//go:embed testdata/core.sql
var coreSQL string

//go:embed testdata/core.yaml
var coreYAML string

var env = testenv.New(testenv.Config{Version: coreSQL, Migrate: func(ctx context.Context, dsn string) error {
	return execute(ctx, dsn, coreSQL)
}})

func TestMain(m *testing.M) { os.Exit(env.Main(m)) }

// today is when the tests take place.
var today = time.Date(2026, 3, 18, 14, 30, 0, 0, time.UTC)

// execute runs SQL as the owner of the database.
func execute(ctx context.Context, dsn, sql string) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, sql)
	return errors.Join(err, c.Close(context.WithoutCancel(ctx)))
}

func provider(t testing.TB, dsn, file string) *Provider {
	t.Helper()
	m, err := mapping.Parse([]byte(file), Section)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{DSN: dsn, Mapping: m})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
