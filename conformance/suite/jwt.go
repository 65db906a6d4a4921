package suite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/go-jose/go-jose/v4"
)

// Key signs JWTs. It is safe for concurrent use.
type Key struct {
	// ID is the kid of its JWK; "" for none.
	ID string
	// Alg is how it signs: PS256, RS256, ES256, ES384, EdDSA or HS256.
	Alg string

	private crypto.Signer
	secret  []byte
}

// NewKey makes a key: PS256, RS256, ES256, ES384 or EdDSA.
func NewKey(alg string) *Key {
	k := &Key{Alg: alg}
	var err error
	switch alg {
	case "PS256", "RS256":
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		k.private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = errors.New("no such algorithm")
	}
	if err != nil {
		panic(fmt.Sprintf("suite: key for %s: %v", alg, err)) // a mistake of the case
	}
	return k
}

// NewSecret is a key for HS256: what an attacker has who knows only what is
// public.
func NewSecret(secret []byte) *Key { return &Key{Alg: "HS256", secret: secret} }

// As returns the same key that signs by another algorithm of its kind: RS256
// in the place of PS256.
func (k *Key) As(alg string) *Key {
	other := *k
	other.Alg = alg
	return &other
}

func keyOf(jwk jose.JSONWebKey) (*Key, error) {
	k := &Key{ID: jwk.KeyID}
	switch private := jwk.Key.(type) {
	case *rsa.PrivateKey:
		k.private, k.Alg = private, "PS256"
	case *ecdsa.PrivateKey:
		k.private, k.Alg = private, "ES256"
	case ed25519.PrivateKey:
		k.private, k.Alg = private, "EdDSA"
	default:
		return nil, errors.New("not a private key for PS256, ES256 or EdDSA")
	}
	return k, nil
}

// JWK is the public key as a JSON Web Key, to be put into a header or a key
// set; a case may bend it.
func (k *Key) JWK() map[string]any { return k.jwk(k.private.Public()) }

// PrivateJWK is the private key as a JSON Web Key, which no header may hold.
func (k *Key) PrivateJWK() map[string]any { return k.jwk(k.private) }

func (k *Key) jwk(key any) map[string]any {
	text, err := json.Marshal(jose.JSONWebKey{Key: key})
	var out map[string]any
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(fmt.Sprintf("suite: JWK: %v", err)) // NewKey makes none that has none
	}
	return out
}

// Thumbprint is the key's RFC 7638 thumbprint by SHA-256, in base64url.
func (k *Key) Thumbprint() string {
	jwk := jose.JSONWebKey{Key: k.private.Public()}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		panic(fmt.Sprintf("suite: thumbprint: %v", err))
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// sign signs by the key's algorithm (RFC 7518 section 3).
func (k *Key) sign(input string) ([]byte, error) {
	if k.Alg == "HS256" {
		mac := hmac.New(sha256.New, k.secret)
		mac.Write([]byte(input))
		return mac.Sum(nil), nil
	}
	sum := sha256.Sum256([]byte(input))
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		if k.Alg == "RS256" {
			return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, sum[:])
		}
		return rsa.SignPSS(rand.Reader, private, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case *ecdsa.PrivateKey:
		digest, size := sum[:], 32
		if private.Curve == elliptic.P384() {
			long := sha512.Sum384([]byte(input))
			digest, size = long[:], 48
		}
		r, s, err := ecdsa.Sign(rand.Reader, private, digest)
		if err != nil {
			return nil, err
		}
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out, nil
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(input)), nil
	}
	return nil, fmt.Errorf("no key to sign with")
}

// JWT is a JWT that is signed when it is sent. Bend any part of it.
type JWT struct {
	Header map[string]any
	Claims map[string]any
	// Key signs. Nil leaves the signature empty, as alg none does.
	Key *Key
	// Payload stands in the place of Claims when it is not nil.
	Payload []byte
	// Bend changes the compact form after it was signed; nil for not.
	Bend func(compact string) string

	// jti is the one that the builder made: a repetition gets another,
	// unless the case has put its own in its place.
	jti string
}

func newJWT(key *Key, typ string, claims map[string]any) *JWT {
	j := &JWT{Header: map[string]any{"alg": key.Alg, "typ": typ}, Claims: claims, Key: key, jti: rand.Text()}
	if key.ID != "" {
		j.Header["kid"] = key.ID
	}
	j.Claims["jti"] = j.jti
	return j
}

// Resign has another key sign, and says so in the header: its algorithm, and
// its public key where the header holds one.
func (j *JWT) Resign(key *Key) {
	j.Key = key
	j.Header["alg"] = key.Alg
	if _, embedded := j.Header["jwk"]; embedded {
		j.Header["jwk"] = key.JWK()
	}
}

// Clone is a copy with maps of its own.
func (j *JWT) Clone() *JWT {
	if j == nil {
		return nil
	}
	other := *j
	other.Header, other.Claims = maps.Clone(j.Header), maps.Clone(j.Claims)
	return &other
}

// refresh replaces the jti, if it is still the builder's.
func (j *JWT) refresh() {
	if j.Claims["jti"] == j.jti {
		j.jti = rand.Text()
		j.Claims["jti"] = j.jti
	}
}

// Compact signs it.
func (j *JWT) Compact() (string, error) {
	header, err := json.Marshal(j.Header)
	if err != nil {
		return "", fmt.Errorf("encode header of JWT: %w", err)
	}
	payload := j.Payload
	if payload == nil {
		if payload, err = json.Marshal(j.Claims); err != nil {
			return "", fmt.Errorf("encode claims of JWT: %w", err)
		}
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	var signature []byte
	if j.Key != nil {
		if signature, err = j.Key.sign(input); err != nil {
			return "", fmt.Errorf("sign JWT: %w", err)
		}
	}
	compact := input + "." + base64.RawURLEncoding.EncodeToString(signature)
	if j.Bend != nil {
		compact = j.Bend(compact)
	}
	return compact, nil
}

// BreakSignature is a Bend that changes one bit of the signature.
func BreakSignature(compact string) string {
	for i := len(compact) - 1; i >= 0; i-- {
		if compact[i] == '.' {
			raw, err := base64.RawURLEncoding.DecodeString(compact[i+1:])
			if err != nil || len(raw) == 0 {
				return compact
			}
			raw[len(raw)/2] ^= 1
			return compact[:i+1] + base64.RawURLEncoding.EncodeToString(raw)
		}
	}
	return compact
}

// tokenHash is the ath of a DPoP proof (RFC 9449 section 4.2).
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
