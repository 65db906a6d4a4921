package cases

import "github.com/headgate/headgate/conformance/suite"

// binding: tokens that are of use to their owner alone, RFC 9449 and RFC
// 8705 section 3, at the token endpoint and at the resource.
func binding() []suite.Case {
	return []suite.Case{
		{
			ID: "binding.dpop.htm", Title: "a proof for another method is refused at the resource", Spec: "RFC 9449, 4.3", Needs: []suite.Claim{suite.Resource, suite.DPoP},
			Mend: "Compare htm with the method of the request.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.Read(g, g.App.Resource)
				r.Proof.Claims["htm"] = "POST"
				t.Expect(t.Send(r), suite.BadProof)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		},
		{
			ID: "binding.mtls.no-certificate", Title: "a certificate-bound token without its certificate is refused", Spec: "RFC 8705, 3", Needs: []suite.Claim{suite.Resource, suite.MTLS},
			Mend: "Compare the certificate of the connection with cnf.x5t#S256 of the token; none is a mismatch.",
			Run: func(t *suite.T) {
				g := t.Shared(t.ByCertificate(), suite.Ask{})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				r := t.Read(g, g.App.Resource)
				r.Certificate = nil
				t.Expect(t.Send(r), suite.Unauthorized)
			},
		},
	}
}
