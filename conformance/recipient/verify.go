package recipient

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ErrJWT means that a JWT of the server must not be believed: its signature
// is not one of the server's keys by an algorithm of FAPI 2.0, or it is not
// for us, not for now, or not about what was asked.
var ErrJWT = errors.New("a JWT that must not be believed")

// allowedAlgs are those of FAPI 2.0 section 5.4.1.
var allowedAlgs = []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA}

// maxSkew is how far the server's clock may be ahead of ours.
const maxSkew = 30 * time.Second

// claims are the claims of a JWT of the server whose signature is good. Names
// are compared letter by letter, which encoding/json does not do in structs.
type claims map[string]json.RawMessage

// text returns a claim that is a string, "" for any other.
func (c claims) text(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil {
		return ""
	}
	return s
}

// time returns a claim that is a NumericDate (RFC 7519 section 2), and false
// for any other.
func (c claims) time(name string) (time.Time, bool) {
	var n *float64
	if json.Unmarshal(c[name], &n) != nil || n == nil || math.Abs(*n) > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(*n), 0), true
}

// isFor tells whether aud names this client, alone or among others.
func (c claims) isFor(clientID string) bool {
	if aud := c.text("aud"); aud != "" {
		return aud == clientID
	}
	var many []string
	return json.Unmarshal(c["aud"], &many) == nil && slices.Contains(many, clientID)
}

// verify checks a JWT of the server up to iss, aud and iat, and returns its
// claims. typ is the type that its header must name (RFC 8725 section 3.11);
// "" for any.
func (c *Client) verify(ctx context.Context, compact, typ string) (claims, error) {
	jws, err := jose.ParseSignedCompact(compact, allowedAlgs)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not signed by PS256, ES256 or EdDSA", ErrJWT)
	}
	header := jws.Signatures[0].Protected
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != "" && !strings.EqualFold(strings.TrimPrefix(got, "application/"), typ) {
		return nil, fmt.Errorf("%w: its typ is not %s", ErrJWT, typ)
	}
	if header.KeyID == "" {
		return nil, fmt.Errorf("%w: it names no key", ErrJWT)
	}
	keys, err := c.serverKeys(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	var payload []byte
	for _, key := range keys {
		if payload, err = jws.Verify(key); err == nil {
			break
		}
	}
	if payload == nil {
		return nil, fmt.Errorf("%w: no key of the server has signed it", ErrJWT)
	}
	var got claims
	if json.Unmarshal(payload, &got) != nil {
		return nil, fmt.Errorf("%w: its claims are not a JSON object", ErrJWT)
	}
	now := c.cfg.Now()
	issued, hasIssued := got.time("iat")
	switch {
	case got.text("iss") != c.cfg.Issuer:
		return nil, fmt.Errorf("%w: iss is not the server", ErrJWT)
	case !got.isFor(c.cfg.ClientID):
		return nil, fmt.Errorf("%w: aud is not us", ErrJWT)
	case got["iat"] != nil && (!hasIssued || issued.After(now.Add(maxSkew))):
		return nil, fmt.Errorf("%w: iat is in the future", ErrJWT)
	}
	if got["nbf"] != nil {
		if from, ok := got.time("nbf"); !ok || from.After(now.Add(maxSkew)) {
			return nil, fmt.Errorf("%w: nbf is in the future", ErrJWT)
		}
	}
	return got, nil
}

// alive returns ErrJWT for claims without exp and after it.
func (c *Client) alive(got claims) error {
	if expires, ok := got.time("exp"); !ok || !c.cfg.Now().Before(expires) {
		return fmt.Errorf("%w: it has no exp or has expired", ErrJWT)
	}
	return nil
}

// serverKeys returns the server's keys with this id that fit the algorithm:
// one, as a rule. A key that we have not seen makes us read them again, once:
// the server may have changed its keys. Others wait meanwhile, so that many
// answers at once read the keys once.
func (c *Client) serverKeys(ctx context.Context, kid, alg string) ([]jose.JSONWebKey, error) {
	c.keys.Lock()
	defer c.keys.Unlock()
	if found := fitting(c.keys.set, kid, alg); len(found) > 0 {
		return found, nil
	}
	if c.Server.JWKSURI == "" {
		return nil, fmt.Errorf("%w: the server has no jwks_uri", ErrMetadata)
	}
	resp, err := c.Do(ctx, &Request{Method: http.MethodGet, URL: c.Server.JWKSURI, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, fmt.Errorf("read the server's keys: %w", err)
	}
	if err := resp.Refusal("reading the server's keys"); err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := resp.JSON(&set); err != nil {
		return nil, fmt.Errorf("read the server's keys: %w", err)
	}
	c.keys.set = set
	found := fitting(set, kid, alg)
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: the server has no such key", ErrJWT)
	}
	return found, nil
}

func fitting(set jose.JSONWebKeySet, kid, alg string) []jose.JSONWebKey {
	return slices.DeleteFunc(set.Key(kid), func(k jose.JSONWebKey) bool {
		var fits bool
		switch k.Key.(type) {
		case *rsa.PublicKey:
			fits = alg == string(jose.PS256)
		case *ecdsa.PublicKey:
			fits = alg == string(jose.ES256)
		case ed25519.PublicKey:
			fits = alg == string(jose.EdDSA)
		}
		return !fits || k.Algorithm != "" && k.Algorithm != alg || k.Use != "" && k.Use != "sig"
	})
}
