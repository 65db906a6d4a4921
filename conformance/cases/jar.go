package cases

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// jar: signed requests, RFC 9101 and FAPI 2.0 Message Signing section 5.3.
func jar() []suite.Case {
	needs := []suite.Claim{suite.PAR, suite.JAR}
	var out []suite.Case
	for _, c := range []struct {
		id, title, spec, mend string
		want                  suite.Answer // the zero value: invalid_request_object
		bend                  func(t *suite.T, r *suite.Request)
	}{
		{"signature", "with a broken signature", "RFC 9101, 6.2", "Verify the signature with the client's registered keys.", suite.Answer{}, object(func(_ *suite.T, j *suite.JWT) { j.Bend = suite.BreakSignature })},
		{"no-signature", "without a signature", "RFC 9101, 6.2", "An empty signature is a wrong one.", suite.Answer{}, object(func(_ *suite.T, j *suite.JWT) { j.Key = nil })},
		{"alg-none", "with alg none", "FAPI 2.0 Message Signing, 5.3.1; RFC 9101, 10.1", "Allow PS256, ES256 and EdDSA by name.", suite.Answer{}, object(func(_ *suite.T, j *suite.JWT) { j.Key, j.Header["alg"] = nil, "none" })},
		{"alg-rs256", "signed with RS256", "FAPI 2.0 Security Profile, 5.4.1", "Allow PS256, ES256 and EdDSA by name.", suite.Answer{}, object(func(t *suite.T, j *suite.JWT) {
			j.Resign(suite.NewKey("RS256"))
			j.Header["kid"] = t.Signing().Key.ID
		})},
		{"alg-hmac", "signed by HMAC with the client's public key", "RFC 8725, 2.1", "Take the algorithm from the registered key.", suite.Answer{}, object(func(t *suite.T, j *suite.JWT) {
			public, err := json.Marshal(t.Signing().Key.JWK())
			if err != nil {
				t.Cannot("encode a key", err)
			}
			j.Resign(suite.NewSecret(public))
		})},
		{"foreign-key", "signed by a key that is not registered", "RFC 9101, 6.2", "Look keys up in the client's registration alone.", suite.Answer{}, object(func(t *suite.T, j *suite.JWT) {
			j.Resign(suite.NewKey("ES256"))
			j.Header["kid"] = t.Signing().Key.ID
		})},
		{"key-of-another", "of one client signed by another", "RFC 9101, 6.2", "The object is signed by the client that authenticates.", suite.Answer{}, object(func(t *suite.T, j *suite.JWT) { j.Resign(t.A().Key); j.Header["kid"] = t.A().Key.ID })},
		{"typ", "with the typ of something else", "RFC 9101, 10.8; RFC 8725, 3.11", "Accept oauth-authz-req+jwt alone, or nothing.", suite.Answer{}, object(func(_ *suite.T, j *suite.JWT) { j.Header["typ"] = "dpop+jwt" })},
		{"iss", "with another iss", "FAPI 2.0 Message Signing, 5.3.1", "iss is the client_id.", suite.Answer{}, object(func(t *suite.T, j *suite.JWT) { j.Claims["iss"] = t.A().ClientID })},
		{"aud-missing", "without aud", "FAPI 2.0 Message Signing, 5.3.1", "Demand aud.", suite.Answer{}, object(drop("aud"))},
		{"aud-other", "for another server", "FAPI 2.0 Message Signing, 5.3.1", "aud is the issuer.", suite.Answer{}, object(set("aud", "https://elsewhere.example"))},
		{"exp-missing", "without exp", "FAPI 2.0 Message Signing, 5.3.1", "Demand exp.", suite.Answer{}, object(drop("exp"))},
		{"exp-past", "that has expired", "FAPI 2.0 Message Signing, 5.3.1", "Compare exp with the clock.", suite.Answer{}, object(func(_ *suite.T, j *suite.JWT) {
			j.Claims["iat"], j.Claims["nbf"], j.Claims["exp"] = time.Now().Unix()-900, time.Now().Unix()-900, time.Now().Unix()-600
		})},
		{"nbf-missing", "without nbf", "FAPI 2.0 Message Signing, 5.3.1", "Demand nbf.", suite.Answer{}, object(drop("nbf"))},
		{"nbf-old", "whose nbf is two hours ago", "FAPI 2.0 Message Signing, 5.3.1", "Refuse objects with an nbf more than 60 minutes ago.", suite.Answer{}, object(func(_ *suite.T, j *suite.JWT) { j.Claims["nbf"] = time.Now().Unix() - 7200 })},
		{"nbf-future", "that is good only later", "FAPI 2.0 Message Signing, 5.3.1", "Compare nbf with the clock.", suite.Answer{}, object(func(_ *suite.T, j *suite.JWT) {
			j.Claims["nbf"], j.Claims["exp"] = time.Now().Unix()+600, time.Now().Unix()+900
		})},
		{"exp-far", "that is good for a day", "FAPI 2.0 Message Signing, 5.3.1", "Refuse objects with an exp more than 60 minutes after nbf.", suite.Answer{}, object(func(_ *suite.T, j *suite.JWT) { j.Claims["exp"] = time.Now().Unix() + 86_400 })},
		{"client-id-of-another", "with the client_id of another client", "RFC 9101, 5 and 6.3", "client_id inside is the client that authenticates.", suite.Answer{Statuses: []int{400, 401}, Errors: []string{"invalid_request_object", "invalid_request", "invalid_client"}}, object(func(t *suite.T, j *suite.JWT) { j.Claims["client_id"] = t.A().ClientID })},
		{"request-inside", "with another request inside", "RFC 9101, 4", "Refuse request and request_uri among the claims.", suite.Refused("invalid_request_object", "invalid_request"), object(set("request", "another"))},
		{"request-uri-inside", "with a request_uri inside", "RFC 9101, 4", "Refuse request and request_uri among the claims.", suite.Refused("invalid_request_object", "invalid_request"), object(set("request_uri", "urn:example:another"))},
		{"pkce-missing", "without code_challenge", "FAPI 2.0 Security Profile, 5.3.2.2", "A signed request is checked like a plain one.", suite.Refused("invalid_request"), object(drop("code_challenge"))},
		{"redirect-uri", "with a redirect_uri that is not registered", "FAPI 2.0 Security Profile, 5.3.2.2", "A signed request is checked like a plain one.", suite.Refused("invalid_request", "invalid_redirect_uri"), object(set("redirect_uri", "https://attacker.example/callback"))},
		{"response-type", "with response_type token", "FAPI 2.0 Security Profile, 5.3.2.2", "A signed request is checked like a plain one.", suite.Refused("unsupported_response_type", "unauthorized_client", "invalid_request"), object(set("response_type", "token"))},
		{"details-text", "with authorization_details as text", "RFC 9396, 3", "Inside a JWT authorization_details are a list.", suite.Refused("invalid_request_object", "invalid_authorization_details"), object(func(t *suite.T, j *suite.JWT) {
			j.Claims["authorization_details"] = `[{"type":"fdx_v1.0"}]`
		})},
		{"state-number", "with a state that is a number", "RFC 9101, 4", "Parameters are strings.", suite.Refused("invalid_request_object", "invalid_request"), object(set("state", 7))},
		{"garbage", "that is not a JWT", "RFC 9101, 6", "Parse strictly.", suite.Answer{}, object(func(_ *suite.T, j *suite.JWT) { j.Bend = func(string) string { return "garbage" } })},
		{"twice", "beside another one", "RFC 6749, 3.1", "A parameter comes once.", suite.Refused("invalid_request", "invalid_request_object"), func(t *suite.T, r *suite.Request) {
			compact, err := r.Object.Compact()
			if err != nil {
				t.Cannot("sign a request object", err)
			}
			r.Form["request"], r.Object = []string{compact, compact}, nil
		}},
	} {
		if c.want.Status == 0 && c.want.Statuses == nil {
			c.want = suite.Refused("invalid_request_object")
		}
		needs := needs
		if c.id == "details-text" {
			needs = append([]suite.Claim{suite.RAR}, needs...)
		}
		out = append(out, suite.Case{
			ID: "jar." + c.id, Title: "a request object " + c.title + " is refused", Spec: c.spec, Mend: c.mend, Needs: needs,
			Run: func(t *suite.T) {
				good, _ := t.PushRequest(t.Signing(), suite.Ask{})
				t.Expect(t.Send(good), suite.Answer{Status: http.StatusCreated})
				r, _ := t.PushRequest(t.Signing(), suite.Ask{})
				c.bend(t, r)
				t.Expect(t.Send(r), c.want)
			},
		})
	}
	return append(out,
		suite.Case{
			ID: "jar.required", Title: "plain parameters of a client that has to sign are refused", Spec: "RFC 9101, 10.5; FAPI 2.0 Message Signing, 5.3.1", Needs: needs,
			Mend: "Look at require_signed_request_object of the client.",
			Run: func(t *suite.T) {
				r, a := t.PushRequest(t.Signing(), suite.Ask{})
				t.Expect(t.Send(r), suite.Answer{Status: http.StatusCreated})
				plain := t.Post(t.Signing(), "pushed_authorization_request_endpoint", t.NewAttempt(a.App, suite.Ask{}).Parameters, nil)
				t.Expect(t.Send(plain), suite.Refused("invalid_request", "invalid_request_object"))
			},
		},
		suite.Case{
			ID: "jar.beside", Title: "what stands beside a request object counts for nothing", Spec: "FAPI 2.0 Message Signing, 5.3.1; RFC 9101, 6.3", Needs: needs,
			Mend: "Read signed parameters alone.",
			Run: func(t *suite.T) {
				r, a := t.PushRequest(t.Signing(), suite.Ask{})
				r.Form.Set("state", "not-signed")
				r.Form.Set("redirect_uri", "https://attacker.example/callback")
				resp := t.Send(r)
				if resp.Status >= 400 {
					t.Expect(resp, suite.Refused("invalid_request", "invalid_request_object")) // refusing is as good
					return
				}
				t.Expect(resp, suite.Answer{Status: http.StatusCreated})
				a.RequestURI = resp.Text("request_uri")
				page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Deny)
				t.ExpectReturn(page.Left, a, "access_denied")
			},
		},
		suite.Case{
			ID: "jar.no-client-assertion", Title: "a request object is no client assertion", Spec: "RFC 9101, 10.8; RFC 8725, 3.12", Needs: needs,
			Mend: "Tell the two apart by typ, and demand sub of an assertion.",
			Run: func(t *suite.T) {
				r, a := t.PushRequest(t.Signing(), suite.Ask{})
				t.Expect(t.Send(r), suite.Answer{Status: http.StatusCreated})
				again, _ := t.PushRequest(t.Signing(), suite.Ask{})
				again.Assertion = t.RequestObject(a)
				again.Assertion.Claims["sub"] = a.App.ClientID
				t.Expect(t.Send(again), suite.InvalidClient)
			},
		},
		suite.Case{
			ID: "jar.plain-client", Title: "a client that need not sign may", Spec: "FAPI 2.0 Message Signing, 5.3.1", Needs: needs, Severity: suite.Should,
			Mend: "Read request objects of every client.",
			Run: func(t *suite.T) {
				good, _ := t.PushRequest(t.A(), suite.Ask{})
				t.Expect(t.Send(good), suite.Answer{Status: http.StatusCreated})
				r, a := t.PushRequest(t.A(), suite.Ask{})
				r.Object = t.RequestObject(a)
				r.Form = map[string][]string{"client_assertion_type": r.Form["client_assertion_type"]}
				t.Expect(t.Send(r), suite.Answer{Status: http.StatusCreated})
			},
		},
	)
}

// object bends the request object of a request.
func object(bend func(*suite.T, *suite.JWT)) func(*suite.T, *suite.Request) {
	return func(t *suite.T, r *suite.Request) { bend(t, r.Object) }
}
