package cases

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/conformance/suite"
)

// hosts are all that the deployment listens on, as far as it tells.
func hosts(t *suite.T) []string {
	found := map[string]bool{}
	m := t.Metadata()
	for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "pushed_authorization_request_endpoint", "jwks_uri"} {
		for _, address := range []string{m.Text(name), m.Alias(name)} {
			if u, err := url.Parse(address); err == nil && u.Host != "" {
				found[u.Host] = true
			}
		}
	}
	for _, address := range []string{t.Target.ResourceBase, t.Target.MTLSBase} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			found[u.Host] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// transport: TLS, FAPI 2.0 section 5.2.
func transport() []suite.Case {
	each := func(f func(t *suite.T, host string)) func(t *suite.T) {
		return func(t *suite.T) {
			for _, host := range hosts(t) {
				f(t, host)
			}
		}
	}
	return []suite.Case{
		{
			ID: "tls.version.old-refused", Title: "TLS 1.0 and 1.1 are refused", Spec: "FAPI 2.0 Security Profile, 5.2.1; RFC 9325, 3.1.1",
			Mend: "Set the lowest version of every listener to TLS 1.2.",
			Run: each(func(t *suite.T, host string) {
				for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
					_, err := t.Handshake(host, &tls.Config{MinVersion: version, MaxVersion: version})
					t.Check(err != nil, "%s speaks %s", host, tls.VersionName(version))
				}
			}),
		},
		{
			ID: "tls.version.1-3", Title: "TLS 1.3 is offered", Spec: "RFC 9325, 3.1.1", Severity: suite.Should,
			Mend: "Allow TLS 1.3 on every listener.",
			Run: each(func(t *suite.T, host string) {
				_, err := t.Handshake(host, &tls.Config{MinVersion: tls.VersionTLS13})
				t.Check(err == nil, "%s does not speak TLS 1.3", host)
			}),
		},
		{
			ID: "tls.suites.cbc-refused", Title: "TLS 1.2 without forward secrecy or with CBC is refused", Spec: "FAPI 2.0 Security Profile, 5.2.1; RFC 9325, 4.2",
			Mend: "With TLS 1.2, permit the ECDHE suites with GCM alone.",
			Run: each(func(t *suite.T, host string) {
				var weak []uint16
				for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
					if slices.Contains(s.SupportedVersions, uint16(tls.VersionTLS12)) && !(strings.HasPrefix(s.Name, "TLS_ECDHE_") && (strings.Contains(s.Name, "_GCM_") || strings.Contains(s.Name, "CHACHA20"))) {
						weak = append(weak, s.ID)
					}
				}
				state, err := t.Handshake(host, &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: weak})
				t.Check(err != nil, "%s agrees to %s", host, tls.CipherSuiteName(state.CipherSuite))
			}),
		},
		{
			ID: "tls.suites.gcm", Title: "whoever speaks TLS 1.2 with a permitted suite is served", Spec: "FAPI 2.0 Security Profile, 5.2.1", Severity: suite.Should,
			Mend: "With TLS 1.2, permit TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 and its ECDSA and 256 bit sisters.",
			Run: each(func(t *suite.T, host string) {
				_, err := t.Handshake(host, &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{
					tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
					tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
				}})
				t.Check(err == nil, "%s refuses the suites of FAPI", host)
			}),
		},
		{
			ID: "tls.certificate.hostname", Title: "each host has a valid certificate for its name", Spec: "RFC 9525, 6; FAPI 2.0 Security Profile, 5.2.1",
			Mend: "Issue a certificate for the name that clients use, from an authority that they trust.",
			Run: each(func(t *suite.T, host string) {
				state, err := t.Handshake(host, &tls.Config{MinVersion: tls.VersionTLS12})
				if !t.Check(err == nil, "the certificate of %s is not valid for it", host) {
					return
				}
				leaf := state.PeerCertificates[0]
				t.Check(leaf.SignatureAlgorithm != x509.SHA1WithRSA && leaf.SignatureAlgorithm != x509.MD5WithRSA, "the certificate of %s is signed with %s", host, leaf.SignatureAlgorithm)
			}),
		},
		{
			ID: "tls.plain-http", Title: "no host serves plain HTTP", Spec: "FAPI 2.0 Security Profile, 5.2.1",
			Mend: "Close plain listeners, or have them redirect to https and nothing else.",
			Run: each(func(t *suite.T, host string) {
				r := suite.Get("http://" + host + "/.well-known/oauth-authorization-server")
				resp, err := t.TrySend(r)
				t.Check(err != nil || resp.Status >= 300, "%s answers plain HTTP", host)
			}),
		},
		{
			ID: "tls.client-certificate.consumer", Title: "the consumer's browser is not asked for a certificate", Spec: "RFC 8705, 5", Severity: suite.Should,
			Mend: "Ask for client certificates on a host of its own (mtls_endpoint_aliases): browsers would show a dialog.",
			Run: func(t *suite.T) {
				u, err := url.Parse(t.Endpoint(nil, "authorization_endpoint"))
				if err != nil {
					t.Fatalf("authorization_endpoint is not an address")
				}
				asked := false
				_, err = t.Handshake(u.Host, &tls.Config{MinVersion: tls.VersionTLS12, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					asked = true
					return &tls.Certificate{}, nil
				}})
				t.Check(err == nil && !asked, "%s asks browsers for a certificate", u.Host)
			},
		},
	}
}
