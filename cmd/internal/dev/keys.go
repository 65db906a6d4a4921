package dev

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/headgate/headgate/internal/token"
)

// KeyFiles are the key files of a deployment.
type KeyFiles struct {
	HashKeys    string // token hash keys, shared by authzd and gatewayd
	SigningKeys string // private signing keys of authzd (JWKS)
	PageKeys    string // page key secrets of gatewayd
	NonceKeys   string // DPoP nonce secrets of both, in use when they are configured
	SealKeys    string // keys under which authzd seals what it stores
	SubjectKey  string // secret of pairwise subject identifiers; never changes
	AuditKey    string // signs checkpoints of the records of reads
	AuditPublic string // its public half, for whoever verifies them
}

// Keys makes the key files of a deployment in dir, each with mode 0600; files
// that are there already are kept.
func Keys(dir string) (KeyFiles, error) {
	files := KeyFiles{
		SigningKeys: filepath.Join(dir, "signing-keys.json"),
		SealKeys:    filepath.Join(dir, "seal-keys.json"),
		SubjectKey:  filepath.Join(dir, "subject-key.json"),
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return KeyFiles{}, err
	}
	for path, generate := range map[string]func(string) error{
		files.SigningKeys: func(path string) error { return certs.GenerateSigningKeys(path, "ES256", "PS256", "EdDSA") },
		files.SealKeys:    certs.GenerateSealKeys,
		files.SubjectKey:  certs.GenerateSecret,
	} {
		if err := generate(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return KeyFiles{}, err
		}
	}
	var err error
	if files.AuditKey, files.AuditPublic, err = auditKey(dir); err != nil {
		return KeyFiles{}, err
	}
	if files.HashKeys, err = secretFile(filepath.Join(dir, "hash-keys.json"), token.NewKeyFile); err != nil {
		return KeyFiles{}, err
	}
	if files.NonceKeys, err = secretFile(filepath.Join(dir, "nonce-keys.json"), newSecrets); err != nil {
		return KeyFiles{}, err
	}
	files.PageKeys, err = secretFile(filepath.Join(dir, "page-keys.json"), newSecrets)
	return files, err
}

// newSecrets returns a JSON array of one base64 secret; newer ones go first.
func newSecrets() ([]byte, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return json.Marshal([]string{base64.StdEncoding.EncodeToString(secret)})
}

// auditKey makes the key of checkpoints; its public half is written anew from
// the secret one, so that they always belong together.
func auditKey(dir string) (secret, public string, err error) {
	newKey := func() ([]byte, error) {
		k, err := ledger.NewKey()
		return []byte(k + "\n"), err
	}
	if secret, err = secretFile(filepath.Join(dir, "audit-key"), newKey); err != nil {
		return "", "", err
	}
	text, err := certs.ReadPrivate(secret)
	if err != nil {
		return "", "", err
	}
	signer, err := ledger.NewSigner(string(text))
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", secret, err)
	}
	public = secret + ".pub"
	return secret, public, os.WriteFile(public, []byte(signer.Public()+"\n"), 0o644)
}
