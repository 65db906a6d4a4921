// Package devca is a throw-away certificate authority for development and
// tests: one folder with an authority of a year, a server certificate for this
// machine and client certificates for recipients that use mutual TLS, all
// P-256 and PEM, keys with mode 0600.
//
// It never touches the system's or a browser's trust store: a client trusts
// the authority only when it is pointed at its file. It must not be used where
// real data flows, since the authority's key lies in the clear beside its
// certificate.
package devca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/headgate/headgate/certs"
)

const (
	day       = 24 * time.Hour
	caLife    = 365 * day
	leafLife  = 90 * day
	renewLeft = 30 * day // whatever has less left is issued anew
	backdated = time.Hour
)

// Config is what Open needs.
type Config struct {
	// Dir is the folder of the authority, made with mode 0700 when missing.
	Dir string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// CA is an opened authority. One process at a time may work in its folder.
type CA struct {
	dir  string
	now  func() time.Time
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair names a certificate file and its key file, both PEM.
type Pair struct{ CertFile, KeyFile string }

// Open returns the authority in the folder. It makes one when there is none,
// and replaces one that has under 30 days left or cannot be used; everything
// the old one issued is then issued anew when it is next asked for.
func Open(c Config) (*CA, error) {
	if c.Dir == "" {
		return nil, errors.New("devca: Dir is required")
	}
	ca := &CA{dir: c.Dir, now: c.Now}
	if ca.now == nil {
		ca.now = time.Now
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("devca: %w", err)
	}
	cert, key, err := ca.read(ca.pair("ca"))
	if err != nil {
		return nil, fmt.Errorf("devca: %w", err)
	}
	if cert == nil || !ca.fresh(cert) || cert.CheckSignatureFrom(cert) != nil {
		if cert, key, err = ca.create(); err != nil {
			return nil, fmt.Errorf("devca: create authority: %w", err)
		}
	}
	ca.cert, ca.key = cert, key
	return ca, nil
}

// File returns the path of the authority's certificate, for clients to trust.
func (ca *CA) File() string { return ca.pair("ca").CertFile }

// Server returns a certificate for localhost, 127.0.0.1 and ::1. A sound one
// with at least 30 days left is used again, otherwise it is issued.
func (ca *CA) Server() (Pair, error) {
	return ca.leaf("server", x509.Certificate{
		Subject:     pkix.Name{CommonName: "localhost"},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// commonName is what Client accepts: safe as part of a file name and free of
// anything that needs escaping in a distinguished name.
var commonName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Client returns a client certificate with the subject CN=name, for
// tls_client_auth (RFC 8705 section 2.1). The name is 1 to 64 letters, digits,
// dots, dashes or underscores and starts with a letter or digit. Reuse is as
// for Server; a certificate that is issued anew has a new thumbprint.
func (ca *CA) Client(name string) (Pair, error) {
	if !commonName.MatchString(name) {
		return Pair{}, errors.New("devca: a client name is letters, digits, dots, dashes, underscores, at most 64")
	}
	return ca.leaf("client-"+name, x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// leaf returns the pair called file, issued as want describes unless the one
// on disk still serves.
func (ca *CA) leaf(file string, want x509.Certificate) (Pair, error) {
	p := ca.pair(file)
	have, _, err := ca.read(p)
	if err != nil {
		return Pair{}, fmt.Errorf("devca: %w", err)
	}
	if have != nil && ca.fresh(have) && ca.serves(have, &want) {
		return p, nil
	}
	now := ca.now()
	want.NotBefore = now.Add(-backdated)
	want.NotAfter = now.Add(leafLife)
	if want.NotAfter.After(ca.cert.NotAfter) {
		want.NotAfter = ca.cert.NotAfter
	}
	want.KeyUsage = x509.KeyUsageDigitalSignature
	want.BasicConstraintsValid = true
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("devca: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &want, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		return Pair{}, fmt.Errorf("devca: issue %s: %w", file, err)
	}
	if err := write(p, der, key); err != nil {
		return Pair{}, fmt.Errorf("devca: %w", err)
	}
	return p, nil
}

// create makes and stores a new authority.
func (ca *CA) create() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	now := ca.now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Headgate development CA"},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	return cert, key, write(ca.pair("ca"), der, key)
}

// fresh reports whether a certificate is valid now and for a while.
func (ca *CA) fresh(cert *x509.Certificate) bool {
	now := ca.now()
	return !now.Before(cert.NotBefore) && !now.Add(renewLeft).After(cert.NotAfter)
}

// serves reports whether a certificate is ours and fits what is wanted.
func (ca *CA) serves(have, want *x509.Certificate) bool {
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	options := x509.VerifyOptions{Roots: roots, CurrentTime: ca.now(), KeyUsages: want.ExtKeyUsage}
	if _, err := have.Verify(options); err != nil || have.Subject.CommonName != want.Subject.CommonName {
		return false
	}
	for _, name := range want.DNSNames {
		if have.VerifyHostname(name) != nil {
			return false
		}
	}
	for _, ip := range want.IPAddresses {
		if have.VerifyHostname(ip.String()) != nil {
			return false
		}
	}
	return true
}

// pair returns the file names of a pair.
func (ca *CA) pair(name string) Pair {
	return Pair{
		CertFile: filepath.Join(ca.dir, name+".pem"),
		KeyFile:  filepath.Join(ca.dir, name+"-key.pem"),
	}
}

// read returns a pair from disk, nil when there is none that could be used: a
// missing half, a mismatch after a crash between two writes, or a key that
// others can read. What is throw-away is replaced, not repaired. Errors are
// those of the disk.
func (ca *CA) read(p Pair) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	keyPEM, err := certs.ReadPrivate(p.KeyFile)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, certs.ErrExposed) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	certPEM, err := os.ReadFile(p.CertFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, nil, nil
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, nil
	}
	return pair.Leaf, key, nil
}

// write stores a pair. A crash between or within the two leaves a pair that
// read does not return.
func write(p Pair, der []byte, key *ecdsa.PrivateKey) error {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if err := certs.WritePrivate(p.KeyFile, keyPEM); err != nil {
		return err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return os.WriteFile(p.CertFile, certPEM, 0o644)
}
