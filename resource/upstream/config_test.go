package upstream_test

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/mapping"
	"github.com/headgate/headgate/resource/upstream"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	if _, err := upstream.New(upstream.Config{}); err == nil || strings.Count(err.Error(), "\n") < 2 {
		t.Errorf("an empty config, all its faults at once: %v", err)
	}
	own := func(c *upstream.Config) {
		rules, err := mapping.Parse([]byte(ownRules))
		if err != nil {
			t.Fatal(err)
		}
		c.Mapped = &upstream.Mapped{Mapping: rules}
	}
	drop := func(id fdx.OperationID) func(c *upstream.Config) {
		return func(c *upstream.Config) { delete(c.Operations, id) }
	}
	path := func(id fdx.OperationID, path string) func(c *upstream.Config) {
		return func(c *upstream.Config) { c.Operations[id] = path }
	}
	for name, change := range map[string]func(c *upstream.Config){
		"plain HTTP":                       func(c *upstream.Config) { c.Base = strings.Replace(c.Base, "https", "http", 1) },
		"a base with a user":               func(c *upstream.Config) { c.Base = "https://a:b@bank.example" },
		"a base with a query":              func(c *upstream.Config) { c.Base += "?a=b" },
		"no accounts":                      drop(fdx.SearchForAccounts),
		"no transactions":                  drop(fdx.SearchForAccountTransactions),
		"documents without their list":     drop(fdx.SearchForAccountStatements),
		"customers without the one":        drop(fdx.GetCustomer),
		"categories without programs":      drop(fdx.GetRewardProgram),
		"an operation that is none":        path("getMoney", "/money"),
		"an operation that is not fetched": path(fdx.GetCapability, "/capability"),
		"a path without its id":            path(fdx.GetAccount, "/account"),
		"a path with another id":           path(fdx.GetAccount, "/accounts/{accountId}/{secret}"),
		"a path with half a brace":         path(fdx.GetAccount, "/accounts/{accountId}/}"),
		"a path that climbs":               path(fdx.GetAccount, "/../{accountId}"),
		"a path that is a host":            path(fdx.GetAccount, ".example/{accountId}"),
		"a path with a fragment":           path(fdx.GetAccount, "/a#{accountId}"),
		"nobody named":                     func(c *upstream.Config) { c.Consumer = upstream.Consumer{} },
		"a header that is none":            func(c *upstream.Config) { c.Consumer.Header = "X Consumer" },
		"a header that is taken":           func(c *upstream.Config) { c.Consumer.Header = "authorization" },
		"half a window":                    func(c *upstream.Config) { c.Window.Start = upstream.None },
		"pages without a size":             func(c *upstream.Config) { c.Paging.Limit = upstream.None },
		"pages of another kind":            func(c *upstream.Config) { c.Paging.Style = "numbers" },
		"a code that stands for nothing":   func(c *upstream.Config) { c.Codes = map[string]string{"X": "42"} },
		"no authentication":                func(c *upstream.Config) { c.CertFile, c.KeyFile = "", "" },
		"half a certificate":               func(c *upstream.Config) { c.KeyFile = "" },
		"a certificate that is not there":  func(c *upstream.Config) { c.CertFile += ".none" },
		"an authority that is not there":   func(c *upstream.Config) { c.CAFile += ".none" },
		"a token endpoint without TLS": func(c *upstream.Config) {
			c.OAuth = &upstream.ClientCredentials{TokenEndpoint: "http://x", ClientID: "a"}
		},
		"a client without an id": func(c *upstream.Config) { c.OAuth = &upstream.ClientCredentials{TokenEndpoint: s.URL} },
		"a secret that is not there": func(c *upstream.Config) {
			c.OAuth = &upstream.ClientCredentials{TokenEndpoint: s.URL, ClientID: "a", SecretFile: "none"}
		},
		"a key that is not there": func(c *upstream.Config) {
			c.OAuth = &upstream.ClientCredentials{TokenEndpoint: s.URL, ClientID: "a", KeyFile: "none"}
		},
		"negative bounds":                   func(c *upstream.Config) { c.Concurrent = -1 },
		"a mapping without rules":           func(c *upstream.Config) { c.Mapped = &upstream.Mapped{} },
		"a mapping cannot do what it lacks": own, // reward programs, availability, images
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.mutual(t, s.config())
			change(&c)
			if _, err := upstream.New(c); err == nil || !strings.HasPrefix(err.Error(), "upstream: ") {
				t.Errorf("taken: %v", err)
			}
		})
	}
}

// A secret or key that others can read is none.
func TestExposedSecret(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, true, false)
	c := s.oauth(t, s.config())
	chmod(t, c.OAuth.SecretFile, 0o644)
	if _, err := upstream.New(c); err == nil {
		t.Error("a secret that everybody can read was taken")
	}
	keys := t.TempDir() + "/keys"
	if err := certs.GenerateSigningKeys(keys, "ES256"); err != nil {
		t.Fatal(err)
	}
	c.OAuth.SecretFile, c.OAuth.KeyFile = "", keys
	if _, err := upstream.New(c); err != nil {
		t.Fatal(err)
	}
	chmod(t, keys, 0o644)
	if _, err := upstream.New(c); err == nil {
		t.Error("a key that everybody can read was taken")
	}
}
