package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"log/slog"
	"strings"
	"sync"
)

// Kind is what a token is for.
type Kind string

// The kinds of token. A token of one kind is malformed as any other, so
// that a refresh token can never be tried as an access token.
const (
	KindAccess  Kind = "hgat_"
	KindRefresh Kind = "hgrt_"
	KindCode    Kind = "hgac_"
	KindClient  Kind = "hgct_" // a client's own access token
	// KindRegistration is a registration access token (RFC 7592 section 3).
	KindRegistration Kind = "hgrg_"
	// KindPushed follows RFC 9126 section 2.2.
	KindPushed Kind = "urn:ietf:params:oauth:request_uri:hg_"
)

// ErrMalformed: the string is not a token of the wanted kind, or was made
// under a key that is no longer known. It says nothing about the string.
var ErrMalformed = errors.New("token: malformed")

// Token is a secret string. Its printed and logged forms are redacted; only
// Reveal returns the secret.
type Token struct{ secret string }

// Reveal returns the secret, for the one answer that hands it out.
func (t Token) Reveal() string { return t.secret }

// String returns a redacted form.
func (t Token) String() string { return redacted }

// Format writes the redacted form for every verb: %d and %#v would print the
// fields.
func (t Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

const redacted = "[token]"

// LogValue returns a redacted form.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText refuses: a token never travels inside a serialised record.
func (t Token) MarshalText() ([]byte, error) {
	return nil, errors.New("token: refusing to serialise a secret")
}

// Hash is the keyed hash of a token; it is what stores know a token by.
type Hash [sha256.Size]byte

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h is the zero value, which is the hash of no token.
func (h Hash) IsZero() bool { return h == Hash{} }

// ParseHash reads the form that String writes.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return Hash{}, ErrMalformed
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, ErrMalformed
	}
	return h, nil
}

const (
	keyIDLen    = 2
	randomLen   = 32
	encodedLen  = 43 // base64url of 32 bytes
	checksumLen = 6  // base64url of 4 bytes
	bodyLen     = keyIDLen + encodedLen + checksumLen
)

// Key is one secret under which tokens are hashed.
type Key struct {
	ID     string // two ASCII letters or digits; part of each token
	Secret []byte // 32 bytes or more
}

// Hasher makes tokens and hashes them. It is safe for concurrent use.
type Hasher struct {
	current string
	keys    map[string]*macs
}

// NewHasher returns a Hasher that makes tokens under the first key and
// recognises tokens of all of them: put a new key first to rotate, and drop
// an old one when the longest token life has passed.
func NewHasher(keys []Key) (*Hasher, error) {
	if len(keys) == 0 {
		return nil, errors.New("token: at least one hash key is required")
	}
	h := &Hasher{current: keys[0].ID, keys: make(map[string]*macs, len(keys))}
	for i, k := range keys {
		if len(k.ID) != keyIDLen || strings.Trim(k.ID, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
			return nil, fmt.Errorf("token: hash key %d: the id must be two lower-case letters or digits", i+1)
		}
		if len(k.Secret) < sha256.Size {
			return nil, fmt.Errorf("token: hash key %d: the secret must have at least 32 bytes", i+1)
		}
		if _, twice := h.keys[k.ID]; twice {
			return nil, fmt.Errorf("token: hash key %d: the id is used twice", i+1)
		}
		h.keys[k.ID] = &macs{secret: k.Secret}
	}
	return h, nil
}

// New makes a token of that kind from 256 bits of the system's randomness.
func (h *Hasher) New(kind Kind) (Token, Hash) {
	var raw [randomLen]byte
	_, _ = rand.Read(raw[:]) // crypto/rand.Read never fails; it ends the process instead
	body := h.current + base64.RawURLEncoding.EncodeToString(raw[:])
	check := checksum(kind, body)
	s := string(kind) + body + string(check[:])
	return Token{s}, h.keys[h.current].sum(s)
}

// Hash checks the form of s as a token of that kind and returns the hash to
// look it up by, or ErrMalformed. It looks nothing up: a well-formed token
// need not exist.
func (h *Hasher) Hash(kind Kind, s string) (Hash, error) {
	if len(s) != len(kind)+bodyLen || s[:len(kind)] != string(kind) {
		return Hash{}, ErrMalformed
	}
	body, check := s[len(kind):len(s)-checksumLen], s[len(s)-checksumLen:]
	if sum := checksum(kind, body); string(sum[:]) != check {
		return Hash{}, ErrMalformed
	}
	key, ok := h.keys[body[:keyIDLen]]
	if !ok {
		return Hash{}, ErrMalformed
	}
	return key.sum(s), nil
}

// Kind returns the kind that s claims to be by its prefix.
func (h *Hasher) Kind(s string) (Kind, bool) {
	for _, k := range []Kind{KindAccess, KindRefresh, KindCode, KindClient, KindRegistration, KindPushed} {
		if strings.HasPrefix(s, string(k)) {
			return k, true
		}
	}
	return "", false
}

// macs makes keyed hashes under one secret. They are used again, because
// taking up a key costs as much as hashing a token.
type macs struct {
	secret []byte
	pool   sync.Pool // of *mac
}

// mac is a keyed hash with the memory for what goes in and comes out.
type mac struct {
	hash hash.Hash
	in   []byte
	out  Hash
}

func (k *macs) sum(s string) Hash {
	m, ok := k.pool.Get().(*mac)
	if !ok {
		m = &mac{hash: hmac.New(sha256.New, k.secret)}
	}
	defer k.pool.Put(m)
	m.hash.Reset()
	m.in = append(m.in[:0], s...)
	m.hash.Write(m.in)
	clear(m.in) // a token does not stay behind
	m.hash.Sum(m.out[:0])
	return m.out
}

// checksum guards against typing and truncation, not against people: it
// needs no key so that anybody's secret scanner can compute it.
func checksum(kind Kind, body string) (text [checksumLen]byte) {
	c := ^uint32(0)
	// By hand: the library's function wants a copy of each text on the heap.
	for _, s := range [...]string{string(kind), body} {
		for i := range len(s) {
			c = crc32.IEEETable[byte(c)^s[i]] ^ c>>8
		}
	}
	c = ^c
	base64.RawURLEncoding.Encode(text[:], []byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)})
	return text
}
