package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/dev"
	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/headgate/headgate/internal/postgres"
)

func TestAuditVerify(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	dsn := env.Postgres(t)
	dsnFile := filepath.Join(dir, "dsn")
	keys, err := dev.Keys(dir)
	if err == nil {
		err = certs.WritePrivate(dsnFile, []byte(dsn))
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(ctx, postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	signer, err := ledger.NewSigner(read(t, keys.AuditKey))
	if err != nil {
		t.Fatal(err)
	}
	outside := ledger.Dir(filepath.Join(dir, "checkpoints"))
	now := time.Now()
	k, err := ledger.NewKeeper(ledger.KeeperConfig{
		Store: db.Ledger(), Signer: signer, Outside: []ledger.Outside{outside}, Log: slog.New(slog.DiscardHandler),
		ProbeEvery: 1000 * time.Hour, Now: func() time.Time { now = now.Add(10 * time.Second); return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	var ids []ledger.ID
	for range 5 {
		id, err := db.Ledger().Probe(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		if err := k.Round(ctx); err != nil {
			t.Fatal(err)
		}
	}

	verify := func(c auditVerifyCmd) (string, error) {
		t.Helper()
		var out bytes.Buffer
		c.PostgresDSNFile, c.Key = dsnFile, keys.AuditPublic
		err := c.run(ctx, &out, &out)
		return out.String(), err
	}
	if out, err := verify(auditVerifyCmd{Checkpoints: []string{string(outside)}, Most: 5}); err != nil || !strings.Contains(out, "1 folders outside") || !strings.Contains(out, "All records agree") {
		t.Errorf("%s%v", out, err)
	}
	id := uuid.UUID(ids[2]).String()
	out, err := verify(auditVerifyCmd{Record: id})
	var proof printedProof
	if err == nil {
		err = json.Unmarshal([]byte(out), &proof)
	}
	if form, _ := hex.DecodeString(proof.Record); err != nil || proof.RequestID != id || proof.Index != 2 || len(form) < 100 || len(proof.Path) == 0 {
		t.Errorf("%s%v", out, err)
	}
	if _, err := verify(auditVerifyCmd{Record: uuid.NewString()}); !errors.Is(err, ledger.ErrNoRecord) {
		t.Errorf("of no record: %v", err)
	}
	if out, err := verify(auditVerifyCmd{Consumer: "nobody"}); err != nil || !strings.HasPrefix(out, "0 records") {
		t.Errorf("%s%v", out, err)
	}

	// A checkpoint outside of a tree that was longer.
	longer, err := signer.Sign(ledger.Checkpoint{Size: 1000, Root: ledger.Hash{1}, At: now})
	if err == nil {
		err = outside.Put(ctx, 1000, longer)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := verify(auditVerifyCmd{Checkpoints: []string{string(outside)}, Most: 5}); !errors.Is(err, errTampered) || !strings.HasPrefix(out, "missing index") {
		t.Errorf("%s%v", out, err)
	}
	// Another key's checkpoints prove nothing.
	other, err := ledger.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := ledger.NewSigner(other)
	if err == nil {
		err = os.WriteFile(keys.AuditPublic, []byte(foreign.Public()), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := verify(auditVerifyCmd{Most: 5}); !errors.Is(err, errTampered) || !strings.Contains(out, "nothing is proven") {
		t.Errorf("%s%v", out, err)
	}
}

func TestAuditRetireRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	keys, err := dev.Keys(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ before, answer, says string }{
		"what is no month":          {"2021", "", "is not a month"},
		"a month that is too young": {"2021-12", "", "kept for 5 years"},
		"without a checkpoint":      {"2021-11", "", "not a checkpoint"},
	} {
		cmd := auditRetireCmd{Before: c.before, Years: 5, Key: keys.AuditPublic, Checkpoints: dir}
		if err := cmd.run(t.Context(), strings.NewReader(c.answer), &bytes.Buffer{}, now); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
