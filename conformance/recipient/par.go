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
	form, err := a.form(c.cfg.ClientID, c.cfg.RedirectURI)
	if err != nil {
		return nil, err
	}
	return c.post(c.Server.PushEndpoint, form, a.Key)
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

// post is a form that we sign for: with a client assertion in the body and,
// unless key is nil, a DPoP proof in the header.
func (c *Client) post(endpoint string, form url.Values, key *DPoPKey) (*Request, error) {
	r := &Request{
		Method: http.MethodPost,
		URL:    endpoint,
		Header: http.Header{
			"Accept":       {"application/json"},
			"Content-Type": {"application/x-www-form-urlencoded"},
		},
		Form: form,
	}
	r.Sign = func(r *Request, nonce string) error {
		assertion, err := c.SignAssertion(c.AssertionClaims())
		if err != nil {
			return err
		}
		r.Form.Set("client_assertion_type", assertionType)
		r.Form.Set("client_assertion", assertion)
		return c.prove(r, key, "", nonce)
	}
	if err := r.Sign(r, ""); err != nil {
		return nil, err
	}
	return r, nil
}
