package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Performance is the resource.Performance.
type Performance struct{ db *DB }

var _ resource.Performance = Performance{}

// Performance returns the store of how calls ended.
func (db *DB) Performance() Performance { return Performance{db} }

// What was counted only grows, so the row with the greater sum is the later
// one.
const sqlPutCalls = `
INSERT INTO operation_call (hour, operation, process_id, proper, failed, excluded, took_us, latencies, up, planned)
SELECT hour, operation, $1::uuid, proper, failed, excluded, took_us, latencies::bigint[], up, planned
FROM unnest($2::timestamptz[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[], $10::bigint[])
  AS c (hour, operation, proper, failed, excluded, took_us, latencies, up, planned)
ON CONFLICT (hour, operation, process_id) DO UPDATE SET
    proper = EXCLUDED.proper, failed = EXCLUDED.failed, excluded = EXCLUDED.excluded, took_us = EXCLUDED.took_us,
    latencies = EXCLUDED.latencies, up = operation_call.up | EXCLUDED.up, planned = operation_call.planned | EXCLUDED.planned
WHERE operation_call.proper + operation_call.failed + operation_call.excluded <= EXCLUDED.proper + EXCLUDED.failed + EXCLUDED.excluded`

// A minute is one in service when any process says so, and one of announced
// downtime likewise; so minutes are put together by the hour before they are
// counted, and calls are simply added.
const sqlHistory = `
WITH counted AS (
    SELECT operation,
           sum(proper)::bigint AS proper, sum(failed)::bigint AS failed, sum(excluded)::bigint AS excluded, sum(took_us)::bigint AS took_us,
           ARRAY[sum(latencies[1]), sum(latencies[2]), sum(latencies[3]), sum(latencies[4]), sum(latencies[5]), sum(latencies[6]), sum(latencies[7]), sum(latencies[8]),
                 sum(latencies[9]), sum(latencies[10]), sum(latencies[11]), sum(latencies[12]), sum(latencies[13]), sum(latencies[14]), sum(latencies[15])]::bigint[] AS latencies
    FROM operation_call WHERE hour >= $1 AND hour < $2 GROUP BY operation),
minutes AS (
    SELECT operation,
           sum(bit_count((up & ~planned)::bit(64)))::bigint AS up, sum(bit_count(planned::bit(64)))::bigint AS planned
    FROM (SELECT hour, operation, bit_or(up) AS up, bit_or(planned) AS planned
          FROM operation_call WHERE hour >= $1 AND hour < $2 GROUP BY hour, operation) AS hours
    GROUP BY operation),
first AS (
    SELECT hour, bit_or(up | planned) AS minutes FROM operation_call
    WHERE hour = (SELECT min(hour) FROM operation_call) GROUP BY hour)
SELECT operation, proper, failed, excluded, took_us, latencies, up, m.planned, first.hour AS since, first.minutes AS since_minutes
FROM counted JOIN minutes AS m USING (operation) CROSS JOIN first
ORDER BY operation COLLATE "C"`

// Put implements resource.Performance. One round trip.
func (s Performance) Put(ctx context.Context, process [16]byte, calls []resource.Calls) error {
	if len(calls) == 0 {
		return nil
	}
	latencies := func(c resource.Calls) string {
		numbers := make([]string, len(c.Latencies))
		for i, n := range c.Latencies {
			numbers[i] = strconv.FormatInt(n, 10)
		}
		return "{" + strings.Join(numbers, ",") + "}"
	}
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlPutCalls, pgtype.UUID{Bytes: process, Valid: true},
			column(calls, func(c resource.Calls) time.Time { return c.Hour }),
			column(calls, func(c resource.Calls) string { return string(c.Operation) }),
			column(calls, func(c resource.Calls) int64 { return c.Proper }),
			column(calls, func(c resource.Calls) int64 { return c.Failed }),
			column(calls, func(c resource.Calls) int64 { return c.Excluded }),
			column(calls, func(c resource.Calls) int64 { return c.Took.Microseconds() }),
			column(calls, latencies),
			column(calls, func(c resource.Calls) int64 { return int64(c.Up) }),
			column(calls, func(c resource.Calls) int64 { return int64(c.Planned) }))
		return err
	})
	if err != nil {
		return fmt.Errorf("put calls: %w", err)
	}
	return nil
}

// History implements resource.Performance. One round trip.
func (s Performance) History(ctx context.Context, start time.Time) (resource.History, error) {
	type monthRow struct {
		Operation    string    `db:"operation"`
		Proper       int64     `db:"proper"`
		Failed       int64     `db:"failed"`
		Excluded     int64     `db:"excluded"`
		TookUS       int64     `db:"took_us"`
		Latencies    []int64   `db:"latencies"`
		Up           int64     `db:"up"`
		Planned      int64     `db:"planned"`
		Since        time.Time `db:"since"`
		SinceMinutes int64     `db:"since_minutes"`
	}
	var rows []monthRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[monthRow](ctx, c, sqlHistory, start, start.AddDate(0, 1, 0))
		return err
	})
	if err != nil {
		return resource.History{}, fmt.Errorf("load performance: %w", err)
	}
	var h resource.History
	for _, r := range rows {
		m := resource.Month{
			Start: start, Operation: fdx.OperationID(r.Operation), Proper: r.Proper, Failed: r.Failed, Excluded: r.Excluded,
			Took: time.Duration(r.TookUS) * time.Microsecond, Up: r.Up, Planned: r.Planned,
		}
		if copy(m.Latencies[:], r.Latencies) != len(m.Latencies) {
			return resource.History{}, errors.New("load performance: stored latencies are too short")
		}
		h.Months = append(h.Months, m)
		h.Since = r.Since.UTC()
		if r.SinceMinutes != 0 {
			h.Since = h.Since.Add(time.Duration(bits.TrailingZeros64(uint64(r.SinceMinutes))) * time.Minute)
		}
	}
	return h, nil
}
