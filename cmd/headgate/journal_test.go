package main

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/journal"
	"github.com/headgate/headgate/internal/postgres"
)

// backup copies the database of a shell, nobody being connected to it, and
// returns the address of the copy.
func backup(t *testing.T, dsn string) string {
	t.Helper()
	admin, err := sql.Open("pgx", env.Postgres(t)) // any other database of the server
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := "headgate_test_" + strings.ToLower(rand.Text())
	if _, err := admin.ExecContext(t.Context(), `CREATE DATABASE "`+name+`" TEMPLATE "`+strings.TrimPrefix(u.Path, "/")+`"`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(`DROP DATABASE "` + name + `" WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

// What ended or kept back sharing after a backup was made holds after the
// backup was restored and the journal replayed, and so does what was lifted.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newShell(t)
	dsn := env.Postgres(t)
	s.file("dsn", dsn)
	open := func(dsn string) *postgres.DB {
		db, err := postgres.Open(ctx, postgres.Config{DSN: dsn})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		return db
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db := open(dsn)
	var apps []consent.RecipientID
	for _, id := range []consent.RecipientID{"suspended", "lifted", "allowed", "untouched"} {
		r := consenttest.Registrations()[0]
		r.ID = id
		check(db.Recipients().PutRecipient(ctx, r))
		apps = append(apps, id)
	}
	check(db.Registrations().Move(ctx, "allowed", consent.RecipientActive, consent.RecipientSuspended, time.Time{}))
	grants := map[consent.RecipientID]consent.Grant{}
	for _, id := range apps {
		grants[id] = consenttest.NewGrant("ada", time.Now())
		g := grants[id]
		g.Recipient = id
		check(db.Grants().Create(ctx, g))
	}
	check(db.Switch().SwitchSharing(ctx, "bea", false))
	check(db.Switch().SwitchSharing(ctx, "bea", true))
	check(db.Switch().SwitchSharing(ctx, "bea", false))
	gone := consenttest.NewGrant("cem", time.Now())
	gone.Recipient = "untouched"
	check(db.Grants().Create(ctx, gone))
	db.Close()
	old := backup(t, dsn)

	db = open(dsn)
	folder := t.TempDir()
	w, err := journal.NewWriter(journal.Config{Dir: folder, Name: "test"})
	check(err)
	note := func() { t.Helper(); check(w.Add(ctx, db.Journal())) }
	note()
	for _, step := range []struct {
		id       consent.RecipientID
		from, to consent.RecipientStatus
	}{
		{"suspended", consent.RecipientActive, consent.RecipientSuspended}, {"lifted", consent.RecipientActive, consent.RecipientSuspended},
		{"allowed", consent.RecipientSuspended, consent.RecipientActive}, {"lifted", consent.RecipientSuspended, consent.RecipientActive},
	} {
		check(db.Registrations().Move(ctx, step.id, step.from, step.to, time.Time{}))
		note()
	}
	check(db.Switch().SwitchSharing(ctx, "bea", true))
	_, err = db.Grants().End(ctx, consent.End{Grant: gone.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer})
	check(err)
	_, err = db.Erasures().Ask(ctx, "cem")
	check(err)
	raw, err := sql.Open("pgx", dsn)
	check(err)
	defer raw.Close()
	_, err = raw.ExecContext(ctx, "UPDATE person SET erase_at = clock_timestamp() WHERE bank_id = 'cem'")
	check(err)
	if n, err := db.Erasures().EraseDue(ctx, 5); n != 1 || err != nil {
		t.Fatalf("erased %d (%v)", n, err)
	}
	note()
	check(w.Close())

	// The backup instead.
	s.file("dsn", old)
	db = open(old)
	run := func(what string) result {
		return s.command("", "journal", what, folder, "--postgres-dsn-file", filepath.Join(s.dir, "dsn"))
	}
	if r := run("check"); r.code != 1 || !strings.Contains(r.stderr, "headgate journal replay") {
		t.Errorf("the restored one passes: %+v", r)
	}
	if r := run("replay"); r.code != 0 || !strings.Contains(r.stdout, "The client suspended was suspended since") ||
		!strings.Contains(r.stdout, "1 consents were ended") || !strings.Contains(r.stdout, "1 people erased") || strings.Contains(r.stdout, "untouched") {
		t.Errorf("%+v", r)
	}
	s.db = db
	for id, want := range map[string]consent.RecipientStatus{
		"suspended": consent.RecipientSuspended, "lifted": consent.RecipientActive, "allowed": consent.RecipientActive, "untouched": consent.RecipientActive,
	} {
		if got := s.status(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
		if g, err := db.Grants().Grant(ctx, grants[consent.RecipientID(id)].ID); err != nil || g.Status != consent.StatusActive {
			t.Errorf("the consent of %s is %s (%v): it stays, as for a suspension", id, g.Status, err)
		}
	}
	if off, err := db.Switch().SharingOff(ctx, "bea"); err != nil || off.IsZero() {
		t.Errorf("new sharing is on again (%v)", err)
	}
	if all, err := db.Grants().GrantsOf(ctx, "cem"); err != nil || len(all) != 0 {
		t.Errorf("who was erased is known again: %v (%v)", all, err)
	}
	if r := run("check"); r.code != 0 {
		t.Errorf("after the replay: %+v", r)
	}
	if r := run("replay"); r.code != 0 || !strings.Contains(r.stdout, "0 consents were ended") || !strings.Contains(r.stdout, " 0 states") {
		t.Errorf("once more: %+v", r)
	}

	// The restored database is written about as the one before: a suspension
	// of what was suspended and lifted reaches the journal.
	w, err = journal.NewWriter(journal.Config{Dir: folder, Name: "test"})
	check(err)
	check(db.Registrations().Move(ctx, "lifted", consent.RecipientActive, consent.RecipientSuspended, time.Time{}))
	note()
	check(w.Close())
	again, err := sql.Open("pgx", old)
	check(err)
	defer again.Close()
	// As in a backup of an hour ago.
	_, err = again.ExecContext(ctx, "UPDATE recipient SET status = 'active', status_at = now() - interval '1 hour' WHERE recipient_id = 'lifted'")
	check(err)
	if r := run("replay"); r.code != 0 || s.status("lifted") != consent.RecipientSuspended {
		t.Errorf("lifted is %s: %+v", s.status("lifted"), r)
	}
}
