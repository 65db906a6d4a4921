package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// tampering is a change of the records by somebody who administers the
// database and knows its triggers.
type tampering struct{ name, change, back string }

// The records are those of reads; all but the newest have leaves by the time.
// One and other are two of them, kept aside, so that each change can be taken
// back.
var tamperings = []tampering{
	{"attended turned", `UPDATE access_record SET attended = NOT attended WHERE request_id = (SELECT request_id FROM fault_one)`,
		`UPDATE access_record SET attended = NOT attended WHERE request_id = (SELECT request_id FROM fault_one)`},
	{"recipient changed", `UPDATE access_record SET recipient_id = 'nobody' WHERE request_id = (SELECT request_id FROM fault_one)`,
		`UPDATE access_record SET recipient_id = (SELECT recipient_id FROM fault_one) WHERE request_id = (SELECT request_id FROM fault_one)`},
	{"record deleted", `DELETE FROM access_record WHERE request_id = (SELECT request_id FROM fault_one)`,
		`INSERT INTO access_record SELECT * FROM fault_one`},
	{"leaves swapped", swapLeaves, swapLeaves},
	// As old as another one: whoever numbers the leaves is past it.
	{"record added", `CREATE TABLE fault_new AS SELECT * FROM fault_one;
		UPDATE fault_new SET request_id = overlay(request_id::text PLACING 'bfff' FROM 20 FOR 4)::uuid, lane = '', counter = 0;
		INSERT INTO access_record SELECT * FROM fault_new`,
		`DELETE FROM access_record WHERE request_id = (SELECT request_id FROM fault_new); DROP TABLE fault_new`},
}

// Each leaf still is that of its record; only the order is another.
const swapLeaves = `
	CREATE TEMP TABLE fault_at AS SELECT l.leaf_index, l.request_id FROM access_leaf l
		WHERE l.request_id IN (SELECT request_id FROM fault_one UNION SELECT request_id FROM fault_other);
	DELETE FROM access_leaf WHERE request_id IN (SELECT request_id FROM fault_at);
	INSERT INTO access_leaf (leaf_index, request_id, hash)
		SELECT (SELECT b.leaf_index FROM fault_at b WHERE b.request_id <> a.request_id), a.request_id, h.hash
		FROM fault_at a JOIN fault_hash h ON h.request_id = a.request_id;
	DROP TABLE fault_at`

// tamper changes records behind the product's back, one change after the other,
// and has the operator's tool verify them each time: A2. Only those whose name
// matches.
func (d *driver) tamper(ctx context.Context, only *regexp.Regexp) (finding, error) {
	f := finding{ID: "A2", What: "the records lead to every checkpoint, and what is changed in them is found"}
	conn, err := d.stack.postgres.connect(ctx)
	if err != nil {
		return f, err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is under way
	// Triggers refuse rewriting; an administrator can switch them off.
	if _, err := conn.Exec(ctx, "SET session_replication_role = replica"); err != nil {
		return f, err
	}
	f.Trials++
	if err := d.settled(ctx, conn); err != nil {
		f.bad("%v", err)
		return f, nil
	}
	_, err = conn.Exec(ctx, `
		DROP TABLE IF EXISTS fault_one, fault_other, fault_hash;
		CREATE TABLE fault_one AS SELECT r.* FROM access_record r JOIN access_leaf l USING (request_id) WHERE r.grant_id <> '' ORDER BY l.leaf_index LIMIT 1;
		CREATE TABLE fault_other AS SELECT r.* FROM access_record r JOIN access_leaf l USING (request_id)
			WHERE r.grant_id <> '' AND r.request_id <> (SELECT request_id FROM fault_one) ORDER BY l.leaf_index LIMIT 1;
		CREATE TABLE fault_hash AS SELECT request_id, hash FROM access_leaf
			WHERE request_id IN (SELECT request_id FROM fault_one UNION SELECT request_id FROM fault_other)`)
	if err != nil {
		return f, err
	}
	clean := d.verify()
	f.Trials++
	f.Bad, f.Notes = clean.Bad, clean.Notes
	if len(f.Bad) > 0 {
		return f, nil
	}
	for _, t := range tamperings {
		if only != nil && !only.MatchString(t.name) {
			continue
		}
		f.Trials++
		if _, err := conn.Exec(ctx, t.change); err != nil {
			return f, fmt.Errorf("%s: %w", t.name, err)
		}
		begin := time.Now()
		found := len(d.verify().Bad) > 0
		if !found {
			f.bad("%s: headgate audit verify has not noticed", t.name)
		} else {
			f.note("%s: noticed, %v", t.name, time.Since(begin).Round(time.Millisecond))
		}
		if _, err := conn.Exec(ctx, t.back); err != nil {
			return f, fmt.Errorf("%s, back: %w", t.name, err)
		}
	}
	_, err = conn.Exec(ctx, "DROP TABLE fault_one, fault_other, fault_hash")
	return f, err
}

// settled returns when all records have leaves.
func (d *driver) settled(ctx context.Context, conn *pgx.Conn) error {
	var fault error
	err := await("a leaf for every record", 30*time.Second, func() bool {
		var missing int
		fault = conn.QueryRow(ctx, `SELECT count(*) FROM access_record r WHERE NOT EXISTS (SELECT FROM access_leaf l WHERE l.request_id = r.request_id)`).Scan(&missing)
		return fault != nil || missing == 0
	})
	if fault != nil {
		return fault
	}
	return err
}

// plant has the tree begin anew, with nothing in it: what a broken product
// appends must not be what a sound one has begun.
func (d *driver) plant(ctx context.Context) error {
	return d.stack.postgres.exec(ctx, "headgate", `
		SET session_replication_role = replica;
		TRUNCATE access_record, access_leaf, access_node, access_checkpoint;
		UPDATE access_tree SET size = 0, root = sha256(''), edge = '', sequenced_xid = '0', sequenced_id = '00000000-0000-0000-0000-000000000000'`)
}

// slowRecords has what gateway-a stores take long to commit: who looks meanwhile
// finds later records and not these, so that two who look do not find the same.
const slowRecords = `
	CREATE FUNCTION fault_sleep() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END $$;
	CREATE TRIGGER fault_sleep AFTER INSERT ON access_record FOR EACH ROW WHEN (NEW.instance_id = 'gateway-a') EXECUTE FUNCTION fault_sleep()`

// twoKeepers runs the second authorization server for a while, so that two
// processes append to the tree. The second pauses for less: whoever looked
// first must also write last, as two that pause alike never do on a quiet
// machine.
func (d *driver) twoKeepers(ctx context.Context, t time.Duration) error {
	second := d.stack.procs[authzdB]
	second.env = append(slices.Clone(second.env), "HEADGATE_PAUSE=sequencer-not-compared=100ms")
	if err := d.stack.bring(authzdB); err != nil {
		return err
	}
	defer second.kill() // the last that happens to this history
	err := d.stack.postgres.exec(ctx, "headgate", slowRecords)
	if err == nil {
		err = rest(ctx, t)
	}
	return errors.Join(err, d.stack.postgres.exec(ctx, "headgate", "DROP TRIGGER IF EXISTS fault_sleep ON access_record; DROP FUNCTION IF EXISTS fault_sleep"))
}
