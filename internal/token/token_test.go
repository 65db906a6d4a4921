package token_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

func hasher(t testing.TB, ids ...string) *token.Hasher {
	t.Helper()
	var keys []token.Key
	for _, id := range ids {
		keys = append(keys, token.Key{ID: id, Secret: []byte(strings.Repeat(id, 16))})
	}
	h, err := token.NewHasher(keys)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestOnlyAnUntouchedTokenOfItsKindIsWellFormed(t *testing.T) {
	t.Parallel()
	h := hasher(t, "k1")
	for _, kind := range []token.Kind{token.KindAccess, token.KindRefresh, token.KindCode, token.KindClient, token.KindRegistration, token.KindPushed} {
		tok, want := h.New(kind)
		s := tok.Reveal()
		if got, err := h.Hash(kind, s); err != nil || got != want || want.IsZero() {
			t.Fatalf("%s: its own token: %v, %v", kind, got, err)
		}
		if k, ok := h.Kind(s); !ok || k != kind {
			t.Errorf("%s: taken for %s", kind, k)
		}
		for i := range s { // every single character matters
			swapped := s[:i] + string(swap(s[i])) + s[i+1:]
			if _, err := h.Hash(kind, swapped); !errors.Is(err, token.ErrMalformed) {
				t.Errorf("%s: altered at %d: %v", kind, i, err)
			}
		}
		for name, bad := range map[string]string{
			"nothing": "", "the prefix": string(kind), "truncated": s[:len(s)-1], "longer": s + "A",
			"doubled": s + s, "padded": s + "=", "with a space": " " + s, "of 1 MiB": strings.Repeat(s, 1<<14),
		} {
			if _, err := h.Hash(kind, bad); !errors.Is(err, token.ErrMalformed) {
				t.Errorf("%s: %s: %v", kind, name, err)
			}
		}
		for _, other := range []token.Kind{token.KindAccess, token.KindRefresh, token.KindCode, token.KindClient, token.KindRegistration, token.KindPushed} {
			if _, err := h.Hash(other, s); other != kind && !errors.Is(err, token.ErrMalformed) {
				t.Errorf("%s as %s: %v", kind, other, err)
			}
		}
	}
}

// A token ends in the CRC-32 of all before it, so that those of one release are
// well-formed in another and a scanner needs nothing of ours.
func TestATokenEndsInItsChecksum(t *testing.T) {
	t.Parallel()
	for range 20 {
		tok, _ := hasher(t, "k1").New(token.KindAccess)
		text, sum := tok.Reveal()[:len(tok.Reveal())-6], tok.Reveal()[len(tok.Reveal())-6:]
		want := base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text))))
		if sum != want {
			t.Fatalf("ends in %s, want %s", sum, want)
		}
	}
}

func swap(c byte) byte {
	if c == 'x' {
		return 'y'
	}
	return 'x'
}

func TestRotatingHashKeys(t *testing.T) {
	t.Parallel()
	before, during, after := hasher(t, "k1"), hasher(t, "k2", "k1"), hasher(t, "k2")
	old, want := before.New(token.KindAccess)
	if got, err := during.Hash(token.KindAccess, old.Reveal()); err != nil || got != want {
		t.Errorf("an old token during rotation: %v", err)
	}
	if _, err := after.Hash(token.KindAccess, old.Reveal()); !errors.Is(err, token.ErrMalformed) {
		t.Errorf("an old token after rotation: %v", err)
	}
	fresh, _ := during.New(token.KindAccess)
	if _, err := after.Hash(token.KindAccess, fresh.Reveal()); err != nil {
		t.Errorf("a new token after rotation: %v", err)
	}
}

func TestHashKeysAreChecked(t *testing.T) {
	t.Parallel()
	long := []byte(strings.Repeat("s", 32))
	for name, keys := range map[string][]token.Key{
		"none":          nil,
		"short secret":  {{ID: "k1", Secret: long[:31]}},
		"long id":       {{ID: "key", Secret: long}},
		"id in capital": {{ID: "K1", Secret: long}},
		"same id":       {{ID: "k1", Secret: long}, {ID: "k1", Secret: long}},
	} {
		if _, err := token.NewHasher(keys); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestATokenIsNeverPrinted(t *testing.T) {
	t.Parallel()
	tok, _ := hasher(t, "k1").New(token.KindAccess)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", tok, "in", struct{ T token.Token }{tok})
	text := fmt.Sprintf("%v %+v %#v %s %q %x", tok, tok, tok, tok, tok, tok)
	_, err := json.Marshal(tok)
	if err == nil {
		t.Error("a token was marshalled")
	}
	for _, s := range []string{log.String(), text, fmt.Sprint(err)} {
		if strings.Contains(s, tok.Reveal()[5:20]) {
			t.Errorf("the secret is in %s", s)
		}
	}
}

func TestHashText(t *testing.T) {
	t.Parallel()
	_, h := hasher(t, "k1").New(token.KindCode)
	if got, err := token.ParseHash(h.String()); err != nil || got != h {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", h.String()[1:], h.String() + "00", strings.Repeat("z", 64)} {
		if _, err := token.ParseHash(bad); !errors.Is(err, token.ErrMalformed) {
			t.Errorf("%d characters: %v", len(bad), err)
		}
	}
}

func TestLiveIsActiveOnlyWhenEverythingSaysSo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	whole := token.Live{
		Access: token.Access{Grant: "g", Recipient: "app", KeyThumbprint: "k", ExpiresAt: now.Add(time.Second)},
		Share:  consent.Share{Grant: "g", Recipient: "app", Status: consent.StatusActive, ExpiresAt: now.Add(time.Second)},
	}
	if !whole.Active(now) {
		t.Fatal("a whole one is not active")
	}
	if whole.Active(now.Add(time.Second)) || (token.Live{}).Active(now) {
		t.Error("active at its end, or active when zero")
	}
	for name, bend := range map[string]func(*token.Live){
		"revoked":           func(l *token.Live) { l.Access.RevokedAt = now },
		"bound to nothing":  func(l *token.Live) { l.Access.KeyThumbprint = "" },
		"bound to both":     func(l *token.Live) { l.Access.CertThumbprint = "c" },
		"of another grant":  func(l *token.Live) { l.Share.Grant = "h" },
		"of another client": func(l *token.Live) { l.Share.Recipient = "other" },
		"grant ended":       func(l *token.Live) { l.Share.Status = consent.StatusRevoked },
		"grant over":        func(l *token.Live) { l.Share.ExpiresAt = now },
		"no end":            func(l *token.Live) { l.Access.ExpiresAt = time.Time{} },
	} {
		l := whole
		bend(&l)
		if l.Active(now) {
			t.Errorf("%s: active", name)
		}
	}
}

func FuzzHash(f *testing.F) {
	h := hasher(f, "k1")
	for _, k := range []token.Kind{token.KindAccess, token.KindRefresh, token.KindCode, token.KindClient, token.KindRegistration, token.KindPushed} {
		tok, _ := h.New(k)
		f.Add(string(k), tok.Reveal())
		f.Add(string(k), tok.Reveal()[1:])
	}
	f.Fuzz(func(t *testing.T, kind, s string) {
		if got, err := h.Hash(token.Kind(kind), s); err == nil && got.IsZero() {
			t.Error("accepted without a hash")
		}
	})
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	file, err := token.NewKeyFile()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.ParseKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.NewHasher(keys); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "[]", `{"keys":[{"id":"k1","secret":"???"}]}`, `{"keys":[{"id":"k1","key":"AAAA"}]}`} {
		if _, err := token.ParseKeys([]byte(bad)); err == nil {
			t.Errorf("accepted %s", bad)
		} else if bad != "" && strings.Contains(err.Error(), "AAAA") {
			t.Errorf("the error repeats the file: %v", err)
		}
	}
	if keys, err := token.ParseKeys([]byte(`{}`)); err == nil {
		if _, err := token.NewHasher(keys); err == nil {
			t.Error("a file without keys makes a hasher")
		}
	}
}
