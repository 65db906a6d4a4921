package certs_test

import (
	"context"
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/certs"
)

func TestNewRotatorChecksItsConfig(t *testing.T) {
	t.Parallel()
	path := generated(t)
	for name, change := range map[string]func(*certs.RotatorConfig){
		"no provider":                           func(c *certs.RotatorConfig) { c.Provider = nil },
		"published ahead less than caches keep": func(c *certs.RotatorConfig) { c.PublishAhead = certs.JWKSMaxAge },
		"published ahead, negative":             func(c *certs.RotatorConfig) { c.PublishAhead = -1 },
		"a slow refresh":                        func(c *certs.RotatorConfig) { c.Refresh = 6 * time.Minute },
		"a negative refresh":                    func(c *certs.RotatorConfig) { c.Refresh = -1 },
		"retained less than a refresh":          func(c *certs.RotatorConfig) { c.Retain = time.Second },
		"rotates before keys are known":         func(c *certs.RotatorConfig) { c.Every, c.Retain = 9*time.Minute, time.Hour },
		"rotates backwards":                     func(c *certs.RotatorConfig) { c.Every = -1 },
		"more keys than verifiers take":         func(c *certs.RotatorConfig) { c.Every = time.Hour },
		"an algorithm of no kind":               func(c *certs.RotatorConfig) { c.Algorithms = []string{"RS256"} },
		"an algorithm twice":                    func(c *certs.RotatorConfig) { c.Algorithms = []string{"ES256", "ES256"} },
		"an algorithm without key":              func(c *certs.RotatorConfig) { c.Algorithms = []string{"PS256"} },
	} {
		c := certs.RotatorConfig{Provider: certs.NewKeyFile(path)}
		change(&c)
		if r, err := certs.NewRotator(t.Context(), c); err == nil || r != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRotationByCommand(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) certs.KeyProvider{
		"file":  func(t *testing.T) certs.KeyProvider { return certs.NewKeyFile(generated(t)) },
		"token": func(t *testing.T) certs.KeyProvider { return newToken(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := time.Now()
			p := open(t)
			r := rotator(t, certs.RotatorConfig{Provider: p, Now: func() time.Time { return clock }})
			first := signed(t, r, "ES256")
			var early *certs.TooEarlyError
			if err := r.Rotate(t.Context(), "", false); !errors.As(err, &early) || early.At.Before(clock.Add(9*time.Minute)) {
				t.Fatalf("rotated to a key that nobody knows: %v", err)
			}
			if signed(t, r, "ES256").kid != first.kid {
				t.Error("the key changed all the same")
			}
			before := keyIDs(t, p, certs.KeyNext)
			clock = early.At
			if err := r.Rotate(t.Context(), "", false); err != nil {
				t.Fatal(err)
			}
			second := signed(t, r, "ES256")
			if second.kid != before[0] {
				t.Error("another than the next key signs")
			}
			if err := r.Rotate(t.Context(), "ES256", true); err != nil { // the next key is new
				t.Fatal(err)
			}
			if signed(t, r, "ES256").kid == second.kid {
				t.Error("force did not rotate")
			}
			for _, s := range []signature{first, second} {
				if _, _, ok := verified(t, r.Public(), s.token); !ok {
					t.Error("a retired key is not published")
				}
			}
			clock = early.At.Add(certs.DefaultRetain) // nobody looks at the provider meanwhile
			for _, s := range []signature{first, second} {
				if _, _, ok := verified(t, r.Public(), s.token); ok {
					t.Error("a retired key is published for ever")
				}
			}

			// A new algorithm is published first.
			if err := r.Rotate(t.Context(), "EdDSA", false); !errors.As(err, &early) || slices.Contains(r.Algorithms(), "EdDSA") {
				t.Errorf("EdDSA signs at once: %v", err)
			}
			clock = early.At
			if err := r.Rotate(t.Context(), "EdDSA", false); err != nil || !slices.Equal(r.Algorithms(), []string{"ES256", "EdDSA"}) {
				t.Errorf("algorithms %v, %v", r.Algorithms(), err)
			}
			if err := r.Rotate(t.Context(), "RS256", true); !errors.Is(err, certs.ErrKeySet) {
				t.Errorf("RS256: %v", err)
			}
		})
	}
}

type signature struct{ token, kid string }

func signed(t *testing.T, r *certs.Rotator, alg string) signature {
	t.Helper()
	token, err := r.Sign(t.Context(), alg, "JWT", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	header, _, ok := verified(t, r.Public(), token)
	if !ok {
		t.Fatal("the signer's own key set does not verify")
	}
	return signature{token, header.KeyID}
}

func keyIDs(t *testing.T, p certs.KeyProvider, state certs.KeyState) (ids []string) {
	t.Helper()
	all, err := p.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if k.State == state {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

func TestRetire(t *testing.T) {
	t.Parallel()
	p := certs.NewKeyFile(generated(t, "ES256", "EdDSA"))
	r := rotator(t, certs.RotatorConfig{Provider: p})
	bad := signed(t, r, "ES256")
	untouched := signed(t, r, "EdDSA")
	if err := r.Retire(t.Context(), "unknown"); !errors.Is(err, certs.ErrNoKey) {
		t.Errorf("unknown: %v", err)
	}
	if err := r.Retire(t.Context(), bad.kid); err != nil {
		t.Fatal(err)
	}
	if signed(t, r, "ES256").kid == bad.kid {
		t.Error("the key still signs")
	}
	if _, _, ok := verified(t, r.Public(), bad.token); ok || strings.Contains(string(r.Public()), bad.kid) {
		t.Error("the key is still published")
	}
	if _, err := p.Signer(t.Context(), bad.kid); !errors.Is(err, certs.ErrNoKey) {
		t.Errorf("the private half is still there: %v", err)
	}
	if signed(t, r, "EdDSA").kid != untouched.kid {
		t.Error("the key of another algorithm changed")
	}
	if err := r.Retire(t.Context(), bad.kid); !errors.Is(err, certs.ErrNoKey) {
		t.Errorf("again: %v", err)
	}
	// A next key leaves another behind, and so does the only key there is.
	for range 2 {
		next := keyIDs(t, p, certs.KeyNext)
		for _, kid := range next {
			if err := r.Retire(t.Context(), kid); err != nil {
				t.Fatal(err)
			}
		}
		if now := keyIDs(t, p, certs.KeyNext); len(now) != 2 || slices.Contains(now, next[0]) {
			t.Errorf("next keys %v", now)
		}
	}
}

// Another process follows what this one does, and keeps working while the
// file, or the token, does not.
func TestRunFollows(t *testing.T) {
	t.Parallel()
	path := generated(t)
	synctest.Test(t, func(t *testing.T) {
		clock := func() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }
		var mu sync.Mutex
		var faults []error
		told := func() []error { mu.Lock(); defer mu.Unlock(); f := faults; faults = nil; return f }
		r := rotator(t, certs.RotatorConfig{
			Provider: certs.NewKeyFile(path), Now: clock,
			OnError: func(err error) { mu.Lock(); defer mu.Unlock(); faults = append(faults, err) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.Run(ctx); close(ended) }()
		refreshed := func() { time.Sleep(certs.DefaultRefresh); synctest.Wait() }

		before := signed(t, r, "ES256")
		if err := rotator(t, certs.RotatorConfig{Provider: certs.NewKeyFile(path), Now: clock}).Rotate(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		if signed(t, r, "ES256").kid != before.kid {
			t.Error("the file was read when something was signed")
		}
		refreshed()
		after := signed(t, r, "ES256")
		if after.kid == before.kid {
			t.Error("the rotation was not followed")
		}
		good := content(t, path)
		for name, spoil := range map[string]func() error{
			"cut":                func() error { return os.WriteFile(path, good[:len(good)/2], 0o600) },
			"empty":              func() error { return os.WriteFile(path, nil, 0o600) },
			"gone":               func() error { return os.Rename(path, path+".away") },
			"readable by others": func() error { return os.Chmod(path, 0o644) },
			"without a current key": func() error {
				return os.WriteFile(path, []byte(strings.NewReplacer(`"current"`, `"retired"`, `"activated"`, `"retired":"2099-01-01T00:00:00Z","activated"`).Replace(string(good))), 0o600)
			},
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			refreshed()
			refreshed()
			if got := told(); len(got) != 1 {
				t.Errorf("%s: told %v, want one fault", name, got)
			}
			if signed(t, r, "ES256").kid != after.kid {
				t.Errorf("%s: the key changed", name)
			}
			_ = os.Remove(path + ".away")
			if err := certs.WritePrivate(path, good); err != nil {
				t.Fatal(err)
			}
			refreshed()
			if got := told(); len(got) != 0 || signed(t, r, "ES256").kid != after.kid {
				t.Errorf("%s: mended, told %v", name, got)
			}
		}
		cancel()
		<-ended
	})
}

// A provider that cannot write any more still serves, and says so.
func TestRotationThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newToken(t)
		faults := make(chan error, 100)
		r := rotator(t, certs.RotatorConfig{Provider: p, Every: 20 * time.Minute, Retain: time.Hour, OnError: func(err error) { faults <- err }})
		go r.Run(t.Context())
		before := signed(t, r, "ES256")
		down := errors.New("the token is unplugged")
		p.mu.Lock()
		p.down = down
		p.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		if signed(t, r, "ES256").kid != before.kid {
			t.Error("another key signs")
		}
		if len(faults) != 1 || !errors.Is(<-faults, down) {
			t.Error("the fault was not told once")
		}
		p.mu.Lock()
		p.down = nil
		p.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if signed(t, r, "ES256").kid == before.kid || len(faults) != 0 {
			t.Error("the rotation was not made up for")
		}
	})
}

// liar gives the signer of another key.
type liar struct{ *token }

func (l liar) Signer(ctx context.Context, id string) (crypto.Signer, error) {
	for other := range l.objects {
		if other != id {
			return l.token.Signer(ctx, other)
		}
	}
	return nil, certs.ErrNoKey
}

func TestProviderWithMismatchedHalves(t *testing.T) {
	t.Parallel()
	if _, err := certs.NewRotator(t.Context(), certs.RotatorConfig{Provider: liar{newToken(t)}}); !errors.Is(err, certs.ErrKeySet) {
		t.Errorf("error = %v", err)
	}
	p := newToken(t)
	p.records[1].Public = p.objects[p.records[1].ID] // a private key as the public one
	if _, err := certs.NewRotator(t.Context(), certs.RotatorConfig{Provider: p}); !errors.Is(err, certs.ErrKeySet) {
		t.Errorf("a private key would be published: %v", err)
	}
}

// An empty token gets its keys by itself when rotation is automatic, and only
// then.
func TestEmptyProvider(t *testing.T) {
	t.Parallel()
	if _, err := certs.NewRotator(t.Context(), certs.RotatorConfig{Provider: &token{}}); !errors.Is(err, certs.ErrKeySet) {
		t.Errorf("error = %v", err)
	}
	p := &token{}
	var wg sync.WaitGroup
	kids := make(chan string, 4)
	for range 4 {
		wg.Go(func() {
			r, err := certs.NewRotator(t.Context(), certs.RotatorConfig{Provider: p, Algorithms: []string{"EdDSA"}, Every: 24 * time.Hour})
			if err != nil {
				t.Error(err)
				return
			}
			kids <- signed(t, r, "EdDSA").kid
		})
	}
	wg.Wait()
	close(kids)
	first := <-kids
	for kid := range kids {
		if kid != first {
			t.Error("instances that start together made keys of their own")
		}
	}
	if len(keyIDs(t, p, certs.KeyCurrent)) != 1 || len(keyIDs(t, p, certs.KeyNext)) != 1 {
		t.Errorf("keys %+v", p.records)
	}
}

// An algorithm that is added to a deployment at work waits until its key is
// known.
func TestAddedAlgorithm(t *testing.T) {
	t.Parallel()
	path := generated(t)
	clock := time.Now()
	c := certs.RotatorConfig{
		Provider: certs.NewKeyFile(path), Algorithms: []string{"ES256", "EdDSA"},
		Every: 7 * 24 * time.Hour, Now: func() time.Time { return clock },
	}
	r := rotator(t, c)
	if !slices.Equal(r.Algorithms(), []string{"ES256"}) || strings.Count(string(r.Public()), `"EdDSA"`) != 1 {
		t.Errorf("algorithms %v, published %s", r.Algorithms(), r.Public())
	}
	clock = clock.Add(certs.DefaultPublishAhead)
	if r = rotator(t, c); !slices.Equal(r.Algorithms(), []string{"ES256", "EdDSA"}) {
		t.Errorf("algorithms %v", r.Algorithms())
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 2 {
		t.Errorf("files %v, want the keys and their lock", left)
	}
}
