package authzd

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/internal/audit/ledger"
)

// checkTime bounds the look at the tree before the process serves.
const checkTime = 10 * time.Second

// keepAudit prepares to keep the tree over the records of reads; without a key
// there is none. It refuses a database that is older than the checkpoints
// outside, if both can be reached; otherwise that is found out as soon as they
// can.
func (p *Process) keepAudit(ctx context.Context, c Config) error {
	if c.AuditKeyFile == "" {
		return nil
	}
	secret, err := certs.ReadPrivate(c.AuditKeyFile)
	if err != nil {
		return fmt.Errorf("audit_key_file: %w", err)
	}
	signer, err := ledger.NewSigner(string(secret))
	if err != nil {
		return fmt.Errorf("audit_key_file: %w", err)
	}
	var outside []ledger.Outside
	if c.AuditDir != "" {
		outside = append(outside, ledger.Dir(c.AuditDir))
	}
	if c.AuditURL != "" {
		client, err := newOutbound(c, 0)
		if err != nil {
			return err
		}
		outside = append(outside, ledger.NewWeb(client, c.AuditURL))
	}
	p.audit, err = ledger.NewKeeper(ledger.KeeperConfig{
		Store: p.db.Ledger(), Signer: signer, Outside: outside, Alarm: p.watch.Alarm, Log: p.log,
	})
	if err != nil {
		return err
	}
	check, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	switch err := p.audit.Check(check); {
	case ledger.Refuses(err):
		return fmt.Errorf("audit: %w", err)
	case err != nil:
		p.log.Warn("the tree of reads was not compared with the checkpoints outside yet", slog.String("cause", err.Error()))
	}
	return nil
}
