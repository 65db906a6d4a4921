package cases

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/conformance/suite"
)

// token: the token endpoint, RFC 6749 and FAPI 2.0 section 5.3.2.1.
func token() []suite.Case {
	return slices.Concat(tokenRedeem(), tokenForm(), tokenAnswer(), tokenRefresh(), tokenCredentials())
}

// redeem is a case that bends the redemption of a code. What is refused must
// leave the code as it was: the unbent request is sent after it, and works.
func redeem(id, title, spec, mend string, want suite.Answer, bend func(t *suite.T, a *suite.Attempt, r *suite.Request)) suite.Case {
	return suite.Case{
		ID: "token." + id, Title: title + ", and the code stays good for its owner", Spec: spec, Mend: mend, Needs: []suite.Claim{suite.PAR},
		Run: func(t *suite.T) {
			a := t.Code(t.A(), suite.Ask{})
			r := t.TokenRequest(a)
			bend(t, a, r)
			t.Expect(t.Send(r), want)
			t.Expect(t.Send(t.TokenRequest(a)), suite.OK)
		},
	}
}

// redeemed is redeem for requests of the code's owner that name the right
// code. RFC 6749 section 4.1.2 lets a server use a code up by the first try,
// whatever comes of it: the code has to stay good only where the target claims
// so. The unbent request is sent with a new code where it was used up.
func redeemed(id, title, spec, mend string, want suite.Answer, bend func(t *suite.T, a *suite.Attempt, r *suite.Request)) suite.Case {
	return suite.Case{
		ID: "token." + id, Title: title + ", and a request without that fault is not", Spec: spec, Mend: mend, Needs: []suite.Claim{suite.PAR},
		Run: func(t *suite.T) {
			a := t.Code(t.A(), suite.Ask{})
			r := t.TokenRequest(a)
			bend(t, a, r)
			t.Expect(t.Send(r), want)
			again := t.Send(t.TokenRequest(a))
			if again.Status != http.StatusOK && !t.HasClaim(suite.KeepsCodes) {
				t.Expect(again, suite.Refused("invalid_grant"))
				t.Logf("the code was used up by the request that was refused")
				again = t.Send(t.TokenRequest(t.Code(t.A(), suite.Ask{})))
			}
			t.Expect(again, suite.OK)
		},
	}
}

func tokenRedeem() []suite.Case {
	const compare = "Compare the S256 hash of code_verifier with code_challenge before the code is used up."
	const whole = "Look a code up by a keyed hash of the whole value."
	bent := func(name string, change func(value string) string) func(*suite.T, *suite.Attempt, *suite.Request) {
		return func(_ *suite.T, _ *suite.Attempt, r *suite.Request) { r.Form.Set(name, change(r.Form.Get(name))) }
	}
	without := func(name string) func(*suite.T, *suite.Attempt, *suite.Request) {
		return func(_ *suite.T, _ *suite.Attempt, r *suite.Request) { r.Form.Del(name) }
	}
	grant, either := suite.Refused("invalid_grant"), suite.Refused("invalid_grant", "invalid_request")
	// Servers with OpenID Connect may do without redirect_uri where one is
	// registered; PKCE keeps the code for its owner then.
	noRedirect := redeemed("redirect.missing", "a redemption without the redirect_uri that was pushed is refused", "RFC 6749, 4.1.3; left open by OpenID Connect Core, 3.1.3.2", "redirect_uri was part of the request, so it is required here.", either, without("redirect_uri"))
	noRedirect.Severity = suite.May
	return []suite.Case{
		noRedirect,
		redeemed("pkce.wrong-verifier", "a wrong code_verifier is refused", "RFC 7636, 4.6", compare, grant,
			func(t *suite.T, a *suite.Attempt, r *suite.Request) {
				r.Form.Set("code_verifier", t.NewAttempt(a.App, suite.Ask{}).Verifier)
			}),
		redeemed("pkce.no-verifier", "a redemption without code_verifier is refused", "RFC 7636, 4.6", compare, either, without("code_verifier")),
		redeemed("pkce.challenge-as-verifier", "code_challenge in the place of code_verifier is refused", "RFC 7636, 4.6", "Only S256 is a method: plain must not be a way around it.", grant,
			func(_ *suite.T, a *suite.Attempt, r *suite.Request) {
				r.Form.Set("code_verifier", a.Parameters.Get("code_challenge"))
			}),
		redeemed("pkce.short-verifier", "a code_verifier of fewer than 43 characters is refused", "RFC 7636, 4.1", compare, either, bent("code_verifier", func(v string) string { return v[:42] })),
		redeemed("pkce.longer-verifier", "a code_verifier with one more character is refused", "RFC 7636, 4.6", compare, grant, bent("code_verifier", func(v string) string { return v + "A" })),
		redeemed("redirect.other", "a redirect_uri other than that of the request is refused", "RFC 6749, 4.1.3", "Compare redirect_uri exactly with what was pushed.", grant, bent("redirect_uri", func(v string) string { return v + "/" })),
		redeem("code.unknown", "a code that was never issued is refused", "RFC 6749, 5.2", whole, grant, bent("code", func(string) string { return rand.Text() + rand.Text() })),
		redeem("code.truncated", "a code without its last character is refused", "RFC 6749, 5.2", whole, grant, bent("code", func(v string) string { return v[:len(v)-1] })),
		redeem("code.longer", "a code with something behind it is refused", "RFC 6749, 5.2", whole, grant, bent("code", func(v string) string { return v + "A" })),
		redeem("code.in-other-case", "a code is compared exactly", "RFC 6749, 5.2", whole, grant, bent("code", func(v string) string {
			return strings.Map(func(c rune) rune {
				switch {
				case c >= 'a' && c <= 'z':
					return c - 'a' + 'A'
				case c >= 'A' && c <= 'Z':
					return c - 'A' + 'a'
				}
				return c
			}, v)
		})),
		redeem("code.missing", "a redemption without a code is refused", "RFC 6749, 5.2", "code is required.", either, without("code")),
		redeem("code.too-long", "a code of 8,000 characters is refused", "RFC 6749, 5.2", "Bound the length of parameters.", either, bent("code", func(string) string { return strings.Repeat("A", 8000) })),
		redeem("code.foreign-client", "another client's code is refused", "RFC 6749, 4.1.3", "Compare the client that a code was issued to before anything else is done with it.", grant,
			func(t *suite.T, a *suite.Attempt, r *suite.Request) {
				other := *a
				other.App = t.B()
				*r = *t.TokenRequest(&other)
				r.Form.Set("redirect_uri", a.App.RedirectURI)
			}),
		redeemed("code.other-dpop-key", "a code whose request named a DPoP key is refused with a proof by another", "RFC 9449, 10", "Keep dpop_jkt, or the key of the proof at the pushed request, with the code.", suite.Refused("invalid_grant", "invalid_dpop_proof"),
			func(_ *suite.T, _ *suite.Attempt, r *suite.Request) { r.Proof.Resign(suite.NewKey("ES256")) }),
		{
			ID: "token.code.reuse", Title: "a code that was redeemed is refused", Spec: "RFC 6749, 4.1.2", Needs: []suite.Claim{suite.PAR},
			Mend: "Use the code up by a compare-and-set in the transaction that issues the tokens.",
			Run: func(t *suite.T) {
				a := t.Code(t.A(), suite.Ask{})
				t.Expect(t.Send(t.TokenRequest(a)), suite.OK)
				t.Expect(t.Send(t.TokenRequest(a)), grant)
			},
		},
		{
			ID: "token.code.reuse-ends-tokens", Title: "the tokens of a code that comes back are of no use any more", Spec: "RFC 6749, 4.1.2", Severity: suite.Should, Needs: []suite.Claim{suite.PAR, suite.Resource},
			Mend: "A code that comes back from its own client has leaked: revoke what was issued for it.",
			Run: func(t *suite.T) {
				a := t.Code(t.A(), suite.Ask{})
				g := t.Redeem(a)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				t.Expect(t.Send(t.TokenRequest(a)), grant)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.Unauthorized)
			},
		},
		{
			ID: "token.code.foreign-reuse-ends-nothing", Title: "another client that sends a redeemed code ends nobody's tokens", Spec: "RFC 6749, 4.1.2; RFC 9700, 4.5", Needs: []suite.Claim{suite.PAR, suite.Resource},
			Mend: "Compare the client before a replay is acted upon: else whoever finds a code can end a consent.",
			Run: func(t *suite.T) {
				a := t.Code(t.A(), suite.Ask{})
				g := t.Redeem(a)
				other := *a
				other.App = t.B()
				t.Expect(t.Send(t.TokenRequest(&other)), grant)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		},
	}
}

// tokenForm: what is wrong with the request itself.
func tokenForm() []suite.Case {
	const form = "RFC 6749, 3.2"
	return []suite.Case{
		redeem("form.no-grant-type", "a request without grant_type is refused", "RFC 6749, 4.1.3", "grant_type is required.", suite.Refused("invalid_request", "unsupported_grant_type"),
			func(_ *suite.T, _ *suite.Attempt, r *suite.Request) { r.Form.Del("grant_type") }),
		redeem("form.password", "the password grant does not exist", "FAPI 2.0 Security Profile, 5.3.2.1; RFC 9700, 2.4", "Offer authorization_code, refresh_token and, if need be, client_credentials alone.", suite.Refused("unsupported_grant_type", "unauthorized_client"),
			func(t *suite.T, _ *suite.Attempt, r *suite.Request) {
				r.Form.Set("grant_type", "password")
				r.Form.Set("username", t.Persona("").Username)
				r.Form.Set("password", "wrong")
			}),
		redeem("form.unknown-grant-type", "an unknown grant_type is refused", "RFC 6749, 5.2", "Refuse what is not offered.", suite.Refused("unsupported_grant_type"),
			func(_ *suite.T, _ *suite.Attempt, r *suite.Request) {
				r.Form.Set("grant_type", "urn:example:params:oauth:grant-type:wish")
			}),
		redeem("form.code-twice", "a parameter that is there twice is refused", form, "Parameters must not be included more than once.", suite.Refused("invalid_request"),
			func(_ *suite.T, _ *suite.Attempt, r *suite.Request) {
				r.Form["code"] = append(r.Form["code"], r.Form.Get("code"))
			}),
		redeem("form.grant-type-twice", "two different grant types are refused", form, "Parameters must not be included more than once.", suite.Refused("invalid_request", "unsupported_grant_type"),
			func(_ *suite.T, _ *suite.Attempt, r *suite.Request) {
				r.Form["grant_type"] = append(r.Form["grant_type"], "refresh_token")
			}),
		redeem("form.in-query", "parameters in the query do not stand in for the body", form, "Read parameters of the token endpoint from the body alone.", suite.Refused("invalid_request", "invalid_grant"),
			func(_ *suite.T, _ *suite.Attempt, r *suite.Request) {
				r.URL += "?code=" + r.Form.Get("code")
				r.Form.Del("code")
			}),
		{
			ID: "token.form.get", Title: "the token endpoint does not answer GET", Spec: form, Needs: []suite.Claim{suite.PAR},
			Mend: "Only POST may issue tokens: a GET leaves its parameters in logs.",
			Run: func(t *suite.T) {
				resp := t.Send(suite.Get(t.Endpoint(t.A(), "token_endpoint") + "?grant_type=authorization_code"))
				t.Expect(resp, suite.Answer{Statuses: []int{400, 404, 405}, Absent: []string{"access_token"}})
			},
		},
		{
			ID: "token.form.json", Title: "a body that is no form is refused", Spec: form, Needs: []suite.Claim{suite.PAR},
			Mend: "The media type is application/x-www-form-urlencoded.",
			Run: func(t *suite.T) {
				r := t.TokenRequest(t.Code(t.A(), suite.Ask{}))
				r.Form, r.Assertion, r.Body = nil, nil, []byte(`{"grant_type":"authorization_code"}`)
				r.Header.Set("Content-Type", "application/json")
				t.Expect(t.Send(r), suite.Answer{Statuses: []int{400, 401, 415}, Absent: []string{"access_token"}})
			},
		},
	}
}

// tokenAnswer: what a successful answer says.
func tokenAnswer() []suite.Case {
	return []suite.Case{
		{
			ID: "token.answer.shape", Title: "a token answer says what the token is, for how long, and must not be stored", Spec: "RFC 6749, 5.1; RFC 9449, 5", Needs: []suite.Claim{suite.PAR, suite.DPoP},
			Mend: "Answer with access_token, token_type DPoP, expires_in and Cache-Control: no-store.",
			Run: func(t *suite.T) {
				resp := t.Send(t.TokenRequest(t.Code(t.A(), suite.Ask{})))
				t.Expect(resp, suite.Answer{Status: 200, Present: []string{"access_token", "expires_in"}, Absent: []string{"error"}})
				t.Check(strings.EqualFold(resp.Text("token_type"), "DPoP"), "token_type is %q; expected DPoP", resp.Text("token_type"))
				t.Check(strings.Contains(resp.Header.Get("Cache-Control"), "no-store"), "Cache-Control does not say no-store")
			},
		},
		{
			ID: "token.answer.certificate", Title: "a certificate-bound token is of type Bearer", Spec: "RFC 8705, 3", Needs: []suite.Claim{suite.PAR, suite.MTLS},
			Mend: "token_type of a certificate-bound token is Bearer; the binding is in cnf.",
			Run: func(t *suite.T) {
				resp := t.Send(t.TokenRequest(t.Code(t.ByCertificate(), suite.Ask{})))
				t.Expect(resp, suite.OK)
				t.Check(strings.EqualFold(resp.Text("token_type"), "Bearer"), "token_type is %q; expected Bearer", resp.Text("token_type"))
			},
		},
		{
			ID: "token.answer.entropy", Title: "tokens cannot be guessed, and no two are alike", Spec: "RFC 6749, 10.10", Needs: []suite.Claim{suite.PAR},
			Mend: "Make tokens of at least 128 random bits.",
			Run: func(t *suite.T) {
				one, two := t.Grant(t.A(), suite.Ask{}), t.Grant(t.A(), suite.Ask{})
				for name, pair := range map[string][2]string{"access": {one.Access, two.Access}, "refresh": {one.Refresh, two.Refresh}, "code": {one.Attempt.Code, two.Attempt.Code}} {
					if pair[0] == "" && name == "refresh" {
						continue
					}
					t.Check(len(pair[0]) >= 22 && pair[0] != pair[1], "the two %s tokens are alike, or shorter than 22 characters", name)
					same := 0
					for i := range min(len(pair[0]), len(pair[1])) {
						if pair[0][i] == pair[1][i] {
							same++
						}
					}
					t.Check(len(pair[0])-same >= 15, "the two %s tokens differ in %d places alone", name, len(pair[0])-same)
				}
			},
		},
		{
			ID: "token.answer.details", Title: "the answer says what was granted", Spec: "RFC 9396, 7", Needs: []suite.Claim{suite.PAR, suite.RAR},
			Mend: "Put authorization_details into the token answer, with what the consumer chose.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				list, _ := g.Token["authorization_details"].([]any)
				t.Check(len(list) > 0, "the answer has no authorization_details")
			},
		},
		{
			ID: "token.answer.lifetime", Title: "an access token lives for an hour at most", Spec: "RFC 9700, 2.2", Severity: suite.Should, Needs: []suite.Claim{suite.PAR},
			Mend: "Issue short-lived access tokens: a refresh is cheap.",
			Run: func(t *suite.T) {
				seconds, _ := t.Shared(t.A(), suite.Ask{}).Token["expires_in"].(float64)
				t.Check(seconds >= 1 && seconds <= 3600, "expires_in is %v", seconds)
			},
		},
	}
}

// tokenRefresh: refresh tokens, RFC 6749 section 6.
func tokenRefresh() []suite.Case {
	needs := []suite.Claim{suite.PAR, suite.Refresh, suite.Resource}
	grant := suite.Refused("invalid_grant")
	refused := func(id, title, spec, mend string, want suite.Answer, bend func(t *suite.T, g *suite.Grant, r *suite.Request)) suite.Case {
		return suite.Case{
			ID: "token.refresh." + id, Title: title + ", and the refresh token stays good for its owner", Spec: spec, Mend: mend, Needs: needs,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.RefreshRequest(g, g.Key)
				bend(t, g, r)
				t.Expect(t.Send(r), want)
				t.Expect(t.Send(t.RefreshRequest(g, g.Key)), suite.OK)
			},
		}
	}
	return []suite.Case{
		{
			ID: "token.refresh.works", Title: "a refresh token gives an access token that opens the resource", Spec: "RFC 6749, 6", Needs: needs,
			Mend: "Issue access tokens for refresh tokens as long as the consent lives.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				resp := t.Send(t.RefreshRequest(g, g.Key))
				t.Expect(resp, suite.Answer{Status: 200, Present: []string{"access_token"}})
				next := *g
				next.Access = resp.Text("access_token")
				t.Check(next.Access != g.Access, "the access token is the old one")
				t.Expect(t.Send(t.Read(&next, g.App.Resource)), suite.OK)
			},
		},
		{
			ID: "token.refresh.new-key", Title: "a confidential client may bind the next access token to another key", Spec: "RFC 9449, 5", Needs: append([]suite.Claim{suite.DPoP}, needs...),
			Mend: "The refresh token of a confidential client is bound to the client, not to a DPoP key.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				key := suite.NewKey("ES256")
				resp := t.Send(t.RefreshRequest(g, key))
				t.Expect(resp, suite.Answer{Status: 200, Present: []string{"access_token"}})
				next := *g
				next.Access, next.Key = resp.Text("access_token"), key
				t.Expect(t.Send(t.Read(&next, g.App.Resource)), suite.OK)
				next.Key = g.Key
				t.Expect(t.Send(t.Read(&next, g.App.Resource)), suite.Answer{Status: 401})
			},
		},
		{
			ID: "token.refresh.not-rotated", Title: "a refresh token is good for more than one refresh", Spec: "FAPI 2.0 Security Profile, 5.3.2.1", Needs: append([]suite.Claim{suite.NoRotation}, needs...),
			Mend: "Do not rotate refresh tokens: an answer that gets lost must not strand the client.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				for range 3 {
					resp := t.Send(t.RefreshRequest(g, g.Key))
					t.Expect(resp, suite.OK)
					next := resp.Text("refresh_token")
					t.Check(next == "" || next == g.Refresh, "the refresh token was replaced")
				}
			},
		},
		refused("foreign-client", "another client's refresh token is refused", "RFC 6749, 6", "Compare the client that a refresh token was issued to.", grant,
			func(t *suite.T, g *suite.Grant, r *suite.Request) {
				other := *g
				other.App = t.B()
				*r = *t.RefreshRequest(&other, g.Key)
			}),
		refused("access-token", "an access token is no refresh token", "RFC 6749, 6", "Keep the kinds of tokens apart.", grant,
			func(_ *suite.T, g *suite.Grant, r *suite.Request) { r.Form.Set("refresh_token", g.Access) }),
		refused("code", "a code is no refresh token", "RFC 6749, 6", "Keep the kinds of tokens apart.", grant,
			func(_ *suite.T, g *suite.Grant, r *suite.Request) { r.Form.Set("refresh_token", g.Attempt.Code) }),
		refused("truncated", "a refresh token without its last character is refused", "RFC 6749, 6", "Look a token up by a keyed hash of the whole value.", grant,
			func(_ *suite.T, g *suite.Grant, r *suite.Request) {
				r.Form.Set("refresh_token", g.Refresh[:len(g.Refresh)-1])
			}),
		refused("missing", "a refresh without a refresh token is refused", "RFC 6749, 6", "refresh_token is required.", suite.Refused("invalid_request", "invalid_grant"),
			func(_ *suite.T, _ *suite.Grant, r *suite.Request) { r.Form.Del("refresh_token") }),
		refused("more-scope", "a refresh for a scope that was not granted is refused", "RFC 6749, 6", "The scope of a refresh must be within that of the grant.", suite.Refused("invalid_scope"),
			func(_ *suite.T, _ *suite.Grant, r *suite.Request) { r.Form.Set("scope", "a-scope-that-nobody-granted") }),
		refused("no-proof", "a refresh by a client with DPoP-bound tokens needs a proof", "RFC 9449, 5", "Issue no unbound token to a client that is registered for bound ones.", suite.Refused("invalid_dpop_proof", "invalid_request"),
			func(_ *suite.T, _ *suite.Grant, r *suite.Request) { r.Proof = nil }),
		{
			ID: "token.refresh.old-access-token", Title: "a refresh leaves the access token before it alone", Spec: "RFC 6749, 6", Severity: suite.Should, Needs: needs,
			Mend: "Reads that are on the way when a client refreshes must not fail.",
			Run: func(t *suite.T) {
				g := t.Grant(t.A(), suite.Ask{})
				t.Expect(t.Send(t.RefreshRequest(g, g.Key)), suite.OK)
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		},
	}
}

// tokenCredentials: a client's own tokens, RFC 6749 section 4.4.
func tokenCredentials() []suite.Case {
	return []suite.Case{
		{
			ID: "token.own.not-registered", Title: "a client that is not registered for client_credentials gets none", Spec: "RFC 6749, 4.4.2", Needs: []suite.Claim{suite.PAR},
			Mend: "Refuse grant types that the client is not registered for.",
			Run: func(t *suite.T) {
				app := t.A()
				if t.HasClaim(suite.Personas) {
					app = t.Named("wealthview")
				}
				t.Expect(t.Send(t.CredentialsRequest(app, "", suite.NewKey("ES256"))), suite.Refused("unauthorized_client", "invalid_scope", "unsupported_grant_type"))
			},
		},
	}
}
