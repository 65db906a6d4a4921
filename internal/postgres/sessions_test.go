package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/web"
)

func TestSessionsOfAPerson(t *testing.T) {
	t.Parallel()
	ctx, s, now := context.Background(), openDB(t).Sessions(), time.Now().UTC().Truncate(time.Microsecond)
	put := func(token, id, who string, seen time.Time) {
		t.Helper()
		r := web.SessionRecord{New: true, Data: []byte("d"), Expiry: now.Add(time.Hour), SessionInfo: web.SessionInfo{
			ID: id, Consumer: who, SignedInAt: now.Add(-time.Hour), SeenAt: seen, Browser: "Firefox · Linux",
		}}
		if err := s.CommitCtx(ctx, token, r); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(who string) (list string) {
		t.Helper()
		all, err := s.SessionsOf(ctx, "ada")
		if who == "bob" {
			all, err = s.SessionsOf(ctx, "bob")
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range all {
			list += i.ID
		}
		return list
	}
	put("t1", "1", "ada", now.Add(-2*time.Minute))
	put("t2", "2", "ada", now.Add(-time.Minute))
	put("t3", "3", "ada", now.Add(-3*time.Minute))
	put("t4", "4", "ada", now.Add(-web.SessionIdle-time.Minute)) // signed out by time
	put("t5", "5", "bob", now)
	if err := s.CommitCtx(ctx, "t6", web.SessionRecord{New: true, Expiry: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if got := ids("ada"); got != "213" {
		t.Errorf("sessions %s", got)
	}
	all, err := s.SessionsOf(ctx, "bob")
	want := web.SessionInfo{ID: "5", Consumer: "bob", SignedInAt: now.Add(-time.Hour), SeenAt: now, Browser: "Firefox · Linux"}
	if err != nil || len(all) != 1 || all[0] != want {
		t.Errorf("%+v, %v", all, err)
	}
	// Nobody ends what is somebody else's, and nobody has the sessions of nobody.
	err = errors.Join(s.EndSession(ctx, "ada", "5"), s.EndSession(ctx, "", ""), s.EndOtherSessions(ctx, "", ""), s.EndSession(ctx, "ada", "unknown"))
	if none, err2 := s.SessionsOf(ctx, ""); err != nil || err2 != nil || none != nil || ids("ada")+ids("bob") != "2135" {
		t.Errorf("%v, %v, %v, %s", none, err, err2, ids("ada")+ids("bob"))
	}
	if _, found, err := s.FindCtx(ctx, "t6"); !found || err != nil {
		t.Errorf("the session of nobody is gone: %v", err)
	}
	if err := s.EndSession(ctx, "ada", "1"); err != nil || ids("ada") != "23" {
		t.Errorf("%v, %s", err, ids("ada"))
	}
	// A request that was under way does not bring it back.
	r := web.SessionRecord{Data: []byte("late"), Expiry: now.Add(time.Hour), SessionInfo: web.SessionInfo{ID: "1", Consumer: "ada", SeenAt: now}}
	err = s.CommitCtx(ctx, "t1", r)
	if _, found, _ := s.FindCtx(ctx, "t1"); err != nil || found || ids("ada") != "23" {
		t.Errorf("brought back: %v, %v, %s", err, found, ids("ada"))
	}
	if err := s.EndOtherSessions(ctx, "ada", "3"); err != nil || ids("ada")+ids("bob") != "35" {
		t.Errorf("%v, %s", err, ids("ada")+ids("bob"))
	}
}
