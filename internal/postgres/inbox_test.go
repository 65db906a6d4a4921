package postgres

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/fdx"
)

// noticesOf returns a person's notices, newest first.
func noticesOf(t testing.TB, db *DB, who consent.ConsumerID) []inbox.Notice {
	t.Helper()
	all, err := db.Inbox().Notices(context.Background(), who, inbox.Place{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// kindsOf returns their kinds, oldest first.
func kindsOf(t testing.TB, db *DB, who consent.ConsumerID) []inbox.Kind {
	t.Helper()
	var kinds []inbox.Kind
	for _, n := range slices.Backward(noticesOf(t, db, who)) {
		kinds = append(kinds, n.Kind)
	}
	return kinds
}

func wantKinds(t testing.TB, db *DB, who consent.ConsumerID, want ...inbox.Kind) {
	t.Helper()
	got := kindsOf(t, db, who)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got notices %v, want %v", got, want)
	}
}

// usual are the rules that no place changes.
func usual(t testing.TB) *policy.Book {
	t.Helper()
	b, err := policy.Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func giveDue(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Inbox().GiveDue(context.Background(), usual(t)); err != nil {
		t.Fatal(err)
	}
}

func giveUnused(t testing.TB, db *DB) {
	t.Helper()
	if after, err := db.Inbox().GiveUnused(context.Background(), usual(t), "", time.Minute); err != nil || after != "" {
		t.Fatal(after, err)
	}
}

func makeMail(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Inbox().MakeMail(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func prefer(t testing.TB, db *DB, who consent.ConsumerID, p inbox.Preferences) {
	t.Helper()
	if err := db.Inbox().SetPreferences(context.Background(), who, p); err != nil {
		t.Fatal(err)
	}
}

// mails returns the ids of the mail that jobs were made for.
func mails(t testing.TB, db *DB) []inbox.MailID {
	t.Helper()
	rows, err := db.pool.Query(context.Background(), "SELECT (args->>'mail')::uuid FROM river_job WHERE kind = 'notice_mail' ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var ids []inbox.MailID
	for rows.Next() {
		var id [16]byte
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestPeopleAreToldOfWhatHappens(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g := newGrant(t, db)
	change(t, db, g)
	if err := endGrant(ctx, db, g.ID); err != nil {
		t.Fatal(err)
	}
	if err := endGrant(ctx, db, g.ID); !errors.Is(err, consent.ErrEnded) {
		t.Fatal(err)
	}
	if got := kindsOf(t, db, g.Consumer); !slices.Equal(got, []inbox.Kind{inbox.Granted, inbox.Changed, inbox.Stopped}) {
		t.Errorf("got %v", got)
	}
	n := noticesOf(t, db, g.Consumer)[0]
	if n.Grant != g.ID || n.App != g.Parties[0].Name || n.Actor != consent.ActorConsumer || n.Read || !n.EndsAt.Equal(g.ExpiresAt) || time.Since(n.At) > time.Minute {
		t.Errorf("got %+v", n)
	}
	for _, actor := range []consent.Actor{consent.ActorRecipient, consent.ActorProvider} {
		g := newGrant(t, db)
		if _, err := db.Grants().End(ctx, consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: actor}); err != nil {
			t.Fatal(err)
		}
		if n := noticesOf(t, db, g.Consumer)[0]; n.Kind != inbox.Stopped || n.Actor != actor {
			t.Errorf("ended by %s: %+v", actor, n)
		}
	}
	over := newGrant(t, db)
	exec(t, db, "UPDATE consent_grant SET created_at = created_at - interval '2 years', expires_at = clock_timestamp() - interval '1 second' WHERE grant_id = $1", string(over.ID))
	if _, err := db.Sweep(ctx, 100); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, db, over.Consumer, inbox.Granted, inbox.Ended)
	if err := db.Inbox().Tell(ctx, over.Consumer, inbox.Browser); err != nil {
		t.Fatal(err)
	}
	if err := db.Inbox().Tell(ctx, over.Consumer, inbox.Browser); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, db, over.Consumer, inbox.Granted, inbox.Ended, inbox.Browser)
}

// What did not happen is not told: the notice is part of the change.
// nextEpoch is the change that an event is about.
const nextEpoch = "UPDATE consent_grant SET epoch = epoch + 1 WHERE grant_id = $1"

func TestNoNoticeOfAChangeThatWasUndone(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g := newGrant(t, db)
	tx, err := db.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx) //nolint:errcheck // again, where the test ends early
	if _, err := tx.Exec(ctx, nextEpoch, string(g.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, sqlInsertEvent, string(g.ID), 2, "revoked", "INDIVIDUAL", "", "", nil, ""); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, db, g.Consumer, inbox.Granted)
	exec(t, db, nextEpoch, string(g.ID))
	exec(t, db, sqlInsertEvent, string(g.ID), 2, "tokens_revoked", "DATA_RECIPIENT", "", "", nil, "")
	wantKinds(t, db, g.Consumer, inbox.Granted)
}

func TestInboxPageByPage(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	const ada, bob = consent.ConsumerID("ada"), consent.ConsumerID("bob")
	// Several at one moment, so that the id has to tell them apart.
	pseudonym(t, db, ada)
	pseudonym(t, db, bob)
	exec(t, db, `INSERT INTO person_notice (consumer_id, kind, day, at)
		SELECT pseudonym, 'browser', date '2026-01-01' + n, timestamptz '2026-01-01' + (n / 3) * interval '1 second'
		FROM generate_series(1, 120) AS n, person`)
	in, seen, at := db.Inbox(), map[inbox.NoticeID]bool{}, inbox.Place{}
	for {
		page, err := in.Notices(ctx, ada, at, 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range page {
			if seen[n.ID] || n.Consumer != ada {
				t.Fatalf("shown twice or not hers: %+v", n)
			}
			seen[n.ID] = true
			at = n.Place()
		}
		if len(page) < 50 {
			break
		}
	}
	if len(seen) != 120 {
		t.Errorf("%d notices, want 120", len(seen))
	}
	if n, err := in.Unread(ctx, ada); n != inbox.UnreadLimit || err != nil {
		t.Errorf("%d unread, %v", n, err)
	}
	newest := noticesOf(t, db, ada)
	// One that came meanwhile stays unread.
	if err := in.MarkAllRead(ctx, ada, newest[1].Place()); err != nil {
		t.Fatal(err)
	}
	if n, _ := in.Unread(ctx, ada); n != 1 {
		t.Errorf("%d unread, want 1", n)
	}
	if n, _ := in.Unread(ctx, bob); n != inbox.UnreadLimit {
		t.Errorf("%d of bob's unread", n)
	}
	for name, err := range map[string]error{
		"foreign": in.MarkRead(ctx, bob, newest[0].ID),
		"unknown": in.MarkRead(ctx, ada, uuid.New()),
		"zero":    in.MarkRead(ctx, ada, uuid.UUID{}),
	} {
		if !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		if err := in.MarkRead(ctx, ada, newest[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := in.Unread(ctx, ada); n != 0 || !noticesOf(t, db, ada)[0].Read {
		t.Errorf("%d unread, want 0", n)
	}
}

func TestPreferencesAreKept(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	in := db.Inbox()
	if p, err := in.Preferences(ctx, "ada"); err != nil || p.Locale != "" || p.Off != nil || p.Digest != inbox.Each {
		t.Errorf("%+v, %v", p, err)
	}
	// Whatever a caller lets through, the fixed topics stay on.
	prefer(t, db, "ada", inbox.Preferences{Locale: "sv", Off: append(inbox.Topics(), "made up"), Digest: inbox.Weekly})
	p, err := in.Preferences(ctx, "ada")
	if err != nil || p.Locale != "sv" || p.Digest != inbox.Weekly || !slices.Equal(p.Off, []inbox.Topic{inbox.TopicEnding, inbox.TopicUnused, inbox.TopicReview, inbox.TopicApp}) {
		t.Errorf("%+v, %v", p, err)
	}
	prefer(t, db, "ada", inbox.Preferences{Digest: "daily"})
	if p, err = in.Preferences(ctx, "ada"); err != nil || p.Locale != "" || p.Off != nil || p.Digest != inbox.Each {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestNoticesThatAreDueByTime(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	ends := func(left, since string) consent.Grant {
		g := newGrant(t, db)
		exec(t, db, `UPDATE consent_grant SET created_at = clock_timestamp() - $3::interval, expires_at = clock_timestamp() + $2::interval WHERE grant_id = $1`, string(g.ID), left, since)
		return g
	}
	grants := map[string]consent.Grant{
		"31 days": ends("31 days", "300 days"), "29 days": ends("29 days", "300 days"), "6 days": ends("6 days", "300 days"),
		"5 hours": ends("5 hours", "300 days"), "over": ends("-1 hours", "300 days"),
		"for a week":     ends("6 days", "12 hours"), // agreed to after the mark
		"for an hour":    ends("1 hours", "1 minutes"),
		"stopped before": ends("6 days", "300 days"),
	}
	if err := endGrant(context.Background(), db, grants["stopped before"].ID); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once each, however often the job runs
		giveDue(t, db)
	}
	for name, want := range map[string][]inbox.Kind{
		"31 days": nil, "29 days": {inbox.Ending30}, "6 days": {inbox.Ending7}, "5 hours": {inbox.Ending1},
		"over": nil, "for a week": nil, "for an hour": nil, "stopped before": {inbox.Stopped},
	} {
		t.Run(name, func(t *testing.T) { wantKinds(t, db, grants[name].Consumer, append(want, inbox.Granted)...) })
	}
}

func TestUnusedSharingIsToldOncePerTime(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	aged := func(days int) consent.Grant {
		g := newGrant(t, db)
		exec(t, db, `UPDATE consent_grant SET created_at = clock_timestamp() - make_interval(days => $2) WHERE grant_id = $1`, string(g.ID), days)
		return g
	}
	read := func(g consent.Grant, days int, outcome string) {
		exec(t, db, `INSERT INTO access_record (request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters,
			record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
			VALUES (gen_random_uuid(), clock_timestamp() - make_interval(days => $2), $3, $1, 1, $4, 'x', '{}', '{}', 0, 0, '', $5, '', false, '', '')`,
			string(g.ID), days, string(g.Recipient), pseudonym(t, db, g.Consumer), outcome)
	}
	never, young, used, idle, asked := aged(61), aged(59), aged(200), aged(200), aged(200)
	read(used, 59, "given")
	read(idle, 70, "clipped")
	read(asked, 1, "refused") // gave nothing
	for range 2 {
		giveUnused(t, db)
	}
	wantKinds(t, db, never.Consumer, inbox.Granted, inbox.Unused)
	wantKinds(t, db, young.Consumer, inbox.Granted)
	wantKinds(t, db, used.Consumer, inbox.Granted, inbox.Review)
	wantKinds(t, db, idle.Consumer, inbox.Granted, inbox.Unused, inbox.Review)
	wantKinds(t, db, asked.Consumer, inbox.Granted, inbox.Unused, inbox.Review)
	read(idle, 61, "given") // a later idle time
	giveUnused(t, db)
	wantKinds(t, db, idle.Consumer, inbox.Granted, inbox.Unused, inbox.Unused, inbox.Review)
	// A page at a time leads to the same.
	if after, err := db.Inbox().GiveUnused(context.Background(), usual(t), "", -1); err != nil || after == "" {
		t.Errorf("did not stop when its time was over: %q, %v", after, err)
	}
}

// What a person is told, and when, is for the version of the pack to say that
// held when they agreed.
func TestRemindersAreThoseOfThePack(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	now := time.Now().UTC()
	first := usual(t).At(now)
	first.Reminders = policy.Reminders{BeforeEndDays: []int{20, 3}, UnusedDays: 10, ReviewDays: 40}
	second := first
	second.Version, second.Effective = 2, fdx.DateOf(now.AddDate(0, 0, -100))
	second.Reminders = policy.Reminders{BeforeEndDays: []int{14}, UnusedDays: 70, ReviewDays: 25}
	rules, err := policy.NewBook(first, second)
	if err != nil {
		t.Fatal(err)
	}
	// agreed is a grant of so many days ago that ends in so many.
	agreed := func(ago, left int) consent.Grant {
		g := newGrant(t, db)
		exec(t, db, `UPDATE consent_grant SET duration_type = 'TIME_BOUND', duration_days = $2::integer + $3::integer,
			created_at = clock_timestamp() - make_interval(days => $2::integer), expires_at = clock_timestamp() + make_interval(days => $3::integer) - interval '1 hour'
			WHERE grant_id = $1`, string(g.ID), ago, left)
		return g
	}
	type want struct {
		kind inbox.Kind
		days int
	}
	for name, c := range map[string]struct {
		ago, left int
		want      []want
	}{
		"first: before the mark":       {200, 22, []want{{inbox.Unused, 10}, {inbox.Review, 40}}},
		"first: after the mark":        {200, 19, []want{{inbox.Ending(20), 0}, {inbox.Unused, 10}, {inbox.Review, 40}}},
		"first: after the second mark": {200, 2, []want{{inbox.Ending(3), 0}, {inbox.Unused, 10}, {inbox.Review, 40}}},
		"second: before all":           {24, 19, nil},
		"second: to be reviewed":       {26, 19, []want{{inbox.Review, 25}}},
		"second: after the mark":       {26, 13, []want{{inbox.Ending(14), 0}, {inbox.Review, 25}}},
		"second: unused":               {71, 100, []want{{inbox.Unused, 70}, {inbox.Review, 25}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := agreed(c.ago, c.left)
			for range 2 {
				if err := db.Inbox().GiveDue(ctx, rules); err != nil {
					t.Fatal(err)
				}
				if after, err := db.Inbox().GiveUnused(ctx, rules, "", time.Minute); err != nil || after != "" {
					t.Fatal(after, err)
				}
			}
			var got []want
			for _, n := range noticesOf(t, db, g.Consumer) {
				if n.Kind != inbox.Granted {
					got = append(got, want{n.Kind, n.Days})
				}
			}
			less := func(a, b want) int { return strings.Compare(string(a.kind), string(b.kind)) }
			slices.SortFunc(got, less)
			slices.SortFunc(c.want, less)
			if !slices.Equal(got, c.want) {
				t.Errorf("told %v, want %v", got, c.want)
			}
		})
	}
}

func TestPeopleAreToldThatAnAppChanged(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g, ended := newGrant(t, db), newGrant(t, db)
	second := consenttest.NewGrant(g.Consumer, time.Now())
	if err := errors.Join(db.Grants().Create(ctx, second), endGrant(ctx, db, ended.ID)); err != nil {
		t.Fatal(err)
	}
	giveDue(t, db)
	wantKinds(t, db, g.Consumer, inbox.Granted, inbox.Granted)
	enrol := func(record string) {
		t.Helper()
		r, err := db.Registrations().ByID(ctx, consenttest.Recipient)
		if err != nil {
			t.Fatal(err)
		}
		r.Record, r.IssuedAt = []byte(record), time.Now()
		if err := db.Registrations().Update(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	enrol(`{"policy_uri":"https://a.example/1","logo_uri":"x"}`) // nothing was known before
	enrol(`{"logo_uri":"y\u0000","policy_uri":"https://a.example/1"}`)
	giveDue(t, db)
	wantKinds(t, db, g.Consumer, inbox.Granted, inbox.Granted)
	enrol(`{"policy_uri":"https://a.example/2"}`)
	exec(t, db, `UPDATE recipient SET legal_name = 'Somebody Else Ltd' WHERE recipient_id = $1`, string(consenttest.Recipient))
	for range 2 {
		giveDue(t, db)
	}
	wantKinds(t, db, g.Consumer, inbox.Granted, inbox.Granted, inbox.Policy, inbox.Owner)
	wantKinds(t, db, ended.Consumer, inbox.Granted, inbox.Stopped)
	if n := count(t, db, "SELECT count(*) FROM person_notice_round WHERE NOT done"); n != 0 {
		t.Errorf("%d rounds are open", n)
	}
}

func TestMailFollowsThePreferences(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	for who, p := range map[consent.ConsumerID]inbox.Preferences{
		"off":    {Off: []inbox.Topic{inbox.TopicApp}},
		"weekly": {Locale: "fr", Digest: inbox.Weekly},
	} {
		prefer(t, db, who, p)
	}
	for _, who := range []consent.ConsumerID{"none", "off", "weekly"} {
		exec(t, db, `INSERT INTO person_notice (consumer_id, kind, day, at) VALUES ($1, 'policy', '2026-01-01', clock_timestamp()), ($1, 'owner', '2026-01-01', clock_timestamp()), ($1, 'stopped', '2026-01-01', clock_timestamp())`, pseudonym(t, db, who))
	}
	exec(t, db, `INSERT INTO person_notice (consumer_id, kind, day, at) VALUES ($1, 'stopped', '2026-01-01', clock_timestamp() - interval '4 days')`, pseudonym(t, db, "late"))
	for range 2 {
		giveDue(t, db)
		makeMail(t, db)
	}
	sent := func() map[consent.ConsumerID]int {
		out := map[consent.ConsumerID]int{}
		for _, id := range mails(t, db) {
			m, err := db.Inbox().Mail(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			out[m.Consumer]++
			if m.Consumer == "off" && m.Notices[0].Kind != inbox.Stopped || m.Consumer == "weekly" && m.Locale != "fr" {
				t.Errorf("%+v", m)
			}
			if m.Digest && (len(m.Notices) != 2 || !m.Optional()) {
				t.Errorf("digest %+v", m)
			}
		}
		return out
	}
	if got := sent(); got["none"] != 3 || got["off"] != 1 || got["weekly"] != 1 || got["late"] != 0 {
		t.Errorf("mails %v", got)
	}
	exec(t, db, "UPDATE person_preference SET digest_at = digest_at - interval '7 days'")
	for range 2 {
		makeMail(t, db)
	}
	if got := sent(); got["weekly"] != 2 {
		t.Errorf("mails %v", got)
	}
	// What is settled stays so.
	id := mails(t, db)[0]
	if err := errors.Join(db.Inbox().SettleMail(ctx, id, inbox.MailSent, 1), db.Inbox().SettleMail(ctx, id, inbox.MailDead, 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Inbox().Mail(ctx, id); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("a mail that was sent: %v", err)
	}
	if n := count(t, db, "SELECT count(*) FROM person_mail WHERE state = 'sent' AND attempts = 1"); n != 1 {
		t.Errorf("%d sent", n)
	}
}

// Everything at once from several sides, then two workers on one queue: one
// notice and one mail each.
func TestEachMailIsSentOnce(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	const people = 40
	for range people {
		g := newGrant(t, db)
		exec(t, db, `UPDATE consent_grant SET created_at = created_at - interval '300 days', expires_at = clock_timestamp() + interval '6 days' WHERE grant_id = $1`, string(g.ID))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { giveDue(t, db); makeMail(t, db) })
	}
	all.Wait()
	giveDue(t, db)
	makeMail(t, db) // what another had locked
	if n := count(t, db, "SELECT count(*) FROM person_notice WHERE kind = 'ending_7'"); n != people {
		t.Errorf("%d notices, want %d", n, people)
	}
	ctx, stop := context.WithCancel(context.Background())
	sent, ended := make(chan inbox.MailID), make(chan error, 2)
	rules := usual(t)
	for range 2 {
		go func() {
			ended <- db.RunJobs(ctx, JobsConfig{
				Rules: rules, Workers: 4, Grace: time.Second, Log: slog.New(slog.DiscardHandler),
				Deliver: func(context.Context, notice.Key) (time.Duration, error) { return 0, nil },
				Mail: func(ctx context.Context, id inbox.MailID) (time.Duration, error) {
					if err := db.Inbox().SettleMail(ctx, id, inbox.MailSent, 1); err != nil {
						return 0, err
					}
					sent <- id
					return 0, nil
				},
			})
		}()
	}
	seen := map[inbox.MailID]bool{}
	for range 2 * people { // granted and ending
		id := <-sent
		if seen[id] {
			t.Errorf("mail %v was sent twice", id)
		}
		seen[id] = true
	}
	stop()
	for range 2 {
		select {
		case id := <-sent:
			t.Errorf("one more mail %v", id)
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		}
	}
}
