package recipient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// ConsentPath is where a consent is, below GatewayBase: read it with
// DataRequest and a token of our own (ClientCredentials) for scope
// grant_management_query. The list of ours is at /consents.
func ConsentPath(consentID string) string { return "/consents/" + url.PathEscape(consentID) }

// RevokeConsentRequest ends a consent (FDX revokeConsentGrant), with a token
// of our own for scope grant_management_revoke. reason is USER_ACTION or
// BUSINESS_RULE, initiator DATA_RECIPIENT or INDIVIDUAL.
func (c *Client) RevokeConsentRequest(token Token, consentID, reason, initiator string) (*Request, error) {
	body, err := json.Marshal(map[string]string{"reason": reason, "initiator": initiator})
	if err != nil {
		return nil, err
	}
	r, err := c.withToken(http.MethodPut, c.cfg.GatewayBase+ConsentPath(consentID)+"/revocation", token)
	if err != nil {
		return nil, err
	}
	r.Body = body
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(interactionID, newUUID())
	return r, nil
}

// RevokeConsent ends a consent. One that has ended before (409) is as good,
// so that a lost answer can be asked for again. Anything else is a *Refusal.
func (c *Client) RevokeConsent(ctx context.Context, token Token, consentID, reason, initiator string) error {
	req, err := c.RevokeConsentRequest(token, consentID, reason, initiator)
	if err != nil {
		return err
	}
	resp, err := c.Do(ctx, req)
	switch {
	case err != nil:
		return fmt.Errorf("consent revocation: %w", err)
	case resp.Status == http.StatusNoContent, resp.Status == http.StatusConflict:
		return nil
	case resp.Status < 300:
		return fmt.Errorf("consent revocation: status %d is not 204", resp.Status)
	}
	return resp.Refusal("consent revocation")
}
