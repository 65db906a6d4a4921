package clientcert_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"testing"
	"time"
)

// noon is the time of the tests. Certificates are valid an hour around it.
var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func at(now time.Time) func() time.Time { return func() time.Time { return now } }

// holder is a certificate with its key.
type holder struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// issue makes a certificate for client authentication from a template. by is
// the authority, nil for a self-signed one. What the template leaves out is
// filled in.
func issue(t testing.TB, by *holder, template x509.Certificate) *holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issueFor(t, by, template, key)
}

// issueFor is issue for a given key.
func issueFor(t testing.TB, by *holder, template x509.Certificate, key crypto.Signer) *holder {
	t.Helper()
	template.SerialNumber = big.NewInt(1)
	if template.NotBefore.IsZero() {
		template.NotBefore = noon.Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = noon.Add(time.Hour)
	}
	template.BasicConstraintsValid = true
	if template.IsCA {
		template.KeyUsage = x509.KeyUsageCertSign
	} else if template.ExtKeyUsage == nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if by == nil {
		by = &holder{&template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &holder{cert, key}
}

func named(cn string) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: cn}}
}

// authority makes a certificate authority.
func authority(t testing.TB, cn string) (*holder, *x509.CertPool) {
	t.Helper()
	template := named(cn)
	template.IsCA = true
	ca := issue(t, nil, template)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return ca, pool
}

// request is one over a connection that was opened with these certificates, and
// that the handshake verified or not. The values are those of Client-Cert.
func request(verified bool, sent []*x509.Certificate, clientCert ...string) *http.Request {
	r := &http.Request{Header: http.Header{}, TLS: &tls.ConnectionState{PeerCertificates: sent}}
	if verified {
		r.TLS.VerifiedChains = [][]*x509.Certificate{sent}
	}
	if clientCert != nil {
		r.Header["Client-Cert"] = clientCert
	}
	return r
}

func chain(h ...*holder) []*x509.Certificate {
	var out []*x509.Certificate
	for _, h := range h {
		out = append(out, h.cert)
	}
	return out
}

// encode is a certificate as RFC 9440 puts it into a header.
func encode(cert *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(cert.Raw) + ":"
}
