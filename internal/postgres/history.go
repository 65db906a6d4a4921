package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/jackc/pgx/v5"
)

// Every parameter that is empty lets all through. The order is that of the
// index of one person's records, so that a page is read from it whatever the
// filter.
const sqlFindReads = `
SELECT ` + recordColumns + ` FROM access_record
WHERE consumer_id = ` + pseudonymOf1 + ` AND (at, request_id) < (coalesce($2::timestamptz, 'infinity'), $3::uuid)
  AND at >= coalesce($4::timestamptz, '-infinity') AND at < coalesce($5::timestamptz, 'infinity')
  AND ($6::text = '' OR recipient_id = $6)
  AND ($7::text = '' OR $7 = ANY (accounts))
  AND ($8::text = '' OR $8 = ANY (clusters))
  AND ($9::text = '' OR outcome = $9)
  AND ($10::text = '' OR attended = ($10 = 'attended'))
ORDER BY at DESC, request_id DESC LIMIT $11`

const sqlRead = `
SELECT ` + recordColumns + ` FROM access_record WHERE request_id = $2 AND consumer_id = ` + pseudonymOf1

const sqlChanges = `
SELECT e.grant_id, e.epoch, e.kind, e.actor, e.initiator, e.reason, e.paused_until, e.hold_case, e.at
FROM consent_grant g JOIN consent_event e ON e.grant_id = g.grant_id
WHERE g.consumer_id = ` + pseudonymOf1 + ` AND e.at <= coalesce($2::timestamptz, 'infinity')
ORDER BY e.at DESC, e.grant_id, e.epoch DESC LIMIT $3`

const sqlLookUps = `
SELECT lookup_id, ` + consumerID + `, at, staff, reason FROM staff_lookup
WHERE consumer_id = ` + pseudonymOf1 + ` AND at <= coalesce($2::timestamptz, 'infinity')
ORDER BY at DESC, lookup_id DESC LIMIT $3`

// The newest ids, not the newest time: a record that another statement
// overtook is stored late with an earlier one.
const sqlPulse = `
SELECT concat_ws('|',
    (SELECT string_agg(request_id::text, ',') FROM
        (SELECT request_id FROM access_record WHERE consumer_id = ` + pseudonymOf1 + ` ORDER BY at DESC, request_id DESC LIMIT 40) r),
    (SELECT sum(epoch) FROM consent_grant WHERE consumer_id = ` + pseudonymOf1 + `),
    (SELECT count(grant_id) FROM consent_grant WHERE consumer_id = ` + pseudonymOf1 + `),
    (SELECT string_agg(switch_id::text, ',') FROM
        (SELECT switch_id FROM sharing_switch WHERE consumer_id = ` + pseudonymOf1 + ` ORDER BY at DESC, switch_id DESC LIMIT 10) s),
    (SELECT string_agg(lookup_id::text, ',') FROM
        (SELECT lookup_id FROM staff_lookup WHERE consumer_id = ` + pseudonymOf1 + ` ORDER BY at DESC, lookup_id DESC LIMIT 10) l)) AS pulse`

// Find implements audit.Reads. One round trip.
func (s Reads) Find(ctx context.Context, who consent.ConsumerID, f audit.Filter, before audit.Cursor, limit int) ([]audit.Record, error) {
	if limit < 1 {
		return nil, nil
	}
	cluster := ""
	if f.Cluster != 0 {
		cluster = f.Cluster.String()
	}
	var rows []recordRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[recordRow](ctx, c, sqlFindReads, string(who), nullable(before.At), before.RequestID,
			nullable(f.From), nullable(f.Until), string(f.Recipient), string(f.Account), cluster, string(f.Outcome), string(f.Presence), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find reads: %w", err)
	}
	var all []audit.Record
	for _, r := range rows {
		rec, err := r.record()
		if err != nil {
			return nil, fmt.Errorf("find reads: %w", err)
		}
		all = append(all, rec)
	}
	return all, nil
}

// Read implements audit.Reads. One round trip.
func (s Reads) Read(ctx context.Context, who consent.ConsumerID, id [16]byte) (audit.Record, bool, error) {
	var r recordRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[recordRow](ctx, c, errNoRead, sqlRead, string(who), id)
		return err
	})
	if errors.Is(err, errNoRead) {
		return audit.Record{}, false, nil
	}
	if err != nil {
		return audit.Record{}, false, fmt.Errorf("load read: %w", err)
	}
	rec, err := r.record()
	return rec, err == nil, err
}

// Changes implements audit.Reads. One round trip.
func (s Reads) Changes(ctx context.Context, who consent.ConsumerID, until time.Time, limit int) ([]consent.Event, error) {
	if limit < 1 {
		return nil, nil
	}
	var rows []eventRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[eventRow](ctx, c, sqlChanges, string(who), nullable(until), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load changes: %w", err)
	}
	var all []consent.Event
	for _, r := range rows {
		all = append(all, r.event())
	}
	return all, nil
}

type lookUpRow struct {
	LookupID   [16]byte  `db:"lookup_id"`
	ConsumerID string    `db:"consumer_id"`
	At         time.Time `db:"at"`
	Staff      string    `db:"staff"`
	Reason     string    `db:"reason"`
}

// LookUps implements audit.Reads. One round trip.
func (s Reads) LookUps(ctx context.Context, who consent.ConsumerID, until time.Time, limit int) ([]audit.LookUp, error) {
	if limit < 1 {
		return nil, nil
	}
	var rows []lookUpRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[lookUpRow](ctx, c, sqlLookUps, string(who), nullable(until), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load look-ups: %w", err)
	}
	var all []audit.LookUp
	for _, r := range rows {
		all = append(all, audit.LookUp{ID: r.LookupID, Consumer: consent.ConsumerID(r.ConsumerID), At: r.At.UTC(), Staff: r.Staff, Reason: r.Reason})
	}
	return all, nil
}

// Pulse implements audit.Reads. One round trip.
func (s Reads) Pulse(ctx context.Context, who consent.ConsumerID) (string, error) {
	type pulseRow struct {
		Pulse string `db:"pulse"`
	}
	var r pulseRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[pulseRow](ctx, c, errNoRead, sqlPulse, string(who))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("load pulse: %w", err)
	}
	sum := sha256.Sum256([]byte(r.Pulse))
	return base64.RawURLEncoding.EncodeToString(sum[:12]), nil
}

const sqlDaySums = `
SELECT day, sums FROM access_day WHERE consumer_id = ` + pseudonymOf1 + ` AND zone = $2 AND day >= $3 ORDER BY day`

const sqlPutDaySums = `
INSERT INTO access_day (consumer_id, zone, day, sums)
SELECT p.pseudonym, $2, a.day, a.sums FROM person p CROSS JOIN unnest($3::date[], $4::json[]) AS a (day, sums)
WHERE p.bank_id = $1
ON CONFLICT (consumer_id, zone, day) DO NOTHING`

const sqlForgetDaySums = `
DELETE FROM access_day WHERE consumer_id = ` + pseudonymOf1 + ` AND (zone <> $2 OR day < $3)`

// One pass over a stretch of one person's records. A row has a count for a
// grant, a set of clusters or an hour; the other two are NULL.
const sqlAddUp = `
WITH given AS (
    SELECT grant_id, clusters, (at AT TIME ZONE 'UTC') + make_interval(secs => $4::integer) AS local
    FROM access_record
    WHERE consumer_id = ` + pseudonymOf1 + ` AND at >= $2 AND at < $3 AND outcome <> 'refused'),
placed AS (
    SELECT grant_id, clusters, local::date AS day, extract(hour FROM local)::integer AS hour FROM given)
SELECT day, grant_id, clusters, hour, count(day) AS reads FROM placed
GROUP BY GROUPING SETS ((day, grant_id), (day, clusters), (day, hour))
ORDER BY day`

type addedRow struct {
	Day      time.Time `db:"day"`
	GrantID  *string   `db:"grant_id"`
	Clusters []string  `db:"clusters"`
	Hour     *int      `db:"hour"`
	Reads    int       `db:"reads"`
}

type daySumsRow struct {
	Day  time.Time `db:"day"`
	Sums []byte    `db:"sums"`
}

// settled is how long after its end a day is added up for good: a statement of
// the gate may commit a record a little later than the time that it holds.
const settled = 10 * time.Minute

// Usage implements audit.Reads. Days that are over are added up once and
// remembered, so that a person's history costs the reads of one day however
// long it is. Two round trips; one more on the first visit of a day, and two for
// each week that was never looked at.
func (s Reads) Usage(ctx context.Context, who consent.ConsumerID, zone *time.Location, now time.Time, days int) ([]audit.DayUse, error) {
	today := audit.Today(now, zone)
	first := today.AddDays(1 - days)
	// Days before open are over for good.
	open := audit.Today(now.Add(-settled), zone)

	var remembered []daySumsRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		remembered, err = many[daySumsRow](ctx, c, sqlDaySums, string(who), zone.String(), first.Time())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load usage: %w", err)
	}
	var all []audit.DayUse
	missing := first
	for _, r := range remembered {
		var u audit.DayUse
		if err := decode(r.Sums, &u); err != nil {
			return nil, fmt.Errorf("load usage: %w", err)
		}
		u.Day = fdx.DateOf(r.Day)
		all = append(all, u)
		// The last one is always there, also without a read.
		missing = u.Day.AddDays(1)
	}
	for since := missing; !since.After(today); {
		// Part by part, each within the bound on statements and remembered at
		// once: a visit that runs out of time leaves less to the next.
		until := since.AddDays(partDays)
		if tomorrow := today.AddDays(1); until.After(tomorrow) {
			until = tomorrow
		}
		fresh, err := s.addUp(ctx, who, audit.Spans(zone, audit.StartOf(since, zone), audit.StartOf(until, zone)))
		if err != nil {
			return nil, fmt.Errorf("add up usage: %w", err)
		}
		over := until
		if over.After(open) {
			over = open
		}
		if since.Before(over) {
			if err := s.remember(ctx, who, zone.String(), fresh, first, over); err != nil {
				return nil, fmt.Errorf("remember usage: %w", err)
			}
		}
		all, since = append(all, fresh...), until
	}
	return all, nil
}

// partDays is how many days one statement adds up.
const partDays = 7

func (s Reads) addUp(ctx context.Context, who consent.ConsumerID, spans []audit.Span) ([]audit.DayUse, error) {
	var rows []addedRow
	for _, p := range spans { // more than one only where the clocks change
		err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
			some, err := many[addedRow](ctx, c, sqlAddUp, string(who), p.Since, p.Until, p.Ahead)
			rows = append(rows, some...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var all []audit.DayUse
	for _, r := range rows {
		if day := fdx.DateOf(r.Day); len(all) == 0 || all[len(all)-1].Day != day {
			all = append(all, audit.DayUse{Day: day, Grants: map[consent.GrantID]int{}, Clusters: map[string]int{}})
		}
		u := &all[len(all)-1]
		switch {
		case r.GrantID != nil:
			u.Grants[consent.GrantID(*r.GrantID)] += r.Reads
		case r.Hour != nil:
			u.Hours[*r.Hour] += r.Reads
		default:
			for _, name := range r.Clusters {
				u.Clusters[name] += r.Reads
			}
		}
	}
	return all, nil
}

// remember stores the days before over, and the last of them in any case.
func (s Reads) remember(ctx context.Context, who consent.ConsumerID, zone string, fresh []audit.DayUse, first, over fdx.Date) error {
	var days []time.Time
	var sums []string
	put := func(u audit.DayUse) error {
		b, err := encode(u)
		days, sums = append(days, u.Day.Time()), append(sums, string(b))
		return err
	}
	last := over.AddDays(-1)
	for _, u := range fresh {
		if u.Day.Before(over) {
			if err := put(u); err != nil {
				return err
			}
		}
	}
	if n := len(days); n == 0 || !days[n-1].Equal(last.Time()) {
		if err := put(audit.DayUse{Day: last}); err != nil {
			return err
		}
	}
	var b pgx.Batch
	b.Queue(sqlForgetDaySums, string(who), zone, first.Time())
	b.Queue(sqlPutDaySums, string(who), zone, days, sums)
	return s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error { return c.SendBatch(ctx, &b).Close() })
}
