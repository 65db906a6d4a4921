package recipient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ErrMetadata means that the server's own description cannot be trusted: it
// names another issuer, its two documents disagree, or it lacks what FAPI 2.0
// needs.
var ErrMetadata = errors.New("server metadata")

// Metadata is what a recipient needs of the server's description of itself.
type Metadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	PushEndpoint          string `json:"pushed_authorization_request_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	// IssInResponse is the server's promise to name itself in the answer
	// that the consumer brings back (RFC 9207).
	IssInResponse bool `json:"authorization_response_iss_parameter_supported"`
}

// Client is one recipient that talks to one server. It is safe for
// concurrent use.
type Client struct {
	// Server is what the server says of itself. Read it; do not change it.
	Server Metadata

	cfg    Config
	key    jose.JSONWebKey // signs our assertions
	http   *http.Client
	nonces sync.Map // host -> the DPoP nonce it handed out last
}

// Connect checks the Config, reads the server's metadata and returns a
// Client for it. It returns ErrMetadata when the metadata cannot be trusted.
func Connect(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Issuer == "" || cfg.GatewayBase == "" || cfg.ClientID == "" || cfg.RedirectURI == "" {
		return nil, errors.New("recipient: Config needs Issuer, GatewayBase, ClientID and RedirectURI")
	}
	key, err := signingKey(cfg.PrivateJWKS, cfg.SigningAlg)
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Client{cfg: cfg, key: key, http: &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig:     cfg.TLS.Clone(),
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 64, // parallel reads keep their connections
			IdleConnTimeout:     30 * time.Second,
		},
		// A token or an assertion must never follow a redirect elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if err := c.discover(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// discover reads both well-known documents. Clients in the field use one or
// the other, so they must say the same.
func (c *Client) discover(ctx context.Context) error {
	openID, oauth, err := WellKnown(c.cfg.Issuer)
	if err != nil {
		return err
	}
	for i, address := range []string{oauth, openID} {
		resp, err := c.Do(ctx, &Request{Method: http.MethodGet, URL: address, Header: http.Header{"Accept": {"application/json"}}})
		if err != nil {
			return fmt.Errorf("read %s: %w", address, err)
		}
		if err := resp.Refusal(address); err != nil {
			return fmt.Errorf("%w: %w", ErrMetadata, err)
		}
		var m Metadata
		if err := resp.JSON(&m); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrMetadata, address, err)
		}
		if i > 0 && m != c.Server {
			return fmt.Errorf("%w: %s and %s disagree: %+v, %+v", ErrMetadata, oauth, openID, c.Server, m)
		}
		c.Server = m
	}
	return c.Server.check(c.cfg.Issuer)
}

// check compares the issuer character by character (RFC 8414 section 3.3):
// a server that can speak for another name could collect its codes.
func (m Metadata) check(issuer string) error {
	if m.Issuer != issuer {
		return fmt.Errorf("%w: the server calls itself %s, expected %s", ErrMetadata, m.Issuer, issuer)
	}
	if !m.IssInResponse {
		return fmt.Errorf("%w: authorization_response_iss_parameter_supported is not true (FAPI 2.0 requires it)", ErrMetadata)
	}
	for _, endpoint := range []struct{ name, address string }{
		{"authorization_endpoint", m.AuthorizationEndpoint},
		{"token_endpoint", m.TokenEndpoint},
		{"pushed_authorization_request_endpoint", m.PushEndpoint},
		{"revocation_endpoint", m.RevocationEndpoint},
	} {
		if u, err := url.Parse(endpoint.address); err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("%w: %s is not an https address", ErrMetadata, endpoint.name)
		}
	}
	return nil
}

// WellKnown returns where an issuer's metadata is: OpenID Connect Discovery
// appends its path to the issuer, RFC 8414 section 3.1 inserts its own
// between the host and the issuer's path. They differ for an issuer with a
// path. It returns ErrMetadata for an issuer that is not a plain https URL.
func WellKnown(issuer string) (openID, oauth string, err error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", "", fmt.Errorf("%w: the issuer %s is not a plain https URL", ErrMetadata, issuer)
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	base := "https://" + u.Host
	return base + path + "/.well-known/openid-configuration", base + "/.well-known/oauth-authorization-server" + path, nil
}
