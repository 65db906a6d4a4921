package authz

import (
	"math"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

func TestAsksSigned(t *testing.T) {
	t.Parallel()
	const jwt, plain = "application/token-introspection+jwt", "application/json"
	for _, tt := range []struct {
		accept []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{","}, false},
		{[]string{plain}, false},
		{[]string{"*/*"}, false},
		{[]string{"application/*"}, false},
		{[]string{"text/html"}, false},
		{[]string{"application/jwt"}, false},
		{[]string{jwt + "x"}, false},
		{[]string{jwt}, true},
		{[]string{"Application/Token-Introspection+JWT"}, true},
		{[]string{"," + jwt}, true},
		{[]string{" " + jwt + " ; charset=utf-8"}, true},
		{[]string{"text/html, " + jwt}, true},
		{[]string{jwt + ", " + plain}, true},
		{[]string{plain, jwt}, true},
		{[]string{jwt + ", */*"}, true},
		{[]string{jwt + ";q=0"}, false},
		{[]string{jwt + ";q=0.000"}, false},
		{[]string{jwt + ";q=0.5"}, true},
		{[]string{jwt + "; Q=0.5, " + plain}, false},
		{[]string{jwt + ";q=0.5, */*"}, false},
		{[]string{jwt + ";q=0.5, application/*;q=0.6"}, false},
		{[]string{jwt + ";q=0.5, " + plain + ";q=0.5"}, true},
		{[]string{jwt + ";q=0.5, " + plain + ";q=0.4, */*"}, true}, // the specific range decides
		{[]string{"*/*, " + plain + ";q=0.4, " + jwt + ";q=0.5"}, true},
		{[]string{jwt + ";q=0.1, " + plain + ";q=0.4, " + plain + ";q=0.1"}, false},
		{[]string{jwt + ";q=2"}, true}, // a weight that is none counts as not sent
		{[]string{jwt + ";q=NaN"}, true},
		{[]string{jwt + ";q"}, true},
	} {
		if got := asksSigned(http.Header{"Accept": tt.accept}); got != tt.want {
			t.Errorf("%v: %v", tt.accept, got)
		}
	}
}

// No header makes it panic, a weight is one, and the signed form is only sent
// to those who name it.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{"", "*/*", "application/token-introspection+jwt;q=0.3, application/json;q=0.2", ";;;=,q", "a;q=1e-400,b;q=-0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if q := weight(s); math.IsNaN(q) || q < 0 || q > 1 {
			t.Errorf("weight %v", q)
		}
		if asksSigned(http.Header{"Accept": {s}}) && !slices.ContainsFunc([]byte(s), func(c byte) bool { return c == '+' }) {
			t.Error("signed without being named")
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	served := []fdx.Scope{fdx.AccountDetailed.Scope(), fdx.CustomerContact.Scope(), fdx.Transactions.Scope()}
	good := func() token.Live {
		return token.Live{
			Access: token.Access{
				Grant: "g", Recipient: "app", CertThumbprint: "x5t", IssuedAt: at, ExpiresAt: at.Add(15 * time.Minute),
				Scopes: []fdx.Scope{fdx.AccountDetailed.Scope(), fdx.CustomerContact.Scope(), fdx.Balances.Scope()},
			},
			Share: consent.Share{
				Grant: "g", Epoch: 3, Recipient: "app", Consumer: "c", Status: consent.StatusActive, ExpiresAt: at.Add(time.Hour), LookbackDays: 30,
				Accounts: []consent.AccountShare{
					{ID: "one", Clusters: fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Transactions)},
					{ID: "two", Clusters: fdx.NewClusters(fdx.Balances)},
				},
				Customer: fdx.NewClusters(fdx.CustomerContact, fdx.CustomerPersonal),
			},
		}
	}
	s := &Server{cfg: Config{Issuer: "https://as.example"}}
	want := introspection{
		Active: true, Issuer: "https://as.example", ClientID: "app", TokenType: "Bearer", Scope: "fdx:accountdetailed:read fdx:customercontact:read",
		IssuedAt: at.Unix(), ExpiresAt: at.Add(15 * time.Minute).Unix(), Bound: &confirmation{CertThumbprint: "x5t"}, GrantID: "g", ConsentID: "g",
		Details: []enforcedDetail{{Type: DetailsType, ConsentID: "g", Lookback: 30, Resources: []consent.Resource{
			{Type: consent.ResourceAccount, ID: "one", Clusters: fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed)},
			{Type: consent.ResourceCustomer, ID: "c", Clusters: fdx.NewClusters(fdx.CustomerContact)},
		}}},
	}
	if got := s.describe(good(), served, at); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	short := good()
	short.Share.ExpiresAt = at.Add(time.Minute)
	if got := s.describe(short, served, at); got.ExpiresAt != at.Add(time.Minute).Unix() {
		t.Error("the token outlives its grant")
	}
	for name, bend := range map[string]func(*token.Live){
		"revoked":                func(l *token.Live) { l.Access.RevokedAt = at },
		"expired":                func(l *token.Live) { l.Access.ExpiresAt = at },
		"grant expired":          func(l *token.Live) { l.Share.ExpiresAt = at },
		"grant revoked":          func(l *token.Live) { l.Share.Status = consent.StatusRevoked },
		"grant in no state":      func(l *token.Live) { l.Share.Status = "" },
		"of another grant":       func(l *token.Live) { l.Share.Grant = "h" },
		"of another recipient":   func(l *token.Live) { l.Share.Recipient = "other" },
		"bound to nothing":       func(l *token.Live) { l.Access.CertThumbprint = "" },
		"bound to two things":    func(l *token.Live) { l.Access.KeyThumbprint = "jkt" },
		"without scopes":         func(l *token.Live) { l.Access.Scopes = nil },
		"with other scopes":      func(l *token.Live) { l.Access.Scopes = []fdx.Scope{fdx.Balances.Scope()} },
		"with nothing behind it": func(l *token.Live) { l.Share.Accounts, l.Share.Customer = nil, 0 },
		"with nothing behind its part": func(l *token.Live) {
			l.Access.Scopes = []fdx.Scope{fdx.Transactions.Scope()}
			l.Share.Accounts = l.Share.Accounts[1:]
		},
	} {
		l := good()
		bend(&l)
		if got := s.describe(l, served, at); !reflect.DeepEqual(got, introspection{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
