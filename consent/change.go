package consent

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/fdx"
)

// Action says what a request does to a grant that exists (Grant Management
// for OAuth 2.0).
type Action string

// The actions. The empty one makes a new grant.
const (
	// ActionReplace: what the person agrees to now takes the place of the
	// grant's resources.
	ActionReplace Action = "replace"
	// ActionMerge: what the person agrees to now is added to the grant's
	// resources.
	ActionMerge Action = "merge"
)

// Change names the grant that a request is to change, in the version in which
// the recipient found it: whatever happens to the grant meanwhile, the change
// is about nothing else. The zero Change makes a new grant.
type Change struct {
	Action Action  `json:"action"`
	Grant  GrantID `json:"grant"`
	Epoch  int64   `json:"epoch"`
}

// Asked reports whether a grant is to be changed at all.
func (c Change) Asked() bool { return c != Change{} }

// Of reports whether g is the version that c changes and can still be changed
// at now.
func (c Change) Of(g Grant, now time.Time) bool {
	return c.Asked() && g.ID == c.Grant && g.Epoch == c.Epoch && g.StatusAt(now) == StatusActive
}

// Changed returns the next version of g, as an approved authorization that
// changes it makes it at now; parties as for Grant. Who gave the grant, to
// whom and when stays. Terms, parties and disclosure are those agreed to now,
// and hold for all that the grant covers; the page says so. It panics when the
// authorization is not approved or changes another grant, another version or
// somebody else's grant, because no caller may reach it otherwise.
func (a Authorization) Changed(g Grant, parties []Party, now time.Time) Grant {
	c := a.Request.Change
	if !c.Of(g, now) || g.Recipient != a.Recipient || g.Consumer != a.Consumer {
		panic("consent: a grant changed by an authorization that is not about it")
	}
	next := a.Grant(g.ID, parties, now)
	next.Epoch, next.CreatedAt, next.UpdatedAt = g.Epoch+1, g.CreatedAt, now.UTC().Truncate(time.Second)
	if next.Holder == (Holder{}) { // there was nothing to choose
		next.Holder = g.Holder
	}
	next.PausedUntil, next.HeldAt, next.Case = g.PausedUntil, g.HeldAt, g.Case
	if c.Action == ActionMerge {
		next.Resources = union(g.Resources, next.Resources)
	}
	return next
}

// union returns the resources of both, each once, with all clusters that
// either holds on it; those of a come first.
func union(a, b []Resource) []Resource {
	type key struct {
		kind ResourceType
		id   string
	}
	clusters, order := map[key]fdx.Clusters{}, []key(nil)
	for _, r := range append(append([]Resource(nil), a...), b...) {
		k := key{r.Type, r.ID}
		if _, known := clusters[k]; !known {
			order = append(order, k)
		}
		clusters[k] = clusters[k].Union(r.Clusters)
	}
	all := make([]Resource, len(order))
	for i, k := range order {
		all[i] = Resource{Type: k.kind, ID: k.id, Clusters: clusters[k]}
	}
	return all
}

// Held returns a grant to the recipient that holds it while it is active at
// now. One that is unknown, another recipient's or over is ErrNotFound: the
// three are never told apart.
func (s *Service) Held(ctx context.Context, who RecipientID, id GrantID, now time.Time) (Grant, error) {
	g, err := s.store.GrantOfRecipient(ctx, who, id)
	if err == nil && g.StatusAt(now) != StatusActive {
		err = ErrNotFound
	}
	if err != nil {
		return Grant{}, fmt.Errorf("load grant of recipient: %w", err)
	}
	return g, nil
}
