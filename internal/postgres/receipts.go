package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/receipt"
	"github.com/jackc/pgx/v5"
)

// Receipts is the receipt.Store. The versions are written by the database
// itself, with each event of a grant.
type Receipts struct{ db *DB }

var _ receipt.Store = Receipts{}

// Receipts returns the store of receipts.
func (db *DB) Receipts() Receipts { return Receipts{db} }

const versionColumns = `
    v.grant_id, v.epoch, v.version, coalesce(p.bank_id, p.pseudonym) AS consumer_id, e.kind, e.actor, e.initiator, e.reason, e.at`

const sqlVersion = `
SELECT ` + versionColumns + `, coalesce(r.jws, '') AS jws
FROM grant_version v
JOIN person p ON p.pseudonym = v.consumer_id
JOIN consent_event e ON e.grant_id = v.grant_id AND e.epoch = v.epoch
LEFT JOIN receipt r ON r.grant_id = v.grant_id AND r.epoch = v.epoch
WHERE v.grant_id = $1 AND v.epoch = $2`

const sqlVersions = `
SELECT ` + versionColumns + `, '' AS jws
FROM grant_version v
JOIN person p ON p.pseudonym = v.consumer_id
JOIN consent_event e ON e.grant_id = v.grant_id AND e.epoch = v.epoch
WHERE v.consumer_id = ` + pseudonymOf1 + ` AND e.kind <> 'tokens_revoked'
ORDER BY v.at DESC, v.grant_id, v.epoch DESC LIMIT $2`

const sqlKeepReceiptKey = `
INSERT INTO receipt_key (key_id, jwk, first_used) VALUES ($1, $2, clock_timestamp())
ON CONFLICT (key_id) DO NOTHING`

const sqlKeepReceipt = `
INSERT INTO receipt (grant_id, epoch, key_id, jws, signed_at) VALUES ($1, $2, $3, $4, clock_timestamp())
ON CONFLICT (grant_id, epoch) DO NOTHING`

const sqlKeptReceipt = `
SELECT jws FROM receipt WHERE grant_id = $1 AND epoch = $2`

const sqlReceiptKeys = `
SELECT jwk FROM receipt_key ORDER BY first_used, key_id`

type versionRow struct {
	GrantID   string    `db:"grant_id"`
	Epoch     int64     `db:"epoch"`
	Consumer  string    `db:"consumer_id"`
	Version   []byte    `db:"version"`
	Kind      string    `db:"kind"`
	Actor     string    `db:"actor"`
	Initiator string    `db:"initiator"`
	Reason    string    `db:"reason"`
	At        time.Time `db:"at"`
	JWS       string    `db:"jws"`
}

// keptGrant is a row of consent_grant as JSON, as it was when it was kept.
// Columns that came later are missing in old ones. Its consumer_id is the
// pseudonym, and is not read: who that is may change when a person is erased.
type keptGrant struct {
	GrantID           string             `json:"grant_id"`
	RecipientID       string             `json:"recipient_id"`
	Status            string             `json:"status"`
	Epoch             int64              `json:"epoch"`
	Purpose           string             `json:"purpose"`
	DurationType      string             `json:"duration_type"`
	DurationDays      int                `json:"duration_days"`
	LookbackDays      int                `json:"lookback_days"`
	Resources         []consent.Resource `json:"resources"`
	Parties           []consent.Party    `json:"parties"`
	DisclosureVersion string             `json:"disclosure_version"`
	DisclosureLocale  string             `json:"disclosure_locale"`
	DisclosureText    string             `json:"disclosure_text"`
	CreatedAt         time.Time          `json:"created_at"`
	UpdatedAt         *time.Time         `json:"updated_at"`
	ExpiresAt         time.Time          `json:"expires_at"`
	EndedAt           *time.Time         `json:"ended_at"`
	EndedBy           string             `json:"ended_by"`
	EndReason         string             `json:"end_reason"`
	Holder            consent.Holder     `json:"holder"`
}

func (r versionRow) version() (receipt.Version, error) {
	var k keptGrant
	if err := decode(r.Version, &k); err != nil {
		return receipt.Version{}, err
	}
	return receipt.Version{
		Event: consent.Event{
			Grant: consent.GrantID(r.GrantID), Epoch: r.Epoch, Kind: consent.EventKind(r.Kind),
			Actor: consent.Actor(r.Actor), Initiator: consent.Actor(r.Initiator), Reason: consent.Reason(r.Reason), At: r.At.UTC(),
		},
		Grant: consent.Grant{
			ID: consent.GrantID(k.GrantID), Recipient: consent.RecipientID(k.RecipientID),
			Consumer: consent.ConsumerID(r.Consumer), Status: consent.Status(k.Status), Epoch: k.Epoch,
			Purpose: k.Purpose, Duration: consent.DurationType(k.DurationType),
			DurationDays: k.DurationDays, LookbackDays: k.LookbackDays, Resources: named(k.Resources, consent.ConsumerID(r.Consumer)), Parties: k.Parties,
			Disclosure: consent.Disclosure{Version: k.DisclosureVersion, Locale: k.DisclosureLocale, Text: k.DisclosureText},
			CreatedAt:  k.CreatedAt.UTC(), UpdatedAt: instant(k.UpdatedAt), ExpiresAt: k.ExpiresAt.UTC(),
			EndedAt: instant(k.EndedAt), EndedBy: consent.Actor(k.EndedBy), EndReason: consent.Reason(k.EndReason),
			Holder: k.Holder,
		},
	}, nil
}

// Version implements receipt.Store. One round trip.
func (s Receipts) Version(ctx context.Context, id receipt.ID) (receipt.Version, string, error) {
	var r versionRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[versionRow](ctx, c, consent.ErrNotFound, sqlVersion, string(id.Grant), id.Epoch)
		return err
	})
	if err != nil {
		return receipt.Version{}, "", fmt.Errorf("load version of grant: %w", err)
	}
	v, err := r.version()
	return v, r.JWS, err
}

// Versions implements receipt.Store. One round trip.
func (s Receipts) Versions(ctx context.Context, who consent.ConsumerID, limit int) ([]receipt.Version, error) {
	var rows []versionRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[versionRow](ctx, c, sqlVersions, string(who), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load versions of grants: %w", err)
	}
	var all []receipt.Version
	for _, r := range rows {
		v, err := r.version()
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Keep implements receipt.Store. Three round trips.
func (s Receipts) Keep(ctx context.Context, id receipt.ID, jws string, key receipt.Key) (string, error) {
	type keptRow struct {
		JWS string `db:"jws"`
	}
	if jws == "" || key.ID == "" {
		return "", errors.New("postgres: a receipt has a signature and a key")
	}
	var kept keptRow
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		var b pgx.Batch
		b.Queue(sqlKeepReceiptKey, key.ID, key.JWK)
		b.Queue(sqlKeepReceipt, string(id.Grant), id.Epoch, key.ID, jws)
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		kept, err = one[keptRow](ctx, tx, consent.ErrNotFound, sqlKeptReceipt, string(id.Grant), id.Epoch)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("keep receipt: %w", err)
	}
	return kept.JWS, nil
}

// Keys implements receipt.Store. One round trip.
func (s Receipts) Keys(ctx context.Context) ([]json.RawMessage, error) {
	type keyRow struct {
		JWK []byte `db:"jwk"`
	}
	var rows []keyRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[keyRow](ctx, c, sqlReceiptKeys)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load receipt keys: %w", err)
	}
	var keys []json.RawMessage
	for _, r := range rows {
		keys = append(keys, r.JWK)
	}
	return keys, nil
}
