package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/authz/authztest"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
)

// ours is the authorization server over stores in memory.
type ours struct {
	protocol, browser http.Handler
	store             *recorder

	mu sync.Mutex // guards at
	at time.Time
}

// recorder is a store in memory that can break and that notes what it was
// given to keep.
type recorder struct {
	*authztest.Memory
	broken bool
	mu     sync.Mutex // guards notes
	notes  strings.Builder
}

func (r *recorder) note(v any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = fmt.Fprintf(&r.notes, "%+v\n", v)
}

func (r *recorder) Push(ctx context.Context, p token.Pushed, spend ...token.Proof) error {
	r.note(p)
	return r.Memory.Push(ctx, p, spend...)
}

func (r *recorder) Open(ctx context.Context, a consent.Authorization) (consent.Authorization, error) {
	r.note(a)
	return r.Memory.Open(ctx, a)
}

func (r *recorder) Approve(ctx context.Context, a token.Approval) error {
	r.note(a)
	r.note(string(a.Code.Session))
	return r.Memory.Approve(ctx, a)
}

func (r *recorder) RevokeAccess(ctx context.Context, who consent.RecipientID, h token.Hash) (consent.GrantID, int64, error) {
	if r.broken {
		return "", 0, fmt.Errorf("%w: %w", consent.ErrUnavailable, errStore)
	}
	return r.Memory.RevokeAccess(ctx, who, h)
}

func (r *recorder) Live(ctx context.Context, h token.Hash) (token.Live, error) {
	if r.broken {
		return token.Live{}, consent.ErrUnavailable
	}
	return r.Memory.Live(ctx, h)
}

func newOurs(t testing.TB, apps []app) *ours {
	t.Helper()
	o := &ours{at: time.Now()}
	o.store = &recorder{Memory: authztest.NewMemory(o.now)}
	for _, a := range apps {
		clusters := fdx.NewClusters(fdx.AccountBasic, fdx.Transactions)
		role := consent.RoleRecipient
		if a.id == "server" {
			role = consent.RoleResourceServer
		}
		jwks := a.jwks(t)
		if a.jwksURI != "" {
			jwks = []byte(`{"keys":[]}`)
		}
		must(t, o.store.PutRecipient(t.Context(), consent.Recipient{
			ID: consent.RecipientID(a.id), Role: role, Status: consent.RecipientActive, Name: a.id, LegalName: a.id,
			AuthMethod: consent.PrivateKeyJWT, AssertionAlg: string(a.alg), JWKS: jwks, RedirectURIs: []string{a.redirect},
			Scopes: fdx.ScopesOf(clusters), Purposes: []consent.Purpose{{Code: "general", Label: "l", Clusters: clusters}},
			Durations: []consent.DurationType{consent.TimeBound}, MaxDays: 90, LookbackDays: 90, DPoPBound: true,
		}))
	}
	hasher, err := token.NewHasher([]token.Key{{ID: "k1", Secret: bytes.Repeat([]byte("s"), 32)}})
	must(t, err)
	stop, err := consent.NewService(consent.ServiceConfig{Store: o.store})
	must(t, err)
	proofs, err := dpop.New(dpop.Config{Now: o.now})
	must(t, err)
	s, err := authz.New(authz.Config{
		Issuer: issuer, BrowserBase: "https://bank.example",
		Recipients: o.store, Authorizations: o.store, Requests: o.store, Tokens: o.store, Guard: o.store,
		Hasher: hasher, Stop: stop, DPoP: proofs, Keys: noKeys{}, Subjects: make([]byte, 32),
		Browsers: oneBrowser{}, Pages: barePages{}, Log: slog.New(slog.DiscardHandler), Now: o.now,
	})
	must(t, err)
	o.protocol, err = s.Protocol()
	must(t, err)
	o.browser, err = s.Browser()
	must(t, err)
	return o
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type oneBrowser struct{}

func (oneBrowser) Middleware(next http.Handler) http.Handler { return next }
func (oneBrowser) Browser(context.Context) string            { return "browser" }

type barePages struct{}

func (barePages) Path(id consent.AuthorizationID, s consent.Step) string {
	return "/page/" + string(id) + "/" + string(s)
}
func (barePages) Problem(w http.ResponseWriter, _ *http.Request, p authz.Problem) {
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": p.Code, "error_description": p.Text})
}

func (o *ours) post(path string, form url.Values, header http.Header) answer {
	return postTo(o.protocol, path, form, header)
}

func (o *ours) get(address string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	o.browser.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	return w
}

func (o *ours) authorize(query url.Values) url.Values {
	w := o.get("/authorize?" + query.Encode())
	page := strings.Split(w.Header().Get("Location"), "/")
	if len(page) != 4 || page[1] != "page" {
		return redirected(w)
	}
	ctx := context.Background()
	a, err := o.store.Authorization(ctx, consent.AuthorizationID(page[2]), "browser")
	if err != nil {
		return nil
	}
	a.Consumer, a.Accounts, a.Decision = "p", []fdx.AccountID{"acc"}, consent.Approved
	if _, err := o.store.Replace(ctx, a); err != nil {
		return nil
	}
	return redirected(o.get("/authorize/" + page[2]))
}

func (o *ours) open(query url.Values) bool {
	return o.get("/authorize?"+query.Encode()).Code == http.StatusSeeOther
}

func (o *ours) now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at
}

func (o *ours) after(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at = o.at.Add(d)
}

func (o *ours) breakStore() { o.store.broken = true }

func (o *ours) race(int) {}

func (o *ours) kept() string {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	return o.store.notes.String()
}

// noKeys signs nothing: the engine's runs need no signature of ours.
type noKeys struct{}

func (noKeys) Public() []byte       { return []byte(`{"keys":[]}`) }
func (noKeys) Algorithms() []string { return nil }
func (noKeys) Sign(context.Context, string, string, any) (string, error) {
	return "", errors.New("no keys")
}
