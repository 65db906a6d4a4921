// Package dev is the developer's stack in one process: a private PostgreSQL
// and Redis, a throw-away certificate authority, the authorization server
// and the gateway built by the very constructors that production uses, the
// sandbox bank with its personas, and demo recipients.
//
// It owns the state folder and the file dev.json in it, which tools outside
// this project read. It holds no behaviour of the product.
package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/headgate/headgate/certs"
)

// File is the content of dev.json. Its presence means that the stack is
// ready; paths are absolute.
type File struct {
	Issuer      string      `json:"issuer"`
	MTLSBase    string      `json:"mtls_base"`
	GatewayBase string      `json:"gateway_base"`
	PortalURL   string      `json:"portal_url"`
	MailboxURL  string      `json:"mailbox_url"` // every mail of the stack; with ?text= the newest that holds a text
	CAFile      string      `json:"ca_file"`
	PostgresDSN string      `json:"postgres_dsn"`
	RedisURL    string      `json:"redis_url"`
	Recipients  []Recipient `json:"recipients"`
	Personas    []Persona   `json:"personas"`
	// ResourceServers are the bank's own clients that introspect.
	ResourceServers []Recipient `json:"resource_servers"`
	// SoftwareStatement is a file with a software statement of the operator's,
	// good for one registration within a day.
	SoftwareStatement string `json:"software_statement_file"`
	// SoftwareStatementKeys is a file with the private keys that sign them, as
	// a JWK Set: the key that a statement names signs others.
	SoftwareStatementKeys string `json:"software_statement_keys_file"`
	// DPoPNonces is whether both servers demand a nonce in DPoP proofs.
	DPoPNonces bool `json:"dpop_nonces"`
	// OneTimeSeconds is how long one-time access lasts.
	OneTimeSeconds int `json:"one_time_seconds"`
}

// Recipient is a demo recipient with everything that its client needs.
type Recipient struct {
	ClientID     string   `json:"client_id"`
	AuthMethod   string   `json:"token_endpoint_auth_method"`
	PrivateJWKS  string   `json:"private_jwks_file"`
	CertFile     string   `json:"cert_file"`
	KeyFile      string   `json:"key_file"`
	RedirectURIs []string `json:"redirect_uris"`

	// How it speaks, where that is not the default.
	Scope          string   `json:"scope,omitempty"`
	SignedRequests bool     `json:"require_signed_request_object,omitempty"`
	ResponseModes  []string `json:"response_modes,omitempty"`
	CertBound      bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
}

// Persona is somebody who can sign in.
type Persona struct {
	Username string `json:"username"`
	Password string `json:"password"`
	About    string `json:"about"`
}

// FileName is the name of the file in the state folder.
const FileName = "dev.json"

// ErrNotRunning: no stack is running with that state folder.
var ErrNotRunning = errors.New("no development stack is running here: start one with 'headgate dev', or name a database with --postgres-dsn-file")

// Read returns the dev.json of a state folder, or ErrNotRunning.
func Read(home string) (File, error) {
	data, err := os.ReadFile(filepath.Join(home, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return File{}, ErrNotRunning
	}
	if err != nil {
		return File{}, err
	}
	var f File
	if err := json.Unmarshal(data, &f); err != nil {
		return File{}, fmt.Errorf("read %s: %w", FileName, err)
	}
	return f, nil
}

// write puts dev.json in place in one step. It holds passwords of throw-away
// services, so only its owner may read it.
func (f File) write(home string) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return certs.WritePrivate(filepath.Join(home, FileName), append(data, '\n'))
}

// forget removes dev.json: the stack is no longer ready.
func forget(home string) error {
	err := os.Remove(filepath.Join(home, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// secretFile makes a private file from fresh content unless it is there.
func secretFile(path string, fresh func() ([]byte, error)) (string, error) {
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	data, err := fresh()
	if err != nil {
		return "", err
	}
	return path, certs.WritePrivate(path, data)
}
