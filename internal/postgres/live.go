package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// Looking up tokens is what a gateway and an introspection do all the time
// while there is no Redis. Look-ups that come while others are under way share
// a statement, as releases of the gate do. It begins after all of them, so
// that none is answered with what was true before it was asked.

// How look-ups share statements.
const (
	lookLanes = 4    // statements at once
	lookBatch = 64   // look-ups in one
	lookQueue = 1024 // look-ups that may wait; one more is refused
)

// lookups are the look-ups of a DB.
type lookups struct {
	work sync.WaitGroup

	mu      sync.Mutex
	closed  bool    // guarded by mu
	running int     // lanes, guarded by mu
	waiting []*look // guarded by mu
}

// look is one look-up on its way.
type look struct {
	hash token.Hash
	done chan struct{} // closed when live and err are set
	live token.Live
	err  error
}

var (
	errLooksFull   = errors.New("too many look-ups are waiting")
	errLooksClosed = errors.New("the store is closed")
)

// Live implements token.Store. One round trip, shared.
func (s Tokens) Live(ctx context.Context, h token.Hash) (token.Live, error) {
	// A caller without time must not be served.
	if err := ctx.Err(); err != nil {
		return token.Live{}, fmt.Errorf("load access token: %w", unavailable(err))
	}
	l := &look{hash: h, done: make(chan struct{})}
	if err := s.db.look(l); err != nil {
		return token.Live{}, fmt.Errorf("load access token: %w", unavailable(err))
	}
	select {
	case <-l.done:
		if l.err != nil {
			return token.Live{}, fmt.Errorf("load access token: %w", l.err)
		}
		return l.live, nil
	case <-ctx.Done():
		return token.Live{}, fmt.Errorf("load access token: %w", unavailable(ctx.Err()))
	}
}

// look queues a look-up and starts a lane if there may be one more.
func (db *DB) look(l *look) error {
	q := &db.lookups
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return errLooksClosed
	case len(q.waiting) >= lookQueue:
		return errLooksFull
	}
	q.waiting = append(q.waiting, l)
	if q.running < lookLanes {
		q.running++
		q.work.Go(db.lookLane)
	}
	return nil
}

// close refuses further look-ups and waits for those under way.
func (q *lookups) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.work.Wait()
}

// take returns what waits, up to a batch; nil ends the lane.
func (q *lookups) take() []*look {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), lookBatch)
	if n == 0 {
		q.running--
		return nil
	}
	batch := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return batch
}

// lookLane executes batches until nothing waits.
func (db *DB) lookLane() {
	for batch := db.lookups.take(); batch != nil; batch = db.lookups.take() {
		hashes := make([][]byte, len(batch))
		for i, l := range batch {
			hashes[i] = l.hash[:]
		}
		// The callers' contexts do not bound a statement that is not theirs
		// alone; do does.
		found, err := db.live(context.Background(), hashes)
		for _, l := range batch {
			row, ok := found[l.hash]
			switch {
			case err != nil:
				l.err = err
			case !ok:
				l.err = token.ErrNotFound
			default:
				l.live, l.err = row.live(l.hash)
			}
			close(l.done)
		}
	}
}

// Where commits wait for a standby, this statement writes one message into the
// log, which nobody reads, so that it has a commit to wait for: an old primary
// whose standby has taken its place has heard of no stop since, and is not to
// say that a token is good. Without a row nothing is written.
const sqlLive = `
SELECT t.access_hash, t.grant_id, t.recipient_id, t.request_id, t.scopes,
       t.resources AS token_resources, t.key_thumbprint, t.cert_thumbprint, t.issued_at, t.expires_at, t.revoked_at,
       g.epoch, g.recipient_id AS grant_recipient_id, coalesce(p.bank_id, p.pseudonym) AS consumer_id,
       CASE WHEN g.status = 'ACTIVE' AND NOT ` + mayRead + ` THEN 'REVOKED' ELSE g.status END AS grant_status,
       g.expires_at AS grant_expires_at, g.paused_until, g.held_at, g.lookback_days, g.resources,
       coalesce(r.profile ->> 'error_codes', '') AS error_codes, r.quota, clock_timestamp() AS looked_at,
       (SELECT pg_logical_emit_message(true, 'headgate', '') WHERE current_setting('synchronous_standby_names') <> '') IS NOT NULL AS waits
FROM oauth_access t
JOIN consent_grant g ON g.grant_id = t.grant_id
JOIN recipient r ON r.recipient_id = g.recipient_id
JOIN person p ON p.pseudonym = g.consumer_id
WHERE t.access_hash = ANY($1::bytea[])`

type liveRow struct {
	AccessHash       []byte     `db:"access_hash"`
	GrantID          string     `db:"grant_id"`
	RecipientID      string     `db:"recipient_id"`
	RequestID        string     `db:"request_id"`
	Scopes           []string   `db:"scopes"`
	TokenResources   []byte     `db:"token_resources"`
	KeyThumbprint    string     `db:"key_thumbprint"`
	CertThumbprint   string     `db:"cert_thumbprint"`
	IssuedAt         time.Time  `db:"issued_at"`
	ExpiresAt        time.Time  `db:"expires_at"`
	RevokedAt        *time.Time `db:"revoked_at"`
	Epoch            int64      `db:"epoch"`
	GrantRecipientID string     `db:"grant_recipient_id"`
	ConsumerID       string     `db:"consumer_id"`
	GrantStatus      string     `db:"grant_status"`
	GrantExpiresAt   time.Time  `db:"grant_expires_at"`
	PausedUntil      *time.Time `db:"paused_until"`
	HeldAt           *time.Time `db:"held_at"`
	LookbackDays     int        `db:"lookback_days"`
	Resources        []byte     `db:"resources"`
	ErrorCodes       string     `db:"error_codes"`
	Quota            int        `db:"quota"`
	LookedAt         time.Time  `db:"looked_at"`
	Waits            bool       `db:"waits"` // for a standby
}

// live returns the rows of the tokens that exist.
func (db *DB) live(ctx context.Context, hashes [][]byte) (map[token.Hash]liveRow, error) {
	found := make(map[token.Hash]liveRow, len(hashes))
	err := db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := many[liveRow](ctx, c, sqlLive, hashes)
		for _, r := range rows {
			found[token.Hash(r.AccessHash)] = r
		}
		return err
	})
	return found, err
}

func (r liveRow) live(h token.Hash) (token.Live, error) {
	g := consent.Grant{
		ID: consent.GrantID(r.GrantID), Epoch: r.Epoch, Recipient: consent.RecipientID(r.GrantRecipientID),
		Consumer: consent.ConsumerID(r.ConsumerID), Status: consent.Status(r.GrantStatus),
		ExpiresAt: r.GrantExpiresAt.UTC(), LookbackDays: r.LookbackDays,
		PausedUntil: instant(r.PausedUntil), HeldAt: instant(r.HeldAt),
	}
	var within []consent.Resource
	err := decode(r.Resources, &g.Resources)
	g.Resources = named(g.Resources, g.Consumer)
	if err == nil && r.TokenResources != nil {
		err = decode(r.TokenResources, &within)
	}
	if err != nil {
		return token.Live{}, err
	}
	return token.Live{
		Access: token.Access{
			Hash: h, Grant: g.ID, Recipient: consent.RecipientID(r.RecipientID), RequestID: r.RequestID,
			Scopes: typed[fdx.Scope](r.Scopes), Resources: within, KeyThumbprint: r.KeyThumbprint, CertThumbprint: r.CertThumbprint,
			IssuedAt: r.IssuedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), RevokedAt: instant(r.RevokedAt),
		},
		Share:        g.Within(within).Share(),
		IntegerCodes: r.ErrorCodes == consent.IntegerCodes,
		Quota:        r.Quota,
		At:           r.LookedAt.UTC(),
	}, nil
}
