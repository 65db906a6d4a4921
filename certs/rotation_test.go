package certs

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// This file is within the package for the decisions as a table, for rules that
// NewRotator refuses, to see the overlap proof fail, and for the parser.

var day = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// ring reads keys from "alg id state created activated retired" lines, times
// in minutes of the day. It is the form in which show writes them.
func ring(t *testing.T, lines string) []KeyInfo {
	t.Helper()
	var keys []KeyInfo
	for line := range strings.Lines(lines) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		k := KeyInfo{Algorithm: f[0], ID: f[1], State: KeyState(f[2])}
		for i, at := range []*time.Time{&k.Created, &k.Activated, &k.Retired} {
			if len(f) > 3+i {
				var minute int
				if _, err := fmt.Sscan(f[3+i], &minute); err != nil {
					t.Fatal(err)
				}
				*at = day.Add(time.Duration(minute) * time.Minute)
			}
		}
		keys = append(keys, k)
	}
	return keys
}

func show(keys []KeyInfo) string {
	var out []string
	for _, k := range keys {
		id := k.ID
		if id == "" {
			id = "new"
		}
		line := fmt.Sprintf("%s %s %s", k.Algorithm, id, k.State)
		for _, at := range []time.Time{k.Created, k.Activated, k.Retired} {
			if !at.IsZero() {
				line += fmt.Sprintf(" %d", int(at.Sub(day).Minutes()))
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestDue(t *testing.T) {
	t.Parallel()
	r := rules{algorithms: []string{"ES256"}, publishAhead: 10 * time.Minute, retain: 60 * time.Minute, every: 100 * time.Minute}
	both := r
	both.algorithms = []string{"ES256", "EdDSA"}
	never := r
	never.every = 0
	for _, tc := range []struct {
		name  string
		rules rules
		keys  string
		at    int
		want  string // empty: as they were
	}{
		{name: "a first key signs at once", rules: r, at: 5, want: "ES256 new current 5 5\nES256 new next 5"},
		{name: "of each algorithm", rules: both, at: 5,
			want: "ES256 new current 5 5\nES256 new next 5\nEdDSA new current 5 5\nEdDSA new next 5"},
		{name: "before the time nothing", rules: r, keys: "ES256 a current 0 0\nES256 b next 0", at: 99},
		{name: "at the time the next takes over", rules: r, keys: "ES256 a current 0 0\nES256 b next 0", at: 100,
			want: "ES256 a retired 0 0 100\nES256 b current 0 100\nES256 new next 100"},
		{name: "not while the next is young", rules: r, keys: "ES256 a current 0 0\nES256 b next 95", at: 104},
		{name: "but once it is known", rules: r, keys: "ES256 a current 0 0\nES256 b next 95", at: 105,
			want: "ES256 a retired 0 0 105\nES256 b current 95 105\nES256 new next 105"},
		{name: "a missing next key is made, also when it is late", rules: r, keys: "ES256 a current 0 0", at: 500,
			want: "ES256 a current 0 0\nES256 new next 500"},
		{name: "a next key from the future waits", rules: r, keys: "ES256 a current 0 0\nES256 b next 900", at: 500},
		{name: "a clock that was set back rotates nothing", rules: r, keys: "ES256 a current 0 400\nES256 b next 400", at: 5},
		{name: "a retired key stays", rules: r, keys: "ES256 a retired 0 0 100\nES256 b current 0 100\nES256 c next 100", at: 159},
		{name: "until its time is over", rules: r, keys: "ES256 a retired 0 0 100\nES256 b current 0 100\nES256 c next 100", at: 160,
			want: "ES256 b current 0 100\nES256 c next 100"},
		{name: "a new algorithm is published first", rules: both, keys: "ES256 a current 0 0\nES256 b next 0", at: 5,
			want: "ES256 a current 0 0\nES256 b next 0\nEdDSA new next 5"},
		{name: "and waits", rules: both, keys: "ES256 a current 0 0\nES256 b next 0\nEdDSA c next 5", at: 14},
		{name: "and then signs", rules: both, keys: "ES256 a current 0 0\nES256 b next 0\nEdDSA c next 5", at: 15,
			want: "ES256 a current 0 0\nES256 b next 0\nEdDSA c current 5 15\nEdDSA new next 15"},
		{name: "one algorithm rotates by itself", rules: both,
			keys: "ES256 a current 0 0\nES256 b next 0\nEdDSA c current 0 50\nEdDSA d next 50", at: 100,
			want: "ES256 a retired 0 0 100\nES256 b current 0 100\nEdDSA c current 0 50\nEdDSA d next 50\nES256 new next 100"},
		{name: "an algorithm that is no longer wanted stays as it is", rules: r,
			keys: "ES256 a current 90 90\nES256 b next 90\nEdDSA c current 0 0", at: 150},
		{name: "without a period age does nothing", rules: never, keys: "ES256 a current 0 0\nES256 b next 0", at: 9000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			keys := ring(t, tc.keys)
			got := tc.rules.due(keys, day.Add(time.Duration(tc.at)*time.Minute))
			if tc.want == "" {
				tc.want = tc.keys
			}
			if show(got) != tc.want {
				t.Errorf("got\n%s\nwant\n%s", show(got), tc.want)
			}
			if show(keys) != tc.keys {
				t.Error("the keys that were given changed")
			}
			if err := CheckKeys(got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRotateAndRetireDecide(t *testing.T) {
	t.Parallel()
	r := rules{publishAhead: 10 * time.Minute, retain: 60 * time.Minute}
	const keys = "ES256 a current 0 0\nES256 b next 0\nEdDSA c current 0 0\nEdDSA d next 15"
	for _, tc := range []struct {
		name, keys, algs string
		force            bool
		early            int
		want             string
	}{
		{name: "one", keys: keys, algs: "ES256", want: "ES256 a retired 0 0 20\nES256 b current 0 20\nEdDSA c current 0 0\nEdDSA d next 15\nES256 new next 20"},
		{name: "all or none", keys: keys, algs: "ES256 EdDSA", early: 25, want: keys},
		{name: "the latest counts", keys: "ES256 a current 0 0\nES256 b next 12\nEdDSA d next 15", algs: "EdDSA ES256", early: 25, want: "ES256 a current 0 0\nES256 b next 12\nEdDSA d next 15"},
		{name: "forced", keys: "EdDSA c current 0 0\nEdDSA d next 15", algs: "EdDSA", force: true, want: "EdDSA c retired 0 0 20\nEdDSA d current 15 20\nEdDSA new next 20"},
		{name: "no next key", keys: "ES256 a current 0 0", algs: "ES256", early: 30, want: "ES256 a current 0 0\nES256 new next 20"},
		{name: "no next key, forced", keys: "ES256 a current 0 0", algs: "ES256", force: true, want: "ES256 a retired 0 0 20\nES256 new current 20 20\nES256 new next 20"},
		{name: "another algorithm", keys: "ES256 a current 0 0", algs: "PS256", early: 30, want: "ES256 a current 0 0\nPS256 new next 20"},
	} {
		got, early := r.rotate(ring(t, tc.keys), strings.Fields(tc.algs), day.Add(20*time.Minute), tc.force)
		if show(got) != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, show(got), tc.want)
		}
		if tc.early == 0 && !early.IsZero() || tc.early != 0 && !early.Equal(day.Add(time.Duration(tc.early)*time.Minute)) {
			t.Errorf("%s: early until %s", tc.name, early)
		}
	}
	for id, want := range map[string]string{
		"a": "ES256 b current 0 20\nEdDSA c current 0 0\nEdDSA d next 15\nES256 new next 20",
		"b": "ES256 a current 0 0\nEdDSA c current 0 0\nEdDSA d next 15\nES256 new next 20",
		"c": "ES256 a current 0 0\nES256 b next 0\nEdDSA d current 15 20\nEdDSA new next 20",
		"x": "",
	} {
		got, err := r.retire(ring(t, keys), id, day.Add(20*time.Minute))
		if show(got) != want || (err == nil) != (want != "") {
			t.Errorf("retire %s: got\n%s\nwant\n%s\n%v", id, show(got), want, err)
		}
	}
	got, err := r.retire(ring(t, "ES256 a current 0 0"), "a", day)
	if want := "ES256 new current 0 0\nES256 new next 0"; err != nil || show(got) != want {
		t.Errorf("retire the only key: got\n%s\n%v", show(got), err)
	}
}

// The promise of the whole: two processes rotate and sign, verifiers keep what
// they fetch for as long as they may and never ask again before, and no
// signature is refused, neither fresh nor at the end of its life.
func TestNoSignatureIsRefused(t *testing.T) {
	t.Parallel()
	const life = 30 * time.Minute
	good := rules{publishAhead: DefaultPublishAhead, retain: life + DefaultRefresh}
	if fresh, old, rotations := overlap(t, good, life, 5*time.Hour); fresh != 0 || old != 0 || rotations < 12 {
		t.Errorf("%d fresh and %d old signatures refused over %d rotations", fresh, old, rotations)
	}
	// The proof can fail.
	early := good
	early.publishAhead = 0
	if fresh, _, _ := overlap(t, early, life, 2*time.Hour); fresh == 0 {
		t.Error("keys that sign before they are published: no refusal was noticed")
	}
	short := good
	short.retain = DefaultRefresh
	if _, old, _ := overlap(t, short, life, 2*time.Hour); old == 0 {
		t.Error("keys that vanish before what they signed: no refusal was noticed")
	}
}

// overlap runs two processes under the given rules, for as long as it is told
// by a fake clock, and returns how many signatures were refused when made and
// at the end of their life, and how often the key changed.
func overlap(t *testing.T, under rules, life, long time.Duration) (fresh, old, rotations int) {
	path := filepath.Join(t.TempDir(), "keys.json")
	const every, step = 20 * time.Minute, 20 * time.Second
	synctest.Test(t, func(t *testing.T) {
		if err := GenerateSigningKeys(path); err != nil {
			t.Fatal(err)
		}
		var servers []*Rotator
		for range 2 {
			r, err := NewRotator(t.Context(), RotatorConfig{Provider: NewKeyFile(path), Every: every, Retain: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			r.rules.publishAhead, r.rules.retain = under.publishAhead, under.retain
			servers = append(servers, r)
			go r.Run(t.Context())
			time.Sleep(DefaultRefresh/2 + time.Second) // they look at different times
		}
		verifiers := make([]verifier, 3)
		for i := range verifiers {
			verifiers[i].fetched = time.Now().Add(-JWKSMaxAge * time.Duration(i) / 3)
			verifiers[i].keys, _ = ParseJWKS(servers[0].Public())
		}
		type issued struct {
			token string
			at    time.Time
		}
		var alive []issued
		kids := make(map[string]bool)
		for n := 0; n < int(long/step); n++ {
			time.Sleep(step)
			synctest.Wait()
			if n%(19*3) == 0 {
				// Now and then an operator drops the next key, so that a
				// rotation is due while its successor is young.
				dropNext(t, servers[n%len(servers)])
			}
			for i, s := range servers {
				token, err := s.Sign(t.Context(), "ES256", "JWT", struct{}{})
				if err != nil {
					t.Fatal(err)
				}
				if i == 0 || n%3 == 0 {
					alive = append(alive, issued{token, time.Now()})
				}
				v := &verifiers[n%len(verifiers)]
				if time.Since(v.fetched) >= JWKSMaxAge {
					v.keys, _ = ParseJWKS(servers[(n+i)%len(servers)].Public())
					v.fetched = time.Now()
				}
				kid, ok := v.accepts(token)
				kids[kid] = true
				if !ok {
					fresh++
				}
			}
			for len(alive) > 0 && time.Since(alive[0].at) >= life {
				if n%3 == 0 {
					now := verifier{}
					now.keys, _ = ParseJWKS(servers[n/3%len(servers)].Public())
					if _, ok := now.accepts(alive[0].token); !ok {
						old++
					}
				}
				alive = alive[1:]
			}
		}
		keys, err := NewKeyFile(path).Keys(t.Context())
		if err != nil || len(keys) > 2+int(under.retain/every)+1 {
			t.Errorf("%d keys in the end, %v", len(keys), err)
		}
		rotations = len(kids) - 1
	})
	if want := int(long / every); rotations > want {
		t.Errorf("%d rotations, due were %d: two processes made one each", rotations, want)
	}
	return fresh, old, rotations
}

func dropNext(t *testing.T, r *Rotator) {
	t.Helper()
	keys, err := r.cfg.Provider.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Retire(t.Context(), keys[find(keys, "ES256", KeyNext)].ID); err != nil {
		t.Fatal(err)
	}
}

// verifier is a recipient that keeps our keys as long as it may.
type verifier struct {
	keys    JWKS
	fetched time.Time
}

func (v verifier) accepts(token string) (kid string, ok bool) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", false
	}
	h := jws.Signatures[0].Protected
	return h.KeyID, slices.ContainsFunc(v.keys.Select(h.KeyID, h.Algorithm), func(k jose.JSONWebKey) bool {
		_, err := jws.Verify(k)
		return err == nil
	})
}

func FuzzKeyFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "keys.json")
	if err := GenerateSigningKeys(path, "ES256", "EdDSA"); err != nil {
		f.Fatal(err)
	}
	data, err := ReadPrivate(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(regexp.MustCompile(`"(state|created|activated)": "[^"]*",`).ReplaceAll(data, nil))
	f.Add([]byte(`{"keys":[{"state":"current"}]}`))
	f.Add([]byte(`{"keys":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeyFile(data, day)
		if err != nil {
			return
		}
		if len(keys) == 0 || CheckKeys(infos(keys)) != nil {
			t.Errorf("accepted %+v", infos(keys))
		}
		for _, k := range keys {
			if !samePublic(k.Public, k.private.Public()) {
				t.Error("the halves do not belong together")
			}
		}
	})
}
