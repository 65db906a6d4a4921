package postgres

import (
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
)

func TestMoved(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	ctx := t.Context()
	newGrant(t, db) // as it was given: no cache holds anything older
	stopped, twice := newGrant(t, db), newGrant(t, db)
	for _, g := range []consent.Grant{stopped, twice} {
		if err := endGrant(ctx, db, g.ID); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, db, `UPDATE consent_grant SET epoch = 3 WHERE grant_id = $1`, string(twice.ID))
	exec(t, db, `INSERT INTO consent_event (grant_id, epoch, kind, actor, reason, at) VALUES ($1, 3, 'tokens_revoked', 'DATA_PROVIDER', '', clock_timestamp())`, string(twice.ID))
	lately := append(consent.Within(time.Minute), consent.Span{Most: time.Hour / 2}) // each once all the same
	got, err := db.Grants().Moved(ctx, lately)
	if want := []consent.Move{{Grant: twice.ID, Epoch: 3}, {Grant: stopped.ID, Epoch: 2}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
	exec(t, db, "ALTER TABLE consent_event DISABLE TRIGGER consent_event_append_only")
	exec(t, db, "UPDATE consent_event SET at = at - interval '1 hour' WHERE epoch > 1")
	if got, err := db.Grants().Moved(ctx, lately); err != nil || got != nil {
		t.Errorf("an hour later: got %v (%v), want nil", got, err)
	}
	hour := []consent.Span{{Over: 59 * time.Minute, Most: 61 * time.Minute}}
	if got, err := db.Grants().Moved(ctx, hour); err != nil || len(got) != 2 {
		t.Errorf("of an hour ago: got %v (%v)", got, err)
	}
}

func TestStoppedRecipients(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	g := newGrant(t, db)
	lately := append(consent.Within(time.Minute), consent.Span{Most: time.Hour})
	for _, step := range []struct {
		status string
		want   int
	}{{"active", 0}, {"restricted", 0}, {"suspended", 1}, {"pending", 1}, {"closed", 1}} {
		exec(t, db, `UPDATE recipient SET status = $2, updated_at = clock_timestamp() WHERE recipient_id = $1`, string(g.Recipient), step.status)
		got, err := db.Grants().Stopped(t.Context(), lately)
		if err != nil || len(got) != step.want || step.want == 1 && got[0] != g.Recipient {
			t.Errorf("%s: got %v (%v)", step.status, got, err)
		}
	}
	exec(t, db, `UPDATE recipient SET updated_at = updated_at - interval '2 hours'`)
	if got, err := db.Grants().Stopped(t.Context(), lately); err != nil || got != nil {
		t.Errorf("two hours later: got %v (%v), want nil", got, err)
	}
}
