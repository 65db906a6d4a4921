package bearer_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/token"
)

func TestHolds(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		scheme           bearer.Scheme
		bound, key, cert string
		want             bool
	}{
		"its key":                       {bearer.DPoP, "k", "k", "", true},
		"its certificate":               {bearer.Bearer, "c", "", "c", true},
		"another key":                   {bearer.DPoP, "x", "k", "", false},
		"a part of its key":             {bearer.DPoP, "k", "kk", "", false},
		"a certificate's token by key":  {bearer.DPoP, "c", "", "c", false},
		"a key's token by certificate":  {bearer.Bearer, "k", "k", "", false},
		"bound to nothing":              {bearer.DPoP, "", "", "", false},
		"bound to nothing, certificate": {bearer.Bearer, "", "", "", false},
		"nothing proved":                {bearer.DPoP, "", "k", "", false},
		"nobody":                        {"", "", "", "", false},
	} {
		p := bearer.Presented{Scheme: row.scheme, Bound: row.bound}
		if p.Holds(row.key, row.cert) != row.want {
			t.Errorf("%s: %v", name, !row.want)
		}
	}
}

// stores answers with what it is told.
type stores struct {
	access      token.ClientAccess
	load, spend error
	spent       *int
}

func (s stores) ClientAccess(context.Context, token.Hash) (token.ClientAccess, error) {
	return s.access, s.load
}

func (s stores) Spend(context.Context, ...token.Proof) error {
	*s.spent++
	return s.spend
}

func TestClient(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	good := token.ClientAccess{Recipient: "app", Scopes: []string{"look"}, KeyThumbprint: "k"}
	presented := bearer.Presented{Scheme: bearer.DPoP, Kind: token.KindClient, Bound: "k", Proof: &token.Proof{}}
	for name, row := range map[string]struct {
		p      func(*bearer.Presented)
		s      stores
		scope  string
		fault  bearer.Fault
		spends int
	}{
		"good":                    {nil, stores{access: good}, "look", 0, 1},
		"no scope is asked for":   {nil, stores{access: good}, "", 0, 1},
		"another scope":           {nil, stores{access: good}, "stop", bearer.InsufficientScope, 0},
		"a grant's token":         {func(p *bearer.Presented) { p.Kind = token.KindAccess }, stores{access: good}, "look", bearer.InvalidToken, 0},
		"another key":             {func(p *bearer.Presented) { p.Bound = "x" }, stores{access: good}, "look", bearer.InvalidToken, 0},
		"unknown":                 {nil, stores{load: token.ErrNotFound}, "look", bearer.InvalidToken, 0},
		"a store that is down":    {nil, stores{load: down}, "look", bearer.Unavailable, 0},
		"a used proof":            {nil, stores{access: good, spend: &token.ReplayedError{}}, "look", bearer.InvalidProof, 1},
		"a memory that is down":   {nil, stores{access: good, spend: down}, "look", bearer.Unavailable, 1},
		"a certificate, no proof": {func(p *bearer.Presented) { p.Scheme, p.Proof = bearer.Bearer, nil }, stores{access: token.ClientAccess{CertThumbprint: "k"}}, "", 0, 0},
	} {
		p, spent := presented, 0
		if row.p != nil {
			row.p(&p)
		}
		row.s.spent = &spent
		who, no := bearer.Clients{Tokens: row.s, Guard: row.s}.Client(t.Context(), p, row.scope)
		var fault bearer.Fault
		if no != nil {
			fault = no.Fault
		}
		if fault != row.fault || spent != row.spends || (fault != 0) != (who.Recipient == "" && who.CertThumbprint == "") {
			t.Errorf("%s: %v, spent %d, %+v", name, no, spent, who)
		}
		if fault == bearer.Unavailable && !errors.Is(no, down) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	const algs = `algs="PS256 ES256 EdDSA"`
	for name, row := range map[string]struct {
		c    bearer.Challenge
		want [2]string
	}{
		"no credentials": {bearer.Challenge{Code: "ignored", Scope: "ignored"}, [2]string{"DPoP " + algs, "Bearer"}},
		"DPoP":           {bearer.Challenge{Scheme: bearer.DPoP, Code: "e", Scope: "s"}, [2]string{`DPoP error="e", scope="s", ` + algs, "Bearer"}},
		"Bearer with metadata": {
			bearer.Challenge{Scheme: bearer.Bearer, Code: "e", Metadata: "https://m"},
			[2]string{`Bearer error="e", resource_metadata="https://m"`, `DPoP ` + algs + `, resource_metadata="https://m"`},
		},
	} {
		h := http.Header{}
		row.c.Set(h)
		if got := h.Values("WWW-Authenticate"); len(got) != 2 || [2]string(got) != row.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
