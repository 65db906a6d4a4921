package e2e

import (
	"crypto/tls"
	"net/http"
	"slices"
	"testing"
)

// hosts are the sockets of every host that the deployment has.
func (d *deployment) hosts() map[string]string {
	return map[string]string{
		"protocol": d.protocol[0], "certificates": d.certified[0], "pages": d.browsers[0], "data": d.data[0],
	}
}

// FAPI 2.0 Security Profile section 5.2: TLS 1.3, or TLS 1.2 with four suites,
// on every host.
func TestEveryHostSpeaksTheTLSOfFAPI(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	permitted := []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
	var others []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) && !slices.Contains(permitted, s.ID) {
			others = append(others, s.ID)
		}
	}
	shake := func(address string, bend func(*tls.Config)) (tls.ConnectionState, error) {
		c := d.roots.Clone()
		bend(c)
		conn, err := tls.Dial("tcp", address, c)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer conn.Close() //nolint:errcheck // nothing was sent
		return conn.ConnectionState(), nil
	}
	for host, address := range d.hosts() {
		if s, err := shake(address, func(*tls.Config) {}); err != nil || s.Version != tls.VersionTLS13 {
			t.Errorf("%s: version %x, %v: TLS 1.3 must win", host, s.Version, err)
		}
		for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
			if _, err := shake(address, func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }); err == nil {
				t.Errorf("%s: version %x is spoken", host, version)
			}
		}
		spoken := 0
		for _, suite := range permitted {
			if _, err := shake(address, func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite} }); err == nil {
				spoken++
			}
		}
		if spoken == 0 {
			t.Errorf("%s: TLS 1.2 cannot be spoken at all", host)
		}
		if s, err := shake(address, func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, others }); err == nil {
			t.Errorf("%s: %s is spoken", host, tls.CipherSuiteName(s.CipherSuite))
		}
	}
}

// Section 5.2.3: browsers are told to stay on TLS, and the authorization
// endpoint is no place for scripts of others.
func TestBrowserHostsHoldOnToTLS(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	c := via(t, d.browsers[0], d.roots)
	for _, path := range []string{"/authorize", "/portal", "/nothing"} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			r, err := http.NewRequestWithContext(t.Context(), method, d.pages+path, nil)
			must(t, err)
			r.Header.Set("Origin", "https://elsewhere.example")
			r.Header.Set("Access-Control-Request-Method", "GET")
			a, err := receive(c.Do(r))
			must(t, err)
			if a.Header.Get("Strict-Transport-Security") == "" {
				t.Errorf("%s %s: no Strict-Transport-Security", method, path)
			}
			for name := range a.Header {
				if len(name) > 15 && name[:15] == "Access-Control-" {
					t.Errorf("%s %s: answers with %s", method, path, name)
				}
			}
		}
	}
}

// Only the host for certificates asks for one; a browser that has one is not
// asked to choose.
func TestOnlyTheCertificateHostAsksForCertificates(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	for host, address := range d.hosts() {
		asked := false
		c := d.roots.Clone()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &tls.Certificate{}, nil
		}
		conn, err := tls.Dial("tcp", address, c)
		must(t, err)
		must(t, conn.Close())
		// The gateway reads certificate-bound tokens on its one host.
		if want := host == "certificates" || host == "data"; asked != want {
			t.Errorf("%s: asked for a certificate: %t", host, asked)
		}
	}
}
