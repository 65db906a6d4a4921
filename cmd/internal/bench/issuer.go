package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
)

// The lines of the authorization server run its protocol handler in this
// process, without TLS: what is measured is the server and its stores. Client
// assertions are signed beforehand, because that is the clients' work.

const (
	issuerBase = "https://auth.bank.example"
	mtlsBase   = "https://mtls.auth.bank.example"
)

// server is the authorization server with the clients that ask it.
type server struct {
	clients
	handler http.Handler
	mtls    http.Handler
	browser http.Handler
	journey consent.Authorizations
	who     consent.ConsumerID
	account fdx.AccountID
}

// clients is what the clients authenticate with.
type clients struct {
	key         *ecdsa.PrivateKey // of those that sign assertions, and of DPoP
	certificate *x509.Certificate // of the other
}

// The clients: one that obtains consent, and two that introspect, by
// private_key_jwt and by self_signed_tls_client_auth.
const (
	pushing   consent.RecipientID = "bench-push"
	asking    consent.RecipientID = "bench-ask"
	certified consent.RecipientID = "bench-ask-certificate"
)

// registerClients registers them, with a fresh key and with the certificate
// that reads are made with, too.
func (s *stack) registerClients(ctx context.Context, _ Config) error {
	pair, err := tls.LoadX509KeyPair(s.byCert.pair.CertFile, s.byCert.pair.KeyFile)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	s.apps = clients{key: key, certificate: pair.Leaf}
	ownKey, err := keySet(key.Public())
	if err != nil {
		return err
	}
	certificateKey, err := keySet(pair.Leaf.PublicKey)
	if err != nil {
		return err
	}
	client := consent.Recipient{
		ID: pushing, Status: consent.RecipientActive, Name: "Bench", LegalName: "Bench Ltd", HomeURI: "https://bench.example/",
		AuthMethod: consent.PrivateKeyJWT, AssertionAlg: "ES256", JWKS: ownKey, DPoPBound: true,
		RedirectURIs: []string{"https://bench.example/callback"}, Scopes: fdx.ScopesOf(clusters()),
		Purposes:  []consent.Purpose{{Code: "bench", Label: "To measure", Clusters: clusters()}},
		Durations: []consent.DurationType{consent.TimeBound}, MaxDays: 365, LookbackDays: lookback,
	}
	resourceServer := client
	resourceServer.ID, resourceServer.Role = asking, consent.RoleResourceServer
	byCertificate := resourceServer
	byCertificate.ID, byCertificate.DPoPBound = certified, false
	byCertificate.AuthMethod, byCertificate.AssertionAlg, byCertificate.JWKS = consent.SelfSignedTLS, "", certificateKey
	for _, r := range []consent.Recipient{client, resourceServer, byCertificate} {
		if err := s.db.Recipients().PutRecipient(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// keySet returns the JWKS of a public key.
func keySet(public any) (json.RawMessage, error) {
	return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: "1"}}})
}

func (s *stack) authorizationServer(cache authz.Cache) (*server, error) {
	stop, err := consent.NewService(consent.ServiceConfig{Store: s.db.Grants(), Cache: s.cache})
	if err != nil {
		return nil, err
	}
	proofs, err := dpop.New(dpop.Config{})
	if err != nil {
		return nil, err
	}
	a, err := authz.New(authz.Config{
		Issuer: issuerBase, BrowserBase: "https://bank.example", MTLSBase: mtlsBase,
		Recipients: s.db.Recipients(), Authorizations: s.db.Authorizations(), Requests: s.db.Requests(), Tokens: s.db.Tokens(), Guard: s.db.Guard(),
		Hasher: s.hasher, Stop: stop, DPoP: proofs, Keys: noKeys{}, Subjects: make([]byte, 32), Browsers: nobody{}, Pages: nobody{}, Cache: cache,
		Log: s.log, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	protocol, err := a.Protocol()
	if err != nil {
		return nil, err
	}
	mtls, err := a.MTLS()
	if err != nil {
		return nil, err
	}
	browser, err := a.Browser()
	if err != nil {
		return nil, err
	}
	return &server{
		clients: s.apps, handler: protocol, mtls: mtls, browser: browser,
		journey: s.db.Authorizations(), who: s.access.Consumer(), account: s.access.Accounts()[0].ID,
	}, nil
}

// noKeys signs nothing: no line asks for anything signed.
type noKeys struct{}

// Public implements authz.Signer.
func (noKeys) Public() []byte { return []byte(`{"keys":[]}`) }

// Algorithms implements authz.Signer.
func (noKeys) Algorithms() []string { return nil }

// Sign implements authz.Signer.
func (noKeys) Sign(context.Context, string, string, any) (string, error) {
	return "", errors.New("no keys")
}

// nobody stands for the browser side: one browser, and pages that nobody
// sees.
type nobody struct{}

// Middleware implements authz.Browsers.
func (nobody) Middleware(next http.Handler) http.Handler { return next }

// Browser implements authz.Browsers.
func (nobody) Browser(context.Context) string { return "browser" }

// Path implements authz.Pages.
func (nobody) Path(id consent.AuthorizationID, _ consent.Step) string { return "/" + string(id) }

// Problem implements authz.Pages: what goes wrong is said where it is noticed.
func (nobody) Problem(w http.ResponseWriter, _ *http.Request, p authz.Problem) {
	http.Error(w, p.Code+": "+p.Text, p.Status)
}

// operation is a request that a client makes again and again.
type operation struct {
	client consent.RecipientID
	path   string
	want   int // status
	// forms prepares n requests, without client authentication. What they
	// use up takes long to make, so of those there are no more than most; 0
	// is no limit.
	forms func(ctx context.Context, n int) ([]url.Values, error)
	most  int
	dpop  bool
}

// always prepares requests that differ in nothing.
func always(form func(i int) url.Values) func(context.Context, int) ([]url.Values, error) {
	return func(_ context.Context, n int) ([]url.Values, error) {
		all := make([]url.Values, n)
		for i := range all {
			all[i] = form(i)
		}
		return all, nil
	}
}

// message is a prepared request.
type message struct{ body, proof string }

// prepare signs what the forms need.
func (s *server) prepare(o operation, forms []url.Values) ([]message, error) {
	now := time.Now()
	all := make([]message, len(forms))
	for i, f := range forms {
		if o.client == certified { // RFC 8705 section 2.2
			f.Set("client_id", string(o.client))
			all[i].body = f.Encode()
			continue
		}
		// RFC 7523.
		assertion, err := s.sign(`{"alg":"ES256","kid":"1"}`, map[string]any{
			"iss": o.client, "sub": o.client, "aud": issuerBase, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		})
		if err != nil {
			return nil, err
		}
		f.Set("client_assertion", assertion)
		f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		all[i].body = f.Encode()
		if !o.dpop {
			continue
		}
		jwk, err := json.Marshal(jose.JSONWebKey{Key: s.key.Public()})
		if err != nil {
			return nil, err
		}
		all[i].proof, err = s.sign(`{"alg":"ES256","typ":"dpop+jwt","jwk":`+string(jwk)+`}`, map[string]any{
			"jti": rand.Text(), "htm": http.MethodPost, "htu": issuerBase + o.path, "iat": now.Unix(),
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// sign returns a compact JWS with ES256.
func (s *server) sign(header string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := encode([]byte(header)) + "." + encode(payload)
	digest := sha256.Sum256([]byte(input))
	r, t, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	t.FillBytes(signature[32:])
	return input + "." + encode(signature[:]), nil
}

// run has callers send the requests for d, or until they are used up.
func (s *server) run(ctx context.Context, o operation, messages []message, callers int, d time.Duration) (*measured, error) {
	var next atomic.Int64
	var wait sync.WaitGroup
	times := make([]histogram, callers)
	faults := make([]error, callers)
	start := time.Now()
	for c := range callers {
		wait.Go(func() {
			for now := start; now.Sub(start) < d && faults[c] == nil; {
				i := int(next.Add(1)) - 1
				if i >= len(messages) {
					return
				}
				faults[c] = s.try(ctx, o, messages[i])
				end := time.Now()
				times[c].record(end.Sub(now))
				now = end
			}
		})
	}
	wait.Wait()
	m := &measured{elapsed: time.Since(start)}
	for c := range times {
		if faults[c] != nil {
			return nil, faults[c]
		}
		m.times.merge(&times[c])
	}
	return m, nil
}

func (s *server) try(ctx context.Context, o operation, m message) error {
	_, err := s.ask(ctx, o, m)
	return err
}

func (s *server) ask(ctx context.Context, o operation, m message) (*httptest.ResponseRecorder, error) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, o.path, strings.NewReader(m.body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if m.proof != "" {
		r.Header.Set("DPoP", m.proof)
	}
	h := s.handler
	if o.client == certified {
		h, r.TLS = s.mtls, &tls.ConnectionState{PeerCertificates: []*x509.Certificate{s.certificate}}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != o.want || strings.Contains(w.Body.String(), `"active":false`) {
		return nil, fmt.Errorf("%s answered %d: %.*s", o.path, w.Code, shown, w.Body)
	}
	return w, nil
}

// once makes one request and returns a member of its answer.
func (s *server) once(ctx context.Context, o operation, form url.Values, member string) (string, error) {
	m, err := s.prepare(o, []url.Values{form})
	if err != nil {
		return "", err
	}
	w, err := s.ask(ctx, o, m[0])
	if err != nil {
		return "", err
	}
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		return "", err
	}
	text, _ := body[member].(string)
	return text, nil
}

// The operations of a flow. The verifier is that of every code.
var (
	push   = operation{client: pushing, path: "/par", want: http.StatusCreated}
	redeem = operation{client: pushing, path: "/token", want: http.StatusOK, dpop: true}
)

const verifier = "benchbenchbenchbenchbenchbenchbenchbenchbench"

func authorization(int) url.Values {
	challenge := sha256.Sum256([]byte(verifier))
	return url.Values{
		"response_type": {"code"}, "redirect_uri": {"https://bench.example/callback"},
		"scope":          {"fdx:accountbasic:read fdx:transactions:read"},
		"code_challenge": {encode(challenge[:])}, "code_challenge_method": {"S256"},
	}
}

// redemption pushes a request, approves it and returns the form that redeems
// its code.
func (s *server) redemption(ctx context.Context) (url.Values, error) {
	uri, err := s.once(ctx, push, authorization(0), "request_uri")
	if err != nil {
		return nil, err
	}
	open, err := s.get(ctx, "/authorize?"+url.Values{"client_id": {string(pushing)}, "request_uri": {uri}}.Encode())
	if err != nil {
		return nil, err
	}
	a, err := s.journey.Authorization(ctx, consent.AuthorizationID(strings.TrimPrefix(open.Path, "/")), "browser")
	if err != nil {
		return nil, err
	}
	a.Consumer, a.AuthenticatedAt, a.Accounts = s.who, time.Now(), []fdx.AccountID{s.account}
	a.Decision, a.Disclosure = consent.Approved, consent.Disclosure{Version: "bench", Locale: "en", Text: "To measure."}
	if _, err := s.journey.Replace(ctx, a); err != nil {
		return nil, err
	}
	back, err := s.get(ctx, "/authorize/"+string(a.ID))
	if err != nil {
		return nil, err
	}
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {"https://bench.example/callback"}, "code_verifier": {verifier},
	}, nil
}

// get returns where a page of the browser host leads to.
func (s *server) get(ctx context.Context, address string) (*url.URL, error) {
	w := httptest.NewRecorder()
	s.browser.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, address, nil))
	to := w.Header().Get("Location")
	if to == "" {
		return nil, fmt.Errorf("a page of the browser host was answered %d %s", w.Code, strings.TrimSpace(w.Body.String()))
	}
	return url.Parse(to)
}

// redemptions prepares n of them, on several connections.
func (s *server) redemptions(ctx context.Context, n int) ([]url.Values, error) {
	all, faults := make([]url.Values, n), make([]error, conns)
	var wait sync.WaitGroup
	for c := range faults {
		wait.Go(func() {
			for i := c; i < n && faults[c] == nil; i += len(faults) {
				all[i], faults[c] = s.redemption(ctx)
				// A disk that has just written ten gigabytes may let a
				// statement run into its time limit.
				for try := 1; faults[c] != nil && try < 10 && ctx.Err() == nil; try++ {
					time.Sleep(time.Second)
					all[i], faults[c] = s.redemption(ctx)
				}
			}
		})
	}
	wait.Wait()
	return all, errors.Join(faults...)
}

// issued prepares n forms around a token of a flow each.
func (s *server) issued(member string, form func(secret string) url.Values) func(context.Context, int) ([]url.Values, error) {
	return func(ctx context.Context, n int) ([]url.Values, error) {
		all, err := s.redemptions(ctx, n)
		for i := range all {
			var secret string
			if err == nil {
				secret, err = s.once(ctx, redeem, all[i], member)
			}
			all[i] = form(secret)
		}
		return all, err
	}
}

// line returns the line of an operation. It is measured half as long as a
// read: what is sent is prepared message by message, and takes as long again.
func (s *server) line(c Config, name, reference string, o operation) line {
	messages := func(ctx context.Context, n int) ([]message, error) {
		if o.most > 0 {
			n = min(n, o.most)
		}
		forms, err := o.forms(ctx, n)
		if err != nil {
			return nil, err
		}
		return s.prepare(o, forms)
	}
	return line{name: name, reference: reference, measure: func(ctx context.Context, d time.Duration, begin func() error) (answer, error) {
		d /= 2
		first := int(warmRate * warm(d).Seconds())
		if o.most > 0 {
			first = 0
		}
		warming, err := messages(ctx, c.Callers+first)
		if err != nil {
			return answer{}, err
		}
		m, err := s.run(ctx, o, warming, c.Callers, warm(d))
		if err != nil {
			return answer{}, err
		}
		rate := float64(m.times.total) / m.elapsed.Seconds()
		measured, err := messages(ctx, c.Callers+int(ahead*rate*d.Seconds()))
		if err != nil {
			return answer{}, err
		}
		if err := begin(); err != nil {
			return answer{}, err
		}
		if m, err = s.run(ctx, o, measured, c.Callers, d); err != nil {
			return answer{}, err
		}
		return m.answer(), nil
	}}
}

// issuing returns the lines of the authorization server. They are compared
// with PAR, the least that a request of a client with an assertion can cost: a
// signature to verify and one write.
func (s *stack) issuing(ctx context.Context, c Config) ([]line, error) {
	a, err := s.authorizationServer(s.cache)
	if err != nil {
		return nil, err
	}
	cold, err := s.authorizationServer(nil)
	if err != nil {
		return nil, err
	}
	// One grant per caller: refreshes of one grant wait for each other's lock.
	var refresh []string
	note := func(secret string) url.Values { refresh = append(refresh, secret); return nil }
	if _, err := a.issued("refresh_token", note)(ctx, c.Callers); err != nil {
		return nil, err
	}
	const par = "as-par"
	pushes, exchange, renew := push, redeem, redeem
	pushes.forms = always(authorization)
	exchange.forms, exchange.most = a.redemptions, 8*c.Callers
	renew.forms = always(func(i int) url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh[i%len(refresh)]}}
	})
	introspect := operation{client: asking, path: "/introspect", want: http.StatusOK, forms: always(func(i int) url.Values {
		return url.Values{"token": {s.byKey.tokens[i%len(s.byKey.tokens)]}}
	})}
	introspectByCertificate := introspect
	introspectByCertificate.client = certified
	revoke := operation{client: pushing, path: "/revoke", want: http.StatusOK, most: 8 * c.Callers,
		forms: a.issued("access_token", func(secret string) url.Values { return url.Values{"token": {secret}} })}
	return []line{
		a.line(c, par, par, pushes),
		a.line(c, "as-code", par, exchange),
		a.line(c, "as-refresh", par, renew),
		a.line(c, "as-introspection-redis", par, introspect),
		a.line(c, "as-introspection-certificate", par, introspectByCertificate),
		cold.line(c, "as-introspection-postgres", par, introspectByCertificate),
		a.line(c, "as-revocation", par, revoke),
	}, nil
}
