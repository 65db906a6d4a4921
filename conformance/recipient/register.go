package recipient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
)

// Registration is a client that was registered over the wire (RFC 7591
// section 3.2.1, RFC 7592 section 3).
type Registration struct {
	ClientID string
	// AccessToken opens URI, and only that.
	AccessToken Secret
	// URI is where this registration is read, replaced and deleted.
	URI string
	// Metadata is what the server has registered, without the three above.
	Metadata map[string]any
}

// errRegistration: an answer that one could not go on with.
var errRegistration = errors.New("registration: the answer lacks client_id, registration_access_token or an https registration_client_uri (RFC 7592 section 3)")

// RegisterRequest asks for a new client with this metadata, software_statement
// among it. It needs no client to be registered already, and shows none.
func (c *Client) RegisterRequest(metadata map[string]any) (*Request, error) {
	if c.Server.RegistrationEndpoint == "" {
		return nil, fmt.Errorf("%w: the server has no registration_endpoint", ErrMetadata)
	}
	return withJSON(&Request{Method: http.MethodPost, URL: c.Server.RegistrationEndpoint, Header: http.Header{}}, metadata)
}

// Register registers a new client. It returns a *Refusal when the server does
// not want it: invalid_client_metadata, invalid_redirect_uri,
// invalid_software_statement, unapproved_software_statement.
func (c *Client) Register(ctx context.Context, metadata map[string]any) (Registration, error) {
	req, err := c.RegisterRequest(metadata)
	if err != nil {
		return Registration{}, err
	}
	return c.registration(ctx, req, Registration{}, http.StatusCreated)
}

// RegistrationRequest reads (GET), replaces (PUT, with metadata) or deletes
// (DELETE) a registration (RFC 7592 section 2). A replacement replaces all:
// what metadata does not hold is gone. The client_id is added to it.
func (c *Client) RegistrationRequest(method string, reg Registration, metadata map[string]any) (*Request, error) {
	r := &Request{Method: method, URL: reg.URI, Header: http.Header{"Authorization": {"Bearer " + string(reg.AccessToken)}}}
	if method != http.MethodPut {
		r.Header.Set("Accept", "application/json")
		return r, nil
	}
	body := maps.Clone(metadata)
	if body == nil {
		body = map[string]any{}
	}
	for _, name := range []string{"client_id_issued_at", "client_secret_expires_at", "registration_access_token", "registration_client_uri"} {
		delete(body, name) // RFC 7592 section 2.2: these are the server's to say
	}
	body["client_id"] = reg.ClientID
	return withJSON(r, body)
}

// ReadRegistration returns what the server has registered, with the access
// token to use from now on. It returns a *Refusal.
func (c *Client) ReadRegistration(ctx context.Context, reg Registration) (Registration, error) {
	return c.manage(ctx, http.MethodGet, reg, nil)
}

// UpdateRegistration replaces the metadata and returns what the server has
// registered, with the access token to use from now on. It returns a
// *Refusal.
func (c *Client) UpdateRegistration(ctx context.Context, reg Registration, metadata map[string]any) (Registration, error) {
	return c.manage(ctx, http.MethodPut, reg, metadata)
}

func (c *Client) manage(ctx context.Context, method string, reg Registration, metadata map[string]any) (Registration, error) {
	req, err := c.RegistrationRequest(method, reg, metadata)
	if err != nil {
		return Registration{}, err
	}
	return c.registration(ctx, req, reg, http.StatusOK)
}

// DeleteRegistration ends the client. It returns a *Refusal.
func (c *Client) DeleteRegistration(ctx context.Context, reg Registration) error {
	req, err := c.RegistrationRequest(http.MethodDelete, reg, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(ctx, req)
	if err != nil {
		return fmt.Errorf("deletion of the registration: %w", err)
	}
	if err := resp.Refusal("deletion of the registration"); err != nil {
		return err
	}
	if resp.Status != http.StatusNoContent {
		return fmt.Errorf("deletion of the registration: status %d is not 204 (RFC 7592 section 2.3)", resp.Status)
	}
	return nil
}

// registration sends a request and reads the client that comes back. What a
// later answer leaves out of old stays as it was.
func (c *Client) registration(ctx context.Context, req *Request, old Registration, status int) (Registration, error) {
	resp, err := c.Do(ctx, req)
	if err != nil {
		return Registration{}, fmt.Errorf("registration: %w", err)
	}
	if err := resp.Refusal("registration"); err != nil {
		return Registration{}, err
	}
	reg := old
	var said struct {
		ClientID    string `json:"client_id"`
		AccessToken Secret `json:"registration_access_token"`
		URI         string `json:"registration_client_uri"`
	}
	reg.Metadata = nil
	if err := errors.Join(resp.JSON(&said), resp.JSON(&reg.Metadata)); err != nil {
		return Registration{}, fmt.Errorf("registration: %w", err)
	}
	if said.AccessToken != "" {
		reg.AccessToken = said.AccessToken
	}
	if said.URI != "" {
		reg.URI = said.URI
	}
	if reg.ClientID == "" {
		reg.ClientID = said.ClientID
	}
	u, err := url.Parse(reg.URI)
	if resp.Status != status || said.ClientID == "" || said.ClientID != reg.ClientID || reg.AccessToken == "" ||
		err != nil || u.Scheme != "https" || u.Host == "" {
		return Registration{}, fmt.Errorf("%w, or its status %d is not %d", errRegistration, resp.Status, status)
	}
	for _, name := range []string{"client_id", "registration_access_token", "registration_client_uri"} {
		delete(reg.Metadata, name)
	}
	return reg, nil
}

// withJSON gives a request a JSON body.
func withJSON(r *Request, body map[string]any) (*Request, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode client metadata: %w", err)
	}
	r.Body = text
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}
