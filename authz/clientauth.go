package authz

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// assertionType is the only client_assertion_type (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// The limits of a client assertion.
const (
	maxAssertion     = 16 << 10 // bytes
	maxAssertionLife = 10 * time.Minute
	maxAhead         = 30 * time.Second // of iat and nbf (FAPI 2.0 section 5.3.2.1-13)
	maxJTI           = 256
)

// clientParams are the parameters of client authentication. They are used up
// here and never stored.
var clientParams = []string{"client_id", "client_assertion", "client_assertion_type", "client_secret"}

// assertion is the claim set of a client assertion that has been parsed but
// believed in nothing yet.
type assertion struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	ID        string          `json:"jti"`
	Expires   *float64        `json:"exp"`
	NotBefore *float64        `json:"nbf"`
	IssuedAt  *float64        `json:"iat"`
}

// authenticate finds out which client sent the request, or returns an *Error.
// The assertion is spent later (request).
func (s *Server) authenticate(q *request) error {
	r, proof, err := s.checkAssertion(q)
	if err != nil {
		return err
	}
	q.client, q.proofs, q.assertion = r, append(q.proofs, proof), proof.Key
	return nil
}

func (s *Server) checkAssertion(q *request) (consent.Recipient, token.Proof, error) {
	form := q.form
	none := func(text string) (consent.Recipient, token.Proof, error) {
		return consent.Recipient{}, token.Proof{}, badClient(errors.New("client assertion: " + text))
	}
	raw := form.Get("client_assertion")
	switch {
	case form.Has("client_secret"):
		return none("client secrets are not accepted")
	case raw == "":
		return none("missing")
	case form.Get("client_assertion_type") != assertionType:
		return none("unknown client_assertion_type")
	case len(raw) > maxAssertion:
		return none("too large")
	case strings.Count(raw, ".") != 2:
		return none("not a compact JWS")
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil || len(jws.Signatures) != 1 {
		return none("not a JWS with an accepted algorithm")
	}
	if err := strictHeader(raw); err != nil {
		return none(err.Error())
	}
	unverified := jws.UnsafePayloadWithoutVerification()
	if certs.StrictJSON(unverified) != nil {
		return none("claims are not strict JSON")
	}
	// encoding/json would take EXP for exp.
	var a assertion
	if err := josejson.Unmarshal(unverified, &a); err != nil {
		return none("claims have the wrong types")
	}
	// The client is who the assertion says; a client_id beside it must agree.
	if !plain(a.Issuer, maxClientID) || a.Issuer != a.Subject {
		return none("iss and sub must both be the client id")
	}
	if form.Has("client_id") && form.Get("client_id") != a.Issuer {
		return none("client_id is another client")
	}
	r, err := q.load(q, consent.RecipientID(a.Issuer))
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return none("unknown client")
	case err != nil:
		return consent.Recipient{}, token.Proof{}, fmt.Errorf("load client: %w", err)
	case !r.Status.MayRead():
		return none("client is not active")
	case r.AuthMethod != consent.PrivateKeyJWT:
		return none("client is registered for another method")
	case jws.Signatures[0].Header.Algorithm != r.AssertionAlg:
		return none("algorithm is not the registered one")
	}
	keys, err := certs.ParseJWKS(r.JWKS)
	if err != nil {
		return none("registered keys are unusable")
	}
	if !verified(jws, keys) {
		return none("signature does not verify")
	}
	expires, err := s.checkTimes(a)
	if err != nil {
		return none(err.Error())
	}
	var audience string
	if json.Unmarshal(a.Audience, &audience) != nil || audience != s.cfg.Issuer {
		return none("aud must be the issuer, as a string") // FAPI 2.0 section 5.3.2.1-8
	}
	if a.ID == "" || len(a.ID) > maxJTI {
		return none("jti is missing or too long")
	}
	return r, token.Proof{Key: assertionKey(r.ID, a.ID), ExpiresAt: expires.Add(maxAhead)}, nil
}

// verified tries the keys that the header allows.
func verified(jws *jose.JSONWebSignature, keys certs.JWKS) bool {
	h := jws.Signatures[0].Header
	for _, k := range keys.Select(h.KeyID, h.Algorithm) {
		if _, err := jws.Verify(k.Key); err == nil {
			return true
		}
	}
	return false
}

// checkTimes holds exp, nbf and iat against now (FAPI 2.0 5.3.2.1-13: a clock
// that is some seconds ahead must pass, one that is a minute ahead must not).
func (s *Server) checkTimes(a assertion) (time.Time, error) {
	now := s.cfg.Now()
	if a.Expires == nil {
		return time.Time{}, errors.New("exp is missing")
	}
	exp, ok := numericDate(*a.Expires)
	switch {
	case !ok || !now.Before(exp):
		return time.Time{}, errors.New("expired")
	case exp.After(now.Add(maxAssertionLife)):
		return time.Time{}, errors.New("exp is too far ahead")
	}
	for _, t := range []*float64{a.NotBefore, a.IssuedAt} {
		if t == nil {
			continue
		}
		at, ok := numericDate(*t)
		if !ok || at.After(now.Add(maxAhead)) {
			return time.Time{}, errors.New("iat or nbf is in the future")
		}
	}
	return exp, nil
}

// numericDate reads a JWT NumericDate; false when it is no time that an
// honest clock shows.
func numericDate(f float64) (time.Time, bool) {
	if !(f > 0 && f < 1<<40) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(f * 1e3)), true
}

// assertionKey is what makes an assertion unique: whose it is and its jti,
// length-framed so that no two pairs meet.
func assertionKey(client consent.RecipientID, jti string) [32]byte {
	h := sha256.New()
	h.Write([]byte("client assertion"))
	for _, part := range []string{string(client), jti} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return [32]byte(h.Sum(nil))
}

// strictHeader checks the protected header once more as text: no member
// twice, and none that go-jose understands but a client assertion must not
// carry (RFC 7515 section 4.1.11; b64 is RFC 7797).
func strictHeader(raw string) error {
	head, _, _ := strings.Cut(raw, ".")
	text, err := decodeSegment(head)
	if err != nil || certs.StrictJSON(text) != nil {
		return errors.New("header is not strict JSON")
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(text, &m) != nil {
		return errors.New("header is not an object")
	}
	for _, name := range []string{"crit", "b64"} {
		if _, ok := m[name]; ok {
			return errors.New("header has a critical extension")
		}
	}
	return nil
}
