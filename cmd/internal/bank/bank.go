package bank

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/mapping"
	"github.com/headgate/headgate/resource/sandbox"
	"github.com/headgate/headgate/resource/sqlviews"
	"github.com/headgate/headgate/resource/upstream"
)

// Config says which bank to open: exactly one of the files is named.
type Config struct {
	// File is the bank file.
	File string
	// SandboxDSNFile holds the DSN of a sandbox bank; a bank file of that
	// kind in short.
	SandboxDSNFile string
	// Log is told about wrong answers of a bank; required.
	Log *slog.Logger
	// Alarm is told of what an operator should look at, by a fixed word; it is
	// also logged. nil tells nobody.
	Alarm func(name string)
}

// Bank is an open bank, safe for concurrent use.
type Bank struct {
	// Kind is how it is reached.
	Kind Kind
	// Provider is its data, Accounts what people can choose from.
	Provider resource.Provider
	Accounts consent.AccountChooser
	// Sandbox is the sandbox bank, Views one of views; nil for other kinds.
	Sandbox *sandbox.Store
	Views   *sqlviews.Provider

	closer func()
}

// ErrFile is returned for a bank that cannot be opened because of what was
// configured, and joined with what is wrong.
var ErrFile = errors.New("bank: wrong configuration")

// maxFile bounds the files that are read here, in bytes.
const maxFile = 1 << 20

// Open opens a bank. It reads files and calls nobody: the bank need not be
// up. Every error wraps ErrFile. Close the bank after use.
func Open(ctx context.Context, c Config) (*Bank, error) {
	b, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return b, nil
}

func open(ctx context.Context, c Config) (*Bank, error) {
	if c.Alarm == nil {
		c.Alarm = func(string) {}
	}
	switch {
	case c.Log == nil:
		return nil, errors.New("a log is required")
	case (c.File == "") == (c.SandboxDSNFile == ""):
		return nil, errors.New("exactly one of bank_file and bank_dsn_file has to be given")
	case c.SandboxDSNFile != "":
		return openSandbox(ctx, c.SandboxDSNFile)
	}
	text, err := read(c.File)
	if err != nil {
		return nil, err
	}
	f, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", c.File, err)
	}
	switch {
	case f.Sandbox != nil:
		return openSandbox(ctx, f.Sandbox.DSNFile)
	case f.SQLViews != nil:
		return openViews(f.SQLViews)
	}
	return openUpstream(f.Upstream, c.Log, c.Alarm)
}

// Close releases what Open opened.
func (b *Bank) Close() {
	if b.closer != nil {
		b.closer()
	}
}

func openSandbox(ctx context.Context, dsnFile string) (*Bank, error) {
	dsn, err := config.Secret(dsnFile)
	if err != nil {
		return nil, err
	}
	store, err := sandbox.Open(ctx, dsn)
	if err != nil {
		return nil, err
	}
	return &Bank{Kind: Sandbox, Provider: store, Accounts: choices{store}, Sandbox: store, closer: store.Close}, nil
}

func openViews(f *sqlviewsForm) (*Bank, error) {
	dsn, dsnErr := config.Secret(f.DSNFile)
	m, mapErr := readMapping(f.MappingFile, sqlviews.Section)
	if err := errors.Join(dsnErr, mapErr); err != nil {
		return nil, err
	}
	c := sqlviews.Config{DSN: dsn, Mapping: m, PoolSize: f.PoolSize}
	c.StatementTimeout, _ = timeout(f.StatementTimeout) // parse checked it
	p, err := sqlviews.New(c)
	if err != nil {
		return nil, err
	}
	return &Bank{Kind: SQLViews, Provider: p, Accounts: p, Views: p, closer: p.Close}, nil
}

func openUpstream(f *upstreamForm, log *slog.Logger, alarm func(name string)) (*Bank, error) {
	c := f.config()
	c.OnReload = config.Reloaded(log, alarm)
	c.Alarm = func(a upstream.Alarm) {
		alarm("bank_wrong_answer")
		log.Error("wrong answer of the bank", slog.String("operation", string(a.Operation)),
			slog.String("kind", string(a.Kind)), slog.String("request_id", hex.EncodeToString(a.RequestID[:])))
	}
	if c.Mapped != nil {
		m, err := readMapping(f.Mapped.MappingFile)
		if err != nil {
			return nil, err
		}
		c.Mapped.Mapping = m
	}
	p, err := upstream.New(c)
	if err != nil {
		return nil, err
	}
	return &Bank{Kind: Upstream, Provider: p, Accounts: p}, nil
}

func readMapping(path string, sections ...string) (*mapping.Mapping, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	m, err := mapping.Parse(text, sections...)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", path, err)
	}
	return m, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	return text, err
}
