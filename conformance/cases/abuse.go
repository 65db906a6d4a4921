package cases

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/conformance/suite"
)

// abuse: races, replays, swaps, oversize, injection, smuggling.
func abuse() []suite.Case {
	return slices.Concat(abuseRaces(), abuseSwaps(), abuseSize(), abuseInjection(), abuseSmuggling())
}

const racers = 8

// one expects that of several answers at the same moment exactly one is a
// success, and all others are this.
func one(t *suite.T, answers []*suite.Response, success int, others suite.Answer) {
	won := suite.CountStatus(answers, success)
	t.Check(won == 1, "%d of %d succeeded at the same moment; expected 1", won, len(answers))
	for _, answer := range answers {
		if answer != nil && answer.Status != success {
			t.Expect(answer, others)
		}
	}
}

func abuseRaces() []suite.Case {
	const mend = "Use it up by a compare-and-set in the store, in the transaction of its effect."
	return []suite.Case{
		{
			ID: "abuse.race.code", Title: "of eight redemptions of a code at the same moment one succeeds", Spec: "RFC 6749, 4.1.2; FAPI 2.0 Security Profile, 5.3.2.2", Needs: []suite.Claim{suite.PAR},
			Mend: mend,
			Run: func(t *suite.T) {
				a := t.Code(t.A(), suite.Ask{})
				one(t, t.Race(racers, func(int) *suite.Request { return t.TokenRequest(a) }), http.StatusOK, suite.Refused("invalid_grant"))
			},
		},
		{
			ID: "abuse.race.assertion", Title: "of eight requests with one client assertion at the same moment one is authenticated", Spec: "RFC 7523, 3; RFC 7519, 4.1.7", Needs: []suite.Claim{suite.PAR, suite.PrivateKeyJWT},
			Mend: mend,
			Run: func(t *suite.T) {
				assertion := t.Assertion(t.A())
				one(t, t.Race(racers, func(int) *suite.Request {
					r, _ := t.PushRequest(t.A(), suite.Ask{})
					r.Assertion = assertion
					return r
				}), http.StatusCreated, suite.InvalidClient)
			},
		},
		{
			ID: "abuse.race.proof", Title: "of eight reads with one proof at the same moment one is answered", Spec: "RFC 9449, 11.1", Needs: []suite.Claim{suite.Resource, suite.DPoP},
			Mend: mend,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				read := t.Read(g, g.App.Resource)
				one(t, t.Race(racers, func(int) *suite.Request { return read.Clone() }), http.StatusOK, usedProof)
			},
		},
		{
			ID: "abuse.race.token-proof", Title: "of eight refreshes with one proof at the same moment one is answered", Spec: "RFC 9449, 11.1", Needs: []suite.Claim{suite.PAR, suite.DPoP, suite.Refresh},
			Mend: mend,
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				proof := t.RefreshRequest(g, g.Key).Proof
				one(t, t.Race(racers, func(int) *suite.Request {
					r := t.RefreshRequest(g, g.Key)
					r.Proof = proof
					return r
				}), http.StatusOK, suite.Refused("invalid_dpop_proof"))
			},
		},
		{
			ID: "abuse.race.stop", Title: "no read that starts after a revocation was answered gives data, whatever runs beside it", Spec: "RFC 7009, 2.1", Needs: []suite.Claim{suite.Resource, suite.Revocation, suite.Refresh},
			Mend: "Find the grant active in the statement that records the read.",
			Run: func(t *suite.T) {
				for range 5 {
					g := t.Grant(t.A(), suite.Ask{})
					t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
					t.Race(racers, func(i int) *suite.Request {
						if i == 0 {
							return t.RevokeRequest(g.App, g.Refresh)
						}
						return t.Read(g, g.App.Resource)
					})
					// Race returns when all are answered, so the revocation is.
					for _, answer := range t.Race(racers, func(int) *suite.Request { return t.Read(g, g.App.Resource) }) {
						t.Expect(answer, suite.Unauthorized)
					}
				}
			},
		},
	}
}

func abuseSwaps() []suite.Case {
	return []suite.Case{
		{
			ID: "abuse.replay.assertion", Title: "a client assertion is accepted once", Spec: "RFC 7523, 3", Needs: []suite.Claim{suite.PAR, suite.PrivateKeyJWT},
			Mend: "Remember jti, by client, for as long as an assertion is accepted.",
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.A(), suite.Ask{})
				r.Assertion.Claims["jti"] = suite.NewUUID()
				t.Expect(t.Send(r), suite.Answer{Status: http.StatusCreated})
				again, _ := t.PushRequest(t.A(), suite.Ask{})
				again.Assertion = r.Assertion
				t.Expect(t.Send(again), suite.InvalidClient)
			},
		},
		{
			ID: "abuse.replay.jti-of-another", Title: "one client's jti does not lock another one out", Spec: "RFC 7523, 3", Needs: []suite.Claim{suite.PAR, suite.PrivateKeyJWT},
			Mend: "Remember jti together with its client.",
			Run: func(t *suite.T) {
				id := suite.NewUUID()
				for _, app := range []*suite.App{t.A(), t.B()} {
					r, _ := t.PushRequest(app, suite.Ask{})
					r.Assertion.Claims["jti"] = id
					t.Expect(t.Send(r), suite.Answer{Status: http.StatusCreated})
				}
			},
		},
		{
			ID: "abuse.swap.request-uri", Title: "one client cannot send a consumer with another's request", Spec: "RFC 9126, 2.2", Needs: []suite.Claim{suite.PAR},
			Mend: "Compare client_id with the client that pushed the request.",
			Run: func(t *suite.T) {
				a := t.Push(t.A(), suite.Ask{})
				stolen := strings.Replace(t.AuthorizeURL(a), "client_id="+url.QueryEscape(a.App.ClientID), "client_id="+url.QueryEscape(t.B().ClientID), 1)
				page, _ := t.TryWalk(t.Person(), a, stolen, suite.Approve)
				t.Check(page == nil || page.Left == nil || page.Left.Query().Get("code") == "", "a code came back")
				t.CodeOf(a) // and its own client still can
			},
		},
		{
			ID: "abuse.swap.decision", Title: "a consumer's decision on one request answers no other", Spec: "FAPI 2.0 Security Profile, 5.3.2.2", Needs: []suite.Claim{suite.PAR},
			Mend: "Tie each page and each form to its own request.",
			Run: func(t *suite.T) {
				// Where consents are no grants of their own, a yes may be
				// remembered for the same app.
				another := t.B()
				if t.HasClaim(suite.FDXConsent) {
					another = t.A()
				}
				one, two := t.Push(t.A(), suite.Ask{}), t.Push(another, suite.Ask{})
				b := t.Person()
				page := t.Walk(b, one, t.AuthorizeURL(one), suite.Approve)
				t.ExpectReturn(page.Left, one, "")
				page = t.Walk(b, two, t.AuthorizeURL(two), suite.Deny)
				t.ExpectReturn(page.Left, two, "access_denied")
			},
		},
		{
			ID: "abuse.swap.used-request-uri", Title: "a request_uri that was answered starts no second decision", Spec: "RFC 9126, 4", Needs: []suite.Claim{suite.PAR},
			Mend: "Use the request_uri up when the code is issued.",
			Run: func(t *suite.T) {
				a := t.Code(t.A(), suite.Ask{})
				again := *a
				page, _ := t.TryWalk(t.Person(), &again, t.AuthorizeURL(&again), suite.Approve)
				t.Check(page == nil || page.Left == nil || t.Answer(page.Left, &again).Get("code") == "", "a second code came back")
				t.Expect(t.Send(t.TokenRequest(a)), suite.OK)
			},
		},
	}
}

func abuseSize() []suite.Case {
	refusedPush := func(id, title, mend string, bend func(r *suite.Request), needs ...suite.Claim) suite.Case {
		return suite.Case{
			// How large is too large is for the server to say.
			ID: "abuse.size." + id, Title: title, Spec: "RFC 9126, 2.3; RFC 9110, 15.5", Severity: suite.Should, Mend: mend, Needs: append([]suite.Claim{suite.PAR}, needs...),
			Run: func(t *suite.T) {
				r, _ := t.PushRequest(t.A(), suite.Ask{})
				bend(r)
				resp, err := t.TrySend(r)
				if err == nil { // closing the connection is an answer, too
					t.Expect(resp, suite.Answer{Statuses: []int{400, 413, 414, 431}, Absent: []string{"request_uri"}})
				}
				t.Checked()
				ok, _ := t.PushRequest(t.A(), suite.Ask{})
				t.Expect(t.Send(ok), suite.Answer{Status: http.StatusCreated})
			},
		}
	}
	return []suite.Case{
		refusedPush("body", "a pushed request of a megabyte is refused", "Bound the body.", func(r *suite.Request) { r.Form.Set("padding", strings.Repeat("a", 1<<20)) }),
		refusedPush("parameter", "a parameter of 32,000 characters is refused", "Bound the length of parameters.", func(r *suite.Request) { r.Form.Set("state", strings.Repeat("a", 32000)) }),
		refusedPush("header", "headers of 64 KiB are refused", "Bound the header.", func(r *suite.Request) { r.Header.Set("X-Padding", strings.Repeat("a", 64<<10)) }),
		refusedPush("details-depth", "authorization_details that are nested a thousand times are refused", "Bound the depth of JSON.", func(r *suite.Request) {
			r.Form.Set("authorization_details", strings.Repeat(`[{"a":`, 1000)+"1"+strings.Repeat("}]", 1000))
		}, suite.RAR),
		refusedPush("assertion", "an assertion of 100 KiB is refused", "Bound the size of a JWT.", func(r *suite.Request) { r.Assertion.Claims["padding"] = strings.Repeat("a", 100<<10) }),
		refusedPush("compressed", "a compressed body is refused", "Refuse Content-Encoding on requests: a small body may hold a large one.", func(r *suite.Request) { r.Header.Set("Content-Encoding", "gzip") }),
		{
			ID: "abuse.size.proof", Title: "a proof of 100 KiB is refused at the resource", Spec: "RFC 9449, 4.3", Mend: "Bound the size of a proof before it is parsed.", Needs: []suite.Claim{suite.Resource, suite.DPoP},
			Run: func(t *suite.T) {
				g := t.Shared(t.A(), suite.Ask{})
				r := t.Read(g, g.App.Resource)
				r.Proof.Claims["padding"] = strings.Repeat("a", 100<<10)
				resp, err := t.TrySend(r)
				if err == nil {
					t.Expect(resp, suite.Answer{Statuses: []int{400, 401, 431}})
				}
				t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
			},
		},
	}
}

func abuseInjection() []suite.Case {
	var cases []suite.Case
	hostile := []struct{ id, what, value string }{
		{"sql", "SQL", "' OR '1'='1'; DROP TABLE grants; --"},
		{"nul", "a NUL", "abc\x00def"},
		{"crlf", "a line break", "abc\r\nX-Injected: yes"},
		{"markup", "markup", `"><script>alert(1)</script>`},
		{"template", "a template", "{{7*7}}${7*7}<%= 7*7 %>"},
		{"utf8", "broken UTF-8", "abc\xff\xfe"},
		{"bidi", "a character that reverses text", "abc\u202edef"},
		{"path", "a path", "../../../../etc/passwd"},
	}
	for _, h := range hostile {
		cases = append(cases,
			suite.Case{
				ID: "abuse.injection.code-" + h.id, Title: h.what + " in the place of a code is an unknown code", Spec: "RFC 6749, 5.2", Mend: "Look secrets up by hash; bind values as parameters.", Needs: []suite.Claim{suite.PAR},
				Run: func(t *suite.T) {
					a := &suite.Attempt{App: t.A(), Code: h.value, Verifier: rand.Text() + rand.Text(), Key: suite.NewKey("ES256")}
					resp := t.Send(t.TokenRequest(a))
					t.Expect(resp, suite.Refused("invalid_grant", "invalid_request"))
					unechoed(t, resp, h.value)
				},
			},
			suite.Case{
				ID: "abuse.injection.state-" + h.id, Title: h.what + " in state comes back as it was or is refused, and nothing else happens", Spec: "RFC 6749, 4.1.2", Mend: "Encode what goes into a redirect; refuse what cannot be kept.", Needs: []suite.Claim{suite.PAR},
				Run: func(t *suite.T) {
					r, a := t.PushRequest(t.A(), suite.Ask{})
					r.Form.Set("state", h.value)
					a.State = h.value
					resp := t.Send(r)
					if resp.Status == http.StatusBadRequest {
						t.Expect(resp, suite.Refused("invalid_request"))
						unechoed(t, resp, h.value)
						return
					}
					t.Expect(resp, suite.Answer{Status: http.StatusCreated, Present: []string{"request_uri"}})
					a.RequestURI = resp.Text("request_uri")
					page := t.Walk(t.Person(), a, t.AuthorizeURL(a), suite.Deny)
					t.ExpectReturn(page.Left, a, "access_denied")
				},
			})
		if strings.ContainsAny(h.value, "\x00\r\n") {
			continue // no header can hold them
		}
		cases = append(cases, suite.Case{
			ID: "abuse.injection.token-" + h.id, Title: h.what + " in the place of an access token opens nothing", Spec: "RFC 6750, 3.1", Mend: "Look tokens up by hash.", Needs: []suite.Claim{suite.Resource, suite.DPoP},
			Run: func(t *suite.T) {
				g := *t.Shared(t.A(), suite.Ask{})
				g.Access = h.value
				resp := t.Send(t.Read(&g, g.App.Resource))
				t.Expect(resp, suite.Answer{Statuses: []int{400, 401}})
				unechoed(t, resp, h.value)
			},
		})
	}
	return cases
}

// unechoed: what was sent does not come back in the words or headers of an
// error.
func unechoed(t *suite.T, r *suite.Response, value string) {
	t.Check(!strings.Contains(string(r.Body), value), "the body repeats what was sent")
	t.Check(r.Header.Get("X-Injected") == "", "a header was injected")
	for _, word := range []string{"SQLSTATE", "pq:", "ORA-", "goroutine ", "stack trace", "Exception", "/usr/", ".go:"} {
		t.Check(!strings.Contains(string(r.Body), word), "the body tells how the server is made: %s", word)
	}
}

// abuseSmuggling: requests that two readers may understand in two ways, RFC
// 9112.
func abuseSmuggling() []suite.Case {
	const body = "grant_type=authorization_code"
	shapes := []struct{ id, title, spec, head, body string }{
		{"both-lengths", "Content-Length and Transfer-Encoding together", "RFC 9112, 6.1", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"two-lengths", "two different lengths", "RFC 9112, 6.3", "Content-Length: 5\r\nContent-Length: 6\r\n", body},
		{"signed-length", "a length with a sign", "RFC 9110, 8.6", "Content-Length: +29\r\n", body},
		{"negative-length", "a negative length", "RFC 9110, 8.6", "Content-Length: -1\r\n", body},
		{"unknown-coding", "a transfer coding that is not known", "RFC 9112, 6.1", "Transfer-Encoding: xchunked\r\n", body},
		{"two-codings", "chunked twice", "RFC 9112, 6.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"},
		{"space-before-colon", "a space before the colon of a header", "RFC 9112, 5.1", "Content-Length : 29\r\n", body},
		{"bad-chunk", "a chunk whose length is no number", "RFC 9112, 7.1", "Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n"},
		{"no-host", "no Host", "RFC 9112, 3.2", "", ""},
		{"two-hosts", "two Hosts", "RFC 9112, 3.2", "Host: elsewhere.example\r\nContent-Length: 0\r\n", ""},
	}
	var cases []suite.Case
	for _, s := range shapes {
		cases = append(cases, suite.Case{
			ID: "abuse.smuggling." + s.id, Title: "a request with " + s.title + " is refused, and what follows it is not read", Spec: s.spec, Mend: "Use an HTTP server that refuses what is ambiguous, and close the connection.",
			Run: func(t *suite.T) {
				u, err := url.Parse(t.Endpoint(nil, "token_endpoint"))
				if err != nil {
					t.Cannot("read the token endpoint", err)
				}
				host := "Host: " + u.Host + "\r\n"
				if s.id == "no-host" {
					host = ""
				}
				answers := t.Raw(u.Host, fmt.Sprintf("POST %s HTTP/1.1\r\n%sContent-Type: application/x-www-form-urlencoded\r\n%s\r\n%s", u.Path, host, s.head, s.body), nil)
				t.Check(len(answers) <= 1, "%d answers to one request", len(answers))
				if len(answers) > 0 { // closing the connection is an answer, too
					t.Expect(answers[0], suite.Answer{Statuses: []int{400, 401, 411, 421, 501}, Absent: []string{"access_token"}})
				}
			},
		})
	}
	return cases
}
