package recipient

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// DPoPKey is a key that tokens get bound to: whoever steals a token without
// the key cannot use it (RFC 9449). It is safe for concurrent use.
type DPoPKey struct {
	alg     jose.SignatureAlgorithm
	private crypto.Signer
}

// NewDPoPKey makes a key for ES256, PS256 or EdDSA.
func NewDPoPKey(alg jose.SignatureAlgorithm) (*DPoPKey, error) {
	k := &DPoPKey{alg: alg}
	var err error
	switch alg {
	case jose.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.PS256:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.EdDSA:
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("DPoP key: %s is not one of ES256, PS256, EdDSA", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("DPoP key: %w", err)
	}
	return k, nil
}

// Thumbprint names the key: the value of dpop_jkt, and of cnf.jkt in an
// introspection answer (RFC 7638, SHA-256, base64url).
func (k *DPoPKey) Thumbprint() string {
	jwk := jose.JSONWebKey{Key: k.private.Public()}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err) // NewDPoPKey makes only keys that have one
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// Claims are the claims of a proof for one request, new ones each time (RFC
// 9449 section 4.2): method, URL without query and fragment, time, a fresh
// jti; ath binds the proof to an access token, and nonce to the server's
// challenge, when they are not "". Change them and sign them with Sign to
// see what the server says.
func (k *DPoPKey) Claims(method, rawURL string, token Secret, nonce string, now time.Time) map[string]any {
	claims := map[string]any{
		"jti": rand.Text(),
		"htm": method,
		"htu": withoutQuery(rawURL),
		"iat": now.Unix(),
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return claims
}

// Sign makes a proof of claims: typ dpop+jwt, with our public key in the
// header.
func (k *DPoPKey) Sign(claims map[string]any) (string, error) {
	proof, err := sign(k.alg, k.private, "dpop+jwt", true, claims)
	if err != nil {
		return "", fmt.Errorf("sign DPoP proof: %w", err)
	}
	return proof, nil
}

// prove puts a proof for r into its DPoP header. A nil key proves nothing.
func (c *Client) prove(r *Request, key *DPoPKey, token Secret, nonce string) error {
	if key == nil {
		return nil
	}
	if nonce == "" {
		nonce = c.lastNonce(r.URL)
	}
	proof, err := key.Sign(key.Claims(r.Method, r.URL, token, nonce, c.cfg.Now()))
	if err != nil {
		return err
	}
	r.Header.Set("DPoP", proof)
	return nil
}

func withoutQuery(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return rawURL
	}
	u.RawQuery, u.Fragment, u.RawFragment, u.ForceQuery = "", "", "", false
	return u.String()
}
