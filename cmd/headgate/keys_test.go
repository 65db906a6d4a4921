package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
)

var times = keyTimes{PublishAhead: certs.DefaultPublishAhead, Retain: certs.DefaultRetain}

func signingKeys(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "signing-keys.json")
	if err := certs.GenerateSigningKeys(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func listed(t *testing.T, path string) (keys []listedKey) {
	t.Helper()
	var out bytes.Buffer
	if err := (keysListCmd{keyTimes: times, File: path, JSON: true}).run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &keys); err != nil {
		t.Fatal(err)
	}
	return keys
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestKeysNew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	var out bytes.Buffer
	if err := (keysNewCmd{Dir: dir}).run(&out); err != nil {
		t.Fatal(err)
	}
	paths := strings.Fields(out.String())
	if len(paths) != 8 {
		t.Fatalf("made %v", paths)
	}
	before := make(map[string]string)
	for _, path := range paths {
		want := os.FileMode(0o600)
		if strings.HasSuffix(path, ".pub") {
			want = 0o644
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
		before[path] = read(t, path)
	}
	if _, err := certs.LoadSealer(filepath.Join(dir, "seal-keys.json")); err != nil {
		t.Error(err)
	}
	if _, err := certs.LoadSecret(filepath.Join(dir, "subject-key.json")); err != nil {
		t.Error(err)
	}
	// An older deployment lacks the newer files; the others are kept.
	if err := os.Remove(filepath.Join(dir, "seal-keys.json")); err != nil {
		t.Fatal(err)
	}
	if err := (keysNewCmd{Dir: dir}).run(&out); err != nil {
		t.Fatal(err)
	}
	for path, data := range before {
		if same := read(t, path) == data; same == strings.HasSuffix(path, "seal-keys.json") {
			t.Errorf("%s: kept %v", path, same)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	path := signingKeys(t)
	now := time.Now()
	clock := func() time.Time { return now }
	var out bytes.Buffer
	before := listed(t, path)
	rotate := keysRotateCmd{keyTimes: times, File: path}
	err := rotate.run(t.Context(), &out, clock)
	if err == nil || !strings.Contains(err.Error(), "Run this again in 10m") && !strings.Contains(err.Error(), "Run this again in 9m59s") {
		t.Errorf("a young key: %v", err)
	}
	if got := listed(t, path); len(got) != 2 || got[0] != before[0] || got[1] != before[1] || out.Len() != 0 {
		t.Errorf("refused, and changed: %+v, %s", got, &out)
	}
	now = before[1].SignsFrom
	if err := rotate.run(t.Context(), &out, clock); err != nil {
		t.Fatal(err)
	}
	after := listed(t, path)
	if len(after) != 3 || after[0].KID != before[1].KID || after[0].State != certs.KeyCurrent ||
		after[2].KID != before[0].KID || !after[2].PublishedUntil.Equal(now.Add(24*time.Hour)) {
		t.Errorf("rotated to %+v", after)
	}
	for _, want := range []string{after[0].KID, "signs until it is rotated", "may sign from", "published until"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &out)
		}
	}
	out.Reset()
	rotate.Force = true
	if err := rotate.run(t.Context(), &out, clock); err != nil || !strings.Contains(out.String(), "may refuse") {
		t.Errorf("forced: %s, %v", &out, err)
	}
	if listed(t, path)[0].KID != after[1].KID {
		t.Error("forced, and not rotated")
	}
	if err := (keysRotateCmd{keyTimes: times, File: path, Alg: "HS256"}).run(t.Context(), &out, clock); err == nil {
		t.Error("HS256 was rotated")
	}
	if strings.Contains(out.String(), `"d"`) {
		t.Error("a private key was printed")
	}
}

func TestKeysRetire(t *testing.T) {
	t.Parallel()
	path := signingKeys(t)
	keys := listed(t, path)
	var out bytes.Buffer
	retire := keysRetireCmd{keyTimes: times, File: path, KID: keys[0].KID}
	for _, answer := range []string{"", "\n", "yes\n", keys[1].KID + "\n"} {
		if err := retire.run(t.Context(), strings.NewReader(answer), &out, time.Now); err == nil {
			t.Errorf("%q was taken for a yes", answer)
		}
	}
	for _, want := range []string{"stops verifying", "not known to every verifier", "Type the kid"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the question lacks %q:\n%s", want, &out)
		}
	}
	if got := listed(t, path); len(got) != 2 || got[0] != keys[0] {
		t.Errorf("without a yes, changed to %+v", got)
	}
	if err := retire.run(t.Context(), strings.NewReader(keys[0].KID+"\n"), &out, time.Now); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(read(t, path), keys[0].KID) || listed(t, path)[0].KID != keys[1].KID {
		t.Error("not retired")
	}
	if err := retire.run(t.Context(), strings.NewReader(""), &out, time.Now); !errors.Is(err, certs.ErrNoKey) {
		t.Errorf("again: %v", err)
	}
	retire.KID, retire.Yes = listed(t, path)[1].KID, true
	out.Reset()
	if err := retire.run(t.Context(), strings.NewReader(""), &out, time.Now); err != nil || !strings.Contains(out.String(), "nothing stops verifying") {
		t.Errorf("a next key: %s, %v", &out, err)
	}
}

func TestKeysForAProviderToRegister(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	var out bytes.Buffer
	c := keysPublicCmd{File: file, Make: true, Alg: []string{"ES256", "PS256"}}
	if err := c.run(&out); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, `"kid"`) || !strings.Contains(s, "PS256") || strings.Contains(s, `"d"`) {
		t.Errorf("printed %s", s)
	}
	if err := c.run(io.Discard); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made a second time: %v", err)
	}
	c.Make = false
	var again bytes.Buffer
	if err := c.run(&again); err != nil || again.String() != out.String() {
		t.Errorf("%v; printed %s", err, again.String())
	}
}
