package postgres

import (
	"context"
	"errors"

	"github.com/headgate/headgate/consent/notice"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// thenTell goes on after a table expression named news: it writes a
// notification for each of its rows and a delivery for each subscription that
// asks for it, and leaves told and sent. What has to be told once only and was
// told before is left out. Whoever writes news about a grant holds the grant's
// row, so that the numbers rise in the order of the commits.
const thenTell = `
told AS (
    INSERT INTO notification (notification_id, recipient_id, grant_id, type, category,
                              payload_id, payload_type, field_name, field_value, once, created_at)
    SELECT gen_random_uuid(), recipient_id, grant_id, type, category,
           payload_id, payload_type, field_name, field_value, once, clock_timestamp()
    FROM news
    ON CONFLICT (once) DO NOTHING
    RETURNING sequence, recipient_id, grant_id, type, category, created_at),
sent AS (
    INSERT INTO notification_delivery (subscription_id, sequence, stream, state, since, next_at)
    SELECT s.subscription_id, t.sequence, coalesce(t.grant_id, ''), 'pending', t.created_at, t.created_at
    FROM told t JOIN notification_subscription s
      ON s.recipient_id = t.recipient_id AND s.type = t.type AND s.category = t.category
     AND s.deleted_at IS NULL AND s.effective_date <= (t.created_at AT TIME ZONE 'UTC')::date
    RETURNING subscription_id, sequence)`

const sqlSavepoint = `SAVEPOINT reminders`

const sqlBackToSavepoint = `ROLLBACK TO SAVEPOINT reminders`

// told collects the deliveries that a batch makes.
type told struct {
	tells bool // the batch may make some
	keys  []notice.Key
}

// read takes rows of a subscription and a sequence.
func (t *told) read(rows pgx.Rows) error {
	var k notice.Key
	_, err := pgx.ForEachRow(rows, []any{&k.Subscription, &k.Sequence}, func() error {
		t.keys = append(t.keys, k)
		return nil
	})
	return err
}

// sendTelling sends a batch, then makes the jobs for the deliveries that it
// made: one round trip, two when there are some. A job queue that refuses them
// undoes nothing: the deliveries stand, and Upkeep makes the jobs later. So no
// stop depends on the queue.
func (db *DB) sendTelling(ctx context.Context, tx pgx.Tx, b *pgx.Batch, t *told) error {
	if t.tells {
		b.Queue(sqlSavepoint)
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if len(t.keys) == 0 {
		return nil
	}
	err := db.remind(ctx, tx, t.keys)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && !tx.Conn().IsClosed() {
		_, err = tx.Exec(ctx, sqlBackToSavepoint)
	}
	return err
}
