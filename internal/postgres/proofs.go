package postgres

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/internal/token"
	"github.com/jackc/pgx/v5"
)

// Guard is the token.Guard. It shares its memory with the Gate: a proof that
// the one has spent is a replay to the other, so a proof that the Gate will
// spend must not be spent here first.
type Guard struct{ db *DB }

var _ token.Guard = Guard{}

// Guard returns the memory of one-time proofs.
func (db *DB) Guard() Guard { return Guard{db} }

// A row whose time is over may be taken over: any copy of the proof that it
// stands for is refused by the first condition.
const sqlSpend = `
INSERT INTO proof_seen (proof, expires_at)
SELECT $1, $2::timestamptz WHERE $2::timestamptz > clock_timestamp()
ON CONFLICT (proof) DO UPDATE SET request_id = NULL, expires_at = EXCLUDED.expires_at
WHERE proof_seen.expires_at <= clock_timestamp()`

// Spend implements token.Guard. A proof whose time is over by the server's
// clock is ErrReplayed, because its row may be gone already: otherwise a
// process with a slow clock could accept a copy of an old proof. The time must
// therefore cover whatever may pass between accepting and spending a proof.
// One round trip.
func (g Guard) Spend(ctx context.Context, p token.Proof) error {
	err := g.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		tag, err := c.Exec(ctx, sqlSpend, p.Key[:], p.ExpiresAt)
		if err == nil && tag.RowsAffected() == 0 {
			err = token.ErrReplayed
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("spend proof: %w", err)
	}
	return nil
}
