package certs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/devca"
)

func openCA(t *testing.T) *devca.CA {
	t.Helper()
	ca, err := devca.Open(devca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func serverPair(t *testing.T, ca *devca.CA) devca.Pair {
	t.Helper()
	p, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func clientCert(t *testing.T, ca *devca.CA, name string) tls.Certificate {
	t.Helper()
	p, err := ca.Client(name)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func serverTLS(t *testing.T, c certs.Config) *tls.Config {
	t.Helper()
	conf, err := certs.ServerTLS(c)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func clientTLS(t *testing.T, caFile string) *tls.Config {
	t.Helper()
	conf, err := certs.ClientTLS(caFile)
	if err != nil {
		t.Fatal(err)
	}
	conf.ServerName = "localhost"
	return conf
}

// shake makes a connection and lets one byte through. The states are those of
// client and server; err is nil only when both sides were content.
func shake(t *testing.T, server, client *tls.Config) (c, s tls.ConnectionState, err error) {
	t.Helper()
	// Not net.Pipe: it has no buffer, and two sides that send alerts at the
	// same time would wait for each other.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	left, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	right, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	left.SetDeadline(deadline)
	right.SetDeadline(deadline)
	serverErr := make(chan error, 1)
	go func() {
		defer right.Close()
		conn := tls.Server(right, server)
		_, err := conn.Write([]byte("x"))
		s = conn.ConnectionState()
		serverErr <- err
	}()
	conn := tls.Client(left, client)
	// In TLS 1.3 a client learns only by reading that its certificate was
	// refused.
	_, err = io.ReadFull(conn, make([]byte, 1))
	c = conn.ConnectionState()
	left.Close()
	err = errors.Join(err, <-serverErr)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the handshake hung: %v", err)
	}
	return c, s, err
}

// rsaPair writes a self-signed RSA certificate for localhost.
func rsaPair(t *testing.T) devca.Pair {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := devca.Pair{CertFile: filepath.Join(dir, "rsa.pem"), KeyFile: filepath.Join(dir, "rsa-key.pem")}
	write(t, p.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, p.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return p
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVersionsAndSuites(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	ec, withRSA := serverPair(t, ca), rsaPair(t)
	allowed := map[uint16]devca.Pair{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: ec,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: ec,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:   withRSA,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:   withRSA,
	}
	for _, pair := range []devca.Pair{ec, withRSA} {
		server := serverTLS(t, certs.Config{CertFile: pair.CertFile, KeyFile: pair.KeyFile})
		client := func() *tls.Config { return &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"} }

		if server.MinVersion != tls.VersionTLS12 {
			t.Errorf("least version %x", server.MinVersion)
		}
		both := client()
		both.MinVersion = tls.VersionTLS12
		if c, _, err := shake(t, server, both); err != nil || c.Version != tls.VersionTLS13 {
			t.Errorf("offered 1.2 and 1.3: version %x, error %v", c.Version, err)
		}
		for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
			old := client()
			old.MinVersion, old.MaxVersion = version, version
			if _, _, err := shake(t, server, old); err == nil {
				t.Errorf("version %x was accepted", version)
			}
		}
		for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
			if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
				continue // suites of 1.3, which a configuration cannot choose
			}
			one := client()
			one.MinVersion, one.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
			one.CipherSuites = []uint16{suite.ID}
			_, _, err := shake(t, server, one)
			if want := allowed[suite.ID] == pair; (err == nil) != want {
				t.Errorf("%s with %s: %v", suite.Name, filepath.Base(pair.CertFile), err)
			}
		}
	}
}

func TestALPN(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	pair := serverPair(t, ca)
	server := serverTLS(t, certs.Config{CertFile: pair.CertFile, KeyFile: pair.KeyFile})
	for want, offer := range map[string][]string{"h2": {"http/1.1", "h2"}, "http/1.1": {"http/1.1"}, "": nil} {
		client := clientTLS(t, ca.File())
		client.NextProtos = offer
		if c, _, err := shake(t, server, client); err != nil || c.NegotiatedProtocol != want {
			t.Errorf("offered %v: %s, %v", offer, c.NegotiatedProtocol, err)
		}
	}
	client := clientTLS(t, ca.File())
	client.NextProtos = []string{"spdy/3"}
	if _, _, err := shake(t, server, client); err == nil {
		t.Error("a protocol we do not speak was agreed on")
	}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca, stranger := openCA(t), openCA(t)
	pair := serverPair(t, ca)
	ours, foreign := clientCert(t, ca, "recipient"), clientCert(t, stranger, "recipient")
	// A server's certificate is not one for client authentication.
	wrongUse, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		mode         certs.ClientAuth
		verify       bool
		cert         *tls.Certificate
		ok           bool
		peer, chains int // certificates and verified chains the server sees
	}{
		"not asked for":                      {mode: "", cert: &ours, ok: true},
		"none is not asked for":              {mode: certs.NoClientCert, cert: &ours, ok: true},
		"requested and not given":            {mode: certs.RequestedClientCert, verify: true, ok: true},
		"requested and ours":                 {mode: certs.RequestedClientCert, verify: true, cert: &ours, ok: true, peer: 1, chains: 1},
		"requested and foreign":              {mode: certs.RequestedClientCert, verify: true, cert: &foreign},
		"requested and of wrong use":         {mode: certs.RequestedClientCert, verify: true, cert: &wrongUse},
		"required and not given":             {mode: certs.RequiredClientCert, verify: true},
		"required and ours":                  {mode: certs.RequiredClientCert, verify: true, cert: &ours, ok: true, peer: 1, chains: 1},
		"required and foreign":               {mode: certs.RequiredClientCert, verify: true, cert: &foreign},
		"unverified, requested, not given":   {mode: certs.RequestedClientCert, ok: true},
		"unverified, requested, any":         {mode: certs.RequestedClientCert, cert: &foreign, ok: true, peer: 1},
		"unverified, required, not given":    {mode: certs.RequiredClientCert},
		"unverified, required, any, unnamed": {mode: certs.RequiredClientCert, cert: &ours, ok: true, peer: 1},
	} {
		config := certs.Config{CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientAuth: tt.mode}
		if tt.verify {
			config.ClientCAFile = ca.File()
		}
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			client := clientTLS(t, ca.File())
			client.MaxVersion = version
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if tt.cert == nil {
					return new(tls.Certificate), nil
				}
				return tt.cert, nil // even when the server named other issuers
			}
			_, s, err := shake(t, serverTLS(t, config), client)
			if (err == nil) != tt.ok {
				t.Errorf("%s, %x: %v", name, version, err)
			}
			if err == nil && (len(s.PeerCertificates) != tt.peer || len(s.VerifiedChains) != tt.chains) {
				t.Errorf("%s, %x: %d certificates, %d chains", name, version, len(s.PeerCertificates), len(s.VerifiedChains))
			}
		}
	}
}

func TestServerTLSChecksItsConfig(t *testing.T) {
	t.Parallel()
	ca, other := openCA(t), openCA(t)
	pair, otherPair := serverPair(t, ca), serverPair(t, other)
	dir := t.TempDir()
	garbage, empty, mixed := filepath.Join(dir, "garbage"), filepath.Join(dir, "empty"), filepath.Join(dir, "mixed")
	write(t, garbage, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	write(t, empty, nil)
	key, err := os.ReadFile(pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(ca.File())
	if err != nil {
		t.Fatal(err)
	}
	write(t, mixed, append(authority, key...))
	in := func(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }
	good := certs.Config{CertFile: pair.CertFile, KeyFile: pair.KeyFile}
	for name, change := range map[string]func(*certs.Config){
		"no certificate file":        func(c *certs.Config) { c.CertFile = "" },
		"no key file":                func(c *certs.Config) { c.KeyFile = "" },
		"missing file":               func(c *certs.Config) { c.CertFile = filepath.Join(dir, "absent") },
		"missing key":                func(c *certs.Config) { c.KeyFile = filepath.Join(dir, "absent") },
		"empty file":                 func(c *certs.Config) { c.CertFile = empty },
		"certificate that is none":   func(c *certs.Config) { c.CertFile = garbage },
		"key of another pair":        func(c *certs.Config) { c.KeyFile = otherPair.KeyFile },
		"files changed over":         func(c *certs.Config) { c.CertFile, c.KeyFile = c.KeyFile, c.CertFile },
		"expired":                    func(c *certs.Config) { c.Now = in(91 * 24 * time.Hour) },
		"not valid yet":              func(c *certs.Config) { c.Now = in(-24 * time.Hour) },
		"unknown mode":               func(c *certs.Config) { c.ClientAuth = "optional" },
		"authorities without a mode": func(c *certs.Config) { c.ClientCAFile = ca.File() },
		"authorities missing": func(c *certs.Config) {
			c.ClientAuth, c.ClientCAFile = certs.RequiredClientCert, filepath.Join(dir, "absent")
		},
		"authorities empty":             func(c *certs.Config) { c.ClientAuth, c.ClientCAFile = certs.RequiredClientCert, empty },
		"authorities broken":            func(c *certs.Config) { c.ClientAuth, c.ClientCAFile = certs.RequiredClientCert, garbage },
		"authorities with a key inside": func(c *certs.Config) { c.ClientAuth, c.ClientCAFile = certs.RequiredClientCert, mixed },
	} {
		config := good
		change(&config)
		if _, err := certs.ServerTLS(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	serverTLS(t, good)
}

func TestClientTLS(t *testing.T) {
	t.Parallel()
	ca, stranger := openCA(t), openCA(t)
	pair := serverPair(t, ca)
	server := serverTLS(t, certs.Config{CertFile: pair.CertFile, KeyFile: pair.KeyFile})
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		client := clientTLS(t, ca.File())
		client.ServerName = name
		if _, _, err := shake(t, server, client); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := clientTLS(t, ca.File())
	other.ServerName = "example.com"
	if _, _, err := shake(t, server, other); err == nil {
		t.Error("another name was accepted")
	}
	if _, _, err := shake(t, server, clientTLS(t, stranger.File())); err == nil {
		t.Error("a server of a stranger's authority was accepted")
	}
	if _, _, err := shake(t, server, clientTLS(t, "")); err == nil {
		t.Error("the system trusts the development authority")
	}
	weak := server.Clone()
	weak.MaxVersion, weak.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
	if _, _, err := shake(t, weak, clientTLS(t, ca.File())); err == nil {
		t.Error("a suite outside the profile was accepted")
	}
	old := server.Clone()
	old.MinVersion, old.MaxVersion, old.CipherSuites = tls.VersionTLS10, tls.VersionTLS11, nil
	if c := clientTLS(t, ca.File()); c.MinVersion != tls.VersionTLS12 {
		t.Errorf("least version %x", c.MinVersion)
	}
	if _, _, err := shake(t, old, clientTLS(t, ca.File())); err == nil {
		t.Error("a server of TLS 1.1 was accepted")
	}
	if _, err := certs.ClientTLS(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("a missing file was accepted")
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	first, second := openCA(t), openCA(t)
	a, b := serverPair(t, first), serverPair(t, second)
	dir := t.TempDir()
	live := devca.Pair{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	install := func(from string, to string) {
		t.Helper()
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, to, data)
	}
	install(a.CertFile, live.CertFile)
	install(a.KeyFile, live.KeyFile)

	now := time.Now()
	var told []error
	server := serverTLS(t, certs.Config{
		CertFile: live.CertFile, KeyFile: live.KeyFile,
		OnReload: func(err error) { told = append(told, err) },
		Now:      func() time.Time { return now },
	})
	serves := func(step string, ca *devca.CA, tellings int) {
		t.Helper()
		client := clientTLS(t, ca.File())
		if _, _, err := shake(t, server, client); err != nil {
			t.Errorf("%s: %v", step, err)
		}
		if len(told) != tellings {
			t.Errorf("%s: told %v, want %d", step, told, tellings)
		}
	}
	serves("at first", first, 0)

	install(b.CertFile, live.CertFile) // a renewal caught in the middle
	serves("within a second", first, 0)
	now = now.Add(time.Second)
	serves("half renewed", first, 1)
	if told[0] == nil {
		t.Error("a pair that does not belong together was not reported")
	}
	now = now.Add(time.Second)
	serves("still half renewed", first, 1)

	install(b.KeyFile, live.KeyFile)
	now = now.Add(time.Second)
	serves("renewed", second, 2)
	if told[1] != nil {
		t.Errorf("the renewal was reported as %v", told[1])
	}
	now = now.Add(time.Second)
	serves("unchanged", second, 2)

	if err := os.Remove(live.KeyFile); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	serves("key gone", second, 3)
	install(b.KeyFile, live.KeyFile)
	now = now.Add(time.Second)
	serves("key back", second, 3)
	if err := os.Remove(live.KeyFile); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	serves("key gone again", second, 4)

	install(a.CertFile, live.CertFile)
	install(a.KeyFile, live.KeyFile)
	now = now.Add(-time.Hour + time.Minute) // still within validity
	serves("after the clock was set back", first, 5)

	// A pair that is outside its validity never replaces one that is inside.
	expired, err := devca.Open(devca.Config{Dir: t.TempDir(), Now: func() time.Time { return now.Add(-200 * 24 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	old := serverPair(t, expired)
	install(old.CertFile, live.CertFile)
	install(old.KeyFile, live.KeyFile)
	now = now.Add(time.Second)
	serves("replaced by an expired pair", first, 6)
}

func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	first, second := openCA(t), openCA(t)
	pairs := []devca.Pair{serverPair(t, first), serverPair(t, second)}
	dir := t.TempDir()
	live := devca.Pair{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	install := func(p devca.Pair) {
		for from, to := range map[string]string{p.CertFile: live.CertFile, p.KeyFile: live.KeyFile} {
			if data, err := os.ReadFile(from); err != nil || os.WriteFile(to, data, 0o600) != nil {
				t.Error("cannot install")
			}
		}
	}
	install(pairs[0])
	var mu sync.Mutex
	now := time.Now()
	server := serverTLS(t, certs.Config{CertFile: live.CertFile, KeyFile: live.KeyFile, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Millisecond)
		return now
	}})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				cert, err := server.GetCertificate(nil)
				if err != nil || cert == nil || cert.PrivateKey == nil || cert.Leaf.DNSNames[0] != "localhost" {
					t.Errorf("got %v, %v", cert, err)
					return
				}
			}
		})
	}
	for i := range 100 {
		install(pairs[i%2])
	}
	wg.Wait()
}
