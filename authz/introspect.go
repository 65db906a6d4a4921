package authz

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// Cache remembers access tokens for introspection. Implementations are safe
// for concurrent use and shared by all instances.
type Cache interface {
	// Recent returns what read returns now, or what a read on any instance
	// returned for h without an error, if its grant has not moved on since
	// (consent.Cache) and the look-up that led to that read was at most
	// consent.Freshness ago. It never stores an error. A cache that cannot be
	// asked reads. Of what it remembers, At is the present of its own clock.
	Recent(ctx context.Context, h token.Hash, read func(context.Context) (token.Live, error)) (token.Live, error)
}

// introspection is the answer of the introspection endpoint (RFC 7662 section
// 2.2). The zero value is that of every token that the caller may not know
// about, for whatever reason, and says nothing else.
//
// It has no sub: what a resource server needs to know of the consumer are the
// accounts, and an identifier that it does not need it does not get.
type introspection struct {
	Active    bool                `json:"active"`
	Issuer    string              `json:"iss,omitempty"`
	ClientID  consent.RecipientID `json:"client_id,omitempty"`
	TokenType string              `json:"token_type,omitempty"`
	Scope     string              `json:"scope,omitempty"`
	IssuedAt  int64               `json:"iat,omitempty"` // seconds since 1970
	ExpiresAt int64               `json:"exp,omitempty"` // seconds since 1970
	Bound     *confirmation       `json:"cnf,omitempty"`
	GrantID   consent.GrantID     `json:"grant_id,omitempty"`
	ConsentID consent.GrantID     `json:"fdxConsentId,omitempty"`
	Details   []enforcedDetail    `json:"authorization_details,omitempty"`
}

// confirmation is what the sender of the token has to prove to hold (RFC 7800
// section 3; RFC 9449 section 6.1, RFC 8705 section 3.1).
type confirmation struct {
	KeyThumbprint  string `json:"jkt,omitempty"`
	CertThumbprint string `json:"x5t#S256,omitempty"`
}

// enforcedDetail is the part of a granted detail that is enforced, cut to the
// caller (RFC 9396 section 9.2). Why and for how long the consumer agreed is
// between the consumer and the recipient.
type enforcedDetail struct {
	Type      string             `json:"type"`
	ConsentID consent.GrantID    `json:"fdxConsentId"`
	Lookback  int                `json:"lookbackPeriod"` // days before the day of each request
	Resources []consent.Resource `json:"resources"`      // with implied clusters
}

// introspect answers POST /introspect (RFC 7662) of a bank's own resource
// servers. A token that does not exist, is over, is not an access token, or
// holds nothing for the caller, and any token at all for a caller that is no
// resource server, are one answer: active is false. A store that cannot say
// is 503 and never that answer, which would look like a revocation.
func (s *Server) introspect(q *request) (reply, error) {
	secret := q.form.Get("token")
	if secret == "" {
		return reply{}, refuse(engine.InvalidRequest, "token is missing")
	}
	about, err := s.introspection(q.Context(), q.client, secret)
	if err != nil {
		return reply{}, err
	}
	if !asksSigned(q.Header) {
		return reply{status: http.StatusOK, body: about}, nil
	}
	alg := q.client.Profile.IntrospectionAlg
	if alg == "" {
		alg = "ES256"
	}
	// RFC 9701 section 5: sub and exp are absent, so that the answer cannot
	// be taken for an access token or an ID token.
	text, err := s.cfg.Keys.Sign(q.Context(), alg, "token-introspection+jwt", struct {
		Issuer   string              `json:"iss"`
		Audience consent.RecipientID `json:"aud"`
		IssuedAt int64               `json:"iat"`
		About    introspection       `json:"token_introspection"`
	}{s.cfg.Issuer, q.client.ID, s.cfg.Now().Unix(), about})
	if err != nil {
		return reply{}, fmt.Errorf("sign introspection: %w", err)
	}
	return reply{status: http.StatusOK, kind: signedIntrospection, text: text}, nil
}

func (s *Server) introspection(ctx context.Context, caller consent.Recipient, secret string) (introspection, error) {
	if caller.Role != consent.RoleResourceServer {
		return introspection{}, nil
	}
	// token_type_hint is not needed: the prefix says what it is.
	h, err := s.cfg.Hasher.Hash(token.KindAccess, secret)
	if err != nil {
		return introspection{}, nil //nolint:nilerr // no token of ours is not active
	}
	read := func(ctx context.Context) (token.Live, error) { return s.living(ctx, h) }
	var live token.Live
	if s.cfg.Cache != nil {
		live, err = s.cfg.Cache.Recent(ctx, h, read)
	} else {
		live, err = read(ctx)
	}
	switch {
	case errors.Is(err, token.ErrNotFound), errors.Is(err, token.ErrRevoked):
		return introspection{}, nil
	case err != nil:
		return introspection{}, fmt.Errorf("introspect: %w", err)
	}
	web.Fields(ctx).Grant = string(live.Share.Grant)
	return s.describe(live, caller.Scopes, s.judgedAt(live)), nil
}

// judgedAt is the time that decides whether a token is over: that of the store
// or cache that answered, so that no instance's clock makes one live longer.
func (s *Server) judgedAt(l token.Live) time.Time {
	if l.At.IsZero() {
		return s.cfg.Now()
	}
	return l.At
}

// living returns a token that is active now, from the truth; otherwise
// token.ErrNotFound or token.ErrRevoked. The share of a recipient that may not
// read is revoked there (token.Store).
func (s *Server) living(ctx context.Context, h token.Hash) (token.Live, error) {
	live, err := s.cfg.Tokens.Live(ctx, h)
	if err != nil {
		return token.Live{}, err
	}
	if !live.Active(s.judgedAt(live)) {
		return token.Live{}, token.ErrRevoked
	}
	return live, nil
}

// describe says what a token is worth at now to a resource server with those
// scopes: nothing unless the token has one of them and the grant has something
// behind it.
func (s *Server) describe(l token.Live, served []fdx.Scope, now time.Time) introspection {
	scopes := slices.DeleteFunc(slices.Clone(l.Access.Scopes), func(sc fdx.Scope) bool { return !slices.Contains(served, sc) })
	resources := cut(l.Share, fdx.ClustersOf(scopes).Implied())
	if !l.Active(now) || len(resources) == 0 {
		return introspection{}
	}
	kind := "DPoP"
	if l.Access.KeyThumbprint == "" {
		kind = "Bearer" // bound to a certificate: a token without any binding is not active
	}
	end := l.Access.ExpiresAt
	if l.Share.ExpiresAt.Before(end) {
		end = l.Share.ExpiresAt
	}
	return introspection{
		Active: true, Issuer: s.cfg.Issuer, ClientID: l.Access.Recipient, TokenType: kind, Scope: scopeText(scopes),
		IssuedAt: l.Access.IssuedAt.Unix(), ExpiresAt: end.Unix(),
		Bound:   &confirmation{KeyThumbprint: l.Access.KeyThumbprint, CertThumbprint: l.Access.CertThumbprint},
		GrantID: l.Share.Grant, ConsentID: l.Share.Grant,
		Details: []enforcedDetail{{Type: DetailsType, ConsentID: l.Share.Grant, Lookback: l.Share.LookbackDays, Resources: resources}},
	}
}

// cut returns what a share holds of those clusters; nil when nothing.
func cut(s consent.Share, clusters fdx.Clusters) []consent.Resource {
	var left []consent.Resource
	add := func(kind consent.ResourceType, id string, held fdx.Clusters) {
		if held = held.Intersect(clusters); !held.Empty() {
			left = append(left, consent.Resource{Type: kind, ID: id, Clusters: held})
		}
	}
	for _, a := range s.Accounts {
		add(consent.ResourceAccount, string(a.ID), a.Clusters)
	}
	add(consent.ResourceCustomer, string(s.Consumer), s.Customer)
	return left
}

// signedIntrospection is the content type of a signed answer (RFC 9701
// section 4).
const signedIntrospection = "application/token-introspection+jwt"

// asksSigned reports whether the caller wants the signed form (RFC 9110
// section 12.5.1): it names it, and likes it no less than the plain one. A
// wildcard is satisfied by the plain one.
func asksSigned(h http.Header) bool {
	signed, plain, rank := 0.0, 0.0, 0
	for _, line := range h.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(part, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name == signedIntrospection {
				signed = max(signed, weight(params))
				continue
			}
			// The most specific range that fits the plain form decides.
			r := 1 + slices.Index([]string{"*/*", "application/*", "application/json"}, name)
			switch {
			case r > rank:
				plain, rank = weight(params), r
			case r == rank && r > 0:
				plain = max(plain, weight(params))
			}
		}
	}
	return signed > 0 && signed >= plain
}

// weight returns the q of a media range, 1 when it has none that is valid.
func weight(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && q >= 0 && q <= 1 {
			return q
		}
	}
	return 1
}

// The registrations of resource servers are remembered in the process, so that
// an introspection over mutual TLS needs one round trip to the cache and none
// to the store; a client assertion is spent in the store in addition. A
// resource server that is suspended is therefore served for a moment longer.
const (
	rememberFor  = 2 * time.Second
	rememberMost = 64 // registrations
)

// remembering returns a Server that remembers registrations of resource
// servers. It is for the introspection endpoint alone.
func (s *Server) remembering() *Server {
	r := *s
	r.cfg.Recipients = &remembered{Recipients: s.cfg.Recipients, now: s.cfg.Now, known: map[consent.RecipientID]remembrance{}}
	return &r
}

// remembered is a consent.Recipients that keeps resource servers that may act
// for rememberFor. Everything else it asks for each time.
type remembered struct {
	consent.Recipients
	now func() time.Time

	mu    sync.Mutex // guards known
	known map[consent.RecipientID]remembrance
}

type remembrance struct {
	consent.Recipient
	at time.Time // before it was asked for
}

func (r *remembered) fresh(k remembrance, now time.Time) bool {
	age := now.Sub(k.at)
	return age >= 0 && age < rememberFor
}

// Recipient implements consent.Recipients.
func (r *remembered) Recipient(ctx context.Context, id consent.RecipientID) (consent.Recipient, error) {
	now := r.now()
	r.mu.Lock()
	k, ok := r.known[id]
	r.mu.Unlock()
	if ok && r.fresh(k, now) {
		return k.Recipient, nil
	}
	who, err := r.Recipients.Recipient(ctx, id)
	if err != nil || who.Role != consent.RoleResourceServer || !who.Status.MayRead() {
		return who, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for old, k := range r.known {
		if !r.fresh(k, now) {
			delete(r.known, old)
		}
	}
	if len(r.known) < rememberMost {
		r.known[id] = remembrance{who, now}
	}
	return who, nil
}
