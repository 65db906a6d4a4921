package recipient_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
)

// newCertificate signs itself.
func newCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// shown names the registered certificate, if that is what the client shows
// (RFC 8705 section 3.1).
func (s *server) shown(r *http.Request) string {
	if len(r.TLS.PeerCertificates) == 0 || string(r.TLS.PeerCertificates[0].Raw) != string(s.cert.Certificate[0]) {
		return ""
	}
	return "x5t#S256 " + hash(string(r.TLS.PeerCertificates[0].Raw))
}

// presented is the access token of a request, by the scheme that fits its
// binding.
func (s *server) presented(r *http.Request) (string, bool) {
	scheme := "DPoP "
	if s.certBound {
		scheme = "Bearer "
	}
	return strings.CutPrefix(r.Header.Get("Authorization"), scheme)
}
