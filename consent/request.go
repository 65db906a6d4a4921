package consent

import (
	"errors"
	"slices"
	"time"

	"github.com/headgate/headgate/fdx"
)

// Request is what a recipient asks a consumer for, after its registration
// has been applied. It names no accounts: the consumer chooses those.
type Request struct {
	Purpose      Purpose      `json:"purpose"`
	Duration     DurationType `json:"durationType"`
	DurationDays int          `json:"durationPeriod,omitempty"`
	LookbackDays int          `json:"lookbackPeriod"`
	// MaxTermDays is the longest term that policy allows; 0 leaves it to
	// MaxTerm.
	MaxTermDays int `json:"maxTermDays,omitempty"`
	// OneTimeMinutes is how long one-time access lasts; 0 leaves it to
	// OneTimeTerm, which is also the longest.
	OneTimeMinutes int `json:"oneTimeMinutes,omitempty"`
	// Account holds the clusters asked of each account, Customer those asked
	// of the person.
	Account  fdx.Clusters `json:"account"`
	Customer fdx.Clusters `json:"customer"`
	// StepUp is what takes a second proof of who decides, as policy has it.
	StepUp StepUp `json:"stepUp,omitzero"`
	// Change is the grant that the answer changes; the zero value makes a new
	// one.
	Change Change `json:"change,omitzero"`
	// Fresh: the recipient wants a grant of its own for this, whatever it holds
	// already (grant_management_action create).
	Fresh bool `json:"fresh,omitzero"`
}

// Clusters returns everything that is asked for.
func (r Request) Clusters() fdx.Clusters { return r.Account.Union(r.Customer) }

// ExpiresAt returns the instant at which a grant made at now would end, in
// whole seconds. No term is longer than MaxTerm, nor than policy allows.
func (r Request) ExpiresAt(now time.Time) time.Time {
	now = now.UTC().Truncate(time.Second)
	term := MaxTerm
	if r.MaxTermDays > 0 {
		term = min(term, time.Duration(r.MaxTermDays)*24*time.Hour)
	}
	switch r.Duration {
	case OneTime:
		term = OneTimeTerm
		if r.OneTimeMinutes > 0 {
			term = min(term, time.Duration(r.OneTimeMinutes)*time.Minute)
		}
	case TimeBound:
		term = min(term, time.Duration(r.DurationDays)*24*time.Hour)
	}
	return now.Add(term)
}

// Asked is a consent request as a recipient wrote it: each member may be
// absent. It comes from authorization_details of type fdx_v1.0, from scopes,
// or from both.
type Asked struct {
	// Detailed says that authorization_details were sent. Without them the
	// registration supplies purpose, duration and look-back.
	Detailed     bool
	Purpose      string
	Duration     DurationType
	DurationDays *int
	LookbackDays *int
	Resources    []AskedResource
	Scopes       []fdx.Scope // FDX scopes of the request, nil when none
}

// AskedResource is one entry of consentRequest.resources.
type AskedResource struct {
	Type     ResourceType
	Clusters fdx.Clusters
}

// The ways in which a request can be refused. The text after the colon is
// safe to show to the recipient.
var (
	// ErrDetails: the authorization details are wrong (RFC 9396
	// invalid_authorization_details).
	ErrDetails = errors.New("authorization_details")
	// ErrScope: the scopes are not registered or contradict the details
	// (RFC 6749 invalid_scope).
	ErrScope = errors.New("scope")
)

// Refusal is a request that was refused: Kind is ErrDetails or ErrScope and
// Text says what to mend, in ASCII without quotes, fit for
// error_description.
type Refusal struct {
	Kind error
	Text string
}

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

// Unwrap returns the kind, so that errors.Is finds it.
func (r *Refusal) Unwrap() error { return r.Kind }

func details(text string) (Request, error) { return Request{}, &Refusal{ErrDetails, text} }
func scope(text string) (Request, error)   { return Request{}, &Refusal{ErrScope, text} }

// Shape turns what was asked into a Request under the recipient's
// registration, which is a ceiling, or refuses it with a *Refusal. It is a
// pure function.
//
// A recipient with one registered purpose need not name it; one with several
// must. A request by scopes alone takes purpose, first duration and look-back
// from the registration. Where scopes and details are both present they must
// say the same (FDX consent).
func Shape(r Recipient, a Asked) (Request, error) {
	for _, s := range a.Scopes {
		if !slices.Contains(r.Scopes, s) {
			return scope("a requested scope is not in the registration of this client")
		}
	}
	var q Request
	if a.Detailed {
		if len(a.Resources) == 0 {
			return details("consentRequest.resources must have at least one entry")
		}
		for _, res := range a.Resources {
			if res.Clusters.Empty() {
				return details("each entry of consentRequest.resources needs at least one data cluster")
			}
			switch res.Type {
			case ResourceAccount:
				q.Account = q.Account.Union(res.Clusters)
			case ResourceCustomer:
				q.Customer = q.Customer.Union(res.Clusters)
			default:
				return details("resourceType must be ACCOUNT or CUSTOMER")
			}
		}
		if len(a.Scopes) > 0 && fdx.ClustersOf(a.Scopes) != q.Clusters() {
			return scope("scope and authorization_details must name the same data clusters")
		}
	} else {
		if len(a.Scopes) == 0 {
			return scope("ask for data by scope or by authorization_details")
		}
		q.Account = fdx.ClustersOf(a.Scopes)
	}
	if q.Account.Empty() {
		return details("at least one data cluster must be asked of an ACCOUNT resource")
	}
	for _, c := range q.Clusters().List() {
		if !slices.Contains(r.Scopes, c.Scope()) {
			return details("a requested data cluster is not in the registration of this client")
		}
	}

	switch code := a.Purpose; {
	case code != "":
		p, ok := r.Purpose(code)
		if !ok {
			return details("consentRequest.purpose is not in the registration of this client")
		}
		q.Purpose = p
	case len(r.Purposes) == 1:
		q.Purpose = r.Purposes[0]
	default:
		return details("this client has several registered purposes, so consentRequest.purpose is required")
	}
	if q.Clusters().Intersect(q.Purpose.Clusters) != q.Clusters() {
		return details("a requested data cluster is not allowed for the purpose")
	}

	q.Duration = a.Duration
	if q.Duration == "" {
		if a.Detailed || len(r.Durations) == 0 {
			return details("consentRequest.durationType is required")
		}
		q.Duration = r.Durations[0]
	}
	switch q.Duration {
	case OneTime, TimeBound, Persistent:
	default:
		return details("durationType must be ONE_TIME, TIME_BOUND or PERSISTENT")
	}
	if !slices.Contains(r.Durations, q.Duration) {
		return details("durationType is not in the registration of this client")
	}
	switch {
	case q.Duration != TimeBound:
		if a.DurationDays != nil {
			return details("durationPeriod goes with durationType TIME_BOUND only")
		}
	case a.DurationDays != nil:
		q.DurationDays = *a.DurationDays
	case a.Detailed:
		return details("durationPeriod is required with durationType TIME_BOUND")
	default:
		q.DurationDays = r.MaxDays
	}
	if q.Duration == TimeBound && (q.DurationDays < 1 || q.DurationDays > r.MaxDays) {
		return details("durationPeriod must be at least 1 and at most the registered number of days")
	}

	q.LookbackDays = r.LookbackDays
	if a.LookbackDays != nil {
		q.LookbackDays = *a.LookbackDays
	}
	if q.LookbackDays < 0 || q.LookbackDays > r.LookbackDays {
		return details("lookbackPeriod must be at least 0 and at most the registered number of days")
	}
	return q, nil
}
