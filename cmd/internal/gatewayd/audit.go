package gatewayd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/audit/ledger"
)

// checkpoints returns what compares the records of reads with the newest
// checkpoint outside, once, before the process serves: a database that was
// restored from an older backup has consents that were stopped since. While the
// database is away it waits for it. Without a folder it compares nothing.
func checkpoints(c Config, tree ledger.Stored) (func(context.Context) error, error) {
	switch {
	case c.AuditPublicKey == "" && c.AuditDir == "":
		return func(context.Context) error { return nil }, nil
	case c.AuditPublicKey == "" || c.AuditDir == "":
		return nil, errors.New("audit_public_key_file and audit_checkpoints_dir need each other")
	}
	text, err := os.ReadFile(c.AuditPublicKey)
	if err != nil {
		return nil, fmt.Errorf("audit_public_key_file: %w", err)
	}
	key, err := ledger.NewVerifier(string(text))
	if err != nil {
		return nil, fmt.Errorf("audit_public_key_file: %w", err)
	}
	// A folder that is not there would say that there is nothing to compare.
	if _, err := os.Stat(c.AuditDir); err != nil {
		return nil, fmt.Errorf("audit_checkpoints_dir: %w", err)
	}
	return func(ctx context.Context) error {
		for {
			_, err := ledger.Compare(ctx, tree, key, ledger.Dir(c.AuditDir))
			switch {
			case err == nil:
				return nil
			case !errors.Is(err, consent.ErrUnavailable):
				return fmt.Errorf("audit: %w", err)
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("audit: %w", err)
			case <-time.After(time.Second):
			}
		}
	}, nil
}
