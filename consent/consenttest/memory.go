package consenttest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
)

// Memory keeps grants, decisions and registrations in memory. It keeps the
// contracts of consent.Store, consent.Authorizations and consent.Recipients
// and is safe for concurrent use. It has no outbox.
type Memory struct {
	now func() time.Time

	mu             sync.Mutex // guards everything below
	grants         map[consent.GrantID]consent.Grant
	events         map[consent.GrantID][]consent.Event
	cases          map[string]bool // numbers of holds
	authorizations map[consent.AuthorizationID]consent.Authorization
	recipients     map[consent.RecipientID]consent.Recipient
	switched       map[consent.ConsumerID][]consent.Switching // oldest first
}

var (
	_ consent.Store          = (*Memory)(nil)
	_ consent.Authorizations = (*Memory)(nil)
	_ consent.Recipients     = (*Memory)(nil)
	_ consent.Switch         = (*Memory)(nil)
)

// NewMemory returns an empty Memory whose clock is now, which may be called
// by several goroutines at once.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{
		now:            now,
		grants:         map[consent.GrantID]consent.Grant{},
		events:         map[consent.GrantID][]consent.Event{},
		cases:          map[string]bool{},
		authorizations: map[consent.AuthorizationID]consent.Authorization{},
		recipients:     map[consent.RecipientID]consent.Recipient{},
		switched:       map[consent.ConsumerID][]consent.Switching{},
	}
}

// Create implements consent.Store.
func (m *Memory) Create(_ context.Context, g consent.Grant) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.create(g)
}

// create is Create; m.mu is held.
func (m *Memory) create(g consent.Grant) error {
	if g.Status != consent.StatusActive || g.Epoch != 1 {
		return errors.New("consenttest: a new grant is ACTIVE in epoch 1")
	}
	if _, exists := m.grants[g.ID]; exists {
		return consent.ErrConflict
	}
	m.grants[g.ID] = cloneGrant(g)
	m.tell(g, consent.EventGranted, consent.ActorConsumer)
	return nil
}

// tell writes an event; m.mu is held.
func (m *Memory) tell(g consent.Grant, kind consent.EventKind, by consent.Actor) {
	m.note(g, consent.Event{Kind: kind, Actor: by})
}

// note writes an event of a grant; m.mu is held.
func (m *Memory) note(g consent.Grant, e consent.Event) {
	e.Grant, e.Epoch, e.At = g.ID, g.Epoch, m.now().UTC()
	m.events[g.ID] = append(m.events[g.ID], e)
}

// Grant implements consent.Store.
func (m *Memory) Grant(_ context.Context, id consent.GrantID) (consent.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.grants[id]
	if !ok {
		return consent.Grant{}, consent.ErrNotFound
	}
	return cloneGrant(g), nil
}

// GrantOfRecipient implements consent.Store.
func (m *Memory) GrantOfRecipient(ctx context.Context, who consent.RecipientID, id consent.GrantID) (consent.Grant, error) {
	g, err := m.Grant(ctx, id)
	if err == nil && g.Recipient != who {
		return consent.Grant{}, consent.ErrNotFound
	}
	return g, err
}

// GrantOfConsumer implements consent.Store.
func (m *Memory) GrantOfConsumer(ctx context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error) {
	g, err := m.Grant(ctx, id)
	if err == nil && g.Consumer != who {
		return consent.Grant{}, consent.ErrNotFound
	}
	return g, err
}

// GrantsOf implements consent.Store.
func (m *Memory) GrantsOf(_ context.Context, consumer consent.ConsumerID) ([]consent.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []consent.Grant
	for _, g := range m.grants {
		if g.Consumer == consumer {
			all = append(all, cloneGrant(g))
		}
	}
	slices.SortFunc(all, func(a, b consent.Grant) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// GrantsOfRecipient implements consent.Store.
func (m *Memory) GrantsOfRecipient(_ context.Context, who consent.RecipientID, f consent.Filter, after consent.Place, limit int) ([]consent.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	order := func(a, b consent.Grant) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	}
	last := consent.Grant{ID: after.Grant, CreatedAt: after.CreatedAt}
	var all []consent.Grant
	for _, g := range m.grants {
		if g.Recipient == who && f.Passes(g) && (after == consent.Place{} || order(last, g) < 0) {
			all = append(all, cloneGrant(g))
		}
	}
	slices.SortFunc(all, order)
	return all[:min(len(all), limit):min(len(all), limit)], nil
}

// End implements consent.Store.
func (m *Memory) End(_ context.Context, e consent.End) (consent.Grant, error) {
	return m.end(e, func(consent.Grant) bool { return true })
}

// EndOfRecipient implements consent.Store.
func (m *Memory) EndOfRecipient(_ context.Context, who consent.RecipientID, e consent.End) (consent.Grant, error) {
	return m.end(e, func(g consent.Grant) bool { return g.Recipient == who })
}

// EndOfConsumer implements consent.Store.
func (m *Memory) EndOfConsumer(_ context.Context, who consent.ConsumerID, e consent.End) (consent.Grant, error) {
	return m.end(e, func(g consent.Grant) bool { return g.Consumer == who })
}

func (m *Memory) end(e consent.End, may func(consent.Grant) bool) (consent.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kind := consent.EventRevoked
	switch e.Status {
	case consent.StatusRevoked:
	case consent.StatusExpired:
		kind = consent.EventExpired
	default:
		return consent.Grant{}, errors.New("consenttest: a grant ends as REVOKED or EXPIRED")
	}
	g, ok := m.grants[e.Grant]
	if !ok || !may(g) {
		return consent.Grant{}, consent.ErrNotFound
	}
	now := m.now().UTC()
	over := g.StatusAt(now) != consent.StatusActive
	if g.Status != consent.StatusActive || over && e.Status == consent.StatusRevoked {
		return consent.Grant{}, consent.ErrEnded
	}
	g.Status, g.EndedBy, g.EndReason = e.Status, e.Actor, e.Reason
	g.EndedAt, g.UpdatedAt = now, now
	g.Epoch++
	m.grants[g.ID] = g
	m.note(g, consent.Event{Kind: kind, Actor: e.Actor, Initiator: e.Initiator, Reason: e.Reason})
	return cloneGrant(g), nil
}

// Rest implements consent.Store.
func (m *Memory) Rest(_ context.Context, c consent.RestChange) (consent.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.grants[c.Grant]
	if !ok {
		return consent.Grant{}, consent.ErrNotFound
	}
	now := m.now().UTC()
	if g.StatusAt(now) != consent.StatusActive {
		return consent.Grant{}, consent.ErrEnded
	}
	var fits bool
	switch c.Kind {
	case consent.EventPaused:
		fits = g.RestAt(now) == ""
		g.PausedUntil = c.Until
	case consent.EventResumed:
		fits = now.Before(g.PausedUntil)
		g.PausedUntil = time.Time{}
	case consent.EventHeld:
		fits = g.HeldAt.IsZero() && !m.cases[c.Case]
		g.HeldAt, g.Case = now, c.Case
	case consent.EventReleased:
		fits = !g.HeldAt.IsZero()
		g.HeldAt, g.Case = time.Time{}, ""
	default:
		return consent.Grant{}, errors.New("consenttest: a rest begins and ends by its own events")
	}
	if !fits {
		return consent.Grant{}, consent.ErrConflict
	}
	if c.Case != "" {
		m.cases[c.Case] = true
	}
	g.UpdatedAt = now
	g.Epoch++
	m.grants[g.ID] = g
	m.note(g, consent.Event{Kind: c.Kind, Actor: c.Actor, Until: c.Until, Case: c.Case})
	return cloneGrant(g), nil
}

// Shrink implements consent.Store.
func (m *Memory) Shrink(_ context.Context, c consent.Shrinking) (consent.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.grants[c.Grant]
	if !ok {
		return consent.Grant{}, consent.ErrNotFound
	}
	now := m.now().UTC()
	switch {
	case g.StatusAt(now) != consent.StatusActive:
		return consent.Grant{}, consent.ErrEnded
	case g.Epoch != c.Epoch:
		return consent.Grant{}, consent.ErrConflict
	}
	g.Resources, g.Disclosure = slices.Clone(c.Resources), c.Disclosure
	g.UpdatedAt = now
	g.Epoch++
	m.grants[g.ID] = g
	m.note(g, consent.Event{Kind: consent.EventChanged, Actor: consent.ActorConsumer})
	return cloneGrant(g), nil
}

// Events implements consent.Store.
func (m *Memory) Events(_ context.Context, id consent.GrantID) ([]consent.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events[id]), nil
}

// TokensRevoked raises the epoch of an active grant and writes the event of a
// withdrawal of tokens by their recipient, as a token store does. It returns
// the new epoch, or ErrEnded or ErrNotFound.
func (m *Memory) TokensRevoked(id consent.GrantID) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.grants[id]
	if !ok {
		return 0, consent.ErrNotFound
	}
	now := m.now().UTC()
	if g.StatusAt(now) != consent.StatusActive {
		return 0, consent.ErrEnded
	}
	g.Epoch++
	g.UpdatedAt = now
	m.grants[id] = g
	m.tell(g, consent.EventTokensRevoked, consent.ActorRecipient)
	return g.Epoch, nil
}

// Open implements consent.Authorizations.
func (m *Memory) Open(_ context.Context, a consent.Authorization) (consent.Authorization, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.authorizations {
		if other.Pushed == a.Pushed && other.Browser == a.Browser {
			return cloneAuthorization(other), nil
		}
	}
	if _, exists := m.authorizations[a.ID]; exists {
		return consent.Authorization{}, consent.ErrConflict
	}
	a.Version = 1
	m.authorizations[a.ID] = cloneAuthorization(a)
	return cloneAuthorization(a), nil
}

// Authorization implements consent.Authorizations.
func (m *Memory) Authorization(_ context.Context, id consent.AuthorizationID, browser string) (consent.Authorization, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.authorizations[id]
	if !ok || a.Browser != browser {
		return consent.Authorization{}, consent.ErrNotFound
	}
	return cloneAuthorization(a), nil
}

// Replace implements consent.Authorizations.
func (m *Memory) Replace(_ context.Context, a consent.Authorization) (consent.Authorization, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.replace(a, func() error { return nil })
}

// Extend implements consent.Authorizations.
func (m *Memory) Extend(_ context.Context, id consent.AuthorizationID, browser string, now, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.authorizations[id]
	if !ok || a.Browser != browser || a.Answered || !a.ExpiresAt.After(now) {
		return consent.ErrNotFound
	}
	if until.After(a.ExpiresAt) {
		a.ExpiresAt = until
		m.authorizations[id] = a
	}
	return nil
}

// replace is Replace after write, if that succeeds; m.mu is held.
func (m *Memory) replace(a consent.Authorization, write func() error) (consent.Authorization, error) {
	old, ok := m.authorizations[a.ID]
	if !ok {
		return consent.Authorization{}, consent.ErrNotFound
	}
	if old.Version != a.Version {
		return consent.Authorization{}, consent.ErrConflict
	}
	for _, other := range m.authorizations {
		if other.ID != a.ID && other.Pushed == a.Pushed && other.Browser == a.Browser {
			return consent.Authorization{}, consent.ErrConflict
		}
	}
	if err := write(); err != nil {
		return consent.Authorization{}, err
	}
	a.Version++
	m.authorizations[a.ID] = cloneAuthorization(a)
	return cloneAuthorization(a), nil
}

// Approve replaces an authorization and stores the grant that it makes or, in
// a later epoch than the first, changes, all or nothing, as a store of requests
// does. The errors are those of Replace and Create, and ErrEnded when the
// version before is not the present one of the same recipient and consumer, or
// is over. ErrSharingOff when the person has new sharing switched off.
func (m *Memory) Approve(a consent.Authorization, g consent.Grant) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.replace(a, func() error {
		if m.off(g.Consumer) {
			return consent.ErrSharingOff
		}
		if g.Epoch > 1 {
			return m.change(g)
		}
		return m.create(g)
	})
	return err
}

// change puts g in the place of the version before; m.mu is held.
func (m *Memory) change(g consent.Grant) error {
	if g.Status != consent.StatusActive {
		return errors.New("consenttest: a changed grant is ACTIVE")
	}
	now := m.now().UTC()
	old, ok := m.grants[g.ID]
	if !ok || old.Epoch != g.Epoch-1 || old.Recipient != g.Recipient || old.Consumer != g.Consumer ||
		old.StatusAt(now) != consent.StatusActive {
		return consent.ErrEnded
	}
	g.CreatedAt, g.UpdatedAt = old.CreatedAt, now
	g.PausedUntil, g.HeldAt, g.Case = old.PausedUntil, old.HeldAt, old.Case
	m.grants[g.ID] = cloneGrant(g)
	m.tell(g, consent.EventChanged, consent.ActorConsumer)
	return nil
}

// off reports whether a person has new sharing switched off; m.mu is held.
func (m *Memory) off(who consent.ConsumerID) bool {
	all := m.switched[who]
	return len(all) > 0 && all[len(all)-1].Off
}

// SharingOff implements consent.Switch.
func (m *Memory) SharingOff(_ context.Context, who consent.ConsumerID) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.off(who) {
		return time.Time{}, nil
	}
	return m.switched[who][len(m.switched[who])-1].At, nil
}

// SwitchSharing implements consent.Switch. There are no notices.
func (m *Memory) SwitchSharing(_ context.Context, who consent.ConsumerID, off bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.off(who) != off {
		m.switched[who] = append(m.switched[who], consent.Switching{ID: uuid.New(), Consumer: who, At: m.now().UTC(), Off: off})
	}
	return nil
}

// Switchings implements consent.Switch.
func (m *Memory) Switchings(_ context.Context, who consent.ConsumerID, until time.Time, limit int) ([]consent.Switching, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []consent.Switching
	for _, s := range slices.Backward(m.switched[who]) {
		if len(list) < limit && (until.IsZero() || !s.At.After(until)) {
			list = append(list, s)
		}
	}
	return list, nil
}

// Recipient implements consent.Recipients.
func (m *Memory) Recipient(_ context.Context, id consent.RecipientID) (consent.Recipient, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.recipients[id]
	if !ok {
		return consent.Recipient{}, consent.ErrNotFound
	}
	return r, nil
}

// PutRecipient stores a registration, in place of the one with the same id.
// The caller must not change its slices afterwards.
func (m *Memory) PutRecipient(_ context.Context, r consent.Recipient) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recipients[r.ID] = r
	return nil
}

func cloneGrant(g consent.Grant) consent.Grant {
	g.Resources, g.Parties = slices.Clone(g.Resources), slices.Clone(g.Parties)
	return g
}

func cloneAuthorization(a consent.Authorization) consent.Authorization {
	a.UILocales, a.Accounts = slices.Clone(a.UILocales), slices.Clone(a.Accounts)
	return a
}
