package recipient

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// assertionType says that client_assertion is a JWT (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// AssertionClaims are the claims of a client assertion, new ones each time:
// we are the issuer and the subject, and the audience is the server's issuer,
// as a string and not as a list (FAPI 2.0 section 5.3.3.1). Change them and
// sign them with SignAssertion to see what the server says.
func (c *Client) AssertionClaims() map[string]any {
	now := c.cfg.Now()
	return map[string]any{
		"iss": c.cfg.ClientID,
		"sub": c.cfg.ClientID,
		"aud": c.cfg.Issuer,
		"jti": rand.Text(),
		"iat": now.Unix(),
		"exp": now.Add(time.Minute).Unix(),
	}
}

// SignAssertion signs claims with our registered key.
func (c *Client) SignAssertion(claims map[string]any) (string, error) {
	alg, _ := algOf(c.key)
	signed, err := sign(alg, c.key, "JWT", false, claims)
	if err != nil {
		return "", fmt.Errorf("sign client assertion: %w", err)
	}
	return signed, nil
}

// authenticate adds what says who we are: a fresh assertion, or our name
// beside the certificate of the TLS handshake (RFC 8705 section 2).
func (c *Client) authenticate(form url.Values) error {
	if c.cfg.ClientAuth.byCertificate() {
		form.Set("client_id", c.cfg.ClientID)
		return nil
	}
	assertion, err := c.SignAssertion(c.AssertionClaims())
	if err != nil {
		return err
	}
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
	return nil
}

// signingKey picks the private key to sign with.
func signingKey(set jose.JSONWebKeySet, want jose.SignatureAlgorithm) (jose.JSONWebKey, error) {
	for _, key := range set.Keys {
		if alg, ok := algOf(key); ok && (want == "" || want == alg) {
			return key, nil
		}
	}
	if want == "" {
		want = "PS256, ES256 or EdDSA"
	}
	return jose.JSONWebKey{}, fmt.Errorf("recipient: Config.PrivateJWKS has no private key for %s", want)
}

// algOf returns the one algorithm that FAPI 2.0 allows for this kind of key
// (section 5.4.1). It returns false when there is none, when the key says
// that it is for another, and for a public key.
func algOf(key jose.JSONWebKey) (jose.SignatureAlgorithm, bool) {
	var alg jose.SignatureAlgorithm
	switch k := key.Key.(type) {
	case *rsa.PrivateKey:
		alg = jose.PS256
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return "", false
		}
		alg = jose.ES256
	case ed25519.PrivateKey:
		alg = jose.EdDSA
	default:
		return "", false
	}
	return alg, key.Algorithm == "" || key.Algorithm == string(alg)
}

// sign makes a compact JWT. The header carries the key's id, or with
// embedKey the public key itself.
func sign(alg jose.SignatureAlgorithm, key any, typ jose.ContentType, embedKey bool, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	options := &jose.SignerOptions{EmbedJWK: embedKey}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options.WithType(typ))
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
