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
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
)

func generated(t *testing.T) (path string, keys *certs.SigningKeys) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keys.json")
	if err := certs.GenerateSigningKeys(path); err != nil {
		t.Fatal(err)
	}
	return path, load(t, path)
}

func load(t *testing.T, path string) *certs.SigningKeys {
	t.Helper()
	keys, err := certs.LoadSigningKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// verified checks a signature as a recipient would, with the published keys.
func verified(t *testing.T, published []byte, token string) (jose.Header, []byte, bool) {
	t.Helper()
	set, err := certs.ParseJWKS(published)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	header := jws.Signatures[0].Protected
	for _, k := range set.Select(header.KeyID, header.Algorithm) {
		if payload, err := jws.Verify(k); err == nil {
			return header, payload, true
		}
	}
	return header, nil, false
}

func TestSign(t *testing.T) {
	t.Parallel()
	_, keys := generated(t)
	token, err := keys.Sign(t.Context(), "token-introspection+jwt", map[string]any{"iss": "https://as.example", "n": 1})
	if err != nil {
		t.Fatal(err)
	}
	header, payload, ok := verified(t, keys.Public(), token)
	if !ok || header.KeyID == "" || header.ExtraHeaders[jose.HeaderType] != "token-introspection+jwt" {
		t.Errorf("verified %v, header %+v", ok, header)
	}
	if string(payload) != `{"iss":"https://as.example","n":1}` {
		t.Errorf("payload %s", payload)
	}
	if _, other := generated(t); true {
		if _, _, ok := verified(t, other.Public(), token); ok {
			t.Error("verified with another server's keys")
		}
	}

	bare, err := keys.Sign(t.Context(), "", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if header, _, ok := verified(t, keys.Public(), bare); !ok || len(header.ExtraHeaders) != 0 {
		t.Errorf("verified %v, header %+v", ok, header)
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	_, keys := generated(t)
	for name, claims := range map[string]any{
		"nil": nil, "array": []int{1}, "text": "x", "number": 1, "what JSON cannot hold": func() {},
	} {
		if token, err := keys.Sign(t.Context(), "JWT", claims); err == nil || token != "" {
			t.Errorf("%s: signed", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keys.Sign(ctx, "JWT", struct{}{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSignConcurrently(t *testing.T) {
	t.Parallel()
	_, keys := generated(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if _, err := keys.Sign(context.Background(), "JWT", struct{}{}); err != nil {
					t.Error(err)
				}
				keys.Public()[0] = 'x' // a caller's copy
			}
		})
	}
	wg.Wait()
	if keys.Public()[0] != '{' {
		t.Error("a caller could change the published document")
	}
}

func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	path, keys := generated(t)
	var published struct{ Keys []map[string]any }
	if err := json.Unmarshal(keys.Public(), &published); err != nil {
		t.Fatal(err)
	}
	if len(published.Keys) != 2 {
		t.Fatalf("%d keys published, want the current and the next one", len(published.Keys))
	}
	seen := make(map[any]bool)
	for _, k := range published.Keys {
		if k["use"] != "sig" || k["alg"] != "ES256" || k["kty"] != "EC" || k["crv"] != "P-256" || k["kid"] == "" || seen[k["kid"]] {
			t.Errorf("published %v", k)
		}
		seen[k["kid"]] = true
		for _, private := range []string{"d", "p", "q", "k"} {
			if _, ok := k[private]; ok {
				t.Errorf("published with %s", private)
			}
		}
	}
	// What is secret in the file must not be in the document in any form.
	var file struct{ Keys []struct{ D string } }
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, k := range file.Keys {
		if len(k.D) != 43 || strings.Contains(string(keys.Public()), k.D) {
			t.Error("a private value is missing in the file or published")
		}
	}
}

func TestGenerateNeverOverwrites(t *testing.T) {
	t.Parallel()
	path, keys := generated(t)
	if err := certs.GenerateSigningKeys(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error = %v", err)
	}
	if string(load(t, path).Public()) != string(keys.Public()) {
		t.Error("the keys changed")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	path, keys := generated(t)
	type issued struct {
		token string
		at    int
	}
	var tokens []issued
	published := [][]byte{keys.Public()}
	for round := range 5 {
		token, err := keys.Sign(t.Context(), "JWT", struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, issued{token, round})
		// A verifier that fetched before the last rotation knows the key.
		if _, _, ok := verified(t, published[max(0, round-1)], token); !ok {
			t.Errorf("round %d: the key was used before it was published", round)
		}
		if err := certs.RotateSigningKeys(path); err != nil {
			t.Fatal(err)
		}
		before := keys
		keys = load(t, path)
		published = append(published, keys.Public())
		// An instance that was not restarted yet is understood by all.
		late, err := before.Sign(t.Context(), "JWT", struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := verified(t, keys.Public(), late); !ok {
			t.Errorf("round %d: an instance that is late is not understood", round)
		}
		for _, old := range tokens {
			_, _, ok := verified(t, keys.Public(), old.token)
			if want := round-old.at < 1; ok != want {
				t.Errorf("round %d: token of round %d: verified %v", round, old.at, ok)
			}
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSigningKeyFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	key := func(k any, kid, alg, use string) jose.JSONWebKey {
		return jose.JSONWebKey{Key: k, KeyID: kid, Algorithm: alg, Use: use}
	}
	a, b := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	mixed := *a
	mixed.PublicKey = b.PublicKey
	set := func(keys ...jose.JSONWebKey) []byte { return encode(t, jose.JSONWebKeySet{Keys: keys}) }
	for name, data := range map[string][]byte{
		"empty":                        {},
		"not JSON":                     []byte("keys"),
		"no keys":                      []byte(`{"keys":[]}`),
		"keys twice":                   []byte(`{"keys":[],"keys":[]}`),
		"one key by itself":            encode(t, key(a, "a", "ES256", "sig")),
		"public key":                   set(key(a.Public(), "a", "ES256", "sig")),
		"RSA":                          set(key(rsaKeys()[2048], "a", "PS256", "sig")),
		"Ed25519":                      set(key(edKey(t), "a", "EdDSA", "sig")),
		"P-384":                        set(key(ecKey(t, elliptic.P384()), "a", "ES384", "sig")),
		"P-384 without alg":            set(key(ecKey(t, elliptic.P384()), "a", "", "")),
		"symmetric":                    set(key([]byte("0123456789abcdef0123456789abcdef"), "a", "HS256", "sig")),
		"for encryption":               set(key(a, "a", "ES256", "enc")),
		"for another algorithm":        set(key(a, "a", "ECDH-ES", "sig")),
		"no kid":                       set(key(a, "", "ES256", "sig")),
		"kid twice":                    set(key(a, "a", "ES256", "sig"), key(b, "a", "ES256", "sig")),
		"second key public":            set(key(a, "a", "ES256", "sig"), key(b.Public(), "b", "ES256", "sig")),
		"halves that do not belong":    set(key(&mixed, "a", "ES256", "sig")),
		"larger than any set of keys":  append(set(key(a, "a", "", "")), bytes.Repeat([]byte(" "), 64<<10)...),
		"a set followed by other text": append(set(key(a, "a", "", "")), '{'),
	} {
		path := filepath.Join(t.TempDir(), "keys.json")
		write(t, path, data)
		if _, err := certs.LoadSigningKeys(path); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if err := certs.RotateSigningKeys(path); err == nil {
			t.Errorf("%s: rotated", name)
		}
	}
	// An operator's own single key is fine to sign with, but cannot rotate.
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, set(key(a, "mine", "", "")))
	token, err := load(t, path).Sign(t.Context(), "JWT", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if header, _, ok := verified(t, load(t, path).Public(), token); !ok || header.KeyID != "mine" {
		t.Errorf("header %+v", header)
	}
	if public := string(load(t, path).Public()); !strings.Contains(public, `"use":"sig"`) || !strings.Contains(public, `"alg":"ES256"`) {
		t.Errorf("published %s", public)
	}
	if err := certs.RotateSigningKeys(path); err == nil {
		t.Error("rotated to a key that nobody could know")
	}
}

func TestPrivateFiles(t *testing.T) {
	t.Parallel()
	path, _ := generated(t)
	for mode, want := range map[os.FileMode]bool{
		0o600: true, 0o400: true,
		0o640: false, 0o604: false, 0o644: false, 0o660: false, 0o620: false, 0o700: false, 0o777: false, 0o610: false,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := certs.LoadSigningKeys(path)
		if (err == nil) != want {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if err != nil && (!errors.Is(err, certs.ErrExposed) || !strings.Contains(err.Error(), "chmod 600 "+path)) {
			t.Errorf("mode %04o: the error does not name the fix: %v", mode, err)
		}
	}
	if _, err := certs.ReadPrivate(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
}

func TestWritePrivateReplaces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, []byte("old"))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := certs.WritePrivate(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if data, err := certs.ReadPrivate(path); err != nil || string(data) != "new" {
		t.Errorf("%s, %v", data, err)
	}
	if err := certs.WritePrivate(filepath.Join(path, "below-a-file"), nil); err == nil {
		t.Error("wrote below a file")
	}
}

// A file that is not there must not look like an empty one.
func TestMissingFileIsReported(t *testing.T) {
	t.Parallel()
	if _, err := certs.LoadSigningKeys(t.TempDir() + "/absent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v", err)
	}
}
