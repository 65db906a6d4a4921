package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// record is one access record as it is stored.
type record struct {
	RequestID, Recipient, Grant, Operation string
	Accounts, Clusters                     []string
	From, To                               string
	Count, Bytes                           int
	BodyHash, Outcome, Reason              string
	Interaction, Instance                  string
	At                                     time.Time
}

// stopped is one stored end of a consent.
type stopped struct {
	Consent, Recipient string
	At                 time.Time
}

// rows is what the database holds of a history.
type rows struct {
	Records []record
	Stops   []stopped
	// Began is the start of the history by the database's clock.
	Began time.Time
}

func readRows(ctx context.Context, p *postgres, h *history) (*rows, error) {
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx) //nolint:errcheck // read only
	r := &rows{}
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&r.Began); err != nil {
		return nil, err
	}
	r.Began = r.Began.Add(-h.now())
	list, err := conn.Query(ctx, `
		SELECT request_id::text, recipient_id, grant_id, operation, accounts, clusters,
		       coalesce(window_start::text, ''), coalesce(window_end::text, ''), record_count, body_bytes,
		       encode(body_hash, 'hex'), outcome, reason, interaction_id, instance_id, at
		FROM access_record WHERE at >= $1`, r.Began)
	if err != nil {
		return nil, err
	}
	r.Records, err = pgx.CollectRows(list, func(row pgx.CollectableRow) (record, error) {
		var x record
		err := row.Scan(&x.RequestID, &x.Recipient, &x.Grant, &x.Operation, &x.Accounts, &x.Clusters, &x.From, &x.To,
			&x.Count, &x.Bytes, &x.BodyHash, &x.Outcome, &x.Reason, &x.Interaction, &x.Instance, &x.At)
		return x, err
	})
	if err != nil {
		return nil, err
	}
	list, err = conn.Query(ctx, `
		SELECT e.grant_id, g.recipient_id, e.at FROM consent_event e JOIN consent_grant g ON g.grant_id = e.grant_id
		WHERE e.kind = 'revoked' AND e.at >= $1 ORDER BY e.at`, r.Began)
	if err != nil {
		return nil, err
	}
	r.Stops, err = pgx.CollectRows(list, func(row pgx.CollectableRow) (s stopped, err error) {
		return s, row.Scan(&s.Consent, &s.Recipient, &s.At)
	})
	return r, err
}
