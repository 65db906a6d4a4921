package clientcert

import (
	"crypto"
	"crypto/x509"
	"time"

	"github.com/headgate/headgate/certs"
)

// Peer is the client at the other end: it holds the key of the certificate.
// Sender-constrained tokens are bound to the certificate by
// certs.CertificateThumbprint, verified or not (RFC 8705 section 3).
type Peer struct {
	Certificate *x509.Certificate

	// Verified says that the certificate chains to an authority for client
	// certificates and is valid at the time of the request, so that the names
	// in it can be believed.
	Verified bool
}

// Is reports whether the certificate names the registered subject
// (tls_client_auth, RFC 8705 section 2.1). It is false for a certificate that
// is not verified, since anybody can write a name into their own; and for a
// subject that ParseSubject refuses.
func (p Peer) Is(s Subject) bool {
	return p.Verified && p.Certificate != nil && s.matches(p.Certificate)
}

// In reports whether the certificate is one of the registered
// (self_signed_tls_client_auth, RFC 8705 section 2.2): a key of the set that
// comes with a certificate (x5c) stands for this certificate, a bare key for
// every certificate of it. Who signed the certificate does not matter; outside
// its validity it is refused all the same.
func (p Peer) In(set certs.JWKS, now time.Time) bool {
	if p.Certificate == nil || !valid(p.Certificate, now) {
		return false
	}
	for _, k := range set.Keys {
		if len(k.Certificates) > 0 {
			if k.Certificates[0].Equal(p.Certificate) {
				return true
			}
			continue
		}
		key, ok := k.Key.(interface{ Equal(crypto.PublicKey) bool })
		if ok && key.Equal(p.Certificate.PublicKey) {
			return true
		}
	}
	return false
}

// valid reports whether now is within the validity of a certificate.
func valid(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && !now.After(cert.NotAfter)
}
