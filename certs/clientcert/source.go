package clientcert

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/certs"
)

// Why it cannot be said whose certificate a request carries.
var (
	// ErrHeader: the Client-Cert header of the proxy is not what RFC 9440
	// section 2.2 says: it occurs twice, is larger than MaxHeader, or does not
	// hold exactly one certificate.
	ErrHeader = errors.New("clientcert: malformed Client-Cert header")
	// ErrProxy: the connection is made with a certificate that names the proxy
	// but has expired or, where the proxy is known by its subject, was not
	// verified by the handshake.
	ErrProxy = errors.New("clientcert: the proxy's certificate is not valid")
)

// MaxHeader is the length of the longest Client-Cert header that is read, in
// bytes.
const MaxHeader = 16 << 10

// Config is what New needs. The zero value takes certificates from the
// connection alone.
type Config struct {
	// ProxyThumbprint and ProxySubject name the proxy by its own client
	// certificate, which it presents when it connects to us: by the SHA-256
	// thumbprint as certs.CertificateThumbprint returns it, or by the subject
	// name (RFC 4514), which outlives renewals. At most one of them; without
	// one, no Client-Cert header is read. Clients may still connect past the
	// proxy, with their own certificates. A subject name is believed when the
	// handshake verified the certificate, so every authority that the listener
	// accepts can make itself the proxy: with authorities that are not all
	// one's own, use the thumbprint.
	ProxyThumbprint, ProxySubject string

	// ClientCAs are the authorities that may issue client certificates. They
	// decide about certificates that no handshake of ours has verified: those
	// that the proxy passes on, without intermediate certificates, so an
	// intermediate authority has to be in here itself; and those of a listener
	// that asks for any certificate, which is what self-signed ones need. nil
	// means that none of them is verified.
	ClientCAs *x509.CertPool

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Source finds the client certificates of requests. Safe for concurrent use.
type Source struct {
	thumbprint string  // of the proxy, "" when it is not known by that
	subject    Subject // of the proxy, zero when it is not known by that
	clientCAs  *x509.CertPool
	now        func() time.Time
}

// New returns a source. It fails when the proxy is named twice, or by what is
// no thumbprint or no subject name.
func New(c Config) (*Source, error) {
	s := &Source{thumbprint: c.ProxyThumbprint, clientCAs: c.ClientCAs, now: c.Now}
	if s.now == nil {
		s.now = time.Now
	}
	if c.ProxyThumbprint != "" {
		if c.ProxySubject != "" {
			return nil, errors.New("clientcert: name the proxy by ProxyThumbprint or ProxySubject, not both")
		}
		sum, err := base64.RawURLEncoding.Strict().DecodeString(c.ProxyThumbprint)
		if err != nil || len(sum) != 32 || len(c.ProxyThumbprint) != 43 {
			return nil, errors.New("clientcert: ProxyThumbprint must be 43 base64url characters")
		}
	}
	if c.ProxySubject != "" {
		var err error
		if s.subject, err = ParseSubject(SubjectDN, c.ProxySubject); err != nil {
			return nil, errors.New("clientcert: ProxySubject must be a distinguished name as in RFC 4514")
		}
	}
	return s, nil
}

// Certificate returns the client certificate of a request, and whether it has
// one. That of the proxy is never returned: over its connection only the header
// counts, and without the header there is no certificate. Errors are ErrHeader
// and ErrProxy.
func (s *Source) Certificate(r *http.Request) (Peer, bool, error) { return s.find(r, true) }

// Holder is Certificate for a caller that asks whose key it is and no name: it
// spares the signatures of the chain, which cost more than all else of a
// request, and never sets Verified.
func (s *Source) Holder(r *http.Request) (Peer, bool, error) { return s.find(r, false) }

// find is Certificate, or Holder unless the names matter.
func (s *Source) find(r *http.Request, names bool) (Peer, bool, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return Peer{}, false, nil
	}
	peer := Peer{Certificate: r.TLS.PeerCertificates[0]}
	if len(r.TLS.VerifiedChains) > 0 {
		// A connection may outlive the certificate that opened it.
		peer.Verified = valid(peer.Certificate, s.now())
	}
	if s.proxy(peer.Certificate) {
		// Going on with the certificate of a doubtful proxy as if it were a
		// client's would make all clients behind it one.
		if !valid(peer.Certificate, s.now()) || s.thumbprint == "" && !peer.Verified {
			return Peer{}, false, ErrProxy
		}
		cert, err := header(r.Header)
		if cert == nil || err != nil {
			return Peer{}, false, err
		}
		return Peer{Certificate: cert, Verified: names && s.verify(cert, nil)}, true, nil
	}
	switch {
	case !names:
		peer.Verified = false
	case len(r.TLS.VerifiedChains) == 0:
		peer.Verified = s.verify(peer.Certificate, r.TLS.PeerCertificates[1:])
	}
	return peer, true, nil
}

// proxy reports whether a certificate is, or says that it is, the proxy's.
func (s *Source) proxy(cert *x509.Certificate) bool {
	return s.thumbprint != "" && s.thumbprint == certs.CertificateThumbprint(cert) || s.subject.matches(cert)
}

// verify reports whether a certificate chains to one of our authorities, now
// and for client authentication.
func (s *Source) verify(cert *x509.Certificate, intermediates []*x509.Certificate) bool {
	if s.clientCAs == nil {
		return false // Verify would take the system's, which vouch for servers
	}
	pool := x509.NewCertPool()
	for _, c := range intermediates {
		pool.AddCert(c)
	}
	_, err := cert.Verify(x509.VerifyOptions{
		Roots:         s.clientCAs,
		Intermediates: pool,
		CurrentTime:   s.now(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}

// header returns the certificate of the Client-Cert header, nil when there is
// none: a byte sequence (RFC 8941 section 3.3.5) of the DER form, without
// parameters. Only the one canonical spelling of the base64 is accepted.
func header(h http.Header) (*x509.Certificate, error) {
	values := h["Client-Cert"]
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > 1 || len(values[0]) > MaxHeader {
		return nil, ErrHeader
	}
	text, opened := strings.CutPrefix(values[0], ":")
	text, closed := strings.CutSuffix(text, ":")
	der, err := base64.StdEncoding.DecodeString(text)
	if !opened || !closed || err != nil || base64.StdEncoding.EncodeToString(der) != text {
		return nil, ErrHeader
	}
	cert, err := x509.ParseCertificate(der) // refuses trailing bytes
	if err != nil {
		return nil, ErrHeader // the cause may quote the certificate
	}
	return cert, nil
}
