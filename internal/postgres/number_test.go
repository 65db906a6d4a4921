package postgres

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/headgate/headgate/resource"
)

// gapless is how many lanes have all their numbers, of how many.
const gapless = `SELECT count(*) FROM (SELECT lane FROM access_record GROUP BY lane HAVING lane <> '' AND min(counter) = 1 AND max(counter) = count(*)) l`

func TestRecordsAreNumberedWithoutGap(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), env.Postgres(t)
	db := openAt(t, dsn)
	gate, g, gone := newGate(t, db, GateConfig{Lanes: 3, MaxBatch: 8}), newGrant(t, db), newGrant(t, db)
	gone.Epoch++ // withheld
	proof := newProof()
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			for range 10 {
				r := resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}
				switch i % 4 {
				case 1:
					r.Record = newRecord(gone)
					r.Record.Epoch = 7
				case 2:
					r.Record.Outcome, r.Record.Reason = audit.Refused, "603"
				case 3:
					r.Proof = proof // one of them wins
				}
				if _, err := gate.Release(ctx, r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	const stored = 24/4*10*2 + 1
	if n := count(t, db, "SELECT count(*) FROM access_record"); n != stored {
		t.Fatalf("%d records, want %d", n, stored)
	}
	lanes := count(t, db, "SELECT count(DISTINCT lane) FROM access_record")
	if n := count(t, db, gapless); n != lanes || lanes > 3 {
		t.Errorf("%d of %d lanes are without a gap", n, lanes)
	}

	// A request id that was there before ends a lane, and an error does.
	r := newRecord(g)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: r}, resource.Released)
	if _, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: r}); err == nil {
		t.Error("a request id was recorded twice")
	}
	exec(t, db, "ALTER TABLE access_record ADD CONSTRAINT nobody CHECK (operation <> 'broken')")
	r = newRecord(g)
	r.Operation = "broken"
	if _, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: r}); err == nil {
		t.Error("a record went past a constraint")
	}
	for range 5 {
		expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}, resource.Released)
	}
	lanes = count(t, db, "SELECT count(DISTINCT lane) FROM access_record")
	if n := count(t, db, gapless); n != lanes {
		t.Errorf("%d of %d lanes are without a gap", n, lanes)
	}
	s, v := key(t)
	sequence(t, db, s)
	clean(t, verify(t, dsn, v), stored+6)
}

// A record that is removed before it gets its leaf.
func TestARecordThatWasNeverInTheTreeIsMissed(t *testing.T) {
	t.Parallel()
	dsn := env.Postgres(t)
	db := openAt(t, dsn)
	s, v := key(t)
	gate, g := newGate(t, db, GateConfig{Lanes: 1}), newGrant(t, db)
	var ids []uuid.UUID
	for range 10 {
		r := newRecord(g)
		ids = append(ids, r.RequestID)
		expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: r}, resource.Released)
	}
	asSuperuser(t, db, "DELETE FROM access_record WHERE request_id = '"+ids[4].String()+"'")
	sequence(t, db, s)
	if r := verify(t, dsn, v); r.Found != 1 || r.Differences[0].Kind != ledger.Gap {
		t.Errorf("%v", r.Differences)
	}
}

// A statement of which only a part is in the tree yet.
func TestHalfAStatementIsNoGap(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), env.Postgres(t)
	db := openAt(t, dsn)
	_, v := key(t)
	g := newGrant(t, db)
	var rows []gateRow
	for range 9 {
		rows = append(rows, rowsOf(t, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})...)
	}
	rows[0], rows[8] = rows[8], rows[0]
	if _, err := db.releaseRows(ctx, newNumbering(), rows); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Ledger().Append(ctx, 5); err != nil {
		t.Fatal(err)
	}
	for _, d := range verify(t, dsn, v).Differences {
		if d.Kind != ledger.Added {
			t.Errorf("found %s", d)
		}
	}
}
