package consenttest

import (
	"context"
	"slices"

	"github.com/headgate/headgate/consent"
)

// ActiveGrants implements that method of consent.Standing.
func (m *Memory) ActiveGrants(_ context.Context, id consent.RecipientID, after consent.GrantID, limit int) ([]consent.GrantID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []consent.GrantID
	for _, g := range m.grants {
		if g.Recipient == id && g.Status == consent.StatusActive && g.ID > after {
			ids = append(ids, g.ID)
		}
	}
	slices.Sort(ids)
	return ids[:min(limit, len(ids))], nil
}
