package suite

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxAnswer bounds what is read of one answer, in bytes.
	maxAnswer = 32 << 20
	// patience is how long one exchange may take.
	patience = 30 * time.Second
)

// Request is a call that has not been sent. Every part of it is a value that
// a case may bend. Assertion, Object and Proof are signed when it is sent,
// and put where they belong; nil for none.
type Request struct {
	Method string
	URL    string
	// Host replaces the Host header; "" for the URL's.
	Host   string
	Header http.Header
	// Form is the body, as a form; nil for a Body.
	Form url.Values
	// Body is the body when Form is nil; nil for none.
	Body []byte
	// Certificate is what is shown in the TLS handshake; nil for none.
	Certificate *tls.Certificate
	// Assertion becomes client_assertion of Form (RFC 7523).
	Assertion *JWT
	// Object becomes request of Form (RFC 9101).
	Object *JWT
	// Proof becomes the DPoP header (RFC 9449).
	Proof *JWT
	// NoRetry keeps Send from answering use_dpop_nonce with a second try.
	NoRetry bool
}

// Clone is a copy that shares nothing with r but keys.
func (r *Request) Clone() *Request {
	c := *r
	c.Header, c.Form = r.Header.Clone(), url.Values(http.Header(r.Form).Clone())
	c.Body = bytes.Clone(r.Body)
	c.Assertion, c.Object, c.Proof = r.Assertion.Clone(), r.Object.Clone(), r.Proof.Clone()
	return &c
}

// seal signs what has to be signed and returns the request as net/http knows
// it.
func (r *Request) seal(ctx context.Context) (*http.Request, error) {
	form, header := url.Values(http.Header(r.Form).Clone()), r.Header.Clone()
	for name, token := range map[string]*JWT{"client_assertion": r.Assertion, "request": r.Object} {
		if token == nil {
			continue
		}
		compact, err := token.Compact()
		if err != nil {
			return nil, err
		}
		if form == nil {
			form = url.Values{}
		}
		form.Set(name, compact)
	}
	if r.Proof != nil {
		compact, err := r.Proof.Compact()
		if err != nil {
			return nil, err
		}
		if header == nil {
			header = http.Header{}
		}
		header.Set("DPoP", compact)
	}
	var body io.Reader
	switch {
	case form != nil:
		body = strings.NewReader(form.Encode())
	case r.Body != nil:
		body = bytes.NewReader(r.Body)
	}
	out, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	for name, values := range header {
		out.Header[name] = values
	}
	out.Host = r.Host
	return out, nil
}

// Response is an answer, read to the end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Proto  string
	// Sent and Done are when the request left and when the answer was there.
	Sent, Done time.Time
	// TLS is how it came; nil for none.
	TLS *tls.ConnectionState
}

// wire carries the requests of a run, within its bounds.
type wire struct {
	target   *Target
	hosts    sync.Map // host:port -> true, where requests may go
	pools    sync.Map // *tls.Certificate, nil for none -> *http.Transport
	loopback bool
	left     atomic.Int64 // requests that may still be sent
	ticks    chan struct{}
	stop     context.CancelFunc
}

// ErrBounds means that a run would have gone beyond what its target allows:
// another host, a host that is not on this machine, or too many requests.
var ErrBounds = errors.New("beyond the bounds of the run")

func newWire(ctx context.Context, t *Target) *wire {
	ctx, stop := context.WithCancel(ctx)
	w := &wire{target: t, loopback: !t.OwnerAgreed, stop: stop}
	for _, address := range []string{t.Issuer, t.ResourceBase, t.MTLSBase, t.Portal} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			w.allow(u.Host)
		}
	}
	for _, host := range t.Hosts {
		w.allow(host)
	}
	rate, count := t.MaxRate, t.MaxRequests
	local := w.local()
	if rate <= 0 {
		rate = map[bool]int{true: 400, false: 10}[local]
	}
	if count <= 0 {
		count = map[bool]int{true: 50_000, false: 5_000}[local]
	}
	w.left.Store(int64(count))
	// A bucket of a tenth of a second's requests, so that races are races.
	w.ticks = make(chan struct{}, max(rate/10, 64))
	go func() {
		for range cap(w.ticks) {
			w.ticks <- struct{}{}
		}
		every := time.NewTicker(time.Second / time.Duration(rate))
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				select {
				case w.ticks <- struct{}{}:
				default:
				}
			}
		}
	}()
	return w
}

func (w *wire) allow(host string) {
	if !strings.Contains(host, ":") {
		host += ":443"
	}
	w.hosts.Store(host, true)
}

// local: the target is on this machine.
func (w *wire) local() bool {
	u, err := url.Parse(w.target.Issuer)
	if err != nil {
		return false
	}
	return u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
}

// admit waits for the rate and counts.
func (w *wire) admit(ctx context.Context) error {
	if w.left.Add(-1) < 0 {
		return fmt.Errorf("%w: max_requests have been sent", ErrBounds)
	}
	select {
	case <-w.ticks:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dial connects to hosts of the target only, and to this machine only unless
// the target's owner has agreed. The address is judged after it was
// resolved.
func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if _, ok := w.hosts.Load(address); !ok {
		return nil, fmt.Errorf("%w: %s is no host of the target (see hosts in the target file)", ErrBounds, address)
	}
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if peer, ok := conn.RemoteAddr().(*net.TCPAddr); w.loopback && (!ok || !peer.IP.IsLoopback()) {
		conn.Close()
		return nil, fmt.Errorf("%w: %s is not on this machine, and owner_agreed is not true", ErrBounds, address)
	}
	return conn, nil
}

// ErrUnreachable means that nothing answers at the issuer, or that its
// certificate is not trusted: no case could say anything.
var ErrUnreachable = errors.New("the target cannot be reached")

// reach connects to the issuer once. What else is wrong with TLS there is for
// cases to say.
func (w *wire) reach(ctx context.Context) error {
	u, err := url.Parse(w.target.Issuer)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTarget, err)
	}
	host := u.Host
	if u.Port() == "" {
		host += ":443"
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := w.dial(ctx, "tcp", host)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, host, err)
	}
	defer conn.Close()
	config := w.tlsFor(nil)
	config.ServerName = u.Hostname()
	var untrusted *tls.CertificateVerificationError
	if err := tls.Client(conn, config).HandshakeContext(ctx); errors.As(err, &untrusted) {
		return fmt.Errorf("%w: %s: %w (see ca_file in the target file)", ErrUnreachable, host, untrusted.Err)
	}
	return nil
}

// pool returns the connections that show this certificate.
func (w *wire) pool(certificate *tls.Certificate) *http.Transport {
	if known, ok := w.pools.Load(certificate); ok {
		return known.(*http.Transport)
	}
	known, _ := w.pools.LoadOrStore(certificate, &http.Transport{
		TLSClientConfig: w.tlsFor(certificate), DialContext: w.dial, ForceAttemptHTTP2: true, DisableCompression: true,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
	})
	return known.(*http.Transport)
}

func (w *wire) tlsFor(certificate *tls.Certificate) *tls.Config {
	config := w.target.tls()
	if certificate != nil {
		// Whatever authorities the server names: a certificate that signs
		// itself has none of them.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	return config
}

// close ends the run's connections.
func (w *wire) close() {
	w.stop()
	w.pools.Range(func(_, pool any) bool {
		pool.(*http.Transport).CloseIdleConnections()
		return true
	})
}

// send sends one request and records it.
func (w *wire) send(ctx context.Context, r *http.Request, certificate *tls.Certificate, into *record) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := w.exchange(r.WithContext(ctx), certificate, into)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, withoutQuery(r.URL), err)
	}
	return answer, nil
}

// exchange is one request and its answer, bounded and recorded.
func (w *wire) exchange(r *http.Request, certificate *tls.Certificate, into *record) (*Response, error) {
	if err := w.admit(r.Context()); err != nil {
		return nil, err
	}
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(sent)), nil }
	}
	answer := &Response{Sent: time.Now()}
	resp, err := w.pool(certificate).RoundTrip(r)
	if err == nil {
		answer.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		resp.Body.Close()
		answer.Status, answer.Header, answer.Proto, answer.TLS = resp.StatusCode, resp.Header, resp.Proto, resp.TLS
	}
	answer.Done = time.Now()
	into.add(r, sent, certificate != nil, answer, err)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// tripper gives the browser of a case the run's connections, bounded and
// recorded.
type tripper struct {
	w    *wire
	into *record
}

// RoundTrip sends one request of the browser.
func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.w.exchange(r.Clone(r.Context()), nil, t.into)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: answer.Status, Header: answer.Header, Proto: answer.Proto, Request: r,
		Body: io.NopCloser(bytes.NewReader(answer.Body)), ContentLength: int64(len(answer.Body)),
	}, nil
}

// raw sends bytes as they are over a TLS connection of its own, HTTP/1.1,
// and reads what comes back until the server closes or quiet has passed.
func (w *wire) raw(ctx context.Context, host string, text []byte, certificate *tls.Certificate, into *record) ([]*Response, error) {
	if err := w.admit(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if !strings.Contains(host, ":") {
		host += ":443"
	}
	plain, err := w.dial(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	config := w.tlsFor(certificate)
	config.ServerName, _, _ = net.SplitHostPort(host)
	config.NextProtos = []string{"http/1.1"}
	conn := tls.Client(plain, config)
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("handshake with %s: %w", host, err)
	}
	begin := time.Now()
	if _, err := conn.Write(text); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("write to %s: %w", host, err)
	}
	in := bufio.NewReader(conn)
	var answers []*Response
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			break // closed, quiet for too long, or not HTTP any more
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		resp.Body.Close()
		answers = append(answers, &Response{Status: resp.StatusCode, Header: resp.Header, Body: body, Proto: resp.Proto, Sent: begin, Done: time.Now()})
		if err != nil || resp.Close {
			break
		}
		// A second answer would be there at once.
		if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			break
		}
	}
	into.raw(host, text, answers, begin)
	return answers, nil
}

func withoutQuery(u *url.URL) string {
	c := *u
	c.RawQuery, c.Fragment, c.RawFragment, c.User = "", "", "", nil
	return c.String()
}
