package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

const (
	// NonceLife is how long a nonce is accepted after it was issued.
	NonceLife = 5 * time.Minute
	// nonceAhead is how far the clock of the instance that issued a nonce may
	// be ahead of ours.
	nonceAhead = 30 * time.Second
	// minNonceKey is the least length of a secret, in bytes.
	minNonceKey = 32

	nonceTime  = 8  // bytes: seconds since 1970, big-endian
	nonceMAC   = 16 // bytes: 128 bits cannot be guessed within NonceLife
	nonceBytes = nonceTime + nonceMAC
)

// NonceConfig is what NewNonces needs.
type NonceConfig struct {
	// Keys are secrets shared by all instances, each at least 32 random bytes.
	// The first issues, all are accepted: put a new one second on every
	// instance, then first, then drop the old one. At least one is required.
	Keys [][]byte
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Nonces issues and checks the server-provided nonces of RFC 9449 section 8
// without storing them: a nonce is its time and a MAC over it. The MAC's key
// is derived from the secret for each span of NonceLife, so at any moment two
// derived keys count, this span's and the last one's, and every instance with
// the secret derives the same. Safe for concurrent use.
type Nonces struct {
	keys [][]byte
	now  func() time.Time
}

// NewNonces returns the nonces of these keys.
func NewNonces(c NonceConfig) (*Nonces, error) {
	if len(c.Keys) == 0 {
		return nil, errors.New("dpop: nonces need a key")
	}
	n := &Nonces{now: c.Now}
	if n.now == nil {
		n.now = time.Now
	}
	for _, k := range c.Keys {
		if len(k) < minNonceKey {
			return nil, errors.New("dpop: a nonce key is shorter than 32 bytes")
		}
		n.keys = append(n.keys, append([]byte(nil), k...))
	}
	return n, nil
}

// Issue returns a nonce of 32 base64url characters. Nonces of one second are
// equal: a nonce proves that a proof is fresh, the jti that it is the only one.
func (n *Nonces) Issue() string {
	var raw [nonceBytes]byte
	at := n.now().Unix()
	binary.BigEndian.PutUint64(raw[:], uint64(at))
	mac := nonceTag(n.keys[0], at)
	copy(raw[nonceTime:], mac[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// Check reports whether a nonce is one of ours and at most NonceLife old, and
// when it was issued, so that a caller may hand out a new one in time.
func (n *Nonces) Check(nonce string) (issuedAt time.Time, ok bool) {
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceBytes) {
		return time.Time{}, false
	}
	raw, err := strict.DecodeString(nonce)
	if err != nil || len(raw) != nonceBytes {
		return time.Time{}, false
	}
	at := int64(binary.BigEndian.Uint64(raw))
	// Compared as seconds: a forged time far away would overflow a Duration.
	now := n.now().Unix()
	if at < now-int64(NonceLife/time.Second) || at > now+int64(nonceAhead/time.Second) {
		return time.Time{}, false
	}
	for _, k := range n.keys {
		mac := nonceTag(k, at)
		if hmac.Equal(raw[nonceTime:], mac[:]) {
			return time.Unix(at, 0), true
		}
	}
	return time.Time{}, false
}

// nonceTag returns the MAC over a time, under the key of its span.
func nonceTag(secret []byte, at int64) [nonceMAC]byte {
	var msg [8]byte
	derive := hmac.New(sha256.New, secret)
	derive.Write([]byte("headgate dpop nonce"))
	binary.BigEndian.PutUint64(msg[:], uint64(at/int64(NonceLife/time.Second)))
	derive.Write(msg[:])
	tag := hmac.New(sha256.New, derive.Sum(nil))
	binary.BigEndian.PutUint64(msg[:], uint64(at))
	tag.Write(msg[:])
	return [nonceMAC]byte(tag.Sum(nil))
}
