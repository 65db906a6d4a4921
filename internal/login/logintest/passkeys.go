package logintest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/login"
)

// PasskeyMemory keeps passkeys in memory. It is safe for concurrent use. The
// zero value is ready.
type PasskeyMemory struct {
	mu         sync.Mutex
	challenges map[string]login.Challenge
	handles    map[consent.ConsumerID][]byte
	records    []login.PasskeyRecord
	told       []inbox.Kind
	notes      []login.SignIn
}

// Told returns of what people were told, oldest first.
func (m *PasskeyMemory) Told() []inbox.Kind {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.told)
}

// Notes returns what was noted, oldest first.
func (m *PasskeyMemory) Notes() []login.SignIn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.notes)
}

// Tell implements inbox.Teller.
func (m *PasskeyMemory) Tell(_ context.Context, _ consent.ConsumerID, k inbox.Kind) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, k)
	return nil
}

// PutChallenge implements login.PasskeyStore.
func (m *PasskeyMemory) PutChallenge(_ context.Context, c login.Challenge) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.challenges == nil {
		m.challenges = map[string]login.Challenge{}
	}
	m.challenges[string(c.Value)] = c
	return nil
}

// TakeChallenge implements login.PasskeyStore.
func (m *PasskeyMemory) TakeChallenge(_ context.Context, value []byte, is login.Key, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.challenges[string(value)]
	if !ok || c.For != is || !now.Before(c.ExpiresAt) {
		return fmt.Errorf("memory: %w", consent.ErrNotFound)
	}
	delete(m.challenges, string(value))
	return nil
}

// Handle implements login.PasskeyStore.
func (m *PasskeyMemory) Handle(_ context.Context, who consent.ConsumerID) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.handles == nil {
		m.handles = map[consent.ConsumerID][]byte{}
	}
	if m.handles[who] == nil {
		m.handles[who] = make([]byte, 32)
		rand.Read(m.handles[who])
	}
	return m.handles[who], nil
}

// PasskeysOf implements login.PasskeyStore.
func (m *PasskeyMemory) PasskeysOf(_ context.Context, who consent.ConsumerID) ([]login.PasskeyRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []login.PasskeyRecord
	for _, r := range m.records {
		if r.Consumer == who {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b login.PasskeyRecord) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// Passkey implements login.PasskeyStore.
func (m *PasskeyMemory) Passkey(_ context.Context, credential []byte) (login.PasskeyRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.records {
		if bytes.Equal(r.Credential, credential) {
			return r, nil
		}
	}
	return login.PasskeyRecord{}, fmt.Errorf("memory: %w", consent.ErrNotFound)
}

// AddPasskey implements login.PasskeyStore.
func (m *PasskeyMemory) AddPasskey(_ context.Context, p login.PasskeyRecord, s login.SignIn) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, r := range m.records {
		if bytes.Equal(r.Credential, p.Credential) {
			return login.ErrPasskeys
		}
		if r.Consumer == p.Consumer {
			n++
		}
	}
	if n >= login.MaxPasskeys {
		return login.ErrPasskeys
	}
	m.records = append(m.records, p)
	m.told, m.notes = append(m.told, inbox.PasskeyAdded), append(m.notes, s)
	return nil
}

// UsePasskey implements login.PasskeyStore.
func (m *PasskeyMemory) UsePasskey(_ context.Context, id login.PasskeyID, count uint32, backedUp bool, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.find(id)
	if i < 0 {
		return login.ErrPasskey
	}
	r := &m.records[i]
	if count <= r.SignCount && (count != 0 || r.SignCount != 0) {
		return login.ErrCopied
	}
	r.SignCount, r.BackedUp, r.UsedAt = count, backedUp, at
	return nil
}

func (m *PasskeyMemory) find(id login.PasskeyID) int {
	return slices.IndexFunc(m.records, func(r login.PasskeyRecord) bool { return r.ID == id })
}

// RenamePasskey implements login.PasskeyStore.
func (m *PasskeyMemory) RenamePasskey(_ context.Context, who consent.ConsumerID, id login.PasskeyID, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.find(id)
	if i < 0 || m.records[i].Consumer != who {
		return fmt.Errorf("memory: %w", consent.ErrNotFound)
	}
	m.records[i].Name = name
	return nil
}

// RemovePasskey implements login.PasskeyStore.
func (m *PasskeyMemory) RemovePasskey(_ context.Context, who consent.ConsumerID, id login.PasskeyID, s login.SignIn) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.find(id)
	if i < 0 || m.records[i].Consumer != who {
		return fmt.Errorf("memory: %w", consent.ErrNotFound)
	}
	m.records = slices.Delete(m.records, i, i+1)
	m.told, m.notes = append(m.told, inbox.PasskeyRemoved), append(m.notes, s)
	return nil
}

// PasskeyStores tests a store of passkeys. Each call of fresh returns one
// without the people that the test names.
func PasskeyStores(t *testing.T, fresh func(*testing.T) login.PasskeyStore) {
	t.Run("a challenge is answered once", func(t *testing.T) { t.Parallel(); challenges(t, fresh(t)) })
	t.Run("a challenge is answered once in a race", func(t *testing.T) { t.Parallel(); challengeRace(t, fresh(t)) })
	t.Run("passkeys are kept", func(t *testing.T) { t.Parallel(); passkeys(t, fresh(t)) })
	t.Run("the count of uses rises", func(t *testing.T) { t.Parallel(); counts(t, fresh(t)) })
	t.Run("there are so many and no more", func(t *testing.T) { t.Parallel(); tooMany(t, fresh(t)) })
}

func challenges(t *testing.T, s login.PasskeyStore) {
	ctx := context.Background()
	c := login.Challenge{Value: bytes.Repeat([]byte{7}, 32), For: login.Key{1}, ExpiresAt: noon.Add(login.ChallengeLife)}
	take := func(value []byte, is login.Key, now time.Time, want error) {
		t.Helper()
		if err := s.TakeChallenge(ctx, value, is, now); !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	take(c.Value, c.For, noon, consent.ErrNotFound)
	if err := s.PutChallenge(ctx, c); err != nil {
		t.Fatal(err)
	}
	take(c.Value, login.Key{2}, noon, consent.ErrNotFound)   // for something else
	take(c.Value[1:], c.For, noon, consent.ErrNotFound)      // truncated
	take(nil, c.For, noon, consent.ErrNotFound)              // empty
	take(c.Value, c.For, c.ExpiresAt, consent.ErrNotFound)   // over
	take(c.Value, c.For, c.ExpiresAt.Add(-time.Second), nil) // and none of these used it up
	take(c.Value, c.For, noon, consent.ErrNotFound)          // a second time
}

func challengeRace(t *testing.T, s login.PasskeyStore) {
	ctx := context.Background()
	c := login.Challenge{Value: bytes.Repeat([]byte{8}, 32), For: login.Key{1}, ExpiresAt: noon.Add(login.ChallengeLife)}
	if err := s.PutChallenge(ctx, c); err != nil {
		t.Fatal(err)
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if s.TakeChallenge(ctx, c.Value, c.For, noon) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("answered %d times", won.Load())
	}
}

// add stores a passkey for a person and returns it as it has to be read.
func add(t *testing.T, s login.PasskeyStore, who consent.ConsumerID, id string, count uint32) (login.PasskeyRecord, error) {
	t.Helper()
	ctx := context.Background()
	handle, err := s.Handle(ctx, who)
	if err != nil || len(handle) != 32 {
		t.Fatalf("a handle of %d bytes, %v", len(handle), err)
	}
	r := login.PasskeyRecord{
		ID: login.PasskeyID(string(who) + id), Consumer: who, Name: "phone " + id, CreatedAt: noon, Credential: []byte(string(who) + id), Key: []byte{0xa0, 1},
		SignCount: count, AAGUID: [16]byte{3}, Transports: []string{"internal", "hybrid"}, BackupEligible: true, Handle: handle,
	}
	return r, s.AddPasskey(ctx, r, login.SignIn{Event: login.PasskeyAdded, Consumer: who, At: noon, Method: login.Passkey})
}

func same(a, b login.PasskeyRecord) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func passkeys(t *testing.T, s login.PasskeyStore) {
	ctx := context.Background()
	if list, err := s.PasskeysOf(ctx, "ada"); list != nil || err != nil {
		t.Fatalf("of nobody: %v, %v", list, err)
	}
	one, err := add(t, s, "ada", "1", 4_000_000_000)
	two, err2 := add(t, s, "ada", "2", 0)
	_, err3 := add(t, s, "bob", "1", 0)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Handle, two.Handle) {
		t.Error("one person has two handles")
	}
	if list, err := s.PasskeysOf(ctx, "ada"); err != nil || len(list) != 2 || !same(list[0], one) || !same(list[1], two) {
		t.Errorf("got %v, %v", list, err)
	}
	if r, err := s.Passkey(ctx, one.Credential); err != nil || !same(r, one) {
		t.Errorf("got %v, %v", r, err)
	}
	if _, err := s.Passkey(ctx, one.Credential[1:]); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("a part of an id: %v", err)
	}
	// A credential is one person's, once.
	eve, _ := s.Handle(ctx, "eve")
	stolen := one
	stolen.ID, stolen.Consumer, stolen.Handle = "other", "eve", eve
	if err := s.AddPasskey(ctx, stolen, login.SignIn{Consumer: "eve", At: noon, Method: login.Passkey}); !errors.Is(err, login.ErrPasskeys) {
		t.Errorf("a known credential: %v", err)
	}
	for _, err := range []error{
		s.RenamePasskey(ctx, "bob", one.ID, "mine"), s.RenamePasskey(ctx, "ada", "nothing", "mine"),
		s.RemovePasskey(ctx, "bob", one.ID, login.SignIn{Consumer: "bob", At: noon, Method: login.Passkey}),
	} {
		if !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("another person's: %v", err)
		}
	}
	if err := s.RenamePasskey(ctx, "ada", one.ID, "laptop"); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.Passkey(ctx, one.Credential); r.Name != "laptop" {
		t.Errorf("called %s", r.Name)
	}
	gone := login.SignIn{Event: login.PasskeyRemoved, Consumer: "ada", At: noon, Method: login.Passkey}
	if err := s.RemovePasskey(ctx, "ada", one.ID, gone); err != nil {
		t.Fatal(err)
	}
	if err := s.RemovePasskey(ctx, "ada", one.ID, gone); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if err := s.UsePasskey(ctx, one.ID, 4_000_000_001, false, noon); !errors.Is(err, login.ErrPasskey) || errors.Is(err, login.ErrCopied) {
		t.Errorf("a removed one is used: %v", err)
	}
	if list, _ := s.PasskeysOf(ctx, "ada"); len(list) != 1 || !same(list[0], two) {
		t.Errorf("left: %v", list)
	}
}

func counts(t *testing.T, s login.PasskeyStore) {
	ctx := context.Background()
	counting, err := add(t, s, "ada", "1", 3)
	silent, err2 := add(t, s, "ada", "2", 0)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	use := func(id login.PasskeyID, count uint32, want error) {
		t.Helper()
		if err := s.UsePasskey(ctx, id, count, true, noon.Add(time.Minute)); !errors.Is(err, want) {
			t.Errorf("count %d: %v, want %v", count, err, want)
		}
	}
	use(counting.ID, 3, login.ErrCopied)
	use(counting.ID, 0, login.ErrCopied)
	if r, _ := s.Passkey(ctx, counting.Credential); !r.UsedAt.IsZero() || r.SignCount != 3 || r.BackedUp {
		t.Errorf("a refusal left %+v", r)
	}
	use(counting.ID, 5, nil)
	use(counting.ID, 5, login.ErrCopied)
	use(counting.ID, 4_294_967_295, nil)
	use(silent.ID, 0, nil)
	use(silent.ID, 0, nil)
	use(silent.ID, 1, nil) // begins to count
	use(silent.ID, 0, login.ErrCopied)
	if r, _ := s.Passkey(ctx, silent.Credential); !r.UsedAt.Equal(noon.Add(time.Minute)) || !r.BackedUp || r.SignCount != 1 {
		t.Errorf("a use left %+v", r)
	}
	// Of two uses with one count one is right.
	var right atomic.Int64
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if s.UsePasskey(ctx, silent.ID, 9, true, noon) == nil {
				right.Add(1)
			}
		})
	}
	wg.Wait()
	if right.Load() != 1 {
		t.Errorf("one count was right %d times", right.Load())
	}
}

func tooMany(t *testing.T, s login.PasskeyStore) {
	var added atomic.Int64
	var wg sync.WaitGroup
	if _, err := s.Handle(context.Background(), "ada"); err != nil {
		t.Fatal(err)
	}
	for i := range login.MaxPasskeys + 3 {
		wg.Go(func() {
			switch _, err := add(t, s, "ada", fmt.Sprint(i), 0); {
			case err == nil:
				added.Add(1)
			case !errors.Is(err, login.ErrPasskeys):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if added.Load() != login.MaxPasskeys {
		t.Errorf("%d were added", added.Load())
	}
}
