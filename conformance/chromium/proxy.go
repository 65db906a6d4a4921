package chromium

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/conformance/browser"
)

// maxBody bounds one answer and one request, in bytes.
const maxBody = 4 << 20

// proxy is the only way out of one person's browser.
type proxy struct {
	home      origins
	transport http.RoundTripper
	cert      tls.Certificate
	ctx       context.Context // ends the requests with the person
	plain     net.Listener    // where the browser says CONNECT
	inner     *tunnels        // what was connected
	servers   [2]*http.Server

	mu  sync.Mutex // guards now
	now traffic
}

// traffic is what has gone through a proxy.
type traffic struct {
	open    int      // requests without an answer
	seen    int      // requests ever
	left    *url.URL // where the person was sent away to
	latest  document
	refused error // why a request for a document got no answer
}

// origins are those of the bank.
type origins []string

func originsOf(addresses []string) (all origins, err error) {
	for _, a := range addresses {
		u, err := url.Parse(a)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			return nil, errors.New("chromium: Config.Home holds something that is not an https URL")
		}
		all = append(all, browser.Origin(u))
	}
	return all, nil
}

func (o origins) has(u *url.URL) bool { return slices.Contains(o, browser.Origin(u)) }

// document is the latest answer to a request for a whole page.
type document struct {
	url    *url.URL
	status int
	header http.Header
	body   []byte
}

func newProxy(ctx context.Context, cfg Config, cert tls.Certificate) (*proxy, error) {
	p := &proxy{transport: cfg.Transport, cert: cert, ctx: ctx, inner: &tunnels{conns: make(chan net.Conn), done: ctx.Done()}}
	var err error
	if p.home, err = originsOf(cfg.Home); err != nil {
		return nil, err
	}
	if p.plain, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	quiet := log.New(io.Discard, "", 0) // the browser closes connections as it likes
	p.servers = [2]*http.Server{
		{Handler: http.HandlerFunc(p.outer), ErrorLog: quiet, ReadHeaderTimeout: time.Minute},
		{Handler: http.HandlerFunc(p.pass), ErrorLog: quiet, ReadHeaderTimeout: time.Minute},
	}
	go p.servers[0].Serve(p.plain) //nolint:errcheck // it ends by close
	go p.servers[1].Serve(p.inner) //nolint:errcheck // it ends by close
	return p, nil
}

func (p *proxy) close() {
	for _, s := range p.servers {
		s.Close()
	}
}

// outer answers what the browser says to a proxy: CONNECT for https, and
// whole addresses for http.
func (p *proxy) outer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		p.pass(w, r)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil || buffered.Reader.Buffered() > 0 {
		conn.Close()
		return
	}
	secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{p.cert}, MinVersion: tls.VersionTLS12})
	select {
	case p.inner.conns <- secured:
	case <-p.ctx.Done():
		conn.Close()
	}
}

// pass sends one request on, if it is for the bank.
func (p *proxy) pass(w http.ResponseWriter, r *http.Request) {
	u := *r.URL
	if u.Host == "" {
		u.Host, u.Scheme = r.Host, "https"
	}
	page := isPage(r.Header)
	p.mu.Lock()
	p.now.seen++
	if !p.home.has(&u) {
		if page {
			p.now.left = &u
		}
		p.mu.Unlock()
		// 204 leaves the browser on the page where it is.
		w.WriteHeader(map[bool]int{true: http.StatusNoContent, false: http.StatusForbidden}[page])
		return
	}
	p.now.open++
	p.mu.Unlock()
	answer, err := p.fetch(r, &u)
	p.mu.Lock()
	p.now.open--
	if page {
		if p.now.refused = err; err == nil {
			p.now.latest = answer
		}
	}
	p.mu.Unlock()
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	for name, values := range answer.header {
		if !hop[name] {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(answer.status)
	w.Write(answer.body) //nolint:errcheck // the browser has gone away
}

// isPage tells a request for a whole page from one for a part of it. Fetch
// Metadata goes to https alone; whoever is sent to http asks for HTML.
func isPage(h http.Header) bool {
	if dest := h.Get("Sec-Fetch-Dest"); dest != "" {
		return dest == "document"
	}
	return strings.Contains(h.Get("Accept"), "text/html")
}

// hop are the headers that belong to one connection (RFC 9110 section 7.6.1),
// and the length, which net/http writes.
var hop = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Content-Length": true,
}

func (p *proxy) fetch(r *http.Request, u *url.URL) (document, error) {
	sent, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return document{}, err
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, u.String(), bytes.NewReader(sent))
	if err != nil {
		return document{}, err
	}
	for name, values := range r.Header {
		// Answers are recorded, and so not packed.
		if !hop[name] && name != "Accept-Encoding" {
			out.Header[name] = values
		}
	}
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		return document{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return document{url: u, status: resp.StatusCode, header: resp.Header.Clone(), body: body}, err
}

// begin forgets what the last step left behind, and returns how many requests
// there have been.
func (p *proxy) begin() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.left, p.now.refused = nil, nil
	return p.now.seen
}

func (p *proxy) state() traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// tunnels are the connections that were made through the proxy, as a listener.
type tunnels struct {
	conns chan net.Conn
	done  <-chan struct{}
}

// Accept waits for the next connection.
func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case conn := <-t.conns:
		return conn, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

// Close does nothing: the end of the person ends it.
func (t *tunnels) Close() error { return nil }

// Addr is no address.
func (t *tunnels) Addr() net.Addr { return &net.UnixAddr{Name: "tunnels", Net: "unix"} }
