package postgres

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
)

var (
	revokedTopic = notice.Topic{Type: fdx.ConsentRevokedEvent, Category: fdx.ConsentNotification}
	updatedTopic = notice.Topic{Type: fdx.ConsentUpdatedEvent, Category: fdx.ConsentNotification}
)

// subscribe makes a subscription that is in effect.
func subscribe(t testing.TB, db *DB, who consent.RecipientID, topic notice.Topic) notice.Subscription {
	t.Helper()
	s := notice.Subscription{
		ID: fdx.SubscriptionID(uuid.NewString()), Recipient: who, Topic: topic, CallbackURL: "https://app.example/hook",
		Subscriber:    fdx.Party{Name: "Contract App", Type: fdx.DataRecipient},
		EffectiveDate: fdx.DateOf(time.Now()),
	}
	if err := db.Notices().Subscribe(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// older makes what was told so old that the feed shows it.
func older(t testing.TB, db *DB) {
	t.Helper()
	exec(t, db, "UPDATE notification SET created_at = created_at - interval '1 minute'")
}

// soonAfter is a time at which whatever is due now is due.
func soonAfter() time.Time { return time.Now().Add(time.Minute) }

// claim claims the next delivery at a time, or fails.
func claim(t testing.TB, db *DB, s notice.Subscription, at time.Time) notice.Delivery {
	t.Helper()
	d, err := db.Notices().Claim(context.Background(), s.ID, at, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func expectNone(t testing.TB, db *DB, s notice.Subscription, at time.Time) {
	t.Helper()
	if d, err := db.Notices().Claim(context.Background(), s.ID, at, time.Hour); !errors.Is(err, notice.ErrNone) {
		t.Errorf("claimed %+v (%v), want ErrNone", d.Notification, err)
	}
}

func settle(t testing.TB, db *DB, d notice.Delivery, o notice.Outcome) {
	t.Helper()
	if err := db.Notices().Settle(context.Background(), d.Key(), o); err != nil {
		t.Fatal(err)
	}
}

// change puts the next version of a grant in its place, as an approval does.
func change(t testing.TB, db *DB, g consent.Grant) consent.Grant {
	t.Helper()
	tt, ok := t.(*testing.T)
	if !ok {
		t.Fatal("a test is needed")
	}
	a := newApproval(tt, stores(db))
	g.Epoch++
	a.Grant, a.Code.Grant, a.Code.Recipient = g, g.ID, g.Recipient
	if err := db.Requests().Approve(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestARevocationIsTold(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := subscribe(t, db, consenttest.Recipient, revokedTopic)
	g := newGrant(t, db) // told to nobody: the recipient made it
	if err := endGrant(ctx, db, g.ID); err != nil {
		t.Fatal(err)
	}
	if err := endGrant(ctx, db, g.ID); !errors.Is(err, consent.ErrEnded) {
		t.Fatal(err)
	}
	d := claim(t, db, s, soonAfter())
	n := d.Notification
	want := fdx.NotificationPayload{ID: string(g.ID), IDType: fdx.ConsentPayload, CustomField: fdx.CustomField{Name: fdx.InitiatorField, Value: "INDIVIDUAL"}}
	if n.Topic != revokedTopic || n.Payload != want || n.Grant != g.ID || n.Recipient != consenttest.Recipient || n.ID == "" || d.Attempts != 0 {
		t.Errorf("got %+v", d)
	}
	got := d.Subscription
	got.CreatedAt = s.CreatedAt
	if got != s {
		t.Errorf("got subscription %+v, want %+v", got, s)
	}
	expectNone(t, db, s, soonAfter()) // it is hidden
	if n := count(t, db, "SELECT count(*) FROM notification"); n != 1 {
		t.Errorf("%d notifications, want 1", n)
	}
	if n := count(t, db, "SELECT count(*) FROM river_job"); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
}

func TestOnlySubscribersAreCalled(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	other := subscribe(t, db, consenttest.OtherRecipient, revokedTopic)
	another := subscribe(t, db, consenttest.Recipient, updatedTopic)
	deleted := subscribe(t, db, consenttest.Recipient, revokedTopic)
	if err := db.Notices().Unsubscribe(ctx, deleted.Recipient, deleted.ID); err != nil {
		t.Fatal(err)
	}
	future := subscribe(t, db, consenttest.Recipient, revokedTopic)
	exec(t, db, "UPDATE notification_subscription SET effective_date = current_date + 2 WHERE subscription_id = $1", string(future.ID))
	if err := endGrant(ctx, db, newGrant(t, db).ID); err != nil {
		t.Fatal(err)
	}
	for _, s := range []notice.Subscription{other, another, deleted, future} {
		expectNone(t, db, s, soonAfter())
	}
	if n := count(t, db, "SELECT count(*) FROM river_job"); n != 0 {
		t.Errorf("%d jobs, want none", n)
	}
	older(t, db)
	if feed, err := db.Notices().Feed(ctx, consenttest.Recipient, "", 5); err != nil || len(feed) != 1 {
		t.Errorf("the feed has %d (%v), want 1", len(feed), err)
	}
}

// How far the app has got to know is what its deliveries say.
func TestHowFarAnAppWasTold(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	reached := func(id consent.GrantID, want notice.Reach) {
		t.Helper()
		if got, err := db.Notices().Reached(ctx, id); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	alone := newGrant(t, db)
	reached(alone.ID, "")
	if err := endGrant(ctx, db, alone.ID); err != nil {
		t.Fatal(err)
	}
	reached(alone.ID, notice.ReachNobody)
	subscribe(t, db, consenttest.Recipient, revokedTopic)
	g := newGrant(t, db)
	if err := endGrant(ctx, db, g.ID); err != nil {
		t.Fatal(err)
	}
	reached(g.ID, "")
	for _, step := range []struct {
		change string
		want   notice.Reach
	}{
		{"attempts = 1", notice.ReachRetrying},
		{"state = 'delivered'", notice.ReachDelivered},
		{"state = 'dead'", ""},
	} {
		exec(t, db, "UPDATE notification_delivery SET "+step.change)
		reached(g.ID, step.want)
	}
	reached(alone.ID, notice.ReachNobody)
	reached("nobody's", "")
}

// What does not happen is told to nobody, and what is told happened.
func TestNothingIsToldOfARollback(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	subscribe(t, db, consenttest.Recipient, revokedTopic)
	subscribe(t, db, consenttest.Recipient, updatedTopic)
	g := newGrant(t, db)
	// The event's place is taken: the last statements of the transaction fail.
	exec(t, db, "ALTER TABLE consent_event DISABLE TRIGGER USER") // which would look for the version
	exec(t, db, "INSERT INTO consent_event (grant_id, epoch, kind, actor, reason, at) VALUES ($1, 2, 'changed', 'TIME', '', now())", string(g.ID))
	exec(t, db, "ALTER TABLE consent_event ENABLE TRIGGER USER")
	if err := endGrant(ctx, db, g.ID); err == nil {
		t.Fatal("it was to fail")
	}
	a := newApproval(t, stores(db))
	a.Grant = g
	a.Grant.Epoch, a.Code.Grant = 2, g.ID
	if err := db.Requests().Approve(ctx, a); err == nil {
		t.Fatal("it was to fail")
	}
	for _, table := range []string{"notification", "notification_delivery", "river_job"} {
		if n := count(t, db, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}

// A stop does not depend on the job queue: not on its tables being free, and
// not on their being there.
func TestAStopWithoutAJobQueue(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := subscribe(t, db, consenttest.Recipient, revokedTopic)
	stops := 0
	stop := func(ctx context.Context, name string) {
		stops++
		g := newGrant(t, db)
		if err := endGrant(ctx, db, g.ID); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if g, err := db.Grants().Grant(ctx, g.ID); err != nil || g.Status != consent.StatusRevoked {
			t.Errorf("%s: %s (%v)", name, g.Status, err)
		}
	}
	blocker, err := db.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec(ctx, "LOCK TABLE river_job IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	// A dozen would take twice as long if each waited for the lock for as
	// long as statements may.
	patience, cancel := context.WithTimeout(ctx, 12*lockTimeout/2)
	defer cancel()
	for range 12 {
		stop(patience, "locked")
	}
	if err := blocker.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "ALTER TABLE river_job RENAME TO gone")
	stop(ctx, "gone")
	exec(t, db, "ALTER TABLE gone RENAME TO river_job")
	if n := count(t, db, "SELECT count(*) FROM notification_delivery WHERE subscription_id = $1 AND state = 'pending'", string(s.ID)); n != stops {
		t.Errorf("%d deliveries, want %d", n, stops)
	}
	if n := count(t, db, "SELECT count(*) FROM river_job"); n != 0 {
		t.Errorf("%d jobs, want none yet", n)
	}
	exec(t, db, "UPDATE notification_delivery SET next_at = next_at - interval '2 minutes'")
	for range 2 { // the second finds nothing to do
		if err := db.Notices().Upkeep(ctx); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "SELECT count(*) FROM river_job WHERE kind = 'notification_delivery'"); n != stops {
			t.Errorf("%d jobs, want %d", n, stops)
		}
	}
}

// Of one grant in order, of several side by side.
func TestDeliveriesOfAGrantKeepTheirOrder(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := subscribe(t, db, consenttest.Recipient, updatedTopic)
	one, two := newGrant(t, db), newGrant(t, db)
	one = change(t, db, one)
	one = change(t, db, one)
	two = change(t, db, two)
	now := soonAfter()
	first, other := claim(t, db, s, now), claim(t, db, s, now)
	if first.Notification.Grant != one.ID || other.Notification.Grant != two.ID {
		t.Fatalf("claimed %s and %s", first.Notification.Grant, other.Notification.Grant)
	}
	expectNone(t, db, s, now)
	// A failure does not let the second one pass.
	settle(t, db, first, notice.Outcome{State: notice.Pending, Attempts: 1, Status: 500, NextAt: now.Add(time.Minute)})
	expectNone(t, db, s, now)
	if at, err := db.Notices().DueAt(ctx, notice.Key{Subscription: s.ID, Sequence: first.Notification.Sequence + 1}); err != nil || at.Sub(now).Round(time.Second) != time.Minute {
		t.Errorf("the second is due at %v (%v)", at, err)
	}
	again := claim(t, db, s, now.Add(2*time.Minute))
	if again.Notification != first.Notification || again.Attempts != 1 {
		t.Errorf("got %+v", again)
	}
	settle(t, db, again, notice.Outcome{State: notice.Delivered, Attempts: 2, Status: 204})
	// A late word about what is over changes nothing.
	settle(t, db, again, notice.Outcome{State: notice.Pending, Attempts: 9, NextAt: now})
	if _, err := db.Notices().DueAt(ctx, again.Key()); !errors.Is(err, notice.ErrNone) {
		t.Errorf("got %v, want ErrNone", err)
	}
	if second := claim(t, db, s, now.Add(2*time.Minute)); second.Notification.Grant != one.ID || second.Notification.Sequence <= first.Notification.Sequence {
		t.Errorf("got %+v", second)
	}
	// Nobody came back from the other: it is given out again after its lease.
	if d := claim(t, db, s, now.Add(3*time.Hour)); d.Notification.ID != other.Notification.ID {
		t.Errorf("got %+v", d)
	}
}

func TestClaimsUnderRace(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := subscribe(t, db, consenttest.Recipient, revokedTopic)
	for range 8 {
		if err := endGrant(ctx, db, newGrant(t, db).ID); err != nil {
			t.Fatal(err)
		}
	}
	var (
		mu   sync.Mutex
		seen = map[int64]int{}
		now  = soonAfter()
	)
	for _, err := range consenttest.Race(func(int) error {
		d, err := db.Notices().Claim(ctx, s.ID, now, time.Hour)
		if err == nil {
			mu.Lock()
			seen[d.Notification.Sequence]++
			mu.Unlock()
		}
		return err
	}) {
		if err != nil && !errors.Is(err, notice.ErrNone) {
			t.Error(err)
		}
	}
	for sequence, n := range seen {
		if n != 1 {
			t.Errorf("%d was claimed %d times", sequence, n)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := db.Notices()
	mine := subscribe(t, db, consenttest.Recipient, revokedTopic)
	got, err := s.Subscription(ctx, mine.Recipient, mine.ID)
	if got.CreatedAt.IsZero() {
		t.Error("no time of creation")
	}
	if got.CreatedAt = mine.CreatedAt; err != nil || got != mine {
		t.Errorf("got %+v (%v), want %+v", got, err, mine)
	}
	for name, id := range map[string]fdx.SubscriptionID{"somebody else's": mine.ID, "unknown": "none"} {
		if _, err := s.Subscription(ctx, consenttest.OtherRecipient, id); !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := s.Unsubscribe(ctx, consenttest.OtherRecipient, id); !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: deleted: %v", name, err)
		}
	}
	if err := endGrant(ctx, db, newGrant(t, db).ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Unsubscribe(ctx, mine.Recipient, mine.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Unsubscribe(ctx, mine.Recipient, mine.ID); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	if _, err := s.Subscription(ctx, mine.Recipient, mine.ID); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
	expectNone(t, db, mine, soonAfter())
	if n, err := s.Replay(ctx, "", mine.Recipient); err != nil || n != 0 {
		t.Errorf("replayed %d to a deleted subscription (%v)", n, err)
	}
}

func TestSubscriptionsAreLimited(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	var made, refused int
	for _, err := range consenttest.Race(func(int) error {
		return db.Notices().Subscribe(ctx, notice.Subscription{
			ID: fdx.SubscriptionID(uuid.NewString()), Recipient: consenttest.Recipient, Topic: revokedTopic, EffectiveDate: fdx.DateOf(time.Now()),
		})
	}) {
		switch {
		case err == nil:
			made++
		case errors.Is(err, notice.ErrTooMany):
			refused++
		default:
			t.Error(err)
		}
	}
	if made != notice.MaxSubscriptions || refused == 0 {
		t.Errorf("%d made, %d refused", made, refused)
	}
	subscribe(t, db, consenttest.OtherRecipient, revokedTopic)
}

func TestFeed(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := db.Notices()
	var want []consent.GrantID
	for range 3 {
		g := newGrant(t, db)
		want = append(want, g.ID)
		if err := endGrant(ctx, db, g.ID); err != nil {
			t.Fatal(err)
		}
	}
	if feed, err := s.Feed(ctx, consenttest.Recipient, "", 10); err != nil || len(feed) != 0 {
		t.Errorf("too early: %d (%v)", len(feed), err)
	}
	exec(t, db, "UPDATE notification SET created_at = created_at - interval '1 minute' WHERE sequence IN (1, 3)")
	if feed, err := s.Feed(ctx, consenttest.Recipient, "", 10); err != nil || len(feed) != 1 {
		t.Errorf("beyond one that is too young: %d (%v)", len(feed), err)
	}
	exec(t, db, "UPDATE notification SET created_at = created_at - interval '1 minute' WHERE sequence = 2")
	var got []consent.GrantID
	var last fdx.NotificationID
	for range 4 {
		page, err := s.Feed(ctx, consenttest.Recipient, last, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range page {
			got, last = append(got, n.Grant), n.ID
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for name, after := range map[string]fdx.NotificationID{"somebody else's": last, "unknown": "none"} {
		if _, err := s.Feed(ctx, consenttest.OtherRecipient, after, 5); !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if feed, err := s.Feed(ctx, consenttest.OtherRecipient, "", 5); err != nil || feed != nil {
		t.Errorf("somebody else's feed: %v (%v)", feed, err)
	}
	exec(t, db, "UPDATE notification SET created_at = created_at - interval '30 days' WHERE notification_id = $1", string(last))
	if swept, err := db.Sweep(ctx, 10); err != nil || swept.Pruned != 1 {
		t.Errorf("swept %+v (%v)", swept, err)
	}
}

func TestExpiringGrantsAreToldOnce(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := subscribe(t, db, consenttest.Recipient, notice.Custom())
	// A grant of 90 days, seen from so many days before its end.
	old := newGrant(t, db)
	at := func(before string) []string {
		exec(t, db, "UPDATE consent_grant SET created_at = now() + $2::interval - interval '90 days', expires_at = date_trunc('second', now()) + $2::interval WHERE grant_id = $1", string(old.ID), before)
		for range 2 {
			if err := db.Notices().Upkeep(ctx); err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		rows, err := db.pool.Query(ctx, "SELECT split_part(once, '/', 3) FROM notification WHERE grant_id = $1 AND field_name = 'CONSENT_EXPIRING' ORDER BY sequence", string(old.ID))
		if err != nil {
			t.Fatal(err)
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, "UPDATE notification SET once = 'old' || sequence || '/x/' || split_part(once, '/', 3) WHERE once NOT LIKE 'old%'")
		exec(t, db, "DELETE FROM notification_delivery")
		exec(t, db, "DELETE FROM notification")
		return names
	}
	for _, tc := range []struct {
		before string
		want   []string
	}{
		{"30 days 1 minute", nil},
		{"29 days 23 hours", []string{"30"}},
		{"7 days 1 minute", []string{"30"}},
		{"7 days", []string{"7"}},
		{"1 day 1 minute", []string{"7"}},
		{"23 hours", []string{"1"}},
		{"3 seconds", []string{"1"}}, // and up to one less, because an end is a whole second
	} {
		if got := at(tc.before); !slices.Equal(got, tc.want) {
			t.Errorf("%s before the end: told %v, want %v", tc.before, got, tc.want)
		}
	}
	exec(t, db, "UPDATE consent_grant SET status = 'REVOKED', ended_at = now(), ended_by = 'INDIVIDUAL' WHERE grant_id = $1", string(old.ID))
	young := newGrant(t, db) // of 30 days, just made
	short := newGrant(t, db)
	exec(t, db, "UPDATE consent_grant SET expires_at = created_at + interval '1 hour' WHERE grant_id = $1", string(short.ID))
	if err := db.Notices().Upkeep(ctx); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "SELECT count(*) FROM notification"); n != 0 {
		t.Errorf("%d told of a revoked, a new and a short grant", n)
	}
	// It is told, and told again after a change moved the end.
	exec(t, db, "UPDATE consent_grant SET created_at = now() - interval '24 days', expires_at = date_trunc('second', now()) + interval '6 days' WHERE grant_id = $1", string(young.ID))
	if err := db.Notices().Upkeep(ctx); err != nil {
		t.Fatal(err)
	}
	d := claim(t, db, s, soonAfter())
	g, err := db.Grants().Grant(ctx, young.ID)
	if err != nil {
		t.Fatal(err)
	}
	if f := d.Notification.Payload.CustomField; f.Name != notice.FieldExpiring || f.Value != g.ExpiresAt.Format(time.RFC3339) || d.Notification.Grant != young.ID {
		t.Errorf("got %+v, want %v", d.Notification, g.ExpiresAt)
	}
	exec(t, db, "UPDATE consent_grant SET expires_at = expires_at + interval '1 hour' WHERE grant_id = $1", string(young.ID))
	if err := db.Notices().Upkeep(ctx); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "SELECT count(*) FROM notification"); n != 2 {
		t.Errorf("%d told, want 2", n)
	}
}

func TestARemovedAccountIsToldOnce(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := subscribe(t, db, consenttest.Recipient, notice.Custom())
	held, ended := newGrant(t, db), newGrant(t, db)
	if err := endGrant(ctx, db, ended.ID); err != nil {
		t.Fatal(err)
	}
	for account, want := range map[fdx.AccountID]int{"account": 0, "account-2": 0, fdx.AccountID(held.Consumer): 0} {
		if n, err := db.Notices().AccountRemoved(ctx, account); err != nil || n != want {
			t.Errorf("%s: told %d (%v)", account, n, err)
		}
	}
	for _, want := range []int{1, 0} {
		if n, err := db.Notices().AccountRemoved(ctx, "account-1"); err != nil || n != want {
			t.Errorf("told %d (%v), want %d", n, err, want)
		}
	}
	d := claim(t, db, s, soonAfter())
	if f := d.Notification.Payload.CustomField; f != (fdx.CustomField{Name: notice.FieldAccountRemoved, Value: "account-1"}) || d.Notification.Grant != held.ID {
		t.Errorf("got %+v", d.Notification)
	}
	if g, err := db.Grants().Grant(ctx, held.ID); err != nil || g.Status != consent.StatusActive || g.Epoch != 1 {
		t.Errorf("the grant became %+v (%v)", g, err)
	}
}

func TestAnOutageIsTold(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := subscribe(t, db, consenttest.Recipient, notice.Outage())
	exec(t, db, "UPDATE recipient SET status = 'suspended' WHERE recipient_id = $1", string(consenttest.OtherRecipient))
	from := time.Date(2026, 12, 1, 2, 0, 0, 0, time.FixedZone("", 3600))
	if n, err := db.Notices().Outage(ctx, "m1", from, from.Add(2*time.Hour), "new discs"); err != nil || n != 1 {
		t.Errorf("told %d (%v), want 1", n, err)
	}
	n := claim(t, db, s, soonAfter()).Notification
	want := fdx.NotificationPayload{ID: "m1", IDType: fdx.MaintenancePayload, CustomField: fdx.CustomField{
		Name: notice.FieldOutage, Value: "2026-12-01T01:00:00Z/2026-12-01T03:00:00Z new discs",
	}}
	if n.Payload != want || n.Topic != notice.Outage() || n.Grant != "" {
		t.Errorf("got %+v", n)
	}
}

func TestDeadLettersAreReplayed(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := subscribe(t, db, consenttest.Recipient, revokedTopic)
	if err := endGrant(ctx, db, newGrant(t, db).ID); err != nil {
		t.Fatal(err)
	}
	d := claim(t, db, s, soonAfter())
	if letters, err := db.Notices().DeadLetters(ctx, "", 5); err != nil || letters != nil {
		t.Errorf("dead too early: %v (%v)", letters, err)
	}
	settle(t, db, d, notice.Outcome{State: notice.Dead, Attempts: 7, Status: 500})
	exec(t, db, "UPDATE notification_delivery SET since = since - interval '4 days'")
	for who, want := range map[consent.RecipientID]int{"": 1, consenttest.Recipient: 1, consenttest.OtherRecipient: 0} {
		letters, err := db.Notices().DeadLetters(ctx, who, 5)
		if err != nil || len(letters) != want {
			t.Errorf("%s: %d letters (%v), want %d", who, len(letters), err, want)
		}
		if want == 1 && (letters[0].Key != d.Key() || letters[0].Notification != d.Notification.ID || letters[0].Attempts != 7 || letters[0].Status != 500) {
			t.Errorf("got %+v", letters[0])
		}
	}
	expectNone(t, db, s, soonAfter())
	exec(t, db, "DELETE FROM river_job")
	if _, err := db.Notices().Replay(ctx, "", ""); err == nil {
		t.Error("replayed everything")
	}
	for _, tc := range []struct {
		id   fdx.NotificationID
		who  consent.RecipientID
		want int
	}{{"none", "", 0}, {"", consenttest.OtherRecipient, 0}, {d.Notification.ID, consenttest.OtherRecipient, 0}, {d.Notification.ID, "", 1}, {d.Notification.ID, "", 0}} {
		if n, err := db.Notices().Replay(ctx, tc.id, tc.who); err != nil || n != tc.want {
			t.Errorf("%+v: replayed %d (%v)", tc, n, err)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM river_job"); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
	again := claim(t, db, s, soonAfter())
	if again.Notification != d.Notification || again.Attempts != 0 || time.Since(again.Since) > time.Hour {
		t.Errorf("got %+v", again)
	}
}

// The workers take up what was told, and what they are to do again later.
func TestRunJobs(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	s := subscribe(t, db, consenttest.Recipient, revokedTopic)
	ctx, stop := context.WithCancel(context.Background())
	worked, ended, rules := make(chan notice.Key), make(chan error, 1), usual(t)
	calls := 0
	go func() {
		ended <- db.RunJobs(ctx, JobsConfig{
			Rules: rules, Workers: 1, Grace: time.Second, Log: slog.New(slog.DiscardHandler),
			Deliver: func(ctx context.Context, k notice.Key) (time.Duration, error) {
				calls++ // one worker
				worked <- k
				switch calls {
				case 1:
					return time.Millisecond, nil
				case 2:
					return 0, errors.New("the database is away")
				default:
					return 0, nil
				}
			},
		})
	}()
	if err := endGrant(context.Background(), db, newGrant(t, db).ID); err != nil {
		t.Fatal(err)
	}
	want := notice.Key{Subscription: s.ID, Sequence: 1}
	for range 3 {
		if got := <-worked; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := db.RunJobs(context.Background(), JobsConfig{}); err == nil {
		t.Error("ran without configuration")
	}
}

// What a killed process held is carried by another within seconds, and makes
// one job more.
func TestAKilledProcessHoldsNothingUp(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	s := subscribe(t, db, consenttest.Recipient, revokedTopic)
	if err := endGrant(context.Background(), db, newGrant(t, db).ID); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{killed}'")
	ctx, stop := context.WithCancel(context.Background())
	worked, ended, rules := make(chan notice.Key, 100), make(chan error, 1), usual(t)
	go func() {
		ended <- db.RunJobs(ctx, JobsConfig{
			Rules: rules, Workers: 1, Grace: time.Second, Log: slog.New(slog.DiscardHandler),
			Deliver: func(_ context.Context, k notice.Key) (time.Duration, error) {
				worked <- k
				return time.Hour, nil // still pending
			},
		})
	}()
	select {
	case got := <-worked:
		if want := (notice.Key{Subscription: s.ID, Sequence: 1}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	case <-time.After(rescueAfter - 10*time.Second): // the queue itself comes later
		t.Error("nobody comes for it")
	}
	if err := db.Notices().remindForgotten(ctx); err != nil {
		t.Error(err)
	}
	if n := count(t, db, "SELECT count(*) FROM river_job WHERE kind = 'notification_delivery'"); n != 2 {
		t.Errorf("%d jobs, want 2", n)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestMigrateMakesTheJobQueue(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), emptyDatabase(t)
	if err := Migrate(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	db := openAt(t, dsn)
	// A newer version of the queue is left alone.
	exec(t, db, "INSERT INTO river_migration (version, line) VALUES (999, 'main')")
	if err := Migrate(ctx, dsn); err != nil {
		t.Error(err)
	}
	subscribe(t, db, consenttest.Recipient, revokedTopic)
	if err := endGrant(ctx, db, newGrant(t, db).ID); err != nil {
		t.Error(err)
	}
}
