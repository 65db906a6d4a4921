package authztest

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
)

// Registered are the stores that share registrations and what depends on them.
type Registered struct {
	Registrations token.Registrations
	Recipients    consent.Recipients
	Grants        consent.Store
	Guard         token.Guard
}

// Registrations is the contract of token.Registrations and consent.Standing.
// open returns stores, which may be the same each time: every case registers
// a client of its own.
func Registrations(t *testing.T, open func(*testing.T) Registered) {
	cases := map[string]func(*testing.T, Registered){
		"a registration is found by its token, as it was stored":                registeredFound,
		"an id is registered once":                                              registeredOnce,
		"a proof registers once and a replay stores nothing":                    registeredProof,
		"of many uses of one proof one registers":                               registeredRace,
		"an update replaces all but token and time":                             registrationUpdate,
		"an update of what was changed meanwhile is refused":                    registrationUpdateConflict,
		"of many updates of one reading one wins":                               registrationUpdateRace,
		"a state moves by the allowed steps only":                               moveSteps,
		"a move from a state that is left is refused":                           moveConflict,
		"of many moves from one state one wins":                                 moveRace,
		"closing kills the registration token":                                  moveClosed,
		"active grants are listed in order, page by page":                       activeGrants,
		"a closed recipient has no grant left, however often closing broke off": closeRepeated,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t))
		})
	}
}

func newRegistration() token.Registration {
	r := consenttest.Registrations()[0]
	r.ID = consent.RecipientID("client-" + uuid.NewString())
	r.Role = consent.RoleRecipient
	return token.Registration{
		Recipient: r, Record: json.RawMessage(`{ "client_name" : "a\u0000b" }`), Access: newHash(),
		StatementIssuer: "https://directory.example", StatementID: "s-1", IssuedAt: second(time.Now()),
	}
}

// enrolled stores a new registration and returns it as it is read.
func enrolled(t *testing.T, s Registered) token.Registration {
	t.Helper()
	r := newRegistration()
	if err := s.Registrations.Register(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	return reread(t, s, r.Access)
}

func reread(t *testing.T, s Registered, access token.Hash) token.Registration {
	t.Helper()
	r, err := s.Registrations.Registration(context.Background(), access)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func registeredFound(t *testing.T, s Registered) {
	ctx, r := context.Background(), newRegistration()
	if err := s.Registrations.Register(ctx, r, newProof()); err != nil {
		t.Fatal(err)
	}
	got := reread(t, s, r.Access)
	if got.UpdatedAt.IsZero() {
		t.Error("no time of change")
	}
	r.UpdatedAt = got.UpdatedAt
	if !reflect.DeepEqual(got, r) {
		t.Errorf("got  %+v\nwant %+v", got, r)
	}
	if client, err := s.Recipients.Recipient(ctx, r.Recipient.ID); err != nil || !reflect.DeepEqual(client, r.Recipient) {
		t.Errorf("recipient: got %+v (%v)", client, err)
	}
	for name, h := range map[string]token.Hash{"unknown": newHash(), "zero": {}} {
		if got, err := s.Registrations.Registration(ctx, h); !errors.Is(err, token.ErrNotFound) || got.Recipient.ID != "" {
			t.Errorf("%s: got %+v, %v, want ErrNotFound", name, got, err)
		}
	}
}

func registeredOnce(t *testing.T, s Registered) {
	ctx, first := context.Background(), enrolled(t, s)
	other, p := newRegistration(), newProof()
	other.Recipient.ID, other.Recipient.Name = first.Recipient.ID, "Other"
	if err := s.Registrations.Register(ctx, other, p); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if got := reread(t, s, first.Access); !reflect.DeepEqual(got, first) {
		t.Errorf("the first changed: %+v", got)
	}
	if err := s.Guard.Spend(ctx, p); err != nil {
		t.Errorf("a conflict spent the proof: %v", err)
	}
}

func registeredProof(t *testing.T, s Registered) {
	ctx, p := context.Background(), newProof()
	if err := s.Registrations.Register(ctx, newRegistration(), p); err != nil {
		t.Fatal(err)
	}
	again, fresh := newRegistration(), newProof()
	err := s.Registrations.Register(ctx, again, fresh, p)
	if seen, ok := errors.AsType[*token.ReplayedError](err); !ok || seen.Key != p.Key {
		t.Errorf("got %v, want the replay of the proof", err)
	}
	if _, err := s.Recipients.Recipient(ctx, again.Recipient.ID); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("a replay registered: %v", err)
	}
	if err := s.Guard.Spend(ctx, fresh); err != nil {
		t.Errorf("a replay spent the other proof: %v", err)
	}
	r := enrolled(t, s)
	if err := s.Registrations.Update(ctx, r, p); !errors.Is(err, token.ErrReplayed) {
		t.Errorf("update: got %v, want ErrReplayed", err)
	}
	if got := reread(t, s, r.Access); !reflect.DeepEqual(got, r) {
		t.Errorf("a replay changed: %+v", got)
	}
}

func registeredRace(t *testing.T, s Registered) {
	p := newProof()
	errs := consenttest.Race(func(int) error {
		return s.Registrations.Register(context.Background(), newRegistration(), p)
	})
	consenttest.OneWinner(t, errs, token.ErrReplayed)
}

func registrationUpdate(t *testing.T, s Registered) {
	ctx, was := context.Background(), enrolled(t, s)
	r := was
	r.Recipient.Name, r.Recipient.Status, r.Recipient.RedirectURIs = "Renamed", consent.RecipientPending, []string{"https://new.example/cb"}
	r.Record, r.StatementID = json.RawMessage(`{"a":1}`), "s-2"
	r.Access, r.IssuedAt = newHash(), r.IssuedAt.Add(time.Hour)
	if err := s.Registrations.Update(ctx, r, newProof()); err != nil {
		t.Fatal(err)
	}
	got := reread(t, s, was.Access)
	if got.UpdatedAt.Equal(was.UpdatedAt) {
		t.Error("the time of change stayed")
	}
	r.Access, r.IssuedAt, r.UpdatedAt = was.Access, was.IssuedAt, got.UpdatedAt
	if !reflect.DeepEqual(got, r) {
		t.Errorf("got  %+v\nwant %+v", got, r)
	}
}

func registrationUpdateConflict(t *testing.T, s Registered) {
	ctx, was := context.Background(), enrolled(t, s)
	if err := s.Registrations.Move(ctx, was.Recipient.ID, was.Recipient.Status, consent.RecipientSuspended, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Registrations.Update(ctx, was); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("after a suspension: got %v, want ErrConflict", err)
	}
	if got := reread(t, s, was.Access); got.Recipient.Status != consent.RecipientSuspended {
		t.Errorf("an update lifted the suspension: %s", got.Recipient.Status)
	}
	unknown := newRegistration()
	if err := s.Registrations.Update(ctx, unknown); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("unknown: got %v, want ErrConflict", err)
	}
	if _, err := s.Recipients.Recipient(ctx, unknown.Recipient.ID); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("an update registered: %v", err)
	}
}

func registrationUpdateRace(t *testing.T, s Registered) {
	r := enrolled(t, s)
	errs := consenttest.Race(func(int) error { return s.Registrations.Update(context.Background(), r) })
	consenttest.OneWinner(t, errs, consent.ErrConflict)
}

var everyStatus = []consent.RecipientStatus{
	consent.RecipientPending, consent.RecipientActive, consent.RecipientRestricted, consent.RecipientSuspended, consent.RecipientClosed,
}

func moveSteps(t *testing.T, s Registered) {
	ctx := context.Background()
	for _, from := range everyStatus {
		for _, to := range everyStatus {
			r := newRegistration()
			r.Recipient.Status = from
			if err := s.Registrations.Register(ctx, r); err != nil {
				t.Fatal(err)
			}
			err := s.Registrations.Move(ctx, r.Recipient.ID, from, to, time.Time{})
			want := from
			if from.CanBecome(to) {
				want = to
			}
			if (err == nil) != from.CanBecome(to) || err != nil && !errors.Is(err, consent.ErrConflict) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			if got, err := s.Recipients.Recipient(ctx, r.Recipient.ID); err != nil || got.Status != want {
				t.Errorf("%s to %s: is %s (%v)", from, to, got.Status, err)
			}
		}
	}
}

func moveConflict(t *testing.T, s Registered) {
	ctx, r := context.Background(), enrolled(t, s)
	id := r.Recipient.ID
	if err := s.Registrations.Move(ctx, id, consent.RecipientSuspended, consent.RecipientActive, time.Time{}); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("from another state: got %v, want ErrConflict", err)
	}
	if err := s.Registrations.Update(ctx, r); err != nil {
		t.Fatal(err)
	}
	if err := s.Registrations.Move(ctx, id, consent.RecipientActive, consent.RecipientSuspended, r.UpdatedAt); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("seen before a change: got %v, want ErrConflict", err)
	}
	if err := s.Registrations.Move(ctx, id, consent.RecipientActive, consent.RecipientSuspended, reread(t, s, r.Access).UpdatedAt); err != nil {
		t.Errorf("as seen: %v", err)
	}
	if err := s.Registrations.Move(ctx, "nobody", consent.RecipientActive, consent.RecipientSuspended, time.Time{}); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("unknown: got %v, want ErrNotFound", err)
	}
}

func moveRace(t *testing.T, s Registered) {
	r := enrolled(t, s)
	errs := consenttest.Race(func(int) error {
		return s.Registrations.Move(context.Background(), r.Recipient.ID, consent.RecipientActive, consent.RecipientRestricted, time.Time{})
	})
	consenttest.OneWinner(t, errs, consent.ErrConflict)
}

func moveClosed(t *testing.T, s Registered) {
	ctx, r := context.Background(), enrolled(t, s)
	if err := s.Registrations.Move(ctx, r.Recipient.ID, consent.RecipientActive, consent.RecipientSuspended, time.Time{}); err != nil {
		t.Fatal(err)
	}
	suspended := reread(t, s, r.Access)
	if err := s.Registrations.Move(ctx, r.Recipient.ID, consent.RecipientSuspended, consent.RecipientClosed, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Registrations.Registration(ctx, r.Access); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("by its token: got %v, want ErrNotFound", err)
	}
	if err := s.Registrations.Update(ctx, suspended); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("update: got %v, want ErrConflict", err)
	}
}

// grantsFor gives a recipient grants and returns their ids.
func grantsFor(t *testing.T, s Registered, id consent.RecipientID, n int) map[consent.GrantID]bool {
	t.Helper()
	ids := map[consent.GrantID]bool{}
	for range n {
		g := consenttest.NewGrant(newConsumer(), time.Now())
		g.Recipient = id
		if err := s.Grants.Create(context.Background(), g); err != nil {
			t.Fatal(err)
		}
		ids[g.ID] = true
	}
	return ids
}

func activeGrants(t *testing.T, s Registered) {
	ctx, r, other := context.Background(), enrolled(t, s), enrolled(t, s)
	want := grantsFor(t, s, r.Recipient.ID, 5)
	grantsFor(t, s, other.Recipient.ID, 1)
	for id := range grantsFor(t, s, r.Recipient.ID, 1) {
		if _, err := s.Grants.End(ctx, consent.End{Grant: id, Status: consent.StatusRevoked, Actor: consent.ActorConsumer}); err != nil {
			t.Fatal(err)
		}
	}
	var last consent.GrantID
	for page := 0; ; page++ {
		ids, err := s.Registrations.ActiveGrants(ctx, r.Recipient.ID, last, 2)
		if err != nil || len(ids) > 2 || page > 3 {
			t.Fatalf("page %d: %v, %v", page, ids, err)
		}
		if len(ids) == 0 {
			break
		}
		for _, id := range ids {
			if !want[id] || id <= last {
				t.Errorf("%s is foreign, ended, repeated or out of order", id)
			}
			delete(want, id)
			last = id
		}
	}
	if len(want) > 0 {
		t.Errorf("left out: %v", want)
	}
}

// breaking passes ends on until it has passed n of them.
type breaking struct {
	consent.Store
	n int
}

var errBroke = errors.New("the connection broke")

func (b *breaking) End(ctx context.Context, e consent.End) (consent.Grant, error) {
	if b.n == 0 {
		return consent.Grant{}, errBroke
	}
	b.n--
	return b.Store.End(ctx, e)
}

func closeRepeated(t *testing.T, s Registered) {
	ctx, r := context.Background(), enrolled(t, s)
	id := r.Recipient.ID
	all := grantsFor(t, s, id, 7)
	order := consent.Closing{Recipients: s.Recipients, Standing: s.Registrations, ID: id, By: consent.ActorRecipient}
	ended := 0
	for n := range 4 {
		store := &breaking{s.Grants, 2}
		service, err := consent.NewService(consent.ServiceConfig{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		done, err := service.Close(ctx, order)
		ended += done
		now, _ := s.Recipients.Recipient(ctx, id)
		if n < 3 && (!errors.Is(err, errBroke) || now.Status != consent.RecipientSuspended) || n == 3 && (err != nil || now.Status != consent.RecipientClosed) {
			t.Fatalf("attempt %d: %v, the client is %s", n+1, err, now.Status)
		}
		if n == 3 {
			if _, err := service.Close(ctx, order); !errors.Is(err, consent.ErrClosed) {
				t.Errorf("closed again: got %v, want ErrClosed", err)
			}
		}
	}
	if ended != len(all) {
		t.Errorf("%d grants ended, want %d", ended, len(all))
	}
	for g := range all {
		got, err := s.Grants.Grant(ctx, g)
		if err != nil || got.Status != consent.StatusRevoked || got.EndedBy != consent.ActorRecipient {
			t.Errorf("grant: %s by %s (%v)", got.Status, got.EndedBy, err)
		}
		if events, err := s.Grants.Events(ctx, g); err != nil || len(events) != 2 {
			t.Errorf("events: %+v (%v)", events, err)
		}
	}
	order.ID = "nobody"
	service, _ := consent.NewService(consent.ServiceConfig{Store: s.Grants})
	if _, err := service.Close(ctx, order); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("unknown: got %v, want ErrNotFound", err)
	}
}
