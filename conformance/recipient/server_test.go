package recipient_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
)

const redirectURI = "https://app.example/callback?registered=1"

var allowed = []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA}

// server is an authorization server and a gateway as the RFCs describe them,
// written apart from the client: what it accepts, the RFCs accept.
type server struct {
	as, mtls, gateway *httptest.Server // mtls is as, asking for a certificate
	clientKey         jose.JSONWebKey
	key               crypto.Signer   // its own
	cert              tls.Certificate // registered for the client

	// How the client is registered.
	authMethod                   string // "" for private_key_jwt
	certBound, jar, jarm, openID bool

	// Knobs, set before the first request.
	wantNonce    bool                                                // both ask for a nonce
	newNonce     bool                                                // and want another one each time
	metadata     func(doc string, m map[string]any)                  // bends a well-known document
	answer       func(w http.ResponseWriter, r *http.Request) bool   // true: it has answered
	tokenAnswer  func(m map[string]any)                              // bends the token answer
	transactions func(w http.ResponseWriter, r *http.Request, n int) // answers the n-th page request
	noEcho       bool                                                // forgets x-fapi-interaction-id
	bend         func(kind string, j *jwt)                           // bends a JWT of the server

	mu       sync.Mutex
	calls    map[string]int // by path
	used     map[string]bool
	pushed   map[string]url.Values
	codes    map[string]url.Values // code -> pushed form, with jkt
	tokens   map[string]string     // access token -> what it is bound to
	clients  map[string]string     // client_id -> registration access token
	refresh  map[string]bool
	nonceNo  int
	lastForm url.Values
}

func newServer(t *testing.T, alg jose.SignatureAlgorithm) *server {
	t.Helper()
	s := &server{
		key: newKey(t, jose.ES256), cert: newCertificate(t), clients: map[string]string{},
		clientKey: jose.JSONWebKey{Key: newKey(t, alg), KeyID: "k1", Algorithm: string(alg), Use: "sig"},
		calls:     map[string]int{}, used: map[string]bool{}, pushed: map[string]url.Values{},
		codes: map[string]url.Values{}, tokens: map[string]string{}, refresh: map[string]bool{},
	}
	as := http.NewServeMux()
	as.HandleFunc("GET /.well-known/openid-configuration", s.wellKnown)
	as.HandleFunc("GET /.well-known/oauth-authorization-server", s.wellKnown)
	as.HandleFunc("POST /par", s.par)
	as.HandleFunc("GET /authorize", s.authorize)
	as.HandleFunc("POST /token", s.token)
	as.HandleFunc("POST /revoke", s.revoke)
	as.HandleFunc("GET /jwks", s.jwks)
	as.HandleFunc("POST /introspect", s.introspect)
	as.HandleFunc("POST /register", s.register)
	as.HandleFunc("/register/{id}", s.manage)
	as.HandleFunc("/grants/{id}", s.grants)
	gateway := http.NewServeMux()
	gateway.HandleFunc("GET /fdx/v6/accounts", s.data)
	gateway.HandleFunc("GET /fdx/v6/accounts/{id}", s.data)
	gateway.HandleFunc("GET /fdx/v6/accounts/{id}/transactions", s.data)
	s.as, s.mtls, s.gateway = s.start(t, as, tls.NoClientCert), s.start(t, as, tls.RequestClientCert), s.start(t, gateway, tls.RequestClientCert)
	return s
}

func newKey(t *testing.T, alg jose.SignatureAlgorithm) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s *server) start(t *testing.T, h http.Handler, ask tls.ClientAuthType) *httptest.Server {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls[r.URL.Path]++
		s.lastForm = r.PostForm
		if s.answer == nil || !s.answer(w, r) {
			h.ServeHTTP(w, r)
		}
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // one test refuses the certificate
	srv.TLS = &tls.Config{ClientAuth: ask}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func (s *server) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[path]
}

func (s *server) config() recipient.Config {
	cfg := recipient.Config{
		ClientAuth: recipient.AuthMethod(s.authMethod), CertificateBound: s.certBound, SignRequests: s.jar,
		Issuer: s.as.URL, GatewayBase: s.gateway.URL + "/fdx/v6", ClientID: "budgetbee", RedirectURI: redirectURI,
		PrivateJWKS: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.clientKey}},
		TLS:         s.tls(),
	}
	if s.certBound || s.authMethod != "" {
		cfg.Certificate = &s.cert
	}
	if s.jarm {
		cfg.ResponseMode = "jwt"
	}
	return cfg
}

func (s *server) tls() *tls.Config { return s.as.Client().Transport.(*http.Transport).TLSClientConfig }

func (s *server) connect(t *testing.T) *recipient.Client {
	t.Helper()
	c, err := recipient.Connect(t.Context(), s.config())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *server) wellKnown(w http.ResponseWriter, r *http.Request) {
	m := map[string]any{
		"issuer":                                s.as.URL,
		"authorization_endpoint":                s.as.URL + "/authorize?x=1",
		"token_endpoint":                        s.as.URL + "/token",
		"pushed_authorization_request_endpoint": s.as.URL + "/par",
		"revocation_endpoint":                   s.as.URL + "/revoke",
		"jwks_uri":                              s.as.URL + "/jwks",
		"authorization_response_iss_parameter_supported": !s.jarm,
		"introspection_endpoint":                         s.as.URL + "/introspect",
		"registration_endpoint":                          s.as.URL + "/register",
		"grant_management_endpoint":                      s.as.URL + "/grants",
		"mtls_endpoint_aliases": map[string]any{
			"token_endpoint": s.mtls.URL + "/token", "pushed_authorization_request_endpoint": s.mtls.URL + "/par",
			"revocation_endpoint": s.mtls.URL + "/revoke", "introspection_endpoint": s.mtls.URL + "/introspect",
			"grant_management_endpoint": s.mtls.URL + "/grants",
		},
		"token_endpoint_auth_methods_supported":       []string{"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"},
		"response_modes_supported":                    []string{"query", "jwt"},
		"request_object_signing_alg_values_supported": []string{"PS256", "ES256", "EdDSA"},
		"tls_client_certificate_bound_access_tokens":  true,
	}
	if s.metadata != nil {
		s.metadata(r.URL.Path, m)
	}
	writeJSON(w, http.StatusOK, m)
}

// client authenticates by RFC 7523 and FAPI 2.0: our key, iss = sub, aud the
// issuer as a string, alive, used once.
func (s *server) client(r *http.Request) error {
	if s.authMethod != "" || s.certBound {
		if r.Host != strings.TrimPrefix(s.mtls.URL, "https://") || s.shown(r) == "" {
			return errors.New("no certificate, another one, or not at the alias")
		}
	}
	if s.authMethod != "" {
		if r.PostForm.Get("client_id") != "budgetbee" || r.PostForm.Has("client_assertion") {
			return errors.New("no client_id, or an assertion beside the certificate")
		}
		return nil
	}
	if r.PostForm.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return errors.New("wrong client_assertion_type")
	}
	jws, err := jose.ParseSignedCompact(r.PostForm.Get("client_assertion"), allowed)
	if err != nil {
		return fmt.Errorf("assertion does not parse: %w", err)
	}
	if kid := jws.Signatures[0].Protected.KeyID; kid != "k1" {
		return fmt.Errorf("assertion has kid %q", kid)
	}
	payload, err := jws.Verify(s.clientKey.Public())
	if err != nil {
		return fmt.Errorf("assertion does not verify: %w", err)
	}
	var claims struct {
		Iss, Sub, Jti string
		Aud           any
		Iat, Exp      int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return err
	}
	now := time.Now().Unix()
	switch {
	case claims.Iss != "budgetbee" || claims.Sub != "budgetbee":
		return fmt.Errorf("iss %s, sub %s", claims.Iss, claims.Sub)
	case claims.Aud != s.as.URL:
		return fmt.Errorf("aud is %v, not the issuer as a string", claims.Aud)
	case claims.Exp <= now || claims.Exp > now+300 || claims.Iat > now+5:
		return fmt.Errorf("iat %d, exp %d at %d", claims.Iat, claims.Exp, now)
	}
	return s.once(claims.Jti)
}

func (s *server) once(jti string) error {
	if len(jti) < 16 || s.used[jti] {
		return fmt.Errorf("jti %q is short or was used", jti)
	}
	s.used[jti] = true
	return nil
}

var errNonce = errors.New("use_dpop_nonce")

// proof checks a DPoP proof by RFC 9449 section 4.3 and returns the key's
// thumbprint.
func (s *server) proof(w http.ResponseWriter, r *http.Request, token string) (string, error) {
	base := "https://" + r.Host
	if s.certBound {
		if bound := s.shown(r); bound != "" && len(r.Header.Values("DPoP")) == 0 {
			return bound, nil
		}
		return "", errors.New("no certificate, or a proof beside it")
	}
	if token != "" && len(r.TLS.PeerCertificates) > 0 {
		return "", errors.New("a certificate that no token is bound to")
	}
	if len(r.Header.Values("DPoP")) != 1 {
		return "", errors.New("not exactly one DPoP header")
	}
	jws, err := jose.ParseSignedCompact(r.Header.Get("DPoP"), allowed)
	if err != nil {
		return "", fmt.Errorf("proof does not parse: %w", err)
	}
	header := jws.Signatures[0].Protected
	if header.ExtraHeaders["typ"] != "dpop+jwt" || header.JSONWebKey == nil || !header.JSONWebKey.IsPublic() {
		return "", errors.New("proof has no typ dpop+jwt or no public jwk")
	}
	payload, err := jws.Verify(header.JSONWebKey)
	if err != nil {
		return "", fmt.Errorf("proof does not verify: %w", err)
	}
	var claims struct {
		Jti, Htm, Htu, Nonce string
		Ath                  *string
		Iat                  int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", err
	}
	now := time.Now().Unix()
	switch {
	case claims.Htm != r.Method || claims.Htu != base+r.URL.EscapedPath():
		return "", fmt.Errorf("htm %s, htu %s", claims.Htm, claims.Htu)
	case claims.Iat < now-10 || claims.Iat > now+5:
		return "", fmt.Errorf("iat %d at %d", claims.Iat, now)
	case token == "" && claims.Ath != nil, token != "" && (claims.Ath == nil || *claims.Ath != hash(token)):
		return "", errors.New("ath is wrong")
	}
	if err := s.once(claims.Jti); err != nil {
		return "", err
	}
	if s.wantNonce {
		want := fmt.Sprintf("nonce-%s-%d", base, s.nonceNo)
		if claims.Nonce != want || s.newNonce {
			if s.newNonce {
				s.nonceNo++
			}
			w.Header().Set("DPoP-Nonce", fmt.Sprintf("nonce-%s-%d", base, s.nonceNo))
			return "", errNonce
		}
	}
	sum, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s *server) par(w http.ResponseWriter, r *http.Request) {
	if err := s.client(r); err != nil {
		oauthError(w, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	jkt, err := s.proof(w, r, "")
	if err != nil {
		dpopError(w, err)
		return
	}
	f := r.PostForm
	if s.jar && !f.Has("request") {
		oauthError(w, http.StatusBadRequest, "invalid_request", "a request object is required")
		return
	}
	if s.jar {
		if f, err = s.requestObject(f); err != nil {
			oauthError(w, http.StatusBadRequest, "invalid_request_object", err.Error())
			return
		}
	}
	if (f.Get("response_mode") == "jwt") != s.jarm || f.Has("response_mode") != s.jarm || strings.Contains(f.Get("scope"), "openid") != (f.Get("nonce") != "") {
		oauthError(w, http.StatusBadRequest, "invalid_request", "response_mode or nonce")
		return
	}
	if f.Get("response_type") != "code" || f.Get("client_id") != "budgetbee" || f.Get("redirect_uri") != redirectURI ||
		f.Get("code_challenge_method") != "S256" || len(f.Get("code_challenge")) != 43 || len(f.Get("state")) < 16 ||
		!f.Has("scope") && !f.Has("authorization_details") {
		oauthError(w, http.StatusBadRequest, "invalid_request", "not what RFC 9126 asks for")
		return
	}
	f.Set("jkt", jkt)
	uri := "urn:ietf:params:oauth:request_uri:" + rand.Text()
	s.pushed[uri] = f
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": 120})
}

// authorize approves at once: the pages are the browser package's business.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f := s.pushed[q.Get("request_uri")]
	if f == nil || q.Get("client_id") != "budgetbee" || len(q) != 3 || q.Get("x") != "1" {
		http.Error(w, "no such request", http.StatusBadRequest)
		return
	}
	delete(s.pushed, q.Get("request_uri"))
	code := rand.Text()
	s.codes[code] = f
	answer := url.Values{"code": {code}, "state": {f.Get("state")}, "iss": {s.as.URL}}
	if s.jarm {
		answer = url.Values{"response": {s.sign("JARM", "", map[string]any{
			"iss": s.as.URL, "aud": "budgetbee", "exp": time.Now().Add(time.Minute).Unix(), "code": code, "state": f.Get("state"),
		})}}
	}
	http.Redirect(w, r, redirectURI+"&"+answer.Encode(), http.StatusSeeOther)
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	if err := s.client(r); err != nil {
		oauthError(w, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	jkt, err := s.proof(w, r, "")
	if err != nil {
		dpopError(w, err)
		return
	}
	answer := map[string]any{"access_token": rand.Text(), "token_type": "DPoP", "expires_in": 900, "grant_id": "g1", "fdxConsentId": "g1"}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		f := s.codes[r.PostForm.Get("code")]
		delete(s.codes, r.PostForm.Get("code"))
		if f == nil || f.Get("code_challenge") != hash(r.PostForm.Get("code_verifier")) || f.Get("jkt") != jkt ||
			r.PostForm.Get("redirect_uri") != redirectURI {
			oauthError(w, http.StatusBadRequest, "invalid_grant", "the code is not good")
			return
		}
		token := rand.Text()
		s.refresh[token] = true
		answer["refresh_token"] = token
		if r.PostForm.Has("authorization_details") {
			answer["authorization_details"] = json.RawMessage(r.PostForm.Get("authorization_details"))
		} else if f.Has("authorization_details") {
			answer["authorization_details"] = json.RawMessage(f.Get("authorization_details"))
		}
		answer["scope"] = f.Get("scope")
		if strings.Contains(f.Get("scope"), "openid") {
			answer["id_token"] = s.sign("ID token", "", s.identity(answer["access_token"].(string), f.Get("nonce")))
		}
	case "client_credentials":
		answer["scope"] = r.PostForm.Get("scope")
	case "refresh_token":
		answer["scope"] = r.PostForm.Get("scope")
		if s.openID {
			answer["id_token"] = s.sign("ID token", "", s.identity(answer["access_token"].(string), ""))
		}
		if !s.refresh[r.PostForm.Get("refresh_token")] {
			oauthError(w, http.StatusBadRequest, "invalid_grant", "the refresh token is not good")
			return
		}
	}
	s.tokens[answer["access_token"].(string)] = jkt
	if s.certBound {
		answer["token_type"] = "Bearer"
	}
	if s.tokenAnswer != nil {
		s.tokenAnswer(answer)
	}
	writeJSON(w, http.StatusOK, answer)
}

// revoke ends everything: one consumer, one consent.
func (s *server) revoke(w http.ResponseWriter, r *http.Request) {
	if err := s.client(r); err != nil {
		oauthError(w, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	if s.refresh[r.PostForm.Get("token")] {
		clear(s.refresh)
		clear(s.tokens)
	}
}

func (s *server) data(w http.ResponseWriter, r *http.Request) {
	if !s.noEcho {
		w.Header().Set("x-fapi-interaction-id", strings.ToUpper(r.Header.Get("x-fapi-interaction-id")))
	}
	token, ok := s.presented(r)
	jkt, err := s.proof(w, r, token)
	switch {
	case errors.Is(err, errNonce):
		w.Header().Add("WWW-Authenticate", `Bearer`)
		w.Header().Add("WWW-Authenticate", `DPoP error="use_dpop_nonce", error_description="nonce, please"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	case err != nil, !ok, jkt != s.tokens[token]:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"code": "603", "message": "Authentication failed"})
		return
	}
	if s.transactions != nil && strings.HasSuffix(r.URL.Path, "/transactions") {
		s.transactions(w, r, s.calls[r.URL.Path])
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"path": r.URL.Path, "query": r.URL.RawQuery})
}

func dpopError(w http.ResponseWriter, err error) {
	if errors.Is(err, errNonce) {
		oauthError(w, http.StatusBadRequest, "use_dpop_nonce", "")
		return
	}
	oauthError(w, http.StatusBadRequest, "invalid_dpop_proof", err.Error())
}

func oauthError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]any{"error": code, "error_description": description})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}
