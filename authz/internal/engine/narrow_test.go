package engine

import (
	"net/url"
	"reflect"
	"slices"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// What the caller loaded must be what the form presents.
func TestSomethingElseThanWhatIsPresentedIsRefused(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]func(token.Presented) token.Presented{
		"nothing": func(token.Presented) token.Presented { return token.Presented{} },
		"another": func(p token.Presented) token.Presented {
			p.Code.Hash, p.Refresh.Hash = token.Hash{1}, token.Hash{1}
			return p
		},
		"unknown":   func(p token.Presented) token.Presented { p.Refused = token.ErrNotFound; return p },
		"withdrawn": func(p token.Presented) token.Presented { p.Refused = token.ErrRevoked; return p },
	} {
		b := newBench(t)
		for _, form := range []url.Values{
			{"grant_type": {"authorization_code"}, "code": {b.code}, "redirect_uri": {callback}, "code_verifier": {verifier}},
			{"grant_type": {"refresh_token"}, "refresh_token": {b.refresh}},
		} {
			if _, err := b.ask(Binding{KeyThumbprint: jkt}, p(b.store.presented()), form); codeOf(err) != InvalidGrant {
				t.Errorf("%s, %s: %v", name, form["grant_type"], err)
			}
		}
		if len(b.store.stored()) != 0 {
			t.Errorf("%s: stored", name)
		}
	}
}

func TestANarrowedTokenCarriesLess(t *testing.T) {
	t.Parallel()
	limit := func(cs ...fdx.Cluster) []consent.Resource {
		return []consent.Resource{{Type: consent.ResourceAccount, ID: "a", Clusters: fdx.NewClusters(cs...)}}
	}
	detailed := []fdx.Scope{fdx.ScopeOpenID, fdx.AccountDetailed.Scope(), fdx.Transactions.Scope()}
	for name, tt := range map[string]struct {
		scopes []fdx.Scope
		limit  []consent.Resource
		want   []fdx.Scope // nil when refused
	}{
		"not narrowed":        {detailed, nil, detailed},
		"one of its clusters": {detailed, limit(fdx.Transactions), []fdx.Scope{fdx.Transactions.Scope(), fdx.ScopeOpenID}},
		"an implied cluster":  {detailed, limit(fdx.AccountBasic), []fdx.Scope{fdx.AccountBasic.Scope(), fdx.ScopeOpenID}},
		"more than it has":    {detailed, limit(fdx.Transactions, fdx.Balances), []fdx.Scope{fdx.Transactions.Scope(), fdx.ScopeOpenID}},
		"nothing of it":       {detailed, limit(fdx.Balances), nil},
		"nothing":             {detailed, []consent.Resource{}, nil},
	} {
		b := newBench(t)
		b.store.refresh.Scopes = tt.scopes
		p := b.store.presented()
		a, err := b.Token(t.Context(), Request{
			Client: recipient(), Binding: Binding{CertThumbprint: "x5t"}, Presented: p, Resources: tt.limit, Take: noProofs,
			Form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {b.refresh}},
		})
		if tt.want == nil {
			if want := map[bool]string{true: InvalidScope, false: ServerError}[len(tt.limit) > 0]; codeOf(err) != want || len(b.store.stored()) != 0 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || !slices.Equal(a.Record.Scopes, tt.want) || !reflect.DeepEqual(a.Record.Resources, tt.limit) {
			t.Errorf("%s: %+v, %v", name, a.Record, err)
		}
	}
}
