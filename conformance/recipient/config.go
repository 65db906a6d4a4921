package recipient

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// AuthMethod is how we prove at the authorization server who we are, in the
// words of token_endpoint_auth_method.
type AuthMethod string

// The methods that FAPI 2.0 allows (section 5.3.2.1), and the certificate
// that signs itself (RFC 8705 section 2.2).
const (
	PrivateKeyJWT           AuthMethod = "private_key_jwt"
	TLSClientAuth           AuthMethod = "tls_client_auth"
	SelfSignedTLSClientAuth AuthMethod = "self_signed_tls_client_auth"
)

// byCertificate: the TLS handshake says who we are, and client_id whom to
// look up.
func (m AuthMethod) byCertificate() bool {
	return m == TLSClientAuth || m == SelfSignedTLSClientAuth
}

// Config is what a recipient knows before it has talked to the server.
// Issuer, GatewayBase and ClientID are always required.
type Config struct {
	// Issuer of the authorization server, exactly as it spells itself.
	Issuer string
	// GatewayBase is where the data API begins: https://host/fdx/v6,
	// without a slash at the end.
	GatewayBase string
	// ClientID is our name at the server.
	ClientID string
	// PrivateJWKS holds the private keys whose public halves the server
	// has registered for us. Required for PrivateKeyJWT and SignRequests.
	PrivateJWKS jose.JSONWebKeySet
	// RedirectURI is where the server sends the consumer back to, exactly
	// as registered. Required to ask a consumer for anything.
	RedirectURI string

	// ClientAuth is how we authenticate. The zero value means
	// PrivateKeyJWT.
	ClientAuth AuthMethod
	// Certificate is our client certificate. Required when ClientAuth is
	// by certificate, and for CertificateBound.
	Certificate *tls.Certificate
	// CertificateBound has tokens bound to Certificate (RFC 8705 section
	// 3). The zero value has them bound to a DPoP key.
	CertificateBound bool
	// SignRequests pushes a signed request object (RFC 9101) instead of
	// plain parameters.
	SignRequests bool
	// ResponseMode is "jwt" to have the answer signed (JARM). The zero
	// value asks for no mode and expects a plain answer.
	ResponseMode string

	// SigningAlg picks the key of PrivateJWKS: PS256, ES256 or EdDSA. The
	// zero value means the first key that fits one of them.
	SigningAlg jose.SignatureAlgorithm
	// TLS holds the roots to trust. The zero value means the system's.
	TLS *tls.Config
	// Now is the clock for assertions and proofs. The zero value means
	// time.Now.
	Now func() time.Time
}

// apiBase is where the data API begins on the gateway's host.
const apiBase = "/fdx/v6"

// Stack is what a running `headgate dev` tells about itself in dev.json.
// Every path in it is absolute.
type Stack struct {
	Issuer      string `json:"issuer"`
	MTLSBase    string `json:"mtls_base"`
	GatewayBase string `json:"gateway_base"`
	PortalURL   string `json:"portal_url"`
	// MailboxURL is where the mail is that people are sent, one-time codes too;
	// "" for nowhere.
	MailboxURL  string              `json:"mailbox_url"`
	CAFile      string              `json:"ca_file"`
	PostgresDSN string              `json:"postgres_dsn"`
	RedisURL    string              `json:"redis_url"`
	Recipients  []RegisteredClient  `json:"recipients"`
	Personas    []RegisteredPersona `json:"personas"`
	// ResourceServers may introspect tokens; nil when there are none.
	ResourceServers []RegisteredClient `json:"resource_servers"`
	// SoftwareStatementFile holds a software statement for dynamic
	// registration (RFC 7591 section 2.3), as one JWT; "" for none.
	SoftwareStatementFile string `json:"software_statement_file"`
}

// RegisteredClient is a recipient that the stack has registered. The members
// after RedirectURIs are optional and carry the names and the meaning of
// client metadata.
type RegisteredClient struct {
	ClientID                string   `json:"client_id"`
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method"`
	PrivateJWKSFile         string   `json:"private_jwks_file"`
	CertFile                string   `json:"cert_file"`
	KeyFile                 string   `json:"key_file"`
	RedirectURIs            []string `json:"redirect_uris"`
	// Scope is what it may ask for, space-separated.
	Scope string `json:"scope"`
	// CertificateBound and DPoPBound tell how its tokens are bound. When
	// neither is said, a client that authenticates by certificate has them
	// bound to that, and any other to a DPoP key.
	CertificateBound bool `json:"tls_client_certificate_bound_access_tokens"`
	DPoPBound        bool `json:"dpop_bound_access_tokens"`
	// SignedRequests: it has to send request objects (RFC 9101).
	SignedRequests bool `json:"require_signed_request_object"`
	// ResponseModes are the modes it may ask for; jwt alone means JARM.
	ResponseModes []string `json:"response_modes"`
}

// RegisteredPersona is a customer of the sandbox bank who can sign in.
type RegisteredPersona struct {
	Username string `json:"username"`
	Password string `json:"password"`
	About    string `json:"about"`
}

// ErrNotRunning means that there is no dev.json: the stack is not up, or
// keeps its state elsewhere.
var ErrNotRunning = errors.New("no running stack found: start one with `headgate dev`, or name the dev.json of its --home folder")

// Load returns the Config of one recipient of a running `headgate dev`:
// recipient number index, from 0, of the dev.json at that path, usually
// .headgate/dev.json. It returns ErrNotRunning when there is no such file.
func Load(devJSON string, index int) (Config, error) {
	stack, err := ReadStack(devJSON)
	if err != nil {
		return Config{}, err
	}
	return stack.Recipient(index)
}

// ReadStack reads dev.json. It returns ErrNotRunning when there is no such
// file; the file is written last, so its presence means ready.
func ReadStack(devJSON string) (Stack, error) {
	var stack Stack
	switch err := readJSON(devJSON, &stack); {
	case errors.Is(err, fs.ErrNotExist):
		return Stack{}, fmt.Errorf("%w (looked for %s)", ErrNotRunning, devJSON)
	case err != nil:
		return Stack{}, err
	}
	return stack, nil
}

// Recipient returns the Config of recipient number index, from 0.
func (s Stack) Recipient(index int) (Config, error) {
	if index < 0 || index >= len(s.Recipients) {
		return Config{}, fmt.Errorf("dev.json has %d recipients, and none with index %d", len(s.Recipients), index)
	}
	client := s.Recipients[index]
	if len(client.RedirectURIs) == 0 {
		return Config{}, fmt.Errorf("recipient %d of dev.json has no redirect URI", index)
	}
	return s.config(client)
}

// ResourceServer returns the Config of resource server number index, from 0:
// a client that introspects tokens and asks no consumer for anything.
func (s Stack) ResourceServer(index int) (Config, error) {
	if index < 0 || index >= len(s.ResourceServers) {
		return Config{}, fmt.Errorf("dev.json has %d resource servers, and none with index %d", len(s.ResourceServers), index)
	}
	return s.config(s.ResourceServers[index])
}

func (s Stack) config(client RegisteredClient) (Config, error) {
	cfg := Config{
		Issuer:       s.Issuer,
		GatewayBase:  s.GatewayBase + apiBase,
		ClientID:     client.ClientID,
		ClientAuth:   AuthMethod(client.TokenEndpointAuthMethod),
		SignRequests: client.SignedRequests,
	}
	cfg.CertificateBound = client.CertificateBound || cfg.ClientAuth.byCertificate() && !client.DPoPBound
	if len(client.RedirectURIs) > 0 {
		cfg.RedirectURI = client.RedirectURIs[0]
	}
	if slices.Equal(client.ResponseModes, []string{"jwt"}) {
		cfg.ResponseMode = "jwt"
	}
	if client.PrivateJWKSFile != "" {
		if err := readJSON(client.PrivateJWKSFile, &cfg.PrivateJWKS); err != nil {
			return Config{}, err
		}
	}
	if client.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(client.CertFile, client.KeyFile)
		if err != nil {
			// The cause may quote the key file.
			return Config{}, fmt.Errorf("%s and %s are not a certificate and its key", client.CertFile, client.KeyFile)
		}
		cfg.Certificate = &pair
	}
	var err error
	if cfg.TLS, err = s.TLS(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// TLS trusts the stack's own certificate authority, and no other.
func (s Stack) TLS() (*tls.Config, error) {
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read ca_file of dev.json: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s holds no PEM certificate", s.CAFile)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read JSON file: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		// The cause may quote the file, and the file may be a private key.
		return fmt.Errorf("%s is not the JSON that it should be", path)
	}
	return nil
}
