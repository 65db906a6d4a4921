package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
)

// Notices keeps what recipients are told. It is the notice.Subscriptions and
// the notice.Deliveries, with what the operator needs besides.
type Notices struct{ db *DB }

var (
	_ notice.Subscriptions = Notices{}
	_ notice.Deliveries    = Notices{}
)

// Notices returns the store of notifications.
func (db *DB) Notices() Notices { return Notices{db} }

// Two subscriptions of one recipient are made one after the other, so that
// each sees those before it.
const sqlLockSubscriptions = `
SELECT pg_advisory_xact_lock(hashtextextended('notification_subscription/' || $1, 0))`

const sqlSubscribe = `
INSERT INTO notification_subscription (subscription_id, recipient_id, type, category, callback_url, subscriber, effective_date, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7, clock_timestamp()
WHERE (SELECT count(subscription_id) FROM notification_subscription WHERE recipient_id = $2 AND deleted_at IS NULL) < $8`

const subscriptionColumns = `
    s.subscription_id, s.recipient_id AS subscription_recipient, s.type AS subscription_type, s.category AS subscription_category,
    s.callback_url, s.subscriber, s.effective_date, s.created_at AS subscribed_at`

const notificationColumns = `
    n.sequence, n.notification_id, n.recipient_id, n.grant_id, n.type, n.category,
    n.payload_id, n.payload_type, n.field_name, n.field_value, n.created_at`

const sqlSubscription = `
SELECT ` + subscriptionColumns + ` FROM notification_subscription s
WHERE s.subscription_id = $1 AND s.recipient_id = $2 AND s.deleted_at IS NULL`

const sqlUnsubscribe = `
WITH gone AS (
    UPDATE notification_subscription SET deleted_at = clock_timestamp()
    WHERE subscription_id = $1 AND recipient_id = $2 AND deleted_at IS NULL
    RETURNING subscription_id),
dead AS (
    UPDATE notification_delivery d SET state = 'dead'
    FROM gone WHERE d.subscription_id = gone.subscription_id AND d.state = 'pending')
SELECT subscription_id FROM gone`

const sqlPlaceInFeed = `
SELECT sequence FROM notification WHERE notification_id = $1 AND recipient_id = $2`

// What is younger than any transaction can last is left for the next look,
// with all that follows it: a number below may still be on its way. A
// transaction that writes notifications is cut off by callTimeout on our side
// and by the server's limits on the other.
const sqlFeed = `
SELECT ` + notificationColumns + ` FROM notification n
WHERE n.recipient_id = $1 AND n.sequence > $2 AND NOT EXISTS (
    SELECT young.sequence FROM notification young
    WHERE young.recipient_id = $1 AND young.sequence <= n.sequence
      AND young.created_at > statement_timestamp() - interval '10 seconds')
ORDER BY n.sequence LIMIT $3`

const sqlClaimDelivery = `
WITH due AS (
    SELECT d.subscription_id, d.sequence
    FROM notification_delivery d
    JOIN notification_subscription s ON s.subscription_id = d.subscription_id AND s.deleted_at IS NULL
    WHERE d.subscription_id = $1 AND d.state = 'pending' AND d.next_at <= $2
      AND NOT EXISTS (
          SELECT before.sequence FROM notification_delivery before
          WHERE before.subscription_id = d.subscription_id AND before.stream = d.stream
            AND before.state = 'pending' AND before.sequence < d.sequence)
    ORDER BY d.next_at, d.sequence LIMIT 1
    FOR NO KEY UPDATE OF d SKIP LOCKED),
taken AS (
    UPDATE notification_delivery d SET next_at = $3
    FROM due WHERE d.subscription_id = due.subscription_id AND d.sequence = due.sequence
    RETURNING d.subscription_id, d.sequence, d.attempts, d.last_status, d.since)
SELECT t.attempts, t.last_status, t.since, ` + subscriptionColumns + `, ` + notificationColumns + `
FROM taken t
JOIN notification n ON n.sequence = t.sequence
JOIN notification_subscription s ON s.subscription_id = t.subscription_id`

const sqlSettleDelivery = `
UPDATE notification_delivery
SET state = $3, attempts = $4, last_status = $5, next_at = coalesce($6, next_at)
WHERE subscription_id = $1 AND sequence = $2 AND state = 'pending'`

const sqlDeliveryDueAt = `
SELECT (SELECT head.next_at FROM notification_delivery head
        WHERE head.subscription_id = d.subscription_id AND head.stream = d.stream AND head.state = 'pending'
        ORDER BY head.sequence LIMIT 1) AS next_at
FROM notification_delivery d
JOIN notification_subscription s ON s.subscription_id = d.subscription_id AND s.deleted_at IS NULL
WHERE d.subscription_id = $1 AND d.sequence = $2 AND d.state = 'pending'`

const sqlDeadLetters = `
SELECT d.subscription_id, d.sequence, d.attempts, d.last_status, d.since, n.notification_id, n.recipient_id, n.type, n.category
FROM notification_delivery d JOIN notification n ON n.sequence = d.sequence
WHERE d.state = 'dead' AND ($1 = '' OR n.recipient_id = $1)
ORDER BY d.sequence, d.subscription_id LIMIT $2`

const sqlReplay = `
UPDATE notification_delivery d
SET state = 'pending', attempts = 0, last_status = 0, since = clock_timestamp(), next_at = clock_timestamp()
FROM notification n, notification_subscription s
WHERE d.state = 'dead' AND n.sequence = d.sequence AND s.subscription_id = d.subscription_id AND s.deleted_at IS NULL
  AND ($1 = '' OR n.notification_id = $1) AND ($2 = '' OR n.recipient_id = $2)
RETURNING d.subscription_id, d.sequence`

// A grant is found by the bank's order only, so that there is no index for it.
const sqlTellAccountRemoved = `
WITH page AS (
    SELECT grant_id FROM consent_grant WHERE grant_id > $2 ORDER BY grant_id LIMIT $3),
holding AS (
    SELECT g.grant_id, g.recipient_id FROM consent_grant g JOIN page ON page.grant_id = g.grant_id
    WHERE g.status = 'ACTIVE' AND g.expires_at > statement_timestamp()
      AND g.resources @> jsonb_build_array(jsonb_build_object('resourceType', 'ACCOUNT', 'resourceId', $1::text))
    ORDER BY g.grant_id FOR NO KEY UPDATE OF g),
news AS (
    SELECT recipient_id, grant_id, $4::text AS type, $5::text AS category, grant_id AS payload_id, 'CONSENT' AS payload_type,
           $6::text AS field_name, $1::text AS field_value, 'removed/' || grant_id || '/' || $1 AS once
    FROM holding),` + thenTell + `
SELECT coalesce((SELECT max(grant_id) FROM page), '') AS last, (SELECT count(sequence) FROM told) AS told,
       coalesce((SELECT array_agg(subscription_id ORDER BY sequence) FROM sent), '{}') AS subscriptions,
       coalesce((SELECT array_agg(sequence ORDER BY sequence) FROM sent), '{}') AS sequences`

const sqlTellOutage = `
WITH news AS (
    SELECT recipient_id, NULL::text AS grant_id, $1::text AS type, $2::text AS category, $3::text AS payload_id, 'MAINTENANCE' AS payload_type,
           $4::text AS field_name, $5::text AS field_value, NULL::text AS once
    FROM recipient WHERE role = 'recipient' AND status IN ('active', 'restricted')),` + thenTell + `
SELECT '' AS last, (SELECT count(sequence) FROM told) AS told,
       coalesce((SELECT array_agg(subscription_id ORDER BY sequence) FROM sent), '{}') AS subscriptions,
       coalesce((SELECT array_agg(sequence ORDER BY sequence) FROM sent), '{}') AS sequences`

// A mark is so many days before the end, and lasts until the next one. A grant
// that was made or changed after its mark had passed is not reminded of it.
const sqlTellExpiring = `
WITH due AS (
    SELECT g.grant_id, g.recipient_id, g.expires_at,
           'expiring/' || g.grant_id || '/' || mark.days || '/' || extract(epoch FROM g.expires_at)::bigint AS once
    FROM consent_grant g
    JOIN (VALUES (30, 720, 168), (7, 168, 24), (1, 24, 0)) AS mark (days, hours, next)
      ON g.expires_at <= statement_timestamp() + make_interval(hours => mark.hours)
     AND g.expires_at > statement_timestamp() + make_interval(hours => mark.next)
    WHERE g.status = 'ACTIVE' AND g.expires_at > statement_timestamp()
      AND g.expires_at <= statement_timestamp() + interval '720 hours'
      AND coalesce(g.updated_at, g.created_at) + make_interval(hours => mark.hours) < g.expires_at
      AND NOT EXISTS (
          SELECT n.sequence FROM notification n
          WHERE n.once = 'expiring/' || g.grant_id || '/' || mark.days || '/' || extract(epoch FROM g.expires_at)::bigint)
    ORDER BY g.expires_at DESC LIMIT $1
    FOR NO KEY UPDATE OF g SKIP LOCKED),
news AS (
    SELECT recipient_id, grant_id, $2::text AS type, $3::text AS category, grant_id AS payload_id, 'CONSENT' AS payload_type,
           $4::text AS field_name, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS field_value, once
    FROM due),` + thenTell + `
SELECT '' AS last, (SELECT count(sequence) FROM told) AS told,
       coalesce((SELECT array_agg(subscription_id ORDER BY sequence) FROM sent), '{}') AS subscriptions,
       coalesce((SELECT array_agg(sequence ORDER BY sequence) FROM sent), '{}') AS sequences`

// A delivery that is due, waits for no other and nobody has come for has lost
// its job.
const sqlForgotten = `
SELECT d.subscription_id, d.sequence
FROM notification_delivery d
JOIN notification_subscription s ON s.subscription_id = d.subscription_id AND s.deleted_at IS NULL
WHERE d.state = 'pending' AND d.next_at <= statement_timestamp() - interval '3 seconds'
  AND NOT EXISTS (
      SELECT before.sequence FROM notification_delivery before
      WHERE before.subscription_id = d.subscription_id AND before.stream = d.stream
        AND before.state = 'pending' AND before.sequence < d.sequence)
ORDER BY d.sequence LIMIT $1`

type subscriptionRow struct {
	SubscriptionID string    `db:"subscription_id"`
	RecipientID    string    `db:"subscription_recipient"`
	Type           string    `db:"subscription_type"`
	Category       string    `db:"subscription_category"`
	CallbackURL    string    `db:"callback_url"`
	Subscriber     []byte    `db:"subscriber"`
	EffectiveDate  time.Time `db:"effective_date"`
	SubscribedAt   time.Time `db:"subscribed_at"`
}

func (r subscriptionRow) subscription() (notice.Subscription, error) {
	s := notice.Subscription{
		ID: fdx.SubscriptionID(r.SubscriptionID), Recipient: consent.RecipientID(r.RecipientID),
		Topic:       notice.Topic{Type: fdx.NotificationType(r.Type), Category: fdx.NotificationCategory(r.Category)},
		CallbackURL: r.CallbackURL, EffectiveDate: fdx.DateOf(r.EffectiveDate), CreatedAt: r.SubscribedAt.UTC(),
	}
	return s, decode(r.Subscriber, &s.Subscriber)
}

type notificationRow struct {
	Sequence       int64     `db:"sequence"`
	NotificationID string    `db:"notification_id"`
	RecipientID    string    `db:"recipient_id"`
	GrantID        *string   `db:"grant_id"`
	Type           string    `db:"type"`
	Category       string    `db:"category"`
	PayloadID      string    `db:"payload_id"`
	PayloadType    string    `db:"payload_type"`
	FieldName      string    `db:"field_name"`
	FieldValue     string    `db:"field_value"`
	CreatedAt      time.Time `db:"created_at"`
}

func (r notificationRow) notification() notice.Notification {
	n := notice.Notification{
		Sequence: r.Sequence, ID: fdx.NotificationID(r.NotificationID), Recipient: consent.RecipientID(r.RecipientID),
		Topic: notice.Topic{Type: fdx.NotificationType(r.Type), Category: fdx.NotificationCategory(r.Category)},
		Payload: fdx.NotificationPayload{
			ID: r.PayloadID, IDType: fdx.NotificationPayloadIDType(r.PayloadType),
			CustomField: fdx.CustomField{Name: r.FieldName, Value: r.FieldValue},
		},
		CreatedAt: r.CreatedAt.UTC(),
	}
	if r.GrantID != nil {
		n.Grant = consent.GrantID(*r.GrantID)
	}
	return n
}

// Subscribe implements notice.Subscriptions. One round trip.
func (s Notices) Subscribe(ctx context.Context, v notice.Subscription) error {
	subscriber, err := encode(v.Subscriber)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	var b pgx.Batch
	b.Queue(sqlLockSubscriptions, string(v.Recipient))
	b.Queue(sqlSubscribe, string(v.ID), string(v.Recipient), string(v.Topic.Type), string(v.Topic.Category), v.CallbackURL,
		subscriber, v.EffectiveDate.Time(), notice.MaxSubscriptions).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			return notice.ErrTooMany
		}
		return nil
	})
	// The statements of a batch share one implicit transaction.
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error { return c.SendBatch(ctx, &b).Close() })
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// Subscription implements notice.Subscriptions. One round trip.
func (s Notices) Subscription(ctx context.Context, who consent.RecipientID, id fdx.SubscriptionID) (notice.Subscription, error) {
	var r subscriptionRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[subscriptionRow](ctx, c, consent.ErrNotFound, sqlSubscription, string(id), string(who))
		return err
	})
	if err != nil {
		return notice.Subscription{}, fmt.Errorf("load subscription: %w", err)
	}
	return r.subscription()
}

// Unsubscribe implements notice.Subscriptions and notice.Deliveries. One round
// trip.
func (s Notices) Unsubscribe(ctx context.Context, who consent.RecipientID, id fdx.SubscriptionID) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return missingOr(ctx, c, nil, consent.ErrNotFound, sqlUnsubscribe, string(id), string(who))
	})
	if err != nil {
		return fmt.Errorf("unsubscribe: %w", err)
	}
	return nil
}

// Feed implements notice.Subscriptions. One round trip, two when it goes on
// after a notification.
func (s Notices) Feed(ctx context.Context, who consent.RecipientID, after fdx.NotificationID, limit int) ([]notice.Notification, error) {
	type placeRow struct {
		Sequence int64 `db:"sequence"`
	}
	var rows []notificationRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		var from placeRow
		if after != "" {
			if from, err = one[placeRow](ctx, c, consent.ErrNotFound, sqlPlaceInFeed, string(after), string(who)); err != nil {
				return err
			}
		}
		rows, err = many[notificationRow](ctx, c, sqlFeed, string(who), from.Sequence, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load feed: %w", err)
	}
	var all []notice.Notification
	for _, r := range rows {
		all = append(all, r.notification())
	}
	return all, nil
}

// Claim implements notice.Deliveries. One round trip.
func (s Notices) Claim(ctx context.Context, id fdx.SubscriptionID, now time.Time, lease time.Duration) (notice.Delivery, error) {
	type claimedRow struct {
		Attempts   int       `db:"attempts"`
		LastStatus int       `db:"last_status"`
		Since      time.Time `db:"since"`
		subscriptionRow
		notificationRow
	}
	var r claimedRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[claimedRow](ctx, c, notice.ErrNone, sqlClaimDelivery, string(id), now, now.Add(lease))
		return err
	})
	if err != nil {
		return notice.Delivery{}, fmt.Errorf("claim delivery: %w", err)
	}
	d := notice.Delivery{Notification: r.notification(), Attempts: r.Attempts, Status: r.LastStatus, Since: r.Since.UTC()}
	d.Subscription, err = r.subscription()
	return d, err
}

// Settle implements notice.Deliveries. One round trip.
func (s Notices) Settle(ctx context.Context, k notice.Key, o notice.Outcome) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlSettleDelivery, string(k.Subscription), k.Sequence, string(o.State), o.Attempts, o.Status, nullable(o.NextAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("settle delivery: %w", err)
	}
	return nil
}

// DueAt implements notice.Deliveries. One round trip.
func (s Notices) DueAt(ctx context.Context, k notice.Key) (time.Time, error) {
	type dueRow struct {
		NextAt time.Time `db:"next_at"`
	}
	var r dueRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[dueRow](ctx, c, notice.ErrNone, sqlDeliveryDueAt, string(k.Subscription), k.Sequence)
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("look up delivery: %w", err)
	}
	return r.NextAt.UTC(), nil
}

// DeadLetters returns deliveries that were given up, of one recipient or, for
// "", of all, oldest first, at most limit; nil when there are none.
func (s Notices) DeadLetters(ctx context.Context, who consent.RecipientID, limit int) ([]notice.Letter, error) {
	type letterRow struct {
		SubscriptionID string    `db:"subscription_id"`
		Sequence       int64     `db:"sequence"`
		Attempts       int       `db:"attempts"`
		LastStatus     int       `db:"last_status"`
		Since          time.Time `db:"since"`
		NotificationID string    `db:"notification_id"`
		RecipientID    string    `db:"recipient_id"`
		Type           string    `db:"type"`
		Category       string    `db:"category"`
	}
	var rows []letterRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[letterRow](ctx, c, sqlDeadLetters, string(who), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	var all []notice.Letter
	for _, r := range rows {
		all = append(all, notice.Letter{
			Key:          notice.Key{Subscription: fdx.SubscriptionID(r.SubscriptionID), Sequence: r.Sequence},
			Notification: fdx.NotificationID(r.NotificationID), Recipient: consent.RecipientID(r.RecipientID),
			Topic:    notice.Topic{Type: fdx.NotificationType(r.Type), Category: fdx.NotificationCategory(r.Category)},
			Attempts: r.Attempts, Status: r.LastStatus, Since: r.Since.UTC(),
		})
	}
	return all, nil
}

// Replay makes dead letters pending again, as if they were new, and returns
// how many: those of one notification, of one recipient, or those to which
// both apply. What was for a deleted subscription stays dead.
func (s Notices) Replay(ctx context.Context, id fdx.NotificationID, who consent.RecipientID) (n int, err error) {
	if id == "" && who == "" {
		return 0, fmt.Errorf("replay: %w", consent.ErrNotFound)
	}
	err = s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var t told
		rows, _ := tx.Query(ctx, sqlReplay, string(id), string(who)) // read returns the error
		if err := t.read(rows); err != nil {
			return err
		}
		n = len(t.keys)
		return s.db.remind(ctx, tx, t.keys)
	})
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	return n, nil
}

// tellingRow is what a statement that tells several recipients returns.
type tellingRow struct {
	Last          string   `db:"last"` // where the next page begins
	Told          int      `db:"told"`
	Subscriptions []string `db:"subscriptions"`
	Sequences     []int64  `db:"sequences"` // one for each of Subscriptions
}

// tell runs such a statement and makes the jobs.
func (db *DB) tell(ctx context.Context, sql string, args ...any) (r tellingRow, err error) {
	err = db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var b pgx.Batch
		t := told{tells: true}
		b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
			if r, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[tellingRow]); err != nil {
				return err
			}
			for i, id := range r.Subscriptions {
				t.keys = append(t.keys, notice.Key{Subscription: fdx.SubscriptionID(id), Sequence: r.Sequences[i]})
			}
			return nil
		})
		return db.sendTelling(ctx, tx, &b, &t)
	})
	return r, err
}

// AccountRemoved tells every recipient with an active grant that holds the
// account that the bank no longer offers it, once, and returns how many grants
// that were. It changes no grant.
func (s Notices) AccountRemoved(ctx context.Context, account fdx.AccountID) (grants int, err error) {
	const page = 5000 // grants that are looked through in one transaction
	topic := notice.Custom()
	for after := ""; ; {
		r, err := s.db.tell(ctx, sqlTellAccountRemoved, string(account), after, page, string(topic.Type), string(topic.Category), notice.FieldAccountRemoved)
		if err != nil {
			return grants, fmt.Errorf("tell of removed account: %w", err)
		}
		grants += r.Told
		if after = r.Last; after == "" {
			return grants, nil
		}
	}
}

// Outage tells every recipient of a planned outage and returns how many. id
// names the outage; text is for people.
func (s Notices) Outage(ctx context.Context, id string, from, to time.Time, text string) (recipients int, err error) {
	topic := notice.Outage()
	window := from.UTC().Format(time.RFC3339) + "/" + to.UTC().Format(time.RFC3339) + " " + text
	r, err := s.db.tell(ctx, sqlTellOutage, string(topic.Type), string(topic.Category), id, notice.FieldOutage, window)
	if err != nil {
		return 0, fmt.Errorf("tell of outage: %w", err)
	}
	return r.Told, nil
}

// upkeepLimit is how many rows of each kind Upkeep takes at a time.
const upkeepLimit = 500

// Upkeep tells recipients of grants that end in 30, 7 or 1 days, once each,
// and makes the jobs of deliveries that have none. Any number of processes may
// call it at once.
func (s Notices) Upkeep(ctx context.Context) error {
	topic := notice.Custom()
	for {
		r, err := s.db.tell(ctx, sqlTellExpiring, upkeepLimit, string(topic.Type), string(topic.Category), notice.FieldExpiring)
		if err != nil {
			return fmt.Errorf("tell of expiring grants: %w", err)
		}
		if r.Told < upkeepLimit {
			break
		}
	}
	return s.remindForgotten(ctx)
}

// remindForgotten makes the jobs of deliveries that nobody comes for: their
// transaction could not make one, or the process that had it was killed. At
// most one each, besides the one that may be left of a killed process.
func (s Notices) remindForgotten(ctx context.Context) error {
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var t told
		rows, _ := tx.Query(ctx, sqlForgotten, upkeepLimit) // read returns the error
		if err := t.read(rows); err != nil {
			return err
		}
		return s.db.insertJobs(ctx, tx, t.keys, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished()}})
	})
	if err != nil {
		return fmt.Errorf("remind of deliveries: %w", err)
	}
	return nil
}
