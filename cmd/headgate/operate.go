package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/dev"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/redis"

	"log/slog"
)

// target says which deployment a command works on: the development stack
// that is running, or the one whose database is named.
type target struct {
	Home            string `help:"State folder of the development stack." default:".headgate" type:"path"`
	PostgresDSNFile string `help:"File that holds the DSN of the database; default: the development stack's." type:"existingfile"`
	RedisURLFile    string `help:"File that holds the Redis URL; default: the development stack's. Without it, what ends sharing waits 6 seconds." type:"existingfile"`
}

func (t target) dsn() (string, error) {
	if t.PostgresDSNFile != "" {
		return line(t.PostgresDSNFile)
	}
	f, err := dev.Read(t.Home)
	return f.PostgresDSN, err
}

func (t target) redisURL() (string, error) {
	if t.RedisURLFile != "" {
		return line(t.RedisURLFile)
	}
	if t.PostgresDSNFile != "" {
		return "", nil
	}
	f, err := dev.Read(t.Home)
	return f.RedisURL, err
}

func line(path string) (string, error) {
	b, err := certs.ReadPrivate(path)
	return strings.TrimSpace(string(b)), err
}

func (t target) open(ctx context.Context) (*postgres.DB, error) {
	dsn, err := t.dsn()
	if err != nil {
		return nil, err
	}
	db, err := postgres.Open(ctx, postgres.Config{DSN: dsn, Name: "headgate"})
	if err != nil {
		return nil, err
	}
	if err := db.Check(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("%w (run 'headgate migrate' first)", err)
	}
	return db, nil
}

// unnamed is the cache of a deployment whose Redis was not named: there may be
// one, so nobody can say what it holds.
type unnamed struct{}

var errUnnamed = errors.New("--redis-url-file is not given")

// Ended implements consent.Cache.
func (unnamed) Ended(context.Context, consent.GrantID, int64) error { return errUnnamed }

// Stopped implements consent.Cache.
func (unnamed) Stopped(context.Context, consent.RecipientID) error { return errUnnamed }

// waits says why a command does not end yet.
func waits(cause error) {
	why := "Redis cannot be told"
	if errors.Is(cause, errUnnamed) {
		why = errUnnamed.Error()
	}
	fmt.Fprintf(os.Stderr, "%s: waiting %s, until no cached introspection can say otherwise ...\n", why, consent.Freshness+time.Second)
}

// service returns what ends grants. It tells Redis, or waits until that cannot
// hold anything of before. done releases it.
func (t target) service(db *postgres.DB) (s *consent.Service, done func(), err error) {
	url, err := t.redisURL()
	if err != nil {
		return nil, nil, err
	}
	var cache consent.Cache = unnamed{}
	done = func() {}
	if url != "" {
		r, err := redis.Open(redis.Config{URL: url, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, nil, err
		}
		done = func() { _ = r.Close() } // the command ends
		cache = r
	}
	s, err = consent.NewService(consent.ServiceConfig{Store: db.Grants(), Cache: cache, CacheFailed: waits})
	return s, done, err
}

// openService is service over a database of its own, which done closes, too.
func (t target) openService(ctx context.Context) (s *consent.Service, done func(), err error) {
	db, err := t.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, release, err := t.service(db)
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return s, func() { release(); db.Close() }, nil
}

type migrateCmd struct {
	target
}

// Run creates or updates the schema.
func (c migrateCmd) Run(ctx context.Context) error {
	dsn, err := c.dsn()
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, dsn); err != nil {
		return err
	}
	fmt.Println("The schema is up to date.")
	return nil
}

type revokeCmd struct {
	target
	Grant string `arg:"" help:"Id of the grant."`
}

// Run ends a grant. When it has printed the time, no read that starts later
// is given data.
func (c revokeCmd) Run(ctx context.Context) error {
	s, done, err := c.openService(ctx)
	if err != nil {
		return err
	}
	defer done()
	g, err := s.StopByProvider(ctx, consent.GrantID(c.Grant), consent.ReasonBusinessRule)
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return errors.New("no grant has that id")
	case errors.Is(err, consent.ErrEnded):
		fmt.Printf("The grant had ended before, as %s.\n", g.StatusAt(time.Now()))
		return nil
	case err != nil:
		return err
	}
	fmt.Printf("The grant ended at %s.\n", g.EndedAt.UTC().Format(time.RFC3339))
	return nil
}

type releaseCmd struct {
	target
	Grant string `arg:"" help:"Id of the grant."`
}

// Run lifts a hold, so that the app can read again what the person shares.
func (c releaseCmd) Run(ctx context.Context) error {
	s, done, err := c.openService(ctx)
	if err != nil {
		return err
	}
	defer done()
	_, err = s.ReleaseByProvider(ctx, consent.GrantID(c.Grant))
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return errors.New("no grant has that id")
	case errors.Is(err, consent.ErrEnded):
		return errors.New("the grant has ended")
	case errors.Is(err, consent.ErrConflict):
		return errors.New("the grant is not on hold")
	case err != nil:
		return err
	}
	fmt.Println("The hold is lifted.")
	return nil
}
