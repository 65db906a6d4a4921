package certs_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate/headgate/certs"
)

func sealKeys(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "seal-keys.json")
	if err := certs.GenerateSealKeys(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func sealer(t testing.TB, path string) *certs.Sealer {
	t.Helper()
	s, err := certs.LoadSealer(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t testing.TB, s *certs.Sealer, label, id, plain string) []byte {
	t.Helper()
	sealed, err := s.Seal(context.Background(), label, id, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealed(t *testing.T) {
	t.Parallel()
	path := sealKeys(t)
	s := sealer(t, path)
	for _, plain := range []string{"", "x", "login_hint=someone", strings.Repeat("long", 50_000)} {
		sealed := seal(t, s, "request.params", "row-1", plain)
		// Another process with the same file opens it.
		got, err := sealer(t, path).Open(t.Context(), "request.params", "row-1", sealed)
		if err != nil || string(got) != plain {
			t.Errorf("%d bytes came back as %d, %v", len(plain), len(got), err)
		}
		if len(plain) > 4 && bytes.Contains(sealed, []byte(plain[:5])) {
			t.Error("the value shows")
		}
		if bytes.Equal(sealed, seal(t, s, "request.params", "row-1", plain)) {
			t.Error("two values show that they are the same")
		}
	}
	for _, place := range [][2]string{{"", "row"}, {"label", ""}} {
		if _, err := s.Seal(t.Context(), place[0], place[1], nil); err == nil {
			t.Errorf("sealed for %q", place)
		}
		if _, err := s.Open(t.Context(), place[0], place[1], seal(t, s, "label", "row", "x")); err == nil {
			t.Errorf("opened for %q", place)
		}
	}
}

func TestSealedValueDoesNotOpenElsewhere(t *testing.T) {
	t.Parallel()
	s := sealer(t, sealKeys(t))
	sealed := seal(t, s, "request.params", "row-1", "secret")
	for name, place := range map[string][2]string{
		"another row":                 {"request.params", "row-2"},
		"another label":               {"request.hint", "row-1"},
		"the border between them":     {"request.paramsr", "ow-1"},
		"the border the other way":    {"request.param", "srow-1"},
		"a longer row id":             {"request.params", "row-1\x00"},
		"a label with the row in it":  {"request.paramsrow-", "1"},
		"a row in another upper case": {"request.params", "ROW-1"},
	} {
		if got, err := s.Open(t.Context(), place[0], place[1], sealed); !errors.Is(err, certs.ErrSealBroken) || got != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := sealer(t, sealKeys(t)).Open(t.Context(), "request.params", "row-1", sealed); !errors.Is(err, certs.ErrSealKey) || got != nil {
		t.Errorf("another deployment's keys: %v", err)
	}
}

func TestSealedValueThatWasChanged(t *testing.T) {
	t.Parallel()
	s := sealer(t, sealKeys(t))
	sealed := seal(t, s, "label", "row", "secret")
	other := seal(t, s, "label", "row", "another")
	named := func(err error) bool {
		return errors.Is(err, certs.ErrNotSealed) || errors.Is(err, certs.ErrSealKey) || errors.Is(err, certs.ErrSealBroken)
	}
	for i := range len(sealed) {
		if got, err := s.Open(t.Context(), "label", "row", sealed[:i]); !named(err) || got != nil {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
		for bit := range 8 {
			flipped := bytes.Clone(sealed)
			flipped[i] ^= 1 << bit
			if got, err := s.Open(t.Context(), "label", "row", flipped); !named(err) || got != nil {
				t.Errorf("bit %d of byte %d flipped: %v", bit, i, err)
			}
		}
		// The first part of one value and the rest of another.
		if mixed := append(bytes.Clone(sealed[:i]), other[min(i, len(other)):]...); !bytes.Equal(mixed, other) {
			if got, err := s.Open(t.Context(), "label", "row", mixed); !named(err) || got != nil {
				t.Errorf("spliced at byte %d: %v", i, err)
			}
		}
	}
	if got, err := s.Open(t.Context(), "label", "row", append(bytes.Clone(sealed), 0)); !errors.Is(err, certs.ErrSealBroken) || got != nil {
		t.Errorf("one byte more: %v", err)
	}
	for _, head := range []string{"", "\x01", "\x01\x00\x00\x00", "\x02", "secret"} {
		if _, err := s.Open(t.Context(), "label", "row", []byte(head)); !errors.Is(err, certs.ErrNotSealed) {
			t.Errorf("%q: %v", head, err)
		}
	}
}

func TestSealKeysAreReplaced(t *testing.T) {
	t.Parallel()
	key := func(id string, fill byte) string {
		return `{"id":"` + id + `","secret":"` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)) + `"}`
	}
	file := func(keys ...string) string {
		path := filepath.Join(t.TempDir(), "seal-keys.json")
		write(t, path, []byte(`{"keys":[`+strings.Join(keys, ",")+`]}`))
		return path
	}
	before, both := sealer(t, file(key("old", 1))), sealer(t, file(key("new", 2), key("old", 1)))
	after := sealer(t, file(key("new", 2)))
	sealed := seal(t, before, "label", "row", "secret")
	if got, err := both.Open(t.Context(), "label", "row", sealed); err != nil || string(got) != "secret" {
		t.Errorf("under the former key: %s, %v", got, err)
	}
	if _, err := after.Open(t.Context(), "label", "row", sealed); !errors.Is(err, certs.ErrSealKey) {
		t.Errorf("without the former key: %v", err)
	}
}

func TestSecretFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	secret := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	short := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 31))
	zero := base64.StdEncoding.EncodeToString(make([]byte, 32))
	loaders := map[string]func(string) error{
		"seal":   func(path string) error { _, err := certs.LoadSealer(path); return err },
		"secret": func(path string) error { _, err := certs.LoadSecret(path); return err },
	}
	good := map[string]string{"seal": `{"keys":[{"id":"a","secret":"` + secret + `"}]}`, "secret": `{"secret":"` + secret + `"}`}
	for kind, load := range loaders {
		for name, data := range map[string]string{
			"empty":                 ``,
			"not JSON":              `secret`,
			"nothing in it":         `{}`,
			"the other kind's file": strings.TrimPrefix(good["seal"]+good["secret"], good[kind]),
			"a short secret":        strings.ReplaceAll(good[kind], secret, short),
			"no secret":             strings.ReplaceAll(good[kind], secret, ""),
			"a secret of zeros":     strings.ReplaceAll(good[kind], secret, zero),
			"base64 for URLs":       strings.ReplaceAll(good[kind], secret, strings.TrimRight(secret, "=")),
			"a line break in it":    strings.ReplaceAll(good[kind], secret, secret[:9]+`\n`+secret[9:]),
			"cut":                   good[kind][:len(good[kind])-1],
			"an unknown member":     strings.Replace(good[kind], `{`, `{"more":1,`, 1),
			"a name in other case":  strings.Replace(good[kind], `"secret"`, `"Secret"`, 1),
			"a member twice":        strings.Replace(good[kind], `"secret"`, `"secret":"","secret"`, 1),
		} {
			path := filepath.Join(t.TempDir(), "file")
			write(t, path, []byte(data))
			if err := load(path); !errors.Is(err, certs.ErrSecretFile) {
				t.Errorf("%s: %s: %v", kind, name, err)
			} else if strings.Contains(err.Error(), secret[:8]) {
				t.Errorf("%s: %s: the error quotes the secret", kind, name)
			}
		}
		path := filepath.Join(t.TempDir(), "file")
		write(t, path, []byte(good[kind]))
		if err := load(path); err != nil {
			t.Errorf("%s: the good one: %v", kind, err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := load(path); !errors.Is(err, certs.ErrExposed) {
			t.Errorf("%s: readable by the group: %v", kind, err)
		}
		if err := load(path + "-absent"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: absent: %v", kind, err)
		}
	}
	for name, data := range map[string]string{
		"no keys":       `{"keys":[]}`,
		"an empty id":   `{"keys":[{"id":"","secret":"` + secret + `"}]}`,
		"a long id":     `{"keys":[{"id":"` + strings.Repeat("x", 256) + `","secret":"` + secret + `"}]}`,
		"an id twice":   `{"keys":[{"id":"a","secret":"` + secret + `"},{"id":"a","secret":"` + strings.Replace(secret, "B", "C", 1) + `"}]}`,
		"a key twice":   `{"keys":[{"id":"a","secret":"` + secret + `"},{"id":"b","secret":"` + secret + `"}]}`,
		"more in a key": `{"keys":[{"id":"a","secret":"` + secret + `","alg":"none"}]}`,
		"a null key":    `{"keys":[null]}`,
	} {
		path := filepath.Join(t.TempDir(), "file")
		write(t, path, []byte(data))
		if _, err := certs.LoadSealer(path); !errors.Is(err, certs.ErrSecretFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "subject-key.json")
	if err := certs.GenerateSecret(path); err != nil {
		t.Fatal(err)
	}
	first, err := certs.LoadSecret(path)
	if err != nil || len(first) != 32 {
		t.Fatalf("%d bytes, %v", len(first), err)
	}
	if err := certs.GenerateSecret(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error = %v", err)
	}
	if err := certs.GenerateSealKeys(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error = %v", err)
	}
	if again, err := certs.LoadSecret(path); err != nil || !bytes.Equal(first, again) {
		t.Errorf("the secret changed, %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func FuzzOpen(f *testing.F) {
	s := sealer(f, sealKeys(f))
	sealed := seal(f, s, "label", "row", "secret")
	f.Add(sealed)
	f.Add(sealed[:len(sealed)-1])
	f.Add([]byte("\x01\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := s.Open(t.Context(), "label", "row", data); err == nil && !bytes.Equal(data, sealed) {
			t.Error("opened what was never sealed")
		}
	})
}
