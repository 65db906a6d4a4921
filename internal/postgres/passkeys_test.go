package postgres

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/login/logintest"
)

func TestPasskeyStore(t *testing.T) {
	t.Parallel()
	logintest.PasskeyStores(t, func(t *testing.T) login.PasskeyStore { return openDB(t).Passkeys() })
}

// addPasskey gives a person a passkey.
func addPasskey(t *testing.T, db *DB, who consent.ConsumerID, id string) login.PasskeyRecord {
	t.Helper()
	ctx := context.Background()
	handle, err := db.Passkeys().Handle(ctx, who)
	r := login.PasskeyRecord{ID: login.PasskeyID(id), Consumer: who, Name: id, CreatedAt: time.Now(), Credential: []byte(id), Key: []byte{1}, Handle: handle}
	err = errors.Join(err, db.Passkeys().AddPasskey(ctx, r, login.SignIn{Event: login.PasskeyAdded, Consumer: who, At: time.Now(), Method: login.Passkey}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPeopleAreToldOfEachPasskey(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	addPasskey(t, db, "c-ada", "one")
	wantKinds(t, db, "c-ada", inbox.PasskeyAdded)
	list, err := db.Inbox().Notices(ctx, "c-ada", inbox.Place{}, 5)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := db.Inbox().MarkRead(ctx, "c-ada", list[0].ID); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "UPDATE person_notice SET mail = 'mailed', mail_id = gen_random_uuid()")
	// Another one on the same day is news again, and a mail.
	addPasskey(t, db, "c-ada", "two")
	if n, err := db.Inbox().Unread(ctx, "c-ada"); n != 1 || err != nil {
		t.Errorf("%d unread, %v", n, err)
	}
	if n := count(t, db, "SELECT count(*) FROM person_notice WHERE mail = 'new' AND mail_id IS NULL"); n != 1 {
		t.Error("there will be no mail")
	}
	removed := login.SignIn{Event: login.PasskeyRemoved, Consumer: "c-ada", At: time.Now(), Method: login.Passkey}
	if err := db.Passkeys().RemovePasskey(ctx, "c-ada", "one", removed); err != nil {
		t.Fatal(err)
	}
	rows, err := db.SignIns().SignIns(ctx, "c-ada", 5)
	var events []login.Event
	for _, r := range rows {
		events = append(events, r.Event)
	}
	if want := []login.Event{login.PasskeyRemoved, login.PasskeyAdded, login.PasskeyAdded}; err != nil || !slices.Equal(events, want) {
		t.Errorf("noted %v, %v", events, err)
	}
	if err := db.Passkeys().RemovePasskey(ctx, "c-ada", "two", login.SignIn{Consumer: "c-bob"}); err == nil {
		t.Error("another person was told")
	}
}

func TestPasskeysGoWithTheirPerson(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := db.SignIns()
	err := errors.Join(
		s.AddLogin(ctx, "ada", "", login.Credential{Consumer: "c-ada", Hash: "h"}),
		s.AddLogin(ctx, "ada2", "", login.Credential{Consumer: "c-ada", Hash: "h"}),
		s.AddLogin(ctx, "bob", "", login.Credential{Consumer: "c-bob", Hash: "h"}),
	)
	if err != nil {
		t.Fatal(err)
	}
	addPasskey(t, db, "c-ada", "one")
	addPasskey(t, db, "c-bob", "two")
	if all, err := s.Logins(ctx); err != nil || len(all) != 3 || all[0].Passkeys != 1 || all[2].Passkeys != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	left := func(want int) {
		t.Helper()
		if n := count(t, db, "SELECT count(*) FROM passkey"); n != want {
			t.Errorf("%d are left, want %d", n, want)
		}
	}
	if err := s.RemoveLogin(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	left(2) // they have another username
	if err := s.RemoveLogin(ctx, "ada2"); err != nil {
		t.Fatal(err)
	}
	left(1)
	if err := s.RemoveLogin(ctx, "ada2"); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	exec(t, db, "INSERT INTO person (bank_id, asked_at, erase_at) VALUES ('c-bob', clock_timestamp(), clock_timestamp()) ON CONFLICT (bank_id) DO UPDATE SET asked_at = clock_timestamp(), erase_at = clock_timestamp()")
	if n, err := db.Erasures().EraseDue(ctx, 5); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	left(0)
	if n := count(t, db, "SELECT count(*) FROM passkey_holder"); n != 0 {
		t.Error("a handle is left")
	}
}

func TestSweepForgetsChallenges(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	for i, end := range []time.Duration{-time.Second, time.Minute} {
		if err := db.Passkeys().PutChallenge(ctx, login.Challenge{Value: []byte{byte(i)}, ExpiresAt: time.Now().Add(end)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Sweep(ctx, 10); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "SELECT count(*) FROM passkey_challenge"); n != 1 {
		t.Errorf("%d are left", n)
	}
}
