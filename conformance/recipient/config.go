package recipient

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Config is what a recipient knows before it has talked to the server. All
// but the last three fields are required.
type Config struct {
	// Issuer of the authorization server, exactly as it spells itself.
	Issuer string
	// GatewayBase is where the data API begins: https://host/fdx/v6,
	// without a slash at the end.
	GatewayBase string
	// ClientID is our name at the server.
	ClientID string
	// PrivateJWKS holds the private keys whose public halves the server
	// has registered for us.
	PrivateJWKS jose.JSONWebKeySet
	// RedirectURI is where the server sends the consumer back to, exactly
	// as registered.
	RedirectURI string

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
	Issuer      string              `json:"issuer"`
	MTLSBase    string              `json:"mtls_base"`
	GatewayBase string              `json:"gateway_base"`
	PortalURL   string              `json:"portal_url"`
	CAFile      string              `json:"ca_file"`
	PostgresDSN string              `json:"postgres_dsn"`
	RedisURL    string              `json:"redis_url"`
	Recipients  []RegisteredClient  `json:"recipients"`
	Personas    []RegisteredPersona `json:"personas"`
}

// RegisteredClient is a recipient that the stack has registered.
type RegisteredClient struct {
	ClientID                string   `json:"client_id"`
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method"`
	PrivateJWKSFile         string   `json:"private_jwks_file"`
	CertFile                string   `json:"cert_file"`
	KeyFile                 string   `json:"key_file"`
	RedirectURIs            []string `json:"redirect_uris"`
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
	if client.TokenEndpointAuthMethod != "private_key_jwt" {
		return Config{}, fmt.Errorf("recipient %d of dev.json authenticates with %s; this package speaks private_key_jwt only",
			index, client.TokenEndpointAuthMethod)
	}
	if len(client.RedirectURIs) == 0 {
		return Config{}, fmt.Errorf("recipient %d of dev.json has no redirect URI", index)
	}
	cfg := Config{
		Issuer:      s.Issuer,
		GatewayBase: s.GatewayBase + apiBase,
		ClientID:    client.ClientID,
		RedirectURI: client.RedirectURIs[0],
	}
	if err := readJSON(client.PrivateJWKSFile, &cfg.PrivateJWKS); err != nil {
		return Config{}, err
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
