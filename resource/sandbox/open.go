package sandbox

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Open returns a Store on a database that Migrate was run on, with a pool of
// its own. It waits for no connection. Close it after use.
func Open(ctx context.Context, dsn string) (*Store, error) {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("sandbox: read DSN: %w", err)
	}
	c.ConnConfig.RuntimeParams["application_name"] = "sandbox bank"
	// Every statement goes by a key: a plan made once is the best one, and
	// making it anew for each read takes longer than the read.
	c.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return New(Config{Pool: pool})
}

// Close closes the pool that the Store was opened with.
func (s *Store) Close() { s.pool.Close() }
