package policy

import (
	"time"

	"github.com/headgate/headgate/consent"
)

// Apply holds a request to the pack that is in force: the purpose must be
// allowed and must reach the data, and no term is longer than the purpose's.
// The request takes along what the pack says of a second proof. A longer term is cut, as a registered ceiling of the bank's own would be;
// everything else is refused with a *consent.Refusal. It is a pure function.
func (b *Book) Apply(q consent.Request, now time.Time) (consent.Request, error) {
	p := b.At(now)
	u := p.Purpose(q.Purpose.Code)
	switch {
	case u.Denied:
		return consent.Request{}, refuse("the purpose is not allowed here")
	case q.Clusters().Intersect(u.Clusters) != q.Clusters():
		return consent.Request{}, refuse("a requested data cluster is not allowed for the purpose under the rules that hold here")
	}
	q.MaxTermDays, q.OneTimeMinutes = u.MaxTermDays, b.oneTime
	q.StepUp = consent.StepUp{Clusters: p.StepUp.Clusters, MaxAgeMinutes: p.StepUp.MaxAgeMinutes}
	if q.Duration == consent.TimeBound {
		q.DurationDays = min(q.DurationDays, u.MaxTermDays)
	}
	return q, nil
}

func refuse(text string) error { return &consent.Refusal{Kind: consent.ErrDetails, Text: text} }

// Alone reports whether a purpose must not take the place of another one in a
// grant that exists: the person then answers two questions at once.
func (b *Book) Alone(code string, now time.Time) bool { return b.At(now).Purpose(code).OwnGrant }

// Effect is what a version of a pack would forbid of a grant.
type Effect string

// The effects.
const (
	// EffectTerm: it lasts longer than the version allows.
	EffectTerm Effect = "term"
	// EffectClusters: it reaches data that its purpose does not.
	EffectClusters Effect = "clusters"
	// EffectPurpose: nobody may ask for its purpose.
	EffectPurpose Effect = "purpose"
)

// Effects returns what the version would forbid of a grant if it were asked
// for now; nil when nothing, or when the grant is over. It changes nothing: a
// grant that was given stays as it was given.
func (p Pack) Effects(g consent.Grant, now time.Time) []Effect {
	if g.StatusAt(now) != consent.StatusActive {
		return nil
	}
	u := p.Purpose(g.Purpose)
	var all []Effect
	if g.Duration != consent.OneTime && g.ExpiresAt.Sub(agreed(g)) > time.Duration(u.MaxTermDays)*24*time.Hour {
		all = append(all, EffectTerm)
	}
	if g.Clusters().Intersect(u.Clusters) != g.Clusters() {
		all = append(all, EffectClusters)
	}
	if u.Denied {
		all = append(all, EffectPurpose)
	}
	return all
}

// agreed returns when the term of a grant began. A grant with a period ends
// that long after it; for another it is when the grant was made, as no term
// is longer than consent.MaxTerm.
func agreed(g consent.Grant) time.Time {
	if g.Duration == consent.TimeBound && g.DurationDays > 0 {
		return g.ExpiresAt.AddDate(0, 0, -g.DurationDays)
	}
	if latest := g.ExpiresAt.Add(-consent.MaxTerm); g.CreatedAt.Before(latest) {
		return latest
	}
	return g.CreatedAt
}
