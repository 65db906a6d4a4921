package resourcetest

import (
	"context"
	"sync"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// Truth is what PostgreSQL is to a gateway, in memory: tokens, grants and
// recipients, access records and spent proofs under one lock. It keeps the
// contracts of resource.Tokens and resource.Gate and is safe for concurrent use.
type Truth struct {
	now func() time.Time

	mu      sync.Mutex
	tokens  map[token.Hash]token.Access
	shares  map[consent.GrantID]consent.Share
	blocked map[consent.RecipientID]bool
	// integers are the recipients whose error codes are integers.
	integers map[consent.RecipientID]bool
	quotas   map[consent.RecipientID]int // their own
	records  []audit.Record
	known    map[[16]byte]bool
	spent    map[[32]byte]time.Time
	down     error
}

var (
	_ resource.Tokens = (*Truth)(nil)
	_ resource.Gate   = (*Truth)(nil)
)

// NewTruth returns an empty Truth; a nil now is time.Now.
func NewTruth(now func() time.Time) *Truth {
	if now == nil {
		now = time.Now
	}
	return &Truth{
		now: now, tokens: map[token.Hash]token.Access{}, shares: map[consent.GrantID]consent.Share{},
		blocked: map[consent.RecipientID]bool{}, integers: map[consent.RecipientID]bool{}, quotas: map[consent.RecipientID]int{},
		known: map[[16]byte]bool{}, spent: map[[32]byte]time.Time{},
	}
}

// Issue stores a token with the share that it opens, and the form of its
// recipient's error codes and quota, replacing each.
func (d *Truth) Issue(l token.Live) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tokens[l.Access.Hash] = l.Access
	d.shares[l.Share.Grant] = l.Share
	d.integers[l.Share.Recipient], d.quotas[l.Share.Recipient] = l.IntegerCodes, l.Quota
}

// End revokes a grant and returns its new epoch.
func (d *Truth) End(id consent.GrantID) int64 {
	return d.Change(id, func(s *consent.Share) { s.Status = consent.StatusRevoked })
}

// Change changes the share of a grant, raises its epoch and returns that.
func (d *Truth) Change(id consent.GrantID, change func(*consent.Share)) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.shares[id]
	change(&s)
	s.Epoch++
	d.shares[id] = s
	return s.Epoch
}

// RevokeToken withdraws one token and raises the epoch of its grant.
func (d *Truth) RevokeToken(h token.Hash) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.tokens[h]
	a.RevokedAt = d.now()
	d.tokens[h] = a
	s := d.shares[a.Grant]
	s.Epoch++
	d.shares[a.Grant] = s
}

// Suspend makes a recipient inactive.
func (d *Truth) Suspend(id consent.RecipientID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blocked[id] = true
}

// Fail makes every call fail with err until it is called with nil.
func (d *Truth) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = err
}

// Records returns all access records, oldest first.
func (d *Truth) Records() []audit.Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]audit.Record(nil), d.records...)
}

// Live implements resource.Tokens.
func (d *Truth) Live(ctx context.Context, h token.Hash) (token.Live, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.failing(ctx); err != nil {
		return token.Live{}, err
	}
	a, ok := d.tokens[h]
	if !ok {
		return token.Live{}, token.ErrNotFound
	}
	share := d.shares[a.Grant]
	if d.blocked[share.Recipient] && share.Status == consent.StatusActive {
		share.Status = consent.StatusRevoked
	}
	return token.Live{
		Access: a, Share: share, IntegerCodes: d.integers[share.Recipient], Quota: d.quotas[share.Recipient], At: d.now(),
	}, nil
}

// Release implements resource.Gate.
func (d *Truth) Release(ctx context.Context, r resource.Release) (resource.Verdict, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.failing(ctx); err != nil {
		return resource.Withheld, err
	}
	if d.known[r.Record.RequestID] {
		return resource.Withheld, errRepeated
	}
	now := d.now()
	if r.Record.Outcome != audit.Refused {
		s, ok := d.shares[r.Record.Grant]
		if !ok || s.Epoch != r.Record.Epoch || s.Recipient != r.Record.Recipient || !s.Active(now) || d.blocked[s.Recipient] || !now.Before(r.TokenExpires) {
			return resource.Withheld, nil
		}
		if r.Proof != nil {
			if until, spent := d.spent[r.Proof.Key]; spent && now.Before(until) {
				return resource.Replayed, nil
			}
			d.spent[r.Proof.Key] = r.Proof.ExpiresAt
		}
	}
	r.Record.At = now
	d.known[r.Record.RequestID] = true
	d.records = append(d.records, r.Record)
	return resource.Released, nil
}

// failing is called with the lock held.
func (d *Truth) failing(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.down
}
