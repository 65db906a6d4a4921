package recipient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Pushed is the server's receipt for an authorization request.
type Pushed struct {
	// RequestURI stands for the request in the consumer's browser. It can
	// be used once.
	RequestURI string
	// ExpiresIn is how long the consumer may take to get there.
	ExpiresIn time.Duration
}

// PushRequest is the pushed authorization request (RFC 9126): everything we
// ask for goes from us to the server directly, authenticated, so that the
// consumer's browser cannot change it. Its DPoP proof binds the code to the
// attempt's key already (RFC 9449 section 10.1).
func (c *Client) PushRequest(a *Attempt) (*Request, error) {
	form, err := c.parameters(a)
	if err != nil {
		return nil, err
	}
	if c.cfg.SignRequests {
		if form, err = c.requestObject(form); err != nil {
			return nil, err
		}
	}
	return c.post(Endpoints.push, form, c.boundTo(a.Key))
}

// Push sends the authorization request. It returns a *Refusal when the
// server does not want it.
func (c *Client) Push(ctx context.Context, a *Attempt) (Pushed, error) {
	req, err := c.PushRequest(a)
	if err != nil {
		return Pushed{}, err
	}
	resp, err := c.Do(ctx, req)
	if err != nil {
		return Pushed{}, fmt.Errorf("pushed authorization request: %w", err)
	}
	if err := resp.Refusal("pushed authorization request"); err != nil {
		return Pushed{}, err
	}
	var answer struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int    `json:"expires_in"`
	}
	if err := resp.JSON(&answer); err != nil {
		return Pushed{}, fmt.Errorf("pushed authorization request: %w", err)
	}
	if resp.Status != http.StatusCreated || answer.RequestURI == "" || answer.ExpiresIn <= 0 {
		return Pushed{}, errors.New("pushed authorization request: the answer is not a 201 with request_uri and expires_in (RFC 9126 section 2.2)")
	}
	return Pushed{RequestURI: answer.RequestURI, ExpiresIn: time.Duration(answer.ExpiresIn) * time.Second}, nil
}

// parameters are the authorization request of an attempt, in plain.
func (c *Client) parameters(a *Attempt) (url.Values, error) {
	if c.cfg.RedirectURI == "" {
		return nil, errors.New("recipient: Config needs a RedirectURI to ask a consumer for anything")
	}
	form, err := a.form(c.cfg.ClientID, c.cfg.RedirectURI)
	if err != nil {
		return nil, err
	}
	if c.cfg.ResponseMode != "" {
		form.Set("response_mode", c.cfg.ResponseMode)
	}
	return form, nil
}

// post is a form that we sign for: with our client authentication and, unless
// key is nil, a DPoP proof in the header.
func (c *Client) post(pick func(Endpoints) string, form url.Values, key *DPoPKey) (*Request, error) {
	endpoint := c.endpoint(pick)
	if endpoint == "" {
		return nil, fmt.Errorf("%w: the server has no endpoint for this", ErrMetadata)
	}
	r := &Request{
		Method: http.MethodPost,
		URL:    endpoint,
		Header: http.Header{
			"Accept":       {"application/json"},
			"Content-Type": {"application/x-www-form-urlencoded"},
		},
		Form:        form,
		Certificate: c.certificate(),
	}
	r.Sign = func(r *Request, nonce string) error {
		if err := c.authenticate(r.Form); err != nil {
			return err
		}
		return c.prove(r, key, "", nonce)
	}
	if err := r.Sign(r, ""); err != nil {
		return nil, err
	}
	return r, nil
}
