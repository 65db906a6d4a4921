package dev

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/internal/token"
)

// KeyFiles are the key files of a deployment.
type KeyFiles struct {
	HashKeys    string // token hash keys, shared by authzd and gatewayd
	SigningKeys string // private signing keys of authzd (JWKS)
	SubjectKey  string // secret of subject identifiers of authzd
	PageKeys    string // page key secrets of gatewayd
}

// Keys makes the key files of a deployment in dir, each with mode 0600; files
// that are there already are kept.
func Keys(dir string) (KeyFiles, error) {
	files := KeyFiles{SigningKeys: filepath.Join(dir, "signing-keys.json")}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return KeyFiles{}, err
	}
	if err := certs.GenerateSigningKeys(files.SigningKeys); err != nil && !errors.Is(err, fs.ErrExist) {
		return KeyFiles{}, err
	}
	var err error
	if files.HashKeys, err = secretFile(filepath.Join(dir, "hash-keys.json"), token.NewKeyFile); err != nil {
		return KeyFiles{}, err
	}
	if files.SubjectKey, err = secretFile(filepath.Join(dir, "subject-key.json"), newSubjectKey); err != nil {
		return KeyFiles{}, err
	}
	files.PageKeys, err = secretFile(filepath.Join(dir, "page-keys.json"), newPageKeys)
	return files, err
}

// newSubjectKey returns the content of a subject key file: a JSON object with
// one base64 secret, which lives as long as the deployment.
func newSubjectKey() ([]byte, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return json.Marshal(struct {
		Secret []byte `json:"secret"`
	}{secret})
}

// newPageKeys returns the content of a page key file: a JSON array of base64
// secrets, newest first.
func newPageKeys() ([]byte, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return json.Marshal([]string{base64.StdEncoding.EncodeToString(secret)})
}
