package certs_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/certstest"
)

// token is a KeyProvider in the shape of a PKCS #11 token: pairs behind
// handles, of which nothing but public halves and signatures comes out, and a
// small record beside each.
type token struct {
	mu      sync.Mutex
	objects map[string]crypto.Signer // by id
	records []certs.KeyInfo
	down    error // what every call returns while it is set
}

// newToken returns a token with a current and a next ES256 key.
func newToken(t *testing.T) *token {
	t.Helper()
	k := &token{objects: make(map[string]crypto.Signer)}
	err := k.Update(t.Context(), func([]certs.KeyInfo) ([]certs.KeyInfo, error) {
		now := time.Now()
		return []certs.KeyInfo{
			{Algorithm: "ES256", State: certs.KeyCurrent, Created: now, Activated: now},
			{Algorithm: "ES256", State: certs.KeyNext, Created: now},
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *token) Keys(ctx context.Context) ([]certs.KeyInfo, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := cmpErr(ctx.Err(), k.down); err != nil {
		return nil, err
	}
	return slices.Clone(k.records), nil
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (k *token) Signer(ctx context.Context, id string) (crypto.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := cmpErr(ctx.Err(), k.down); err != nil {
		return nil, err
	}
	private, ok := k.objects[id]
	if !ok {
		return nil, certs.ErrNoKey
	}
	return handle{public: private.Public(), sign: private.Sign}, nil
}

func (k *token) Update(ctx context.Context, decide func([]certs.KeyInfo) ([]certs.KeyInfo, error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := cmpErr(ctx.Err(), k.down); err != nil {
		return err
	}
	after, err := decide(slices.Clone(k.records))
	if err != nil {
		return err
	}
	if err := certs.CheckKeyUpdate(k.records, after); err != nil {
		return err
	}
	objects := make(map[string]crypto.Signer)
	after = slices.Clone(after)
	for i := range after {
		r := &after[i]
		private := k.objects[r.ID]
		if r.ID == "" {
			switch r.Algorithm {
			case "ES256":
				private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			case "PS256":
				private, err = rsa.GenerateKey(rand.Reader, 2048)
			case "EdDSA":
				_, private, err = ed25519.GenerateKey(rand.Reader)
			}
			if err != nil {
				return err
			}
			if r.ID, err = certs.Thumbprint(jose.JSONWebKey{Key: private.Public()}); err != nil {
				return err
			}
		}
		r.Public = private.Public()
		objects[r.ID] = private
	}
	k.objects, k.records = objects, after
	return nil
}

// handle is all that leaves the token.
type handle struct {
	public crypto.PublicKey
	sign   func(io.Reader, []byte, crypto.SignerOpts) ([]byte, error)
}

func (h handle) Public() crypto.PublicKey { return h.public }

func (h handle) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return h.sign(r, digest, opts)
}

func TestTokenKeepsTheContract(t *testing.T) {
	t.Parallel()
	certstest.KeyProvider(t, func(t *testing.T) certs.KeyProvider { return newToken(t) })
}
