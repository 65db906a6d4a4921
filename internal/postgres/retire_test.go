package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/audit/ledger"
)

func TestRetiredMonths(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), env.Postgres(t)
	db := openAt(t, dsn)
	s, v := key(t)
	insertRecords(t, db, 400) // of this month and the next three
	sequence(t, db, s)
	insertRecords(t, db, 4) // under no checkpoint
	// The first partition ends at the end of the month after this one.
	bound := time.Now().UTC().AddDate(0, 2, 1-time.Now().UTC().Day()).Truncate(24 * time.Hour)

	if done, err := db.Retire(ctx, bound.Add(-time.Hour), 400); len(done) != 0 || err != nil {
		t.Errorf("before its end: %v, %v", done, err)
	}
	if done, err := db.Retire(ctx, bound, 400); len(done) != 0 || !errors.Is(err, ErrNotCovered) {
		t.Errorf("with records without a leaf: %v, %v, want ErrNotCovered", done, err)
	}
	sequence(t, db, s)
	if done, err := db.Retire(ctx, bound, 401); len(done) != 0 || !errors.Is(err, ErrNotCovered) {
		t.Errorf("with a checkpoint that does not cover all: %v, %v, want ErrNotCovered", done, err)
	}
	clean(t, verify(t, dsn, v), 404)
	done, err := db.Retire(ctx, bound, 404)
	if err != nil || len(done) != 1 || done[0].Name != "access_record_first" || done[0].Records != 202 {
		t.Fatalf("%+v, %v", done, err)
	}
	r := verify(t, dsn, v)
	clean(t, r, 404)
	if r.Retired != 202 {
		t.Errorf("%d retired", r.Retired)
	}
	// Others are still missed, and the tree goes on.
	insertRecords(t, db, 4)
	sequence(t, db, s)
	clean(t, verify(t, dsn, v), 408)
	asSuperuser(t, db, "DELETE FROM access_record WHERE request_id = (SELECT request_id FROM access_leaf l JOIN access_record r USING (request_id) WHERE leaf_index < 404 LIMIT 1)")
	if r := verify(t, dsn, v); r.Found != 1 || r.Differences[0].Kind != ledger.Missing {
		t.Errorf("%v", r.Differences)
	}
	if done, err := db.Retire(ctx, bound, 408); len(done) != 0 || err != nil {
		t.Errorf("again: %v, %v", done, err)
	}
}
