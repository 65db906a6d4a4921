package outbound

import (
	"bytes"
	"io"
	"net/http"
)

// HTTP returns the client in the form that libraries take. It calls what Get
// and Post call, follows no redirect and keeps no cookie; a body of more than
// Config.MaxBytes is ErrTooLarge. Errors are those of Get but ErrStatus, inside
// a *url.Error. Safe for concurrent use.
func (c *Client) HTTP() *http.Client { return &http.Client{Transport: tripper{c}, Timeout: c.timeout} }

type tripper struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		sent, err := io.ReadAll(r.Body)
		_ = r.Body.Close() // a RoundTripper closes it, also on errors
		if err != nil {
			return nil, err
		}
		body = sent
	}
	res, err := t.c.send(r.Context(), r.Method, r.URL.String(), r.Header.Clone(), body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(io.LimitReader(res.Body, t.c.maxBytes+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(got)) > t.c.maxBytes:
		return nil, ErrTooLarge
	}
	res.Request, res.Body, res.ContentLength = r, io.NopCloser(bytes.NewReader(got)), int64(len(got))
	return res, nil
}
