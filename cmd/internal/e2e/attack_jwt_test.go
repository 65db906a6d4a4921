package e2e

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/resource/sandbox"
)

// carrier is an otherwise good request that carries one JWT.
type carrier struct {
	to      listener
	genuine genuine
	// carry sends the request with this JWT; ours are of alpha.
	carry   func(t *testing.T, jwt string) *recipient.Response
	good    int     // status of a good one
	refused outcome // answers every bad one
}

func (s *siege) carriers(t *testing.T) map[string]carrier {
	t.Helper()
	header := func(jwt string) func(*recipient.Request) {
		return func(r *recipient.Request) { r.Header.Set("DPoP", jwt) }
	}
	return map[string]carrier{
		"assertion": {
			protocol, s.assertion(),
			func(t *testing.T, jwt string) *recipient.Response {
				return s.refresh(t, func(r *recipient.Request) { r.Form.Set("client_assertion", jwt) })
			},
			200, outcome{401, "invalid_client"},
		},
		"proof at the authorization server": {
			protocol, s.proof(http.MethodPost, s.d.issuer+"/token", ""),
			func(t *testing.T, jwt string) *recipient.Response { return s.refresh(t, header(jwt)) },
			200, outcome{400, "invalid_dpop_proof"},
		},
		"proof at the gateway": {
			gateway, s.proof(http.MethodGet, s.d.public+"/fdx/v6/accounts", string(s.token.AccessToken)),
			func(t *testing.T, jwt string) *recipient.Response { return s.accounts(t, header(jwt)) },
			200, outcome{401, "603"},
		},
		"request object": {
			protocol, s.object(t),
			func(t *testing.T, jwt string) *recipient.Response {
				return s.push(t, func(r *recipient.Request) { r.Form.Set("request", jwt) })
			},
			201, outcome{400, "invalid_request_object"},
		},
	}
}

// works fails unless a good JWT does what it is for.
func (c carrier) works(t *testing.T, when string) {
	t.Helper()
	if a := c.carry(t, c.genuine.mint(nil, nil)); a.Status != c.good {
		t.Fatalf("a good one %s: %s: %s", when, judged(a), a.Body)
	}
}

// refuses presents JWTs that must be refused alike.
func (c carrier) refuses(t *testing.T, s *siege, jwts map[string]string) {
	t.Helper()
	c.works(t, "before all")
	s.unchanged(t, func() {
		bodies := map[string]string{}
		for name, jwt := range jwts {
			a := c.carry(t, jwt)
			s.judge(t, name, c.to, a, c.refused)
			if name != "by another key" { // what is wrong then is the token
				bodies[string(a.Body)] = name
			}
		}
		// Only whoever signs request objects is told what to mend, because it
		// has authenticated, and whoever registers with a statement, because
		// the statement names nobody who is here already.
		if len(bodies) > 1 && c.refused.code != "invalid_request_object" && c.refused.code != "invalid_software_statement" {
			t.Errorf("what is wrong can be told from the answers: %v", bodies)
		}
	})
	c.works(t, "after all")
}

// everyJWT presents each forgery as each kind of JWT.
func (s *siege) everyJWT(t *testing.T) {
	trap, knocks := trapped(t)
	for kind, c := range s.carriers(t) {
		t.Run(kind, func(t *testing.T) {
			jwts := s.forgeries(t, c.genuine, trap)
			if kind == "request object" {
				jwts["typ of an assertion"] = c.genuine.mint(map[string]any{"typ": "JWT"}, nil)
				jwts["typ of an access token"] = c.genuine.mint(map[string]any{"typ": "at+jwt"}, nil)
			}
			maps.Copy(jwts, s.claimed(c, kind))
			c.refuses(t, s, jwts)
		})
	}
	if n := knocks.Load(); n != 0 {
		t.Errorf("%d addresses in headers were fetched", n)
	}
}

// claimed are JWTs with good signatures and bad claims. The packages that read
// them have longer lists: these are the ones that matter on real parts, with
// real clocks and addresses.
func (s *siege) claimed(c carrier, kind string) map[string]string {
	now := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	set := func(claims map[string]any) string { return c.genuine.mint(nil, claims) }
	one := func(name string, v any) string { return set(map[string]any{name: v}) }
	beta := s.assertionOf("beta")
	switch kind {
	case "assertion":
		self := func(id string) string { return set(map[string]any{"iss": id, "sub": id}) }
		return map[string]string{
			"without jti": one("jti", nil), "jti too long": one("jti", strings.Repeat("j", 300)), "jti a number": one("jti", 7),
			"exp missing": one("exp", nil), "exp in an hour": one("exp", now(time.Hour)), "without sub": one("sub", nil),
			"aud an array": one("aud", []string{s.d.issuer}), "aud the endpoint": one("aud", s.d.issuer+"/token"),
			"aud with a slash": one("aud", s.d.issuer+"/"), "aud the host for certificates": one("aud", s.d.mtls),
			"aud in capitals": one("aud", strings.ToUpper(s.d.issuer)), "aud with NUL": one("aud", s.d.issuer+"\x00"),
			"iss another client": one("iss", "beta"), "sub another client": one("sub", "beta"), "both another client": self("beta"),
			"a client that must use a certificate": self("named"), "nobody": self("nobody"), "empty": self(""),
			"capitals": self("ALPHA"), "Cyrillic": self("аlpha"), "full width": self("ａｌｐｈａ"), "with NUL": self("alpha\x00"),
			"with a space": self("alpha "), "zero width": self("al\u200bpha"), "a wildcard": self("%"), "SQL": self("' OR '1'='1"),
			"a lone surrogate":    c.genuine.raw(text(c.genuine.header, nil), strings.ReplaceAll(text(c.genuine.claims(), nil), `"alpha"`, `"alpha\ud800"`)),
			"members in capitals": c.genuine.raw(text(c.genuine.header, nil), strings.Replace(text(c.genuine.claims(), nil), `"iss"`, `"ISS"`, 1)),
			"of another client, signed by it, for its own name": strings.Join([]string{strings.Split(beta, ".")[0], strings.Split(set(nil), ".")[1], strings.Split(beta, ".")[2]}, "."),
		}
	case "request object":
		rows := map[string]string{
			"exp missing": one("exp", nil), "nbf missing": one("nbf", nil), "nbf over an hour ago": set(map[string]any{"nbf": now(-61 * time.Minute)}),
			"for over an hour": one("exp", now(61*time.Minute)), "aud another": one("aud", "https://evil.example"), "aud missing": one("aud", nil),
			"iss another client": one("iss", "beta"), "client_id another client": one("client_id", "beta"),
			"client_id in Cyrillic": one("client_id", "аlpha"), "client_id with NUL": one("client_id", "alpha\x00"),
			"request inside": one("request", "x"), "request_uri inside": one("request_uri", "https://evil.example/object"),
			"state with NUL": one("state", "a\x00b"), "nonce with NUL": one("nonce", "a\x00b"), "state a number": one("state", 1), "state null of JSON": c.genuine.raw(text(c.genuine.header, nil), strings.Replace(text(c.genuine.claims(), map[string]any{"state": "S"}), `"S"`, "null", 1)),
		}
		for _, name := range []string{"state", "nonce"} {
			rows[name+" of a lone surrogate"] = c.genuine.raw(text(c.genuine.header, nil), strings.Replace(text(c.genuine.claims(), map[string]any{name: "S"}), `"S"`, `"a\ud800b"`, 1))
		}
		return rows
	}
	method, address := http.MethodPost, s.d.issuer+"/token"
	if c.to == gateway {
		method, address = http.MethodGet, s.d.public+"/fdx/v6/accounts"
	}
	rows := map[string]string{
		"121 seconds old": one("iat", now(-122*time.Second)), "an hour ahead": one("iat", now(time.Hour)), "without iat": one("iat", nil),
		"without jti": one("jti", nil), "jti empty": one("jti", ""), "jti too long": one("jti", strings.Repeat("j", 300)),
		"of another method": one("htm", http.MethodPut), "of the method in small letters": one("htm", strings.ToLower(method)),
		"of another endpoint": one("htu", address+"/x"), "with a slash more": one("htu", address+"/"), "without htu": one("htu", nil),
		"of another host":        one("htu", strings.Replace(address, "localhost", "localhost.evil.example", 1)),
		"of a host before it":    one("htu", strings.Replace(address, "https://", "https://evil.example@", 1)),
		"of another port":        one("htu", strings.Replace(address, "localhost:", "localhost:1", 1)),
		"of plain HTTP":          one("htu", strings.Replace(address, "https", "http", 1)),
		"of dots":                one("htu", address+"/x/.."),
		"of the other instance":  one("htu", "https://"+s.d.protocol[1]+"/token"),
		"of the certificates":    one("htu", s.d.mtls+"/token"),
		"of a host in Cyrillic":  one("htu", strings.Replace(address, "localhost", "lосalhost", 1)),
		"of an address with NUL": one("htu", address+"\x00"), "of a path in escapes": one("htu", strings.Replace(address, "o", "%6f", 3)),
	}
	if c.to == gateway {
		maps.Copy(rows, map[string]string{
			"for no token": one("ath", nil), "for another token": s.proof(method, address, "hgat_x").mint(nil, nil),
			"for the refresh token": s.proof(method, address, string(s.token.RefreshToken)).mint(nil, nil),
			"by another key":        genuine{map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": publicJWK(s.key.Public())}, c.genuine.claims, s.key}.mint(nil, nil),
		})
	}
	return rows
}

func (s *siege) assertionOf(id string) string {
	app := map[string]*recipient.Client{"beta": s.beta, "signing": s.signing}[id]
	jwt, err := app.SignAssertion(app.AssertionClaims())
	if err != nil {
		panic(err)
	}
	s.found.add(transient, jwt)
	return jwt
}

// One JWT must not pass for another (RFC 8725 section 3.11, RFC 9101 section
// 10.8), whoever signed it and however good it is where it belongs.
func (s *siege) confusion(t *testing.T) {
	attempt, p := s.pushed(t, s.signing)
	back, err := browser.ApproveAll(t.Context(), s.d.person(t), s.signing.AuthorizationURL(p.RequestURI), "saver", sandbox.DevPassword("saver"))
	must(t, err)
	response := back.Query().Get("response")
	s.found.add(transient, response)
	code, err := s.signing.ReadAnswer(t.Context(), back, attempt)
	must(t, err)
	_, err = s.signing.Redeem(t.Context(), attempt, code)
	must(t, err)
	r, err := s.bank.IntrospectRequest(s.token.AccessToken, true)
	introspection := string(s.ask(t, r, err).Body)
	attempt, err = recipient.AskScopes("fdx:accountdetailed:read")
	must(t, err)
	attempt.AskIdentity()
	d := s.d
	pushed, err := s.signing.Push(t.Context(), attempt)
	must(t, err)
	back, err = browser.ApproveAll(t.Context(), d.person(t), s.signing.AuthorizationURL(pushed.RequestURI), "saver", sandbox.DevPassword("saver"))
	must(t, err)
	code, err = s.signing.ReadAnswer(t.Context(), back, attempt)
	must(t, err)
	tok, err := s.signing.Redeem(t.Context(), attempt, code)
	must(t, err)
	identity := string(tok.IDToken)
	s.found.add(transient, identity)
	if response == "" || identity == "" || strings.Count(introspection, ".") != 2 {
		t.Fatal("there is nothing to confuse")
	}

	carriers := s.carriers(t)
	dressed := func(into, from string) string { // the claims of one in the header of another, signed by alpha
		return genuine{carriers[into].genuine.header, carriers[from].genuine.claims, s.key}.mint(nil, nil)
	}
	of := map[string]string{
		"an ID token": identity, "a signed response": response, "a signed introspection": introspection,
		"an access token": string(s.token.AccessToken),
	}
	for kind, c := range carriers {
		t.Run(kind, func(t *testing.T) {
			jwts := maps.Clone(of)
			for from, other := range carriers {
				if from != kind && !(strings.HasPrefix(from, "proof") && strings.HasPrefix(kind, "proof")) {
					jwts["genuine "+from] = other.genuine.mint(nil, nil)
					jwts[from+" in the right header"] = dressed(kind, from)
				}
			}
			for from, other := range carriers {
				if from != kind && c.genuine.header["jwk"] == nil && from == "request object" || kind == "request object" {
					// Right claims, right key, and the typ of something else.
					jwts["typ of a "+from] = c.genuine.mint(map[string]any{"typ": other.genuine.header["typ"]}, nil)
				}
			}
			delete(jwts, "typ of a request object")
			if kind == "assertion" {
				// Another client's is good, for that client.
				s.judge(t, "another client's assertion", c.to, c.carry(t, s.assertionOf("beta")), outcome{400, "invalid_grant"})
				jwts["typ of a request object"] = c.genuine.mint(map[string]any{"typ": "OAuth-Authz-Req+JWT"}, nil)
			}
			if strings.HasPrefix(kind, "proof at the a") {
				jwts["proof of the gateway"] = carriers["proof at the gateway"].genuine.mint(nil, nil)
			} else if c.to == gateway {
				jwts["proof of the authorization server"] = carriers["proof at the authorization server"].genuine.mint(nil, nil)
			}
			c.refuses(t, s, jwts)
		})
	}

	// A signed response that is replayed into another app: it must not
	// believe it, nor can it do anything with the code in it.
	attempt, p = s.pushed(t, s.signing)
	back, err = browser.ApproveAll(t.Context(), d.person(t), s.signing.AuthorizationURL(p.RequestURI), "saver", sandbox.DevPassword("saver"))
	must(t, err)
	s.found.add(transient, back.Query().Get("response"))
	config := s.configs["signing"]
	config.ClientID = "named"
	victim, err := recipient.Connect(t.Context(), config)
	must(t, err)
	if _, err := victim.ReadAnswer(t.Context(), back, attempt); err == nil {
		t.Error("a response for one client is believed by another")
	}
	other, err := recipient.Ask(wanted())
	must(t, err)
	if _, err := s.signing.ReadAnswer(t.Context(), back, other); err == nil {
		t.Error("a response for one attempt is believed for another")
	}
	code, err = s.signing.ReadAnswer(t.Context(), back, attempt)
	must(t, err)
	s.found.add(transient, string(code))
	r, err = s.beta.CodeRequest(attempt, code)
	must(t, err)
	r.Form.Set("redirect_uri", callback("signing"))
	s.judge(t, "the code of a foreign response", protocol, s.ask(t, r, nil), outcome{400, "invalid_grant"})
	_, err = s.signing.Redeem(t.Context(), attempt, code)
	must(t, err)
}

// What comes twice, and what comes again: after it was used, after Redis has
// forgotten it, and 32 times at once over two instances.
func (s *siege) again(t *testing.T) {
	redis := dialRedis(t, s.d.redis.URL())
	servers := s.d.both(t, s.d.protocol)
	for kind, c := range s.carriers(t) {
		t.Run(kind, func(t *testing.T) {
			first, second := c.genuine.mint(nil, nil), c.genuine.mint(nil, nil)
			c.works(t, "before all")
			s.unchanged(t, func() {
				twice := outcome{400, "invalid_request"}
				var a *recipient.Response
				switch kind {
				case "assertion":
					a = s.refresh(t, func(r *recipient.Request) { r.Form["client_assertion"] = []string{first, second} })
				case "request object":
					a = s.push(t, func(r *recipient.Request) { r.Form["request"] = []string{first, second} })
				case "proof at the gateway":
					twice = c.refused
					a = s.accounts(t, func(r *recipient.Request) { r.Header["Dpop"] = []string{first, second} })
				default:
					twice = c.refused
					a = s.refresh(t, func(r *recipient.Request) { r.Header["Dpop"] = []string{first, second} })
				}
				s.judge(t, "two at once", c.to, a, twice)
			})
			// At once and without a loss of memory: once_test.go. A request
			// object is the one kind that may come again.
			if kind != "request object" {
				if a := c.carry(t, first); a.Status != c.good {
					t.Errorf("the first use: %s", judged(a))
				}
				must(t, redis.empty())
				s.judge(t, "a second use after Redis was emptied", c.to, c.carry(t, first), c.refused)
			}
			c.works(t, "after all")
		})
	}

	// A request object may be pushed again (docs/divergences.md, RFC 9101
	// section 6.2): each push has an assertion of its own, and a request_uri.
	object := s.object(t).mint(nil, nil)
	s.found.add(transient, object)
	a, err := recipient.Ask(wanted())
	must(t, err)
	a.Key = nil
	got := use(t, servers, repeated(t, crowd, func() (*recipient.Request, error) {
		r, err := s.alpha.PushRequest(a)
		if err == nil {
			r.Form.Set("request", object)
			s.note(r)
		}
		return r, err
	}))
	exactly(t, got, map[outcome]int{{201, ""}: crowd})
	// A refresh token is good for as long as its grant (docs/divergences.md).
	exactly(t, use(t, servers, repeated(t, crowd, func() (*recipient.Request, error) {
		key, err := recipient.NewDPoPKey("ES256")
		must(t, err)
		r, err := s.alpha.RefreshRequest(s.token.RefreshToken, key)
		s.note(r)
		return r, err
	})), map[outcome]int{{200, ""}: crowd})
	// One assertion buys one token of the client's own, and one introspection.
	key, err := recipient.NewDPoPKey("ES256")
	must(t, err)
	r, err := s.alpha.ClientCredentialsRequest("grant_management_query", key)
	must(t, err)
	s.note(r)
	before := s.d.count(t, "SELECT count(*) FROM client_access")
	exactly(t, use(t, servers, same(r, crowd)), map[outcome]int{{200, ""}: 1, {401, "invalid_client"}: crowd - 1})
	if n := s.d.count(t, "SELECT count(*) FROM client_access") - before; n != 1 {
		t.Errorf("one assertion bought %d tokens", n)
	}
	r, err = s.bank.IntrospectRequest(s.token.AccessToken, false)
	must(t, err)
	s.note(r)
	exactly(t, use(t, servers, same(r, crowd)), map[outcome]int{{200, ""}: 1, {401, "invalid_client"}: crowd - 1})
	// With assertions of their own they are 32 answers.
	exactly(t, use(t, servers, repeated(t, crowd, func() (*recipient.Request, error) {
		r, err := s.bank.IntrospectRequest(s.token.AccessToken, false)
		s.note(r)
		return r, err
	})), map[outcome]int{{200, ""}: crowd})
}
