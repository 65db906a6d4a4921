package recipient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Token is a consent in use: what to read data with, and what to renew that
// with.
type Token struct {
	AccessToken  Secret `json:"access_token"`
	TokenType    string `json:"token_type"` // DPoP
	ExpiresIn    int    `json:"expires_in"` // seconds
	RefreshToken Secret `json:"refresh_token"`
	Scope        string `json:"scope"`
	// GrantID and ConsentID name the consent, the same way twice.
	GrantID   string `json:"grant_id"`
	ConsentID string `json:"fdxConsentId"`
	// Details is what was granted, which may be less than was asked for.
	Details json.RawMessage `json:"authorization_details"`
	// Key is what the access token is bound to.
	Key *DPoPKey `json:"-"`
}

// CodeRequest redeems an authorization code, once, with the attempt's
// verifier and key.
func (c *Client) CodeRequest(a *Attempt, code Secret) (*Request, error) {
	return c.post(c.Server.TokenEndpoint, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {string(code)},
		"redirect_uri":  {c.cfg.RedirectURI},
		"code_verifier": {string(a.Verifier)},
	}, a.Key)
}

// Redeem trades the code for a token. It returns a *Refusal when the server
// says no: invalid_grant for a code that is spent, late or not ours.
func (c *Client) Redeem(ctx context.Context, a *Attempt, code Secret) (Token, error) {
	req, err := c.CodeRequest(a, code)
	if err != nil {
		return Token{}, err
	}
	return c.token(ctx, req, "token request", a.Key)
}

// RefreshRequest asks for a new access token. The key may be a new one:
// refresh tokens are bound to us, access tokens to the key.
func (c *Client) RefreshRequest(refresh Secret, key *DPoPKey) (*Request, error) {
	return c.post(c.Server.TokenEndpoint, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {string(refresh)},
	}, key)
}

// Refresh returns a new access token bound to key. The refresh token stays
// the same unless the server sends another (FAPI 2.0 discourages that). It
// returns a *Refusal: invalid_grant once the consent has ended.
func (c *Client) Refresh(ctx context.Context, refresh Secret, key *DPoPKey) (Token, error) {
	req, err := c.RefreshRequest(refresh, key)
	if err != nil {
		return Token{}, err
	}
	token, err := c.token(ctx, req, "refresh request", key)
	if err == nil && token.RefreshToken == "" {
		token.RefreshToken = refresh
	}
	return token, err
}

// RevokeRequest gives a token back (RFC 7009). Giving back the refresh token
// ends the consent's use.
func (c *Client) RevokeRequest(token Secret) (*Request, error) {
	return c.post(c.Server.RevocationEndpoint, url.Values{"token": {string(token)}}, nil)
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
	token := Token{Key: key}
	if err := resp.JSON(&token); err != nil {
		return Token{}, fmt.Errorf("%s: %w", step, err)
	}
	// A bearer token here would be one that anybody can use who finds it
	// (RFC 9449 section 5).
	if resp.Status != http.StatusOK || token.AccessToken == "" || token.ExpiresIn <= 0 || !strings.EqualFold(token.TokenType, "DPoP") {
		return Token{}, fmt.Errorf("%s: the answer is not a 200 with access_token, expires_in and token_type DPoP", step)
	}
	return token, nil
}
