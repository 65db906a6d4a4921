package recipient

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// RequestObjectClaims are the claims of a request object for an attempt, new
// ones each time: the parameters of the request, and who says so to whom and
// for how long (RFC 9101 section 4, FAPI 2.0 Message Signing section 5.3).
// Change them, sign them with SignRequestObject, and put the result into
// "request" of PushRequest's form to see what the server says.
func (c *Client) RequestObjectClaims(a *Attempt) (map[string]any, error) {
	form, err := c.parameters(a)
	if err != nil {
		return nil, err
	}
	return c.objectClaims(form), nil
}

// SignRequestObject signs claims with our registered key, with typ
// oauth-authz-req+jwt (RFC 9101 section 4).
func (c *Client) SignRequestObject(claims map[string]any) (string, error) {
	alg, ok := algOf(c.key)
	if !ok {
		return "", fmt.Errorf("sign request object: Config has no key to sign with")
	}
	signed, err := sign(alg, c.key, "oauth-authz-req+jwt", false, claims)
	if err != nil {
		return "", fmt.Errorf("sign request object: %w", err)
	}
	return signed, nil
}

// requestObject is a form that holds parameters as a request object, and
// nothing beside: parameters outside of it would count for nothing.
func (c *Client) requestObject(parameters url.Values) (url.Values, error) {
	signed, err := c.SignRequestObject(c.objectClaims(parameters))
	if err != nil {
		return nil, err
	}
	return url.Values{"request": {signed}}, nil
}

func (c *Client) objectClaims(parameters url.Values) map[string]any {
	now := c.cfg.Now()
	claims := map[string]any{
		"iss": c.cfg.ClientID,
		"aud": c.cfg.Issuer,
		"jti": rand.Text(),
		"iat": now.Unix(),
		"nbf": now.Unix(),
		"exp": now.Add(5 * time.Minute).Unix(),
	}
	for name := range parameters {
		value := parameters.Get(name)
		claims[name] = value
		switch name {
		case "authorization_details": // JSON in a form, itself in a JWT (RFC 9396 section 2)
			claims[name] = json.RawMessage(value)
		case "max_age": // a number (OpenID Connect Core section 6.1)
			if n, err := strconv.Atoi(value); err == nil {
				claims[name] = n
			}
		}
	}
	return claims
}
