package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// gateRow is one release in the form of the statement's parameters.
type gateRow struct {
	requestID              [16]byte
	recipient, grant       string
	epoch                  int64
	consumer, operation    string
	accounts, clusters     string // array literals
	windowStart, windowEnd *time.Time
	count, bytes           int64
	bodyHash               []byte
	outcome, reason        string
	attended               bool
	interaction, instance  string
	proof                  []byte // nil when there is none to spend
	proofExpires           *time.Time
	tokenExpires           time.Time
}

// gateVerdict is what the statement says about one row.
type gateVerdict string

const (
	verdictReleased gateVerdict = "released"
	verdictReplayed gateVerdict = "replayed"
	verdictWithheld gateVerdict = "withheld"
	verdictRepeated gateVerdict = "repeated" // request id
)

// The gate. One statement, so that finding the grant active, spending the
// proof and storing the record cannot be told apart in time:
//
//   - readable: reads whose access token is not over, and whose grant is active
//     in their epoch, with its recipient and its person, who has not been
//     erased, and does not rest;
//   - spent: their proofs that nobody spent before. Of several rows with one
//     proof the first wins, and the row remembers which one that was. Rows go
//     in by key, so that statements of several lanes never wait for each
//     other crosswise. A proof whose time is over is refused, see sqlSpend;
//   - stored: the records of reads that are readable and own their proof or
//     have none, and of refusals. A refusal gives nothing and so costs no
//     proof. A record names the person of the grant by the pseudonym, whoever
//     the caller says it is. They are numbered, see numbering.
const sqlRelease = `
WITH asked AS (
    SELECT request_id, recipient_id, grant_id, epoch, consumer_id, operation,
           accounts, clusters, window_start, window_end, record_count, body_bytes,
           body_hash, outcome, reason, attended, interaction_id, instance_id,
           proof, proof_expires_at, token_expires_at, ord
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::date[], $10::date[], $11::bigint[], $12::bigint[],
                $13::bytea[], $14::text[], $15::text[], $16::boolean[], $17::text[], $18::text[],
                $19::bytea[], $20::timestamptz[], $21::timestamptz[]) WITH ORDINALITY
      AS a (request_id, recipient_id, grant_id, epoch, consumer_id, operation,
            accounts, clusters, window_start, window_end, record_count, body_bytes,
            body_hash, outcome, reason, attended, interaction_id, instance_id,
            proof, proof_expires_at, token_expires_at, ord)),
readable AS (
    SELECT a.request_id, a.proof, a.proof_expires_at, a.ord, p.pseudonym
    FROM asked a
    JOIN consent_grant g ON g.grant_id = a.grant_id
    JOIN recipient r ON r.recipient_id = g.recipient_id
    JOIN person p ON p.pseudonym = g.consumer_id
    WHERE a.outcome IN ('given', 'clipped')
      AND a.token_expires_at > clock_timestamp()
      AND g.epoch = a.epoch AND g.recipient_id = a.recipient_id AND p.bank_id = a.consumer_id
      AND g.status = 'ACTIVE' AND g.expires_at > clock_timestamp() AND ` + mayRead + `
      AND ` + notResting + `),
spent AS (
    INSERT INTO proof_seen (proof, request_id, expires_at)
    SELECT DISTINCT ON (proof) proof, request_id, proof_expires_at
    FROM readable WHERE proof IS NOT NULL AND proof_expires_at > clock_timestamp()
    ORDER BY proof, ord
    ON CONFLICT (proof) DO UPDATE SET request_id = EXCLUDED.request_id, expires_at = EXCLUDED.expires_at
    WHERE proof_seen.expires_at <= clock_timestamp()
    RETURNING request_id),
stored AS (
    INSERT INTO access_record (
        request_id, at, recipient_id, grant_id, epoch, consumer_id, operation,
        accounts, clusters, window_start, window_end, record_count, body_bytes,
        body_hash, outcome, reason, attended, interaction_id, instance_id, lane, counter)
    SELECT a.request_id, clock_timestamp(), a.recipient_id, a.grant_id, a.epoch,
           coalesce(r.pseudonym, (SELECT g.consumer_id FROM consent_grant g WHERE g.grant_id = a.grant_id), ''), a.operation,
           a.accounts::text[], a.clusters::text[], a.window_start, a.window_end, a.record_count, a.body_bytes,
           a.body_hash, a.outcome, a.reason, a.attended, a.interaction_id, a.instance_id,
           $22::text, CASE $22 WHEN '' THEN 0 ELSE $23::bigint + row_number() OVER () END
    FROM asked a LEFT JOIN readable r ON r.request_id = a.request_id
    WHERE a.outcome = 'refused'
       OR r.request_id IS NOT NULL AND r.proof IS NULL
       OR a.request_id IN (SELECT request_id FROM spent)
    ON CONFLICT (request_id) DO NOTHING
    RETURNING request_id)
SELECT a.ord, CASE
    WHEN a.request_id IN (SELECT request_id FROM stored) THEN 'released'
    WHEN a.outcome = 'refused' THEN 'repeated'
    WHEN a.request_id NOT IN (SELECT request_id FROM readable) THEN 'withheld'
    WHEN a.proof IS NOT NULL AND a.request_id NOT IN (SELECT request_id FROM spent) THEN 'replayed'
    ELSE 'repeated' END AS verdict
FROM asked a`

// releaseRows runs the gate for rows with distinct request ids, numbers the
// records that it stores, and returns the verdicts in the same order.
func (db *DB) releaseRows(ctx context.Context, n numbering, rows []gateRow) ([]gateVerdict, error) {
	type verdictRow struct {
		Ord     int64  `db:"ord"`
		Verdict string `db:"verdict"`
	}
	verdicts := make([]gateVerdict, len(rows))
	err := db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		answers, err := many[verdictRow](ctx, c, sqlRelease, gateColumns(n, rows)...)
		if err != nil {
			return err
		}
		for _, a := range answers {
			verdicts[a.Ord-1] = gateVerdict(a.Verdict)
		}
		return nil
	})
	if err != nil {
		// A verdict that was read before the error is not to be had: the
		// commit may have failed after it.
		return nil, fmt.Errorf("gate: %w", err)
	}
	return verdicts, nil
}

// gateColumns turns rows into the statement's parameters, one array each.
func gateColumns(n numbering, rows []gateRow) []any {
	// uuid[] is written by pgtype.UUID: pgx takes an array of arrays of bytes
	// for a table.
	ids := column(rows, func(r gateRow) pgtype.UUID { return pgtype.UUID{Bytes: r.requestID, Valid: true} })
	return []any{
		ids,
		column(rows, func(r gateRow) string { return r.recipient }),
		column(rows, func(r gateRow) string { return r.grant }),
		column(rows, func(r gateRow) int64 { return r.epoch }),
		column(rows, func(r gateRow) string { return r.consumer }),
		column(rows, func(r gateRow) string { return r.operation }),
		column(rows, func(r gateRow) string { return r.accounts }),
		column(rows, func(r gateRow) string { return r.clusters }),
		column(rows, func(r gateRow) *time.Time { return r.windowStart }),
		column(rows, func(r gateRow) *time.Time { return r.windowEnd }),
		column(rows, func(r gateRow) int64 { return r.count }),
		column(rows, func(r gateRow) int64 { return r.bytes }),
		column(rows, func(r gateRow) []byte { return r.bodyHash }),
		column(rows, func(r gateRow) string { return r.outcome }),
		column(rows, func(r gateRow) string { return r.reason }),
		column(rows, func(r gateRow) bool { return r.attended }),
		column(rows, func(r gateRow) string { return r.interaction }),
		column(rows, func(r gateRow) string { return r.instance }),
		column(rows, func(r gateRow) []byte { return r.proof }),
		column(rows, func(r gateRow) *time.Time { return r.proofExpires }),
		column(rows, func(r gateRow) time.Time { return r.tokenExpires }),
		n.lane, n.after,
	}
}

func column[R, T any](rows []R, of func(R) T) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = of(r)
	}
	return out
}

// arrayLiteral writes a text[] as text: an array of arrays of different
// lengths has no other form as a parameter.
func arrayLiteral[S ~string](list []S) string {
	var space [256]byte
	b := append(space[:0], '{')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		for _, c := range []byte(s) {
			if c == '"' || c == '\\' {
				b = append(b, '\\')
			}
			b = append(b, c)
		}
		b = append(b, '"')
	}
	return string(append(b, '}'))
}
