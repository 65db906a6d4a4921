package postgres

import (
	"context"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
	"github.com/jackc/pgx/v5"
)

// thenEvent goes on after a table expression named changed, which is the one
// grant that was changed, with the columns of storedGrant, or nothing. It
// writes the event of the change and tells the recipient of it, so that none of
// the three can be forgotten, and returns the grant and the deliveries that
// this made. $1 to $9 are taken by it: see eventArgs.
const thenEvent = `
event AS (
    INSERT INTO consent_event (grant_id, epoch, kind, actor, initiator, reason, paused_until, hold_case, at)
    SELECT grant_id, epoch, $1::text, $2::text, $3::text, $4::text, $5::timestamptz, $6::text, clock_timestamp()
    FROM changed),
news AS (
    SELECT recipient_id, grant_id, $7::text AS type, $8::text AS category, grant_id AS payload_id,
           'CONSENT' AS payload_type, 'INITIATOR' AS field_name, $9::text AS field_value, NULL::text AS once
    FROM changed WHERE $7::text <> ''),` + thenTell + `
SELECT ` + grantColumns + `,
    ARRAY(SELECT subscription_id FROM sent ORDER BY subscription_id) AS subscriptions,
    ARRAY(SELECT sequence FROM sent ORDER BY subscription_id) AS sequences
FROM changed`

// eventArgs returns the first arguments of a statement that ends in thenEvent.
// The grant and its epoch are what the statement finds.
func eventArgs(e consent.Event) []any {
	topic, initiator, _ := notice.OfEvent(e) // no topic when nobody is told
	return []any{
		string(e.Kind), string(e.Actor), string(e.Initiator), string(e.Reason), nullable(e.Until), e.Case,
		string(topic.Type), string(topic.Category), string(initiator),
	}
}

// sqlHoldGrant waits for whoever issues tokens under the grant, and keeps them
// out until the end of the transaction.
const sqlHoldGrant = `
SELECT grant_id, epoch FROM consent_grant WHERE grant_id = $1 FOR NO KEY UPDATE`

const sqlHoldOfRecipient = `
SELECT grant_id, epoch FROM consent_grant WHERE grant_id = $2 AND recipient_id = $1 FOR NO KEY UPDATE`

const sqlHoldOfConsumer = `
SELECT grant_id, epoch FROM consent_grant WHERE grant_id = $2 AND consumer_id = ` + pseudonymOf1 + ` FOR NO KEY UPDATE`

// holding is what holds the row of a grant: a statement that returns a heldRow.
type holding struct {
	sql  string
	args []any
}

func holdGrant(id consent.GrantID) holding { return holding{sqlHoldGrant, []any{string(id)}} }

type heldRow struct {
	GrantID string `db:"grant_id"`
	Epoch   int64  `db:"epoch"`
}

type changedRow struct {
	grantRow
	Subscriptions []string `db:"subscriptions"`
	Sequences     []int64  `db:"sequences"` // one for each of Subscriptions
}

// changeGrant holds the row of a grant, then changes the grant by a statement
// that ends in thenEvent, as one transaction and in one round trip; three more
// when the recipient is to be called about it. The second statement has a
// snapshot of its own: it sees every token that was issued before the row was
// held, and there will be no other. The client cannot decide between the two,
// so the second repeats every condition. It returns the grant as it was held,
// nil when there is none, and as it is since, nil when nothing was changed.
func (db *DB) changeGrant(ctx context.Context, c *pgx.Conn, h holding, sql string, e consent.Event, args ...any) (was *heldRow, is *changedRow, err error) {
	var b pgx.Batch
	b.Queue(h.sql, h.args...).Query(func(rows pgx.Rows) (err error) {
		was, err = atMostOne[heldRow](rows)
		return err
	})
	b.Queue(sql, append(eventArgs(e), args...)...).Query(func(rows pgx.Rows) (err error) {
		is, err = atMostOne[changedRow](rows)
		return err
	})
	// Close confirms the commit; before it, what was read is only a promise.
	if err := c.SendBatch(ctx, &b).Close(); err != nil {
		return nil, nil, err
	}
	if is != nil {
		db.remindAfter(ctx, c, is)
	}
	return was, is, nil
}

// remindAfter makes the jobs for the deliveries of a change that is committed.
// That they cannot be made undoes nothing: the deliveries stand, and whoever
// looks for those that nobody comes for makes the jobs later. So no stop
// depends on the queue, and none keeps a connection for long while it is
// locked.
func (db *DB) remindAfter(ctx context.Context, c *pgx.Conn, r *changedRow) {
	if len(r.Subscriptions) == 0 {
		return
	}
	keys := make([]notice.Key, len(r.Subscriptions))
	for i, id := range r.Subscriptions {
		keys[i] = notice.Key{Subscription: fdx.SubscriptionID(id), Sequence: r.Sequences[i]}
	}
	_ = pgx.BeginTxFunc(ctx, c, pgx.TxOptions{BeginQuery: beginHasty}, func(tx pgx.Tx) error { return db.remind(ctx, tx, keys) })
}

// beginHasty begins a transaction that gives up when it would have to wait.
const beginHasty = `BEGIN; SET LOCAL lock_timeout = '50ms'`
