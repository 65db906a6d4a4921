package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
)

// directory is the issuer of the statements that the siege registers with.
const directory = "https://directory.example"

// inHeader are the rows of mangled that can be sent in a header and are then
// still another value.
func inHeader(secret, foreign string) map[string]string {
	rows := mangled(secret, foreign)
	for _, name := range []string{"with a space", "with a line break", "40 KiB"} {
		delete(rows, name)
	}
	return rows
}

// grantManagement attacks what a client can look up and end by itself.
func (s *siege) grantManagement(t *testing.T) {
	d, redis := s.d, dialRedis(t, s.d.redis.URL())
	victim, foreign := s.granted(t, s.alpha, "everyday"), s.granted(t, s.beta, "everyday")
	key, err := recipient.NewDPoPKey("ES256")
	must(t, err)
	own := map[string]recipient.Token{}
	for method, scope := range map[string]string{http.MethodGet: "grant_management_query", http.MethodDelete: "grant_management_revoke"} {
		tok, err := s.alpha.ClientCredentials(t.Context(), scope, key)
		must(t, err)
		s.found.add(transient, string(tok.AccessToken))
		own[method] = tok
	}
	other := map[string]string{http.MethodGet: http.MethodDelete, http.MethodDelete: http.MethodGet}
	invalid, none := outcome{401, "invalid_token"}, outcome{404, "invalid_grant_id"}
	ask := func(method string, tok recipient.Token, id string, bend func(*recipient.Request)) *recipient.Response {
		t.Helper()
		r, err := s.alpha.GrantRequest(method, tok, id)
		if bend == nil {
			bend = func(*recipient.Request) {}
		}
		return s.bend(t, r, err, bend)
	}
	s.unchanged(t, func() {
		for method, tok := range own {
			try := func(name string, want outcome, bend func(*recipient.Request)) {
				t.Helper()
				s.judge(t, method+" "+name, protocol, ask(method, tok, victim.GrantID, bend), want)
			}
			with := func(token recipient.Token) func(*recipient.Request) {
				return func(r *recipient.Request) {
					good, err := s.alpha.GrantRequest(method, token, victim.GrantID)
					must(t, err)
					r.Header = good.Header
				}
			}
			proven := func(by *recipient.DPoPKey, claims map[string]any) func(*recipient.Request) {
				return func(r *recipient.Request) {
					proof, err := by.Sign(claims)
					must(t, err)
					r.Header.Set("DPoP", proof)
				}
			}
			address := d.issuer + "/grants/" + victim.GrantID
			good := func() map[string]any { return key.Claims(method, address, tok.AccessToken, "", time.Now()) }
			claim := func(name string, v any) map[string]any {
				c := good()
				if c[name] = v; v == nil {
					delete(c, name)
				}
				return c
			}

			// An id that this client does not hold is an unknown one.
			bodies := map[string]bool{}
			ids := mangled(victim.GrantID, foreign.GrantID)
			delete(ids, "40 KiB")     // no address is that long
			delete(ids, "full width") // there is no line in an id
			maps.Copy(ids, map[string]string{
				"another client's": foreign.GrantID, "of 1,000 bytes": strings.Repeat("g", 1000), "with NUL": victim.GrantID + "\x00",
				"no UTF-8": "\xff\xfe", "with a path behind": victim.GrantID + "/x", "after a path": "../grants/" + victim.GrantID, "a list": victim.GrantID + "," + foreign.GrantID,
			})
			for name, id := range ids {
				a := ask(method, tok, id, nil)
				s.judge(t, method+" id "+name, protocol, a, none)
				bodies[string(a.Body)] = true
			}
			if len(bodies) != 1 {
				t.Errorf("%s: what is wrong with an id can be told from the answers: %d", method, len(bodies))
			}

			// What opens something else opens nothing here.
			for name, text := range inHeader(string(tok.AccessToken), string(own[other[method]].AccessToken)) {
				try("token "+name, invalid, with(recipient.Token{AccessToken: recipient.Secret(text), Key: key}))
			}
			try("the token of the other method", outcome{403, "insufficient_scope"}, with(own[other[method]]))
			try("a token for data", invalid, with(recipient.Token{AccessToken: victim.AccessToken, Key: victim.Key}))
			try("a refresh token", invalid, with(recipient.Token{AccessToken: victim.RefreshToken, Key: victim.Key}))
			try("no token", invalid, func(r *recipient.Request) { r.Header.Del("Authorization") })
			try("the token as a bearer", invalid, func(r *recipient.Request) {
				r.Header.Set("Authorization", "Bearer "+string(tok.AccessToken))
				r.Header.Del("DPoP")
			})
			try("the token twice", outcome{400, "invalid_request"}, func(r *recipient.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) })
			try("the token in the query", outcome{400, "invalid_request"}, func(r *recipient.Request) {
				r.URL += "?access_token=" + url.QueryEscape(string(tok.AccessToken))
				r.Header.Del("Authorization")
			})

			// A proof is for one method, one address and one token.
			stranger, err := recipient.NewDPoPKey("ES256")
			must(t, err)
			bad := outcome{401, "invalid_dpop_proof"}
			try("without a proof", bad, func(r *recipient.Request) { r.Header.Del("DPoP") })
			try("two proofs", bad, func(r *recipient.Request) {
				first := r.Header.Get("DPoP")
				proven(key, good())(r)
				r.Header.Add("DPoP", first)
			})
			try("a proof of the other method", bad, proven(key, claim("htm", other[method])))
			try("a proof for another grant", bad, proven(key, claim("htu", d.issuer+"/grants/"+foreign.GrantID)))
			try("a proof for all grants", bad, proven(key, claim("htu", d.issuer+"/grants")))
			try("a proof without the token", bad, proven(key, claim("ath", nil)))
			try("a proof for the other token", bad, proven(key, key.Claims(method, address, own[other[method]].AccessToken, "", time.Now())))
			try("a proof of another key", invalid, proven(stranger, good()))
			try("a proof from yesterday", bad, proven(key, claim("iat", time.Now().Add(-24*time.Hour).Unix())))

			for _, wrong := range []string{http.MethodPost, http.MethodPut, http.MethodPatch} {
				a := ask(method, tok, victim.GrantID, func(r *recipient.Request) { r.Method = wrong })
				if a.Status != http.StatusNotFound && a.Status != http.StatusMethodNotAllowed {
					t.Errorf("%s: %s", wrong, judged(a))
				}
			}
		}
		must(t, redis.empty())
	})

	// The grant is as good as ever, and ends once, however many end it; the
	// proof of an end is spent.
	if a := ask(http.MethodGet, own[http.MethodGet], victim.GrantID, nil); a.Status != http.StatusOK || strings.Contains(string(a.Body), string(victim.RefreshToken)) {
		t.Errorf("a good query: %s: %s", judged(a), a.Body)
	}
	servers := d.both(t, d.protocol)
	ends := repeated(t, crowd, func() (*recipient.Request, error) {
		r, err := s.alpha.GrantRequest(http.MethodDelete, own[http.MethodDelete], victim.GrantID)
		if err == nil {
			s.note(r)
		}
		return r, err
	})
	if got := use(t, servers, ends); got[outcome{204, ""}] != 1 || got[none] != crowd-1 {
		t.Errorf("ended %d times at once: %v", crowd, got)
	}
	if n := d.count(t, "SELECT count(*) FROM consent_event WHERE grant_id = $1 AND kind = 'revoked'", victim.GrantID); n != 1 {
		t.Errorf("%d ends are written down", n)
	}
	must(t, redis.empty())
	a, err := send(t.Context(), servers[1], ends[0])
	must(t, err)
	if got := judged(a); got.status != http.StatusUnauthorized {
		t.Errorf("the same proof again: %s", got)
	}
	for method, tok := range own {
		s.judge(t, method+" after the end", protocol, ask(method, tok, victim.GrantID, nil), none)
	}
	r, err := s.alpha.AccountsRequest(victim, nil)
	s.judge(t, "a read after the end", gateway, s.ask(t, r, err), outcome{401, "603"})
	r, err = s.alpha.RefreshRequest(victim.RefreshToken, victim.Key)
	s.judge(t, "a refresh after the end", protocol, s.ask(t, r, err), outcome{400, "invalid_grant"})
	r, err = s.beta.AccountsRequest(foreign, nil)
	if a := s.ask(t, r, err); a.Status != http.StatusOK {
		t.Errorf("another client's grant: %s", judged(a))
	}
}

// statement is how the directory makes a software statement, of software that
// is new each time.
func (s *siege) statement() genuine {
	claims := func() map[string]any {
		return map[string]any{
			"iss": directory, "jti": rand.Text(), "iat": time.Now().Unix(), "exp": time.Now().Add(10 * time.Minute).Unix(),
			"software_id": rand.Text(), "client_name": "Newcomer", "redirect_uris": []string{"https://newcomer.example/callback"},
			"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
			"jwks": map[string]any{"keys": []any{publicJWK(s.mine.Public())}},
		}
	}
	return genuine{map[string]any{"alg": "ES256", "kid": "1", "typ": "JWT"}, claims, s.directory}
}

// newcomer is a client that has registered, and the statement that it did with.
func (s *siege) newcomer(t *testing.T) (recipient.Registration, string) {
	t.Helper()
	st := s.statement().mint(nil, nil)
	reg, err := s.alpha.Register(t.Context(), map[string]any{"software_statement": st})
	must(t, err)
	s.found.add(transient, st, string(reg.AccessToken))
	return reg, st
}

// registrations attacks how clients register and manage what they registered.
func (s *siege) registrations(t *testing.T) {
	d, redis := s.d, dialRedis(t, s.d.redis.URL())
	trap, knocks := trapped(t)
	post := func(body map[string]any, bend func(*recipient.Request)) *recipient.Response {
		t.Helper()
		r, err := s.alpha.RegisterRequest(body)
		return s.bend(t, r, err, bend)
	}
	c := carrier{
		protocol, s.statement(),
		func(t *testing.T, jwt string) *recipient.Response {
			s.found.add(transient, jwt)
			return post(map[string]any{"software_statement": jwt}, func(*recipient.Request) {})
		},
		201, outcome{400, "invalid_software_statement"},
	}
	jwts := s.forgeries(t, c.genuine, trap)
	jwts["larger than any"] = c.genuine.mint(nil, map[string]any{"x": strings.Repeat("a", 65<<10)})
	for from, other := range s.carriers(t) {
		jwts[from+" in the right header"] = genuine{c.genuine.header, other.genuine.claims, s.key}.mint(nil, map[string]any{"iss": directory})
		if strings.HasPrefix(from, "proof") {
			jwts["genuine "+from] = other.genuine.mint(nil, nil)
		}
	}
	c.refuses(t, s, jwts)
	if n := knocks.Load(); n != 0 {
		t.Errorf("%d addresses in headers were fetched", n)
	}

	one, st := s.newcomer(t)
	two, foreign := s.newcomer(t)
	metadata := outcome{400, "invalid_client_metadata"}
	statement, unapproved, invalid := c.refused, outcome{400, "unapproved_software_statement"}, outcome{401, "invalid_token"}
	fresh := func() map[string]any { return map[string]any{"software_statement": s.statement().mint(nil, nil)} }
	manage := func(method string, metadata map[string]any, bend func(*recipient.Request)) *recipient.Response {
		t.Helper()
		r, err := s.alpha.RegistrationRequest(method, one, metadata)
		if bend == nil {
			bend = func(*recipient.Request) {}
		}
		return s.bend(t, r, err, bend)
	}
	owned := func(bend map[string]any) map[string]any {
		all := maps.Clone(one.Metadata)
		maps.Copy(all, bend)
		return all
	}
	header := func(name string, values ...string) func(*recipient.Request) {
		return func(r *recipient.Request) { r.Header[name] = values }
	}
	s.unchanged(t, func() {
		for name, row := range map[string]struct {
			body map[string]any
			bend func(*recipient.Request)
			want outcome
		}{
			"a statement that was used":   {map[string]any{"software_statement": st}, nil, statement},
			"a statement of nobody known": {map[string]any{"software_statement": c.genuine.mint(nil, map[string]any{"iss": "https://evil.example"})}, nil, unapproved},
			"an assertion":                {map[string]any{"software_statement": s.assertion().mint(nil, nil)}, nil, unapproved},
			"a request object":            {map[string]any{"software_statement": s.object(t).mint(nil, nil)}, nil, unapproved},
			"a statement in our name":     {map[string]any{"software_statement": c.genuine.mint(nil, map[string]any{"iss": d.issuer})}, nil, statement},
			"a statement for another":     {map[string]any{"software_statement": c.genuine.mint(nil, map[string]any{"aud": "https://other.example"})}, nil, statement},
			"a statement from yesterday":  {map[string]any{"software_statement": c.genuine.mint(nil, map[string]any{"iat": time.Now().Add(-25 * time.Hour).Unix(), "exp": nil})}, nil, statement},
			"a statement of a client":     {map[string]any{"software_statement": genuine{c.genuine.header, c.genuine.claims, s.key}.mint(nil, nil)}, nil, statement},
			"a list of statements":        {map[string]any{"software_statement": []string{c.genuine.mint(nil, nil)}}, nil, statement},
			"no statement":                {owned(map[string]any{"software_statement": nil}), nil, statement},
			"of 129 KiB":                  {map[string]any{"software_statement": c.genuine.mint(nil, nil), "x": strings.Repeat("a", 129<<10)}, nil, outcome{413, "invalid_client_metadata"}},
			"of 1 MiB":                    {map[string]any{"x": strings.Repeat("a", 1<<20)}, nil, outcome{413, "invalid_client_metadata"}},
			"a form":                      {fresh(), header("Content-Type", "application/x-www-form-urlencoded"), metadata},
			"a form in truth": {fresh(), func(r *recipient.Request) {
				r.Body = []byte(url.Values{"software_statement": {c.genuine.mint(nil, nil)}}.Encode())
			}, metadata},
			"of two types":        {fresh(), header("Content-Type", "application/json", "text/plain"), metadata},
			"of JSON by a prefix": {fresh(), header("Content-Type", "application/json-patch+json"), metadata},
			"of no type":          {fresh(), func(r *recipient.Request) { r.Header.Del("Content-Type") }, metadata},
			"said to be gzip":     {fresh(), header("Content-Encoding", "gzip"), metadata},
			"with a query":        {fresh(), func(r *recipient.Request) { r.URL += "?client_id=alpha" }, metadata},
			"two objects":         {fresh(), func(r *recipient.Request) { r.Body = append(r.Body, r.Body...) }, metadata},
			"a statement twice": {fresh(), func(r *recipient.Request) {
				again, _ := json.Marshal(c.genuine.mint(nil, nil))
				r.Body = slices.Concat([]byte(`{"software_statement":`), again, []byte(","), r.Body[1:])
			}, metadata},
			"in UTF-16": {fresh(), func(r *recipient.Request) { r.Body = append([]byte{0xff, 0xfe}, r.Body...) }, metadata},
		} {
			if row.bend == nil {
				row.bend = func(*recipient.Request) {}
			}
			s.judge(t, "register: "+name, protocol, post(row.body, row.bend), row.want)
		}

		// Nothing but its own token opens a registration, and that no other.
		tokens := inHeader(string(one.AccessToken), string(two.AccessToken))
		maps.Copy(tokens, map[string]string{
			"another client's": string(two.AccessToken), "for data": string(s.token.AccessToken), "a refresh token": string(s.token.RefreshToken),
			"an assertion": s.assertion().mint(nil, nil), "a statement": st,
		})
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			var body map[string]any
			if method == http.MethodPut {
				body = owned(nil)
			}
			bodies := map[string]bool{}
			try := func(name string, bend func(*recipient.Request)) {
				t.Helper()
				a := manage(method, body, bend)
				s.judge(t, method+" "+name, protocol, a, invalid)
				bodies[string(a.Body)] = true
			}
			for name, text := range tokens {
				try("token "+name, header("Authorization", "Bearer "+text))
			}
			at := func(id string) func(*recipient.Request) {
				return func(r *recipient.Request) { r.URL = d.issuer + "/register/" + id }
			}
			try("at another's address", func(r *recipient.Request) { r.URL = two.URI })
			try("at an address of nobody", at("app-nobody"))
			try("at a client that the operator registered", at("alpha"))
			try("at its own address in capitals", at(strings.ToUpper(one.ClientID)))
			try("at its own address with NUL", at(one.ClientID+"%00"))
			try("without a token", func(r *recipient.Request) { r.Header.Del("Authorization") })
			try("with the token twice", header("Authorization", "Bearer "+string(one.AccessToken), "Bearer "+string(one.AccessToken)))
			try("with another's token beside", header("Authorization", "Bearer "+string(one.AccessToken), "Bearer "+string(two.AccessToken)))
			try("as DPoP", header("Authorization", "DPoP "+string(one.AccessToken)))
			try("in the query", func(r *recipient.Request) {
				r.Header.Del("Authorization")
				r.URL += "?access_token=" + url.QueryEscape(string(one.AccessToken))
			})
			if len(bodies) != 1 {
				t.Errorf("%s: what is wrong can be told from %d answers", method, len(bodies))
			}
		}
		for name, row := range map[string]struct {
			body map[string]any
			bend func(*recipient.Request)
			want outcome
		}{
			"as another client": {owned(nil), func(r *recipient.Request) {
				r.Body = bytes.ReplaceAll(r.Body, []byte(one.ClientID), []byte(two.ClientID))
			}, metadata},
			"with a secret":            {owned(map[string]any{"client_secret": "s"}), nil, metadata},
			"with another's statement": {owned(map[string]any{"software_statement": foreign}), nil, statement},
			"for other software":       {owned(map[string]any{"software_statement": s.statement().mint(nil, nil)}), nil, statement},
			"in nobody's name":         {owned(map[string]any{"software_statement": c.genuine.mint(nil, map[string]any{"iss": "https://evil.example"})}), nil, unapproved},
			"with a forged statement":  {owned(map[string]any{"software_statement": genuine{c.genuine.header, c.genuine.claims, s.key}.mint(nil, nil)}), nil, statement},
			"as a form":                {owned(nil), header("Content-Type", "application/x-www-form-urlencoded"), metadata},
			"said to be gzip":          {owned(nil), header("Content-Encoding", "gzip"), metadata},
			"of 129 KiB":               {owned(map[string]any{"x": strings.Repeat("a", 129<<10)}), nil, outcome{413, "invalid_client_metadata"}},
			"of a member twice":        {owned(nil), func(r *recipient.Request) { r.Body = append([]byte(`{"client_id":"`+two.ClientID+`",`), r.Body[1:]...) }, metadata},
			"of two objects":           {owned(nil), func(r *recipient.Request) { r.Body = append(r.Body, r.Body...) }, metadata},
			"of nothing":               {owned(nil), func(r *recipient.Request) { r.Body = []byte("{}") }, metadata},
		} {
			s.judge(t, "replace: "+name, protocol, manage(http.MethodPut, row.body, row.bend), row.want)
		}

		// The token opens nothing else.
		key, err := recipient.NewDPoPKey("ES256")
		must(t, err)
		r, err := s.alpha.AccountsRequest(recipient.Token{AccessToken: one.AccessToken, Key: key}, nil)
		s.judge(t, "as an access token", gateway, s.ask(t, r, err), outcome{401, "603"})
		r, err = s.alpha.GrantRequest(http.MethodGet, recipient.Token{AccessToken: one.AccessToken, Key: key}, s.token.GrantID)
		s.judge(t, "at the grants", protocol, s.ask(t, r, err), invalid)
		r, err = s.alpha.RefreshRequest(one.AccessToken, key)
		s.judge(t, "as a refresh token", protocol, s.ask(t, r, err), outcome{400, "invalid_grant"})
		r, err = s.bank.IntrospectRequest(one.AccessToken, false)
		if a := s.ask(t, r, err); string(a.Body) != `{"active":false}` {
			t.Errorf("introspected: %s", a.Body)
		}
		must(t, redis.empty())
	})
	if a := manage(http.MethodGet, nil, nil); a.Status != http.StatusOK {
		t.Errorf("the good token: %s", judged(a))
	}

	// Of many registrations with one statement one is made.
	clients := func() int { return d.count(t, "SELECT count(*) FROM registration") }
	before, servers, again := clients(), d.both(t, d.protocol), fresh()
	got := use(t, servers, repeated(t, crowd, func() (*recipient.Request, error) { return s.alpha.RegisterRequest(again) }))
	if got[outcome{201, ""}] != 1 || got[statement] != crowd-1 || clients() != before+1 {
		t.Errorf("%d registrations with one statement: %v; %d more clients", crowd, got, clients()-before)
	}

	// What is closed stays closed, whatever comes beside and afterwards. Two
	// that close at once may be told to repeat it, so that there is one.
	n := 0
	got = use(t, servers, repeated(t, crowd, func() (*recipient.Request, error) {
		if n++; n == crowd/2 {
			return s.alpha.RegistrationRequest(http.MethodDelete, one, nil)
		}
		return s.alpha.RegistrationRequest(http.MethodPut, one, owned(nil))
	}))
	for o := range got {
		if !slices.Contains([]int{200, 204, 401, 403, 409}, o.status) {
			t.Errorf("closed and replaced at once: %v", got)
		}
	}
	if got[outcome{204, ""}] != 1 {
		t.Errorf("it is not closed: %v", got)
	}
	must(t, redis.empty())
	s.unchanged(t, func() {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			var body map[string]any
			if method == http.MethodPut {
				body = owned(nil)
			}
			s.judge(t, method+" of what is closed", protocol, manage(method, body, nil), invalid)
		}
		s.judge(t, "its statement once more", protocol, post(map[string]any{"software_statement": st}, func(*recipient.Request) {}), statement)
	})
	if n := d.count(t, "SELECT count(*) FROM recipient WHERE recipient_id = $1 AND status = 'closed'", one.ClientID); n != 1 {
		t.Error("it is not closed")
	}
	r, err := s.alpha.RegistrationRequest(http.MethodGet, two, nil)
	if a := s.ask(t, r, err); a.Status != http.StatusOK {
		t.Errorf("another's registration: %s", judged(a))
	}
}
