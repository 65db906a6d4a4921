package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"sync"
	"testing"
	"time"
)

// Proofs are minted here and nowhere in the product: neither server ever makes
// one.

const (
	testMethod = "POST"
	testURL    = "https://server.example.com/token"
	testToken  = "an-access-token-of-forty-three-characters--"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)

func clock() time.Time { return testNow }

type object = map[string]any

// holder is a client's key.
type holder struct {
	alg     string
	private crypto.Signer
	jwk     object
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func newEC(t testing.TB) holder {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return holderEC(t, k)
}

func holderEC(t testing.TB, k *ecdsa.PrivateKey) holder {
	t.Helper()
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return holder{"ES256", k, object{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}}
}

func newEd(t testing.TB) holder {
	t.Helper()
	public, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return holder{"EdDSA", k, object{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}}
}

// rsa2048 is shared, because making one takes long.
var rsa2048 = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func holderRSA(k *rsa.PrivateKey) holder {
	return holder{"PS256", k, object{"kty": "RSA", "n": b64(k.N.Bytes()), "e": "AQAB"}}
}

func newRSA(testing.TB) holder { return holderRSA(rsa2048()) }

// holders are one key of each kind that FAPI 2.0 permits.
func holders(t testing.TB) map[string]holder {
	return map[string]holder{"ES256": newEC(t), "PS256": newRSA(t), "EdDSA": newEd(t)}
}

// sign returns the JWS signature over input.
func (h holder) sign(t testing.TB, input string) []byte {
	t.Helper()
	digest := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch k := h.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, k, digest[:])
		sig, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), e
	case *rsa.PrivateKey:
		sig, err = rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:],
			&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case ed25519.PrivateKey:
		sig = ed25519.Sign(k, []byte(input))
	}
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// raw signs header and claims as they stand.
func (h holder) raw(t testing.TB, header, claims []byte) string {
	t.Helper()
	input := b64(header) + "." + b64(claims)
	return input + "." + b64(h.sign(t, input))
}

// header is a proper JOSE header with changes; a nil value removes a member.
func (h holder) header(changes object) object {
	return changed(object{"typ": "dpop+jwt", "alg": h.alg, "jwk": h.jwk}, changes)
}

// goodClaims are proper claims for a request with testToken, with changes.
func goodClaims(changes object) object {
	return changed(object{
		"jti": "id-1", "htm": testMethod, "htu": testURL,
		"iat": testNow.Unix(), "ath": ath(testToken),
	}, changes)
}

func ath(token string) string {
	sum := sha256.Sum256([]byte(token))
	return b64(sum[:])
}

func changed(base, changes object) object {
	out := maps.Clone(base)
	for name, value := range changes {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = value
		}
	}
	return out
}

// mint returns a proof with changed header and claims.
func (h holder) mint(t testing.TB, header, claims object) string {
	t.Helper()
	return h.raw(t, encode(t, h.header(header)), encode(t, goodClaims(claims)))
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
