package recipient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ErrMetadata means that the server's own description cannot be trusted: it
// names another issuer, its two documents disagree, or it lacks what FAPI 2.0
// needs.
var ErrMetadata = errors.New("server metadata")

// Endpoints are where the server takes requests that clients sign for; ""
// for what it does not offer.
type Endpoints struct {
	TokenEndpoint           string `json:"token_endpoint"`
	PushEndpoint            string `json:"pushed_authorization_request_endpoint"`
	RevocationEndpoint      string `json:"revocation_endpoint"`
	IntrospectionEndpoint   string `json:"introspection_endpoint"`
	RegistrationEndpoint    string `json:"registration_endpoint"`
	GrantManagementEndpoint string `json:"grant_management_endpoint"`
}

func (e Endpoints) token() string           { return e.TokenEndpoint }
func (e Endpoints) push() string            { return e.PushEndpoint }
func (e Endpoints) revocation() string      { return e.RevocationEndpoint }
func (e Endpoints) introspection() string   { return e.IntrospectionEndpoint }
func (e Endpoints) grantManagement() string { return e.GrantManagementEndpoint }

// Metadata is what a recipient needs of the server's description of itself.
type Metadata struct {
	Endpoints
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	// MTLS holds the addresses that ask for a client certificate; "" where
	// the ordinary one does, too (RFC 8705 section 5).
	MTLS Endpoints `json:"mtls_endpoint_aliases"`
	// The lists of what the server supports, in its own order.
	AuthMethods       []string `json:"token_endpoint_auth_methods_supported"`
	ResponseModes     []string `json:"response_modes_supported"`
	RequestObjectAlgs []string `json:"request_object_signing_alg_values_supported"`
	// CertificateBound: it binds tokens to certificates (RFC 8705 section
	// 3.3).
	CertificateBound bool `json:"tls_client_certificate_bound_access_tokens"`
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
	key    jose.JSONWebKey // signs our assertions and request objects; may be none
	http   sync.Map        // *tls.Certificate, nil for none -> the *http.Client that shows it
	nonces sync.Map        // host -> the DPoP nonce it handed out last

	keys struct { // the server's
		sync.Mutex
		set jose.JSONWebKeySet
	}
}

// Connect checks the Config, reads the server's metadata and returns a
// Client for it. It returns ErrMetadata when the metadata cannot be trusted,
// or does not offer what the Config wants.
func Connect(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Issuer == "" || cfg.GatewayBase == "" || cfg.ClientID == "" {
		return nil, errors.New("recipient: Config needs Issuer, GatewayBase and ClientID")
	}
	if cfg.ClientAuth == "" {
		cfg.ClientAuth = PrivateKeyJWT
	}
	if cfg.ClientAuth != PrivateKeyJWT && !cfg.ClientAuth.byCertificate() {
		return nil, fmt.Errorf("recipient: Config.ClientAuth %s is not one of those that FAPI 2.0 allows", cfg.ClientAuth)
	}
	if cfg.Certificate == nil && (cfg.CertificateBound || cfg.ClientAuth.byCertificate()) {
		return nil, errors.New("recipient: Config needs a Certificate to authenticate with it or to bind tokens to it")
	}
	if cfg.ResponseMode != "" && cfg.ResponseMode != "jwt" {
		return nil, errors.New("recipient: Config.ResponseMode is jwt or nothing")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Client{cfg: cfg}
	if cfg.ClientAuth == PrivateKeyJWT || cfg.SignRequests {
		var err error
		if c.key, err = signingKey(cfg.PrivateJWKS, cfg.SigningAlg); err != nil {
			return nil, err
		}
	}
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
		if i > 0 && !reflect.DeepEqual(m, c.Server) {
			return fmt.Errorf("%w: %s and %s disagree: %+v, %+v", ErrMetadata, oauth, openID, c.Server, m)
		}
		c.Server = m
	}
	if err := c.Server.check(c.cfg); err != nil {
		return err
	}
	return c.Server.offers(c.cfg, c.key)
}

// check compares the issuer character by character (RFC 8414 section 3.3):
// a server that can speak for another name could collect its codes.
func (m Metadata) check(cfg Config) error {
	if m.Issuer != cfg.Issuer {
		return fmt.Errorf("%w: the server calls itself %s, expected %s", ErrMetadata, m.Issuer, cfg.Issuer)
	}
	// A signed answer names the issuer in any case.
	if !m.IssInResponse && cfg.ResponseMode == "" {
		return fmt.Errorf("%w: authorization_response_iss_parameter_supported is not true (FAPI 2.0 requires it)", ErrMetadata)
	}
	for _, endpoint := range []struct {
		name, address string
		required      bool
	}{
		{"authorization_endpoint", m.AuthorizationEndpoint, true},
		{"token_endpoint", m.TokenEndpoint, true},
		{"pushed_authorization_request_endpoint", m.PushEndpoint, true},
		{"revocation_endpoint", m.RevocationEndpoint, true},
		{"introspection_endpoint", m.IntrospectionEndpoint, false},
		{"registration_endpoint", m.RegistrationEndpoint, false},
		{"grant_management_endpoint", m.GrantManagementEndpoint, false},
		{"jwks_uri", m.JWKSURI, false},
		{"token_endpoint of mtls_endpoint_aliases", m.MTLS.TokenEndpoint, false},
		{"pushed_authorization_request_endpoint of mtls_endpoint_aliases", m.MTLS.PushEndpoint, false},
		{"revocation_endpoint of mtls_endpoint_aliases", m.MTLS.RevocationEndpoint, false},
		{"introspection_endpoint of mtls_endpoint_aliases", m.MTLS.IntrospectionEndpoint, false},
		{"registration_endpoint of mtls_endpoint_aliases", m.MTLS.RegistrationEndpoint, false},
		{"grant_management_endpoint of mtls_endpoint_aliases", m.MTLS.GrantManagementEndpoint, false},
	} {
		if endpoint.address == "" && !endpoint.required {
			continue
		}
		if u, err := url.Parse(endpoint.address); err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("%w: %s is not an https address", ErrMetadata, endpoint.name)
		}
	}
	return nil
}

// offers tells whether the server can do what the Config wants beyond plain
// parameters, private_key_jwt and DPoP.
func (m Metadata) offers(cfg Config, key jose.JSONWebKey) error {
	alg, _ := algOf(key)
	for _, want := range []struct {
		wanted, offered bool
		what            string
	}{
		{cfg.ClientAuth.byCertificate(), slices.Contains(m.AuthMethods, string(cfg.ClientAuth)),
			"token_endpoint_auth_methods_supported does not hold " + string(cfg.ClientAuth)},
		{cfg.CertificateBound, m.CertificateBound, "tls_client_certificate_bound_access_tokens is not true"},
		{cfg.SignRequests, slices.Contains(m.RequestObjectAlgs, string(alg)),
			"request_object_signing_alg_values_supported does not hold " + string(alg)},
		{cfg.ResponseMode != "", slices.Contains(m.ResponseModes, cfg.ResponseMode),
			"response_modes_supported does not hold " + cfg.ResponseMode},
	} {
		if want.wanted && !want.offered {
			return fmt.Errorf("%w: %s", ErrMetadata, want.what)
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
