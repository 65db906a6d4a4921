package cases

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// uuidForm is RFC 9562 section 4, as text.
var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// resource: what a protected resource does with tokens, RFC 6750, RFC 9449
// section 7, FAPI 2.0 section 5.3.4.
func resource() []suite.Case {
	return slices.Concat(resourceTokens(), resourceHeaders(), resourceWire(), resourceMetadata())
}

// resourceTokens: where a token is looked for, and which are none.
func resourceTokens() []suite.Case {
	needs := []suite.Claim{suite.Resource}
	// bad is a case about a request that is right but for one thing.
	bad := func(id, title, spec, mend string, want suite.Answer, bend func(t *suite.T, g *suite.Grant, r *suite.Request)) suite.Case {
		return suite.Case{ID: "resource.token." + id, Title: title, Spec: spec, Needs: needs, Mend: mend, Run: func(t *suite.T) {
			g := t.Shared(t.A(), suite.Ask{})
			r := t.Read(g, g.App.Resource)
			bend(t, g, r)
			t.Expect(t.Send(r), want)
			t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
		}}
	}
	// other puts another token, with a proof that names it, in the place.
	other := func(t *suite.T, g *suite.Grant, r *suite.Request, token string) {
		proof := suite.NewProof(g.Key, r.Method, r.URL, token)
		r.Proof.Claims["ath"] = proof.Claims["ath"]
		r.Header.Set("Authorization", "DPoP "+token)
	}
	noCredentials := suite.Answer{Status: http.StatusUnauthorized}
	// 400 where the request itself counts as malformed (RFC 6750, 3.1).
	malformed := suite.Answer{Statuses: []int{400, 401}}
	twoHeaders := bad("two-headers", "two Authorization headers are refused", "RFC 9110, 5.3; RFC 6750, 3.1", "Refuse what can be read in two ways: 400.", suite.Answer{Status: http.StatusBadRequest}, func(t *suite.T, g *suite.Grant, r *suite.Request) {
		r.Header["Authorization"] = []string{"DPoP " + g.Access, "DPoP " + bendToken(g.Access)}
	})
	twoHeaders.Severity = suite.Should // the must is the sender's
	return []suite.Case{
		{
			ID: "resource.token.none", Title: "a request without a token is asked for one, and told no error", Spec: "RFC 6750, 3.1; RFC 9449, 7.1", Needs: needs,
			Mend: "Answer 401 with WWW-Authenticate that names the scheme, and no error code where no token was shown.",
			Run: func(t *suite.T) {
				resp := t.Send(suite.Get(t.Target.ResourceBase + t.A().Resource))
				t.Expect(resp, noCredentials)
				t.Check(resp.Challenge("error") == "", "the challenge has an error; expected none for a request without a token")
				t.Check(strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "DPoP") || strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer"), "WWW-Authenticate names no scheme")
			},
		},
		bad("unknown", "a token of the right form that was never issued is refused", "RFC 6750, 3.1", "Look tokens up; the form proves nothing.", suite.Unauthorized, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			other(t, g, r, bendToken(g.Access))
		}),
		bad("truncated", "a token without its last character is refused", "RFC 6750, 3.1", "Compare whole tokens.", suite.Unauthorized, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			other(t, g, r, g.Access[:len(g.Access)-1])
		}),
		bad("extended", "a token with a character more is refused", "RFC 6750, 3.1", "Compare whole tokens.", suite.Unauthorized, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			other(t, g, r, g.Access+"A")
		}),
		bad("oversized", "a token of eight kilobytes is refused", "RFC 6750, 3.1", "Bound what is taken for a token.", suite.Unauthorized, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			other(t, g, r, strings.Repeat("A", 8<<10))
		}),
		bad("refresh-token", "a refresh token opens nothing", "RFC 6749, 1.5", "Let each kind of token have a form of its own, and take access tokens alone.", suite.Unauthorized, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			t.Needs(suite.Refresh)
			other(t, g, r, g.Refresh)
		}),
		bad("scheme-bearer", "a token that is bound to a key is refused under the scheme Bearer", "RFC 9449, 7.2", "Refuse a DPoP-bound token under Bearer: a thief would leave the proof away.", malformed, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			r.Header.Set("Authorization", "Bearer "+g.Access)
		}),
		bad("scheme-bearer-bare", "a token that is bound to a key is refused under the scheme Bearer without a proof", "RFC 9449, 7.2", "Refuse a DPoP-bound token under Bearer: a thief would leave the proof away.", suite.Unauthorized, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			r.Header.Set("Authorization", "Bearer "+g.Access)
			r.Proof = nil
		}),
		bad("scheme-basic", "a token under the scheme Basic is none", "RFC 6750, 2.1", "Read the token from DPoP and Bearer alone.", malformed, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			r.Header.Set("Authorization", "Basic "+g.Access)
		}),
		bad("scheme-none", "a bare token in the Authorization header is none", "RFC 6750, 2.1", "Demand the scheme before the token.", malformed, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			r.Header.Set("Authorization", g.Access)
		}),
		bad("in-query", "a token in the query is refused, although a good one stands in the header", "FAPI 2.0 Security Profile, 5.3.4 (2)", "Refuse a request with access_token in the query: it stands in logs.", suite.Answer{Status: http.StatusBadRequest}, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			r.URL += "?access_token=" + url.QueryEscape(g.Access)
		}),
		bad("in-query-alone", "a token in the query alone opens nothing", "FAPI 2.0 Security Profile, 5.3.4 (2)", "Read the token from the Authorization header alone.", suite.Answer{Statuses: []int{400, 401}}, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			r.URL += "?access_token=" + url.QueryEscape(g.Access)
			r.Header.Del("Authorization")
		}),
		bad("in-body", "a token in the body of a GET opens nothing", "RFC 6750, 2.2", "Read the token from the Authorization header alone.", suite.Answer{Statuses: []int{400, 401}}, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			r.Form = url.Values{"access_token": {g.Access}}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Del("Authorization")
		}),
		bad("in-cookie", "a token in a cookie opens nothing", "RFC 6750, 2", "Read the token from the Authorization header alone.", noCredentials, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			r.Header.Set("Cookie", "access_token="+g.Access)
			r.Header.Del("Authorization")
		}),
		twoHeaders,
		bad("two-tokens", "two tokens in one Authorization header are refused", "RFC 6750, 2.1", "Take one token, in the characters of b64token.", suite.Answer{Statuses: []int{400, 401}}, func(t *suite.T, g *suite.Grant, r *suite.Request) {
			r.Header.Set("Authorization", "DPoP "+g.Access+", DPoP "+g.Access)
		}),
		{
			ID: "resource.token.scheme-case", Title: "the scheme is known in any letter case", Spec: "RFC 9110, 11.1", Needs: needs,
			Mend: "Compare the authentication scheme without regard to letter case.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				for _, scheme := range []string{"dpop", "DPOP", "DPoP"} {
					r := t.Read(g, g.App.Resource)
					r.Header.Set("Authorization", scheme+" "+g.Access)
					t.Expect(t.Send(r), suite.OK)
				}
			},
		},
		{
			ID: "resource.token.client-own", Title: "a client's own token opens no data", Spec: "RFC 6749, 4.4; FDX API 6, scopes", Needs: []suite.Claim{suite.Resource, suite.FDX, suite.ClientCreds},
			Mend: "Data needs the consent of a person: take tokens of grants alone.",
			Run: func(t *suite.T) {
				own := t.Own(t.A(), "grant_management_query")
				t.Expect(t.Send(t.Read(own, "/accounts")), dead)
				t.Expect(t.Send(t.Read(own, "/availability")), suite.OK)
			},
		},
		{
			ID: "resource.token.code-lifetime", Title: "an access token lives for 15 minutes at most", Spec: "FDX API Security Model 5; FAPI 2.0 Security Profile, 5.3.2.1", Needs: []suite.Claim{suite.Resource, suite.FDX},
			Mend: "Issue access tokens with an expires_in of 900 or less.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				life, _ := g.Token["expires_in"].(float64)
				t.Check(life > 0 && life <= 900, "expires_in is %v; expected 1 to 900", g.Token["expires_in"])
			},
		},
		{
			ID: "resource.token.certificate", Title: "a token bound to a certificate reads with it, also at a second connection", Spec: "RFC 8705, 3", Needs: []suite.Claim{suite.Resource, suite.MTLS},
			Mend: "Compare the certificate of each connection with the token.",
			Run: func(t *suite.T) {
				g := t.Shared(t.ByCertificate(), suite.Ask{})
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
				for _, resp := range t.Race(3, func(int) *suite.Request { return t.Read(g, g.App.Resource) }) {
					t.Expect(resp, suite.OK)
				}
				r := t.Read(g, g.App.Resource)
				r.Header.Set("Authorization", "DPoP "+g.Access)
				r.Proof = suite.NewProof(suite.NewKey("ES256"), r.Method, r.URL, g.Access)
				t.Expect(t.Send(r), suite.Unauthorized)
			},
		},
	}
}

// resourceHeaders: what goes along with every answer, and what is asked for.
func resourceHeaders() []suite.Case {
	needs := []suite.Claim{suite.Resource, suite.FDX}
	// answers are one of each kind: data, and the refusals. That they are
	// what they should be is for other cases.
	answers := func(t *suite.T, each func(what string, r *suite.Request, resp *suite.Response)) {
		g := t.Shared(t.A(), suite.Ask{Clusters: []string{"ACCOUNT_BASIC"}})
		unknown := *g
		unknown.Access = bendToken(g.Access)
		for _, one := range []struct {
			what string
			r    *suite.Request
		}{
			{"an answer", t.Read(g, "/accounts")},
			{"a malformed request", t.Read(g, "/accounts?limit=0")},
			{"a dead token", t.Read(&unknown, "/accounts")},
			{"a missing scope", t.Read(g, "/accounts/"+unknownAccount+"/transactions")},
			{"an unknown path", t.Read(g, "/nothing")},
			{"another method", func() *suite.Request {
				r := t.Call(g, http.MethodDelete, t.Target.ResourceBase+"/accounts")
				r.Header.Set("x-fapi-interaction-id", suite.NewUUID())
				return r
			}()},
			{"an answer of another form", func() *suite.Request {
				r := t.Read(g, "/accounts")
				r.Header.Set("Accept", "text/html")
				return r
			}()},
		} {
			each(one.what, one.r, t.Send(one.r))
		}
	}
	return []suite.Case{
		{
			ID: "resource.interaction-id.echo", Title: "x-fapi-interaction-id comes back as it was sent, on every refusal too", Spec: "FDX API 6, headers; FAPI 2.0 Implementation Advice", Needs: needs,
			Mend: "Copy the header of the request to the answer, on errors too.",
			Run: func(t *suite.T) {
				answers(t, func(what string, r *suite.Request, resp *suite.Response) {
					t.Check(resp.Header.Get("x-fapi-interaction-id") == r.Header.Get("x-fapi-interaction-id"), "%s does not carry the id that was sent", what)
				})
			},
		},
		{
			ID: "resource.interaction-id.made", Title: "a request without x-fapi-interaction-id is given one, a new one each time", Spec: "FAPI 2.0 Implementation Advice", Needs: needs, Severity: suite.Should,
			Mend: "Make a random UUID where the request has none.",
			Run: func(t *suite.T) {
				g, seen := t.Shared(t.A(), suite.Ask{}), map[string]bool{}
				for range 3 {
					r := t.Read(g, "/accounts")
					r.Header.Del("x-fapi-interaction-id")
					resp := t.Send(r)
					t.Expect(resp, suite.OK)
					id := resp.Header.Get("x-fapi-interaction-id")
					t.Check(uuidForm.MatchString(id) && !seen[id], "the id of the answer is no UUID, or not a new one")
					seen[id] = true
				}
			},
		},
		{
			ID: "resource.interaction-id.malformed", Title: "an x-fapi-interaction-id that is no UUID, or is sent twice, is refused and not repeated", Spec: "FDX API 6, headers", Needs: needs,
			Mend: "Take the 36 characters of a UUID alone: what is copied into logs and answers is not free text.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				for _, id := range []string{"1", strings.Repeat("a", 36), "{" + suite.NewUUID() + "}", suite.NewUUID() + "0", strings.ReplaceAll(suite.NewUUID(), "-", ""), "<script>alert(1)</script>aaaaaaaaaaaa"} {
					r := t.Read(g, "/accounts")
					r.Header.Set("x-fapi-interaction-id", id)
					resp := t.Send(r)
					t.Expect(resp, suite.FDXRefused(400, "401"))
					t.Check(resp.Header.Get("x-fapi-interaction-id") != id, "the malformed id is repeated")
				}
				r := t.Read(g, "/accounts")
				r.Header["X-Fapi-Interaction-Id"] = []string{suite.NewUUID(), suite.NewUUID()}
				delete(r.Header, "x-fapi-interaction-id")
				t.Expect(t.Send(r), suite.FDXRefused(400, "401"))
			},
		},
		{
			ID: "resource.header.no-store", Title: "no answer may be stored by a cache", Spec: "FDX API 6, headers; RFC 9111, 5.2.2.5", Needs: needs,
			Mend: "Send Cache-Control: no-store with data and with refusals.",
			Run: func(t *suite.T) {
				answers(t, func(what string, _ *suite.Request, resp *suite.Response) {
					t.Check(strings.Contains(resp.Header.Get("Cache-Control"), "no-store"), "%s has Cache-Control %q", what, resp.Header.Get("Cache-Control"))
				})
			},
		},
		{
			ID: "resource.header.date", Title: "every answer has a Date, which is now", Spec: "RFC 9110, 6.6.1; FAPI 2.0 Security Profile, 5.3.4", Needs: needs,
			Mend: "Let the server write Date, and keep its clock right.",
			Run: func(t *suite.T) {
				answers(t, func(what string, _ *suite.Request, resp *suite.Response) {
					at, err := http.ParseTime(resp.Header.Get("Date"))
					t.Check(err == nil && resp.Done.Sub(at).Abs() < time.Minute, "%s has Date %q", what, resp.Header.Get("Date"))
				})
			},
		},
		{
			ID: "resource.header.json", Title: "answers and refusals are application/json, and browsers are told not to guess", Spec: "FDX API 6, errors; WHATWG Fetch, nosniff", Needs: needs,
			Mend: "Send Content-Type: application/json and X-Content-Type-Options: nosniff with every answer.",
			Run: func(t *suite.T) {
				answers(t, func(what string, _ *suite.Request, resp *suite.Response) {
					t.Check(strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json"), "%s is %q", what, resp.Header.Get("Content-Type"))
					t.Check(resp.Header.Get("X-Content-Type-Options") == "nosniff", "%s has no X-Content-Type-Options", what)
					t.Check(resp.Object() != nil, "%s is no JSON object", what)
				})
			},
		},
		{
			ID: "resource.header.no-cors", Title: "no page of another origin is let in", Spec: "FAPI 2.0 Security Profile, 5.3.4; WHATWG Fetch, CORS", Needs: needs, Severity: suite.Should,
			Mend: "Send no Access-Control-Allow headers: recipients are servers.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.Read(g, "/accounts")
				r.Header.Set("Origin", "https://attacker.example")
				t.Expect(t.Send(r), suite.Answer{Status: 200, Header: map[string]string{"Access-Control-Allow-Origin": ""}})
				pre := &suite.Request{Method: http.MethodOptions, URL: t.Target.ResourceBase + "/accounts", Header: http.Header{
					"Origin": {"https://attacker.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"authorization"},
				}}
				t.Expect(t.Send(pre), suite.Answer{Header: map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Headers": ""}})
			},
		},
		{
			ID: "resource.header.errors", Title: "every refusal has a code and a message as text, and no word about the inside", Spec: "FDX API 6, Error", Needs: needs,
			Mend: "Map every refusal to an FDX error of code, message and debugMessage.",
			Run: func(t *suite.T) {
				inside := regexp.MustCompile(`(?i)(panic|goroutine|select |sqlstate|postgres|redis|\.go:|/home/|stack)`)
				answers(t, func(what string, _ *suite.Request, resp *suite.Response) {
					if resp.Status == 200 {
						return
					}
					for name, value := range resp.Object() {
						_, text := value.(string)
						t.Check(text && slices.Contains([]string{"code", "message", "debugMessage"}, name), "%s has a member %s, or it is no text", what, name)
					}
					t.Check(resp.Text("code") != "" && resp.Text("message") != "", "%s lacks code or message", what)
					t.Check(!inside.Match(resp.Body), "%s tells of the inside", what)
				})
			},
		},
		{
			ID: "resource.accept.taken", Title: "every Accept that takes JSON is served", Spec: "RFC 9110, 12.5.1", Needs: needs,
			Mend: "Read Accept as a list of ranges with weights and parameters.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				for _, accept := range []string{"", "*/*", "application/*", "application/json;charset=utf-8", "text/html;q=0.9, application/json;q=0.1", "APPLICATION/JSON", "text/html, */*;q=0.1"} {
					r := t.Read(g, "/accounts")
					if r.Header.Set("Accept", accept); accept == "" {
						r.Header.Del("Accept")
					}
					if !t.Expect(t.Send(r), suite.OK) {
						t.Errorf("that was Accept %q", accept)
					}
				}
			},
		},
		{
			ID: "resource.accept.refused", Title: "an Accept that leaves JSON out is 406 with code 1203", Spec: "FDX API 6, error 1203; RFC 9110, 15.5.7", Needs: needs,
			Mend: "Answer 406 where no range takes application/json, and read q=0 as a no.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				t.Expect(t.Send(t.Read(g, "/accounts")), suite.OK)
				for _, accept := range []string{"text/html", "application/xml", "image/*", "application/json;q=0", "application/json;q=0, */*"} {
					r := t.Read(g, "/accounts")
					r.Header.Set("Accept", accept)
					if !t.Expect(t.Send(r), suite.FDXRefused(406, "1203")) {
						t.Errorf("that was Accept %q", accept)
					}
				}
			},
		},
		{
			ID: "resource.actor-type", Title: "FDX-API-Actor-Type is USER or BATCH, and anything else is refused", Spec: "FDX API 6, FDX-API-Actor-Type", Needs: needs,
			Mend: "Take USER, BATCH and no header; 400 with code 401 for all else.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				for value, want := range map[string]suite.Answer{"USER": suite.OK, "BATCH": suite.OK, "user": suite.FDXRefused(400, "401"), "ROBOT": suite.FDXRefused(400, "401"), "USER,BATCH": suite.FDXRefused(400, "401")} {
					r := t.Read(g, "/accounts")
					r.Header.Set("FDX-API-Actor-Type", value)
					if !t.Expect(t.Send(r), want) {
						t.Errorf("that was FDX-API-Actor-Type %q", value)
					}
				}
			},
		},
	}
}

// resourceWire: methods, paths and bodies.
func resourceWire() []suite.Case {
	needs := []suite.Claim{suite.Resource, suite.FDX}
	return []suite.Case{
		{
			ID: "resource.method.refused", Title: "every other method than GET is 405 with code 1206 and Allow", Spec: "RFC 9110, 15.5.6; FDX API 6, error 1206", Needs: needs,
			Mend: "Answer 405 and name the methods in Allow.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				t.Expect(t.Send(t.Read(g, "/accounts")), suite.OK)
				for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "FOO"} {
					resp := t.Send(t.Call(g, method, t.Target.ResourceBase+"/accounts"))
					want := suite.FDXRefused(405, "1206")
					if method == "HEAD" {
						want = suite.Answer{Status: 405} // it has no body
					}
					if !t.Expect(resp, want) {
						t.Errorf("that was %s", method)
					}
					t.Check(strings.Contains(resp.Header.Get("Allow"), "GET"), "Allow of %s is %q", method, resp.Header.Get("Allow"))
				}
			},
		},
		{
			ID: "resource.method.override", Title: "no header or parameter makes a GET into another method, or the other way round", Spec: "RFC 9110, 9.1", Needs: needs,
			Mend: "Ignore X-HTTP-Method-Override and its like.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
					r := t.Read(g, "/accounts")
					r.Header.Set(name, "DELETE")
					t.Expect(t.Send(r), suite.OK)
					r = t.Call(g, "POST", t.Target.ResourceBase+"/accounts")
					r.Header.Set(name, "GET")
					t.Expect(t.Send(r), suite.FDXRefused(405, "1206"))
				}
			},
		},
		{
			ID: "resource.path.unknown", Title: "a path that is not there is 404 with code 1107 for everybody", Spec: "FDX API 6, error 1107", Needs: needs,
			Mend: "Answer unknown paths in the form of FDX, and without a redirect.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				for _, path := range []string{"/nothing", "/accounts/", "/Accounts", "/accounts//transactions", "/accounts/../accounts", "/accounts%2f", "/customers/current/"} {
					for _, r := range []*suite.Request{t.Read(g, path), suite.Get(t.Target.ResourceBase + path)} {
						resp := t.Send(r)
						if !t.Check(resp.Status == 404 || resp.Status == 401, "%s is %d; expected 404, or 401 for a malformed account", path, resp.Status) {
							continue
						}
						t.Check(resp.Header.Get("Location") == "", "%s is redirected", path)
					}
				}
				t.Expect(t.Send(t.Read(g, "/nothing")), suite.FDXRefused(404, "1107"))
			},
		},
		{
			ID: "resource.path.malformed-account", Title: "an account id that can be none is as unknown as any other", Spec: "FDX API 6, error 701", Needs: append(slices.Clone(needs), suite.FDXConsent),
			Mend: "Answer 404 with code 701 to whatever is in the place of an account id.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				unknown := t.Send(t.Read(g, "/accounts/"+unknownAccount+"/transactions"))
				t.Expect(unknown, suite.FDXRefused(404, "701"))
				for _, id := range []string{"'%20OR%201=1--", "%00", "%2e%2e", "..%2f..%2fetc%2fpasswd", strings.Repeat("a", 300), "%F0%9F%92%A9", "*", "%25s%25n", "null", "0", "-1", "%ZZ"} {
					r := t.Read(g, "/accounts/"+unknownAccount+"/transactions")
					base := strings.TrimSuffix(r.URL, unknownAccount+"/transactions")
					r.URL = base + id + "/transactions"
					if id == "%ZZ" {
						continue // net/http sends no such path; abuse has it
					}
					r.Proof = suite.NewProof(g.Key, r.Method, r.URL, g.Access)
					resp := t.Send(r)
					if !t.Expect(resp, suite.FDXRefused(404, "701")) {
						t.Errorf("that was %.40s", id)
					}
					t.Check(string(resp.Body) == string(unknown.Body), "the answer differs from that about an unknown id")
				}
			},
		},
		{
			ID: "resource.body.get", Title: "a GET with a body is refused", Spec: "RFC 9110, 9.3.1", Needs: needs, Severity: suite.Should,
			Mend: "Refuse a body where there is none to read: it could be another request, or a token.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.Read(g, "/accounts")
				r.Body = []byte(`{"accountIds":["*"]}`)
				r.Header.Set("Content-Type", "application/json")
				t.Expect(t.Send(r), suite.FDXRefused(400, "401"))
				t.Expect(t.Send(t.Read(g, "/accounts")), suite.OK)
			},
		},
		{
			ID: "resource.query.malformed", Title: "a query that cannot be read in one way is refused", Spec: "FDX API 6, error 401", Needs: needs,
			Mend: "Refuse broken escapes, semicolons and parameters that are given twice.",
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				for _, query := range []string{"limit=%zz", "limit=5;limit=6", "limit=5&limit=6", "limit=5&limit=5", "pageKey=", "limit=", "resultType=details&resultType=lightweight"} {
					if !t.Expect(t.Send(t.Read(g, "/accounts?"+query)), suite.FDXRefused(400, "401")) {
						t.Errorf("that was %s", query)
					}
				}
				t.Expect(t.Send(t.Read(g, "/accounts?limit=5&nobody-knows-this=1")), suite.OK)
			},
		},
		{
			ID: "resource.host.header", Title: "the Host header decides nothing: links lead to the address that is published", Spec: "RFC 9449, 4.3; FDX API 6, links", Needs: append(slices.Clone(needs), suite.Personas),
			Mend: "Write links from the configured address, never from what the request says.",
			Run: func(t *suite.T) {
				g := full(t, "heavy")
				r := t.Read(g, "/accounts/"+accountIDs(t, g)[0]+"/transactions?limit=1")
				r.Header.Set("X-Forwarded-Host", "attacker.example")
				r.Header.Set("Forwarded", "host=attacker.example;proto=http")
				r.Host = "attacker.example"
				resp, err := t.TrySend(r)
				if err == nil && resp.Status == 200 {
					t.Check(!strings.Contains(string(resp.Body), "attacker.example"), "the answer has a link to the host that the request named")
					t.Check(strings.HasPrefix(resp.Text("links.next.href"), t.Target.ResourceBase), "the link to the next page leads elsewhere")
					return
				}
				t.Check(err != nil || resp.Status == 400 || resp.Status == 421, "status %v; expected 200, 400 or 421", resp)
			},
		},
	}
}

// resourceMetadata: RFC 9728.
func resourceMetadata() []suite.Case {
	needs := []suite.Claim{suite.Resource, suite.ResourceMeta}
	document := func(t *suite.T) (*suite.Response, string) {
		u, err := url.Parse(t.Target.ResourceBase)
		if err != nil {
			t.Cannot("read resource_base", err)
		}
		address := "https://" + u.Host + "/.well-known/oauth-protected-resource"
		return t.Send(suite.Get(address)), address
	}
	return []suite.Case{
		{
			ID: "resource.metadata.document", Title: "the resource describes itself: who it is, who issues for it, and how tokens are shown", Spec: "RFC 9728, 2 and 3", Needs: needs,
			Mend: "Serve the document at /.well-known/oauth-protected-resource, with resource, authorization_servers and bearer_methods_supported.",
			Run: func(t *suite.T) {
				resp, address := document(t)
				t.Expect(resp, suite.Answer{Status: 200, JSON: map[string]any{
					"resource": strings.TrimSuffix(address, "/.well-known/oauth-protected-resource"), "authorization_servers": []string{t.Target.Issuer}, "bearer_methods_supported": []string{"header"},
				}})
				algs := fmt.Sprint(resp.List("dpop_signing_alg_values_supported"))
				t.Check(strings.Contains(algs, "ES256") && !strings.Contains(algs, "RS256") && !strings.Contains(algs, "none") && !strings.Contains(algs, "HS"), "dpop_signing_alg_values_supported is %s", algs)
				for name := range resp.Object() {
					t.Check(regexp.MustCompile(`^[a-z_]+(_[a-z]+)*$`).MatchString(name), "%s is no name of a metadata member", name)
				}
			},
		},
		{
			ID: "resource.metadata.challenge", Title: "a refusal leads to the document", Spec: "RFC 9728, 5.1", Needs: needs,
			Mend: "Put resource_metadata with the address of the document into WWW-Authenticate.",
			Run: func(t *suite.T) {
				_, address := document(t)
				t.Expect(t.Send(suite.Get(address)), suite.OK)
				resp := t.Send(suite.Get(t.Target.ResourceBase + t.A().Resource))
				t.Expect(resp, suite.Answer{Status: 401})
				t.Check(resp.Challenge("resource_metadata") == address, "resource_metadata is %q", resp.Challenge("resource_metadata"))
			},
		},
		{
			ID: "resource.metadata.scopes", Title: "the scopes of the document are scopes that open something", Spec: "RFC 9728, 2, scopes_supported", Needs: append(slices.Clone(needs), suite.FDX),
			Mend: "List the scopes of the operations that are there.",
			Run: func(t *suite.T) {
				resp, _ := document(t)
				var scopes []string
				for _, s := range resp.List("scopes_supported") {
					scopes = append(scopes, fmt.Sprint(s))
				}
				t.Check(slices.Contains(scopes, "fdx:accountbasic:read") && slices.Contains(scopes, "fdx:transactions:read"), "scopes_supported lacks the scopes of accounts or transactions")
				for _, s := range scopes {
					t.Check(regexp.MustCompile(`^(fdx:[a-z]+:(read|write|subscribe|publish)|grant_management_(query|revoke)|openid)$`).MatchString(s), "%s is no scope of FDX or of grant management", s)
				}
			},
		},
	}
}
