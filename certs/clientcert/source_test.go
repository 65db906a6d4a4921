package clientcert_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/clientcert"
	"github.com/headgate/headgate/certs/devca"
)

func newSource(t testing.TB, c clientcert.Config) *clientcert.Source {
	t.Helper()
	if c.Now == nil {
		c.Now = at(noon)
	}
	s, err := clientcert.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// want says what Certificate is to return; a nil certificate is none.
type want struct {
	cert     *x509.Certificate
	verified bool
	err      error
}

func check(t *testing.T, s *clientcert.Source, r *http.Request, w want) {
	t.Helper()
	peer, ok, err := s.Certificate(r)
	// Holder says the same, and never that a name can be believed.
	holder, held, refused := s.Holder(r)
	if holder.Certificate == nil != (peer.Certificate == nil) || peer.Certificate != nil && !holder.Certificate.Equal(peer.Certificate) ||
		held != ok || refused != err || holder.Verified {
		t.Errorf("Holder: %v, %v, %v", holder, held, refused)
	}
	if !errors.Is(err, w.err) || ok != (w.cert != nil) || peer.Verified != w.verified {
		t.Fatalf("got verified %v, found %v, %v; want verified %v, found %v, %v",
			peer.Verified, ok, err, w.verified, w.cert != nil, w.err)
	}
	if ok != (peer.Certificate != nil) || ok && !peer.Certificate.Equal(w.cert) {
		t.Fatal("got another certificate")
	}
}

func TestCertificateOfTheConnection(t *testing.T) {
	t.Parallel()
	ca, roots := authority(t, "CA")
	other, _ := authority(t, "CA")
	middle := issue(t, ca, x509.Certificate{IsCA: true})
	leaf := issue(t, ca, named("app"))
	below := issue(t, middle, named("app"))
	foreign := issue(t, other, named("app"))
	self := issue(t, nil, named("app"))
	server := issue(t, ca, x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})

	alone := newSource(t, clientcert.Config{})
	trusting := newSource(t, clientcert.Config{ClientCAs: roots})
	later := newSource(t, clientcert.Config{ClientCAs: roots, Now: at(noon.Add(2 * time.Hour))})
	earlier := newSource(t, clientcert.Config{ClientCAs: roots, Now: at(noon.Add(-2 * time.Hour))})
	for _, tc := range []struct {
		name string
		s    *clientcert.Source
		r    *http.Request
		want want
	}{
		{"no TLS", alone, &http.Request{}, want{}},
		{"no certificate", alone, request(false, nil), want{}},
		{"verified by the handshake", alone, request(true, chain(leaf)), want{leaf.cert, true, nil}},
		{"not verified", alone, request(false, chain(leaf)), want{leaf.cert, false, nil}},
		{"self-signed", alone, request(false, chain(self)), want{self.cert, false, nil}},
		{"verified, on a connection that outlived it", later, request(true, chain(leaf)), want{leaf.cert, false, nil}},

		{"verified here", trusting, request(false, chain(leaf)), want{leaf.cert, true, nil}},
		{"verified here through an intermediate", trusting, request(false, chain(below, middle)), want{below.cert, true, nil}},
		{"the intermediate is missing", trusting, request(false, chain(below)), want{below.cert, false, nil}},
		{"of an authority of the same name", trusting, request(false, chain(foreign)), want{foreign.cert, false, nil}},
		{"that authority sent along", trusting, request(false, chain(foreign, other)), want{foreign.cert, false, nil}},
		{"self-signed where authorities are known", trusting, request(false, chain(self)), want{self.cert, false, nil}},
		{"for servers", trusting, request(false, chain(server)), want{server.cert, false, nil}},
		{"expired", later, request(false, chain(leaf)), want{leaf.cert, false, nil}},
		{"not yet valid", earlier, request(false, chain(leaf)), want{leaf.cert, false, nil}},

		{"a header without a proxy is ignored", trusting, request(false, chain(self), encode(leaf.cert)), want{self.cert, false, nil}},
		{"also over no certificate", trusting, request(false, nil, encode(leaf.cert)), want{}},
		{"also without TLS", trusting, &http.Request{Header: http.Header{"Client-Cert": {encode(leaf.cert)}}}, want{}},
		{"also a broken one", trusting, request(true, chain(leaf), "x", "y"), want{leaf.cert, true, nil}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			check(t, tc.s, tc.r, tc.want)
		})
	}
}

func TestCertificateFromTheProxy(t *testing.T) {
	t.Parallel()
	ca, roots := authority(t, "CA")
	other, _ := authority(t, "CA")
	middle := issue(t, ca, x509.Certificate{IsCA: true})
	proxy := issue(t, other, named("proxy"))
	renewed := issue(t, other, named("proxy"))
	namesake := issue(t, nil, named("proxy"))
	old := issue(t, other, x509.Certificate{Subject: named("proxy").Subject, NotAfter: noon.Add(-time.Second)})
	leaf := issue(t, ca, named("app"))
	below := issue(t, middle, named("app"))
	expired := issue(t, ca, x509.Certificate{NotAfter: noon.Add(-time.Second)})
	server := issue(t, ca, x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	self := issue(t, nil, named("app"))
	h := encode(leaf.cert)

	byThumbprint := newSource(t, clientcert.Config{ClientCAs: roots, ProxyThumbprint: certs.CertificateThumbprint(proxy.cert)})
	bySubject := newSource(t, clientcert.Config{ClientCAs: roots, ProxySubject: "CN=Proxy"})
	byOld := newSource(t, clientcert.Config{ClientCAs: roots, ProxyThumbprint: certs.CertificateThumbprint(old.cert)})
	rootless := newSource(t, clientcert.Config{ProxyThumbprint: certs.CertificateThumbprint(proxy.cert)})
	for _, tc := range []struct {
		name string
		s    *clientcert.Source
		r    *http.Request
		want want
	}{
		{"by thumbprint", byThumbprint, request(false, chain(proxy), h), want{leaf.cert, true, nil}},
		{"by thumbprint, verified", byThumbprint, request(true, chain(proxy), h), want{leaf.cert, true, nil}},
		{"by subject", bySubject, request(true, chain(proxy), h), want{leaf.cert, true, nil}},
		{"by subject, after a renewal", bySubject, request(true, chain(renewed), h), want{leaf.cert, true, nil}},
		{"without the header there is none", byThumbprint, request(true, chain(proxy)), want{}},
		{"nor by subject", bySubject, request(true, chain(proxy)), want{}},

		{"no authorities verify nothing", rootless, request(true, chain(proxy), h), want{leaf.cert, false, nil}},
		{"a self-signed one is passed on", byThumbprint, request(true, chain(proxy), encode(self.cert)), want{self.cert, false, nil}},
		{"an expired one is not verified", byThumbprint, request(true, chain(proxy), encode(expired.cert)), want{expired.cert, false, nil}},
		{"nor one for servers", byThumbprint, request(true, chain(proxy), encode(server.cert)), want{server.cert, false, nil}},
		{"nor one of an unknown intermediate", byThumbprint, request(true, chain(proxy, middle), encode(below.cert)), want{below.cert, false, nil}},

		{"another certificate of the proxy's name", byThumbprint, request(true, chain(renewed), h), want{renewed.cert, true, nil}},
		{"a client with the header", byThumbprint, request(false, chain(self), h), want{self.cert, false, nil}},
		{"a client with the header and the proxy's certificate behind its own", byThumbprint, request(false, chain(self, proxy), h), want{self.cert, false, nil}},
		{"a client with the header, by subject", bySubject, request(true, chain(leaf), encode(self.cert)), want{leaf.cert, true, nil}},
		{"nobody with the header", byThumbprint, request(false, nil, h), want{}},
		{"no TLS with the header", byThumbprint, &http.Request{Header: http.Header{"Client-Cert": {h}}}, want{}},

		{"the proxy's name, unverified", bySubject, request(false, chain(namesake), h), want{err: clientcert.ErrProxy}},
		{"the proxy's name, unverified, no header", bySubject, request(false, chain(namesake)), want{err: clientcert.ErrProxy}},
		{"the proxy's name, expired", bySubject, request(true, chain(old), h), want{err: clientcert.ErrProxy}},
		{"the proxy's thumbprint, expired", byOld, request(true, chain(old), h), want{err: clientcert.ErrProxy}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			check(t, tc.s, tc.r, tc.want)
		})
	}
}

// Not parallel: it changes the environment, and what the process takes for the
// system's authorities.
func TestTheSystemsAuthoritiesVouchForNoClient(t *testing.T) {
	ca, _ := authority(t, "CA")
	leaf := issue(t, ca, named("app"))
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", file)
	options := x509.VerifyOptions{CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := leaf.cert.Verify(options); err != nil {
		// Other systems than Unix, and a second run in the same process.
		t.Skipf("the authority is none of the system's: %v", err)
	}
	check(t, newSource(t, clientcert.Config{}), request(false, chain(leaf)), want{cert: leaf.cert})
}

func TestHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	proxy := issue(t, nil, named("proxy"))
	// A certificate whose base64 ends in padding, to play with.
	var leaf *holder
	for cn := "app"; leaf == nil || len(leaf.cert.Raw)%3 != 1; cn += "x" {
		leaf = issue(t, nil, named(cn))
	}
	s := newSource(t, clientcert.Config{ProxyThumbprint: certs.CertificateThumbprint(proxy.cert)})
	good := encode(leaf.cert)
	check(t, s, request(true, chain(proxy), good), want{cert: leaf.cert})
	raw := func(der []byte) string { return ":" + base64.StdEncoding.EncodeToString(der) + ":" }
	body := strings.Trim(good, ":")
	for name, values := range map[string][]string{
		"empty":                    {""},
		"a colon":                  {":"},
		"an empty sequence":        {"::"},
		"doubled":                  {good, good},
		"empty, then good":         {"", good},
		"a list":                   {good + ", " + good},
		"a list without space":     {good + "," + good},
		"parameters":               {good + ";a=1"},
		"no colons":                {body},
		"no first colon":           {body + ":"},
		"no last colon":            {":" + body},
		"a string":                 {`"` + body + `"`},
		"PEM":                      {"-----BEGIN CERTIFICATE-----" + body},
		"spaces around":            {" " + good + " "},
		"a space within":           {":" + body[:8] + " " + body[8:] + ":"},
		"a line break within":      {":" + body[:8] + "\n" + body[8:] + ":"},
		"no padding":               {":" + strings.TrimRight(body, "=") + ":"},
		"base64url":                {":" + base64.URLEncoding.EncodeToString([]byte{0xFB, 0xFF, 0xFE}) + ":"},
		"bits behind the last one": {":" + strings.TrimRight(body, "=")[:len(body)-3] + "B==:"},
		"not base64":               {":****:"},
		"not a certificate":        {raw([]byte("hello"))},
		"cut short":                {raw(leaf.cert.Raw[:len(leaf.cert.Raw)-1])},
		"a byte behind":            {raw(append(leaf.cert.Raw[:len(leaf.cert.Raw):len(leaf.cert.Raw)], 0))},
		"two certificates":         {raw(append(leaf.cert.Raw[:len(leaf.cert.Raw):len(leaf.cert.Raw)], leaf.cert.Raw...))},
		"only the signed part":     {raw(leaf.cert.RawTBSCertificate)},
		"oversized":                {raw(make([]byte, clientcert.MaxHeader))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, s, request(true, chain(proxy), values...), want{err: clientcert.ErrHeader})
		})
	}
	t.Run("an oversized certificate", func(t *testing.T) {
		t.Parallel()
		fits := issue(t, nil, x509.Certificate{DNSNames: []string{strings.Repeat("a", 10<<10)}})
		check(t, s, request(true, chain(proxy), encode(fits.cert)), want{cert: fits.cert})
		large := issue(t, nil, x509.Certificate{DNSNames: []string{strings.Repeat("a", 13<<10)}})
		check(t, s, request(true, chain(proxy), encode(large.cert)), want{err: clientcert.ErrHeader})
	})
}

func TestNewChecksItsConfig(t *testing.T) {
	t.Parallel()
	sum := certs.CertificateThumbprint(issue(t, nil, named("proxy")).cert)
	for name, c := range map[string]clientcert.Config{
		"both":                 {ProxyThumbprint: sum, ProxySubject: "CN=proxy"},
		"a short thumbprint":   {ProxyThumbprint: sum[:42]},
		"a long thumbprint":    {ProxyThumbprint: sum + "A"},
		"a padded thumbprint":  {ProxyThumbprint: sum + "="},
		"a broken thumbprint":  {ProxyThumbprint: sum[:42] + "\n"},
		"a hex thumbprint":     {ProxyThumbprint: strings.Repeat("ab", 32)},
		"a subject, not a DN":  {ProxySubject: "proxy"},
		"a subject with space": {ProxySubject: "CN = proxy"},
	} {
		if _, err := clientcert.New(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestHandshake goes through real connections, to see that the standard library
// fills in what the other tests assume.
func TestHandshake(t *testing.T) {
	t.Parallel()
	ca, err := devca.Open(devca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	pair := func(p devca.Pair, err error) tls.Certificate {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	server, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	serverPair := pair(server, nil)
	client, proxy := pair(ca.Client("app")), pair(ca.Client("proxy"))
	thumbprint := certs.CertificateThumbprint(proxy.Leaf)
	for _, tc := range []struct {
		name             string
		caFile           string
		sent             *tls.Certificate
		header           string
		found, verified  bool
		proxyThumbprints bool
	}{
		{name: "verified", caFile: ca.File(), sent: &client, found: true, verified: true},
		{name: "unverified", sent: &client, found: true},
		{name: "none", caFile: ca.File()},
		{name: "through the proxy", sent: &proxy, header: encode(client.Leaf), found: true, proxyThumbprints: true},
		{name: "past the proxy", sent: &client, header: encode(proxy.Leaf), found: true, proxyThumbprints: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := clientcert.Config{Now: time.Now}
			if tc.proxyThumbprints {
				c.ProxyThumbprint = thumbprint
			}
			source := newSource(t, c)
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				peer, ok, err := source.Certificate(r)
				if err != nil || ok != tc.found || peer.Verified != tc.verified {
					t.Errorf("got verified %v, found %v, %v", peer.Verified, ok, err)
				}
				if ok && !peer.Certificate.Equal(client.Leaf) {
					t.Error("got another certificate")
				}
				if peer.Is(clientcert.Subject{Member: clientcert.SubjectDN, Value: "CN=app"}) != tc.verified {
					t.Error("only a verified certificate has a name")
				}
			}))
			tlsConfig, err := certs.ServerTLS(certs.Config{CertFile: server.CertFile, KeyFile: server.KeyFile,
				ClientAuth: certs.RequestedClientCert, ClientCAFile: tc.caFile})
			if err != nil {
				t.Fatal(err)
			}
			// Named as well, or httptest would take a certificate of its own.
			tlsConfig.Certificates = []tls.Certificate{serverPair}
			s.TLS = tlsConfig
			s.StartTLS()
			t.Cleanup(s.Close)
			conf, err := certs.ClientTLS(ca.File())
			if err != nil {
				t.Fatal(err)
			}
			if tc.sent != nil {
				conf.Certificates = []tls.Certificate{*tc.sent}
			}
			transport := &http.Transport{TLSClientConfig: conf}
			t.Cleanup(transport.CloseIdleConnections)
			r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tc.header != "" {
				r.Header.Set("client-cert", tc.header)
			}
			res, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
		})
	}
}

func FuzzHeader(f *testing.F) {
	proxy := issue(f, nil, named("proxy"))
	leaf := issue(f, nil, named("app"))
	s := newSource(f, clientcert.Config{ProxyThumbprint: certs.CertificateThumbprint(proxy.cert)})
	for _, seed := range []string{"", ":", "::", ":AAAA:", encode(leaf.cert), encode(leaf.cert) + ";a", encode(leaf.cert)[:100]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		peer, ok, err := s.Certificate(request(true, chain(proxy), value))
		if ok != (err == nil) || ok != (peer.Certificate != nil) {
			t.Fatalf("found %v, %v", ok, err)
		}
		if peer.Verified {
			t.Error("verified without authorities")
		}
		if ok && encode(peer.Certificate) != value {
			t.Error("a certificate has two spellings")
		}
	})
}
