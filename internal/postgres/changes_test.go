package postgres

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/authz/authztest"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// stubborn is the worst cache: nobody told it of anything, and it keeps what
// it has seen.
type stubborn struct {
	mu   sync.Mutex
	live map[token.Hash]token.Live // guarded by mu
}

func (s *stubborn) Look(_ context.Context, q resource.Lookup) (resource.Cached, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, found := s.live[q.Hash]
	return resource.Cached{Found: found, Live: l, Lease: "always"}, nil
}

func (s *stubborn) Fill(_ context.Context, _ resource.Lease, l token.Live) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[l.Access.Hash] = l
	return nil
}

// reader is a gateway in front of the database, and a recipient at it.
type reader struct {
	t       *testing.T
	s       authztest.Stores
	gateway http.Handler
	hasher  *token.Hasher
	cert    *x509.Certificate
	cache   *stubborn
}

func newReader(t *testing.T, db *DB) *reader {
	t.Helper()
	r := &reader{t: t, s: stores(db), cert: &x509.Certificate{Raw: []byte("certificate")}, cache: &stubborn{live: map[token.Hash]token.Live{}}}
	var err error
	if r.hasher, err = token.NewHasher([]token.Key{{ID: "k1", Secret: bytes.Repeat([]byte{1}, 32)}}); err != nil {
		t.Fatal(err)
	}
	proofs, err := dpop.New(dpop.Config{})
	if err != nil {
		t.Fatal(err)
	}
	bank := &resourcetest.Bank{}
	for _, id := range []fdx.AccountID{"account-1", "account-2"} {
		bank.Open("consumer", fdx.Account{Deposit: &fdx.DepositAccount{AccountDescriptor: fdx.AccountDescriptor{AccountID: id}}})
	}
	g, err := resource.New(resource.Config{
		Public: "https://gateway", Issuer: "https://auth.example", Instance: "one", Log: slog.New(slog.DiscardHandler),
		Hasher: r.hasher, Proofs: proofs, Tokens: db.Tokens(), Cache: r.cache,
		Provider: bank, Gate: newGate(t, db, GateConfig{}), PageKeys: [][]byte{bytes.Repeat([]byte{7}, 32)},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.gateway = g.Handler()
	return r
}

// redeem redeems the code of an approval and returns the access token.
func (r *reader) redeem(a token.Approval) string {
	r.t.Helper()
	secret, hash := r.hasher.New(token.KindAccess)
	_, err := r.s.Tokens.Redeem(r.t.Context(), token.Redemption{Code: a.Code.Hash, Access: token.Access{
		Hash: hash, Grant: a.Grant.ID, Recipient: a.Grant.Recipient, Scopes: fdx.ScopesOf(a.Grant.Clusters()),
		CertThumbprint: certs.CertificateThumbprint(r.cert), IssuedAt: time.Now(), ExpiresAt: time.Now().Add(15 * time.Minute),
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	return secret.Reveal()
}

func (r *reader) read(secret string) (int, string) {
	q := httptest.NewRequest(http.MethodGet, "/fdx/v6/accounts", nil)
	q.Header.Set("Authorization", "Bearer "+secret)
	q.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{r.cert}}
	rec := httptest.NewRecorder()
	r.gateway.ServeHTTP(rec, q)
	return rec.Code, rec.Body.String()
}

// The next read after a change goes by the change, whatever a cache says.
func TestReadsFollowAChange(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	r := newReader(t, db)
	first := newApproval(t, r.s)
	if err := r.s.Requests.Approve(ctx, first); err != nil {
		t.Fatal(err)
	}
	old := r.redeem(first)
	for range 2 { // the second from the cache
		if status, body := r.read(old); status != http.StatusOK || !strings.Contains(body, "account-1") {
			t.Fatalf("before: %d %s", status, body)
		}
	}
	change := newApproval(t, r.s)
	g := first.Grant
	g.Epoch = 2
	g.Resources = []consent.Resource{{Type: consent.ResourceAccount, ID: "account-2", Clusters: fdx.NewClusters(fdx.AccountBasic)}}
	change.Grant, change.Code.Grant = g, g.ID
	if err := r.s.Requests.Approve(ctx, change); err != nil {
		t.Fatal(err)
	}
	if len(r.cache.live) != 1 {
		t.Fatalf("the cache holds %d tokens, want the old one", len(r.cache.live))
	}
	if status, body := r.read(old); status != http.StatusUnauthorized || strings.Contains(body, "account-") {
		t.Errorf("the old token: %d %s", status, body)
	}
	// A new token at a cache that has the old version of the share.
	fresh := r.redeem(change)
	h, err := r.hasher.Hash(token.KindAccess, fresh)
	if err != nil {
		t.Fatal(err)
	}
	stale, err := r.s.Tokens.Live(ctx, h)
	if err != nil {
		t.Fatal(err)
	}
	stale.Share = first.Grant.Share()
	if err := r.cache.Fill(ctx, "", stale); err != nil {
		t.Fatal(err)
	}
	if status, body := r.read(fresh); status != http.StatusOK || !strings.Contains(body, "account-2") || strings.Contains(body, "account-1") {
		t.Errorf("the new token: %d %s", status, body)
	}
	given := records(t, db, g.Consumer)
	if last := given[0]; last.Epoch != 2 || len(last.Accounts) != 1 || last.Accounts[0] != "account-2" {
		t.Errorf("recorded %+v", last)
	}
}

// A change is told to others exactly once, and a refused one to nobody.
func TestChangeIsTold(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := stores(db)
	first := newApproval(t, s)
	if err := s.Requests.Approve(ctx, first); err != nil {
		t.Fatal(err)
	}
	for _, epoch := range []int64{2, 2} {
		change := newApproval(t, s)
		change.Grant = first.Grant
		change.Grant.Epoch, change.Code.Grant = epoch, first.Grant.ID
		_ = s.Requests.Approve(ctx, change) // the second is refused
	}
	if n := count(t, db, "SELECT count(*) FROM notification WHERE grant_id = $1 AND type = 'CONSENT_UPDATED' AND field_value = 'INDIVIDUAL'", string(first.Grant.ID)); n != 1 {
		t.Errorf("%d notifications, want 1", n)
	}
	// What changed can be stopped, as it was before.
	if err := endGrant(ctx, db, first.Grant.ID); err != nil {
		t.Fatal(err)
	}
	if g, err := s.Grants.Grant(ctx, first.Grant.ID); err != nil || g.Epoch != 3 || g.Status != consent.StatusRevoked {
		t.Errorf("got %+v (%v)", g, err)
	}
}
