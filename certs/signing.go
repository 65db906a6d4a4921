package certs

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/go-jose/go-jose/v4"
)

// Sign returns a JWS in compact form (RFC 7515 section 7.1) over the JSON form
// of claims, which must be an object, made with the current key of alg. Its
// header holds alg, kid and, unless it is "", typ. An alg that is not among
// Algorithms is ErrNoKey. It takes no lock and reads no file.
func (r *Rotator) Sign(ctx context.Context, alg, typ string, claims any) (string, error) {
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
	signed, err := r.sign(alg, typ, nil, payload)
	if err != nil {
		return "", fmt.Errorf("certs: sign: %w", err)
	}
	return signed.CompactSerialize()
}

// SignDetached returns a JWS in compact form over the bytes of content, with
// content itself left out (RFC 7515 appendix F): whoever verifies puts the
// base64url form of what it received between the dots. Beside what Sign
// writes, the protected header holds the members of header. Otherwise as Sign.
func (r *Rotator) SignDetached(ctx context.Context, alg, typ string, header map[string]any, content []byte) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	signed, err := r.sign(alg, typ, header, content)
	if err != nil {
		return "", fmt.Errorf("certs: sign detached: %w", err)
	}
	return signed.DetachedCompactSerialize()
}

func (r *Rotator) sign(alg, typ string, header map[string]any, payload []byte) (*jose.JSONWebSignature, error) {
	key, ok := r.now.Load().current[alg]
	if !ok {
		return nil, ErrNoKey
	}
	var options jose.SignerOptions
	if typ != "" {
		options.WithType(jose.ContentType(typ))
	}
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, &options)
	if err != nil {
		return nil, err
	}
	return signer.Sign(payload)
}

// opaqueKey makes JWS signatures with a private key that it cannot see.
// go-jose's own adapter gives PS256 the longest salt that fits, where RFC 7518
// section 3.5 asks for one as long as the hash.
type opaqueKey struct {
	public jose.JSONWebKey
	signer crypto.Signer
}

// Public returns the key as it is published.
func (k opaqueKey) Public() *jose.JSONWebKey { return &k.public }

// Algs returns the one algorithm of the key.
func (k opaqueKey) Algs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.public.Algorithm)}
}

// SignPayload returns the signature in the form of RFC 7518 section 3 and RFC
// 8037 section 3.1.
func (k opaqueKey) SignPayload(payload []byte, alg jose.SignatureAlgorithm) ([]byte, error) {
	digest := sha256.Sum256(payload)
	switch alg {
	case jose.EdDSA:
		return k.signer.Sign(rand.Reader, payload, crypto.Hash(0))
	case jose.PS256:
		return k.signer.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case jose.ES256:
		der, err := k.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return nil, err
		}
		return rawECDSA(der)
	}
	return nil, jose.ErrUnsupportedAlgorithm
}

// rawECDSA turns the ASN.1 form of a P-256 signature into R and S, 32 bytes
// each (RFC 7518 section 3.4).
func rawECDSA(der []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 ||
		sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.BitLen() > 256 || sig.S.BitLen() > 256 {
		return nil, errors.New("the signer returned no ECDSA signature of P-256")
	}
	raw := make([]byte, 64)
	sig.R.FillBytes(raw[:32])
	sig.S.FillBytes(raw[32:])
	return raw, nil
}
