package resource

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"testing"
	"time"

	"github.com/headgate/headgate/fdx"
)

// These tests are inside the package for what recipients cannot see from
// outside: that whatever they send as a key, nothing but our own opens.

func keysAt(t testing.TB, now func() time.Time) *pageKeys {
	t.Helper()
	k, err := newPageKeys([][]byte{bytes.Repeat([]byte{1}, 32)}, now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPageKeyPartsDoNotRunTogether(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	k := keysAt(t, func() time.Time { return now })
	one := binding{grant: "ab", operation: "c", account: "d", filter: filter{"e"}}
	key := string(k.seal(nil, one, place{after: "here"}))
	for _, other := range []binding{
		{grant: "a", operation: "c", account: "d", filter: filter{"e"}},
		{grant: "ab", operation: "x", account: "d", filter: filter{"e"}},
		{grant: "a", operation: "bc", account: "d", filter: filter{"e"}},
		{grant: "ab", operation: "cd", account: "", filter: filter{"e"}},
		{grant: "ab", operation: "c", account: "de", filter: filter{""}},
		{grant: "ab", operation: "c", account: "e", filter: filter{"d"}},
		{},
	} {
		if _, ok := k.open(other, key); ok {
			t.Errorf("opened for %+v", other)
		}
	}
	if p, ok := k.open(one, key); !ok || p.after != "here" {
		t.Errorf("%+v, %v", p, ok)
	}
	if string(k.seal(nil, one, place{after: "here"})) == key {
		t.Error("a key repeats itself")
	}
}

func TestPageKeyFitsItsLimit(t *testing.T) {
	t.Parallel()
	k := keysAt(t, time.Now)
	today := fdx.DateOf(time.Now())
	long := place{after: string(bytes.Repeat([]byte{0xff}, maxPlace)), window: fdx.Window{Start: today, End: today}}
	key := string(k.seal(nil, binding{}, long))
	if len(key) > fdx.MaxPageKeyLength {
		t.Errorf("%d bytes", len(key))
	}
	if p, ok := k.open(binding{}, key); !ok || p != long {
		t.Error("the longest place does not survive")
	}
}

func FuzzPageKey(f *testing.F) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	// A secret of this process: what another fuzz worker sealed is foreign.
	k, err := newPageKeys([][]byte{[]byte(rand.Text() + rand.Text())[:32]}, func() time.Time { return now })
	if err != nil {
		f.Fatal(err)
	}
	good := string(k.seal(nil, binding{filter: filter{"f"}}, place{after: "here"}))
	f.Add("f", good)
	f.Add("", good)
	f.Add("f", good[1:])
	f.Add("f", "")
	f.Add("f", base64.RawURLEncoding.EncodeToString(make([]byte, 40)))
	f.Fuzz(func(t *testing.T, chosen, key string) {
		p, ok := k.open(binding{filter: filter{chosen}}, key)
		if ok != (key == good && chosen == "f") {
			t.Errorf("opened a key that we did not make: %+v", p)
		}
	})
}
