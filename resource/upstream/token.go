package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/http/httpguts"
	"golang.org/x/sync/singleflight"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/resource"
)

// ClientCredentials gets access tokens by the client credentials grant (RFC
// 6749 section 4.4). The client authenticates with the secret, with the key,
// or with neither by the certificate of Config (RFC 8705 section 2).
type ClientCredentials struct {
	// TokenEndpoint is an https URL.
	TokenEndpoint string
	ClientID      string
	// SecretFile holds the secret, mode 0600, for client_secret_basic. It is
	// read for each token.
	SecretFile string
	// KeyFile holds signing keys as certs.KeyFile has them, for
	// private_key_jwt (RFC 7523 section 2.2). It is read for each token.
	KeyFile string
	// Audience is the aud of assertions; "" means TokenEndpoint.
	Audience string
	// Scope is asked for, separated by spaces; "" for none.
	Scope string
}

const (
	// A token is replaced this long before it ends, or after four fifths of
	// a shorter life.
	renewBefore = 30 * time.Second
	// standardLife is that of a token whose answer does not say.
	standardLife = 60 * time.Second
	// maxLife bounds what is believed of expires_in.
	maxLife       = 24 * time.Hour
	assertionLife = 60 * time.Second
	maxTokenBody  = 64 << 10
	// dropEvery bounds how often a bank that refuses our tokens makes us get
	// new ones.
	dropEvery = time.Second
)

// tokens keeps one access token. Safe for concurrent use.
type tokens struct {
	c       ClientCredentials
	now     func() time.Time
	timeout time.Duration
	flight  singleflight.Group

	mu      sync.Mutex // guards the fields below
	token   string
	until   time.Time // when to get another
	dropped time.Time // when one was last dropped
}

func newTokens(c ClientCredentials, certificate bool, now func() time.Time, timeout time.Duration) (*tokens, error) {
	u, err := url.Parse(c.TokenEndpoint)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "":
		return nil, errors.New("OAuth.TokenEndpoint is not an https URL")
	case c.ClientID == "":
		return nil, errors.New("OAuth.ClientID is required")
	case c.SecretFile != "" && c.KeyFile != "":
		return nil, errors.New("OAuth has a secret and a key: one of them")
	case c.SecretFile == "" && c.KeyFile == "" && !certificate:
		return nil, errors.New("OAuth has neither a secret nor a key, nor is there a certificate")
	}
	t := &tokens{c: c, now: now, timeout: timeout}
	// What is wrong with the files is told at start.
	if _, err := t.request(context.Background()); err != nil {
		return nil, err
	}
	return t, nil
}

// get returns a token that is good for a while. Callers that find none wait
// for one and the same call of the token endpoint, each as long as its context
// lets it.
func (t *tokens) get(ctx context.Context, transport http.RoundTripper) (string, error) {
	if token := t.current(); token != "" {
		return token, nil
	}
	result := t.flight.DoChan("", func() (any, error) {
		if token := t.current(); token != "" {
			return token, nil // of the call that ended right before
		}
		// Not the context of the first caller: others wait as well.
		ctx, cancel := context.WithTimeout(context.Background(), t.timeout)
		defer cancel()
		return t.fetch(ctx, transport)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", noAnswer(ctx, ctx.Err())
	}
}

func (t *tokens) current() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.now().Before(t.until) {
		return ""
	}
	return t.token
}

// drop forgets a token that the bank refused and reports whether another one
// may be tried.
func (t *tokens) drop(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != token {
		return true // somebody else did
	}
	now := t.now()
	if !t.dropped.IsZero() && now.Sub(t.dropped) < dropEvery {
		return false
	}
	t.token, t.until, t.dropped = "", time.Time{}, now
	return true
}

// fetch gets a token and keeps it.
func (t *tokens) fetch(ctx context.Context, transport http.RoundTripper) (string, error) {
	asked := t.now()
	req, err := t.request(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w", resource.ErrUnavailable, err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return "", noAnswer(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxTokenBody+1))
	if err != nil {
		return "", noAnswer(ctx, err)
	}
	unusable := func(what string) error {
		return &fault{err: fmt.Errorf("%w: token endpoint: %s", resource.ErrUnavailable, what)}
	}
	if res.StatusCode != http.StatusOK {
		// The body is not quoted: it may repeat what was sent.
		return "", unusable(fmt.Sprintf("status %d", res.StatusCode))
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   *int64 `json:"expires_in"`
	}
	if len(body) > maxTokenBody || strict(body) != nil || json.Unmarshal(body, &answer) != nil {
		return "", unusable("unreadable answer")
	}
	if answer.AccessToken == "" || !strings.EqualFold(answer.TokenType, "Bearer") || !httpguts.ValidHeaderFieldValue(answer.AccessToken) {
		return "", unusable("no bearer token")
	}
	life := standardLife
	if answer.ExpiresIn != nil {
		life = time.Duration(max(0, min(*answer.ExpiresIn, int64(maxLife/time.Second)))) * time.Second
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.until = answer.AccessToken, asked.Add(life-min(renewBefore, life/5))
	return t.token, nil
}

// request builds the call of the token endpoint.
func (t *tokens) request(ctx context.Context) (*http.Request, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if t.c.Scope != "" {
		form.Set("scope", t.c.Scope)
	}
	secret := ""
	switch {
	case t.c.SecretFile != "":
		data, err := certs.ReadPrivate(t.c.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("OAuth.SecretFile: %w", err)
		}
		if secret = string(bytes.TrimRight(data, "\r\n")); secret == "" {
			return nil, errors.New("OAuth.SecretFile is empty")
		}
	case t.c.KeyFile != "":
		assertion, err := t.assertion(ctx)
		if err != nil {
			return nil, fmt.Errorf("OAuth.KeyFile: %w", err)
		}
		form.Set("client_id", t.c.ClientID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	default:
		form.Set("client_id", t.c.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.c.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("OAuth.TokenEndpoint cannot be called")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if secret != "" {
		// RFC 6749 section 2.3.1: both are form-encoded first.
		req.SetBasicAuth(url.QueryEscape(t.c.ClientID), url.QueryEscape(secret))
	}
	return req, nil
}

// assertion proves who we are, once and for a minute (RFC 7523 section 3).
func (t *tokens) assertion(ctx context.Context) (string, error) {
	keys, err := certs.LoadSigningKeys(t.c.KeyFile)
	if err != nil {
		return "", err
	}
	audience := t.c.Audience
	if audience == "" {
		audience = t.c.TokenEndpoint
	}
	now := t.now()
	return keys.Sign(ctx, keys.Algorithms()[0], "JWT", map[string]any{
		"iss": t.c.ClientID, "sub": t.c.ClientID, "aud": audience,
		"jti": uuid.Must(uuid.NewRandom()).String(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
}
