package outbound_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/internal/outbound"
)

// one is the single loopback address that tests may call. It stands for the
// public internet; the rest of 127.0.0.0/8 stands for the inside.
var one = netip.MustParsePrefix("127.0.0.1/32")

// serve starts a TLS server at address with a certificate for 127.0.0.1 and
// example.com.
func serve(t testing.TB, address string, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that leave are the point
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// port returns the port that a server listens on.
func port(t testing.TB, s *httptest.Server) uint16 {
	t.Helper()
	return netip.MustParseAddrPort(s.Listener.Addr().String()).Port()
}

// config lets a client call s, and trusts it.
func config(t testing.TB, s *httptest.Server) outbound.Config {
	t.Helper()
	conf, err := certs.ClientTLS("")
	if err != nil {
		t.Fatal(err)
	}
	conf.RootCAs = x509.NewCertPool()
	conf.RootCAs.AddCert(s.Certificate())
	return outbound.Config{
		TLS:          conf,
		AllowPrivate: []netip.Prefix{one},
		Ports:        []uint16{port(t, s)},
		Timeout:      30 * time.Second, // a busy machine is no fault
	}
}

func newClient(t testing.TB, c outbound.Config) *outbound.Client {
	t.Helper()
	client, err := outbound.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestGet(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.RequestURI() != "/a?b=c" || r.ContentLength != 0 {
			t.Errorf("got %s %s with %d bytes", r.Method, r.URL.RequestURI(), r.ContentLength)
		}
		if got := r.Header.Get("Accept"); got != "image/png" {
			t.Errorf("Accept = %q", got)
		}
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("Accept-Encoding = %q", got)
		}
		if r.Header.Get("Cookie") != "" {
			t.Error("a cookie came back")
		}
		w.Header().Set("Set-Cookie", "a=b; Path=/")
		w.Header().Set("Content-Type", "image/png")
		w.Header().Set("Cache-Control", "public, max-age=90")
		io.WriteString(w, "hello")
	})
	c := newClient(t, config(t, s))
	for range 2 {
		a, err := c.Get(t.Context(), s.URL+"/a?b=c", "image/png")
		if err != nil {
			t.Fatal(err)
		}
		if string(a.Body) != "hello" || a.ContentType != "image/png" || a.MaxAge != 90*time.Second {
			t.Errorf("got %+v", a)
		}
	}
}

func TestPost(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Method != "POST" || string(body) != `{"a":1}` || r.ContentLength != 7 {
			t.Errorf("got %s with %q", r.Method, body)
		}
		if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Webhook-Id") != "7" {
			t.Errorf("got header %v", r.Header)
		}
		w.WriteHeader(503)
	})
	c := newClient(t, config(t, s))
	header := http.Header{"Webhook-Id": {"7"}}
	got, err := c.Post(t.Context(), s.URL, "application/json", []byte(`{"a":1}`), header)
	if err != nil || got.Status != 503 {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(header) != 1 {
		t.Errorf("the caller's header became %v", header)
	}
}

func TestPostReadsRetryAfter(t *testing.T) {
	t.Parallel()
	const date = "Sun, 22 Nov 2026 10:00:00 GMT"
	for name, tc := range map[string]struct {
		date, value string
		want        time.Duration
	}{
		"seconds":                  {date, "120", 2 * time.Minute},
		"a date":                   {date, "Sun, 22 Nov 2026 10:01:30 GMT", 90 * time.Second},
		"a date that is past":      {date, "Sun, 22 Nov 2026 09:00:00 GMT", 0},
		"a date without a present": {"now", "Sun, 22 Nov 2026 10:01:30 GMT", 0},
		"a negative number":        {date, "-5", 0},
		"more than anybody waits":  {date, "99999999999", 0},
		"nothing":                  {date, "", 0},
		"words":                    {date, "soon", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", tc.date)
				if tc.value != "" {
					w.Header().Set("Retry-After", tc.value)
				}
				w.WriteHeader(429)
			})
			got, err := newClient(t, config(t, s)).Post(t.Context(), s.URL, "text/plain", nil, nil)
			if err != nil || got != (outbound.Receipt{Status: 429, RetryAfter: tc.want}) {
				t.Errorf("got %+v (%v), want %v", got, err, tc.want)
			}
		})
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	write := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/next")
			w.WriteHeader(code)
		}
	}
	for _, tc := range []struct {
		name string
		h    http.HandlerFunc
		want error
	}{
		{"a body at the limit is accepted", write(strings.Repeat("x", 1000)), nil},
		{"a body over the limit", write(strings.Repeat("x", 1001)), outbound.ErrTooLarge},
		{"a body over the limit that says so", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1001")
			w.(http.Flusher).Flush() // and sends none of it
		}, outbound.ErrTooLarge},
		{"an endless body", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 100)); err != nil {
					return
				}
			}
		}, outbound.ErrTooLarge},
		{"a body that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "12345")
		}, outbound.ErrNoAnswer},
		{"endless interim answers", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", strings.Repeat("x", 1000))
			for range 100 {
				w.WriteHeader(http.StatusEarlyHints)
			}
		}, outbound.ErrNoAnswer},
		{"an oversized header", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 20<<10))
		}, outbound.ErrNoAnswer},
		{"no HTTP", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, "SSH-2.0-x\r\n")
			conn.Close()
		}, outbound.ErrNoAnswer},
		{"301", status(301), outbound.ErrRedirect},
		{"302", status(302), outbound.ErrRedirect},
		{"303", status(303), outbound.ErrRedirect},
		{"304", status(304), outbound.ErrRedirect},
		{"307", status(307), outbound.ErrRedirect},
		{"308", status(308), outbound.ErrRedirect},
		{"201", status(201), outbound.ErrStatus},
		{"204", status(204), outbound.ErrStatus},
		{"206", status(206), outbound.ErrStatus},
		{"404", status(404), outbound.ErrStatus},
		{"500", status(500), outbound.ErrStatus},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				tc.h(w, r)
			})
			conf := config(t, s)
			conf.MaxBytes = 1000
			a, err := newClient(t, conf).Get(t.Context(), s.URL, "")
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if err != nil && a.Body != nil {
				t.Error("an error came with a body")
			}
			if calls.Load() != 1 {
				t.Errorf("%d calls", calls.Load())
			}
		})
	}
}

func TestPostFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Redirect(w, r, "/next", http.StatusTemporaryRedirect)
	})
	got, err := newClient(t, config(t, s)).Post(t.Context(), s.URL, "text/plain", []byte("x"), nil)
	if !errors.Is(err, outbound.ErrRedirect) || got.Status != 0 || calls.Load() != 1 {
		t.Errorf("got %+v, %v after %d calls", got, err, calls.Load())
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) { t.Error("called") })
	c := newClient(t, config(t, s))
	at := s.Listener.Addr().String()
	for _, tc := range []struct {
		name, url string
		want      error
	}{
		{"empty", "", outbound.ErrNotHTTPS},
		{"http", "http://" + at, outbound.ErrNotHTTPS},
		{"a file", "file:///etc/passwd", outbound.ErrNotHTTPS},
		{"no scheme", "//" + at, outbound.ErrNotHTTPS},
		{"no host", "https:///a", outbound.ErrURL},
		{"a port alone", "https://:443/", outbound.ErrURL},
		{"opaque", "https:" + at, outbound.ErrURL},
		{"user information", "https://u:p@" + at, outbound.ErrURL},
		{"empty user information", "https://@" + at, outbound.ErrURL},
		{"a fragment", "https://" + at + "/#a", outbound.ErrURL},
		{"an empty fragment", "https://" + at + "/#", outbound.ErrURL},
		{"a line break", "https://" + at + "/\r\nX: y", outbound.ErrURL},
		{"a colon without a port", "https://127.0.0.1:/", outbound.ErrURL},
		{"too long", "https://" + at + "/" + strings.Repeat("a", outbound.MaxURL), outbound.ErrURL},
		{"the default port when it is not permitted", "https://127.0.0.1/", outbound.ErrPort},
		{"another port", "https://127.0.0.1:22/", outbound.ErrPort},
		{"a port out of range", "https://127.0.0.1:" + strconv.Itoa(int(port(t, s))+1<<16) + "/", outbound.ErrPort},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := c.Get(t.Context(), tc.url, ""); !errors.Is(err, tc.want) {
				t.Errorf("Get: got %v, want %v", err, tc.want)
			}
			if _, err := c.Post(t.Context(), tc.url, "text/plain", nil, nil); !errors.Is(err, tc.want) {
				t.Errorf("Post: got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestPortsAre443UnlessNamed(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) { t.Error("called") })
	conf := config(t, s)
	conf.Ports = nil
	if _, err := newClient(t, conf).Get(t.Context(), s.URL, ""); !errors.Is(err, outbound.ErrPort) {
		t.Errorf("got %v", err)
	}
}

// The server listens on every address of the machine: what keeps the calls
// away is the guard alone.
func TestPrivateAddressesAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, ":0", func(http.ResponseWriter, *http.Request) { t.Error("called") })
	p := strconv.Itoa(int(port(t, s)))
	conf := config(t, s)
	conf.AllowPrivate = nil
	c := newClient(t, conf)
	for _, host := range []string{
		"127.0.0.1", "127.8.8.8", "0.0.0.0", "localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]",
		"[::ffff:7f00:1]", "[::127.0.0.1]", "10.0.0.1", "169.254.169.254", "[fe80::1%25lo]", "[64:ff9b::7f00:1]",
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			if _, err := c.Get(t.Context(), "https://"+host+":"+p, ""); !errors.Is(err, outbound.ErrRefusedAddress) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// dns is a resolver that answers each question for an IPv4 address with the
// next of the given answers, and the last for ever. The time to live is 0, as
// one who rebinds a name sets it.
func dns(t testing.TB, answers ...[]string) *net.Resolver {
	t.Helper()
	var mu sync.Mutex
	reply := func(query []byte) []byte {
		var m dnsmessage.Message
		if err := m.Unpack(query); err != nil {
			t.Error(err)
			return nil
		}
		m.Header.Response = true
		m.Additionals = nil
		if m.Questions[0].Type == dnsmessage.TypeA {
			mu.Lock()
			defer mu.Unlock()
			for _, a := range answers[0] {
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
				})
			}
			if len(answers) > 1 {
				answers = answers[1:]
			}
		}
		out, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return out
	}
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() { // DNS over a stream (RFC 1035 section 4.2.2) until near is closed
			defer far.Close()
			for {
				var size [2]byte
				if _, err := io.ReadFull(far, size[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(far, query); err != nil {
					return
				}
				out := reply(query)
				if _, err := far.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)); err != nil {
					return
				}
			}
		}()
		return near, nil
	}}
}

// inside listens on an address that is not allowed, at the port of s, and
// counts who connects.
func inside(t *testing.T, address string, s *httptest.Server) (connections func() int32) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(int(port(t, s)))))
	if err != nil {
		t.Skipf("no second loopback address: %v", err) // systems other than Linux
	}
	var n atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			conn.Close()
		}
	}()
	return func() int32 {
		l.Close()
		<-done
		return n.Load()
	}
}

func TestRebinding(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := serve(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	connections := inside(t, "127.0.0.2", s)
	conf := config(t, s)
	conf.Resolver = dns(t, []string{"127.0.0.1"}, []string{"127.0.0.2"})
	c := newClient(t, conf)
	at := "https://example.com:" + strconv.Itoa(int(port(t, s)))
	if _, err := c.Get(t.Context(), at, ""); err != nil {
		t.Fatalf("the first answer is permitted: %v", err)
	}
	if _, err := c.Get(t.Context(), at, ""); !errors.Is(err, outbound.ErrRefusedAddress) {
		t.Errorf("the second answer is not: got %v", err)
	}
	if _, err := c.Post(t.Context(), at, "text/plain", nil, nil); !errors.Is(err, outbound.ErrRefusedAddress) {
		t.Errorf("nor for Post: got %v", err)
	}
	if n := connections(); n != 0 || calls.Load() != 1 {
		t.Errorf("%d connections to the inside, %d calls outside", n, calls.Load())
	}
}

func TestOneOfSeveralAddressesIsPrivate(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {})
	connections := inside(t, "127.0.0.2", s)
	conf := config(t, s)
	conf.Resolver = dns(t, []string{"127.0.0.2", "127.0.0.1"})
	c := newClient(t, conf)
	if _, err := c.Get(t.Context(), "https://example.com:"+strconv.Itoa(int(port(t, s))), ""); err != nil {
		t.Errorf("the permitted one serves: %v", err)
	}
	if n := connections(); n != 0 {
		t.Errorf("%d connections to the inside", n)
	}
}

func TestNamesThatDoNotResolve(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) { t.Error("called") })
	conf := config(t, s)
	conf.Resolver = dns(t, nil)
	_, err := newClient(t, conf).Get(t.Context(), "https://example.com:"+strconv.Itoa(int(port(t, s))), "")
	if !errors.Is(err, outbound.ErrNoAnswer) {
		t.Errorf("got %v", err)
	}
}

func TestCertificatesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) { t.Error("called") })
	for _, tc := range []struct {
		name   string
		host   string
		change func(*tls.Config)
	}{
		{"of an unknown authority", "127.0.0.1", func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }},
		{"for another name", "example.org", func(*tls.Config) {}},
		{"expired", "127.0.0.1", func(c *tls.Config) { c.Time = func() time.Time { return s.Certificate().NotAfter.Add(time.Second) } }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			conf := config(t, s)
			tc.change(conf.TLS)
			conf.Resolver = dns(t, []string{"127.0.0.1"})
			_, err := newClient(t, conf).Get(t.Context(), "https://"+tc.host+":"+strconv.Itoa(int(port(t, s))), "")
			var bad *tls.CertificateVerificationError
			if !errors.Is(err, outbound.ErrNoAnswer) || !errors.As(err, &bad) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		send func(w http.ResponseWriter)
	}{
		{"covers the header", func(http.ResponseWriter) {}},
		{"covers the body", func(w http.ResponseWriter) {
			io.WriteString(w, "some")
			w.(http.Flusher).Flush()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
				tc.send(w)
				<-r.Context().Done() // until the client is gone
			})
			conf := config(t, s)
			conf.Timeout = 200 * time.Millisecond
			_, err := newClient(t, conf).Get(t.Context(), s.URL, "")
			if !errors.Is(err, outbound.ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("of the caller counts too", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		s := serve(t, "127.0.0.1:0", func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		_, err := newClient(t, config(t, s)).Get(ctx, s.URL, "")
		if !errors.Is(err, outbound.ErrNoAnswer) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// Not parallel: it changes the environment.
func TestNoProxyFromTheEnvironment(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was called") }))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("https_proxy", proxy.URL)
	s := serve(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {})
	conf := config(t, s)
	conf.Resolver = dns(t, []string{"127.0.0.1"}) // no proxy is ever used for loopback names
	_, err := newClient(t, conf).Get(t.Context(), "https://example.com:"+strconv.Itoa(int(port(t, s))), "")
	if err != nil {
		t.Error(err)
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]outbound.Config{
		"no TLS":            {},
		"unverified TLS":    {TLS: &tls.Config{InsecureSkipVerify: true}},
		"a negative size":   {TLS: &tls.Config{}, MaxBytes: -1},
		"a negative period": {TLS: &tls.Config{}, Timeout: -1},
	} {
		if _, err := outbound.New(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func FuzzGetRefuses(f *testing.F) {
	// Nothing is allowed and no name resolves, so no URL may lead anywhere.
	conf, err := certs.ClientTLS("")
	if err != nil {
		f.Fatal(err)
	}
	c := newClient(f, outbound.Config{TLS: conf, Resolver: dns(f, []string{"127.0.0.1"}), Timeout: time.Second})
	for _, seed := range []string{"https://127.0.0.1/", "https://[::1]/", "https://a@b/", "https://example.com:443/a?b#c", "https://0x7f.1/", "https://2130706433/", "http://a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if u, err := url.Parse(raw); err == nil {
			if a, err := netip.ParseAddr(u.Hostname()); err == nil && !a.IsLoopback() {
				t.Skip("may be a real address") // a test calls nobody
			}
		}
		if _, err := c.Get(t.Context(), raw, ""); err == nil {
			t.Errorf("%q was called", raw)
		}
	})
}
