package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/authz/authztest"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

func TestTokenRegistrations(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	authztest.Registrations(t, func(*testing.T) authztest.Registered {
		return authztest.Registered{Registrations: db.Registrations(), Recipients: db.Recipients(), Grants: db.Grants(), Guard: db.Guard()}
	})
}

// operators returns a registration as an operator makes it.
func operators(id consent.RecipientID) token.Registration {
	r := consenttest.Registrations()[0]
	r.ID, r.Role = id, consent.RoleRecipient
	return token.Registration{Recipient: r, Record: json.RawMessage(`{"client_name":"x"}`), IssuedAt: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
}

func TestEnrol(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), openDB(t).Registrations()
	for was, want := range map[consent.RecipientStatus]consent.RecipientStatus{
		consent.RecipientPending: consent.RecipientActive, consent.RecipientActive: consent.RecipientActive,
		consent.RecipientRestricted: consent.RecipientRestricted, consent.RecipientSuspended: consent.RecipientSuspended,
	} {
		r := operators(consent.RecipientID("enrol-" + was))
		r.Recipient.Status = was
		if got, err := s.Enrol(ctx, r); err != nil || got != was {
			t.Fatalf("%s: new: got %s (%v)", was, got, err)
		}
		r.Recipient.Status, r.Recipient.Name, r.Record = consent.RecipientActive, "Renamed", json.RawMessage(`{"client_name":"Renamed"}`)
		if got, err := s.Enrol(ctx, r); err != nil || got != want {
			t.Errorf("%s: again: got %s (%v), want %s", was, got, err, want)
		}
		r.Recipient.Status = want
		got, err := s.ByID(ctx, r.Recipient.ID)
		r.UpdatedAt = got.UpdatedAt
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%s: got  %+v (%v)\nwant %+v", was, got, err, r)
		}
	}
}

func TestClosedRegistrationStaysClosed(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	r := operators("gone")
	r.Recipient.Status = consent.RecipientClosed
	if _, err := db.Registrations().Enrol(ctx, r); err != nil {
		t.Fatal(err)
	}
	r.Recipient.Status = consent.RecipientActive
	if _, err := db.Registrations().Enrol(ctx, r); !errors.Is(err, consent.ErrClosed) {
		t.Errorf("enrol: got %v, want ErrClosed", err)
	}
	if err := db.Recipients().PutRecipient(ctx, r.Recipient); !errors.Is(err, consent.ErrClosed) {
		t.Errorf("put: got %v, want ErrClosed", err)
	}
	if got, err := db.Recipients().Recipient(ctx, "gone"); err != nil || got.Status != consent.RecipientClosed {
		t.Errorf("is %s (%v)", got.Status, err)
	}
}

// What a step says counts at the gate and for tokens from then on.
func TestMoveCountsAtOnce(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s, gate := db.Registrations(), newGate(t, db, GateConfig{})
	r := operators("mover")
	r.Access = token.Hash{7}
	if err := s.Register(ctx, r); err != nil {
		t.Fatal(err)
	}
	g := consenttest.NewGrant("c", time.Now())
	g.Recipient = "mover"
	if err := db.Grants().Create(ctx, g); err != nil {
		t.Fatal(err)
	}
	at := consent.RecipientActive
	for _, step := range []struct {
		to   consent.RecipientStatus
		want resource.Verdict
	}{
		{consent.RecipientRestricted, resource.Released}, {consent.RecipientSuspended, resource.Withheld},
		{consent.RecipientActive, resource.Released}, {consent.RecipientPending, resource.Withheld}, {consent.RecipientClosed, resource.Withheld},
	} {
		if err := s.Move(ctx, "mover", at, step.to, time.Time{}); err != nil {
			t.Fatal(err)
		}
		expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}, step.want)
		client := token.ClientAccess{Hash: randomHash(), Recipient: "mover", KeyThumbprint: "k", IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Minute)}
		if err := db.Tokens().IssueClient(ctx, client); (err == nil) != step.to.MayRead() {
			t.Errorf("%s: a token for itself: %v", step.to, err)
		}
		at = step.to
	}
	if n := count(t, db, `SELECT count(*) FROM registration WHERE access_hash IS NOT NULL`); n != 0 {
		t.Error("a closed registration keeps the hash of its token")
	}
}

// A client that was stored without a record is found and changed all the
// same.
func TestRegistrationWithoutRecord(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := db.Registrations()
	r, err := s.ByID(ctx, consenttest.Recipient)
	if err != nil || r.Record != nil || !r.IssuedAt.IsZero() || !r.Access.IsZero() || r.Recipient.ID != consenttest.Recipient {
		t.Fatalf("got %+v (%v)", r, err)
	}
	r.Recipient.Name = "Renamed"
	if err := s.Update(ctx, r); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ByID(ctx, consenttest.Recipient); err != nil || got.Recipient.Name != "Renamed" || got.Record != nil {
		t.Errorf("got %+v (%v)", got, err)
	}
	if _, err := s.ByID(ctx, "nobody"); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("unknown: got %v, want ErrNotFound", err)
	}
}

func TestCountActiveGrants(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	for range 3 {
		if err := db.Grants().Create(ctx, consenttest.NewGrant("c", time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[consent.RecipientID]int{consenttest.Recipient: 3, consenttest.OtherRecipient: 0} {
		if n, err := db.Registrations().CountActiveGrants(ctx, id); err != nil || n != want {
			t.Errorf("%s: %d (%v), want %d", id, n, err, want)
		}
	}
}
