package recipient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Grant is what a consumer has granted, as Grant Management for OAuth 2.0
// section 6.4 shows it.
type Grant struct {
	Scopes []struct {
		Scope string `json:"scope"` // space-separated
	} `json:"scopes"`
	Claims  []string        `json:"claims"`
	Details json.RawMessage `json:"authorization_details"`
}

// GrantRequest reads (GET) or revokes (DELETE) a grant, with a token for
// scope grant_management_query or grant_management_revoke: see
// ClientCredentials.
func (c *Client) GrantRequest(method string, token Token, grantID string) (*Request, error) {
	base := c.Server.GrantManagementEndpoint
	if token.Key == nil {
		base = c.endpoint(Endpoints.grantManagement)
	}
	if base == "" {
		return nil, fmt.Errorf("%w: the server has no grant_management_endpoint", ErrMetadata)
	}
	return c.withToken(method, strings.TrimSuffix(base, "/")+"/"+url.PathEscape(grantID), token)
}

// QueryGrant returns what a grant holds now. It returns a *Refusal, with
// status 404 for a grant that is not there and 403 for one that is not ours.
func (c *Client) QueryGrant(ctx context.Context, token Token, grantID string) (Grant, error) {
	resp, err := c.grant(ctx, http.MethodGet, token, grantID)
	if err != nil {
		return Grant{}, err
	}
	var got Grant
	if err := resp.JSON(&got); err != nil {
		return Grant{}, fmt.Errorf("grant request: %w", err)
	}
	return got, nil
}

// RevokeGrant ends a grant and all its tokens. It returns a *Refusal, as
// QueryGrant does.
func (c *Client) RevokeGrant(ctx context.Context, token Token, grantID string) error {
	resp, err := c.grant(ctx, http.MethodDelete, token, grantID)
	if err == nil && resp.Status != http.StatusNoContent {
		return fmt.Errorf("grant request: status %d is not 204 (Grant Management section 6.5)", resp.Status)
	}
	return err
}

func (c *Client) grant(ctx context.Context, method string, token Token, grantID string) (*Response, error) {
	req, err := c.GrantRequest(method, token, grantID)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("grant request: %w", err)
	}
	return resp, resp.Refusal("grant request")
}
