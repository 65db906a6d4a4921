package fdx_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func TestEveryClusterHasItsScope(t *testing.T) {
	t.Parallel()
	for _, row := range wireClusters {
		if got := row.cluster.Scope(); got != row.scope {
			t.Errorf("scope of %v is %q", row.cluster, got)
		}
		if got, ok := row.scope.Cluster(); !ok || got != row.cluster {
			t.Errorf("cluster of %q is %v, %v", row.scope, got, ok)
		}
		if got, err := fdx.ParseScope(string(row.scope)); err != nil || got != row.scope {
			t.Errorf("ParseScope(%q) = %q, %v", row.scope, got, err)
		}
	}
}

func TestOpenIDScopesStandForNoCluster(t *testing.T) {
	t.Parallel()
	for _, s := range []fdx.Scope{fdx.ScopeOpenID, fdx.ScopeOfflineAccess} {
		if got, err := fdx.ParseScope(string(s)); err != nil || got != s {
			t.Errorf("ParseScope(%q) = %q, %v", s, got, err)
		}
		if c, ok := s.Cluster(); ok {
			t.Errorf("%q stands for %v", s, c)
		}
	}
	if c, ok := fdx.Scope("").Cluster(); ok {
		t.Errorf("no scope stands for %v", c)
	}
}

func TestParseScopes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		claim    string
		text     string
		want     []fdx.Scope
		err      error
		position string
	}{
		{claim: "one scope is taken", text: "fdx:bills:read", want: []fdx.Scope{"fdx:bills:read"}},
		{claim: "the order is kept", text: "openid fdx:tax:read fdx:bills:read", want: []fdx.Scope{"openid", "fdx:tax:read", "fdx:bills:read"}},
		{claim: "the deprecated scope gets its current name", text: "fdx:accountpayments:read", want: []fdx.Scope{"fdx:paymentsupport:read"}},
		{claim: "nothing is refused", text: "", err: fdx.ErrUnknownScope, position: "scope 1:"},
		{claim: "a space alone is refused", text: " ", err: fdx.ErrUnknownScope, position: "scope 1:"},
		{claim: "a double space is refused", text: "openid  fdx:bills:read", err: fdx.ErrUnknownScope, position: "scope 2:"},
		{claim: "a leading space is refused", text: " openid", err: fdx.ErrUnknownScope, position: "scope 1:"},
		{claim: "a trailing space is refused", text: "openid ", err: fdx.ErrUnknownScope, position: "scope 2:"},
		{claim: "a tab is refused", text: "openid\tfdx:bills:read", err: fdx.ErrUnknownScope, position: "scope 1:"},
		{claim: "a plus sign is refused", text: "openid+fdx:bills:read", err: fdx.ErrUnknownScope, position: "scope 1:"},
		{claim: "another case is refused", text: "OpenID", err: fdx.ErrUnknownScope, position: "scope 1:"},
		{claim: "a write scope is refused", text: "openid fdx:transfers:write", err: fdx.ErrUnknownScope, position: "scope 2:"},
		{claim: "a known misspelling is refused", text: "fdx:accountdetail:read", err: fdx.ErrUnknownScope, position: "scope 1:"},
		{claim: "a cluster name is refused", text: "ACCOUNT_BASIC", err: fdx.ErrUnknownScope, position: "scope 1:"},
		{claim: "a repeated scope is refused", text: "fdx:bills:read openid fdx:bills:read", err: fdx.ErrRepeatedScope, position: "scope 3:"},
		{claim: "a scope beside its deprecated twin is refused", text: "fdx:paymentsupport:read fdx:accountpayments:read", err: fdx.ErrRepeatedScope, position: "scope 2:"},
	} {
		t.Run(row.claim, func(t *testing.T) {
			t.Parallel()
			got, err := fdx.ParseScopes(row.text)
			if !errors.Is(err, row.err) || !slices.Equal(got, row.want) {
				t.Fatalf("got %q, %v, want %q, %v", got, err, row.want, row.err)
			}
			if err != nil && err.Error() != row.position+" "+row.err.Error() {
				t.Errorf("error is %q", err)
			}
		})
	}
}

func TestScopesAndClustersSayTheSame(t *testing.T) {
	t.Parallel()
	all := fdx.NewClusters(fdx.AllClusters()...)
	if got := fdx.ClustersOf(fdx.ScopesOf(all)); got != all {
		t.Errorf("round trip gives %v", got.Names())
	}
	set := fdx.NewClusters(fdx.Transactions, fdx.AccountDetailed)
	if got := fdx.ScopesOf(set); !slices.Equal(got, []fdx.Scope{"fdx:accountdetailed:read", "fdx:transactions:read"}) {
		t.Errorf("ScopesOf = %q", got)
	}
	if got := fdx.ScopesOf(0); got != nil {
		t.Errorf("ScopesOf(empty) = %q", got)
	}
	if got := fdx.ClustersOf([]fdx.Scope{"openid", "nonsense", "fdx:accountdetailed:read"}); got != fdx.NewClusters(fdx.AccountDetailed) {
		t.Errorf("ClustersOf = %v", got.Names())
	}
}

func FuzzParseScopes(f *testing.F) {
	for _, seed := range []string{"", " ", "openid", "openid offline_access fdx:bills:read", "fdx:bills:read fdx:bills:read", "fdx:accountpayments:read", "fdx:tax:read\x00", strings.Repeat("x ", 1000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		scopes, err := fdx.ParseScopes(s)
		if err != nil {
			if scopes != nil {
				t.Fatal("error and scopes")
			}
			return
		}
		if len(scopes) != strings.Count(s, " ")+1 {
			t.Fatalf("%d scopes", len(scopes))
		}
		words := make([]string, len(scopes))
		for i, scope := range scopes {
			words[i] = string(scope)
		}
		again, err := fdx.ParseScopes(strings.Join(words, " "))
		if err != nil || !slices.Equal(again, scopes) {
			t.Fatalf("does not read back: %v", err)
		}
	})
}
