package certs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// SigningKeys are our own ES256 keys, from a private JWKS file. The order in
// the file is the rotation: the first key signs, the second is the next one
// and already published, the rest are former ones that stay published while
// something they signed may still be in use. A verifier therefore knows each
// key for a whole rotation period before it meets its signature. Safe for
// concurrent use.
type SigningKeys struct {
	current jose.JSONWebKey
	public  []byte
}

// LoadSigningKeys reads the file once; a rotation takes effect with the next
// start. The file must be private (ErrExposed otherwise), and each key a P-256
// private key with a kid of its own.
func LoadSigningKeys(path string) (*SigningKeys, error) {
	keys, err := readSigningKeys(path)
	if err != nil {
		return nil, fmt.Errorf("certs: signing keys: %w", err)
	}
	public := jose.JSONWebKeySet{}
	for _, k := range keys {
		public.Keys = append(public.Keys, k.Public())
	}
	data, err := json.Marshal(public)
	if err != nil {
		return nil, fmt.Errorf("certs: signing keys: %w", err)
	}
	return &SigningKeys{current: keys[0], public: data}, nil
}

// Public returns the JWKS document to publish, with kid, use and alg of each
// key and no private part. The caller may keep and change it.
func (s *SigningKeys) Public() []byte {
	return bytes.Clone(s.public)
}

// Sign returns a JWS in compact form (RFC 7515 section 7.1) over the JSON form
// of claims, which must be an object, made with the current key. Its header
// holds alg, kid and, unless it is "", typ.
func (s *SigningKeys) Sign(ctx context.Context, typ string, claims any) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("certs: sign: %w", err)
	}
	if payload[0] != '{' {
		return "", errors.New("certs: sign: claims are not a JSON object")
	}
	var options jose.SignerOptions
	if typ != "" {
		options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.current}, &options)
	if err != nil {
		return "", fmt.Errorf("certs: sign: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("certs: sign: %w", err)
	}
	return signed.CompactSerialize()
}

// GenerateSigningKeys creates a file with a current and a next key. It never
// overwrites: an existing path is fs.ErrExist.
func GenerateSigningKeys(path string) error {
	current, err := newSigningKey()
	if err != nil {
		return err
	}
	next, err := newSigningKey()
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{current, next}}, "", "  ")
	if err != nil {
		return err
	}
	if err := createPrivate(path, data); err != nil {
		return fmt.Errorf("certs: signing keys: %w", err)
	}
	return nil
}

// RotateSigningKeys makes the next key of the file the current one, adds a
// fresh next one, keeps the current one as former and drops the former ones
// before it. Between two rotations must lie more than the time verifiers cache
// our JWKS and more than the longest life of anything signed. Running servers
// follow when they are restarted, in any order.
func RotateSigningKeys(path string) error {
	keys, err := readSigningKeys(path)
	if err != nil {
		return fmt.Errorf("certs: signing keys: %w", err)
	}
	if len(keys) < 2 {
		return fmt.Errorf("certs: signing keys: %s has no next key that verifiers could know already", path)
	}
	next, err := newSigningKey()
	if err != nil {
		return err
	}
	rotated := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{keys[1], next, keys[0]}}
	data, err := json.MarshalIndent(rotated, "", "  ")
	if err != nil {
		return err
	}
	if err := WritePrivate(path, data); err != nil {
		return fmt.Errorf("certs: signing keys: %w", err)
	}
	return nil
}

// newSigningKey makes a P-256 key whose kid is its thumbprint.
func newSigningKey() (jose.JSONWebKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	key := jose.JSONWebKey{Key: private, Use: "sig", Algorithm: string(jose.ES256)}
	key.KeyID, err = Thumbprint(key)
	return key, err
}

// readSigningKeys returns at least one key, in the order of the file.
func readSigningKeys(path string) ([]jose.JSONWebKey, error) {
	data, err := ReadPrivate(path)
	if err != nil {
		return nil, err
	}
	if err := StrictJSON(data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var set jose.JSONWebKeySet
	// go-jose's message is dropped: it may quote a private key's members.
	if err := json.Unmarshal(data, &set); err != nil || len(set.Keys) == 0 {
		return nil, fmt.Errorf("%s: not a JWKS with keys", path)
	}
	seen := make(map[string]bool)
	for i := range set.Keys {
		k := &set.Keys[i]
		private, ok := k.Key.(*ecdsa.PrivateKey)
		if !ok || private.Curve != elliptic.P256() ||
			k.Algorithm != "" && k.Algorithm != string(jose.ES256) || k.Use != "" && k.Use != "sig" {
			return nil, fmt.Errorf("%s: key %d is not a private P-256 key for ES256", path, i+1)
		}
		if k.KeyID == "" || seen[k.KeyID] {
			return nil, fmt.Errorf("%s: key %d has no kid of its own", path, i+1)
		}
		seen[k.KeyID] = true
		if !belongs(private) {
			return nil, fmt.Errorf("%s: key %d: its x and y do not belong to its d", path, i+1)
		}
		k.Algorithm, k.Use = string(jose.ES256), "sig"
	}
	return set.Keys, nil
}

// belongs reports whether the public half is that of the private scalar; with
// any other, nobody could verify what we sign.
func belongs(k *ecdsa.PrivateKey) bool {
	d, err := k.Bytes()
	if err != nil {
		return false
	}
	derived, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	return err == nil && derived.PublicKey.Equal(&k.PublicKey)
}
