package cases

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/headgate/headgate/conformance/suite"
)

// metadata: what the server says about itself, RFC 8414 and FAPI 2.0.
func metadata() []suite.Case {
	return []suite.Case{
		{
			ID: "metadata.documents.same", Title: "both well-known documents are there and say the same", Spec: "RFC 8414, 3.1; OpenID Connect Discovery, 4",
			Severity: suite.Should, Needs: []suite.Claim{suite.OpenID},
			Mend: "Serve the same bytes at /.well-known/oauth-authorization-server and /.well-known/openid-configuration: clients read one or the other.",
			Run: func(t *suite.T) {
				oauth, openID := t.WellKnown()
				one, other := t.Send(suite.Get(oauth)), t.Send(suite.Get(openID))
				t.Expect(one, suite.OK)
				t.Expect(other, suite.OK)
				t.Check(bytes.Equal(one.Body, other.Body), "the two documents differ")
			},
		},
		{
			ID: "metadata.issuer.exact", Title: "issuer is the issuer, character by character", Spec: "RFC 8414, 3.3",
			Mend: "Publish the issuer exactly as clients know it, without a slash at the end that they do not have: they refuse any other.",
			Run: func(t *suite.T) {
				oauth, openID := t.WellKnown()
				resp := t.Send(suite.Get(oauth))
				if resp.Status == http.StatusNotFound {
					resp = t.Send(suite.Get(openID))
				}
				t.Expect(resp, suite.Answer{Status: 200, JSON: map[string]any{"issuer": t.Target.Issuer}})
			},
		},
		{
			ID: "metadata.pkce.s256-only", Title: "S256 is the only code challenge method", Spec: "FAPI 2.0 Security Profile, 5.3.2.2",
			Mend: "List S256 alone in code_challenge_methods_supported: plain protects nothing.",
			Run: func(t *suite.T) {
				got := t.Metadata().List("code_challenge_methods_supported")
				t.Check(slices.Equal(got, []string{"S256"}), "code_challenge_methods_supported is %v; expected S256 alone", got)
			},
		},
	}
}
