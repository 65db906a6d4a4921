package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/headgate/headgate/certs"
)

// The signature algorithms of FAPI 2.0 Security Profile section 5.4.1.
const (
	algPS256 = "PS256"
	algES256 = "ES256"
	algEdDSA = "EdDSA"
)

// key is a public key from a proof, ready for use. Immutable.
type key struct {
	public     any    // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	alg        string // the one algorithm it may be used with
	thumbprint string // RFC 7638
}

// parseKey parses the jwk of a proof, under the rules for registered keys.
func parseKey(jwk []byte) (*key, Reason) {
	parsed, err := certs.ParsePublicJWK(jwk)
	if errors.Is(err, certs.ErrPrivateJWK) {
		return nil, PrivateKey
	} else if err != nil {
		return nil, BadKey
	}
	thumbprint, err := certs.Thumbprint(parsed)
	if err != nil {
		return nil, BadKey
	}
	return &key{public: parsed.Key, alg: certs.Algorithm(parsed), thumbprint: thumbprint}, ""
}

// verifies checks a JWS signature over the signing input.
func (k *key) verifies(input, signature []byte) bool {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		var buf [72]byte
		der := derSignature(buf[:0], signature)
		digest := sha256.Sum256(input)
		return der != nil && ecdsa.VerifyASN1(public, digest[:], der)
	case *rsa.PublicKey:
		// RFC 7518 section 3.5: the salt is as long as the hash.
		options := rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		digest := sha256.Sum256(input)
		return rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, &options) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, input, signature)
	}
	return false
}

// derSignature appends to buf the ASN.1 form of an ES256 signature, which a
// JWS carries as R and S of 32 bytes each (RFC 7518 section 3.4); nil when it
// has another length. It needs up to 72 bytes.
func derSignature(buf, signature []byte) []byte {
	if len(signature) != 64 {
		return nil
	}
	buf = append(buf, 0x30, 0) // SEQUENCE, length below
	buf = appendInteger(buf, signature[:32])
	buf = appendInteger(buf, signature[32:])
	buf[1] = byte(len(buf) - 2)
	return buf
}

// appendInteger appends a big-endian number as an ASN.1 INTEGER: no needless
// zeros in front, but one where the first bit would make it negative.
func appendInteger(buf, n []byte) []byte {
	for len(n) > 1 && n[0] == 0 {
		n = n[1:]
	}
	if n[0]&0x80 != 0 {
		buf = append(buf, 0x02, byte(len(n)+1), 0)
	} else {
		buf = append(buf, 0x02, byte(len(n)))
	}
	return append(buf, n...)
}

const (
	cacheShards = 16
	// maxCachedJWK is the largest jwk that is kept, in bytes. RSA of 4,096
	// bits takes about 750; more is padding.
	maxCachedJWK = 1024
)

// keyCache keeps the keys of recent callers by the exact bytes of their jwk.
// A hit can only be the same bytes, so a wrong key is never returned. Each
// shard is a clock: a new key takes the place of one that was not used since
// the hand last passed. It holds at most its size in keys, each up to about
// 2.5 KiB; 4,096 P-256 keys take about 2 MiB. Safe for concurrent use.
type keyCache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

type cacheShard struct {
	mu   sync.RWMutex // guards the fields below
	byID map[string]*cacheEntry
	ring []*cacheEntry // full length from the start, nil where free
	hand int
}

type cacheEntry struct {
	jwk  string
	key  *key
	used atomic.Bool
}

// newKeyCache returns a cache for size keys, rounded up to full shards.
func newKeyCache(size int) *keyCache {
	c := &keyCache{seed: maphash.MakeSeed()}
	per := (size + cacheShards - 1) / cacheShards
	for i := range c.shards {
		c.shards[i].byID = make(map[string]*cacheEntry)
		c.shards[i].ring = make([]*cacheEntry, per)
	}
	return c
}

func (c *keyCache) shard(jwk []byte) *cacheShard {
	return &c.shards[maphash.Bytes(c.seed, jwk)%cacheShards]
}

// get returns nil when the key is not there.
func (c *keyCache) get(jwk []byte) *key {
	s := c.shard(jwk)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.byID[string(jwk)]
	if e == nil {
		return nil
	}
	if !e.used.Load() { // a store would contend for the line among readers
		e.used.Store(true)
	}
	return e.key
}

// put keeps a key. The caller calls it only for keys that have verified a
// whole proof, so that garbage displaces nobody.
func (c *keyCache) put(jwk []byte, k *key) {
	if len(jwk) > maxCachedJWK {
		return
	}
	s := c.shard(jwk)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[string(jwk)] != nil {
		return // another request was first
	}
	for s.ring[s.hand] != nil && s.ring[s.hand].used.Swap(false) {
		s.hand = (s.hand + 1) % len(s.ring)
	}
	if old := s.ring[s.hand]; old != nil {
		delete(s.byID, old.jwk)
	}
	e := &cacheEntry{jwk: string(jwk), key: k}
	s.ring[s.hand] = e
	s.byID[e.jwk] = e
	s.hand = (s.hand + 1) % len(s.ring)
}
