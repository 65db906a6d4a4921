package cases

import (
	"net/url"

	"github.com/headgate/headgate/conformance/suite"
)

// clientAuth: private_key_jwt and client certificates, RFC 7523, RFC 8705,
// FAPI 2.0 section 5.3.2.1.
func clientAuth() []suite.Case {
	return []suite.Case{
		{
			ID: "client-auth.assertion.signature", Title: "a client assertion with a broken signature is refused", Spec: "RFC 7523, 3", Needs: []suite.Claim{suite.PAR},
			Mend: "Verify the signature of the assertion with the client's registered keys before anything else is believed.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.A(), suite.Ask{})
				r.Assertion.Bend = suite.BreakSignature
				t.Expect(t.Send(r), suite.InvalidClient)
			},
		},
		{
			ID: "client-auth.mtls.no-certificate", Title: "a client of tls_client_auth without its certificate is refused", Spec: "RFC 8705, 2", Needs: []suite.Claim{suite.PAR, suite.MTLS},
			Mend: "A client_id alone is no authentication: demand the registered certificate from clients of tls_client_auth.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.ByCertificate(), suite.Ask{})
				r.Certificate = nil
				t.Expect(t.Send(r), suite.InvalidClient)
			},
		},
		{
			ID: "client-auth.none.refused", Title: "a request without client authentication is refused", Spec: "FAPI 2.0 Security Profile, 5.3.2.1", Needs: []suite.Claim{suite.PAR},
			Mend: "Only confidential clients: refuse client_id alone.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.A(), suite.Ask{})
				r.Assertion = nil
				r.Form = url.Values(r.Form)
				r.Form.Del("client_assertion_type")
				t.Expect(t.Send(r), suite.InvalidClient)
			},
		},
	}
}
