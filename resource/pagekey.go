package resource

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// A page key is what FDX calls pageKey: the place where the next page starts,
// sealed. It carries no rights: the request that presents it is authenticated
// and allowed like any other. It is bound to grant, operation, account and
// filter, so that it is worth nothing in any other request, and encrypted,
// because the bank's own place may tell something.

// pageKeyLife is how long a key can be used.
const pageKeyLife = 24 * time.Hour

// maxPlace is the longest place that a provider may return, in bytes.
const maxPlace = 200

// binding is what a page key goes with.
type binding struct {
	grant     consent.GrantID
	operation string
	account   fdx.AccountID
	// filter is the canonical form of the parameters that choose records,
	// as the client wrote them.
	filter string
}

// bytes is the associated data of the seal; lengths keep the parts apart.
func (b binding) bytes() []byte {
	out := []byte{pageKeyVersion}
	for _, s := range [...]string{string(b.grant), b.operation, string(b.account), b.filter} {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	return out
}

// pageKeyVersion is part of the associated data; raise it with the form.
const pageKeyVersion = 1

// place is what a page key holds.
type place struct {
	// after is the provider's own place.
	after string
	// window is the one the first page was asked for, so that the pages of
	// "the last seven days" do not shift at midnight; zero when there is
	// none.
	window fdx.Window
}

// pageKeys seals and opens page keys. Safe for concurrent use.
type pageKeys struct {
	seals []cipher.AEAD // the first one seals
	now   func() time.Time
}

// newPageKeys makes page keys under secrets of 32 bytes. XChaCha20 because
// its nonces may be random for any number of keys.
func newPageKeys(secrets [][]byte, now func() time.Time) (*pageKeys, error) {
	if len(secrets) == 0 {
		return nil, errors.New("at least one page key secret is required")
	}
	k := &pageKeys{now: now}
	for i, secret := range secrets {
		seal, err := chacha20poly1305.NewX(secret)
		if err != nil {
			return nil, fmt.Errorf("page key secret %d: it must have 32 bytes", i+1)
		}
		k.seals = append(k.seals, seal)
	}
	return k, nil
}

// seal returns the page key of a place.
func (k *pageKeys) seal(b binding, p place) string {
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 64), uint64(k.now().Add(pageKeyLife).Unix()))
	if p.window == (fdx.Window{}) {
		plain = append(plain, 0)
	} else {
		plain = append(plain, 1)
		plain = append(plain, p.window.Start.String()...)
		plain = append(plain, p.window.End.String()...)
	}
	plain = append(plain, p.after...)
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	_, _ = rand.Read(nonce) // crypto/rand.Read never fails; it ends the process instead
	return base64.RawURLEncoding.EncodeToString(k.seals[0].Seal(nonce, nonce, plain, b.bytes()))
}

// open returns the place in a page key; false for one that was made for
// something else, is damaged or is too old. The caller cannot tell which.
func (k *pageKeys) open(b binding, key string) (place, bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if err != nil || len(sealed) < chacha20poly1305.NonceSizeX {
		return place{}, false
	}
	nonce, sealed := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	for _, s := range k.seals {
		if plain, err := s.Open(nil, nonce, sealed, b.bytes()); err == nil {
			return k.read(plain)
		}
	}
	return place{}, false
}

// read takes apart what seal put together; it cannot fail on our own bytes
// but for the time.
func (k *pageKeys) read(plain []byte) (place, bool) {
	const date = len(time.DateOnly)
	if len(plain) < 9 || k.now().Unix() >= int64(binary.BigEndian.Uint64(plain)) {
		return place{}, false
	}
	windowed, rest := plain[8], plain[9:]
	if windowed == 0 {
		return place{after: string(rest)}, true
	}
	if len(rest) < 2*date {
		return place{}, false
	}
	start, err1 := fdx.ParseDate(string(rest[:date]))
	end, err2 := fdx.ParseDate(string(rest[date : 2*date]))
	return place{after: string(rest[2*date:]), window: fdx.Window{Start: start, End: end}}, err1 == nil && err2 == nil
}
