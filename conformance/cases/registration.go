package cases

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"github.com/headgate/headgate/conformance/suite"
)

// registration: RFC 7591, RFC 7592, by software statement.
func registration() []suite.Case {
	needs := []suite.Claim{suite.Registration}
	refused := func(id, title, spec, mend string, want suite.Answer, bend func(t *suite.T, form map[string]any)) suite.Case {
		return suite.Case{
			ID: "registration." + id, Title: title, Spec: spec, Mend: mend, Needs: needs,
			Run: func(t *suite.T) {
				form := newcomer(t)
				bend(t, form)
				t.Expect(t.Send(register(t, form)), want)
			},
		}
	}
	statement := func(change func(compact string) string) func(*suite.T, map[string]any) {
		return func(_ *suite.T, form map[string]any) {
			form["software_statement"] = change(form["software_statement"].(string))
		}
	}
	set := func(name string, value any) func(*suite.T, map[string]any) {
		return func(_ *suite.T, form map[string]any) { form[name] = value }
	}
	bad := suite.Refused("invalid_software_statement", "unapproved_software_statement")
	metadata := suite.Refused("invalid_client_metadata")
	cases := []suite.Case{
		refused("statement.missing", "a registration that nobody vouches for is refused", "RFC 7591, 2.3", "Open registration to clients with a software statement alone.", bad, func(_ *suite.T, form map[string]any) { delete(form, "software_statement") }),
		refused("statement.signature", "a statement with one bit of its signature changed is refused", "RFC 7591, 2.3", "Verify the signature by the keys of its issuer.", bad, statement(suite.BreakSignature)),
		refused("statement.foreign-key", "a statement that a stranger has signed is refused", "RFC 7591, 2.3", "Verify the signature by the keys of its issuer, and not by those that it brings.", bad,
			func(t *suite.T, form map[string]any) {
				key := suite.NewKey("ES256")
				old := form["software_statement"].(string)
				forged := &suite.JWT{Header: suite.Headerset(old), Claims: suite.Claimset(old), Key: key}
				forged.Header["jwk"] = key.JWK()
				compact, err := forged.Compact()
				t.Check(err == nil, "the statement cannot be signed")
				form["software_statement"] = compact
			}),
		refused("statement.none", "a statement that nobody has signed is refused", "RFC 7591, 2.3", "alg none is no algorithm.", bad,
			func(t *suite.T, form map[string]any) {
				old := form["software_statement"].(string)
				forged := &suite.JWT{Header: suite.Headerset(old), Claims: suite.Claimset(old)}
				forged.Header["alg"] = "none"
				compact, err := forged.Compact()
				t.Check(err == nil, "the statement cannot be written")
				form["software_statement"] = compact
			}),
		refused("statement.claims", "a statement whose claims were changed is refused", "RFC 7591, 2.3", "Verify the signature over the claims.", bad,
			func(t *suite.T, form map[string]any) {
				old := form["software_statement"].(string)
				claims := suite.Claimset(old)
				claims["client_name"] = "Somebody Else"
				changed, err := (&suite.JWT{Header: suite.Headerset(old), Claims: claims}).Compact()
				t.Check(err == nil, "the statement cannot be written")
				form["software_statement"] = changed + old[strings.LastIndexByte(old, '.')+1:]
			}),
		refused("statement.not-a-jwt", "a statement that is no JWT is refused", "RFC 7591, 2.3", "A statement is a compact JWS.", bad, set("software_statement", "a statement")),
		refused("metadata.secret", "a client cannot choose a secret", "FAPI 2.0 Security Profile, 5.3.2.1", "Register private_key_jwt and mutual TLS alone.", metadata, set("token_endpoint_auth_method", "client_secret_basic")),
		refused("metadata.implicit", "response types other than code are refused", "FAPI 2.0 Security Profile, 5.3.2.2", "Register code alone.", metadata, set("response_types", []string{"token"})),
		refused("metadata.private-key", "a key set with a private key is refused", "RFC 7591, 2", "A key that was sent is no secret any more: refuse it.", metadata, set("jwks", map[string]any{"keys": []any{suite.NewKey("ES256").PrivateJWK()}})),
		refused("metadata.no-keys", "a client without keys is refused", "RFC 7591, 2", "A client has to authenticate.", metadata, func(_ *suite.T, form map[string]any) { delete(form, "jwks") }),
		refused("metadata.keys-twice", "keys by value and by address at the same time are refused", "RFC 7591, 2", "jwks and jwks_uri must not both be there.", metadata, set("jwks_uri", "https://interop.example/jwks")),
		refused("metadata.symmetric-key", "a symmetric key is refused", "FAPI 2.0 Security Profile, 5.4", "Take RSA of 2048 bits, P-256 and Ed25519 alone.", metadata, set("jwks", map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "c2VjcmV0"}}})),
	}
	send := func(id, title, spec, mend string, want suite.Answer, bend func(r *suite.Request)) suite.Case {
		return suite.Case{
			ID: "registration." + id, Title: title, Spec: spec, Mend: mend, Needs: needs,
			Run: func(t *suite.T) {
				r := register(t, newcomer(t))
				bend(r)
				t.Expect(t.Send(r), want)
			},
		}
	}
	cases = append(cases,
		send("form.not-json", "a body that is not JSON is refused", "RFC 7591, 3.1", "The body is a JSON object.", metadata, func(r *suite.Request) { r.Body = []byte("client_name=a") }),
		send("form.array", "a body that is no object is refused", "RFC 7591, 3.1", "The body is a JSON object.", metadata, func(r *suite.Request) { r.Body = []byte("[]") }),
		send("form.twice", "a member that is there twice is refused", "RFC 8259, 4", "Refuse duplicate members: two readers may each see another one.", suite.Refused("invalid_client_metadata", "invalid_software_statement"), func(r *suite.Request) {
			r.Body = append([]byte(`{"client_name":"One","client_name":"Two",`), r.Body[1:]...)
		}),
		send("form.oversize", "a body of a megabyte is refused", "RFC 9110, 15.5.14", "Bound the body.", suite.Answer{Statuses: []int{400, 413}}, func(r *suite.Request) {
			r.Body = []byte(`{"client_name":"` + strings.Repeat("a", 1<<20) + `"}`)
		}),
		send("form.get", "the endpoint does not answer GET", "RFC 7591, 3.1", "Only POST registers.", suite.Answer{Statuses: []int{400, 401, 404, 405}, Absent: []string{"client_id"}}, func(r *suite.Request) {
			r.Method, r.Body = http.MethodGet, nil
		}),
	)
	manage := func(id, title, spec, mend string, run func(t *suite.T, c client)) suite.Case {
		return suite.Case{
			ID: "registration.managed." + id, Title: title, Spec: spec, Mend: mend, Needs: needs,
			Run: func(t *suite.T) { run(t, registered(t)) },
		}
	}
	return append(cases,
		manage("shape", "the answer says everything that was registered", "RFC 7591, 3.2.1", "Answer with client_id, registration_access_token, registration_client_uri and all metadata.", func(t *suite.T, c client) {
			for _, name := range []string{"client_id", "registration_access_token", "registration_client_uri", "redirect_uris", "token_endpoint_auth_method"} {
				t.Check(c.metadata[name] != nil && c.metadata[name] != "", "the answer has no %s", name)
			}
			t.Check(c.metadata["client_secret"] == nil, "the answer has a client_secret")
			t.Check(strings.HasPrefix(c.address, "https://"), "registration_client_uri is not https")
		}),
		manage("statement-once", "a statement registers one client", "RFC 7591, 5", "Remember jti of a statement.", func(t *suite.T, _ client) {
			t.Expect(t.Send(register(t, newcomer(t))), bad)
		}),
		manage("read", "the registration can be read with its token", "RFC 7592, 2.1", "Answer GET at registration_client_uri.", func(t *suite.T, c client) {
			t.Expect(t.Send(c.call(http.MethodGet, nil)), suite.Answer{Status: http.StatusOK, JSON: map[string]any{"client_id": c.metadata["client_id"]}})
		}),
		manage("no-token", "nobody reads a registration without its token", "RFC 7592, 3", "The registration access token is required.", func(t *suite.T, c client) {
			r := c.call(http.MethodGet, nil)
			r.Header.Del("Authorization")
			t.Expect(t.Send(r), suite.Answer{Status: http.StatusUnauthorized, Absent: []string{"client_id"}})
		}),
		manage("wrong-token", "a token that is not that of the registration is refused", "RFC 7592, 3", "Compare the whole token.", func(t *suite.T, c client) {
			r := c.call(http.MethodGet, nil)
			r.Header.Set("Authorization", r.Header.Get("Authorization")+"A")
			t.Expect(t.Send(r), suite.Unauthorized)
		}),
		manage("foreign-address", "the token opens no other client's registration", "RFC 7592, 3", "Compare the client of the address with that of the token.", func(t *suite.T, c client) {
			r := c.call(http.MethodGet, nil)
			r.URL = strings.Replace(r.URL, c.metadata["client_id"].(string), t.A().ClientID, 1)
			t.Expect(t.Send(r), suite.Answer{Statuses: []int{401, 403, 404}, Absent: []string{"client_id"}})
		}),
		manage("put-other-id", "an update for another client_id is refused", "RFC 7592, 2.2", "client_id must be that of the registration.", func(t *suite.T, c client) {
			form := maps.Clone(c.metadata)
			form["client_id"] = t.A().ClientID
			t.Expect(t.Send(c.call(http.MethodPut, form)), suite.Answer{Statuses: []int{400, 401, 403}})
		}),
		manage("put-secret", "an update cannot bring a secret", "RFC 7592, 2.2", "Refuse client_secret.", func(t *suite.T, c client) {
			form := maps.Clone(c.metadata)
			form["client_secret"] = "a secret"
			t.Expect(t.Send(c.call(http.MethodPut, form)), suite.Refused("invalid_client_metadata"))
		}),
	)
}

// newcomer is the registration of somebody with the target's statement.
func newcomer(t *suite.T) map[string]any {
	t.Needs(suite.Registration)
	compact := t.Statement()
	form := map[string]any{
		"software_statement": compact, "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
		"jwks": map[string]any{"keys": []any{suite.NewKey("ES256").JWK()}},
	}
	if uris, ok := suite.Claimset(compact)["redirect_uris"]; ok {
		form["redirect_uris"] = uris
	}
	return form
}

func register(t *suite.T, form map[string]any) *suite.Request {
	body, err := json.Marshal(form)
	if err != nil {
		t.Cannot("write a registration", err)
	}
	return &suite.Request{
		Method: http.MethodPost, URL: t.Endpoint(nil, "registration_endpoint"), Body: body,
		Header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}},
	}
}

// client is one that the run has registered.
type client struct {
	metadata       map[string]any
	address, token string
}

// registered registers a client, once per run.
func registered(t *suite.T) client {
	return suite.Once(t, "registered client", func(t *suite.T) client {
		resp := t.Send(register(t, newcomer(t)))
		if resp.Status != http.StatusCreated {
			t.Fatalf("a client with the target's statement is not registered: status %d %s; every run needs a statement that no run has used, or the keys that sign one (software_statement_keys_file)", resp.Status, resp.Text("error"))
		}
		return client{resp.Object(), resp.Text("registration_client_uri"), resp.Text("registration_access_token")}
	})
}

func (c client) call(method string, form map[string]any) *suite.Request {
	r := &suite.Request{
		Method: method, URL: c.address,
		Header: http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + c.token}},
	}
	if form != nil {
		form = maps.Clone(form)
		for _, given := range []string{"registration_access_token", "registration_client_uri", "client_id_issued_at", "client_secret_expires_at", "status"} {
			delete(form, given)
		}
		r.Body, _ = json.Marshal(form) // it came out of JSON
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}
