package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ClientAuth says what a server asks of the TLS client.
type ClientAuth string

// The modes of ClientAuth. The zero value means NoClientCert.
//
// With Config.ClientCAFile a certificate that is sent must chain to one of
// those authorities for client authentication, or the handshake fails. Without
// it the handshake proves possession of the key and nothing more: that is what
// a self-signed certificate needs (RFC 8705 section 2.2), and it must never be
// taken for a verified subject name (section 2.1). ConnectionState's
// VerifiedChains is empty exactly in that case.
const (
	NoClientCert        ClientAuth = "none"
	RequestedClientCert ClientAuth = "requested"
	RequiredClientCert  ClientAuth = "required"
)

// Config is what ServerTLS needs.
type Config struct {
	// CertFile and KeyFile are PEM files: the chain, leaf first, and its
	// private key. Required. They are read again when they change.
	CertFile, KeyFile string

	// ClientAuth is one of the modes above.
	ClientAuth ClientAuth

	// ClientCAFile is a PEM file of the authorities that may issue client
	// certificates; empty accepts any certificate unverified. It is read once.
	ClientCAFile string

	// OnReload, when set, is told about each change of the files: nil when the
	// new pair is in use, the fault when it is not and the old pair stays. The
	// same fault is told once. It runs within a handshake, so it must be quick
	// and safe for concurrent use.
	OnReload func(error)

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// reloadEvery bounds how often handshakes look at the certificate files.
const reloadEvery = time.Second

// maxPEM bounds a PEM file that is read, in bytes.
const maxPEM = 1 << 20

// suites12 are the only TLS 1.2 suites of FAPI 2.0 Security Profile section
// 5.2.2. Go's own list also holds ChaCha20-Poly1305 and CBC suites, which the
// profile forbids. TLS 1.3 suites are not configurable and all permitted.
func suites12() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
}

// ServerTLS returns the TLS configuration of a listener: TLS 1.3, or TLS 1.2
// with the four suites that FAPI 2.0 permits, ALPN h2 and http/1.1. It reads
// the files, and fails when they are missing, do not belong together or are
// outside their validity. Later changes of the pair are picked up by the first
// handshake at least a second after the previous look; a broken pair never
// replaces a working one.
func ServerTLS(c Config) (*tls.Config, error) {
	if c.CertFile == "" || c.KeyFile == "" {
		return nil, errors.New("certs: CertFile and KeyFile are required")
	}
	mode, err := clientAuthType(c.ClientAuth, c.ClientCAFile != "")
	if err != nil {
		return nil, err
	}
	var clientCAs *x509.CertPool
	if c.ClientCAFile != "" {
		if clientCAs, err = readPool(c.ClientCAFile); err != nil {
			return nil, fmt.Errorf("certs: client authorities: %w", err)
		}
	}
	p := &pair{certFile: c.CertFile, keyFile: c.KeyFile, now: c.Now, onReload: c.OnReload}
	if p.now == nil {
		p.now = time.Now
	}
	if p.onReload == nil {
		p.onReload = func(error) {}
	}
	p.checked = p.now()
	if _, err := p.load(); err != nil {
		return nil, fmt.Errorf("certs: server certificate: %w", err)
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		CipherSuites:   suites12(),
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: p.get,
		ClientAuth:     mode,
		ClientCAs:      clientCAs,
		Time:           p.now,
	}, nil
}

// clientAuthType maps a mode to the standard library's. Verification depends
// on whether there is an authority to verify against.
func clientAuthType(mode ClientAuth, verify bool) (tls.ClientAuthType, error) {
	switch mode {
	case "", NoClientCert:
		if verify {
			return 0, errors.New("certs: ClientCAFile without ClientAuth has no effect")
		}
		return tls.NoClientCert, nil
	case RequestedClientCert:
		if verify {
			return tls.VerifyClientCertIfGiven, nil
		}
		return tls.RequestClientCert, nil
	case RequiredClientCert:
		if verify {
			return tls.RequireAndVerifyClientCert, nil
		}
		return tls.RequireAnyClientCert, nil
	}
	return 0, fmt.Errorf("certs: ClientAuth must be %s, %s or %s",
		NoClientCert, RequestedClientCert, RequiredClientCert)
}

// ClientTLS returns the TLS configuration for our own outbound calls, with the
// same versions and suites as ServerTLS (FAPI 2.0 Security Profile section
// 5.2.1). The server must chain to an authority in the PEM file caFile and to
// no other; an empty caFile means the system's authorities.
func ClientTLS(caFile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites12()}
	if caFile != "" {
		roots, err := readPool(caFile)
		if err != nil {
			return nil, fmt.Errorf("certs: authorities: %w", err)
		}
		c.RootCAs = roots
	}
	return c, nil
}

// Authorities reads a PEM file of certificate authorities, at least one. A
// block that does not parse is a fault.
func Authorities(file string) (*x509.CertPool, error) { return readPool(file) }

// readPool reads certificate authorities. Unlike x509.AppendCertsFromPEM it
// refuses a file with a block that does not parse, so that a damaged bundle is
// noticed at start and not at the first handshake.
func readPool(file string) (*x509.CertPool, error) {
	data, err := readBounded(file, maxPEM)
	if err != nil {
		return nil, err
	}
	pool, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: holds something other than certificates", file)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", file, n+1, err)
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("%s: no certificate found", file)
	}
	return pool, nil
}

// pair is a certificate and key on disk, and what is in use of it. Safe for
// concurrent use.
type pair struct {
	certFile, keyFile string
	now               func() time.Time
	onReload          func(error)

	current atomic.Pointer[tls.Certificate] // never nil after the first load

	mu      sync.Mutex        // guards the fields below
	checked time.Time         // last look at the files
	loaded  [sha256.Size]byte // digest of the files behind current
	fault   string            // last fault that was told, "" when none
}

// get is tls.Config.GetCertificate.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.refresh()
	return p.current.Load(), nil
}

// refresh looks at the files if it is time to. Handshakes that arrive while
// another one looks go on with what is there instead of waiting for the disk.
func (p *pair) refresh() {
	if !p.mu.TryLock() {
		return
	}
	defer p.mu.Unlock()
	// A clock that was set back must not stop reloading until it catches up.
	now := p.now()
	if age := now.Sub(p.checked); age >= 0 && age < reloadEvery {
		return
	}
	p.checked = now
	changed, err := p.load()
	switch {
	case err != nil && err.Error() != p.fault:
		p.fault = err.Error()
		p.onReload(err)
	case err == nil:
		p.fault = ""
		if changed {
			p.onReload(nil)
		}
	}
}

// load reads the files and puts the pair in use when it is new and sound. It
// compares content, not times: a renewal may keep the size and the time stamp.
func (p *pair) load() (changed bool, err error) {
	certPEM, err := readBounded(p.certFile, maxPEM)
	if err != nil {
		return false, err
	}
	keyPEM, err := readBounded(p.keyFile, maxPEM)
	if err != nil {
		return false, err
	}
	h := sha256.New()
	h.Write(certPEM)
	h.Write([]byte{0}) // PEM holds no NUL, so the two parts cannot run together
	h.Write(keyPEM)
	digest := [sha256.Size]byte(h.Sum(nil))
	if p.current.Load() != nil && digest == p.loaded {
		return false, nil
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return false, fmt.Errorf("%s with %s: %w", p.certFile, p.keyFile, err)
	}
	if now := p.now(); now.Before(cert.Leaf.NotBefore) || now.After(cert.Leaf.NotAfter) {
		return false, fmt.Errorf("%s: valid from %s to %s, not now", p.certFile,
			cert.Leaf.NotBefore.Format(time.RFC3339), cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	p.current.Store(&cert)
	p.loaded = digest
	return true, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}
