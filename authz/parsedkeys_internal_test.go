package authz

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func keySetOf(i int) []byte {
	seed := make([]byte, ed25519.SeedSize)
	seed[0], seed[1] = byte(i), byte(i>>8)
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	return fmt.Appendf(nil, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"%d","x":"%s"}]}`, i, base64.RawURLEncoding.EncodeToString(public))
}

func TestParsedKeysAreThoseOfTheirBytes(t *testing.T) {
	t.Parallel()
	var p parsedKeys
	for range 2 {
		for i := range 2 * mostKeySets {
			raw := keySetOf(i)
			keys, err := p.parse(raw)
			if err != nil || len(keys.Keys) != 1 || keys.Keys[0].KeyID != fmt.Sprint(i) {
				t.Fatalf("%d: %+v, %v", i, keys, err)
			}
			if again, err := p.parse(keySetOf(i)); err != nil || &again.Keys[0] != &keys.Keys[0] {
				t.Fatalf("%d: parsed again, %v", i, err)
			}
			clear(raw) // the caller's memory is its own
			if len(p.sets) > mostKeySets {
				t.Fatalf("%d sets are kept", len(p.sets))
			}
		}
	}
	long := strings.Replace(string(keySetOf(1)), `{"keys"`, `{"more":"`+strings.Repeat("x", longestKeySet)+`","keys"`, 1)
	before := len(p.sets)
	if _, err := p.parse([]byte(long)); err != nil || len(p.sets) != before {
		t.Errorf("a long one: %v, %d kept", err, len(p.sets)-before)
	}
	for range 2 {
		if _, err := p.parse([]byte(`{"keys":[{}]}`)); err == nil {
			t.Error("a broken one is taken")
		}
	}
}
