package suite

import (
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// JWKS reads the server's keys, as they are published now.
func (t *T) JWKS() *Response {
	return t.Send(Get(t.Endpoint(nil, "jwks_uri")))
}

// fapiAlgs are those of FAPI 2.0 section 5.4.1.
var fapiAlgs = []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA}

// ErrNotSigned means that a JWT is not signed by a published key of the
// server with an algorithm of FAPI 2.0.
var ErrNotSigned = errors.New("not signed by a published key with PS256, ES256 or EdDSA")

// Verify checks the signature of a JWT of the server with its published keys
// and returns the claims. It returns ErrNotSigned, and looks at no claim.
func (t *T) Verify(compact string) (map[string]any, error) {
	var set jose.JSONWebKeySet
	if resp := t.JWKS(); resp.Status != 200 || resp.Into(&set) != nil {
		t.Cannot("read the server's keys", fmt.Errorf("status %d, or not a key set", resp.Status))
	}
	signed, err := jose.ParseSignedCompact(compact, fapiAlgs)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotSigned, "it is no JWS, or of another algorithm")
	}
	header := signed.Signatures[0].Header
	for _, key := range set.Keys {
		if header.KeyID != "" && key.KeyID != header.KeyID {
			continue
		}
		if _, err := signed.Verify(key); err == nil {
			return Claimset(compact), nil
		}
	}
	return nil, fmt.Errorf("%w: no published key has signed it", ErrNotSigned)
}
