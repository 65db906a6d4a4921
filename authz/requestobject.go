package authz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
)

// requestObjectType is the typ of a request object (RFC 9101 section 4).
const requestObjectType = "oauth-authz-req+jwt"

// The limits of a request object. What lives 60 minutes at most and has not
// expired began 60 minutes ago at most, so that one limit keeps both rules of
// FAPI 2.0 Message Signing section 5.3.1.
const (
	maxRequestObject = 32 << 10         // bytes
	maxRequestLife   = 60 * time.Minute // from nbf to exp
)

func badRequestObject(text string) *Error {
	return refuse("invalid_request_object", "the request object "+text)
}

// parameters returns the authorization request of a push: what its request
// object says and nothing that stands beside it (RFC 9101 section 6.3), or
// the form when there is none.
func (s *Server) parameters(q *request) (url.Values, error) {
	switch {
	case q.form.Has("request_uri"):
		return nil, refuse(engine.InvalidRequest, "request_uri must not be pushed (RFC 9126 section 2.1)")
	case q.form.Has("request"):
	case q.client.Profile.SignedRequests:
		return nil, refuse(engine.InvalidRequest, "this client must push a signed request object (RFC 9101)")
	default:
		return q.form, nil
	}
	jwt, err := parseJWT(q.form.Get("request"), maxRequestObject)
	if err != nil {
		return nil, badRequestObject(err.Error())
	}
	keys, err := s.clientKeys(q.Context(), q.client, jwt.verify)
	if errors.Is(err, consent.ErrUnavailable) {
		return nil, fmt.Errorf("load client keys: %w", err)
	}
	// Without keys nothing verifies.
	if err := checkRequestObject(jwt, q.client, keys, s.cfg.Issuer, s.cfg.Now()); err != nil {
		return nil, err
	}
	return requestParameters(jwt.claims)
}

// requestClaims are the claims of a request object about itself.
type requestClaims struct {
	Issuer    string          `json:"iss"`
	ClientID  string          `json:"client_id"`
	Audience  json.RawMessage `json:"aud"`
	Expires   *float64        `json:"exp"`
	NotBefore *float64        `json:"nbf"`
	IssuedAt  *float64        `json:"iat"`
}

// checkRequestObject finds out whether the authenticated client signed this
// request, for this server and not long ago (RFC 9101 section 6, FAPI 2.0
// Message Signing section 5.3.1). It is a pure function.
//
// A request object may be pushed again while it is valid: that makes another
// request_uri for the client that could have signed another object, so its
// jti is not looked at.
func checkRequestObject(jwt unverified, r consent.Recipient, keys certs.JWKS, issuer string, now time.Time) error {
	switch {
	case jwt.typ != "" && !strings.EqualFold(jwt.typ, requestObjectType):
		return badRequestObject("has another typ than " + requestObjectType)
	case r.Profile.RequestAlg != "" && jwt.alg() != r.Profile.RequestAlg:
		return badRequestObject("is signed with another algorithm than the registered one")
	case !jwt.verify(keys):
		return badRequestObject("has a signature that no registered key of this client made")
	}
	var c requestClaims // encoding/json would take EXP for exp
	if josejson.Unmarshal(jwt.claims, &c) != nil {
		return badRequestObject("has a claim of the wrong type")
	}
	switch {
	case c.Issuer != string(r.ID) || c.ClientID != string(r.ID):
		return badRequestObject("needs iss and client_id, and both must be the authenticated client")
	case !addressed(c.Audience, issuer):
		return badRequestObject("must name the issuer in aud")
	case c.Expires == nil || c.NotBefore == nil:
		return badRequestObject("needs exp and nbf")
	}
	exp, okExp := numericDate(*c.Expires)
	nbf, okNbf := numericDate(*c.NotBefore)
	switch {
	case !okExp || !okNbf || !exp.After(nbf):
		return badRequestObject("has an exp or nbf that is no time, or no time between them")
	case !now.Before(exp):
		return badRequestObject("has expired")
	case exp.After(nbf.Add(maxRequestLife)):
		return badRequestObject("must expire at most 60 minutes after nbf")
	case nbf.After(now.Add(maxAhead)):
		return badRequestObject("has an nbf in the future")
	}
	if c.IssuedAt != nil {
		if iat, ok := numericDate(*c.IssuedAt); !ok || iat.After(now.Add(maxAhead)) {
			return badRequestObject("has an iat in the future")
		}
	}
	return nil
}

// addressed reports whether aud is the issuer or an array of texts with it.
func addressed(aud json.RawMessage, issuer string) bool {
	var one string
	if json.Unmarshal(aud, &one) == nil {
		return one == issuer
	}
	var many []string
	return json.Unmarshal(aud, &many) == nil && slices.Contains(many, issuer)
}

// requestParameters turns the members of a request object into parameters as
// a form would carry them. What is no parameter of ours is ignored.
func requestParameters(object []byte) (url.Values, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return nil, badRequestObject("has claims that are not an object")
	}
	for _, name := range []string{"request", "request_uri"} {
		if _, nested := members[name]; nested {
			return nil, badRequestObject("must not hold " + name + " (RFC 9101 section 4)")
		}
	}
	params := url.Values{}
	for _, name := range append([]string{"authorization_details"}, pushedParams...) {
		raw, ok := members[name]
		if !ok {
			continue
		}
		value, ok := parameter(name, raw)
		if !ok {
			return nil, badRequestObject("has a value of the wrong type for " + name)
		}
		params.Set(name, value)
	}
	return params, nil
}

// parameter renders one member: text as it is, a number by its digits, JSON
// in its shortest form (RFC 9101 section 4, RFC 9396 section 3, OpenID
// Connect Core section 6.1).
func parameter(name string, raw json.RawMessage) (string, bool) {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return "", false
	}
	text := compact.String()
	switch name {
	case "authorization_details":
		return text, text[0] == '['
	case "claims":
		return text, text[0] == '{'
	case "max_age":
		return text, text[0] == '-' || '0' <= text[0] && text[0] <= '9'
	}
	if text[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "", false
	}
	// No form can carry a NUL. A lone surrogate is read as U+FFFD, which would
	// come back to the client in place of what it sent.
	return text, !strings.ContainsAny(text, "\x00\uFFFD")
}
