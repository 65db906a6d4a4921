package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/sony/gobreaker/v2"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource"
)

// The bounds of an answer, in bytes. Nothing is decompressed, so what is small
// on the wire stays small.
const (
	maxJSON     = 4 << 20
	maxDocument = 8 << 20
	maxRefusal  = 16 << 10 // the body of an error
	maxHeader   = 64 << 10 // interim answers included
)

// interactionHeader is required by FDX on every request (FDX 6.4.1).
const interactionHeader = "x-fapi-interaction-id"

// question is one request to the bank.
type question struct {
	op  fdx.OperationID
	ids map[string]string // by their names in templates
	// more are query parameters besides those of the template.
	more url.Values
	// forms are those of a document, the preferred one first; nil for JSON.
	forms []fdx.ContentType
}

// reply is an answer that came whole, with a status that means yes.
type reply struct {
	form fdx.ContentType
	body []byte
}

// connect prepares how the bank is reached.
func (p *Provider) connect(c Config) error {
	conf, err := certs.ClientTLS(c.CAFile)
	if err != nil {
		return err
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("CertFile and KeyFile go together")
	}
	if c.CertFile != "" {
		// What a listener reloads serves as well for the other end.
		pair, err := certs.ServerTLS(certs.Config{CertFile: c.CertFile, KeyFile: c.KeyFile, OnReload: c.OnReload, Now: c.Now})
		if err != nil {
			return err
		}
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.GetCertificate(nil) }
	}
	// One call is one connection at a time, which HTTP/2 would make one
	// connection for all: frozen for one, frozen for all.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	// The transport is used without an http.Client, which is what would
	// follow redirects and keep cookies. Its Proxy stays nil: none from the
	// environment.
	p.transport = &http.Transport{
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    p.timeout,
		Protocols:              protocols,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		MaxConnsPerHost:        0, // the bulkhead bounds them
		MaxIdleConnsPerHost:    cap(p.slots),
		IdleConnTimeout:        30 * time.Second, // so that a renewed certificate is soon the only one in use
	}
	if c.OAuth == nil {
		if c.CertFile == "" {
			return errors.New("neither a certificate nor OAuth: the bank would not know us")
		}
		return nil
	}
	p.tokens, err = newTokens(*c.OAuth, c.CertFile != "", p.now, p.timeout)
	return err
}

// ask puts a question to the bank and has read look at the answer. It passes
// the bulkhead and the circuit breaker. An error of read means that the bank
// answered rubbish, which counts against it. Errors are those of package
// resource, errNothing, and the context's.
func (p *Provider) ask(ctx context.Context, q question, read func(reply) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	where, err := p.address(q)
	if err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		return fmt.Errorf("%w: the bank has %d calls to answer already", resource.ErrUnavailable, cap(p.slots))
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	_, err = p.breaker.Execute(func() (struct{}, error) {
		p.budget.earn()
		r, err := p.persist(ctx, q, where)
		if err == nil {
			if err = read(r); err != nil {
				err = &fault{err: err}
			}
		}
		return struct{}{}, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return fmt.Errorf("%w: circuit open", resource.ErrUnavailable)
	}
	return err
}

// address returns the URL of a question. An id that cannot be part of one is
// the id of nothing.
func (p *Provider) address(q question) (*url.URL, error) {
	r, ok := p.routes[q.op]
	if !ok {
		return nil, resource.ErrNotOffered
	}
	more := url.Values{}
	for name, values := range q.more {
		more[name] = values
	}
	if who, ok := q.ids["consumerId"]; ok && p.consumer.Query != "" {
		more.Set(p.consumer.Query, who)
	}
	where, err := r.address(q.ids, more)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", missing(q.op), err)
	}
	return where, nil
}

// maxTries is how often a question is put at most.
const maxTries = 3

// persist puts a question until there is an answer, or another try makes no
// sense or is not in the budget. Every question is a GET. A probe of the
// circuit breaker has one try.
func (p *Provider) persist(ctx context.Context, q question, where *url.URL) (reply, error) {
	for try := 1; ; try++ {
		r, err := p.once(ctx, q, where)
		var f *fault
		if err == nil || !errors.As(err, &f) || !f.passing || try == maxTries || p.breaker.State() != gobreaker.StateClosed {
			return r, err
		}
		wait := max(f.after, pause(try))
		if until, ok := ctx.Deadline(); ok && time.Until(until) <= wait || !p.budget.spend() {
			return reply{}, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return reply{}, err
		}
	}
}

// once puts a question. When the bank does not take our access token, which it
// may have forgotten before its time, it is put again with a new one.
func (p *Provider) once(ctx context.Context, q question, where *url.URL) (reply, error) {
	for renewed := false; ; renewed = true {
		var token string
		if p.tokens != nil {
			var err error
			if token, err = p.tokens.get(ctx, p.transport); err != nil {
				return reply{}, err
			}
		}
		res, err := p.send(ctx, q, where, token)
		if err != nil {
			return reply{}, err
		}
		if res.StatusCode == http.StatusUnauthorized && token != "" && !renewed && p.tokens.drop(token) {
			res.Body.Close()
			continue
		}
		r, err := p.receive(ctx, q, res)
		res.Body.Close()
		return r, err
	}
}

// send makes one HTTP request.
func (p *Provider) send(ctx context.Context, q question, where *url.URL, token string) (*http.Response, error) {
	h := http.Header{"Accept": {accept(q.forms)}, "User-Agent": {"headgate"}, "X-Fapi-Interaction-Id": {interaction(ctx)}}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	if who, ok := q.ids["consumerId"]; ok && p.consumer.Header != "" {
		h.Set(p.consumer.Header, url.PathEscape(who))
	}
	req := (&http.Request{
		Method: http.MethodGet, URL: where, Host: where.Host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	res, err := p.transport.RoundTrip(req)
	if err != nil {
		return nil, noAnswer(ctx, err)
	}
	return res, nil
}

// interaction returns the interaction id of the recipient's request, so that
// both sides' logs can be laid side by side, or one of its own.
func interaction(ctx context.Context) string {
	if id := web.Fields(ctx).Interaction; id != "" {
		return id
	}
	return uuid.Must(uuid.NewRandom()).String()
}

// accept returns the Accept header for these forms, the first one liked most.
func accept(forms []fdx.ContentType) string {
	if forms == nil {
		return string(fdx.JSON)
	}
	list := make([]string, len(forms))
	for i, form := range forms {
		list[i] = string(form)
		if i > 0 {
			list[i] += ";q=0." + strconv.Itoa(max(1, 9-i))
		}
	}
	return strings.Join(list, ", ")
}

// receive reads the whole of an answer, and sorts out what is none.
func (p *Provider) receive(ctx context.Context, q question, res *http.Response) (reply, error) {
	form, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		form = ""
	}
	switch {
	case res.StatusCode == http.StatusOK, res.StatusCode == http.StatusPartialContent:
	case res.StatusCode < 300:
		return reply{}, &fault{err: wrong("status")}
	case res.StatusCode < 400:
		return reply{}, &fault{err: wrong("a redirect")}
	default:
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
		return reply{}, p.refusal(q.op, res, form == string(fdx.JSON), body)
	}
	forms, most := []fdx.ContentType{fdx.JSON}, int64(maxJSON)
	if q.forms != nil {
		forms, most = q.forms, maxDocument
	}
	if !slices.Contains(forms, fdx.ContentType(form)) {
		return reply{}, &fault{err: wrong("content type")}
	}
	if res.ContentLength > most {
		return reply{}, &fault{err: wrong("size")}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err == nil {
		err = ctx.Err() // what comes after its time is too late, however it ended
	}
	switch {
	case int64(len(body)) > most:
		return reply{}, &fault{err: wrong("size")}
	case err != nil:
		return reply{}, noAnswer(ctx, err)
	}
	return reply{fdx.ContentType(form), body}, nil
}
