package recipient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Token is a consent in use: what to read data with, and what to renew that
// with.
type Token struct {
	AccessToken  Secret `json:"access_token"`
	TokenType    string `json:"token_type"` // DPoP, or Bearer when bound to a certificate
	ExpiresIn    int    `json:"expires_in"` // seconds
	RefreshToken Secret `json:"refresh_token"`
	Scope        string `json:"scope"`
	// GrantID and ConsentID name the consent, the same way twice.
	GrantID   string `json:"grant_id"`
	ConsentID string `json:"fdxConsentId"`
	// Details is what was granted, which may be less than was asked for.
	Details json.RawMessage `json:"authorization_details"`
	// IDToken says who the consumer is, signed; "" when nobody asked.
	IDToken Secret `json:"id_token"`
	// Key is what the access token is bound to; nil when that is our
	// certificate.
	Key *DPoPKey `json:"-"`
	// Identity is what Redeem and Refresh have read in IDToken and found
	// good; nil when there was none.
	Identity *Identity `json:"-"`
}

// CodeRequest redeems an authorization code, once, with the attempt's
// verifier and key.
func (c *Client) CodeRequest(a *Attempt, code Secret) (*Request, error) {
	return c.post(Endpoints.token, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {string(code)},
		"redirect_uri":  {c.cfg.RedirectURI},
		"code_verifier": {string(a.Verifier)},
	}, c.boundTo(a.Key))
}

// Redeem trades the code for a token, and checks the ID token if the attempt
// asked for one. It returns a *Refusal when the server says no: invalid_grant
// for a code that is spent, late or not ours; and ErrJWT when the ID token
// must not be believed, or is missing, or was not asked for.
func (c *Client) Redeem(ctx context.Context, a *Attempt, code Secret) (Token, error) {
	req, err := c.CodeRequest(a, code)
	if err != nil {
		return Token{}, err
	}
	token, err := c.token(ctx, req, "token request", a.Key)
	if err != nil {
		return Token{}, err
	}
	if asked := slices.Contains(strings.Fields(a.Scope), "openid"); asked != (token.IDToken != "") {
		return Token{}, fmt.Errorf("token request: %w: an ID token is missing, or there without having been asked for", ErrJWT)
	} else if !asked {
		return token, nil
	}
	who, err := c.ReadIDToken(ctx, token, a)
	if err != nil {
		return Token{}, fmt.Errorf("token request: %w", err)
	}
	token.Identity = &who
	return token, nil
}

// RefreshRequest asks for a new access token. The key may be a new one:
// refresh tokens are bound to us, access tokens to the key.
func (c *Client) RefreshRequest(refresh Secret, key *DPoPKey) (*Request, error) {
	return c.post(Endpoints.token, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {string(refresh)},
	}, c.boundTo(key))
}

// Refresh returns a new access token bound to key. The refresh token stays
// the same unless the server sends another (FAPI 2.0 discourages that). It
// returns a *Refusal: invalid_grant once the consent has ended. An ID token,
// if there is one, must be good (ErrJWT); the caller compares its subject.
func (c *Client) Refresh(ctx context.Context, refresh Secret, key *DPoPKey) (Token, error) {
	req, err := c.RefreshRequest(refresh, key)
	if err != nil {
		return Token{}, err
	}
	token, err := c.token(ctx, req, "refresh request", key)
	if err != nil {
		return Token{}, err
	}
	if token.RefreshToken == "" {
		token.RefreshToken = refresh
	}
	if token.IDToken != "" {
		who, err := c.ReadIDToken(ctx, token, nil)
		if err != nil {
			return Token{}, fmt.Errorf("refresh request: %w", err)
		}
		token.Identity = &who
	}
	return token, nil
}

// ClientCredentialsRequest asks for a token of our own, for no consumer (RFC
// 6749 section 4.4), for space-separated scopes.
func (c *Client) ClientCredentialsRequest(scope string, key *DPoPKey) (*Request, error) {
	return c.post(Endpoints.token, url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}, c.boundTo(key))
}

// ClientCredentials returns a token of our own, or a *Refusal.
func (c *Client) ClientCredentials(ctx context.Context, scope string, key *DPoPKey) (Token, error) {
	req, err := c.ClientCredentialsRequest(scope, key)
	if err != nil {
		return Token{}, err
	}
	return c.token(ctx, req, "client credentials request", key)
}

// Narrow makes a CodeRequest or RefreshRequest ask for less than was granted:
// for these space-separated scopes (RFC 6749 section 6), these
// authorization_details (RFC 9396 section 6), or both. "" and nil leave the
// one or the other alone.
func (r *Request) Narrow(scope string, details json.RawMessage) {
	if scope != "" {
		r.Form.Set("scope", scope)
	}
	if details != nil {
		r.Form.Set("authorization_details", string(details))
	}
}

// Exchange sends a request to the token endpoint that was changed after it
// was made, and returns the token, bound to key, or a *Refusal. It does not
// look at an ID token: see ReadIDToken.
func (c *Client) Exchange(ctx context.Context, req *Request, key *DPoPKey) (Token, error) {
	return c.token(ctx, req, "token request", key)
}

// RevokeRequest gives a token back (RFC 7009). Giving back the refresh token
// ends the consent's use.
func (c *Client) RevokeRequest(token Secret) (*Request, error) {
	return c.post(Endpoints.revocation, url.Values{"token": {string(token)}}, nil)
}

// Revoke gives a token back. The server says yes to a token that it does not
// know, too.
func (c *Client) Revoke(ctx context.Context, token Secret) error {
	req, err := c.RevokeRequest(token)
	if err != nil {
		return err
	}
	resp, err := c.Do(ctx, req)
	if err != nil {
		return fmt.Errorf("revocation request: %w", err)
	}
	return resp.Refusal("revocation request")
}

func (c *Client) token(ctx context.Context, req *Request, step string, key *DPoPKey) (Token, error) {
	resp, err := c.Do(ctx, req)
	if err != nil {
		return Token{}, fmt.Errorf("%s: %w", step, err)
	}
	if err := resp.Refusal(step); err != nil {
		return Token{}, err
	}
	key = c.boundTo(key)
	token := Token{Key: key}
	if err := resp.JSON(&token); err != nil {
		return Token{}, fmt.Errorf("%s: %w", step, err)
	}
	// A token that is bound to nothing would be one that anybody can use
	// who finds it (RFC 9449 section 5). One that is bound to a certificate
	// is called Bearer all the same (RFC 8705 section 3).
	kind := "DPoP"
	if c.cfg.CertificateBound {
		kind = "Bearer"
	}
	if resp.Status != http.StatusOK || token.AccessToken == "" || token.ExpiresIn <= 0 || !strings.EqualFold(token.TokenType, kind) {
		return Token{}, fmt.Errorf("%s: the answer is not a 200 with access_token, expires_in and token_type %s", step, kind)
	}
	return token, nil
}
