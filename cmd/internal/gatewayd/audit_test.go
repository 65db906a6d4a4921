package gatewayd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/audit/ledger"
)

// shrunk is a tree of so many records, or one that cannot be asked.
type shrunk struct {
	size int64
	err  error
}

func (s shrunk) Head(context.Context) (ledger.Head, error) { return ledger.Head{Size: s.size}, s.err }

func (s shrunk) Leaves(_ context.Context, _ int64, n int) ([]ledger.Hash, error) {
	return make([]ledger.Hash, n), nil
}

func (s shrunk) Node(context.Context, int, int64) (ledger.Hash, error) {
	return ledger.Hash{}, ledger.ErrTree
}

// With the public key alone: nothing is served from a database that lacks
// records which a checkpoint outside has.
func TestCheckpointsAreCompared(t *testing.T) {
	t.Parallel()
	signer := func() ledger.Signer {
		secret, err := ledger.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		s, err := ledger.NewSigner(secret)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ours, dir, empty := signer(), t.TempDir(), t.TempDir()
	public := func(s ledger.Signer) string {
		file := filepath.Join(t.TempDir(), "audit-key.pub")
		if err := os.WriteFile(file, []byte(s.Public()), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	note, err := ours.Sign(ledger.Checkpoint{Size: 5, At: time.Unix(1800000000, 0).UTC()})
	if err == nil {
		err = ledger.Dir(dir).Put(t.Context(), 5, note)
	}
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	key := public(ours)
	for name, row := range map[string]struct {
		c    Config
		tree shrunk
		want error
	}{
		"nothing configured":       {Config{}, shrunk{}, nil},
		"no checkpoint yet":        {Config{AuditPublicKey: key, AuditDir: empty}, shrunk{}, nil},
		"a smaller tree":           {Config{AuditPublicKey: key, AuditDir: dir}, shrunk{size: 4}, ledger.ErrRolledBack},
		"another tree":             {Config{AuditPublicKey: key, AuditDir: dir}, shrunk{size: 6}, ledger.ErrRolledBack},
		"signed by somebody else":  {Config{AuditPublicKey: public(signer()), AuditDir: dir}, shrunk{size: 6}, ledger.ErrCheckpoint},
		"a database that is away":  {Config{AuditPublicKey: key, AuditDir: dir}, shrunk{err: consent.ErrUnavailable}, consent.ErrUnavailable},
		"a database that is wrong": {Config{AuditPublicKey: key, AuditDir: dir}, shrunk{err: ledger.ErrTree}, ledger.ErrTree},
	} {
		compare, err := checkpoints(row.c, row.tree)
		if err == nil {
			err = compare(gone)
		}
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
	for name, c := range map[string]Config{
		"no folder named":    {AuditPublicKey: key},
		"no key":             {AuditDir: dir},
		"a folder not there": {AuditPublicKey: key, AuditDir: filepath.Join(dir, "none")},
		"a key not there":    {AuditPublicKey: filepath.Join(dir, "none"), AuditDir: dir},
	} {
		if _, err := checkpoints(c, shrunk{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
