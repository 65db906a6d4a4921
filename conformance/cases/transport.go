package cases

import (
	"crypto/tls"
	"net/url"

	"github.com/headgate/headgate/conformance/suite"
)

// transport: TLS and what HTTP has to do, FAPI 2.0 section 5.2.
func transport() []suite.Case {
	return []suite.Case{
		{
			ID: "tls.version.old-refused", Title: "TLS 1.1 is refused", Spec: "FAPI 2.0 Security Profile, 5.2.1",
			Mend: "Set the lowest version of every listener to TLS 1.2.",
			Run: func(t *suite.T) {
				for _, address := range []string{t.Endpoint(nil, "token_endpoint"), t.Endpoint(nil, "authorization_endpoint")} {
					u, err := url.Parse(address)
					if err != nil {
						t.Fatalf("an endpoint is not an address")
					}
					_, err = t.Handshake(u.Host, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
					t.Check(err != nil, "%s speaks TLS 1.1", u.Host)
				}
			},
		},
	}
}
