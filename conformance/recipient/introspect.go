package recipient

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
)

// signedIntrospection is the kind of a signed answer, as content type and,
// without application/, as typ of its header (RFC 9701 sections 4 and 5).
const signedIntrospection = "application/token-introspection+jwt"

// Introspection is what the server says of a token (RFC 7662 section 2.2).
type Introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope"`
	ClientID  string `json:"client_id"`
	Subject   string `json:"sub"`
	Issuer    string `json:"iss"`
	TokenType string `json:"token_type"`
	Expires   int64  `json:"exp"` // seconds since 1970
	GrantID   string `json:"grant_id"`
	// Confirmation names what the token is bound to: a DPoP key (RFC 9449
	// section 6.2) or a certificate (RFC 8705 section 3.2).
	Confirmation struct {
		KeyThumbprint         string `json:"jkt"`
		CertificateThumbprint string `json:"x5t#S256"`
	} `json:"cnf"`
	// Details is what was granted (RFC 9396 section 9.2).
	Details json.RawMessage `json:"authorization_details"`
}

// IntrospectRequest asks what a token stands for, as a resource server does.
// signed asks for an answer that is signed (RFC 9701).
func (c *Client) IntrospectRequest(token Secret, signed bool) (*Request, error) {
	r, err := c.post(Endpoints.introspection, url.Values{"token": {string(token)}}, nil)
	if err == nil && signed {
		r.Header.Set("Accept", signedIntrospection)
	}
	return r, err
}

// Introspect returns what the server says of a token. A token that is
// unknown, over, or none of our business is not active; that is no error. It
// returns a *Refusal when the server does not answer us at all.
func (c *Client) Introspect(ctx context.Context, token Secret) (Introspection, error) {
	resp, err := c.introspect(ctx, token, false)
	if err != nil {
		return Introspection{}, err
	}
	return readIntrospection(resp.Body)
}

// IntrospectSigned is Introspect with a signed answer. It returns ErrJWT when
// that must not be believed.
func (c *Client) IntrospectSigned(ctx context.Context, token Secret) (Introspection, error) {
	resp, err := c.introspect(ctx, token, true)
	if err != nil {
		return Introspection{}, err
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != signedIntrospection {
		return Introspection{}, fmt.Errorf("introspection: %w: the answer is not signed", ErrJWT)
	}
	got, err := c.verify(ctx, string(resp.Body), "token-introspection+jwt")
	if err != nil {
		return Introspection{}, fmt.Errorf("introspection: %w", err)
	}
	switch {
	case got["iat"] == nil:
		return Introspection{}, fmt.Errorf("introspection: %w: it has no iat", ErrJWT)
	case got["sub"] != nil || got["exp"] != nil:
		// Someone could take it for an access token (RFC 9701 section 5).
		return Introspection{}, fmt.Errorf("introspection: %w: it has sub or exp at the top", ErrJWT)
	}
	return readIntrospection(got["token_introspection"])
}

func (c *Client) introspect(ctx context.Context, token Secret, signed bool) (*Response, error) {
	req, err := c.IntrospectRequest(token, signed)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	if err := resp.Refusal("introspection"); err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, fmt.Errorf("introspection: status %d is not 200", resp.Status)
	}
	return resp, nil
}

func readIntrospection(text []byte) (Introspection, error) {
	var said struct {
		Active *bool `json:"active"`
	}
	var got Introspection
	if json.Unmarshal(text, &said) != nil || said.Active == nil || json.Unmarshal(text, &got) != nil {
		return Introspection{}, fmt.Errorf("introspection: the answer does not say whether the token is active (RFC 7662 section 2.2)")
	}
	return got, nil
}
