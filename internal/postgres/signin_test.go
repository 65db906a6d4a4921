package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/login/logintest"
)

func TestSignInStores(t *testing.T) {
	t.Parallel()
	logintest.Stores(t, func(t *testing.T) logintest.Store { return openDB(t).SignIns() })
}

func TestLogins(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), openDB(t).SignIns()
	if _, err := s.Credential(ctx, "ada"); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if all, err := s.Logins(ctx); all != nil || err != nil {
		t.Errorf("empty: %v, %v", all, err)
	}
	ada := login.Credential{Consumer: "c-ada", Hash: "h1"}
	if err := s.AddLogin(ctx, "ada", "ada@customer.example", ada); err != nil {
		t.Fatal(err)
	}
	if err := s.AddLogin(ctx, "ada", "", login.Credential{Consumer: "c-eve", Hash: "h2"}); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("taken: %v", err)
	}
	if c, err := s.Credential(ctx, "ada"); c != ada || err != nil {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := s.Credential(ctx, "Ada"); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("in another case: %v", err)
	}
	if a, err := s.Address(ctx, "c-ada"); a != "ada@customer.example" || err != nil {
		t.Errorf("mail goes to %s, %v", a, err)
	}
	for _, nobody := range []consent.ConsumerID{"", "c-eve", "ada"} {
		if a, err := s.Address(ctx, nobody); a != "" || !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("mail of %s goes to %s, %v", nobody, a, err)
		}
	}
	if err := s.SetPassword(ctx, "ada", "h3"); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Credential(ctx, "ada"); c.Hash != "h3" || c.Consumer != "c-ada" || err != nil {
		t.Errorf("%+v, %v", c, err)
	}
	if all, err := s.Logins(ctx); err != nil || len(all) != 1 || all[0].Username != "ada" || all[0].Consumer != "c-ada" || all[0].ChangedAt.Before(all[0].CreatedAt) {
		t.Errorf("%+v, %v", all, err)
	}
	if err := s.RemoveLogin(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"remove": s.RemoveLogin(ctx, "ada"), "password": s.SetPassword(ctx, "ada", "h")} {
		if !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s of nobody: %v", name, err)
		}
	}
}

func TestSweepForgetsSignIns(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := openDB(t)
	s, now := db.SignIns(), time.Now().UTC()
	for i, at := range []time.Time{now, now.Add(-2 * time.Hour), now.AddDate(0, 0, -40)} {
		_, err := s.Begin(ctx, at, login.Subject{Key: login.Key{byte(i + 1)}, Waits: []time.Duration{0}})
		_, err2 := s.PutCode(ctx, login.Code{Consumer: "c", Purpose: at.String(), Reference: "R", IssuedAt: at, ExpiresAt: at.Add(login.CodeLife)}, at)
		if err := errors.Join(err, err2, s.Note(ctx, login.SignIn{Consumer: "c", At: at, Method: login.Password})); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Sweep(ctx, 10); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"login_throttle": 1, "one_time_code": 2, "sign_in_attempt": 2} {
		if n := count(t, db, "SELECT count(*) FROM "+table); n != want {
			t.Errorf("%s keeps %d rows, want %d", table, n, want)
		}
	}
}
