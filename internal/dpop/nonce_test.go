package dpop

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"
)

func newNonces(t testing.TB, now *time.Time, keys ...[]byte) *Nonces {
	t.Helper()
	n, err := NewNonces(NonceConfig{Keys: keys, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var keyA, keyB = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)

func TestNonceLives(t *testing.T) {
	t.Parallel()
	// Issued at moments all over a span, so that some outlive it.
	for offset := time.Duration(0); offset < 2*NonceLife; offset += 37 * time.Second {
		issued := testNow.Truncate(NonceLife).Add(offset)
		now := issued
		n, elsewhere := newNonces(t, &now, keyA), newNonces(t, &now, keyA)
		nonce := n.Issue()
		if strings.Trim(nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || len(nonce) != 32 {
			t.Fatalf("nonce %s is not 32 characters of base64url", nonce)
		}
		for age, want := range map[time.Duration]bool{
			0: true, time.Second: true, NonceLife - time.Second: true, NonceLife: true,
			NonceLife + time.Second: false, 2 * NonceLife: false, 24 * time.Hour: false,
			-30 * time.Second: true, -31 * time.Second: false,
		} {
			now = issued.Add(age)
			at, ok := elsewhere.Check(nonce)
			if ok != want {
				t.Errorf("issued %s into the span, %s old: %v", offset, age, ok)
			}
			if ok && !at.Equal(issued) {
				t.Errorf("issued at %s, want %s", at, issued)
			}
		}
	}
}

func TestNonceIsRefused(t *testing.T) {
	t.Parallel()
	now := testNow
	n := newNonces(t, &now, keyA)
	good := n.Issue()
	forged := func(at int64) string {
		raw, _ := base64.RawURLEncoding.DecodeString(good)
		binary.BigEndian.PutUint64(raw, uint64(at))
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	for name, nonce := range map[string]string{
		"empty":                   "",
		"truncated":               good[:31],
		"longer":                  good + "A",
		"doubled":                 good + good,
		"of another secret":       newNonces(t, &now, keyB).Issue(),
		"time moved on":           forged(now.Unix() + 1),
		"time moved back":         forged(now.Unix() - 1),
		"the least time":          forged(math.MinInt64),
		"the greatest time":       forged(math.MaxInt64),
		"first tag byte changed":  good[:11] + "AA" + good[13:],
		"tag of zeros":            good[:10] + strings.Repeat("A", 22),
		"a line break inside":     good[:31] + "\n",
		"a line break at the end": good + "\n",
		"standard alphabet":       strings.Repeat("+", 32),
	} {
		if _, ok := n.Check(nonce); ok {
			t.Errorf("%s: accepted", name)
		}
	}
	for i := range len(good) {
		changed := []byte(good)
		if changed[i] = 'A'; good[i] == 'A' {
			changed[i] = 'B'
		}
		if _, ok := n.Check(string(changed)); ok {
			t.Errorf("character %d changed: accepted", i)
		}
	}
}

func TestNonceSecretsRotate(t *testing.T) {
	t.Parallel()
	now := testNow
	before, during, after := newNonces(t, &now, keyA), newNonces(t, &now, keyB, keyA), newNonces(t, &now, keyB)
	old, fresh := before.Issue(), during.Issue()
	if old == fresh {
		t.Error("the first key does not issue")
	}
	for name, tt := range map[string]struct {
		n     *Nonces
		nonce string
		want  bool
	}{
		"old nonce while both count":   {during, old, true},
		"fresh nonce while both count": {during, fresh, true},
		"fresh nonce afterwards":       {after, fresh, true},
		"old nonce afterwards":         {after, old, false},
		"fresh nonce before":           {before, fresh, false},
	} {
		if _, ok := tt.n.Check(tt.nonce); ok != tt.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
}

func TestNewNoncesChecksItsKeys(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][][]byte{
		"none": nil, "empty": {{}}, "short": {keyA[:31]}, "second short": {keyA, keyB[:31]},
	} {
		if _, err := NewNonces(NonceConfig{Keys: keys}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzNonce(f *testing.F) {
	now := testNow
	n := newNonces(f, &now, keyA)
	f.Add(n.Issue())
	f.Add(newNonces(f, &now, keyB).Issue())
	f.Add("")
	f.Fuzz(func(t *testing.T, nonce string) {
		at, ok := n.Check(nonce)
		if !ok {
			return
		}
		then := at
		if newNonces(t, &then, keyA).Issue() != nonce {
			t.Fatalf("accepted %s, which was never issued", nonce)
		}
	})
}
