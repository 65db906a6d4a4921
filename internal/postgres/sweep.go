package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
	"github.com/jackc/pgx/v5"
)

// Rows that are over are kept for a while, so that what comes back late meets
// an answer that explains itself: a used code, a decided request. The term is
// longer than consent.JourneyTime, so that a request is there for as long as
// a person decides about it.
const keep = `interval '1 day'`

// Due times are compared with the time of the statement, which is stable and
// can therefore be looked up in an index; to be a moment late is harmless,
// because no reader waits for the sweep.
const sqlExpireGrants = `
WITH due AS (
    SELECT grant_id FROM consent_grant
    WHERE status = 'ACTIVE' AND expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED),
ended AS (
    UPDATE consent_grant g
    SET status = 'EXPIRED', epoch = epoch + 1, updated_at = clock_timestamp(), ended_at = expires_at, ended_by = 'TIME'
    FROM due WHERE g.grant_id = due.grant_id
    RETURNING g.grant_id, g.recipient_id, g.epoch),
access AS (
    UPDATE oauth_access t SET revoked_at = clock_timestamp()
    FROM ended WHERE t.grant_id = ended.grant_id AND t.revoked_at IS NULL),
refresh AS (
    UPDATE oauth_refresh t SET revoked_at = clock_timestamp()
    FROM ended WHERE t.grant_id = ended.grant_id AND t.revoked_at IS NULL),
event AS (
    INSERT INTO consent_event (grant_id, epoch, kind, actor, reason, at)
    SELECT grant_id, epoch, 'expired', 'TIME', '', clock_timestamp() FROM ended),
news AS (
    SELECT recipient_id, grant_id, $2::text AS type, $3::text AS category, grant_id AS payload_id, 'CONSENT' AS payload_type,
           'INITIATOR' AS field_name, $4::text AS field_value, NULL::text AS once
    FROM ended),` + thenTell + `
SELECT e.grant_id, s.subscription_id, s.sequence
FROM ended e LEFT JOIN told t ON t.grant_id = e.grant_id LEFT JOIN sent s ON s.sequence = t.sequence
ORDER BY s.sequence`

// A notification is kept as long as its delivery may be tried or replayed and
// a feed may be read again.
const sqlPruneNotifications = `
DELETE FROM notification WHERE sequence IN (
    SELECT sequence FROM notification WHERE created_at <= statement_timestamp() - interval '30 days'
    ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPruneProofs = `
DELETE FROM proof_seen WHERE proof IN (
    SELECT proof FROM proof_seen WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPrunePushed = `
DELETE FROM pushed_request WHERE request_hash IN (
    SELECT request_hash FROM pushed_request WHERE expires_at <= statement_timestamp() - ` + keep + `
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPruneAuthorizations = `
DELETE FROM authorization_progress WHERE authorization_id IN (
    SELECT authorization_id FROM authorization_progress WHERE expires_at <= statement_timestamp() - ` + keep + `
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPruneCodes = `
DELETE FROM oauth_code WHERE code_hash IN (
    SELECT code_hash FROM oauth_code WHERE expires_at <= statement_timestamp() - ` + keep + `
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPruneAccess = `
DELETE FROM oauth_access WHERE access_hash IN (
    SELECT access_hash FROM oauth_access WHERE expires_at <= statement_timestamp() - ` + keep + `
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPruneClientAccess = `
DELETE FROM client_access WHERE access_hash IN (
    SELECT access_hash FROM client_access WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPruneRefresh = `
DELETE FROM oauth_refresh WHERE refresh_hash IN (
    SELECT refresh_hash FROM oauth_refresh WHERE expires_at <= statement_timestamp() - ` + keep + `
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPruneSessions = `
DELETE FROM web_session WHERE token IN (
    SELECT token FROM web_session WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

// The partitions of this month and of three months ahead.
const sqlMonths = `SELECT access_months(3) AS failed`

// errMonth: records of a month are where those of no month are, because nobody
// swept when it began. They are as good there as anywhere, but cannot be
// retired with their month.
var errMonth = errors.New("the partition of a month cannot be made: the default one has records of it")

// months makes the partitions of the records of reads that are missing.
func (db *DB) months(ctx context.Context) error {
	type row struct {
		Failed int `db:"failed"`
	}
	return db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		r, err := one[row](ctx, c, errMonth, sqlMonths)
		if err == nil && r.Failed > 0 {
			err = errMonth
		}
		return err
	})
}

const sqlPruneThrottle = `
DELETE FROM login_throttle WHERE subject IN (
    SELECT subject FROM login_throttle WHERE forget_at <= statement_timestamp()
    ORDER BY forget_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPruneOneTimeCodes = `
DELETE FROM one_time_code WHERE (consumer_id, purpose) IN (
    SELECT consumer_id, purpose FROM one_time_code WHERE expires_at <= statement_timestamp() - ` + keep + `
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPruneChallenges = `
DELETE FROM passkey_challenge WHERE challenge IN (
    SELECT challenge FROM passkey_challenge WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

// People are shown the attempts of the last 30 days.
const sqlPruneSignIns = `
DELETE FROM sign_in_attempt WHERE attempt_id IN (
    SELECT attempt_id FROM sign_in_attempt WHERE at <= statement_timestamp() - interval '30 days'
    ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED)`

// A subscription that was deleted is kept for as long as what was to be
// delivered to it.
const sqlPruneSubscriptions = `
DELETE FROM notification_subscription WHERE subscription_id IN (
    SELECT s.subscription_id FROM notification_subscription s
    WHERE s.deleted_at <= statement_timestamp() - interval '31 days'
      AND NOT EXISTS (SELECT d.sequence FROM notification_delivery d WHERE d.subscription_id = s.subscription_id)
    ORDER BY s.deleted_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

// Swept counts what one Sweep did.
type Swept struct {
	Expired int64 // grants written down as EXPIRED
	Erased  int64 // persons erased, who had asked for it
	Pruned  int64 // rows deleted of which nothing depends any more
	// Full: some kind had as much to do as the limit allowed; sweep again
	// soon.
	Full bool
}

// Sweep writes down that grants whose time is over are EXPIRED, with event and
// notification, makes the partitions of the months to come, erases persons
// whose wish is due, and deletes proofs, pushed requests, decisions, codes,
// tokens, sessions, notifications, deleted subscriptions, one-time codes,
// challenges and attempts to sign in that are over. Each kind is a transaction
// of its own of at most limit rows. Any
// number of processes may sweep at once. Nothing depends on when or whether it
// runs but disk space and the promptness of notices. Twenty-one round trips, one
// more when recipients are to be called, and one for each person who is erased.
func (db *DB) Sweep(ctx context.Context, limit int) (Swept, error) {
	if limit < 1 {
		return Swept{}, errors.New("sweep: the limit must be at least 1")
	}
	var s Swept
	run := func(sql string) (int64, error) {
		var n int64
		err := db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
			tag, err := c.Exec(ctx, sql, limit)
			n = tag.RowsAffected()
			return err
		})
		if n >= int64(limit) {
			s.Full = true
		}
		return n, err
	}
	var err error
	if s.Expired, err = db.expire(ctx, limit); err != nil {
		return s, fmt.Errorf("sweep: %w", err)
	}
	s.Full = s.Expired >= int64(limit)
	// After the grants: whoever's last one has just ended is due now.
	erased, err := db.Erasures().EraseDue(ctx, limit)
	if err != nil {
		return s, fmt.Errorf("sweep: %w", err)
	}
	s.Erased, s.Full = int64(erased), s.Full || erased >= limit
	for _, sql := range []string{
		sqlPruneProofs, sqlPrunePushed, sqlPruneAuthorizations, sqlPruneCodes,
		sqlPruneAccess, sqlPruneClientAccess, sqlPruneRefresh, sqlPruneSessions, sqlPruneNotifications,
		sqlPruneThrottle, sqlPruneOneTimeCodes, sqlPruneChallenges, sqlPruneSignIns, sqlPruneSubscriptions,
	} {
		n, err := run(sql)
		if err != nil {
			return s, fmt.Errorf("sweep: %w", err)
		}
		s.Pruned += n
	}
	if err := db.months(ctx); err != nil {
		return s, fmt.Errorf("sweep: %w", err)
	}
	return s, nil
}

// expire ends at most limit grants whose time is over and returns how many.
func (db *DB) expire(ctx context.Context, limit int) (n int64, err error) {
	topic, initiator, _ := notice.OfEvent(consent.Event{Kind: consent.EventExpired, Actor: consent.ActorTime})
	err = db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var (
			b     pgx.Batch
			t     = told{tells: true}
			ended = map[string]bool{}
		)
		b.Queue(sqlExpireGrants, limit, string(topic.Type), string(topic.Category), string(initiator)).Query(func(rows pgx.Rows) error {
			var (
				grant        string
				subscription *string
				sequence     *int64
			)
			_, err := pgx.ForEachRow(rows, []any{&grant, &subscription, &sequence}, func() error {
				ended[grant] = true
				if subscription != nil && sequence != nil {
					t.keys = append(t.keys, notice.Key{Subscription: fdx.SubscriptionID(*subscription), Sequence: *sequence})
				}
				return nil
			})
			return err
		})
		if err := db.sendTelling(ctx, tx, &b, &t); err != nil {
			return err
		}
		n = int64(len(ended))
		return nil
	})
	return n, err
}
