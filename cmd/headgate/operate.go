package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/headgate/headgate/authz"
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
	RedisURLFile    string `help:"File that holds the Redis URL; default: the development stack's, or none." type:"existingfile"`
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

type recipientCmd struct {
	Add  recipientAddCmd  `cmd:"" help:"Register a recipient from a JSON record and print its client id."`
	List recipientListCmd `cmd:"" help:"List registered recipients."`
}

type recipientAddCmd struct {
	target
	File string `short:"f" required:"" help:"JSON record of the recipient (client metadata, RFC 7591); - reads standard input." placeholder:"FILE"`
}

// Run registers a recipient. A record with a client_id that is known already
// replaces that registration.
func (c recipientAddCmd) Run(ctx context.Context) error {
	var record []byte
	var err error
	if c.File == "-" {
		record, err = io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	} else {
		record, err = os.ReadFile(c.File)
	}
	if err != nil {
		return err
	}
	r, err := authz.Registration(record)
	if err != nil {
		return err
	}
	if r.ID == "" {
		r.ID = consent.RecipientID("app-" + strings.ToLower(rand.Text()))
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Recipients().PutRecipient(ctx, r); err != nil {
		return err
	}
	fmt.Println(r.ID)
	return nil
}

type recipientListCmd struct {
	target
	JSON bool `help:"Print JSON."`
}

// Run lists the registrations.
func (c recipientListCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.Recipients().ListRecipients(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(all)
	}
	for _, r := range all {
		fmt.Printf("%-24s %-10s %-16s %s\n", r.ID, r.Status, r.AuthMethod, r.Name)
	}
	return nil
}

type revokeCmd struct {
	target
	Grant string `arg:"" help:"Id of the grant."`
}

// Run ends a grant. When it has printed the time, no read that starts later
// is given data.
func (c revokeCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	url, err := c.redisURL()
	if err != nil {
		return err
	}
	var cache consent.Cache
	if url != "" {
		r, err := redis.Open(redis.Config{URL: url, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		defer r.Close() //nolint:errcheck // the command ends
		cache = r
	}
	s, err := consent.NewService(consent.ServiceConfig{Store: db.Grants(), Cache: cache})
	if err != nil {
		return err
	}
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

type keysCmd struct {
	New    keysNewCmd    `cmd:"" help:"Make the hash keys, signing keys, subject key and page keys of a new deployment."`
	Rotate keysRotateCmd `cmd:"" help:"Make the next signing key the current one."`
}

type keysNewCmd struct {
	Dir string `arg:"" help:"Folder to write the key files to; existing files are kept." type:"path"`
}

// Run makes what a deployment needs and has not.
func (c keysNewCmd) Run() error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	files, err := dev.Keys(c.Dir)
	if err != nil {
		return err
	}
	fmt.Println(files.HashKeys)
	fmt.Println(files.SigningKeys)
	fmt.Println(files.SubjectKey)
	fmt.Println(files.PageKeys)
	return nil
}

type keysRotateCmd struct {
	File string `arg:"" help:"File of the signing keys." type:"existingfile"`
}

// Run rotates the signing keys; processes follow when they are restarted.
func (c keysRotateCmd) Run() error { return certs.RotateSigningKeys(c.File) }
