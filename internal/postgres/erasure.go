package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/erasure"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/consent/notice"
)

// Erasures is the erasure.Store.
type Erasures struct{ db *DB }

var _ erasure.Store = Erasures{}

// Erasures returns the store of wishes to be erased, and of what apps were
// asked.
func (db *DB) Erasures() Erasures { return Erasures{db} }

const sqlAskErasure = `
INSERT INTO person AS p (bank_id, asked_at, erase_at) VALUES ($1, clock_timestamp(), clock_timestamp() + make_interval(secs => $2))
ON CONFLICT (bank_id) DO UPDATE SET asked_at = coalesce(p.asked_at, EXCLUDED.asked_at), erase_at = coalesce(p.erase_at, EXCLUDED.erase_at)`

const sqlErasure = `
SELECT asked_at, erase_at FROM person WHERE bank_id = $1 AND erase_at IS NOT NULL`

const sqlKeepRecord = `
UPDATE person SET asked_at = NULL, erase_at = NULL WHERE bank_id = $1`

type erasureRow struct {
	AskedAt time.Time `db:"asked_at"`
	EraseAt time.Time `db:"erase_at"`
}

var errNoErasure = errors.New("postgres: no erasure")

// Ask implements erasure.Store. Four round trips.
func (s Erasures) Ask(ctx context.Context, who consent.ConsumerID) (erasure.Erasure, error) {
	var r erasureRow
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		var b pgx.Batch
		b.Queue(sqlAskErasure, string(who), erasure.Wait.Seconds())
		b.Queue(sqlTellPerson, string(who), string(inbox.Erase))
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		r, err = one[erasureRow](ctx, tx, errNoErasure, sqlErasure, string(who))
		return err
	})
	if err != nil {
		return erasure.Erasure{}, fmt.Errorf("ask for erasure: %w", err)
	}
	return erasure.Erasure{AskedAt: r.AskedAt.UTC(), At: r.EraseAt.UTC()}, nil
}

// Keep implements erasure.Store. One round trip.
func (s Erasures) Keep(ctx context.Context, who consent.ConsumerID) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlKeepRecord, string(who))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep record: %w", err)
	}
	return nil
}

// Erasure implements erasure.Store. One round trip.
func (s Erasures) Erasure(ctx context.Context, who consent.ConsumerID) (erasure.Erasure, error) {
	var r erasureRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[erasureRow](ctx, c, errNoErasure, sqlErasure, string(who))
		return err
	})
	switch {
	case errors.Is(err, errNoErasure):
		return erasure.Erasure{}, nil
	case err != nil:
		return erasure.Erasure{}, fmt.Errorf("load erasure: %w", err)
	}
	return erasure.Erasure{AskedAt: r.AskedAt.UTC(), At: r.EraseAt.UTC()}, nil
}

// Requests to apps.

// The grant's row is held, as by everybody who writes news about it.
const sqlAskApp = `
WITH mine AS (
    SELECT grant_id, recipient_id FROM consent_grant
    WHERE grant_id = $2 AND consumer_id = ` + pseudonymOf1 + ` FOR NO KEY UPDATE),
asked AS (
    INSERT INTO erase_request (grant_id, recipient_id, asked_at)
    SELECT grant_id, recipient_id, clock_timestamp() FROM mine
    ON CONFLICT (grant_id) DO NOTHING
    RETURNING grant_id, recipient_id, asked_at),
news AS (
    SELECT recipient_id, grant_id, $3::text AS type, $4::text AS category, grant_id AS payload_id, 'CONSENT' AS payload_type,
           $5::text AS field_name, to_char(asked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS field_value,
           'erase ' || grant_id AS once
    FROM asked),` + thenTell + `
SELECT subscription_id, sequence FROM sent ORDER BY sequence`

const sqlGrantOfPerson = `
SELECT grant_id FROM consent_grant WHERE grant_id = $2 AND consumer_id = ` + pseudonymOf1

const requestColumns = `
    e.grant_id, e.recipient_id, e.asked_at, e.answer, e.reason, e.answered_at`

const sqlEraseRequests = `
SELECT ` + requestColumns + `
FROM erase_request e JOIN consent_grant g ON g.grant_id = e.grant_id
WHERE g.consumer_id = ` + pseudonymOf1 + `
ORDER BY e.asked_at DESC, e.grant_id`

const sqlEraseRequestsOf = `
SELECT ` + requestColumns + ` FROM erase_request e
WHERE e.recipient_id = $1 AND e.answer = '' ORDER BY e.asked_at, e.grant_id LIMIT $2`

// Of two answers the first stands, whatever it says.
const sqlAnswerErase = `
UPDATE erase_request SET answer = $3, reason = $4, answered_at = clock_timestamp()
WHERE grant_id = $2 AND recipient_id = $1 AND answer = ''`

const sqlEraseRequest = `
SELECT ` + requestColumns + ` FROM erase_request e WHERE e.grant_id = $2 AND e.recipient_id = $1`

type requestRow struct {
	GrantID     string     `db:"grant_id"`
	RecipientID string     `db:"recipient_id"`
	AskedAt     time.Time  `db:"asked_at"`
	Answer      string     `db:"answer"`
	Reason      string     `db:"reason"`
	AnsweredAt  *time.Time `db:"answered_at"`
}

func requests(rows []requestRow) []erasure.Request {
	var all []erasure.Request
	for _, r := range rows {
		all = append(all, erasure.Request{
			Grant: consent.GrantID(r.GrantID), Recipient: consent.RecipientID(r.RecipientID), AskedAt: r.AskedAt.UTC(),
			Answer: erasure.Answer(r.Answer), Reason: r.Reason, AnsweredAt: instant(r.AnsweredAt),
		})
	}
	return all
}

// AskApp implements erasure.Store. Four round trips, five when the recipient is
// to be called about it.
func (s Erasures) AskApp(ctx context.Context, who consent.ConsumerID, id consent.GrantID) error {
	topic := notice.Custom()
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := missingOr(ctx, tx, nil, consent.ErrNotFound, sqlGrantOfPerson, string(who), string(id)); err != nil {
			return err
		}
		var b pgx.Batch
		t := told{tells: true}
		b.Queue(sqlAskApp, string(who), string(id), string(topic.Type), string(topic.Category), notice.FieldErase).Query(t.read)
		return s.db.sendTelling(ctx, tx, &b, &t)
	})
	if err != nil {
		return fmt.Errorf("ask app to erase: %w", err)
	}
	return nil
}

// Requests implements erasure.Store. One round trip.
func (s Erasures) Requests(ctx context.Context, who consent.ConsumerID) ([]erasure.Request, error) {
	return s.requests(ctx, sqlEraseRequests, string(who))
}

// Open returns what a recipient was asked and has not answered, oldest first,
// at most limit; nil when nothing. One round trip.
func (s Erasures) Open(ctx context.Context, who consent.RecipientID, limit int) ([]erasure.Request, error) {
	return s.requests(ctx, sqlEraseRequestsOf, string(who), limit)
}

func (s Erasures) requests(ctx context.Context, sql string, args ...any) ([]erasure.Request, error) {
	var rows []requestRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[requestRow](ctx, c, sql, args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load requests to erase: %w", err)
	}
	return requests(rows), nil
}

// Answer writes down what a recipient says that it did about a request;
// consent.ErrNotFound for one that it was not asked, consent.ErrConflict when
// it has answered before, unless it said the same. Whoever has not erased all
// gives a reason, which the person reads. Three round trips, four when nothing
// is changed.
func (s Erasures) Answer(ctx context.Context, who consent.RecipientID, id consent.GrantID, a erasure.Answer, reason string) error {
	known := a == erasure.Done || a == erasure.Partly || a == erasure.Refused
	if !known || (a == erasure.Done) != (reason == "") || len([]rune(reason)) > erasure.MaxReason {
		return errors.New("postgres: an app has erased all, or gives a reason of at most 240 characters")
	}
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlAnswerErase, string(who), string(id), string(a), reason)
		if err != nil || tag.RowsAffected() == 1 {
			return err
		}
		before, err := one[requestRow](ctx, tx, consent.ErrNotFound, sqlEraseRequest, string(who), string(id))
		if err == nil && (before.Answer != string(a) || before.Reason != reason) {
			err = consent.ErrConflict
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("answer request to erase: %w", err)
	}
	return nil
}

// Erasing.

// Whoever shares with an app is not erased, however that came about: the grant
// would go on for nobody. Making a grant holds the person's row, and so does
// this.
const sqlDueErasures = `
SELECT p.pseudonym, p.bank_id FROM person p
WHERE p.erase_at <= statement_timestamp() AND p.erased_at IS NULL
  AND NOT EXISTS (SELECT g.grant_id FROM consent_grant g
                  WHERE g.consumer_id = p.pseudonym AND g.status = 'ACTIVE')
ORDER BY p.erase_at LIMIT $1 FOR UPDATE SKIP LOCKED`

// Erases the person $1 (pseudonym) with the bank's id $2. What it does not name
// stays, and is about nobody: grants with their versions, events and receipts,
// access records, looks of the staff, stop answers, requests to apps. The
// tokens were issued with the bank's id in what goes with them; they are all
// dead. The username stays, too: it is the bank's, and the way to come back.
const sqlErase = `
WITH theirs AS (SELECT grant_id FROM consent_grant WHERE consumer_id = $1),
notices AS (DELETE FROM person_notice WHERE consumer_id = $1),
preferences AS (DELETE FROM person_preference WHERE consumer_id = $1),
mails AS (DELETE FROM person_mail WHERE consumer_id = $1),
copies AS (DELETE FROM record_export WHERE consumer_id = $1),
days AS (DELETE FROM access_day WHERE consumer_id = $1),
codes AS (DELETE FROM oauth_code WHERE grant_id IN (SELECT grant_id FROM theirs)),
refreshes AS (DELETE FROM oauth_refresh WHERE grant_id IN (SELECT grant_id FROM theirs)),
accesses AS (DELETE FROM oauth_access WHERE grant_id IN (SELECT grant_id FROM theirs)),
journeys AS (DELETE FROM authorization_progress WHERE consumer_id = $2),
sessions AS (DELETE FROM web_session WHERE consumer_id = $2),
attempts AS (DELETE FROM sign_in_attempt WHERE consumer_id = $2),
one_time AS (DELETE FROM one_time_code WHERE consumer_id = $2),
passkeys AS (DELETE FROM passkey_holder WHERE consumer_id = $2)
UPDATE person SET bank_id = NULL, erased_at = clock_timestamp() WHERE pseudonym = $1 AND bank_id = $2`

// EraseDue erases at most limit persons whose wish is due, each as a whole or
// not at all, and returns how many. Any number of processes may do so at once.
// Three round trips, and one for each person.
func (s Erasures) EraseDue(ctx context.Context, limit int) (int, error) {
	type dueRow struct {
		Pseudonym string `db:"pseudonym"`
		BankID    string `db:"bank_id"`
	}
	var due []dueRow
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if due, err = many[dueRow](ctx, tx, sqlDueErasures, limit); err != nil {
			return err
		}
		for _, r := range due {
			if _, err := tx.Exec(ctx, sqlErase, r.Pseudonym, r.BankID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("erase: %w", err)
	}
	return len(due), nil
}
