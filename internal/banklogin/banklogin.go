package banklogin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
)

// How an answer is refused. Both are login.ErrNotProved. Any other error means
// that the provider could not be asked.
var (
	// ErrAnswer: it is not the answer to what was asked, or proves nothing.
	ErrAnswer = fmt.Errorf("banklogin: the answer of the provider is refused: %w", login.ErrNotProved)
	// ErrGaveUp: the provider says that the person was not signed in.
	ErrGaveUp = fmt.Errorf("banklogin: the provider says no: %w", login.ErrNotProved)
)

// Config configures a Provider.
type Config struct {
	// Issuer is the provider's issuer identifier, byte for byte.
	Issuer string // required
	// ClientID is how the provider knows us; required.
	ClientID string
	// ClientSecret or Keys prove it; one of them is required. With Keys there
	// is no secret that both sides have (private_key_jwt).
	ClientSecret string
	Keys         Keys
	// Return is the address to which the provider sends the browser back.
	Return string // required
	// StepUp is the acr value that means a second proof; empty when the
	// provider gives none.
	StepUp string
	// Consumer names the claim that holds the person's id at the bank; empty is
	// sub.
	Consumer string
	// HTTP calls the provider; required. Its deadline holds.
	HTTP *http.Client
	// Journal is told who signed in; required.
	Journal login.Journal
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Keys sign client assertions. *certs.Rotator is one. Implementations are safe
// for concurrent use.
type Keys interface {
	// Algorithms returns those that can sign, the preferred first.
	Algorithms() []string
	// Sign returns a JWS in compact form whose header names its key (kid).
	Sign(ctx context.Context, alg, typ string, claims any) (string, error)
}

// How old a sign-in at the provider may be, in seconds: one that is in progress
// with the bank counts, one of this morning does not; a second proof has to be
// fresh.
const (
	maxAge       = 15 * time.Minute
	maxAgeStepUp = consent.StepUpTime
	// leeway is how far the clocks may differ.
	leeway = 30 * time.Second
	// away is how long a person may take at the provider.
	away = 30 * time.Minute
	// known is how long the provider's metadata is good.
	known = time.Hour
	// asserted is how long a client assertion is good.
	asserted = time.Minute
)

// algorithms are those of ID tokens; what needs a shared secret is none.
func algorithms() []string {
	return []string{oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA, oidc.RS256}
}

// Provider is a bank's OpenID provider. It is safe for concurrent use.
type Provider struct {
	c Config

	mu    sync.Mutex
	found *found // guarded by mu; nil until the provider has answered
}

// found is what the provider says of itself.
type found struct {
	oauth2.Config
	verifier *oidc.IDTokenVerifier
	named    bool   // answers carry iss (RFC 9207)
	alg      string // of client assertions; empty without keys
	at       time.Time
}

// New returns a Provider. It does no I/O: a provider that is away keeps nobody
// from starting.
func New(c Config) (*Provider, error) {
	if u, err := url.Parse(c.Issuer); err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("banklogin: Issuer must be an https address")
	}
	if c.ClientID == "" || c.Return == "" || c.HTTP == nil || c.Journal == nil {
		return nil, errors.New("banklogin: ClientID, Return, HTTP and Journal are required")
	}
	if (c.ClientSecret == "") == (c.Keys == nil) {
		return nil, errors.New("banklogin: one of ClientSecret and Keys is required")
	}
	if c.Consumer == "" {
		c.Consumer = "sub"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Provider{c: c}, nil
}

// discover returns what the provider says of itself, asked at most once an
// hour. While it is away, what it said last is good.
func (p *Provider) discover(ctx context.Context) (*found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.c.Now()
	if p.found != nil && now.Sub(p.found.at) < known {
		return p.found, nil
	}
	// The keys are fetched later by the context that is given here; the
	// client's own deadline bounds each call.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.c.HTTP), p.c.Issuer)
	if err != nil {
		if p.found != nil {
			return p.found, nil
		}
		return nil, fmt.Errorf("discover provider: %w", err)
	}
	var more struct {
		Named   bool     `json:"authorization_response_iss_parameter_supported"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
		Algs    []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, fmt.Errorf("read provider's metadata: %w", err)
	}
	endpoint := provider.Endpoint()
	for _, address := range []string{endpoint.AuthURL, endpoint.TokenURL} {
		if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
			return nil, errors.New("discover provider: an endpoint is no https address")
		}
	}
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // the default of OpenID Connect
	if more.Methods != nil && !slices.Contains(more.Methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	alg := ""
	if p.c.Keys != nil {
		if alg = common(p.c.Keys.Algorithms(), more.Algs); alg == "" || more.Methods != nil && !slices.Contains(more.Methods, "private_key_jwt") {
			return nil, errors.New("discover provider: it does not take private_key_jwt with these keys")
		}
		endpoint.AuthStyle = oauth2.AuthStyleInParams // client_id, and no secret
	}
	p.found = &found{
		Config: oauth2.Config{
			ClientID: p.c.ClientID, ClientSecret: p.c.ClientSecret, Endpoint: endpoint,
			RedirectURL: p.c.Return, Scopes: []string{oidc.ScopeOpenID},
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: p.c.ClientID, SupportedSigningAlgs: algorithms(), Now: p.c.Now}),
		named:    more.Named, at: now, alg: alg,
	}
	return p.found, nil
}

// common returns the first algorithm of ours that the provider names, and the
// first that is safe when it names none; "" when there is none. OpenID Connect
// Discovery lets the list be left out.
func common(ours, theirs []string) string {
	for _, alg := range ours {
		if (alg == oidc.ES256 || alg == oidc.PS256) && (theirs == nil || slices.Contains(theirs, alg)) {
			return alg
		}
	}
	return ""
}

// proof returns what shows the provider who we are, besides a secret.
func (p *Provider) proof(ctx context.Context, f *found, now time.Time) ([]oauth2.AuthCodeOption, error) {
	if f.alg == "" {
		return nil, nil
	}
	// RFC 7523 section 3. The audience is the issuer: one that names the token
	// endpoint could be sent on to another provider that shares it.
	assertion, err := p.c.Keys.Sign(ctx, f.alg, "", map[string]any{
		"iss": p.c.ClientID, "sub": p.c.ClientID, "aud": p.c.Issuer, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(asserted).Unix(),
	})
	if err != nil {
		return nil, fmt.Errorf("sign client assertion: %w", err)
	}
	return []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		oauth2.SetAuthURLParam("client_assertion", assertion),
	}, nil
}

// kept is what the caller remembers while the person is away.
type kept struct {
	Issuer   string `json:"iss"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	State    string `json:"state"`
	StepUp   bool   `json:"step_up,omitempty"`
	Until    int64  `json:"until"` // Unix seconds
}

// StepsUp reports whether the provider can give a second proof.
func (p *Provider) StepsUp() bool { return p.c.StepUp != "" }

// Begin returns where to send the browser. What Departure keeps is a secret of
// the session that leaves.
func (p *Provider) Begin(ctx context.Context, a login.Ask) (login.Departure, error) {
	f, err := p.discover(ctx)
	if err != nil {
		return login.Departure{}, err
	}
	k := kept{
		Issuer: p.c.Issuer, Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), State: rand.Text(),
		StepUp: a.StepUp, Until: p.c.Now().Add(away).Unix(),
	}
	age := maxAge
	options := []oauth2.AuthCodeOption{oidc.Nonce(k.Nonce), oauth2.S256ChallengeOption(k.Verifier)}
	if a.StepUp {
		if p.c.StepUp == "" {
			return login.Departure{}, errors.New("banklogin: the provider gives no second proof")
		}
		if age = maxAgeStepUp; a.MaxAge > 0 {
			age = min(age, a.MaxAge)
		}
		options = append(options, oauth2.SetAuthURLParam("acr_values", p.c.StepUp))
	}
	options = append(options, oauth2.SetAuthURLParam("max_age", fmt.Sprint(int(age.Seconds()))))
	if len(a.Locales) > 0 {
		options = append(options, oauth2.SetAuthURLParam("ui_locales", strings.Join(a.Locales, " ")))
	}
	if a.Hint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", a.Hint))
	}
	text, err := json.Marshal(k)
	if err != nil {
		return login.Departure{}, err
	}
	return login.Departure{Address: f.AuthCodeURL(k.State, options...), State: k.State, Keep: string(text)}, nil
}

// Finish judges what the browser brought back, and what was kept for its
// state. Each is to be used once. It returns ErrAnswer, ErrGaveUp, or another
// error when nothing could be found out.
func (p *Provider) Finish(ctx context.Context, keep string, answer url.Values, from netip.Addr) (login.Proof, error) {
	var k kept
	if err := json.Unmarshal([]byte(keep), &k); err != nil || k.State == "" || k.Nonce == "" || k.Verifier == "" {
		return login.Proof{}, fmt.Errorf("%w: nothing was asked", ErrAnswer)
	}
	now := p.c.Now()
	for _, name := range []string{"state", "code", "iss", "error"} {
		if len(answer[name]) > 1 {
			return login.Proof{}, fmt.Errorf("%w: %s is there twice", ErrAnswer, name)
		}
	}
	switch {
	case now.Unix() > k.Until:
		return login.Proof{}, fmt.Errorf("%w: it came too late", ErrAnswer)
	case subtle.ConstantTimeCompare([]byte(k.State), []byte(answer.Get("state"))) != 1:
		return login.Proof{}, fmt.Errorf("%w: state", ErrAnswer)
	case k.Issuer != p.c.Issuer:
		return login.Proof{}, fmt.Errorf("%w: another provider was asked", ErrAnswer)
	}
	f, err := p.discover(ctx)
	if err != nil {
		return login.Proof{}, err
	}
	if iss, there := answer["iss"]; there && iss[0] != p.c.Issuer || !there && f.named {
		return login.Proof{}, fmt.Errorf("%w: iss", ErrAnswer) // RFC 9207 section 2.4
	}
	switch {
	case answer.Has("error"):
		if slices.Contains([]string{"temporarily_unavailable", "server_error"}, answer.Get("error")) {
			return login.Proof{}, errors.New("provider is not available")
		}
		return login.Proof{}, ErrGaveUp
	case answer.Get("code") == "":
		return login.Proof{}, fmt.Errorf("%w: no code", ErrAnswer)
	}
	proof, err := p.redeem(ctx, f, k, answer.Get("code"), now)
	if err != nil {
		return login.Proof{}, err
	}
	// The sign-in stands, so it is written down even when the person has gone.
	note := login.SignIn{Consumer: proof.Consumer, At: now, Method: login.BankLogin, Network: login.Network(from)}
	if err := p.c.Journal.Note(context.WithoutCancel(ctx), note); err != nil {
		return login.Proof{}, fmt.Errorf("note sign-in: %w", err)
	}
	return proof, nil
}

// redeem exchanges the code and judges the ID token.
func (p *Provider) redeem(ctx context.Context, f *found, k kept, code string, now time.Time) (login.Proof, error) {
	ctx = oidc.ClientContext(ctx, p.c.HTTP)
	options, err := p.proof(ctx, f, now)
	if err != nil {
		return login.Proof{}, err
	}
	tokens, err := f.Exchange(ctx, code, append(options, oauth2.VerifierOption(k.Verifier))...)
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		if refused.ErrorCode == "invalid_grant" {
			return login.Proof{}, fmt.Errorf("%w: code", ErrAnswer)
		}
		// Its text may hold what the provider answered.
		return login.Proof{}, fmt.Errorf("provider refuses the exchange: %s", refused.Response.Status)
	}
	if err != nil {
		return login.Proof{}, fmt.Errorf("exchange code: %w", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" {
		return login.Proof{}, fmt.Errorf("%w: no ID token", ErrAnswer)
	}
	id, err := f.verifier.Verify(ctx, raw)
	if err != nil {
		return login.Proof{}, fmt.Errorf("%w: ID token", ErrAnswer)
	}
	claims := map[string]json.RawMessage{}
	if err := id.Claims(&claims); err != nil {
		return login.Proof{}, fmt.Errorf("%w: claims", ErrAnswer)
	}
	party, at, acr := text(claims["azp"]), seconds(claims["auth_time"]), text(claims["acr"])
	age := maxAge
	if k.StepUp {
		age = maxAgeStepUp
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(k.Nonce)) != 1:
		return login.Proof{}, fmt.Errorf("%w: nonce", ErrAnswer)
	case len(id.Audience) > 1 && party != p.c.ClientID, party != "" && party != p.c.ClientID:
		return login.Proof{}, fmt.Errorf("%w: azp", ErrAnswer)
	case id.IssuedAt.After(now.Add(leeway)):
		return login.Proof{}, fmt.Errorf("%w: iat", ErrAnswer)
	case now.Sub(time.Unix(at, 0)) > age+leeway || time.Unix(at, 0).After(now.Add(leeway)):
		// One that is missing is of 1970: auth_time is required where max_age
		// was asked for (OpenID Connect
		// Core section 2).
		return login.Proof{}, fmt.Errorf("%w: auth_time", ErrAnswer)
	}
	proof := login.Proof{Consumer: consent.ConsumerID(text(claims[p.c.Consumer])), At: time.Unix(at, 0), Strong: p.c.StepUp != "" && acr == p.c.StepUp}
	switch {
	case proof.Consumer == "" || len(proof.Consumer) > 256:
		return login.Proof{}, fmt.Errorf("%w: the claim that holds the person's id", ErrAnswer)
	case k.StepUp && !proof.Strong:
		return login.Proof{}, fmt.Errorf("%w: acr", ErrAnswer)
	}
	return proof, nil
}

// text reads a string; "" for anything else.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// seconds reads a time in Unix seconds; 0 for anything else.
func seconds(raw json.RawMessage) int64 {
	var n float64
	if json.Unmarshal(raw, &n) != nil || n < 0 || n > 1<<40 {
		return 0
	}
	return int64(n)
}
