package cases

import (
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// par: pushed authorization requests, RFC 9126.
func par() []suite.Case {
	return slices.Concat(parAnswers(), parRefused(), parDetails())
}

func parAnswers() []suite.Case {
	needs := []suite.Claim{suite.PAR}
	return []suite.Case{
		{
			ID: "par.answer.form", Title: "a pushed request is answered with 201, request_uri and expires_in", Spec: "RFC 9126, 2.2; FAPI 2.0 Security Profile, 5.3.2.2", Needs: needs,
			Mend: "Answer 201 with Cache-Control no-store, a request_uri and an expires_in below 600.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.A(), suite.Ask{})
				resp := t.Send(r)
				t.Expect(resp, suite.Answer{Status: http.StatusCreated, Present: []string{"request_uri"}})
				life, _ := resp.Member("expires_in").(float64)
				t.Check(life >= 5 && life < 600 && life == float64(int(life)), "expires_in is %v; expected a whole number from 5 to below 600", life)
				t.Check(strings.Contains(resp.Header.Get("Cache-Control"), "no-store"), "Cache-Control is not no-store")
				mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
				t.Check(mediaType == "application/json", "the answer is not application/json")
			},
		},
		{
			ID: "par.answer.unique", Title: "each request_uri is another one, too long to be guessed", Spec: "RFC 9126, 2.2 and 7.1", Needs: needs,
			Mend: "Put 128 random bits at least into each request_uri.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.A(), suite.Ask{})
				one := t.Send(r).Text("request_uri")
				again, _ := t.PushRequest(t.A(), suite.Ask{})
				other := t.Send(again).Text("request_uri")
				t.Check(one != "" && one != other, "two pushed requests have one request_uri")
				t.Check(len(one)-len(shared(one, other)) >= 22, "request_uri has fewer than 22 characters that differ")
			},
		},
		{
			ID: "par.accepts.unknown-parameter", Title: "a parameter that nobody knows is ignored", Spec: "RFC 6749, 3.1", Needs: needs,
			Mend: "Ignore parameters that are not understood.",
			Run:  accepted(func(f url.Values) { f.Set("urn-example-x", "1") }),
		},
		{
			ID: "par.accepts.state-long", Title: "a state of 1,000 characters is accepted", Spec: "RFC 6749, 4.1.1", Severity: suite.Should, Needs: needs,
			Mend: "Accept state up to some thousand characters; some clients keep encrypted data in it.",
			Run:  accepted(func(f url.Values) { f.Set("state", strings.Repeat("s", 1000)) }),
		},
		{
			ID: "par.accepts.no-state", Title: "a request without state is accepted", Spec: "RFC 6749, 4.1.1; FAPI 2.0 Security Profile, 5.3.2.2", Severity: suite.Should, Needs: needs,
			Mend: "state is optional: PKCE protects the client.",
			Run:  accepted(func(f url.Values) { f.Del("state") }),
		},
		{
			ID: "par.method.get", Title: "GET is refused", Spec: "RFC 9126, 2", Needs: needs,
			Mend: "Answer 405 with Allow: POST.",
			Run: func(t *suite.T) {
				resp := t.Send(suite.Get(t.Endpoint(nil, "pushed_authorization_request_endpoint")))
				t.Expect(resp, suite.Answer{Statuses: []int{http.StatusMethodNotAllowed, http.StatusNotFound}})
			},
		},
		{
			ID: "par.size", Title: "a body of two megabytes is refused", Spec: "RFC 9126, 2.3", Needs: needs,
			Mend: "Bound the body, and answer 413.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.A(), suite.Ask{})
				r.Form.Set("state", strings.Repeat("s", 2<<20))
				resp, err := t.TrySend(r)
				t.Check(err != nil || resp.Status == 413 || resp.Status == 400, "two megabytes are accepted")
			},
		},
	}
}

func shared(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return a[:i]
}

// accepted bends the form of a pushed request that still has to be accepted.
func accepted(bend func(f url.Values)) func(t *suite.T) {
	return func(t *suite.T) {
		r, _ := t.PushRequest(t.A(), suite.Ask{})
		bend(r.Form)
		t.Expect(t.Send(r), suite.Answer{Status: http.StatusCreated})
	}
}

// refusedPush makes a case of a pushed request that is accepted unbent and
// refused bent.
func refusedPush(id, title, spec, mend string, want suite.Answer, needs []suite.Claim, bend func(t *suite.T, r *suite.Request, a *suite.Attempt)) suite.Case {
	return suite.Case{
		ID: "par." + id, Title: title + " is refused when it is pushed", Spec: spec, Mend: mend, Needs: append([]suite.Claim{suite.PAR}, needs...),
		Run: func(t *suite.T) {
			good, _ := t.PushRequest(t.A(), suite.Ask{})
			t.Expect(t.Send(good), suite.Answer{Status: http.StatusCreated})
			r, a := t.PushRequest(t.A(), suite.Ask{})
			bend(t, r, a)
			t.Expect(t.Send(r), want)
		},
	}
}

func parRefused() []suite.Case {
	form := func(bend func(f url.Values)) func(*suite.T, *suite.Request, *suite.Attempt) {
		return func(_ *suite.T, r *suite.Request, _ *suite.Attempt) { bend(r.Form) }
	}
	invalid := suite.Refused("invalid_request")
	var out []suite.Case
	for _, c := range []struct {
		id, title, spec, mend string
		want                  suite.Answer
		needs                 []suite.Claim
		bend                  func(*suite.T, *suite.Request, *suite.Attempt)
	}{
		{"pkce.missing", "a request without code_challenge", "FAPI 2.0 Security Profile, 5.3.2.2", "Check PKCE at PAR, before a consumer is asked anything.", invalid, nil,
			form(func(f url.Values) { f.Del("code_challenge") })},
		{"pkce.plain", "code_challenge_method plain", "FAPI 2.0 Security Profile, 5.3.2.2", "Accept S256 alone.", invalid, nil,
			form(func(f url.Values) { f.Set("code_challenge_method", "plain") })},
		{"pkce.no-method", "a code_challenge without its method, which means plain", "RFC 7636, 4.3", "Without a method the challenge is plain, which FAPI forbids.", invalid, nil,
			form(func(f url.Values) { f.Del("code_challenge_method") })},
		{"pkce.short", "a code_challenge that is too short", "RFC 7636, 4.2", "A challenge by S256 has 43 characters of base64url.", invalid, nil,
			form(func(f url.Values) { f.Set("code_challenge", "short") })},
		{"response-type.missing", "a request without response_type", "RFC 6749, 4.1.1", "Demand response_type.", suite.Refused("invalid_request", "unsupported_response_type"), nil,
			form(func(f url.Values) { f.Del("response_type") })},
		{"response-type.token", "response_type token", "FAPI 2.0 Security Profile, 5.3.2.2", "Accept code alone.", suite.Refused("unsupported_response_type", "unauthorized_client", "invalid_request"), nil,
			form(func(f url.Values) { f.Set("response_type", "token") })},
		{"response-type.hybrid", "response_type code id_token", "FAPI 2.0 Security Profile, 5.3.2.2", "Accept code alone.", suite.Refused("unsupported_response_type", "unauthorized_client", "invalid_request"), nil,
			form(func(f url.Values) { f.Set("response_type", "code id_token") })},
		{"response-mode.fragment", "response_mode fragment", "FAPI 2.0 Security Profile, 5.3.2.2; RFC 9700, 4.1", "Accept the modes of the metadata alone.", invalid, nil,
			form(func(f url.Values) { f.Set("response_mode", "fragment") })},
		{"redirect-uri.missing", "a request without redirect_uri", "FAPI 2.0 Security Profile, 5.3.2.2", "Demand redirect_uri at PAR.", invalid, nil,
			form(func(f url.Values) { f.Del("redirect_uri") })},
		{"redirect-uri.unregistered", "a redirect_uri that is not registered", "FAPI 2.0 Security Profile, 5.3.2.2; RFC 6749, 3.1.2.3", "Compare with the registered ones, character by character.", suite.Refused("invalid_request", "invalid_redirect_uri"), nil,
			form(func(f url.Values) { f.Set("redirect_uri", "https://attacker.example/callback") })},
		{"redirect-uri.longer", "a redirect_uri with something after the registered one", "RFC 9700, 4.1.3", "Compare whole strings, not beginnings.", suite.Refused("invalid_request", "invalid_redirect_uri"), nil,
			form(func(f url.Values) { f.Set("redirect_uri", f.Get("redirect_uri")+"/../evil") })},
		{"redirect-uri.query", "a redirect_uri with a further parameter", "RFC 9700, 4.1.3", "Compare whole strings, the query too.", suite.Refused("invalid_request", "invalid_redirect_uri"), nil,
			form(func(f url.Values) {
				separator := "?"
				if strings.Contains(f.Get("redirect_uri"), "?") {
					separator = "&"
				}
				f.Set("redirect_uri", f.Get("redirect_uri")+separator+"next=https://attacker.example")
			})},
		{"redirect-uri.userinfo", "a redirect_uri whose host stands behind an @", "RFC 9700, 4.1.3", "Compare whole strings; do not parse them first.", suite.Refused("invalid_request", "invalid_redirect_uri"), nil,
			form(func(f url.Values) {
				f.Set("redirect_uri", strings.Replace(f.Get("redirect_uri"), "https://", "https://attacker.example@", 1))
			})},
		{"redirect-uri.of-another", "the redirect_uri of another client", "RFC 6749, 3.1.2.3", "Compare with the client's own registration.", suite.Refused("invalid_request", "invalid_redirect_uri"), nil,
			func(t *suite.T, r *suite.Request, _ *suite.Attempt) { r.Form.Set("redirect_uri", t.B().RedirectURI) }},
		{"request-uri", "a request_uri among the parameters", "RFC 9126, 2.1", "Refuse request_uri at PAR.", suite.Refused("invalid_request", "request_uri_not_supported"), nil,
			form(func(f url.Values) { f.Set("request_uri", "https://attacker.example/request.jwt") })},
		{"client-id.of-another", "the client_id of another client", "RFC 9126, 2.1", "client_id must be the authenticated client.", suite.Answer{Statuses: []int{400, 401}, Errors: []string{"invalid_request", "invalid_client"}}, nil,
			func(t *suite.T, r *suite.Request, _ *suite.Attempt) { r.Form.Set("client_id", t.B().ClientID) }},
		{"parameter.twice", "a parameter that is there twice", "RFC 6749, 3.1", "Refuse repeated parameters.", invalid, nil,
			form(func(f url.Values) { f.Add("state", "another") })},
		{"parameter.redirect-twice", "a second redirect_uri", "RFC 6749, 3.1", "Refuse repeated parameters: which one counts must not be a matter of luck.", invalid, nil,
			form(func(f url.Values) { f.Add("redirect_uri", "https://attacker.example/callback") })},
		{"parameter.in-query", "a parameter in the query", "RFC 9126, 2.1", "Read the body alone.", invalid, nil,
			func(_ *suite.T, r *suite.Request, _ *suite.Attempt) { r.URL += "?state=from-the-query" }},
		{"content-type.json", "a body in JSON", "RFC 9126, 2.1", "Accept application/x-www-form-urlencoded alone.", suite.Answer{Statuses: []int{400, 401, 415}}, nil,
			func(t *suite.T, r *suite.Request, _ *suite.Attempt) {
				compact, err := r.Assertion.Compact()
				if err != nil {
					t.Cannot("sign an assertion", err)
				}
				r.Form.Set("client_assertion", compact)
				members := map[string]string{}
				for name := range r.Form {
					members[name] = r.Form.Get(name)
				}
				body, err := json.Marshal(members)
				if err != nil {
					t.Cannot("encode", err)
				}
				r.Assertion, r.Form, r.Body = nil, nil, body
				r.Header.Set("Content-Type", "application/json")
			}},
		{"scope.unknown", "a scope that does not exist", "RFC 6749, 5.2", "Refuse unknown scopes, or else grant without them and say so.", suite.Refused("invalid_scope"), []suite.Claim{suite.FDXConsent},
			form(func(f url.Values) { f.Set("scope", "no:such:scope"); f.Del("authorization_details") })},
		{"scope.unregistered", "a scope that the client is not registered for", "RFC 6749, 5.2; RFC 7591, 2", "Compare with the client's registration.", suite.Refused("invalid_scope"), []suite.Claim{suite.FDXConsent},
			form(func(f url.Values) { f.Set("scope", "fdx:tax:read"); f.Del("authorization_details") })},
		{"dpop-jkt.mismatch", "a dpop_jkt that is not the thumbprint of the proof's key", "RFC 9449, 10.1", "Compare dpop_jkt with the proof.", suite.Refused("invalid_request", "invalid_dpop_proof"), []suite.Claim{suite.DPoP},
			form(func(f url.Values) { f.Set("dpop_jkt", suite.NewKey("ES256").Thumbprint()) })},
		{"dpop.signature", "a proof with a broken signature", "RFC 9449, 10.1", "Verify the proof at PAR as at the token endpoint.", suite.Refused("invalid_dpop_proof"), []suite.Claim{suite.DPoP},
			func(_ *suite.T, r *suite.Request, _ *suite.Attempt) { r.Proof.Bend = suite.BreakSignature }},
		{"dpop.htu", "a proof for another address", "RFC 9449, 4.3", "Compare htu with the address of the endpoint.", suite.Refused("invalid_dpop_proof"), []suite.Claim{suite.DPoP},
			func(t *suite.T, r *suite.Request, _ *suite.Attempt) {
				r.Proof.Claims["htu"] = "https://elsewhere.example/par"
			}},
		{"dpop.old", "a proof that is an hour old", "RFC 9449, 4.3", "Accept proofs of some minutes at most.", suite.Refused("invalid_dpop_proof"), []suite.Claim{suite.DPoP},
			func(_ *suite.T, r *suite.Request, _ *suite.Attempt) { r.Proof.Claims["iat"] = time.Now().Unix() - 3600 }},
		{"openid.acr-unmet", "a demand for an acr that nobody can meet", "OpenID Connect Core Error Code unmet_authentication_requirements, 2", "Refuse an essential acr that no login gives.", suite.Refused("unmet_authentication_requirements", "access_denied"), []suite.Claim{suite.OpenID, suite.Personas},
			form(func(f url.Values) {
				f.Set("scope", "openid")
				f.Set("claims", `{"id_token":{"acr":{"essential":true,"values":["urn:example:no-such-acr"]}}}`)
			})},
		{"openid.max-age", "a max_age that is not a number", "OpenID Connect Core, 3.1.2.1", "Parse strictly.", invalid, []suite.Claim{suite.OpenID},
			form(func(f url.Values) { f.Set("scope", "openid"); f.Set("max_age", "soon") })},
		{"openid.claims", "claims that are not JSON", "OpenID Connect Core, 5.5", "Parse strictly.", invalid, []suite.Claim{suite.OpenID, suite.Personas},
			form(func(f url.Values) { f.Set("scope", "openid"); f.Set("claims", "{") })},
		{"grant.unknown", "a change of a grant that does not exist", "Grant Management, 5.2", "Refuse a grant_id that is no active grant of the client.", suite.Refused("invalid_grant_id"), []suite.Claim{suite.GrantManagement},
			form(func(f url.Values) { f.Set("grant_management_action", "merge"); f.Set("grant_id", "no-such-grant") })},
		{"grant.action", "a grant_management_action that does not exist", "Grant Management, 5.2", "Accept the actions of the metadata alone.", invalid, []suite.Claim{suite.GrantManagement},
			form(func(f url.Values) { f.Set("grant_management_action", "steal") })},
		{"grant.create-with-id", "create with a grant_id", "Grant Management, 5.2", "create makes a new grant: a grant_id contradicts it.", invalid, []suite.Claim{suite.GrantManagement},
			form(func(f url.Values) { f.Set("grant_management_action", "create"); f.Set("grant_id", "some-grant") })},
	} {
		one := refusedPush(c.id, c.title, c.spec, c.mend, c.want, c.needs, c.bend)
		switch c.id {
		case "parameter.in-query": // ignoring it is allowed
			one.Severity = suite.May
		case "response-mode.fragment":
			one.Severity = suite.Should
		}
		out = append(out, one)
	}
	return out
}

// parDetails: authorization_details that are refused, RFC 9396 section 5.
func parDetails() []suite.Case {
	request := func(bend func(details []any, request map[string]any)) func(*suite.T) any {
		return func(t *suite.T) any {
			details := suite.Details(t.A(), suite.Ask{})
			bend(details, details[0].(map[string]any)["consentRequest"].(map[string]any))
			return details
		}
	}
	resource := func(r map[string]any) map[string]any { return r["resources"].([]any)[0].(map[string]any) }
	var out []suite.Case
	for _, c := range []struct {
		id, title string
		details   func(t *suite.T) any
	}{
		{"type-unknown", "of a type that nobody knows", func(*suite.T) any { return []any{map[string]any{"type": "no_such_type"}} }},
		{"type-missing", "without type", request(func(d []any, _ map[string]any) { delete(d[0].(map[string]any), "type") })},
		{"not-a-list", "that are not a list", func(t *suite.T) any { return suite.Details(t.A(), suite.Ask{})[0] }},
		{"empty", "without an object", func(*suite.T) any { return []any{} }},
		{"member-unknown", "with a member that nobody knows", request(func(d []any, _ map[string]any) { d[0].(map[string]any)["everything"] = true })},
		{"request-missing", "without a consentRequest", func(*suite.T) any { return []any{map[string]any{"type": "fdx_v1.0"}} }},
		{"cluster-unknown", "with a data cluster that does not exist", request(func(_ []any, r map[string]any) { resource(r)["dataClusters"] = []string{"EVERYTHING"} })},
		{"cluster-unregistered", "with a data cluster that the client is not registered for", request(func(_ []any, r map[string]any) { resource(r)["dataClusters"] = []string{"ACCOUNT_BASIC", "TAX"} })},
		{"cluster-none", "without a data cluster", request(func(_ []any, r map[string]any) { resource(r)["dataClusters"] = []string{} })},
		{"resource-none", "without a resource", request(func(_ []any, r map[string]any) { r["resources"] = []any{} })},
		{"resource-unknown", "with a resource type that does not exist", request(func(_ []any, r map[string]any) { resource(r)["resourceType"] = "EVERYTHING" })},
		{"duration-unknown", "with a duration type that does not exist", request(func(_ []any, r map[string]any) { r["durationType"] = "FOREVER" })},
		{"duration-missing", "without a duration type", request(func(_ []any, r map[string]any) { delete(r, "durationType") })},
		{"duration-zero", "for no day", request(func(_ []any, r map[string]any) { r["durationPeriod"] = 0 })},
		{"duration-negative", "for a negative number of days", request(func(_ []any, r map[string]any) { r["durationPeriod"] = -1 })},
		{"duration-above", "for longer than the client is registered for", request(func(_ []any, r map[string]any) { r["durationPeriod"] = 100_000 })},
		{"duration-fraction", "for half a day", request(func(_ []any, r map[string]any) { r["durationPeriod"] = 0.5 })},
		{"lookback-negative", "with a look-back into the future", request(func(_ []any, r map[string]any) { r["lookbackPeriod"] = -1 })},
		{"lookback-above", "with a longer look-back than the client is registered for", request(func(_ []any, r map[string]any) { r["lookbackPeriod"] = 100_000 })},
	} {
		out = append(out, suite.Case{
			ID: "par.details." + c.id, Title: "authorization_details " + c.title + " are refused when they are pushed", Spec: "RFC 9396, 5; FDX API 6, ConsentRequest",
			Mend:  "Parse authorization_details strictly at PAR and answer invalid_authorization_details; ceilings come from the client's registration.",
			Needs: []suite.Claim{suite.PAR, suite.RAR, suite.FDXConsent},
			Run: func(t *suite.T) {
				good, _ := t.PushRequest(t.A(), suite.Ask{Details: suite.Details(t.A(), suite.Ask{})})
				t.Expect(t.Send(good), suite.Answer{Status: http.StatusCreated})
				r, _ := t.PushRequest(t.A(), suite.Ask{Details: c.details(t)})
				t.Expect(t.Send(r), suite.Refused("invalid_authorization_details"))
			},
		})
	}
	text := []suite.Case{{
		ID: "par.details.not-json", Title: "authorization_details that are not JSON are refused when they are pushed", Spec: "RFC 9396, 5",
		Mend: "Parse strictly.", Needs: []suite.Claim{suite.PAR, suite.RAR},
		Run: func(t *suite.T) {
			r, _ := t.PushRequest(t.A(), suite.Ask{})
			r.Form = url.Values(maps.Clone(r.Form))
			r.Form.Set("authorization_details", `[{"type":`)
			t.Expect(t.Send(r), suite.Refused("invalid_authorization_details", "invalid_request"))
		},
	}}
	return append(out, text...)
}
