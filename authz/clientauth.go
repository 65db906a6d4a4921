package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/clientcert"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// assertionType is the only client_assertion_type (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// The limits of a client assertion.
const (
	maxAssertion     = 16 << 10 // bytes
	maxAssertionLife = 10 * time.Minute
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
// A client uses the one method that it registered, and presents nothing of
// another (RFC 6749 section 2.3). An assertion is spent later (request).
func (s *Server) authenticate(q *request) error {
	none := func(text string) error { return badClient(errors.New("client authentication: " + text)) }
	switch {
	case q.form.Has("client_secret"):
		return none("client secrets are not accepted")
	case q.form.Has("client_assertion") || q.form.Has("client_assertion_type"):
		r, proof, err := s.checkAssertion(q)
		if err != nil {
			return err
		}
		q.client, q.proofs, q.assertion = r, append(q.proofs, proof), proof.Key
		return nil
	case !q.certified:
		return none("neither an assertion nor a certificate")
	}
	r, err := s.checkCertificate(q)
	if err != nil {
		return err
	}
	q.client = r
	return nil
}

// checkCertificate returns the client whose registered certificate the
// request came with (RFC 8705 section 2).
func (s *Server) checkCertificate(q *request) (consent.Recipient, error) {
	id := q.form.Get("client_id")
	none := func(text string) (consent.Recipient, error) {
		return consent.Recipient{}, badClient(errors.New("client certificate: " + text))
	}
	if !plain(id, maxClientID) {
		return none("client_id is missing or malformed")
	}
	r, err := q.load(q, consent.RecipientID(id))
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return none("unknown client")
	case err != nil:
		return consent.Recipient{}, fmt.Errorf("load client: %w", err)
	case !r.Status.MayRead():
		return none("client is not active")
	}
	switch r.AuthMethod {
	case consent.TLSClientAuth:
		if !q.peer.Is(clientcert.Subject(r.CertSubject)) {
			return none("not verified, or not of the registered subject")
		}
		return r, nil
	case consent.SelfSignedTLS:
		registered := func(keys certs.JWKS) bool { return q.peer.In(keys, s.cfg.Now()) }
		keys, err := s.clientKeys(q.Context(), r, registered)
		if err != nil || !registered(keys) {
			return none("not one of the registered keys")
		}
		return r, nil
	default:
		return none("client is registered for another method")
	}
}

// KeySets finds what recipients publish at their jwks_uri. Implementations
// are safe for concurrent use.
type KeySets interface {
	// Keys returns the key set at uri, which the caller must not change.
	Keys(ctx context.Context, uri string) (certs.JWKS, error)
	// Refresh is Keys for a caller whose signature none of the keys
	// verified: the set may be fetched again.
	Refresh(ctx context.Context, uri string) (certs.JWKS, error)
}

// clientKeys returns the public keys of a client, by value or by reference.
func (s *Server) clientKeys(ctx context.Context, r consent.Recipient, fit func(certs.JWKS) bool) (certs.JWKS, error) {
	if r.JWKSURI == "" {
		return s.keys.parse(r.JWKS)
	}
	if s.cfg.KeySets == nil {
		return certs.JWKS{}, errors.New("keys by reference are not fetched here")
	}
	return s.keysAt(ctx, r.JWKSURI, fit)
}

// keysAt returns the keys at a jwks_uri. They are fetched once more when those
// at hand do not fit: the owner may have rotated them.
func (s *Server) keysAt(ctx context.Context, uri string, fit func(certs.JWKS) bool) (certs.JWKS, error) {
	keys, err := s.cfg.KeySets.Keys(ctx, uri)
	if err != nil || fit(keys) {
		return keys, err
	}
	return s.cfg.KeySets.Refresh(ctx, uri)
}

func (s *Server) checkAssertion(q *request) (consent.Recipient, token.Proof, error) {
	form := q.form
	none := func(text string) (consent.Recipient, token.Proof, error) {
		return consent.Recipient{}, token.Proof{}, badClient(errors.New("client assertion: " + text))
	}
	raw := form.Get("client_assertion")
	switch {
	case raw == "":
		return none("missing")
	case form.Get("client_assertion_type") != assertionType:
		return none("unknown client_assertion_type")
	}
	jwt, err := parseJWT(raw, maxAssertion)
	if err != nil {
		return none(err.Error())
	}
	if strings.EqualFold(jwt.typ, requestObjectType) {
		return none("it is a request object") // RFC 9101 section 10.8
	}
	// encoding/json would take EXP for exp.
	var a assertion
	if err := josejson.Unmarshal(jwt.claims, &a); err != nil {
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
	case jwt.alg() != r.AssertionAlg:
		return none("algorithm is not the registered one")
	}
	keys, err := s.clientKeys(q.Context(), r, jwt.verify)
	switch {
	case errors.Is(err, consent.ErrUnavailable):
		return consent.Recipient{}, token.Proof{}, fmt.Errorf("load client keys: %w", err)
	case err != nil:
		return none("registered keys are unusable")
	case !jwt.verify(keys):
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
	return r, token.Proof{Key: onceKey("client assertion", string(r.ID), a.ID), ExpiresAt: expires.Add(maxAhead)}, nil
}

// checkTimes holds exp, nbf and iat against now.
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
