package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox"
)

// siege is a deployment that is attacked by everybody who is registered with
// it. What other tests of this package prove is not repeated: that a code, an
// assertion, a proof and a decision count once when they come 32 times at
// once (once_test.go), that malformed HTTP is answered by the book
// (hostile_test.go), that stops reach everything (stop_test.go).
type siege struct {
	d     *deployment
	found canaries

	alpha, beta *recipient.Client // private_key_jwt, DPoP; beta has nothing that alpha does not have
	signing     *recipient.Client // must sign requests, and is answered by signed responses
	named       *recipient.Client // tls_client_auth, certificate-bound
	self        *recipient.Client // self_signed_tls_client_auth, certificate-bound
	bank, other *recipient.Client // resource servers, of all data and of rewards only
	configs     map[string]recipient.Config

	key  *ecdsa.PrivateKey // alpha's registered one
	mine *ecdsa.PrivateKey // that alpha's tokens are bound to
	rsa  *rsa.PrivateKey   // nobody's

	directory *ecdsa.PrivateKey // that signs software statements, and approves at once

	token recipient.Token // alpha's, bound to mine
}

func besiege(t *testing.T) *siege {
	t.Helper()
	s := &siege{found: canaries{}, configs: map[string]recipient.Config{}}
	var err error
	s.directory, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.directory.Public(), KeyID: "1"}}})
	must(t, err)
	file := filepath.Join(t.TempDir(), "directory.json")
	must(t, os.WriteFile(file, keys, 0o600))
	s.d = deployWith(t, func(ac *authzd.Config, _ *gatewayd.Config) { ac.Directories = []string{"+" + directory + "=" + file} })
	d := s.d
	s.alpha, s.beta = d.client(t, "alpha"), d.client(t, "beta")
	d.adapt(t, "alpha", func(r *consent.Recipient) { r.Profile.GrantTypes = []string{"client_credentials"} })
	connect := func(id string, c combination) *recipient.Client {
		s.configs[id] = d.speaker(t, id, c)
		app, err := recipient.Connect(t.Context(), s.configs[id])
		must(t, err)
		return app
	}
	plain := combination{method: consent.PrivateKeyJWT, assertion: "ES256", response: "ES256", identical: "ES256"}
	signed := plain
	signed.jar, signed.jarm = true, true
	s.signing = connect("signing", signed)
	named := plain
	named.method, named.certBound = consent.TLSClientAuth, true
	s.named = connect("named", named)
	named.method = consent.SelfSignedTLS
	s.self = connect("self", named)
	s.bank, s.other = connect("bank", plain), connect("other", plain)
	serve := func(id consent.RecipientID, scopes []fdx.Scope) {
		d.adapt(t, id, func(r *consent.Recipient) { r.Role, r.Scopes = consent.RoleResourceServer, scopes })
	}
	serve("bank", fdx.ScopesOf(fdx.NewClusters(fdx.AccountDetailed, fdx.Transactions)))
	serve("other", fdx.ScopesOf(fdx.NewClusters(fdx.Rewards)))

	s.key = d.apps["alpha"].Keys[0].Key.(*ecdsa.PrivateKey)
	s.mine, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	s.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	s.token = s.granted(t, s.alpha, "saver")
	s.token.AccessToken = s.renewed(t).AccessToken
	return s
}

// adapt changes a registration.
func (d *deployment) adapt(t *testing.T, id consent.RecipientID, bend func(*consent.Recipient)) {
	t.Helper()
	r, err := d.db.Recipients().Recipient(t.Context(), id)
	must(t, err)
	bend(&r)
	must(t, d.db.Recipients().PutRecipient(t.Context(), r))
}

// secrets are the parameters and members whose values must not be written down.
var secrets = []string{
	"client_assertion", "request", "code", "code_verifier", "refresh_token", "token",
	"access_token", "id_token", "request_uri", "response",
}

// note notes what is secret in a request.
func (s *siege) note(r *recipient.Request) {
	values := slices.Concat(r.Header.Values("DPoP"), r.Header.Values("Cookie"))
	for _, v := range r.Header.Values("Authorization") {
		_, v, _ = strings.Cut(v, " ")
		values = append(values, v)
	}
	for _, name := range secrets {
		values = append(values, r.Form[name]...)
	}
	for _, v := range values {
		if len(v) >= 32 && len(v) < 8<<10 {
			s.found.add(transient, v)
		}
	}
}

// ask sends a request as it is, once, and notes what is secret in it and in
// the answer.
func (s *siege) ask(t *testing.T, r *recipient.Request, err error) *recipient.Response {
	t.Helper()
	must(t, err)
	r.Sign = nil
	s.note(r)
	a, err := s.alpha.Do(t.Context(), r)
	if err != nil && !errors.Is(err, recipient.ErrNotEchoed) {
		t.Fatal(err)
	}
	var body map[string]any
	if json.Unmarshal(a.Body, &body) == nil {
		for _, name := range secrets {
			if v, ok := body[name].(string); ok {
				s.found.add(transient, v)
			}
		}
	}
	return a
}

// bend changes a request before it is sent.
func (s *siege) bend(t *testing.T, r *recipient.Request, err error, bend func(*recipient.Request)) *recipient.Response {
	t.Helper()
	must(t, err)
	bend(r)
	return s.ask(t, r, nil)
}

// judge compares an answer with what is documented for it.
func (s *siege) judge(t *testing.T, name string, to listener, a *recipient.Response, want outcome) {
	t.Helper()
	if got := judged(a); got != want {
		t.Errorf("%s: %s, want %s; %.200s", name, got, want, a.Body)
	}
	if wrong := documented(to, a); wrong != "" {
		t.Errorf("%s: the answer is %s", name, wrong)
	}
}

// unchanged fails when attack has changed anything that is stored.
func (s *siege) unchanged(t *testing.T, attack func()) {
	t.Helper()
	before := s.d.state(t)
	attack()
	for table, digest := range s.d.state(t) {
		if before[table] != digest {
			t.Errorf("%s has changed: %s, then %s", table, before[table], digest)
		}
	}
}

// granted walks a customer to a token, noting every secret on the way.
func (s *siege) granted(t *testing.T, app *recipient.Client, username string) recipient.Token {
	t.Helper()
	attempt, code := s.approved(t, app, username)
	s.found.add(transient, string(code), string(attempt.Verifier))
	tok, err := app.Redeem(t.Context(), attempt, code)
	must(t, err)
	s.found.add(transient, string(tok.AccessToken), string(tok.RefreshToken), string(tok.IDToken))
	return tok
}

// attempt begins and pushes what this client can ask for.
func (s *siege) pushed(t *testing.T, app *recipient.Client) (*recipient.Attempt, recipient.Pushed) {
	t.Helper()
	a, err := recipient.Ask(wanted())
	must(t, err)
	p, err := app.Push(t.Context(), a)
	must(t, err)
	s.found.add(transient, p.RequestURI)
	return a, p
}

func (s *siege) approved(t *testing.T, app *recipient.Client, username string) (*recipient.Attempt, recipient.Secret) {
	t.Helper()
	attempt, p := s.pushed(t, app)
	b := s.d.person(t)
	back, err := browser.ApproveAll(t.Context(), b, app.AuthorizationURL(p.RequestURI), username, sandbox.DevPassword(username))
	must(t, err)
	for _, c := range b.Cookies() {
		s.found.add(transient, c.Value)
	}
	s.found.add(transient, back.Query().Get("response"))
	code, err := app.ReadAnswer(t.Context(), back, attempt)
	must(t, err)
	s.found.add(transient, string(code))
	return attempt, code
}

// renewed is a new access token for alpha, bound to the key mine.
func (s *siege) renewed(t *testing.T) recipient.Token {
	t.Helper()
	var tok recipient.Token
	a := s.refresh(t, func(*recipient.Request) {})
	if a.Status != http.StatusOK {
		t.Fatalf("a good refresh was answered %s: %s", judged(a), a.Body)
	}
	must(t, a.JSON(&tok))
	return tok
}

// refresh sends alpha's refresh token, with a proof of the key mine.
func (s *siege) refresh(t *testing.T, bend func(*recipient.Request)) *recipient.Response {
	t.Helper()
	r, err := s.alpha.RefreshRequest(s.token.RefreshToken, nil)
	must(t, err)
	r.Header.Set("DPoP", s.proof(http.MethodPost, s.d.issuer+"/token", "").mint(nil, nil))
	return s.bend(t, r, nil, bend)
}

// accounts reads alpha's accounts, with a proof of the key mine.
func (s *siege) accounts(t *testing.T, bend func(*recipient.Request)) *recipient.Response {
	t.Helper()
	r, err := s.alpha.AccountsRequest(recipient.Token{AccessToken: s.token.AccessToken}, nil)
	must(t, err)
	r.Header.Set("Authorization", "DPoP "+string(s.token.AccessToken))
	r.Header.Set("DPoP", s.proof(http.MethodGet, r.URL, string(s.token.AccessToken)).mint(nil, nil))
	return s.bend(t, r, nil, bend)
}

// push pushes a request of alpha's as a request object, without a proof.
func (s *siege) push(t *testing.T, bend func(*recipient.Request)) *recipient.Response {
	t.Helper()
	a, err := recipient.Ask(wanted())
	must(t, err)
	a.Key = nil
	r, err := s.alpha.PushRequest(a)
	must(t, err)
	for name := range r.Form {
		if !strings.HasPrefix(name, "client_assertion") {
			r.Form.Del(name)
		}
	}
	r.Form.Set("request", s.object(t).mint(nil, nil))
	return s.bend(t, r, nil, bend)
}

// genuine is how an honest JWT of one kind is made.
type genuine struct {
	header map[string]any
	claims func() map[string]any // new ones each time
	key    *ecdsa.PrivateKey
}

// mint signs with the genuine key, after header and claims were bent: a nil
// value takes a member out.
func (g genuine) mint(header, claims map[string]any) string {
	return g.raw(text(g.header, header), text(g.claims(), claims))
}

// raw signs texts as they are.
func (g genuine) raw(header, claims string) string { return compact(header, claims, es256(g.key)) }

// text is a JSON object after it was bent.
func text(members, bent map[string]any) string {
	all := maps.Clone(members)
	for name, v := range bent {
		if all[name] = v; v == nil {
			delete(all, name)
		}
	}
	out, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(out)
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func compact(header, claims string, sign func(input string) []byte) string {
	input := b64(header) + "." + b64(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
}

func es256(key *ecdsa.PrivateKey) func(string) []byte {
	return func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			panic(err)
		}
		out := make([]byte, 64)
		r.FillBytes(out[:32])
		s.FillBytes(out[32:])
		return out
	}
}

func hs256(secret []byte) func(string) []byte {
	return func(input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

func rsaSigned(key *rsa.PrivateKey, pss bool) func(string) []byte {
	return func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		sign := func() ([]byte, error) { return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]) }
		if pss {
			sign = func() ([]byte, error) {
				return rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
			}
		}
		out, err := sign()
		if err != nil {
			panic(err)
		}
		return out
	}
}

func unsigned(string) []byte { return nil }

func publicJWK(key crypto.PublicKey) map[string]any {
	out, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		panic(err)
	}
	var m map[string]any
	if json.Unmarshal(out, &m) != nil {
		panic("a JWK is an object")
	}
	return m
}

// assertion is how alpha makes a client assertion.
func (s *siege) assertion() genuine {
	return genuine{map[string]any{"alg": "ES256", "kid": "1", "typ": "JWT"}, s.alpha.AssertionClaims, s.key}
}

// proof is how the holder of mine makes a DPoP proof.
func (s *siege) proof(method, address, accessToken string) genuine {
	claims := func() map[string]any {
		c := map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": time.Now().Unix()}
		if accessToken != "" {
			sum := sha256.Sum256([]byte(accessToken))
			c["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
		}
		return c
	}
	return genuine{map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": publicJWK(s.mine.Public())}, claims, s.mine}
}

// object is how alpha makes a request object.
func (s *siege) object(t *testing.T) genuine {
	claims := func() map[string]any {
		a, err := recipient.Ask(wanted())
		must(t, err)
		c, err := s.alpha.RequestObjectClaims(a)
		must(t, err)
		return c
	}
	return genuine{map[string]any{"alg": "ES256", "kid": "1", "typ": "oauth-authz-req+jwt"}, claims, s.key}
}

// forgeries are JWTs of a kind that nobody may believe, whatever the kind.
// Each is good but for what its name says. trap is an address that nobody may
// fetch.
func (s *siege) forgeries(t *testing.T, g genuine, trap string) map[string]string {
	t.Helper()
	good := g.mint(nil, nil)
	parts := strings.Split(good, ".")
	head, claims := text(g.header, nil), func() string { return text(g.claims(), nil) }
	headed := func(bent map[string]any) string { return text(g.header, bent) }
	open := func(object string) string { return strings.TrimSuffix(object, "}") }
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(g.key.Public())
	must(t, err)
	jwk, err := json.Marshal(jose.JSONWebKey{Key: g.key.Public()})
	must(t, err)
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	x5c, err := x509.CreateCertificate(rand.Reader, &template, &template, stranger.Public(), stranger)
	must(t, err)
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	flipped := func(i int) string {
		p := slices.Clone(parts)
		c := byte('A')
		if p[i][4] == c {
			c = 'B'
		}
		p[i] = p[i][:4] + string(c) + p[i][5:]
		return strings.Join(p, ".")
	}
	derSigned := func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		out, err := ecdsa.SignASN1(rand.Reader, g.key, sum[:])
		must(t, err)
		return out
	}
	var typ any = "at+jwt"
	all := map[string]string{
		"nothing":                         "",
		"no JWT":                          "x",
		"altered header":                  flipped(0),
		"altered claims":                  flipped(1),
		"altered signature":               flipped(2),
		"other claims, signature kept":    parts[0] + "." + b64(claims()) + "." + parts[2],
		"without its last byte":           good[:len(good)-1],
		"without its first byte":          good[1:],
		"without a signature":             parts[0] + "." + parts[1] + ".",
		"two parts":                       parts[0] + "." + parts[1],
		"claims cut":                      parts[0] + "." + parts[1][:len(parts[1])-8] + "." + parts[2],
		"doubled by a dot":                good + "." + good,
		"doubled by a comma":              good + "," + good,
		"doubled without anything":        good + good,
		"padded":                          good + "==",
		"of standard base64":              parts[0] + "." + base64.StdEncoding.EncodeToString([]byte(claims()+"  ")) + "." + parts[2],
		"with a NUL written out":          good + "%00",
		"of other people's letters":       strings.Replace(good, "e", "е", 1),
		"JSON serialization":              `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"signed by a stranger":            compact(head, claims(), es256(stranger)),
		"signature of zeros":              compact(head, claims(), func(string) []byte { return make([]byte, 64) }),
		"signature in DER":                compact(head, claims(), derSigned),
		"alg none":                        compact(headed(map[string]any{"alg": "none"}), claims(), unsigned),
		"alg None":                        compact(headed(map[string]any{"alg": "None"}), claims(), unsigned),
		"alg none, and signed":            g.raw(headed(map[string]any{"alg": "none"}), claims()),
		"alg missing":                     g.raw(headed(map[string]any{"alg": nil}), claims()),
		"alg in small letters":            g.raw(headed(map[string]any{"alg": "es256"}), claims()),
		"alg an array":                    g.raw(headed(map[string]any{"alg": []string{"ES256"}}), claims()),
		"alg of another curve":            g.raw(headed(map[string]any{"alg": "ES384"}), claims()),
		"HS256 with the key in PEM":       compact(headed(map[string]any{"alg": "HS256"}), claims(), hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))),
		"HS256 with the key in DER":       compact(headed(map[string]any{"alg": "HS256"}), claims(), hs256(der)),
		"HS256 with the key as JWK":       compact(headed(map[string]any{"alg": "HS256"}), claims(), hs256(jwk)),
		"HS256 with an empty key":         compact(headed(map[string]any{"alg": "HS256"}), claims(), hs256(nil)),
		"RS256":                           compact(headed(map[string]any{"alg": "RS256", "jwk": publicJWK(s.rsa.Public())}), claims(), rsaSigned(s.rsa, false)),
		"RS256 named PS256":               compact(headed(map[string]any{"alg": "PS256", "jwk": publicJWK(s.rsa.Public())}), claims(), rsaSigned(s.rsa, false)),
		"a stranger's key behind jku":     compact(headed(map[string]any{"jku": trap, "kid": "x"}), claims(), es256(stranger)),
		"a stranger's key behind x5u":     compact(headed(map[string]any{"x5u": trap, "kid": "x"}), claims(), es256(stranger)),
		"a stranger's certificate":        compact(headed(map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(x5c)}}), claims(), es256(stranger)),
		"kid of a path":                   compact(headed(map[string]any{"kid": "../../../../dev/null"}), claims(), hs256([]byte{0})),
		"crit that nobody knows":          g.raw(headed(map[string]any{"crit": []string{"exp"}, "exp": 1}), claims()),
		"crit, empty":                     g.raw(headed(map[string]any{"crit": []string{}}), claims()),
		"b64 false and critical":          compactUnencoded(headed(map[string]any{"b64": false, "crit": []string{"b64"}}), claims(), es256(g.key)),
		"b64 false":                       g.raw(headed(map[string]any{"b64": false}), claims()),
		"b64 true":                        g.raw(headed(map[string]any{"b64": true}), claims()),
		"alg twice":                       g.raw(`{"alg":"none",`+strings.TrimPrefix(head, "{"), claims()),
		"typ twice":                       g.raw(open(head)+`,"typ":"JWT"}`, claims()),
		"a claim twice":                   g.raw(head, `{"jti":"a",`+strings.TrimPrefix(claims(), "{")),
		"a claim twice, one in escapes":   g.raw(head, open(claims())+`,"j\u0074i":"a"}`),
		"a member twice, deep inside":     g.raw(head, open(claims())+`,"x":[{"a":1,"a":1}]}`),
		"claims nested 1,000 deep":        g.raw(head, open(claims())+`,"x":`+deep+`}`),
		"header nested 1,000 deep":        g.raw(open(head)+`,"x":`+deep+`}`, claims()),
		"claims with something behind":    g.raw(head, claims()+"{}"),
		"claims an array":                 g.raw(head, "["+claims()+"]"),
		"claims null":                     g.raw(head, "null"),
		"claims empty":                    g.raw(head, ""),
		"claims not UTF-8":                g.raw(head, open(claims())+",\"x\":\"\xff\"}"),
		"header null":                     g.raw("null", claims()),
		"typ of an access token":          g.mint(map[string]any{"typ": typ}, nil),
		"typ of nothing but a number":     g.mint(map[string]any{"typ": 1}, nil),
		"exp one minute ago":              g.mint(nil, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}),
		"iat 90 seconds ahead":            g.mint(nil, map[string]any{"iat": time.Now().Add(90 * time.Second).Unix()}),
		"nbf 90 seconds ahead":            g.mint(nil, map[string]any{"nbf": time.Now().Add(90 * time.Second).Unix()}),
		"iat in words":                    g.mint(nil, map[string]any{"iat": "now"}),
		"exp of no calendar":              g.raw(head, open(text(g.claims(), map[string]any{"exp": nil}))+`,"exp":1e400}`),
		"exp before all time":             g.mint(nil, map[string]any{"exp": -1}),
		"larger than most":                g.mint(nil, map[string]any{"x": strings.Repeat("x", 9<<10)}),
		"the same in a quoted string":     `"` + good + `"`,
		"with a scheme before it":         "Bearer " + good,
		"of two equals, one a stranger's": compact(head, claims(), es256(stranger)) + "," + good,
	}
	if _, embedded := g.header["jwk"]; embedded {
		all["signed by a stranger, beside the key of the owner"] = compact(headed(map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(x5c)}, "kid": "1"}), claims(), es256(stranger))
		private := publicJWK(g.key.Public())
		d, err := g.key.Bytes()
		must(t, err)
		private["d"] = base64.RawURLEncoding.EncodeToString(d)
		all["with the private key in it"] = g.mint(map[string]any{"jwk": private}, nil)
		all["without a key"] = g.mint(map[string]any{"jwk": nil, "kid": "1"}, nil)
		all["with a symmetric key"] = compact(headed(map[string]any{"alg": "HS256", "jwk": map[string]any{"kty": "oct", "k": "AAAA"}}), claims(), hs256([]byte{0, 0, 0}))
	} else {
		all["a stranger's key in jwk"] = compact(headed(map[string]any{"jwk": publicJWK(stranger.Public())}), claims(), es256(stranger))
		all["a stranger's key in jwk, without kid"] = compact(headed(map[string]any{"jwk": publicJWK(stranger.Public()), "kid": nil}), claims(), es256(stranger))
		delete(all, "larger than most")
		all["larger than any"] = g.mint(nil, map[string]any{"x": strings.Repeat("x", 40<<10)})
		delete(all, "typ of an access token") // RFC 7523 has no typ; other kinds have rows of their own
	}
	return all
}

// compactUnencoded is a JWS with an unencoded payload (RFC 7797).
func compactUnencoded(header, claims string, sign func(string) []byte) string {
	return b64(header) + "." + b64(claims) + "." + base64.RawURLEncoding.EncodeToString(sign(b64(header)+"."+claims))
}

// trapped is a socket that counts who knocks.
func trapped(t *testing.T) (address string, knocks *atomic.Int64) {
	t.Helper()
	l := listen(t)
	knocks = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			knocks.Add(1)
			_ = c.Close()
		}
	}()
	return "https://" + l.Addr().String() + "/jwks", knocks
}
