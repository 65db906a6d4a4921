package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/notice"
	"github.com/jackc/pgx/v5"
)

// Grants is the consent.Store.
type Grants struct{ db *DB }

var _ consent.Store = Grants{}

// Grants returns the store of grants.
func (db *DB) Grants() Grants { return Grants{db} }

const (
	grantColumns = `
    grant_id, recipient_id, ` + consumerID + grantRest

	// storedGrant are the same with the person's pseudonym, for statements that
	// select grantColumns of it.
	storedGrant = `
    grant_id, recipient_id, consumer_id` + grantRest

	grantRest = `, status, epoch, purpose,
    duration_type, duration_days, lookback_days, resources, parties,
    disclosure_version, disclosure_locale, disclosure_text,
    created_at, updated_at, expires_at, ended_at, ended_by, end_reason,
    paused_until, held_at, hold_case, holder`
)

// A person who shares anew keeps their record after all.
const sqlInsertGrant = `
WITH who AS (
    INSERT INTO person (bank_id) VALUES ($3)
    ON CONFLICT (bank_id) DO UPDATE SET asked_at = NULL, erase_at = NULL
    RETURNING pseudonym)
INSERT INTO consent_grant (
    grant_id, recipient_id, consumer_id, status, epoch, purpose,
    duration_type, duration_days, lookback_days, resources, parties,
    disclosure_version, disclosure_locale, disclosure_text,
    created_at, expires_at, holder)
SELECT $1, $2, pseudonym, 'ACTIVE', 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 FROM who`

const sqlInsertEvent = `
INSERT INTO consent_event (grant_id, epoch, kind, actor, initiator, reason, paused_until, hold_case, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp())`

// The event and what the recipient is told of it are one statement, so that
// neither can be forgotten.
const sqlTellEvent = `
WITH event AS (
    INSERT INTO consent_event (grant_id, epoch, kind, actor, initiator, reason, paused_until, hold_case, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp())
    RETURNING grant_id),
news AS (
    SELECT g.recipient_id, g.grant_id, $9::text AS type, $10::text AS category,
           g.grant_id AS payload_id, 'CONSENT' AS payload_type,
           'INITIATOR' AS field_name, $11::text AS field_value, NULL::text AS once
    FROM event e JOIN consent_grant g ON g.grant_id = e.grant_id),` + thenTell + `
SELECT subscription_id, sequence FROM sent ORDER BY sequence`

const sqlGrant = `
SELECT ` + grantColumns + ` FROM consent_grant WHERE grant_id = $1`

const sqlGrantOfRecipient = sqlGrant + ` AND recipient_id = $2`

const sqlGrantOfConsumer = `
SELECT ` + grantColumns + ` FROM consent_grant
WHERE grant_id = $2 AND consumer_id = ` + pseudonymOf1

const sqlGrantsOf = `
SELECT ` + grantColumns + ` FROM consent_grant WHERE consumer_id = ` + pseudonymOf1 + `
ORDER BY created_at DESC, grant_id`

// A grant whose time is over is EXPIRED, written down or not, and a state that
// is not known is REVOKED (Grant.StatusAt). Spelt out, so that the planner
// knows how many rows each state has and takes them in the order of the index.
const grantsOfRecipient = `
SELECT ` + grantColumns + ` FROM consent_grant
WHERE recipient_id = $1
  AND ($2 = ''
    OR $2 = 'ACTIVE' AND status = 'ACTIVE' AND expires_at > $3
    OR $2 = 'EXPIRED' AND (status = 'EXPIRED' OR status = 'ACTIVE' AND expires_at <= $3)
    OR $2 = 'REVOKED' AND status NOT IN ('ACTIVE', 'EXPIRED'))
  AND (created_at, grant_id) < ($4, $5)`

const newestFirst = `
ORDER BY created_at DESC, grant_id DESC LIMIT $6`

const sqlGrantsOfRecipient = grantsOfRecipient + newestFirst

// One person's alone: a statement of its own, so that it can be found by the
// person.
const sqlGrantsOfOne = grantsOfRecipient + `
  AND consumer_id = (SELECT p.pseudonym FROM person p WHERE p.bank_id = $7)` + newestFirst

// A grant whose time is over has ended, written down or not: it cannot be
// revoked any more.
const endPrefix = `status = $11, epoch = epoch + 1, ended_at = clock_timestamp(), updated_at = clock_timestamp(),
        ended_by = $2, end_reason = $4
    WHERE grant_id = $10 AND status = 'ACTIVE'
      AND ($11 = 'EXPIRED' OR expires_at > clock_timestamp())`

const endSuffix = `
    RETURNING ` + storedGrant + `),
accesses AS (
    UPDATE oauth_access t SET revoked_at = clock_timestamp()
    FROM changed c WHERE t.grant_id = c.grant_id AND t.revoked_at IS NULL),
refreshes AS (
    UPDATE oauth_refresh t SET revoked_at = clock_timestamp()
    FROM changed c WHERE t.grant_id = c.grant_id AND t.revoked_at IS NULL),` + thenEvent

const sqlEndGrant = `
WITH changed AS (
    UPDATE consent_grant SET ` + endPrefix + endSuffix

const sqlEndOfRecipient = `
WITH changed AS (
    UPDATE consent_grant SET ` + endPrefix + ` AND recipient_id = $12` + endSuffix

const sqlEndOfConsumer = `
WITH changed AS (
    UPDATE consent_grant SET ` + endPrefix + ` AND consumer_id = (SELECT p.pseudonym FROM person p WHERE p.bank_id = $12)` + endSuffix

const sqlGrantExists = `
SELECT grant_id FROM consent_grant WHERE grant_id = $1`

const sqlRevokeAccessOfGrant = `
UPDATE oauth_access SET revoked_at = clock_timestamp() WHERE grant_id = $1 AND revoked_at IS NULL`

const sqlRevokeRefreshOfGrant = `
UPDATE oauth_refresh SET revoked_at = clock_timestamp() WHERE grant_id = $1 AND revoked_at IS NULL`

const sqlEvents = `
SELECT grant_id, epoch, kind, actor, initiator, reason, paused_until, hold_case, at FROM consent_event WHERE grant_id = $1 ORDER BY epoch`

type grantRow struct {
	GrantID           string     `db:"grant_id"`
	RecipientID       string     `db:"recipient_id"`
	ConsumerID        string     `db:"consumer_id"`
	Status            string     `db:"status"`
	Epoch             int64      `db:"epoch"`
	Purpose           string     `db:"purpose"`
	DurationType      string     `db:"duration_type"`
	DurationDays      int        `db:"duration_days"`
	LookbackDays      int        `db:"lookback_days"`
	Resources         []byte     `db:"resources"`
	Parties           []byte     `db:"parties"`
	DisclosureVersion string     `db:"disclosure_version"`
	DisclosureLocale  string     `db:"disclosure_locale"`
	DisclosureText    string     `db:"disclosure_text"`
	CreatedAt         time.Time  `db:"created_at"`
	UpdatedAt         *time.Time `db:"updated_at"`
	ExpiresAt         time.Time  `db:"expires_at"`
	EndedAt           *time.Time `db:"ended_at"`
	EndedBy           string     `db:"ended_by"`
	EndReason         string     `db:"end_reason"`
	PausedUntil       *time.Time `db:"paused_until"`
	HeldAt            *time.Time `db:"held_at"`
	HoldCase          string     `db:"hold_case"`
	Holder            []byte     `db:"holder"`
}

func (r grantRow) grant() (consent.Grant, error) {
	g := consent.Grant{
		ID: consent.GrantID(r.GrantID), Recipient: consent.RecipientID(r.RecipientID),
		Consumer: consent.ConsumerID(r.ConsumerID), Status: consent.Status(r.Status), Epoch: r.Epoch,
		Purpose: r.Purpose, Duration: consent.DurationType(r.DurationType),
		DurationDays: r.DurationDays, LookbackDays: r.LookbackDays,
		Disclosure: consent.Disclosure{Version: r.DisclosureVersion, Locale: r.DisclosureLocale, Text: r.DisclosureText},
		CreatedAt:  r.CreatedAt.UTC(), UpdatedAt: instant(r.UpdatedAt), ExpiresAt: r.ExpiresAt.UTC(),
		EndedAt: instant(r.EndedAt), EndedBy: consent.Actor(r.EndedBy), EndReason: consent.Reason(r.EndReason),
		PausedUntil: instant(r.PausedUntil), HeldAt: instant(r.HeldAt), Case: r.HoldCase,
	}
	err := errors.Join(decode(r.Resources, &g.Resources), decode(r.Parties, &g.Parties), decode(r.Holder, &g.Holder))
	g.Resources = named(g.Resources, g.Consumer)
	return g, err
}

// Create implements consent.Store. One round trip.
func (s Grants) Create(ctx context.Context, g consent.Grant) error {
	var b pgx.Batch
	if err := queueGrant(&b, g); err != nil {
		return fmt.Errorf("create grant: %w", err)
	}
	// The statements of a batch share one implicit transaction.
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.SendBatch(ctx, &b).Close()
	})
	if violates(err, "consent_grant_pkey") {
		err = consent.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("create grant: %w", err)
	}
	return nil
}

// queueGrant adds everything that the making of a grant writes.
func queueGrant(b *pgx.Batch, g consent.Grant) error {
	if g.Status != consent.StatusActive || g.Epoch != 1 {
		return errors.New("postgres: a new grant is ACTIVE in epoch 1")
	}
	resources, err := encode(nameless(g.Resources, g.Consumer))
	if err != nil {
		return err
	}
	parties, err := encode(g.Parties)
	if err != nil {
		return err
	}
	holder, err := encode(g.Holder)
	if err != nil {
		return err
	}
	b.Queue(sqlInsertGrant, string(g.ID), string(g.Recipient), string(g.Consumer), g.Purpose,
		string(g.Duration), g.DurationDays, g.LookbackDays, resources, parties,
		g.Disclosure.Version, g.Disclosure.Locale, g.Disclosure.Text, g.CreatedAt, g.ExpiresAt, holder)
	queueEvent(b, consent.Event{Grant: g.ID, Epoch: g.Epoch, Kind: consent.EventGranted, Actor: consent.ActorConsumer})
	return nil
}

// queueEvent adds an event and, if the recipient is told of it, the notification
// with its deliveries. Those are in the result once the batch is closed.
func queueEvent(b *pgx.Batch, e consent.Event) *told {
	topic, initiator, tell := notice.OfEvent(e)
	args := []any{string(e.Grant), e.Epoch, string(e.Kind), string(e.Actor), string(e.Initiator), string(e.Reason), nullable(e.Until), e.Case}
	if !tell {
		b.Queue(sqlInsertEvent, args...)
		return &told{}
	}
	t := told{tells: true}
	b.Queue(sqlTellEvent, append(args, string(topic.Type), string(topic.Category), string(initiator))...).Query(t.read)
	return &t
}

// Grant implements consent.Store. One round trip.
func (s Grants) Grant(ctx context.Context, id consent.GrantID) (consent.Grant, error) {
	return s.find(ctx, sqlGrant, string(id))
}

// GrantOfRecipient implements consent.Store. One round trip.
func (s Grants) GrantOfRecipient(ctx context.Context, who consent.RecipientID, id consent.GrantID) (consent.Grant, error) {
	return s.find(ctx, sqlGrantOfRecipient, string(id), string(who))
}

// GrantOfConsumer implements consent.Store. One round trip.
func (s Grants) GrantOfConsumer(ctx context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error) {
	return s.find(ctx, sqlGrantOfConsumer, string(who), string(id))
}

func (s Grants) find(ctx context.Context, sql string, args ...any) (consent.Grant, error) {
	var r grantRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[grantRow](ctx, c, consent.ErrNotFound, sql, args...)
		return err
	})
	if err != nil {
		return consent.Grant{}, fmt.Errorf("load grant: %w", err)
	}
	return r.grant()
}

// GrantsOf implements consent.Store. One round trip.
func (s Grants) GrantsOf(ctx context.Context, consumer consent.ConsumerID) ([]consent.Grant, error) {
	var rows []grantRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[grantRow](ctx, c, sqlGrantsOf, string(consumer))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load grants of consumer: %w", err)
	}
	return grants(rows)
}

// GrantsOfRecipient implements consent.Store. One round trip.
func (s Grants) GrantsOfRecipient(ctx context.Context, who consent.RecipientID, f consent.Filter, after consent.Place, limit int) ([]consent.Grant, error) {
	sql := sqlGrantsOfRecipient
	if after == (consent.Place{}) {
		// Later than any grant, so that the first page is found like all
		// others: by one range of the index.
		after.CreatedAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	args := []any{string(who), string(f.Status), f.At, after.CreatedAt, string(after.Grant), limit}
	if f.Consumer != "" {
		sql, args = sqlGrantsOfOne, append(args, string(f.Consumer))
	}
	var rows []grantRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[grantRow](ctx, c, sql, args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load grants of recipient: %w", err)
	}
	return grants(rows)
}

func grants(rows []grantRow) ([]consent.Grant, error) {
	var all []consent.Grant
	for _, r := range rows {
		g, err := r.grant()
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

// End implements consent.Store. A revocation of a grant whose time is over is
// ErrEnded. One round trip, four when the recipient is to be called about it.
func (s Grants) End(ctx context.Context, e consent.End) (consent.Grant, error) {
	return s.end(ctx, e, holdGrant(e.Grant), sqlEndGrant)
}

// EndOfRecipient implements consent.Store; otherwise as End.
func (s Grants) EndOfRecipient(ctx context.Context, who consent.RecipientID, e consent.End) (consent.Grant, error) {
	return s.end(ctx, e, holding{sqlHoldOfRecipient, []any{string(who), string(e.Grant)}}, sqlEndOfRecipient, string(who))
}

// EndOfConsumer implements consent.Store; otherwise as End.
func (s Grants) EndOfConsumer(ctx context.Context, who consent.ConsumerID, e consent.End) (consent.Grant, error) {
	return s.end(ctx, e, holding{sqlHoldOfConsumer, []any{string(who), string(e.Grant)}}, sqlEndOfConsumer, string(who))
}

func (s Grants) end(ctx context.Context, e consent.End, h holding, sql string, owner ...any) (consent.Grant, error) {
	kind := consent.EventRevoked
	switch e.Status {
	case consent.StatusRevoked:
	case consent.StatusExpired:
		kind = consent.EventExpired
	default:
		return consent.Grant{}, errors.New("postgres: a grant ends as REVOKED or EXPIRED")
	}
	var r *changedRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		event := consent.Event{Kind: kind, Actor: e.Actor, Initiator: e.Initiator, Reason: e.Reason}
		was, is, err := s.db.changeGrant(ctx, c, h, sql, event, append([]any{string(e.Grant), string(e.Status)}, owner...)...)
		switch {
		case err != nil:
			return err
		case was == nil:
			return consent.ErrNotFound
		case is == nil:
			return consent.ErrEnded
		}
		r = is
		return nil
	})
	if err != nil {
		return consent.Grant{}, fmt.Errorf("end grant: %w", err)
	}
	return r.grant()
}

// missingOr returns missing when the query has no row, found otherwise.
func missingOr(ctx context.Context, q querier, found, missing error, sql string, args ...any) error {
	rows, _ := q.Query(ctx, sql, args...) // Err returns the error
	exists := rows.Next()
	rows.Close()
	switch err := rows.Err(); {
	case err != nil:
		return err
	case exists:
		return found
	default:
		return missing
	}
}

type eventRow struct {
	GrantID     string     `db:"grant_id"`
	Epoch       int64      `db:"epoch"`
	Kind        string     `db:"kind"`
	Actor       string     `db:"actor"`
	Initiator   string     `db:"initiator"`
	Reason      string     `db:"reason"`
	PausedUntil *time.Time `db:"paused_until"`
	HoldCase    string     `db:"hold_case"`
	At          time.Time  `db:"at"`
}

func (r eventRow) event() consent.Event {
	return consent.Event{
		Grant: consent.GrantID(r.GrantID), Epoch: r.Epoch, Kind: consent.EventKind(r.Kind),
		Actor: consent.Actor(r.Actor), Initiator: consent.Actor(r.Initiator), Reason: consent.Reason(r.Reason),
		Until: instant(r.PausedUntil), Case: r.HoldCase, At: r.At.UTC(),
	}
}

// Events implements consent.Store. One round trip.
func (s Grants) Events(ctx context.Context, id consent.GrantID) ([]consent.Event, error) {
	var rows []eventRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[eventRow](ctx, c, sqlEvents, string(id))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load events: %w", err)
	}
	var all []consent.Event
	for _, r := range rows {
		all = append(all, r.event())
	}
	return all, nil
}
