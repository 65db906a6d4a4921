package postgres

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

// readUnder adds a record of a read under a grant.
func readUnder(t testing.TB, db *DB, g consent.Grant, at time.Time, outcome audit.Outcome, clusters ...fdx.Cluster) {
	t.Helper()
	exec(t, db, `INSERT INTO access_record (
		request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters,
		record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
		VALUES ($1, $2, $3, $4, 1, $5, 'getAccount', '{a}', $6, 1, 1, $7, $8, '', false, '', '')`,
		uuid.NewString(), at, string(g.Recipient), string(g.ID), pseudonym(t, db, g.Consumer), append([]string{}, fdx.NewClusters(clusters...).Names()...),
		make([]byte, 32), string(outcome))
}

func TestUsesOfGrants(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	made := func() consent.Grant {
		g := consenttest.NewGrant("somebody", time.Now())
		if err := db.Grants().Create(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		return g
	}
	read, other, refused := made(), made(), made()
	now := time.Now().UTC().Truncate(time.Second)
	readUnder(t, db, read, now.Add(-3*time.Hour), audit.Given, fdx.Balances)
	readUnder(t, db, read, now.Add(-time.Hour), audit.Clipped, fdx.Balances, fdx.Transactions)
	readUnder(t, db, read, now, audit.Refused)
	readUnder(t, db, other, now.Add(-2*time.Hour), audit.Given)
	readUnder(t, db, refused, now, audit.Refused)

	ids := []consent.GrantID{read.ID, refused.ID, consent.NewGrantID()}
	uses, err := db.Reads().Uses(t.Context(), ids)
	want := map[consent.GrantID]audit.Use{read.ID: {Reads: 2, Clusters: map[fdx.Cluster]int{fdx.Balances: 2, fdx.Transactions: 1}}}
	if err != nil || !reflect.DeepEqual(uses, want) {
		t.Errorf("uses %+v, %v, want %+v", uses, err, want)
	}
	last, err := db.Reads().LastReads(t.Context(), append(ids, other.ID))
	if err != nil || len(last) != 2 || !last[read.ID].At.Equal(now.Add(-time.Hour)) || last[read.ID].Outcome != audit.Clipped ||
		last[read.ID].Clusters != fdx.NewClusters(fdx.Balances, fdx.Transactions) || !last[other.ID].At.Equal(now.Add(-2*time.Hour)) {
		t.Errorf("last reads %+v, %v", last, err)
	}
	for _, none := range [][]consent.GrantID{nil, {}} {
		uses, err := db.Reads().Uses(t.Context(), none)
		last, err2 := db.Reads().LastReads(t.Context(), none)
		if err != nil || err2 != nil || len(uses)+len(last) != 0 {
			t.Errorf("of no grants: %v, %v, %v, %v", uses, last, err, err2)
		}
	}
}

// Pages ask these of a table that holds the reads of everybody.
func TestUsesNeedNoScan(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	g := consenttest.NewGrant("somebody", time.Now())
	if err := db.Grants().Create(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	exec(t, db, `INSERT INTO access_record (
		request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters,
		record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
		SELECT gen_random_uuid(), now() - make_interval(mins => n), 'app', 'g-' || n % 400, 1, 'c-' || n % 400, 'getAccount', '{a}', '{BALANCES}',
		       1, 1, '\x', 'given', '', false, '', ''
		FROM generate_series(1, 4000) n`)
	exec(t, db, `ANALYZE access_record`)
	for name, sql := range map[string]string{"uses": sqlUses, "last reads": sqlLastReads} {
		var plan []byte
		if err := db.pool.QueryRow(t.Context(), "EXPLAIN (FORMAT JSON) "+sql, []string{"g-1", "g-2"}).Scan(&plan); err != nil {
			t.Fatal(err)
		}
		noLongScan(t, db, name, string(plan))
		if !json.Valid(plan) || !strings.Contains(string(plan), "grant_id_at_request_id_idx") {
			t.Errorf("%s: %s", name, plan)
		}
	}
}

func TestAnswersAreCounted(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	stopped := func(by consent.Actor) consent.GrantID {
		g := consenttest.NewGrant("somebody", time.Now())
		if err := db.Grants().Create(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if by == "" {
			return g.ID
		}
		if _, err := db.Grants().End(t.Context(), consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: by, Reason: consent.ReasonUserAction}); err != nil {
			t.Fatal(err)
		}
		return g.ID
	}
	answer := func(id consent.GrantID, a consent.StopAnswer) {
		t.Helper()
		if err := db.Answers().Answer(t.Context(), id, a); err != nil {
			t.Error(err)
		}
	}
	first := stopped(consent.ActorConsumer)
	answer(first, consent.AnswerUnused)
	answer(first, consent.AnswerTooMuch) // the first counts
	answer(stopped(consent.ActorConsumer), consent.AnswerUnused)
	answer(stopped(consent.ActorConsumer), consent.AnswerUnknown)
	answer(stopped(consent.ActorRecipient), consent.AnswerOther)
	answer(stopped(""), consent.AnswerOther)
	answer(consent.NewGrantID(), consent.AnswerOther)
	got, err := db.Answers().AnswersAbout(t.Context(), consenttest.Recipient)
	if want := map[consent.StopAnswer]int{consent.AnswerUnused: 2, consent.AnswerUnknown: 1}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := db.Answers().AnswersAbout(t.Context(), consenttest.OtherRecipient); err != nil || len(got) != 0 {
		t.Errorf("another recipient: %v, %v", got, err)
	}
	if err := db.Answers().Answer(t.Context(), stopped(consent.ActorConsumer), "in my own words"); err == nil {
		t.Error("kept words of a person's own")
	}
}
