package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Why a call was not made or its answer not used. What wraps them may name
// addresses and quote the other side: it is for the log, not for an answer.
var (
	// ErrNotHTTPS: the URL has another scheme than https.
	ErrNotHTTPS = errors.New("outbound: not an https URL")
	// ErrURL: the URL does not parse, has no host, is longer than MaxURL, or
	// carries user information or a fragment.
	ErrURL = errors.New("outbound: unusable URL")
	// ErrPort: the URL names a port that is not permitted.
	ErrPort = errors.New("outbound: port not permitted")
	// ErrRefusedAddress: the host is, or resolves to, an address that is not
	// public unicast.
	ErrRefusedAddress = errors.New("outbound: address not permitted")
	// ErrNoAnswer: the name does not resolve, the connection or its TLS
	// failed, the answer is not HTTP, has oversized headers or breaks off, or
	// the time was up.
	ErrNoAnswer = errors.New("outbound: no answer")
	// ErrRedirect: the answer points elsewhere. It is never followed: only the
	// address that was registered may be called.
	ErrRedirect = errors.New("outbound: answered with a redirect")
	// ErrStatus: the answer to Get is not 200.
	ErrStatus = errors.New("outbound: answered with another status than 200")
	// ErrMissing: what is wrapped with ErrStatus when that status is 404.
	ErrMissing = errors.New("outbound: there is no such document")
	// ErrTooLarge: the answer to Get has a larger body than Config.MaxBytes.
	ErrTooLarge = errors.New("outbound: answer is too large")
)

// MaxURL is the length of the longest URL that is called, in bytes.
const MaxURL = 2048

const (
	defaultPort     = 443
	defaultMaxBytes = 256 << 10
	defaultTimeout  = 3 * time.Second
	maxHeaderBytes  = 16 << 10 // of an answer, interim ones included
)

// Config is what New needs.
type Config struct {
	// TLS says whom to trust, as certs.ClientTLS makes it. Required; it is
	// copied, and must verify the other side.
	TLS *tls.Config

	// AllowPrivate are networks that may be called though they are not public:
	// for development and tests. In production it stays empty.
	AllowPrivate []netip.Prefix

	// Ports are the permitted ports; empty means 443 alone.
	Ports []uint16

	// Resolver looks names up; nil means the system's. What it answers is not
	// trusted.
	Resolver *net.Resolver

	// MaxBytes bounds the body of an answer, in bytes; 0 means 256 KiB.
	MaxBytes int64

	// Timeout bounds a whole call, from looking up the name to the last byte
	// of the answer; 0 means 3 seconds.
	Timeout time.Duration
}

// Client calls addresses that others chose. Safe for concurrent use.
type Client struct {
	transport *http.Transport
	ports     []uint16
	maxBytes  int64
	timeout   time.Duration
}

// New returns a client. It fails when TLS is missing or does not verify, or a
// bound is negative.
func New(c Config) (*Client, error) {
	if c.TLS == nil {
		return nil, errors.New("outbound: TLS is required")
	}
	if c.TLS.InsecureSkipVerify {
		return nil, errors.New("outbound: TLS must verify the other side")
	}
	if c.MaxBytes < 0 || c.Timeout < 0 {
		return nil, errors.New("outbound: MaxBytes and Timeout must not be negative")
	}
	if len(c.Ports) == 0 {
		c.Ports = []uint16{defaultPort}
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	g := newGuard(slices.Clone(c.AllowPrivate))
	dialer := &net.Dialer{
		Timeout:  c.Timeout,
		Resolver: c.Resolver,
		// Called with the resolved address, for each one that is tried, right
		// before the connection is made.
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !g.permits(to.Addr()) {
				return ErrRefusedAddress
			}
			return nil
		},
	}
	// A connection for one exchange gains nothing from HTTP/2, whose frames
	// would be more to bound.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &Client{
		// The transport is used without an http.Client, which is what would
		// follow redirects and keep cookies. Its Proxy stays nil: none from
		// the environment. A connection serves one call, so that every call is
		// judged by its own address.
		transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        c.TLS.Clone(),
			TLSHandshakeTimeout:    c.Timeout,
			Protocols:              protocols,
			DisableKeepAlives:      true,
			DisableCompression:     true, // what is small on the wire stays small
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		ports:    slices.Clone(c.Ports),
		maxBytes: c.MaxBytes,
		timeout:  c.Timeout,
	}, nil
}

// Answer is the answer to Get.
type Answer struct {
	Body        []byte // at most Config.MaxBytes, never decompressed
	ContentType string // as it was sent; "" when it was not

	// MaxAge is how long the answer may be kept by its Cache-Control (RFC 9111
	// section 5.2.2): 0 when it must not be, negative when that says nothing.
	MaxAge time.Duration
}

// Get fetches a document. accept is the Accept header, "" for none. Errors are
// ErrNotHTTPS, ErrURL, ErrPort, ErrRefusedAddress, ErrNoAnswer, ErrRedirect,
// ErrStatus and ErrTooLarge; the error of ctx is wrapped by ErrNoAnswer.
func (c *Client) Get(ctx context.Context, rawURL, accept string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	header := http.Header{}
	if accept != "" {
		header.Set("Accept", accept)
	}
	res, err := c.send(ctx, http.MethodGet, rawURL, header, nil)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotFound {
		return Answer{}, fmt.Errorf("%w: %w", ErrStatus, ErrMissing)
	}
	if res.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("%w: %d", ErrStatus, res.StatusCode)
	}
	if res.ContentLength > c.maxBytes {
		return Answer{}, ErrTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, c.maxBytes+1))
	if int64(len(body)) > c.maxBytes {
		return Answer{}, ErrTooLarge
	}
	if err == nil {
		err = ctx.Err() // hanging up may look like an end to the other side, which then ends in order
	}
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return Answer{
		Body:        body,
		ContentType: res.Header.Get("Content-Type"),
		MaxAge:      maxAge(res.Header.Values("Cache-Control")),
	}, nil
}

// Receipt is the answer to Post.
type Receipt struct {
	Status int
	// RetryAfter is how long the other side asks to be left alone (RFC 9110
	// section 10.2.3): 0 when it does not, or in a way that cannot be read.
	RetryAfter time.Duration
}

// Post delivers a body, once, and returns the status of the answer, whose body
// is not read. header is added to the request and may be nil. Whether a status
// means that it was accepted is the caller's to say; only a redirect is an
// error. Errors are ErrNotHTTPS, ErrURL, ErrPort, ErrRefusedAddress,
// ErrNoAnswer and ErrRedirect, with no receipt; after ErrNoAnswer the other
// side may have the body or not.
func (c *Client) Post(ctx context.Context, rawURL, contentType string, body []byte, header http.Header) (Receipt, error) {
	return c.deliver(ctx, http.MethodPost, rawURL, contentType, body, header)
}

// Put is Post with the method that stores the body under the address.
func (c *Client) Put(ctx context.Context, rawURL, contentType string, body []byte, header http.Header) (Receipt, error) {
	return c.deliver(ctx, http.MethodPut, rawURL, contentType, body, header)
}

func (c *Client) deliver(ctx context.Context, method, rawURL, contentType string, body []byte, header http.Header) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", contentType)
	res, err := c.send(ctx, method, rawURL, header, body)
	if err != nil {
		return Receipt{}, err
	}
	res.Body.Close()
	return Receipt{Status: res.StatusCode, RetryAfter: retryAfter(res.Header)}, nil
}

// retryAfter reads Retry-After. A date counts from the answer's own Date, so
// that only one clock is involved.
func retryAfter(h http.Header) time.Duration {
	const most = 365 * 24 * time.Hour
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, most)
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	sent, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(until.Sub(sent), 0), most)
}

// send makes one request. The answer is no redirect; its body is to be closed.
func (c *Client) send(ctx context.Context, method, rawURL string, header http.Header, body []byte) (*http.Response, error) {
	u, err := c.check(rawURL)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, ErrURL
	}
	req.Header = header
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "headgate")
	res, err := c.transport.RoundTrip(req)
	if errors.Is(err, ErrRefusedAddress) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		res.Body.Close()
		return nil, fmt.Errorf("%w: %d", ErrRedirect, res.StatusCode)
	}
	return res, nil
}

// check parses a URL and refuses what must not be called whatever its host
// resolves to.
func (c *Client) check(rawURL string) (*url.URL, error) {
	if len(rawURL) > MaxURL {
		return nil, ErrURL
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, ErrURL // the cause quotes the URL
	}
	if u.Scheme != "https" {
		return nil, ErrNotHTTPS
	}
	if u.Hostname() == "" || u.User != nil || strings.Contains(rawURL, "#") || strings.HasSuffix(u.Host, ":") {
		return nil, ErrURL
	}
	port := uint64(defaultPort)
	if p := u.Port(); p != "" {
		if port, err = strconv.ParseUint(p, 10, 16); err != nil {
			return nil, ErrPort
		}
	}
	if !slices.Contains(c.ports, uint16(port)) {
		return nil, ErrPort
	}
	return u, nil
}

// maxAge reads Cache-Control. The shortest life that it names counts, and one
// that cannot be read is none.
func maxAge(values []string) time.Duration {
	const most = 365 * 24 * time.Hour
	age := time.Duration(-1)
	for directive := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
			if err != nil {
				return 0
			}
			if d := min(time.Duration(seconds)*time.Second, most); age < 0 || d < age {
				age = d
			}
		}
	}
	return age
}
