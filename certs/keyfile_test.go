package certs_test

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/certstest"
)

// generated returns the path of a new key file.
func generated(t testing.TB, algorithms ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "signing-keys.json")
	if err := certs.GenerateSigningKeys(path, algorithms...); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestKeyFileKeepsTheContract(t *testing.T) {
	t.Parallel()
	certstest.KeyProvider(t, func(t *testing.T) certs.KeyProvider { return certs.NewKeyFile(generated(t)) })
}

// oldForm is a file as it was before keys had states.
func oldForm(t testing.TB, keys ...jose.JSONWebKey) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, encode(t, jose.JSONWebKeySet{Keys: keys}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func private(key any, kid string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "ES256", Use: "sig"}
}

func TestOldFormOfTheFile(t *testing.T) {
	t.Parallel()
	path := oldForm(t, private(ecKey(t, elliptic.P256()), "a"), private(ecKey(t, elliptic.P256()), "b"), private(ecKey(t, elliptic.P256()), "c"))
	changed := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(path, changed, changed); err != nil {
		t.Fatal(err)
	}
	before := content(t, path)
	clock := changed.Add(9 * time.Minute)
	r := rotator(t, certs.RotatorConfig{Provider: certs.NewKeyFile(path), Now: func() time.Time { return clock }})
	token, err := r.Sign(t.Context(), "ES256", "JWT", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if header, _, ok := verified(t, r.Public(), token); !ok || header.KeyID != "a" {
		t.Errorf("signed with %s, verified %v", header.KeyID, ok)
	}
	for _, kid := range []string{"a", "b", "c"} {
		if !strings.Contains(string(r.Public()), `"kid":"`+kid+`"`) {
			t.Errorf("%s is not published", kid)
		}
	}
	if !bytes.Equal(before, content(t, path)) {
		t.Error("reading changed the file")
	}
	var early *certs.TooEarlyError
	if err := r.Rotate(t.Context(), "", false); !errors.As(err, &early) || !early.At.Equal(changed.Add(10*time.Minute)) {
		t.Errorf("rotated to a key that is younger than ten minutes, for all we know: %v", err)
	}
	clock = changed.Add(10 * time.Minute)
	if err := r.Rotate(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	after, err := certs.NewKeyFile(path).Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != 4 || after[0].ID != "b" || after[0].State != certs.KeyCurrent || after[1].State != certs.KeyNext ||
		after[2].State != certs.KeyRetired || after[3].State != certs.KeyRetired || !after[0].Created.Equal(changed) {
		t.Errorf("keys after the rotation: %+v", after)
	}
	if _, _, ok := verified(t, r.Public(), token); !ok {
		t.Error("what the former key signed does not verify")
	}

	// An operator's own single key signs; its successor must be published first.
	single := oldForm(t, private(ecKey(t, elliptic.P256()), "mine"))
	r = rotator(t, certs.RotatorConfig{Provider: certs.NewKeyFile(single)})
	if err := r.Rotate(t.Context(), "", false); !errors.As(err, &early) {
		t.Errorf("rotated to a key that nobody could know: %v", err)
	}
	if keys, err := certs.NewKeyFile(single).Keys(t.Context()); err != nil || len(keys) != 2 || keys[0].ID != "mine" || keys[1].State != certs.KeyNext {
		t.Errorf("no next key was made: %+v, %v", keys, err)
	}
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	key := func(k any, kid, alg, use string) jose.JSONWebKey {
		return jose.JSONWebKey{Key: k, KeyID: kid, Algorithm: alg, Use: use}
	}
	a, b := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	mixed := *a
	mixed.PublicKey = b.PublicKey
	mixedEd := bytes.Clone(edKey(t))
	copy(mixedEd[32:], edKey(t)[32:])
	set := func(keys ...jose.JSONWebKey) []byte { return encode(t, jose.JSONWebKeySet{Keys: keys}) }
	// with returns a file of the present form with one key changed.
	with := func(change func(object)) []byte {
		var file struct {
			Keys []object `json:"keys"`
		}
		if err := json.Unmarshal(content(t, generated(t)), &file); err != nil {
			t.Fatal(err)
		}
		change(file.Keys[0])
		return encode(t, file)
	}
	is := func(name string, value any) []byte { return with(func(k object) { k[name] = value }) }
	for name, data := range map[string][]byte{
		"empty":                         {},
		"not JSON":                      []byte("keys"),
		"no keys":                       []byte(`{"keys":[]}`),
		"keys twice":                    []byte(`{"keys":[],"keys":[]}`),
		"Keys in another case":          bytes.Replace(content(t, generated(t)), []byte(`"keys"`), []byte(`"Keys"`), 1),
		"a member beside keys":          bytes.Replace(content(t, generated(t)), []byte(`"keys"`), []byte(`"more":1,"keys"`), 1),
		"a part of a file":              content(t, generated(t))[:500],
		"one key by itself":             encode(t, key(a, "a", "ES256", "sig")),
		"public key":                    set(key(a.Public(), "a", "ES256", "sig")),
		"RSA without state":             set(key(rsaKeys()[2048], "a", "PS256", "sig")),
		"Ed25519 without state":         set(key(edKey(t), "a", "EdDSA", "sig")),
		"P-384":                         set(key(ecKey(t, elliptic.P384()), "a", "ES384", "sig")),
		"P-384 without alg":             set(key(ecKey(t, elliptic.P384()), "a", "", "")),
		"symmetric":                     set(key([]byte("0123456789abcdef0123456789abcdef"), "a", "HS256", "sig")),
		"for encryption":                set(key(a, "a", "ES256", "enc")),
		"for another algorithm":         set(key(a, "a", "ECDH-ES", "sig")),
		"no kid":                        set(key(a, "", "ES256", "sig")),
		"kid twice":                     set(key(a, "a", "ES256", "sig"), key(b, "a", "ES256", "sig")),
		"key twice under different kid": set(key(a, "a", "ES256", "sig"), key(a, "b", "ES256", "sig")),
		"second key public":             set(key(a, "a", "ES256", "sig"), key(b.Public(), "b", "ES256", "sig")),
		"halves that do not belong":     set(key(&mixed, "a", "ES256", "sig")),
		"Ed25519 halves of two keys":    set(key(mixedEd, "a", "EdDSA", "sig")),
		"weak RSA":                      with(func(k object) { clear(k); merge(k, publicJWK(t, rsaKeys()[1024], life("PS256"))) }),
		"larger than any set of keys":   append(set(key(a, "a", "", "")), bytes.Repeat([]byte(" "), 64<<10)...),
		"a set followed by other text":  append(set(key(a, "a", "", "")), '{'),
		"one key with, one without":     with(func(k object) { delete(k, "state") }),
		"a state of no kind":            is("state", "revoked"),
		"an empty state":                is("state", ""),
		"a state that is no text":       is("state", 1),
		"an unknown member of a key":    is("note", "x"),
		"a state in another case":       is("State", "next"),
		"an alg of another kind of key": is("alg", "EdDSA"),
		"an alg that we do not use":     is("alg", "RS256"),
		"never created":                 with(func(k object) { delete(k, "created") }),
		"a time that is none":           is("created", "yesterday"),
		"current but never activated":   with(func(k object) { delete(k, "activated") }),
		"current and retired":           is("retired", "2030-01-01T00:00:00Z"),
		"no current key but two next":   with(func(k object) { k["state"] = "next"; delete(k, "activated") }),
	} {
		path := filepath.Join(t.TempDir(), "keys.json")
		write(t, path, data)
		if _, err := certs.NewKeyFile(path).Keys(t.Context()); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := certs.LoadSigningKeys(path); err == nil {
			t.Errorf("%s: signs", name)
		}
		err := certs.NewKeyFile(path).Update(t.Context(), func(k []certs.KeyInfo) ([]certs.KeyInfo, error) {
			t.Errorf("%s: a decision was asked for", name)
			return k, nil
		})
		if err == nil || !bytes.Equal(content(t, path), data) {
			t.Errorf("%s: updated: %v", name, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: the error may quote the file: %v", name, err)
		}
	}
}

func life(alg string) object {
	return object{"kid": "x", "alg": alg, "use": "sig", "state": "current", "created": "2030-01-01T00:00:00Z", "activated": "2030-01-01T00:00:00Z"}
}

func merge(into, from object) {
	for name, value := range from {
		into[name] = value
	}
}

func TestGenerateNeverOverwrites(t *testing.T) {
	t.Parallel()
	path := generated(t)
	before := content(t, path)
	if err := certs.GenerateSigningKeys(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error = %v", err)
	}
	if !bytes.Equal(before, content(t, path)) {
		t.Error("the keys changed")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := certs.GenerateSigningKeys(path+"2", "RS256"); !errors.Is(err, certs.ErrKeySet) {
		t.Errorf("an algorithm we do not use: %v", err)
	}
}

// A file that is not there must not look like an empty one.
func TestMissingFileIsReported(t *testing.T) {
	t.Parallel()
	f := certs.NewKeyFile(filepath.Join(t.TempDir(), "absent"))
	if _, err := f.Keys(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Keys: %v", err)
	}
	if err := f.Update(t.Context(), func(k []certs.KeyInfo) ([]certs.KeyInfo, error) { return k, nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Update: %v", err)
	}
	if _, err := certs.NewRotator(t.Context(), certs.RotatorConfig{Provider: f, Every: time.Hour * 24}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("NewRotator: %v", err)
	}
}

func TestUpdateLeavesAPrivateFile(t *testing.T) {
	t.Parallel()
	path := generated(t)
	f := certs.NewKeyFile(path)
	add := func(k []certs.KeyInfo) ([]certs.KeyInfo, error) {
		return append(k, certs.KeyInfo{Algorithm: "EdDSA", State: certs.KeyNext, Created: time.Now()}), nil
	}
	if err := f.Update(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	before := content(t, path)
	err := f.Update(t.Context(), func([]certs.KeyInfo) ([]certs.KeyInfo, error) { return nil, nil })
	if !errors.Is(err, certs.ErrKeySet) || !bytes.Equal(before, content(t, path)) {
		t.Errorf("a file without keys: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"Keys":   func() error { _, err := f.Keys(t.Context()); return err }(),
		"Update": f.Update(t.Context(), add),
		"Signer": func() error { _, err := f.Signer(t.Context(), "x"); return err }(),
	} {
		if !errors.Is(err, certs.ErrExposed) {
			t.Errorf("%s of a file that others can read: %v", name, err)
		}
	}
}

// Whoever holds the lock and does not come back must not hold up a server that
// stops.
func TestUpdateStopsWaiting(t *testing.T) {
	t.Parallel()
	path := generated(t)
	held, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	err = certs.NewKeyFile(path).Update(ctx, func(k []certs.KeyInfo) ([]certs.KeyInfo, error) {
		t.Error("decided without the lock")
		return k, nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
}

func TestUpdateRefusesTheFileOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away, and only root can read the one of another user")
	}
	path := generated(t)
	before := content(t, path)
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	err := certs.NewKeyFile(path).Update(t.Context(), func(k []certs.KeyInfo) ([]certs.KeyInfo, error) { return k[:1], nil })
	if err == nil || !bytes.Equal(before, content(t, path)) {
		t.Errorf("replaced: %v", err)
	}
}
