package recipient_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
)

// devHome writes the state folder that `headgate dev` would, for s.
func devHome(t *testing.T, s *server, bend func(*recipient.Stack)) (devJSON string) {
	t.Helper()
	home := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	encode := func(v any) []byte {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	stack := recipient.Stack{
		Issuer: s.as.URL, GatewayBase: s.gateway.URL, PortalURL: s.as.URL + "/portal",
		CAFile: write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.as.Certificate().Raw})),
		Recipients: []recipient.RegisteredClient{
			{ClientID: "mtls", TokenEndpointAuthMethod: "tls_client_auth", RedirectURIs: []string{redirectURI}},
			{
				ClientID: "budgetbee", TokenEndpointAuthMethod: "private_key_jwt", RedirectURIs: []string{redirectURI, "https://app.example/other"},
				PrivateJWKSFile: write("jwks.json", encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.clientKey}})),
			},
		},
		Personas: []recipient.RegisteredPersona{{Username: "ada", Password: "correct", About: "everyday account"}},
	}
	if bend != nil {
		bend(&stack)
	}
	return write("dev.json", encode(stack))
}

func TestLoadIsEnoughForTheWholeFlow(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	cfg, err := recipient.Load(devHome(t, s, nil), 1)
	if err != nil {
		t.Fatal(err)
	}
	c, err := recipient.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	obtain(t, s, c, ask(t))
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	secret := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(secret, []byte(`{"keys":[{"d":"hunter2"`), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		index int
		bend  func(*recipient.Stack)
		says  string
	}{
		{"no such recipient", 2, nil, "has 2 recipients"},
		{"a negative index", -1, nil, "has 2 recipients"},
		{"a certificate without its key", 1, func(s *recipient.Stack) { s.Recipients[1].CertFile = secret }, "not a certificate and its key"},
		{"no redirect URI", 1, func(s *recipient.Stack) { s.Recipients[1].RedirectURIs = nil }, "no redirect URI"},
		{"no key file", 1, func(s *recipient.Stack) { s.Recipients[1].PrivateJWKSFile = "/nowhere" }, "/nowhere"},
		{"a broken key file", 1, func(s *recipient.Stack) { s.Recipients[1].PrivateJWKSFile = secret }, "broken.json is not the JSON"},
		{"no CA file", 1, func(s *recipient.Stack) { s.CAFile = "/nowhere" }, "ca_file"},
		{"a CA file without certificates", 1, func(s *recipient.Stack) { s.CAFile = secret }, "no PEM certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := recipient.Load(devHome(t, s, tt.bend), tt.index)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want it to say %s", err, tt.says)
			}
		})
	}
	if _, err := recipient.Load(filepath.Join(t.TempDir(), "dev.json"), 0); !errors.Is(err, recipient.ErrNotRunning) {
		t.Errorf("no dev.json: %v", err)
	}
	if _, err := recipient.Load(secret, 0); err == nil || errors.Is(err, recipient.ErrNotRunning) {
		t.Errorf("a broken dev.json: %v", err)
	}
}

func TestTheSigningKeyFitsFAPI(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	es := s.clientKey
	ps := jose.JSONWebKey{Key: newKey(t, jose.PS256), KeyID: "ps"}
	rs := jose.JSONWebKey{Key: newKey(t, jose.PS256), KeyID: "rs", Algorithm: "RS256"}
	tests := []struct {
		name string
		keys []jose.JSONWebKey
		alg  jose.SignatureAlgorithm
		ok   bool
	}{
		{"the first that fits", []jose.JSONWebKey{rs, es, ps}, "", true},
		{"the one for the algorithm", []jose.JSONWebKey{ps, es}, jose.ES256, true},
		{"none", nil, "", false},
		{"a public key", []jose.JSONWebKey{es.Public()}, "", false},
		{"a key for RS256", []jose.JSONWebKey{rs}, "", false},
		{"a shared secret", []jose.JSONWebKey{{Key: []byte("0123456789012345")}}, "", false},
		{"an algorithm that no key is for", []jose.JSONWebKey{es}, jose.PS256, false},
		{"an algorithm that FAPI forbids", []jose.JSONWebKey{es, ps, rs}, jose.RS256, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := s.config()
			cfg.PrivateJWKS.Keys, cfg.SigningAlg = tt.keys, tt.alg
			c, err := recipient.Connect(t.Context(), cfg)
			if (err == nil) != tt.ok {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				return
			}
			// The server knows the ES256 key alone.
			if _, err := c.Push(t.Context(), ask(t)); err != nil {
				t.Error(err)
			}
		})
	}
	for name, bend := range map[string]func(*recipient.Config){
		"Issuer":                                 func(c *recipient.Config) { c.Issuer = "" },
		"GatewayBase":                            func(c *recipient.Config) { c.GatewayBase = "" },
		"ClientID":                               func(c *recipient.Config) { c.ClientID = "" },
		"keys":                                   func(c *recipient.Config) { c.PrivateJWKS.Keys = nil },
		"a certificate, to authenticate with it": func(c *recipient.Config) { c.ClientAuth = recipient.TLSClientAuth },
		"a certificate, to bind tokens to it":    func(c *recipient.Config) { c.CertificateBound = true },
		"a method that FAPI allows":              func(c *recipient.Config) { c.ClientAuth = "client_secret_basic" },
		"a response mode that is jwt":            func(c *recipient.Config) { c.ResponseMode = "form_post" },
	} {
		cfg := s.config()
		bend(&cfg)
		if _, err := recipient.Connect(t.Context(), cfg); err == nil {
			t.Errorf("a Config without %s was accepted", name)
		}
	}
	for _, alg := range []jose.SignatureAlgorithm{"", jose.RS256, jose.HS256, "none"} {
		if _, err := recipient.NewDPoPKey(alg); err == nil {
			t.Errorf("a DPoP key for %q was made", alg)
		}
	}
}

func writeFile(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
