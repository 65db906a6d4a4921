package authztest

import (
	"context"
	"slices"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

var _ token.Registrations = (*Memory)(nil)

// Register implements token.Registrations.
func (m *Memory) Register(ctx context.Context, r token.Registration, spend ...token.Proof) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.Recipient(ctx, r.Recipient.ID); err == nil {
		return consent.ErrConflict
	}
	return m.register(ctx, r, spend)
}

// register stores a registration if its proofs are good; m.mu is held.
func (m *Memory) register(ctx context.Context, r token.Registration, spend []token.Proof) error {
	for _, p := range spend {
		if _, seen := m.proofs[p.Key]; seen {
			return &token.ReplayedError{Key: p.Key}
		}
	}
	if err := m.spend(spend); err != nil {
		return err
	}
	r.Record = slices.Clone(r.Record)
	r.UpdatedAt = m.changed()
	m.registered[r.Recipient.ID] = r
	return m.PutRecipient(ctx, r.Recipient)
}

// changed returns a time that no change had before; m.mu is held.
func (m *Memory) changed() time.Time {
	m.changes++
	return time.UnixMicro(int64(m.changes)).UTC()
}

// Registration implements token.Registrations.
func (m *Memory) Registration(ctx context.Context, access token.Hash) (token.Registration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, r := range m.registered {
		if r.Access != access || access.IsZero() {
			continue
		}
		var err error
		r.Recipient, err = m.Recipient(ctx, id)
		if err != nil || r.Recipient.Status == consent.RecipientClosed {
			break
		}
		return r, nil
	}
	return token.Registration{}, token.ErrNotFound
}

// Update implements token.Registrations.
func (m *Memory) Update(ctx context.Context, r token.Registration, spend ...token.Proof) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.registered[r.Recipient.ID]
	if !ok || old.UpdatedAt != r.UpdatedAt {
		return consent.ErrConflict
	}
	if now, err := m.Recipient(ctx, r.Recipient.ID); err != nil || now.Status == consent.RecipientClosed {
		return consent.ErrConflict
	}
	r.Access, r.IssuedAt = old.Access, old.IssuedAt
	return m.register(ctx, r, spend)
}

// Move implements consent.Standing.
func (m *Memory) Move(ctx context.Context, id consent.RecipientID, from, to consent.RecipientStatus, seen time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.Recipient(ctx, id)
	if err != nil {
		return err
	}
	kept := m.registered[id]
	if r.Status != from || !from.CanBecome(to) || !seen.IsZero() && seen != kept.UpdatedAt {
		return consent.ErrConflict
	}
	kept.UpdatedAt = m.changed()
	m.registered[id] = kept
	r.Status = to
	return m.PutRecipient(ctx, r)
}
