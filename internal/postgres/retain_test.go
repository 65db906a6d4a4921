package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/erasure"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/fdx"
)

// keeping are rules under which records are kept for so many days: the last
// number is of the version of this year, the ones before of years before it.
func keeping(t testing.TB, days ...int) *policy.Book {
	t.Helper()
	var versions []policy.Pack
	for i, n := range days {
		p := usual(t).At(time.Now())
		p.Version, p.RecordDays = i+1, n
		p.Effective = fdx.DateOf(time.Now().AddDate(i-len(days), 0, 0))
		versions = append(versions, p)
	}
	b, err := policy.NewBook(versions...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// over makes a grant one that ended so long ago, after half a year.
func over(t testing.TB, db *DB, id consent.GrantID, ago string) {
	t.Helper()
	exec(t, db, `UPDATE consent_grant SET created_at = clock_timestamp() - $2::interval - interval '180 days', updated_at = NULL,
		expires_at = clock_timestamp() - $2::interval, status = 'EXPIRED', ended_at = clock_timestamp() - $2::interval, ended_by = 'TIME',
		duration_type = 'TIME_BOUND', duration_days = 180 WHERE grant_id = $1`, string(id), ago)
}

func retain(t testing.TB, db *DB, rules *policy.Book, dry bool) Retained {
	t.Helper()
	done, err := db.Retain(context.Background(), rules, time.Now(), 0, dry)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func there(t testing.TB, db *DB, id consent.GrantID) bool {
	t.Helper()
	return count(t, db, "SELECT count(*) FROM consent_grant WHERE grant_id = $1", string(id)) == 1
}

func TestRecordsGoWhenTheirTimeIsOver(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	asked := func(age, answer string) func(*testing.T, *DB, consent.Grant) {
		return func(t *testing.T, db *DB, g consent.Grant) {
			if err := db.Erasures().AskApp(ctx, g.Consumer, g.ID); err != nil {
				t.Fatal(err)
			}
			exec(t, db, `UPDATE erase_request SET asked_at = clock_timestamp() - $2::interval, answer = $3,
				answered_at = CASE WHEN $3 <> '' THEN clock_timestamp() END WHERE grant_id = $1`, string(g.ID), age, answer)
		}
	}
	for name, c := range map[string]struct {
		ago  string
		days []int
		bend func(*testing.T, *DB, consent.Grant)
		goes bool
	}{
		"a minute before":                  {"999 days 23 hours 59 minutes", []int{1000}, nil, false},
		"a minute after":                   {"1000 days 1 minute", []int{1000}, nil, true},
		"goes on":                          {"", []int{1000}, nil, false},
		"the law asks for longer now":      {"1100 days", []int{1000, 1000, 1000, 1200}, nil, false},
		"the law asked for longer then":    {"1100 days", []int{1200, 1000, 1000}, nil, false},
		"longer in a version of meanwhile": {"1100 days", []int{1000, 1000, 1200, 1000}, nil, true},
		"held": {"5000 days", []int{1000}, func(t *testing.T, db *DB, g consent.Grant) {
			if err := db.HoldRecords(ctx, g.ID, "case 1"); err != nil {
				t.Fatal(err)
			}
		}, false},
		"held no more": {"5000 days", []int{1000}, func(t *testing.T, db *DB, g consent.Grant) {
			if err := errors.Join(db.HoldRecords(ctx, g.ID, "case 1"), db.ReleaseRecords(ctx, g.ID)); err != nil {
				t.Fatal(err)
			}
		}, true},
		"an app is to erase it":      {"5000 days", []int{1000}, asked("29 days", ""), false},
		"an app never answered":      {"5000 days", []int{1000}, asked("31 days", ""), true},
		"an app has erased it":       {"5000 days", []int{1000}, asked("1 day", "done"), true},
		"its person is to be erased": {"5000 days", []int{1000}, wishes, false},
		"its person wished, and kept it": {"5000 days", []int{1000}, func(t *testing.T, db *DB, g consent.Grant) {
			wishes(t, db, g)
			if err := db.Erasures().Keep(ctx, g.Consumer); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openDB(t)
			g, young := newGrant(t, db), newGrant(t, db)
			if c.ago != "" {
				over(t, db, g.ID, c.ago)
			}
			over(t, db, young.ID, "999 days")
			if c.bend != nil {
				c.bend(t, db, g)
			}
			want := int64(0)
			if c.goes {
				want = 1
			}
			rules := keeping(t, c.days...)
			if done := retain(t, db, rules, true); done.Grants != want || !there(t, db, g.ID) {
				t.Errorf("dry: %+v", done)
			}
			if done := retain(t, db, rules, false); done.Grants != want || there(t, db, g.ID) == c.goes || !there(t, db, young.ID) {
				t.Errorf("%+v", done)
			}
			if done := retain(t, db, rules, false); done.Grants != 0 {
				t.Errorf("again: %+v", done)
			}
		})
	}
}

func wishes(t *testing.T, db *DB, g consent.Grant) {
	if _, err := db.Erasures().Ask(context.Background(), g.Consumer); err != nil {
		t.Fatal(err)
	}
}

// Nothing names what went but the records of reads, which go by the month.
func TestWhatGoesGoesAsAWhole(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g, other := live(t, db, "ada"), live(t, db, "bob")
	if err := errors.Join(db.Erasures().AskApp(ctx, "ada", g.ID), db.Answers().Answer(ctx, g.ID, consent.AnswerOther),
		db.Erasures().Answer(ctx, g.Recipient, g.ID, erasure.Done, "")); err != nil {
		t.Fatal(err)
	}
	over(t, db, g.ID, "1001 days")
	before := naming(t, db, string(other.ID))
	if done := retain(t, db, keeping(t, 1000), false); done.Grants != 1 {
		t.Fatalf("%+v", done)
	}
	// How a journey ended goes within a day, a job within an hour.
	left := slices.DeleteFunc(naming(t, db, string(g.ID)), func(table string) bool {
		return strings.HasPrefix(table, "access_record") || table == "river_job"
	})
	if len(left) > 0 {
		t.Errorf("still there in %v", left)
	}
	if after := naming(t, db, string(other.ID)); !slices.Equal(after, before) {
		t.Errorf("the other is in %v, was in %v", after, before)
	}
	exec(t, db, "SELECT count(*) FROM consent_event") // the lock on rewriting is back
	if _, err := db.pool.Exec(ctx, "DELETE FROM consent_event"); err == nil {
		t.Error("history can be deleted")
	}
}

// Whoever may call the function cannot have it delete what is younger.
func TestNothingYoungerGoes(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	g, active := newGrant(t, db), newGrant(t, db)
	over(t, db, g.ID, "364 days")
	for _, days := range []string{"{0,0}", "{-5000,-5000}", "{NULL,NULL}"} {
		if n := count(t, db, "SELECT forget_grants(ARRAY[$1, $2], '"+days+"')", string(g.ID), string(active.ID)); n != 0 {
			t.Errorf("%s: %d went", days, n)
		}
	}
	exec(t, db, "SELECT set_config('headgate.forgets', '', false)")
	if !there(t, db, g.ID) || !there(t, db, active.ID) {
		t.Error("went")
	}
}

func TestRetentionByManyAtOnceAndAfterACrash(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	const grants = 2*retainPage + 30
	for range grants {
		over(t, db, newGrant(t, db).ID, "1001 days")
	}
	// It dies at the last one of the second page.
	exec(t, db, `CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'dies'; END $$`)
	exec(t, db, `DO $$ BEGIN EXECUTE format('CREATE TRIGGER dies BEFORE DELETE ON consent_grant FOR EACH ROW WHEN (OLD.grant_id = %L) EXECUTE FUNCTION dies()',
		(SELECT grant_id FROM consent_grant ORDER BY grant_id OFFSET 199 LIMIT 1)); END $$`)
	rules := keeping(t, 1000)
	if done, err := db.Retain(ctx, rules, time.Now(), 0, false); err == nil || done.Grants != retainPage {
		t.Fatalf("%+v, %v", done, err)
	}
	if n := count(t, db, "SELECT count(*) FROM consent_grant g JOIN consent_event e USING (grant_id)"); n != grants-retainPage {
		t.Errorf("%d are left whole, want %d", n, grants-retainPage)
	}
	exec(t, db, "DROP TRIGGER dies ON consent_grant")
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		sum  int64
		fail error
	)
	for range 3 {
		all.Go(func() {
			done, err := db.Retain(ctx, rules, time.Now(), 0, false)
			mu.Lock()
			defer mu.Unlock()
			sum, fail = sum+done.Grants, errors.Join(fail, err)
		})
	}
	all.Wait()
	if fail != nil {
		t.Fatal(fail)
	}
	sum += retain(t, db, rules, false).Grants // what somebody held
	if sum != grants-retainPage || count(t, db, "SELECT count(*) FROM consent_grant") != 0 {
		t.Errorf("%d went", sum)
	}
}

func TestMonthsGoWhenTheirTimeIsOver(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), env.Postgres(t)
	db := openAt(t, dsn)
	s, v := key(t)
	insertRecords(t, db, 40) // of this month and the next three; the first two are one partition
	sequence(t, db, s)
	g := newGrant(t, db)
	exec(t, db, `INSERT INTO access_record (request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters,
		record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
		VALUES (overlay(gen_random_uuid()::text PLACING left(request_id_at(clock_timestamp())::text, 13) FROM 1 FOR 13)::uuid,
		clock_timestamp(), 'app', $1, 1, 'p', 'x', '{}', '{}', 0, 0, '', 'refused', '', false, '', '')`, string(g.ID))
	sequence(t, db, s)
	rules := keeping(t, 1000)
	bound := time.Now().UTC().AddDate(0, 2, 1-time.Now().UTC().Day()).Truncate(24*time.Hour).AddDate(0, 0, 1000)
	run := func(at time.Time, covered int64, dry bool) Retained {
		t.Helper()
		done, err := db.Retain(ctx, rules, at, covered, dry)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	if done := run(bound.Add(-time.Hour), 41, false); len(done.Months)+len(done.Waiting) != 0 {
		t.Errorf("before its end: %+v", done)
	}
	if done := run(bound, 41, false); len(done.Months) != 0 || !slices.Equal(done.Waiting, []string{"access_record_first"}) {
		t.Errorf("with a record of a grant that is kept: %+v", done)
	}
	over(t, db, g.ID, "1001 days")
	if done, err := db.Retain(ctx, rules, bound, 40, false); len(done.Months) != 0 || !errors.Is(err, ErrNotCovered) {
		t.Errorf("not covered: %+v, %v", done, err)
	}
	if done := run(bound, 41, true); len(done.Months) != 1 || done.Months[0].Records != 21 {
		t.Errorf("dry: %+v", done)
	}
	clean(t, verify(t, dsn, v), 41)
	if done := run(bound, 41, false); len(done.Months) != 1 || done.Months[0].Records != 21 {
		t.Errorf("%+v", done)
	}
	r := verify(t, dsn, v)
	if clean(t, r, 41); r.Retired != 21 {
		t.Errorf("%d retired", r.Retired)
	}
	if done := run(bound, 41, false); len(done.Months)+len(done.Waiting) != 0 {
		t.Errorf("again: %+v", done)
	}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g := newGrant(t, db)
	if err := errors.Join(db.HoldRecords(ctx, g.ID, "a"), db.HoldRecords(ctx, g.ID, "b")); err != nil {
		t.Fatal(err)
	}
	if all, err := db.Holds(ctx, 10); err != nil || len(all) != 1 || all[0].Grant != g.ID || all[0].Reason != "b" || all[0].At.IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
	for name, err := range map[string]error{
		"of no grant": db.HoldRecords(ctx, "nobody", "a"), "not held": db.ReleaseRecords(ctx, "nobody"),
	} {
		if !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDeletedSubscriptionsGo(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	left := map[string]bool{"30 days": true, "32 days": false, "33 days, with something to deliver": true, "in use": true}
	ids := map[string]string{}
	for age := range left {
		s := subscribe(t, db, consenttest.Recipient, revokedTopic)
		ids[age] = string(s.ID)
		if days, _, ok := strings.Cut(age, " days"); ok {
			exec(t, db, "UPDATE notification_subscription SET deleted_at = clock_timestamp() - $2::interval WHERE subscription_id = $1", string(s.ID), days+" days")
		}
		if strings.Contains(age, "deliver") {
			exec(t, db, `WITH n AS (INSERT INTO notification (notification_id, recipient_id, type, category, payload_id, payload_type, field_name, field_value, created_at)
				VALUES ('n', $2, '', '', '', '', '', '', clock_timestamp()) RETURNING sequence)
				INSERT INTO notification_delivery (subscription_id, sequence, stream, state, since, next_at)
				SELECT $1, sequence, '', 'pending', clock_timestamp(), clock_timestamp() FROM n`, string(s.ID), string(consenttest.Recipient))
		}
	}
	if _, err := db.Sweep(ctx, 10); err != nil {
		t.Fatal(err)
	}
	for age, want := range left {
		if got := count(t, db, "SELECT count(*) FROM notification_subscription WHERE subscription_id = $1", ids[age]) == 1; got != want {
			t.Errorf("%s: there is %v", age, got)
		}
	}
}
