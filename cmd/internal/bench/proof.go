package bench

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// signer makes the DPoP proofs of one key for one request and one access
// token (RFC 9449 section 4.2). Neither server ever makes one, so the load
// generator brings its own.
type signer struct {
	key    *ecdsa.PrivateKey
	header string // encoded, with the dot
	htu    string
	ath    string
}

// newSigner takes a P-256 key as PKCS #8.
func newSigner(pkcs8 []byte, htu, accessToken string) (*signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("bench: the key of a proof is P-256")
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	jwk := fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}`, encode(point[1:33]), encode(point[33:]))
	ath := sha256.Sum256([]byte(accessToken))
	return &signer{
		key:    key,
		header: encode([]byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":`+jwk+`}`)) + ".",
		htu:    htu,
		ath:    encode(ath[:]),
	}, nil
}

// sign returns a fresh proof that was made at now.
func (s *signer) sign(now time.Time) ([]byte, error) {
	claims, err := json.Marshal(struct {
		JTI string `json:"jti"`
		HTM string `json:"htm"`
		HTU string `json:"htu"`
		IAT int64  `json:"iat"`
		ATH string `json:"ath"`
	}{rand.Text(), "GET", s.htu, now.Unix(), s.ath})
	if err != nil {
		return nil, err
	}
	input := s.header + encode(claims)
	digest := sha256.Sum256([]byte(input))
	r, t, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		return nil, err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	t.FillBytes(signature[32:])
	return []byte(input + "." + encode(signature[:])), nil
}

// signAll makes n proofs on all cores: proof i is of signer i modulo their
// number.
func signAll(signers []*signer, n int) ([][]byte, error) {
	now := time.Now()
	proofs := make([][]byte, n)
	workers := runtime.GOMAXPROCS(0)
	faults := make([]error, workers)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for i := w; i < n && faults[w] == nil; i += workers {
				proofs[i], faults[w] = signers[i%len(signers)].sign(now)
			}
		})
	}
	wait.Wait()
	return proofs, errors.Join(faults...)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
