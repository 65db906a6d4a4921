package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/resource"
)

func TestFindLetsThroughWhatFits(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	gate, g, other := newGate(t, db, GateConfig{}), newGrant(t, db), newGrant(t, db)
	plain := newRecord(g)
	clipped := newRecord(g)
	clipped.Outcome, clipped.Attended, clipped.Accounts, clipped.Clusters = audit.Clipped, false, []fdx.AccountID{"account-2"}, fdx.NewClusters(fdx.Transactions)
	refused := newRecord(g)
	refused.Outcome, refused.Reason, refused.Accounts, refused.Clusters = audit.Refused, "1207", nil, 0
	foreign := newRecord(other)
	for _, r := range []audit.Record{plain, clipped, refused, foreign} {
		expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: r}, resource.Released)
	}
	now := time.Now()
	for name, c := range map[string]struct {
		f    audit.Filter
		want []audit.Record
	}{
		"no filter":       {audit.Filter{}, []audit.Record{refused, clipped, plain}},
		"recipient":       {audit.Filter{Recipient: g.Recipient}, []audit.Record{refused, clipped, plain}},
		"other recipient": {audit.Filter{Recipient: "nobody"}, nil},
		"account":         {audit.Filter{Account: "account-2"}, []audit.Record{clipped}},
		"cluster":         {audit.Filter{Cluster: fdx.Balances}, []audit.Record{plain}},
		"outcome":         {audit.Filter{Outcome: audit.Refused}, []audit.Record{refused}},
		"background":      {audit.Filter{Presence: audit.Background}, []audit.Record{clipped}},
		"attended":        {audit.Filter{Presence: audit.WhilePresent}, []audit.Record{refused, plain}},
		"from tomorrow":   {audit.Filter{From: now.Add(time.Hour)}, nil},
		"until yesterday": {audit.Filter{Until: now.Add(-time.Hour)}, nil},
		"all at once":     {audit.Filter{Recipient: g.Recipient, Account: "account-2", Cluster: fdx.Transactions, Outcome: audit.Clipped, Presence: audit.Background, From: now.Add(-time.Hour), Until: now.Add(time.Hour)}, []audit.Record{clipped}},
		"SQL":             {audit.Filter{Account: "' OR true --"}, nil},
	} {
		got, err := db.Reads().Find(ctx, g.Consumer, c.f, audit.Cursor{}, 10)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ids(got) != ids(c.want) {
			t.Errorf("%s: got %s, want %s", name, ids(got), ids(c.want))
		}
	}
	all, _ := db.Reads().Find(ctx, g.Consumer, audit.Filter{}, audit.Cursor{}, 1)
	next, _ := db.Reads().Find(ctx, g.Consumer, audit.Filter{}, audit.Cursor{At: all[0].At, RequestID: all[0].RequestID}, 10)
	if ids(all)+ids(next) != ids([]audit.Record{refused, clipped, plain}) {
		t.Errorf("pages: %s, %s", ids(all), ids(next))
	}
	if one, ok, err := db.Reads().Read(ctx, g.Consumer, plain.RequestID); !ok || err != nil || one.RequestID != plain.RequestID || one.Count != plain.Count {
		t.Errorf("read: %v, %v, %v", one, ok, err)
	}
	if _, ok, err := db.Reads().Read(ctx, g.Consumer, foreign.RequestID); ok || err != nil {
		t.Errorf("another person's read is found: %v", err)
	}
	if _, ok, err := db.Reads().Read(ctx, g.Consumer, uuid.New()); ok || err != nil {
		t.Errorf("an unknown read is found: %v", err)
	}
}

func ids(list []audit.Record) string {
	var b strings.Builder
	for _, r := range list {
		b.WriteString(uuid.UUID(r.RequestID).String() + "\n")
	}
	return b.String()
}

func TestStaffLookIsSeenByThePersonAlone(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g, other := newGrant(t, db), newGrant(t, db)
	before, err := db.Reads().Pulse(ctx, g.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := db.Reads().Pulse(ctx, other.Consumer)
	got, err := db.Care().Show(ctx, g.Consumer, "op-1", "A call about a payment.")
	if err != nil || len(got) != 1 || got[0].ID != g.ID {
		t.Fatalf("%v, %v", got, err)
	}
	looks, err := db.Reads().LookUps(ctx, g.Consumer, time.Time{}, 10)
	if err != nil || len(looks) != 1 || looks[0].Reason != "A call about a payment." || looks[0].Staff != "op-1" || looks[0].Consumer != g.Consumer {
		t.Errorf("%v, %v", looks, err)
	}
	if looks, err := db.Reads().LookUps(ctx, other.Consumer, time.Time{}, 10); err != nil || looks != nil {
		t.Errorf("somebody else sees it: %v, %v", looks, err)
	}
	if looks, _ := db.Reads().LookUps(ctx, g.Consumer, time.Now().Add(-time.Hour), 10); looks != nil {
		t.Errorf("before it happened: %v", looks)
	}
	if after, _ := db.Reads().Pulse(ctx, g.Consumer); after == before {
		t.Error("the pulse of the person is the same")
	}
	if after, _ := db.Reads().Pulse(ctx, other.Consumer); after != foreign {
		t.Error("the pulse of somebody else is another one")
	}
	for _, bad := range [][2]string{{"", "why"}, {"op", ""}} {
		if _, err := db.Care().Show(ctx, g.Consumer, bad[0], bad[1]); !errors.Is(err, ErrNoReason) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// Without the note nothing is shown.
	exec(t, db, "ALTER TABLE staff_lookup ADD CONSTRAINT broken CHECK (staff <> 'op-2')")
	if got, err := db.Care().Show(ctx, g.Consumer, "op-2", "why"); err == nil || got != nil {
		t.Errorf("shown without a note: %v", got)
	}
	for _, sql := range []string{"UPDATE staff_lookup SET reason = 'x'", "DELETE FROM staff_lookup", "TRUNCATE staff_lookup"} {
		if _, err := db.pool.Exec(ctx, sql); err == nil {
			t.Errorf("%s: done", sql)
		}
	}
}

func TestChangesAreOfOnePerson(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g := newGrant(t, db)
	newGrant(t, db)
	if _, err := db.Grants().End(ctx, consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorProvider, Reason: consent.ReasonBusinessRule}); err != nil {
		t.Fatal(err)
	}
	got, err := db.Reads().Changes(ctx, g.Consumer, time.Time{}, 10)
	if err != nil || len(got) != 2 || got[0].Kind != consent.EventRevoked || got[1].Kind != consent.EventGranted || got[0].Grant != g.ID {
		t.Errorf("%v, %v", got, err)
	}
	if got, _ := db.Reads().Changes(ctx, g.Consumer, time.Time{}, 1); len(got) != 1 || got[0].Kind != consent.EventRevoked {
		t.Errorf("the newest: %v", got)
	}
	if got, _ := db.Reads().Changes(ctx, g.Consumer, time.Now().Add(-time.Hour), 10); got != nil {
		t.Errorf("before they happened: %v", got)
	}
}

// insertReads stores n reads of a person, spread over the time before now.
const insertReads = `
INSERT INTO access_record (request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters,
    record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
SELECT gen_random_uuid(), $4::timestamptz - i * ($5::interval / $3), 'r', 'grant-' || i % $6, 1, $1, 'getAccount', '{a}',
    CASE i % 3 WHEN 0 THEN '{ACCOUNT_BASIC,BALANCES}' ELSE '{TRANSACTIONS}' END::text[], 1, 1, $2,
    CASE i % 10 WHEN 9 THEN 'refused' ELSE 'given' END, '', false, '', ''
FROM generate_series(0, $3 - 1) i`

// fill runs insertReads without the bound on statements.
func fill(t testing.TB, db *DB, args ...any) {
	t.Helper()
	ctx := context.Background()
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	for _, sql := range []string{"SET statement_timeout = 0", insertReads, "SET statement_timeout = 2000", "ANALYZE access_record"} {
		var with []any
		if sql == insertReads {
			with = args
		}
		if _, err := c.Exec(ctx, sql, with...); err != nil {
			t.Fatal(err)
		}
	}
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func put(t testing.TB, db *DB, who consent.ConsumerID, grant, outcome, when string) {
	t.Helper()
	exec(t, db, `INSERT INTO access_record (request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters,
		record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
		VALUES (gen_random_uuid(), $1, 'r', $2, 1, $3, 'getAccount', '{}', '{BALANCES,TRANSACTIONS}', 1, 1, $4, $5, '', false, '', '')`,
		at(t, when), grant, pseudonym(t, db, who), make([]byte, 32), outcome)
}

func TestUsageCountsLocalDays(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	// The clocks went back on 25 October 2026, 03:00 CEST: that hour was twice.
	put(t, db, "p", "g-1", "given", "2026-10-24T21:59:59Z")   // 24th, 23:59 CEST
	put(t, db, "p", "g-1", "given", "2026-10-24T22:00:00Z")   // 25th, 00:00 CEST
	put(t, db, "p", "g-1", "given", "2026-10-25T00:30:00Z")   // 25th, 02:30 CEST
	put(t, db, "p", "g-2", "clipped", "2026-10-25T01:30:00Z") // 25th, 02:30 CET
	put(t, db, "p", "g-2", "given", "2026-10-25T22:59:59Z")   // 25th, 23:59 CET
	put(t, db, "p", "g-2", "refused", "2026-10-25T12:00:00Z")
	put(t, db, "q", "g-3", "given", "2026-10-25T12:00:00Z")
	put(t, db, "p", "g-2", "given", "2026-10-25T23:00:00Z") // 26th, 00:00 CET
	day := func(d int) fdx.Date { return fdx.DateOf(time.Date(2026, 10, d, 0, 0, 0, 0, time.UTC)) }
	use := func(d int, grants map[consent.GrantID]int, reads int, hours ...int) audit.DayUse {
		u := audit.DayUse{Day: day(d), Grants: grants, Clusters: map[string]int{"BALANCES": reads, "TRANSACTIONS": reads}}
		for _, h := range hours {
			u.Hours[h]++
		}
		return u
	}
	want := []audit.DayUse{
		use(24, map[consent.GrantID]int{"g-1": 1}, 1, 23),
		use(25, map[consent.GrantID]int{"g-1": 2, "g-2": 2}, 4, 0, 2, 2, 23),
		use(26, map[consent.GrantID]int{"g-2": 1}, 1, 0),
	}
	now := at(t, "2026-10-26T10:00:00Z")
	// The first time it is counted, the second time remembered.
	for range 2 {
		got, err := db.Reads().Usage(ctx, "p", zone, now, 90)
		got = slices.DeleteFunc(got, func(u audit.DayUse) bool { return len(u.Grants) == 0 })
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got  %v, %v\nwant %v", got, err, want)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM access_day WHERE consumer_id = $1 AND day >= '2026-10-26'", pseudonym(t, db, "p")); n != 0 {
		t.Error("a day that is not over is remembered")
	}
	// Days that are remembered are not counted again, and the present one is.
	put(t, db, "p", "g-9", "given", "2026-10-26T11:00:00Z")
	exec(t, db, "UPDATE access_day SET sums = '{\"grants\":{\"g-7\":70}}' WHERE consumer_id = $1 AND day = '2026-10-25'", pseudonym(t, db, "p"))
	got, err := db.Reads().Usage(ctx, "p", zone, at(t, "2026-10-26T12:00:00Z"), 90)
	if err != nil || got[len(got)-2].Grants["g-7"] != 70 || got[len(got)-1].Grants["g-9"] != 1 {
		t.Errorf("%v, %v", got, err)
	}
	// Another zone has other days.
	if got, err = db.Reads().Usage(ctx, "p", time.UTC, now, 2); err != nil || got[0].Day != day(25) || got[0].Grants["g-1"] != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := db.Reads().Usage(ctx, "nobody", zone, now, 90); err != nil || len(got) > 1 {
		t.Errorf("%v, %v", got, err)
	}
	// A day is remembered only when all its records are sure to be stored.
	if _, err := db.Reads().Usage(ctx, "late", zone, at(t, "2026-10-25T23:05:00Z"), 90); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "SELECT count(*) FROM access_day WHERE consumer_id = $1 AND day >= '2026-10-25'", pseudonym(t, db, "late")); n != 0 {
		t.Error("a day is remembered five minutes after its end")
	}
}

func TestUsageByManyAtOnce(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	now := at(t, "2026-10-26T10:00:00Z")
	fill(t, db, pseudonym(t, db, "p"), make([]byte, 32), 2000, now, "80 days", 5)
	errs := make(chan error, 8)
	for range 8 {
		go func() {
			got, err := db.Reads().Usage(context.Background(), "p", time.UTC, now, 90)
			total := 0
			for _, u := range got {
				for _, n := range u.Grants {
					total += n
				}
			}
			if err == nil && total != 1800 {
				err = fmt.Errorf("%d reads, want 1800", total)
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// plans returns the plan of a statement as text.
func plans(t testing.TB, db *DB, sql string, args ...any) string {
	t.Helper()
	var text json.RawMessage
	if err := db.pool.QueryRow(context.Background(), "EXPLAIN (FORMAT JSON) "+sql, args...).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHistoryNeverReadsAWholeTable(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	now := time.Now()
	fill(t, db, pseudonym(t, db, "p"), make([]byte, 32), 20000, now, "90 days", 50)
	for i := range 10 {
		exec(t, db, insertReads, fmt.Sprint("other-", i), make([]byte, 32), 2000, now, "90 days", 50)
	}
	for name, plan := range map[string]string{
		"newest":  plans(t, db, sqlFindReads, "p", nil, [16]byte{}, nil, nil, "", "", "", "", "", 51),
		"app":     plans(t, db, sqlFindReads, "p", nil, [16]byte{}, nil, nil, "r", "", "", "", "", 51),
		"refused": plans(t, db, sqlFindReads, "p", nil, [16]byte{}, now.Add(-time.Hour), now, "", "", "", "refused", "", 51),
		"one":     plans(t, db, sqlRead, "p", uuid.New()),
		"sums":    plans(t, db, sqlAddUp, "p", now.Add(-24*time.Hour), now, 0),
		"pulse":   plans(t, db, sqlPulse, "p"),
	} {
		noLongScan(t, db, name, plan)
		if !strings.Contains(plan, `"Index Name": "access_record_`) {
			t.Errorf("%s uses no index: %s", name, plan)
		}
	}
}

// noLongScan: no more than a month with little in it, which nothing is faster
// for, is read from one end to the other. How little the oldest month has
// depends on the day.
func noLongScan(t *testing.T, db *DB, name, plan string) {
	t.Helper()
	for _, bad := range regexp.MustCompile(`(?s)"Node Type": "(?:Parallel )?Seq Scan"[^{}]*"Relation Name": "([a-z0-9_]*)"`).FindAllStringSubmatch(plan, -1) {
		if n := count(t, db, "SELECT count(*) FROM "+bad[1]); n > 1000 {
			t.Errorf("%s: %s with %d records", name, bad[0], n)
		}
	}
}

// BenchmarkHistory is one person's history with 1,000,000 reads in 90 days
// under 50 grants: a first page and the charts, on any visit but the first of
// a day (remembered) and on the very first (added_up).
func BenchmarkHistory(b *testing.B) {
	const reads = 1_000_000
	ctx, db := context.Background(), openDB(b)
	now := time.Now()
	fill(b, db, pseudonym(b, db, "p"), make([]byte, 32), reads, now, "90 days", 50)
	r := db.Reads()
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			if got, err := r.Find(ctx, "p", audit.Filter{}, audit.Cursor{}, 51); err != nil || len(got) != 51 {
				b.Fatal(len(got), err)
			}
		}
	})
	b.Run("charts_added_up", func(b *testing.B) {
		for b.Loop() {
			exec(b, db, "DELETE FROM access_day")
			if _, err := r.Usage(ctx, "p", time.UTC, now, 90); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("charts_remembered", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Usage(ctx, "p", time.UTC, now, 90); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pulse", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Pulse(ctx, "p"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
