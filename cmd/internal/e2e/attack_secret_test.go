package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
)

// mangled are texts that are nearly a secret of ours.
func mangled(secret, foreign string) map[string]string {
	prefix, rest, _ := strings.Cut(secret, "_")
	at := len(secret) / 2
	swapped := byte('A')
	if secret[at] == swapped {
		swapped = 'B'
	}
	return map[string]string{
		"no secret": "x", "without its last byte": secret[:len(secret)-1], "without its first byte": secret[1:],
		"half of it": secret[:at], "one byte more": secret + "A", "doubled": secret + secret, "with a space": secret + " ",
		"altered in the middle": secret[:at] + string(swapped) + secret[at+1:], "altered at the end": secret[:len(secret)-2] + "--",
		"another key": prefix + "_k9" + strings.TrimPrefix(rest, "k1"), "in capitals": strings.ToUpper(secret),
		"half a foreign one": secret[:at] + foreign[min(at, len(foreign)):], "in escapes": url.QueryEscape(secret) + "%41",
		"of another kind": "hgxx_" + rest, "with a line break": secret + "\r\n", "full width": strings.Replace(secret, "_", "＿", 1),
		"40 KiB": secret + strings.Repeat("A", 40<<10), "a pattern": "%", "SQL": "' OR 1=1 --",
	}
}

// codes attacks an authorization code.
func (s *siege) codes(t *testing.T) {
	redis := dialRedis(t, s.d.redis.URL())
	invalid := outcome{400, "invalid_grant"}
	_, foreign := s.approved(t, s.beta, "everyday")
	attempt, code := s.approved(t, s.alpha, "everyday")
	again, err := recipient.Ask(wanted())
	must(t, err)
	try := func(name string, want outcome, app *recipient.Client, a *recipient.Attempt, bend func(*recipient.Request)) {
		t.Helper()
		r, err := app.CodeRequest(a, code)
		s.judge(t, name, protocol, s.bend(t, r, err, bend), want)
	}
	set := func(name, value string) func(*recipient.Request) {
		return func(r *recipient.Request) { r.Form.Set(name, value) }
	}
	s.unchanged(t, func() {
		for name, text := range mangled(string(code), string(foreign)) {
			try("code "+name, invalid, s.alpha, attempt, set("code", text))
		}
		try("a foreign code", invalid, s.alpha, attempt, set("code", string(foreign)))
		try("somebody else's", invalid, s.beta, attempt, set("redirect_uri", callback("alpha")))
		try("a refresh token for a code", invalid, s.alpha, attempt, set("code", string(s.token.RefreshToken)))
		try("code with NUL", outcome{400, "invalid_request"}, s.alpha, attempt, set("code", string(code)+"\x00"))
		try("code twice", outcome{400, "invalid_request"}, s.alpha, attempt, func(r *recipient.Request) { r.Form.Add("code", string(code)) })
		try("grant_type twice", outcome{400, "invalid_request"}, s.alpha, attempt, func(r *recipient.Request) { r.Form.Add("grant_type", "authorization_code") })
		try("without a proof", outcome{400, "invalid_request"}, s.alpha, attempt, func(r *recipient.Request) { r.Header.Del("DPoP") })
		try("with another key", invalid, s.alpha, &recipient.Attempt{Verifier: attempt.Verifier, Key: again.Key}, func(*recipient.Request) {})
		try("with another verifier", invalid, s.alpha, &recipient.Attempt{Verifier: again.Verifier, Key: attempt.Key}, func(*recipient.Request) {})
		try("with the challenge for a verifier", invalid, s.alpha, attempt, set("code_verifier", attempt.Challenge()))
		try("without a verifier", invalid, s.alpha, attempt, func(r *recipient.Request) { r.Form.Del("code_verifier") })
		for _, uri := range []string{
			"", callback("beta"), callback("alpha") + "/", callback("alpha") + "?", callback("alpha") + "#", strings.ToUpper(callback("alpha")),
			strings.Replace(callback("alpha"), "https", "http", 1), strings.Replace(callback("alpha"), "alpha", "аlpha", 1),
			strings.Replace(callback("alpha"), "://", "://evil.example@", 1), strings.Replace(callback("alpha"), "/callback", "/x/../callback", 1),
			callback("alpha") + " ", "https://alpha.example:443/callback", "https://alpha.example/%63allback", callback("alpha") + "\u200b",
		} {
			try("redirect_uri "+uri, invalid, s.alpha, attempt, set("redirect_uri", uri))
		}
		must(t, redis.empty())
	})
	// After all of that, and with Redis empty, it is as good as ever, once.
	r, err := s.alpha.CodeRequest(attempt, code)
	a := s.ask(t, r, err)
	if a.Status != http.StatusOK {
		t.Fatalf("the good code: %s: %s", judged(a), a.Body)
	}
	var tok recipient.Token
	must(t, a.JSON(&tok))
	must(t, redis.empty())
	try("again", invalid, s.alpha, attempt, func(*recipient.Request) {})
	if g := s.d.grant(t, tok.GrantID); g.Status == "ACTIVE" {
		t.Error("a code that came back ended nothing")
	}
	// PostgreSQL's clock decides when a code is over.
	attempt, code = s.approved(t, s.alpha, "everyday")
	_, err = s.d.sql.ExecContext(t.Context(), "UPDATE oauth_code SET expires_at = clock_timestamp() WHERE used_at IS NULL AND recipient_id = 'alpha'")
	must(t, err)
	s.unchanged(t, func() { try("late", invalid, s.alpha, attempt, func(*recipient.Request) {}) })
}

// refreshTokens attacks a refresh token, and what it can be narrowed to.
func (s *siege) refreshTokens(t *testing.T) {
	redis := dialRedis(t, s.d.redis.URL())
	invalid := outcome{400, "invalid_grant"}
	foreign := s.granted(t, s.beta, "everyday")
	victim := s.granted(t, s.alpha, "everyday")
	try := func(name string, want outcome, app *recipient.Client, bend func(*recipient.Request)) {
		t.Helper()
		r, err := app.RefreshRequest(victim.RefreshToken, victim.Key)
		s.judge(t, name, protocol, s.bend(t, r, err, bend), want)
	}
	set := func(name, value string) func(*recipient.Request) {
		return func(r *recipient.Request) { r.Form.Set(name, value) }
	}
	accounts := s.d.grant(t, s.token.GrantID).Accounts()
	details := func(text string) func(*recipient.Request) {
		return set("authorization_details", strings.NewReplacer("ID", string(accounts[0]), "GRANT", victim.GrantID).Replace(text))
	}
	s.unchanged(t, func() {
		for name, text := range mangled(string(victim.RefreshToken), string(foreign.RefreshToken)) {
			try("refresh token "+name, invalid, s.alpha, set("refresh_token", text))
		}
		try("somebody else's", invalid, s.beta, func(*recipient.Request) {})
		try("an access token", invalid, s.alpha, set("refresh_token", string(victim.AccessToken)))
		try("with NUL", outcome{400, "invalid_request"}, s.alpha, set("refresh_token", "hgrt_\x00"))
		try("twice", outcome{400, "invalid_request"}, s.alpha, func(r *recipient.Request) { r.Form.Add("refresh_token", "x") })
		try("without a proof", outcome{400, "invalid_request"}, s.alpha, func(r *recipient.Request) { r.Header.Del("DPoP") })
		try("for more scopes", outcome{400, "invalid_scope"}, s.alpha, set("scope", "fdx:rewards:read"))
		wide := outcome{400, "invalid_authorization_details"}
		for name, text := range map[string]string{
			"nothing":                    `[]`,
			"null":                       `null`,
			"an object":                  `{"type":"fdx_v1.0"}`,
			"no resources":               `[{"type":"fdx_v1.0"}]`,
			"resources empty":            `[{"type":"fdx_v1.0","resources":[]}]`,
			"resources null":             `[{"type":"fdx_v1.0","resources":null}]`,
			"a foreign account":          `[{"type":"fdx_v1.0","resources":[{"resourceType":"ACCOUNT","resourceId":"ID","dataClusters":["ACCOUNT_BASIC"]}]}]`,
			"another grant":              `[{"type":"fdx_v1.0","fdxConsentId":"` + s.token.GrantID + `","consentRequest":{"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC"]}]}}]`,
			"another cluster":            `[{"type":"fdx_v1.0","consentRequest":{"resources":[{"resourceType":"ACCOUNT","dataClusters":["REWARDS"]}]}}]`,
			"no cluster":                 `[{"type":"fdx_v1.0","consentRequest":{"resources":[{"resourceType":"ACCOUNT","dataClusters":[]}]}}]`,
			"a longer term":              `[{"type":"fdx_v1.0","consentRequest":{"durationPeriod":365,"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC"]}]}}]`,
			"a longer look-back":         `[{"type":"fdx_v1.0","consentRequest":{"lookbackPeriod":700,"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC"]}]}}]`,
			"the whole person":           `[{"type":"fdx_v1.0","consentRequest":{"resources":[{"resourceType":"CUSTOMER","dataClusters":["CUSTOMER_PERSONAL"]}]}}]`,
			"capitals":                   `[{"TYPE":"fdx_v1.0","consentRequest":{"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC"]}]}}]`,
			"a member twice":             `[{"type":"fdx_v1.0","consentRequest":{"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC"],"dataClusters":["REWARDS"]}]}}]`,
			"two objects":                `[{"type":"fdx_v1.0","consentRequest":{"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC"]}]}},{"type":"fdx_v1.0"}]`,
			"an account twice":           `[{"type":"fdx_v1.0","consentRequest":{"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC"]},{"resourceType":"ACCOUNT","dataClusters":["TRANSACTIONS"]}]}}]`,
			"nested 1,000 deep":          `[{"type":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}]`,
			"something behind the array": `[]{}`,
			"larger than any":            `[{"type":"` + strings.Repeat("a", 40<<10) + `"}]`,
		} {
			try("details: "+name, wide, s.alpha, details(text))
		}
		must(t, redis.empty())
	})
	r, err := s.alpha.RefreshRequest(victim.RefreshToken, victim.Key)
	if a := s.ask(t, r, err); a.Status != http.StatusOK {
		t.Fatalf("the good token: %s", judged(a))
	}
	// Neither a stranger who gives it back nor an empty Redis changes what is so.
	must(t, s.beta.Revoke(t.Context(), victim.RefreshToken))
	r, err = s.alpha.RefreshRequest(victim.RefreshToken, victim.Key)
	if a := s.ask(t, r, err); a.Status != http.StatusOK {
		t.Fatalf("given back by a stranger: %s", judged(a))
	}
	must(t, s.alpha.Revoke(t.Context(), victim.RefreshToken))
	must(t, redis.empty())
	try("given back", invalid, s.alpha, func(*recipient.Request) {})
	_, err = s.d.sql.ExecContext(t.Context(), "UPDATE oauth_refresh SET expires_at = clock_timestamp() WHERE grant_id = $1", foreign.GrantID)
	must(t, err)
	r, err = s.beta.RefreshRequest(foreign.RefreshToken, foreign.Key)
	s.judge(t, "late", protocol, s.ask(t, r, err), invalid)
}

// clientTokens attacks what a client has for itself.
func (s *siege) clientTokens(t *testing.T) {
	key, err := recipient.NewDPoPKey("ES256")
	must(t, err)
	own, err := s.alpha.ClientCredentials(t.Context(), "grant_management_query", key)
	must(t, err)
	s.found.add(transient, string(own.AccessToken))
	held := func() int { return s.d.count(t, "SELECT count(*) FROM client_access") }
	before := held()
	for name, c := range map[string]struct {
		app   *recipient.Client
		scope string
		bend  func(*recipient.Request)
		want  outcome
	}{
		"a client that did not register": {s.beta, "grant_management_query", nil, outcome{400, "unauthorized_client"}},
		"a resource server":              {s.bank, "grant_management_query", nil, outcome{400, "unauthorized_client"}},
		"data":                           {s.alpha, "fdx:transactions:read", nil, outcome{400, "invalid_scope"}},
		"data beside":                    {s.alpha, "grant_management_query fdx:transactions:read", nil, outcome{400, "invalid_scope"}},
		"nothing":                        {s.alpha, "", nil, outcome{400, "invalid_scope"}},
		"openid":                         {s.alpha, "openid", nil, outcome{400, "invalid_scope"}},
		"in capitals":                    {s.alpha, "GRANT_MANAGEMENT_QUERY", nil, outcome{400, "invalid_scope"}},
		"bound to nothing":               {s.alpha, "grant_management_query", func(r *recipient.Request) { r.Header.Del("DPoP") }, outcome{400, "invalid_request"}},
		"bound to a certificate": {s.alpha, "grant_management_query", func(r *recipient.Request) {
			r.Header.Del("DPoP")
			r.URL, r.Certificate = s.d.mtls+"/token", s.configs["named"].Certificate
		}, outcome{400, "invalid_request"}},
		"with details":       {s.alpha, "grant_management_query", func(r *recipient.Request) { r.Form.Set("authorization_details", "[]") }, outcome{400, "invalid_authorization_details"}},
		"with a code beside": {s.alpha, "fdx:transactions:read", func(r *recipient.Request) { r.Form.Set("refresh_token", string(s.token.RefreshToken)) }, outcome{400, "invalid_scope"}},
	} {
		r, err := c.app.ClientCredentialsRequest(c.scope, key)
		must(t, err)
		if c.bend == nil {
			c.bend = func(*recipient.Request) {}
		}
		s.judge(t, name, protocol, s.bend(t, r, nil, c.bend), c.want)
	}
	// It opens no data, says nothing to a resource server, and renews nothing.
	r, err := s.alpha.AccountsRequest(recipient.Token{AccessToken: own.AccessToken, Key: key}, nil)
	s.judge(t, "as an access token", gateway, s.ask(t, r, err), outcome{401, "603"})
	r, err = s.alpha.RefreshRequest(own.AccessToken, key)
	s.judge(t, "as a refresh token", protocol, s.ask(t, r, err), outcome{400, "invalid_grant"})
	r, err = s.bank.IntrospectRequest(own.AccessToken, false)
	if a := s.ask(t, r, err); string(a.Body) != `{"active":false}` {
		t.Errorf("introspected: %s", a.Body)
	}
	must(t, s.beta.Revoke(t.Context(), own.AccessToken))
	if n := held(); n != before {
		t.Errorf("%d tokens, then %d", before, n)
	}
	must(t, s.alpha.Revoke(t.Context(), own.AccessToken))
	if n := held(); n != before-1 {
		t.Errorf("%d tokens, then %d after one was given back", before, n)
	}
}

// introspections attacks the endpoint that tells what a token is worth.
func (s *siege) introspections(t *testing.T) {
	redis := dialRedis(t, s.d.redis.URL())
	const no = `{"active":false}`
	living := s.granted(t, s.alpha, "everyday")
	ask := func(app *recipient.Client, token string, bend func(*recipient.Request)) *recipient.Response {
		r, err := app.IntrospectRequest(recipient.Secret(token), false)
		must(t, err)
		if bend != nil {
			bend(r)
		}
		return s.ask(t, r, nil)
	}
	yes := func(when string) {
		t.Helper()
		if a := ask(s.bank, string(living.AccessToken), nil); a.Status != 200 || !strings.HasPrefix(string(a.Body), `{"active":true`) {
			t.Errorf("%s: %d %s", when, a.Status, a.Body)
		}
	}
	yes("before all")
	s.unchanged(t, func() {
		tokens := mangled(string(living.AccessToken), string(s.token.AccessToken))
		tokens["a refresh token"] = string(living.RefreshToken)
		for name, token := range tokens {
			if a := ask(s.bank, token, nil); a.Status != 200 || string(a.Body) != no {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
		for name, app := range map[string]*recipient.Client{"the recipient itself": s.alpha, "another recipient": s.beta, "a resource server without these scopes": s.other} {
			if a := ask(app, string(living.AccessToken), nil); a.Status != 200 || string(a.Body) != no {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
		for name, c := range map[string]struct {
			bend func(*recipient.Request)
			want outcome
		}{
			"no token":     {func(r *recipient.Request) { r.Form.Del("token") }, outcome{400, "invalid_request"}},
			"token twice":  {func(r *recipient.Request) { r.Form.Add("token", "x") }, outcome{400, "invalid_request"}},
			"with NUL":     {func(r *recipient.Request) { r.Form.Set("token", "\x00") }, outcome{400, "invalid_request"}},
			"in the query": {func(r *recipient.Request) { r.URL += "?token=x" }, outcome{400, "invalid_request"}},
			"by nobody":    {func(r *recipient.Request) { r.Form.Del("client_assertion") }, outcome{401, "invalid_client"}},
			"with Bearer": {func(r *recipient.Request) {
				r.Form.Del("client_assertion")
				r.Form.Del("client_assertion_type")
				r.Header.Set("Authorization", "Bearer "+string(living.AccessToken))
			}, outcome{401, "invalid_client"}},
			"with Bearer beside": {func(r *recipient.Request) { r.Header.Set("Authorization", "Bearer x") }, outcome{400, "invalid_request"}},
			"as another":         {func(r *recipient.Request) { r.Form.Set("client_id", "other") }, outcome{401, "invalid_client"}},
		} {
			s.judge(t, name, protocol, ask(s.bank, string(living.AccessToken), c.bend), c.want)
		}
		must(t, redis.empty())
	})
	yes("after all")
	must(t, s.alpha.Revoke(t.Context(), living.AccessToken))
	for range 2 {
		if a := ask(s.bank, string(living.AccessToken), nil); string(a.Body) != no {
			t.Errorf("given back: %s", a.Body)
		}
		must(t, redis.empty())
	}
}

// authority is the authority of a deployment, with its key.
func (s *siege) authority(t *testing.T) (*x509.Certificate, any) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(s.d.ca.File(), filepath.Join(filepath.Dir(s.d.ca.File()), "ca-key.pem"))
	must(t, err)
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	must(t, err)
	return cert, pair.PrivateKey
}

// certificates attacks clients that authenticate, or bind their tokens, by
// certificate.
func (s *siege) certificates(t *testing.T) {
	ca, caKey := s.authority(t)
	d := s.d
	tok, selfs := s.granted(t, s.named, "saver"), s.granted(t, s.self, "saver")
	named, self := s.configs["named"].Certificate, s.configs["self"].Certificate
	make := func(by *x509.Certificate, byKey any, key *ecdsa.PrivateKey, bend func(*x509.Certificate)) *tls.Certificate {
		t.Helper()
		c := x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "named"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
		}
		if bend != nil {
			bend(&c)
		}
		if key == nil {
			var err error
			key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			must(t, err)
		}
		if by == nil {
			by, byKey = &c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, &c, by, key.Public(), byKey)
		must(t, err)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	issued := func(bend func(*x509.Certificate)) *tls.Certificate { return make(ca, caKey, nil, bend) }
	selfKey := self.PrivateKey.(*ecdsa.PrivateKey)
	fake := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: ca.Subject, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, SubjectKeyId: ca.SubjectKeyId,
	}
	fakeKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	fakeChain := make(&fake, fakeKey, nil, nil)
	fakeDER, err := x509.CreateCertificate(rand.Reader, &fake, &fake, fakeKey.Public(), fakeKey)
	must(t, err)
	fakeChain.Certificate = append(fakeChain.Certificate, fakeDER)
	leafCA := make(mustParse(t, named), named.PrivateKey, nil, nil) // signed by a leaf
	leafCA.Certificate = append(leafCA.Certificate, named.Certificate[0])

	refresh := func(app *recipient.Client, tok recipient.Token, cert *tls.Certificate, bend func(*recipient.Request)) *recipient.Response {
		t.Helper()
		r, err := app.RefreshRequest(tok.RefreshToken, nil)
		must(t, err)
		r.Certificate = cert
		if bend != nil {
			bend(r)
		}
		return s.ask(t, r, nil)
	}
	works := func(when string) {
		t.Helper()
		for app, c := range map[*recipient.Client]struct {
			tok  recipient.Token
			cert *tls.Certificate
		}{s.named: {tok, named}, s.self: {selfs, self}} {
			if a := refresh(app, c.tok, c.cert, nil); a.Status != 200 {
				t.Fatalf("a good certificate %s: %s", when, judged(a))
			}
			if a, err := app.Accounts(t.Context(), recipient.Token{AccessToken: c.tok.AccessToken}, nil); err != nil || a.Status != 200 {
				t.Fatalf("a good certificate at the gateway %s: %v", when, err)
			}
		}
	}
	works("before all")
	no := outcome{401, "invalid_client"}
	header := ":" + base64.StdEncoding.EncodeToString(named.Certificate[0]) + ":"
	s.unchanged(t, func() {
		for name, cert := range map[string]*tls.Certificate{
			"no certificate": nil, "another client's": self, "self-signed, of the right name": make(nil, nil, nil, nil),
			"of an authority of the same name": fakeChain, "signed by a client": leafCA,
			"expired":               issued(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }),
			"not yet valid":         issued(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }),
			"for servers":           issued(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
			"of a longer name":      issued(func(c *x509.Certificate) { c.Subject.Organization = []string{"Evil"} }),
			"of a name with NUL":    issued(func(c *x509.Certificate) { c.Subject.CommonName = "named\x00.evil.example" }),
			"of a Cyrillic name":    issued(func(c *x509.Certificate) { c.Subject.CommonName = "nаmed" }),
			"of an O for the CN":    issued(func(c *x509.Certificate) { c.Subject = pkix.Name{Organization: []string{"named"}} }),
			"named in an extension": issued(func(c *x509.Certificate) { c.Subject, c.DNSNames = pkix.Name{CommonName: "evil"}, []string{"named"} }),
			"of a name in a name":   issued(func(c *x509.Certificate) { c.Subject.CommonName = "evil,CN=named" }),
			"of two names": issued(func(c *x509.Certificate) {
				c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "named"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "evil"}}
			}),
		} {
			s.judge(t, name, protocol, refresh(s.named, tok, cert, nil), no)
		}
		for name, cert := range map[string]*tls.Certificate{
			"no certificate": nil, "another client's": named, "the same name with another key": make(nil, nil, nil, func(c *x509.Certificate) { c.Subject.CommonName = "self" }),
			"the right key, expired":       make(nil, nil, selfKey, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }),
			"the right key, not yet valid": make(nil, nil, selfKey, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }),
		} {
			s.judge(t, "self-signed: "+name, protocol, refresh(s.self, selfs, cert, nil), no)
		}
		for name, c := range map[string]struct {
			bend func(*recipient.Request)
			want outcome
		}{
			"the name of a client with another method": {func(r *recipient.Request) { r.Form.Set("client_id", "alpha") }, no},
			"the name of another":                      {func(r *recipient.Request) { r.Form.Set("client_id", "self") }, no},
			"no name":                                  {func(r *recipient.Request) { r.Form.Del("client_id") }, no},
			"a name with NUL":                          {func(r *recipient.Request) { r.Form.Set("client_id", "named\x00") }, outcome{400, "invalid_request"}},
			"a Cyrillic name":                          {func(r *recipient.Request) { r.Form.Set("client_id", "nаmed") }, no},
			"two names":                                {func(r *recipient.Request) { r.Form.Add("client_id", "self") }, outcome{400, "invalid_request"}},
			"a secret beside":                          {func(r *recipient.Request) { r.Form.Set("client_secret", "x") }, no},
			"an assertion of another client beside":    {func(r *recipient.Request) { s.assert(r, s.assertionOf("beta")) }, no},
			"an assertion of its own beside": {func(r *recipient.Request) {
				own := s.assertion()
				own.key = s.configs["named"].PrivateJWKS.Keys[0].Key.(*ecdsa.PrivateKey)
				s.assert(r, own.mint(nil, map[string]any{"iss": "named", "sub": "named"}))
			}, no},
			"Basic beside": {func(r *recipient.Request) { r.Header.Set("Authorization", "Basic bmFtZWQ6eA==") }, outcome{400, "invalid_request"}},
			"a proof beside": {func(r *recipient.Request) {
				r.Header.Set("DPoP", s.proof(http.MethodPost, r.URL, "").mint(nil, nil))
			}, outcome{400, "invalid_request"}},
			// Who is no proxy cannot speak for anybody (RFC 9440 section 2.4).
			"its certificate in a header only": {func(r *recipient.Request) { r.Certificate = nil; r.Header.Set("Client-Cert", header) }, no},
			"its certificate in a header beside another": {func(r *recipient.Request) {
				r.Certificate = self
				r.Header.Set("Client-Cert", header)
				r.Header.Set("X-Forwarded-Client-Cert", header)
				r.Header.Set("X-Ssl-Client-Cert", header)
			}, no},
			"its certificate in a header, on the other host": {func(r *recipient.Request) {
				r.URL, r.Certificate = d.issuer+"/token", nil
				r.Header.Set("Client-Cert", header)
			}, no},
			"on the host that asks for none": {func(r *recipient.Request) { r.URL = d.issuer + "/token" }, no},
		} {
			s.judge(t, name, protocol, refresh(s.named, tok, named, c.bend), c.want)
		}
		// An assertion decides who somebody is, a certificate beside it not.
		r, err := s.beta.RefreshRequest(tok.RefreshToken, nil)
		must(t, err)
		r.URL, r.Certificate = d.mtls+"/token", named
		r.Header.Set("DPoP", s.proof(http.MethodPost, r.URL, "").mint(nil, nil))
		s.judge(t, "an assertion of another client with this certificate", protocol, s.ask(t, r, nil), outcome{400, "invalid_grant"})

		// At the gateway.
		bare := recipient.Token{AccessToken: tok.AccessToken}
		for name, c := range map[string]struct {
			cert *tls.Certificate
			bend func(*recipient.Request)
		}{
			"without a certificate":        {nil, nil},
			"with another's":               {self, nil},
			"with another one of the name": {issued(nil), nil},
			"with a header":                {nil, func(r *recipient.Request) { r.Header.Set("Client-Cert", header) }},
			"with another's and a header":  {self, func(r *recipient.Request) { r.Header.Set("Client-Cert", header) }},
			"as DPoP, without a proof":     {named, func(r *recipient.Request) { r.Header.Set("Authorization", "DPoP "+string(tok.AccessToken)) }},
			"as DPoP, with a proof":        {named, func(r *recipient.Request) { s.asDPoP(r, tok.AccessToken) }},
			"a DPoP token as Bearer":       {named, func(r *recipient.Request) { r.Header.Set("Authorization", "Bearer "+string(s.token.AccessToken)) }},
			"a DPoP token with both, Bearer": {named, func(r *recipient.Request) {
				s.asDPoP(r, s.token.AccessToken)
				r.Header.Set("Authorization", "Bearer "+string(s.token.AccessToken))
			}},
			"a DPoP token without its proof":   {named, func(r *recipient.Request) { r.Header.Set("Authorization", "DPoP "+string(s.token.AccessToken)) }},
			"the refresh token":                {named, func(r *recipient.Request) { r.Header.Set("Authorization", "Bearer "+string(tok.RefreshToken)) }},
			"somebody else's, own certificate": {self, nil},
		} {
			r, err := s.named.AccountsRequest(bare, nil)
			must(t, err)
			r.Certificate = c.cert
			if c.bend != nil {
				c.bend(r)
			}
			s.judge(t, "gateway: "+name, gateway, s.ask(t, r, nil), outcome{401, "603"})
		}
	})
	works("after all")

	// A certificate is used again and again: 32 at once are 32.
	all := repeated(t, crowd, func() (*recipient.Request, error) { return s.named.RefreshRequest(tok.RefreshToken, nil) })
	config := d.roots.Clone()
	config.Certificates = []tls.Certificate{*named}
	exactly(t, use(t, [2]*http.Client{via(t, d.certified[0], config), via(t, d.certified[1], config)}, all), map[outcome]int{{200, ""}: crowd})
}

func mustParse(t *testing.T, c *tls.Certificate) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(c.Certificate[0])
	must(t, err)
	return cert
}

// assert adds a client assertion.
func (s *siege) assert(r *recipient.Request, jwt string) {
	r.Form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	r.Form.Set("client_assertion", jwt)
}

// asDPoP presents a token with a proof of the key mine.
func (s *siege) asDPoP(r *recipient.Request, token recipient.Secret) {
	r.Header.Set("Authorization", "DPoP "+string(token))
	r.Header.Set("DPoP", s.proof(r.Method, r.URL, string(token)).mint(nil, nil))
}

// narrowed reads with a token that reaches less than its grant.
func (s *siege) narrowed(t *testing.T) {
	accounts := s.d.grant(t, s.token.GrantID).Accounts()
	one, other := string(accounts[0]), string(accounts[1])
	details, err := json.Marshal([]any{map[string]any{"type": "fdx_v1.0", "resources": []any{
		map[string]any{"resourceType": "ACCOUNT", "resourceId": one, "dataClusters": []string{"ACCOUNT_DETAILED"}},
	}}})
	must(t, err)
	a := s.refresh(t, func(r *recipient.Request) { r.Narrow("", details) })
	var tok recipient.Token
	must(t, a.JSON(&tok))
	if a.Status != 200 {
		t.Fatalf("narrowing: %s: %s", judged(a), a.Body)
	}
	get := func(path string) *recipient.Response {
		r, err := s.alpha.DataRequest(recipient.Token{}, path, nil)
		must(t, err)
		s.asDPoP(r, tok.AccessToken)
		return s.ask(t, r, nil)
	}
	if a := get("/accounts/" + one); a.Status != 200 {
		t.Errorf("its own account: %s", judged(a))
	}
	var list struct{ Accounts []json.RawMessage }
	a = get("/accounts")
	must(t, a.JSON(&list))
	if a.Status != 200 || len(list.Accounts) != 1 || !strings.Contains(string(a.Body), one) || strings.Contains(string(a.Body), other) {
		t.Errorf("the list: %s", judged(a))
	}
	s.judge(t, "the other account", gateway, get("/accounts/"+other), outcome{404, "701"})
	a = get("/accounts/" + one + "/transactions")
	if a.Status != 403 {
		t.Errorf("another cluster: %s", judged(a))
	}
	r, err := s.bank.IntrospectRequest(tok.AccessToken, false)
	if a := s.ask(t, r, err); strings.Contains(string(a.Body), other) || strings.Contains(string(a.Body), "TRANSACTIONS") {
		t.Errorf("introspection tells of more than the token reaches: %s", a.Body)
	}
	// The refresh token has not changed.
	s.token.AccessToken = s.renewed(t).AccessToken
	s.judge(t, "the other account afterwards", gateway, s.accounts(t, func(*recipient.Request) {}), outcome{200, ""})
}
