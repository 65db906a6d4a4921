package postgres

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
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
// stands for is refused by the first condition. request_id marks what this
// request won, so that a later statement of the same transaction can tell.
// The order keeps two requests with the same proofs from waiting for each
// other.
const sqlSpend = `
INSERT INTO proof_seen (proof, request_id, expires_at)
SELECT DISTINCT ON (p.proof) p.proof, $3::uuid, p.expires_at
FROM unnest($1::bytea[], $2::timestamptz[]) AS p (proof, expires_at)
WHERE p.expires_at > clock_timestamp() ORDER BY p.proof
ON CONFLICT (proof) DO UPDATE SET request_id = EXCLUDED.request_id, expires_at = EXCLUDED.expires_at
WHERE proof_seen.expires_at <= clock_timestamp()
RETURNING proof`

// spentAll is the condition, of a statement that follows sqlSpend in the same
// transaction, that every proof was won. Its arguments come first.
const spentAll = `(SELECT count(s.proof) FROM proof_seen s WHERE s.proof = ANY($3::bytea[]) AND s.request_id = $2::uuid) = $1::bigint`

// spending is the proofs of one request on their way into proof_seen.
type spending struct {
	proofs []token.Proof
	id     uuid.UUID
	keys   [][]byte
	until  []time.Time
	won    map[[32]byte]bool
}

func newSpending(proofs []token.Proof) *spending {
	s := &spending{proofs: proofs, id: uuid.New(), keys: [][]byte{}, until: []time.Time{}, won: map[[32]byte]bool{}}
	for _, p := range proofs {
		s.keys = append(s.keys, bytes.Clone(p.Key[:]))
		s.until = append(s.until, p.ExpiresAt)
	}
	return s
}

// queue adds the statement that spends, if there is anything to spend.
func (s *spending) queue(b *pgx.Batch) {
	if len(s.proofs) == 0 {
		return
	}
	b.Queue(sqlSpend, s.keys, s.until, s.id).Query(func(rows pgx.Rows) error {
		keys, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		for _, k := range keys {
			if len(k) == 32 {
				s.won[[32]byte(k)] = true
			}
		}
		return err
	})
}

// args returns the arguments of spentAll, followed by others.
func (s *spending) args(others ...any) []any {
	return append([]any{int64(len(s.proofs)), s.id, s.keys}, others...)
}

// outcome returns a *token.ReplayedError for the first proof that was not
// won. It holds once the transaction is committed.
func (s *spending) outcome() error {
	seen := map[[32]byte]bool{}
	for _, p := range s.proofs {
		if !s.won[p.Key] || seen[p.Key] { // one proof cannot stand for two
			return &token.ReplayedError{Key: p.Key}
		}
		seen[p.Key] = true
	}
	return nil
}

// Spend implements token.Guard. A proof whose time is over by the server's
// clock is replayed, because its row may be gone already: otherwise a
// process with a slow clock could accept a copy of an old proof. The time must
// therefore cover whatever may pass between accepting and spending a proof.
// One round trip.
func (g Guard) Spend(ctx context.Context, proofs ...token.Proof) error {
	if len(proofs) == 0 {
		return nil
	}
	s := newSpending(proofs)
	err := g.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		s.queue(&b)
		if err := c.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		return s.outcome()
	})
	if err != nil {
		return fmt.Errorf("spend proof: %w", err)
	}
	return nil
}
