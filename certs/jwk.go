package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Limits of what recipients may register.
const (
	MaxJWKSBytes = 64 << 10 // size of a key set, in bytes
	MaxJWKSKeys  = 20       // keys in a set
	MinRSABits   = 2048     // FAPI 2.0 Security Profile section 5.4.1
	MaxRSABits   = 4096     // bounds what one verification may cost us
)

// The faults of a foreign key or key set. Errors that wrap them may add which
// key it is, and hold nothing else of the input.
var (
	// ErrJWKSLimit: larger than MaxJWKSBytes or more than MaxJWKSKeys keys.
	ErrJWKSLimit = errors.New("key set is too large")
	// ErrMalformedJWK: not strict JSON, not a key, or values that make none,
	// such as a point off its curve or of small order.
	ErrMalformedJWK = errors.New("malformed key")
	// ErrPrivateJWK: private or symmetric key material. Whoever sent it has
	// disclosed it.
	ErrPrivateJWK = errors.New("private or symmetric key material")
	// ErrWeakJWK: RSA outside MinRSABits to MaxRSABits, or with a modulus or
	// exponent that no proper key has.
	ErrWeakJWK = errors.New("key is too weak or too large")
	// ErrUnsupportedJWK: a kind of key that none of PS256, ES256 and EdDSA can
	// use.
	ErrUnsupportedJWK = errors.New("unsupported kind of key")
)

// JWKS is a set of public signature keys of someone else, fit for PS256, ES256
// or EdDSA. The zero value is empty. Safe for concurrent use once parsed.
type JWKS struct {
	Keys []jose.JSONWebKey // in the order of the document
}

// ParseJWKS parses the key set of a recipient (RFC 7517 section 5). One key
// with private or symmetric material, or one signature key that is too weak or
// on the wrong curve, refuses the whole set: its owner has to know, and a set
// that half works is harder to mend. Keys for another use than signatures, and
// key types that do not exist for us, are left out as RFC 7517 section 5 asks.
// An empty set is valid: it is how an owner withdraws every key. Errors are
// ErrJWKSLimit, ErrMalformedJWK, ErrPrivateJWK, ErrWeakJWK, ErrUnsupportedJWK.
func ParseJWKS(data []byte) (JWKS, error) {
	if len(data) > MaxJWKSBytes {
		return JWKS{}, fmt.Errorf("%w: over %d bytes", ErrJWKSLimit, MaxJWKSBytes)
	}
	if err := StrictJSON(data); err != nil {
		return JWKS{}, fmt.Errorf("%w: %w", ErrMalformedJWK, err)
	}
	var document members
	if err := json.Unmarshal(data, &document); err != nil {
		return JWKS{}, ErrMalformedJWK
	}
	var list []json.RawMessage
	if err := json.Unmarshal(document["keys"], &list); err != nil || list == nil {
		return JWKS{}, fmt.Errorf("%w: the set has no array named keys", ErrMalformedJWK)
	}
	if len(list) > MaxJWKSKeys {
		return JWKS{}, fmt.Errorf("%w: over %d keys", ErrJWKSLimit, MaxJWKSKeys)
	}
	var set JWKS
	for i, raw := range list {
		m, err := jwkMembers(raw)
		if err != nil {
			return JWKS{}, fmt.Errorf("key %d: %w", i+1, err)
		}
		if use := m.text("use"); use != "" && use != "sig" {
			continue
		}
		if kty := m.text("kty"); kty != "" && kty != "RSA" && kty != "EC" && kty != "OKP" {
			continue
		}
		key, err := m.parse(raw)
		if err != nil {
			return JWKS{}, fmt.Errorf("key %d: %w", i+1, err)
		}
		set.Keys = append(set.Keys, key)
	}
	return set, nil
}

// ParsePublicJWK parses one public signature key under the same rules as
// ParseJWKS, for a key that arrives by itself, such as the jwk of a DPoP
// proof. Its use and alg are not judged. The caller bounds the size. Errors
// are ErrMalformedJWK, ErrPrivateJWK, ErrWeakJWK, ErrUnsupportedJWK.
func ParsePublicJWK(data []byte) (jose.JSONWebKey, error) {
	if err := StrictJSON(data); err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("%w: %w", ErrMalformedJWK, err)
	}
	m, err := jwkMembers(data)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	return m.parse(data)
}

// members are the members of one JWK. A map, because encoding/json matches the
// names of struct fields in any letter case.
type members map[string]json.RawMessage

// jwkMembers splits a JWK and refuses everything that is not public. The names
// are looked for whatever kty says (RFC 7518 section 6, RFC 8037 section 2,
// priv for algorithm key pairs).
func jwkMembers(raw []byte) (members, error) {
	var m members
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		return nil, ErrMalformedJWK
	}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if _, ok := m[name]; ok {
			return nil, ErrPrivateJWK
		}
	}
	if m.text("kty") == "oct" {
		return nil, ErrPrivateJWK
	}
	return m, nil
}

// text returns a string member, or "" when it is missing or something else.
func (m members) text(name string) string {
	var s string
	if json.Unmarshal(m[name], &s) != nil {
		return ""
	}
	return s
}

// parse returns the key if it is one of the three kinds we accept.
func (m members) parse(raw []byte) (jose.JSONWebKey, error) {
	switch kty, crv := m.text("kty"), m.text("crv"); {
	case kty == "":
		return jose.JSONWebKey{}, ErrMalformedJWK
	case kty == "RSA", kty == "EC" && crv == "P-256", kty == "OKP" && crv == "Ed25519":
	default:
		return jose.JSONWebKey{}, ErrUnsupportedJWK
	}
	var key jose.JSONWebKey
	// go-jose's message is dropped: it quotes the input.
	if err := key.UnmarshalJSON(raw); err != nil {
		if m.oversizedRSA() {
			return jose.JSONWebKey{}, ErrWeakJWK
		}
		return jose.JSONWebKey{}, ErrMalformedJWK
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < MinRSABits || bits > MaxRSABits ||
			k.N.Bit(0) == 0 || k.E < 3 || k.E%2 == 0 || k.E > 1<<31-1 {
			return jose.JSONWebKey{}, ErrWeakJWK
		}
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return jose.JSONWebKey{}, ErrUnsupportedJWK
		}
	case ed25519.PublicKey: // go-jose refuses points of small order
	default:
		return jose.JSONWebKey{}, ErrUnsupportedJWK
	}
	return key, nil
}

// oversizedRSA tells a modulus that go-jose finds too large from one that does
// not parse.
func (m members) oversizedRSA() bool {
	return m.text("kty") == "RSA" && base64.RawURLEncoding.DecodedLen(len(m.text("n"))) > MaxRSABits/8
}

// Select returns the keys of the set that may have made a signature with the
// given alg, in the order of the document; nil when there are none. kid is the
// header parameter of the signature, "" when it has none. Several keys may
// share a kid: the kind of key and, where the key names them, its alg decide
// as well (FAPI 2.0 Security Profile section 5.4.3). Any alg but PS256, ES256
// and EdDSA selects nothing.
func (s JWKS) Select(kid, alg string) []jose.JSONWebKey {
	var fit []jose.JSONWebKey
	for _, k := range s.Keys {
		if kid != "" && k.KeyID != kid || k.Algorithm != "" && k.Algorithm != alg {
			continue
		}
		if Algorithm(k) == alg {
			fit = append(fit, k)
		}
	}
	return fit
}

// Algorithm returns the one signature algorithm that this project accepts of a
// key: "PS256" for RSA, "ES256" for P-256, "EdDSA" for Ed25519, and "" for
// every other key.
func Algorithm(key jose.JSONWebKey) string {
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return string(jose.PS256)
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return string(jose.ES256)
		}
	case ed25519.PublicKey:
		return string(jose.EdDSA)
	}
	return ""
}

// Thumbprint returns the SHA-256 thumbprint of a key (RFC 7638), base64url
// without padding, 43 characters: the jkt of RFC 9449. Of a private key it is
// the thumbprint of the public one. A symmetric key is an error.
func Thumbprint(key jose.JSONWebKey) (string, error) {
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", ErrUnsupportedJWK
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// CertificateThumbprint returns x5t#S256 of a certificate (RFC 8705 section
// 3.1): SHA-256 over its DER form, base64url without padding, 43 characters.
func CertificateThumbprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return string(text[:])
}
