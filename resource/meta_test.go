package resource_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// ownTokens is one client's own token.
type ownTokens struct{ access token.ClientAccess }

func (o *ownTokens) ClientAccess(_ context.Context, h token.Hash) (token.ClientAccess, error) {
	if h != o.access.Hash {
		return token.ClientAccess{}, token.ErrNotFound
	}
	return o.access, nil
}

// spender remembers proofs; one request at a time.
type spender map[[32]byte]bool

func (s spender) Spend(_ context.Context, proofs ...token.Proof) error {
	for _, p := range proofs {
		if s[p.Key] {
			return &token.ReplayedError{Key: p.Key}
		}
		s[p.Key] = true
	}
	return nil
}

// The description of the API opens to a client's own token, whatever its
// scopes are; data does not.
func TestTheDescriptionOpensToAClientsOwnToken(t *testing.T) {
	t.Parallel()
	own := &ownTokens{}
	f := open(t, func(c *resource.Config) {
		c.Clients = &bearer.Clients{Tokens: own, Guard: spender{}}
		c.Beside = []openapi.Operation{{ID: fdx.GetConsentGrant}}
	})
	a := f.app(t, share(nil), nil)
	granted := a.get(t, "/fdx/v6/capability")
	secret, hash := f.hasher.New(token.KindClient)
	a.token = secret.Reveal()
	own.access = token.ClientAccess{Hash: hash, Recipient: "app", KeyThumbprint: a.thumbprint(), ExpiresAt: noon.Add(time.Minute)}
	for _, target := range []string{"/fdx/v6/availability", "/fdx/v6/capability"} {
		if got := a.get(t, target); got.status != 200 || !strings.Contains(got.body, "getConsentGrant") {
			t.Errorf("%s: %d %s", target, got.status, got.body)
		}
	}
	if got := a.get(t, "/fdx/v6/capability"); got.body != granted.body {
		t.Error("it is another description than a grant's token is told")
	}
	for _, target := range []string{accounts, account, transactions, "/fdx/v6/customers"} {
		if got := a.get(t, target); got.status != 401 || got.code() != "603" {
			t.Errorf("%s: %d %s", target, got.status, got.body)
		}
	}
	r := a.request("/fdx/v6/capability")
	again := r.Clone(t.Context())
	if got := a.do(t, r); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := a.do(t, again); got.status != 401 || !strings.Contains(got.header.Get("WWW-Authenticate"), "invalid_dpop_proof") {
		t.Errorf("a proof that was used: %d %s", got.status, got.body)
	}
	own.access.KeyThumbprint = "of another key"
	if got := a.get(t, "/fdx/v6/capability"); got.status != 401 {
		t.Errorf("a token of another key: %d %s", got.status, got.body)
	}
	if n := len(recordsOf(f, consent.GrantID(""))); n != 0 {
		t.Errorf("%d records of reads that gave no data", n)
	}
}
