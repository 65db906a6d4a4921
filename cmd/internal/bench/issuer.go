package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
)

// The lines of the authorization server run its protocol handler in this
// process, without TLS: what is measured is the server and its stores. Client
// assertions are signed beforehand, because that is the clients' work.

const issuerBase = "https://auth.bank.example"

// server is the authorization server with the two clients that ask it.
type server struct {
	handler http.Handler
	key     *ecdsa.PrivateKey // of both clients
}

// The clients: one that obtains consent, one that introspects.
const (
	pushing consent.RecipientID = "bench-push"
	asking  consent.RecipientID = "bench-ask"
)

func (s *stack) authorizationServer(ctx context.Context, cache authz.Cache) (*server, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1"}}})
	if err != nil {
		return nil, err
	}
	client := consent.Recipient{
		ID: pushing, Status: consent.RecipientActive, Name: "Bench", LegalName: "Bench Ltd", HomeURI: "https://bench.example/",
		AuthMethod: consent.PrivateKeyJWT, AssertionAlg: "ES256", JWKS: jwks, DPoPBound: true,
		RedirectURIs: []string{"https://bench.example/callback"}, Scopes: fdx.ScopesOf(clusters()),
		Purposes:  []consent.Purpose{{Code: "bench", Label: "To measure", Clusters: clusters()}},
		Durations: []consent.DurationType{consent.TimeBound}, MaxDays: 365, LookbackDays: lookback,
	}
	resourceServer := client
	resourceServer.ID, resourceServer.Role = asking, consent.RoleResourceServer
	for _, r := range []consent.Recipient{client, resourceServer} {
		if err := s.db.Recipients().PutRecipient(ctx, r); err != nil {
			return nil, err
		}
	}
	stop, err := consent.NewService(consent.ServiceConfig{Store: s.db.Grants(), Cache: s.cache})
	if err != nil {
		return nil, err
	}
	proofs, err := dpop.New(dpop.Config{})
	if err != nil {
		return nil, err
	}
	a, err := authz.New(authz.Config{
		Issuer: issuerBase, BrowserBase: "https://bank.example",
		Recipients: s.db.Recipients(), Authorizations: s.db.Authorizations(), Requests: s.db.Requests(), Tokens: s.db.Tokens(), Guard: s.db.Guard(),
		Hasher: s.hasher, Stop: stop, DPoP: proofs, Keys: noKeys{}, Browsers: nobody{}, Pages: nobody{}, Cache: cache,
		Log: s.log, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	h, err := a.Protocol()
	return &server{handler: h, key: key}, err
}

// noKeys signs nothing: no line asks for anything signed.
type noKeys struct{}

// Public implements authz.Signer.
func (noKeys) Public() []byte { return []byte(`{"keys":[]}`) }

// Algorithms implements authz.Signer.
func (noKeys) Algorithms() []string { return nil }

// Sign implements authz.Signer.
func (noKeys) Sign(context.Context, string, string, any) (string, error) {
	return "", errors.New("no keys")
}

// nobody stands for the browser side, which no line touches.
type nobody struct {
	authz.Browsers
	authz.Pages
}

// operation is a request that a client makes again and again.
type operation struct {
	client consent.RecipientID
	path   string
	want   int                    // status
	form   func(i int) url.Values // of the ith request, without client authentication
}

// assertion returns a fresh client assertion (RFC 7523).
func (s *server) assertion(id consent.RecipientID, now time.Time) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": id, "sub": id, "aud": issuerBase, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	input := encode([]byte(`{"alg":"ES256","kid":"1"}`)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(input))
	r, t, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	t.FillBytes(signature[32:])
	return input + "." + encode(signature[:]), nil
}

// bodies prepares n requests.
func (s *server) bodies(o operation, n int) ([]string, error) {
	now := time.Now()
	all := make([]string, n)
	for i := range all {
		f := o.form(i)
		assertion, err := s.assertion(o.client, now)
		if err != nil {
			return nil, err
		}
		f.Set("client_assertion", assertion)
		f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		all[i] = f.Encode()
	}
	return all, nil
}

// run has callers send the requests for d, or until they are used up.
func (s *server) run(ctx context.Context, o operation, bodies []string, callers int, d time.Duration) (*measured, error) {
	var next atomic.Int64
	var wait sync.WaitGroup
	times := make([]histogram, callers)
	faults := make([]error, callers)
	start := time.Now()
	for c := range callers {
		wait.Go(func() {
			for now := start; now.Sub(start) < d && faults[c] == nil; {
				i := int(next.Add(1)) - 1
				if i >= len(bodies) {
					return
				}
				faults[c] = s.ask(ctx, o, bodies[i])
				end := time.Now()
				times[c].record(end.Sub(now))
				now = end
			}
		})
	}
	wait.Wait()
	m := &measured{elapsed: time.Since(start)}
	for c := range times {
		if faults[c] != nil {
			return nil, faults[c]
		}
		m.times.merge(&times[c])
	}
	return m, nil
}

func (s *server) ask(ctx context.Context, o operation, body string) error {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, o.path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != o.want || strings.Contains(w.Body.String(), `"active":false`) {
		return fmt.Errorf("answered %d: %.*s", w.Code, shown, w.Body)
	}
	return nil
}

// line returns the line of an operation.
func (s *server) line(c Config, name, reference string, o operation) line {
	return line{name: name, reference: reference, measure: func(ctx context.Context, d time.Duration, begin func() error) (answer, error) {
		first, err := s.bodies(o, c.Callers+int(warmRate*warm(d).Seconds()))
		if err != nil {
			return answer{}, err
		}
		m, err := s.run(ctx, o, first, c.Callers, warm(d))
		if err != nil {
			return answer{}, err
		}
		rate := float64(m.times.total) / m.elapsed.Seconds()
		bodies, err := s.bodies(o, c.Callers+int(ahead*rate*d.Seconds()))
		if err != nil {
			return answer{}, err
		}
		if err := begin(); err != nil {
			return answer{}, err
		}
		if m, err = s.run(ctx, o, bodies, c.Callers, d); err != nil {
			return answer{}, err
		}
		return m.answer(), nil
	}}
}

// issuing returns the lines of the authorization server. They are compared
// with PAR, the least that a request of a client with an assertion can cost: a
// signature to verify and one write.
func (s *stack) issuing(ctx context.Context, c Config) ([]line, error) {
	a, err := s.authorizationServer(ctx, s.cache)
	if err != nil {
		return nil, err
	}
	cold, err := s.authorizationServer(ctx, nil)
	if err != nil {
		return nil, err
	}
	a.key = cold.key // the registrations' keys are those of the second
	const par = "as-par"
	introspect := operation{asking, "/introspect", http.StatusOK, func(i int) url.Values {
		return url.Values{"token": {s.byKey.tokens[i%len(s.byKey.tokens)]}}
	}}
	return []line{
		a.line(c, par, par, operation{pushing, "/par", http.StatusCreated, func(int) url.Values {
			return url.Values{
				"response_type": {"code"}, "redirect_uri": {"https://bench.example/callback"},
				"scope":          {"fdx:accountbasic:read fdx:transactions:read"},
				"code_challenge": {encode(make([]byte, 32))}, "code_challenge_method": {"S256"},
			}
		}}),
		a.line(c, "as-introspection-redis", par, introspect),
		cold.line(c, "as-introspection-postgres", par, introspect),
	}, nil
}
