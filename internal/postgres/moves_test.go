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
	got, err := db.Grants().Moved(ctx, time.Minute)
	if want := []consent.Move{{Grant: twice.ID, Epoch: 3}, {Grant: stopped.ID, Epoch: 2}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
	exec(t, db, "ALTER TABLE consent_event DISABLE TRIGGER consent_event_append_only")
	exec(t, db, "UPDATE consent_event SET at = at - interval '1 hour' WHERE epoch > 1")
	if got, err := db.Grants().Moved(ctx, time.Minute); err != nil || got != nil {
		t.Errorf("an hour later: got %v (%v), want nil", got, err)
	}
}
