package postgres

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5"
)

// Answers keeps what people say about why they stopped. It is safe for
// concurrent use.
type Answers struct{ db *DB }

// Answers returns the store of answers.
func (db *DB) Answers() Answers { return Answers{db} }

// The recipient is the grant's own; an answer about a grant that goes on, or
// that somebody else ended, is none.
const sqlAnswer = `
INSERT INTO stop_answer (grant_id, recipient_id, answer, at)
SELECT grant_id, recipient_id, $2, clock_timestamp() FROM consent_grant
WHERE grant_id = $1 AND status = 'REVOKED' AND ended_by = 'INDIVIDUAL'
ON CONFLICT (grant_id) DO NOTHING`

// Answer keeps the first answer about a grant that its person has stopped.
// Anything else is left without an error: nobody waits for it. One round trip.
func (s Answers) Answer(ctx context.Context, id consent.GrantID, a consent.StopAnswer) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlAnswer, string(id), string(a))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

const sqlAnswersAbout = `
SELECT answer, count(grant_id) AS n FROM stop_answer WHERE recipient_id = $1 GROUP BY answer`

// AnswersAbout counts the answers about a recipient. One round trip.
func (s Answers) AnswersAbout(ctx context.Context, who consent.RecipientID) (map[consent.StopAnswer]int, error) {
	type countRow struct {
		Answer string `db:"answer"`
		N      int    `db:"n"`
	}
	var rows []countRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[countRow](ctx, c, sqlAnswersAbout, string(who))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count answers: %w", err)
	}
	counts := map[consent.StopAnswer]int{}
	for _, r := range rows {
		counts[consent.StopAnswer(r.Answer)] = r.N
	}
	return counts, nil
}
