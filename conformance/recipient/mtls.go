package recipient

import (
	"crypto/tls"
	"net/http"
	"time"
)

// certificate is what we show to the authorization server: our certificate
// when it says who we are or has tokens bound to it, otherwise none.
func (c *Client) certificate() *tls.Certificate {
	if c.cfg.ClientAuth.byCertificate() || c.cfg.CertificateBound {
		return c.cfg.Certificate
	}
	return nil
}

// endpoint picks an address of the server: the one that asks for a
// certificate when we show one and there is such a one (RFC 8705 section 5).
func (c *Client) endpoint(pick func(Endpoints) string) string {
	if c.certificate() != nil {
		if alias := pick(c.Server.MTLS); alias != "" {
			return alias
		}
	}
	return pick(c.Server.Endpoints)
}

// boundTo is the key that tokens get bound to: none when they are bound to
// our certificate.
func (c *Client) boundTo(key *DPoPKey) *DPoPKey {
	if c.cfg.CertificateBound {
		return nil
	}
	return key
}

// showing returns the HTTP client that shows this certificate, or none.
// Connections are kept apart: one that was opened with a certificate must not
// carry a request without.
func (c *Client) showing(certificate *tls.Certificate) *http.Client {
	if known, ok := c.http.Load(certificate); ok {
		return known.(*http.Client)
	}
	config := c.cfg.TLS.Clone()
	if certificate != nil {
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		// Whatever authorities the server names: a certificate that signs
		// itself has none of them.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return certificate, nil
		}
	}
	fresh := &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig:     config,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 64, // parallel reads keep their connections
			IdleConnTimeout:     30 * time.Second,
		},
		// A token or an assertion must never follow a redirect elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	known, _ := c.http.LoadOrStore(certificate, fresh)
	return known.(*http.Client)
}
