package postgres

import (
	"context"
	"errors"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/headgate/headgate/resource"
)

// deploy/roles.sql: the programs work with it, and cannot rewrite.
func TestApplicationRole(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), env.Postgres(t)
	owner := openAt(t, dsn)
	roles, err := os.ReadFile("../../deploy/roles.sql")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		exec(t, owner, string(roles))
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("role", "headgate_app")
	u.RawQuery = q.Encode()
	db := openAt(t, u.String())
	if n := count(t, db, "SELECT count(*) FROM pg_roles WHERE rolname = current_user AND rolname = 'headgate_app' AND NOT rolsuper"); n != 1 {
		t.Fatal("the role is not in force")
	}

	gate, g := newGate(t, db, GateConfig{}), newGrant(t, db)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: newProof()}, resource.Released)
	if _, err := db.Sweep(ctx, 10); err != nil {
		t.Error(err)
	}
	s, v := key(t)
	sequence(t, db, s)
	if _, err := db.Ledger().Probe(ctx); err != nil {
		t.Error(err)
	}
	sequence(t, db, s)
	clean(t, verify(t, u.String(), v), 2)
	if err := db.Check(ctx); err != nil {
		t.Error(err)
	}
	if _, _, err := ledger.ProveRecord(ctx, db.Ledger(), v, ledger.ID{}); err == nil {
		t.Error("proved a record that is not there")
	}

	// What ended years ago goes without the right to delete it; months do not.
	exec(t, owner, `UPDATE consent_grant SET created_at = clock_timestamp() - interval '20 years', expires_at = clock_timestamp() - interval '19 years',
		status = 'EXPIRED', ended_at = clock_timestamp() - interval '19 years', ended_by = 'TIME' WHERE grant_id = $1`, string(g.ID))
	done, err := db.Retain(ctx, usual(t), time.Now().AddDate(20, 0, 0), 2, false)
	if done.Grants != 1 || len(done.Months) != 0 || !errors.Is(err, ErrOwner) {
		t.Errorf("%+v, %v, want one grant and ErrOwner", done, err)
	}

	for _, sql := range []string{
		"SET session_replication_role = replica", "ALTER TABLE access_record DISABLE TRIGGER ALL", "DROP TABLE access_record",
		"UPDATE access_record SET reason = 'x'", "DELETE FROM access_record", "TRUNCATE access_record",
		"SELECT count(*) FROM access_record_first", "INSERT INTO access_record_other SELECT FROM access_record LIMIT 0", "DELETE FROM access_record_first",
		"UPDATE access_leaf SET leaf_index = 1", "DELETE FROM access_leaf", "DELETE FROM access_node", "DELETE FROM access_checkpoint",
		"UPDATE access_checkpoint SET note = ''", "DELETE FROM access_tree", "DELETE FROM access_retired",
		"INSERT INTO access_retired (name, from_id, until_id, records, size) VALUES ('x', gen_random_uuid(), gen_random_uuid(), 0, 0)",
		"UPDATE consent_event SET reason = 'x'", "DELETE FROM staff_lookup", "DELETE FROM sharing_switch", "DELETE FROM goose_db_version",
	} {
		if _, err := db.pool.Exec(ctx, sql); !hasCode(err, "42501") { // insufficient_privilege
			t.Errorf("%s: %v", sql, err)
		}
	}
}
