package dpop

import (
	"encoding/asn1"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func (c *keyCache) len() int {
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].byID)
	}
	return n
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	const size = 64
	c := newKeyCache(size)
	for i := range 10 * size {
		jwk := []byte(fmt.Sprint("jwk ", i))
		k := &key{thumbprint: string(jwk)}
		c.put(jwk, k)
		c.put(jwk, &key{thumbprint: "late"})
		if got := c.get(jwk); got != k {
			t.Fatalf("key %d: got %v right after put", i, got)
		}
		if c.len() > size {
			t.Fatalf("%d keys kept, limit %d", c.len(), size)
		}
	}
	for i := range 10 * size {
		jwk := fmt.Sprint("jwk ", i)
		if k := c.get([]byte(jwk)); k != nil && k.thumbprint != jwk {
			t.Fatalf("asked for %s, got %s", jwk, k.thumbprint)
		}
	}
	c.put([]byte(strings.Repeat("x", maxCachedJWK+1)), &key{})
	if c.get([]byte(strings.Repeat("x", maxCachedJWK+1))) != nil {
		t.Error("an oversized jwk was kept")
	}
}

// A stream of keys that are seen once must not displace one in use.
func TestCacheKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	c := newKeyCache(16 * 8)
	busy := &key{thumbprint: "busy"}
	c.put([]byte("busy"), busy)
	for i := range 5000 {
		if c.get([]byte("busy")) != busy {
			t.Fatalf("displaced by key %d", i)
		}
		c.put([]byte(fmt.Sprint("once ", i)), &key{})
	}
}

// Only keys of proofs that were accepted are kept.
func TestRefusedProofsLeaveNoKeys(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	for _, h := range holders(t) {
		good := h.mint(t, nil, nil)
		for _, proof := range []string{
			h.mint(t, nil, nil)[:len(good)-4] + "AAAA",
			h.mint(t, nil, object{"htm": "GET"}),
			h.mint(t, nil, object{"iat": testNow.Unix() - 3600}),
		} {
			if _, err := v.Verify([]string{proof}, testMethod, testURL, testToken); err == nil {
				t.Fatal("accepted")
			}
		}
		if n := v.keys.len(); n != 0 {
			t.Errorf("%d keys kept", n)
		}
	}
	h := newEC(t)
	for range 3 {
		if _, err := v.Verify([]string{h.mint(t, nil, nil)}, testMethod, testURL, testToken); err != nil {
			t.Fatal(err)
		}
	}
	if n := v.keys.len(); n != 1 {
		t.Errorf("%d keys kept of one client", n)
	}
}

func TestDERSignature(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		sig := make([]byte, 64)
		for i := range sig {
			sig[i] = byte(random.Uint32())
		}
		for i := range random.IntN(33) { // zeros in front of either half
			sig[i] = 0
		}
		for i := range random.IntN(33) {
			sig[32+i] = 0
		}
		want, err := asn1.Marshal([]*big.Int{new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])})
		if err != nil {
			t.Fatal(err)
		}
		var buf [72]byte
		if got := derSignature(buf[:0], sig); string(got) != string(want) {
			t.Fatalf("%x: got %x, want %x", sig, got, want)
		}
	}
	for _, n := range []int{0, 1, 63, 65, 128} {
		if derSignature(nil, make([]byte, n)) != nil {
			t.Errorf("%d bytes accepted", n)
		}
	}
}
