package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/erasure"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource"
)

// naming returns the tables that have a row with the text in it, as text or
// as bytes.
func naming(t testing.TB, db *DB, text string) []string {
	t.Helper()
	ctx := context.Background()
	rows, err := db.pool.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY c.relname`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 20 {
		t.Fatal(tables, err)
	}
	var found []string
	for _, name := range tables {
		if count(t, db, "SELECT count(*) FROM "+pgx.Identifier{name}.Sanitize()+" AS r WHERE r::text LIKE '%' || $1 || '%' OR r::text LIKE '%' || $2 || '%'",
			text, hex.EncodeToString([]byte(text))) > 0 {
			found = append(found, name)
		}
	}
	return found
}

// live gives a person one of everything: a journey, a grant with tokens that
// is read and refused, a look by the staff, notices, preferences, mail, sums,
// a session, and the end of that grant.
func live(t testing.TB, db *DB, who consent.ConsumerID) consent.Grant {
	t.Helper()
	ctx, s, until := context.Background(), stores(db), time.Now().Add(time.Hour)
	g := consenttest.NewGrant(who, time.Now())
	p := token.Pushed{Hash: randomHash(), Recipient: g.Recipient, ExpiresAt: until}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(s.Requests.Push(ctx, p))
	a, err := s.Authorizations.Open(ctx, consenttest.NewAuthorization(p.Hash.String(), string(who), time.Now()))
	check(err)
	a.Consumer, a.LoginHint = who, string(who)
	session := []byte(`{"consumer":"` + string(who) + `"}`)
	code := token.Code{Hash: randomHash(), Grant: g.ID, Recipient: g.Recipient, RequestID: "chain", Session: session, IssuedAt: time.Now(), ExpiresAt: until}
	check(s.Requests.Approve(ctx, token.Approval{Pushed: p.Hash, Authorization: a, Grant: g, Code: code}))
	_, err = s.Tokens.Redeem(ctx, token.Redemption{
		Code:    code.Hash,
		Access:  token.Access{Hash: randomHash(), Grant: g.ID, Recipient: g.Recipient, KeyThumbprint: "k", IssuedAt: time.Now(), ExpiresAt: until},
		Refresh: &token.Refresh{Hash: randomHash(), Grant: g.ID, Recipient: g.Recipient, Session: session, IssuedAt: time.Now(), ExpiresAt: until},
	})
	check(err)
	gate := NewGate(db, GateConfig{})
	defer gate.Close()
	refused := newRecord(g)
	refused.Outcome, refused.Reason = audit.Refused, "701"
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}, resource.Released)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: refused}, resource.Released)
	_, err = db.Care().Show(ctx, who, "staff", "a call")
	check(err)
	prefer(t, db, who, inbox.Preferences{Locale: "sv"})
	check(db.Inbox().Tell(ctx, who, inbox.Export))
	giveDue(t, db)
	makeMail(t, db)
	_, err = db.Reads().Usage(ctx, who, time.UTC, time.Now(), 90)
	check(err)
	check(db.Sessions().CommitCtx(ctx, uuid.NewString(), web.SessionRecord{Data: session, Expiry: until, New: true, SessionInfo: web.SessionInfo{Consumer: string(who), ID: uuid.NewString(), SignedInAt: time.Now(), SeenAt: time.Now()}}))
	_, err = db.Grants().End(ctx, consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction})
	check(err)
	return g
}

// sees is how much of everything a person finds.
func sees(t testing.TB, db *DB, who consent.ConsumerID) map[string]int {
	t.Helper()
	ctx := context.Background()
	grants, err1 := db.Grants().GrantsOf(ctx, who)
	changes, err2 := db.Reads().Changes(ctx, who, time.Time{}, 100)
	looks, err3 := db.Reads().LookUps(ctx, who, time.Time{}, 100)
	versions, err4 := db.Receipts().Versions(ctx, who, 100)
	asked, err5 := db.Erasures().Requests(ctx, who)
	uses, err6 := db.Reads().Usage(ctx, who, time.UTC, time.Now(), 2)
	ofApp, err7 := db.Grants().GrantsOfRecipient(ctx, consenttest.Recipient, consent.Filter{Consumer: who, At: time.Now()}, consent.Place{}, 100)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		t.Fatal(err)
	}
	reads := 0
	for _, u := range uses {
		for _, n := range u.Grants {
			reads += n
		}
	}
	for _, g := range slices.Concat(grants, ofApp) {
		if g.Consumer != who {
			t.Errorf("%s finds a grant of %s", who, g.Consumer)
		}
	}
	for _, v := range versions {
		if v.Grant.Consumer != who {
			t.Errorf("%s finds a version of %s", who, v.Grant.Consumer)
		}
	}
	found := map[string]int{
		"grants": len(grants), "records": len(records(t, db, who)), "changes": len(changes), "looks": len(looks), "versions": len(versions),
		"notices": len(noticesOf(t, db, who)), "asked": len(asked), "uses": reads, "of the app": len(ofApp),
	}
	for what, n := range found {
		if n == 0 {
			delete(found, what)
		}
	}
	return found
}

// due makes a wish due at once.
func due(t testing.TB, db *DB, who consent.ConsumerID) {
	t.Helper()
	exec(t, db, "UPDATE person SET erase_at = clock_timestamp() WHERE bank_id = $1 AND erase_at IS NOT NULL", string(who))
}

func erase(t testing.TB, db *DB) int {
	t.Helper()
	n, err := db.Erasures().EraseDue(context.Background(), 10)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The bank's id of a person stands in the table person, and in what is gone
// within hours by itself; after an erasure it stands nowhere at all, and the
// ledger is as long as before.
func TestLedgerNamesNobody(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	ada, bob := consent.ConsumerID("bank-id-of-ada-77"), consent.ConsumerID("bank-id-of-bob-88")
	g := live(t, db, ada)
	live(t, db, bob)
	if got := naming(t, db, string(ada)); !slices.Equal(got, []string{"authorization_progress", "oauth_code", "oauth_refresh", "person", "web_session"}) {
		t.Errorf("named in %v", got)
	}
	if err := db.Erasures().AskApp(ctx, ada, g.ID); err != nil {
		t.Fatal(err)
	}
	before, others := sees(t, db, ada), sees(t, db, bob)
	if len(before) != 9 || before["records"] != 2 || before["uses"] != 1 || len(others) != 8 {
		t.Fatalf("ada sees %v, bob %v", before, others)
	}
	name := pseudonym(t, db, ada)
	if strings.Contains(name, "ada") || len(name) < 38 || name == pseudonym(t, db, bob) {
		t.Errorf("a pseudonym %s", name)
	}
	if n := count(t, db, "SELECT count(*) FROM access_record WHERE consumer_id = $1", name); n != 2 {
		t.Errorf("%d records under the pseudonym", n)
	}
	rows := func() (n int) {
		for _, table := range []string{"consent_grant", "consent_event", "grant_version", "access_record", "staff_lookup", "erase_request"} {
			n += count(t, db, "SELECT count(*) FROM "+table)
		}
		return n
	}
	kept := rows()
	if _, err := db.Erasures().Ask(ctx, ada); err != nil {
		t.Fatal(err)
	}
	due(t, db, ada)
	if n := erase(t, db); n != 1 || erase(t, db) != 0 {
		t.Fatalf("%d erased", n)
	}
	if got := naming(t, db, string(ada)); got != nil {
		t.Errorf("still named in %v", got)
	}
	if n := rows(); n != kept {
		t.Errorf("the ledger has %d rows, %d before", n, kept)
	}
	for _, table := range []string{"person_notice", "person_preference", "person_mail", "access_day"} {
		if n := count(t, db, "SELECT count(*) FROM "+table+" WHERE consumer_id = $1", name); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
	// By the pseudonym alone; as a name it opens nothing.
	kept2, err := db.Grants().Grant(ctx, g.ID)
	if err != nil || string(kept2.Consumer) != name {
		t.Errorf("%s, %v", kept2.Consumer, err)
	}
	if got := sees(t, db, consent.ConsumerID(name)); len(got) != 0 {
		t.Errorf("the pseudonym sees %v", got)
	}
	if got := sees(t, db, ada); len(got) != 0 {
		t.Errorf("ada sees %v of before", got)
	}
	if got := sees(t, db, bob); len(got) != len(others) || got["records"] != 2 {
		t.Errorf("bob sees %v", got)
	}
	if got := naming(t, db, string(bob)); len(got) != 5 {
		t.Errorf("bob is named in %v", got)
	}
	// Who comes back is somebody else to the ledger.
	again := live(t, db, ada)
	if got := sees(t, db, ada); got["grants"] != 1 || got["records"] != 2 || got["versions"] != 2 || pseudonym(t, db, ada) == name {
		t.Errorf("after coming back ada sees %v", got)
	}
	if err := db.Erasures().AskApp(ctx, ada, g.ID); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("asks for what was before: %v", err)
	}
	if err := db.Erasures().AskApp(ctx, ada, again.ID); err != nil {
		t.Error(err)
	}
}

func TestErasureWaitsAndCanBeTakenBack(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	e := db.Erasures()
	const ada = consent.ConsumerID("ada")
	if got, err := e.Erasure(ctx, ada); err != nil || got.Asked() {
		t.Errorf("%v, %v", got, err)
	}
	first, err := e.Ask(ctx, ada)
	if err != nil || first.At.Sub(first.AskedAt).Round(time.Second) != erasure.Wait {
		t.Fatalf("%v, %v", first, err)
	}
	if again, err := e.Ask(ctx, ada); err != nil || again != first {
		t.Errorf("a second wish moved the first: %v, %v", again, err)
	}
	if got := kindsOf(t, db, ada); !slices.Equal(got, []inbox.Kind{inbox.Erase}) {
		t.Errorf("told %v", got)
	}
	if got, err := e.Erasure(ctx, "bob"); err != nil || got.Asked() {
		t.Errorf("bob: %v, %v", got, err)
	}
	if err := e.Keep(ctx, "bob"); err != nil {
		t.Error(err)
	}
	if n := erase(t, db); n != 0 {
		t.Errorf("%d erased at once", n)
	}
	if err := e.Keep(ctx, ada); err != nil {
		t.Fatal(err)
	}
	due(t, db, ada)
	if got, _ := e.Erasure(ctx, ada); got.Asked() || erase(t, db) != 0 {
		t.Error("erased though the wish was taken back")
	}

	// Who shares anew keeps the record, also while nobody has taken note.
	if _, err := e.Ask(ctx, ada); err != nil {
		t.Fatal(err)
	}
	g := consenttest.NewGrant(ada, time.Now())
	if err := db.Grants().Create(ctx, g); err != nil {
		t.Fatal(err)
	}
	if got, _ := e.Erasure(ctx, ada); got.Asked() {
		t.Error("the wish outlived a new grant")
	}
	// Nobody is erased while a grant of theirs goes on.
	if _, err := e.Ask(ctx, ada); err != nil {
		t.Fatal(err)
	}
	due(t, db, ada)
	if n := erase(t, db); n != 0 {
		t.Error("erased beside a grant that goes on")
	}
	if err := endGrant(ctx, db, g.ID); err != nil {
		t.Fatal(err)
	}
	if s, err := db.Sweep(ctx, 10); err != nil || s.Erased != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if got, err := e.Erasure(ctx, ada); err != nil || got.Asked() {
		t.Errorf("after it: %v, %v", got, err)
	}
}

// Each grant is made before the erasure of its person, and then it prevents
// that, or after it, and then it is another person's.
func TestErasureBesideANewGrant(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	for range 30 {
		who := consent.ConsumerID("racer-" + uuid.NewString())
		if _, err := db.Erasures().Ask(ctx, who); err != nil {
			t.Fatal(err)
		}
		due(t, db, who)
		old := pseudonym(t, db, who)
		g := consenttest.NewGrant(who, time.Now())
		for _, err := range consenttest.Race(func(i int) error {
			switch i {
			case 0:
				return db.Grants().Create(ctx, g)
			case 1:
				_, err := db.Erasures().EraseDue(ctx, 10)
				return err
			}
			return nil
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		erased := count(t, db, "SELECT count(*) FROM person WHERE pseudonym = $1 AND erased_at IS NOT NULL", old) == 1
		mine, err := db.Grants().GrantsOf(ctx, who)
		if err != nil || len(mine) != 1 || mine[0].ID != g.ID {
			t.Fatalf("erased %v: the grant is lost: %v, %v", erased, mine, err)
		}
		if got := pseudonym(t, db, who); (got == old) == erased {
			t.Errorf("erased %v, pseudonym %s, before %s", erased, got, old)
		}
	}
}

func TestAppsAreAskedToErase(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	e := db.Erasures()
	g, foreign := newGrant(t, db), newGrant(t, db)
	for _, id := range []consent.GrantID{foreign.ID, "none"} {
		if err := e.AskApp(ctx, g.Consumer, id); !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	for range 2 {
		if err := e.AskApp(ctx, g.Consumer, g.ID); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM notification WHERE field_name = 'ERASURE_REQUESTED'"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if n := count(t, db, "SELECT count(*) FROM notification WHERE grant_id = $1 AND recipient_id = $2 AND type = 'CUSTOM' AND field_value ~ '^[0-9-]{10}T[0-9:]{8}Z$'", string(g.ID), string(g.Recipient)); n != 1 {
		t.Error("told something else")
	}
	open, err := e.Open(ctx, g.Recipient, 10)
	if err != nil || len(open) != 1 || open[0].Grant != g.ID {
		t.Fatalf("%v, %v", open, err)
	}
	for what, c := range map[string]struct {
		who    consent.RecipientID
		id     consent.GrantID
		answer erasure.Answer
		reason string
	}{
		"of another app":           {"other", g.ID, erasure.Done, ""},
		"about what was not asked": {g.Recipient, foreign.ID, erasure.Done, ""},
		"that is none":             {g.Recipient, g.ID, "", ""},
		"that is not known":        {g.Recipient, g.ID, "perhaps", ""},
		"no without a reason":      {g.Recipient, g.ID, erasure.Refused, ""},
		"yes with a reason":        {g.Recipient, g.ID, erasure.Done, "x"},
		"with a long reason":       {g.Recipient, g.ID, erasure.Refused, strings.Repeat("å", erasure.MaxReason+1)},
	} {
		if err := e.Answer(ctx, c.who, c.id, c.answer, c.reason); err == nil {
			t.Errorf("an answer %s is taken", what)
		}
	}
	if err := e.Answer(ctx, g.Recipient, g.ID, erasure.Refused, "The law has us keep it."); err != nil {
		t.Fatal(err)
	}
	if err := e.Answer(ctx, g.Recipient, g.ID, erasure.Done, ""); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("a second answer: %v", err)
	}
	got, err := e.Requests(ctx, g.Consumer)
	if err != nil || len(got) != 1 || got[0].State(time.Now()) != erasure.StateRefused || got[0].Reason != "The law has us keep it." || got[0].AnsweredAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if open, _ = e.Open(ctx, g.Recipient, 10); open != nil {
		t.Errorf("still open: %v", open)
	}
	if got, _ := e.Requests(ctx, foreign.Consumer); got != nil {
		t.Errorf("another person sees %v", got)
	}
}

// A record names the person of the grant, whoever the caller says it is.
func TestRecordsNameTheGrantsPerson(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	gate, g := newGate(t, db, GateConfig{}), newGrant(t, db)
	claimed := newRecord(g)
	claimed.Consumer = "somebody-else"
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: claimed}, resource.Withheld)
	refused := newRecord(g)
	refused.Consumer, refused.Outcome, refused.Reason = "somebody-else", audit.Refused, "701"
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: refused}, resource.Released)
	lost := newRecord(g)
	lost.Grant, lost.Outcome, lost.Reason = "no-such-grant", audit.Refused, "701"
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: lost}, resource.Released)
	if got := naming(t, db, "somebody-else"); got != nil {
		t.Errorf("named in %v", got)
	}
	if got := records(t, db, g.Consumer); len(got) != 1 || got[0].RequestID != refused.RequestID || got[0].Consumer != g.Consumer {
		t.Errorf("%v", got)
	}
	if n := count(t, db, "SELECT count(*) FROM access_record WHERE consumer_id = ''"); n != 1 {
		t.Errorf("%d records about nobody", n)
	}
	// An erased person's grant gives nothing, even if it were active.
	exec(t, db, "UPDATE person SET bank_id = NULL, erased_at = now() WHERE bank_id = $1", string(g.Consumer))
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}, resource.Withheld)
}

// What was there before there were pseudonyms is found as before.
func TestMigrationGivesPseudonyms(t *testing.T) {
	t.Parallel()
	ctx, dsn := context.Background(), emptyDatabase(t)
	migrateTo(t, dsn, 16)
	db := openAt(t, dsn)
	const odd = `q"u\o,te{}é`
	for _, who := range []string{"ada", odd} {
		exec(t, db, `INSERT INTO consent_grant (grant_id, recipient_id, consumer_id, status, epoch, purpose, duration_type, duration_days,
				lookback_days, resources, parties, disclosure_version, disclosure_locale, disclosure_text, created_at, expires_at)
			VALUES ('g-' || $1, $2, $1, 'ACTIVE', 1, 'budgeting', 'PERSISTENT', 0, 0,
				jsonb_build_array(jsonb_build_object('resourceType', 'ACCOUNT', 'resourceId', $1::text, 'dataClusters', '[]'::jsonb),
					jsonb_build_object('resourceType', 'CUSTOMER', 'resourceId', $1::text, 'dataClusters', '[]'::jsonb)),
				'[]', '1', 'en',
				'He said "consumer_id":"ada"', now(), now() + interval '1 day')`, who, string(consenttest.Recipient))
		exec(t, db, `INSERT INTO consent_event (grant_id, epoch, kind, actor, initiator, reason, at) VALUES ('g-' || $1, 1, 'granted', 'INDIVIDUAL', '', '', now())`, who)
		exec(t, db, `INSERT INTO access_record (request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters,
				record_count, body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
			VALUES (gen_random_uuid(), now(), $2, 'g-' || $1, 1, $1, 'x', '{}', '{}', 1, 1, $3, 'given', '', false, '', '')`, who, string(consenttest.Recipient), make([]byte, 32))
		exec(t, db, "INSERT INTO staff_lookup (consumer_id, staff, reason) VALUES ($1, 's', 'r')", who)
		exec(t, db, "INSERT INTO person_preference (consumer_id, locale, mail_off, digest, digest_at, updated_at) VALUES ($1, 'fr', '{}', '', now(), now())", who)
	}
	if err := Migrate(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	db = openAt(t, dsn) // statements of before are prepared for tables of before
	for _, who := range []consent.ConsumerID{"ada", odd} {
		want := map[string]int{"grants": 1, "records": 1, "changes": 1, "looks": 1, "versions": 1, "notices": 1, "uses": 1, "of the app": 1}
		got := sees(t, db, who)
		for what, n := range want {
			if got[what] != n {
				t.Errorf("%q sees %d %s, want %d", who, got[what], what, n)
			}
		}
		g, err := db.Grants().Grant(ctx, consent.GrantID("g-"+who))
		if err != nil || len(g.Resources) != 2 || g.Resources[0].ID != string(who) || g.Resources[1].ID != string(who) {
			t.Errorf("%+v, %v", g.Resources, err)
		}
		v, err := db.Receipts().Versions(ctx, who, 5)
		if err != nil || len(v) != 1 || v[0].Grant.Disclosure.Text != `He said "consumer_id":"ada"` {
			t.Errorf("%+v, %v", v, err)
		}
		if prefs, err := db.Inbox().Preferences(ctx, who); err != nil || prefs.Locale != "fr" {
			t.Errorf("%+v, %v", prefs, err)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM grant_version v JOIN person p ON p.pseudonym = v.consumer_id WHERE v.version ->> 'consumer_id' = p.pseudonym"); n != 2 {
		t.Errorf("%d versions under the pseudonym", n)
	}
	// The person's own entry is nameless; an account with the same letters for
	// its id keeps them.
	if n := count(t, db, `SELECT count(*) FROM consent_grant g JOIN grant_version v ON v.grant_id = g.grant_id,
		jsonb_array_elements(g.resources) a, jsonb_array_elements(v.version::jsonb -> 'resources') b
		WHERE a ->> 'resourceType' = 'CUSTOMER' AND a ->> 'resourceId' = '' AND b = a`); n != 2 {
		t.Errorf("%d nameless entries", n)
	}
	if _, err := db.pool.Exec(ctx, "UPDATE access_record SET outcome = 'refused'"); err == nil {
		t.Error("records can be rewritten")
	}
}
