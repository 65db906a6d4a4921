package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
)

// MaxKeysBytes bounds a set of receipt keys, in bytes: keys are never taken
// out of it, so it may hold more than a recipient's set.
const MaxKeysBytes = 1 << 20

// errKeys: not a set of receipt keys.
var errKeys = errors.New("receipt: not a set of keys (JWKS)")

// Keys are the public keys that receipts are checked with.
type Keys []jose.JSONWebKey

// ParseKeys reads a JWKS document (RFC 7517 section 5), each key under the
// rules of certs.ParsePublicJWK. One that is unfit refuses the set.
func ParseKeys(data []byte) (Keys, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(data) > MaxKeysBytes || certs.StrictJSON(data) != nil || json.Unmarshal(data, &document) != nil || document.Keys == nil {
		return nil, errKeys
	}
	var keys Keys
	for i, raw := range document.Keys {
		key, err := certs.ParsePublicJWK(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: key %d: %w", errKeys, i+1, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// find returns the key with an id that makes signatures of an algorithm.
func (k Keys) find(id, alg string) (jose.JSONWebKey, bool) {
	i := slices.IndexFunc(k, func(key jose.JSONWebKey) bool {
		return key.KeyID == id && certs.Algorithm(key) == alg && (key.Algorithm == "" || key.Algorithm == alg)
	})
	if i < 0 {
		return jose.JSONWebKey{}, false
	}
	return k[i], true
}

// document writes a set of keys as a JWKS document, each key as it was given.
func document(keys []json.RawMessage) []byte {
	parts := make([][]byte, len(keys))
	for i, k := range keys {
		parts[i] = k
	}
	return slices.Concat([]byte(`{"keys":[`), bytes.Join(parts, []byte(",")), []byte(`]}`))
}
