package authztest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
)

// Memory keeps everything that an authorization server stores in memory. It
// keeps the contracts of token.Requests, token.Store and token.Guard, and
// those of package consent by the Memory in it. It is safe for concurrent
// use. Where a database marks the tokens of an ended grant, Memory asks the
// grant.
type Memory struct {
	*consenttest.Memory
	now func() time.Time

	mu      sync.Mutex // guards everything below; held before the lock in consenttest.Memory
	pushed  map[token.Hash]token.Pushed
	codes   map[token.Hash]token.Code
	refresh map[token.Hash]token.Refresh
	access  map[token.Hash]token.Access
	clients map[token.Hash]token.ClientAccess
	proofs  map[[32]byte]time.Time
	// What clients registered, and how often anything about them changed.
	registered map[consent.RecipientID]token.Registration
	changes    int
}

var (
	_ token.Requests = (*Memory)(nil)
	_ token.Store    = (*Memory)(nil)
	_ token.Guard    = (*Memory)(nil)
)

// NewMemory returns an empty Memory whose clock is now, which may be called
// by several goroutines at once.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{
		Memory: consenttest.NewMemory(now), now: now,
		pushed:  map[token.Hash]token.Pushed{},
		codes:   map[token.Hash]token.Code{},
		refresh: map[token.Hash]token.Refresh{},
		access:  map[token.Hash]token.Access{},
		clients: map[token.Hash]token.ClientAccess{},
		proofs:  map[[32]byte]time.Time{},

		registered: map[consent.RecipientID]token.Registration{},
	}
}

var errTwice = errors.New("authztest: the hash is stored already")

// Push implements token.Requests.
func (m *Memory) Push(_ context.Context, p token.Pushed, spend ...token.Proof) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.spend(spend); err != nil {
		return err
	}
	if _, exists := m.pushed[p.Hash]; exists {
		return errTwice
	}
	p.Params = maps.Clone(p.Params)
	m.pushed[p.Hash] = p
	return nil
}

// Pushed implements token.Requests.
func (m *Memory) Pushed(ctx context.Context, h token.Hash) (token.Pushed, error) {
	p, err := m.Opened(ctx, h)
	if err == nil && !m.now().Before(p.ExpiresAt) {
		return token.Pushed{}, token.ErrNotFound
	}
	return p, err
}

// Opened implements token.Requests.
func (m *Memory) Opened(_ context.Context, h token.Hash) (token.Pushed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.pushed[h]
	if !ok {
		return token.Pushed{}, token.ErrNotFound
	}
	p.Params = maps.Clone(p.Params)
	if !p.ConsumedAt.IsZero() {
		return p, token.ErrUsed
	}
	return p, nil
}

// Approve implements token.Requests.
func (m *Memory) Approve(ctx context.Context, a token.Approval) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.Code.Grant != a.Grant.ID || a.Code.Recipient != a.Grant.Recipient {
		return errors.New("authztest: the code is not of the grant")
	}
	// Everything that can fail comes before the first change.
	if _, exists := m.codes[a.Code.Hash]; exists {
		return errTwice
	}
	err := m.decide(a.Pushed, func() error {
		if r, err := m.Recipient(ctx, a.Grant.Recipient); err != nil || !r.Status.MayAsk() {
			return consent.ErrMayNotAsk
		}
		return m.Memory.Approve(a.Authorization, a.Grant)
	})
	if err != nil {
		return err
	}
	if a.Grant.Epoch > 1 {
		m.withdraw(a.Grant.ID)
	}
	c := a.Code
	c.Scopes, c.Session = slices.Clone(c.Scopes), slices.Clone(c.Session)
	m.codes[c.Hash] = c
	return nil
}

// withdraw withdraws all codes and tokens of a grant; m.mu is held.
func (m *Memory) withdraw(id consent.GrantID) {
	now := m.now().UTC()
	for h, c := range m.codes {
		if c.Grant == id && c.UsedAt.IsZero() && now.Before(c.ExpiresAt) {
			c.ExpiresAt = now
			m.codes[h] = c
		}
	}
	for h, f := range m.refresh {
		if f.Grant == id && f.RevokedAt.IsZero() {
			f.RevokedAt = now
			m.refresh[h] = f
		}
	}
	for h, t := range m.access {
		if t.Grant == id && t.RevokedAt.IsZero() {
			t.RevokedAt = now
			m.access[h] = t
		}
	}
}

// Refuse implements token.Requests.
func (m *Memory) Refuse(ctx context.Context, pushed token.Hash, a consent.Authorization) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.decide(pushed, func() error {
		_, err := m.Replace(ctx, a)
		return err
	})
}

// decide consumes the request if write succeeds; m.mu is held.
func (m *Memory) decide(h token.Hash, write func() error) error {
	p, ok := m.pushed[h]
	if !ok {
		return token.ErrNotFound
	}
	if !p.ConsumedAt.IsZero() {
		return consent.ErrConsumed
	}
	if err := write(); err != nil {
		return err
	}
	p.ConsumedAt = m.now().UTC()
	m.pushed[h] = p
	return nil
}

// Code implements token.Store.
func (m *Memory) Code(_ context.Context, h token.Hash) (token.Code, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.code(h)
}

// code is Code; m.mu is held.
func (m *Memory) code(h token.Hash) (token.Code, error) {
	c, ok := m.codes[h]
	c.Scopes, c.Session = slices.Clone(c.Scopes), slices.Clone(c.Session)
	switch {
	case !ok:
		return token.Code{}, token.ErrNotFound
	case !c.UsedAt.IsZero():
		return c, token.ErrUsed
	case !m.now().Before(c.ExpiresAt):
		return token.Code{}, token.ErrNotFound
	}
	return c, nil
}

// PresentedCode implements token.Store.
func (m *Memory) PresentedCode(ctx context.Context, who consent.RecipientID, h token.Hash) (token.Presented, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	client, err := m.Recipient(ctx, who)
	if err != nil {
		return token.Presented{}, err
	}
	c, refused := m.code(h)
	if c.Recipient != who {
		return token.Presented{Client: client, Refused: token.ErrNotFound}, nil
	}
	g, err := m.Grant(ctx, c.Grant)
	return token.Presented{Client: client, Code: c, Grant: g, Refused: refused}, err
}

// PresentedRefresh implements token.Store.
func (m *Memory) PresentedRefresh(ctx context.Context, who consent.RecipientID, h token.Hash) (token.Presented, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	client, err := m.Recipient(ctx, who)
	if err != nil {
		return token.Presented{}, err
	}
	f, refused := m.usable(ctx, h)
	if m.refresh[h].Recipient != who {
		f, refused = token.Refresh{}, token.ErrNotFound
	}
	if refused != nil {
		return token.Presented{Client: client, Refused: refused}, nil
	}
	g, err := m.Grant(ctx, f.Grant)
	return token.Presented{Client: client, Refresh: f, Grant: g}, err
}

// Redeem implements token.Store.
func (m *Memory) Redeem(ctx context.Context, r token.Redemption) (consent.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.spend(r.Spend); err != nil {
		return consent.Grant{}, err
	}
	now := m.now().UTC()
	c, ok := m.codes[r.Code]
	switch {
	case !ok || c.Grant != r.Access.Grant || c.Recipient != r.Access.Recipient:
		return consent.Grant{}, token.ErrNotFound
	case !c.UsedAt.IsZero():
		return consent.Grant{}, token.ErrUsed
	case !now.Before(c.ExpiresAt):
		return consent.Grant{}, token.ErrNotFound
	}
	g, err := m.active(ctx, c.Grant, now)
	if err != nil {
		return consent.Grant{}, err
	}
	if f := r.Refresh; f != nil {
		if f.Grant != c.Grant || f.Recipient != c.Recipient {
			return consent.Grant{}, errors.New("authztest: the tokens are not of one grant")
		}
		if _, exists := m.refresh[f.Hash]; exists {
			return consent.Grant{}, errTwice
		}
	}
	if err := m.keep(r.Access); err != nil {
		return consent.Grant{}, err
	}
	if f := r.Refresh; f != nil {
		kept := *f
		kept.Scopes, kept.Session = slices.Clone(f.Scopes), slices.Clone(f.Session)
		m.refresh[f.Hash] = kept
	}
	c.UsedAt = now
	m.codes[c.Hash] = c
	return g, nil
}

// active returns the grant if it can be used at now, else ErrRevoked or a
// *consent.RestingError.
func (m *Memory) active(ctx context.Context, id consent.GrantID, now time.Time) (consent.Grant, error) {
	g, err := m.Grant(ctx, id)
	if err != nil || g.StatusAt(now) != consent.StatusActive || !m.mayRead(ctx, g.Recipient) {
		return consent.Grant{}, token.ErrRevoked
	}
	if err := g.Resting(now); err != nil {
		return consent.Grant{}, err
	}
	return g, nil
}

// mayRead reports whether a recipient is there and may read.
func (m *Memory) mayRead(ctx context.Context, who consent.RecipientID) bool {
	r, err := m.Recipient(ctx, who)
	return err == nil && r.Status.MayRead()
}

// keep stores an access token; m.mu is held.
func (m *Memory) keep(a token.Access) error {
	if (a.KeyThumbprint == "") == (a.CertThumbprint == "") {
		return errors.New("authztest: an access token is bound to a key or to a certificate")
	}
	if _, exists := m.access[a.Hash]; exists {
		return errTwice
	}
	a.Scopes, a.Resources = slices.Clone(a.Scopes), slices.Clone(a.Resources)
	m.access[a.Hash] = a
	return nil
}

// Refresh implements token.Store.
func (m *Memory) Refresh(ctx context.Context, h token.Hash) (token.Refresh, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usable(ctx, h)
}

// usable is Refresh; m.mu is held.
func (m *Memory) usable(ctx context.Context, h token.Hash) (token.Refresh, error) {
	f, ok := m.refresh[h]
	if !ok {
		return token.Refresh{}, token.ErrNotFound
	}
	now := m.now()
	_, err := m.active(ctx, f.Grant, now)
	if errors.Is(err, token.ErrRevoked) || !f.RevokedAt.IsZero() {
		return token.Refresh{}, token.ErrRevoked
	}
	if !now.Before(f.ExpiresAt) {
		return token.Refresh{}, token.ErrNotFound
	}
	if err != nil {
		return token.Refresh{}, err
	}
	f.Scopes, f.Session = slices.Clone(f.Scopes), slices.Clone(f.Session)
	return f, nil
}

// Renew implements token.Store.
func (m *Memory) Renew(ctx context.Context, refresh token.Hash, a token.Access, spend ...token.Proof) (consent.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.spend(spend); err != nil {
		return consent.Grant{}, err
	}
	_, err := m.usable(ctx, refresh)
	var resting *consent.RestingError
	if f := m.refresh[refresh]; err != nil && !errors.As(err, &resting) || f.Grant != a.Grant || f.Recipient != a.Recipient {
		return consent.Grant{}, token.ErrRevoked
	}
	if err != nil {
		return consent.Grant{}, err
	}
	g, err := m.active(ctx, a.Grant, m.now())
	if err != nil {
		return consent.Grant{}, err
	}
	return g, m.keep(a)
}

// Live implements token.Store.
func (m *Memory) Live(ctx context.Context, h token.Hash) (token.Live, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.access[h]
	if !ok {
		return token.Live{}, token.ErrNotFound
	}
	g, err := m.Grant(ctx, a.Grant)
	if err != nil {
		return token.Live{}, err
	}
	if g.Status == consent.StatusActive && !m.mayRead(ctx, g.Recipient) {
		g.Status = consent.StatusRevoked
	}
	a.Scopes, a.Resources = slices.Clone(a.Scopes), slices.Clone(a.Resources)
	who, err := m.Recipient(ctx, g.Recipient)
	if err != nil && !errors.Is(err, consent.ErrNotFound) {
		return token.Live{}, err
	}
	return token.Live{
		Access: a, Share: g.Within(a.Resources).Share(), IntegerCodes: who.Profile.ErrorCodes == consent.IntegerCodes, Quota: who.Quota,
		At: m.now(),
	}, nil
}

// RevokeAccess implements token.Store.
func (m *Memory) RevokeAccess(ctx context.Context, who consent.RecipientID, h token.Hash) (consent.GrantID, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now().UTC()
	a, ok := m.access[h]
	if !ok || a.Recipient != who {
		return "", 0, token.ErrNotFound
	}
	if !a.RevokedAt.IsZero() || !now.Before(a.ExpiresAt) {
		return m.dead(ctx, a.Grant)
	}
	epoch, err := m.TokensRevoked(a.Grant)
	if err != nil {
		return m.dead(ctx, a.Grant)
	}
	a.RevokedAt = now
	m.access[h] = a
	return a.Grant, epoch, nil
}

// dead is the answer about a token of a grant that was dead already.
func (m *Memory) dead(ctx context.Context, id consent.GrantID) (consent.GrantID, int64, error) {
	g, err := m.Grant(ctx, id)
	if err != nil {
		return "", 0, err
	}
	return id, g.Epoch, token.ErrRevoked
}

// RevokeRefresh implements token.Store.
func (m *Memory) RevokeRefresh(ctx context.Context, who consent.RecipientID, h token.Hash) (consent.GrantID, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now().UTC()
	f, ok := m.refresh[h]
	if !ok || f.Recipient != who {
		return "", 0, token.ErrNotFound
	}
	if !f.RevokedAt.IsZero() || !now.Before(f.ExpiresAt) {
		return m.dead(ctx, f.Grant)
	}
	epoch, err := m.TokensRevoked(f.Grant)
	if err != nil {
		return m.dead(ctx, f.Grant)
	}
	f.RevokedAt = now
	m.refresh[h] = f
	for key, a := range m.access {
		if a.Grant == f.Grant && a.RevokedAt.IsZero() {
			a.RevokedAt = now
			m.access[key] = a
		}
	}
	return f.Grant, epoch, nil
}

// IssueClient implements token.Store.
func (m *Memory) IssueClient(ctx context.Context, a token.ClientAccess, spend ...token.Proof) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.spend(spend); err != nil {
		return err
	}
	if !m.mayRead(ctx, a.Recipient) {
		return token.ErrRevoked
	}
	if (a.KeyThumbprint == "") == (a.CertThumbprint == "") {
		return errors.New("authztest: an access token is bound to a key or to a certificate")
	}
	if _, exists := m.clients[a.Hash]; exists {
		return errTwice
	}
	a.Scopes = slices.Clone(a.Scopes)
	m.clients[a.Hash] = a
	return nil
}

// ClientAccess implements token.Store.
func (m *Memory) ClientAccess(ctx context.Context, h token.Hash) (token.ClientAccess, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.clients[h]
	who, err := m.Recipient(ctx, a.Recipient)
	if !ok || !m.now().Before(a.ExpiresAt) || err != nil || !who.Status.MayRead() {
		return token.ClientAccess{}, token.ErrNotFound
	}
	a.Scopes, a.IntegerCodes, a.Quota = slices.Clone(a.Scopes), who.Profile.ErrorCodes == consent.IntegerCodes, who.Quota
	return a, nil
}

// RevokeClient implements token.Store.
func (m *Memory) RevokeClient(_ context.Context, who consent.RecipientID, h token.Hash) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, ok := m.clients[h]; !ok || a.Recipient != who || !m.now().Before(a.ExpiresAt) {
		return token.ErrNotFound
	}
	delete(m.clients, h)
	return nil
}

// Spend implements token.Guard.
func (m *Memory) Spend(_ context.Context, proofs ...token.Proof) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.spend(proofs)
}

// spend is Spend; m.mu is held.
func (m *Memory) spend(proofs []token.Proof) error {
	now := m.now()
	var replayed error
	for _, p := range proofs {
		until, seen := m.proofs[p.Key]
		// Over already: whether it was seen before may be forgotten.
		if seen && now.Before(until) || !now.Before(p.ExpiresAt) {
			if replayed == nil {
				replayed = &token.ReplayedError{Key: p.Key}
			}
			continue
		}
		m.proofs[p.Key] = p.ExpiresAt
	}
	return replayed
}
