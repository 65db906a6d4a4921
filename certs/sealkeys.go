package certs

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrSecretFile is returned for a file of seal keys or of a secret that does
// not hold what it should. The message never quotes it.
var ErrSecretFile = errors.New("not a usable secret file")

// maxSealKeys bounds the keys of a file.
const maxSealKeys = 20

// SealKeyFile is the KeyWrapper of a private file (mode 0600, ErrExposed
// otherwise): {"keys":[{"id":"...","secret":"<base64 of 32 bytes>"}]}, newest
// first. It wraps with AES-256-GCM and a random nonce, which one key can bear
// 2^32 times (NIST SP 800-38D section 8.3).
//
// To replace a key, add the new one as second, start every process anew, make
// it first, start every process anew, and remove the old one when what is sealed
// under it is gone, as it is two days later (docs/operations.md). Then no process
// ever meets a value under a key it does not have.
type SealKeyFile struct {
	newest string
	keys   map[string]cipher.AEAD
}

// GenerateSealKeys creates a file with one key. It never overwrites: an
// existing path is fs.ErrExist.
func GenerateSealKeys(path string) error {
	var file struct {
		Keys [1]sealKey `json:"keys"`
	}
	file.Keys[0] = sealKey{ID: strings.ToLower(rand.Text()[:12]), Secret: newSecret()}
	return createSecret(path, file)
}

// sealKey is one key in the file.
type sealKey struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// LoadSealKeys reads a file once. Errors are ErrExposed, ErrSecretFile and
// those of reading.
func LoadSealKeys(path string) (*SealKeyFile, error) {
	fault := func(what string) (*SealKeyFile, error) {
		return nil, fmt.Errorf("certs: seal keys: %s: %w: %s", path, ErrSecretFile, what)
	}
	file, err := readSecretFile(path, "keys")
	if err != nil {
		return nil, err
	}
	var list []members
	if json.Unmarshal(file["keys"], &list) != nil || len(list) == 0 || len(list) > maxSealKeys {
		return fault("it holds no list of 1 to 20 keys")
	}
	f := &SealKeyFile{keys: make(map[string]cipher.AEAD)}
	secrets := make(map[string]bool)
	for _, m := range list {
		id := m.text("id")
		secret, err := parseSecret(m.text("secret"))
		if err != nil || !m.only("id", "secret") || id == "" || len(id) > 255 {
			return fault("a key is not an id of 1 to 255 bytes and a secret of 32 bytes in base64")
		}
		if f.keys[id] != nil || secrets[string(secret)] {
			return fault("an id or a secret is there twice")
		}
		secrets[string(secret)] = true
		if f.keys[id], err = newAEAD(secret); err != nil {
			return nil, fmt.Errorf("certs: seal keys: %w", err)
		}
		if f.newest == "" {
			f.newest = id
		}
	}
	return f, nil
}

// LoadSealer returns a Sealer with the keys of a file, which is read once.
func LoadSealer(path string) (*Sealer, error) {
	keys, err := LoadSealKeys(path)
	if err != nil {
		return nil, err
	}
	return NewSealer(keys), nil
}

// Wrap encrypts a data key under the first key of the file.
func (f *SealKeyFile) Wrap(ctx context.Context, key []byte) (string, []byte, error) {
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	return f.newest, f.keys[f.newest].Seal(nil, nil, key, []byte(f.newest)), nil
}

// Unwrap decrypts a data key.
func (f *SealKeyFile) Unwrap(ctx context.Context, id string, wrapped []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	aead, ok := f.keys[id]
	if !ok {
		return nil, ErrSealKey
	}
	key, err := aead.Open(nil, nil, wrapped, []byte(id))
	if err != nil {
		return nil, ErrSealBroken
	}
	return key, nil
}

// GenerateSecret creates a private file with a random secret for LoadSecret.
// It never overwrites: an existing path is fs.ErrExist.
func GenerateSecret(path string) error {
	return createSecret(path, map[string]string{"secret": newSecret()})
}

// LoadSecret returns the 32 bytes of a private file of the form
// {"secret":"<base64>"}. From it the pairwise subject identifiers are derived
// (OpenID Connect Core section 8.1): with another secret every recipient would
// see every consumer as someone new, so it is never rotated. Errors are
// ErrExposed, ErrSecretFile and those of reading.
func LoadSecret(path string) ([]byte, error) {
	file, err := readSecretFile(path, "secret")
	if err != nil {
		return nil, err
	}
	secret, err := parseSecret(file.text("secret"))
	if err != nil {
		return nil, fmt.Errorf("certs: secret: %s: %w: its secret is not 32 bytes in base64", path, ErrSecretFile)
	}
	return secret, nil
}

// newSecret returns 32 random bytes in base64.
func newSecret() string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return base64.StdEncoding.EncodeToString(secret)
}

// parseSecret refuses all but what newSecret can have written, and the secret
// of a template that nobody filled in.
func parseSecret(text string) ([]byte, error) {
	secret, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(secret) != 32 || strings.ContainsAny(text, "\r\n") || strings.Count(string(secret), "\x00") == 32 {
		return nil, ErrSecretFile
	}
	return secret, nil
}

// createSecret writes a new private file.
func createSecret(path string, content any) error {
	data, err := json.MarshalIndent(content, "", "  ")
	if err == nil {
		err = createPrivate(path, data)
	}
	if err != nil {
		return fmt.Errorf("certs: secret: %w", err)
	}
	return nil
}

// readSecretFile returns the one member that a private file may have.
func readSecretFile(path, name string) (members, error) {
	data, err := ReadPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("certs: secret: %w", err)
	}
	if err := StrictJSON(data); err != nil {
		return nil, fmt.Errorf("certs: secret: %s: %w: %w", path, ErrSecretFile, err)
	}
	var m members
	if json.Unmarshal(data, &m) != nil || !m.only(name) {
		return nil, fmt.Errorf("certs: secret: %s: %w: it has an unknown member", path, ErrSecretFile)
	}
	return m, nil
}
