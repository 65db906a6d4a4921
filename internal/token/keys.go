package token

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
)

// keyFile is the form of a hash key file: newest key first.
type keyFile struct {
	Keys []struct {
		ID     string `json:"id"`
		Secret []byte `json:"secret"` // base64
	} `json:"keys"`
}

// ParseKeys reads a hash key file: {"keys":[{"id":"k1","secret":"<base64 of
// 32 bytes or more>"}]}, newest first. NewHasher judges the keys.
func ParseKeys(file []byte) ([]Key, error) {
	var f keyFile
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		// The decoder's message may quote the file.
		return nil, errors.New("token: the hash key file is not of the form {\"keys\":[{\"id\":...,\"secret\":...}]}")
	}
	keys := make([]Key, len(f.Keys))
	for i, k := range f.Keys {
		keys[i] = Key{ID: k.ID, Secret: k.Secret}
	}
	return keys, nil
}

// NewKeyFile returns the content of a hash key file with one fresh key.
func NewKeyFile() ([]byte, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	var f keyFile
	f.Keys = append(f.Keys, struct {
		ID     string `json:"id"`
		Secret []byte `json:"secret"`
	}{"k1", secret})
	b, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("token: make hash key file: %w", err)
	}
	return append(b, '\n'), nil
}
