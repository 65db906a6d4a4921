package recipient

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
)

// Why an answer that came back with the consumer must not be believed.
var (
	// ErrRedirect means that it did not come to our redirect URI, or that
	// its parameters cannot be read, or are there twice.
	ErrRedirect = errors.New("the consumer came back to another address than our redirect URI, or with parameters that cannot be read")
	// ErrIssuer means that it does not name our server in iss: another
	// server may be mixing itself in (RFC 9207).
	ErrIssuer = errors.New("the answer names another issuer than the one that was asked")
	// ErrState means that it does not belong to this attempt: someone may
	// be slipping their own consent into our consumer's session.
	ErrState = errors.New("the answer has another state than the one that was sent")
	// ErrNoCode means that it holds neither a code nor an error.
	ErrNoCode = errors.New("the answer holds neither a code nor an error")
)

// AuthorizationURL is where to send the consumer's browser. It holds our
// name and the receipt of the pushed request, and nothing else.
func (c *Client) AuthorizationURL(requestURI string) string {
	u, err := url.Parse(c.Server.AuthorizationEndpoint)
	if err != nil {
		panic(err) // discover has parsed it
	}
	q := u.Query()
	q.Set("client_id", c.cfg.ClientID)
	q.Set("request_uri", requestURI)
	u.RawQuery = q.Encode()
	return u.String()
}

// ReadRedirect checks the answer that the consumer brought back and returns
// its code. It believes nothing before it knows that the answer came to our
// redirect URI, from our server, for this attempt: see ErrRedirect,
// ErrIssuer and ErrState. A genuine no is a *Refusal; access_denied means
// that the consumer said it. It believes no plain answer when Config asks for
// signed ones: use ReadAnswer, which reads both.
func (c *Client) ReadRedirect(u *url.URL, a *Attempt) (Secret, error) {
	if c.cfg.ResponseMode != "" {
		return "", fmt.Errorf("%w: a signed answer was asked for", ErrRedirect)
	}
	query, err := c.answer(u)
	if err != nil {
		return "", err
	}
	if query.Get("iss") != c.cfg.Issuer {
		return "", fmt.Errorf("%w: iss is %q, expected %s", ErrIssuer, query.Get("iss"), c.cfg.Issuer)
	}
	return readCode(a, query.Get)
}

// ReadAnswer is ReadRedirect for plain and for signed answers, whichever
// Config asks for. A signed answer (JARM section 4.4) is one JWT and nothing
// beside; when that is not the server's, or not for us, or late, it returns
// ErrJWT.
func (c *Client) ReadAnswer(ctx context.Context, u *url.URL, a *Attempt) (Secret, error) {
	if c.cfg.ResponseMode == "" {
		return c.ReadRedirect(u, a)
	}
	query, err := c.answer(u)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"code", "state", "iss", "error"} {
		if query.Has(name) {
			return "", fmt.Errorf("%w: %s stands outside of the signed answer", ErrRedirect, name)
		}
	}
	signed, err := c.verify(ctx, query.Get("response"), "")
	if err != nil {
		return "", err
	}
	if err := c.alive(signed); err != nil {
		return "", err
	}
	return readCode(a, signed.text)
}

// answer returns what came back in the query of our redirect URI.
func (c *Client) answer(u *url.URL) (url.Values, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || !c.isOurs(u, query) {
		return nil, ErrRedirect
	}
	for _, values := range query {
		if len(values) > 1 {
			return nil, ErrRedirect
		}
	}
	return query, nil
}

// readCode reads the answer to an attempt once its server is known.
func readCode(a *Attempt, get func(name string) string) (Secret, error) {
	if a.State == "" || subtle.ConstantTimeCompare([]byte(get("state")), []byte(a.State)) != 1 {
		return "", ErrState
	}
	if code := get("error"); code != "" {
		return "", &Refusal{Step: "authorization", Code: code, Description: get("error_description")}
	}
	if get("code") == "" {
		return "", ErrNoCode
	}
	return Secret(get("code")), nil
}

// isOurs compares the address with the registered redirect URI, exactly but
// for the query: the server has appended its answer there, after what was
// registered.
func (c *Client) isOurs(u *url.URL, query url.Values) bool {
	ours, err := url.Parse(c.cfg.RedirectURI)
	if err != nil {
		return false
	}
	for name, values := range ours.Query() {
		if query.Get(name) != values[0] {
			return false
		}
	}
	bare := *u
	bare.RawQuery, bare.ForceQuery, ours.RawQuery, ours.ForceQuery = "", false, "", false
	return bare.String() == ours.String()
}
