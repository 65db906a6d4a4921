package recipient

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxNonces bounds how often one request is signed again for a new nonce.
const maxNonces = 2

// maxAnswer bounds one answer, in bytes.
const maxAnswer = 16 << 20

// interactionID names one call in the logs of both sides. FDX requires it on
// every request and wants it back on every answer, errors included.
const interactionID = "x-fapi-interaction-id"

// ErrNotEchoed means that an answer did not carry the x-fapi-interaction-id
// of its request.
var ErrNotEchoed = errors.New("x-fapi-interaction-id did not come back as it was sent")

// Request is a call that is signed and not yet sent. Look at it, bend it,
// and give it to Client.Do. It holds secrets: do not print it.
type Request struct {
	Method string
	URL    string
	Header http.Header
	// Form is the body of a POST; nil for a GET.
	Form url.Values
	// Body is the body of a request that is not a form; nil for all others.
	Body []byte
	// Certificate is what we show in the TLS handshake if the server asks
	// for one; nil for none.
	Certificate *tls.Certificate
	// Sign replaces what may be used only once: the client assertion and
	// the DPoP proof, with this nonce when it is not "". It has run once
	// already. Run it again before sending a Request a second time, or do
	// not, to replay. Do runs it, at most twice, when the server answers
	// use_dpop_nonce; set it to nil to keep Do from doing so.
	Sign func(r *Request, nonce string) error
}

// Response is what came back, read to the end. It may hold tokens or account
// data: do not print it.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body into v.
func (r *Response) JSON(v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		return fmt.Errorf("answer with status %d is not the JSON that was expected: %w", r.Status, err)
	}
	return nil
}

// Refusal is a server's no, in the server's words.
type Refusal struct {
	// Step is what was asked for, such as "token request".
	Step string
	// Status is the HTTP status; 0 when the answer was a redirect.
	Status int
	// Code is the OAuth error (RFC 6749 section 5.2) or the FDX error code;
	// "" when the answer held neither.
	Code string
	// Description is the text that came with it; "" when there was none.
	Description string
}

// Error names the step, the status, the code and the text.
func (r *Refusal) Error() string {
	s := r.Step + " was refused"
	if r.Status != 0 {
		s += fmt.Sprintf(" with status %d", r.Status)
	}
	for _, part := range []string{r.Code, r.Description} {
		if part != "" {
			s += ": " + part
		}
	}
	return s
}

// Refusal returns nil for a 2xx answer, otherwise a *Refusal that names the
// step: the OAuth error, or the FDX one, in the body.
func (r *Response) Refusal(step string) error {
	if r.Status >= 200 && r.Status < 300 {
		return nil
	}
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Code        any    `json:"code"` // FDX: a string; older providers send a number
		Message     string `json:"message"`
	}
	refusal := &Refusal{Step: step, Status: r.Status}
	if json.Unmarshal(r.Body, &body) == nil {
		refusal.Code, refusal.Description = body.Error, body.Description
		if body.Error == "" && body.Code != nil {
			refusal.Code, refusal.Description = fmt.Sprint(body.Code), body.Message
		}
	}
	return refusal
}

// Do sends a request. Any HTTP status is an answer, not an error; redirects
// are not followed.
//
// When the server asks for a DPoP nonce (RFC 9449 sections 8 and 9), Do signs
// a copy of r again with it and sends that, twice at most: the first nonce
// may have ended just then. When r carries an
// x-fapi-interaction-id that does not come back, Do returns the answer and
// ErrNotEchoed.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	for range maxNonces {
		nonce := nonceAskedFor(resp)
		if nonce == "" || r.Sign == nil {
			break
		}
		again := *r
		again.Header, again.Form = r.Header.Clone(), cloneForm(r.Form)
		if err := again.Sign(&again, nonce); err != nil {
			return nil, err
		}
		if resp, err = c.send(ctx, &again); err != nil {
			return nil, err
		}
	}
	sent := r.Header.Get(interactionID)
	if sent != "" && !strings.EqualFold(sent, resp.Header.Get(interactionID)) {
		return resp, fmt.Errorf("%w: sent %s, got %q, with status %d", ErrNotEchoed, sent, resp.Header.Get(interactionID), resp.Status)
	}
	return resp, nil
}

func (c *Client) send(ctx context.Context, r *Request) (*Response, error) {
	body := io.Reader(bytes.NewReader(r.Body))
	if r.Form != nil {
		body = strings.NewReader(r.Form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	maps.Copy(req.Header, r.Header)
	resp, err := c.showing(r.Certificate).Do(req)
	if err != nil {
		// The transport's own error quotes the whole URL; only its cause may
		// be shown.
		if cause := errors.Unwrap(err); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("%s %s: %w", r.Method, withoutQuery(r.URL), err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("answer is larger than %d bytes", maxAnswer)
	}
	// A server may hand out the next nonce with any answer (RFC 9449
	// section 8.2).
	if nonce := resp.Header.Get("DPoP-Nonce"); nonce != "" {
		c.nonces.Store(req.URL.Host, nonce)
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: text}, nil
}

// nonceAskedFor returns the nonce of a use_dpop_nonce answer, "" for any
// other answer. The authorization server says it in the body (RFC 9449
// section 8), the gateway in WWW-Authenticate of a 401 (section 9).
func nonceAskedFor(resp *Response) string {
	var body struct {
		Error string `json:"error"`
	}
	asked := (resp.Status == http.StatusBadRequest || resp.Status == http.StatusUnauthorized) &&
		json.Unmarshal(resp.Body, &body) == nil && body.Error == "use_dpop_nonce"
	asked = asked || resp.Status == http.StatusUnauthorized &&
		slices.ContainsFunc(resp.Header.Values("WWW-Authenticate"), func(challenge string) bool {
			return strings.Contains(challenge, `error="use_dpop_nonce"`)
		})
	if !asked {
		return ""
	}
	return resp.Header.Get("DPoP-Nonce")
}

// lastNonce is the nonce that the server at this URL handed out last.
func (c *Client) lastNonce(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	nonce, _ := c.nonces.Load(u.Host)
	s, _ := nonce.(string)
	return s
}

func cloneForm(form url.Values) url.Values { return url.Values(http.Header(form).Clone()) }

// newUUID is a random UUID (RFC 9562 section 5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
