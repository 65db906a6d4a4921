package certs

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

// The faults of a sealed value. None says anything of what is inside.
var (
	// ErrNotSealed: not a sealed value, or one that was cut or extended.
	ErrNotSealed = errors.New("not a sealed value")
	// ErrSealKey: sealed under a key that is not there, or not there any more.
	ErrSealKey = errors.New("sealed under an unknown key")
	// ErrSealBroken: changed since it was sealed, or sealed for another label
	// or row.
	ErrSealBroken = errors.New("sealed value is not authentic here")
)

// KeyWrapper encrypts data keys under a key-encryption key that never leaves
// it: a file, a PKCS #11 token, a key management service. Implementations are
// safe for concurrent use.
type KeyWrapper interface {
	// Wrap encrypts a data key of 32 bytes, with authentication, under the
	// newest key, and returns the id of that key, 1 to 255 bytes, and the
	// encrypted data key, at most 65,535 bytes.
	Wrap(ctx context.Context, key []byte) (id string, wrapped []byte, err error)

	// Unwrap returns the data key. An id that the wrapper does not know is
	// ErrSealKey, a wrapped key that is not as Wrap made it ErrSealBroken.
	Unwrap(ctx context.Context, id string, wrapped []byte) ([]byte, error)
}

// Sealer encrypts what has to be stored and read again: pushed request
// parameters, login hints. Each value has a data key of its
// own (AES-256-GCM), which is stored with it, wrapped: keys are replaced by
// wrapping anew, never by encrypting all values again. Safe for concurrent use.
type Sealer struct {
	wrapper KeyWrapper
}

// NewSealer returns a Sealer that has its data keys wrapped by w.
func NewSealer(w KeyWrapper) *Sealer { return &Sealer{wrapper: w} }

// sealVersion is the first byte of a sealed value:
//
//	version 1 | length 1 | id of the wrapping key | length 2 | wrapped data key | nonce 12 | ciphertext | tag 16
//
// Lengths are in bytes, big-endian. The version, label and row id are the
// associated data of the ciphertext. What precedes the nonce is not; a foreign
// data key opens nothing.
const sealVersion = 1

const (
	dataKeySize = 32
	// sealTail is the least that follows the wrapped key: nonce and tag.
	sealTail = 12 + 16
)

// Seal returns plain, encrypted and bound to label, which names the table and
// column, and id, the key of the row: moved to any other place it does not
// open. Neither may be empty, neither is secret, and both must be given to
// Open. plain may be empty.
func (s *Sealer) Seal(ctx context.Context, label, id string, plain []byte) ([]byte, error) {
	bound, err := boundTo(label, id)
	if err != nil {
		return nil, err
	}
	key := make([]byte, dataKeySize)
	_, _ = rand.Read(key) // never fails
	head, err := s.wrap(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("certs: seal: %w", err)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("certs: seal: %w", err)
	}
	return aead.Seal(head, nil, plain, bound), nil
}

// Open returns what was sealed for the same label and id. Its errors, of which
// none returns any part of the value: ErrNotSealed, ErrSealKey, ErrSealBroken,
// and those of the wrapper when it cannot be reached.
func (s *Sealer) Open(ctx context.Context, label, id string, sealed []byte) ([]byte, error) {
	keyID, wrapped, body, err := splitSealed(sealed)
	if err != nil {
		return nil, err
	}
	bound, err := boundTo(label, id)
	if err != nil {
		return nil, err
	}
	key, err := s.wrapper.Unwrap(ctx, keyID, wrapped)
	if err != nil {
		return nil, fmt.Errorf("certs: open: %w", err)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("certs: open: %w", err)
	}
	plain, err := aead.Open(nil, nil, body, bound)
	if err != nil {
		return nil, fmt.Errorf("certs: open: %w", ErrSealBroken)
	}
	return plain, nil
}

// wrap returns what precedes the nonce: the data key, wrapped by the newest key.
func (s *Sealer) wrap(ctx context.Context, key []byte) ([]byte, error) {
	id, wrapped, err := s.wrapper.Wrap(ctx, key)
	if err != nil {
		return nil, err
	}
	if id == "" || len(id) > 255 || len(wrapped) == 0 || len(wrapped) > 65535 {
		return nil, errors.New("the wrapper returned an id or a key of no usable length")
	}
	head := append([]byte{sealVersion, byte(len(id))}, id...)
	head = binary.BigEndian.AppendUint16(head, uint16(len(wrapped)))
	return append(head, wrapped...), nil
}

// splitSealed takes a sealed value apart.
func splitSealed(sealed []byte) (id string, wrapped, body []byte, err error) {
	rest := sealed
	take := func(n int) []byte {
		if n > len(rest) {
			err = fmt.Errorf("certs: open: %w", ErrNotSealed)
			n = len(rest)
		}
		part := rest[:n]
		rest = rest[n:]
		return part
	}
	if v := take(1); err == nil && v[0] != sealVersion {
		return "", nil, nil, fmt.Errorf("certs: open: %w", ErrNotSealed)
	}
	if n := take(1); err == nil {
		id = string(take(int(n[0])))
	}
	if n := take(2); err == nil {
		wrapped = take(int(binary.BigEndian.Uint16(n)))
	}
	if err == nil && (id == "" || len(wrapped) == 0 || len(rest) < sealTail) {
		err = fmt.Errorf("certs: open: %w", ErrNotSealed)
	}
	if err != nil {
		return "", nil, nil, err
	}
	return id, wrapped, rest, nil
}

// boundTo returns the associated data. The length of the label keeps two
// different pairs from being the same bytes.
func boundTo(label, id string) ([]byte, error) {
	if label == "" || id == "" {
		return nil, errors.New("certs: seal: label or id is empty")
	}
	bound := binary.BigEndian.AppendUint32([]byte{sealVersion}, uint32(len(label)))
	return append(append(bound, label...), id...), nil
}

// newAEAD returns AES-256-GCM that puts a random nonce in front (NIST SP
// 800-38D section 8.2.2).
func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != dataKeySize {
		return nil, errors.New("key is not 32 bytes long")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
