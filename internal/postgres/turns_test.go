package postgres

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
)

// turned returns the last turn of something; none is a zero one.
func turned(t testing.TB, db *DB, of consent.TurnOf, id string) consent.Turn {
	t.Helper()
	all, err := db.Journal().Turned(context.Background(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if one.Of == of && one.ID == id {
			return one
		}
	}
	return consent.Turn{}
}

// Each statement that changes the state of a recipient says since when, those
// of a version before included, and none that changes something else does.
func TestEachChangeOfStateIsATurn(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	ctx, id := t.Context(), consenttest.Recipient
	r, err := db.Recipients().Recipient(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	last := turned(t, db, consent.TurnOfRecipient, string(id))
	if last.State != "active" {
		t.Fatalf("got %+v", last)
	}
	move := func(from, to consent.RecipientStatus) func() {
		return func() {
			if err := db.Registrations().Move(ctx, id, from, to, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	put := func(status consent.RecipientStatus, name string) func() {
		return func() {
			r.Status, r.Name = status, name
			if err := db.Recipients().PutRecipient(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want string // "" is no turn
	}{
		{"suspended", move("active", "suspended"), "suspended"},
		{"lifted", move("suspended", "active"), "active"},
		{"another name", put("active", "another"), ""},
		{"put as suspended", put("suspended", "another"), "suspended"},
		{"by a version before", func() { exec(t, db, "UPDATE recipient SET status = 'restricted' WHERE recipient_id = $1", string(id)) }, "restricted"},
		{"a quota", func() {
			if err := db.Registrations().SetQuota(ctx, id, 7); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"after the clock was set back", func() {
			exec(t, db, "UPDATE recipient SET status_at = status_at + interval '1 hour' WHERE recipient_id = $1", string(id))
			last = turned(t, db, consent.TurnOfRecipient, string(id))
			exec(t, db, "UPDATE recipient SET status = 'suspended' WHERE recipient_id = $1", string(id))
		}, "suspended"},
		{"closed", move("suspended", "closed"), "closed"},
	} {
		step.do()
		got := turned(t, db, consent.TurnOfRecipient, string(id))
		if step.want == "" {
			if got != last {
				t.Errorf("%s: a turn to %+v", step.name, got)
			}
		} else if string(got.State) != step.want || !got.Since.After(last.Since) {
			t.Errorf("%s: got %+v after %+v", step.name, got, last)
		}
		last = got
	}
	exec(t, db, "UPDATE recipient SET status_at = status_at - interval '4 hours'")
	if got := turned(t, db, consent.TurnOfRecipient, string(id)); got != (consent.Turn{}) {
		t.Errorf("hours later: got %+v", got)
	}
}

// A turn is stored once, never in place of a later one, and opens nothing that
// is closed or was not approved.
func TestTurnOfARecipient(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	ctx, j := t.Context(), db.Journal()
	id := string(consenttest.Recipient)
	at := time.Now().UTC().Truncate(time.Microsecond)
	access := randomHash()
	r := operators(consent.RecipientID(id) + "-own")
	r.Access = access
	if err := db.Registrations().Register(ctx, r); err != nil {
		t.Fatal(err)
	}
	own := string(r.Recipient.ID)
	state := func(id, status string, since time.Time) {
		exec(t, db, "UPDATE recipient SET status = $2, status_at = $3 WHERE recipient_id = $1", id, status, since)
	}
	for _, c := range []struct {
		is, turn, want string
		after          time.Duration // of the turn, after what is stored
		behind         bool
	}{
		{"active", "suspended", "suspended", time.Microsecond, true},
		{"suspended", "active", "active", time.Hour, true},
		{"active", "active", "active", time.Hour, true}, // suspended and lifted
		{"active", "suspended", "active", 0, false},
		{"active", "suspended", "active", -time.Hour, false},
		{"restricted", "pending", "pending", time.Hour, true},
		{"pending", "active", "pending", time.Hour, true},
		{"pending", "suspended", "pending", time.Hour, true},
		{"closed", "active", "closed", time.Hour, true},
		{"pending", "closed", "closed", time.Hour, true},
		{"suspended", "closed", "closed", time.Hour, true},
	} {
		state(own, c.is, at)
		turn := consent.Turn{Of: consent.TurnOfRecipient, ID: own, State: consent.TurnState(c.turn), Since: at.Add(c.after)}
		nobody := turn
		nobody.ID = "nobody"
		want := []consent.Turn(nil)
		if c.behind {
			want = []consent.Turn{turn}
		}
		if got, err := j.Behind(ctx, []consent.Turn{nobody, turn}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: behind %v (%v)", c, got, err)
		}
		for range 2 {
			if err := j.Turn(ctx, turn); err != nil {
				t.Fatal(err)
			}
			got, err := db.Recipients().Recipient(ctx, consent.RecipientID(own))
			if err != nil || string(got.Status) != c.want {
				t.Errorf("%+v: %s (%v)", c, got.Status, err)
			}
		}
		if got, err := j.Behind(ctx, []consent.Turn{turn}); err != nil || got != nil {
			t.Errorf("%+v: still behind %v (%v)", c, got, err)
		}
		if n := count(t, db, "SELECT count(*) FROM registration WHERE recipient_id = $1 AND access_hash IS NULL", own); (n == 1) != (c.want == "closed") {
			t.Errorf("%+v: %d registrations without a token", c, n)
		}
		exec(t, db, "UPDATE registration SET access_hash = $2 WHERE recipient_id = $1", own, access[:])
	}
	if got, err := db.Recipients().Recipient(ctx, consenttest.Recipient); err != nil || got.Status != consent.RecipientActive {
		t.Errorf("another one is %s (%v)", got.Status, err)
	}
	if err := j.Turn(ctx, consent.Turn{Of: consent.TurnOfRecipient, ID: id, State: "gone", Since: at}); err == nil {
		t.Error("an unknown state is stored")
	}
}

// The switch of a person and an erasure come back, each once.
func TestTurnOfAPerson(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	ctx, j := t.Context(), db.Journal()
	if err := db.Switch().SwitchSharing(ctx, "ada", true); err != nil {
		t.Fatal(err)
	}
	if err := db.Switch().SwitchSharing(ctx, "ada", false); err != nil {
		t.Fatal(err)
	}
	p := pseudonym(t, db, "ada")
	was := turned(t, db, consent.TurnOfSharing, p)
	if was.State != consent.TurnOn {
		t.Fatalf("got %+v", was)
	}
	off := consent.Turn{Of: consent.TurnOfSharing, ID: p, State: consent.TurnOff, Since: was.Since.Add(time.Microsecond)}
	unknown := off
	unknown.ID = "p-nobody"
	older := consent.Turn{Of: consent.TurnOfSharing, ID: p, State: consent.TurnOff, Since: was.Since.Add(-time.Second)}
	gone := consent.Turn{Of: consent.TurnOfPerson, ID: p, State: consent.TurnErased, Since: was.Since.Add(3 * time.Microsecond)}
	if got, err := j.Behind(ctx, []consent.Turn{unknown, older, off, gone}); err != nil || !slices.Equal(got, []consent.Turn{off, gone}) {
		t.Errorf("behind: %v (%v)", got, err)
	}
	for range 2 {
		for _, turn := range []consent.Turn{unknown, older, off} {
			if err := j.Turn(ctx, turn); err != nil {
				t.Fatal(err)
			}
		}
		if since, err := db.Switch().SharingOff(ctx, "ada"); err != nil || !since.Equal(off.Since) {
			t.Errorf("off since %v (%v), want %v", since, err, off.Since)
		}
	}
	if got, err := db.Switch().Switchings(ctx, "ada", time.Time{}, 9); err != nil || len(got) != 3 {
		t.Errorf("the history has %v (%v), want one more", got, err)
	}
	on := off
	on.State, on.Since = consent.TurnOn, off.Since.Add(time.Microsecond)
	if err := j.Turn(ctx, on); err != nil {
		t.Fatal(err)
	}
	if since, err := db.Switch().SharingOff(ctx, "ada"); err != nil || !since.IsZero() {
		t.Errorf("off since %v (%v), want on", since, err)
	}
	for _, want := range []int{1, 0} {
		if err := j.Turn(ctx, gone); err != nil {
			t.Fatal(err)
		}
		if n, err := j.EraseDue(ctx, 5); err != nil || n != want {
			t.Errorf("erased %d (%v), want %d", n, err, want)
		}
	}
	if got, err := j.Behind(ctx, []consent.Turn{off, on, gone}); err != nil || got != nil {
		t.Errorf("an erased person is behind: %v (%v)", got, err)
	}
	if err := j.Turn(ctx, off); err != nil { // about nobody
		t.Fatal(err)
	}
	if got := turned(t, db, consent.TurnOfPerson, p); got.State != consent.TurnErased {
		t.Errorf("got %+v", got)
	}
	if n := count(t, db, "SELECT count(*) FROM person WHERE bank_id = 'ada' OR sharing_off_at IS NOT NULL"); n != 0 {
		t.Errorf("%d rows are about an erased person", n)
	}
}

// A backup of the version before does not come up newer than the journal.
func TestMigrationDatesStatesBack(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), emptyDatabase(t)
	migrateTo(t, dsn, 28)
	db := openAt(t, dsn)
	exec(t, db, "UPDATE recipient SET updated_at = '2026-01-01'")
	if err := Migrate(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "SELECT count(*) FROM recipient WHERE status_at <> '2026-01-01'"); n != 0 {
		t.Errorf("%d states are dated otherwise", n)
	}
}
