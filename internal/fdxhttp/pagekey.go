package fdxhttp

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// PageKeys seals and opens page keys: what FDX calls pageKey, the place where
// the next page starts. A key carries no rights: the request that presents it
// is authenticated and allowed like any other. It is bound to what it goes
// with, so that it is worth nothing in any other request, and encrypted,
// because a place may tell something. Safe for concurrent use.
type PageKeys struct {
	seals []cipher.AEAD // the first one seals
	now   func() time.Time
}

// pageKeyLife is how long a key can be used.
const pageKeyLife = 24 * time.Hour

// pageKeyVersion is part of the associated data; raise it with the form.
const pageKeyVersion = 1

// NewPageKeys makes page keys under secrets of 32 bytes, of which the first
// seals and all open. XChaCha20 because its nonces may be random for any
// number of keys.
func NewPageKeys(secrets [][]byte, now func() time.Time) (*PageKeys, error) {
	if len(secrets) == 0 {
		return nil, errors.New("at least one page key secret is required")
	}
	k := &PageKeys{now: now}
	for i, secret := range secrets {
		seal, err := chacha20poly1305.NewX(secret)
		if err != nil {
			return nil, fmt.Errorf("page key secret %d: it must have 32 bytes", i+1)
		}
		k.seals = append(k.seals, seal)
	}
	return k, nil
}

// appendParts appends the associated data of the seal; lengths keep the parts
// apart.
func appendParts(out []byte, parts []string) []byte {
	out = append(out, pageKeyVersion)
	for _, s := range parts {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	return out
}

// Seal returns the page key of a place. parts are what it goes with: whose it
// is, of which operation, and what else chooses records.
func (k *PageKeys) Seal(parts []string, place []byte) string {
	return string(k.AppendSeal(nil, parts, place))
}

// AppendSeal appends what Seal returns.
func (k *PageKeys) AppendSeal(to []byte, parts []string, place []byte) []byte {
	const nonceSize = chacha20poly1305.NonceSizeX
	sealed := nonceSize + 8 + len(place) + chacha20poly1305.Overhead
	memory := make([]byte, sealed+256) // of the key and, behind it, of what it goes with
	with := appendParts(memory[sealed:sealed], parts)
	b := memory[:nonceSize:sealed]
	_, _ = rand.Read(b) // crypto/rand.Read never fails; it ends the process instead
	b = binary.BigEndian.AppendUint64(b, uint64(k.now().Add(pageKeyLife).Unix()))
	b = append(b, place...)
	nonce, plain := b[:nonceSize], b[nonceSize:]
	b = k.seals[0].Seal(nonce, nonce, plain, with) // in place
	return base64.RawURLEncoding.AppendEncode(to, b)
}

// Open returns the place in a page key; false for one that was made for
// something else, is damaged or is too old. The caller cannot tell which.
func (k *PageKeys) Open(parts []string, key string) ([]byte, bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if err != nil || len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, false
	}
	nonce, sealed := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	for _, s := range k.seals {
		if plain, err := s.Open(nil, nonce, sealed, appendParts(nil, parts)); err == nil {
			if len(plain) < 8 || k.now().Unix() >= int64(binary.BigEndian.Uint64(plain)) {
				return nil, false
			}
			return plain[8:], true
		}
	}
	return nil, false
}
