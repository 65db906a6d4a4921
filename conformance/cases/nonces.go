package cases

import (
	"net/http"

	"github.com/headgate/headgate/conformance/suite"
)

// bindingNonces: nonces of the server in DPoP proofs, RFC 9449 sections 8 and
// 9, where the target demands them. Everywhere else the run sends them as a
// client does: the first answer hands one out, and the request is sent again.
func bindingNonces() []suite.Case {
	var cases []suite.Case
	for _, at := range []struct {
		id, where string
		need      suite.Claim
		request   func(t *suite.T, g *suite.Grant) *suite.Request
		want      suite.Answer
	}{
		{"token", "the token endpoint", suite.Refresh, func(t *suite.T, g *suite.Grant) *suite.Request { return t.RefreshRequest(g, g.Key) }, suite.Refused("use_dpop_nonce")},
		{"resource", "the resource", suite.Resource, func(t *suite.T, g *suite.Grant) *suite.Request { return t.Read(g, g.App.Resource) }, suite.Answer{Status: http.StatusUnauthorized, Challenge: "use_dpop_nonce"}},
	} {
		// asks sends a proof as it is, and expects to be handed a nonce, with
		// which the same request is then right.
		asks := func(t *suite.T, g *suite.Grant, bend func(proof *suite.JWT)) {
			r := at.request(t, g)
			r.NoRetry = true
			bend(r.Proof)
			resp := t.Send(r)
			t.Expect(resp, at.want)
			fresh := resp.Header.Get("DPoP-Nonce")
			if !t.Check(fresh != "", "the refusal hands out no nonce") {
				return
			}
			r = at.request(t, g)
			r.NoRetry, r.Proof.Claims["nonce"] = true, fresh
			t.Expect(t.Send(r), suite.OK)
		}
		one := func(id, title, mend string, bend func(proof *suite.JWT)) {
			cases = append(cases, suite.Case{
				ID: "binding.nonce." + at.id + "." + id, Title: "at " + at.where + " " + title, Spec: "RFC 9449, 8 and 9",
				Needs: []suite.Claim{suite.PAR, suite.DPoP, suite.DPoPNonce, at.need}, Mend: mend,
				Run: func(t *suite.T) { asks(t, t.Shared(t.A(), suite.Ask{}), bend) },
			})
		}
		const hand = "Answer use_dpop_nonce with a DPoP-Nonce header, and take the request with that nonce."
		one("missing", "a proof without a nonce is answered with one, and is right with it", hand, func(*suite.JWT) {})
		one("made-up", "a nonce that the server did not make is refused", "Authenticate nonces, or remember them.", func(p *suite.JWT) { p.Claims["nonce"] = suite.NewUUID() })
		cases = append(cases, suite.Case{
			ID: "binding.nonce." + at.id + ".altered", Title: "at " + at.where + " a nonce that was changed in its last or first character is refused", Spec: "RFC 9449, 8 and 9",
			Needs: []suite.Claim{suite.PAR, suite.DPoP, suite.DPoPNonce, at.need}, Mend: "Authenticate the whole nonce.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := at.request(t, g)
				r.NoRetry = true
				good := t.Send(r).Header.Get("DPoP-Nonce")
				if len(good) < 2 {
					t.Fatalf("no nonce is handed out")
				}
				// The last character of base64url may hold bits that do not
				// count: the one before it does not.
				end := len(good) - 2
				for _, bent := range []string{flip(good[0]) + good[1:], good[:end] + flip(good[end]) + good[end+1:], good[:len(good)/2]} {
					asks(t, g, func(p *suite.JWT) { p.Claims["nonce"] = bent })
				}
			},
		})
	}
	return cases
}
